// SPDX-License-Identifier: MIT
// Cancelling operations of which it is known that they run, or that they do not.
#include "held_test.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <map>

namespace evp {
namespace {

EVP_HELD_SOME(HeldCancel, Configs());
EVP_HELD_SOME(HeldThreads, FreeThreadedConfigs());

TEST_P(HeldCancel, ARunningOperationIsAskedAndReportsWhenItEnds) {
  const evpoll_io io = Start(1);
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  ExpectQuiet(); // its buffer is the kernel's as long as it runs
  EXPECT_EQ(1u, Stats().io_in_flight);
  held.Release();
  const evpoll_event e = WaitOne();
  EXPECT_EQ(io.op, e.op);
  EXPECT_TRUE(e.status == EVPOLL_ERR_CANCELLED || e.status == 0) << e.status;
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, io.op));
  ExpectQuiet();
}

TEST_P(HeldCancel, AnOperationThatLetsItselfBeInterruptedEndsCancelled) {
  EVP_GATE(!Pool(), "interruptible io", "threads of the pool run what they have begun");
  held.ObeyInterrupts();
  const evpoll_io io = Start(1);
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(io.op, e.op);
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  EXPECT_EQ(1u, Stats().io_cancelled);
}

TEST_P(HeldCancel, TheNumberOfThoseAskedIsExact) {
  OpenWithThreads(4);
  for (uint64_t i = 0; i < 4; i++) Start(i);
  EXPECT_EQ(1, evpoll_cancel_handle(p, held.fd(2)));
  EXPECT_EQ(0, evpoll_cancel_handle(p, held.fd(5)));
  EXPECT_EQ(4, evpoll_cancel(p, EVPOLL_OP_ALL));
  held.Release();
  WaitFor(4);
  EXPECT_EQ(0, evpoll_cancel(p, EVPOLL_OP_ALL));
}

TEST_P(HeldCancel, OfAListEveryOperationIsAsked) {
  OpenWithThreads(4);
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 4; i++) ios.push_back(Sync(i));
  uint64_t op = 0;
  ASSERT_EQ(4, evpoll_submit_list(p, ios.data(), 4, 7, &op));
  ASSERT_TRUE(held.AwaitHeld(4));
  evpoll_result results[4];
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_list_take(p, op, results, 4));
  EXPECT_EQ(4, evpoll_cancel(p, op));
  ExpectQuiet();
  held.Release();
  const evpoll_event e = WaitOne();
  EXPECT_EQ(op, e.op);
  EXPECT_EQ(4, evpoll_list_take(p, op, results, 4));
}

TEST_P(HeldCancel, AListReportsWhenItsLastEntryEndsAndNotBefore) {
  OpenWithThreads(4);
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 4; i++) ios.push_back(Sync(i));
  ASSERT_EQ(4, evpoll_submit_list(p, ios.data(), 4, 7, nullptr));
  ASSERT_TRUE(held.AwaitHeld(4));
  for (int i = 0; i < 3; i++) {
    held.ReleaseSome(1);
    ExpectQuiet();
  }
  held.Release(EIO);
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_ERR_PARTIAL, e.status);
  EXPECT_EQ(3, e.result);
}

TEST_P(HeldCancel, WhatWaitsForAThreadOfThePoolEndsAtOnce) {
  EVP_GATE(Pool(), "queued operations", "the kernel starts everything at once");
  OpenWithThreads(1);
  const evpoll_io running = Start(0);
  std::vector<evpoll_io> queued;
  for (uint64_t i = 1; i <= 5; i++) queued.push_back(Sync(i));
  ASSERT_EQ(5, evpoll_submit(p, queued.data(), 5));
  // From the middle, the front and the back of the queue.
  for (size_t i : {2u, 0u, 4u}) {
    EXPECT_EQ(1, evpoll_cancel(p, queued[i].op));
    const evpoll_event e = WaitOne();
    EXPECT_EQ(queued[i].op, e.op);
    EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  }
  held.Release();
  std::map<uint64_t, int32_t> left;
  for (const evpoll_event &e : WaitFor(3)) left[e.op] = e.status;
  EXPECT_EQ(0, left[running.op]);
  EXPECT_EQ(0, left[queued[1].op]);
  EXPECT_EQ(0, left[queued[3].op]);
  EXPECT_EQ(3u, Stats().io_cancelled);
}

