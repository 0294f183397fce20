/* SPDX-License-Identifier: MIT */
/* Files and buffers on POSIX. A handle is a descriptor; what is a file is the kernel's to say, each
   time, since a descriptor's number may be another file's by the next call. */
#include "os/os.h"
#include "os/os_file.h"
#include "os/posix/posix.h"

#include "core/status.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#if defined(__linux__)
/* Of linux/fs.h, which is not there where the C library comes without the kernel's headers. */
#define BLKGETSIZE64                                                                               \
  ((int)_IOR(0x12, 114, size_t)) /* an int to musl; the kernel looks at 32 bits */
#else
#include <sys/disk.h>
#endif

_Static_assert(sizeof(off_t) == 8, "build with -D_FILE_OFFSET_BITS=64");

struct kind {
  mode_t mode;
  int64_t size;
};

/* -1 for what cannot be one. */
static int posix_file_descriptor_of(evpoll_handle handle) {
  return handle < 0 || handle > INT_MAX ? -1 : (int)handle;
}

/* fresh: a file server is asked for the size; without it the kind is known and the size may be old.
   With glibc not fstat: linked against 2.33 or newer it would need that version at run time, while
   statx is in 2.28 and falls back by itself on kernels that lack the call. */
static int stat_kind(int fd, bool fresh, struct kind *out) {
#if defined(__GLIBC__)
  struct statx stat;
  const unsigned mask = fresh ? STATX_TYPE | STATX_SIZE : STATX_TYPE;
  const int flags = AT_EMPTY_PATH | (fresh ? AT_STATX_SYNC_AS_STAT : AT_STATX_DONT_SYNC);
  if (statx(fd, "", flags, mask, &stat) < 0) return -1;
  out->mode = stat.stx_mode;
  out->size = (int64_t)stat.stx_size;
#else
  struct stat stat;
  (void)fresh;
  if (fstat(fd, &stat) < 0) return -1;
  out->mode = stat.st_mode;
  out->size = stat.st_size;
#endif
  return 0;
}

/* Asks the driver. lseek(SEEK_END) would tell too, but it moves the position that all duplicates
   of the descriptor share, and two threads that put it back can leave it at the end. */
static int measure_disk(int fd, int64_t *bytes_out) {
#if defined(BLKGETSIZE64)
  uint64_t bytes;
  if (ioctl(fd, BLKGETSIZE64, &bytes) < 0) return -1;
  *bytes_out = (int64_t)bytes;
#elif defined(DIOCGMEDIASIZE)
  off_t bytes;
  if (ioctl(fd, DIOCGMEDIASIZE, &bytes) < 0) return -1;
  *bytes_out = bytes;
#elif defined(DKIOCGETBLOCKCOUNT)
  uint64_t count;
  uint32_t bytes;
  if (ioctl(fd, DKIOCGETBLOCKCOUNT, &count) < 0) return -1;
  if (ioctl(fd, DKIOCGETBLOCKSIZE, &bytes) < 0) return -1;
  *bytes_out = (int64_t)(count * bytes);
#else
  (void)fd;
  (void)bytes_out;
  errno = ENOTSUP;
  return -1;
#endif
  return 0;
}

/* FreeBSD has no block devices: its disks are character devices that know a size. */
static bool is_disk(int fd, mode_t mode) {
#if defined(__FreeBSD__)
  int64_t bytes;
  return S_ISCHR(mode) && measure_disk(fd, &bytes) == 0;
#else
  (void)fd;
  return S_ISBLK(mode);
#endif
}

static int32_t look_at_file(int fd, bool fresh, struct kind *out) {
  if (stat_kind(fd, fresh, out) < 0) return evp_fail_os(errno);
  if (S_ISREG(out->mode) || is_disk(fd, out->mode)) return 0;
  return evp_fail(EVPOLL_ERR_UNSUPPORTED);
}

