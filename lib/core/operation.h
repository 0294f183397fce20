/* SPDX-License-Identifier: MIT */
/* Operations: slots with generations, the limit, lists, and what engines call back. */
#ifndef EVP_OPERATION_H
#define EVP_OPERATION_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cached.h"
#include "core/slots.h"
#include "core/timer.h"
#include "os/os.h"

struct evp_engine;
struct evp_target;

/* One accepted operation, from submit until its completion was delivered. All of it is written
 * under p->io.lock before the engine sees it; `result`, `next` and `before` are the engine's
 * meanwhile. */
struct evp_op {
  uint64_t id; /* generation and index; the next use has a new one */
  uint64_t token;
  struct evp_target *target; /* NULL: a timer */
  struct evp_target *file;   /* SEND_FILE: with a use of it, until it is over */
  evpoll_handle handle;      /* the target's, or -1 */
  int64_t offset;
  void *buffer;          /* data, or our copy of the iovecs */
  uint64_t length;       /* with ALL these three are what is left */
  struct evp_list *list; /* NULL: it reports by itself */
  int64_t result;        /* bytes, or minus the system's code */
  int64_t moved;         /* bytes moved by its earlier tries */
  struct evp_op *next;   /* free operations, one submission, the pool's queue, finished ones */
  struct evp_op *before; /* the pool's queue */
  struct evp_op *sibling, **link; /* the target's operations; timers of like tokens */
  uint32_t entry;                 /* place in the list, or in the submission */
  uint32_t place;                 /* from 1, in the heap of ends; 0: it has none */
  uint8_t code;
  uint8_t flags; /* EVPOLL_OPF_* */
  bool in_flight;
  bool in_pool;   /* the pool has it, or will get it */
  bool uses;      /* it holds a use of its target: it will name the number yet */
  bool refused;   /* accepted, and never started: `result` says why */
  bool redone;    /* once is enough */
  bool ended;     /* in the call that submits it, as EVPOLL_OPF_INLINE allows */
  bool queued;    /* a stream's: it waits in its direction */
  bool performed; /* ... and a call is being made for it */
  bool fresh;     /* ... a POLL that has not looked yet */
  bool due;       /* to be asked to end by a call that walks the target's list */
  bool expired;   /* asked to end, and first by its limit */
  _Atomic bool cancel_asked;
};

struct evp_list {
  uint64_t id;
  uint64_t token;
  evpoll_result *results;
  struct evp_list *next; /* free lists */
  uint32_t n;
  uint32_t pending;
  uint32_t succeeded;
  bool live;
  bool delivered;
};

struct evp_io {
  struct evp_mutex lock; /* guards everything here */
  const struct evp_engine
      *_Atomic engine;           /* the kernel's own; NULL: not made yet, or not to be had */
  bool engine_refused;           /* for good: `why` says so */
  uint32_t engine_waits;         /* submissions until it is tried again */
  void *engine_state;            /* the engine's own */
  struct evp_pool *_Atomic pool; /* NULL until something needs it */
  char why[160];                 /* what the engine said when it was tried */

  struct evp_table ops;   /* struct evp_op */
  struct evp_table lists; /* struct evp_list */
  struct evp_op *free_ops;
  struct evp_list *free_lists;
  uint32_t ops_used, lists_used; /* entries that ever were in use */
  uint64_t closes;               /* CLOSE's ids */
  _Atomic uint32_t in_flight;

  /* Finished without the engine's own queue: by the pool's threads, or in place. */
  struct evp_op *_Atomic done_first;
  struct evp_op *done_last;
  struct evp_cached cached;
  struct evp_timers timers;

  struct evp_target *_Atomic hungry, *last_hungry; /* streams with work left: see stream.c */
  struct evp_target *starved;                      /* listeners that met a limit */
  struct evp_op retry;                             /* when they are tried again */
  bool discards;                                   /* what completes now is thrown away */

  struct evp_target *targets; /* all of them */
  /* What whoever gives the lock back has to do: see evp_io_unlock(). */
  struct evp_target *over; /* their last use is gone */
  struct evp_op *again;    /* given up by the kernel, to be started once more */

  _Atomic uint64_t submitted;
  uint64_t completed, cancelled;
};

void evp_io_open(evpoll *p);
void evp_io_close(evpoll *p);

/* The lock. To give it back is also to do what cannot be done under it: close handles whose last
 * use is gone, start again what the kernel gave up. */
void evp_io_lock(evpoll *p);
void evp_io_unlock(evpoll *p);

/* These do what the exported functions say; pointers were checked. from_wait: the caller is the
 * thread inside wait. */
int32_t evp_io_submit(evpoll *p, evpoll_io *ios, int32_t n, bool from_wait);
int32_t evp_io_submit_list(evpoll *p, evpoll_io *ios, int32_t n, uint64_t token, uint64_t *op_out);
int32_t evp_io_list_take(evpoll *p, uint64_t op, evpoll_result *results, int32_t n);
int32_t evp_io_cancel(evpoll *p, uint64_t op);
int32_t evp_io_cancel_all(evpoll *p);
int32_t evp_io_cancel_handle(evpoll *p, evpoll_handle h, const uint64_t *token);
/* No lock held. Those of one target, which the caller keeps alive; timers and streams, after
 * shutdown. */
int32_t evp_io_cancel_target(evpoll *p, struct evp_target *t);
int32_t evp_io_cancel_own(evpoll *p);

