// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.UncheckedIOException;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files on a loop, and futures. */
class AsyncFileTest {
  private static final Duration LONG = Duration.ofMinutes(1);

  @TempDir Path folder;
  private EventLoop loop;

  @BeforeEach
  void start() throws EvpollException {
    loop = EventLoop.start("files");
  }

  @AfterEach
  void end() {
    loop.close();
  }

  @Test
  void writeSyncReadAndTheEnd() throws Exception {
    Path path = folder.resolve("new");
    try (AsyncFile file = loop.openFile(path, FileFlag.READ, FileFlag.WRITE, FileFlag.CREATE)) {
      ByteBuffer out = Support.direct("hello world");
      assertEquals(11, file.write(out, 0).get());
      assertEquals(11, out.position());
      assertEquals(0, file.sync().get());
      assertEquals(0, file.syncData().join());
      assertEquals(11, file.size());
      assertEquals(path.toString(), file.path());
      ByteBuffer in = loop.allocate(20).position(2);
      assertEquals(5, file.read(in, 6).get());
      assertEquals(7, in.position());
      assertEquals("world", Support.text(in.flip().position(2)));
      assertEquals(-1, file.read(in.clear(), 11).get());
      assertEquals(0, file.read(in.limit(0), 0).get());
    }
    assertEquals("hello world", Files.readString(path));
  }

  @Test
  void blocksAreOneList() throws Exception {
    byte[] content = Support.content(1000 * 128 + 50, 1);
    Path path = folder.resolve("blocks");
    try (AsyncFile file = loop.openFile(path, FileFlag.READ, FileFlag.WRITE, FileFlag.CREATE)) {
      ByteBuffer out = loop.allocate(content.length).put(content).flip();
      IoResults written = file.writeBlocks(out, 128, 0).get();
      assertEquals(1001, written.count());
      assertEquals(content.length, written.requireAll().totalBytes());
      ByteBuffer in = loop.allocate(content.length + 128);
      IoResults read = file.readBlocks(in, 128, 0).get(LONG);
      assertEquals(1002, read.count());
      assertEquals(50, read.bytes(1000));
      assertEquals(0, read.bytes(1001));
      byte[] got = new byte[content.length];
      in.get(0, got);
      assertArrayEquals(content, got);
      assertEquals(0, in.position());
      assertThrows(IllegalArgumentException.class, () -> file.readBlocks(in, 0, 0));
      assertThrows(IllegalArgumentException.class, () -> file.readBlocks(in.limit(0), 1, 0));
      assertThrows(IndexOutOfBoundsException.class, () -> read.bytes(1002));
    }
  }

  @Test
  void moreOperationsThanTheLimitAllComplete() throws Exception {
    byte[] content = Support.content(4096, 2);
    Path path = Support.file(folder, content);
    try (EventLoop small = EventLoop.start("small", PollerOptions.DEFAULT.withIoLimit(2));
        AsyncFile file = small.openFile(path)) {
      List<IoFuture<Integer>> reads = new ArrayList<>();
      List<ByteBuffer> buffers = new ArrayList<>();
      for (int i = 0; i < 500; i++) {
        buffers.add(small.allocate(8));
        reads.add(file.read(buffers.get(i), i * 8));
      }
      for (int i = 0; i < 500; i++) {
        assertEquals(8, reads.get(i).get());
        for (int k = 0; k < 8; k++) assertEquals(content[i * 8 + k], buffers.get(i).get(k));
      }
      EvpollException e = Support.fails(Status.LIMIT,
          () -> file.readBlocks(small.allocate(3), 1, 0).get());
      assertTrue(e.getMessage().contains("readBlocks of 3 bytes at 0 of " + path));
      assertEquals(2, file.readBlocks(small.allocate(2), 1, 0).get().totalBytes());
    }
  }

