// SPDX-License-Identifier: MIT
// evpoll_wake and evpoll_post: what arrives, how often and in which order. wake_litmus_test.cc has
// the races.
#include "contract.h"

#include <csignal>

namespace {

using namespace evp;

EVP_CONTRACT(Wakes);

TEST_P(Wakes, AreReportedWithTheTokenOfTheOptions) {
  for (uint64_t token : {uint64_t{0}, uint64_t{42}, uint64_t{1} << 63, UINT64_MAX}) {
    Open(0, 0, token);
    ASSERT_EQ(0, evpoll_wake(p));
    const evpoll_event e = WaitOne();
    EXPECT_EQ(token, e.token);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), e.events);
    EXPECT_EQ(0u, e.op);
    EXPECT_EQ(0, e.result);
    EXPECT_EQ(0, e.status);
  }
}

TEST_P(Wakes, BeforeTheEventWasDeliveredAreOne) {
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 1000; i++) ASSERT_EQ(0, evpoll_wake(p));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), WaitOne().events);
    ExpectQuiet();
  }
}

TEST_P(Wakes, ComeOneByOneWhenEachIsDelivered) {
  for (int i = 0; i < Rounds(2000); i++) {
    ASSERT_EQ(0, evpoll_wake(p));
    ASSERT_EQ(1u, Wait(0).size()) << i;
    ASSERT_EQ(0u, Wait(0).size()) << i;
  }
}

TEST_P(Wakes, GoWithReadiness) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_wake(p));
  uint32_t seen = 0;
  for (const evpoll_event &e : WaitFor(2)) seen |= e.events;
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WAKE | EVPOLL_READABLE), seen);
  ExpectQuiet();
}

TEST_P(Wakes, FromAnotherThreadEndAWait) {
  for (int i = 0; i < Rounds(1000); i++) {
    Thread other([&] { evpoll_wake(p); });
    ASSERT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), WaitOne().events);
  }
  ExpectQuiet();
}

TEST_P(Wakes, OfNoPollerAreInvalid) { EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_wake(nullptr)); }

evpoll *woken_by_signal;
volatile std::sig_atomic_t handler_status = 1;

TEST_P(Wakes, CanBeMadeInASignalHandler) {
  woken_by_signal = p;
  handler_status = 1;
  auto *before = std::signal(SIGTERM, [](int) { handler_status = evpoll_wake(woken_by_signal); });
  ASSERT_NE(SIG_ERR, before);
  ASSERT_EQ(0, std::raise(SIGTERM));
  std::signal(SIGTERM, before);
  EXPECT_EQ(0, handler_status);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), WaitOne().events);
}

EVP_CONTRACT(Posts);

TEST_P(Posts, CarryTheirTokenAndResult) {
  struct {
    uint64_t token;
    int64_t result;
  } const posts[] = {
      {0, 0},          {1, -1},       {UINT64_MAX, INT64_MAX}, {UINT64_MAX, INT64_MIN},
      {1ull << 63, 5}, {7, 1ll << 32}};
  for (const auto &post : posts) {
    ASSERT_EQ(0, evpoll_post(p, post.token, post.result));
    const evpoll_event e = WaitOne();
    EXPECT_EQ(post.token, e.token);
    EXPECT_EQ(post.result, e.result);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_POST), e.events);
    EXPECT_EQ(0u, e.op);
    EXPECT_EQ(0, e.status);
  }
}

TEST_P(Posts, OfOneThreadLeaveInOrderThroughAnyArray) {
  for (int32_t capacity : {1, 2, 63, 64, 1000}) {
    constexpr int kPosts = 500;
    for (int i = 0; i < kPosts; i++) ASSERT_EQ(0, evpoll_post(p, 3, i));
    int next = 0;
    for (const evpoll_event &e : WaitFor(kPosts, capacity)) ASSERT_EQ(next++, e.result);
    ExpectQuiet();
  }
}

TEST_P(Posts, AreNotCoalesced) {
  for (int i = 0; i < 10; i++) ASSERT_EQ(0, evpoll_post(p, 3, 3));
  WaitFor(10);
  ExpectQuiet();
}

TEST_P(Posts, MayBeVeryMany) {
  const int posts = Rounds(200000);
  for (int i = 0; i < posts; i++) ASSERT_EQ(0, evpoll_post(p, 3, i));
  int next = 0;
  for (const evpoll_event &e : WaitFor(static_cast<size_t>(posts), 512))
    ASSERT_EQ(next++, e.result);
  ExpectQuiet();
}

TEST_P(Posts, ThatAreNeverTakenGoWithThePoller) {
  for (int i = 0; i < 1000; i++) ASSERT_EQ(0, evpoll_post(p, 3, i));
  Close();
}

TEST_P(Posts, ComeBesideAWake) {
  ASSERT_EQ(0, evpoll_post(p, 1, 0));
  ASSERT_EQ(0, evpoll_wake(p));
  ASSERT_EQ(0, evpoll_post(p, 2, 0));
  ASSERT_EQ(0, evpoll_wake(p));
  int posts = 0, wakes = 0;
  for (const evpoll_event &e : WaitFor(3, 1)) {
    posts += e.events == EVPOLL_POST;
    wakes += e.events == EVPOLL_WAKE;
  }
  EXPECT_EQ(2, posts);
  EXPECT_EQ(1, wakes);
  ExpectQuiet();
}

TEST_P(Posts, MadeWhileHandlingPostsArriveToo) {
  ASSERT_EQ(0, evpoll_post(p, 1, 100));
  int64_t left = 100;
  while (left > 0) {
    const evpoll_event e = WaitOne();
    ASSERT_EQ(left, e.result);
    left--;
    if (left > 0) {
      ASSERT_EQ(0, evpoll_post(p, 1, left));
    }
  }
  ExpectQuiet();
}

TEST_P(Posts, OfNoPollerAreInvalid) { EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_post(nullptr, 1, 2)); }

TEST_P(Posts, OfManyThreadsEachArriveOnceAndInTheirOrder) {
  constexpr int kThreads = 4;
  const int each = Rounds(20000);
  std::vector<Thread> threads;
  for (uint64_t t = 0; t < kThreads; t++)
    threads.emplace_back([this, t, each] {
      for (int i = 0; i < each; i++)
        if (evpoll_post(p, t, i) != 0) return;
    });
  std::vector<int64_t> next(kThreads);
  for (int64_t left = int64_t{kThreads} * each; left > 0;) {
    const std::vector<evpoll_event> events = Wait(kLong, 100);
    ASSERT_FALSE(events.empty()) << left << " posts are missing";
    for (const evpoll_event &e : events) {
      ASSERT_LT(e.token, next.size());
      ASSERT_EQ(next[e.token]++, e.result);
    }
    left -= static_cast<int64_t>(events.size());
  }
  ExpectQuiet();
}

// What a thread wrote before it posted is there for the one who gets the event, without atomics.
TEST_P(Posts, PublishWhatWasWrittenBefore) {
  const int rounds = Rounds(20000);
  std::vector<int> cells(static_cast<size_t>(rounds));
  Thread writer([&] {
    for (int i = 0; i < rounds; i++) {
      cells[static_cast<size_t>(i)] = i + 1;
      if (evpoll_post(p, 1, i) != 0) return;
    }
  });
  for (int got = 0; got < rounds;) {
    const std::vector<evpoll_event> events = Wait();
    ASSERT_FALSE(events.empty());
    for (const evpoll_event &e : events) {
      ASSERT_EQ(e.result + 1, cells[static_cast<size_t>(e.result)]);
      got++;
    }
  }
}

} // namespace
