/* SPDX-License-Identifier: MIT */
/* Foreign asynchronous operations: none on this platform, where the same is had by adding an
 * eventfd. The exports are there so that every platform's list is the same. */
#include "poller.h"
#include "status.h"

static int32_t check_poller(const evpoll *p) {
  if (!p) return evp_fail(EVPOLL_ERR_INVALID);
  return evp_forked(p) ? evp_fail(EVPOLL_ERR_FORKED) : 0;
}

int32_t evpoll_aio_open(evpoll *p, uint32_t kind, uint64_t token, evpoll_aio **aio_out) {
  (void)token;
  const int32_t status = check_poller(p);
  if (status < 0) return status;
  if (!aio_out || (kind != EVPOLL_AIO && kind != EVPOLL_LIO)) return evp_fail(EVPOLL_ERR_INVALID);
  return evp_fail(EVPOLL_ERR_UNSUPPORTED);
}

/* No request was ever handed out, so there is none that could be valid. */
static int32_t refuse(const evpoll_aio *aio) {
  return evp_fail(aio ? EVPOLL_ERR_UNSUPPORTED : EVPOLL_ERR_INVALID);
}

int32_t evpoll_aio_register(evpoll_aio *aio, void *native_out, uint32_t size) {
  (void)native_out, (void)size;
  return refuse(aio);
}

int32_t evpoll_aio_deregister(evpoll_aio *aio) { return refuse(aio); }

int32_t evpoll_aio_poll_ready(evpoll_aio *aio, uint64_t *tick_out) {
  (void)tick_out;
  return refuse(aio);
}

int32_t evpoll_aio_clear_ready(evpoll_aio *aio, uint64_t tick) {
  (void)tick;
  return refuse(aio);
}

int32_t evpoll_aio_close(evpoll_aio *aio) { return refuse(aio); }
