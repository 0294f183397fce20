// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import org.evpoll.internal.NativeConstants;

/**
 * A file whose operations a loop waits for. All methods may be called by any thread. Operations
 * have no order among each other, but for {@link #appendDurable}; the file has no position. Offsets
 * count bytes from its start, 0 or more. Buffers and results are as those of {@link TcpStream}.
 */
public final class AsyncFile extends Resource {
  private static final int READ = NativeConstants.EVPOLL_OP_READ;
  private static final int ALL = NativeConstants.EVPOLL_OPF_ALL << 8;

  private AsyncFile(EventLoop loop, Handle handle, String path) { super(loop, handle, path); }

  static AsyncFile open(EventLoop loop, String path, FileFlag... flags) throws EvpollException {
    long file = Handles.open(path, flags);
    try {
      return new AsyncFile(loop, new Handle(loop.core, file, true), path);
    } catch (EvpollException e) {
      Handles.close(file);
      throw e;
    }
  }

  /** Reads once: where the system stops in the middle it may be less than asked for. */
  public IoFuture<Integer> read(ByteBuffer target, long offset) {
    return move("read", target, READ, atLeast0(offset));
  }

  /** Reads until the buffer is full or the file ends. */
  public IoFuture<Integer> readFully(ByteBuffer target, long offset) {
    return move("read", target, READ | ALL, atLeast0(offset));
  }

  /** As {@link #read(ByteBuffer, long)} into a direct buffer, with a callback. */
  public void read(ByteBuffer target, long offset, IoHandler handler) {
    move(target, READ, atLeast0(offset), handler);
  }

  /** Writes all of a buffer. */
  public IoFuture<Integer> write(ByteBuffer source, long offset) {
    return move("write", source, NativeConstants.EVPOLL_OP_WRITE | ALL, atLeast0(offset));
  }

  /**
   * Appends a record, 1 byte or more, to a file that was opened with {@link FileFlag#APPEND}, and
   * yields its place when it is on the disk. Records stand in the order in which they were given,
   * each whole; those that wait go to the disk together, with one sync. Whether one that failed is
   * in the file is open, and after a failed sync all later ones fail: open the file anew then.
   */
  public IoFuture<Long> appendDurable(ByteBuffer record) {
    int length = record.remaining();
    if (length == 0) throw new IllegalArgumentException("an empty record");
    boolean direct = record.isDirect();
    ByteBuffer from = direct ? record : Buffers.take(length).put(record.duplicate()).flip();
    IoFuture<Long> place = start("append", from, from.position(), length,
        NativeConstants.EVPOLL_OP_APPEND | NativeConstants.EVPOLL_OPF_DURABLE << 8, 0, n -> n);
    return direct ? place : place.finallyGive(from);
  }

  /** Makes completed writes durable. */
  public IoFuture<Void> sync() { return simple("sync", NativeConstants.EVPOLL_OP_FSYNC, 0); }

  /** As {@link #sync()}, without metadata that reading back does not need. */
  public IoFuture<Void> syncData() {
    return simple("sync", NativeConstants.EVPOLL_OP_FDATASYNC, 0);
  }

  /** Cuts the file to so many bytes, or makes it longer, with zeros. */
  public IoFuture<Void> truncate(long size) {
    return simple("truncate", NativeConstants.EVPOLL_OP_TRUNCATE, atLeast0(size));
  }

  /** {@return the file's bytes} */
  public IoFuture<Long> size() {
    return start("size", null, 0, 0, NativeConstants.EVPOLL_OP_SIZE, 0, n -> n);
  }

  private IoFuture<Void> simple(String what, int code, long offset) {
    return start(what, null, 0, 0, code, offset, n -> null);
  }

  private static long atLeast0(long offset) {
    if (offset < 0) throw new IllegalArgumentException("negative: " + offset);
    return offset;
  }
}
