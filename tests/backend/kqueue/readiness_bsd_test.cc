// SPDX-License-Identifier: MIT
// What kqueue does otherwise than the rest: pipes without a reader, duplicates, fork, files.
#include <sys/wait.h>

#include <utility>

#include "freebsd.h"

namespace {

using namespace evp;

EVP_CONTRACT(Kqueue);

struct Pipe {
  int fd[2] = {-1, -1};
  Pipe() { EXPECT_EQ(0, pipe(fd)); }
  ~Pipe() {
    Close(0);
    Close(1);
  }
  Pipe(const Pipe &) = delete;
  // By the library: the simulated kernel has to know.
  void Close(int end) {
    if (fd[end] >= 0) {
      EXPECT_EQ(0, evpoll_socket_close(fd[end]));
    }
    fd[end] = -1;
  }
};

constexpr uint32_t kBroken = EVPOLL_WRITABLE | EVPOLL_WRITE_CLOSED;

TEST_P(Kqueue, APipeWithoutAReaderCanBeAdded) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pipe pipe;
    pipe.Close(0);
    ASSERT_EQ(0, evpoll_add(p, pipe.fd[1], 7, EVPOLL_WRITABLE, mode));
    EXPECT_EQ(kBroken, WaitOne().events);
    if (mode == EVPOLL_LEVEL) {
      EXPECT_EQ(kBroken, WaitOne().events) << "it stays true";
    } else {
      ExpectNoSpin();
    }
    if (mode == EVPOLL_ONESHOT) {
      ASSERT_EQ(0, evpoll_rearm(p, pipe.fd[1], 7, EVPOLL_WRITABLE));
      EXPECT_EQ(kBroken, WaitOne().events);
    }
    ASSERT_EQ(0, evpoll_modify(p, pipe.fd[1], 7, EVPOLL_WRITABLE, mode));
    EXPECT_EQ(kBroken, WaitOne().events);
    EXPECT_EQ(0, evpoll_remove(p, pipe.fd[1], 7));
    ExpectNoSpin();
  }
}

TEST_P(Kqueue, APipeThatLosesItsReaderGoesOnReporting) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pipe pipe;
    ASSERT_EQ(0, evpoll_add(p, pipe.fd[1], 7, EVPOLL_WRITABLE, mode));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
    pipe.Close(0);
    if (mode == EVPOLL_ONESHOT) {
      ASSERT_EQ(0, evpoll_rearm(p, pipe.fd[1], 7, EVPOLL_WRITABLE));
    }
    EXPECT_EQ(kBroken, WaitOne().events);
    if (mode == EVPOLL_LEVEL) {
      for (int i = 0; i < 3; i++) EXPECT_EQ(kBroken, WaitOne().events);
    } else {
      ExpectNoSpin();
    }
    ASSERT_EQ(0, evpoll_modify(p, pipe.fd[1], 7, EVPOLL_WRITABLE, mode));
    EXPECT_EQ(kBroken, WaitOne().events);
    EXPECT_EQ(0, evpoll_remove(p, pipe.fd[1], 7));
    ExpectNoSpin();
  }
}

TEST_P(Kqueue, ABrokenPipeThatIsClosedIsForgotten) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pipe pipe;
    pipe.Close(0);
    ASSERT_EQ(0, evpoll_add(p, pipe.fd[1], 7, EVPOLL_WRITABLE, mode));
    pipe.Close(1);
    ExpectNoSpin();
    Pair fresh; // has the number, as a rule
    ExpectNoSpin();
  }
}

TEST_P(Kqueue, AClosedDescriptorIsForgottenThoughADuplicateLives) {
  Pair s;
  const int copy = dup(static_cast<int>(s.a));
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  Send(s.b, "x");
  WaitOne();
  s.CloseA();
  ExpectNoSpin();
  EXPECT_EQ(0, evpoll_socket_close(copy));
}

TEST_P(Kqueue, OneEventTellsOfBothDirections) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, kBoth, EVPOLL_ONESHOT));
  EXPECT_EQ(kBoth, WaitOne().events);
  ExpectNoSpin();
}

