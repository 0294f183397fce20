/* SPDX-License-Identifier: MIT */
/* The exports: arguments are checked here and nowhere else, then the core does the work. Those for
 * files, sockets and foreign operations are beside this file. */
#include <string.h>

#include "api/closely.h"
#include "core/poller.h"
#include "core/status.h"
#include "core/target.h"

/* struct_size of what the caller hands over: at least itself and one more field. */
enum { LEAST_STRUCT = 8, MOST_STRUCT = 4096 };

/* For the calls that cost little the common case is one look, and nothing lives on behind it. */
#define API_CHECK(p, arguments_are_good, ...)                                                      \
  if (!(p) || !(arguments_are_good) || !evp_is_plain(p))                                           \
  return evp_api_closely(p, arguments_are_good, __VA_ARGS__)

/* The same for what may run in a signal handler: the last error is the interrupted code's, and
 * where threads' variables are is found by malloc() at times. */
static int32_t check_async(evpoll *p) {
  if (!p) return EVPOLL_ERR_INVALID;
  return evp_forked(p) ? EVPOLL_ERR_FORKED : 0;
}

static bool good_array(const void *array, int32_t n) { return n == 0 || (n > 0 && array); }

/* Fills the caller's struct as far as it goes: what it has more than we is zero. */
static void give(void *out, const void *ours, uint32_t our_size) {
  uint32_t size;
  memcpy(&size, out, sizeof size);
  const uint32_t common = size < our_size ? size : our_size;
  memcpy((char *)out + sizeof size, (const char *)ours + sizeof size, common - sizeof size);
  memset((char *)out + common, 0, size - common);
}

static bool good_size(const uint32_t *struct_size) {
  return struct_size && *struct_size >= LEAST_STRUCT && *struct_size <= MOST_STRUCT;
}

/* ---- about -------------------------------------------------------------------------------- */

int32_t evpoll_version(void) { return EVPOLL_VERSION; }

int64_t evpoll_now(void) { return evp_now(); }

#define TEXT_OF(number) #number
#define TEXT(number)    TEXT_OF(number)

const char *evpoll_version_string(void) {
  return TEXT(EVPOLL_VERSION_MAJOR) "." TEXT(EVPOLL_VERSION_MINOR) "." TEXT(EVPOLL_VERSION_PATCH);
}

int32_t evpoll_info(evpoll *p, struct evpoll_poller_info *info_out) {
  const int32_t status = evp_api_check(p, info_out && good_size(&info_out->struct_size));
  if (status < 0) return status;
  struct evpoll_poller_info info;
  evp_poller_info(p, &info);
  give(info_out, &info, sizeof info);
  return 0;
}

int32_t evpoll_describe(evpoll *p, char *text_out, int32_t capacity) {
  const int32_t status = evp_api_check(p, good_array(text_out, capacity));
  return status < 0 ? status : evp_poller_describe(p, text_out, capacity);
}

int32_t evpoll_stats(evpoll *p, struct evpoll_poller_stats *stats_out) {
  const int32_t status = evp_api_check(p, stats_out && good_size(&stats_out->struct_size));
  if (status < 0) return status;
  struct evpoll_poller_stats stats;
  evp_poller_stats(p, &stats);
  give(stats_out, &stats, sizeof stats);
  return 0;
}

/* ---- poller ------------------------------------------------------------------------------- */

int32_t evpoll_open(const evpoll_options *options, evpoll **poller_out) {
  if (!poller_out) return evp_fail(EVPOLL_ERR_INVALID);
  const int32_t status = evp_poller_open(options, poller_out);
  return status < 0 ? status : evp_api_opened(*poller_out);
}

int32_t evpoll_poller_handle(evpoll *p, evpoll_handle *handle_out) {
  API_CHECK(p, handle_out, EVP_CALL_HANDLE, EVPOLL_ADDR(handle_out), 0, 0, 0);
  return evp_poller_handle(p, handle_out);
}

int32_t evpoll_shutdown(evpoll *p) {
  const int32_t status = check_async(p);
  if (status == 0) evp_poller_shutdown(p);
  return status;
}

int32_t evpoll_close(evpoll *p, int64_t timeout_ns) {
  if (!p) return evp_fail(EVPOLL_ERR_INVALID);
  return evp_is_plain(p) ? evp_poller_close(p, timeout_ns) : evp_api_close_closely(p, timeout_ns);
}

/* ---- readiness ---------------------------------------------------------------------------- */

int32_t evpoll_add(evpoll *p, evpoll_handle handle, uint64_t token, uint32_t interest,
                   uint32_t mode) {
  API_CHECK(p, true, EVP_CALL_ADD, handle, token, interest, mode);
  return evp_source_add(p, handle, token, interest, mode);
}

int32_t evpoll_modify(evpoll *p, evpoll_handle handle, uint64_t token, uint32_t interest,
                      uint32_t mode) {
  API_CHECK(p, true, EVP_CALL_MODIFY, handle, token, interest, mode);
  return evp_source_modify(p, handle, token, interest, mode);
}

