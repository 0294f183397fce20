/* SPDX-License-Identifier: MIT */
/* What epoll.c and the ring know of each other. */
#ifndef EVP_URING_H
#define EVP_URING_H

#include "core/poller.h"

extern const struct evp_engine evp_engine_uring;

/* From now on each completion of the ring wakes a sleeper of the set. 0 or the code. */
int evp_epoll_hear(evpoll *p, int ring);

#endif
