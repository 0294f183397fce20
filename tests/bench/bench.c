/* SPDX-License-Identifier: MIT */
/* What evpoll costs, as ratios against the bare system calls that do the same work.
 *
 * Both sides of a row run in alternating slices of one process; the row is the median of the
 * slices' ratios, of CPU time of this thread. The first row compares the baseline with itself: it
 * shows the noise. Set-up and tear-down are outside the slices. */
#include <evpoll.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { SLICES = 61, MOST = 1000, BLOCK = 4096, BLOCKS = 64 };

/* The library under test is loaded, so that two builds of it fit into one process. */
struct api {
  int32_t (*open)(const evpoll_options *, evpoll **);
  int32_t (*close)(evpoll *, int64_t);
  int32_t (*add)(evpoll *, evpoll_handle, uint64_t, uint32_t, uint32_t);
  int32_t (*modify)(evpoll *, evpoll_handle, uint64_t, uint32_t, uint32_t);
  int32_t (*rearm)(evpoll *, evpoll_handle, uint64_t, uint32_t);
  int32_t (*remove)(evpoll *, evpoll_handle, uint64_t);
  int32_t (*wait)(evpoll *, evpoll_event *, int32_t, int64_t);
  int32_t (*wake)(evpoll *);
  int32_t (*submit)(evpoll *, evpoll_io *, int32_t);
};

/* One side of a row: what it works on. */
struct side {
  struct api *api;
  evpoll *p;
  int set; /* the bare epoll set */
  int fds[MOST];
  int n;
  int file, depth;
  char *buffers;
};

static volatile uint64_t sink;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *v) {
  qsort(v, SLICES, sizeof *v, compare);
  return v[SLICES / 2];
}

typedef void work(struct side *s, int rounds);

/* `per` is the number of operations of a round, for the absolute figures. */
static void row(const char *name, work *base, struct side *b, work *ours, struct side *o,
                int rounds, int per) {
  double ratio[SLICES], base_ns[SLICES], our_ns[SLICES];
  base(b, rounds);
  ours(o, rounds);
  for (int i = 0; i < SLICES; i++) {
    const double t0 = cpu();
    base(b, rounds);
    const double t1 = cpu();
    ours(o, rounds);
    const double t2 = cpu();
    ratio[i] = (t2 - t1) / (t1 - t0);
    base_ns[i] = (t1 - t0) / rounds / per;
    our_ns[i] = (t2 - t1) / rounds / per;
  }
  printf("| %s | %.0f | %.0f | %.3f |\n", name, median(base_ns), median(our_ns), median(ratio));
  fflush(stdout);
}

/* ---- readiness ---------------------------------------------------------------------------- */

static void raw_wait(struct side *s, int rounds) {
  static struct epoll_event events[256];
  for (int i = 0; i < rounds; i++) {
    const int n = epoll_wait(s->set, events, 256, -1);
    for (int k = 0; k < n; k++) sink += events[k].data.u64;
  }
}

static void our_wait(struct side *s, int rounds) {
  static evpoll_event events[256];
  for (int i = 0; i < rounds; i++) {
    const int n = s->api->wait(s->p, events, 256, EVPOLL_INFINITE);
    for (int k = 0; k < n; k++) sink += events[k].token;
  }
}

static void raw_oneshot(struct side *s, int rounds) {
  static struct epoll_event events[256];
  for (int i = 0; i < rounds; i++) {
    const int n = epoll_wait(s->set, events, 256, -1);
    for (int k = 0; k < n; k++) {
      struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data = events[k].data};
      epoll_ctl(s->set, EPOLL_CTL_MOD, s->fds[events[k].data.u64], &e);
    }
  }
}

static void our_oneshot(struct side *s, int rounds) {
  static evpoll_event events[256];
  for (int i = 0; i < rounds; i++) {
    const int n = s->api->wait(s->p, events, 256, EVPOLL_INFINITE);
    for (int k = 0; k < n; k++)
      s->api->rearm(s->p, s->fds[events[k].token], events[k].token, EVPOLL_READABLE);
  }
}

static void raw_control(struct side *s, int op, uint32_t events) {
  for (int i = 0; i < s->n; i++) {
    struct epoll_event e = {.events = events, .data.u64 = (uint64_t)i};
    epoll_ctl(s->set, op, s->fds[i], &e);
  }
}

