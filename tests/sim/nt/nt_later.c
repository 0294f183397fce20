/* SPDX-License-Identifier: MIT */
/* What is on its way: data between sockets, the outcome of a request, the end of a file operation.
 * With a seed the order is any, and how long it takes differs from run to run. */
#include <stdlib.h>

#include "kernel.h"

struct step {
  nt_action action;
  struct nt_object *object;
  void *argument;
};

static struct step *steps;
static uint32_t count, capacity, laziness;

void nt_later_start(void) {
  count = 0;
  laziness = nt_seed() ? nt_random(8) : 0;
}

void nt_later_stop(void) {
  free(steps);
  steps = NULL;
  count = capacity = 0;
}

void nt_later(nt_action action, struct nt_object *o, void *argument) {
  if (!nt_seed()) {
    nt_ref(o);
    action(o, argument);
    nt_unref(o);
    return;
  }
  if (count == capacity) {
    capacity = capacity ? capacity * 2 : 64;
    steps = realloc(steps, capacity * sizeof *steps);
    if (!steps) abort();
  }
  steps[count++] = (struct step){action, nt_ref(o), argument};
}

bool nt_later_one(void) {
  if (count == 0) return false;
  const uint32_t i = nt_random(count);
  const struct step s = steps[i];
  steps[i] = steps[--count];
  s.action(s.object, s.argument);
  nt_unref(s.object);
  return true;
}

void nt_later_some(void) {
  if (count == 0 || nt_random(laziness + 1) != 0) return;
  for (uint32_t n = 1 + nt_random(3); n > 0 && nt_later_one(); n--) {
  }
}
