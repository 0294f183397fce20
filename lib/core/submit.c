/* SPDX-License-Identifier: MIT */
/* Submission: entries are checked, each for itself, and become operations. A use of each handle
 * (target.h) lasts until they were started. */
#include "core/poller.h"
#include "core/status.h"
#include "core/target.h"
#include "core/timer.h"

enum { MOST_IOVECS = 1024, BATCH = 64 };

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
  return 0;
}

/* The flags that make sense for a code. */
static const uint8_t fitting_flags[] = {
    [EVPOLL_OP_READ] = EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT | EVPOLL_OPF_ALL,
    [EVPOLL_OP_WRITE] = EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT | EVPOLL_OPF_ALL |
                        EVPOLL_OPF_DURABLE | EVPOLL_OPF_MORE,
    [EVPOLL_OP_READV] = EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT,
    [EVPOLL_OP_WRITEV] =
        EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT | EVPOLL_OPF_DURABLE | EVPOLL_OPF_MORE,
    [EVPOLL_OP_FSYNC] = EVPOLL_OPF_INLINE,
    [EVPOLL_OP_FDATASYNC] = EVPOLL_OPF_INLINE,
    [EVPOLL_OP_CLOSE] = EVPOLL_OPF_INLINE | EVPOLL_OPF_ABORT,
    [EVPOLL_OP_POLL] = EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT,
    [EVPOLL_OP_ACCEPT] = EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT,
    [EVPOLL_OP_CONNECT] = EVPOLL_OPF_INLINE,
    [EVPOLL_OP_RECV_MESSAGE] = EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT,
    [EVPOLL_OP_SEND_MESSAGE] = EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT,
    [EVPOLL_OP_SEND_FILE] = EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT | EVPOLL_OPF_MORE,
    [EVPOLL_OP_SHUTDOWN] = EVPOLL_OPF_INLINE,
    [EVPOLL_OP_SIZE] = EVPOLL_OPF_INLINE,
    [EVPOLL_OP_TRUNCATE] = EVPOLL_OPF_INLINE,
    [EVPOLL_OP_APPEND] = EVPOLL_OPF_INLINE | EVPOLL_OPF_DURABLE,
    [EVPOLL_OP_TIMER] = EVPOLL_OPF_INLINE | EVPOLL_OPF_ABSOLUTE,
};

/* Code, then flags, before any other field, so that a program can ask by trying. */
static int32_t check_code(const evpoll_io *io) {
  const uint32_t known = EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT | EVPOLL_OPF_ALL |
                         EVPOLL_OPF_DURABLE | EVPOLL_OPF_ABSOLUTE | EVPOLL_OPF_ABORT |
                         EVPOLL_OPF_MORE;
  if (io->code < EVPOLL_OP_READ || io->code > EVPOLL_OP_TIMER)
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  const uint32_t wrong = io->flags & ~(uint32_t)fitting_flags[io->code];
  if (!wrong) return 0;
  return evp_fail(wrong & ~known ? EVPOLL_ERR_UNSUPPORTED : EVPOLL_ERR_INVALID);
}

static bool is_good_timer(const evpoll_io *io) {
  const bool early = io->offset < 0 && !(io->flags & EVPOLL_OPF_ABSOLUTE);
  return io->handle == -1 && !early && !io->buffer && !io->length && !io->timeout_ms;
}

