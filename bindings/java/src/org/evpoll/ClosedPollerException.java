// SPDX-License-Identifier: MIT
package org.evpoll;

/** A poller was used after it had been closed. */
public final class ClosedPollerException extends IllegalStateException {
  private static final long serialVersionUID = 1;

  ClosedPollerException() { super("the poller is closed"); }
}
