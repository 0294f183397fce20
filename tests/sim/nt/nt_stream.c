/* SPDX-License-Identifier: MIT */
/* TCP over an in-memory loopback. What one side sends is in the other's buffer at once, and
 * arrives there later: `held` counts what was sent, `seen` what may be read; so do the flags for
 * FIN, RST and the urgent byte. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* ---- on the way --------------------------------------------------------------------------- */

static void arrive(struct nt_object *o, void *argument) {
  (void)argument;
  struct nt_socket *s = (struct nt_socket *)o;
  s->seen = s->held;
  s->oob_seen = s->oob_sent;
  s->fin_seen = s->fin_sent;
  s->rst_seen = s->rst_sent;
  nt_socket_changed(s);
}

static void drained(struct nt_object *o, void *argument) {
  (void)argument;
  nt_socket_changed((struct nt_socket *)o);
}

static void reset(struct nt_socket *s) {
  s->rst_sent = true;
  nt_later(arrive, &s->o, NULL);
}

/* ---- connecting --------------------------------------------------------------------------- */

static void refuse(struct nt_object *o, void *argument) {
  (void)argument;
  struct nt_socket *s = (struct nt_socket *)o;
  if (s->closed) return;
  s->phase = NT_REFUSED;
  s->error = WSAECONNREFUSED;
  nt_socket_changed(s);
}

static void connected(struct nt_object *o, void *argument) {
  (void)argument;
  struct nt_socket *s = (struct nt_socket *)o;
  if (s->closed || s->phase != NT_CONNECTING) return;
  s->phase = NT_CONNECTED;
  nt_socket_changed(s);
}

static void knock(struct nt_object *o, void *argument) {
  (void)argument;
  struct nt_socket *l = (struct nt_socket *)o;
  if (l->closed) return;
  if (l->arrived < l->waiting) l->arrived++;
  nt_socket_changed(l);
}

static void grow(struct nt_socket *s, size_t size) {
  if (size <= s->size) return;
  char *data = malloc(size);
  if (!data) abort();
  for (size_t i = 0; i < s->held; i++) data[i] = s->data[(s->first + i) % s->size];
  free(s->data);
  s->data = data;
  s->size = size;
  s->first = 0;
}

static struct nt_socket *make_other_end(struct nt_socket *s, struct nt_socket *l) {
  struct nt_socket *other = nt_socket_make(l->family, SOCK_STREAM);
  other->local = s->remote;
  other->remote = s->local;
  other->phase = NT_CONNECTED;
  other->nonblocking = l->nonblocking;
  grow(other, other->capacity);
  grow(s, s->capacity);
  other->peer = (struct nt_socket *)nt_ref(&s->o);
  s->peer = (struct nt_socket *)nt_ref(&other->o);
  return other;
}

int nt_stream_connect(struct nt_socket *s, const struct nt_address *to) {
  if (s->phase == NT_CONNECTING) return WSAEALREADY;
  if (s->phase == NT_CONNECTED) return WSAEISCONN;
  if (s->phase == NT_LISTENING) return WSAEINVAL;
  if (to->port == 0) return WSAEADDRNOTAVAIL;
  static const struct nt_address any4 = {.family = AF_INET}, any6 = {.family = AF_INET6};
  if (!s->local.port) {
    const int code = nt_socket_bind(s, s->family == AF_INET ? &any4 : &any6);
    if (code) return code;
  }
  memcpy(s->local.ip, to->ip, sizeof s->local.ip); /* the loopback's own */
  s->remote = *to;
  s->phase = NT_CONNECTING;
  struct nt_socket *l = nt_socket_bound(SOCK_STREAM, to);
  if (!l || l->waiting == l->most) {
    nt_later(refuse, &s->o, NULL);
  } else {
    l->backlog[l->waiting++] = make_other_end(s, l);
    nt_later(connected, &s->o, NULL);
    nt_later(knock, &l->o, NULL);
  }
  return 0;
}

/* ---- data --------------------------------------------------------------------------------- */

static int send_urgent(struct nt_socket *peer, char byte) {
  peer->oob = byte;
  peer->oob_sent = true;
  nt_later(arrive, &peer->o, NULL);
  return 0;
}

