/* SPDX-License-Identifier: MIT */
/* The calls that are not the common case: arguments that are wrong, a forked child, a poller that
 * is traced. So the common case pays for neither of the last two but by one look. */
#ifndef EVP_CLOSELY_H
#define EVP_CLOSELY_H

#include <stdbool.h>

#include "core/poller.h"
#include "core/slots.h"
#include "core/status.h"
#include "evpoll.h"

enum evp_call {
  EVP_CALL_ADD,
  EVP_CALL_MODIFY,
  EVP_CALL_REARM,
  EVP_CALL_REMOVE,
  EVP_CALL_UPDATE,
  EVP_CALL_WAIT,
  EVP_CALL_POST,
  EVP_CALL_SUBMIT,
  EVP_CALL_SUBMIT_LIST,
  EVP_CALL_LIST_TAKE,
  EVP_CALL_CANCEL,
  EVP_CALL_CANCEL_ALL,
  EVP_CALL_CANCEL_HANDLE,
  EVP_CALL_CANCEL_TOKEN,
  EVP_CALL_RETIME,
  EVP_CALL_HOLD,
  EVP_CALL_RELEASE,
  EVP_CALL_HANDLE,
};

/* 0, or why a call is refused. */
static inline int32_t evp_api_check(evpoll *p, bool arguments_are_good) {
  if (!p || !arguments_are_good) return evp_fail(EVPOLL_ERR_INVALID);
  return evp_forked(p) ? evp_fail(EVPOLL_ERR_FORKED) : 0;
}
/* a to d: the call's own arguments, pointers as EVPOLL_ADDR(). */
EVP_COLD int32_t evp_api_closely(evpoll *p, bool arguments_are_good, enum evp_call call, uint64_t a,
                                 uint64_t b, uint64_t c, uint64_t d);
EVP_COLD int32_t evp_api_turn_closely(evpoll *p, bool arguments_are_good, evpoll_change *changes,
                                      int32_t nchanges, evpoll_io *ios, int32_t nios,
                                      evpoll_event *out, int32_t capacity, int64_t timeout_ns);
/* A poller was opened: it is traced, if that is asked for. */
int32_t evp_api_opened(evpoll *p);
EVP_COLD int32_t evp_api_close_closely(evpoll *p, int64_t timeout_ns);

#endif
