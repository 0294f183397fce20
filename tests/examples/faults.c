/* SPDX-License-Identifier: MIT */
/* Stands between an example and the library (linked with --wrap), to do what disks seldom do and
 * to write down in which order the example did what. By environment variables:
 *
 *   FAULT_SHORT_IO=N     reads, writes and what is sent of a file move at most N bytes, but those
 *                        that are to move all
 *   FAULT_INLINE=0       none ends inline
 *   FAULT_FAIL_APPEND=K  the K-th APPEND and all later ones report EVPOLL_ERR_IO, as after a sync
 * that failed FAULT_HOLD=FILE      no operation on a file is said to be done before there is this
 * file FAULT_TRACE=FILE     a line for each APPEND, for each write to a socket, and for each
 * completion
 */
#include <evpoll.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int32_t __real_evpoll_submit(evpoll *p, evpoll_io *ios, int32_t n);
int32_t __real_evpoll_wait(evpoll *p, evpoll_event *events, int32_t capacity, int64_t timeout);
int32_t __wrap_evpoll_submit(evpoll *p, evpoll_io *ios, int32_t n);
int32_t __wrap_evpoll_wait(evpoll *p, evpoll_event *events, int32_t capacity, int64_t timeout);

enum { MOST = 4096 };

static uint64_t on_files[MOST], failing[MOST]; /* operations */
static long on_files_count, failing_count, appends, held_count;

static int is_file(evpoll_handle handle) {
  struct stat s;
  return fstat((int)handle, &s) == 0 && S_ISREG(s.st_mode);
}

static void note(uint64_t *list, long *count, uint64_t op) {
  if (*count == MOST) abort();
  list[(*count)++] = op;
}

static int take(uint64_t *list, long *count, uint64_t op) {
  for (long i = 0; i < *count; i++)
    if (list[i] == op) {
      list[i] = list[--*count];
      return 1;
    }
  return 0;
}

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

int32_t __wrap_evpoll_submit(evpoll *p, evpoll_io *ios, int32_t n) {
  const long most = setting("FAULT_SHORT_IO");
  int32_t accepted = 0;
  for (int32_t i = 0; i < n; i++) {
    evpoll_io io = ios[i];
    const int file = io.code == EVPOLL_OP_SEND_FILE || is_file(io.handle);
    const void *bytes = (const void *)(uintptr_t)io.buffer;
    if (getenv("FAULT_INLINE") && !setting("FAULT_INLINE"))
      io.flags &= ~(uint32_t)EVPOLL_OPF_INLINE;
    const int moves =
        io.code == EVPOLL_OP_READ || io.code == EVPOLL_OP_WRITE || io.code == EVPOLL_OP_SEND_FILE;
    if (moves && !(io.flags & EVPOLL_OPF_ALL) && most > 0 && io.length > (uint64_t)most)
      io.length = (uint64_t)most;
    if (io.code == EVPOLL_OP_WRITE && !file)
      trace("send", (uint64_t)io.handle, bytes, (int64_t)io.length);
    if (io.code == EVPOLL_OP_TRUNCATE && getenv("FAULT_CUT") &&
        (fcntl((int)io.handle, F_GETFL) & O_APPEND)) {
      ios[i].op = 0;
      ios[i].status = EVPOLL_ERR_ACCESS;
      continue;
    }
    accepted += __real_evpoll_submit(p, &io, 1);
    ios[i].op = io.op;
    ios[i].status = io.status;
    ios[i].offset = io.offset;
    if (!io.op) continue;
    if (file && getenv("FAULT_HOLD")) note(on_files, &on_files_count, io.op);
    if (io.code != EVPOLL_OP_APPEND) continue;
    trace("append", io.op, bytes, (int64_t)io.length);
    const long from = setting("FAULT_FAIL_APPEND");
    if (++appends >= from && from > 0) note(failing, &failing_count, io.op);
  }
  return accepted;
}

/* Takes the completions out of the events, or puts those that were taken back behind them. */
static int32_t hold(evpoll_event *events, int32_t n, int32_t capacity) {
  static evpoll_event held[MOST];
  const char *name = getenv("FAULT_HOLD");
  FILE *released = name ? fopen(name, "r") : NULL;
  int32_t left = 0;
  for (int32_t i = 0; i < n; i++)
    if (name && (events[i].events & EVPOLL_IO) && take(on_files, &on_files_count, events[i].op) &&
        !released)
      held[held_count++] = events[i];
    else
      events[left++] = events[i];
  while (released && held_count > 0 && left < capacity) events[left++] = held[--held_count];
  if (released) fclose(released);
  return left;
}

int32_t __wrap_evpoll_wait(evpoll *p, evpoll_event *events, int32_t capacity, int64_t timeout) {
  if (held_count > 0) timeout = 10000000; /* to look for the file */
  int32_t n = __real_evpoll_wait(p, events, capacity, timeout);
  if (n >= 0) n = hold(events, n, capacity);
  for (int32_t i = 0; i < n; i++) {
    if (!(events[i].events & EVPOLL_IO)) continue;
    if (take(failing, &failing_count, events[i].op)) {
      events[i].status = EVPOLL_ERR_IO;
      events[i].result = 5;
    }
    trace(events[i].status < 0 ? "failed" : "done", events[i].op, NULL, 0);
  }
  return n;
}
