/* SPDX-License-Identifier: MIT */
//go:build (linux || darwin || dragonfly || freebsd || netbsd || openbsd || windows) && !evpoll_system

/* Registrations. The order of the steps is what matters here: a registration is published in its
 * slot before the kernel can report it, and ended there before the kernel is told to forget it. */
#include "poller.h"
#include "status.h"

/* The last handles would overflow the table's arithmetic; no system hands them out. */
enum { LAST_INDEX = INT32_MAX - 64 };

struct evp_mutex *evp_source_lock(evpoll *p, uint32_t index) {
  return &p->stripes[index % EVP_STRIPES];
}

void evp_source_lock_all(evpoll *p) {
  for (int i = 0; i < EVP_STRIPES; i++) evp_mutex_lock(&p->stripes[i]);
}

void evp_source_unlock_all(evpoll *p) {
  for (int i = EVP_STRIPES; i > 0; i--) evp_mutex_unlock(&p->stripes[i - 1]);
}

static uint32_t state_for(uint32_t generation, uint32_t interest, uint32_t mode) {
  return generation << 24 | EVP_LIVE | evp_report_of(interest) | interest << EVP_INTEREST_SHIFT |
         mode << EVP_MODE_SHIFT | (mode == EVPOLL_ONESHOT ? EVP_ARMED : 0u);
}

static int32_t check(evpoll_handle h, uint32_t interest, uint32_t mode) {
  if (interest & ~(uint32_t)(EVPOLL_READABLE | EVPOLL_WRITABLE | EVPOLL_PRIORITY))
    return evp_fail(EVPOLL_ERR_INVALID);
  if (mode > EVPOLL_ONESHOT) return evp_fail(EVPOLL_ERR_INVALID);
  if (h < 0 || h > LAST_INDEX) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  if ((interest & EVPOLL_PRIORITY) && !(evp_backend.features & EVPOLL_FEATURE_PRIORITY))
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  return 0;
}

/* A new generation starts with its number: see evp_source_read(). */
static void publish(struct evp_source *s, uint32_t generation, uint64_t token, uint32_t state) {
  atomic_store_explicit(&s->generation, generation, memory_order_relaxed);
  atomic_store_explicit(&s->token, token, memory_order_release);
  atomic_store_explicit(&s->state, state, memory_order_release);
}

static uint32_t next_generation(struct evp_source *s) {
  const uint32_t old = atomic_load_explicit(&s->generation, memory_order_relaxed);
  return old + 1 < EVP_NO_GENERATION ? old + 1 : 1;
}

void evp_source_end(struct evp_source *s) { publish(s, next_generation(s), 0, 0); }

int32_t evp_source_add(evpoll *p, evpoll_handle h, uint64_t token, uint32_t interest,
                       uint32_t mode) {
  int32_t status = check(h, interest, mode);
  if (status < 0) return status;
  const uint32_t index = (uint32_t)h;
  /* The size of the table follows the largest handle: a wrong one must not decide it. */
  const int os_code = evp_table_at(&p->sources, index) ? 0 : evp_handle_check(h);
  if (os_code) return evp_fail_os(os_code);
  struct evp_source *s = evp_table_reach(&p->sources, index);
  if (!s) return evp_fail(EVPOLL_ERR_NO_MEMORY);

  struct evp_mutex *lock = evp_source_lock(p, index);
  evp_mutex_lock(lock);
  if (evp_is_shut_down(p)) {
    evp_mutex_unlock(lock);
    return evp_fail(EVPOLL_ERR_SHUTDOWN);
  }
  const uint32_t was = atomic_load_explicit(&s->state, memory_order_relaxed);
  const uint32_t old = atomic_load_explicit(&s->generation, memory_order_relaxed);
  const uint64_t old_token = atomic_load_explicit(&s->token, memory_order_relaxed);
  const uint32_t next = next_generation(s);
  publish(s, next, token, state_for(next, interest, mode));

  bool gone = false;
  status = evp_backend.watch(p, h, s, was, true, &gone);
  if (status == 0)
    status = was & EVP_LIVE ? 1 : 0;
  else if (gone || !(was & EVP_LIVE))
    evp_source_end(s);
  else
    publish(s, old, old_token, was);
  evp_mutex_unlock(lock);
  return status;
}

