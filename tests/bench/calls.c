/* SPDX-License-Identifier: MIT */
/* evpoll's calls against what they stand for. */
#include "rows.h"

#include <dlfcn.h>
#include <evpoll.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BATCH = 1000, READ = 512 };

static int scratch; /* a file of a block */
static char buffer[BLOCK];

struct caller {
  evpoll *p;
  evpoll_change *changes;
  evpoll_event events[64];
};

static evpoll *open_poller(uint32_t flags) {
  evpoll_options options = {.struct_size = sizeof options, .flags = flags};
  evpoll *p;
  if (evpoll_open(&options, &p) < 0) die("evpoll_open");
  return p;
}

static const uint32_t plain = 0, one_waiter = EVPOLL_OPEN_SINGLE_WAITER,
                      never_files = EVPOLL_OPEN_NO_URING | EVPOLL_OPEN_NATIVE_IO_ONLY;

static void open_caller(struct side *s) {
  struct caller *c = calloc(1, sizeof *c);
  if (!c) die("calloc");
  c->p = open_poller(*(const uint32_t *)s->type);
  c->changes = calloc((size_t)loop_n, sizeof *c->changes);
  for (int i = 0; i < loop_n; i++) {
    if (evpoll_add(c->p, loop_fds[i], (uint64_t)i, EVPOLL_READABLE, EVPOLL_LEVEL) < 0)
      die("evpoll_add");
    c->changes[i] = (evpoll_change){.token = (uint64_t)i,
                                    .handle = loop_fds[i],
                                    .action = EVPOLL_CHANGE_MODIFY,
                                    .interest = EVPOLL_READABLE};
  }
  s->state = c;
}

static void close_caller(struct side *s) {
  struct caller *c = s->state;
  evpoll_close(c->p, EVPOLL_INFINITE);
  free(c->changes);
  free(c);
}

static void modify_each(struct side *s, long rounds) {
  struct caller *c = s->state;
  for (long r = 0; r < rounds; r++)
    for (int i = 0; i < loop_n; i++)
      evpoll_modify(c->p, loop_fds[i], (uint64_t)i, EVPOLL_READABLE, EVPOLL_LEVEL);
}

static void update_all(struct side *s, long rounds) {
  struct caller *c = s->state;
  for (long r = 0; r < rounds; r++)
    if (evpoll_update(c->p, c->changes, loop_n) != loop_n) die("evpoll_update");
}

static evpoll_io read_of(void) {
  return (evpoll_io){
      .handle = scratch, .buffer = EVPOLL_ADDR(buffer), .length = READ, .code = EVPOLL_OP_READ};
}

static void open_reader(struct side *s) {
  open_caller(s);
  if (evpoll_add(((struct caller *)s->state)->p, scratch, 0, 0, EVPOLL_OPERATIONS) < 0)
    die("evpoll_add");
}

static void three_calls(struct side *s, long rounds) {
  struct caller *c = s->state;
  for (long r = 0; r < rounds; r++) {
    evpoll_io io = read_of();
    evpoll_update(c->p, c->changes, 1);
    evpoll_submit(c->p, &io, 1);
    for (int io_seen = 0; !io_seen;) {
      const int32_t n = evpoll_wait(c->p, c->events, 64, EVPOLL_INFINITE);
      for (int32_t i = 0; i < n; i++) io_seen |= c->events[i].op != 0;
    }
  }
}

static void one_turn(struct side *s, long rounds) {
  struct caller *c = s->state;
  for (long r = 0; r < rounds; r++) {
    evpoll_io io = read_of();
    int32_t n = evpoll_turn(c->p, c->changes, 1, &io, 1, c->events, 64, EVPOLL_INFINITE);
    for (int io_seen = 0; !io_seen;) {
      for (int32_t i = 0; i < n; i++) io_seen |= c->events[i].op != 0;
      if (!io_seen) n = evpoll_wait(c->p, c->events, 64, EVPOLL_INFINITE);
    }
  }
}

/* ---- a wait, with and without files behind it ---------------------------------------------- */

static void waiting(struct side *s, long rounds) {
  struct caller *c = s->state;
  for (long r = 0; r < rounds; r++)
    if (evpoll_wait(c->p, c->events, 64, EVPOLL_INFINITE) != 1) die("evpoll_wait");
}

/* By io_uring: a sync is never done in place. */
static void open_after_files(struct side *s) {
  open_reader(s);
  struct caller *c = s->state;
  evpoll_io io = {.handle = scratch, .code = EVPOLL_OP_FDATASYNC};
  if (evpoll_submit(c->p, &io, 1) != 1) die("evpoll_submit");
  for (int done = 0; !done;) {
    const int32_t n = evpoll_wait(c->p, c->events, 64, EVPOLL_INFINITE);
    for (int32_t i = 0; i < n; i++) done |= c->events[i].op != 0;
  }
}

/* ---- the counters of evpoll_stats(), against a build without them ------------------------- */

