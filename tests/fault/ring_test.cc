// SPDX-License-Identifier: MIT
// What io_uring may do and rarely does: take less than it was given, and give up an operation that
// nobody has asked it to.
#include "fault_test.h"

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
    struct evpoll_info info = {};
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

TEST_P(FaultRing, AFailureInTheMiddleOfABatchAcceptsWhatCameBefore) {
  // More entries than the queue holds, and the kernel takes one at a time.
  for (int nth : {1, 2, 3, 100, 255, 256, 257, 300}) {
    std::vector<evpoll_io> ios;
    for (uint64_t i = 0; i < 600; i++) ios.push_back(Read(i));
    Arm(fault::kRingSubmit, nth, EAGAIN);
    const int32_t accepted = evpoll_submit(p, ios.data(), 600);
    const int failures = Disarm();
    ASSERT_LE(0, accepted);
    if (failures) {
      EXPECT_LT(accepted, 600);
      const int32_t why = accepted ? EVPOLL_ERR_AGAIN : EVPOLL_ERR_NO_MEMORY;
      EXPECT_EQ(why, ios[static_cast<size_t>(accepted)].status) << "no completion will make room";
    }
    std::vector<int> seen(600);
    for (const evpoll_event &e : WaitFor(static_cast<size_t>(accepted))) {
      ASSERT_GT(static_cast<uint64_t>(accepted), e.token);
      ASSERT_EQ(1, ++seen[e.token]);
      EXPECT_EQ(1, e.result);
    }
    ExpectQuiet();
    EXPECT_EQ(0u, Stats().io_in_flight);
  }
}

TEST_P(FaultRing, OperationsThatWereGivenUpUnaskedAreDoneAllTheSame) {
  for (int error : {ECANCELED, EINTR, EAGAIN})
    for (int nth : {1, 2, 16}) {
      SCOPED_TRACE(std::strerror(error));
      Arm(fault::kRingResult, nth, error);
      RunMany(16);
      EXPECT_EQ(1, Disarm());
    }
}

TEST_P(FaultRing, OperationsThatWereGivenUpSeveralTimesAreDoneAllTheSame) {
  for (int error : {ECANCELED, EINTR, EAGAIN}) {
    SCOPED_TRACE(std::strerror(error));
    Arm(fault::kRingResult, 1, error, 50);
    RunMany(16);
    EXPECT_LE(16, Disarm()); // the next try may not come back so soon that it is changed too
  }
}

TEST_P(FaultRing, WhatIsSubmittedAgainMayMeetAFullKernel) {
  // An operation that was given up, and cannot be submitted again at once: it ends, with a reason.
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
  const int32_t asked = evpoll_cancel(p, EVPOLL_OP_ALL);
  Disarm();
  EXPECT_LE(0, asked);
  WaitFor(8);
  ExpectUsable();
}

TEST_P(FaultRing, WithoutMemoryToWatchTheSocketsTheyAreStillSeen) {
  // In some pollers the ring watches the sockets; that request may be refused for ever.
  Pair pair;
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
  evpoll_io ios[2] = {Read(1), MakeIo(EVPOLL_IO_FSYNC, file.handle, 2)};
  ASSERT_EQ(2, evpoll_submit(p, ios, 2));
  Send(pair.b, "x");
  Arm(fault::kRingSubmit, 1, ENOMEM, kAll);
  bool socket = false, one = false, two = false;
  EXPECT_TRUE(Until([&] {
    for (const evpoll_event &e : Wait(kLong, 1)) {
      socket |= e.token == 5;
      one |= e.token == 1;
      two |= e.token == 2;
    }
    return (socket && one && two) || HasFailure();
  }));
  Disarm();
  EXPECT_EQ("x", Drain(pair.a));
  ExpectQuiet();
  EXPECT_EQ(0, evpoll_remove(p, pair.a, 5));
  ExpectUsable();
}

} // namespace
} // namespace evp
