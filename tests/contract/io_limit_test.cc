// SPDX-License-Identifier: MIT
// options.io_limit: what it bounds, what frees room, and that nothing is lost below it.
#include "contract.h"

#include <cstring>

namespace evp {
namespace {

class IoLimit : public Contract {
protected:
  evpoll_io Read(uint64_t token) {
    char *const own = &buffers[16 * (reads++ % 16384)]; // no two in flight share one
    return MakeIo(EVPOLL_OP_READ, file.handle, token, own, 16);
  }
  // Submits n operations in one call; returns how many were accepted.
  int32_t SubmitMany(int32_t n) {
    std::vector<evpoll_io> ios;
    for (int32_t i = 0; i < n; i++) ios.push_back(Read(1));
    return evpoll_submit(p, ios.data(), n);
  }
  uint32_t LimitInInfo() {
    struct evpoll_poller_info info = {};
    info.struct_size = sizeof info;
    EXPECT_EQ(0, evpoll_info(p, &info));
    return info.io_limit;
  }

  File file{*this, "content"};
  std::vector<char> buffers = std::vector<char>(16 * 16384);
  size_t reads = 0;
};
INSTANTIATE_TEST_SUITE_P(On, IoLimit, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoLimit, DefaultIsAMillion) { EXPECT_EQ(1048576u, LimitInInfo()); }

TEST_P(IoLimit, InfoTellsWhatWasAskedFor) {
  for (uint32_t limit : {1u, 7u, 4194304u}) {
    Open(0, limit);
    EXPECT_EQ(limit, LimitInInfo());
    EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, 1)).status);
  }
}

TEST_P(IoLimit, BeyondItTheReasonIsAgain) {
  Open(0, 3);
  ASSERT_EQ(3, SubmitMany(3));
  evpoll_io io = Read(9);
  io.op = 99;
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_AGAIN, io.status);
  EXPECT_EQ(0u, io.op);
  WaitFor(3);
  ExpectQuiet();
}

TEST_P(IoLimit, ABatchIsAcceptedUpToIt) {
  Open(0, 4);
  evpoll_io ios[6];
  for (unsigned i = 0; i < 6; i++) ios[i] = Read(i);
  EXPECT_EQ(4, evpoll_submit(p, ios, 6));
  for (unsigned i = 0; i < 6; i++) {
    EXPECT_EQ(i < 4 ? EVPOLL_OK : EVPOLL_ERR_AGAIN, ios[i].status) << i;
    EXPECT_EQ(i < 4, ios[i].op != 0) << i;
  }
  for (const evpoll_event &e : WaitFor(4)) EXPECT_GT(4u, e.token);
  ExpectQuiet();
}

TEST_P(IoLimit, AnInvalidEntryBehindItSaysWhatIsWrongWithIt) {
  Open(0, 1);
  evpoll_io ios[3] = {Read(1), Read(2), Read(3)};
  ios[2].handle = -1;
  EXPECT_EQ(1, evpoll_submit(p, ios, 3));
  EXPECT_EQ(EVPOLL_ERR_AGAIN, ios[1].status);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, ios[2].status);
  WaitFor(1);
}

TEST_P(IoLimit, FinishedOperationsCountUntilTheyAreDelivered) {
  // However long ago the reads ended: nobody has been told.
  Open(0, 2);
  ASSERT_EQ(2, SubmitMany(2));
  evpoll *other = nullptr;
  ASSERT_EQ(0, evpoll_open(nullptr, &other));
  TempFile theirs;
  ASSERT_EQ(0, Serve(other, theirs.handle));
  evpoll_io io = MakeIo(EVPOLL_OP_FSYNC, theirs.handle, 1);
  evpoll_event e;
  ASSERT_EQ(1, evpoll_submit(other, &io, 1));
  ASSERT_EQ(1, evpoll_wait(other, &e, 1, kLong));
  ASSERT_EQ(0, evpoll_close(other, kLong));
  EXPECT_EQ(2u, Stats().io_in_flight);
  EXPECT_EQ(0, SubmitMany(1));
  WaitFor(2);
}

TEST_P(IoLimit, EachDeliveredCompletionFreesRoomForOne) {
  Open(0, 4);
  ASSERT_EQ(4, SubmitMany(4));
  for (int round = 0; round < 100; round++) {
    ASSERT_EQ(1u, Wait(kLong, 1).size());
    ASSERT_EQ(1, SubmitMany(2)) << round;
  }
  WaitFor(4);
}

