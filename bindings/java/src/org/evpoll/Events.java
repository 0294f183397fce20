// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

/**
 * Room for what a wait returns: made once for each thread that waits, and used for every wait. One
 * thread at a time may use it.
 */
public final class Events extends EventFields {
  /**
   * Makes room.
   *
   * @param capacity for how many events, 1 or more; 64 to 1024 serve best
   */
  public Events(int capacity) { super(capacity); }

  /**
   * {@return whether the event has one of these bits of readiness}
   *
   * @param i which one, from 0
   * @param interest the bits
   */
  public boolean is(int i, Interest interest) { return (bits(i) & interest.bits()) != 0; }

  /**
   * {@return whether the event says that an operation has ended}
   *
   * @param i which one, from 0
   */
  public boolean isIo(int i) { return (bits(i) & EVPOLL_IO) != 0; }

  /** Takes over what a wait has written: operations get their callers' tokens back. */
  int filled(int n, Slots slots) {
    count = n;
    for (int i = 0; i < n; i++)
      if (isIo(i)) bytes.putLong(at(i), slots.release(token(i)));
    return n;
  }
}
