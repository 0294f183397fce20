/* SPDX-License-Identifier: MIT */
#include "api/closely.h"

#include "core/poller.h"
#include "core/status.h"
#include "core/target.h"
#include "core/trace.h"
#include "os/os_file.h"

static const char *const call_formats[] = {
    [EVP_CALL_ADD] = "add(handle %lld, token %#llx, interest %#llx, mode %lld)",
    [EVP_CALL_MODIFY] = "modify(handle %lld, token %#llx, interest %#llx, mode %lld)",
    [EVP_CALL_REARM] = "rearm(handle %lld, token %#llx, bits %#llx)",
    [EVP_CALL_REMOVE] = "remove(handle %lld, token %#llx)",
    [EVP_CALL_UPDATE] = "update(changes %#llx, %lld)",
    [EVP_CALL_WAIT] = "wait(events %#llx, capacity %lld, timeout %lld ns)",
    [EVP_CALL_POST] = "post(token %#llx, %lld)",
    [EVP_CALL_SUBMIT] = "submit(ios %#llx, %lld)",
    [EVP_CALL_SUBMIT_LIST] = "submit_list(ios %#llx, %lld, token %#llx)",
    [EVP_CALL_LIST_TAKE] = "list_take(op %#llx, results %#llx, %lld)",
    [EVP_CALL_CANCEL] = "cancel(op %#llx)",
    [EVP_CALL_CANCEL_ALL] = "cancel_all()",
    [EVP_CALL_CANCEL_HANDLE] = "cancel_handle(handle %lld)",
    [EVP_CALL_CANCEL_TOKEN] = "cancel_token(handle %lld, token %#llx)",
    [EVP_CALL_RETIME] = "retime(handle %lld, token %#llx, %lld ns)",
    [EVP_CALL_HOLD] = "hold(handle %lld, token %#llx)",
    [EVP_CALL_RELEASE] = "release(handle %lld)",
    [EVP_CALL_HANDLE] = "poller_handle(%#llx)",
};

static void *pointer_of(uint64_t address) { return (void *)(uintptr_t)address; }

/* The exports once more: what they call is not traced itself. */
static int32_t forward_call(evpoll *p, enum evp_call call, uint64_t a, uint64_t b, uint64_t c,
                            uint64_t d) {
  const evpoll_handle h = (evpoll_handle)a;
  switch (call) {
  case EVP_CALL_ADD: return evp_source_add(p, h, b, (uint32_t)c, (uint32_t)d);
  case EVP_CALL_MODIFY: return evp_source_modify(p, h, b, (uint32_t)c, (uint32_t)d);
  case EVP_CALL_REARM: return evp_source_rearm(p, h, b, (uint32_t)c);
  case EVP_CALL_REMOVE: return evp_source_remove(p, h, b);
  case EVP_CALL_UPDATE: return evp_poller_update(p, pointer_of(a), (int32_t)b);
  case EVP_CALL_WAIT: return evp_poller_wait(p, pointer_of(a), (int32_t)b, (int64_t)c);
  case EVP_CALL_POST: return evp_poller_post(p, a, (int64_t)b);
  case EVP_CALL_SUBMIT: return evp_io_submit(p, pointer_of(a), (int32_t)b, false);
  case EVP_CALL_SUBMIT_LIST:
    return evp_io_submit_list(p, pointer_of(a), (int32_t)b, c, pointer_of(d));
  case EVP_CALL_LIST_TAKE: return evp_io_list_take(p, a, pointer_of(b), (int32_t)c);
  case EVP_CALL_CANCEL: return evp_io_cancel(p, a);
  case EVP_CALL_CANCEL_ALL: return evp_io_cancel_all(p);
  case EVP_CALL_CANCEL_HANDLE: return evp_io_cancel_handle(p, h, NULL);
  case EVP_CALL_CANCEL_TOKEN:
    return h == -1 ? evp_timer_cancel(p, b) : evp_io_cancel_handle(p, h, &b);
  case EVP_CALL_RETIME: return evp_timer_retime(p, h, b, (int64_t)c);
  case EVP_CALL_HOLD: return h < 0 ? evp_fail(EVPOLL_ERR_BAD_HANDLE) : evp_target_hold(p, h, b);
  case EVP_CALL_RELEASE: return h < 0 ? evp_fail(EVPOLL_ERR_BAD_HANDLE) : evp_target_release(p, h);
  case EVP_CALL_HANDLE: return evp_poller_handle(p, pointer_of(a));
  }
  return evp_fail(EVPOLL_ERR_INVALID);
}

int32_t evp_api_closely(evpoll *p, bool arguments_are_good, enum evp_call call, uint64_t a,
                        uint64_t b, uint64_t c, uint64_t d) {
  int32_t result = evp_api_check(p, arguments_are_good);
  if (!p || p->trace < 0) return result;
  const bool refused = result < 0;
  /* The line before it tells of a thread that sleeps. */
  if (!refused && call == EVP_CALL_WAIT) evp_trace_begin(p->trace, "wait ...");
  if (!refused) result = forward_call(p, call, a, b, c, d);
  evp_trace_call(p->trace, result, call_formats[call], a, b, c, d);
  if (refused) return result;
  if (call == EVP_CALL_UPDATE) evp_trace_changes(p->trace, pointer_of(a), (int32_t)b);
  if (call == EVP_CALL_SUBMIT || call == EVP_CALL_SUBMIT_LIST)
    evp_trace_ios(p->trace, pointer_of(a), (int32_t)b);
  if (call == EVP_CALL_WAIT) evp_trace_events(p->trace, pointer_of(a), result);
  return result;
}

int32_t evp_api_turn_closely(evpoll *p, bool arguments_are_good, evpoll_change *changes,
                             int32_t nchanges, evpoll_io *ios, int32_t nios, evpoll_event *out,
                             int32_t capacity, int64_t timeout_ns) {
  const int32_t status = evp_api_check(p, arguments_are_good);
  if (!p || p->trace < 0) return status;
  const char *format = "turn(changes %lld, ios %lld, capacity %lld, timeout %lld ns)";
  if (status == 0) evp_trace_begin(p->trace, "turn ...");
  const int32_t n =
      status < 0 ? status
                 : evp_poller_turn(p, changes, nchanges, ios, nios, out, capacity, timeout_ns);
  evp_trace_call(p->trace, n, format, (uint64_t)nchanges, (uint64_t)nios, (uint64_t)capacity,
                 (uint64_t)timeout_ns);
  if (status < 0) return status;
  evp_trace_changes(p->trace, changes, nchanges);
  evp_trace_ios(p->trace, ios, nios);
  evp_trace_events(p->trace, out, n);
  return n;
}

int32_t evp_api_opened(evpoll *p) {
  p->trace = evp_log_open();
  if (p->trace < 0) return 0;
  p->plain_value = ~p->fork_value; /* numbers of processes are small */
  return evp_trace_call(p->trace, 0,
                        "open(flags %#llx, io_limit %lld, pool_threads %lld): poller %#llx",
                        p->flags, p->io_limit, p->pool_threads, EVPOLL_ADDR(p));
}

int32_t evp_api_close_closely(evpoll *p, int64_t timeout_ns) {
  const evpoll_handle trace = p->trace;
  const int32_t status = evp_poller_close(p, timeout_ns);
  if (trace < 0) return status;
  evp_trace_call(trace, status, "close(timeout %lld ns)", (uint64_t)timeout_ns, 0, 0, 0);
  if (status == 0) evp_file_close(trace);
  return status;
}
