/* SPDX-License-Identifier: MIT */
/* Operations on files and named pipes, and OVERLAPPEDs for operations that the caller starts.
 *
 * A handle is bound to the port when it is first seen, for the rest of its life. A handle that was
 * opened without FILE_FLAG_OVERLAPPED, and FSYNC, for which Windows has no asynchronous call, are
 * the worker pool's, whose results come by the bell.
 *
 * An operation has an OVERLAPPED in a table that never moves, beside the core's slot. Whether it
 * ends inside the call or later, a packet comes: never is it asked to be left out, since the
 * caller's own operations on the handle need theirs. Only a call that fails sends none; it is
 * handed back at once. From the call on nothing of the operation is touched.
 *
 * A foreign request gives its OVERLAPPED away from arm until its event was delivered. One that is
 * disarmed keeps its memory aside, until its packet has come, if one comes: the caller may be right
 * that nothing is in flight, and there be a packet nevertheless. Where no packet comes, since the
 * operation never started, it is used again after 64 others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os_windows.h"
#include "port.h"
#include "status.h"

enum { UNKNOWN, BOUND, SYNCHRONOUS }; /* the bytes of port->files */

/* ---- handles ------------------------------------------------------------------------------ */

static int32_t bind_handle(evpoll *p, evpoll_handle h, bool attach) {
  struct evp_port *port = evp_port_of(p);
  /* The flag chooses the pool here too. */
  if (p->flags & EVPOLL_OPEN_NO_URING) return attach ? evp_fail(EVPOLL_ERR_UNSUPPORTED) : 0;
  uint8_t *known = evp_table_reach(&port->files, (uint32_t)h);
  if (!known) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  HANDLE file = evp_windows_handle(h);
  if (CreateIoCompletionPort(file, port->iocp, KEY_FILE, 0)) {
    *known = BOUND;
    return 0;
  }
  const int os_code = (int)GetLastError();
  if (evp_windows_is_synchronous(file)) {
    if (attach || (p->flags & EVPOLL_OPEN_NATIVE_IO_ONLY))
      return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, os_code);
    *known = SYNCHRONOUS;
    return 0;
  }
  return *known == BOUND ? 0 : evp_fail_as(EVPOLL_ERR_BUSY, os_code);
}

/* ---- results ------------------------------------------------------------------------------ */

static NTSTATUS status_of(const struct evp_request *r) { return (NTSTATUS)r->o.Internal; }

/* Bytes, or minus the system's code. A part of a message is what a short read is elsewhere. */
static int64_t result_of(NTSTATUS status, ULONG_PTR bytes, bool reads) {
  if (!EVP_NT_ERROR(status)) return (int64_t)bytes;
  if (status == EVP_STATUS_END_OF_FILE) return 0;
  if (status == EVP_STATUS_PIPE_BROKEN && reads) return 0;
  return -(int64_t)RtlNtStatusToDosError(status);
}

void evp_request_finish(struct evp_request *r) {
  r->op->result = result_of(status_of(r), r->o.InternalHigh, r->op->code == EVPOLL_IO_READ);
}

/* ---- the engine --------------------------------------------------------------------------- */

static int32_t probe(evpoll *p, char *why, size_t capacity) {
  (void)p;
  snprintf(why, capacity, "overlapped operations on the completion port");
  return 0;
}

static void close_engine(evpoll *p) {
  if (p->io.pool) evp_engine_workers.close(p);
}

static struct evp_request *request_of(evpoll *p, uint64_t id) {
  return evp_table_reach(&evp_port_of(p)->requests, evp_id_index(id));
}

static int need_pool(evpoll *p) {
  if (p->flags & EVPOLL_OPEN_NATIVE_IO_ONLY) return ERROR_NOT_SUPPORTED;
  evp_mutex_lock(&p->io.lock);
  const int32_t status = p->io.pool ? 0 : evp_engine_workers.open(p, NULL, 0);
  evp_mutex_unlock(&p->io.lock);
  return status < 0 ? ERROR_NOT_ENOUGH_MEMORY : 0;
}

