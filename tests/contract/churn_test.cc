// SPDX-License-Identifier: MIT
// Threads that wait while others add, modify, rearm, remove, post and close: every oneshot event
// and every post is accounted for.
#include "contract.h"

#include <atomic>
#include <memory>

namespace {

using namespace evp;

EVP_CONTRACT_MANY(Churn);

constexpr int kWaiters = 4, kWorkers = 4;

// Tokens of a round: the worker, the round and what the event is.
constexpr uint64_t Token(int worker, int round, bool post) {
  return static_cast<uint64_t>(worker) << 32 | static_cast<uint64_t>(round) << 1 | post;
}

// What the waiters saw, by worker and round.
struct Seen {
  explicit Seen(int rounds)
      : rounds(rounds), events(new std::atomic<int>[kWorkers * static_cast<size_t>(rounds)]()),
        posts(new std::atomic<int>[kWorkers * static_cast<size_t>(rounds)]()) {}
  const int rounds;
  std::unique_ptr<std::atomic<int>[]> events, posts;
  std::atomic<int> strange{0};
  size_t At(int worker, int round) const {
    return static_cast<size_t>(worker) * static_cast<size_t>(rounds) + static_cast<size_t>(round);
  }
  void Count(const evpoll_event &e) {
    const int worker = static_cast<int>(e.token >> 32);
    const int round = static_cast<int>(e.token & 0xFFFFFFFF) >> 1;
    const bool post = e.events == EVPOLL_POST;
    if (worker >= kWorkers || round >= rounds || post != (e.token & 1)) {
      strange++;
      return;
    }
    (post ? posts : events)[At(worker, round)]++;
  }
};

void WaitAndCount(evpoll *p, Seen *seen, int32_t capacity) {
  std::vector<evpoll_event> events(static_cast<size_t>(capacity));
  int32_t n;
  while ((n = LongWait(p, events.data(), capacity)) > 0)
    for (int32_t i = 0; i < n; i++) seen->Count(events[static_cast<size_t>(i)]);
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, n);
}

