/* SPDX-License-Identifier: MIT */
/* The poller. A wait looks at `attention`; when it is 0 there is nothing but the kernel to ask,
 * and one call does it all. Otherwise the sources of events are served in turn.
 *
 * The bell's rule: if something is queued and somebody sleeps, then an edge of the bell is pending,
 * or a thread inside a wait that has not made its last look will look. So who queues something
 * raises its bit by an exchange and rings if it was clear; who enters shows itself by an exchange
 * and looks afterwards; who took the bell looks before it sleeps again; and who leaves with
 * something queued rings, by pass_bell(). tests/model tries all interleavings of that. */
#include "core/poller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/stream.h"
#include "core/target.h"
#include "core/trace.h"
#include "os/os_file.h"

enum {
  DEFAULT_IO_LIMIT = 1 << 20,
  MOST_IO_LIMIT = 1 << EVP_INDEX_BITS,
  DEFAULT_POOL = 4,
  MOST_EVENTS = 4096,
  SLICE = 1000000,
};

/* ---- threads inside ----------------------------------------------------------------------- */

/* The exchange is sequentially consistent: a submitter that raises `attention` either sees this
 * cell busy and rings, or is seen by the look at `attention` that follows. */
static inline bool claim(struct evp_cell *c) { return !atomic_exchange(&c->busy, 1); }

static inline struct evp_cell *guess(evpoll *p) {
  if (evp_single(p)) return &p->cells[0];
  /* Threads differ in their stacks: a cheap first guess that keeps them apart. */
  char here;
  return &p->cells[(uint32_t)((uintptr_t)&here >> 12) * 2654435761u >> 28];
}

/* Only the owner of a cell writes its counters; the last cell may have several. */
static inline bool is_shared(evpoll *p, struct evp_cell *c) { return c == &p->cells[EVP_CELLS]; }

static inline void tally_own(_Atomic uint64_t *counter, uint64_t n) {
#ifndef EVP_WITHOUT_COUNTERS /* the bench measures what they cost */
  const uint64_t was = atomic_load_explicit(counter, memory_order_relaxed);
  atomic_store_explicit(counter, was + n, memory_order_relaxed);
#else
  (void)counter, (void)n;
#endif
}

static void tally(evpoll *p, struct evp_cell *c, _Atomic uint64_t *counter, uint64_t n) {
  if (is_shared(p, c))
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
  else
    tally_own(counter, n);
}

/* NULL: there is a waiter, and may be only one. */
static EVP_COLD struct evp_cell *find_cell(evpoll *p) {
  if (evp_single(p)) return NULL;
  for (uint32_t i = 0; i < EVP_CELLS; i++)
    if (claim(&p->cells[i])) return &p->cells[i];
  atomic_fetch_add(&p->cells[EVP_CELLS].busy, 1);
  return &p->cells[EVP_CELLS];
}

static struct evp_cell *poller_enter(evpoll *p) {
  struct evp_cell *c = guess(p);
  return claim(c) ? c : find_cell(p);
}

/* The poller may be freed as soon as the cell is given back. */
static void leave(evpoll *p, struct evp_cell *c) {
  if (is_shared(p, c))
    atomic_fetch_sub_explicit(&c->busy, 1, memory_order_release);
  else
    atomic_store_explicit(&c->busy, 0, memory_order_release);
}

uint32_t evp_poller_inside(evpoll *p) {
  if (evp_single(p)) return atomic_load(&p->cells[0].busy);
  uint32_t n = 0;
  for (int i = 0; i <= EVP_CELLS; i++) n += atomic_load(&p->cells[i].busy);
  return n;
}

/* ---- wake and post ------------------------------------------------------------------------ */

bool evp_attend(evpoll *p, uint32_t bits) { return !(atomic_fetch_or(&p->attention, bits) & bits); }

/* The exchange comes first, whatever was pending: looking before it would lose wakes. */
void evp_poller_wake(evpoll *p) {
  if (evp_attend(p, EVP_ATTN_WAKE)) evp_backend.ring(p);
}

