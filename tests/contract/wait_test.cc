// SPDX-License-Identifier: MIT
// evpoll_wait: timeouts, capacities and what it leaves for the next call.
#include "contract.h"

#include <atomic>
#include <cstring>
#include <memory>

namespace {

using namespace evp;

EVP_CONTRACT(Waiting);

TEST_P(Waiting, ZeroTimeoutLooksAndReturns) {
  EXPECT_EQ(0u, Wait(0).size());
  ASSERT_EQ(0, evpoll_post(p, 1, 0));
  EXPECT_EQ(1u, Wait(0).size());
  EXPECT_EQ(0u, Wait(0).size());
}

TEST_P(Waiting, AFiniteTimeoutDoesNotReturnEarly) {
  Pair s; // something is registered, and not ready
  ASSERT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (int64_t timeout : {int64_t{1}, int64_t{999}, int64_t{100000}, kMillisecond - 1, kMillisecond,
                          kMillisecond + 1, 7 * kMillisecond, 33 * kMillisecond}) {
    const int64_t start = Now();
    EXPECT_EQ(0u, Wait(timeout).size());
    EXPECT_GE(Now() - start, timeout);
  }
}

TEST_P(Waiting, AnEventEndsAFiniteWait) {
  ASSERT_EQ(0, evpoll_post(p, 1, 0));
  const int64_t start = Now();
  EXPECT_EQ(1u, Wait(kLong).size());
  EXPECT_LT(Now() - start, kLong);
}

// Posts on order from another thread, before or after the wait has begun.
class Postman {
public:
  explicit Postman(evpoll *p) : p_(p), thread_([this] { Run(); }) {}
  ~Postman() {
    stop_ = true;
    thread_.Join();
  }
  void Order() { orders_++; }

private:
  void Run() {
    for (int done = 0; !stop_; std::this_thread::yield())
      for (; done < orders_; done++) evpoll_post(p_, 7, 0);
  }
  evpoll *p_;
  std::atomic<int> orders_{0};
  std::atomic<bool> stop_{false};
  Thread thread_;
};

TEST_P(Waiting, EveryNegativeTimeoutMeansForEver) {
  Postman postman(p);
  for (int round = 0; round < 100; round++)
    for (int64_t timeout : {int64_t{EVPOLL_INFINITE}, int64_t{-2}, -kMillisecond, INT64_MIN,
                            INT64_MIN + 1, -(int64_t{1} << 32)}) {
      postman.Order();
      ASSERT_EQ(1u, Wait(timeout).size()) << timeout;
    }
}

TEST_P(Waiting, TheLongestTimeoutsDoNotOverflow) {
  Postman postman(p);
  for (int round = 0; round < 100; round++)
    for (int64_t timeout :
         {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2, (int64_t{1} << 31) * kMillisecond,
          (int64_t{1} << 32) * kMillisecond, 50 * 86400 * kSecond}) {
      postman.Order();
      ASSERT_EQ(1u, Wait(timeout).size()) << timeout;
    }
}

TEST_P(Waiting, ImpossibleArgumentsAreInvalid) {
  ASSERT_EQ(0, evpoll_post(p, 1, 0));
  evpoll_event event;
  for (int32_t capacity : {0, -1, INT32_MIN})
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_wait(p, &event, capacity, 0)) << capacity;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_wait(p, nullptr, 1, 0));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_wait(nullptr, &event, 1, 0));
  EXPECT_EQ(1u, Wait(0).size()) << "nothing was consumed";
}

TEST_P(Waiting, WhatDoesNotFitStaysForTheNextWait) {
  constexpr uint64_t kSockets = 10;
  std::vector<Pair> pairs(kSockets);
  for (uint64_t i = 0; i < kSockets; i++) {
    ASSERT_EQ(0, evpoll_add(p, pairs[i].a, i, EVPOLL_READABLE, EVPOLL_ONESHOT));
    Send(pairs[i].b, "x");
  }
  for (uint64_t i = 0; i < kSockets; i++) ASSERT_EQ(0, evpoll_post(p, kSockets + i, 0));
  for (int32_t capacity : {1, 3}) {
    std::vector<int> seen(2 * kSockets);
    for (const evpoll_event &e : WaitFor(2 * kSockets, capacity)) seen[e.token]++;
    EXPECT_EQ(std::vector<int>(2 * kSockets, 1), seen);
    ExpectQuiet();
    for (uint64_t i = 0; i < kSockets; i++) {
      ASSERT_EQ(0, evpoll_rearm(p, pairs[i].a, i, EVPOLL_READABLE));
      ASSERT_EQ(0, evpoll_post(p, kSockets + i, 0));
    }
  }
}

