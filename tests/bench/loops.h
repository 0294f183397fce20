/* SPDX-License-Identifier: MIT */
/* The contenders, each behind the same few functions: an event loop, and something that reads
 * files. What a row measures is in readiness.c, changes.c, files.c and the others; how a library
 * is told to do it, as its manual advises, is in loops_raw.c, loops_evpoll.c and peers_*.c. */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include <stdbool.h>
#include <stdint.h>

/* What a row does with a ready descriptor: the same for all. */
extern void (*handle)(int index);
/* Events that this thread still has to handle before its run() returns. */
extern __thread long remaining;
/* Events that a wait takes at most, of a loop that has an array. */
extern int loop_takes;

struct loop_type {
  const char *name;
  uint32_t flags, mode; /* evpoll's; the mode is the bare loop's too */
  void *(*open)(const struct loop_type *type, int most);
  /* Descriptor i is fds[i] and comes to handle(i) when it is readable. When one of these three has
   * returned the kernel knows. */
  void (*add)(void *loop, const int *fds, int n);
  void (*modify)(void *loop, bool writable_too); /* all of them */
  void (*remove)(void *loop);
  void (*run)(void *loop); /* until `remaining` is 0 */
  void (*close)(void *loop);
};

extern const struct loop_type loop_raw, loop_raw_edge, loop_raw_oneshot;
extern const struct loop_type loop_many, loop_single, loop_edge, loop_oneshot, loop_oneshot_single;
extern const struct loop_type loop_uv, loop_event, loop_event_once, loop_ev;
/* For another thread: the same set, and what is registered; to be freed. */
void *loop_raw_share(void *loop);
void *loop_ours_share(void *loop);

enum { BLOCK = 4096, DEEPEST = 128 };

/* What they say of themselves. */
const char *version_uv(void);
const char *version_event(void);
const char *version_ev(void);
const char *version_asio(void);

struct disk_type {
  const char *name;
  uint32_t flags;
  void *(*open)(const struct disk_type *type, int file, char *buffers);
  /* Reads n blocks, at most DEEPEST, and returns when all are there. */
  void (*read)(void *disk, const int64_t *offsets, int n);
  /* Writes a block and makes it durable. */
  void (*commit)(void *disk, int64_t offset);
  void (*close)(void *disk);
};

extern const struct disk_type disk_pread, disk_nowait, disk_ring, disk_lio;
extern const struct disk_type disk_many, disk_single, disk_inline;
extern const struct disk_type disk_list, disk_list_single;
extern const struct disk_type disk_uv;

/* Sockets and files in one wait. A round: n blocks are asked for, and one byte arrives on each of
 * m sockets, which was written before; returns when all blocks are there and all bytes read. */
struct mixed_type {
  const char *name;
  uint32_t flags;
  void *(*open)(const struct mixed_type *type, int file, char *buffers, const int *sockets, int m);
  void (*round)(void *mixed, const int64_t *offsets, int n);
  void (*close)(void *mixed);
  /* A read of a block of each of these files, that no round waits for; it ends before close. */
  void (*hang)(void *mixed, const int *files, int n);
};

extern const struct mixed_type mixed_raw, mixed_many, mixed_single, mixed_uv, mixed_pool;
/* ... and a timer for so soon; evpoll's are operations all. */
enum { MIXED_TIMER_NS = 1000 };
extern const struct mixed_type mixed_raw_timer, mixed_all, mixed_all_single;

/* A thread that sleeps, and another that wakes it. */
struct wake_type {
  const char *name;
  uint32_t flags;
  void *(*open)(const struct wake_type *type);
  void (*send)(void *wake);
  void (*sleep)(void *wake); /* returns when it was woken */
  void (*close)(void *wake);
};

extern const struct wake_type wake_raw, wake_many, wake_single, wake_uv, wake_event, wake_ev;

/* Servers on connections, by the calling thread; the clients are another one. */
struct stream_type {
  const char *name;
  uint32_t flags;
  /* fds are connected, and the server's: close closes them. */
  void *(*open)(const struct stream_type *type, const int *fds, int n);
  void (*run)(void *server); /* sends back what comes, until echo_left is 0 */
  void (*close)(void *server);
};
extern long echo_left; /* bytes */
/* A read's buffer has room for more than any client sends. Those of connections do not all begin in
 * the same set of the processor's cache. */
enum { ECHO_MOST = 1000, ECHO_ROOM = 32768, ECHO_STRIDE = ECHO_ROOM + 64 };

extern const struct stream_type stream_raw, stream_ring, stream_many, stream_single;
extern const struct stream_type stream_two, stream_uv, stream_event, stream_asio;

/* Accepts and closes until accept_left is 0; the listener is its own. */
struct accept_type {
  const char *name;
  uint32_t flags;
  void *(*open)(const struct accept_type *type, int listener);
  void (*run)(void *acceptor);
  void (*close)(void *acceptor);
};
extern long accept_left;
extern bool accept_registers; /* ... and registers what it accepted before */

extern const struct accept_type accept_raw, accept_many, accept_single, accept_uv, accept_event;
extern const struct accept_type accept_asio;

/* Timers by number, below `most`. add: for so many milliseconds, at random. */
struct timer_type {
  const char *name;
  uint32_t flags;
  void *(*open)(const struct timer_type *type, int most);
  void (*add)(void *timers, int first, int n, int least_ms, int most_ms);
  void (*cancel)(void *timers, int first, int n);
  void (*expire)(void *timers, int n); /* returns when so many have */
  void (*close)(void *timers);
};
void timer_seed(void);
uint64_t timer_random(void);

extern const struct timer_type timer_many, timer_single, timer_uv, timer_event, timer_asio;

enum { EVENTS = 1024 }; /* the array of a wait, where a loop has one */

#endif
