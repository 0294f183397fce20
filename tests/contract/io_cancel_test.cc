// SPDX-License-Identifier: MIT
// Cancelling: a request only. Whether it wins is the system's affair; that every operation still
// completes exactly once, and is cancelled only if somebody asked, is ours.
#include "contract.h"

#include <cstring>
#include <limits>
#include <map>

namespace evp {
namespace {

constexpr size_t kWriteLength = 65536;

class IoCancel : public Contract {
protected:
  // Work that takes the system some time: writes of 64 KiB, each fourth followed by an fsync.
  std::vector<evpoll_io> Work(size_t n, evpoll_handle handle, uint64_t first_token = 0) {
    std::vector<evpoll_io> ios;
    for (size_t i = 0; i < n; i++)
      ios.push_back(i % 4 == 3
                        ? MakeIo(EVPOLL_OP_FSYNC, handle, first_token + i)
                        : MakeIo(EVPOLL_OP_WRITE, handle, first_token + i, data.data(),
                                 kWriteLength, static_cast<int64_t>(kWriteLength * (i % 16))));
    return ios;
  }
  void Submit(std::vector<evpoll_io> &ios) {
    const int32_t n = static_cast<int32_t>(ios.size());
    ASSERT_EQ(n, evpoll_submit(p, ios.data(), n));
  }
  // An operation that was done says how much; one that was not says that it was cancelled.
  void ExpectDoneOrCancelled(const evpoll_event &e, const evpoll_io &io) {
    EXPECT_EQ(io.op, e.op);
    if (e.status == EVPOLL_ERR_CANCELLED) return;
    EXPECT_EQ(EVPOLL_OK, e.status);
    // A write that was stopped in its middle reports what it has done.
    EXPECT_TRUE(io.code == EVPOLL_OP_FSYNC ? e.result == 0
                                           : e.result > 0 && e.result <= int64_t{kWriteLength})
        << e.result;
  }

  File file{*this};
  std::string data = std::string(kWriteLength, 'w');
};
INSTANTIATE_TEST_SUITE_P(On, IoCancel, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoCancel, AllWithNothingInFlightIs0) {
  EXPECT_EQ(0, evpoll_cancel_all(p));
  RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, 1));
  EXPECT_EQ(0, evpoll_cancel_all(p));
  ExpectQuiet();
}

TEST_P(IoCancel, AHandleWithNothingInFlightIs0) {
  EXPECT_EQ(0, evpoll_cancel_handle(p, file.handle));
  RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, 1));
  EXPECT_EQ(0, evpoll_cancel_handle(p, file.handle));
  ExpectQuiet();
}

TEST_P(IoCancel, ANegativeHandleIsABadHandle) {
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_cancel_handle(p, -1));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_cancel_handle(p, std::numeric_limits<int64_t>::min()));
}

TEST_P(IoCancel, AnUnknownOperationIsNotFound) {
  const uint64_t op = RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, 1)).op;
  for (uint64_t unknown : {op + 1, op + 1000, op ^ (uint64_t{1} << 63), ~uint64_t{0}})
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, unknown)) << unknown;
}

TEST_P(IoCancel, ZeroIsNoOperation) {
  // It is what events of readiness carry. A mistake, or merely unknown: both are said.
  for (int round = 0; round < 2; round++) {
    const int32_t status = evpoll_cancel(p, 0);
    EXPECT_TRUE(status == EVPOLL_ERR_INVALID || status == EVPOLL_ERR_NOT_FOUND) << status;
    RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, 1));
  }
}

TEST_P(IoCancel, BeforeTheFirstOperationEveryIdIsNotFound) {
  for (uint64_t op : {uint64_t{2}, uint64_t{1} << 32, ~uint64_t{0}})
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, op)) << op;
}

TEST_P(IoCancel, ADeliveredOperationIsNotFound) {
  char buffer[8];
  for (int round = 0; round < 100; round++) {
    const uint64_t op = RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, 8)).op;
    ASSERT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, op));
  }
  ExpectQuiet();
}

