// SPDX-License-Identifier: MIT
package org.evpoll.bench;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.evpoll.Events;
import org.evpoll.Interest;
import org.evpoll.Mode;
import org.evpoll.Poller;
import org.evpoll.Handles;

/** Sockets that are ready all the time, in level mode: a wait, and a look at each event. */
final class Ready implements AutoCloseable {
  private final int n;
  private final Poller poller = Poller.open();
  private final Events events;
  private final long hand = Hand.open();
  private final ByteBuffer handEvents;
  private final long handAddress;
  private final Selector selector = Selector.open();
  private final List<long[]> pairs = new ArrayList<>();
  private final List<SocketChannel> channels = new ArrayList<>();

  Ready(int n) throws Exception {
    this.n = n;
    events = new Events(n);
    handEvents = ByteBuffer.allocateDirect(n * 32).order(ByteOrder.nativeOrder());
    handAddress = Hand.address(handEvents);
    ByteBuffer one = ByteBuffer.allocateDirect(1);
    for (int i = 0; i < n; i++) {
      // Each has sockets of its own: a socket that two pollers watch is dearer.
      poller.add(readable(one), i, Interest.READABLE, Mode.LEVEL);
      if (Hand.add(hand, readable(one), i) < 0) throw new IllegalStateException("add");
    }
    channels(one);
  }

  /** Sockets of the same kind as those of {@link Handles#pair()}. */
  private void channels(ByteBuffer one) throws IOException {
    Path path = Files.createTempDirectory("evpoll-bench").resolve("socket");
    UnixDomainSocketAddress address = UnixDomainSocketAddress.of(path);
    try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      server.bind(address);
      for (int i = 0; i < n; i++) {
        SocketChannel writer = SocketChannel.open(address);
        SocketChannel reader = server.accept();
        channels.add(writer);
        channels.add(reader);
        writer.write(one.clear());
        reader.configureBlocking(false);
        reader.register(selector, SelectionKey.OP_READ, (long) i);
      }
    } finally {
      Files.delete(path);
      Files.delete(path.getParent());
    }
  }

  private long readable(ByteBuffer one) throws IOException {
    long[] pair = Handles.pair();
    pairs.add(pair);
    Handles.send(pair[1], one.clear());
    return pair[0];
  }

  long ours() throws Exception {
    long sum = 0;
    int got = poller.waitFor(events, 0);
    for (int i = 0; i < got; i++) sum += events.token(i) + events.bits(i);
    return require(got) + sum;
  }

  long hand() {
    long sum = 0;
    int got = Hand.wait(hand, handAddress, n, 0);
    for (int i = 0; i < got; i++)
      sum += handEvents.getLong(i * 32) + handEvents.getInt(i * 32 + 24);
    return require(got) + sum;
  }

  long selector() throws Exception {
    long sum = 0;
    int got = selector.selectNow();
    for (Iterator<SelectionKey> keys = selector.selectedKeys().iterator(); keys.hasNext();) {
      SelectionKey key = keys.next();
      keys.remove();
      sum += (Long) key.attachment() + key.readyOps();
    }
    return require(got) + sum;
  }

  private int require(int got) {
    if (got != n) throw new IllegalStateException(got + " of " + n);
    return got;
  }

  @Override
  public void close() throws IOException {
    poller.close();
    selector.close();
    for (long[] pair : pairs) {
      Handles.closeSocket(pair[0]);
      Handles.closeSocket(pair[1]);
    }
    for (SocketChannel channel : channels) channel.close();
  }
}
