/* SPDX-License-Identifier: MIT */
//go:build (windows) && !evpoll_system

/* Operations on files and named pipes, and OVERLAPPEDs for operations that the caller starts.
 *
 * A handle is bound to the port when it is first seen, for the rest of its life. A handle that was
 * opened without FILE_FLAG_OVERLAPPED, and FSYNC, for which Windows has no asynchronous call, are
 * the worker pool's, whose results come by the bell.
 *
 * A request is an OVERLAPPED and what it belongs to: an operation, from the call on, or a foreign
 * one, from arm until its event was delivered. Whether an operation ends inside the call or later,
 * a packet comes: never is it asked to be left out, since the caller's own operations on the handle
 * need theirs. From the call on nothing of the operation is touched.
 *
 * A call that fails sends no packet, and the operation is handed back at once. But Wine was seen to
 * send one as well; and a caller who disarms a foreign request may be right that nothing is in
 * flight, and a packet be there nevertheless. So such a request is put aside with nothing to belong
 * to, until its packet has come; if none comes, it is used again after 64 others. */
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
  /* The flag chooses the pool here too, which needs no handle to be bound. */
  if ((p->flags & EVPOLL_OPEN_NO_URING) && !attach)
    return GetFileType(evp_windows_handle(h)) == FILE_TYPE_PIPE ? evp_fail(EVPOLL_ERR_UNSUPPORTED)
                                                                : 1;
  uint8_t *known = evp_table_reach(&port->files, (uint32_t)h);
  if (!known) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  HANDLE file = evp_windows_handle(h);
  if (CreateIoCompletionPort(file, port->iocp, KEY_FILE, 0)) {
    *known = BOUND;
    return 0;
  }
  const int os_code = (int)GetLastError();
  bool synchronous;
  const int unknown = evp_windows_is_synchronous(file, &synchronous);
  /* No guess: the pool cannot cancel what it waits for on an overlapped pipe. */
  if (unknown && *known == BOUND) return 0;
  if (unknown == ERROR_INVALID_HANDLE) /* it is open, but no file: an event, say */
    return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, unknown);
  if (unknown) return evp_fail_os(unknown);
  if (synchronous) {
    if (p->flags & EVPOLL_OPEN_NATIVE_IO_ONLY) return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, os_code);
    *known = SYNCHRONOUS;
    return 1;
  }
  return *known == BOUND ? 0 : evp_fail_as(EVPOLL_ERR_BUSY, os_code);
}

/* ---- results ------------------------------------------------------------------------------ */

/* Bytes, or minus the system's code. A part of a message is what a short read is elsewhere. */
static int64_t result_of(NTSTATUS status, ULONG_PTR bytes, bool reads) {
  if (!EVP_NT_ERROR(status)) return (int64_t)bytes;
  if (status == EVP_STATUS_END_OF_FILE) return 0;
  if (status == EVP_STATUS_PIPE_BROKEN && reads) return 0;
  return -(int64_t)RtlNtStatusToDosError(status);
}

/* ---- requests ----------------------------------------------------------------------------- */

enum { SPARES = 64 };

/* Lock held: port->lock, as for all of these. */
static struct evp_request *take_request(struct evp_port *port) {
  struct evp_request *r = port->spares;
  if (r && !r->waiting && (r->returned || port->spare_count > SPARES)) {
    port->spares = r->next_spare;
    port->spare_count--;
  } else {
    r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->ready.foreign = true;
    r->next_of_all = port->all_requests;
    port->all_requests = r;
  }
  r->returned = false;
  return r;
}

static void put_request(struct evp_port *port, struct evp_request *r) {
  r->aio = NULL;
  r->op = NULL;
  r->next_spare = NULL;
  *(port->spares ? &port->last_spare->next_spare : &port->spares) = r;
  port->last_spare = r;
  port->spare_count++;
}

void evp_requests_close(struct evp_port *port) {
  while (port->all_requests) {
    struct evp_request *r = port->all_requests;
    port->all_requests = r->next_of_all;
    free(r);
  }
}

