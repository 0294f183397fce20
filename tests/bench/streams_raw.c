/* SPDX-License-Identifier: MIT */
/* Echo by the bare kernel: epoll with recv() and send(), and io_uring. */
#include "loops.h"
#include "ring.h"
#include "slices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
  int set, n;
  int fds[ECHO_MOST];
  struct epoll_event events[EVENTS];
  char buffer[ECHO_ROOM];
};

static void *raw_open(const struct stream_type *type, const int *fds, int n) {
  struct server *s = calloc(1, sizeof *s);
  if (!s) die("calloc");
  s->set = epoll_create1(EPOLL_CLOEXEC);
  s->n = n;
  memcpy(s->fds, fds, (size_t)n * sizeof *fds);
  for (int i = 0; i < n; i++) {
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)i};
    if (epoll_ctl(s->set, EPOLL_CTL_ADD, fds[i], &e)) die("epoll_ctl");
  }
  (void)type;
  return s;
}

static void raw_run(void *server) {
  struct server *s = server;
  while (echo_left > 0) {
    const int n = epoll_wait(s->set, s->events, EVENTS, -1);
    for (int k = 0; k < n; k++) {
      const int fd = s->fds[s->events[k].data.u64];
      const ssize_t got = recv(fd, s->buffer, sizeof s->buffer, 0);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0) die("recv");
      if (send(fd, s->buffer, (size_t)got, MSG_NOSIGNAL) != got) die("send");
      echo_left -= got;
    }
  }
}

static void raw_close(void *server) {
  struct server *s = server;
  for (int i = 0; i < s->n; i++) close(s->fds[i]);
  close(s->set);
  free(s);
}

const struct stream_type stream_raw = {"epoll", 0, raw_open, raw_run, raw_close};

/* ---- io_uring: what is to be done is gathered, and given with the next wait ------------------ */

enum { ENTRIES = 2048 };

struct ring_server {
  struct ring ring;
  int n, gathered;
  int fds[ECHO_MOST];
  char *buffers;
};

static void ask(struct ring_server *s, uint8_t code, int i, uint32_t length) {
  struct io_uring_sqe *e = ring_next(&s->ring);
  e->opcode = code;
  e->fd = s->fds[i];
  e->addr = (uint64_t)(uintptr_t)(s->buffers + (size_t)i * ECHO_STRIDE);
  e->len = length;
  e->msg_flags = code == IORING_OP_SEND ? MSG_NOSIGNAL : 0;
  e->user_data = (uint64_t)i << 1 | (code == IORING_OP_SEND);
  s->gathered++;
}

static void done(void *server, uint64_t data, int32_t result) {
  struct ring_server *s = server;
  if (result <= 0) die("recv of io_uring");
  if (data & 1) {
    echo_left -= result;
    ask(s, IORING_OP_RECV, (int)(data >> 1), ECHO_ROOM);
  } else {
    ask(s, IORING_OP_SEND, (int)(data >> 1), (uint32_t)result);
  }
}

static void *ring_server_open(const struct stream_type *type, const int *fds, int n) {
  struct ring_server *s = calloc(1, sizeof *s);
  if (!s) die("calloc");
  s->buffers = malloc((size_t)n * ECHO_STRIDE);
  if (!s->buffers) die("malloc");
  ring_open(&s->ring, ENTRIES, RING_ALONE);
  s->n = n;
  memcpy(s->fds, fds, (size_t)n * sizeof *fds);
  for (int i = 0; i < n; i++) ask(s, IORING_OP_RECV, i, ECHO_ROOM);
  (void)type;
  return s;
}

static void ring_run(void *server) {
  struct ring_server *s = server;
  while (echo_left > 0) {
    const int gathered = s->gathered;
    s->gathered = 0;
    ring_enter(&s->ring, gathered, 1);
    ring_reap(&s->ring, done, s);
  }
}

static void ring_server_close(void *server) {
  struct ring_server *s = server;
  for (int i = 0; i < s->n; i++) close(s->fds[i]);
  ring_close(&s->ring);
  free(s->buffers);
  free(s);
}

const struct stream_type stream_ring = {"io_uring", 0, ring_server_open, ring_run,
                                        ring_server_close};
