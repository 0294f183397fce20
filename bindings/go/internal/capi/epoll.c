/* SPDX-License-Identifier: MIT */
//go:build (linux) && !evpoll_system

/* Linux: readiness by epoll.
 *
 * What a thread sleeps on is one epoll set. While file operations are in flight in a poller with
 * a single waiter it is the io_uring that watches the set instead (uring.c, "hybrid").
 *
 * A registration: the kernel gets generation and slot as data.u64; the slot is the descriptor's
 * number. A descriptor that is closed leaves the set by itself, if no duplicate lives; its slot is
 * found by whoever adds the number next. If a duplicate lives, the kernel goes on reporting the
 * old registration, and nothing can name it any more: EPOLL_CTL_DEL looks for the number. Such
 * hits carry an old generation and are dropped; when they have become many, the set is rebuilt.
 *
 * An event: read by the kernel into the tail of the caller's array and translated forwards in
 * place. An event is larger than the kernel's, so what is written never overtakes what is read.
 *
 * The bell: an eventfd, edge-triggered and never read. Each write is one edge, which one sleeper
 * gets, or the next thread to sleep. It costs less than the usual write-and-read pair.
 *
 * ONESHOT: with several waiters EPOLLONESHOT, so that the kernel picks one. With a single waiter
 * the set holds the descriptor level-triggered, and delivery clears ARMED in the slot; a rearm
 * before the next wait is one store. A disarmed descriptor that is reported is parked: an
 * EPOLLONESHOT without a bit, since EPOLLERR and EPOLLHUP cannot be masked otherwise. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "poller.h"
#include "status.h"
#include "uring.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441 /* Linux 5.11; the number is the same on all architectures */
#endif

enum { PATIENCE = 64, FAILED_REBUILD_PAUSE = 1000000 };
#define RARELY(condition) __builtin_expect(!!(condition), 0)
#define BELL_DATA         ((uint64_t)EVP_NO_GENERATION << 32)

struct set {
  int fd;
  int bell;
  _Atomic uint32_t stale_since; /* stale hits since the set was built */
};

/* ---- bits --------------------------------------------------------------------------------- */

/* EPOLLHUP: both directions are over, for a pipe its writers. EPOLLERR: a send or recv would say
 * so at once, which is what READABLE and WRITABLE mean. */
#define HUP (EVPOLL_READABLE | EVPOLL_READ_CLOSED | EVPOLL_WRITABLE | EVPOLL_WRITE_CLOSED)
#define ERR (EVPOLL_READABLE | EVPOLL_WRITABLE | EVPOLL_ERROR)
#define FOUR(b)                                                                                    \
  (b), (b) | EVPOLL_READABLE, (b) | EVPOLL_PRIORITY, (b) | EVPOLL_READABLE | EVPOLL_PRIORITY
#define EIGHT(b) FOUR(b), FOUR((b) | EVPOLL_WRITABLE)
static const uint8_t event_bits[32] = {EIGHT(0), EIGHT(ERR), EIGHT(HUP), EIGHT(HUP | ERR)};
_Static_assert(EPOLLIN == 1 && EPOLLPRI == 2 && EPOLLOUT == 4 && EPOLLERR == 8 && EPOLLHUP == 16 &&
                   EPOLLRDHUP >> 10 == EVPOLL_READ_CLOSED,
               "the table of event bits follows epoll's numbers");

static uint32_t translate_bits(uint32_t epoll_bits) {
  return event_bits[epoll_bits & 31] | (epoll_bits >> 10 & EVPOLL_READ_CLOSED);
}

/* EPOLLRDHUP only with READABLE: asked for alone it would be reported for ever to one who cannot
 * make it go away by reading. Without a branch, since every change asks. */
static uint32_t epoll_bits_of(uint32_t interest) {
  return (interest & EVPOLL_READABLE) * (EPOLLIN | EPOLLRDHUP) |
         (interest & EVPOLL_WRITABLE) * (EPOLLOUT / EVPOLL_WRITABLE) |
         (interest & EVPOLL_PRIORITY) / (EVPOLL_PRIORITY / EPOLLPRI);
}

/* What the kernel should hold for a state: also how the set is rebuilt. */
static uint32_t epoll_events_of(const evpoll *p, uint32_t state) {
  const uint32_t bits = epoll_bits_of((state & EVP_KERNEL) >> EVP_KERNEL_SHIFT);
  switch (evp_mode_of(state)) {
  case EVPOLL_LEVEL: return bits;
  case EVPOLL_EDGE: return bits | EPOLLET;
  }
  if (state & EVP_PARKED) return EPOLLONESHOT;
  if (evp_single(p)) return bits;
  return state & EVP_ARMED ? bits | EPOLLONESHOT : EPOLLONESHOT;
}

