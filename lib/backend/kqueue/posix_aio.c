/* SPDX-License-Identifier: MIT */
/* FreeBSD: file operations by POSIX AIO, which reports to the queue.
 *
 * An operation has an aiocb in a table that never moves, beside the core's slot. From the call that
 * starts it until aio_return() the aiocb is the kernel's, and its address is taken: a second
 * operation there would lose its event. The core frees a slot when the completion was delivered,
 * which is after aio_return(), so addresses are never shared.
 *
 * The kernel reports it as EVFILT_AIO, with the aiocb's address as ident and the core's id as
 * udata, always EV_ONESHOT: else it would be reported until aio_return(). The event may come
 * before the call that starts the operation has returned. All of this happens under p->io.lock, so
 * that whoever takes the event waits until the one who started it is done.
 *
 * aio_return() is called once for each, always: finished operations count against the limit of the
 * process until then (256 by default, shared with whatever else uses AIO). It also takes the event
 * away, if nobody has fetched it. That serves where events are not looked at: after shutdown, and
 * when completions stand in line behind more ready sockets than the array holds.
 *
 * Beyond the limit (EAGAIN) operations wait here, and each one that is returned starts another. If
 * none of ours is in the kernel, nothing of ours will make room: then the pool takes what waits,
 * or, where it is forbidden, a timer asks again.
 *
 * Several operations start by one lio_listio(), without a notification for the list: its event has
 * traps of its own. If it fails, it may have started some: its errno says little (EIO hides
 * EAGAIN). Each entry is asked. What did not start is tried alone, which gives its own error.
 *
 * What AIO does not serve (EOPNOTSUPP: NFS, and other file systems whose operations may block for
 * good) the pool does, and from then on all of that registration. The kernel has the file of what
 * was started; what waits here holds a use of its target.
 *
 * Cancelling: CANCELED and NOTCANCELED both have their event still to come, with ALLDONE it is
 * there, and for a closed descriptor (EBADF) it comes when the operation is over. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/aio.h> /* <aio.h> would be a header of ours */
#include <unistd.h>

#include "backend/kqueue/kqueue.h"
#include "os/os.h"
#include "core/status.h"
#include "core/target.h"
#include "core/workers.h"

enum { MOST_IN_LIST = 64, RETRY_MS = 1 };
enum { NOWHERE, IN_KERNEL, IN_QUEUE };

struct request {
  struct aiocb cb;
  uint8_t where;
};

struct aio {
  struct evp_table requests;
  struct evp_op *first, *last; /* wait for room in the system; linked by next and before */
  _Atomic uint32_t in_kernel;
  int list_most;
  bool retrying; /* the timer is set */
};

static struct aio *aio_of(evpoll *p) { return p->io.engine_state; }

static struct request *request_of(struct aio *a, uint64_t id) {
  return evp_table_at(&a->requests, evp_id_index(id));
}

/* ---- those that wait ---------------------------------------------------------------------- */

static void posix_aio_enqueue(struct aio *a, struct evp_op *op) {
  if (!op->uses) evp_target_share(op->target); /* by who starts it */
  op->uses = true;
  op->next = NULL;
  op->before = a->last;
  *(a->last ? &a->last->next : &a->first) = op;
  a->last = op;
  request_of(a, op->id)->where = IN_QUEUE;
}

static void dequeue(struct aio *a, struct evp_op *op) {
  *(op->before ? &op->before->next : &a->first) = op->next;
  *(op->next ? &op->next->before : &a->last) = op->before;
  op->next = op->before = NULL;
  request_of(a, op->id)->where = NOWHERE;
}

/* ---- starting ----------------------------------------------------------------------------- */

static int opcode_of(uint8_t code) {
  switch (code) {
  case EVPOLL_OP_READ: return LIO_READ;
  case EVPOLL_OP_WRITE: return LIO_WRITE;
#ifdef LIO_READV
  case EVPOLL_OP_READV: return LIO_READV;
  case EVPOLL_OP_WRITEV: return LIO_WRITEV;
#endif
  }
  return LIO_NOP; /* not in a list */
}

