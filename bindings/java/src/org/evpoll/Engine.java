// SPDX-License-Identifier: MIT
package org.evpoll;

import org.evpoll.internal.NativeConstants;

/** Who serves file operations. */
public enum Engine {
  /** Nobody. */
  NONE(NativeConstants.EVPOLL_ENGINE_NONE),
  /** A pool of worker threads. */
  POOL(NativeConstants.EVPOLL_ENGINE_POOL),
  /** Linux io_uring. */
  IO_URING(NativeConstants.EVPOLL_ENGINE_IO_URING),
  /** POSIX AIO by kqueue. */
  AIO(NativeConstants.EVPOLL_ENGINE_AIO),
  /** Overlapped I/O on the completion port. */
  IOCP(NativeConstants.EVPOLL_ENGINE_IOCP),
  /** One that a newer library knows. */
  UNKNOWN(-1);

  final int number;

  Engine(int number) {
    this.number = number;
  }

  static Engine of(int number) {
    for (Engine one : values()) if (one.number == number) return one;
    return UNKNOWN;
  }
}
