// SPDX-License-Identifier: MIT
// How many threads may wait, by the poller's flags: any number, or one at a time.
#include "contract.h"

#include <atomic>

namespace {

using namespace evp;

EVP_CONTRACT_MANY(ManyWaiters);

// Each of n waiters has room for one event and leaves with it. Nobody may be left asleep while
// there is an event: a wake-up that brings one of several must be handed on.
struct OneEach {
  std::atomic<int> served{0}, failed{0};
  std::vector<Thread> threads;
  OneEach(evpoll *p, int n) {
    for (int i = 0; i < n; i++)
      threads.emplace_back([this, p] {
        evpoll_event event;
        (LongWait(p, &event, 1) == 1 ? served : failed)++;
      });
  }
  void Join() {
    for (Thread &t : threads) t.Join();
  }
};

TEST_P(ManyWaiters, AsManyPostsServeAsManyWaiters) {
  for (int round = 0; round < Rounds(200); round++) {
    OneEach waiters(p, 4);
    for (int i = 0; i < 4; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
    waiters.Join();
    ASSERT_EQ(4, waiters.served) << round;
    ASSERT_EQ(0, waiters.failed) << round;
  }
  ExpectQuiet();
}

TEST_P(ManyWaiters, AsManySocketsServeAsManyWaiters) {
  std::vector<Pair> pairs(4);
  for (uint64_t i = 0; i < 4; i++)
    ASSERT_EQ(0, evpoll_add(p, pairs[i].a, i, EVPOLL_READABLE, EVPOLL_ONESHOT));
  for (int round = 0; round < Rounds(200); round++) {
    OneEach waiters(p, 4);
    for (Pair &s : pairs) Send(s.b, "x");
    waiters.Join();
    ASSERT_EQ(4, waiters.served) << round;
    for (uint64_t i = 0; i < 4; i++) {
      ASSERT_EQ("x", Drain(pairs[i].a));
      ASSERT_EQ(0, evpoll_rearm(p, pairs[i].a, i, EVPOLL_READABLE));
    }
  }
  ExpectQuiet();
}

TEST_P(ManyWaiters, AsManyOperationsServeAsManyWaiters) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  File file(*this, "content");
  for (int round = 0; round < Rounds(100); round++) {
    OneEach waiters(p, 4);
    char bytes[4][8];
    evpoll_io ios[4];
    for (int i = 0; i < 4; i++)
      ios[i] = MakeIo(EVPOLL_OP_READ, file.handle, 1, bytes[i], sizeof bytes[i]);
    ASSERT_EQ(4, evpoll_submit(p, ios, 4));
    waiters.Join();
    ASSERT_EQ(4, waiters.served) << round;
  }
  ExpectQuiet();
}

TEST_P(ManyWaiters, AWakeAndAPostServeTwoWaiters) {
  for (int round = 0; round < Rounds(200); round++) {
    OneEach waiters(p, 2);
    ASSERT_EQ(0, evpoll_wake(p));
    ASSERT_EQ(0, evpoll_post(p, 1, 2));
    waiters.Join();
    ASSERT_EQ(2, waiters.served) << round;
  }
  ExpectQuiet();
}

TEST_P(ManyWaiters, EachWakeWakesOne) {
  std::atomic<int> wakes{0}, others{0};
  std::vector<Thread> waiters;
  for (int i = 0; i < 4; i++)
    waiters.emplace_back([&] {
      evpoll_event events[4];
      for (int32_t n; (n = LongWait(p, events, 4)) > 0;)
        for (int32_t k = 0; k < n; k++) (events[k].events == EVPOLL_WAKE ? wakes : others)++;
    });
  const int rounds = Rounds(5000);
  for (int i = 1; i <= rounds; i++) {
    ASSERT_EQ(0, evpoll_wake(p));
    ASSERT_TRUE(Until([&] { return wakes >= i; })) << i;
    ASSERT_EQ(i, wakes);
  }
  EXPECT_EQ(0, evpoll_shutdown(p));
  for (Thread &t : waiters) t.Join();
  EXPECT_EQ(rounds, wakes);
  EXPECT_EQ(0, others);
}

TEST_P(ManyWaiters, ATimeoutEndsOneWaitOnly) {
  OneEach patient(p, 1);
  for (int i = 0; i < 20; i++) {
    const int64_t start = Now();
    ASSERT_EQ(0u, Wait(kMillisecond).size());
    ASSERT_GE(Now() - start, kMillisecond);
  }
  EXPECT_EQ(0, patient.served + patient.failed);
  ASSERT_EQ(0, evpoll_post(p, 1, 2));
  patient.Join();
  EXPECT_EQ(1, patient.served);
}

TEST_P(ManyWaiters, ManyThreadsMayWaitAtOnce) {
  constexpr int kThreads = 32;
  OneEach waiters(p, kThreads);
  for (int i = 0; i < kThreads; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
  waiters.Join();
  EXPECT_EQ(kThreads, waiters.served);
}

EVP_CONTRACT_SINGLE(SingleWaiterAtATime);

// Holds a wait open in another thread until it is let go by a post.
class Holder {
public:
  explicit Holder(evpoll *p) : p_(p), thread_([p] { Run(p); }) {}
  ~Holder() { LetGo(); }
  void LetGo() {
    if (p_) evpoll_post(p_, 999, 0);
    p_ = nullptr;
    thread_.Join();
  }

private:
  static void Run(evpoll *p) {
    evpoll_event event;
    int32_t n;
    // The test's own look may be inside at this moment: then it is this thread that is sent away.
    while ((n = LongWait(p, &event, 1)) == EVPOLL_ERR_BUSY) {
      std::this_thread::yield();
    }
    EXPECT_EQ(1, n);
    EXPECT_EQ(999u, event.token);
  }
  evpoll *p_;
  Thread thread_;
};

TEST_P(SingleWaiterAtATime, ASecondWaiterIsSentAway) {
  Holder holder(p);
  evpoll_event event;
  ASSERT_TRUE(Until([&] { return evpoll_wait(p, &event, 1, 0) == EVPOLL_ERR_BUSY; }));
  EXPECT_EQ(0, evpoll_os_error());
  EXPECT_EQ(EVPOLL_ERR_BUSY, LongWait(p, &event, 1));
  holder.LetGo();
  ExpectQuiet(); // and now there is room again
}

TEST_P(SingleWaiterAtATime, ASecondTurnIsSentAwayAndAppliesNothing) {
  Pair s;
  Holder holder(p);
  evpoll_event event;
  ASSERT_TRUE(Until([&] { return evpoll_wait(p, &event, 1, 0) == EVPOLL_ERR_BUSY; }));
  evpoll_change c = {};
  c.action = EVPOLL_CHANGE_ADD;
  c.handle = s.a;
  c.token = 7;
  c.interest = EVPOLL_WRITABLE;
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_turn(p, &c, 1, nullptr, 0, &event, 1, kLong));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, s.a, 7));
}

TEST_P(SingleWaiterAtATime, ImpossibleArgumentsAreInvalidAlsoWhileOneWaits) {
  Holder holder(p);
  evpoll_event event;
  ASSERT_TRUE(Until([&] { return evpoll_wait(p, &event, 1, 0) == EVPOLL_ERR_BUSY; }));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_wait(p, &event, 0, 0));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_wait(p, nullptr, 1, 0));
}

TEST_P(SingleWaiterAtATime, ThreadsMayTakeTurns) {
  for (int i = 0; i < Rounds(500); i++) {
    ASSERT_EQ(0, evpoll_post(p, 1, i));
    int32_t n = 0;
    Thread([&] {
      evpoll_event event;
      n = LongWait(p, &event, 1);
    }).Join();
    ASSERT_EQ(1, n);
    ASSERT_EQ(0, evpoll_post(p, 1, i));
    WaitOne();
  }
}

} // namespace
