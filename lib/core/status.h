/* SPDX-License-Identifier: MIT */
/* Statuses: errors of the system are translated here, once, at the edge. */
#ifndef EVP_STATUS_H
#define EVP_STATUS_H

#include "evpoll.h"

/* Translates a code of the system (errno) into EVPOLL_ERR_*; 0 gives 0. */
int32_t evp_status_of(int os_code);
/* The same for an operation on a file or its like: what the device or its file system is to blame
 * for is EVPOLL_ERR_IO, and never a network's failure or the caller's mistake. */
int32_t evp_status_of_operation(int os_code);

/* What evpoll_os_error() returns to this thread from now on. */
void evp_set_os_code(int os_code);

/* Records a code of the system together with the status that the caller chose; returns it. */
static inline int32_t evp_fail_as(int32_t status, int os_code) {
  evp_set_os_code(os_code);
  return status;
}

/* Records a code of the system and returns its translation. */
static inline int32_t evp_fail_os(int os_code) {
  return evp_fail_as(evp_status_of(os_code), os_code);
}

/* Records that a call fails by a check of our own, without the system. */
static inline int32_t evp_fail(int32_t status) { return evp_fail_as(status, 0); }

#endif
