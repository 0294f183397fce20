/* SPDX-License-Identifier: MIT */
/* A load of everything at once: sockets that get messages, a block of a file read for each of them,
 * timers that are armed again, and posts of another thread. What a contender is told of, it tells
 * delay_took(), with when that was caused. */
#ifndef BENCH_DELAYS_H
#define BENCH_DELAYS_H

#include <stdint.h>

enum delay_kind { DELAY_SOCKET, DELAY_FILE, DELAY_TIMER, DELAY_POST, DELAY_KINDS };
enum { DELAY_SOCKETS = 64, DELAY_TIMERS = 32, DELAY_EVENTS = 256 /* that a wait takes */ };

struct delay_load {
  int sockets[DELAY_SOCKETS]; /* read by delay_message() when readable */
  int file;
  char *block;
};

struct delay_type {
  const char *name;
  uint32_t flags;
  void *(*open)(const struct delay_type *type, const struct delay_load *load);
  void (*post)(void *own, uint64_t now); /* from another thread */
  void (*run)(void *own);                /* until delay_left is 0 */
  void (*close)(void *own);
};
extern long delay_left;

extern const struct delay_type delay_raw, delay_many, delay_single, delay_uv;

void delay_took(enum delay_kind kind, uint64_t caused);
uint64_t delay_message(int socket); /* when it was written */
uint64_t delay_now(void);
/* When timer i is due next: a whole millisecond, as libuv has them. */
uint64_t delay_deadline(int i);
/* Where in the file the next block is read. */
int64_t delay_offset(void);

#endif
