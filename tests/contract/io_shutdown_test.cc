// SPDX-License-Identifier: MIT
// What shutdown and close do to operations in flight.
#include "contract.h"

#include <memory>

namespace evp {
namespace {

constexpr size_t kBytesEach = 65536;

class IoShutdown : public Contract {
protected:
  // Work that takes the system some time.
  std::vector<evpoll_io> Work(size_t n) {
    std::vector<evpoll_io> ios;
    for (size_t i = 0; i < n; i++)
      ios.push_back(i % 4 == 3 ? MakeIo(EVPOLL_OP_FSYNC, file->handle, i)
                               : MakeIo(EVPOLL_OP_WRITE, file->handle, i, data.data(), kBytesEach,
                                        static_cast<int64_t>(kBytesEach * (i % 16))));
    return ios;
  }
  // A new poller, and a new file.
  void Renew(const std::string &content = "content") {
    Open();
    file = std::make_unique<File>(*this, content);
  }
  void Submit(std::vector<evpoll_io> ios) {
    const int32_t n = static_cast<int32_t>(ios.size());
    ASSERT_EQ(n, evpoll_submit(p, ios.data(), n));
  }

  std::unique_ptr<File> file = std::make_unique<File>(*this, "content");
  std::string data = std::string(kBytesEach, 'w');
  char buffer[16];
};
INSTANTIATE_TEST_SUITE_P(On, IoShutdown, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoShutdown, WhatIsInFlightIsDeliveredAndThenItSaysShutdown) {
  Submit(Work(40));
  ASSERT_EQ(0, evpoll_shutdown(p));
  std::vector<int> seen(40);
  for (const evpoll_event &e : WaitFor(40, 7)) {
    EXPECT_EQ(1, ++seen[e.token]);
    EXPECT_EQ(EVPOLL_OK, e.status) << "shutdown does not cancel";
  }
  evpoll_event e;
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_wait(p, &e, 1, 0));
}

TEST_P(IoShutdown, ItIsNotSaidWhileAnythingIsInFlight) {
  Submit(Work(20));
  ASSERT_EQ(0, evpoll_shutdown(p));
  size_t got = 0;
  evpoll_event e;
  EXPECT_TRUE(Until([&] {
    const int32_t n = evpoll_wait(p, &e, 1, 0);
    if (n == EVPOLL_ERR_SHUTDOWN) return true;
    EXPECT_LE(0, n);
    got += n > 0;
    return n < 0;
  }));
  EXPECT_EQ(20u, got);
}

TEST_P(IoShutdown, CompletionsAndPostsAreBothDelivered) {
  Submit(Work(10));
  for (int i = 0; i < 10; i++) ASSERT_EQ(0, evpoll_post(p, 500, i));
  ASSERT_EQ(0, evpoll_shutdown(p));
  size_t posts = 0;
  for (const evpoll_event &e : WaitFor(20, 3)) posts += e.events == EVPOLL_POST;
  EXPECT_EQ(10u, posts);
  evpoll_event e;
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
}

TEST_P(IoShutdown, NewOperationsAreRefused) {
  ASSERT_EQ(0, evpoll_shutdown(p));
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file->handle, 1, buffer, sizeof buffer);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, io.status);
  EXPECT_EQ(0u, io.op);
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_submit_list(p, &io, 1, 1, nullptr));
  EXPECT_EQ(0u, Stats().io_submitted);
}

TEST_P(IoShutdown, CancelStillReachesWhatIsInFlight) {
  Submit(Work(40));
  ASSERT_EQ(0, evpoll_shutdown(p));
  const int32_t asked = evpoll_cancel_all(p);
  EXPECT_TRUE(asked >= 0 && asked <= 40) << asked;
  int32_t cancelled = 0;
  for (const evpoll_event &e : WaitFor(40)) cancelled += e.status == EVPOLL_ERR_CANCELLED;
  EXPECT_LE(cancelled, asked);
  EXPECT_EQ(0, evpoll_cancel_all(p));
}

TEST_P(IoShutdown, ListsAreDeliveredToo) {
  std::vector<evpoll_io> ios = Work(8);
  uint64_t op = 0;
  ASSERT_EQ(8, evpoll_submit_list(p, ios.data(), 8, 77, &op));
  ASSERT_EQ(0, evpoll_shutdown(p));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(op, e.op);
  EXPECT_EQ(8, e.result);
}

TEST_P(IoShutdown, BeforeTheFirstOperationItSaysSoAtOnce) {
  ASSERT_EQ(0, evpoll_shutdown(p));
  evpoll_event e;
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
}

