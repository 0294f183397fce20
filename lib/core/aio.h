/* SPDX-License-Identifier: MIT */
/* A request for operations that the caller starts with the system's own calls: armed, started,
 * completed, delivered; then ready until the caller has cleared that, and armed again. */
#ifndef EVP_AIO_H
#define EVP_AIO_H

#include <stdatomic.h>

#include "evpoll.h"

struct evpoll_aio {
  evpoll *p;
  void *native; /* the backend's own */
  uint64_t token;
  uint32_t kind; /* EVPOLL_AIO or EVPOLL_LIO */
  _Atomic uint32_t armed;
  _Atomic uint64_t tick; /* odd: ready */
};

/* For backends: the operation's event was delivered. */
void evp_aio_ready(evpoll_aio *aio);

#endif
