/* SPDX-License-Identifier: MIT */
/* Streams. Each direction of a handle has a queue, served in order by one performer at a time:
 * under p->io.lock it takes the direction, with a use of the target, and then makes the calls
 * without any lock. Who comes meanwhile (an edge, a submission, a cancel, a limit) leaves a note
 * and goes on: `noted`, `ready`, the queue itself, `cancel_asked`. The performer looks at them
 * under the lock before it lets go, so that nothing is left for which nobody comes. What was done
 * beats a request to end it.
 *
 * The kernel tells by edges. A direction is ready from an edge until a call says "not now"; an edge
 * that came during that call counts. On plain TCP a read that gets less than it could says the
 * same, as long as no end, error or urgent mark was seen since the handle was added: data and FIN
 * may come by one edge, and with SCM_RIGHTS, packets and lines a short read says nothing at all.
 * Writability is asked for when it is needed, but on TCP, where an edge comes only after a write
 * that had no room: elsewhere each of the peer's reads would be one. */
#include "core/stream.h"

#include "core/flow.h"
#include "core/poller.h"
#include "core/status.h"

enum { RETRY_NS = 100000000 };

uint32_t evp_stream_interest(const struct evp_stream *s) {
  if (s->kind.unpolled || evp_backend.edges_once) return 0;
  const uint32_t priority = evp_backend.features & EVPOLL_FEATURE_PRIORITY ? EVPOLL_PRIORITY : 0;
  switch (s->kind.kind) {
  case EVP_TCP: return EVPOLL_READABLE | EVPOLL_READ_CLOSED | EVPOLL_WRITABLE | priority;
  case EVP_SOCKET: return EVPOLL_READABLE | EVPOLL_READ_CLOSED | priority;
  }
  return EVPOLL_READABLE | EVPOLL_READ_CLOSED;
}

/* ---- what comes later --------------------------------------------------------------------- */

bool evp_stream_go_hungry(evpoll *p, struct evp_target *t) {
  const bool first = !atomic_load_explicit(&p->io.hungry, memory_order_relaxed);
  if (t->stream.hungry) return false;
  t->stream.hungry = true;
  t->refs++;
  t->stream.next_hungry = NULL;
  if (first)
    atomic_store(&p->io.hungry, t);
  else
    p->io.last_hungry->stream.next_hungry = t;
  p->io.last_hungry = t;
  return first;
}

void evp_stream_starve(evpoll *p, struct evp_target *t) {
  if (!p->io.retry.place) {
    /* Without an alarm it bounds sleeps, with nothing in flight too; first, as who comes to sleep
     * is either seen there, or sees it. */
    evp_attend(p, EVP_ATTN_RETRY);
    if (evp_timer_set(p, &p->io.retry, RETRY_NS) < 0) {
      atomic_fetch_and(&p->attention, ~(uint32_t)EVP_ATTN_RETRY);
      return;
    }
  }
  t->stream.flows[EVP_READS].ready = false;
  if (t->stream.starved) return;
  t->stream.starved = true;
  t->refs++;
  t->stream.next_starved = p->io.starved;
  p->io.starved = t;
}

void evp_stream_retry(evpoll *p) {
  struct evp_target *t = p->io.starved;
  p->io.starved = NULL;
  atomic_fetch_and(&p->attention, ~(uint32_t)EVP_ATTN_RETRY);
  for (struct evp_target *next; t; t = next) {
    next = t->stream.next_starved;
    t->stream.starved = false;
    t->stream.flows[EVP_READS].ready = true;
    if (evp_flows_are_due(t)) evp_stream_go_hungry(p, t);
    evp_target_unref(t);
  }
}

/* ---- asking the kernel -------------------------------------------------------------------- */

/* Lock held. Bits that somebody waits for, and nobody will look at but after an edge. */
static uint32_t awaited_bits(const struct evp_target *t) {
  uint32_t bits = 0;
  for (int i = 0; i < EVP_FLOWS; i++) {
    const struct evp_flow *f = &t->stream.flows[i];
    const bool paused = i == EVP_READS && t->stream.starved; /* it is tried again */
    if (f->first && !f->busy && !paused && !evp_flow_is_due(t, i)) bits |= evp_flow_wants(t, i);
  }
  return t->stream.kind.unpolled ? 0 : bits;
}