TEST_P(IoShutdown, CloseReturnsWithOperationsInFlight) {
  for (int round = 0; round < 20; round++) {
    Renew();
    Submit(Work(static_cast<size_t>(round)));
    ASSERT_EQ(0, evpoll_close(p, kLong));
    p = nullptr;
  }
}

TEST_P(IoShutdown, CloseReturnsWithCompletionsThatNobodyTook) {
  for (int round = 0; round < 20; round++) {
    Renew();
    Submit(Work(16));
    Wait(kLong, 3);
    ASSERT_EQ(0, evpoll_close(p, kLong));
    p = nullptr;
  }
}

TEST_P(IoShutdown, CloseReturnsWithMoreInFlightThanAQueueHolds) {
  Open(0, 20000);
  std::vector<char> bytes(20000);
  std::vector<evpoll_io> ios;
  for (size_t i = 0; i < bytes.size(); i++)
    ios.push_back(MakeIo(EVPOLL_OP_READ, file->handle, i, &bytes[i], 1));
  Submit(ios);
  EXPECT_EQ(0, evpoll_close(p, kLong));
  p = nullptr;
}

TEST_P(IoShutdown, AfterCloseNobodyWritesToTheBuffers) {
  for (int round = 0; round < 10; round++) {
    Renew(std::string(16 * kBytesEach, 'r'));
    std::vector<std::string> buffers(16, std::string(kBytesEach, '.'));
    std::vector<evpoll_io> ios;
    for (size_t i = 0; i < 16; i++)
      ios.push_back(MakeIo(EVPOLL_OP_READ, file->handle, i, buffers[i].data(), kBytesEach,
                           static_cast<int64_t>(kBytesEach * i)));
    Submit(ios);
    ASSERT_EQ(0, evpoll_close(p, kLong));
    p = nullptr;
    for (std::string &b : buffers) b.assign(kBytesEach, 'm');
    // Whoever still had the buffers would use them while the same work is done once more.
    Renew(std::string(kBytesEach, 'r'));
    std::string other(kBytesEach, '.');
    for (size_t i = 0; i < 16; i++)
      RunIo(MakeIo(EVPOLL_OP_READ, file->handle, i, other.data(), kBytesEach));
    for (const std::string &b : buffers) ASSERT_TRUE(b == std::string(kBytesEach, 'm'));
  }
}

TEST_P(IoShutdown, CloseWithTimeout0GivesUpOrCloses) {
  for (int round = 0; round < 20; round++) {
    Renew();
    Submit(Work(32));
    const int32_t status = evpoll_close(p, 0);
    ASSERT_TRUE(status == 0 || status == EVPOLL_ERR_TIMEOUT) << status;
    if (status == EVPOLL_ERR_TIMEOUT) { // shut down, still valid
      evpoll_io io = MakeIo(EVPOLL_OP_FSYNC, file->handle, 1);
      EXPECT_EQ(0, evpoll_submit(p, &io, 1));
      EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, io.status);
      ASSERT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
    }
    p = nullptr;
  }
}

TEST_P(IoShutdown, AfterACloseThatGaveUpCompletionsCanBeWaitedFor) {
  for (int round = 0; round < 20; round++) {
    Renew();
    Submit(Work(32));
    const int32_t status = evpoll_close(p, 0);
    ASSERT_TRUE(status == 0 || status == EVPOLL_ERR_TIMEOUT) << status;
    if (status == 0) {
      p = nullptr;
      continue;
    }
    evpoll_event events[64];
    int32_t n, got = 0;
    while ((n = evpoll_wait(p, events, 64, kLong)) > 0) got += n;
    EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, n);
    EXPECT_GE(32, got) << "close may have discarded some, but none comes twice";
    EXPECT_EQ(0u, Stats().io_in_flight);
  }
}

TEST_P(IoShutdown, CloseAfterShutdownAndPartOfTheCompletions) {
  for (int round = 0; round < 10; round++) {
    Renew();
    Submit(Work(32));
    ASSERT_EQ(0, evpoll_shutdown(p));
    WaitFor(static_cast<size_t>(round), 1);
    ASSERT_EQ(0, evpoll_close(p, kLong));
    p = nullptr;
  }
}

TEST_P(IoShutdown, FilesOutliveThePollerAndServeTheNext) {
  // On Windows a handle belongs to its first poller; elsewhere to nobody.
  EVP_GATE(Backend() != EVPOLL_BACKEND_AFD, "file in a second poller",
           "a handle that was not removed keeps its completion port");
  TempFile kept("content");
  for (int round = 0; round < 5; round++) {
    Open();
    ASSERT_EQ(0, Serve(p, kept.handle));
    EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, kept.handle, 1, buffer, sizeof buffer)).result);
    Close();
  }
}

} // namespace
} // namespace evp
