// SPDX-License-Identifier: MIT
// What io_uring may do and rarely does: take less than it was given, and give up an operation that
// nobody has asked it to.
#include "fault_test.h"

#include <fcntl.h>

#include <cstring>

namespace evp {
namespace {

using fault::Arm;
using fault::Disarm;
using fault::kAll;

std::vector<Config> RingConfigs() {
  std::vector<Config> chosen;
  for (const Config &c : Configs())
    if (!(c.flags & EVPOLL_OPEN_NO_URING)) chosen.push_back(c);
  return chosen;
}

class FaultRing : public FaultTest {
protected:
  void SetUp() override {
    FaultTest::SetUp();
    Open();
    evpoll_io io = Read(1);
    RunIo(io);
    struct evpoll_poller_info info = {};
    info.struct_size = sizeof info;
    EXPECT_EQ(0, evpoll_info(p, &info));
    EVP_GATE(info.io_engine == EVPOLL_ENGINE_IO_URING, "io_uring", "the kernel refuses it");
  }
  // n operations in one call; all must succeed.
  void RunMany(uint64_t n) {
    std::vector<evpoll_io> ios;
    for (uint64_t i = 0; i < n; i++) ios.push_back(Read(i));
    std::fill(bytes.begin(), bytes.end(), '.');
    ASSERT_EQ(static_cast<int32_t>(n), evpoll_submit(p, ios.data(), static_cast<int32_t>(n)));
    std::vector<int> seen(n);
    for (const evpoll_event &e : WaitFor(n)) {
      ASSERT_EQ(1, ++seen[e.token]);
      EXPECT_EQ(EVPOLL_OK, e.status) << evpoll_strerror(e.status);
      EXPECT_EQ(1, e.result);
      EXPECT_EQ('f', bytes[e.token]);
    }
    ExpectQuiet();
  }
};
INSTANTIATE_TEST_SUITE_P(On, FaultRing, ::testing::ValuesIn(RingConfigs()), ConfigName);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FaultRing);

TEST_P(FaultRing, EntriesTakenOneByOneAllRun) {
  Arm(fault::kRingPartial, 1, 0, kAll);
  RunMany(600);
  EXPECT_LT(0, Disarm());
}

TEST_P(FaultRing, EntriesTakenInPartOnceAllRun) {
  const int n = EachFailing([&](int nth) {
    Arm(fault::kRingPartial, nth, 0);
    RunMany(600);
    return Disarm();
  });
  EXPECT_LE(2, n);
}

// The kernel takes one at a time, and at one of them it has no room: the pool has, if there may be
// one.
TEST_P(FaultRing, WhatTheKernelHasNoRoomForIsDoneByThePool) {
  for (uint32_t more : {0u, uint32_t{EVPOLL_OPEN_NATIVE_IO_ONLY}})
    for (int nth : {1, 2, 3, 63, 64, 65, 100, 256, 300}) {
      Open(more);
      std::vector<evpoll_io> ios;
      for (uint64_t i = 0; i < 600; i++) ios.push_back(Read(i));
      Arm(fault::kRingSubmit, nth, EAGAIN);
      const int32_t accepted = evpoll_submit(p, ios.data(), 600);
      const int failures = Disarm();
      if (!more || !failures) {
        EXPECT_EQ(600, accepted);
      }
      int32_t count = 0;
      for (const evpoll_io &io : ios) {
        count += io.op != 0;
        EXPECT_EQ(io.op ? EVPOLL_OK : EVPOLL_ERR_NO_MEMORY, io.status);
      }
      EXPECT_EQ(accepted, count);
      std::vector<int> seen(600);
      for (const evpoll_event &e : WaitFor(static_cast<size_t>(accepted))) {
        ASSERT_EQ(ios[e.token].op, e.op);
        ASSERT_EQ(1, ++seen[e.token]);
        EXPECT_EQ(1, e.result);
      }
      ExpectQuiet();
      EXPECT_EQ(0u, Stats().io_in_flight);
    }
}

// Else it needs memory for a completion, and loses it for want of that. A ring of 16 and the usual
// one; what there is no room for is the pool's, or refused.
TEST_P(FaultRing, TheKernelNeverHasMoreThanTheRingHoldsCompletionsOf) {
  for (int small : {0, 1})
    for (uint32_t more : {0u, uint32_t{EVPOLL_OPEN_NATIVE_IO_ONLY}})
      for (bool cancel : {false, true}) {
        Arm(fault::kRingSetup, 1, ENOMEM, small);
        Open(more);
        ASSERT_EQ(small, Disarm());
        std::vector<evpoll_io> ios(6000, MakeIo(EVPOLL_OP_FDATASYNC, file.handle, 0));
        for (size_t i = 0; i < ios.size(); i += 2) ios[i] = Read(0);
        const int32_t accepted = evpoll_submit(p, ios.data(), 6000);
        EXPECT_TRUE(accepted == 6000 || (more && accepted >= 8)) << accepted;
        if (cancel) {
          EXPECT_LE(0, evpoll_cancel_handle(p, file.handle));
        }
        for (const evpoll_event &e : WaitFor(static_cast<size_t>(accepted), 256))
          EXPECT_TRUE(e.status == EVPOLL_OK || (cancel && e.status == EVPOLL_ERR_CANCELLED));
        EXPECT_FALSE(fault::RingOverflowed());
        ExpectUsable();
      }
}

// EFAULT is what a cold read ends with when the thread that submitted it has ended.
constexpr int kGivenUp[] = {ECANCELED, EINTR, EAGAIN, EFAULT};

TEST_P(FaultRing, OperationsThatWereGivenUpUnaskedAreDoneAllTheSame) {
  for (uint32_t more : {0u, uint32_t{EVPOLL_OPEN_NATIVE_IO_ONLY}}) {
    Open(more);
    for (int error : kGivenUp)
      for (int nth : {1, 2, 16}) {
        SCOPED_TRACE(std::strerror(error));
        Arm(fault::kRingResult, nth, error);
        RunMany(16);
        EXPECT_EQ(1, Disarm());
      }
  }
}

TEST_P(FaultRing, EachOfThemIsDoneOnceMoreAndByThePool) {
  for (int error : kGivenUp) {
    SCOPED_TRACE(std::strerror(error));
    const uint64_t before = fault::Seen(fault::kPread);
    Arm(fault::kRingResult, 1, error, kAll);
    RunMany(16);
    EXPECT_EQ(16, Disarm());
    EXPECT_EQ(before + 16, fault::Seen(fault::kPread));
  }
}

TEST_P(FaultRing, WithoutAPoolTheKernelIsAskedOnceMoreAndThenItsWordCounts) {
  Open(EVPOLL_OPEN_NATIVE_IO_ONLY);
  Arm(fault::kRingResult, 1, EAGAIN, kAll);
  const evpoll_event e = RunIo(Read(1));
  EXPECT_EQ(2, Disarm());
  EXPECT_EQ(EVPOLL_ERR_AGAIN, e.status);
  ExpectUsable();
}

TEST_P(FaultRing, WhatIsSubmittedAgainMayMeetAFullKernel) {
  // An operation that was given up, and cannot be submitted again at once: it ends, with a reason.
  Open(EVPOLL_OPEN_NATIVE_IO_ONLY);
  evpoll_io io = Read(1);
  Arm(fault::kRingResult, 1, ECANCELED);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  const bool changed = Disarm() == 1;
  Arm(fault::kRingSubmit, 1, ENOMEM, kAll);
  evpoll_event e;
  const int32_t n = evpoll_wait(p, &e, 1, kLong);
  Disarm();
  ASSERT_EQ(1, n);
  EXPECT_EQ(io.op, e.op);
  EXPECT_TRUE(e.status == 0 || (changed && e.status == EVPOLL_ERR_NO_MEMORY)) << e.status;
  ExpectUsable();
}

// Given up for the cancel's sake, whatever the kernel calls it.
TEST_P(FaultRing, WhatWasAskedToEndAndGivenUpIsCancelled) {
  for (int error : kGivenUp) {
    evpoll_io io = Read(1);
    Arm(fault::kRingResult, 1, error);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    if (Disarm() == 0) continue; // it was not over yet
    EXPECT_EQ(1, evpoll_cancel(p, io.op));
    EXPECT_EQ(EVPOLL_ERR_CANCELLED, WaitOne().status) << std::strerror(error);
  }
  ExpectUsable();
}

TEST_P(FaultRing, ErrorsOfTheDeviceAreReported) {
  const struct {
    int error;
    int32_t status;
  } cases[] = {{EIO, EVPOLL_ERR_IO}, {ENOSPC, EVPOLL_ERR_NO_SPACE}, {EBUSY, EVPOLL_ERR_BUSY}};
  for (const auto &c : cases) {
    Arm(fault::kRingResult, 1, c.error);
    const evpoll_event e = RunIo(Read(1));
    EXPECT_EQ(1, Disarm());
    EXPECT_EQ(c.status, e.status);
    EXPECT_EQ(c.error, e.result);
  }
}

TEST_P(FaultRing, InAListAnOperationGivenUpUnaskedIsDoneAllTheSame) {
  evpoll_io ios[8];
  for (uint64_t i = 0; i < 8; i++) ios[i] = Read(i);
  Arm(fault::kRingResult, 3, ECANCELED);
  ASSERT_EQ(8, evpoll_submit_list(p, ios, 8, 7, nullptr));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(1, Disarm());
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(8, e.result);
}

TEST_P(FaultRing, ACancelThatTheKernelDoesNotTakeLeavesTheOperation) {
  evpoll_io ios[8];
  for (uint64_t i = 0; i < 8; i++) ios[i] = Read(i);
  ASSERT_EQ(8, evpoll_submit(p, ios, 8));
  Arm(fault::kRingSubmit, 1, EAGAIN, kAll);
  const int32_t asked = evpoll_cancel_all(p);
  Disarm();
  EXPECT_LE(0, asked);
  WaitFor(8);
  ExpectUsable();
}

// By number they would be read, or written, late: seen to reach the next file of that number.
TEST_P(FaultRing, NothingIsLeftToTheKernelsThreadsByNumber) {
  std::vector<evpoll_io> ios;
  evpoll_iovec piece = {EVPOLL_ADDR(bytes.data()), 100};
  for (uint32_t code : {EVPOLL_OP_READ, EVPOLL_OP_WRITE})
    ios.push_back(MakeIo(code, file.handle, 1, bytes.data(), 100));
  for (uint32_t code : {EVPOLL_OP_READV, EVPOLL_OP_WRITEV})
    ios.push_back(MakeIo(code, file.handle, 1, &piece, 1));
  for (uint32_t code : {EVPOLL_OP_FSYNC, EVPOLL_OP_FDATASYNC})
    ios.push_back(MakeIo(code, file.handle, 1));
  const uint64_t before = fault::Seen(fault::kRingSubmit);
  for (int round = 0; round < 20; round++) {
    ASSERT_EQ(6, evpoll_submit(p, ios.data(), 6));
    WaitFor(6);
  }
  EXPECT_LE(before + 20, fault::Seen(fault::kRingSubmit));
  EXPECT_EQ(0u, fault::AsyncEntries());
}

// 20,000 in flight are asked by few calls of the system.
TEST_P(FaultRing, CancellingAllIsFewCalls) {
  std::vector<evpoll_io> ios(20000, MakeIo(EVPOLL_OP_FDATASYNC, file.handle, 1));
  ASSERT_EQ(20000, evpoll_submit(p, ios.data(), 20000));
  const uint64_t before = fault::Seen(fault::kRingEnter);
  EXPECT_EQ(20000, evpoll_cancel_all(p));
  EXPECT_GE(before + 320, fault::Seen(fault::kRingEnter));
  size_t cancelled = 0;
  for (const evpoll_event &e : WaitFor(20000, 4096)) cancelled += e.status == EVPOLL_ERR_CANCELLED;
  EXPECT_EQ(cancelled, Stats().io_cancelled);
  EXPECT_LT(10000u, cancelled) << "most of them were still waiting for a thread of the kernel";
}

} // namespace
} // namespace evp
