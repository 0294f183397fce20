/* SPDX-License-Identifier: MIT */
/* libuv's streams: a read into a buffer of the connection's, and uv_write() of what was read. */
#include "loops.h"
#include "slices.h"

#include <stdlib.h>
#include <uv.h>

struct peer {
  uv_tcp_t tcp;
  uv_write_t write;
  char *buffer;
  ssize_t owed;
};

struct server {
  uv_loop_t loop;
  int n;
  struct peer peers[ECHO_MOST];
  char *buffers;
};

static void lend(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
  const struct peer *peer = handle->data;
  *out = uv_buf_init(peer->buffer, ECHO_ROOM);
  (void)suggested;
}

static void written(uv_write_t *write, int status) {
  if (status) die("uv_write");
  echo_left -= ((struct peer *)write->handle->data)->owed;
  if (echo_left <= 0) uv_stop(write->handle->loop);
}

static void was_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
  struct peer *peer = stream->data;
  if (n == 0) return;
  if (n < 0) die("uv_read_start");
  const uv_buf_t what = uv_buf_init(buffer->base, (unsigned)n);
  peer->owed = n;
  if (uv_write(&peer->write, stream, &what, 1, written)) die("uv_write");
}

static void *server_open(const struct stream_type *type, const int *fds, int n) {
  struct server *s = calloc(1, sizeof *s);
  if (!s || uv_loop_init(&s->loop)) die("uv_loop_init");
  s->buffers = malloc((size_t)n * ECHO_STRIDE);
  if (!s->buffers) die("malloc");
  s->n = n;
  for (int i = 0; i < n; i++) {
    struct peer *peer = &s->peers[i];
    peer->buffer = s->buffers + (size_t)i * ECHO_STRIDE;
    peer->tcp.data = peer;
    if (uv_tcp_init(&s->loop, &peer->tcp) || uv_tcp_open(&peer->tcp, fds[i])) die("uv_tcp_open");
    if (uv_read_start((uv_stream_t *)&peer->tcp, lend, was_read)) die("uv_read_start");
  }
  uv_run(&s->loop, UV_RUN_NOWAIT);
  (void)type;
  return s;
}

static void server_run(void *server) { uv_run(&((struct server *)server)->loop, UV_RUN_DEFAULT); }

static void server_close(void *server) {
  struct server *s = server;
  for (int i = 0; i < s->n; i++) uv_close((uv_handle_t *)&s->peers[i].tcp, NULL);
  uv_run(&s->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&s->loop)) die("uv_loop_close");
  free(s->buffers);
  free(s);
}

const struct stream_type stream_uv = {"libuv", 0, server_open, server_run, server_close};
