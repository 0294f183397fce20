/* SPDX-License-Identifier: MIT */
/* Threads and the clock.
 *
 * Free mode: threads are the system's, and the lock is a lock. Deterministic: one thread runs at
 * a time. It hands over where it enters the kernel, if the seed says so, and where it sleeps; so
 * whatever the library does between two calls is one step, and a seed is one interleaving. When
 * nobody can run, what is on its way arrives; when there is nothing, the clock goes to the next
 * deadline; when there is none, the threads sleep for ever, which is a mistake. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel.h"
#include "turns.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct nt_thread *threads; /* deterministic: all; free: those that sleep */
static struct nt_thread *running; /* deterministic only */
static bool deterministic;
static int64_t virtual_clock;
static pthread_once_t booted = PTHREAD_ONCE_INIT;

static _Thread_local struct nt_thread unknown; /* a thread that CreateThread() did not make */
static _Thread_local struct nt_thread *known;

static struct nt_thread *self(void) {
  if (known) return known;
  known = &unknown;
  nt_thread_init(known);
  return known;
}

void nt_thread_init(struct nt_thread *t) {
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&t->wake, &attr);
  pthread_condattr_destroy(&attr);
}

static void link_thread(struct nt_thread *t) {
  t->next = threads;
  threads = t;
}

static void unlink_thread(struct nt_thread *t) {
  struct nt_thread **at = &threads;
  while (*at != t) at = &(*at)->next;
  *at = t->next;
}

bool nt_deterministic(void) { return deterministic; }

static void boot_from_environment(void) {
  if (nt_seed_was_given()) return;
  const char *how = getenv("EVPOLL_SIM");
  const struct nt_options options = {.wine = how && strcmp(how, "wine") == 0};
  nt_boot_free(&options);
}

void nt_booted_by_hand(void) { pthread_once(&booted, boot_from_environment); }

void nt_threads_start(void) {
  deterministic = nt_seed() != 0;
  virtual_clock = 1000000000;
  if (!deterministic) return;
  running = self();
  running->channel = NULL;
  link_thread(running);
}

void nt_threads_stop(void) {
  if (!deterministic) return;
  unlink_thread(self());
  if (threads) nt_violation("a thread was never joined");
  deterministic = false;
  running = NULL;
}

/* ---- who runs ----------------------------------------------------------------------------- */

static void wait_for_turn(struct nt_thread *me) {
  while (running != me) pthread_cond_wait(&me->wake, &lock);
}

static bool has_expired(const struct nt_thread *t) {
  return t->channel && t->deadline >= 0 && t->deadline <= virtual_clock;
}

static struct nt_thread *pick_runnable(void) {
  uint32_t n = 0;
  struct nt_thread *picked = NULL;
  for (struct nt_thread *t = threads; t; t = t->next)
    if ((!t->channel || has_expired(t)) && nt_random(++n) == 0) picked = t;
  if (picked && picked->channel) {
    picked->channel = NULL;
    picked->timed_out = true;
  }
  return picked;
}

/* The clock goes on to the next deadline, and whose it was runs. */
static struct nt_thread *expire(void) {
  struct nt_thread *first = NULL;
  for (struct nt_thread *t = threads; t; t = t->next)
    if (t->channel && t->deadline >= 0 && (!first || t->deadline < first->deadline)) first = t;
  if (!first) nt_violation("every thread sleeps for ever: a wake-up was lost");
  if (first->deadline > virtual_clock) virtual_clock = first->deadline;
  first->channel = NULL;
  first->timed_out = true;
  return first;
}

static void hand_over(void) {
  struct nt_thread *next = pick_runnable();
  while (!next && nt_later_one()) next = pick_runnable();
  if (!next) next = expire();
  running = next;
  pthread_cond_signal(&next->wake);
}

void nt_enter(void) {
  nt_booted_by_hand();
  pthread_mutex_lock(&lock);
  if (!deterministic) return;
  struct nt_thread *me = self();
  virtual_clock += 1000; /* so that time passes also where nobody sleeps */
  if (threads->next && nt_random(5) == 0) {
    hand_over();
    wait_for_turn(me);
  }
  nt_later_some();
}

void nt_leave(void) { pthread_mutex_unlock(&lock); }

/* ---- sleeping ----------------------------------------------------------------------------- */

static bool sleep_deterministic(struct nt_thread *me, const void *channel, int64_t deadline) {
  me->channel = channel;
  me->deadline = deadline;
  me->timed_out = false;
  hand_over();
  wait_for_turn(me);
  return !me->timed_out;
}

bool nt_block(const void *channel, int64_t deadline) {
  struct nt_thread *me = self();
  if (deterministic) return sleep_deterministic(me, channel, deadline);
  const struct timespec until = {deadline / 1000000000, deadline % 1000000000};
  int expired = 0;
  me->channel = channel;
  link_thread(me);
  while (me->channel && !expired)
    expired = deadline < 0 ? pthread_cond_wait(&me->wake, &lock)
                           : pthread_cond_timedwait(&me->wake, &lock, &until);
  const bool woken = !me->channel;
  me->channel = NULL;
  if (!woken) unlink_thread(me);
  return woken;
}

static void wake(struct nt_thread *t) {
  t->channel = NULL;
  if (deterministic) return; /* it may run when it is picked */
  unlink_thread(t);
  pthread_cond_signal(&t->wake);
}

/* Free: the last to sleep, as completion ports do. */
void nt_wake_one(const void *channel) {
  struct nt_thread *picked = NULL;
  uint32_t n = 0;
  for (struct nt_thread *t = threads; t; t = t->next)
    if (t->channel == channel && (deterministic ? nt_random(++n) == 0 : !picked)) picked = t;
  if (picked) wake(picked);
}

void nt_wake_all(const void *channel) {
  for (struct nt_thread *t = threads, *next; t; t = next) {
    next = t->next;
    if (t->channel == channel) wake(t);
  }
}

/* ---- the clock ---------------------------------------------------------------------------- */

int64_t nt_clock(void) {
  if (deterministic) return virtual_clock += 100;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t nt_deadline(DWORD ms) { return ms == INFINITE ? -1 : nt_clock() + (int64_t)ms * 1000000; }

/* ---- threads ------------------------------------------------------------------------------ */

void nt_thread_born(struct nt_thread *t) {
  if (deterministic) link_thread(t);
}

void nt_thread_begins(struct nt_thread *t) {
  known = t;
  if (!deterministic) return;
  pthread_mutex_lock(&lock);
  wait_for_turn(t);
  pthread_mutex_unlock(&lock);
}

/* Lock held, and given up. */
void nt_thread_ends(struct nt_thread *t) {
  if (deterministic) {
    unlink_thread(t);
    hand_over();
  }
  known = NULL;
  pthread_mutex_unlock(&lock);
}

void nt_thread_unborn(struct nt_thread *t) {
  if (deterministic) unlink_thread(t);
}
