// SPDX-License-Identifier: MIT
// The kernel's errors arrive exactly: the status, and the code in `result`.
#include "held_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace evp {
namespace {

EVP_CONTRACT(IoErrors);

void ExpectError(const evpoll_event &e, int32_t status, int os_code) {
  EXPECT_EQ(status, e.status) << evpoll_strerror(e.status);
  EXPECT_EQ(os_code, e.result) << std::strerror(static_cast<int>(e.result));
}

// A descriptor that is closed at the end.
struct Descriptor {
  int fd;
  explicit Descriptor(int open) : fd(open) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(const Descriptor &) = delete;
};

// A file on a file system of 64 KiB, which vanishes with it.
struct TinyFile : Descriptor {
  std::string why;
  TinyFile() : Descriptor(-1) {
    char folder[] = "evpoll-tiny-XXXXXX";
    if (!mkdtemp(folder)) return;
    if (mount("evpoll", folder, "tmpfs", 0, "size=64k") != 0) {
      why = std::string("mount: ") + std::strerror(errno);
    } else {
      fd = open((std::string(folder) + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      umount2(folder, MNT_DETACH);
    }
    rmdir(folder);
  }
};

TEST_P(IoErrors, AFullFileSystemIsNoSpace) {
  TinyFile file;
  EVP_GATE(file.fd >= 0, "tiny file system", file.why.c_str());
  ASSERT_EQ(0, Serve(p, file.fd));
  std::string data(65536, 'w');
  EXPECT_EQ(65536, RunIo(MakeIo(EVPOLL_OP_WRITE, file.fd, 1, data.data(), 65536)).result);
  ExpectError(RunIo(MakeIo(EVPOLL_OP_WRITE, file.fd, 2, data.data(), 65536, 65536)),
              EVPOLL_ERR_NO_SPACE, ENOSPC);
}

TEST_P(IoErrors, AFileSystemThatFillsUpMakesAWriteShort) {
  TinyFile file;
  EVP_GATE(file.fd >= 0, "tiny file system", file.why.c_str());
  ASSERT_EQ(0, Serve(p, file.fd));
  std::string data(100000, 'w');
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_WRITE, file.fd, 1, data.data(), data.size()));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(65536, e.result);
}

TEST_P(IoErrors, BeyondTheProcessesLargestFileIsTooLarge) {
  File file(*this);
  struct rlimit before;
  ASSERT_EQ(0, getrlimit(RLIMIT_FSIZE, &before));
  struct rlimit small = before;
  small.rlim_cur = 4096;
  void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
  std::string data(8192, 'w');
  ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &small));
  const evpoll_event across = RunIo(MakeIo(EVPOLL_OP_WRITE, file.handle, 1, data.data(), 8192));
  const evpoll_event beyond =
      RunIo(MakeIo(EVPOLL_OP_WRITE, file.handle, 2, data.data(), 8192, 4096));
  ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &before));
  signal(SIGXFSZ, handler);
  EXPECT_EQ(EVPOLL_OK, across.status);
  EXPECT_EQ(4096, across.result);
  ExpectError(beyond, EVPOLL_ERR_TOO_LARGE, EFBIG);
}

TEST_P(IoErrors, WritingWhatIsOpenForReadingIsABadHandle) {
  File file(*this, "content", EVPOLL_FILE_READ);
  char text[] = "x";
  ExpectError(RunIo(MakeIo(EVPOLL_OP_WRITE, file.handle, 1, text, 1)), EVPOLL_ERR_BAD_HANDLE,
              EBADF);
}

TEST_P(IoErrors, ReadingWhatIsOpenForWritingIsABadHandle) {
  File file(*this, "content", EVPOLL_FILE_WRITE);
  char buffer[8];
  ExpectError(RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, 8)), EVPOLL_ERR_BAD_HANDLE,
              EBADF);
}

TEST_P(IoErrors, AnOPathDescriptorIsABadHandle) {
  File file(*this, "content");
  Descriptor path(open(file.path.c_str(), O_PATH | O_CLOEXEC));
  ASSERT_LE(0, path.fd);
  char buffer[8];
  evpoll_io io = MakeIo(EVPOLL_OP_READ, path.fd, 1, buffer, 8);
  int32_t status = Serve(p, path.fd);
  if (status == 0) status = evpoll_submit(p, &io, 1) == 1 ? WaitOne().status : io.status;
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, status);
}

