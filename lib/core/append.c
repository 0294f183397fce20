/* SPDX-License-Identifier: MIT */
/* APPEND: group commit, the same on every system.
 *
 * Records of a target queue here in the order of their submission, each with a use of the target.
 * A turn stands for them in the pool's queue: the thread that gets it takes a batch, writes it by
 * one call at the end of the file, and syncs it if one of its records is DURABLE. What comes
 * meanwhile is the next batch, for which the turn is given to the pool again. So one batch of a
 * file is under way at a time, and nothing is ever written out of order.
 *
 * Each record is whole or has failed. Of a batch that was written in part those before the gap
 * stand; the torn tail is cut off, where nobody else appends. A buffer that is not there is its
 * record's own fault: those behind it are the next batch. When a sync has failed nobody knows
 * what is on the disk, and the next one may say that all is well (Linux marks the pages clean): all
 * records of the batch have failed then, and so does everything that follows. */
#include "core/append.h"

#include <stdlib.h>

#include "core/poller.h"
#include "core/status.h"
#include "core/target.h"
#include "core/workers.h"

enum { MOST_BATCH = 1 << 20, MOST_REPEATS = 64 };

struct evp_appends {
  struct evp_op *first, *last; /* no batch has them; linked by next and before */
  struct evp_op turn;
  bool in_turn; /* the pool has the turn, which has a reference to the target */
  bool looked;  /* the next is known */
  bool alone;   /* nobody else appends */
  int failed;   /* the code of a sync that failed */
};

/* The records are the batch's own, linked by next. */
struct append_batch {
  struct evp_op *first;
  struct evp_op *rest; /* what stands behind a record whose buffer is not there */
  uint64_t bytes, written;
  int64_t place; /* of the first record */
  int os_code;   /* why not all was written */
  bool durable;
};

/* ---- the queue, with p->io.lock held ------------------------------------------------------ */

bool evp_append_need(struct evp_target *t) {
  if (!t->appends) t->appends = calloc(1, sizeof *t->appends);
  return t->appends;
}

static void append_enqueue(struct evp_appends *a, struct evp_op *op) {
  op->next = NULL;
  op->before = a->last;
  *(a->last ? &a->last->next : &a->first) = op;
  a->last = op;
}

static void append_end(evpoll *p, struct evp_op *op, int64_t result) {
  op->result = result;
  evp_io_done_locked(p, op);
}

/* What a batch had to leave, in its order; but what was asked to end meanwhile does. */
static void append_return(evpoll *p, struct evp_appends *a, struct evp_op *rest) {
  struct evp_op *before = NULL, *behind = a->first;
  for (struct evp_op *op = rest, *next; op; op = next) {
    next = op->next;
    if (atomic_load_explicit(&op->cancel_asked, memory_order_relaxed)) {
      append_end(p, op, -evp_os_cancelled());
      continue;
    }
    op->before = before;
    op->next = behind;
    *(before ? &before->next : &a->first) = op;
    *(behind ? &behind->before : &a->last) = op;
    before = op;
  }
}

static void append_dequeue(struct evp_appends *a, struct evp_op *op) {
  *(op->before ? &op->before->next : &a->first) = op->next;
  *(op->next ? &op->next->before : &a->last) = op->before;
  op->next = op->before = NULL;
}

bool evp_append_cancel(struct evp_op *op) {
  struct evp_appends *a = op->target->appends;
  const bool queued = a->first == op || op->before;
  if (queued) append_dequeue(a, op);
  return queued;
}

static void append_give(evpoll *p, struct evp_op *op) {
  struct evp_target *t = op->target;
  struct evp_appends *a = t->appends;
  if (atomic_load_explicit(&op->cancel_asked, memory_order_relaxed)) {
    append_end(p, op, -evp_os_cancelled());
  } else if (a->failed) {
    append_end(p, op, -(int64_t)a->failed);
  } else {
    append_enqueue(a, op);
    if (!a->in_turn) {
      a->in_turn = true;
      t->refs++;
      a->turn = (struct evp_op){.code = EVPOLL_OP_APPEND, .target = t};
      evp_pool_give(p, &a->turn);
    }
  }
}

void evp_append_give(evpoll *p, struct evp_op **chain) {
  evp_io_lock(p);
  for (struct evp_op *op; (op = *chain) && op->code == EVPOLL_OP_APPEND;) {
    *chain = op->next;
    append_give(p, op);
  }
  evp_io_unlock(p);
}

/* A record that is larger than a batch is one by itself. */
static void append_take(struct evp_appends *a, struct append_batch *b) {
  struct evp_op **end = &b->first;
  uint32_t n = 0;
  for (struct evp_op *op; n < EVP_MOST_PIECES && (op = a->first); n++) {
    if (n && op->length > MOST_BATCH - b->bytes) break;
    append_dequeue(a, op);
    *end = op;
    end = &op->next;
    b->bytes += op->length;
    b->durable |= op->flags & EVPOLL_OPF_DURABLE;
    if (b->bytes >= MOST_BATCH) break;
  }
}

