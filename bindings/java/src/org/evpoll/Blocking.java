// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;

/** A stream for code that blocks, which has arrays: at once, or when it is ready. */
final class Blocking {
  private Blocking() {}

  static final class Input extends InputStream {
    private final TcpStream stream;

    Input(TcpStream stream) { this.stream = stream; }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
    }

    @Override
    public int read(byte[] bytes, int at, int length) throws IOException {
      Objects.checkFromIndexSize(at, length, bytes.length);
      if (length == 0) return 0;
      for (;;) {
        int n = stream.moveNow(EVPOLL_OP_READ, bytes, at, length);
        if (n >= 0) return n == 0 ? -1 : n;
        stream.poll(EVPOLL_READABLE).await();
      }
    }

    @Override
    public void close() { stream.close(); }
  }

  static final class Output extends OutputStream {
    private final TcpStream stream;
    private final ReentrantLock writing = new ReentrantLock(); // an array is written in one piece

    Output(TcpStream stream) { this.stream = stream; }

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int at, int length) throws IOException {
      Objects.checkFromIndexSize(at, length, bytes.length);
      writing.lock();
      try {
        for (int end = at + length; at < end;) {
          int n = stream.moveNow(EVPOLL_OP_WRITE, bytes, at, end - at);
          if (n >= 0) {
            at += n;
          } else {
            // Others' writes may be before it: behind them it is one of them.
            at += stream.writeAll(ByteBuffer.wrap(bytes, at, Math.min(end - at, 65536))).await();
          }
        }
      } finally {
        writing.unlock();
      }
    }

    @Override
    public void close() { stream.close(); }
  }
}
