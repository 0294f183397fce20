// SPDX-License-Identifier: MIT
// The end of a poller: evpoll_shutdown, which everybody notices, and evpoll_close, after which
// nothing of it is left.
#include "contract.h"

#include <atomic>

namespace {

using namespace evp;

EVP_CONTRACT(Shutdown);

int32_t WaitStatus(evpoll *p, int64_t timeout_ns = kLong) {
  evpoll_event events[8];
  return timeout_ns == kLong ? LongWait(p, events, 8) : evpoll_wait(p, events, 8, timeout_ns);
}

TEST_P(Shutdown, IsSticky) {
  EXPECT_EQ(0, evpoll_shutdown(p));
  for (int64_t timeout : {int64_t{0}, int64_t{1}, kLong, int64_t{EVPOLL_INFINITE}})
    EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, WaitStatus(p, timeout)) << timeout;
  EXPECT_EQ(0, evpoll_shutdown(p));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, WaitStatus(p));
}

TEST_P(Shutdown, RefusesWhatWouldStartSomething) {
  Pair s, other;
  File file(*this, "x");
  TempFile unserved("x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  ASSERT_EQ(0, evpoll_shutdown(p));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_add(p, other.a, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_modify(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_post(p, 1, 2));
  char byte = 0;
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 1, &byte, 1);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, io.status);
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_submit_list(p, &io, 1, 1, nullptr));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, Serve(p, unserved.handle));
  EXPECT_EQ(0, evpoll_os_error());
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, WaitStatus(p));
}

TEST_P(Shutdown, RefusesEachChangeOfABatch) {
  Pair s, other;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  ASSERT_EQ(0, evpoll_shutdown(p));
  evpoll_change changes[2] = {};
  changes[0].action = EVPOLL_CHANGE_ADD;
  changes[0].handle = other.a;
  changes[0].interest = EVPOLL_READABLE;
  changes[1].action = EVPOLL_CHANGE_REMOVE;
  changes[1].handle = s.a;
  changes[1].token = 7;
  EXPECT_EQ(1, evpoll_update(p, changes, 2));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, changes[0].status);
  EXPECT_EQ(0, changes[1].status);
}

TEST_P(Shutdown, LeavesRemoveWakeAndQuestionsInPlace) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_shutdown(p));
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_remove(p, s.a, 8));
  EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, s.a, 7));
  EXPECT_EQ(0, evpoll_wake(p));
  EXPECT_NE(0u, Backend());
  EXPECT_LT(0, evpoll_describe(p, nullptr, 0));
  Stats();
}

TEST_P(Shutdown, EndsTheReportsOfReadiness) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  WaitOne();
  ASSERT_EQ(0, evpoll_shutdown(p));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, WaitStatus(p));
}

TEST_P(Shutdown, DeliversPendingPostsFirst) {
  for (int i = 0; i < 10; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
  ASSERT_EQ(0, evpoll_shutdown(p));
  int next = 0;
  for (const evpoll_event &e : WaitFor(10, 3)) {
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_POST), e.events);
    EXPECT_EQ(next++, e.result);
  }
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, WaitStatus(p));
}

TEST_P(Shutdown, DeliversWhatIsInFlightFirst) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  File file(*this, std::string(65536, 'x'));
  std::vector<std::vector<char>> buffers(64, std::vector<char>(65536));
  for (auto &b : buffers) {
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 1, b.data(), b.size());
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  }
  ASSERT_EQ(0, evpoll_shutdown(p));
  for (const evpoll_event &e : WaitFor(buffers.size(), 5)) {
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_IO), e.events);
    EXPECT_EQ(0, e.status) << "nobody asked to cancel";
  }
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, WaitStatus(p));
}

TEST_P(Shutdown, BeforeTheFirstCall) {
  EXPECT_EQ(0, evpoll_shutdown(p));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, WaitStatus(p));
}

TEST_P(Shutdown, OfNoPollerIsInvalid) { EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_shutdown(nullptr)); }

TEST_P(Shutdown, ByAnotherThreadEndsAWait) {
  for (int i = 0; i < Rounds(200); i++) {
    Thread other([&] { evpoll_shutdown(p); });
    ASSERT_EQ(EVPOLL_ERR_SHUTDOWN, WaitStatus(p));
    other.Join();
    Open();
  }
}

EVP_CONTRACT_MANY(ShutdownCrowd);

TEST_P(ShutdownCrowd, EveryWaiterLeaves) {
  for (int round = 0; round < Rounds(100); round++) {
    std::atomic<int> left{0};
    std::vector<Thread> waiters;
    for (int i = 0; i < 8; i++)
      waiters.emplace_back([&] { left += WaitStatus(p) == EVPOLL_ERR_SHUTDOWN; });
    ASSERT_EQ(0, evpoll_shutdown(p));
    for (Thread &t : waiters) t.Join();
    ASSERT_EQ(8, left) << round;
    Open();
  }
}