/* ---- registrations ------------------------------------------------------------------------ */

/* Others may close the descriptor at this moment, and the kernel then says so. By number, since
 * ThreadSanitizer takes epoll_ctl() beside close() for a race. */
static int control(int set, int op, int fd, uint32_t events, uint64_t data) {
  struct epoll_event e = {.events = events, .data.u64 = data};
  return syscall(SYS_epoll_ctl, set, op, fd, &e) == 0 ? 0 : errno;
}

static int32_t fail_control(int os_code) {
  switch (os_code) {
  case EPERM: return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, os_code); /* a file or a directory */
  case ENOSPC: return evp_fail_as(EVPOLL_ERR_LIMIT, os_code);      /* max_user_watches */
  case ELOOP: return evp_fail_as(EVPOLL_ERR_INVALID, os_code);
  }
  return evp_fail_os(os_code);
}

static uint64_t key_of(evpoll_handle h, struct evp_source *s) {
  return evp_source_key((uint32_t)h, atomic_load_explicit(&s->generation, memory_order_relaxed));
}

/* Interest 0: not in the set, since errors cannot be masked there. */
static int32_t watch_nothing(struct set *set, int fd, uint64_t key, uint32_t was, bool fresh,
                             bool *gone_out) {
  int os_code = 0;
  if (!(was & EVP_IN_SET)) {
    if (!fresh) return 0;
    os_code = control(set->fd, EPOLL_CTL_ADD, fd, 0, key); /* can it be watched at all? */
    if (os_code && os_code != EEXIST) {
      *gone_out = os_code == EBADF || os_code == EPERM;
      return fail_control(os_code);
    }
  }
  os_code = control(set->fd, EPOLL_CTL_DEL, fd, 0, 0);
  if (os_code == 0 || (os_code == ENOENT && fresh)) return 0;
  *gone_out = true;
  return os_code == ENOENT ? evp_fail_as(EVPOLL_ERR_STALE, os_code) : fail_control(os_code);
}

static int32_t watch(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t was, bool fresh,
                     bool *gone_out) {
  struct set *set = p->kernel;
  const int fd = (int)h;
  uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);
  const uint32_t interest = (state & EVP_INTEREST) >> EVP_INTEREST_SHIFT;
  const uint64_t key = key_of(h, s);
  if (interest == 0) return watch_nothing(set, fd, key, was, fresh, gone_out);

  /* The state is whole before the kernel may report. What it was asked for before it may report
   * already, and a delivery then clears ARMED: it must stay cleared. In other modes a delivery
   * writes nothing, and a store will do. */
  const uint32_t kernel = EVP_IN_SET | interest << EVP_KERNEL_SHIFT;
  if (evp_mode_of(state) == EVPOLL_ONESHOT)
    state = atomic_fetch_or_explicit(&s->state, kernel, memory_order_acq_rel) | kernel;
  else
    atomic_store_explicit(&s->state, state |= kernel, memory_order_release);
  const uint32_t events = epoll_events_of(p, state);
  if (was & EVP_IN_SET) {
    const int os_code = control(set->fd, EPOLL_CTL_MOD, fd, events, key);
    if (os_code == 0) return 0;
    *gone_out = os_code == EBADF || os_code == ENOENT;
    if (os_code != ENOENT) return fail_control(os_code);
    if (!fresh) return evp_fail_as(EVPOLL_ERR_STALE, os_code);
  }
  int os_code = control(set->fd, EPOLL_CTL_ADD, fd, events, key);
  /* A registration that outlived ours through a duplicate is taken over. */
  if (os_code == EEXIST) os_code = control(set->fd, EPOLL_CTL_MOD, fd, events, key);
  if (os_code == 0) {
    *gone_out = false;
    return 0;
  }
  /* What was not in the set is as it was, unless the handle is not what it was. */
  *gone_out = (was & EVP_IN_SET) || os_code == EBADF || os_code == EPERM;
  return fail_control(os_code);
}

