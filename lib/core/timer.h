/* SPDX-License-Identifier: MIT */
/* Ends in time: of timers, and of operations that have a limit. */
#ifndef EVP_TIMER_H
#define EVP_TIMER_H

#include "evpoll.h"

struct evp_op;

struct evp_end {
  int64_t at; /* by evp_now(); INT64_MAX: never */
  struct evp_op *op;
};

/* Guarded by p->io.lock, but for reading what is atomic. */
struct evp_timers {
  struct evp_end *heap;    /* each has four below it that are not earlier */
  struct evp_op **buckets; /* pending timers by token: in the same memory, as many */
  uint32_t capacity, count;
  _Atomic int64_t first; /* heap[0].at */
  _Atomic int64_t alarm; /* what the kernel was told to ring at, and has not */
};

/* ---- Lock held: p->io.lock ------------------------------------------------------------------ */

/* Gives an operation in flight the end that its entry asks for, if any. now: the time, or 0 to have
 * it filled in. */
int32_t evp_timer_start(evpoll *p, struct evp_op *op, const evpoll_io *io, int64_t *now);
/* ... or one so many nanoseconds from now, also where the alarm cannot be had. */
int32_t evp_timer_set(evpoll *p, struct evp_op *op, int64_t ns);
/* It has no end any more: it is over, or was asked to end. */
void evp_timer_stop(evpoll *p, struct evp_op *op);

/* ---- No lock held --------------------------------------------------------------------------- */

/* Is this timer's time past? */
bool evp_timer_is_past(const evpoll_io *io);
/* What the exported functions say; handle -1 are timers. */
int32_t evp_timer_cancel(evpoll *p, uint64_t token);
int32_t evp_timer_retime(evpoll *p, evpoll_handle h, uint64_t token, int64_t ns);

/* For backends, also with a lock: the alarm rang. Who is told looks before it sleeps. */
void evp_timer_hear(evpoll *p);
/* Will nobody be woken for the first end but by how long they sleep? */
bool evp_timer_is_silent(evpoll *p);
/* How long a thread inside wait may sleep that would for `ns`; what is due by then is queued. Reads
 * the clock only if there is no alarm for it. */
int64_t evp_timer_bound(evpoll *p, int64_t ns);
/* Looks at the clock, where nobody sleeps on the alarm. */
void evp_timer_look(evpoll *p);
/* Ends what is due, by the thread inside wait that collects afterwards. */
void evp_timer_fire(evpoll *p);

#endif
