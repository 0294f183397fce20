/* SPDX-License-Identifier: MIT */
/* THE SEAM. What a kernel gives the core: readiness and sleep (struct evp_backend), and file
 * completions (struct evp_engine). A backend never calls user code, never allocates per event,
 * returns evpoll statuses only, and says nothing to the user that the core did not ask for. */
#ifndef EVP_BACKEND_H
#define EVP_BACKEND_H

#include "core/aio.h"
#include "core/operation.h"
#include "core/source.h"

/* Or-ed to what sleep() returns: something besides readiness may have come. Alone: a signal handler
 * may have run, and the poller is EVPOLL_OPEN_INTERRUPTIBLE. EVP_EDGES: among the events are some
 * by evp_edge(), of registrations for operations. */
enum { EVP_BELL = 1 << 30, EVP_INTERRUPTED = 1 << 29, EVP_EDGES = 1 << 28 };

struct evp_backend {
  uint32_t id; /* EVPOLL_BACKEND_* */
  const char *name;
  uint32_t features;                 /* EVPOLL_FEATURE_* of its readiness */
  uint32_t io_features;              /* ... and of file operations, whoever serves them */
  const struct evp_engine *native;   /* file completions by the kernel; NULL: none */
  const struct evp_foreign *foreign; /* operations that the caller starts; NULL: none */
  bool edges_once; /* of a registration for operations each bit is told once, and asked for by rearm
                    */
  bool refusal_costs; /* events that come while a change is being refused may be lost */

  /* Makes and frees p->kernel. close() is called when no thread is inside and nothing is in
   * flight, or in a forked child, where it must leave the parent's registrations alone. */
  int32_t (*open)(evpoll *p);
  void (*close)(evpoll *p);
  /* No lock held. A descriptor of its own that holds what a thread sleeps on, made at the first
   * call; NULL: no such thing. */
  int32_t (*handle)(evpoll *p, evpoll_handle *handle_out);

  /* Lock held: the source's stripe. May not block.
   * watch: makes the kernel report what s->state asks for; `was` is the state before, 0 if there
   *   was no registration; `fresh` may take over whatever the kernel has under this number, else
   *   another file there is EVPOLL_ERR_STALE. On failure *gone_out tells whether the kernel knows
   * nothing of it now. rearm: ONESHOT and EDGE only; the state asks for `bits`, armed. unwatch: the
   * kernel forgets it; never fails. */
  int32_t (*watch)(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t was, bool fresh,
                   bool *gone_out);
  int32_t (*rearm)(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t bits, bool *gone_out);
  void (*unwatch)(evpoll *p, evpoll_handle h, uint32_t was);

  /* No lock held. Sleeps at most once and at most timeout_ns (negative: no limit, 0: only looks),
   * and translates what the kernel had into out. Returns the number of events, with EVP_BELL if
   * the bell rang or anything but readiness may have come; 0 for a spurious return. */
  int32_t (*sleep)(evpoll *p, evpoll_event *out, int32_t capacity, int64_t timeout_ns);
  /* Lock held: p->io.lock. At that time of evp_now(), or a little later, or for nothing, sleep()
   * calls evp_timer_hear() and returns with EVP_BELL, once; instead of what was asked for before.
   * May fail. NULL: the core bounds its sleeps. */
  int32_t (*alarm)(evpoll *p, int64_t at);
  /* No lock held; async-signal-safe. One sleeper, or the next to sleep, returns with EVP_BELL. */
  void (*ring)(evpoll *p);
  /* No lock held. One line for evpoll_describe(). */
  void (*describe)(evpoll *p, char *text, size_t capacity);
};

struct evp_engine {
  uint32_t id;         /* EVPOLL_ENGINE_* */
  int32_t want;        /* what it is short of when the system says "try again" */
  uint32_t late_codes; /* bits of the codes that name the handle's number until they are over */
  uint32_t pool_codes; /* ... of those that it leaves to the pool */
  bool durable;        /* it serves EVPOLL_OPF_DURABLE; else the pool does */

  /* Lock held: p->io.lock. open says in `why` what it found, also when it fails; LIMIT and
   * NO_MEMORY may pass. close: no lock held, nothing is in flight, or in a forked child. */
  int32_t (*open)(evpoll *p, char *why, size_t capacity);
  void (*close)(evpoll *p);

  /* No lock held; may block. In evpoll_add(): finds out what the handle is and fills in the target,
   * or says why it cannot be one. May bind it to what the poller sleeps on. leave: the registration
   * has ended and nobody else names the number; undoes that, where it can be. NULL: nothing to
   * undo.
   */
  int32_t (*look)(evpoll *p, struct evp_target *t);
  void (*leave)(evpoll *p, struct evp_target *t);

  /* No lock held, a use of each target is the caller's; completions may overtake the return. Starts
   * the operations of a chain, linked by ->next, but those that are in_pool, and takes off what it
   * started, or found a place for; os_code_out says why not the rest, but what ended in the call
   * and may (EVPOLL_OPF_INLINE), which is marked so. An operation is not touched once it was
   * started; one that was asked to end meanwhile (cancel_asked) is not started, but done.
   */
  void (*submit)(evpoll *p, struct evp_op **chain, int *os_code_out);
  /* Asks for ends, and comes back at once; op->cancel_asked is set. Either the first, lock held:
   * p->io.lock, or, no lock held, the second, by ids, and for all that there are the third (false:
   * it could not). */
  void (*cancel)(evpoll *p, struct evp_op *op);
  void (*cancel_ids)(evpoll *p, const uint64_t *ids, uint32_t n);
  bool (*cancel_all)(evpoll *p);
  /* No lock held. True: collect() may find something. Costs no system call. */
  bool (*has_completions)(evpoll *p);
  /* Lock held: p->io.lock. Hands completions to evp_io_complete(), or what the kernel gave up to
   * evp_io_redo(); what out cannot take stays. */
  int32_t (*collect)(evpoll *p, evpoll_event *out, int32_t capacity);
};

/* Operations that the caller starts with the system's own calls: aio.c. */
struct evp_foreign {
  /* No lock held. aio->native is the backend's own, made and freed here. */
  int32_t (*open)(evpoll_aio *aio);
  void (*close)(evpoll_aio *aio);
  /* Fills in what the caller starts the operation with. Its completion, once delivered, is told by
   * evp_aio_ready(). */
  int32_t (*arm)(evpoll_aio *aio, void *native_out, uint32_t size);
  /* The caller says that nothing is in flight: what comes late is dropped. */
  void (*disarm)(evpoll_aio *aio);
};

extern const struct evp_backend evp_backend; /* the one that this platform was built with */

#endif
