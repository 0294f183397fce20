// SPDX-License-Identifier: MIT
// evpoll_poller_handle(): a descriptor for another loop to sleep on. It is readable whenever a wait
// with timeout 0 would return something, and not for ever when it would not.
#include "contract.h"

#include <atomic>

namespace {

using namespace evp;

class PollerHandle : public Contract {
protected:
  void SetUp() override {
    Contract::SetUp();
    evpoll_handle none = -1;
    const int32_t status = evpoll_poller_handle(p, &none);
    if (Backend() == EVPOLL_BACKEND_AFD) {
      EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, status);
      EXPECT_EQ(-1, none);
    }
    EVP_GATE(status != EVPOLL_ERR_UNSUPPORTED, "poller handle", "the system has no nested sets");
    Open(); // one that nobody has asked yet
    ASSERT_EQ(0, evpoll_open(nullptr, &outer));
  }
  void TearDown() override {
    if (outer) {
      EXPECT_EQ(0, evpoll_close(outer, kLong));
    }
    Contract::TearDown();
  }
  // Lets the other loop watch p.
  void Watch(uint32_t mode = EVPOLL_LEVEL) {
    ASSERT_EQ(0, evpoll_poller_handle(p, &handle));
    ASSERT_LE(0, evpoll_add(outer, handle, 1, EVPOLL_READABLE, mode));
  }
  bool IsReadable(int64_t timeout_ns = 0) {
    evpoll_event e = {};
    const int32_t n = evpoll_wait(outer, &e, 1, timeout_ns);
    EXPECT_LE(0, n);
    EXPECT_TRUE(n == 0 || (e.token == 1 && (e.events & EVPOLL_READABLE))) << e.events;
    return n == 1;
  }
  // What such a loop does: sleeps on the handle, then asks without waiting.
  std::vector<evpoll_event> Next(int32_t capacity = 64) {
    std::vector<evpoll_event> events;
    EXPECT_TRUE(Until([&] {
      EXPECT_TRUE(IsReadable(kLong)) << "nobody was told";
      events = Wait(0, capacity);
      return !events.empty() || HasFailure();
    }));
    return events;
  }
  // Nothing is there, and the loop does not turn for nothing for ever.
  void ExpectSettled() {
    int turns = 0;
    while (IsReadable() && turns++ < 100) EXPECT_EQ(0u, Wait(0).size());
    EXPECT_GT(100, turns) << "readable for nothing";
    EXPECT_FALSE(IsReadable(kMillisecond));
  }

  evpoll *outer = nullptr;
  evpoll_handle handle = -1;
};
INSTANTIATE_TEST_SUITE_P(On, PollerHandle, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(PollerHandle, IsTheSameEachTimeAndNotInherited) {
  evpoll_handle first = -1, second = -1;
  ASSERT_EQ(0, evpoll_poller_handle(p, &first));
  ASSERT_EQ(0, evpoll_poller_handle(p, &second));
  EXPECT_EQ(first, second);
  EXPECT_LT(2, first);
  EXPECT_NE(1, Inherited(first));
}

TEST_P(PollerHandle, IsReadableForATimer) {
  for (uint32_t mode : {EVPOLL_LEVEL, EVPOLL_EDGE})
    for (int64_t ns : {int64_t{0}, int64_t{1}, kMillisecond}) {
      Open();
      Watch(mode);
      for (uint64_t i = 0; i < 10; i++) {
        evpoll_io io = MakeIo(EVPOLL_OP_TIMER, -1, i, nullptr, 0, ns);
        ASSERT_EQ(1, evpoll_submit(p, &io, 1));
        const std::vector<evpoll_event> events = Next();
        ASSERT_EQ(1u, events.size());
        EXPECT_EQ(i, events[0].token);
        EXPECT_EQ(0u, Wait(0).size());
      }
      ExpectSettled();
    }
}

TEST_P(PollerHandle, IsReadableUntilAllThatIsDueWasTaken) {
  Watch();
  std::vector<evpoll_io> ios(10000, MakeIo(EVPOLL_OP_TIMER, -1, 1, nullptr, 0, 1000));
  ASSERT_EQ(10000, evpoll_submit(p, ios.data(), 10000));
  size_t taken = 0;
  while (taken < ios.size() && !HasFailure()) taken += Next(1000).size();
  ExpectSettled();
}

TEST_P(PollerHandle, IsReadableForATimerThatFoundNoDescriptorLeft) {
  Watch();
  {
    NoMoreDescriptors no_more;
    EVP_GATE(no_more.works, "descriptor-limit", "the process has no limit that can be lowered");
    evpoll_io io = MakeIo(EVPOLL_OP_TIMER, -1, 5, nullptr, 0, kMillisecond);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  }
  const std::vector<evpoll_event> events = Next();
  ASSERT_EQ(1u, events.size());
  EXPECT_EQ(5u, events[0].token);
}

TEST_P(PollerHandle, IsClosedWithItsPoller) {
  ASSERT_EQ(0, evpoll_poller_handle(p, &handle));
  Close();
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(outer, handle, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
}

TEST_P(PollerHandle, NoPollerAndNowhereToPutItAreInvalid) {
  evpoll_handle h = 77;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_poller_handle(nullptr, &h));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_poller_handle(p, nullptr));
  EXPECT_EQ(77, h);
}

