// SPDX-License-Identifier: MIT
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.UnresolvedAddressException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import java.util.function.Function;
import org.evpoll.AsyncFile;
import org.evpoll.EventLoop;
import org.evpoll.EvpollException;
import org.evpoll.FileFlag;
import org.evpoll.IoFuture;
import org.evpoll.PollerOptions;
import org.evpoll.Status;
import org.evpoll.TcpListener;
import org.evpoll.TcpStream;

/** Does what tests/bindings/README.md says, in Java's own way. */
public final class Driver {
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  private static final Map<String, Object> OBJECTS = new ConcurrentHashMap<>();
  private static final Map<String, IoFuture<?>> PENDING = new ConcurrentHashMap<>();
  private static final Map<String, CountDownLatch> GATES = new ConcurrentHashMap<>();
  private static final Map<String, Worker> WORKERS = new ConcurrentHashMap<>();

  /** Where an answer goes. */
  interface Answer extends Consumer<String> {}

  /** A thread with a number, which does what it is told in order. */
  private static final class Worker extends Thread {
    final LinkedBlockingQueue<Runnable> told = new LinkedBlockingQueue<>();

    Worker() {
      setDaemon(true);
      start();
    }

    @Override
    public void run() {
      try {
        for (;;) told.take().run();
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private Driver() {}

  /**
   * Reads lines and answers them.
   *
   * @param args --features only
   * @throws Exception never
   */
  public static void main(String[] args) throws Exception {
    if (args.length > 0) {
      OUT.println("early-cancel Java has no tokens that an operation is cancelled by");
      OUT.println("throw-context what an executor of a CompletionStage throws is that stage's");
      return;
    }
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = in.readLine()) != null;) {
      String[] words = line.split(" ");
      String token = words[0];
      Answer answer = text -> {
        synchronized (OUT) {
          OUT.println(token + " " + text);
        }
      };
      on(words[1], () -> told(token, words[1], Arrays.copyOfRange(words, 2, words.length), answer),
          answer);
    }
    System.exit(0);
  }

  private static void on(String where, Runnable what, Answer answer) {
    if (where.equals("-")) {
      what.run();
    } else if (Character.isDigit(where.charAt(0))) {
      WORKERS.computeIfAbsent(where, n -> new Worker()).told.add(what);
    } else {
      try {
        ((EventLoop) OBJECTS.get(where)).execute(what);
      } catch (RejectedExecutionException e) {
        answer.accept("SHUTDOWN");
      }
    }
  }

  private static void told(String token, String where, String[] words, Answer answer) {
    try {
      run(token, where, words, answer);
    } catch (EvpollException e) {
      answer.accept(outcome(e));
    } catch (UnresolvedAddressException e) {
      answer.accept("UNRESOLVED");
    } catch (RejectedExecutionException e) {
      answer.accept("SHUTDOWN");
    } catch (Exception | Error e) {
      answer.accept("BAD " + e);
    }
  }

  private static String outcome(EvpollException e) {
    return e.status() == Status.BAD_HANDLE ? "CLOSED" : e.status().name();
  }

  @SuppressWarnings("unchecked")
  private static <T> T the(String name) {
    return (T) OBJECTS.get(name);
  }

  private static <T> void when(String token, List<String> options, IoFuture<T> future,
      Answer answer, Function<T, String> said) {
    int limit = options.indexOf("limit");
    PENDING.put(token, future);
    if (limit >= 0) future.limit(Duration.ofMillis(Long.parseLong(options.get(limit + 1))));
    future.whenComplete((value, failure) -> {
      PENDING.remove(token);
      answer.accept(failure != null ? outcome(failure) : said.apply(value));
    });
  }