static void fill_in(evpoll *p, const struct evp_op *op, struct aiocb *cb) {
  const bool vectored = op->code == EVPOLL_OP_READV || op->code == EVPOLL_OP_WRITEV;
  const uint64_t most = evp_file_length_limit();
  *cb = (struct aiocb){
      .aio_fildes = (int)op->handle,
      .aio_offset = op->offset,
      .aio_buf = op->buffer, /* or the iovecs: aio_iov is another name */
      .aio_nbytes = (size_t)(vectored || op->length < most ? op->length : most),
      .aio_lio_opcode = opcode_of(op->code),
  };
  cb->aio_sigevent.sigev_notify = SIGEV_KEVENT;
  cb->aio_sigevent.sigev_notify_kqueue = evp_queue_of(p)->fd;
  cb->aio_sigevent.sigev_value.sival_ptr = (void *)((uintptr_t)op->id << 1);
  cb->aio_sigevent.sigev_notify_kevent_flags = EV_ONESHOT;
}

static int call(uint8_t code, struct aiocb *cb) {
  switch (code) {
  case EVPOLL_OP_READ: return aio_read(cb);
  case EVPOLL_OP_WRITE: return aio_write(cb);
  case EVPOLL_OP_READV: return aio_readv(cb);
  case EVPOLL_OP_WRITEV: return aio_writev(cb);
  case EVPOLL_OP_FSYNC: return aio_fsync(O_SYNC, cb);
  }
  return aio_fsync(O_DSYNC, cb);
}

/* The kernel has the file from here on, and the number is not named any more. */
static void note_started(evpoll *p, struct evp_op *op, struct request *r) {
  r->where = IN_KERNEL;
  atomic_fetch_add_explicit(&aio_of(p)->in_kernel, 1, memory_order_relaxed);
  if (op->uses) evp_target_drop_later(p, op->target);
  op->uses = false;
}

/* Not what AIO serves, or it has no room that will come. False: there is no pool. */
static bool to_pool(evpoll *p, struct evp_op *op) {
  if (!evp_io_has_pool(p)) return false;
  if (!op->uses) evp_target_share(op->target);
  op->in_pool = op->uses = true;
  op->next = op->before = NULL;
  return evp_pool_give(p, op);
}

/* It failed before it began, which is a completion as any other. */
static void fail(evpoll *p, struct evp_op *op, int os_code) {
  op->result = -os_code;
  evp_io_done_locked(p, op);
}

/* It is in the kernel, in the pool, or over. False: the kernel has no room. */
static bool posix_aio_start(evpoll *p, struct evp_op *op) {
  struct request *r = request_of(aio_of(p), op->id);
  if (op->target->pooled && to_pool(p, op)) return true; /* that was found out meanwhile */
  fill_in(p, op, &r->cb);
  if (call(op->code, &r->cb) == 0) {
    note_started(p, op, r);
    return true;
  }
  const int os_code = errno;
  if (os_code == EAGAIN) return false;
  if (os_code == EOPNOTSUPP || os_code == ENOSYS) {
    op->target->pooled = evp_io_has_pool(p);
    if (op->target->pooled && to_pool(p, op)) return true;
  }
  fail(p, op, os_code);
  return true;
}

/* Finds an operation a place. False: there is none, and nothing of ours will make one. */
static bool place(evpoll *p, struct evp_op *op) {
  struct aio *a = aio_of(p);
  if (!a->first) {
    if (posix_aio_start(p, op)) return true;
    if (!atomic_load_explicit(&a->in_kernel, memory_order_relaxed)) return to_pool(p, op);
  }
  posix_aio_enqueue(a, op);
  return true;
}

/* ---- finishing ---------------------------------------------------------------------------- */

/* It is returned, with this result. False: the kernel has given it up, and it is done again. */
static bool posix_aio_end(evpoll *p, struct evp_op *op, ssize_t n, int os_code) {
  op->result = n < 0 ? -os_code : n;
  if (n >= 0 || (os_code != EINTR && os_code != ECANCELED)) return true;
  if (atomic_load_explicit(&op->cancel_asked, memory_order_relaxed)) op->result = -ECANCELED;
  return !evp_io_redo(p, op);
}

/* Takes a finished operation back from the kernel. False: as above. */
static bool posix_aio_finish(evpoll *p, struct evp_op *op, struct request *r) {
  const ssize_t n = aio_return(&r->cb);
  const int os_code = errno;
  r->where = NOWHERE;
  atomic_fetch_sub_explicit(&aio_of(p)->in_kernel, 1, memory_order_relaxed);
  return posix_aio_end(p, op, n, os_code);
}

/* An old event was fetched by a thread while another one returned the operation. What is done again
 * has the same id. */
