// SPDX-License-Identifier: MIT
// Registrations for operations: add, remove, hold and release, and what they do to each other.
#include "contract.h"

#include <atomic>
#include <set>

namespace {

using namespace evp;

#define GATE_ADD_AGAIN()                                                                           \
  EVP_GATE(!RunsOnWine(), "add again", "Wine does not let a handle leave a port")

// A file that this poller does not know yet, and what can be done with it.
class OperationsMode : public Contract {
protected:
  int32_t AddFile(uint64_t token) {
    return evpoll_add(p, file.handle, token, 0, EVPOLL_OPERATIONS);
  }
  // The same file, by a handle that no poller had before.
  void Reopen() {
    const uint32_t both = EVPOLL_FILE_READ | EVPOLL_FILE_WRITE;
    file.Close();
    ASSERT_EQ(0, evpoll_file_open(file.path.c_str(), both, 0, &file.handle));
  }
  int32_t RemoveFile(uint64_t token) { return evpoll_remove(p, file.handle, token); }
  // Until nobody uses it any more, which events may have to be taken for; what remove said then.
  int32_t RemoveFileInTime(uint64_t token) {
    return InTime([&] { return RemoveFile(token); });
  }
  template <class Call> int32_t InTime(Call call) {
    int32_t status = 0;
    EXPECT_TRUE(Until([&] {
      if ((status = call()) != EVPOLL_ERR_BUSY) return true;
      for (const evpoll_event &e : Wait(0)) taken.push_back(e);
      return false;
    }));
    return status;
  }
  evpoll_io ReadFile(uint64_t token = 1) {
    return MakeIo(EVPOLL_OP_READ, file.handle, token, bytes, sizeof bytes);
  }
  void ExpectServed() { EXPECT_EQ(7, RunIo(ReadFile()).result); }
  void ExpectNotServed() {
    evpoll_io io = ReadFile();
    EXPECT_EQ(0, evpoll_submit(p, &io, 1));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, io.status);
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_submit_list(p, &io, 1, 1, nullptr));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, io.status);
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_handle(p, file.handle));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, file.handle, 1));
  }
  // Writes, and syncs among them, that take the system some time.
  std::vector<evpoll_io> SlowWork(size_t n) {
    std::vector<evpoll_io> ios;
    for (size_t i = 0; i < n; i++)
      ios.push_back(i % 4 == 3 ? MakeIo(EVPOLL_OP_FSYNC, file.handle, i)
                               : MakeIo(EVPOLL_OP_WRITE, file.handle, i, data.data(), data.size(),
                                        static_cast<int64_t>(data.size() * i)));
    EXPECT_EQ(static_cast<int32_t>(n), evpoll_submit(p, ios.data(), static_cast<int32_t>(n)));
    return ios;
  }
  // Each of them reports once: done, or that it was stopped.
  void ExpectAllReported(const std::vector<evpoll_io> &ios) {
    std::vector<int> seen(ios.size());
    for (const evpoll_event &e : WaitFor(ios.size() - taken.size())) taken.push_back(e);
    for (const evpoll_event &e : taken) {
      ASSERT_GT(ios.size(), e.token);
      EXPECT_EQ(1, ++seen[e.token]);
      EXPECT_EQ(ios[e.token].op, e.op);
      EXPECT_TRUE(e.status == EVPOLL_OK || e.status == EVPOLL_ERR_CANCELLED)
          << evpoll_strerror(e.status) << " " << e.result;
    }
    taken.clear();
    ExpectQuiet();
  }

  TempFile file{"content"};
  char bytes[64] = {};
  std::vector<evpoll_event> taken;
  std::string data = std::string(65536, 'w');
};
INSTANTIATE_TEST_SUITE_P(On, OperationsMode, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(OperationsMode, AddSaysWhetherItReplacedOne) {
  GATE_ADD_AGAIN();
  EXPECT_EQ(0, AddFile(1));
  ExpectServed();
  EXPECT_EQ(1, AddFile(1));
  EXPECT_EQ(1, AddFile(2));
  ExpectServed();
  EXPECT_EQ(EVPOLL_ERR_STALE, RemoveFile(1));
  ExpectServed();
  EXPECT_EQ(0, RemoveFile(2));
  ExpectNotServed();
  EXPECT_EQ(0, AddFile(3));
  ExpectServed();
}

TEST_P(OperationsMode, AnyTokenNamesIt) {
  GATE_ADD_AGAIN();
  for (uint64_t token : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 63, UINT64_MAX}) {
    ASSERT_EQ(0, AddFile(token));
    EXPECT_EQ(EVPOLL_ERR_STALE, RemoveFile(token ^ 1));
    EXPECT_EQ(EVPOLL_ERR_STALE, RemoveFile(token ^ uint64_t{1} << 63));
    EXPECT_EQ(0, RemoveFile(token));
  }
}

