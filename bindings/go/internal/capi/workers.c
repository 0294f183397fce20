/* SPDX-License-Identifier: MIT */
//go:build (linux || darwin || dragonfly || freebsd || netbsd || openbsd || windows) && !evpoll_system

/* The worker pool: file operations by threads, where the kernel does not do them for us.
 *
 * An operation waits in the queue, is performed by one thread, and is then handed to
 * evp_io_done(), which wakes a waiter. The queue is bounded by the poller's io_limit. Threads are
 * started as there is work, at most options.pool_threads, and end when the poller is closed. A
 * queued operation can be cancelled; a running one ends by itself. */
#include <stdio.h>
#include <stdlib.h>

#include "poller.h"
#include "status.h"

struct pool {
  evpoll *p;
  struct evp_mutex lock; /* taken inside p->io.lock, never around it */
  struct evp_cond work;
  struct evp_op *first, *last;
  uint32_t queued, idle, alive;
  bool stop;
  uint64_t threads[]; /* p->pool_threads of them */
};

/* Lock held. An operation is in the queue as long as it is the first, or has one before it. */
static bool is_queued(const struct pool *w, const struct evp_op *op) {
  return w->first == op || op->before;
}

static void take(struct pool *w, struct evp_op *op) {
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

static void append(struct pool *w, struct evp_op *op) {
  op->before = w->last;
  op->next = NULL;
  if (w->last)
    w->last->next = op;
  else
    w->first = op;
  w->last = op;
  w->queued++;
}

static void work(void *context) {
  struct pool *w = context;
  evp_mutex_lock(&w->lock);
  for (;;) {
    while (!w->first && !w->stop) {
      w->idle++;
      evp_cond_wait(&w->work, &w->lock);
      w->idle--;
    }
    if (!w->first) break;
    struct evp_op *op = w->first;
    take(w, op);
    evp_mutex_unlock(&w->lock);
    op->result = evp_file_perform(op->code, op->handle, op->offset, op->buffer, op->length);
    evp_io_done(w->p, op);
    evp_mutex_lock(&w->lock);
  }
  evp_mutex_unlock(&w->lock);
}

static int start_one(struct pool *w) {
  const int os_code = evp_thread_start(work, w, &w->threads[w->alive]);
  if (os_code == 0) atomic_store(&w->p->pool_alive, ++w->alive);
  return os_code;
}

static int32_t open_pool(evpoll *p, char *why, size_t capacity) {
  struct pool *w = calloc(1, sizeof *w + p->pool_threads * sizeof w->threads[0]);
  if (!w) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  w->p = p;
  evp_mutex_init(&w->lock);
  evp_cond_init(&w->work);
  const int os_code = start_one(w); /* so that no operation fails for want of a thread */
  if (os_code) {
    evp_cond_destroy(&w->work);
    evp_mutex_destroy(&w->lock);
    free(w);
    const bool memory = evp_status_of(os_code) == EVPOLL_ERR_NO_MEMORY;
    return evp_fail_as(memory ? EVPOLL_ERR_NO_MEMORY : EVPOLL_ERR_LIMIT, os_code);
  }
  p->io.pool = w;
  if (capacity) *why = '\0';
  return 0;
}

static int32_t probe(evpoll *p, char *why, size_t capacity) {
  (void)p;
  snprintf(why, capacity, "worker pool");
  return 0;
}

static void close_pool(evpoll *p) {
  struct pool *w = p->io.pool;
  if (!evp_forked(p)) { /* the child of a fork has no such threads */
    evp_mutex_lock(&w->lock);
    w->stop = true;
    evp_cond_broadcast(&w->work);
    evp_mutex_unlock(&w->lock);
    for (uint32_t i = 0; i < w->alive; i++) evp_thread_join(w->threads[i]);
    evp_cond_destroy(&w->work);
    evp_mutex_destroy(&w->lock);
  }
  free(w);
}

static int32_t submit(evpoll *p, struct evp_op **chain, int32_t n, int *os_code_out) {
  struct pool *w = p->io.pool;
  (void)os_code_out;
  evp_mutex_lock(&w->lock);
  for (struct evp_op *next; *chain; *chain = next) {
    next = (*chain)->next;
    append(w, *chain);
  }
  /* One more thread for each operation that finds none without work. */
  for (uint32_t free_hands = w->idle; free_hands < w->queued && w->alive < p->pool_threads;
       free_hands++)
    if (start_one(w)) break;
  if (n > 1)
    evp_cond_broadcast(&w->work);
  else
    evp_cond_signal(&w->work);
  evp_mutex_unlock(&w->lock);
  return n;
}

static void cancel(evpoll *p, struct evp_op *op) {
  struct pool *w = p->io.pool;
  evp_mutex_lock(&w->lock);
  const bool queued = is_queued(w, op);
  if (queued) take(w, op);
  evp_mutex_unlock(&w->lock);
  if (!queued) return; /* it runs, or has run */
  op->result = -evp_os_cancelled();
  evp_io_done_locked(p, op);
}

/* What is finished is in the core's own list. */
static bool has_completions(evpoll *p) {
  (void)p;
  return false;
}

static int32_t collect(evpoll *p, evpoll_event *out, int32_t capacity) {
  (void)p, (void)out, (void)capacity;
  return 0;
}

const struct evp_engine evp_engine_workers = {
    .id = EVPOLL_ENGINE_POOL,
    .want = EVPOLL_ERR_LIMIT, /* threads */
    .open = open_pool,
    .probe = probe,
    .close = close_pool,
    .submit = submit,
    .cancel = cancel,
    .has_completions = has_completions,
    .collect = collect,
};
