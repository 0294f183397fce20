// SPDX-License-Identifier: MIT
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.evpoll.AsyncFile;
import org.evpoll.EventLoop;
import org.evpoll.IoResults;
import org.evpoll.TcpListener;

/** What a program does that has the jar and nothing else: sockets and a file on one loop. */
public final class Echo {
  private Echo() {}

  /**
   * Echoes a line, and reads a file back.
   *
   * @param args none
   * @throws Exception if anything is not as it should be
   */
  public static void main(String[] args) throws Exception {
    try (EventLoop loop = EventLoop.start("io")) {
      TcpListener listener = TcpListener.bind(loop, "127.0.0.1", 0).onAccept(c -> {
        var b = loop.allocate(16384);
        c.readLoop(b, (s, n) -> {
          if (n > 0) s.writeAll(b);
          else s.close();
        });
      });
      try (Socket socket = new Socket("127.0.0.1", listener.port())) {
        socket.getOutputStream().write("hello\n".getBytes());
        socket.shutdownOutput();
        if (!new String(socket.getInputStream().readAllBytes()).equals("hello\n"))
          throw new AssertionError("another echo");
      }
      Path path = Files.write(Files.createTempFile("evpoll", null), new byte[40960]);
      try (AsyncFile file = loop.openFile(path)) {
        IoResults results = file.readBlocks(loop.allocate(40960), 4096, 0).get();
        if (results.requireAll().totalBytes() != 40960) throw new AssertionError("another size");
      }
      Files.delete(path);
      loop.shutdown(Duration.ofSeconds(30));
    }
    System.out.println("consumed " + EventLoop.class.getModule());
  }
}
