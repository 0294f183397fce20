// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.Layout.IO;
import static org.evpoll.internal.Layout.IO_BUFFER;
import static org.evpoll.internal.Layout.IO_CODE;
import static org.evpoll.internal.Layout.IO_FLAGS;
import static org.evpoll.internal.Layout.IO_HANDLE;
import static org.evpoll.internal.Layout.IO_LENGTH;
import static org.evpoll.internal.Layout.IO_OFFSET;
import static org.evpoll.internal.Layout.IO_OP;
import static org.evpoll.internal.Layout.IO_RESERVED;
import static org.evpoll.internal.Layout.IO_STATUS;
import static org.evpoll.internal.Layout.IO_TOKEN;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Objects;
import org.evpoll.internal.Native;
import org.evpoll.internal.NativeConstants;

/**
 * File operations, to be started in one call by {@link Poller#submit(Operations)} or
 * {@link Poller#submitList(Operations, long)}. Make one and use it again after {@link #clear()}.
 * One thread at a time may use it.
 *
 * <p>The bytes between a buffer's position and its limit are read or written; neither is moved.
 * Buffers are remembered by their place in here, so that using the same again is cheap; they are
 * forgotten when another takes the place.
 */
public final class Operations {
  private final Memory memory;
  private final int capacity;
  private final long[] tokens;
  private final ByteBuffer[] buffers;
  private final long[] addresses;
  private int count;
  private int inlined; // the first ones that have ended inside the call

  /**
   * Makes room for operations.
   *
   * @param capacity most operations of one call, 1 or more
   */
  public Operations(int capacity) {
    if (capacity < 1) throw new IllegalArgumentException("no room for an operation: " + capacity);
    this.capacity = capacity;
    memory = new Memory(Math.multiplyExact(capacity, IO));
    tokens = new long[capacity];
    buffers = new ByteBuffer[capacity];
    addresses = new long[capacity];
  }

  /**
   * The number of operations in here.
   *
   * @return 0 or more
   */
  public int count() {
    return count;
  }

  /**
   * Most operations that fit.
   *
   * @return the number that this was made with
   */
  public int capacity() {
    return capacity;
  }

  /** Forgets all operations; those that were started go on. */
  public void clear() {
    count = 0;
    inlined = 0;
  }

  /**
   * Reads into a buffer.
   *
   * @param handle an open file
   * @param offset bytes from the start of the file, 0 or more
   * @param target a direct buffer: the kernel's from submit until the completion
   * @param token returned in the completion
   * @return this
   */
  public Operations read(long handle, long offset, ByteBuffer target, long token) {
    Memory.direct(target, true);
    return move(NativeConstants.EVPOLL_IO_READ, handle, offset, target, target.position(),
        target.remaining(), token);
  }

  /**
   * Writes from a buffer.
   *
   * @param handle an open file
   * @param offset bytes from the start of the file, 0 or more
   * @param source a direct buffer: not to be changed from submit until the completion
   * @param token returned in the completion
   * @return this
   */
  public Operations write(long handle, long offset, ByteBuffer source, long token) {
    Memory.direct(source, false);
    return move(NativeConstants.EVPOLL_IO_WRITE, handle, offset, source, source.position(),
        source.remaining(), token);
  }

  /**
   * Makes completed writes durable.
   *
   * @param handle an open file
   * @param token returned in the completion
   * @return this
   */
  public Operations sync(long handle, long token) {
    return put(NativeConstants.EVPOLL_IO_FSYNC, handle, 0, null, 0, 0, 0, token);
  }

  /**
   * As {@link #sync(long, long)}, without metadata that reading back does not need.
   *
   * @param handle an open file
   * @param token returned in the completion
   * @return this
   */
  public Operations syncData(long handle, long token) {
    return put(NativeConstants.EVPOLL_IO_FDATASYNC, handle, 0, null, 0, 0, 0, token);
  }

