// SPDX-License-Identifier: MIT
package org.evpoll;

import org.evpoll.internal.NativeConstants;

/** A set of what can be waited for: one object for each, so that {@code ==} compares. */
public final class Interest {
  private static final Interest[] ALL = new Interest[16];

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
  /** The peer sends no more; comes with {@link #READABLE}, and may be asked for alone. */
  public static final Interest READ_CLOSED = ALL[NativeConstants.EVPOLL_READ_CLOSED];
  /** {@link #READABLE} and {@link #WRITABLE}. */
  public static final Interest READ_WRITE = READABLE.and(WRITABLE);

  final int bits;

  private Interest(int bits) { this.bits = bits; }

  static Interest of(int bits) { return ALL[bits & ALL.length - 1]; }

  /** {@return this and the other one together} */
  public Interest and(Interest other) { return of(bits | other.bits); }

  /** {@return whether all of the other one is in this one} */
  public boolean contains(Interest other) { return (bits & other.bits) == other.bits; }

  @Override
  public String toString() {
    String text = contains(READABLE) ? "READABLE " : "";
    if (contains(WRITABLE)) text += "WRITABLE ";
    if (contains(PRIORITY)) text += "PRIORITY ";
    if (contains(READ_CLOSED)) text += "READ_CLOSED ";
    return bits == 0 ? "NONE" : text.trim();
  }
}
