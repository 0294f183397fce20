/* SPDX-License-Identifier: MIT */
/* Operations: slots with generations, the limit, lists, and what engines call back. */
#ifndef EVP_IO_H
#define EVP_IO_H

#include <stdbool.h>
#include <stddef.h>

#include "cached.h"
#include "os.h"
#include "slots.h"

struct evp_engine;

/* One accepted operation, from submit until its completion was delivered. All of it is written
 * under p->io.lock before the engine sees it; `result` and `next` are the engine's meanwhile. */
struct evp_op {
  uint64_t id; /* generation and index; the next use has a new one */
  uint64_t token;
  evpoll_handle handle;
  int64_t offset;
  void *buffer; /* data, or our copy of the iovecs */
  uint64_t length;
  struct evp_list *list; /* NULL: it reports by itself */
  int64_t result;        /* bytes, or minus the system's code */
  struct evp_op *next;   /* free operations, one submission, the pool's queue, finished ones */
  struct evp_op *before; /* the pool's queue */
  uint32_t entry;        /* place in the list */
  uint8_t code;
  bool in_flight;
  bool cancel_asked;
  bool refused; /* a list's, never started: `result` says why */
  bool cached;  /* what it reads may lie in the system's cache */
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

/* A handle that was seen to be a file, so that not each operation costs a look: see io.c. */
enum { EVP_CHECKED_HANDLES = 64 };
struct evp_checked {
  evpoll_handle handle;
  uint32_t looks, trusted; /* times looked at, submissions that need no look */
  uint32_t closed;         /* evpoll_file_close() calls then */
  bool cached;             /* reads pass through the system's cache */
};

struct evp_io {
  struct evp_mutex lock;           /* guards everything here */
  const struct evp_engine *engine; /* NULL until the first operation */
  int32_t engine_status;           /* why there is none */
  void *engine_state;              /* the engine's own */
  void *pool;                      /* the worker pool's own, which other engines may use too */
  char why[160];                   /* what the engines said when they were tried */
  bool probed;                     /* `why` is about this one, which there is none of yet: */
  const struct evp_engine *expected;

  struct evp_table ops;   /* struct evp_op */
  struct evp_table lists; /* struct evp_list */
  struct evp_op *free_ops;
  struct evp_list *free_lists;
  uint32_t ops_used, lists_used; /* entries that ever were in use */
  _Atomic uint32_t in_flight;

  /* Finished without the engine's own queue: by the pool's threads, or in place. */
  struct evp_op *_Atomic done_first;
  struct evp_op *done_last;
  struct evp_cached cached;

  struct evp_checked checked[EVP_CHECKED_HANDLES];
  uint32_t uses[EVP_CHECKED_HANDLES]; /* operations in flight, by handle modulo their number */
  struct evp_linger *lingering;       /* files closed meanwhile: see linger.c */
  struct evp_linger *ended;           /* those whose last operation is over */

  _Atomic uint64_t submitted;
  uint64_t completed, cancelled;
};

void evp_io_open(evpoll *p);
void evp_io_close(evpoll *p);

/* These do what the exported functions say; pointers were checked. */
int32_t evp_io_attach(evpoll *p, evpoll_handle h);
/* from_wait: the caller is the thread inside wait. */
int32_t evp_io_submit(evpoll *p, evpoll_io *ios, int32_t n, bool from_wait);
int32_t evp_io_submit_list(evpoll *p, evpoll_io *ios, int32_t n, uint64_t token, uint64_t *op_out);
int32_t evp_io_list_take(evpoll *p, uint64_t op, evpoll_result *results, int32_t n);
int32_t evp_io_cancel(evpoll *p, uint64_t op);
int32_t evp_io_cancel_handle(evpoll *p, evpoll_handle h);

/* What the first operation will be served by, if there was none yet. */
const struct evp_engine *evp_io_engine(evpoll *p, char *why, size_t capacity);

/* Lock held: p->io.lock. Are operations on the handle in flight? */
bool evp_io_uses(evpoll *p, evpoll_handle h);

/* ---- what io.c, list.c and kind.c share. Lock held: p->io.lock, where not said otherwise. ---- */

enum { EVP_INDEX_BITS = 20 };
static inline uint32_t evp_id_index(uint64_t id) { return id & ((1u << EVP_INDEX_BITS) - 1); }
static inline uint64_t evp_id_next(uint64_t id) { return id + ((uint64_t)1 << EVP_INDEX_BITS); }

/* Is the handle a file? Attach is the same with a look, and for whatever else the system lets the
 * caller's own operations report from. A doubt makes the next check a look; so does a file that is
 * closed by evpoll_file_close() (no lock), since its number may become something else's. */
int32_t evp_kind_check(evpoll *p, evpoll_handle h);
int32_t evp_kind_attach(evpoll *p, evpoll_handle h);
/* Do reads pass through the system's cache, as the last check saw it? */
bool evp_kind_is_cached(evpoll *p, evpoll_handle h);
void evp_kind_doubt(evpoll *p, evpoll_handle h);
void evp_kind_file_closes(void);

/* Checks an entry but for its handle (no lock); makes an operation of it; frees that. */
int32_t evp_op_check(const evpoll_io *io);
int32_t evp_op_prepare(evpoll *p, const evpoll_io *io, struct evp_op **out);
void evp_op_free(evpoll *p, struct evp_op *op);

int32_t evp_io_need_engine(evpoll *p);
uint32_t evp_io_room(evpoll *p);
void evp_io_count_in(evpoll *p, uint32_t n);
/* No lock. Starts a chain, in place or by the engine: see the engine's submit. first: nothing was
 * in flight before. */
int32_t evp_io_start(evpoll *p, struct evp_op **chain, int32_t n, bool first, bool from_wait,
                     int *os_code_out);

struct evp_list *evp_list_find(evpoll *p, uint64_t id);
/* One entry is over; true if it was the last, and *out is the list's event. */
bool evp_list_complete(struct evp_list *l, uint32_t entry, int64_t result, int32_t status,
                       evpoll_event *out);

/* Delivers finished operations. has_completions takes no lock. */
bool evp_io_has_completions(evpoll *p);
int32_t evp_io_collect(evpoll *p, evpoll_event *out, int32_t capacity);

/* For engines. Lock held: p->io.lock.
 * find: the operation of an id that is in flight.
 * complete: the operation is over; true if *out was filled, false for all but a list's last. */
struct evp_op *evp_io_find(evpoll *p, uint64_t id);
bool evp_io_complete(evpoll *p, struct evp_op *op, evpoll_event *out);
/* keep: puts an operation, its result set, where collect finds it; true if there was none. done:
 * and wakes a waiter. The second takes the lock itself. */
bool evp_io_keep(evpoll *p, struct evp_op *op);
void evp_io_done(evpoll *p, struct evp_op *op);
void evp_io_done_locked(evpoll *p, struct evp_op *op);

#endif