static int32_t rearm(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t bits,
                     bool *gone_out) {
  struct set *set = p->kernel;
  uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);
  if (evp_mode_of(state) == EVPOLL_EDGE) return 0; /* the kernel reports each edge anyway */

  const uint32_t was = state;
  const uint32_t kept = state & ~(uint32_t)(EVP_REPORT | EVP_KERNEL | EVP_PARKED);
  state = kept | evp_report_of(bits) | bits << EVP_KERNEL_SHIFT | EVP_ARMED;
  atomic_store_explicit(&s->state, state, memory_order_release);
  const uint32_t unchanged = EVP_KERNEL | EVP_PARKED;
  if (evp_single(p) && (was & unchanged) == (state & unchanged)) return 0;
  const int os_code =
      control(set->fd, EPOLL_CTL_MOD, (int)h, epoll_events_of(p, state), key_of(h, s));
  if (os_code == 0) return 0;
  *gone_out = os_code == EBADF || os_code == ENOENT;
  if (!*gone_out) atomic_store_explicit(&s->state, was, memory_order_release);
  return os_code == ENOENT ? evp_fail_as(EVPOLL_ERR_STALE, os_code) : fail_control(os_code);
}

/* A closed descriptor has left the set already, or cannot be named any more. */
static void unwatch(evpoll *p, evpoll_handle h, uint32_t was) {
  struct set *set = p->kernel;
  if (was & EVP_IN_SET) control(set->fd, EPOLL_CTL_DEL, (int)h, 0, 0);
}

/* ---- rebuilding the set ------------------------------------------------------------------- */

/* All stripes locked. Copies a registration, if the descriptor is still the one it was made for:
 * the old set knows, by the file, what the number alone does not tell. */
static int copy_source(evpoll *p, struct set *set, int fresh, uint32_t index) {
  struct evp_source *s = evp_table_at(&p->sources, index);
  if (!s) return 0;
  const uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);
  if (!(state & EVP_IN_SET)) return 0;
  const uint32_t events = epoll_events_of(p, state);
  const uint64_t key = key_of((evpoll_handle)index, s);
  int os_code = control(set->fd, EPOLL_CTL_MOD, (int)index, events, key);
  if (os_code == 0) os_code = control(fresh, EPOLL_CTL_ADD, (int)index, events, key);
  if (os_code == EBADF || os_code == ENOENT) {
    evp_source_end(s);
    return 0;
  }
  return os_code;
}

/* The new set takes the old one's number, so that nobody has to be told; threads that sleep on
 * the old one are woken by the bell, which hangs in both, and each wakes the next. */
static EVP_COLD void rebuild(evpoll *p) {
  struct set *set = p->kernel;
  const uint32_t end = evp_table_end(&p->sources);
  evp_source_lock_all(p);
  const int fresh = epoll_create1(EPOLL_CLOEXEC);
  int os_code = fresh < 0 ? errno : 0;
  if (!os_code) os_code = control(fresh, EPOLL_CTL_ADD, set->bell, EPOLLIN | EPOLLET, BELL_DATA);
  for (uint32_t i = 0; !os_code && i < end; i++) os_code = copy_source(p, set, fresh, i);
  /* Level-triggered and written once, the bell is true for good: the kernel sends away all who
   * sleep on the old set, one after the other, and the ring's eye too. */
  if (!os_code) evp_backend.ring(p);
  if (!os_code) os_code = control(set->fd, EPOLL_CTL_MOD, set->bell, EPOLLIN, BELL_DATA);
  if (!os_code && dup3(fresh, set->fd, O_CLOEXEC) < 0) {
    os_code = errno;
    control(set->fd, EPOLL_CTL_MOD, set->bell, EPOLLIN | EPOLLET, BELL_DATA);
  }
  if (fresh >= 0) close(fresh);
  atomic_store(&set->stale_since, 0); /* also after a failure: the next try is as far away */
  if (!os_code) evp_count(&p->set_rebuilds);
  evp_source_unlock_all(p);
  if (os_code) evp_pause(FAILED_REBUILD_PAUSE); /* what is reported for ever must not be a spin */
}

/* Stale hits happen when a remove overtakes an event. So many that rebuilding is the cheaper way
 * come only from a registration that outlived its descriptor. */
static EVP_COLD void note_stale(evpoll *p, uint32_t hits) {
  struct set *set = p->kernel;
  atomic_fetch_add_explicit(&p->stale_hits, hits, memory_order_relaxed);
  const uint32_t since = atomic_fetch_add_explicit(&set->stale_since, hits, memory_order_relaxed);
  const uint32_t patience = PATIENCE + evp_table_end(&p->sources) / 64;
  if (since <= patience && since + hits > patience) rebuild(p);
}

