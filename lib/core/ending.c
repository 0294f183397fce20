/* SPDX-License-Identifier: MIT */
/* How a registration for operations ends: by remove, by an add over it, by CLOSE. Nothing is
 * accepted any more, what the pool has queued is taken out, the kernel is asked for the rest; the
 * last use, which goes once, leaves the port and closes. */
#include "core/poller.h"
#include "core/status.h"
#include "core/target.h"
#include "core/workers.h"

static void forget(evpoll *p, struct evp_target *t) {
  evp_mutex_lock(evp_source_lock(p, (uint32_t)t->handle));
  const bool cleared = evp_target_clear(p, t);
  evp_target_let_go(p, t->handle);
  if (!cleared) return;
  evp_io_lock(p);
  evp_target_unref(t);
  evp_io_unlock(p);
}

int64_t evp_target_shut(struct evp_target *t) {
  if (evp_is_stream(&t->stream)) return evp_stream_close(t->handle, &t->stream.kind, t->abort);
  return evp_file_perform(EVPOLL_OP_CLOSE, t->handle, 0, NULL, 0, false);
}

static bool closes_at_once(const struct evp_target *t) {
  if (!evp_is_stream(&t->stream)) return false;
  return t->abort || evp_stream_closes_at_once(t->handle, &t->stream.kind);
}

/* Files may take their time to close, and have a thread of the pool for it. Not the kernel's: what
 * waits for one of those is cancelled with the thread that submitted it. */
static void close_handle(evpoll *p, struct evp_target *t) {
  const bool at_once = closes_at_once(t);
  forget(p, t); /* the number may be registered anew as soon as it is closed */
  evp_io_lock(p);
  const bool given = !at_once && evp_io_has_pool(p) && evp_pool_give(p, &t->close);
  evp_io_unlock(p);
  if (given) return;
  t->close.result = evp_target_shut(t);
  evp_io_done(p, &t->close);
}

void evp_target_over(evpoll *p, struct evp_target *t) {
  if (evp_backend.native && evp_backend.native->leave) evp_backend.native->leave(p, t);
  evp_io_lock(p);
  t->over = true;
  const bool closing = t->closing;
  evp_io_unlock(p);
  if (closing) close_handle(p, t); /* else it may be gone already */
}

/* Lock held: the number's. Nothing is accepted any more. True: no use was left. */
static bool end_target(evpoll *p, struct evp_target *t) {
  struct evp_source *s = evp_table_at(&p->sources, (uint32_t)t->handle);
  if (atomic_load(&t->uses) & EVP_ENDED) return false;
  const uint32_t was = evp_source_state(s);
  evp_source_end(s);
  if (was & EVP_IN_SET) evp_backend.unwatch(p, t->handle, was);
  return atomic_fetch_or(&t->uses, EVP_ENDED) == 0;
}

/* No lock held, and the caller sees to it that the target lives. It has ended: what the poller
 * holds itself is over, what the kernel holds is asked to end. */
static void wind_up(evpoll *p, struct evp_target *t, bool last) {
  evp_io_cancel_target(p, t);
  if (last) evp_target_over(p, t);
}

/* Lock held: the number's; released here. 0: nobody names the number any more, which one caller is
 * told; 1: somebody else was; else BUSY. */
static int32_t end_and_look(evpoll *p, struct evp_target *t) {
  const evpoll_handle h = t->handle;
  evp_io_lock(p);
  t->refs++;
  evp_io_unlock(p);
  const bool last = end_target(p, t);
  evp_target_let_go(p, h);
  wind_up(p, t, last);
  evp_mutex_lock(evp_source_lock(p, (uint32_t)h));
  evp_io_lock(p);
  const bool busy = !t->over || t->closing, cleared = !busy && evp_target_clear(p, t);
  if (cleared) t->refs--; /* the table's; ours comes after it */
  evp_target_unref(t);
  evp_io_unlock(p);
  evp_target_let_go(p, h);
  return busy ? evp_fail(EVPOLL_ERR_BUSY) : !cleared;
}

int32_t evp_target_vacate(evpoll *p, evpoll_handle h) {
  struct evp_target *t = evp_target_find(p, h);
  if (!t) return 0;
  const int32_t lived = !(atomic_load(&t->uses) & EVP_ENDED);
  const int32_t status = end_and_look(p, t);
  return status < 0 ? status : lived;
}

int32_t evp_target_remove(evpoll *p, evpoll_handle h, uint64_t token) {
  struct evp_target *t = evp_target_find(p, h);
  if (!t) return 1;
  if (t->token == token) return end_and_look(p, t);
  evp_target_let_go(p, h);
  return evp_fail(EVPOLL_ERR_STALE);
}

/* Lock held: the number's; released here. Nobody names the number, nothing is in flight, and
 * close() has nothing to write. */
static int32_t close_inline(evpoll *p, struct evp_target *t, evpoll_io *io) {
  t->abort = io->flags & EVPOLL_OPF_ABORT;
  end_target(p, t);
  evp_target_clear(p, t);
  evp_target_let_go(p, t->handle);
  const int64_t result = evp_target_shut(t);
  if (result < 0) { /* closed all the same: it was not refused, and an event says what there was */
    evp_io_lock(p);
    t->closing = true;
    evp_io_start_close(p, t, io); /* it has the table's reference */
    t->close.result = result;
    evp_io_unlock(p);
    evp_io_done(p, &t->close);
    return 0;
  }
  evp_target_unmake(p, t);
  evp_io_end_entry(p, io, 0, 0);
  return 0;
}

static bool can_close_inline(evpoll *p, struct evp_target *t, const evpoll_io *io) {
  const bool abort = io->flags & EVPOLL_OPF_ABORT;
  if (!(io->flags & EVPOLL_OPF_INLINE) || !(abort || t->file.quick || closes_at_once(t)))
    return false;
  evp_io_lock(p);
  const bool idle = !t->ops && atomic_load(&t->uses) == 0;
  evp_io_unlock(p);
  return idle;
}

static bool can_reset(const struct evp_target *t) {
  return t->stream.kind.kind == EVP_TCP || t->stream.kind.kind == EVP_SOCKET;
}

/* The id is written before the operation can complete. */
int32_t evp_target_close(evpoll *p, evpoll_io *io) {
  struct evp_target *t = evp_target_find(p, io->handle);
  if (!t) return evp_fail(EVPOLL_ERR_NOT_FOUND);
  if ((io->flags & EVPOLL_OPF_ABORT) && !can_reset(t)) {
    evp_target_let_go(p, io->handle);
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  }
  if (can_close_inline(p, t, io)) return close_inline(p, t, io);
  if (t->only_foreign) { /* it may be a socket, which is closed in another way */
    evp_target_let_go(p, io->handle);
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  }
  evp_io_lock(p);
  const bool again = t->closing, over = t->over;
  if (!again) {
    t->abort = io->flags & EVPOLL_OPF_ABORT;
    t->closing = true;
    t->refs += 2; /* the operation's, and this call's */
    evp_io_start_close(p, t, io);
  }
  evp_io_unlock(p);
  if (again) {
    evp_target_let_go(p, io->handle);
    return evp_fail(EVPOLL_ERR_NOT_FOUND);
  }
  const bool last = end_target(p, t);
  evp_target_let_go(p, t->handle);
  wind_up(p, t, last);
  if (over) close_handle(p, t);
  evp_io_lock(p);
  evp_target_unref(t);
  evp_io_unlock(p);
  return 0;
}