TEST_P(ShutdownCrowd, EveryWaiterLeavesAlsoWhenSomeLeaveWithAnEvent) {
  for (int round = 0; round < Rounds(500); round++) {
    const int64_t start = Now();
    std::atomic<int> served{0}, sent_away{0};
    std::vector<Thread> waiters;
    for (int i = 0; i < 4; i++)
      waiters.emplace_back([&] {
        const int32_t n = WaitStatus(p);
        served += n == 1;
        sent_away += n == EVPOLL_ERR_SHUTDOWN;
      });
    ASSERT_EQ(0, evpoll_post(p, 1, 2));
    ASSERT_EQ(0, evpoll_shutdown(p));
    for (Thread &t : waiters) t.Join();
    ASSERT_EQ(1, served) << round;
    ASSERT_EQ(3, sent_away) << round;
    ASSERT_LT(Now() - start, kLong) << "a waiter was left asleep in round " << round;
    Open();
  }
}

TEST_P(ShutdownCrowd, PostsUntilTheLastMomentAreDeliveredOrRefused) {
  for (int round = 0; round < Rounds(100); round++) {
    const int64_t start = Now();
    std::atomic<int> accepted{0}, delivered{0};
    {
      std::vector<Thread> threads;
      for (int i = 0; i < 2; i++)
        threads.emplace_back([&] {
          int32_t n;
          while ((n = WaitStatus(p)) > 0) delivered += n;
          EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, n) << "a waiter was left asleep";
        });
      for (int i = 0; i < 2; i++)
        threads.emplace_back([&] {
          for (int k = 0; k < 3000 && evpoll_post(p, 1, 2) == 0; k++) accepted++;
        });
      EXPECT_TRUE(Until([&] { return delivered > 10 * round; }));
      EXPECT_EQ(0, evpoll_shutdown(p));
    }
    ASSERT_EQ(accepted, delivered) << round;
    ASSERT_LT(Now() - start, kLong) << "a waiter was left asleep in round " << round;
    Open();
  }
}

TEST_P(ShutdownCrowd, OperationsUntilTheLastMomentAreDeliveredOrRefused) {
  for (int round = 0; round < Rounds(100); round++) {
    const int64_t start = Now();
    File file(*this, "content");
    char byte;
    std::atomic<int> accepted{0}, delivered{0};
    {
      std::vector<Thread> threads;
      for (int i = 0; i < 2; i++)
        threads.emplace_back([&] {
          int32_t n;
          while ((n = WaitStatus(p)) > 0) delivered += n;
          EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, n) << "a waiter was left asleep";
        });
      for (int i = 0; i < 2; i++)
        threads.emplace_back([&] {
          for (int k = 0; k < 3000; k++) {
            evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 1, &byte, 0);
            if (evpoll_submit(p, &io, 1) == 0) {
              EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, io.status);
              break;
            }
            accepted++;
          }
        });
      EXPECT_TRUE(Until([&] { return delivered > 10 * round; }));
      EXPECT_EQ(0, evpoll_shutdown(p));
    }
    ASSERT_EQ(accepted, delivered) << round;
    ASSERT_LT(Now() - start, kLong) << "a waiter was left asleep in round " << round;
    Open();
  }
}

EVP_CONTRACT(Closing);

TEST_P(Closing, AnIdlePollerNeedsNoTime) {
  EXPECT_EQ(0, evpoll_close(p, 0));
  p = nullptr;
}

TEST_P(Closing, AnyTimeoutWillDo) {
  for (int64_t timeout : {int64_t{1}, kSecond, INT64_MAX, int64_t{-1}, INT64_MIN}) {
    EXPECT_EQ(0, evpoll_close(p, timeout)) << timeout;
    p = nullptr;
    Open();
  }
}

TEST_P(Closing, NoPollerIsInvalid) {
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_close(nullptr, 0));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_close(nullptr, EVPOLL_INFINITE));
}

