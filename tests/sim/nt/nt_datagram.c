/* SPDX-License-Identifier: MIT */
/* UDP: datagrams in a queue; what does not fit is lost. ICMP is not simulated: systems and Wine
 * differ in it, and the contract promises nothing. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

enum { MOST_QUEUED = 256, LONGEST = 65507 };

static void arrive(struct nt_object *o, void *argument) {
  struct nt_socket *s = (struct nt_socket *)o;
  struct nt_datagram *d = argument;
  if (s->closed || s->queued == MOST_QUEUED) {
    free(d);
    return;
  }
  d->next = NULL;
  if (s->queue)
    s->last->next = d;
  else
    s->queue = d;
  s->last = d;
  s->queued++;
  nt_socket_changed(s);
}

int nt_datagram_send(struct nt_socket *s, const char *data, int length, const struct nt_address *to,
                     int *done) {
  if (length > LONGEST) return WSAEMSGSIZE;
  if (to->port == 0) return WSAEADDRNOTAVAIL;
  if (s->shut_send) return WSAESHUTDOWN;
  *done = length;
  struct nt_socket *peer = nt_socket_bound(SOCK_DGRAM, to);
  if (!peer) return 0;
  struct nt_datagram *d = malloc(sizeof *d + (size_t)length);
  if (!d) abort();
  d->from = s->local;
  memcpy(d->from.ip, to->ip, sizeof d->from.ip);
  d->length = (size_t)length;
  memcpy(d->data, data, (size_t)length);
  nt_later(arrive, &peer->o, d);
  return 0;
}

int nt_datagram_receive(struct nt_socket *s, char *data, int length, int flags,
                        struct nt_address *from, int *done) {
  struct nt_datagram *d = s->queue;
  if (!s->local.port) return WSAEINVAL;
  if (!d) return WSAEWOULDBLOCK;
  const size_t n = d->length < (size_t)length ? d->length : (size_t)length;
  memcpy(data, d->data, n);
  *from = d->from;
  *done = (int)n;
  const int code = n < d->length ? WSAEMSGSIZE : 0;
  if (flags & MSG_PEEK) return code;
  s->queue = d->next;
  s->queued--;
  free(d);
  return code;
}

void nt_datagram_close(struct nt_socket *s) {
  while (s->queue) {
    struct nt_datagram *d = s->queue;
    s->queue = d->next;
    free(d);
  }
}
