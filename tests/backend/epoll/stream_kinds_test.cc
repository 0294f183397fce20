// SPDX-License-Identifier: MIT
// Operations on what only Linux has, or has in its own way: pipes, FIFOs, terminals, devices,
// packet pipes, AF_UNIX; and the calls after which a short read does not mean that there is no
// more.
#include "linux.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>

namespace evp {
namespace {

class StreamKinds : public Contract {
protected:
  uint64_t Start(evpoll_io io) {
    EXPECT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
    EXPECT_NE(0u, io.op);
    return io.op;
  }
  evpoll_io Read(int fd, uint64_t token = 1, uint64_t length = 100) {
    return MakeIo(EVPOLL_OP_READ, fd, token, bytes + 1000 * token, length);
  }
  evpoll_io Write(int fd, const char *text, uint64_t token = 2) {
    return MakeIo(EVPOLL_OP_WRITE, fd, token, const_cast<char *>(text), std::strlen(text));
  }
  std::string Got(const evpoll_event &e) {
    EXPECT_EQ(0, e.status) << evpoll_strerror(e.status);
    return std::string(bytes + 1000 * e.token, static_cast<size_t>(e.result));
  }
  void Put(int fd, const std::string &text) {
    ASSERT_EQ(static_cast<ssize_t>(text.size()), write(fd, text.data(), text.size()));
  }
  // Two queued reads get what two writes put, or one write and the end.
  void ExpectBothReads(int fd, const std::function<void()> &put, const char *first,
                       const char *second) {
    ASSERT_EQ(0, Serve(p, fd));
    Start(Read(fd, 1));
    Start(Read(fd, 2));
    put();
    const auto events = WaitFor(2);
    EXPECT_EQ(first, Got(events[0]));
    EXPECT_EQ(second, Got(events[1]));
    EXPECT_EQ(0, evpoll_remove(p, fd, kServed));
  }
  char bytes[10000] = {};
};
INSTANTIATE_TEST_SUITE_P(On, StreamKinds, ::testing::ValuesIn(Configs()), ConfigName);

struct Fds {
  OwnFd a, b;
};
std::unique_ptr<Fds> UnixPair(int type) {
  int fds[2] = {-1, -1};
  EXPECT_EQ(0, socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
  return std::unique_ptr<Fds>(new Fds{OwnFd(fds[0]), OwnFd(fds[1])});
}
std::unique_ptr<Fds> PipeOf(int flags) {
  int fds[2] = {-1, -1};
  EXPECT_EQ(0, pipe2(fds, flags | O_CLOEXEC));
  return std::unique_ptr<Fds>(new Fds{OwnFd(fds[0]), OwnFd(fds[1])});
}
// The two sides of a terminal; the second is the one of the programs.
std::unique_ptr<Fds> Terminal(int flags) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (master < 0) return nullptr;
  EXPECT_EQ(0, grantpt(master));
  EXPECT_EQ(0, unlockpt(master));
  const int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC | flags);
  return std::unique_ptr<Fds>(new Fds{OwnFd(master), OwnFd(slave)});
}
#define GATE_TERMINAL(t) EVP_GATE(t != nullptr, "terminal", "no pseudo-terminal can be had")

/* ---- the five that hang ---- */

TEST_P(StreamKinds, DataAndEndOfAConnection) {
  for (int round = 0; round < 20; round++) {
    TcpPair s;
    ExpectBothReads(
        Fd(s.b),
        [&] {
          Put(Fd(s.a), "abc");
          EXPECT_EQ(0, shutdown(Fd(s.a), SHUT_WR));
        },
        "abc", "");
  }
}

TEST_P(StreamKinds, AnUrgentMarkOfAConnection) {
  TcpPair s;
  ExpectBothReads(
      Fd(s.b),
      [&] {
        Put(Fd(s.a), "abc");
        EXPECT_EQ(1, send(Fd(s.a), "X", 1, MSG_OOB));
        Put(Fd(s.a), "defghi");
      },
      "abc", "defghi");
}

TEST_P(StreamKinds, RightsBetweenTheBytesOfALocalSocket) {
  auto s = UnixPair(SOCK_STREAM);
  ExpectBothReads(
      s->b,
      [&] {
        iovec piece = {const_cast<char *>("abc"), 3};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        msghdr m = {};
        m.msg_iov = &piece;
        m.msg_iovlen = 1;
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        const int fd = s->a;
        std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
        EXPECT_EQ(3, sendmsg(s->a, &m, 0));
        Put(s->a, "defghi");
      },
      "abc", "defghi");
}

TEST_P(StreamKinds, PacketsOfAPipe) {
  auto pipe = PipeOf(O_NONBLOCK | O_DIRECT);
  ExpectBothReads(
      pipe->a,
      [&] {
        Put(pipe->b, "abc");
        Put(pipe->b, "defghi");
      },
      "abc", "defghi");
}

TEST_P(StreamKinds, LinesOfATerminal) {
  auto t = Terminal(O_NONBLOCK);
  GATE_TERMINAL(t);
  ExpectBothReads(
      t->b, [&] { Put(t->a, "abc\ndefgh\n"); }, "abc\n", "defgh\n");
}

/* ---- pipes ---- */

TEST_P(StreamKinds, ABlockingPipeIsServedAndStaysBlocking) {
  auto pipe = PipeOf(0);
  const int before[] = {fcntl(pipe->a, F_GETFL), fcntl(pipe->b, F_GETFL)};
  const int served = Serve(p, pipe->a);
  EVP_GATE(served == 0, "pipes without waiting", "the kernel has no RWF_NOWAIT for pipes");
  ASSERT_EQ(0, Serve(p, pipe->b));
  Start(Read(pipe->a));
  ExpectQuiet();
  ExpectNoSpin();
  Start(Write(pipe->b, "hello"));
  for (const evpoll_event &e : WaitFor(2)) EXPECT_EQ(5, e.result);
  /* One that is full waits, and goes on. */
  std::string large(1 << 20, 'x');
  evpoll_io all = MakeIo(EVPOLL_OP_WRITE, pipe->b, 3, large.data(), large.size());
  all.flags = EVPOLL_OPF_ALL;
  Start(all);
  ExpectQuiet();
  size_t came = 0;
  Thread reader([&] {
    char part[65536];
    for (ssize_t n; came < large.size() && (n = read(pipe->a, part, sizeof part)) > 0;)
      came += static_cast<size_t>(n);
  });
  const evpoll_event e = WaitOne();
  EXPECT_EQ(static_cast<int64_t>(large.size()), e.result);
  reader.Join();
  EXPECT_EQ(large.size(), came);
  EXPECT_EQ(before[0], fcntl(pipe->a, F_GETFL));
  EXPECT_EQ(before[1], fcntl(pipe->b, F_GETFL));
  ExpectNoSpin();
}

TEST_P(StreamKinds, ANonBlockingPipe) {
  auto pipe = PipeOf(O_NONBLOCK);
  ASSERT_EQ(0, Serve(p, pipe->a));
  ASSERT_EQ(0, Serve(p, pipe->b));
  Start(Read(pipe->a));
  Start(Write(pipe->b, "abc"));
  for (const evpoll_event &e : WaitFor(2)) EXPECT_EQ(3, e.result);
  pipe->b.Close();
}

TEST_P(StreamKinds, APipeEnds) {
  auto pipe = PipeOf(O_NONBLOCK);
  ASSERT_EQ(0, Serve(p, pipe->a));
  Start(Read(pipe->a, 1));
  Start(Read(pipe->a, 2));
  Put(pipe->b, "abc");
  pipe->b.Close();
  const auto events = WaitFor(2);
  EXPECT_EQ("abc", Got(events[0]));
  EXPECT_EQ("", Got(events[1]));
}

TEST_P(StreamKinds, APipeIsClosedByItsOperation) {
  auto pipe = PipeOf(O_NONBLOCK);
  const int fd = fcntl(pipe->a, F_DUPFD_CLOEXEC, 100);
  ASSERT_EQ(0, Serve(p, fd));
  Start(Read(fd, 1));
  Start(MakeIo(EVPOLL_OP_CLOSE, fd, 9));
  const auto events = WaitFor(2);
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, events[0].status);
  EXPECT_EQ(9u, events[1].token);
  EXPECT_EQ(-1, fcntl(fd, F_GETFD));
}

