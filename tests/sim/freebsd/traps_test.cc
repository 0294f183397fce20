// SPDX-License-Identifier: MIT
// What a FreeBSD kernel surprises with, one test each. Only a kernel that does as it is told can be
// made to: orders of completions, failures, partial lists, cancels that come too late.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "sim_test.h"

namespace {

using namespace evp;

class Traps : public OnSim {};
INSTANTIATE_TEST_SUITE_P(On, Traps, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(Traps, CompletionsBeforeTheSubmittingCallReturns) {
  Tell([](auto &o) { o.before_percent = 100; });
  Reads reads(*this, 500);
  ASSERT_EQ(500, reads.Submit(p));
  for (const evpoll_event &e : WaitFor(500)) reads.See(e);
}

TEST_P(Traps, EachKindOfOperationIsAKindOfTheKernels) {
  File file(*this, "hello");
  char text[2][6] = {"world", "world"}; /* the two of a list run at the same time */
  struct evpoll_iovec pieces[2][2];
  for (int i = 0; i < 2; i++) {
    pieces[i][0] = {EVPOLL_ADDR(text[i]), 2};
    pieces[i][1] = {EVPOLL_ADDR(text[i] + 2), 3};
  }
  const struct {
    uint32_t code;
    enum sim_call job;
    void *buffers[2];
    uint64_t length;
  } kinds[] = {{EVPOLL_OP_WRITE, SIM_WRITE, {text[0], text[1]}, 5},
               {EVPOLL_OP_READ, SIM_READ, {text[0], text[1]}, 5},
               {EVPOLL_OP_WRITEV, SIM_WRITEV, {pieces[0], pieces[1]}, 2},
               {EVPOLL_OP_READV, SIM_READV, {pieces[0], pieces[1]}, 2},
               {EVPOLL_OP_FSYNC, SIM_SYNC, {}, 0},
               {EVPOLL_OP_FDATASYNC, SIM_DSYNC, {}, 0}};
  for (bool list : {false, true})
    for (const auto &kind : kinds) {
      SCOPED_TRACE(::testing::Message() << "code " << kind.code << " list " << list);
      const uint64_t before = sim_count(kind.job);
      std::vector<evpoll_io> ios;
      for (int i = 0; i < (list ? 2 : 1); i++)
        ios.push_back(MakeIo(kind.code, file.handle, 7, kind.buffers[i], kind.length));
      const int32_t n = static_cast<int32_t>(ios.size());
      ASSERT_EQ(n, evpoll_submit(p, ios.data(), n));
      for (const evpoll_event &e : WaitFor(static_cast<size_t>(n))) EXPECT_EQ(0, e.status);
      EXPECT_EQ(before + static_cast<uint64_t>(n), sim_count(kind.job));
    }
  EXPECT_EQ(0u, Stats().pool_threads);
}

TEST_P(Traps, CompletionsInAnyOrder) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    Tell([&](auto &o) {
      o.seed = seed;
      o.before_percent = static_cast<int>(seed * 5 % 100);
      o.queue_per_process = static_cast<int>(1 + seed * 7);
    });
    Reads reads(*this, 300);
    ASSERT_EQ(300, reads.Submit(p));
    for (const evpoll_event &e : WaitFor(300, static_cast<int32_t>(1 + seed % 5 * 20)))
      reads.See(e);
  }
}

TEST_P(Traps, AnEventIsFetchedByOneWaiter) {
  EVP_GATE(!SingleWaiter(GetParam()), "many waiters", "this configuration has one");
  Reads reads(*this, 2000);
  std::atomic<int> left{2000};
  std::vector<Thread> threads;
  for (int i = 0; i < 3; i++)
    threads.emplace_back([&] {
      evpoll_event events[8];
      while (left > 0) {
        const int32_t n = evpoll_wait(p, events, 8, kMillisecond);
        if (n > 0) left -= n;
      }
    });
  ASSERT_EQ(2000, reads.Submit(p));
  for (Thread &t : threads) t.Join();
  EXPECT_EQ(0, left); // and TearDown() sees that none was returned twice, or too early
}