TEST_P(Waiting, NothingIsWrittenBehindTheCapacity) {
  std::vector<Pair> pairs(16);
  for (uint64_t i = 0; i < pairs.size(); i++)
    ASSERT_EQ(0, evpoll_add(p, pairs[i].a, i, kBoth, EVPOLL_LEVEL));
  for (int32_t capacity = 1; capacity <= 17; capacity++)
    for (int look = 0; look < 4; look++) {
      ASSERT_EQ(0, evpoll_wake(p));
      for (int i = 0; i < 4; i++) ASSERT_EQ(0, evpoll_post(p, 1, 2));
      const size_t n = static_cast<size_t>(capacity);
      std::vector<evpoll_event> events(n + 4);
      std::memset(events.data(), 0xA5, (n + 4) * sizeof(evpoll_event));
      const int32_t got = LongWait(p, events.data(), capacity);
      ASSERT_GE(got, 1);
      ASSERT_LE(got, capacity);
      const unsigned char *behind = reinterpret_cast<const unsigned char *>(&events[n]);
      for (size_t i = 0; i < 4 * sizeof(evpoll_event); i++) ASSERT_EQ(0xA5, behind[i]) << i;
    }
}

TEST_P(Waiting, ALargeArrayIsFilledWith4096AtMost) {
  constexpr int kPosts = 10000;
  for (int i = 0; i < kPosts; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
  int next = 0;
  ASSERT_TRUE(Until([&] {
    const std::vector<evpoll_event> events = Wait(kLong, 20000);
    EXPECT_LE(events.size(), 4096u);
    for (const evpoll_event &e : events) EXPECT_EQ(next++, e.result);
    return next >= kPosts;
  }));
  EXPECT_EQ(kPosts, next);
}

// The whole address range that the capacity names belongs to the caller; it is only reserved here,
// so a backend that cleared it all would take a while and a lot of memory.
TEST_P(Waiting, TheLargestUsefulArrayIsTaken) {
  constexpr int32_t kCapacity = 4 << 20; // 128 MiB
  std::unique_ptr<evpoll_event[]> events(new evpoll_event[kCapacity]);
  EXPECT_EQ(0, evpoll_wait(p, events.get(), kCapacity, 0));
  ASSERT_EQ(0, evpoll_post(p, 1, 2));
  ASSERT_EQ(1, LongWait(p, events.get(), kCapacity));
  EXPECT_EQ(2, events[0].result);
}

EVP_CONTRACT(WaitingThreads);

TEST_P(WaitingThreads, AWaitUnderWayHearsOfNewRegistrations) {
  const int rounds = Rounds(2000);
  for (int i = 0; i < rounds; i++) {
    Pair s;
    std::atomic<int32_t> added{1};
    Thread other([&] { added = evpoll_add(p, s.a, 7, EVPOLL_WRITABLE, EVPOLL_ONESHOT); });
    ASSERT_EQ(7u, WaitOne().token);
    other.Join();
    ASSERT_EQ(0, added);
    ASSERT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(WaitingThreads, AWaitUnderWayHearsOfAModify) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, 0, EVPOLL_LEVEL));
  const int rounds = Rounds(2000);
  for (int i = 0; i < rounds; i++) {
    Thread other([&] { evpoll_modify(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL); });
    ASSERT_EQ(7u, WaitOne().token);
    other.Join();
    ASSERT_EQ(0, evpoll_modify(p, s.a, 7, 0, EVPOLL_LEVEL));
  }
}

} // namespace
