// SPDX-License-Identifier: MIT
// evpoll_reopen(): a description of its own of a terminal or pipe.
#include "contract.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace evp {
namespace {

class Reopen : public ::testing::Test {
protected:
  ~Reopen() override {
    for (const int fd : {ends[0], ends[1], other})
      if (fd >= 0) close(fd);
  }
  int32_t Run(int fd) {
    evpoll_handle h = -1;
    const int32_t status = evpoll_reopen(fd, &h);
    EXPECT_EQ(status == 0, h > 2);
    other = static_cast<int>(h);
    return status;
  }
  // Its modes are its own: non-blocking, not inherited, the same access.
  void ExpectPrivate(int fd, int access) {
    const int before = fcntl(fd, F_GETFL), flags = fcntl(other, F_GETFL);
    EXPECT_FALSE(before & O_NONBLOCK);
    EXPECT_TRUE(flags & O_NONBLOCK);
    EXPECT_EQ(access, flags & O_ACCMODE);
    EXPECT_EQ(FD_CLOEXEC, fcntl(other, F_GETFD));
  }
  static std::string Read(int fd) {
    char text[16];
    const ssize_t n = read(fd, text, sizeof text);
    return n < 0 ? "error" : std::string(text, static_cast<size_t>(n));
  }

  int ends[2] = {-1, -1}, other = -1;
};

TEST_F(Reopen, TheReadingEndOfAPipe) {
  ASSERT_EQ(0, pipe(ends));
  ASSERT_EQ(0, Run(ends[0]));
  ExpectPrivate(ends[0], O_RDONLY);
  EXPECT_EQ("error", Read(other)) << "it does not wait";
  EXPECT_EQ(3, write(ends[1], "abc", 3));
  EXPECT_EQ("abc", Read(other));
  close(ends[1]);
  ends[1] = -1;
  EXPECT_EQ("", Read(other)) << "it did not become a writer";
}

TEST_F(Reopen, TheWritingEndOfAPipe) {
  ASSERT_EQ(0, pipe(ends));
  ASSERT_EQ(0, Run(ends[1]));
  ExpectPrivate(ends[1], O_WRONLY);
  EXPECT_EQ(3, write(other, "abc", 3));
  EXPECT_EQ("abc", Read(ends[0]));
}

TEST_F(Reopen, APipeThatNobodyReadsDoesNotHoldItUp) {
  ASSERT_EQ(0, pipe(ends));
  close(ends[0]);
  ends[0] = -1;
  EXPECT_EQ(0, Run(ends[1]));
}

TEST_F(Reopen, AFifo) {
  TempFile place;
  const std::string name = place.path + ".fifo";
  ASSERT_EQ(0, mkfifo(name.c_str(), 0600));
  ends[0] = open(name.c_str(), O_RDWR);
  ASSERT_LE(0, ends[0]);
  ASSERT_EQ(0, std::remove(name.c_str())) << "its name is not needed";
  ASSERT_EQ(0, Run(ends[0]));
  ExpectPrivate(ends[0], O_RDWR);
  EXPECT_EQ(3, write(ends[0], "abc", 3));
  EXPECT_EQ("abc", Read(other));
}

TEST_F(Reopen, ATerminalButNotItsOtherSide) {
  ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
  EVP_GATE(ends[0] >= 0 && grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0, "terminals",
           "there are no pseudo-terminals here");
  ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
  ASSERT_LE(0, ends[1]);
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Run(ends[0])) << "it would be another terminal";
  ASSERT_EQ(0, Run(ends[1]));
  ExpectPrivate(ends[1], O_RDWR);
  EXPECT_EQ(4, write(ends[0], "abc\n", 4));
  EXPECT_EQ("abc\n", Read(other));
}

TEST_F(Reopen, NothingElse) {
  TempFile file("abc");
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Run(static_cast<int>(file.handle)));
  ends[0] = open("/dev/null", O_RDWR);
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Run(ends[0]));
  close(ends[0]);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, Run(ends[0]));
  ends[0] = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Run(ends[0]));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, Run(1 << 30));
}

TEST_F(Reopen, NoRoomForAnotherDescriptorIsALimit) {
  ASSERT_EQ(0, pipe(ends));
  const NoMoreDescriptors full;
  EVP_GATE(full.works, "descriptor-limit", "it cannot be lowered");
  EXPECT_EQ(EVPOLL_ERR_LIMIT, Run(ends[0]));
}

} // namespace
} // namespace evp
