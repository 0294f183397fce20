/* SPDX-License-Identifier: MIT */
/* Registrations as filters: what the kernel is told. kqueue.c says how they live. */
#include <errno.h>
#include <sys/stat.h>

#include "backend/kqueue/kqueue.h"
#include "core/status.h"

enum { MOST_CHANGES = 8 };

#if !EVP_QUEUE_HAS_PRIORITY
#define EVFILT_EXCEPT 0 /* never asked for: the feature is missing */
#define NOTE_OOB      0
#endif

/* Enabling looks at the state afresh on FreeBSD. Elsewhere that was not seen, and adding does. */
#if EVP_KQUEUE_AIO
#define AGAIN EV_ENABLE
#else
#define AGAIN (EV_ADD | EV_ENABLE)
#endif

/* ---- changes ------------------------------------------------------------------------------ */

/* NetBSD says EBADF where the others say EPIPE: for WRITE of a pipe without a reader. */
static int filter_code(const struct kevent *change, int os_code) {
  const bool added = change->filter == EVFILT_WRITE && (change->flags & EV_ADD);
  if (os_code != EBADF || !added) return os_code;
  return evp_handle_check((evpoll_handle)change->ident) == 0 ? EPIPE : EBADF;
}

bool evp_queue_control(struct evp_queue *q, struct kevent *changes, int n) {
  bool good = true;
#ifdef EV_RECEIPT
  struct kevent receipts[MOST_CHANGES];
  for (int i = 0; i < n; i++) changes[i].flags |= EV_RECEIPT;
  const int got = kevent(q->fd, changes, n, receipts, n, NULL);
  const int os_code = got < n ? (got < 0 ? errno : EIO) : 0;
  for (int i = 0; i < n; i++) {
    changes[i].data = filter_code(&changes[i], i < got ? (int)receipts[i].data : os_code);
    good &= changes[i].data == 0;
  }
#else
  for (int i = 0; i < n; i++) {
    const int rc = kevent(q->fd, &changes[i], 1, NULL, 0, NULL);
    changes[i].data = filter_code(&changes[i], rc < 0 ? errno : 0);
    good &= changes[i].data == 0;
  }
#endif
  return good;
}

/* The changes of one registration. */
struct changes {
  struct kevent list[MOST_CHANGES];
  int n;
};

static const struct {
  uint32_t bit;
  int16_t filter;
  uint16_t flags; /* instead of the mode's; 0: the mode's */
  uint32_t fflags;
  int32_t data;
} filters[] = {
    {EVPOLL_READABLE, EVFILT_READ, 0, 0, 0},
    {EVPOLL_WRITABLE, EVFILT_WRITE, 0, 0, 0},
    {EVPOLL_PRIORITY, EVFILT_EXCEPT, 0, NOTE_OOB, 0},
    {EVPOLL_READ_CLOSED, EVFILT_READ, EV_CLEAR, NOTE_LOWAT, INT32_MAX},
};
enum { FILTERS = sizeof filters / sizeof filters[0] };

/* These are one filter, asked for in two ways: READ tells of the end too. */
#define ANY_READ ((uint32_t)(EVPOLL_READABLE | EVPOLL_READ_CLOSED))
static uint32_t filter_bits(uint32_t interest) {
  return interest & EVPOLL_READABLE ? interest & ~(uint32_t)EVPOLL_READ_CLOSED : interest;
}

static void filter_append(struct changes *c, uintptr_t ident, int16_t filter, uint16_t flags,
                          uint32_t fflags, uint32_t generation) {
  c->list[c->n++] = (struct kevent){
      .ident = ident,
      .filter = filter,
      .flags = flags,
      .fflags = fflags,
      .udata = (void *)(uintptr_t)generation,
  };
}

static void append_all(struct changes *c, evpoll_handle h, uint32_t bits, uint16_t flags,
                       uint32_t generation) {
  for (int i = 0; i < FILTERS; i++) {
    if (!(bits & filters[i].bit)) continue;
    const uint16_t own = filters[i].flags;
    const uint16_t all = own ? (flags & (uint16_t) ~(EV_CLEAR | EV_DISPATCH)) | own : flags;
    filter_append(c, (uintptr_t)h, filters[i].filter, all, filters[i].fflags, generation);
    c->list[c->n - 1].data = filters[i].data;
  }
}

