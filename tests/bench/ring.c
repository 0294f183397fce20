/* SPDX-License-Identifier: MIT */
#include "ring.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "slices.h"

void ring_open(struct ring *r, uint32_t entries, uint32_t flags) {
  struct io_uring_params p = {.flags = flags};
  r->fd = (int)syscall(SYS_io_uring_setup, entries, &p);
  if (r->fd < 0) die("io_uring_setup");
  const size_t sq = p.sq_off.array + p.sq_entries * sizeof(uint32_t);
  const size_t cq = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
  const int kind = PROT_READ | PROT_WRITE, how = MAP_SHARED | MAP_POPULATE;
  r->map_size = sq > cq ? sq : cq;
  r->map = mmap(NULL, r->map_size, kind, how, r->fd, IORING_OFF_SQ_RING);
  r->sqes = mmap(NULL, p.sq_entries * sizeof *r->sqes, kind, how, r->fd, IORING_OFF_SQES);
  if (r->map == MAP_FAILED || r->sqes == MAP_FAILED) die("mmap of io_uring");
  r->sq_tail = (void *)(r->map + p.sq_off.tail);
  r->sq_mask = p.sq_entries - 1;
  r->cq_head = (void *)(r->map + p.cq_off.head);
  r->cq_tail = (void *)(r->map + p.cq_off.tail);
  r->cqes = (void *)(r->map + p.cq_off.cqes);
  r->cq_mask = p.cq_entries - 1;
  uint32_t *array = (void *)(r->map + p.sq_off.array);
  for (uint32_t i = 0; i < p.sq_entries; i++) array[i] = i;
}

void ring_close(struct ring *r) {
  munmap(r->sqes, (r->sq_mask + 1) * sizeof *r->sqes);
  munmap(r->map, r->map_size);
  close(r->fd);
}

struct io_uring_sqe *ring_next(struct ring *r) {
  const uint32_t tail = atomic_load_explicit(r->sq_tail, memory_order_relaxed);
  struct io_uring_sqe *e = &r->sqes[tail & r->sq_mask];
  memset(e, 0, sizeof *e);
  /* The kernel looks when it is entered, by this thread. */
  atomic_store_explicit(r->sq_tail, tail + 1, memory_order_release);
  return e;
}

void ring_enter(struct ring *r, int submit, int wait) {
  const uint32_t flags = wait ? IORING_ENTER_GETEVENTS : 0;
  if (syscall(SYS_io_uring_enter, r->fd, submit, wait, flags, NULL, 0) < 0) die("io_uring_enter");
}

int ring_reap(struct ring *r, void (*each)(void *context, uint64_t data, int32_t result),
              void *context) {
  uint32_t head = atomic_load_explicit(r->cq_head, memory_order_relaxed);
  const uint32_t tail = atomic_load_explicit(r->cq_tail, memory_order_acquire);
  const int n = (int)(tail - head);
  for (; head != tail; head++) {
    const struct io_uring_cqe *c = &r->cqes[head & r->cq_mask];
    if (c->res < 0) die("io_uring");
    if (each) each(context, c->user_data, c->res);
  }
  atomic_store_explicit(r->cq_head, head, memory_order_release);
  return n;
}
