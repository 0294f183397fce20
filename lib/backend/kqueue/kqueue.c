/* SPDX-License-Identifier: MIT */
/* BSD: readiness by kqueue. FreeBSD sends completions of files here too (posix_aio.c,
 * foreign_aio.c); elsewhere the worker pool rings the bell.
 *
 * A registration is one filter for each bit of the interest, with the descriptor as ident and the
 * generation as udata: together they name it, in 32-bit pointers as well. Interest 0 is a READ
 * filter that is disabled, so that the kernel still knows whether the descriptor is the one that
 * was registered. close() takes the filters away, even if a duplicate lives on; whoever gets the
 * number next starts a new generation.
 *
 * The mode is in the flags: EV_CLEAR is EDGE, EV_DISPATCH is ONESHOT. They stick to a filter when
 * it is added, and adding it again does not change them, so modify deletes before it adds. That
 * also finds out whether the descriptor was closed meanwhile (ENOENT). Each change has a receipt,
 * in an array of our own: receipts are never taken for events, nor events for receipts.
 *
 * An event: each filter reports for itself. Neighbours that belong to one registration become one
 * event. A ONESHOT registration may have two filters that fire at two threads: ARMED is cleared by
 * one of them, and the other's event is dropped; rearm enables both filters again, which looks at
 * the state afresh. An event whose generation has ended is dropped and counted.
 *
 * The end of the stream alone (READ_CLOSED without READABLE) is a READ filter with a NOTE_LOWAT
 * that no data reaches, so that only EV_EOF makes it true. Pipes do not know of it, nor do sockets
 * that listen, and macOS cuts it to the size of the buffer: so it has EV_CLEAR in every mode, and
 * tells at most once of data, which is dropped. A LEVEL registration enables it again after each
 * report, which looks at the state afresh. ONESHOT needs no EV_DISPATCH: ARMED is enough.
 *
 * A kevent is larger than an event of ours, so the kernel writes half as many into the caller's
 * array, and they are translated forwards in place; small arrays get a batch on the stack. Never is
 * more asked for than the array can take: what is not taken stays in the kernel.
 *
 * A pipe without a reader: the kernel refuses the WRITE filter (EPIPE), or reports it once and
 * drops it (EV_EOF with EV_ONESHOT). Its state is final, so a user event stands in for the filter,
 * triggered once, with the mode's flags. Nothing tells of the pipe's close then, so each of its
 * events is checked first: is WRITE still refused?
 *
 * The bell is EVFILT_USER with EV_CLEAR: one of those who sleep hears it, or the next to sleep.
 * Triggers coalesce, which the core knows. Closing a queue does not wake who sleeps on it: close
 * rings until nobody is inside.
 *
 * The alarm is EVFILT_TIMER with EV_ONESHOT, the same way.
 *
 * fork(): the child has no queue. The number is not ours there, and may be somebody else's. */
#include "backend/kqueue/kqueue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/status.h"
#include "core/stream.h"
#include "os/posix/posix.h"

enum { QUEUE_BATCH = 64, MOST_LOOKS = 256, MOST_SECONDS = 100000000, MOST_ALARM_MS = 86400000 };
#define BELL     UINTPTR_MAX
#define PRIORITY (EVP_QUEUE_HAS_PRIORITY ? EVPOLL_FEATURE_PRIORITY : 0)

/* ---- events ------------------------------------------------------------------------------- */

/* READ with EV_EOF: the other side has ended. With an error in fflags too, so has this one. */
static uint32_t queue_bits_of(const struct kevent *e) {
  const bool eof = e->flags & EV_EOF;
  const uint32_t error = eof && e->fflags ? EVPOLL_ERROR | EVPOLL_WRITE_CLOSED : 0;
  switch (e->filter) {
  case EVFILT_READ: return EVPOLL_READABLE | (eof ? EVPOLL_READ_CLOSED : 0) | error;
  case EVFILT_WRITE: return EVPOLL_WRITABLE | (eof ? EVPOLL_WRITE_CLOSED : 0) | error;
#ifdef EVFILT_USER
  case EVFILT_USER: return EVPOLL_WRITABLE | EVPOLL_WRITE_CLOSED; /* stands in for WRITE */
#endif
  }
  return EVPOLL_PRIORITY;
}

/* One event of an armed registration is delivered, by the thread that disarms it. The state tells
 * generations apart, so that an old event never disarms a new registration. */
static bool queue_disarm(struct evp_source *s, uint64_t word) {
  while (word & EVP_ARMED) {
    const uint64_t before = word;
    if (atomic_compare_exchange_strong(&s->word, &word, word & ~(uint64_t)EVP_ARMED)) return true;
    /* EVP_STANDS_IN may have been set meanwhile; anything else is another registration, or arming.
     */
    if ((before ^ word) & ~(uint64_t)EVP_STANDS_IN) return false;
  }
  return false;
}

