// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * What was started and has not ended: who is told of its end, and what is kept alive until then.
 * A slot's token has a generation, so that none is taken for the one before. Nothing is allocated
 * but when the table grows.
 */
final class Slots {
  /** What a slot held. */
  static final class Entry {
    Object to;
    Object keeps;
    ByteBuffer buffer;
    long tag;
  }

  private Object[] to = new Object[0];
  private Object[] keeps = to;
  private ByteBuffer[] buffers = {};
  private long[] tags = {};
  private int[] generations = {};
  private int[] free = {};
  private int nfree;
  private int used;

  synchronized int inUse() {
    return used - nfree;
  }

  /** Returns the token to submit; never {@link Loop#NONE}. */
  synchronized long reserve(Object toldTo, Object kept, ByteBuffer buffer, long tag) {
    if (nfree == 0 && used == tags.length) grow();
    int slot = nfree > 0 ? free[--nfree] : used++;
    to[slot] = toldTo;
    keeps[slot] = kept;
    buffers[slot] = buffer;
    tags[slot] = tag;
    return (long) generations[slot] << 32 | slot;
  }

  /** The operation has ended. */
  synchronized Entry release(long token, Entry out) {
    int slot = (int) token;
    if (slot < 0 || slot >= used || generations[slot] != (int) (token >>> 32))
      throw new AssertionError("a completion of no operation: " + token);
    out.to = to[slot];
    out.keeps = keeps[slot];
    out.buffer = buffers[slot];
    out.tag = tags[slot];
    to[slot] = keeps[slot] = buffers[slot] = null;
    generations[slot]++;
    free[nfree++] = slot;
    return out;
  }

  private void grow() {
    int size = Math.max(16, tags.length * 2);
    to = Arrays.copyOf(to, size);
    keeps = Arrays.copyOf(keeps, size);
    buffers = Arrays.copyOf(buffers, size);
    tags = Arrays.copyOf(tags, size);
    generations = Arrays.copyOf(generations, size);
    free = Arrays.copyOf(free, size);
  }
}
