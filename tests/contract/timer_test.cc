// SPDX-License-Identifier: MIT
// EVPOLL_OP_TIMER: an operation without a handle that ends at its time, or when it is asked to.
#include "contract.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <numeric>
#include <random>

namespace {

using namespace evp;

constexpr int64_t kFar = 3600 * kSecond;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

evpoll_io MakeTimer(uint64_t token, int64_t ns, uint32_t flags = 0) {
  evpoll_io io = MakeIo(EVPOLL_OP_TIMER, -1, token, nullptr, 0, ns);
  io.flags = flags;
  return io;
}

class Timers : public Contract {
protected:
  uint64_t Start(uint64_t token, int64_t ns, uint32_t flags = 0) {
    evpoll_io io = MakeTimer(token, ns, flags);
    EXPECT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
    EXPECT_NE(0u, io.op);
    return io.op;
  }
  void StartAll(std::vector<evpoll_io> ios) {
    const int32_t n = static_cast<int32_t>(ios.size());
    ASSERT_EQ(n, evpoll_submit(p, ios.data(), n));
  }
  static void ExpectFired(const evpoll_event &e, uint64_t token) {
    EXPECT_EQ(token, e.token);
    EXPECT_EQ(EVPOLL_IO, e.events);
    EXPECT_EQ(EVPOLL_OK, e.status);
    EXPECT_EQ(0, e.result);
  }
  static void ExpectCancelled(const evpoll_event &e, uint64_t token) {
    EXPECT_EQ(token, e.token);
    EXPECT_EQ(EVPOLL_IO, e.events);
    EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
    EXPECT_EQ(0, e.result);
  }
  int32_t Refused(const evpoll_io &given) {
    evpoll_io io = given;
    EXPECT_EQ(0, evpoll_submit(p, &io, 1));
    EXPECT_EQ(0u, io.op);
    return io.status;
  }
};
INSTANTIATE_TEST_SUITE_P(On, Timers, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(Timers, FiresOnceAndNotBeforeItsTime) {
  for (int64_t ns : {int64_t{1}, 100000 * int64_t{1}, kMillisecond, 3 * kMillisecond + 1}) {
    const int64_t before = evpoll_now();
    const uint64_t op = Start(7, ns);
    const evpoll_event e = WaitOne();
    EXPECT_LE(before + ns, evpoll_now());
    ExpectFired(e, 7);
    EXPECT_EQ(op, e.op);
    ExpectQuiet();
  }
}

TEST_P(Timers, OneDoesNotTakeTheNextAlong) {
  for (int round = 0; round < 10; round++) {
    const int64_t before = evpoll_now();
    Start(1, kMillisecond);
    Start(2, kMillisecond + 700000);
    for (uint64_t token : {1, 2}) {
      const evpoll_event e = WaitFor(1, 1).at(0);
      EXPECT_LE(before + (token == 1 ? kMillisecond : kMillisecond + 700000), evpoll_now());
      ExpectFired(e, token);
    }
  }
}

TEST_P(Timers, AbsoluteIsATimeOfTheClock) {
  const int64_t at = evpoll_now() + 2 * kMillisecond;
  Start(7, at, EVPOLL_OPF_ABSOLUTE);
  ExpectFired(WaitOne(), 7);
  EXPECT_LE(at, evpoll_now());
}

TEST_P(Timers, APastOneIsThereForTheNextLook) {
  int64_t now = evpoll_now();
  for (int64_t at :
       {now, now - kSecond, int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
    Start(3, at, EVPOLL_OPF_ABSOLUTE);
    const std::vector<evpoll_event> events = Wait(0);
    ASSERT_EQ(1u, events.size()) << at;
    ExpectFired(events[0], 3);
  }
  Start(4, 0);
  const std::vector<evpoll_event> events = Wait(0, 1);
  ASSERT_EQ(1u, events.size());
  ExpectFired(events[0], 4);
  ExpectQuiet();
}

TEST_P(Timers, OneThatIsPastMayEndInTheCall) {
  for (evpoll_io io : {MakeTimer(1, 0, EVPOLL_OPF_INLINE),
                       MakeTimer(1, evpoll_now(), EVPOLL_OPF_INLINE | EVPOLL_OPF_ABSOLUTE)}) {
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    EXPECT_EQ(EVPOLL_OK, io.status);
    if (io.op) {
      ExpectFired(WaitOne(), 1);
    } else {
      EXPECT_EQ(0, io.offset);
    }
    ExpectQuiet();
  }
  Start(2, kMillisecond, EVPOLL_OPF_INLINE);
  ExpectFired(WaitOne(), 2);
  EXPECT_EQ(3u, Stats().io_submitted);
  EXPECT_EQ(3u, Stats().io_completed);
}

TEST_P(Timers, FireInTheOrderOfTheirTimes) {
  const int64_t now = evpoll_now();
  for (int64_t base : {now - kSecond, now + 2 * kMillisecond})
    for (int32_t capacity : {1, 3, 64}) {
      std::vector<uint64_t> tokens(200);
      std::iota(tokens.begin(), tokens.end(), 0u);
      std::shuffle(tokens.begin(), tokens.end(), std::mt19937(1));
      std::vector<evpoll_io> ios;
      for (uint64_t token : tokens)
        ios.push_back(MakeTimer(token, base + static_cast<int64_t>(token), EVPOLL_OPF_ABSOLUTE));
      StartAll(ios);
      uint64_t next = 0;
      for (const evpoll_event &e : WaitFor(tokens.size(), capacity)) ExpectFired(e, next++);
    }
}

TEST_P(Timers, WhatEndsWithTheClockStaysPending) {
  const uint64_t op = Start(1, kNever);
  Start(2, kNever, EVPOLL_OPF_ABSOLUTE);
  Start(3, kNever - 1, EVPOLL_OPF_ABSOLUTE);
  Start(4, 290 * 365 * 24 * kFar);
  EXPECT_EQ(0u, Wait(kMillisecond).size());
  EXPECT_EQ(4u, Stats().io_in_flight);
  ASSERT_EQ(1, evpoll_cancel(p, op));
  ExpectCancelled(WaitOne(), 1);
  for (uint64_t token : {2, 3, 4}) {
    ASSERT_EQ(1, evpoll_cancel_token(p, -1, token));
    ExpectCancelled(WaitOne(), token);
  }
  ExpectQuiet();
}

TEST_P(Timers, WrongEntriesAreRefused) {
  evpoll_io io = MakeTimer(1, -1);
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(io));
  io.offset = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(io));
  for (evpoll_handle h : {0, 1, -2}) {
    io = MakeTimer(1, 1);
    io.handle = h;
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(io)) << h;
  }
  io = MakeTimer(1, 1);
  io.buffer = EVPOLL_ADDR(&io);
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(io));
  io = MakeTimer(1, 1);
  io.length = 1;
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(io));
  io = MakeTimer(1, 1);
  io.timeout_ms = 1;
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(io));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(MakeTimer(1, 1, EVPOLL_OPF_ALL)));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refused(MakeTimer(1, -1, EVPOLL_OPF_MORE << 1)));
  ExpectQuiet();
}

