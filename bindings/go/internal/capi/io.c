/* SPDX-License-Identifier: MIT */
//go:build (linux || darwin || dragonfly || freebsd || netbsd || openbsd || windows) && !evpoll_system

/* Operations, from submit to their one completion.
 *
 * submit checks each entry, takes slots for those that have room (the lock is held for that
 * alone), and gives them to the engine, which may complete them on another thread before it
 * returns. The engine hands each back once, by evp_io_complete(), and the slot is free again: its
 * next operation has another id. The data buffers are the caller's; what we own is the slot and,
 * for READV and WRITEV, a copy of the iovecs, both until then. */
#include "io.h"

#include <stdio.h>
#include <string.h>

#include "linger.h"
#include "os_file.h"
#include "poller.h"
#include "status.h"

enum { MOST_IOVECS = 1024 };

/* ---- slots -------------------------------------------------------------------------------- */

static struct evp_op *take_op(evpoll *p) {
  struct evp_op *op = p->io.free_ops;
  if (op) {
    p->io.free_ops = op->next;
  } else {
    if (p->io.ops_used >= 1u << EVP_INDEX_BITS) return NULL;
    op = evp_table_reach(&p->io.ops, p->io.ops_used);
    if (!op) return NULL;
    op->id = p->io.ops_used++;
  }
  op->id = evp_id_next(op->id);
  op->next = NULL;
  return op;
}

static uint32_t *uses_of(evpoll *p, evpoll_handle h) {
  return &p->io.uses[(uint64_t)h % EVP_CHECKED_HANDLES];
}

bool evp_io_uses(evpoll *p, evpoll_handle h) {
  uint32_t left = *uses_of(p, h);
  for (uint32_t i = 0; left && i < p->io.ops_used; i++) {
    const struct evp_op *op = evp_table_at(&p->io.ops, i);
    if (!op->in_flight) continue;
    if (op->handle == h) return true;
    left -= uses_of(p, op->handle) == uses_of(p, h);
  }
  return false;
}

/* The iovecs go last: a fork() in between must not leave the child an operation that has them. */
void evp_op_free(evpoll *p, struct evp_op *op) {
  const bool vectored = op->code == EVPOLL_IO_READV || op->code == EVPOLL_IO_WRITEV;
  void *iovecs = vectored ? op->buffer : NULL;
  if (op->in_flight) --*uses_of(p, op->handle);
  op->in_flight = false;
  op->buffer = NULL;
  op->list = NULL;
  free(iovecs);
  op->next = p->io.free_ops;
  p->io.free_ops = op;
}

struct evp_op *evp_io_find(evpoll *p, uint64_t id) {
  struct evp_op *op = evp_table_at(&p->io.ops, evp_id_index(id));
  return op && op->id == id && op->in_flight ? op : NULL;
}

/* ---- checks ------------------------------------------------------------------------------- */

static int32_t check_iovecs(const evpoll_io *io) {
  if (io->length < 1 || io->length > MOST_IOVECS || !io->buffer)
    return evp_fail(EVPOLL_ERR_INVALID);
  const evpoll_iovec *v = (const evpoll_iovec *)(uintptr_t)io->buffer;
  uint64_t total = 0;
  for (uint64_t i = 0; i < io->length; i++) {
    if (v[i].length > (uint64_t)INT64_MAX - total || (!v[i].address && v[i].length))
      return evp_fail(EVPOLL_ERR_INVALID);
    total += v[i].length;
  }
  const bool served = evp_backend.io_features & EVPOLL_FEATURE_VECTORED_IO;
  return served ? 0 : evp_fail(EVPOLL_ERR_UNSUPPORTED);
}

int32_t evp_op_check(const evpoll_io *io) {
  if ((io->flags & ~(uint32_t)EVPOLL_IO_INLINE) || io->reserved || io->offset < 0)
    return evp_fail(EVPOLL_ERR_INVALID);
  switch (io->code) {
  case EVPOLL_IO_READ:
  case EVPOLL_IO_WRITE:
    if (io->length > (uint64_t)INT64_MAX || (!io->buffer && io->length))
      return evp_fail(EVPOLL_ERR_INVALID);
    return 0;
  case EVPOLL_IO_READV:
  case EVPOLL_IO_WRITEV: return check_iovecs(io);
  case EVPOLL_IO_FSYNC:
  case EVPOLL_IO_FDATASYNC:
    return io->offset || io->buffer || io->length ? evp_fail(EVPOLL_ERR_INVALID) : 0;
  }
  return evp_fail(EVPOLL_ERR_INVALID);
}

