// SPDX-License-Identifier: MIT
// The descriptors that a poller itself needs, and threads that sleep in it while it is closed.
#include "linux.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

namespace {

using namespace evp;

EVP_CONTRACT(Descriptors);

TEST_P(Descriptors, APollerTakesTwoAndOneMoreForFiles) {
  Close();
  const std::set<int> before = OpenFds();
  Open();
  EXPECT_EQ(before.size() + 2, OpenFds().size());
  if (Has(EVPOLL_FEATURE_FILE_IO)) {
    File file(*this, "content");
    char bytes[8];
    RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, bytes, sizeof bytes));
    EXPECT_LE(OpenFds().size(), before.size() + 3 + 1) << "one of them is the file";
  }
  Close();
  EXPECT_EQ(before, OpenFds());
}

TEST_P(Descriptors, AreNotInheritedByProgramsThatAreStarted) {
  Close();
  const std::set<int> before = OpenFds();
  Open();
  File file(*this, "content");
  char bytes[8];
  RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, bytes, sizeof bytes));
  for (int fd : OpenFds())
    if (!before.count(fd)) {
      EXPECT_NE(0, fcntl(fd, F_GETFD) & FD_CLOEXEC) << KindOf(fd);
    }
}

TEST_P(Descriptors, AreNotTakenByRegistrations) {
  std::vector<Pair> pairs(50);
  const std::set<int> before = OpenFds();
  for (uint64_t i = 0; i < pairs.size(); i++)
    ASSERT_EQ(0, evpoll_add(p, pairs[i].a, i, kBoth, EVPOLL_ONESHOT));
  WaitFor(pairs.size());
  EXPECT_EQ(before, OpenFds());
}

// Lowers the limit so that this many more can be opened.
class Room {
public:
  explicit Room(size_t descriptors) {
    EXPECT_EQ(0, getrlimit(RLIMIT_NOFILE, &before_));
    const std::set<int> open = OpenFds();
    rlim_t limit = 0;
    for (size_t free = 0; free < descriptors || open.count(static_cast<int>(limit)); limit++)
      free += !open.count(static_cast<int>(limit));
    rlimit less = before_;
    less.rlim_cur = limit;
    EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &less));
  }
  ~Room() { EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &before_)); }

private:
  rlimit before_ = {};
};

TEST_P(Descriptors, OpenReportsTheLimitAndLeavesNothingBehind) {
  Close();
  const std::set<int> before = OpenFds();
  evpoll_options options = {};
  options.struct_size = sizeof options;
  options.flags = GetParam().flags;
  for (size_t room : {0u, 1u}) {
    evpoll *none = nullptr;
    int32_t status, os_error;
    {
      Room less(room);
      status = evpoll_open(&options, &none);
      os_error = evpoll_os_error();
    }
    EXPECT_EQ(EVPOLL_ERR_LIMIT, status) << room;
    EXPECT_EQ(EMFILE, os_error);
    EXPECT_EQ(nullptr, none);
    EXPECT_EQ(before, OpenFds());
  }
}

TEST_P(Descriptors, PollersWorkAtTheLimit) {
  Pair s;
  Room none(0);
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  EXPECT_EQ(7u, WaitOne().token);
  EXPECT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  EXPECT_EQ(7u, WaitOne().token);
  EXPECT_EQ(0, evpoll_wake(p));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), WaitOne().events);
  EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
}

EVP_CONTRACT(Sleepers);

// Threads that are known to sleep inside evpoll_wait.
struct Crowd {
  std::atomic<int> away{0}, other{0};
  std::vector<std::atomic<pid_t>> ids;
  std::vector<Thread> threads;
  Crowd(evpoll *p, size_t n) : ids(n) {
    for (std::atomic<pid_t> &id : ids)
      threads.emplace_back([this, p, &id] {
        evpoll_event events[4];
        id = ThreadId();
        (LongWait(p, events, 4) == EVPOLL_ERR_SHUTDOWN ? away : other)++;
      });
    EXPECT_TRUE(Until([&] {
      return std::all_of(ids.begin(), ids.end(),
                         [](const std::atomic<pid_t> &id) { return id != 0 && Sleeps(id); });
    }));
  }
  void Join() {
    for (Thread &t : threads) t.Join();
  }
};

TEST_P(Sleepers, AreSentAwayByClose) {
  const size_t n = SingleWaiter(GetParam()) ? 1 : 6;
  for (int round = 0; round < Rounds(50); round++) {
    Crowd crowd(p, n);
    ASSERT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
    p = nullptr;
    crowd.Join();
    ASSERT_EQ(static_cast<int>(n), crowd.away) << round;
    Open();
  }
}

TEST_P(Sleepers, AreSentAwayByACloseThatHasNoTime) {
  const size_t n = SingleWaiter(GetParam()) ? 1 : 6;
  for (int round = 0; round < Rounds(50); round++) {
    Crowd crowd(p, n);
    int32_t status = EVPOLL_ERR_TIMEOUT;
    ASSERT_TRUE(Until([&] { return (status = evpoll_close(p, 0)) != EVPOLL_ERR_TIMEOUT; }));
    ASSERT_EQ(0, status);
    p = nullptr;
    crowd.Join();
    ASSERT_EQ(static_cast<int>(n), crowd.away) << round;
    Open();
  }
}

// Everybody wakes up for it, while the readiness that is also there belongs to nobody any more.
TEST_P(Sleepers, AreSentAwayBesideReadySockets) {
  const size_t n = SingleWaiter(GetParam()) ? 1 : 4;
  for (int round = 0; round < Rounds(50); round++) {
    std::vector<Pair> pairs(4);
    for (Pair &s : pairs) ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
    Crowd crowd(p, n);
    Thread writer([&] {
      for (Pair &s : pairs) evpoll_socket_send(s.b, "x", 1);
    });
    ASSERT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
    p = nullptr;
    crowd.Join();
    writer.Join();
    ASSERT_EQ(static_cast<int>(n), crowd.away + crowd.other);
    Open();
  }
}

} // namespace
