// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.Layout.CHANGE;
import static org.evpoll.internal.Layout.CHANGE_ACTION;
import static org.evpoll.internal.Layout.CHANGE_HANDLE;
import static org.evpoll.internal.Layout.CHANGE_INTEREST;
import static org.evpoll.internal.Layout.CHANGE_MODE;
import static org.evpoll.internal.Layout.CHANGE_STATUS;
import static org.evpoll.internal.Layout.CHANGE_TOKEN;

import java.util.Objects;
import org.evpoll.internal.NativeConstants;

/**
 * Changes of registrations, to be applied in one call by {@link Poller#update(Changes)}. Make one
 * and use it again after {@link #clear()}. One thread at a time may use it.
 */
public final class Changes {
  private final Memory memory;
  private final int capacity;
  private int count;

  /**
   * Makes room for changes.
   *
   * @param capacity most changes of one call, 1 or more
   */
  public Changes(int capacity) {
    if (capacity < 1) throw new IllegalArgumentException("no room for a change: " + capacity);
    this.capacity = capacity;
    memory = new Memory(Math.multiplyExact(capacity, CHANGE));
  }

  /**
   * The number of changes in here.
   *
   * @return 0 or more
   */
  public int count() {
    return count;
  }

  /**
   * Most changes that fit.
   *
   * @return the number that this was made with
   */
  public int capacity() {
    return capacity;
  }

  /** Forgets all changes. */
  public void clear() {
    count = 0;
  }

  /**
   * As {@link Poller#add(long, long, Interest, Mode)}.
   *
   * @param handle what is to be watched
   * @param token returned in events
   * @param interest what to ask for
   * @param mode how often to report
   * @return this
   */
  public Changes add(long handle, long token, Interest interest, Mode mode) {
    return put(NativeConstants.EVPOLL_CHANGE_ADD, handle, token, interest.bits, mode.number);
  }

  /**
   * As {@link Poller#modify(long, long, Interest, Mode)}.
   *
   * @param handle a registered handle
   * @param token the token that it was added with
   * @param interest what to ask for
   * @param mode how often to report
   * @return this
   */
  public Changes modify(long handle, long token, Interest interest, Mode mode) {
    return put(NativeConstants.EVPOLL_CHANGE_MODIFY, handle, token, interest.bits, mode.number);
  }

  /**
   * As {@link Poller#rearm(long, long, Interest)}.
   *
   * @param handle a registered handle
   * @param token the token that it was added with
   * @param bits what to report once more
   * @return this
   */
  public Changes rearm(long handle, long token, Interest bits) {
    return put(NativeConstants.EVPOLL_CHANGE_REARM, handle, token, bits.bits, 0);
  }

  /**
   * As {@link Poller#remove(long, long)}.
   *
   * @param handle a registered handle
   * @param token the token that it was added with
   * @return this
   */
  public Changes remove(long handle, long token) {
    return put(NativeConstants.EVPOLL_CHANGE_REMOVE, handle, token, 0, 0);
  }

  /**
   * How a change ended.
   *
   * @param i its index, in the order in which they were put in
   * @return its status, after an update
   */
  public Status status(int i) {
    return Status.of(memory.bytes.getInt(Objects.checkIndex(i, count) * CHANGE + CHANGE_STATUS));
  }

  long address() {
    return memory.address;
  }

  private Changes put(int action, long handle, long token, int interest, int mode) {
    if (count == capacity) throw new IllegalStateException("no room for change " + count);
    int at = count++ * CHANGE;
    memory.bytes.putLong(at + CHANGE_TOKEN, token).putLong(at + CHANGE_HANDLE, handle);
    memory.bytes.putInt(at + CHANGE_ACTION, action).putInt(at + CHANGE_INTEREST, interest);
    memory.bytes.putInt(at + CHANGE_MODE, mode).putInt(at + CHANGE_STATUS, 0);
    return this;
  }
}