  /**
   * Lets the operation that was put in last end inside the call that starts it, if that does not
   * block: {@link #done(int)} then says so, and no event comes. Not for lists.
   *
   * @return this
   */
  public Operations inline() {
    if (count == 0) throw new IllegalStateException("no operation was put in");
    memory.bytes.putInt(at(count - 1) + IO_FLAGS, NativeConstants.EVPOLL_IO_INLINE);
    return this;
  }

  /**
   * Whether an operation has ended inside the call, after a submit or a turn.
   *
   * @param i its index
   * @return true if no event comes, and its buffer is free
   */
  public boolean done(int i) {
    return Objects.checkIndex(i, count) < inlined;
  }

  /**
   * The bytes that an operation moved which is {@link #done(int)}.
   *
   * @param i its index
   * @return 0 at the end of the file
   */
  public int bytes(int i) {
    if (!done(i)) throw new IllegalStateException("operation " + i + " has not ended inline");
    return memory.bytes.getInt(at(i) + IO_STATUS);
  }

  /**
   * The id of a started operation.
   *
   * @param i its index
   * @return the id, for {@link Poller#cancel(long)}; 0 if it was not accepted, or is done
   */
  public long id(int i) {
    return memory.bytes.getLong(at(i) + IO_OP);
  }

  /**
   * Whether an operation was accepted.
   *
   * @param i its index
   * @return its status, after a submit
   */
  public Status status(int i) {
    return Status.of(memory.bytes.getInt(at(i) + IO_STATUS));
  }

  Operations move(int code, long handle, long offset, ByteBuffer buffer, int position, int length,
      long token) {
    if (offset < 0) throw new IllegalArgumentException("negative offset: " + offset);
    requireRoom();
    if (buffers[count] != buffer) {
      // The blocks of one buffer follow each other: one look at its address is enough for all.
      boolean same = count > 0 && buffers[count - 1] == buffer;
      addresses[count] = same ? addresses[count - 1] : Native.evp_address(buffer);
      buffers[count] = buffer;
    }
    return put(code, handle, offset, buffer, addresses[count], position, length, token);
  }

  private Operations put(int code, long handle, long offset, ByteBuffer buffer, long address,
      int position, int length, long token) {
    requireRoom();
    int at = count * IO;
    ByteBuffer to = memory.bytes;
    buffers[count] = buffer;
    tokens[count++] = token;
    to.putLong(at + IO_HANDLE, handle).putLong(at + IO_OFFSET, offset);
    to.putLong(at + IO_BUFFER, address + position).putLong(at + IO_LENGTH, length);
    to.putLong(at + IO_OP, 0).putInt(at + IO_CODE, code).putInt(at + IO_FLAGS, 0);
    to.putInt(at + IO_STATUS, 0).putInt(at + IO_RESERVED, 0);
    return this;
  }

  private void requireRoom() {
    if (count == capacity) throw new IllegalStateException("no room for operation " + count);
  }

  long address() {
    return memory.address;
  }

  /** Gives each operation a slot, which holds its buffer until its completion. */
  void reserve(Slots slots) {
    synchronized (slots) {
      for (int i = 0; i < count; i++)
        memory.bytes.putLong(i * IO + IO_TOKEN, slots.reserveLocked(buffers[i], tokens[i]));
      slots.publish();
    }
  }

  /** Takes back the slots of what no event comes for: all that is done or was not accepted. */
  void release(Slots slots, int accepted) {
    inlined = 0;
    while (inlined < accepted && memory.bytes.getLong(inlined * IO + IO_OP) == 0) inlined++;
    for (int i = 0; i < count; i++)
      if (i < inlined || i >= accepted) slots.release(memory.bytes.getLong(i * IO + IO_TOKEN));
  }

  /** The number of operations that were accepted: a prefix of them. */
  int accepted() {
    int n = 0;
    while (n < count && memory.bytes.getInt(n * IO + IO_STATUS) >= 0) n++;
    return n;
  }

  /** What holds all buffers of a list. */
  Object roots() {
    return Arrays.copyOf(buffers, count);
  }

  private int at(int i) {
    return Objects.checkIndex(i, count) * IO;
  }
}
