/* SPDX-License-Identifier: MIT */
/* Lists: operations that report once, when the last of them is over. The list's event is made of
 * that operation's completion, so that it needs no queue of its own; the results are kept until
 * they are taken, or the poller is closed. */
#include <stdlib.h>
#include <string.h>

#include "core/poller.h"
#include "core/status.h"
#include "core/target.h"

static struct evp_list *take_list(evpoll *p, uint32_t n, uint64_t token) {
  evpoll_result *results = calloc(n, sizeof *results);
  struct evp_list *l = p->io.free_lists;
  if (!l && results && p->io.lists_used < EVP_INDEX_MASK) {
    l = evp_table_reach(&p->io.lists, p->io.lists_used);
    if (l) l->id = p->io.lists_used++ | EVP_LIST_ID;
  } else if (l && results) {
    p->io.free_lists = l->next;
  }
  if (!l || !results) {
    free(results);
    return NULL;
  }
  *l = (struct evp_list){.id = evp_id_next(l->id), .token = token, .results = results, .n = n};
  l->live = true;
  return l;
}

static void put_list(evpoll *p, struct evp_list *l) {
  /* Freed last: a fork() in between must not leave the child results that are gone. */
  evpoll_result *results = l->results;
  l->results = NULL;
  l->live = false;
  free(results);
  l->next = p->io.free_lists;
  p->io.free_lists = l;
}

struct evp_list *evp_list_find(evpoll *p, uint64_t id) {
  struct evp_list *l = evp_table_at(&p->io.lists, evp_id_index(id));
  return l && l->id == id && l->live ? l : NULL;
}

bool evp_list_complete(struct evp_list *l, uint32_t entry, int64_t result, int32_t status,
                       evpoll_event *out) {
  l->results[entry] = (evpoll_result){.result = result, .status = status};
  l->succeeded += status == 0;
  if (--l->pending) return false;
  l->delivered = true;
  *out = (evpoll_event){
      .token = l->token,
      .op = l->id,
      .result = l->succeeded,
      .events = EVPOLL_IO_LIST,
      .status = l->succeeded == l->n ? 0 : EVPOLL_ERR_PARTIAL,
  };
  return true;
}

/* The targets of a list's entries, with a use of each that is not NULL. */
static void drop_targets(evpoll *p, struct evp_target **targets, int32_t n) {
  for (int32_t i = 0; i < n; i++)
    if (targets[i]) evp_target_drop(p, targets[i]);
  free(targets);
}

static int32_t find_target(evpoll *p, const evpoll_io *io, struct evp_target **out) {
  *out = evp_target_acquire(p, io->handle);
  if (!*out) return evp_fail(EVPOLL_ERR_NOT_FOUND);
  const bool fits = !evp_is_stream(&(*out)->stream) && evp_op_fits(*out, io);
  return fits ? 0 : evp_fail(EVPOLL_ERR_UNSUPPORTED);
}

/* Each refused entry says why; the first refusal is the list's. */
static int32_t check_list(evpoll *p, evpoll_io *ios, int32_t n, struct evp_target **targets) {
  int32_t first = 0, os_code = 0;
  for (int32_t i = 0; i < n; i++) {
    int32_t status = evp_op_check(&ios[i]);
    const bool fits = !(ios[i].flags & ~(uint32_t)(EVPOLL_OPF_ALL | EVPOLL_OPF_DURABLE));
    if (status == 0 && (!fits || ios[i].code == EVPOLL_OP_CLOSE))
      status = evp_fail(EVPOLL_ERR_INVALID);
    if (status == 0 && ios[i].code != EVPOLL_OP_TIMER)
      status = find_target(p, &ios[i], &targets[i]);
    ios[i].op = 0;
    ios[i].status = status;
    if (status < 0) ios[i].offset = evpoll_os_error();
    if (first < 0 || status == 0) continue;
    first = status;
    os_code = evpoll_os_error();
  }
  return first < 0 ? evp_fail_as(first, os_code) : 0;
}

/* Nobody has to start them. */
static void leave_out_timers(struct evp_op **at) {
  for (struct evp_op *op; (op = *at);) {
    if (op->target)
      at = &op->next;
    else
      *at = op->next;
  }
}

