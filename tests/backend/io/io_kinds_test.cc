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
#include <sys/stat.h>
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
  int32_t StatusOf(evpoll_handle h, uint32_t code = EVPOLL_IO_READ) {
    const bool data = code == EVPOLL_IO_READ || code == EVPOLL_IO_WRITE;
    evpoll_io io = data ? MakeIo(code, h, 1, buffer, sizeof buffer) : MakeIo(code, h, 1);
    return evpoll_submit(p, &io, 1) == 1 ? WaitOne().status : io.status;
  }
  char buffer[512] = {};
};
INSTANTIATE_TEST_SUITE_P(On, IoKinds, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoKinds, WhatIsNoFileIsUnsupportedWithEveryCode) {
  int ends[2];
  ASSERT_EQ(0, pipe2(ends, O_CLOEXEC | O_NONBLOCK));
  sigset_t none;
  sigemptyset(&none);
  const std::map<std::string, int> kinds = {
      {"pipe, reading end", ends[0]},
      {"pipe, writing end", ends[1]},
      {"eventfd", eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)},
      {"timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)},
      {"signalfd", signalfd(-1, &none, SFD_CLOEXEC | SFD_NONBLOCK)},
      {"epoll", epoll_create1(EPOLL_CLOEXEC)},
      {"/dev/null", open("/dev/null", O_RDWR | O_CLOEXEC)},
      {"/dev/zero", open("/dev/zero", O_RDWR | O_CLOEXEC)},
      {"/dev/full", open("/dev/full", O_RDWR | O_CLOEXEC)},
      {"directory", open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)},
  };
  for (const auto &[name, fd] : kinds) {
    ASSERT_LE(0, fd) << name;
    for (uint32_t code : {EVPOLL_IO_READ, EVPOLL_IO_WRITE, EVPOLL_IO_FSYNC, EVPOLL_IO_FDATASYNC})
      EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, StatusOf(fd, code)) << name << ", code " << code;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_attach(p, fd)) << name;
    close(fd);
  }
  EXPECT_EQ(0u, Stats().io_submitted);
}

TEST_P(IoKinds, ThePollersOwnDescriptorsAreUnsupported) {
  // Whatever numbers it has opened for itself: none is a file.
  TempFile file("content");
  ASSERT_EQ(EVPOLL_OK, StatusOf(file.handle));
  int others = 0;
  for (int fd = 3; fd < 64; fd++) {
    struct stat s;
    if (fstat(fd, &s) != 0 || S_ISREG(s.st_mode) || S_ISBLK(s.st_mode)) continue;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, StatusOf(fd)) << fd;
    others++;
  }
  EXPECT_LE(2, others);
}

TEST_P(IoKinds, MemfdsAreFiles) {
  const int fd = memfd_create("evpoll", MFD_CLOEXEC);
  ASSERT_LE(0, fd);
  EXPECT_EQ(EVPOLL_OK, StatusOf(fd, EVPOLL_IO_WRITE));
  EXPECT_EQ(EVPOLL_OK, StatusOf(fd));
  close(fd);
}

TEST_P(IoKinds, UnlinkedFilesAreFiles) {
  TempFile file("content");
  ASSERT_EQ(0, unlink(file.path.c_str()));
  EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_IO_READ, file.handle, 1, buffer, sizeof buffer)).result);
}

TEST_P(IoKinds, FilesOfProcAreServedByOffset) {
  evpoll_handle handle = -1;
  ASSERT_EQ(0, evpoll_file_open("/proc/self/status", EVPOLL_FILE_READ, &handle));
  EXPECT_EQ(5, RunIo(MakeIo(EVPOLL_IO_READ, handle, 1, buffer, 5)).result);
  EXPECT_EQ("Name:", std::string(buffer, 5));
  EXPECT_EQ(0, evpoll_file_close(handle));
}

