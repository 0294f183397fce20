// SPDX-License-Identifier: MIT
// Operations among threads: submitted here, cancelled there, delivered to a third.
#include "contract.h"

#include <atomic>
#include <cstring>
#include <memory>

namespace evp {
namespace {

constexpr size_t kLargeWrite = 131072;

EVP_CONTRACT(IoThreads);
EVP_CONTRACT_MANY(IoWaiters);

TEST_P(IoThreads, OperationsOutliveTheThreadThatSubmittedThem) {
  // Some systems end the work of a thread with the thread. Nobody asked for that here.
  std::string data(kLargeWrite, 'w');
  for (int round = 0; round < 5; round++) {
    File file(*this);
    constexpr size_t kEach = 32;
    Thread submitter([&] {
      std::vector<evpoll_io> ios;
      for (size_t i = 0; i < kEach; i++)
        ios.push_back(i % 8 == 7 ? MakeIo(EVPOLL_OP_FSYNC, file.handle, i)
                                 : MakeIo(EVPOLL_OP_WRITE, file.handle, i, data.data(), kLargeWrite,
                                          static_cast<int64_t>(kLargeWrite * i)));
      EXPECT_EQ(static_cast<int32_t>(kEach), evpoll_submit(p, ios.data(), kEach));
    });
    submitter.Join();
    std::vector<int> seen(kEach);
    for (const evpoll_event &e : WaitFor(kEach)) {
      EXPECT_EQ(1, ++seen[e.token]);
      EXPECT_EQ(EVPOLL_OK, e.status) << evpoll_strerror(e.status);
      EXPECT_EQ(e.token % 8 == 7 ? 0 : static_cast<int64_t>(kLargeWrite), e.result);
    }
  }
}

TEST_P(IoThreads, ManyShortLivedSubmittersLoseNothing) {
  File file{*this};
  std::string data(4096, 'w');
  constexpr size_t kThreads = 50;
  for (size_t i = 0; i < kThreads; i++) {
    Thread submitter([&, i] {
      evpoll_io ios[2] = {MakeIo(EVPOLL_OP_WRITE, file.handle, 2 * i, data.data(), 4096,
                                 static_cast<int64_t>(4096 * i)),
                          MakeIo(EVPOLL_OP_FDATASYNC, file.handle, 2 * i + 1)};
      EXPECT_EQ(2, evpoll_submit(p, ios, 2));
    });
  }
  std::vector<int> seen(2 * kThreads);
  for (const evpoll_event &e : WaitFor(2 * kThreads)) {
    EXPECT_EQ(1, ++seen[e.token]);
    EXPECT_EQ(EVPOLL_OK, e.status) << evpoll_strerror(e.status);
  }
}

TEST_P(IoThreads, TheFirstOperationReachesAWaiterThatSleepsAlready) {
  // The engine is made while somebody sleeps in a poller that had none.
  for (int round = 0; round < 20; round++) {
    Open();
    File file(*this, "content");
    char buffer[8];
    std::atomic<bool> entered{false};
    evpoll_event e = {};
    int32_t n = -1;
    Thread waiter([&] {
      entered = true;
      n = evpoll_wait(p, &e, 1, kLong);
    });
    EXPECT_TRUE(Until([&] { return entered.load(); }));
    for (int i = 0; i < round * 10; i++) std::this_thread::yield();
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, sizeof buffer);
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    waiter.Join();
    ASSERT_EQ(1, n);
    EXPECT_EQ(io.op, e.op);
    EXPECT_EQ(7, e.result);
  }
}

TEST_P(IoThreads, ASleepingWaiterGetsEachOperationOfAnotherThread) {
  File file(*this, "content");
  char buffer[8];
  const int rounds = Rounds(2000);
  std::atomic<int> delivered{0};
  Thread waiter([&] {
    evpoll_event e;
    for (int i = 0; i < rounds; i++) {
      if (evpoll_wait(p, &e, 1, kLong) != 1) break;
      delivered.fetch_add(1);
    }
  });
  for (int i = 0; i < rounds; i++) {
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, sizeof buffer);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    ASSERT_TRUE(Until([&] { return delivered.load() == i + 1; })) << "lost in round " << i;
  }
}

