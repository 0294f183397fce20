/* SPDX-License-Identifier: MIT */
/* Named pipes of bytes, and anonymous ones. They are what can truly be cancelled: a read waits for
 * data, a write for room, ConnectNamedPipe() for a client (all measured under Wine 8.0). */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

enum { ROOM = 4096, READS = 0, WRITES = 1, LISTENS = 2 };

struct end {
  struct nt_object o;
  struct end *next;  /* servers that listen, or will */
  struct end *other; /* referenced */
  char *name;        /* servers only */
  bool server, connected, broken;
  char data[ROOM]; /* to be read here */
  size_t first, held;
};

static struct end *servers;

static struct nt_irp *oldest(struct end *e, int code) {
  struct nt_irp *found = NULL;
  for (struct nt_irp *irp = e->o.irps; irp; irp = irp->next)
    if (irp->state == NT_IRP_PENDING && irp->code == code) found = irp;
  return found;
}

/* ---- data --------------------------------------------------------------------------------- */

static size_t put(struct end *e, const char *data, size_t n) {
  if (n > ROOM - e->held) n = ROOM - e->held;
  for (size_t i = 0; i < n; i++) e->data[(e->first + e->held + i) % ROOM] = data[i];
  e->held += n;
  return n;
}

static size_t get(struct end *e, char *data, size_t n) {
  if (n > e->held) n = e->held;
  for (size_t i = 0; i < n; i++) data[i] = e->data[(e->first + i) % ROOM];
  e->first = (e->first + n) % ROOM;
  e->held -= n;
  return n;
}

/* Whatever can go on, does: writes of the other side fill the room, reads empty it. */
static void pump(struct end *e) {
  for (bool moved = true; moved;) {
    moved = false;
    struct nt_irp *w = e->other ? oldest(e->other, WRITES) : NULL;
    if (w) {
      const size_t n = put(e, (char *)w->buffer + w->offset, w->length - (size_t)w->offset);
      w->offset += (int64_t)n;
      moved = n > 0;
      if ((size_t)w->offset == w->length) nt_irp_finish(w, NT_SUCCESS_STATUS, w->length, false);
    }
    struct nt_irp *r = e->held ? oldest(e, READS) : NULL;
    if (!r) continue;
    nt_irp_finish(r, NT_SUCCESS_STATUS, get(e, r->buffer, r->length), false);
    moved = true;
  }
  nt_wake_all(e);
  if (e->other) nt_wake_all(e->other);
}

static void break_off(struct end *e) {
  e->broken = true;
  struct nt_irp *irp;
  while ((irp = oldest(e, READS)) || (irp = oldest(e, WRITES)))
    nt_irp_finish(irp, NT_PIPE_BROKEN, 0, false);
  nt_wake_all(e);
}

/* ---- ends --------------------------------------------------------------------------------- */

static void leave_servers(struct end *e) {
  struct end **at = &servers;
  while (*at && *at != e) at = &(*at)->next;
  if (*at) *at = e->next;
}

static void leave_pipe(struct end *e) {
  leave_servers(e);
  nt_irp_cancel_all(&e->o, nt_is_wine() ? NT_HANDLES_CLOSED : NT_CANCELLED);
  struct end *other = e->other;
  e->other = NULL;
  if (!other) return;
  if (other->other == e) {
    other->other = NULL;
    nt_unref(&e->o);
  }
  break_off(other);
  nt_unref(&other->o);
}

static void close_end(struct nt_object *o) {
  nt_serial_enter(o);
  leave_pipe((struct end *)o);
  nt_serial_leave(o);
}

static void free_end(struct nt_object *o) { free(((struct end *)o)->name); }

static struct end *make_end(bool overlapped) {
  struct end *e = nt_make(NT_PIPE, sizeof *e);
  e->o.overlapped = overlapped;
  e->o.closed = close_end;
  e->o.freed = free_end;
  return e;
}

static void join(struct end *a, struct end *b) {
  a->other = (struct end *)nt_ref(&b->o);
  b->other = (struct end *)nt_ref(&a->o);
  a->connected = b->connected = true;
}

HANDLE WINAPI CreateNamedPipeA(LPCSTR name, DWORD mode, DWORD pipe_mode, DWORD instances,
                               DWORD out_size, DWORD in_size, DWORD timeout,
                               LPSECURITY_ATTRIBUTES attributes) {
  (void)pipe_mode, (void)instances, (void)out_size, (void)in_size, (void)timeout, (void)attributes;
  NT_CALL("CreateNamedPipe", ERROR_NO_SYSTEM_RESOURCES, INVALID_HANDLE_VALUE);
  struct end *e = make_end(mode & FILE_FLAG_OVERLAPPED);
  e->server = true;
  e->name = strdup(name);
  HANDLE h = nt_handle(&e->o);
  if (h) {
    e->next = servers;
    servers = e;
  }
  nt_unref(&e->o);
  if (!h) NT_REFUSE(ERROR_NO_SYSTEM_RESOURCES, INVALID_HANDLE_VALUE);
  nt_leave();
  return h;
}

HANDLE WINAPI CreateNamedPipeW(LPCWSTR name, DWORD mode, DWORD pipe_mode, DWORD instances,
                               DWORD out_size, DWORD in_size, DWORD timeout,
                               LPSECURITY_ATTRIBUTES attributes) {
  char *text = nt_utf8(name);
  HANDLE h =
      CreateNamedPipeA(text, mode, pipe_mode, instances, out_size, in_size, timeout, attributes);
  free(text);
  return h;
}

