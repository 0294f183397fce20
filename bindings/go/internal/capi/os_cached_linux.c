/* SPDX-License-Identifier: MIT */
//go:build (linux) && !evpoll_system

/* Reads that the system's cache can serve: Linux tells, by RWF_NOWAIT. */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os.h"

/* A read past the cache waits for the device whatever it is told. */
bool evp_file_is_cached(evpoll_handle h) {
  const int flags = fcntl((int)h, F_GETFL);
  return flags >= 0 && !(flags & O_DIRECT);
}

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
    n = read_now((int)h, (char *)buffer + got, bytes - got, (uint64_t)offset + got);
    if (n < 0) return false;
  }
  *result_out = (int64_t)got;
  return true;
}
