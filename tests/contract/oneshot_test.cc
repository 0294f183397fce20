// SPDX-License-Identifier: MIT
// EVPOLL_ONESHOT: one event to one waiter, then silence, errors included, until rearm or modify,
// which look at the state afresh.
#include "contract.h"

#include <atomic>

namespace {

using namespace evp;

EVP_CONTRACT(Oneshot);

TEST_P(Oneshot, ReportsOnceAndIsSilentThen) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
  ExpectQuiet();
  Send(s.b, "y");
  ExpectQuiet();
  EXPECT_EQ("xy", Drain(s.a));
  Send(s.b, "z");
  ExpectQuiet();
}

TEST_P(Oneshot, RearmReportsWhatIsTrueAlready) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  for (int i = 0; i < 5; i++) {
    const evpoll_event e = WaitOne();
    EXPECT_EQ(7u, e.token);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), e.events);
    ExpectQuiet();
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  }
}

TEST_P(Oneshot, RearmBeforeTheNextWaitReportsAgain) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  for (int i = 0; i < Rounds(2000); i++) {
    ASSERT_EQ(7u, WaitOne().token);
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  }
}

TEST_P(Oneshot, RearmReportsWhatBecomesTrueLater) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  for (int i = 0; i < Rounds(1000); i++) {
    Send(s.b, "x");
    ASSERT_EQ(7u, WaitOne().token);
    ASSERT_EQ("x", Drain(s.a));
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
    ASSERT_EQ(0u, Wait(0).size());
  }
}

TEST_P(Oneshot, DataWhileDisarmedIsReportedAfterRearm) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  for (int i = 0; i < Rounds(200); i++) {
    ASSERT_EQ(7u, WaitOne().token);
    ASSERT_EQ("x", Drain(s.a));
    Send(s.b, "x");
    ASSERT_EQ(0u, Wait(0).size());
    ASSERT_EQ(0u, Wait(0).size());
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  }
}

TEST_P(Oneshot, ADisarmedSocketThatStaysReadyDoesNotEndWaitsEarly) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  WaitOne();
  for (int i = 0; i < 3; i++) {
    const int64_t start = Now();
    EXPECT_EQ(0u, Wait(5 * kMillisecond).size());
    EXPECT_GE(Now() - start, 5 * kMillisecond);
  }
  ExpectNoSpin();
}

TEST_P(Oneshot, BothBitsAtOnceAreOneEvent) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, kBoth, EVPOLL_ONESHOT));
  const evpoll_event e = WaitOne();
  EXPECT_NE(0u, e.events & kBoth);
  EXPECT_EQ(0u, Excess(e.events, kBoth));
  ExpectQuiet();
}

TEST_P(Oneshot, RearmOfOneBitReportsNoOther) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, kBoth, EVPOLL_ONESHOT));
  WaitOne();
  for (uint32_t bit : {EVPOLL_READABLE, EVPOLL_WRITABLE, EVPOLL_READABLE}) {
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, bit));
    EXPECT_EQ(bit, WaitOne().events);
    ExpectQuiet();
  }
}

TEST_P(Oneshot, RearmOfABitThatIsNotTrueWaitsForIt) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, kBoth, EVPOLL_ONESHOT));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
  ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  ExpectQuiet(); // writable it still is
  Send(s.b, "x");
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
  ExpectQuiet();
  ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, kBoth));
  EXPECT_NE(0u, WaitOne().events & kBoth);
  ExpectQuiet();
}

TEST_P(Oneshot, ModifyArmsAgain) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  WaitOne();
  ExpectQuiet();
  for (uint32_t interest : {EVPOLL_WRITABLE, EVPOLL_READABLE, EVPOLL_READABLE}) {
    ASSERT_EQ(0, evpoll_modify(p, s.a, 7, interest, EVPOLL_ONESHOT));
    EXPECT_EQ(interest, WaitOne().events);
    ExpectQuiet();
  }
}

TEST_P(Oneshot, AddArmsAgain) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  WaitOne();
  ExpectQuiet();
  ASSERT_EQ(1, evpoll_add(p, s.a, 8, EVPOLL_READABLE, EVPOLL_ONESHOT));
  EXPECT_EQ(8u, WaitOne().token);
  ExpectQuiet();
}

TEST_P(Oneshot, ModifyToLevelEndsTheSilence) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  WaitOne();
  ExpectQuiet();
  ASSERT_EQ(0, evpoll_modify(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (int i = 0; i < 3; i++) EXPECT_EQ(7u, WaitOne().token);
}

TEST_P(Oneshot, IsSilentWhenThePeerClosesWhileDisarmed) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  WaitOne();
  Drain(s.a);
  s.CloseB();
  ExpectQuiet();
  ExpectQuiet();
  ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  EXPECT_NE(0u, WaitOne().events & EVPOLL_READABLE);
  ExpectQuiet();
}

TEST_P(Oneshot, IsSilentAboutErrorsWhileDisarmed) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_WRITABLE, EVPOLL_ONESHOT));
  WaitOne();
  ResetB(s);
  ExpectQuiet();
  ExpectQuiet();
  ASSERT_EQ(0, evpoll_rearm(p, s.b, 7, EVPOLL_WRITABLE));
  EXPECT_NE(0u, WaitOne().events & (EVPOLL_ERROR | EVPOLL_WRITABLE));
  ExpectQuiet();
}

TEST_P(Oneshot, ReportsAResetOnceWhileArmed) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  ExpectQuiet();
  ResetB(s);
  EXPECT_EQ(7u, WaitOne().token);
  ExpectQuiet();
  ExpectQuiet();
}

