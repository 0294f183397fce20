/* SPDX-License-Identifier: MIT */
/* Ends in time: timers, and the limits of operations.
 *
 * Each is a place in one heap; a timer, which has no target, is found by its token too. The kernel
 * has one alarm in what threads sleep on. It is set when an end comes that is earlier, or after it
 * rang, and stays when ends go: so what is added and ends early costs no system call, and the alarm
 * may ring for nothing. Where there is no alarm, or it cannot be set again, sleeps are bounded: who
 * adds an earlier end rings the bell, and who leaves rings it for those that may sleep longer.
 *
 * Who hears the alarm raises EVP_ATTN_ALARM: from there on it is something queued like any other,
 * and the bell's rule (poller.c) is kept by the same means. */
#include "core/poller.h"

#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/stream.h"
#include "core/target.h"

enum { FIRST_CAPACITY = 64, MOST_AT_ONCE = 4096 };

/* ---- the heap ----------------------------------------------------------------------------- */

static void put_end(struct evp_timers *t, uint32_t at, struct evp_end end) {
  t->heap[at] = end;
  end.op->place = at + 1;
}

static void rise(struct evp_timers *t, uint32_t at, struct evp_end end) {
  for (; at && end.at < t->heap[(at - 1) / 4].at; at = (at - 1) / 4)
    put_end(t, at, t->heap[(at - 1) / 4]);
  put_end(t, at, end);
}

static uint32_t least_below(const struct evp_timers *t, uint32_t at) {
  const uint32_t begin = 4 * at + 1, end = begin + 4 < t->count ? begin + 4 : t->count;
  uint32_t least = begin;
  for (uint32_t i = begin + 1; i < end; i++)
    if (t->heap[i].at < t->heap[least].at) least = i;
  return least;
}

static void sink(struct evp_timers *t, uint32_t at, struct evp_end end) {
  for (uint32_t below; (below = least_below(t, at)) < t->count && t->heap[below].at < end.at;
       at = below)
    put_end(t, at, t->heap[below]);
  put_end(t, at, end);
}

static void rise_or_sink(struct evp_timers *t, uint32_t at, struct evp_end end) {
  if (at && end.at < t->heap[(at - 1) / 4].at)
    rise(t, at, end);
  else
    sink(t, at, end);
}

/* Who sleeps without an alarm reads it: it is in force before the look at who is inside. */
static void publish_first(struct evp_timers *t) {
  const int64_t first = t->count ? t->heap[0].at : INT64_MAX;
  if (atomic_load_explicit(&t->first, memory_order_relaxed) != first)
    atomic_store(&t->first, first);
}

/* ---- timers by token ---------------------------------------------------------------------- */

static struct evp_op **bucket_of(struct evp_timers *t, uint64_t token) {
  return &t->buckets[(uint32_t)(token * 0x9e3779b97f4a7c15u >> 32) & (t->capacity - 1)];
}

static void list_timer(struct evp_timers *t, struct evp_op *op) {
  struct evp_op **bucket = bucket_of(t, op->token);
  op->link = bucket;
  op->sibling = *bucket;
  if (*bucket) (*bucket)->link = &op->sibling;
  *bucket = op;
}

static void unlist_timer(struct evp_op *op) {
  *op->link = op->sibling;
  if (op->sibling) op->sibling->link = op->link;
}

static int32_t grow_heap(struct evp_timers *t) {
  const uint32_t capacity = t->capacity ? t->capacity * 2 : FIRST_CAPACITY;
  struct evp_end *heap = calloc(capacity, sizeof *heap + sizeof(struct evp_op *)), *old = t->heap;
  if (!heap) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  if (t->count) memcpy(heap, old, t->count * sizeof *heap);
  t->heap = heap;
  t->buckets = (struct evp_op **)(void *)(heap + capacity);
  t->capacity = capacity;
  for (uint32_t i = 0; i < t->count; i++)
    if (heap[i].op->code == EVPOLL_OP_TIMER) list_timer(t, heap[i].op);
  free(old); /* last: a fork() in between must not leave the child a heap that is gone */
  return 0;
}

