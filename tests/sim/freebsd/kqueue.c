/* SPDX-License-Identifier: MIT */
/* Simulated kqueue, after what kern_event.c does: knotes are active or not, the active ones stand
 * in a line; those that are reported and are neither ONESHOT, CLEAR nor DISPATCH go to its end.
 *
 * A kqueue is an epoll set of what may make it look at its knotes again: edges of READ, a second
 * set with the edges of WRITE, and an eventfd that is rung while knotes stand in line. An edge is
 * what makes a real kernel look at a knote again. So Linux too can wait for a kqueue, and one for
 * another: a real kernel has a task that tells the outer one, a little later.
 *
 * What the outer one has in its line stays there, and the outer one is ready for who watches it,
 * until somebody takes from it: only then is the inner one looked at again. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kernel.h"

struct sim_kqueue {
  int fd, wr, bell;
  int users; /* calls inside, and 1 while it is open */
  int sleepers, descriptors, watchers;
  bool open, rung;
  struct sim_knote *knotes;
  struct sim_knote *first, **last;
  int queued;
  struct sim_kqueue *next;
};
static struct sim_kqueue *kqueues;
static int knotes;

static struct sim_kqueue *find_exactly(int fd) {
  for (struct sim_kqueue *kq = kqueues; kq; kq = kq->next)
    if (kq->open && kq->fd == fd) return kq;
  return NULL;
}

/* By any of its descriptors; it ends with the first one. */
struct sim_kqueue *sim_kqueue_find(int fd) {
  struct sim_kqueue *kq = find_exactly(fd);
  if (kq || sim_kind_of(fd) != KIND_OTHER) return kq;
  for (kq = kqueues; kq; kq = kq->next)
    if (kq->open && sim_same_file(kq->fd, fd)) return kq;
  return NULL;
}

/* ---- knotes ------------------------------------------------------------------------------- */

static void dequeue(struct sim_knote *kn) {
  if (!(kn->status & KN_QUEUED)) return;
  *kn->queue_link = kn->queue_next;
  if (kn->queue_next)
    kn->queue_next->queue_link = kn->queue_link;
  else
    kn->kq->last = kn->queue_link;
  kn->status &= ~(uint32_t)KN_QUEUED;
  kn->kq->queued--;
}

static void enqueue(struct sim_knote *kn) {
  struct sim_kqueue *kq = kn->kq;
  kn->queue_next = NULL;
  kn->queue_link = kq->last;
  *kq->last = kn;
  kq->last = &kn->queue_next;
  kn->status |= KN_QUEUED;
  kq->queued++;
  const bool seen = kq->sleepers || !sim_option.manual; /* others may watch the queue itself */
  if (kq->open && (kq->watchers || (!kq->rung && seen))) {
    kq->rung = true;
    eventfd_write(kq->bell, 1);
  }
}

void sim_knote_activate(struct sim_knote *kn) {
  kn->status |= KN_ACTIVE;
  if (!(kn->status & (KN_DISABLED | KN_QUEUED))) enqueue(kn);
}

static bool is_descriptor(const struct sim_knote *kn) {
  return kn->e.filter == EVFILT_READ || kn->e.filter == EVFILT_WRITE;
}

static bool event(struct sim_knote *kn) {
  switch (kn->e.filter) {
  case EVFILT_READ:
  case EVFILT_WRITE: return sim_descriptor_event(kn);
  case EVFILT_AIO:
  case EVFILT_LIO: return sim_aio_event(kn);
  }
  return kn->triggered;
}

static struct sim_knote *find(struct sim_kqueue *kq, uintptr_t ident, short filter) {
  for (struct sim_knote *kn = kq->knotes; kn; kn = kn->next)
    if (kn->e.ident == ident && kn->e.filter == filter) return kn;
  return NULL;
}

