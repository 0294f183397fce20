/* SPDX-License-Identifier: MIT */
/* Requests to end operations. What is the pool's, and not begun, ends at once; the kernel is asked
 * without a lock, since that may wait for a submission there. */
#include "core/append.h"
#include "core/poller.h"
#include "core/status.h"
#include "core/target.h"
#include "core/workers.h"

/* ask_slots(): besides lists' ids. */
enum { ALL_SLOTS = 0, OWN = 1, MOST_SLOTS = 4096 };

/* Lock held. The operation waits for nothing but this. */
static void end_cancelled(evpoll *p, struct evp_op *op) {
  op->result = -evp_os_cancelled();
  evp_io_done_locked(p, op);
}

/* Marks it, and asks whoever can be asked under the lock. What is said later is not heard: the
 * first who asks decides how it is called. */
bool evp_io_ask(evpoll *p, struct evp_op *op, bool expired) {
  if (!atomic_exchange_explicit(&op->cancel_asked, true, memory_order_relaxed))
    op->expired = expired;
  const bool had_end = op->place;
  evp_timer_stop(p, op);
  if (op->code == EVPOLL_OP_TIMER) {
    if (had_end) end_cancelled(p, op); /* else it is over */
    return false;
  }
  if (op->code != EVPOLL_OP_CLOSE && evp_is_stream(&op->target->stream)) {
    if (evp_stream_withdraw(p, op)) end_cancelled(p, op);
    return false;
  }
  if (op->in_pool) {
    const bool record = op->code == EVPOLL_OP_APPEND;
    if (record ? evp_append_cancel(op) : evp_pool_cancel(p, op)) end_cancelled(p, op);
    return false;
  }
  const struct evp_engine *engine = atomic_load_explicit(&p->io.engine, memory_order_relaxed);
  if (engine->cancel) engine->cancel(p, op);
  return engine->cancel_ids;
}

void evp_io_ask_kernel(evpoll *p, const uint64_t *ids, uint32_t n) {
  const struct evp_engine *engine = atomic_load_explicit(&p->io.engine, memory_order_acquire);
  if (n) engine->cancel_ids(p, ids, n);
}

static bool is_meant(const struct evp_op *op, uint64_t which) {
  if (!op->in_flight) return false;
  if (which == OWN) return !op->target || evp_is_stream(&op->target->stream);
  return which == ALL_SLOTS || (op->list && op->list->id == which);
}

/* All operations, those that the poller performs itself, or those of a list, in the order of their
 * slots. */
static int32_t ask_slots(evpoll *p, uint64_t which) {
  uint64_t ids[EVP_MOST_IDS];
  uint32_t at = 0, n;
  int32_t asked = 0;
  bool more;
  do {
    n = 0;
    evp_io_lock(p);
    for (const uint32_t begin = at;
         at < p->io.ops_used && n < EVP_MOST_IDS && at - begin < MOST_SLOTS; at++) {
      struct evp_op *op = evp_table_at(&p->io.ops, at);
      if (!is_meant(op, which)) continue;
      asked++;
      if (evp_io_ask(p, op, false)) ids[n++] = op->id;
    }
    more = at < p->io.ops_used;
    evp_io_unlock(p);
    evp_io_ask_kernel(p, ids, n);
  } while (more);
  return asked;
}

static int32_t ask_target(evpoll *p, struct evp_target *t, const uint64_t *token) {
  uint64_t ids[EVP_MOST_IDS];
  uint32_t n;
  int32_t asked = 0;
  evp_io_lock(p);
  for (struct evp_op *op = t->ops; op; op = op->sibling) {
    const bool meant = !token || op->token == *token;
    op->due |= meant; /* another thread may be at it, and goes on from here too */
    asked += meant;
  }
  t->ask = t->ops;
  evp_io_unlock(p);
  do {
    n = 0;
    evp_io_lock(p);
    for (struct evp_op *op; n < EVP_MOST_IDS && (op = t->ask); t->ask = op->sibling) {
      if (op->due && evp_io_ask(p, op, false)) ids[n++] = op->id;
      op->due = false;
    }
    evp_io_unlock(p);
    evp_io_ask_kernel(p, ids, n);
  } while (n == EVP_MOST_IDS);
  return asked;
}

/* Lock held. All of the engine's at once, where it can: one by one each is looked for. */
static bool ask_for_all(evpoll *p, int32_t *asked_out) {
  const struct evp_engine *engine = atomic_load_explicit(&p->io.engine, memory_order_relaxed);
  if (!engine || !engine->cancel_all || atomic_load(&p->io.in_flight) <= EVP_MOST_IDS) return false;
  for (uint32_t i = 0; i < p->io.ops_used; i++) {
    struct evp_op *op = evp_table_at(&p->io.ops, i);
    if (!op->in_flight) continue;
    ++*asked_out;
    evp_io_ask(p, op, false);
  }
  return true;
}

int32_t evp_io_cancel_all(evpoll *p) {
  int32_t asked = 0;
  evp_io_lock(p);
  const bool many = ask_for_all(p, &asked);
  evp_io_unlock(p);
  if (many && atomic_load(&p->io.engine)->cancel_all(p)) return asked;
  return ask_slots(p, ALL_SLOTS);
}

int32_t evp_io_cancel(evpoll *p, uint64_t id) {
  evp_io_lock(p);
  struct evp_op *op = evp_io_find(p, id);
  const bool is_list = evp_list_find(p, id);
  const bool send = op && evp_io_ask(p, op, false);
  evp_io_unlock(p);
  if (send) evp_io_ask_kernel(p, &id, 1);
  const int32_t asked = op ? 1 : is_list ? ask_slots(p, id) : 0;
  return asked ? asked : evp_fail(EVPOLL_ERR_NOT_FOUND);
}

int32_t evp_io_cancel_target(evpoll *p, struct evp_target *t) { return ask_target(p, t, NULL); }

int32_t evp_io_cancel_own(evpoll *p) { return ask_slots(p, OWN); }

int32_t evp_io_cancel_handle(evpoll *p, evpoll_handle h, const uint64_t *token) {
  if (h < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  struct evp_target *t = evp_target_acquire(p, h);
  if (!t) return evp_fail(EVPOLL_ERR_NOT_FOUND);
  const int32_t asked = ask_target(p, t, token);
  evp_target_drop(p, t);
  return asked || !token ? asked : evp_fail(EVPOLL_ERR_NOT_FOUND);
}
