/* SPDX-License-Identifier: MIT */
/* Reads of what lies in the system's cache.
 *
 * There a completion costs more than the read: a ring takes twice the time of a pread(), a worker
 * thread ten times. So reads are done in place as long as the system says that it need not wait.
 * Those that may end inline are over then, and never become operations; the others are finished
 * when submit returns, and the next wait delivers them without a system call. From the first that
 * the system would have to wait for, the rest of a submission goes to the engine.
 *
 * A try that fails costs a system call. After one, reads are given to the engine without it, more
 * of them each time, until one succeeds. */
#include "core/cached.h"

#include "core/poller.h"
#include "core/target.h"

/* Beyond MOST_BYTES copying takes longer than another thread needs to be told. */
enum { FIRST_PAUSE = 4, LONGEST_PAUSE = 256, MOST_BYTES = 128 * 1024 };

static bool may_try(struct evp_cached *c, uint32_t code, uint64_t length) {
  if (code != EVPOLL_OP_READ || length > MOST_BYTES) return false;
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
static void cached_finish(evpoll *p, struct evp_op *op, bool from_wait) {
  bool first = false;
  evp_io_lock(p);
  for (struct evp_op *next; op; op = next) {
    next = op->next;
    first |= evp_io_keep(p, op);
  }
  evp_io_unlock(p);
  if (first && !from_wait) evp_io_tell(p);
}

void evp_cached_submit(evpoll *p, struct evp_op **chain, bool from_wait) {
  struct evp_cached *c = &p->io.cached;
  struct evp_op *done = NULL, **end = &done;
  bool missing = false;
  for (struct evp_op **at = chain, *op; !missing && (op = *at);) {
    if (!op->target->file.cached || !may_try(c, op->code, op->length)) {
      at = &op->next;
    } else if (evp_file_read_cached(op->handle, op->offset, op->buffer, op->length, &op->result)) {
      *at = op->next;
      *end = op;
      end = &op->next;
    } else {
      missed(c);
      missing = true;
    }
  }
  *end = NULL;
  if (!done) return;
  if (!missing) hit(c);
  cached_finish(p, done, from_wait);
}

static bool read_inline(struct evp_cached *c, const evpoll_io *io, int64_t *bytes_out) {
  if (!may_try(c, io->code, io->length)) return false;
  void *buffer = (void *)(uintptr_t)io->buffer;
  const bool done = evp_file_read_cached(io->handle, io->offset, buffer, io->length, bytes_out);
  if (done)
    hit(c);
  else
    missed(c);
  return done;
}

static bool size_inline(const evpoll_io *io, int64_t *bytes_out) {
  if (io->code != EVPOLL_OP_SIZE) return false;
  *bytes_out = evp_file_perform(io->code, io->handle, 0, NULL, 0, false);
  return *bytes_out >= 0;
}

bool evp_cached_inline(evpoll *p, struct evp_target *t, evpoll_io *io) {
  struct evp_cached *c = &p->io.cached;
  int64_t bytes;
  if (!size_inline(io, &bytes) && !(t->file.cached && read_inline(c, io, &bytes))) return false;
  evp_io_end_entry(p, io, 0, bytes);
  return true;
}