struct evp_op *evp_request_feed(struct evp_port *port, struct evp_request *r, NTSTATUS status) {
  struct evp_op *op = r->op;
  r->returned = true;
  if (op) {
    op->result = result_of(status, r->o.InternalHigh, op->code == EVPOLL_IO_READ);
    put_request(port, r);
  } else if (r->aio) {
    r->o.Internal = (ULONG_PTR)status;
    r->waiting = true;
    evp_port_push(port, &r->ready);
  }
  return op;
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

static struct evp_place *place_of(evpoll *p, uint64_t id) {
  return evp_table_reach(&evp_port_of(p)->places, evp_id_index(id));
}

static int need_pool(evpoll *p) {
  if (p->flags & EVPOLL_OPEN_NATIVE_IO_ONLY) return ERROR_NOT_SUPPORTED;
  evp_mutex_lock(&p->io.lock);
  const int32_t status = p->io.pool ? 0 : evp_engine_workers.open(p, NULL, 0);
  evp_mutex_unlock(&p->io.lock);
  return status < 0 ? ERROR_NOT_ENOUGH_MEMORY : 0;
}

/* Lock held: p->io.lock. Finds nothing while the operation is being started. */
static void cancel_kernel(evpoll *p, struct evp_op *op) {
  struct evp_port *port = evp_port_of(p);
  evp_mutex_lock(&port->lock);
  struct evp_request *r = place_of(p, op->id)->r;
  if (r && r->op == op) CancelIoEx(evp_windows_handle(op->handle), &r->o);
  evp_mutex_unlock(&port->lock);
}

static void cancel_again(evpoll *p, uint64_t id) {
  evp_mutex_lock(&p->io.lock);
  struct evp_op *op = evp_io_find(p, id);
  if (op) cancel_kernel(p, op);
  evp_mutex_unlock(&p->io.lock);
}

/* The call has failed. False: its packet was faster, and the operation is over. */
static bool take_back(evpoll *p, struct evp_op *op, struct evp_request *r) {
  struct evp_port *port = evp_port_of(p);
  evp_mutex_lock(&port->lock);
  const bool ours = r->op == op;
  if (ours) put_request(port, r);
  evp_mutex_unlock(&port->lock);
  return ours;
}

static struct evp_request *request_for(evpoll *p, struct evp_op *op, struct evp_place *place) {
  struct evp_port *port = evp_port_of(p);
  evp_mutex_lock(&port->lock);
  struct evp_request *r = take_request(port);
  place->r = r;
  if (r) {
    r->op = op;
    r->o = (OVERLAPPED){.Internal = (ULONG_PTR)EVP_STATUS_PENDING};
    r->o.Offset = (DWORD)op->offset;
    r->o.OffsetHigh = (DWORD)((uint64_t)op->offset >> 32);
  }
  evp_mutex_unlock(&port->lock);
  return r;
}

static void start(evpoll *p, struct evp_op *op, struct evp_place *place, struct evp_request *r) {
  const uint64_t id = op->id;
  const bool reads = op->code == EVPOLL_IO_READ;
  const uint64_t most = evp_file_length_limit();
  const DWORD bytes = (DWORD)(op->length < most ? op->length : most);
  HANDLE file = evp_windows_handle(op->handle);
  DWORD os_code = ERROR_OPERATION_ABORTED;
  if (atomic_load(&place->cancel_id) != id) {
    const BOOL ok = reads ? ReadFile(file, op->buffer, bytes, NULL, &r->o)
                          : WriteFile(file, op->buffer, bytes, NULL, &r->o);
    os_code = ok ? 0 : GetLastError();
  }
  /* MORE_DATA: a warning, of which a packet tells. */
  if (os_code == 0 || os_code == ERROR_IO_PENDING || os_code == ERROR_MORE_DATA) {
    if (atomic_load(&place->cancel_id) == id) cancel_again(p, id);
    return;
  }
  if (!take_back(p, op, r)) return;
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
    struct evp_place *place = place_of(p, op->id);
    struct evp_request *r = NULL;
    const bool in_pool = is_for_pool(p, op);
    int os_code = place ? 0 : ERROR_NOT_ENOUGH_MEMORY;
    if (!os_code && in_pool) os_code = need_pool(p);
    if (!os_code && !in_pool) r = request_for(p, op, place);
    if (!os_code && !in_pool && !r) os_code = ERROR_NOT_ENOUGH_MEMORY;
    if (os_code) {
      *os_code_out = os_code;
      break;
    }
    atomic_store(&place->in_pool, in_pool);
    *chain = next;
    if (in_pool) {
      op->next = NULL;
      evp_engine_workers.submit(p, &op, 1, os_code_out);
    } else {
      start(p, op, place, r);
    }
  }
  return started;
}

static void cancel(evpoll *p, struct evp_op *op) {
  struct evp_place *place = place_of(p, op->id);
  if (!place) return;
  atomic_store(&place->cancel_id, op->id); /* it may not be started yet */
  if (atomic_load(&place->in_pool))
    evp_engine_workers.cancel(p, op);
  else
    cancel_kernel(p, op);
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

bool evp_foreign_deliver(struct evp_port *port, struct evp_request *r, evpoll_event *out) {
  (void)port;
  evpoll_aio *aio = r->aio;
  r->waiting = false;
  if (!aio) return false; /* disarmed while it waited for its turn */
  const int64_t result = result_of((NTSTATUS)r->o.Internal, r->o.InternalHigh, false);
  *out = (evpoll_event){.token = aio->token, .result = result, .events = aio->kind};
  if (result < 0) {
    out->result = -result;
    out->status = evp_status_of((int)-result);
  }
  evp_aio_ready(aio); /* last: it may be armed again, or closed, from here on */
  return true;
}

const struct evp_foreign evp_foreign_overlapped = {
    .open = open_foreign,
    .close = close_foreign,
    .arm = arm,
    .disarm = disarm,
};
