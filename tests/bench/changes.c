/* SPDX-License-Identifier: MIT */
/* What a descriptor's registration, its change and its end cost. */
#include "rows.h"

static void open_empty(struct side *s) {
  const struct loop_type *type = s->type;
  s->state = type->open(type, loop_n);
}

static void open_registered(struct side *s) {
  open_empty(s);
  ((const struct loop_type *)s->type)->add(s->state, loop_fds, loop_n);
}

static void add(struct side *s, long rounds) {
  ((const struct loop_type *)s->type)->add(s->state, loop_fds, loop_n);
  (void)rounds;
}

static void modify(struct side *s, long rounds) {
  ((const struct loop_type *)s->type)->modify(s->state, true);
  (void)rounds;
}

static void take_out(struct side *s, long rounds) {
  ((const struct loop_type *)s->type)->remove(s->state);
  (void)rounds;
}

static void close_loop(struct side *s) { ((const struct loop_type *)s->type)->close(s->state); }

static void change_row(const char *verb, int n, void (*open)(struct side *),
                       void (*work)(struct side *, long)) {
  static const struct loop_type *const types[] = {&loop_raw, &loop_many,  &loop_single,
                                                  &loop_uv,  &loop_event, &loop_ev};
  enum { COUNT = sizeof types / sizeof types[0] };
  char name[80];
  struct side sides[COUNT];
  snprintf(name, sizeof name, "%s, %d descriptors", verb, n);
  if (!descriptors_allow(n, name)) return;
  loop_n = n;
  /* Not ready: those who tell the kernel late wait once for nothing, and must not handle events. */
  eventfds_open(loop_fds, n, false);
  for (int i = 0; i < COUNT; i++) {
    sides[i] = loop_side(types[i], open, work, close_loop);
    if (work == take_out && !types[i]->remove) sides[i].work = NULL;
  }
  struct row r = {.group = verb,
                  .name = name,
                  .x = n,
                  .per = n,
                  .one_round = true,
                  .base = sides[0],
                  .sides = sides + 1,
                  .count = COUNT - 1};
  run_row(&r);
  fds_close(loop_fds, n);
}

static void look(int index) { (void)index; }

void changes_rows(void) {
  static const int counts[] = {100, 1000, 10000};
  handle = look;
  report_group("changes", "Registering",
               "One descriptor, until the kernel knows. libuv and libev collect changes and make "
               "them when they wait next: that wait is in the figure. An event that adds "
               "EVPOLL_WRITABLE is a modify here, so afterwards each descriptor is ready. libev "
               "never tells the kernel of what was stopped.");
  for (int i = 0; i < 3; i++) change_row("add", counts[i], open_empty, add);
  for (int i = 0; i < 3; i++) change_row("modify", counts[i], open_registered, modify);
  for (int i = 0; i < 3; i++) change_row("remove", counts[i], open_registered, take_out);
}
