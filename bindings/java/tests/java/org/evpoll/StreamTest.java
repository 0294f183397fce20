// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.UnresolvedAddressException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Streams, files and timers of loops; the suite of all languages has what is common to them. */
class StreamTest {
  static final InetSocketAddress ANY = new InetSocketAddress("127.0.0.1", 0);

  @TempDir Path folder;
  private EventLoop loop;
  private TcpStream one;
  private TcpStream two;

  @BeforeEach
  void open() throws IOException {
    loop = EventLoop.start();
    try (TcpListener listener = loop.listen(ANY)) {
      IoFuture<TcpStream> accepted = listener.accept();
      one = loop.connect(listener.address()).await();
      two = accepted.await();
    }
  }

  @AfterEach
  void close() {
    assertTrue(loop.close(Duration.ofMinutes(1)));
  }

  @Test
  void addressesAreKnownFromTheStart() throws Exception {
    assertEquals(one.localAddress(), two.remoteAddress());
    assertEquals(one.remoteAddress(), two.localAddress());
    try (TcpListener listener = loop.listen(new InetSocketAddress("::1", 0))) {
      IoFuture<TcpStream> accepted = listener.accept();
      TcpStream six = loop.connect(listener.address()).await();
      assertEquals(six.localAddress(), accepted.await().remoteAddress());
    }
    assertThrows(UnresolvedAddressException.class,
        () -> loop.connect(InetSocketAddress.createUnresolved("nobody.invalid", 1)));
  }

  @Test
  void buffersOfBothKindsMoveTheirPosition() throws Exception {
    for (int kind = 0; kind < 4; kind++) {
      ByteBuffer out = kind % 2 == 0 ? ByteBuffer.wrap("_hello_".getBytes())
          : Support.direct("_hello_");
      ByteBuffer in = kind < 2 ? ByteBuffer.allocate(7) : ByteBuffer.allocateDirect(7);
      assertEquals(5, one.writeAll(out.position(1).limit(6)).await());
      assertEquals(6, out.position());
      assertEquals(5, two.readFully(in.position(1).limit(6)).await());
      assertEquals(6, in.position());
      assertEquals("hello", Support.text(in.flip().position(1)));
    }
    assertEquals(0, one.read(ByteBuffer.allocate(0)).await());
    one.shutdownOutput().await();
    assertEquals(-1, two.read(ByteBuffer.allocate(1)).await());
    assertEquals(-1, two.inputStream().read());
  }