TEST_P(Traps, AFullQueueIsWaitedForEachPlaceAnew) {
  for (int limit : {1, 2, 5, 255}) {
    Tell([&](auto &o) { o.queue_per_process = limit; });
    Reads reads(*this, 700);
    ASSERT_EQ(700, reads.Submit(p));
    EXPECT_LE(sim_jobs(), limit);
    for (const evpoll_event &e : WaitFor(700)) reads.See(e);
    EXPECT_EQ(0u, Stats().pool_threads) << "the pool is for what nothing of ours makes room for";
  }
}

TEST_P(Traps, AListThatStartedInPart) {
  for (int code : {EAGAIN, EINVAL, ENOMEM, EOPNOTSUPP})
    for (int nth : {1, 2, 9, 40, 64}) {
      Tell([&](auto &o) { o.before_percent = nth % 2 ? 50 : 0; });
      sim_fail(SIM_LIO_ENTRY, nth, code);
      Reads reads(*this, 64);
      ASSERT_EQ(64, reads.Submit(p));
      for (const evpoll_event &e : WaitFor(64)) {
        reads.See(e);
        EXPECT_EQ(0, e.status) << "what a list refuses is tried alone";
      }
    }
}

TEST_P(Traps, AListWhoseOtherErrorHidesThatTheQueueWasFull) {
  Tell([](auto &o) { o.queue_per_process = 64; });
  Reads held(*this, 40), reads(*this, 60);
  sim_hold(true);
  ASSERT_EQ(40, held.Submit(p));
  sim_fail(SIM_LIO_ENTRY, 10, EINVAL);
  for (evpoll_io &io : reads.ios) io.token += 1000;
  ASSERT_EQ(60, reads.Submit(p));
  EXPECT_EQ(64, sim_jobs()) << "no entry twice";
  sim_hold(false);
  for (evpoll_event e : WaitFor(100)) {
    if (e.token < 1000) {
      held.See(e);
    } else {
      e.token -= 1000;
      reads.See(e);
    }
  }
}

// What is refused first is accepted all the same, since what comes behind it was started.
TEST_P(Traps, AListThatStartedBehindAnEntryThatFindsNoPlace) {
  Open(EVPOLL_OPEN_NATIVE_IO_ONLY);
  sim_fail(SIM_LIO_ENTRY, 1, EAGAIN);
  sim_fail(SIM_AIO_SUBMIT, 1, EAGAIN);
  Tell([](auto &o) { o.before_percent = 100; });
  Reads reads(*this, 8);
  ASSERT_EQ(8, reads.Submit(p));
  for (const evpoll_event &e : WaitFor(8)) {
    reads.See(e);
    EXPECT_EQ(0, e.status);
  }
}

TEST_P(Traps, AListThatIsRefusedWhole) {
  for (int code : {EINVAL, EAGAIN, ENOMEM}) {
    sim_fail(SIM_LIO_LISTIO, 1, code);
    Reads reads(*this, 64);
    ASSERT_EQ(64, reads.Submit(p));
    for (const evpoll_event &e : WaitFor(64)) {
      reads.See(e);
      EXPECT_EQ(0, e.status);
    }
  }
}

TEST_P(Traps, AnEntryWithABadDescriptorFailsAlone) {
  Reads reads(*this, 20);
  File closed(*this, "x");
  reads.ios[7].handle = reads.ios[8].handle = closed.handle;
  File write_only(*this, "x", EVPOLL_FILE_WRITE);
  reads.ios[12].handle = write_only.handle;
  ASSERT_EQ(20, reads.Submit(p));
  for (const evpoll_event &e : WaitFor(20))
    EXPECT_EQ(e.token == 12 ? EVPOLL_ERR_BAD_HANDLE : 0, e.status) << e.token;
}

TEST_P(Traps, FilesThatAioDoesNotServeAreThePools) {
  Tell([](auto &o) { o.refuse_files = true; });
  Reads reads(*this, 100);
  ASSERT_EQ(100, reads.Submit(p));
  for (const evpoll_event &e : WaitFor(100)) {
    reads.See(e);
    EXPECT_EQ(0, e.status);
  }
  EXPECT_LT(0u, Stats().pool_threads);
}

