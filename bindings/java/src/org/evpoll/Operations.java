// SPDX-License-Identifier: MIT
package org.evpoll;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;
import org.evpoll.internal.Layout;
import org.evpoll.internal.Native;

/**
 * Operations on handles that were added with {@link Mode#OPERATIONS}, to be started in one call.
 * Made once, and used again after {@link #clear()}; one thread at a time may use it. {@code token}
 * is any 64 bits, and comes back in the event.
 *
 * <p>What lies between a direct buffer's position and its limit is read or written; neither is
 * moved. The buffer is the system's from submit until the event.
 */
public final class Operations extends OperationFields {
  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private final long[] tokens; // the caller's
  private final ByteBuffer[] buffers; // the same one in the same place has its address known
  private final long[] addresses;
  private int settled; // a call has looked at the first ones

  /**
   * Makes room.
   *
   * @param capacity for how many operations, 1 or more
   */
  public Operations(int capacity) {
    super(capacity);
    tokens = new long[capacity];
    buffers = new ByteBuffer[capacity];
    addresses = new long[capacity];
  }

  /** Forgets all operations; those that were started go on. */
  public void clear() {
    count = 0;
    settled = 0;
  }

  /**
   * {@return whether an operation has ended in the call: no event comes}
   *
   * @param i which one, from 0
   */
  public boolean done(int i) {
    return Objects.checkIndex(i, count) < settled && id(i) == 0 && code(i) == 0;
  }

  /**
   * {@return what an operation has yielded, which is {@link #done(int)}}
   *
   * @param i which one, from 0
   */
  public long result(int i) {
    if (!done(i)) throw new IllegalStateException("operation " + i + " has not ended inline");
    return outcome(i);
  }

  @Override
  int add(long token) {
    tokens[Objects.checkIndex(count, capacity)] = token;
    buffers[count] = null;
    return count++;
  }

  @Override
  Operations lend(int code, long handle, long offset, ByteBuffer buffer, long token) {
    int i = Objects.checkIndex(count, capacity);
    if (buffers[i] != buffer) addresses[i] = Native.evp_address(buffer);
    put(code, handle, offset, addresses[i] + buffer.position(), buffer.remaining(), token);
    buffers[i] = buffer;
    return this;
  }

  /** Of an operation that has ended inside the call, or was refused. */
  long outcome(int i) { return bytes.getLong(at(i) + Layout.IO_OFFSET); }

  /** What the library calls it. */
  long token(int i) { return bytes.getLong(at(i) + Layout.IO_TOKEN); }

  /** Which entry has the token; less than 0: none. */
  int find(long token) {
    int i = count - 1;
    while (i >= 0 && token(i) != token) i--;
    return i;
  }

  /** Takes a loop's entry out. */
  void drop(int i) {
    count--;
    bytes.put(i * Layout.IO, bytes, (i + 1) * Layout.IO, (count - i) * Layout.IO);
  }

  /** Asked during the call: an operation gets its id before the call sleeps. */
  boolean areGiven() {
    return count == 0 || (long) LONG.getAcquire(bytes, at(count - 1) + Layout.IO_OP) != 0;
  }

  /** Gives each operation a slot, which holds its buffer until its event. */
  void reserve(Slots slots) {
    for (int i = 0; i < count; i++) {
      bytes.putLong(at(i) + Layout.IO_OP, 0);
      bytes.putLong(at(i) + Layout.IO_TOKEN, slots.hold(buffers[i], tokens[i]));
    }
  }

  /** Takes back the slots of what no event comes for: all that is done or was refused. */
  void settle(Slots slots, boolean looked) {
    settled = looked ? count : 0;
    for (int i = 0; i < count; i++) if (id(i) == 0) slots.release(token(i));
  }
}
