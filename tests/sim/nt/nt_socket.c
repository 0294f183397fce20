/* SPDX-License-Identifier: MIT */
/* Sockets: making, naming and closing them, and what AFD says of their state. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

static struct nt_socket *sockets; /* all, for looking up who has an address */
enum { FIRST_PORT = 49152 };
static uint16_t next_port = FIRST_PORT;

/* ---- objects ------------------------------------------------------------------------------ */

void nt_sockets_start(void) { next_port = FIRST_PORT; }

static void forget(struct nt_socket *s) {
  struct nt_socket **at = &sockets;
  while (*at && *at != s) at = &(*at)->next;
  if (*at) *at = s->next;
}

/* The last handle went: a poll that waits ends with LOCAL_CLOSE, asked for or not. */
static void close_socket(struct nt_object *o) {
  struct nt_socket *s = (struct nt_socket *)o;
  s->closed = true;
  forget(s);
  nt_afd_indicate(s, NT_LOCAL_CLOSE);
  nt_irp_cancel_all(o, nt_is_wine() ? NT_HANDLES_CLOSED : NT_CANCELLED);
  nt_wake_all(s);
  if (s->type == SOCK_STREAM)
    nt_stream_close(s);
  else
    nt_datagram_close(s);
}

static void free_socket(struct nt_object *o) { free(((struct nt_socket *)o)->data); }

struct nt_socket *nt_socket_make(int family, int type) {
  struct nt_socket *s = nt_make(NT_SOCKET, sizeof *s);
  s->o.overlapped = true;
  s->o.closed = close_socket;
  s->o.freed = free_socket;
  s->family = family;
  s->type = type;
  s->capacity = nt_deterministic() ? 4096 : 64 * 1024;
  s->next = sockets;
  sockets = s;
  return s;
}

struct nt_socket *nt_socket_of(SOCKET handle) {
  HANDLE base = nt_layer_base(handle);
  struct nt_object *o = nt_lookup(base ? base : (HANDLE)handle);
  if (o && o->kind == NT_SOCKET) return (struct nt_socket *)o;
  SetLastError(WSAENOTSOCK);
  return NULL;
}

/* ---- addresses ---------------------------------------------------------------------------- */

static bool is_any(const struct nt_address *a) {
  static const uint8_t zero[16];
  return memcmp(a->ip, zero, a->family == AF_INET ? 4 : 16) == 0;
}

static bool is_local(const struct nt_address *a) {
  if (a->family == AF_INET) return is_any(a) || a->ip[0] == 127;
  static const uint8_t one[16] = {[15] = 1};
  return is_any(a) || memcmp(a->ip, one, 16) == 0;
}

static bool overlaps(const struct nt_address *a, const struct nt_address *b) {
  if (a->family != b->family || a->port != b->port) return false;
  return is_any(a) || is_any(b) || memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

struct nt_socket *nt_socket_bound(int type, const struct nt_address *to) {
  for (struct nt_socket *s = sockets; s; s = s->next)
    if (s->type == type && s->local.port && overlaps(&s->local, to) && s->phase != NT_CONNECTED &&
        (type == SOCK_DGRAM || s->phase == NT_LISTENING))
      return s;
  return NULL;
}

static bool taken(const struct nt_socket *self, const struct nt_address *to) {
  for (const struct nt_socket *s = sockets; s; s = s->next)
    if (s != self && s->type == self->type && s->local.port && overlaps(&s->local, to) &&
        (s->phase != NT_CONNECTED || s->type == SOCK_DGRAM))
      return true;
  return false;
}

int nt_socket_bind(struct nt_socket *s, const struct nt_address *to) {
  if (s->local.port) return WSAEINVAL;
  if (!is_local(to)) return WSAEADDRNOTAVAIL;
  struct nt_address address = *to;
  if (address.port && taken(s, &address)) return WSAEADDRINUSE;
  for (int tries = 0; !address.port || taken(s, &address); tries++) {
    if (tries == 16384) return WSAENOBUFS;
    address.port = next_port++;
    if (next_port < FIRST_PORT) next_port = FIRST_PORT;
  }
  s->local = address;
  return 0;
}

/* ---- state -------------------------------------------------------------------------------- */

static uint32_t stream_truth(const struct nt_socket *s) {
  const bool wine = nt_is_wine();
  uint32_t bits = NT_CONNECT; /* stays set on a connected socket */
  const struct nt_socket *peer = s->peer;
  const bool room = !peer || peer->closed || peer->held < peer->capacity;
  if (room || s->shut_send || s->rst_seen) bits |= NT_SEND;
  if (s->oob_seen) bits |= s->oob_inline ? NT_RECEIVE : NT_EXPEDITED;
  if (s->rst_seen) return bits | NT_ABORT; /* what was not read is lost */
  if (s->seen) bits |= NT_RECEIVE;
  /* Windows reports the FIN at once, Wine 8.0 when everything before it was read (measured). */
  if (s->fin_seen && !(wine && s->seen)) bits |= NT_DISCONNECT;
  return bits;
}

static uint32_t truth(const struct nt_socket *s, NTSTATUS *status_out) {
  if (s->type == SOCK_DGRAM) return NT_SEND | (s->queue ? NT_RECEIVE : 0u);
  switch (s->phase) {
  case NT_LISTENING: return s->arrived ? NT_ACCEPT : 0;
  case NT_CONNECTED: return stream_truth(s);
  case NT_REFUSED: *status_out = NT_CONNECTION_REFUSED; return NT_CONNECT_FAIL;
  default: return 0;
  }
}

uint32_t nt_socket_truth(struct nt_socket *s, NTSTATUS *status_out) {
  const uint32_t bits = truth(s, status_out);
  s->ever |= bits;
  return bits;
}

uint32_t nt_truth(SOCKET handle) {
  nt_enter();
  NTSTATUS status;
  struct nt_socket *s = nt_socket_of(handle);
  const uint32_t bits = s ? nt_socket_truth(s, &status) : 0;
  nt_leave();
  return bits;
}

uint32_t nt_ever(SOCKET handle) {
  nt_truth(handle);
  nt_enter();
  const struct nt_socket *s = nt_socket_of(handle);
  const uint32_t bits = s ? s->ever : 0;
  nt_leave();
  return bits;
}

void nt_socket_changed(struct nt_socket *s) {
  NTSTATUS status;
  nt_socket_truth(s, &status);
  if (!s->closed) nt_afd_indicate(s, 0);
  nt_wake_all(s);
}
