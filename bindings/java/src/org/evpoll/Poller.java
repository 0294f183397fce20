// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

import java.lang.ref.Reference;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.evpoll.internal.Layout;
import org.evpoll.internal.Native;

/**
 * The library's own interface, safe, for who wants to drive the wait himself; {@link EventLoop} is
 * the comfortable way. Each method is one native call, whatever the size of the batch, and waiting
 * allocates nothing. Signals and interrupts do not end a wait, {@link #wake()} does; one that would
 * block the carrier of a virtual thread is refused with an IllegalStateException.
 *
 * <p>Any thread may call any method at any time, also close, after which each throws {@link
 * ClosedPollerException}; threads that are inside a wait leave it in the same way. The buffers of
 * operations stay reachable until the system has let go of them, also if the poller is dropped,
 * which closes it at some time.
 */
public final class Poller extends PollerCalls implements AutoCloseable {
  /** For waits: no limit. */
  public static final long INFINITE = EVPOLL_INFINITE;

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

  private final Operations nothing = new Operations(1);

  private Poller(State state) {
    super(state);
    Resource.CLEANER.register(this, state);
  }

  /**
   * {@return a new poller}
   *
   * @param options how to open it
   * @throws EvpollException {@link Status#INVALID}: an option is out of range
   */
  public static Poller open(PollerOptions options) throws EvpollException {
    State.sweep();
    Memory memory = Memory.sized(Layout.OPTIONS);
    options.write(memory.bytes);
    long[] pointer = new long[1];
    long answer = Native.evpoll_open(memory.address, pointer);
    Reference.reachabilityFence(memory);
    EvpollException.check("opening a poller", answer);
    return new Poller(new State(pointer[0]));
  }

  /**
   * {@return a new poller, as most programs want it}
   *
   * @throws EvpollException {@link Status#LIMIT} ...
   */
  public static Poller open() throws EvpollException { return open(PollerOptions.DEFAULT); }

  @Override
  public int waitFor(Events events, long nanos) throws EvpollException {
    return turn(nothing, events, nanos);
  }

  @Override
  public int turn(Operations operations, Events events, long nanos) throws EvpollException {
    if (nanos != 0 && Thread.currentThread().getThreadGroup().getName().equals("VirtualThreads"))
      throw new IllegalStateException("a wait would block the carrier of a virtual thread: "
          + "wait on a platform thread, or with a timeout of 0");
    events.count = 0;
    enter();
    try {
      operations.reserve(state.slots);
      long answer = Native.evpoll_turn(state.pointer, 0, 0, operations.address,
          operations.count, events.address, events.capacity, nanos);
      operations.settle(state.slots, answer >= 0);
      if (state.gate.isShut()) throw new ClosedPollerException(); // what came is of no use
      if (answer >= 0) return events.filled((int) answer, state.slots);
      throw EvpollException.of("wait", answer);
    } finally {
      Reference.reachabilityFence(operations);
      Reference.reachabilityFence(events);
      leave();
    }
  }

  @Override
  public int submit(Operations operations) throws EvpollException {
    enter();
    try {
      operations.reserve(state.slots);
      long answer = Native.evpoll_submit(state.pointer, operations.address, operations.count);
      operations.settle(state.slots, answer >= 0);
      return EvpollException.check("submit", answer);
    } finally {
      Reference.reachabilityFence(operations);
      leave();
    }
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
    if (!state.close(CLOSE_NANOS)) state.run();
    State.sweep();
  }

  /**
   * As {@link #close()}, with a time of one's own.
   *
   * @param timeout how long to wait
   * @return true when the poller was freed
   */
  public boolean close(Duration timeout) { return state.close(Loop.nanos(timeout)); }
}