static void raw_change(struct side *s, int rounds) {
  for (int r = 0; r < rounds; r++) {
    raw_control(s, EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP);
    raw_control(s, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP | EPOLLOUT);
    raw_control(s, EPOLL_CTL_DEL, 0);
  }
}

static void our_change(struct side *s, int rounds) {
  const uint32_t both = EVPOLL_READABLE | EVPOLL_WRITABLE;
  for (int r = 0; r < rounds; r++) {
    for (int i = 0; i < s->n; i++)
      s->api->add(s->p, s->fds[i], (uint64_t)i, EVPOLL_READABLE, EVPOLL_LEVEL);
    for (int i = 0; i < s->n; i++) s->api->modify(s->p, s->fds[i], (uint64_t)i, both, EVPOLL_LEVEL);
    for (int i = 0; i < s->n; i++) s->api->remove(s->p, s->fds[i], (uint64_t)i);
  }
}

static void exchange(struct side *s, int rounds) {
  static _Atomic uint32_t flag;
  for (int i = 0; i < rounds; i++)
    sink += __atomic_exchange_n((uint32_t *)&flag, 1, __ATOMIC_SEQ_CST);
  (void)s;
}

static void redundant_wake(struct side *s, int rounds) {
  for (int i = 0; i < rounds; i++) s->api->wake(s->p);
}

/* ---- files -------------------------------------------------------------------------------- */

static void raw_read(struct side *s, int rounds) {
  for (int i = 0; i < rounds * s->depth; i++) {
    char *buffer = s->buffers + i % s->depth * BLOCK;
    if (pread(s->file, buffer, BLOCK, i % BLOCKS * BLOCK) != BLOCK) die("pread");
  }
}

static void our_read(struct side *s, int rounds) {
  static evpoll_event events[256];
  evpoll_io ios[128] = {0};
  for (int r = 0; r < rounds; r++) {
    for (int i = 0; i < s->depth; i++)
      ios[i] = (evpoll_io){.handle = s->file,
                           .offset = (r * s->depth + i) % BLOCKS * BLOCK,
                           .buffer = EVPOLL_ADDR(s->buffers + i * BLOCK),
                           .length = BLOCK,
                           .code = EVPOLL_IO_READ};
    if (s->api->submit(s->p, ios, s->depth) != s->depth) die("submit");
    for (int done = 0; done < s->depth;) {
      const int n = s->api->wait(s->p, events, 256, EVPOLL_INFINITE);
      for (int k = 0; k < n; k++) sink += (uint64_t)events[k].result;
      done += n;
    }
  }
}

/* ---- set-up ------------------------------------------------------------------------------- */

static struct api load(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  struct api a;
  *(void **)&a.open = dlsym(library, "evpoll_open");
  *(void **)&a.close = dlsym(library, "evpoll_close");
  *(void **)&a.add = dlsym(library, "evpoll_add");
  *(void **)&a.modify = dlsym(library, "evpoll_modify");
  *(void **)&a.rearm = dlsym(library, "evpoll_rearm");
  *(void **)&a.remove = dlsym(library, "evpoll_remove");
  *(void **)&a.wait = dlsym(library, "evpoll_wait");
  *(void **)&a.wake = dlsym(library, "evpoll_wake");
  *(void **)&a.submit = dlsym(library, "evpoll_submit");
  return a;
}

/* n eventfds, ready or not; registered in the mode unless it is negative. */
static void prepare(struct side *s, struct api *api, uint32_t flags, int n, bool ready, int mode) {
  static const uint32_t raw_mode[] = {0, EPOLLET, EPOLLONESHOT};
  *s = (struct side){.api = api, .n = n};
  evpoll_options options = {.struct_size = sizeof options, .flags = flags};
  if (api && api->open(&options, &s->p) < 0) die("evpoll_open");
  s->set = api ? -1 : epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < n; i++) {
    s->fds[i] = eventfd(ready, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->fds[i] < 0) die("eventfd");
    struct epoll_event e = {.data.u64 = (uint64_t)i};
    if (mode < 0) continue;
    e.events = EPOLLIN | raw_mode[mode];
    if (api)
      api->add(s->p, s->fds[i], (uint64_t)i, EVPOLL_READABLE, (uint32_t)mode);
    else
      epoll_ctl(s->set, EPOLL_CTL_ADD, s->fds[i], &e);
  }
}

