/* SPDX-License-Identifier: MIT */
/* Streams: operations on sockets, pipes and their like, which evpoll performs itself when the
 * backend's readiness says that they can be. */
#ifndef EVP_STREAM_H
#define EVP_STREAM_H

#include <stdbool.h>

#include "evpoll.h"
#include "os/os_stream.h"

struct evp_op;
struct evp_target;

/* Each direction of a handle has a queue, and so has what waits for readiness alone. */
enum { EVP_POLLS, EVP_WRITES, EVP_READS, EVP_FLOWS };

struct evp_flow {
  struct evp_op *first, *last;
  struct evp_op *lent; /* the pool's for now, and the direction with it */
  int error;           /* minus the system's code: for the next operation */
  bool ready;          /* a call may have something to do */
  bool busy;           /* some thread performs */
  bool noted;          /* ... and has to look again: an edge came meanwhile */
};

/* Of a target; p->io.lock guards it. */
struct evp_stream {
  struct evp_stream_kind kind;
  struct evp_flow flows[EVP_FLOWS];
  uint32_t asked;  /* bits of which the kernel tells */
  bool idle_edge;  /* it told of WRITABLE, and nobody was waiting */
  bool connecting; /* CONNECT is queued: both directions wait behind it */
  bool listed;     /* in somebody's list of targets to run */
  bool hungry;     /* in p->io.hungry */
  bool starved;    /* in p->io.starved */
  struct evp_target *next_listed, *next_hungry, *next_starved;
};

static inline bool evp_is_stream(const struct evp_stream *s) {
  return s->kind.kind != EVP_NO_STREAM;
}

/* The bits that the kernel is asked for when the handle is registered. */
uint32_t evp_stream_interest(const struct evp_stream *s);
/* No lock held. An entry's fields, for this kind of handle. */
int32_t evp_stream_check(const struct evp_target *t, const evpoll_io *io);

/* No lock held; the caller has a use of the target, and of SEND_FILE's file.
 * try: in the call, if its direction is free: 1, it has ended here, and the entry says how; 0: it
 * is to be queued; else why it is refused. If *moved_out, so many bytes of it were moved, and the
 *   direction is kept for it: it is queued, or let_go is called.
 * run: performs what can be; true: something was finished for which nobody was woken. */
int32_t evp_stream_try(evpoll *p, struct evp_target *t, struct evp_target *file, evpoll_io *io,
                       int64_t *moved_out);
bool evp_stream_run(evpoll *p, struct evp_target *t);
bool evp_stream_run_locked(evpoll *p, struct evp_target *t); /* p->io.lock held */
/* Lock held: p->io.lock. queue: the operation waits for its turn. withdraw: it does not any more;
 * false: it is being performed, and who does that will look. */
void evp_stream_queue(struct evp_target *t, struct evp_op *op);
bool evp_stream_withdraw(evpoll *p, struct evp_op *op);
void evp_stream_let_go(struct evp_target *t, const evpoll_io *io);
/* ... is there anything for run? */
bool evp_stream_is_due(const struct evp_target *t);
/* ... and listeners that met a limit are tried again. */
void evp_stream_retry(evpoll *p);
/* No lock held. By the pool: SEND_FILE, of what has to be waited for. */
void evp_stream_serve(evpoll *p, struct evp_op *op);

/* What sleep() writes for a registration that is for operations. */
#define EVP_EDGE 0x80000000u
#define EVP_GONE 0x40000000u /* ... and the handle was closed, without a word */
static inline evpoll_event evp_edge(uint32_t index, uint32_t generation, uint32_t bits) {
  return (evpoll_event){.token = (uint64_t)generation << 32 | index, .events = bits | EVP_EDGE};
}

/* No lock held, by a thread inside wait. hear: takes the edges out of the array, performs what they
 * let happen, and adds what is over, as far as there is room; returns how many events there are.
 * feed: goes on where a budget ended. */
int32_t evp_stream_hear(evpoll *p, evpoll_event *events, int32_t n, int32_t capacity);
void evp_stream_feed(evpoll *p);

#endif
