/* SPDX-License-Identifier: MIT */
/* Echo by operations. What was read is written and the next read asked for by the turn that waits
 * for more. */
#include "loops.h"
#include "slices.h"

#include <evpoll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So few at a time that what was read is still in the processor's cache when it is written. */
enum { BATCH = 16, WRITES = 1 << 16 /* in a token */ };

struct server {
  evpoll *p;
  int n, gathered;
  int fds[ECHO_MOST];
  char *buffers;
  evpoll_io ios[2 * EVENTS];
  evpoll_event events[EVENTS];
};

static void ask(struct server *s, uint32_t code, int i, uint64_t length) {
  const bool writes = code == EVPOLL_OP_WRITE;
  s->ios[s->gathered++] = (evpoll_io){
      .token = (uint64_t)i | (writes ? WRITES : 0),
      .handle = s->fds[i],
      .buffer = EVPOLL_ADDR(s->buffers + (size_t)i * ECHO_STRIDE),
      .length = length,
      .code = code,
      .flags = writes ? EVPOLL_OPF_INLINE | EVPOLL_OPF_ALL : 0,
  };
}

static void *server_open(const struct stream_type *type, const int *fds, int n) {
  evpoll_options options = {.struct_size = sizeof options, .flags = type->flags};
  struct server *s = calloc(1, sizeof *s);
  if (!s || evpoll_open(&options, &s->p) < 0) die("evpoll_open");
  s->buffers = malloc((size_t)n * ECHO_STRIDE);
  if (!s->buffers) die("malloc");
  s->n = n;
  memcpy(s->fds, fds, (size_t)n * sizeof *fds);
  for (int i = 0; i < n; i++) {
    if (evpoll_add(s->p, fds[i], (uint64_t)i, 0, EVPOLL_OPERATIONS) < 0) die("evpoll_add");
    ask(s, EVPOLL_OP_READ, i, ECHO_ROOM);
  }
  if (evpoll_submit(s->p, s->ios, n) != n) die("evpoll_submit");
  s->gathered = 0;
  return s;
}

/* What ended in the call has no event. */
static void look_at_entries(struct server *s) {
  for (int k = 0; k < s->gathered; k++) {
    const evpoll_io *io = &s->ios[k];
    if (io->status < 0) die("an operation of evpoll");
    if (io->op == 0) echo_left -= io->offset;
  }
  s->gathered = 0;
}

static void look_at_events(struct server *s, int32_t n) {
  for (int32_t k = 0; k < n; k++) {
    const evpoll_event *e = &s->events[k];
    if (e->status < 0 || e->result <= 0) die("an operation of evpoll");
    if (e->token & WRITES) {
      echo_left -= e->result;
      continue;
    }
    ask(s, EVPOLL_OP_WRITE, (int)e->token, (uint64_t)e->result);
    ask(s, EVPOLL_OP_READ, (int)e->token, ECHO_ROOM);
  }
}

static void run_turns(void *server) {
  struct server *s = server;
  int32_t n = 0;
  for (;;) {
    look_at_events(s, n);
    /* The last ones are not waited behind. */
    n = evpoll_turn(s->p, NULL, 0, s->ios, s->gathered, s->events, BATCH, EVPOLL_INFINITE);
    if (n < 0) die("evpoll_turn");
    look_at_entries(s);
    if (echo_left <= 0) return;
  }
}

static void run_calls(void *server) {
  struct server *s = server;
  for (;;) {
    const int32_t n = evpoll_wait(s->p, s->events, BATCH, EVPOLL_INFINITE);
    if (n < 0) die("evpoll_wait");
    look_at_events(s, n);
    if (evpoll_submit(s->p, s->ios, s->gathered) != s->gathered) die("evpoll_submit");
    look_at_entries(s);
    if (echo_left <= 0) return;
  }
}

static void server_close(void *server) {
  struct server *s = server;
  evpoll_close(s->p, EVPOLL_INFINITE);
  for (int i = 0; i < s->n; i++) close(s->fds[i]);
  free(s->buffers);
  free(s);
}

const struct stream_type stream_many = {"evpoll", 0, server_open, run_turns, server_close};
const struct stream_type stream_single = {"evpoll, one waiter", EVPOLL_OPEN_SINGLE_WAITER,
                                          server_open, run_turns, server_close};
const struct stream_type stream_two = {"evpoll, two calls", EVPOLL_OPEN_SINGLE_WAITER, server_open,
                                       run_calls, server_close};
