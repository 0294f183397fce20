// SPDX-License-Identifier: MIT
package org.evpoll.examples;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.evpoll.AsyncFile;
import org.evpoll.EvpollException;
import org.evpoll.TcpStream;

/** One client, and its thread: a request is read, a head and a file are sent, and again. */
record Connection(FileServer server, TcpStream stream) {
  private static final int PIECE = 1 << 20; // each has the time limit for itself

  void serve() throws IOException {
    ByteBuffer request = ByteBuffer.allocate(8 * 1024);
    while (respond(next(request))) continue;
    // Closing with unread bytes in the socket resets the connection, and the client may lose the
    // end of the response. So say that this was all, and read until the client has closed.
    stream.shutdownOutput();
    while (stream.read(request.clear()).await() >= 0) continue;
  }

  private Http.Request next(ByteBuffer request) throws IOException {
    for (;;) {
      Http.Request wanted = Http.parse(request);
      if (wanted != null) return wanted;
      server.idle.add(stream); // and then the look: who stops does it the other way round
      if (server.stopping || stream.read(request).await() < 0) throw new EOFException();
      server.idle.remove(stream);
    }
  }

  private boolean respond(Http.Request wanted) throws IOException {
    int status = wanted.status();
    AsyncFile file = null;
    long size = 0;
    try {
      if (status == 200) file = server.open(wanted.path());
      if (status == 200) size = file.size().await();
    } catch (EvpollException e) {
      status = Http.status(e.status());
    }
    try (AsyncFile sent = file) {
      server.requests.increment();
      if (status != 200) server.refused.increment();
      boolean stays = wanted.keepAlive() && !server.stopping;
      byte[] head = Http.head(status, wanted, size, stays);
      server.bytes.add(stream.writeAll(ByteBuffer.wrap(head)).await());
      long end = status == 200 && !wanted.headOnly() ? size : 0;
      for (long at = 0, n; at < end; at += n) {
        n = stream.sendFile(sent, at, Math.min(end - at, PIECE)).await();
        if (n == 0) throw new EOFException(); // shorter than promised: only cutting it off tells
        server.bytes.add(n);
      }
      return stays && !server.stopping;
    }
  }
}
