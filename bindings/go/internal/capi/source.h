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
  _Atomic uint32_t generation; /* of the registration; 0: never had one */
  _Atomic uint32_t state;
};

/* The word `state`. */
enum {
  EVP_REPORT = 0xff,       /* bits that events may carry now; 0: nothing is reported */
  EVP_INTEREST_SHIFT = 8,  /* what the user asked for, 3 bits */
  EVP_INTEREST = 0x7 << 8, /* */
  EVP_KERNEL_SHIFT = 12,   /* what the kernel was asked for, 3 bits */
  EVP_KERNEL = 0x7 << 12,  /* */
  EVP_MODE_SHIFT = 16,     /* EVPOLL_LEVEL, EDGE, ONESHOT */
  EVP_MODE = 0x3 << 16,    /* */
  EVP_LIVE = 1 << 20,      /* registered */
  EVP_IN_SET = 1 << 21,    /* the kernel's set has it */
  EVP_ARMED = 1 << 22,     /* ONESHOT: the next event may be delivered */
  EVP_PARKED = 1 << 23,    /* ONESHOT: the kernel was told to be silent */
};
#define EVP_AGE 0xff000000u /* the generation's low bits: no state is mistaken for a later one */

/* What may be reported for these interests: errors always, READ_CLOSED with READABLE only. No
 * branches, since every change asks. */
static inline uint32_t evp_report_of(uint32_t interest) {
  const uint32_t always = interest ? EVPOLL_ERROR | EVPOLL_WRITE_CLOSED : 0u;
  return interest | always | (interest & EVPOLL_READABLE) * EVPOLL_READ_CLOSED;
}

static inline uint32_t evp_mode_of(uint32_t state) { return (state & EVP_MODE) >> EVP_MODE_SHIFT; }

/* Neither 0 nor this is ever a registration's. */
#define EVP_NO_GENERATION UINT32_MAX

/* Names a registration to the kernel: comes back with its events. */
static inline uint64_t evp_source_key(uint32_t index, uint32_t generation) {
  return (uint64_t)generation << 32 | index;
}

/* Reads token and state of the registration that `generation` names. False: it has ended, since
 * the end counts as a generation too. It is written before the rest and read around it, so a torn
 * read is seen as an end. */
static inline bool evp_source_read(struct evp_source *s, uint32_t generation, uint64_t *token_out,
                                   uint32_t *state_out) {
  if (atomic_load_explicit(&s->generation, memory_order_acquire) != generation) return false;
  *token_out = atomic_load_explicit(&s->token, memory_order_acquire);
  *state_out = atomic_load_explicit(&s->state, memory_order_acquire);
  return atomic_load_explicit(&s->generation, memory_order_relaxed) == generation;
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

/* The lock that guards a slot, and all of them (which stops every change). */
struct evp_mutex *evp_source_lock(evpoll *p, uint32_t index);
void evp_source_lock_all(evpoll *p);
void evp_source_unlock_all(evpoll *p);

#endif
