// SPDX-License-Identifier: MIT
package org.evpoll;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;
import org.evpoll.internal.Layout;
import org.evpoll.internal.Native;
import org.evpoll.internal.NativeConstants;

/**
 * Operations on handles that were added with {@link Mode#OPERATIONS}, to be started in one call.
 * Made once, and used again after {@link #clear()}; one thread at a time may use it. {@code token}
 * is any 64 bits, and comes back in the event.
 *
 * <p>What lies between a direct buffer's position and its limit is read or written; neither is
 * moved. The buffer is the system's from submit until the event.
 */
public final class Operations {
  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private final Memory memory;
  private final ByteBuffer bytes;
  private final long[] tokens;
  private final ByteBuffer[] buffers; // the same one in the same place has its address known
  private final long[] addresses;
  private final Slots.Entry scratch = new Slots.Entry();
  private int count;
  private int settled; // a call has looked at the first ones

  /** Makes room for {@code capacity} operations, 1 or more. */
  public Operations(int capacity) {
    if (capacity < 1) throw new IllegalArgumentException("no room for an operation: " + capacity);
    memory = new Memory(Math.multiplyExact(capacity, Layout.IO));
    bytes = memory.bytes;
    tokens = new long[capacity];
    buffers = new ByteBuffer[capacity];
    addresses = new long[capacity];
  }

  /** {@return the number of operations in here} */
  public int count() { return count; }

  /** Forgets all operations; those that were started go on. */
  public void clear() {
    count = 0;
    settled = 0;
  }

  /** Reads from a file at {@code offset}, or from a stream, at 0. */
  public Operations read(long handle, long offset, ByteBuffer target, long token) {
    return move(NativeConstants.EVPOLL_OP_READ, handle, offset, Memory.direct(target, true), token);
  }

  /** Writes to a file at {@code offset}, or to a stream, at 0. */
  public Operations write(long handle, long offset, ByteBuffer source, long token) {
    return move(NativeConstants.EVPOLL_OP_WRITE, handle, offset, Memory.direct(source, false),
        token);
  }

  /** Waits until one of the bits is true, which are the result then. */
  public Operations poll(long handle, Interest interest, long token) {
    return plain(NativeConstants.EVPOLL_OP_POLL, handle, 0, interest.bits, token);
  }

  /** Accepts a connection: the result is its handle. */
  public Operations accept(long handle, long token) {
    return plain(NativeConstants.EVPOLL_OP_ACCEPT, handle, 0, 0, token);
  }

  /** Waits for so many nanoseconds, 0 or more. */
  public Operations timer(long nanos, long token) {
    return plain(NativeConstants.EVPOLL_OP_TIMER, -1, nanos, 0, token);
  }

  /** Makes the completed writes of a file durable. */
  public Operations sync(long handle, long token) {
    return plain(NativeConstants.EVPOLL_OP_FSYNC, handle, 0, 0, token);
  }

  /** Removes a handle, and closes it when nobody uses it any more; its event is the last. */
  public Operations close(long handle, long token) {
    return plain(NativeConstants.EVPOLL_OP_CLOSE, handle, 0, 0, token);
  }

  /** Lets the last operation end inside the call, if it can: {@link #done(int)} then says so. */
  public Operations inline() { return last(Layout.IO_FLAGS, NativeConstants.EVPOLL_OPF_INLINE); }

  /** Gives the last operation a time limit in milliseconds, 1 or more. */
  public Operations limit(int millis) { return last(Layout.IO_TIMEOUT_MS, millis); }

  /** {@return whether operation {@code i} has ended in the call: no event comes} */
  public boolean done(int i) {
    return Objects.checkIndex(i, count) < settled && id(i) == 0 && code(i) == 0;
  }

  /** {@return what operation {@code i} has yielded, which is {@link #done(int)}} */
  public long result(int i) {
    if (!done(i)) throw new IllegalStateException("operation " + i + " has not ended inline");
    return outcome(i);
  }

  /** {@return the id of operation {@code i}, for cancel; 0 if it was refused, or is done} */
  public long id(int i) { return bytes.getLong(at(i) + Layout.IO_OP); }

