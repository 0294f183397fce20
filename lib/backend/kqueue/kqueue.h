/* SPDX-License-Identifier: MIT */
/* What the files of the kqueue backend share. EVP_KQUEUE_AIO is 1 where file operations complete in
 * the queue too (FreeBSD); the build says so. */
#ifndef EVP_KQUEUE_H
#define EVP_KQUEUE_H

#include <sys/types.h>
#include <sys/event.h>

#include "core/poller.h"

#ifndef EVP_KQUEUE_AIO
#define EVP_KQUEUE_AIO 0
#endif

#if defined(EVFILT_EXCEPT) && defined(NOTE_OOB)
#define EVP_QUEUE_HAS_PRIORITY 1
#else
#define EVP_QUEUE_HAS_PRIORITY 0
#endif

/* In a source's state: a user event stands in for WRITE, which a pipe without a reader lacks. */
#define EVP_STANDS_IN EVP_PARKED

/* A request for foreign operations: foreign_aio.c. */
struct evp_foreign_slot {
  evpoll_aio *aio;      /* NULL: free */
  uintptr_t generation; /* of the last time it was armed, or disarmed */
  uintptr_t silenced;   /* the last generation whose list was silenced, 0: none */
  struct evp_foreign_slot *next_free;
  uint32_t index;
  bool armed;
};

struct evp_queue {
  int fd;
  int pipe[2]; /* the bell, where there is no EVFILT_USER */
  int copy;    /* another descriptor of it, for another loop to sleep on; -1: nobody asked */
  /* The last look filled its array: a completion may stand in line behind ready sockets. */
  _Atomic bool crowded;

  /* Guarded by p->io.lock: requests for foreign operations. */
  struct evp_table foreigns;
  struct evp_foreign_slot *free_foreigns;
  uint32_t foreigns_used;
};

static inline struct evp_queue *evp_queue_of(evpoll *p) { return p->kernel; }

/* Applies changes; each one's `data` becomes its error. False: one of them failed. */
bool evp_queue_control(struct evp_queue *q, struct kevent *changes, int n);

/* The seam's watch, rearm and unwatch. */
int32_t evp_filters_watch(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t was,
                          bool fresh, bool *gone_out);
int32_t evp_filters_rearm(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t bits,
                          bool *gone_out);
void evp_filters_unwatch(evpoll *p, evpoll_handle h, uint32_t was);
/* Is the read filter there for the end of the stream alone? To the kernel that is an edge.
 * repeat_end: no lock held. LEVEL: such an event, which was just told, is to come again. */
static inline bool evp_filters_end_alone(uint32_t state) {
  return (state & EVP_IN_SET) &&
         ((state & EVP_KERNEL) >> EVP_KERNEL_SHIFT & (uint32_t)EVPOLL_READ_CLOSED);
}
void evp_filters_repeat_end(evpoll *p, struct evp_source *s, const struct kevent *e);
/* No lock held. An event of a pipe whose reader has gone. False: the registration is over. */
bool evp_filters_check_pipe(evpoll *p, struct evp_source *s, const struct kevent *e);

/* The idents of timers: one asks for another try at starting operations, one is the alarm. */
#define EVP_QUEUE_RETRY ((uintptr_t)1)
#define EVP_QUEUE_ALARM ((uintptr_t)2)

#if EVP_KQUEUE_AIO
/* udata of operations: the core's id, or a key of ours for foreign ones; the lowest bit tells. */
#define EVP_FOREIGN_UDATA ((uintptr_t)1)

/* Lock held: p->io.lock. An event of EVFILT_AIO or EVFILT_LIO.
 * aio: an operation of the core's is over, and among those to collect; false for a stale event.
 * foreign: the number of events written. */
bool evp_aio_take(evpoll *p, const struct kevent *e);
int32_t evp_foreign_take(evpoll *p, const struct kevent *e, evpoll_event *out);
/* Lock held. Starts what waited for room in the system. */
void evp_aio_refill(evpoll *p);

extern const struct evp_engine evp_engine_aio;
extern const struct evp_foreign evp_foreign_aio;
#endif

#endif
