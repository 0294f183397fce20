/* SPDX-License-Identifier: MIT */
/* libev: a watcher for each descriptor, all in one loop. It tells the kernel of changes when it
 * waits next, and of a watcher that was stopped never: so it has no cost of removing to show. */
#include "loops.h"
#include "slices.h"

#include <ev.h>
#include <stdlib.h>

const char *version_ev(void) {
  static char text[24];
  snprintf(text, sizeof text, "%d.%d", ev_version_major(), ev_version_minor());
  return text;
}

struct loop {
  struct ev_loop *loop;
  ev_io *watchers;
  int n;
};

static void ready(struct ev_loop *loop, ev_io *w, int events) {
  handle((int)(intptr_t)w->data);
  if (--remaining <= 0) ev_break(loop, EVBREAK_ONE);
  (void)events;
}

static void *loop_open(const struct loop_type *type, int most) {
  struct loop *l = calloc(1, sizeof *l);
  if (!l) die("calloc");
  l->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
  l->watchers = calloc((size_t)most, sizeof *l->watchers);
  if (!l->loop || !l->watchers) die("ev_loop_new");
  (void)type;
  return l;
}

static void loop_add(void *loop, const int *fds, int n) {
  struct loop *l = loop;
  l->n = n;
  for (int i = 0; i < n; i++) {
    ev_io_init(&l->watchers[i], ready, fds[i], EV_READ);
    l->watchers[i].data = (void *)(intptr_t)i;
    ev_io_start(l->loop, &l->watchers[i]);
  }
  ev_run(l->loop, EVRUN_NOWAIT);
}

static void loop_modify(void *loop, bool writable_too) {
  struct loop *l = loop;
  for (int i = 0; i < l->n; i++) {
    ev_io_stop(l->loop, &l->watchers[i]);
    ev_io_modify(&l->watchers[i], EV_READ | (writable_too ? EV_WRITE : 0));
    ev_io_start(l->loop, &l->watchers[i]);
  }
  ev_run(l->loop, EVRUN_NOWAIT);
}

static void loop_run(void *loop) { ev_run(((struct loop *)loop)->loop, 0); }

static void loop_close(void *loop) {
  struct loop *l = loop;
  for (int i = 0; i < l->n; i++) ev_io_stop(l->loop, &l->watchers[i]);
  ev_loop_destroy(l->loop);
  free(l->watchers);
  free(l);
}

const struct loop_type loop_ev = {"libev",     0,    0,        loop_open, loop_add,
                                  loop_modify, NULL, loop_run, loop_close};

/* ---- a wake --------------------------------------------------------------------------------- */

struct wake {
  struct ev_loop *loop;
  ev_async async;
};

static void woken(struct ev_loop *loop, ev_async *a, int events) {
  ev_break(loop, EVBREAK_ONE);
  (void)a;
  (void)events;
}

static void *wake_open(const struct wake_type *type) {
  struct wake *w = calloc(1, sizeof *w);
  if (!w) die("calloc");
  w->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
  if (!w->loop) die("ev_loop_new");
  ev_async_init(&w->async, woken);
  ev_async_start(w->loop, &w->async);
  (void)type;
  return w;
}

static void wake_send(void *wake) {
  struct wake *w = wake;
  ev_async_send(w->loop, &w->async);
}

static void wake_sleep(void *wake) { ev_run(((struct wake *)wake)->loop, 0); }

static void wake_close(void *wake) {
  struct wake *w = wake;
  ev_async_stop(w->loop, &w->async);
  ev_loop_destroy(w->loop);
  free(w);
}

const struct wake_type wake_ev = {"libev", 0, wake_open, wake_send, wake_sleep, wake_close};
