// SPDX-License-Identifier: MIT
// Signals belong to the program: the pool's threads block all of them, and none ends an operation.
#include "held_test.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <set>

namespace evp {
namespace {

std::set<long> Tasks() {
  std::set<long> tasks;
  DIR *const folder = opendir("/proc/self/task");
  EXPECT_NE(nullptr, folder);
  while (const dirent *entry = folder ? readdir(folder) : nullptr)
    if (entry->d_name[0] != '.') tasks.insert(std::stol(entry->d_name));
  if (folder) closedir(folder);
  return tasks;
}

uint64_t BlockedSignals(long task) {
  std::ifstream status("/proc/self/task/" + std::to_string(task) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("SigBlk:", 0) == 0) return std::stoull(line.substr(7), nullptr, 16);
  ADD_FAILURE() << "no SigBlk of task " << task;
  return 0;
}

std::atomic<int> handled{0};
std::atomic<long> handled_by{0};
void Handle(int) {
  handled_by = syscall(SYS_gettid);
  handled.fetch_add(1);
}

// A handler, without SA_RESTART, for as long as the test lasts.
struct Handler {
  struct sigaction before;
  Handler() {
    handled = 0;
    struct sigaction action = {};
    action.sa_handler = Handle;
    EXPECT_EQ(0, sigaction(SIGUSR1, &action, &before));
  }
  ~Handler() { EXPECT_EQ(0, sigaction(SIGUSR1, &before, nullptr)); }
};

std::vector<Config> PoolConfigs() {
  std::vector<Config> chosen;
  for (const Config &c : Configs())
    if (c.flags & EVPOLL_OPEN_NO_URING) chosen.push_back(c);
  return chosen;
}

class IoSignals : public Contract {
protected:
  // The threads that the pool has after some work; they stay until the poller is closed.
  std::set<long> PoolThreads() {
    Close();
    Thread([] {}).Join(); // sanitizers start one of their own beside the first
    const std::set<long> before = Tasks();
    Open();
    std::vector<evpoll_io> ios(64, MakeIo(EVPOLL_OP_FDATASYNC, file.handle, 1));
    EXPECT_EQ(64, evpoll_submit(p, ios.data(), 64));
    WaitFor(64);
    std::set<long> more = Tasks();
    for (long task : before) more.erase(task);
    return more;
  }
  File file{*this, "content"};
};
INSTANTIATE_TEST_SUITE_P(On, IoSignals, ::testing::ValuesIn(PoolConfigs()), ConfigName);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(IoSignals);
EVP_HELD_SOME(HeldSignals, Configs());

TEST_P(IoSignals, ThreadsOfThePoolBlockAllOfThem) {
  const std::set<long> threads = PoolThreads();
  EXPECT_LE(1u, threads.size());
  EXPECT_EQ(threads.size(), Stats().pool_threads);
  // KILL and STOP cannot be blocked; the C library keeps 32 and 33 for itself.
  const uint64_t free = uint64_t{1} << (SIGKILL - 1) | uint64_t{1} << (SIGSTOP - 1) |
                        uint64_t{1} << 31 | uint64_t{1} << 32;
  for (long task : threads) EXPECT_EQ(~uint64_t{0}, BlockedSignals(task) | free) << task;
}

TEST_P(IoSignals, TheMaskOfTheSubmitterIsAsBefore) {
  sigset_t before, after;
  ASSERT_EQ(0, pthread_sigmask(SIG_SETMASK, nullptr, &before));
  PoolThreads();
  ASSERT_EQ(0, pthread_sigmask(SIG_SETMASK, nullptr, &after));
  for (int s = 1; s < 65; s++) EXPECT_EQ(sigismember(&before, s), sigismember(&after, s)) << s;
}

TEST_P(IoSignals, SignalsOfTheProcessRunOnTheProgramsThreads) {
  const std::set<long> threads = PoolThreads();
  Handler handler;
  for (int i = 0; i < 100; i++) {
    const int seen = handled;
    ASSERT_EQ(0, kill(getpid(), SIGUSR1));
    ASSERT_TRUE(Until([&] { return handled > seen; }));
    EXPECT_EQ(0u, threads.count(handled_by)) << "a thread of the pool ran the program's handler";
  }
}

TEST_P(HeldSignals, SignalsEndNeitherWaitsNorOperations) {
  Handler handler;
  Start(1);
  const pthread_t waiter = pthread_self();
  std::atomic<bool> stop{false};
  Thread sender([&] {
    while (!stop) {
      pthread_kill(waiter, SIGUSR1);
      usleep(200);
    }
  });
  const int64_t start = Now();
  EXPECT_TRUE(Wait(20 * kMillisecond).empty()) << "EINTR surfaced";
  EXPECT_LE(20 * kMillisecond, Now() - start) << "a signal ended the wait";
  Thread later([&] { held.Release(); });
  EXPECT_EQ(1u, WaitOne().token);
  EXPECT_TRUE(Until([] { return handled > 0; })) << "the handler must have run for this to count";
  stop = true;
}

TEST_P(HeldSignals, OperationsUnderAStormOfSignalsAllCompleteOnce) {
  held.Release();
  Handler handler;
  std::atomic<bool> stop{false};
  const pthread_t target = pthread_self();
  Thread sender([&] {
    while (!stop) pthread_kill(target, SIGUSR1), std::this_thread::yield();
  });
  std::vector<int> seen(64);
  for (int round = 0; round < 10; round++) {
    seen.assign(64, 0);
    std::vector<evpoll_io> ios;
    for (uint64_t i = 0; i < 64; i++) ios.push_back(Slow(i));
    const int32_t n = evpoll_submit(p, ios.data(), 64);
    EXPECT_EQ(64, n);
    for (const evpoll_event &e : WaitFor(static_cast<size_t>(n))) {
      EXPECT_EQ(1, ++seen[e.token]);
      EXPECT_EQ(EVPOLL_OK, e.status) << evpoll_strerror(e.status);
    }
  }
  stop = true;
}

} // namespace
} // namespace evp