TEST_P(Timers, CountAgainstTheLimit) {
  Open(0, 3);
  std::vector<evpoll_io> ios = {MakeTimer(1, kFar), MakeTimer(2, kFar), MakeTimer(3, kFar),
                                MakeTimer(4, 5)};
  EXPECT_EQ(3, evpoll_submit(p, ios.data(), 4));
  EXPECT_EQ(EVPOLL_ERR_AGAIN, ios[3].status);
  EXPECT_EQ(5, ios[3].offset) << "it is to be offered again as it is";
  ASSERT_EQ(1, evpoll_cancel_token(p, -1, 2));
  EXPECT_EQ(EVPOLL_ERR_AGAIN, Refused(ios[3])) << "its event was not delivered";
  ExpectCancelled(WaitOne(), 2);
  EXPECT_EQ(1, evpoll_submit(p, &ios[3], 1));
  ExpectFired(WaitOne(), 4);
}

// ---- asked to end -----------------------------------------------------------------------------

TEST_P(Timers, OneThatIsOverCannotBeCancelled) {
  const uint64_t op = Start(1, 0);
  WaitOne();
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, op));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, -1, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_retime(p, -1, 1, 5));
}

TEST_P(Timers, AskedTwiceItEndsOnce) {
  const uint64_t op = Start(1, kFar);
  EXPECT_EQ(1, evpoll_cancel(p, op));
  evpoll_cancel(p, op);
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, -1, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_retime(p, -1, 1, 0)) << "it has its end";
  evpoll_cancel_all(p);
  ExpectCancelled(WaitOne(), 1);
  ExpectQuiet();
}

TEST_P(Timers, ATokenNamesAllOfItsTimersAndNoOther) {
  for (int i = 0; i < 300; i++)
    for (uint64_t token : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) Start(token, kFar + i);
  EXPECT_EQ(300, evpoll_cancel_token(p, -1, 1));
  for (const evpoll_event &e : WaitFor(300)) ExpectCancelled(e, 1);
  ExpectQuiet();
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, -1, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, -1, 2));
  EXPECT_EQ(600, evpoll_cancel_all(p));
  WaitFor(600);
  EXPECT_EQ(900u, Stats().io_cancelled);
}