struct nt_object *nt_pipe_open(const char *name, DWORD flags) {
  bool seen = false;
  for (struct end *s = servers; s; s = s->next) {
    if (strcmp(s->name, name) != 0) continue;
    seen = true;
    if (s->connected) continue;
    struct end *e = make_end(flags & FILE_FLAG_OVERLAPPED);
    join(s, e);
    struct nt_irp *irp = oldest(s, LISTENS);
    if (irp) nt_irp_finish(irp, NT_SUCCESS_STATUS, 0, false);
    nt_wake_all(s);
    return &e->o;
  }
  SetLastError(seen ? ERROR_PIPE_BUSY : ERROR_FILE_NOT_FOUND);
  return NULL;
}

BOOL WINAPI ConnectNamedPipe(HANDLE pipe, LPOVERLAPPED overlapped) {
  NT_CALL("ConnectNamedPipe", ERROR_NO_SYSTEM_RESOURCES, FALSE);
  struct end *e = (struct end *)nt_lookup_kind(pipe, NT_PIPE);
  if (!e) NT_REFUSE(ERROR_INVALID_HANDLE, FALSE);
  if (e->broken) NT_REFUSE(ERROR_NO_DATA, FALSE);
  if (e->connected) NT_REFUSE(ERROR_PIPE_CONNECTED, FALSE);
  if (e->o.overlapped && overlapped) {
    nt_irp_overlapped(&e->o, overlapped)->code = LISTENS;
    NT_REFUSE(ERROR_IO_PENDING, FALSE);
  }
  nt_serial_enter(&e->o);
  while (!e->connected) nt_block(e, -1);
  nt_serial_leave(&e->o);
  nt_leave();
  return TRUE;
}

BOOL WINAPI CreatePipe(PHANDLE read, PHANDLE write, LPSECURITY_ATTRIBUTES attributes, DWORD size) {
  (void)attributes, (void)size;
  NT_CALL("CreatePipe", ERROR_NO_SYSTEM_RESOURCES, FALSE);
  struct end *r = make_end(false), *w = make_end(false);
  join(r, w);
  *read = nt_handle(&r->o);
  *write = nt_handle(&w->o);
  nt_unref(&r->o);
  nt_unref(&w->o);
  nt_leave();
  return TRUE;
}

/* ---- reading and writing ------------------------------------------------------------------ */

static DWORD block(struct end *e, bool write, char *buffer, DWORD length, LPDWORD done) {
  for (DWORD n = 0;;) {
    if (write && e->other) n += (DWORD)put(e->other, buffer + n, length - n);
    if (!write) n += (DWORD)get(e, buffer, length);
    if (e->other) pump(write ? e->other : e);
    if (done) *done = n;
    if (write ? n == length : n > 0 || length == 0) return 0;
    if (e->broken) return write ? ERROR_NO_DATA : ERROR_BROKEN_PIPE;
    nt_block(e, -1);
  }
}

DWORD nt_pipe_io(struct nt_object *o, bool write, void *buffer, DWORD length, LPDWORD done,
                 LPOVERLAPPED overlapped) {
  struct end *e = (struct end *)o;
  if (!e->connected) return ERROR_PIPE_LISTENING;
  if (e->broken && (write || !e->held)) return write ? ERROR_NO_DATA : ERROR_BROKEN_PIPE;
  if (!o->overlapped) {
    nt_serial_enter(o);
    const DWORD code = block(e, write, buffer, length, done);
    nt_serial_leave(o);
    if (overlapped) {
      overlapped->Internal = 0;
      overlapped->InternalHigh = done ? *done : 0;
    }
    return code;
  }
  if (!overlapped) return ERROR_INVALID_PARAMETER;
  struct nt_irp *irp = nt_irp_overlapped(o, overlapped);
  irp->buffer = buffer;
  irp->length = length;
  irp->code = write ? WRITES : READS;
  /* What can be done at once is, with a packet: measured for writes. */
  if (write && !oldest(e, WRITES)->offset && e->other && ROOM - e->other->held >= length &&
      oldest(e, WRITES) == irp) {
    put(e->other, buffer, length);
    nt_irp_finish(irp, NT_SUCCESS_STATUS, length, true);
    pump(e->other);
    if (done) *done = length;
    return 0;
  }
  if (write && e->other)
    pump(e->other);
  else if (!write)
    pump(e);
  return ERROR_IO_PENDING;
}

/* Waits until the other side has read everything, also where the handle is overlapped (documented;
 * the same under Wine 8.0). */
DWORD nt_pipe_flush(struct nt_object *o) {
  struct end *e = (struct end *)nt_ref(o);
  nt_serial_enter(o);
  while (e->other && (e->other->held || oldest(e, WRITES))) nt_block(e, -1);
  const DWORD code = !e->connected ? ERROR_PIPE_LISTENING : e->broken ? ERROR_BROKEN_PIPE : 0;
  nt_serial_leave(o);
  nt_unref(o);
  return code;
}

BOOL WINAPI GetNamedPipeInfo(HANDLE pipe, LPDWORD flags, LPDWORD out_size, LPDWORD in_size,
                             LPDWORD instances) {
  NT_CALL("GetNamedPipeInfo", ERROR_INVALID_FUNCTION, FALSE);
  struct end *e = (struct end *)nt_lookup_kind(pipe, NT_PIPE);
  if (!e) NT_REFUSE(nt_lookup(pipe) ? ERROR_INVALID_FUNCTION : ERROR_INVALID_HANDLE, FALSE);
  nt_serial_enter(&e->o);
  if (flags) *flags = e->server;
  if (out_size) *out_size = ROOM;
  if (in_size) *in_size = ROOM;
  if (instances) *instances = PIPE_UNLIMITED_INSTANCES;
  nt_serial_leave(&e->o);
  nt_leave();
  return TRUE;
}
