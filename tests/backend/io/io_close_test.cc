// SPDX-License-Identifier: MIT
// A handle whose operations run or wait: what remove says, what CLOSE waits for, and that nothing
// reaches the next file of its number.
#include "held_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace evp {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

class HeldClosing : public HeldContract {
protected:
  void SetUp() override {
    HeldContract::SetUp();
    if (IsSkipped()) return;
    number = fcntl(Fd(0), F_DUPFD_CLOEXEC, 0);
    ASSERT_EQ(0, Serve(p, number));
  }
  void OpenWithThreads(uint32_t threads) {
    HeldContract::OpenWithThreads(threads);
    ASSERT_EQ(0, Serve(p, number));
  }
  void TearDown() override {
    HeldContract::TearDown();
    if (number >= 0 && IsOpen(number)) close(number);
  }
  evpoll_io OnNumber(uint64_t token) {
    evpoll_io io = Slow(token);
    io.handle = number;
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    return io;
  }
  evpoll_io SubmitClose(uint64_t token) {
    evpoll_io io = MakeIo(EVPOLL_OP_CLOSE, number, token);
    EXPECT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
    EXPECT_NE(0u, io.op);
    return io;
  }
  int number = -1;
};
INSTANTIATE_TEST_SUITE_P(On, HeldClosing, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(HeldClosing, WithoutOperationsRemoveIsDoneAndCloseIsTheOnlyEvent) {
  ASSERT_EQ(0, evpoll_remove(p, number, kServed));
  ASSERT_EQ(0, Serve(p, number));
  const evpoll_io closing = SubmitClose(9);
  const evpoll_event e = WaitOne();
  EXPECT_EQ(closing.op, e.op);
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(0, e.result);
  EXPECT_FALSE(IsOpen(number));
  ExpectQuiet();
}

// One thread runs, one operation is queued behind it: the first is asked to end, the second has.
TEST_P(HeldClosing, CloseWaitsForWhatTheFileStillHas) {
  OpenWithThreads(1);
  const evpoll_io first = OnNumber(0), second = OnNumber(1);
  ASSERT_TRUE(held.AwaitHeld(Pool() ? 1 : 2));
  const evpoll_io closing = SubmitClose(9);
  if (Pool()) {
    EXPECT_TRUE(IsOpen(number)) << "a thread of the pool names the number";
  }
  evpoll_io late = Slow(3);
  late.handle = number;
  EXPECT_EQ(0, evpoll_submit(p, &late, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, late.status);
  size_t before = 0;
  for (const evpoll_event &e : Wait(0)) {
    EXPECT_EQ(second.op, e.op) << "only what was queued may end by itself";
    EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
    before++;
  }
  held.Release();
  const std::vector<evpoll_event> events = WaitFor(3 - before);
  EXPECT_EQ(closing.op, events.back().op) << "the handle's last event";
  EXPECT_EQ(EVPOLL_OK, events.back().status);
  EXPECT_FALSE(IsOpen(number));
  ExpectQuiet();
  EXPECT_EQ(0u, Stats().io_in_flight);
  EXPECT_NE(first.op, second.op);
}

TEST_P(HeldClosing, RemoveSaysBusyAsLongAsAThreadNamesTheNumber) {
  EVP_GATE(Pool(), "queued operations", "the kernel starts everything at once");
  OpenWithThreads(1);
  const evpoll_io running = OnNumber(0), queued = OnNumber(1);
  ASSERT_TRUE(held.AwaitHeld(1));
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, number, kServed));
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, number, kServed)) << "asked again";
  EXPECT_EQ(EVPOLL_ERR_BUSY, Serve(p, number)) << "an add over it";
  evpoll_event e = WaitOne();
  EXPECT_EQ(queued.op, e.op);
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, number, kServed));
  held.Release();
  EXPECT_EQ(running.op, WaitOne().op);
  EXPECT_TRUE(Until([&] { return evpoll_remove(p, number, kServed) == 0; }));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, number, kServed));
}

