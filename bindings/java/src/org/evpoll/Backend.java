// SPDX-License-Identifier: MIT
package org.evpoll;

import org.evpoll.internal.NativeConstants;

/** What a poller sleeps on. */
public enum Backend {
  /** Linux epoll. */
  EPOLL(NativeConstants.EVPOLL_BACKEND_EPOLL),
  /** BSD kqueue. */
  KQUEUE(NativeConstants.EVPOLL_BACKEND_KQUEUE),
  /** Windows AFD and one I/O completion port. */
  AFD(NativeConstants.EVPOLL_BACKEND_AFD),
  /** One that a newer library knows. */
  UNKNOWN(-1);

  final int number;

  Backend(int number) {
    this.number = number;
  }

  static Backend of(int number) {
    for (Backend one : values()) if (one.number == number) return one;
    return UNKNOWN;
  }
}
