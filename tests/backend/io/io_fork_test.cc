// SPDX-License-Identifier: MIT
// fork(): the child's calls say FORKED and touch nothing; the parent goes on.
#include "contract.h"
#include "sandbox.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <set>

namespace evp {
namespace {

class IoFork : public Contract {
protected:
  void SetUp() override {
    Contract::SetUp();
    io = MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, sizeof buffer);
  }
  File file{*this, "content"};
  char buffer[8];
  evpoll_io io;
};
INSTANTIATE_TEST_SUITE_P(On, IoFork, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoFork, EveryCallOfTheChildSaysForked) {
  EXPECT_EQ(7, RunIo(io).result);
  InChild([&] {
    evpoll_event e;
    evpoll_result result;
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_submit(p, &io, 1));
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_submit_list(p, &io, 1, 1, nullptr));
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_list_take(p, 2, &result, 1));
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_cancel_all(p));
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_cancel_handle(p, file.handle));
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_cancel_token(p, file.handle, 1));
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_add(p, file.handle, 1, 0, EVPOLL_OPERATIONS));
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_remove(p, file.handle, kServed));
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_hold(p, file.handle, kServed));
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_release(p, file.handle));
    EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_turn(p, nullptr, 0, &io, 1, &e, 1, 0));
    EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
  });
  EXPECT_EQ(7, RunIo(io).result) << "the parent is untouched";
}

TEST_P(IoFork, AChildThatClosesDoesNotTakeTheParentsCompletions) {
  for (int round = 0; round < 5; round++) {
    std::vector<char> bytes(200);
    std::vector<evpoll_io> ios;
    for (uint64_t i = 0; i < 200; i++)
      ios.push_back(MakeIo(EVPOLL_OP_READ, file.handle, i, &bytes[i], 1));
    ASSERT_EQ(200, evpoll_submit(p, ios.data(), 200));
    InChild([&] { EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE)); });
    std::vector<int> seen(200);
    for (const evpoll_event &e : WaitFor(200)) EXPECT_EQ(1, ++seen[e.token]);
  }
}

#ifdef __SANITIZE_THREAD__
constexpr bool kThreadsAfterFork = false;
#else
constexpr bool kThreadsAfterFork = true;
#endif

TEST_P(IoFork, TheChildMayOpenAPollerOfItsOwn) {
  EVP_GATE(kThreadsAfterFork, "threads after fork", "the thread sanitizer ends such a child");
  EXPECT_EQ(7, RunIo(io).result);
  InChild([&] {
    evpoll_options options = {};
    options.struct_size = sizeof options;
    options.flags = GetParam().flags;
    evpoll *own = nullptr;
    EXPECT_EQ(0, evpoll_open(&options, &own));
    evpoll_event e = {};
    EXPECT_EQ(0, Serve(own, file.handle));
    EXPECT_EQ(1, evpoll_submit(own, &io, 1));
    EXPECT_EQ(1, evpoll_wait(own, &e, 1, kLong));
    EXPECT_EQ(7, e.result);
    EXPECT_EQ(0, evpoll_close(own, kLong));
  });
}

TEST_P(IoFork, AnExecedProgramInheritsNoneOfThePollersDescriptors) {
  Close();
  std::set<int> before;
  for (int fd = 0; fd < 1024; fd++)
    if (fcntl(fd, F_GETFD) >= 0) before.insert(fd);
  Open();
  EXPECT_EQ(7, RunIo(io).result);
  int own = 0;
  for (int fd = 0; fd < 1024; fd++) {
    const int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || before.count(fd)) continue;
    own++;
    EXPECT_NE(0, flags & FD_CLOEXEC) << fd;
  }
  EXPECT_LE(2, own);
}

// The rings are memory that the kernel shares: a child has no business with them.
TEST_P(IoFork, TheChildDoesNotHaveTheParentsRings) {
  const auto rings = [] {
    std::ifstream maps("/proc/self/maps");
    int n = 0;
    for (std::string line; std::getline(maps, line);)
      n += line.find("io_uring") != std::string::npos;
    return n;
  };
  EXPECT_EQ(7, RunIo(io).result);
  const int own = rings();
  InChild([&] { EXPECT_EQ(0, rings()); });
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  ASSERT_EQ(0, evpoll_info(p, &info));
  EXPECT_EQ(info.io_engine == EVPOLL_ENGINE_IO_URING, own > 0);
}

#ifndef __SANITIZE_THREAD__
// Rings count as locked memory (before Linux 5.12, and since 6.14), which an ordinary user has
// little of: many pollers have one, and the others are served by their pools.
TEST(IoLocked, ManyPollersHaveARingAndTheOthersAreServedToo) {
  TempFile file("content");
  const struct {
    rlim_t limit;
    int rings;
  } cases[] = {{8 << 20, 200}, {64 << 10, 1}, {0, 0}};
  for (const auto &c : cases) {
    InChild([&] {
      const struct rlimit limit = {c.limit, c.limit};
      EXPECT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
      if (geteuid() == 0) {
        EXPECT_EQ(0, setresgid(65534, 65534, 65534));
        EXPECT_EQ(0, setresuid(65534, 65534, 65534));
      }
      std::vector<evpoll *> pollers(220);
      int rings = 0;
      for (evpoll *&p : pollers) {
        EXPECT_EQ(0, evpoll_open(nullptr, &p));
        EXPECT_EQ(0, Serve(p, file.handle));
        evpoll_io io = MakeIo(EVPOLL_OP_FDATASYNC, file.handle, 1);
        evpoll_event e = {};
        EXPECT_EQ(1, evpoll_submit(p, &io, 1));
        EXPECT_EQ(1, evpoll_wait(p, &e, 1, kLong));
        EXPECT_EQ(EVPOLL_OK, e.status);
        struct evpoll_poller_info info = {};
        info.struct_size = sizeof info;
        EXPECT_EQ(0, evpoll_info(p, &info));
        rings += info.io_engine == EVPOLL_ENGINE_IO_URING;
      }
      std::printf("%llu KiB: %d of %zu pollers have a ring\n",
                  static_cast<unsigned long long>(c.limit >> 10), rings, pollers.size());
      if (rings > 0 || c.rings == 0) {
        EXPECT_LE(c.rings, rings);
      }
      for (evpoll *p : pollers) EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
    });
  }
}
#endif

} // namespace
} // namespace evp