TEST_P(HeldClosing, WhatTheKernelHasKeepsNobodyFromClosingTheNumber) {
  EVP_GATE(!Pool(), "kernel's operations", "the pool names the number until an operation is over");
  const evpoll_io io = OnNumber(0);
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(0, evpoll_remove(p, number, kServed));
  close(number);
  File next(*this, "another file");
  EXPECT_EQ(number, next.handle) << "the lowest free number";
  EXPECT_EQ(1, RunIo(MakeIo(EVPOLL_OP_READ, next.handle, 5, &bytes[5], 1)).result);
  held.Release();
  const evpoll_event e = WaitOne();
  EXPECT_EQ(io.op, e.op);
  EXPECT_TRUE(e.status == 0 ? bytes[0] == 'h' : e.status == EVPOLL_ERR_CANCELLED) << e.status;
}

TEST_P(HeldClosing, CloseAfterABusyRemoveIsAccepted) {
  EVP_GATE(Pool(), "queued operations", "the kernel starts everything at once");
  OnNumber(0);
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, number, kServed));
  const evpoll_io closing = SubmitClose(9);
  evpoll_io twice = MakeIo(EVPOLL_OP_CLOSE, number, 10);
  EXPECT_EQ(0, evpoll_submit(p, &twice, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, twice.status);
  ExpectQuiet();
  held.Release();
  EXPECT_EQ(closing.op, WaitFor(2).back().op);
  EXPECT_FALSE(IsOpen(number));
}

TEST_P(HeldClosing, AHoldKeepsTheNumberUntilItIsReleased) {
  ASSERT_EQ(0, evpoll_hold(p, number, kServed));
  const evpoll_io closing = SubmitClose(9);
  ExpectQuiet();
  EXPECT_TRUE(IsOpen(number));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_hold(p, number, kServed)) << "it has ended";
  ASSERT_EQ(0, evpoll_release(p, number));
  EXPECT_EQ(closing.op, WaitOne().op);
  EXPECT_FALSE(IsOpen(number));
}

TEST_P(HeldClosing, CloseIsNeverRefused) {
  Open(0, 1);
  ASSERT_EQ(0, Serve(p, number));
  OnNumber(0);
  evpoll_io more = Slow(1);
  EXPECT_EQ(0, evpoll_submit(p, &more, 1));
  EXPECT_EQ(EVPOLL_ERR_AGAIN, more.status);
  ASSERT_EQ(0, evpoll_shutdown(p));
  const evpoll_io closing = SubmitClose(9);
  held.Release();
  EXPECT_EQ(closing.op, WaitFor(2).back().op);
  EXPECT_FALSE(IsOpen(number));
}

TEST_P(HeldClosing, AListsOperationsAreWaitedForToo) {
  evpoll_io io = Slow(0);
  io.handle = number;
  ASSERT_EQ(1, evpoll_submit_list(p, &io, 1, 7, nullptr));
  ASSERT_TRUE(held.AwaitHeld(1));
  const evpoll_io closing = SubmitClose(9);
  ExpectQuiet();
  held.Release();
  const std::vector<evpoll_event> events = WaitFor(2);
  EXPECT_EQ(7u, events[0].token);
  EXPECT_EQ(closing.op, events[1].op);
}

TEST_P(HeldClosing, ClosingThePollerFinishesWhatCloseBegan) {
  OnNumber(0);
  ASSERT_TRUE(held.AwaitHeld(1));
  SubmitClose(9);
  EXPECT_EQ(EVPOLL_ERR_TIMEOUT, evpoll_close(p, 0));
  held.Release();
  ASSERT_EQ(0, evpoll_close(p, kLong));
  p = nullptr;
  EXPECT_FALSE(IsOpen(number));
}

TEST_P(HeldClosing, OtherFilesAreServedMeanwhile) {
  OpenWithThreads(2);
  OnNumber(0);
  ASSERT_TRUE(held.AwaitHeld(1));
  SubmitClose(9);
  for (int round = 0; round < 50; round++) {
    File file(*this, "content");
    ASSERT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 2, bytes, 8)).result);
  }
  held.Release();
  WaitFor(2);
  EXPECT_FALSE(IsOpen(number));
}

