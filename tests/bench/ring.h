/* SPDX-License-Identifier: MIT */
/* A bare io_uring, without liburing: what the kernel costs. */
#ifndef BENCH_RING_H
#define BENCH_RING_H

#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
  int fd;
  char *map;
  size_t map_size;
  struct io_uring_sqe *sqes;
  struct io_uring_cqe *cqes;
  _Atomic uint32_t *sq_tail, *cq_head, *cq_tail;
  uint32_t sq_mask, cq_mask;
};

/* The cheapest kind there is, for one thread; else one whose descriptor an epoll set can watch. */
#define RING_ALONE (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

void ring_open(struct ring *r, uint32_t entries, uint32_t flags);
void ring_close(struct ring *r);
/* The next entry, cleared; given to the kernel by the next enter. */
struct io_uring_sqe *ring_next(struct ring *r);
void ring_enter(struct ring *r, int submit, int wait);
/* Calls `each` for all completions that are there, if it is not NULL, and returns how many. */
int ring_reap(struct ring *r, void (*each)(void *context, uint64_t data, int32_t result),
              void *context);

#endif
