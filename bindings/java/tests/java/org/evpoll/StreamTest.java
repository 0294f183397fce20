// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** TCP on a loop, against sockets of the platform's and against itself. */
class StreamTest {
  private static final Duration LONG = Duration.ofMinutes(1);

  private final LinkedBlockingQueue<TcpStream> accepted = new LinkedBlockingQueue<>();
  private EventLoop loop;
  private TcpListener listener;

  @BeforeEach
  void start() throws EvpollException {
    loop = EventLoop.start("streams");
    listener = TcpListener.bind(loop, "127.0.0.1", 0);
  }

  @AfterEach
  void end() {
    loop.close();
  }

  private Socket connect() throws Exception {
    Socket socket = new Socket(listener.address().host(), listener.port());
    socket.setSoTimeout(60_000);
    return socket;
  }

  private void echo() throws EvpollException {
    listener.onAccept(c -> {
      ByteBuffer b = loop.allocate(16384);
      c.readLoop(b, (s, n) -> {
        if (n > 0) s.writeAll(b);
        else s.close();
      });
    });
  }

  @Test
  void anEchoServerEchoes() throws Exception {
    echo();
    byte[] content = Support.content(5_000_000, 1);
    Socket[] sockets = {connect(), connect(), connect()};
    Thread[] senders = new Thread[sockets.length];
    for (int i = 0; i < sockets.length; i++) {
      Socket socket = sockets[i];
      senders[i] = new Thread(() -> {
        try {
          socket.getOutputStream().write(content);
          socket.shutdownOutput();
        } catch (java.io.IOException e) {
          throw new IllegalStateException(e);
        }
      });
      senders[i].start();
    }
    for (int i = 0; i < sockets.length; i++) {
      assertArrayEquals(content, sockets[i].getInputStream().readAllBytes());
      senders[i].join();
      sockets[i].close();
    }
  }

  @Test
  void whoSendsAndDoesNotReceiveIsNotReadFrom() throws Exception {
    AtomicLong taken = new AtomicLong();
    AtomicLong waiting = new AtomicLong();
    listener.onAccept(c -> {
      ByteBuffer b = loop.allocate(16384);
      c.readLoop(b, (s, n) -> {
        if (n < 0) return;
        taken.addAndGet(n);
        s.writeAll(b);
        waiting.accumulateAndGet(s.waitingBytes(), Math::max);
      });
    });
    try (java.nio.channels.SocketChannel peer = java.nio.channels.SocketChannel.open(
        new InetSocketAddress("127.0.0.1", listener.port()))) {
      peer.configureBlocking(false);
      ByteBuffer junk = ByteBuffer.allocateDirect(1 << 16);
      long sent = 0;
      // It goes on until the system's buffers are full in both directions.
      for (int idle = 0; idle < 1000;) {
        int n = peer.write(junk.clear());
        sent += n;
        idle = n == 0 ? idle + 1 : 0;
        CompletableFuture<Void> turn = new CompletableFuture<>();
        loop.execute(() -> turn.complete(null));
        turn.get();
      }
      assertTrue(taken.get() < sent, "the rest is in the system's buffers");
      assertTrue(waiting.get() <= 16384, waiting + " bytes wait");
      long received = 0;
      for (ByteBuffer room = ByteBuffer.allocate(1 << 16); received < sent;)
        received += Math.max(0, peer.read(room.clear()));
      assertEquals(sent, taken.get());
    }
  }

  @Test
  void readAndWriteByFutures() throws Exception {
    listener.onAccept(accepted::add);
    TcpStream client = TcpStream.connect(loop, "127.0.0.1", listener.port()).get();
    TcpStream server = accepted.take();
    assertEquals(client.localAddress(), server.peerAddress());
    assertEquals(listener.address(), server.localAddress());
    client.setNoDelay(true);
    ByteBuffer room = loop.allocate(16);
    IoFuture<Integer> read = server.read(room.position(3));
    Support.fails(Status.BUSY, () -> server.read(loop.allocate(1)).get());
    assertEquals(5, client.writeAll(Support.direct("hello")).get());
    assertEquals(5, read.get());
    assertEquals("hello", Support.text(room.flip().position(3)));
    assertEquals(5, client.write(Support.direct("again")));
    assertEquals(5, server.read(room.clear()).get());
    assertEquals(0, server.read(room.limit(0)).get());
    assertEquals(0, client.writeAll(loop.allocate(0)).get());
    client.shutdownOutput();
    assertEquals(-1, server.read(room.clear()).get());
    assertEquals(2, server.writeAll(Support.direct("ok")).get());
    assertEquals(2, client.read(room.clear()).get());
    server.close();
    assertEquals(-1, client.read(room.clear()).get());
    client.close();
    client.close();
    assertFalse(client.isOpen());
    Support.fails(Status.CANCELLED, () -> client.read(room).get());
    Support.fails(Status.CANCELLED, () -> client.writeAll(room).get());
    Support.fails(Status.CANCELLED, () -> client.write(room));
    Support.fails(Status.CANCELLED, client::localAddress);
  }