void evp_poller_shutdown(evpoll *p) {
  if (evp_attend(p, EVP_ATTN_SHUTDOWN)) evp_backend.ring(p);
}

static int32_t grow(struct evp_posts *q) {
  const uint32_t capacity = q->capacity ? q->capacity * 2 : 64;
  struct evp_post *ring = capacity ? malloc(capacity * sizeof *ring) : NULL;
  if (!ring) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  for (uint32_t i = 0; i < q->count; i++) ring[i] = q->ring[(q->first + i) % q->capacity];
  struct evp_post *old = q->ring;
  q->ring = ring;
  q->capacity = capacity;
  q->first = 0;
  free(old); /* last: a fork() in between must not leave the child a ring that is gone */
  return 0;
}

int32_t evp_poller_post(evpoll *p, uint64_t token, int64_t result) {
  struct evp_posts *q = &p->posts;
  int32_t status = 0;
  bool first = false;
  evp_mutex_lock(&q->lock);
  if (evp_is_shut_down(p))
    status = evp_fail(EVPOLL_ERR_SHUTDOWN);
  else if (q->count == q->capacity)
    status = grow(q);
  if (status == 0) {
    q->ring[(q->first + q->count++) % q->capacity] = (struct evp_post){token, result};
    first = evp_attend(p, EVP_ATTN_POST);
  }
  evp_mutex_unlock(&q->lock);
  if (first) evp_backend.ring(p);
  return status;
}

static int32_t take_posts(evpoll *p, evpoll_event *out, int32_t capacity) {
  struct evp_posts *q = &p->posts;
  evp_mutex_lock(&q->lock);
  int32_t n = 0;
  for (; n < capacity && q->count; n++) {
    const struct evp_post post = q->ring[q->first];
    q->first = (q->first + 1) % q->capacity;
    q->count--;
    out[n] = (evpoll_event){.token = post.token, .result = post.result, .events = EVPOLL_POST};
  }
  if (q->count == 0) atomic_fetch_and(&p->attention, ~(uint32_t)EVP_ATTN_POST);
  evp_mutex_unlock(&q->lock);
  if (n) atomic_fetch_add_explicit(&p->posts_delivered, (uint64_t)n, memory_order_relaxed);
  return n;
}

static int32_t take_wake(evpoll *p, evpoll_event *out) {
  if (!(atomic_fetch_and(&p->attention, ~(uint32_t)EVP_ATTN_WAKE) & EVP_ATTN_WAKE)) return 0;
  *out = (evpoll_event){.token = p->wake_token, .events = EVPOLL_WAKE};
  evp_count(&p->wakes);
  return 1;
}

/* ---- wait --------------------------------------------------------------------------------- */

/* Is there anything that a sleep would not see? */
static bool has_queued(evpoll *p) {
  return (atomic_load(&p->attention) & (EVP_ATTN_WAKE | EVP_ATTN_POST | EVP_ATTN_ALARM)) ||
         evp_io_has_completions(p);
}

/* For who leaves: see the rule. A single waiter looks at `attention` when it comes again. */
static void pass_bell(evpoll *p) {
  if (evp_single(p) && !atomic_load_explicit(&p->has_handle, memory_order_relaxed)) return;
  const bool unwatched = evp_timer_is_silent(p) && evp_poller_inside(p) > 1;
  if (has_queued(p) || evp_is_shut_down(p) || unwatched) evp_backend.ring(p);
}

/* What came with a sleep's events: edges let operations go on, and those that are over by that join
 * the events. If there are none, or more is queued, it is as after the bell. */
static EVP_COLD int32_t hear_edges(evpoll *p, evpoll_event *out, int32_t n, int32_t capacity) {
  const int32_t flags = EVP_BELL | EVP_INTERRUPTED;
  const int32_t heard = evp_stream_hear(p, out, n & ~(flags | EVP_EDGES), capacity);
  return heard | (n & flags) | (heard && !has_queued(p) ? 0 : EVP_BELL);
}

