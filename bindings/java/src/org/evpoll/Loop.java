// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiConsumer;
import org.evpoll.internal.Native;

/**
 * What runs an {@link EventLoop}, and does not know it, so that one that is dropped can end.
 *
 * <p>The loop's thread puts entries into an array and gives it to the library with its next wait,
 * in one native call. All other threads give theirs at once, unless the loop's thread has entries
 * of the same handle that are not given yet: then they are left to it, so that they come behind
 * those. Nobody ever waits for the loop's thread.
 *
 * <p>What a {@link Slots.Slot} says of an operation, {@link #start} says too.
 */
final class Loop {
  static final long NONE = -1;
  private static final long UNDER_WAY = Long.MIN_VALUE; // evp_start's
  private static final int MOST_ENTRIES = 128;
  private static final int MOST_TASKS = 4096;
  private static final long MOST_MILLIS = 0xFFFFFFFFL;

  /** A loop's thread, on which nothing may block. */
  static final class LoopThread extends Thread {
    LoopThread(Loop loop, String name) {
      super(loop::run, name);
      setDaemon(true);
    }
  }

  /** A buffer's address, as long as there is the buffer. */
  private static final class Place extends WeakReference<ByteBuffer> {
    final long address;

    Place(ByteBuffer buffer, long address) {
      super(buffer);
      this.address = address;
    }
  }

  final Poller poller;
  final long pointer;
  final Gate gate;
  final Set<Handle> open = ConcurrentHashMap.newKeySet();
  final LoopThread thread;
  volatile BiConsumer<Thread, Throwable> errors = Loop::toHandler;
  private final Slots slots;
  private final CountDownLatch end = new CountDownLatch(1);
  private final Operations entries = new Operations(MOST_ENTRIES);
  private final Events events = new Events(1024);
  private final Place[] places = new Place[4096]; // by hash, four for each
  private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
  private final AtomicBoolean woken = new AtomicBoolean();
  private volatile long done; // turns whose entries were given
  private volatile int giving = -1; // the last entry of the call that is under way
  private volatile boolean stopping;
  private volatile boolean over;
  private boolean stopped; // the loop's thread

  Loop(String name, PollerOptions options) throws EvpollException {
    poller = Poller.open(options.with(OpenFlag.SINGLE_WAITER));
    pointer = poller.state.pointer;
    gate = poller.state.gate;
    slots = poller.state.slots;
    thread = new LoopThread(this, name);
  }

  boolean isHere() { return Thread.currentThread() == thread; }

  boolean isStopping() { return stopping; }

  /** Lets into the poller; the caller leaves the gate. */
  void enter() throws EvpollException {
    if (!gate.enter()) throw new EvpollException(Status.SHUTDOWN, 0, "the loop has ended");
  }

  // ---- operations -----------------------------------------------------------------------------

  /** Starts an operation: by any thread. */
  void start(Resource of, ByteBuffer buffer, long at, long length, int kind, long offset,
      Object to) {
    start(slots.take(of, of.handle, buffer, at, length, kind, offset, to));
  }

  void startTimer(Completion timer, long due) {
    int kind = EVPOLL_OP_TIMER | EVPOLL_OPF_ABSOLUTE << 8;
    start(slots.take(null, null, null, 0, 0, kind, due, timer));
  }

  private void start(Slots.Slot slot) {
    Handle handle = slot.handle;
    if (isHere()) {
      queue(slot);
    } else if (handle != null && handle.isBehind()) {
      handle.hops.incrementAndGet();
      execute(() -> {
        queue(slot);
        handle.hops.decrementAndGet();
      }, () -> finish(slot, EVPOLL_ERR_SHUTDOWN, 0));
    } else if (gate.enter()) {
      try {
        give(slot);
      } finally {
        gate.leave();
      }
    } else {
      finish(slot, EVPOLL_ERR_SHUTDOWN, 0);
    }
  }

