/* SPDX-License-Identifier: MIT */
#include "loops.h"
#include "slices.h"

#include <evpoll.h>
#include <stdlib.h>
#include <string.h>

struct ours {
  evpoll *p;
  int n;
  uint32_t mode;
  const int *fds;
  evpoll_event events[EVENTS];
};

static evpoll *open_poller(uint32_t flags) {
  evpoll_options options = {.struct_size = sizeof options, .flags = flags};
  evpoll *p;
  if (evpoll_open(&options, &p) < 0) die("evpoll_open");
  return p;
}

static void *ours_open(const struct loop_type *type, int most) {
  struct ours *l = calloc(1, sizeof *l);
  if (!l) die("calloc");
  l->p = open_poller(type->flags);
  l->mode = type->mode;
  (void)most;
  return l;
}

static void ours_add(void *loop, const int *fds, int n) {
  struct ours *l = loop;
  l->fds = fds;
  l->n = n;
  for (int i = 0; i < n; i++)
    if (evpoll_add(l->p, fds[i], (uint64_t)i, EVPOLL_READABLE, l->mode) < 0) die("evpoll_add");
}

static void ours_modify(void *loop, bool writable_too) {
  struct ours *l = loop;
  const uint32_t interest = EVPOLL_READABLE | (writable_too ? EVPOLL_WRITABLE : 0);
  for (int i = 0; i < l->n; i++)
    if (evpoll_modify(l->p, l->fds[i], (uint64_t)i, interest, l->mode) < 0) die("evpoll_modify");
}

static void ours_remove(void *loop) {
  struct ours *l = loop;
  for (int i = 0; i < l->n; i++)
    if (evpoll_remove(l->p, l->fds[i], (uint64_t)i) < 0) die("evpoll_remove");
}

static void ours_run(void *loop) {
  struct ours *l = loop;
  while (remaining > 0) {
    const int32_t n = evpoll_wait(l->p, l->events, loop_takes, EVPOLL_INFINITE);
    if (n < 0) die("evpoll_wait");
    for (int32_t k = 0; k < n; k++) {
      handle((int)l->events[k].token);
      remaining--;
    }
  }
}

/* Edge as the header wants it: what was read until there was no more is rearmed. */
static void ours_run_rearm(void *loop) {
  struct ours *l = loop;
  while (remaining > 0) {
    const int32_t n = evpoll_wait(l->p, l->events, loop_takes, EVPOLL_INFINITE);
    if (n < 0) die("evpoll_wait");
    for (int32_t k = 0; k < n; k++) {
      const int i = (int)l->events[k].token;
      handle(i);
      if (evpoll_rearm(l->p, l->fds[i], (uint64_t)i, EVPOLL_READABLE) < 0) die("evpoll_rearm");
      remaining--;
    }
  }
}

void *loop_ours_share(void *loop) {
  struct ours *l = malloc(sizeof *l);
  if (!l) die("malloc");
  return memcpy(l, loop, sizeof *l);
}

static void ours_close(void *loop) {
  struct ours *l = loop;
  evpoll_close(l->p, EVPOLL_INFINITE);
  free(l);
}

#define OURS(run) ours_open, ours_add, ours_modify, ours_remove, run, ours_close
const struct loop_type loop_many = {"evpoll", 0, EVPOLL_LEVEL, OURS(ours_run)};
const struct loop_type loop_single = {"evpoll, one waiter", EVPOLL_OPEN_SINGLE_WAITER, EVPOLL_LEVEL,
                                      OURS(ours_run)};
const struct loop_type loop_edge = {"evpoll, edge", 0, EVPOLL_EDGE, OURS(ours_run_rearm)};
const struct loop_type loop_oneshot = {"evpoll", 0, EVPOLL_ONESHOT, OURS(ours_run_rearm)};
const struct loop_type loop_oneshot_single = {"evpoll, one waiter", EVPOLL_OPEN_SINGLE_WAITER,
                                              EVPOLL_ONESHOT, OURS(ours_run_rearm)};

/* ---- a wake --------------------------------------------------------------------------------- */

static void *wake_open(const struct wake_type *type) { return open_poller(type->flags); }

static void wake_send(void *wake) { evpoll_wake(wake); }

static void wake_sleep(void *wake) {
  evpoll_event e;
  if (evpoll_wait(wake, &e, 1, EVPOLL_INFINITE) != 1) die("evpoll_wait");
}

static void wake_close(void *wake) { evpoll_close(wake, EVPOLL_INFINITE); }

const struct wake_type wake_many = {"evpoll", 0, wake_open, wake_send, wake_sleep, wake_close};
const struct wake_type wake_single = {
    "evpoll, one waiter", EVPOLL_OPEN_SINGLE_WAITER, wake_open, wake_send, wake_sleep, wake_close};
