/* SPDX-License-Identifier: MIT */
/* The n-th call fails. */
#include <stddef.h>
#include <string.h>

#include "kernel.h"

static const char *wanted, *failed;
static uint64_t left, calls;

void nt_fault_start(void) {
  wanted = failed = NULL;
  left = calls = 0;
}

void nt_fail(const char *name, uint64_t n) {
  nt_enter();
  wanted = name;
  left = n;
  if (n) failed = NULL;
  nt_leave();
}

const char *nt_failed(void) { return failed; }
uint64_t nt_calls(void) { return calls; }

bool nt_fault(const char *name) {
  calls++;
  if (left == 0 || (wanted && !strstr(name, wanted)) || --left) return false;
  failed = name;
  return true;
}
