/* SPDX-License-Identifier: MIT */
/* Bytes that a registered descriptor takes in the memory of the process: what a loop with 10,000
 * has more than a loop with one, by the allocator's own count. What the user must allocate for the
 * library (a uv_poll_t, an ev_io) is part of it. */
#include "rows.h"

#include <malloc.h>

extern const int loop_event_own; /* of our own for each descriptor: not libevent's */

static double allocated(void) {
  const struct mallinfo2 m = mallinfo2();
  return (double)m.uordblks + (double)m.hblkhd;
}

static double bytes_with(const struct loop_type *type, int n) {
  const double before = allocated();
  void *loop = type->open(type, n);
  type->add(loop, loop_fds, n);
  const double after = allocated();
  type->close(loop);
  return after - before;
}

void memory_rows(void) {
  static const struct loop_type *const types[] = {&loop_raw, &loop_many,  &loop_single,
                                                  &loop_uv,  &loop_event, &loop_ev};
  enum { COUNT = sizeof types / sizeof types[0], MANY = 10000 };
  struct figure figures[COUNT];
  const struct row r = {
      .group = "memory", .name = "bytes for each of 10,000 descriptors", .x = MANY};
  report_group("memory", "Memory",
               "In the process; the kernel's part (about 200 bytes) is the same for all.");
  if (!descriptors_allow(MANY, r.name)) return;
  eventfds_open(loop_fds, MANY, false);
  for (int i = 0; i < COUNT; i++) {
    double bytes = (bytes_with(types[i], MANY) - bytes_with(types[i], 1)) / (MANY - 1);
    if (types[i] == &loop_event) bytes -= loop_event_own;
    figures[i] = (struct figure){.name = types[i]->name, .cpu = bytes, .wall = -1};
  }
  fds_close(loop_fds, MANY);
  report_row(&r, "bytes", (struct span){0}, figures, COUNT);
}
