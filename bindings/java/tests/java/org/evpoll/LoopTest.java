// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** The loop's thread, its tasks and timers, and handles of the caller's. */
class LoopTest {
  private static final Duration LONG = Duration.ofMinutes(1);

  @Test
  void tasksOfOneThreadRunInOrderOnTheLoopsThread() throws Exception {
    List<Integer> seen = new ArrayList<>();
    CountDownLatch done = new CountDownLatch(1);
    try (EventLoop loop = EventLoop.start("in-order")) {
      for (int i = 0; i < 10_000; i++) {
        int n = i;
        loop.execute(() -> seen.add(loop.isLoopThread()
            && Thread.currentThread().getName().equals("in-order") ? n : -1));
      }
      loop.execute(done::countDown);
      done.await();
      assertFalse(loop.isLoopThread());
    }
    for (int i = 0; i < 10_000; i++) assertEquals(i, seen.get(i));
  }

  @Test
  void manyThreadsMayAddTasks() throws Exception {
    AtomicInteger ran = new AtomicInteger();
    try (EventLoop loop = EventLoop.start("many")) {
      List<Thread> threads = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        Thread thread = new Thread(() -> {
          for (int i = 0; i < 5000; i++) loop.execute(ran::incrementAndGet);
        });
        thread.start();
        threads.add(thread);
      }
      for (Thread thread : threads) thread.join();
      loop.shutdown(LONG);
    }
    assertEquals(20_000, ran.get());
  }

  @Test
  void aTaskMayAddTasks() throws Exception {
    CountDownLatch done = new CountDownLatch(100);
    try (EventLoop loop = EventLoop.start("again")) {
      loop.execute(new Runnable() {
        @Override
        public void run() {
          done.countDown();
          if (done.getCount() > 0) loop.execute(this);
        }
      });
      done.await();
    }
  }

  @Test
  void timersRunInTheOrderOfTheirTimes() throws Exception {
    List<Integer> seen = new ArrayList<>();
    CountDownLatch done = new CountDownLatch(3);
    long began = System.nanoTime();
    try (EventLoop loop = EventLoop.start("timers")) {
      for (int i : new int[] {30, 10, 20})
        loop.schedule(Duration.ofMillis(i), () -> {
          seen.add(i);
          done.countDown();
        });
      done.await();
    }
    assertEquals(List.of(10, 20, 30), seen);
    assertTrue(System.nanoTime() - began >= 30_000_000);
  }

  @Test
  void whatACallbackThrowsEndsNothingElse() throws Exception {
    CompletableFuture<Throwable> seen = new CompletableFuture<>();
    CountDownLatch after = new CountDownLatch(1);
    RuntimeException mistake = new RuntimeException("a mistake");
    try (EventLoop loop = EventLoop.start("throws")) {
      loop.onError((thread, e) -> seen.complete(e));
      loop.execute(() -> {
        throw mistake;
      });
      loop.execute(after::countDown);
      assertSame(mistake, seen.get());
      after.await();
    }
  }

  @Test
  void foreignHandlesAreWatched() throws Exception {
    Sockets.Pair pair = Sockets.pair();
    ConcurrentLinkedQueue<String> seen = new ConcurrentLinkedQueue<>();
    CountDownLatch two = new CountDownLatch(2);
    try (EventLoop loop = EventLoop.start("foreign")) {
      var room = loop.allocate(10);
      Registration registration = loop.onReadable(pair.first(), r -> {
        try {
          Sockets.receive(r.handle(), room.clear());
          seen.add(Support.text(room.flip()));
          two.countDown();
        } catch (EvpollException e) {
          throw new IllegalStateException(e);
        }
      });
      Sockets.send(pair.second(), Support.direct("one"));
      Support.until("one", () -> seen.size() == 1);
      Sockets.send(pair.second(), Support.direct("two"));
      two.await();
      registration.modify(Interest.NONE);
      Sockets.send(pair.second(), Support.direct("unseen"));
      registration.close();
      registration.close();
      assertThrows(IllegalStateException.class, () -> registration.modify(Interest.READABLE));
      CountDownLatch writable = new CountDownLatch(1);
      Registration other = loop.watch(pair.first(), Interest.WRITABLE, Mode.ONESHOT, (r, bits) -> {
        assertEquals(Events.WRITABLE, bits);
        writable.countDown();
      });
      writable.await();
      other.rearm(Interest.WRITABLE);
      other.close();
      assertEquals(List.of("one", "two"), List.copyOf(seen));
    }
    Sockets.close(pair.first());
    Sockets.close(pair.second());
  }

  @Test
  void aHandlerMayCloseItselfAndOthers() throws Exception {
    Sockets.Pair pair = Sockets.pair();
    AtomicInteger calls = new AtomicInteger();
    try (EventLoop loop = EventLoop.start("close")) {
      CompletableFuture<Registration> second = new CompletableFuture<>();
      CompletableFuture<Registration> first = new CompletableFuture<>();
      loop.execute(() -> {
        try {
          first.complete(loop.onWritable(pair.first(), r -> {
            calls.incrementAndGet();
            r.close();
            second.join().close();
          }));
          second.complete(loop.onWritable(pair.second(), r -> {
            calls.incrementAndGet();
            r.close();
            first.join().close();
          }));
        } catch (EvpollException e) {
          throw new IllegalStateException(e);
        }
      });
      loop.shutdown(LONG);
    }
    assertTrue(calls.get() <= 1, "both were ready, and one closed the other");
    Sockets.close(pair.first());
    Sockets.close(pair.second());
  }

  @Test
  void anEndedLoopRefusesEverything() throws Exception {
    EventLoop loop = EventLoop.start("ended");
    loop.shutdown(LONG);
    loop.close();
    loop.close();
    assertTrue(loop.awaitEnd(Duration.ZERO));
    assertThrows(RejectedExecutionException.class, () -> loop.execute(() -> { }));
    Support.fails(Status.SHUTDOWN, () -> TcpListener.bind(loop, "127.0.0.1", 0));
    Support.fails(Status.SHUTDOWN, () -> loop.onReadable(0, r -> { }));
    Support.fails(Status.SHUTDOWN, () -> TcpStream.connect(loop, "127.0.0.1", 1).get());
    assertThrows(ClosedPollerException.class, loop::stats);
    loop.shutdown(LONG);
  }

  @Test
  void closingInACallbackDoesNotWaitForItself() throws Exception {
    EventLoop loop = EventLoop.start("self");
    loop.execute(loop::close);
    assertTrue(loop.awaitEnd(LONG));
  }

  @Test
  void tasksAndTheEndMayRace() throws Exception {
    for (int round = 0; round < 200; round++) {
      EventLoop loop = EventLoop.start("race");
      AtomicInteger accepted = new AtomicInteger();
      AtomicInteger ran = new AtomicInteger();
      Thread thread = new Thread(() -> {
        try {
          for (;;) {
            loop.execute(ran::incrementAndGet);
            accepted.incrementAndGet();
          }
        } catch (RejectedExecutionException e) {
          // It has ended.
        }
      });
      thread.start();
      loop.close();
      thread.join();
      Support.until("each accepted task has run", () -> ran.get() == accepted.get());
    }
  }

  @Test
  void aLoopTellsWhatItIsMadeOf() throws Exception {
    try (EventLoop loop = EventLoop.start("told", PollerOptions.DEFAULT.with(OpenFlag.NO_URING))) {
      assertEquals(Engine.POOL, loop.info().engine());
      assertTrue(loop.info().flags().contains(OpenFlag.THREAD_BOUND));
      assertNotNull(loop.describe());
      assertTrue(loop.stats().waits() >= 0);
    }
  }
}
