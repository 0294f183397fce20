/* SPDX-License-Identifier: MIT */
/* Files without asynchrony, and by the C library's POSIX AIO. */
#include "loops.h"
#include "slices.h"

#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct disk {
  int file;
  char *buffers;
  struct aiocb blocks[DEEPEST];
  struct aiocb *list[DEEPEST];
};

static void *disk_open(const struct disk_type *type, int file, char *buffers) {
  struct disk *d = calloc(1, sizeof *d);
  if (!d) die("calloc");
  d->file = file;
  d->buffers = buffers;
  for (int i = 0; i < DEEPEST; i++) d->list[i] = &d->blocks[i];
  (void)type;
  return d;
}

static void read_in_turn(void *disk, const int64_t *offsets, int n) {
  struct disk *d = disk;
  for (int i = 0; i < n; i++)
    if (pread(d->file, d->buffers + i * BLOCK, BLOCK, offsets[i]) != BLOCK) die("pread");
}

/* What evpoll does for a block of the cache. */
static void read_without_waiting(void *disk, const int64_t *offsets, int n) {
  struct disk *d = disk;
  for (int i = 0; i < n; i++) {
    const struct iovec part = {d->buffers + i * BLOCK, BLOCK};
    if (preadv2(d->file, &part, 1, offsets[i], RWF_NOWAIT) != BLOCK) die("preadv2");
  }
}

static void commit_in_turn(void *disk, int64_t offset) {
  struct disk *d = disk;
  if (pwrite(d->file, d->buffers, BLOCK, offset) != BLOCK) die("pwrite");
  if (fdatasync(d->file)) die("fdatasync");
}

static void prepare(struct disk *d, int i, int64_t offset, int code) {
  memset(&d->blocks[i], 0, sizeof d->blocks[i]);
  d->blocks[i].aio_fildes = d->file;
  d->blocks[i].aio_buf = d->buffers + i * BLOCK;
  d->blocks[i].aio_nbytes = BLOCK;
  d->blocks[i].aio_offset = offset;
  d->blocks[i].aio_lio_opcode = code;
  d->blocks[i].aio_sigevent.sigev_notify = SIGEV_NONE;
}

static void read_list(void *disk, const int64_t *offsets, int n) {
  struct disk *d = disk;
  for (int i = 0; i < n; i++) prepare(d, i, offsets[i], LIO_READ);
  if (lio_listio(LIO_WAIT, d->list, n, NULL)) die("lio_listio");
  for (int i = 0; i < n; i++)
    if (aio_return(&d->blocks[i]) != BLOCK) die("aio_return");
}

static void finish_first(struct disk *d) {
  const struct aiocb *list[] = {&d->blocks[0]};
  while (aio_error(&d->blocks[0]) == EINPROGRESS) aio_suspend(list, 1, NULL);
  if (aio_return(&d->blocks[0]) < 0) die("aio_return");
}

static void commit_aio(void *disk, int64_t offset) {
  struct disk *d = disk;
  prepare(d, 0, offset, LIO_WRITE);
  if (aio_write(&d->blocks[0])) die("aio_write");
  finish_first(d);
  if (aio_fsync(O_DSYNC, &d->blocks[0])) die("aio_fsync");
  finish_first(d);
}

const struct disk_type disk_pread = {"pread", 0, disk_open, read_in_turn, commit_in_turn, free};
const struct disk_type disk_nowait = {"RWF_NOWAIT",   0,   disk_open, read_without_waiting,
                                      commit_in_turn, free};
const struct disk_type disk_lio = {"lio_listio", 0, disk_open, read_list, commit_aio, free};