static int native_flags(uint32_t flags) {
  int native = O_CLOEXEC | O_NOCTTY;
  if ((flags & EVPOLL_FILE_READ) && (flags & EVPOLL_FILE_WRITE))
    native |= O_RDWR;
  else
    native |= flags & EVPOLL_FILE_WRITE ? O_WRONLY : O_RDONLY;
  if (flags & EVPOLL_FILE_CREATE) native |= O_CREAT;
  if (flags & EVPOLL_FILE_EXCLUSIVE) native |= O_EXCL;
  if (flags & EVPOLL_FILE_APPEND)
    native |= O_APPEND; /* cut below, when nobody else has it */
  else if (flags & EVPOLL_FILE_TRUNCATE)
    native |= O_TRUNC;
#if defined(O_DIRECT)
  if (flags & EVPOLL_FILE_DIRECT) native |= O_DIRECT;
#endif
  return native;
}

static int32_t posix_file_refuse_open(int code, uint32_t flags) {
  /* What a file system without O_DIRECT says; names that it cannot store are rarer by far. */
  if (code == EINVAL && (flags & EVPOLL_FILE_DIRECT))
    return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, code);
  /* By O_NONBLOCK open does not wait until another process has given up its lease of the file. */
  if (code == EWOULDBLOCK) return evp_fail_as(EVPOLL_ERR_BUSY, code);
  return evp_fail_os(code);
}

/* Admits files only, and makes the descriptor what open would have made it without O_NONBLOCK. */
static int32_t posix_file_settle(int fd, int native, uint32_t flags) {
  struct kind kind = {0};
  const int32_t status = look_at_file(fd, false, &kind);
  if (status < 0) return status;
  /* io_uring heeds O_NONBLOCK on files too: what would have to wait for the disk ends with EAGAIN.
     FreeBSD's disks may refuse to have the flag changed, but they ignore it. */
  if (fcntl(fd, F_SETFL, native) < 0 && S_ISREG(kind.mode)) return evp_fail_os(errno);
#if !defined(O_DIRECT) && defined(F_NOCACHE)
  if ((flags & EVPOLL_FILE_DIRECT) && fcntl(fd, F_NOCACHE, 1) < 0) return evp_fail_os(errno);
#elif !defined(O_DIRECT)
  if (flags & EVPOLL_FILE_DIRECT) return evp_fail(EVPOLL_ERR_UNSUPPORTED);
#else
  (void)flags;
#endif
  return 0;
}

/* Only one may append; a file system without locks cannot see to that. */
static int32_t own(int fd, uint32_t flags) {
  bool alone;
  const int taken = evp_file_own(fd, &alone);
  if (taken) return evp_fail_as(EVPOLL_ERR_BUSY, taken);
  if (!alone) return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, errno);
  return (flags & EVPOLL_FILE_TRUNCATE) && ftruncate(fd, 0) < 0 ? evp_fail_os(errno) : 0;
}

static int sync_folder(const char *path) {
  char *real = realpath(path, NULL); /* a link's file may lie elsewhere */
  if (!real) return errno;
  strrchr(real, '/')[1] = 0;
  const int folder = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int os_code = folder < 0 || fsync(folder) < 0 ? errno : 0;
  if (folder >= 0) close(folder);
  free(real);
  return os_code;
}

/* The file and its name. */
static int32_t make_durable(int fd, const char *path) {
  const int os_code = fsync(fd) < 0 ? errno : sync_folder(path);
  const bool cannot = os_code == EINVAL || os_code == ENOTSUP;
  return cannot ? evp_fail_as(EVPOLL_ERR_UNSUPPORTED, os_code) : os_code ? evp_fail_os(os_code) : 0;
}

int32_t evp_file_open(const char *path, uint32_t flags, uint32_t permissions,
                      evpoll_handle *handle_out) {
  const int native = native_flags(flags);
  int fd;
  do /* O_NONBLOCK: opening a FIFO or a terminal must not wait for the other side. */
    fd = evp_above_standard(open(path, native | O_NONBLOCK, (mode_t)permissions));
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return posix_file_refuse_open(errno, flags);
  int32_t status = posix_file_settle(fd, native, flags);
  if (status == 0 && (flags & EVPOLL_FILE_APPEND)) status = own(fd, flags);
  if (status == 0 && (flags & EVPOLL_FILE_DURABLE)) status = make_durable(fd, path);
  if (status < 0) {
    close(fd);
    return status;
  }
  *handle_out = fd;
  return 0;
}

