/* SPDX-License-Identifier: MIT */
/* libevent: an event for each descriptor, persistent, or added again by its callback. */
#include "loops.h"
#include "slices.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <stdlib.h>

const char *version_event(void) { return event_get_version(); }

struct loop;
struct item {
  struct loop *loop;
  struct event *event;
  int i;
};

/* For the row of memory: this is ours, and not what libevent needs. */
extern const int loop_event_own;
const int loop_event_own = sizeof(struct item);

struct loop {
  struct event_base *base;
  struct item *items;
  int n;
  short mode;
};

static void count(struct loop *l) {
  if (--remaining <= 0) event_base_loopexit(l->base, NULL);
}

static void ready(evutil_socket_t fd, short events, void *item) {
  struct item *at = item;
  handle(at->i);
  count(at->loop);
  (void)fd;
  (void)events;
}

static void ready_once(evutil_socket_t fd, short events, void *item) {
  struct item *at = item;
  handle(at->i);
  if (event_add(at->event, NULL)) die("event_add");
  count(at->loop);
  (void)fd;
  (void)events;
}

static void *loop_open(const struct loop_type *type, int most) {
  struct loop *l = calloc(1, sizeof *l);
  if (!l) die("calloc");
  l->base = event_base_new();
  l->items = calloc((size_t)most, sizeof *l->items);
  if (!l->base || !l->items) die("event_base_new");
  l->mode = (short)type->mode;
  return l;
}

static void loop_add(void *loop, const int *fds, int n) {
  struct loop *l = loop;
  l->n = n;
  for (int i = 0; i < n; i++) {
    struct item *at = &l->items[i];
    at->loop = l;
    at->i = i;
    at->event = event_new(l->base, fds[i], EV_READ | l->mode, l->mode ? ready : ready_once, at);
    if (!at->event || event_add(at->event, NULL)) die("event_add");
  }
}

static void loop_modify(void *loop, bool writable_too) {
  struct loop *l = loop;
  const short events = (short)(EV_READ | (writable_too ? EV_WRITE : 0) | l->mode);
  for (int i = 0; i < l->n; i++) {
    struct event *e = l->items[i].event;
    event_del(e);
    event_assign(e, l->base, event_get_fd(e), events, l->mode ? ready : ready_once, &l->items[i]);
    if (event_add(e, NULL)) die("event_add");
  }
}

static void loop_remove(void *loop) {
  struct loop *l = loop;
  for (int i = 0; i < l->n; i++) event_del(l->items[i].event);
}

static void loop_run(void *loop) { event_base_dispatch(((struct loop *)loop)->base); }

static void loop_close(void *loop) {
  struct loop *l = loop;
  for (int i = 0; i < l->n; i++) event_free(l->items[i].event);
  event_base_free(l->base);
  free(l->items);
  free(l);
}

const struct loop_type loop_event = {"libevent",  0,           EV_PERSIST, loop_open, loop_add,
                                     loop_modify, loop_remove, loop_run,   loop_close};
const struct loop_type loop_event_once = {"libevent",  0,           0,        loop_open, loop_add,
                                          loop_modify, loop_remove, loop_run, loop_close};

/* ---- a wake: an event that another thread makes active ------------------------------------ */

struct wake {
  struct event_base *base;
  struct event *event;
};

static void woken(evutil_socket_t fd, short events, void *wake) {
  event_base_loopbreak(((struct wake *)wake)->base);
  (void)fd;
  (void)events;
}

static void *wake_open(const struct wake_type *type) {
  /* Locks cost: the rows of one thread must have been measured by now. */
  if (evthread_use_pthreads()) die("evthread_use_pthreads");
  struct wake *w = calloc(1, sizeof *w);
  if (!w) die("calloc");
  w->base = event_base_new();
  w->event = event_new(w->base, -1, EV_PERSIST, woken, w);
  if (!w->event) die("event_new");
  (void)type;
  return w;
}

static void wake_send(void *wake) { event_active(((struct wake *)wake)->event, EV_READ, 0); }

static void wake_sleep(void *wake) {
  event_base_loop(((struct wake *)wake)->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static void wake_close(void *wake) {
  struct wake *w = wake;
  event_free(w->event);
  event_base_free(w->base);
  free(w);
}

const struct wake_type wake_event = {"libevent", 0, wake_open, wake_send, wake_sleep, wake_close};