TEST_P(HeldCancel, TheQueueOfThePoolWorksOnAfterItsEndWasCancelled) {
  EVP_GATE(Pool(), "queued operations", "the kernel starts everything at once");
  OpenWithThreads(1);
  Start(0);
  evpoll_io ios[3] = {Sync(1), Sync(2), Sync(3)};
  for (size_t cancelled : {1u, 0u}) { // the last of two, then the only one
    ASSERT_EQ(1, evpoll_submit(p, &ios[0], 1));
    if (cancelled == 1) {
      ASSERT_EQ(1, evpoll_submit(p, &ios[1], 1));
    }
    EXPECT_EQ(1, evpoll_cancel(p, ios[cancelled].op));
    EXPECT_EQ(ios[cancelled].op, WaitOne().op);
    ASSERT_EQ(1, evpoll_submit(p, &ios[2], 1));
    held.Release();
    for (const evpoll_event &e : WaitFor(cancelled == 1 ? 3 : 2)) EXPECT_EQ(EVPOLL_OK, e.status);
    held.Hold();
    Start(0);
  }
}

TEST_P(HeldCancel, ACancelledOperationDoesNotBlockTheNextOnTheSameRing) {
  OpenWithThreads(2);
  const evpoll_io io = Start(1);
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  TempFile file("content");
  char buffer[8];
  EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_IO_READ, file.handle, 2, buffer, 8)).result);
  held.Release();
  WaitFor(1);
}

TEST_P(HeldCancel, ClosedWhileItRunsAnOperationGoesOnAndReports) {
  const int other = fcntl(held.fd(), F_DUPFD_CLOEXEC, 0);
  evpoll_io io = MakeIo(EVPOLL_IO_FSYNC, other, 1);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(0, evpoll_file_close(other));
  ExpectQuiet();
  held.Release();
  EXPECT_EQ(EVPOLL_OK, WaitOne().status);
}

TEST_P(HeldCancel, AQueuedOperationDoesNotReachTheFileThatTakesOverItsNumber) {
  // The thread of the pool is kept busy while the number of the file changes hands.
  OpenWithThreads(1);
  Start(0);
  TempFile closed;
  char text[] = "queued";
  evpoll_io io = MakeIo(EVPOLL_IO_WRITE, closed.handle, 1, text, 6);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  const evpoll_handle number = closed.handle;
  ASSERT_EQ(0, evpoll_file_close(closed.handle));
  closed.handle = -1;
  TempFile innocent("innocent");
  EXPECT_NE(number, innocent.handle) << "nobody gets it before the operation has reported";
  held.Release();
  WaitFor(2);
  char back[16] = {};
  EXPECT_EQ(8, pread(static_cast<int>(innocent.handle), back, sizeof back, 0));
  EXPECT_STREQ("innocent", back) << "a write went to another file";
}

TEST_P(HeldThreads, AnOperationThatEndedWithItsThreadIsDoneAllTheSame) {
  // When a thread ends, the system interrupts what it has submitted. Nobody asked for that.
  held.ObeyInterrupts();
  Thread submitter([&] { Start(1); });
  submitter.Join();
  held.Release();
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_OK, e.status) << evpoll_strerror(e.status);
}

TEST_P(HeldThreads, CancelledFromAnotherThreadAWaiterGetsTheEvent) {
  EVP_GATE(!Pool(), "interruptible io", "threads of the pool run what they have begun");
  held.ObeyInterrupts();
  for (int round = 0; round < 20; round++) {
    const evpoll_io io = Start(1);
    Thread canceller([&] { EXPECT_EQ(1, evpoll_cancel(p, io.op)); });
    const evpoll_event e = WaitOne();
    EXPECT_EQ(io.op, e.op);
    EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  }
}

} // namespace
} // namespace evp
