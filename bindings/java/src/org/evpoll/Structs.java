// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import java.util.Objects;

/** Room for structs of one kind, which native calls read and write. */
abstract class Structs {
  final ByteBuffer bytes;
  final long address;
  final int capacity;
  int count;
  private final int size;

  Structs(int capacity, int size) {
    if (capacity < 1) throw new IllegalArgumentException("no room for anything: " + capacity);
    Memory memory = new Memory(Math.multiplyExact(capacity, size));
    bytes = memory.bytes;
    address = memory.address;
    this.capacity = capacity;
    this.size = size;
  }

  /** {@return how many are in here; of events: those of the last wait} */
  public int count() { return count; }

  /** {@return how many there is room for} */
  public int capacity() { return capacity; }

  int at(int i) { return Objects.checkIndex(i, count) * size; }
}
