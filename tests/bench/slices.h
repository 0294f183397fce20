/* SPDX-License-Identifier: MIT */
/* How everything here is measured: in pairs. A slice of the baseline and a slice of a contender run
 * directly after each other, in turns the one or the other first, so that whatever slows the
 * machine down slows both; a figure is the median of the pairs' ratios. The baseline is a contender
 * too: that column is the noise. */
#ifndef BENCH_SLICES_H
#define BENCH_SLICES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { MOST_SIDES = 12, MOST_SLICES = 61 };

/* One contender of a row. What is set up outside the timer is `state`. */
struct side {
  const char *name;                         /* the column */
  void (*open)(struct side *);              /* before a slice, or the row: see struct row */
  void (*work)(struct side *, long rounds); /* timed; NULL: it has no such thing, a dash */
  void (*close)(struct side *);
  const void *type; /* which of a kind it is */
  void *state;
};

struct row {
  const char *group, *name;
  const char *second; /* what a value's second is, for JSON; NULL: p99 */
  double x;           /* for plots: how many, how deep */
  int per;            /* events or operations in a round */
  bool whole_process; /* CPU of all threads, for what has helpers */
  bool once_per_row;  /* set up once, and not for each slice: files */
  bool one_round;     /* a slice is several times open, one round, close: changes */
  struct side base;
  struct side *sides;
  int count;
  double noise; /* what run_row() found: a CPU ratio that differs by less says nothing */
};

/* How much of it: from the command line. */
struct effort {
  double slice_ns, most_ns; /* of a slice; of a row */
  int least, most;          /* slices */
};
extern struct effort effort;

struct span {
  double cpu, wall; /* ns */
};
/* What work() does that is not the contender's goes between these two, and is taken off. */
void aside_begin(void);
void aside_end(void);
double now_ns(void);
void run_row(struct row *r);
double median(double *values, int n);
/* Sorts them; at(values, n, 0.99) is then the 99th percentile. */
void sort(double *values, int n);
double at(const double *sorted, int n, double part);

/* ---- the report --------------------------------------------------------------------------- */

void report_begin(const char *folder, const char *versions);
/* What the table's rows have in common: a heading and a sentence. */
void report_group(const char *group, const char *heading, const char *text);
/* One cell; ratios below 0: a dash. `base_ns` is of the baseline, for one event or operation. */
struct figure {
  const char *name;
  double cpu, wall; /* ratios to the baseline, or values where the row has a unit */
  double cpu_ns, wall_ns;
};
void report_row(const struct row *r, const char *unit, struct span base, struct figure *f, int n);
/* A row that cannot run here. */
void report_left_out(const char *row, const char *why);
void report_end(void);

void die(const char *what) __attribute__((noreturn));

#endif
