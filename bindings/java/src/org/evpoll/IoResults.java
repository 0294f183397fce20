// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.Layout.RESULT;
import static org.evpoll.internal.Layout.RESULT_RESULT;
import static org.evpoll.internal.Layout.RESULT_STATUS;

import java.util.Objects;

/** The outcome of each operation of a list. */
public final class IoResults {
  private final Memory memory;
  private final int capacity;
  private int count;

  /**
   * Makes room for results.
   *
   * @param capacity most entries of a list, 1 or more
   */
  public IoResults(int capacity) {
    if (capacity < 1) throw new IllegalArgumentException("no room for a result: " + capacity);
    this.capacity = capacity;
    memory = new Memory(Math.multiplyExact(capacity, RESULT));
  }

  /**
   * The number of entries.
   *
   * @return 0 before the results were taken
   */
  public int count() {
    return count;
  }

  /**
   * Bytes that an entry has moved.
   *
   * @param i its index
   * @return bytes; 0 at the end of the file, and for one that failed
   */
  public long bytes(int i) {
    return status(i) == Status.OK ? memory.bytes.getLong(at(i) + RESULT_RESULT) : 0;
  }

  /**
   * How an entry ended.
   *
   * @param i its index
   * @return its status
   */
  public Status status(int i) {
    return Status.of(memory.bytes.getInt(at(i) + RESULT_STATUS));
  }

  /**
   * The system's own code of an entry that failed.
   *
   * @param i its index
   * @return the code; 0 for one that succeeded
   */
  public int osCode(int i) {
    return status(i) == Status.OK ? 0 : (int) memory.bytes.getLong(at(i) + RESULT_RESULT);
  }

  /**
   * Bytes that all entries have moved together.
   *
   * @return the sum
   */
  public long totalBytes() {
    long sum = 0;
    for (int i = 0; i < count; i++) sum += bytes(i);
    return sum;
  }

  /**
   * Throws if an entry failed.
   *
   * @return this
   * @throws EvpollException the first failure
   */
  public IoResults requireAll() throws EvpollException {
    for (int i = 0; i < count; i++)
      if (status(i) != Status.OK)
        throw new EvpollException(status(i), osCode(i), "entry " + i + " of a list");
    return this;
  }

  long address() {
    return memory.address;
  }

  int capacity() {
    return capacity;
  }

  int filled(int n) {
    count = n;
    return n;
  }

  private int at(int i) {
    return Objects.checkIndex(i, count) * RESULT;
  }
}
