// SPDX-License-Identifier: MIT
package org.evpoll.examples;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.evpoll.AsyncFile;
import org.evpoll.EvpollException;
import org.evpoll.TcpStream;

/**
 * One client: its request, and the piece of a file that is on its way to it. There is one buffer
 * for either, so a slow reader costs no memory. Everything happens on the loop's thread.
 */
final class Connection {
  /** The two buffers, which go from a connection to the next: direct memory is slow to be freed. */
  record Room(ByteBuffer request, ByteBuffer chunk) {}

  private final FileServer server;
  private final TcpStream stream;
  private final ByteBuffer request;
  private final ByteBuffer chunk;
  final Room room;
  private AsyncFile file;
  private long next;
  private long left;
  private boolean keepAlive;
  private boolean reading;
  boolean idle = true; // between two requests: there is nothing to lose
  long progress;

  Connection(FileServer server, TcpStream stream, Room room) {
    this.server = server;
    this.stream = stream;
    this.room = room;
    request = room.request.clear();
    chunk = room.chunk.clear();
    progress = System.nanoTime();
    stream.onClose(this::closed);
  }

  void close() {
    stream.close();
  }

  /** A buffer that the kernel reads a file into is nobody else's: its completion comes first. */
  private void closed() {
    if (reading) return;
    closeFile();
    server.left(this);
  }

  // ---- the request --------------------------------------------------------------------------

  void readRequest() {
    idle = true;
    byte[] bytes = new byte[request.position()];
    request.get(0, bytes);
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    Http.Request parsed = Http.parse(text);
    if (parsed == null && !request.hasRemaining())
      parsed = new Http.Request(text.indexOf('\n') < 0 ? 414 : 431, false, false, "", bytes.length);
    if (parsed == null) {
      stream.read(request).whenComplete((n, failure) -> {
        if (failure != null || n <= 0) close();
        else readRequest();
      });
      return;
    }
    // What is left is the next request of a client that does not wait for answers.
    request.flip().position(parsed.length());
    request.compact();
    respond(parsed);
  }

  private void respond(Http.Request parsed) {
    idle = false;
    int status = parsed.status() == 200 ? open(parsed.path()) : parsed.status();
    server.counted(status == 200);
    byte[] body = (status + " " + Http.reason(status) + "\n").getBytes(StandardCharsets.US_ASCII);
    long length = status == 200 ? left : body.length;
    keepAlive = parsed.keepAlive() && !server.stopping();
    chunk.clear().put(Http.head(status, Http.contentType(status == 200 ? parsed.path() : ".txt"),
        length, keepAlive));
    if (status != 200 && !parsed.headOnly()) chunk.put(body);
    if (parsed.headOnly()) left = 0;
    step();
  }

  private int open(String path) {
    try {
      file = server.open(path);
      next = 0;
      left = file.size();
      return 200;
    } catch (EvpollException e) {
      return switch (e.status()) {
        case NOT_FOUND, INVALID, UNSUPPORTED -> 404;
        case ACCESS -> 403;
        case LIMIT, NO_MEMORY -> 503;
        default -> 500;
      };
    }
  }

  // ---- the response: read a piece of the file, send it, and again ---------------------------

  private void step() {
    if (left == 0) {
      send();
      return;
    }
    chunk.limit((int) Math.min(chunk.capacity(), chunk.position() + left));
    reading = true;
    file.read(chunk, next).whenComplete((n, failure) -> {
      reading = false;
      if (!stream.isOpen()) {
        closed();
      } else if (failure != null || n <= 0) {
        // The disk failed, or the file became shorter than the head has promised. Cutting the
        // connection is the only way left to tell.
        close();
      } else {
        next += n;
        left -= n;
        send();
      }
    });
  }

  private void send() {
    chunk.flip();
    stream.writeAll(chunk).whenComplete((n, failure) -> {
      if (failure != null) {
        close();
        return;
      }
      server.sent(n);
      progress = System.nanoTime();
      chunk.clear();
      if (left > 0) step();
      else end();
    });
  }

  private void end() {
    closeFile();
    if (keepAlive && !server.stopping()) {
      readRequest();
      return;
    }
    // Closing with unread bytes in the socket resets the connection, and the client may lose the
    // end of the response. So say that this was all, and read until the client has closed.
    stream.shutdownOutput();
    stream.readLoop(request, (closing, n) -> {
      if (n < 0) close();
    });
  }

  private void closeFile() {
    try {
      if (file != null) file.close();
    } catch (EvpollException e) {
      server.complain("cannot close a file", e);
    }
    file = null;
    left = 0;
  }
}
