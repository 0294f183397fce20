// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.evpoll.internal.Native;

/**
 * A descriptor that is registered with a loop: what remains of a {@link Resource} when nobody knows
 * it any more, what its Cleaner runs, and the operation that closes it. Any thread may call it.
 */
final class Handle extends Operation implements Runnable {
  private static final AtomicLong REGISTRATIONS = new AtomicLong();

  final Loop loop;
  final long number;
  final long registration = REGISTRATIONS.incrementAndGet(); // names it
  final boolean owned; // else it stays open
  final IoFuture<Void> ended;
  final ReentrantLock naming = new ReentrantLock(); // of one that is not owned
  volatile boolean closed;

  /** Registers a descriptor; after a failure it is as it was. */
  Handle(Loop loop, long number, boolean owned) throws EvpollException {
    this.loop = loop;
    this.number = number;
    this.owned = owned;
    handle = this;
    ended = new IoFuture<>(loop, "close", n -> null, false);
    enter();
    try {
      EvpollException.check("add", Native.evpoll_add(loop.pointer, number, registration, 0,
          EVPOLL_OPERATIONS));
      loop.open.add(this);
    } finally {
      loop.leave();
    }
  }

  private void enter() throws EvpollException {
    if (!loop.enter()) throw new EvpollException(Status.SHUTDOWN, 0, "the loop has ended");
  }

  /** A call that has an error. */
  interface Call {
    void run() throws EvpollException;
  }

  /** The same for a new descriptor, which is closed after a failure. */
  static Handle own(Loop loop, long number, Call close) throws EvpollException {
    try {
      return new Handle(loop, number, true);
    } catch (EvpollException e) {
      close.run();
      throw e;
    }
  }

  static Handle socket(Loop loop, long number) throws EvpollException {
    return own(loop, number, () -> Handles.closeSocket(number));
  }

  /** Makes a call by the number, which is nobody else's meanwhile. */
  void hold(String what, Call call) throws EvpollException {
    enter();
    boolean held = Native.evpoll_hold(loop.pointer, number, registration) >= 0;
    try {
      if (!held || closed)
        throw new EvpollException(Status.BAD_HANDLE, 0, what + ", which was closed");
      call.run();
    } finally {
      if (held) Native.evpoll_release(loop.pointer, number);
      loop.leave();
    }
  }

  /** The Cleaner's. */
  @Override
  public void run() { close(0); }

  void close(int flags) {
    synchronized (this) {
      if (closed) return;
      kind = EVPOLL_OP_CLOSE | flags << 8;
      closed = true;
    }
    loop.close(this);
  }

  /** CLOSE has ended, the last of all. */
  @Override
  void end(int status, long result) {
    loop.open.remove(this);
    ended.end(0, 0);
  }
}