  @Test
  void failuresAreExceptionsWithStatusAndName() throws Exception {
    Path path = Support.file(folder, new byte[10]);
    try (AsyncFile file = loop.openFile(path)) {
      IoFuture<Integer> write = file.write(loop.allocate(1), 0); // it was opened for reading
      EvpollException e = Support.fails(Status.BAD_HANDLE, write::get);
      assertTrue(e.getMessage().startsWith("write of 1 bytes at 0 of " + path), e.getMessage());
      UncheckedIOException unchecked = assertThrows(UncheckedIOException.class, write::join);
      assertEquals(Status.BAD_HANDLE, ((EvpollException) unchecked.getCause()).status());
      assertTrue(write.isDone());
      CompletableFuture<EvpollException> seen = new CompletableFuture<>();
      write.whenComplete((n, failure) -> seen.complete(failure));
      assertEquals(Status.BAD_HANDLE, seen.get().status());
    }
    Support.fails(Status.NOT_FOUND, () -> loop.openFile(folder.resolve("none")));
  }

  @Test
  void callbacksRunOnTheLoopAndComposeAsStages() throws Exception {
    try (AsyncFile file = loop.openFile(Support.file(folder, new byte[10]))) {
      CompletableFuture<Boolean> onLoop = new CompletableFuture<>();
      CompletableFuture<Integer> doubled = new CompletableFuture<>();
      loop.execute(() -> {
        IoFuture<Integer> read = file.read(loop.allocate(4), 0);
        read.thenAccept(n -> onLoop.complete(loop.isLoopThread()));
        read.thenApply(n -> n * 2).thenAccept(doubled::complete);
        assertThrows(IllegalStateException.class, read::get);
        assertThrows(IllegalStateException.class, read::join);
      });
      assertTrue(onLoop.get());
      assertEquals(8, doubled.get());
    }
  }

  @Test
  void nothingButTheKernelCompletesAFuture() throws Exception {
    try (Held held = new Held(); AsyncFile file = loop.openFile(held.path, FileFlag.WRITE)) {
      held.hold();
      IoFuture<Integer> sync = file.sync();
      held.await(1);
      CompletableFuture<Integer> view = sync.toCompletionStage().toCompletableFuture();
      assertTrue(view.cancel(true));
      assertFalse(sync.isDone());
      assertThrows(TimeoutException.class, () -> sync.get(Duration.ofMillis(1)));
      assertEquals(1, loop.stats().ioInFlight());
      Thread.currentThread().interrupt();
      assertThrows(InterruptedException.class, sync::get);
      assertFalse(sync.isDone());
      held.release();
      assertEquals(0, sync.get());
    }
  }

  @Test
  void aCancelIsARequestAndTheOutcomeTellsWhoWon() throws Exception {
    PollerOptions one = PollerOptions.DEFAULT.with(OpenFlag.NO_URING).withPoolThreads(1)
        .withIoLimit(2);
    try (Held held = new Held(); EventLoop pool = EventLoop.start("pool", one);
        AsyncFile file = pool.openFile(held.path, FileFlag.WRITE)) {
      held.hold();
      IoFuture<Integer> runs = file.sync();
      held.await(1);
      IoFuture<Integer> waits = file.sync();
      IoFuture<Integer> queued = file.sync(); // beyond the limit of the poller
      Support.until("both are accepted", () -> pool.stats().ioSubmitted() == 2);
      queued.requestCancel();
      Support.fails(Status.CANCELLED, queued::get);
      waits.requestCancel();
      waits.requestCancel();
      Support.fails(Status.CANCELLED, waits::get);
      runs.requestCancel(); // one that runs in the pool is not given up
      held.release();
      assertEquals(0, runs.get());
      runs.requestCancel();
    }
  }

