// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.List;
import java.util.stream.Stream;

/** Direct buffers: new ones, and a pool of those that were used before. */
public final class Buffers {
  private static final int SMALLEST = 6; // 64 bytes
  private static final int LARGEST = 20; // 1 MiB
  private static final long MOST_POOLED = 64L << 20;
  private static final List<ArrayDeque<ByteBuffer>> POOL =
      Stream.generate(ArrayDeque<ByteBuffer>::new).limit(LARGEST + 1).toList(); // held, by kind
  private static long pooledBytes;

  private Buffers() {}

  /**
   * Takes a direct buffer out of the pool, or makes one.
   *
   * @param size bytes, 1 or more
   * @return a buffer with that limit, whose content is anything
   */
  public static ByteBuffer take(int size) {
    int kind = kind(size);
    if (kind > LARGEST) return ByteBuffer.allocateDirect(size);
    synchronized (POOL) {
      ByteBuffer buffer = POOL.get(kind).poll();
      if (buffer != null) {
        pooledBytes -= 1L << kind;
        return buffer.order(ByteOrder.BIG_ENDIAN).clear().limit(size);
      }
    }
    return ByteBuffer.allocateDirect(1 << kind).limit(size);
  }

  /**
   * Gives back what {@link #take(int)} gave: once, and when nothing uses it any more. The pool
   * keeps 64 MiB at most; what is beyond is the garbage collector's.
   *
   * @param buffer the buffer itself, no slice or duplicate
   */
  public static void give(ByteBuffer buffer) {
    int kind = kind(buffer.capacity());
    if (!buffer.isDirect() || kind > LARGEST || buffer.capacity() != 1 << kind) return;
    synchronized (POOL) {
      if (pooledBytes + (1L << kind) > MOST_POOLED) return;
      POOL.get(kind).push(buffer);
      pooledBytes += 1L << kind;
    }
  }

  private static int kind(int size) {
    if (size < 1) throw new IllegalArgumentException("a buffer of " + size + " bytes");
    return Math.max(SMALLEST, 32 - Integer.numberOfLeadingZeros(size - 1));
  }

  /** {@return the bytes that the pool keeps now} */
  static long pooledBytes() {
    synchronized (POOL) {
      return pooledBytes;
    }
  }
}
