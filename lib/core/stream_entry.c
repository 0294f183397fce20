/* SPDX-License-Identifier: MIT */
/* Entries for a stream: what they may ask for, and what is done of them in the call that submits
 * them. */
#include "core/flow.h"
#include "core/poller.h"
#include "core/status.h"

/* ---- what it may be asked for ------------------------------------------------------------- */

static bool serves(uint8_t kind, uint32_t code) {
  switch (code) {
  case EVPOLL_OP_POLL: return true;
  case EVPOLL_OP_READ:
  case EVPOLL_OP_WRITE:
  case EVPOLL_OP_READV:
  case EVPOLL_OP_WRITEV: return kind != EVP_WATCHED;
  }
  return evp_flow_of(code) != EVP_FLOWS && (kind == EVP_TCP || kind == EVP_SOCKET);
}

static int32_t check_fields(const evpoll_io *io) {
  const uint64_t bits = EVPOLL_READABLE | EVPOLL_WRITABLE | EVPOLL_PRIORITY | EVPOLL_READ_CLOSED;
  switch (io->code) {
  case EVPOLL_OP_READ: return io->length ? 0 : EVPOLL_ERR_INVALID;
  case EVPOLL_OP_POLL:
    if (io->buffer || !io->length || (io->length & ~bits)) return EVPOLL_ERR_INVALID;
    return evp_backend.features & EVPOLL_FEATURE_PRIORITY || !(io->length & EVPOLL_PRIORITY)
               ? 0
               : EVPOLL_ERR_UNSUPPORTED;
  case EVPOLL_OP_ACCEPT: return io->length == (io->buffer ? 2u : 0u) ? 0 : EVPOLL_ERR_INVALID;
  case EVPOLL_OP_SEND_FILE: return io->length <= INT64_MAX ? 0 : EVPOLL_ERR_INVALID;
  case EVPOLL_OP_CONNECT: return io->buffer || io->length ? EVPOLL_ERR_UNSUPPORTED : 0;
  case EVPOLL_OP_SHUTDOWN:
    return !io->buffer && io->length >= EVPOLL_SHUTDOWN_READ && io->length <= EVPOLL_SHUTDOWN_BOTH
               ? 0
               : EVPOLL_ERR_INVALID;
  case EVPOLL_OP_RECV_MESSAGE:
  case EVPOLL_OP_SEND_MESSAGE:
    if (io->length != 1 || !io->buffer) return EVPOLL_ERR_INVALID;
    return evp_message_check((const evpoll_message *)(uintptr_t)io->buffer,
                             io->code == EVPOLL_OP_SEND_MESSAGE);
  }
  return 0;
}

int32_t evp_stream_check(const struct evp_target *t, const evpoll_io *io) {
  if (!serves(t->stream.kind.kind, io->code) || (io->flags & EVPOLL_OPF_DURABLE) ||
      (io->code == EVPOLL_OP_ACCEPT && t->stream.kind.waits))
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  const bool placed = io->code == EVPOLL_OP_SEND_FILE;
  const bool good = placed ? io->offset >= 0 : io->offset == 0;
  const int32_t status = good ? check_fields(io) : EVPOLL_ERR_INVALID;
  return status < 0 ? evp_fail(status) : 0;
}

/* ---- in the call -------------------------------------------------------------------------- */

/* Lock held. 1: the direction is the caller's now; 0: there is a queue, or nothing to be had. */
static int32_t claim_flow(const struct evp_target *t, struct evp_flow *f, const evpoll_io *io) {
  const bool nowait = io->flags & EVPOLL_OPF_NOWAIT;
  if (f->busy || f->first || t->stream.connecting) return 0;
  if (!nowait && !f->ready && io->code != EVPOLL_OP_SHUTDOWN) return 0;
  f->busy = true;
  f->noted = false;
  return 1;
}

static int64_t perform_entry(const struct evp_stream_call *c) {
  int64_t result = evp_stream_perform(c);
  if (c->code == EVPOLL_OP_ACCEPT)
    for (int i = 0; i < EVP_MOST_CALLS && evp_stream_try_again(result); i++)
      result = evp_stream_perform(c);
  return result;
}

/* A poll takes no turn. */
static int32_t try_taken(evpoll *p, struct evp_target *t, evpoll_io *io,
                         const struct evp_stream_call *c, int64_t *moved_out, int64_t *result_out) {
  struct evp_flow *f = evp_flow_for(t, io->code);
  evp_io_lock(p);
  const int32_t taken = claim_flow(t, f, io);
  const int error = taken ? f->error : 0;
  if (taken) f->error = 0;
  evp_io_unlock(p);
  if (!taken) return 0;
  const int64_t result = error ? error : perform_entry(c);
  const bool whole = (io->flags & EVPOLL_OPF_ALL) || io->code == EVPOLL_OP_SEND_FILE;
  const bool all = whole && !(io->flags & EVPOLL_OPF_NOWAIT);
  *result_out = result;
  evp_io_lock(p);
  evp_flow_learn(p, t, f, c, result);
  if (all && result > 0 && (uint64_t)result < io->length)
    *moved_out = result; /* nobody comes between: the direction stays taken */
  else
    f->busy = false;
  const bool others = !f->busy && f->first;
  evp_io_unlock(p);
  if (others && evp_stream_run(p, t)) evp_io_tell(p);
  return 1;
}

int32_t evp_stream_try(evpoll *p, struct evp_target *t, struct evp_target *file, evpoll_io *io,
                       int64_t *moved_out) {
  const bool nowait = io->flags & EVPOLL_OPF_NOWAIT;
  const struct evp_stream_call c = {
      .handle = io->handle,
      .kind = &t->stream.kind,
      .code = io->code,
      .more = io->flags & EVPOLL_OPF_MORE,
      .buffer = (void *)(uintptr_t)io->buffer,
      .length = io->length,
      .file = file ? file->handle : -1,
      .place = io->offset,
      .cached = file && file->file.cached,
  };
  int64_t result = 0;
  int32_t tried = 1;
  *moved_out = 0;
  if (io->code == EVPOLL_OP_POLL)
    result = evp_stream_perform(&c);
  else
    tried = try_taken(p, t, io, &c, moved_out, &result);
  if (*moved_out) return 0;
  if (!tried || evp_stream_not_now(result) || result == EVP_STREAM_MISS)
    return nowait ? evp_fail(EVPOLL_ERR_WOULD_BLOCK) : 0;
  evp_io_end_entry(p, io, result < 0 ? evp_status_of((int)-result) : 0, result);
  return 1;
}

void evp_stream_let_go(struct evp_target *t, const evpoll_io *io) {
  evp_flow_for(t, io->code)->busy = false;
}
