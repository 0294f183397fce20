/* SPDX-License-Identifier: MIT */
/* The performer of a stream's direction: one thread at a time makes the calls for what is queued
 * there, and finds out what they have come to. */
#include "core/flow.h"

#include "core/poller.h"
#include "core/workers.h"

enum { MOST_IN_TURN = 16 };

/* ---- ends --------------------------------------------------------------------------------- */

/* What was moved is told, and the failure by the next one. */
bool evp_flow_finish(evpoll *p, struct evp_op *op, int64_t result) {
  if (result < 0 && op->moved > 0 && result != -evp_os_cancelled()) result = op->moved;
  evp_flow_take(evp_flow_for(op->target, op->code), op);
  op->performed = false;
  op->result = result;
  if (result >= 0) op->moved = 0; /* it is counted in */
  return evp_io_keep(p, op);
}

/* Lock held. No connection is made: who waits behind it shares that. */
static bool fail_behind(evpoll *p, struct evp_target *t, int64_t result) {
  bool first = false;
  t->stream.connecting = false;
  for (int i = EVP_WRITES; i <= EVP_READS; i++)
    for (struct evp_op *op = t->stream.flows[i].first, *next; op; op = next) {
      next = op->next;
      if (!op->performed) first |= evp_flow_finish(p, op, result);
    }
  return first;
}

static void flow_lend(struct evp_flow *f, struct evp_op *op) {
  evp_flow_take(f, op);
  f->lent = op;
  op->in_pool = true;
}

static void flow_back(struct evp_flow *f, struct evp_op *op) {
  f->lent = NULL;
  f->busy = false;
  op->in_pool = false;
  evp_flow_put_first(f, op);
}

/* Lock held. The pool had it in its queue, and the direction with it. */
static void take_from_pool(evpoll *p, struct evp_op *op) {
  if (!op->in_pool || !evp_pool_cancel(p, op)) return;
  flow_back(evp_flow_for(op->target, op->code), op);
  op->performed = false;
}

/* What waited behind it may have nothing to wait for: a shutdown behind a write. */
bool evp_stream_withdraw(evpoll *p, struct evp_op *op) {
  struct evp_target *t = op->target;
  take_from_pool(p, op);
  if (!op->queued || op->performed) return false;
  evp_flow_take(evp_flow_for(t, op->code), op);
  bool first = op->code == EVPOLL_OP_CONNECT && fail_behind(p, t, -evp_os_cancelled());
  if (evp_flow_is_due(t, EVP_WRITES) && !(atomic_load(&t->uses) & EVP_ENDED))
    first |= evp_stream_go_hungry(p, t);
  if (first) evp_backend.ring(p);
  return true;
}

/* ---- what a call has come to -------------------------------------------------------------- */

/* Did a call that moved n bytes find out that there is no more for now? */
static bool ran_dry(const struct evp_target *t, const struct evp_stream_call *c, int64_t n) {
  if (!t->stream.kind.ends_short || n == 0) return false;
  if (c->code != EVPOLL_OP_READ) return false;
  return (uint64_t)n < (c->length < EVP_STREAM_MOST ? c->length : EVP_STREAM_MOST);
}

void evp_flow_learn(evpoll *p, struct evp_target *t, struct evp_flow *f,
                    const struct evp_stream_call *c, int64_t result) {
  if (f->noted || t->stream.kind.unpolled || c->code == EVPOLL_OP_POLL) return;
  if (evp_stream_not_now(result) || ran_dry(t, c, result)) f->ready = false;
  if (c->code != EVPOLL_OP_ACCEPT) return;
  if (result >= 0) f->ready = true; /* there is room again */
  if (evp_stream_no_room(result)) evp_stream_starve(p, t);
}

static bool goes_on(const struct evp_op *op, int64_t result) {
  if (result < 0) return evp_stream_try_again(result) && op->code == EVPOLL_OP_ACCEPT;
  const bool whole = (op->flags & EVPOLL_OPF_ALL) || op->code == EVPOLL_OP_SEND_FILE;
  return whole && result > 0 && (uint64_t)op->moved < op->length;
}

/* Lock held. What a call has come to; true as evp_flow_finish(). */
static bool settle_call(evpoll *p, struct evp_target *t, struct evp_flow *f, struct evp_op *op,
                        const struct evp_stream_call *c, int64_t result) {
  op->performed = false;
  evp_flow_learn(p, t, f, c, result);
  if (result > 0 && op->code != EVPOLL_OP_POLL && op->code != EVPOLL_OP_ACCEPT) op->moved += result;
  const bool waits = evp_stream_not_now(result) && !t->stream.kind.unpolled;
  if (waits || goes_on(op, result)) {
    if (!atomic_load_explicit(&op->cancel_asked, memory_order_relaxed)) return false;
    result = -evp_os_cancelled();
  } else if (result < 0 && op->moved > 0) {
    f->error = (int)result;
    result = op->moved;
  } else if (op->moved > 0) {
    result = op->moved;
  }
  bool first = false;
  if (op->code == EVPOLL_OP_CONNECT) {
    t->stream.connecting = false;
    op->performed = true; /* itself is not behind it */
    if (result < 0) first = fail_behind(p, t, result);
  }
  return evp_flow_finish(p, op, result) || first;
}