struct translation {
  evpoll_event *out, *next; /* next: the first that is free */
  uintptr_t last_ident;     /* the registration of the last event */
  void *last_udata;
  uint32_t stale;
  bool bell, edges, locked, reaped;
};

#if EVP_KQUEUE_AIO
/* Completions: the core's list takes those of its operations, and the bell says so. */
static void translate_completion(evpoll *p, struct translation *t, const struct kevent *e) {
  if (!t->locked) evp_io_lock(p);
  t->locked = true;
  if (e->filter == EVFILT_TIMER)
    t->reaped = true; /* another try */
  else if ((uintptr_t)e->udata & EVP_FOREIGN_UDATA)
    t->next += evp_foreign_take(p, e, t->next);
  else if (evp_aio_take(p, e))
    t->reaped = t->bell = true;
  else
    t->stale++;
  t->last_ident = BELL; /* no neighbour of what comes next */
}

static bool is_completion(const struct kevent *e) {
  return e->filter == EVFILT_AIO || e->filter == EVFILT_LIO || e->filter == EVFILT_TIMER;
}

static void end_completions(evpoll *p, struct translation *t) {
  if (t->reaped) evp_aio_refill(p);
  if (t->locked) evp_io_unlock(p);
  t->reaped = t->locked = false;
}
#else
static void translate_completion(evpoll *p, struct translation *t, const struct kevent *e) {
  (void)p, (void)t, (void)e;
}
static bool is_completion(const struct kevent *e) {
  (void)e;
  return false;
}
static void end_completions(evpoll *p, struct translation *t) { (void)p, (void)t; }
#endif

static void translate_readiness(evpoll *p, struct translation *t, const struct kevent *e) {
  struct evp_source *s = evp_table_at(&p->sources, (uint32_t)e->ident);
  uint64_t token, word;
  if (!s || !evp_source_read(s, (uint32_t)(uintptr_t)e->udata, &token, &word)) {
    t->stale++;
    return;
  }
  const uint32_t state = (uint32_t)word;
  uint32_t bits = queue_bits_of(e);
  const bool pipe =
      (e->filter == EVFILT_WRITE && (e->flags & EV_ONESHOT)) ||
      (e->filter != EVFILT_READ && e->filter != EVFILT_WRITE && (state & EVP_STANDS_IN));
  if (pipe) {
    end_completions(p, t); /* io.lock is not held around a stripe */
    if (!evp_filters_check_pipe(p, s, e)) return;
  }
  bits &= state & EVP_REPORT;
  if (!bits) return;
  const bool eof = e->flags & EV_EOF;
  if (e->filter == EVFILT_READ && evp_filters_end_alone(state) &&
      evp_mode_of(state) == EVPOLL_LEVEL) {
    end_completions(p, t);
    evp_filters_repeat_end(p, s, e);
  }
  const int os_code = bits & EVPOLL_ERROR && eof ? (int)e->fflags : 0;
  if (t->next != t->out && e->ident == t->last_ident && e->udata == t->last_udata) {
    evpoll_event *last = t->next - 1; /* the neighbour: it was armed when that was delivered */
    last->events |= bits;
    if (os_code) last->result = os_code;
    if (os_code) last->status = evp_status_of(os_code);
    return;
  }
  if (evp_mode_of(state) == EVPOLL_OPERATIONS) {
    *t->next++ = evp_edge((uint32_t)e->ident, (uint32_t)(uintptr_t)e->udata, bits);
    t->edges = true;
    t->last_ident = BELL;
    return;
  }
  if (evp_mode_of(state) == EVPOLL_ONESHOT && !queue_disarm(s, word)) return;
  *t->next++ = (evpoll_event){
      .token = token,
      .result = os_code,
      .events = bits,
      .status = evp_status_of(os_code),
  };
  t->last_ident = e->ident;
  t->last_udata = e->udata;
}

static void hear_bell(evpoll *p) {
#ifndef EVFILT_USER
  char bytes[64];
  while (read(evp_queue_of(p)->pipe[0], bytes, sizeof bytes) > 0) {
  }
#else
  (void)p;
#endif
}

static bool is_bell(evpoll *p, const struct kevent *e) {
#ifdef EVFILT_USER
  (void)p;
  return e->filter == EVFILT_USER && e->ident == BELL;
#else
  return e->filter == EVFILT_READ && e->ident == (uintptr_t)evp_queue_of(p)->pipe[0];
#endif
}

/* raw may be the array that is written, from its start: an event is not larger than a kevent, and
 * each is copied before its place is written. */
