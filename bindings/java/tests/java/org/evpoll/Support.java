// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.function.Executable;

/** What the tests share. A deadline only turns a hang into a failure. */
final class Support {
  static final long DEADLINE_NANOS = 60_000_000_000L;

  private Support() {}

  static ByteBuffer direct(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocateDirect(bytes.length).put(bytes).flip();
  }

  static String text(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  static byte[] content(int size, int seed) {
    byte[] bytes = new byte[size];
    new java.util.Random(seed).nextBytes(bytes);
    return bytes;
  }

  static Path file(Path folder, byte[] content) throws IOException {
    return Files.write(Files.createTempFile(folder, "evpoll", ".bin"), content);
  }

  /** Adds a file for operations, under the token 5. */
  static void register(Poller poller, long file) throws EvpollException {
    poller.add(file, 5, Interest.NONE, Mode.OPERATIONS);
  }

  static void until(String what, Callable<Boolean> condition) throws Exception {
    long end = System.nanoTime() + DEADLINE_NANOS;
    while (!condition.call()) {
      assertTrue(System.nanoTime() < end, what);
      Thread.onSpinWait();
    }
  }

  /** Collects garbage until the condition holds. */
  static void collectUntil(String what, Callable<Boolean> condition) throws Exception {
    until(what, () -> {
      System.gc();
      return condition.call();
    });
  }

  static EvpollException fails(Status status, Executable what) {
    EvpollException e = assertThrows(EvpollException.class, what);
    assertEquals(status, e.status(), e.getMessage());
    return e;
  }

  /** Waits for n events, however they are spread over waits; returns the last one's token. */
  static long take(Poller poller, Events events, int n) throws EvpollException {
    long token = 0;
    for (int seen = 0; seen < n;) {
      int got = poller.waitFor(events, DEADLINE_NANOS);
      assertTrue(got > 0, "nothing came");
      seen += got;
      token = events.token(got - 1);
    }
    return token;
  }

  /** Descriptors of this process, on Linux. */
  static int descriptors() throws IOException {
    try (var open = Files.list(Path.of("/proc/self/fd"))) {
      return (int) open.count();
    }
  }

  static boolean blockedInWait(Thread thread) {
    for (StackTraceElement frame : thread.getStackTrace())
      if (frame.isNativeMethod()) return frame.getMethodName().equals("evpoll_turn");
    return false;
  }
}
