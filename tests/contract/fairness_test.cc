// SPDX-License-Identifier: MIT
// Fairness: sockets, completions, posts and wakes are served in turn; with room for one event each
// source that has something is served within four waits.
#include "contract.h"

#include <algorithm>
#include <set>

namespace {

using namespace evp;

enum Source { kSocket, kPost, kWake, kCompletion, kSources };

Source SourceOf(const evpoll_event &e) {
  if (e.events == EVPOLL_POST) return kPost;
  if (e.events == EVPOLL_WAKE) return kWake;
  if (e.events == EVPOLL_IO) return kCompletion;
  return kSocket;
}

EVP_CONTRACT(Fairness);

// Sockets that are ready all the time.
struct HotSockets {
  std::vector<Pair> pairs;
  HotSockets(evpoll *p, size_t n) : pairs(n) {
    for (uint64_t i = 0; i < n; i++) {
      EXPECT_EQ(0, evpoll_add(p, pairs[i].a, i, EVPOLL_READABLE, EVPOLL_LEVEL));
      Send(pairs[i].b, "x");
    }
  }
};

// Operations that are started again as they finish.
struct HotFile {
  evpoll *p;
  File file;
  std::vector<std::vector<char>> buffers;
  HotFile(Contract &test, evpoll *p, size_t n)
      : p(p), file(test, std::string(4096, 'x')), buffers(n, std::vector<char>(512)) {}
  ~HotFile() { EXPECT_EQ(EVPOLL_OK, Drain()) << "the buffers are still the kernel's"; }
  // Until every operation is over.
  int32_t Drain() {
    EXPECT_EQ(0, evpoll_shutdown(p));
    evpoll_event events[64];
    int32_t n;
    while ((n = LongWait(p, events, 64)) > 0) {
    }
    return n == EVPOLL_ERR_SHUTDOWN ? EVPOLL_OK : n;
  }
  void Start(uint64_t i) {
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, i, buffers[i].data(), buffers[i].size());
    ASSERT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
  }
  void StartAll() {
    for (uint64_t i = 0; i < buffers.size(); i++) Start(i);
  }
};

// Watches that each of the sources that are never empty appears in any four waits.
struct Turns {
  std::set<int> hot;
  int since[kSources] = {};
  explicit Turns(std::set<int> hot) : hot(std::move(hot)) {}
  void See(const evpoll_event &e) {
    for (int &waits : since) waits++;
    since[SourceOf(e)] = 0;
    for (int source : hot) ASSERT_LT(since[source], 4) << "source " << source << " has to wait";
  }
};

TEST_P(Fairness, SocketsPostsAndWakesTakeTurns) {
  HotSockets sockets(p, 8);
  for (int i = 0; i < 4; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
  ASSERT_EQ(0, evpoll_wake(p));
  Turns turns({kSocket, kPost, kWake});
  for (int i = 0; i < Rounds(4000) && !HasFailure(); i++) {
    const std::vector<evpoll_event> events = Wait(kLong, 1);
    ASSERT_EQ(1u, events.size());
    turns.See(events[0]);
    if (events[0].events == EVPOLL_POST) evpoll_post(p, 1, i);
    if (events[0].events == EVPOLL_WAKE) evpoll_wake(p);
  }
}

TEST_P(Fairness, CompletionsLeaveRoomForTheOthers) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  HotFile file(*this, p, 32);
  HotSockets sockets(p, 2);
  file.StartAll();
  for (int i = 0; i < 4; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
  ASSERT_EQ(0, evpoll_wake(p));
  Turns turns({kSocket, kPost, kWake});
  for (int i = 0; i < Rounds(4000) && !HasFailure(); i++) {
    const std::vector<evpoll_event> events = Wait(kLong, 1);
    ASSERT_EQ(1u, events.size());
    turns.See(events[0]);
    if (events[0].events == EVPOLL_POST) evpoll_post(p, 1, i);
    if (events[0].events == EVPOLL_WAKE) evpoll_wake(p);
    if (events[0].events == EVPOLL_IO) file.Start(events[0].token);
  }
}

// When an operation finishes is the system's business, so no number of waits is promised from its
// submission on; but beside sources that are never empty all must come.
TEST_P(Fairness, CompletionsAreNotStarved) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  HotFile file(*this, p, 32);
  HotSockets sockets(p, 8);
  file.StartAll();
  for (int i = 0; i < 4; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
  size_t completions = 0;
  ASSERT_TRUE(Until([&] {
    EXPECT_EQ(0, evpoll_wake(p));
    for (const evpoll_event &e : Wait(kLong, 1)) {
      completions += e.events == EVPOLL_IO;
      if (e.events == EVPOLL_POST) evpoll_post(p, 1, e.result);
    }
    return completions == file.buffers.size();
  })) << "only "
      << completions << " completions came";
}

TEST_P(Fairness, APostFindsRoomAmongManyHotSockets) {
  HotSockets sockets(p, 300);
  for (int32_t capacity : {1, 2, 64, 256}) {
    for (int round = 0; round < 20; round++) {
      ASSERT_EQ(0, evpoll_post(p, 1, round));
      bool came = false;
      for (int waits = 0; waits < 4 && !came; waits++)
        for (const evpoll_event &e : Wait(kLong, capacity)) came |= e.events == EVPOLL_POST;
      ASSERT_TRUE(came) << "capacity " << capacity;
    }
  }
}

TEST_P(Fairness, ASocketFindsRoomAmongManyPosts) {
  HotSockets sockets(p, 1);
  for (int i = 0; i < 10000; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
  for (int32_t capacity : {1, 2, 64, 256}) {
    for (int round = 0; round < 20; round++) {
      bool came = false;
      for (int waits = 0; waits < 4 && !came; waits++)
        for (const evpoll_event &e : Wait(kLong, capacity)) came |= e.events == EVPOLL_READABLE;
      ASSERT_TRUE(came) << "capacity " << capacity;
    }
    for (int i = 0; i < 80 * capacity; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
  }
}

TEST_P(Fairness, AWakeFindsRoomAmongPostsAndSockets) {
  HotSockets sockets(p, 50);
  for (int i = 0; i < 1000; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
  for (int round = 0; round < 50; round++) {
    ASSERT_EQ(0, evpoll_wake(p));
    bool came = false;
    for (int waits = 0; waits < 4 && !came; waits++)
      for (const evpoll_event &e : Wait(kLong, 1)) came |= e.events == EVPOLL_WAKE;
    ASSERT_TRUE(came) << round;
  }
}

TEST_P(Fairness, NoSocketStarvesAnother) {
  HotSockets sockets(p, 16);
  std::vector<int> served(16);
  ASSERT_TRUE(Until([&] {
    for (const evpoll_event &e : Wait(kLong, 1)) served[e.token]++;
    return *std::min_element(served.begin(), served.end()) >= 10;
  }));
}

} // namespace
