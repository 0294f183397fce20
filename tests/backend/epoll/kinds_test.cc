// SPDX-License-Identifier: MIT
// What can be waited for on Linux besides sockets, and what cannot.
#include "linux.h"

#include <cerrno>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace {

using namespace evp;

EVP_CONTRACT(Pipes);

TEST_P(Pipes, AreReadableWhenThereIsData) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    PipeEnds pipe;
    ASSERT_EQ(0, evpoll_add(p, pipe.read, 7, EVPOLL_READABLE, mode));
    ExpectQuiet();
    ASSERT_EQ(1, write(pipe.write, "x", 1));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
    EXPECT_EQ(0, evpoll_remove(p, pipe.read, 7));
  }
}

// The kernel says EPOLLHUP alone: nothing is there to be read, but read would not block.
TEST_P(Pipes, AreReadableWhenTheWriterIsGone) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    PipeEnds pipe;
    ASSERT_EQ(0, evpoll_add(p, pipe.read, 7, EVPOLL_READABLE, mode));
    ExpectQuiet();
    pipe.write.Close();
    Collect(7, EVPOLL_READABLE, EVPOLL_READABLE);
    char c;
    EXPECT_EQ(0, read(pipe.read, &c, 1));
    EXPECT_EQ(0, evpoll_remove(p, pipe.read, 7));
  }
}

