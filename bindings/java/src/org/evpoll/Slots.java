// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Arrays;

/** What is under way, by token. Nothing is allocated but when there is more than ever. */
final class Slots {
  /** The token of what is not here. */
  static final long NONE = -1;

  /** An operation that is used again: one with a handler, or a raw poller's. */
  final class Reused extends Operation {
    private IoHandler handler;
    private long tag; // the raw poller's token

    @Override
    boolean endsAnywhere() { return false; }

    @Override
    void end(int status, long result) {
      IoHandler to = handler;
      Resource from = of;
      int n = 0;
      EvpollException failure = null;
      try {
        if (status >= 0) n = from.moved(buffer, kind, result);
        else failure = handle.loop.failure(from, "an operation", status, result, false);
      } catch (EvpollException e) {
        failure = e;
      }
      recycle(this);
      to.done(n, failure);
    }
  }

  private final ArrayDeque<Reused> spare = new ArrayDeque<>();
  private Operation[] all = {};
  private int[] free = {};
  private int nfree;
  private int last; // a number for each, so that none is taken for the one before

  synchronized int inUse() { return all.length - nfree; }

  /** An operation whose end the handler is told. */
  synchronized Reused reused(IoHandler handler) {
    Reused op = spare.isEmpty() ? new Reused() : spare.pop();
    op.handler = handler;
    return op;
  }

  private synchronized void recycle(Reused op) {
    op.forget();
    op.handler = null;
    spare.push(op);
  }

  synchronized void put(Operation op) {
    if (nfree == 0) grow();
    int place = free[--nfree];
    all[place] = op;
    op.token = (long) ++last << 32 | place;
  }

  /** The operation has ended. */
  synchronized Operation take(long token) {
    int place = (int) token;
    if (place < 0 || place >= all.length || all[place] == null || all[place].token != token)
      throw new AssertionError("a completion of no operation: " + token);
    Operation op = all[place];
    all[place] = null;
    free[nfree++] = place;
    op.token = NONE;
    return op;
  }

  /** Holds a raw poller's buffer; returns the token for its operation, which stands for the tag. */
  synchronized long hold(ByteBuffer buffer, long tag) {
    Reused op = reused(null);
    op.buffer = buffer;
    op.tag = tag;
    put(op);
    return op.token;
  }

  /** Ends what hold has begun; returns the tag. */
  synchronized long release(long token) {
    Reused op = (Reused) take(token);
    recycle(op);
    return op.tag;
  }

  private void grow() {
    int place = all.length;
    all = Arrays.copyOf(all, Math.max(16, place * 2));
    free = new int[all.length];
    while (place < all.length) free[nfree++] = place++;
  }
}