TEST_P(HeldClosing, AQueuedWriteDoesNotReachTheNextFileOfItsNumber) {
  // The only thread of the pool is kept busy while a file is removed, closed and another opened.
  EVP_GATE(Pool(), "queued operations", "the kernel starts everything at once");
  for (bool by_close : {false, true}) {
    OpenWithThreads(1);
    held.Hold();
    Start(1);
    File gone(*this);
    char text[] = "queued";
    evpoll_io io = MakeIo(EVPOLL_OP_WRITE, gone.handle, 5, text, 6);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    const evpoll_handle h = gone.handle;
    if (by_close) {
      evpoll_io closing = MakeIo(EVPOLL_OP_CLOSE, h, 9);
      ASSERT_EQ(1, evpoll_submit(p, &closing, 1));
    } else {
      EXPECT_EQ(0, evpoll_remove(p, h, kServed)) << "what was queued was taken out";
      EXPECT_EQ(0, evpoll_file_close(h));
    }
    gone.handle = -1;
    const evpoll_event e = WaitOne();
    EXPECT_EQ(io.op, e.op);
    EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
    File innocent(*this, "innocent");
    EXPECT_EQ(by_close, h != innocent.handle);
    held.Release();
    WaitFor(by_close ? 2 : 1);
    char back[16] = {};
    EXPECT_EQ(8, pread(static_cast<int>(innocent.handle), back, sizeof back, 0));
    EXPECT_STREQ("innocent", back) << "a write went to another file";
  }
}

// Threads of the kernel look the number of a sync up when they get to it. They are all kept busy.
TEST_P(HeldClosing, ASyncThatTheKernelHasNotBegunKeepsTheNumber) {
  EVP_GATE(!Pool(), "kernel's operations", "this is about threads of the kernel");
  std::vector<evpoll_io> busy(300, Slow(1));
  ASSERT_EQ(300, evpoll_submit(p, busy.data(), 300));
  ASSERT_TRUE(held.AwaitHeld(1));
  for (bool by_close : {false, true}) {
    File file(*this, "content");
    evpoll_io sync = MakeIo(EVPOLL_OP_FSYNC, file.handle, 5);
    ASSERT_EQ(1, evpoll_submit(p, &sync, 1));
    const int fd = static_cast<int>(file.handle);
    if (by_close) {
      evpoll_io closing = MakeIo(EVPOLL_OP_CLOSE, fd, 9);
      ASSERT_EQ(1, evpoll_submit(p, &closing, 1));
      EXPECT_TRUE(IsOpen(fd)) << "closed before the sync's end";
      const std::vector<evpoll_event> events = WaitFor(2);
      EXPECT_EQ(sync.op, events[0].op);
      EXPECT_EQ(EVPOLL_ERR_CANCELLED, events[0].status);
      EXPECT_EQ(closing.op, events[1].op);
      EXPECT_FALSE(IsOpen(fd));
      file.handle = -1;
    } else {
      EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, fd, kServed));
      const evpoll_event e = WaitOne();
      EXPECT_EQ(sync.op, e.op);
      EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
      EXPECT_EQ(0, evpoll_remove(p, fd, kServed));
      ASSERT_EQ(0, Serve(p, fd)); // as File expects
    }
  }
  held.Release();
  WaitFor(300);
}

// close() itself may take as long as a file's server likes.
TEST_P(HeldClosing, ACloseThatHangsHoldsUpNobodyElse) {
  held.Hold(kHeldClose);
  const evpoll_io closing = SubmitClose(9);
  ASSERT_TRUE(held.AwaitHeld(1));
  Pair pair;
  Send(pair.b, "x");
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_ONESHOT));
  EXPECT_EQ(5u, WaitOne().token);
  ASSERT_EQ(0, evpoll_remove(p, pair.a, 5));
  {
    File file(*this, "content");
    EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 2, bytes, 8)).result);
  }
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, closing.op)) << "it cannot be cancelled";
  ExpectQuiet();
  EXPECT_LE(1u, held.Held()) << "not answered yet";
  held.Release();
  EXPECT_EQ(closing.op, WaitOne().op);
}

