// SPDX-License-Identifier: MIT
// While an operation hangs nobody else's call waits for it: the order of events says so, since its
// server answers only after all of them have returned.
#include "held_test.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace evp {
namespace {

// What other threads, and other parts of the program, may do at any time.
class Meanwhile : public HeldContract {
protected:
  // Another poller, and what belongs to nobody.
  void Others() {
    evpoll *other = nullptr;
    ASSERT_EQ(0, evpoll_open(nullptr, &other));
    TempFile file("content");
    ASSERT_EQ(0, Serve(other, file.handle));
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 1, &bytes[8], 7);
    evpoll_io sync = MakeIo(EVPOLL_OP_FSYNC, file.handle, 2);
    evpoll_event e;
    ASSERT_EQ(1, evpoll_submit(other, &io, 1));
    ASSERT_EQ(1, evpoll_submit(other, &sync, 1));
    for (int i = 0; i < 2; i++) ASSERT_EQ(1, evpoll_wait(other, &e, 1, kLong));
    ASSERT_EQ(0, evpoll_remove(other, file.handle, kServed));
    file.Close();
    ASSERT_EQ(0, evpoll_close(other, EVPOLL_INFINITE));
    const pid_t child = fork();
    if (child == 0) _exit(0);
    ASSERT_LT(0, child);
    // The child itself closes what it has inherited, which may take as long as a server likes.
    children.push_back(child);
  }
  // This poller: waits, sockets, questions, changes.
  void Readiness() {
    Pair s;
    Send(s.b, "x");
    ASSERT_EQ(0, evpoll_add(p, s.a, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
    bool seen = false;
    for (const evpoll_event &e : Wait()) seen |= e.token == 5;
    EXPECT_TRUE(seen);
    ASSERT_EQ(0, evpoll_modify(p, s.a, 5, EVPOLL_READABLE, EVPOLL_ONESHOT));
    EXPECT_EQ(5u, WaitOne().token);
    ASSERT_EQ(0, evpoll_rearm(p, s.a, 5, EVPOLL_READABLE));
    EXPECT_EQ(5u, WaitOne().token);
    ASSERT_EQ(0, evpoll_remove(p, s.a, 5));
    ASSERT_EQ(0, evpoll_post(p, 6, 1));
    EXPECT_EQ(6u, WaitOne().token);
    EXPECT_TRUE(Wait(kMillisecond).empty());
    EXPECT_LE(1u, Stats().io_in_flight);
    EXPECT_LT(0, evpoll_describe(p, nullptr, 0));
    EXPECT_TRUE(Has(EVPOLL_FEATURE_FILE_IO));
    evpoll_handle inside;
    EXPECT_EQ(0, evpoll_poller_handle(p, &inside));
  }
  // This poller's operations on another file.
  void Operations() {
    File file(*this, "content");
    char text[] = "CON";
    EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 7, &bytes[16], 8)).result);
    EXPECT_EQ(3, RunIo(MakeIo(EVPOLL_OP_WRITE, file.handle, 7, text, 3)).result);
    EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, 7)).status);
    EXPECT_EQ(0, evpoll_cancel_handle(p, file.handle));
    const int copy = fcntl(static_cast<int>(file.handle), F_DUPFD_CLOEXEC, 0);
    ASSERT_EQ(0, Serve(p, copy));
    EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_CLOSE, copy, 8)).status);
  }
  void All() {
    Others();
    Readiness();
    Operations();
  }
  void TearDown() override {
    HeldContract::TearDown();
    for (pid_t child : children) EXPECT_EQ(child, waitpid(child, nullptr, 0));
  }
  std::vector<pid_t> children;
};

// Each kind of operation that a server can hang in.
struct Hanging {
  const char *name;
  uint32_t code;
  int flags; // of the descriptor
};
const Hanging kHanging[] = {{"read", EVPOLL_OP_READ, O_RDONLY},
                            {"readv", EVPOLL_OP_READV, O_RDONLY},
                            {"read_direct", EVPOLL_OP_READ, O_RDONLY | O_DIRECT},
                            {"read_inline", EVPOLL_OP_READ, O_RDWR},
                            {"write", EVPOLL_OP_WRITE, O_RDWR},
                            {"write_only", EVPOLL_OP_WRITE, O_WRONLY},
                            {"writev_only", EVPOLL_OP_WRITEV, O_WRONLY},
                            {"write_direct", EVPOLL_OP_WRITE, O_RDWR | O_DIRECT},
                            {"write_only_direct", EVPOLL_OP_WRITE, O_WRONLY | O_DIRECT},
                            {"nonblocking_read", EVPOLL_OP_READ, O_RDONLY | O_NONBLOCK},
                            {"fsync", EVPOLL_OP_FSYNC, O_RDWR},
                            {"fdatasync", EVPOLL_OP_FDATASYNC, O_WRONLY}};
