// SPDX-License-Identifier: MIT
package org.evpoll;

import java.util.Objects;
import org.evpoll.internal.Layout;
import org.evpoll.internal.NativeConstants;

/**
 * Room for what a wait returns: made once for each thread that waits, and used for every wait. One
 * thread at a time may use it. {@code i} is an event's index, from 0.
 */
public final class Events {
  private final Memory memory;
  private final int capacity;
  private final Slots.Entry scratch = new Slots.Entry();
  private int count;

  /** Makes room for {@code capacity} events, 1 or more; 64 to 1024 serve best. */
  public Events(int capacity) {
    if (capacity < 1) throw new IllegalArgumentException("no room for an event: " + capacity);
    this.capacity = capacity;
    memory = new Memory(Math.multiplyExact(capacity, Layout.EVENT));
  }

  /** {@return the number of events of the last wait} */
  public int count() { return count; }

  /** {@return most events of one wait} */
  public int capacity() { return capacity; }

  /** {@return the event's token, as given at add, submission or post} */
  public long token(int i) { return memory.bytes.getLong(at(i) + Layout.EVENT_TOKEN); }

  /** {@return the id of the event's operation; 0 for readiness} */
  public long operation(int i) { return memory.bytes.getLong(at(i) + Layout.EVENT_OP); }

  /** {@return what the operation yields, or the posted value; of a failure the system's code} */
  public long result(int i) { return memory.bytes.getLong(at(i) + Layout.EVENT_RESULT); }

  /** {@return all bits of the event, EVPOLL_READABLE and so on} */
  public int bits(int i) { return memory.bytes.getInt(at(i) + Layout.EVENT_EVENTS); }

  /** {@return how the event's operation has ended; OK for most readiness} */
  public Status status(int i) { return Status.of(code(i)); }

  /** {@return whether the event has one of these bits of readiness} */
  public boolean is(int i, Interest interest) { return (bits(i) & interest.bits) != 0; }

  /** {@return whether the event says that an operation has ended} */
  public boolean isIo(int i) { return (bits(i) & NativeConstants.EVPOLL_IO) != 0; }

  int code(int i) { return memory.bytes.getInt(at(i) + Layout.EVENT_STATUS); }

  long address() { return memory.address; }

  void filled(int n) { count = n; }

  /** Takes over what a wait has written: operations get their callers' tokens back. */
  int filled(int n, Slots slots) {
    count = n;
    for (int i = 0; i < n; i++)
      if (isIo(i)) memory.bytes.putLong(at(i), slots.release(token(i), scratch).tag);
    scratch.buffer = null;
    return n;
  }

  private int at(int i) { return Objects.checkIndex(i, count) * Layout.EVENT; }
}
