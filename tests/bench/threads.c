/* SPDX-License-Identifier: MIT */
/* Two threads on one set. Both wait for the same descriptors, which are always ready, or each adds
 * and removes its own. */
#include "rows.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum { TAKES = 16 };

struct contender {
  const struct loop_type *type;
  void *(*share)(void *loop);
};

struct both {
  const struct loop_type *type;
  void *loops[2];
  pthread_t second;
  pthread_barrier_t barrier;
  long rounds; /* of the second, -1: none any more */
};

static bool churns;
static cpu_set_t allowed; /* of the process */

/* Each on a processor of its own, where there are two: else the second may run when the first is
 * done, and nobody contends. */
static void pin(int which) {
  cpu_set_t own;
  CPU_ZERO(&own);
  for (int i = 0, seen = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &allowed) && seen++ == which) CPU_SET(i, &own);
  if (CPU_COUNT(&own) && pthread_setaffinity_np(pthread_self(), sizeof own, &own))
    die("pthread_setaffinity_np");
}

static void look(int index) { (void)index; }

static void work_one(const struct both *b, int which, long rounds) {
  const int half = loop_n / 2;
  remaining = rounds * half;
  if (!churns) b->type->run(b->loops[which]);
  while (churns && rounds-- > 0) {
    b->type->add(b->loops[which], loop_fds + which * half, half);
    b->type->remove(b->loops[which]);
  }
}

static void *second(void *both) {
  struct both *b = both;
  pin(1);
  for (;;) {
    pthread_barrier_wait(&b->barrier);
    if (b->rounds < 0) return NULL;
    work_one(b, 1, b->rounds);
    pthread_barrier_wait(&b->barrier);
  }
}

static void open_both(struct side *s) {
  const struct contender *c = s->type;
  struct both *b = calloc(1, sizeof *b);
  if (!b) die("calloc");
  b->type = c->type;
  b->loops[0] = c->type->open(c->type, loop_n);
  if (!churns) c->type->add(b->loops[0], loop_fds, loop_n);
  b->loops[1] = c->share(b->loops[0]);
  if (pthread_barrier_init(&b->barrier, NULL, 2) || pthread_create(&b->second, NULL, second, b))
    die("pthread_create");
  pin(0);
  s->state = b;
}

static void work_both(struct side *s, long rounds) {
  struct both *b = s->state;
  b->rounds = rounds;
  pthread_barrier_wait(&b->barrier);
  work_one(b, 0, rounds);
  pthread_barrier_wait(&b->barrier);
}

static void close_both(struct side *s) {
  struct both *b = s->state;
  b->rounds = -1;
  pthread_barrier_wait(&b->barrier);
  pthread_join(b->second, NULL);
  pthread_setaffinity_np(pthread_self(), sizeof allowed, &allowed);
  pthread_barrier_destroy(&b->barrier);
  free(b->loops[1]);
  b->type->close(b->loops[0]);
  free(b);
}

static void thread_row(const char *name, int n, bool waits, const struct contender *contenders,
                       int count) {
  struct side sides[3];
  churns = !waits;
  loop_n = n;
  eventfds_open(loop_fds, n, waits);
  for (int i = 0; i < count; i++)
    sides[i] = (struct side){contenders[i].type->name, open_both, work_both, close_both,
                             &contenders[i],           NULL};
  struct row r = {.group = "threads",
                  .name = name,
                  .x = n,
                  .per = n,
                  .whole_process = true,
                  .base = sides[0],
                  .sides = sides + 1,
                  .count = count - 1};
  run_row(&r);
  fds_close(loop_fds, n);
}

void threads_rows(void) {
  static const struct contender level[] = {
      {&loop_raw, loop_raw_share}, {&loop_many, loop_ours_share}, {&loop_single, loop_ours_share}};
  static const struct contender oneshot[] = {{&loop_raw_oneshot, loop_raw_share},
                                             {&loop_oneshot, loop_ours_share}};
  report_group("threads", "Two threads on one set",
               "One event, or one descriptor added and removed; CPU of both threads. They wait for "
               "the same eventfds, all of them ready, and take 16 events at a time; or each adds "
               "and removes half of them. A poller for one waiter takes changes of any thread.");
  if (pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed))
    die("pthread_getaffinity_np");
  handle = look;
  loop_takes = TAKES;
  thread_row("2 waiters, level, 1000 ready", 1000, true, level, 2);
  thread_row("2 waiters, oneshot, 1000 ready", 1000, true, oneshot, 2);
  thread_row("2 waiters, oneshot, 32 ready", 32, true, oneshot, 2);
  loop_takes = EVENTS;
  thread_row("add and remove, 2 x 100", 200, false, level, 3);
  thread_row("add and remove, 2 x 1000", 2000, false, level, 3);
}
