/* SPDX-License-Identifier: MIT */
/* Lists: operations that report once, when the last of them is over. The list's event is made of
 * that operation's completion, so that it needs no queue of its own; the results are kept until
 * they are taken, or the poller is closed. */
#include <string.h>

#include "poller.h"
#include "status.h"

static struct evp_list *take_list(evpoll *p, uint32_t n, uint64_t token) {
  evpoll_result *results = calloc(n, sizeof *results);
  struct evp_list *l = p->io.free_lists;
  if (!l && results && p->io.lists_used < 1u << EVP_INDEX_BITS) {
    l = evp_table_reach(&p->io.lists, p->io.lists_used);
    if (l) l->id = p->io.lists_used++ | (uint64_t)1 << 63; /* never an operation's */
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
  free(l->results);
  l->results = NULL;
  l->live = false;
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

/* Each refused entry says why; the first refusal is the list's. */
static int32_t check_list(evpoll *p, evpoll_io *ios, int32_t n) {
  int32_t first = 0, os_code = 0;
  evp_mutex_lock(&p->io.lock);
  for (int32_t i = 0; i < n; i++) {
    const bool looked = i > 0 && ios[i - 1].status == 0 && ios[i - 1].handle == ios[i].handle;
    ios[i].op = 0;
    ios[i].status = ios[i].flags ? evp_fail(EVPOLL_ERR_INVALID) : evp_op_check(&ios[i]);
    if (ios[i].status == 0 && !looked) ios[i].status = evp_kind_check(p, ios[i].handle);
    if (first == 0 && ios[i].status < 0) {
      first = ios[i].status;
      os_code = evpoll_os_error();
    }
  }
  evp_mutex_unlock(&p->io.lock);
  return first < 0 ? evp_fail_as(first, os_code) : 0;
}

/* Lock held. All of the list's operations, or none. */
static int32_t prepare_list(evpoll *p, evpoll_io *ios, uint32_t n, struct evp_list *l,
                            struct evp_op **chain_out) {
  struct evp_op **end = chain_out;
  for (uint32_t i = 0; i < n; i++) {
    struct evp_op *op = NULL;
    const int32_t status = evp_op_prepare(p, &ios[i], &op);
    if (status < 0) {
      while (*chain_out) {
        struct evp_op *next = (*chain_out)->next;
        evp_op_free(p, *chain_out);
        *chain_out = next;
      }
      for (uint32_t k = 0; k < i; k++) ios[k].op = 0;
      return status;
    }
    op->list = l;
    op->entry = i;
    ios[i].op = op->id;
    *end = op;
    end = &op->next;
  }
  return 0;
}

int32_t evp_io_submit_list(evpoll *p, evpoll_io *ios, int32_t n, uint64_t token, uint64_t *op_out) {
  struct evp_io *io = &p->io;
  if (n < 1) return evp_fail(EVPOLL_ERR_INVALID);
  if ((uint32_t)n > p->io_limit) return evp_fail(EVPOLL_ERR_LIMIT);
  if (evp_is_shut_down(p)) return evp_fail(EVPOLL_ERR_SHUTDOWN);
  int32_t status = check_list(p, ios, n);
  if (status < 0) return status;

  struct evp_list *l = NULL;
  struct evp_op *chain = NULL;
  evp_mutex_lock(&io->lock);
  const bool first = atomic_load(&io->in_flight) == 0;
  if (evp_is_shut_down(p)) status = evp_fail(EVPOLL_ERR_SHUTDOWN);
  if (status == 0 && evp_io_room(p) < (uint32_t)n) status = evp_fail(EVPOLL_ERR_AGAIN);
  if (status == 0) status = evp_io_need_engine(p);
  if (status == 0) {
    l = take_list(p, (uint32_t)n, token);
    status = l ? prepare_list(p, ios, (uint32_t)n, l, &chain) : evp_fail(EVPOLL_ERR_NO_MEMORY);
  }
  if (status == 0) {
    l->pending = (uint32_t)n;
    if (op_out) *op_out = l->id;
    evp_io_count_in(p, (uint32_t)n);
  } else if (l) {
    put_list(p, l);
  }
  evp_mutex_unlock(&io->lock);
  if (status < 0) return status;

  atomic_fetch_add_explicit(&io->submitted, (uint64_t)n, memory_order_relaxed);
  int os_code;
  struct evp_op *rest = chain;
  evp_io_start(p, &rest, n, first, false, &os_code);
  /* Validation was passed: what the system would not start has failed, and the list says so. */
  while (rest) {
    struct evp_op *next = rest->next;
    rest->result = -(int64_t)os_code;
    rest->refused = true;
    evp_io_done(p, rest);
    rest = next;
  }
  return n;
}

int32_t evp_io_list_take(evpoll *p, uint64_t op, evpoll_result *results, int32_t n) {
  int32_t status;
  evp_mutex_lock(&p->io.lock);
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
  evp_mutex_unlock(&p->io.lock);
  return status;
}
