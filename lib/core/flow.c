/* SPDX-License-Identifier: MIT */
#include "core/flow.h"

/* What was begun in the call, which kept the direction, comes first; so does a new poll, which has
 * to look once by itself: the edge may have been before. */
void evp_stream_queue(struct evp_target *t, struct evp_op *op) {
  struct evp_flow *f = evp_flow_for(t, op->code);
  if (op->code == EVPOLL_OP_CONNECT) t->stream.connecting = true;
  op->fresh = op->code == EVPOLL_OP_POLL;
  if (!op->moved && !op->fresh) {
    evp_flow_append(f, op);
    return;
  }
  if (op->moved) f->busy = false;
  evp_flow_put_first(f, op);
}

uint32_t evp_flow_polls(const struct evp_target *t) {
  uint32_t bits = 0;
  for (const struct evp_op *op = t->stream.flows[EVP_POLLS].first; op; op = op->next)
    bits |= (uint32_t)op->length;
  return bits & EVPOLL_READABLE ? bits | EVPOLL_READ_CLOSED : bits;
}