static int32_t poller_sleep(evpoll *p, evpoll_event *out, int32_t capacity, int64_t timeout_ns) {
  const int32_t n = evp_backend.sleep(p, out, capacity, timeout_ns);
  return n >= 0 && (n & EVP_EDGES) ? hear_edges(p, out, n, capacity) : n;
}

/* One look at the sockets, without blocking; another if the bell took the only place of one. */
static int32_t look_at_sockets(evpoll *p, evpoll_event *out, int32_t capacity) {
  int32_t bell = 0, got = poller_sleep(p, out, capacity, 0);
  if (got == EVP_BELL && capacity == 1) {
    bell = EVP_BELL;
    got = poller_sleep(p, out, 1, 0);
  }
  if (got < 0) got = 0;
  return (got & ~EVP_INTERRUPTED) | bell;
}

/* Serves the sources in turn, without blocking. EVP_BELL: the bell was taken, perhaps for what came
 * after the look at its source. */
static int32_t poller_collect(evpoll *p, evpoll_event *out, int32_t capacity, bool with_sockets) {
  enum { SOCKETS, COMPLETIONS, POSTS, WAKES, SOURCES };
  const uint32_t turn = atomic_fetch_add_explicit(&p->turn, 1, memory_order_relaxed);
  int32_t n = 0, bell = 0;
  for (uint32_t i = 0; i < SOURCES && n < capacity; i++) {
    switch ((turn + i) % SOURCES) {
    case SOCKETS:
      /* What is at hand is not held up for a system call: the sockets come first next time. */
      if (with_sockets && (n == 0 || i == 0)) {
        const int32_t got = look_at_sockets(p, out + n, capacity - n);
        bell |= got & EVP_BELL;
        n += got & ~EVP_BELL;
      }
      break;
    case COMPLETIONS:
      if (atomic_load(&p->attention) & EVP_ATTN_ALARM) evp_timer_fire(p);
      if (evp_io_has_completions(p)) n += evp_io_collect(p, out + n, capacity - n);
      break;
    case POSTS:
      if (atomic_load(&p->attention) & EVP_ATTN_POST) n += take_posts(p, out + n, capacity - n);
      break;
    case WAKES:
      if (atomic_load(&p->attention) & EVP_ATTN_WAKE) n += take_wake(p, out + n);
      break;
    }
  }
  return n | bell;
}

static int64_t remaining(int64_t timeout_ns, int64_t deadline) {
  if (timeout_ns <= 0) return timeout_ns;
  const int64_t left = deadline - evp_now();
  return left > 0 ? left : 0;
}

/* The bell has rung, besides n events of the kernel: takes what it rang for, if there is room. If
 * that is nothing, it may have had the only place of a socket: a wait that may not sleep again must
 * not say that there was none. */
static EVP_COLD int32_t heed_bell(evpoll *p, evpoll_event *out, int32_t n, int32_t capacity) {
  if (n < capacity && !evp_is_shut_down(p)) {
    n += poller_collect(p, out + n, capacity - n, false);
    if (n == 0 && capacity == 1) n = look_at_sockets(p, out, 1);
    if (n & EVP_BELL) evp_backend.ring(p); /* it was not for this look */
    n &= ~EVP_BELL;
  }
  if (n || evp_is_shut_down(p))
    pass_bell(p); /* the time may be up, and the shutdown is everybody's */
  return n;
}

