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
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BiConsumer;
import org.evpoll.internal.Native;

/**
 * What runs an {@link EventLoop}, and does not know it, so that one that is dropped can end.
 *
 * <p>The loop's thread puts entries into an array and gives it to the library with its next wait,
 * in one native call. All other threads give theirs at once, and before that what is in the array:
 * so each comes in its order. Nobody ever waits for what the loop's thread runs.
 */
final class Loop {
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
  final Set<Handle> open = ConcurrentHashMap.newKeySet();
  final LoopThread thread;
  final Slots slots;
  volatile BiConsumer<Thread, Throwable> errors = Loop::toHandler;
  private final Gate gate;
  private final CountDownLatch end = new CountDownLatch(1);
  private final ReentrantLock entering = new ReentrantLock(); // the next are of who has it
  private final Operations entries = new Operations(MOST_ENTRIES);
  private boolean giving; // a turn has the entries: nothing is put in or taken out
  private volatile boolean pending; // there may be entries that the library has not got
  private final Events events = new Events(1024);
  private final Place[] places = new Place[4096]; // by hash, four for each
  private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
  private final AtomicBoolean woken = new AtomicBoolean();
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

  /** Lets into the poller; after true the caller leaves it. */
  boolean enter() { return isHere() || gate.enter(); }

  void leave() { if (!isHere()) gate.leave(); }

  // ---- operations -----------------------------------------------------------------------------

  /** Starts an operation: by any thread. */
  void start(Operation op) {
    if (!enter()) {
      finish(op, EVPOLL_ERR_SHUTDOWN, 0);
      return;
    }
    try {
      begin(op);
    } finally {
      leave();
    }
  }

  private void begin(Operation op) {
    slots.put(op);
    if (isHere()) {
      queue(op);
    } else {
      flush();
      give(op);
    }
  }

  /** On the loop's thread: for the next call. */
  private void queue(Operation op) {
    if (entries.count == MOST_ENTRIES) flush();
    entering.lock();
    try {
      pending = true; // and then the look: who closes does it the other way round
      if (!op.isOpen()) {
        execute(() -> finish(op.token, EVPOLL_ERR_BAD_HANDLE, 0), null);
        return;
      }
      long at = op.buffer == null ? op.at : op.at + address(op.buffer);
      entries.put(op.kind & 0xFF, op.number(), op.offset, at, op.length, op.token);
      entries.flag(op.kind >> 8).limit(op.timeoutMs());
    } finally {
      entering.unlock();
    }
  }

  /** Where a buffer is, which is a native call the first time. */
  private long address(ByteBuffer buffer) {
    int first = System.identityHashCode(buffer);
    int free = first + (entries.count & 3);
    for (int i = 0; i < 4; i++) {
      Place place = places[first + i & places.length - 1];
      if (place == null || place.refersTo(null)) free = first + i;
      else if (place.refersTo(buffer)) return place.address;
    }
    Place place = new Place(buffer, Native.evp_address(buffer));
    places[free & places.length - 1] = place;
    return place.address;
  }

  /** On any other thread: at once. */
  private void give(Operation op) {
    Handle handle = op.handle;
    Handle file = op.file;
    long token = op.token; // when it is under way it may end, and be another one
    // What a handler or a timer does belongs to the loop's thread, and comes by an event.
    boolean here = op.endsAnywhere();
    boolean locks = handle != null && !handle.owned;
    if (locks) handle.naming.lock();
    long answer = file == null ? 0 : Native.evpoll_hold(pointer, file.number, file.registration);
    if (answer < 0) {
      answer = (long) EVPOLL_ERR_BAD_HANDLE << 32;
    } else {
      answer = Native.evp_start(pointer, op.number(), handle == null ? 0 : handle.registration,
          token, op.kind & 0xFF, op.kind >> 8 | (here ? EVPOLL_OPF_INLINE : 0), op.offset,
          op.buffer, op.at, op.length, op.timeoutMs());
      if (file != null) Native.evpoll_release(pointer, file.number);
    }
    if (locks) handle.naming.unlock();
    if (answer == UNDER_WAY) return;
    int status = answer < 0 ? (int) (answer >> 32) : 0;
    long result = answer < 0 ? (int) answer : answer;
    if (here) finish(token, status, result);
    else execute(() -> finish(token, status, result), null);
  }

