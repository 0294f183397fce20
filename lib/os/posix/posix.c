/* SPDX-License-Identifier: MIT */
/* Locks, threads, clock and fork on POSIX systems, and the operations that the pool performs. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include "os/os.h"
#include "os/posix/posix.h"

/* glibc 2.34 gave these new version nodes when it merged libpthread into libc. Bound to the old
 * ones, which it keeps, the library also loads with glibc 2.28 (RHEL 8, Ubuntu 20.04), where they
 * live in libpthread. Only for the shared library: a static glibc has no old nodes. */
#if defined(EVP_OLD_GLIBC_NODES) && defined(__GLIBC__) && defined(__x86_64__)
#define OLD_NODE    "GLIBC_2.2.5"
#define CREATE_NODE OLD_NODE
#elif defined(EVP_OLD_GLIBC_NODES) && defined(__GLIBC__) && defined(__aarch64__)
#define OLD_NODE    "GLIBC_2.17"
#define CREATE_NODE OLD_NODE
#elif defined(EVP_OLD_GLIBC_NODES) && defined(__GLIBC__) && defined(__i386__)
#define OLD_NODE    "GLIBC_2.0"
#define CREATE_NODE "GLIBC_2.1"
#endif
#ifdef OLD_NODE
__asm__(".symver pthread_create, pthread_create@" CREATE_NODE);
__asm__(".symver pthread_join, pthread_join@" OLD_NODE);
__asm__(".symver pthread_sigmask, pthread_sigmask@" OLD_NODE);
#endif

static_assert(sizeof(pthread_mutex_t) <= sizeof(struct evp_mutex), "struct evp_mutex is too small");
static_assert(sizeof(pthread_cond_t) <= sizeof(struct evp_cond), "struct evp_cond is too small");
static_assert(sizeof(pthread_t) <= sizeof(uint64_t), "a thread does not fit");

/* ---- locks -------------------------------------------------------------------------------- */

static pthread_mutex_t *mutex(struct evp_mutex *m) { return (pthread_mutex_t *)(void *)m; }
static pthread_cond_t *posix_cond(struct evp_cond *c) { return (pthread_cond_t *)(void *)c; }

void evp_mutex_init(struct evp_mutex *m) { pthread_mutex_init(mutex(m), NULL); }
void evp_mutex_destroy(struct evp_mutex *m) { pthread_mutex_destroy(mutex(m)); }
void evp_mutex_lock(struct evp_mutex *m) { pthread_mutex_lock(mutex(m)); }
void evp_mutex_unlock(struct evp_mutex *m) { pthread_mutex_unlock(mutex(m)); }

void evp_cond_init(struct evp_cond *c) { pthread_cond_init(posix_cond(c), NULL); }
void evp_cond_destroy(struct evp_cond *c) { pthread_cond_destroy(posix_cond(c)); }
void evp_cond_wait(struct evp_cond *c, struct evp_mutex *m) {
  pthread_cond_wait(posix_cond(c), mutex(m));
}
void evp_cond_signal(struct evp_cond *c) { pthread_cond_signal(posix_cond(c)); }
void evp_cond_broadcast(struct evp_cond *c) { pthread_cond_broadcast(posix_cond(c)); }

/* ---- threads ------------------------------------------------------------------------------ */

struct posix_start {
  void (*run)(void *);
  void *context;
};

static void *posix_start_thread(void *argument) {
  const struct posix_start s = *(struct posix_start *)argument;
  free(argument);
  s.run(s.context);
  return NULL;
}

int evp_thread_start(void (*run)(void *), void *context, uint64_t *thread_out) {
  struct posix_start *s = malloc(sizeof *s);
  if (!s) return ENOMEM;
  *s = (struct posix_start){run, context};
  /* A thread inherits the mask: the program's handlers never run on ours. */
  sigset_t all, old;
  sigfillset(&all);
  evp_signal_mask(SIG_SETMASK, &all, &old);
  pthread_t thread = 0;
  const int os_code = pthread_create(&thread, NULL, posix_start_thread, s);
  evp_signal_mask(SIG_SETMASK, &old, NULL);
  if (os_code) free(s);
  *thread_out = (uint64_t)(uintptr_t)thread;
  return os_code;
}