int nt_stream_send(struct nt_socket *s, const char *data, int length, int flags, int *done) {
  if (s->rst_seen) return WSAECONNRESET;
  if (s->phase != NT_CONNECTED) return WSAENOTCONN;
  if (s->shut_send) return WSAESHUTDOWN;
  struct nt_socket *peer = s->peer;
  *done = length;
  if (peer->closed) { /* the answer will be a RST */
    reset(s);
    return 0;
  }
  if ((flags & MSG_OOB) && length == 1) return send_urgent(peer, *data);
  if (peer->held >= peer->capacity && length > 0) return WSAEWOULDBLOCK;
  /* Where there is room at all Windows takes the whole (a GB was seen); Wine what fits, as the
   * system under it does. */
  size_t n = (size_t)length;
  if (nt_is_wine() && n > peer->capacity - peer->held) n = peer->capacity - peer->held;
  grow(peer, peer->held + n);
  for (size_t i = 0; i < n; i++) peer->data[(peer->first + peer->held + i) % peer->size] = data[i];
  peer->held += n;
  *done = (int)n;
  nt_later(arrive, &peer->o, NULL);
  return 0;
}

static int receive_urgent(struct nt_socket *s, char *data, int *done) {
  if (!s->oob_seen || s->oob_inline) return WSAEINVAL;
  *data = s->oob;
  *done = 1;
  s->oob_seen = s->oob_sent = false;
  return 0;
}

/* After a RST Windows says so (documented); Wine 8.0 gives what there was, and then an end
 * (measured). */
static int receive_after_reset(struct nt_socket *s, int *done) {
  *done = 0;
  return nt_is_wine() ? 0 : (s->seen = s->held = 0, WSAECONNRESET);
}

int nt_stream_receive(struct nt_socket *s, char *data, int length, int flags, int *done) {
  if (s->phase != NT_CONNECTED) return WSAENOTCONN;
  if (s->shut_receive) return WSAESHUTDOWN;
  if (flags & MSG_OOB) return receive_urgent(s, data, done);
  if (s->oob_inline && s->oob_seen && length > 0) {
    *data = s->oob;
    *done = 1;
    s->oob_seen = s->oob_sent = false;
    return 0;
  }
  if (s->rst_seen && !(nt_is_wine() && s->seen)) return receive_after_reset(s, done);
  *done = 0;
  if (s->seen == 0) return s->fin_seen ? 0 : WSAEWOULDBLOCK;
  const size_t n = s->seen < (size_t)length ? s->seen : (size_t)length;
  for (size_t i = 0; i < n; i++) data[i] = s->data[(s->first + i) % s->size];
  *done = (int)n;
  if (flags & MSG_PEEK) return 0;
  s->first = (s->first + n) % s->size;
  s->held -= n;
  s->seen -= n;
  if (s->peer && !s->peer->closed) nt_later(drained, &s->peer->o, NULL);
  if (nt_is_wine() && s->fin_seen && !s->seen) nt_later(drained, &s->o, NULL); /* the FIN is news */
  return 0;
}

/* ---- the end ------------------------------------------------------------------------------ */

int nt_stream_shutdown(struct nt_socket *s, int how) {
  if (s->phase != NT_CONNECTED) return WSAENOTCONN;
  if (how == SD_RECEIVE || how == SD_BOTH) s->shut_receive = true;
  if ((how == SD_SEND || how == SD_BOTH) && !s->shut_send) {
    s->shut_send = true;
    if (s->peer && !s->peer->closed) {
      s->peer->fin_sent = true;
      nt_later(arrive, &s->peer->o, NULL);
    }
    nt_later(drained, &s->o, NULL);
  }
  return 0;
}

/* Unread data, or a linger time of 0, make the end abortive. */
static void close_connection(struct nt_socket *s) {
  struct nt_socket *peer = s->peer;
  s->peer = NULL;
  if (!peer->closed) {
    if (s->held || (s->linger && s->linger_seconds == 0))
      reset(peer);
    else if (!s->shut_send)
      peer->fin_sent = true;
    nt_later(arrive, &peer->o, NULL);
  }
  nt_unref(&peer->o);
}

void nt_stream_close(struct nt_socket *s) {
  while (s->waiting) { /* connections that nobody will accept are reset */
    struct nt_socket *other = s->backlog[--s->waiting];
    other->linger = true;
    other->o.closed(&other->o);
    nt_unref(&other->o);
  }
  if (s->peer) close_connection(s);
}
