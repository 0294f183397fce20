// SPDX-License-Identifier: MIT
// Timers and limits: what they cost in calls, and what happens when the system has no timer, or no
// memory, to give.
#include "fault_test.h"

namespace evp {
namespace {

using fault::Arm;
using fault::Disarm;
using fault::kAll;
using fault::Seen;

constexpr int64_t kFar = 3600 * kSecond;

evpoll_io MakeTimer(uint64_t token, int64_t ns) {
  return MakeIo(EVPOLL_OP_TIMER, -1, token, nullptr, 0, ns);
}

class FaultTimer : public FaultTest {
protected:
  static uint64_t Calls() {
    uint64_t calls = 0;
    for (int call = fault::kMap; call < fault::kCalls; call++)
      calls += Seen(static_cast<fault::Call>(call));
    return calls;
  }
  int32_t Submit(evpoll_io &io) {
    evpoll_submit(p, &io, 1);
    return io.status;
  }
  evpoll_io Limited(uint64_t token, uint32_t timeout_ms) {
    evpoll_io io = Read(token);
    io.timeout_ms = timeout_ms;
    return io;
  }
};
INSTANTIATE_TEST_SUITE_P(On, FaultTimer, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(FaultTimer, AddedAndCancelledItCostsNoSystemCall) {
  Open();
  evpoll_io io = MakeTimer(1, kFar);
  ASSERT_EQ(0, Submit(io));
  uint64_t before = Calls();
  for (uint64_t i = 2; i < 2000; i++) {
    io = MakeTimer(i, kFar + static_cast<int64_t>(i));
    ASSERT_EQ(0, Submit(io));
    if (i % 3 == 0) {
      ASSERT_EQ(1, evpoll_cancel(p, io.op));
    } else if (i % 3 == 1) {
      ASSERT_EQ(1, evpoll_cancel_token(p, -1, i));
    } else {
      ASSERT_EQ(1, evpoll_retime(p, -1, i, 2 * kFar));
    }
  }
  EXPECT_EQ(1, evpoll_cancel_token(p, -1, 1)); // the first of all
  io = MakeTimer(1, kFar);
  ASSERT_EQ(0, Submit(io));
  EXPECT_EQ(before, Calls());
}

TEST_P(FaultTimer, AWaitThatHasNothingToDoWithItIsOneCall) {
  Open();
  evpoll_io io = MakeTimer(1, kFar);
  ASSERT_EQ(0, Submit(io));
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  const uint64_t before = Calls();
  evpoll_event e;
  for (int i = 0; i < 100; i++) ASSERT_EQ(1, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
  EXPECT_EQ(before + 100, Calls());
}

TEST_P(FaultTimer, WithoutATimerOfTheSystemItIsRefused) {
  const struct {
    fault::Call call;
    int error;
    int32_t status;
  } cases[] = {{fault::kTimerCreate, EMFILE, EVPOLL_ERR_LIMIT},
               {fault::kTimerCreate, ENFILE, EVPOLL_ERR_LIMIT},
               {fault::kTimerCreate, ENOMEM, EVPOLL_ERR_NO_MEMORY},
               {fault::kEpollControl, ENOSPC, EVPOLL_ERR_LIMIT},
               {fault::kEpollControl, ENOMEM, EVPOLL_ERR_NO_MEMORY},
               {fault::kTimerSet, ENOMEM, EVPOLL_ERR_NO_MEMORY}};
  for (const auto &c : cases) {
    Open();
    evpoll_io io = MakeTimer(1, kFar), read = Limited(2, 1000);
    evpoll_io list[2] = {Read(3), Limited(4, 1000)};
    Arm(c.call, 1, c.error, kAll);
    EXPECT_EQ(c.status, Submit(io));
    EXPECT_EQ(0u, io.op);
    EXPECT_EQ(c.error, io.offset);
    EXPECT_EQ(c.status, Submit(read));
    EXPECT_EQ(c.error, read.offset);
    EXPECT_EQ(c.status, evpoll_submit_list(p, list, 2, 5, nullptr));
    EXPECT_EQ(3, Disarm());
    EXPECT_EQ(0u, Stats().io_in_flight);
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, -1, 1));
    ExpectQuiet();
    io = MakeTimer(1, kMillisecond);
    read = Limited(2, 1000);
    ASSERT_EQ(0, Submit(read));
    EXPECT_EQ(2u, WaitOne().token);
    ASSERT_EQ(0, Submit(io));
    EXPECT_EQ(1u, WaitOne().token);
    ExpectUsable();
  }
}

TEST_P(FaultTimer, ARetimeThatFailsChangesNothing) {
  Open();
  evpoll_io io = MakeTimer(1, kFar);
  ASSERT_EQ(0, Submit(io));
  Arm(fault::kTimerSet, 1, ENOMEM);
  EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, evpoll_retime(p, -1, 1, kMillisecond));
  EXPECT_EQ(1, Disarm());
  EXPECT_EQ(0u, Wait(3 * kMillisecond).size());
  EXPECT_EQ(1, evpoll_retime(p, -1, 1, kMillisecond));
  EXPECT_EQ(1u, WaitOne().token);
}

// The alarm rang, and cannot be set for the next: who waits looks at the clock.
TEST_P(FaultTimer, WithoutAnAlarmSleepsAreBounded) {
  Open();
  // True if an alarm was wanted: where the machine is slow all may be due at once.
  const auto round = [&](int threads) {
    for (uint64_t i = 0; i < 6; i++) {
      evpoll_io io = MakeTimer(i, (1 + static_cast<int64_t>(i)) * kMillisecond);
      EXPECT_EQ(0, Submit(io));
    }
    Arm(fault::kTimerSet, 1, ENOMEM, kAll);
    const auto serve = [&] {
      evpoll_event e;
      for (int i = 0; i < 6 / (1 + threads); i++) {
        EXPECT_EQ(1, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
        EXPECT_EQ(EVPOLL_OK, e.status);
      }
    };
    {
      Thread other([&] {
        if (threads) serve();
      });
      serve();
    }
    return Disarm() > 0;
  };
  EXPECT_TRUE(Until([&] { return round(0); }));
  if (!(GetParam().flags & EVPOLL_OPEN_SINGLE_WAITER)) {
    EXPECT_TRUE(Until([&] { return round(1); }));
  }
}

TEST_P(FaultTimer, EachAllocationOfManyMayFail) {
  EachFailing([&](int nth) {
    Open();
    Arm(fault::kMemory, nth, ENOMEM);
    size_t accepted = 0;
    for (uint64_t i = 0; i < 300; i++) {
      evpoll_io io = i % 2 ? MakeTimer(i, i % 4 == 1 ? 0 : kFar) : Limited(i, 100000);
      const int32_t status = Submit(io);
      EXPECT_TRUE(status == 0 || status == EVPOLL_ERR_NO_MEMORY) << status;
      accepted += status == 0;
    }
    const int failures = Disarm();
    EXPECT_GE(accepted + static_cast<size_t>(failures), 300u);
    evpoll_cancel_all(p);
    WaitFor(accepted);
    ExpectUsable();
    return failures;
  });
}

} // namespace
} // namespace evp
