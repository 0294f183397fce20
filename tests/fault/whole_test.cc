// SPDX-License-Identifier: MIT
// ALL continues what the system has done in part, and DURABLE asks for the disk by whatever way the
// file system has.
#include "fault_test.h"

#include <sys/resource.h>

#include <csignal>
#include <string>

namespace evp {
namespace {

using fault::Arm;
using fault::Disarm;
using fault::kAll;

class FaultWhole : public FaultTest {
protected:
  bool Pool() const { return GetParam().flags & EVPOLL_OPEN_NO_URING; }
  evpoll_io Whole(uint32_t code, std::string &data, uint32_t flags) {
    evpoll_io io = MakeIo(code, file.handle, 5, data.data(), data.size());
    io.flags = flags;
    return io;
  }
  evpoll_event Write(std::string &data, uint32_t flags) {
    return RunIo(Whole(EVPOLL_OP_WRITE, data, flags));
  }
  std::string Back() {
    std::string back(text.size(), '.');
    RunIo(Whole(EVPOLL_OP_READ, back, EVPOLL_OPF_ALL));
    return back;
  }

  std::string text = "what is to be written as a whole";
  const int64_t bytes_of_text = static_cast<int64_t>(text.size());
};
INSTANTIATE_TEST_SUITE_P(On, FaultWhole, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(FaultWhole, PartsAreContinued) {
  Open();
  for (int times : {1, 3, 1000}) {
    Arm(fault::kShort, 1, 3, times);
    const evpoll_event e = Write(text, EVPOLL_OPF_ALL);
    EXPECT_LT(0, Disarm());
    EXPECT_EQ(EVPOLL_OK, e.status);
    EXPECT_EQ(bytes_of_text, e.result);
    EXPECT_EQ(text, Back());
    std::string back(text.size(), '.');
    Arm(fault::kShort, 1, 3, times);
    EXPECT_EQ(bytes_of_text, RunIo(Whole(EVPOLL_OP_READ, back, EVPOLL_OPF_ALL)).result);
    EXPECT_LT(0, Disarm());
    EXPECT_EQ(text, back);
  }
}

TEST_P(FaultWhole, WithoutAllAPartIsReported) {
  Open();
  Arm(fault::kShort, 1, 3, kAll);
  EXPECT_EQ(3, Write(text, 0).result);
}

TEST_P(FaultWhole, AWriteThatMovesNothingFails) {
  Open();
  Arm(fault::kShort, 2, 3, kAll);
  EXPECT_EQ(EVPOLL_OK, Write(text, EVPOLL_OPF_ALL).status);
  Arm(fault::kShort, 1, 0, kAll);
  const evpoll_event e = Write(text, EVPOLL_OPF_ALL);
  EXPECT_EQ(1, Disarm());
  EXPECT_EQ(EVPOLL_ERR_IO, e.status);
  EXPECT_EQ(EIO, e.result);
}

// No file of this process may be longer.
class FileLimit {
public:
  explicit FileLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now = {bytes, before_.rlim_max};
    handler_ = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }

private:
  rlimit before_ = {};
  void (*handler_)(int) = nullptr;
};

TEST_P(FaultWhole, AnErrorBehindAPartIsReported) {
  Open();
  const FileLimit limit(8);
  EXPECT_EQ(8, Write(text, 0).result);
  const evpoll_event e = Write(text, EVPOLL_OPF_ALL);
  EXPECT_EQ(EVPOLL_ERR_TOO_LARGE, e.status);
  EXPECT_EQ(EFBIG, e.result);
}

TEST_P(FaultWhole, CancelledAfterAPartItTellsTheBytes) {
  Open();
  if (!Pool()) GTEST_SKIP() << "what the kernel holds is not held up";
  Arm(fault::kShort, 1, 3, 2);
  fault::Block(fault::kPwrite);
  evpoll_io io = Whole(EVPOLL_OP_WRITE, text, EVPOLL_OPF_ALL);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  ASSERT_TRUE(Until([] { return fault::Blocked(); }));
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  fault::Unblock();
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  EXPECT_EQ(3, e.result);
}

TEST_P(FaultWhole, WhatIsRemovedIsNotContinued) {
  Open();
  if (Pool()) GTEST_SKIP() << "the pool has a use of the handle";
  Arm(fault::kShort, 1, 3, kAll);
  evpoll_io io = Whole(EVPOLL_OP_WRITE, text, EVPOLL_OPF_ALL);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(0, evpoll_remove(p, file.handle, kServed));
  const evpoll_event e = WaitOne();
  Disarm();
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  EXPECT_TRUE(e.result == 3 || e.result == 0) << e.result;
  ASSERT_EQ(0, Serve(p, file.handle));
}

TEST_P(FaultWhole, ADurableWriteAsksForTheDisk) {
  Open();
  const uint64_t by_ring = fault::DurableEntries(), by_call = fault::Seen(fault::kDurable);
  for (uint32_t flags :
       {uint32_t{EVPOLL_OPF_DURABLE}, uint32_t{EVPOLL_OPF_DURABLE | EVPOLL_OPF_ALL}})
    EXPECT_EQ(bytes_of_text, Write(text, flags).result);
  EXPECT_EQ(Pool() ? 0u : 2u, fault::DurableEntries() - by_ring);
  EXPECT_EQ(Pool() ? 2u : 0u, fault::Seen(fault::kDurable) - by_call);
  EXPECT_EQ(bytes_of_text, Write(text, 0).result);
  EXPECT_EQ(Pool() ? 0u : 2u, fault::DurableEntries() - by_ring);
  EXPECT_EQ(Pool() ? 2u : 0u, fault::Seen(fault::kDurable) - by_call);
}

TEST_P(FaultWhole, WhereTheSystemCannotInOneCallASyncFollows) {
  for (int error : {EOPNOTSUPP, ENOSYS}) {
    if (!Pool() && error == ENOSYS) continue;
    Open();
    const uint64_t written = fault::Seen(fault::kPwritev), synced = fault::Seen(fault::kFdatasync);
    if (!Pool()) {
      Arm(fault::kRingResult, 1, error);
      EXPECT_EQ(bytes_of_text, Write(text, EVPOLL_OPF_DURABLE).result);
      EXPECT_EQ(1, Disarm());
      continue; // the pool's own call serves it
    }
    Arm(fault::kDurable, 1, error, kAll);
    EXPECT_EQ(bytes_of_text, Write(text, EVPOLL_OPF_DURABLE | EVPOLL_OPF_ALL).result);
    EXPECT_EQ(1, Disarm());
    EXPECT_EQ(1u, fault::Seen(fault::kPwritev) - written);
    EXPECT_EQ(1u, fault::Seen(fault::kFdatasync) - synced);
    EXPECT_EQ(text, Back());
  }
}

TEST_P(FaultWhole, ADiskThatFailsIsReported) {
  Open();
  Arm(Pool() ? fault::kDurable : fault::kRingResult, 1, EIO);
  const evpoll_event e = Write(text, EVPOLL_OPF_DURABLE);
  EXPECT_EQ(1, Disarm());
  EXPECT_EQ(EVPOLL_ERR_IO, e.status);
  EXPECT_EQ(EIO, e.result);
}

} // namespace
} // namespace evp