TEST_P(Timers, HandlesThatAreNoneHaveNoTimers) {
  Start(1, kFar);
  for (evpoll_handle h : {evpoll_handle{-2}, std::numeric_limits<evpoll_handle>::min()}) {
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_cancel_token(p, h, 1));
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_retime(p, h, 1, 0));
  }
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_cancel_handle(p, -1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_retime(p, 0, 1, 0));
  ExpectQuiet();
}

// ---- another end --------------------------------------------------------------------------------

TEST_P(Timers, RetimedEarlierFiresEarlier) {
  Start(1, kFar);
  Start(2, kFar - kSecond);
  const int64_t before = evpoll_now();
  EXPECT_EQ(1, evpoll_retime(p, -1, 1, 2 * kMillisecond));
  ExpectFired(WaitOne(), 1);
  EXPECT_LE(before + 2 * kMillisecond, evpoll_now());
  ExpectQuiet();
}

TEST_P(Timers, RetimedLaterFiresLater) {
  const int64_t before = evpoll_now();
  Start(1, 10 * kSecond);
  Start(2, 10 * kMillisecond);
  EXPECT_EQ(1, evpoll_retime(p, -1, 2, 20 * kMillisecond));
  ExpectFired(WaitOne(), 2);
  EXPECT_LE(before + 20 * kMillisecond, evpoll_now());
  EXPECT_EQ(1, evpoll_retime(p, -1, 1, kNever));
  ExpectQuiet();
}

TEST_P(Timers, RetimedToThePastFiresAtOnce) {
  for (int64_t ns : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
    Start(1, kFar);
    Start(1, kNever);
    Start(2, kFar);
    EXPECT_EQ(2, evpoll_retime(p, -1, 1, ns));
    const std::vector<evpoll_event> events = Wait(0);
    ASSERT_EQ(2u, events.size()) << ns;
    for (const evpoll_event &e : events) ExpectFired(e, 1);
  }
  ExpectQuiet();
}

// ---- waits --------------------------------------------------------------------------------------

TEST_P(Timers, AWaitTakesItsOwnTimeBesideThem) {
  Start(1, kFar);
  for (bool cancelled : {false, true}) {
    if (cancelled) {
      Start(2, kMillisecond);
      ASSERT_EQ(1, evpoll_cancel_token(p, -1, 2));
      ExpectCancelled(WaitOne(), 2);
    }
    const int64_t before = evpoll_now();
    EXPECT_EQ(0u, Wait(3 * kMillisecond).size());
    EXPECT_LE(before + 3 * kMillisecond, evpoll_now());
  }
}

TEST_P(Timers, AWaitWithoutEndIsEndedByOne) {
  for (int i = 0; i < 20; i++) {
    Start(i, 100000);
    evpoll_event e;
    ASSERT_EQ(1, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
    ExpectFired(e, i);
  }
}

TEST_P(Timers, WhoSleepsIsWokenByOneThatIsEarlier) {
  Start(1, kFar);
  for (int round = 0; round < Rounds(100); round++) {
    Thread sleeper([this] {
      evpoll_event e = {};
      EXPECT_EQ(1, LongWait(p, &e, 1));
      ExpectFired(e, 2);
    });
    if (round % 2) {
      Start(2, (round % 3) * 100000);
    } else {
      Start(2, kFar / 2);
      EXPECT_EQ(1, evpoll_retime(p, -1, 2, (round % 3) * 100000));
    }
  }
}

TEST_P(Timers, ATurnStartsOneAndWaitsForIt) {
  evpoll_io io = MakeTimer(5, kMillisecond);
  evpoll_event e = {};
  ASSERT_EQ(1, evpoll_turn(p, nullptr, 0, &io, 1, &e, 1, EVPOLL_INFINITE));
  ExpectFired(e, 5);
  io = MakeTimer(6, 0);
  ASSERT_EQ(1, evpoll_turn(p, nullptr, 0, &io, 1, &e, 1, 0));
  ExpectFired(e, 6);
}

TEST_P(Timers, AReadySocketDoesNotHoldThemUp) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  Start(2, kMillisecond);
  EXPECT_TRUE(Until([&] {
    const std::vector<evpoll_event> events = Wait(kLong, 1);
    return events.at(0).token == 2 || HasFailure();
  }));
}

TEST_P(Timers, OneThatWasCancelledWakesNobodyForLong) {
  for (int i = 0; i < 100; i++) Start(1, kMillisecond);
  EXPECT_EQ(100, evpoll_cancel_token(p, -1, 1));
  WaitFor(100);
  EXPECT_EQ(0u, Wait(3 * kMillisecond).size());
  ExpectNoSpin();
}

