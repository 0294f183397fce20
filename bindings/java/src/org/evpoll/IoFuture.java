// SPDX-License-Identifier: MIT
package org.evpoll;

import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The outcome of something that a loop does.
 *
 * <p>It completes only when the kernel has let go of the operation's buffer. So there is no cancel
 * that completes it at once: {@link #requestCancel()} asks the kernel, and the outcome tells who
 * was faster. Nobody but the loop can complete it, also not through {@link #toCompletionStage()}.
 *
 * <p>Functions given to it run on the loop's thread, or at once where it is complete already.
 *
 * @param <T> what comes out
 */
public final class IoFuture<T> {
  private final CompletableFuture<T> done = new CompletableFuture<>();
  private final EventLoop loop;
  private Runnable canceller; // on the loop's thread

  IoFuture(EventLoop loop) {
    this.loop = loop;
  }

  void onCancel(Runnable what) {
    canceller = what;
  }

  void complete(T value) {
    done.complete(value);
  }

  void fail(EvpollException failure) {
    done.completeExceptionally(failure);
  }

  /**
   * Asks for the end of the operation. If the request wins, the outcome is a failure with
   * {@link Status#CANCELLED}; else it is what the operation did. Asking twice is as asking once.
   */
  public void requestCancel() {
    if (!done.isDone()) loop.soon(this::cancelNow);
  }

  private void cancelNow() {
    if (!done.isDone() && canceller != null) canceller.run();
  }

  /**
   * Tells whether the outcome is there.
   *
   * @return true if get does not block
   */
  public boolean isDone() {
    return done.isDone();
  }

  /**
   * Waits for the outcome. An interrupt ends the waiting, not the operation.
   *
   * @return what came out
   * @throws EvpollException how it failed
   * @throws InterruptedException if this thread was interrupted
   * @throws IllegalStateException on the loop's own thread, which would wait for itself
   */
  public T get() throws EvpollException, InterruptedException {
    requireOther();
    try {
      return done.get();
    } catch (ExecutionException e) {
      throw failureOf(e.getCause());
    }
  }

  /**
   * As {@link #get()}, for a while. When the time is up the operation goes on.
   *
   * @param timeout the longest time to wait
   * @return what came out
   * @throws EvpollException how it failed
   * @throws InterruptedException if this thread was interrupted
   * @throws TimeoutException if the time was up
   */
  public T get(Duration timeout) throws EvpollException, InterruptedException, TimeoutException {
    requireOther();
    try {
      return done.get(timeout.toNanos(), java.util.concurrent.TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      throw failureOf(e.getCause());
    }
  }

  /**
   * As {@link #get()}, without checked exceptions and without regard for interrupts.
   *
   * @return what came out
   * @throws UncheckedIOException with the {@link EvpollException} that tells how it failed
   */
  public T join() {
    requireOther();
    try {
      return done.join();
    } catch (CompletionException e) {
      throw new UncheckedIOException(failureOf(e.getCause()));
    }
  }

  /**
   * Has something done with the outcome.
   *
   * @param action what to do; it is left out if the operation fails
   * @return what completes when the action has ended
   */
  public CompletionStage<Void> thenAccept(Consumer<? super T> action) {
    return toCompletionStage().thenAccept(action);
  }

  /**
   * Makes something else of the outcome.
   *
   * @param <U> what it becomes
   * @param function what makes it
   * @return what completes when the function has ended
   */
  public <U> CompletionStage<U> thenApply(Function<? super T, ? extends U> function) {
    return toCompletionStage().thenApply(function);
  }

  /**
   * Has something done when it is over, well or not.
   *
   * @param action gets the outcome and null, or null and the failure
   * @return this
   */
  public IoFuture<T> whenComplete(BiConsumer<? super T, ? super EvpollException> action) {
    done.whenComplete((value, failure) -> {
      try {
        action.accept(value, failure == null ? null : (EvpollException) failure);
      } catch (RuntimeException | Error e) {
        loop.report(e);
      }
    });
    return this;
  }

  /**
   * A view for code that composes stages. Completing or cancelling what is derived from it changes
   * nothing here, and nothing about the operation.
   *
   * @return a stage that completes as this does
   */
  public CompletionStage<T> toCompletionStage() {
    return done.minimalCompletionStage();
  }

  private void requireOther() {
    if (!done.isDone() && loop.isLoopThread())
      throw new IllegalStateException("the loop's thread would wait for itself: use whenComplete");
  }

  private static EvpollException failureOf(Throwable cause) {
    return new EvpollException((EvpollException) cause);
  }
}
