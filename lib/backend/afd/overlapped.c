/* SPDX-License-Identifier: MIT */
/* Operations on files and named pipes, and OVERLAPPEDs for operations that the caller starts.
 *
 * A handle is looked at in add, outside of locks: Windows lets a synchronous handle (opened without
 * FILE_FLAG_OVERLAPPED) do one thing at a time, questions included. An overlapped one is bound to
 * the port; a synchronous file, and FSYNC, for which Windows has no asynchronous call, are the
 * worker pool's. When the registration has ended the handle leaves the port again, if the system
 * can do that (8.1 on).
 *
 * A request is an OVERLAPPED and what it belongs to: an operation, from the call on, or a foreign
 * one, from arm until its event was delivered. Requests lie in a table that never moves, so that a
 * packet with any other OVERLAPPED is told from ours. Whether an operation ends inside the call or
 * later, a packet comes, unless the caller has asked the handle to leave it out then
 * (FILE_SKIP_COMPLETION_PORT_ON_SUCCESS). From the call on nothing of the operation is touched.
 *
 * A call that fails sends no packet, and the operation is handed back at once. But Wine was seen to
 * send one as well, so such a request is put aside with nothing to belong to, until its packet has
 * come; if none comes, it is used again after 64 others. A foreign request that is disarmed is
 * given up: the kernel may have its memory, so that nobody gets it before its packet has come. If
 * none comes it is kept for good, also when the poller is closed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/windows/windows_os.h"
#include "backend/afd/port.h"
#include "core/status.h"
#include "core/target.h"

/* target->kind: how an operation is started, and what there is besides. */
enum { IS_BOUND = 1, SKIPS_PACKET = 2 };

/* ---- handles ------------------------------------------------------------------------------ */

static int skips_packet(HANDLE file, bool *skips_out) {
  IO_STATUS_BLOCK iosb;
  ULONG flags = 0;
  const NTSTATUS status = NtQueryInformationFile(file, &iosb, &flags, sizeof flags,
                                                 EVP_FILE_IO_COMPLETION_NOTIFICATION);
  *skips_out = flags & FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;
  return status == EVP_STATUS_SUCCESS ? 0 : (int)RtlNtStatusToDosError(status);
}

/* What cannot be bound is somebody else's, or synchronous, or no file at all: an event, say. */
static int32_t refuse_binding(HANDLE file, bool only_foreign, int refused) {
  const int os_code = (int)GetLastError();
  bool synchronous;
  const bool known = evp_windows_is_synchronous(file, &synchronous) == 0;
  if (known && !synchronous && os_code == ERROR_INVALID_PARAMETER)
    return evp_fail_as(EVPOLL_ERR_BUSY, os_code);
  return only_foreign ? evp_fail_as(EVPOLL_ERR_UNSUPPORTED, refused) : evp_fail_os(os_code);
}

/* A socket is served by its readiness. It is bound for the caller's own operations, if it can be:
 * it may be another port's. */
static int32_t look_at_stream(evpoll *p, struct evp_target *t) {
  HANDLE base;
  const int32_t status = evp_afd_base(t->handle, &base);
  if (status < 0) return status;
  HANDLE file = evp_windows_handle(t->handle);
  if (CreateIoCompletionPort(file, evp_port_of(p)->iocp, KEY_FILE, 0)) t->kind = IS_BOUND;
  return 0;
}

/* Files; pipes, unless the pool is to do everything, which cannot give up a read; and what only the
 * caller's own operations are for: devices. */
static int32_t overlapped_look(evpoll *p, struct evp_target *t) {
  if (evp_is_stream(&t->stream)) return look_at_stream(p, t);
  const int32_t status = evp_file_look(t->handle, &t->file);
  if (status < 0 && status != EVPOLL_ERR_UNSUPPORTED) return status;
  const int refused = evpoll_os_error();
  HANDLE file = evp_windows_handle(t->handle);
  const bool by_pool = p->flags & EVPOLL_OPEN_NO_URING;
  t->only_foreign = status < 0 || (by_pool && GetFileType(file) == FILE_TYPE_PIPE);
  t->pooled = !t->only_foreign && (by_pool || t->file.waits);
  if (t->file.waits) return status;
  bool skips = false;
  const int unknown = t->only_foreign ? 0 : skips_packet(file, &skips);
  if (unknown) return evp_fail_os(unknown);
  if (!CreateIoCompletionPort(file, evp_port_of(p)->iocp, KEY_FILE, 0))
    return refuse_binding(file, t->only_foreign, refused);
  t->kind = IS_BOUND | (skips ? SKIPS_PACKET : 0);
  return 0;
}