TEST_P(IoCancel, ADeliveredIdDoesNotReachItsSuccessor) {
  // Where the library uses a slot again, the old id must not cancel the new operation.
  Open(0, 1);
  char buffer[8];
  uint64_t old = RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, 8)).op;
  for (int round = 0; round < 200; round++) {
    evpoll_io io = MakeIo(EVPOLL_OP_WRITE, file.handle, 1, data.data(), kWriteLength);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    ASSERT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, old));
    ASSERT_EQ(EVPOLL_OK, WaitOne().status);
    old = io.op;
  }
}

TEST_P(IoCancel, OneOperationCompletesOnceWhoeverWins) {
  for (int round = 0; round < 100; round++) {
    std::vector<evpoll_io> ios = Work(4, file.handle);
    Submit(ios);
    const int32_t asked = evpoll_cancel(p, ios[3].op);
    ASSERT_TRUE(asked == 1 || asked == EVPOLL_ERR_NOT_FOUND) << asked;
    std::vector<int> seen(4);
    for (const evpoll_event &e : WaitFor(4)) {
      ASSERT_GT(4u, e.token);
      ASSERT_EQ(1, ++seen[e.token]);
      ExpectDoneOrCancelled(e, ios[e.token]);
      EXPECT_TRUE(e.token == 3 || e.status == EVPOLL_OK) << "nobody asked for its end";
    }
  }
  ExpectQuiet();
}

TEST_P(IoCancel, AllOperationsCompleteOnceWhoeverWins) {
  for (int round = 0; round < 5; round++) {
    std::vector<evpoll_io> ios = Work(100, file.handle);
    Submit(ios);
    const int32_t asked = evpoll_cancel_all(p);
    EXPECT_TRUE(asked >= 0 && asked <= 100) << asked;
    std::vector<int> seen(100);
    int32_t cancelled = 0;
    for (const evpoll_event &e : WaitFor(100)) {
      ASSERT_GT(100u, e.token);
      ASSERT_EQ(1, ++seen[e.token]);
      ExpectDoneOrCancelled(e, ios[e.token]);
      cancelled += e.status == EVPOLL_ERR_CANCELLED;
    }
    EXPECT_LE(cancelled, asked);
  }
  ExpectQuiet();
}

TEST_P(IoCancel, OnlyTheHandlesOperationsAreCancelled) {
  File other(*this);
  for (int round = 0; round < 5; round++) {
    std::vector<evpoll_io> ios = Work(100, file.handle);
    for (size_t i = 0; i < ios.size(); i += 2) ios[i].handle = other.handle;
    Submit(ios);
    const int32_t asked = evpoll_cancel_handle(p, file.handle);
    EXPECT_TRUE(asked >= 0 && asked <= 50) << asked;
    for (const evpoll_event &e : WaitFor(100)) {
      ASSERT_GT(100u, e.token);
      ExpectDoneOrCancelled(e, ios[e.token]);
      EXPECT_TRUE(e.token % 2 == 1 || e.status == EVPOLL_OK) << "an operation on the other handle";
    }
  }
  ExpectQuiet();
}

