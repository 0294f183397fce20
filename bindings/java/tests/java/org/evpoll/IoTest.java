// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.evpoll.internal.NativeConstants;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** File operations by the raw but safe layer. */
class IoTest {
  private static final long TOKEN = 0xF123456789ABCDEFL; // bit 63 is set

  @TempDir Path folder;
  private final Events events = new Events(64);

  @Test
  void writeSyncAndReadBack() throws Exception {
    byte[] content = Support.content(10_000, 1);
    Path path = folder.resolve("new");
    long file = Handles.open(path.toString(), FileFlag.READ, FileFlag.WRITE, FileFlag.CREATE,
        FileFlag.EXCLUSIVE);
    try (Poller poller = Poller.open()) {
      Support.register(poller, file);
      ByteBuffer out = ByteBuffer.allocateDirect(10_000).put(content).flip();
      assertEquals(1, poller.submit(new Operations(1).write(file, 0, out, TOKEN)));
      assertEquals(TOKEN, Support.take(poller, events, 1));
      assertEquals(NativeConstants.EVPOLL_IO, events.bits(0));
      assertTrue(events.isIo(0));
      assertEquals(10_000, events.result(0));
      assertEquals(Status.OK, events.status(0));
      assertEquals(0, out.position());
      Operations syncs = new Operations(2).sync(file, 2).sync(file, 3);
      assertEquals(2, poller.submit(syncs));
      Support.take(poller, events, 2);
      ByteBuffer in = ByteBuffer.allocateDirect(10_000);
      Operations read = new Operations(1).read(file, 0, in, Long.MIN_VALUE);
      assertEquals(1, poller.submit(read));
      assertEquals(Long.MIN_VALUE, Support.take(poller, events, 1));
      assertEquals(read.id(0), events.operation(0));
      byte[] got = new byte[10_000];
      in.get(got);
      assertArrayEquals(content, got);
      assertArrayEquals(content, Files.readAllBytes(path));
    } finally {
      Handles.close(file);
    }
  }

  @Test
  void positionAndLimitChooseTheBytes() throws Exception {
    long file = Handles.open(Support.file(folder, "0123456789".getBytes()).toString());
    try (Poller poller = Poller.open()) {
      Support.register(poller, file);
      ByteBuffer buffer = ByteBuffer.allocateDirect(10).put("..........".getBytes());
      poller.submit(new Operations(1).read(file, 4, buffer.position(2).limit(5), 1));
      Support.take(poller, events, 1);
      assertEquals(3, events.result(0));
      assertEquals("..456.....", Support.text(buffer.clear()));
      // A slice is a buffer of its own, somewhere in the memory of another.
      poller.submit(new Operations(1).read(file, 0, buffer.position(7).slice(), 1));
      Support.take(poller, events, 1);
      assertEquals("..456..012", Support.text(buffer.clear()));
      // The same buffer in the same place, at another position.
      Operations again = new Operations(1);
      poller.submit(again.read(file, 9, buffer.limit(1), 1));
      Support.take(poller, events, 1);
      again.clear();
      poller.submit(again.read(file, 8, buffer.limit(2).position(1), 1));
      Support.take(poller, events, 1);
      assertEquals("98456..012", Support.text(buffer.clear()));
    } finally {
      Handles.close(file);
    }
  }

  @Test
  void theEndOfTheFileIsZeroBytes() throws Exception {
    long file = Handles.open(Support.file(folder, new byte[3]).toString());
    try (Poller poller = Poller.open()) {
      Support.register(poller, file);
      poller.submit(new Operations(1).read(file, 3, ByteBuffer.allocateDirect(8), 1));
      Support.take(poller, events, 1);
      assertEquals(0, events.result(0));
      assertEquals(Status.OK, events.status(0));
    } finally {
      Handles.close(file);
    }
  }