bool evp_aio_take(evpoll *p, const struct kevent *e) {
  struct aio *a = aio_of(p);
  if (!a) return false;
  const uint32_t index = evp_id_index((uint64_t)((uintptr_t)e->udata >> 1));
  struct evp_op *op = evp_table_at(&p->io.ops, index);
  struct request *r = evp_table_at(&a->requests, index);
  if (!op || !r || !op->in_flight || r->where != IN_KERNEL) return false;
  if ((uintptr_t)op->id << 1 != (uintptr_t)e->udata || e->ident != (uintptr_t)&r->cb) return false;
  if ((op->redone || op->moved) && aio_error(&r->cb) == EINPROGRESS) return false;
  if (posix_aio_finish(p, op, r)) evp_io_keep(p, op);
  return true;
}

/* Nothing of ours is in the kernel, which has no room: others hold it. */
static void find_room_elsewhere(evpoll *p) {
  struct aio *a = aio_of(p);
  if (evp_io_has_pool(p)) {
    for (struct evp_op *op; (op = a->first);) {
      dequeue(a, op);
      to_pool(p, op);
    }
  } else if (!a->retrying) {
    struct kevent timer = {
        .ident = EVP_QUEUE_RETRY,
        .filter = EVFILT_TIMER,
        .flags = EV_ADD | EV_ONESHOT,
        .data = RETRY_MS,
    };
    a->retrying = evp_queue_control(evp_queue_of(p), &timer, 1);
    for (struct evp_op *op; !a->retrying && (op = a->first);) { /* not even room for a timer */
      dequeue(a, op);
      op->refused = true;
      fail(p, op, EAGAIN);
    }
  }
}

void evp_aio_refill(evpoll *p) {
  struct aio *a = aio_of(p);
  if (!a) return;
  a->retrying = false;
  for (struct evp_op *op; (op = a->first);) {
    dequeue(a, op);
    if (posix_aio_start(p, op)) continue;
    op->next = a->first; /* back to its place: it is the first */
    *(a->first ? &a->first->before : &a->last) = op;
    a->first = op;
    request_of(a, op->id)->where = IN_QUEUE;
    break;
  }
  if (a->first && !atomic_load_explicit(&a->in_kernel, memory_order_relaxed))
    find_room_elsewhere(p);
}

/* ---- lists -------------------------------------------------------------------------------- */

/* Was this entry of a list that failed started? If so it is in the kernel, or was already over and
 * is returned here, so that its event is gone or will be found stale. An entry that ended with
 * EINVAL looks like one that was refused with it; it is tried again, and will say so again. */
static bool was_started(evpoll *p, struct evp_op *op, struct request *r) {
  const int os_code = aio_error(&r->cb);
  if (os_code == EINPROGRESS) {
    note_started(p, op, r);
    return true;
  }
  const ssize_t n = aio_return(&r->cb);
  if (n < 0 && errno == EINVAL) return false;
  if (posix_aio_end(p, op, n, errno)) evp_io_done_locked(p, op);
  return true;
}

/* Takes the first operation off the chain if it finds a place. */
static bool start_first(evpoll *p, struct evp_op **chain) {
  struct evp_op *op = *chain, *next = op->next;
  if (!place(p, op)) return false;
  *chain = next;
  return true;
}

/* Starts the operations at the beginning of the chain by one call, if they are several, and takes
 * off the chain what it found a place for; false if it did not for all. If one was started, those
 * that were not wait. */
static bool posix_aio_start_list(evpoll *p, struct evp_op **chain) {
  struct aio *a = aio_of(p);
  struct evp_op *ops[MOST_IN_LIST];
  struct aiocb *list[MOST_IN_LIST];
  int n = 0;
  /* Not past those that wait already. */
  for (struct evp_op *op = a->first ? NULL : *chain; op && n < a->list_most; op = op->next) {
    if (opcode_of(op->code) == LIO_NOP || op->target->pooled) break;
    struct request *r = request_of(a, op->id);
    fill_in(p, op, &r->cb);
    ops[n] = op;
    list[n++] = &r->cb;
  }
  if (n < 2) return start_first(p, chain);
  struct evp_op *rest = ops[n - 1]->next;
  const bool all = lio_listio(LIO_NOWAIT, list, n, NULL) == 0;
  int started = 0;
  for (int i = 0; i < n; i++) {
    struct request *r = request_of(a, ops[i]->id);
    if (all) note_started(p, ops[i], r);
    if (!all && !was_started(p, ops[i], r)) continue;
    ops[i] = NULL;
    started++;
  }
  if (!started) { /* alone, one after the other */
    while (n && start_first(p, chain)) n--;
    return !n;
  }
  for (int i = 0; i < n; i++)
    if (ops[i]) posix_aio_enqueue(a, ops[i]);
  *chain = rest;
  if (started < n) evp_aio_refill(p);
  return true;
}

