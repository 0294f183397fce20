// SPDX-License-Identifier: MIT
package org.evpoll;

import java.util.ArrayDeque;

/**
 * Closes the pollers whose operations the kernel had not ended when everybody else gave up on them,
 * and keeps their buffers reachable until then. Its thread exists while there is something to wait
 * for, and does not keep the program alive.
 */
final class Reaper {
  private static final long SLICE_NANOS = 20_000_000;
  private static final ArrayDeque<PollerState> left = new ArrayDeque<>();
  private static boolean running;

  private Reaper() {}

  static void take(PollerState state) {
    synchronized (left) {
      left.add(state);
      if (running) return;
      running = true;
    }
    Thread thread = new Thread(Reaper::reap, "evpoll-reaper");
    thread.setDaemon(true);
    thread.start();
  }

  /** An operation may never end: each poller gets its slice in turn. */
  private static void reap() {
    for (;;) {
      PollerState next;
      synchronized (left) {
        next = left.poll();
        if (next == null) {
          running = false;
          return;
        }
      }
      if (next.close(SLICE_NANOS)) continue;
      synchronized (left) {
        left.add(next);
      }
    }
  }
}