TEST_P(IoThreads, SlowOperationsReachASleepingWaiterToo) {
  File file{*this};
  std::string data(kLargeWrite, 'w');
  std::atomic<int> delivered{0};
  constexpr int kRounds = 30;
  Thread waiter([&] {
    evpoll_event e;
    for (int i = 0; i < kRounds; i++) {
      if (evpoll_wait(p, &e, 1, kLong) != 1) break;
      EXPECT_EQ(EVPOLL_OK, e.status);
      delivered.fetch_add(1);
    }
  });
  for (int i = 0; i < kRounds; i++) {
    evpoll_io io = i % 2 ? MakeIo(EVPOLL_OP_FSYNC, file.handle, 1)
                         : MakeIo(EVPOLL_OP_WRITE, file.handle, 2, data.data(), kLargeWrite);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    ASSERT_TRUE(Until([&] { return delivered.load() == i + 1; })) << "lost in round " << i;
  }
}

TEST_P(IoThreads, SubmittersAndACancellerAtOnceStillGiveOneCompletionEach) {
  Open(0, 256);
  File file(*this, std::string(4096, 'r'));
  constexpr size_t kSubmitters = 3;
  const size_t each = static_cast<size_t>(Rounds(3000));
  std::vector<char> buffers(kSubmitters * each);
  std::vector<std::atomic<uint64_t>> ops(kSubmitters * each);
  std::atomic<bool> stop{false};
  std::vector<int> seen(kSubmitters * each);
  size_t got = 0;
  {
    std::vector<Thread> threads;
    for (size_t t = 0; t < kSubmitters; t++)
      threads.emplace_back([&, t] {
        for (size_t i = t * each; i < (t + 1) * each && !stop; i++) {
          evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, i, &buffers[i], 1,
                                static_cast<int64_t>(i % 4096));
          while (evpoll_submit(p, &io, 1) == 0 && !stop) std::this_thread::yield();
          ops[i] = io.op;
        }
      });
    threads.emplace_back([&] {
      for (size_t i = 0; !stop; i = (i + 7) % ops.size()) {
        const uint64_t op = ops[i] ? ops[i].load() : ~uint64_t{0};
        const int32_t asked = i % 500 ? evpoll_cancel(p, op) : evpoll_cancel_all(p);
        EXPECT_TRUE(asked >= 0 || asked == EVPOLL_ERR_NOT_FOUND) << asked;
        if (i % 64 == 0) std::this_thread::yield();
      }
    });
    const int64_t deadline = Now() + kLong;
    while (got < seen.size() && Now() < deadline && !HasFailure())
      for (const evpoll_event &e : Wait(kSecond, 32)) {
        got++;
        EXPECT_EQ(1, ++seen[e.token]);
        EXPECT_TRUE(e.status == EVPOLL_ERR_CANCELLED || (e.status == 0 && e.result == 1));
        EXPECT_TRUE(e.status < 0 || buffers[e.token] == 'r');
      }
    stop = true;
  }
  EXPECT_EQ(seen.size(), got);
  ExpectQuiet();
  EXPECT_EQ(Stats().io_submitted, Stats().io_completed);
}

TEST_P(IoThreads, TheIdIsWrittenBeforeTheEventCanCome) {
  File file(*this, "content");
  const size_t total = static_cast<size_t>(Rounds(4000));
  std::vector<evpoll_io> ios(total);
  std::vector<char> bytes(total);
  for (size_t i = 0; i < total; i++) ios[i] = MakeIo(EVPOLL_OP_READ, file.handle, i, &bytes[i], 1);
  Thread waiter([&] {
    evpoll_event e;
    for (size_t i = 0; i < total; i++) {
      ASSERT_EQ(1, LongWait(p, &e, 1));
      ASSERT_EQ(ios[e.token].op, e.op);
    }
  });
  for (size_t i = 0; i < total; i += 8) ASSERT_EQ(8, evpoll_submit(p, &ios[i], 8));
}