INSTANTIATE_TEST_SUITE_P(On, Meanwhile, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(Meanwhile, AFileServerHangs) {
  void *buffer = nullptr;
  ASSERT_EQ(0, evpoll_buffer_alloc(4096, 4096, &buffer));
  evpoll_iovec piece = {EVPOLL_ADDR(buffer), 4096};
  for (const Hanging &kind : kHanging) {
    SCOPED_TRACE(kind.name);
    OpenWithThreads(4);
    held.Hold();
    const int fd = held.Open(0, kind.flags);
    ASSERT_LE(0, fd);
    ASSERT_EQ(0, Serve(p, fd));
    evpoll_io io = MakeIo(kind.code, fd, 1);
    const bool vectored = kind.code == EVPOLL_OP_READV || kind.code == EVPOLL_OP_WRITEV;
    if (kind.code < EVPOLL_OP_FSYNC) {
      io.buffer = vectored ? EVPOLL_ADDR(&piece) : EVPOLL_ADDR(buffer);
      io.length = vectored ? 1 : 4096;
    }
    if (std::strcmp(kind.name, "read_inline") == 0) io.flags = EVPOLL_OPF_INLINE;
    const uint64_t before = held.Held();
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    ASSERT_NE(0u, io.op);
    ASSERT_TRUE(held.AwaitHeld(before + 1));
    All();
    EXPECT_EQ(1, evpoll_cancel(p, io.op));
    EXPECT_EQ(1, evpoll_cancel(p, io.op)) << "it may be asked again";
    EXPECT_EQ(1, evpoll_cancel_all(p));
    EXPECT_EQ(1, evpoll_cancel_handle(p, fd));
    EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, fd, kServed)) << "a thread of the pool names it";
    ExpectQuiet();
    EXPECT_EQ(before + 1, held.Held()) << "answered before the others had finished";
    held.Release();
    const evpoll_event e = WaitOne();
    EXPECT_EQ(io.op, e.op);
    EXPECT_TRUE(e.status == EVPOLL_OK || e.status == EVPOLL_ERR_CANCELLED) << e.status;
    EXPECT_EQ(0, evpoll_remove(p, fd, kServed));
    close(fd);
    if (HasFailure()) break;
  }
  evpoll_buffer_free(buffer);
}

TEST_P(Meanwhile, WhatTheKernelServesHangs) {
  OpenWithThreads(4);
  const evpoll_io io = Start(1);
  All();
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  EXPECT_EQ(1, evpoll_cancel_all(p));
  EXPECT_LE(1u, held.Held()) << "answered before the others had finished";
  held.Release();
  EXPECT_EQ(io.op, WaitOne().op);
}

// More than the kernel has threads for by default, on a small machine.
TEST_P(Meanwhile, FilesThatHangInTheKernelLeaveThreadsToOthers) {
  EVP_GATE(!Pool(), "io_uring", "the pool serves this configuration");
  constexpr size_t kMany = 16;
  for (size_t i = 0; i < kMany; i++) {
    evpoll_io io = MakeIo(EVPOLL_OP_READ, held.stacked(i), i, &bytes[i], 1);
    io.offset = static_cast<int64_t>(i / HeldFile::kFiles) << 19;
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  }
  ASSERT_TRUE(held.AwaitHeld(kMany));
  Operations();
  EXPECT_EQ(kMany, held.Held());
  held.Release();
  WaitFor(kMany);
}

TEST_P(Meanwhile, ACloseHangs) {
  OpenWithThreads(2);
  const int fd = held.Open(0, O_RDWR);
  ASSERT_EQ(0, Serve(p, fd));
  held.Hold(kHeldClose);
  evpoll_io closing = MakeIo(EVPOLL_OP_CLOSE, fd, 9);
  ASSERT_EQ(1, evpoll_submit(p, &closing, 1));
  ASSERT_TRUE(held.AwaitHeld(1));
  All();
  EXPECT_EQ(0, evpoll_cancel_all(p));
  EXPECT_LE(1u, held.Held());
  held.Release();
  EXPECT_EQ(closing.op, WaitOne().op);
}

