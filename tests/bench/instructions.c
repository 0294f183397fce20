/* SPDX-License-Identifier: MIT */
/* What instructions.py counts: SCENARIO ROUNDS FILE does one thing, again and again. */
#include <evpoll.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 100, BLOCK = 4096, DEPTH = 32, STREAM = -2, LISTENER = -3 };

static evpoll *p;
static int fds[MOST];
static int file, peer;
static struct sockaddr_in address;
static evpoll_event events[128];
static char buffers[DEPTH][BLOCK];

static void check(int32_t status, const char *what) {
  if (status >= 0) return;
  fprintf(stderr, "%s: %s\n", what, evpoll_strerror(status));
  exit(1);
}

static void need(int condition, const char *what) {
  if (condition) return;
  fprintf(stderr, "%s: not what was expected\n", what);
  exit(1);
}

/* A listener, or a connection: our end, and the peer's. */
static void open_stream(int mode) {
  socklen_t length = sizeof address;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  need(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 4) == 0,
       "listen");
  getsockname(listener, (struct sockaddr *)&address, &length);
  fds[0] = listener;
  if (mode == STREAM) {
    peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(connect(peer, (struct sockaddr *)&address, length) == 0, "connect");
    fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  }
  check(evpoll_add(p, fds[0], 0, 0, EVPOLL_OPERATIONS), "evpoll_add");
}

static void start(uint32_t flags, int n, int mode) {
  evpoll_options options = {.struct_size = sizeof options, .flags = flags};
  check(evpoll_open(&options, &p), "evpoll_open");
  if (mode == STREAM || mode == LISTENER) open_stream(mode);
  if (mode == -1) check(evpoll_add(p, file, 0, 0, EVPOLL_OPERATIONS), "evpoll_add");
  for (int i = 0; i < n; i++) {
    fds[i] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mode >= 0)
      check(evpoll_add(p, fds[i], (uint64_t)i, EVPOLL_READABLE, (uint32_t)mode), "evpoll_add");
  }
}

static void wait_for(int32_t n) {
  need(evpoll_wait(p, events, 128, EVPOLL_INFINITE) == n, "evpoll_wait");
}

static void wait_1(void) { wait_for(1); }
static void wait_100(void) { wait_for(100); }

static void wait_1_rearm(void) {
  wait_for(1);
  check(evpoll_rearm(p, fds[0], 0, EVPOLL_READABLE), "evpoll_rearm");
}

static void add_remove(void) {
  check(evpoll_add(p, fds[0], 1, EVPOLL_READABLE, EVPOLL_LEVEL), "evpoll_add");
  check(evpoll_remove(p, fds[0], 1), "evpoll_remove");
}

static void modify(void) {
  check(evpoll_modify(p, fds[0], 0, EVPOLL_READABLE, EVPOLL_LEVEL), "evpoll_modify");
}

static void update_100(void) {
  static evpoll_change changes[MOST];
  for (int i = 0; i < MOST; i++)
    changes[i] = (evpoll_change){.token = (uint64_t)i,
                                 .handle = fds[i],
                                 .action = EVPOLL_CHANGE_MODIFY,
                                 .interest = EVPOLL_READABLE};
  need(evpoll_update(p, changes, MOST) == MOST, "evpoll_update");
}

static void wake(void) { check(evpoll_wake(p), "evpoll_wake"); }

static void post_wait(void) {
  check(evpoll_post(p, 1, 2), "evpoll_post");
  wait_for(1);
}

static void read_blocks(int n) {
  evpoll_io ios[DEPTH];
  memset(ios, 0, sizeof ios);
  for (int i = 0; i < n; i++) {
    ios[i].handle = file;
    ios[i].buffer = EVPOLL_ADDR(buffers[i]);
    ios[i].length = BLOCK;
    ios[i].code = EVPOLL_OP_READ;
  }
  need(evpoll_submit(p, ios, n) == n, "evpoll_submit");
  for (int done = 0; done < n;) done += evpoll_wait(p, events, 128, EVPOLL_INFINITE);
}
static void read_1(void) { read_blocks(1); }
static void read_32(void) { read_blocks(DEPTH); }

