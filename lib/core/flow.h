/* SPDX-License-Identifier: MIT */
/* A flow: one direction of a stream, with the operations that wait there in order; those that wait
 * for readiness alone are one more. Lock held: p->io.lock. */
#ifndef EVP_FLOW_H
#define EVP_FLOW_H

#include "core/target.h"

#define EVP_CODES_OF_READS                                                                         \
  (1u << EVPOLL_OP_READ | 1u << EVPOLL_OP_READV | 1u << EVPOLL_OP_ACCEPT |                         \
   1u << EVPOLL_OP_RECV_MESSAGE)
#define EVP_CODES_OF_WRITES                                                                        \
  (1u << EVPOLL_OP_WRITE | 1u << EVPOLL_OP_WRITEV | 1u << EVPOLL_OP_CONNECT |                      \
   1u << EVPOLL_OP_SEND_MESSAGE | 1u << EVPOLL_OP_SEND_FILE | 1u << EVPOLL_OP_SHUTDOWN)

/* A code's; EVP_FLOWS: none. */
static inline int evp_flow_of(uint32_t code) {
  if (EVP_CODES_OF_READS >> code & 1) return EVP_READS;
  if (EVP_CODES_OF_WRITES >> code & 1) return EVP_WRITES;
  return code == EVPOLL_OP_POLL ? EVP_POLLS : EVP_FLOWS;
}
static inline struct evp_flow *evp_flow_for(struct evp_target *t, uint32_t code) {
  return &t->stream.flows[evp_flow_of(code)];
}

static inline void evp_flow_append(struct evp_flow *f, struct evp_op *op) {
  op->queued = true;
  op->before = f->last;
  op->next = NULL;
  *(f->last ? &f->last->next : &f->first) = op;
  f->last = op;
}

static inline void evp_flow_put_first(struct evp_flow *f, struct evp_op *op) {
  op->queued = true;
  op->before = NULL;
  op->next = f->first;
  *(f->first ? &f->first->before : &f->last) = op;
  f->first = op;
}

static inline void evp_flow_take(struct evp_flow *f, struct evp_op *op) {
  op->queued = false;
  *(op->before ? &op->before->next : &f->first) = op->next;
  *(op->next ? &op->next->before : &f->last) = op->before;
  op->before = op->next = NULL;
}

/* Is there something that a call may get done? */
static inline bool evp_flow_has_work(const struct evp_target *t, int which) {
  const struct evp_flow *f = &t->stream.flows[which];
  if (!f->first || (which == EVP_READS && t->stream.connecting)) return false;
  return f->ready || f->error || f->first->fresh || f->first->code == EVPOLL_OP_SHUTDOWN;
}
/* ... and nobody who makes it? */
static inline bool evp_flow_is_due(const struct evp_target *t, int which) {
  return !t->stream.flows[which].busy && evp_flow_has_work(t, which);
}
static inline bool evp_flows_are_due(const struct evp_target *t) {
  return evp_flow_is_due(t, EVP_POLLS) || evp_flow_is_due(t, EVP_WRITES) ||
         evp_flow_is_due(t, EVP_READS);
}

/* Bits that what is queued there waits for. */
uint32_t evp_flow_polls(const struct evp_target *t);
static inline uint32_t evp_flow_wants(const struct evp_target *t, int which) {
  if (which == EVP_READS) return EVPOLL_READABLE | EVPOLL_READ_CLOSED;
  return which == EVP_WRITES ? EVPOLL_WRITABLE : evp_flow_polls(t);
}

/* ---- performer.c, by who has a use of the target ------------------------------------------ */

enum { EVP_MOST_CALLS = 64 };

/* Makes calls for what is queued, the lock given back around each, as far as the budget goes.
 * finish: an operation is over. True: it is the first for who collects, and nobody was told.
 * learn: what a call tells of its direction. */
bool evp_flow_perform(evpoll *p, struct evp_target *t, int which, int *budget);
bool evp_flow_finish(evpoll *p, struct evp_op *op, int64_t result);
void evp_flow_learn(evpoll *p, struct evp_target *t, struct evp_flow *f,
                    const struct evp_stream_call *c, int64_t result);

/* ---- stream.c ----------------------------------------------------------------------------- */

/* What is left is done by the next wait; true: nobody was told to come for another. */
bool evp_stream_go_hungry(evpoll *p, struct evp_target *t);
/* There is no room for a connection, which stays: the next try comes with another one, or soon. */
void evp_stream_starve(evpoll *p, struct evp_target *t);

#endif
