/* SPDX-License-Identifier: MIT */
/* Who serves an operation: the kernel's own engine, the pool, or the call itself. */
#include <stdio.h>

#include "core/append.h"
#include "core/poller.h"
#include "core/status.h"
#include "core/target.h"
#include "core/workers.h"

enum { ENGINE_PAUSE = 64 };

/* The pool's on every system. */
#define EVP_POOL_CODES (1u << EVPOLL_OP_SIZE | 1u << EVPOLL_OP_TRUNCATE | 1u << EVPOLL_OP_APPEND)

bool evp_io_has_pool(evpoll *p) {
  const int32_t os_code = evpoll_os_error();
  if (evp_pool_allowed(p) && evp_pool_need(p) == 0) return true;
  evp_set_os_code(os_code);
  return false;
}

static void say_pool(evpoll *p, const char *native) {
  if (evp_pool_allowed(p))
    snprintf(p->io.why, sizeof p->io.why, "worker pool of at most %u threads (%s)", p->pool_threads,
             native);
  else
    snprintf(p->io.why, sizeof p->io.why, "none (EVPOLL_OPEN_NATIVE_IO_ONLY; %s)", native);
}

/* Lock held. The kernel's own engine, made if it was not. Want that may pass is not remembered: it
 * is tried again, now and then while the pool serves. */
int32_t evp_io_need_engine(evpoll *p) {
  struct evp_io *io = &p->io;
  if (atomic_load_explicit(&io->engine, memory_order_relaxed)) return 0;
  if (io->engine_refused) return EVPOLL_ERR_UNSUPPORTED;
  char said[120] = "EVPOLL_OPEN_NO_URING";
  const int32_t os_code = evpoll_os_error();
  int32_t status = EVPOLL_ERR_UNSUPPORTED;
  if (evp_backend.native && !(p->flags & EVPOLL_OPEN_NO_URING))
    status = evp_backend.native->open(p, said, sizeof said);
  if (status == 0) {
    snprintf(io->why, sizeof io->why, "%s", said);
    atomic_store_explicit(&io->engine, evp_backend.native, memory_order_release);
    return 0;
  }
  if (evp_pool_allowed(p)) evp_set_os_code(os_code); /* no failure of the call's: the pool serves */
  io->engine_refused = status != EVPOLL_ERR_LIMIT && status != EVPOLL_ERR_NO_MEMORY;
  io->engine_waits = ENGINE_PAUSE;
  say_pool(p, said);
  return status;
}

const struct evp_engine *evp_io_engine(evpoll *p, char *why, size_t capacity) {
  evp_io_lock(p);
  evp_io_need_engine(p);
  const struct evp_engine *engine = atomic_load_explicit(&p->io.engine, memory_order_relaxed);
  snprintf(why, capacity, "%s", p->io.why);
  evp_io_unlock(p);
  return engine;
}

int32_t evp_io_look(evpoll *p, struct evp_target *t) {
  const int32_t looked = evp_stream_look(t->handle, &t->stream.kind);
  /* What binds handles does so in any case. */
  const bool binds = evp_backend.native && evp_backend.native->leave;
  if (looked < 0) return looked;
  if (evp_is_stream(&t->stream)) return binds ? evp_backend.native->look(p, t) : 0;
  evp_io_lock(p);
  int32_t status = evp_io_need_engine(p);
  evp_io_unlock(p);
  const bool served = status == 0;
  if (!served && !evp_pool_allowed(p)) return status;
  if (evp_backend.native && evp_backend.native->look && (served || binds))
    status = evp_backend.native->look(p, t);
  else
    status = evp_file_look(t->handle, &t->file);
  if (status < 0 || t->only_foreign || (served && !t->pooled)) return status;
  if (!evp_pool_allowed(p)) return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  evp_io_lock(p);
  status = evp_pool_need(p);
  evp_io_unlock(p);
  return status;
}

/* Why an operation was not started. What would be "try again" for a socket is want of something
 * here: the engine knows of what. */
int32_t evp_io_refusal(evpoll *p, int os_code) {
  const int32_t status = evp_status_of_operation(os_code);
  const struct evp_engine *engine = atomic_load_explicit(&p->io.engine, memory_order_relaxed);
  const bool want = status == EVPOLL_ERR_AGAIN || status == EVPOLL_ERR_BUSY;
  return want ? (engine ? engine->want : EVPOLL_ERR_LIMIT) : status;
}

int32_t evp_io_need_pool(evpoll *p) {
  return evp_pool_allowed(p) ? evp_pool_need(p) : evp_fail(EVPOLL_ERR_UNSUPPORTED);
}

static bool engine_serves(const struct evp_engine *engine, const evpoll_io *io) {
  if ((io->flags & EVPOLL_OPF_DURABLE) && !engine->durable) return false;
  return !((engine->pool_codes | EVP_POOL_CODES) >> io->code & 1);
}

int32_t evp_io_server(evpoll *p, const struct evp_target *t, const evpoll_io *io) {
  const bool vectored = io->code == EVPOLL_OP_READV || io->code == EVPOLL_OP_WRITEV;
  if (vectored && !(evp_backend.io_features & EVPOLL_FEATURE_VECTORED_IO))
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  const struct evp_engine *engine = atomic_load_explicit(&p->io.engine, memory_order_relaxed);
  if (engine && !t->pooled && engine_serves(engine, io))
    return engine->late_codes >> io->code & 1 ? EVP_NAMES_LATE : 0;
  const int32_t status = evp_io_need_pool(p);
  return status < 0 ? status : EVP_IN_POOL | EVP_NAMES_LATE;
}

/* Moves those that the pool is to do from a chain to its queue. What it cannot have stays. */
static void give_pool(evpoll *p, struct evp_op **chain) {
  for (struct evp_op **at = chain, *op; (op = *at);) {
    struct evp_op *next = op->next;
    if (op->code == EVPOLL_OP_APPEND)
      evp_append_give(p, at);
    else if (op->in_pool && evp_pool_give(p, op))
      *at = next;
    else
      at = &op->next;
  }
}

static bool none_is_left(const struct evp_op *op) {
  while (op && op->ended) op = op->next;
  return !op;
}

/* The engine has no room: the pool has. They are nobody's yet, so that each has its use. */
static void fall_back(evpoll *p, struct evp_op *chain) {
  evp_io_lock(p);
  if (evp_io_has_pool(p))
    for (struct evp_op *op = chain; op; op = op->next) {
      if (op->ended) continue;
      if (!op->uses) evp_target_share(op->target);
      op->in_pool = op->uses = true;
    }
  evp_io_unlock(p);
}

void evp_io_start(evpoll *p, struct evp_op **chain, bool from_wait, int *os_code_out) {
  *os_code_out = 0;
  evp_cached_submit(p, chain, from_wait);
  give_pool(p, chain);
  const struct evp_engine *engine = atomic_load_explicit(&p->io.engine, memory_order_acquire);
  if (!*chain) return;
  if (engine) engine->submit(p, chain, os_code_out);
  if (none_is_left(*chain)) return;
  fall_back(p, *chain);
  give_pool(p, chain);
}