static void append_stand_in(struct changes *c, evpoll_handle h, uint32_t was, uint16_t flags,
                            uint32_t generation) {
#ifdef EVFILT_USER
  if (was & EVP_STANDS_IN)
    filter_append(c, (uintptr_t)h, EVFILT_USER, flags, NOTE_FFNOP, generation);
#else
  (void)c, (void)h, (void)was, (void)flags, (void)generation;
#endif
}

/* ---- registrations ------------------------------------------------------------------------ */

static uint16_t flags_of(uint32_t mode) {
  switch (mode) {
  case EVPOLL_OPERATIONS:
  case EVPOLL_EDGE: return EV_CLEAR;
  case EVPOLL_ONESHOT: return EV_DISPATCH;
  }
  return 0;
}

/* The filters that the kernel has. */
static uint32_t kernel_bits(uint32_t state) {
  if (!(state & EVP_IN_SET)) return 0;
  const uint32_t bits = (state & EVP_KERNEL) >> EVP_KERNEL_SHIFT;
  return state & EVP_STANDS_IN ? bits & ~(uint32_t)EVPOLL_WRITABLE : bits;
}

/* What the kernel says of a descriptor that cannot be watched differs by kind. */
static int32_t filter_fail_control(int os_code) {
  switch (os_code) {
  case ENOENT: return evp_fail_as(EVPOLL_ERR_STALE, os_code);
  case EINVAL:
  case EPERM:
  case ENODEV:
  case EOPNOTSUPP: return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, os_code);
  }
  return evp_fail_os(os_code);
}

/* Files are always ready, and kqueue would say so. */
static int refuse_file(int fd) {
  struct stat stat;
  if (fstat(fd, &stat) < 0) return errno;
  return S_ISREG(stat.st_mode) || S_ISDIR(stat.st_mode) || S_ISBLK(stat.st_mode) ? EPERM : 0;
}

static void filter_forget(struct evp_queue *q, evpoll_handle h, uint32_t bits, uint32_t was) {
  struct changes c = {.n = 0};
  append_all(&c, h, bits, EV_DELETE, 0);
  append_stand_in(&c, h, was, EV_DELETE, 0);
  if (c.n) evp_queue_control(q, c.list, c.n);
}

/* The stripe is locked, or the slot's registration is otherwise known to stay. */
static int stand_in(struct evp_queue *q, evpoll_handle h, struct evp_source *s, uint32_t state,
                    bool report) {
#ifdef EVFILT_USER
  struct changes c = {.n = 0};
  const uint16_t flags = EV_ADD | flags_of(evp_mode_of(state));
  filter_append(&c, (uintptr_t)h, EVFILT_USER, flags, NOTE_FFNOP, evp_source_generation(s));
  if (report)
    filter_append(&c, (uintptr_t)h, EVFILT_USER, 0, NOTE_TRIGGER, evp_source_generation(s));
  atomic_fetch_or_explicit(&s->word, EVP_STANDS_IN, memory_order_acq_rel);
  return evp_queue_control(q, c.list, c.n) ? 0 : ENOMEM;
#else
  (void)q, (void)h, (void)s, (void)state, (void)report;
  return EPIPE;
#endif
}

/* The first code among the receipts that matters. */
static int first_error(const struct changes *c, bool fresh) {
  for (int i = 0; i < c->n; i++) {
    const int os_code = (int)c->list[i].data;
    if (os_code && !(fresh && os_code == ENOENT && (c->list[i].flags & EV_DELETE))) return os_code;
  }
  return 0;
}

/* A pipe's WRITE filter was not found, and is refused: its reader has gone, and the filter with it,
 * told to a thread that has yet to say so. Another pipe of that number, broken too, is not told
 * from it; what else is missing means that the descriptor was closed. */
