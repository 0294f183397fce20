// SPDX-License-Identifier: MIT
package org.evpoll;

/** What is called when an operation has ended, on the loop's thread; nothing is allocated. */
@FunctionalInterface
public interface IoHandler {
  /**
   * It has ended. What this throws goes to {@link EventLoop#onError}.
   *
   * @param n the bytes that were moved, by which the buffer's position was moved too; -1 at the end
   * @param failure null if it succeeded
   */
  void done(int n, EvpollException failure);
}
