// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

import java.nio.ByteBuffer;

/**
 * A file whose operations a loop waits for. All methods may be called by any thread. Operations
 * have no order among each other, but for {@link #appendDurable}; the file has no position. Offsets
 * count bytes from its start, 0 or more. Buffers and results are as those of {@link TcpStream}.
 */
public final class AsyncFile extends Resource {
  private static final int READ = EVPOLL_OP_READ;
  private static final int ALL = EVPOLL_OPF_ALL << 8;

  AsyncFile(EventLoop loop, Handle handle, String path) { super(loop, handle, path); }

  /**
   * Reads once: where the system stops in the middle it may be less than asked for.
   *
   * @param target where to
   * @param offset the place in the file
   * @return the bytes, -1 at the end
   */
  public IoFuture<Integer> read(ByteBuffer target, long offset) {
    return move("read", READ, target, atLeast0(offset));
  }

  /**
   * Reads until the buffer is full or the file ends.
   *
   * @param target where to
   * @param offset the place in the file
   * @return the bytes, -1 if the end came first
   */
  public IoFuture<Integer> readFully(ByteBuffer target, long offset) {
    return move("read", READ | ALL, target, atLeast0(offset));
  }

  /**
   * As {@link #read(ByteBuffer, long)}, with a callback: nothing is allocated.
   *
   * @param target a direct buffer
   * @param offset the place in the file
   * @param handler called in the end
   */
  public void read(ByteBuffer target, long offset, IoHandler handler) {
    move(READ, target, atLeast0(offset), handler);
  }

  /**
   * Writes all of a buffer.
   *
   * @param source what to write
   * @param offset the place in the file
   * @return the bytes
   */
  public IoFuture<Integer> write(ByteBuffer source, long offset) {
    return move("write", EVPOLL_OP_WRITE | ALL, source, atLeast0(offset));
  }

  /**
   * Appends to a file that was opened with {@link FileFlag#APPEND}. Records stand in the order in
   * which they were given, each whole; those that wait go to the disk together, with one sync.
   * Whether one that failed is in the file is open, and after a failed sync all later ones fail:
   * open the file anew then.
   *
   * @param record 1 byte or more
   * @return its place, when it is on the disk
   */
  public IoFuture<Long> appendDurable(ByteBuffer record) {
    if (!record.hasRemaining()) throw new IllegalArgumentException("an empty record");
    return lend("append", EVPOLL_OP_APPEND | EVPOLL_OPF_DURABLE << 8, record, 0, n -> n);
  }

  /** {@return the end of making completed writes durable} */
  public IoFuture<Void> sync() { return simple("sync", EVPOLL_OP_FSYNC, 0); }

  /** {@return the same, without metadata that reading back does not need} */
  public IoFuture<Void> syncData() { return simple("sync", EVPOLL_OP_FDATASYNC, 0); }

  /**
   * {@return the end of cutting the file to so many bytes, or making it longer, with zeros}
   *
   * @param size the bytes
   */
  public IoFuture<Void> truncate(long size) {
    return simple("truncate", EVPOLL_OP_TRUNCATE, atLeast0(size));
  }

  /** {@return the file's bytes} */
  public IoFuture<Long> size() { return start("size", EVPOLL_OP_SIZE, 0, 0, n -> n); }

  private IoFuture<Void> simple(String what, int code, long offset) {
    return start(what, code, 0, offset, n -> null);
  }

  private static long atLeast0(long offset) {
    if (offset < 0) throw new IllegalArgumentException("negative: " + offset);
    return offset;
  }
}
