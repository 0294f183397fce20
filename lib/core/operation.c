/* SPDX-License-Identifier: MIT */
/* Operations, from submit to their one completion.
 *
 * submit takes a use of each handle (target.h), takes slots for the entries that have room (the
 * lock is held for that alone), gives them to what serves them, which may complete them on another
 * thread before it returns, and drops the uses. Each operation comes back once, by
 * evp_io_complete(), and the slot is free again: its next operation has another id. The data
 * buffers are the caller's; what we own is the slot and, for READV and WRITEV, a copy of the
 * iovecs, both until then. */
#include "core/operation.h"

#include <stdio.h>
#include <string.h>

#include "core/append.h"
#include "core/poller.h"
#include "core/status.h"
#include "core/target.h"
#include "core/trace.h"
#include "core/workers.h"

/* ---- the lock ----------------------------------------------------------------------------- */

void evp_io_lock(evpoll *p) { evp_mutex_lock(&p->io.lock); }

/* Validation was passed: what the system would not start has failed. */
void evp_io_start_or_fail(evpoll *p, struct evp_op *chain) {
  int os_code;
  evp_io_start(p, &chain, false, &os_code);
  for (struct evp_op *next; chain; chain = next) {
    next = chain->next;
    chain->result = -(int64_t)os_code;
    chain->refused = true;
    evp_io_done(p, chain);
  }
}

void evp_io_unlock(evpoll *p) {
  struct evp_target *over = p->io.over;
  struct evp_op *again = p->io.again;
  p->io.over = NULL;
  p->io.again = NULL;
  evp_mutex_unlock(&p->io.lock);
  if (again) evp_io_start_or_fail(p, again);
  for (struct evp_target *next; over; over = next) {
    next = over->next_over;
    evp_target_over(p, over);
  }
}

/* ---- slots -------------------------------------------------------------------------------- */

static struct evp_op *take_op(evpoll *p) {
  struct evp_op *op = p->io.free_ops;
  if (op) {
    p->io.free_ops = op->next;
  } else {
    if (p->io.ops_used >= EVP_INDEX_MASK) return NULL; /* the last index is CLOSE's */
    op = evp_table_reach(&p->io.ops, p->io.ops_used);
    if (!op) return NULL;
    op->id = p->io.ops_used++;
  }
  op->id = evp_id_next(op->id);
  op->next = NULL;
  return op;
}

/* Lock held. It has no end in time any more, and will not name its handle. */
static void settle_op(evpoll *p, struct evp_op *op) {
  if (op->place) evp_timer_stop(p, op);
  if (op->uses) evp_target_drop_later(p, op->target);
  op->uses = false;
  if (op->file) evp_target_drop_later(p, op->file);
  op->file = NULL;
}

/* The iovecs go last: a fork() in between must not leave the child an operation that has them. */
void evp_op_free(evpoll *p, struct evp_op *op) {
  const bool vectored = op->code == EVPOLL_OP_READV || op->code == EVPOLL_OP_WRITEV;
  void *iovecs = vectored ? op->buffer : NULL;
  settle_op(p, op);
  op->in_flight = false;
  op->buffer = NULL;
  op->list = NULL;
  if (op->code == EVPOLL_OP_CLOSE) { /* its slot lies in the target */
    evp_target_unref(op->target);
    return;
  }
  if (op->target) evp_target_unlink(p, op);
  if (vectored) free(iovecs);
  op->next = p->io.free_ops;
  p->io.free_ops = op;
}

struct evp_op *evp_io_find(evpoll *p, uint64_t id) {
  struct evp_op *op = evp_table_at(&p->io.ops, evp_id_index(id));
  return op && op->id == id && op->in_flight ? op : NULL;
}

/* ---- in and out --------------------------------------------------------------------------- */

/* Lock held. Fills a slot from a checked entry; every field is written before the engine, or a
 * waiter, can see the operation. */
