/* SPDX-License-Identifier: MIT */
/* What a helper may return: the closed list of codes that evpoll.h gives for it. */
#ifndef EVP_LISTED_H
#define EVP_LISTED_H

#include <stdbool.h>

#include "core/status.h"

/* The 32 statuses below 0 are one bit each. */
#define ONE(name) (1u << (-EVPOLL_ERR_##name - 1))

/* A caller may switch over the codes that a function lists; any other failure is EVPOLL_ERR_OS,
   with the system's code in evpoll_os_error() as before. */
static inline int32_t evp_listed(uint32_t list, int32_t status) {
  if (status >= 0) return status;
  return list & (1u << (-status - 1)) ? status : EVPOLL_ERR_OS;
}

#define BUFFER_LIST (ONE(INVALID) | ONE(NO_MEMORY))
#define ASK_LIST    (ONE(INVALID) | ONE(BAD_HANDLE) | ONE(UNSUPPORTED))

#endif
