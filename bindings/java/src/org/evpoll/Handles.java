// SPDX-License-Identifier: MIT
package org.evpoll;

/**
 * Files and non-blocking sockets for a {@link Poller}. Handles are numbers, an fd, a SOCKET or a
 * HANDLE, and the caller's. Hosts are numeric addresses.
 */
public final class Handles extends HandleCalls {
  /** What {@link #receive} and {@link #send} return when the socket is not ready. */
  public static final int WOULD_BLOCK = -2;
  /** What {@link #receive} returns at the end of the stream. */
  public static final int END = -1;

  private Handles() {}
}
