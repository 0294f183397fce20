/* SPDX-License-Identifier: MIT */
/* Boot, halt, and what tests ask. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel.h"
#include "turns.h"

static struct nt_options options;
static bool was_booted;
static uint64_t state;

uint64_t nt_seed(void) { return options.seed; }
bool nt_is_wine(void) { return options.wine; }
bool nt_is_layered(void) { return options.lsp != NT_LSP_NONE; }
bool nt_seed_was_given(void) { return was_booted; }
const struct nt_options *nt_settings(void) { return &options; }

/* splitmix64 */
uint32_t nt_random(uint32_t end) {
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (uint32_t)((z ^ z >> 31) >> 32) % end;
}

bool nt_chance(uint32_t n, uint32_t of) { return options.seed && nt_random(of) < n; }

void nt_boot_free(const struct nt_options *given) {
  options = *given;
  state = given->seed;
  nt_handles_start();
  nt_later_start();
  nt_sockets_start();
  nt_fault_start();
  nt_threads_start();
}

void nt_boot(const struct nt_options *given) {
  was_booted = true;
  nt_booted_by_hand();
  nt_boot_free(given);
}

void nt_halt(void) {
  nt_settle();
  nt_enter();
  nt_threads_stop();
  if (nt_pending()) nt_violation("%u requests never reported", nt_pending());
  nt_handles_stop();
  nt_later_stop();
  nt_leave();
}

void nt_settle(void) {
  nt_enter();
  while (nt_later_one()) {
  }
  nt_leave();
}

void nt_violation(const char *format, ...) {
  va_list list;
  va_start(list, format);
  fprintf(stderr, "simulated NT: ");
  vfprintf(stderr, format, list);
  if (nt_failed()) fprintf(stderr, " (after a failing %s)", nt_failed());
  fprintf(stderr, "\nEVPOLL_SIM_SEED=%llu\n", (unsigned long long)options.seed);
  va_end(list);
  fflush(NULL);
  abort();
}
