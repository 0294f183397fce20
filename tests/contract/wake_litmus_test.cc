// SPDX-License-Identifier: MIT
// Races of a wake against a waiter on its way to sleep. A lost wake shows as a wait that runs into
// kLong. Flags that are looked at before they are exchanged lose some seventeen wakes in two
// million: hence the numbers.
#include "contract.h"

#include <atomic>
#include <climits>

namespace {

using namespace evp;

EVP_CONTRACT(WakeLitmus);

// Lets another thread catch up, mostly without giving up the processor: that would give a waiter
// the time to fall asleep.
template <class Condition> void Spin(Condition condition) {
  for (int spin = 0; !condition(); spin++)
    if (spin > 100) std::this_thread::yield();
}

// The waker writes, then wakes; the waiter waits, then reads. Each wake must show its write: the
// waker goes on when it did, so that the next wake meets a waiter about to sleep.
TEST_P(WakeLitmus, AWakeMeetsAWaiterGoingToSleep) {
  std::atomic<int> written{0}, seen{0}, last{INT_MAX};
  std::atomic<bool> lost{false};
  Thread waker([&] {
    const Effort effort(100000);
    for (int i = 1; !lost; i++) {
      if (effort.Enough(i)) last = i;
      written.store(i, std::memory_order_relaxed);
      if (evpoll_wake(p) != 0 || last == i) return;
      Spin([&] { return seen.load(std::memory_order_relaxed) >= i || lost; });
    }
  });
  while (seen < last) {
    evpoll_event event;
    const int32_t n = LongWait(p, &event, 1);
    if (n != 1) {
      lost = true;
      FAIL() << "wait gave " << n << " after " << seen;
    }
    seen.store(written.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
}

// The same without sleep: a waiter that only looks. Here the time between two wakes is shortest,
// so a wake often comes while the one before is being delivered.
TEST_P(WakeLitmus, AWakeMeetsADelivery) {
  std::atomic<int> written{0}, seen{0}, last{INT_MAX};
  std::atomic<bool> lost{false};
  Thread waker([&] {
    const Effort effort(1000000);
    for (int i = 1; !lost; i++) {
      if (effort.Enough(i)) last = i;
      written.store(i, std::memory_order_relaxed);
      if (evpoll_wake(p) != 0 || last == i) return;
      if (i % 4) continue; // several at once: the later ones are redundant, or not quite
      Spin([&] { return seen.load(std::memory_order_relaxed) >= i || lost; });
    }
  });
  int64_t deadline = Now() + kLong;
  for (int looks = 1; seen < last; looks++) {
    evpoll_event event;
    const int32_t n = evpoll_wait(p, &event, 1, 0);
    ASSERT_LE(0, n);
    if (n == 1) {
      deadline = Now() + kLong;
      seen.store(written.load(std::memory_order_relaxed), std::memory_order_relaxed);
    } else if (looks % 16 == 0) {
      std::this_thread::yield(); // the waker may need this processor
      if (Now() > deadline) {
        lost = true;
        FAIL() << "after " << seen;
      }
    }
  }
  waker.Join();
  Wait(0); // the last of several may have come after the look that saw its write
  ExpectQuiet();
}

// Two pollers, two threads, each wakes the other: both go to sleep each time.
TEST_P(WakeLitmus, TwoThreadsWakeEachOther) {
  evpoll *other = nullptr;
  evpoll_options options = {};
  options.struct_size = sizeof options;
  options.flags = GetParam().flags;
  ASSERT_EQ(0, evpoll_open(&options, &other));
  {
    std::atomic<bool> done{false};
    Thread partner([&] {
      evpoll_event event;
      while (!done && LongWait(other, &event, 1) == 1)
        if (evpoll_wake(p) != 0) return;
    });
    const Effort effort(20000);
    for (int i = 0; !effort.Enough(i); i++) {
      ASSERT_EQ(0, evpoll_wake(other));
      evpoll_event event;
      ASSERT_EQ(1, LongWait(p, &event, 1)) << "after " << i;
    }
    done = true;
    ASSERT_EQ(0, evpoll_wake(other));
  }
  EXPECT_EQ(0, evpoll_close(other, kLong));
}

TEST_P(WakeLitmus, APostMeetsAWaiterGoingToSleep) {
  std::atomic<int> seen{0}, last{INT_MAX};
  std::atomic<bool> lost{false};
  Thread poster([&] {
    const Effort effort(100000);
    for (int i = 1; !lost; i++) {
      if (effort.Enough(i)) last = i;
      if (evpoll_post(p, 1, i) != 0 || last == i) return;
      Spin([&] { return seen.load(std::memory_order_relaxed) >= i || lost; });
    }
  });
  while (seen < last) {
    evpoll_event event;
    const int32_t n = LongWait(p, &event, 1);
    if (n != 1 || event.result != seen + 1) {
      lost = true;
      FAIL() << "wait gave " << n << " after " << seen;
    }
    seen.store(static_cast<int>(event.result), std::memory_order_relaxed);
  }
}

// The post of a round comes 20 to 70 microseconds after its beginning, when a wait of the same
// round is about to end by its timeout.
void PauseForRound(int i) {
  const int64_t then = Now() + 20000 + i % 50 * 1000;
  while (Now() < then) {
  }
}

// A wait whose time is up while a post arrives may return without it, but not take its wake along.
TEST_P(WakeLitmus, APostIsNotLostToATimeout) {
  std::atomic<int> turn{0};
  std::atomic<bool> done{false};
  Thread poster([&] {
    for (int i = 1;; i++) {
      if (!Until([&] { return turn >= i || done; }) || done) return;
      PauseForRound(i);
      if (evpoll_post(p, 1, i) != 0) return;
    }
  });
  const Effort effort(5000);
  for (int i = 1; !effort.Enough(i) && !HasFailure(); i++) {
    turn = i;
    std::vector<evpoll_event> events = Wait(20000);
    if (events.empty()) events = Wait(kLong);
    EXPECT_EQ(1u, events.size()) << "post " << i;
    EXPECT_EQ(i, events.empty() ? i : events[0].result);
  }
  done = true;
}

EVP_CONTRACT_MANY(WakeLitmusCrowd);

// Two waiters, one of them leaving by its timeout just when the post arrives: whoever was woken
// for it, one of the two must bring it.
TEST_P(WakeLitmusCrowd, APostIsNotLostToAWaiterThatTimesOut) {
  std::atomic<int> taken{0}, turn{0};
  std::atomic<bool> done{false};
  Thread patient([&] {
    evpoll_event event;
    while (LongWait(p, &event, 1) == 1) taken++;
  });
  Thread hasty([&] {
    evpoll_event event;
    for (int i = 1;; i++) {
      if (!Until([&] { return turn >= i || done; }) || done) return;
      if (evpoll_wait(p, &event, 1, 20000) > 0) taken++;
    }
  });
  const Effort effort(5000);
  for (int i = 1; !effort.Enough(i) && !HasFailure(); i++) {
    turn = i;
    PauseForRound(i);
    EXPECT_EQ(0, evpoll_post(p, 1, i));
    EXPECT_TRUE(Until([&] { return taken >= i; })) << "post " << i << " reached nobody";
    EXPECT_EQ(i, taken);
  }
  done = true;
  EXPECT_EQ(0, evpoll_shutdown(p));
}

} // namespace
