// SPDX-License-Identifier: MIT
// Everything else goes on while an operation runs: sockets, timeouts, wakes, posts, changes.
#include "held_test.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>

namespace evp {
namespace {

EVP_HELD_SOME(HeldWait, Configs());
EVP_HELD_SOME(HeldWaiters, ManyConfigs());

TEST_P(HeldWait, TimeoutsEndWaits) {
  Start(1);
  for (int64_t timeout : {int64_t{0}, int64_t{1}, 100 * kMillisecond / 100, 3 * kMillisecond}) {
    const int64_t start = Now();
    EXPECT_TRUE(Wait(timeout).empty());
    EXPECT_LE(timeout, Now() - start);
  }
}

TEST_P(HeldWait, ASocketThatIsReadyIsReported) {
  Pair pair;
  Send(pair.b, "x");
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
  Start(1);
  for (int round = 0; round < 50; round++) EXPECT_EQ(5u, WaitOne().token);
  EXPECT_EQ("x", Drain(pair.a));
  ExpectQuiet();
  Send(pair.b, "y");
  EXPECT_EQ(5u, WaitOne().token);
}

TEST_P(HeldWait, ASocketAddedLaterIsReported) {
  Start(1);
  ExpectQuiet();
  Pair pair;
  Send(pair.b, "x");
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(5u, WaitOne().token);
}

TEST_P(HeldWait, EveryModeWorksRoundAfterRound) {
  Start(1);
  for (uint32_t mode : kModes) {
    Pair pair;
    ASSERT_EQ(0, evpoll_add(p, pair.a, mode, EVPOLL_READABLE, mode));
    for (int round = 0; round < 50; round++) {
      Send(pair.b, "x");
      ASSERT_EQ(mode, WaitOne().token) << "round " << round;
      EXPECT_EQ("x", Drain(pair.a));
      ASSERT_EQ(0, evpoll_rearm(p, pair.a, mode, EVPOLL_READABLE));
      EXPECT_TRUE(Wait(0).empty());
    }
    ASSERT_EQ(0, evpoll_remove(p, pair.a, mode));
  }
}

TEST_P(HeldWait, OneshotIsSilentUntilItIsRearmed) {
  Start(1);
  Pair pair;
  Send(pair.b, "x");
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_ONESHOT));
  EXPECT_EQ(5u, WaitOne().token);
  ExpectQuiet();
  ASSERT_EQ(0, evpoll_rearm(p, pair.a, 5, EVPOLL_READABLE));
  EXPECT_EQ(5u, WaitOne().token);
  ExpectQuiet();
}

TEST_P(HeldWait, ARemovedSocketIsSilent) {
  Start(1);
  Pair pair;
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
  ExpectQuiet();
  Send(pair.b, "x");
  ASSERT_EQ(0, evpoll_remove(p, pair.a, 5));
  ExpectQuiet();
}

TEST_P(HeldWait, ManySocketsWithASmallArrayAreAllReported) {
  Start(1);
  std::vector<std::unique_ptr<Pair>> pairs;
  for (uint64_t i = 0; i < 50; i++) {
    pairs.push_back(std::make_unique<Pair>());
    Send(pairs[i]->b, "x");
    ASSERT_EQ(0, evpoll_add(p, pairs[i]->a, i, EVPOLL_READABLE, EVPOLL_LEVEL));
  }
  std::vector<bool> seen(50);
  size_t different = 0;
  EXPECT_TRUE(Until([&] {
    for (const evpoll_event &e : Wait(kLong, 3))
      if (!seen[e.token]) different += seen[e.token] = true;
    return different == 50 || HasFailure();
  })) << different;
}

TEST_P(HeldWait, WakesAndPostsAreDelivered) {
  Start(1);
  for (int round = 0; round < 50; round++) {
    ASSERT_EQ(0, evpoll_wake(p));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), WaitOne().events);
    ASSERT_EQ(0, evpoll_post(p, 6, round));
    EXPECT_EQ(round, WaitOne().result);
  }
  ExpectQuiet();
}

TEST_P(HeldWait, AWakeFromAnotherThreadEndsASleep) {
  Start(1);
  for (int round = 0; round < 100; round++) {
    Thread other([&] { EXPECT_EQ(0, evpoll_wake(p)); });
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), WaitOne().events);
  }
}

TEST_P(HeldWait, ASocketThatBecomesReadyEndsASleep) {
  Pair pair;
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
  Start(1);
  for (int round = 0; round < 100; round++) {
    Thread other([&] { Send(pair.b, "x"); });
    EXPECT_EQ(5u, WaitOne().token);
    other.Join();
    EXPECT_EQ("x", Drain(pair.a));
  }
}

TEST_P(HeldWait, TheOperationsEndEndsASleep) {
  for (int round = 0; round < 50; round++) {
    held.Hold();
    const evpoll_io io = Start(1);
    Thread other([&] { held.Release(); });
    EXPECT_EQ(io.op, WaitOne().op);
  }
}

TEST_P(HeldWait, QuickOperationsOvertakeASlowOne) {
  OpenWithThreads(2);
  File file(*this, "content");
  char buffer[8];
  const evpoll_io slow = Start(1);
  for (int round = 0; round < 50; round++)
    EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 2, buffer, 8)).result);
  held.Release();
  EXPECT_EQ(slow.op, WaitOne().op);
}