  @Test
  void writesWaitInOrderAndTheFirstHoldsUpTheOthers() throws Exception {
    listener.onAccept(accepted::add);
    Socket socket = connect();
    TcpStream stream = accepted.take();
    ByteBuffer large = loop.allocate(32 << 20);
    for (int i = 0; i < large.capacity(); i += 4) large.putInt(i, i);
    IoFuture<Integer> first = stream.writeAll(large);
    IoFuture<Integer> second = stream.writeAll(Support.direct("end"));
    IoFuture<Integer> dropped = stream.writeAll(Support.direct("dropped"));
    assertEquals(0, stream.write(Support.direct("not now")));
    dropped.requestCancel();
    Support.fails(Status.CANCELLED, dropped::get);
    stream.shutdownOutput();
    byte[] got = socket.getInputStream().readAllBytes();
    assertEquals((32 << 20) + 3, got.length);
    assertEquals(32 << 20, first.get());
    assertEquals(3, second.get());
    ByteBuffer view = ByteBuffer.wrap(got);
    for (int i = 0; i < 32 << 20; i += 4) assertEquals(i, view.getInt(i));
    socket.close();
  }

  @Test
  void aCancelledReadLeavesTheStreamUsable() throws Exception {
    listener.onAccept(accepted::add);
    Socket socket = connect();
    TcpStream stream = accepted.take();
    IoFuture<Integer> read = stream.read(loop.allocate(4));
    read.requestCancel();
    Support.fails(Status.CANCELLED, read::get);
    socket.getOutputStream().write("x".getBytes());
    assertEquals(1, stream.read(loop.allocate(4)).get());
    socket.close();
  }

  @Test
  void aResetIsAFailure() throws Exception {
    CompletableFuture<TcpStream> over = new CompletableFuture<>();
    CompletableFuture<Boolean> closed = new CompletableFuture<>();
    listener.onAccept(c -> {
      c.onClose(() -> closed.complete(true));
      c.readLoop(loop.allocate(16), (s, n) -> {
        if (n < 0) over.complete(s);
      });
    });
    Socket socket = connect();
    socket.setSoLinger(true, 0);
    socket.close();
    TcpStream stream = over.get();
    assertEquals(Status.RESET, stream.failure().status());
    stream.close();
    assertTrue(closed.get());
    CompletableFuture<Boolean> late = new CompletableFuture<>();
    stream.onClose(() -> late.complete(true));
    assertTrue(late.get());
  }

  @Test
  void aWriterLearnsThatItsPeerIsGone() throws Exception {
    listener.onAccept(accepted::add);
    Socket socket = connect();
    TcpStream stream = accepted.take();
    IoFuture<Integer> write = stream.writeAll(loop.allocate(64 << 20));
    assertEquals(0, socket.getInputStream().read());
    socket.setSoLinger(true, 0);
    socket.close();
    EvpollException e = assertThrows(EvpollException.class, write::get);
    assertTrue(e.status() == Status.RESET || e.status() == Status.BROKEN_PIPE, e.getMessage());
    assertFalse(stream.isOpen());
  }

  @Test
  void connectingToNobodyFails() throws Exception {
    int port = listener.port();
    listener.close();
    listener.close();
    Support.fails(Status.REFUSED, () -> TcpStream.connect(loop, "127.0.0.1", port).get());
    Support.fails(Status.INVALID, () -> TcpStream.connect(loop, "localhost", port).get());
    Support.fails(Status.INVALID, () -> TcpStream.connect(loop, "a\0b", port).get());
    Support.fails(Status.BAD_HANDLE, listener::resume);
  }