  @Test
  void shutdownNamesWhatIsLeftAndLetsItFinish() throws Exception {
    try (Held held = new Held(); AsyncFile file = loop.openFile(held.path, FileFlag.WRITE)) {
      held.hold();
      IoFuture<Integer> sync = file.sync();
      held.await(1);
      EvpollException e =
          Support.fails(Status.TIMEOUT, () -> loop.shutdown(Duration.ofMillis(10)));
      assertTrue(e.getMessage().contains("sync of " + held.path), e.getMessage());
      assertFalse(sync.isDone());
      Support.fails(Status.SHUTDOWN, () -> file.sync().get());
      held.release();
      assertEquals(0, sync.get());
      loop.shutdown(LONG);
    }
  }

  @Test
  void everyFutureCompletesWhenTheLoopIsClosed() throws Exception {
    PollerOptions one = PollerOptions.DEFAULT.with(OpenFlag.NO_URING).withPoolThreads(1);
    try (Held held = new Held()) {
      EventLoop pool = EventLoop.start("pool", one);
      AsyncFile file = pool.openFile(held.path, FileFlag.WRITE);
      held.hold();
      IoFuture<Integer> runs = file.sync();
      held.await(1);
      List<IoFuture<Integer>> others = new ArrayList<>();
      for (int i = 0; i < 100; i++) others.add(file.sync());
      Thread closer = new Thread(pool::close);
      closer.start();
      for (IoFuture<Integer> other : others)
        assertTrue(List.of(Status.CANCELLED, Status.SHUTDOWN)
            .contains(assertThrows(EvpollException.class, other::get).status()));
      assertFalse(runs.isDone());
      held.release();
      runs.whenComplete((n, failure) -> { });
      assertEquals(0, runs.get());
      closer.join();
      assertTrue(pool.awaitEnd(Duration.ZERO));
      file.close();
    }
  }

  @Test
  void closingAFileLetsItsOperationsFinish() throws Exception {
    byte[] content = Support.content(1 << 20, 4);
    for (int round = 0; round < 20; round++) {
      AsyncFile file = loop.openFile(Support.file(folder, content));
      ByteBuffer buffer = loop.allocate(1 << 20);
      IoFuture<Integer> read = file.read(buffer, 0);
      file.close();
      file.close();
      assertEquals(1 << 20, read.get());
      assertEquals(content[77_777], buffer.get(77_777));
      Support.fails(Status.BAD_HANDLE, () -> file.read(buffer, 0).get());
      Support.fails(Status.BAD_HANDLE, file::size);
    }
  }

  @Test
  void aDroppedBufferAndFileLiveUntilTheCompletion() throws Exception {
    try (Held held = new Held()) {
      byte[] content = Support.content(1 << 16, 5);
      WeakReference<AsyncFile> dropped = dropped(held);
      held.await(1);
      AsyncFile reads = loop.openFile(Support.file(folder, content));
      for (int i = 0; i < 50; i++) {
        IoFuture<Integer> read = reads.read(ByteBuffer.allocateDirect(1 << 16), 0);
        System.gc();
        assertEquals(1 << 16, read.get());
      }
      assertFalse(dropped.refersTo(null));
      held.release();
      Support.collectUntil("the file is collected", () -> dropped.refersTo(null));
      reads.close();
    }
  }

  private WeakReference<AsyncFile> dropped(Held held) throws Exception {
    held.hold();
    AsyncFile file = loop.openFile(held.path, FileFlag.WRITE);
    file.sync();
    return new WeakReference<>(file);
  }

  @Test
  void badInputIsRefusedAtOnce() throws Exception {
    try (AsyncFile file = loop.openFile(Support.file(folder, new byte[1]))) {
      assertThrows(NullPointerException.class, () -> file.read(null, 0));
      assertThrows(IllegalArgumentException.class, () -> file.read(ByteBuffer.allocate(1), 0));
      assertThrows(IllegalArgumentException.class, () -> file.read(loop.allocate(1), -1));
      assertThrows(ReadOnlyBufferException.class,
          () -> file.read(loop.allocate(1).asReadOnlyBuffer(), 0));
    }
  }
}
