// SPDX-License-Identifier: MIT
// EVPOLL_LEVEL: while an interested bit is true, waits keep reporting it.
#include "contract.h"

#include <set>

namespace {

using namespace evp;

EVP_CONTRACT(Level);

TEST_P(Level, ReportsUntilTheDataWasReadAndNotLonger) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (int round = 0; round < 3; round++) {
    Send(s.b, "xyz");
    for (int i = 0; i < 5; i++) EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
    EXPECT_EQ("xyz", Drain(s.a));
    ExpectQuiet();
  }
}

TEST_P(Level, ReportsWhatWasReadOnlyInPart) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  Send(s.b, "abc");
  for (char expected : {'a', 'b', 'c'}) {
    EXPECT_EQ(7u, WaitOne().token);
    char c = 0;
    ASSERT_EQ(1, evpoll_socket_recv(s.a, &c, 1));
    EXPECT_EQ(expected, c);
  }
  ExpectQuiet();
}

TEST_P(Level, ReportsWritableUntilTheBufferIsFull) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  for (int i = 0; i < 5; i++) EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
  FillUp(s.a);
  ExpectQuiet();
  Drain(s.b);
  for (int i = 0; i < 5; i++) EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
}

TEST_P(Level, ReportsTheEndOfTheStreamAgainAndAgain) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  s.CloseB();
  for (int i = 0; i < 5; i++) Collect(7, EVPOLL_READABLE, EVPOLL_READABLE);
  ASSERT_EQ(0, evpoll_remove(p, s.a, 7));
  ExpectQuiet();
}

TEST_P(Level, ReportsToAWaitThatDoesNotBlock) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  WaitOne();
  // It is known to be true now: a look is enough from here on.
  for (int i = 0; i < 5; i++) EXPECT_EQ(1u, Wait(0).size());
}

TEST_P(Level, EveryReadySocketIsReportedThroughASmallArray) {
  constexpr uint64_t kSockets = 20;
  std::vector<Pair> pairs(kSockets);
  for (uint64_t i = 0; i < kSockets; i++) {
    ASSERT_EQ(0, evpoll_add(p, pairs[i].a, i, EVPOLL_READABLE, EVPOLL_LEVEL));
    Send(pairs[i].b, "x");
  }
  for (int32_t capacity : {1, 2, 7}) {
    std::set<uint64_t> tokens;
    ASSERT_TRUE(Until([&] {
      for (const evpoll_event &e : Wait(kLong, capacity)) tokens.insert(e.token);
      return tokens.size() == kSockets;
    })) << "capacity "
        << capacity << ": only " << tokens.size() << " of the sockets had a turn";
  }
}

TEST_P(Level, RearmChangesNothing) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, kBoth, EVPOLL_LEVEL));
  Collect(7, EVPOLL_WRITABLE, kBoth);
  EXPECT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  Collect(7, EVPOLL_WRITABLE, kBoth); // which rearm did not name
  Send(s.b, "x");
  Collect(7, kBoth, kBoth);
}

TEST_P(Level, ModifyChangesTheInterest) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
  ASSERT_EQ(0, evpoll_modify(p, s.a, 7, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  for (int i = 0; i < 3; i++) EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
  ASSERT_EQ(0, evpoll_modify(p, s.a, 7, kBoth, EVPOLL_LEVEL));
  Collect(7, kBoth, kBoth);
}

TEST_P(Level, ModifyChangesTheMode) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 3; i++) EXPECT_EQ(7u, WaitOne().token);
    ASSERT_EQ(0, evpoll_modify(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
    EXPECT_EQ(7u, WaitOne().token);
    ExpectQuiet();
    ASSERT_EQ(0, evpoll_modify(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
    EXPECT_EQ(7u, WaitOne().token);
    ASSERT_EQ(0, evpoll_modify(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  }
}

TEST_P(Level, SocketsOfEachModeLiveSideBySide) {
  Pair level, edge, oneshot, none;
  for (Pair *s : {&level, &edge, &oneshot, &none}) Send(s->b, "x");
  ASSERT_EQ(0, evpoll_add(p, level.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_add(p, edge.a, 2, EVPOLL_READABLE, EVPOLL_EDGE));
  ASSERT_EQ(0, evpoll_add(p, oneshot.a, 3, EVPOLL_READABLE, EVPOLL_ONESHOT));
  ASSERT_EQ(0, evpoll_add(p, none.a, 4, 0, EVPOLL_LEVEL));
  int level_events = 0, edge_events = 0, oneshot_events = 0;
  ASSERT_TRUE(Until([&] {
    for (const evpoll_event &e : Wait()) {
      level_events += e.token == 1;
      edge_events += e.token == 2;
      oneshot_events += e.token == 3;
      EXPECT_NE(4u, e.token);
    }
    return level_events >= 10;
  }));
  EXPECT_GE(edge_events, 1);
  EXPECT_EQ(1, oneshot_events);
}

} // namespace
