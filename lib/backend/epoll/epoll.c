/* SPDX-License-Identifier: MIT */
/* Linux: readiness by epoll.
 *
 * What a thread sleeps on is one epoll set, always the same one.
 *
 * A registration: the kernel gets generation and slot as data.u64; the slot is the descriptor's
 * number. A descriptor that is closed leaves the set by itself, if no duplicate lives; its slot is
 * found by whoever adds the number next. If a duplicate lives, the kernel goes on reporting the
 * old registration, and nothing can name it any more: EPOLL_CTL_DEL looks for the number. Such
 * hits carry an old generation and are dropped; when the same one comes again and again, the set is
 * rebuilt.
 *
 * An event: read by the kernel into the tail of the caller's array and translated forwards in
 * place. An event is larger than the kernel's, so what is written never overtakes what is read.
 *
 * The bell: an eventfd, edge-triggered and never read. Each write is one edge, which one sleeper
 * gets, or the next thread to sleep. It costs less than the usual write-and-read pair.
 *
 * The alarm: a timerfd, made when it is needed first, in the same way.
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
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/poller.h"
#include "core/status.h"
#include "core/stream.h"
#include "os/posix/posix.h"
#include "backend/epoll/uring.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441 /* Linux 5.11; the number is the same on all architectures */
#endif

enum { PATIENCE = 64, SUSPECTS = 16, FAILED_REBUILD_PAUSE = 1000000, MOST_SECONDS = 2000000000 };
#define RARELY(condition) __builtin_expect(!!(condition), 0)
#define BELL_DATA         ((uint64_t)EVP_NO_GENERATION << 32)
#define ALARM_DATA        (BELL_DATA | 1)

/* A key that was reported though its registration had ended, how often, and how many others of its
 * place were since. Waiters race for it; what is lost is a count. */
struct suspect {
  _Atomic uint64_t key;
  _Atomic uint32_t hits, others;
};

