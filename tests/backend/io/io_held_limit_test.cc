// SPDX-License-Identifier: MIT
// Time limits of operations of which it is known that they run, or that they do not.
#include "held_test.h"

#include <atomic>
#include <cerrno>
#include <map>

namespace evp {
namespace {

class HeldLimit : public HeldContract {
protected:
  evpoll_io Limited(uint64_t token, uint32_t timeout_ms) {
    evpoll_io io = Slow(token);
    io.timeout_ms = timeout_ms;
    return io;
  }
  evpoll_io StartLimited(uint64_t token, uint32_t timeout_ms) {
    evpoll_io io = Limited(token, timeout_ms);
    const size_t before = held.Held();
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    EXPECT_TRUE(held.AwaitHeld(before + 1)) << "it does not run";
    return io;
  }
  static void ExpectExpired(const evpoll_event &e, const evpoll_io &io) {
    EXPECT_EQ(io.op, e.op);
    EXPECT_EQ(io.token, e.token);
    EXPECT_EQ(EVPOLL_ERR_EXPIRED, e.status);
    EXPECT_EQ(0, e.result);
  }
};
INSTANTIATE_TEST_SUITE_P(On, HeldLimit, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(HeldLimit, WhatLetsItselfBeInterruptedExpires) {
  EVP_GATE(!Pool(), "interruptible io", "threads of the pool run what they have begun");
  held.ObeyInterrupts();
  const int64_t before = evpoll_now();
  const evpoll_io io = StartLimited(1, 5);
  ExpectExpired(WaitOne(), io);
  EXPECT_LE(before + 5 * kMillisecond, evpoll_now());
  EXPECT_EQ(0u, Stats().io_cancelled);
  ExpectQuiet();
}

TEST_P(HeldLimit, WhatRunsReportsWhenItEnds) {
  const evpoll_io io = StartLimited(1, 1);
  EXPECT_EQ(0u, Wait(10 * kMillisecond).size()) << "its buffer is the kernel's as long as it runs";
  EXPECT_EQ(1u, Stats().io_in_flight);
  held.Release();
  const evpoll_event e = WaitOne();
  EXPECT_EQ(io.op, e.op);
  if (e.status != EVPOLL_OK) ExpectExpired(e, io);
  ExpectQuiet();
}

TEST_P(HeldLimit, WhatWaitsForAThreadOfThePoolExpiresAtOnce) {
  EVP_GATE(Pool(), "queued operations", "the kernel starts everything at once");
  OpenWithThreads(1);
  Start(0);
  std::vector<evpoll_io> queued;
  for (uint64_t i = 1; i <= 4; i++) queued.push_back(Limited(i, static_cast<uint32_t>(5 - i)));
  queued.push_back(Slow(5));
  ASSERT_EQ(5, evpoll_submit(p, queued.data(), 5));
  for (size_t i : {3u, 2u, 1u, 0u}) ExpectExpired(WaitFor(1, 1)[0], queued[i]);
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, queued[0].op));
  held.Release();
  for (const evpoll_event &e : WaitFor(2)) EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(0u, Stats().io_cancelled);
}

// A hundred limits of one instant are more than are asked for at once.
TEST_P(HeldLimit, ManyExpireTogether) {
  EVP_GATE(Pool(), "queued operations", "the kernel starts everything at once");
  OpenWithThreads(1);
  Start(0);
  std::vector<evpoll_io> queued(1000, Limited(1, 2));
  ASSERT_EQ(1000, evpoll_submit(p, queued.data(), 1000));
  for (const evpoll_event &e : WaitFor(1000)) EXPECT_EQ(EVPOLL_ERR_EXPIRED, e.status);
  held.Release();
  EXPECT_EQ(EVPOLL_OK, WaitOne().status);
}

TEST_P(HeldLimit, ManyOfTheKernelsExpireTogether) {
  EVP_GATE(!Pool(), "interruptible io", "threads of the pool run what they have begun");
  held.ObeyInterrupts();
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 200; i++) ios.push_back(Limited(i % 8, 2));
  ASSERT_EQ(200, evpoll_submit(p, ios.data(), 200));
  for (const evpoll_event &e : WaitFor(200)) EXPECT_EQ(EVPOLL_ERR_EXPIRED, e.status);
}

