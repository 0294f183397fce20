// SPDX-License-Identifier: MIT
package org.evpoll;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.function.BiConsumer;

/**
 * The end of an operation. It is complete when the system has let go of the operation's buffer, and
 * not before: {@link #cancel()} only asks for that. (So it is no {@code CompletableFuture}, whose
 * cancel completes it while the system still writes.) All methods may be called by any thread.
 *
 * @param <T> what the operation yields
 */
public final class IoFuture<T> extends Operation {
  /** What an operation yields, from what the library says. */
  @FunctionalInterface
  interface Convert<T> {
    T of(long result) throws EvpollException;
  }

  private final CompletableFuture<T> done = new CompletableFuture<>();
  private final Loop loop;
  private final String what;
  private final boolean isPooled; // the buffer is
  private Convert<T> convert; // forgotten at the end, for the collector
  private volatile boolean cancelled;

  IoFuture(Loop loop, String what, Convert<T> convert, boolean isPooled) {
    this.loop = loop;
    this.what = what;
    this.convert = convert;
    this.isPooled = isPooled;
  }

  /** One that has ended: with a failure, unless that is null. */
  static <T> IoFuture<T> ended(Loop loop, T value, EvpollException failure) {
    IoFuture<T> future = new IoFuture<>(loop, null, null, false);
    future.complete(value, failure);
    return future;
  }

  private void complete(T value, EvpollException failure) {
    if (failure == null) done.complete(value);
    else done.completeExceptionally(failure);
  }

  @Override
  void end(int status, long result) {
    T value = null;
    EvpollException failure = null;
    try {
      if (status < 0) failure = loop.failure(of, what, status, result, cancelled);
      else value = convert.of(result);
    } catch (EvpollException e) {
      failure = e;
    }
    if (isPooled) Buffers.give(buffer);
    convert = null;
    forget();
    complete(value, failure);
  }

  /**
   * Waits for the end. An interrupt asks for it, and is an {@link InterruptedIOException} if that
   * was in time; the thread stays interrupted.
   *
   * @return what the operation yields
   * @throws EvpollException if it failed: {@link Status#CANCELLED}, {@link Status#EXPIRED}, {@link
   * Status#BAD_HANDLE} (its object was closed), {@link Status#SHUTDOWN} (its loop was) ...
   * @throws IllegalStateException on the thread of a loop, which must not wait
   */
  public T await() throws IOException {
    if (!done.isDone() && Thread.currentThread() instanceof Loop.LoopThread)
      throw new IllegalStateException("a loop's thread must not wait: use whenComplete");
    boolean interrupted = false;
    try {
      for (;;) {
        try {
          return done.get();
        } catch (InterruptedException e) {
          interrupted = true;
          cancel();
        }
      }
    } catch (ExecutionException e) {
      EvpollException failure = (EvpollException) e.getCause();
      if (interrupted && failure.status() == Status.CANCELLED)
        throw new InterruptedIOException(failure.getMessage());
      throw new EvpollException(failure);
    } finally {
      if (interrupted) Thread.currentThread().interrupt();
    }
  }

  /** {@return what the operation yields; null if it has not ended, or failed} */
  public T getNow() { return isDone() && !done.isCompletedExceptionally() ? done.join() : null; }

  /** {@return true when it has ended} */
  public boolean isDone() { return done.isDone(); }

  /** Asks for the end: it is complete with {@link Status#CANCELLED} if that was in time. */
  public void cancel() {
    cancelled = true;
    if (!isDone()) loop.cancel(this);
  }

  /**
   * Gives it a time limit in place of the one that it has; then it ends with {@link
   * Status#EXPIRED}.
   *
   * @param time from now on, 0 or more; one that is too long to be counted is none
   * @return this
   */
  public IoFuture<T> limit(Duration time) {
    long nanos = Loop.nanos(time);
    if (!isDone()) loop.retime(this, nanos);
    return this;
  }

  /**
   * Has something done at the end, with the value or the failure: at once if that has come, else on
   * the loop's thread, or, if the operation ends in the call of another thread that starts it,
   * there. What it throws goes to {@link EventLoop#onError}.
   *
   * @param action called with one of them, the other one being null
   * @return this
   */
  public IoFuture<T> whenComplete(BiConsumer<? super T, ? super EvpollException> action) {
    done.whenComplete((value, failure) -> {
      try {
        action.accept(value, (EvpollException) failure);
      } catch (Throwable e) {
        loop.report(e);
      }
    });
    return this;
  }

  /** {@return a view that can be composed; cancelling it changes nothing here} */
  public CompletionStage<T> toCompletionStage() { return done.minimalCompletionStage(); }
}
