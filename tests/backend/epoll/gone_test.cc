// SPDX-License-Identifier: MIT
// Numbers that are not what they were: closed without remove, and another file's by now, or
// nobody's.
#include "linux.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace {

using namespace evp;

class Gone : public Contract {
protected:
  // A socket that was registered and closed without remove; its number is a regular file's now, of
  // which epoll says EPERM.
  struct Replaced {
    Pair s;
    TempFile file{"content"};
    int number = -1;
    void Make(evpoll *p, uint32_t mode, uint64_t token = 7) {
      number = Fd(s.a);
      ASSERT_LE(0, evpoll_add(p, number, token, EVPOLL_READABLE, mode));
      s.CloseA();
      ASSERT_EQ(number, dup2(Fd(file.handle), number));
    }
    ~Replaced() {
      if (number >= 0) close(number);
    }
  };
};
INSTANTIATE_TEST_SUITE_P(On, Gone, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(Gone, ModifyOfWhatIsARegularFileByNowSaysStaleAndEndsIt) {
  for (uint32_t mode : kModes) {
    Replaced r;
    r.Make(p, mode);
    EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_modify(p, r.number, 7, EVPOLL_READABLE, mode));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_modify(p, r.number, 7, EVPOLL_READABLE, mode));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, r.number, 7));
  }
}

TEST_P(Gone, RearmSaysSoTooWhereItAsksTheKernel) {
  EVP_GATE(!SingleWaiter(GetParam()), "rearm asks", "a rearm of a single waiter is a store");
  Replaced r;
  r.Make(p, EVPOLL_ONESHOT);
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_rearm(p, r.number, 7, EVPOLL_READABLE));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_rearm(p, r.number, 7, EVPOLL_READABLE));
}

TEST_P(Gone, TheFileMayBeServedUnderThatNumber) {
  Replaced r;
  r.Make(p, EVPOLL_LEVEL);
  ASSERT_LE(0, Serve(p, r.number));
  char bytes[8];
  EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, r.number, 1, bytes, sizeof bytes)).result);
  ASSERT_EQ(0, evpoll_remove(p, r.number, kServed));
}

// What fired is parked, unless there is nothing any more that could be: the hits go on, and the set
// has to be rebuilt.
TEST_P(Gone, WhatCannotBeParkedIsNoSpin) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  EXPECT_EQ(7u, WaitOne().token);
  OwnFd duplicate(dup(Fd(s.a)));
  const int number = Fd(s.a);
  TempFile file("content");
  s.CloseA();
  ASSERT_EQ(number, dup2(Fd(file.handle), number));
  OwnFd there(number);
  // When the set is rebuilt is up to what else the machine does; a spin is tens of thousands.
  for (int look = 0; look < 20; look++) EXPECT_EQ(0u, Wait(kMillisecond).size());
  EXPECT_GE(1000u, Stats().spurious_returns);
}

TEST_P(Gone, ARebuildPassesOverThem) {
  Replaced r, more;
  r.Make(p, EVPOLL_LEVEL, 20);
  more.Make(p, EVPOLL_ONESHOT, 21);
  Pair live;
  ASSERT_EQ(0, evpoll_add(p, live.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  Pair stale;
  Send(stale.b, "x");
  ASSERT_EQ(0, evpoll_add(p, stale.a, 2, EVPOLL_READABLE, EVPOLL_LEVEL));
  OwnFd copy(dup(Fd(stale.a)));
  const evpoll_handle closed = stale.a;
  stale.CloseA();
  ASSERT_EQ(0, evpoll_remove(p, closed, 2));
  ASSERT_TRUE(Until([&] {
    EXPECT_EQ(0u, Wait(kMillisecond).size());
    return Stats().set_rebuilds >= 1 || HasFailure();
  })) << Stats().stale_hits
      << " stale hits";
  Send(live.b, "x");
  EXPECT_EQ(1u, WaitOne().token);
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, r.number, 20));
}

EVP_CONTRACT(GoneThreads);

// Removes overtake events all the time in a busy server. Without a duplicate that is no reason to
// make the set anew.
TEST_P(GoneThreads, RemovesThatOvertakeEventsRebuildNothing) {
  std::vector<Pair> idle(200);
  for (Pair &s : idle) ASSERT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  const int waiters = SingleWaiter(GetParam()) ? 1 : 2;
  std::vector<Thread> threads;
  for (int i = 0; i < waiters; i++)
    threads.emplace_back([&] {
      evpoll_event events[64];
      while (LongWait(p, events, 64) >= 0) {
      }
    });
  {
    std::vector<Thread> owners;
    for (int i = 0; i < 2; i++)
      owners.emplace_back([&] {
        const Effort effort(4000);
        for (int round = 0; !effort.Enough(round); round++) {
          Pair s;
          EXPECT_LE(0, evpoll_add(p, s.a, 2, EVPOLL_READABLE, EVPOLL_LEVEL));
          Send(s.b, "x");
          EXPECT_EQ(0, evpoll_remove(p, s.a, 2));
        }
      });
  }
  EXPECT_EQ(0u, Stats().set_rebuilds) << Stats().stale_hits << " stale hits";
  EXPECT_EQ(0, evpoll_shutdown(p));
}

// ---- standard descriptors

// Whoever runs without them must not find the library's under their numbers: a stray message would
// go into a poller, or a file.
EVP_CONTRACT(Standard);

TEST_P(Standard, NothingOfTheLibraryIsBelowThree) {
  TempFile file("content");
  InForkedChild([&] {
    EXPECT_EQ(0, evpoll_close(p, 0));
    p = nullptr;
    evpoll_options options = {};
    options.struct_size = sizeof options;
    options.flags = GetParam().flags;
    for (int fd = 0; fd < 3; fd++) close(fd);
    const std::set<int> before = OpenFds();
    int bad = 0;
    evpoll *own = nullptr;
    evpoll_handle made[8] = {};
    char host[EVPOLL_ADDRESS_CAPACITY];
    int32_t port = 0;
    bad += evpoll_open(&options, &own) != 0;
    bad += evpoll_file_open(file.path.c_str(), EVPOLL_FILE_READ, 0, &made[0]) != 0;
    bad += Serve(own, made[0]) != 0; // and the ring
    bad += evpoll_poller_handle(own, &made[1]) != 0;
    bad += evpoll_socket_pair(&made[2], &made[3]) != 0;
    bad += evpoll_socket_tcp_listen("127.0.0.1", 0, 1, &made[4]) != 0;
    bad += evpoll_socket_local_address(made[4], host, sizeof host, &port) != 0;
    bad += evpoll_socket_tcp_connect("127.0.0.1", port, &made[5]) < 0;
    bad += evpoll_socket_udp_bind("127.0.0.1", 0, &made[6]) != 0;
    struct pollfd asked = {static_cast<int>(made[4]), POLLIN, 0};
    bad += poll(&asked, 1, 20000) != 1 || evpoll_socket_accept(made[4], &made[7]) != 0;
    for (evpoll_handle h : made) bad += h < 3;
    for (int fd = 0; fd < 3; fd++) bad += fcntl(fd, F_GETFD) >= 0;
    bad += evpoll_close(own, EVPOLL_INFINITE) != 0;
    if (bad) _exit(bad);
  });
}

TEST(FileClose, ASecondTimeIsABadHandle) {
  TempFile file("content");
  const evpoll_handle h = file.handle;
  file.Close();
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_file_close(h));
}

} // namespace