TEST_P(OperationsMode, ReportsNoReadiness) {
  ASSERT_EQ(0, AddFile(1));
  ExpectNoSpin();
}

TEST_P(OperationsMode, WhatWasNeverAddedIsNotFound) {
  ExpectNotServed();
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, RemoveFile(1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_hold(p, file.handle, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_release(p, file.handle));
}

TEST_P(OperationsMode, WhatWasRemovedIsNotFound) {
  ASSERT_EQ(0, AddFile(1));
  ASSERT_EQ(0, RemoveFile(1));
  ExpectNotServed();
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, RemoveFile(1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_hold(p, file.handle, 1));
}

TEST_P(OperationsMode, TakesNoInterest) {
  for (uint32_t interest = 1; interest; interest <<= 1)
    EXPECT_GT(0, evpoll_add(p, file.handle, 1, interest, EVPOLL_OPERATIONS)) << interest;
  for (uint32_t interest : {EVPOLL_READABLE, EVPOLL_WRITABLE, EVPOLL_PRIORITY, EVPOLL_READ_CLOSED,
                            EVPOLL_ERROR, EVPOLL_IO})
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_add(p, file.handle, 1, interest, EVPOLL_OPERATIONS));
  ExpectNotServed();
}

TEST_P(OperationsMode, IsNotModifiedOrRearmed) {
  Pair s;
  ASSERT_EQ(0, AddFile(1));
  ASSERT_EQ(0, evpoll_add(p, s.a, 2, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_modify(p, file.handle, 1, 0, EVPOLL_OPERATIONS));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_modify(p, file.handle, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_modify(p, s.a, 2, 0, EVPOLL_OPERATIONS));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_rearm(p, file.handle, 1, EVPOLL_READABLE));
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_modify(p, file.handle, 3, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_rearm(p, file.handle, 3, EVPOLL_READABLE));
  ExpectServed();
  Send(s.b, "x");
  EXPECT_EQ(2u, WaitOne().token);
}

TEST_P(OperationsMode, ABatchOfChangesHasItToo) {
  GATE_ADD_AGAIN();
  evpoll_change changes[5] = {};
  for (evpoll_change &c : changes) {
    c.handle = file.handle;
    c.token = 1;
    c.action = EVPOLL_CHANGE_ADD;
    c.mode = EVPOLL_OPERATIONS;
  }
  changes[2].action = EVPOLL_CHANGE_MODIFY;
  changes[3].action = EVPOLL_CHANGE_REMOVE; // and has a mode
  changes[4].action = EVPOLL_CHANGE_REMOVE;
  changes[4].mode = 0;
  EXPECT_EQ(3, evpoll_update(p, changes, 5));
  const int32_t expected[] = {0, 1, EVPOLL_ERR_INVALID, EVPOLL_ERR_INVALID, 0};
  for (int i = 0; i < 5; i++) EXPECT_EQ(expected[i], changes[i].status) << i;
  ExpectNotServed();
}