// A kqueue can be watched for READ only.
TEST_P(Kqueue, ARefusedChangeLeavesTheRegistrationAsItWas) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    const int watched = kqueue();
    ASSERT_LE(0, watched);
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_add(p, watched, 7, kBoth, mode));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, watched, 7));
    ASSERT_EQ(0, evpoll_add(p, watched, 7, EVPOLL_READABLE, mode));
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_modify(p, watched, 7, kBoth, EVPOLL_LEVEL));
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_add(p, watched, 8, kBoth, EVPOLL_LEVEL));
    struct kevent ring[2];
    EV_SET(&ring[0], 1, EVFILT_USER, EV_ADD, 0, 0, nullptr);
    EV_SET(&ring[1], 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, nullptr);
    ASSERT_EQ(0, kevent(watched, ring, 2, nullptr, 0, nullptr));
    const evpoll_event e = WaitOne();
    EXPECT_EQ(7u, e.token);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), e.events);
    if (mode != EVPOLL_LEVEL) ExpectQuiet();
    EXPECT_EQ(0, evpoll_remove(p, watched, 7));
    EXPECT_EQ(0, evpoll_socket_close(watched));
  }
}

// The end of a stream alone: interest EVPOLL_READ_CLOSED.
class KqueueEnd : public Contract {
protected:
  // The next event, which must be of this kind.
  void ExpectEnd(uint32_t more = 0) {
    const evpoll_event e = WaitOne();
    EXPECT_EQ(7u, e.token);
    EXPECT_EQ(EVPOLL_READ_CLOSED | more, e.events);
  }
  // Data comes, then the end; `a` is watched with interest READ_CLOSED.
  void Play(evpoll_handle a, evpoll_handle b, uint32_t mode) {
    ASSERT_EQ(0, evpoll_add(p, a, 7, EVPOLL_READ_CLOSED, mode));
    ExpectNoSpin();
    for (int i = 0; i < 3; i++) {
      ASSERT_EQ(1, write(static_cast<int>(b), "x", 1));
      ExpectNoSpin();
    }
    EXPECT_EQ(0, evpoll_modify(p, a, 7, EVPOLL_READ_CLOSED, mode));
    ExpectNoSpin();
    EXPECT_EQ(0, evpoll_socket_close(b));
    ExpectEnd();
    if (mode == EVPOLL_LEVEL) {
      for (int i = 0; i < 3; i++) ExpectEnd();
    } else {
      ExpectNoSpin();
    }
    if (mode == EVPOLL_ONESHOT) {
      for (int i = 0; i < 2; i++) {
        ASSERT_EQ(0, evpoll_rearm(p, a, 7, EVPOLL_READ_CLOSED));
        ExpectEnd();
        ExpectNoSpin();
      }
    }
    EXPECT_EQ(0, evpoll_modify(p, a, 7, EVPOLL_READABLE, mode));
    ExpectEnd(EVPOLL_READABLE);
    EXPECT_EQ(0, evpoll_modify(p, a, 7, EVPOLL_READ_CLOSED, mode));
    ExpectEnd();
    EXPECT_EQ(0, evpoll_remove(p, a, 7));
    ExpectNoSpin();
    EXPECT_EQ(0, evpoll_socket_close(a));
  }
};
INSTANTIATE_TEST_SUITE_P(On, KqueueEnd, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(KqueueEnd, OfASocketIsToldWithDataUnread) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    Play(std::exchange(s.a, -1), std::exchange(s.b, -1), mode);
    TcpPair t;
    Play(std::exchange(t.a, -1), std::exchange(t.b, -1), mode);
  }
}

TEST_P(KqueueEnd, LetsAWaiterSleepWhileASocketsDataCome) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READ_CLOSED, EVPOLL_LEVEL));
  const uint64_t before = Stats().spurious_returns;
  for (int i = 0; i < 50; i++) {
    Send(s.b, "x");
    EXPECT_EQ(0u, Wait(kMillisecond).size());
  }
  EXPECT_LE(Stats().spurious_returns - before, 20u);
}

TEST_P(KqueueEnd, OfAPipeIsToldWithDataUnread) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pipe pipe;
    Play(std::exchange(pipe.fd[0], -1), std::exchange(pipe.fd[1], -1), mode);
  }
}

TEST_P(KqueueEnd, IsAskedForBesideWritable) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    Send(s.b, "x");
    const uint32_t interest = EVPOLL_WRITABLE | EVPOLL_READ_CLOSED;
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, interest, mode));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
    s.CloseB();
    if (mode == EVPOLL_ONESHOT) {
      ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, interest));
    }
    Collect(7, EVPOLL_READ_CLOSED, interest);
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

