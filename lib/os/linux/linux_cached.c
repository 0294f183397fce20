/* SPDX-License-Identifier: MIT */
/* Reads that the system's cache can serve: Linux tells, by RWF_NOWAIT. */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/status.h"
#include "os/os.h"
#include "os/posix/posix.h"

/* By number: the C library's function may be missing, or a cancellation point. RWF_NOWAIT is
 * Linux 4.14; a file system without it says EOPNOTSUPP. */
static ssize_t read_now(int fd, void *buffer, size_t length, uint64_t offset) {
  const struct iovec piece = {buffer, length};
  const unsigned no_wait = 8;
  const unsigned long low = (unsigned long)offset, high = (unsigned long)(offset >> 32);
  return syscall(SYS_preadv2, fd, &piece, 1ul, low, high, no_wait);
}

/* Less than was asked for is the file's end, or what is in the cache of it: one more try tells. */
bool evp_file_read_cached(evpoll_handle h, int64_t offset, void *buffer, uint64_t length,
                          int64_t *result_out) {
  const uint64_t most = evp_file_length_limit();
  const size_t bytes = (size_t)(length < most ? length : most);
  size_t got = 0;
  for (ssize_t n = 1; n > 0 && (got < bytes || bytes == 0); got += (size_t)n) {
    n = read_now((int)h, got ? (char *)buffer + got : buffer, bytes - got, (uint64_t)offset + got);
    if (n < 0) return false;
  }
  *result_out = (int64_t)got;
  return true;
}

/* Only FUSE's files can be polled. Asked of an epoll set of its own, so that nobody waits. */
static bool can_be_polled(int fd) {
  const int set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) return true; /* the safe answer */
  struct epoll_event e = {0};
  const bool polled = syscall(SYS_epoll_ctl, set, EPOLL_CTL_ADD, fd, &e) == 0;
  close(set);
  return polled;
}

/* io_uring tries to do an operation in the call that submits it. Where the file system cannot say
 * "not now" (RWF_NOWAIT) that waits, unless the file cannot be polled: then a thread of the kernel
 * does it (io_uring/rw.c, io_file_supports_nowait()). The first byte tells; a file that is not open
 * for reading cannot be asked so. */
int32_t evp_file_look(evpoll_handle h, struct evp_file_kind *out) {
  *out = (struct evp_file_kind){.appends = false};
  const int fd = (int)h, flags = fcntl(fd, F_GETFL);
  char byte;
  if (flags < 0) return evp_fail_os(errno);
  out->appends = (flags & O_APPEND) && (flags & O_ACCMODE) != O_RDONLY;
  const bool reads = (flags & O_ACCMODE) != O_WRONLY;
  const bool refused = reads && read_now(fd, &byte, 1, 0) < 0 && errno == EOPNOTSUPP;
  out->ready = reads && !refused;
  out->cached = out->ready && !(flags & O_DIRECT);
  if (!out->ready) out->waits = can_be_polled(fd);
  out->slow = refused || out->waits;
  out->quick = !refused && (flags & O_ACCMODE) == O_RDONLY;
  return 0;
}
