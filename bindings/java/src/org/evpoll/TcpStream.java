// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;

/**
 * A TCP connection on a loop. All methods may be called by any thread; callbacks run on the loop's.
 *
 * <p>Buffers are direct. A buffer given to {@link #writeAll(ByteBuffer)} or
 * {@link #read(ByteBuffer)} is the stream's until the future is complete: nothing is copied.
 *
 * <p>While something waits to be written nothing is read: a peer that sends and does not receive is
 * not read from, and so costs no memory.
 */
public final class TcpStream implements AutoCloseable {
  private static final int FAIR_SHARE = 16;

  private final EventLoop loop;
  private final long handle;
  private final ArrayDeque<Write> writes = new ArrayDeque<>(); // the loop's thread, as what follows
  private long token;
  private ByteBuffer target;
  private Reader reader;
  private IoFuture<Integer> readOnce;
  private IoFuture<TcpStream> connecting;
  private Runnable afterClose;
  private EvpollException failure;
  private boolean reading;
  private boolean closeWhenWritten;
  private boolean endWhenWritten;
  private volatile boolean open = true;

  private record Write(ByteBuffer buffer, int length, IoFuture<Integer> done) {}

  /** What is called with bytes that were read. */
  @FunctionalInterface
  public interface Reader {
    /**
     * Bytes are in the buffer, between its position 0 and its limit; or reading is over.
     *
     * @param stream whose they are
     * @param n bytes; -1 at the end of the stream, and after a failure, which
     *     {@link TcpStream#failure()} then tells
     */
    void read(TcpStream stream, int n);
  }

  private TcpStream(EventLoop loop, long handle) {
    this.loop = loop;
    this.handle = handle;
  }

  /** Takes over a socket. On the loop's thread. */
  static TcpStream of(EventLoop loop, long handle) throws EvpollException {
    TcpStream stream = new TcpStream(loop, handle);
    try {
      if (loop.isStopping()) throw loop.ended();
      stream.token = loop.watch(handle, Interest.READ_WRITE, Mode.EDGE, (Object) stream);
      return stream;
    } catch (EvpollException e) {
      Sockets.close(handle);
      throw e;
    }
  }

  /**
   * Connects.
   *
   * @param loop who waits for it
   * @param host a numeric address: names are not looked up
   * @param port 1 to 65535
   * @return the connection, when it is made
   */
  public static IoFuture<TcpStream> connect(EventLoop loop, String host, int port) {
    IoFuture<TcpStream> made = new IoFuture<>(loop);
    loop.soon(() -> {
      try {
        TcpStream stream = of(loop, Sockets.connect(host, port));
        stream.connecting = made;
        made.onCancel(stream::close);
      } catch (EvpollException e) {
        made.fail(e);
      } catch (IllegalArgumentException e) {
        made.fail(new EvpollException(Status.INVALID, 0, "connecting to " + host));
      }
    }, () -> made.fail(loop.ended()));
    return made;
  }

  // ---- reading --------------------------------------------------------------------------------

  /**
   * Reads again and again into one buffer, from its start. When the callback returns, and what it
   * has written is on its way, the next bytes are read: so the buffer may be written from.
   *
   * @param buffer a direct buffer with a capacity of 1 or more; the stream's from now on
   * @param callback what to do with the bytes
   */
  public void readLoop(ByteBuffer buffer, Reader callback) {
    Memory.direct(buffer, true);
    if (buffer.capacity() == 0) throw new IllegalArgumentException("no room for a byte");
    loop.soon(() -> {
      if (readOnce != null) {
        loop.report(new IllegalStateException("a readLoop while another read is under way"));
        return;
      }
      target = buffer;
      reader = callback;
      pump();
    });
  }

  /**
   * Reads once: what is there, or comes first.
   *
   * @param buffer a direct buffer; its position is moved by the bytes that were read
   * @return bytes; -1 at the end of the stream
   * @throws IllegalStateException if another read is under way
   */
  public IoFuture<Integer> read(ByteBuffer buffer) {
    Memory.direct(buffer, true);
    IoFuture<Integer> done = new IoFuture<>(loop);
    loop.soon(() -> {
      if (!open) {
        done.fail(closed());
      } else if (target != null) {
        done.fail(new EvpollException(Status.BUSY, 0, "another read is under way"));
      } else if (!buffer.hasRemaining()) {
        done.complete(0);
      } else {
        done.onCancel(() -> endRead(new EvpollException(Status.CANCELLED, 0, "read")));
        target = buffer;
        readOnce = done;
        pump();
      }
    }, () -> done.fail(loop.ended()));
    return done;
  }