TEST_P(OperationsMode, NumbersThatAreNoHandleAreBad) {
  ASSERT_EQ(0, AddFile(1)); // the first may open descriptors of the library's own
  ASSERT_EQ(0, RemoveFile(1));
  TempFile closed;
  const evpoll_handle was = closed.handle;
  closed.Close();
  for (evpoll_handle h : {evpoll_handle{-1}, INT64_MIN, INT64_MAX, file.handle + (int64_t{1} << 32),
                          (int64_t{1} << 31) - 8, was})
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, Serve(p, h)) << h;
  for (evpoll_handle h : {evpoll_handle{-1}, INT64_MIN}) {
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_remove(p, h, 1));
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_hold(p, h, 1));
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_release(p, h));
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_cancel_handle(p, h));
  }
  for (evpoll_handle h : {INT64_MAX, file.handle + (int64_t{1} << 32)}) {
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_hold(p, h, 1));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_release(p, h));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_handle(p, h));
  }
}

TEST_P(OperationsMode, OfASocketTakesThePlaceOfItsReadinessAndBack) {
  TcpPair s;
  char byte;
  EXPECT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_hold(p, s.a, 7));
  EXPECT_EQ(1, Serve(p, s.a));
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_remove(p, s.a, 7));
  Send(s.b, "x");
  ExpectQuiet();
  EXPECT_EQ(1, RunIo(MakeIo(EVPOLL_OP_READ, s.a, 1, &byte, 1)).result);
  EXPECT_EQ(1, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  Send(s.b, "x");
  EXPECT_EQ(7u, WaitOne().token);
  EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
}

TEST_P(OperationsMode, NoPollerIsInvalid) {
  EXPECT_EQ(EVPOLL_ERR_INVALID, Serve(nullptr, file.handle));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_hold(nullptr, file.handle, 1));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_release(nullptr, file.handle));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_cancel_token(nullptr, file.handle, 1));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_retime(nullptr, file.handle, 1, 1));
}

/* ---- one number, one registration ---- */

// Opens the file until it has a number that was closed.
struct ReopenedAs {
  evpoll_handle handle = -1;
  std::vector<evpoll_handle> others;
  ReopenedAs(const TempFile &file, evpoll_handle number) {
    for (int tries = 0; tries < 64 && handle < 0; tries++) {
      evpoll_handle h = -1;
      if (evpoll_file_open(file.path.c_str(), EVPOLL_FILE_READ, 0, &h) != 0) return;
      if (h == number)
        handle = h;
      else
        others.push_back(h);
    }
  }
  ~ReopenedAs() {
    if (handle >= 0) {
      EXPECT_EQ(0, evpoll_file_close(handle));
    }
    for (evpoll_handle h : others) EXPECT_EQ(0, evpoll_file_close(h));
  }
};

TEST_P(OperationsMode, ReplacesReadinessOfTheSameNumber) {
  for (uint32_t mode : kModes) {
    Pair s;
    const evpoll_handle number = s.a;
    Send(s.b, "x");
    ASSERT_EQ(0, evpoll_add(p, number, 7, EVPOLL_READABLE, mode));
    s.CloseA();
    ReopenedAs again(file, number);
    EVP_GATE(again.handle >= 0, "handle_reuse", "the system did not hand out the number again");
    EXPECT_EQ(1, evpoll_add(p, number, 8, 0, EVPOLL_OPERATIONS));
    ExpectQuiet();
    EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, number, 1, bytes, sizeof bytes)).result);
    EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_remove(p, number, 7));
    EXPECT_EQ(0, evpoll_remove(p, number, 8));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, number, 8));
  }
}

TEST_P(OperationsMode, IsReplacedByReadinessOfTheSameNumber) {
  ASSERT_EQ(0, AddFile(7));
  ExpectServed();
  const evpoll_handle number = file.handle;
  file.Close();
  Reused again(number);
  EVP_GATE(again.found, "handle_reuse", "the system did not hand out the number again");
  EXPECT_EQ(1, evpoll_add(p, number, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
  evpoll_io io = MakeIo(EVPOLL_OP_READ, number, 1, bytes, sizeof bytes);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, io.status);
  Send(again.peer, "x");
  EXPECT_EQ(8u, WaitOne().token);
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_remove(p, number, 7));
  EXPECT_EQ(0, evpoll_remove(p, number, 8));
}

