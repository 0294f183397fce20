// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.evpoll.internal.Native;

/**
 * A descriptor that is registered with a loop: what remains of a {@link Resource} when nobody knows
 * it any more, and what its Cleaner runs. Everything here is asked for by any thread.
 *
 * <p>{@code queued} is the last turn in which the loop's thread has put in an entry for it, and
 * {@code hops} counts what other threads have left to the loop's thread, to stay behind those. An
 * entry looks at {@code closed} after it has set {@code queued}, and a close the other way round:
 * so no entry is submitted behind the close, when the number may be another descriptor's.
 */
final class Handle extends Completion implements Runnable {
  private static final AtomicLong TOKENS = new AtomicLong();

  final Loop loop;
  final long number;
  final long token = TOKENS.incrementAndGet(); // names the registration
  final boolean owned; // else it stays open
  final IoFuture<Void> ended;
  final ReentrantLock naming = new ReentrantLock(); // of one that is not owned
  final AtomicInteger hops = new AtomicInteger();
  volatile long queued;
  volatile boolean closed;

  /** Registers a descriptor; after a failure it is as it was. */
  Handle(Loop loop, long number, boolean owned) throws EvpollException {
    this.loop = loop;
    this.number = number;
    this.owned = owned;
    ended = new IoFuture<>(loop, null, "close", n -> null);
    loop.enter();
    try {
      EvpollException.check("add", Native.evpoll_add(loop.pointer, number, token, 0,
          EVPOLL_OPERATIONS));
      loop.open.add(this);
    } finally {
      loop.gate.leave();
    }
  }

  /** What closes a descriptor that could not be registered. */
  interface Closer {
    void close(long number) throws EvpollException;
  }

  /** The same for a new descriptor, which is closed after a failure. */
  static Handle own(Loop loop, long number, Closer closer) throws EvpollException {
    try {
      return new Handle(loop, number, true);
    } catch (EvpollException e) {
      closer.close(number);
      throw e;
    }
  }

  /** Are there entries that have not reached the library, behind which all others belong? */
  boolean isBehind() { return hops.get() != 0 || !loop.isSubmitted(queued); }

  /** Keeps the number from being anybody else's until release, for calls by number. */
  void hold(String what) throws EvpollException {
    loop.enter();
    long answer = Native.evpoll_hold(loop.pointer, number, token);
    if (answer >= 0 && !closed) return;
    if (answer >= 0) Native.evpoll_release(loop.pointer, number);
    loop.gate.leave();
    throw new EvpollException(Status.BAD_HANDLE, 0, what + ", which was closed");
  }

  /** For an entry of the loop's thread that names the number; false if it was closed. */
  boolean follow() {
    queued = loop.turn();
    return !closed;
  }

  void release() {
    Native.evpoll_release(loop.pointer, number);
    loop.gate.leave();
  }

  /** The Cleaner's. */
  @Override
  public void run() { close(0); }

  void close(int flags) {
    synchronized (this) {
      if (closed) return;
      closed = true;
    }
    loop.close(this, flags);
  }

  /** CLOSE has ended, the last of all. */
  @Override
  void end(int status, long result) {
    loop.open.remove(this);
    ended.end(0, 0);
  }
}
