// SPDX-License-Identifier: MIT
// EVPOLL_OPEN_INTERRUPTIBLE: a wait ends when a signal handler ran in its thread; without the flag
// no signal ends it.
#include "contract.h"

#include <atomic>

namespace {

using namespace evp;

class Interruptible : public Contract {
protected:
  // A wait without end in a thread of its own.
  struct Waiter {
    std::atomic<uint64_t> thread{0};
    std::atomic<bool> done{false}, sent{false};
    int32_t n = -1;
    evpoll_event event = {};
    Thread running;
    explicit Waiter(evpoll *p)
        : running([this, p] {
            thread = Interrupts::ThisThread();
            n = evpoll_wait(p, &event, 1, EVPOLL_INFINITE);
            done = true;
            // A signal may be on its way to this thread: it lives until all are sent.
            EXPECT_TRUE(Until([&] { return sent.load(); }));
          }) {
      EXPECT_TRUE(Until([&] { return thread != 0; }));
    }
  };
  // The next signal is sent when the handler has run, or after a while: a stream of them would
  // leave the thread no time to get anywhere. (ThreadSanitizer runs handlers when it gets to it.)
  void Interrupt(uint64_t thread) {
    const int before = interrupts.Count();
    interrupts.Send(thread);
    const int64_t while_ends = Now() + kMillisecond;
    while (interrupts.Count() == before && Now() < while_ends) std::this_thread::yield();
  }
  Interrupts interrupts;
};
INSTANTIATE_TEST_SUITE_P(On, Interruptible, ::testing::ValuesIn(Configs()), ConfigName);

#define GATE_SIGNALS()                                                                             \
  EVP_GATE(interrupts.works, "signals", "no signal handler runs in a thread that waits")

TEST_P(Interruptible, ASignalHandlerEndsTheWaitWithoutAnEvent) {
  GATE_SIGNALS();
  for (int round = 0; round < 20; round++) {
    Open(EVPOLL_OPEN_INTERRUPTIBLE);
    Waiter waiter(p);
    EXPECT_TRUE(Until([&] {
      Interrupt(waiter.thread);
      return waiter.done.load();
    })) << "slept on";
    waiter.sent = true;
    if (!waiter.done) evpoll_post(p, 1, 2);
    waiter.running.Join();
    ASSERT_EQ(0, waiter.n);
    ASSERT_LT(0, interrupts.Count());
  }
}

TEST_P(Interruptible, AlsoWithAFiniteTimeout) {
  GATE_SIGNALS();
  Open(EVPOLL_OPEN_INTERRUPTIBLE);
  std::atomic<uint64_t> thread{0};
  std::atomic<bool> done{false}, sent{false};
  Thread waiter([&] {
    thread = Interrupts::ThisThread();
    evpoll_event event;
    const int64_t start = Now();
    EXPECT_EQ(0, evpoll_wait(p, &event, 1, kLong));
    EXPECT_GT(kLong, Now() - start);
    done = true;
    EXPECT_TRUE(Until([&] { return sent.load(); }));
  });
  EXPECT_TRUE(Until([&] {
    if (thread) Interrupt(thread);
    return done.load();
  }));
  sent = true;
}

TEST_P(Interruptible, WithoutTheFlagTheWaitGoesOn) {
  GATE_SIGNALS();
  for (int round = 0; round < 5; round++) {
    const int before = interrupts.Count();
    Waiter waiter(p);
    EXPECT_TRUE(Until([&] {
      Interrupt(waiter.thread);
      return interrupts.Count() - before >= 50;
    }));
    EXPECT_FALSE(waiter.done);
    waiter.sent = true;
    ASSERT_EQ(0, evpoll_post(p, 7, round));
    waiter.running.Join();
    ASSERT_EQ(1, waiter.n);
    EXPECT_EQ(7u, waiter.event.token);
    EXPECT_EQ(round, waiter.event.result);
  }
}

TEST_P(Interruptible, NoPostIsLostAmongSignals) {
  GATE_SIGNALS();
  Open(EVPOLL_OPEN_INTERRUPTIBLE);
  const int total = Rounds(3000);
  std::atomic<uint64_t> thread{0};
  std::atomic<int> got{0};
  std::atomic<bool> sent{false};
  Thread waiter([&] {
    thread = Interrupts::ThisThread();
    evpoll_event event;
    for (int32_t n = 0; got < total && n >= 0;) {
      n = LongWait(p, &event, 1);
      if (n == 1) {
        EXPECT_EQ(got, event.result);
        got++;
      }
    }
    EXPECT_TRUE(Until([&] { return sent.load(); }));
  });
  EXPECT_TRUE(Until([&] { return thread != 0; }));
  for (int i = 0; i < total; i++) {
    ASSERT_EQ(0, evpoll_post(p, 1, i));
    if (i % 3 == 0) interrupts.Send(thread);
  }
  EXPECT_TRUE(Until([&] { return got == total; })) << got;
  sent = true;
}

TEST_P(Interruptible, TheFlagIsToldOf) {
  Open(EVPOLL_OPEN_INTERRUPTIBLE);
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  ASSERT_EQ(0, evpoll_info(p, &info));
  EXPECT_TRUE(info.open_flags & EVPOLL_OPEN_INTERRUPTIBLE);
  ASSERT_EQ(0, evpoll_post(p, 7, 8));
  EXPECT_EQ(7u, WaitOne().token);
  ExpectQuiet();
}

} // namespace
