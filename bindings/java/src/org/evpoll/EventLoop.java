// SPDX-License-Identifier: MIT
package org.evpoll;

import java.lang.ref.Reference;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.BiConsumer;
import org.evpoll.internal.Native;

/**
 * A thread that waits for sockets, files and timers, and calls back. Callbacks run on that thread,
 * one after the other, and must not block. Any number of loops may run in a process.
 *
 * <p>No method here, nor of what lives on a loop, waits for its thread or for what runs on it, but
 * {@link #close()} and {@link IoFuture#await()}. Operations that the loop's own thread starts go to
 * the system together, before it waits (or with the 128th, or by {@link #flush()}); those that
 * other threads start go there at once. A loop that is dropped, with all that lives on it and
 * nothing under way, ends by itself.
 */
public final class EventLoop implements AutoCloseable, Executor {
  final Loop core;

  private EventLoop(Loop core) {
    this.core = core;
    Resource.CLEANER.register(this, core::requestStop);
    core.thread.start();
  }

  /** Starts a loop. */
  public static EventLoop start() throws EvpollException {
    return start("evpoll", PollerOptions.DEFAULT);
  }

  /** Starts a loop: its thread, a daemon, gets the name; its poller has a single waiter. */
  public static EventLoop start(String name, PollerOptions options) throws EvpollException {
    return new EventLoop(new Loop(name, options));
  }

  /** Listens for TCP connections; port 0 picks a free one. */
  public TcpListener listen(InetSocketAddress address) throws EvpollException {
    return TcpListener.open(this, address);
  }

  /**
   * Connects by TCP. Names were looked up by who made the address: one that nobody knew is an
   * {@link java.nio.channels.UnresolvedAddressException}.
   */
  public IoFuture<TcpStream> connect(InetSocketAddress address) {
    return TcpStream.connect(this, address);
  }

  /**
   * Takes over a connected, non-blocking socket, or a pipe (an fd, or a SOCKET on Windows): it is
   * closed with the stream, which has no addresses. After a failure it stays the caller's.
   */
  public TcpStream adopt(long descriptor) throws EvpollException {
    return new TcpStream(this, new Handle(core, descriptor, true), null, null);
  }

  /**
   * Waits for a descriptor of the caller's (an fd, or a SOCKET on Windows). It stays the caller's,
   * who keeps it open until the result's {@code closed()} is complete.
   */
  public Descriptor watch(long descriptor) throws EvpollException {
    return new Descriptor(this, new Handle(core, descriptor, false));
  }

  /** Opens a file, for which it may wait for the file system; no flags: {@link FileFlag#READ}. */
  public AsyncFile openFile(Path path, FileFlag... flags) throws EvpollException {
    return AsyncFile.open(this, path.toString(), flags);
  }

  /** As above, by a name that may have any characters, whatever the locale. */
  public AsyncFile openFile(String path, FileFlag... flags) throws EvpollException {
    return AsyncFile.open(this, path, flags);
  }

  /**
   * Runs a task on the loop's thread, soon; those of one thread in order. After the loop's end it
   * is a {@link RejectedExecutionException}.
   */
  @Override
  public void execute(Runnable task) {
    core.execute(task, () -> {
      throw new RejectedExecutionException("the loop has ended");
    });
    Reference.reachabilityFence(this);
  }

  /** Makes a timer, which is not set, for a task that runs on the loop's thread. */
  public Timer timer(Runnable task) { return new Timer(this, task); }

  /** Runs a task on the loop's thread after some time, 0 or more. */
  public Timer schedule(Duration delay, Runnable task) {
    Timer timer = timer(task);
    timer.set(delay);
    return timer;
  }

  /** Waits for a time, 0 or more, as an operation: it can be cancelled, and ends with the loop. */
  public IoFuture<Void> delay(Duration time) {
    IoFuture<Void> future = new IoFuture<>(core, null, "a delay", n -> {
      Reference.reachabilityFence(this); // the loop is not dropped meanwhile
      return null;
    });
    core.startTimer(future, due(Loop.nanos(time)));
    return future;
  }

  /** The time of evpoll_now() that is so far away. */
  static long due(long nanos) {
    long now = Native.evpoll_now();
    return now + Math.min(nanos, Long.MAX_VALUE - 1 - now);
  }

  /** On the loop's thread: gives the system what was started since it has waited. */
  public void flush() { if (core.isHere()) core.flush(); }

  /**
   * Chooses what becomes of what callbacks throw; by default it goes to the thread's uncaught
   * exception handler. It is called where the callback ran; the loop goes on, also if it throws.
   */
  public void onError(BiConsumer<Thread, Throwable> handler) { core.errors = handler; }

  /** {@return true in callbacks of this loop} */
  public boolean isLoopThread() { return core.isHere(); }

  /** {@return the counters}; {@link ClosedPollerException} after the end, as the next two. */
  public PollerStats stats() throws EvpollException { return core.poller.stats(); }

  /** {@return what serves this loop and where its limits are} */
  public PollerInfo info() throws EvpollException { return core.poller.info(); }

  /** {@return what serves this loop, and why not something better, a line for each part} */
  public String describe() throws EvpollException { return core.poller.describe(); }

  /**
   * Ends the loop: all that lives on it is closed, operations are cancelled, and every future
   * completes. Waits for that, 20 seconds at most (what takes longer goes on by itself), but not on
   * the thread of a loop. An interrupt does not end it.
   */
  @Override
  public void close() { close(Duration.ofSeconds(20)); }

  /** As {@link #close()}, with a time of one's own; false: it has not ended, close it again. */
  public boolean close(Duration timeout) {
    core.requestStop();
    return awaitEnd(timeout);
  }

  /** Waits until the loop has ended, but not on the thread of a loop; false: it has not. */
  public boolean awaitEnd(Duration timeout) { return core.awaitEnd(timeout); }
}