/* Where the system opens what a descriptor stands for once more, and not the descriptor. A
 * terminal's other side has no second description. */
static int32_t path_to(int fd, char *path, size_t size) {
  struct kind kind = {0};
  if (stat_kind(fd, false, &kind) < 0) return evp_fail_os(errno);
  const bool is_terminal = S_ISCHR(kind.mode) && isatty(fd) && !ptsname(fd);
#if defined(__linux__)
  if (!is_terminal && !S_ISFIFO(kind.mode)) return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  snprintf(path, size, "/proc/self/fd/%d", fd);
#else
  if (!is_terminal || ttyname_r(fd, path, size)) return evp_fail(EVPOLL_ERR_UNSUPPORTED);
#endif
  return 0;
}

int32_t evp_file_reopen(evpoll_handle handle, evpoll_handle *handle_out) {
  char path[PATH_MAX];
  const int from = posix_file_descriptor_of(handle);
  if (from < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  const int32_t status = path_to(from, path, sizeof path);
  if (status < 0) return status;
  const int access = fcntl(from, F_GETFL) & O_ACCMODE;
  int fd;
  do fd = evp_above_standard(open(path, access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return evp_fail_os(errno);
  *handle_out = fd;
  return 0;
}

int32_t evp_file_check(evpoll_handle handle) {
  const int fd = posix_file_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  struct kind kind = {0};
  return look_at_file(fd, false, &kind);
}

mode_t evp_descriptor_mode(int fd) {
  struct kind kind = {0};
  return stat_kind(fd, false, &kind) < 0 ? 0 : kind.mode;
}

int32_t evp_file_size(evpoll_handle handle, int64_t *size_out) {
  const int fd = posix_file_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  struct kind kind = {0};
  const int32_t status = look_at_file(fd, true, &kind);
  if (status < 0) return status;
  if (!S_ISREG(kind.mode) && measure_disk(fd, &kind.size) < 0) return evp_fail_os(errno);
  *size_out = kind.size;
  return 0;
}

int64_t evp_file_measure(int fd) {
  struct kind kind = {0};
  if (stat_kind(fd, true, &kind) < 0) return -1;
  return !S_ISREG(kind.mode) && measure_disk(fd, &kind.size) < 0 ? -1 : kind.size;
}

int32_t evp_file_close(evpoll_handle handle) {
  const int fd = posix_file_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  /* After EINTR Linux and FreeBSD have closed the descriptor; by a second try its number may be
     another thread's. */
  if (close(fd) == 0 || errno == EINTR) return 0;
  return evp_fail_os(errno);
}

int32_t evp_buffer_alloc(uint64_t size, uint32_t alignment, void **buffer_out) {
  void *buffer;
  const size_t aligned_to = alignment < sizeof(void *) ? sizeof(void *) : alignment;
  const int code = posix_memalign(&buffer, aligned_to, (size_t)size);
  if (code != 0) return evp_fail_os(code);
  memset(buffer, 0, (size_t)size); /* also faults the pages in: not inside the first operation */
  *buffer_out = buffer;
  return 0;
}

void evp_buffer_free(void *buffer) { free(buffer); }

/* ---- a log -------------------------------------------------------------------------------- */

static const char *trusted_variable(const char *name) {
#if defined(__linux__)
  return secure_getenv(name);
#else
  return issetugid() ? NULL : getenv(name);
#endif
}

/* Who reads a pipe may go away, and a signal come. */
evpoll_handle evp_log_open(void) {
  const char *path = trusted_variable("EVPOLL_TRACE");
  if (!path || !*path) return -1;
  const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const int fd = evp_above_standard(open(path, flags, 0666));
  if (fd < 0) return -1;
  struct kind kind;
  if (stat_kind(fd, false, &kind) == 0 && (S_ISREG(kind.mode) || S_ISCHR(kind.mode))) return fd;
  close(fd);
  return -1;
}

void evp_log_write(evpoll_handle h, const char *text, size_t n) {
  const int error = errno;
  if (write((int)h, text, n) < 0) errno = error;
}