// Nor is it asked again about a file that it has refused once.
TEST_P(Traps, AFileThatAioHasRefusedStaysWithThePool) {
  Tell([](auto &o) { o.queue_per_process = 4; });
  sim_hold(true);
  Reads first(*this, 20);
  ASSERT_EQ(20, first.Submit(p));
  Tell([](auto &o) { o.refuse_files = true; }); // told to those that wait for room
  sim_hold(false);
  for (const evpoll_event &e : WaitFor(20)) {
    first.See(e);
    EXPECT_EQ(0, e.status);
  }
  EXPECT_LT(0u, Stats().pool_threads);
  Tell([](auto &o) { o.refuse_files = false; });
  const uint64_t jobs = sim_count(SIM_READ), calls = sim_count(SIM_AIO_SUBMIT);
  EXPECT_EQ(4u, jobs);
  char byte;
  for (int i = 0; i < 3; i++)
    EXPECT_EQ(1, RunIo(MakeIo(EVPOLL_OP_READ, first.file.handle, 7, &byte, 1)).result);
  EXPECT_EQ(jobs, sim_count(SIM_READ));
  EXPECT_EQ(calls, sim_count(SIM_AIO_SUBMIT));
  Reads other(*this, 1); // another registration is asked about for itself
  ASSERT_EQ(1, other.Submit(p));
  other.See(WaitOne());
  EXPECT_EQ(jobs + 1, sim_count(SIM_READ));
}

TEST_P(Traps, FilesThatAioDoesNotServeAreUnsupportedWithoutAPool) {
  Tell([](auto &o) { o.refuse_files = true; });
  Open(EVPOLL_OPEN_NATIVE_IO_ONLY);
  Reads reads(*this, 3);
  ASSERT_EQ(3, reads.Submit(p));
  for (const evpoll_event &e : WaitFor(3)) EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, e.status);
}

TEST_P(Traps, AKernelWithoutAioLeavesThePool) {
  Tell([](auto &o) { o.no_aio = true; });
  Open();
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  ASSERT_EQ(0, evpoll_info(p, &info));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_ENGINE_POOL), info.io_engine);
  Reads reads(*this, 10);
  ASSERT_EQ(10, reads.Submit(p));
  for (const evpoll_event &e : WaitFor(10)) reads.See(e);
}

TEST_P(Traps, ACancelledOperationStillReports) {
  sim_hold(true);
  Reads reads(*this, 100);
  ASSERT_EQ(100, reads.Submit(p));
  EXPECT_EQ(100, evpoll_cancel_all(p));
  for (const evpoll_event &e : WaitFor(100)) {
    reads.See(e);
    EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
    EXPECT_EQ(0, e.result);
  }
}

TEST_P(Traps, ACancelThatComesTooLateReportsLaterPerhapsInPart) {
  Tell([](auto &o) { o.late_percent = 100; });
  sim_hold(true);
  File file(*this, std::string(100, 'x'));
  char buffer[100];
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, 100);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  ExpectQuiet();
  sim_hold(false);
  const evpoll_event e = WaitOne();
  EXPECT_EQ(0, e.status);
  EXPECT_EQ(50, e.result);
}

TEST_P(Traps, ACancelOfAClosedDescriptorChangesNothing) {
  sim_hold(true);
  File file(*this, "hello");
  char buffer[5];
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, 5);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  sim_fail(SIM_AIO_CANCEL, 1, EBADF);
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  sim_hold(false);
  EXPECT_EQ(5, WaitOne().result);
}

// What waited for room needs the number no more once it is the kernel's.
TEST_P(Traps, WhatFoundRoomIsNamedByNobody) {
  Tell([](auto &o) {
    o.manual = true;
    o.queue_per_process = 1;
    o.late_percent = 100;
  });
  Reads reads(*this, 3);
  ASSERT_EQ(3, reads.Submit(p));
  EXPECT_TRUE(sim_step());
  reads.See(WaitOne()); // the second is started
  EXPECT_EQ(0, evpoll_remove(p, reads.file.handle, kServed));
  reads.file.Close();
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, WaitOne().status);
  EXPECT_TRUE(sim_step());
  reads.See(WaitOne());
}

