// SPDX-License-Identifier: MIT
// What is done once only, or not at all: counted in calls, not in time.
#include "fault_test.h"

#include <unistd.h>

#include <cstring>

namespace evp {
namespace {

using fault::Arm;
using fault::Disarm;
using fault::kAll;
using fault::Seen;

class FaultCost : public FaultTest {};
INSTANTIATE_TEST_SUITE_P(On, FaultCost, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(FaultCost, AHandleThatIsNotOpenTakesNoMemory) {
  Open();
  for (evpoll_handle h : {evpoll_handle{1000000}, evpoll_handle{2000000000}}) {
    const uint64_t before = Seen(fault::kMemory);
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, h, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
    EXPECT_EQ(EBADF, evpoll_os_error());
    EXPECT_EQ(before, Seen(fault::kMemory)) << h;
  }
}

TEST_P(FaultCost, WhatServesFilesIsLookedForOnce) {
  ASSERT_EQ(0, TryOpen());
  struct evpoll_poller_info first = {}, again = {};
  first.struct_size = again.struct_size = sizeof first;
  ASSERT_EQ(0, evpoll_info(p, &first));
  const uint64_t before = Seen(fault::kRingSetup);
  char text[256];
  ASSERT_LT(0, evpoll_describe(p, text, sizeof text));
  ASSERT_EQ(0, evpoll_info(p, &again));
  EXPECT_EQ(before, Seen(fault::kRingSetup));
  EXPECT_EQ(first.io_engine, again.io_engine);
  EXPECT_EQ(first.features, again.features);
}

// Want of descriptors or memory at the first file: the pool serves, and the kernel is tried again.
TEST_P(FaultCost, WantThatPassesIsNotRemembered) {
  Open();
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  ASSERT_EQ(0, evpoll_info(p, &info));
  const uint32_t expected = info.io_engine;
  for (int error : {EMFILE, ENFILE, ENOMEM}) {
    Close();
    ASSERT_EQ(0, TryOpen());
    Arm(fault::kRingSetup, 1, error, kAll);
    ASSERT_EQ(0, Serve(p, file.handle));
    for (uint64_t i = 0; i < 300; i++) RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, i));
    const int refused = Disarm();
    if (expected == EVPOLL_ENGINE_IO_URING) {
      EXPECT_LT(2, refused) << "tried again and again";
      EXPECT_GE(20, refused) << "but not for each operation";
    }
    const uint64_t before = Seen(fault::kRingEnter);
    for (uint64_t i = 0; i < 300; i++) RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, i));
    EXPECT_EQ(expected == EVPOLL_ENGINE_IO_URING, Seen(fault::kRingEnter) > before)
        << std::strerror(error);
    ASSERT_EQ(0, evpoll_info(p, &info));
    EXPECT_EQ(expected, info.io_engine);
  }
}

TEST_P(FaultCost, NativeIoOnlySaysWhatItIsShortOf) {
  const struct {
    int error;
    int32_t status;
  } cases[] = {{EMFILE, EVPOLL_ERR_LIMIT}, {ENOMEM, EVPOLL_ERR_NO_MEMORY}};
  if (GetParam().flags & EVPOLL_OPEN_NO_URING) return;
  for (const auto &c : cases) {
    Close();
    evpoll_options options = {};
    options.struct_size = sizeof options;
    options.flags = GetParam().flags | EVPOLL_OPEN_NATIVE_IO_ONLY;
    ASSERT_EQ(0, evpoll_open(&options, &p));
    Arm(fault::kRingSetup, 1, c.error, kAll);
    EXPECT_EQ(c.status, Serve(p, file.handle));
    EXPECT_EQ(c.error, evpoll_os_error());
    Disarm();
    ASSERT_EQ(0, Serve(p, file.handle));
    RunIo(Read(1));
  }
}

// os_error is for failures: a call that succeeded by other means leaves it alone.
TEST_P(FaultCost, WhatWasTriedInVainIsNotTheErrorOfACallThatSucceeded) {
  ASSERT_EQ(0, TryOpen());
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_wait(p, nullptr, 1, 0)); // sets it to 0
  Arm(fault::kRingSetup, 1, EMFILE, kAll);
  ASSERT_EQ(0, Serve(p, file.handle));
  EXPECT_EQ(0, evpoll_os_error());
  RunIo(Read(1));
  EXPECT_EQ(0, evpoll_os_error());
}

TEST_P(FaultCost, AFileIsLookedAtOnceInAdd) {
  Open();
  evpoll_io ios[32];
  for (uint64_t i = 0; i < 32; i++) ios[i] = Read(i);
  const uint64_t before = Seen(fault::kStat);
  ASSERT_EQ(32, evpoll_submit(p, ios, 32));
  ASSERT_EQ(32, evpoll_submit_list(p, ios, 32, 1, nullptr));
  EXPECT_EQ(before, Seen(fault::kStat));
  WaitFor(33);
}

// A descriptor was closed, then removed, and lives on as a duplicate: it is reported for ever, and
// there is no descriptor for the set that would be rid of it.
TEST_P(FaultCost, ASetThatCannotBeRebuiltIsNoSpin) {
  Open();
  Pair s;
  Send(s.b, "x");
  const int duplicate = dup(static_cast<int>(s.a));
  const evpoll_handle number = s.a;
  ASSERT_EQ(0, evpoll_add(p, number, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  s.CloseA();
  ASSERT_EQ(0, evpoll_remove(p, number, 1));
  Arm(fault::kEpollCreate, 1, EMFILE, kAll);
  const uint64_t before = Seen(fault::kEpollWait);
  constexpr int64_t kTime = 30; // milliseconds
  evpoll_event e;
  EXPECT_EQ(0, evpoll_wait(p, &e, 1, kTime * kMillisecond));
  const uint64_t failures = static_cast<uint64_t>(Disarm());
  EXPECT_LT(0u, failures);
  // Each failure is a pause of at least a millisecond, after the hits that it takes to try.
  EXPECT_GE(static_cast<uint64_t>(kTime) + 2, failures);
  EXPECT_GE((failures + 1) * 200, Seen(fault::kEpollWait) - before);
  EXPECT_EQ(0u, Stats().set_rebuilds);
  while (Stats().set_rebuilds == 0) EXPECT_EQ(0, evpoll_wait(p, &e, 1, kMillisecond));
  close(duplicate);
}

} // namespace
} // namespace evp