TEST_P(Closing, LeavesRegisteredSocketsOpen) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  Close();
  Send(s.a, "still");
  EXPECT_EQ("still", Drain(s.b));
  Open();
  ASSERT_EQ(0, evpoll_add(p, s.a, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
  Send(s.b, "x");
  EXPECT_EQ(8u, WaitOne().token);
}

TEST_P(Closing, AfterShutdownIsFine) {
  ASSERT_EQ(0, evpoll_post(p, 1, 2));
  ASSERT_EQ(0, evpoll_shutdown(p));
  EXPECT_EQ(0, evpoll_close(p, 0));
  p = nullptr;
}

TEST_P(Closing, OperationsInFlightAreTakenBack) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  for (int round = 0; round < Rounds(20); round++) {
    File file(*this, std::string(65536, 'x'));
    std::vector<std::vector<char>> buffers(64, std::vector<char>(65536));
    for (auto &b : buffers) {
      evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 1, b.data(), b.size());
      ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    }
    ASSERT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
    p = nullptr;
    // The buffers are ours again: nothing else writes them now.
    for (auto &b : buffers) b.assign(b.size(), '\1');
    for (auto &b : buffers) ASSERT_EQ(std::vector<char>(65536, '\1'), b);
    Open();
  }
}

// A close that ran out of time left a valid poller behind: try until it is gone.
TEST_P(Closing, OperationsInFlightMayNeedMoreTime) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  for (int round = 0; round < Rounds(20); round++) {
    File file(*this, std::string(65536, 'x'));
    std::vector<std::vector<char>> buffers(64, std::vector<char>(65536));
    for (auto &b : buffers) {
      evpoll_io io = MakeIo(EVPOLL_OP_WRITE, file.handle, 1, b.data(), b.size());
      ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    }
    int32_t status = EVPOLL_ERR_TIMEOUT;
    ASSERT_TRUE(Until([&] {
      status = evpoll_close(p, 0);
      if (status != EVPOLL_ERR_TIMEOUT) return true;
      // It is shut down, and valid.
      EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_post(p, 1, 2));
      EXPECT_EQ(0, evpoll_wake(p));
      Stats();
      return false;
    }));
    ASSERT_EQ(0, status);
    p = nullptr;
    Open();
  }
}

TEST_P(Closing, CompletionsThatNobodyTookAreDiscarded) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  File file(*this, "content");
  char bytes[16][8];
  evpoll_io ios[16];
  for (int i = 0; i < 16; i++)
    ios[i] = MakeIo(EVPOLL_OP_READ, file.handle, 1, bytes[i], sizeof bytes[i]);
  ASSERT_EQ(16, evpoll_submit(p, ios, 16));
  EXPECT_EQ(1u, Wait(kLong, 1).size());
  Close();
}

TEST_P(Closing, AndOpeningAgainManyTimes) {
  for (int i = 0; i < Rounds(500); i++) {
    Pair s;
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
    ASSERT_EQ(0, evpoll_post(p, 1, i));
    WaitOne();
    Open();
  }
  ExpectQuiet();
}

// Waiting must have begun when close begins. In a single-waiter poller BUSY tells that somebody is
// inside; tests/backend looks at the state of the threads for the other configurations.
EVP_CONTRACT_SINGLE(ClosingBesideAWaiter);

struct Inside {
  std::atomic<int32_t> last{1};
  Thread thread;
  explicit Inside(evpoll *p)
      : thread([this, p] {
          evpoll_event events[4];
          do last = LongWait(p, events, 4);
          while (last == EVPOLL_ERR_BUSY);
        }) {
    evpoll_event event;
    EXPECT_TRUE(Until([&] { return evpoll_wait(p, &event, 1, 0) == EVPOLL_ERR_BUSY; }));
  }
};

TEST_P(ClosingBesideAWaiter, SendsTheWaiterAwayAndSucceeds) {
  for (int i = 0; i < Rounds(200); i++) {
    Inside waiter(p);
    ASSERT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
    p = nullptr;
    waiter.thread.Join();
    ASSERT_EQ(EVPOLL_ERR_SHUTDOWN, waiter.last);
    Open();
  }
}

TEST_P(ClosingBesideAWaiter, SucceedsSoonWithoutATimeout) {
  for (int i = 0; i < Rounds(200); i++) {
    Inside waiter(p);
    int32_t status = EVPOLL_ERR_TIMEOUT;
    ASSERT_TRUE(Until([&] { return (status = evpoll_close(p, 0)) != EVPOLL_ERR_TIMEOUT; }));
    ASSERT_EQ(0, status);
    p = nullptr;
    waiter.thread.Join();
    ASSERT_EQ(EVPOLL_ERR_SHUTDOWN, waiter.last);
    Open();
  }
}

TEST_P(ClosingBesideAWaiter, MayRaceAnEventOfTheWaiter) {
  for (int i = 0; i < Rounds(200); i++) {
    Inside waiter(p);
    ASSERT_EQ(0, evpoll_post(p, 1, 2));
    ASSERT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
    p = nullptr;
    waiter.thread.Join();
    ASSERT_TRUE(waiter.last == 1 || waiter.last == EVPOLL_ERR_SHUTDOWN) << waiter.last;
    Open();
  }
}

} // namespace
