// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.Layout.OPTIONS;
import static org.evpoll.internal.Layout.OPTIONS_FLAGS;
import static org.evpoll.internal.Layout.OPTIONS_IO_LIMIT;
import static org.evpoll.internal.Layout.OPTIONS_POOL_THREADS;
import static org.evpoll.internal.Layout.OPTIONS_WAKE_TOKEN;

import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.time.Duration;
import org.evpoll.internal.Layout;
import org.evpoll.internal.Native;
import org.evpoll.internal.NativeConstants;

/**
 * One wait for sockets that became ready and file operations that finished, for who wants to drive
 * it himself. {@link EventLoop} is the comfortable way.
 *
 * <p>Each method is one native call, whatever the size of the batch, and waiting allocates nothing.
 * Any thread may call any method at any time, also close; with {@link OpenFlag#THREAD_BOUND} the
 * library refuses other threads. After a close each method throws {@link ClosedPollerException},
 * and threads that are inside a wait leave it.
 *
 * <p>A poller that is dropped without a close is closed by the garbage collector, at some time. The
 * buffers of its operations stay reachable until the kernel has ended them.
 */
public final class Poller implements AutoCloseable {
  /** For waits: no limit. */
  public static final long INFINITE = NativeConstants.EVPOLL_INFINITE;

  private static final Cleaner CLEANER = Cleaner.create();
  private static final long CLOSE_NANOS = 5_000_000_000L;

  private final PollerState state;
  private final Cleaner.Cleanable cleanable;

  private Poller(PollerState state) {
    this.state = state;
    cleanable = CLEANER.register(this, state::abandon);
  }

  /**
   * Opens a poller.
   *
   * @return a new poller
   * @throws EvpollException if the system has no room for one
   */
  public static Poller open() throws EvpollException {
    return open(PollerOptions.DEFAULT);
  }

  /**
   * Opens a poller.
   *
   * @param options how
   * @return a new poller
   * @throws EvpollException {@link Status#INVALID} for a value out of range, or if the system has
   *     no room for one
   */
  public static Poller open(PollerOptions options) throws EvpollException {
    Memory memory = new Memory(OPTIONS);
    memory.bytes.putInt(Layout.OPTIONS_STRUCT_SIZE, OPTIONS);
    memory.bytes.putInt(OPTIONS_FLAGS, OpenFlag.bits(options.flags().toArray(new OpenFlag[0])));
    memory.bytes.putLong(OPTIONS_WAKE_TOKEN, options.wakeToken());
    memory.bytes.putInt(OPTIONS_IO_LIMIT, options.ioLimit());
    memory.bytes.putInt(OPTIONS_POOL_THREADS, options.poolThreads());
    long[] pointer = new long[1];
    long answer = Native.evpoll_open(memory.address, pointer);
    Reference.reachabilityFence(memory);
    EvpollException.check("opening a poller", answer);
    return new Poller(new PollerState(pointer[0]));
  }

  // ---- readiness ----------------------------------------------------------------------------

  /**
   * Watches a handle, or replaces what was watched of it.
   *
   * @param handle a file descriptor, or a SOCKET on Windows; it stays the caller's, who keeps it
   *     open while it is registered
   * @param token any 64 bits, returned in events
   * @param interest what to ask for
   * @param mode how often to report
   * @return true if it replaced a registration of this handle
   * @throws EvpollException as evpoll_add
   */
  public boolean add(long handle, long token, Interest interest, Mode mode) throws EvpollException {
    state.enter();
    try {
      long answer = Native.evpoll_add(state.pointer, handle, token, interest.bits, mode.number);
      return EvpollException.check("add", answer) == 1;
    } finally {
      leave();
    }
  }

  /**
   * Changes interest and mode of a registration and looks at its state afresh.
   *
   * @param handle a registered handle
   * @param token the token that it was added with
   * @param interest what to ask for
   * @param mode how often to report
   * @throws EvpollException as evpoll_modify
   */
  public void modify(long handle, long token, Interest interest, Mode mode) throws EvpollException {
    state.enter();
    try {
      EvpollException.check("modify",
          Native.evpoll_modify(state.pointer, handle, token, interest.bits, mode.number));
    } finally {
      leave();
    }
  }

