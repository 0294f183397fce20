/* SPDX-License-Identifier: MIT */
/* Requests. One is pending, then ripe (its outcome is known, its packet on the way), then queued
 * (the packet is in the port), and gone when the packet was taken.
 *
 * The caller's status block and buffer are written when the packet is taken: Windows defers that
 * to the thread that takes it (documented, "Windows Internals", I/O completion ports), Wine writes
 * at once (measured under Wine 8.0). So memory that was freed before its packet came is written
 * here, and AddressSanitizer sees it. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

static struct nt_irp *all; /* by next_all: few, and only looked through by checks */
static uint32_t alive;
static uint64_t last_serial;

uint32_t nt_pending(void) { return alive; }

static void gone(struct nt_irp *irp) {
  struct nt_irp **at = &all;
  while (*at != irp) at = &(*at)->next_all;
  *at = irp->next_all;
  alive--;
  if (irp->target) nt_unref(irp->target);
  nt_unref(irp->object);
  free(irp);
}

struct nt_irp *nt_irp_find(uint64_t serial) {
  for (struct nt_irp *irp = all; irp; irp = irp->next_all)
    if (irp->serial == serial) return irp->state == NT_IRP_PENDING ? irp : NULL;
  return NULL;
}

bool nt_irp_uses(const void *iosb) {
  for (const struct nt_irp *irp = all; irp; irp = irp->next_all)
    if (irp->iosb == iosb) return true;
  return false;
}

struct nt_irp *nt_irp_start(struct nt_object *o, void *iosb, void *context, HANDLE event) {
  if (nt_irp_uses(iosb)) nt_violation("a status block was given to a second request");
  struct nt_irp *irp = calloc(1, sizeof *irp);
  if (!irp) abort();
  irp->object = nt_ref(o);
  irp->iosb = iosb;
  irp->before = *irp->iosb;
  irp->context = context;
  irp->event = event;
  irp->serial = ++last_serial;
  irp->next = o->irps;
  o->irps = irp;
  irp->next_all = all;
  all = irp;
  alive++;
  return irp;
}

struct nt_irp *nt_irp_overlapped(struct nt_object *o, LPOVERLAPPED overlapped) {
  const ULONG_PTR event = (ULONG_PTR)overlapped->hEvent;
  overlapped->Internal = NT_PENDING;
  overlapped->InternalHigh = 0;
  return nt_irp_start(o, overlapped, event & 1 ? NULL : overlapped,
                      (HANDLE)(event & ~(ULONG_PTR)1));
}

/* ---- outcomes ----------------------------------------------------------------------------- */

void nt_irp_write(struct nt_irp *irp) {
  if (irp->written) return;
  irp->written = true;
  if (memcmp(irp->iosb, &irp->before, sizeof irp->before) != 0)
    nt_violation("a status block was touched while its request was pending");
  if (irp->target) nt_afd_write(irp);
  irp->iosb->information = irp->information;
  irp->iosb->status = irp->status;
}

void nt_irp_taken(struct nt_irp *irp) {
  nt_irp_write(irp);
  gone(irp);
}

void nt_irp_dropped(struct nt_irp *irp) { gone(irp); }

static void leave_object(struct nt_irp *irp) {
  struct nt_irp **at = &irp->object->irps;
  while (*at != irp) at = &(*at)->next;
  *at = irp->next;
}

static void report(struct nt_irp *irp) {
  struct nt_object *o = irp->object;
  irp->state = NT_IRP_QUEUED;
  leave_object(irp);
  if (irp->event) nt_event_set(irp->event, true);
  nt_wake_all(irp->iosb);
  if (!o->port || !irp->context) {
    nt_irp_taken(irp);
    return;
  }
  if (nt_is_wine()) nt_irp_write(irp);
  nt_port_queue(o->port, o->key, irp);
}

static void report_later(struct nt_object *o, void *argument) {
  (void)o;
  report(argument);
}

