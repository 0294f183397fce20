/* SPDX-License-Identifier: MIT */
/* The worker pool: an operation waits in the queue, is performed by one thread, and is then handed
 * to evp_io_done(), which wakes a waiter. It names its handle by the number, and so holds a use of
 * its target until that was done. The queue is bounded by the poller's io_limit. Threads are
 * started as there is work, at most options.pool_threads, and end when the poller is closed. A
 * queued operation can be cancelled; a running one ends by itself. */
#include "core/workers.h"

#include <stdlib.h>

#include "core/append.h"
#include "core/poller.h"
#include "core/status.h"
#include "core/target.h"

enum { MOST_TRIES = 64 };

struct evp_pool {
  evpoll *p;
  struct evp_mutex lock; /* taken inside p->io.lock, never around it */
  struct evp_cond work;
  struct evp_op *first, *last;
  uint32_t queued, idle, alive;
  bool stop;
  uint64_t threads[]; /* p->pool_threads of them */
};

/* Lock held. An operation is in the queue as long as it is the first, or has one before it. */
static bool is_queued(const struct evp_pool *w, const struct evp_op *op) {
  return w->first == op || op->before;
}

static void pool_take(struct evp_pool *w, struct evp_op *op) {
  if (op->before)
    op->before->next = op->next;
  else
    w->first = op->next;
  if (op->next)
    op->next->before = op->before;
  else
    w->last = op->before;
  op->before = NULL;
  w->queued--;
}

static void pool_append(struct evp_pool *w, struct evp_op *op) {
  op->before = w->last;
  op->next = NULL;
  if (w->last)
    w->last->next = op;
  else
    w->first = op;
  w->last = op;
  w->queued++;
}

/* What the system says may pass (a server that answers "interrupted") is asked for a few times. */
static int64_t try_op(const struct evp_op *op) {
  const bool durable = op->flags & EVPOLL_OPF_DURABLE;
  int64_t result = -evp_os_cancelled();
  for (int tries = 0; tries < MOST_TRIES; tries++) {
    if (atomic_load_explicit(&op->cancel_asked, memory_order_relaxed)) return -evp_os_cancelled();
    result = op->code == EVPOLL_OP_CLOSE ? evp_target_shut(op->target)
                                         : evp_file_perform(op->code, op->handle, op->offset,
                                                            op->buffer, op->length, durable);
    if (!evp_os_interrupted(result)) break;
  }
  return result;
}

static void perform(struct evp_op *op) {
  do op->result = try_op(op);
  while (evp_op_advance(op));
}

/* The use goes before the event, so that who has all events is not told that the handle is busy. */
static void serve_op(evpoll *p, struct evp_op *op) {
  if (op->code == EVPOLL_OP_SEND_FILE) {
    evp_stream_serve(p, op);
    return;
  }
  perform(op);
  if (op->uses) {
    op->uses = false;
    evp_target_drop(p, op->target);
  }
  evp_io_done(p, op);
}

static void work(void *context) {
  struct evp_pool *w = context;
  evp_mutex_lock(&w->lock);
  w->idle--;
  for (;;) {
    while (!w->first && !w->stop) {
      w->idle++;
      evp_cond_wait(&w->work, &w->lock);
      w->idle--;
    }
    if (!w->first) break;
    struct evp_op *op = w->first;
    pool_take(w, op);
    evp_mutex_unlock(&w->lock);
    if (op->code == EVPOLL_OP_APPEND)
      evp_append_serve(w->p, op->target);
    else
      serve_op(w->p, op);
    evp_mutex_lock(&w->lock);
  }
  evp_mutex_unlock(&w->lock);
}

/* Lock held. */
static int start_one(struct evp_pool *w) {
  const int os_code = evp_thread_start(work, w, &w->threads[w->alive]);
  if (os_code) return os_code;
  w->idle++; /* until it runs: what is in the queue then is for it */
  atomic_store(&w->p->pool_alive, ++w->alive);
  return 0;
}

static void free_pool(struct evp_pool *w) {
  evp_cond_destroy(&w->work);
  evp_mutex_destroy(&w->lock);
  free(w);
}

int32_t evp_pool_need(evpoll *p) {
  if (p->io.pool) return 0;
  struct evp_pool *w = calloc(1, sizeof *w + p->pool_threads * sizeof w->threads[0]);
  if (!w) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  w->p = p;
  evp_mutex_init(&w->lock);
  evp_cond_init(&w->work);
  evp_mutex_lock(&w->lock);
  const int os_code = start_one(w); /* so that no operation fails for want of a thread */
  evp_mutex_unlock(&w->lock);
  if (os_code) {
    free_pool(w);
    const bool memory = evp_status_of(os_code) == EVPOLL_ERR_NO_MEMORY;
    return evp_fail_as(memory ? EVPOLL_ERR_NO_MEMORY : EVPOLL_ERR_LIMIT, os_code);
  }
  atomic_store_explicit(&p->io.pool, w, memory_order_release);
  return 0;
}

bool evp_pool_give(evpoll *p, struct evp_op *op) {
  struct evp_pool *w = atomic_load_explicit(&p->io.pool, memory_order_acquire);
  if (!w) return false;
  evp_mutex_lock(&w->lock);
  pool_append(w, op);
  if (w->idle < w->queued && w->alive < p->pool_threads) start_one(w);
  evp_cond_signal(&w->work);
  evp_mutex_unlock(&w->lock);
  return true;
}

bool evp_pool_cancel(evpoll *p, struct evp_op *op) {
  struct evp_pool *w = atomic_load_explicit(&p->io.pool, memory_order_relaxed);
  if (!w) return false;
  evp_mutex_lock(&w->lock);
  const bool queued = is_queued(w, op);
  if (queued) pool_take(w, op);
  evp_mutex_unlock(&w->lock);
  return queued;
}

void evp_pool_close(evpoll *p) {
  struct evp_pool *w = atomic_load(&p->io.pool);
  if (!w) return;
  if (evp_forked(p)) { /* the child of a fork has no such threads */
    free(w);
    return;
  }
  evp_mutex_lock(&w->lock);
  w->stop = true;
  evp_cond_broadcast(&w->work);
  evp_mutex_unlock(&w->lock);
  for (uint32_t i = 0; i < w->alive; i++) evp_thread_join(w->threads[i]);
  free_pool(w);
}