  @Test
  void blockingStreamsMoveEverything() throws Exception {
    byte[] content = Support.content(3_000_001, 1);
    CompletableFuture<byte[]> read = CompletableFuture.supplyAsync(() -> {
      try {
        return two.inputStream().readAllBytes();
      } catch (IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    });
    OutputStream out = one.outputStream();
    out.write(content[0]);
    out.write(content, 1, content.length - 1);
    out.close();
    assertArrayEquals(content, read.get());
  }

  @Test
  void aBlockingReadEndsByItsLimitByCloseAndByInterrupt() throws Exception {
    one.timeout(Duration.ofMillis(10));
    Support.fails(Status.EXPIRED, () -> one.inputStream().read());
    one.timeout(Duration.ZERO);
    Thread reader = Thread.currentThread();
    loop.schedule(Duration.ofMillis(10), reader::interrupt);
    assertThrows(InterruptedIOException.class, () -> one.inputStream().read());
    assertTrue(Thread.interrupted());
    loop.schedule(Duration.ofMillis(10), one::close);
    Support.fails(Status.BAD_HANDLE, () -> one.inputStream().read());
    Support.fails(Status.BAD_HANDLE, () -> one.outputStream().write(1));
  }

  @Test
  void theLoopsThreadNeverWaits() throws Exception {
    CompletableFuture<Throwable> thrown = new CompletableFuture<>();
    loop.onError((thread, e) -> thrown.complete(e));
    loop.execute(() -> {
      try {
        one.read(ByteBuffer.allocate(1)).await();
      } catch (IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    });
    assertTrue(thrown.get() instanceof IllegalStateException, thrown.get().toString());
  }

  @Test
  void handlersAreCalledOnTheLoopsThreadWhoeverStarts() throws Exception {
    ByteBuffer in = ByteBuffer.allocateDirect(10);
    for (int i = 0; i < 100; i++) {
      CompletableFuture<Boolean> there = new CompletableFuture<>();
      two.read(in.clear(), (n, failure) -> there.complete(loop.isLoopThread() && n == 1));
      one.writeAll(Support.direct("x"), (n, failure) -> { });
      assertTrue(there.get());
    }
  }

  @Test
  void aFileIsSentAsAPart() throws Exception {
    byte[] content = Support.content(300_000, 2);
    AsyncFile file = loop.openFile(Support.file(folder, content));
    IoFuture<Long> sent = one.sendFile(file, 1000, 200_000);
    ByteBuffer in = ByteBuffer.allocate(200_000);
    assertEquals(200_000, two.readFully(in).await());
    assertEquals(200_000, sent.await());
    assertEquals(-1, in.flip().mismatch(ByteBuffer.wrap(content, 1000, 200_000)));
    loop.execute(() -> one.sendFile(file, 299_990, 100));
    assertEquals(10, two.readFully(in.clear().limit(10)).await());
    file.close();
    Support.fails(Status.BAD_HANDLE, () -> one.sendFile(file, 0, 1).await());
  }

  @Test
  void cancellingAViewChangesNothing() throws Exception {
    IoFuture<Integer> read = one.read(ByteBuffer.allocate(1));
    read.toCompletionStage().toCompletableFuture().cancel(true);
    assertFalse(read.isDone());
    two.writeAll(Support.direct("x")).await();
    assertEquals(1, read.await());
    assertEquals(1, read.getNow());
  }

  @Test
  void whatIsQueuedAndCancelledIsDropped() throws Exception {
    CompletableFuture<Status> ended = new CompletableFuture<>();
    loop.execute(() -> {
      IoFuture<Integer> write = one.writeAll(Support.direct("never"));
      one.writeAll(Support.direct("x"));
      write.whenComplete((n, failure) -> ended.complete(failure.status()));
      write.cancel();
    });
    assertEquals(Status.CANCELLED, ended.get());
    ByteBuffer in = ByteBuffer.allocate(1);
    assertEquals(1, two.readFully(in).await());
    assertEquals("x", Support.text(in.flip()));
  }

  @Test
  void limitsBeyondFortyNineDaysAreLong() throws Exception {
    long days = Duration.ofDays(60).toNanos();
    assertEquals(0xFFFFFFFFL, Integer.toUnsignedLong(Loop.millis(days))); // not a few less 49 days
    assertEquals(0xFFFFFFFFL, Integer.toUnsignedLong(Loop.millis(Long.MAX_VALUE - 1)));
    assertEquals(0xFFFFFFFEL, Integer.toUnsignedLong(Loop.millis(0xFFFFFFFEL * 1_000_000 - 1)));
    assertEquals(0, Loop.millis(Long.MAX_VALUE));
    one.timeout(Duration.ofDays(60));
    assertEquals(-1, one.timeoutMs);
    CompletableFuture<IoFuture<Integer>> read = new CompletableFuture<>();
    CountDownLatch later = new CountDownLatch(1);
    loop.execute(() -> { // on the loop's thread, where the entry is not with the library yet
      read.complete(one.read(ByteBuffer.allocate(5)).limit(Duration.ofDays(60)));
      loop.schedule(Duration.ofMillis(20), later::countDown);
    });
    later.await();
    two.writeAll(Support.direct("hello"));
    assertEquals(5, read.get().await());
  }

  @Test
  void limitsMoveTheEnd() throws Exception {
    IoFuture<Integer> read = one.read(ByteBuffer.allocate(1)).limit(Duration.ofDays(100_000_000));
    read.limit(Duration.ofSeconds(Long.MAX_VALUE));
    assertFalse(read.isDone());
    read.limit(Duration.ZERO);
    Support.fails(Status.EXPIRED, read::await);
    CompletableFuture<Status> queued = new CompletableFuture<>();
    loop.execute(() -> one.read(ByteBuffer.allocate(1)).limit(Duration.ofMillis(1))
        .whenComplete((n, failure) -> queued.complete(failure.status())));
    assertEquals(Status.EXPIRED, queued.get());
    one.timeout(Duration.ofSeconds(Long.MAX_VALUE)); // too long to be counted: none
    assertThrows(IllegalArgumentException.class, () -> one.timeout(Duration.ofMillis(-1)));
  }

  @Test
  void timersAreSetAnewAndCancelled() throws Exception {
    AtomicInteger runs = new AtomicInteger();
    CountDownLatch third = new CountDownLatch(3);
    Timer[] self = new Timer[1];
    self[0] = loop.timer(() -> {
      runs.incrementAndGet();
      third.countDown();
      if (third.getCount() > 0) self[0].setNanos(1000);
    });
    self[0].set(Duration.ofSeconds(Long.MAX_VALUE));
    self[0].set(Duration.ofMillis(1));
    third.await();
    assertFalse(self[0].cancel());
    Timer never = loop.schedule(Duration.ofHours(1), runs::incrementAndGet);
    assertTrue(never.cancel());
    never.set(Duration.ofHours(1));
    assertTrue(never.cancel());
    CountDownLatch later = new CountDownLatch(1);
    Timer forth = loop.schedule(Duration.ofMillis(1), later::countDown);
    forth.set(Duration.ofMillis(20)); // and back again
    forth.set(Duration.ZERO);
    later.await();
    assertEquals(3, runs.get());
    IoFuture<Void> delay = loop.delay(Duration.ofHours(1));
    delay.cancel();
    Support.fails(Status.CANCELLED, delay::await);
    loop.delay(Duration.ofMillis(1)).await();
  }

  @Test
  void halfAMillionTimersComeAndGo() throws Exception {
    Timer[] timers = new Timer[500_000];
    AtomicInteger runs = new AtomicInteger();
    for (int i = 0; i < timers.length; i++)
      timers[i] = loop.schedule(Duration.ofHours(1), runs::incrementAndGet);
    for (Timer timer : timers) assertTrue(timer.cancel());
    Support.until("all are gone", () -> loop.stats().ioInFlight() == 0);
    assertEquals(0, runs.get());
  }

  @Test
  void descriptorsOfOthersAreWaitedFor() throws Exception {
    long[] pair = Handles.pair();
    Descriptor watched = loop.watch(pair[0]);
    assertTrue(watched.poll(Interest.WRITABLE).await().contains(Interest.WRITABLE));
    IoFuture<Interest> readable = watched.poll(Interest.READABLE);
    Handles.send(pair[1], Support.direct("x"));
    assertTrue(readable.await().contains(Interest.READABLE));
    ByteBuffer in = ByteBuffer.allocateDirect(1);
    assertEquals(1, Handles.receive(pair[0], in));
    IoFuture<Interest> pending = watched.poll(Interest.READABLE);
    watched.close();
    watched.closed().await();
    Support.fails(Status.BAD_HANDLE, pending::await);
    Handles.send(pair[1], Support.direct("y"));
    assertEquals(1, Handles.receive(pair[0], in.clear())); // it is open still
    Handles.closeSocket(pair[0]);
    Handles.closeSocket(pair[1]);
  }

  @Test
  void recordsStandWhereTheySay() throws Exception {
    Path path = folder.resolve("log");
    try (AsyncFile log = loop.openFile(path, FileFlag.WRITE, FileFlag.CREATE, FileFlag.APPEND)) {
      List<IoFuture<Long>> places = new ArrayList<>();
      for (int i = 0; i < 1000; i++)
        places.add(log.appendDurable(ByteBuffer.wrap(("record " + i + "\n").getBytes())));
      long at = 0;
      for (int i = 0; i < 1000; i++) {
        assertEquals(at, places.get(i).await());
        at += ("record " + i + "\n").length();
      }
      assertEquals(at, log.size().await());
      assertThrows(IllegalArgumentException.class,
          () -> log.appendDurable(ByteBuffer.allocate(0)));
      Support.fails(Status.BUSY, () -> loop.openFile(path, FileFlag.WRITE, FileFlag.APPEND));
    }
    assertEquals("record 999", Files.readAllLines(path).get(999));
  }

  @Test
  void filesAreReadWrittenCutAndSynced() throws Exception {
    Path path = folder.resolve("file");
    try (AsyncFile file = loop.openFile(path, FileFlag.READ, FileFlag.WRITE, FileFlag.CREATE)) {
      assertEquals(10, file.write(ByteBuffer.wrap("0123456789".getBytes()), 5).await());
      file.sync().await();
      file.syncData().await();
      file.truncate(8).await();
      assertEquals(8, file.size().await());
      ByteBuffer in = ByteBuffer.allocate(20);
      assertEquals(3, file.readFully(in, 5).await());
      assertEquals("012", Support.text(in.flip()));
      assertEquals(-1, file.read(in.clear(), 8).await());
      assertThrows(IllegalArgumentException.class, () -> file.read(in, -1));
      CompletableFuture<Integer> handled = new CompletableFuture<>();
      file.read(ByteBuffer.allocateDirect(2), 6, (n, failure) -> handled.complete(n));
      assertEquals(2, handled.get());
    }
    Support.fails(Status.NOT_FOUND, () -> loop.openFile(folder.resolve("none")));
  }

  @Test
  void aListenerThatCallsBackAcceptsUntilItIsClosed() throws Exception {
    CountDownLatch three = new CountDownLatch(3);
    TcpListener listener = loop.listen(ANY);
    listener.onAccept(stream -> three.countDown());
    for (int i = 0; i < 3; i++) assertNotNull(loop.connect(listener.address()).await());
    three.await();
    listener.close();
    listener.closed().await();
    Support.fails(Status.REFUSED, () -> loop.connect(listener.address()).await());
  }

  @Test
  void thePoolHasABoundAndSmallBuffersAreSmall() {
    ByteBuffer small = Buffers.take(64);
    assertEquals(64, small.capacity());
    Buffers.give(small);
    ByteBuffer[] large = new ByteBuffer[80];
    for (int i = 0; i < large.length; i++) large[i] = Buffers.take(1 << 20);
    for (ByteBuffer one : large) Buffers.give(one);
    assertTrue(Buffers.pooledBytes() <= 64 << 20);
    ByteBuffer again = Buffers.take(1_000_000);
    assertEquals(1_000_000, again.limit());
    assertEquals(0, again.position());
  }

  @Test
  void callsThatComeTooLateSayShutdown() throws Exception {
    AtomicReference<EvpollException> failure = new AtomicReference<>();
    IoFuture<Integer> pending = one.read(ByteBuffer.allocate(1));
    pending.whenComplete((n, e) -> failure.set(e));
    assertTrue(loop.close(Duration.ofMinutes(1)));
    assertEquals(Status.SHUTDOWN, failure.get().status());
    assertNull(pending.getNow());
    Support.fails(Status.SHUTDOWN, () -> two.read(ByteBuffer.allocate(1)).await());
    Support.fails(Status.SHUTDOWN, () -> loop.listen(ANY));
    Support.fails(Status.SHUTDOWN, () -> loop.delay(Duration.ZERO).await());
    assertThrows(java.util.concurrent.RejectedExecutionException.class,
        () -> loop.execute(() -> { }));
    assertThrows(ClosedPollerException.class, () -> loop.stats());
  }

  @Test
  void flightRecorderGetsTheCallbacksOfATurn() throws Exception {
    Path file = folder.resolve("evpoll.jfr");
    try (var recording = new jdk.jfr.Recording()) {
      recording.enable("org.evpoll.Callbacks").withoutThreshold();
      recording.start();
      loop.delay(Duration.ofMillis(1)).await();
      loop.delay(Duration.ofMillis(1)).await(); // the turn before is over then
      recording.stop();
      recording.dump(file);
    }
    var events = jdk.jfr.consumer.RecordingFile.readAllEvents(file);
    assertTrue(events.stream().anyMatch(e ->
        e.getEventType().getName().equals("org.evpoll.Callbacks")
            && e.getString("loop").equals("evpoll") && e.getInt("ended") > 0), events.toString());
  }
}
