/* SPDX-License-Identifier: MIT */
#include "core/target.h"

#include <stdlib.h>

#include "core/poller.h"
#include "core/status.h"
#include "core/workers.h"
#include "os/os.h"

/* ---- uses --------------------------------------------------------------------------------- */

bool evp_target_take(struct evp_target *t) {
  uint32_t uses = atomic_load_explicit(&t->uses, memory_order_relaxed);
  while (!(uses & EVP_ENDED))
    if (atomic_compare_exchange_weak(&t->uses, &uses, uses + 1)) return true;
  return false;
}

void evp_target_share(struct evp_target *t) { atomic_fetch_add(&t->uses, 1); }

/* True for the last use of a registration that has ended: for one caller, once. */
static bool was_last(uint32_t uses_before) { return uses_before == (EVP_ENDED | 1); }

void evp_target_drop(evpoll *p, struct evp_target *t) {
  if (was_last(atomic_fetch_sub(&t->uses, 1))) evp_target_over(p, t);
}

void evp_target_drop_later(evpoll *p, struct evp_target *t) {
  if (!was_last(atomic_fetch_sub(&t->uses, 1))) return;
  t->next_over = p->io.over;
  p->io.over = t;
}

/* ---- the table ---------------------------------------------------------------------------- */

/* Written under the number's lock; a look without it tells only that there is nothing. */
typedef struct evp_target *_Atomic target_place;

static target_place *place_of(evpoll *p, uint32_t index) {
  return evp_table_at(&p->targets, index);
}

static struct evp_target *target_in(const target_place *place) {
  return atomic_load_explicit(place, memory_order_relaxed);
}

static bool in_range(evpoll_handle h) { return h >= 0 && h <= EVP_LAST_INDEX; }

/* The table lets go of a target under p->io.lock. Its place is filled before the registration has
 * its generation, and emptied after it has ended. */
struct evp_target *evp_target_named(evpoll *p, uint32_t index, uint32_t generation) {
  const target_place *place = place_of(p, index);
  struct evp_target *t = place ? atomic_load_explicit(place, memory_order_acquire) : NULL;
  uint64_t token, word;
  if (!t || !evp_source_read(evp_table_at(&p->sources, index), generation, &token, &word))
    return NULL;
  return t;
}

bool evp_target_is_at(evpoll *p, uint32_t index) {
  const target_place *place = place_of(p, index);
  return place && target_in(place);
}

/* Returns with the number's lock held, if there is a target: registered, or ended and not gone. */
struct evp_target *evp_target_find(evpoll *p, evpoll_handle h) {
  const target_place *place = in_range(h) ? place_of(p, (uint32_t)h) : NULL;
  if (!place || !target_in(place)) return NULL;
  evp_mutex_lock(evp_source_lock(p, (uint32_t)h));
  struct evp_target *t = target_in(place);
  if (t) return t;
  evp_mutex_unlock(evp_source_lock(p, (uint32_t)h));
  return NULL;
}

void evp_target_let_go(evpoll *p, evpoll_handle h) {
  evp_mutex_unlock(evp_source_lock(p, (uint32_t)h));
}

struct evp_target *evp_target_acquire(evpoll *p, evpoll_handle h) {
  struct evp_target *t = evp_target_find(p, h);
  if (!t) return NULL;
  const bool taken = evp_target_take(t);
  evp_target_let_go(p, h);
  return taken ? t : NULL;
}

/* ---- lives -------------------------------------------------------------------------------- */

void evp_target_unref(struct evp_target *t) {
  if (--t->refs) return;
  /* Out of the list first: a fork() in between must not leave the child a target that is gone. */
  *t->link = t->next;
  if (t->next) t->next->link = t->link;
  free(t->appends);
  free(t);
}

void evp_target_link(struct evp_target *t, struct evp_op *op) {
  op->target = t;
  op->link = &t->ops;
  op->sibling = t->ops;
  if (t->ops) t->ops->link = &op->sibling;
  t->ops = op;
  t->refs++;
}

void evp_target_unlink(evpoll *p, struct evp_op *op) {
  struct evp_target *t = op->target;
  *op->link = op->sibling;
  if (op->sibling) op->sibling->link = op->link;
  if (t->ask == op) t->ask = op->sibling;
  op->target = NULL;
  if (t->closed && !t->ops) evp_io_done_locked(p, &t->close);
  evp_target_unref(t);
}

void evp_targets_free(evpoll *p) {
  const bool leave = evp_backend.native && evp_backend.native->leave && !evp_forked(p);
  for (struct evp_target *t = p->io.targets, *next; t; t = next) {
    next = t->next;
    if (leave && !(atomic_load(&t->uses) & EVP_ENDED)) evp_backend.native->leave(p, t);
    free(t->appends);
    free(t);
  }
}

