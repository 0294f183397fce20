/* SPDX-License-Identifier: MIT */
/* Foreign asynchronous operations: the caller starts them, the kernel reports them to the poller.
 *
 * Readiness is a number that grows: odd while the request is ready. So a clear that names an old
 * number changes nothing, and needs no lock against the delivery that made the next one. */
#include "core/aio.h"

#include <stdlib.h>

#include "core/poller.h"
#include "core/status.h"

static int32_t check_aio(const evpoll_aio *aio) {
  if (!aio) return evp_fail(EVPOLL_ERR_INVALID);
  if (!evp_backend.foreign) return evp_fail(EVPOLL_ERR_UNSUPPORTED); /* none was handed out */
  return evp_forked(aio->p) ? evp_fail(EVPOLL_ERR_FORKED) : 0;
}

int32_t evpoll_aio_open(evpoll *p, uint32_t kind, uint64_t token, evpoll_aio **aio_out) {
  if (!p) return evp_fail(EVPOLL_ERR_INVALID);
  if (evp_forked(p)) return evp_fail(EVPOLL_ERR_FORKED);
  if (!aio_out || (kind != EVPOLL_AIO && kind != EVPOLL_LIO)) return evp_fail(EVPOLL_ERR_INVALID);
  if (!evp_backend.foreign) return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  if (evp_is_shut_down(p)) return evp_fail(EVPOLL_ERR_SHUTDOWN);

  evpoll_aio *aio = calloc(1, sizeof *aio);
  if (!aio) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  aio->p = p;
  aio->token = token;
  aio->kind = kind;
  const int32_t status = evp_backend.foreign->open(aio);
  if (status < 0) {
    free(aio);
    return status;
  }
  atomic_fetch_add(&p->aios, 1);
  *aio_out = aio;
  return 0;
}

/* A request that is ready may be used again only when that was cleared: the caller might take the
 * old readiness for the new operation's. */
int32_t evpoll_aio_register(evpoll_aio *aio, void *native_out, uint32_t size) {
  int32_t status = check_aio(aio);
  if (status < 0) return status;
  if (!native_out) return evp_fail(EVPOLL_ERR_INVALID);
  if (evp_is_shut_down(aio->p)) return evp_fail(EVPOLL_ERR_SHUTDOWN);
  if (atomic_load(&aio->armed) || (atomic_load(&aio->tick) & 1)) return evp_fail(EVPOLL_ERR_BUSY);
  /* Armed first: the operation may complete as soon as the caller has what arm fills in. */
  atomic_store(&aio->armed, 1);
  status = evp_backend.foreign->arm(aio, native_out, size);
  if (status < 0) atomic_store(&aio->armed, 0);
  return status;
}

int32_t evpoll_aio_deregister(evpoll_aio *aio) {
  const int32_t status = check_aio(aio);
  if (status < 0) return status;
  if (!atomic_load(&aio->armed)) return 0;
  evp_backend.foreign->disarm(aio);
  atomic_store(&aio->armed, 0);
  return 0;
}

void evp_aio_ready(evpoll_aio *aio) {
  atomic_fetch_add(&aio->tick, 1);
  atomic_store(&aio->armed, 0);
}

int32_t evpoll_aio_poll_ready(evpoll_aio *aio, uint64_t *tick_out) {
  const int32_t status = check_aio(aio);
  if (status < 0) return status;
  if (!tick_out) return evp_fail(EVPOLL_ERR_INVALID);
  const uint64_t tick = atomic_load(&aio->tick);
  if (tick & 1) {
    *tick_out = tick;
    return 1;
  }
  return evp_is_shut_down(aio->p) ? evp_fail(EVPOLL_ERR_SHUTDOWN) : 0;
}

int32_t evpoll_aio_clear_ready(evpoll_aio *aio, uint64_t tick) {
  const int32_t status = check_aio(aio);
  if (status < 0) return status;
  return (tick & 1) && atomic_compare_exchange_strong(&aio->tick, &tick, tick + 1);
}

int32_t evpoll_aio_close(evpoll_aio *aio) {
  const int32_t status = check_aio(aio);
  if (status < 0 && status != EVPOLL_ERR_FORKED) return status;
  if (status == 0 && atomic_load(&aio->armed)) evp_backend.foreign->disarm(aio);
  evp_backend.foreign->close(aio);
  atomic_fetch_sub(&aio->p->aios, 1);
  free(aio);
  return 0;
}
