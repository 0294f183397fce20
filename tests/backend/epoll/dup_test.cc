// SPDX-License-Identifier: MIT
// A descriptor that was closed without remove while a duplicate lives on: epoll keeps reporting its
// item, and EPOLL_CTL_DEL of the number cannot reach it. The library must not pass that on, and
// must not spin on it either: it rebuilds the kernel's set.
#include "linux.h"

#include <unistd.h>

#include <atomic>
#include <chrono>

namespace {

using namespace evp;

class Duplicates : public Contract {
protected:
  // Leaves an item in the kernel's set that is always ready, and that no registration belongs to.
  struct Stale {
    Pair s;
    evpoll_handle number = -1;
    int copy = -1;
    void Make(evpoll *p, uint32_t mode = EVPOLL_LEVEL) {
      number = s.a;
      Send(s.b, "x");
      ASSERT_LE(0, evpoll_add(p, s.a, kStaleToken, EVPOLL_READABLE, mode));
      copy = dup(Fd(s.a));
      ASSERT_LE(0, copy);
      s.CloseA();
    }
    ~Stale() {
      if (copy >= 0) close(copy);
    }
  };
  static constexpr uint64_t kStaleToken = 666;

  // Waits until the set was rebuilt; nothing may be reported meanwhile.
  void ExpectRebuilt(uint64_t rebuilds = 1) {
    ASSERT_TRUE(Until([&] {
      EXPECT_EQ(0u, Wait(kMillisecond).size());
      return Stats().set_rebuilds >= rebuilds || HasFailure();
    })) << "still spinning after "
        << Stats().stale_hits << " stale hits";
    EXPECT_GE(Stats().stale_hits, 1u);
  }
  // The kernel has nothing more to say about stale items.
  void ExpectNoMoreHits() {
    const uint64_t hits = Stats().stale_hits;
    for (int i = 0; i < 100; i++) EXPECT_EQ(0u, Wait(0).size());
    const int64_t start = Now();
    EXPECT_EQ(0u, Wait(5 * kMillisecond).size());
    EXPECT_GE(Now() - start, 5 * kMillisecond);
    EXPECT_EQ(hits, Stats().stale_hits);
  }
};
INSTANTIATE_TEST_SUITE_P(On, Duplicates, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(Duplicates, ARemovedRegistrationDoesNotSpin) {
  Stale stale;
  stale.Make(p);
  ASSERT_EQ(0, evpoll_remove(p, stale.number, kStaleToken));
  ExpectRebuilt();
  ExpectNoMoreHits();
}

// More than there are places to remember them in.
TEST_P(Duplicates, ManyRemovedRegistrationsDoNotSpin) {
  Stale stale[40];
  for (Stale &one : stale) {
    one.Make(p);
    ASSERT_EQ(0, evpoll_remove(p, one.number, kStaleToken));
  }
  ExpectRebuilt();
  ExpectNoMoreHits();
}

TEST_P(Duplicates, ATimerOutlivesTheRebuild) {
  for (bool due : {false, true}) {
    Open();
    evpoll_io timer = MakeIo(EVPOLL_OP_TIMER, -1, 9, nullptr, 0, 3600 * kSecond);
    ASSERT_EQ(1, evpoll_submit(p, &timer, 1));
    Stale stale;
    stale.Make(p);
    ASSERT_EQ(0, evpoll_remove(p, stale.number, kStaleToken));
    ExpectRebuilt();
    evpoll_io soon = MakeIo(EVPOLL_OP_TIMER, -1, 8, nullptr, 0, due ? 0 : 2 * kMillisecond);
    ASSERT_EQ(1, evpoll_submit(p, &soon, 1));
    evpoll_event e = {};
    ASSERT_EQ(1, LongWait(p, &e, 1));
    EXPECT_EQ(8u, e.token);
    ASSERT_EQ(1, evpoll_retime(p, -1, 9, kMillisecond));
    ASSERT_EQ(1, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
    EXPECT_EQ(9u, e.token);
  }
}

// It was set before, and rings in the new set.
TEST_P(Duplicates, AnAlarmThatIsSetOutlivesTheRebuild) {
  Stale stale;
  stale.Make(p);
  ASSERT_EQ(0, evpoll_remove(p, stale.number, kStaleToken));
  evpoll_io timer = MakeIo(EVPOLL_OP_TIMER, -1, 9, nullptr, 0, 300 * kMillisecond);
  ASSERT_EQ(1, evpoll_submit(p, &timer, 1));
  evpoll_event e = {};
  ASSERT_EQ(1, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
  EXPECT_EQ(9u, e.token);
  EXPECT_LE(1u, Stats().set_rebuilds);
}

TEST_P(Duplicates, AReusedNumberDoesNotSpin) {
  Stale stale;
  stale.Make(p);
  Reused again(stale.number);
  ASSERT_TRUE(again.found);
  ASSERT_LE(0, evpoll_add(p, again.handle, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  ExpectRebuilt();
  ExpectNoMoreHits();
  Send(again.peer, "x");
  for (int i = 0; i < 3; i++) EXPECT_EQ(7u, WaitOne().token);
}

TEST_P(Duplicates, ARegistrationThatModifyFoundClosedDoesNotSpin) {
  Stale stale;
  stale.Make(p);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE,
            evpoll_modify(p, stale.number, kStaleToken, EVPOLL_READABLE, EVPOLL_LEVEL));
  ExpectRebuilt();
  ExpectNoMoreHits();
}

TEST_P(Duplicates, AStaleItemDoesNotEndWaitsEarly) {
  Stale stale;
  stale.Make(p);
  ASSERT_EQ(0, evpoll_remove(p, stale.number, kStaleToken));
  for (int i = 0; i < 5; i++) {
    const int64_t start = Now();
    EXPECT_EQ(0u, Wait(3 * kMillisecond).size());
    EXPECT_GE(Now() - start, 3 * kMillisecond);
  }
}

TEST_P(Duplicates, ItemsOfOtherModesAreSilentToo) {
  for (uint32_t mode : {EVPOLL_EDGE, EVPOLL_ONESHOT}) {
    Stale stale;
    stale.Make(p, static_cast<uint32_t>(mode));
    ASSERT_EQ(0, evpoll_remove(p, stale.number, kStaleToken));
    ExpectQuiet();
    Send(stale.s.b, "more");
    ExpectQuiet();
    stale.s.CloseB();
    for (int i = 0; i < 20; i++) EXPECT_EQ(0u, Wait(kMillisecond / 10).size());
  }
}

TEST_P(Duplicates, RemoveBeforeCloseLeavesNothingBehind) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  OwnFd copy(dup(Fd(s.a)));
  ASSERT_EQ(0, evpoll_remove(p, s.a, 7));
  s.CloseA();
  ExpectNoMoreHits();
  EXPECT_EQ(0u, Stats().stale_hits);
  EXPECT_EQ(0u, Stats().set_rebuilds);
}

TEST_P(Duplicates, ADuplicateIsRegisteredOnItsOwn) {
  Pair s;
  OwnFd copy(dup(Fd(s.a)));
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  ASSERT_EQ(0, evpoll_add(p, copy, 8, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  const std::vector<evpoll_event> events = WaitFor(2);
  ASSERT_EQ(2u, events.size());
  EXPECT_EQ(15u, events[0].token + events[1].token);
  EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  EXPECT_EQ(0, evpoll_remove(p, copy, 8));
}

TEST_P(Duplicates, ARebuildKeepsTheOtherRegistrations) {
  Pair level, edge, armed, disarmed, none, full;
  ASSERT_EQ(0, evpoll_add(p, level.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_add(p, edge.a, 2, EVPOLL_READABLE, EVPOLL_EDGE));
  ASSERT_EQ(0, evpoll_add(p, armed.a, 3, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(disarmed.b, "x");
  ASSERT_EQ(0, evpoll_add(p, disarmed.a, 4, EVPOLL_READABLE, EVPOLL_ONESHOT));
  EXPECT_EQ(4u, WaitOne().token);
  ASSERT_EQ(0, evpoll_add(p, none.a, 5, 0, EVPOLL_LEVEL));
  Send(none.b, "x");
  FillUp(full.a);
  ASSERT_EQ(0, evpoll_add(p, full.a, 6, EVPOLL_WRITABLE, EVPOLL_LEVEL));

  Stale stale;
  stale.Make(p);
  ASSERT_EQ(0, evpoll_remove(p, stale.number, kStaleToken));
  ExpectRebuilt();
  ExpectQuiet();

  Send(level.b, "x");
  for (int i = 0; i < 2; i++) EXPECT_EQ(1u, WaitOne().token);
  Drain(level.a);
  Send(edge.b, "x");
  Collect(2, EVPOLL_READABLE, EVPOLL_READABLE);
  Drain(edge.a);
  Send(armed.b, "x");
  EXPECT_EQ(3u, WaitOne().token);
  ExpectQuiet();
  EXPECT_EQ(0, evpoll_rearm(p, disarmed.a, 4, EVPOLL_READABLE));
  EXPECT_EQ(4u, WaitOne().token);
  EXPECT_EQ(0, evpoll_modify(p, none.a, 5, EVPOLL_READABLE, EVPOLL_ONESHOT));
  EXPECT_EQ(5u, WaitOne().token);
  Drain(full.b);
  EXPECT_EQ(6u, WaitOne().token);
  EXPECT_EQ(0, evpoll_modify(p, full.a, 6, 0, EVPOLL_LEVEL));
  EXPECT_EQ(0, evpoll_post(p, 9, 9));
  EXPECT_EQ(9u, WaitOne().token);
  EXPECT_EQ(0, evpoll_wake(p));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), WaitOne().events);
  EXPECT_EQ(0, evpoll_remove(p, level.a, 1));
  EXPECT_EQ(0, evpoll_remove(p, disarmed.a, 4));
  ExpectQuiet();
}

// The report of an edge that came just before the rebuild must not go with the old set.
TEST_P(Duplicates, ARebuildDropsNoEdge) {
  Pair edge;
  ASSERT_EQ(0, evpoll_add(p, edge.a, 2, EVPOLL_READABLE, EVPOLL_EDGE));
  Stale stale;
  stale.Make(p);
  ASSERT_EQ(0, evpoll_remove(p, stale.number, kStaleToken));
  ASSERT_TRUE(Until([&] {
    Send(edge.b, "x");
    bool seen = false;
    EXPECT_TRUE(Until([&] {
      for (const evpoll_event &e : Wait(kMillisecond)) seen |= e.token == 2;
      return seen;
    }));
    Drain(edge.a);
    EXPECT_EQ(0, evpoll_rearm(p, edge.a, 2, EVPOLL_READABLE));
    return Stats().set_rebuilds >= 1 || HasFailure();
  }));
}

TEST_P(Duplicates, CompletionsArriveAfterARebuild) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  File file(*this, "content");
  char bytes[8];
  EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, bytes, sizeof bytes)).result);
  Stale stale;
  stale.Make(p);
  ASSERT_EQ(0, evpoll_remove(p, stale.number, kStaleToken));
  ExpectRebuilt();
  for (int i = 0; i < 20; i++)
    EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, bytes, sizeof bytes)).result);
}

