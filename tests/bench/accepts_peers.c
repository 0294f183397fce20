/* SPDX-License-Identifier: MIT */
/* Connections accepted and closed, by libuv and by libevent's evconnlistener. */
#include "loops.h"
#include "slices.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

struct uv_acceptor {
  uv_loop_t loop;
  uv_tcp_t listener;
};

static void uv_freed(uv_handle_t *handle) { free(handle); }

static void no_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
  (void)handle, (void)suggested, (void)out;
}

static void nothing_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
  (void)stream, (void)n, (void)buffer;
}

static void uv_came(uv_stream_t *listener, int status) {
  uv_tcp_t *tcp = malloc(sizeof *tcp);
  if (status || !tcp || uv_tcp_init(listener->loop, tcp)) die("uv_listen");
  if (uv_accept(listener, (uv_stream_t *)tcp)) die("uv_accept");
  if (accept_registers) uv_read_start((uv_stream_t *)tcp, no_buffer, nothing_read);
  uv_close((uv_handle_t *)tcp, uv_freed);
  if (--accept_left <= 0) uv_stop(listener->loop);
}

static void *uv_acceptor_open(const struct accept_type *type, int listener) {
  struct uv_acceptor *a = calloc(1, sizeof *a);
  if (!a || uv_loop_init(&a->loop) || uv_tcp_init(&a->loop, &a->listener)) die("uv_loop_init");
  if (uv_tcp_open(&a->listener, listener)) die("uv_tcp_open");
  if (uv_listen((uv_stream_t *)&a->listener, 256, uv_came)) die("uv_listen");
  (void)type;
  return a;
}

static void uv_acceptor_run(void *acceptor) {
  uv_run(&((struct uv_acceptor *)acceptor)->loop, UV_RUN_DEFAULT);
}

static void uv_acceptor_close(void *acceptor) {
  struct uv_acceptor *a = acceptor;
  uv_close((uv_handle_t *)&a->listener, NULL);
  uv_run(&a->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&a->loop)) die("uv_loop_close");
  free(a);
}

const struct accept_type accept_uv = {"libuv", 0, uv_acceptor_open, uv_acceptor_run,
                                      uv_acceptor_close};

struct event_acceptor {
  struct event_base *base;
  struct evconnlistener *listener;
};

static void event_came(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
                       int length, void *acceptor) {
  struct event_acceptor *a = acceptor;
  if (accept_registers) {
    struct bufferevent *b = bufferevent_socket_new(a->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!b || bufferevent_enable(b, EV_READ)) die("bufferevent_socket_new");
    bufferevent_free(b);
  } else {
    close(fd);
  }
  if (--accept_left <= 0) event_base_loopbreak(a->base);
  (void)listener, (void)peer, (void)length;
}

static void *event_acceptor_open(const struct accept_type *type, int listener) {
  struct event_acceptor *a = calloc(1, sizeof *a);
  if (!a || !(a->base = event_base_new())) die("event_base_new");
  a->listener = evconnlistener_new(a->base, event_came, a,
                                   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listener);
  if (!a->listener) die("evconnlistener_new");
  (void)type;
  return a;
}

static void event_acceptor_run(void *acceptor) {
  event_base_dispatch(((struct event_acceptor *)acceptor)->base);
}

static void event_acceptor_close(void *acceptor) {
  struct event_acceptor *a = acceptor;
  evconnlistener_free(a->listener);
  event_base_free(a->base);
  free(a);
}

const struct accept_type accept_event = {"libevent", 0, event_acceptor_open, event_acceptor_run,
                                         event_acceptor_close};
