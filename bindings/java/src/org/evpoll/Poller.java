// SPDX-License-Identifier: MIT
package org.evpoll;

import java.lang.ref.Reference;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.LongSupplier;
import org.evpoll.internal.Layout;
import org.evpoll.internal.Native;
import org.evpoll.internal.NativeConstants;

/**
 * The library's own interface, safe, for who wants to drive the wait himself; {@link EventLoop} is
 * the comfortable way. Each method is one native call, whatever the size of the batch, and waiting
 * allocates nothing.
 *
 * <p>Any thread may call any method at any time, also close, after which each throws {@link
 * ClosedPollerException}; threads that are inside a wait leave it in the same way. The buffers of
 * operations stay reachable until the system has let go of them, also if the poller is dropped,
 * which closes it at some time.
 */
public final class Poller implements AutoCloseable {
  /** For waits: no limit. */
  public static final long INFINITE = NativeConstants.EVPOLL_INFINITE;

  private static final long CLOSE_NANOS = 5_000_000_000L;
  private static final Queue<State> LEFT = new ConcurrentLinkedQueue<>();

  /** What remains when nobody knows the poller any more. */
  static final class State implements Runnable {
    final long pointer;
    final Gate gate = new Gate();
    Slots slots = new Slots();
    private boolean freed; // with this held

    State(long pointer) { this.pointer = pointer; }

    /** Returns true when the native poller was freed; false if time ran out. */
    synchronized boolean close(long nanos) {
      if (freed) return true;
      gate.shut();
      Native.evpoll_shutdown(pointer);
      long until = System.nanoTime() + Math.min(nanos, Long.MAX_VALUE / 2);
      // Shutting down ends waits with nothing in flight; a wake each of the others, one by one.
      if (!gate.awaitEmpty(nanos, () -> Native.evpoll_wake(pointer))) return false;
      long answer = Native.evpoll_close(pointer, Math.max(0, until - System.nanoTime()));
      freed = answer == 0;
      if (freed) slots = new Slots(); // what was in flight was given back
      return freed;
    }

    /** The Cleaner's. What the system holds on to stays here until another poller comes or goes. */
    @Override
    public void run() { if (!close(0)) LEFT.add(this); }

    static void sweep() {
      for (int i = LEFT.size(); i > 0; i--) {
        State state = LEFT.poll();
        if (state != null) state.run();
      }
    }
  }

  final State state;

  private Poller(State state) {
    this.state = state;
    Resource.CLEANER.register(this, state);
  }

  /** Opens a poller; {@link Status#INVALID} says that an option is out of range. */
  public static Poller open(PollerOptions options) throws EvpollException {
    State.sweep();
    Memory memory = Memory.sized(Layout.OPTIONS);
    memory.bytes.putInt(Layout.OPTIONS_FLAGS, OpenFlag.bits(options.flags()
        .toArray(new OpenFlag[0])));
    memory.bytes.putLong(Layout.OPTIONS_WAKE_TOKEN, options.wakeToken());
    memory.bytes.putInt(Layout.OPTIONS_IO_LIMIT, options.ioLimit());
    memory.bytes.putInt(Layout.OPTIONS_POOL_THREADS, options.poolThreads());
    long[] pointer = new long[1];
    long answer = Native.evpoll_open(memory.address, pointer);
    Reference.reachabilityFence(memory);
    EvpollException.check("opening a poller", answer);
    return new Poller(new State(pointer[0]));
  }

  /** Opens a poller, as most programs want it. */
  public static Poller open() throws EvpollException { return open(PollerOptions.DEFAULT); }

  private void enter() { if (!state.gate.enter()) throw new ClosedPollerException(); }

  private void leave() {
    state.gate.leave();
    Reference.reachabilityFence(this);
  }

  private int call(String what, LongSupplier call) throws EvpollException {
    enter();
    try {
      return EvpollException.check(what, call.getAsLong());
    } finally {
      leave();
    }
  }

  /**
   * Watches a handle, or registers it for operations; replaces what was registered of it, and says
   * whether there was something. The handle stays the caller's.
   */
  public boolean add(long handle, long token, Interest interest, Mode mode) throws EvpollException {
    enter();
    try {
      return EvpollException.check("add",
          Native.evpoll_add(state.pointer, handle, token, interest.bits, mode.number)) == 1;
    } finally {
      leave();
    }
  }

  /** Changes interest and mode of a registration and looks at its state afresh. */
  public void modify(long handle, long token, Interest interest, Mode mode) throws EvpollException {
    call("modify", () -> Native.evpoll_modify(state.pointer, handle, token, interest.bits,
        mode.number));
  }

  /** Arms a registration again: after a one-shot event, or in edge mode when it would block. */
  public void rearm(long handle, long token, Interest bits) throws EvpollException {
    call("rearm", () -> Native.evpoll_rearm(state.pointer, handle, token, bits.bits));
  }

