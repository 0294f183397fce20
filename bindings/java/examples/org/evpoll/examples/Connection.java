// SPDX-License-Identifier: MIT
package org.evpoll.examples;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.evpoll.AsyncFile;
import org.evpoll.EvpollException;
import org.evpoll.TcpStream;

/** One client: a request is read, a head and a file are sent, and again. */
final class Connection {
  private static final int PIECE = 1 << 20; // each has the time limit for itself

  private final FileServer server;
  private final TcpStream stream;
  private final ByteBuffer request = ByteBuffer.allocate(8 * 1024);
  private AsyncFile file;
  private boolean keepAlive;
  private boolean idle; // between two requests

  Connection(FileServer server, TcpStream stream) {
    this.server = server;
    this.stream = stream.timeout(Duration.ofSeconds(server.options.idle));
    stream.closed().whenComplete((n, failure) -> server.left(this));
    readRequest();
  }

  void closeIfIdle() {
    if (idle) stream.close();
  }

  private void readRequest() {
    idle = true;
    String text = new String(request.array(), 0, request.position(), StandardCharsets.ISO_8859_1);
    Http.Request parsed = Http.parse(text);
    if (parsed == null && !request.hasRemaining())
      parsed = new Http.Request(text.indexOf('\n') < 0 ? 414 : 431, false, false, "",
          text.length());
    if (parsed != null) {
      request.flip().position(parsed.length());
      request.compact(); // what is left is the next request of a client that does not wait
      respond(parsed);
      return;
    }
    stream.read(request).whenComplete((n, failure) -> {
      if (failure != null || n < 0) close();
      else readRequest();
    });
  }

  private void respond(Http.Request parsed) {
    idle = false;
    int status = parsed.status();
    if (status == 200) {
      try {
        file = server.open(parsed.path());
        file.size().whenComplete((size, failure) ->
            head(parsed, failure == null ? 200 : 500, size));
        return;
      } catch (EvpollException e) {
        status = switch (e.status()) {
          case NOT_FOUND, INVALID, UNSUPPORTED -> 404;
          case ACCESS -> 403;
          case LIMIT, NO_MEMORY -> 503;
          default -> 500;
        };
      }
    }
    head(parsed, status, null);
  }

  private void head(Http.Request parsed, int status, Long size) {
    server.requests++;
    if (status != 200) server.refused++;
    keepAlive = parsed.keepAlive() && !server.stopping;
    String body = status == 200 ? "" : status + " " + Http.reason(status) + "\n";
    byte[] head = Http.head(status, Http.contentType(status == 200 ? parsed.path() : ".txt"),
        status == 200 ? size : body.length(), keepAlive);
    ByteBuffer out = ByteBuffer.allocate(head.length + body.length()).put(head);
    if (!parsed.headOnly()) out.put(body.getBytes(StandardCharsets.US_ASCII));
    long left = status == 200 && !parsed.headOnly() ? size : 0;
    stream.writeAll(out.flip()).whenComplete((n, failure) -> sent(0, left, n, failure));
  }

  private void sent(long at, long left, long n, EvpollException failure) {
    // The disk failed, or the file is shorter than the head has promised: cutting the connection
    // is the only way left to tell.
    if (failure != null || n == 0) {
      close();
      return;
    }
    server.bytes += n;
    if (left == 0) end();
    else stream.sendFile(file, at, Math.min(left, PIECE)).whenComplete((m, broken) ->
        sent(at + (m == null ? 0 : m), left - (m == null ? 0 : m), m == null ? 0 : m, broken));
  }

  private void end() {
    if (file != null) file.close();
    file = null;
    if (keepAlive && !server.stopping) {
      readRequest();
      return;
    }
    // Closing with unread bytes in the socket resets the connection, and the client may lose the
    // end of the response. So say that this was all, and read until the client has closed.
    stream.shutdownOutput();
    drain();
  }

  private void drain() {
    stream.read(request.clear()).whenComplete((n, failure) -> {
      if (failure != null || n < 0) close();
      else drain();
    });
  }

  private void close() {
    if (file != null) file.close();
    stream.close();
  }
}