/* ---- calls -------------------------------------------------------------------------------- */

static void describe_call(struct evp_stream_call *c, const struct evp_target *t,
                          const struct evp_op *op) {
  *c = (struct evp_stream_call){
      .handle = op->handle,
      .kind = &t->stream.kind,
      .code = op->code,
      .more = op->flags & EVPOLL_OPF_MORE,
      .buffer = op->moved ? (char *)op->buffer + op->moved : op->buffer,
      .length = op->length - (uint64_t)op->moved,
      .file = op->file ? op->file->handle : -1,
      .place = op->offset + op->moved,
      .cached = op->file && op->file->file.cached,
  };
}

/* Lock held. The file has to be waited for, which is the pool's; it keeps the direction. */
static void hand_over(evpoll *p, struct evp_flow *f, struct evp_op *op) {
  evp_target_share(op->target);
  op->uses = true;
  flow_lend(f, op);
  evp_pool_give(p, op);
}

void evp_stream_serve(evpoll *p, struct evp_op *op) {
  struct evp_target *t = op->target;
  struct evp_flow *f = evp_flow_for(t, op->code);
  struct evp_stream_call c;
  describe_call(&c, t, op);
  const bool asked = atomic_load_explicit(&op->cancel_asked, memory_order_relaxed);
  evp_io_lock(p);
  f->noted = false;
  evp_io_unlock(p);
  int64_t result = asked ? -evp_os_cancelled() : evp_stream_send_file(&c);
  for (int tries = 0; tries < EVP_MOST_CALLS && evp_os_interrupted(result); tries++)
    result = evp_stream_send_file(&c); /* a file server may say so */
  evp_io_lock(p);
  op->uses = false; /* it is this call's now */
  flow_back(f, op);
  bool first = asked ? evp_flow_finish(p, op, result) : settle_call(p, t, f, op, &c, result);
  first |= evp_stream_run_locked(p, t);
  evp_target_drop_later(p, t); /* before the event can be had */
  evp_io_unlock(p);
  if (first) evp_io_tell(p);
}

/* Lock held, the direction taken; given back around the call. */
static bool perform_one(evpoll *p, struct evp_target *t, struct evp_flow *f, struct evp_op *op) {
  if (f->error) { /* kept from the call before */
    const int error = f->error;
    f->error = 0;
    return evp_flow_finish(p, op, error);
  }
  struct evp_stream_call c;
  describe_call(&c, t, op);
  f->noted = false;
  op->performed = true;
  evp_io_unlock(p);
  const int64_t result = evp_stream_perform(&c);
  evp_io_lock(p);
  if (result != EVP_STREAM_MISS) return settle_call(p, t, f, op, &c, result);
  hand_over(p, f, op);
  return false;
}

/* Lock held. Each of those that wait for readiness alone is asked about once: after an edge all,
 * else those that have not looked yet, which are the first. */
static bool perform_polls(evpoll *p, struct evp_target *t, struct evp_flow *f) {
  uint32_t left = 0;
  bool first = false;
  if (f->ready)
    for (const struct evp_op *op = f->first; op; op = op->next) left += !op->fresh;
  f->ready = false;
  while (f->first && (left || f->first->fresh)) {
    struct evp_op *op = f->first;
    left -= !op->fresh; /* one that comes meanwhile takes no other's turn */
    op->fresh = false;
    first |= perform_one(p, t, f, op);
    if (!op->queued) continue;
    evp_flow_take(f, op);
    evp_flow_append(f, op);
  }
  return first;
}

/* Not for long: the other direction has its turn. */
bool evp_flow_perform(evpoll *p, struct evp_target *t, int which, int *budget) {
  struct evp_flow *f = &t->stream.flows[which];
  bool first = false;
  f->busy = true;
  if (which == EVP_POLLS) {
    first = perform_polls(p, t, f);
    --*budget;
  } else {
    int left = *budget < MOST_IN_TURN ? *budget : MOST_IN_TURN;
    for (; left > 0 && evp_flow_has_work(t, which) && !f->lent; left--, --*budget)
      first |= perform_one(p, t, f, f->first);
  }
  f->busy = f->lent;
  return first;
}