TEST_P(IoLimit, CancelAloneFreesNoRoom) {
  Open(0, 2);
  ASSERT_EQ(2, SubmitMany(2));
  EXPECT_LE(0, evpoll_cancel_all(p));
  EXPECT_EQ(0, SubmitMany(1));
  WaitFor(2);
  EXPECT_EQ(2, SubmitMany(2));
  WaitFor(2);
}

TEST_P(IoLimit, FailedOperationsFreeTheirRoomWhenDelivered) {
  Open(0, 2);
  for (int round = 0; round < 10; round++) {
    evpoll_io ios[2] = {Read(1), Read(2)};
    ios[0].buffer = ios[1].buffer = 64; // not mapped
    ASSERT_EQ(2, evpoll_submit(p, ios, 2));
    for (const evpoll_event &e : WaitFor(2)) EXPECT_EQ(EVPOLL_ERR_FAULT, e.status);
  }
}

TEST_P(IoLimit, OneServesOperationAfterOperation) {
  Open(0, 1);
  for (uint64_t i = 0; i < 200; i++) {
    const evpoll_event e = RunIo(Read(i));
    ASSERT_EQ(i, e.token);
    ASSERT_EQ(7, e.result);
  }
}

TEST_P(IoLimit, EventsThatAreNotCompletionsNeedNoRoom) {
  Open(0, 1);
  ASSERT_EQ(1, SubmitMany(1));
  for (int i = 0; i < 100; i++) ASSERT_EQ(0, evpoll_post(p, 5, i));
  WaitFor(101);
}

TEST_P(IoLimit, ThousandsCanBeInFlightBeforeTheFirstWait) {
  // More than a kernel's queue of completions holds by default.
  Open(0, 65536);
  const size_t n = Slow() ? 8000 : 20000;
  std::vector<uint64_t> content(n), back(n);
  for (size_t i = 0; i < n; i++) content[i] = i * 0x9e3779b97f4a7c15u + 1;
  File numbers(*this, std::string(reinterpret_cast<char *>(content.data()), n * 8));
  std::vector<evpoll_io> ios(100);
  for (size_t done = 0; done < n; done += ios.size()) {
    for (size_t i = 0; i < ios.size(); i++)
      ios[i] = MakeIo(EVPOLL_OP_READ, numbers.handle, done + i, &back[done + i], 8,
                      static_cast<int64_t>(8 * (done + i)));
    ASSERT_EQ(static_cast<int32_t>(ios.size()), evpoll_submit(p, ios.data(), 100)) << done;
  }
  EXPECT_EQ(n, Stats().io_in_flight);
  std::vector<bool> seen(n);
  for (const evpoll_event &e : WaitFor(n, 512)) {
    ASSERT_GT(n, e.token);
    EXPECT_FALSE(seen[e.token]);
    seen[e.token] = true;
    ASSERT_EQ(8, e.result) << evpoll_strerror(e.status);
  }
  EXPECT_TRUE(content == back);
  EXPECT_EQ(0u, Stats().io_in_flight);
}

TEST_P(IoLimit, OneCallCanSubmitThousands) {
  Open(0, 10000);
  EXPECT_EQ(10000, SubmitMany(10001));
  for (const evpoll_event &e : WaitFor(10000, 1024)) ASSERT_EQ(7, e.result);
}

TEST_P(IoLimit, KeptFullForLongItLosesNothing) {
  Open(0, 64);
  std::vector<int> seen(static_cast<size_t>(Rounds(20000)));
  uint64_t next = 0;
  for (size_t delivered = 0; delivered < seen.size();) {
    while (next < seen.size()) {
      evpoll_io io = Read(next);
      if (evpoll_submit(p, &io, 1) == 0) {
        ASSERT_EQ(EVPOLL_ERR_AGAIN, io.status);
        break;
      }
      next++;
    }
    const std::vector<evpoll_event> events = Wait(kLong, 16);
    ASSERT_LT(0u, events.size());
    for (const evpoll_event &e : events) ASSERT_EQ(1, ++seen[e.token]);
    delivered += events.size();
  }
  ExpectQuiet();
}

TEST_P(IoLimit, OutOfRangeIsInvalid) {
  evpoll_options options = {};
  options.struct_size = sizeof options;
  options.flags = GetParam().flags;
  options.io_limit = 4194305;
  evpoll *q = nullptr;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_open(&options, &q));
  EXPECT_EQ(nullptr, q);
}

} // namespace
} // namespace evp
