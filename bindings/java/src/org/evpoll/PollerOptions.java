// SPDX-License-Identifier: MIT
package org.evpoll;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * How to open a poller.
 *
 * @param flags how to open it; see {@link #with(OpenFlag...)}
 * @param wakeToken the token of events that {@link Poller#wake()} makes
 * @param ioLimit most operations in flight, 1 to 1048576; 0: 4096
 * @param poolThreads most threads of the worker pool, 1 to 256; 0: 4
 */
public record PollerOptions(Set<OpenFlag> flags, long wakeToken, int ioLimit, int poolThreads) {
  /** What a poller is opened with where nothing else is said. */
  public static final PollerOptions DEFAULT = new PollerOptions(Set.of(), 0, 0, 0);

  /**
   * Takes the options; the set is copied.
   *
   * @param flags how to open it
   * @param wakeToken the token of events that {@link Poller#wake()} makes
   * @param ioLimit most operations in flight; 0: 4096
   * @param poolThreads most threads of the worker pool; 0: 4
   */
  public PollerOptions {
    flags = Set.copyOf(flags);
  }

  /**
   * These options and some flags.
   *
   * @param more what to add
   * @return new options
   */
  public PollerOptions with(OpenFlag... more) {
    EnumSet<OpenFlag> all = EnumSet.noneOf(OpenFlag.class);
    all.addAll(flags);
    all.addAll(List.of(more));
    return new PollerOptions(all, wakeToken, ioLimit, poolThreads);
  }

  /**
   * These options with another wake token.
   *
   * @param token the token of wake events
   * @return new options
   */
  public PollerOptions withWakeToken(long token) {
    return new PollerOptions(flags, token, ioLimit, poolThreads);
  }

  /**
   * These options with another limit.
   *
   * @param limit most operations in flight, 1 to 1048576
   * @return new options
   */
  public PollerOptions withIoLimit(int limit) {
    return new PollerOptions(flags, wakeToken, limit, poolThreads);
  }

  /**
   * These options with another size of the worker pool.
   *
   * @param threads most threads, 1 to 256
   * @return new options
   */
  public PollerOptions withPoolThreads(int threads) {
    return new PollerOptions(flags, wakeToken, ioLimit, threads);
  }
}