  @Test
  void whatIsRefusedIsNotHeld() throws Exception {
    long file = Handles.open(Support.file(folder, new byte[100]).toString());
    try (Poller poller = Poller.open(PollerOptions.DEFAULT.withIoLimit(2))) {
      Support.register(poller, file);
      Operations operations = new Operations(5);
      for (int i = 0; i < 5; i++) operations.read(file, i, ByteBuffer.allocateDirect(1), i);
      assertEquals(2, poller.submit(operations));
      assertEquals(Status.AGAIN, operations.status(2));
      assertEquals(0, operations.id(2));
      assertEquals(2, poller.held());
      Support.take(poller, events, 2);
      assertEquals(0, poller.held());
      operations.clear();
      assertEquals(0, poller.submit(operations.read(-1, 0, ByteBuffer.allocateDirect(1), 1)));
      assertEquals(Status.BAD_HANDLE, operations.status(0));
      assertEquals(0, poller.held());
    } finally {
      Handles.close(file);
    }
  }

  @Test
  void eachOperationHasAnOutcomeOfItsOwnAndCloseIsTheLast() throws Exception {
    long file = Handles.open(Support.file(folder, new byte[100]).toString());
    try (Poller poller = Poller.open()) {
      Operations operations = new Operations(3);
      operations.read(file, 0, ByteBuffer.allocateDirect(10), 1).sync(-1, 2);
      operations.read(file, 0, ByteBuffer.allocateDirect(10), 3);
      assertEquals(0, poller.submit(operations)); // it is not registered yet
      assertEquals(Status.NOT_FOUND, operations.status(0));
      assertFalse(operations.done(0));
      Support.register(poller, file);
      operations.clear();
      operations.read(file, 0, ByteBuffer.allocateDirect(10), 1).sync(-1, 2);
      operations.read(file, 0, ByteBuffer.allocateDirect(10), 3);
      assertEquals(2, poller.submit(operations));
      assertEquals(Status.BAD_HANDLE, operations.status(1));
      assertEquals(0, operations.id(1));
      assertEquals(Status.OK, operations.status(2));
      assertEquals(2, poller.held());
      Support.take(poller, events, 2);
      operations.clear();
      assertEquals(1, poller.submit(operations.close(file, 9)));
      assertEquals(9, Support.take(poller, events, 1));
      assertEquals(Status.OK, events.status(0));
      assertEquals(0, poller.held());
      Support.fails(Status.BAD_HANDLE, () -> Handles.close(file));
    }
  }

  @Test
  void anOperationMayEndInlineAndThenHasNoEvent() throws Exception {
    long file = Handles.open(Support.file(folder, new byte[100]).toString());
    try (Poller poller = Poller.open()) {
      Support.register(poller, file);
      Operations operations = new Operations(2);
      for (int i = 0; i < 100; i++) {
        operations.clear();
        operations.read(file, 40, ByteBuffer.allocateDirect(100), 7).inline();
        operations.read(file, 90, ByteBuffer.allocateDirect(100), 8);
        assertThrows(IllegalStateException.class, () -> operations.result(0));
        int n = 0;
        if (i % 2 == 0) assertEquals(2, poller.submit(operations));
        else n = poller.turn(operations, events, 0);
        assertEquals(Status.OK, operations.status(0));
        assertFalse(operations.done(1));
        if (operations.done(0)) {
          assertEquals(60, operations.result(0));
          assertEquals(0, operations.id(0));
        }
        Support.take(poller, events, (operations.done(0) ? 1 : 2) - n);
        assertEquals(0, poller.held());
      }
      operations.clear();
      assertThrows(IndexOutOfBoundsException.class, operations::inline);
    } finally {
      Handles.close(file);
    }
  }

