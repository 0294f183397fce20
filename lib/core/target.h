/* SPDX-License-Identifier: MIT */
/* A target: a handle registered for operations, from evpoll_add() until nothing has to do with it.
 *
 * Its number may be closed, and be another file's, as soon as nobody will name it any more. So it
 * counts its uses: each thread from the look at the registration until its system call has
 * returned, each operation that will still be started by the number, each evpoll_hold(). None is
 * taken once the registration has ended. An operation that the kernel holds has no use: the kernel
 * has the file. What it gives up is done again only if a use can still be had.
 *
 * When the last use of an ended registration is gone, which happens once, CLOSE closes the handle.
 * Its event waits for those of the operations that the kernel still has. */
#ifndef EVP_TARGET_H
#define EVP_TARGET_H

#include "core/operation.h"
#include "core/stream.h"

struct evp_appends;

#define EVP_ENDED 0x80000000u /* in `uses` */

struct evp_target {
  evpoll_handle handle;
  uint64_t token;        /* names the registration */
  _Atomic uint32_t uses; /* and EVP_ENDED */

  /* Found out once, in add. */
  struct evp_file_kind file;
  bool pooled;       /* the kernel's own engine does not serve it */
  bool only_foreign; /* nobody serves it; it is there for the caller's own operations */
  uint8_t kind;      /* the backend's own */

  struct evp_stream stream;
  struct evp_appends *appends; /* made by the first APPEND; p->io.lock */

  uint32_t held;                   /* by evpoll_hold(); the stripe's lock */
  struct evp_target *next, **link; /* all of the poller; this and what follows: p->io.lock */
  struct evp_target *next_over;
  struct evp_op *ops; /* not delivered yet, but for `close` */
  struct evp_op *ask; /* ... from where on some may be `due` */
  uint32_t refs;      /* the table, as long as there are uses; operations; calls that end it */
  bool over;          /* the last use is gone */
  bool abort;         /* CLOSE is to reset the connection */
  bool closing;       /* CLOSE was submitted: */
  bool closed;        /* ... and done, but its event waits for the others' */
  struct evp_op close;
};

/* A use, and its end. take: no lock needed; false once the registration has ended. share: one more,
 * by who has one. drop: no lock held, since the last one may close the handle; drop_later:
 * p->io.lock held, and evp_io_unlock() does the rest. */
bool evp_target_take(struct evp_target *t);
void evp_target_share(struct evp_target *t);
void evp_target_drop(evpoll *p, struct evp_target *t);
void evp_target_drop_later(evpoll *p, struct evp_target *t);
void evp_target_over(evpoll *p, struct evp_target *t); /* what evp_io_unlock() does */

/* No lock held. The target registered under a number, with a use taken; NULL: there is none. */
struct evp_target *evp_target_acquire(evpoll *p, evpoll_handle h);
/* Lock held: p->io.lock, as long as the target is used. The target that an edge is for; NULL: its
 * registration has ended. */
struct evp_target *evp_target_named(evpoll *p, uint32_t index, uint32_t generation);
/* No lock held. Closes the handle, which nobody names any more. */
int64_t evp_target_shut(struct evp_target *t);
/* Lock held: the number's. Is there one, or was there, that is not gone? */
bool evp_target_is_at(evpoll *p, uint32_t index);

/* No lock held. What the exported functions say. remove: 1 if there is none of this name. vacate:
 * ends whatever is registered for operations, for an add over it: 1 if it had not ended, or BUSY.
 */
int32_t evp_target_add(evpoll *p, evpoll_handle h, uint64_t token);
int32_t evp_target_remove(evpoll *p, evpoll_handle h, uint64_t token);
int32_t evp_target_vacate(evpoll *p, evpoll_handle h);
int32_t evp_target_hold(evpoll *p, evpoll_handle h, uint64_t token);
int32_t evp_target_release(evpoll *p, evpoll_handle h);
/* The operation CLOSE. */
int32_t evp_target_close(evpoll *p, evpoll_io *io);

/* Returns with the number's lock held, if there is a target: registered, or ended and not gone.
 * let_go gives the lock back. Lock held: clear takes it out of the table; false if it is not there.
 */
struct evp_target *evp_target_find(evpoll *p, evpoll_handle h);
void evp_target_let_go(evpoll *p, evpoll_handle h);
bool evp_target_clear(evpoll *p, struct evp_target *t);
/* No lock held. It was never in the table, or nobody will see it there. */
void evp_target_unmake(evpoll *p, struct evp_target *t);

/* Lock held: p->io.lock. An operation joins, or leaves (and may free the target). */
void evp_target_link(struct evp_target *t, struct evp_op *op);
void evp_target_unlink(evpoll *p, struct evp_op *op);
void evp_target_unref(struct evp_target *t);
/* In a forked child, or when nothing is in flight. */
void evp_targets_free(evpoll *p);

#endif
