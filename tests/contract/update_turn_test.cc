// SPDX-License-Identifier: MIT
// evpoll_update, a batch of changes, and evpoll_turn, a whole loop turn in one call.
#include "contract.h"

namespace {

using namespace evp;

evpoll_change Change(uint32_t action, evpoll_handle h, uint64_t token, uint32_t interest = 0,
                     uint32_t mode = 0) {
  evpoll_change c = {};
  c.action = action;
  c.handle = h;
  c.token = token;
  c.interest = interest;
  c.mode = mode;
  c.status = 12345; // only ever written
  return c;
}
evpoll_change Add(evpoll_handle h, uint64_t token, uint32_t interest,
                  uint32_t mode = EVPOLL_LEVEL) {
  return Change(EVPOLL_CHANGE_ADD, h, token, interest, mode);
}

EVP_CONTRACT(Update);

TEST_P(Update, AppliesEachActionInOrder) {
  Pair s;
  Send(s.b, "x");
  evpoll_change changes[] = {
      Add(s.a, 1, EVPOLL_READABLE),
      Add(s.a, 2, EVPOLL_READABLE, EVPOLL_ONESHOT),
      Change(EVPOLL_CHANGE_MODIFY, s.a, 2, kBoth, EVPOLL_ONESHOT),
      Change(EVPOLL_CHANGE_REARM, s.a, 2, EVPOLL_READABLE),
  };
  EXPECT_EQ(4, evpoll_update(p, changes, 4));
  EXPECT_EQ(0, changes[0].status);
  EXPECT_EQ(1, changes[1].status) << "an upsert says so";
  EXPECT_EQ(0, changes[2].status);
  EXPECT_EQ(0, changes[3].status);
  EXPECT_EQ(2u, WaitOne().token);
  evpoll_change gone[] = {Change(EVPOLL_CHANGE_REMOVE, s.a, 2),
                          Change(EVPOLL_CHANGE_REMOVE, s.a, 2)};
  EXPECT_EQ(1, evpoll_update(p, gone, 2));
  EXPECT_EQ(0, gone[0].status);
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, gone[1].status);
  ExpectQuiet();
}

TEST_P(Update, AFailureDoesNotStopTheOthers) {
  Pair s, t;
  TempFile file("x");
  Send(s.b, "x");
  Send(t.b, "x");
  evpoll_change changes[] = {
      Add(-1, 1, EVPOLL_READABLE),
      Add(s.a, 2, EVPOLL_READABLE),
      Change(0, s.a, 2),
      Change(5, s.a, 2),
      Change(EVPOLL_CHANGE_MODIFY, s.a, 3, EVPOLL_READABLE),
      Add(s.b, 4, 0x10),
      Add(s.b, 4, EVPOLL_READABLE, EVPOLL_OPERATIONS),
      Add(file.handle, 5, EVPOLL_READABLE),
      Change(EVPOLL_CHANGE_REARM, s.a, 2, 0),
      Change(EVPOLL_CHANGE_REMOVE, s.b, 4),
      Add(t.a, 6, EVPOLL_READABLE),
  };
  EXPECT_EQ(2, evpoll_update(p, changes, 11));
  const int32_t expected[] = {EVPOLL_ERR_BAD_HANDLE,
                              0,
                              EVPOLL_ERR_UNSUPPORTED,
                              EVPOLL_ERR_UNSUPPORTED,
                              EVPOLL_ERR_STALE,
                              EVPOLL_ERR_INVALID,
                              EVPOLL_ERR_INVALID,
                              EVPOLL_ERR_UNSUPPORTED,
                              EVPOLL_ERR_INVALID,
                              EVPOLL_ERR_NOT_FOUND,
                              0};
  for (int i = 0; i < 11; i++) EXPECT_EQ(expected[i], changes[i].status) << "change " << i;
  int seen[2] = {};
  ASSERT_TRUE(Until([&] {
    for (const evpoll_event &e : Wait()) {
      seen[0] += e.token == 2;
      seen[1] += e.token == 6;
    }
    return seen[0] && seen[1];
  }));
}

