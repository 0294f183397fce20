// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

import java.lang.ref.Reference;
import java.net.InetSocketAddress;
import java.nio.channels.UnresolvedAddressException;
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
public final class EventLoop extends PollerTold implements AutoCloseable, Executor {
  static final int TIMER = EVPOLL_OP_TIMER | EVPOLL_OPF_ABSOLUTE << 8;

  final Loop core;

  private EventLoop(Loop core) {
    super(core.poller.state);
    this.core = core;
    Resource.CLEANER.register(this, core::requestStop);
    core.thread.start();
  }

  /**
   * {@return a new loop}
   *
   * @throws EvpollException {@link Status#LIMIT} ...
   */
  public static EventLoop start() throws EvpollException {
    return start("evpoll", PollerOptions.DEFAULT);
  }

  /**
   * {@return a new loop, whose poller has a single waiter}
   *
   * @param name of its thread, a daemon
   * @param options how to open its poller
   * @throws EvpollException {@link Status#INVALID}: an option is out of range
   */
  public static EventLoop start(String name, PollerOptions options) throws EvpollException {
    return new EventLoop(new Loop(name, options));
  }

  /**
   * Listens for TCP connections.
   *
   * @param address of this machine; port 0 picks a free one
   * @return the listener
   * @throws EvpollException {@link Status#ADDRESS_IN_USE} ...
   */
  public TcpListener listen(InetSocketAddress address) throws EvpollException {
    long socket = Handles.listen(host(address), address.getPort(), 0);
    return new TcpListener(this, Handle.socket(core, socket), Handles.localAddress(socket));
  }

  /**
   * Connects by TCP.
   *
   * @param address to which; names were looked up by who made it: one that nobody knew is an {@link
   * UnresolvedAddressException}
   * @return the connection
   */
  public IoFuture<TcpStream> connect(InetSocketAddress address) {
    String host = host(address);
    try {
      long socket = Handles.connect(host, address.getPort());
      Handle handle = Handle.socket(core, socket);
      TcpStream stream = new TcpStream(this, handle, address, Handles.localAddress(socket));
      return stream.start("connect", EVPOLL_OP_CONNECT, 0, 0, n -> stream)
          .whenComplete((made, failure) -> {
            if (failure != null) stream.close();
          });
    } catch (EvpollException e) {
      return IoFuture.ended(core, null, e);
    }
  }

  /** The address as the library wants it, which looks no names up. */
  private static String host(InetSocketAddress address) {
    if (address.isUnresolved()) throw new UnresolvedAddressException();
    return address.getAddress().getHostAddress();
  }

  /**
   * Takes over a socket or a pipe.
   *
   * @param descriptor a connected, non-blocking one (an fd, or a SOCKET on Windows); after a
   * failure it stays the caller's
   * @return its stream, which has no addresses, and closes it
   * @throws EvpollException {@link Status#UNSUPPORTED}: it is something else ...
   */
  public TcpStream adopt(long descriptor) throws EvpollException {
    return new TcpStream(this, new Handle(core, descriptor, true), null, null);
  }

  /**
   * Waits for a descriptor of the caller's.
   *
   * @param descriptor an fd, or a SOCKET on Windows; it stays the caller's, who keeps it open until
   * the result's {@code closed()} is complete
   * @return what waits for it
   * @throws EvpollException {@link Status#UNSUPPORTED}: it cannot be polled ...
   */
  public Descriptor watch(long descriptor) throws EvpollException {
    return new Descriptor(this, new Handle(core, descriptor, false));
  }

  /**
   * Opens a file, for which it may wait for the file system.
   *
   * @param path which file
   * @param flags none: {@link FileFlag#READ}
   * @return the file
   * @throws EvpollException {@link Status#NOT_FOUND}, {@link Status#ACCESS} ...
   */
  public AsyncFile openFile(Path path, FileFlag... flags) throws EvpollException {
    return openFile(path.toString(), flags);
  }

  /**
   * As above, by a name that may have any characters, whatever the locale.
   *
   * @param path which file
   * @param flags none: {@link FileFlag#READ}
   * @return the file
   * @throws EvpollException {@link Status#NOT_FOUND}, {@link Status#ACCESS} ...
   */
  public AsyncFile openFile(String path, FileFlag... flags) throws EvpollException {
    long file = Handles.open(path, flags);
    return new AsyncFile(this, Handle.own(core, file, () -> Handles.close(file)), path);
  }

  /**
   * Runs a task on the loop's thread, soon; those of one thread in order. After the loop's end it
   * is a {@link RejectedExecutionException}.
   *
   * @param task what to run
   */
  @Override
  public void execute(Runnable task) {
    core.execute(task, () -> {
      throw new RejectedExecutionException("the loop has ended");
    });
    Reference.reachabilityFence(this);
  }

  /**
   * {@return a timer, which is not set}
   *
   * @param task what runs on the loop's thread
   */
  public Timer timer(Runnable task) { return new Timer(this, task); }

  /**
   * Runs a task on the loop's thread after some time.
   *
   * @param delay 0 or more
   * @param task what to run
   * @return its timer
   */
  public Timer schedule(Duration delay, Runnable task) {
    Timer timer = timer(task);
    timer.set(delay);
    return timer;
  }

  /**
   * {@return the end of a time, as an operation: it can be cancelled, and ends with the loop}
   *
   * @param time 0 or more
   */
  public IoFuture<Void> delay(Duration time) {
    IoFuture<Void> future = new IoFuture<>(core, "a delay", n -> {
      Reference.reachabilityFence(this); // the loop is not dropped meanwhile
      return null;
    }, false);
    future.kind = TIMER;
    future.offset = due(Loop.nanos(time));
    core.start(future);
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
   *
   * @param handler called with the thread and what was thrown
   */
  public void onError(BiConsumer<Thread, Throwable> handler) { core.errors = handler; }

  /** {@return true in callbacks of this loop} */
  public boolean isLoopThread() { return core.isHere(); }

  /**
   * Ends the loop: all that lives on it is closed, operations are cancelled, and every future
   * completes. Waits for that, 20 seconds at most (what takes longer goes on by itself), but not on
   * the thread of a loop. An interrupt does not end it.
   */
  @Override
  public void close() { close(Duration.ofSeconds(20)); }

  /**
   * As {@link #close()}, with a time of one's own.
   *
   * @param timeout how long to wait
   * @return false if it has not ended: close it again
   */
  public boolean close(Duration timeout) {
    core.requestStop();
    return awaitEnd(timeout);
  }

  /**
   * Waits until the loop has ended, but not on the thread of a loop.
   *
   * @param timeout how long
   * @return false if it has not
   */
  public boolean awaitEnd(Duration timeout) { return core.awaitEnd(timeout); }
}
