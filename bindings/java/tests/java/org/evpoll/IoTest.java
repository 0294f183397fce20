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
    long file = FileHandles.open(path.toString(), FileFlag.READ, FileFlag.WRITE, FileFlag.CREATE,
        FileFlag.EXCLUSIVE);
    try (Poller poller = Poller.open()) {
      poller.attach(file);
      ByteBuffer out = Buffers.allocate(10_000).put(content).flip();
      assertEquals(1, poller.submit(new Operations(1).write(file, 0, out, TOKEN)));
      assertEquals(TOKEN, Support.take(poller, events, 1));
      assertEquals(Events.IO, events.bits(0));
      assertTrue(events.isIo(0));
      assertEquals(10_000, events.result(0));
      assertEquals(Status.OK, events.status(0));
      assertEquals(0, out.position());
      Operations syncs = new Operations(2).sync(file, 2).syncData(file, 3);
      assertEquals(2, poller.submit(syncs));
      Support.take(poller, events, 2);
      ByteBuffer in = Buffers.allocate(10_000);
      Operations read = new Operations(1).read(file, 0, in, Long.MIN_VALUE);
      assertEquals(1, poller.submit(read));
      assertEquals(Long.MIN_VALUE, Support.take(poller, events, 1));
      assertEquals(read.id(0), events.operation(0));
      byte[] got = new byte[10_000];
      in.get(got);
      assertArrayEquals(content, got);
      assertEquals(10_000, FileHandles.size(file));
      assertArrayEquals(content, Files.readAllBytes(path));
    } finally {
      FileHandles.close(file);
    }
  }

  @Test
  void positionAndLimitChooseTheBytes() throws Exception {
    long file = FileHandles.open(Support.file(folder, "0123456789".getBytes()).toString());
    try (Poller poller = Poller.open()) {
      ByteBuffer buffer = Buffers.allocate(10).put("..........".getBytes());
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
      FileHandles.close(file);
    }
  }

  @Test
  void theEndOfTheFileIsZeroBytes() throws Exception {
    long file = FileHandles.open(Support.file(folder, new byte[3]).toString());
    try (Poller poller = Poller.open()) {
      poller.submit(new Operations(1).read(file, 3, Buffers.allocate(8), 1));
      Support.take(poller, events, 1);
      assertEquals(0, events.result(0));
      assertEquals(Status.OK, events.status(0));
    } finally {
      FileHandles.close(file);
    }
  }

  @Test
  void aPrefixIsAcceptedAndTheRestIsNotHeld() throws Exception {
    long file = FileHandles.open(Support.file(folder, new byte[100]).toString());
    try (Poller poller = Poller.open(PollerOptions.DEFAULT.withIoLimit(2))) {
      Operations operations = new Operations(5);
      for (int i = 0; i < 5; i++) operations.read(file, i, Buffers.allocate(1), i);
      assertEquals(2, poller.submit(operations));
      assertEquals(Status.AGAIN, operations.status(2));
      assertEquals(0, operations.id(2));
      assertEquals(2, poller.held());
      Support.take(poller, events, 2);
      assertEquals(0, poller.held());
      operations.clear();
      assertEquals(0, poller.submit(operations.read(-1, 0, Buffers.allocate(1), 1)));
      assertEquals(Status.BAD_HANDLE, operations.status(0));
      assertEquals(0, poller.held());
    } finally {
      FileHandles.close(file);
    }
  }

  @Test
  void anOperationMayEndInlineAndThenHasNoEvent() throws Exception {
    long file = FileHandles.open(Support.file(folder, new byte[100]).toString());
    try (Poller poller = Poller.open()) {
      Operations operations = new Operations(2);
      for (int i = 0; i < 100; i++) {
        operations.clear();
        operations.read(file, 40, Buffers.allocate(100), 7).inline();
        operations.read(file, 90, Buffers.allocate(100), 8);
        assertThrows(IllegalStateException.class, () -> operations.bytes(0));
        int n = 0;
        if (i % 2 == 0) assertEquals(2, poller.submit(operations));
        else n = poller.turn(null, operations, events, 0);
        assertEquals(Status.OK, operations.status(0));
        assertFalse(operations.done(1));
        if (operations.done(0)) {
          assertEquals(60, operations.bytes(0));
          assertEquals(0, operations.id(0));
        }
        Support.take(poller, events, (operations.done(0) ? 1 : 2) - n);
        assertEquals(0, poller.held());
      }
      operations.clear();
      assertThrows(IllegalStateException.class, operations::inline);
      operations.read(file, 0, Buffers.allocate(1), 1).inline();
      assertThrows(EvpollException.class, () -> poller.submitList(operations, 1));
      assertEquals(0, poller.held());
    } finally {
      FileHandles.close(file);
    }
  }

  @Test
  void turnStartsOperationsAndHoldsOnlyThoseAccepted() throws Exception {
    long file = FileHandles.open(Support.file(folder, "abc".getBytes()).toString());
    try (Poller poller = Poller.open(PollerOptions.DEFAULT.withIoLimit(1))) {
      ByteBuffer one = Buffers.allocate(3);
      Operations operations =
          new Operations(2).read(file, 0, one, 7).read(file, 0, Buffers.allocate(3), 8);
      int n = poller.turn(null, operations, events, 0);
      assertEquals(Status.AGAIN, operations.status(1));
      if (n == 0) Support.take(poller, events, 1);
      assertEquals(7, events.token(0));
      assertEquals(0, poller.held());
      assertEquals("abc", Support.text(one));
    } finally {
      FileHandles.close(file);
    }
  }

  @Test
  void aListReportsOnceAndGivesEachResult() throws Exception {
    byte[] content = Support.content(64 * 512, 2);
    long file = FileHandles.open(Support.file(folder, content).toString());
    try (Poller poller = Poller.open()) {
      ByteBuffer buffer = Buffers.allocate(content.length + 512);
      Operations list = new Operations(65);
      for (int i = 0; i < 65; i++)
        list.read(file, i * 512L, buffer.duplicate().position(i * 512).limit(i * 512 + 512), 0);
      long id = poller.submitList(list, TOKEN);
      Support.fails(Status.BUSY, () -> poller.takeList(id, new IoResults(65)));
      assertEquals(TOKEN, Support.take(poller, events, 1));
      assertEquals(Events.IO_LIST, events.bits(0));
      assertEquals(id, events.operation(0));
      assertEquals(65, events.result(0));
      Support.fails(Status.INVALID, () -> poller.takeList(id, new IoResults(64)));
      IoResults results = new IoResults(70);
      assertEquals(65, poller.takeList(id, results));
      assertEquals(512, results.bytes(63));
      assertEquals(0, results.bytes(64)); // the end of the file
      assertEquals(content.length, results.requireAll().totalBytes());
      Support.fails(Status.NOT_FOUND, () -> poller.takeList(id, results));
      byte[] got = new byte[content.length];
      buffer.get(0, got);
      assertArrayEquals(content, got);
      assertEquals(0, poller.held());
    } finally {
      FileHandles.close(file);
    }
  }

  @Test
  void aListOfWhichOneFailsIsPartial() throws Exception {
    long file = FileHandles.open(Support.file(folder, new byte[4096]).toString());
    try (Poller poller = Poller.open()) {
      Operations list = new Operations(2).read(file, 0, Buffers.allocate(16), 0)
          .write(file, 0, Buffers.allocate(16), 0); // it was opened for reading
      long id;
      try {
        id = poller.submitList(list, 1);
      } catch (EvpollException e) {
        assertEquals(Status.BAD_HANDLE, e.status()); // some engines see it at once
        assertEquals(0, poller.held());
        return;
      }
      Support.take(poller, events, 1);
      assertEquals(Status.PARTIAL, events.status(0));
      assertEquals(1, events.result(0));
      IoResults results = new IoResults(2);
      poller.takeList(id, results);
      assertEquals(Status.OK, results.status(0));
      assertEquals(Status.BAD_HANDLE, results.status(1));
      assertEquals(0, results.bytes(1));
      assertEquals(9, results.osCode(1));
      Support.fails(Status.BAD_HANDLE, results::requireAll);
    } finally {
      FileHandles.close(file);
    }
  }

  @Test
  void aRefusedListHoldsNothing() throws Exception {
    try (Poller poller = Poller.open()) {
      Operations list = new Operations(1).read(-5, 0, Buffers.allocate(1), 0);
      Support.fails(Status.BAD_HANDLE, () -> poller.submitList(list, 1));
      assertEquals(Status.BAD_HANDLE, list.status(0));
      Support.fails(Status.INVALID, () -> poller.submitList(new Operations(1), 1));
      assertEquals(0, poller.held());
    }
  }

  @Test
  void aCancelledOperationReportsWhenTheKernelHasLetGo() throws Exception {
    try (Held held = new Held()) {
      long file = FileHandles.open(held.path, FileFlag.WRITE);
      PollerOptions pool = PollerOptions.DEFAULT.with(OpenFlag.NO_URING).withPoolThreads(1);
      try (Poller poller = Poller.open(pool)) {
        held.hold();
        Operations operations = new Operations(2).sync(file, 1).sync(file, 2);
        assertEquals(2, poller.submit(operations));
        held.await(1);
        assertTrue(poller.cancel(operations.id(1)) >= 1); // it waits in the pool's queue
        assertEquals(2, Support.take(poller, events, 1));
        assertEquals(Status.CANCELLED, events.status(0));
        poller.cancelHandle(file); // one that runs in the pool is not given up
        assertEquals(0, poller.waitFor(events, 0));
        assertEquals(1, poller.held());
        held.release();
        assertEquals(1, Support.take(poller, events, 1));
        assertEquals(Status.OK, events.status(0));
        Support.fails(Status.NOT_FOUND, () -> poller.cancel(operations.id(0)));
        assertEquals(0, poller.cancelAll());
        assertEquals(1, poller.stats().ioCancelled());
      } finally {
        FileHandles.close(file);
      }
    }
  }

  @Test
  void completionsMayOvertakeSubmit() throws Exception {
    long file = FileHandles.open(Support.file(folder, new byte[1 << 16]).toString());
    try (Poller poller = Poller.open()) {
      int rounds = 2000;
      boolean[] seen = new boolean[rounds];
      Thread waiter = new Thread(() -> {
        Events some = new Events(16);
        try {
          for (int got = 0; got < rounds;) {
            int n = poller.waitFor(some);
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
        for (int k = 0; k < 4; k++) operations.read(file, i, Buffers.allocate(64, 1), i + k);
        assertEquals(4, poller.submit(operations));
      }
      waiter.join();
      for (int i = 0; i < rounds; i++) assertTrue(seen[i], "operation " + i);
      assertEquals(0, poller.held());
    } finally {
      FileHandles.close(file);
    }
  }

  @Test
  void manyBuffersSurviveTheCollector() throws Exception {
    byte[] content = Support.content(1 << 16, 3);
    long file = FileHandles.open(Support.file(folder, content).toString());
    try (Poller poller = Poller.open()) {
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
      FileHandles.close(file);
    }
  }

  @Test
  void directFilesTakeWhatAllocateGives() throws Exception {
    Path path = Support.file(Path.of(System.getProperty("user.dir"), "build", "java"),
        Support.content(8192, 4));
    try {
      long file;
      try {
        file = FileHandles.open(path.toString(), FileFlag.READ, FileFlag.DIRECT);
      } catch (EvpollException e) {
        assertEquals(Status.UNSUPPORTED, e.status()); // a file system without it
        return;
      }
      try (Poller poller = Poller.open()) {
        poller.submit(new Operations(1).read(file, 0, Buffers.allocate(8192), 1));
        Support.take(poller, events, 1);
        assertEquals(Status.OK, events.status(0));
        assertEquals(8192, events.result(0));
      } finally {
        FileHandles.close(file);
      }
    } finally {
      Files.delete(path);
    }
  }

  @Test
  void fileErrorsAreStatuses() throws Exception {
    Support.fails(Status.NOT_FOUND, () -> FileHandles.open(folder.resolve("none").toString()));
    Support.fails(Status.UNSUPPORTED, () -> FileHandles.open(folder.toString()));
    String path = Support.file(folder, new byte[1]).toString();
    Support.fails(Status.EXISTS, () -> FileHandles.open(path, FileFlag.WRITE, FileFlag.CREATE,
        FileFlag.EXCLUSIVE));
    Support.fails(Status.INVALID, () -> FileHandles.open(path, FileFlag.TRUNCATE));
    Support.fails(Status.BAD_HANDLE, () -> FileHandles.close(-1));
    Support.fails(Status.BAD_HANDLE, () -> FileHandles.size(1_000_000));
    assertThrows(IllegalArgumentException.class, () -> FileHandles.open(path + "\0x"));
  }

  @Test
  void namesMayHaveAnyCharacter() throws Exception {
    // Beyond the first plane JNI's own encoding differs from UTF-8.
    String path = folder + "/\u00e9\u4e2d\ud83d\ude00";
    FileHandles.close(FileHandles.open(path, FileFlag.WRITE, FileFlag.CREATE));
    Process list = new ProcessBuilder("ls", folder.toString()).start();
    byte[] name = list.getInputStream().readAllBytes();
    assertEquals("\u00e9\u4e2d\ud83d\ude00\n",
        new String(name, java.nio.charset.StandardCharsets.UTF_8));
    FileHandles.close(FileHandles.open(path));
    new ProcessBuilder("rm", "-r", folder.toString()).start().waitFor();
    Files.createDirectory(folder);
  }
}
