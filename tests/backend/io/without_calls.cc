// SPDX-License-Identifier: MIT
// Runs a command that may not make a certain system call:
//   without_calls io_uring_setup EPERM command...
// Exits with 77 where there is no seccomp.
#include "sandbox.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

int main(int argc, char **argv) {
  struct Name {
    const char *name;
    int number;
  };
  static const Name calls[] = {{"io_uring_setup", SYS_io_uring_setup},
                               {"io_uring_enter", SYS_io_uring_enter},
                               {"preadv2", SYS_preadv2}};
  static const Name errors[] = {{"EPERM", EPERM}, {"ENOSYS", ENOSYS}, {"EAGAIN", EAGAIN}};
  int call = -1, error = -1;
  if (argc < 4) return 2;
  for (const Name &c : calls)
    if (std::strcmp(argv[1], c.name) == 0) call = c.number;
  for (const Name &e : errors)
    if (std::strcmp(argv[2], e.name) == 0) error = e.number;
  if (call < 0 || error < 0) return 2;
  if (!evp::Forbid({{call, error}})) return 77;
  execv(argv[3], argv + 3);
  std::perror(argv[3]);
  return 2;
}
