// SPDX-License-Identifier: MIT
import java.io.IOException;
import java.net.ConnectException;
import java.net.Socket;

/** Says hello to a server, as soon as there is one, and prints what comes back. */
public final class Client {
  private Client() {}

  /**
   * Says hello.
   *
   * @param args the port
   * @throws IOException if the server does not answer
   */
  public static void main(String[] args) throws IOException {
    long end = System.nanoTime() + 60_000_000_000L;
    for (;;) {
      try (Socket socket = new Socket("127.0.0.1", Integer.parseInt(args[0]))) {
        socket.setSoTimeout(60_000);
        socket.getOutputStream().write("hello".getBytes());
        socket.shutdownOutput();
        System.out.println(new String(socket.getInputStream().readAllBytes()));
        return;
      } catch (ConnectException e) {
        if (System.nanoTime() > end) throw e;
        Thread.onSpinWait();
      }
    }
  }
}