int32_t evp_op_prepare(evpoll *p, const evpoll_io *io, struct evp_target *t, int64_t *now,
                       struct evp_op **out) {
  const bool own = !t || evp_is_stream(&t->stream);
  const int32_t server = !own                              ? evp_io_server(p, t, io)
                         : io->code == EVPOLL_OP_SEND_FILE ? evp_io_need_pool(p)
                                                           : 0;
  if (server < 0) return server;
  const bool ready = io->code != EVPOLL_OP_APPEND || evp_append_need(t);
  struct evp_op *op = ready ? take_op(p) : NULL;
  if (!op) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  void *buffer = (void *)(uintptr_t)io->buffer;
  if (io->code == EVPOLL_OP_READV || io->code == EVPOLL_OP_WRITEV) {
    buffer = evp_iovec_copy((const evpoll_iovec *)buffer, (uint32_t)io->length);
    if (!buffer) {
      op->next = p->io.free_ops;
      p->io.free_ops = op;
      return evp_fail(EVPOLL_ERR_NO_MEMORY);
    }
  }
  op->token = io->token;
  op->handle = io->handle;
  op->offset = io->offset;
  op->buffer = buffer;
  op->length = io->length;
  op->moved = 0;
  op->code = (uint8_t)io->code;
  op->flags = (uint8_t)io->flags;
  op->queued = op->performed = op->fresh = false;
  op->refused = op->redone = op->ended = op->due = op->expired = false;
  op->before = NULL;
  atomic_store_explicit(&op->cancel_asked, false, memory_order_relaxed);
  op->target = NULL;
  if (t) evp_target_link(t, op);
  op->file = NULL;
  op->in_pool = server & EVP_IN_POOL;
  op->uses = server & EVP_NAMES_LATE;
  if (op->uses) evp_target_share(t);
  op->in_flight = true;
  *out = op;
  EVP_PROBE3(operation__begin, op->id, op->code, op->handle);
  if (!io->timeout_ms && t) return 0;
  const int32_t status = evp_timer_start(p, op, io, now);
  if (status < 0) evp_op_free(p, op);
  return status;
}

void evp_io_end_entry(evpoll *p, evpoll_io *io, int32_t status, int64_t result) {
  io->op = 0;
  io->status = status;
  io->offset = status < 0 ? -result : result;
  atomic_fetch_add_explicit(&p->io.cached.ended_inline, 1, memory_order_relaxed);
}

void evp_io_start_close(evpoll *p, struct evp_target *t, evpoll_io *io) {
  t->close = (struct evp_op){
      .id = ++p->io.closes << EVP_INDEX_BITS | EVP_INDEX_MASK,
      .token = io->token,
      .target = t,
      .handle = t->handle,
      .code = EVPOLL_OP_CLOSE,
      .in_flight = true,
  };
  io->op = t->close.id;
  io->status = 0;
  evp_io_count_in(p, 1);
  atomic_fetch_add_explicit(&p->io.submitted, 1, memory_order_relaxed);
}

/* Lock held. n operations enter, or leave. */
void evp_io_count_in(evpoll *p, uint32_t n) {
  if (n && atomic_fetch_add(&p->io.in_flight, n) == 0) evp_attend(p, EVP_ATTN_IO);
}

void evp_io_count_out(evpoll *p, uint32_t n) {
  if (n && atomic_fetch_sub(&p->io.in_flight, n) == n)
    atomic_fetch_and(&p->attention, ~(uint32_t)EVP_ATTN_IO);
}

/* CLOSE is let in beyond the limit. */
uint32_t evp_io_room(evpoll *p) {
  const uint32_t in_flight = atomic_load(&p->io.in_flight);
  return in_flight < p->io_limit ? p->io_limit - in_flight : 0;
}

/* ---- completions -------------------------------------------------------------------------- */

bool evp_io_redo(evpoll *p, struct evp_op *op) {
  if (op->redone || atomic_load_explicit(&op->cancel_asked, memory_order_relaxed)) return false;
  if (!op->uses && !evp_target_take(op->target)) {
    op->result = -evp_os_cancelled();
    return false;
  }
  op->redone = op->uses = true;
  op->in_pool = evp_io_has_pool(p);
  if (op->in_pool) return evp_pool_give(p, op);
  op->next = p->io.again;
  p->io.again = op;
  return true;
}