/* ---- the engine --------------------------------------------------------------------------- */

static int32_t native_allowed(const evpoll *p) {
  return evp_backend.native && !(p->flags & EVPOLL_OPEN_NO_URING);
}

static void say(evpoll *p, char *why, size_t capacity, const char *native) {
  snprintf(why, capacity, "worker pool of at most %u threads (%s)", p->pool_threads, native);
}

/* Lock held. The kernel's own if it serves us, else the pool. Tried once. */
int32_t evp_io_need_engine(evpoll *p) {
  struct evp_io *io = &p->io;
  if (io->engine) return 0;
  if (io->engine_status < 0) return evp_fail(io->engine_status);
  char native[120] = "EVPOLL_OPEN_NO_URING";
  if (native_allowed(p)) {
    const int32_t status = evp_backend.native->open(p, native, sizeof native);
    if (status == 0) {
      snprintf(io->why, sizeof io->why, "%s", native);
      io->engine = evp_backend.native;
      return 0;
    }
    /* Want that may pass: without the pool to serve instead, the next operation tries again. */
    if ((p->flags & EVPOLL_OPEN_NATIVE_IO_ONLY) &&
        (status == EVPOLL_ERR_LIMIT || status == EVPOLL_ERR_NO_MEMORY))
      return status;
  }
  if (p->flags & EVPOLL_OPEN_NATIVE_IO_ONLY) {
    snprintf(io->why, sizeof io->why, "none (EVPOLL_OPEN_NATIVE_IO_ONLY; %s)", native);
    return evp_fail(io->engine_status = EVPOLL_ERR_UNSUPPORTED);
  }
  char pool[32];
  const int32_t status = evp_engine_workers.open(p, pool, sizeof pool);
  if (status < 0) return status; /* no memory: the next submit tries again */
  say(p, io->why, sizeof io->why, native);
  io->engine = &evp_engine_workers;
  return 0;
}

int32_t evp_io_attach(evpoll *p, evpoll_handle h) {
  evp_mutex_lock(&p->io.lock);
  int32_t status = evp_is_shut_down(p) ? evp_fail(EVPOLL_ERR_SHUTDOWN) : evp_kind_attach(p, h);
  if (status == 0) status = evp_io_need_engine(p);
  evp_mutex_unlock(&p->io.lock);
  return status;
}

/* Lock held. What the first operation will be served by. Want that may pass is asked about again,
 * everything else is remembered. */
static void expect_engine(evpoll *p) {
  struct evp_io *io = &p->io;
  int32_t status = EVPOLL_ERR_UNSUPPORTED;
  char native[120] = "EVPOLL_OPEN_NO_URING";
  if (native_allowed(p)) status = evp_backend.native->probe(p, native, sizeof native);
  if (status == 0) {
    snprintf(io->why, sizeof io->why, "%s, made at the first operation", native);
    io->expected = evp_backend.native;
  } else if (p->flags & EVPOLL_OPEN_NATIVE_IO_ONLY) {
    snprintf(io->why, sizeof io->why, "none (EVPOLL_OPEN_NATIVE_IO_ONLY; %s)", native);
    io->expected = NULL;
  } else {
    say(p, io->why, sizeof io->why, native);
    io->expected = &evp_engine_workers;
  }
  io->probed = status == 0 || status == EVPOLL_ERR_UNSUPPORTED;
}

const struct evp_engine *evp_io_engine(evpoll *p, char *why, size_t capacity) {
  struct evp_io *io = &p->io;
  evp_mutex_lock(&io->lock);
  const bool known = io->engine || io->engine_status < 0;
  if (!known && !io->probed) expect_engine(p);
  const struct evp_engine *engine = known ? io->engine : io->expected;
  snprintf(why, capacity, "%s", io->why);
  evp_mutex_unlock(&io->lock);
  return engine;
}

