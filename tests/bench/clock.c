/* SPDX-License-Identifier: MIT */
/* What all programs of the bench need. */
#include "slices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void die(const char *what) {
  fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
  exit(1);
}

double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void sort(double *values, int n) { qsort(values, (size_t)n, sizeof *values, compare); }

double at(const double *sorted, int n, double part) { return sorted[(int)((double)n * part)]; }

double median(double *values, int n) {
  sort(values, n);
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
