/* SPDX-License-Identifier: MIT */
/* Stands between an example and the library (linked with --wrap), to do what disks seldom do and
 * to write down in which order the example did what. By environment variables:
 *
 *   FAULT_SHORT_IO=N     reads and writes move at most N bytes
 *   FAULT_INLINE=0       none ends inline
 *   FAULT_FAIL_SYNC=K    the K-th FDATASYNC reports EVPOLL_ERR_IO
 *   FAULT_FAIL_WRITE=K   the K-th WRITE reports EVPOLL_ERR_IO
 *   FAULT_TRACE=FILE     a line for each submission, completion and send
 */
#include <evpoll.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int32_t __real_evpoll_submit(evpoll *p, evpoll_io *ios, int32_t n);
int32_t __real_evpoll_wait(evpoll *p, evpoll_event *events, int32_t capacity, int64_t timeout);
int32_t __real_evpoll_socket_send(evpoll_handle handle, const void *buffer, uint64_t length);
int32_t __wrap_evpoll_submit(evpoll *p, evpoll_io *ios, int32_t n);
int32_t __wrap_evpoll_wait(evpoll *p, evpoll_event *events, int32_t capacity, int64_t timeout);
int32_t __wrap_evpoll_socket_send(evpoll_handle handle, const void *buffer, uint64_t length);

static uint64_t fail_op;
static long writes, syncs;

static long setting(const char *name) {
  const char *text = getenv(name);
  return text ? strtol(text, NULL, 10) : 0;
}

/* Quoted, so that a line of the trace is a line. */
static void trace(const char *what, uint64_t op, const void *buffer, int64_t length) {
  static FILE *file;
  const char *name = getenv("FAULT_TRACE");
  if (!name) return;
  if (!file) file = fopen(name, "w");
  if (!file) abort();
  fprintf(file, "%s %" PRIu64 " ", what, op);
  for (int64_t i = 0; i < length; i++) {
    const char c = ((const char *)buffer)[i];
    if (c == '\n')
      fputs("\\n", file);
    else
      fputc(c, file);
  }
  fputc('\n', file);
  fflush(file);
}

/* One at a time, so that a refusal in the middle is the library's and not ours. */
int32_t __wrap_evpoll_submit(evpoll *p, evpoll_io *ios, int32_t n) {
  const long most = setting("FAULT_SHORT_IO");
  for (int32_t i = 0; i < n; i++) {
    evpoll_io io = ios[i];
    if (getenv("FAULT_INLINE") && !setting("FAULT_INLINE")) io.flags = 0;
    const int moves = io.code == EVPOLL_IO_READ || io.code == EVPOLL_IO_WRITE;
    if (moves && most > 0 && io.length > (uint64_t)most) io.length = (uint64_t)most;
    const int32_t accepted = __real_evpoll_submit(p, &io, 1);
    ios[i].op = io.op;
    ios[i].status = io.status;
    if (accepted != 1) return i > 0 ? i : accepted;
    if (io.code == EVPOLL_IO_WRITE) {
      trace("write", io.op, (const void *)(uintptr_t)io.buffer, (int64_t)io.length);
      if (++writes == setting("FAULT_FAIL_WRITE")) fail_op = io.op;
    }
    if (io.code == EVPOLL_IO_FDATASYNC) {
      trace("sync", io.op, NULL, 0);
      if (++syncs == setting("FAULT_FAIL_SYNC")) fail_op = io.op;
    }
  }
  return n;
}

int32_t __wrap_evpoll_wait(evpoll *p, evpoll_event *events, int32_t capacity, int64_t timeout) {
  const int32_t n = __real_evpoll_wait(p, events, capacity, timeout);
  for (int32_t i = 0; i < n; i++) {
    if (!(events[i].events & EVPOLL_IO)) continue;
    if (events[i].op == fail_op) {
      events[i].status = EVPOLL_ERR_IO;
      events[i].result = 5;
    }
    trace(events[i].status < 0 ? "failed" : "done", events[i].op, NULL, 0);
  }
  return n;
}

int32_t __wrap_evpoll_socket_send(evpoll_handle handle, const void *buffer, uint64_t length) {
  const int32_t n = __real_evpoll_socket_send(handle, buffer, length);
  if (n > 0) trace("send", (uint64_t)handle, buffer, n);
  return n;
}