/* Finds the registration that handle and token name; returns with its lock held when 0. */
static int32_t find(evpoll *p, evpoll_handle h, uint64_t token, struct evp_source **out) {
  if (h < 0 || h > LAST_INDEX) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  struct evp_source *s = evp_table_at(&p->sources, (uint32_t)h);
  if (!s) return evp_fail(EVPOLL_ERR_NOT_FOUND);
  struct evp_mutex *lock = evp_source_lock(p, (uint32_t)h);
  evp_mutex_lock(lock);
  int32_t status = 0;
  if (!(atomic_load_explicit(&s->state, memory_order_relaxed) & EVP_LIVE))
    status = EVPOLL_ERR_NOT_FOUND;
  else if (atomic_load_explicit(&s->token, memory_order_relaxed) != token)
    status = EVPOLL_ERR_STALE;
  if (status < 0) {
    evp_mutex_unlock(lock);
    return evp_fail(status);
  }
  *out = s;
  return 0;
}

int32_t evp_source_modify(evpoll *p, evpoll_handle h, uint64_t token, uint32_t interest,
                          uint32_t mode) {
  int32_t status = check(h, interest, mode);
  if (status < 0) return status;
  if (evp_is_shut_down(p)) return evp_fail(EVPOLL_ERR_SHUTDOWN);
  struct evp_source *s = NULL;
  status = find(p, h, token, &s);
  if (status < 0) return status;

  const uint32_t was = atomic_load_explicit(&s->state, memory_order_relaxed);
  const uint32_t generation = atomic_load_explicit(&s->generation, memory_order_relaxed);
  atomic_store_explicit(&s->state, state_for(generation, interest, mode), memory_order_release);
  bool gone = false;
  status = evp_backend.watch(p, h, s, was, false, &gone);
  if (gone)
    evp_source_end(s);
  else if (status < 0)
    atomic_store_explicit(&s->state, was, memory_order_release);
  evp_mutex_unlock(evp_source_lock(p, (uint32_t)h));
  return status;
}

/* Lock held, so that no atomic addition is needed. */
static void count_rearm(evpoll *p, uint32_t index) {
  _Atomic uint64_t *counter = &p->rearms[index % EVP_STRIPES];
  const uint64_t was = atomic_load_explicit(counter, memory_order_relaxed);
  atomic_store_explicit(counter, was + 1, memory_order_relaxed);
}

int32_t evp_source_rearm(evpoll *p, evpoll_handle h, uint64_t token, uint32_t bits) {
  if (evp_is_shut_down(p)) return evp_fail(EVPOLL_ERR_SHUTDOWN);
  struct evp_source *s = NULL;
  int32_t status = find(p, h, token, &s);
  if (status < 0) return status;

  const uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);
  bool gone = false;
  if (bits == 0 || (bits & ~((state & EVP_INTEREST) >> EVP_INTEREST_SHIFT)))
    status = evp_fail(EVPOLL_ERR_INVALID);
  else if (evp_mode_of(state) != EVPOLL_LEVEL)
    status = evp_backend.rearm(p, h, s, bits, &gone);
  if (gone) evp_source_end(s);
  if (status == 0) count_rearm(p, (uint32_t)h);
  evp_mutex_unlock(evp_source_lock(p, (uint32_t)h));
  return status;
}

int32_t evp_source_remove(evpoll *p, evpoll_handle h, uint64_t token) {
  struct evp_source *s = NULL;
  const int32_t status = find(p, h, token, &s);
  if (status < 0) return status;
  const uint32_t was = atomic_load_explicit(&s->state, memory_order_relaxed);
  evp_source_end(s);
  evp_backend.unwatch(p, h, was);
  evp_mutex_unlock(evp_source_lock(p, (uint32_t)h));
  return 0;
}