/* What the pool is to do stays in the chain; what was asked to end meanwhile is over. */
static void posix_aio_submit(evpoll *p, struct evp_op **chain, int *os_code_out) {
  struct aio *a = aio_of(p);
  struct evp_op *mine = NULL, **end = &mine, **at = chain;
  evp_io_lock(p);
  for (struct evp_op *op; (op = *at);) {
    const bool asked = atomic_load_explicit(&op->cancel_asked, memory_order_relaxed);
    const bool room = op->in_pool || asked || evp_table_reach(&a->requests, evp_id_index(op->id));
    if (!room) *os_code_out = ENOMEM;
    if (op->in_pool || !room) {
      at = &op->next;
      continue;
    }
    *at = op->next;
    if (asked) {
      fail(p, op, ECANCELED);
      continue;
    }
    *end = op;
    end = &op->next;
  }
  *end = NULL;
  while (mine && posix_aio_start_list(p, &mine)) {
  }
  if (mine) *os_code_out = EAGAIN;
  *at = mine; /* what found no place */
  evp_io_unlock(p);
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void posix_aio_cancel(evpoll *p, struct evp_op *op) {
  struct aio *a = aio_of(p);
  struct request *r = request_of(a, op->id);
  if (!r) return;
  switch (r->where) {
  case IN_KERNEL: aio_cancel((int)op->handle, &r->cb); break; /* its event says how it ended */
  case IN_QUEUE:
    dequeue(a, op);
    fail(p, op, ECANCELED);
    break;
  }
}

/* Events tell of completions. Nobody looks at events after shutdown, and with a full array they
 * may be far behind. */
static bool posix_aio_has_completions(evpoll *p) {
  if (evp_is_shut_down(p)) return true;
  return atomic_load_explicit(&evp_queue_of(p)->crowded, memory_order_relaxed) &&
         atomic_load_explicit(&aio_of(p)->in_kernel, memory_order_relaxed);
}

static int32_t posix_aio_collect(evpoll *p, evpoll_event *out, int32_t capacity) {
  struct aio *a = aio_of(p);
  struct evp_queue *q = evp_queue_of(p);
  if (!posix_aio_has_completions(p)) return 0;
  int32_t n = 0;
  uint32_t left = atomic_load_explicit(&a->in_kernel, memory_order_relaxed);
  for (uint32_t i = 0; left && n < capacity && i < p->io.ops_used; i++) {
    struct request *r = evp_table_at(&a->requests, i);
    struct evp_op *op = evp_table_at(&p->io.ops, i);
    if (!r || r->where != IN_KERNEL) continue;
    left--;
    if (aio_error(&r->cb) == EINPROGRESS || !posix_aio_finish(p, op, r)) continue;
    n += evp_io_complete(p, op, &out[n]);
  }
  if (!left) atomic_store_explicit(&q->crowded, false, memory_order_relaxed);
  evp_aio_refill(p);
  return n;
}

static int32_t open_aio(evpoll *p, char *why, size_t capacity) {
  if (sysconf(_SC_ASYNCHRONOUS_IO) <= 0) {
    snprintf(why, capacity, "the kernel has no POSIX AIO");
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  }
  snprintf(why, capacity, "POSIX AIO, completing in the queue");
  struct aio *a = calloc(1, sizeof *a);
  if (!a) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  a->requests.entry_size = sizeof(struct request);
  const long most = sysconf(_SC_AIO_LISTIO_MAX); /* the macro says 16, the kernel 256 */
  a->list_most = most < 1 ? 1 : most > MOST_IN_LIST ? MOST_IN_LIST : (int)most;
  p->io.engine_state = a;
  return 0;
}

/* Nothing is in flight, or it is the parent's. */
static void close_aio(evpoll *p) {
  struct aio *a = aio_of(p);
  evp_table_free(&a->requests);
  free(a);
}

const struct evp_engine evp_engine_aio = {
    .id = EVPOLL_ENGINE_AIO,
    .want = EVPOLL_ERR_LIMIT, /* operations of the process */
    .open = open_aio,
    .close = close_aio,
    .submit = posix_aio_submit,
    .cancel = posix_aio_cancel,
    .has_completions = posix_aio_has_completions,
    .collect = posix_aio_collect,
};
