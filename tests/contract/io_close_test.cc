// SPDX-License-Identifier: MIT
// EVPOLL_OP_CLOSE: removes a handle and closes it once nobody uses it any more; its event is the
// last that has to do with the handle.
#include "contract.h"

#include <algorithm>

#include <atomic>
#include <memory>
#include <set>

namespace {

using namespace evp;

class IoClose : public Contract {
protected:
  static evpoll_io CloseOf(evpoll_handle h, uint64_t token = kClose) {
    return MakeIo(EVPOLL_OP_CLOSE, h, token);
  }
  // A file that is served, as a number: who closes it is the test's affair.
  evpoll_handle OpenServed(const TempFile &at) {
    evpoll_handle h = -1;
    const uint32_t both = EVPOLL_FILE_READ | EVPOLL_FILE_WRITE;
    EXPECT_EQ(0, evpoll_file_open(at.path.c_str(), both, 0, &h));
    EXPECT_EQ(0, Serve(p, h));
    return h;
  }
  void StartClose(evpoll_handle h, uint64_t token = kClose) {
    evpoll_io io = CloseOf(h, token);
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    EXPECT_EQ(EVPOLL_OK, io.status);
    EXPECT_NE(0u, io.op);
  }
  int32_t RefusalOf(evpoll_io io) {
    io.op = 99;
    EXPECT_EQ(0, evpoll_submit(p, &io, 1));
    EXPECT_EQ(0u, io.op);
    return io.status;
  }
  static void ExpectClosed(const evpoll_event &e, uint64_t token = kClose) {
    EXPECT_EQ(token, e.token);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_IO), e.events);
    EXPECT_EQ(EVPOLL_OK, e.status);
    EXPECT_EQ(0, e.result);
  }
  static bool IsOpen(evpoll_handle h) {
    int64_t size;
    return evpoll_file_size(h, &size) == 0;
  }
  // Reads, writes and syncs; the system is at some of them when the next call is made.
  std::vector<evpoll_io> SomeWork(evpoll_handle h, size_t n) {
    std::vector<evpoll_io> ios;
    for (size_t i = 0; i < n; i++)
      ios.push_back(i % 4 == 0   ? MakeIo(EVPOLL_OP_READ, h, i, to + reads++ % sizeof to, 1)
                    : i % 4 == 3 ? MakeIo(EVPOLL_OP_FSYNC, h, i)
                                 : MakeIo(EVPOLL_OP_WRITE, h, i, data.data(), data.size(),
                                          static_cast<int64_t>(data.size() * i)));
    return ios;
  }

  static constexpr uint64_t kClose = 1000;
  TempFile home{"content"};
  evpoll_handle file = -1;
  size_t reads = 0; // each has a place of its own
  char to[64] = {};
  std::string data = std::string(65536, 'w');

  void SetUp() override {
    Contract::SetUp();
    file = OpenServed(home);
  }
};
INSTANTIATE_TEST_SUITE_P(On, IoClose, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoClose, ClosesTheHandleAndSaysSo) {
  const evpoll_event e = RunIo(CloseOf(file));
  ExpectClosed(e);
  EXPECT_FALSE(IsOpen(file));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, file, kServed));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, RefusalOf(MakeIo(EVPOLL_OP_FSYNC, file, 1)));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, RefusalOf(CloseOf(file)));
  ExpectQuiet();
}

TEST_P(IoClose, IsToldByATurnInOneCall) {
  evpoll_io io = CloseOf(file);
  evpoll_event e;
  ASSERT_EQ(1, evpoll_turn(p, nullptr, 0, &io, 1, &e, 1, kLong));
  ExpectClosed(e);
}

TEST_P(IoClose, MayBeInlineAndIsToldOnceAllTheSame) {
  evpoll_io io = CloseOf(file);
  io.flags = EVPOLL_OPF_INLINE;
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  if (io.op == 0)
    EXPECT_EQ(0, io.offset);
  else
    ExpectClosed(WaitOne());
  EXPECT_FALSE(IsOpen(file));
  ExpectQuiet();
}

TEST_P(IoClose, AtItsEventTheNumberIsFree) {
  for (int round = 0; round < 50; round++) {
    ExpectClosed(RunIo(CloseOf(file)));
    TempFile next("next");
    EVP_GATE(next.handle == file, "handle_reuse", "the system did not hand out the number again");
    EXPECT_EQ(0, Serve(p, next.handle)) << "the registration is gone, and not replaced";
    char got[4] = {};
    EXPECT_EQ(4, RunIo(MakeIo(EVPOLL_OP_READ, next.handle, 1, got, 4)).result);
    ASSERT_EQ("next", std::string(got, 4));
    ASSERT_EQ(0, evpoll_remove(p, next.handle, kServed));
    next.Close();
    file = OpenServed(home);
  }
}

