/* SPDX-License-Identifier: MIT */
/* By hand: an epoll set of the sockets, a timerfd for each timer, a pipe for posts, and a ring.
 * What is in the cache has been read when the ring was entered. */
#include "delays.h"
#include "ring.h"
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { ENTRIES = DELAY_EVENTS, RING = DELAY_SOCKETS + DELAY_TIMERS, PIPE };

struct own {
  const struct delay_load *load;
  struct ring ring;
  int set, timers[DELAY_TIMERS], pipe[2];
  uint64_t deadlines[DELAY_TIMERS];
};

static void watch(struct own *o, int fd, int number) {
  struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)number};
  if (fd < 0 || epoll_ctl(o->set, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
}

static void arm(struct own *o, int i) {
  const uint64_t due = o->deadlines[i] = delay_deadline(i);
  const struct itimerspec when = {
      .it_value = {(time_t)(due / 1000000000), (long)(due % 1000000000)}};
  if (timerfd_settime(o->timers[i], TFD_TIMER_ABSTIME, &when, NULL)) die("timerfd_settime");
}

static void *own_open(const struct delay_type *type, const struct delay_load *load) {
  struct own *o = calloc(1, sizeof *o);
  if (!o) die("calloc");
  o->load = load;
  o->set = epoll_create1(EPOLL_CLOEXEC);
  ring_open(&o->ring, ENTRIES, 0);
  if (pipe2(o->pipe, O_CLOEXEC | O_NONBLOCK)) die("pipe2");
  for (int i = 0; i < DELAY_SOCKETS; i++) watch(o, load->sockets[i], i);
  for (int i = 0; i < DELAY_TIMERS; i++) {
    o->timers[i] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    watch(o, o->timers[i], DELAY_SOCKETS + i);
    arm(o, i);
  }
  watch(o, o->ring.fd, RING);
  watch(o, o->pipe[0], PIPE);
  (void)type;
  return o;
}

static void own_post(void *own, uint64_t now) {
  if (write(((struct own *)own)->pipe[1], &now, sizeof now) != sizeof now) die("write to a pipe");
}

static void block_read(void *own, uint64_t asked, int32_t result) {
  if (result != BLOCK) die("a read of io_uring");
  delay_took(DELAY_FILE, asked);
  (void)own;
}

static void ask(struct own *o) {
  struct io_uring_sqe *e = ring_next(&o->ring);
  e->opcode = IORING_OP_READ;
  e->fd = o->load->file;
  e->off = (uint64_t)delay_offset();
  e->addr = (uint64_t)(uintptr_t)o->load->block;
  e->len = BLOCK;
  e->user_data = delay_now();
}

static void take_posts(struct own *o) {
  uint64_t posts[64];
  const ssize_t n = read(o->pipe[0], posts, sizeof posts);
  if (n <= 0) die("read of a pipe");
  for (size_t i = 0; i < (size_t)n / sizeof posts[0]; i++) delay_took(DELAY_POST, posts[i]);
}

static void own_run(void *own) {
  struct own *o = own;
  struct epoll_event events[DELAY_EVENTS];
  while (delay_left > 0) {
    const int n = epoll_wait(o->set, events, DELAY_EVENTS, -1);
    if (n < 0 && errno != EINTR) die("epoll_wait"); /* work of the ring's interrupts it */
    int gathered = 0;
    for (int k = 0; k < n; k++) {
      const int number = (int)events[k].data.u64;
      if (number < DELAY_SOCKETS) {
        delay_took(DELAY_SOCKET, delay_message(o->load->sockets[number]));
        ask(o);
        gathered++;
      } else if (number < RING) {
        const int i = number - DELAY_SOCKETS;
        delay_message(o->timers[i]); /* how often it rang */
        delay_took(DELAY_TIMER, o->deadlines[i]);
        arm(o, i);
      } else if (number == PIPE) {
        take_posts(o);
      }
    }
    if (gathered) ring_enter(&o->ring, gathered, 0);
    ring_reap(&o->ring, block_read, o);
  }
}

static void own_close(void *own) {
  struct own *o = own;
  fds_close(o->timers, DELAY_TIMERS);
  fds_close(o->pipe, 2);
  close(o->set);
  ring_close(&o->ring);
  free(o);
}

const struct delay_type delay_raw = {"by hand", 0, own_open, own_post, own_run, own_close};
