// SPDX-License-Identifier: MIT
// Reads of what is in the system's cache are done by the call that submits them; everything else,
// and all reads behind one that is not there, by the engine.
#include "fault_test.h"

#include <fcntl.h>

#include <cstring>

namespace evp {
namespace {

using fault::Arm;
using fault::ColdCache;
using fault::Disarm;
using fault::kAll;
using fault::Seen;

class FaultCached : public FaultTest {
protected:
  void SetUp() override {
    FaultTest::SetUp();
    Open();
    ColdCache(false);
  }
  void TearDown() override {
    ColdCache(true);
    FaultTest::TearDown();
  }
  // Calls that an engine makes for operations.
  static uint64_t Engine() {
    return Seen(fault::kRingEnter) + Seen(fault::kPread) + Seen(fault::kPwrite) +
           Seen(fault::kFsync);
  }
};
INSTANTIATE_TEST_SUITE_P(On, FaultCached, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(FaultCached, NeedsNoEngineAndOneEventTells) {
  File text(*this, "0123456789");
  char to[8] = "-------";
  const uint64_t before = Engine();
  evpoll_io io = MakeIo(EVPOLL_OP_READ, text.handle, 5, to, 4);
  io.offset = 3;
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(0, std::memcmp(to, "3456---", 7)); // there already
  const evpoll_event e = WaitOne();
  EXPECT_EQ(5u, e.token);
  EXPECT_EQ(io.op, e.op);
  EXPECT_EQ(4, e.result);
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(uint32_t{EVPOLL_IO}, e.events);
  EXPECT_EQ(before, Engine());
  ExpectQuiet();
  EXPECT_EQ(0u, Stats().io_in_flight);
}

TEST_P(FaultCached, TheEndOfTheFileIsSeen) {
  File text(*this, "0123456789");
  char to[64];
  const uint64_t before = Engine();
  const struct { int64_t offset, result; } cases[] = {{0, 10}, {8, 2}, {10, 0}, {1 << 20, 0}};
  for (const auto &each : cases) {
    evpoll_io io = MakeIo(EVPOLL_OP_READ, text.handle, 5, to, sizeof to);
    io.offset = each.offset;
    EXPECT_EQ(each.result, RunIo(io).result) << each.offset;
  }
  EXPECT_EQ(before, Engine());
}

TEST_P(FaultCached, AnotherOperationAmongThemIsTheEngines) {
  char to[3][4] = {};
  evpoll_io ios[] = {MakeIo(EVPOLL_OP_READ, file.handle, 1, to[0], 4),
                     MakeIo(EVPOLL_OP_FSYNC, file.handle, 2),
                     MakeIo(EVPOLL_OP_READ, file.handle, 3, to[1], 4)};
  const uint64_t tries = Seen(fault::kCachedRead), before = Engine();
  ASSERT_EQ(3, evpoll_submit(p, ios, 3));
  uint64_t tokens = 0;
  for (const evpoll_event &e : WaitFor(3)) {
    EXPECT_EQ(EVPOLL_OK, e.status);
    tokens |= uint64_t{1} << e.token;
  }
  EXPECT_EQ(0xeu, tokens);
  EXPECT_EQ(tries + 2, Seen(fault::kCachedRead));
  EXPECT_LT(before, Engine());
  EXPECT_EQ(0, std::memcmp("ffff", to[1], 4));
}

TEST_P(FaultCached, AListOfThemIsOneEvent) {
  const uint64_t before = Engine();
  evpoll_io ios[16];
  for (uint64_t i = 0; i < 16; i++) ios[i] = Read(i);
  ASSERT_EQ(16, evpoll_submit_list(p, ios, 16, 9, nullptr));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(9u, e.token);
  EXPECT_EQ(16, e.result);
  EXPECT_EQ(before, Engine());
  evpoll_result results[16];
  ASSERT_EQ(16, evpoll_list_take(p, e.op, results, 16));
  for (const evpoll_result &r : results) EXPECT_EQ(1, r.result);
  ExpectQuiet();
}

// EOPNOTSUPP: a file system that cannot tell. ENOSYS, EPERM: an old kernel, a sandbox.
TEST_P(FaultCached, WhereItCannotBeAskedTheEngineReads) {
  for (int error : {EAGAIN, EOPNOTSUPP, ENOSYS, EPERM, EINTR, EINVAL, EIO}) {
    Arm(fault::kCachedRead, 1, error, kAll);
    for (int i = 0; i < 20; i++) {
      char to[4] = "xyz";
      const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 5, to, 3));
      EXPECT_EQ(EVPOLL_OK, e.status) << error;
      EXPECT_EQ(3, e.result);
      EXPECT_STREQ("fff", to);
    }
    Disarm();
  }
}

TEST_P(FaultCached, WhatIsNotThereIsAskedForLessAndLess) {
  Arm(fault::kCachedRead, 1, EAGAIN, kAll);
  const uint64_t before = Seen(fault::kCachedRead);
  for (int i = 0; i < 2000; i++) RunIo(Read(1));
  Disarm();
  EXPECT_GE(20u, Seen(fault::kCachedRead) - before);
  // ... and when it is there again, that is noticed.
  for (int i = 0; i < 300; i++) RunIo(Read(1));
  const uint64_t engine = Engine();
  for (int i = 0; i < 50; i++) RunIo(Read(1));
  EXPECT_EQ(engine, Engine());
}

TEST_P(FaultCached, ReadsPastTheCacheAreNotTried) {
  evpoll_handle direct;
  const int32_t status =
      evpoll_file_open(file.path.c_str(), EVPOLL_FILE_READ | EVPOLL_FILE_DIRECT, 0, &direct);
  if (status == EVPOLL_ERR_UNSUPPORTED || status == EVPOLL_ERR_INVALID)
    GTEST_SKIP() << "gate direct io: not on this file system";
  ASSERT_EQ(0, status);
  ASSERT_EQ(0, Serve(p, direct));
  const uint64_t before = Seen(fault::kCachedRead);
  void *buffer;
  ASSERT_EQ(0, evpoll_buffer_alloc(4096, 4096, &buffer));
  EXPECT_EQ(4096, RunIo(MakeIo(EVPOLL_OP_READ, direct, 5, buffer, 4096)).result);
  EXPECT_EQ(before, Seen(fault::kCachedRead));
  EXPECT_EQ(0, evpoll_buffer_free(buffer));
  EXPECT_EQ(0, evpoll_remove(p, direct, kServed));
  EXPECT_EQ(0, evpoll_file_close(direct));
}

TEST_P(FaultCached, WhatTakesLongToCopyIsTheEngines) {
  const std::string large(1 << 20, 'l');
  File text(*this, large);
  std::vector<char> to(large.size());
  const uint64_t tries = Seen(fault::kCachedRead);
  EXPECT_EQ(1 << 20, RunIo(MakeIo(EVPOLL_OP_READ, text.handle, 5, to.data(), to.size())).result);
  EXPECT_EQ(tries, Seen(fault::kCachedRead));
  EXPECT_EQ(0, std::memcmp(large.data(), to.data(), to.size()));
}

TEST_P(FaultCached, CancelledWhenItIsDoneItStaysDone) {
  char to[4];
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 5, to, 4);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_LE(0, evpoll_cancel(p, io.op));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(4, e.result);
  ExpectQuiet();
}

