// SPDX-License-Identifier: MIT
// evpoll_file_close() while operations run: the file stays open, and its number taken, until the
// last of them was delivered; for the caller it is closed at once.
#include "held_test.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace evp {
namespace {

class HeldFileClose : public HeldContract {
protected:
  void SetUp() override {
    HeldContract::SetUp();
    number = fcntl(held.fd(), F_DUPFD_CLOEXEC, 0);
  }
  evpoll_io StartOnNumber(uint64_t token) {
    evpoll_io io = MakeIo(EVPOLL_IO_FSYNC, number, token);
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    return io;
  }
  static bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

  int number = -1;
};
INSTANTIATE_TEST_SUITE_P(On, HeldFileClose, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(HeldFileClose, TheNumberIsFreeWhenTheLastEventWasDelivered) {
  OpenWithThreads(4);
  for (uint64_t i = 0; i < 3; i++) StartOnNumber(i);
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(0, evpoll_file_close(number));
  held.Release();
  for (int delivered = 0; delivered < 3; delivered++) {
    EXPECT_TRUE(IsOpen(number)) << "after " << delivered << " of 3 events";
    WaitFor(1, 1);
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST_P(HeldFileClose, WithoutOperationsItIsFreeAtOnce) {
  ASSERT_EQ(0, evpoll_file_close(number));
  EXPECT_FALSE(IsOpen(number));
}

TEST_P(HeldFileClose, WithDeliveredOperationsItIsFreeAtOnce) {
  held.Release();
  for (uint64_t i = 0; i < 20; i++) StartOnNumber(i);
  WaitFor(20);
  ASSERT_EQ(0, evpoll_file_close(number));
  EXPECT_FALSE(IsOpen(number));
}

TEST_P(HeldFileClose, ClosingTwiceIsABadHandle) {
  StartOnNumber(1);
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(0, evpoll_file_close(number));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_file_close(number));
  held.Release();
  WaitOne();
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_file_close(number));
}

TEST_P(HeldFileClose, NewOperationsAreRefused) {
  StartOnNumber(1);
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(0, evpoll_file_close(number));
  evpoll_io io = MakeIo(EVPOLL_IO_FSYNC, number, 2);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, io.status);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_submit_list(p, &io, 1, 3, nullptr));
  held.Release();
  WaitOne();
}

TEST_P(HeldFileClose, ItsOperationsCanStillBeCancelled) {
  StartOnNumber(1);
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(0, evpoll_file_close(number));
  EXPECT_EQ(1, evpoll_cancel_handle(p, number));
  held.Release();
  WaitOne();
  EXPECT_FALSE(IsOpen(number));
}

TEST_P(HeldFileClose, OtherFilesAreServedMeanwhile) {
  OpenWithThreads(2);
  StartOnNumber(1);
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(0, evpoll_file_close(number));
  for (int round = 0; round < 50; round++) {
    TempFile file("content");
    char buffer[8];
    ASSERT_NE(number, file.handle);
    ASSERT_EQ(7, RunIo(MakeIo(EVPOLL_IO_READ, file.handle, 2, buffer, 8)).result);
  }
  held.Release();
  WaitOne();
  EXPECT_FALSE(IsOpen(number));
}

TEST_P(HeldFileClose, AListKeepsItOpenToo) {
  evpoll_io io = MakeIo(EVPOLL_IO_FSYNC, number, 1);
  ASSERT_EQ(1, evpoll_submit_list(p, &io, 1, 7, nullptr));
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(0, evpoll_file_close(number));
  EXPECT_TRUE(IsOpen(number));
  held.Release();
  EXPECT_EQ(1, WaitOne().result);
  EXPECT_FALSE(IsOpen(number));
}

TEST_P(HeldFileClose, ClosingThePollerClosesItAtLast) {
  StartOnNumber(1);
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(0, evpoll_file_close(number));
  EXPECT_EQ(EVPOLL_ERR_TIMEOUT, evpoll_close(p, 0));
  EXPECT_TRUE(IsOpen(number));
  held.Release();
  ASSERT_EQ(0, evpoll_close(p, kLong));
  p = nullptr;
  EXPECT_FALSE(IsOpen(number));
}

TEST_P(HeldFileClose, TheLastOfSeveralPollersClosesIt) {
  evpoll *const first = p;
  p = nullptr;
  Open();
  evpoll_io io = MakeIo(EVPOLL_IO_FSYNC, number, 1);
  ASSERT_EQ(1, evpoll_submit(first, &io, 1));
  StartOnNumber(2);
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(0, evpoll_file_close(number));
  held.Release();
  WaitOne();
  EXPECT_TRUE(IsOpen(number)) << "the other poller has not told of its operation yet";
  evpoll_event e;
  EXPECT_EQ(1, evpoll_wait(first, &e, 1, kLong));
  EXPECT_FALSE(IsOpen(number));
  EXPECT_EQ(0, evpoll_close(first, kLong));
}

TEST_P(HeldFileClose, OpenedAgainItIsAnotherFile) {
  StartOnNumber(1);
  ASSERT_TRUE(held.AwaitHeld(1));
  ASSERT_EQ(0, evpoll_file_close(number));
  held.Release();
  WaitOne();
  TempFile file("content");
  ASSERT_EQ(number, file.handle) << "the lowest free number";
  char buffer[8];
  EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_IO_READ, file.handle, 2, buffer, 8)).result);
}

} // namespace
} // namespace evp