  @Test
  void turnStartsOperationsAndHoldsOnlyThoseAccepted() throws Exception {
    long file = Handles.open(Support.file(folder, "abc".getBytes()).toString());
    try (Poller poller = Poller.open(PollerOptions.DEFAULT.withIoLimit(1))) {
      Support.register(poller, file);
      ByteBuffer one = ByteBuffer.allocateDirect(3);
      Operations operations =
          new Operations(2).read(file, 0, one, 7).read(file, 0, ByteBuffer.allocateDirect(3), 8);
      int n = poller.turn(operations, events, 0);
      assertEquals(Status.AGAIN, operations.status(1));
      if (n == 0) Support.take(poller, events, 1);
      assertEquals(7, events.token(0));
      assertEquals(0, poller.held());
      assertEquals("abc", Support.text(one));
    } finally {
      Handles.close(file);
    }
  }

  @Test
  void aCancelledOperationReportsWhenTheKernelHasLetGo() throws Exception {
    try (Held held = new Held()) {
      long file = Handles.open(held.path, FileFlag.WRITE);
      PollerOptions pool = new PollerOptions(Set.of(OpenFlag.NO_URING), 0, 0, 1);
      try (Poller poller = Poller.open(pool)) {
        Support.register(poller, file);
        held.hold();
        Operations operations = new Operations(2).sync(file, 1).sync(file, 2);
        assertEquals(2, poller.submit(operations));
        held.await(1);
        poller.cancel(operations.id(1)); // it waits in the pool's queue
        assertEquals(2, Support.take(poller, events, 1));
        assertEquals(Status.CANCELLED, events.status(0));
        poller.cancel(operations.id(0)); // one that runs in the pool is not given up
        assertEquals(0, poller.waitFor(events, 0));
        assertEquals(1, poller.held());
        held.release();
        assertEquals(1, Support.take(poller, events, 1));
        assertEquals(Status.OK, events.status(0));
        Support.fails(Status.NOT_FOUND, () -> poller.cancel(operations.id(0)));
        assertEquals(1, poller.stats().ioCancelled());
      } finally {
        Handles.close(file);
      }
    }
  }

  @Test
  void completionsMayOvertakeSubmit() throws Exception {
    long file = Handles.open(Support.file(folder, new byte[1 << 16]).toString());
    try (Poller poller = Poller.open()) {
      Support.register(poller, file);
      int rounds = 2000;
      boolean[] seen = new boolean[rounds];
      Thread waiter = new Thread(() -> {
        Events some = new Events(16);
        try {
          for (int got = 0; got < rounds;) {
            int n = poller.waitFor(some, Poller.INFINITE);
            for (int i = 0; i < n; i++, got++) seen[(int) some.token(i)] = true;
          }
        } catch (EvpollException e) {
          throw new IllegalStateException(e);
        }
      });
      waiter.start();
      Operations operations = new Operations(4);
      for (int i = 0; i < rounds; i += 4) {
        operations.clear();
        for (int k = 0; k < 4; k++) operations.read(file, i, ByteBuffer.allocateDirect(64), i + k);
        assertEquals(4, poller.submit(operations));
      }
      waiter.join();
      for (int i = 0; i < rounds; i++) assertTrue(seen[i], "operation " + i);
      assertEquals(0, poller.held());
    } finally {
      Handles.close(file);
    }
  }

  @Test
  void manyBuffersSurviveTheCollector() throws Exception {
    byte[] content = Support.content(1 << 16, 3);
    long file = Handles.open(Support.file(folder, content).toString());
    try (Poller poller = Poller.open()) {
      Support.register(poller, file);
      for (int round = 0; round < 20; round++) {
        ByteBuffer[] buffers = new ByteBuffer[64];
        Operations operations = new Operations(64);
        for (int i = 0; i < 64; i++) {
          buffers[i] = ByteBuffer.allocateDirect(1024);
          operations.read(file, i * 1024L, buffers[i], i);
        }
        assertEquals(64, poller.submit(operations));
        System.gc();
        Support.take(poller, events, 64);
        byte[] got = new byte[1 << 16];
        for (int i = 0; i < 64; i++) buffers[i].get(0, got, i * 1024, 1024);
        assertArrayEquals(content, got);
      }
      assertEquals(0, poller.held());
    } finally {
      Handles.close(file);
    }
  }

