/* SPDX-License-Identifier: MIT */
/* A bare io_uring: what the kernel costs. Alone, the ring is the cheapest kind there is (one
 * thread, DEFER_TASKRUN); beside sockets it is a plain one, whose descriptor an epoll set can
 * watch. */
#include "loops.h"
#include "slices.h"

#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENTRIES = 256 };

struct ring {
  int fd, file, set, m;
  const int *sockets;
  char *buffers, *map;
  size_t map_size;
  struct io_uring_sqe *sqes;
  struct io_uring_cqe *cqes;
  _Atomic uint32_t *sq_tail, *cq_head, *cq_tail;
  uint32_t *sq_array;
  uint32_t sq_mask, cq_mask;
};

static void map_ring(struct ring *r, const struct io_uring_params *p) {
  const size_t sq = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
  const size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
  const int kind = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
  r->map_size = sq > cq ? sq : cq;
  r->map = mmap(NULL, r->map_size, kind, flags, r->fd, IORING_OFF_SQ_RING);
  r->sqes = mmap(NULL, p->sq_entries * sizeof *r->sqes, kind, flags, r->fd, IORING_OFF_SQES);
  if (r->map == MAP_FAILED || r->sqes == MAP_FAILED) die("mmap of io_uring");
  r->sq_tail = (void *)(r->map + p->sq_off.tail);
  r->sq_array = (void *)(r->map + p->sq_off.array);
  r->sq_mask = p->sq_entries - 1;
  r->cq_head = (void *)(r->map + p->cq_off.head);
  r->cq_tail = (void *)(r->map + p->cq_off.tail);
  r->cqes = (void *)(r->map + p->cq_off.cqes);
  r->cq_mask = p->cq_entries - 1;
  for (uint32_t i = 0; i < p->sq_entries; i++) r->sq_array[i] = i;
}

static struct ring *open_ring(int file, char *buffers, uint32_t flags) {
  struct ring *r = calloc(1, sizeof *r);
  struct io_uring_params p = {.flags = flags};
  if (!r) die("calloc");
  r->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
  if (r->fd < 0) die("io_uring_setup");
  r->set = -1;
  r->file = file;
  r->buffers = buffers;
  map_ring(r, &p);
  return r;
}

static void *disk_open(const struct disk_type *type, int file, char *buffers) {
  (void)type;
  return open_ring(file, buffers, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
}

static void put(struct ring *r, uint8_t code, int64_t offset, int i) {
  const uint32_t tail = atomic_load_explicit(r->sq_tail, memory_order_relaxed);
  struct io_uring_sqe *e = &r->sqes[tail & r->sq_mask];
  memset(e, 0, sizeof *e);
  e->opcode = code;
  e->fd = r->file;
  e->user_data = (uint64_t)i;
  if (code == IORING_OP_FSYNC) {
    e->fsync_flags = IORING_FSYNC_DATASYNC;
  } else {
    e->off = (uint64_t)offset;
    e->addr = (uint64_t)(uintptr_t)(r->buffers + i * BLOCK);
    e->len = BLOCK;
  }
  atomic_store_explicit(r->sq_tail, tail + 1, memory_order_release);
}

static void enter(struct ring *r, int submit, int wait) {
  const uint32_t flags = wait ? IORING_ENTER_GETEVENTS : 0;
  if (syscall(SYS_io_uring_enter, r->fd, submit, wait, flags, NULL, 0) < 0) die("io_uring_enter");
}

static int reap(struct ring *r) {
  uint32_t head = atomic_load_explicit(r->cq_head, memory_order_relaxed);
  const uint32_t tail = atomic_load_explicit(r->cq_tail, memory_order_acquire);
  const int n = (int)(tail - head);
  for (; head != tail; head++)
    if (r->cqes[head & r->cq_mask].res < 0) die("io_uring");
  atomic_store_explicit(r->cq_head, head, memory_order_release);
  return n;
}

static void disk_read(void *disk, const int64_t *offsets, int n) {
  struct ring *r = disk;
  for (int i = 0; i < n; i++) put(r, IORING_OP_READ, offsets[i], i);
  enter(r, n, n);
  for (int left = n - reap(r); left > 0; left -= reap(r)) enter(r, 0, left);
}

static void disk_commit(void *disk, int64_t offset) {
  struct ring *r = disk;
  put(r, IORING_OP_WRITE, offset, 0);
  enter(r, 1, 1);
  while (reap(r) == 0) enter(r, 0, 1);
  put(r, IORING_OP_FSYNC, 0, 0);
  enter(r, 1, 1);
  while (reap(r) == 0) enter(r, 0, 1);
}

static void disk_close(void *disk) {
  struct ring *r = disk;
  munmap(r->sqes, (r->sq_mask + 1) * sizeof *r->sqes);
  munmap(r->map, r->map_size);
  close(r->fd);
  if (r->set >= 0) close(r->set);
  free(r);
}

const struct disk_type disk_ring = {"io_uring", 0, disk_open, disk_read, disk_commit, disk_close};

/* ---- with sockets: the ring is one more descriptor of an epoll set ------------------------ */

static void *mixed_open(const struct mixed_type *type, int file, char *buffers, const int *sockets,
                        int m) {
  struct ring *r = open_ring(file, buffers, 0);
  r->set = epoll_create1(EPOLL_CLOEXEC);
  r->sockets = sockets;
  r->m = m;
  for (int i = 0; i <= m; i++) {
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)i};
    if (epoll_ctl(r->set, EPOLL_CTL_ADD, i < m ? sockets[i] : r->fd, &e)) die("epoll_ctl");
  }
  (void)type;
  return r;
}

static void mixed_round(void *mixed, const int64_t *offsets, int n) {
  struct ring *r = mixed;
  struct epoll_event events[EVENTS];
  for (int i = 0; i < n; i++) put(r, IORING_OP_READ, offsets[i], i);
  enter(r, n, 0);
  for (int left = n + r->m; left > 0;) {
    const int ready = epoll_wait(r->set, events, EVENTS, -1);
    for (int k = 0; k < ready; k++) {
      const int i = (int)events[k].data.u64;
      char byte;
      if (i == r->m) {
        left -= reap(r);
        continue;
      }
      if (read(r->sockets[i], &byte, 1) != 1) die("read");
      left--;
    }
  }
}

const struct mixed_type mixed_raw = {"epoll + io_uring", 0, mixed_open, mixed_round, disk_close};