TEST_P(IoErrors, ADeviceThatFailsIsIo) {
  // Where nothing is mapped, a process's own memory answers EIO; it says it is a regular file.
  Descriptor memory(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
  EVP_GATE(memory.fd >= 0, "proc", "/proc/self/mem cannot be opened");
  ASSERT_EQ(0, Serve(p, memory.fd));
  char buffer[64] = {};
  ExpectError(RunIo(MakeIo(EVPOLL_OP_READ, memory.fd, 1, buffer, 64, 4096)), EVPOLL_ERR_IO, EIO);
  ExpectError(RunIo(MakeIo(EVPOLL_OP_WRITE, memory.fd, 2, buffer, 64, 4096)), EVPOLL_ERR_IO, EIO);
}

TEST_P(IoErrors, UnmappedBuffersAreFaults) {
  File file(*this, std::string(65536, 'x'));
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void *const hole = mmap(nullptr, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(MAP_FAILED, hole);
  for (uint32_t code : {EVPOLL_OP_READ, EVPOLL_OP_WRITE})
    ExpectError(RunIo(MakeIo(code, file.handle, 1, hole, page)), EVPOLL_ERR_FAULT, EFAULT);
  evpoll_iovec piece = {EVPOLL_ADDR(hole), page};
  for (uint32_t code : {EVPOLL_OP_READV, EVPOLL_OP_WRITEV})
    ExpectError(RunIo(MakeIo(code, file.handle, 1, &piece, 1)), EVPOLL_ERR_FAULT, EFAULT);
  munmap(hole, page);
}

TEST_P(IoErrors, AReadOnlyBufferIsAFaultForReading) {
  File file(*this, std::string(4096, 'x'));
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void *const fixed = mmap(nullptr, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(MAP_FAILED, fixed);
  ExpectError(RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, fixed, 4096)), EVPOLL_ERR_FAULT, EFAULT);
  EXPECT_EQ(4096, RunIo(MakeIo(EVPOLL_OP_WRITE, file.handle, 2, fixed, 4096)).result);
  munmap(fixed, page);
}

TEST_P(IoErrors, ASealedFileIsAccess) {
  Descriptor sealed(memfd_create("evpoll", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_LE(0, sealed.fd);
  ASSERT_EQ(0, fcntl(sealed.fd, F_ADD_SEALS, F_SEAL_WRITE));
  ASSERT_EQ(0, Serve(p, sealed.fd));
  char text[] = "x";
  ExpectError(RunIo(MakeIo(EVPOLL_OP_WRITE, sealed.fd, 1, text, 1)), EVPOLL_ERR_ACCESS, EPERM);
}

TEST_P(IoErrors, ALengthBeyondTheLimitComesBackShortWithoutAnError) {
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  ASSERT_EQ(0, evpoll_info(p, &info));
  ASSERT_LT(0u, info.io_length_limit);
  // Room for all of it is mapped, but only what the file has is ever touched.
  const size_t room = info.io_length_limit + 65536;
  void *const buffer = mmap(nullptr, room, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  EVP_GATE(buffer != MAP_FAILED, "large mapping", "no room for a mapping of 2 GiB");
  File file(*this, std::string(1000, 'x'));
  for (uint64_t length : {info.io_length_limit - 1, info.io_length_limit, info.io_length_limit + 1,
                          info.io_length_limit + 65536}) {
    const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, length));
    EXPECT_EQ(EVPOLL_OK, e.status);
    EXPECT_EQ(1000, e.result);
  }
  munmap(buffer, room);
}

TEST_P(IoErrors, LengthsOfMoreThan32BitsAreNotCutToTheirLowerHalf) {
  File file(*this, std::string(1000, 'x'));
  const size_t room = (size_t{1} << 32) + 65536;
  void *const buffer = mmap(nullptr, room, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  EVP_GATE(buffer != MAP_FAILED, "large mapping", "no room for a mapping of 4 GiB");
  for (uint64_t length : {uint64_t{1} << 32, (uint64_t{1} << 32) + 10})
    EXPECT_EQ(1000, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, length)).result);
  munmap(buffer, room);
}

class HeldErrors : public HeldContract {
protected:
  void SetUp() override {
    HeldContract::SetUp();
    held.Release();
  }
  evpoll_io Read(uint64_t token) {
    return MakeIo(EVPOLL_OP_READ, Fd(token), token, buffers + 64 * (token % 64), 64);
  }
  char buffers[64 * 64] = {};
};
INSTANTIATE_TEST_SUITE_P(On, HeldErrors, ::testing::ValuesIn(Configs()), ConfigName);

// What a file's server may answer. None of it is the network's doing, nor the caller's mistake but
// where the name says so.
struct Translation {
  int os_code;
  int32_t status;
};
const Translation kTranslations[] = {
    {EIO, EVPOLL_ERR_IO},          {ENOSPC, EVPOLL_ERR_NO_SPACE},
    {EDQUOT, EVPOLL_ERR_NO_SPACE}, {EFBIG, EVPOLL_ERR_TOO_LARGE},
    {EACCES, EVPOLL_ERR_ACCESS},   {EPERM, EVPOLL_ERR_ACCESS},
    {EROFS, EVPOLL_ERR_ACCESS},    {ENOMEM, EVPOLL_ERR_NO_MEMORY},
    {EINVAL, EVPOLL_ERR_INVALID},  {EBADF, EVPOLL_ERR_BAD_HANDLE},
    {ETIMEDOUT, EVPOLL_ERR_IO},    {ENOTRECOVERABLE, EVPOLL_ERR_IO},
    {ENODEV, EVPOLL_ERR_IO},       {ENXIO, EVPOLL_ERR_IO},
    {ENODATA, EVPOLL_ERR_IO},      {ENOLINK, EVPOLL_ERR_IO},
    {EHWPOISON, EVPOLL_ERR_IO},    {ESTALE, EVPOLL_ERR_IO},
    {ENOTCONN, EVPOLL_ERR_IO},     {ECONNREFUSED, EVPOLL_ERR_IO},
    {ECONNRESET, EVPOLL_ERR_IO},   {EHOSTUNREACH, EVPOLL_ERR_IO},
    {ENETDOWN, EVPOLL_ERR_IO},     {EADDRINUSE, EVPOLL_ERR_IO},
    {EMSGSIZE, EVPOLL_ERR_IO},     {EPIPE, EVPOLL_ERR_IO},
    {ENOENT, EVPOLL_ERR_IO},       {EEXIST, EVPOLL_ERR_IO},
};

TEST_P(HeldErrors, EveryErrorOfAFileSystemIsTranslatedForEveryCode) {
  char buffer[64] = {};
  evpoll_iovec piece = {EVPOLL_ADDR(buffer), 64};
  for (uint32_t code : {EVPOLL_OP_READ, EVPOLL_OP_WRITE, EVPOLL_OP_READV, EVPOLL_OP_WRITEV,
                        EVPOLL_OP_FSYNC, EVPOLL_OP_FDATASYNC})
    for (const Translation &t : kTranslations) {
      held.Fail({t.os_code});
      SCOPED_TRACE(std::string("code ") + std::to_string(code) + " " + std::strerror(t.os_code));
      const bool vectored = code == EVPOLL_OP_READV || code == EVPOLL_OP_WRITEV;
      const bool data = code == EVPOLL_OP_READ || code == EVPOLL_OP_WRITE;
      ExpectError(RunIo(data       ? MakeIo(code, held.fd(), 1, buffer, 64)
                        : vectored ? MakeIo(code, held.fd(), 1, &piece, 1)
                                   : MakeIo(code, held.fd(), 1)),
                  t.status, t.os_code);
    }
  for (const Translation &t : kTranslations) { // by the ring, where there is one
    held.Fail({t.os_code});
    SCOPED_TRACE(std::strerror(t.os_code));
    ExpectError(RunIo(Read(1)), t.status, t.os_code);
  }
}

TEST_P(HeldErrors, AnErrorDoesNotStickToTheHandle) {
  held.Fail({EIO});
  EXPECT_EQ(EVPOLL_ERR_IO, RunIo(Read(1)).status);
  for (uint64_t i = 0; i < 20; i++) EXPECT_EQ(64, RunIo(Read(i)).result);
}

TEST_P(HeldErrors, InAListOnlyTheEntriesThatFailedSayWhy) {
  std::vector<evpoll_io> ios = {Read(0), Read(1), Read(2), Read(3)};
  held.Fail({EIO, ENOSPC});
  uint64_t op = 0;
  ASSERT_EQ(4, evpoll_submit_list(p, ios.data(), 4, 7, &op));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_ERR_PARTIAL, e.status);
  EXPECT_EQ(2, e.result);
  evpoll_result results[4];
  ASSERT_EQ(4, evpoll_list_take(p, op, results, 4));
  int64_t sum = 0;
  for (const evpoll_result &r : results) {
    EXPECT_TRUE(r.status == 0 ? r.result == 64
                              : r.status == (r.result == EIO ? EVPOLL_ERR_IO : EVPOLL_ERR_NO_SPACE))
        << r.status << " " << r.result;
    sum += r.status ? r.result : 0;
  }
  EXPECT_EQ(EIO + ENOSPC, sum);
}