  @Test
  void directFilesTakeAlignedBuffers() throws Exception {
    Path path = Support.file(Path.of(System.getProperty("user.dir"), "build", "java"),
        Support.content(8192, 4));
    try {
      long file;
      try {
        file = Handles.open(path.toString(), FileFlag.READ, FileFlag.DIRECT);
      } catch (EvpollException e) {
        assertEquals(Status.UNSUPPORTED, e.status()); // a file system without it
        return;
      }
      try (Poller poller = Poller.open()) {
        Support.register(poller, file);
        ByteBuffer aligned = ByteBuffer.allocateDirect(8192 + 4095).alignedSlice(4096);
        poller.submit(new Operations(1).read(file, 0, aligned, 1));
        Support.take(poller, events, 1);
        assertEquals(Status.OK, events.status(0));
        assertEquals(8192, events.result(0));
      } finally {
        Handles.close(file);
      }
    } finally {
      Files.delete(path);
    }
  }

  @Test
  void fileErrorsAreStatuses() throws Exception {
    Support.fails(Status.NOT_FOUND, () -> Handles.open(folder.resolve("none").toString()));
    Support.fails(Status.UNSUPPORTED, () -> Handles.open(folder.toString()));
    String path = Support.file(folder, new byte[1]).toString();
    Support.fails(Status.EXISTS, () -> Handles.open(path, FileFlag.WRITE, FileFlag.CREATE,
        FileFlag.EXCLUSIVE));
    Support.fails(Status.INVALID, () -> Handles.open(path, FileFlag.TRUNCATE));
    Support.fails(Status.BAD_HANDLE, () -> Handles.close(-1));
    assertThrows(IllegalArgumentException.class, () -> Handles.open(path + "\0x"));
  }

  @Test
  void namesMayHaveAnyCharacter() throws Exception {
    // Beyond the first plane JNI's own encoding differs from UTF-8.
    String path = folder + "/\u00e9\u4e2d\ud83d\ude00";
    Handles.close(Handles.open(path, FileFlag.WRITE, FileFlag.CREATE));
    Process list = new ProcessBuilder("ls", folder.toString()).start();
    byte[] name = list.getInputStream().readAllBytes();
    assertEquals("\u00e9\u4e2d\ud83d\ude00\n",
        new String(name, java.nio.charset.StandardCharsets.UTF_8));
    Handles.close(Handles.open(path));
    new ProcessBuilder("rm", "-r", folder.toString()).start().waitFor();
    Files.createDirectory(folder);
  }

  @Test
  void socketsAreOperatedOnAsWell() throws Exception {
    try (Poller poller = Poller.open()) {
      long listener = Handles.listen("127.0.0.1", 0, 0);
      Support.register(poller, listener);
      assertEquals(1, poller.submit(new Operations(1).accept(listener, 1)));
      long client = Handles.connect("127.0.0.1", Handles.localAddress(listener).getPort());
      Support.register(poller, client);
      assertEquals(1, Support.take(poller, events, 1));
      long server = events.result(0);
      Support.register(poller, server);
      ByteBuffer room = ByteBuffer.allocateDirect(10);
      Operations both = new Operations(4).read(server, 0, room, 2)
          .write(client, 0, Support.direct("hello"), 3).timer(1000, 4)
          .poll(client, Interest.READABLE, 5).limit(1);
      int n = poller.turn(both, events, Poller.INFINITE);
      assertTrue(n > 0);
      Support.take(poller, events, 4 - n);
      assertEquals("hello", Support.text(room.limit(5)));
      Operations closes = new Operations(3).close(server, 6).close(client, 7).close(listener, 8);
      assertEquals(3, poller.submit(closes));
      Support.take(poller, events, 3);
      assertEquals(0, poller.held());
    }
  }
}
