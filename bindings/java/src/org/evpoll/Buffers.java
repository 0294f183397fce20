// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;

/** Direct buffers for file operations. */
public final class Buffers {
  /** What suits {@link FileFlag#DIRECT}. */
  private static final int ALIGNMENT = 4096;
  private static final int MOST_ALIGNMENT = 2097152;

  private Buffers() {}

  /**
   * Allocates a direct buffer, zeroed, that begins at a page: fit for {@link FileFlag#DIRECT}. The
   * garbage collector frees it, and it counts against the limit of direct memory.
   *
   * @param size bytes, 0 or more
   * @return a new buffer of that capacity
   */
  public static ByteBuffer allocate(int size) {
    return allocate(size, ALIGNMENT);
  }

  /**
   * Allocates a direct buffer with an alignment of the caller's choice.
   *
   * @param size bytes, 0 or more
   * @param alignment a power of two, at most 2097152
   * @return a new buffer of that capacity
   */
  public static ByteBuffer allocate(int size, int alignment) {
    if (size < 0) throw new IllegalArgumentException("negative size: " + size);
    if (Integer.bitCount(alignment) != 1 || alignment < 1 || alignment > MOST_ALIGNMENT)
      throw new IllegalArgumentException("not a power of two up to 2097152: " + alignment);
    ByteBuffer room = ByteBuffer.allocateDirect(Math.addExact(size, alignment - 1));
    int start = (alignment - room.alignmentOffset(0, alignment)) & (alignment - 1);
    return room.position(start).limit(start + size).slice();
  }
}