  /** On the loop's thread: for the next call. */
  private void queue(Slots.Slot slot) {
    if (entries.count == MOST_ENTRIES) flush(); // before the handle is told in which turn
    Handle handle = slot.handle;
    Handle file = slot.file();
    if (handle != null && !handle.follow() && slot.to != handle || file != null && !file.follow()) {
      execute(() -> finish(slot, EVPOLL_ERR_BAD_HANDLE, 0), null);
      return;
    }
    if (slot.to instanceof Completion completion) {
      completion.token = slot.token; // and then the look: who cancels does it the other way round
      if (completion.cancelled) {
        finish(slot, EVPOLL_ERR_CANCELLED, 0);
        return;
      }
    }
    entries.put(slot.kind & 0xFF, handle == null ? -1 : handle.number, slot.offset,
        slot.buffer == null ? slot.at : slot.at + address(slot.buffer), slot.length, slot.token);
    entries.flag(slot.kind >> 8).limit(slot.of == null ? 0 : slot.of.timeoutMs);
  }

  /** Where a buffer is, which is a native call the first time. */
  private long address(ByteBuffer buffer) {
    int first = System.identityHashCode(buffer);
    int free = first + (int) (done & 3);
    for (int i = 0; i < 4; i++) {
      Place place = places[first + i & places.length - 1];
      if (place == null || place.refersTo(null)) free = first + i;
      else if (place.refersTo(buffer)) return place.address;
    }
    Place place = new Place(buffer, Native.evp_address(buffer));
    places[free & places.length - 1] = place;
    return place.address;
  }

  /** On any other thread, inside of the gate: at once. */
  private void give(Slots.Slot slot) {
    Handle handle = slot.handle;
    Object to = slot.to;
    long token = slot.token;
    long number = handle == null ? -1 : handle.number;
    Completion completion = to instanceof Completion told ? told : null;
    if (completion != null) completion.token = token;
    // What a handler or a timer does belongs to the loop's thread, and comes by an event.
    boolean here = to instanceof IoFuture || to == handle;
    Handle file = slot.file();
    boolean locks = handle != null && !handle.owned;
    if (locks) handle.naming.lock();
    long answer = file == null ? 0 : Native.evpoll_hold(pointer, file.number, file.token);
    if (answer < 0) {
      answer = (long) EVPOLL_ERR_BAD_HANDLE << 32;
    } else {
      answer = Native.evp_start(pointer, number, handle == null ? 0 : handle.token, token,
          slot.kind & 0xFF, slot.kind >> 8 | (here ? EVPOLL_OPF_INLINE : 0), slot.offset,
          slot.buffer, slot.at, slot.length, slot.of == null ? 0 : slot.of.timeoutMs);
      if (file != null) Native.evpoll_release(pointer, file.number);
    }
    if (locks) handle.naming.unlock();
    if (answer == UNDER_WAY) {
      if (completion != null && completion.cancelled)
        Native.evpoll_cancel_token(pointer, number, token);
      return;
    }
    int status = answer < 0 ? (int) (answer >> 32) : 0;
    long result = answer < 0 ? (int) answer : answer;
    if (here) finish(slot, status, result);
    else execute(() -> finish(slot, status, result), null);
  }

  /** Asks for the end of an operation. */
  void cancel(Handle handle, Completion of) {
    long token = of.token;
    long number = handle == null ? -1 : handle.number;
    if (isHere()) {
      if (entries.drop(token)) finish(slots.find(token), EVPOLL_ERR_CANCELLED, 0);
      else Native.evpoll_cancel_token(pointer, number, token);
    } else if (token != NONE && gate.enter()) {
      long answer = Native.evpoll_cancel_token(pointer, number, token);
      gate.leave();
      // It has ended, or the loop's thread has it still.
      if (answer < 0 && of.token == token) execute(() -> cancel(handle, of), () -> { });
    }
  }

