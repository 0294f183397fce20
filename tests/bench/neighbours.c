/* SPDX-License-Identifier: MIT */
/* What others feel of files that hang: how long a read of a healthy file takes, and a socket's
 * event, while reads of files of a FUSE server that does not answer are on their way. */
#include "held.h"
#include "rows.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCKS = 64, TURNS = 20, IN_A_TURN = 500, ENOUGH = 2, PATIENCE_MS = 300 };

static int hung_fds[HELD_FILES];
static char *buffers;

/* Lets go what hangs if the same round is there twice when it looks. */
struct watch {
  pthread_t thread;
  int over;
  _Atomic int round;
};

static void *watching(void *argument) {
  struct watch *w = argument;
  struct pollfd over = {.fd = w->over, .events = POLLIN};
  for (int seen = -1; poll(&over, 1, PATIENCE_MS) <= 0; seen = w->round)
    if (w->round == seen) held_release();
  return NULL;
}

struct what {
  const char *name;
  int hung, file_flags;
  bool socket; /* its event, not a file's block */
};

/* Returns how many samples there are: the last one is of a wait until the others were let go, or
 * there are all. */
static int take_turn(const struct mixed_type *type, const struct what *what, int file,
                     double *samples) {
  int n = 0;
  struct watch w = {.over = eventfd(0, EFD_CLOEXEC)};
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) die("socketpair");
  void *mixed = type->open(type, file, buffers, pair, what->socket);
  held_hold();
  type->hang(mixed, hung_fds, what->hung);
  held_await(1); /* the others hang, or queue before what comes now */
  if (pthread_create(&w.thread, NULL, watching, &w)) die("pthread_create");
  do {
    const int64_t offset = n % BLOCKS * BLOCK;
    w.round = n;
    const double began = now_ns();
    if (what->socket && write(pair[1], "", 1) != 1) die("write");
    type->round(mixed, &offset, !what->socket);
    samples[n] = now_ns() - began;
  } while (samples[n++] < PATIENCE_MS * 1e6 && n < IN_A_TURN);
  if (eventfd_write(w.over, 1)) die("eventfd_write");
  pthread_join(w.thread, NULL);
  close(w.over);
  held_release();
  type->close(mixed);
  fds_close(pair, 2);
  return n;
}

static void neighbour_row(const struct what *what, const char *path) {
  static const struct mixed_type *const types[] = {&mixed_raw, &mixed_raw, &mixed_many, &mixed_pool,
                                                   &mixed_uv};
  enum { COUNT = sizeof types / sizeof types[0] };
  static double samples[COUNT][TURNS * IN_A_TURN];
  const int turns = effort.least == 1 ? 1 : TURNS;
  int counts[COUNT] = {0}, ends[COUNT] = {0};
  struct figure figures[COUNT];
  const int file = open(path, O_RDWR | O_CLOEXEC | what->file_flags);
  if (file < 0) die(path);
  for (int turn = 0; turn < turns; turn++)
    for (int i = 0; i < COUNT; i++) {
      if (ends[i] == ENOUGH) continue;
      const int n = take_turn(types[i], what, file, samples[i] + counts[i]);
      counts[i] += n;
      ends[i] += n < IN_A_TURN;
    }
  close(file);
  for (int i = 0; i < COUNT; i++) {
    sort(samples[i], counts[i]);
    figures[i] = (struct figure){.name = i == 1 ? "itself" : types[i]->name,
                                 .cpu = at(samples[i], counts[i], 0.5) / 1000,
                                 .wall = at(samples[i], counts[i], 0.99) / 1000};
  }
  const struct row r = {.group = "neighbours", .name = what->name, .x = what->hung};
  report_row(&r, "us", (struct span){0}, figures, COUNT);
}

void neighbours_rows(const char *folder) {
  static const struct what rows[] = {{"cached read, 1 hangs, p50 / p99", 1, 0, false},
                                     {"cached read, 8 hang, p50 / p99", 8, 0, false},
                                     {"read by O_DIRECT, 8 hang, p50 / p99", 8, O_DIRECT, false},
                                     {"socket's event, 1 hangs, p50 / p99", 1, 0, true},
                                     {"socket's event, 8 hang, p50 / p99", 8, 0, true}};
  report_group("neighbours", "Beside files that hang",
               "Microseconds from the call until the event was taken, by a thread that does both, "
               "while reads of so many files of a FUSE server that does not answer are on their "
               "way. 300,000 and more: it came when those were let go. libuv's pool and evpoll's "
               "have four threads. Baseline: epoll and a bare ring, twice, to show the noise.");
  const char *why = held_open(folder, hung_fds);
  char path[4096];
  snprintf(path, sizeof path, "%s/neighbour", folder);
  buffers = aligned_alloc(BLOCK, (size_t)DEEPEST * BLOCK);
  if (!buffers) die("aligned_alloc");
  memset(buffers, 'x', (size_t)DEEPEST * BLOCK);
  const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || write(file, buffers, BLOCKS * BLOCK) != BLOCKS * BLOCK || fsync(file)) die(path);
  close(file);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (why)
      report_left_out(rows[i].name, why);
    else
      neighbour_row(&rows[i], path);
  unlink(path);
  free(buffers);
  held_close();
}
