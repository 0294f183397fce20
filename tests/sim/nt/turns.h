/* SPDX-License-Identifier: MIT */
/* Threads, for those who make them. */
#ifndef NT_SIM_TURNS_H
#define NT_SIM_TURNS_H

#include <pthread.h>

#include "sim.h"

struct nt_thread {
  struct nt_thread *next;
  pthread_cond_t wake;
  const void *channel; /* it sleeps on; NULL: it runs, or may run */
  int64_t deadline;
  bool timed_out;
};

void nt_thread_init(struct nt_thread *t);
/* Lock held: it will exist. begins, ends: by itself; ends gives the lock up. */
void nt_thread_born(struct nt_thread *t);
void nt_thread_unborn(struct nt_thread *t);
void nt_thread_begins(struct nt_thread *t);
void nt_thread_ends(struct nt_thread *t);

/* The first call boots, unless a test has: nt_sim.c. */
void nt_booted_by_hand(void);
bool nt_seed_was_given(void);
void nt_boot_free(const struct nt_options *options);

#endif
