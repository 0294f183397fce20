// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.Set;
import org.evpoll.internal.NativeConstants;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Readiness, wakes and posts by the raw but safe layer. */
class PollerTest {
  private static final long TOKEN = 0xF123456789ABCDEFL; // bit 63 is set

  private final Events events = new Events(64);
  private Poller poller;
  private long[] pair;

  @BeforeEach
  void open() throws EvpollException {
    poller = Poller.open(new PollerOptions(Set.of(), -7, 0, 0));
    pair = Handles.pair();
  }

  @AfterEach
  void close() throws EvpollException {
    poller.close();
    Handles.closeSocket(pair[0]);
    Handles.closeSocket(pair[1]);
  }

  private void send(String text) throws EvpollException {
    assertEquals(text.length(), Handles.send(pair[1], Support.direct(text)));
  }

  private void drain() throws EvpollException {
    ByteBuffer room = Buffers.take(100);
    while (Handles.receive(pair[0], room.clear()) > 0) continue;
  }

  @Test
  void levelReportsWhileItIsTrue() throws Exception {
    assertFalse(poller.add(pair[0], TOKEN, Interest.READABLE, Mode.LEVEL));
    assertEquals(0, poller.waitFor(events, 0));
    send("x");
    for (int i = 0; i < 3; i++) {
      assertEquals(1, poller.waitFor(events, Poller.INFINITE));
      assertEquals(TOKEN, events.token(0));
      assertEquals(NativeConstants.EVPOLL_READABLE, events.bits(0));
      assertTrue(events.is(0, Interest.READABLE));
      assertFalse(events.is(0, Interest.WRITABLE));
      assertEquals(Status.OK, events.status(0));
      assertEquals(0, events.operation(0));
    }
    drain();
    assertEquals(0, poller.waitFor(events, 0));
  }

  @Test
  void edgeReportsOnceUntilRearmed() throws Exception {
    poller.add(pair[0], 1, Interest.READ_WRITE, Mode.EDGE);
    assertEquals(1, poller.waitFor(events, Poller.INFINITE));
    assertEquals(NativeConstants.EVPOLL_WRITABLE, events.bits(0));
    send("x");
    assertEquals(1, poller.waitFor(events, Poller.INFINITE));
    assertTrue(events.is(0, Interest.READABLE));
    assertEquals(0, poller.waitFor(events, 0));
    drain();
    poller.rearm(pair[0], 1, Interest.READABLE);
    send("y");
    assertEquals(1, poller.waitFor(events, Poller.INFINITE));
    assertTrue(events.is(0, Interest.READABLE));
  }

  @Test
  void oneshotIsSilentUntilRearmed() throws Exception {
    poller.add(pair[0], 1, Interest.READABLE, Mode.ONESHOT);
    send("x");
    assertEquals(1, poller.waitFor(events, Poller.INFINITE));
    assertEquals(0, poller.waitFor(events, 0));
    poller.rearm(pair[0], 1, Interest.READABLE);
    assertEquals(1, poller.waitFor(events, Poller.INFINITE));
    poller.modify(pair[0], 1, Interest.READABLE, Mode.LEVEL);
    assertEquals(1, poller.waitFor(events, Poller.INFINITE));
    assertEquals(1, poller.waitFor(events, Poller.INFINITE));
  }

  @Test
  void addReplacesAndRemoveForgets() throws Exception {
    send("x");
    assertFalse(poller.add(pair[0], 1, Interest.READABLE, Mode.LEVEL));
    assertTrue(poller.add(pair[0], 2, Interest.READABLE, Mode.LEVEL));
    assertEquals(2, Support.take(poller, events, 1));
    Support.fails(Status.STALE, () -> poller.remove(pair[0], 1));
    poller.remove(pair[0], 2);
    assertEquals(0, poller.waitFor(events, 0));
    Support.fails(Status.NOT_FOUND, () -> poller.remove(pair[0], 2));
  }