  /** Stops a readLoop after the callback that is running, if any. */
  public void stopReading() {
    loop.soon(this::forgetReader);
  }

  private void forgetReader() {
    if (readOnce != null) return;
    target = null;
    reader = null;
  }

  private void pump() {
    if (reading) return; // a callback has come here: the loop below goes on
    reading = true;
    try {
      for (int i = 0; open && target != null && writes.isEmpty(); i++) {
        if (i == FAIR_SHARE) {
          loop.nextTurn(this::pump);
          return;
        }
        if (!readSome()) return;
      }
    } finally {
      reading = false;
    }
  }

  private boolean readSome() {
    if (reader != null) target.clear();
    int n;
    try {
      n = Sockets.receive(handle, target);
      if (n == Sockets.WOULD_BLOCK) {
        loop.poller().rearm(handle, token, Interest.READABLE);
        return false;
      }
    } catch (EvpollException e) {
      failure = e;
      n = Sockets.END;
    }
    if (readOnce != null) {
      finishRead(n);
      return false;
    }
    Reader callback = reader;
    target.flip();
    if (n < 0) forgetReader();
    try {
      callback.read(this, n);
    } catch (RuntimeException | Error e) {
      loop.report(e);
      close();
    }
    return n >= 0;
  }

  private void finishRead(int n) {
    IoFuture<Integer> done = readOnce;
    readOnce = null;
    target = null;
    if (failure != null) done.fail(failure);
    else done.complete(n);
  }

  private void endRead(EvpollException why) {
    if (readOnce == null) return;
    IoFuture<Integer> done = readOnce;
    readOnce = null;
    target = null;
    done.fail(why);
  }

  // ---- writing --------------------------------------------------------------------------------

  /**
   * Writes all of a buffer, after what was given before. What the system does not take at once
   * waits for the peer.
   *
   * @param buffer a direct buffer; its position is moved to its limit. Do not change it before the
   *     future is complete
   * @return the number of bytes
   */
  public IoFuture<Integer> writeAll(ByteBuffer buffer) {
    Memory.direct(buffer, false);
    IoFuture<Integer> done = new IoFuture<>(loop);
    Write write = new Write(buffer, buffer.remaining(), done);
    if (loop.isLoopThread()) start(write);
    else loop.soon(() -> start(write), () -> done.fail(loop.ended()));
    return done;
  }

  /**
   * Writes what the system takes at once, and only where nothing waits to be written.
   *
   * @param buffer a direct buffer; its position is moved
   * @return bytes, 0 or more
   * @throws EvpollException if the connection is broken
   */
  public int write(ByteBuffer buffer) throws EvpollException {
    Memory.direct(buffer, false);
    return loop.call(() -> {
      if (!open) throw closed();
      if (!writes.isEmpty()) return 0;
      int n = Sockets.send(handle, buffer);
      if (n != Sockets.WOULD_BLOCK) return n;
      loop.poller().rearm(handle, token, Interest.WRITABLE);
      return 0;
    });
  }

  private void start(Write write) {
    if (!open) {
      write.done.fail(closed());
      return;
    }
    write.done.onCancel(() -> cancel(write));
    writes.add(write);
    if (writes.size() == 1 && connecting == null) drain();
  }

  /** One of which some bytes are sent cannot be taken back. */
  private void cancel(Write write) {
    if (write.buffer.remaining() < write.length || !writes.remove(write)) return;
    write.done.fail(new EvpollException(Status.CANCELLED, 0, "write"));
    if (writes.isEmpty()) drained();
  }

  private void drain() {
    try {
      for (Write write; open && (write = writes.peek()) != null;) {
        if (write.buffer.hasRemaining()
            && Sockets.send(handle, write.buffer) == Sockets.WOULD_BLOCK) {
          loop.poller().rearm(handle, token, Interest.WRITABLE);
          return;
        }
        if (write.buffer.hasRemaining()) continue;
        writes.poll();
        write.done.complete(write.length);
      }
    } catch (EvpollException e) {
      fail(e);
      return;
    }
    if (open) drained();
  }

  private void drained() {
    if (closeWhenWritten) {
      close();
      return;
    }
    if (endWhenWritten) end();
    pump();
  }

