// SPDX-License-Identifier: MIT
// The counters: each is exact when no other thread is inside a call, and never runs backwards.
#include "contract.h"

#include <atomic>
#include <cstring>

namespace {

using namespace evp;

EVP_CONTRACT(Counters);

TEST_P(Counters, StartAtZero) {
  const struct evpoll_poller_stats s = Stats();
  for (uint64_t counter :
       {s.waits, s.events, s.wakes, s.posts, s.spurious_returns, s.rearms, s.stale_hits,
        s.set_rebuilds, s.io_submitted, s.io_completed, s.io_cancelled, s.io_in_flight})
    EXPECT_EQ(0u, counter);
}

TEST_P(Counters, CountWaitsThatGotToWait) {
  Wait(0);
  Wait(1);
  evpoll_event event;
  EXPECT_EQ(0, evpoll_turn(p, nullptr, 0, nullptr, 0, &event, 1, 0));
  EXPECT_EQ(3u, Stats().waits);
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_wait(p, nullptr, 1, 0));
  EXPECT_EQ(3u, Stats().waits);
}

TEST_P(Counters, CountEventsAsDelivered) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  Send(s.b, "x");
  for (uint64_t n = 1; n <= 3; n++) {
    WaitOne();
    EXPECT_EQ(n, Stats().events);
  }
  Drain(s.a);
  ExpectQuiet();
  EXPECT_EQ(3u, Stats().events);
}

TEST_P(Counters, CountWakesAndPostsAsDelivered) {
  ASSERT_EQ(0, evpoll_wake(p));
  ASSERT_EQ(0, evpoll_wake(p));
  for (int i = 0; i < 5; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
  EXPECT_EQ(0u, Stats().wakes);
  EXPECT_EQ(0u, Stats().posts);
  WaitFor(6);
  EXPECT_EQ(1u, Stats().wakes);
  EXPECT_EQ(5u, Stats().posts);
  EXPECT_EQ(6u, Stats().events);
}

TEST_P(Counters, CountSuccessfulRearms) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_EDGE));
  EXPECT_EQ(0, evpoll_rearm(p, s.a, 1, EVPOLL_READABLE));
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_rearm(p, s.a, 2, EVPOLL_READABLE));
  EXPECT_EQ(0, evpoll_rearm(p, s.a, 1, EVPOLL_READABLE));
  EXPECT_EQ(2u, Stats().rearms);
}

TEST_P(Counters, CountOperations) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  File file(*this, "0123456789");
  char bytes[8][4];
  for (auto &b : bytes) {
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 1, b, sizeof b);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  }
  EXPECT_EQ(8u, Stats().io_submitted);
  WaitFor(8);
  const struct evpoll_poller_stats s = Stats();
  EXPECT_EQ(8u, s.io_completed);
  EXPECT_EQ(0u, s.io_cancelled);
  EXPECT_EQ(0u, s.io_in_flight);
  EXPECT_EQ(8u, s.events);
}

TEST_P(Counters, DoNotCountRefusedOperations) {
  evpoll_io io = MakeIo(EVPOLL_OP_READ, -1, 1);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(0u, Stats().io_submitted);
  EXPECT_EQ(0u, Stats().io_in_flight);
}

TEST_P(Counters, FillAShortStructAndNothingBehindIt) {
  ASSERT_EQ(0, evpoll_wake(p));
  WaitOne();
  alignas(8) unsigned char bytes[sizeof(struct evpoll_poller_stats)];
  for (uint32_t size : {8u, 16u, 17u, 24u, 32u}) {
    std::memset(bytes, 0xA5, sizeof bytes);
    struct evpoll_poller_stats *stats = reinterpret_cast<struct evpoll_poller_stats *>(bytes);
    stats->struct_size = size;
    ASSERT_EQ(0, evpoll_stats(p, stats)) << size;
    if (size >= 24) {
      EXPECT_EQ(1u, stats->events);
    }
    for (size_t i = size; i < sizeof bytes; i++) ASSERT_EQ(0xA5, bytes[i]) << size << " " << i;
  }
}

TEST_P(Counters, FillALongStructWithZerosWhereTheyKnowNothing) {
  alignas(8) unsigned char bytes[4096 + 8];
  std::memset(bytes, 0xA5, sizeof bytes);
  struct evpoll_poller_stats *stats = reinterpret_cast<struct evpoll_poller_stats *>(bytes);
  stats->struct_size = 4096;
  ASSERT_EQ(0, evpoll_stats(p, stats));
  EXPECT_EQ(0u, stats->io_in_flight);
  for (size_t i = sizeof *stats; i < 4096; i++) ASSERT_EQ(0, bytes[i]) << i;
  for (size_t i = 4096; i < sizeof bytes; i++) ASSERT_EQ(0xA5, bytes[i]) << i;
}

TEST_P(Counters, ImpossibleArgumentsAreInvalid) {
  alignas(8) unsigned char bytes[5000] = {};
  struct evpoll_poller_stats *stats = reinterpret_cast<struct evpoll_poller_stats *>(bytes);
  for (uint32_t size : {0u, 7u, 4097u, 0xFFFFFFFFu}) {
    stats->struct_size = size;
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_stats(p, stats)) << size;
  }
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_stats(p, nullptr));
  stats->struct_size = sizeof *stats;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_stats(nullptr, stats));
}

// stats may be asked for while the poller is at work.
TEST_P(Counters, NeverRunBackwardsWhileAnotherThreadLooks) {
  std::atomic<bool> done{false};
  std::atomic<bool> backwards{false};
  Thread watcher([&] {
    struct evpoll_poller_stats last = {};
    while (!done) {
      struct evpoll_poller_stats s = {};
      s.struct_size = sizeof s;
      if (evpoll_stats(p, &s) != 0 || s.waits < last.waits || s.events < last.events ||
          s.posts < last.posts || s.wakes < last.wakes)
        backwards = true;
      last = s;
    }
  });
  const int rounds = Rounds(20000);
  for (int i = 0; i < rounds; i++) {
    EXPECT_EQ(0, evpoll_post(p, 1, i));
    EXPECT_EQ(1u, Wait().size());
    if (HasFailure()) break;
  }
  done = true;
  watcher.Join();
  EXPECT_FALSE(backwards);
  EXPECT_EQ(static_cast<uint64_t>(rounds), Stats().posts);
}

} // namespace
