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

  /** As {@link Operation} says; a buffer that {@code isPooled} goes back in the end. */
  <T> IoFuture<T> start(String what, int kind, ByteBuffer buffer, boolean isPooled, long at,
      long length, long offset, IoFuture.Convert<T> convert) {
    IoFuture<T> future = new IoFuture<>(handle.loop, what, convert, isPooled);
    handle.loop.start(future.set(this, kind, buffer, at, length, offset));
    return future;
  }

  /** The same without a buffer. */
  <T> IoFuture<T> start(String what, int kind, long length, long offset,
      IoFuture.Convert<T> convert) {
    return start(what, kind, null, false, 0, length, offset, convert);
  }

  /** Lends what is between the buffer's position and its limit. A heap buffer is copied. */
  <T> IoFuture<T> lend(String what, int kind, ByteBuffer buffer, long offset,
      IoFuture.Convert<T> convert) {
    int length = buffer.remaining();
    boolean read = (kind & 0xFF) == EVPOLL_OP_READ;
    if (read && buffer.isReadOnly()) throw new ReadOnlyBufferException();
    if (buffer.isDirect())
      return start(what, kind, buffer, false, buffer.position(), length, offset, convert);
    ByteBuffer copy = Buffers.take(length);
    if (!read) copy.put(buffer.duplicate()).flip();
    return start(what, kind, copy, true, 0, length, offset, n -> {
      if (read) buffer.duplicate().put(copy.limit((int) n));
      return convert.of(n);
    });
  }

  /** Moves what is between the buffer's position and its limit. */
  IoFuture<Integer> move(String what, int kind, ByteBuffer buffer, long offset) {
    if (!buffer.hasRemaining()) return IoFuture.ended(handle.loop, 0, null);
    return lend(what, kind, buffer, offset, n -> moved(buffer, kind, n));
  }

  /** The same, without an allocation. */
  void move(int kind, ByteBuffer buffer, long offset, IoHandler handler) {
    Memory.direct(buffer, (kind & 0xFF) == EVPOLL_OP_READ);
    if (!buffer.hasRemaining()) throw new IllegalArgumentException("a buffer without room");
    handle.loop.start(handle.loop.slots.reused(handler).set(this, kind, buffer, buffer.position(),
        buffer.remaining(), offset));
  }

  /** Waits until it is ready, without lending a buffer. */
  IoFuture<Interest> poll(int bits) {
    return start("poll", EVPOLL_OP_POLL, bits, 0, ready -> new Interest((int) ready & 15));
  }

  /** Reads or writes an array in this call: bytes, or -1 if that would block. */
  int moveNow(int code, byte[] bytes, int at, int length) throws EvpollException {
    Loop core = handle.loop;
    long answer = (long) EVPOLL_ERR_SHUTDOWN << 32;
    if (core.enter()) {
      core.flush();
      answer = Native.evp_move(core.pointer, handle.number, handle.registration, code, bytes, at,
          length);
      core.leave();
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