// One registration's life, with exactly three events; it ends in one of three ways.
void LiveOnce(evpoll *p, Seen *seen, int worker, int round) {
  const uint64_t token = Token(worker, round, false);
  std::atomic<int> &events = seen->events[seen->At(worker, round)];
  Pair s;
  ASSERT_LE(0, evpoll_add(p, s.a, token, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  ASSERT_TRUE(Until([&] { return events >= 1; })) << "after add";
  ASSERT_EQ(0, evpoll_rearm(p, s.a, token, EVPOLL_READABLE));
  ASSERT_TRUE(Until([&] { return events >= 2; })) << "after rearm";
  ASSERT_EQ(0, evpoll_modify(p, s.a, token, kBoth, EVPOLL_ONESHOT));
  ASSERT_TRUE(Until([&] { return events >= 3; })) << "after modify";
  ASSERT_EQ(0, evpoll_post(p, Token(worker, round, true), round));
  const evpoll_handle closed = s.a;
  if (round % 3 == 0) {
    ASSERT_EQ(0, evpoll_remove(p, s.a, token));
  } else if (round % 3 == 1) {
    s.CloseA();
    // By now the number may be another worker's, registered or not.
    const int32_t status = evpoll_remove(p, closed, token);
    ASSERT_TRUE(status == 0 || status == EVPOLL_ERR_NOT_FOUND || status == EVPOLL_ERR_STALE)
        << status;
  }
}

TEST_P(Churn, EveryEventAndEveryPostArrivesOnce) {
  const int rounds = Rounds(1000);
  Seen seen(rounds);
  {
    std::vector<Thread> waiters, workers;
    for (int i = 0; i < kWaiters; i++)
      waiters.emplace_back([&, i] { WaitAndCount(p, &seen, 1 + 3 * i); });
    for (int w = 0; w < kWorkers; w++)
      workers.emplace_back([&, w] {
        for (int r = 0; r < rounds && !HasFailure(); r++) LiveOnce(p, &seen, w, r);
      });
    for (Thread &t : workers) t.Join();
    EXPECT_EQ(0, evpoll_shutdown(p)); // delivers the last posts before it sends anybody away
  }
  EXPECT_EQ(0, seen.strange);
  if (HasFailure()) return;
  for (int w = 0; w < kWorkers; w++)
    for (int r = 0; r < rounds; r++) {
      ASSERT_EQ(3, seen.events[seen.At(w, r)]) << "worker " << w << " round " << r;
      ASSERT_EQ(1, seen.posts[seen.At(w, r)]) << "worker " << w << " round " << r;
    }
}

// After remove has returned, waits that start later do not return the token. Waits in progress
// may: so each waiter says when its wait began, and one that began after the removal is at fault.
TEST_P(Churn, NoWaitThatStartsAfterARemoveReturnsTheToken) {
  const Effort effort(1000);
  std::atomic<int> removed{0}; // tokens 1 to this are gone
  std::atomic<int> faults{0}, events{0};
  std::vector<Thread> waiters;
  for (int i = 0; i < 3; i++)
    waiters.emplace_back([&] {
      for (;;) {
        const uint64_t gone = static_cast<uint64_t>(removed.load());
        evpoll_event got[4];
        const int32_t n = LongWait(p, got, 4);
        if (n <= 0) return;
        for (int32_t k = 0; k < n; k++) {
          events++;
          faults += got[k].token <= gone;
        }
      }
    });
  Pair s;
  Send(s.b, "x");
  for (int token = 1; !effort.Enough(token); token++) {
    const int before = events;
    ASSERT_EQ(0, evpoll_add(p, s.a, static_cast<uint64_t>(token), EVPOLL_READABLE,
                            token % 2 ? EVPOLL_LEVEL : EVPOLL_ONESHOT));
    ASSERT_TRUE(Until([&] { return events > before; })) << token;
    ASSERT_EQ(0, evpoll_remove(p, s.a, static_cast<uint64_t>(token)));
    removed = token;
  }
  EXPECT_EQ(0, evpoll_shutdown(p));
  for (Thread &t : waiters) t.Join();
  EXPECT_EQ(0, faults);
}

// Sockets are opened, registered and closed without remove by several threads at once, so that
// numbers change their owner all the time: a registration must report for its own socket only.
TEST_P(Churn, ReusedNumbersReportForTheirOwnerOnly) {
  const int rounds = Rounds(2000);
  Seen seen(rounds);
  {
    std::vector<Thread> waiters, workers;
    for (int i = 0; i < 2; i++) waiters.emplace_back([&] { WaitAndCount(p, &seen, 8); });
    for (int w = 0; w < kWorkers; w++)
      workers.emplace_back([&, w] {
        for (int r = 0; r < rounds; r++) {
          Pair s;
          const int32_t status =
              evpoll_add(p, s.a, Token(w, r, false), EVPOLL_READABLE, EVPOLL_ONESHOT);
          EXPECT_LE(0, status);
          if (status < 0) return;
          // Every second one never gets data: its token must not be seen at all.
          if (r % 2) continue;
          Send(s.b, "x");
          const std::atomic<int> &events = seen.events[seen.At(w, r)];
          const bool came = Until([&] { return events >= 1; });
          EXPECT_TRUE(came) << "worker " << w << " round " << r;
          if (!came) return;
        }
      });
    for (Thread &t : workers) t.Join();
    EXPECT_EQ(0, evpoll_shutdown(p));
  }
  EXPECT_EQ(0, seen.strange);
  if (HasFailure()) return;
  for (int w = 0; w < kWorkers; w++)
    for (int r = 0; r < rounds; r++)
      ASSERT_EQ(r % 2 ? 0 : 1, seen.events[seen.At(w, r)]) << "worker " << w << " round " << r;
}

// Several threads quarrel about one handle: each registers it for itself and removes what it finds
// of its own. Whatever the order, nothing of it may be left behind.
TEST_P(Churn, OneHandleInManyHandsEndsUpConsistent) {
  const int rounds = Rounds(3000);
  Pair s;
  Send(s.b, "x");
  std::atomic<int> strange{0};
  std::vector<Thread> waiters, workers;
  for (int i = 0; i < 2; i++)
    waiters.emplace_back([&] {
      evpoll_event event;
      while (LongWait(p, &event, 1) == 1 && event.events != EVPOLL_POST)
        strange += event.token < 1 || event.token > kWorkers || event.events != EVPOLL_READABLE;
    });
  for (uint64_t token = 1; token <= kWorkers; token++)
    workers.emplace_back([&, token] {
      for (int r = 0; r < rounds; r++) {
        const int32_t added = evpoll_add(p, s.a, token, EVPOLL_READABLE, kModes[r % 3]);
        const int32_t changed = evpoll_modify(p, s.a, token, EVPOLL_READABLE, kModes[r % 2]);
        const int32_t removed = evpoll_remove(p, s.a, token);
        strange += added != 0 && added != 1;
        for (int32_t status : {changed, removed})
          strange += status != 0 && status != EVPOLL_ERR_STALE && status != EVPOLL_ERR_NOT_FOUND;
      }
    });
  for (Thread &t : workers) t.Join();
  EXPECT_EQ(0, strange);
  // The last add was followed by a remove of the same thread, if by nothing else.
  for (uint64_t token = 1; token <= kWorkers; token++)
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, s.a, token));
  for (size_t i = 0; i < waiters.size(); i++) EXPECT_EQ(0, evpoll_post(p, 0, 0));
  for (Thread &t : waiters) t.Join();
  ExpectQuiet();
  EXPECT_EQ(0, evpoll_add(p, s.a, 99, EVPOLL_READABLE, EVPOLL_ONESHOT));
  EXPECT_EQ(99u, WaitOne().token);
  ExpectQuiet();
}

EVP_CONTRACT(ChurnBesideOneWaiter);

TEST_P(ChurnBesideOneWaiter, EveryEventAndEveryPostArrivesOnce) {
  const int rounds = Rounds(1000);
  Seen seen(rounds);
  {
    Thread waiter([&] { WaitAndCount(p, &seen, 5); });
    std::vector<Thread> workers;
    for (int w = 0; w < kWorkers; w++)
      workers.emplace_back([&, w] {
        for (int r = 0; r < rounds && !HasFailure(); r++) LiveOnce(p, &seen, w, r);
      });
    for (Thread &t : workers) t.Join();
    EXPECT_EQ(0, evpoll_shutdown(p));
  }
  EXPECT_EQ(0, seen.strange);
  if (HasFailure()) return;
  for (int w = 0; w < kWorkers; w++)
    for (int r = 0; r < rounds; r++) {
      ASSERT_EQ(3, seen.events[seen.At(w, r)]) << "worker " << w << " round " << r;
      ASSERT_EQ(1, seen.posts[seen.At(w, r)]) << "worker " << w << " round " << r;
    }
}

} // namespace