// Were it closed twice, the number's next owner would be.
TEST_P(IoClose, ClosesOnce) {
  for (int round = 0; round < Rounds(200); round++) {
    std::vector<evpoll_io> ios = SomeWork(file, 8);
    ASSERT_EQ(8, evpoll_submit(p, ios.data(), 8));
    StartClose(file);
    WaitFor(9);
    TempFile next("next");
    file = OpenServed(home);
    ExpectQuiet();
    ASSERT_TRUE(IsOpen(next.handle)) << round;
    ASSERT_TRUE(IsOpen(file)) << round;
  }
}

TEST_P(IoClose, ItsEventIsTheHandlesLast) {
  for (int round = 0; round < 20; round++) {
    std::vector<evpoll_io> ios = SomeWork(file, 24);
    ios.push_back(CloseOf(file));
    ASSERT_EQ(25, evpoll_submit(p, ios.data(), 25));
    std::vector<int> seen(24);
    const std::vector<evpoll_event> events = WaitFor(25, 1 + round % 7);
    ASSERT_EQ(25u, events.size());
    ExpectClosed(events.back());
    for (size_t i = 0; i < 24; i++) {
      const evpoll_event &e = events[i];
      ASSERT_GT(24u, e.token) << "event " << i << " of 25";
      EXPECT_EQ(1, ++seen[e.token]);
      EXPECT_EQ(ios[e.token].op, e.op);
      EXPECT_TRUE(e.status == EVPOLL_OK || e.status == EVPOLL_ERR_CANCELLED) << e.status;
    }
    ExpectQuiet();
    file = OpenServed(home);
  }
}

TEST_P(IoClose, IsBehindAListToo) {
  for (int round = 0; round < 10; round++) {
    std::vector<evpoll_io> ios = SomeWork(file, 16);
    uint64_t op = 0;
    ASSERT_EQ(16, evpoll_submit_list(p, ios.data(), 16, 5, &op));
    StartClose(file);
    const std::vector<evpoll_event> events = WaitFor(2, 1);
    EXPECT_EQ(op, events[0].op);
    ExpectClosed(events[1]);
    file = OpenServed(home);
  }
}

TEST_P(IoClose, WhatStandsBehindItFindsNoRegistration) {
  evpoll_io ios[4] = {MakeIo(EVPOLL_OP_READ, file, 1, to, 7), CloseOf(file),
                      MakeIo(EVPOLL_OP_READ, file, 3, to + 32, 7), CloseOf(file)};
  EXPECT_EQ(2, evpoll_submit(p, ios, 4));
  EXPECT_EQ(EVPOLL_OK, ios[0].status);
  EXPECT_EQ(EVPOLL_OK, ios[1].status);
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, ios[2].status);
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, ios[3].status);
  const std::vector<evpoll_event> events = WaitFor(2);
  EXPECT_EQ(1u, events[0].token);
  ExpectClosed(events[1]);
}

TEST_P(IoClose, ARefusedOneBesideItDoesNotStopIt) {
  evpoll_io ios[3] = {MakeIo(EVPOLL_OP_READ, -1, 1), CloseOf(file), MakeIo(99, file, 1)};
  EXPECT_EQ(1, evpoll_submit(p, ios, 3));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, ios[0].status);
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, ios[2].status);
  ExpectClosed(WaitOne());
}

TEST_P(IoClose, TakesNoOtherField) {
  evpoll_io io = CloseOf(file);
  io.offset = 1;
  EXPECT_EQ(EVPOLL_ERR_INVALID, RefusalOf(io));
  io.offset = 0;
  io.length = 1;
  EXPECT_EQ(EVPOLL_ERR_INVALID, RefusalOf(io));
  io.length = 0;
  io.buffer = EVPOLL_ADDR(to);
  EXPECT_EQ(EVPOLL_ERR_INVALID, RefusalOf(io));
  EXPECT_TRUE(IsOpen(file));
  ExpectClosed(RunIo(CloseOf(file)));
}

TEST_P(IoClose, IsNoEntryOfAList) {
  evpoll_io ios[2] = {MakeIo(EVPOLL_OP_FSYNC, file, 1), CloseOf(file)};
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_submit_list(p, ios, 2, 5, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, ios[1].status);
  ExpectQuiet();
  EXPECT_TRUE(IsOpen(file));
  ExpectClosed(RunIo(CloseOf(file)));
}

