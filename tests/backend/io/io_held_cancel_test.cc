// SPDX-License-Identifier: MIT
// Cancelling operations of which it is known that they run, or that they do not.
#include "held_test.h"

#include <atomic>
#include <cerrno>
#include <map>

namespace evp {
namespace {

EVP_HELD_SOME(HeldCancel, Configs());

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
  OpenWithThreads(5); // one is not for such files
  for (uint64_t i = 0; i < 4; i++) Start(i);
  EXPECT_EQ(1, evpoll_cancel_handle(p, Fd(2)));
  EXPECT_EQ(0, evpoll_cancel_handle(p, Fd(5)));
  EXPECT_EQ(4, evpoll_cancel_all(p));
  held.Release();
  WaitFor(4);
  EXPECT_EQ(0, evpoll_cancel_all(p));
}

// The kernel has as many as its ring holds completions of, and requests need some of it.
TEST_P(HeldCancel, MoreThanTheRingHoldsAreAskedToEndAllTheSame) {
  std::vector<evpoll_io> ios(3000, Slow(1));
  std::vector<char> own(3000);
  for (size_t i = 0; ios[0].buffer && i < 3000; i++) ios[i].buffer = EVPOLL_ADDR(&own[i]);
  ASSERT_EQ(3000, evpoll_submit(p, ios.data(), 3000));
  ASSERT_TRUE(held.AwaitHeld(1));
  EXPECT_EQ(3000, evpoll_cancel_handle(p, Fd(1)));
  held.Release();
  size_t cancelled = 0;
  for (const evpoll_event &e : WaitFor(3000)) cancelled += e.status == EVPOLL_ERR_CANCELLED;
  EXPECT_LE(2900u, cancelled);
}

TEST_P(HeldCancel, OfAListEveryOperationIsAsked) {
  OpenWithThreads(5); // one is not for such files
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 4; i++) ios.push_back(Slow(i));
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
  OpenWithThreads(5); // one is not for such files
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 4; i++) ios.push_back(Slow(i));
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
  for (uint64_t i = 1; i <= 5; i++) queued.push_back(Slow(i));
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
  evpoll_io ios[3] = {Slow(1), Slow(2), Slow(3)};
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
  File file(*this, "content");
  char buffer[8];
  EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 2, buffer, 8)).result);
  held.Release();
  WaitFor(1);
}

TEST_P(HeldCancel, AnOperationThatEndedWithItsThreadIsDoneAllTheSame) {
  // When a thread ends, the system interrupts what it has submitted. Nobody asked for that.
  held.ObeyInterrupts();
  Thread submitter([&] { Start(1); });
  submitter.Join();
  held.Release();
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_OK, e.status) << evpoll_strerror(e.status);
}

TEST_P(HeldCancel, CancelledFromAnotherThreadAWaiterGetsTheEvent) {
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

// Wherever the submission is when the cancel comes, it is not lost, or another one is not.
TEST_P(HeldCancel, ACancelThatOvertakesTheSubmissionMayBeAskedAgain) {
  EVP_GATE(!Pool(), "interruptible io", "threads of the pool run what they have begun");
  held.ObeyInterrupts();
  for (int round = 0; round < Rounds(200); round++) {
    std::atomic<bool> over{false};
    Thread submitter([&] {
      evpoll_io io = Slow(1);
      EXPECT_EQ(1, evpoll_submit(p, &io, 1));
      // A thread's end would be a cancel of its own.
      EXPECT_TRUE(Until([&] { return over.load(); }));
    });
    std::vector<evpoll_event> events;
    EXPECT_TRUE(Until([&] {
      evpoll_cancel_token(p, Fd(1), 1);
      if (events.empty()) events = Wait(0);
      return !events.empty();
    }));
    over = true;
    submitter.Join();
    ASSERT_EQ(1u, events.size()) << "round " << round;
    ASSERT_EQ(EVPOLL_ERR_CANCELLED, events[0].status);
  }
}

} // namespace
} // namespace evp