TEST_P(IoKinds, BlockDevicesAreServed) {
  const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  const int number = control >= 0 ? ioctl(control, LOOP_CTL_GET_FREE) : -1;
  if (control >= 0) close(control);
  const int loop =
      number >= 0 ? open(("/dev/loop" + std::to_string(number)).c_str(), O_RDWR | O_CLOEXEC) : -1;
  TempFile backing(std::string(1 << 20, 'b'));
  struct loop_config config = {};
  config.fd = static_cast<uint32_t>(backing.handle);
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR; // gone with the last descriptor
  const bool there = loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) == 0;
  if (!there && loop >= 0) close(loop);
  EVP_GATE(there, "block device", "no loop device can be had");
  EXPECT_EQ(0, evpoll_attach(p, loop));
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(loop, &size));
  EXPECT_EQ(1 << 20, size);
  std::memset(buffer, 'w', sizeof buffer);
  EXPECT_EQ(512, RunIo(MakeIo(EVPOLL_IO_WRITE, loop, 1, buffer, 512, 4096)).result);
  EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_IO_FSYNC, loop, 2)).status);
  EXPECT_EQ(512, RunIo(MakeIo(EVPOLL_IO_READ, loop, 3, buffer, 512, 4096 - 256)).result);
  EXPECT_EQ(std::string(256, 'b') + std::string(256, 'w'), std::string(buffer, 512));
  EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_IO_READ, loop, 4, buffer, 512, 1 << 20)).result) << "the end";
  const evpoll_event beyond = RunIo(MakeIo(EVPOLL_IO_WRITE, loop, 5, buffer, 512, 1 << 20));
  EXPECT_EQ(EVPOLL_ERR_NO_SPACE, beyond.status);
  EXPECT_EQ(ENOSPC, beyond.result);
  close(loop);
}

// A file is used, closed as files are to be closed, and its number given to something else.
class IoKindsChanged : public IoKinds {
protected:
  void UseCloseReplace(int times, int other) {
    TempFile file("content");
    for (int i = 0; i < times; i++) ASSERT_EQ(EVPOLL_OK, StatusOf(file.handle));
    const int number = static_cast<int>(file.handle);
    ASSERT_EQ(0, evpoll_file_close(file.handle));
    file.handle = -1;
    ASSERT_EQ(number, dup2(other, number));
    for (uint32_t code : {EVPOLL_IO_READ, EVPOLL_IO_WRITE, EVPOLL_IO_FSYNC})
      EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, StatusOf(number, code))
          << "code " << code << " after " << times << " operations on the file";
    close(number);
  }
};
INSTANTIATE_TEST_SUITE_P(On, IoKindsChanged, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoKindsChanged, ANumberThatWasAFileAndIsAPipeNowIsUnsupported) {
  int ends[2];
  ASSERT_EQ(0, pipe2(ends, O_CLOEXEC | O_NONBLOCK));
  for (int times : {0, 1, 2, 10, 100, 2000}) UseCloseReplace(times, ends[1]);
  char byte;
  EXPECT_EQ(-1, read(ends[0], &byte, 1)) << "bytes of an operation went into the pipe";
  close(ends[0]);
  close(ends[1]);
}

TEST_P(IoKindsChanged, ANumberThatWasAPipeAndIsAFileNowIsServed) {
  int ends[2];
  ASSERT_EQ(0, pipe2(ends, O_CLOEXEC | O_NONBLOCK));
  for (int round = 0; round < 20; round++) {
    TempFile file("content");
    const int number = fcntl(ends[0], F_DUPFD_CLOEXEC, 100);
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, StatusOf(number));
    ASSERT_EQ(number, dup2(static_cast<int>(file.handle), number));
    EXPECT_EQ(EVPOLL_OK, StatusOf(number));
    close(number);
  }
  close(ends[0]);
  close(ends[1]);
}

TEST_P(IoKindsChanged, ANumberThatIsAnotherFileNowReachesThatFile) {
  TempFile first("first"), second("second");
  const int number = fcntl(static_cast<int>(first.handle), F_DUPFD_CLOEXEC, 100);
  for (int i = 0; i < 100; i++) EXPECT_EQ(EVPOLL_OK, StatusOf(number));
  ASSERT_EQ(number, dup2(static_cast<int>(second.handle), number));
  EXPECT_EQ(6, RunIo(MakeIo(EVPOLL_IO_READ, number, 1, buffer, sizeof buffer)).result);
  EXPECT_EQ("second", std::string(buffer, 6));
  close(number);
}

} // namespace
} // namespace evp