TEST_P(PollerHandle, SaysLimitWhenThereIsNone) {
  evpoll_handle h = 77;
  {
    NoMoreDescriptors no_more;
    EVP_GATE(no_more.works, "descriptor-limit", "the process has no limit that can be lowered");
    EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_poller_handle(p, &h));
    EXPECT_EQ(77, h);
  }
  EXPECT_EQ(0, evpoll_poller_handle(p, &h)) << "and is asked again";
}

TEST_P(PollerHandle, OfAnIdlePollerIsQuiet) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  File file(*this, "content");
  Watch();
  ExpectSettled();
}

TEST_P(PollerHandle, TellsOfSocketsInEachMode) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, mode));
    Watch();
    ExpectSettled();
    for (int round = 0; round < 20; round++) {
      Send(s.b, "x");
      EXPECT_EQ(7u, Next()[0].token);
      if (mode == EVPOLL_LEVEL) {
        EXPECT_TRUE(IsReadable()) << "unread still";
      } else {
        ExpectSettled();
      }
      EXPECT_EQ("x", Drain(s.a));
      ExpectSettled();
      ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
    }
    ASSERT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(PollerHandle, TellsOfPostsAndWakes) {
  Watch();
  for (int round = 0; round < 100; round++) {
    ASSERT_EQ(0, evpoll_post(p, 5, round));
    EXPECT_EQ(round, Next()[0].result);
    ExpectSettled();
    ASSERT_EQ(0, evpoll_wake(p));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), Next()[0].events);
    ExpectSettled();
  }
}

TEST_P(PollerHandle, TellsOfOperations) {
  File file(*this, "content");
  Watch();
  std::string data(65536, 'w');
  char to[8];
  for (int round = 0; round < 60; round++) {
    evpoll_io io = round % 3 == 0 ? MakeIo(EVPOLL_OP_READ, file.handle, 3, to, 7)
                   : round % 3 == 1
                       ? MakeIo(EVPOLL_OP_WRITE, file.handle, 3, data.data(), data.size())
                       : MakeIo(EVPOLL_OP_FSYNC, file.handle, 3);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    const std::vector<evpoll_event> events = Next();
    EXPECT_EQ(io.op, events[0].op);
    ExpectSettled();
  }
}

TEST_P(PollerHandle, TellsOfWhatATurnLeaves) {
  File file(*this, "content");
  Watch();
  char to[10];
  for (int round = 0; round < 20; round++) {
    evpoll_io ios[10];
    for (uint64_t i = 0; i < 10; i++) ios[i] = MakeIo(EVPOLL_OP_READ, file.handle, i, to + i, 1);
    evpoll_event e;
    int32_t got = evpoll_turn(p, nullptr, 0, ios, 10, &e, 1, 0);
    ASSERT_LE(0, got);
    while (got < 10 && !HasFailure()) got += static_cast<int32_t>(Next(1).size());
    ExpectSettled();
  }
}

TEST_P(PollerHandle, TellsOfAClose) {
  File file(*this, "content");
  Watch();
  evpoll_io io = MakeIo(EVPOLL_OP_CLOSE, file.handle, 3);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(io.op, Next()[0].op);
  file.handle = -1;
  ExpectSettled();
}

TEST_P(PollerHandle, TellsOfTheShutdown) {
  Watch();
  ExpectSettled();
  ASSERT_EQ(0, evpoll_shutdown(p));
  evpoll_event e;
  for (int times = 0; times < 3; times++) {
    EXPECT_TRUE(IsReadable(kLong));
    EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_wait(p, &e, 1, 0));
  }
}