static void cancel_kernel(evpoll_handle h, struct evp_request *r) {
  CancelIoEx(evp_windows_handle(h), &r->o);
}

/* The cancel came while the operation was being started, and found nothing. */
static void cancel_again(evpoll *p, uint64_t id, struct evp_request *r) {
  evp_mutex_lock(&p->io.lock);
  struct evp_op *op = evp_io_find(p, id);
  if (op) cancel_kernel(op->handle, r);
  evp_mutex_unlock(&p->io.lock);
}

static void start(evpoll *p, struct evp_op *op, struct evp_request *r) {
  const uint64_t id = op->id;
  const bool reads = op->code == EVPOLL_IO_READ;
  const uint64_t most = evp_file_length_limit();
  const DWORD bytes = (DWORD)(op->length < most ? op->length : most);
  HANDLE file = evp_windows_handle(op->handle);
  r->o = (OVERLAPPED){.Internal = (ULONG_PTR)EVP_STATUS_PENDING};
  r->o.Offset = (DWORD)op->offset;
  r->o.OffsetHigh = (DWORD)((uint64_t)op->offset >> 32);
  DWORD os_code = ERROR_OPERATION_ABORTED;
  if (atomic_load(&r->cancel_id) != id) {
    const BOOL ok = reads ? ReadFile(file, op->buffer, bytes, NULL, &r->o)
                          : WriteFile(file, op->buffer, bytes, NULL, &r->o);
    os_code = ok ? 0 : GetLastError();
  }
  /* MORE_DATA: a warning, of which a packet tells. */
  if (os_code == 0 || os_code == ERROR_IO_PENDING || os_code == ERROR_MORE_DATA) {
    if (atomic_load(&r->cancel_id) == id) cancel_again(p, id, r);
    return;
  }
  const bool end = os_code == ERROR_HANDLE_EOF || (reads && os_code == ERROR_BROKEN_PIPE);
  op->result = end ? 0 : -(int64_t)os_code;
  evp_io_done(p, op);
}

static bool is_for_pool(evpoll *p, const struct evp_op *op) {
  if (op->code != EVPOLL_IO_READ && op->code != EVPOLL_IO_WRITE) return true;
  const uint8_t *known = evp_table_at(&evp_port_of(p)->files, (uint32_t)op->handle);
  return known && *known == SYNCHRONOUS;
}

static int32_t submit(evpoll *p, struct evp_op **chain, int32_t n, int *os_code_out) {
  int32_t started = 0;
  (void)n;
  for (struct evp_op *op = *chain, *next; op; op = next, started++) {
    next = op->next;
    struct evp_request *r = request_of(p, op->id);
    const bool in_pool = is_for_pool(p, op);
    const int os_code = !r ? ERROR_NOT_ENOUGH_MEMORY : in_pool ? need_pool(p) : 0;
    if (os_code) {
      *os_code_out = os_code;
      break;
    }
    r->p = p;
    r->op = op;
    atomic_store(&r->in_pool, in_pool);
    *chain = next;
    if (in_pool) {
      op->next = NULL;
      evp_engine_workers.submit(p, &op, 1, os_code_out);
    } else {
      start(p, op, r);
    }
  }
  return started;
}

static void cancel(evpoll *p, struct evp_op *op) {
  struct evp_request *r = request_of(p, op->id);
  if (!r) return;
  atomic_store(&r->cancel_id, op->id); /* it may not be started yet */
  if (atomic_load(&r->in_pool))
    evp_engine_workers.cancel(p, op);
  else
    cancel_kernel(op->handle, r);
}

/* The wait takes packets itself, but not when it is shut down: readiness would end its sleep. */
static bool has_completions(evpoll *p) { return evp_is_shut_down(p); }

static int32_t collect(evpoll *p, evpoll_event *out, int32_t capacity) {
  return evp_is_shut_down(p) ? evp_port_drain(p, out, capacity) : 0;
}