TEST_P(IoClose, CannotBeCancelled) {
  ASSERT_EQ(0, evpoll_hold(p, file, kServed)); // so that it has to wait
  evpoll_io io = CloseOf(file);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, io.op));
  EXPECT_EQ(0, evpoll_cancel_all(p));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, file, kClose));
  ExpectQuiet();
  EXPECT_EQ(0, evpoll_release(p, file));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(io.op, e.op);
  ExpectClosed(e);
}

TEST_P(IoClose, WaitsForEveryRelease) {
  ASSERT_EQ(0, evpoll_hold(p, file, kServed));
  ASSERT_EQ(0, evpoll_hold(p, file, kServed));
  StartClose(file);
  ExpectNoSpin();
  EXPECT_TRUE(IsOpen(file));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_hold(p, file, kServed)) << "it has ended";
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, file, kServed));
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_add(p, file, 9, 0, EVPOLL_OPERATIONS));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, RefusalOf(CloseOf(file)));
  EXPECT_EQ(0, evpoll_release(p, file));
  ExpectQuiet();
  EXPECT_TRUE(IsOpen(file));
  EXPECT_EQ(0, evpoll_release(p, file));
  ExpectClosed(WaitOne());
  EXPECT_FALSE(IsOpen(file));
}

TEST_P(IoClose, IsTakenAfterARemoveThatWasBusy) {
  ASSERT_EQ(0, evpoll_hold(p, file, kServed));
  ASSERT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, file, kServed));
  StartClose(file);
  ExpectQuiet();
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, RefusalOf(CloseOf(file)));
  EXPECT_EQ(0, evpoll_release(p, file));
  ExpectClosed(WaitOne());
  EXPECT_FALSE(IsOpen(file));
}

TEST_P(IoClose, IsTakenAfterARemoveThatWasBusyAlsoWhenTheLastUseHasGone) {
  ASSERT_EQ(0, evpoll_hold(p, file, kServed));
  ASSERT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, file, kServed));
  ASSERT_EQ(0, evpoll_release(p, file));
  ExpectClosed(RunIo(CloseOf(file)));
  EXPECT_FALSE(IsOpen(file));
}

TEST_P(IoClose, AfterARemoveThatSucceededItFindsNothing) {
  ASSERT_EQ(0, evpoll_remove(p, file, kServed));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, RefusalOf(CloseOf(file)));
  EXPECT_EQ(0, evpoll_file_close(file));
}

TEST_P(IoClose, OfReadinessFindsNothing) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, RefusalOf(CloseOf(s.a)));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, RefusalOf(CloseOf(-1)));
  Send(s.b, "x");
  EXPECT_EQ(7u, WaitOne().token);
}

TEST_P(IoClose, IsNotRefusedAtTheLimit) {
  Open(0, 2);
  std::vector<evpoll_handle> files;
  for (int i = 0; i < 5; i++) files.push_back(OpenServed(home));
  evpoll_io ios[3];
  for (uint64_t i = 0; i < 3; i++) ios[i] = MakeIo(EVPOLL_OP_READ, files[0], i, to + i, 1);
  ASSERT_EQ(2, evpoll_submit(p, ios, 3));
  ASSERT_EQ(EVPOLL_ERR_AGAIN, ios[2].status);
  for (uint64_t i = 0; i < 5; i++) StartClose(files[i], kClose + i);
  EXPECT_EQ(7u, Stats().io_in_flight);
  std::set<uint64_t> closed;
  for (const evpoll_event &e : WaitFor(7))
    if (e.token >= kClose) closed.insert(e.token);
  EXPECT_EQ(5u, closed.size());
  for (evpoll_handle h : files) EXPECT_FALSE(IsOpen(h));
  EXPECT_EQ(0u, Stats().io_in_flight);
  ASSERT_EQ(0, evpoll_file_close(file));
}

TEST_P(IoClose, IsTakenAfterShutdownAndDeliveredBeforeItsEndIsSaid) {
  std::vector<evpoll_io> ios = SomeWork(file, 8);
  ASSERT_EQ(8, evpoll_submit(p, ios.data(), 8));
  ASSERT_EQ(0, evpoll_shutdown(p));
  StartClose(file);
  const std::vector<evpoll_event> events = WaitFor(9, 2);
  ExpectClosed(events.back());
  EXPECT_FALSE(IsOpen(file));
  evpoll_event e;
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_wait(p, &e, 1, kLong));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, RefusalOf(CloseOf(file)));
}