TEST_P(Update, LeavesTheCallersFieldsAlone) {
  Pair s;
  evpoll_change c = Add(s.a, 9, EVPOLL_READABLE, EVPOLL_EDGE);
  EXPECT_EQ(1, evpoll_update(p, &c, 1));
  EXPECT_EQ(9u, c.token);
  EXPECT_EQ(s.a, c.handle);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_CHANGE_ADD), c.action);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), c.interest);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_EDGE), c.mode);
}

TEST_P(Update, FieldsThatAnActionDoesNotUseMustBeZero) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_ONESHOT));
  evpoll_change changes[] = {
      Change(EVPOLL_CHANGE_REARM, s.a, 1, EVPOLL_READABLE, EVPOLL_ONESHOT),
      Change(EVPOLL_CHANGE_REMOVE, s.a, 1, EVPOLL_READABLE),
      Change(EVPOLL_CHANGE_REMOVE, s.a, 1, 0, EVPOLL_ONESHOT),
  };
  EXPECT_EQ(0, evpoll_update(p, changes, 3));
  for (const evpoll_change &c : changes) EXPECT_EQ(EVPOLL_ERR_INVALID, c.status);
  EXPECT_EQ(0, evpoll_remove(p, s.a, 1));
}

TEST_P(Update, NothingToDoIsSuccess) {
  EXPECT_EQ(0, evpoll_update(p, nullptr, 0));
  evpoll_change c = Add(-1, 1, 0);
  EXPECT_EQ(0, evpoll_update(p, &c, 0));
  EXPECT_EQ(12345, c.status);
}

TEST_P(Update, ImpossibleArgumentsAreInvalidAndNothingIsApplied) {
  Pair s;
  evpoll_change c = Add(s.a, 1, EVPOLL_READABLE);
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_update(p, nullptr, 1));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_update(p, &c, -1));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_update(p, &c, INT32_MIN));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_update(nullptr, &c, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, s.a, 1));
}

TEST_P(Update, ABatchOfManyIsApplied) {
  std::vector<Pair> pairs(300);
  std::vector<evpoll_change> changes;
  for (uint64_t i = 0; i < pairs.size(); i++) {
    changes.push_back(Add(pairs[i].a, i, EVPOLL_READABLE, EVPOLL_ONESHOT));
    Send(pairs[i].b, "x");
  }
  EXPECT_EQ(300, evpoll_update(p, changes.data(), 300));
  WaitFor(300);
  for (evpoll_change &c : changes)
    c = Change(EVPOLL_CHANGE_REARM, c.handle, c.token, EVPOLL_READABLE);
  EXPECT_EQ(300, evpoll_update(p, changes.data(), 300));
  WaitFor(300);
  ExpectQuiet();
}

EVP_CONTRACT(Turn);

TEST_P(Turn, ReportsWhatItsOwnChangesMadeDue) {
  Pair s;
  Send(s.b, "x");
  evpoll_change c = Add(s.a, 1, EVPOLL_READABLE, EVPOLL_ONESHOT);
  evpoll_event events[4];
  ASSERT_EQ(1, evpoll_turn(p, &c, 1, nullptr, 0, events, 4, kLong));
  EXPECT_EQ(0, c.status);
  EXPECT_EQ(1u, events[0].token);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), events[0].events);
  c = Change(EVPOLL_CHANGE_REARM, s.a, 1, EVPOLL_READABLE);
  ASSERT_EQ(1, evpoll_turn(p, &c, 1, nullptr, 0, events, 4, kLong));
  EXPECT_EQ(0, c.status);
}