TEST_P(IoThreads, AListsIdIsWrittenBeforeItsEventCanCome) {
  File file(*this, "content");
  const size_t total = static_cast<size_t>(Rounds(1000));
  std::vector<uint64_t> ids(total);
  std::vector<char> bytes(2 * total);
  Thread waiter([&] {
    evpoll_event e;
    for (size_t i = 0; i < total; i++) {
      ASSERT_EQ(1, LongWait(p, &e, 1));
      ASSERT_EQ(ids[e.token], e.op);
    }
  });
  for (size_t i = 0; i < total; i++) {
    evpoll_io ios[2] = {MakeIo(EVPOLL_OP_READ, file.handle, 1, &bytes[2 * i], 1),
                        MakeIo(EVPOLL_OP_READ, file.handle, 2, &bytes[2 * i + 1], 1)};
    ASSERT_EQ(2, evpoll_submit_list(p, ios, 2, i, &ids[i]));
  }
}

TEST_P(IoThreads, AListOfOneThreadIsTakenByAnother) {
  File file(*this, "0123456789");
  char to[8][2];
  for (int round = 0; round < 20; round++) {
    Thread submitter([&] {
      std::vector<evpoll_io> ios;
      for (int i = 0; i < 8; i++)
        ios.push_back(MakeIo(EVPOLL_OP_READ, file.handle, 1, to[i], 2, i));
      EXPECT_EQ(8, evpoll_submit_list(p, ios.data(), 8, 5, nullptr));
    });
    const evpoll_event e = WaitOne();
    EXPECT_EQ(8, e.result);
    submitter.Join();
    evpoll_result results[8];
    EXPECT_EQ(8, evpoll_list_take(p, e.op, results, 8));
    EXPECT_EQ(0, std::memcmp("45", to[4], 2));
  }
}

TEST_P(IoThreads, RoomFreedByTheWaiterIsSeenBySubmitters) {
  Open(0, 1);
  File file(*this, "content");
  char buffers[2][8];
  const int rounds = Rounds(1000);
  std::atomic<bool> stop{false};
  Thread submitters[2];
  for (int t = 0; t < 2; t++)
    submitters[t] = Thread([&, t] {
      for (int i = 0; i < rounds && !stop; i++) {
        evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 1, buffers[t], 8);
        while (evpoll_submit(p, &io, 1) == 0 && !stop) {
          EXPECT_EQ(EVPOLL_ERR_AGAIN, io.status);
          std::this_thread::yield();
        }
      }
    });
  WaitFor(2 * static_cast<size_t>(rounds));
  stop = true;
}

TEST_P(IoWaiters, EachCompletionReachesExactlyOneOfManyWaiters) {
  File file(*this, std::string(4096, 'r'));
  const size_t total = static_cast<size_t>(Rounds(6000));
  Open(0, 512);
  std::vector<char> buffers(total);
  std::vector<std::atomic<int>> seen(total);
  std::atomic<size_t> got{0};
  {
    std::vector<Thread> waiters;
    for (int t = 0; t < 4; t++)
      waiters.emplace_back([&, t] {
        evpoll_event events[8];
        int32_t n;
        while ((n = evpoll_wait(p, events, 1 + t * 2, kLong)) > 0)
          for (int32_t i = 0; i < n; i++) {
            EXPECT_EQ(0, seen[events[i].token].fetch_add(1));
            EXPECT_EQ(1, events[i].result);
            got.fetch_add(1);
          }
        EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, n);
      });
    for (size_t i = 0; i < total; i++) {
      evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, i, &buffers[i], 1);
      ASSERT_TRUE(Until([&] { return evpoll_submit(p, &io, 1) == 1; })) << i;
    }
    EXPECT_TRUE(Until([&] { return got.load() == total; })) << got.load();
    EXPECT_EQ(0, evpoll_shutdown(p));
  }
  EXPECT_EQ(total, got.load());
}

