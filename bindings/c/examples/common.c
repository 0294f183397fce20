/* SPDX-License-Identifier: MIT */
#include "common.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct common_options common_defaults = {.host = "127.0.0.1", .connections = 400, .idle = 60};

/* ---- options ------------------------------------------------------------------------------ */

int take_text(const char *argument, const char *name, const char **value_out) {
  const size_t length = strlen(name);
  if (strncmp(argument, name, length) != 0 || argument[length] != '=') return 0;
  *value_out = argument + length + 1;
  return 1;
}

int take_number(const char *argument, const char *name, long least, long most, long *value_out) {
  const char *text;
  if (!take_text(argument, name, &text)) return 0;
  char *end;
  const long value = strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < least || value > most) return -1;
  *value_out = value;
  return 1;
}

static int take_engine(const char *argument, struct common_options *options_out) {
  const char *name;
  if (!take_text(argument, "--engine", &name)) return 0;
  options_out->native = strcmp(name, "native") == 0;
  options_out->pool = strcmp(name, "pool") == 0;
  return options_out->native || options_out->pool || strcmp(name, "auto") == 0 ? 1 : -1;
}

int take_common(const char *argument, struct common_options *options_out) {
  int taken = take_text(argument, "--host", &options_out->host);
  if (!taken) taken = take_number(argument, "--port", 0, 65535, &options_out->port);
  if (!taken) taken = take_number(argument, "--connections", 1, 100000, &options_out->connections);
  if (!taken) taken = take_number(argument, "--idle", 1, 86400, &options_out->idle);
  if (!taken) taken = take_engine(argument, options_out);
  return taken;
}

/* ---- start -------------------------------------------------------------------------------- */

void complain(const char *what, int32_t status) {
  fprintf(stderr, "%s: %s (system code %" PRId32 ")\n", what, evpoll_strerror(status),
          evpoll_os_error());
}

evpoll *open_poller(const struct common_options *options, uint64_t wake_token) {
  evpoll_options open = {0};
  open.struct_size = sizeof open;
  open.flags = EVPOLL_OPEN_SINGLE_WAITER; /* one thread does everything */
  if (options->pool) open.flags |= EVPOLL_OPEN_NO_URING;
  open.wake_token = wake_token;

  evpoll *p;
  int32_t status = evpoll_open(&open, &p);
  if (status < 0) {
    complain("cannot open a poller", status);
    return NULL;
  }
  struct evpoll_poller_info info = {.struct_size = sizeof info};
  evpoll_info(p, &info);
  if (options->native && !(info.features & EVPOLL_FEATURE_NATIVE_IO)) {
    fprintf(stderr, "the kernel has no file operations for this engine; try --engine=auto\n");
    evpoll_close(p, EVPOLL_INFINITE);
    return NULL;
  }
  return p;
}

int32_t listen_on(evpoll *p, const struct common_options *options, evpoll_handle *listener_out) {
  evpoll_handle listener;
  int32_t status = evpoll_socket_tcp_listen(options->host, (int32_t)options->port, 0, &listener);
  if (status < 0) {
    complain("cannot listen", status);
    return status;
  }
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port;
  status = evpoll_socket_local_address(listener, host, sizeof host, &port);
  if (status >= 0) status = evpoll_add(p, listener, 0, 0, EVPOLL_OPERATIONS);
  if (status < 0) {
    complain("cannot serve the listening socket", status);
    evpoll_socket_close(listener);
    return status;
  }
  printf("listening on %s%s%s:%" PRId32 "\n", strchr(host, ':') ? "[" : "", host,
         strchr(host, ':') ? "]" : "", port);
  fflush(stdout); /* whoever started this program waits for the line */
  *listener_out = listener;
  return 0;
}

/* ---- end ---------------------------------------------------------------------------------- */

static evpoll *stop_poller;

static void stop(int number) {
  signal(number, stop);     /* System V and Windows take the handler away when it runs */
  evpoll_wake(stop_poller); /* async-signal-safe */
}

void wake_on_stop_signals(evpoll *p) {
  stop_poller = p;
  signal(SIGINT, stop);
  signal(SIGTERM, stop);
}

void ignore_stop_signals(void) {
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
}

void announce_stop(void) {
  printf("stopping; once more to stop at once\n");
  fflush(stdout);
}

static void print_features(uint32_t features) {
  static const struct {
    uint32_t bit;
    const char *name;
  } names[] = {
      {EVPOLL_FEATURE_PRIORITY, "priority"},     {EVPOLL_FEATURE_FILE_IO, "file-io"},
      {EVPOLL_FEATURE_NATIVE_IO, "native-io"},   {EVPOLL_FEATURE_VECTORED_IO, "vectored-io"},
      {EVPOLL_FEATURE_PIPE_IO, "pipe-io"},       {EVPOLL_FEATURE_FOREIGN_AIO, "foreign-aio"},
      {EVPOLL_FEATURE_ANY_HANDLE, "any-handle"},
  };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (features & names[i].bit) printf(" %s", names[i].name);
  printf("\n");
}

void print_report(const char *program, evpoll *p) {
  char text[1024];
  if (evpoll_describe(p, text, sizeof text) >= 0)
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
      printf("%s: %s\n", program, line);

  struct evpoll_poller_info info = {.struct_size = sizeof info};
  struct evpoll_poller_stats stats = {.struct_size = sizeof stats};
  if (evpoll_info(p, &info) < 0 || evpoll_stats(p, &stats) < 0) return;
  printf("%s: features:", program);
  print_features(info.features);
  printf("%s: %" PRIu64 " waits, %" PRIu64 " events, %.2f events per wait\n", program, stats.waits,
         stats.events, stats.waits ? (double)stats.events / (double)stats.waits : 0.0);
  printf("%s: %" PRIu64 " operations, %" PRIu64 " of them cancelled\n", program, stats.io_completed,
         stats.io_cancelled);
  fflush(stdout);
}
