// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Readiness, wakes and posts by the raw but safe layer. */
class PollerTest {
  private static final long TOKEN = 0xF123456789ABCDEFL; // bit 63 is set

  private final Events events = new Events(64);
  private Poller poller;
  private Sockets.Pair pair;

  @BeforeEach
  void open() throws EvpollException {
    poller = Poller.open(PollerOptions.DEFAULT.withWakeToken(-7));
    pair = Sockets.pair();
  }

  @AfterEach
  void close() throws EvpollException {
    poller.close();
    Sockets.close(pair.first());
    Sockets.close(pair.second());
  }

  private void send(String text) throws EvpollException {
    assertEquals(text.length(), Sockets.send(pair.second(), Support.direct(text)));
  }

  private void drain() throws EvpollException {
    ByteBuffer room = Buffers.allocate(100);
    while (Sockets.receive(pair.first(), room.clear()) > 0) continue;
  }

  @Test
  void levelReportsWhileItIsTrue() throws Exception {
    assertFalse(poller.add(pair.first(), TOKEN, Interest.READABLE, Mode.LEVEL));
    assertEquals(0, poller.waitFor(events, 0));
    send("x");
    for (int i = 0; i < 3; i++) {
      assertEquals(1, poller.waitFor(events));
      assertEquals(TOKEN, events.token(0));
      assertEquals(Events.READABLE, events.bits(0));
      assertTrue(events.isReadable(0));
      assertFalse(events.isWritable(0));
      assertEquals(Status.OK, events.status(0));
      assertEquals(0, events.operation(0));
    }
    drain();
    assertEquals(0, poller.waitFor(events, 0));
  }

  @Test
  void edgeReportsOnceUntilRearmed() throws Exception {
    poller.add(pair.first(), 1, Interest.READ_WRITE, Mode.EDGE);
    assertEquals(1, poller.waitFor(events));
    assertEquals(Events.WRITABLE, events.bits(0));
    send("x");
    assertEquals(1, poller.waitFor(events));
    assertTrue(events.isReadable(0));
    assertEquals(0, poller.waitFor(events, 0));
    drain();
    poller.rearm(pair.first(), 1, Interest.READABLE);
    send("y");
    assertEquals(1, poller.waitFor(events));
    assertTrue(events.isReadable(0));
  }

  @Test
  void oneshotIsSilentUntilRearmed() throws Exception {
    poller.add(pair.first(), 1, Interest.READABLE, Mode.ONESHOT);
    send("x");
    assertEquals(1, poller.waitFor(events));
    assertEquals(0, poller.waitFor(events, 0));
    poller.rearm(pair.first(), 1, Interest.READABLE);
    assertEquals(1, poller.waitFor(events));
    poller.modify(pair.first(), 1, Interest.READABLE, Mode.LEVEL);
    assertEquals(1, poller.waitFor(events));
    assertEquals(1, poller.waitFor(events));
  }

  @Test
  void addReplacesAndRemoveForgets() throws Exception {
    send("x");
    assertFalse(poller.add(pair.first(), 1, Interest.READABLE, Mode.LEVEL));
    assertTrue(poller.add(pair.first(), 2, Interest.READABLE, Mode.LEVEL));
    assertEquals(2, Support.take(poller, events, 1));
    Support.fails(Status.STALE, () -> poller.remove(pair.first(), 1));
    poller.remove(pair.first(), 2);
    assertEquals(0, poller.waitFor(events, 0));
    Support.fails(Status.NOT_FOUND, () -> poller.remove(pair.first(), 2));
  }

  @Test
  void interestNoneReportsNothing() throws Exception {
    send("x");
    poller.add(pair.first(), 1, Interest.NONE, Mode.LEVEL);
    assertEquals(0, poller.waitFor(events, 0));
  }

  @Test
  void interestsAreOneObjectForEachSet() {
    assertEquals(Interest.READ_WRITE, Interest.READABLE.and(Interest.WRITABLE));
    assertEquals(Interest.NONE, Interest.PRIORITY.without(Interest.PRIORITY));
    assertTrue(Interest.READ_WRITE.contains(Interest.WRITABLE));
    assertFalse(Interest.READABLE.contains(Interest.READ_WRITE));
    assertEquals("READABLE WRITABLE", Interest.READ_WRITE.toString());
    assertEquals("NONE", Interest.NONE.toString());
    assertEquals("PRIORITY", Interest.PRIORITY.toString());
  }