  private static void run(String token, String where, String[] w, Answer answer) throws Exception {
    List<String> options = Arrays.asList(w);
    switch (w[0]) {
      case "loop" -> {
        OBJECTS.put(w[1], EventLoop.start(w[1], PollerOptions.DEFAULT));
        answer.accept("OK");
      }
      case "stop" -> {
        EventLoop loop = the(w[1]);
        boolean here = loop.isLoopThread();
        Duration limit = Duration.ofMillis(w.length > 2 ? Long.parseLong(w[2]) : 20_000);
        answer.accept(loop.close(limit) || here ? "OK" : "EXPIRED");
      }
      case "ended" -> {
        EventLoop loop = the(w[1]);
        new Thread(() -> {
          while (!loop.awaitEnd(Duration.ofDays(1))) continue;
          answer.accept("OK");
        }).start();
      }
      case "pending" -> pending(the(w[1]), Long.parseLong(w[2]), answer);
      case "post" -> {
        EventLoop loop = the(w[1]);
        loop.execute(() -> answer.accept(loop.isLoopThread() ? "OK loop" : "OK other"));
      }
      case "timer" -> {
        EventLoop loop = the(w[1]);
        when(token, options, loop.delay(Duration.ofMillis(Long.parseLong(w[2]))), answer,
            n -> "OK");
      }
      case "gate" -> {
        CountDownLatch gate = new CountDownLatch(1);
        GATES.put(w[1], gate);
        answer.accept("OK");
        gate.await();
      }
      case "open" -> {
        if (w.length == 2) {
          GATES.get(w[1]).countDown();
        } else {
          EventLoop loop = the(w[2]);
          OBJECTS.put(w[1], loop.openFile(Path.of(w[3]), mode(w[4])));
        }
        answer.accept("OK");
      }
      case "throw" -> throwing(w[1], the(w[2]), answer);
      case "handler" -> {
        worse = true;
        answer.accept("OK");
      }
      case "listen" -> {
        EventLoop loop = the(w[2]);
        TcpListener listener = loop.listen(new InetSocketAddress("127.0.0.1", 0));
        OBJECTS.put(w[1], listener);
        answer.accept("OK " + text(listener.address()));
      }
      case "accept" -> {
        TcpListener listener = the(w[2]);
        when(token, options, listener.accept(), answer, stream -> {
          OBJECTS.put(w[1], stream);
          return "OK " + text(stream.remoteAddress()) + " " + text(stream.localAddress());
        });
      }
      case "connect" -> {
        EventLoop loop = the(w[2]);
        String host = w[3];
        int port = Integer.parseInt(w[4]);
        when(token, options, loop.connect(new InetSocketAddress(host, port)), answer, stream -> {
          OBJECTS.put(w[1], stream);
          return "OK";
        });
      }
      case "pair" -> {
        EventLoop one = the(w[3]);
        EventLoop two = the(w[4]);
        try (TcpListener listener = two.listen(new InetSocketAddress("127.0.0.1", 0))) {
          IoFuture<TcpStream> first = one.connect(listener.address());
          OBJECTS.put(w[2], listener.accept().await());
          OBJECTS.put(w[1], first.await());
        }
        answer.accept("OK");
      }
      case "read" -> {
        TcpStream stream = the(w[1]);
        ByteBuffer room = ByteBuffer.allocate(Integer.parseInt(w[2]));
        when(token, options, options.contains("all") ? stream.readFully(room) : stream.read(room),
            answer, n -> data(n, room));
      }
      case "write" -> {
        TcpStream stream = the(w[1]);
        when(token, options, stream.writeAll(bytes(w[2])), answer, n -> "OK " + n);
      }
      case "finish" -> {
        TcpStream stream = the(w[1]);
        when(token, options, stream.shutdownOutput(), answer, n -> "OK");
      }
      case "same" -> {
        TcpStream stream = the(w[1]);
        InetSocketAddress remote = stream.remoteAddress();
        answer.accept(remote.equals(stream.remoteAddress()) && stream.localAddress() != null
            ? "OK" : "WRONG");
      }
      case "nodelay" -> {
        TcpStream stream = the(w[1]);
        stream.setNoDelay(true);
        answer.accept("OK");
      }
      case "where" -> {
        TcpStream stream = the(w[1]);
        when(token, options, stream.read(ByteBuffer.allocate(1)), answer,
            n -> stream.toString() != null && Thread.currentThread().getName().equals(where)
                ? "OK loop" : "OK other");
      }
      case "readat" -> {
        AsyncFile file = the(w[1]);
        ByteBuffer room = ByteBuffer.allocate(Integer.parseInt(w[2]));
        long place = Long.parseLong(w[3]);
        when(token, options, options.contains("all") ? file.readFully(room, place)
            : file.read(room, place), answer, n -> data(n, room));
      }
      case "writeat" -> {
        AsyncFile file = the(w[1]);
        when(token, options, file.write(bytes(w[2]), Long.parseLong(w[3])), answer,
            n -> "OK " + n);
      }
      case "append" -> {
        AsyncFile file = the(w[1]);
        when(token, options, file.appendDurable(bytes(w[2])), answer, place -> "OK " + place);
      }
      case "size" -> {
        AsyncFile file = the(w[1]);
        when(token, options, file.size(), answer, n -> "OK " + n);
      }
      case "truncate" -> {
        AsyncFile file = the(w[1]);
        when(token, options, file.truncate(Long.parseLong(w[2])), answer, n -> "OK");
      }
      case "sync" -> {
        AsyncFile file = the(w[1]);
        when(token, options, file.sync(), answer, n -> "OK");
      }
      case "close" -> {
        AutoCloseable object = the(w[1]);
        object.close();
        answer.accept("OK");
      }
      case "cancel" -> {
        IoFuture<?> future = PENDING.get(w[1]);
        if (future != null) future.cancel();
        answer.accept("OK");
      }
      case "drop" -> {
        for (int i = 1; i < w.length; i++) OBJECTS.remove(w[i]);
        answer.accept("OK");
      }
      case "collect" -> {
        System.gc();
        System.runFinalization();
        answer.accept("OK");
      }
      case "repeat" -> new Repeat(token, where, w, answer).round();
      case "quit" -> {
        for (Object object : OBJECTS.values()) if (object instanceof EventLoop l) l.close();
        answer.accept("OK");
        System.exit(0);
      }
      default -> answer.accept("BAD " + w[0]);
    }
  }

  // ---- what is longer -------------------------------------------------------------------------

  private static volatile boolean worse;

