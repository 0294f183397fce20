// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.Consumer;
import org.evpoll.internal.Layout;

/** A TCP socket that is listening. All methods may be called by any thread. */
public final class TcpListener extends Resource {
  private final InetSocketAddress address;

  TcpListener(EventLoop loop, Handle handle, InetSocketAddress address) {
    super(loop, handle, "listener " + address);
    this.address = address;
  }

  /** {@return its own address} */
  public InetSocketAddress address() { return address; }

  /**
   * Accepts one connection. Several may be asked for at once. With {@link Status#LIMIT} or
   * {@link Status#NO_MEMORY} the connection stays for the next accept, which is tried after 100 ms
   * at the latest.
   *
   * @return the next connection
   */
  public IoFuture<TcpStream> accept() {
    ByteBuffer both = Buffers.take(2 * Layout.ADDRESS);
    return start("accept", EVPOLL_OP_ACCEPT, both, true, 0, 2, 0,
        socket -> new TcpStream(loop, Handle.socket(loop.core, socket),
            address(both, 0), address(both, Layout.ADDRESS)));
  }

  /**
   * Accepts all connections, until the listener is closed. What the callback throws goes to
   * {@link EventLoop#onError}, and its stream is closed; so does what was wrong with an accept.
   *
   * @param action called on the loop's thread
   */
  public void onAccept(Consumer<TcpStream> action) {
    loop.core.execute(() -> accept().whenComplete((stream, failure) -> {
      if (!isOpen()) {
        if (stream != null) stream.close();
        return;
      }
      onAccept(action);
      if (failure != null) {
        loop.core.report(failure);
        return;
      }
      try {
        action.accept(stream);
      } catch (Throwable e) {
        stream.abort();
        throw e;
      }
    }), () -> { });
  }

  private static InetSocketAddress address(ByteBuffer memory, int at) {
    ByteBuffer from = memory.duplicate().order(ByteOrder.nativeOrder());
    int family = from.getShort(at + Layout.ADDRESS_FAMILY);
    if (family == EVPOLL_FAMILY_NONE
        || family == EVPOLL_FAMILY_UNIX) return null;
    byte[] bytes = new byte[family == EVPOLL_FAMILY_IPV4 ? 4 : 16];
    from.get(at + Layout.ADDRESS_BYTES, bytes);
    int port = from.getShort(at + Layout.ADDRESS_PORT) & 0xFFFF;
    try {
      int scope = from.getInt(at + Layout.ADDRESS_SCOPE);
      InetAddress host = scope == 0 ? InetAddress.getByAddress(bytes)
          : java.net.Inet6Address.getByAddress(null, bytes, scope);
      return new InetSocketAddress(host, port);
    } catch (UnknownHostException e) {
      throw new AssertionError(e); // the length is right
    }
  }
}
