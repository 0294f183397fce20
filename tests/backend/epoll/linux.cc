// SPDX-License-Identifier: MIT
#include "linux.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace evp {

void OwnFd::Close() {
  if (fd_ >= 0) {
    EXPECT_EQ(0, close(fd_));
  }
  fd_ = -1;
}

int PipeEnds::Make(int *fds) {
  const int status = pipe2(fds, O_NONBLOCK | O_CLOEXEC);
  EXPECT_EQ(0, status);
  return status;
}

std::set<int> OpenFds() {
  std::set<int> fds;
  DIR *folder = opendir("/proc/self/fd");
  EXPECT_NE(nullptr, folder);
  if (!folder) return fds;
  while (const dirent *entry = readdir(folder))
    if (entry->d_name[0] != '.') fds.insert(std::atoi(entry->d_name));
  fds.erase(dirfd(folder));
  closedir(folder);
  return fds;
}

std::string KindOf(int fd) {
  char kind[256];
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t n = readlink(path.c_str(), kind, sizeof kind);
  return n > 0 ? std::string(kind, static_cast<size_t>(n)) : "";
}

pid_t ThreadId() { return static_cast<pid_t>(syscall(SYS_gettid)); }

bool Sleeps(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(") "); // the name may hold anything
  return name_end != std::string::npos && line[name_end + 2] == 'S';
}

void InForkedChild(const std::function<void()> &body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  ASSERT_LE(0, child);
  if (child == 0) {
    alarm(20);
    body();
    std::fflush(nullptr);
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(0, WEXITSTATUS(status)) << "see above";
}

} // namespace evp
