/* SPDX-License-Identifier: MIT */
#include "core/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "os/os.h"

static const char *const code_names[] = {
    [EVPOLL_OP_READ] = "READ",
    [EVPOLL_OP_WRITE] = "WRITE",
    [EVPOLL_OP_READV] = "READV",
    [EVPOLL_OP_WRITEV] = "WRITEV",
    [EVPOLL_OP_FSYNC] = "FSYNC",
    [EVPOLL_OP_FDATASYNC] = "FDATASYNC",
    [EVPOLL_OP_CLOSE] = "CLOSE",
    [EVPOLL_OP_POLL] = "POLL",
    [EVPOLL_OP_ACCEPT] = "ACCEPT",
    [EVPOLL_OP_CONNECT] = "CONNECT",
    [EVPOLL_OP_RECV_MESSAGE] = "RECV_MESSAGE",
    [EVPOLL_OP_SEND_MESSAGE] = "SEND_MESSAGE",
    [EVPOLL_OP_SEND_FILE] = "SEND_FILE",
    [EVPOLL_OP_SHUTDOWN] = "SHUTDOWN",
    [EVPOLL_OP_SIZE] = "SIZE",
    [EVPOLL_OP_TRUNCATE] = "TRUNCATE",
    [EVPOLL_OP_APPEND] = "APPEND",
    [EVPOLL_OP_TIMER] = "TIMER",
};
enum { CODE_COUNT = sizeof code_names / sizeof code_names[0] };

static const struct {
  uint32_t bit;
  const char *name;
} bit_names[] = {
    {EVPOLL_READABLE, "READABLE"},
    {EVPOLL_WRITABLE, "WRITABLE"},
    {EVPOLL_PRIORITY, "PRIORITY"},
    {EVPOLL_READ_CLOSED, "READ_CLOSED"},
    {EVPOLL_WRITE_CLOSED, "WRITE_CLOSED"},
    {EVPOLL_ERROR, "ERROR"},
    {EVPOLL_IO, "IO"},
    {EVPOLL_IO_LIST, "IO_LIST"},
    {EVPOLL_AIO, "AIO"},
    {EVPOLL_LIO, "LIO"},
    {EVPOLL_WAKE, "WAKE"},
    {EVPOLL_POST, "POST"},
};
enum { BIT_COUNT = sizeof bit_names / sizeof bit_names[0], BITS_TEXT = 128 };

static const char *const action_names[] = {"change", "add", "modify", "rearm", "remove"};

/* ---- lines -------------------------------------------------------------------------------- */

/* A disk that is full, or a reader that has gone, takes a line away and nothing else. */
static void write_line(evpoll_handle t, const char *format, ...) {
  char line[512 + 1];
  const int os_code = evp_thread_code();
  const int64_t now = evp_now();
  const int head = snprintf(line, sizeof line, "%lld.%09lld %llx ", (long long)(now / 1000000000),
                            (long long)(now % 1000000000), (unsigned long long)evp_thread_name());
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line + head, sizeof line - 1 - (size_t)head, format, arguments);
  va_end(arguments);
  const size_t n = strlen(line);
  line[n] = '\n';
  evp_log_write(t, line, n + 1);
  evp_thread_code_set(os_code);
}

static const char *bits_text(char text[BITS_TEXT], uint32_t bits) {
  int at = 0;
  text[0] = 0;
  for (int i = 0; i < BIT_COUNT; i++)
    if (bits & bit_names[i].bit)
      at += snprintf(text + at, (size_t)(BITS_TEXT - at), "%s%s", at ? "|" : "", bit_names[i].name);
  return at ? text : "0";
}

static const char *code_text(uint32_t code) {
  return code < CODE_COUNT && code_names[code] ? code_names[code] : "unknown code";
}

void evp_trace_begin(evpoll_handle t, const char *call) { write_line(t, "%s", call); }

int32_t evp_trace_call(evpoll_handle t, int32_t result, const char *format, uint64_t a, uint64_t b,
                       uint64_t c, uint64_t d) {
  char call[256];
  snprintf(call, sizeof call, format, (long long)a, (long long)b, (long long)c, (long long)d);
  if (result >= 0)
    write_line(t, "%s = %d", call, (int)result);
  else
    write_line(t, "%s = %d %s (the system's code: %d)", call, (int)result, evpoll_strerror(result),
               evp_thread_code());
  return result;
}

void evp_trace_changes(evpoll_handle t, const evpoll_change *changes, int32_t n) {
  char text[BITS_TEXT];
  for (int32_t i = 0; i < n; i++) {
    const evpoll_change *c = &changes[i];
    write_line(t, "  %s handle %lld, token %#llx, %s, mode %u = %d %s",
               action_names[c->action <= EVPOLL_CHANGE_REMOVE ? c->action : 0],
               (long long)c->handle, (unsigned long long)c->token, bits_text(text, c->interest),
               (unsigned)c->mode, (int)c->status, c->status < 0 ? evpoll_strerror(c->status) : "");
  }
}

void evp_trace_ios(evpoll_handle t, const evpoll_io *ios, int32_t n) {
  for (int32_t i = 0; i < n; i++) {
    const evpoll_io *io = &ios[i];
    char what[160];
    snprintf(what, sizeof what,
             "  %s handle %lld, token %#llx, length %llu, flags %#x, limit %u ms",
             code_text(io->code), (long long)io->handle, (unsigned long long)io->token,
             (unsigned long long)io->length, (unsigned)io->flags, (unsigned)io->timeout_ms);
    if (io->op)
      write_line(t, "%s, offset %lld: op %#llx", what, (long long)io->offset,
                 (unsigned long long)io->op);
    else if (io->status == 0)
      write_line(t, "%s: ended here, result %lld", what, (long long)io->offset);
    else
      write_line(t, "%s: %d %s", what, (int)io->status, evpoll_strerror(io->status));
  }
}

void evp_trace_events(evpoll_handle t, const evpoll_event *events, int32_t n) {
  char text[BITS_TEXT];
  for (int32_t i = 0; i < n; i++) {
    const evpoll_event *e = &events[i];
    write_line(t, "  event token %#llx, op %#llx, %s, result %lld, status %d %s",
               (unsigned long long)e->token, (unsigned long long)e->op, bits_text(text, e->events),
               (long long)e->result, (int)e->status,
               e->status < 0 ? evpoll_strerror(e->status) : "");
  }
}