TEST_P(Duplicates, TheSetCanBeRebuiltAgainAndAgain) {
  Pair live;
  ASSERT_EQ(0, evpoll_add(p, live.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  const std::set<int> before = OpenFds();
  for (uint64_t round = 1; round <= 5; round++) {
    Stale stale;
    stale.Make(p);
    ASSERT_EQ(0, evpoll_remove(p, stale.number, kStaleToken));
    ExpectRebuilt(round);
    ExpectNoMoreHits();
  }
  EXPECT_EQ(before.size(), OpenFds().size()) << "descriptors of former sets are still open";
  Send(live.b, "x");
  EXPECT_EQ(1u, WaitOne().token);
}

EVP_CONTRACT(DuplicateThreads);

TEST_P(DuplicateThreads, ASleepingWaiterDoesNotSpin) {
  std::atomic<int32_t> result{0};
  Thread waiter([&] {
    evpoll_event event;
    result = LongWait(p, &event, 1);
  });
  Pair s;
  // Not ready before the registration is gone: only then nothing is due.
  ASSERT_EQ(0, evpoll_add(p, s.a, 666, EVPOLL_READABLE, EVPOLL_LEVEL));
  OwnFd copy(dup(Fd(s.a)));
  const evpoll_handle closed = s.a;
  s.CloseA();
  ASSERT_EQ(0, evpoll_remove(p, closed, 666));
  Send(s.b, "x");
  ASSERT_TRUE(Until([&] { return Stats().set_rebuilds >= 1; }));
  // From here on it sleeps: whoever hit the item again would show in 20 ms.
  ASSERT_TRUE(Until([&] {
    const uint64_t hits = Stats().stale_hits;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return hits == Stats().stale_hits;
  }));
  EXPECT_EQ(0, result);
  EXPECT_EQ(0, evpoll_post(p, 1, 2));
  waiter.Join();
  EXPECT_EQ(1, result);
}

EVP_CONTRACT_MANY(DuplicateCrowd);

// Three waiters and a rearm per event, while stale items come and the set is rebuilt under them.
TEST_P(DuplicateCrowd, ARebuildUnderLoadLosesNothing) {
  std::atomic<int> events{0}, strange{0};
  std::vector<Thread> waiters;
  for (int i = 0; i < 3; i++)
    waiters.emplace_back([&] {
      evpoll_event got[4];
      for (int32_t n; (n = LongWait(p, got, 4)) > 0;)
        for (int32_t k = 0; k < n; k++) (got[k].token == 7 ? events : strange)++;
    });
  Pair live;
  Send(live.b, "x");
  ASSERT_EQ(0, evpoll_add(p, live.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  int armed = 1;
  for (uint64_t round = 1; round <= static_cast<uint64_t>(Rounds(40)); round++) {
    Pair s;
    ASSERT_LE(0, evpoll_add(p, s.a, 666, EVPOLL_READABLE, EVPOLL_LEVEL));
    OwnFd copy(dup(Fd(s.a)));
    const evpoll_handle closed = s.a;
    s.CloseA();
    ASSERT_EQ(0, evpoll_remove(p, closed, 666));
    Send(s.b, "x");
    ASSERT_TRUE(Until([&] {
      EXPECT_TRUE(Until([&] { return events >= armed; })) << "lost in round " << round;
      if (HasFailure()) return true;
      armed++;
      EXPECT_EQ(0, evpoll_rearm(p, live.a, 7, EVPOLL_READABLE));
      return Stats().set_rebuilds >= round;
    }));
    ASSERT_FALSE(HasFailure());
  }
  ASSERT_TRUE(Until([&] { return events >= armed; }));
  EXPECT_EQ(0, evpoll_shutdown(p));
  for (Thread &t : waiters) t.Join();
  EXPECT_EQ(armed, events);
  EXPECT_EQ(0, strange);
}

// Threads that sleep on the former set must not stay there: they would hear of no socket any more.
// Each of them has room for one event, so that all are needed for as many sockets. In edge mode a
// stale item wakes one thread for each byte: the others are fast asleep when the set is rebuilt.
class EvictedCrowd : public Contract {
protected:
  static constexpr size_t kWaiters = 6;

  void RebuildUnderSleepers(uint32_t mode) {
    const Effort effort(60);
    for (int round = 1; !effort.Enough(round); round++) {
      const int64_t start = Now();
      Pair s;
      ASSERT_LE(0, evpoll_add(p, s.a, 666, EVPOLL_READABLE, mode));
      OwnFd copy(dup(Fd(s.a)));
      const evpoll_handle closed = s.a;
      s.CloseA();
      ASSERT_EQ(0, evpoll_remove(p, closed, 666));

      std::atomic<int> served{0}, other{0};
      std::vector<std::atomic<pid_t>> ids(kWaiters);
      std::vector<Thread> waiters;
      for (std::atomic<pid_t> &id : ids)
        waiters.emplace_back([&] {
          evpoll_event event;
          id = ThreadId();
          (LongWait(p, &event, 1) == 1 ? served : other)++;
        });
      const auto all_sleep = [&] {
        for (std::atomic<pid_t> &id : ids)
          if (id == 0 || !Sleeps(id)) return false;
        return true;
      };
      ASSERT_TRUE(Until(all_sleep));
      const auto rebuilt = [&] { return Stats().set_rebuilds >= static_cast<uint64_t>(round); };
      ASSERT_TRUE(Until([&] {
        const uint64_t hits = Stats().stale_hits;
        // A full buffer means that whoever rebuilds has not got to it yet.
        evpoll_socket_send(s.b, "x", 1);
        EXPECT_TRUE(Until([&] { return Stats().stale_hits > hits || rebuilt(); }));
        return rebuilt() || HasFailure();
      }));
      ASSERT_TRUE(Until(all_sleep));
      // Of what is registered from now on the former set knows nothing.
      std::vector<Pair> pairs(kWaiters);
      for (Pair &each : pairs)
        ASSERT_LE(0, evpoll_add(p, each.a, 7, EVPOLL_WRITABLE, EVPOLL_ONESHOT));
      for (Thread &t : waiters) t.Join();
      ASSERT_EQ(static_cast<int>(kWaiters), served) << "round " << round;
      ASSERT_EQ(0, other);
      ASSERT_LT(Now() - start, kLong) << "a waiter stayed on the former set in round " << round;
    }
  }
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EvictedCrowd);
INSTANTIATE_TEST_SUITE_P(On, EvictedCrowd, ::testing::ValuesIn(ManyConfigs()), ConfigName);

TEST_P(EvictedCrowd, MovesToTheNewSetWhenTheItemStaysReady) { RebuildUnderSleepers(EVPOLL_LEVEL); }

TEST_P(EvictedCrowd, MovesToTheNewSetInItsSleep) { RebuildUnderSleepers(EVPOLL_EDGE); }

} // namespace
