// SPDX-License-Identifier: MIT
package org.evpoll;

import org.evpoll.internal.NativeConstants;

/**
 * How a call or an operation ended. Programs decide by the status; the system's own code, which
 * {@link EvpollException#osCode()} has, is for logs.
 */
public enum Status {
  /** Success. */
  OK(NativeConstants.EVPOLL_OK),
  /** Unknown flag, reserved field not zero, capacity 0. */
  INVALID(NativeConstants.EVPOLL_ERR_INVALID),
  /** Not an open handle, or not open for this operation. */
  BAD_HANDLE(NativeConstants.EVPOLL_ERR_BAD_HANDLE),
  /** The system or the process is out of memory. */
  NO_MEMORY(NativeConstants.EVPOLL_ERR_NO_MEMORY),
  /** A limit was met: descriptors, watches, threads, list size. */
  LIMIT(NativeConstants.EVPOLL_ERR_LIMIT),
  /** No such registration, operation, list or file. */
  NOT_FOUND(NativeConstants.EVPOLL_ERR_NOT_FOUND),
  /** The handle is registered with another token by now. */
  STALE(NativeConstants.EVPOLL_ERR_STALE),
  /** In use: a second waiter, an unfinished list, an armed aio. */
  BUSY(NativeConstants.EVPOLL_ERR_BUSY),
  /** io_limit reached: submit again after a completion. */
  AGAIN(NativeConstants.EVPOLL_ERR_AGAIN),
  /** The socket is not ready. */
  WOULD_BLOCK(NativeConstants.EVPOLL_ERR_WOULD_BLOCK),
  /** {@link Poller#close()} ran out of time, or the network did. */
  TIMEOUT(NativeConstants.EVPOLL_ERR_TIMEOUT),
  /** The poller was shut down and has nothing left to deliver. */
  SHUTDOWN(NativeConstants.EVPOLL_ERR_SHUTDOWN),
  /** Not on this platform, or not for this kind of handle. */
  UNSUPPORTED(NativeConstants.EVPOLL_ERR_UNSUPPORTED),
  /** A struct is newer than the library and uses what it lacks. */
  VERSION(NativeConstants.EVPOLL_ERR_VERSION),
  /** A thread-bound poller was called from another thread. */
  THREAD(NativeConstants.EVPOLL_ERR_THREAD),
  /** The poller belongs to the parent process. */
  FORKED(NativeConstants.EVPOLL_ERR_FORKED),
  /** The operation was cancelled. */
  CANCELLED(NativeConstants.EVPOLL_ERR_CANCELLED),
  /** Some operations of a list failed: see {@link IoResults}. */
  PARTIAL(NativeConstants.EVPOLL_ERR_PARTIAL),
  /** The device reported an error. */
  IO(NativeConstants.EVPOLL_ERR_IO),
  /** No space left on the device, or the quota is used up. */
  NO_SPACE(NativeConstants.EVPOLL_ERR_NO_SPACE),
  /** Beyond the largest size of a file. */
  TOO_LARGE(NativeConstants.EVPOLL_ERR_TOO_LARGE),
  /** A buffer is not mapped. */
  FAULT(NativeConstants.EVPOLL_ERR_FAULT),
  /** Permission denied, or a read-only file system. */
  ACCESS(NativeConstants.EVPOLL_ERR_ACCESS),
  /** The file exists already. */
  EXISTS(NativeConstants.EVPOLL_ERR_EXISTS),
  /** The peer refused the connection. */
  REFUSED(NativeConstants.EVPOLL_ERR_REFUSED),
  /** The peer reset or aborted the connection. */
  RESET(NativeConstants.EVPOLL_ERR_RESET),
  /** The sending side is closed. */
  BROKEN_PIPE(NativeConstants.EVPOLL_ERR_BROKEN_PIPE),
  /** The socket is not connected. */
  NOT_CONNECTED(NativeConstants.EVPOLL_ERR_NOT_CONNECTED),
  /** The address is taken. */
  ADDRESS_IN_USE(NativeConstants.EVPOLL_ERR_ADDRESS_IN_USE),
  /** Not an address of this machine. */
  ADDRESS_UNAVAILABLE(NativeConstants.EVPOLL_ERR_ADDRESS_UNAVAILABLE),
  /** No route to the peer. */
  UNREACHABLE(NativeConstants.EVPOLL_ERR_UNREACHABLE),
  /** The datagram or the buffer is of the wrong size. */
  MESSAGE_SIZE(NativeConstants.EVPOLL_ERR_MESSAGE_SIZE),
  /** Any other failure: see the system's code. */
  OS(NativeConstants.EVPOLL_ERR_OS);

  private static final Status[] BY_CODE = values();

  private final int code;

  Status(int code) {
    this.code = code;
  }

  /**
   * The number that the C interface uses: 0 for success, else negative.
   *
   * @return the number
   */
  public int code() {
    return code;
  }

  /**
   * The status of a number; a count, which is no failure, gives {@link #OK}.
   *
   * @param code a number as the C interface returns it
   * @return its status; {@link #OS} for a number that this version does not know
   */
  public static Status of(int code) {
    if (code >= 0) return OK;
    return code > -BY_CODE.length ? BY_CODE[-code] : OS;
  }
}
