// SPDX-License-Identifier: MIT
package org.evpoll.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import org.evpoll.AsyncFile;
import org.evpoll.EventLoop;
import org.evpoll.FileFlag;

/**
 * Writers that each wait until their record is on the disk: by the library, by a force for each
 * record, and by a thread that writes and forces for all who wait, as one would do it by hand.
 */
final class Appends implements AutoCloseable {
  private static final int WRITERS = 64;
  private static final int RECORDS = 40;
  private static final byte[] RECORD = new byte[100];

  /** A record, and who waits for it. */
  private record Waiting(ByteBuffer record, CompletableFuture<Void> done) {}

  private final Path folder = Files.createTempDirectory(Path.of("build", "java"), "appends");
  private final EventLoop loop = EventLoop.start();
  private final AsyncFile file = loop.openFile(folder.resolve("ours"), FileFlag.WRITE,
      FileFlag.CREATE, FileFlag.APPEND);
  private final FileChannel each = channel("each");
  private final FileChannel grouped = channel("grouped");
  private final LinkedBlockingQueue<Waiting> queue = new LinkedBlockingQueue<>();
  private final Thread committer = new Thread(this::commit);

  Appends() throws IOException {
    committer.setDaemon(true);
    committer.start();
  }

  private FileChannel channel(String name) throws IOException {
    return FileChannel.open(folder.resolve(name), StandardOpenOption.CREATE,
        StandardOpenOption.APPEND);
  }

  private void commit() {
    List<Waiting> batch = new ArrayList<>();
    try {
      for (;;) {
        batch.clear();
        batch.add(queue.take());
        queue.drainTo(batch);
        ByteBuffer[] records = batch.stream().map(Waiting::record).toArray(ByteBuffer[]::new);
        while (records[records.length - 1].hasRemaining()) grouped.write(records);
        grouped.force(false);
        for (Waiting one : batch) one.done.complete(null);
      }
    } catch (InterruptedException | IOException e) {
      for (Waiting one : batch) one.done.completeExceptionally(e);
    }
  }

  private static long all(Bench.Body record) throws Exception {
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < WRITERS; i++) {
      Thread thread = new Thread(() -> {
        try {
          for (int k = 0; k < RECORDS; k++) record.round();
        } catch (Exception e) {
          throw new IllegalStateException(e);
        }
      });
      thread.start();
      threads.add(thread);
    }
    for (Thread thread : threads) thread.join();
    return WRITERS * RECORDS;
  }

  long ours() throws Exception {
    return all(() -> file.appendDurable(ByteBuffer.wrap(RECORD)).await());
  }

  long force() throws Exception {
    return all(() -> {
      each.write(ByteBuffer.wrap(RECORD));
      each.force(false);
      return 1;
    });
  }

  long group() throws Exception {
    return all(() -> {
      Waiting one = new Waiting(ByteBuffer.wrap(RECORD), new CompletableFuture<>());
      queue.add(one);
      one.done.get();
      return 1;
    });
  }

  @Override
  public void close() throws IOException {
    loop.close();
    committer.interrupt();
    each.close();
    grouped.close();
    for (String name : new String[] {"ours", "each", "grouped"})
      Files.delete(folder.resolve(name));
    Files.delete(folder);
  }
}
