/* SPDX-License-Identifier: MIT */
/* The AFD device: IOCTL_AFD_POLL with one handle.
 *
 * What each answer is was measured under Wine 8.0; where Windows is documented to differ, or was
 * seen to by others, the line says so. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

struct poll_info {
  int64_t timeout; /* 0: only looks; INT64_MAX: none */
  ULONG n;
  ULONG exclusive;
  HANDLE handle;
  ULONG events;
  NTSTATUS status;
};
_Static_assert(sizeof(struct poll_info) == 32, "AFD_POLL_INFO with one handle");
enum { HEAD = 16 };

static void close_afd(struct nt_object *o) {
  nt_irp_cancel_all(o, nt_is_wine() ? NT_HANDLES_CLOSED : NT_CANCELLED);
}

struct nt_object *nt_afd_open(void) {
  struct nt_object *o = nt_make(NT_AFD, sizeof *o);
  o->overlapped = true;
  o->closed = close_afd;
  return o;
}

/* ---- polls that wait ---------------------------------------------------------------------- */

void nt_afd_forget(struct nt_irp *irp) {
  if (!irp->target) return;
  struct nt_irp **at = &((struct nt_socket *)irp->target)->polls;
  while (*at && *at != irp) at = &(*at)->next_poll;
  if (*at) *at = irp->next_poll;
}

void nt_afd_write(struct nt_irp *irp) {
  if (irp->information == 0) return; /* cancelled: the buffer still holds the input */
  struct poll_info *out = irp->buffer;
  out->n = irp->information == HEAD ? 0 : 1;
  if (out->n == 0) return;
  out->events = irp->found;
  out->status = irp->poll_status;
}

static uint32_t look(struct nt_socket *s, struct nt_irp *irp) {
  irp->poll_status = NT_SUCCESS_STATUS;
  irp->found = nt_socket_truth(s, &irp->poll_status) & irp->events;
  return irp->found;
}

/* Of several polls that wait for one socket the oldest comes back with what another one had asked
 * for, which waits on (trio #52, wepoll #35). Those that were asked to end are out of it. */
static struct nt_irp *confuse(struct nt_irp *irp) {
  struct nt_irp *oldest = irp;
  if (nt_is_wine() || irp->ending) return irp;
  for (struct nt_irp *other = irp->next_poll; other; other = other->next_poll)
    if (!other->ending) oldest = other;
  oldest->found = irp->found;
  oldest->poll_status = irp->poll_status;
  return oldest;
}

static void come_back(struct nt_irp *irp) {
  nt_afd_forget(irp);
  nt_irp_finish(irp, NT_SUCCESS_STATUS, sizeof(struct poll_info), false);
}

/* A local close is reported also when not asked for, and to all. */
static void indicate_close(struct nt_socket *s) {
  while (s->polls) {
    struct nt_irp *irp = s->polls;
    irp->found = NT_LOCAL_CLOSE;
    irp->poll_status = NT_SUCCESS_STATUS;
    come_back(irp);
  }
}

void nt_afd_indicate(struct nt_socket *s, uint32_t also) {
  if (also) return indicate_close(s);
  for (struct nt_irp *irp = s->polls, *next; irp; irp = next) {
    next = irp->next_poll;
    if (!look(s, irp)) continue;
    struct nt_irp *told = confuse(irp);
    if (told == next) next = told->next_poll;
    come_back(told);
  }
}

/* The program may have asked by two numbers, against the contract; by one the library never does,
 * but after it has asked the other to end. */
static void check_single(const struct nt_socket *s, HANDLE h) {
  for (const struct nt_irp *irp = s->polls; irp; irp = irp->next_poll)
    if (irp->named == h && !irp->ending && !nt_is_wine())
      nt_violation("a second poll on a socket that has one outstanding");
}

/* Windows: INVALID_HANDLE for a number that names nothing, and for a layer's handle that is no
 * file object of AFD. Wine 8.0 tells a number from another kind of object (measured). */
static NTSTATUS find_target(HANDLE h, struct nt_object **out) {
  struct nt_object *o = nt_lookup(h);
  if (!o) return NT_INVALID_HANDLE;
  if (o->kind == NT_LAYER) return NT_INVALID_HANDLE;
  if (o->kind != NT_SOCKET) return NT_OBJECT_TYPE_MISMATCH;
  *out = o;
  return NT_SUCCESS_STATUS;
}

NTSTATUS nt_afd_poll(struct nt_object *afd, HANDLE event, void *context, void *iosb, const void *in,
                     ULONG in_size, void *out, ULONG out_size) {
  struct poll_info info;
  if (in_size < sizeof info || out_size < sizeof info) return NT_INVALID_PARAMETER;
  memcpy(&info, in, sizeof info);
  if (info.n != 1) return NT_INVALID_PARAMETER;
  struct nt_object *target = NULL;
  const NTSTATUS status = find_target(info.handle, &target);
  if (status) return status;
  struct nt_socket *s = (struct nt_socket *)target;
  if (info.timeout) check_single(s, info.handle); /* who only looks does not wait */
  struct nt_irp *irp = nt_irp_start(afd, iosb, context, event);
  irp->target = nt_ref(target);
  irp->named = info.handle;
  irp->buffer = out;
  irp->events = info.events;
  if (look(s, irp)) {
    nt_irp_finish(irp, NT_SUCCESS_STATUS, sizeof info, true);
    return NT_SUCCESS_STATUS;
  }
  if (info.timeout == 0) {
    nt_irp_finish(irp, NT_SUCCESS_STATUS, HEAD, true);
    return NT_SUCCESS_STATUS;
  }
  irp->next_poll = s->polls;
  s->polls = irp;
  return NT_PENDING;
}