  /** Gives an operation or timer another end. */
  void retime(Handle handle, Completion of, long nanos) {
    long token = of.token;
    long number = handle == null ? -1 : handle.number;
    if (isHere()) {
      if (nanos / 1_000_000 >= MOST_MILLIS) flush(); // an entry cannot hold it
      if (!entries.retime(token, nanos)) Native.evpoll_retime(pointer, number, token, nanos);
    } else if (gate.enter()) {
      long answer = Native.evpoll_retime(pointer, number, token, nanos);
      gate.leave();
      if (answer < 0 && (token == NONE || !isSubmitted(turn())))
        execute(() -> retime(handle, of, nanos), () -> { });
    }
  }

  /** Ends a handle, which was marked as closed: by any thread. */
  void close(Handle handle, int flags) {
    if (isHere()) {
      closeInside(handle, flags);
    } else if (handle.isBehind() || !gate.enter()) {
      execute(() -> close(handle, flags), () -> handle.end(0, 0));
    } else {
      try {
        closeInside(handle, flags);
      } finally {
        gate.leave();
      }
    }
  }

  private void closeInside(Handle handle, int flags) {
    if (handle.owned) {
      int kind = EVPOLL_OP_CLOSE | flags << 8;
      Slots.Slot slot = slots.take(null, handle, null, 0, 0, kind, 0, handle);
      if (isHere()) queue(slot);
      else give(slot);
      return;
    }
    if (isHere()) flush();
    handle.naming.lock(); // so nobody is inside of a call that names it
    Native.evpoll_remove(pointer, handle.number, handle.token);
    handle.naming.unlock();
    handle.end(0, 0);
  }

  /** The turn that entries are put in for now. */
  long turn() { return done + 1; }

  /** Has the library got what the loop's thread has put in for this turn? */
  boolean isSubmitted(long turn) {
    int last = giving;
    return turn <= done || last >= 0 && entries.isGiven(last);
  }

  /** On the loop's thread: gives the entries to the library now. */
  void flush() {
    if (entries.count == 0) return;
    giving = entries.count - 1;
    Native.evpoll_submit(pointer, entries.address, entries.count);
    given();
  }

  /** What was refused ends with the next tasks. */
  private void given() {
    giving = -1;
    done++;
    for (int i = 0; i < entries.count; i++) {
      if (entries.id(i) != 0) continue;
      Slots.Slot slot = slots.find(entries.token(i));
      int status = entries.code(i);
      long result = entries.outcome(i);
      execute(() -> finish(slot, status, result), null);
    }
    entries.clear();
  }

  /** Tells who is to be told; nothing that is thrown there gets any further. */
  private void finish(Slots.Slot slot, int status, long result) {
    Object to = slot.to;
    Resource of = slot.of;
    ByteBuffer buffer = slot.buffer;
    int kind = slot.kind;
    slots.give(slot);
    try {
      if (to instanceof Completion completion) {
        completion.token = NONE;
        completion.end(status, result);
        return;
      }
      int n = 0;
      EvpollException failure = null;
      try {
        if (status < 0) failure = failure(of, "an operation", status, result, false);
        else n = of.moved(buffer, kind, result);
      } catch (EvpollException e) {
        failure = e;
      }
      ((IoHandler) to).done(n, failure);
    } catch (Throwable e) {
      report(e);
    }
  }

  /** A failure in the program's terms: what it has closed or cancelled itself it is told so. */
  EvpollException failure(Resource of, String what, int status, long result, boolean cancelled) {
    String on = of == null ? what : what + " of " + of;
    if (!cancelled && (status == EVPOLL_ERR_CANCELLED || status == EVPOLL_ERR_NOT_FOUND
        || status == EVPOLL_ERR_STALE)) {
      if (stopping) return new EvpollException(Status.SHUTDOWN, 0, on + ": its loop was closed");
      if (of != null && of.handle.closed)
        return new EvpollException(Status.BAD_HANDLE, 0, on + ": it was closed");
    }
    boolean bytes = status == EVPOLL_ERR_CANCELLED || status == EVPOLL_ERR_EXPIRED;
    return new EvpollException(Status.of(status), bytes ? 0 : (int) result, on);
  }

  // ---- the thread -----------------------------------------------------------------------------

