// SPDX-License-Identifier: MIT
package org.evpoll;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import org.evpoll.internal.Native;
import org.evpoll.internal.NativeConstants;

/**
 * Files and non-blocking sockets for a {@link Poller}. Handles are numbers, an fd, a SOCKET or a
 * HANDLE, and the caller's. Hosts are numeric addresses.
 */
public final class Handles {
  /** What {@link #receive} and {@link #send} return when the socket is not ready. */
  public static final int WOULD_BLOCK = -2;
  /** What {@link #receive} returns at the end of the stream. */
  public static final int END = -1;

  private Handles() {}

  /** Opens a file, for which it may wait for the file system; no flags: READ. */
  public static long open(String path, FileFlag... flags) throws EvpollException {
    long[] out = new long[1];
    int bits = FileFlag.bits(flags.length == 0 ? new FileFlag[] {FileFlag.READ} : flags);
    EvpollException.check("opening " + path,
        Native.evpoll_file_open(Memory.text(path), bits, 0, out));
    return out[0];
  }

  /** Opens a listening TCP socket; port 0 picks a free one, backlog 0 is the system's most. */
  public static long listen(String host, int port, int backlog) throws EvpollException {
    long[] out = new long[1];
    EvpollException.check("listening on " + host + " port " + port,
        Native.evpoll_socket_tcp_listen(Memory.text(host), port, backlog, out));
    return out[0];
  }

  /** Starts a TCP connection; the socket is writable when that has ended. */
  public static long connect(String host, int port) throws EvpollException {
    long[] out = new long[1];
    EvpollException.check("connecting to " + host + " port " + port,
        Native.evpoll_socket_tcp_connect(Memory.text(host), port, out));
    return out[0];
  }

  /** {@return two sockets that are connected with each other} */
  public static long[] pair() throws EvpollException {
    long[] first = new long[1];
    long[] second = new long[1];
    EvpollException.check("pair", Native.evpoll_socket_pair(first, second));
    return new long[] {first[0], second[0]};
  }

  /** Receives what is there, into a direct buffer: bytes, {@link #END} or {@link #WOULD_BLOCK}. */
  public static int receive(long handle, ByteBuffer target) throws EvpollException {
    Memory.direct(target, true);
    int n = moved("receive", target, Native.evp_recv_at(handle, target, target.position(),
        target.remaining()));
    return n == 0 ? END : n;
  }

  /** Sends what fits of a direct buffer: bytes, or {@link #WOULD_BLOCK}. */
  public static int send(long handle, ByteBuffer source) throws EvpollException {
    Memory.direct(source, false);
    return moved("send", source, Native.evp_send_at(handle, source, source.position(),
        source.remaining()));
  }

  private static int moved(String what, ByteBuffer buffer, long answer) throws EvpollException {
    if (EvpollException.statusOf(answer) == Status.WOULD_BLOCK) return WOULD_BLOCK;
    int n = EvpollException.check(what, answer);
    buffer.position(buffer.position() + n);
    return n;
  }

  /** {@return a socket's own address; null if it has none} */
  public static InetSocketAddress localAddress(long handle) throws EvpollException {
    Memory host = new Memory(NativeConstants.EVPOLL_ADDRESS_CAPACITY);
    long[] port = new long[1];
    EvpollException.check("local address", Native.evpoll_socket_local_address(handle, host.address,
        NativeConstants.EVPOLL_ADDRESS_CAPACITY, port));
    if (host.text().isEmpty()) return null;
    try {
      return new InetSocketAddress(InetAddress.getByName(host.text()), (int) port[0]);
    } catch (UnknownHostException e) {
      throw new AssertionError(e); // it is numeric
    }
  }

  /** Closes a file, or a socket on other systems than Windows, that no poller has. */
  public static void close(long handle) throws EvpollException {
    EvpollException.check("close", Native.evpoll_file_close(handle));
  }

  /** Closes a socket that no poller has. */
  public static void closeSocket(long handle) throws EvpollException {
    EvpollException.check("close", Native.evpoll_socket_close(handle));
  }
}