int32_t evpoll_rearm(evpoll *p, evpoll_handle handle, uint64_t token, uint32_t bits) {
  API_CHECK(p, true, EVP_CALL_REARM, handle, token, bits, 0);
  return evp_source_rearm(p, handle, token, bits);
}

int32_t evpoll_remove(evpoll *p, evpoll_handle handle, uint64_t token) {
  API_CHECK(p, true, EVP_CALL_REMOVE, handle, token, 0, 0);
  return evp_source_remove(p, handle, token);
}

int32_t evpoll_update(evpoll *p, evpoll_change *changes, int32_t n) {
  API_CHECK(p, good_array(changes, n), EVP_CALL_UPDATE, EVPOLL_ADDR(changes), n, 0, 0);
  return evp_poller_update(p, changes, n);
}

/* ---- wait and wake ------------------------------------------------------------------------ */

int32_t evpoll_wait(evpoll *p, evpoll_event *events_out, int32_t capacity, int64_t timeout_ns) {
  API_CHECK(p, events_out && capacity > 0, EVP_CALL_WAIT, EVPOLL_ADDR(events_out), capacity,
            timeout_ns, 0);
  return evp_poller_wait(p, events_out, capacity, timeout_ns);
}

int32_t evpoll_turn(evpoll *p, evpoll_change *changes, int32_t nchanges, evpoll_io *ios,
                    int32_t nios, evpoll_event *events_out, int32_t capacity, int64_t timeout_ns) {
  const bool good =
      good_array(changes, nchanges) && good_array(ios, nios) && events_out && capacity > 0;
  if (!p || !good || !evp_is_plain(p))
    return evp_api_turn_closely(p, good, changes, nchanges, ios, nios, events_out, capacity,
                                timeout_ns);
  return evp_poller_turn(p, changes, nchanges, ios, nios, events_out, capacity, timeout_ns);
}

int32_t evpoll_wake(evpoll *p) {
  const int32_t status = check_async(p);
  if (status == 0) evp_poller_wake(p);
  return status;
}

int32_t evpoll_post(evpoll *p, uint64_t token, int64_t result) {
  API_CHECK(p, true, EVP_CALL_POST, token, result, 0, 0);
  return evp_poller_post(p, token, result);
}

/* ---- operations --------------------------------------------------------------------------- */

int32_t evpoll_submit(evpoll *p, evpoll_io *ios, int32_t n) {
  API_CHECK(p, good_array(ios, n), EVP_CALL_SUBMIT, EVPOLL_ADDR(ios), n, 0, 0);
  return evp_io_submit(p, ios, n, false);
}

int32_t evpoll_submit_list(evpoll *p, evpoll_io *ios, int32_t n, uint64_t token, uint64_t *op_out) {
  API_CHECK(p, ios && n > 0, EVP_CALL_SUBMIT_LIST, EVPOLL_ADDR(ios), n, token, EVPOLL_ADDR(op_out));
  return evp_io_submit_list(p, ios, n, token, op_out);
}

int32_t evpoll_list_take(evpoll *p, uint64_t op, evpoll_result *results_out, int32_t n) {
  API_CHECK(p, results_out && n > 0, EVP_CALL_LIST_TAKE, op, EVPOLL_ADDR(results_out), n, 0);
  return evp_io_list_take(p, op, results_out, n);
}

int32_t evpoll_cancel(evpoll *p, uint64_t op) {
  API_CHECK(p, op != 0, EVP_CALL_CANCEL, op, 0, 0, 0);
  return evp_io_cancel(p, op);
}

int32_t evpoll_cancel_all(evpoll *p) {
  API_CHECK(p, true, EVP_CALL_CANCEL_ALL, 0, 0, 0, 0);
  return evp_io_cancel_all(p);
}

int32_t evpoll_cancel_handle(evpoll *p, evpoll_handle handle) {
  API_CHECK(p, true, EVP_CALL_CANCEL_HANDLE, handle, 0, 0, 0);
  return evp_io_cancel_handle(p, handle, NULL);
}

int32_t evpoll_cancel_token(evpoll *p, evpoll_handle handle, uint64_t token) {
  API_CHECK(p, true, EVP_CALL_CANCEL_TOKEN, handle, token, 0, 0);
  if (handle == -1) return evp_timer_cancel(p, token);
  return evp_io_cancel_handle(p, handle, &token);
}

int32_t evpoll_retime(evpoll *p, evpoll_handle handle, uint64_t token, int64_t ns) {
  API_CHECK(p, true, EVP_CALL_RETIME, handle, token, ns, 0);
  return evp_timer_retime(p, handle, token, ns);
}

int32_t evpoll_hold(evpoll *p, evpoll_handle handle, uint64_t token) {
  API_CHECK(p, true, EVP_CALL_HOLD, handle, token, 0, 0);
  return handle < 0 ? evp_fail(EVPOLL_ERR_BAD_HANDLE) : evp_target_hold(p, handle, token);
}

int32_t evpoll_release(evpoll *p, evpoll_handle handle) {
  API_CHECK(p, true, EVP_CALL_RELEASE, handle, 0, 0, 0);
  return handle < 0 ? evp_fail(EVPOLL_ERR_BAD_HANDLE) : evp_target_release(p, handle);
}
