// SPDX-License-Identifier: MIT
// fork: the child's calls give FORKED, its close only frees, and the parent is untouched. An
// epoll_ctl in the child would edit the parent's set, which is the same one.
#include "linux.h"

#include <atomic>

namespace {

using namespace evp;

EVP_CONTRACT(Fork);

void ExpectForked(evpoll *p, evpoll_handle h, evpoll_handle file) {
  evpoll_event event;
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_wait(p, &event, 1, EVPOLL_INFINITE));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_turn(p, nullptr, 0, nullptr, 0, &event, 1, EVPOLL_INFINITE));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_add(p, h, 9, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_modify(p, h, 7, 0, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_rearm(p, h, 7, EVPOLL_READABLE));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_remove(p, h, 7));
  evpoll_change c = {};
  c.action = EVPOLL_CHANGE_REMOVE;
  c.handle = h;
  c.token = 7;
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_update(p, &c, 1));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_update(p, nullptr, 0));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_turn(p, &c, 1, nullptr, 0, &event, 1, 0));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_wake(p));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_post(p, 1, 2));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_shutdown(p));
  char byte = 0;
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file, 1, &byte, 1);
  evpoll_result result;
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_submit_list(p, &io, 1, 1, nullptr));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_list_take(p, 2, &result, 1));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_cancel_all(p));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_cancel_handle(p, file));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_cancel_token(p, file, 1));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_retime(p, file, 1, 0));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_hold(p, file, kServed));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_release(p, file));
  EXPECT_EQ(EVPOLL_ERR_FORKED, Serve(p, file));
  evpoll_handle inside;
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_poller_handle(p, &inside));
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_info(p, &info));
  struct evpoll_poller_stats stats = {};
  stats.struct_size = sizeof stats;
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_stats(p, &stats));
  EXPECT_EQ(EVPOLL_ERR_FORKED, evpoll_describe(p, nullptr, 0));
  EXPECT_EQ(0, evpoll_os_error());
}

TEST_P(Fork, EveryCallOfTheChildSaysSo) {
  Pair s;
  File file(*this, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  InForkedChild([&] { ExpectForked(p, s.a, file.handle); });
}

TEST_P(Fork, AGrandchildIsNoBetter) {
  Pair s;
  File file(*this, "x");
  InForkedChild([&] { InForkedChild([&] { ExpectForked(p, s.a, file.handle); }); });
}

TEST_P(Fork, CloseInTheChildOnlyFrees) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (int i = 0; i < 3; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
  InForkedChild([&] { EXPECT_EQ(0, evpoll_close(p, 0)); });
  InForkedChild([&] { EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE)); });
  int next = 0;
  for (const evpoll_event &e : WaitFor(3)) EXPECT_EQ(next++, e.result);
  ExpectQuiet();
  Send(s.b, "x");
  EXPECT_EQ(7u, WaitOne().token);
}

TEST_P(Fork, TheParentsRegistrationsAreUntouched) {
  Pair level, oneshot, edge;
  File file(*this, "x");
  ASSERT_EQ(0, evpoll_add(p, level.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_add(p, oneshot.a, 8, EVPOLL_READABLE, EVPOLL_ONESHOT));
  ASSERT_EQ(0, evpoll_add(p, edge.a, 9, EVPOLL_READABLE, EVPOLL_EDGE));
  InForkedChild([&] {
    for (const Pair *s : {&level, &oneshot, &edge}) ExpectForked(p, s->a, file.handle);
    EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
  });
  ExpectQuiet(); // the child's wake, post and shutdown included
  Send(oneshot.b, "x");
  EXPECT_EQ(8u, WaitOne().token);
  Send(edge.b, "x");
  EXPECT_EQ(9u, WaitOne().token);
  Drain(edge.a);
  Send(level.b, "x");
  for (int i = 0; i < 2; i++) EXPECT_EQ(7u, WaitOne().token);
  EXPECT_EQ(0, evpoll_remove(p, level.a, 7));
  EXPECT_EQ(0, evpoll_rearm(p, oneshot.a, 8, EVPOLL_READABLE));
  EXPECT_EQ(8u, WaitOne().token);
}

TEST_P(Fork, TheChildMayOpenItsOwn) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  InForkedChild([&] {
    ASSERT_EQ(0, evpoll_close(p, 0));
    p = nullptr;
    Open();
    EXPECT_EQ(0, evpoll_add(p, s.a, 8, EVPOLL_READABLE, EVPOLL_ONESHOT));
    EXPECT_EQ(8u, WaitOne().token);
    EXPECT_EQ(0, evpoll_post(p, 1, 2));
    EXPECT_EQ(1u, WaitOne().token);
    Close();
  });
  EXPECT_EQ(7u, WaitOne().token);
  ExpectQuiet();
}

TEST_P(Fork, OperationsInFlightStayTheParents) {
  EVP_GATE(Has(EVPOLL_FEATURE_FILE_IO), "file_io", "no engine for file operations");
  File file(*this, std::string(65536, 'x'));
  std::vector<std::vector<char>> buffers(32, std::vector<char>(65536));
  for (auto &b : buffers) {
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 1, b.data(), b.size());
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  }
  InForkedChild([&] { EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE)); });
  for (const evpoll_event &e : WaitFor(buffers.size())) EXPECT_EQ(65536, e.result);
  for (auto &b : buffers) EXPECT_EQ(std::vector<char>(65536, 'x'), b);
}

// The waiter is no thread of the child: nobody is left there who could leave.
TEST_P(Fork, WhileAThreadWaits) {
  std::atomic<pid_t> id{0};
  std::atomic<int32_t> result{0};
  Pair s;
  File file(*this, "x");
  Thread waiter([&] {
    id = ThreadId();
    evpoll_event event;
    result = LongWait(p, &event, 1);
  });
  ASSERT_TRUE(Until([&] { return id != 0 && Sleeps(id); }));
  InForkedChild([&] {
    ExpectForked(p, s.a, file.handle);
    EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
  });
  EXPECT_EQ(0, result) << "the child woke the parent's waiter";
  EXPECT_EQ(0, evpoll_wake(p));
  waiter.Join();
  EXPECT_EQ(1, result);
}

// Whatever lock another thread holds at the moment of the fork, the child must not need it.
TEST_P(Fork, WhileAnotherThreadIsInsideCalls) {
  std::atomic<bool> done{false};
  File file(*this, "x");
  Pair s;
  Thread poster([&] {
    for (int i = 0; !done; i++) {
      evpoll_post(p, 1, i);
      evpoll_wake(p);
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < Rounds(40); i++) {
    Wait(0, 4096);
    InForkedChild([&] {
      ExpectForked(p, s.a, file.handle);
      EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
    });
    if (HasFailure()) break;
  }
  done = true;
}

EVP_CONTRACT(ForkThreads);

TEST_P(ForkThreads, WhileOthersRegister) {
  std::atomic<bool> done{false};
  File file(*this, "x");
  Pair s;
  std::vector<Thread> threads;
  for (int t = 0; t < 2; t++)
    threads.emplace_back([&] {
      Pair own;
      for (uint64_t i = 0; !done; i++) {
        EXPECT_EQ(0, evpoll_add(p, own.a, i, EVPOLL_READABLE, EVPOLL_ONESHOT));
        EXPECT_EQ(0, evpoll_remove(p, own.a, i));
      }
    });
  for (int i = 0; i < Rounds(40); i++) {
    InForkedChild([&] {
      ExpectForked(p, s.a, file.handle);
      EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
    });
    if (HasFailure()) break;
  }
  done = true;
}

} // namespace
