/* SPDX-License-Identifier: MIT */
#include "slices.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct effort effort;

static double read_clock(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* How long a slice is: rounds in one go, or openings of one round each. */
struct length {
  long rounds, times;
};

static clockid_t cpu_clock;
static struct span aside;

static void add_aside(double sign) {
  aside.cpu += sign * read_clock(cpu_clock);
  aside.wall += sign * now_ns();
}

void aside_begin(void) { add_aside(-1); }
void aside_end(void) { add_aside(1); }

static struct span run_slice(const struct row *r, struct side *s, struct length length) {
  const clockid_t clock = r->whole_process ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_THREAD_CPUTIME_ID;
  struct span sum = {0};
  cpu_clock = clock;
  for (long i = 0; i < length.times; i++) {
    if (!r->once_per_row && s->open) s->open(s);
    /* What was set up a moment ago is not warm yet. */
    if (!r->once_per_row && !r->one_round) s->work(s, length.rounds / 8 + 1);
    aside = (struct span){0};
    const double wall = now_ns(), cpu = read_clock(clock);
    s->work(s, length.rounds);
    sum.cpu += read_clock(clock) - cpu - aside.cpu;
    sum.wall += now_ns() - wall - aside.wall;
    if (!r->once_per_row && s->close) s->close(s);
  }
  return sum;
}

/* So many rounds that a slice of the baseline takes about as long as it should. */
static struct length fit(const struct row *r, struct side *s) {
  struct length length = {1, 1};
  long *grows = r->one_round ? &length.times : &length.rounds;
  for (;;) {
    const struct span span = run_slice(r, s, length);
    const double took = span.wall > span.cpu ? span.wall : span.cpu;
    if (took >= effort.slice_ns / 2 || *grows > 100000000) {
      const double factor = effort.slice_ns / took;
      if (factor > 1) *grows = (long)((double)*grows * factor);
      return length;
    }
    const double factor = effort.slice_ns / (took + 1);
    *grows *= factor > 8 ? 8 : 2;
  }
}

struct pairs {
  double cpu[MOST_SLICES], wall[MOST_SLICES], cpu_ns[MOST_SLICES], wall_ns[MOST_SLICES];
};

static void run_pair(struct row *r, struct side *s, struct length length, int i, struct pairs *out,
                     struct pairs *base_out) {
  const double per = (double)r->per * (double)length.rounds * (double)length.times;
  struct span base, own;
  if (i % 2 == 0) {
    base = run_slice(r, &r->base, length);
    own = run_slice(r, s, length);
  } else {
    own = run_slice(r, s, length);
    base = run_slice(r, &r->base, length);
  }
  out->cpu[i] = own.cpu / base.cpu;
  out->wall[i] = own.wall / base.wall;
  out->cpu_ns[i] = own.cpu / per;
  out->wall_ns[i] = own.wall / per;
  base_out->cpu_ns[i] = base.cpu / per;
  base_out->wall_ns[i] = base.wall / per;
}

/* How far a median of so many may be off, by twice its standard error, and what it is off here. */
static double noise_of(double *ratios, int n) {
  const double off = median(ratios, n) - 1; /* sorts them */
  const double quartiles = ratios[n * 3 / 4] - ratios[n / 4];
  return fmax(fabs(off), 1.86 * quartiles / sqrt(n));
}

void run_row(struct row *r) {
  static struct pairs pairs[MOST_SIDES + 1], base;
  struct side sides[MOST_SIDES + 1] = {r->base};
  struct figure figures[MOST_SIDES + 1];
  const int count = r->count + 1;
  sides[0].name = "itself";
  memcpy(sides + 1, r->sides, (size_t)r->count * sizeof *sides);
  if (r->once_per_row) {
    if (r->base.open) r->base.open(&r->base);
    for (int k = 0; k < count; k++)
      if (sides[k].work && sides[k].open) sides[k].open(&sides[k]);
  }
  const struct length length = fit(r, &r->base);
  const double began = now_ns();
  int slices = 0;
  while (slices < effort.most && (slices < effort.least || now_ns() - began < effort.most_ns)) {
    for (int k = 0; k < count; k++)
      if (sides[k].work) run_pair(r, &sides[k], length, slices, &pairs[k], &base);
    slices++;
  }
  r->noise = noise_of(pairs[0].cpu, slices);
  for (int k = 0; k < count; k++) {
    figures[k] = (struct figure){sides[k].name, -1, -1, -1, -1};
    if (!sides[k].work) continue;
    figures[k].cpu = median(pairs[k].cpu, slices);
    figures[k].wall = median(pairs[k].wall, slices);
    figures[k].cpu_ns = median(pairs[k].cpu_ns, slices);
    figures[k].wall_ns = median(pairs[k].wall_ns, slices);
    if (r->once_per_row && sides[k].close) sides[k].close(&sides[k]);
  }
  if (r->once_per_row && r->base.close) r->base.close(&r->base);
  report_row(r, NULL, (struct span){median(base.cpu_ns, slices), median(base.wall_ns, slices)},
             figures, count);
}