static bool is_of_stream(const struct evp_op *op) {
  return op->target && op->code != EVPOLL_OP_CLOSE && evp_is_stream(&op->target->stream);
}

static int32_t status_of(evpoll *p, const struct evp_op *op, int os_code) {
  if (!os_code) return 0;
  if (op->refused) return evp_io_refusal(p, os_code);
  const int32_t status =
      is_of_stream(op) ? evp_status_of(os_code) : evp_status_of_operation(os_code);
  return status == EVPOLL_ERR_CANCELLED && op->expired ? EVPOLL_ERR_EXPIRED : status;
}

/* What moves nothing where something is left has failed, or is the end; so is what follows a part
 * that is not whole sectors, where reads are to be aligned. */
static int64_t last_of(const struct evp_op *op) {
  if (op->code != EVPOLL_OP_READ) return op->result ? op->result : -evp_os_stuck();
  const bool unaligned = op->result < 0 && op->moved &&
                         evp_status_of_operation((int)-op->result) == EVPOLL_ERR_INVALID;
  return unaligned ? 0 : op->result;
}

bool evp_op_advance(struct evp_op *op) {
  const bool left = op->result < 0 || (uint64_t)op->result < op->length;
  if (!(op->flags & EVPOLL_OPF_ALL) || !left) return false;
  if (op->result <= 0) {
    op->result = last_of(op);
    return false;
  }
  op->moved += op->result;
  op->offset += op->result;
  op->buffer = (char *)op->buffer + op->result;
  op->length -= (uint64_t)op->result;
  return true;
}

/* Lock held. The rest of it is started as if it were new, while its registration lives. */
static bool go_on(evpoll *p, struct evp_op *op) {
  if (!(op->flags & EVPOLL_OPF_ALL) || is_of_stream(op) || !evp_op_advance(op)) return false;
  const bool asked = atomic_load_explicit(&op->cancel_asked, memory_order_relaxed);
  if (asked || (!op->uses && !evp_target_take(op->target))) {
    op->result = -evp_os_cancelled();
    return false;
  }
  op->uses = true;
  op->next = p->io.again;
  p->io.again = op;
  return true;
}

bool evp_io_complete(evpoll *p, struct evp_op *op, evpoll_event *out) {
  if (go_on(p, op)) return false;
  const int os_code = op->result < 0 ? (int)-op->result : 0;
  const int32_t status = status_of(p, op, os_code);
  const bool ended = status == EVPOLL_ERR_CANCELLED || status == EVPOLL_ERR_EXPIRED;
  const int64_t moved = op->moved + (os_code ? 0 : op->result);
  const int64_t result = ended || !os_code ? moved : os_code;
  if (p->io.discards && op->code == EVPOLL_OP_ACCEPT && !os_code)
    evp_stream_close(result, &op->target->stream.kind, true); /* a reset does not linger */
  EVP_PROBE3(operation__end, op->id, op->code, op->result);
  p->io.completed++;
  p->io.cancelled += status == EVPOLL_ERR_CANCELLED;
  bool event = true;
  if (op->list)
    event = evp_list_complete(op->list, op->entry, result, status, out);
  else
    *out = (evpoll_event){op->token, op->id, result, EVPOLL_IO, status};
  evp_op_free(p, op);
  return event;
}

bool evp_io_keep(evpoll *p, struct evp_op *op) {
  struct evp_io *io = &p->io;
  settle_op(p, op); /* remove need not wait for the delivery */
  op->next = NULL;
  const bool first = !atomic_load_explicit(&io->done_first, memory_order_relaxed);
  if (first)
    atomic_store_explicit(&io->done_first, op, memory_order_release);
  else
    io->done_last->next = op;
  io->done_last = op;
  return first;
}