EVP_CONTRACT_MANY(ManyTimers);

// Each of four waiters has room for one event and leaves with it.
TEST_P(ManyTimers, AsManyServeAsManyWaiters) {
  for (int round = 0; round < Rounds(200); round++) {
    std::atomic<int> served{0};
    std::vector<Thread> waiters;
    for (int i = 0; i < 4; i++)
      waiters.emplace_back([&] {
        evpoll_event e;
        served += LongWait(p, &e, 1) == 1 && e.status == EVPOLL_OK;
      });
    std::vector<evpoll_io> ios;
    for (int i = 0; i < 4; i++) ios.push_back(MakeTimer(1, round % 2 ? 50000 : i * 50000));
    ASSERT_EQ(4, evpoll_submit(p, ios.data(), 4));
    for (Thread &t : waiters) t.Join();
    ASSERT_EQ(4, served) << round;
  }
  ExpectQuiet();
}

TEST_P(ManyTimers, WhoLeavesForASocketLeavesNoTimerBehind) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_ONESHOT));
  for (int round = 0; round < Rounds(200); round++) {
    std::atomic<int> served{0};
    std::vector<Thread> waiters;
    for (int i = 0; i < 2; i++)
      waiters.emplace_back([&] {
        evpoll_event e;
        served += LongWait(p, &e, 1) == 1;
      });
    evpoll_io io = MakeTimer(2, 20000);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    Send(s.b, "x");
    for (Thread &t : waiters) t.Join();
    ASSERT_EQ(2, served) << round;
    ASSERT_EQ("x", Drain(s.a));
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 1, EVPOLL_READABLE));
  }
}

TEST_P(ManyTimers, EachEndsOnceWhoeverAsks) {
  constexpr int kTimers = 2000;
  std::vector<std::atomic<int>> ended(kTimers);
  for (std::atomic<int> &n : ended) n = 0;
  std::vector<evpoll_io> ios;
  for (int i = 0; i < kTimers; i++)
    ios.push_back(MakeTimer(static_cast<uint64_t>(i), (i % 20) * 100000));
  ASSERT_EQ(kTimers, evpoll_submit(p, ios.data(), kTimers));
  std::atomic<int> left{kTimers};
  Thread canceller([&] {
    for (int i = 0; i < kTimers; i += 2) evpoll_cancel_token(p, -1, static_cast<uint64_t>(i));
  });
  Thread retimer([&] {
    for (int i = 0; i < kTimers; i += 3)
      evpoll_retime(p, -1, static_cast<uint64_t>(i), i % 5 * 1000);
  });
  Thread other([&] {
    evpoll_event e[8];
    while (left > 0)
      for (int32_t n = evpoll_wait(p, e, 8, kMillisecond); n > 0; left -= n, n = 0)
        for (int32_t i = 0; i < n; i++) ended[e[i].token]++;
  });
  EXPECT_TRUE(Until([&] {
    const std::vector<evpoll_event> events = Wait(kMillisecond, 3);
    for (const evpoll_event &e : events) ended[e.token]++;
    left -= static_cast<int>(events.size());
    return left <= 0;
  }));
  other.Join();
  for (int i = 0; i < kTimers; i++) EXPECT_EQ(1, ended[static_cast<size_t>(i)]) << i;
}

// ---- many ---------------------------------------------------------------------------------------

TEST_P(Timers, AHundredThousandFireInOrder) {
  const uint64_t kTimers = Slow() ? 5000 : 100000;
  std::vector<uint64_t> tokens(kTimers);
  std::iota(tokens.begin(), tokens.end(), 0u);
  std::shuffle(tokens.begin(), tokens.end(), std::mt19937(2));
  const int64_t now = evpoll_now();
  std::vector<evpoll_io> ios;
  for (uint64_t token : tokens)
    ios.push_back(MakeTimer(token, now + kFar + static_cast<int64_t>(token), EVPOLL_OPF_ABSOLUTE));
  StartAll(ios);
  // A third is cancelled, by id or token; a third is due at once, in its order.
  size_t cancelled = 0;
  for (size_t i = 0; i < ios.size(); i++) {
    const uint64_t token = tokens[i];
    if (token % 3 == 0) {
      ASSERT_EQ(1, evpoll_cancel_token(p, -1, token));
      cancelled++;
    }
    if (token % 3 == 1) {
      ASSERT_EQ(1, evpoll_retime(p, -1, token, 0));
    }
  }
  std::vector<int> seen(kTimers);
  size_t fired = 0;
  for (const evpoll_event &e : WaitFor(kTimers - kTimers / 3, 1024)) {
    seen[e.token]++;
    EXPECT_EQ(e.token % 3 == 0 ? EVPOLL_ERR_CANCELLED : EVPOLL_OK, e.status);
    fired += e.status == EVPOLL_OK;
  }
  EXPECT_EQ(kTimers - kTimers / 3, cancelled + fired);
  for (uint64_t token = 0; token < kTimers; token++) EXPECT_EQ(token % 3 != 2, seen[token]);
  EXPECT_EQ(kTimers / 3, Stats().io_in_flight);
}

