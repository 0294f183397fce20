// SPDX-License-Identifier: MIT
// evpoll_turn with operations: submit and wait in one call.
#include "contract.h"

#include <cstring>

namespace evp {
namespace {

class IoTurn : public Contract {
protected:
  evpoll_io Read(uint64_t token) {
    char *const own = &buffers[16 * (reads++ % 4096)]; // no two in flight share one
    return MakeIo(EVPOLL_OP_READ, file.handle, token, own, 16);
  }
  int32_t Turn(std::vector<evpoll_io> &ios, int64_t timeout_ns = kLong) {
    return evpoll_turn(p, nullptr, 0, ios.data(), static_cast<int32_t>(ios.size()), events, 64,
                       timeout_ns);
  }

  File file{*this, "content"};
  std::vector<char> buffers = std::vector<char>(16 * 4096);
  size_t reads = 0;
  evpoll_event events[64];
};
INSTANTIATE_TEST_SUITE_P(On, IoTurn, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoTurn, SubmitsAndWaitsForTheCompletion) {
  std::vector<evpoll_io> ios = {Read(7)};
  ASSERT_EQ(1, Turn(ios));
  EXPECT_EQ(EVPOLL_OK, ios[0].status);
  EXPECT_EQ(ios[0].op, events[0].op);
  EXPECT_EQ(7u, events[0].token);
  EXPECT_EQ(7, events[0].result);
}

TEST_P(IoTurn, ALoopOfTurnsGetsEveryCompletion) {
  std::vector<int> seen(2000);
  size_t got = 0;
  for (uint64_t next = 0; got < seen.size();) {
    std::vector<evpoll_io> ios;
    for (int i = 0; i < 8 && next < seen.size(); i++) ios.push_back(Read(next++));
    const int32_t n = Turn(ios);
    ASSERT_LT(0, n);
    for (int32_t i = 0; i < n; i++) ASSERT_EQ(1, ++seen[events[i].token]);
    got += static_cast<size_t>(n);
  }
  ExpectQuiet();
}

TEST_P(IoTurn, WithTimeout0ItSubmitsAllTheSame) {
  std::vector<evpoll_io> ios = {Read(1), Read(2)};
  const int32_t n = Turn(ios, 0);
  ASSERT_LE(0, n);
  EXPECT_EQ(EVPOLL_OK, ios[0].status);
  EXPECT_EQ(EVPOLL_OK, ios[1].status);
  WaitFor(2 - static_cast<size_t>(n));
}

TEST_P(IoTurn, ARefusedOperationMakesItNotBlock) {
  std::vector<evpoll_io> ios = {Read(1)};
  ios[0].handle = -1;
  EXPECT_EQ(0, Turn(ios, EVPOLL_INFINITE));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, ios[0].status);
}

TEST_P(IoTurn, AFullPollerMakesItNotBlock) {
  Open(0, 1);
  Pair pair;
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
  std::vector<evpoll_io> ios = {Read(1), Read(2)};
  const int32_t n = Turn(ios, EVPOLL_INFINITE);
  ASSERT_LE(0, n);
  EXPECT_EQ(EVPOLL_OK, ios[0].status);
  EXPECT_EQ(EVPOLL_ERR_AGAIN, ios[1].status);
  WaitFor(1 - static_cast<size_t>(n));
}

TEST_P(IoTurn, ARefusedOperationDoesNotStopTheOthers) {
  std::vector<evpoll_io> ios = {Read(1), Read(2), Read(3)};
  ios[1].code = 99;
  const int32_t n = Turn(ios, EVPOLL_INFINITE);
  ASSERT_LE(0, n);
  EXPECT_EQ(EVPOLL_OK, ios[0].status);
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, ios[1].status);
  EXPECT_EQ(EVPOLL_OK, ios[2].status);
  WaitFor(2 - static_cast<size_t>(n));
  ExpectQuiet();
}

TEST_P(IoTurn, AFailedChangeDoesNotStopTheOperations) {
  evpoll_change change = {};
  change.handle = -1;
  change.action = EVPOLL_CHANGE_ADD;
  change.interest = EVPOLL_READABLE;
  evpoll_io io = Read(1);
  const int32_t n = evpoll_turn(p, &change, 1, &io, 1, events, 64, EVPOLL_INFINITE);
  ASSERT_LE(0, n);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, change.status);
  EXPECT_EQ(EVPOLL_OK, io.status);
  WaitFor(1 - static_cast<size_t>(n));
}

TEST_P(IoTurn, ChangesAndOperationsReportTogether) {
  Pair pair;
  Send(pair.b, "x");
  evpoll_change change = {};
  change.token = 5;
  change.handle = pair.a;
  change.action = EVPOLL_CHANGE_ADD;
  change.interest = EVPOLL_READABLE;
  change.mode = EVPOLL_ONESHOT;
  evpoll_io io = Read(6);
  const int32_t n = evpoll_turn(p, &change, 1, &io, 1, events, 64, kLong);
  ASSERT_LT(0, n);
  std::vector<evpoll_event> all(events, events + n);
  for (const evpoll_event &e : WaitFor(2 - static_cast<size_t>(n))) all.push_back(e);
  ASSERT_EQ(2u, all.size());
  EXPECT_EQ(11u, all[0].token + all[1].token);
}

TEST_P(IoTurn, AnInvalidArrayOfEventsAppliesNothing) {
  std::vector<evpoll_io> ios = {Read(1)};
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_turn(p, nullptr, 0, ios.data(), 1, events, 0, kLong));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_turn(p, nullptr, 0, ios.data(), 1, nullptr, 4, kLong));
  EXPECT_EQ(0u, Stats().io_submitted);
  ExpectQuiet();
}

TEST_P(IoTurn, NullOrNegativeOperationsApplyNothing) {
  Pair pair;
  evpoll_change change = {};
  change.handle = pair.a;
  change.action = EVPOLL_CHANGE_ADD;
  change.interest = EVPOLL_WRITABLE;
  evpoll_io io = Read(1);
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_turn(p, &change, 1, nullptr, 1, events, 64, kLong));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_turn(p, &change, 1, &io, -1, events, 64, kLong));
  EXPECT_EQ(0u, Stats().io_submitted);
  ExpectQuiet();
}

TEST_P(IoTurn, WithoutOperationsTheArrayMayBeNull) {
  EXPECT_EQ(0, evpoll_turn(p, nullptr, 0, nullptr, 0, events, 64, 0));
}

TEST_P(IoTurn, AfterShutdownEveryOperationIsRefused) {
  ASSERT_EQ(0, evpoll_shutdown(p));
  std::vector<evpoll_io> ios = {Read(1), Read(2)};
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, Turn(ios, EVPOLL_INFINITE));
  for (const evpoll_io &io : ios) EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, io.status);
  EXPECT_EQ(0u, Stats().io_submitted);
}

} // namespace
} // namespace evp