// As many as there are threads for them hang, which is all but one; more wait for one. Cancels take
// those out, and the poller can be closed as soon as the server answers.
TEST_P(Meanwhile, EveryThreadForSuchFilesHangs) {
  OpenWithThreads(3);
  std::vector<evpoll_io> ios; // the server sees one sync of a file at a time
  for (uint64_t i = 0; i < 10; i++) ios.push_back(MakeIo(EVPOLL_OP_FSYNC, held.fd(i), 1));
  ASSERT_EQ(10, evpoll_submit(p, ios.data(), 10));
  ASSERT_TRUE(held.AwaitHeld(2));
  All();
  EXPECT_EQ(2u, held.Held());
  EXPECT_EQ(10, evpoll_cancel_all(p));
  const std::vector<evpoll_event> events = WaitFor(8);
  for (const evpoll_event &e : events) EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  ExpectQuiet();
  held.Release();
  WaitFor(2);
}

// ---- a buffer whose page has to be fetched

// A page that is there when Give() says so. Who touches it waits.
class SlowPage {
public:
  SlowPage() {
    fd_ = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
    uffdio_api api = {};
    api.api = UFFD_API;
    page_ = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(page_, kSize, MADV_DONTFORK);
    uffdio_register range = {};
    range.range = {reinterpret_cast<uint64_t>(page_), kSize};
    range.mode = UFFDIO_REGISTER_MODE_MISSING;
    good_ =
        fd_ >= 0 && ioctl(fd_, UFFDIO_API, &api) == 0 && ioctl(fd_, UFFDIO_REGISTER, &range) == 0;
  }
  ~SlowPage() {
    if (fd_ >= 0) close(fd_);
    munmap(page_, kSize);
  }
  bool good() const { return good_; }
  void *page() const { return page_; }
  // Somebody waits for it.
  bool AwaitTouch() {
    pollfd ready = {fd_, POLLIN, 0};
    return poll(&ready, 1, static_cast<int>(kLong / kMillisecond)) == 1;
  }
  void Give() {
    uffdio_zeropage zero = {};
    zero.range = {reinterpret_cast<uint64_t>(page_), kSize};
    EXPECT_EQ(0, ioctl(fd_, UFFDIO_ZEROPAGE, &zero));
  }

private:
  static constexpr size_t kSize = 4096;
  int fd_ = -1;
  void *page_ = nullptr;
  bool good_ = false;
};

class MeanwhilePage : public Meanwhile {};
INSTANTIATE_TEST_SUITE_P(On, MeanwhilePage, ::testing::ValuesIn(Configs()), ConfigName);

// That submission waits, or another to the same ring, and nobody else.
TEST_P(MeanwhilePage, AWriteWaitsForItsBuffer) {
  OpenWithThreads(4);
  SlowPage slow;
  EVP_GATE(slow.good(), "userfaultfd", "faults of the kernel cannot be held");
  File file(*this);
  evpoll_io io = MakeIo(EVPOLL_OP_WRITE, file.handle, 1, slow.page(), 4096);
  std::atomic<bool> submitted{false};
  Thread submitter([&] {
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    submitted = true;
  });
  ASSERT_TRUE(slow.AwaitTouch());
  Others();
  Readiness();
  if (Pool()) {
    Operations();
    EXPECT_TRUE(Until([&] { return submitted.load(); })) << "the pool waits, not the submitter";
    EXPECT_EQ(1, evpoll_cancel(p, io.op));
  } else {
    // What the pool serves is not in the way of a ring.
    held.Release();
    EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_FSYNC, held.fd(1), 7)).status);
  }
  EXPECT_TRUE(Wait(0).empty()) << "it has not got its page";
  slow.Give();
  submitter.Join();
  const evpoll_event e = WaitOne();
  EXPECT_EQ(1u, e.token);
  EXPECT_EQ(4096, e.result);
}

// The cache has what is read: the submitter copies it, with nothing locked.
TEST_P(MeanwhilePage, AReadInPlaceWaitsForItsBuffer) {
  OpenWithThreads(4);
  File file(*this, std::string(4096, 'c'));
  for (uint32_t flags : {0u, uint32_t{EVPOLL_OPF_INLINE}}) {
    SlowPage slow;
    EVP_GATE(slow.good(), "userfaultfd", "faults of the kernel cannot be held");
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 1, slow.page(), 4096);
    io.flags = flags;
    Thread submitter([&] { EXPECT_EQ(1, evpoll_submit(p, &io, 1)); });
    ASSERT_TRUE(slow.AwaitTouch());
    Others();
    ASSERT_EQ(0, evpoll_post(p, 6, 1));
    EXPECT_EQ(6u, WaitOne().token);
    Operations();
    slow.Give();
    submitter.Join();
    EXPECT_EQ(4096, io.op ? WaitOne().result : io.offset);
  }
}

} // namespace
} // namespace evp
