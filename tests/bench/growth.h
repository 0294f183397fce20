/* SPDX-License-Identifier: MIT */
#ifndef BENCH_GROWTH_H
#define BENCH_GROWTH_H

#include <evpoll.h>

evpoll *growth_poller(uint32_t flags);
/* Tables of what one costs while so many others are pending. */
void costs_of_pending_reads(void);
void costs_of_pending_timers(void);

#endif