TEST_P(OperationsMode, WhatIsReplacedEndsItsOperations) {
  GATE_ADD_AGAIN();
  for (int round = 0; round < 10; round++) {
    ASSERT_EQ(0, AddFile(1));
    const std::vector<evpoll_io> ios = SlowWork(16);
    const int32_t first = AddFile(2); // what was BUSY has ended, and what comes after it is new
    EXPECT_EQ(first == EVPOLL_ERR_BUSY ? 0 : 1,
              first == EVPOLL_ERR_BUSY ? InTime([&] { return AddFile(2); }) : first);
    ExpectAllReported(ios);
    EXPECT_EQ(EVPOLL_ERR_STALE, RemoveFile(1));
    EXPECT_EQ(0, RemoveFileInTime(2));
  }
}

/* ---- remove ---- */

TEST_P(OperationsMode, RemovedEachOperationStillReportsOnce) {
  GATE_ADD_AGAIN();
  for (int round = 0; round < 20; round++) {
    Reopen();
    ASSERT_EQ(0, AddFile(1));
    const std::vector<evpoll_io> ios = SlowWork(16);
    EXPECT_EQ(0, RemoveFileInTime(1));
    ExpectNotServed();
    ExpectAllReported(ios);
  }
}

// But for syncs, which some systems name by the number until they are over.
TEST_P(OperationsMode, RemovedWhatIsQueuedLetsGoThoughNobodyWaits) {
  GATE_ADD_AGAIN();
  for (int round = 0; round < 10; round++) {
    Reopen();
    ASSERT_EQ(0, AddFile(1));
    std::vector<evpoll_io> ios;
    for (uint64_t i = 0; i < 256; i++)
      ios.push_back(MakeIo(EVPOLL_OP_WRITE, file.handle, i, data.data(), data.size(),
                           static_cast<int64_t>(data.size() * (i % 16))));
    ASSERT_EQ(256, evpoll_submit(p, ios.data(), 256));
    int32_t status = 0;
    EXPECT_TRUE(Until([&] { return (status = RemoveFile(1)) != EVPOLL_ERR_BUSY; }));
    EXPECT_EQ(0, status);
    ExpectAllReported(ios);
  }
}

TEST_P(OperationsMode, RemovedAListStillReportsOnce) {
  GATE_ADD_AGAIN();
  for (int round = 0; round < 10; round++) {
    Reopen();
    ASSERT_EQ(0, AddFile(1));
    std::vector<evpoll_io> ios;
    for (int i = 0; i < 16; i++) ios.push_back(MakeIo(EVPOLL_OP_FSYNC, file.handle, 1));
    uint64_t op = 0;
    ASSERT_EQ(16, evpoll_submit_list(p, ios.data(), 16, 5, &op));
    EXPECT_EQ(0, RemoveFileInTime(1));
    const evpoll_event e = taken.empty() ? WaitOne() : taken[0];
    taken.clear();
    EXPECT_EQ(op, e.op);
    EXPECT_EQ(e.result == 16 ? EVPOLL_OK : EVPOLL_ERR_PARTIAL, e.status);
  }
}

// What remove has said 0 of may be closed, whatever is in flight: the number's next owner is safe.
TEST_P(OperationsMode, RemovedOperationsDoNotMoveToTheNumbersNextOwner) {
  for (int round = 0; round < 50; round++) {
    TempFile innocent(std::string(3, 'i'));
    const std::string path = innocent.path;
    innocent.Close();
    ASSERT_EQ(0, AddFile(1));
    const std::vector<evpoll_io> ios = SlowWork(16);
    EXPECT_EQ(0, RemoveFileInTime(1));
    file.Close();
    evpoll_handle next = -1;
    ASSERT_EQ(0, evpoll_file_open(path.c_str(), EVPOLL_FILE_READ | EVPOLL_FILE_WRITE, 0, &next));
    ExpectAllReported(ios);
    int64_t size = -1;
    EXPECT_EQ(0, evpoll_file_size(next, &size));
    ASSERT_EQ(3, size) << "a write went to another file";
    EXPECT_EQ(0, evpoll_file_close(next));
    Reopen();
  }
}