TEST_P(HeldLimit, TheFirstWhoAsksGivesItsName) {
  const evpoll_io io = StartLimited(1, 2);
  EXPECT_EQ(0u, Wait(10 * kMillisecond).size()); // it has expired by now
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  const evpoll_io other = StartLimited(2, 60000);
  EXPECT_EQ(1, evpoll_cancel(p, other.op));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_retime(p, Fd(2), 2, 0)) << "it was asked";
  held.Release(EINTR); // they do nothing
  for (const evpoll_event &e : WaitFor(2)) {
    EXPECT_EQ(e.op == io.op ? EVPOLL_ERR_EXPIRED : EVPOLL_ERR_CANCELLED, e.status);
    EXPECT_EQ(0, e.result);
  }
}

TEST_P(HeldLimit, AQueuedOneThatWasCancelledDoesNotExpire) {
  EVP_GATE(Pool(), "queued operations", "the kernel starts everything at once");
  OpenWithThreads(1);
  Start(0);
  evpoll_io io = Limited(1, 60000);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  EXPECT_EQ(0u, Stats().io_completed);
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  EXPECT_EQ(0, e.result);
  held.Release();
  WaitFor(1);
}

TEST_P(HeldLimit, RetimedItHasAnotherEnd) {
  EVP_GATE(Pool(), "queued operations", "the kernel starts everything at once");
  OpenWithThreads(1);
  Start(0);
  evpoll_io ios[3] = {Limited(1, 1), Limited(2, 4000000), Slow(3)};
  const int64_t before = evpoll_now();
  ASSERT_EQ(3, evpoll_submit(p, ios, 3));
  EXPECT_EQ(1, evpoll_retime(p, Fd(1), 1, 20 * kMillisecond)); // later
  EXPECT_EQ(1, evpoll_retime(p, Fd(2), 2, 10 * kMillisecond)); // earlier
  EXPECT_EQ(1, evpoll_retime(p, Fd(3), 3, 30 * kMillisecond)); // it had none
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_retime(p, Fd(3), 4, 0));
  for (size_t i : {1u, 0u, 2u}) {
    ExpectExpired(WaitFor(1, 1)[0], ios[i]);
    EXPECT_LE(before + (i == 1 ? 10 : i == 0 ? 20 : 30) * kMillisecond, evpoll_now());
  }
  for (int64_t ns : {int64_t{0}, int64_t{-1}, INT64_MIN}) {
    ASSERT_EQ(1, evpoll_submit(p, &ios[2], 1));
    EXPECT_EQ(1, evpoll_retime(p, Fd(3), 3, ns));
    const std::vector<evpoll_event> events = Wait(0);
    ASSERT_EQ(1u, events.size());
    ExpectExpired(events[0], ios[2]);
  }
  held.Release();
  WaitFor(1);
}

TEST_P(HeldLimit, OfAListEachEntryHasItsOwn) {
  EVP_GATE(Pool(), "queued operations", "the kernel starts everything at once");
  OpenWithThreads(1);
  Start(0);
  evpoll_io ios[2] = {Limited(1, 1), Slow(2)};
  uint64_t op = 0;
  ASSERT_EQ(2, evpoll_submit_list(p, ios, 2, 9, &op));
  EXPECT_EQ(0u, Wait(10 * kMillisecond).size());
  held.Release();
  for (const evpoll_event &e : WaitFor(2))
    if (e.op == op) {
      EXPECT_EQ(EVPOLL_ERR_PARTIAL, e.status);
    }
  evpoll_result results[2];
  ASSERT_EQ(2, evpoll_list_take(p, op, results, 2));
  EXPECT_EQ(EVPOLL_ERR_EXPIRED, results[0].status);
  EXPECT_EQ(0, results[0].result);
  EXPECT_EQ(EVPOLL_OK, results[1].status);
}

TEST_P(HeldLimit, StaysInForceAfterShutdown) {
  OpenWithThreads(1);
  std::vector<evpoll_io> ios = {Limited(0, 5), Limited(1, 5)};
  if (!Pool()) held.ObeyInterrupts();
  ASSERT_EQ(2, evpoll_submit(p, ios.data(), 2));
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(0, evpoll_shutdown(p));
  evpoll_event e;
  ASSERT_EQ(1, LongWait(p, &e, 1));
  EXPECT_EQ(EVPOLL_ERR_EXPIRED, e.status);
  held.Release();
  ASSERT_EQ(1, LongWait(p, &e, 1));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, LongWait(p, &e, 1));
}

TEST_P(HeldLimit, CloseWaitsForWhatHasOne) {
  const evpoll_io io = StartLimited(1, 1);
  EXPECT_EQ(EVPOLL_ERR_TIMEOUT, evpoll_close(p, 5 * kMillisecond));
  held.Release();
  EXPECT_EQ(0, evpoll_close(p, kLong));
  p = nullptr;
  (void)io;
}

} // namespace
} // namespace evp
