// SPDX-License-Identifier: MIT
// A call of the system that takes long, by whatever reason: nobody else's call waits for it. The
// one exception is named: other submissions and cancels to the same ring, which the kernel locks
// itself.
#include "fault_test.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

namespace evp {
namespace {

using fault::Block;
using fault::Unblock;

class FaultBlocked : public FaultTest {
protected:
  void SetUp() override {
    FaultTest::SetUp();
    Open();
    info.struct_size = sizeof info;
    ASSERT_EQ(0, evpoll_info(p, &info));
  }
  void TearDown() override {
    Unblock();
    FaultTest::TearDown();
  }
  bool Ring() const { return info.io_engine == EVPOLL_ENGINE_IO_URING; }

  // What anybody may do meanwhile.
  void Others() {
    evpoll *other = nullptr;
    ASSERT_EQ(0, evpoll_open(nullptr, &other));
    TempFile its("content");
    ASSERT_EQ(0, Serve(other, its.handle));
    char bytes[8];
    evpoll_io ios[] = {MakeIo(EVPOLL_OP_READ, its.handle, 1, bytes, 7),
                       MakeIo(EVPOLL_OP_FDATASYNC, its.handle, 2)};
    evpoll_event e;
    ASSERT_EQ(2, evpoll_submit(other, ios, 2));
    for (int i = 0; i < 2; i++) ASSERT_EQ(1, evpoll_wait(other, &e, 1, kLong));
    ASSERT_EQ(0, evpoll_remove(other, its.handle, kServed));
    its.Close();
    ASSERT_EQ(0, evpoll_close(other, EVPOLL_INFINITE));
    const pid_t child = fork();
    if (child == 0) _exit(0);
    int state = -1;
    ASSERT_EQ(child, waitpid(child, &state, 0));
    Pair s;
    Send(s.b, "x");
    ASSERT_EQ(0, evpoll_add(p, s.a, 5, EVPOLL_READABLE, EVPOLL_ONESHOT));
    EXPECT_EQ(5u, WaitOne().token);
    ASSERT_EQ(0, evpoll_modify(p, s.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
    EXPECT_EQ(5u, WaitOne().token);
    ASSERT_EQ(0, evpoll_remove(p, s.a, 5));
    ASSERT_EQ(0, evpoll_post(p, 6, 1));
    EXPECT_EQ(6u, WaitOne().token);
    ExpectQuiet();
    Stats();
    EXPECT_LT(0, evpoll_describe(p, nullptr, 0));
    EXPECT_EQ(0, evpoll_info(p, &info));
    // Another file of this poller comes, is held and goes.
    TempFile mine("content");
    ASSERT_EQ(0, Serve(p, mine.handle));
    ASSERT_EQ(0, evpoll_hold(p, mine.handle, kServed));
    ASSERT_EQ(0, evpoll_release(p, mine.handle));
    ASSERT_EQ(0, evpoll_remove(p, mine.handle, kServed));
  }
  // One that is in the way of nothing: by the pool, or of another file.
  void CloseAnother() {
    const int copy = fcntl(static_cast<int>(file.handle), F_DUPFD_CLOEXEC, 0);
    ASSERT_EQ(0, Serve(p, copy));
    EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_CLOSE, copy, 8)).status);
  }

