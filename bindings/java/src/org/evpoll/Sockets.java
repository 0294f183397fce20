// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import org.evpoll.internal.Native;
import org.evpoll.internal.NativeConstants;

/**
 * Non-blocking sockets by their handles, for {@link Poller}. {@link TcpListener} and
 * {@link TcpStream} are the comfortable way.
 *
 * <p>Addresses are numeric ("127.0.0.1", "::1"): names are not looked up. What moves bytes uses
 * those between a buffer's position and its limit, and advances the position.
 */
public final class Sockets {
  /** What {@link #receive} and {@link #send} return when the socket is not ready. */
  public static final int WOULD_BLOCK = -2;
  /** What {@link #receive} returns at the end of the stream. */
  public static final int END = -1;
  /** What {@link #accept(long)} returns when nobody waits. */
  public static final long NOBODY = -1;

  /** Which half of a connection to end. */
  public enum Direction {
    /** No more receiving. */
    READ(NativeConstants.EVPOLL_SHUTDOWN_READ),
    /** No more sending: the peer sees the end of the stream. */
    WRITE(NativeConstants.EVPOLL_SHUTDOWN_WRITE),
    /** Both. */
    BOTH(NativeConstants.EVPOLL_SHUTDOWN_BOTH);

    final int number;

    Direction(int number) {
      this.number = number;
    }
  }

  /**
   * A numeric address and a port.
   *
   * @param host the address; empty for a socket that has none
   * @param port the port
   */
  public record Address(String host, int port) {
    @Override
    public String toString() {
      return host.indexOf(':') < 0 ? host + ":" + port : "[" + host + "]:" + port;
    }
  }

  /**
   * Two sockets that are connected with each other.
   *
   * @param first one end
   * @param second the other end
   */
  public record Pair(long first, long second) {}

  private Sockets() {}

  /**
   * Opens a listening TCP socket.
   *
   * @param host a numeric address
   * @param port 0 to 65535; 0: one that is free
   * @param backlog connections that may wait for accept; 0: the system's most
   * @return its handle
   * @throws EvpollException as evpoll_socket_tcp_listen
   */
  public static long listen(String host, int port, int backlog) throws EvpollException {
    long[] handle = new long[1];
    EvpollException.check("listening on " + new Address(host, port),
        Native.evpoll_socket_tcp_listen(Memory.text(host), port, backlog, handle));
    return handle[0];
  }

  /**
   * Starts a TCP connection. When {@link Interest#WRITABLE} is reported, {@link #takeError(long)}
   * tells how it ended.
   *
   * @param host a numeric address
   * @param port 1 to 65535
   * @return its handle
   * @throws EvpollException as evpoll_socket_tcp_connect
   */
  public static long connect(String host, int port) throws EvpollException {
    long[] handle = new long[1];
    EvpollException.check("connecting to " + new Address(host, port),
        Native.evpoll_socket_tcp_connect(Memory.text(host), port, handle));
    return handle[0];
  }

  /**
   * Accepts one connection.
   *
   * @param listener a listening socket
   * @return the new socket, or {@link #NOBODY}
   * @throws EvpollException as evpoll_socket_accept
   */
  public static long accept(long listener) throws EvpollException {
    long[] handle = new long[1];
    long answer = Native.evpoll_socket_accept(listener, handle);
    if (wouldBlock(answer)) return NOBODY;
    EvpollException.check("accept", answer);
    return handle[0];
  }

  /**
   * Opens a UDP socket bound to an address.
   *
   * @param host a numeric address
   * @param port 0 to 65535; 0: one that is free
   * @return its handle
   * @throws EvpollException as evpoll_socket_udp_bind
   */
  public static long bindUdp(String host, int port) throws EvpollException {
    long[] handle = new long[1];
    EvpollException.check("binding " + new Address(host, port),
        Native.evpoll_socket_udp_bind(Memory.text(host), port, handle));
    return handle[0];
  }

  /**
   * Opens two stream sockets that are connected with each other.
   *
   * @return both ends
   * @throws EvpollException as evpoll_socket_pair
   */
  public static Pair pair() throws EvpollException {
    long[] first = new long[1];
    long[] second = new long[1];
    EvpollException.check("pair", Native.evpoll_socket_pair(first, second));
    return new Pair(first[0], second[0]);
  }

  /**
   * Receives what is there.
   *
   * @param handle a connected socket
   * @param target a direct buffer
   * @return bytes; {@link #END} at the end of the stream, and for an empty datagram;
   *     {@link #WOULD_BLOCK}; 0 if the buffer has no room
   * @throws EvpollException as evpoll_socket_recv
   */
  public static int receive(long handle, ByteBuffer target) throws EvpollException {
    Memory.direct(target, true);
    if (!target.hasRemaining()) return 0;
    int at = target.position();
    long answer = Native.evp_recv_at(handle, target, at, target.remaining());
    if (wouldBlock(answer)) return WOULD_BLOCK;
    int n = EvpollException.check("receive", answer);
    target.position(at + n);
    return n == 0 ? END : n;
  }

