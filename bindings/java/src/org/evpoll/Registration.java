// SPDX-License-Identifier: MIT
package org.evpoll;

import java.util.function.Consumer;

/**
 * A handle of the caller's that a loop watches. The handle stays the caller's: keep it open until
 * {@link #close()}. All methods may be called by any thread.
 */
public final class Registration implements AutoCloseable {
  final EventLoop loop;
  final long handle;
  final Mode mode;
  final Handler handler;
  long token; // on the loop's thread, as what follows
  private boolean open = true;

  /** What is called when something is ready. */
  @FunctionalInterface
  public interface Handler {
    /**
     * Something is ready. Runs on the loop's thread.
     *
     * @param registration what was registered
     * @param bits a sum of constants of {@link Events}
     */
    void ready(Registration registration, int bits);
  }

  Registration(EventLoop loop, long handle, Mode mode, Handler handler) {
    this.loop = loop;
    this.handle = handle;
    this.mode = mode;
    this.handler = handler;
  }

  static Handler of(Consumer<Registration> action) {
    return (registration, bits) -> action.accept(registration);
  }

  /**
   * The handle that is watched.
   *
   * @return as it was given
   */
  public long handle() {
    return handle;
  }

  /**
   * Changes what is asked for, and looks at the handle afresh.
   *
   * @param interest what to ask for
   * @throws EvpollException as {@link Poller#modify(long, long, Interest, Mode)}
   */
  public void modify(Interest interest) throws EvpollException {
    loop.call(() -> {
      requireOpen();
      loop.poller().modify(handle, token, interest, mode);
      return null;
    });
  }

  /**
   * Arms the registration again: after a one-shot event, or in edge mode after it would block.
   *
   * @param bits what to report once more
   * @throws EvpollException as {@link Poller#rearm(long, long, Interest)}
   */
  public void rearm(Interest bits) throws EvpollException {
    loop.call(() -> {
      requireOpen();
      loop.poller().rearm(handle, token, bits);
      return null;
    });
  }

  /** Stops watching; the handler is not called any more once this has returned. */
  @Override
  public void close() {
    loop.callQuietly(() -> {
      if (!open) return null;
      open = false;
      loop.forget(token);
      loop.poller().remove(handle, token);
      return null;
    });
  }

  private void requireOpen() {
    if (!open) throw new IllegalStateException("the registration is closed");
  }
}
