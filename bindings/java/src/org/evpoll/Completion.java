// SPDX-License-Identifier: MIT
package org.evpoll;

/** Who is told, once, how an operation has ended. */
abstract class Completion {
  /** What the library calls its operation; {@link Loop#NONE} before it is one. */
  volatile long token = Loop.NONE;
  /** The program has asked for the end. */
  volatile boolean cancelled;

  /** {@code result} is the system's code where the status is a failure. */
  abstract void end(int status, long result);
}
