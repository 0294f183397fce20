// SPDX-License-Identifier: MIT
package org.evpoll;

import java.io.IOException;
import org.evpoll.internal.Native;

/** A call or an operation that failed. Decide by {@link #status()}. */
public final class EvpollException extends IOException {
  private static final long serialVersionUID = 1;

  /** How it failed. */
  private final Status status;
  /** The system's own code. */
  private final int osCode;

  EvpollException(Status status, int osCode, String what) {
    super(what + ": " + Native.evpoll_strerror(status.code())
        + (osCode == 0 ? "" : " (system code " + osCode + ")"));
    this.status = status;
    this.osCode = osCode;
  }

  /** The same failure for another caller: a stack trace belongs to one throw. */
  EvpollException(EvpollException cause) {
    super(cause.getMessage(), cause);
    this.status = cause.status;
    this.osCode = cause.osCode;
  }

  /** {@return how it failed, never OK} */
  public Status status() { return status; }

  /** {@return the system's own code, for logs; 0 where the system was not involved} */
  public int osCode() { return osCode; }

  /** Takes a native call's answer apart: a count, or the status above the system's code. */
  static int check(String what, long answer) throws EvpollException {
    if (answer >= 0) return (int) answer;
    throw of(what, answer);
  }

  static EvpollException of(String what, long answer) {
    return new EvpollException(statusOf(answer), (int) answer, what);
  }

  static Status statusOf(long answer) { return Status.of((int) (answer >> 32)); }
}