void sim_knote_drop(struct sim_knote *kn) {
  dequeue(kn);
  if (is_descriptor(kn)) {
    sim_descriptor_detach(kn, kn->kq->fd, kn->kq->wr);
    kn->kq->descriptors--;
  }
  if (kn->e.filter == EVFILT_AIO || kn->e.filter == EVFILT_LIO) sim_aio_detach(kn);
  *kn->link = kn->next;
  if (kn->next) kn->next->link = kn->link;
  knotes--;
  free(kn);
}

static int64_t timer_ns(const struct kevent *e) {
  const int64_t units[] = {1000000, 1000000000, 1000000, 0, 1000, 0, 0, 0, 1};
  return e->data * units[e->fflags & 0xf];
}

/* Who sleeps keeps the time of its timers: one of them has to know the nearest. */
static void nudge(struct sim_kqueue *kq) {
  if (!kq->open || !kq->sleepers || kq->rung) return;
  kq->rung = true;
  eventfd_write(kq->bell, 1);
}

static void start_timer(struct sim_knote *kn, const struct kevent *change) {
  kn->deadline = sim_now() + timer_ns(change);
  nudge(kn->kq);
}

/* What a new knote is attached to, or why it cannot be. */
static int attach(struct sim_knote *kn, const struct kevent *change) {
  switch (kn->e.filter) {
  case EVFILT_READ:
  case EVFILT_WRITE: kn->e.fflags = 0; return sim_descriptor_attach(kn, kn->kq->fd, kn->kq->wr);
  case EVFILT_TIMER:
    kn->e.flags |= EV_CLEAR;
    start_timer(kn, change);
    kn->e.fflags = 0;
    return 0;
  case EVFILT_USER: kn->e.fflags = 0; return 0;
  }
  return 0;
}

/* A user event that is added is not triggered by the same change, and EV_CLEAR in a later one takes
 * back what triggered it. */
static void touch_user(struct sim_knote *kn, const struct kevent *change) {
  if (change->fflags & NOTE_TRIGGER) {
    sim_injected(SIM_TRIGGER);
    kn->triggered = true;
  }
  if (change->flags & EV_CLEAR) kn->triggered = false;
}

static void pull(struct sim_kqueue *kq);

/* EV_ADD, EV_ENABLE and so on of a knote, which is made if it is not there. */
struct sim_knote *sim_knote_add(struct sim_kqueue *kq, const struct kevent *change, int *code_out) {
  struct sim_knote *kn = find(kq, change->ident, change->filter);
  const bool fresh = !kn;
  *code_out = 0;
  if (fresh) {
    kn = calloc(1, sizeof *kn);
    kn->kq = kq;
    kn->e = *change;
    kn->e.flags &= (unsigned short)~(EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE);
    kn->e.data = 0;
    kn->data = change->data;
    kn->fflags = change->fflags;
    kn->next = kq->knotes;
    kn->link = &kq->knotes;
    if (kn->next) kn->next->link = &kn->next;
    kq->knotes = kn;
    knotes++;
    kq->descriptors += is_descriptor(kn);
    if (change->filter == EVFILT_AIO || change->filter == EVFILT_LIO) sim_aio_attach(kn, change);
    *code_out = attach(kn, change);
    if (*code_out) {
      sim_knote_drop(kn);
      return NULL;
    }
    if (is_descriptor(kn)) pull(kq); /* not to take its first edge for a second one */
  } else {
    if (!(change->flags & EV_KEEPUDATA)) kn->e.udata = change->udata;
    kn->data = change->data;
    kn->fflags = change->fflags;
    if (kn->e.filter == EVFILT_TIMER && (change->flags & EV_ADD)) start_timer(kn, change);
  }
  if (kn->e.filter == EVFILT_USER && !fresh) touch_user(kn, change);
  if (change->flags & EV_DISABLE) kn->status |= KN_DISABLED;
  if (change->flags & EV_ENABLE) kn->status &= ~(uint32_t)KN_DISABLED;
  if (!(kn->status & KN_DISABLED) && event(kn)) sim_knote_activate(kn);
  return kn;
}