  /** Sends the end of the stream, after what waits to be written. Reading goes on. */
  public void shutdownOutput() {
    loop.soon(() -> {
      endWhenWritten = true;
      if (writes.isEmpty()) end();
    });
  }

  private void end() {
    endWhenWritten = false;
    if (!open) return;
    try {
      Sockets.shutdown(handle, Sockets.Direction.WRITE);
    } catch (EvpollException e) {
      fail(e);
    }
  }

  // ---- the rest -------------------------------------------------------------------------------

  void ready(int bits) {
    if (connecting != null && !connected(bits)) return;
    boolean broken = (bits & (Events.ERROR | Events.WRITE_CLOSED)) != 0;
    if (!writes.isEmpty() && (broken || (bits & Events.WRITABLE) != 0)) drain();
    if (open && (broken || (bits & (Events.READABLE | Events.READ_CLOSED)) != 0)) pump();
  }

  private boolean connected(int bits) {
    if ((bits & (Events.WRITABLE | Events.WRITE_CLOSED | Events.ERROR)) == 0) return false;
    IoFuture<TcpStream> made = connecting;
    try {
      Status status = Sockets.takeError(handle);
      if (status != Status.OK) throw new EvpollException(status, 0, "connect");
      connecting = null;
      made.complete(this);
      if (!writes.isEmpty()) drain();
      return open;
    } catch (EvpollException e) {
      connecting = null;
      made.fail(e);
      close();
      return false;
    }
  }

  private void fail(EvpollException why) {
    failure = why;
    Reader callback = reader;
    close();
    if (callback != null) callback.read(this, Sockets.END);
  }

  /**
   * Why the connection broke.
   *
   * @return null if it did not
   */
  public EvpollException failure() {
    return failure;
  }

  /**
   * Has something done when the stream is closed, by whomever.
   *
   * @param action what to do, on the loop's thread; at once if it is closed already
   */
  public void onClose(Runnable action) {
    loop.soon(() -> {
      if (open) afterClose = action;
      else action.run();
    });
  }

  /**
   * Bytes that wait to be written. On the loop's thread.
   *
   * @return bytes
   */
  public long waitingBytes() {
    long sum = 0;
    for (Write write : writes) sum += write.buffer.remaining();
    return sum;
  }

  /**
   * Tells whether the stream is open.
   *
   * @return false once it was closed
   */
  public boolean isOpen() {
    return open;
  }

  /**
   * Its own address.
   *
   * @return host and port
   * @throws EvpollException if it is closed
   */
  public Sockets.Address localAddress() throws EvpollException {
    return loop.call(() -> {
      if (!open) throw closed();
      return Sockets.localAddress(handle);
    });
  }

  /**
   * The peer's address.
   *
   * @return host and port
   * @throws EvpollException if it is closed or not connected
   */
  public Sockets.Address peerAddress() throws EvpollException {
    return loop.call(() -> {
      if (!open) throw closed();
      return Sockets.peerAddress(handle);
    });
  }

  /**
   * Sends small pieces at once, or gathers them.
   *
   * @param on true: at once
   * @throws EvpollException if it is closed
   */
  public void setNoDelay(boolean on) throws EvpollException {
    loop.call(() -> {
      if (!open) throw closed();
      Sockets.setNoDelay(handle, on);
      return null;
    });
  }

  void closeWhenWritten() {
    if (writes.isEmpty()) close();
    else closeWhenWritten = true;
  }

  /**
   * Closes the connection; what waits to be written is dropped, and its futures fail with
   * {@link Status#CANCELLED}. A second close does nothing.
   */
  @Override
  public void close() {
    if (loop.isLoopThread()) closeNow();
    else loop.callQuietly(() -> {
      closeNow();
      return null;
    });
  }

  private void closeNow() {
    if (!open) return;
    open = false;
    loop.forget(token);
    try {
      loop.poller().remove(handle, token);
      Sockets.close(handle);
    } catch (EvpollException e) {
      loop.report(e);
    }
    target = readOnce == null ? null : target;
    reader = null;
    EvpollException why = failure != null ? failure : closed();
    endRead(why);
    for (Write write; (write = writes.poll()) != null;) write.done.fail(why);
    if (connecting != null) connecting.fail(why);
    connecting = null;
    if (afterClose != null) afterClose.run();
  }

  private EvpollException closed() {
    return new EvpollException(Status.CANCELLED, 0, "the stream was closed");
  }
}
