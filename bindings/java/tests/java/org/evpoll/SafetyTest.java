// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.function.Executable;

/** What a program may do wrong, or at the same time, without a crash and without a stall. */
class SafetyTest {
  @TempDir Path folder;

  @Test
  void eachMethodOfAClosedPollerThrows() throws Exception {
    Poller poller = Poller.open();
    Events events = new Events(1);
    Operations operations = new Operations(1).sync(1, 1);
    poller.close();
    poller.close();
    assertTrue(poller.close(Duration.ZERO));
    assertTrue(poller.isClosed());
    List<Executable> calls = List.of(
        () -> poller.add(0, 1, Interest.READABLE, Mode.LEVEL),
        () -> poller.modify(0, 1, Interest.READABLE, Mode.LEVEL),
        () -> poller.rearm(0, 1, Interest.READABLE), () -> poller.remove(0, 1),
        () -> poller.turn(null, events, 0), () -> poller.turn(operations, events, 0),
        poller::wake, () -> poller.post(1, 1), poller::descriptor,
        () -> poller.submit(operations), () -> poller.cancel(3), poller::describe, poller::info,
        poller::stats);
    for (Executable call : calls) assertThrows(ClosedPollerException.class, call);
    assertEquals(0, poller.held());
  }

  @Test
  void closeSendsAwayEveryThreadThatWaits() throws Exception {
    Poller poller = Poller.open();
    AtomicReference<Throwable> wrong = new AtomicReference<>();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      Thread thread = new Thread(() -> {
        try {
          Events events = new Events(1);
          for (;;) poller.waitFor(events, Poller.INFINITE);
        } catch (ClosedPollerException e) {
          // As each of them is told.
        } catch (Throwable e) {
          wrong.set(e);
        }
      });
      thread.start();
      threads.add(thread);
    }
    for (Thread thread : threads)
      Support.until("it waits", () -> Support.blockedInWait(thread));
    poller.close();
    for (Thread thread : threads) thread.join();
    assertNull(wrong.get());
  }

  @Test
  void closeAndUseMayRaceForEver() throws Exception {
    AtomicReference<Throwable> wrong = new AtomicReference<>();
    for (int round = 0; round < 300; round++) {
      Poller poller = Poller.open();
      CountDownLatch begun = new CountDownLatch(3);
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        int kind = i;
        Thread thread = new Thread(() -> {
          Events events = new Events(8);
          begun.countDown();
          try {
            for (int n = 0;; n++) {
              if (kind == 0) poller.post(n, n);
              else if (kind == 1) poller.waitFor(events, n % 2 - 1);
              else poller.stats();
            }
          } catch (ClosedPollerException e) {
            // As it should be.
          } catch (EvpollException e) {
            if (e.status() != Status.SHUTDOWN || kind == 1) wrong.set(e);
          } catch (Throwable e) {
            wrong.set(e);
          }
        });
        thread.start();
        threads.add(thread);
      }
      begun.await();
      if (round % 2 == 0) poller.close();
      else assertTrue(poller.close(Duration.ofMinutes(1)));
      for (Thread thread : threads) thread.join();
    }
    assertNull(wrong.get());
  }

  @Test
  void twoMayCloseAtOnce() throws Exception {
    for (int round = 0; round < 100; round++) {
      Poller poller = Poller.open();
      Thread other = new Thread(poller::close);
      other.start();
      poller.close();
      other.join();
      assertTrue(poller.isClosed());
    }
  }

  @Test
  void aWaitHoldsUpNoCollection() throws Exception {
    try (Poller poller = Poller.open()) {
      Events events = new Events(16);
      Thread waiter = new Thread(() -> {
        try {
          poller.waitFor(events, Poller.INFINITE);
        } catch (EvpollException e) {
          throw new IllegalStateException(e);
        }
      });
      waiter.start();
      Support.until("it waits", () -> Support.blockedInWait(waiter));
      WeakReference<Object> garbage = new WeakReference<>(new Object());
      Support.collectUntil("garbage is collected", () -> garbage.get() == null);
      assertTrue(waiter.isAlive());
      poller.post(42, 7);
      waiter.join();
      assertEquals(42, events.token(0));
      assertEquals(7, events.result(0));
    }
  }

  @Test
  void droppedPollersAreClosedByTheCollector() throws Exception {
    int before = Support.descriptors();
    for (int i = 0; i < 20; i++) Poller.open().post(i, i);
    Support.collectUntil("all are closed", () -> Support.descriptors() <= before);
  }

  @Test
  void aPollerIsNotCollectedUnderItsWait() throws Exception {
    Thread waiter = new Thread(() -> {
      try {
        // Nobody else knows this poller: only the call itself keeps it alive.
        assertEquals(0, Poller.open().waitFor(new Events(1), 200_000_000L));
      } catch (EvpollException e) {
        throw new IllegalStateException(e);
      }
    });
    AtomicReference<Throwable> wrong = new AtomicReference<>();
    waiter.setUncaughtExceptionHandler((thread, e) -> wrong.set(e));
    waiter.start();
    while (waiter.isAlive()) System.gc();
    assertNull(wrong.get());
  }

  @Test
  void aDroppedBufferLivesUntilItsCompletion() throws Exception {
    byte[] content = Support.content(1 << 20, 1);
    long file = Handles.open(Support.file(folder, content).toString());
    try (Poller poller = Poller.open()) {
      Support.register(poller, file);
      Operations operations = new Operations(1);
      WeakReference<ByteBuffer> dropped = submitAndForget(poller, operations, file, 1 << 20);
      // Another takes its place, so that only the poller knows it.
      ByteBuffer other = ByteBuffer.allocateDirect(16);
      operations.clear();
      operations.read(file, 0, other, 2);
      for (int i = 0; i < 5; i++) {
        System.gc();
        byte[] pressure = new byte[1 << 20];
        assertEquals(1 << 20, pressure.length);
      }
      assertFalse(dropped.refersTo(null));
      assertEquals(1, poller.held());
      byte[] read = new byte[1 << 20];
      ByteBuffer alive = dropped.get();
      Support.take(poller, new Events(4), 1);
      alive.get(0, read);
      org.junit.jupiter.api.Assertions.assertArrayEquals(content, read);
      alive = null;
      assertEquals(0, poller.held());
      Support.collectUntil("it is free now", () -> dropped.refersTo(null));
    } finally {
      Handles.close(file);
    }
  }

  private static WeakReference<ByteBuffer> submitAndForget(Poller poller, Operations operations,
      long file, int size) throws EvpollException {
    ByteBuffer buffer = ByteBuffer.allocateDirect(size);
    assertEquals(1, poller.submit(operations.read(file, 0, buffer, 1)));
    return new WeakReference<>(buffer);
  }

  @Test
  void aDroppedPollerWithAnOperationThatDoesNotEndIsFreedLater() throws Exception {
    try (Held held = new Held()) {
      held.hold();
      long file = Handles.open(held.path, FileFlag.WRITE);
      int before = Support.descriptors();
      WeakReference<Poller> dropped = syncAndForget(file);
      held.await(1);
      Support.collectUntil("it is collected", () -> dropped.refersTo(null));
      assertTrue(Support.descriptors() > before);
      // The collector's thread is not held up by it: others are closed meanwhile.
      int with = Support.descriptors();
      Poller.open();
      Support.collectUntil("another is closed", () -> Support.descriptors() <= with);
      held.release();
      Support.until("who opens or closes another frees it", () -> {
        Poller.open().close();
        return Support.descriptors() == before;
      });
      Handles.close(file);
    }
  }

  private static WeakReference<Poller> syncAndForget(long file) throws EvpollException {
    Poller poller = Poller.open();
    Support.register(poller, file);
    assertEquals(1, poller.submit(new Operations(1).sync(file, 1)));
    return new WeakReference<>(poller);
  }

  @Test
  void aCloseThatRunsOutOfTimeSaysSoAndCanBeRepeated() throws Exception {
    try (Held held = new Held()) {
      held.hold();
      long file = Handles.open(held.path, FileFlag.WRITE);
      Poller poller = Poller.open();
      Support.register(poller, file);
      poller.submit(new Operations(1).sync(file, 1));
      held.await(1);
      assertFalse(poller.close(Duration.ofMillis(10)));
      assertEquals(1, poller.held());
      assertThrows(ClosedPollerException.class, poller::wake);
      held.release();
      assertTrue(poller.close(Duration.ofMinutes(1)));
      assertEquals(0, poller.held());
      Handles.close(file);
    }
  }

  @Test
  void closeWakesAWaiterThatAnOperationWouldKeep() throws Exception {
    try (Held held = new Held()) {
      held.hold();
      long file = Handles.open(held.path, FileFlag.WRITE);
      Poller poller = Poller.open();
      Support.register(poller, file);
      poller.submit(new Operations(1).sync(file, 1));
      held.await(1);
      Thread waiter = new Thread(() -> {
        Events events = new Events(1);
        try {
          for (;;) poller.waitFor(events, Poller.INFINITE);
        } catch (EvpollException | ClosedPollerException e) {
          // Sent away.
        }
      });
      waiter.start();
      Support.until("it waits", () -> Support.blockedInWait(waiter));
      assertFalse(poller.close(Duration.ofMillis(500)));
      waiter.join();
      held.release();
      assertTrue(poller.close(Duration.ofMinutes(1)));
      Handles.close(file);
    }
  }

  @Test
  void anInterruptDoesNotFreeBuffersInUse() throws Exception {
    try (Held held = new Held()) {
      held.hold();
      long file = Handles.open(held.path, FileFlag.WRITE);
      Poller poller = Poller.open();
      Support.register(poller, file);
      poller.submit(new Operations(1).sync(file, 1));
      held.await(1);
      Thread.currentThread().interrupt();
      assertFalse(poller.close(Duration.ofMillis(10)));
      assertTrue(Thread.interrupted());
      assertEquals(1, poller.held());
      held.release();
      assertTrue(poller.close(Duration.ofMinutes(1)));
      Handles.close(file);
    }
  }
}