TEST_P(IoClose, IsTakenInATurnAfterShutdown) {
  ASSERT_EQ(0, evpoll_shutdown(p));
  evpoll_io io = CloseOf(file);
  evpoll_event e;
  const int32_t n = evpoll_turn(p, nullptr, 0, &io, 1, &e, 1, kLong);
  ASSERT_EQ(1, n);
  ExpectClosed(e);
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_turn(p, nullptr, 0, nullptr, 0, &e, 1, kLong));
}

TEST_P(IoClose, ManyAtOnceAreEachToldOfOnce) {
  constexpr size_t kMany = 200;
  std::vector<evpoll_handle> files;
  std::vector<evpoll_io> ios;
  for (size_t i = 0; i < kMany; i++) {
    files.push_back(OpenServed(home));
    ios.push_back(MakeIo(EVPOLL_OP_READ, files[i], i, to, 0));
    ios.push_back(MakeIo(i % 8 ? EVPOLL_OP_READ : EVPOLL_OP_FDATASYNC, files[i], i));
  }
  for (size_t i = 0; i < kMany; i++) ios.push_back(CloseOf(files[i], kClose + i));
  const int32_t n = static_cast<int32_t>(ios.size());
  ASSERT_EQ(n, evpoll_submit(p, ios.data(), n));
  std::vector<int> operations(kMany), closes(kMany);
  for (const evpoll_event &e : WaitFor(ios.size(), 33)) {
    const bool close = e.token >= kClose;
    const uint64_t i = e.token - (close ? kClose : 0);
    ASSERT_GT(kMany, i);
    if (close) {
      ExpectClosed(e, e.token);
      EXPECT_EQ(2, operations[i]) << "not the handle's last";
      EXPECT_EQ(1, ++closes[i]);
    } else {
      EXPECT_GE(2, ++operations[i]);
    }
  }
  for (evpoll_handle h : files) ASSERT_FALSE(IsOpen(h));
  EXPECT_TRUE(IsOpen(file));
  ExpectQuiet();
  EXPECT_EQ(Stats().io_submitted, Stats().io_completed);
  ExpectClosed(RunIo(CloseOf(file)));
}

TEST_P(IoClose, CountsAsAnOperation) {
  StartClose(file);
  EXPECT_EQ(1u, Stats().io_submitted);
  EXPECT_EQ(1u, Stats().io_in_flight);
  WaitOne();
  EXPECT_EQ(1u, Stats().io_completed);
  EXPECT_EQ(0u, Stats().io_in_flight);
  EXPECT_EQ(0u, Stats().io_cancelled);
}

TEST_P(IoClose, IdsDifferFromAllOthers) {
  std::set<uint64_t> ids;
  for (int i = 0; i < 50; i++) {
    EXPECT_TRUE(ids.insert(RunIo(MakeIo(EVPOLL_OP_READ, file, 1, to, 1)).op).second);
    EXPECT_TRUE(ids.insert(RunIo(CloseOf(file)).op).second);
    file = OpenServed(home);
  }
  EXPECT_EQ(0u, ids.count(0));
}

TEST_P(IoClose, WorksWithoutAPool) {
  EVP_GATE(Has(EVPOLL_FEATURE_NATIVE_IO), "native-io", "the pool serves this configuration");
  ASSERT_EQ(0, evpoll_remove(p, file, kServed));
  ASSERT_EQ(0, evpoll_file_close(file));
  Open(EVPOLL_OPEN_NATIVE_IO_ONLY);
  for (int round = 0; round < 50; round++) {
    file = OpenServed(home);
    std::vector<evpoll_io> ios = SomeWork(file, 8);
    if (Backend() == EVPOLL_BACKEND_AFD) // syncs are the pool's there
      ios.erase(std::remove_if(ios.begin(), ios.end(),
                               [](const evpoll_io &io) { return io.code == EVPOLL_OP_FSYNC; }),
                ios.end());
    ios.push_back(CloseOf(file));
    ASSERT_EQ(static_cast<int32_t>(ios.size()),
              evpoll_submit(p, ios.data(), static_cast<int32_t>(ios.size())));
    ExpectClosed(WaitFor(ios.size()).back());
    ASSERT_FALSE(IsOpen(file));
  }
}

