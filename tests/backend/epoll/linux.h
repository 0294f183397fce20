// SPDX-License-Identifier: MIT
// What the tests of the epoll backend share: looks into /proc, and forked children.
#pragma once

#include "contract.h"

#include <sys/types.h>

#include <functional>
#include <set>

namespace evp {

inline int Fd(evpoll_handle h) { return static_cast<int>(h); }

// A descriptor that is closed at the end.
class OwnFd {
public:
  explicit OwnFd(int fd) : fd_(fd) { EXPECT_LE(0, fd); }
  ~OwnFd() { Close(); }
  OwnFd(const OwnFd &) = delete;
  operator int() const { return fd_; }
  void Close();

private:
  int fd_;
};

struct PipeEnds {
  int fds[2] = {-1, -1};
  const int status = Make(fds);
  OwnFd read{fds[0]}, write{fds[1]};

private:
  static int Make(int *fds);
};

// The descriptors that are open in this process.
std::set<int> OpenFds();
// What /proc says that a descriptor is: "anon_inode:[eventpoll]".
std::string KindOf(int fd);
// This thread's id, and whether a thread of this process sleeps in the kernel.
pid_t ThreadId();
bool Sleeps(pid_t thread);

// Runs body in a forked child; its expectations count as the test's. A child that hangs is killed
// and counts as a failure.
void InForkedChild(const std::function<void()> &body);

} // namespace evp
