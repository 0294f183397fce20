// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import org.evpoll.internal.NativeConstants;

/**
 * One file operation of a loop, or one list of them. The loop's thread alone touches it, once it
 * was queued.
 */
final class Operation {
  static final int LIST = -1; // no code of the library's

  final AsyncFile file;
  final int code;
  final int listCode;
  final ByteBuffer buffer;
  final int start;
  final int length;
  final int blockSize;
  final long offset;
  final IoFuture<Integer> single;
  final IoFuture<IoResults> list;
  long token;
  long id; // 0 while it is queued
  boolean queued = true;

  private Operation(AsyncFile file, int code, int listCode, ByteBuffer buffer, int blockSize,
      long offset) {
    this.file = file;
    this.code = code;
    this.listCode = listCode;
    this.buffer = buffer;
    this.start = buffer == null ? 0 : buffer.position();
    this.length = buffer == null ? 0 : buffer.remaining();
    this.blockSize = blockSize;
    this.offset = offset;
    this.single = code == LIST ? null : new IoFuture<>(file.loop);
    this.list = code == LIST ? new IoFuture<>(file.loop) : null;
    Runnable cancel = () -> file.loop.files().cancel(this);
    if (single != null) single.onCancel(cancel);
    else list.onCancel(cancel);
  }

  static Operation single(AsyncFile file, int code, ByteBuffer buffer, long offset) {
    return new Operation(file, code, 0, buffer, 0, offset);
  }

  static Operation list(AsyncFile file, int code, ByteBuffer buffer, int blockSize, long offset) {
    return new Operation(file, LIST, code, buffer, blockSize, offset);
  }

  int entries() {
    return (int) (((long) length + blockSize - 1) / blockSize);
  }

  void put(Operations to) {
    if (buffer == null) {
      if (code == NativeConstants.EVPOLL_IO_FSYNC) to.sync(file.handle(), token);
      else to.syncData(file.handle(), token);
    } else {
      to.move(code, file.handle(), offset, buffer, start, length, token);
    }
  }

  void putBlocks(Operations to) {
    for (int at = 0; at < length; at += blockSize)
      to.move(listCode, file.handle(), offset + at, buffer, start + at,
          Math.min(blockSize, length - at), 0);
  }

  void fail(EvpollException failure) {
    if (single != null) single.fail(failure);
    else list.fail(failure);
  }

  /** A read that moves nothing is at the end of the file, which Java calls -1. */
  void complete(int moved) {
    if (buffer != null) buffer.position(Math.min(start + moved, buffer.limit()));
    boolean end = moved == 0 && length > 0 && code == NativeConstants.EVPOLL_IO_READ;
    single.complete(end ? -1 : moved);
  }

  @Override
  public String toString() {
    String what = switch (code == LIST ? listCode : code) {
      case NativeConstants.EVPOLL_IO_READ -> "read";
      case NativeConstants.EVPOLL_IO_WRITE -> "write";
      case NativeConstants.EVPOLL_IO_FSYNC -> "sync";
      default -> "syncData";
    };
    if (buffer == null) return what + " of " + file.path();
    return what + (code == LIST ? "Blocks" : "") + " of " + length + " bytes at " + offset + " of "
        + file.path();
  }
}