/* After shutdown: what is queued, then what is in flight, then the end. */
static int32_t wait_shut_down(evpoll *p, evpoll_event *out, int32_t capacity, int64_t timeout_ns,
                              int64_t deadline) {
  evp_io_cancel_own(p);
  for (;;) {
    evp_timer_look(p);
    const int32_t n = poller_collect(p, out, capacity, false);
    /* Who was let in before the shutdown is waited for, and what it queued is delivered. */
    evp_mutex_lock(&p->posts.lock);
    evp_mutex_unlock(&p->posts.lock);
    evp_io_lock(p);
    evp_io_unlock(p);
    const bool last = !atomic_load(&p->io.in_flight) && !has_queued(p);
    if (last) evp_backend.ring(p); /* the next thread inside leaves too */
    if (n) return n;
    if (last) return evp_fail(EVPOLL_ERR_SHUTDOWN);
    const int64_t left = remaining(timeout_ns, deadline);
    if (left == 0) return 0;
    evp_pause(left < 0 || left > SLICE ? SLICE : left); /* readiness would end any other sleep */
    if (p->flags & EVPOLL_OPEN_INTERRUPTIBLE) return 0; /* it does not tell of signals */
  }
}

/* All but the plain case: something to collect, a finite timeout, a spurious return. */
static EVP_COLD int32_t wait_long(evpoll *p, struct evp_cell *cell, evpoll_event *out,
                                  int32_t capacity, int64_t timeout_ns) {
  int64_t deadline = 0, left = timeout_ns;
  if (timeout_ns > 0) {
    const int64_t now = evp_now();
    if (timeout_ns > INT64_MAX - now)
      timeout_ns = left = EVPOLL_INFINITE; /* three centuries */
    else
      deadline = now + timeout_ns;
  }
  for (;;) {
    const int64_t nap = evp_timer_bound(p, left);
    const uint32_t attention = atomic_load(&p->attention);
    if (attention & EVP_ATTN_SHUTDOWN)
      return wait_shut_down(p, out, capacity, timeout_ns, deadline);
    if (attention && has_queued(p)) {
      const int32_t got = poller_collect(p, out, capacity, true), n = got & ~EVP_BELL;
      if (n) pass_bell(p);
      if (n) return n;
      if (got) continue; /* took the bell, and has to look again */
    }

    int32_t n = poller_sleep(p, out, capacity, nap);
    if (n < 0) return n;
    if (n & EVP_INTERRUPTED) return 0;
    if (n & EVP_BELL) n = heed_bell(p, out, n & ~EVP_BELL, capacity);
    if (n == 0 && left != 0) left = remaining(timeout_ns, deadline);
    if (n || left == 0) {
      if (evp_timer_is_silent(p)) pass_bell(p);
      return n;
    }
    tally(p, cell, &cell->spurious, 1);
  }
}

static inline int32_t wait_inside(evpoll *p, struct evp_cell *cell, evpoll_event *out,
                                  int32_t capacity, int64_t timeout_ns) {
  if (capacity > MOST_EVENTS) capacity = MOST_EVENTS;
  if (timeout_ns <= 0 && !atomic_load(&p->attention)) {
    int32_t n = evp_backend.sleep(p, out, capacity, timeout_ns);
    if (n >= EVP_EDGES) {
      if (n & EVP_INTERRUPTED) return 0;
      if (n & EVP_EDGES) n = hear_edges(p, out, n, capacity);
      if (n & EVP_BELL) n = heed_bell(p, out, n & ~EVP_BELL, capacity);
      if (n == 0 && timeout_ns == 0) pass_bell(p);
    }
    if (n || timeout_ns == 0) return n;
    tally(p, cell, &cell->spurious, 1);
  }
  return wait_long(p, cell, out, capacity, timeout_ns);
}

/* The cell that was guessed has somebody in it. */
static EVP_COLD int32_t wait_elsewhere(evpoll *p, evpoll_event *out, int32_t capacity,
                                       int64_t timeout_ns) {
  struct evp_cell *cell = find_cell(p);
  if (!cell) return evp_fail(EVPOLL_ERR_BUSY);
  tally(p, cell, &cell->waits, 1);
  const int32_t n = wait_inside(p, cell, out, capacity, timeout_ns);
  if (n > 0) tally(p, cell, &cell->events, (uint64_t)n);
  leave(p, cell);
  EVP_PROBE1(wait__end, n);
  return n;
}