  @Test
  void updateAppliesAllAndSaysWhichFailed() throws Exception {
    Changes changes = new Changes(4);
    changes.add(pair.first(), 1, Interest.READABLE, Mode.LEVEL)
        .add(-1, 2, Interest.READABLE, Mode.LEVEL)
        .modify(pair.first(), 1, Interest.WRITABLE, Mode.ONESHOT)
        .rearm(pair.first(), 1, Interest.WRITABLE);
    assertEquals(3, poller.update(changes));
    assertEquals(Status.BAD_HANDLE, changes.status(1));
    assertEquals(Status.OK, changes.status(3));
    assertThrows(IllegalStateException.class, () -> changes.remove(pair.first(), 1));
    assertEquals(1, poller.waitFor(events));
    assertTrue(events.isWritable(0));
    changes.clear();
    assertEquals(1, poller.update(changes.remove(pair.first(), 1)));
    changes.clear();
    assertEquals(0, poller.update(changes));
  }

  @Test
  void aWakeIsOneEventWithTheWakeToken() throws Exception {
    poller.wake();
    poller.wake();
    assertEquals(1, poller.waitFor(events));
    assertTrue(events.isWake(0));
    assertEquals(-7, events.token(0));
    assertEquals(0, poller.waitFor(events, 0));
  }

  @Test
  void postsArriveInOrderWithAll64Bits() throws Exception {
    poller.post(TOKEN, Long.MIN_VALUE);
    poller.post(Long.MIN_VALUE, -1);
    poller.post(Long.MAX_VALUE, Long.MAX_VALUE);
    assertEquals(3, poller.waitFor(events));
    assertTrue(events.isPost(0));
    assertEquals(TOKEN, events.token(0));
    assertEquals(Long.MIN_VALUE, events.result(0));
    assertEquals(Long.MIN_VALUE, events.token(1));
    assertEquals(-1, events.result(1));
    assertEquals(Long.MAX_VALUE, events.token(2));
    assertEquals(3, events.count());
    assertThrows(IndexOutOfBoundsException.class, () -> events.token(3));
    assertThrows(IndexOutOfBoundsException.class, () -> events.bits(-1));
  }

  @Test
  void aSmallArrayLosesNothing() throws Exception {
    Events one = new Events(1);
    for (int i = 0; i < 100; i++) poller.post(i, 0);
    for (int i = 0; i < 100; i++) {
      assertEquals(1, poller.waitFor(one));
      assertEquals(i, one.token(0));
    }
    assertEquals(0, poller.waitFor(one, 0));
  }

  @Test
  void aTimeoutIsNoError() throws Exception {
    long began = System.nanoTime();
    assertEquals(0, poller.waitFor(events, Duration.ofMillis(20)));
    assertTrue(System.nanoTime() - began >= 20_000_000);
    assertThrows(IllegalArgumentException.class,
        () -> poller.waitFor(events, Duration.ofNanos(-1)));
  }

  @Test
  void turnUpdatesSubmitsAndWaitsInOneCall() throws Exception {
    long waits = poller.stats().waits();
    send("x");
    Changes changes = new Changes(1).add(pair.first(), 5, Interest.READABLE, Mode.LEVEL);
    assertEquals(1, poller.turn(changes, null, events, Poller.INFINITE));
    assertEquals(5, events.token(0));
    assertEquals(waits + 1, poller.stats().waits());
    // A change that fails lets the turn look only.
    Changes wrong = new Changes(1).remove(pair.second(), 5);
    drain();
    assertEquals(0, poller.turn(wrong, null, events, Poller.INFINITE));
    assertEquals(Status.NOT_FOUND, wrong.status(0));
  }

  @Test
  void oneWaitIsOneWaitWhateverItReturns() throws Exception {
    for (int n : new int[] {1, 64, 1024}) {
      Events room = new Events(n);
      for (int i = 0; i < n; i++) poller.post(i, i);
      long before = poller.stats().waits();
      assertEquals(n, poller.waitFor(room));
      assertEquals(before + 1, poller.stats().waits());
    }
  }