  /** Asks for the end of an operation, which may have come. */
  void cancel(Operation op) {
    long token = op.token;
    if (isQueued(token, true)) {
      finish(token, EVPOLL_ERR_CANCELLED, 0);
    } else if (enter()) {
      if (!isHere()) flush();
      Native.evpoll_cancel_token(pointer, op.number(), token);
      leave();
    }
  }

  /** Gives an operation or timer another end. */
  void retime(Operation op, long nanos) {
    long token = op.token;
    if (!enter()) return;
    if (!isHere() || isQueued(token, false)) flush();
    Native.evpoll_retime(pointer, op.number(), token, nanos);
    leave();
  }

  /** On the loop's thread: is it still to be given? Then it may be taken out. */
  private boolean isQueued(long token, boolean drop) {
    if (!isHere()) return false;
    entering.lock();
    int i = entries.find(token);
    if (drop && i >= 0) entries.drop(i);
    entering.unlock();
    return i >= 0;
  }

  /** Ends a handle, which was marked as closed: by any thread. */
  void close(Handle handle) {
    if (!enter()) {
      execute(() -> close(handle), () -> handle.end(0, 0));
      return;
    }
    try {
      if (handle.owned) {
        begin(handle);
        return;
      }
      flush();
      handle.naming.lock(); // so nobody is inside of a call that names it
      Native.evpoll_remove(pointer, handle.number, handle.registration);
      handle.naming.unlock();
      handle.end(0, 0);
    } finally {
      leave();
    }
  }

  /**
   * By any thread: when it returns, the library has what was put in. A turn that has the entries
   * gives them before it sleeps, and does not sleep if it was refused one.
   */
  void flush() {
    while (pending) {
      entering.lock();
      try {
        if (!giving) {
          Native.evpoll_submit(pointer, entries.address, entries.count);
          given();
        } else if (entries.areGiven()) {
          pending = false;
        }
      } finally {
        entering.unlock();
      }
      if (pending) Thread.yield();
    }
  }

  /** What was refused ends with the next tasks. */
  private void given() {
    pending = false;
    for (int i = 0; i < entries.count; i++) {
      if (entries.id(i) != 0) continue;
      long token = entries.token(i);
      int status = entries.code(i);
      long result = entries.outcome(i);
      execute(() -> finish(token, status, result), null);
    }
    entries.clear();
  }

  private void finish(long token, int status, long result) {
    finish(slots.take(token), status, result);
  }

  /** Tells who is to be told; nothing that is thrown there gets any further. */
  private void finish(Operation op, int status, long result) {
    try {
      op.end(status, result);
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
    entering.lock();
    giving = true;
    entering.unlock();
    long answer = Native.evpoll_turn(pointer, 0, 0, entries.address, entries.count,
        events.address, events.capacity, tasks.isEmpty() ? Poller.INFINITE : 0);
    entering.lock();
    giving = false;
    given();
    entering.unlock();
    woken.set(false); // before the tasks are looked at: one that comes later wakes again
    if (answer < 0 && EvpollException.statusOf(answer) != Status.SHUTDOWN)
      throw new IllegalStateException("the loop cannot wait", EvpollException.of("wait", answer));
    Object recorded = Recording.begin();
    int n = (int) Math.max(0, answer);
    events.count = n;
    for (int i = 0; i < n; i++)
      if (events.isIo(i)) finish(events.token(i), events.code(i), events.result(i));
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
    for (Handle handle : open) handle.run();
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