TEST_P(Turn, WithoutChangesIsAWait) {
  evpoll_event event;
  EXPECT_EQ(0, evpoll_turn(p, nullptr, 0, nullptr, 0, &event, 1, 0));
  const int64_t start = Now();
  EXPECT_EQ(0, evpoll_turn(p, nullptr, 0, nullptr, 0, &event, 1, 3 * kMillisecond));
  EXPECT_GE(Now() - start, 3 * kMillisecond);
  ASSERT_EQ(0, evpoll_post(p, 1, 2));
  ASSERT_EQ(1, evpoll_turn(p, nullptr, 0, nullptr, 0, &event, 1, EVPOLL_INFINITE));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_POST), event.events);
}

TEST_P(Turn, SubmitsAndWaits) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  File file(*this, "content");
  char bytes[8] = {};
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 5, bytes, sizeof bytes);
  evpoll_event events[4];
  ASSERT_EQ(1, evpoll_turn(p, nullptr, 0, &io, 1, events, 4, kLong));
  EXPECT_EQ(0, io.status);
  EXPECT_EQ(io.op, events[0].op);
  EXPECT_EQ(5u, events[0].token);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_IO), events[0].events);
  EXPECT_EQ(7, events[0].result);
  EXPECT_STREQ("content", bytes);
}

TEST_P(Turn, ChangesAndOperationsGoTogether) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  Pair s;
  Send(s.b, "x");
  File file(*this, "content");
  char bytes[8] = {};
  evpoll_change c = Add(s.a, 1, EVPOLL_READABLE, EVPOLL_ONESHOT);
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 2, bytes, sizeof bytes);
  evpoll_event events[4];
  const int32_t n = evpoll_turn(p, &c, 1, &io, 1, events, 4, kLong);
  ASSERT_GE(n, 1);
  EXPECT_EQ(0, c.status);
  EXPECT_EQ(0, io.status);
  std::vector<evpoll_event> all(events, events + n);
  for (const evpoll_event &e : WaitFor(2 - static_cast<size_t>(n))) all.push_back(e);
  EXPECT_EQ(3u, all[0].token + all[1].token);
}

TEST_P(Turn, DoesNotBlockWhenAChangeFailed) {
  Pair s;
  evpoll_change changes[] = {Add(s.a, 1, EVPOLL_READABLE), Add(-1, 2, EVPOLL_READABLE)};
  evpoll_event event;
  const int64_t start = Now();
  EXPECT_EQ(0, evpoll_turn(p, changes, 2, nullptr, 0, &event, 1, kLong));
  EXPECT_LT(Now() - start, kLong);
  EXPECT_EQ(0, changes[0].status);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, changes[1].status);
  EXPECT_EQ(0, evpoll_remove(p, s.a, 1)) << "the other was applied";
}

TEST_P(Turn, DoesNotBlockWhenAllChangesFailed) {
  evpoll_change c = Add(-1, 2, EVPOLL_READABLE);
  evpoll_event event;
  const int64_t start = Now();
  EXPECT_EQ(0, evpoll_turn(p, &c, 1, nullptr, 0, &event, 1, kLong));
  EXPECT_LT(Now() - start, kLong);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, c.status);
}

TEST_P(Turn, DoesNotBlockWhenAnOperationWasRefused) {
  evpoll_io ios[] = {MakeIo(0, -1, 1), MakeIo(EVPOLL_OP_READ, -1, 1)};
  for (evpoll_io &io : ios) io.status = 12345;
  evpoll_event event;
  const int64_t start = Now();
  EXPECT_EQ(0, evpoll_turn(p, nullptr, 0, ios, 2, &event, 1, kLong));
  EXPECT_LT(Now() - start, kLong);
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, ios[0].status);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, ios[1].status);
}

