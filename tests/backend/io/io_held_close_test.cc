// SPDX-License-Identifier: MIT
// Shutdown, close and fork while it is known that an operation runs.
#include "held_test.h"
#include "sandbox.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>

namespace evp {
namespace {

EVP_HELD_SOME(HeldClose, Configs());

TEST_P(HeldClose, CloseGivesUpWhileTheKernelHasABuffer) {
  Start(1);
  EXPECT_EQ(EVPOLL_ERR_TIMEOUT, evpoll_close(p, 0));
  EXPECT_EQ(EVPOLL_ERR_TIMEOUT, evpoll_close(p, 5 * kMillisecond));
  evpoll_io io = Slow(2);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1)) << "shut down, and still valid";
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, io.status);
  held.Release();
  EXPECT_EQ(0, evpoll_close(p, kLong));
  p = nullptr;
}

TEST_P(HeldClose, CloseWaitsForTheKernelToGiveTheBufferBack) {
  Start(1);
  Thread later([&] { held.Release(); });
  EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
  p = nullptr;
  EXPECT_EQ(0u, held.Held());
}

TEST_P(HeldClose, CloseInterruptsWhatLetsItself) {
  EVP_GATE(!Pool(), "interruptible io", "threads of the pool run what they have begun");
  held.ObeyInterrupts();
  for (uint64_t i = 0; i < 4; i++) Start(i);
  EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
  p = nullptr;
}

TEST_P(HeldClose, AfterItGaveUpWaitsStillBlockForWhatIsInFlight) {
  Start(1);
  ASSERT_EQ(EVPOLL_ERR_TIMEOUT, evpoll_close(p, 0));
  evpoll_event e;
  EXPECT_EQ(0, evpoll_wait(p, &e, 1, 0));
  EXPECT_EQ(0, evpoll_wait(p, &e, 1, 2 * kMillisecond));
  held.Release();
  int32_t n;
  while ((n = evpoll_wait(p, &e, 1, kLong)) > 0) {
  }
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, n);
}

TEST_P(HeldClose, AfterShutdownWaitsLastAsLongAsTheirTimeout) {
  Start(1);
  ASSERT_EQ(0, evpoll_shutdown(p));
  for (int64_t timeout : {int64_t{0}, kMillisecond, 3 * kMillisecond}) {
    const int64_t start = Now();
    EXPECT_TRUE(Wait(timeout).empty());
    EXPECT_LE(timeout, Now() - start) << "it did not wait";
  }
  held.Release();
  EXPECT_EQ(EVPOLL_OK, WaitOne().status);
  evpoll_event e;
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
}

TEST_P(HeldClose, AfterShutdownReadySocketsDoNotEndAWaitForTheOperation) {
  Pair pair;
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  Start(1);
  ASSERT_EQ(0, evpoll_shutdown(p));
  EXPECT_TRUE(Wait(2 * kMillisecond).empty());
  Thread later([&] { held.Release(); });
  const evpoll_event e = WaitOne();
  EXPECT_EQ(1u, e.token);
}

TEST_P(HeldClose, AfterShutdownCancelReachesIt) {
  EVP_GATE(!Pool(), "interruptible io", "threads of the pool run what they have begun");
  held.ObeyInterrupts();
  const evpoll_io io = Start(1);
  ASSERT_EQ(0, evpoll_shutdown(p));
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, WaitOne().status);
}

TEST_P(HeldClose, AForkedChildClosesWithoutWaitingAndTheParentGetsTheCompletion) {
  const evpoll_io io = Start(1);
  InChild([&] {
    evpoll_event e;
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_cancel_all(p));
    EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
  });
  ExpectQuiet();
  held.Release();
  const evpoll_event e = WaitOne();
  EXPECT_EQ(io.op, e.op);
  EXPECT_EQ(EVPOLL_OK, e.status);
}

TEST_P(HeldClose, TheLimitCountsWhatRuns) {
  Open(0, 2);
  Start(1);
  Start(2);
  evpoll_io io = Slow(3);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_AGAIN, io.status);
  EXPECT_EQ(2, evpoll_cancel_all(p));
  EXPECT_EQ(0, evpoll_submit(p, &io, 1)) << "asked to end is not ended";
  held.ReleaseSome(1);
  WaitFor(1);
  EXPECT_EQ(1, evpoll_submit(p, &io, 1));
  held.Release();
  WaitFor(2);
}

} // namespace
} // namespace evp
