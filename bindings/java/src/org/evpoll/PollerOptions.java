// SPDX-License-Identifier: MIT
package org.evpoll;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * How to open a poller.
 *
 * @param flags none unless said
 * @param wakeToken the token of events that {@link Poller#wake()} makes
 * @param ioLimit most operations in flight; 0: 1048576
 * @param poolThreads most threads of the worker pool, 1 to 256; 0: 4
 */
public record PollerOptions(Set<OpenFlag> flags, long wakeToken, int ioLimit, int poolThreads) {
  /** What suits most programs. */
  public static final PollerOptions DEFAULT = new PollerOptions(Set.of(), 0, 0, 0);

  /** {@return these options with more flags} */
  public PollerOptions with(OpenFlag... more) {
    EnumSet<OpenFlag> all = EnumSet.noneOf(OpenFlag.class);
    all.addAll(flags);
    all.addAll(List.of(more));
    return new PollerOptions(all, wakeToken, ioLimit, poolThreads);
  }

  /** {@return these options with another limit} */
  public PollerOptions withIoLimit(int limit) {
    return new PollerOptions(flags, wakeToken, limit, poolThreads);
  }
}