TEST_P(StreamKinds, VectorsOfAPipe) {
  auto pipe = PipeOf(O_NONBLOCK);
  ASSERT_EQ(0, Serve(p, pipe->a));
  ASSERT_EQ(0, Serve(p, pipe->b));
  char a[] = "ab", b[] = "cd", c[3] = {}, d[3] = {};
  evpoll_iovec v[] = {{EVPOLL_ADDR(a), 2}, {EVPOLL_ADDR(b), 2}};
  evpoll_iovec w[] = {{EVPOLL_ADDR(c), 2}, {EVPOLL_ADDR(d), 2}};
  EXPECT_EQ(4, RunIo(MakeIo(EVPOLL_OP_WRITEV, pipe->b, 1, v, 2)).result);
  EXPECT_EQ(4, RunIo(MakeIo(EVPOLL_OP_READV, pipe->a, 1, w, 2)).result);
  EXPECT_STREQ("ab", c);
  EXPECT_STREQ("cd", d);
}

TEST_P(StreamKinds, TheWrongEndIsABadHandle) {
  auto pipe = PipeOf(O_NONBLOCK);
  ASSERT_EQ(0, Serve(p, pipe->a));
  ASSERT_EQ(0, Serve(p, pipe->b));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, RunIo(Write(pipe->a, "x")).status);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, RunIo(Read(pipe->b)).status);
}