static int apply(struct sim_kqueue *kq, const struct kevent *change) {
  const unsigned both = EV_ENABLE | EV_DISABLE;
  if ((change->flags & both) == both) return EINVAL;
  if ((change->flags & EV_ADD) && (change->flags & EV_KEEPUDATA)) return EINVAL;
  /* Taking a filter away cannot fail for want of anything. */
  const int injected = change->flags & EV_ADD ? sim_injected(SIM_KEVENT_CHANGE) : 0;
  if (injected) return injected;
  struct sim_knote *kn = find(kq, change->ident, change->filter);
  switch (change->filter) {
  case EVFILT_READ:
  case EVFILT_WRITE:
    if (fcntl((int)change->ident, F_GETFD) < 0) return EBADF;
    break;
  case EVFILT_AIO:
  case EVFILT_LIO:
    if (change->flags & EV_ADD) return EPERM;
    break;
  case EVFILT_TIMER:
  case EVFILT_USER: break;
  default: return EINVAL;
  }
  if (!kn && !(change->flags & EV_ADD)) return ENOENT;
  if (change->flags & EV_DELETE) {
    sim_knote_drop(kn);
    return 0;
  }
  int code;
  sim_knote_add(kq, change, &code);
  return code;
}

/* ---- taking events ------------------------------------------------------------------------ */

static void pull_set(struct sim_kqueue *kq, int set, short filter) {
  struct epoll_event edges[32];
  int n;
  do {
    n = epoll_wait(set, edges, 32, 0);
    for (int i = 0; i < n; i++) {
      if (edges[i].data.fd < 0) continue; /* the set of WRITE, the bell */
      struct sim_knote *kn = find(kq, (uintptr_t)edges[i].data.fd, filter);
      if (kn && sim_descriptor_edge(kn)) sim_knote_activate(kn);
    }
  } while (n == 32);
}

static void pull(struct sim_kqueue *kq) {
  if (!kq->descriptors) return;
  pull_set(kq, kq->wr, EVFILT_WRITE);
  pull_set(kq, kq->fd, EVFILT_READ);
}

/* The nearest deadline, or a later one that is given. What a watched queue has to do then, it does
 * when it is looked at. */
static int64_t expire_timers(struct sim_kqueue *kq, int64_t deadline) {
  const int64_t now = sim_now();
  for (struct sim_knote *kn = kq->knotes; kn; kn = kn->next) {
    struct sim_kqueue *watched = kn->kind == KIND_QUEUE ? sim_kqueue_find((int)kn->e.ident) : NULL;
    if (watched) deadline = expire_timers(watched, deadline);
    if (!kn->deadline) continue;
    if (kn->deadline <= now) {
      kn->deadline = 0;
      kn->triggered = true;
      kn->e.data = kn->e.filter == EVFILT_TIMER ? 1 : kn->e.data;
      if (event(kn)) sim_knote_activate(kn);
    } else if (deadline < 0 || kn->deadline < deadline) {
      deadline = kn->deadline;
    }
  }
  return deadline;
}

static int scan(struct sim_kqueue *kq, struct kevent *out, int most) {
  int n = 0;
  for (int left = kq->queued; left > 0 && n < most && kq->first; left--) {
    struct sim_knote *kn = kq->first;
    dequeue(kn);
    if (kn->status & KN_DISABLED) continue;
    if (!(kn->e.flags & EV_ONESHOT) && !event(kn)) {
      kn->status &= ~(uint32_t)KN_ACTIVE;
      continue;
    }
    out[n++] = kn->e;
    if (kn->e.flags & EV_ONESHOT) {
      sim_knote_drop(kn);
    } else if (kn->e.flags & (EV_CLEAR | EV_DISPATCH)) {
      if (kn->e.flags & EV_CLEAR) kn->triggered = false;
      if (kn->e.flags & EV_DISPATCH) kn->status |= KN_DISABLED;
      kn->status &= ~(uint32_t)KN_ACTIVE;
    } else {
      enqueue(kn);
    }
  }
  if (!kq->queued && kq->rung && kq->open) {
    eventfd_t ignored;
    eventfd_read(kq->bell, &ignored);
    kq->rung = false;
  }
  return n;
}