void nt_irp_finish(struct nt_irp *irp, NTSTATUS status, ULONG_PTR information, bool at_once) {
  irp->state = NT_IRP_RIPE;
  irp->status = status;
  irp->information = information;
  if (!at_once) {
    nt_later(report_later, irp->object, irp);
    return;
  }
  nt_irp_write(irp);
  /* Wine 8.0 says of disk files that they are pending, and sends the packet (measured). */
  const bool pending = nt_is_wine() && irp->object->kind == NT_DISK;
  if (status >= 0 && !pending && (irp->object->modes & FILE_SKIP_COMPLETION_PORT_ON_SUCCESS))
    irp->context = NULL;
  report(irp);
}

/* ---- cancelling --------------------------------------------------------------------------- */

static void cancel_now(struct nt_irp *irp) {
  nt_afd_forget(irp);
  nt_irp_finish(irp, NT_CANCELLED, 0, false);
}

static void cancel_late(struct nt_object *o, void *argument) {
  (void)o;
  struct nt_irp *irp = nt_irp_find((uint64_t)(uintptr_t)argument);
  if (irp) cancel_now(irp); /* else something else came first */
}

/* True: the caller is told that it was cancelled, which is documented to say nothing of what
 * becomes of the request. One that pends may be just about to complete, with whatever comes next;
 * one that has its outcome, or a packet in the port, reports that, whether it was found or not.
 * Wine 8.0 cancels inside the call, and finds nothing of what has completed (measured). */
static bool cancel(struct nt_irp *irp) {
  if (irp->firm) return false;
  const bool again = irp->ending;
  irp->ending = true;
  if (irp->state != NT_IRP_PENDING) return !nt_is_wine() && nt_chance(1, 2);
  if (!again && !nt_is_wine() && nt_chance(1, 3))
    nt_later(cancel_late, irp->object, (void *)(uintptr_t)irp->serial);
  else
    cancel_now(irp);
  return true;
}

/* A packet in the port has left its object. */
static bool cancel_queued(const struct nt_object *o, const void *iosb) {
  if (!nt_deterministic()) return false; /* there are too many to look through */
  for (struct nt_irp *irp = all; irp; irp = irp->next_all)
    if (irp->object == o && irp->iosb == iosb && irp->state == NT_IRP_QUEUED) return cancel(irp);
  return false;
}

NTSTATUS nt_irp_cancel(struct nt_object *o, const void *iosb) {
  bool found = cancel_queued(o, iosb);
  for (struct nt_irp *irp = o->irps, *next; irp; irp = next) {
    next = irp->next;
    if (!iosb || irp->iosb == iosb) found |= cancel(irp);
  }
  return found ? NT_SUCCESS_STATUS : NT_NOT_FOUND;
}

static bool counts(const struct nt_irp *irp, enum nt_polls which) {
  switch (which) {
  case NT_POLLS_ALL: return true;
  case NT_POLLS_LIVE: return !irp->ending;
  case NT_POLLS_WAITING: return !irp->ending && irp->state == NT_IRP_PENDING;
  case NT_POLLS_CLOSED: return irp->state != NT_IRP_PENDING && irp->found == NT_LOCAL_CLOSE;
  }
  return false;
}

uint64_t nt_requests(void) { return last_serial; }

uint32_t nt_polls(SOCKET socket, uint64_t after, enum nt_polls which) {
  nt_enter();
  HANDLE base = nt_layer_base(socket);
  if (!base) base = (HANDLE)socket;
  uint32_t n = 0;
  for (const struct nt_irp *irp = all; irp; irp = irp->next_all)
    n += irp->target && irp->named == base && irp->serial > after && counts(irp, which);
  nt_leave();
  return n;
}

void nt_irp_cancel_all(struct nt_object *o, NTSTATUS status) {
  for (struct nt_irp *irp = o->irps, *next; irp; irp = next) {
    next = irp->next;
    if (irp->state != NT_IRP_PENDING) continue;
    nt_afd_forget(irp);
    nt_irp_finish(irp, status, 0, false);
  }
}