  private void run() {
    try {
      while (!takeTurn()) continue;
    } catch (Throwable e) {
      report(e);
    } finally {
      stopping = true;
      over = true;
      poller.close(Duration.ofNanos(Long.MAX_VALUE));
      runTasks(Integer.MAX_VALUE);
      end.countDown();
    }
  }

  /** Returns true when all has ended. */
  private boolean takeTurn() {
    runTasks(MOST_TASKS);
    if (stopping && !stopped) stop();
    if (stopped && slots.inUse() == 0 && open.isEmpty() && tasks.isEmpty()) return true;
    giving = entries.count - 1;
    long answer = Native.evpoll_turn(pointer, 0, 0, entries.address, entries.count,
        events.address, events.capacity, tasks.isEmpty() ? Poller.INFINITE : 0);
    given();
    woken.set(false); // before the tasks are looked at: one that comes later wakes again
    if (answer < 0 && EvpollException.statusOf(answer) != Status.SHUTDOWN)
      throw new IllegalStateException("the loop cannot wait", EvpollException.of("wait", answer));
    Object recorded = Recording.begin();
    int n = (int) Math.max(0, answer);
    events.count = n;
    for (int i = 0; i < n; i++)
      if (events.isIo(i)) finish(slots.find(events.token(i)), events.code(i), events.result(i));
    if (recorded != null) Recording.end(recorded, thread.getName(), n, slots.inUse());
    return false;
  }

  private void runTasks(int most) {
    for (Runnable task; most > 0 && (task = tasks.poll()) != null; most--) {
      try {
        task.run();
      } catch (Throwable e) {
        report(e);
      }
    }
  }

  /** Ends all that is under way. From here on this thread alone is inside of the poller. */
  private void stop() {
    stopped = true;
    flush();
    Native.evpoll_shutdown(pointer);
    gate.shut();
    gate.awaitEmpty(Long.MAX_VALUE, () -> { });
    Native.evpoll_cancel_all(pointer);
    for (Handle handle : open) handle.close(0);
  }

  /** Asks for the end: by any thread, and again. */
  void requestStop() {
    stopping = true;
    wake();
  }

  private void wake() {
    if (isHere() || !woken.compareAndSet(false, true) || !gate.enter()) return;
    Native.evpoll_wake(pointer);
    gate.leave();
  }

  /** Runs a task on the loop's thread; once that has ended {@code otherwise}, if any, at once. */
  void execute(Runnable task, Runnable otherwise) {
    if (!over) {
      tasks.add(task);
      if (!over || !tasks.remove(task)) {
        wake();
        return;
      }
    }
    (otherwise == null ? task : otherwise).run();
  }

  void report(Throwable e) {
    try {
      errors.accept(Thread.currentThread(), e);
    } catch (Throwable worse) {
      System.err.println("evpoll: the handler for " + e + " has thrown " + worse);
    }
  }

  private static void toHandler(Thread thread, Throwable e) {
    thread.getUncaughtExceptionHandler().uncaughtException(thread, e);
  }

  /** Waits for its end; on a loop's thread it does not wait. */
  boolean awaitEnd(Duration timeout) {
    if (Thread.currentThread() instanceof LoopThread) return end.getCount() == 0;
    long until = System.nanoTime() + Math.min(nanos(timeout), Long.MAX_VALUE / 2);
    boolean interrupted = false;
    try {
      for (;;) {
        try {
          return end.await(until - System.nanoTime(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) Thread.currentThread().interrupt();
    }
  }

  /** A time that is too long for nanoseconds is as good as for ever. */
  static long nanos(Duration time) {
    if (time.isNegative()) throw new IllegalArgumentException("a negative time: " + time);
    try {
      return time.toNanos();
    } catch (ArithmeticException e) {
      return Long.MAX_VALUE;
    }
  }

  /** As an entry has it: rounded up, 49 days at most; 0, which is none, for ever. */
  static int millis(long nanos) {
    if (nanos == Long.MAX_VALUE) return 0;
    return (int) Math.min(nanos / 1_000_000 + (nanos % 1_000_000 == 0 ? 0 : 1), MOST_MILLIS);
  }
}