  /** {@return OK if operation {@code i} was accepted or is done, after a call; else why not} */
  public Status status(int i) { return Status.of(code(i)); }

  private Operations last(int field, int value) {
    bytes.putInt(at(count - 1) + field, value);
    return this;
  }

  private Operations move(int code, long handle, long offset, ByteBuffer buffer, long token) {
    if (offset < 0) throw new IllegalArgumentException("negative offset: " + offset);
    int i = Objects.checkIndex(count, tokens.length);
    if (buffers[i] != buffer) addresses[i] = Native.evp_address(buffer);
    buffers[i] = buffer;
    put(code, 0, handle, offset, addresses[i] + buffer.position(), buffer.remaining(), 0, token);
    return this;
  }

  private Operations plain(int code, long handle, long offset, long length, long token) {
    put(code, 0, handle, offset, 0, length, 0, token);
    buffers[count - 1] = null;
    return this;
  }

  void put(int code, int flags, long handle, long offset, long address, long length, int timeoutMs,
      long token) {
    tokens[count] = token;
    int at = count++ * Layout.IO;
    bytes.putLong(at + Layout.IO_TOKEN, token).putLong(at + Layout.IO_HANDLE, handle);
    bytes.putLong(at + Layout.IO_OFFSET, offset).putLong(at + Layout.IO_BUFFER, address);
    bytes.putLong(at + Layout.IO_LENGTH, length).putLong(at + Layout.IO_OP, 0);
    bytes.putInt(at + Layout.IO_CODE, code).putInt(at + Layout.IO_FLAGS, flags);
    bytes.putInt(at + Layout.IO_STATUS, 0).putInt(at + Layout.IO_TIMEOUT_MS, timeoutMs);
  }

  long token(int i) { return tokens[i]; }

  int code(int i) { return bytes.getInt(at(i) + Layout.IO_STATUS); }

  /** Of an operation that has ended inside the call, or was refused. */
  long outcome(int i) { return bytes.getLong(at(i) + Layout.IO_OFFSET); }

  /** Asked by another thread during the call: an operation gets its id before the call sleeps. */
  boolean isGiven(int i) {
    return (long) LONG.getAcquire(bytes, i * Layout.IO + Layout.IO_OP) != 0;
  }

  private int find(long token) {
    int i = count - 1;
    while (i >= 0 && tokens[i] != token) i--;
    return i;
  }

  /** Takes an entry out; false if it is not here. */
  boolean drop(long token) {
    int i = find(token);
    if (i < 0) return false;
    count--;
    bytes.put(i * Layout.IO, bytes, (i + 1) * Layout.IO, (count - i) * Layout.IO);
    System.arraycopy(tokens, i + 1, tokens, i, count - i);
    return true;
  }

  /** Gives an entry another end; false if it is not here. */
  boolean retime(long token, long nanos) {
    int i = find(token);
    if (i < 0) return false;
    if (bytes.getInt(at(i) + Layout.IO_CODE) == NativeConstants.EVPOLL_OP_TIMER)
      bytes.putLong(at(i) + Layout.IO_OFFSET, Native.evpoll_now() + nanos);
    else bytes.putInt(at(i) + Layout.IO_TIMEOUT_MS, Math.max(1, Loop.millis(nanos)));
    return true;
  }

  long address() { return memory.address; }

  /** Gives each operation a slot, which holds its buffer until its event. */
  void reserve(Slots slots) {
    for (int i = 0; i < count; i++)
      bytes.putLong(at(i) + Layout.IO_OP, 0).putLong(at(i) + Layout.IO_TOKEN,
          slots.reserve(null, null, buffers[i], tokens[i]));
  }

  /** Takes back the slots of what no event comes for: all that is done or was refused. */
  void settle(Slots slots, boolean looked) {
    settled = looked ? count : 0;
    for (int i = 0; i < count; i++)
      if (id(i) == 0) slots.release(bytes.getLong(at(i) + Layout.IO_TOKEN), scratch);
  }

  private int at(int i) { return Objects.checkIndex(i, count) * Layout.IO; }
}