/* ---- a batch, without lock ---------------------------------------------------------------- */

/* What is left to write. */
static uint32_t append_pieces(const struct append_batch *b, evpoll_iovec *pieces) {
  const uint64_t limit = evp_file_length_limit();
  uint64_t done = b->written;
  uint32_t n = 0;
  for (const struct evp_op *op = b->first; op; op = op->next) {
    const uint64_t skip = done < op->length ? done : op->length, left = op->length - skip;
    done -= skip;
    if (!left) continue;
    pieces[n].address = EVPOLL_ADDR((char *)op->buffer + skip);
    pieces[n++].length = left < limit ? left : limit;
  }
  return n;
}

/* One call, if the system does not stop in between. Whoever else appends may come in between then.
 */
static void append_write(evpoll_handle h, struct append_batch *b) {
  evpoll_iovec pieces[EVP_MOST_PIECES];
  int tries = 0;
  while (b->written < b->bytes && !b->os_code) {
    int64_t place = 0;
    const int64_t n = evp_file_append(h, pieces, append_pieces(b, pieces), &place);
    if (evp_os_interrupted(n) && ++tries < MOST_REPEATS) continue;
    if (!b->written) b->place = place;
    if (n < 0)
      b->os_code = (int)-n;
    else if (n == 0 || place != b->place + (int64_t)b->written)
      b->os_code = evp_os_stuck();
    else
      b->written += (uint64_t)n;
  }
}

static int64_t append_sync(evpoll_handle h) {
  int64_t result = 0;
  for (int tries = 0; tries < MOST_REPEATS; tries++) {
    result = evp_file_perform(EVPOLL_OP_FDATASYNC, h, 0, NULL, 0, false);
    if (!evp_os_interrupted(result)) break;
  }
  return result;
}

/* Each record gets its place, or why it has none. Returns the bytes of the whole ones. */
static uint64_t append_places(struct append_batch *b) {
  const bool fault = b->os_code && evp_status_of_operation(b->os_code) == EVPOLL_ERR_FAULT;
  uint64_t at = 0, whole = 0;
  for (struct evp_op *op = b->first; op; op = op->next) {
    const bool stands = b->written - at >= op->length;
    op->result = stands ? b->place + (int64_t)at : -(int64_t)b->os_code;
    if (!stands && fault) b->rest = op->next;
    if (!stands) break;
    whole = at += op->length;
  }
  return whole;
}

static void append_fail(const struct append_batch *b, int os_code) {
  for (struct evp_op *op = b->first; op; op = op->next) op->result = -(int64_t)os_code;
}

static void append_perform(struct evp_target *t, struct append_batch *b) {
  struct evp_appends *a = t->appends;
  const int locked = a->looked ? 0 : evp_file_own(t->handle, &a->alone);
  a->looked = !locked;
  if (locked)
    b->os_code = locked;
  else
    append_write(t->handle, b);
  append_fail(b, b->os_code);
  const uint64_t whole = append_places(b);
  if (whole < b->written && a->alone)
    evp_file_perform(EVPOLL_OP_TRUNCATE, t->handle, b->place + (int64_t)whole, NULL, 0, false);
  const int64_t synced = whole && b->durable ? append_sync(t->handle) : 0;
  if (synced == 0) return;
  a->failed = (int)-synced;
  append_fail(b, a->failed);
}

/* ---- the turn ----------------------------------------------------------------------------- */

/* Before the events, so that who has them all is not told that the handle is busy. */
static void append_drop_uses(evpoll *p, struct evp_target *t, const struct append_batch *b) {
  for (struct evp_op *op = b->first; op && op != b->rest; op = op->next) {
    op->uses = false;
    evp_target_drop(p, t);
  }
}

void evp_append_serve(evpoll *p, struct evp_target *t) {
  struct evp_appends *a = t->appends;
  struct append_batch b = {.first = NULL};
  evp_io_lock(p);
  append_take(a, &b);
  evp_io_unlock(p);
  if (b.first) append_perform(t, &b);
  append_drop_uses(p, t, &b);
  evp_io_lock(p);
  for (struct evp_op *op = b.first, *next; op && op != b.rest; op = next) {
    next = op->next;
    append_end(p, op, op->result);
  }
  append_return(p, a, b.rest);
  for (struct evp_op *op; a->failed && (op = a->first);) {
    append_dequeue(a, op);
    append_end(p, op, -(int64_t)a->failed);
  }
  a->in_turn = a->first;
  if (a->in_turn)
    evp_pool_give(p, &a->turn);
  else
    evp_target_unref(t);
  evp_io_unlock(p);
}
