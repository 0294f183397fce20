/* SPDX-License-Identifier: MIT */
/* What epoll.c asks of the ring. "The ring watches": one thread waits, and operations are in
 * flight, so it sleeps on the ring, which has an eye on the epoll set too. */
#ifndef EVP_URING_H
#define EVP_URING_H

#include "poller.h"

extern const struct evp_engine evp_engine_uring;

bool evp_uring_watches(evpoll *p);
/* Sleeps until a completion, or until `set` has readiness (-1: regardless of that). */
void evp_uring_sleep(evpoll *p, int set, int64_t timeout_ns);
/* False: the eye on the set is open and has seen nothing. */
bool evp_uring_may_be_ready(evpoll *p);
/* The set is another one now. */
void evp_uring_forget_set(evpoll *p);

/* The eventfd that wakes a sleeper of the set. */
int evp_epoll_bell(evpoll *p);

#endif