  private static void pending(EventLoop loop, long n, Answer answer) {
    Thread asks = new Thread(() -> {
      try {
        while (loop.stats().ioInFlight() < n) Thread.yield();
        answer.accept("OK");
      } catch (Exception e) {
        answer.accept("BAD " + e);
      }
    });
    asks.setDaemon(true);
    asks.start();
  }

  private static void throwing(String kind, EventLoop loop, Answer answer) {
    RuntimeException thrown = new RuntimeException("thrown");
    loop.onError((thread, e) -> {
      answer.accept(e == thrown ? "THROWN" : "WRONG " + e);
      if (worse) throw new IllegalStateException("the handler throws");
    });
    Runnable throwing = () -> {
      throw thrown;
    };
    switch (kind) {
      case "post" -> loop.execute(throwing);
      case "timer" -> loop.schedule(Duration.ofMillis(1), throwing);
      default -> loop.delay(Duration.ofMillis(1)).whenComplete((n, failure) -> throwing.run());
    }
  }

  /** Rounds of the same, counted. */
  private static final class Repeat {
    final String token;
    final String self;
    final Answer answer;
    final int rounds;
    final List<String[]> slots = new ArrayList<>();
    final List<String> separators = new ArrayList<>();
    final List<Map<String, Integer>> counts = new ArrayList<>();
    int number;

    Repeat(String token, String self, String[] w, Answer answer) {
      this.token = token;
      this.self = self;
      this.answer = answer;
      rounds = Integer.parseInt(w[1]);
      for (int i = 2; i < w.length; i++) {
        if (w[i].equals(":") || w[i].equals("&")) {
          separators.add(w[i]);
          slots.add(new String[0]);
          counts.add(new TreeMap<>());
        } else {
          String[] slot = slots.get(slots.size() - 1);
          slot = Arrays.copyOf(slot, slot.length + 1);
          slot[slot.length - 1] = w[i];
          slots.set(slots.size() - 1, slot);
        }
      }
    }

    /** On the thread that repeats, which waits here: it is none of a loop's. */
    void round() throws InterruptedException {
      for (; number < rounds; number++) {
        CountDownLatch[] ended = new CountDownLatch[slots.size()];
        for (int i = 0; i < ended.length; i++) {
          if (separators.get(i).equals(":"))
            for (int k = 0; k < i; k++) ended[k].await();
          ended[i] = new CountDownLatch(1);
          start(i, ended[i]);
        }
        for (CountDownLatch one : ended) one.await();
      }
      StringBuilder text = new StringBuilder("OK");
      for (int i = 0; i < slots.size(); i++) {
        StringBuilder slot = new StringBuilder();
        counts.get(i).forEach((outcome, n) ->
            slot.append(slot.length() == 0 ? "" : ",").append(outcome).append('=').append(n));
        text.append(' ').append(i + 1).append(':').append(slot);
      }
      answer.accept(text.toString());
    }

    private String named(int slot) {
      return token + "/" + number + "/" + slot;
    }

    private void start(int i, CountDownLatch ended) {
      String[] slot = slots.get(i);
      String[] words = new String[slot.length - 1];
      for (int k = 1; k < slot.length; k++) {
        words[k - 1] = slot[k].replace("$", String.format("%06d", number));
        if (words[k - 1].matches("\\.\\d+"))
          words[k - 1] = named(Integer.parseInt(words[k - 1].substring(1)));
      }
      Answer counted = text -> {
        String outcome = words[0].equals("accept") || words[0].equals("listen")
            ? text.split(" ")[0] : text.replace(' ', '_');
        synchronized (counts) {
          counts.get(i).merge(outcome, 1, Integer::sum);
        }
        ended.countDown();
      };
      String where = slot[0].equals("-") ? self : slot[0];
      Runnable what = () -> told(named(i + 1), where, words, counted);
      if (where.equals(self)) what.run();
      else on(where, what, counted);
    }
  }

  private static FileFlag[] mode(String mode) {
    return switch (mode) {
      case "r" -> new FileFlag[] {FileFlag.READ};
      case "w" -> new FileFlag[] {FileFlag.READ, FileFlag.WRITE, FileFlag.CREATE,
          FileFlag.TRUNCATE};
      default -> new FileFlag[] {FileFlag.WRITE, FileFlag.CREATE, FileFlag.APPEND,
          FileFlag.DURABLE};
    };
  }

  private static String text(InetSocketAddress address) {
    return address.getAddress().getHostAddress() + ":" + address.getPort();
  }

  private static ByteBuffer bytes(String data) {
    int star = data.indexOf('*');
    String text = star < 0 ? data : data.substring(star + 1).repeat(
        Integer.parseInt(data.substring(0, star)));
    return ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII));
  }

  private static String data(int n, ByteBuffer room) {
    if (n < 0) return "END";
    if (n == 0) return "OK 0";
    if (n <= 32) return "OK " + n + " " + new String(room.array(), 0, n, StandardCharsets.US_ASCII);
    int hash = 0x811c9dc5;
    for (int i = 0; i < n; i++) hash = (hash ^ room.array()[i] & 0xFF) * 0x01000193;
    return "OK " + n + " #" + String.format("%08x", hash);
  }
}