static int32_t queue_translate(evpoll *p, evpoll_event *out, const char *raw, int n) {
  struct translation t = {.out = out, .next = out, .last_ident = BELL};
  for (int i = 0; i < n; i++) {
    struct kevent e;
    memcpy(&e, raw + (size_t)i * sizeof e, sizeof e);
    if (is_bell(p, &e)) {
      t.bell = true;
      hear_bell(p);
    } else if (e.filter == EVFILT_TIMER && e.ident == EVP_QUEUE_ALARM) {
      t.bell = true;
      evp_timer_hear(p);
    } else if (is_completion(&e)) {
      translate_completion(p, &t, &e);
    } else if (!(e.flags & EV_ERROR)) {
      translate_readiness(p, &t, &e);
    }
  }
  end_completions(p, &t);
  if (t.stale) atomic_fetch_add_explicit(&p->stale_hits, t.stale, memory_order_relaxed);
  return (int32_t)(t.next - out) | (t.bell ? EVP_BELL : 0) | (t.edges ? EVP_EDGES : 0);
}

/* ---- sleep -------------------------------------------------------------------------------- */

static int32_t queue_failed(const evpoll *p, int os_code) {
  if (os_code != EINTR) return evp_fail_as(EVPOLL_ERR_OS, os_code);
  return p->flags & EVPOLL_OPEN_INTERRUPTIBLE ? EVP_INTERRUPTED : 0;
}

static int32_t sleep_on_queue(evpoll *p, evpoll_event *out, int32_t capacity, int64_t timeout_ns) {
  struct evp_queue *q = evp_queue_of(p);
  struct kevent batch[QUEUE_BATCH];
  const size_t fit = (size_t)capacity * sizeof *out / sizeof batch[0];
  const bool in_place = fit >= QUEUE_BATCH && sizeof *out <= sizeof batch[0];
  struct kevent *raw = in_place ? (struct kevent *)(void *)out : batch;
  const int room = in_place ? (int)fit : capacity < QUEUE_BATCH ? capacity : QUEUE_BATCH;

  struct timespec limit = {0, 0};
  if (timeout_ns > 0) {
    const int64_t seconds = timeout_ns / 1000000000;
    limit.tv_sec = (time_t)(seconds < MOST_SECONDS ? seconds : MOST_SECONDS);
    limit.tv_nsec = (long)(timeout_ns % 1000000000);
  }
  int32_t bell = 0;
  for (int looks = 0;; looks++) {
    const int n = kevent(q->fd, NULL, 0, raw, room, timeout_ns < 0 && !looks ? NULL : &limit);
    if (n < 0) return bell ? bell : queue_failed(p, errno);
    if (atomic_load_explicit(&q->crowded, memory_order_relaxed) != (n == room))
      atomic_store_explicit(&q->crowded, n == room, memory_order_relaxed);
    const int32_t got = n ? queue_translate(p, out, (const char *)raw, n) : 0;
    bell |= got & EVP_BELL;
    /* Completions, and the bell, must not take the places of all that is ready behind them. */
    if ((got & ~EVP_BELL) || n < room || looks == MOST_LOOKS) return got | bell;
    limit = (struct timespec){0, 0};
  }
}

/* Only system calls: a signal handler may ring. Neither can fail while the queue is open. */
static void queue_ring(evpoll *p) {
  struct evp_queue *q = evp_queue_of(p);
  const int saved = errno;
#ifdef EVFILT_USER
  const struct kevent trigger = {.ident = BELL, .filter = EVFILT_USER, .fflags = NOTE_TRIGGER};
  while (kevent(q->fd, &trigger, 1, NULL, 0, NULL) < 0 && errno == EINTR) {
  }
#else
  while (write(q->pipe[1], "", 1) < 0 && errno == EINTR) { /* full: it rings already */
  }
#endif
  errno = saved;
}

/* Relative, since what absolute times are differs from system to system; for far ones it rings for
 * nothing. What was set before is deleted: some systems leave it as it is. */
static int32_t queue_alarm(evpoll *p, int64_t at) {
#ifdef NOTE_NSECONDS
  const uint32_t unit = NOTE_NSECONDS;
  const int64_t ns = 1;
#else
  const uint32_t unit = 0;
  const int64_t ns = 1000000;
#endif
  const int64_t now = evp_now(), most = (int64_t)MOST_ALARM_MS * 1000000;
  const int64_t left = at <= now ? 1 : at - now < most ? at - now : most;
  struct kevent timer[2] = {
      {.ident = EVP_QUEUE_ALARM, .filter = EVFILT_TIMER, .flags = EV_DELETE},
      {.ident = EVP_QUEUE_ALARM, .filter = EVFILT_TIMER, .flags = EV_ADD | EV_ONESHOT},
  };
  timer[1].fflags = unit;
  timer[1].data = (left + ns - 1) / ns;
  evp_queue_control(evp_queue_of(p), timer, 2);
  return timer[1].data ? evp_fail_os((int)timer[1].data) : 0;
}

