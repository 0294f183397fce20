// SPDX-License-Identifier: MIT
// What kinds of descriptors are served, and what the others get.
#include "contract.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>

namespace evp {
namespace {

class IoKinds : public Contract {
protected:
  int32_t StatusOf(evpoll_handle h, uint32_t code = EVPOLL_OP_READ) {
    const bool data = code == EVPOLL_OP_READ || code == EVPOLL_OP_WRITE;
    evpoll_io io = data ? MakeIo(code, h, 1, buffer, sizeof buffer) : MakeIo(code, h, 1);
    return evpoll_submit(p, &io, 1) == 1 ? WaitOne().status : io.status;
  }
  char buffer[512] = {};
};
INSTANTIATE_TEST_SUITE_P(On, IoKinds, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoKinds, WhatCanBePolledIsPolledAndNoMore) {
  sigset_t none;
  sigemptyset(&none);
  const itimerspec soon = {{0, 0}, {0, 1000000}};
  const std::map<std::string, int> kinds = {
      {"eventfd", eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)},
      {"timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)},
      {"signalfd", signalfd(-1, &none, SFD_CLOEXEC | SFD_NONBLOCK)},
      {"epoll", epoll_create1(EPOLL_CLOEXEC)},
  };
  for (const auto &[name, fd] : kinds) {
    ASSERT_LE(0, fd) << name;
    EXPECT_EQ(0, Serve(p, fd)) << name;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, StatusOf(fd)) << name;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, StatusOf(fd, EVPOLL_OP_WRITE)) << name;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, StatusOf(fd, EVPOLL_OP_ACCEPT)) << name;
    if (name == "timerfd") timerfd_settime(fd, 0, &soon, nullptr);
    evpoll_io poll = MakeIo(EVPOLL_OP_POLL, fd, 2, nullptr, EVPOLL_READABLE);
    EXPECT_EQ(1, evpoll_submit(p, &poll, 1)) << name;
    const bool comes = name == "eventfd" || name == "timerfd";
    if (!comes) {
      EXPECT_EQ(1, evpoll_cancel(p, poll.op)) << name;
    }
    const evpoll_event e = WaitOne();
    EXPECT_EQ(comes ? EVPOLL_OK : EVPOLL_ERR_CANCELLED, e.status) << name;
    EXPECT_EQ(comes ? EVPOLL_READABLE : 0, e.result) << name;
    EXPECT_EQ(0, evpoll_remove(p, fd, kServed));
    close(fd);
  }
}

TEST_P(IoKinds, ADirectoryIsUnsupported) {
  const int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Serve(p, fd));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, StatusOf(fd));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, fd, kServed));
  close(fd);
}

TEST_P(IoKinds, ThePollersOwnDescriptorsAreInvalid) {
  // Whatever numbers it has opened for itself: none is taken, and it goes on as before.
  File file(*this, "content");
  evpoll_handle outer = -1;
  ASSERT_EQ(EVPOLL_OK, StatusOf(file.handle));
  ASSERT_EQ(0, evpoll_poller_handle(p, &outer));
  int own = 0;
  for (int fd = 3; fd < 64; fd++) {
    char kind[64] = {};
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    if (readlink(path.c_str(), kind, sizeof kind - 1) < 0 || std::strncmp(kind, "anon_inode:", 11))
      continue;
    EXPECT_EQ(EVPOLL_ERR_INVALID, Serve(p, fd)) << fd << kind;
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_add(p, fd, 5, EVPOLL_READABLE, EVPOLL_LEVEL)) << fd;
    own++;
  }
  EXPECT_LE(3, own);
  Thread waker([&] { evpoll_wake(p); });
  EXPECT_EQ(EVPOLL_WAKE, static_cast<int>(WaitOne().events));
  EXPECT_EQ(EVPOLL_OK, StatusOf(file.handle));
  EXPECT_EQ(EVPOLL_OK, StatusOf(file.handle, EVPOLL_OP_WRITE));
}

