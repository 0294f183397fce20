/* SPDX-License-Identifier: MIT */
/* libuv: an async handle says that there are posts, and the program has a queue of them. */
#include "delays.h"
#include "loops.h"
#include "slices.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { MOST_POSTS = 1 << 16 };

struct own {
  uv_loop_t loop;
  uv_poll_t polls[DELAY_SOCKETS];
  uv_timer_t timers[DELAY_TIMERS];
  uv_async_t async;
  const struct delay_load *load;
  uint64_t deadlines[DELAY_TIMERS];
  pthread_mutex_t lock;
  int posted;
  uint64_t posts[MOST_POSTS], taken[MOST_POSTS];
};

struct block {
  uv_fs_t request;
  uint64_t asked;
};

static void took(struct own *o, enum delay_kind kind, uint64_t caused) {
  delay_took(kind, caused);
  if (delay_left <= 0) uv_stop(&o->loop);
}

static void block_read(uv_fs_t *request) {
  if (request->result != BLOCK) die("uv_fs_read");
  took(request->loop->data, DELAY_FILE, ((struct block *)request)->asked);
  uv_fs_req_cleanup(request);
  free(request);
}

static void readable(uv_poll_t *poll, int status, int events) {
  struct own *o = poll->loop->data;
  const uv_buf_t buffer = uv_buf_init(o->load->block, BLOCK);
  if (status) die("uv_poll");
  took(o, DELAY_SOCKET, delay_message(o->load->sockets[poll - o->polls]));
  struct block *b = malloc(sizeof *b);
  if (!b) die("malloc");
  b->asked = delay_now();
  if (uv_fs_read(&o->loop, &b->request, o->load->file, &buffer, 1, delay_offset(), block_read))
    die("uv_fs_read");
  (void)events;
}

static void arm(struct own *o, int i);

static void due(uv_timer_t *timer) {
  struct own *o = timer->loop->data;
  took(o, DELAY_TIMER, o->deadlines[timer - o->timers]);
  arm(o, (int)(timer - o->timers));
}

static void arm(struct own *o, int i) {
  uv_update_time(&o->loop);
  o->deadlines[i] = delay_deadline(i);
  uv_timer_start(&o->timers[i], due, o->deadlines[i] / 1000000 - uv_now(&o->loop), 0);
}

static void posted(uv_async_t *async) {
  struct own *o = async->loop->data;
  pthread_mutex_lock(&o->lock);
  const int n = o->posted;
  memcpy(o->taken, o->posts, (size_t)n * sizeof o->posts[0]);
  o->posted = 0;
  pthread_mutex_unlock(&o->lock);
  for (int i = 0; i < n; i++) took(o, DELAY_POST, o->taken[i]);
}

static void *own_open(const struct delay_type *type, const struct delay_load *load) {
  struct own *o = calloc(1, sizeof *o);
  if (!o || uv_loop_init(&o->loop)) die("uv_loop_init");
  o->loop.data = o;
  o->load = load;
  pthread_mutex_init(&o->lock, NULL);
  if (uv_async_init(&o->loop, &o->async, posted)) die("uv_async_init");
  for (int i = 0; i < DELAY_SOCKETS; i++) {
    if (uv_poll_init(&o->loop, &o->polls[i], load->sockets[i])) die("uv_poll_init");
    uv_poll_start(&o->polls[i], UV_READABLE, readable);
  }
  for (int i = 0; i < DELAY_TIMERS; i++) {
    uv_timer_init(&o->loop, &o->timers[i]);
    arm(o, i);
  }
  (void)type;
  return o;
}

static void own_post(void *own, uint64_t now) {
  struct own *o = own;
  pthread_mutex_lock(&o->lock);
  if (o->posted == MOST_POSTS) die("too many posts");
  o->posts[o->posted++] = now;
  pthread_mutex_unlock(&o->lock);
  uv_async_send(&o->async);
}

static void own_run(void *own) { uv_run(&((struct own *)own)->loop, UV_RUN_DEFAULT); }

static void close_handle(uv_handle_t *handle, void *none) {
  uv_close(handle, NULL);
  (void)none;
}

static void own_close(void *own) {
  struct own *o = own;
  uv_walk(&o->loop, close_handle, NULL);
  uv_run(&o->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&o->loop)) die("uv_loop_close");
  pthread_mutex_destroy(&o->lock);
  free(o);
}

const struct delay_type delay_uv = {"libuv", 0, own_open, own_post, own_run, own_close};