// Four operations are the kernel's, which does not let go of them; sixteen wait for room.
class Waiting : public OnSim {
protected:
  void SetUp() override {
    OnSim::SetUp();
    Tell([](auto &o) {
      o.queue_per_process = 4;
      o.late_percent = 100;
    });
    sim_hold(true);
    reads = std::make_unique<Reads>(*this, 20);
    ASSERT_EQ(20, reads->Submit(p));
    ASSERT_EQ(4, sim_jobs());
  }
  void TearDown() override {
    reads.reset();
    OnSim::TearDown();
  }
  void ExpectWaitingCancelled() {
    for (const evpoll_event &e : WaitFor(16)) {
      reads->See(e);
      EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
    }
    ExpectQuiet();
    EXPECT_EQ(4, sim_jobs());
  }
  void ExpectKernelsDone() {
    sim_hold(false);
    for (const evpoll_event &e : WaitFor(4)) {
      reads->See(e);
      EXPECT_EQ(0, e.status);
    }
  }
  std::unique_ptr<Reads> reads;
};
INSTANTIATE_TEST_SUITE_P(On, Waiting, ::testing::ValuesIn(Configs()), ConfigName);

// The number is another file's at once, and nothing more is started by it.
TEST_P(Waiting, ARemovedHandleIsNamedByNobody) {
  File &file = reads->file;
  EXPECT_EQ(0, evpoll_remove(p, file.handle, kServed));
  const evpoll_handle number = file.handle;
  file.Close();
  TempFile other(std::string(20, '!'));
  ASSERT_EQ(number, other.handle);
  ExpectWaitingCancelled();
  ASSERT_EQ(0, Serve(p, other.handle));
  ExpectKernelsDone();
  ExpectQuiet();
  EXPECT_EQ(0, evpoll_remove(p, other.handle, kServed));
}

TEST_P(Waiting, AddingOverEndsThemToo) {
  EXPECT_EQ(1, Serve(p, reads->file.handle));
  ExpectWaitingCancelled();
  ExpectKernelsDone();
}

TEST_P(Waiting, CloseIsTheLastEvent) {
  File &file = reads->file;
  evpoll_io io = MakeIo(EVPOLL_OP_CLOSE, file.handle, 99);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  const int number = static_cast<int>(std::exchange(file.handle, -1));
  EXPECT_TRUE(Until([&] { return fcntl(number, F_GETFD) < 0; })) << "nobody names it";
  ExpectWaitingCancelled();
  sim_hold(false);
  const std::vector<evpoll_event> events = WaitFor(5);
  for (int i = 0; i < 4; i++) reads->See(events[i]);
  EXPECT_EQ(io.op, events[4].op);
  EXPECT_EQ(99u, events[4].token);
  EXPECT_EQ(0, events[4].status);
}

TEST_P(Waiting, CloseWaitsForWhoHoldsTheHandle) {
  File &file = reads->file;
  ASSERT_EQ(0, evpoll_hold(p, file.handle, kServed));
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, file.handle, kServed));
  evpoll_io io = MakeIo(EVPOLL_OP_CLOSE, file.handle, 99);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  ExpectWaitingCancelled();
  ExpectKernelsDone();
  ExpectQuiet();
  EXPECT_LE(0, fcntl(static_cast<int>(file.handle), F_GETFD));
  EXPECT_EQ(0, evpoll_release(p, std::exchange(file.handle, -1)));
  EXPECT_EQ(io.op, WaitOne().op);
}

// A disk's transfers are not to be cancelled, and few at a time; what it does not do is the pool's.
TEST_P(Traps, ADiskTakesNoCancelAndFewTransfers) {
  Tell([](auto &o) { o.disks = true; });
  File file(*this, std::string(100 * 512, 'x'));
  std::vector<char> buffer(100 * 512);
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 100; i++)
    ios.push_back(MakeIo(EVPOLL_OP_READ, file.handle, i, &buffer[i * 512], 512,
                         static_cast<int64_t>(i * 512)));
  sim_hold(true);
  ASSERT_EQ(100, evpoll_submit(p, ios.data(), 100));
  EXPECT_EQ(16, sim_jobs());
  EXPECT_EQ(100, evpoll_cancel_all(p));
  int cancelled = 0;
  for (const evpoll_event &e : WaitFor(84)) cancelled += e.status == EVPOLL_ERR_CANCELLED;
  EXPECT_EQ(84, cancelled) << "those that waited for room";
  ExpectQuiet();
  sim_hold(false);
  for (const evpoll_event &e : WaitFor(16)) EXPECT_EQ(512, e.result);
  EXPECT_EQ(0u, Stats().pool_threads);
  EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, 7)).status);
  EXPECT_EQ(3, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer.data(), 3)).result);
  EXPECT_LT(0u, Stats().pool_threads);
}

