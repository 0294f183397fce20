// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

import java.lang.ref.Cleaner;
import java.nio.ByteBuffer;
import java.nio.ReadOnlyBufferException;
import org.evpoll.internal.Native;

/** What streams, listeners, files and descriptors have in common. What is dropped is closed. */
abstract class Resource implements AutoCloseable {
  static final Cleaner CLEANER = Cleaner.create();

  final EventLoop loop; // a loop is not dropped before what lives on it
  final Handle handle;
  private final String name;
  volatile int timeoutMs;

  Resource(EventLoop loop, Handle handle, String name) {
    this.loop = loop;
    this.handle = handle;
    this.name = name;
    CLEANER.register(this, handle);
  }

  /**
   * Closes it: never waits, and may be called by any thread and again. What is pending ends with
   * {@link Status#BAD_HANDLE}; {@link #closed()} tells when the last of it has ended.
   */
  @Override
  public void close() { handle.close(0); }

  /** {@return what is complete when it is closed and nothing of it is pending} */
  public IoFuture<Void> closed() { return handle.ended; }

  /** {@return false once it was closed} */
  public boolean isOpen() { return !handle.closed; }

  @Override
  public String toString() { return name; }

  /** {@code kind} and {@code at} are as {@link Slots.Slot} says. */
  <T> IoFuture<T> start(String what, ByteBuffer buffer, long at, long length, int kind,
      long offset, IoFuture.Convert<T> convert) {
    return start(new IoFuture<>(handle.loop, this, what, convert), buffer, at, length, kind,
        offset);
  }

  /** The same with a buffer of the pool, which goes back there in the end. */
  <T> IoFuture<T> startPooled(String what, ByteBuffer buffer, long length, int kind, long offset,
      IoFuture.Convert<T> convert) {
    IoFuture<T> future = new IoFuture<>(handle.loop, this, what, convert);
    future.pooled = buffer;
    return start(future, buffer, 0, length, kind, offset);
  }

  private <T> IoFuture<T> start(IoFuture<T> future, ByteBuffer buffer, long at, long length,
      int kind, long offset) {
    handle.loop.start(this, buffer, at, length, kind, offset, future);
    return future;
  }

  /** Moves what is between the buffer's position and its limit. A heap buffer is copied. */
  IoFuture<Integer> move(String what, ByteBuffer buffer, int kind, long offset) {
    int length = buffer.remaining();
    if (length == 0) return IoFuture.ended(handle.loop, 0, null);
    boolean read = (kind & 0xFF) == EVPOLL_OP_READ;
    if (read && buffer.isReadOnly()) throw new ReadOnlyBufferException();
    if (buffer.isDirect())
      return start(what, buffer, buffer.position(), length, kind, offset,
          n -> moved(buffer, kind, n));
    ByteBuffer copy = Buffers.take(length);
    if (!read) copy.put(buffer.duplicate()).flip();
    return startPooled(what, copy, length, kind, offset, n -> {
      if (read) buffer.duplicate().put(copy.limit((int) n));
      return moved(buffer, kind, n);
    });
  }

  /** The same, without an allocation. */
  void move(ByteBuffer buffer, int kind, long offset, IoHandler handler) {
    Memory.direct(buffer, (kind & 0xFF) == EVPOLL_OP_READ);
    if (!buffer.hasRemaining()) throw new IllegalArgumentException("a buffer without room");
    handle.loop.start(this, buffer, buffer.position(), buffer.remaining(), kind, offset, handler);
  }

  /** Waits until it is ready, without lending a buffer. */
  IoFuture<Interest> poll(int bits) {
    return start("poll", null, 0, bits, EVPOLL_OP_POLL, 0,
        ready -> Interest.of((int) ready));
  }

  /** Reads or writes an array in this call: bytes, or -1 if that would block. */
  int moveNow(int code, byte[] bytes, int at, int length) throws EvpollException {
    Loop core = handle.loop;
    if (core.isHere()) core.flush();
    else if (code == EVPOLL_OP_WRITE && handle.isBehind()) return -1;
    core.enter();
    long answer;
    try {
      answer = Native.evp_move(core.pointer, handle.number, handle.token, code, bytes, at, length);
    } finally {
      core.gate.leave();
    }
    if (answer >= 0) return (int) answer;
    int status = (int) (answer >> 32);
    if (status == EVPOLL_ERR_WOULD_BLOCK) return -1;
    throw core.failure(this, "a call", status, (int) answer, false);
  }

  /** What was asked for as a whole is short only where the stream has broken. */
  int moved(ByteBuffer buffer, int kind, long n) throws EvpollException {
    buffer.position(buffer.position() + (int) n);
    boolean read = (kind & 0xFF) == EVPOLL_OP_READ;
    if (!read && buffer.hasRemaining())
      throw new EvpollException(Status.BROKEN_PIPE, 0, "write to " + this + ", after " + n
          + " bytes");
    return n == 0 && read ? -1 : (int) n;
  }
}