/* ---- events ------------------------------------------------------------------------------- */

/* The rare half of a single waiter's ONESHOT: what fired is not armed. */
static EVP_COLD void park(evpoll *p, struct evp_source *s, uint64_t key) {
  struct set *set = p->kernel;
  const uint32_t fd = (uint32_t)key;
  evp_mutex_lock(evp_source_lock(p, fd));
  const uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);
  if (key_of(fd, s) == key && (state & EVP_LIVE) && !(state & (EVP_ARMED | EVP_PARKED))) {
    const int os_code = control(set->fd, EPOLL_CTL_MOD, (int)fd, EPOLLONESHOT, key);
    if (os_code == 0)
      atomic_store_explicit(&s->state, state | EVP_PARKED, memory_order_release);
    else if (os_code == EBADF || os_code == ENOENT)
      evp_source_end(s); /* closed, but a duplicate lives: its hits are stale ones from now on */
  }
  evp_mutex_unlock(evp_source_lock(p, fd));
}

/* One event of an armed registration is delivered, by the thread that disarms it. The state tells
 * generations apart, so that an old event never disarms a new registration. */
static bool disarm(evpoll *p, struct evp_source *s, uint64_t key, uint32_t state) {
  if ((state & EVP_ARMED) &&
      atomic_compare_exchange_strong(&s->state, &state, state & ~(uint32_t)EVP_ARMED))
    return true;
  if (evp_single(p) && !(state & EVP_PARKED)) park(p, s, key);
  return false;
}

struct oddities {
  uint32_t stale;
  int32_t bell;
};

/* What is not an event of a registration as it stands. */
static EVP_COLD void note_odd(struct oddities *odd, uint64_t key) {
  if (key == BELL_DATA)
    odd->bell = EVP_BELL;
  else
    odd->stale++;
}

/* The bell's key and every key of a registration name an entry that the table reaches. */
static EVP_ALWAYS_INLINE int32_t translate(evpoll *p, evpoll_event *out, const char *raw,
                                           int32_t n) {
  struct oddities odd = {0, 0};
  evpoll_event *next = out;
  for (const char *end = raw + (size_t)n * sizeof(struct epoll_event); raw != end;
       raw += sizeof(struct epoll_event)) {
    struct epoll_event e;
    memcpy(&e, raw, sizeof e);
    const uint64_t key = e.data.u64;
    struct evp_source *s = evp_table_known(&p->sources, (uint32_t)key, sizeof *s);
    uint64_t token;
    uint32_t state;
    if (RARELY(!evp_source_read(s, (uint32_t)(key >> 32), &token, &state))) {
      note_odd(&odd, key);
      continue;
    }
    const uint32_t bits = translate_bits(e.events) & state & EVP_REPORT;
    if (RARELY(!bits)) continue;
    if (RARELY(state & EVPOLL_ONESHOT << EVP_MODE_SHIFT) && !disarm(p, s, key, state)) continue;
    /* Field by field: a whole struct would be cleared before it is filled. */
    next->token = token;
    next->op = 0;
    next->result = 0;
    next->events = bits;
    next++->status = 0;
  }
  if (RARELY(odd.stale)) note_stale(p, odd.stale);
  return (int32_t)(next - out) | odd.bell;
}

/* ---- sleep -------------------------------------------------------------------------------- */

/* By number: epoll_wait() of the C library is a cancellation point, and a thread that ends inside
 * would be inside for ever. */
static int wait_ms(int set, void *raw, int32_t capacity, int ms) {
#ifdef SYS_epoll_wait
  return (int)syscall(SYS_epoll_wait, set, raw, capacity, ms);
#else
  return (int)syscall(SYS_epoll_pwait, set, raw, capacity, ms, NULL, (size_t)8);
#endif
}

static EVP_COLD int wait_finite(int set, void *raw, int32_t capacity, int64_t timeout_ns) {
  static _Atomic bool without_pwait2;
  const int64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
  /* The older call is the cheaper one, and exact for whole milliseconds. */
  const bool whole = timeout_ns % 1000000 == 0 && ms <= INT_MAX;
  if (!whole && !atomic_load_explicit(&without_pwait2, memory_order_relaxed)) {
    const int64_t timeout[2] = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    const int n = (int)syscall(SYS_epoll_pwait2, set, raw, capacity, timeout, NULL, (size_t)8);
    if (n >= 0 || (errno != ENOSYS && errno != EPERM)) return n;
    atomic_store_explicit(&without_pwait2, true, memory_order_relaxed);
  }
  return wait_ms(set, raw, capacity, ms < INT_MAX ? (int)ms : INT_MAX);
}

