// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;

/** What was started: what it is, what is kept alive until its end, and who is told of that. */
abstract class Operation {
  /** What the library calls it; {@link Slots#NONE} when it is not under way. */
  volatile long token = Slots.NONE;
  Resource of;
  Handle handle; // null for timers
  Handle file; // that it names beside its own
  ByteBuffer buffer;
  int kind; // its code, and its flags times 256
  long at; // in the buffer, or what stands in its place
  long length;
  long offset;

  /** {@code result} is the system's code where the status is a failure. */
  abstract void end(int status, long result);

  /** May it end in the call of a thread that is not the loop's? */
  boolean endsAnywhere() { return true; }

  Operation set(Resource of, int kind, ByteBuffer buffer, long at, long length, long offset) {
    this.of = of;
    handle = of.handle;
    this.kind = kind;
    this.buffer = buffer;
    this.at = at;
    this.length = length;
    this.offset = offset;
    return this;
  }

  /** Are its handles? A handle's own operation is its close. */
  boolean isOpen() {
    return handle == this || (handle == null || !handle.closed) && (file == null || !file.closed);
  }

  /** It has ended, and keeps nothing alive any more. */
  void forget() {
    of = null;
    handle = null;
    file = null;
    buffer = null;
  }

  long number() {
    Handle on = handle;
    return on == null ? -1 : on.number;
  }

  int timeoutMs() { return of == null ? 0 : of.timeoutMs; }
}
