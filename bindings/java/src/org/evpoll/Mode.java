// SPDX-License-Identifier: MIT
package org.evpoll;

import org.evpoll.internal.NativeConstants;

/** How often a registration reports. */
public enum Mode {
  /** Every wait reports what is true. */
  LEVEL(NativeConstants.EVPOLL_LEVEL),
  /** What becomes true is reported; after a socket would block, call rearm. */
  EDGE(NativeConstants.EVPOLL_EDGE),
  /** One event, then silence until rearm or modify. */
  ONESHOT(NativeConstants.EVPOLL_ONESHOT);

  final int number;

  Mode(int number) {
    this.number = number;
  }
}