TEST_P(PollerHandle, TellsOfWhatIsInFlightAtTheShutdown) {
  File file(*this, "content");
  Watch();
  for (int i = 0; i < 4; i++) ASSERT_EQ(0, evpoll_post(p, 5, i));
  for (uint64_t i = 0; i < 4; i++) {
    evpoll_io io = MakeIo(EVPOLL_OP_FSYNC, file.handle, i);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  }
  ASSERT_EQ(0, evpoll_shutdown(p));
  int got = 0;
  int32_t n = 0;
  EXPECT_TRUE(Until([&] {
    EXPECT_TRUE(IsReadable(kLong));
    evpoll_event e;
    n = evpoll_wait(p, &e, 1, 0);
    got += n > 0;
    return n < 0;
  }));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, n);
  EXPECT_EQ(8, got);
}

TEST_P(PollerHandle, MadeLateItTellsOfWhatWasQueuedBefore) {
  ASSERT_EQ(0, evpoll_post(p, 5, 1));
  Watch(EVPOLL_EDGE);
  EXPECT_EQ(5u, Next()[0].token);
  ExpectSettled();
}

TEST_P(PollerHandle, MadeLateItTellsOfWhatAWaitLeft) {
  for (int i = 0; i < 3; i++) ASSERT_EQ(0, evpoll_post(p, 5, i));
  EXPECT_EQ(1u, Wait(0, 1).size());
  EXPECT_EQ(1u, Wait(0, 1).size());
  Watch(EVPOLL_EDGE);
  EXPECT_EQ(2, Next()[0].result);
  ExpectSettled();
}

TEST_P(PollerHandle, MadeLateItTellsOfOperationsThatAreOver) {
  File file(*this, "content");
  char to[8];
  RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 3, to, 7)); // its bell is used up
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 3, to, 7);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  Watch(EVPOLL_EDGE);
  EXPECT_EQ(io.op, Next()[0].op);
  ExpectSettled();
}

TEST_P(PollerHandle, MadeLateItTellsOfASocketThatWasReadyBefore) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Watch(EVPOLL_EDGE);
  EXPECT_EQ(7u, Next()[0].token);
}

TEST_P(PollerHandle, MadeLateItTellsOfTheShutdownBefore) {
  ASSERT_EQ(0, evpoll_shutdown(p));
  Watch(EVPOLL_EDGE);
  EXPECT_TRUE(IsReadable(kLong));
}

TEST_P(PollerHandle, WhatASmallArrayLeavesIsToldOfAgain) {
  File file(*this, "content");
  std::vector<Pair> pairs(5);
  for (uint64_t i = 0; i < 5; i++)
    ASSERT_EQ(0, evpoll_add(p, pairs[i].a, i, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Watch();
  char to[5];
  for (int round = 0; round < 30; round++) {
    for (uint64_t i = 0; i < 5; i++) {
      ASSERT_EQ(0, evpoll_post(p, 100 + i, 0));
      Send(pairs[i].b, "x");
      evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 200 + i, to + i, 1);
      ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    }
    ASSERT_EQ(0, evpoll_wake(p));
    for (int got = 0; got < 16 && !HasFailure(); got++) ASSERT_EQ(1u, Next(1).size());
    ExpectSettled();
    for (uint64_t i = 0; i < 5; i++) {
      EXPECT_EQ("x", Drain(pairs[i].a));
      ASSERT_EQ(0, evpoll_rearm(p, pairs[i].a, i, EVPOLL_READABLE));
    }
  }
}

// What rang and was delivered without the bell leaves it behind, in front of the next socket.
TEST_P(PollerHandle, AWaitForOneIsNotEmptyBecauseTheBellWasInFront) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  Watch(EVPOLL_EDGE);
  for (int round = 0; round < 16; round++) {
    while (IsReadable()) {
    }
    ASSERT_EQ(0, evpoll_post(p, 5, round));
    ASSERT_EQ(5u, Wait(0, 1)[0].token);
    Send(s.b, "x");
    ASSERT_EQ(1u, Wait(0, 1).size()) << "in round " << round;
    EXPECT_EQ("x", Drain(s.a));
    EXPECT_EQ(0u, Wait(0).size());
  }
}

