/* SPDX-License-Identifier: MIT */
/* FreeBSD: operations that the caller starts with aio_read(), lio_listio() and the like, on an
 * aiocb of its own. All that is ours is the struct sigevent that makes the kernel report to the
 * queue, and a slot that the key in its sival_ptr names.
 *
 * A key has the generation of one arming. Its event makes the request ready, once; what comes after
 * that, or after disarming, is dropped.
 *
 * A single operation is reported EV_ONESHOT. A list ignores such flags: it is reported until each
 * of its entries was returned, so that a wait would spin. Its filter is deleted when the event is
 * first seen. The ident is the address of the caller's array, which may be used for the next list
 * as soon as the event was delivered; so for each arming it is deleted once, before that. */
#include <signal.h>
#include <string.h>

#include "backend/kqueue/kqueue.h"
#include "core/status.h"

/* The key: generation, index, and the bit that tells it from ids of the core's operations. */
enum { INDEX_SHIFT = 1, GENERATION_SHIFT = EVP_INDEX_BITS + INDEX_SHIFT };
#define GENERATIONS (UINTPTR_MAX >> GENERATION_SHIFT)

static uintptr_t foreign_key_of(const struct evp_foreign_slot *slot) {
  return slot->generation << GENERATION_SHIFT | (uintptr_t)slot->index << INDEX_SHIFT |
         EVP_FOREIGN_UDATA;
}

/* 0 is never one: nothing was silenced then. */
static void foreign_next_generation(struct evp_foreign_slot *slot) {
  slot->generation = slot->generation < GENERATIONS ? slot->generation + 1 : 1;
}

static struct evp_foreign_slot *take_slot(struct evp_queue *q) {
  struct evp_foreign_slot *slot = q->free_foreigns;
  if (slot) {
    q->free_foreigns = slot->next_free;
    return slot;
  }
  if (q->foreigns_used >= 1u << EVP_INDEX_BITS) return NULL;
  slot = evp_table_reach(&q->foreigns, q->foreigns_used);
  if (slot) slot->index = q->foreigns_used++;
  return slot;
}

static int32_t foreign_open_foreign(evpoll_aio *aio) {
  evpoll *p = aio->p;
  evp_io_lock(p);
  struct evp_foreign_slot *slot = take_slot(evp_queue_of(p));
  if (slot) slot->aio = aio;
  evp_io_unlock(p);
  aio->native = slot;
  return slot ? 0 : evp_fail(EVPOLL_ERR_NO_MEMORY);
}

static void foreign_close_foreign(evpoll_aio *aio) {
  evpoll *p = aio->p;
  struct evp_queue *q = evp_queue_of(p);
  struct evp_foreign_slot *slot = aio->native;
  evp_io_lock(p);
  slot->aio = NULL;
  slot->next_free = q->free_foreigns;
  q->free_foreigns = slot;
  evp_io_unlock(p);
}

static int32_t foreign_arm(evpoll_aio *aio, void *native_out, uint32_t size) {
  struct sigevent event;
  if (size != sizeof event) return evp_fail(EVPOLL_ERR_INVALID);
  struct evp_foreign_slot *slot = aio->native;
  evp_io_lock(aio->p);
  foreign_next_generation(slot);
  slot->armed = true;
  const uintptr_t key = foreign_key_of(slot);
  evp_io_unlock(aio->p);
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_KEVENT;
  event.sigev_notify_kqueue = evp_queue_of(aio->p)->fd;
  event.sigev_value.sival_ptr = (void *)key;
  event.sigev_notify_kevent_flags = EV_ONESHOT;
  memcpy(native_out, &event, sizeof event);
  return 0;
}

static void foreign_disarm(evpoll_aio *aio) {
  struct evp_foreign_slot *slot = aio->native;
  evp_io_lock(aio->p);
  slot->armed = false;
  evp_io_unlock(aio->p);
}

/* Not there any more if every entry was returned meanwhile. */
static void foreign_silence(struct evp_queue *q, struct evp_foreign_slot *slot,
                            uintptr_t generation, uintptr_t ident) {
  const uintptr_t age = (slot->silenced - generation) & GENERATIONS;
  if (slot->silenced && age < GENERATIONS / 2) return; /* this one, or a later one, was */
  slot->silenced = generation;
  struct kevent forget = {.ident = ident, .filter = EVFILT_LIO, .flags = EV_DELETE};
  evp_queue_control(q, &forget, 1);
}

int32_t evp_foreign_take(evpoll *p, const struct kevent *e, evpoll_event *out) {
  struct evp_queue *q = evp_queue_of(p);
  const uintptr_t key = (uintptr_t)e->udata;
  const uint32_t index = evp_id_index((uint64_t)(key >> INDEX_SHIFT));
  struct evp_foreign_slot *slot = evp_table_at(&q->foreigns, index);
  if (!slot) return 0;
  if (e->filter == EVFILT_LIO) foreign_silence(q, slot, key >> GENERATION_SHIFT, e->ident);
  if (!slot->armed || foreign_key_of(slot) != key) {
    evp_count(&p->stale_hits);
    return 0;
  }
  slot->armed = false;
  evpoll_aio *aio = slot->aio;
  *out = (evpoll_event){.token = aio->token, .events = aio->kind};
  if (e->data) { /* of a single operation; a list's entries have results of their own */
    out->result = e->data;
    out->status = evp_status_of((int)e->data);
  }
  evp_aio_ready(aio); /* last: it may be armed again, or closed, from here on */
  return 1;
}

const struct evp_foreign evp_foreign_aio = {
    .open = foreign_open_foreign,
    .close = foreign_close_foreign,
    .arm = foreign_arm,
    .disarm = foreign_disarm,
};
