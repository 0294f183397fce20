// SPDX-License-Identifier: MIT
/**
 * One wait for sockets that became ready and file operations that finished.
 *
 * <p>Start with {@link org.evpoll.EventLoop}; who wants to drive the wait himself starts with
 * {@link org.evpoll.Poller}.
 */
module org.evpoll {
  exports org.evpoll;
}
