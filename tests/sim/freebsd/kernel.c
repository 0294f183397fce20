/* SPDX-License-Identifier: MIT */
/* The simulated kernel's options, clock, chance, failures, and the end of descriptors and
 * processes. */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef _SC_AIO_LISTIO_MAX
#define _SC_AIO_LISTIO_MAX 23
#endif

#define DEFAULTS                                                                                   \
  {                                                                                                \
    .queue_per_process = 256, .queue_of_system = 1024, .buffers_per_process = 16,                  \
    .listio_max = 256                                                                              \
  }
static const struct sim_options defaults = DEFAULTS;
struct sim_options sim_option = DEFAULTS;

static pthread_mutex_t kernel = PTHREAD_MUTEX_INITIALIZER;
static uint64_t chance = 88172645463325252u;
static uint64_t counts[SIM_CALLS];
static struct { int left, code; } failures[SIM_CALLS];

static void forked(void) {
  sim_aio_forked();
  sim_kqueues_forked();
  sim_unlock();
}

static void handle_forks(void) { pthread_atfork(sim_lock, sim_unlock, forked); }

void sim_lock(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, handle_forks);
  pthread_mutex_lock(&kernel);
}
void sim_unlock(void) { pthread_mutex_unlock(&kernel); }

void sim_wait(pthread_cond_t *condition, int64_t ns) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += ns;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_cond_timedwait(condition, &kernel, &until);
}

int64_t sim_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000 + t.tv_nsec;
}

uint32_t sim_random(uint32_t below) {
  if (below < 2) return 0;
  chance ^= chance << 13;
  chance ^= chance >> 7;
  chance ^= chance << 17;
  return (uint32_t)((chance >> 16) % below);
}

int sim_injected(enum sim_call call) {
  counts[call]++;
  if (failures[call].left == 0 || --failures[call].left) return 0;
  return failures[call].code;
}

void sim_fail(enum sim_call call, int nth, int code) {
  sim_lock();
  failures[call].left = nth;
  failures[call].code = code;
  sim_unlock();
}

uint64_t sim_count(enum sim_call call) {
  sim_lock();
  const uint64_t n = counts[call];
  sim_unlock();
  return n;
}

static void seed(void) { chance = sim_option.seed * 0x9e3779b97f4a7c15u + 88172645463325252u; }

void sim_set(const struct sim_options *options) {
  sim_lock();
  const bool reseed = options->seed != sim_option.seed;
  sim_option = *options;
  if (reseed) seed();
  sim_unlock();
}

struct sim_options sim_get(void) {
  sim_lock();
  const struct sim_options options = sim_option;
  sim_unlock();
  return options;
}

void sim_clear_counts(void); /* aio.c */

void sim_reset(void) {
  sim_lock();
  sim_option = defaults;
  seed();
  memset(counts, 0, sizeof counts);
  memset(failures, 0, sizeof failures);
  sim_clear_counts();
  sim_unlock();
}

/* Those whose numbers differ, of what can be the outcome of an operation or a connection. */
int sim_code(int code) {
  static const struct {
    int linux_code, freebsd_code;
  } codes[] = {{EAGAIN, 35},       {EINPROGRESS, 36}, {EOPNOTSUPP, 45}, {ECANCELED, 85},
               {ECONNREFUSED, 61}, {ECONNRESET, 54},  {ETIMEDOUT, 60},  {ENOSYS, 78},
               {ENOTCONN, 57},     {EOVERFLOW, 84}};
  if (!sim_option.freebsd_codes) return code;
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
    if (codes[i].linux_code == code) return codes[i].freebsd_code;
  return code;
}

int sim_high(int fd) {
  const int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 700);
  if (high < 0) return fd; /* the process may not have that many */
  close(fd);
  return high;
}

bool sim_same_file(int fd, int other) {
  const pid_t self = getpid();
  return syscall(SYS_kcmp, self, self, KCMP_FILE, fd, other) == 0;
}

/* ---- calls of the C library --------------------------------------------------------------- */

int sim_close(int fd);
int sim_close(int fd) {
  sim_lock();
  sim_descriptor_closes(fd);
  sim_kqueue_forget(fd);
  const int rc = close(fd); /* calls that look the number up come before or after */
  sim_unlock();
  return rc;
}

long sim_sysconf(int name);
long sim_sysconf(int name) {
  sim_lock();
  const struct sim_options o = sim_option;
  sim_unlock();
  if (name == _SC_ASYNCHRONOUS_IO) return o.no_aio ? -1 : 200112;
  if (name == _SC_AIO_LISTIO_MAX) return o.listio_max;
  if (name == _SC_AIO_MAX) return 1024;
  return sysconf(name);
}