TEST_P(IoClose, PendingItIsDoneWhenThePollerIsClosed) {
  for (int round = 0; round < 20; round++) {
    std::vector<evpoll_handle> files = {file};
    for (int i = 0; i < 20; i++) files.push_back(OpenServed(home));
    for (evpoll_handle h : files) {
      std::vector<evpoll_io> ios = SomeWork(h, 4);
      ASSERT_EQ(4, evpoll_submit(p, ios.data(), 4));
      StartClose(h);
    }
    Close();
    for (evpoll_handle h : files) ASSERT_FALSE(IsOpen(h)) << round;
    Open();
    file = OpenServed(home);
  }
}

TEST_P(IoClose, HeldItKeepsThePollerFromClosingUntilTheRelease) {
  ASSERT_EQ(0, evpoll_hold(p, file, kServed));
  StartClose(file);
  EXPECT_EQ(EVPOLL_ERR_TIMEOUT, evpoll_close(p, 0));
  EXPECT_TRUE(IsOpen(file));
  EXPECT_EQ(0, evpoll_release(p, file));
  Close();
  EXPECT_FALSE(IsOpen(file));
}

TEST_P(IoClose, ReachesAWaiterThatSleeps) {
  const int rounds = Rounds(200);
  std::atomic<int> told{0};
  Thread waiter([&] {
    evpoll_event e;
    for (int i = 0; i < rounds && LongWait(p, &e, 1) == 1; i++) told++;
  });
  for (int i = 0; i < rounds; i++) {
    StartClose(file);
    ASSERT_TRUE(Until([&] { return told == i + 1; })) << i;
    ASSERT_FALSE(IsOpen(file));
    file = OpenServed(home);
  }
  waiter.Join();
}

TEST_P(IoClose, AReleaseByAnotherThreadReachesAWaiterThatSleeps) {
  for (int round = 0; round < Rounds(200); round++) {
    ASSERT_EQ(0, evpoll_hold(p, file, kServed));
    StartClose(file);
    Thread other([&] { EXPECT_EQ(0, evpoll_release(p, file)); });
    ExpectClosed(WaitOne());
    other.Join();
    file = OpenServed(home);
  }
}

// Threads submit on whatever number is current, while it is closed and opened anew all the time.
// Whatever was accepted reports once, before its CLOSE, and none meets another file.
TEST_P(IoClose, BesideThreadsThatSubmitNoEventIsLostOrDoubled) {
  constexpr size_t kThreads = 3;
  const size_t each = static_cast<size_t>(Rounds(3000));
  std::atomic<evpoll_handle> number{file};
  std::atomic<size_t> accepted{0}, running{kThreads};
  std::vector<char> bytes(kThreads * each, '.');
  std::vector<int> seen(kThreads * each);
  std::vector<Thread> threads;
  for (size_t t = 0; t < kThreads; t++)
    threads.emplace_back([&, t] {
      for (size_t i = t * each; i < (t + 1) * each; i++) {
        evpoll_io io = i % 64 ? MakeIo(EVPOLL_OP_READ, number, i, &bytes[i], 1)
                              : MakeIo(EVPOLL_OP_FSYNC, number, i);
        const int32_t n = evpoll_submit(p, &io, 1);
        EXPECT_EQ(n == 1 ? EVPOLL_OK : EVPOLL_ERR_NOT_FOUND, io.status);
        accepted += n == 1;
      }
      running--;
    });
  const uint64_t close = kThreads * each;
  size_t got = 0;
  const auto take = [&] {
    bool closed = false;
    for (const evpoll_event &e : Wait()) {
      if (e.token == close) {
        ExpectClosed(e, close);
        closed = true;
        continue;
      }
      EXPECT_FALSE(closed) << "behind the CLOSE of the only file";
      got++;
      EXPECT_EQ(1, ++seen[e.token]);
      EXPECT_TRUE(e.status == EVPOLL_ERR_CANCELLED ||
                  (e.status == EVPOLL_OK && (e.token % 64 == 0 || bytes[e.token] == 'c')))
          << evpoll_strerror(e.status) << " " << bytes[e.token];
    }
    return closed;
  };
  for (bool last = false; !last && !HasFailure();) {
    last = running == 0;
    StartClose(file, close);
    EXPECT_TRUE(Until([&] { return take() || HasFailure(); }));
    {
      TempFile innocent("innocent"); // has the number, most likely
      std::this_thread::yield();
    }
    file = OpenServed(home);
    number = file;
  }
  for (Thread &t : threads) t.Join();
  EXPECT_EQ(accepted, got);
  ExpectQuiet();
  ExpectClosed(RunIo(CloseOf(file)));
}

} // namespace