// ... also where nothing has needed the pool so far.
TEST_P(HeldClosing, ACloseThatHangsIsNotMadeByWhoeverIsThere) {
  Contract::Open();
  ASSERT_EQ(0, Serve(p, number));
  held.Hold(kHeldClose);
  const evpoll_io closing = SubmitClose(9);
  ASSERT_TRUE(held.AwaitHeld(1));
  ExpectQuiet();
  EXPECT_LE(1u, held.Held()) << "not answered yet";
  held.Release();
  EXPECT_EQ(closing.op, WaitOne().op);
}

TEST_P(HeldClosing, NorByTheWaitThatDeliversTheLastEvent) {
  Contract::Open();
  ASSERT_EQ(0, Serve(p, number));
  held.Release();
  evpoll_io sync = MakeIo(EVPOLL_OP_FSYNC, number, 1);
  ASSERT_EQ(1, evpoll_submit(p, &sync, 1));
  held.Hold(kHeldClose);
  const evpoll_io closing = SubmitClose(9);
  EXPECT_EQ(sync.op, WaitOne().op);
  EXPECT_TRUE(held.AwaitHeld(1));
  ExpectQuiet();
  EXPECT_LE(1u, held.Held()) << "not answered yet";
  held.Release();
  EXPECT_EQ(closing.op, WaitOne().op);
}

EVP_CONTRACT(IoNumbers);

// The number is closed as soon as remove says so, and given to another file.
TEST_P(IoNumbers, NothingReachesTheNextFileOfANumber) {
  const std::string old_text(4096, 'o'), new_text(4096, 'n');
  TempFile other(new_text);
  std::vector<char> data(16 * 64);
  const Effort effort(300);
  for (int round = 0; !effort.Enough(round); round++) {
    File file(*this, old_text);
    const int number = static_cast<int>(file.handle);
    // Nothing in the cache: the kernel has to come back to it.
    fsync(number);
    posix_fadvise(number, 0, 0, POSIX_FADV_DONTNEED);
    evpoll_io ios[18];
    for (uint64_t i = 0; i < 16; i++)
      ios[i] = MakeIo(EVPOLL_OP_READ, number, i, &data[i * 64], 64, static_cast<int64_t>(i) * 200);
    ios[16] = MakeIo(EVPOLL_OP_FSYNC, number, 16);
    ios[17] = MakeIo(EVPOLL_OP_FDATASYNC, number, 17);
    ASSERT_EQ(18, evpoll_submit(p, ios, 18));
    size_t got = 0;
    const auto take = [&] {
      for (const evpoll_event &e : Wait(0)) {
        got++;
        ASSERT_TRUE(e.status == 0 || e.status == EVPOLL_ERR_CANCELLED)
            << "token " << e.token << ": " << evpoll_strerror(e.status) << " " << e.result;
        if (e.status == 0 && e.token < 16) {
          ASSERT_EQ(std::string(64, 'o'), std::string(&data[e.token * 64], 64));
        }
      }
    };
    ASSERT_TRUE(Until([&] {
      const int32_t status = evpoll_remove(p, number, kServed);
      EXPECT_TRUE(status == 0 || status == EVPOLL_ERR_BUSY) << status;
      if (status) take();
      return status == 0 || HasFailure();
    }));
    ASSERT_EQ(number, dup2(static_cast<int>(other.handle), number));
    ASSERT_TRUE(Until([&] {
      take();
      return got == 18 || HasFailure();
    }));
    ASSERT_FALSE(HasFailure());
    ASSERT_EQ(0, Serve(p, number)); // as File expects
  }
}

} // namespace
} // namespace evp
