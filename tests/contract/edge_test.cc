// SPDX-License-Identifier: MIT
// EVPOLL_EDGE: after add, modify or rearm each named bit is reported at least once if it is true,
// or when it becomes true. More reports are allowed, so no test here counts them.
#include "contract.h"

#include <atomic>

namespace {

using namespace evp;

EVP_CONTRACT(Edge);

TEST_P(Edge, ReportsNewDataAfterDrainAndRearm) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  for (int i = 0; i < 100; i++) {
    Send(s.b, "x");
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
    EXPECT_EQ("x", Drain(s.a));
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  }
}

TEST_P(Edge, ReportsDataThatCameBetweenDrainAndRearm) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  Send(s.b, "x");
  for (int i = 0; i < 100; i++) {
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
    EXPECT_EQ("x", Drain(s.a));
    Send(s.b, "x");
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  }
}

TEST_P(Edge, IsQuietWhileNothingIsTrue) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  ExpectQuiet();
  Send(s.b, "x");
  WaitOne();
  EXPECT_EQ("x", Drain(s.a));
  ExpectQuiet();
  ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  ExpectQuiet();
}

TEST_P(Edge, ReportsWritableAfterWouldBlockAndRearm) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_WRITABLE, EVPOLL_EDGE));
  for (int i = 0; i < 10; i++) {
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
    FillUp(s.a);
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_WRITABLE));
    ExpectQuiet();
    Drain(s.b);
  }
}

TEST_P(Edge, OneDirectionIsRearmedWithoutTheOther) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, kBoth, EVPOLL_EDGE));
  Collect(7, EVPOLL_WRITABLE, kBoth);
  for (int i = 0; i < 20; i++) {
    Send(s.b, "x");
    Collect(7, EVPOLL_READABLE, kBoth);
    EXPECT_EQ("x", Drain(s.a));
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  }
  FillUp(s.a);
  ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_WRITABLE));
  Drain(s.b);
  Collect(7, EVPOLL_WRITABLE, kBoth);
}

TEST_P(Edge, ModifyReportsAgainWhatIsTrue) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  for (int i = 0; i < 10; i++) {
    WaitOne();
    ASSERT_EQ(0, evpoll_modify(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  }
  EXPECT_EQ(7u, WaitOne().token);
}

TEST_P(Edge, AddReportsAgainWhatIsTrue) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 0, EVPOLL_READABLE, EVPOLL_EDGE));
  for (uint64_t token = 1; token < 10; token++) {
    WaitOne();
    ASSERT_EQ(1, evpoll_add(p, s.a, token, EVPOLL_READABLE, EVPOLL_EDGE));
    EXPECT_EQ(token, WaitOne().token);
    ASSERT_EQ(1, evpoll_add(p, s.a, token, EVPOLL_READABLE, EVPOLL_EDGE));
  }
}

TEST_P(Edge, ReportsABitThatModifyAdded) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  ExpectQuiet();
  ASSERT_EQ(0, evpoll_modify(p, s.a, 7, kBoth, EVPOLL_EDGE));
  Collect(7, EVPOLL_WRITABLE, kBoth);
  Send(s.b, "x");
  Collect(7, EVPOLL_READABLE, kBoth);
}

TEST_P(Edge, AFailedChangeDoesNotDropTheReportThatIsDue) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  Send(s.b, "x");
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_add(p, s.a, 8, 0x80, EVPOLL_EDGE));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_add(p, s.a, 8, EVPOLL_READABLE, 3));
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_modify(p, s.a, 8, EVPOLL_READABLE, EVPOLL_EDGE));
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_rearm(p, s.a, 8, EVPOLL_READABLE));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_rearm(p, s.a, 7, EVPOLL_WRITABLE));
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_remove(p, s.a, 8));
  EXPECT_EQ(7u, WaitOne().token);
}

TEST_P(Edge, ReportsTheEndOfTheStreamAfterRearm) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  Send(s.b, "x");
  WaitOne();
  EXPECT_EQ("x", Drain(s.a));
  ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  s.CloseB();
  Collect(7, EVPOLL_READABLE, EVPOLL_READABLE);
}

TEST_P(Edge, NoReportIsLostThroughASmallArray) {
  constexpr uint64_t kSockets = 50;
  std::vector<Pair> pairs(kSockets);
  for (uint64_t i = 0; i < kSockets; i++) {
    ASSERT_EQ(0, evpoll_add(p, pairs[i].a, i, EVPOLL_READABLE, EVPOLL_EDGE));
    Send(pairs[i].b, "x");
  }
  size_t drained = 0;
  ASSERT_TRUE(Until([&] {
    for (const evpoll_event &e : Wait(kLong, 3)) drained += Drain(pairs[e.token].a).size();
    return drained == kSockets;
  }));
}

EVP_CONTRACT(EdgeThreads);

// The reader's rearm races the writer's data: whatever comes first, the report must come.
TEST_P(EdgeThreads, ARearmThatRacesDataLosesNothing) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  const int rounds = Rounds(20000);
  Thread writer([&] {
    for (int sent = 0; sent < rounds;) {
      const int32_t n = evpoll_socket_send(s.b, "x", 1);
      if (n == 1) sent++;
      if (n == EVPOLL_ERR_WOULD_BLOCK) std::this_thread::yield();
      if (n < 0 && n != EVPOLL_ERR_WOULD_BLOCK) break;
    }
  });
  for (int received = 0; received < rounds;) {
    ASSERT_EQ(1u, Wait().size()) << "after " << received << " of " << rounds;
    received += static_cast<int>(Drain(s.a).size());
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  }
}

TEST_P(EdgeThreads, ARearmByAnotherThreadReachesTheWaiter) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  std::atomic<int> reported{0};
  Thread waiter([&] {
    evpoll_event event;
    while (LongWait(p, &event, 1) == 1 && event.token == 7) reported++;
  });
  const Effort effort(10000);
  for (int i = 0; !effort.Enough(i); i++) {
    const int before = reported;
    Send(s.b, "x");
    ASSERT_TRUE(Until([&] { return reported > before; })) << i;
    Drain(s.a);
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  }
  ASSERT_EQ(0, evpoll_post(p, 0, 0));
}

} // namespace