/* No lock held. What serves files now: it is made if it was not. NULL: the pool, or nothing. */
const struct evp_engine *evp_io_engine(evpoll *p, char *why, size_t capacity);
/* No lock held. Finds out what serves a handle, for add; fills in the target. */
int32_t evp_io_look(evpoll *p, struct evp_target *t);

/* ---- what the core's files share. Lock held: p->io.lock, where not said otherwise. -------------
 */

/* An id is a generation, a kind and an index. Neither 0 nor a small number is ever one. A slot's
 * ids come again after 2^41 operations of that slot. */
enum { EVP_INDEX_BITS = 22 };
#define EVP_INDEX_MASK ((1u << EVP_INDEX_BITS) - 1)
#define EVP_LIST_ID    ((uint64_t)1 << 63)
static inline uint32_t evp_id_index(uint64_t id) { return (uint32_t)id & EVP_INDEX_MASK; }
static inline uint64_t evp_id_next(uint64_t id) {
  const uint64_t next = id + ((uint64_t)1 << EVP_INDEX_BITS);
  const uint64_t kind = id & EVP_LIST_ID;
  if ((next & EVP_LIST_ID) == kind) return next;
  return kind | evp_id_index(id) | (uint64_t)1 << EVP_INDEX_BITS; /* 0 is no generation */
}

/* Checks an entry, but for its handle (no lock). Makes an operation of it; frees that. t: NULL for
 * a timer, which is not to be started then. now: as for evp_timer_start(). */
int32_t evp_op_check(const evpoll_io *io);
/* Is it for this handle? A file is appended to, or written at offsets. */
bool evp_op_fits(const struct evp_target *t, const evpoll_io *io);
int32_t evp_op_prepare(evpoll *p, const evpoll_io *io, struct evp_target *t, int64_t *now,
                       struct evp_op **out);
void evp_op_free(evpoll *p, struct evp_op *op);

/* Is there a pool, or can it be made? If not, nothing fails for want of it. */
bool evp_io_has_pool(evpoll *p);
/* 0, or why not. */
int32_t evp_io_need_pool(evpoll *p);
/* With a lock or without. An entry has ended in the call that submits it: what an event's result
 * would hold, or minus the system's code with its status. */
void evp_io_end_entry(evpoll *p, evpoll_io *io, int32_t status, int64_t result);
/* Makes the kernel's engine, if there is none: 0, or why not. */
int32_t evp_io_need_engine(evpoll *p);
/* Who serves an entry: the pool, or else the engine; and whether it will name the handle's number
 * when submit has returned. Negative: nobody, and why. */
enum { EVP_IN_POOL = 1, EVP_NAMES_LATE = 2 };
int32_t evp_io_server(evpoll *p, const struct evp_target *t, const evpoll_io *io);
/* No lock. The status of what was not started. */
int32_t evp_io_refusal(evpoll *p, int os_code);
uint32_t evp_io_room(evpoll *p);
void evp_io_count_in(evpoll *p, uint32_t n);
void evp_io_count_out(evpoll *p, uint32_t n);
/* The operation CLOSE of a target enters. */
void evp_io_start_close(evpoll *p, struct evp_target *t, evpoll_io *io);
/* No lock. Starts a chain: in place, by the engine, by the pool. What is left of it was not
 * started, and *os_code_out says why. */
void evp_io_start(evpoll *p, struct evp_op **chain, bool from_wait, int *os_code_out);
/* ... which is then reported. */
void evp_io_start_or_fail(evpoll *p, struct evp_op *chain);

/* Asks an operation to end, for its limit or because somebody wants so: the one place that does.
 * True: the kernel is to be asked too when the lock was given back, at most MOST_IDS at once. */
enum { EVP_MOST_IDS = 64 };
bool evp_io_ask(evpoll *p, struct evp_op *op, bool expired);
void evp_io_ask_kernel(evpoll *p, const uint64_t *ids, uint32_t n);

struct evp_list *evp_list_find(evpoll *p, uint64_t id);
/* One entry is over; true if it was the last, and *out is the list's event. */
bool evp_list_complete(struct evp_list *l, uint32_t entry, int64_t result, int32_t status,
                       evpoll_event *out);

/* Delivers finished operations. has_completions takes no lock. */
bool evp_io_has_completions(evpoll *p);
int32_t evp_io_collect(evpoll *p, evpoll_event *out, int32_t capacity);
int32_t evp_io_collect_locked(evpoll *p, evpoll_event *out, int32_t capacity); /* lock held */
/* For close: throws them away, and what they bring. */
void evp_io_discard(evpoll *p);

/* For engines. Lock held: p->io.lock.
 * find: the operation of an id that is in flight.
 * complete: the operation is over; true if *out was filled, false for all but a list's last. */
struct evp_op *evp_io_find(evpoll *p, uint64_t id);
bool evp_io_complete(evpoll *p, struct evp_op *op, evpoll_event *out);
/* The kernel gave the operation up, and nobody had asked: it is done once more, by the pool, while
 * its registration lives. False: it is not, and its result is what there is to report. */
bool evp_io_redo(evpoll *p, struct evp_op *op);
/* No lock. A try has ended with op->result; true: it moved a part of what is to be moved whole, and
 * the operation stands for the rest. */
bool evp_op_advance(struct evp_op *op);
/* keep: puts an operation, its result set, where collect finds it; true if there was none. tell:
 * wakes a waiter then. done: both. The second takes the lock itself. */
bool evp_io_keep(evpoll *p, struct evp_op *op);
void evp_io_tell(evpoll *p);
void evp_io_done(evpoll *p, struct evp_op *op);
void evp_io_done_locked(evpoll *p, struct evp_op *op);

#endif