int32_t evp_poller_wait(evpoll *p, evpoll_event *out, int32_t capacity, int64_t timeout_ns) {
  EVP_PROBE3(wait__begin, p, capacity, timeout_ns);
  struct evp_cell *cell = guess(p);
  if (!claim(cell)) return wait_elsewhere(p, out, capacity, timeout_ns);
  tally_own(&cell->waits, 1);
  const int32_t n = wait_inside(p, cell, out, capacity, timeout_ns);
  if (n > 0) tally_own(&cell->events, (uint64_t)n);
  atomic_store_explicit(&cell->busy, 0, memory_order_release);
  EVP_PROBE1(wait__end, n);
  return n;
}

/* ---- a turn ------------------------------------------------------------------------------- */

static int32_t apply(evpoll *p, evpoll_change *c) {
  switch (c->action) {
  case EVPOLL_CHANGE_ADD: return evp_source_add(p, c->handle, c->token, c->interest, c->mode);
  case EVPOLL_CHANGE_MODIFY: return evp_source_modify(p, c->handle, c->token, c->interest, c->mode);
  case EVPOLL_CHANGE_REARM:
    if (c->mode) break;
    return evp_source_rearm(p, c->handle, c->token, c->interest);
  case EVPOLL_CHANGE_REMOVE:
    if (c->interest || c->mode) break;
    return evp_source_remove(p, c->handle, c->token);
  }
  const bool known = c->action >= EVPOLL_CHANGE_ADD && c->action <= EVPOLL_CHANGE_REMOVE;
  return evp_fail(known ? EVPOLL_ERR_INVALID : EVPOLL_ERR_UNSUPPORTED);
}

int32_t evp_poller_update(evpoll *p, evpoll_change *changes, int32_t n) {
  int32_t applied = 0;
  for (int32_t i = 0; i < n; i++) {
    changes[i].status = apply(p, &changes[i]);
    applied += changes[i].status >= 0;
  }
  return applied;
}

/* A turn that has something to tell and nothing queued need not ask the kernel, which has little to
 * say where the last turn had one event at most: it is asked when the caller comes to sleep. Never
 * twice in a row. */
static bool may_skip_look(evpoll *p) {
  return atomic_load_explicit(&p->idle, memory_order_relaxed) && !has_queued(p) &&
         !evp_is_shut_down(p) && !atomic_load_explicit(&p->has_handle, memory_order_relaxed);
}

int32_t evp_poller_turn(evpoll *p, evpoll_change *changes, int32_t nchanges, evpoll_io *ios,
                        int32_t nios, evpoll_event *out, int32_t capacity, int64_t timeout_ns) {
  EVP_PROBE3(wait__begin, p, capacity, timeout_ns);
  struct evp_cell *cell = poller_enter(p);
  if (!cell) return evp_fail(EVPOLL_ERR_BUSY);
  tally(p, cell, &cell->waits, 1);

  const int32_t applied = evp_poller_update(p, changes, nchanges);
  const int32_t accepted = evp_io_submit(p, ios, nios, true);
  bool at_once = applied < nchanges;
  for (int32_t i = 0; i < nios; i++) at_once |= ios[i].op == 0; /* refused, or ended here */
  const bool tells = at_once && timeout_ns && may_skip_look(p);
  if (at_once) timeout_ns = 0;

  int32_t n = tells ? 0 : wait_inside(p, cell, out, capacity, timeout_ns);
  atomic_store_explicit(&p->idle, !tells && n <= 1, memory_order_relaxed);
  if (n < 0 && applied + accepted > 0) n = 0; /* the next call will say it again */
  if (n > 0) tally(p, cell, &cell->events, (uint64_t)n);
  leave(p, cell);
  EVP_PROBE1(wait__end, n);
  return n;
}

