/* SPDX-License-Identifier: MIT */
/* Statuses: errors of the system are translated here, once, at the edge. */
#ifndef EVP_STATUS_H
#define EVP_STATUS_H

#include "evpoll.h"

/* Translates a code of the system (errno) into EVPOLL_ERR_*; 0 gives 0. */
int32_t evp_status_of(int os_code);

/* Records that a call fails by a check of our own: os_error becomes 0. Returns status. */
int32_t evp_fail(int32_t status);

/* Records a code of the system for evpoll_os_error() and returns its translation. */
int32_t evp_fail_os(int os_code);

/* Records a code of the system together with the status that the caller chose. */
int32_t evp_fail_as(int32_t status, int os_code);

#endif
