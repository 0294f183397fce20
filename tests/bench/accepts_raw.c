/* SPDX-License-Identifier: MIT */
/* Connections accepted and closed, by the bare kernel and by evpoll. */
#include "loops.h"
#include "slices.h"

#include <evpoll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct raw {
  int set, listener;
};

static void *raw_open(const struct accept_type *type, int listener) {
  struct raw *r = calloc(1, sizeof *r);
  struct epoll_event e = {.events = EPOLLIN};
  if (!r) die("calloc");
  r->set = epoll_create1(EPOLL_CLOEXEC);
  r->listener = listener;
  if (epoll_ctl(r->set, EPOLL_CTL_ADD, listener, &e)) die("epoll_ctl");
  (void)type;
  return r;
}

static void raw_run(void *acceptor) {
  struct raw *r = acceptor;
  struct epoll_event events[16];
  while (accept_left > 0) {
    epoll_wait(r->set, events, 16, -1);
    for (int fd; (fd = accept4(r->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      struct epoll_event e = {.events = EPOLLIN};
      if (accept_registers && epoll_ctl(r->set, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
      close(fd);
      accept_left--;
    }
  }
}

static void raw_close(void *acceptor) {
  struct raw *r = acceptor;
  close(r->listener);
  close(r->set);
  free(r);
}

const struct accept_type accept_raw = {"epoll", 0, raw_open, raw_run, raw_close};

/* ---- evpoll: so many ACCEPTs wait; each is asked for again with what it brought ---------------
 */

enum { ACCEPTS = 16, TOKEN_ACCEPT = 1, TOKEN_CLOSE = 2 };

struct ours {
  evpoll *p;
  int listener, gathered, added;
  evpoll_io ios[2 * ACCEPTS];
  evpoll_change changes[ACCEPTS];
  evpoll_event events[64];
};

static void gather(struct ours *o, uint32_t code, int handle, uint64_t token) {
  o->ios[o->gathered++] =
      (evpoll_io){.token = token, .handle = handle, .code = code, .flags = EVPOLL_OPF_INLINE};
}

static void accepted(struct ours *o, int handle) {
  accept_left--;
  if (accept_registers) {
    o->changes[o->added++] =
        (evpoll_change){.handle = handle, .action = EVPOLL_CHANGE_ADD, .mode = EVPOLL_OPERATIONS};
    gather(o, EVPOLL_OP_CLOSE, handle, TOKEN_CLOSE);
  } else if (evpoll_socket_close(handle) < 0) {
    die("evpoll_socket_close");
  }
  gather(o, EVPOLL_OP_ACCEPT, o->listener, TOKEN_ACCEPT);
}

static void *ours_open(const struct accept_type *type, int listener) {
  evpoll_options options = {.struct_size = sizeof options, .flags = type->flags};
  struct ours *o = calloc(1, sizeof *o);
  if (!o || evpoll_open(&options, &o->p) < 0) die("evpoll_open");
  if (evpoll_add(o->p, listener, 0, 0, EVPOLL_OPERATIONS) < 0) die("evpoll_add");
  o->listener = listener;
  for (int i = 0; i < ACCEPTS; i++) gather(o, EVPOLL_OP_ACCEPT, listener, TOKEN_ACCEPT);
  return o;
}

static void ours_run(void *acceptor) {
  struct ours *o = acceptor;
  while (accept_left > 0 || o->gathered) {
    evpoll_io ended[2 * ACCEPTS];
    const int offered = o->gathered;
    const int32_t n = evpoll_turn(o->p, o->changes, o->added, o->ios, offered, o->events, 64,
                                  accept_left > 0 ? EVPOLL_INFINITE : 0);
    if (n < 0) die("evpoll_turn");
    int count = 0;
    for (int i = 0; i < offered; i++) {
      if (o->ios[i].status < 0) die("an operation of evpoll");
      if (o->ios[i].op == 0 && o->ios[i].code == EVPOLL_OP_ACCEPT) ended[count++] = o->ios[i];
    }
    o->gathered = o->added = 0;
    for (int i = 0; i < count; i++) accepted(o, (int)ended[i].offset);
    for (int32_t i = 0; i < n; i++) {
      if (o->events[i].status < 0) die("an operation of evpoll");
      if (o->events[i].token == TOKEN_ACCEPT) accepted(o, (int)o->events[i].result);
    }
  }
}

static void ours_close(void *acceptor) {
  struct ours *o = acceptor;
  evpoll_close(o->p, EVPOLL_INFINITE);
  close(o->listener);
  free(o);
}

const struct accept_type accept_many = {"evpoll", 0, ours_open, ours_run, ours_close};
const struct accept_type accept_single = {"evpoll, one waiter", EVPOLL_OPEN_SINGLE_WAITER,
                                          ours_open, ours_run, ours_close};