/* ---- open and close ----------------------------------------------------------------------- */

static int close_on_exec(int fd) { return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? errno : 0; }

#ifdef EVFILT_USER
static int make_bell(struct evp_queue *q) {
  struct kevent bell = {.ident = BELL, .filter = EVFILT_USER, .flags = EV_ADD | EV_CLEAR};
  return evp_queue_control(q, &bell, 1) ? 0 : (int)bell.data;
}
static void free_bell(struct evp_queue *q) { (void)q; }
#else
static void free_bell(struct evp_queue *q) {
  close(q->pipe[0]);
  close(q->pipe[1]);
}
static int make_bell(struct evp_queue *q) {
  if (pipe(q->pipe) < 0) return errno;
  int os_code = 0;
  for (int i = 0; i < 2 && !os_code; i++) {
    os_code = close_on_exec(q->pipe[i]);
    if (!os_code && fcntl(q->pipe[i], F_SETFL, O_NONBLOCK) < 0) os_code = errno;
  }
  struct kevent bell = {
      .ident = (uintptr_t)q->pipe[0],
      .filter = EVFILT_READ,
      .flags = EV_ADD | EV_CLEAR,
  };
  if (!os_code && !evp_queue_control(q, &bell, 1)) os_code = (int)bell.data;
  if (os_code) free_bell(q);
  return os_code;
}
#endif

/* kqueue1(), which would set FD_CLOEXEC at once, is not in FreeBSD 13 or macOS. Nothing is lost:
 * no child inherits the queue. */
static int32_t open_queue(evpoll *p) {
  struct evp_queue *q = calloc(1, sizeof *q);
  if (!q) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  q->copy = -1;
  q->fd = evp_above_standard(kqueue());
  if (q->fd < 0) {
    const int os_code = errno;
    free(q);
    return evp_fail_os(os_code);
  }
  int os_code = close_on_exec(q->fd);
  if (!os_code) os_code = make_bell(q);
  if (os_code) {
    close(q->fd);
    free(q);
    return evp_fail_os(os_code);
  }
#if EVP_KQUEUE_AIO
  q->foreigns.entry_size = sizeof(struct evp_foreign_slot);
#endif
  p->kernel = q;
  return 0;
}

/* No child inherits a queue, and its number may be another file's there. */
static void close_queue(evpoll *p) {
  struct evp_queue *q = evp_queue_of(p);
  free_bell(q);
  if (!evp_forked(p)) {
    if (q->copy >= 0) close(q->copy);
    close(q->fd);
  }
  evp_table_free(&q->foreigns);
  free(q);
}

/* A queue is readable while something stands in its line, and a look takes away what is not true
 * any more. A second queue that holds it would stay readable until somebody has taken from that
 * one. */
static int32_t queue_handle(evpoll *p, evpoll_handle *handle_out) {
  struct evp_queue *q = evp_queue_of(p);
  evp_source_lock_all(p);
  if (q->copy < 0) q->copy = fcntl(q->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  int os_code = q->copy < 0 ? errno : 0;
  if (os_code == EINVAL) os_code = EMFILE; /* the limit is below the number that was asked for */
  if (!os_code) *handle_out = q->copy;
  evp_source_unlock_all(p);
  return os_code ? evp_fail_os(os_code) : 0;
}

static void queue_describe(evpoll *p, char *text, size_t capacity) {
  snprintf(text, capacity, "kqueue%s", evp_single(p) ? ", one waiter" : ", any number of waiters");
}

const struct evp_backend evp_backend = {
    .id = EVPOLL_BACKEND_KQUEUE,
    .name = "kqueue",
    .refusal_costs = true,
    .io_features = EVPOLL_FEATURE_VECTORED_IO,
#if EVP_KQUEUE_AIO
    .features = PRIORITY | EVPOLL_FEATURE_ANY_HANDLE | EVPOLL_FEATURE_FOREIGN_AIO,
    .native = &evp_engine_aio,
    .foreign = &evp_foreign_aio,
#else
    .features = PRIORITY | EVPOLL_FEATURE_ANY_HANDLE,
#endif
    .open = open_queue,
    .close = close_queue,
    .handle = queue_handle,
    .watch = evp_filters_watch,
    .rearm = evp_filters_rearm,
    .unwatch = evp_filters_unwatch,
    .sleep = sleep_on_queue,
    .alarm = queue_alarm,
    .ring = queue_ring,
    .describe = queue_describe,
};
