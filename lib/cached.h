/* SPDX-License-Identifier: MIT */
/* Reads of what lies in the system's cache: done in the call that submits them. */
#ifndef EVP_CACHED_H
#define EVP_CACHED_H

#include <stdbool.h>
#include <stdint.h>

#include "evpoll.h"

struct evp_op;

/* How the tries of a poller went. Submitters race for it; what is lost is a try. */
struct evp_cached {
  _Atomic uint32_t pause; /* reads that are not tried now */
  _Atomic uint32_t next_pause;
  _Atomic uint64_t ended_inline; /* of these none is lost */
};

/* No lock held; as an engine's submit, but it stops at what it cannot do. from_wait: the caller is
 * about to wait. */
int32_t evp_cached_submit(evpoll *p, struct evp_op **chain, bool from_wait);
/* No lock held. How many entries at the head have ended inline: they say so themselves. looked_out:
 * the handle that was looked at last and is good, or -1. */
int32_t evp_cached_inline(evpoll *p, evpoll_io *ios, int32_t n, evpoll_handle *looked_out);

#endif