TEST_P(Traps, TheQueueOfTheWholeSystemIsFullOfStrangers) {
  for (int room : {0, 1, 7}) {
    Tell([&](auto &o) { o.strangers = o.queue_of_system - room; });
    Reads reads(*this, 100);
    ASSERT_EQ(100, reads.Submit(p));
    EXPECT_LE(sim_jobs(), room);
    for (const evpoll_event &e : WaitFor(100)) {
      reads.See(e);
      EXPECT_EQ(0, e.status);
    }
  }
}

TEST_P(Traps, AnInterruptedOperationIsStartedAgain) {
  sim_fail(SIM_JOB, 1, EINTR);
  Reads reads(*this, 3);
  ASSERT_EQ(3, reads.Submit(p));
  for (const evpoll_event &e : WaitFor(3)) {
    reads.See(e);
    EXPECT_EQ(0, e.status);
  }
}

// What the kernel gives up is done once more, by the pool, or by the kernel where there is none.
TEST_P(Traps, AnOperationThatIsGivenUpIsDoneOnceMore) {
  for (uint32_t flags : {0u, static_cast<uint32_t>(EVPOLL_OPEN_NATIVE_IO_ONLY)})
    for (int code : {EINTR, ECANCELED})
      for (int before : {0, 100}) {
        SCOPED_TRACE(::testing::Message() << "flags " << flags << " code " << code);
        Open(flags);
        Tell([&](auto &o) { o.before_percent = before; });
        Reads reads(*this, 8);
        sim_fail(SIM_JOB, 3, code);
        ASSERT_EQ(8, reads.Submit(p));
        for (const evpoll_event &e : WaitFor(8)) {
          reads.See(e);
          EXPECT_EQ(0, e.status) << e.token;
        }
        EXPECT_EQ(flags == 0, Stats().pool_threads > 0);
      }
}

TEST_P(Traps, AnOperationThatIsGivenUpTwiceSaysSo) {
  Open(EVPOLL_OPEN_NATIVE_IO_ONLY);
  Tell([](auto &o) { o.manual = true; });
  File file(*this, "hello");
  char buffer[5];
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, 5);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  for (int times = 0; times < 2; times++) {
    EXPECT_EQ(0u, Wait(0).size());
    EXPECT_EQ(1, sim_unfinished());
    sim_fail(SIM_JOB, 1, EINTR);
    EXPECT_TRUE(sim_step());
  }
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EINTR, e.result);
  EXPECT_EQ(EVPOLL_ERR_AGAIN, e.status);
}

// Nothing is started by the number of a handle that was removed.
TEST_P(Traps, WhatIsGivenUpOfARemovedHandleIsCancelled) {
  for (int code : {EINTR, ECANCELED}) {
    Tell([](auto &o) {
      o.manual = true;
      o.late_percent = 100;
    });
    File file(*this, "hello");
    char buffer[5];
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, 5);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    ASSERT_EQ(0, evpoll_remove(p, file.handle, kServed));
    file.Close();
    sim_fail(SIM_JOB, 1, code);
    EXPECT_TRUE(sim_step());
    EXPECT_EQ(EVPOLL_ERR_CANCELLED, WaitOne().status);
    EXPECT_EQ(0, sim_jobs());
    EXPECT_EQ(0u, Stats().pool_threads);
  }
}

TEST_P(Traps, AnErrorOfTheDeviceIsTheOperations) {
  Tell([](auto &o) { o.fetch_first = true; });
  sim_fail(SIM_JOB, 1, EIO);
  File file(*this, "hello");
  char buffer[5];
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, 5));
  EXPECT_EQ(EVPOLL_ERR_IO, e.status);
  EXPECT_EQ(EIO, e.result);
}