  @Test
  void interestNoneReportsNothing() throws Exception {
    send("x");
    poller.add(pair[0], 1, Interest.NONE, Mode.LEVEL);
    assertEquals(0, poller.waitFor(events, 0));
  }

  @Test
  void interestsAreOneObjectForEachSet() {
    assertEquals(Interest.READ_WRITE, Interest.READABLE.and(Interest.WRITABLE));
    assertTrue(Interest.READ_WRITE.contains(Interest.WRITABLE));
    assertFalse(Interest.READABLE.contains(Interest.READ_WRITE));
    assertEquals("READABLE WRITABLE", Interest.READ_WRITE.toString());
    assertEquals("NONE", Interest.NONE.toString());
    assertEquals("PRIORITY", Interest.PRIORITY.toString());
  }

  @Test
  void aWakeIsOneEventWithTheWakeToken() throws Exception {
    poller.wake();
    poller.wake();
    assertEquals(1, poller.waitFor(events, Poller.INFINITE));
    assertTrue((events.bits(0) & NativeConstants.EVPOLL_WAKE) != 0);
    assertEquals(-7, events.token(0));
    assertEquals(0, poller.waitFor(events, 0));
  }

  @Test
  void postsArriveInOrderWithAll64Bits() throws Exception {
    poller.post(TOKEN, Long.MIN_VALUE);
    poller.post(Long.MIN_VALUE, -1);
    poller.post(Long.MAX_VALUE, Long.MAX_VALUE);
    assertEquals(3, poller.waitFor(events, Poller.INFINITE));
    assertTrue((events.bits(0) & NativeConstants.EVPOLL_POST) != 0);
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
      assertEquals(1, poller.waitFor(one, Poller.INFINITE));
      assertEquals(i, one.token(0));
    }
    assertEquals(0, poller.waitFor(one, 0));
  }

  @Test
  void aTimeoutIsNoError() throws Exception {
    long began = System.nanoTime();
    assertEquals(0, poller.waitFor(events, 20_000_000));
    assertTrue(System.nanoTime() - began >= 20_000_000);
  }

  @Test
  void oneWaitIsOneWaitWhateverItReturns() throws Exception {
    for (int n : new int[] {1, 64, 1024}) {
      Events room = new Events(n);
      for (int i = 0; i < n; i++) poller.post(i, i);
      long before = poller.stats().waits();
      assertEquals(n, poller.waitFor(room, Poller.INFINITE));
      assertEquals(before + 1, poller.stats().waits());
    }
  }

  @Test
  void infoStatsAndDescribeTell() throws Exception {
    PollerInfo info = poller.info();
    assertEquals(Backend.EPOLL, info.backend());
    assertTrue(info.features().contains(Feature.FILE_IO));
    assertEquals(1048576, info.ioLimit());
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
    PollerOptions options = new PollerOptions(
        Set.of(OpenFlag.NO_URING, OpenFlag.SINGLE_WAITER), 0, 3, 2);
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
  void theDescriptorIsReadableWhenAWaitReturnsSomething() throws Exception {
    try (Poller outer = Poller.open()) {
      outer.add(poller.descriptor(), 4, Interest.READABLE, Mode.LEVEL);
      poller.post(1, 1);
      assertEquals(4, Support.take(outer, events, 1));
      outer.remove(poller.descriptor(), 4);
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
        () -> poller.rearm(pair[0], 1, Interest.READABLE));
    assertEquals(0, ours.osCode());
    assertTrue(e instanceof java.io.IOException);
  }

  @Test
  void aBlockingWaitOnAVirtualThreadIsRefused() throws Exception {
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
        poller.waitFor(events, Poller.INFINITE);
      } catch (Throwable e) {
        seen[0] = e;
      }
    });
    thread.join();
    assertTrue(seen[0] instanceof IllegalStateException, String.valueOf(seen[0]));
  }
}