/* No lock held. The kernel is to tell of what it is asked for by now: of several threads the last
 * one says it all. */
static int32_t ask_for(evpoll *p, struct evp_target *t) {
  const uint32_t index = (uint32_t)t->handle;
  int32_t status = 0;
  bool gone = false;
  evp_mutex_lock(evp_source_lock(p, index));
  if (!(atomic_load(&t->uses) & EVP_ENDED)) {
    struct evp_source *s = evp_table_at(&p->sources, index);
    evp_io_lock(p);
    const uint32_t bits = evp_stream_interest(&t->stream) | t->stream.asked;
    evp_io_unlock(p);
    if (bits) status = evp_source_ask(p, t->handle, s, bits, &gone);
  }
  evp_mutex_unlock(evp_source_lock(p, index));
  return status;
}

/* Lock held; given back meanwhile. Asks for what is missing; what cannot be asked for fails. True
 * as evp_flow_finish(). */
static bool ask_missing(evpoll *p, struct evp_target *t, uint32_t bits) {
  const uint32_t before = t->stream.asked;
  t->stream.asked |= bits; /* first: an edge takes it away where it comes once */
  evp_io_unlock(p);
  const int32_t status = ask_for(p, t);
  const int os_code = status < 0 ? evpoll_os_error() : 0;
  evp_io_lock(p);
  if (status == 0) return false;
  t->stream.asked = before;
  bool first = false;
  for (int i = 0; i < EVP_FLOWS; i++)
    while (!t->stream.flows[i].busy && t->stream.flows[i].first && (evp_flow_wants(t, i) & bits))
      first |= evp_flow_finish(p, t->stream.flows[i].first,
                               -(int64_t)(os_code ? os_code : evp_os_no_memory()));
  return first;
}

/* Lock held. An edge told that writing is possible, and nobody waits for that: it is not asked for
 * any more, since each of the peer's reads may be such an edge. */
static bool asks_too_much(const struct evp_target *t) {
  if (!t->stream.idle_edge) return false;
  return t->stream.asked & ~(evp_stream_interest(&t->stream) | awaited_bits(t));
}

/* Lock held; given back meanwhile. False: there is nothing to ask. */
static bool ask_kernel_for(evpoll *p, struct evp_target *t, bool *first) {
  const uint32_t missing = awaited_bits(t) & ~t->stream.asked;
  if (!missing && !asks_too_much(t)) return false;
  if (!missing) t->stream.asked &= evp_stream_interest(&t->stream) | awaited_bits(t);
  t->stream.idle_edge = false;
  *first |= ask_missing(p, t, missing);
  return true;
}

/* ---- turns -------------------------------------------------------------------------------- */

/* Lock held. Is there nothing to do, to ask for, or not to be asked for any more? */
static bool is_idle(const struct evp_stream *s) {
  return !s->flows[EVP_POLLS].first && !s->flows[EVP_WRITES].first && !s->flows[EVP_READS].first &&
         !s->idle_edge;
}

bool evp_stream_run_locked(evpoll *p, struct evp_target *t) {
  int budget = EVP_MOST_CALLS;
  bool first = false;
  do {
    for (int i = 0; i < EVP_FLOWS; i++)
      if (evp_flow_is_due(t, i)) first |= evp_flow_perform(p, t, i, &budget);
    if (is_idle(&t->stream)) return first;
  } while ((budget > 0 && evp_flows_are_due(t)) || ask_kernel_for(p, t, &first));
  if (evp_flows_are_due(t)) first |= evp_stream_go_hungry(p, t);
  return first;
}

bool evp_stream_run(evpoll *p, struct evp_target *t) {
  evp_io_lock(p);
  const bool first = evp_stream_run_locked(p, t);
  evp_io_unlock(p);
  return first;
}

bool evp_stream_is_due(const struct evp_target *t) {
  return evp_flows_are_due(t) || (awaited_bits(t) & ~t->stream.asked) || asks_too_much(t);
}

