/* SPDX-License-Identifier: MIT */
/* How long after its cause an event is delivered, where sockets, files, timers and posts come at
 * the same time. Another thread writes and posts at a steady pace, whatever becomes of it. */
#include "delays.h"
#include "rows.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  BLOCKS = 64,
  TICK_NS = 100000,
  TICKS = 1000, /* a slice is 100 ms */
  MESSAGES = 4,
  POSTS = 2, /* in a tick */
  SAMPLES = TICKS * MESSAGES,
  TURNS = 21
};

long delay_left;

/* Of who is measured, in this slice. */
static struct {
  double values[SAMPLES];
  int n;
} samples[DELAY_KINDS];

static struct delay_load load;
static int far[DELAY_SOCKETS];

uint64_t delay_now(void) { return (uint64_t)now_ns(); }

void delay_took(enum delay_kind kind, uint64_t caused) {
  if (samples[kind].n < SAMPLES)
    samples[kind].values[samples[kind].n++] = now_ns() - (double)caused;
  if (kind != DELAY_TIMER) delay_left--;
}

uint64_t delay_message(int socket) {
  uint64_t caused;
  if (read(socket, &caused, sizeof caused) != sizeof caused) die("read of a message");
  return caused;
}

uint64_t delay_deadline(int i) { return (delay_now() / 1000000 + 1 + (uint64_t)i % 4) * 1000000; }

int64_t delay_offset(void) {
  static unsigned at;
  return (int64_t)(at++ % BLOCKS) * BLOCK;
}

struct producer {
  const struct delay_type *type;
  void *own;
};

static void *produce(void *argument) {
  const struct producer *p = argument;
  int next = 0;
  prctl(PR_SET_TIMERSLACK, 1);
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  for (int tick = 0; tick < TICKS; tick++) {
    t.tv_nsec += TICK_NS;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)) {
    }
    for (int i = 0; i < MESSAGES; i++, next++) {
      const uint64_t now = delay_now();
      if (write(far[next % DELAY_SOCKETS], &now, sizeof now) != sizeof now) die("write");
    }
    for (int i = 0; i < POSTS; i++) p->type->post(p->own, delay_now());
  }
  return NULL;
}

static void run_slice(const struct delay_type *type) {
  pthread_t thread;
  struct producer p = {.type = type};
  for (int kind = 0; kind < DELAY_KINDS; kind++) samples[kind].n = 0;
  for (int i = 0; i < DELAY_SOCKETS; i++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) die("socketpair");
    load.sockets[i] = pair[0];
    far[i] = pair[1];
  }
  /* A message, the block that is read for it, and posts. */
  delay_left = (long)TICKS * (2 * MESSAGES + POSTS);
  p.own = type->open(type, &load);
  if (pthread_create(&thread, NULL, produce, &p)) die("pthread_create");
  type->run(p.own);
  pthread_join(thread, NULL);
  type->close(p.own);
  if (delay_left != 0 || samples[DELAY_TIMER].n == 0) die("not the events that were caused");
  fds_close(load.sockets, DELAY_SOCKETS);
  fds_close(far, DELAY_SOCKETS);
}

void delays_rows(const char *folder) {
  static const struct delay_type *const types[] = {&delay_raw, &delay_raw, &delay_many,
                                                   &delay_single, &delay_uv};
  static const char *const rows[DELAY_KINDS] = {"socket, p99 / p99.9", "cached file, p99 / p99.9",
                                                "timer, p99 / p99.9", "post, p99 / p99.9"};
  enum { COUNT = sizeof types / sizeof types[0] };
  static double p99[DELAY_KINDS][COUNT][TURNS], p999[DELAY_KINDS][COUNT][TURNS];
  const int turns = effort.least == 1 ? 1 : effort.least > 5 ? TURNS : 5;
  char path[4096];
  report_group(
      "delays", "How late an event is under load",
      "Microseconds from the cause of an event until its handler runs: the 99th percentile "
      "and that of 1000 in 100 ms, medians of that. Each 100 µs another thread writes to 4 of "
      "64 sockets and posts twice; for each message a cached block is read, and 32 timers "
      "are armed again when they are due. By hand: epoll with timerfds, a pipe for posts "
      "and a bare ring; twice, to show the noise.");
  snprintf(path, sizeof path, "%s/delays", folder);
  load.file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  load.block = calloc(BLOCKS, BLOCK);
  if (load.file < 0 || !load.block) die(path);
  if (write(load.file, load.block, BLOCKS * BLOCK) != BLOCKS * BLOCK) die(path);
  for (int turn = 0; turn < turns; turn++)
    for (int i = 0; i < COUNT; i++) {
      run_slice(types[i]);
      for (int kind = 0; kind < DELAY_KINDS; kind++) {
        sort(samples[kind].values, samples[kind].n);
        p99[kind][i][turn] = at(samples[kind].values, samples[kind].n, 0.99) / 1000;
        p999[kind][i][turn] = at(samples[kind].values, samples[kind].n, 0.999) / 1000;
      }
    }
  for (int kind = 0; kind < DELAY_KINDS; kind++) {
    struct figure figures[COUNT];
    for (int i = 0; i < COUNT; i++)
      figures[i] = (struct figure){.name = i == 1 ? "itself" : types[i]->name,
                                   .cpu = median(p99[kind][i], turns),
                                   .wall = median(p999[kind][i], turns)};
    const struct row r = {.group = "delays", .name = rows[kind], .second = "p99.9"};
    report_row(&r, "us", (struct span){0}, figures, COUNT);
  }
  close(load.file);
  unlink(path);
  free(load.block);
}
