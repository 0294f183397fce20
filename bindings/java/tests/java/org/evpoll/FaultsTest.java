// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Programs that close, cancel, drop and throw at the worst of times. */
class FaultsTest {
  @TempDir Path folder;

  private record Pair(TcpStream one, TcpStream two) {}

  private static Pair pair(EventLoop first, EventLoop second) throws IOException {
    try (TcpListener listener = second.listen(StreamTest.ANY)) {
      IoFuture<TcpStream> accepted = listener.accept();
      return new Pair(first.connect(listener.address()).await(), accepted.await());
    }
  }

  @Test
  void twoLoopsCloseEachOthersStreams() throws Exception {
    try (EventLoop first = EventLoop.start(); EventLoop second = EventLoop.start()) {
      for (int round = 0; round < 1000; round++) {
        Pair pair = pair(first, second);
        IoFuture<Integer> read = pair.one.read(ByteBuffer.allocate(1));
        IoFuture<Integer> other = pair.two.read(ByteBuffer.allocate(1));
        first.execute(() -> {
          pair.two.close();
          pair.one.close();
        });
        second.execute(() -> {
          pair.one.close();
          pair.two.close();
        });
        for (IoFuture<Integer> each : List.of(read, other)) {
          try {
            assertEquals(-1, each.await());
          } catch (EvpollException e) {
            assertTrue(e.status() == Status.BAD_HANDLE || e.status() == Status.RESET,
                e.toString());
          }
        }
        pair.one.closed().await();
        pair.two.closed().await();
      }
    }
  }