TEST_P(Traps, EachSubmissionFailsOnceAndNothingIsLost) {
  for (int code : {EAGAIN, ENOMEM, EOPNOTSUPP, ENOSYS})
    for (int nth = 1; nth <= 6; nth++) {
      File file(*this, "hello");
      char buffer[6][5];
      sim_fail(SIM_AIO_SUBMIT, nth, code);
      for (uint64_t i = 0; i < 6; i++) {
        evpoll_io io = MakeIo(i % 2 ? EVPOLL_OP_READ : EVPOLL_OP_FSYNC, file.handle, i,
                              i % 2 ? buffer[i] : nullptr, i % 2 ? 5 : 0);
        ASSERT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
      }
      for (const evpoll_event &e : WaitFor(6))
        EXPECT_TRUE(e.status == 0 || (code == ENOMEM && e.status == EVPOLL_ERR_NO_MEMORY));
      sim_fail(SIM_AIO_SUBMIT, 0, 0);
    }
}

TEST_P(Traps, WhatIsHeldAtShutdownIsStillDelivered) {
  sim_hold(true);
  Reads reads(*this, 400); // some in the kernel, some waiting for room
  ASSERT_EQ(400, reads.Submit(p));
  evpoll_shutdown(p);
  evpoll_event events[64];
  EXPECT_EQ(0, evpoll_wait(p, events, 64, kMillisecond));
  sim_hold(false);
  int32_t n, all = 0;
  for (; (n = LongWait(p, events, 64)) > 0; all += n)
    for (int32_t i = 0; i < n; i++) reads.See(events[i]);
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, n);
  EXPECT_EQ(400, all);
}

TEST_P(Traps, CloseWaitsForLateCompletions) {
  Tell([](auto &o) { o.late_percent = 100; });
  sim_hold(true);
  Reads reads(*this, 300);
  ASSERT_EQ(300, reads.Submit(p));
  EXPECT_EQ(EVPOLL_ERR_TIMEOUT, evpoll_close(p, 2 * kMillisecond));
  Thread later([] { sim_hold(false); });
  EXPECT_EQ(0, evpoll_close(p, kLong));
  p = nullptr;
}

// Closing a kqueue does not wake who sleeps on it.
TEST_P(Traps, AWaiterIsSentAwayBeforeTheQueueIsClosed) {
  int32_t result = 1;
  const uint64_t before = sim_count(SIM_KEVENT);
  Thread waiter([&, poller = p] {
    evpoll_event event;
    result = LongWait(poller, &event, 1); // says if it slept to its end
  });
  ASSERT_TRUE(Until([&] { return sim_count(SIM_KEVENT) > before; })); // it has looked at the rest
  // Close rings at once. If it does not, nobody can send the waiter away, nor end this test.
  const uint64_t rung = sim_count(SIM_TRIGGER);
  int32_t closed = evpoll_close(p, 0);
  if (sim_count(SIM_TRIGGER) == rung) {
    std::fprintf(stderr, "close has rung for nobody\n");
    std::abort();
  }
  if (closed == EVPOLL_ERR_TIMEOUT) closed = evpoll_close(p, kLong);
  EXPECT_EQ(0, closed);
  waiter.Join();
  p = nullptr;
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, result);
}

TEST_P(Traps, AFailedChangeLeavesNoHalfRegistration) {
  for (uint32_t mode : kModes)
    for (int code : {ENOMEM, EINVAL})
      for (int nth = 1; nth <= 8; nth++) {
        SCOPED_TRACE(::testing::Message() << "mode " << mode << " code " << code << " nth " << nth);
        Pair s;
        const int before = sim_knotes();
        sim_fail(SIM_KEVENT_CHANGE, nth, code);
        const int32_t added = evpoll_add(p, s.a, 7, EVPOLL_READABLE, mode);
        const int32_t changed = evpoll_modify(p, s.a, 7, kBoth, mode);
        sim_fail(SIM_KEVENT_CHANGE, 0, 0);
        EXPECT_EQ(nth == 1, added != 0);
        EXPECT_EQ(nth <= 4, changed != 0);
        // 1: the add. 2: WRITE, which is new. 3 and 4: READ and WRITE, when READ was taken away.
        Send(s.b, "x");
        if (nth == 2) {
          EXPECT_EQ(before + 1, sim_knotes());
          EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events) << "as it was";
        }
        const bool registered = nth == 2 || nth > 4;
        EXPECT_EQ(registered ? 0 : EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, s.a, 7));
        EXPECT_EQ(before, sim_knotes());
        ExpectQuiet();
        EXPECT_EQ(0, evpoll_add(p, s.a, 8, EVPOLL_READABLE, mode));
        EXPECT_EQ(8u, WaitOne().token);
        EXPECT_EQ(0, evpoll_remove(p, s.a, 8));
      }
}