// A sync is named by its number until it is over; one that met a closed number would say so.
TEST_P(OperationsMode, RemovedAndClosedNoOperationMissesItsHandle) {
  for (int round = 0; round < 20; round++) {
    ASSERT_EQ(0, AddFile(1));
    std::vector<evpoll_io> ios = SlowWork(32);
    EXPECT_EQ(0, RemoveFileInTime(1));
    file.Close();
    ExpectAllReported(ios);
    Reopen();
  }
}

TEST_P(OperationsMode, RemovedWhatHasNotBegunIsCancelled) {
  EVP_GATE(!Has(EVPOLL_FEATURE_NATIVE_IO), "pool-io", "only the pool is known to be slow");
  EXPECT_TRUE(Until([&] {
    Reopen();
    EXPECT_EQ(0, AddFile(1));
    const std::vector<evpoll_io> ios = SlowWork(64);
    EXPECT_EQ(0, RemoveFileInTime(1));
    int cancelled = 0;
    for (const evpoll_event &e : WaitFor(ios.size() - taken.size())) taken.push_back(e);
    for (const evpoll_event &e : taken) cancelled += e.status == EVPOLL_ERR_CANCELLED;
    taken.clear();
    return cancelled > 0 || HasFailure();
  })) << "whatever was queued was done";
}

TEST_P(OperationsMode, AfterTheLastEventRemoveSucceedsAtOnce) {
  GATE_ADD_AGAIN();
  for (int round = 0; round < Rounds(400); round++) {
    Reopen();
    ASSERT_EQ(0, AddFile(1));
    RunIo(round % 2 ? MakeIo(EVPOLL_OP_FSYNC, file.handle, 1)
                    : MakeIo(EVPOLL_OP_WRITE, file.handle, 1, data.data(), 100));
    ASSERT_EQ(0, RemoveFile(1)) << "who had told of the end still used the handle";
  }
}

TEST_P(OperationsMode, RemovedAndAddedAgainAndAgainItServes) {
  GATE_ADD_AGAIN();
  for (uint64_t token = 0; token < 200; token++) {
    ASSERT_EQ(0, AddFile(token));
    EXPECT_EQ(7, RunIo(ReadFile(token)).result);
    ASSERT_EQ(0, RemoveFileInTime(token));
  }
}

/* ---- hold and release ---- */

TEST_P(OperationsMode, HeldItIsBusyUntilItIsReleased) {
  ASSERT_EQ(0, AddFile(1));
  ASSERT_EQ(0, evpoll_hold(p, file.handle, 1));
  ExpectServed();
  for (int times = 0; times < 3; times++) EXPECT_EQ(EVPOLL_ERR_BUSY, RemoveFile(1));
  ExpectNotServed();
  EXPECT_EQ(EVPOLL_ERR_STALE, RemoveFile(2));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_hold(p, file.handle, 1)) << "it has ended";
  EXPECT_EQ(EVPOLL_ERR_BUSY, AddFile(3));
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_add(p, file.handle, 3, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(0, evpoll_release(p, file.handle));
  EXPECT_EQ(0, RemoveFile(1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, RemoveFile(1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_release(p, file.handle));
}

TEST_P(OperationsMode, HeldTwiceItIsReleasedTwice) {
  ASSERT_EQ(0, AddFile(1));
  ASSERT_EQ(0, evpoll_hold(p, file.handle, 1));
  ASSERT_EQ(0, evpoll_hold(p, file.handle, 1));
  EXPECT_EQ(0, evpoll_release(p, file.handle));
  EXPECT_EQ(EVPOLL_ERR_BUSY, RemoveFile(1));
  EXPECT_EQ(0, evpoll_release(p, file.handle));
  EXPECT_EQ(0, RemoveFile(1));
}

TEST_P(OperationsMode, HoldKnowsTheRegistrationByItsToken) {
  ASSERT_EQ(0, AddFile(1));
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_hold(p, file.handle, 2));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_release(p, file.handle)) << "nothing was taken";
  EXPECT_EQ(0, RemoveFile(1));
}

