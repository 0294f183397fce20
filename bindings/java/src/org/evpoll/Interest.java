// SPDX-License-Identifier: MIT
package org.evpoll;

import org.evpoll.internal.NativeConstants;

/**
 * A set of what a registration asks for. There is one object for each of the eight sets: combining
 * allocates nothing, and sets can be compared with {@code ==}.
 */
public final class Interest {
  private static final Interest[] ALL = new Interest[8];

  static {
    for (int bits = 0; bits < ALL.length; bits++) ALL[bits] = new Interest(bits);
  }

  /** Nothing: the registration stays and reports nothing at all. */
  public static final Interest NONE = ALL[0];
  /** Reading or accepting would not block: data, the end, or an error. */
  public static final Interest READABLE = ALL[NativeConstants.EVPOLL_READABLE];
  /** Sending would not block, or connecting has ended. */
  public static final Interest WRITABLE = ALL[NativeConstants.EVPOLL_WRITABLE];
  /** Out-of-band data, where the poller has {@link Feature#PRIORITY}. */
  public static final Interest PRIORITY = ALL[NativeConstants.EVPOLL_PRIORITY];
  /** {@link #READABLE} and {@link #WRITABLE}. */
  public static final Interest READ_WRITE = READABLE.and(WRITABLE);

  final int bits;

  private Interest(int bits) {
    this.bits = bits;
  }

  /**
   * This and another one together.
   *
   * @param other what to add
   * @return both
   */
  public Interest and(Interest other) {
    return ALL[bits | other.bits];
  }

  /**
   * This one less another one.
   *
   * @param other what to leave out
   * @return the rest
   */
  public Interest without(Interest other) {
    return ALL[bits & ~other.bits];
  }

  /**
   * Tells whether all of another one is in this one.
   *
   * @param other what to look for
   * @return true if it is in here
   */
  public boolean contains(Interest other) {
    return (bits & other.bits) == other.bits;
  }

  @Override
  public String toString() {
    if (bits == 0) return "NONE";
    StringBuilder text = new StringBuilder();
    if (contains(READABLE)) text.append(" READABLE");
    if (contains(WRITABLE)) text.append(" WRITABLE");
    if (contains(PRIORITY)) text.append(" PRIORITY");
    return text.substring(1);
  }
}
