/* SPDX-License-Identifier: MIT */
/* What an operation and a timer cost while many others are pending. There are not as many
 * descriptors as operations may be pending: from then on each socket has several reads, which the
 * bare ring's kernel keeps, and evpoll queues. */
#include "growth.h"
#include "loops.h"
#include "ring.h"
#include "slices.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REPEATS = 31, TRIPS = 200, AT_ONCE = 64, MOST_SOCKETS = 16384, PROBE = 1 << 20 };

static evpoll *p;
static struct ring ring;
static int sockets[MOST_SOCKETS], sockets_n;
static int probe[2];
static char byte; /* of all: nothing comes but for the probe */

static void read_bare(int fd, uint64_t token) {
  struct io_uring_sqe *e = ring_next(&ring);
  e->opcode = IORING_OP_RECV;
  e->fd = fd;
  e->addr = (uint64_t)(uintptr_t)&byte;
  e->len = 1;
  e->user_data = token;
  ring_enter(&ring, 1, 0);
}

static void read_ours(int fd, uint64_t token) {
  evpoll_io io = {.token = token,
                  .handle = fd,
                  .buffer = EVPOLL_ADDR(&byte),
                  .length = 1,
                  .code = EVPOLL_OP_READ};
  if (evpoll_submit(p, &io, 1) != 1) die("evpoll_submit");
}

static void came(void *seen, uint64_t token, int32_t result) {
  if (token != PROBE || result != 1) die("a read of io_uring");
  *(bool *)seen = true;
}

static double trips(bool ours) {
  const double t = now_ns();
  for (int i = 0; i < TRIPS; i++) {
    evpoll_event e;
    (ours ? read_ours : read_bare)(probe[0], PROBE);
    if (write(probe[1], "", 1) != 1) die("write");
    if (ours) {
      if (evpoll_wait(p, &e, 1, EVPOLL_INFINITE) != 1 || e.token != PROBE || e.result != 1)
        die("evpoll_wait");
      continue;
    }
    for (bool seen = false; !seen; ring_reap(&ring, came, &seen)) ring_enter(&ring, 0, 1);
  }
  return (now_ns() - t) / TRIPS;
}

static void one_more_pending(long i) {
  const int at = (int)(i % MOST_SOCKETS);
  if (at == sockets_n) {
    sockets[at] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sockets[at] < 0) die("socket");
    if (evpoll_add(p, sockets[at], 0, 0, EVPOLL_OPERATIONS) < 0) die("evpoll_add");
    sockets_n++;
  }
  read_bare(sockets[at], (uint64_t)i);
  read_ours(sockets[at], (uint64_t)i);
}

void costs_of_pending_reads(void) {
  static const long sizes[] = {100, 1000, 10000, 100000};
  p = growth_poller(EVPOLL_OPEN_SINGLE_WAITER);
  ring_open(&ring, 256, RING_ALONE);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, probe)) die("socketpair");
  if (evpoll_add(p, probe[0], 0, 0, EVPOLL_OPERATIONS) < 0) die("evpoll_add");
  printf(
      "\n### Growth: a read of a socket that is submitted, gets its byte and is waited for while "
      "so many others are pending, ns\n\n"
      "| reads that are pending | on so many sockets | io_uring | evpoll, one waiter |\n"
      "|---:|---:|---:|---:|\n");
  long pending = 0;
  for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
    double took[2][REPEATS];
    while (pending < sizes[k]) one_more_pending(pending++);
    for (int r = -1; r < REPEATS; r++) /* the first is not counted */
      for (int ours = 0; ours < 2; ours++) took[ours][r < 0 ? 0 : r] = trips(ours);
    printf("| %ld | %d | %.0f | %.0f |\n", pending, sockets_n, median(took[0], REPEATS),
           median(took[1], REPEATS));
    fflush(stdout);
  }
  evpoll_close(p, EVPOLL_INFINITE);
  ring_close(&ring);
  for (int i = 0; i < sockets_n; i++) close(sockets[i]);
  close(probe[0]);
  close(probe[1]);
}

void costs_of_pending_timers(void) {
  static const struct timer_type *const types[] = {&timer_uv, &timer_many};
  static const int sizes[] = {100, 1000, 10000, 100000, 1000000};
  const int hour = 3600000, days = 100 * hour;
  printf("\n### Growth: a timer added and cancelled while so many others are pending, ns\n\n"
         "| pending | libuv | evpoll |\n|---:|---:|---:|\n");
  for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
    const int n = sizes[k];
    double took[2][REPEATS];
    void *own[2];
    for (int i = 0; i < 2; i++) {
      timer_seed(); /* the same times for both */
      own[i] = types[i]->open(types[i], n + AT_ONCE);
      types[i]->add(own[i], 0, n, hour, days);
    }
    for (int r = -1; r < REPEATS; r++)
      for (int i = 0; i < 2; i++) {
        const double t = now_ns();
        for (int times = 0; times < TRIPS / 10; times++) {
          types[i]->add(own[i], n, AT_ONCE, hour, days);
          types[i]->cancel(own[i], n, AT_ONCE);
        }
        took[i][r < 0 ? 0 : r] = (now_ns() - t) / (TRIPS / 10 * AT_ONCE);
      }
    for (int i = 0; i < 2; i++) types[i]->close(own[i]);
    printf("| %d | %.0f | %.0f |\n", n, median(took[0], REPEATS), median(took[1], REPEATS));
    fflush(stdout);
  }
}