struct epoll_set {
  int fd;
  int bell;
  int outer;                  /* holds the set, for another loop to sleep on; -1: nobody asked */
  int ring;                   /* io_uring's, whose completions are bells too; -1: there is none */
  int timer;                  /* the alarm; -1: none was needed yet */
  struct evp_mutex late_lock; /* between the coming of these two and a rebuild; inside all others */
  struct suspect suspects[SUSPECTS];
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

/* EPOLLRDHUP with READABLE too. Without a branch, since every change asks. */
static uint32_t epoll_bits_of(uint32_t interest) {
  return (interest & EVPOLL_READABLE) * (EPOLLIN | EPOLLRDHUP) |
         (interest & EVPOLL_READ_CLOSED) * (EPOLLRDHUP / EVPOLL_READ_CLOSED) |
         (interest & EVPOLL_WRITABLE) * (EPOLLOUT / EVPOLL_WRITABLE) |
         (interest & EVPOLL_PRIORITY) / (EVPOLL_PRIORITY / EPOLLPRI);
}

/* What the kernel should hold for a state: also how the set is rebuilt. */
static uint32_t epoll_events_of(const evpoll *p, uint32_t state) {
  const uint32_t bits = epoll_bits_of((state & EVP_KERNEL) >> EVP_KERNEL_SHIFT);
  switch (evp_mode_of(state)) {
  case EVPOLL_LEVEL: return bits;
  case EVPOLL_OPERATIONS:
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

static int32_t epoll_fail_control(int os_code) {
  switch (os_code) {
  case EPERM: return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, os_code); /* a file or a directory */
  case ENOSPC: return evp_fail_as(EVPOLL_ERR_LIMIT, os_code);      /* max_user_watches */
  case ELOOP: return evp_fail_as(EVPOLL_ERR_INVALID, os_code);
  }
  return evp_fail_os(os_code);
}

static uint64_t epoll_key_of(evpoll_handle h, struct evp_source *s) {
  return evp_source_key((uint32_t)h, evp_source_generation(s));
}

/* The number is not what it was: closed, another file that is not in the set, or, as EPERM says,
 * one that cannot be. */
static bool is_gone(int os_code) {
  return os_code == EBADF || os_code == ENOENT || os_code == EPERM;
}

static int32_t fail_gone(int os_code) {
  return os_code == EBADF ? evp_fail_os(os_code) : evp_fail_as(EVPOLL_ERR_STALE, os_code);
}

/* Interest 0: not in the set, since errors cannot be masked there. */
static int32_t watch_nothing(struct epoll_set *set, int fd, uint64_t key, uint32_t was, bool fresh,
                             bool *gone_out) {
  int os_code = 0;
  if (!(was & EVP_IN_SET)) {
    if (!fresh) return 0;
    os_code = control(set->fd, EPOLL_CTL_ADD, fd, 0, key); /* can it be watched at all? */
    if (os_code && os_code != EEXIST) {
      *gone_out = os_code == EBADF || os_code == EPERM;
      return epoll_fail_control(os_code);
    }
  }
  os_code = control(set->fd, EPOLL_CTL_DEL, fd, 0, 0);
  if (os_code == 0 || (os_code == ENOENT && fresh)) return 0;
  *gone_out = true;
  return fail_gone(os_code);
}

/* Lock held: the stripe. The set has it for itself: nobody is to take it over. */
static bool is_own(struct epoll_set *set, int fd) {
  evp_mutex_lock(&set->late_lock);
  const bool own = fd == set->bell || fd == set->ring || fd == set->timer;
  evp_mutex_unlock(&set->late_lock);
  return own;
}

static int32_t watch(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t was, bool fresh,
                     bool *gone_out) {
  struct epoll_set *set = p->kernel;
  const int fd = (int)h;
  uint32_t state = evp_source_state(s);
  const uint32_t interest = (state & EVP_INTEREST) >> EVP_INTEREST_SHIFT;
  const uint64_t key = epoll_key_of(h, s);
  if (interest == 0) return watch_nothing(set, fd, key, was, fresh, gone_out);

  /* The state is whole before the kernel may report. What it was asked for before it may report
   * already, and a delivery then clears ARMED: it must stay cleared. In other modes a delivery
   * writes nothing, and a store will do. */
  const uint32_t kernel = EVP_IN_SET | interest << EVP_KERNEL_SHIFT;
  if (evp_mode_of(state) == EVPOLL_ONESHOT)
    state = (uint32_t)atomic_fetch_or_explicit(&s->word, kernel, memory_order_acq_rel) | kernel;
  else
    evp_source_set_state(s, state |= kernel);
  const uint32_t events = epoll_events_of(p, state);
  if (was & EVP_IN_SET) {
    const int os_code = control(set->fd, EPOLL_CTL_MOD, fd, events, key);
    if (os_code == 0) return 0;
    *gone_out = is_gone(os_code);
    if (!*gone_out) return epoll_fail_control(os_code);
    if (!fresh || os_code == EBADF) return fail_gone(os_code);
  }
  int os_code = control(set->fd, EPOLL_CTL_ADD, fd, events, key);
  /* A registration that outlived ours through a duplicate is taken over. */
  if (os_code == EEXIST)
    os_code = is_own(set, fd) ? ELOOP : control(set->fd, EPOLL_CTL_MOD, fd, events, key);
  if (os_code == 0) {
    *gone_out = false;
    return 0;
  }
  /* What was not in the set is as it was, unless the handle is not what it was. */
  *gone_out = (was & EVP_IN_SET) || os_code == EBADF || os_code == EPERM;
  return epoll_fail_control(os_code);
}

static int32_t epoll_rearm(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t bits,
                           bool *gone_out) {
  struct epoll_set *set = p->kernel;
  uint32_t state = evp_source_state(s);
  if (evp_mode_of(state) == EVPOLL_EDGE) return 0; /* the kernel reports each edge anyway */

  const uint32_t was = state;
  const uint32_t kept = state & ~(uint32_t)(EVP_REPORT | EVP_KERNEL | EVP_PARKED);
  state = kept | evp_report_of(bits) | bits << EVP_KERNEL_SHIFT | EVP_ARMED;
  evp_source_set_state(s, state);
  const uint32_t unchanged = EVP_KERNEL | EVP_PARKED;
  if (evp_single(p) && (was & unchanged) == (state & unchanged)) return 0;
  const int os_code =
      control(set->fd, EPOLL_CTL_MOD, (int)h, epoll_events_of(p, state), epoll_key_of(h, s));
  if (os_code == 0) return 0;
  *gone_out = is_gone(os_code);
  if (*gone_out) return fail_gone(os_code);
  evp_source_set_state(s, was);
  return epoll_fail_control(os_code);
}

/* A closed descriptor has left the set already, or cannot be named any more. */
static void unwatch(evpoll *p, evpoll_handle h, uint32_t was) {
  struct epoll_set *set = p->kernel;
  if (was & EVP_IN_SET) control(set->fd, EPOLL_CTL_DEL, (int)h, 0, 0);
}

/* ---- rebuilding the set ------------------------------------------------------------------- */

/* All stripes locked. Copies a registration, if the descriptor is still the one it was made for:
 * the old set knows, by the file, what the number alone does not tell. */
static int copy_source(evpoll *p, struct epoll_set *set, int fresh, uint32_t index) {
  struct evp_source *s = evp_table_at(&p->sources, index);
  if (!s) return 0;
  const uint32_t state = evp_source_state(s);
  if (!(state & EVP_IN_SET)) return 0;
  const uint32_t events = epoll_events_of(p, state);
  const uint64_t key = epoll_key_of((evpoll_handle)index, s);
  int os_code = control(set->fd, EPOLL_CTL_MOD, (int)index, events, key);
  if (os_code == 0) os_code = control(fresh, EPOLL_CTL_ADD, (int)index, events, key);
  if (is_gone(os_code)) {
    evp_source_end(s);
    return 0;
  }
  return os_code;
}

/* All stripes locked. The old set gives its number to the new one. Level-triggered and written
 * once, the old set's bell is true for good: the kernel sends away all who sleep there, one after
 * the other. */
static int replace_set(evpoll *p, struct epoll_set *set, int fresh) {
  evp_backend.ring(p);
  int os_code = control(set->fd, EPOLL_CTL_MOD, set->bell, EPOLLIN, BELL_DATA);
  if (os_code) return os_code;
  if (set->outer >= 0) control(set->outer, EPOLL_CTL_DEL, set->fd, 0, 0);
  if (dup3(fresh, set->fd, O_CLOEXEC) < 0) {
    os_code = errno;
    control(set->fd, EPOLL_CTL_MOD, set->bell, EPOLLIN | EPOLLET, BELL_DATA);
  }
  if (set->outer >= 0) control(set->outer, EPOLL_CTL_ADD, set->fd, EPOLLIN, 0);
  return os_code;
}

/* The new set takes the old one's number, so that nobody has to be told. What is registered is
 * looked at when all are locked: the table may have grown. */
static EVP_COLD void rebuild(evpoll *p) {
  struct epoll_set *set = p->kernel;
  evp_source_lock_all(p);
  const uint32_t end = evp_table_end(&p->sources);
  const int fresh = evp_above_standard(epoll_create1(EPOLL_CLOEXEC));
  int os_code = fresh < 0 ? errno : 0;
  if (!os_code) os_code = control(fresh, EPOLL_CTL_ADD, set->bell, EPOLLIN | EPOLLET, BELL_DATA);
  for (uint32_t i = 0; !os_code && i < end; i++) os_code = copy_source(p, set, fresh, i);
  evp_mutex_lock(&set->late_lock);
  if (!os_code && set->ring >= 0)
    os_code = control(fresh, EPOLL_CTL_ADD, set->ring, EPOLLIN | EPOLLET, BELL_DATA);
  if (!os_code && set->timer >= 0)
    os_code = control(fresh, EPOLL_CTL_ADD, set->timer, EPOLLIN | EPOLLET, ALARM_DATA);
  if (!os_code) os_code = replace_set(p, set, fresh);
  evp_mutex_unlock(&set->late_lock);
  if (fresh >= 0) close(fresh);
  /* Also after a failure: the next try is as far away. */
  for (int i = 0; i < SUSPECTS; i++) atomic_store(&set->suspects[i].hits, 0);
  if (!os_code) evp_count(&p->set_rebuilds);
  evp_source_unlock_all(p);
  if (os_code) evp_pause(FAILED_REBUILD_PAUSE); /* what is reported for ever must not be a spin */
}

/* The same key for the hits'th time. A remove that was interrupted between its two halves is let
 * finish: only what is reported after that is reported for ever. */
static EVP_COLD void suspect_key(evpoll *p, uint64_t key, uint32_t hits) {
  if (hits < PATIENCE) return;
  evp_mutex_lock(evp_source_lock(p, (uint32_t)key));
  evp_mutex_unlock(evp_source_lock(p, (uint32_t)key));
  if (hits == 2 * PATIENCE) rebuild(p);
}

/* A stale hit happens when a remove overtakes an event, once or as often as there are waiters. The
 * same key again and again comes only from a registration that outlived its descriptor. It keeps
 * its place while others of that place come by, of whom as many as there are registrations may come
 * in turn; what is not hit for longer gives way. */
static EVP_COLD void note_stale(evpoll *p, uint64_t key) {
  struct epoll_set *set = p->kernel;
  evp_count(&p->stale_hits);
  struct suspect *s = &set->suspects[(key ^ key >> 32) % SUSPECTS];
  const uint64_t known = atomic_load_explicit(&s->key, memory_order_relaxed);
  if (known == key) {
    atomic_store_explicit(&s->others, 0, memory_order_relaxed);
    suspect_key(p, key, atomic_fetch_add_explicit(&s->hits, 1, memory_order_relaxed) + 1);
    return;
  }
  const uint32_t others = atomic_fetch_add_explicit(&s->others, 1, memory_order_relaxed);
  if (known && others < evp_table_end(&p->sources)) return;
  atomic_store_explicit(&s->key, key, memory_order_relaxed);
  atomic_store_explicit(&s->hits, 0, memory_order_relaxed);
  atomic_store_explicit(&s->others, 0, memory_order_relaxed);
}

/* ---- events ------------------------------------------------------------------------------- */

/* The rare half of a single waiter's ONESHOT: what fired is not armed. */
static EVP_COLD void park(evpoll *p, struct evp_source *s, uint64_t key) {
  struct epoll_set *set = p->kernel;
  const uint32_t fd = (uint32_t)key;
  evp_mutex_lock(evp_source_lock(p, fd));
  const uint32_t state = evp_source_state(s);
  if (epoll_key_of(fd, s) == key && (state & EVP_LIVE) && !(state & (EVP_ARMED | EVP_PARKED))) {
    const int os_code = control(set->fd, EPOLL_CTL_MOD, (int)fd, EPOLLONESHOT, key);
    if (os_code == 0)
      evp_source_set_state(s, state | EVP_PARKED);
    else if (is_gone(os_code))
      evp_source_end(s); /* closed, but a duplicate lives: its hits are stale ones from now on */
  }
  evp_mutex_unlock(evp_source_lock(p, fd));
}

/* One event of an armed registration is delivered, by the thread that disarms it. The state tells
 * generations apart, so that an old event never disarms a new registration. */
static bool epoll_disarm(evpoll *p, struct evp_source *s, uint64_t key, uint64_t word) {
  if ((word & EVP_ARMED) &&
      atomic_compare_exchange_strong(&s->word, &word, word & ~(uint64_t)EVP_ARMED))
    return true;
  if (evp_single(p) && !(word & EVP_PARKED)) park(p, s, key);
  return false;
}

/* What is not an event of a registration as it stands: the bell, or a stale hit. */
static EVP_COLD int32_t note_odd(evpoll *p, uint64_t key) {
  if (key == ALARM_DATA) evp_timer_hear(p);
  if (key == ALARM_DATA || key == BELL_DATA) return EVP_BELL;
  note_stale(p, key);
  return 0;
}

/* The keys of bell and alarm and every key of a registration name an entry that the table reaches.
 */
static EVP_ALWAYS_INLINE int32_t epoll_translate(evpoll *p, evpoll_event *out, const char *raw,
                                                 int32_t n) {
  int32_t bell = 0;
  evpoll_event *next = out;
  for (const char *end = raw + (size_t)n * sizeof(struct epoll_event); raw != end;
       raw += sizeof(struct epoll_event)) {
    struct epoll_event e;
    memcpy(&e, raw, sizeof e);
    const uint64_t key = e.data.u64;
    struct evp_source *s = evp_table_known(&p->sources, (uint32_t)key, sizeof *s);
    uint64_t token, word;
    if (RARELY(!evp_source_read(s, (uint32_t)(key >> 32), &token, &word))) {
      bell |= note_odd(p, key);
      continue;
    }
    const uint32_t bits = translate_bits(e.events) & (uint32_t)word & EVP_REPORT;
    if (RARELY(!bits)) continue;
    if (RARELY(word & EVPOLL_ONESHOT << EVP_MODE_SHIFT)) { /* a bit of OPERATIONS too */
      if (evp_mode_of((uint32_t)word) == EVPOLL_OPERATIONS) {
        *next++ = evp_edge((uint32_t)key, (uint32_t)(key >> 32), bits);
        bell |= EVP_EDGES;
        continue;
      }
      if (!epoll_disarm(p, s, key, word)) continue;
    }
    /* Field by field: a whole struct would be cleared before it is filled. */
    next->token = token;
    next->op = 0;
    next->result = 0;
    next->events = bits;
    next++->status = 0;
  }
  return (int32_t)(next - out) | bell;
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

static EVP_COLD int32_t sleep_failed(const evpoll *p, int os_code) {
  if (os_code != EINTR) return evp_fail_as(EVPOLL_ERR_OS, os_code);
  return p->flags & EVPOLL_OPEN_INTERRUPTIBLE ? EVP_INTERRUPTED : 0;
}

static int32_t sleep_on_set(evpoll *p, evpoll_event *out, int32_t capacity, int64_t timeout_ns) {
  struct epoll_set *set = p->kernel;
  const size_t tail = (size_t)capacity * (sizeof *out - sizeof(struct epoll_event));
  char *raw = (char *)out + tail;
  const int n = wait_ns(set->fd, raw, capacity, timeout_ns);
  if (RARELY(n <= 0)) return n == 0 ? 0 : sleep_failed(p, errno);
  return epoll_translate(p, out, raw, n);
}

static EVP_COLD void epoll_ring(evpoll *p) {
  struct epoll_set *set = p->kernel;
  const int saved = errno; /* a signal handler may ring */
  const uint64_t one = 1;
  /* Not write(), which is a cancellation point. It cannot fail: the counter would have to reach
   * 2^64 - 1. */
  syscall(SYS_write, set->bell, &one, sizeof one);
  errno = saved;
}

/* ---- open and close ----------------------------------------------------------------------- */

static int32_t open_set(evpoll *p) {
  struct epoll_set *set = calloc(1, sizeof *set);
  if (!set) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  int os_code = 0;
  set->outer = set->ring = set->timer = -1;
  set->fd = evp_above_standard(epoll_create1(EPOLL_CLOEXEC));
  if (set->fd < 0) {
    os_code = errno;
    goto no_set;
  }
  set->bell = evp_above_standard(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (set->bell < 0) {
    os_code = errno;
    goto no_bell;
  }
  os_code = control(set->fd, EPOLL_CTL_ADD, set->bell, EPOLLIN | EPOLLET, BELL_DATA);
  if (os_code) goto not_added;
  evp_mutex_init(&set->late_lock);
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
  struct epoll_set *set = p->kernel;
  if (set->outer >= 0) close(set->outer);
  if (set->timer >= 0) close(set->timer);
  close(set->bell);
  close(set->fd);
  evp_mutex_destroy(&set->late_lock);
  free(set);
}

int evp_epoll_hear(evpoll *p, int ring) {
  struct epoll_set *set = p->kernel;
  evp_mutex_lock(&set->late_lock);
  const int os_code = control(set->fd, EPOLL_CTL_ADD, ring, EPOLLIN | EPOLLET, BELL_DATA);
  if (!os_code) set->ring = ring;
  evp_mutex_unlock(&set->late_lock);
  return os_code;
}

/* Never read: setting it again takes the readiness away. A past edge is reported once more by a set
 * that was rebuilt. */
static int make_timer(struct epoll_set *set) {
  const int timer = evp_above_standard(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (timer < 0) return errno;
  evp_mutex_lock(&set->late_lock);
  const int os_code = control(set->fd, EPOLL_CTL_ADD, timer, EPOLLIN | EPOLLET, ALARM_DATA);
  if (!os_code) set->timer = timer;
  evp_mutex_unlock(&set->late_lock);
  if (os_code) close(timer);
  return os_code;
}

static int32_t epoll_alarm(evpoll *p, int64_t at) {
  struct epoll_set *set = p->kernel;
  int os_code = set->timer < 0 ? make_timer(set) : 0;
  const int64_t seconds = at / 1000000000 < MOST_SECONDS ? at / 1000000000 : MOST_SECONDS;
  const struct itimerspec time = {.it_value = {(time_t)seconds, (long)(at % 1000000000)}};
  if (!os_code && timerfd_settime(set->timer, TFD_TIMER_ABSTIME, &time, NULL) < 0) os_code = errno;
  if (os_code == ENOSPC) return evp_fail_as(EVPOLL_ERR_LIMIT, os_code);
  return os_code ? evp_fail_os(os_code) : 0;
}

/* All stripes are locked, so that no rebuild is under way. Who sleeps elsewhere cannot make up for
 * an alarm that was not to be had when it was needed, as a wait does: it is made with the handle.
 */
static int32_t epoll_handle(evpoll *p, evpoll_handle *handle_out) {
  struct epoll_set *set = p->kernel;
  evp_mutex_lock(&p->io.lock);
  int os_code = set->timer < 0 ? make_timer(set) : 0;
  evp_mutex_unlock(&p->io.lock);
  evp_source_lock_all(p);
  if (!os_code && set->outer < 0) {
    const int outer = evp_above_standard(epoll_create1(EPOLL_CLOEXEC));
    os_code = outer < 0 ? errno : control(outer, EPOLL_CTL_ADD, set->fd, EPOLLIN, 0);
    if (!os_code)
      set->outer = outer;
    else if (outer >= 0)
      close(outer);
  }
  if (!os_code) *handle_out = set->outer;
  evp_source_unlock_all(p);
  if (os_code == ENOSPC) return evp_fail_as(EVPOLL_ERR_LIMIT, os_code);
  return os_code ? evp_fail_os(os_code) : 0;
}

static void epoll_describe(evpoll *p, char *text, size_t capacity) {
  snprintf(text, capacity, "epoll%s", evp_single(p) ? ", one waiter" : ", any number of waiters");
}

const struct evp_backend evp_backend = {
    .id = EVPOLL_BACKEND_EPOLL,
    .name = "epoll",
    .features = EVPOLL_FEATURE_PRIORITY | EVPOLL_FEATURE_ANY_HANDLE,
    .io_features = EVPOLL_FEATURE_VECTORED_IO,
    .native = &evp_engine_uring,
    .open = open_set,
    .close = close_set,
    .handle = epoll_handle,
    .watch = watch,
    .rearm = epoll_rearm,
    .unwatch = unwatch,
    .sleep = sleep_on_set,
    .alarm = epoll_alarm,
    .ring = epoll_ring,
    .describe = epoll_describe,
};
