/* SPDX-License-Identifier: MIT */
/* What instructions.py counts: SCENARIO ROUNDS FILE does one thing, again and again. */
#include <evpoll.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MOST = 100, BLOCK = 4096, DEPTH = 32 };

static evpoll *p;
static int fds[MOST];
static int file;
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

static void start(uint32_t flags, int n, int mode) {
  evpoll_options options = {.struct_size = sizeof options, .flags = flags};
  check(evpoll_open(&options, &p), "evpoll_open");
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
    ios[i].code = EVPOLL_IO_READ;
  }
  need(evpoll_submit(p, ios, n) == n, "evpoll_submit");
  for (int done = 0; done < n;) done += evpoll_wait(p, events, 128, EVPOLL_INFINITE);
}
static void read_1(void) { read_blocks(1); }
static void read_32(void) { read_blocks(DEPTH); }

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