/* Why an operation was not started. What would be "try again" for a socket is want of something
 * here: the engine knows of what. */
static int32_t status_of_refusal(evpoll *p, int os_code) {
  const int32_t status = evp_status_of(os_code);
  const bool want = status == EVPOLL_ERR_WOULD_BLOCK || status == EVPOLL_ERR_BUSY;
  return want ? p->io.engine->want : status;
}

/* ---- submit ------------------------------------------------------------------------------- */

/* Lock held. Fills a slot from a checked entry; every field is written before the engine, or a
 * waiter, can see the operation. */
int32_t evp_op_prepare(evpoll *p, const evpoll_io *io, struct evp_op **out) {
  struct evp_op *op = take_op(p);
  if (!op) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  op->token = io->token;
  op->handle = io->handle;
  op->offset = io->offset;
  op->length = io->length;
  op->code = (uint8_t)io->code;
  op->cancel_asked = false;
  op->refused = false;
  op->cached = evp_kind_is_cached(p, io->handle);
  op->buffer = (void *)(uintptr_t)io->buffer;
  if (io->code == EVPOLL_IO_READV || io->code == EVPOLL_IO_WRITEV) {
    op->buffer = evp_iovec_copy((const evpoll_iovec *)op->buffer, (uint32_t)io->length);
    if (!op->buffer) {
      evp_op_free(p, op);
      return evp_fail(EVPOLL_ERR_NO_MEMORY);
    }
  }
  op->in_flight = true;
  ++*uses_of(p, op->handle);
  *out = op;
  return 0;
}

/* Lock held. n operations enter, or leave without having started. */
void evp_io_count_in(evpoll *p, uint32_t n) {
  if (n && atomic_fetch_add(&p->io.in_flight, n) == 0) evp_attend(p, EVP_ATTN_IO);
}

static void count_out(evpoll *p, uint32_t n) {
  if (n && atomic_fetch_sub(&p->io.in_flight, n) == n)
    atomic_fetch_and(&p->attention, ~(uint32_t)EVP_ATTN_IO);
}

uint32_t evp_io_room(evpoll *p) { return p->io_limit - atomic_load(&p->io.in_flight); }

int32_t evp_io_start(evpoll *p, struct evp_op **chain, int32_t n, bool first, bool from_wait,
                     int *os_code_out) {
  *os_code_out = 0;
  const int32_t done = evp_cached_submit(p, chain, from_wait);
  if (done == n) return n;
  /* Nobody may sleep deaf to the first operation: a single waiter chooses by `attention` what it
   * sleeps on, and may be inside already. */
  if (first && !from_wait && evp_single(p) && evp_poller_inside(p)) evp_backend.ring(p);
  return done + p->io.engine->submit(p, chain, n - done, os_code_out);
}

/* Lock held. The prefix of ios that is in order and has room becomes a chain of operations; the
 * status of the entry that ends it says why. looked: the handle that is known to be good, or -1. */
static uint32_t prepare_prefix(evpoll *p, evpoll_io *ios, uint32_t n, evpoll_handle looked,
                               struct evp_op **chain_out) {
  struct evp_op **end = chain_out;
  uint32_t k = 0;
  for (; k < n; k++) {
    evpoll_io *io = &ios[k];
    int32_t status = evp_op_check(io);
    if (status == 0 && k >= evp_io_room(p)) status = evp_fail(EVPOLL_ERR_AGAIN);
    if (status == 0 && (io->handle < 0 || io->handle != looked))
      status = evp_kind_check(p, looked = io->handle);
    struct evp_op *op = NULL;
    if (status == 0) status = evp_io_need_engine(p);
    if (status == 0) status = evp_op_prepare(p, io, &op);
    if (status != 0) {
      io->status = status;
      break;
    }
    io->op = op->id;
    io->status = 0;
    *end = op;
    end = &op->next;
  }
  return k;
}

