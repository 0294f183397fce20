// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** What was started and has not ended. Nothing is allocated but when there are more than ever. */
final class Slots {
  /** One operation: what it is, who is told of its end, and what is kept alive until then. */
  static final class Slot {
    long token; // place and generation, so that none is taken for the one before
    long tag; // of a raw poller: the caller's token
    Object to; // a Completion or an IoHandler
    Resource of;
    Handle handle;
    ByteBuffer buffer;
    int kind; // an operation's code, and its flags times 256
    long at; // in the buffer, or what stands in its place
    long length;
    long offset;

    private Slot(int place) { token = place; }

    /** The file that it names beside its own handle; null for most. */
    Handle file() { return to instanceof IoFuture<?> future ? future.file : null; }
  }

  private Slot[] all = {};
  private Slot[] free = {};
  private int nfree;

  synchronized int inUse() { return all.length - nfree; }

  /** Gives out a slot, whose token is never {@link Loop#NONE}. */
  synchronized Slot take(Resource of, Handle handle, ByteBuffer buffer, long at, long length,
      int kind, long offset, Object to) {
    if (nfree == 0) grow();
    Slot slot = free[--nfree];
    slot.of = of;
    slot.handle = handle;
    slot.buffer = buffer;
    slot.at = at;
    slot.length = length;
    slot.kind = kind;
    slot.offset = offset;
    slot.to = to;
    return slot;
  }

  /** Holds a raw poller's buffer; returns the token for its operation, which stands for the tag. */
  synchronized long hold(ByteBuffer buffer, long tag) {
    Slot slot = take(null, null, buffer, 0, 0, 0, 0, null);
    slot.tag = tag;
    return slot.token;
  }

  synchronized Slot find(long token) {
    int place = (int) token;
    if (place < 0 || place >= all.length || all[place].token != token)
      throw new AssertionError("a completion of no operation: " + token);
    return all[place];
  }

  /** The operation has ended. */
  synchronized void give(Slot slot) {
    slot.to = null;
    slot.of = null;
    slot.handle = null;
    slot.buffer = null;
    slot.token += 1L << 32;
    free[nfree++] = slot;
  }

  /** Ends what hold has begun; returns the tag. */
  synchronized long release(long token) {
    Slot slot = find(token);
    give(slot);
    return slot.tag;
  }

  private void grow() {
    int place = all.length;
    all = Arrays.copyOf(all, Math.max(16, place * 2));
    free = new Slot[all.length];
    for (; place < all.length; place++) free[nfree++] = all[place] = new Slot(place);
  }
}
