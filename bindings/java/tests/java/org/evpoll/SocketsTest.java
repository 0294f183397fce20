// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

/** Sockets by their handles. */
class SocketsTest {
  private final Events events = new Events(8);

  @Test
  void connectAcceptSendReceiveAndEnd() throws Exception {
    long listener = Sockets.listen("127.0.0.1", 0, 0);
    Sockets.Address address = Sockets.localAddress(listener);
    assertEquals(Sockets.NOBODY, Sockets.accept(listener));
    try (Poller poller = Poller.open()) {
      poller.add(listener, 1, Interest.READABLE, Mode.LEVEL);
      long client = Sockets.connect(address.host(), address.port());
      Support.take(poller, events, 1);
      long server = Sockets.accept(listener);
      poller.remove(listener, 1);
      poller.add(client, 2, Interest.WRITABLE, Mode.ONESHOT);
      assertEquals(2, Support.take(poller, events, 1));
      assertEquals(Status.OK, Sockets.takeError(client));
      assertEquals(address, Sockets.peerAddress(client));
      assertEquals(Sockets.localAddress(client), Sockets.peerAddress(server));
      Sockets.setNoDelay(client, true);
      ByteBuffer room = Buffers.allocate(10);
      assertEquals(Sockets.WOULD_BLOCK, Sockets.receive(server, room));
      ByteBuffer hello = Support.direct("hello");
      assertEquals(4, Sockets.send(client, hello.position(1)));
      assertEquals(5, hello.position());
      poller.add(server, 3, Interest.READABLE, Mode.LEVEL);
      assertEquals(3, Support.take(poller, events, 1));
      assertEquals(4, Sockets.receive(server, room.position(3)));
      assertEquals(7, room.position());
      assertEquals("ello", Support.text(room.flip().position(3)));
      Sockets.shutdown(client, Sockets.Direction.WRITE);
      Support.take(poller, events, 1);
      assertEquals(Sockets.END, Sockets.receive(server, room.clear()));
      Sockets.close(client);
      Sockets.close(server);
      Sockets.close(listener);
    }
  }

  @Test
  void aRefusedConnectionIsSeenByTakeError() throws Exception {
    long listener = Sockets.listen("127.0.0.1", 0, 0);
    int port = Sockets.localAddress(listener).port();
    Sockets.close(listener);
    try (Poller poller = Poller.open()) {
      long client;
      try {
        client = Sockets.connect("127.0.0.1", port);
      } catch (EvpollException e) {
        assertEquals(Status.REFUSED, e.status()); // loopback may know at once
        return;
      }
      poller.add(client, 1, Interest.WRITABLE, Mode.LEVEL);
      Support.take(poller, events, 1);
      assertEquals(Status.REFUSED, Sockets.takeError(client));
      Sockets.close(client);
    }
  }

  @Test
  void datagramsSayWhereTheyCameFrom() throws Exception {
    for (String host : new String[] {"127.0.0.1", "::1"}) {
      long one = Sockets.bindUdp(host, 0);
      long two = Sockets.bindUdp(host, 0);
      ByteBuffer room = Buffers.allocate(16);
      assertNull(Sockets.receiveFrom(two, room));
      ByteBuffer hello = Support.direct("hello");
      assertEquals(5, Sockets.sendTo(one, hello, Sockets.localAddress(two)));
      assertEquals(5, hello.position());
      try (Poller poller = Poller.open()) {
        poller.add(two, 1, Interest.READABLE, Mode.LEVEL);
        Support.take(poller, events, 1);
      }
      assertEquals(Sockets.localAddress(one), Sockets.receiveFrom(two, room));
      assertEquals("hello", Support.text(room.flip()));
      Sockets.close(one);
      Sockets.close(two);
    }
    assertEquals("[::1]:80", new Sockets.Address("::1", 80).toString());
    assertEquals("127.0.0.1:80", new Sockets.Address("127.0.0.1", 80).toString());
  }
}