static void submit_one(evpoll_io *io) { need(evpoll_submit(p, io, 1) == 1, "evpoll_submit"); }

static void timer(void) {
  evpoll_io io = {.token = 7, .handle = -1, .offset = 1000000000000, .code = EVPOLL_OP_TIMER};
  submit_one(&io);
  need(evpoll_cancel_token(p, -1, 7) == 1, "evpoll_cancel_token");
  wait_for(1);
}

/* The edge comes while the read is queued. */
static void stream_read(void) {
  evpoll_io io = {.handle = fds[0], .buffer = EVPOLL_ADDR(buffers), .length = BLOCK};
  io.code = EVPOLL_OP_READ;
  submit_one(&io);
  need(send(peer, "x", 1, 0) == 1, "send");
  wait_for(1);
}

static void stream_write(void) {
  evpoll_io io = {.handle = fds[0], .buffer = EVPOLL_ADDR("x"), .length = 1};
  io.code = EVPOLL_OP_WRITE;
  io.flags = EVPOLL_OPF_INLINE;
  submit_one(&io);
  need(recv(peer, buffers, BLOCK, 0) == 1, "recv");
}

static void stream_accept(void) {
  const struct linger reset = {.l_onoff = 1};
  evpoll_io io = {.handle = fds[0], .code = EVPOLL_OP_ACCEPT};
  submit_one(&io);
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  need(connect(client, (struct sockaddr *)&address, sizeof address) == 0, "connect");
  wait_for(1);
  setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close(client);
  close((int)events[0].result);
}

static const struct {
  const char *name;
  void (*round)(void);
  uint32_t flags;
  int handles, mode;
} scenarios[] = {
    {"wait-1", wait_1, 0, 1, EVPOLL_LEVEL},
    {"wait-1-one-waiter", wait_1, EVPOLL_OPEN_SINGLE_WAITER, 1, EVPOLL_LEVEL},
    {"wait-100", wait_100, 0, 100, EVPOLL_LEVEL},
    {"wait-1-oneshot-rearm-one-waiter", wait_1_rearm, EVPOLL_OPEN_SINGLE_WAITER, 1, EVPOLL_ONESHOT},
    {"wait-1-oneshot-rearm", wait_1_rearm, 0, 1, EVPOLL_ONESHOT},
    {"add-remove", add_remove, 0, 1, -1},
    {"modify", modify, 0, 1, EVPOLL_LEVEL},
    {"update-100", update_100, 0, 100, EVPOLL_LEVEL},
    {"wake-redundant", wake, 0, 0, -1},
    {"post-wait", post_wait, 0, 0, -1},
    {"timer-add-cancel", timer, 0, 0, 0},
    {"stream-read", stream_read, 0, 0, STREAM},
    {"stream-write-inline", stream_write, 0, 0, STREAM},
    {"stream-accept", stream_accept, 0, 0, LISTENER},
    {"read-1", read_1, 0, 0, -1},
    {"read-1-one-waiter", read_1, EVPOLL_OPEN_SINGLE_WAITER, 0, -1},
    {"read-32", read_32, 0, 0, -1},
    {"read-32-one-waiter", read_32, EVPOLL_OPEN_SINGLE_WAITER, 0, -1},
};

int main(int argc, char **argv) {
  const int count = sizeof scenarios / sizeof scenarios[0];
  if (argc != 4) {
    for (int i = 0; i < count; i++) printf("%s\n", scenarios[i].name);
    return 0;
  }
  file = open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  need(write(file, buffers[0], BLOCK) == BLOCK, argv[3]);
  for (int i = 0; i < count; i++) {
    if (strcmp(scenarios[i].name, argv[1]) != 0) continue;
    start(scenarios[i].flags, scenarios[i].handles, scenarios[i].mode);
    for (int k = atoi(argv[2]); k > 0; k--) scenarios[i].round();
    check(evpoll_close(p, EVPOLL_INFINITE), "evpoll_close");
    return 0;
  }
  return 2;
}
