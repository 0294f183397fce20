/* SPDX-License-Identifier: MIT */
/* What epoll.c asks of the ring. "The ring watches": one thread waits, and operations are in
 * flight, so it sleeps on the ring, which has an eye on the epoll set too. */
#ifndef EVP_URING_H
#define EVP_URING_H

#include "poller.h"

extern const struct evp_engine evp_engine_uring;

bool evp_uring_is_hybrid(evpoll *p);
static inline bool evp_uring_watches(evpoll *p) {
  return (atomic_load(&p->attention) & EVP_ATTN_IO) && evp_single(p) && evp_uring_is_hybrid(p);
}
/* Sleeps until a completion, or until the set has readiness. */
void evp_uring_sleep(evpoll *p, int64_t timeout_ns);
/* False: the eye on the set is open and has seen nothing. */
bool evp_uring_may_be_ready(evpoll *p);

/* The set, and the eventfd that wakes a sleeper of it. */
int evp_epoll_set(evpoll *p);
int evp_epoll_bell(evpoll *p);

#endif
