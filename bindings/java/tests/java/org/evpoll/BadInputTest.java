// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.ByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What is wrong is refused before it reaches the kernel. */
class BadInputTest {
  private static void all(Class<? extends Exception> type, Executable... calls) {
    for (Executable call : calls) assertThrows(type, call);
  }

  @Test
  void nullIsRefused() throws Exception {
    try (Poller poller = Poller.open(); EventLoop loop = EventLoop.start()) {
      all(NullPointerException.class,
          () -> Poller.open(null), () -> poller.waitFor(null, 0), () -> poller.submit(null),
          () -> poller.turn(null, null, 0), () -> poller.add(1, 1, null, Mode.LEVEL),
          () -> poller.add(1, 1, Interest.READABLE, null), () -> poller.close(null),
          () -> new Operations(1).read(1, 0, null, 1), () -> Handles.open(null),
          () -> Handles.listen(null, 1, 1), () -> Handles.receive(1, null),
          () -> loop.openFile((String) null), () -> loop.listen(null), () -> loop.connect(null),
          () -> loop.schedule(null, () -> { }), () -> loop.execute(null));
      assertEquals(0, poller.held());
    }
  }

  @Test
  void arraysHaveRoomForOne() {
    for (int n : new int[] {0, -1, Integer.MIN_VALUE})
      all(IllegalArgumentException.class, () -> new Events(n), () -> new Operations(n));
    all(ArithmeticException.class, () -> new Events(Integer.MAX_VALUE),
        () -> new Operations(Integer.MAX_VALUE));
  }

  @Test
  void buffersMustBeDirectAndWritableWhereTheyAreLent() throws Exception {
    ByteBuffer heap = ByteBuffer.allocate(10);
    ByteBuffer locked = ByteBuffer.allocateDirect(10).asReadOnlyBuffer();
    Operations operations = new Operations(2);
    long[] pair = Handles.pair();
    Handles.closeSocket(pair[1]);
    try (EventLoop loop = EventLoop.start(); TcpStream stream = loop.adopt(pair[0])) {
      all(IllegalArgumentException.class, () -> operations.read(0, 0, heap, 1),
          () -> operations.write(0, 0, heap, 1), () -> Handles.receive(0, heap),
          () -> Handles.send(0, heap), () -> stream.read(heap, (n, failure) -> { }));
      all(ReadOnlyBufferException.class, () -> operations.read(0, 0, locked, 1),
          () -> Handles.receive(0, locked), () -> stream.read(locked),
          () -> stream.read(heap.asReadOnlyBuffer()),
          () -> stream.read(locked, (n, failure) -> { }));
    }
    operations.write(0, 0, locked, 1); // reading from it is fine
    assertEquals(1, operations.count());
  }

  @Test
  void offsetsAreNotNegative() {
    Operations operations = new Operations(1);
    all(IllegalArgumentException.class,
        () -> operations.read(0, -1, ByteBuffer.allocateDirect(1), 1),
        () -> operations.write(0, Long.MIN_VALUE, ByteBuffer.allocateDirect(1), 1));
    assertEquals(0, operations.count());
  }

  @Test
  void batchesThatAreFullSaySo() {
    Operations operations = new Operations(1).sync(1, 1);
    all(IndexOutOfBoundsException.class, () -> operations.sync(1, 1),
        () -> operations.read(1, 0, ByteBuffer.allocateDirect(1), 1), () -> operations.status(1),
        () -> operations.id(-1), () -> new Events(4).token(0));
    assertEquals(1, operations.count());
  }

  @Test
  void sizesAreChecked() {
    all(IllegalArgumentException.class, () -> Buffers.take(0), () -> Buffers.take(-1));
  }

  @Test
  void handlesThatAreNoneAreRefused() throws Exception {
    try (Poller poller = Poller.open()) {
      for (long handle : new long[] {-1, Long.MIN_VALUE, 1_000_000, Long.MAX_VALUE})
        assertThrows(EvpollException.class,
            () -> poller.add(handle, 1, Interest.READABLE, Mode.LEVEL));
      Support.fails(Status.BAD_HANDLE, () -> Handles.closeSocket(-1));
      Support.fails(Status.BAD_HANDLE, () -> Handles.receive(-1, ByteBuffer.allocateDirect(1)));
    }
  }

  @Test
  void addressesAreNumericAndPortsInRange() {
    Support.fails(Status.INVALID, () -> Handles.listen("localhost", 0, 0));
    Support.fails(Status.INVALID, () -> Handles.listen("127.0.0.1", 65536, 0));
    Support.fails(Status.INVALID, () -> Handles.listen("127.0.0.1", -1, 0));
    Support.fails(Status.INVALID, () -> Handles.connect("", 1));
    assertThrows(IllegalArgumentException.class, () -> Handles.connect("1.2\0.3.4", 1));
  }
}