static int slumber(struct sim_kqueue *kq, int64_t deadline) {
  struct pollfd wake = {.fd = kq->fd, .events = POLLIN};
  struct timespec limit = {0, 0};
  int64_t left = deadline < 0 ? -1 : deadline - sim_now();
  if (deadline >= 0 && left < 0) left = 0;
  if (left > 0) limit = (struct timespec){left / 1000000000, left % 1000000000};
  kq->sleepers++;
  sim_unlock();
  const int rc = ppoll(&wake, 1, left < 0 ? NULL : &limit, NULL);
  const int code = rc < 0 ? errno : 0;
  sim_lock();
  kq->sleepers--;
  return code;
}

static void release(struct sim_kqueue *kq) {
  if (--kq->users) return;
  struct sim_kqueue **at = &kqueues;
  while (*at != kq) at = &(*at)->next;
  *at = kq->next;
  free(kq);
}

bool sim_run_one(void); /* aio.c */

static int take_events(struct sim_kqueue *kq, struct kevent *out, int most, int64_t timeout_ns) {
  const int64_t end = timeout_ns < 0 ? -1 : sim_now() + timeout_ns;
  for (;;) {
    if (kq->open) {
      pull(kq);
      const int64_t deadline = expire_timers(kq, end);
      const int n = scan(kq, out, most);
      if (n || timeout_ns == 0) return n;
      if (sim_option.manual && sim_run_one()) continue; /* time passes */
      const int code = slumber(kq, deadline);
      if (code) return -code;
    } else { /* closed by another thread: nobody wakes who sleeps */
      sim_unlock();
      poll(NULL, 0, 1);
      sim_lock();
    }
    if (end >= 0 && sim_now() >= end) {
      if (!kq->open) return 0;
      pull(kq);
      expire_timers(kq, end);
      return scan(kq, out, most);
    }
  }
}

static int take(struct sim_kqueue *kq, struct kevent *out, int most, int64_t timeout_ns) {
  const int n = take_events(kq, out, most, timeout_ns);
  if (kq->sleepers && expire_timers(kq, -1) >= 0) nudge(kq);
  return n;
}

/* ---- calls -------------------------------------------------------------------------------- */

static int fail(int code) {
  errno = code;
  return -1;
}

static void (*meanwhile)(void *);
static void *meanwhile_context;

void sim_meanwhile(void (*call)(void *), void *context) {
  sim_lock();
  meanwhile = call;
  meanwhile_context = context;
  sim_unlock();
}

