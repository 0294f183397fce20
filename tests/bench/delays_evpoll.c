/* SPDX-License-Identifier: MIT */
#include "delays.h"
#include "loops.h"
#include "slices.h"

#include <evpoll.h>
#include <stdlib.h>

struct own {
  evpoll *p;
  const struct delay_load *load;
  uint64_t deadlines[DELAY_TIMERS];
  int gathered;
  evpoll_io ios[DELAY_EVENTS];
  evpoll_event events[DELAY_EVENTS];
};

static void arm(struct own *o, int i) {
  o->deadlines[i] = delay_deadline(i);
  o->ios[o->gathered++] = (evpoll_io){.token = (uint64_t)i,
                                      .handle = -1,
                                      .offset = (int64_t)o->deadlines[i],
                                      .code = EVPOLL_OP_TIMER,
                                      .flags = EVPOLL_OPF_ABSOLUTE};
}

static void ask(struct own *o) {
  o->ios[o->gathered++] = (evpoll_io){.token = delay_now(),
                                      .handle = o->load->file,
                                      .offset = delay_offset(),
                                      .buffer = EVPOLL_ADDR(o->load->block),
                                      .length = BLOCK,
                                      .code = EVPOLL_OP_READ};
}

static void *own_open(const struct delay_type *type, const struct delay_load *load) {
  evpoll_options options = {.struct_size = sizeof options, .flags = type->flags};
  struct own *o = calloc(1, sizeof *o);
  if (!o || evpoll_open(&options, &o->p) < 0) die("evpoll_open");
  o->load = load;
  for (int i = 0; i < DELAY_SOCKETS; i++)
    if (evpoll_add(o->p, load->sockets[i], (uint64_t)i, EVPOLL_READABLE, EVPOLL_LEVEL) < 0)
      die("evpoll_add");
  if (evpoll_add(o->p, load->file, 0, 0, EVPOLL_OPERATIONS) < 0) die("evpoll_add");
  for (int i = 0; i < DELAY_TIMERS; i++) arm(o, i);
  return o;
}

static void own_post(void *own, uint64_t now) {
  if (evpoll_post(((struct own *)own)->p, 0, (int64_t)now) < 0) die("evpoll_post");
}

static void take(struct own *o, const evpoll_event *e) {
  if (e->status < 0) die("an event of evpoll");
  if (e->events & EVPOLL_POST) {
    delay_took(DELAY_POST, (uint64_t)e->result);
  } else if (!(e->events & EVPOLL_IO)) {
    delay_took(DELAY_SOCKET, delay_message(o->load->sockets[e->token]));
    ask(o);
  } else if (e->token < DELAY_TIMERS) {
    delay_took(DELAY_TIMER, o->deadlines[e->token]);
    arm(o, (int)e->token);
  } else {
    if (e->result != BLOCK) die("a read of evpoll");
    delay_took(DELAY_FILE, e->token);
  }
}

static void own_run(void *own) {
  struct own *o = own;
  while (delay_left > 0) {
    const int32_t n =
        evpoll_turn(o->p, NULL, 0, o->ios, o->gathered, o->events, DELAY_EVENTS, EVPOLL_INFINITE);
    if (n < 0) die("evpoll_turn");
    for (int i = 0; i < o->gathered; i++)
      if (o->ios[i].status < 0) die("an operation of evpoll");
    o->gathered = 0;
    for (int32_t k = 0; k < n; k++) take(o, &o->events[k]);
  }
}

static void own_close(void *own) {
  struct own *o = own;
  if (evpoll_close(o->p, EVPOLL_INFINITE) < 0) die("evpoll_close");
  free(o);
}

#define DELAY own_open, own_post, own_run, own_close
const struct delay_type delay_many = {"evpoll", 0, DELAY};
const struct delay_type delay_single = {"evpoll, one waiter", EVPOLL_OPEN_SINGLE_WAITER, DELAY};
