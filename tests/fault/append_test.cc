// SPDX-License-Identifier: MIT
// Group commit, and what becomes of records when the system fails: a full disk, a sync that fails,
// no memory, a log that somebody else has.
#include "fault_test.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <string>

namespace evp {
namespace {

using fault::Arm;
using fault::Disarm;
using fault::kAll;

constexpr uint32_t kAppends = EVPOLL_FILE_APPEND | EVPOLL_FILE_WRITE;

class FaultAppend : public FaultTest {
protected:
  void SetUp() override {
    FaultTest::SetUp();
    OpenLog();
  }
  void TearDown() override {
    fault::Unblock();
    Disarm();
    CloseLog();
    FaultTest::TearDown();
  }
  void OpenLog() {
    Open();
    ASSERT_EQ(0, evpoll_file_open(path.path.c_str(), kAppends, 0, &log));
    ASSERT_EQ(0, Serve(p, log));
  }
  void CloseLog() {
    if (log >= 0) {
      EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_CLOSE, log, 99)).status);
    }
    log = -1;
  }
  evpoll_io Append(const std::string &record, uint64_t token = 0, uint32_t flags = 0) {
    char *const data = const_cast<char *>(record.data());
    evpoll_io io = MakeIo(EVPOLL_OP_APPEND, log, token, data, record.size());
    io.flags = flags;
    return io;
  }
  evpoll_event Run(const std::string &record, uint32_t flags = 0) {
    return RunIo(Append(record, 0, flags));
  }
  // A first record is being written, and stays there; what is submitted then is one batch.
  void HoldUp() {
    fault::Block(fault::kWritev);
    evpoll_io io = Append(first, 1000);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    ASSERT_TRUE(Until([] { return fault::Blocked(); }));
    held = io.op;
  }
  std::vector<evpoll_io> Submit(size_t n, uint32_t flags = 0) {
    std::vector<evpoll_io> ios;
    for (size_t i = 0; i < n; i++) ios.push_back(Append(record, i, flags));
    EXPECT_EQ(static_cast<int32_t>(n), evpoll_submit(p, ios.data(), static_cast<int32_t>(n)));
    return ios;
  }
  std::string Content() {
    std::ifstream in(path.path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  TempFile path{""};
  evpoll_handle log = -1;
  uint64_t held = 0;
  const std::string first = "first\n", record = "record\n";
};
INSTANTIATE_TEST_SUITE_P(On, FaultAppend, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(FaultAppend, WhatComesMeanwhileIsOneWriteAndOneSync) {
  HoldUp();
  Submit(100, EVPOLL_OPF_DURABLE);
  const uint64_t written = fault::Seen(fault::kWritev), synced = fault::Seen(fault::kFdatasync);
  fault::Unblock();
  for (const evpoll_event &e : WaitFor(101)) EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(1u, fault::Seen(fault::kWritev) - written);
  EXPECT_EQ(1u, fault::Seen(fault::kFdatasync) - synced);
}

TEST_P(FaultAppend, ABatchWithoutDurableRecordsIsNotSynced) {
  const uint64_t synced = fault::Seen(fault::kFdatasync);
  EXPECT_EQ(EVPOLL_OK, Run(record).status);
  EXPECT_EQ(synced, fault::Seen(fault::kFdatasync));
  EXPECT_EQ(EVPOLL_OK, Run(record, EVPOLL_OPF_DURABLE).status);
  EXPECT_EQ(synced + 1, fault::Seen(fault::kFdatasync));
}

TEST_P(FaultAppend, WhatIsQueuedCanBeCancelledAndABatchCannot) {
  HoldUp();
  const std::vector<evpoll_io> ios = Submit(5);
  for (const size_t i : {0u, 2u, 4u}) { // the first of the queue, one in it, and the last
    EXPECT_EQ(1, evpoll_cancel(p, ios[i].op));
    const evpoll_event e = WaitOne();
    EXPECT_EQ(ios[i].op, e.op);
    EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
    EXPECT_EQ(0, e.result);
  }
  EXPECT_EQ(1, evpoll_cancel(p, held)) << "it was asked";
  fault::Unblock();
  for (const evpoll_event &each : WaitFor(3)) EXPECT_EQ(EVPOLL_OK, each.status);
  EXPECT_EQ(first + record + record, Content());
}

TEST_P(FaultAppend, RemoveEndsWhatIsQueuedAndIsBusyForTheBatch) {
  HoldUp();
  Submit(3);
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, log, kServed));
  for (const evpoll_event &e : WaitFor(3)) EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, log, kServed));
  fault::Unblock();
  EXPECT_EQ(held, WaitOne().op);
  EXPECT_EQ(0, evpoll_remove(p, log, kServed));
  EXPECT_EQ(first, Content());
  ASSERT_EQ(0, Serve(p, log));
  EXPECT_EQ(6, Run(record).result);
}

