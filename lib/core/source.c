/* SPDX-License-Identifier: MIT */
/* Registrations. The order of the steps is what matters here: a registration is published in its
 * slot before the kernel can report it, and ended there before the kernel is told to forget it. */
#include "core/poller.h"
#include "core/status.h"
#include "core/target.h"

struct evp_mutex *evp_source_lock(evpoll *p, uint32_t index) {
  return &p->stripes[index % EVP_STRIPES];
}

void evp_source_lock_all(evpoll *p) {
  for (int i = 0; i < EVP_STRIPES; i++) evp_mutex_lock(&p->stripes[i]);
}

void evp_source_unlock_all(evpoll *p) {
  for (int i = EVP_STRIPES; i > 0; i--) evp_mutex_unlock(&p->stripes[i - 1]);
}

static uint32_t state_for(uint32_t interest, uint32_t mode) {
  return EVP_LIVE | evp_report_of(interest) | interest << EVP_INTEREST_SHIFT |
         mode << EVP_MODE_SHIFT | (mode == EVPOLL_ONESHOT ? EVP_ARMED : 0u);
}

/* What is not known is unsupported, so that a program can ask a library by trying. */
static int32_t source_check(evpoll_handle h, uint32_t interest, uint32_t mode) {
  const uint32_t interests =
      EVPOLL_READABLE | EVPOLL_WRITABLE | EVPOLL_PRIORITY | EVPOLL_READ_CLOSED;
  const uint32_t told = EVPOLL_WRITE_CLOSED | EVPOLL_ERROR | EVPOLL_IO | EVPOLL_IO_LIST |
                        EVPOLL_AIO | EVPOLL_LIO | EVPOLL_WAKE | EVPOLL_POST;
  if (mode > EVPOLL_OPERATIONS || (interest & ~(interests | told)))
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  if (interest & told) return evp_fail(EVPOLL_ERR_INVALID);
  if (mode == EVPOLL_OPERATIONS && interest) return evp_fail(EVPOLL_ERR_INVALID);
  if (h < 0 || h > EVP_LAST_INDEX) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  if ((interest & EVPOLL_PRIORITY) && !(evp_backend.features & EVPOLL_FEATURE_PRIORITY))
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  return 0;
}

/* A new registration starts with its generation: see evp_source_read(). */
static void publish(struct evp_source *s, uint32_t generation, uint64_t token, uint32_t state) {
  atomic_store_explicit(&s->word, evp_word(generation, state), memory_order_release);
  atomic_store_explicit(&s->token, token, memory_order_release);
}

static uint32_t source_next_generation(struct evp_source *s) {
  const uint32_t old = evp_source_generation(s);
  return old + 1 < EVP_NO_GENERATION ? old + 1 : 1;
}

void evp_source_end(struct evp_source *s) { publish(s, source_next_generation(s), 0, 0); }

/* Lock held. A change was refused, and what there was is as it was: under its generation, if the
 * kernel knows that, else under a new one, so that a reader that saw the new token sees an end.
 * Where events that came meanwhile were taken for stale, it is watched again, as by modify; what
 * was silent stays so. */
static void restore(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t generation,
                    uint64_t token, uint32_t was) {
  if (!evp_backend.refusal_costs) {
    publish(s, was & EVP_IN_SET ? generation : source_next_generation(s), token, was);
    return;
  }
  const int32_t os_code = evpoll_os_error();
  const uint32_t interest = (was & EVP_INTEREST) >> EVP_INTEREST_SHIFT;
  const uint32_t bits = was & interest; /* EVP_REPORT is in the lowest bits */
  bool gone = false;
  publish(s, source_next_generation(s), token,
          was & ~(uint32_t)(EVP_IN_SET | EVP_KERNEL | EVP_PARKED));
  const int32_t status = evp_backend.watch(p, h, s, was, false, &gone);
  if (status == 0 && (was & EVP_ARMED) && evp_report_of(bits) != evp_report_of(interest))
    evp_backend.rearm(p, h, s, bits, &gone);
  if (gone)
    evp_source_end(s);
  else if (status < 0)
    publish(s, generation, token, was);
  evp_set_os_code(os_code);
}

/* Lock held. */
static int32_t add_locked(evpoll *p, evpoll_handle h, struct evp_source *s, uint64_t token,
                          uint32_t state) {
  if (evp_is_shut_down(p)) return evp_fail(EVPOLL_ERR_SHUTDOWN);
  const uint32_t was = evp_source_state(s);
  const uint32_t old = evp_source_generation(s);
  const uint64_t old_token = atomic_load_explicit(&s->token, memory_order_relaxed);
  publish(s, source_next_generation(s), token, state);
  bool gone = false;
  const int32_t status = evp_backend.watch(p, h, s, was, true, &gone);
  if (status == 0) return was & EVP_LIVE ? 1 : 0;
  if (gone || !(was & EVP_LIVE))
    evp_source_end(s);
  else
    restore(p, h, s, old, old_token, was);
  return status;
}

