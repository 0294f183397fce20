/* SPDX-License-Identifier: MIT */
/* The I/O completion port: a queue of packets, and threads that sleep on it. */
#include <stdlib.h>

#include "kernel.h"

struct packet {
  struct packet *next;
  ULONG_PTR key, context, status;
  DWORD bytes;
  struct nt_irp *irp; /* NULL: posted */
};

struct port {
  struct nt_object o;
  struct packet *first, *last;
  bool closed;
};

static void add(struct port *p, struct packet packet) {
  struct packet *copy = malloc(sizeof *copy);
  if (!copy) abort();
  *copy = packet;
  copy->next = NULL;
  if (p->first)
    p->last->next = copy;
  else
    p->first = copy;
  p->last = copy;
  nt_wake_one(p);
}

void nt_port_queue(struct nt_object *port, ULONG_PTR key, struct nt_irp *irp) {
  struct port *p = (struct port *)port;
  if (p->closed) {
    nt_irp_dropped(irp);
    return;
  }
  add(p, (struct packet){.key = key, .context = (ULONG_PTR)irp->context, .irp = irp});
}

static OVERLAPPED_ENTRY take(struct port *p) {
  struct packet *packet = p->first;
  p->first = packet->next;
  OVERLAPPED_ENTRY e = {.lpCompletionKey = packet->key,
                        .lpOverlapped = (LPOVERLAPPED)packet->context,
                        .Internal = packet->status,
                        .dwNumberOfBytesTransferred = packet->bytes};
  if (packet->irp) {
    e.Internal = (ULONG)packet->irp->status;
    e.dwNumberOfBytesTransferred = (DWORD)packet->irp->information;
    nt_irp_taken(packet->irp);
  }
  free(packet);
  return e;
}

/* Packets that nobody will take write nothing. */
static void drop_packets(struct nt_object *o) {
  struct port *p = (struct port *)o;
  while (p->first) {
    struct packet *packet = p->first;
    p->first = packet->next;
    if (packet->irp) nt_irp_dropped(packet->irp);
    free(packet);
  }
}

/* Wine 8.0 leaves waiters asleep (measured); Windows sends them away (documented). */
static void close_port(struct nt_object *o) {
  ((struct port *)o)->closed = true;
  drop_packets(o);
  if (!nt_is_wine()) nt_wake_all(o);
}

static HANDLE make_port(void) {
  struct port *p = nt_make(NT_PORT, sizeof *p);
  p->o.closed = close_port;
  p->o.freed = drop_packets;
  HANDLE h = nt_handle(&p->o);
  nt_unref(&p->o);
  return h;
}

HANDLE WINAPI CreateIoCompletionPort(HANDLE file, HANDLE existing, ULONG_PTR key, DWORD threads) {
  (void)threads;
  NT_CALL("CreateIoCompletionPort", ERROR_NO_SYSTEM_RESOURCES, NULL);
  struct nt_object *o = file == INVALID_HANDLE_VALUE ? NULL : nt_lookup(file);
  if (file != INVALID_HANDLE_VALUE && !o) NT_REFUSE(ERROR_INVALID_HANDLE, NULL);
  if (!o && existing) NT_REFUSE(ERROR_INVALID_PARAMETER, NULL);
  struct nt_object *p = existing ? nt_lookup_kind(existing, NT_PORT) : NULL;
  if (existing && !p) NT_REFUSE(ERROR_INVALID_HANDLE, NULL);
  if (o && (o->kind == NT_PORT || o->kind == NT_EVENT || o->kind == NT_THREAD))
    NT_REFUSE(ERROR_INVALID_PARAMETER, NULL);
  /* A second port, or a synchronous handle, which waits for its turn to say so: documented. */
  if (o) nt_serial_enter(o);
  const bool refused = o && (o->port || !o->overlapped);
  if (o) nt_serial_leave(o);
  if (refused) NT_REFUSE(ERROR_INVALID_PARAMETER, NULL);
  HANDLE port = existing;
  if (!p) {
    port = make_port();
    if (!port) NT_REFUSE(ERROR_NO_SYSTEM_RESOURCES, NULL);
    p = nt_lookup(port);
  }
  if (o) {
    o->port = nt_ref(p);
    o->key = key;
  }
  nt_leave();
  return port;
}

/* Lock held. Takes up to n packets, fewer if the seed says so: "up to" is what is documented. */
static DWORD wait_for_packets(HANDLE port, LPOVERLAPPED_ENTRY entries, ULONG n, PULONG removed,
                              DWORD ms) {
  struct nt_object *o = nt_lookup_kind(port, NT_PORT);
  if (!o) return ERROR_INVALID_HANDLE;
  struct port *p = (struct port *)nt_ref(o);
  const int64_t deadline = ms == 0 ? 0 : nt_deadline(ms);
  bool time = ms != 0;
  while (!p->first && !p->closed && time) time = nt_block(p, deadline);
  ULONG got = 0;
  if (n > 1 && nt_chance(1, 4)) n = 1 + nt_random(n);
  while (p->first && got < n) entries[got++] = take(p);
  if (p->first) nt_wake_one(p);
  const DWORD code = got ? 0 : p->closed ? ERROR_ABANDONED_WAIT_0 : WAIT_TIMEOUT;
  nt_unref(o);
  *removed = got;
  return code;
}

