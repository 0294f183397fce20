// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** Ordinary blocking code, thousands of threads of it, over one loop. */
class VirtualThreadsTest {
  /** Virtual threads where this Java has them. */
  private static ThreadFactory threads(boolean virtual) throws ReflectiveOperationException {
    if (!virtual) return Thread::new;
    Object builder = Thread.class.getMethod("ofVirtual").invoke(null);
    return (ThreadFactory) Class.forName("java.lang.Thread$Builder").getMethod("factory")
        .invoke(builder);
  }

  private static long mostDescriptors() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/limits")).stream()
        .filter(line -> line.startsWith("Max open files"))
        .mapToLong(line -> Long.parseLong(line.split(" +")[4])).findFirst().orElse(0);
  }

  @Test
  void theyEchoOverOneLoop() throws Exception {
    boolean virtual = Runtime.version().feature() >= 21;
    // Two descriptors for each connection, which both ends of are here.
    int n = (int) Math.min(virtual ? 10_000 : 500, (mostDescriptors() - 500) / 2);
    System.out.println("gate virtual-threads: " + (virtual ? n + " virtual threads"
        : "this Java has none: " + n + " platform threads"));
    ThreadFactory factory = threads(virtual);
    AtomicReference<Throwable> wrong = new AtomicReference<>();
    AtomicInteger echoed = new AtomicInteger();
    CountDownLatch connected = new CountDownLatch(n);
    CountDownLatch done = new CountDownLatch(n);
    try (EventLoop loop = EventLoop.start(); TcpListener listener = loop.listen(StreamTest.ANY)) {
      Thread acceptor = factory.newThread(() -> {
        try {
          for (int i = 0; i < n; i++) {
            TcpStream stream = listener.accept().await();
            factory.newThread(() -> {
              try (stream) {
                stream.inputStream().transferTo(stream.outputStream());
              } catch (IOException e) {
                wrong.compareAndSet(null, e);
              }
            }).start();
          }
        } catch (IOException e) {
          wrong.compareAndSet(null, e);
        }
      });
      acceptor.start();
      for (int i = 0; i < n; i++) {
        byte mark = (byte) i;
        factory.newThread(() -> {
          try (TcpStream stream = loop.connect(listener.address()).await()) {
            connected.countDown();
            connected.await(); // all of them are there at once
            OutputStream out = stream.outputStream();
            InputStream in = stream.inputStream();
            for (int k = 0; k < 5; k++) {
              out.write(new byte[] {mark, (byte) k});
              if (in.read() != (mark & 0xFF) || in.read() != k)
                throw new IOException("another echo");
            }
            stream.shutdownOutput().await();
            if (in.read() != -1) throw new IOException("no end");
            echoed.incrementAndGet();
          } catch (Throwable e) {
            wrong.compareAndSet(null, e);
            connected.countDown();
          } finally {
            done.countDown();
          }
        }).start();
      }
      done.await();
    }
    assertNull(wrong.get(), () -> java.util.Arrays.toString(wrong.get().getStackTrace()));
    assertEquals(n, echoed.get());
  }
}