static inline int wait_ns(int set, void *raw, int32_t capacity, int64_t timeout_ns) {
  if (timeout_ns > 0) return wait_finite(set, raw, capacity, timeout_ns);
  return wait_ms(set, raw, capacity, timeout_ns < 0 ? -1 : 0);
}

static EVP_ALWAYS_INLINE int32_t look_at_set(evpoll *p, evpoll_event *out, int32_t capacity,
                                             int64_t timeout_ns) {
  struct set *set = p->kernel;
  const size_t tail = (size_t)capacity * (sizeof *out - sizeof(struct epoll_event));
  char *raw = (char *)out + tail;
  const int n = wait_ns(set->fd, raw, capacity, timeout_ns);
  if (RARELY(n <= 0)) return n == 0 || errno == EINTR ? 0 : evp_fail_as(EVPOLL_ERR_OS, errno);
  return translate(p, out, raw, n);
}

static EVP_COLD int32_t sleep_on_ring(evpoll *p, evpoll_event *out, int32_t capacity,
                                      int64_t timeout_ns) {
  evp_uring_sleep(p, timeout_ns);
  if (!evp_uring_may_be_ready(p)) return EVP_BELL;
  const int32_t n = evp_backend.sleep(p, out, capacity, 0);
  return n < 0 ? n : n | EVP_BELL;
}

static int32_t sleep_on_set(evpoll *p, evpoll_event *out, int32_t capacity, int64_t timeout_ns) {
  if (RARELY(timeout_ns != 0 && evp_uring_watches(p)))
    return sleep_on_ring(p, out, capacity, timeout_ns);
  return look_at_set(p, out, capacity, timeout_ns);
}

static bool may_be_ready(evpoll *p) { return !evp_uring_watches(p) || evp_uring_may_be_ready(p); }

static void ring(evpoll *p) {
  struct set *set = p->kernel;
  const int saved = errno; /* a signal handler may ring */
  const uint64_t one = 1;
  /* Not write(), which is a cancellation point. It cannot fail: the counter would have to reach
   * 2^64 - 1. */
  syscall(SYS_write, set->bell, &one, sizeof one);
  errno = saved;
}

/* ---- open and close ----------------------------------------------------------------------- */

static int32_t open_set(evpoll *p) {
  struct set *set = calloc(1, sizeof *set);
  if (!set) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  int os_code = 0;
  set->fd = epoll_create1(EPOLL_CLOEXEC);
  if (set->fd < 0) {
    os_code = errno;
    goto no_set;
  }
  set->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (set->bell < 0) {
    os_code = errno;
    goto no_bell;
  }
  os_code = control(set->fd, EPOLL_CTL_ADD, set->bell, EPOLLIN | EPOLLET, BELL_DATA);
  if (os_code) goto not_added;
  p->kernel = set;
  return 0;

not_added:
  close(set->bell);
no_bell:
  close(set->fd);
no_set:
  free(set);
  return os_code == ENOSPC ? evp_fail_as(EVPOLL_ERR_LIMIT, os_code) : evp_fail_os(os_code);
}

/* In a forked child closing our copies of the descriptors leaves the parent's set as it is. */
static void close_set(evpoll *p) {
  struct set *set = p->kernel;
  close(set->bell);
  close(set->fd);
  free(set);
}

int evp_epoll_set(evpoll *p) { return ((struct set *)p->kernel)->fd; }
int evp_epoll_bell(evpoll *p) { return ((struct set *)p->kernel)->bell; }

static void describe(evpoll *p, char *text, size_t capacity) {
  snprintf(text, capacity, "epoll%s",
           evp_bound(p)    ? ", one thread"
           : evp_single(p) ? ", one waiter"
                           : ", any number of waiters");
}

const struct evp_backend evp_backend = {
    .id = EVPOLL_BACKEND_EPOLL,
    .name = "epoll",
    .features = EVPOLL_FEATURE_PRIORITY | EVPOLL_FEATURE_ANY_HANDLE,
    .io_features = EVPOLL_FEATURE_VECTORED_IO,
    .native = &evp_engine_uring,
    .open = open_set,
    .close = close_set,
    .watch = watch,
    .rearm = rearm,
    .unwatch = unwatch,
    .sleep = sleep_on_set,
    .may_be_ready = may_be_ready,
    .ring = ring,
    .describe = describe,
};
