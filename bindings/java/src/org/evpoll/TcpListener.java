// SPDX-License-Identifier: MIT
package org.evpoll;

import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.function.Consumer;

/** A listening TCP socket on a loop. All methods may be called by any thread. */
public final class TcpListener implements AutoCloseable {
  private static final int FAIR_SHARE = 64;
  private static final Duration PAUSE = Duration.ofSeconds(1);

  private final EventLoop loop;
  private final long handle;
  private final Sockets.Address address;
  private long token; // on the loop's thread, as what follows
  private Consumer<TcpStream> acceptor;
  private Runnable limited = () -> { };
  private boolean paused = true;
  private boolean resting;
  private boolean open = true;

  private TcpListener(EventLoop loop, String host, int port) throws EvpollException {
    this.loop = loop;
    handle = Sockets.listen(host, port, 0);
    try {
      address = Sockets.localAddress(handle);
      loop.call(() -> {
        if (loop.isStopping()) throw loop.ended();
        return token = loop.watch(handle, Interest.NONE, Mode.LEVEL, (Object) this);
      });
    } catch (EvpollException e) {
      Sockets.close(handle);
      throw e;
    }
  }

  /**
   * Listens on an address. Nobody is accepted before {@link #onAccept(Consumer)}.
   *
   * @param loop who waits for it
   * @param host a numeric address: names are not looked up
   * @param port 0 to 65535; 0: one that is free
   * @return a new listener
   * @throws EvpollException as evpoll_socket_tcp_listen
   */
  public static TcpListener bind(EventLoop loop, String host, int port) throws EvpollException {
    return new TcpListener(loop, host, port);
  }

  /**
   * Listens on an address.
   *
   * @param loop who waits for it
   * @param address a resolved address
   * @return a new listener
   * @throws EvpollException as evpoll_socket_tcp_listen
   */
  public static TcpListener bind(EventLoop loop, InetSocketAddress address)
      throws EvpollException {
    return bind(loop, address.getAddress().getHostAddress(), address.getPort());
  }

  /**
   * Accepts whoever comes.
   *
   * @param action called on the loop's thread with each new stream, which is the caller's to close
   * @return this
   * @throws EvpollException if the listener was closed
   */
  public TcpListener onAccept(Consumer<TcpStream> action) throws EvpollException {
    return loop.call(() -> {
      acceptor = action;
      interest(Interest.READABLE);
      return this;
    });
  }

  /**
   * Has something done when nobody can be accepted since no descriptor is left. The listener rests
   * for a second then, or until {@link #resume()}; the others wait in the backlog.
   *
   * @param action what to do, on the loop's thread
   * @return this
   * @throws EvpollException if the loop has ended
   */
  public TcpListener onLimit(Runnable action) throws EvpollException {
    return loop.call(() -> {
      limited = action;
      return this;
    });
  }

  /**
   * Accepts nobody until {@link #resume()}: they wait in the backlog.
   *
   * @throws EvpollException if the listener was closed
   */
  public void pause() throws EvpollException {
    loop.call(() -> {
      interest(Interest.NONE);
      return null;
    });
  }

  /**
   * Accepts again.
   *
   * @throws EvpollException if the listener was closed
   */
  public void resume() throws EvpollException {
    loop.call(() -> {
      interest(acceptor == null ? Interest.NONE : Interest.READABLE);
      return null;
    });
  }

  /**
   * Where it listens.
   *
   * @return host and port
   */
  public Sockets.Address address() {
    return address;
  }

  /**
   * The port that it listens on.
   *
   * @return 1 to 65535
   */
  public int port() {
    return address.port();
  }

  /** Listens no more; accepted streams stay. A second close does nothing. */
  @Override
  public void close() {
    loop.callQuietly(() -> {
      if (!open) return null;
      open = false;
      loop.forget(token);
      loop.poller().remove(handle, token);
      Sockets.close(handle);
      return null;
    });
  }

  private void interest(Interest what) throws EvpollException {
    if (!open) throw new EvpollException(Status.BAD_HANDLE, 0, address + " was closed");
    loop.poller().modify(handle, token, what, Mode.LEVEL);
    paused = what == Interest.NONE;
    resting = false;
  }

  void ready() {
    for (int i = 0; i < FAIR_SHARE && open && !paused; i++) {
      try {
        long socket = Sockets.accept(handle);
        if (socket == Sockets.NOBODY) return;
        acceptor.accept(TcpStream.of(loop, socket));
      } catch (EvpollException e) {
        // No descriptor is left, say: look again when others may have freed some.
        rest(e);
        return;
      }
    }
  }

  private void rest(EvpollException why) {
    if (why.status() == Status.LIMIT) limited.run();
    else loop.report(why);
    try {
      interest(Interest.NONE);
      resting = true;
      loop.schedule(PAUSE, () -> loop.callQuietly(() -> {
        if (resting) interest(Interest.READABLE);
        return null;
      }));
    } catch (EvpollException e) {
      loop.report(e);
    }
  }
}
