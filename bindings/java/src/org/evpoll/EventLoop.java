// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.PriorityQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * A thread that waits for sockets and files, and calls back. All callbacks of a loop run on its
 * thread, one after the other: they need no locks among each other, and must not block.
 *
 * <p>The thread is a daemon: a program that has nothing else to do waits by
 * {@link #awaitEnd(Duration)}. What a callback throws goes to the handler of {@link #onError} and
 * ends nothing else.
 *
 * <p>A loop ends by {@link #shutdown(Duration)}, which lets finish what was begun, or by
 * {@link #close()}, which cancels it. In both cases every future completes.
 */
public final class EventLoop implements AutoCloseable, Executor {
  private static final long CLOSE_NANOS = 5_000_000_000L;
  private static final int MOST_TASKS = 4096;

  private final Poller poller;
  private final FileQueue files;
  private final Table<Object> watched = new Table<>(); // Registration, TcpListener, TcpStream
  private final Events events = new Events(256);
  private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
  private final ArrayDeque<Runnable> turns = new ArrayDeque<>();
  private final PriorityQueue<Timer> timers = new PriorityQueue<>();
  private final AtomicBoolean woken = new AtomicBoolean();
  private final CountDownLatch end = new CountDownLatch(1);
  private final Thread thread;
  private volatile BiConsumer<Thread, Throwable> errors = EventLoop::toHandler;
  private volatile boolean stopping;
  private volatile boolean over;
  private boolean killed;
  private boolean stopped;

  private record Timer(long at, Runnable action) implements Comparable<Timer> {
    @Override
    public int compareTo(Timer other) {
      return Long.signum(at - other.at);
    }
  }

  private EventLoop(String name, Poller poller) {
    this.poller = poller;
    files = new FileQueue(poller);
    thread = new Thread(this::run, name);
    thread.setDaemon(true);
  }

  /**
   * Starts a loop.
   *
   * @param name of its thread
   * @return a new loop
   * @throws EvpollException if the system has no room for one
   */
  public static EventLoop start(String name) throws EvpollException {
    return start(name, PollerOptions.DEFAULT);
  }

  /**
   * Starts a loop.
   *
   * @param name of its thread
   * @param options of its poller, which is thread-bound in any case
   * @return a new loop
   * @throws EvpollException as {@link Poller#open(PollerOptions)}
   */
  public static EventLoop start(String name, PollerOptions options) throws EvpollException {
    Poller poller = Poller.open(options.with(OpenFlag.THREAD_BOUND));
    EventLoop loop = new EventLoop(name, poller);
    loop.thread.start();
    return loop;
  }

  // ---- what it does for the program -----------------------------------------------------------

  /**
   * Opens a file, which may wait for the file system.
   *
   * @param path the file
   * @param flags how; none means {@link FileFlag#READ}
   * @return an open file
   * @throws EvpollException as evpoll_file_open
   */
  public AsyncFile openFile(Path path, FileFlag... flags) throws EvpollException {
    return new AsyncFile(this, path.toString(), flags);
  }

  /**
   * Opens a file by a name that may have any characters, whatever the locale.
   *
   * @param path the file
   * @param flags how; none means {@link FileFlag#READ}
   * @return an open file
   * @throws EvpollException as evpoll_file_open
   */
  public AsyncFile openFile(String path, FileFlag... flags) throws EvpollException {
    return new AsyncFile(this, path, flags);
  }

  /**
   * As {@link Buffers#allocate(int)}: a direct buffer that begins at a page.
   *
   * @param size bytes
   * @return a new buffer
   */
  public ByteBuffer allocate(int size) {
    return Buffers.allocate(size);
  }

  /**
   * Calls back whenever a handle can be read: while it is true, each turn of the loop. The handle
   * stays the caller's.
   *
   * @param handle a file descriptor, or a SOCKET on Windows
   * @param action what to do
   * @return what stops it
   * @throws EvpollException as {@link Poller#add(long, long, Interest, Mode)}
   */
  public Registration onReadable(long handle, Consumer<Registration> action)
      throws EvpollException {
    return watch(handle, Interest.READABLE, Mode.LEVEL, Registration.of(action));
  }

  /**
   * Calls back whenever a handle can be written: while it is true, each turn of the loop. The
   * handle stays the caller's.
   *
   * @param handle a file descriptor, or a SOCKET on Windows
   * @param action what to do
   * @return what stops it
   * @throws EvpollException as {@link Poller#add(long, long, Interest, Mode)}
   */
  public Registration onWritable(long handle, Consumer<Registration> action)
      throws EvpollException {
    return watch(handle, Interest.WRITABLE, Mode.LEVEL, Registration.of(action));
  }

  /**
   * Watches a handle. It stays the caller's.
   *
   * @param handle a file descriptor, or a SOCKET on Windows
   * @param interest what to ask for
   * @param mode how often to report
   * @param handler what to call
   * @return what stops it
   * @throws EvpollException as {@link Poller#add(long, long, Interest, Mode)}
   */
  public Registration watch(long handle, Interest interest, Mode mode,
      Registration.Handler handler) throws EvpollException {
    return call(() -> {
      if (stopping) throw ended();
      Registration registration = new Registration(this, handle, mode, handler);
      registration.token = watch(handle, interest, mode, (Object) registration);
      return registration;
    });
  }

  /**
   * Runs a task on the loop's thread, soon; tasks of one thread in order.
   *
   * @param task what to run
   * @throws RejectedExecutionException if the loop has ended
   */
  @Override
  public void execute(Runnable task) {
    soon(task, () -> {
      throw new RejectedExecutionException("the loop has ended");
    });
  }

  /**
   * Runs a task on the loop's thread after some time.
   *
   * @param delay the time
   * @param task what to run; it is dropped if the loop ends before
   * @throws RejectedExecutionException if the loop has ended
   */
  public void schedule(Duration delay, Runnable task) {
    Timer timer = new Timer(System.nanoTime() + delay.toNanos(), task);
    execute(() -> timers.add(timer));
  }

  /**
   * Chooses what becomes of exceptions that callbacks throw; by default they go to the thread's
   * uncaught exception handler.
   *
   * @param handler called on the loop's thread, which goes on
   */
  public void onError(BiConsumer<Thread, Throwable> handler) {
    errors = handler;
  }

  /**
   * Tells whether this is the loop's thread.
   *
   * @return true in callbacks
   */
  public boolean isLoopThread() {
    return Thread.currentThread() == thread;
  }

  /**
   * The poller's counters.
   *
   * @return a snapshot
   * @throws EvpollException after a fork
   */
  public PollerStats stats() throws EvpollException {
    return poller.stats();
  }

  /**
   * What serves this loop and where its limits are.
   *
   * @return a snapshot
   * @throws EvpollException after a fork
   */
  public PollerInfo info() throws EvpollException {
    return poller.info();
  }

  /**
   * What serves this loop, and why not something better, for logs.
   *
   * @return one line for each part
   * @throws EvpollException after a fork
   */
  public String describe() throws EvpollException {
    return poller.describe();
  }

  // ---- the end --------------------------------------------------------------------------------

  /**
   * Lets the loop finish what was begun, and end: nothing new is accepted, listeners and idle
   * streams are closed, what streams have to write is written, file operations finish.
   *
   * @param timeout the longest time to wait for that
   * @throws EvpollException {@link Status#TIMEOUT} if time ran out; the message names what is left.
   *     The loop goes on: call it again, or close
   * @throws InterruptedException if this thread was interrupted
   */
  public void shutdown(Duration timeout) throws EvpollException, InterruptedException {
    soon(this::stop, () -> { });
    if (awaitEnd(timeout)) return;
    List<String> left = files.names();
    throw new EvpollException(Status.TIMEOUT, 0, "shutting down"
        + (left.isEmpty() ? ", with streams that have something to write" : ", left are " + left));
  }

  /**
   * Waits until the loop has ended. On the loop's own thread it does not wait.
   *
   * @param timeout the longest time to wait
   * @return true if it has ended
   * @throws InterruptedException if this thread was interrupted
   */
  public boolean awaitEnd(Duration timeout) throws InterruptedException {
    return isLoopThread() ? over : end.await(timeout.toNanos(), TimeUnit.NANOSECONDS);
  }

  /**
   * Ends the loop: streams are closed, file operations are cancelled, and their futures complete
   * when the kernel has let go of them. Waits for that for five seconds at most; what takes longer
   * goes on by itself. On the loop's own thread it does not wait. A second close does nothing.
   */
  @Override
  public void close() {
    soon(this::kill, () -> { });
    boolean interrupted = false;
    long until = System.nanoTime() + CLOSE_NANOS;
    while (!isLoopThread()) {
      try {
        end.await(until - System.nanoTime(), TimeUnit.NANOSECONDS);
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) Thread.currentThread().interrupt();
  }

  private void stop() {
    if (stopping) return;
    stopping = true;
    watched.forEach(one -> {
      if (one instanceof TcpStream stream) stream.closeWhenWritten();
      else if (one instanceof TcpListener listener) listener.close();
      else ((Registration) one).close();
    });
  }

  private void kill() {
    if (killed) return;
    killed = true;
    stop();
    watched.forEach(one -> ((TcpStream) one).close());
    files.cancelAll();
  }

  // ---- the thread -----------------------------------------------------------------------------

  private void run() {
    try {
      while (!stopped) turn();
    } catch (Throwable e) {
      report(e);
    } finally {
      finish();
    }
  }

  private void turn() {
    runTasks();
    runTimers();
    files.submit();
    if (stopping && watched.size() == 0 && files.isEmpty() && turns.isEmpty() && tasks.isEmpty()) {
      stopped = true;
      return;
    }
    int n;
    try {
      n = poller.waitFor(events, timeout());
    } catch (EvpollException e) {
      throw new IllegalStateException("the loop cannot wait", e);
    }
    woken.set(false); // before the tasks are looked at: one that comes later wakes again
    for (int i = 0; i < n; i++) dispatch(i);
  }

  private long timeout() {
    if (!turns.isEmpty() || !tasks.isEmpty()) return 0;
    Timer next = timers.peek();
    return next == null ? Poller.INFINITE : Math.max(0, next.at - System.nanoTime());
  }

  private void dispatch(int i) {
    int bits = events.bits(i);
    if ((bits & (Events.IO | Events.IO_LIST)) != 0) {
      files.finished(events.token(i), events.operation(i), events.status(i), events.result(i));
      return;
    }
    if ((bits & (Events.WAKE | Events.POST)) != 0) return;
    Object one = watched.get(events.token(i));
    try {
      if (one instanceof TcpStream stream) stream.ready(bits);
      else if (one instanceof TcpListener listener) listener.ready();
      else if (one instanceof Registration registration)
        registration.handler.ready(registration, bits);
    } catch (RuntimeException | Error e) {
      report(e);
    }
  }

  private void runTasks() {
    for (int n = turns.size(); n > 0; n--) runOne(turns.poll());
    for (int n = 0; n < MOST_TASKS; n++) {
      Runnable task = tasks.poll();
      if (task == null) return;
      runOne(task);
    }
  }

  private void runTimers() {
    while (!timers.isEmpty() && timers.peek().at - System.nanoTime() <= 0)
      runOne(timers.poll().action);
  }

  private void runOne(Runnable task) {
    try {
      task.run();
    } catch (RuntimeException | Error e) {
      report(e);
    }
  }

  /** Whoever adds a task looks at {@code over} afterwards: so none is left unseen. */
  private void finish() {
    stopping = true;
    over = true;
    poller.close();
    files.abandon();
    for (Runnable task; (task = tasks.poll()) != null;) runOne(task);
    end.countDown();
  }

  // ---- for those who live on it ---------------------------------------------------------------

  Poller poller() {
    return poller;
  }

  FileQueue files() {
    return files;
  }

  boolean isStopping() {
    return stopping;
  }

  long watch(long handle, Interest interest, Mode mode, Object who) throws EvpollException {
    long token = watched.add(who);
    try {
      poller.add(handle, token, interest, mode);
      return token;
    } catch (EvpollException e) {
      watched.remove(token);
      throw e;
    }
  }

  void forget(long token) {
    watched.remove(token);
  }

  EvpollException ended() {
    return new EvpollException(Status.SHUTDOWN, 0, "the loop has ended or is about to");
  }

  /** Runs a task in the next turn, after others had theirs. On the loop's thread. */
  void nextTurn(Runnable task) {
    turns.add(task);
  }

  void soon(Runnable task) {
    soon(task, () -> { });
  }

  void soon(Runnable task, Runnable otherwise) {
    if (over) {
      otherwise.run();
      return;
    }
    tasks.add(task);
    if (over && tasks.remove(task)) {
      otherwise.run();
      return;
    }
    if (isLoopThread() || !woken.compareAndSet(false, true)) return;
    try {
      poller.wake();
    } catch (EvpollException | ClosedPollerException e) {
      // It has just ended, and runs the task on its way.
    }
  }

  /** Runs something on the loop's thread and waits for it. */
  <T> T call(Callable<T> what) throws EvpollException {
    if (isLoopThread()) return direct(what);
    CompletableFuture<T> answer = new CompletableFuture<>();
    soon(() -> {
      try {
        answer.complete(direct(what));
      } catch (EvpollException | RuntimeException | Error e) {
        answer.completeExceptionally(e);
      }
    }, () -> answer.completeExceptionally(ended()));
    boolean interrupted = false;
    try {
      for (;;) {
        try {
          return answer.get();
        } catch (InterruptedException e) {
          interrupted = true;
        } catch (ExecutionException e) {
          Throwable cause = e.getCause();
          if (cause instanceof EvpollException failure) throw new EvpollException(failure);
          if (cause instanceof RuntimeException failure) throw failure;
          throw (Error) cause;
        }
      }
    } finally {
      if (interrupted) Thread.currentThread().interrupt();
    }
  }

  /** As call, for what ends something: a failure tells that it had ended before. */
  void callQuietly(Callable<?> what) {
    try {
      call(what);
    } catch (EvpollException e) {
      // The handle was closed before, or the loop has ended.
    }
  }

  private <T> T direct(Callable<T> what) throws EvpollException {
    try {
      return what.call();
    } catch (ClosedPollerException e) {
      throw ended();
    } catch (EvpollException | RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new AssertionError(e); // only ours are called
    }
  }

  void report(Throwable e) {
    errors.accept(thread, e);
  }

  private static void toHandler(Thread thread, Throwable e) {
    thread.getUncaughtExceptionHandler().uncaughtException(thread, e);
  }
}