TEST_P(Pipes, ReportTheEndAgainAndAgainInLevelMode) {
  PipeEnds pipe;
  ASSERT_EQ(0, evpoll_add(p, pipe.read, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  pipe.write.Close();
  for (int i = 0; i < 5; i++) Collect(7, EVPOLL_READABLE, EVPOLL_READABLE);
}

TEST_P(Pipes, ReportTheEndOnceInOneshotMode) {
  PipeEnds pipe;
  ASSERT_EQ(0, evpoll_add(p, pipe.read, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  ASSERT_EQ(1, write(pipe.write, "x", 1));
  WaitOne();
  pipe.write.Close();
  ExpectQuiet();
  ExpectQuiet();
  ASSERT_EQ(0, evpoll_rearm(p, pipe.read, 7, EVPOLL_READABLE));
  WaitOne();
  ExpectQuiet();
}

TEST_P(Pipes, AreWritableWhileThereIsRoom) {
  PipeEnds pipe;
  ASSERT_EQ(0, evpoll_add(p, pipe.write, 7, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
  const std::string page(4096, 'x');
  while (write(pipe.write, page.data(), page.size()) > 0) {
  }
  ExpectQuiet();
  std::string all(1 << 20, 0);
  ASSERT_LT(0, read(pipe.read, &all[0], all.size()));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
}

// The kernel says EPOLLERR alone here: write would not block, it would fail.
TEST_P(Pipes, ReportErrorAndWritableWhenTheReaderIsGone) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    PipeEnds pipe;
    const std::string page(4096, 'x');
    while (write(pipe.write, page.data(), page.size()) > 0) {
    }
    ASSERT_EQ(0, evpoll_add(p, pipe.write, 7, EVPOLL_WRITABLE, mode));
    ExpectQuiet();
    pipe.read.Close();
    Collect(7, EVPOLL_ERROR | EVPOLL_WRITABLE, EVPOLL_WRITABLE);
    EXPECT_EQ(0, evpoll_remove(p, pipe.write, 7));
  }
}

TEST_P(Pipes, OfInterestZeroAreSilentAndDoNotSpin) {
  PipeEnds hung_up, broken;
  ASSERT_EQ(0, evpoll_add(p, hung_up.read, 7, 0, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_add(p, broken.write, 8, 0, EVPOLL_LEVEL));
  hung_up.write.Close();
  broken.read.Close();
  ExpectNoSpin();
  EXPECT_EQ(0, evpoll_remove(p, hung_up.read, 7));
  EXPECT_EQ(0, evpoll_remove(p, broken.write, 8));
}

EVP_CONTRACT(Kinds);

TEST_P(Kinds, AnyPollableDescriptorIsAFeature) { EXPECT_TRUE(Has(EVPOLL_FEATURE_ANY_HANDLE)); }

TEST_P(Kinds, Eventfd) {
  OwnFd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  ASSERT_EQ(0, evpoll_add(p, fd, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  ExpectQuiet();
  ASSERT_EQ(0, eventfd_write(fd, 3));
  for (int i = 0; i < 3; i++) EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
  eventfd_t value = 0;
  ASSERT_EQ(0, eventfd_read(fd, &value));
  EXPECT_EQ(3u, value);
  ExpectQuiet();
}

TEST_P(Kinds, EventfdInEdgeModeNeedsNoRead) {
  OwnFd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  ASSERT_EQ(0, evpoll_add(p, fd, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  for (int i = 0; i < 5; i++) {
    ASSERT_EQ(0, eventfd_write(fd, 1));
    EXPECT_EQ(7u, WaitOne().token);
  }
}

TEST_P(Kinds, Timerfd) {
  OwnFd fd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  ASSERT_EQ(0, evpoll_add(p, fd, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  ExpectQuiet();
  for (int i = 0; i < 3; i++) {
    itimerspec soon = {};
    soon.it_value.tv_nsec = 2 * kMillisecond;
    ASSERT_EQ(0, timerfd_settime(fd, 0, &soon, nullptr));
    EXPECT_EQ(7u, WaitOne().token);
    uint64_t expirations = 0;
    EXPECT_EQ(8, read(fd, &expirations, 8));
    EXPECT_EQ(1u, expirations);
    ASSERT_EQ(0, evpoll_rearm(p, fd, 7, EVPOLL_READABLE));
    ExpectQuiet();
  }
}

TEST_P(Kinds, Signalfd) {
  sigset_t usr2, before;
  sigemptyset(&usr2);
  sigaddset(&usr2, SIGUSR2);
  ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &usr2, &before));
  {
    OwnFd fd(signalfd(-1, &usr2, SFD_NONBLOCK | SFD_CLOEXEC));
    ASSERT_EQ(0, evpoll_add(p, fd, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
    ExpectQuiet();
    ASSERT_EQ(0, raise(SIGUSR2));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
    signalfd_siginfo info;
    ASSERT_EQ(static_cast<ssize_t>(sizeof info), read(fd, &info, sizeof info));
    EXPECT_EQ(static_cast<uint32_t>(SIGUSR2), info.ssi_signo);
    ExpectQuiet();
    EXPECT_EQ(0, evpoll_remove(p, fd, 7));
  }
  ASSERT_EQ(0, pthread_sigmask(SIG_SETMASK, &before, nullptr));
}

TEST_P(Kinds, AnEpollDescriptor) {
  OwnFd inner(epoll_create1(EPOLL_CLOEXEC));
  OwnFd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  epoll_event interest = {};
  interest.events = EPOLLIN;
  ASSERT_EQ(0, epoll_ctl(inner, EPOLL_CTL_ADD, fd, &interest));
  ASSERT_EQ(0, evpoll_add(p, inner, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  ExpectQuiet();
  ASSERT_EQ(0, eventfd_write(fd, 1));
  EXPECT_EQ(7u, WaitOne().token);
  eventfd_t value;
  ASSERT_EQ(0, eventfd_read(fd, &value));
  ExpectQuiet();
}

TEST_P(Kinds, ThePollersOwnDescriptorsAreRefusedOrHarmless) {
  Close();
  const std::set<int> before = OpenFds();
  Open();
  for (int fd : OpenFds()) {
    if (before.count(fd)) continue;
    const int32_t status = evpoll_add(p, fd, 7, EVPOLL_READABLE, EVPOLL_LEVEL);
    if (KindOf(fd) == "anon_inode:[eventpoll]") {
      EXPECT_TRUE(status == EVPOLL_ERR_INVALID || status == EVPOLL_ERR_UNSUPPORTED) << status;
    }
    if (status >= 0) {
      EXPECT_EQ(0, evpoll_remove(p, fd, 7));
    }
  }
  ExpectQuiet();
  EXPECT_EQ(0, evpoll_wake(p));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), WaitOne().events);
  EXPECT_EQ(0, evpoll_post(p, 1, 2));
  EXPECT_EQ(1u, WaitOne().token);
}

TEST_P(Kinds, DirectoriesAndDevicesThatCannotBePolledAreUnsupported) {
  OwnFd folder(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  OwnFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd : {static_cast<int>(folder), static_cast<int>(null)}) {
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_add(p, fd, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_add(p, fd, 7, 0, EVPOLL_LEVEL));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, fd, 7));
  }
  EXPECT_EQ(EPERM, (evpoll_add(p, folder, 7, EVPOLL_READABLE, EVPOLL_LEVEL), evpoll_os_error()));
}

TEST_P(Kinds, ADescriptorThatOnlyNamesAPathIsBad) {
  OwnFd path(open(".", O_PATH | O_CLOEXEC));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, path, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
}

EVP_CONTRACT(Linux);

TEST_P(Linux, UrgentDataIsReportedUntilItWasRead) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_PRIORITY, EVPOLL_LEVEL));
  SendUrgent(s.a);
  for (int i = 0; i < 3; i++) EXPECT_EQ(static_cast<uint32_t>(EVPOLL_PRIORITY), WaitOne().events);
  char c = 0;
  ASSERT_EQ(1, recv(Fd(s.b), &c, 1, MSG_OOB));
  EXPECT_EQ('!', c);
  ExpectQuiet();
}

TEST_P(Linux, UrgentDataInLineIsReadableToo) {
  TcpPair s;
  const int on = 1;
  ASSERT_EQ(0, setsockopt(Fd(s.b), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on));
  const uint32_t interest = EVPOLL_PRIORITY | EVPOLL_READABLE;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, interest, EVPOLL_LEVEL));
  SendUrgent(s.a);
  Collect(7, interest, interest);
}

// Where a rearm costs nothing the report comes from the kernel's edge, and not without one.
TEST_P(Linux, EdgeModeDoesNotSpinOnUnreadData) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  EXPECT_EQ(7u, WaitOne().token);
  ExpectQuiet();
  Send(s.b, "y");
  EXPECT_EQ(7u, WaitOne().token);
  ExpectQuiet();
}

TEST_P(Linux, ATcpSocketClosedInBothDirectionsIsReadable) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
  ASSERT_EQ(0, evpoll_socket_shutdown(s.b, EVPOLL_SHUTDOWN_WRITE));
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  Collect(7, EVPOLL_READABLE | EVPOLL_READ_CLOSED, EVPOLL_READABLE);
}

TEST_P(Linux, RefusedDatagramsEndNoWaitForEver) {
  evpoll_handle udp;
  ASSERT_EQ(0, evpoll_socket_udp_bind("127.0.0.1", 0, &udp));
  ASSERT_EQ(0, evpoll_add(p, udp, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  // What the ICMP answer raises is unspecified; that the socket works afterwards is not.
  evpoll_socket_sendto(udp, "x", 1, "127.0.0.1", DeadPort());
  Wait(2 * kMillisecond);
  int32_t error;
  EXPECT_EQ(0, evpoll_socket_take_error(udp, &error));
  EXPECT_EQ(1, evpoll_socket_sendto(udp, "y", 1, "127.0.0.1", PortOf(udp)));
  Collect(7, EVPOLL_READABLE, EVPOLL_READABLE);
  EXPECT_EQ("y", Drain(udp));
  ExpectQuiet();
  EXPECT_EQ(0, evpoll_socket_close(udp));
}

} // namespace
