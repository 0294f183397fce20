/* SPDX-License-Identifier: MIT */
/* The worker pool: operations by threads, where the kernel does not do them for us. */
#ifndef EVP_WORKERS_H
#define EVP_WORKERS_H

#include "core/poller.h"

static inline bool evp_pool_allowed(const evpoll *p) {
  return !(p->flags & EVPOLL_OPEN_NATIVE_IO_ONLY);
}

/* Lock held: p->io.lock. Makes the pool, with a thread, if there is none: 0, or why it cannot be.
 */
int32_t evp_pool_need(evpoll *p);
/* An operation that holds a use of its target, or CLOSE. False: there is no pool. With p->io.lock
 * or without. */
bool evp_pool_give(evpoll *p, struct evp_op *op);
/* Lock held: p->io.lock. True: it was in the queue, and is the caller's to report. */
bool evp_pool_cancel(evpoll *p, struct evp_op *op);
/* Nothing is in flight, or in a forked child. */
void evp_pool_close(evpoll *p);

#endif
