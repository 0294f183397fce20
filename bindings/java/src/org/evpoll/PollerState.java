// SPDX-License-Identifier: MIT
package org.evpoll;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.evpoll.internal.Native;
import org.evpoll.internal.NativeConstants;

/**
 * What remains when nobody knows the poller any more: the native one, and the buffers of its
 * operations.
 *
 * <p>{@code state} counts who is inside a call, and has a bit that lets nobody in any more. The
 * native poller is freed only when nobody is inside, so a late call meets the bit and never freed
 * memory. To get waiting threads out, closing shuts down, which ends waits that have nothing in
 * flight, and wakes the others one by one: a wake is not lost by who is not inside yet.
 */
final class PollerState {
  private static final long CLOSED = 1L << 62;
  private static final long PAUSE_NANOS = 5_000_000;
  private static final VarHandle STATE;
  private static final AtomicInteger LIVE = new AtomicInteger();

  static {
    try {
      STATE = MethodHandles.lookup().findVarHandle(PollerState.class, "state", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  final Slots slots = new Slots();
  final long pointer;
  @SuppressWarnings("unused") // by STATE
  private volatile long state;
  private final ReentrantLock closing = new ReentrantLock();
  private final AtomicBoolean leftToReaper = new AtomicBoolean();
  private volatile Thread closer;
  private boolean freed; // with closing held

  PollerState(long pointer) {
    this.pointer = pointer;
    LIVE.incrementAndGet();
  }

  /** Native pollers that were not freed yet, for tests. */
  static int live() {
    return LIVE.get();
  }

  void enter() {
    if (((long) STATE.getAndAdd(this, 1L) & CLOSED) == 0) return;
    leave();
    throw new ClosedPollerException();
  }

  void leave() {
    if (((long) STATE.getAndAdd(this, -1L) & CLOSED) != 0) LockSupport.unpark(closer);
  }

  boolean isClosed() {
    return (state & CLOSED) != 0;
  }

  /**
   * Returns true when the native poller was freed, now or earlier; false if time ran out. A
   * negative time is none at all. An interrupt does not end it: buffers depend on it.
   */
  boolean close(long timeoutNanos) {
    STATE.getAndBitwiseOr(this, CLOSED);
    long began = System.nanoTime();
    boolean interrupted = Thread.interrupted();
    try {
      while (!closing.tryLock()) {
        long left = left(began, timeoutNanos);
        if (left == 0) return false;
        interrupted |= pause(left);
      }
      closer = Thread.currentThread();
      try {
        if (freed) return true;
        Native.evpoll_shutdown(pointer);
        while (state != CLOSED) {
          long left = left(began, timeoutNanos);
          if (left == 0) return false;
          Native.evpoll_wake(pointer);
          interrupted |= pause(left);
        }
        return free(left(began, timeoutNanos));
      } finally {
        closer = null;
        closing.unlock();
      }
    } finally {
      if (interrupted) Thread.currentThread().interrupt();
    }
  }

  /** Who leaves ends the pause; its length matters only between two that close at once. */
  private boolean pause(long left) {
    LockSupport.parkNanos(this, left < 0 ? PAUSE_NANOS : Math.min(left, PAUSE_NANOS));
    return Thread.interrupted();
  }

  private boolean free(long timeoutNanos) {
    long answer = Native.evpoll_close(pointer, timeoutNanos);
    if (answer != 0) {
      if (EvpollException.statusOf(answer) == Status.TIMEOUT) return false;
      throw new AssertionError("a poller cannot be closed: " + EvpollException.statusOf(answer));
    }
    freed = true;
    slots.clear();
    LIVE.decrementAndGet();
    return true;
  }

  private static long left(long began, long timeoutNanos) {
    if (timeoutNanos < 0) return NativeConstants.EVPOLL_INFINITE;
    return Math.max(0, timeoutNanos - (System.nanoTime() - began));
  }

  /** The poller is unreachable, or its close ran out of time. Does not block. */
  void abandon() {
    if (!close(0) && leftToReaper.compareAndSet(false, true)) Reaper.take(this);
  }
}
