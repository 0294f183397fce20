// SPDX-License-Identifier: MIT
package org.evpoll;

import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import org.evpoll.internal.Native;
import org.evpoll.internal.NativeConstants;

/**
 * A connection. All methods may be called by any thread. Reads are served in the order in which
 * they were started, and so are writes, whichever threads have started them.
 *
 * <p>A direct buffer is the system's until the operation has ended: nothing is copied. A heap
 * buffer is copied, on the way out at once. What is read or written is what lies between a buffer's
 * position and its limit; at the end the position is moved. Reads yield bytes, and -1 at the end.
 */
public final class TcpStream extends Resource {
  private static final int READ = NativeConstants.EVPOLL_OP_READ;
  private static final int WRITE = NativeConstants.EVPOLL_OP_WRITE;
  private static final int ALL = NativeConstants.EVPOLL_OPF_ALL << 8;

  private final InetSocketAddress remote;
  private final InetSocketAddress local;

  TcpStream(EventLoop loop, Handle handle, InetSocketAddress remote, InetSocketAddress local) {
    super(loop, handle, remote == null ? "a stream" : "stream " + remote);
    this.remote = remote;
    this.local = local;
  }

  static IoFuture<TcpStream> connect(EventLoop loop, InetSocketAddress where) {
    String host = TcpListener.host(where);
    long socket = -1;
    try {
      socket = Handles.connect(host, where.getPort());
      InetSocketAddress local = Handles.localAddress(socket);
      TcpStream stream = new TcpStream(loop, new Handle(loop.core, socket, true), where, local);
      return stream.start("connect", null, 0, 0, NativeConstants.EVPOLL_OP_CONNECT, 0,
          n -> stream).whenComplete((made, failure) -> {
            if (failure != null) stream.close();
          });
    } catch (EvpollException e) {
      if (socket >= 0) Native.evpoll_socket_close(socket);
      return IoFuture.failed(loop.core, e);
    }
  }

  /** Reads what is there, or comes first. */
  public IoFuture<Integer> read(ByteBuffer target) { return move("read", target, READ, 0); }

  /** Reads until the buffer is full or the stream ends; -1 if the end came first. */
  public IoFuture<Integer> readFully(ByteBuffer target) {
    return move("read", target, READ | ALL, 0);
  }

  /** As {@link #read(ByteBuffer)} into a direct buffer, with a callback: nothing is allocated. */
  public void read(ByteBuffer target, IoHandler handler) { move(target, READ, 0, handler); }

  /** Writes all of a buffer, which is not to be changed before the end, if it is direct. */
  public IoFuture<Integer> writeAll(ByteBuffer source) {
    return move("write", source, WRITE | ALL, 0);
  }

  /** As {@link #writeAll(ByteBuffer)} of a direct buffer, with a callback. */
  public void writeAll(ByteBuffer source, IoHandler handler) {
    move(source, WRITE | ALL, 0, handler);
  }

  /**
   * Sends {@code length} bytes of a file of the same loop, from {@code offset} on, which the system
   * does without a copy where it can. Yields the bytes that were sent: fewer where the file ends.
   */
  public IoFuture<Long> sendFile(AsyncFile file, long offset, long length) {
    if (file.loop != loop) throw new IllegalArgumentException("a file of another loop");
    IoFuture<Long> sent = new IoFuture<>(loop.core, this, "send of " + file, n -> n);
    sent.file = file.handle;
    loop.core.start(this, null, file.handle.number, length, NativeConstants.EVPOLL_OP_SEND_FILE,
        offset, sent);
    return sent;
  }

  /** Sends the end of the stream, after what was written. Reading goes on. */
  public IoFuture<Void> shutdownOutput() {
    return start("shutdown", null, 0, NativeConstants.EVPOLL_SHUTDOWN_WRITE,
        NativeConstants.EVPOLL_OP_SHUTDOWN, 0, n -> null);
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
   * The stream for code that blocks, on virtual threads above all. What is there is read in the
   * caller's own call; only if nothing is does it wait. Closing it closes this.
   */
  public InputStream inputStream() { return new BlockingInput(this); }

  /**
   * The stream for code that blocks, on virtual threads above all. What the system takes at once is
   * written in the caller's own call. Nothing is buffered. Closing it closes this.
   */
  public OutputStream outputStream() { return new BlockingOutput(this); }

  /** Sends small pieces at once, or gathers them. */
  public void setNoDelay(boolean on) throws EvpollException {
    handle.hold("setting an option of " + this);
    try {
      EvpollException.check("no delay",
          Native.evpoll_socket_set_nodelay(handle.number, on ? 1 : 0));
    } finally {
      handle.release();
    }
  }

  /** {@return the peer's address, as it was at the start; null if it has none} */
  public InetSocketAddress remoteAddress() { return remote; }

  /** {@return its own address; null if it has none} */
  public InetSocketAddress localAddress() { return local; }

  /** Closes it with a reset: what was not sent is dropped, and the peer sees an error. */
  public void abort() { handle.close(NativeConstants.EVPOLL_OPF_ABORT); }
}