TEST_P(HeldErrors, AnInterruptionThatNobodyAskedForIsNoOutcome) {
  for (const evpoll_io &io : {Read(1), MakeIo(EVPOLL_OP_READ, held.fd(), 1, buffers, 64)}) {
    held.Fail({EINTR, EINTR, EINTR});
    const evpoll_event e = RunIo(io);
    EXPECT_EQ(EVPOLL_OK, e.status) << evpoll_strerror(e.status);
    EXPECT_EQ(64, e.result);
  }
}

TEST_P(HeldErrors, AServerThatIsAlwaysInterruptedIsAskedSoOftenAndOneEventComes) {
  held.FailAlways(EINTR);
  for (const evpoll_io &io : {Read(1), MakeIo(EVPOLL_OP_READ, held.fd(), 1, buffers, 64),
                              MakeIo(EVPOLL_OP_FSYNC, held.fd(), 2)}) {
    const uint64_t before = held.Arrived();
    EXPECT_EQ(EVPOLL_ERR_AGAIN, RunIo(io).status);
    EXPECT_GE(200u, held.Arrived() - before);
    ExpectQuiet();
  }
  held.Fail({});
  EXPECT_EQ(EVPOLL_OK, RunIo(Read(1)).status);
}

TEST_P(HeldErrors, AServerThatIsAlwaysInterruptedKeepsNobodyFromClosing) {
  held.FailAlways(EINTR);
  evpoll_io ios[] = {Read(1), MakeIo(EVPOLL_OP_READ, held.fd(), 1, buffers, 64)};
  ASSERT_EQ(2, evpoll_submit(p, ios, 2));
  EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
  p = nullptr;
}

} // namespace
} // namespace evp
