// SPDX-License-Identifier: MIT
// Signals: EINTR never surfaces, deadlines are kept, and wake may be called from a handler that
// interrupts the very wait.
#include "linux.h"

#include <csignal>
#include <pthread.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>

namespace {

using namespace evp;

std::atomic<int64_t> ticks{0};
std::atomic<int64_t> last_tick{INT64_MAX};
std::atomic<evpoll *> rescued{nullptr};

// A wait that begins anew at each signal would never end; this ends it, with an event too many.
void Tick(int) {
  if (++ticks > last_tick) {
    if (evpoll *p = rescued) evpoll_wake(p);
  }
}

// A signal every 100 microseconds, without SA_RESTART.
class Storm {
public:
  explicit Storm(evpoll *p) {
    const int64_t period_us = Slow() ? 2000 : 100;
    ticks = 0;
    last_tick = kLong / 1000 / period_us;
    rescued = p;
    struct sigaction action = {};
    action.sa_handler = Tick;
    EXPECT_EQ(0, sigaction(SIGALRM, &action, &before_));
    itimerval timer = {};
    timer.it_interval.tv_usec = timer.it_value.tv_usec = static_cast<suseconds_t>(period_us);
    EXPECT_EQ(0, setitimer(ITIMER_REAL, &timer, nullptr));
  }
  ~Storm() {
    const itimerval off = {};
    EXPECT_EQ(0, setitimer(ITIMER_REAL, &off, nullptr));
    EXPECT_EQ(0, sigaction(SIGALRM, &before_, nullptr));
    rescued = nullptr;
  }

private:
  struct sigaction before_ = {};
};

// Other threads keep the signals for the one that waits.
void BlockSignals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

EVP_CONTRACT(Signals);

TEST_P(Signals, DoNotEndAFiniteWaitEarlyOrLate) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  Storm storm(p);
  for (int i = 0; i < 10; i++) {
    const int64_t ticks_before = ticks, start = Now();
    ASSERT_EQ(0u, Wait(20 * kMillisecond).size());
    EXPECT_GE(Now() - start, 20 * kMillisecond);
    EXPECT_GT(ticks, ticks_before) << "no signal came";
  }
}

TEST_P(Signals, DoNotEndAFiniteWaitBesideOperations) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  File file(*this, "content");
  char bytes[8];
  Storm storm(p);
  for (int i = 0; i < 10; i++) {
    ASSERT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, bytes, sizeof bytes)).result);
    const int64_t start = Now();
    ASSERT_EQ(0u, Wait(10 * kMillisecond).size());
    EXPECT_GE(Now() - start, 10 * kMillisecond);
  }
}

TEST_P(Signals, DoNotEndAnInfiniteWait) {
  Storm storm(p);
  for (int i = 0; i < 5; i++) {
    Thread other([&] {
      BlockSignals();
      const int64_t before = ticks;
      if (Until([&] { return ticks > before + 20; })) evpoll_post(p, 7, 0);
    });
    ASSERT_EQ(7u, Wait(EVPOLL_INFINITE).at(0).token);
  }
}

TEST_P(Signals, LoseNoPosts) {
  const int posts = Rounds(20000);
  Storm storm(p);
  Thread other([&] {
    BlockSignals();
    for (int i = 0; i < posts; i++)
      if (evpoll_post(p, 1, i) != 0) return;
  });
  int next = 0;
  for (const evpoll_event &e : WaitFor(static_cast<size_t>(posts))) ASSERT_EQ(next++, e.result);
}

TEST_P(Signals, LoseNoReadiness) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  const int rounds = Rounds(5000);
  std::atomic<int> turn{0};
  Storm storm(p);
  Thread other([&] {
    BlockSignals();
    for (int i = 0; i < rounds && Until([&] { return turn >= i; }); i++)
      if (evpoll_socket_send(s.b, "x", 1) != 1) return;
  });
  for (int i = 0; i < rounds; i++) {
    ASSERT_EQ(7u, WaitOne().token);
    ASSERT_EQ("x", Drain(s.a));
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
    turn = i + 1;
  }
}

TEST_P(Signals, AHandlerMayWakeTheWaitThatItInterrupts) {
  // Every tick wakes.
  Storm storm(p);
  last_tick = 0;
  for (int i = 0; i < Rounds(500); i++)
    ASSERT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), WaitOne().events);
}

TEST_P(Signals, AHandlerMayShutDown) {
  struct sigaction action = {}, before;
  action.sa_handler = [](int) { evpoll_shutdown(rescued); };
  ASSERT_EQ(0, sigaction(SIGUSR1, &action, &before));
  rescued = p;
  const pthread_t self = pthread_self();
  const pid_t id = ThreadId();
  Thread other([&] {
    if (Until([&] { return Sleeps(id); })) pthread_kill(self, SIGUSR1);
  });
  evpoll_event event;
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, LongWait(p, &event, 1));
  other.Join();
  rescued = nullptr;
  ASSERT_EQ(0, sigaction(SIGUSR1, &before, nullptr));
}

// As by ^Z and fg: epoll_wait returns EINTR then, without any handler. In a child, since a shell
// takes notice when the test itself is stopped.
TEST_P(Signals, AWaitThatIsStoppedAndContinuedGoesOn) {
  Close();
  InForkedChild([&] {
    Open();
    const pid_t self = getpid(), id = ThreadId();
    const int64_t start = Now();
    Thread other([&] {
      Until([&] { return Sleeps(id); });
      InForkedChild([&] {
        kill(self, SIGSTOP);
        usleep(2000);
        kill(self, SIGCONT);
      });
    });
    EXPECT_EQ(0u, Wait(30 * kMillisecond).size());
    EXPECT_GE(Now() - start, 30 * kMillisecond);
    other.Join();
    Close();
  });
}

} // namespace
