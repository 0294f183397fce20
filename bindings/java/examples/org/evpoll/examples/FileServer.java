// SPDX-License-Identifier: MIT
package org.evpoll.examples;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.evpoll.AsyncFile;
import org.evpoll.EventLoop;
import org.evpoll.EvpollException;
import org.evpoll.OpenFlag;
import org.evpoll.PollerOptions;
import org.evpoll.TcpListener;
import org.evpoll.TcpStream;
import sun.misc.Signal;

/**
 * evpoll-serve: a static file server. Sockets and files are served by one thread, the loop's; see
 * {@link Connection} for the life of a request. Ctrl-C finishes what has begun, twice ends at once.
 */
public final class FileServer {
  private static final int REQUEST_MAX = 8 * 1024;
  private static final int CHUNK = 64 * 1024;
  private static final int STOP_SECONDS = 5;

  private final EventLoop loop;
  private final TcpListener listener;
  private final String folder;
  private int most;
  private final Set<Connection> connections = new LinkedHashSet<>();
  private final ArrayDeque<Connection.Room> rooms = new ArrayDeque<>();
  private final CountDownLatch ended = new CountDownLatch(1);
  private long idleNanos;
  private long accepted;
  private long requests;
  private long refused;
  private long bytes;
  private boolean stopping;

  private FileServer(EventLoop loop, Options options) throws EvpollException {
    this.loop = loop;
    folder = options.folder;
    most = options.connections;
    idleNanos = Duration.ofSeconds(options.idle).toNanos();
    listener = TcpListener.bind(loop, options.host, options.port);
    listener.onAccept(this::accept);
    // Each connection needs a second descriptor for its file: keep half as many from then on.
    listener.onLimit(() -> most = Math.max(1, connections.size() / 2));
    loop.schedule(Duration.ofSeconds(1), this::expireIdle);
  }

  private void accept(TcpStream stream) {
    Connection.Room room = rooms.poll();
    if (room == null)
      room = new Connection.Room(loop.allocate(REQUEST_MAX), loop.allocate(CHUNK));
    Connection connection = new Connection(this, stream, room);
    connections.add(connection);
    accepted++;
    try {
      stream.setNoDelay(true); // pieces are large: never hold back the last one
      if (connections.size() >= most) listener.pause();
    } catch (EvpollException e) {
      complain("cannot accept", e);
    }
    connection.readRequest();
  }

  /** A connection is over, and its buffers are free. */
  void left(Connection connection) {
    if (!connections.remove(connection)) return;
    rooms.add(connection.room);
    if (stopping && connections.isEmpty()) ended.countDown();
    try {
      if (!stopping && connections.size() < most) listener.resume();
    } catch (EvpollException e) {
      complain("cannot accept again", e);
    }
  }

  private void expireIdle() {
    long now = System.nanoTime();
    for (Connection connection : new ArrayList<>(connections))
      if (now - connection.progress >= idleNanos) connection.close();
    loop.schedule(Duration.ofMillis(500), this::expireIdle);
  }

  /** Responses that have begun are finished; who is between two requests has nothing to lose. */
  private void stop() {
    if (stopping) {
      ended.countDown();
      return;
    }
    stopping = true;
    System.out.println("stopping; once more to stop at once");
    listener.close();
    idleNanos = Math.min(idleNanos, Duration.ofSeconds(STOP_SECONDS).toNanos());
    for (Connection connection : new ArrayList<>(connections))
      if (connection.idle) connection.close();
    if (connections.isEmpty()) ended.countDown();
  }

  AsyncFile open(String path) throws EvpollException {
    return loop.openFile(folder + "/" + path);
  }

  void counted(boolean served) {
    requests++;
    if (!served) refused++;
  }

  void sent(long n) {
    bytes += n;
  }

  boolean stopping() {
    return stopping;
  }

  void complain(String what, EvpollException e) {
    System.err.println(what + ": " + e.getMessage());
  }

  private void report() throws EvpollException {
    var stats = loop.stats();
    var features = loop.info().features().stream()
        .map(f -> f.name().toLowerCase(Locale.ROOT).replace('_', '-'))
        .collect(Collectors.joining(" "));
    for (String line : loop.describe().split("\n")) System.out.println("evpoll-serve: " + line);
    System.out.println("evpoll-serve: features: " + features);
    System.out.printf(Locale.ROOT, "evpoll-serve: %d waits, %d events, %.2f events per wait%n",
        stats.waits(), stats.events(), (double) stats.events() / Math.max(1, stats.waits()));
    System.out.printf("evpoll-serve: %d file operations, %d of them cancelled%n",
        stats.ioCompleted(), stats.ioCancelled());
    System.out.printf("evpoll-serve: %d connections, %d requests (%d refused), %d bytes sent%n",
        accepted, requests, refused, bytes);
  }

  /**
   * Serves a folder until Ctrl-C.
   *
   * @param args the folder and options
   * @throws Exception if it cannot
   */
  public static void main(String[] args) throws Exception {
    Options options = Options.parse(args);
    if (options == null) {
      System.err.print(Options.USAGE);
      System.exit(2);
    }
    var poller = PollerOptions.DEFAULT.withIoLimit(options.ioLimit);
    if (options.engine.equals("pool")) poller = poller.with(OpenFlag.NO_URING);
    if (options.engine.equals("native")) poller = poller.with(OpenFlag.NATIVE_IO_ONLY);
    try (EventLoop loop = EventLoop.start("evpoll-serve", poller)) {
      FileServer server = new FileServer(loop, options);
      for (String name : new String[] {"INT", "TERM"})
        Signal.handle(new Signal(name), signal -> loop.execute(server::stop));
      System.out.println("listening on " + server.listener.address());
      server.ended.await();
      server.report();
    } catch (EvpollException e) {
      System.err.println(e.getMessage());
      System.exit(1);
    }
  }
}
