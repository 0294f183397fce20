// SPDX-License-Identifier: MIT
package org.evpoll;

import java.util.EnumSet;
import java.util.Set;
import org.evpoll.internal.NativeConstants;

/** What a poller can do. */
public enum Feature {
  /** Out-of-band data can be an interest. */
  PRIORITY(NativeConstants.EVPOLL_FEATURE_PRIORITY),
  /** Regular files and block devices are served. */
  FILE_IO(NativeConstants.EVPOLL_FEATURE_FILE_IO),
  /** They are served by the kernel, without worker threads. */
  NATIVE_IO(NativeConstants.EVPOLL_FEATURE_NATIVE_IO),
  /** Vectored operations are served, to C. */
  VECTORED_IO(NativeConstants.EVPOLL_FEATURE_VECTORED_IO),
  /** Named pipes are served as files are (Windows). */
  PIPE_IO(NativeConstants.EVPOLL_FEATURE_PIPE_IO),
  /** Operations of the caller's own can be taken in, from C. */
  FOREIGN_AIO(NativeConstants.EVPOLL_FEATURE_FOREIGN_AIO),
  /** Pipes and devices can be registered, not only sockets. */
  ANY_HANDLE(NativeConstants.EVPOLL_FEATURE_ANY_HANDLE);

  final int bit;

  Feature(int bit) {
    this.bit = bit;
  }

  static Set<Feature> of(int bits) {
    EnumSet<Feature> set = EnumSet.noneOf(Feature.class);
    for (Feature flag : values()) if ((bits & flag.bit) != 0) set.add(flag);
    return set;
  }
}
