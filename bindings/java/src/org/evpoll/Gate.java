// SPDX-License-Identifier: MIT
package org.evpoll;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * The way to a native poller: counts who is inside of a call, and lets nobody in any more once it
 * is shut, so that the poller is freed when nobody is inside, and a late call meets the gate.
 */
final class Gate {
  private static final long SHUT = 1L << 62;
  private static final long PAUSE_NANOS = 5_000_000; // who leaves ends the pause

  private final AtomicLong state = new AtomicLong();
  private volatile Thread closer;

  boolean enter() {
    if ((state.getAndIncrement() & SHUT) == 0) return true;
    leave();
    return false;
  }

  void leave() { if ((state.getAndDecrement() & SHUT) != 0) LockSupport.unpark(closer); }

  boolean isShut() { return (state.get() & SHUT) != 0; }

  void shut() { state.getAndUpdate(s -> s | SHUT); }

  /**
   * Waits until nobody is inside, saying {@code leave} to them now and then; false if time ran out.
   * An interrupt does not end it, since buffers depend on it.
   */
  boolean awaitEmpty(long nanos, Runnable leave) {
    long until = System.nanoTime() + Math.min(nanos, Long.MAX_VALUE / 2);
    closer = Thread.currentThread();
    boolean interrupted = false;
    while (state.get() != SHUT && until - System.nanoTime() > 0) {
      leave.run();
      LockSupport.parkNanos(this, Math.min(PAUSE_NANOS, until - System.nanoTime()));
      interrupted |= Thread.interrupted();
    }
    if (interrupted) Thread.currentThread().interrupt();
    return state.get() == SHUT;
  }
}
