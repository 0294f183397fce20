/* SPDX-License-Identifier: MIT */
//go:build (linux || darwin || dragonfly || freebsd || netbsd || openbsd || windows) && !evpoll_system

/* Reads of what lies in the system's cache.
 *
 * There a completion costs more than the read: a ring takes twice the time of a pread(), a worker
 * thread ten times. So the operations at the head of a submission are read in place as long as the
 * system says that it need not wait. Those that may end inline are over then, and never become
 * operations; the others are finished when submit returns, and the next wait delivers them without
 * a system call. The first that it would have to wait for, and all after it, go to the engine: so
 * what was accepted stays a prefix.
 *
 * A try that fails costs a system call. After one, reads are given to the engine without it, more
 * of them each time, until one succeeds. */
#include "cached.h"

#include "poller.h"

/* Beyond MOST_BYTES copying takes longer than another thread needs to be told. */
enum { FIRST_PAUSE = 4, LONGEST_PAUSE = 256, MOST_BYTES = 128 * 1024 };

static bool may_try(struct evp_cached *c, uint32_t code, uint64_t length) {
  if (code != EVPOLL_IO_READ || length > MOST_BYTES) return false;
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

static void hit(struct evp_cached *c) {
  if (atomic_load_explicit(&c->next_pause, memory_order_relaxed))
    atomic_store_explicit(&c->next_pause, 0, memory_order_relaxed);
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
  for (; op && op->cached && may_try(c, op->code, op->length); op = op->next, n++)
    if (!evp_file_read_cached(op->handle, op->offset, op->buffer, op->length, &op->result)) {
      missed(c);
      break;
    }
  if (n == 0) return 0;
  if (op == NULL) hit(c);
  struct evp_op *first = *chain;
  *chain = op;
  finish(p, first, op, from_wait);
  return n;
}

/* What submit looks at besides the entry. Whatever it would refuse is left to it. */
static bool look_at(evpoll *p, evpoll_handle h, bool *cached_out) {
  evp_mutex_lock(&p->io.lock);
  const bool good = !evp_is_shut_down(p) && evp_kind_check(p, h) == 0 && evp_io_need_engine(p) == 0;
  *cached_out = good && evp_kind_is_cached(p, h);
  evp_mutex_unlock(&p->io.lock);
  return good;
}

static bool end_inline(evpoll *p, evpoll_io *io) {
  int64_t bytes;
  void *buffer = (void *)(uintptr_t)io->buffer;
  if (!evp_file_read_cached(io->handle, io->offset, buffer, io->length, &bytes)) {
    missed(&p->io.cached);
    return false;
  }
  hit(&p->io.cached);
  io->op = 0;
  io->status = (int32_t)bytes;
  return true;
}

int32_t evp_cached_inline(evpoll *p, evpoll_io *ios, int32_t n, evpoll_handle *looked_out) {
  struct evp_cached *c = &p->io.cached;
  bool cached = false;
  int32_t ended = 0;
  *looked_out = -1;
  for (; ended < n; ended++) {
    evpoll_io *io = &ios[ended];
    if (!(io->flags & EVPOLL_IO_INLINE) || evp_op_check(io) < 0) break;
    if (!may_try(c, io->code, io->length)) break;
    if (io->handle < 0 || io->handle != *looked_out) {
      if (!look_at(p, io->handle, &cached)) break;
      *looked_out = io->handle;
    }
    if (!cached || !end_inline(p, io)) break;
  }
  if (ended) atomic_fetch_add_explicit(&c->ended_inline, (uint64_t)ended, memory_order_relaxed);
  return ended;
}