  /**
   * Sends what fits.
   *
   * @param handle a connected socket
   * @param source a direct buffer
   * @return bytes, or {@link #WOULD_BLOCK}
   * @throws EvpollException as evpoll_socket_send
   */
  public static int send(long handle, ByteBuffer source) throws EvpollException {
    Memory.direct(source, false);
    int at = source.position();
    long answer = Native.evp_send_at(handle, source, at, source.remaining());
    if (wouldBlock(answer)) return WOULD_BLOCK;
    int n = EvpollException.check("send", answer);
    source.position(at + n);
    return n;
  }

  /**
   * Receives one datagram.
   *
   * @param handle a UDP socket
   * @param target a direct buffer with room; what does not fit is lost
   * @return where it came from, or null if there is none
   * @throws EvpollException as evpoll_socket_recvfrom
   */
  public static Address receiveFrom(long handle, ByteBuffer target) throws EvpollException {
    Memory.direct(target, true);
    Memory host = Memory.forAddress();
    long[] port = new long[1];
    int at = target.position();
    long answer = Native.evp_recvfrom_at(handle, target, at, target.remaining(), host.address,
        host.bytes.capacity(), port);
    if (wouldBlock(answer)) return null;
    target.position(at + EvpollException.check("receive", answer));
    return new Address(host.text(), (int) port[0]);
  }

  /**
   * Sends one datagram.
   *
   * @param handle a UDP socket
   * @param source a direct buffer
   * @param to where to, of the socket's family
   * @return bytes, or {@link #WOULD_BLOCK}
   * @throws EvpollException as evpoll_socket_sendto
   */
  public static int sendTo(long handle, ByteBuffer source, Address to) throws EvpollException {
    Memory.direct(source, false);
    int at = source.position();
    long answer = Native.evp_sendto_at(handle, source, at, source.remaining(),
        Memory.text(to.host), to.port);
    if (wouldBlock(answer)) return WOULD_BLOCK;
    int n = EvpollException.check("send", answer);
    source.position(at + n);
    return n;
  }

  /**
   * Ends one or both directions of a connection.
   *
   * @param handle a connected socket
   * @param direction which
   * @throws EvpollException as evpoll_socket_shutdown
   */
  public static void shutdown(long handle, Direction direction) throws EvpollException {
    EvpollException.check("shutdown", Native.evpoll_socket_shutdown(handle, direction.number));
  }

  /**
   * Takes the error that is pending at a socket: it is reported once.
   *
   * @param handle a socket
   * @return {@link Status#OK} if there is none
   * @throws EvpollException as evpoll_socket_take_error
   */
  public static Status takeError(long handle) throws EvpollException {
    long[] error = new long[1];
    EvpollException.check("take error", Native.evpoll_socket_take_error(handle, error));
    return Status.of((int) error[0]);
  }

  /**
   * A socket's own address.
   *
   * @param handle a bound socket
   * @return its address
   * @throws EvpollException as evpoll_socket_local_address
   */
  public static Address localAddress(long handle) throws EvpollException {
    Memory host = Memory.forAddress();
    long[] port = new long[1];
    EvpollException.check("address", Native.evpoll_socket_local_address(handle, host.address,
        host.bytes.capacity(), port));
    return new Address(host.text(), (int) port[0]);
  }

  /**
   * The address of a socket's peer.
   *
   * @param handle a connected socket
   * @return its peer's address
   * @throws EvpollException as evpoll_socket_peer_address
   */
  public static Address peerAddress(long handle) throws EvpollException {
    Memory host = Memory.forAddress();
    long[] port = new long[1];
    EvpollException.check("address", Native.evpoll_socket_peer_address(handle, host.address,
        host.bytes.capacity(), port));
    return new Address(host.text(), (int) port[0]);
  }

  /**
   * Sends small pieces at once, or gathers them.
   *
   * @param handle a TCP socket
   * @param on true: at once
   * @throws EvpollException as evpoll_socket_set_nodelay
   */
  public static void setNoDelay(long handle, boolean on) throws EvpollException {
    EvpollException.check("no delay", Native.evpoll_socket_set_nodelay(handle, on ? 1 : 0));
  }

  /**
   * Closes a socket. Remove it from pollers before.
   *
   * @param handle a socket
   * @throws EvpollException as evpoll_socket_close
   */
  public static void close(long handle) throws EvpollException {
    EvpollException.check("close", Native.evpoll_socket_close(handle));
  }

  private static boolean wouldBlock(long answer) {
    return answer < 0 && (int) (answer >> 32) == NativeConstants.EVPOLL_ERR_WOULD_BLOCK;
  }
}