/* Lock held. All of the list's operations, or none. */
static int32_t prepare_list(evpoll *p, evpoll_io *ios, uint32_t n, struct evp_target **targets,
                            struct evp_list *l, struct evp_op **chain_out) {
  struct evp_op **end = chain_out;
  int32_t status = 0;
  int64_t now = 0;
  for (uint32_t i = 0; i < n; i++) {
    struct evp_op *op = NULL;
    status = targets[i] && atomic_load(&targets[i]->uses) & EVP_ENDED
                 ? evp_fail(EVPOLL_ERR_NOT_FOUND)
                 : evp_op_prepare(p, &ios[i], targets[i], &now, &op);
    if (status < 0) {
      ios[i].status = status;
      ios[i].offset = evpoll_os_error();
      break;
    }
    op->list = l;
    op->entry = i;
    ios[i].op = op->id;
    *end = op;
    end = &op->next;
  }
  *end = NULL;
  if (status == 0) leave_out_timers(chain_out);
  if (status == 0) return 0;
  for (struct evp_op *op = *chain_out, *next; op; op = next) {
    next = op->next;
    evp_op_free(p, op);
  }
  for (uint32_t k = 0; k < n; k++) ios[k].op = 0;
  return status;
}

/* The list, and its operations as a chain. */
static int32_t enter_list(evpoll *p, evpoll_io *ios, uint32_t n, struct evp_target **targets,
                          uint64_t token, uint64_t *op_out, struct evp_op **chain_out) {
  if (evp_is_shut_down(p)) return evp_fail(EVPOLL_ERR_SHUTDOWN);
  if (evp_io_room(p) < n) return evp_fail(EVPOLL_ERR_AGAIN);
  struct evp_list *l = take_list(p, n, token);
  if (!l) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  const int32_t status = prepare_list(p, ios, n, targets, l, chain_out);
  if (status < 0) {
    put_list(p, l);
    return status;
  }
  l->pending = n;
  if (op_out) *op_out = l->id;
  evp_io_count_in(p, n);
  return 0;
}

static int32_t start_list(evpoll *p, evpoll_io *ios, int32_t n, struct evp_target **targets,
                          uint64_t token, uint64_t *op_out) {
  struct evp_op *chain = NULL;
  evp_io_lock(p);
  const int32_t status = enter_list(p, ios, (uint32_t)n, targets, token, op_out, &chain);
  evp_io_unlock(p);
  if (status < 0) return status;
  atomic_fetch_add_explicit(&p->io.submitted, (uint64_t)n, memory_order_relaxed);
  evp_io_start_or_fail(p, chain);
  return n;
}

int32_t evp_io_submit_list(evpoll *p, evpoll_io *ios, int32_t n, uint64_t token, uint64_t *op_out) {
  if (n < 1) return evp_fail(EVPOLL_ERR_INVALID);
  if ((uint32_t)n > p->io_limit) return evp_fail(EVPOLL_ERR_LIMIT);
  if (evp_is_shut_down(p)) return evp_fail(EVPOLL_ERR_SHUTDOWN);
  struct evp_target **targets = calloc((size_t)n, sizeof(struct evp_target *));
  if (!targets) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  int32_t status = check_list(p, ios, n, targets);
  if (status == 0) status = start_list(p, ios, n, targets, token, op_out);
  const int os_code = evpoll_os_error();
  drop_targets(p, targets, n);
  return status < 0 ? evp_fail_as(status, os_code) : status;
}

int32_t evp_io_list_take(evpoll *p, uint64_t op, evpoll_result *results, int32_t n) {
  int32_t status;
  evp_io_lock(p);
  struct evp_list *l = evp_list_find(p, op);
  if (!l) {
    status = evp_fail(EVPOLL_ERR_NOT_FOUND);
  } else if (!l->delivered) {
    status = evp_fail(EVPOLL_ERR_BUSY);
  } else if (n < (int32_t)l->n) {
    status = evp_fail(EVPOLL_ERR_INVALID);
  } else {
    status = (int32_t)l->n;
    memcpy(results, l->results, l->n * sizeof *results);
    put_list(p, l);
  }
  evp_io_unlock(p);
  return status;
}