/* ---- open and close ----------------------------------------------------------------------- */

static int32_t read_options(evpoll *p, const evpoll_options *given) {
  evpoll_options o = {.struct_size = sizeof o};
  if (given) {
    const uint32_t size = given->struct_size;
    if (size < 2 * sizeof(uint32_t) || size > 4096) return evp_fail(EVPOLL_ERR_INVALID);
    for (uint32_t i = sizeof o; i < size; i++)
      if (((const unsigned char *)given)[i]) return evp_fail(EVPOLL_ERR_VERSION);
    memcpy(&o, given, size < sizeof o ? size : sizeof o);
  }
  const uint32_t known = EVPOLL_OPEN_SINGLE_WAITER | EVPOLL_OPEN_INTERRUPTIBLE |
                         EVPOLL_OPEN_NO_URING | EVPOLL_OPEN_NATIVE_IO_ONLY;
  if (o.flags & ~known) return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  if (o.io_limit > MOST_IO_LIMIT || o.pool_threads > 256) return evp_fail(EVPOLL_ERR_INVALID);
  p->flags = o.flags;
  p->wake_token = o.wake_token;
  p->io_limit = o.io_limit ? o.io_limit : DEFAULT_IO_LIMIT;
  p->pool_threads = o.pool_threads ? o.pool_threads : DEFAULT_POOL;
  return 0;
}

static void free_poller(evpoll *p) {
  evp_table_free(&p->sources);
  evp_table_free(&p->targets);
  free(p->posts.ring);
  evp_mutex_destroy(&p->posts.lock);
  for (int i = 0; i < EVP_STRIPES; i++) evp_mutex_destroy(&p->stripes[i]);
  evp_buffer_free(p);
}

int32_t evp_poller_open(const evpoll_options *options, evpoll **out) {
  void *memory = NULL; /* in whole cache lines */
  int32_t status = evp_buffer_alloc(sizeof(evpoll), _Alignof(evpoll), &memory);
  if (status < 0) return status;
  evpoll *p = memory;
  p->sources.entry_size = sizeof(struct evp_source);
  p->targets.entry_size = sizeof(struct evp_target *);
  evp_mutex_init(&p->posts.lock);
  for (int i = 0; i < EVP_STRIPES; i++) evp_mutex_init(&p->stripes[i]);

  status = read_options(p, options);
  if (status < 0) goto failed;
  const int os_code = evp_fork_mark(&p->fork_mark, &p->fork_value);
  if (os_code) {
    status = evp_fail_os(os_code);
    goto failed;
  }
  p->plain_value = p->fork_value;
  if (!evp_table_reach(&p->sources, 0)) { /* waits rely on the first entries */
    status = evp_fail(EVPOLL_ERR_NO_MEMORY);
    goto failed;
  }
  status = evp_backend.open(p);
  if (status < 0) goto failed;
  evp_io_open(p);
  *out = p;
  return 0;

failed:
  free_poller(p);
  return status;
}

static void free_all(evpoll *p) {
  evp_io_close(p);
  evp_backend.close(p);
  free_poller(p);
}

int32_t evp_poller_close(evpoll *p, int64_t timeout_ns) {
  if (evp_forked(p)) {
    free_all(p);
    return 0;
  }
  if (atomic_load(&p->aios)) return evp_fail(EVPOLL_ERR_BUSY);
  int64_t deadline = 0;
  if (timeout_ns > 0) {
    const int64_t now = evp_now();
    if (timeout_ns > INT64_MAX - now) timeout_ns = EVPOLL_INFINITE;
    deadline = now + timeout_ns;
  }
  evp_poller_shutdown(p);
  for (int64_t slice = 50000;;) {
    evp_io_cancel_all(p); /* again, since one may have been asked too early */
    const uint32_t inside = evp_poller_inside(p);
    evp_io_discard(p);
    const uint32_t in_flight = atomic_load(&p->io.in_flight);
    if (!inside && !in_flight) break;
    int64_t left = remaining(timeout_ns, deadline);
    if (left == 0) return evp_fail(EVPOLL_ERR_TIMEOUT);
    /* Threads are sent away one by one, and tell nobody that they have gone. */
    if (left < 0 || left > slice) left = slice;
    if (slice < SLICE) slice *= 2;
    if (inside) evp_backend.ring(p);
    evp_pause(left);
  }
  free_all(p);
  return 0;
}

