/* SPDX-License-Identifier: MIT */
/* How long a thread that sleeps takes to learn that another one has woken it. The contenders take
 * turns; while one is measured the threads of the others sleep. */
#include "rows.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { IN_A_ROW = 20, MOST_SAMPLES = 4000 };

struct sleeper {
  const struct wake_type *type;
  void *wake;
  pthread_t thread;
  double sent;
  _Atomic int seen;
  _Atomic bool ends;
  double samples[MOST_SAMPLES];
};

static void *sleeping(void *argument) {
  struct sleeper *s = argument;
  for (;;) {
    s->type->sleep(s->wake);
    const double now = now_ns();
    if (s->ends) return NULL;
    s->samples[s->seen] = now - s->sent;
    s->seen++;
  }
}

/* Long enough for a thread to fall asleep. Whoever spins here takes its core away. */
static void pause_shortly(void) { nanosleep(&(struct timespec){0, 60000}, NULL); }

static void send_one(struct sleeper *s) {
  const int before = s->seen;
  pause_shortly();
  s->sent = now_ns();
  s->type->send(s->wake);
  while (s->seen == before) pause_shortly();
}

static struct sleeper *start(const struct wake_type *type) {
  struct sleeper *s = calloc(1, sizeof *s);
  if (!s) die("calloc");
  s->type = type;
  s->wake = type->open(type);
  if (pthread_create(&s->thread, NULL, sleeping, s)) die("pthread_create");
  return s;
}

static void stop(struct sleeper *s) {
  pause_shortly();
  s->ends = true;
  s->type->send(s->wake);
  pthread_join(s->thread, NULL);
  s->type->close(s->wake);
  free(s);
}

void wakes_rows(void) {
  static const struct wake_type *const types[] = {&wake_raw, &wake_raw,   &wake_many, &wake_single,
                                                  &wake_uv,  &wake_event, &wake_ev};
  enum { COUNT = sizeof types / sizeof types[0] };
  struct sleeper *s[COUNT];
  struct figure figures[COUNT];
  report_group(
      "wakes", "Waking a thread that sleeps",
      "Microseconds from before the call until the sleeper's wait has returned, median and "
      "99th percentile. Baseline: an eventfd that is written, waited for by epoll and "
      "read; twice, to show the noise.");
  for (int i = 0; i < COUNT; i++) s[i] = start(types[i]);
  const double began = now_ns();
  int n = 0;
  while (n + IN_A_ROW <= MOST_SAMPLES && (n < IN_A_ROW || now_ns() - began < effort.most_ns)) {
    for (int i = 0; i < COUNT; i++)
      for (int k = 0; k < IN_A_ROW; k++) send_one(s[i]);
    n += IN_A_ROW;
  }
  for (int i = 0; i < COUNT; i++) {
    sort(s[i]->samples, n);
    figures[i] = (struct figure){.name = i == 1 ? "itself" : types[i]->name,
                                 .cpu = at(s[i]->samples, n, 0.5) / 1000,
                                 .wall = at(s[i]->samples, n, 0.99) / 1000};
    stop(s[i]);
  }
  const struct row r = {.group = "wakes", .name = "from another thread, p50 / p99"};
  report_row(&r, "us", (struct span){0}, figures, COUNT);
}