/* Fails on systems before Windows 8.1, and while something is in progress on the file: then the
 * handle is bound for good. */
static void overlapped_leave(evpoll *p, struct evp_target *t) {
  (void)p;
  FILE_COMPLETION_INFORMATION none = {NULL, NULL};
  IO_STATUS_BLOCK iosb;
  if (t->kind & IS_BOUND)
    NtSetInformationFile(evp_windows_handle(t->handle), &iosb, &none, sizeof none,
                         EVP_FILE_REPLACE_COMPLETION);
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
    r = evp_table_reach(&port->requests, port->request_count);
    if (!r) return NULL;
    port->request_count++;
    r->ready.foreign = true;
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

struct evp_op *evp_request_feed(struct evp_port *port, struct evp_request *r, NTSTATUS status) {
  struct evp_op *op = r->op;
  r->returned = true;
  if (op) {
    op->result = result_of(status, r->o.InternalHigh, op->code == EVPOLL_OP_READ);
    put_request(port, r);
  } else if (r->aio) {
    r->o.Internal = (ULONG_PTR)status;
    r->waiting = true;
    evp_port_push(port, &r->ready);
  } else if (r->given_up) {
    r->given_up = false;
    put_request(port, r);
  }
  return op;
}

/* What the kernel may still write stays for good, where a look for leaks finds it. */
void evp_requests_free(struct evp_port *port) {
  static struct evp_kept {
    struct evp_kept *next;
    struct evp_table requests;
  } * _Atomic kept;
  bool in_flight = false;
  for (uint32_t i = 0; i < port->request_count; i++) {
    const struct evp_request *r = evp_table_at(&port->requests, i);
    in_flight |= r->given_up;
  }
  if (!in_flight) {
    evp_table_free(&port->requests);
    return;
  }
  struct evp_kept *k = malloc(sizeof *k);
  if (!k) return;
  memcpy(&k->requests, &port->requests, sizeof k->requests);
  k->next = atomic_load(&kept);
  while (!atomic_compare_exchange_weak(&kept, &k->next, k)) {
  }
}

/* ---- the engine --------------------------------------------------------------------------- */

static int32_t overlapped_open(evpoll *p, char *why, size_t capacity) {
  (void)p;
  snprintf(why, capacity, "overlapped operations on the completion port");
  return 0;
}

static void overlapped_close(evpoll *p) { (void)p; }

static struct evp_place *overlapped_place_of(evpoll *p, uint64_t id) {
  return evp_table_reach(&evp_port_of(p)->places, evp_id_index(id));
}

/* Lock held: p->io.lock. Finds nothing while the operation is being started. */
static void cancel_kernel(evpoll *p, struct evp_op *op) {
  struct evp_port *port = evp_port_of(p);
  evp_mutex_lock(&port->lock);
  struct evp_request *r = overlapped_place_of(p, op->id)->r;
  if (r && r->op == op) CancelIoEx(evp_windows_handle(op->handle), &r->o);
  evp_mutex_unlock(&port->lock);
}

static void cancel_again(evpoll *p, uint64_t id) {
  evp_io_lock(p);
  struct evp_op *op = evp_io_find(p, id);
  if (op) cancel_kernel(p, op);
  evp_io_unlock(p);
}

/* No packet is to come. False: it was faster, and the operation is over. */
static bool overlapped_take_back(evpoll *p, struct evp_op *op, struct evp_request *r,
                                 int64_t *bytes_out) {
  struct evp_port *port = evp_port_of(p);
  evp_mutex_lock(&port->lock);
  const bool ours = r->op == op;
  *bytes_out = (int64_t)r->o.InternalHigh;
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

/* It is over, and no packet comes. */
static bool overlapped_end(evpoll *p, struct evp_op *op, int64_t result) {
  const uint32_t whole = EVPOLL_OPF_INLINE | EVPOLL_OPF_ALL;
  op->result = result;
  op->ended = result >= 0 && (op->flags & whole) == EVPOLL_OPF_INLINE;
  if (op->ended) return true;
  evp_io_done(p, op);
  return false;
}

/* True: it ended in the call, and is the caller's. */
static bool overlapped_start(evpoll *p, struct evp_op *op, struct evp_place *place,
                             struct evp_request *r) {
  const uint64_t id = op->id;
  const bool skips = op->target->kind & SKIPS_PACKET;
  const bool reads = op->code == EVPOLL_OP_READ;
  const uint64_t most = evp_file_length_limit();
  const DWORD bytes = (DWORD)(op->length < most ? op->length : most);
  HANDLE file = evp_windows_handle(op->handle);
  DWORD os_code = ERROR_OPERATION_ABORTED;
  int64_t moved;
  if (atomic_load(&place->cancel_id) != id) {
    const BOOL ok = reads ? ReadFile(file, op->buffer, bytes, NULL, &r->o)
                          : WriteFile(file, op->buffer, bytes, NULL, &r->o);
    os_code = ok ? 0 : GetLastError();
  }
  if (os_code == 0 && skips) /* the success is all there is */
    return overlapped_take_back(p, op, r, &moved) && overlapped_end(p, op, moved);
  /* MORE_DATA: a warning, of which a packet tells. */
  if (os_code == 0 || os_code == ERROR_IO_PENDING || os_code == ERROR_MORE_DATA) {
    if (atomic_load(&place->cancel_id) == id) cancel_again(p, id);
    return false;
  }
  if (!overlapped_take_back(p, op, r, &moved)) return false;
  const bool end = os_code == ERROR_HANDLE_EOF || (reads && os_code == ERROR_BROKEN_PIPE);
  return overlapped_end(p, op, end ? 0 : -(int64_t)os_code);
}

static void overlapped_submit(evpoll *p, struct evp_op **chain, int *os_code_out) {
  for (struct evp_op **at = chain, *op; (op = *at);) {
    struct evp_op *next = op->next;
    struct evp_place *place = op->in_pool ? NULL : overlapped_place_of(p, op->id);
    struct evp_request *r = place ? request_for(p, op, place) : NULL;
    if (!r) {
      if (!op->in_pool) *os_code_out = ERROR_NOT_ENOUGH_MEMORY;
      at = &op->next;
      continue;
    }
    *at = next;
    if (!overlapped_start(p, op, place, r)) continue;
    *at = op;
    op->next = next;
    at = &op->next;
  }
}

static void overlapped_cancel(evpoll *p, struct evp_op *op) {
  struct evp_place *place = overlapped_place_of(p, op->id);
  if (!place) return;
  atomic_store(&place->cancel_id, op->id); /* it may not be started yet */
  cancel_kernel(p, op);
}

/* The wait takes packets itself, but not when it is shut down: readiness would end its sleep. */
static bool overlapped_has_completions(evpoll *p) { return evp_is_shut_down(p); }

static int32_t overlapped_collect(evpoll *p, evpoll_event *out, int32_t capacity) {
  return evp_is_shut_down(p) ? evp_port_drain(p, out, capacity) : 0;
}

const struct evp_engine evp_engine_iocp = {
    .id = EVPOLL_ENGINE_IOCP,
    .want = EVPOLL_ERR_LIMIT,
    .pool_codes = 1u << EVPOLL_OP_FSYNC | 1u << EVPOLL_OP_FDATASYNC,
    .open = overlapped_open,
    .close = overlapped_close,
    .look = overlapped_look,
    .leave = overlapped_leave,
    .submit = overlapped_submit,
    .cancel = overlapped_cancel,
    .has_completions = overlapped_has_completions,
    .collect = overlapped_collect,
};

/* ---- foreign operations ------------------------------------------------------------------- */

/* What the block holds until a call has started an operation with it. */
#define NEVER_STARTED ((ULONG_PTR)0x0EB0110E)
static int32_t overlapped_open_foreign(evpoll_aio *aio) {
  aio->native = NULL; /* made when it is armed */
  return 0;
}

static void overlapped_close_foreign(evpoll_aio *aio) {
  struct evp_port *port = evp_port_of(aio->p);
  struct evp_request *r = aio->native;
  if (!r) return;
  evp_mutex_lock(&port->lock);
  r->returned = true; /* not armed, so that its last packet has come */
  put_request(port, r);
  evp_mutex_unlock(&port->lock);
}

static int32_t overlapped_arm(evpoll_aio *aio, void *native_out, uint32_t size) {
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

static void overlapped_disarm(evpoll_aio *aio) {
  struct evp_port *port = evp_port_of(aio->p);
  struct evp_request *r = aio->native;
  if (r->o.Internal == NEVER_STARTED) return;
  evp_mutex_lock(&port->lock);
  if (r->returned) {
    put_request(port, r);
  } else {
    r->aio = NULL;
    r->given_up = true;
  }
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
    .open = overlapped_open_foreign,
    .close = overlapped_close_foreign,
    .arm = overlapped_arm,
    .disarm = overlapped_disarm,
};