TEST_P(HeldWait, BetweenOperationsReadinessIsServedToo) {
  Pair pair;
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (int round = 0; round < 50; round++) {
    held.Hold();
    Start(1);
    ExpectQuiet();
    Send(pair.b, "x");
    EXPECT_EQ(5u, WaitOne().token);
    EXPECT_EQ("x", Drain(pair.a));
    held.Release();
    EXPECT_EQ(1u, WaitOne().token);
    Send(pair.b, "y"); // with nothing in flight
    EXPECT_EQ(5u, WaitOne().token);
    EXPECT_EQ("y", Drain(pair.a));
    ExpectQuiet();
  }
}

TEST_P(HeldWait, ADescriptorClosedWithoutRemoveLeavesNoNoise) {
  Start(1);
  for (int round = 0; round < 20; round++) {
    Pair pair;
    Send(pair.b, "x");
    ASSERT_LE(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
    EXPECT_EQ(5u, WaitOne().token);
    pair.CloseA();
    ExpectQuiet();
  }
}

TEST_P(HeldWait, AfterTheSetWasRebuiltSocketsAreStillSeen) {
  // A duplicate keeps a registration alive that nobody can name any more: its events are dropped,
  // and when they have become many the kernel's set is made anew.
  Start(1);
  Pair pair, other;
  const int duplicate = fcntl(static_cast<int>(pair.a), F_DUPFD_CLOEXEC, 500);
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
  const int number = static_cast<int>(pair.a);
  pair.CloseA();
  ASSERT_EQ(number, dup2(static_cast<int>(other.a), number));
  ASSERT_LE(0, evpoll_add(p, number, 6, EVPOLL_READABLE, EVPOLL_LEVEL));
  Send(pair.b, "x");
  EXPECT_TRUE(Until([&] {
    EXPECT_TRUE(Wait(kMillisecond).empty());
    return Stats().set_rebuilds > 0 || HasFailure();
  }));
  for (int round = 0; round < 5; round++) {
    Send(other.b, "y");
    EXPECT_EQ(6u, WaitOne().token);
    EXPECT_EQ("y", Drain(other.a));
    ExpectQuiet();
  }
  EXPECT_EQ(0, evpoll_remove(p, number, 6));
  close(number);
  close(duplicate);
}

TEST_P(HeldWait, ASocketAddedByAnotherThreadEndsASleep) {
  Start(1);
  for (int round = 0; round < 50; round++) {
    Pair pair;
    Send(pair.b, "x");
    Thread other([&] { EXPECT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_ONESHOT)); });
    EXPECT_EQ(5u, WaitOne().token);
    other.Join();
    EXPECT_EQ(0, evpoll_remove(p, pair.a, 5));
  }
}

TEST_P(HeldWait, ARearmByAnotherThreadEndsASleep) {
  Start(1);
  Pair pair;
  Send(pair.b, "x");
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_ONESHOT));
  EXPECT_EQ(5u, WaitOne().token);
  for (int round = 0; round < 100; round++) {
    Thread other([&] { EXPECT_EQ(0, evpoll_rearm(p, pair.a, 5, EVPOLL_READABLE)); });
    EXPECT_EQ(5u, WaitOne().token);
  }
}

TEST_P(HeldWait, AnOperationSubmittedByAnotherThreadEndsASleep) {
  OpenWithThreads(2);
  Start(1);
  File file(*this, "content");
  char buffer[8];
  for (int round = 0; round < 100; round++) {
    Thread other([&] {
      evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 2, buffer, 8);
      EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    });
    EXPECT_EQ(2u, WaitOne().token);
  }
}

TEST_P(HeldWait, ASleeperIsReachedByItsFirstSlowOperation) {
  // It went to sleep when there was nothing in flight, and no engine.
  for (int round = 0; round < 20; round++) {
    Open();
    held.Hold();
    Pair pair;
    ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
    Thread other([&] {
      for (int i = 0; i < 10 * round; i++) std::this_thread::yield();
      Start(1);
      held.Release();
    });
    EXPECT_EQ(1u, WaitOne().token);
    other.Join();
  }
}

TEST_P(HeldWait, ASleeperIsReachedByASocketAfterItsFirstSlowOperation) {
  for (int round = 0; round < 20; round++) {
    Open();
    held.Hold();
    Pair pair;
    ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
    Thread other([&] {
      for (int i = 0; i < 10 * round; i++) std::this_thread::yield();
      Start(1);
      Send(pair.b, "x");
    });
    EXPECT_EQ(5u, WaitOne().token);
    held.Release(); // first: a thread of which operations run may not be able to end
    other.Join();
    Drain(pair.a);
    EXPECT_EQ(1u, WaitOne().token);
  }
}

TEST_P(HeldWaiters, AllOfThemAreReachedWhileAnOperationRuns) {
  Start(1);
  std::atomic<int> got{0};
  {
    std::vector<Thread> waiters;
    for (int t = 0; t < 4; t++)
      waiters.emplace_back([&] {
        evpoll_event e;
        EXPECT_EQ(1, evpoll_wait(p, &e, 1, kLong));
        EXPECT_EQ(static_cast<uint32_t>(EVPOLL_POST), e.events);
        got.fetch_add(1);
      });
    for (int i = 0; i < 4; i++) EXPECT_EQ(0, evpoll_post(p, 6, i));
  }
  EXPECT_EQ(4, got.load());
  held.Release();
  EXPECT_EQ(1u, WaitOne().token);
}

} // namespace
} // namespace evp