/* ---- the alarm ---------------------------------------------------------------------------- */

/* Written before it can ring, so that who hears it has the last word. To take it for silent costs
 * a call, to take it for set costs an end. */
static int32_t set_alarm(evpoll *p, int64_t at, int64_t now) {
  struct evp_timers *t = &p->io.timers;
  if (!evp_backend.alarm || at <= now || at >= atomic_load(&t->alarm)) return 0;
  atomic_store(&t->alarm, at);
  const int32_t status = evp_backend.alarm(p, at);
  if (status < 0) atomic_store(&t->alarm, INT64_MAX);
  return status;
}

void evp_timer_hear(evpoll *p) {
  atomic_store(&p->io.timers.alarm, INT64_MAX);
  evp_attend(p, EVP_ATTN_ALARM);
}

/* The same for what is due without it. */
static void ring_now(evpoll *p) {
  if (evp_attend(p, EVP_ATTN_ALARM) && evp_is_watched(p)) evp_backend.ring(p);
}

bool evp_timer_is_silent(evpoll *p) {
  const struct evp_timers *t = &p->io.timers;
  return atomic_load(&t->first) < atomic_load(&t->alarm);
}

int64_t evp_timer_bound(evpoll *p, int64_t ns) {
  if (!evp_timer_is_silent(p)) return ns;
  const int64_t first = atomic_load(&p->io.timers.first), now = evp_now();
  if (first <= now) {
    evp_attend(p, EVP_ATTN_ALARM);
    return 0;
  }
  return ns < 0 || first - now < ns ? first - now : ns;
}

void evp_timer_look(evpoll *p) {
  const int64_t first = atomic_load(&p->io.timers.first);
  if (first != INT64_MAX && first <= evp_now()) evp_attend(p, EVP_ATTN_ALARM);
}

/* ---- ends --------------------------------------------------------------------------------- */

static int64_t later(int64_t now, int64_t ns) {
  return ns > INT64_MAX - now ? INT64_MAX : now + ns; /* three centuries */
}

/* Lock held. Sets an end, or another one. After a failure all is as before. loud: it is one if
 * there is no alarm for it. */
static int32_t set_end(evpoll *p, struct evp_op *op, int64_t at, int64_t now, bool loud) {
  struct evp_timers *t = &p->io.timers;
  const int64_t first = atomic_load_explicit(&t->first, memory_order_relaxed);
  const bool fresh = !op->place;
  int32_t status = fresh && t->count == t->capacity ? grow_heap(t) : 0;
  if (status < 0) return status;
  status = set_alarm(p, at, now);
  if (status < 0 && loud) return status;
  if (fresh && op->code == EVPOLL_OP_TIMER) list_timer(t, op);
  if (fresh)
    rise(t, t->count++, (struct evp_end){at, op});
  else
    rise_or_sink(t, op->place - 1, (struct evp_end){at, op});
  publish_first(t);
  if (at <= now)
    ring_now(p);
  else if (at < first && evp_timer_is_silent(p) && evp_is_watched(p))
    evp_backend.ring(p);
  return 0;
}

int32_t evp_timer_start(evpoll *p, struct evp_op *op, const evpoll_io *io, int64_t *now) {
  const bool timer = io->code == EVPOLL_OP_TIMER;
  if (!timer && !io->timeout_ms) return 0;
  if (!*now) *now = evp_now();
  const int64_t ns = timer ? io->offset : (int64_t)io->timeout_ms * 1000000;
  return set_end(p, op, io->flags & EVPOLL_OPF_ABSOLUTE ? ns : later(*now, ns), *now, true);
}

int32_t evp_timer_set(evpoll *p, struct evp_op *op, int64_t ns) {
  const int64_t now = evp_now();
  return set_end(p, op, later(now, ns), now, false);
}