/* Takes back what the engine did not start: the end of the chain. */
static void take_back(evpoll *p, struct evp_op *op, uint32_t n) {
  evp_mutex_lock(&p->io.lock);
  while (op) {
    struct evp_op *next = op->next;
    evp_op_free(p, op);
    op = next;
  }
  count_out(p, n);
  evp_mutex_unlock(&p->io.lock);
}

static int32_t submit_rest(evpoll *p, evpoll_io *ios, int32_t n, evpoll_handle looked,
                           bool from_wait) {
  for (int32_t i = 0; i < n; i++) {
    ios[i].op = 0;
    ios[i].status = EVPOLL_ERR_AGAIN;
  }
  struct evp_op *chain = NULL;
  evp_mutex_lock(&p->io.lock);
  if (evp_is_shut_down(p)) {
    evp_mutex_unlock(&p->io.lock);
    return evp_fail(EVPOLL_ERR_SHUTDOWN);
  }
  const bool first = atomic_load(&p->io.in_flight) == 0;
  const uint32_t k = prepare_prefix(p, ios, (uint32_t)n, looked, &chain);
  evp_io_count_in(p, k);
  evp_mutex_unlock(&p->io.lock);
  if (k == 0) return 0;

  int os_code;
  /* From here on an operation, its completion delivered, may be gone. The engine keeps in `rest`
   * what it did not start, and touches no entry of ios. */
  struct evp_op *rest = chain;
  const int32_t started = evp_io_start(p, &rest, (int32_t)k, first, from_wait, &os_code);
  atomic_fetch_add_explicit(&p->io.submitted, (uint64_t)started, memory_order_relaxed);
  if (started < (int32_t)k) {
    take_back(p, rest, k - (uint32_t)started);
    for (uint32_t i = (uint32_t)started; i < k; i++) {
      ios[i].op = 0;
      ios[i].status = EVPOLL_ERR_AGAIN;
    }
    /* A completion makes room, if there is one to come. */
    int32_t status = status_of_refusal(p, os_code);
    if (status == p->io.engine->want && atomic_load(&p->io.in_flight)) status = EVPOLL_ERR_AGAIN;
    ios[started].status = evp_fail_as(status, os_code);
  }
  return started;
}

int32_t evp_io_submit(evpoll *p, evpoll_io *ios, int32_t n, bool from_wait) {
  evpoll_handle looked;
  const int32_t ended = evp_cached_inline(p, ios, n, &looked);
  if (ended == n) return n;
  const int32_t started = submit_rest(p, ios + ended, n - ended, looked, from_wait);
  if (ended == 0 || started >= 0) return ended + started;
  ios[ended].status = started; /* shut down meanwhile */
  return ended;
}

/* ---- cancel ------------------------------------------------------------------------------- */

/* Lock held. The engine's cancel never completes anything in place. */
static int32_t ask(evpoll *p, struct evp_op *op) {
  if (op->cancel_asked) return 1;
  op->cancel_asked = true;
  p->io.engine->cancel(p, op);
  return 1;
}

static int32_t ask_all(evpoll *p, struct evp_list *list, const evpoll_handle *h) {
  int32_t asked = 0;
  for (uint32_t i = 0; i < p->io.ops_used; i++) {
    struct evp_op *op = evp_table_at(&p->io.ops, i);
    if (op && op->in_flight && (!list || op->list == list) && (!h || op->handle == *h))
      asked += ask(p, op);
  }
  return asked;
}

int32_t evp_io_cancel(evpoll *p, uint64_t op) {
  int32_t asked = 0;
  evp_mutex_lock(&p->io.lock);
  struct evp_op *single = evp_io_find(p, op);
  struct evp_list *list = evp_list_find(p, op);
  if (op == EVPOLL_OP_ALL)
    asked = ask_all(p, NULL, NULL);
  else if (single)
    asked = ask(p, single);
  else if (list)
    asked = ask_all(p, list, NULL);
  evp_mutex_unlock(&p->io.lock);
  return asked || op == EVPOLL_OP_ALL ? asked : evp_fail(EVPOLL_ERR_NOT_FOUND);
}

