/* SPDX-License-Identifier: MIT */
#include "loops.h"
#include "slices.h"

#include <evpoll.h>
#include <stdlib.h>
#include <unistd.h>

struct disk {
  evpoll *p;
  int file, m;
  const int *sockets;
  char *buffers;
  evpoll_io ios[2 * DEEPEST];
  char bytes[DEEPEST];
  evpoll_result results[DEEPEST];
  evpoll_event events[EVENTS];
};

static struct disk *open_disk(uint32_t flags, int file, char *buffers) {
  evpoll_options options = {.struct_size = sizeof options, .flags = flags};
  struct disk *d = calloc(1, sizeof *d);
  if (!d || evpoll_open(&options, &d->p) < 0) die("evpoll_open");
  if (evpoll_add(d->p, file, 0, 0, EVPOLL_OPERATIONS) < 0) die("evpoll_add");
  d->file = file;
  d->buffers = buffers;
  return d;
}

static void *disk_open(const struct disk_type *type, int file, char *buffers) {
  return open_disk(type->flags, file, buffers);
}

static void fill(struct disk *d, const int64_t *offsets, int n) {
  for (int i = 0; i < n; i++)
    d->ios[i] = (evpoll_io){.handle = d->file,
                            .offset = offsets[i],
                            .buffer = EVPOLL_ADDR(d->buffers + i * BLOCK),
                            .length = BLOCK,
                            .code = EVPOLL_OP_READ,
                            .token = (uint64_t)d->m};
}

static int wait_some(struct disk *d) {
  const int32_t n = evpoll_wait(d->p, d->events, EVENTS, EVPOLL_INFINITE);
  if (n < 0) die("evpoll_wait");
  for (int32_t k = 0; k < n; k++)
    if (d->events[k].status < 0) die("an operation of evpoll");
  return n;
}

static void disk_read(void *disk, const int64_t *offsets, int n) {
  struct disk *d = disk;
  fill(d, offsets, n);
  if (evpoll_submit(d->p, d->ios, n) != n) die("evpoll_submit");
  for (int left = n; left > 0;) left -= wait_some(d);
}

static void inline_read(void *disk, const int64_t *offsets, int n) {
  struct disk *d = disk;
  int left = n;
  fill(d, offsets, n);
  for (int i = 0; i < n; i++) d->ios[i].flags = EVPOLL_OPF_INLINE;
  if (evpoll_submit(d->p, d->ios, n) != n) die("evpoll_submit");
  for (int i = 0; i < n && d->ios[i].op == 0; i++) left--;
  while (left > 0) left -= wait_some(d);
}

static void list_read(void *disk, const int64_t *offsets, int n) {
  struct disk *d = disk;
  uint64_t op;
  fill(d, offsets, n);
  if (evpoll_submit_list(d->p, d->ios, n, 1, &op) < 0) die("evpoll_submit_list");
  while (wait_some(d) == 0) {
  }
  if (evpoll_list_take(d->p, op, d->results, n) < 0) die("evpoll_list_take");
}

static void disk_commit(void *disk, int64_t offset) {
  struct disk *d = disk;
  fill(d, &offset, 1);
  d->ios[0].code = EVPOLL_OP_WRITE;
  if (evpoll_submit(d->p, d->ios, 1) != 1) die("evpoll_submit");
  while (wait_some(d) == 0) {
  }
  d->ios[0] = (evpoll_io){.handle = d->file, .code = EVPOLL_OP_FDATASYNC};
  if (evpoll_submit(d->p, d->ios, 1) != 1) die("evpoll_submit");
  while (wait_some(d) == 0) {
  }
}

static void disk_close(void *disk) {
  struct disk *d = disk;
  evpoll_close(d->p, EVPOLL_INFINITE);
  free(d);
}

#define DISK(read) disk_open, read, disk_commit, disk_close
const struct disk_type disk_many = {"evpoll", 0, DISK(disk_read)};
const struct disk_type disk_single = {"evpoll, one waiter", EVPOLL_OPEN_SINGLE_WAITER,
                                      DISK(disk_read)};