/* A handle that is registered for operations ends that first, which is not done under the lock. */
static int32_t add_over(evpoll *p, evpoll_handle h, struct evp_source *s, uint64_t token,
                        uint32_t state) {
  struct evp_mutex *lock = evp_source_lock(p, (uint32_t)h);
  int32_t vacated = 0;
  evp_mutex_lock(lock);
  for (bool again = false; evp_target_is_at(p, (uint32_t)h); again = true) {
    evp_mutex_unlock(lock);
    if (again) return evp_fail(EVPOLL_ERR_BUSY); /* another thread adds it all the time */
    vacated = evp_target_vacate(p, h);
    if (vacated < 0) return vacated;
    evp_mutex_lock(lock);
  }
  const int32_t status = add_locked(p, h, s, token, state);
  evp_mutex_unlock(lock);
  return status < 0 ? status : status | vacated;
}

int32_t evp_source_add(evpoll *p, evpoll_handle h, uint64_t token, uint32_t interest,
                       uint32_t mode) {
  const int32_t status = source_check(h, interest, mode);
  if (status < 0) return status;
  if (mode == EVPOLL_OPERATIONS) return evp_target_add(p, h, token);
  const uint32_t index = (uint32_t)h;
  /* The size of the table follows the largest handle: a wrong one must not decide it. */
  const int os_code = evp_table_at(&p->sources, index) ? 0 : evp_handle_check(h);
  if (os_code) return evp_fail_os(os_code);
  struct evp_source *s = evp_table_reach(&p->sources, index);
  if (!s) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  return add_over(p, h, s, token, state_for(interest, mode));
}

int32_t evp_source_ask(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t interest,
                       bool *gone_out) {
  if (evp_backend.edges_once) return evp_backend.rearm(p, h, s, interest, gone_out);
  const uint32_t was = evp_source_state(s);
  evp_source_set_state(s, state_for(interest, EVPOLL_OPERATIONS));
  const int32_t status = evp_backend.watch(p, h, s, was, false, gone_out);
  if (status < 0 && !*gone_out) evp_source_set_state(s, was);
  return status;
}

int32_t evp_source_take_over(evpoll *p, evpoll_handle h, struct evp_source *s, uint64_t token,
                             uint32_t interest) {
  if (interest) return add_locked(p, h, s, token, state_for(interest, EVPOLL_OPERATIONS));
  const uint32_t was = evp_source_state(s);
  publish(s, source_next_generation(s), token, state_for(0, EVPOLL_OPERATIONS));
  if (was & EVP_LIVE) evp_backend.unwatch(p, h, was);
  return was & EVP_LIVE ? 1 : 0;
}

/* The registration for readiness that handle and token name; returns with its lock held when 0. */
static int32_t source_find(evpoll *p, evpoll_handle h, uint64_t token, struct evp_source **out) {
  if (h < 0 || h > EVP_LAST_INDEX) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  struct evp_source *s = evp_table_at(&p->sources, (uint32_t)h);
  if (!s) return evp_fail(EVPOLL_ERR_NOT_FOUND);
  struct evp_mutex *lock = evp_source_lock(p, (uint32_t)h);
  evp_mutex_lock(lock);
  int32_t status = 0;
  if (!(evp_source_state(s) & EVP_LIVE))
    status = EVPOLL_ERR_NOT_FOUND;
  else if (atomic_load_explicit(&s->token, memory_order_relaxed) != token)
    status = EVPOLL_ERR_STALE;
  else if (evp_mode_of(evp_source_state(s)) == EVPOLL_OPERATIONS)
    status = EVPOLL_ERR_INVALID;
  if (status < 0) {
    evp_mutex_unlock(lock);
    return evp_fail(status);
  }
  *out = s;
  return 0;
}

int32_t evp_source_modify(evpoll *p, evpoll_handle h, uint64_t token, uint32_t interest,
                          uint32_t mode) {
  int32_t status = source_check(h, interest, mode);
  if (status < 0) return status;
  if (mode == EVPOLL_OPERATIONS) return evp_fail(EVPOLL_ERR_INVALID);
  if (evp_is_shut_down(p)) return evp_fail(EVPOLL_ERR_SHUTDOWN);
  struct evp_source *s = NULL;
  status = source_find(p, h, token, &s);
  if (status < 0) return status;

  const uint32_t was = evp_source_state(s), wanted = state_for(interest, mode);
  evp_source_set_state(s, wanted);
  bool gone = false;
  status = evp_backend.watch(p, h, s, was, false, &gone);
  const uint32_t fired = wanted & EVP_ARMED & ~evp_source_state(s);
  if (gone)
    evp_source_end(s);
  else if (status < 0)
    restore(p, h, s, evp_source_generation(s), token, was & ~fired);
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
  int32_t status = source_find(p, h, token, &s);
  if (status < 0) return status;

  const uint32_t state = evp_source_state(s);
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
  int32_t status = evp_target_remove(p, h, token);
  if (status <= 0) return status;
  struct evp_source *s = NULL;
  status = source_find(p, h, token, &s);
  if (status < 0) return status;
  const uint32_t was = evp_source_state(s);
  evp_source_end(s);
  evp_backend.unwatch(p, h, was);
  evp_mutex_unlock(evp_source_lock(p, (uint32_t)h));
  return 0;
}
