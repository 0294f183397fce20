/* SPDX-License-Identifier: MIT */
/* libuv: uv_poll_t for descriptors, uv_fs_* on its pool of threads for files. It tells the kernel
 * of changes when it waits next. */
#include "loops.h"
#include "slices.h"

#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

const char *version_uv(void) { return uv_version_string(); }

struct loop {
  uv_loop_t loop;
  uv_poll_t *polls;
  int n;
};

static void ready(uv_poll_t *poll, int status, int events) {
  handle((int)(intptr_t)poll->data);
  if (--remaining <= 0) uv_stop(poll->loop);
  (void)status;
  (void)events;
}

static void *loop_open(const struct loop_type *type, int most) {
  struct loop *l = calloc(1, sizeof *l);
  if (!l || uv_loop_init(&l->loop)) die("uv_loop_init");
  l->polls = calloc((size_t)most, sizeof *l->polls);
  if (!l->polls) die("calloc");
  (void)type;
  return l;
}

static void loop_add(void *loop, const int *fds, int n) {
  struct loop *l = loop;
  l->n = n;
  for (int i = 0; i < n; i++) {
    if (uv_poll_init(&l->loop, &l->polls[i], fds[i])) die("uv_poll_init");
    l->polls[i].data = (void *)(intptr_t)i;
    uv_poll_start(&l->polls[i], UV_READABLE, ready);
  }
  uv_run(&l->loop, UV_RUN_NOWAIT);
}

static void loop_modify(void *loop, bool writable_too) {
  struct loop *l = loop;
  for (int i = 0; i < l->n; i++)
    uv_poll_start(&l->polls[i], UV_READABLE | (writable_too ? UV_WRITABLE : 0), ready);
  uv_run(&l->loop, UV_RUN_NOWAIT);
}

static void loop_remove(void *loop) {
  struct loop *l = loop;
  for (int i = 0; i < l->n; i++) uv_poll_stop(&l->polls[i]);
}

static void loop_run(void *loop) { uv_run(&((struct loop *)loop)->loop, UV_RUN_DEFAULT); }

static void loop_close(void *loop) {
  struct loop *l = loop;
  for (int i = 0; i < l->n; i++) uv_close((uv_handle_t *)&l->polls[i], NULL);
  uv_run(&l->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&l->loop)) die("uv_loop_close");
  free(l->polls);
  free(l);
}

const struct loop_type loop_uv = {"libuv",     0,           0,        loop_open, loop_add,
                                  loop_modify, loop_remove, loop_run, loop_close};

/* ---- files, alone and together with sockets ----------------------------------------------- */

struct disk {
  uv_loop_t loop;
  uv_fs_t requests[DEEPEST];
  uv_poll_t polls[DEEPEST];
  const int *sockets;
  char *buffers;
  int file, polling, left;
};

static void disk_count(struct disk *d) {
  if (--d->left == 0) uv_stop(&d->loop);
}

static void block_done(uv_fs_t *request) {
  struct disk *d = request->loop->data;
  if (request->result != BLOCK) die("uv_fs_read");
  uv_fs_req_cleanup(request);
  disk_count(d);
}

static void socket_ready(uv_poll_t *poll, int status, int events) {
  struct disk *d = poll->loop->data;
  char byte;
  if (read(d->sockets[poll - d->polls], &byte, 1) != 1) die("read");
  disk_count(d);
  (void)status;
  (void)events;
}

static struct disk *open_disk(int file, char *buffers) {
  struct disk *d = calloc(1, sizeof *d);
  if (!d || uv_loop_init(&d->loop)) die("uv_loop_init");
  d->loop.data = d;
  d->file = file;
  d->buffers = buffers;
  return d;
}

static void *disk_open(const struct disk_type *type, int file, char *buffers) {
  (void)type;
  return open_disk(file, buffers);
}