struct run {
  struct evp_target *first, **end;
};

/* Lock held. It is run when the lock was given back, with a use that is taken here. */
static void list_run(struct run *r, struct evp_target *t) {
  if (t->stream.listed || !(evp_flows_are_due(t) || asks_too_much(t)) || !evp_target_take(t))
    return;
  t->stream.listed = true;
  t->stream.next_listed = NULL;
  *r->end = t;
  r->end = &t->stream.next_listed;
}

/* Lock held; given back meanwhile. */
static void run_all(evpoll *p, struct run *r) {
  for (struct evp_target *t = r->first, *next; t; t = next) {
    next = t->stream.next_listed; /* it may be listed anew as soon as it runs */
    t->stream.listed = false;
    evp_stream_run_locked(p, t);
    evp_target_drop_later(p, t);
  }
}

/* Lock held. */
static void note_edge(struct evp_target *t, uint32_t bits) {
  struct evp_stream *s = &t->stream;
  const uint32_t ends = EVPOLL_READ_CLOSED | EVPOLL_WRITE_CLOSED | EVPOLL_ERROR;
  const bool reads = bits & (EVPOLL_READABLE | EVPOLL_PRIORITY | ends);
  const bool writes = bits & (EVPOLL_WRITABLE | EVPOLL_WRITE_CLOSED | EVPOLL_ERROR);
  if (bits & (EVPOLL_PRIORITY | ends)) s->kind.ends_short = false;
  if (evp_backend.edges_once) /* the end is told of as readable too, and asked for with that */
    s->asked &= ~(bits & EVPOLL_READABLE ? bits | EVPOLL_READ_CLOSED : bits);
  if (writes && !s->flows[EVP_WRITES].first && (s->asked & ~evp_stream_interest(s)))
    s->idle_edge = true;
  if (reads) s->flows[EVP_READS].ready = s->flows[EVP_READS].noted = true;
  if (writes) s->flows[EVP_WRITES].ready = s->flows[EVP_WRITES].noted = true;
  s->flows[EVP_POLLS].ready = s->flows[EVP_POLLS].noted = true;
}

/* Lock held. The handle was closed without a word. Who performs finds out, and who comes later. */
static void end_waiting(evpoll *p, struct evp_target *t) {
  t->stream.asked = 0;
  for (int i = 0; i < EVP_FLOWS; i++) {
    struct evp_flow *f = &t->stream.flows[i];
    f->ready = true;
    while (!f->busy && f->first) evp_flow_finish(p, f->first, -(int64_t)evp_os_no_handle());
  }
  if (!t->stream.flows[EVP_WRITES].first) t->stream.connecting = false;
}

int32_t evp_stream_hear(evpoll *p, evpoll_event *events, int32_t n, int32_t capacity) {
  struct run r = {.first = NULL, .end = &r.first};
  int32_t kept = 0;
  evp_io_lock(p);
  for (int32_t i = 0; i < n; i++) {
    const evpoll_event e = events[i];
    if (!(e.events & EVP_EDGE)) {
      events[kept++] = e;
      continue;
    }
    struct evp_target *t = evp_target_named(p, (uint32_t)e.token, (uint32_t)(e.token >> 32));
    if (!t) continue;
    if (e.events & EVP_GONE) {
      end_waiting(p, t);
      continue;
    }
    note_edge(t, e.events & ~EVP_EDGE);
    list_run(&r, t);
  }
  run_all(p, &r);
  kept += evp_io_collect_locked(p, events + kept, capacity - kept);
  evp_io_unlock(p);
  return kept;
}

void evp_stream_feed(evpoll *p) {
  struct run r = {.first = NULL, .end = &r.first};
  evp_io_lock(p);
  struct evp_target *t = atomic_load_explicit(&p->io.hungry, memory_order_relaxed);
  atomic_store(&p->io.hungry, NULL);
  for (struct evp_target *next; t; t = next) {
    next = t->stream.next_hungry;
    t->stream.hungry = false;
    list_run(&r, t);
    evp_target_unref(t);
  }
  run_all(p, &r);
  evp_io_unlock(p);
}