// Watched by edges one has to ask until nothing comes; after that the next edge is sure.
TEST_P(PollerHandle, ByEdgesNothingIsLostAmongThreads) {
  File file(*this, "content");
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  Watch(EVPOLL_EDGE);
  const int rounds = Rounds(3000);
  std::atomic<int> got{0};
  Thread other([&] {
    char byte;
    for (int i = 0; i < rounds; i++) {
      switch (i % 4) {
      case 0: EXPECT_EQ(0, evpoll_post(p, 5, i)); break;
      case 1: EXPECT_EQ(0, evpoll_wake(p)); break;
      case 2: Send(s.b, "x"); break;
      case 3:
        evpoll_io io = MakeIo(i % 64 == 3 ? EVPOLL_OP_FSYNC : EVPOLL_OP_READ, file.handle, 3);
        if (io.code == EVPOLL_OP_READ) {
          io.buffer = EVPOLL_ADDR(&byte);
          io.length = 1;
        }
        EXPECT_EQ(1, evpoll_submit(p, &io, 1));
      }
      // The next when this one has come, now and then: so that edges are apart, and together.
      if (i % 8 < 4) {
        ASSERT_TRUE(Until([&] { return got > i; })) << i;
      }
    }
  });
  while (got < rounds && !HasFailure()) {
    ASSERT_TRUE(IsReadable(kLong)) << "nobody was told after " << got;
    ASSERT_EQ(0, evpoll_rearm(outer, handle, 1, EVPOLL_READABLE));
    for (;;) {
      const std::vector<evpoll_event> events = Wait(0, 1 + got % 3);
      if (events.empty()) break;
      for (const evpoll_event &e : events) {
        if (e.token != 7) {
          got++;
          continue;
        }
        got += static_cast<int>(Drain(s.a).size());
        ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
      }
    }
  }
}

// A loop that was told, and a thread that waits in the poller itself, share what is there.
class PollerHandleBesideWaiters : public PollerHandle {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PollerHandleBesideWaiters);
INSTANTIATE_TEST_SUITE_P(On, PollerHandleBesideWaiters, ::testing::ValuesIn(ManyConfigs()),
                         ConfigName);

TEST_P(PollerHandleBesideWaiters, ByLevelNothingIsLost) {
  Watch();
  const int total = Rounds(4000);
  std::atomic<int> got{0};
  Thread waiter([&] {
    evpoll_event e;
    for (int32_t n = 1; n > 0;) {
      n = LongWait(p, &e, 1);
      got += n > 0;
    }
  });
  Thread poster([&] {
    for (int i = 0; i < total; i++) EXPECT_EQ(0, evpoll_post(p, 5, i));
  });
  while (got < total && !HasFailure())
    if (IsReadable(kMillisecond)) got += static_cast<int>(Wait(0, 2).size());
  EXPECT_EQ(total, got);
  EXPECT_EQ(0, evpoll_shutdown(p));
}

// A duplicate that outlives its registration makes Linux rebuild the set that is watched.
TEST_P(PollerHandle, GoesOnToTellWhenTheSetWasRebuilt) {
  for (uint32_t mode : {EVPOLL_LEVEL, EVPOLL_EDGE}) {
    SCOPED_TRACE(mode);
    Open();
    Pair kept, oneshot;
    ASSERT_EQ(0, evpoll_add(p, kept.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
    ASSERT_EQ(0, evpoll_add(p, oneshot.a, 8, EVPOLL_READABLE, EVPOLL_ONESHOT));
    Watch(mode);
    Pair s;
    ASSERT_EQ(0, evpoll_add(p, s.a, 9, EVPOLL_READABLE, EVPOLL_LEVEL));
    const evpoll_handle number = s.a, again = Duplicate(number);
    EVP_GATE(again >= 0, "duplicates", "sockets have no second number here");
    s.CloseA();
    Send(s.b, "x");
    // Where the duplicate is reported, the set is rebuilt; elsewhere this is quiet anyway.
    EXPECT_EQ(0, evpoll_remove(p, number, 9));
    for (int i = 0; i < 300; i++) EXPECT_EQ(0u, Wait(0).size());
    if (Backend() == EVPOLL_BACKEND_EPOLL) {
      EXPECT_LT(0u, Stats().set_rebuilds);
    }
    ExpectSettled();
    ASSERT_EQ(0, evpoll_post(p, 5, 1));
    EXPECT_EQ(5u, Next()[0].token);
    ASSERT_EQ(0u, Wait(0).size());
    Send(oneshot.b, "x");
    EXPECT_EQ(8u, Next()[0].token);
    ASSERT_EQ(0u, Wait(0).size());
    Send(kept.b, "x");
    EXPECT_EQ(7u, Next()[0].token);
    EXPECT_EQ("x", Drain(kept.a));
    EXPECT_EQ(0, evpoll_socket_close(again));
  }
}

} // namespace
