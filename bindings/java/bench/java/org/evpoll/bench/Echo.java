// SPDX-License-Identifier: MIT
package org.evpoll.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousChannelGroup;
import java.nio.channels.AsynchronousServerSocketChannel;
import java.nio.channels.AsynchronousSocketChannel;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.CompletionHandler;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.evpoll.EventLoop;
import org.evpoll.TcpListener;
import org.evpoll.TcpStream;

/**
 * Servers of one thread that echo, in three ways, and clients that write on all connections and
 * then read from all. The processor's time is that of the server's thread alone.
 */
final class Echo implements AutoCloseable {
  private static final int SIZE = 64;
  private static final InetSocketAddress ANY = new InetSocketAddress("127.0.0.1", 0);
  private static final ThreadMXBean METER = ManagementFactory.getThreadMXBean();

  /** One way to serve. */
  private static final class Way {
    final List<SocketChannel> clients = new ArrayList<>();
    final ByteBuffer bytes = ByteBuffer.allocateDirect(SIZE);
    volatile Thread server;

    void connect(InetSocketAddress address, int n) throws IOException {
      for (int i = 0; i < n; i++) clients.add(SocketChannel.open(address));
    }

    long round() throws IOException {
      for (SocketChannel client : clients) client.write(bytes.clear());
      for (SocketChannel client : clients)
        for (bytes.clear(); bytes.hasRemaining();) client.read(bytes);
      return clients.size();
    }
  }

  private final EventLoop loop = EventLoop.start();
  private final Way ours = new Way();
  private final Way selector = new Way();
  private final Way async = new Way();
  private final Selector keys = Selector.open();
  private final AsynchronousChannelGroup group;
  private final ConcurrentLinkedQueue<AsynchronousSocketChannel> served =
      new ConcurrentLinkedQueue<>();
  private volatile boolean over;

  Echo(int n) throws Exception {
    TcpListener listener = loop.listen(ANY);
    listener.onAccept(stream -> {
      ours.server = Thread.currentThread();
      echo(stream, ByteBuffer.allocateDirect(4096));
    });
    ours.connect(listener.address(), n);
    ServerSocketChannel nio = ServerSocketChannel.open().bind(ANY);
    nio.configureBlocking(false);
    nio.register(keys, SelectionKey.OP_ACCEPT);
    selector.server = new Thread(this::select);
    selector.server.setDaemon(true);
    selector.server.start();
    selector.connect((InetSocketAddress) nio.getLocalAddress(), n);
    group = AsynchronousChannelGroup.withFixedThreadPool(1, task -> {
      Thread thread = new Thread(task);
      thread.setDaemon(true);
      async.server = thread;
      return thread;
    });
    AsynchronousServerSocketChannel nio2 = AsynchronousServerSocketChannel.open(group).bind(ANY);
    InetSocketAddress address = (InetSocketAddress) nio2.getLocalAddress();
    for (int i = 0; i < n; i++) {
      var accepted = nio2.accept();
      async.connect(address, 1);
      serve(accepted.get());
    }
    for (Way way : List.of(ours, selector, async)) way.round(); // all have a thread by now
  }

  private static void echo(TcpStream stream, ByteBuffer buffer) {
    stream.read(buffer.clear(), (n, failure) -> {
      if (failure != null || n < 0) stream.close();
      else stream.writeAll(buffer.flip(), (m, broken) -> echo(stream, buffer));
    });
  }

  private void select() {
    try {
      while (!over) {
        keys.select();
        for (var all = keys.selectedKeys().iterator(); all.hasNext();) {
          SelectionKey key = all.next();
          all.remove();
          if (key.isAcceptable()) {
            SocketChannel channel = ((ServerSocketChannel) key.channel()).accept();
            channel.configureBlocking(false);
            channel.register(keys, SelectionKey.OP_READ, ByteBuffer.allocateDirect(4096));
          } else {
            SocketChannel channel = (SocketChannel) key.channel();
            ByteBuffer buffer = (ByteBuffer) key.attachment();
            if (channel.read(buffer.clear()) < 0) key.cancel();
            else channel.write(buffer.flip()); // 64 bytes always fit here
          }
        }
      }
    } catch (IOException | ClosedSelectorException e) {
      if (!over) throw new IllegalStateException(e);
    }
  }

  private void serve(AsynchronousSocketChannel channel) {
    served.add(channel);
    ByteBuffer buffer = ByteBuffer.allocateDirect(4096);
    channel.read(buffer, null, new CompletionHandler<Integer, Void>() {
      private boolean writing;

      @Override
      public void completed(Integer n, Void nothing) {
        if (n < 0) return;
        writing = !writing;
        if (writing) channel.write(buffer.flip(), null, this);
        else channel.read(buffer.clear(), null, this);
      }

      @Override
      public void failed(Throwable e, Void nothing) {
        writing = false; // it was closed
      }
    });
  }

  Bench.Body ours() {
    return ours::round;
  }

  Bench.Body selector() {
    return selector::round;
  }

  Bench.Body async() {
    return async::round;
  }

  /** The processor's time of the three servers so far. */
  long[] cpu() {
    return new long[] {METER.getThreadCpuTime(ours.server.getId()),
        METER.getThreadCpuTime(selector.server.getId()),
        METER.getThreadCpuTime(async.server.getId())};
  }

  @Override
  public void close() throws IOException {
    over = true;
    keys.close();
    for (AsynchronousSocketChannel channel : served) channel.close();
    group.shutdownNow();
    loop.close();
    for (Way way : List.of(ours, selector, async))
      for (SocketChannel client : way.clients) client.close();
  }
}
