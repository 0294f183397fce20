/* SPDX-License-Identifier: MIT */
/* The library with a layer over it, for tests: each call from outside is counted, and completions
 * can be withheld, so that operations do not end until the test lets them. The real functions have
 * been renamed to real_NAME in the archive; counted.inc has COUNTED(NAME) for each that has nothing
 * of its own here. */
#include "evpoll.h"

#include <pthread.h>
#include <stdatomic.h>

#define HIDDEN __attribute__((visibility("hidden")))
#define PUBLIC __attribute__((visibility("default")))

HIDDEN _Atomic uint64_t counting_total;

/* Counts and goes on to the real one with all arguments as they are. */
#define COUNTED(name)                                                                              \
  __asm__(".text\n.globl " #name "\n.type " #name ", @function\n" #name                            \
          ":\n lock incq counting_total(%rip)\n jmp real_" #name "\n");
#include "counted.inc"

HIDDEN int32_t real_evpoll_turn(evpoll *, evpoll_change *, int32_t, evpoll_io *, int32_t,
                                evpoll_event *, int32_t, int64_t);
HIDDEN int32_t real_evpoll_wait(evpoll *, evpoll_event *, int32_t, int64_t);
HIDDEN int32_t real_evpoll_close(evpoll *, int64_t);

static atomic_int holding;
static evpoll_event held[4096];
static int32_t held_count; /* the waiter's alone */

PUBLIC uint64_t counting_calls(void) { return counting_total; }

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;

PUBLIC void counting_hold(int32_t on) {
  pthread_mutex_lock(&lock);
  holding = on;
  pthread_cond_broadcast(&released);
  pthread_mutex_unlock(&lock);
}

static void until_released(void) {
  pthread_mutex_lock(&lock);
  while (holding) pthread_cond_wait(&released, &lock);
  pthread_mutex_unlock(&lock);
}

/* What was withheld is there already: no reason to sleep. */
static int64_t patience(int64_t timeout_ns) { return !holding && held_count > 0 ? 0 : timeout_ns; }

static int32_t withhold(evpoll *p, evpoll_event *events, int32_t capacity, int64_t timeout_ns,
                        int32_t n) {
  for (;;) {
    int32_t kept = 0;
    /* A poller that was shut down has something left for as long as it is withheld. */
    if (n == EVPOLL_ERR_SHUTDOWN && held_count > 0) {
      until_released();
      n = 0;
    }
    for (int32_t i = 0; i < n; i++) {
      if (holding && (events[i].events & (EVPOLL_IO | EVPOLL_IO_LIST)) && held_count < 4096)
        held[held_count++] = events[i];
      else
        events[kept++] = events[i];
    }
    while (!holding && held_count > 0 && n >= 0 && kept < capacity)
      events[kept++] = held[--held_count];
    if (kept > 0 || timeout_ns == 0 || n <= 0) return n < 0 ? n : kept;
    n = real_evpoll_wait(p, events, capacity, timeout_ns);
  }
}

PUBLIC int32_t evpoll_turn(evpoll *p, evpoll_change *changes, int32_t nchanges, evpoll_io *ios,
                           int32_t nios, evpoll_event *events, int32_t capacity,
                           int64_t timeout_ns) {
  counting_total++;
  return withhold(
      p, events, capacity, timeout_ns,
      real_evpoll_turn(p, changes, nchanges, ios, nios, events, capacity, patience(timeout_ns)));
}

PUBLIC int32_t evpoll_wait(evpoll *p, evpoll_event *events, int32_t capacity, int64_t timeout_ns) {
  counting_total++;
  return withhold(p, events, capacity, timeout_ns,
                  real_evpoll_wait(p, events, capacity, patience(timeout_ns)));
}

/* A poller of which the kernel has not given everything back. */
PUBLIC int32_t evpoll_close(evpoll *p, int64_t timeout_ns) {
  counting_total++;
  if (timeout_ns < 0)
    until_released();
  else if (holding)
    return EVPOLL_ERR_TIMEOUT;
  return real_evpoll_close(p, timeout_ns);
}