  struct evpoll_poller_info info = {};
};
INSTANTIATE_TEST_SUITE_P(On, FaultBlocked, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(FaultBlocked, ASubmissionToTheRing) {
  EVP_GATE(Ring(), "io_uring", "the kernel refuses it");
  Block(fault::kRingSubmit);
  Thread submitter([&] {
    evpoll_io io = Read(1);
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
  });
  ASSERT_TRUE(Until([] { return fault::Blocked(); }));
  Others();
  CloseAnother();
  Unblock();
  submitter.Join();
  EXPECT_EQ(1u, WaitOne().token);
}

TEST_P(FaultBlocked, AThreadOfThePool) {
  EVP_GATE(!Ring(), "pool", "the ring serves");
  for (fault::Call call : {fault::kPread, fault::kPwrite, fault::kFsync}) {
    evpoll_io io = call == fault::kPread    ? Read(1)
                   : call == fault::kPwrite ? MakeIo(EVPOLL_OP_WRITE, file.handle, 1, &bytes[0], 1)
                                            : MakeIo(EVPOLL_OP_FSYNC, file.handle, 1);
    Block(call);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    ASSERT_TRUE(Until([] { return fault::Blocked(); }));
    Others();
    CloseAnother();
    EXPECT_EQ(1, evpoll_cancel(p, io.op));
    EXPECT_EQ(1, evpoll_cancel_all(p));
    EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, file.handle, kServed)) << "a thread names it";
    Unblock();
    EXPECT_EQ(1u, WaitOne().token);
    EXPECT_EQ(0, evpoll_remove(p, file.handle, kServed));
    ASSERT_EQ(0, Serve(p, file.handle));
  }
}

TEST_P(FaultBlocked, AReadInPlace) {
  fault::ColdCache(false);
  Block(fault::kCachedRead);
  Thread submitter([&] {
    evpoll_io io = Read(1);
    io.flags = EVPOLL_OPF_INLINE;
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    EXPECT_EQ(0u, io.op);
  });
  ASSERT_TRUE(Until([] { return fault::Blocked(); }));
  Others();
  CloseAnother();
  EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, 2)).status);
  EXPECT_EQ(0, evpoll_cancel_all(p));
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, file.handle, kServed));
  Unblock();
  submitter.Join();
  fault::ColdCache(true);
  EXPECT_EQ(0, evpoll_remove(p, file.handle, kServed));
  ASSERT_EQ(0, Serve(p, file.handle));
}

TEST_P(FaultBlocked, ALookAtAFileThatIsAdded) {
  const int copy = fcntl(static_cast<int>(file.handle), F_DUPFD_CLOEXEC, 0);
  Block(fault::kStat);
  Thread adder([&] { EXPECT_EQ(0, Serve(p, copy)); });
  ASSERT_TRUE(Until([] { return fault::Blocked(); }));
  Others();
  RunIo(Read(1));
  EXPECT_EQ(0, evpoll_cancel_all(p));
  Unblock();
  adder.Join();
  EXPECT_EQ(0, evpoll_remove(p, copy, kServed));
  close(copy);
}

// The set is made anew, and a thread adds a number that is larger than all before meanwhile.
TEST_P(FaultBlocked, ASetThatIsMadeAnewHasWhatIsAddedMeanwhile) {
  Pair stale, fresh;
  Send(stale.b, "x");
  Send(fresh.b, "x");
  const int high = fcntl(static_cast<int>(fresh.a), F_DUPFD_CLOEXEC, 900);
  ASSERT_LE(900, high);
  ASSERT_EQ(0, evpoll_add(p, stale.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  const int copy = fcntl(static_cast<int>(stale.a), F_DUPFD_CLOEXEC, 0);
  const evpoll_handle closed = stale.a;
  stale.CloseA();
  ASSERT_EQ(0, evpoll_remove(p, closed, 1));
  Block(fault::kEpollCreate);
  std::atomic<bool> adding{false};
  Thread adder([&] {
    EXPECT_TRUE(Until([] { return fault::Blocked(); }));
    adding = true;
    EXPECT_EQ(0, evpoll_add(p, high, 77, EVPOLL_READABLE, EVPOLL_LEVEL));
  });
  Thread ends([&] {
    EXPECT_TRUE(Until([&] { return adding.load(); }));
    for (int i = 0; i < 1000; i++) std::this_thread::yield();
    Unblock();
  });
  EXPECT_EQ(77u, WaitOne().token);
  adder.Join();
  ASSERT_TRUE(Until([&] {
    Wait(kMillisecond);
    return Stats().set_rebuilds > 0 || HasFailure();
  }));
  EXPECT_EQ(77u, WaitOne().token);
  EXPECT_EQ(0, evpoll_remove(p, high, 77));
  close(high);
  close(copy);
}

} // namespace
} // namespace evp