  /**
   * Ends a registration. The handle may be closed when this has returned; {@link Status#BUSY} says
   * that somebody still names it, and to ask again.
   */
  public void remove(long handle, long token) throws EvpollException {
    call("remove", () -> Native.evpoll_remove(state.pointer, handle, token));
  }

  /** As {@link #turn}, with nothing to start. */
  public int waitFor(Events events, long timeoutNanos) throws EvpollException {
    return turn(null, events, timeoutNanos);
  }

  /**
   * Starts operations ({@code null}: none), and waits until something has happened, in one native
   * call: {@code timeoutNanos} nanoseconds at most, 0 to look only, negative without a limit. It
   * does not block if an operation was refused or is done. Signals and interrupts do not end it;
   * {@link #wake()} does. Returns the number of events, 0 when the time is up.
   *
   * @throws EvpollException if nothing was started: {@link Status#BUSY} ... as evpoll_turn
   * @throws IllegalStateException on a virtual thread, whose carrier it would block
   */
  public int turn(Operations operations, Events events, long timeoutNanos) throws EvpollException {
    if (timeoutNanos != 0) VirtualThreads.refuse();
    events.filled(0);
    enter();
    try {
      long answer;
      if (operations == null) {
        answer = Native.evpoll_wait(state.pointer, events.address(), events.capacity(),
            timeoutNanos);
      } else {
        operations.reserve(state.slots);
        answer = Native.evpoll_turn(state.pointer, 0, 0, operations.address(), operations.count(),
            events.address(), events.capacity(), timeoutNanos);
        operations.settle(state.slots, answer >= 0);
      }
      if (state.gate.isShut()) throw new ClosedPollerException(); // what came is of no use
      if (answer >= 0) return events.filled((int) answer, state.slots);
      throw EvpollException.of("wait", answer);
    } finally {
      Reference.reachabilityFence(operations);
      Reference.reachabilityFence(events);
      leave();
    }
  }

  /** Makes one wait return with a wake event, now or at its next call. */
  public void wake() throws EvpollException {
    enter();
    try {
      EvpollException.check("wake", Native.evpoll_wake(state.pointer));
    } finally {
      leave();
    }
  }

  /** Sends an event of one's own, with this token and result, to a waiter. */
  public void post(long token, long result) throws EvpollException {
    enter();
    try {
      EvpollException.check("post", Native.evpoll_post(state.pointer, token, result));
    } finally {
      leave();
    }
  }

  /**
   * Starts operations, each with an outcome of its own: it yields one event, or is {@link
   * Operations#done(int)}, or its status says why it was refused. Returns the number of those that
   * were not refused.
   */
  public int submit(Operations operations) throws EvpollException {
    enter();
    try {
      operations.reserve(state.slots);
      long answer = Native.evpoll_submit(state.pointer, operations.address(), operations.count());
      operations.settle(state.slots, answer >= 0);
      return EvpollException.check("submit", answer);
    } finally {
      Reference.reachabilityFence(operations);
      leave();
    }
  }

  /** Asks for the end of an operation by its id. Its event still comes. */
  public void cancel(long id) throws EvpollException {
    call("cancel", () -> Native.evpoll_cancel(state.pointer, id));
  }

  /** {@return a descriptor, the poller's, that is readable when a wait may return something} */
  public long descriptor() throws EvpollException {
    long[] handle = new long[1];
    call("descriptor", () -> Native.evpoll_poller_handle(state.pointer, handle));
    return handle[0];
  }

  /** {@return what serves this poller and where its limits are} */
  public PollerInfo info() throws EvpollException {
    Memory memory = Memory.sized(Layout.POLLER_INFO);
    call("info", () -> Native.evpoll_info(state.pointer, memory.address));
    return PollerInfo.of(memory.bytes);
  }

  /** {@return a snapshot of the poller's counters} */
  public PollerStats stats() throws EvpollException {
    Memory memory = Memory.sized(Layout.POLLER_STATS);
    call("stats", () -> Native.evpoll_stats(state.pointer, memory.address));
    return PollerStats.of(memory.bytes);
  }

  /** {@return what serves this poller, and why not something better, a line for each part} */
  public String describe() throws EvpollException {
    Memory text = new Memory(4096);
    call("describe", () -> Native.evpoll_describe(state.pointer, text.address, 4096));
    return text.text();
  }

  /** Operations whose slots are taken, for tests. */
  int held() { return state.slots.inUse(); }

  /** {@return true once close was called} */
  public boolean isClosed() { return state.gate.isShut(); }

  /**
   * Closes the poller: waits end, operations are cancelled. Waits five seconds at most for the
   * system to let go of their buffers; what takes longer is freed later.
   */
  @Override
  public void close() {
    if (!close(Duration.ofNanos(CLOSE_NANOS))) state.run();
    State.sweep();
  }

  /** As {@link #close()}, with a time of one's own; returns true when the poller was freed. */
  public boolean close(Duration timeout) { return state.close(Loop.nanos(timeout)); }
}
