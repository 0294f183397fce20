/* SPDX-License-Identifier: MIT */
#include "loops.h"
#include "slices.h"

#include <evpoll.h>
#include <stdlib.h>

enum { AT_ONCE = 64 };

static uint64_t seed;

void timer_seed(void) { seed = 88172645463325252u; }

uint64_t timer_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

struct timers {
  evpoll *p;
  evpoll_event events[EVENTS];
};

static void *timers_open(const struct timer_type *type, int most) {
  evpoll_options options = {.struct_size = sizeof options, .flags = type->flags};
  options.io_limit = 1 << 21;
  struct timers *t = calloc(1, sizeof *t);
  if (!t || evpoll_open(&options, &t->p) < 0) die("evpoll_open");
  (void)most;
  return t;
}

static void timers_add(void *timers, int first, int n, int least_ms, int most_ms) {
  struct timers *t = timers;
  evpoll_io ios[AT_ONCE];
  const uint64_t range = (uint64_t)(most_ms - least_ms);
  const int64_t now_ms = evpoll_now() / 1000000;
  while (n > 0) {
    const int k = n < AT_ONCE ? n : AT_ONCE;
    for (int i = 0; i < k; i++)
      ios[i] =
          (evpoll_io){.token = (uint64_t)(first + i),
                      .handle = -1,
                      .offset = (now_ms + least_ms + (int64_t)(timer_random() % range)) * 1000000,
                      .code = EVPOLL_OP_TIMER,
                      .flags = EVPOLL_OPF_ABSOLUTE};
    if (evpoll_submit(t->p, ios, k) != k) die("evpoll_submit of timers");
    first += k;
    n -= k;
  }
}

static void timers_expire(void *timers, int n) {
  struct timers *t = timers;
  while (n > 0) n -= evpoll_wait(t->p, t->events, EVENTS, EVPOLL_INFINITE);
}

static void timers_cancel(void *timers, int first, int n) {
  struct timers *t = timers;
  for (int i = 0; i < n; i++)
    if (evpoll_cancel_token(t->p, -1, (uint64_t)(first + i)) != 1) die("evpoll_cancel_token");
  timers_expire(timers, n);
}

static void timers_close(void *timers) {
  struct timers *t = timers;
  evpoll_close(t->p, EVPOLL_INFINITE);
  free(t);
}

#define TIMERS timers_open, timers_add, timers_cancel, timers_expire, timers_close
const struct timer_type timer_many = {"evpoll", 0, TIMERS};
const struct timer_type timer_single = {"evpoll, one waiter", EVPOLL_OPEN_SINGLE_WAITER, TIMERS};