TEST_P(IoWaiters, ShutdownLetsAllWaitersLeaveAndLosesNoCompletion) {
  std::string data(kLargeWrite, 'w');
  for (int round = 0; round < 10; round++) {
    Open();
    File file(*this);
    std::atomic<int> got{0}, left{0};
    {
      std::vector<Thread> waiters;
      for (int t = 0; t < 3; t++)
        waiters.emplace_back([&] {
          evpoll_event e;
          int32_t n;
          while ((n = evpoll_wait(p, &e, 1, EVPOLL_INFINITE)) > 0) got.fetch_add(1);
          EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, n);
          left.fetch_add(1);
        });
      std::vector<evpoll_io> ios;
      for (uint64_t i = 0; i < 16; i++)
        ios.push_back(i % 4 == 3
                          ? MakeIo(EVPOLL_OP_FSYNC, file.handle, i)
                          : MakeIo(EVPOLL_OP_WRITE, file.handle, i, data.data(), kLargeWrite));
      EXPECT_EQ(16, evpoll_submit(p, ios.data(), 16));
      EXPECT_EQ(0, evpoll_shutdown(p));
    }
    EXPECT_EQ(16, got.load());
    EXPECT_EQ(3, left.load());
  }
}

TEST_P(IoThreads, WhenItsThreadHasEndedAnotherMayCloseIt) {
  std::string data(kLargeWrite, 'w');
  for (int round = 0; round < 10; round++) {
    Open();
    File file(*this);
    Thread owner([&] {
      std::vector<evpoll_io> ios;
      for (uint64_t i = 0; i < 24; i++)
        ios.push_back(i % 4 == 3 ? MakeIo(EVPOLL_OP_FSYNC, file.handle, i)
                                 : MakeIo(EVPOLL_OP_WRITE, file.handle, i, data.data(), kLargeWrite,
                                          static_cast<int64_t>(i * kLargeWrite)));
      EXPECT_EQ(24, evpoll_submit(p, ios.data(), 24));
      evpoll_event e;
      for (int i = 0; i < round; i++) EXPECT_EQ(1, evpoll_wait(p, &e, 1, kLong));
    });
    owner.Join();
    ASSERT_EQ(0, evpoll_close(p, kLong)) << "round " << round;
    p = nullptr;
  }
}

TEST_P(IoThreads, WhenItsThreadHasEndedMoreThanAQueueHoldsIsClosedToo) {
  Open(0, 20000);
  File file(*this, "content");
  std::vector<char> bytes(20000);
  Thread owner([&] {
    std::vector<evpoll_io> ios;
    for (size_t i = 0; i < bytes.size(); i++)
      ios.push_back(MakeIo(EVPOLL_OP_READ, file.handle, i, &bytes[i], 1));
    EXPECT_EQ(20000, evpoll_submit(p, ios.data(), 20000));
  });
  owner.Join();
  ASSERT_EQ(0, evpoll_close(p, kLong));
  p = nullptr;
}

TEST_P(IoThreads, AWakeOfAnotherThreadEndsAWaitWithOperationsInFlight) {
  File file{*this};
  std::string data(kLargeWrite, 'w');
  for (int round = 0; round < 50; round++) {
    evpoll_io ios[2] = {MakeIo(EVPOLL_OP_WRITE, file.handle, 1, data.data(), kLargeWrite),
                        MakeIo(EVPOLL_OP_FSYNC, file.handle, 2)};
    ASSERT_EQ(2, evpoll_submit(p, ios, 2));
    Thread other([&] { EXPECT_EQ(0, evpoll_wake(p)); });
    size_t wakes = 0;
    for (const evpoll_event &e : WaitFor(3)) wakes += e.events == EVPOLL_WAKE;
    ASSERT_EQ(1u, wakes);
  }
}

} // namespace
} // namespace evp