  @Test
  void aPausedListenerLetsThemWait() throws Exception {
    listener.onAccept(c -> {
      accepted.add(c);
      try {
        listener.pause();
      } catch (EvpollException e) {
        throw new IllegalStateException(e);
      }
    });
    Socket one = connect();
    Socket two = connect();
    TcpStream first = accepted.take();
    CompletableFuture<Void> turn = new CompletableFuture<>();
    loop.execute(() -> turn.complete(null));
    turn.get();
    assertTrue(accepted.isEmpty());
    listener.resume();
    TcpStream second = accepted.take();
    assertEquals(one.getLocalPort(), first.peerAddress().port());
    assertEquals(two.getLocalPort(), second.peerAddress().port());
    one.close();
    two.close();
  }

  @Test
  void addressesMayBeThePlatforms() throws Exception {
    TcpListener six = TcpListener.bind(loop,
        new InetSocketAddress(InetAddress.getByName("::1"), 0));
    six.onAccept(accepted::add);
    TcpStream.connect(loop, "::1", six.port()).get().close();
    assertEquals("::1", accepted.take().localAddress().host());
    Support.fails(Status.ADDRESS_IN_USE, () -> TcpListener.bind(loop, "::1", six.port()));
  }

  @Test
  void shutdownWritesWhatWaitsAndEnds() throws Exception {
    listener.onAccept(accepted::add);
    Socket busy = connect();
    TcpStream writes = accepted.take();
    Socket idle = connect();
    accepted.take();
    IoFuture<Integer> write = writes.writeAll(loop.allocate(16 << 20));
    Support.fails(Status.TIMEOUT, () -> loop.shutdown(Duration.ofMillis(10)));
    assertEquals(-1, idle.getInputStream().read());
    assertEquals(16 << 20, busy.getInputStream().readAllBytes().length);
    assertEquals(16 << 20, write.get());
    loop.shutdown(LONG);
    busy.close();
    idle.close();
  }

  @Test
  void closeEndsStreamsAndTheirFutures() throws Exception {
    listener.onAccept(accepted::add);
    Socket socket = connect();
    TcpStream stream = accepted.take();
    IoFuture<Integer> read = stream.read(loop.allocate(1));
    IoFuture<Integer> write = stream.writeAll(loop.allocate(64 << 20));
    loop.close();
    Support.fails(Status.CANCELLED, read::get);
    Support.fails(Status.CANCELLED, write::get);
    assertTrue(socket.getInputStream().readAllBytes().length < 64 << 20);
    socket.close();
  }

  @Test
  void aThrowingReaderLosesItsStreamOnly() throws Exception {
    CompletableFuture<Throwable> seen = new CompletableFuture<>();
    RuntimeException mistake = new RuntimeException("a mistake");
    loop.onError((thread, e) -> seen.complete(e));
    listener.onAccept(c -> c.readLoop(loop.allocate(4), (s, n) -> {
      throw mistake;
    }));
    Socket socket = connect();
    socket.getOutputStream().write(1);
    assertSame(mistake, seen.get());
    InputStream in = socket.getInputStream();
    try {
      assertEquals(-1, in.read());
    } catch (java.net.SocketException e) {
      // Closing with bytes unread resets.
    }
    socket.close();
    echo();
    Socket other = connect();
    other.getOutputStream().write(7);
    assertEquals(7, other.getInputStream().read());
    other.close();
  }

  @Test
  void aReadLoopDoesNotTakeOverAReadUnderWay() throws Exception {
    CompletableFuture<Throwable> seen = new CompletableFuture<>();
    loop.onError((thread, e) -> seen.complete(e));
    listener.onAccept(accepted::add);
    Socket socket = connect();
    TcpStream stream = accepted.take();
    ByteBuffer room = loop.allocate(4);
    IoFuture<Integer> read = stream.read(room);
    stream.readLoop(loop.allocate(4), (s, n) -> { });
    assertTrue(seen.get() instanceof IllegalStateException);
    socket.getOutputStream().write(7);
    assertEquals(1, read.get());
    assertEquals(7, room.get(0));
    socket.close();
  }

  @Test
  void badInputIsRefusedAtOnce() throws Exception {
    listener.onAccept(accepted::add);
    Socket socket = connect();
    TcpStream stream = accepted.take();
    assertThrows(IllegalArgumentException.class, () -> stream.writeAll(ByteBuffer.allocate(1)));
    assertThrows(IllegalArgumentException.class, () -> stream.read(ByteBuffer.allocate(1)));
    assertThrows(IllegalArgumentException.class,
        () -> stream.readLoop(loop.allocate(0), (s, n) -> { }));
    assertThrows(NullPointerException.class, () -> stream.writeAll(null));
    socket.close();
  }
}