TEST_P(StreamKinds, SocketOperationsOfAPipeAreUnsupported) {
  auto pipe = PipeOf(O_NONBLOCK);
  ASSERT_EQ(0, Serve(p, pipe->a));
  for (uint32_t code : {EVPOLL_OP_ACCEPT, EVPOLL_OP_CONNECT, EVPOLL_OP_SHUTDOWN,
                        EVPOLL_OP_RECV_MESSAGE, EVPOLL_OP_SEND_MESSAGE, EVPOLL_OP_FSYNC}) {
    evpoll_io io = MakeIo(code, pipe->a, 1);
    EXPECT_EQ(0, evpoll_submit(p, &io, 1));
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, io.status) << code;
  }
  evpoll_io io = MakeIo(EVPOLL_OP_CLOSE, pipe->a, 1);
  io.flags = EVPOLL_OPF_ABORT;
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, io.status);
}

TEST_P(StreamKinds, TheLookTakesAndPutsNothing) {
  auto pipe = PipeOf(0);
  Put(pipe->b, "kept");
  evpoll_handle ends[] = {pipe->a, pipe->b};
  for (int round = 0; round < 3; round++)
    for (evpoll_handle h : ends) {
      if (Serve(p, h) == 0) {
        EXPECT_EQ(0, evpoll_remove(p, h, kServed));
      }
    }
  char text[8] = {};
  EXPECT_EQ(4, read(pipe->a, text, sizeof text));
  EXPECT_STREQ("kept", text);
  pollfd one = {pipe->a, POLLIN, 0};
  EXPECT_EQ(0, poll(&one, 1, 0)) << "an empty piece was left";
}

TEST_P(StreamKinds, AFifo) {
  const std::string path = "evpoll-fifo-" + std::to_string(getpid());
  ASSERT_EQ(0, mkfifo(path.c_str(), 0600));
  OwnFd r(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  OwnFd w(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_EQ(0, unlink(path.c_str()));
  ASSERT_EQ(0, Serve(p, r));
  ASSERT_EQ(0, Serve(p, w));
  Start(Read(r));
  Start(Write(w, "abc"));
  for (const evpoll_event &e : WaitFor(2)) EXPECT_EQ(3, e.result);
  fcntl(r, F_SETFL, 0); /* one that would wait */
  EXPECT_EQ(0, evpoll_remove(p, r, kServed));
  const int32_t served = Serve(p, r);
  EXPECT_TRUE(served == 0 || served == EVPOLL_ERR_UNSUPPORTED) << served;
  if (served < 0) return;
  Start(Read(r)); /* and if it is taken, it does not */
  ExpectQuiet();
}

/* ---- SIGPIPE ---- */

struct Signals {
  sigset_t before;
  Signals() { pthread_sigmask(SIG_BLOCK, nullptr, &before); }
  static bool Pending() {
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, SIGPIPE) == 1;
  }
  void ExpectMaskAsBefore() const {
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, nullptr, &now);
    for (int s = 1; s < 65; s++) EXPECT_EQ(sigismember(&before, s), sigismember(&now, s)) << s;
  }
};