TEST_P(OperationsMode, ReleasedAfterARemoveTheNumberCanBeAddedAgain) {
  GATE_ADD_AGAIN();
  ASSERT_EQ(0, AddFile(1));
  ASSERT_EQ(0, evpoll_hold(p, file.handle, 1));
  EXPECT_EQ(EVPOLL_ERR_BUSY, RemoveFile(1));
  EXPECT_EQ(0, evpoll_release(p, file.handle));
  EXPECT_LE(0, AddFile(2));
  ExpectServed();
  EXPECT_EQ(0, RemoveFileInTime(2));
}

TEST_P(OperationsMode, HoldsDoNotKeepAPollerFromClosing) {
  ASSERT_EQ(0, AddFile(1));
  ASSERT_EQ(0, evpoll_hold(p, file.handle, 1));
  EXPECT_EQ(0, evpoll_close(p, 0));
  p = nullptr;
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(file.handle, &size)) << "registered handles stay open";
}

TEST_P(OperationsMode, HoldsOfManyThreadsAreEachReleased) {
  ASSERT_EQ(0, AddFile(1));
  {
    std::vector<Thread> threads;
    for (int t = 0; t < 4; t++)
      threads.emplace_back([&] {
        for (int i = 0; i < Rounds(2000); i++) {
          ASSERT_EQ(0, evpoll_hold(p, file.handle, 1));
          ASSERT_EQ(0, evpoll_release(p, file.handle));
        }
      });
  }
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_release(p, file.handle));
  EXPECT_EQ(0, RemoveFile(1));
}

/* ---- removed while threads submit ---- */

// Each operation that was accepted reports once, the others say that there is no registration; none
// meets the file that has the number in between.
TEST_P(OperationsMode, RemovedWhileThreadsSubmitNoEventIsLostOrDoubled) {
  constexpr size_t kThreads = 3;
  const size_t each = static_cast<size_t>(Rounds(3000));
  TempFile innocent("innocent");
  innocent.Close();
  ASSERT_EQ(0, AddFile(1));
  std::atomic<evpoll_handle> number{file.handle};
  std::atomic<size_t> accepted{0}, running{kThreads};
  std::vector<char> to(kThreads * each, '.');
  std::vector<int> seen(kThreads * each);
  std::vector<Thread> threads;
  for (size_t t = 0; t < kThreads; t++)
    threads.emplace_back([&, t] {
      for (size_t i = t * each; i < (t + 1) * each; i++) {
        evpoll_io io = MakeIo(EVPOLL_OP_READ, number, i, &to[i], 1);
        if (i % 64 == 0) io = MakeIo(EVPOLL_OP_FSYNC, number, i);
        const int32_t n = evpoll_submit(p, &io, 1);
        EXPECT_EQ(n == 1, io.op != 0);
        EXPECT_EQ(n == 1 ? EVPOLL_OK : EVPOLL_ERR_NOT_FOUND, io.status);
        accepted += n == 1;
      }
      running--;
    });
  size_t got = 0;
  const auto take = [&](int64_t timeout) {
    for (const evpoll_event &e : Wait(timeout)) taken.push_back(e);
    for (const evpoll_event &e : taken) {
      got++;
      EXPECT_EQ(1, ++seen[e.token]);
      EXPECT_TRUE(e.status == EVPOLL_ERR_CANCELLED ||
                  (e.status == EVPOLL_OK && (e.token % 64 == 0 || to[e.token] == 'c')))
          << evpoll_strerror(e.status) << " " << to[e.token];
    }
    taken.clear();
  };
  while (running && !HasFailure()) {
    for (int i = 0; i < 4; i++) take(0);
    EXPECT_EQ(0, RemoveFileInTime(1));
    file.Close();
    evpoll_handle other = -1;
    EXPECT_EQ(0, evpoll_file_open(innocent.path.c_str(), EVPOLL_FILE_READ, 0, &other));
    take(0);
    EXPECT_EQ(0, evpoll_file_close(other));
    Reopen();
    EXPECT_EQ(0, AddFile(1));
    number = file.handle;
  }
  for (Thread &t : threads) t.Join();
  while (got < accepted && !HasFailure()) take(kLong);
  EXPECT_EQ(accepted, got);
  ExpectQuiet();
}

} // namespace