int32_t evp_io_cancel_handle(evpoll *p, evpoll_handle h) {
  if (h < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  evp_mutex_lock(&p->io.lock);
  const int32_t asked = ask_all(p, NULL, &h);
  evp_mutex_unlock(&p->io.lock);
  return asked;
}

/* ---- completions -------------------------------------------------------------------------- */

bool evp_io_complete(evpoll *p, struct evp_op *op, evpoll_event *out) {
  const int os_code = op->result < 0 ? (int)-op->result : 0;
  const int64_t result = os_code ? os_code : op->result;
  const int32_t status = op->refused ? status_of_refusal(p, os_code) : evp_status_of(os_code);
  if (os_code) evp_kind_doubt(p, op->handle);
  p->io.completed++;
  p->io.cancelled += status == EVPOLL_ERR_CANCELLED;
  bool event = true;
  if (op->list)
    event = evp_list_complete(op->list, op->entry, result, status, out);
  else
    *out = (evpoll_event){op->token, op->id, result, EVPOLL_IO, status};
  const evpoll_handle h = op->handle;
  evp_op_free(p, op);
  if (p->io.lingering && !evp_io_uses(p, h)) evp_linger_over(p, h);
  return event;
}

bool evp_io_keep(evpoll *p, struct evp_op *op) {
  struct evp_io *io = &p->io;
  op->next = NULL;
  const bool first = !atomic_load_explicit(&io->done_first, memory_order_relaxed);
  if (first)
    atomic_store_explicit(&io->done_first, op, memory_order_release);
  else
    io->done_last->next = op;
  io->done_last = op;
  return first;
}

void evp_io_done_locked(evpoll *p, struct evp_op *op) {
  if (evp_io_keep(p, op)) evp_backend.ring(p);
}

void evp_io_done(evpoll *p, struct evp_op *op) {
  evp_mutex_lock(&p->io.lock);
  evp_io_done_locked(p, op);
  evp_mutex_unlock(&p->io.lock);
}

bool evp_io_has_completions(evpoll *p) {
  if (!atomic_load(&p->io.in_flight)) return false;
  if (atomic_load_explicit(&p->io.done_first, memory_order_acquire)) return true;
  return p->io.engine->has_completions(p);
}

int32_t evp_io_collect(evpoll *p, evpoll_event *out, int32_t capacity) {
  struct evp_io *io = &p->io;
  int32_t n = 0;
  evp_mutex_lock(&io->lock);
  const uint64_t before = io->completed;
  struct evp_op *op;
  while (n < capacity && (op = atomic_load_explicit(&io->done_first, memory_order_relaxed))) {
    atomic_store_explicit(&io->done_first, op->next, memory_order_relaxed);
    n += evp_io_complete(p, op, &out[n]);
  }
  if (n < capacity && io->engine) n += io->engine->collect(p, out + n, capacity - n);
  count_out(p, (uint32_t)(io->completed - before)); /* once, since it is an atomic operation */
  struct evp_linger *ended = io->ended;
  io->ended = NULL;
  evp_mutex_unlock(&io->lock);
  if (ended) evp_linger_close_files(ended);
  return n;
}

/* ---- open and close ----------------------------------------------------------------------- */

void evp_io_open(evpoll *p) {
  evp_mutex_init(&p->io.lock);
  p->io.ops.entry_size = sizeof(struct evp_op);
  p->io.lists.entry_size = sizeof(struct evp_list);
  for (int i = 0; i < EVP_CHECKED_HANDLES; i++) p->io.checked[i].handle = -1;
}

void evp_io_close(evpoll *p) {
  struct evp_io *io = &p->io;
  if (io->engine) io->engine->close(p);
  for (uint32_t i = 0; i < io->ops_used; i++) { /* some are left in a forked child */
    struct evp_op *op = evp_table_at(&io->ops, i);
    if (op->in_flight) evp_op_free(p, op);
  }
  evp_linger_close_files(io->lingering);
  evp_linger_close_files(io->ended);
  for (uint32_t i = 0; i < io->lists_used; i++) {
    struct evp_list *l = evp_table_at(&io->lists, i);
    free(l->results);
  }
  evp_table_free(&io->ops);
  evp_table_free(&io->lists);
  evp_mutex_destroy(&io->lock);
}