// What ends in the call is told at once, and the kernel need not be asked besides; but it is asked
// in one turn of two.
TEST_P(Turn, WhatEndsInEachTurnKeepsNobodyWaiting) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  int32_t before = 1;
  for (int i = 0; i < 100; i++) {
    evpoll_io io = MakeIo(EVPOLL_OP_TIMER, -1, 1);
    io.flags = EVPOLL_OPF_INLINE;
    evpoll_event event = {};
    const int32_t n = evpoll_turn(p, nullptr, 0, &io, 1, &event, 1, kLong);
    EXPECT_EQ(0, io.status);
    EXPECT_EQ(0u, io.op);
    ASSERT_LE(1, n + before) << "twice in a row nothing was said of what is ready, turn " << i;
    EXPECT_EQ(n == 1 ? 7u : 0u, event.token);
    before = n;
  }
}

// A program that asks without time to wait is told what there is.
TEST_P(Turn, AsksTheKernelEachTimeThatItMayNotBlock) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (int i = 0; i < 20; i++) {
    evpoll_io io = MakeIo(EVPOLL_OP_TIMER, -1, 1);
    io.flags = EVPOLL_OPF_INLINE;
    evpoll_event event = {};
    ASSERT_EQ(1, evpoll_turn(p, nullptr, 0, &io, 1, &event, 1, 0)) << i;
  }
}

TEST_P(Turn, AnUpsertIsNoFailure) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  evpoll_change c = Add(s.a, 2, EVPOLL_READABLE);
  evpoll_event event;
  const int64_t start = Now();
  EXPECT_EQ(0, evpoll_turn(p, &c, 1, nullptr, 0, &event, 1, 3 * kMillisecond));
  EXPECT_GE(Now() - start, 3 * kMillisecond);
  EXPECT_EQ(1, c.status);
}

TEST_P(Turn, DeliversAlthoughAChangeFailed) {
  ASSERT_EQ(0, evpoll_post(p, 7, 8));
  evpoll_change c = Add(-1, 2, EVPOLL_READABLE);
  evpoll_event event;
  EXPECT_EQ(1, evpoll_turn(p, &c, 1, nullptr, 0, &event, 1, kLong));
  EXPECT_EQ(7u, event.token);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, c.status);
}

TEST_P(Turn, ImpossibleArgumentsAreInvalidAndNothingIsApplied) {
  Pair s;
  evpoll_change c = Add(s.a, 1, EVPOLL_READABLE);
  evpoll_io io = MakeIo(EVPOLL_OP_FSYNC, -1, 1);
  evpoll_event e;
  for (int32_t capacity : {0, -1, INT32_MIN})
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_turn(p, &c, 1, nullptr, 0, &e, capacity, 0)) << capacity;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_turn(p, &c, 1, nullptr, 0, nullptr, 1, 0));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_turn(p, &c, -1, nullptr, 0, &e, 1, 0));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_turn(p, nullptr, 1, nullptr, 0, &e, 1, 0));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_turn(p, &c, 1, nullptr, 1, &e, 1, 0));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_turn(p, &c, 1, &io, -1, &e, 1, 0));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_turn(nullptr, &c, 1, nullptr, 0, &e, 1, 0));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, s.a, 1));
  EXPECT_EQ(0u, Stats().io_submitted);
}

TEST_P(Turn, IsNotNegativeAfterShutdownWhenAChangeWasApplied) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_shutdown(p));
  evpoll_change remove = Change(EVPOLL_CHANGE_REMOVE, s.a, 1);
  evpoll_event event;
  EXPECT_EQ(0, evpoll_turn(p, &remove, 1, nullptr, 0, &event, 1, kLong));
  EXPECT_EQ(0, remove.status);
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_turn(p, nullptr, 0, nullptr, 0, &event, 1, kLong));
}

TEST_P(Turn, IsRefusedAfterShutdownWhenNothingWasApplied) {
  Pair s;
  ASSERT_EQ(0, evpoll_shutdown(p));
  evpoll_change c = Add(s.a, 1, EVPOLL_READABLE);
  evpoll_event event;
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_turn(p, &c, 1, nullptr, 0, &event, 1, kLong));
}

} // namespace