  @Test
  void loopsCloseEachOther() throws Exception {
    for (int round = 0; round < 100; round++) {
      EventLoop first = EventLoop.start();
      EventLoop second = EventLoop.start();
      CyclicBarrier both = new CyclicBarrier(2);
      for (EventLoop[] each : new EventLoop[][] {{first, second}, {second, first}})
        each[0].execute(() -> {
          try {
            both.await();
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
          each[1].close();
        });
      assertTrue(first.awaitEnd(Duration.ofMinutes(1)));
      assertTrue(second.awaitEnd(Duration.ofMinutes(1)));
    }
  }

  @Test
  void writesOfTwoThreadsThatAgreeOnAnOrderHaveIt() throws Exception {
    try (EventLoop loop = EventLoop.start()) {
      Pair pair = pair(loop, loop);
      int rounds = 40_000;
      AtomicInteger turn = new AtomicInteger();
      Semaphore back = new Semaphore(1);
      Thread other = new Thread(() -> {
        for (int i = 0; i < rounds; i++) {
          while (turn.get() == i) Thread.onSpinWait();
          // Now and then the loop is in the call that gives the entries by now.
          for (int k = i % 32; k > 0; k--) Thread.onSpinWait();
          pair.one.writeAll(ByteBuffer.wrap(new byte[] {'b'}));
          back.release();
        }
      });
      other.start();
      for (int i = 0; i < rounds; i++) {
        back.acquire();
        // The entry is in the loop's array, and not given yet, when the other thread goes on.
        loop.execute(() -> {
          pair.one.writeAll(ByteBuffer.wrap(new byte[] {'a'}));
          turn.incrementAndGet();
        });
      }
      ByteBuffer in = ByteBuffer.allocate(2 * rounds);
      assertEquals(2 * rounds, pair.two.readFully(in).await());
      for (int i = 0; i < 2 * rounds; i++)
        assertEquals(i % 2 == 0 ? 'a' : 'b', in.get(i), "at " + i);
      other.join();
    }
  }

  @Test
  void hundredThousandCancelsAgainstCompletions() throws Exception {
    try (EventLoop loop = EventLoop.start()) {
      Pair pair = pair(loop, loop);
      AtomicInteger ended = new AtomicInteger();
      AtomicInteger bytes = new AtomicInteger();
      int rounds = 100_000;
      Semaphore most = new Semaphore(64);
      ByteBuffer out = ByteBuffer.wrap(new byte[] {1});
      for (int i = 0; i < rounds; i++) {
        most.acquire();
        IoFuture<Integer> read = pair.two.read(ByteBuffer.allocate(1));
        read.whenComplete((n, failure) -> {
          if (failure == null) bytes.addAndGet(n);
          else assertEquals(Status.CANCELLED, failure.status());
          ended.incrementAndGet();
          most.release();
        });
        if (i % 3 != 0) pair.one.writeAll(out.duplicate());
        if (i % 2 == 0) read.cancel();
        else loop.execute(read::cancel);
      }
      most.acquire(64);
      assertEquals(rounds, ended.get());
      pair.one.shutdownOutput().await();
      int left = pair.two.inputStream().readAllBytes().length;
      assertEquals(rounds - (rounds + 2) / 3, bytes.get() + left);
    }
  }

  @Test
  void collectionInTheMiddleOfEveryOperationChangesNothing() throws Exception {
    try (EventLoop loop = EventLoop.start()) {
      TcpListener[] listener = {loop.listen(StreamTest.ANY)};
      var address = listener[0].address();
      IoFuture<TcpStream> accept = listener[0].accept();
      listener[0] = null;
      collect();
      Pair[] pair = {new Pair(loop.connect(address).await(), accept.await())};
      accept = null; // it has the stream
      byte[] content = Support.content(8 << 20, 3);
      IoFuture<Integer> read = pair[0].one.read(ByteBuffer.allocateDirect(5));
      IoFuture<Integer> write = pair[0].two.writeAll(ByteBuffer.wrap(content).position(100));
      TcpStream one = pair[0].one;
      pair[0] = null; // nobody knows the writer any more
      collect();
      assertEquals(5, read.await());
      ByteBuffer rest = ByteBuffer.allocateDirect(content.length - 105);
      IoFuture<Integer> all = one.readFully(rest);
      collect();
      assertEquals(content.length - 105, all.await());
      assertEquals(content.length - 100, write.await());
      assertEquals(-1, rest.flip().mismatch(ByteBuffer.wrap(content, 105, rest.limit())));
      // The writer had nothing pending any more, and was dropped: its end comes.
      IoFuture<Integer> end = one.read(ByteBuffer.allocate(1));
      Support.collectUntil("what was dropped is closed", end::isDone);
      assertEquals(-1, end.await());
      IoFuture<Void> timer = loop.delay(Duration.ofMillis(20));
      IoFuture<Integer> file = loop.openFile(Support.file(folder, content))
          .readFully(ByteBuffer.allocate(content.length), 0);
      IoFuture<Long> append = loop.openFile(folder.resolve("log"), FileFlag.WRITE, FileFlag.CREATE,
          FileFlag.APPEND).appendDurable(ByteBuffer.wrap(content));
      collect();
      timer.await();
      assertEquals(content.length, file.await());
      assertEquals(0, append.await());
    }
  }

  private static void collect() {
    for (int i = 0; i < 3; i++) System.gc();
  }

  @Test
  void aDroppedLoopEndsAndOneWithATimerDoesNot() throws Exception {
    WeakReference<EventLoop> dropped = new WeakReference<>(EventLoop.start());
    Thread thread = dropped.get() == null ? null : dropped.get().core.thread;
    Support.collectUntil("the loop's thread has ended", () -> !thread.isAlive());
    CountDownLatch ran = new CountDownLatch(1);
    EventLoop.start().schedule(Duration.ofMillis(200), ran::countDown);
    collect();
    assertTrue(ran.await(1, TimeUnit.MINUTES));
  }

  @Test
  void everyCallbackMayThrowAndTheHandlerToo() throws Exception {
    Queue<String> seen = new ConcurrentLinkedQueue<>();
    try (EventLoop loop = EventLoop.start()) {
      loop.onError((thread, e) -> {
        seen.add(e.getMessage());
        throw new IllegalStateException("the handler throws as well");
      });
      loop.execute(thrower("task"));
      loop.schedule(Duration.ofMillis(1), thrower("timer"));
      loop.delay(Duration.ofMillis(1)).whenComplete((n, failure) -> thrower("future").run());
      Pair pair = pair(loop, loop);
      pair.one.read(ByteBuffer.allocateDirect(1), (n, failure) -> thrower("handler").run());
      pair.two.writeAll(Support.direct("x")).await();
      Support.until("all have thrown", () -> seen.size() >= 4);
      TcpListener listener = loop.listen(StreamTest.ANY);
      listener.onAccept(stream -> thrower("acceptor").run());
      int before = Support.descriptors();
      for (int i = 0; i < 10; i++) {
        // Its client is not left to hang: the connection is reset.
        Support.fails(Status.RESET, () -> {
          try (TcpStream client = loop.connect(listener.address()).await()) {
            client.read(ByteBuffer.allocate(1)).await();
          }
        });
      }
      Support.until("and closed", () -> Support.descriptors() <= before);
      loop.delay(Duration.ofMillis(1)).await(); // it goes on
      listener.close();
    }
    assertEquals(14, seen.size(), seen.toString());
    for (String each : new String[] {"task", "timer", "future", "handler", "acceptor"})
      assertTrue(seen.contains(each), each);
  }

  private static Runnable thrower(String what) {
    return () -> {
      throw new IllegalStateException(what);
    };
  }

  @Test
  void aNumberThatIsUsedAgainIsNobodyElses() throws Exception {
    try (EventLoop loop = EventLoop.start()) {
      Path large = Support.file(folder, new byte[1000]);
      Path small = Support.file(folder, new byte[10]);
      AtomicReference<Throwable> wrong = new AtomicReference<>();
      CyclicBarrier round = new CyclicBarrier(3);
      TcpStream[] stream = new TcpStream[1];
      AsyncFile[] file = new AsyncFile[1];
      int rounds = 2000;
      Thread user = new Thread(() -> {
        try {
          for (int i = 0; i < rounds; i++) {
            round.await();
            TcpStream closing = stream[0];
            IoFuture<Long> size = file[0].size();
            closing.writeAll(ByteBuffer.wrap("wrong".getBytes()));
            closing.shutdownOutput();
            closing.read(ByteBuffer.allocate(1)).cancel();
            closing.inputStream();
            try {
              closing.setNoDelay(true);
              if (size.await() != 1000) throw new AssertionError("another file's size");
            } catch (EvpollException e) {
              if (e.status() != Status.BAD_HANDLE) throw e;
            }
            round.await();
          }
        } catch (Throwable e) {
          wrong.compareAndSet(null, e);
        }
      });
      Thread closer = new Thread(() -> {
        try {
          for (int i = 0; i < rounds; i++) {
            round.await();
            stream[0].close();
            file[0].close();
            round.await();
          }
        } catch (Throwable e) {
          wrong.compareAndSet(null, e);
        }
      });
      user.start();
      closer.start();
      for (int i = 0; i < rounds && wrong.get() == null; i++) {
        Pair first = pair(loop, loop);
        stream[0] = first.one;
        file[0] = loop.openFile(large);
        round.await(1, TimeUnit.MINUTES);
        // What is made meanwhile gets the numbers that become free, and must be left alone.
        Pair next = pair(loop, loop);
        AsyncFile other = loop.openFile(small);
        next.two.writeAll(ByteBuffer.wrap(new byte[] {42})).await();
        ByteBuffer in = ByteBuffer.allocate(10);
        assertEquals(1, next.one.read(in).await());
        assertEquals(42, in.get(0));
        next.one.writeAll(ByteBuffer.wrap(new byte[] {43})).await();
        assertEquals(1, next.two.read(in.clear()).await());
        assertEquals(43, in.get(0));
        assertEquals(10, other.size().await());
        round.await(1, TimeUnit.MINUTES);
        for (Resource each : new Resource[] {next.one, next.two, first.two, other}) each.close();
      }
      if (wrong.get() != null) throw new AssertionError(wrong.get());
      user.join();
      closer.join();
    }
  }

  @Test
  void nothingBlocksBehindACallback() throws Exception {
    CountDownLatch open = new CountDownLatch(1);
    CountDownLatch blocked = new CountDownLatch(1);
    EventLoop loop = EventLoop.start();
    Pair pair = pair(loop, loop);
    loop.execute(() -> {
      blocked.countDown();
      try {
        open.await();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    });
    blocked.await();
    pair.one.setNoDelay(true);
    assertEquals(pair.one.localAddress(), pair.two.remoteAddress());
    assertTrue(loop.stats().ioSubmitted() > 0);
    assertEquals(1, pair.one.writeAll(ByteBuffer.wrap(new byte[1])).await());
    assertEquals(0, pair.two.inputStream().read());
    loop.listen(StreamTest.ANY).close();
    pair.one.close();
    assertEquals(-1, pair.two.inputStream().read());
    assertFalse(loop.close(Duration.ofMillis(10)));
    open.countDown();
    assertTrue(loop.close(Duration.ofMinutes(1)));
  }

  @Test
  void closingTheLoopAmidstEverythingEndsEverythingOnce() throws Exception {
    for (int round = 0; round < 30; round++) {
      EventLoop loop = EventLoop.start();
      Map<IoFuture<?>, AtomicInteger> started = new ConcurrentHashMap<>();
      Pair pair = pair(loop, loop);
      int descriptors = Support.descriptors();
      CountDownLatch some = new CountDownLatch(100);
      Thread[] threads = new Thread[3];
      for (int k = 0; k < threads.length; k++) {
        int kind = k;
        threads[k] = new Thread(() -> {
          for (int i = 0; i < 2000; i++) {
            IoFuture<?> future = kind == 0 ? pair.one.read(ByteBuffer.allocate(1))
                : kind == 1 ? pair.two.writeAll(ByteBuffer.wrap(new byte[1]))
                : loop.delay(Duration.ofMillis(i % 3));
            AtomicInteger ends = started.computeIfAbsent(future, f -> new AtomicInteger());
            future.whenComplete((n, failure) -> ends.incrementAndGet());
            some.countDown();
          }
        });
        threads[k].start();
      }
      some.await();
      assertTrue(loop.close(Duration.ofMinutes(1)));
      for (Thread thread : threads) thread.join();
      started.forEach((future, ends) -> assertEquals(1, ends.get()));
      assertTrue(Support.descriptors() < descriptors);
    }
  }

  @Test
  void aWaiterIsToldThatItsPollerWasClosed() throws Exception {
    Poller poller = Poller.open();
    AtomicReference<Throwable> told = new AtomicReference<>();
    Thread waiter = new Thread(() -> {
      try {
        poller.waitFor(new Events(1), Poller.INFINITE);
      } catch (Throwable e) {
        told.set(e);
      }
    });
    waiter.start();
    Support.until("it waits", () -> Support.blockedInWait(waiter));
    poller.close();
    waiter.join();
    assertEquals(ClosedPollerException.class, told.get().getClass());
    assertNull(told.get().getCause());
  }
}
