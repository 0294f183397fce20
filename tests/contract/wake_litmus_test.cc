// SPDX-License-Identifier: MIT
// Races of a wake against a waiter on its way to sleep. A lost wake shows as a wait that runs into
// kLong. Flags that are looked at before they are exchanged lose some seventeen wakes in two
// million: hence the numbers.
#include "contract.h"

#include <atomic>

namespace {

using namespace evp;

EVP_CONTRACT(WakeLitmus);

// The waker writes, then wakes; the waiter waits, then reads. Each wake must show its write: the
// waker goes on when it did, so that the next wake meets a waiter about to sleep.
TEST_P(WakeLitmus, AWakeMeetsAWaiterGoingToSleep) {
  const int rounds = Rounds(100000);
  std::atomic<int> written{0}, seen{0};
  std::atomic<bool> lost{false};
  Thread waker([&] {
    for (int i = 1; i <= rounds; i++) {
      written.store(i, std::memory_order_relaxed);
      if (evpoll_wake(p) != 0) return;
      // Mostly without giving up the processor: that would give the waiter time to fall asleep.
      for (int spin = 0; seen.load(std::memory_order_relaxed) < i && !lost; spin++)
        if (spin > 100) std::this_thread::yield();
      if (lost) return;
    }
  });
  while (seen < rounds) {
    evpoll_event event;
    const int32_t n = evpoll_wait(p, &event, 1, kLong);
    if (n != 1) {
      lost = true;
      FAIL() << "wait gave " << n << " after " << seen << " of " << rounds;
    }
    seen.store(written.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
}

// The same without sleep: a waiter that only looks. Here the time between two wakes is shortest,
// so a wake often comes while the one before is being delivered.
TEST_P(WakeLitmus, AWakeMeetsADelivery) {
  const int rounds = Rounds(1000000);
  std::atomic<int> written{0}, seen{0};
  std::atomic<bool> lost{false};
  Thread waker([&] {
    for (int i = 1; i <= rounds; i++) {
      written.store(i, std::memory_order_relaxed);
      if (evpoll_wake(p) != 0) return;
      if (i % 4) continue; // several at once: the later ones are redundant, or not quite
      for (int spin = 0; seen.load(std::memory_order_relaxed) < i && !lost; spin++)
        if (spin > 100) std::this_thread::yield();
      if (lost) return;
    }
  });
  int64_t deadline = Now() + kLong;
  for (int looks = 0; seen < rounds; looks++) {
    evpoll_event event;
    const int32_t n = evpoll_wait(p, &event, 1, 0);
    ASSERT_LE(0, n);
    if (n == 1) {
      const int now = written.load(std::memory_order_relaxed);
      if (now > seen.load(std::memory_order_relaxed)) deadline = Now() + kLong;
      seen.store(now, std::memory_order_relaxed);
    } else if (looks % 16 == 0) {
      std::this_thread::yield();  // the waker may need this processor
      if (Now() > deadline) {
        lost = true;
        FAIL() << "after " << seen << " of " << rounds;
      }
    }
  }
  waker.Join();
  Wait(0); // the last of several may have come after the look that saw its write
  ExpectQuiet();
}

// Two pollers, two threads, each wakes the other: both go to sleep each time.
TEST_P(WakeLitmus, TwoThreadsWakeEachOther) {
  const int rounds = Rounds(20000);
  evpoll *other = nullptr;
  evpoll_options options = {};
  options.struct_size = sizeof options;
  options.flags = GetParam().flags;
  ASSERT_EQ(0, evpoll_open(&options, &other));
  {
    Thread partner([&] {
      evpoll_event event;
      for (int i = 0; i < rounds; i++)
        if (evpoll_wait(other, &event, 1, kLong) != 1 || evpoll_wake(p) != 0) return;
    });
    for (int i = 0; i < rounds; i++) {
      ASSERT_EQ(0, evpoll_wake(other));
      evpoll_event event;
      ASSERT_EQ(1, evpoll_wait(p, &event, 1, kLong)) << "after " << i << " of " << rounds;
    }
  }
  EXPECT_EQ(0, evpoll_close(other, kLong));
}

TEST_P(WakeLitmus, APostMeetsAWaiterGoingToSleep) {
  const int rounds = Rounds(100000);
  std::atomic<int> seen{0};
  std::atomic<bool> lost{false};
  Thread poster([&] {
    for (int i = 1; i <= rounds; i++) {
      if (evpoll_post(p, 1, i) != 0) return;
      for (int spin = 0; seen.load(std::memory_order_relaxed) < i && !lost; spin++)
        if (spin > 100) std::this_thread::yield();
      if (lost) return;
    }
  });
  while (seen < rounds) {
    evpoll_event event;
    const int32_t n = evpoll_wait(p, &event, 1, kLong);
    if (n != 1 || event.result != seen + 1) {
      lost = true;
      FAIL() << "wait gave " << n << " after " << seen << " of " << rounds;
    }
    seen.store(static_cast<int>(event.result), std::memory_order_relaxed);
  }
}

// A wait whose time is up while a post arrives may return without it, but not take its wake along.
TEST_P(WakeLitmus, APostIsNotLostToATimeout) {
  const int rounds = Rounds(5000);
  std::atomic<int> turn{0};
  Thread poster([&] {
    for (int i = 1; i <= rounds; i++) {
      if (!Until([&] { return turn >= i; })) return;
      const int64_t then = Now() + 40000 + i % 50 * 1000; // about when the wait below ends
      while (Now() < then) {
      }
      if (evpoll_post(p, 1, i) != 0) return;
    }
  });
  for (int i = 1; i <= rounds; i++) {
    turn = i;
    std::vector<evpoll_event> events = Wait(20000);
    if (events.empty()) events = Wait(kLong);
    ASSERT_EQ(1u, events.size()) << "post " << i;
    ASSERT_EQ(i, events[0].result);
  }
}

EVP_CONTRACT_MANY(WakeLitmusCrowd);

// Two waiters, one of them leaving by its timeout just when the post arrives: whoever was woken
// for it, one of the two must bring it.
TEST_P(WakeLitmusCrowd, APostIsNotLostToAWaiterThatTimesOut) {
  const int rounds = Rounds(5000);
  std::atomic<int> taken{0}, turn{0};
  std::atomic<bool> failed{false};
  Thread patient([&] {
    evpoll_event event;
    for (int32_t n; (n = evpoll_wait(p, &event, 1, kLong)) != EVPOLL_ERR_SHUTDOWN; taken++)
      if (n != 1) {
        failed = true;
        return;
      }
  });
  Thread hasty([&] {
    evpoll_event event;
    for (int i = 1; i <= rounds; i++) {
      if (!Until([&] { return turn >= i || failed; }) || failed) return;
      if (evpoll_wait(p, &event, 1, 20000) > 0) taken++;
    }
  });
  for (int i = 1; i <= rounds; i++) {
    turn = i;
    const int64_t then = Now() + 40000 + i % 50 * 1000;
    while (Now() < then) {
    }
    ASSERT_EQ(0, evpoll_post(p, 1, i));
    ASSERT_TRUE(Until([&] { return taken >= i || failed; }));
    ASSERT_FALSE(failed) << "post " << i << " reached nobody";
    ASSERT_EQ(i, taken);
  }
  EXPECT_EQ(0, evpoll_shutdown(p));
}

} // namespace