// A wait that takes an event while a change is being refused, as another thread does.
struct Taker {
  evpoll *p;
  std::vector<evpoll_event> taken;
  static void Take(void *self) {
    evpoll_event events[8];
    const int32_t n = evpoll_wait(static_cast<Taker *>(self)->p, events, 8, 0);
    EXPECT_LE(0, n);
    static_cast<Taker *>(self)->taken.assign(events, events + (n > 0 ? n : 0));
  }
};

TEST_P(Traps, AnEventThatComesDuringARefusedChangeIsNotLost) {
  for (uint32_t mode : kModes)
    for (uint32_t interest : {static_cast<uint32_t>(EVPOLL_WRITABLE), kBoth})
      for (bool over : {false, true}) {
        SCOPED_TRACE(::testing::Message() << "mode " << mode << " to " << interest << over);
        Pair s;
        ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, mode));
        ExpectQuiet();
        Send(s.b, "x");
        Taker taker{p, {}};
        sim_meanwhile(Taker::Take, &taker);
        sim_fail(SIM_KEVENT_CHANGE, 1, ENOMEM);
        EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, over ? evpoll_add(p, s.a, 8, interest, EVPOLL_LEVEL)
                                             : evpoll_modify(p, s.a, 7, interest, EVPOLL_LEVEL));
        std::vector<evpoll_event> &seen = taker.taken;
        if (seen.empty()) seen = Wait();
        ASSERT_EQ(1u, seen.size());
        EXPECT_EQ(7u, seen[0].token);
        EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), seen[0].events);
        EXPECT_EQ("x", Drain(s.a));
        ExpectQuiet();
        ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
        Send(s.b, "x");
        EXPECT_EQ(7u, WaitOne().token);
        EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
      }
}

TEST_P(Traps, ARefusedChangeArmsNothingThatWasSilent) {
  for (bool over : {false, true}) {
    Pair s;
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
    Send(s.b, "x");
    WaitOne();
    sim_fail(SIM_KEVENT_CHANGE, 1, ENOMEM);
    EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, over ? evpoll_add(p, s.a, 8, kBoth, EVPOLL_LEVEL)
                                         : evpoll_modify(p, s.a, 7, kBoth, EVPOLL_LEVEL));
    ExpectNoSpin();
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
    EXPECT_EQ(7u, WaitOne().token);
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(Traps, APipeWithoutAReaderMayBeABadDescriptor) {
  Tell([](auto &o) { o.broken_pipe = EBADF; });
  for (uint32_t mode : kModes) {
    int fd[2];
    ASSERT_EQ(0, pipe(fd));
    EXPECT_EQ(0, evpoll_socket_close(fd[0]));
    ASSERT_EQ(0, evpoll_add(p, fd[1], 7, EVPOLL_WRITABLE, mode));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE | EVPOLL_WRITE_CLOSED), WaitOne().events);
    EXPECT_EQ(0, evpoll_remove(p, fd[1], 7));
    EXPECT_EQ(0, evpoll_socket_close(fd[1]));
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, fd[1], 7, EVPOLL_WRITABLE, mode));
  }
}

// The filter has gone with the event, which another thread has fetched and not yet told of.
TEST_P(Traps, APipeThatLosesItsReaderDuringAChangeIsNoOther) {
  for (bool both : {false, true})
    for (uint32_t mode : {EVPOLL_LEVEL, EVPOLL_EDGE, EVPOLL_ONESHOT}) {
      SCOPED_TRACE(::testing::Message() << "mode " << mode << " both " << both);
      int fd[2];
      ASSERT_EQ(0, pipe(fd));
      const uint32_t interest = both ? kBoth : EVPOLL_WRITABLE;
      ASSERT_EQ(0, evpoll_add(p, fd[1], 7, interest, mode));
      WaitOne();
      EXPECT_EQ(0, evpoll_socket_close(fd[0]));
      ASSERT_TRUE(sim_take_last(fd[1]));
      if (mode == EVPOLL_ONESHOT) {
        ASSERT_EQ(0, evpoll_rearm(p, fd[1], 7, interest));
      } else {
        ASSERT_EQ(0, evpoll_modify(p, fd[1], 7, interest, mode));
      }
      EXPECT_TRUE(WaitOne().events & EVPOLL_WRITE_CLOSED);
      EXPECT_EQ(0, evpoll_remove(p, fd[1], 7));
      EXPECT_EQ(0, evpoll_socket_close(fd[1]));
    }
}

