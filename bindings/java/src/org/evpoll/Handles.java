// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import org.evpoll.internal.Native;

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

  /**
   * Receives what is there, and moves the buffer's position.
   *
   * @param handle a connected socket
   * @param target a direct buffer
   * @return bytes, {@link #END} or {@link #WOULD_BLOCK}
   * @throws EvpollException {@link Status#RESET} ...
   */
  public static int receive(long handle, ByteBuffer target) throws EvpollException {
    Memory.direct(target, true);
    int n = moved("receive", target, Native.evp_recv_at(handle, target, target.position(),
        target.remaining()));
    return n == 0 ? END : n;
  }

  /**
   * Sends what fits of a buffer, and moves its position.
   *
   * @param handle a connected socket
   * @param source a direct buffer
   * @return bytes, or {@link #WOULD_BLOCK}
   * @throws EvpollException {@link Status#BROKEN_PIPE}, {@link Status#RESET} ...
   */
  public static int send(long handle, ByteBuffer source) throws EvpollException {
    Memory.direct(source, false);
    return moved("send", source, Native.evp_send_at(handle, source, source.position(),
        source.remaining()));
  }

  private static int moved(String what, ByteBuffer buffer, long answer) throws EvpollException {
    if (EvpollException.statusOf(answer) == Status.WOULD_BLOCK) return WOULD_BLOCK;
    int n = EvpollException.check(what, answer);
    buffer.position(buffer.position() + n);
    return n;
  }
}
