/* SPDX-License-Identifier: MIT */
/* APPEND: group commit. */
#ifndef EVP_APPEND_H
#define EVP_APPEND_H

#include "core/operation.h"

/* Lock held: p->io.lock, but in give and serve. need: what a target that is appended to has
 * besides; false: no memory. give: the records that a chain begins with leave it and join their
 * queues, or are over. cancel:
 * true: it was in the queue, and is the caller's to report. serve: a thread of the pool does what
 * its turn came for. */
bool evp_append_need(struct evp_target *t);
void evp_append_give(evpoll *p, struct evp_op **chain);
bool evp_append_cancel(struct evp_op *op);
void evp_append_serve(evpoll *p, struct evp_target *t);

#endif