int kevent(int fd, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
           const struct timespec *timeout) {
  if (timeout && (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec > 999999999))
    return fail(EINVAL);
  int64_t timeout_ns = -1;
  if (timeout && timeout->tv_sec < INT32_MAX)
    timeout_ns = (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec;
  sim_lock();
  int code = sim_injected(SIM_KEVENT);
  struct sim_kqueue *kq = sim_kqueue_find(fd);
  if (!kq) code = EBADF;
  int errors = 0;
  bool refused = false;
  for (int i = 0; i < nchanges && !code; i++) {
    struct kevent change = changes[i];
    if (!change.filter) continue;
    const int failed = apply(kq, &change);
    refused |= failed && (change.flags & EV_ADD);
    if (!failed && !(change.flags & EV_RECEIPT)) continue;
    if (errors == nevents) {
      code = failed;
      if (failed) break;
      continue;
    }
    change.flags = EV_ERROR;
    change.data = sim_code(failed);
    events[errors++] = change;
  }
  int n = errors;
  if (!code && !errors && nevents > 0) {
    kq->users++;
    n = take(kq, events, nevents, timeout_ns);
    if (n < 0) code = -n;
    release(kq);
  }
  void (*const others)(void *) = refused ? meanwhile : NULL;
  void *const context = meanwhile_context;
  if (others) meanwhile = NULL;
  sim_unlock();
  if (others) others(context);
  return code ? fail(code) : n;
}

static int make(int flags) {
  sim_lock();
  const int injected = sim_injected(SIM_KQUEUE);
  sim_unlock();
  if (injected) return fail(injected);
  struct sim_kqueue *kq = calloc(1, sizeof *kq);
  kq->fd = epoll_create1(flags);
  if (kq->fd < 0) {
    free(kq);
    return -1;
  }
  kq->wr = sim_high(epoll_create1(EPOLL_CLOEXEC));
  kq->bell = sim_high(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  struct epoll_event part = {.events = EPOLLIN, .data.fd = -1};
  if (epoll_ctl(kq->fd, EPOLL_CTL_ADD, kq->wr, &part) < 0 ||
      epoll_ctl(kq->fd, EPOLL_CTL_ADD, kq->bell, &part) < 0) {
    const int code = kq->wr < 0 || kq->bell < 0 ? EMFILE : errno;
    if (kq->wr >= 0) close(kq->wr);
    if (kq->bell >= 0) close(kq->bell);
    close(kq->fd);
    free(kq);
    return fail(code);
  }
  kq->users = 1;
  kq->open = true;
  kq->last = &kq->first;
  sim_lock();
  kq->next = kqueues;
  kqueues = kq;
  sim_unlock();
  return kq->fd;
}

int kqueue(void) { return make(0); }
int kqueuex(unsigned flags) { return make(flags & KQUEUE_CLOEXEC ? EPOLL_CLOEXEC : 0); }
int kqueue1(int flags) { return make(flags & O_CLOEXEC ? EPOLL_CLOEXEC : 0); }

/* ---- the end ------------------------------------------------------------------------------ */

static void end(struct sim_kqueue *kq) {
  while (kq->knotes) sim_knote_drop(kq->knotes);
  kq->open = false;
  close(kq->wr);
  close(kq->bell);
  release(kq);
}

/* A descriptor is closed: its knotes go, whatever duplicates there are; or it is a kqueue. */
void sim_kqueue_forget(int fd) {
  struct sim_kqueue *self = find_exactly(fd);
  for (struct sim_kqueue *kq = kqueues; kq; kq = kq->next)
    for (struct sim_knote *kn = kq->knotes, *next; kn; kn = next) {
      next = kn->next;
      if (is_descriptor(kn) && kn->e.ident == (uintptr_t)fd) sim_knote_drop(kn);
    }
  if (self) end(self);
}

void sim_kqueue_watch(struct sim_kqueue *kq, int more) { kq->watchers += more; }

int sim_kqueue_count(struct sim_kqueue *kq) {
  pull(kq);
  expire_timers(kq, -1);
  return kq->queued;
}

/* The child has none of its parent's. Its copies of what they are made of must not stay open. */
void sim_kqueues_forked(void) {
  for (struct sim_kqueue *kq = kqueues, *next; kq; kq = next) {
    next = kq->next;
    if (!kq->open) continue;
    close(kq->fd);
    close(kq->wr);
    close(kq->bell);
    for (struct sim_knote *kn = kq->knotes, *after; kn; kn = after) {
      after = kn->next;
      free(kn);
    }
    free(kq);
  }
  kqueues = NULL;
  knotes = 0;
}

bool sim_take_last(int fd) {
  bool took = false;
  sim_lock();
  for (struct sim_kqueue *kq = kqueues; kq; kq = kq->next) {
    struct sim_knote *kn = find(kq, (uintptr_t)fd, EVFILT_WRITE);
    if (!kn || !event(kn) || !(kn->e.flags & EV_ONESHOT)) continue;
    sim_knote_drop(kn);
    took = true;
  }
  sim_unlock();
  return took;
}

int sim_knotes(void) {
  sim_lock();
  const int n = knotes;
  sim_unlock();
  return n;
}
