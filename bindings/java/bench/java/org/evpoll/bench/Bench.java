// SPDX-License-Identifier: MIT
package org.evpoll.bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Compares in one process: this binding, hand-written JNI, and what Java brings along. They take
 * turns in short slices, and what counts is the median of the ratios of neighbours, so that a busy
 * machine hits all of them alike.
 */
public final class Bench {
  private static final int SLICES = 60;
  private static final long SLICE_NANOS = 12_000_000;
  private static final int WARM_UP = 8;
  private static final String[] ORDERS = {"012", "120", "201", "021", "210", "102"};

  /** One round of what is measured. */
  interface Body {
    long round() throws Exception;
  }

  private static long sink;

  private Bench() {}

  private static double nanosPerRound(Body body) throws Exception {
    long began = System.nanoTime();
    long rounds = 0;
    long now;
    do {
      for (int i = 0; i < 8; i++) sink += body.round();
      rounds += 8;
      now = System.nanoTime();
    } while (now - began < SLICE_NANOS);
    return (double) (now - began) / rounds;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  /** One line of the table: nanoseconds for each event, and ratios. */
  private static void compare(String what, int n, Body ours, Body hand, Body platform)
      throws Exception {
    List<Body> bodies = new ArrayList<>(List.of(ours, hand, platform));
    for (int i = 0; i < WARM_UP; i++) for (Body body : bodies) nanosPerRound(body);
    double[][] times = new double[3][SLICES];
    double[] byHand = new double[SLICES];
    double[] byPlatform = new double[SLICES];
    for (int i = 0; i < SLICES; i++) {
      // The order changes each time: whom one follows makes a difference to the caches.
      for (int k = 0; k < 3; k++) {
        int which = ORDERS[i % ORDERS.length].charAt(k) - '0';
        times[which][i] = nanosPerRound(bodies.get(which));
      }
      byHand[i] = times[0][i] / times[1][i];
      byPlatform[i] = times[2][i] / times[0][i];
    }
    System.out.printf(Locale.ROOT, "| %s, %d | %.1f | %.1f | %.2f | %.1f | %.2f |%n", what, n,
        median(times[0]) / n, median(times[1]) / n, median(byHand), median(times[2]) / n,
        median(byPlatform));
  }

  /** Three servers: elapsed for each byte to and fro, and the processor's time of the server. */
  private static void echo(int n) throws Exception {
    try (Echo echo = new Echo(n)) {
      Body[] bodies = {echo.ours(), echo.selector(), echo.async()};
      double[][] elapsed = new double[3][SLICES];
      double[][] cpu = new double[3][SLICES];
      for (int i = -WARM_UP; i < SLICES; i++) {
        for (int k = 0; k < 3; k++) {
          int which = ORDERS[Math.floorMod(i, ORDERS.length)].charAt(k) - '0';
          long before = echo.cpu()[which];
          long began = System.nanoTime();
          long trips = 0;
          while (System.nanoTime() - began < SLICE_NANOS) trips += bodies[which].round();
          if (i < 0) continue;
          elapsed[which][i] = (double) (System.nanoTime() - began) / trips;
          cpu[which][i] = (double) (echo.cpu()[which] - before) / trips;
        }
      }
      for (double[][] kind : new double[][][] {cpu, elapsed}) {
        double[] first = new double[SLICES];
        double[] second = new double[SLICES];
        for (int i = 0; i < SLICES; i++) {
          first[i] = kind[0][i] / kind[1][i];
          second[i] = kind[0][i] / kind[2][i];
        }
        System.out.printf(Locale.ROOT, "| %d | %s | %.0f | %.0f | %.2f | %.0f | %.2f |%n", n,
            kind == cpu ? "CPU" : "elapsed", median(kind[0]), median(kind[1]), median(first),
            median(kind[2]), median(second));
      }
    }
  }

  private static void appends() throws Exception {
    try (Appends appends = new Appends()) {
      Body[] bodies = {appends::ours, appends::group, appends::force};
      double[][] millis = new double[3][7];
      for (int i = -1; i < millis[0].length; i++) {
        for (int k = 0; k < 3; k++) {
          long began = System.nanoTime();
          sink += bodies[k].round();
          if (i >= 0) millis[k][i] = (System.nanoTime() - began) / 1e6;
        }
      }
      System.out.printf(Locale.ROOT, "| %.0f | %.0f | %.0f |%n", median(millis[0]),
          median(millis[1]), median(millis[2]));
    }
  }

  /**
   * Prints the table.
   *
   * @param args none
   * @throws Exception if anything fails
   */
  public static void main(String[] args) throws Exception {
    long began = System.nanoTime();
    System.out.println("| connections | ns a round trip | evpoll | Selector | evpoll / Selector "
        + "| AsynchronousSocketChannel | evpoll / that |");
    System.out.println("|---|---|---|---|---|---|---|");
    for (int n : new int[] {1, 100}) echo(n);
    System.out.println();
    System.out.println("| ms for 64 writers of 40 durable records: evpoll | FileChannel, by a thread "
        + "for all | FileChannel.force for each |");
    System.out.println("|---|---|---|");
    appends();
    System.out.println();
    System.out.println("| ns for each event | evpoll | hand-written JNI | evpoll / hand "
        + "| Java's own | Java's own / evpoll |");
    System.out.println("|---|---|---|---|---|---|");
    for (int n : new int[] {1, 64, 1024}) {
      try (Ready ready = new Ready(n)) {
        compare("sockets ready", n, ready::ours, ready::hand, ready::selector);
      }
    }
    Path path = Files.write(Files.createTempFile("evpoll-bench", null), new byte[1 << 22]);
    try {
      for (int n : new int[] {1, 64, 1024}) {
        try (Reads reads = new Reads(path, n)) {
          compare("reads of 4 KiB, cached", n, reads::ours, reads::hand, reads::channel);
        }
      }
    } finally {
      Files.delete(path);
    }
    System.err.printf("%d s, checksum %d%n", (System.nanoTime() - began) / 1_000_000_000, sink);
  }
}
