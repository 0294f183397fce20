/* SPDX-License-Identifier: MIT */
/* Reads of what lies in the system's cache: done in the call that submits them. */
#ifndef EVP_CACHED_H
#define EVP_CACHED_H

#include <stdbool.h>
#include <stdint.h>

#include "evpoll.h"

struct evp_op;
struct evp_target;

/* How the tries of a poller went. Submitters race for it; what is lost is a try. */
struct evp_cached {
  _Atomic uint32_t pause; /* reads that are not tried now */
  _Atomic uint32_t next_pause;
  _Atomic uint64_t ended_inline; /* of these none is lost */
};

/* No lock held, a use of each target is the caller's. Takes what it could do off the chain.
 * from_wait: the caller is about to wait. */
void evp_cached_submit(evpoll *p, struct evp_op **chain, bool from_wait);
/* The same for one entry, which then ended inline and says so; also for SIZE. The file system can
 * be asked without waiting. */
bool evp_cached_inline(evpoll *p, struct evp_target *t, evpoll_io *io);

#endif
