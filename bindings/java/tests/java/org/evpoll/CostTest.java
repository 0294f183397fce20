// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.evpoll.internal.Native;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A batch is one native call, and waiting allocates nothing. */
class CostTest {
  @TempDir Path folder;

  @Test
  void aBatchIsOneNativeCall() throws Exception {
    assumeTrue(Native.evp_native_calls() >= 0, "gate counting: this library counts no calls");
    long file = FileHandles.open(Support.file(folder, new byte[1 << 16]).toString());
    try (Poller poller = Poller.open()) {
      for (int n : new int[] {1, 64, 1024}) {
        Events events = new Events(n);
        for (int i = 0; i < n; i++) poller.post(i, i);
        long before = Native.evp_native_calls();
        assertEquals(n, poller.waitFor(events));
        assertEquals(before + 1, Native.evp_native_calls(), "a wait for " + n);

        Operations operations = new Operations(n);
        ByteBuffer[] buffers = new ByteBuffer[n];
        for (int i = 0; i < n; i++) buffers[i] = Buffers.allocate(32, 1);
        for (int i = 0; i < n; i++) operations.read(file, i, buffers[i], i);
        poller.submit(operations);
        Support.take(poller, events, n);
        operations.clear();
        before = Native.evp_native_calls();
        // The addresses of buffers that were here before are known.
        for (int i = 0; i < n; i++) operations.read(file, i, buffers[i], i);
        assertEquals(n, poller.submit(operations));
        assertEquals(before + 1, Native.evp_native_calls(), "a submit of " + n);
        Support.take(poller, events, n);

        Changes changes = new Changes(n);
        Sockets.Pair pair = Sockets.pair();
        for (int i = 0; i < n; i++) changes.add(pair.first(), i, Interest.READABLE, Mode.LEVEL);
        before = Native.evp_native_calls();
        assertEquals(n, poller.update(changes));
        assertEquals(before + 1, Native.evp_native_calls(), "an update of " + n);
        Sockets.close(pair.first());
        Sockets.close(pair.second());
      }
    } finally {
      FileHandles.close(file);
    }
  }

  @Test
  void thousandBlocksAreOneSubmitAndOneTake() throws Exception {
    assumeTrue(Native.evp_native_calls() >= 0, "gate counting: this library counts no calls");
    byte[] content = new byte[1000 * 64];
    Path path = Support.file(folder, content);
    try (EventLoop loop = EventLoop.start("cost"); AsyncFile file = loop.openFile(path)) {
      ByteBuffer buffer = loop.allocate(content.length);
      file.readBlocks(buffer, 64, 0).get();
      long before = Native.evp_native_calls();
      assertEquals(content.length, file.readBlocks(buffer, 64, 0).get().totalBytes());
      long calls = Native.evp_native_calls() - before;
      // One address, one wake, one submit, one take, and the waits between them.
      assertTrue(calls <= 10, calls + " calls");
    }
  }

  @Test
  void aWaitAllocatesNothing() throws Exception {
    ThreadMXBean meter = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long self = Thread.currentThread().getId();
    Sockets.Pair pair = Sockets.pair();
    long file = FileHandles.open(Support.file(folder, new byte[4096]).toString());
    try (Poller poller = Poller.open()) {
      Events events = new Events(64);
      ByteBuffer room = Buffers.allocate(4096);
      ByteBuffer byteOfData = Support.direct("x");
      Operations operations = new Operations(1);
      poller.add(pair.first(), 1, Interest.READABLE, Mode.LEVEL);
      Changes changes = new Changes(1);
      long sum = 0;
      long allocated = 0;
      // What is compiled while it runs may allocate in this thread: the first rounds are not held
      // against it, and one round without any allocation proves what is to be proved.
      for (int round = 0; round < 50; round++) {
        long before = meter.getThreadAllocatedBytes(self);
        for (int i = 0; i < 1000; i++) {
          Sockets.send(pair.second(), byteOfData.position(0));
          operations.clear();
          poller.submit(operations.read(file, 0, room.clear(), 2));
          changes.clear();
          poller.update(changes.modify(pair.first(), 1, Interest.READABLE, Mode.LEVEL));
          poller.post(3, 4);
          poller.wake();
          for (int seen = 0; seen < 4;) {
            int n = poller.waitFor(events, -1L);
            for (int k = 0; k < n; k++) {
              sum += events.token(k) + events.result(k) + events.status(k).code();
              if (events.isReadable(k)) Sockets.receive(pair.first(), room.clear());
            }
            seen += n;
          }
        }
        allocated = meter.getThreadAllocatedBytes(self) - before;
        if (allocated == 0) break;
      }
      assertEquals(0, allocated);
      assertTrue(sum > 0);
    } finally {
      Sockets.close(pair.first());
      Sockets.close(pair.second());
      FileHandles.close(file);
    }
  }
}
