// SPDX-License-Identifier: MIT
// Streams used by several threads, many streams, and streams with much to do.
#include "streams.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <cstdio>
#include <memory>

namespace {

using namespace evp;

EVP_STREAMS(StreamThreads);

// Each thread's records come whole and in order, whatever the others write.
TEST_P(StreamThreads, WritesOfSeveralThreadsAreWholeAndInOrder) {
  constexpr int kThreads = 4;
  const int kRecords = Slow() ? 50 : 400;
  constexpr size_t kSize = 3000;
  std::atomic<bool> done{false};
  std::string came;
  const size_t all = static_cast<size_t>(kThreads * kRecords) * kSize;
  Thread reader([&] {
    EXPECT_TRUE(Until([&] {
      came += Drain(s.a);
      return came.size() >= all;
    }));
    done = true;
    evpoll_wake(p);
  });
  std::vector<std::vector<std::string>> texts(kThreads);
  std::vector<Thread> writers;
  for (int t = 0; t < kThreads; t++)
    writers.emplace_back([&, t] {
      auto &mine = texts[static_cast<size_t>(t)];
      for (int i = 0; i < kRecords; i++) {
        std::string record = std::to_string(t) + ":" + std::to_string(i) + ":";
        record.resize(kSize, '.');
        mine.push_back(record);
      }
      for (int i = 0; i < kRecords; i++) {
        evpoll_io io = Write(mine[static_cast<size_t>(i)], static_cast<uint64_t>(t),
                             EVPOLL_OPF_ALL | (i % 2 ? EVPOLL_OPF_INLINE : 0));
        EXPECT_EQ(1, evpoll_submit(p, &io, 1));
      }
    });
  evpoll_event events[64];
  while (!done) {
    const int32_t n = LongWait(p, events, 64);
    for (int32_t i = 0; i < n; i++) {
      if (events[i].events == EVPOLL_WAKE) continue;
      EXPECT_EQ(0, events[i].status);
      EXPECT_EQ(static_cast<int64_t>(kSize), events[i].result);
    }
  }
  writers.clear();
  reader.Join();
  ASSERT_EQ(all, came.size());
  std::map<int, int> next;
  for (size_t at = 0; at < all; at += kSize) {
    int t = 0, i = 0;
    ASSERT_EQ(2, std::sscanf(came.c_str() + at, "%d:%d:", &t, &i));
    ASSERT_EQ(next[t]++, i) << "of thread " << t;
    ASSERT_EQ('.', came[at + kSize - 1]);
  }
  while (!Wait(kMillisecond).empty()) {
  }
}

TEST_P(StreamThreads, ManyWaitersServeOneStream) {
  if (SingleWaiter(GetParam())) GTEST_SKIP() << "one waiter only";
  const int kRounds = Slow() ? 200 : 3000;
  std::atomic<int> bytes_seen{0};
  std::atomic<bool> done{false};
  std::vector<Thread> waiters;
  char room[4] = {};
  Start(Io(EVPOLL_OP_READ, 1, room, 1));
  for (int t = 0; t < 4; t++)
    waiters.emplace_back([&] {
      evpoll_event e;
      while (!done) {
        if (evpoll_wait(p, &e, 1, 20 * kMillisecond) != 1) continue;
        EXPECT_EQ(0, e.status);
        bytes_seen += static_cast<int>(e.result);
        evpoll_io again = Io(EVPOLL_OP_READ, 1, room, 1);
        EXPECT_EQ(1, evpoll_submit(p, &again, 1));
      }
    });
  for (int i = 0; i < kRounds; i++) {
    Send(s.a, "x");
    if (i % 3) continue;
    EXPECT_TRUE(Until([&] { return bytes_seen > i - 20; }));
  }
  EXPECT_TRUE(Until([&] { return bytes_seen == kRounds; }));
  done = true;
}

// Edges of other streams must not be lost while each stream is in somebody's list of work.
TEST_P(StreamThreads, ManyStreamsManyWaiters) {
  constexpr size_t kStreams = 60;
  const int kRounds = Slow() ? 20 : 150;
  struct One {
    TcpPair pair;
    char byte = 0;
    std::atomic<int> seen{0};
  };
  std::vector<std::unique_ptr<One>> all;
  for (size_t i = 0; i < kStreams; i++) {
    all.push_back(std::make_unique<One>());
    ASSERT_EQ(0, Serve(p, all[i]->pair.b));
    Start(MakeIo(EVPOLL_OP_READ, all[i]->pair.b, i, &all[i]->byte, 1));
  }
  std::atomic<bool> done{false};
  std::vector<Thread> waiters;
  for (int t = 0; t < (SingleWaiter(GetParam()) ? 1 : 4); t++)
    waiters.emplace_back([&] {
      evpoll_event events[16];
      while (!done) {
        const int32_t n = evpoll_wait(p, events, 16, 20 * kMillisecond);
        for (int32_t i = 0; i < n; i++) {
          One &one = *all[events[i].token];
          EXPECT_EQ(0, events[i].status);
          evpoll_io again = MakeIo(EVPOLL_OP_READ, one.pair.b, events[i].token, &one.byte, 1);
          again.flags = events[i].token % 2 ? 0u : EVPOLL_OPF_INLINE;
          EXPECT_EQ(1, evpoll_submit(p, &again, 1));
          one.seen++;
          while (again.op == 0) { /* it had come already */
            EXPECT_EQ(0, again.status);
            EXPECT_EQ(1, again.offset);
            one.seen++;
            again = MakeIo(EVPOLL_OP_READ, one.pair.b, events[i].token, &one.byte, 1);
            again.flags = EVPOLL_OPF_INLINE;
            EXPECT_EQ(1, evpoll_submit(p, &again, 1));
          }
        }
      }
    });
  for (int round = 0; round < kRounds; round++)
    for (auto &one : all) Send(one->pair.a, "x");
  for (size_t i = 0; i < kStreams; i++)
    EXPECT_TRUE(Until([&] { return all[i]->seen == kRounds; })) << i << " " << all[i]->seen;
  done = true;
  waiters.clear();
  for (auto &one : all) {
    int32_t removed;
    while ((removed = evpoll_remove(p, one->pair.b, kServed)) == EVPOLL_ERR_BUSY) {
    }
    EXPECT_EQ(0, removed);
  }
}

// Writers that block and readers that come and go: what is asked of the kernel keeps up.
TEST_P(StreamThreads, RoomIsAskedForWhileEdgesCome) {
  Pair u; /* not TCP where there is such a thing: room is asked for only when it is needed */
  ASSERT_EQ(0, Serve(p, u.b));
  const Effort effort(400);
  std::string text(100000, 'x');
  char byte;
  std::atomic<bool> done{false};
  Thread reader([&] { EXPECT_TRUE(Until([&] { return Drain(u.a).empty() && done.load(); })); });
  for (int round = 0; !effort.Enough(round); round++) {
    evpoll_io ios[] = {MakeIo(EVPOLL_OP_WRITE, u.b, 1, text.data(), text.size()),
                       MakeIo(EVPOLL_OP_READ, u.b, 2, &byte, 1)};
    ios[0].flags = EVPOLL_OPF_ALL;
    std::vector<Thread> both;
    both.emplace_back([&] { EXPECT_EQ(1, evpoll_submit(p, &ios[0], 1)); });
    both.emplace_back([&] { EXPECT_EQ(1, evpoll_submit(p, &ios[1], 1)); });
    Send(u.a, "y");
    both.clear();
    for (const evpoll_event &e : WaitFor(2))
      EXPECT_EQ(e.token == 1 ? static_cast<int64_t>(text.size()) : 1, e.result);
  }
  done = true;
  reader.Join();
  ExpectNoSpin();
  EXPECT_EQ(0, evpoll_remove(p, u.b, kServed));
}

TEST_P(StreamThreads, OneBusyStreamDoesNotStarveAnother) {
  constexpr size_t kMany = 20000;
  TcpPair other;
  char byte = 0;
  ASSERT_EQ(0, Serve(p, other.b));
  Start(MakeIo(EVPOLL_OP_READ, other.b, kMany, &byte, 1));
  std::vector<char> room(kMany);
  std::vector<evpoll_io> ios;
  for (size_t i = 0; i < kMany; i++) ios.push_back(Io(EVPOLL_OP_READ, i, &room[i], 1));
  EXPECT_EQ(static_cast<int32_t>(kMany), evpoll_submit(p, ios.data(), kMany));
  Send(s.a, std::string(kMany, 'x'));
  Await(s.b, EVPOLL_READABLE);
  Send(other.a, "y");
  Await(other.b, EVPOLL_READABLE);
  size_t before = 0;
  bool met = false;
  for (size_t got = 0; got < kMany + 1 && !HasFailure();)
    for (const evpoll_event &e : Wait(kLong, 64)) {
      got++;
      met |= e.token == kMany;
      before += !met;
    }
  EXPECT_TRUE(met);
  EXPECT_GT(kMany / 2, before) << "events of the busy one came first";
  EXPECT_EQ(0, evpoll_remove(p, other.b, kServed));
}

TEST_P(StreamThreads, ManyWritesDoNotStarveTheReadsOfTheirHandle) {
  constexpr size_t kMany = 5000;
  std::vector<evpoll_io> ios;
  static char byte = 'x';
  for (size_t i = 0; i < kMany; i++) ios.push_back(Io(EVPOLL_OP_WRITE, i, &byte, 1));
  FillUp(s.b);
  EXPECT_EQ(static_cast<int32_t>(kMany), evpoll_submit(p, ios.data(), kMany));
  Start(Read(kMany));
  size_t got = 0;
  for (size_t n = 1; n; got += n) n = Wait(2 * kMillisecond).size(); /* a few have found room */
  std::atomic<bool> done{false};
  Thread reader([&] { EXPECT_TRUE(Until([&] { return Drain(s.a).empty() && done.load(); })); });
  Await(s.b, EVPOLL_WRITABLE);
  Send(s.a, "y");
  Await(s.b, EVPOLL_READABLE);
  size_t before = 0;
  bool met = false;
  while (got < kMany + 1 && !HasFailure())
    for (const evpoll_event &e : Wait(kLong, 64)) {
      got++;
      met |= e.token == kMany;
      before += !met;
    }
  EXPECT_TRUE(met);
  EXPECT_GT(kMany * 3 / 4, before);
  done = true;
}

TEST_P(StreamThreads, ThousandsOfConnectionsWait) {
  const size_t most = Slow() ? 300 : 10000;
  std::vector<std::unique_ptr<Pair>> pairs;
  std::vector<char> room(most);
  evpoll_handle probe = -1, second = -1;
  while (pairs.size() < most && evpoll_socket_pair(&probe, &second) == 0) {
    evpoll_socket_close(probe);
    evpoll_socket_close(second);
    pairs.push_back(std::make_unique<Pair>());
    const size_t i = pairs.size() - 1;
    ASSERT_EQ(0, Serve(p, pairs[i]->b));
    Start(MakeIo(EVPOLL_OP_READ, pairs[i]->b, i, &room[i], 1));
    if (pairs.size() % 1000 == 0) ExpectQuiet();
  }
  EXPECT_LE(100u, pairs.size());
  for (size_t i = 0; i < pairs.size(); i += 3) Send(pairs[i]->a, "x");
  std::vector<int> seen(pairs.size());
  for (const evpoll_event &e : WaitFor((pairs.size() + 2) / 3)) seen[e.token]++;
  for (size_t i = 0; i < pairs.size(); i++) EXPECT_EQ(i % 3 == 0, seen[i]) << i;
  const size_t left = pairs.size() - (pairs.size() + 2) / 3;
  EXPECT_EQ(static_cast<int32_t>(left), evpoll_cancel_all(p));
  for (const evpoll_event &e : WaitFor(left, 1000)) EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  for (auto &pair : pairs) EXPECT_EQ(0, evpoll_remove(p, pair->b, kServed));
}

TEST_P(StreamThreads, ATurnDoesItAllInOneCall) {
  evpoll_event events[8];
  TcpPair t;
  char text[] = "abc";
  evpoll_change change = {};
  change.action = EVPOLL_CHANGE_ADD;
  change.handle = t.b;
  change.token = kServed;
  change.mode = EVPOLL_OPERATIONS;
  evpoll_io ios[] = {MakeIo(EVPOLL_OP_WRITE, t.b, 1, text, 3),
                     MakeIo(EVPOLL_OP_READ, t.b, 2, bytes, 8)};
  Send(t.a, "in");
  Await(t.b, EVPOLL_READABLE);
  int32_t n = evpoll_turn(p, &change, 1, ios, 2, events, 8, kLong);
  EXPECT_EQ(0, change.status);
  while (n >= 0 && n < 2) n += evpoll_turn(p, nullptr, 0, nullptr, 0, events + n, 8 - n, kLong);
  ASSERT_EQ(2, n);
  for (int i = 0; i < 2; i++) EXPECT_EQ(events[i].token == 1 ? 3 : 2, events[i].result);
  EXPECT_EQ("abc", Received(t.a));
  evpoll_io last = MakeIo(EVPOLL_OP_CLOSE, t.b, 9);
  ASSERT_EQ(1, evpoll_turn(p, nullptr, 0, &last, 1, events, 8, kLong));
  EXPECT_EQ(9u, events[0].token);
  t.b = -1;
}

TEST_P(StreamThreads, ATurnWithRoomForOneEventServesAll) {
  std::vector<char> room(100);
  std::vector<evpoll_io> ios;
  for (size_t i = 0; i < room.size(); i++) ios.push_back(Io(EVPOLL_OP_READ, i, &room[i], 1));
  Send(s.a, std::string(room.size(), 'x'));
  evpoll_event e;
  int32_t n = evpoll_turn(p, nullptr, 0, ios.data(), 100, &e, 1, kLong);
  for (size_t got = 0; n == 1; got++) {
    EXPECT_EQ(0, e.status);
    if (got + 1 == room.size()) break;
    n = evpoll_turn(p, nullptr, 0, nullptr, 0, &e, 1, kLong);
  }
  EXPECT_EQ(1, n);
  ExpectQuiet();
}

TEST_P(StreamThreads, AnIoLimitIsFreeAgainAfterTheEvent) {
  Open(0, 2);
  ASSERT_EQ(0, Serve(p, s.b));
  Start(Read(1));
  Start(Read(2));
  EXPECT_EQ(EVPOLL_ERR_AGAIN, Refused(Read(3)));
  Send(s.a, "x");
  WaitOne();
  Start(Read(3));
}

} // namespace