TEST_P(FaultAppend, CloseComesAfterTheBatch) {
  HoldUp();
  Submit(3);
  evpoll_io close = MakeIo(EVPOLL_OP_CLOSE, log, 77);
  ASSERT_EQ(1, evpoll_submit(p, &close, 1));
  for (const evpoll_event &e : WaitFor(3)) EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  fault::Unblock();
  const std::vector<evpoll_event> events = WaitFor(2);
  EXPECT_EQ(held, events[0].op);
  EXPECT_EQ(EVPOLL_OK, events[0].status);
  EXPECT_EQ(77u, events[1].token);
  EXPECT_EQ(first, Content());
  log = -1;
}

TEST_P(FaultAppend, APartIsContinued) {
  Arm(fault::kShort, 1, 3, 1);
  EXPECT_EQ(0, Run(first).result);
  EXPECT_EQ(1, Disarm());
  Arm(fault::kShort, 1, 3, kAll);
  EXPECT_EQ(6, Run(record).result);
  EXPECT_EQ(2, Disarm());
  EXPECT_EQ(first + record, Content());
}

TEST_P(FaultAppend, SignalsAreNotSeen) {
  Arm(fault::kWritev, 1, EINTR, 3);
  EXPECT_EQ(0, Run(first).result);
  EXPECT_EQ(3, Disarm());
  Arm(fault::kFdatasync, 1, EINTR, 3);
  EXPECT_EQ(6, Run(record, EVPOLL_OPF_DURABLE).result);
  EXPECT_EQ(3, Disarm());
}

TEST_P(FaultAppend, AWriteThatFailsFailsItsRecords) {
  Arm(fault::kWritev, 1, EIO);
  evpoll_event e = Run(first, EVPOLL_OPF_DURABLE);
  EXPECT_EQ(EVPOLL_ERR_IO, e.status);
  EXPECT_EQ(EIO, e.result);
  Arm(fault::kShort, 1, 0, kAll);
  e = Run(first);
  EXPECT_EQ(1, Disarm()) << "it does not try on and on";
  EXPECT_EQ(EVPOLL_ERR_IO, e.status);
  EXPECT_EQ(0, Run(first).result) << "the next is written again";
}

// The disk is full in the middle of a record.
TEST_P(FaultAppend, WholeRecordsStandAndATornTailIsCut) {
  for (uint32_t flags : {0u, EVPOLL_OPF_DURABLE + 0u}) {
    const std::string before = Content();
    HoldUp();
    Submit(5, flags);
    rlimit old = {}, full = {};
    getrlimit(RLIMIT_FSIZE, &old);
    full = {before.size() + first.size() + 2 * record.size() + 3, old.rlim_max};
    void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &full);
    fault::Unblock();
    const std::vector<evpoll_event> events = WaitFor(6);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    for (const evpoll_event &e : events) {
      if (e.token == 1000) continue;
      EXPECT_EQ(e.token < 2 ? EVPOLL_OK : EVPOLL_ERR_TOO_LARGE, e.status) << e.token;
      const size_t place = before.size() + first.size() + e.token * record.size();
      EXPECT_EQ(e.token < 2 ? static_cast<int64_t>(place) : EFBIG, e.result);
    }
    const std::string after = Content();
    EXPECT_EQ(before + first + record + record, after);
    EXPECT_EQ(static_cast<int64_t>(after.size()), Run(record).result);
  }
}

