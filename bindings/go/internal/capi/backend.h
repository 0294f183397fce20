/* SPDX-License-Identifier: MIT */
/* THE SEAM. What a kernel gives the core: readiness and sleep (struct evp_backend), and file
 * completions (struct evp_engine). A backend never calls user code, never allocates per event,
 * returns evpoll statuses only, and says nothing to the user that the core did not ask for. */
#ifndef EVP_BACKEND_H
#define EVP_BACKEND_H

#include "aio.h"
#include "io.h"
#include "source.h"

/* Or-ed to what sleep() returns: something besides readiness may have come. */
enum { EVP_BELL = 1 << 30 };

struct evp_backend {
  uint32_t id; /* EVPOLL_BACKEND_* */
  const char *name;
  uint32_t features;                 /* EVPOLL_FEATURE_* of its readiness */
  uint32_t io_features;              /* ... and of file operations, whoever serves them */
  const struct evp_engine *native;   /* file completions by the kernel; NULL: none */
  const struct evp_foreign *foreign; /* operations that the caller starts; NULL: none */

  /* Makes and frees p->kernel. close() is called when no thread is inside and nothing is in
   * flight, or in a forked child, where it must leave the parent's registrations alone. */
  int32_t (*open)(evpoll *p);
  void (*close)(evpoll *p);

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
  /* False: the kernel has no readiness now, so sleep(0) would find nothing. Costs no system call.
   */
  bool (*may_be_ready)(evpoll *p);
  /* No lock held; async-signal-safe. One sleeper, or the next to sleep, returns with EVP_BELL. */
  void (*ring)(evpoll *p);
  /* No lock held. One line for evpoll_describe(). */
  void (*describe)(evpoll *p, char *text, size_t capacity);
};

struct evp_engine {
  uint32_t id;  /* EVPOLL_ENGINE_* */
  int32_t want; /* what it is short of when the system says "try again" */

  /* Lock held: p->io.lock. open says in `why` what it found, also when it fails; probe does the
   * same without keeping anything. close: nothing is in flight, or in a forked child. */
  int32_t (*open)(evpoll *p, char *why, size_t capacity);
  int32_t (*probe)(evpoll *p, char *why, size_t capacity);
  void (*close)(evpoll *p);

  /* No lock held: completions may overtake the return. Starts the operations that hang at *chain
   * by ->next, takes those it started off the chain, and returns how many: a prefix. os_code_out
   * says why not more. An operation is not touched once it was started. */
  int32_t (*submit)(evpoll *p, struct evp_op **chain, int32_t n, int *os_code_out);
  /* Lock held: p->io.lock; op->cancel_asked is set. Asks for its end, and comes back at once. */
  void (*cancel)(evpoll *p, struct evp_op *op);
  /* Lock held: p->io.lock. May be NULL. Binds a handle to what the poller sleeps on, for good; for
   * evpoll_attach() whatever can be, else what was seen to be a file. 1: it cannot be, and the pool
   * serves it if it is a file. EVPOLL_ERR_BUSY: it is bound to something else. */
  int32_t (*bind)(evpoll *p, evpoll_handle h, bool attach);
  /* No lock held. True: collect() may find something. Costs no system call. */
  bool (*has_completions)(evpoll *p);
  /* Lock held: p->io.lock. Hands completions to evp_io_complete(); what out cannot take stays. */
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

extern const struct evp_backend evp_backend;       /* the one that this platform was built with */
extern const struct evp_engine evp_engine_workers; /* the pool that serves where the kernel won't */

#endif
