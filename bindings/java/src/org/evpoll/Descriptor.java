// SPDX-License-Identifier: MIT
package org.evpoll;

/**
 * A descriptor of the caller's (a database client's socket, an eventfd, a terminal ...) that a loop
 * waits for. It stays open at {@link #close()}; the caller may close it when {@link #closed()} is
 * complete.
 */
public final class Descriptor extends Resource {
  Descriptor(EventLoop loop, Handle handle) { super(loop, handle, "descriptor " + handle.number); }

  /**
   * Waits until something is true of it.
   *
   * @param interest what to wait for, one or more
   * @return what is true, errors included as far as they are interests
   */
  public IoFuture<Interest> poll(Interest interest) { return poll(interest.bits()); }
}