TEST_P(IoCancel, OnlyTheTokensOperationsOnTheHandleAreCancelled) {
  File other(*this);
  for (int round = 0; round < 5; round++) {
    std::vector<evpoll_io> ios = Work(100, file.handle);
    for (size_t i = 0; i < ios.size(); i++) {
      ios[i].token = i % 3;
      if (i % 2) ios[i].handle = other.handle;
    }
    Submit(ios);
    const int32_t asked = evpoll_cancel_token(p, file.handle, 1);
    EXPECT_TRUE(asked == EVPOLL_ERR_NOT_FOUND || (asked > 0 && asked <= 17)) << asked;
    std::map<uint64_t, const evpoll_io *> by_op;
    for (const evpoll_io &io : ios) by_op[io.op] = &io;
    int32_t cancelled = 0;
    for (const evpoll_event &e : WaitFor(100)) {
      ASSERT_EQ(1u, by_op.count(e.op));
      const evpoll_io &io = *by_op[e.op];
      ExpectDoneOrCancelled(e, io);
      const bool meant = io.token == 1 && io.handle == file.handle;
      EXPECT_TRUE(meant || e.status == EVPOLL_OK) << "another's, with token " << io.token;
      cancelled += e.status == EVPOLL_ERR_CANCELLED;
    }
    EXPECT_LE(cancelled, asked > 0 ? asked : 0);
  }
  ExpectQuiet();
}

TEST_P(IoCancel, ATokenWithoutOperationsIsNotFound) {
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, file.handle, 1));
  RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, file.handle, 1)) << "it is over";
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, file.handle, kServed))
      << "the registration's is no operation's";
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, -1, 1)) << "there are no timers";
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_cancel_token(p, -2, 1));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_cancel_token(p, std::numeric_limits<int64_t>::min(), 1));
  Pair pair;
  ASSERT_EQ(0, evpoll_add(p, pair.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, pair.a, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_handle(p, pair.a));
  ExpectQuiet();
}

TEST_P(IoCancel, TwiceIsAsOnce) {
  std::vector<evpoll_io> ios = Work(50, file.handle);
  Submit(ios);
  for (int times = 0; times < 3; times++) {
    EXPECT_LE(0, evpoll_cancel_all(p));
    for (const evpoll_io &io : ios) {
      const int32_t asked = evpoll_cancel(p, io.op);
      EXPECT_TRUE(asked == 0 || asked == 1 || asked == EVPOLL_ERR_NOT_FOUND) << asked;
    }
  }
  WaitFor(50);
  ExpectQuiet();
}

TEST_P(IoCancel, NothingIsCancelledThatCameLater) {
  std::vector<evpoll_io> before = Work(50, file.handle, 0), after = Work(50, file.handle, 1000);
  Submit(before);
  EXPECT_LE(0, evpoll_cancel_all(p));
  EXPECT_LE(0, evpoll_cancel_handle(p, file.handle));
  Submit(after);
  for (const evpoll_event &e : WaitFor(100))
    EXPECT_TRUE(e.token < 1000 || e.status == EVPOLL_OK) << "nobody asked for its end";
}

TEST_P(IoCancel, ListsAndSingleOperationsEndTogether) {
  std::vector<evpoll_io> list = Work(20, file.handle), ios = Work(20, file.handle);
  uint64_t op = 0;
  ASSERT_EQ(20, evpoll_submit_list(p, list.data(), 20, 500, &op));
  Submit(ios);
  const int32_t asked = evpoll_cancel_all(p);
  EXPECT_TRUE(asked >= 0 && asked <= 40) << asked;
  size_t lists = 0;
  for (const evpoll_event &e : WaitFor(21))
    if (e.events == EVPOLL_IO_LIST) {
      lists++;
      EXPECT_EQ(op, e.op);
    } else {
      ASSERT_GT(20u, e.token);
      ExpectDoneOrCancelled(e, ios[e.token]);
    }
  EXPECT_EQ(1u, lists);
  ExpectQuiet();
}

TEST_P(IoCancel, StatsCountTheCancelledOnes) {
  std::vector<evpoll_io> ios = Work(200, file.handle);
  Submit(ios);
  EXPECT_LE(0, evpoll_cancel_all(p));
  uint64_t cancelled = 0;
  for (const evpoll_event &e : WaitFor(200)) cancelled += e.status == EVPOLL_ERR_CANCELLED;
  EXPECT_EQ(cancelled, Stats().io_cancelled);
  EXPECT_EQ(200u, Stats().io_completed);
}

} // namespace
} // namespace evp