// Who has stopped to read still wants to know that the peer has gone.
TEST_P(KqueueEnd, IsWhatAOneshotRegistrationMayArmAlone) {
  for (bool pipes : {false, true}) {
    SCOPED_TRACE(pipes);
    Pair s;
    Pipe pipe;
    const evpoll_handle a = pipes ? pipe.fd[0] : s.a;
    const int b = pipes ? pipe.fd[1] : static_cast<int>(s.b);
    const uint32_t interest = EVPOLL_READABLE | EVPOLL_READ_CLOSED;
    ASSERT_EQ(0, evpoll_add(p, a, 7, interest, EVPOLL_ONESHOT));
    ASSERT_EQ(1, write(b, "x", 1));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
    for (int i = 0; i < 3; i++) {
      ASSERT_EQ(0, evpoll_rearm(p, a, 7, EVPOLL_READ_CLOSED));
      ExpectNoSpin();
      ASSERT_EQ(1, write(b, "x", 1));
      ExpectNoSpin();
      for (uint32_t bits : {interest, static_cast<uint32_t>(EVPOLL_READABLE)}) {
        ASSERT_EQ(0, evpoll_rearm(p, a, 7, bits));
        EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
      }
    }
    ASSERT_EQ(0, evpoll_rearm(p, a, 7, EVPOLL_READ_CLOSED));
    ExpectNoSpin();
    if (pipes)
      pipe.Close(1);
    else
      s.CloseB();
    ExpectEnd();
    ExpectNoSpin();
    EXPECT_EQ(0, evpoll_remove(p, a, 7));
  }
}

TEST_P(KqueueEnd, DoesNotComeToASocketThatListens) {
  evpoll_handle listener = -1, client = -1;
  ASSERT_EQ(0, evpoll_socket_tcp_listen("127.0.0.1", 0, 4, &listener));
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    ASSERT_LE(0, evpoll_add(p, listener, 7, EVPOLL_READ_CLOSED, mode));
    ASSERT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", PortOf(listener), &client));
    ExpectNoSpin();
    EXPECT_EQ(0, evpoll_socket_close(client));
  }
  EXPECT_EQ(0, evpoll_socket_close(listener));
}

TEST_P(KqueueEnd, OfAClosedDescriptorIsForgotten) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    ASSERT_LE(0, evpoll_add(p, s.a, 7, EVPOLL_READ_CLOSED, mode));
    s.CloseB();
    ExpectEnd();
    s.CloseA();
    ExpectNoSpin();
  }
}

std::vector<bool> OpenDescriptors() {
  std::vector<bool> open(1024);
  for (int fd = 0; fd < 1024; fd++) open[static_cast<size_t>(fd)] = fcntl(fd, F_GETFD) >= 0;
  return open;
}

// kqueue() does not set FD_CLOEXEC, and kqueue1(), which would, is not in FreeBSD 13.
TEST_P(Kqueue, NoDescriptorOfAPollersSurvivesExec) {
  const std::vector<bool> before = OpenDescriptors();
  evpoll *other = nullptr;
  ASSERT_EQ(0, evpoll_open(nullptr, &other));
  int fresh = 0;
  for (int fd = 0; fd < 1024; fd++) {
    const int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || before[static_cast<size_t>(fd)]) continue;
    fresh++;
    EXPECT_TRUE(flags & FD_CLOEXEC) << fd;
  }
  EXPECT_LT(0, fresh);
  EXPECT_EQ(0, evpoll_close(other, kLong));
}

TEST_P(Kqueue, AForkedChildHasNoQueueAndTouchesNobodyElses) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  const pid_t child = fork();
  if (child == 0) {
    evpoll_event event;
    if (evpoll_wait(p, &event, 1, 0) != EVPOLL_ERR_FORKED) _exit(1);
    int others[64]; // one of them has the queue's number
    for (int &fd : others) fd = dup(0);
    if (evpoll_close(p, 0) != 0) _exit(2);
    for (int fd : others)
      if (fcntl(fd, F_GETFD) < 0) _exit(3);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  Send(s.b, "x");
  EXPECT_EQ(7u, WaitOne().token);
}

} // namespace