TEST_P(StreamKinds, NoReaderIsAnErrorAndNoSignal) {
  PipeSignals counted;
  Signals signals;
  auto pipe = PipeOf(O_NONBLOCK);
  ASSERT_EQ(0, Serve(p, pipe->b));
  pipe->a.Close();
  for (uint32_t flags : {0, EVPOLL_OPF_ALL}) {
    evpoll_io io = Write(pipe->b, "x");
    io.flags = flags;
    EXPECT_EQ(EVPOLL_ERR_BROKEN_PIPE, RunIo(io).status);
  }
  EXPECT_EQ(0, counted.Count());
  EXPECT_FALSE(Signals::Pending());
  signals.ExpectMaskAsBefore();
  auto other = PipeOf(0); /* the look at one without a reader */
  other->a.Close();
  if (Serve(p, other->b) == 0) {
    EXPECT_EQ(0, evpoll_remove(p, other->b, kServed));
  }
  EXPECT_EQ(0, counted.Count());
  EXPECT_FALSE(Signals::Pending());
  signals.ExpectMaskAsBefore();
}

TEST_P(StreamKinds, ASignalThatTheProgramHoldsBackStays) {
  PipeSignals counted;
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &set, &old));
  auto pipe = PipeOf(O_NONBLOCK);
  ASSERT_EQ(0, Serve(p, pipe->b));
  pipe->a.Close();
  EXPECT_EQ(EVPOLL_ERR_BROKEN_PIPE, RunIo(Write(pipe->b, "x")).status);
  EXPECT_FALSE(Signals::Pending()) << "that one was ours";
  ASSERT_EQ(0, raise(SIGPIPE));
  EXPECT_EQ(EVPOLL_ERR_BROKEN_PIPE, RunIo(Write(pipe->b, "x")).status);
  EXPECT_TRUE(Signals::Pending()) << "that one is the program's";
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  EXPECT_EQ(1, sigismember(&now, SIGPIPE));
  EXPECT_EQ(0, counted.Count());
  ASSERT_EQ(0, pthread_sigmask(SIG_SETMASK, &old, nullptr));
  EXPECT_EQ(1, counted.Count());
}

/* ---- terminals ---- */

TEST_P(StreamKinds, ATerminalIsReadAndWritten) {
  auto t = Terminal(O_NONBLOCK);
  GATE_TERMINAL(t);
  ASSERT_EQ(0, Serve(p, t->b));
  Start(Read(t->b));
  Put(t->a, "typed");
  ExpectQuiet(); /* no line yet */
  Put(t->a, "\n");
  EXPECT_EQ("typed\n", Got(WaitOne()));
  EXPECT_EQ(2u, RunIo(Write(t->b, "shown\n")).token);
  std::string shown; /* behind the echo of what was typed */
  EXPECT_TRUE(Until([&] {
    char text[64];
    const ssize_t n = read(t->a, text, sizeof text);
    if (n > 0) shown.append(text, static_cast<size_t>(n));
    return shown.find("shown") != std::string::npos;
  }));
  ExpectNoSpin();
}

TEST_P(StreamKinds, TheLookAtATerminalTakesNoLine) {
  for (int flags : {O_NONBLOCK, 0}) {
    auto t = Terminal(flags);
    GATE_TERMINAL(t);
    Put(t->a, "typed before\n");
    pollfd one = {t->b, POLLIN, 0};
    ASSERT_EQ(1, poll(&one, 1, 1000));
    const int32_t served = Serve(p, t->b);
    EXPECT_TRUE(served == 0 || (flags == 0 && served == EVPOLL_ERR_UNSUPPORTED)) << served;
    ASSERT_EQ(1, poll(&one, 1, 0)) << "the line is gone";
    char text[64] = {};
    EXPECT_EQ(13, read(t->b, text, sizeof text - 1));
    EXPECT_STREQ("typed before\n", text);
    if (served == 0) {
      EXPECT_EQ(0, evpoll_remove(p, t->b, kServed));
    }
  }
}