/* A thread that is not inside yet looks at `attention` after it has shown itself: writing the word,
 * if nothing new, puts what was kept before that look. */
void evp_io_tell(evpoll *p) {
  atomic_fetch_or(&p->attention, 0);
  if (evp_is_watched(p)) evp_backend.ring(p);
}

/* CLOSE's event is the last: those that the kernel still has come before. */
void evp_io_done_locked(evpoll *p, struct evp_op *op) {
  if (op->code == EVPOLL_OP_CLOSE && op->target->ops) {
    op->target->closed = true;
    return;
  }
  if (evp_io_keep(p, op)) evp_io_tell(p);
}

void evp_io_done(evpoll *p, struct evp_op *op) {
  evp_io_lock(p);
  evp_io_done_locked(p, op);
  evp_io_unlock(p);
}

bool evp_io_has_completions(evpoll *p) {
  if (!atomic_load(&p->io.in_flight)) return false;
  if (atomic_load_explicit(&p->io.done_first, memory_order_acquire)) return true;
  if (atomic_load_explicit(&p->io.hungry, memory_order_relaxed)) return true;
  const struct evp_engine *engine = atomic_load_explicit(&p->io.engine, memory_order_acquire);
  return engine && engine->has_completions(p);
}

int32_t evp_io_collect_locked(evpoll *p, evpoll_event *out, int32_t capacity) {
  struct evp_io *io = &p->io;
  int32_t n = 0;
  const uint64_t before = io->completed;
  struct evp_op *op;
  while (n < capacity && (op = atomic_load_explicit(&io->done_first, memory_order_relaxed))) {
    atomic_store_explicit(&io->done_first, op->next, memory_order_relaxed);
    n += evp_io_complete(p, op, &out[n]);
  }
  const struct evp_engine *engine = atomic_load_explicit(&io->engine, memory_order_relaxed);
  if (n < capacity && engine) n += engine->collect(p, out + n, capacity - n);
  evp_io_count_out(p, (uint32_t)(io->completed - before)); /* once: it is an atomic operation */
  return n;
}

int32_t evp_io_collect(evpoll *p, evpoll_event *out, int32_t capacity) {
  if (atomic_load_explicit(&p->io.hungry, memory_order_relaxed)) evp_stream_feed(p);
  evp_io_lock(p);
  const int32_t n = evp_io_collect_locked(p, out, capacity);
  evp_io_unlock(p);
  return n;
}

void evp_io_discard(evpoll *p) {
  evpoll_event events[32];
  evp_io_lock(p);
  p->io.discards = true;
  while (evp_io_collect_locked(p, events, 32) > 0) {
  }
  p->io.discards = false;
  evp_io_unlock(p);
}

/* ---- open and close ----------------------------------------------------------------------- */

void evp_io_open(evpoll *p) {
  evp_mutex_init(&p->io.lock);
  p->io.ops.entry_size = sizeof(struct evp_op);
  p->io.lists.entry_size = sizeof(struct evp_list);
  p->io.timers.first = p->io.timers.alarm = INT64_MAX;
}

/* Nothing is in flight, but in a forked child. */
void evp_io_close(evpoll *p) {
  struct evp_io *io = &p->io;
  evp_pool_close(p);
  const struct evp_engine *engine = atomic_load(&io->engine);
  if (engine) engine->close(p);
  for (uint32_t i = 0; i < io->ops_used; i++) {
    const struct evp_op *op = evp_table_at(&io->ops, i);
    const bool vectored = op->code == EVPOLL_OP_READV || op->code == EVPOLL_OP_WRITEV;
    if (op->in_flight && vectored) free(op->buffer);
  }
  evp_targets_free(p);
  for (uint32_t i = 0; i < io->lists_used; i++) {
    struct evp_list *l = evp_table_at(&io->lists, i);
    free(l->results);
  }
  free(io->timers.heap);
  evp_table_free(&io->ops);
  evp_table_free(&io->lists);
  evp_mutex_destroy(&io->lock);
}
