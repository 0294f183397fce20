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
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "os.h"

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
static pthread_cond_t *cond(struct evp_cond *c) { return (pthread_cond_t *)(void *)c; }

void evp_mutex_init(struct evp_mutex *m) { pthread_mutex_init(mutex(m), NULL); }
void evp_mutex_destroy(struct evp_mutex *m) { pthread_mutex_destroy(mutex(m)); }
void evp_mutex_lock(struct evp_mutex *m) { pthread_mutex_lock(mutex(m)); }
void evp_mutex_unlock(struct evp_mutex *m) { pthread_mutex_unlock(mutex(m)); }

void evp_cond_init(struct evp_cond *c) { pthread_cond_init(cond(c), NULL); }
void evp_cond_destroy(struct evp_cond *c) { pthread_cond_destroy(cond(c)); }
void evp_cond_wait(struct evp_cond *c, struct evp_mutex *m) {
  pthread_cond_wait(cond(c), mutex(m));
}
void evp_cond_signal(struct evp_cond *c) { pthread_cond_signal(cond(c)); }
void evp_cond_broadcast(struct evp_cond *c) { pthread_cond_broadcast(cond(c)); }

/* ---- threads ------------------------------------------------------------------------------ */

struct start {
  void (*run)(void *);
  void *context;
};

static void *start_thread(void *argument) {
  const struct start s = *(struct start *)argument;
  free(argument);
  s.run(s.context);
  return NULL;
}

int evp_thread_start(void (*run)(void *), void *context, uint64_t *thread_out) {
  struct start *s = malloc(sizeof *s);
  if (!s) return ENOMEM;
  *s = (struct start){run, context};
  /* A thread inherits the mask: the program's handlers never run on ours. */
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t thread = 0;
  const int os_code = pthread_create(&thread, NULL, start_thread, s);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (os_code) free(s);
  *thread_out = (uint64_t)(uintptr_t)thread;
  return os_code;
}

void evp_thread_join(uint64_t thread) { pthread_join((pthread_t)(uintptr_t)thread, NULL); }

uint64_t evp_thread_self(void) {
  static _Atomic uint64_t last;
  static _Thread_local uint64_t self;
  if (!self) self = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
  return self;
}

static _Thread_local int last_os_code;
void evp_thread_code_set(int os_code) { last_os_code = os_code; }
int evp_thread_code(void) { return last_os_code; }

/* ---- time --------------------------------------------------------------------------------- */

int64_t evp_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void evp_pause(int64_t ns) {
  const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
  nanosleep(&t, NULL);
}

/* ---- fork --------------------------------------------------------------------------------- */

/* A page that is zero in a child: getpid() would cost a system call in every call of ours. What it
 * holds in this process is the number of opened marks, which a child goes on counting. */
static _Atomic(uint32_t *) mark_page;
static _Atomic uint32_t marks;

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;

void evp_registry_lock(void) { pthread_mutex_lock(&registry); }
void evp_registry_unlock(void) { pthread_mutex_unlock(&registry); }

/* A child must not inherit the lock from a thread that it does not have. */
static int keep_registry_across_fork(void) {
  static _Atomic bool kept;
  if (atomic_exchange(&kept, true)) return 0;
  const int os_code = pthread_atfork(evp_registry_lock, evp_registry_unlock, evp_registry_unlock);
  if (os_code) atomic_store(&kept, false);
  return os_code;
}

static void forget_mark(void) {
  uint32_t *page = atomic_load(&mark_page);
  if (page) *page = 0;
}

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

int evp_fork_mark(const volatile uint32_t **mark_out, uint32_t *value_out) {
  const int failed = keep_registry_across_fork();
  if (failed) return failed;
  uint32_t *page = atomic_load(&mark_page);
  if (!page) {
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return errno;
    const int os_code = wipe_on_fork(page, size);
    uint32_t *other = NULL;
    if (os_code || !atomic_compare_exchange_strong(&mark_page, &other, page)) {
      munmap(page, size);
      if (os_code) return os_code;
      page = other;
    }
  }
  /* The first poller after a fork finds 0 and starts another number than the parent's. */
  _Atomic uint32_t *mark = (_Atomic uint32_t *)page;
  uint32_t value = 0;
  const uint32_t fresh = atomic_fetch_add(&marks, 1) + 1;
  if (atomic_compare_exchange_strong(mark, &value, fresh)) value = fresh;
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

/* Not among the functions that macOS declares. */
#if defined(__APPLE__)
#define fdatasync fsync
#endif

/* Linux cuts what is longer than it moves, others refuse it. */
static ssize_t perform(uint32_t code, int fd, off_t offset, void *buffer, uint64_t length) {
  const uint64_t most = evp_file_length_limit();
  const size_t bytes = (size_t)(length < most ? length : most);
  switch (code) {
  case EVPOLL_IO_READ: return pread(fd, buffer, bytes, offset);
  case EVPOLL_IO_WRITE: return pwrite(fd, buffer, bytes, offset);
  case EVPOLL_IO_READV: return preadv(fd, buffer, (int)length, offset);
  case EVPOLL_IO_WRITEV: return pwritev(fd, buffer, (int)length, offset);
  case EVPOLL_IO_FSYNC: return fsync(fd);
  default: return fdatasync(fd);
  }
}

int64_t evp_file_perform(uint32_t code, evpoll_handle h, int64_t offset, void *buffer,
                         uint64_t length) {
  for (;;) {
    const ssize_t n = perform(code, (int)h, (off_t)offset, buffer, length);
    if (n >= 0) return n;
    if (errno != EINTR) return -errno;
  }
}

int evp_handle_check(evpoll_handle h) { return fcntl((int)h, F_GETFD) < 0 ? errno : 0; }

/* Linux moves at most MAX_RW_COUNT in one call, macOS less than 2 GiB; FreeBSD has no such limit.
 */
uint64_t evp_file_length_limit(void) { return 0x7ffff000; }

int evp_os_cancelled(void) { return ECANCELED; }
