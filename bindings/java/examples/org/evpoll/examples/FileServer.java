// SPDX-License-Identifier: MIT
package org.evpoll.examples;

import java.net.InetSocketAddress;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.evpoll.AsyncFile;
import org.evpoll.EventLoop;
import org.evpoll.EvpollException;
import org.evpoll.OpenFlag;
import org.evpoll.PollerOptions;
import org.evpoll.Status;
import org.evpoll.TcpListener;
import sun.misc.Signal;

/**
 * evpoll-serve: a static file server. One thread, the loop's, does everything; {@link Connection}
 * is the life of a request. Ctrl-C finishes what has begun, twice ends at once.
 */
public final class FileServer {
  final EventLoop loop;
  final Options options;
  final Set<Connection> connections = new HashSet<>();
  final CountDownLatch ended = new CountDownLatch(1);
  private final TcpListener listener;
  private int most;
  private boolean accepting;
  boolean stopping;
  long accepted;
  long requests;
  long refused;
  long bytes;

  private FileServer(EventLoop loop, Options options) throws EvpollException {
    this.loop = loop;
    this.options = options;
    most = options.connections;
    listener = loop.listen(new InetSocketAddress(options.host, options.port));
    loop.execute(this::accept);
  }

  /** One connection after the other, as long as there are not too many. */
  void accept() {
    if (accepting || stopping || connections.size() >= most) return;
    accepting = true;
    listener.accept().whenComplete((stream, failure) -> {
      accepting = false;
      if (stream != null) {
        accepted++;
        connections.add(new Connection(this, stream));
      } else if (failure.status() == Status.LIMIT) {
        // Each connection needs a second descriptor for its file: keep half as many from now on.
        most = Math.max(1, connections.size() / 2);
      }
      accept();
    });
  }

  /** Responses that have begun are finished; who is between two requests has nothing to lose. */
  private void stop() {
    if (stopping) ended.countDown();
    stopping = true;
    System.out.println("stopping; once more to stop at once");
    listener.close();
    connections.forEach(Connection::closeIfIdle);
    if (connections.isEmpty()) ended.countDown();
  }

  void left(Connection connection) {
    connections.remove(connection);
    if (stopping && connections.isEmpty()) ended.countDown();
    accept();
  }

  AsyncFile open(String path) throws EvpollException {
    return loop.openFile(options.folder + "/" + path);
  }

  private void report() throws EvpollException {
    var stats = loop.stats();
    for (String line : loop.describe().split("\n")) System.out.println("evpoll-serve: " + line);
    System.out.println("evpoll-serve: features: " + loop.info().features().stream()
        .map(f -> f.name().toLowerCase(Locale.ROOT).replace('_', '-'))
        .collect(Collectors.joining(" ")));
    System.out.printf(Locale.ROOT, "evpoll-serve: %d waits, %d events, %.2f events per wait%n",
        stats.waits(), stats.events(), (double) stats.events() / Math.max(1, stats.waits()));
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
    var poller = PollerOptions.DEFAULT.withIoLimit(
        options.ioLimit == 0 ? 0 : options.ioLimit + 4 * options.connections); // sockets count too
    if (options.engine.equals("pool")) poller = poller.with(OpenFlag.NO_URING);
    if (options.engine.equals("native")) poller = poller.with(OpenFlag.NATIVE_IO_ONLY);
    try (EventLoop loop = EventLoop.start("evpoll-serve", poller)) {
      FileServer server = new FileServer(loop, options);
      for (String name : new String[] {"INT", "TERM"})
        Signal.handle(new Signal(name), signal -> loop.execute(server::stop));
      InetSocketAddress at = server.listener.address();
      System.out.println("listening on " + at.getAddress().getHostAddress() + ":" + at.getPort());
      server.ended.await();
      server.report();
    } catch (EvpollException e) {
      System.err.println(e.getMessage());
      System.exit(1);
    }
  }
}
