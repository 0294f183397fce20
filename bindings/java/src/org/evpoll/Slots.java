// SPDX-License-Identifier: MIT
package org.evpoll;

import java.util.Arrays;

/**
 * Holds the buffers of operations in flight, so that no collector frees what the kernel writes.
 *
 * <p>The library is given a slot's number and generation as the operation's token, since a
 * completion may arrive before the call that started it has returned its id; the caller's token is
 * kept here meanwhile.
 */
final class Slots {
  private Object[] roots = new Object[16];
  private long[] tokens = new long[16];
  private int[] generations = new int[16];
  private int[] free = new int[16];
  private int nfree;
  private int used;
  private volatile int inUse;

  int inUse() {
    return inUse;
  }

  synchronized long reserve(Object root, long token) {
    long slot = reserveLocked(root, token);
    publish();
    return slot;
  }

  /** Returns the caller's token. */
  synchronized long release(long reserved) {
    long token = releaseLocked(reserved);
    publish();
    return token;
  }

  // A batch takes the lock once, and publishes once at its end.

  long reserveLocked(Object root, long token) {
    if (nfree == 0 && used == roots.length) grow();
    int slot = nfree > 0 ? free[--nfree] : used++;
    roots[slot] = root;
    tokens[slot] = token;
    return (long) generations[slot] << 32 | slot;
  }

  long releaseLocked(long reserved) {
    int slot = (int) reserved;
    if (slot < 0 || slot >= used || generations[slot] != (int) (reserved >>> 32))
      throw new AssertionError("a completion of no operation: " + reserved);
    generations[slot]++;
    roots[slot] = null;
    free[nfree++] = slot;
    return tokens[slot];
  }

  void publish() {
    inUse = used - nfree;
  }

  /** The kernel has given everything back at once: the poller is gone. */
  synchronized void clear() {
    Arrays.fill(roots, null);
    nfree = 0;
    used = 0;
    inUse = 0;
  }

  private void grow() {
    int size = roots.length * 2;
    roots = Arrays.copyOf(roots, size);
    tokens = Arrays.copyOf(tokens, size);
    generations = Arrays.copyOf(generations, size);
    free = Arrays.copyOf(free, size);
  }
}
