/* SPDX-License-Identifier: MIT */
/* Bare epoll and a bare eventfd: what the kernel costs. */
#include "loops.h"
#include "slices.h"

#include <evpoll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct raw {
  int set, n;
  uint32_t mode;
  const int *fds;
  struct epoll_event events[EVENTS];
};

static void *raw_open(const struct loop_type *type, int most) {
  static const uint32_t modes[] = {0, EPOLLET, EPOLLONESHOT};
  struct raw *l = calloc(1, sizeof *l);
  if (!l) die("calloc");
  l->set = epoll_create1(EPOLL_CLOEXEC);
  if (l->set < 0) die("epoll_create1");
  l->mode = modes[type->mode];
  (void)most;
  return l;
}

static void control(struct raw *l, int op, uint32_t events) {
  for (int i = 0; i < l->n; i++) {
    struct epoll_event e = {.events = events, .data.u64 = (uint64_t)i};
    if (epoll_ctl(l->set, op, l->fds[i], &e)) die("epoll_ctl");
  }
}

static void raw_add(void *loop, const int *fds, int n) {
  struct raw *l = loop;
  l->fds = fds;
  l->n = n;
  control(l, EPOLL_CTL_ADD, EPOLLIN | l->mode);
}

static void raw_modify(void *loop, bool writable_too) {
  struct raw *l = loop;
  control(l, EPOLL_CTL_MOD, EPOLLIN | l->mode | (writable_too ? EPOLLOUT : 0));
}

static void raw_remove(void *loop) { control(loop, EPOLL_CTL_DEL, 0); }

static void raw_run(void *loop) {
  struct raw *l = loop;
  while (remaining > 0) {
    const int n = epoll_wait(l->set, l->events, loop_takes, -1);
    if (n < 0) die("epoll_wait");
    for (int k = 0; k < n; k++) {
      handle((int)l->events[k].data.u64);
      remaining--;
    }
  }
}

static void raw_run_oneshot(void *loop) {
  struct raw *l = loop;
  while (remaining > 0) {
    const int n = epoll_wait(l->set, l->events, loop_takes, -1);
    if (n < 0) die("epoll_wait");
    for (int k = 0; k < n; k++) {
      const int i = (int)l->events[k].data.u64;
      handle(i);
      struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = (uint64_t)i};
      if (epoll_ctl(l->set, EPOLL_CTL_MOD, l->fds[i], &e)) die("epoll_ctl");
      remaining--;
    }
  }
}

void *loop_raw_share(void *loop) {
  struct raw *l = malloc(sizeof *l);
  if (!l) die("malloc");
  return memcpy(l, loop, sizeof *l);
}

static void raw_close(void *loop) {
  struct raw *l = loop;
  close(l->set);
  free(l);
}

const struct loop_type loop_raw = {"epoll",    0,          EVPOLL_LEVEL, raw_open, raw_add,
                                   raw_modify, raw_remove, raw_run,      raw_close};
const struct loop_type loop_raw_edge = {"epoll, edge", 0,          EVPOLL_EDGE, raw_open, raw_add,
                                        raw_modify,    raw_remove, raw_run,     raw_close};
const struct loop_type loop_raw_oneshot = {
    "EPOLLONESHOT", 0,          EVPOLL_ONESHOT,  raw_open, raw_add,
    raw_modify,     raw_remove, raw_run_oneshot, raw_close};

/* ---- an eventfd that wakes: written, waited for, read ------------------------------------- */

struct raw_wake {
  int set, bell;
};

static void *wake_open(const struct wake_type *type) {
  struct raw_wake *w = calloc(1, sizeof *w);
  struct epoll_event e = {.events = EPOLLIN};
  if (!w) die("calloc");
  w->set = epoll_create1(EPOLL_CLOEXEC);
  w->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ctl(w->set, EPOLL_CTL_ADD, w->bell, &e)) die("epoll_ctl");
  (void)type;
  return w;
}

static void wake_send(void *wake) {
  const uint64_t one = 1;
  if (write(((struct raw_wake *)wake)->bell, &one, 8) != 8) die("write");
}

static void wake_sleep(void *wake) {
  struct raw_wake *w = wake;
  struct epoll_event e;
  uint64_t count;
  while (epoll_wait(w->set, &e, 1, -1) != 1) {
  }
  if (read(w->bell, &count, 8) != 8) die("read");
}

static void wake_close(void *wake) {
  struct raw_wake *w = wake;
  close(w->bell);
  close(w->set);
  free(w);
}

const struct wake_type wake_raw = {"eventfd", 0, wake_open, wake_send, wake_sleep, wake_close};