TEST_P(Traps, AClosedPipesNumberIsAnotherDescriptor) {
  for (uint32_t mode : {EVPOLL_LEVEL, EVPOLL_EDGE, EVPOLL_ONESHOT}) {
    int fd[2], other[2];
    ASSERT_EQ(0, pipe(fd));
    ASSERT_EQ(0, evpoll_add(p, fd[1], 7, EVPOLL_WRITABLE, mode));
    WaitOne();
    EXPECT_EQ(0, evpoll_socket_close(fd[0]));
    EXPECT_EQ(0, evpoll_socket_close(fd[1]));
    ASSERT_EQ(0, pipe(other));
    ASSERT_EQ(fd[1], other[1]);
    EXPECT_EQ(EVPOLL_ERR_STALE, mode == EVPOLL_ONESHOT
                                    ? evpoll_rearm(p, fd[1], 7, EVPOLL_WRITABLE)
                                    : evpoll_modify(p, fd[1], 7, EVPOLL_WRITABLE, mode));
    ExpectQuiet();
    ASSERT_EQ(0, evpoll_add(p, other[1], 8, EVPOLL_WRITABLE, EVPOLL_EDGE));
    EXPECT_EQ(8u, WaitOne().token);
    ExpectNoSpin(); // nothing of the question was left, which would be level-triggered
    EXPECT_EQ(0, evpoll_remove(p, other[1], 8));
    for (int end : other) EXPECT_EQ(0, evpoll_socket_close(end));
  }
}

// As long as one entry of the first is not returned, its event is the one of that address.
TEST_P(Traps, TheArrayOfADeregisteredListServesAgainWhenAllWasReturned) {
  File file(*this, "hello");
  Request r(p, EVPOLL_LIO, 9);
  char buffer[2][5];
  for (int round = 0; round < 10; round++) {
    struct aiocb cbs[2];
    struct aiocb *list[2];
    struct sigevent event;
    for (int i = 0; i < 2; i++) {
      cbs[i] = MakeAiocb(file.handle, buffer[i], 5, 0);
      list[i] = &cbs[i];
    }
    ASSERT_EQ(0, r.Register(&event));
    ASSERT_EQ(0, lio_listio(LIO_NOWAIT, list, 2, &event));
    const bool given_up = round % 2 == 0;
    if (given_up) {
      ASSERT_EQ(0, evpoll_aio_deregister(r.aio));
      for (struct aiocb &cb : cbs)
        ASSERT_TRUE(Until([&] { return aio_error(&cb) != EINPROGRESS; }));
    } else {
      ASSERT_EQ(9u, WaitOne().token);
    }
    for (struct aiocb &cb : cbs) EXPECT_EQ(5, aio_return(&cb));
    if (!given_up) r.Clear();
  }
}

TEST_P(Traps, OpeningFailsCleanly) {
  evpoll *other = nullptr;
  const int before = sim_knotes();
  sim_fail(SIM_KQUEUE, 1, EMFILE);
  EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_open(nullptr, &other));
  sim_fail(SIM_KEVENT_CHANGE, 1, ENOMEM);
  EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, evpoll_open(nullptr, &other));
  EXPECT_EQ(nullptr, other);
  EXPECT_EQ(before, sim_knotes());
}

TEST_P(Traps, AnInterruptedSleepIsNoError) {
  sim_fail(SIM_KEVENT, 1, EINTR);
  EXPECT_EQ(0u, Wait(kMillisecond).size());
  sim_fail(SIM_KEVENT, 1, EINTR);
  EXPECT_EQ(0, evpoll_wake(p));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), WaitOne().events);
}

} // namespace