static void ask(struct disk *d, const int64_t *offsets, int n) {
  for (int i = 0; i < n; i++) {
    const uv_buf_t buffer = uv_buf_init(d->buffers + i * BLOCK, BLOCK);
    uv_fs_read(&d->loop, &d->requests[i], d->file, &buffer, 1, offsets[i], block_done);
  }
}

static void disk_read(void *disk, const int64_t *offsets, int n) {
  struct disk *d = disk;
  d->left = n;
  ask(d, offsets, n);
  uv_run(&d->loop, UV_RUN_DEFAULT);
}

static void disk_commit(void *disk, int64_t offset) {
  struct disk *d = disk;
  const uv_buf_t buffer = uv_buf_init(d->buffers, BLOCK);
  d->left = 1;
  uv_fs_write(&d->loop, &d->requests[0], d->file, &buffer, 1, offset, block_done);
  uv_run(&d->loop, UV_RUN_DEFAULT);
  uv_fs_fdatasync(&d->loop, &d->requests[0], d->file, uv_fs_req_cleanup);
  uv_run(&d->loop, UV_RUN_DEFAULT);
}

static void disk_close(void *disk) {
  struct disk *d = disk;
  for (int i = 0; i < d->polling; i++) uv_close((uv_handle_t *)&d->polls[i], NULL);
  uv_run(&d->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&d->loop)) die("uv_loop_close");
  free(d);
}

const struct disk_type disk_uv = {"libuv", 0, disk_open, disk_read, disk_commit, disk_close};

static void *mixed_open(const struct mixed_type *type, int file, char *buffers, const int *sockets,
                        int m) {
  struct disk *d = open_disk(file, buffers);
  d->sockets = sockets;
  d->polling = m;
  for (int i = 0; i < m; i++) {
    if (uv_poll_init(&d->loop, &d->polls[i], sockets[i])) die("uv_poll_init");
    uv_poll_start(&d->polls[i], UV_READABLE, socket_ready);
  }
  uv_run(&d->loop, UV_RUN_NOWAIT);
  (void)type;
  return d;
}

static void mixed_round(void *mixed, const int64_t *offsets, int n) {
  struct disk *d = mixed;
  d->left = n + d->polling;
  ask(d, offsets, n);
  uv_run(&d->loop, UV_RUN_DEFAULT);
}

static void hung_done(uv_fs_t *request) {
  if (request->result != BLOCK) die("uv_fs_read");
  uv_fs_req_cleanup(request);
}

static void hang(void *mixed, const int *files, int n) {
  struct disk *d = mixed;
  for (int i = DEEPEST - n; i < DEEPEST; i++) {
    const uv_buf_t buffer = uv_buf_init(d->buffers + i * BLOCK, BLOCK);
    uv_fs_read(&d->loop, &d->requests[i], *files++, &buffer, 1, 0, hung_done);
  }
}

const struct mixed_type mixed_uv = {"libuv", 0, mixed_open, mixed_round, disk_close, hang};

/* ---- a wake --------------------------------------------------------------------------------- */

struct wake {
  uv_loop_t loop;
  uv_async_t async;
};

static void woken(uv_async_t *async) { uv_stop(async->loop); }

static void *wake_open(const struct wake_type *type) {
  struct wake *w = calloc(1, sizeof *w);
  if (!w || uv_loop_init(&w->loop) || uv_async_init(&w->loop, &w->async, woken))
    die("uv_async_init");
  (void)type;
  return w;
}

static void wake_send(void *wake) { uv_async_send(&((struct wake *)wake)->async); }

static void wake_sleep(void *wake) { uv_run(&((struct wake *)wake)->loop, UV_RUN_DEFAULT); }

static void wake_close(void *wake) {
  struct wake *w = wake;
  uv_close((uv_handle_t *)&w->async, NULL);
  uv_run(&w->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&w->loop)) die("uv_loop_close");
  free(w);
}

const struct wake_type wake_uv = {"libuv", 0, wake_open, wake_send, wake_sleep, wake_close};