TEST_P(Timers, MoreThanOneLookCanEndAreAllToldToASleeper) {
  std::vector<evpoll_io> ios(10000, MakeTimer(1, 100000));
  StartAll(ios);
  size_t n = 0;
  while (n < ios.size()) {
    evpoll_event events[4096];
    const int32_t got = LongWait(p, events, 4096);
    ASSERT_LT(0, got);
    n += static_cast<size_t>(got);
  }
  ExpectQuiet();
}

// ---- lists --------------------------------------------------------------------------------------

TEST_P(Timers, AListOfThemReportsWithTheLast) {
  const int64_t before = evpoll_now();
  evpoll_io ios[3] = {MakeTimer(1, 3 * kMillisecond), MakeTimer(2, 0), MakeTimer(3, kMillisecond)};
  uint64_t op = 0;
  ASSERT_EQ(3, evpoll_submit_list(p, ios, 3, 9, &op));
  const evpoll_event e = WaitOne();
  EXPECT_LE(before + 3 * kMillisecond, evpoll_now());
  EXPECT_EQ(EVPOLL_IO_LIST, e.events);
  EXPECT_EQ(9u, e.token);
  EXPECT_EQ(3, e.result);
  EXPECT_EQ(EVPOLL_OK, e.status);
  evpoll_result results[3];
  EXPECT_EQ(3, evpoll_list_take(p, op, results, 3));
}

TEST_P(Timers, AListWithAFileAndOneThatIsCancelledIsPartial) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  File file(*this, "content");
  char bytes[7];
  evpoll_io ios[2] = {MakeTimer(1, kFar), MakeIo(EVPOLL_OP_READ, file.handle, 2, bytes, 7)};
  uint64_t op = 0;
  ASSERT_EQ(2, evpoll_submit_list(p, ios, 2, 9, &op));
  EXPECT_EQ(1, evpoll_cancel_token(p, -1, 1));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_ERR_PARTIAL, e.status);
  EXPECT_EQ(1, e.result);
  evpoll_result results[2];
  ASSERT_EQ(2, evpoll_list_take(p, op, results, 2));
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, results[0].status);
  EXPECT_EQ(0, results[0].result);
  EXPECT_EQ(7, results[1].result);
}

TEST_P(Timers, ARefusedListStartsNone) {
  evpoll_io ios[2] = {MakeTimer(1, 0), MakeTimer(2, -1)};
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_submit_list(p, ios, 2, 9, nullptr));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, -1, 1));
  ExpectQuiet();
}

// ---- the end ------------------------------------------------------------------------------------

TEST_P(Timers, ShutdownEndsThem) {
  Start(1, kFar);
  Start(2, kNever);
  Start(3, 0);
  ASSERT_EQ(0, evpoll_shutdown(p));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, Refused(MakeTimer(4, 1)));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, Refused(MakeTimer(4, 0, EVPOLL_OPF_INLINE)));
  std::vector<int32_t> statuses(4, 1);
  evpoll_event e;
  for (int i = 0; i < 3; i++) {
    ASSERT_EQ(1, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
    statuses[e.token] = e.status;
  }
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, statuses[1]);
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, statuses[2]);
  EXPECT_TRUE(statuses[3] == EVPOLL_OK || statuses[3] == EVPOLL_ERR_CANCELLED);
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
}

TEST_P(Timers, WhoSleepsOnOneIsSentAwayByShutdown) {
  Start(1, kFar);
  Thread sleeper([this] {
    evpoll_event e;
    EXPECT_EQ(1, LongWait(p, &e, 1));
    ExpectCancelled(e, 1);
    EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, LongWait(p, &e, 1));
  });
  EXPECT_TRUE(Until([&] { return Stats().waits > 0; }));
  ASSERT_EQ(0, evpoll_shutdown(p));
}

TEST_P(Timers, CloseDoesNotWaitForThem) {
  for (uint64_t i = 0; i < 1000; i++) Start(i, i % 2 ? kFar : kNever);
  EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
  p = nullptr;
}

} // namespace
