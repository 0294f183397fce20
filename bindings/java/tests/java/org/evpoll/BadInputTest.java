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
    try (Poller poller = Poller.open(); EventLoop loop = EventLoop.start("null")) {
      all(NullPointerException.class,
          () -> Poller.open(null), () -> poller.waitFor(null), () -> poller.submit(null),
          () -> poller.update(null), () -> poller.turn(null, null, null, 0),
          () -> poller.submitList(null, 1), () -> poller.takeList(1, null),
          () -> poller.add(1, 1, null, Mode.LEVEL),
          () -> poller.add(1, 1, Interest.READABLE, null),
          () -> poller.waitFor(new Events(1), null), () -> poller.close(null),
          () -> new Operations(1).read(1, 0, null, 1), () -> FileHandles.open(null),
          () -> Sockets.listen(null, 1, 1), () -> Sockets.receive(1, null),
          () -> loop.openFile((String) null), () -> TcpListener.bind(loop, null, 1),
          () -> loop.schedule(null, () -> { }), () -> loop.execute(null));
      assertEquals(0, poller.held());
    }
  }

  @Test
  void arraysHaveRoomForOne() {
    for (int n : new int[] {0, -1, Integer.MIN_VALUE})
      all(IllegalArgumentException.class, () -> new Events(n), () -> new Changes(n),
          () -> new Operations(n), () -> new IoResults(n));
    all(ArithmeticException.class, () -> new Events(Integer.MAX_VALUE),
        () -> new Operations(Integer.MAX_VALUE));
  }

  @Test
  void buffersMustBeDirectAndWritable() throws Exception {
    ByteBuffer heap = ByteBuffer.allocate(10);
    ByteBuffer locked = ByteBuffer.allocateDirect(10).asReadOnlyBuffer();
    Operations operations = new Operations(2);
    all(IllegalArgumentException.class, () -> operations.read(0, 0, heap, 1),
        () -> operations.write(0, 0, heap, 1), () -> Sockets.receive(0, heap),
        () -> Sockets.send(0, heap), () -> Sockets.receiveFrom(0, heap),
        () -> Sockets.sendTo(0, heap, new Sockets.Address("127.0.0.1", 1)));
    all(ReadOnlyBufferException.class, () -> operations.read(0, 0, locked, 1),
        () -> Sockets.receive(0, locked));
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
  void nothingToMoveIsFine() throws Exception {
    Sockets.Pair pair = Sockets.pair();
    assertEquals(0, Sockets.receive(pair.first(), ByteBuffer.allocateDirect(0)));
    assertEquals(0, Sockets.send(pair.first(), ByteBuffer.allocateDirect(0)));
    Sockets.close(pair.first());
    Sockets.close(pair.second());
  }

  @Test
  void batchesThatAreFullSaySo() {
    Operations operations = new Operations(1).sync(1, 1);
    all(IllegalStateException.class, () -> operations.sync(1, 1),
        () -> operations.read(1, 0, ByteBuffer.allocateDirect(1), 1));
    all(IndexOutOfBoundsException.class, () -> operations.status(1), () -> operations.id(-1),
        () -> new IoResults(4).bytes(0), () -> new Changes(4).status(0),
        () -> new Events(4).token(0));
  }

  @Test
  void sizesAndAlignmentsAreChecked() {
    for (int alignment : List.of(0, -1, 3, 1 << 22, Integer.MIN_VALUE))
      all(IllegalArgumentException.class, () -> Buffers.allocate(1, alignment));
    all(IllegalArgumentException.class, () -> Buffers.allocate(-1));
    all(ArithmeticException.class, () -> Buffers.allocate(Integer.MAX_VALUE));
    for (int alignment = 1; alignment <= 1 << 21; alignment *= 2)
      assertEquals(0, Buffers.allocate(64, alignment).alignmentOffset(0, alignment));
    assertEquals(0, Buffers.allocate(0).capacity());
  }

  @Test
  void handlesThatAreNoneAreRefused() throws Exception {
    try (Poller poller = Poller.open()) {
      for (long handle : new long[] {-1, Long.MIN_VALUE, 1_000_000, Long.MAX_VALUE})
        assertThrows(EvpollException.class,
            () -> poller.add(handle, 1, Interest.READABLE, Mode.LEVEL));
      Support.fails(Status.BAD_HANDLE, () -> Sockets.close(-1));
      Support.fails(Status.BAD_HANDLE, () -> Sockets.receive(-1, Buffers.allocate(1)));
    }
  }

  @Test
  void addressesAreNumericAndPortsInRange() {
    Support.fails(Status.INVALID, () -> Sockets.listen("localhost", 0, 0));
    Support.fails(Status.INVALID, () -> Sockets.listen("127.0.0.1", 65536, 0));
    Support.fails(Status.INVALID, () -> Sockets.listen("127.0.0.1", -1, 0));
    Support.fails(Status.INVALID, () -> Sockets.connect("", 1));
    assertThrows(IllegalArgumentException.class, () -> Sockets.connect("1.2\0.3.4", 1));
  }
}
