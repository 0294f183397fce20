/* SPDX-License-Identifier: MIT */
/* libevent's bufferevents: the input is moved to the output. */
#include "loops.h"
#include "slices.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>

struct peer {
  struct server *server;
  struct bufferevent *stream;
  size_t owed;
};

struct server {
  struct event_base *base;
  int n;
  struct peer peers[ECHO_MOST];
};

static void was_read(struct bufferevent *stream, void *peer) {
  struct evbuffer *input = bufferevent_get_input(stream);
  ((struct peer *)peer)->owed += evbuffer_get_length(input);
  if (evbuffer_add_buffer(bufferevent_get_output(stream), input)) die("evbuffer_add_buffer");
}

static void written(struct bufferevent *stream, void *peer) {
  struct peer *own = peer;
  echo_left -= (long)own->owed;
  own->owed = 0;
  if (echo_left <= 0) event_base_loopexit(own->server->base, NULL);
  (void)stream;
}

static void failed(struct bufferevent *stream, short what, void *peer) {
  (void)stream, (void)what, (void)peer;
  die("bufferevent");
}

static void *server_open(const struct stream_type *type, const int *fds, int n) {
  struct server *s = calloc(1, sizeof *s);
  if (!s || !(s->base = event_base_new())) die("event_base_new");
  s->n = n;
  for (int i = 0; i < n; i++) {
    struct bufferevent *stream = bufferevent_socket_new(s->base, fds[i], BEV_OPT_CLOSE_ON_FREE);
    if (!stream) die("bufferevent_socket_new");
    s->peers[i] = (struct peer){s, stream, 0};
    bufferevent_setcb(stream, was_read, written, failed, &s->peers[i]);
    bufferevent_set_max_single_read(stream, ECHO_ROOM);
    bufferevent_set_max_single_write(stream, ECHO_ROOM);
    if (bufferevent_enable(stream, EV_READ | EV_WRITE)) die("bufferevent_enable");
  }
  (void)type;
  return s;
}

static void server_run(void *server) { event_base_dispatch(((struct server *)server)->base); }

static void server_close(void *server) {
  struct server *s = server;
  for (int i = 0; i < s->n; i++) bufferevent_free(s->peers[i].stream);
  event_base_free(s->base);
  free(s);
}

const struct stream_type stream_event = {"libevent", 0, server_open, server_run, server_close};