int32_t evp_op_check(const evpoll_io *io) {
  const int32_t status = check_code(io);
  if (status < 0) return status;
  if (io->code == EVPOLL_OP_TIMER) return is_good_timer(io) ? 0 : evp_fail(EVPOLL_ERR_INVALID);
  if (io->handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  switch (io->code) {
  case EVPOLL_OP_CLOSE: /* nothing can end it */
    if (io->timeout_ms) return evp_fail(EVPOLL_ERR_INVALID);
    break;
  case EVPOLL_OP_READ:
  case EVPOLL_OP_WRITE:
    if (io->offset < 0 || io->length > (uint64_t)INT64_MAX || (!io->buffer && io->length))
      return evp_fail(EVPOLL_ERR_INVALID);
    return 0;
  case EVPOLL_OP_READV:
  case EVPOLL_OP_WRITEV: return io->offset < 0 ? evp_fail(EVPOLL_ERR_INVALID) : check_iovecs(io);
  case EVPOLL_OP_APPEND: {
    const bool is_record = io->buffer && io->length && io->length <= (uint64_t)INT64_MAX;
    return io->offset || !is_record ? evp_fail(EVPOLL_ERR_INVALID) : 0;
  }
  case EVPOLL_OP_TRUNCATE:
    return io->offset < 0 || io->buffer || io->length ? evp_fail(EVPOLL_ERR_INVALID) : 0;
  }
  if (io->code > EVPOLL_OP_CLOSE && io->code < EVPOLL_OP_SIZE)
    return 0; /* the handle's kind is to say */
  return io->offset || io->buffer || io->length ? evp_fail(EVPOLL_ERR_INVALID) : 0;
}

bool evp_op_fits(const struct evp_target *t, const evpoll_io *io) {
  if (evp_is_stream(&t->stream)) return true; /* evp_stream_check() says */
  if (t->only_foreign || (io->code > EVPOLL_OP_CLOSE && io->code < EVPOLL_OP_SIZE)) return false;
  if (io->code == EVPOLL_OP_APPEND) return t->file.appends;
  return !t->file.appends || (io->code != EVPOLL_OP_WRITE && io->code != EVPOLL_OP_WRITEV);
}

/* ---- batches ------------------------------------------------------------------------------ */

struct batch {
  struct evp_target *targets[BATCH]; /* with a use of each */
  struct evp_target *of[BATCH];
  evpoll_io *ios[BATCH];
  int64_t moved[BATCH];            /* in the call, of a stream's */
  struct evp_target *files[BATCH]; /* SEND_FILE: with a use */
  uint32_t n, target_count;
  uint64_t due;  /* a bit for each of the targets: streams that have something to do */
  uint64_t seen; /* a bit for some of the handles that have entries */
  bool from_wait;
};

/* What is to be offered again stays as it was. */
static void refuse_entry(evpoll_io *io, int32_t status) {
  io->op = 0;
  io->status = status;
  if (status != EVPOLL_ERR_AGAIN) io->offset = evpoll_os_error();
}

/* Of what was begun in the call some bytes were moved: that is how it ends, if it cannot go on. */
static uint32_t refuse_begun(evpoll *p, struct batch *b, uint32_t i, int32_t status) {
  evpoll_io *io = b->ios[i];
  if (!b->moved[i]) {
    refuse_entry(io, status);
    return 0;
  }
  evp_stream_let_go(b->of[i], io);
  evp_io_end_entry(p, io, 0, b->moved[i]);
  return 1;
}

static int32_t admit(evpoll *p, const evpoll_io *io, struct evp_target *t, bool room, int64_t *now,
                     struct evp_op **out) {
  if (evp_is_shut_down(p)) return evp_fail(EVPOLL_ERR_SHUTDOWN);
  if (t && atomic_load(&t->uses) & EVP_ENDED) return evp_fail(EVPOLL_ERR_NOT_FOUND);
  if (!room) return evp_fail(EVPOLL_ERR_AGAIN);
  return evp_op_prepare(p, io, t, now, out);
}

/* The entries that are in order and have room become operations: of files a chain, of streams
 * queued. *ended_out: how many ended here. */
static uint32_t prepare_batch(evpoll *p, struct batch *b, struct evp_op **chain_out,
                              uint32_t *ended_out) {
  struct evp_op **end = chain_out;
  uint32_t taken = 0;
  int64_t now = 0;
  evp_io_lock(p);
  if (p->io.engine_waits && --p->io.engine_waits == 0) evp_io_need_engine(p);
  const uint32_t room = evp_io_room(p);
  for (uint32_t i = 0; i < b->n; i++) {
    struct evp_op *op = NULL;
    const int32_t status = admit(p, b->ios[i], b->of[i], taken < room, &now, &op);
    if (status < 0) {
      *ended_out += refuse_begun(p, b, i, status);
      if (b->files[i]) evp_target_drop_later(p, b->files[i]);
      continue;
    }
    op->entry = i;
    b->ios[i]->op = op->id;
    b->ios[i]->status = 0;
    taken++;
    op->moved = b->moved[i];
    op->file = b->files[i];
    if (!op->target) continue;
    if (evp_is_stream(&b->of[i]->stream)) {
      evp_stream_queue(b->of[i], op);
    } else {
      *end = op;
      end = &op->next;
    }
  }
  *end = NULL;
  for (uint32_t i = 0; i < b->target_count; i++)
    if (evp_is_stream(&b->targets[i]->stream) && evp_stream_is_due(b->targets[i]))
      b->due |= (uint64_t)1 << i;
  evp_io_count_in(p, taken);
  evp_io_unlock(p);
  return taken;
}

/* Takes back what ended in the call, and what nobody could start, and counts both. */
static void take_batch_back(evpoll *p, struct batch *b, struct evp_op *op, int os_code,
                            uint32_t *ended_out, uint32_t *refused_out) {
  const int32_t status = evp_io_refusal(p, os_code);
  evp_io_lock(p);
  for (struct evp_op *next; op; op = next) {
    next = op->next;
    evpoll_io *io = b->ios[op->entry];
    io->op = 0;
    if (op->ended) {
      io->offset = op->result;
      ++*ended_out;
    } else {
      evp_set_os_code(os_code);
      refuse_entry(io, status);
      ++*refused_out;
    }
    evp_op_free(p, op);
  }
  evp_io_count_out(p, *ended_out + *refused_out);
  evp_io_unlock(p);
}

/* Starts what was gathered; returns how many entries were accepted. */
static int32_t start_batch(evpoll *p, struct batch *b) {
  struct evp_op *chain = NULL;
  uint32_t begun = 0, ended = 0, refused = 0;
  const uint32_t taken = b->n ? prepare_batch(p, b, &chain, &begun) : 0;
  bool finished = false;
  if (taken) {
    /* From here on an operation, its completion delivered, may be gone; so may its target, but for
     * the uses that this thread has. */
    int os_code = 0;
    if (chain) evp_io_start(p, &chain, b->from_wait, &os_code);
    if (chain) take_batch_back(p, b, chain, os_code, &ended, &refused);
    atomic_fetch_add_explicit(&p->io.submitted, taken - ended - refused, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->io.cached.ended_inline, ended, memory_order_relaxed);
  }
  for (uint32_t i = 0; i < b->target_count; i++) {
    if (b->due >> i & 1) finished |= evp_stream_run(p, b->targets[i]);
    evp_target_drop(p, b->targets[i]);
  }
  if (finished && !b->from_wait) evp_io_tell(p);
  b->n = b->target_count = 0;
  b->due = b->seen = 0;
  return (int32_t)(taken - refused + begun);
}

/* The target of an entry, with a use that lasts until the batch was started. */
static struct evp_target *target_of(evpoll *p, struct batch *b, evpoll_handle h) {
  struct evp_target *last = b->target_count ? b->targets[b->target_count - 1] : NULL;
  if (last && last->handle == h) return last;
  struct evp_target *t = evp_target_acquire(p, h);
  if (t) b->targets[b->target_count++] = t;
  return t;
}

/* NOWAIT: what lies in the cache, where it can be asked for. */
static int32_t take_file_entry(evpoll *p, struct evp_target *t, evpoll_io *io) {
  const bool nowait = io->flags & EVPOLL_OPF_NOWAIT;
  if (nowait && !(t->file.cached && io->code == EVPOLL_OP_READ))
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  const bool here = nowait || (io->flags & EVPOLL_OPF_INLINE);
  if (here && t->file.ready && evp_cached_inline(p, t, io)) return 1;
  return nowait ? evp_fail(EVPOLL_ERR_WOULD_BLOCK) : 0;
}

static uint64_t bit_of(evpoll_handle h) { return (uint64_t)1 << (h & 63); }

/* Does an entry of the batch stand before this one, in its direction perhaps? */
static bool is_behind(const struct batch *b, const evpoll_io *io) {
  if (!(b->seen & bit_of(io->handle))) return false;
  for (uint32_t i = 0; i < b->n; i++)
    if (b->ios[i]->handle == io->handle) return true;
  return false;
}

static int32_t find_file(evpoll *p, const evpoll_io *io, struct evp_target **out) {
  *out = NULL;
  if (io->code != EVPOLL_OP_SEND_FILE) return 0;
  struct evp_target *file = evp_target_acquire(p, (evpoll_handle)io->buffer);
  if (!file) return evp_fail(EVPOLL_ERR_NOT_FOUND);
  if (evp_is_stream(&file->stream) || file->only_foreign) {
    evp_target_drop(p, file);
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  }
  *out = file;
  return 0;
}

/* 1: it ended here; 0: it is to wait; else why it is refused. */
static int32_t try_stream_entry(evpoll *p, struct batch *b, struct evp_target *t, evpoll_io *io) {
  int64_t moved = 0;
  int32_t status = 0;
  const bool nowait = io->flags & EVPOLL_OPF_NOWAIT;
  if (nowait || (io->flags & EVPOLL_OPF_INLINE)) {
    if (!is_behind(b, io))
      status = evp_stream_try(p, t, b->files[b->n], io, &moved);
    else if (nowait)
      status = evp_fail(EVPOLL_ERR_WOULD_BLOCK);
  }
  b->moved[b->n] = moved;
  return status;
}

static int32_t take_stream_entry(evpoll *p, struct batch *b, struct evp_target *t, evpoll_io *io) {
  struct evp_target **file = &b->files[b->n];
  int32_t status = evp_stream_check(t, io);
  if (status == 0) status = find_file(p, io, file);
  if (status < 0) return status;
  status = try_stream_entry(p, b, t, io);
  if (status && *file) evp_target_drop(p, *file);
  if (!status) b->seen |= bit_of(io->handle);
  return status;
}

static int32_t take_timer(evpoll *p, struct batch *b, evpoll_io *io) {
  if ((io->flags & EVPOLL_OPF_INLINE) && evp_timer_is_past(io)) {
    evp_io_end_entry(p, io, 0, 0);
    return 1;
  }
  b->ios[b->n] = io;
  b->moved[b->n] = 0;
  b->files[b->n] = NULL;
  b->of[b->n++] = NULL;
  return 0;
}

/* 1: it ended here, or CLOSE was accepted; 0: it waits in the batch; else why it is refused. */
static int32_t take_entry(evpoll *p, struct batch *b, evpoll_io *io) {
  const int32_t status = evp_op_check(io);
  if (status < 0) return status;
  if (io->code == EVPOLL_OP_CLOSE) {
    const int32_t closing = evp_target_close(p, io);
    return closing < 0 ? closing : 1;
  }
  if (evp_is_shut_down(p)) return evp_fail(EVPOLL_ERR_SHUTDOWN);
  if (io->code == EVPOLL_OP_TIMER) return take_timer(p, b, io);
  struct evp_target *t = target_of(p, b, io->handle);
  if (!t) return evp_fail(EVPOLL_ERR_NOT_FOUND);
  if (!evp_op_fits(t, io)) return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  b->moved[b->n] = 0;
  b->files[b->n] = NULL;
  const int32_t taken =
      evp_is_stream(&t->stream) ? take_stream_entry(p, b, t, io) : take_file_entry(p, t, io);
  if (taken) return taken;
  b->ios[b->n] = io;
  b->of[b->n++] = t;
  return 0;
}

int32_t evp_io_submit(evpoll *p, evpoll_io *ios, int32_t n, bool from_wait) {
  struct batch b;
  b.n = b.target_count = 0;
  b.due = b.seen = 0;
  b.from_wait = from_wait;
  int32_t accepted = 0;
  for (int32_t i = 0; i < n; i++) {
    /* What stands before a CLOSE is started before it. */
    if (b.target_count == BATCH || b.n == BATCH || ios[i].code == EVPOLL_OP_CLOSE)
      accepted += start_batch(p, &b);
    const int32_t status = take_entry(p, &b, &ios[i]);
    if (status < 0) refuse_entry(&ios[i], status);
    accepted += status > 0 && ios[i].status == 0;
  }
  return accepted + start_batch(p, &b);
}