void evp_signal_mask(int how, const sigset_t *set, sigset_t *old_out) {
  pthread_sigmask(how, set, old_out);
}

void evp_thread_join(uint64_t thread) { pthread_join((pthread_t)(uintptr_t)thread, NULL); }

uint64_t evp_thread_name(void) { return (uint64_t)(uintptr_t)pthread_self(); }

static _Thread_local int last_os_code;
void evp_thread_code_set(int os_code) { last_os_code = os_code; }
int evp_thread_code(void) { return last_os_code; }

/* ---- time --------------------------------------------------------------------------------- */

/* It stands still while the machine is suspended; macOS has another name for that. */
#if defined(CLOCK_UPTIME_RAW)
#define STEADY_CLOCK CLOCK_UPTIME_RAW
#else
#define STEADY_CLOCK CLOCK_MONOTONIC
#endif

int64_t evp_now(void) {
  struct timespec t;
  clock_gettime(STEADY_CLOCK, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void evp_pause(int64_t ns) {
  const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
  nanosleep(&t, NULL);
}

/* ---- fork --------------------------------------------------------------------------------- */

/* A page that is zero in a child: getpid() would cost a system call in every call of ours. What it
 * holds in this process is the number of opened marks, which a child goes on counting. It lies in
 * the library's own memory, and goes with it. */
enum { LARGEST_PAGE = 65536 };
static unsigned char mark_room[2 * LARGEST_PAGE];
static _Atomic uint32_t marks;

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static _Atomic uint32_t *mark(void) {
  const uintptr_t mask = page_size() - 1;
  return (_Atomic uint32_t *)(((uintptr_t)mark_room + mask) & ~mask);
}

static void forget_mark(void) { atomic_store(mark(), 0); }

static int wipe_on_fork(void *page, size_t size) {
#if defined(MADV_WIPEONFORK)
  if (madvise(page, size, MADV_WIPEONFORK) == 0) return 0;
#elif defined(INHERIT_ZERO)
  if (minherit(page, size, INHERIT_ZERO) == 0) return 0;
#else
  (void)page, (void)size;
#endif
  return pthread_atfork(NULL, NULL, forget_mark); /* Linux before 4.14 */
}

int evp_fork_mark(const _Atomic uint32_t **mark_out, uint32_t *value_out) {
  static _Atomic bool wiped;
  _Atomic uint32_t *page = mark();
  if (!atomic_load(&wiped)) { /* twice does no harm */
    const int os_code = wipe_on_fork((void *)page, page_size());
    if (os_code) return os_code;
    atomic_store(&wiped, true);
  }
  /* The first poller after a fork finds 0 and starts another number than the parent's. */
  uint32_t value = 0;
  const uint32_t fresh = atomic_fetch_add(&marks, 1) + 1;
  if (atomic_compare_exchange_strong(page, &value, fresh)) value = fresh;
  *mark_out = page;
  *value_out = value;
  return 0;
}

/* ---- operations --------------------------------------------------------------------------- */

static_assert(sizeof(struct iovec) != sizeof(evpoll_iovec) ||
                  offsetof(struct iovec, iov_len) == offsetof(evpoll_iovec, length),
              "struct iovec has another layout");

void *evp_iovec_copy(const evpoll_iovec *iovecs, uint32_t n) {
  struct iovec *copy = malloc(n * sizeof *copy);
  for (uint32_t i = 0; copy && i < n; i++) {
    copy[i].iov_base = (void *)(uintptr_t)iovecs[i].address;
    copy[i].iov_len = (size_t)iovecs[i].length;
  }
  return copy;
}

/* macOS: fsync() leaves the bytes in the drive's cache, and fdatasync() is not declared. What has
 * no such cache (a share, a device) says so. */
static int posix_sync_file(int fd, bool data_only) {
#if defined(F_FULLFSYNC)
  (void)data_only;
  const int rc = fcntl(fd, F_FULLFSYNC);
  return rc < 0 && (errno == ENOTSUP || errno == ENOTTY) ? fsync(fd) : rc;
#else
  return data_only ? fdatasync(fd) : fsync(fd);
#endif
}

/* Linux can make the write itself durable (4.7; by number, since the C library's function may be
 * missing), but for some file systems. */
static ssize_t write_durably(int fd, const struct iovec *pieces, int n, off_t offset) {
#if defined(__linux__)
  const unsigned long low = (unsigned long)offset, high = (unsigned long)((uint64_t)offset >> 32);
  const unsigned sync_data = 2;
  const ssize_t whole = syscall(SYS_pwritev2, fd, pieces, (unsigned long)n, low, high, sync_data);
  if (whole >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return whole;
#endif
  const ssize_t moved = pwritev(fd, pieces, n, offset);
  return moved < 0 || posix_sync_file(fd, true) == 0 ? moved : -1;
}

static ssize_t posix_write(uint32_t code, int fd, off_t offset, void *buffer, uint64_t length,
                           bool durable) {
  const bool vectored = code == EVPOLL_OP_WRITEV;
  const struct iovec whole = {buffer, vectored ? 0 : (size_t)length};
  if (durable)
    return write_durably(fd, vectored ? buffer : &whole, vectored ? (int)length : 1, offset);
  return vectored ? pwritev(fd, buffer, (int)length, offset)
                  : pwrite(fd, buffer, (size_t)length, offset);
}

/* Linux cuts what is longer than it moves, others refuse it. */
static int64_t posix_perform(uint32_t code, int fd, off_t offset, void *buffer, uint64_t length,
                             bool durable) {
  const uint64_t most = evp_file_length_limit();
  const size_t bytes = (size_t)(length < most ? length : most);
  switch (code) {
  case EVPOLL_OP_CLOSE: /* after EINTR Linux and FreeBSD have closed it */
    return close(fd) == 0 || errno == EINTR ? 0 : -1;
  case EVPOLL_OP_READ: return pread(fd, buffer, bytes, offset);
  case EVPOLL_OP_WRITE: return posix_write(code, fd, offset, buffer, bytes, durable);
  case EVPOLL_OP_READV: return preadv(fd, buffer, (int)length, offset);
  case EVPOLL_OP_WRITEV: return posix_write(code, fd, offset, buffer, length, durable);
  case EVPOLL_OP_SIZE: return evp_file_measure(fd);
  case EVPOLL_OP_TRUNCATE: return ftruncate(fd, offset);
  case EVPOLL_OP_FSYNC: return posix_sync_file(fd, false);
  default: return posix_sync_file(fd, true);
  }
}

int64_t evp_file_perform(uint32_t code, evpoll_handle h, int64_t offset, void *buffer,
                         uint64_t length, bool durable) {
  const int64_t n = posix_perform(code, (int)h, (off_t)offset, buffer, length, durable);
  return n < 0 ? -errno : n;
}

/* The position of the description, which is ours alone, tells where the bytes went. */
int64_t evp_file_append(evpoll_handle h, evpoll_iovec *pieces, uint32_t n, int64_t *place_out) {
  struct iovec v[EVP_MOST_PIECES];
  for (uint32_t i = 0; i < n; i++)
    v[i] = (struct iovec){(void *)(uintptr_t)pieces[i].address, (size_t)pieces[i].length};
  const ssize_t moved = writev((int)h, v, (int)n);
  if (moved < 0) return -errno;
  *place_out = (int64_t)lseek((int)h, 0, SEEK_CUR) - moved;
  return moved;
}

/* What this description has locked already it locks again. */
int evp_file_own(evpoll_handle h, bool *alone_out) {
  *alone_out = flock((int)h, LOCK_EX | LOCK_NB) == 0;
  return !*alone_out && errno == EWOULDBLOCK ? EBUSY : 0;
}

int evp_handle_check(evpoll_handle h) { return fcntl((int)h, F_GETFD) < 0 ? errno : 0; }

/* Linux moves at most MAX_RW_COUNT in one call, macOS less than 2 GiB; FreeBSD has no such limit.
 */
uint64_t evp_file_length_limit(void) { return 0x7ffff000; }

int evp_os_cancelled(void) { return ECANCELED; }
int evp_os_no_memory(void) { return ENOMEM; }
int evp_os_stuck(void) { return EIO; }
int evp_os_no_handle(void) { return EBADF; }
bool evp_os_interrupted(int64_t result) { return result == -EINTR; }

int evp_above_standard(int fd) {
  if (fd < 0 || fd > 2) return fd;
  const int above = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  const int os_code = errno;
  close(fd);
  errno = os_code;
  return above;
}
