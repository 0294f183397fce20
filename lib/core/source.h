/* SPDX-License-Identifier: MIT */
/* A source: one registered handle. Its slot is indexed by the handle, so that a handle that was
 * closed without remove leaks nothing and its number's next owner starts a new generation. */
#ifndef EVP_SOURCE_H
#define EVP_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "evpoll.h"

/* Sixteen bytes. Written under the source's stripe lock, but for ARMED, which a delivery clears;
 * read by waiters without a lock: see evp_source_read(). */
struct evp_source {
  _Atomic uint64_t token;
  _Atomic uint64_t word; /* the generation above, the state below */
};

/* The state. */
enum {
  EVP_REPORT = 0xff,       /* bits that events may carry now; 0: nothing is reported */
  EVP_INTEREST_SHIFT = 8,  /* what the user asked for, 4 bits */
  EVP_INTEREST = 0xf << 8, /* */
  EVP_KERNEL_SHIFT = 12,   /* what the kernel was asked for, 4 bits */
  EVP_KERNEL = 0xf << 12,  /* */
  EVP_MODE_SHIFT = 16,     /* EVPOLL_LEVEL, EDGE, ONESHOT, OPERATIONS */
  EVP_MODE = 0x3 << 16,    /* */
  EVP_LIVE = 1 << 20,      /* registered */
  EVP_IN_SET = 1 << 21,    /* the kernel's set has it */
  EVP_ARMED = 1 << 22,     /* ONESHOT: the next event may be delivered */
  EVP_PARKED = 1 << 23,    /* ONESHOT: the kernel was told to be silent */
};

/* What may be reported for these interests: errors always, READ_CLOSED with READABLE too. No
 * branches, since every change asks. */
static inline uint32_t evp_report_of(uint32_t interest) {
  const uint32_t always = interest ? EVPOLL_ERROR | EVPOLL_WRITE_CLOSED : 0u;
  return interest | always | (interest & EVPOLL_READABLE) * EVPOLL_READ_CLOSED;
}

static inline uint32_t evp_mode_of(uint32_t state) { return (state & EVP_MODE) >> EVP_MODE_SHIFT; }

/* The last handles would overflow the tables' arithmetic; no system hands them out. */
enum { EVP_LAST_INDEX = INT32_MAX - 64 };

/* Neither 0 nor this is ever a registration's. */
#define EVP_NO_GENERATION UINT32_MAX

/* Names a registration to the kernel: comes back with its events. */
static inline uint64_t evp_source_key(uint32_t index, uint32_t generation) {
  return (uint64_t)generation << 32 | index;
}

/* Whose is in the upper half of a word; the lower half is the state. */
static inline uint32_t evp_word_generation(uint64_t word) { return (uint32_t)(word >> 32); }
static inline uint64_t evp_word(uint32_t generation, uint32_t state) {
  return (uint64_t)generation << 32 | state;
}

/* Lock held. */
static inline uint32_t evp_source_state(const struct evp_source *s) {
  return (uint32_t)atomic_load_explicit(&s->word, memory_order_relaxed);
}
static inline uint32_t evp_source_generation(const struct evp_source *s) {
  return evp_word_generation(atomic_load_explicit(&s->word, memory_order_relaxed));
}
static inline void evp_source_set_state(struct evp_source *s, uint32_t state) {
  atomic_store_explicit(&s->word, evp_word(evp_source_generation(s), state), memory_order_release);
}

/* Reads token and word of the registration that `generation` names. False: it has ended, since the
 * end counts as a generation too. The word is written before the token and read around it, so a
 * token of another registration is seen as an end. */
static inline bool evp_source_read(struct evp_source *s, uint32_t generation, uint64_t *token_out,
                                   uint64_t *word_out) {
  if (evp_word_generation(atomic_load_explicit(&s->word, memory_order_acquire)) != generation)
    return false;
  *token_out = atomic_load_explicit(&s->token, memory_order_acquire);
  *word_out = atomic_load_explicit(&s->word, memory_order_relaxed);
  return evp_word_generation(*word_out) == generation;
}

/* Lock held. The registration is over: nothing is reported for it from now on. */
void evp_source_end(struct evp_source *s);

/* These do what the exported functions of the same name say; arguments were checked. */
int32_t evp_source_add(evpoll *p, evpoll_handle h, uint64_t token, uint32_t interest,
                       uint32_t mode);
int32_t evp_source_modify(evpoll *p, evpoll_handle h, uint64_t token, uint32_t interest,
                          uint32_t mode);
int32_t evp_source_rearm(evpoll *p, evpoll_handle h, uint64_t token, uint32_t bits);
int32_t evp_source_remove(evpoll *p, evpoll_handle h, uint64_t token);

/* Lock held. take_over: a handle is registered for operations from now on, and these bits are told
 * of; 1: it was for readiness. ask: other bits are; on failure *gone_out as in the seam. */
int32_t evp_source_take_over(evpoll *p, evpoll_handle h, struct evp_source *s, uint64_t token,
                             uint32_t interest);
int32_t evp_source_ask(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t interest,
                       bool *gone_out);

/* The lock that guards a slot, and all of them (which stops every change). */
struct evp_mutex *evp_source_lock(evpoll *p, uint32_t index);
void evp_source_lock_all(evpoll *p);
void evp_source_unlock_all(evpoll *p);

#endif