static bool has_lost_reader(struct evp_queue *q, evpoll_handle h, const struct changes *c) {
  bool missing = false;
  for (int i = 0; i < c->n; i++) {
    if (!c->list[i].data) continue;
    if (c->list[i].filter != EVFILT_WRITE || c->list[i].data != ENOENT) return false;
    missing = true;
  }
  if (!missing) return false;
  struct changes probe = {.n = 0};
  filter_append(&probe, (uintptr_t)h, EVFILT_WRITE, EV_ADD | EV_DISABLE, 0, 0);
  if (evp_queue_control(q, probe.list, probe.n)) filter_forget(q, h, EVPOLL_WRITABLE, 0);
  return probe.list[0].data == EPIPE;
}

/* What the kernel would refuse is found out before anything of the old registration is touched.
 * Filters that the old one has not are added, silent for now. */
static int try_additions(struct evp_queue *q, evpoll_handle h, uint32_t bits, uint16_t flags,
                         uint32_t generation) {
  struct changes c = {.n = 0};
  append_all(&c, h, bits, EV_ADD | EV_DISABLE | flags, generation);
  if (!c.n || evp_queue_control(q, c.list, c.n)) return 0;
  int os_code = 0;
  for (int i = 0; i < c.n && !os_code; i++) /* a pipe without a reader has something instead */
    if (c.list[i].data != EPIPE) os_code = (int)c.list[i].data;
  if (os_code) filter_forget(q, h, bits, 0);
  return os_code;
}

/* A registration that is replaced loses its filters first: flags stick to a filter, and that tells
 * whether it is still the same file, if it has to be. What fails from then on, fails for want of
 * memory, or since the descriptor was closed meanwhile: then nothing is left. */
int32_t evp_filters_watch(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t was,
                          bool fresh, bool *gone_out) {
  struct evp_queue *q = evp_queue_of(p);
  struct changes c = {.n = 0};
  uint32_t state = evp_source_state(s);
  const uint32_t interest = (state & EVP_INTEREST) >> EVP_INTEREST_SHIFT;
  const uint32_t bits = interest ? filter_bits(interest) : EVPOLL_READABLE;
  const uint32_t old = kernel_bits(was), same = old & ANY_READ ? old | ANY_READ : old;
  const uint16_t mode = flags_of(evp_mode_of(state));
  int os_code = fresh ? refuse_file((int)h) : 0;
  if (!os_code && (was & EVP_IN_SET))
    os_code = try_additions(q, h, bits & ~same, mode, evp_source_generation(s));
  if (os_code) {
    *gone_out = os_code == EBADF;
    if (*gone_out) filter_forget(q, h, old, was);
    return filter_fail_control(os_code);
  }

  append_all(&c, h, old, EV_DELETE, 0);
  append_stand_in(&c, h, was, EV_DELETE, 0);
  if (!fresh && c.n) {
    evp_queue_control(q, c.list, c.n);
    os_code = first_error(&c, false);
    if (os_code && !has_lost_reader(q, h, &c)) goto failed;
    c.n = 0;
  }
  /* The state is whole before the kernel may report, but for what a delivery clears meanwhile. */
  const uint32_t kernel = EVP_IN_SET | bits << EVP_KERNEL_SHIFT;
  state = (uint32_t)atomic_fetch_or_explicit(&s->word, kernel, memory_order_acq_rel) | kernel;
  const uint16_t flags = EV_ADD | mode | (interest ? EV_ENABLE : EV_DISABLE);
  append_all(&c, h, bits, flags, evp_source_generation(s));
  evp_queue_control(q, c.list, c.n);
  os_code = first_error(&c, fresh);
  if (os_code == EPIPE) os_code = stand_in(q, h, s, state, interest);
  if (os_code == 0) return 0;

failed:
  filter_forget(q, h, bits | old, was | (evp_source_state(s)));
  *gone_out = true;
  return filter_fail_control(os_code);
}

