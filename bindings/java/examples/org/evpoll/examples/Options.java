// SPDX-License-Identifier: MIT
package org.evpoll.examples;

import java.util.Set;
import org.evpoll.OpenFlag;
import org.evpoll.PollerOptions;

/** What the command line says. */
final class Options {
  static final String USAGE = """
      usage: evpoll-serve FOLDER [OPTION]...
        --host=ADDRESS      numeric address to listen on (127.0.0.1)
        --port=NUMBER       port to listen on; 0 picks a free one (0)
        --connections=N     most connections at a time; the rest wait in the backlog (400)
        --engine=NAME       auto; native: the kernel or nothing; pool: worker threads (auto)
        --io-limit=N        most file operations in flight (the library's default)
        --idle=SECONDS      close connections without progress after this time (30)
      """;

  String folder;
  String host = "127.0.0.1";
  String engine = "auto";
  int port;
  int connections = 400;
  int ioLimit;
  int idle = 30;

  /** Ends the program if it is wrong. */
  static Options parse(String[] args) {
    Options options = new Options();
    boolean right = true;
    try {
      for (String arg : args) right &= options.take(arg);
    } catch (NumberFormatException e) {
      right = false;
    }
    if (right && options.folder != null) return options;
    System.err.print(USAGE);
    System.exit(2);
    return null;
  }

  PollerOptions poller() {
    var poller = PollerOptions.DEFAULT.withIoLimit(
        ioLimit == 0 ? 0 : ioLimit + 4 * connections); // sockets count too
    if (engine.equals("pool")) poller = poller.with(OpenFlag.NO_URING);
    return engine.equals("native") ? poller.with(OpenFlag.NATIVE_IO_ONLY) : poller;
  }

  private boolean take(String arg) {
    int equals = arg.indexOf('=');
    String name = equals < 0 ? arg : arg.substring(0, equals);
    String value = arg.substring(equals + 1);
    switch (name) {
      case "--host" -> host = value;
      case "--port" -> port = number(value, 0, 65535);
      case "--connections" -> connections = number(value, 1, 100000);
      case "--io-limit" -> ioLimit = number(value, 1, 1048576);
      case "--idle" -> idle = number(value, 1, 86400);
      case "--engine" -> engine = value;
      default -> {
        if (arg.startsWith("-") || folder != null) return false;
        folder = arg;
        return true;
      }
    }
    return equals > 0 && Set.of("auto", "native", "pool").contains(engine);
  }

  private static int number(String text, int least, int most) {
    int number = Integer.parseInt(text);
    if (number < least || number > most) throw new NumberFormatException(text);
    return number;
  }
}
