// SPDX-License-Identifier: MIT
// The random calls of tests/fuzz on the simulated kernel: streams, accepts, timers, limits,
// records. calls N [SEED] [--trace]. The seed decides on the kernel's whims too.
#include "random_calls.h"

#include "sim.h"

static void Boot(uint64_t seed) {
  sim_reset();
  struct sim_options options = sim_get();
  options.seed = seed % 3 ? seed : 0;
  options.before_percent = seed % 4 == 0 ? 50 : 0;
  options.late_percent = seed % 5 == 0 ? 50 : 0;
  options.refuse_files = seed % 7 == 0;
  if (seed % 6 == 0) options.queue_per_process = 3;
  if (seed % 8 == 0) options.task_ns = 50000;
  sim_set(&options);
}

int main(int argc, char **argv) {
  CallsSetup setup;
  setup.threads = true;
  return RunRandomCalls(argc, argv, setup, Boot);
}
