/* SPDX-License-Identifier: MIT */
/* The worker pool: an operation waits in the queue, is performed by one thread, and is then handed
 * to evp_io_done(), which wakes a waiter. It names its handle by the number, and so holds a use of
 * its target until that was done. The queue is bounded by the poller's io_limit. Threads are
 * started as there is work, at most options.pool_threads, and end when the poller is closed. A
 * queued operation can be cancelled; a running one ends by itself.
 *
 * Files of a slow kind, whose file system may hang (a network's, FUSE's), have a queue of their
 * own, and one thread is not for them: what is to be done with other files goes on meanwhile. */
#include "core/workers.h"

#include <stdlib.h>

#include "core/append.h"
#include "core/poller.h"
#include "core/status.h"
#include "core/target.h"

enum { MOST_TRIES = 64 };

struct evp_pool_queue {
  struct evp_op *first, *last;
};

struct evp_pool {
  evpoll *p;
  struct evp_mutex lock; /* taken inside p->io.lock, never around it */
  struct evp_cond work;
  struct evp_pool_queue queues[2];    /* slow ones in the second */
  uint32_t queued, idle, alive, slow; /* slow: that run */
  bool slow_next;                     /* in turns, where both have something */
  bool stop;
  uint64_t threads[]; /* p->pool_threads of them */
};

static bool is_slow(const struct evp_op *op) {
  return (op->file ? op->file : op->target)->file.slow;
}

static struct evp_pool_queue *pool_queue(struct evp_pool *w, const struct evp_op *op) {
  return &w->queues[is_slow(op)];
}

/* Lock held. An operation is in a queue as long as it is the first, or has one before it. */
static bool is_queued(const struct evp_pool *w, const struct evp_op *op) {
  return op->before || w->queues[0].first == op || w->queues[1].first == op;
}

static void pool_take(struct evp_pool *w, struct evp_op *op) {
  struct evp_pool_queue *q = pool_queue(w, op);
  if (op->before)
    op->before->next = op->next;
  else
    q->first = op->next;
  if (op->next)
    op->next->before = op->before;
  else
    q->last = op->before;
  op->before = NULL;
  w->queued--;
}

static void pool_append(struct evp_pool *w, struct evp_op *op) {
  struct evp_pool_queue *q = pool_queue(w, op);
  op->before = q->last;
  op->next = NULL;
  if (q->last)
    q->last->next = op;
  else
    q->first = op;
  q->last = op;
  w->queued++;
}

/* Lock held. What a thread may begin now. */
static struct evp_op *pool_first(struct evp_pool *w) {
  const bool room = w->slow + 1 < w->p->pool_threads || w->p->pool_threads == 1;
  struct evp_op *quick = w->queues[0].first, *slow = room ? w->queues[1].first : NULL;
  return slow && (w->slow_next || !quick) ? slow : quick;
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
  struct evp_op *op;
  evp_mutex_lock(&w->lock);
  w->idle--;
  for (;;) {
    while (!(op = pool_first(w)) && !w->stop) {
      w->idle++;
      evp_cond_wait(&w->work, &w->lock);
      w->idle--;
    }
    if (!op) break;
    const bool slow = is_slow(op);
    pool_take(w, op);
    w->slow += slow;
    w->slow_next = !slow;
    evp_mutex_unlock(&w->lock);
    if (op->code == EVPOLL_OP_APPEND)
      evp_append_serve(w->p, op->target);
    else
      serve_op(w->p, op);
    evp_mutex_lock(&w->lock);
    w->slow -= slow;
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