void evp_timer_stop(evpoll *p, struct evp_op *op) {
  struct evp_timers *t = &p->io.timers;
  if (!op->place) return;
  const uint32_t at = op->place - 1;
  const struct evp_end last = t->heap[--t->count];
  op->place = 0;
  if (op->code == EVPOLL_OP_TIMER) unlist_timer(op);
  if (at < t->count) rise_or_sink(t, at, last);
  publish_first(t);
}

bool evp_timer_is_past(const evpoll_io *io) {
  return io->flags & EVPOLL_OPF_ABSOLUTE ? io->offset <= evp_now() : io->offset == 0;
}

/* ---- firing ------------------------------------------------------------------------------- */

/* Lock held. True: the kernel is to be asked. */
static bool end_op(evpoll *p, struct evp_op *op) {
  if (op == &p->io.retry) {
    evp_timer_stop(p, op);
    evp_stream_retry(p);
    return false;
  }
  if (op->code != EVPOLL_OP_TIMER) return evp_io_ask(p, op, true);
  op->result = 0;
  evp_io_keep(p, op); /* the caller collects */
  return false;
}

void evp_timer_fire(evpoll *p) {
  struct evp_timers *t = &p->io.timers;
  uint64_t ids[EVP_MOST_IDS];
  uint32_t n, left = MOST_AT_ONCE;
  atomic_fetch_and(&p->attention, ~(uint32_t)EVP_ATTN_ALARM);
  const int64_t now = evp_now();
  do {
    n = 0;
    evp_io_lock(p);
    for (; left && n < EVP_MOST_IDS && t->count && t->heap[0].at <= now; left--) {
      struct evp_op *op = t->heap[0].op;
      if (end_op(p, op)) ids[n++] = op->id;
    }
    const bool due = t->count && t->heap[0].at <= now;
    if (due && n < EVP_MOST_IDS) ring_now(p);
    if (!due) set_alarm(p, atomic_load(&t->first), now); /* else sleeps are bounded */
    evp_io_unlock(p);
    evp_io_ask_kernel(p, ids, n);
  } while (n == EVP_MOST_IDS);
}

/* ---- by name ------------------------------------------------------------------------------ */

static struct evp_op *first_timer(struct evp_timers *t, uint64_t token) {
  return t->capacity ? *bucket_of(t, token) : NULL;
}

int32_t evp_timer_cancel(evpoll *p, uint64_t token) {
  int32_t asked = 0;
  uint32_t n;
  do {
    n = 0;
    evp_io_lock(p);
    for (struct evp_op *op = first_timer(&p->io.timers, token), *next; op && n < MOST_AT_ONCE;
         op = next) {
      next = op->sibling;
      if (op->token != token) continue;
      evp_io_ask(p, op, false);
      n++;
    }
    evp_io_unlock(p);
    asked += (int32_t)n;
  } while (n == MOST_AT_ONCE);
  return asked ? asked : evp_fail(EVPOLL_ERR_NOT_FOUND);
}

/* Lock held. Those of a token among siblings. What was asked to end has no other end. */
static int32_t retime_siblings(evpoll *p, struct evp_op *op, uint64_t token, int64_t ns) {
  const int64_t now = evp_now(), at = later(now, ns);
  int32_t found = 0;
  for (; op; op = op->sibling) {
    if (op->token != token || atomic_load(&op->cancel_asked)) continue;
    const int32_t status = set_end(p, op, at, now, true);
    if (status < 0) return status;
    found++;
  }
  return found ? found : evp_fail(EVPOLL_ERR_NOT_FOUND);
}

int32_t evp_timer_retime(evpoll *p, evpoll_handle h, uint64_t token, int64_t ns) {
  if (h < -1) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  struct evp_target *t = h < 0 ? NULL : evp_target_acquire(p, h);
  if (h >= 0 && !t) return evp_fail(EVPOLL_ERR_NOT_FOUND);
  evp_io_lock(p);
  struct evp_op *first = t ? t->ops : first_timer(&p->io.timers, token);
  const int32_t found = retime_siblings(p, first, token, ns);
  evp_io_unlock(p);
  if (t) evp_target_drop(p, t);
  return found;
}