const struct disk_type disk_inline = {"evpoll, inline", 0, DISK(inline_read)};
const struct disk_type disk_list = {"evpoll", 0, DISK(list_read)};
const struct disk_type disk_list_single = {"evpoll, one waiter", EVPOLL_OPEN_SINGLE_WAITER,
                                           DISK(list_read)};

/* ---- with sockets: one wait ----------------------------------------------------------------- */

static void *mixed_open(const struct mixed_type *type, int file, char *buffers, const int *sockets,
                        int m) {
  struct disk *d = open_disk(type->flags, file, buffers);
  d->sockets = sockets;
  d->m = m;
  for (int i = 0; i < m; i++)
    if (evpoll_add(d->p, sockets[i], (uint64_t)i, EVPOLL_READABLE, EVPOLL_LEVEL) < 0)
      die("evpoll_add");
  return d;
}

static void mixed_round(void *mixed, const int64_t *offsets, int n) {
  struct disk *d = mixed;
  fill(d, offsets, n);
  if (evpoll_submit(d->p, d->ios, n) != n) die("evpoll_submit");
  for (int left = n + d->m; left > 0;) {
    const int ready = wait_some(d);
    for (int k = 0; k < ready; k++) {
      char byte;
      if (d->events[k].events & EVPOLL_IO) continue;
      if (read(d->sockets[d->events[k].token], &byte, 1) != 1) die("read");
    }
    left -= ready;
  }
}

static void hang(void *mixed, const int *files, int n) {
  struct disk *d = mixed;
  for (int i = 0; i < n; i++) {
    evpoll_io io = {.handle = files[i],
                    .buffer = EVPOLL_ADDR(d->buffers + (DEEPEST - 1 - i) * BLOCK),
                    .length = BLOCK,
                    .code = EVPOLL_OP_READ};
    if (evpoll_add(d->p, files[i], 0, 0, EVPOLL_OPERATIONS) < 0) die("evpoll_add of a FUSE file");
    if (evpoll_submit(d->p, &io, 1) != 1) die("evpoll_submit");
  }
}

#define MIXED mixed_open, mixed_round, disk_close, hang
const struct mixed_type mixed_many = {"evpoll", 0, MIXED};
const struct mixed_type mixed_single = {"evpoll, one waiter", EVPOLL_OPEN_SINGLE_WAITER, MIXED};
const struct mixed_type mixed_pool = {"evpoll, pool", EVPOLL_OPEN_NO_URING, MIXED};

/* ---- ... and all of it as operations: blocks, streams and a timer --------------------------- */

static void *all_open(const struct mixed_type *type, int file, char *buffers, const int *sockets,
                      int m) {
  struct disk *d = open_disk(type->flags, file, buffers);
  d->sockets = sockets;
  d->m = m;
  for (int i = 0; i < m; i++)
    if (evpoll_add(d->p, sockets[i], (uint64_t)i, 0, EVPOLL_OPERATIONS) < 0) die("evpoll_add");
  return d;
}

static void all_round(void *mixed, const int64_t *offsets, int n) {
  struct disk *d = mixed;
  const int all = n + d->m + 1;
  fill(d, offsets, n);
  for (int i = 0; i < d->m; i++)
    d->ios[n + i] = (evpoll_io){.token = (uint64_t)i,
                                .handle = d->sockets[i],
                                .buffer = EVPOLL_ADDR(&d->bytes[i]),
                                .length = 1,
                                .code = EVPOLL_OP_READ};
  d->ios[n + d->m] = (evpoll_io){.handle = -1, .offset = MIXED_TIMER_NS, .code = EVPOLL_OP_TIMER};
  if (evpoll_submit(d->p, d->ios, all) != all) die("evpoll_submit");
  for (int left = all; left > 0;) left -= wait_some(d);
}

#define ALL all_open, all_round, disk_close, hang
const struct mixed_type mixed_all = {"evpoll", 0, ALL};
const struct mixed_type mixed_all_single = {"evpoll, one waiter", EVPOLL_OPEN_SINGLE_WAITER, ALL};
