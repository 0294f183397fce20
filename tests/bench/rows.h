/* SPDX-License-Identifier: MIT */
/* The groups of rows, and the descriptors that they share: of each kind as many as a row needs,
 * since the limit of a process does not give every contender its own. A slice registers them, and
 * its end takes them out: no set but the one that is measured watches them. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "loops.h"
#include "slices.h"

void readiness_rows(void);
void oneshot_rows(void);
void changes_rows(void);
void calls_rows(void);
void threads_rows(void);
void files_rows(const char *folder);
void neighbours_rows(const char *folder);
void delays_rows(const char *folder);
void wakes_rows(void);
void memory_rows(void);
void echo_rows(void);
void accepts_rows(void);
void timers_rows(void);
void appends_rows(const char *folder);
/* One contender, so many rounds, unmeasured: for who counts its system calls. */
bool echo_alone(const char *name, int connections, int bytes, long rounds);

enum { MOST_FDS = 10000 };
/* n descriptors more than are open now: false, and said, if the limit does not allow it. */
bool descriptors_allow(int n, const char *row);
void eventfds_open(int *fds, int n, bool ready);
void fds_close(const int *fds, int n);

/* Side of a row that measures a loop; the row's descriptors are loop_fds. */
struct side loop_side(const struct loop_type *type, void (*open)(struct side *),
                      void (*work)(struct side *, long), void (*close)(struct side *));
extern int loop_fds[MOST_FDS];
extern int loop_n;

#endif