typedef int32_t wait_call(evpoll *, evpoll_event *, int32_t, int64_t);

struct counted {
  evpoll *p;
  wait_call *wait;
  int32_t (*close)(evpoll *, int64_t);
};

static void open_counted(struct side *s) {
  struct counted *c = calloc(1, sizeof *c);
  void *library = dlopen(s->type, RTLD_NOW | RTLD_LOCAL);
  int32_t (*open)(const evpoll_options *, evpoll **);
  int32_t (*add)(evpoll *, evpoll_handle, uint64_t, uint32_t, uint32_t);
  if (!c || !library) die(s->type);
  *(void **)&open = dlsym(library, "evpoll_open");
  *(void **)&add = dlsym(library, "evpoll_add");
  *(void **)&c->wait = dlsym(library, "evpoll_wait");
  *(void **)&c->close = dlsym(library, "evpoll_close");
  if (open(NULL, &c->p) < 0) die("evpoll_open");
  if (add(c->p, loop_fds[0], 0, EVPOLL_READABLE, EVPOLL_LEVEL) < 0) die("evpoll_add");
  s->state = c;
}

static void waiting_counted(struct side *s, long rounds) {
  struct counted *c = s->state;
  evpoll_event events[64];
  for (long r = 0; r < rounds; r++)
    if (c->wait(c->p, events, 64, EVPOLL_INFINITE) != 1) die("evpoll_wait");
}

static void close_counted(struct side *s) {
  struct counted *c = s->state;
  c->close(c->p, EVPOLL_INFINITE);
  free(c);
}

/* ---- a wake that changes nothing, since nobody has seen the one before -------------------- */

static _Atomic uint32_t flag;

static void exchange(struct side *s, long rounds) {
  for (long r = 0; r < rounds; r++) __atomic_exchange_n((uint32_t *)&flag, 1, __ATOMIC_SEQ_CST);
  (void)s;
}

static void open_wake(struct side *s) {
  const struct wake_type *type = s->type;
  s->state = type->open(type);
}

static void send_again(struct side *s, long rounds) {
  const struct wake_type *type = s->type;
  for (long r = 0; r < rounds; r++) type->send(s->state);
}

static void close_wake(struct side *s) {
  const struct wake_type *type = s->type;
  type->close(s->state);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void call_row(const char *name, int n, bool ready, int per, struct side base,
                     struct side *sides, int count) {
  loop_n = n;
  eventfds_open(loop_fds, n, ready);
  struct row r = {
      .group = "calls", .name = name, .per = per, .base = base, .sides = sides, .count = count};
  run_row(&r);
  fds_close(loop_fds, n);
}

#define CALLER(name, open, work, flags)                                                            \
  { name, open, work, close_caller, &(flags), NULL }
#define TWO(open, work)                                                                            \
  CALLER("evpoll", open, work, plain), CALLER("evpoll, one waiter", open, work, one_waiter)

void calls_rows(void) {
  report_group("calls", "evpoll's calls, each against what it stands for",
               "The baseline is in the first column. \"Never\": a poller that cannot have files.");
  FILE *f = tmpfile();
  if (!f || fwrite(buffer, sizeof buffer, 1, f) != 1 || fflush(f)) die("tmpfile");
  scratch = fileno(f);
  struct side update[] = {TWO(open_caller, update_all)};
  struct side turn[] = {TWO(open_reader, one_turn)};
  struct side wait[] = {TWO(open_caller, waiting)};
  struct side after[] = {TWO(open_after_files, waiting)};
  call_row("update of 1000, against 1000 calls of modify", BATCH, false, BATCH,
           (struct side)CALLER("modify", open_caller, modify_each, plain), update, 2);
  call_row("turn: a change, a read, two events", 1, true, 1,
           (struct side)CALLER("update, submit, wait", open_reader, three_calls, plain), turn, 2);
  const struct side never = CALLER("never", open_caller, waiting, never_files);
  call_row("wait of 1, before any file", 1, true, 1, never, wait, 2);
  call_row("wait of 1, after files", 1, true, 1, never, after, 2);
  struct side counted[] = {
      {"evpoll", open_counted, waiting_counted, close_counted, EVPOLL_LIBRARY, NULL}};
  call_row("wait of 1, with counters", 1, true, 1,
           (struct side){"without", open_counted, waiting_counted, close_counted,
                         EVPOLL_LIBRARY_UNCOUNTED, NULL},
           counted, 1);
  static const struct wake_type *const types[] = {&wake_many, &wake_single, &wake_raw, &wake_uv,
                                                  &wake_ev};
  struct side wakes[5];
  for (int i = 0; i < 5; i++)
    wakes[i] = (struct side){types[i]->name, open_wake, send_again, close_wake, types[i], NULL};
  call_row("wake, redundant", 0, false, 1,
           (struct side){"atomic exchange", NULL, exchange, NULL, NULL, NULL}, wakes, 5);
  fclose(f);
}
