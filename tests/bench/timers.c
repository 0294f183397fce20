/* SPDX-License-Identifier: MIT */
/* Timers: added and cancelled while others are pending for hours, and added all together and
 * expired. */
#include "rows.h"

#include <stdlib.h>

enum { AT_ONCE = 64 };

static int pending;

static void open_timers(struct side *s) {
  const struct timer_type *type = s->type;
  timer_seed(); /* the same times for all */
  s->state = type->open(type, pending + AT_ONCE);
  type->add(s->state, 0, pending, 3600000, 360000000);
}

static void add_cancel(struct side *s, long rounds) {
  const struct timer_type *type = s->type;
  while (rounds-- > 0) {
    type->add(s->state, pending, AT_ONCE, 3600000, 360000000);
    type->cancel(s->state, pending, AT_ONCE);
  }
}

static void open_none(struct side *s) {
  const struct timer_type *type = s->type;
  timer_seed();
  s->state = type->open(type, pending);
}

/* The earliest are due before the last is added: from then on nobody sleeps. */
static void add_expire(struct side *s, long rounds) {
  const struct timer_type *type = s->type;
  while (rounds-- > 0) {
    type->add(s->state, 0, pending, 1, 20);
    type->expire(s->state, pending);
  }
}

static void close_timers(struct side *s) {
  const struct timer_type *type = s->type;
  type->close(s->state);
}

static void timer_row(const char *what, int n, bool expire) {
  static const struct timer_type *const types[] = {&timer_uv, &timer_many, &timer_single,
                                                   &timer_event, &timer_asio};
  enum { COUNT = sizeof types / sizeof types[0] };
  struct side sides[COUNT];
  char name[80];
  snprintf(name, sizeof name, "%s, %s pending", what, n < 1000000 ? "1000" : "1,000,000");
  pending = n;
  for (int i = 0; i < COUNT; i++)
    sides[i] = (struct side){types[i]->name,
                             expire ? open_none : open_timers,
                             expire ? add_expire : add_cancel,
                             close_timers,
                             types[i],
                             NULL};
  struct row r = {.group = "timers",
                  .name = name,
                  .x = n,
                  .per = expire ? n : AT_ONCE,
                  .once_per_row = true,
                  .base = sides[0],
                  .sides = sides + 1,
                  .count = COUNT - 1};
  const struct effort before = effort;
  if (expire && n >= 1000000) {                     /* a second each */
    if (effort.least == 1) pending = r.per = 10000; /* only whether it runs */
    effort.least = effort.least > 4 ? 3 : 1;
    effort.slice_ns = 1;
  }
  run_row(&r);
  effort = before;
}

void timers_rows(void) {
  report_group(
      "timers", "Timers",
      "One timer, CPU. Added and cancelled: 64 at once, for an hour or more, while so many "
      "others are pending, until their events were taken. Added and expired: so many are "
      "added, each for one of the next 20 ms, and waited for. Baseline: libuv.");
  timer_row("add, cancel", 1000, false);
  timer_row("add, cancel", 1000000, false);
  timer_row("add, expire", 1000, true);
  timer_row("add, expire", 1000000, true);
}
