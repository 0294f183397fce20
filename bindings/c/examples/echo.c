/* SPDX-License-Identifier: MIT */
/* evpoll-echo PORT SECONDS [HOST PORT]: an echo server, or a proxy in front of HOST PORT.
 *
 * Bytes flow one way: READ what is there, WRITE all of it, READ again; the end is passed on by
 * SHUTDOWN, and the other way goes on. An echo is one such flow, a proxied connection is two. A
 * flow has one operation in flight, of at most SECONDS, whose token is the flow's address. What
 * fails on one side is a reset on both. Where descriptors are short, connections wait in the
 * backlog. */
#include <evpoll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOBODY, LISTENER, STOP, ACCEPTS = 16, STOP_SECONDS = 5 }; /* tokens that are no address */
struct flow {
  struct link *link;
  evpoll_handle from, to;
  uint64_t seen; /* of link->moved, when its operation began */
  evpoll_io io;  /* in flight, or what has ended */
  char bytes[16384];
};
struct link {
  int flows, cut;
  uint64_t moved;
  struct flow flow[2]; /* the second one is a proxy's */
};
static evpoll *p;
static evpoll_handle listener;
static const char *host; /* behind the proxy */
static int port, seconds, stopping, links;

static void close_ends(evpoll_handle client, evpoll_handle server, uint32_t flags) {
  evpoll_io io = {.token = NOBODY, .handle = client, .code = EVPOLL_OP_CLOSE};
  io.flags = EVPOLL_OPF_INLINE | flags;
  if (evpoll_submit(p, &io, 1) != 1) evpoll_socket_close(client); /* it was never added */
  if (server != client) close_ends(server, server, flags);
}

static void go_on(struct flow *f, int32_t status, int64_t result);

static void begin(struct flow *f, uint32_t code, evpoll_handle handle, int64_t length) {
  f->io = (evpoll_io){.token = EVPOLL_ADDR(f), .handle = handle, .code = code};
  f->io.length = (uint64_t)length;
  f->io.timeout_ms = (uint32_t)seconds * 1000;
  if (code == EVPOLL_OP_READ || code == EVPOLL_OP_WRITE) f->io.buffer = EVPOLL_ADDR(f->bytes);
  /* There mostly is room at once. Not so READ: between two the others have their turn. */
  if (code == EVPOLL_OP_WRITE) f->io.flags = EVPOLL_OPF_ALL | EVPOLL_OPF_INLINE;
  f->seen = f->link->moved;
  evpoll_submit(p, &f->io, 1);
  if (!f->io.op) go_on(f, f->io.status, f->io.offset); /* no event comes: refused, or done */
}

static void go_on(struct flow *f, int32_t status, int64_t result) { /* its operation has ended */
  struct link *l = f->link;
  const int read = f->io.code == EVPOLL_OP_READ, shut = f->io.code == EVPOLL_OP_SHUTDOWN;
  /* Who is silent while the other way is busy is not idle. */
  const int again = read && status == EVPOLL_ERR_EXPIRED && l->moved != f->seen;
  if (!l->cut && ((status < 0 && !again) || stopping > 1)) {
    l->cut = 1; /* this cancels the operation of the other flow, which reports */
    close_ends(f->from, f->to, EVPOLL_OPF_ABORT);
  }
  if (l->cut || shut) {
    if (--l->flows > 0) return;
    if (!l->cut) close_ends(f->from, f->to, 0);
    free(l);
    links--;
  } else if (!read || again) {
    begin(f, EVPOLL_OP_READ, f->from, sizeof f->bytes);
  } else if (result > 0) {
    l->moved++;
    begin(f, EVPOLL_OP_WRITE, f->to, result);
  } else {
    begin(f, EVPOLL_OP_SHUTDOWN, f->to, EVPOLL_SHUTDOWN_WRITE);
  }
}

static void connected(evpoll_handle client) {
  struct link *l = malloc(sizeof *l); /* pages of buffers that nobody uses take no memory */
  evpoll_handle server = client;
  int32_t status = evpoll_add(p, client, NOBODY, 0, EVPOLL_OPERATIONS);
  if (!l) status = EVPOLL_ERR_NO_MEMORY;
  if (status >= 0 && host) status = evpoll_socket_tcp_connect(host, port, &server);
  if (status >= 0 && host) status = evpoll_add(p, server, NOBODY, 0, EVPOLL_OPERATIONS);
  if (status < 0) {
    close_ends(client, server, EVPOLL_OPF_ABORT);
    free(l);
    return;
  }
  links++;
  l->flows = host ? 2 : 1;
  l->cut = 0;
  l->moved = 0;
  for (int i = 0; i < 2; i++) {
    l->flow[i].link = l;
    l->flow[i].from = i ? server : client;
    l->flow[i].to = i ? client : server;
  }
  if (host) begin(&l->flow[1], EVPOLL_OP_CONNECT, server, 0); /* writes wait for it */
  begin(&l->flow[0], EVPOLL_OP_READ, client, sizeof l->flow[0].bytes);
}

static void accept_one(void) {
  evpoll_io io = {.token = LISTENER, .handle = listener, .code = EVPOLL_OP_ACCEPT};
  evpoll_submit(p, &io, 1);
}

/* Ctrl-C: connections have some seconds to come to their end. Once more: they have had them. */
static void stop(void) {
  evpoll_io timer = {.token = STOP, .handle = -1, .code = EVPOLL_OP_TIMER};
  timer.offset = STOP_SECONDS * INT64_C(1000000000);
  if (stopping++) {
    evpoll_cancel_all(p);
  } else {
    close_ends(listener, listener, 0);
    evpoll_submit(p, &timer, 1);
  }
}

static void dispatch(const evpoll_event *e) {
  if (e->token == STOP)
    stop();
  else if (e->token > STOP)
    go_on((struct flow *)(uintptr_t)e->token, e->status, e->result);
  else if (e->token == LISTENER && e->status >= 0)
    connected(e->result);
  if (e->token == LISTENER && !stopping) accept_one(); /* after LIMIT it waits for room */
}

static void interrupted(int number) {
  signal(number, interrupted); /* Windows takes the handler away when it runs */
  evpoll_wake(p);
}

int main(int argc, char **argv) {
  evpoll_options options = {.struct_size = sizeof options, .wake_token = STOP};
  char address[EVPOLL_ADDRESS_CAPACITY];
  evpoll_event events[256];
  int32_t n = 0, bound;
  if (argc == 5) host = argv[3];
  if (argc == 5) port = atoi(argv[4]);
  if (argc >= 3) seconds = atoi(argv[2]);
  if ((argc != 3 && argc != 5) || evpoll_open(&options, &p) < 0 ||
      evpoll_socket_tcp_listen("127.0.0.1", atoi(argv[1]), 0, &listener) < 0 ||
      evpoll_add(p, listener, NOBODY, 0, EVPOLL_OPERATIONS) < 0 ||
      evpoll_socket_local_address(listener, address, sizeof address, &bound) < 0) {
    fprintf(stderr, "evpoll-echo PORT SECONDS [HOST PORT], where PORT is free\n");
    return 1;
  }
  signal(SIGINT, interrupted);
  for (int i = 0; i < ACCEPTS; i++) accept_one();
  printf("listening on %s:%d\n", address, (int)bound);
  fflush(stdout);
  while (n >= 0 && (!stopping || links > 0)) {
    n = evpoll_wait(p, events, 256, EVPOLL_INFINITE);
    for (int32_t i = 0; i < n; i++) dispatch(&events[i]);
  }
  return evpoll_close(p, EVPOLL_INFINITE) < 0 || n < 0;
}
