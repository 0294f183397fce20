/* SPDX-License-Identifier: MIT */
/* What a wait and an event cost: descriptors that are always ready, and tokens that go round a ring
 * of sockets. */
#include "rows.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

void (*handle)(int index);
__thread long remaining;
int loop_takes = EVENTS;
int loop_fds[MOST_FDS];
int loop_n;

static int ring_in[MOST_FDS]; /* the other ends of loop_fds */
static int tokens, passed;
static volatile int sink;

bool descriptors_allow(int n, const char *row) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= (rlim_t)n + 100) return true;
  char why[80];
  snprintf(why, sizeof why, "it needs %d descriptors, and the limit is %ld", n,
           (long)limit.rlim_cur);
  report_left_out(row, why);
  return false;
}

void eventfds_open(int *fds, int n, bool ready) {
  for (int i = 0; i < n; i++) {
    fds[i] = eventfd(ready, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fds[i] < 0) die("eventfd");
  }
}

void fds_close(const int *fds, int n) {
  for (int i = 0; i < n; i++) close(fds[i]);
}

struct side loop_side(const struct loop_type *type, void (*open)(struct side *),
                      void (*work)(struct side *, long), void (*close)(struct side *)) {
  return (struct side){type->name, open, work, close, type, NULL};
}

static void open_registered(struct side *s) {
  const struct loop_type *type = s->type;
  s->state = type->open(type, loop_n);
  type->add(s->state, loop_fds, loop_n);
}

static void close_loop(struct side *s) {
  const struct loop_type *type = s->type;
  type->close(s->state);
}

/* ---- always ready ---------------------------------------------------------------------------- */

static void look(int index) { sink = index; }

static void dispatch(struct side *s, long rounds) {
  handle = look;
  remaining = rounds * loop_n;
  ((const struct loop_type *)s->type)->run(s->state);
}

static struct side dispatching(const struct loop_type *type) {
  return loop_side(type, open_registered, dispatch, close_loop);
}

static void dispatch_row(const char *group, int n, const struct loop_type *const *types,
                         int count) {
  char name[80];
  struct side sides[MOST_SIDES];
  snprintf(name, sizeof name, "dispatch, %d ready", n);
  loop_n = n;
  eventfds_open(loop_fds, n, true);
  for (int i = 0; i < count; i++) {
    sides[i] = (struct side){.name = types[i]->name};
    if (types[i]->mode != 1) sides[i] = dispatching(types[i]); /* no edge where nothing changes */
  }
  struct row r = {.group = group,
                  .name = name,
                  .x = n,
                  .per = n,
                  .base = sides[0],
                  .sides = sides + 1,
                  .count = count - 1};
  run_row(&r);
  fds_close(loop_fds, n);
}

/* ---- the ring -------------------------------------------------------------------------------- */

/* Takes a token off, and gives it to the next one; the last `tokens` of a slice stay where they
 * are, so that the ring is empty when it is closed. */
static void pass(int index) {
  char byte[8];
  if (read(loop_fds[index], byte, sizeof byte) != 1) die("read");
  if (--passed < tokens) return;
  const int next = index + 1 == loop_n ? 0 : index + 1;
  if (write(ring_in[next], byte, 1) != 1) die("write");
}

static void go_round(struct side *s, long rounds) {
  handle = pass;
  remaining = rounds * tokens;
  passed = (int)remaining;
  for (int i = 0; i < tokens; i++)
    if (write(ring_in[(long)i * loop_n / tokens], "", 1) != 1) die("write");
  ((const struct loop_type *)s->type)->run(s->state);
}

static void ring_row(const char *group, int n, int m, const struct loop_type *const *types,
                     int count) {
  char name[80];
  struct side sides[MOST_SIDES];
  snprintf(name, sizeof name, "ring of %d sockets, %d token%s", n, m, m > 1 ? "s" : "");
  if (!descriptors_allow(2 * n, name)) return;
  loop_n = n;
  tokens = m;
  for (int i = 0; i < n; i++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) die("socketpair");
    loop_fds[i] = pair[0];
    ring_in[i] = pair[1];
  }
  for (int i = 0; i < count; i++)
    sides[i] = loop_side(types[i], open_registered, go_round, close_loop);
  struct row r = {.group = group,
                  .name = name,
                  .x = n,
                  .per = m,
                  .base = sides[0],
                  .sides = sides + 1,
                  .count = count - 1};
  run_row(&r);
  fds_close(loop_fds, n);
  fds_close(ring_in, n);
}

/* ---- the groups ------------------------------------------------------------------------------ */

void readiness_rows(void) {
  static const struct loop_type *const types[] = {&loop_raw,    &loop_raw_edge, &loop_many,
                                                  &loop_single, &loop_edge,     &loop_uv,
                                                  &loop_event,  &loop_ev};
  enum { COUNT = sizeof types / sizeof types[0] };
  report_group(
      "readiness", "Readiness, level-triggered where nothing else is said",
      "One event; ratios of CPU time, in parentheses of wall time. Dispatch: eventfds that "
      "are always ready. Ring: a byte is received and sent on to the next socket.");
  dispatch_row("readiness", 1, types, COUNT);
  dispatch_row("readiness", 100, types, COUNT);
  dispatch_row("readiness", 1000, types, COUNT);
  ring_row("readiness", 100, 1, types, COUNT);
  ring_row("readiness", 1000, 100, types, COUNT);
  ring_row("readiness", 9500, 100, types, COUNT);
}

void oneshot_rows(void) {
  static const struct loop_type *const types[] = {&loop_raw_oneshot, &loop_oneshot,
                                                  &loop_oneshot_single, &loop_event_once};
  enum { COUNT = sizeof types / sizeof types[0] };
  report_group("oneshot", "Oneshot: one event, then it is armed again",
               "One event and its rearm. libuv and libev have no such mode.");
  dispatch_row("oneshot", 1, types, COUNT);
  dispatch_row("oneshot", 100, types, COUNT);
  dispatch_row("oneshot", 1000, types, COUNT);
  ring_row("oneshot", 100, 1, types, COUNT);
  ring_row("oneshot", 1000, 100, types, COUNT);
  ring_row("oneshot", 9500, 100, types, COUNT);
}
