/* SPDX-License-Identifier: MIT */
/* The poller: what a thread sleeps on, and what wakes it. */
#ifndef EVP_POLLER_H
#define EVP_POLLER_H

#include "backend/backend.h"
#include "core/operation.h"
#include "os/os.h"
#include "core/slots.h"
#include "core/source.h"

/* The word `attention`: what a wait must look at besides the kernel's readiness. */
enum {
  EVP_ATTN_WAKE = 1,     /* evpoll_wake() was called */
  EVP_ATTN_POST = 2,     /* the queue of posts is not empty */
  EVP_ATTN_IO = 4,       /* operations are in flight */
  EVP_ATTN_SHUTDOWN = 8, /* for good */
  EVP_ATTN_ALARM = 16,   /* an end in time has come, and nobody has looked (timer.c) */
  EVP_ATTN_RETRY = 32,   /* an end in time that is no operation's: listeners are tried again */
};

enum { EVP_CELLS = 16, EVP_STRIPES = 32 };

/* A thread inside wait owns a cell, or shares the last one when all are taken. So close knows
 * who is inside, a second waiter is seen, and counters need no atomic additions. */
struct evp_cell {
  _Alignas(64) _Atomic uint32_t busy;
  _Atomic uint64_t waits, events, spurious;
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
  const _Atomic uint32_t *fork_mark;
  uint32_t fork_value;
  uint32_t plain_value; /* the same, or a number that is never there: see evp_is_plain() */
  uint32_t flags;       /* EVPOLL_OPEN_* */
  evpoll_handle trace;  /* -1: none */
  void *kernel;         /* the backend's own */
  uint64_t wake_token;
  uint32_t io_limit, pool_threads;
  struct evp_table sources; /* struct evp_source, by handle */
  struct evp_table targets; /* struct evp_target *, by handle */
  char pad1[64];

  _Atomic uint32_t attention;
  _Atomic uint32_t turn; /* which source of events comes first */
  _Atomic bool idle;     /* the last turn asked the kernel, and had one event at most */
  char pad2[64];

  _Atomic uint64_t stale_hits, set_rebuilds, wakes, posts_delivered;
  _Atomic uint32_t pool_alive;
  _Atomic uint32_t aios;   /* open requests for foreign operations */
  _Atomic bool has_handle; /* evpoll_poller_handle() was called: another loop may sleep on it */
  struct evp_mutex stripes[EVP_STRIPES];
  _Atomic uint64_t rearms[EVP_STRIPES]; /* written with the stripe's lock held */
  struct evp_posts posts;
  struct evp_io io;
  struct evp_cell cells[EVP_CELLS + 1];
};

static inline bool evp_forked(const evpoll *p) {
  return atomic_load_explicit(p->fork_mark, memory_order_relaxed) != p->fork_value;
}
/* Neither in a forked child nor traced: one look for both. */
static inline bool evp_is_plain(const evpoll *p) {
  return atomic_load_explicit(p->fork_mark, memory_order_relaxed) == p->plain_value;
}
static inline bool evp_is_shut_down(evpoll *p) {
  return atomic_load_explicit(&p->attention, memory_order_relaxed) & EVP_ATTN_SHUTDOWN;
}
/* True if only one thread waits at a time. */
static inline bool evp_single(const evpoll *p) { return p->flags & EVPOLL_OPEN_SINGLE_WAITER; }
static inline void evp_count(_Atomic uint64_t *counter) {
  atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Sets bits of `attention`; true if they were clear. */
bool evp_attend(evpoll *p, uint32_t bits);
/* Number of threads inside wait now. */
uint32_t evp_poller_inside(evpoll *p);
/* May somebody sleep who has to hear of what was queued: inside wait, or on the poller's handle? */
static inline bool evp_is_watched(evpoll *p) {
  return evp_poller_inside(p) || atomic_load(&p->has_handle);
}

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
void evp_poller_stats(evpoll *p, struct evpoll_poller_stats *out);
void evp_poller_info(evpoll *p, struct evpoll_poller_info *out);
int32_t evp_poller_describe(evpoll *p, char *text, int32_t capacity);
int32_t evp_poller_handle(evpoll *p, evpoll_handle *handle_out);

#endif