BOOL WINAPI GetQueuedCompletionStatusEx(HANDLE port, LPOVERLAPPED_ENTRY entries, ULONG n,
                                        PULONG removed, DWORD ms, BOOL alertable) {
  (void)alertable;
  NT_CALL("GetQueuedCompletionStatusEx", ERROR_NO_SYSTEM_RESOURCES, FALSE);
  ULONG got = 1; /* measured under Wine 8.0: the count is 1 after a timeout */
  const DWORD code =
      n == 0 ? ERROR_INVALID_PARAMETER : wait_for_packets(port, entries, n, &got, ms);
  if (code) got = 1;
  *removed = got;
  if (code) NT_REFUSE(code, FALSE);
  nt_leave();
  return TRUE;
}

BOOL WINAPI GetQueuedCompletionStatus(HANDLE port, LPDWORD bytes, PULONG_PTR key,
                                      LPOVERLAPPED *overlapped, DWORD ms) {
  NT_CALL("GetQueuedCompletionStatus", ERROR_NO_SYSTEM_RESOURCES, FALSE);
  OVERLAPPED_ENTRY e;
  ULONG got = 0;
  *overlapped = NULL;
  const DWORD code = wait_for_packets(port, &e, 1, &got, ms);
  if (code) NT_REFUSE(code, FALSE);
  *bytes = e.dwNumberOfBytesTransferred;
  *key = e.lpCompletionKey;
  *overlapped = e.lpOverlapped;
  const NTSTATUS status = (NTSTATUS)e.Internal;
  if (status < 0) NT_REFUSE(nt_error_of(status), FALSE);
  nt_leave();
  return TRUE;
}

BOOL WINAPI PostQueuedCompletionStatus(HANDLE port, DWORD bytes, ULONG_PTR key,
                                       LPOVERLAPPED overlapped) {
  NT_CALL("PostQueuedCompletionStatus", ERROR_NO_SYSTEM_RESOURCES, FALSE);
  struct nt_object *o = nt_lookup_kind(port, NT_PORT);
  if (!o) NT_REFUSE(ERROR_INVALID_HANDLE, FALSE);
  add((struct port *)o,
      (struct packet){.key = key, .context = (ULONG_PTR)overlapped, .bytes = bytes});
  nt_leave();
  return TRUE;
}

BOOL WINAPI SetFileCompletionNotificationModes(HANDLE file, UCHAR modes) {
  NT_CALL("SetFileCompletionNotificationModes", ERROR_INVALID_FUNCTION, FALSE);
  struct nt_object *o = nt_lookup(file);
  if (!o) NT_REFUSE(ERROR_INVALID_HANDLE, FALSE);
  if (modes & ~3u) NT_REFUSE(ERROR_INVALID_PARAMETER, FALSE);
  o->modes |= modes;
  nt_leave();
  return TRUE;
}

/* Wine 8.0 finds nothing to cancel on disk files, since they are done inside the call (measured):
 * disk.c has nothing pending there. */
BOOL WINAPI CancelIoEx(HANDLE file, LPOVERLAPPED overlapped) {
  nt_enter(); /* not made to fail: what is pending can be cancelled */
  struct nt_object *o = nt_lookup(file);
  if (!o) NT_REFUSE(ERROR_INVALID_HANDLE, FALSE);
  /* Wine 8.0 is content with nothing when it was to cancel everything (measured). */
  const bool content = nt_is_wine() && !overlapped;
  if (nt_irp_cancel(o, overlapped) < 0 && !content) NT_REFUSE(ERROR_NOT_FOUND, FALSE);
  nt_leave();
  return TRUE;
}

BOOL WINAPI CancelIo(HANDLE file) { return CancelIoEx(file, NULL); }

BOOL WINAPI GetOverlappedResult(HANDLE file, LPOVERLAPPED overlapped, LPDWORD bytes, BOOL wait) {
  nt_enter(); /* not made to fail: it waits, and says what the operation did */
  if (!nt_lookup(file)) NT_REFUSE(ERROR_INVALID_HANDLE, FALSE);
  while (wait && overlapped->Internal == NT_PENDING) nt_block(overlapped, -1);
  if (overlapped->Internal == NT_PENDING) NT_REFUSE(ERROR_IO_INCOMPLETE, FALSE);
  *bytes = (DWORD)overlapped->InternalHigh;
  const NTSTATUS status = (NTSTATUS)overlapped->Internal;
  if (status < 0) NT_REFUSE(nt_error_of(status), FALSE);
  nt_leave();
  return TRUE;
}
