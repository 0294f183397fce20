// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

import java.io.UncheckedIOException;
import java.time.Duration;
import org.evpoll.internal.Native;

/** Something to be done at a time, on a loop's thread; any thread may set it, again and again. */
public final class Timer extends Operation {
  private static final long UNSET = Long.MAX_VALUE;

  private final EventLoop loop;
  private final Runnable task;
  private long due = UNSET; // by evpoll_now(); with this held, as the next
  private boolean pending;

  Timer(EventLoop loop, Runnable task) {
    this.loop = loop;
    this.task = task;
    kind = EventLoop.TIMER;
  }

  /**
   * Has the task run once, so much later than now; what was set before is forgotten.
   *
   * @param delay 0 or more; one that is too long to be counted never comes
   */
  public void set(Duration delay) { setNanos(Loop.nanos(delay)); }

  /**
   * As {@link #set(Duration)}, without an allocation.
   *
   * @param nanos nanoseconds, 0 or more
   */
  public synchronized void setNanos(long nanos) {
    due = EventLoop.due(nanos);
    if (pending) loop.core.retime(this, nanos);
    else start();
  }

  /** {@return whether it was set: then the task will not run} */
  public synchronized boolean cancel() {
    boolean was = due != UNSET;
    due = UNSET;
    if (pending && was) loop.core.cancel(this);
    return was;
  }

  private void start() {
    pending = true;
    offset = due;
    loop.core.start(this);
  }

  @Override
  boolean endsAnywhere() { return false; }

  @Override
  void end(int status, long result) {
    synchronized (this) {
      pending = false;
      boolean refused = status < 0 && status != EVPOLL_ERR_CANCELLED;
      boolean isDue = due <= Native.evpoll_now();
      if (due == UNSET || loop.core.isStopping() && !isDue) return;
      if (!refused && !isDue) { // it was set anew meanwhile
        start();
        return;
      }
      due = UNSET;
      if (refused)
        throw new UncheckedIOException(loop.core.failure(null, "a timer", status, result, false));
    }
    task.run();
  }
}
