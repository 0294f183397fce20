// SPDX-License-Identifier: MIT
// Sockets, files, posts and wakes in one loop: none starves, none is lost.
#include "contract.h"

#include <memory>

namespace evp {
namespace {

class IoMixed : public Contract {
protected:
  evpoll_io Read(uint64_t token) {
    char *const own = &buffers[16 * (reads++ % 4096)]; // no two in flight share one
    return MakeIo(EVPOLL_OP_READ, file.handle, token, own, 16);
  }

  File file{*this, "content"};
  std::vector<char> buffers = std::vector<char>(16 * 4096);
  size_t reads = 0;
};
INSTANTIATE_TEST_SUITE_P(On, IoMixed, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoMixed, AnEchoAndAReaderShareTheLoop) {
  Pair pair;
  ASSERT_EQ(0, evpoll_add(p, pair.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_add(p, pair.b, 2, EVPOLL_READABLE, EVPOLL_LEVEL));
  Send(pair.a, "ball");
  const int rounds = Rounds(2000);
  int echoes = 0, completions = 0;
  evpoll_io io = Read(3);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  while (echoes < rounds || completions < rounds) {
    const std::vector<evpoll_event> events = Wait();
    ASSERT_LT(0u, events.size()) << echoes << " echoes, " << completions << " completions";
    for (const evpoll_event &e : events) {
      if (e.events & EVPOLL_IO) {
        ASSERT_EQ(7, e.result);
        completions++;
        io = Read(3);
        ASSERT_EQ(1, evpoll_submit(p, &io, 1));
      } else {
        const evpoll_handle h = e.token == 1 ? pair.a : pair.b;
        const std::string got = Drain(h);
        if (got.empty()) continue;
        ASSERT_EQ("ball", got);
        echoes++;
        Send(h, got);
      }
    }
  }
}

TEST_P(IoMixed, SocketsThatAreAlwaysReadyDoNotStarveCompletions) {
  std::vector<std::unique_ptr<Pair>> pairs;
  for (uint64_t i = 0; i < 100; i++) {
    pairs.push_back(std::make_unique<Pair>());
    ASSERT_EQ(0, evpoll_add(p, pairs[i]->a, i, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  }
  for (int32_t capacity : {1, 2, 16, 64}) {
    std::vector<evpoll_io> ios;
    for (uint64_t i = 0; i < 50; i++) ios.push_back(Read(1000 + i));
    ASSERT_EQ(50, evpoll_submit(p, ios.data(), 50));
    size_t completions = 0;
    EXPECT_TRUE(Until([&] {
      for (const evpoll_event &e : Wait(kLong, capacity)) completions += e.events == EVPOLL_IO;
      return completions == 50 || HasFailure();
    })) << completions
        << " with capacity " << capacity;
  }
}

TEST_P(IoMixed, CompletionsThatKeepComingDoNotStarveASocket) {
  Pair pair;
  ASSERT_EQ(0, evpoll_add(p, pair.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (uint64_t i = 0; i < 200; i++) {
    evpoll_io io = Read(1000);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  }
  Send(pair.b, "x");
  bool seen = false;
  EXPECT_TRUE(Until([&] {
    for (const evpoll_event &e : Wait(kLong, 1)) {
      seen |= e.token == 1;
      if (e.events != EVPOLL_IO) continue;
      evpoll_io io = Read(1000);
      EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    }
    return seen || HasFailure();
  }));
}

TEST_P(IoMixed, AtCapacity1EachSourceIsServedWithinFourWaits) {
  // The socket and the posts are there throughout. When a completion is there only the system
  // knows, so that those are merely in the way here.
  Pair pair;
  Send(pair.b, "x");
  ASSERT_EQ(0, evpoll_add(p, pair.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (int i = 0; i < 200; i++) ASSERT_EQ(0, evpoll_post(p, 2, i));
  int without_socket = 0, without_post = 0;
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 100; i++) ios.push_back(Read(1000));
  ASSERT_EQ(100, evpoll_submit(p, ios.data(), 100));
  for (int i = 0; i < 100; i++) {
    const std::vector<evpoll_event> events = Wait(kLong, 1);
    ASSERT_EQ(1u, events.size());
    without_socket = events[0].token == 1 ? 0 : without_socket + 1;
    without_post = events[0].token == 2 ? 0 : without_post + 1;
    ASSERT_GT(4, without_socket) << "in wait " << i;
    ASSERT_GT(4, without_post) << "in wait " << i;
  }
}

TEST_P(IoMixed, AWakeIsDeliveredAmongCompletions) {
  for (int round = 0; round < 100; round++) {
    evpoll_io ios[4] = {Read(1), Read(2), Read(3), Read(4)};
    ASSERT_EQ(4, evpoll_submit(p, ios, 4));
    ASSERT_EQ(0, evpoll_wake(p));
    size_t wakes = 0;
    for (const evpoll_event &e : WaitFor(5, 2)) wakes += e.events == EVPOLL_WAKE;
    ASSERT_EQ(1u, wakes);
  }
  ExpectQuiet();
}

TEST_P(IoMixed, ASocketThatBecomesReadyEndsAWaitForASlowFile) {
  // The completion may come first or last; both must come.
  Pair pair;
  ASSERT_EQ(0, evpoll_add(p, pair.a, 1, EVPOLL_READABLE, EVPOLL_ONESHOT));
  std::string data(1 << 20, 'w');
  for (int round = 0; round < 10; round++) {
    evpoll_io ios[2] = {MakeIo(EVPOLL_OP_WRITE, file.handle, 2, data.data(), data.size()),
                        MakeIo(EVPOLL_OP_FSYNC, file.handle, 3)};
    ASSERT_EQ(2, evpoll_submit(p, ios, 2));
    Thread sender([&] { Send(pair.b, "x"); });
    size_t sockets = 0;
    for (const evpoll_event &e : WaitFor(3)) sockets += e.token == 1;
    sender.Join();
    ASSERT_EQ(1u, sockets);
    EXPECT_EQ("x", Drain(pair.a));
    ASSERT_EQ(0, evpoll_rearm(p, pair.a, 1, EVPOLL_READABLE));
  }
}

TEST_P(IoMixed, ReadinessAloneIsServedAsBeforeOnceFilesWereUsed) {
  RunIo(Read(1));
  Pair pair;
  ASSERT_EQ(0, evpoll_add(p, pair.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (int round = 0; round < 100; round++) {
    Send(pair.b, "x");
    EXPECT_EQ(1u, WaitOne().token);
    EXPECT_EQ("x", Drain(pair.a));
    EXPECT_TRUE(Wait(0).empty());
  }
}

TEST_P(IoMixed, TimeoutsStillEndWaitsOnceFilesWereUsed) {
  RunIo(Read(1));
  for (int round = 0; round < 5; round++) EXPECT_TRUE(Wait(kMillisecond).empty());
}

} // namespace
} // namespace evp