TEST_P(FaultAppend, AFailedSyncFailsItsBatchAndAllThatFollows) {
  HoldUp();
  Submit(3);
  Submit(2, EVPOLL_OPF_DURABLE);
  Arm(fault::kFdatasync, 1, EIO);
  fault::Unblock();
  for (const evpoll_event &e : WaitFor(6)) {
    EXPECT_EQ(e.token == 1000 ? EVPOLL_OK : EVPOLL_ERR_IO, e.status) << e.token;
    EXPECT_EQ(e.token == 1000 ? 0 : EIO, e.result);
  }
  EXPECT_EQ(1, Disarm());
  const std::string before = Content();
  for (uint32_t flags : {0u, EVPOLL_OPF_DURABLE + 0u}) {
    const evpoll_event e = Run(record, flags);
    EXPECT_EQ(EVPOLL_ERR_IO, e.status);
    EXPECT_EQ(EIO, e.result);
  }
  EXPECT_EQ(before, Content());
  CloseLog();
  Close();
  OpenLog();
  EXPECT_EQ(static_cast<int64_t>(before.size()), Run(record, EVPOLL_OPF_DURABLE).result);
}

TEST_P(FaultAppend, RecordsBehindAFailedSyncAreNotWritten) {
  fault::Block(fault::kFdatasync);
  evpoll_io io = Append(first, 1000, EVPOLL_OPF_DURABLE);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  ASSERT_TRUE(Until([] { return fault::Blocked(); }));
  Submit(3);
  Arm(fault::kFdatasync, 1, ENOSPC);
  fault::Unblock();
  for (const evpoll_event &e : WaitFor(4)) EXPECT_EQ(EVPOLL_ERR_NO_SPACE, e.status);
  EXPECT_EQ(first, Content());
}

TEST_P(FaultAppend, ALogThatSomebodyElseHasIsBusy) {
  // A descriptor that evpoll did not open.
  CloseLog();
  const int other = open(path.path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  ASSERT_EQ(0, flock(other, LOCK_EX | LOCK_NB));
  log = open(path.path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  ASSERT_EQ(0, Serve(p, log));
  EXPECT_EQ(EVPOLL_ERR_BUSY, Run(record).status);
  close(other);
  EXPECT_EQ(0, Run(record).result);
  evpoll_handle second = -1;
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_file_open(path.path.c_str(), kAppends, 0, &second));
}

TEST_P(FaultAppend, EveryAllocationFailsOnce) {
  const int n = EachFailing([&](int nth) {
    CloseLog();
    Close();
    Open();
    const int fd = open(path.path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    log = fd;
    int32_t added = -1, submitted = 0;
    evpoll_io io = Append(record, 0, EVPOLL_OPF_DURABLE);
    Arm(fault::kMemory, nth, ENOMEM);
    added = Serve(p, log);
    if (added == 0) submitted = evpoll_submit(p, &io, 1);
    const int failures = Disarm();
    if (added < 0) {
      EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, added);
      EXPECT_EQ(0, Serve(p, log));
    } else if (submitted == 0) {
      EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, io.status);
    } else {
      EXPECT_EQ(EVPOLL_OK, WaitOne().status);
    }
    EXPECT_EQ(EVPOLL_OK, Run(record).status);
    return failures;
  });
  EXPECT_LE(1, n);
}

TEST_P(FaultAppend, OpeningFailsWhole) {
  const std::string name = path.path + ".new";
  const uint32_t flags = kAppends | EVPOLL_FILE_CREATE | EVPOLL_FILE_DURABLE;
  const size_t open_now = fault::OpenDescriptors();
  for (const auto call : {fault::kMemory, fault::kFsync, fault::kStat}) {
    const int n = EachFailing([&](int nth) {
      evpoll_handle h = -1;
      Arm(call, nth, call == fault::kMemory ? ENOMEM : EIO);
      const int32_t status = evpoll_file_open(name.c_str(), flags, 0, &h);
      const int failures = Disarm();
      EXPECT_EQ(failures == 0, status == 0);
      EXPECT_EQ(failures == 0, h >= 0);
      if (h >= 0) {
        EXPECT_EQ(0, evpoll_file_close(h));
      }
      EXPECT_EQ(open_now, fault::OpenDescriptors());
      std::remove(name.c_str());
      return failures;
    });
    EXPECT_EQ(call == fault::kFsync ? 2 : call == fault::kStat ? 1 : 0, n);
  }
}

} // namespace
} // namespace evp