  /**
   * Arms a registration again: after a one-shot event, or in edge mode after a socket would block.
   *
   * @param handle a registered handle
   * @param token the token that it was added with
   * @param bits one or more bits of the registration's interest
   * @throws EvpollException as evpoll_rearm
   */
  public void rearm(long handle, long token, Interest bits) throws EvpollException {
    state.enter();
    try {
      EvpollException.check("rearm", Native.evpoll_rearm(state.pointer, handle, token, bits.bits));
    } finally {
      leave();
    }
  }

  /**
   * Stops watching a handle. Waits that start later never return its token.
   *
   * @param handle a registered handle; it may have been closed already
   * @param token the token that it was added with
   * @throws EvpollException as evpoll_remove
   */
  public void remove(long handle, long token) throws EvpollException {
    state.enter();
    try {
      EvpollException.check("remove", Native.evpoll_remove(state.pointer, handle, token));
    } finally {
      leave();
    }
  }

  /**
   * Applies many changes, in order; one that fails does not stop the others.
   *
   * @param changes what to change; each has its status afterwards
   * @return the number of changes that succeeded
   * @throws EvpollException if none was looked at
   */
  public int update(Changes changes) throws EvpollException {
    state.enter();
    try {
      return EvpollException.check("update",
          Native.evpoll_update(state.pointer, changes.address(), changes.count()));
    } finally {
      Reference.reachabilityFence(changes);
      leave();
    }
  }

  // ---- wait ---------------------------------------------------------------------------------

  /**
   * Waits until something has happened.
   *
   * @param events filled in
   * @return the number of events, 1 or more
   * @throws EvpollException {@link Status#SHUTDOWN} when nothing is left to deliver, or as
   *     evpoll_wait
   */
  public int waitFor(Events events) throws EvpollException {
    return waitFor(events, INFINITE);
  }

  /**
   * Waits until something has happened, or until the time is up.
   *
   * @param events filled in
   * @param timeout the longest time to wait; not negative
   * @return the number of events, 0 when the time is up
   * @throws EvpollException {@link Status#SHUTDOWN} when nothing is left to deliver, or as
   *     evpoll_wait
   */
  public int waitFor(Events events, Duration timeout) throws EvpollException {
    return waitFor(events, nanos(timeout));
  }

  /**
   * Waits until something has happened, or until the time is up. Signals and interrupts do not end
   * it; {@link #wake()} does. The thread does not hold up the garbage collector meanwhile.
   *
   * @param events filled in
   * @param timeoutNanos nanoseconds; 0: look, do not block; negative: no limit
   * @return the number of events, 0 when the time is up
   * @throws EvpollException {@link Status#SHUTDOWN} when nothing is left to deliver, or as
   *     evpoll_wait
   * @throws IllegalStateException on a virtual thread, unless the timeout is 0
   */
  public int waitFor(Events events, long timeoutNanos) throws EvpollException {
    if (timeoutNanos != 0) VirtualThreads.refuse("a wait");
    events.clear();
    state.enter();
    try {
      long answer = Native.evpoll_wait(state.pointer, events.address(), events.capacity(),
          timeoutNanos);
      if (answer < 0) throw EvpollException.of("wait", answer);
      return events.filled((int) answer, state.slots);
    } finally {
      Reference.reachabilityFence(events);
      leave();
    }
  }

  /**
   * Does a whole turn of a loop in one native call: update, submit, wait. If a change failed or an
   * operation was not accepted, the wait does not block: look at their statuses.
   *
   * @param changes what to change; may be null
   * @param operations what to start; may be null
   * @param events filled in
   * @param timeoutNanos as for {@link #waitFor(Events, long)}
   * @return the number of events, 0 when the time is up
   * @throws EvpollException only if no change was applied and no operation accepted
   * @throws IllegalStateException on a virtual thread, unless the timeout is 0
   */
  public int turn(Changes changes, Operations operations, Events events, long timeoutNanos)
      throws EvpollException {
    if (timeoutNanos != 0) VirtualThreads.refuse("a turn");
    events.clear();
    state.enter();
    try {
      if (operations != null) operations.reserve(state.slots);
      long answer = Native.evpoll_turn(state.pointer, changes == null ? 0 : changes.address(),
          changes == null ? 0 : changes.count(), operations == null ? 0 : operations.address(),
          operations == null ? 0 : operations.count(), events.address(), events.capacity(),
          timeoutNanos);
      if (operations != null)
        operations.release(state.slots, answer < 0 ? 0 : operations.accepted());
      if (answer < 0) throw EvpollException.of("turn", answer);
      return events.filled((int) answer, state.slots);
    } finally {
      Reference.reachabilityFence(changes);
      Reference.reachabilityFence(operations);
      Reference.reachabilityFence(events);
      leave();
    }
  }

