// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.Layout.EVENT;
import static org.evpoll.internal.Layout.EVENT_EVENTS;
import static org.evpoll.internal.Layout.EVENT_OP;
import static org.evpoll.internal.Layout.EVENT_RESULT;
import static org.evpoll.internal.Layout.EVENT_STATUS;
import static org.evpoll.internal.Layout.EVENT_TOKEN;

import java.nio.ByteBuffer;
import java.util.Objects;
import org.evpoll.internal.NativeConstants;

/**
 * What a wait fills: make one and use it for every wait. One thread at a time may use it.
 *
 * <p>Index {@code i} is below the number that the wait returned.
 */
public final class Events {
  /** Reading or accepting would not block. */
  public static final int READABLE = NativeConstants.EVPOLL_READABLE;
  /** Sending would not block, or connecting has ended. */
  public static final int WRITABLE = NativeConstants.EVPOLL_WRITABLE;
  /** Out-of-band data. */
  public static final int PRIORITY = NativeConstants.EVPOLL_PRIORITY;
  /** The peer has sent its end of the stream. */
  public static final int READ_CLOSED = NativeConstants.EVPOLL_READ_CLOSED;
  /** Reset or refused: nothing can be sent any more. */
  public static final int WRITE_CLOSED = NativeConstants.EVPOLL_WRITE_CLOSED;
  /** An error is pending: {@link Sockets#takeError(long)}. */
  public static final int ERROR = NativeConstants.EVPOLL_ERROR;
  /** An operation finished. */
  public static final int IO = NativeConstants.EVPOLL_IO;
  /** All operations of a list finished. */
  public static final int IO_LIST = NativeConstants.EVPOLL_IO_LIST;
  /** {@link Poller#wake()} was called. */
  public static final int WAKE = NativeConstants.EVPOLL_WAKE;
  /** {@link Poller#post(long, long)} was called. */
  public static final int POST = NativeConstants.EVPOLL_POST;

  private final Memory memory;
  private final ByteBuffer bytes;
  private final int capacity;
  private int count;

  /**
   * Makes room for the events of one wait; 64 to 1024 serve best.
   *
   * @param capacity number of events, 1 or more
   */
  public Events(int capacity) {
    if (capacity < 1) throw new IllegalArgumentException("no room for an event: " + capacity);
    this.capacity = capacity;
    memory = new Memory(Math.multiplyExact(capacity, EVENT));
    bytes = memory.bytes;
  }

  /**
   * Most events of one wait.
   *
   * @return the number that this was made with
   */
  public int capacity() {
    return capacity;
  }

  /**
   * The number of events that the last wait returned.
   *
   * @return 0 or more
   */
  public int count() {
    return count;
  }

  /**
   * The token of an event.
   *
   * @param i its index
   * @return the value given at registration, submission or post; all 64 bits are the caller's
   */
  public long token(int i) {
    return bytes.getLong(at(i) + EVENT_TOKEN);
  }

  /**
   * The operation or list that an event is about.
   *
   * @param i its index
   * @return its id; 0 for readiness
   */
  public long operation(int i) {
    return bytes.getLong(at(i) + EVENT_OP);
  }

  /**
   * What an event carries: bytes moved, list entries that succeeded, or the posted value; the
   * system's code where the status is an error, but not for {@link Status#PARTIAL}.
   *
   * @param i its index
   * @return the result
   */
  public long result(int i) {
    return bytes.getLong(at(i) + EVENT_RESULT);
  }

  /**
   * All that an event says, as a sum of the constants here.
   *
   * @param i its index
   * @return the bits
   */
  public int bits(int i) {
    return bytes.getInt(at(i) + EVENT_EVENTS);
  }

  /**
   * How the operation of an event ended.
   *
   * @param i its index
   * @return the status; {@link Status#OK} for most readiness
   */
  public Status status(int i) {
    return Status.of(bytes.getInt(at(i) + EVENT_STATUS));
  }

  /**
   * Tells whether a read or an accept would not block.
   *
   * @param i the event's index
   * @return true if so
   */
  public boolean isReadable(int i) {
    return (bits(i) & READABLE) != 0;
  }

  /**
   * Tells whether a send would not block.
   *
   * @param i the event's index
   * @return true if so
   */
  public boolean isWritable(int i) {
    return (bits(i) & WRITABLE) != 0;
  }

  /**
   * Tells whether an operation, or a list of them, has finished.
   *
   * @param i the event's index
   * @return true if so
   */
  public boolean isIo(int i) {
    return (bits(i) & (IO | IO_LIST)) != 0;
  }

  /**
   * Tells whether this is a wake.
   *
   * @param i the event's index
   * @return true if so
   */
  public boolean isWake(int i) {
    return (bits(i) & WAKE) != 0;
  }

  /**
   * Tells whether this was posted.
   *
   * @param i the event's index
   * @return true if so
   */
  public boolean isPost(int i) {
    return (bits(i) & POST) != 0;
  }

  long address() {
    return memory.address;
  }

  /** Takes over what a wait has written: operations get their callers' tokens back. */
  int filled(int n, Slots slots) {
    count = n;
    if (slots.inUse() == 0) return n;
    synchronized (slots) {
      for (int at = 0, end = n * EVENT; at < end; at += EVENT)
        if ((bytes.getInt(at + EVENT_EVENTS) & (IO | IO_LIST)) != 0)
          bytes.putLong(at + EVENT_TOKEN, slots.releaseLocked(bytes.getLong(at + EVENT_TOKEN)));
      slots.publish();
    }
    return n;
  }

  void clear() {
    count = 0;
  }

  private int at(int i) {
    return Objects.checkIndex(i, count) * EVENT;
  }
}
