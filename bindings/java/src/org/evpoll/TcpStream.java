// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;

/**
 * A connection. All methods may be called by any thread. Reads are served in the order in which
 * they were started, and so are writes, whichever threads have started them.
 *
 * <p>A direct buffer is the system's until the operation has ended: nothing is copied. A heap
 * buffer is copied, on the way out at once. What is read or written is what lies between a buffer's
 * position and its limit; at the end the position is moved. Reads yield bytes, and -1 at the end.
 */
public final class TcpStream extends Resource {
  private static final int READ = EVPOLL_OP_READ;
  private static final int WRITE = EVPOLL_OP_WRITE;
  private static final int ALL = EVPOLL_OPF_ALL << 8;

  private final InetSocketAddress remote;
  private final InetSocketAddress local;

  TcpStream(EventLoop loop, Handle handle, InetSocketAddress remote, InetSocketAddress local) {
    super(loop, handle, remote == null ? "a stream" : "stream " + remote);
    this.remote = remote;
    this.local = local;
  }

  /**
   * Reads what is there, or comes first.
   *
   * @param target where to
   * @return the bytes, -1 at the end
   */
  public IoFuture<Integer> read(ByteBuffer target) { return move("read", READ, target, 0); }

  /**
   * Reads until the buffer is full or the stream ends.
   *
   * @param target where to
   * @return the bytes, -1 if the end came first
   */
  public IoFuture<Integer> readFully(ByteBuffer target) {
    return move("read", READ | ALL, target, 0);
  }

  /**
   * As {@link #read(ByteBuffer)}, with a callback: nothing is allocated.
   *
   * @param target a direct buffer
   * @param handler called in the end
   */
  public void read(ByteBuffer target, IoHandler handler) { move(READ, target, 0, handler); }

  /**
   * Writes all of a buffer, which is not to be changed before the end, if it is direct.
   *
   * @param source what to write
   * @return the bytes
   */
  public IoFuture<Integer> writeAll(ByteBuffer source) {
    return move("write", WRITE | ALL, source, 0);
  }

  /**
   * As {@link #writeAll(ByteBuffer)}, with a callback: nothing is allocated.
   *
   * @param source a direct buffer
   * @param handler called in the end
   */
  public void writeAll(ByteBuffer source, IoHandler handler) {
    move(WRITE | ALL, source, 0, handler);
  }

  /**
   * Sends a part of a file, which the system does without a copy where it can.
   *
   * @param file a file of the same loop
   * @param offset where the part begins
   * @param length its bytes
   * @return the bytes that were sent: fewer where the file ends
   */
  public IoFuture<Long> sendFile(AsyncFile file, long offset, long length) {
    if (file.loop != loop) throw new IllegalArgumentException("a file of another loop");
    IoFuture<Long> sent = new IoFuture<>(loop.core, "send of " + file, n -> n, false);
    sent.set(this, EVPOLL_OP_SEND_FILE, null, file.handle.number, length, offset);
    sent.file = file.handle;
    loop.core.start(sent);
    return sent;
  }

  /** {@return the end of sending the stream's end, after what was written; reading goes on} */
  public IoFuture<Void> shutdownOutput() {
    return start("shutdown", EVPOLL_OP_SHUTDOWN, EVPOLL_SHUTDOWN_WRITE, 0, n -> null);
  }

  /**
   * Gives every operation that is started later a time limit, those of the blocking streams too:
   * what has not ended by then is {@link Status#EXPIRED}.
   *
   * @param limit zero, or more than 292 years: none; more than 49 days: 49 days
   * @return this
   */
  public TcpStream timeout(Duration limit) {
    timeoutMs = Loop.millis(Loop.nanos(limit));
    return this;
  }

  /**
   * {@return the stream for code that blocks, on virtual threads above all} What is there is read
   * in the caller's own call; only if nothing is does it wait. Closing it closes this.
   */
  public InputStream inputStream() { return new Blocking.Input(this); }

  /**
   * {@return the stream for code that blocks, on virtual threads above all} What the system takes
   * at once is written in the caller's own call. Nothing is buffered. Closing it closes this.
   */
  public OutputStream outputStream() { return new Blocking.Output(this); }

  /**
   * Sends small pieces at once, or gathers them.
   *
   * @param on at once
   * @throws EvpollException if it was closed, or is no TCP socket
   */
  public void setNoDelay(boolean on) throws EvpollException {
    handle.hold("setting an option of " + this, () -> Handles.setNoDelay(handle.number, on));
  }

  /** {@return the peer's address, as it was at the start; null if it has none} */
  public InetSocketAddress remoteAddress() { return remote; }

  /** {@return its own address; null if it has none} */
  public InetSocketAddress localAddress() { return local; }

  /** Closes it with a reset: what was not sent is dropped, and the peer sees an error. */
  public void abort() { handle.close(EVPOLL_OPF_ABORT); }
}
