// SPDX-License-Identifier: MIT
package org.evpoll.examples;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.evpoll.*;
import sun.misc.Signal;

/**
 * evpoll-serve: a static file server of ordinary blocking code, a {@link Connection} for each
 * thread. Ctrl-C finishes what has begun, twice ends at once.
 */
public final class FileServer {
  // From Java 21 on: newVirtualThreadPerTaskExecutor().
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final EventLoop loop;
  private final Options options;
  private final TcpListener listener;
  private final Semaphore room;
  private final Set<TcpStream> open = ConcurrentHashMap.newKeySet();
  final Set<TcpStream> idle = ConcurrentHashMap.newKeySet(); // between two requests
  private long accepted;
  final LongAdder requests = new LongAdder();
  final LongAdder refused = new LongAdder();
  final LongAdder bytes = new LongAdder();
  volatile boolean stopping;

  private FileServer(EventLoop loop, Options options) throws EvpollException {
    this.loop = loop;
    this.options = options;
    room = new Semaphore(options.connections);
    listener = loop.listen(new InetSocketAddress(options.host, options.port));
  }

  /** Accepts as long as there are not too many, until the listener is closed. */
  private void run() throws Exception {
    while (!stopping) {
      room.acquire();
      try {
        TcpStream stream = listener.accept().await();
        accepted++;
        open.add(stream.timeout(Duration.ofSeconds(options.idle)));
        threads.execute(() -> serve(stream));
      } catch (EvpollException e) {
        // Each connection needs a second descriptor for its file: keep half as many from now on.
        if (e.status() == Status.LIMIT && room.drainPermits() >= 0) room.acquire(open.size() / 2);
        room.release();
      }
    }
    threads.shutdown();
    threads.awaitTermination(Long.MAX_VALUE, TimeUnit.NANOSECONDS);
  }

  private void serve(TcpStream stream) {
    try (stream) {
      new Connection(this, stream).serve();
    } catch (IOException e) {
      // The client has gone, or is too slow, or the server ends.
    } finally {
      idle.remove(stream);
      open.remove(stream);
      room.release();
    }
  }

  /** Responses that have begun are finished; who is between two requests has nothing to lose. */
  private void stop() {
    Set<TcpStream> ended = stopping ? open : idle;
    stopping = true;
    System.out.println("stopping; once more to stop at once");
    listener.close();
    ended.forEach(TcpStream::close);
  }

  AsyncFile open(String path) throws EvpollException {
    return loop.openFile(options.folder + "/" + path);
  }

  private void report() throws EvpollException {
    var stats = loop.stats();
    String features = loop.info().features().toString().replaceAll("[\\[\\],]", "");
    String text = loop.describe() + "features: "
        + features.toLowerCase(Locale.ROOT).replace('_', '-')
        + String.format(Locale.ROOT, "\n%d waits, %d events, %.2f events per wait\n", stats.waits(),
            stats.events(), (double) stats.events() / Math.max(1, stats.waits()))
        + accepted + " connections, " + requests + " requests (" + refused + " refused), " + bytes
        + " bytes sent\n";
    System.out.print(text.replaceAll("(?m)^", "evpoll-serve: "));
  }

  /**
   * Serves a folder until Ctrl-C.
   *
   * @param args the folder and options
   * @throws Exception if it cannot
   */
  public static void main(String[] args) throws Exception {
    Options options = Options.parse(args);
    try (EventLoop loop = EventLoop.start("evpoll-serve", options.poller())) {
      FileServer server = new FileServer(loop, options);
      for (String name : new String[] {"INT", "TERM"})
        Signal.handle(new Signal(name), signal -> server.stop());
      InetSocketAddress at = server.listener.address();
      System.out.println("listening on " + at.getAddress().getHostAddress() + ":" + at.getPort());
      server.run();
      server.report();
    } catch (EvpollException e) {
      System.err.println(e.getMessage());
      System.exit(1);
    }
  }
}
