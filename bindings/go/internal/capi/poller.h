/* SPDX-License-Identifier: MIT */
/* The poller: what a thread sleeps on, and what wakes it. */
#ifndef EVP_POLLER_H
#define EVP_POLLER_H

#include "backend.h"
#include "io.h"
#include "os.h"
#include "slots.h"
#include "source.h"

/* The word `attention`: what a wait must look at besides the kernel's readiness. */
enum {
  EVP_ATTN_WAKE = 1,     /* evpoll_wake() was called */
  EVP_ATTN_POST = 2,     /* the queue of posts is not empty */
  EVP_ATTN_IO = 4,       /* operations are in flight */
  EVP_ATTN_SHUTDOWN = 8, /* for good */
};

enum { EVP_CELLS = 16, EVP_STRIPES = 32 };

/* A thread inside wait owns a cell, or shares the last one when all are taken. So close knows
 * who is inside, a second waiter is seen, and counters need no atomic additions. */
struct evp_cell {
  _Atomic uint32_t busy;
  _Atomic uint64_t waits, events, spurious;
  char pad[64 - 4 * sizeof(uint64_t)];
};

struct evp_post {
  uint64_t token;
  int64_t result;
};

struct evp_posts {
  struct evp_mutex lock;
  struct evp_post *ring; /* capacity is 0 or a power of two */
  uint32_t capacity, first, count;
};

struct evpoll {
  /* Written at open, read by every call. */
  const volatile uint32_t *fork_mark;
  uint32_t fork_value;
  uint32_t flags; /* EVPOLL_OPEN_*; THREAD_BOUND comes with SINGLE_WAITER */
  void *kernel;   /* the backend's own */
  uint64_t wake_token;
  uint32_t io_limit, pool_threads;
  _Atomic uint64_t owner; /* THREAD_BOUND: the thread, once it has shown itself */
  struct evp_table sources;
  evpoll *next; /* in the registry: linger.c */
  char pad1[64];

  _Atomic uint32_t attention;
  _Atomic uint32_t turn; /* which source of events comes first */
  char pad2[64];

  _Atomic uint64_t stale_hits, set_rebuilds, wakes, posts_delivered;
  _Atomic uint32_t pool_alive;
  _Atomic uint32_t aios; /* open requests for foreign operations */
  struct evp_mutex stripes[EVP_STRIPES];
  _Atomic uint64_t rearms[EVP_STRIPES]; /* written with the stripe's lock held */
  struct evp_posts posts;
  struct evp_io io;
  struct evp_cell cells[EVP_CELLS + 1];
};

static inline bool evp_forked(const evpoll *p) { return *p->fork_mark != p->fork_value; }
static inline bool evp_is_shut_down(evpoll *p) {
  return atomic_load_explicit(&p->attention, memory_order_relaxed) & EVP_ATTN_SHUTDOWN;
}
/* True if only one thread waits at a time. */
static inline bool evp_single(const evpoll *p) { return p->flags & EVPOLL_OPEN_SINGLE_WAITER; }
static inline bool evp_bound(const evpoll *p) { return p->flags & EVPOLL_OPEN_THREAD_BOUND; }
static inline void evp_count(_Atomic uint64_t *counter) {
  atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* THREAD_BOUND: 0 for the owner (the first to ask), else EVPOLL_ERR_THREAD. */
int32_t evp_check_owner(evpoll *p);
static inline int32_t evp_check_thread(evpoll *p) { return evp_bound(p) ? evp_check_owner(p) : 0; }
/* Sets bits of `attention`; true if they were clear. */
bool evp_attend(evpoll *p, uint32_t bits);
/* Number of threads inside wait now. */
uint32_t evp_poller_inside(evpoll *p);

/* These do what the exported functions say; pointers were checked. */
int32_t evp_poller_open(const evpoll_options *options, evpoll **out);
int32_t evp_poller_close(evpoll *p, int64_t timeout_ns);
int32_t evp_poller_wait(evpoll *p, evpoll_event *out, int32_t capacity, int64_t timeout_ns);
int32_t evp_poller_turn(evpoll *p, evpoll_change *changes, int32_t nchanges, evpoll_io *ios,
                        int32_t nios, evpoll_event *out, int32_t capacity, int64_t timeout_ns);
int32_t evp_poller_update(evpoll *p, evpoll_change *changes, int32_t n);
int32_t evp_poller_post(evpoll *p, uint64_t token, int64_t result);
void evp_poller_wake(evpoll *p);
void evp_poller_shutdown(evpoll *p);
void evp_poller_stats(evpoll *p, struct evpoll_stats *out);
void evp_poller_info(evpoll *p, struct evpoll_info *out);
int32_t evp_poller_describe(evpoll *p, char *text, int32_t capacity);

#endif