int32_t evp_filters_rearm(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t bits,
                          bool *gone_out) {
  uint32_t state = evp_source_state(s);
  if (evp_mode_of(state) == EVPOLL_EDGE) return 0; /* the kernel reports each edge anyway */

  struct evp_queue *q = evp_queue_of(p);
  const uint32_t was = state, generation = evp_source_generation(s);
  uint32_t wanted = filter_bits(bits), kernel = kernel_bits(state);
  /* The read filter is asked for in the other way. */
  const uint32_t other = wanted & ANY_READ ? kernel & ANY_READ & ~wanted : 0;
  const uint32_t instead = other ? wanted & ANY_READ : 0;
  state = (state & ~(uint32_t)EVP_REPORT) | evp_report_of(bits) | EVP_ARMED;
  state = (state & ~(other << EVP_KERNEL_SHIFT)) | instead << EVP_KERNEL_SHIFT;
  evp_source_set_state(s, state);
  struct changes c = {.n = 0};
  append_all(&c, h, other, EV_DELETE, generation);
  append_all(&c, h, instead, EV_ADD | EV_ENABLE | EV_DISPATCH, generation);
  append_stand_in(&c, h, state, bits & EVPOLL_WRITABLE ? EV_ENABLE : EV_DISABLE, generation);
  if (state & EVP_STANDS_IN) wanted &= ~(uint32_t)EVPOLL_WRITABLE;
  append_all(&c, h, kernel & ~wanted & ~other, EV_DISABLE, generation);
  append_all(&c, h, wanted & ~instead, AGAIN | EV_DISPATCH, generation);
  if (evp_queue_control(q, c.list, c.n)) return 0;
  int os_code = first_error(&c, false);
  if (has_lost_reader(q, h, &c)) {
    os_code = stand_in(q, h, s, state, true);
    c.n = 0;
    append_stand_in(&c, h, bits & EVPOLL_WRITABLE ? 0 : EVP_STANDS_IN, EV_DISABLE, generation);
    if (c.n) evp_queue_control(q, c.list, c.n);
    if (os_code == 0) return 0;
  }
  *gone_out = os_code == EBADF || os_code == ENOENT || other;
  if (*gone_out)
    filter_forget(q, h, kernel | instead, state);
  else
    evp_source_set_state(s, was);
  return filter_fail_control(os_code);
}

void evp_filters_repeat_end(evpoll *p, struct evp_source *s, const struct kevent *e) {
  const uint32_t generation = (uint32_t)(uintptr_t)e->udata;
  struct changes c = {.n = 0};
  append_all(&c, (evpoll_handle)e->ident, EVPOLL_READ_CLOSED, AGAIN, generation);
  evp_mutex_lock(evp_source_lock(p, (uint32_t)e->ident));
  const uint32_t state = evp_source_state(s);
  if (evp_source_generation(s) == generation && evp_filters_end_alone(state))
    evp_queue_control(evp_queue_of(p), c.list, c.n); /* gone: it was closed */
  evp_mutex_unlock(evp_source_lock(p, (uint32_t)e->ident));
}

void evp_filters_unwatch(evpoll *p, evpoll_handle h, uint32_t was) {
  filter_forget(evp_queue_of(p), h, kernel_bits(was), was);
}

EVP_COLD bool evp_filters_check_pipe(evpoll *p, struct evp_source *s, const struct kevent *e) {
  struct evp_queue *q = evp_queue_of(p);
  const evpoll_handle h = (evpoll_handle)e->ident;
  const uint32_t generation = (uint32_t)(uintptr_t)e->udata;
  bool lives = true;
  evp_mutex_lock(evp_source_lock(p, (uint32_t)h));
  const uint32_t state = evp_source_state(s);
  if (evp_source_generation(s) != generation || !(state & EVP_LIVE)) {
    lives = false;
  } else if (!(state & EVP_STANDS_IN)) {
    stand_in(q, h, s, state, evp_mode_of(state) != EVPOLL_EDGE); /* that one was just told */
  } else if (e->filter != EVFILT_WRITE) {
    struct changes c = {.n = 0};
    filter_append(&c, (uintptr_t)h, EVFILT_WRITE, EV_ADD | EV_DISABLE, 0, generation);
    evp_queue_control(q, c.list, c.n);
    if (c.list[0].data != EPIPE) { /* closed, and perhaps the number is somebody else's */
      evp_source_end(s);
      filter_forget(q, h, kernel_bits(state) | EVPOLL_WRITABLE, state);
      lives = false;
    }
  }
  evp_mutex_unlock(evp_source_lock(p, (uint32_t)h));
  return lives;
}
