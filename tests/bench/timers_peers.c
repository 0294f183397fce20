/* SPDX-License-Identifier: MIT */
/* Timers of libuv and libevent, which have milliseconds and microseconds. */
#include "loops.h"
#include "slices.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <uv.h>

static int left;

static uint64_t some_time(int least_ms, int most_ms) {
  return (uint64_t)least_ms + timer_random() % (uint64_t)(most_ms - least_ms);
}

struct uv_timers {
  uv_loop_t loop;
  int most;
  uv_timer_t *timers;
};

static void uv_expired(uv_timer_t *timer) {
  if (--left <= 0) uv_stop(timer->loop);
}

static void *uv_timers_open(const struct timer_type *type, int most) {
  struct uv_timers *t = calloc(1, sizeof *t);
  if (!t || uv_loop_init(&t->loop)) die("uv_loop_init");
  t->most = most;
  t->timers = calloc((size_t)most, sizeof *t->timers);
  if (!t->timers) die("calloc");
  for (int i = 0; i < most; i++) uv_timer_init(&t->loop, &t->timers[i]);
  (void)type;
  return t;
}

static void uv_timers_add(void *timers, int first, int n, int least_ms, int most_ms) {
  struct uv_timers *t = timers;
  uv_update_time(&t->loop);
  for (int i = first; i < first + n; i++)
    uv_timer_start(&t->timers[i], uv_expired, some_time(least_ms, most_ms), 0);
}

static void uv_timers_cancel(void *timers, int first, int n) {
  struct uv_timers *t = timers;
  for (int i = first; i < first + n; i++) uv_timer_stop(&t->timers[i]);
}

static void uv_timers_expire(void *timers, int n) {
  left = n;
  uv_run(&((struct uv_timers *)timers)->loop, UV_RUN_DEFAULT);
}

static void uv_timers_close(void *timers) {
  struct uv_timers *t = timers;
  for (int i = 0; i < t->most; i++) uv_close((uv_handle_t *)&t->timers[i], NULL);
  uv_run(&t->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&t->loop)) die("uv_loop_close");
  free(t->timers);
  free(t);
}

const struct timer_type timer_uv = {
    "libuv", 0, uv_timers_open, uv_timers_add, uv_timers_cancel, uv_timers_expire, uv_timers_close};

struct event_timers {
  struct event_base *base;
  int most;
  struct event *timers;
};

static void event_expired(evutil_socket_t fd, short what, void *base) {
  if (--left <= 0) event_base_loopbreak(base);
  (void)fd, (void)what;
}

static void *event_timers_open(const struct timer_type *type, int most) {
  struct event_timers *t = calloc(1, sizeof *t);
  if (!t || !(t->base = event_base_new())) die("event_base_new");
  t->most = most;
  t->timers = calloc((size_t)most, sizeof *t->timers);
  if (!t->timers) die("calloc");
  for (int i = 0; i < most; i++)
    if (event_assign(&t->timers[i], t->base, -1, 0, event_expired, t->base)) die("event_assign");
  (void)type;
  return t;
}

static void event_timers_add(void *timers, int first, int n, int least_ms, int most_ms) {
  struct event_timers *t = timers;
  for (int i = first; i < first + n; i++) {
    const uint64_t ms = some_time(least_ms, most_ms);
    const struct timeval time = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    if (event_add(&t->timers[i], &time)) die("event_add");
  }
}

static void event_timers_cancel(void *timers, int first, int n) {
  struct event_timers *t = timers;
  for (int i = first; i < first + n; i++) event_del(&t->timers[i]);
}

static void event_timers_expire(void *timers, int n) {
  left = n;
  event_base_dispatch(((struct event_timers *)timers)->base);
}

static void event_timers_close(void *timers) {
  struct event_timers *t = timers;
  for (int i = 0; i < t->most; i++) event_del(&t->timers[i]);
  event_base_free(t->base);
  free(t->timers);
  free(t);
}

const struct timer_type timer_event = {"libevent",          0,
                                       event_timers_open,   event_timers_add,
                                       event_timers_cancel, event_timers_expire,
                                       event_timers_close};