const struct evp_engine evp_engine_iocp = {
    .id = EVPOLL_ENGINE_IOCP,
    .want = EVPOLL_ERR_LIMIT,
    .open = probe,
    .probe = probe,
    .close = close_engine,
    .submit = submit,
    .cancel = cancel,
    .bind = bind_handle,
    .has_completions = has_completions,
    .collect = collect,
};

/* ---- foreign operations ------------------------------------------------------------------- */

/* What the block holds until a call has started an operation with it. */
#define NEVER_STARTED ((ULONG_PTR)0x0EB0110E)
enum { SPARES = 64 };

static struct evp_request *take_request(struct evp_port *port) {
  struct evp_request *r = port->spares;
  if (r && !r->waiting && (r->returned || port->spare_count > SPARES)) {
    port->spares = r->next_spare;
    port->spare_count--;
    return r;
  }
  r = calloc(1, sizeof *r);
  if (!r) return NULL;
  r->ready.foreign = true;
  r->next_of_all = port->all_requests;
  port->all_requests = r;
  return r;
}

static void put_request(struct evp_port *port, struct evp_request *r) {
  r->aio = NULL;
  r->next_spare = NULL;
  *(port->spares ? &port->last_spare->next_spare : &port->spares) = r;
  port->last_spare = r;
  port->spare_count++;
}

static int32_t open_foreign(evpoll_aio *aio) {
  aio->native = NULL; /* made when it is armed */
  return 0;
}

static void close_foreign(evpoll_aio *aio) {
  struct evp_port *port = evp_port_of(aio->p);
  struct evp_request *r = aio->native;
  if (!r) return;
  evp_mutex_lock(&port->lock);
  r->returned = true; /* not armed, so that its last packet has come */
  put_request(port, r);
  evp_mutex_unlock(&port->lock);
}

static int32_t arm(evpoll_aio *aio, void *native_out, uint32_t size) {
  struct evp_port *port = evp_port_of(aio->p);
  if (size != sizeof(OVERLAPPED *)) return evp_fail(EVPOLL_ERR_INVALID);
  struct evp_request *r = aio->native;
  if (!r) {
    evp_mutex_lock(&port->lock);
    r = take_request(port);
    evp_mutex_unlock(&port->lock);
    if (!r) return evp_fail(EVPOLL_ERR_NO_MEMORY);
    aio->native = r;
  }
  r->o = (OVERLAPPED){.Internal = NEVER_STARTED};
  r->p = aio->p;
  r->op = NULL;
  r->aio = aio;
  r->returned = false;
  OVERLAPPED *o = &r->o;
  memcpy(native_out, &o, sizeof(void *));
  return 0;
}

static void disarm(evpoll_aio *aio) {
  struct evp_port *port = evp_port_of(aio->p);
  struct evp_request *r = aio->native;
  if (r->o.Internal == NEVER_STARTED) return;
  evp_mutex_lock(&port->lock);
  put_request(port, r);
  evp_mutex_unlock(&port->lock);
  aio->native = NULL;
}

void evp_foreign_feed(struct evp_port *port, struct evp_request *r) {
  r->returned = true;
  if (!r->aio) return;
  r->waiting = true;
  evp_port_push(port, &r->ready);
}

bool evp_foreign_deliver(struct evp_port *port, struct evp_request *r, evpoll_event *out) {
  (void)port;
  evpoll_aio *aio = r->aio;
  r->waiting = false;
  if (!aio) return false; /* disarmed while it waited for its turn */
  const int64_t result = result_of(status_of(r), r->o.InternalHigh, false);
  *out = (evpoll_event){.token = aio->token, .result = result, .events = aio->kind};
  if (result < 0) {
    out->result = -result;
    out->status = evp_status_of((int)-result);
  }
  evp_aio_ready(aio); /* last: it may be armed again, or closed, from here on */
  return true;
}

void evp_requests_close(struct evp_port *port) {
  while (port->all_requests) {
    struct evp_request *r = port->all_requests;
    port->all_requests = r->next_of_all;
    free(r);
  }
}

const struct evp_foreign evp_foreign_overlapped = {
    .open = open_foreign,
    .close = close_foreign,
    .arm = arm,
    .disarm = disarm,
};
