// SPDX-License-Identifier: MIT
package org.evpoll;

import java.lang.ref.Cleaner;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicLong;
import org.evpoll.internal.NativeConstants;

/**
 * A file whose reads and writes a loop waits for. All methods may be called by any thread.
 *
 * <p>Buffers are direct; what is read or written is between position and limit. From the call until
 * the future is complete the buffer is the kernel's: do not touch it. It is kept reachable for that
 * long. On success the position is moved by the bytes that were moved, before the future completes.
 *
 * <p>Operations have no order among each other: wait for the first before starting the second
 * where it matters. Reads and writes may move fewer bytes than asked for.
 */
public final class AsyncFile implements AutoCloseable {
  private static final Cleaner CLEANER = Cleaner.create();

  final EventLoop loop;
  private final String path;
  private final Open open;
  private final Cleaner.Cleanable cleanable;
  private int waiting; // operations that the poller has not accepted yet; the loop's thread
  private boolean closing; // likewise
  private volatile boolean closed;

  /** What remains when nobody knows the file any more. */
  private static final class Open implements Runnable {
    final AtomicLong handle;

    Open(long handle) {
      this.handle = new AtomicLong(handle);
    }

    void close() throws EvpollException {
      long last = handle.getAndSet(-1);
      if (last >= 0) FileHandles.close(last);
    }

    @Override
    public void run() {
      try {
        close();
      } catch (EvpollException e) {
        // Nobody is left to be told.
      }
    }
  }

  AsyncFile(EventLoop loop, String path, FileFlag... flags) throws EvpollException {
    this.loop = loop;
    this.path = path;
    open = new Open(FileHandles.open(this.path, flags));
    cleanable = CLEANER.register(this, open);
  }

  /**
   * Reads from an offset on.
   *
   * @param target a direct buffer
   * @param offset bytes from the start of the file, 0 or more
   * @return bytes read; -1 at the end of the file
   */
  public IoFuture<Integer> read(ByteBuffer target, long offset) {
    Memory.direct(target, true);
    return start(Operation.single(this, NativeConstants.EVPOLL_IO_READ, target, atLeast0(offset)))
        .single;
  }

  /**
   * Writes from an offset on.
   *
   * @param source a direct buffer
   * @param offset bytes from the start of the file, 0 or more
   * @return bytes written
   */
  public IoFuture<Integer> write(ByteBuffer source, long offset) {
    Memory.direct(source, false);
    return start(Operation.single(this, NativeConstants.EVPOLL_IO_WRITE, source, atLeast0(offset)))
        .single;
  }

  /**
   * Makes durable what writes have written that are complete by now.
   *
   * @return 0
   */
  public IoFuture<Integer> sync() {
    return start(Operation.single(this, NativeConstants.EVPOLL_IO_FSYNC, null, 0)).single;
  }

  /**
   * As {@link #sync()}, without metadata that reading back does not need.
   *
   * @return 0
   */
  public IoFuture<Integer> syncData() {
    return start(Operation.single(this, NativeConstants.EVPOLL_IO_FDATASYNC, null, 0)).single;
  }

  /**
   * Reads many blocks by one native call, all at once. The buffer's position stays.
   *
   * @param target a direct buffer; what remains in it is cut into blocks, the last may be shorter
   * @param blockSize bytes of a block, 1 or more
   * @param offset bytes from the start of the file, 0 or more
   * @return the outcome of each block; it fails only if the list could not be started
   */
  public IoFuture<IoResults> readBlocks(ByteBuffer target, int blockSize, long offset) {
    Memory.direct(target, true);
    return blocks(NativeConstants.EVPOLL_IO_READ, target, blockSize, offset);
  }

  /**
   * Writes many blocks by one native call, all at once. The buffer's position stays.
   *
   * @param source a direct buffer; what remains in it is cut into blocks, the last may be shorter
   * @param blockSize bytes of a block, 1 or more
   * @param offset bytes from the start of the file, 0 or more
   * @return the outcome of each block; it fails only if the list could not be started
   */
  public IoFuture<IoResults> writeBlocks(ByteBuffer source, int blockSize, long offset) {
    Memory.direct(source, false);
    return blocks(NativeConstants.EVPOLL_IO_WRITE, source, blockSize, offset);
  }

  private IoFuture<IoResults> blocks(int code, ByteBuffer buffer, int blockSize, long offset) {
    if (blockSize < 1) throw new IllegalArgumentException("blocks of " + blockSize + " bytes");
    if (!buffer.hasRemaining()) throw new IllegalArgumentException("a list of no blocks");
    return start(Operation.list(this, code, buffer, blockSize, atLeast0(offset))).list;
  }

  /**
   * The file's size.
   *
   * @return bytes
   * @throws EvpollException as evpoll_file_size
   */
  public long size() throws EvpollException {
    if (closed) throw refusal();
    return FileHandles.size(handle());
  }

  /**
   * The file's path, as it was opened.
   *
   * @return the path
   */
  public String path() {
    return path;
  }

  /**
   * Closes the file. Operations that were started go on, and their futures complete; the system
   * closes the file after the last of them. A second close does nothing.
   *
   * @throws EvpollException as evpoll_file_close; the file is closed all the same
   */
  @Override
  public void close() throws EvpollException {
    closed = true;
    try {
      loop.call(() -> {
        closing = true;
        if (waiting == 0) open.close();
        return null;
      });
    } catch (EvpollException e) {
      if (e.status() != Status.SHUTDOWN) throw e;
      open.close(); // the loop has ended, so nothing can be waiting
    }
  }

  long handle() {
    return open.handle.get();
  }

  /** One that waited was accepted or given up: the number is needed once less. */
  void submitted() {
    if (--waiting > 0 || !closing) return;
    cleanable.clean();
  }

  private Operation start(Operation operation) {
    if (closed) operation.fail(refusal());
    else loop.soon(() -> queue(operation), () -> operation.fail(loop.ended()));
    return operation;
  }

  private void queue(Operation operation) {
    if (closing) {
      operation.fail(refusal());
    } else if (loop.isStopping()) {
      operation.fail(loop.ended());
    } else {
      waiting++;
      loop.files().add(operation);
    }
  }

  private EvpollException refusal() {
    return new EvpollException(Status.BAD_HANDLE, 0, path + " was closed");
  }

  private static long atLeast0(long offset) {
    if (offset < 0) throw new IllegalArgumentException("negative offset: " + offset);
    return offset;
  }
}