TEST_P(FaultCached, TheLimitCountsWhatWasNotDelivered) {
  Open(0, 2);
  char to[3];
  evpoll_io ios[3];
  for (uint64_t i = 0; i < 3; i++) ios[i] = MakeIo(EVPOLL_OP_READ, file.handle, i, &to[i], 1);
  EXPECT_EQ(2, evpoll_submit(p, ios, 3));
  EXPECT_EQ(EVPOLL_ERR_AGAIN, ios[2].status);
  WaitFor(2);
  EXPECT_EQ(1, evpoll_submit(p, &ios[2], 1));
  WaitFor(1);
}

class FaultInline : public FaultCached {
protected:
  // Submits one that may end inline; the entry says how that went.
  evpoll_io Submit(void *to, uint64_t length) {
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 5, to, length);
    io.flags = EVPOLL_OPF_INLINE;
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    return io;
  }
};
INSTANTIATE_TEST_SUITE_P(On, FaultInline, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(FaultInline, WhatTheCacheHasIsOverWhenSubmitReturns) {
  const uint64_t before = Engine();
  for (int i = 0; i < 100; i++) {
    char to[4] = "xyz";
    const evpoll_io io = Submit(to, 3);
    EXPECT_EQ(0u, io.op);
    EXPECT_EQ(EVPOLL_OK, io.status);
    EXPECT_EQ(3, io.offset);
    EXPECT_STREQ("fff", to);
  }
  ExpectQuiet();
  EXPECT_EQ(before, Engine());
}

TEST_P(FaultInline, ItNeedsNoRoom) {
  Open(0, 1);
  char held, to[8];
  evpoll_io fill = MakeIo(EVPOLL_OP_READ, file.handle, 1, &held, 1);
  ASSERT_EQ(1, evpoll_submit(p, &fill, 1)); // finished, but not delivered
  evpoll_io ios[8];
  for (uint64_t i = 0; i < 8; i++) {
    ios[i] = MakeIo(EVPOLL_OP_READ, file.handle, i, &to[i], 1);
    ios[i].flags = EVPOLL_OPF_INLINE;
  }
  EXPECT_EQ(8, evpoll_submit(p, ios, 8));
  WaitFor(1);
}

TEST_P(FaultInline, WhatTheCacheHasNotIsAnOperation) {
  for (int error : {EAGAIN, EOPNOTSUPP, ENOSYS, EPERM, EINTR, EINVAL, EIO, EFAULT}) {
    Arm(fault::kCachedRead, 1, error, kAll);
    for (int i = 0; i < 20; i++) {
      char to[4] = "xyz";
      const evpoll_io io = Submit(to, 3);
      EXPECT_NE(0u, io.op) << error;
      EXPECT_EQ(EVPOLL_OK, io.status);
      const evpoll_event e = WaitOne();
      EXPECT_EQ(io.op, e.op);
      EXPECT_EQ(3, e.result);
      EXPECT_STREQ("fff", to);
    }
    Disarm();
  }
}

TEST_P(FaultInline, AMissCostsOneTry) {
  const uint64_t before = Seen(fault::kCachedRead);
  Arm(fault::kCachedRead, 1, EAGAIN, 1);
  char to[4];
  EXPECT_NE(0u, Submit(to, 3).op);
  EXPECT_EQ(before + 1, Seen(fault::kCachedRead));
  WaitFor(1);
}

TEST_P(FaultInline, BehindOneThatDidNotEndNoneDoes) {
  Arm(fault::kCachedRead, 2, EAGAIN, 1);
  char to[4];
  evpoll_io ios[4];
  for (uint64_t i = 0; i < 4; i++) {
    ios[i] = MakeIo(EVPOLL_OP_READ, file.handle, i, &to[i], 1);
    ios[i].flags = EVPOLL_OPF_INLINE;
  }
  ASSERT_EQ(4, evpoll_submit(p, ios, 4));
  EXPECT_EQ(0u, ios[0].op);
  EXPECT_EQ(EVPOLL_OK, ios[0].status);
  EXPECT_EQ(1, ios[0].offset);
  for (int i = 1; i < 4; i++) EXPECT_NE(0u, ios[i].op);
  WaitFor(3);
  ExpectQuiet();
}

TEST_P(FaultInline, WhatTakesLongToCopyIsAnOperation) {
  File text(*this, std::string(1 << 20, 'l'));
  std::vector<char> to(1 << 20);
  evpoll_io io = MakeIo(EVPOLL_OP_READ, text.handle, 5, to.data(), to.size());
  io.flags = EVPOLL_OPF_INLINE;
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_NE(0u, io.op);
  EXPECT_EQ(1 << 20, WaitOne().result);
}

} // namespace
} // namespace evp