  @Test
  void infoStatsAndDescribeTell() throws Exception {
    PollerInfo info = poller.info();
    assertEquals(Backend.EPOLL, info.backend());
    assertTrue(info.features().contains(Feature.FILE_IO));
    assertEquals(4096, info.ioLimit());
    assertEquals(1, info.version() >> 16);
    assertTrue(info.ioLengthLimit() > 0);
    assertTrue(poller.describe().startsWith("evpoll 1."), poller.describe());
    poller.wake();
    poller.post(1, 1);
    Support.take(poller, events, 2);
    PollerStats stats = poller.stats();
    assertEquals(1, stats.wakes());
    assertEquals(1, stats.posts());
    assertEquals(2, stats.events());
    assertEquals(0, stats.ioInFlight());
  }

  @Test
  void optionsReachTheLibrary() throws Exception {
    PollerOptions options = PollerOptions.DEFAULT.with(OpenFlag.NO_URING, OpenFlag.SINGLE_WAITER)
        .withIoLimit(3).withPoolThreads(2);
    try (Poller other = Poller.open(options)) {
      PollerInfo info = other.info();
      assertEquals(options.flags(), info.flags());
      assertEquals(Engine.POOL, info.engine());
      assertEquals(3, info.ioLimit());
      assertEquals(2, info.poolThreads());
    }
    Support.fails(Status.INVALID, () -> Poller.open(PollerOptions.DEFAULT.withIoLimit(-1)));
  }

  @Test
  void aThreadBoundPollerRefusesOthers() throws Exception {
    try (Poller bound = Poller.open(PollerOptions.DEFAULT.with(OpenFlag.THREAD_BOUND))) {
      assertEquals(0, bound.waitFor(events, 0));
      Throwable[] seen = new Throwable[1];
      Thread other = new Thread(() -> {
        try {
          bound.waitFor(new Events(1), 0);
        } catch (Throwable e) {
          seen[0] = e;
        }
      });
      other.start();
      other.join();
      assertEquals(Status.THREAD, ((EvpollException) seen[0]).status());
    }
  }

  @Test
  void errorsCarryStatusAndTheSystemsCode() {
    EvpollException e = Support.fails(Status.BAD_HANDLE,
        () -> poller.add(1_000_000, 1, Interest.READABLE, Mode.LEVEL));
    assertEquals(9, e.osCode()); // EBADF
    assertTrue(e.getMessage().startsWith("add: "), e.getMessage());
    assertTrue(e.getMessage().endsWith("(system code 9)"), e.getMessage());
    EvpollException ours = Support.fails(Status.NOT_FOUND,
        () -> poller.rearm(pair.first(), 1, Interest.READABLE));
    assertEquals(0, ours.osCode());
    assertTrue(e instanceof java.io.IOException);
  }

  @Test
  void afterShutdownWaitsDeliverWhatIsLeftAndEnd() throws Exception {
    poller.post(1, 1);
    poller.shutdown();
    assertEquals(1, poller.waitFor(events));
    Support.fails(Status.SHUTDOWN, () -> poller.waitFor(events));
    Support.fails(Status.SHUTDOWN, () -> poller.post(2, 2));
    assertEquals(0, events.count());
  }

  @Test
  void aBlockingWaitOnAVirtualThreadIsRefused() throws Exception {
    VirtualThreads.pretended = () -> true;
    try {
      assertThrows(IllegalStateException.class, () -> poller.waitFor(events));
      assertThrows(IllegalStateException.class, () -> poller.turn(null, null, events, 1));
      assertEquals(0, poller.waitFor(events, 0));
    } finally {
      VirtualThreads.pretended = null;
    }
    assertEquals(0, poller.waitFor(events, 1));
  }

  @Test
  void soItIsOnARealOne() throws Exception {
    Method start;
    try {
      start = Thread.class.getMethod("startVirtualThread", Runnable.class);
    } catch (NoSuchMethodException e) {
      assumeTrue(false, "gate virtual-threads: this Java has none");
      return;
    }
    Throwable[] seen = new Throwable[1];
    Thread thread = (Thread) start.invoke(null, (Runnable) () -> {
      try {
        assertEquals(0, poller.waitFor(events, 0));
        poller.waitFor(events);
      } catch (Throwable e) {
        seen[0] = e;
      }
    });
    thread.join();
    assertTrue(seen[0] instanceof IllegalStateException, String.valueOf(seen[0]));
  }
}