TEST_P(StreamKinds, ATerminalThatHangsUp) {
  auto t = Terminal(O_NONBLOCK);
  GATE_TERMINAL(t);
  ASSERT_EQ(0, Serve(p, t->b));
  Start(Read(t->b));
  t->a.Close();
  const evpoll_event e = WaitOne();
  EXPECT_TRUE(e.status < 0 || e.result == 0);
}

/* ---- devices ---- */

TEST_P(StreamKinds, DevicesThatAreAlwaysReady) {
  for (const char *path : {"/dev/zero", "/dev/urandom", "/dev/null"}) {
    OwnFd fd(open(path, O_RDWR | O_CLOEXEC));
    ASSERT_EQ(0, Serve(p, fd)) << path;
    const evpoll_event e = RunIo(Read(fd));
    EXPECT_EQ(0, e.status) << path << evpoll_strerror(e.status);
    EXPECT_EQ(std::strcmp(path, "/dev/null") ? 100 : 0, e.result) << path;
    if (std::strcmp(path, "/dev/urandom")) {
      EXPECT_EQ(3, RunIo(Write(fd, "abc")).result) << path;
    }
    evpoll_io io = Read(fd);
    io.flags = EVPOLL_OPF_NOWAIT;
    EXPECT_EQ(1, evpoll_submit(p, &io, 1)) << path;
    const evpoll_event ready = RunIo(MakeIo(EVPOLL_OP_POLL, fd, 3, nullptr, EVPOLL_READABLE));
    EXPECT_EQ(EVPOLL_READABLE, ready.result) << path;
    std::vector<char> large(10 << 20);
    io = MakeIo(EVPOLL_OP_READ, fd, 4, large.data(), large.size());
    io.flags = EVPOLL_OPF_ALL;
    if (!std::strcmp(path, "/dev/zero")) {
      EXPECT_EQ(static_cast<int64_t>(large.size()), RunIo(io).result);
    }
    EXPECT_EQ(0, evpoll_remove(p, fd, kServed));
    ExpectNoSpin();
  }
}

/* ---- local sockets ---- */

TEST_P(StreamKinds, ALocalWriterIsToldOfRoomOnlyWhileItWaits) {
  auto s = UnixPair(SOCK_STREAM);
  ASSERT_EQ(0, Serve(p, s->a));
  std::string large(2000000, 'x');
  evpoll_io all = MakeIo(EVPOLL_OP_WRITE, s->a, 1, large.data(), large.size());
  all.flags = EVPOLL_OPF_ALL;
  Start(all);
  ExpectQuiet();
  size_t came = 0;
  std::atomic<bool> stop{false};
  Thread reader([&] {
    char part[1000]; /* slowly: each read may be an edge */
    while (!stop) {
      const ssize_t n = read(s->b, part, sizeof part);
      if (n > 0) came += static_cast<size_t>(n);
      if (came == large.size()) break;
    }
  });
  EXPECT_EQ(static_cast<int64_t>(large.size()), WaitOne().result);
  reader.Join();
  /* Now nobody waits to write: the peer's reads wake nobody. */
  for (int i = 0; i < 3; i++) {
    evpoll_io one = Write(s->a, "x");
    one.flags = EVPOLL_OPF_INLINE;
    EXPECT_EQ(1, evpoll_submit(p, &one, 1));
    EXPECT_EQ(0u, one.op);
    char byte;
    EXPECT_EQ(1, read(s->b, &byte, 1));
    ExpectQuiet();
  }
  const uint64_t before = Stats().spurious_returns;
  Thread busy([&] {
    char part[1000] = {};
    for (int i = 0; i < 1000; i++) {
      EXPECT_EQ(1000, send(s->a, part, 1000, MSG_DONTWAIT));
      EXPECT_EQ(1000, read(s->b, part, 1000));
    }
  });
  EXPECT_EQ(0u, Wait(30 * kMillisecond).size());
  busy.Join();
  EXPECT_LE(Stats().spurious_returns, before + 2) << "an edge for each of the peer's reads";
}

