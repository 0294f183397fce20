/* SPDX-License-Identifier: MIT */
/* A bare io_uring: what the kernel costs. Alone, the ring is the cheapest kind there is (one
 * thread, DEFER_TASKRUN); beside sockets it is a plain one, whose descriptor an epoll set can
 * watch. */
#include "loops.h"
#include "ring.h"
#include "slices.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { ENTRIES = 256 };

struct disk {
  struct ring ring;
  int file, set, m, timer; /* -1: none */
  const int *sockets;
  char *buffers;
};

static struct disk *open_disk(int file, char *buffers, uint32_t flags) {
  struct disk *d = calloc(1, sizeof *d);
  if (!d) die("calloc");
  ring_open(&d->ring, ENTRIES, flags);
  d->set = d->timer = -1;
  d->file = file;
  d->buffers = buffers;
  return d;
}

static void *disk_open(const struct disk_type *type, int file, char *buffers) {
  (void)type;
  return open_disk(file, buffers, RING_ALONE);
}

static void put(struct disk *d, uint8_t code, int64_t offset, int i) {
  struct io_uring_sqe *e = ring_next(&d->ring);
  e->opcode = code;
  e->fd = d->file;
  e->user_data = (uint64_t)i;
  if (code == IORING_OP_FSYNC) {
    e->fsync_flags = IORING_FSYNC_DATASYNC;
  } else {
    e->off = (uint64_t)offset;
    e->addr = (uint64_t)(uintptr_t)(d->buffers + i * BLOCK);
    e->len = BLOCK;
  }
}

static int reap(struct disk *d) { return ring_reap(&d->ring, NULL, NULL); }

static void disk_read(void *disk, const int64_t *offsets, int n) {
  struct disk *d = disk;
  for (int i = 0; i < n; i++) put(d, IORING_OP_READ, offsets[i], i);
  ring_enter(&d->ring, n, n);
  for (int left = n - reap(d); left > 0; left -= reap(d)) ring_enter(&d->ring, 0, left);
}

static void disk_commit(void *disk, int64_t offset) {
  struct disk *d = disk;
  put(d, IORING_OP_WRITE, offset, 0);
  ring_enter(&d->ring, 1, 1);
  while (reap(d) == 0) ring_enter(&d->ring, 0, 1);
  put(d, IORING_OP_FSYNC, 0, 0);
  ring_enter(&d->ring, 1, 1);
  while (reap(d) == 0) ring_enter(&d->ring, 0, 1);
}

static void disk_close(void *disk) {
  struct disk *d = disk;
  ring_close(&d->ring);
  if (d->set >= 0) close(d->set);
  if (d->timer >= 0) close(d->timer);
  free(d);
}

const struct disk_type disk_ring = {"io_uring", 0, disk_open, disk_read, disk_commit, disk_close};

/* ---- with sockets: the ring is one more descriptor of an epoll set ------------------------ */

static void *mixed_open(const struct mixed_type *type, int file, char *buffers, const int *sockets,
                        int m) {
  struct disk *d = open_disk(file, buffers, 0);
  d->set = epoll_create1(EPOLL_CLOEXEC);
  d->sockets = sockets;
  d->m = m;
  for (int i = 0; i <= m; i++) {
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)i};
    if (epoll_ctl(d->set, EPOLL_CTL_ADD, i < m ? sockets[i] : d->ring.fd, &e)) die("epoll_ctl");
  }
  if (!type->flags) return d;
  struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)m + 1};
  d->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (epoll_ctl(d->set, EPOLL_CTL_ADD, d->timer, &e)) die("epoll_ctl");
  return d;
}

static void mixed_round(void *mixed, const int64_t *offsets, int n) {
  struct disk *d = mixed;
  struct epoll_event events[EVENTS];
  for (int i = 0; i < n; i++) put(d, IORING_OP_READ, offsets[i], i);
  ring_enter(&d->ring, n, 0);
  const struct itimerspec soon = {.it_value = {0, MIXED_TIMER_NS}};
  if (d->timer >= 0 && timerfd_settime(d->timer, 0, &soon, NULL)) die("timerfd_settime");
  for (int left = n + d->m + (d->timer >= 0); left > 0;) {
    const int ready = epoll_wait(d->set, events, EVENTS, -1);
    for (int k = 0; k < ready; k++) {
      const int i = (int)events[k].data.u64;
      uint64_t rung;
      char byte;
      if (i == d->m) {
        left -= reap(d);
        continue;
      }
      if (i > d->m) {
        if (read(d->timer, &rung, sizeof rung) != sizeof rung) die("read of a timerfd");
        left--;
        continue;
      }
      if (read(d->sockets[i], &byte, 1) != 1) die("read");
      left--;
    }
  }
}

/* By threads of the kernel's: what cannot say "not now" would wait in the call that submits it. */
static void hang(void *mixed, const int *files, int n) {
  struct disk *d = mixed;
  for (int i = 0; i < n; i++) {
    struct io_uring_sqe *e = ring_next(&d->ring);
    e->opcode = IORING_OP_READ;
    e->flags = IOSQE_ASYNC;
    e->fd = files[i];
    e->addr = (uint64_t)(uintptr_t)(d->buffers + (DEEPEST - 1 - i) * BLOCK);
    e->len = BLOCK;
  }
  ring_enter(&d->ring, n, 0);
}

#define MIXED mixed_open, mixed_round, disk_close, hang
const struct mixed_type mixed_raw = {"epoll + io_uring", 0, MIXED};
const struct mixed_type mixed_raw_timer = {"epoll + io_uring + timerfd", 1, MIXED};
