/* SPDX-License-Identifier: MIT */
//go:build (linux || darwin || dragonfly || freebsd || netbsd || openbsd || windows) && !evpoll_system

/* Reads of what lies in the system's cache.
 *
 * There a completion costs more than the read: a ring takes twice the time of a pread(), a worker
 * thread ten times. So the operations at the head of a submission are read in place as long as the
 * system says that it need not wait, and are finished when submit returns; the next wait delivers
 * them without a system call. The first that it would have to wait for, and all after it, go to
 * the engine: so what was accepted stays a prefix.
 *
 * A try that fails costs a system call. After one, reads are given to the engine without it, more
 * of them each time, until one succeeds. */
#include "cached.h"

#include "poller.h"

/* Beyond MOST_BYTES copying takes longer than another thread needs to be told. */
enum { FIRST_PAUSE = 4, LONGEST_PAUSE = 256, MOST_BYTES = 128 * 1024 };

static bool may_try(struct evp_cached *c, const struct evp_op *op) {
  if (op->code != EVPOLL_IO_READ || !op->cached || op->length > MOST_BYTES) return false;
  const uint32_t pause = atomic_load_explicit(&c->pause, memory_order_relaxed);
  if (pause) atomic_store_explicit(&c->pause, pause - 1, memory_order_relaxed);
  return !pause;
}

static void missed(struct evp_cached *c) {
  const uint32_t next = atomic_load_explicit(&c->next_pause, memory_order_relaxed);
  const uint32_t pause = next ? next : FIRST_PAUSE;
  atomic_store_explicit(&c->pause, pause, memory_order_relaxed);
  atomic_store_explicit(&c->next_pause, pause < LONGEST_PAUSE ? pause * 2 : pause,
                        memory_order_relaxed);
}

/* They are where the next wait looks; who sleeps already is woken. */
static void finish(evpoll *p, struct evp_op *op, const struct evp_op *end, bool from_wait) {
  bool first = false;
  evp_mutex_lock(&p->io.lock);
  while (op != end) {
    struct evp_op *next = op->next;
    first |= evp_io_keep(p, op);
    op = next;
  }
  evp_mutex_unlock(&p->io.lock);
  /* A thread that is not inside yet looks at `attention` after it has shown itself: writing the
   * word, if nothing new, puts what was kept before that look. */
  atomic_fetch_or(&p->attention, 0);
  if (first && !from_wait && evp_poller_inside(p)) evp_backend.ring(p);
}

int32_t evp_cached_submit(evpoll *p, struct evp_op **chain, bool from_wait) {
  struct evp_cached *c = &p->io.cached;
  struct evp_op *op = *chain;
  int32_t n = 0;
  for (; op && may_try(c, op); op = op->next, n++)
    if (!evp_file_read_cached(op->handle, op->offset, op->buffer, op->length, &op->result)) {
      missed(c);
      break;
    }
  if (n == 0) return 0;
  if (atomic_load_explicit(&c->next_pause, memory_order_relaxed) && op == NULL)
    atomic_store_explicit(&c->next_pause, 0, memory_order_relaxed);
  struct evp_op *first = *chain;
  *chain = op;
  finish(p, first, op, from_wait);
  return n;
}