/* ---- about -------------------------------------------------------------------------------- */

void evp_poller_stats(evpoll *p, struct evpoll_poller_stats *out) {
  *out = (struct evpoll_poller_stats){.struct_size = sizeof *out};
  for (int i = 0; i <= EVP_CELLS; i++) {
    struct evp_cell *c = &p->cells[i];
    out->waits += atomic_load_explicit(&c->waits, memory_order_relaxed);
    out->events += atomic_load_explicit(&c->events, memory_order_relaxed);
    out->spurious_returns += atomic_load_explicit(&c->spurious, memory_order_relaxed);
  }
  out->wakes = atomic_load(&p->wakes);
  out->posts = atomic_load(&p->posts_delivered);
  for (int i = 0; i < EVP_STRIPES; i++) out->rearms += atomic_load(&p->rearms[i]);
  out->stale_hits = atomic_load(&p->stale_hits);
  out->set_rebuilds = atomic_load(&p->set_rebuilds);
  out->pool_threads = atomic_load(&p->pool_alive);
  const uint64_t ended_inline = atomic_load(&p->io.cached.ended_inline);
  evp_io_lock(p);
  out->io_submitted = atomic_load(&p->io.submitted) + ended_inline;
  out->io_completed = p->io.completed + ended_inline;
  out->io_cancelled = p->io.cancelled;
  out->io_in_flight = atomic_load(&p->io.in_flight);
  evp_io_unlock(p);
}

void evp_poller_info(evpoll *p, struct evpoll_poller_info *out) {
  char why[sizeof p->io.why];
  const struct evp_engine *engine = evp_io_engine(p, why, sizeof why);
  *out = (struct evpoll_poller_info){
      .struct_size = sizeof *out,
      .version = EVPOLL_VERSION,
      .features = evp_backend.features,
      .backend = evp_backend.id,
      .open_flags = p->flags,
      .io_limit = p->io_limit,
      .pool_threads = p->flags & EVPOLL_OPEN_NATIVE_IO_ONLY ? 0 : p->pool_threads,
      .io_length_limit = evp_file_length_limit(),
  };
  const bool pool = !engine && !(p->flags & EVPOLL_OPEN_NATIVE_IO_ONLY);
  if (!engine && !pool) return;
  out->io_engine = engine ? engine->id : EVPOLL_ENGINE_POOL;
  out->features |= EVPOLL_FEATURE_FILE_IO | evp_backend.io_features;
  if (engine) out->features |= EVPOLL_FEATURE_NATIVE_IO;
  /* A read from a pipe may have to be given up, and no thread of the pool can be. */
  if (pool) out->features &= ~(uint32_t)EVPOLL_FEATURE_PIPE_IO;
}

int32_t evp_poller_handle(evpoll *p, evpoll_handle *handle_out) {
  if (!evp_backend.handle) return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  const int32_t status = evp_backend.handle(p, handle_out);
  if (status < 0) return status;
  /* What was queued before has rung for nobody. */
  atomic_store(&p->has_handle, true);
  evp_backend.ring(p);
  return 0;
}

int32_t evp_poller_describe(evpoll *p, char *text, int32_t capacity) {
  char readiness[160], files[sizeof p->io.why];
  evp_backend.describe(p, readiness, sizeof readiness);
  evp_io_engine(p, files, sizeof files);
  return snprintf(text, (size_t)capacity, "evpoll %s\nreadiness: %s\nfiles: %s\n",
                  evpoll_version_string(), readiness, files);
}