TEST_P(Oneshot, RemoveAndAddStartAfresh) {
  Pair s;
  Send(s.b, "x");
  for (uint64_t token = 0; token < 5; token++) {
    ASSERT_EQ(0, evpoll_add(p, s.a, token, EVPOLL_READABLE, EVPOLL_ONESHOT));
    EXPECT_EQ(token, WaitOne().token);
    ExpectQuiet();
    ASSERT_EQ(0, evpoll_remove(p, s.a, token));
    ExpectQuiet();
  }
}

TEST_P(Oneshot, RearmOfAnArmedOneStaysOneEvent) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  for (int i = 0; i < 3; i++) ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  Send(s.b, "x");
  EXPECT_EQ(7u, WaitOne().token);
  ExpectQuiet();
}

TEST_P(Oneshot, ManyAreReportedOnceEach) {
  constexpr uint64_t kSockets = 100;
  std::vector<Pair> pairs(kSockets);
  for (uint64_t i = 0; i < kSockets; i++) {
    ASSERT_EQ(0, evpoll_add(p, pairs[i].a, i, EVPOLL_READABLE, EVPOLL_ONESHOT));
    Send(pairs[i].b, "x");
  }
  for (int round = 0; round < 20; round++) {
    std::vector<int> reported(kSockets);
    for (const evpoll_event &e : WaitFor(kSockets, 7)) reported[e.token]++;
    ASSERT_EQ(std::vector<int>(kSockets, 1), reported);
    ASSERT_EQ(0u, Wait(0).size());
    for (uint64_t i = 0; i < kSockets; i++)
      ASSERT_EQ(0, evpoll_rearm(p, pairs[i].a, i, EVPOLL_READABLE));
  }
}

TEST_P(Oneshot, EveryOtherOneRearmedIsReportedAlone) {
  constexpr uint64_t kSockets = 40;
  std::vector<Pair> pairs(kSockets);
  for (uint64_t i = 0; i < kSockets; i++) {
    ASSERT_EQ(0, evpoll_add(p, pairs[i].a, i, EVPOLL_READABLE, EVPOLL_ONESHOT));
    Send(pairs[i].b, "x");
  }
  WaitFor(kSockets);
  for (uint64_t round = 0; round < 10; round++) {
    for (uint64_t i = round % 2; i < kSockets; i += 2)
      ASSERT_EQ(0, evpoll_rearm(p, pairs[i].a, i, EVPOLL_READABLE));
    for (const evpoll_event &e : WaitFor(kSockets / 2)) EXPECT_EQ(round % 2, e.token % 2);
    ExpectQuiet();
  }
}

EVP_CONTRACT(OneshotThreads);

// In a single-waiter poller a rearm may cost no system call, unless somebody sleeps.
TEST_P(OneshotThreads, ARearmByAnotherThreadReachesTheWaiter) {
  Pair s;
  Send(s.b, "x"); // ready all the time
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  std::atomic<int> reported{0};
  Thread waiter([&] {
    evpoll_event event;
    while (LongWait(p, &event, 1) == 1 && event.token == 7) reported++;
  });
  const Effort effort(20000);
  for (int i = 1;; i++) {
    ASSERT_TRUE(Until([&] { return reported >= i; })) << i;
    ASSERT_EQ(i, reported) << "reported without a rearm";
    if (effort.Enough(i)) break;
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  }
  ASSERT_EQ(0, evpoll_post(p, 0, 0));
  waiter.Join();
  ExpectQuiet();
}

// The same with a socket that becomes ready at about the time of the rearm.
TEST_P(OneshotThreads, ARearmThatRacesDataLosesNothing) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  const int rounds = Rounds(20000);
  std::atomic<int> turn{0};
  Thread writer([&] {
    for (int i = 0; i < rounds && Until([&] { return turn >= i; }); i++)
      if (evpoll_socket_send(s.b, "x", 1) != 1) return;
  });
  for (int i = 0; i < rounds; i++) {
    ASSERT_EQ(1u, Wait().size()) << "after " << i << " of " << rounds;
    ASSERT_EQ("x", Drain(s.a));
    turn = i + 1;
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  }
}

TEST_P(OneshotThreads, AModifyByAnotherThreadReachesTheWaiter) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  std::atomic<int> reported{0};
  Thread waiter([&] {
    evpoll_event event;
    while (LongWait(p, &event, 1) == 1 && event.token == 7) reported++;
  });
  const Effort effort(10000);
  for (int i = 1;; i++) {
    ASSERT_TRUE(Until([&] { return reported >= i; })) << i;
    ASSERT_EQ(i, reported);
    if (effort.Enough(i)) break;
    const uint32_t interest = i % 2 ? EVPOLL_WRITABLE : EVPOLL_READABLE;
    ASSERT_EQ(0, evpoll_modify(p, s.a, 7, interest, EVPOLL_ONESHOT));
  }
  ASSERT_EQ(0, evpoll_post(p, 0, 0));
}

EVP_CONTRACT_MANY(OneshotCrowd);

TEST_P(OneshotCrowd, EachArmingIsOneEventToOneWaiter) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  const Effort effort(10000);
  std::atomic<int> reported{0};
  std::vector<Thread> waiters;
  for (int i = 0; i < 4; i++)
    waiters.emplace_back([&] {
      evpoll_event events[4];
      for (int32_t n; (n = LongWait(p, events, 4)) > 0;)
        for (int32_t k = 0; k < n; k++) reported += events[k].token == 7;
    });
  int armed = 1;
  for (; !effort.Enough(armed); armed++) {
    ASSERT_TRUE(Until([&] { return reported >= armed; })) << armed;
    ASSERT_EQ(armed, reported);
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  }
  EXPECT_TRUE(Until([&] { return reported >= armed; }));
  EXPECT_EQ(0, evpoll_shutdown(p));
  for (Thread &t : waiters) t.Join();
  EXPECT_EQ(armed, reported);
}

} // namespace