  /**
   * Makes one wait return with a wake event, now or at its next call.
   *
   * @throws EvpollException after a fork
   */
  public void wake() throws EvpollException {
    state.enter();
    try {
      EvpollException.check("wake", Native.evpoll_wake(state.pointer));
    } finally {
      leave();
    }
  }

  /**
   * Sends an event of one's own to a waiter.
   *
   * @param token returned in the event
   * @param result returned in the event
   * @throws EvpollException {@link Status#SHUTDOWN}, or if memory is short
   */
  public void post(long token, long result) throws EvpollException {
    state.enter();
    try {
      EvpollException.check("post", Native.evpoll_post(state.pointer, token, result));
    } finally {
      leave();
    }
  }

  // ---- file operations ----------------------------------------------------------------------

  /**
   * Prepares a handle for file operations, and says whether it can have them.
   *
   * @param handle a regular file or block device
   * @throws EvpollException as evpoll_attach
   */
  public void attach(long handle) throws EvpollException {
    state.enter();
    try {
      EvpollException.check("attach", Native.evpoll_attach(state.pointer, handle));
    } finally {
      leave();
    }
  }

  /**
   * Starts file operations. Each that is accepted yields one event, unless it is
   * {@link Operations#done(int)}; until a wait has returned it, the operation's buffer is the
   * kernel's, and is kept reachable.
   *
   * @param operations what to start; each has its id and status afterwards
   * @return the number accepted, from the first one on; the next has its reason as status
   * @throws EvpollException if none was looked at
   */
  public int submit(Operations operations) throws EvpollException {
    state.enter();
    try {
      operations.reserve(state.slots);
      long answer =
          Native.evpoll_submit(state.pointer, operations.address(), operations.count());
      operations.release(state.slots, answer < 0 ? 0 : (int) answer);
      return EvpollException.check("submit", answer);
    } finally {
      Reference.reachabilityFence(operations);
      leave();
    }
  }

  /**
   * Starts a list of operations that reports once, when all of them are done. All or nothing.
   *
   * @param operations 1 or more; their tokens are not used
   * @param token returned in the list's event
   * @return the list's id, for {@link #takeList(long, IoResults)} and {@link #cancel(long)}
   * @throws EvpollException if one was refused: each refused entry has its status
   */
  public long submitList(Operations operations, long token) throws EvpollException {
    state.enter();
    try {
      long slot = state.slots.reserve(operations.roots(), token);
      long[] id = new long[1];
      long answer = Native.evpoll_submit_list(state.pointer, operations.address(),
          operations.count(), slot, id);
      if (answer < 0) {
        state.slots.release(slot);
        throw EvpollException.of("list", answer);
      }
      return id[0];
    } finally {
      Reference.reachabilityFence(operations);
      leave();
    }
  }

  /**
   * Takes the results of a finished list, and forgets the list.
   *
   * @param id the list's id
   * @param results filled in; with room for all entries
   * @return the number of entries
   * @throws EvpollException {@link Status#BUSY} if its event was not delivered yet, or as
   *     evpoll_list_take
   */
  public int takeList(long id, IoResults results) throws EvpollException {
    state.enter();
    try {
      long answer =
          Native.evpoll_list_take(state.pointer, id, results.address(), results.capacity());
      return results.filled(EvpollException.check("taking a list", answer));
    } finally {
      Reference.reachabilityFence(results);
      leave();
    }
  }

