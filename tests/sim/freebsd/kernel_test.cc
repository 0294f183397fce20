// SPDX-License-Identifier: MIT
// The simulated kernel itself, where the probes of a real one do not look.
#include "sim_test.h"

namespace {

using namespace evp;

class SimKernel : public ::testing::Test {
protected:
  void SetUp() override { sim_reset(); }
  void TearDown() override {
    sim_hold(false);
    EXPECT_EQ(0, sim_jobs());
    sim_reset();
  }
  template <class Change> void Tell(Change change) {
    struct sim_options o = sim_get();
    change(o);
    sim_set(&o);
  }
};

TEST_F(SimKernel, ASyncWaitsForTheWritesOfItsOpenFileWhateverTheDescriptor) {
  TempFile file("hello"), other("world");
  const int copy = dup(static_cast<int>(file.handle));
  const int again = open(file.path.c_str(), O_RDWR);
  const evpoll_handle handles[] = {file.handle, copy, again, other.handle};
  bool overtook[4] = {};
  for (uint64_t seed = 1; seed <= 100; seed++) {
    Tell([&](auto &o) {
      o.manual = true;
      o.seed = seed;
    });
    char byte = 'x';
    struct aiocb write = MakeAiocb(file.handle, &byte, 1, 0, LIO_WRITE), syncs[4];
    ASSERT_EQ(0, aio_write(&write));
    for (int i = 0; i < 4; i++) {
      syncs[i] = MakeAiocb(handles[i], nullptr, 0, 0);
      ASSERT_EQ(0, aio_fsync(O_SYNC, &syncs[i]));
    }
    while (sim_step())
      for (int i = 0; i < 4; i++)
        overtook[i] |= aio_error(&write) == EINPROGRESS && aio_error(&syncs[i]) == 0;
    EXPECT_EQ(1, aio_return(&write));
    for (struct aiocb &sync : syncs) EXPECT_EQ(0, aio_return(&sync));
  }
  EXPECT_FALSE(overtook[0]);
  EXPECT_FALSE(overtook[1]) << "a duplicate";
  EXPECT_TRUE(overtook[2]) << "opened a second time";
  EXPECT_TRUE(overtook[3]);
  close(copy);
  close(again);
}

TEST_F(SimKernel, AQueueLearnsLateOfOneThatItWatches) {
  Tell([](auto &o) { o.task_ns = 2 * kMillisecond; });
  const int outer = kqueue(), inner = kqueue();
  struct kevent e[4];
  const struct timespec none = {0, 0}, enough = {20, 0};
  EV_SET(&e[0], 7, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, nullptr);
  EV_SET(&e[1], 7, EVFILT_USER, 0, NOTE_TRIGGER, 0, nullptr);
  EV_SET(&e[2], static_cast<uintptr_t>(inner), EVFILT_READ, EV_ADD, 0, 0, nullptr);
  ASSERT_EQ(0, kevent(outer, &e[2], 1, nullptr, 0, nullptr));
  ASSERT_EQ(0, kevent(inner, e, 2, nullptr, 0, nullptr));
  EXPECT_EQ(0, kevent(outer, nullptr, 0, e, 4, &none));
  ASSERT_EQ(1, kevent(outer, nullptr, 0, e, 4, &enough));
  EXPECT_EQ(static_cast<uintptr_t>(inner), e[0].ident);
  EXPECT_EQ(1, kevent(inner, nullptr, 0, e, 4, &none));
  EXPECT_EQ(0, kevent(outer, nullptr, 0, e, 4, &none));
  // By the library: the simulated kernel has to know.
  EXPECT_EQ(0, evpoll_socket_close(inner));
  EXPECT_EQ(0, evpoll_socket_close(outer));
  EXPECT_EQ(0, sim_knotes());
}

} // namespace