TEST_P(StreamKinds, LocalDatagramsWaitForRoom) {
  auto s = UnixPair(SOCK_DGRAM);
  ASSERT_EQ(0, Serve(p, s->a));
  ASSERT_EQ(0, Serve(p, s->b));
  std::string text(1000, 'x');
  constexpr size_t kMany = 2000;
  std::vector<evpoll_io> ios;
  for (size_t i = 0; i < kMany; i++)
    ios.push_back(MakeIo(EVPOLL_OP_WRITE, s->a, 1, text.data(), text.size()));
  EXPECT_EQ(static_cast<int32_t>(kMany), evpoll_submit(p, ios.data(), kMany));
  size_t written = 0, read = 0;
  Start(Read(s->b, 2, 1000));
  while (written + read < 2 * kMany && !HasFailure())
    for (const evpoll_event &e : Wait()) {
      EXPECT_EQ(0, e.status) << evpoll_strerror(e.status);
      EXPECT_EQ(1000, e.result);
      if (e.token == 1) written++;
      if (e.token == 2 && ++read < kMany) Start(Read(s->b, 2, 1000));
    }
  ExpectNoSpin();
}

TEST_P(StreamKinds, ALocalConnectionIsAcceptedAndConnected) {
  OwnFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  std::snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "evpoll-%d", getpid());
  const socklen_t length =
      offsetof(sockaddr_un, sun_path) + 1 + static_cast<socklen_t>(std::strlen(name.sun_path + 1));
  ASSERT_EQ(0, bind(listener, reinterpret_cast<sockaddr *>(&name), length));
  ASSERT_EQ(0, listen(listener, 4));
  ASSERT_EQ(0, Serve(p, listener));
  evpoll_address names[2] = {};
  Start(MakeIo(EVPOLL_OP_ACCEPT, listener, 1, names, 2));
  OwnFd c(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ASSERT_EQ(0, Serve(p, c));
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, RunIo(MakeIo(EVPOLL_OP_CONNECT, c, 2)).status);
  ASSERT_EQ(0, connect(c, reinterpret_cast<sockaddr *>(&name), length));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(0, e.status);
  OwnFd server(static_cast<int>(e.result));
  EXPECT_EQ(O_NONBLOCK, fcntl(server, F_GETFL) & O_NONBLOCK);
  EXPECT_EQ(FD_CLOEXEC, fcntl(server, F_GETFD));
  EXPECT_EQ(EVPOLL_FAMILY_UNIX, static_cast<int>(names[1].family));
  EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_CONNECT, c, 2)).status);
}

TEST_P(StreamKinds, AnAcceptThatWouldWaitIsUnsupported) {
  OwnFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(0, listen(listener, 4));
  ASSERT_EQ(0, Serve(p, listener));
  for (uint32_t flags : {0, EVPOLL_OPF_INLINE, EVPOLL_OPF_NOWAIT}) {
    evpoll_io io = MakeIo(EVPOLL_OP_ACCEPT, listener, 1);
    io.flags = flags;
    EXPECT_EQ(0, evpoll_submit(p, &io, 1));
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, io.status);
  }
}

TEST_P(StreamKinds, ASocketThatNeverConnectedSaysSo) {
  OwnFd s(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ASSERT_EQ(0, Serve(p, s));
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, RunIo(MakeIo(EVPOLL_OP_CONNECT, s, 1)).status);
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, RunIo(Read(s)).status);
  EXPECT_GT(0, RunIo(Write(s, "x")).status);
}