/* The table lets go of a target that nobody will name any more. Lock held: the number's. */
bool evp_target_clear(evpoll *p, struct evp_target *t) {
  target_place *place = place_of(p, (uint32_t)t->handle);
  if (target_in(place) != t) return false;
  atomic_store_explicit(place, NULL, memory_order_relaxed);
  return true;
}

/* ---- what the exports say ----------------------------------------------------------------- */

static struct evp_target *make_target(evpoll *p, evpoll_handle h, uint64_t token) {
  struct evp_target *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  *t = (struct evp_target){.handle = h, .token = token, .refs = 1};
  evp_io_lock(p);
  t->next = p->io.targets;
  t->link = &p->io.targets;
  if (t->next) t->next->link = &t->next;
  p->io.targets = t;
  evp_io_unlock(p);
  return t;
}

/* It was never in the table, or nobody will see it there. */
void evp_target_unmake(evpoll *p, struct evp_target *t) {
  evp_io_lock(p);
  evp_target_unref(t);
  evp_io_unlock(p);
}

/* Lock held: the number's. Devices that are always ready cannot be waited for, and need not. */
static int32_t take_place(evpoll *p, struct evp_target *t, struct evp_source *s) {
  struct evp_stream *stream = &t->stream;
  for (int i = 0; i < EVP_FLOWS; i++) stream->flows[i].ready = true;
  stream->asked = evp_is_stream(stream) ? evp_stream_interest(stream) : 0;
  const int32_t status = evp_source_take_over(p, t->handle, s, t->token, stream->asked);
  if (status != EVPOLL_ERR_UNSUPPORTED || stream->kind.kind != EVP_PIPE) return status;
  stream->kind.unpolled = true;
  stream->asked = 0;
  return evp_source_take_over(p, t->handle, s, t->token, 0);
}

/* 0, or 1 when it took the place of a registration for readiness. */
static int32_t publish_target(evpoll *p, struct evp_target *t) {
  const uint32_t index = (uint32_t)t->handle;
  struct evp_source *s = evp_table_reach(&p->sources, index);
  target_place *place = evp_table_reach(&p->targets, index);
  if (!s || !place) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  int32_t status = 0;
  evp_mutex_lock(evp_source_lock(p, index));
  if (evp_is_shut_down(p))
    status = evp_fail(EVPOLL_ERR_SHUTDOWN);
  else if (target_in(place)) /* another thread adds it at the same time */
    status = evp_fail(EVPOLL_ERR_BUSY);
  if (status == 0) {
    atomic_store_explicit(place, t, memory_order_release);
    status = take_place(p, t, s);
    if (status < 0) atomic_store_explicit(place, NULL, memory_order_relaxed);
  }
  evp_target_let_go(p, t->handle);
  return status;
}

int32_t evp_target_add(evpoll *p, evpoll_handle h, uint64_t token) {
  if (evp_is_shut_down(p)) return evp_fail(EVPOLL_ERR_SHUTDOWN);
  const int32_t vacated = evp_target_vacate(p, h);
  if (vacated < 0) return vacated;
  struct evp_target *t = make_target(p, h, token);
  if (!t) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  int32_t status = evp_io_look(p, t);
  if (status == 0) {
    status = publish_target(p, t);
    if (status < 0 && evp_backend.native && evp_backend.native->leave)
      evp_backend.native->leave(p, t);
  }
  if (status < 0) {
    const int os_code = evpoll_os_error();
    evp_target_unmake(p, t);
    return evp_fail_as(status, os_code);
  }
  return status | vacated;
}

int32_t evp_target_hold(evpoll *p, evpoll_handle h, uint64_t token) {
  struct evp_target *t = evp_target_find(p, h);
  if (!t) return evp_fail(EVPOLL_ERR_NOT_FOUND);
  int32_t status = 0;
  if (t->token != token)
    status = evp_fail(EVPOLL_ERR_STALE);
  else if (!evp_target_take(t))
    status = evp_fail(EVPOLL_ERR_NOT_FOUND);
  else
    t->held++;
  evp_target_let_go(p, h);
  return status;
}

int32_t evp_target_release(evpoll *p, evpoll_handle h) {
  struct evp_target *t = evp_target_find(p, h);
  if (!t) return evp_fail(EVPOLL_ERR_NOT_FOUND);
  const bool held = t->held > 0;
  t->held -= held;
  evp_target_let_go(p, h);
  if (!held) return evp_fail(EVPOLL_ERR_NOT_FOUND);
  evp_target_drop(p, t);
  return 0;
}
