// SPDX-License-Identifier: MIT
package org.evpoll;

import java.util.EnumSet;
import java.util.Set;
import org.evpoll.internal.NativeConstants;

/** How a poller is to be opened. */
public enum OpenFlag {
  /** Never two waits at once; makes one-shot registrations cheap. */
  SINGLE_WAITER(NativeConstants.EVPOLL_OPEN_SINGLE_WAITER),
  /** One thread makes all calls but wake, post, shutdown and the questions. */
  THREAD_BOUND(NativeConstants.EVPOLL_OPEN_THREAD_BOUND),
  /** Linux: file operations by the worker pool. */
  NO_URING(NativeConstants.EVPOLL_OPEN_NO_URING),
  /** No worker pool: unsupported where the kernel cannot do it. */
  NATIVE_IO_ONLY(NativeConstants.EVPOLL_OPEN_NATIVE_IO_ONLY);

  final int bit;

  OpenFlag(int bit) {
    this.bit = bit;
  }

  static int bits(OpenFlag... flags) {
    int bits = 0;
    for (OpenFlag flag : flags) bits |= flag.bit;
    return bits;
  }

  static Set<OpenFlag> of(int bits) {
    EnumSet<OpenFlag> set = EnumSet.noneOf(OpenFlag.class);
    for (OpenFlag flag : values()) if ((bits & flag.bit) != 0) set.add(flag);
    return set;
  }
}
