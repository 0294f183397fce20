// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.evpoll.internal.NativeConstants.*;

import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;

/** Reads into arrays: at once, or when the stream has become readable. */
final class BlockingInput extends InputStream {
  private final TcpStream stream;

  BlockingInput(TcpStream stream) { this.stream = stream; }

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