TEST_P(StreamKinds, ABlockingSocketIsServedAndStaysBlocking) {
  TcpPair s;
  FillUp(s.b);
  fcntl(Fd(s.b), F_SETFL, 0);
  ASSERT_EQ(0, Serve(p, s.b));
  Start(Read(Fd(s.b)));
  ExpectQuiet();
  const uint64_t op = Start(Write(Fd(s.b), "late"));
  ExpectQuiet();
  EXPECT_EQ(1, evpoll_cancel(p, op));
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, WaitOne().status);
  Put(Fd(s.a), "x");
  EXPECT_EQ("x", Got(WaitOne()));
  EXPECT_EQ(0, fcntl(Fd(s.b), F_GETFL) & O_NONBLOCK);
}

TEST_P(StreamKinds, ThreadsReadingTheSameStreamElsewhereStealButHangNothing) {
  TcpPair s;
  const int thief = dup(Fd(s.b));
  ASSERT_EQ(0, Serve(p, s.b));
  for (int round = 0; round < 200; round++) {
    Start(Read(Fd(s.b)));
    Put(Fd(s.a), "x");
    char byte;
    const bool stolen = recv(thief, &byte, 1, MSG_DONTWAIT) == 1;
    if (stolen) Put(Fd(s.a), "y");
    EXPECT_EQ(stolen ? "y" : "x", Got(WaitOne()));
  }
  close(thief);
}

TEST_P(StreamKinds, ARefusedDatagramIsTheNextOnesError) {
  evpoll_handle u = -1;
  ASSERT_EQ(0, evpoll_socket_udp_bind("127.0.0.1", 0, &u));
  sockaddr_storage to = {};
  socklen_t length = sizeof to;
  evpoll_handle gone = -1;
  ASSERT_EQ(0, evpoll_socket_udp_bind("127.0.0.1", 0, &gone));
  ASSERT_EQ(0, getsockname(Fd(gone), reinterpret_cast<sockaddr *>(&to), &length));
  ASSERT_EQ(0, evpoll_socket_close(gone));
  ASSERT_EQ(0, connect(Fd(u), reinterpret_cast<sockaddr *>(&to), length));
  ASSERT_EQ(0, Serve(p, u));
  Start(Read(Fd(u)));
  EXPECT_EQ(1, send(Fd(u), "x", 1, 0));
  EXPECT_EQ(EVPOLL_ERR_REFUSED, WaitOne().status);
  Start(Read(Fd(u)));
  ExpectQuiet();
  EXPECT_EQ(1, evpoll_cancel_handle(p, u));
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, WaitOne().status);
  EXPECT_EQ(0, evpoll_remove(p, u, kServed));
  EXPECT_EQ(0, evpoll_socket_close(u));
}

#if defined(__LP64__)
// A thread that was cancelled goes on until it has left the library: what it calls there is no
// cancellation point, or it would be inside for ever.
TEST_P(StreamKinds, AThreadThatWasCancelledLeavesTheWait) {
  TcpPair s;
  for (const evpoll_handle h : {s.a, s.b}) ASSERT_LE(0, evpoll_add(p, h, 0, 0, EVPOLL_OPERATIONS));
  struct Work {
    std::function<void()> calls;
    std::atomic<bool> cancelled{false}, left{false};
  } work;
  work.calls = [&] {
    evpoll_event events[4];
    evpoll_io ios[] = {Read(Fd(s.a)), Write(Fd(s.b), "x")};
    ios[1].flags = EVPOLL_OPF_INLINE;
    evpoll_turn(p, nullptr, 0, ios, 2, events, 4, 0);
    evpoll_io poll = MakeIo(EVPOLL_OP_POLL, s.a, 3, nullptr, EVPOLL_WRITABLE);
    evpoll_turn(p, nullptr, 0, &poll, 1, events, 4, 0);
  };
  const auto run = [](void *argument) -> void * {
    auto *w = static_cast<Work *>(argument);
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    while (!w->cancelled) {
    }
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
    w->calls();
    w->left = true;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return nullptr;
  };
  pthread_t thread;
  ASSERT_EQ(0, pthread_create(&thread, nullptr, run, &work));
  ASSERT_EQ(0, pthread_cancel(thread));
  work.cancelled = true;
  void *end = nullptr;
  ASSERT_EQ(0, pthread_join(thread, &end));
  EXPECT_EQ(nullptr, end);
  EXPECT_TRUE(work.left);
}
#endif

} // namespace
} // namespace evp