TEST_P(IoKinds, MemfdsAreFiles) {
  const int fd = memfd_create("evpoll", MFD_CLOEXEC);
  ASSERT_LE(0, fd);
  ASSERT_EQ(0, Serve(p, fd));
  EXPECT_EQ(EVPOLL_OK, StatusOf(fd, EVPOLL_OP_WRITE));
  EXPECT_EQ(EVPOLL_OK, StatusOf(fd));
  close(fd);
}

TEST_P(IoKinds, UnlinkedFilesAreFiles) {
  File file(*this, "content");
  ASSERT_EQ(0, unlink(file.path.c_str()));
  EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, sizeof buffer)).result);
}

TEST_P(IoKinds, FilesOfProcAreServedByOffset) {
  evpoll_handle handle = -1;
  ASSERT_EQ(0, evpoll_file_open("/proc/self/status", EVPOLL_FILE_READ, 0, &handle));
  ASSERT_EQ(0, Serve(p, handle));
  EXPECT_EQ(5, RunIo(MakeIo(EVPOLL_OP_READ, handle, 1, buffer, 5)).result);
  EXPECT_EQ("Name:", std::string(buffer, 5));
  EXPECT_EQ(0, evpoll_file_close(handle));
}

// A loop device over the file, gone with its descriptor, or -1. Another process may take the number
// that was free.
int OpenLoopDevice(int file) {
  const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  int loop = -1;
  for (int tries = 0; control >= 0 && loop < 0 && tries < 20; tries++) {
    const int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) break;
    loop = open(("/dev/loop" + std::to_string(number)).c_str(), O_RDWR | O_CLOEXEC);
    struct loop_config config = {};
    config.fd = static_cast<uint32_t>(file);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (loop < 0 || ioctl(loop, LOOP_CONFIGURE, &config) == 0) continue;
    close(loop);
    loop = -1;
  }
  if (control >= 0) close(control);
  return loop;
}

TEST_P(IoKinds, BlockDevicesAreServed) {
  TempFile backing(std::string(1 << 20, 'b'));
  const int loop = OpenLoopDevice(static_cast<int>(backing.handle));
  EVP_GATE(loop >= 0, "block device", "no loop device can be had");
  ASSERT_EQ(0, Serve(p, loop));
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(loop, &size));
  EXPECT_EQ(1 << 20, size);
  std::memset(buffer, 'w', sizeof buffer);
  EXPECT_EQ(512, RunIo(MakeIo(EVPOLL_OP_WRITE, loop, 1, buffer, 512, 4096)).result);
  EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_FSYNC, loop, 2)).status);
  EXPECT_EQ(512, RunIo(MakeIo(EVPOLL_OP_READ, loop, 3, buffer, 512, 4096 - 256)).result);
  EXPECT_EQ(std::string(256, 'b') + std::string(256, 'w'), std::string(buffer, 512));
  EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_READ, loop, 4, buffer, 512, 1 << 20)).result) << "the end";
  const evpoll_event beyond = RunIo(MakeIo(EVPOLL_OP_WRITE, loop, 5, buffer, 512, 1 << 20));
  EXPECT_EQ(EVPOLL_ERR_NO_SPACE, beyond.status);
  EXPECT_EQ(ENOSPC, beyond.result);
  close(loop);
}

TEST_P(IoKinds, ANumberThatIsAnotherFileNowReachesThatFileOnceItIsAdded) {
  File first(*this, "first"), second(*this, "second");
  const int number = fcntl(static_cast<int>(first.handle), F_DUPFD_CLOEXEC, 100);
  ASSERT_EQ(0, Serve(p, number));
  for (int round = 0; round < 20; round++) {
    const bool odd = round % 2;
    const std::string text = odd ? "second" : "first";
    const auto size = static_cast<int64_t>(text.size());
    EXPECT_EQ(size, RunIo(MakeIo(EVPOLL_OP_READ, number, 1, buffer, sizeof buffer)).result);
    EXPECT_EQ(text, std::string(buffer, text.size()));
    ASSERT_EQ(0, evpoll_remove(p, number, kServed));
    ASSERT_EQ(number, dup2(static_cast<int>(odd ? first.handle : second.handle), number));
    ASSERT_EQ(0, Serve(p, number));
  }
  ASSERT_EQ(0, evpoll_remove(p, number, kServed));
  close(number);
}

} // namespace
} // namespace evp