static void finish(struct side *s) {
  for (int i = 0; i < s->n; i++) close(s->fds[i]);
  if (s->p) s->api->close(s->p, EVPOLL_INFINITE);
  if (s->set >= 0) close(s->set);
  free(s->buffers);
}

static void compare_ready(const char *name, struct api *api, uint32_t flags, int n, int mode) {
  static struct side raw, ours;
  prepare(&raw, NULL, 0, n, true, mode);
  prepare(&ours, api, flags, n, true, mode);
  const bool oneshot = mode == EVPOLL_ONESHOT;
  row(name, oneshot ? raw_oneshot : raw_wait, &raw, oneshot ? our_oneshot : our_wait, &ours,
      n > 10 ? 300 : 10000, n);
  finish(&raw);
  finish(&ours);
}

static void compare_files(const char *name, struct api *api, uint32_t flags, int file, int depth) {
  static struct side raw, ours;
  prepare(&raw, NULL, 0, 0, false, -1);
  prepare(&ours, api, flags, 0, false, -1);
  raw.file = ours.file = file;
  raw.depth = ours.depth = depth;
  raw.buffers = aligned_alloc(BLOCK, (size_t)depth * BLOCK);
  ours.buffers = aligned_alloc(BLOCK, (size_t)depth * BLOCK);
  row(name, raw_read, &raw, our_read, &ours, 4096 / depth, depth);
  finish(&raw);
  finish(&ours);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s libevpoll.so libevpoll_uncounted.so scratch-file\n", argv[0]);
    return 2;
  }
  struct api api = load(argv[1]), uncounted = load(argv[2]);
  const int file = open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  static char block[BLOCK];
  for (int i = 0; i < BLOCKS; i++)
    if (write(file, block, BLOCK) != BLOCK) die(argv[3]);

  static struct side a, b;
  printf("\n| | bare, ns | evpoll, ns | ratio |\n|---|---|---|---|\n");
  prepare(&a, NULL, 0, 100, true, EVPOLL_LEVEL);
  row("noise: epoll_wait against itself, 100 ready", raw_wait, &a, raw_wait, &a, 300, 100);
  finish(&a);

  compare_ready("wait, 1 ready", &api, 0, 1, EVPOLL_LEVEL);
  compare_ready("wait, 1 ready, one waiter", &api, EVPOLL_OPEN_SINGLE_WAITER, 1, EVPOLL_LEVEL);
  compare_ready("wait, 100 ready", &api, 0, 100, EVPOLL_LEVEL);
  compare_ready("oneshot, 100 ready, many waiters", &api, 0, 100, EVPOLL_ONESHOT);
  compare_ready("oneshot, 100 ready, one waiter", &api, EVPOLL_OPEN_SINGLE_WAITER, 100,
                EVPOLL_ONESHOT);

  prepare(&a, NULL, 0, MOST, false, -1);
  prepare(&b, &api, 0, MOST, false, -1);
  row("add, modify, remove; 1000 handles", raw_change, &a, our_change, &b, 4, 3 * MOST);
  finish(&a);
  finish(&b);

  prepare(&b, &api, 0, 0, false, -1);
  row("redundant wake, against an atomic exchange", exchange, &a, redundant_wake, &b, 100000, 1);
  finish(&b);

  prepare(&a, &uncounted, 0, 1, true, EVPOLL_LEVEL);
  prepare(&b, &api, 0, 1, true, EVPOLL_LEVEL);
  row("wait, 1 ready: with counters, against without", our_wait, &a, our_wait, &b, 10000, 1);
  finish(&a);
  finish(&b);

  compare_files("4 KiB read, cached, depth 1, one thread", &api, EVPOLL_OPEN_THREAD_BOUND, file, 1);
  compare_files("4 KiB read, cached, depth 32, one thread", &api, EVPOLL_OPEN_THREAD_BOUND, file,
                32);
  compare_files("4 KiB read, cached, depth 1, many waiters", &api, 0, file, 1);
  compare_files("4 KiB read, cached, depth 32, many waiters", &api, 0, file, 32);
  close(file);
  return 0;
}
