// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.evpoll.internal.Native;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A turn is one native call, whatever its size, and allocates nothing. */
class CostTest {
  @TempDir Path folder;

  /** An echo of handlers, with a read of a file and a timer that is set anew for each byte. */
  private static final class Echo implements IoHandler {
    final TcpStream stream;
    final ByteBuffer buffer = ByteBuffer.allocateDirect(16);
    final AsyncFile file;
    final ByteBuffer block = ByteBuffer.allocateDirect(4096);
    final Timer timer;
    final IoHandler written = this::written;
    final IoHandler loaded = this::loaded;

    Echo(TcpStream stream, AsyncFile file) {
      this.stream = stream;
      this.file = file;
      timer = stream.loop.timer(this::fired);
      stream.read(buffer, this);
    }

    @Override
    public void done(int n, EvpollException failure) {
      if (n < 1) return;
      buffer.flip();
      if (file == null) stream.writeAll(buffer, written);
      else file.read(block.clear(), 0, loaded);
    }

    private void loaded(int n, EvpollException failure) {
      timer.setNanos(1000);
    }

    private void fired() {
      stream.writeAll(buffer, written);
    }

    private void written(int n, EvpollException failure) {
      stream.read(buffer.clear(), this);
    }
  }

  private static List<SocketChannel> connect(EventLoop loop, int n, AsyncFile file)
      throws Exception {
    List<SocketChannel> clients = new ArrayList<>();
    TcpListener listener = loop.listen(StreamTest.ANY);
    CountDownLatch all = new CountDownLatch(n);
    listener.onAccept(stream -> {
      new Echo(stream, file);
      all.countDown();
    });
    for (int i = 0; i < n; i++) clients.add(SocketChannel.open(listener.address()));
    all.await();
    listener.close();
    listener.closed().await();
    return clients;
  }

  private static void exchange(List<SocketChannel> clients, ByteBuffer one) throws IOException {
    for (int i = 0; i < clients.size(); i++) clients.get(i).write(one.clear());
    for (int i = 0; i < clients.size(); i++) assertEquals(1, clients.get(i).read(one.clear()));
  }

  @Test
  void aTurnOfHundredConnectionsIsOneNativeCall() throws Exception {
    assumeTrue(Native.evp_native_calls() >= 0, "gate counting: this library counts no calls");
    try (EventLoop loop = EventLoop.start()) {
      List<SocketChannel> clients = connect(loop, 100, null);
      ByteBuffer one = ByteBuffer.allocateDirect(1);
      exchange(clients, one); // addresses are asked for once
      long calls = Native.evp_native_calls();
      PollerStats before = loop.stats();
      for (int i = 0; i < 50; i++) {
        // All bytes are there when the loop looks: a turn has all hundred.
        CountDownLatch sent = new CountDownLatch(1);
        CountDownLatch blocked = new CountDownLatch(1);
        loop.execute(() -> {
          blocked.countDown();
          try {
            sent.await();
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
        });
        blocked.await();
        for (SocketChannel client : clients) client.write(one.clear());
        sent.countDown();
        for (SocketChannel client : clients) assertEquals(1, client.read(one.clear()));
      }
      calls = Native.evp_native_calls() - calls;
      PollerStats after = loop.stats();
      long turns = after.waits() - before.waits();
      assertTrue(after.ioCompleted() - before.ioCompleted() >= 9_900); // the last are under way
      // Fifty wakes, and the question for the statistics at the end; a turn may be counted late.
      assertTrue(calls <= turns + 50 + 6, calls + " calls for " + turns + " turns");
      assertTrue(turns <= 50 * 6, turns + " turns for 50 rounds");
      for (SocketChannel client : clients) client.close();
    }
  }

  @Test
  void aLoopThatIsAtWorkAllocatesNothing() throws Exception {
    ThreadMXBean meter = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (EventLoop loop = EventLoop.start();
        AsyncFile file = loop.openFile(Support.file(folder, new byte[4096]))) {
      List<SocketChannel> clients = connect(loop, 10, file);
      ByteBuffer one = ByteBuffer.allocateDirect(1);
      long allocated = -1;
      // What is compiled while it runs may allocate: one round without proves what is to be proved.
      for (int round = 0; round < 100 && allocated != 0; round++) {
        long before = meter.getThreadAllocatedBytes(loop.core.thread.getId());
        for (int i = 0; i < 200; i++) exchange(clients, one);
        allocated = meter.getThreadAllocatedBytes(loop.core.thread.getId()) - before;
      }
      assertEquals(0, allocated);
      for (SocketChannel client : clients) client.close();
    }
  }

  @Test
  void aPollersTurnAllocatesNothingAcceptsIncluded() throws Exception {
    ThreadMXBean meter = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long self = Thread.currentThread().getId();
    long listener = Handles.listen("127.0.0.1", 0, 0);
    InetSocketAddress address = Handles.localAddress(listener);
    Thread peer = new Thread(() -> {
      try {
        ByteBuffer one = ByteBuffer.allocateDirect(1);
        while (!Thread.currentThread().isInterrupted()) {
          try (SocketChannel channel = SocketChannel.open(address)) {
            channel.write(one.clear());
            channel.read(one.clear());
          }
        }
      } catch (IOException e) {
        return; // the listener was closed, or it was interrupted
      }
    });
    try (Poller poller = Poller.open()) {
      poller.add(listener, 1, Interest.NONE, Mode.OPERATIONS);
      Events events = new Events(16);
      Operations operations = new Operations(8);
      ByteBuffer room = ByteBuffer.allocateDirect(1);
      peer.start();
      long allocated = -1;
      for (int round = 0; round < 100 && allocated != 0; round++) {
        long before = meter.getThreadAllocatedBytes(self);
        for (int i = 0; i < 200; i++) {
          operations.clear();
          long socket = end(poller, operations.accept(listener, 2), events, 2);
          poller.add(socket, 3, Interest.NONE, Mode.OPERATIONS);
          operations.clear();
          end(poller, operations.read(socket, 0, room.clear(), 4), events, 4);
          operations.clear();
          end(poller, operations.timer(1000, 5), events, 5);
          operations.clear();
          end(poller, operations.write(socket, 0, room.clear(), 6), events, 6);
          operations.clear();
          end(poller, operations.close(socket, 7), events, 7);
          poller.post(8, 9);
          poller.wake();
          while (poller.waitFor(events, 0) > 0) continue;
        }
        allocated = meter.getThreadAllocatedBytes(self) - before;
      }
      assertEquals(0, allocated);
      peer.interrupt();
      peer.join();
      operations.clear();
      end(poller, operations.close(listener, 9), events, 9);
    }
  }

  private static long end(Poller poller, Operations operations, Events events, long token)
      throws EvpollException {
    int n = poller.turn(operations, events, Poller.INFINITE);
    for (;;) {
      for (int i = 0; i < n; i++) if (events.token(i) == token) return events.result(i);
      n = poller.waitFor(events, Poller.INFINITE);
    }
  }
}