  /**
   * Asks for the end of an operation or a list. Its event still comes.
   *
   * @param id an operation's or a list's
   * @return the number of operations asked
   * @throws EvpollException {@link Status#NOT_FOUND} if it is finished or was never there
   */
  public int cancel(long id) throws EvpollException {
    state.enter();
    try {
      return EvpollException.check("cancel", Native.evpoll_cancel(state.pointer, id));
    } finally {
      leave();
    }
  }

  /**
   * Asks for the end of all operations. Their events still come.
   *
   * @return the number of operations asked
   * @throws EvpollException as evpoll_cancel
   */
  public int cancelAll() throws EvpollException {
    return cancel(NativeConstants.EVPOLL_OP_ALL);
  }

  /**
   * Asks for the end of all operations on a handle. Their events still come.
   *
   * @param handle the handle that they were started with
   * @return the number of operations asked
   * @throws EvpollException as evpoll_cancel_handle
   */
  public int cancelHandle(long handle) throws EvpollException {
    state.enter();
    try {
      return EvpollException.check("cancel", Native.evpoll_cancel_handle(state.pointer, handle));
    } finally {
      leave();
    }
  }

  // ---- questions ----------------------------------------------------------------------------

  /**
   * One line for each part of the poller: what serves it, and why not something better. For logs.
   *
   * @return the text
   * @throws EvpollException after a fork
   */
  public String describe() throws EvpollException {
    state.enter();
    try {
      for (int size = 1024;; size *= 2) {
        Memory text = new Memory(size);
        int length = EvpollException.check("describe",
            Native.evpoll_describe(state.pointer, text.address, size));
        if (length < size) return text.text();
      }
    } finally {
      leave();
    }
  }

  /**
   * What this poller can do and where its limits are.
   *
   * @return a snapshot
   * @throws EvpollException after a fork
   */
  public PollerInfo info() throws EvpollException {
    state.enter();
    try {
      return PollerInfo.of(state.pointer);
    } finally {
      leave();
    }
  }

  /**
   * The poller's counters.
   *
   * @return a snapshot
   * @throws EvpollException after a fork
   */
  public PollerStats stats() throws EvpollException {
    state.enter();
    try {
      return PollerStats.of(state.pointer);
    } finally {
      leave();
    }
  }

  // ---- the end ------------------------------------------------------------------------------

  /**
   * Shuts the poller down for good: nothing new is accepted, and waits deliver what is still in
   * flight, then say {@link Status#SHUTDOWN}. Operations are not cancelled.
   *
   * @throws EvpollException after a fork
   */
  public void shutdown() throws EvpollException {
    state.enter();
    try {
      EvpollException.check("shutdown", Native.evpoll_shutdown(state.pointer));
    } finally {
      leave();
    }
  }

  /**
   * Closes the poller: sends waiting threads away, cancels operations, and waits for the kernel to
   * return their buffers, for five seconds at most. What takes longer is left to a thread that
   * keeps the buffers reachable and waits on. Registered handles stay open. A second close does
   * nothing.
   */
  @Override
  public void close() {
    if (!state.close(CLOSE_NANOS)) state.abandon();
    cleanable.clean();
    Reference.reachabilityFence(this);
  }

  /**
   * As {@link #close()}, but for a time of the caller's choice, and without leaving anything to
   * another thread.
   *
   * @param timeout the longest time to wait
   * @return true if the poller is gone; false if something is still in flight: it can be used no
   *     more, but closed again
   */
  public boolean close(Duration timeout) {
    boolean closed = state.close(nanos(timeout));
    if (closed) cleanable.clean();
    Reference.reachabilityFence(this);
    return closed;
  }

  /**
   * Tells whether the poller was closed, by a call that may still be at it.
   *
   * @return true if its methods throw
   */
  public boolean isClosed() {
    return state.isClosed();
  }

  /** Operations whose buffers are held, for tests. */
  int held() {
    return state.slots.inUse();
  }

  /** The poller must outlive its call, or the collector would close it under it. */
  private void leave() {
    state.leave();
    Reference.reachabilityFence(this);
  }

  static long nanos(Duration timeout) {
    if (timeout.isNegative()) throw new IllegalArgumentException("a negative time: " + timeout);
    return timeout.compareTo(Duration.ofDays(36500)) > 0 ? INFINITE : timeout.toNanos();
  }
}
