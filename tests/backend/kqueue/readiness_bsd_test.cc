// SPDX-License-Identifier: MIT
// What kqueue does otherwise than the rest: pipes without a reader, duplicates, fork, files.
#include <sys/wait.h>

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
