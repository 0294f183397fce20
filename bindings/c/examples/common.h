/* SPDX-License-Identifier: MIT */
/* What the example servers share and what is not worth reading twice: command-line options, a
 * clean end by Ctrl-C, and the report at exit. ISO C and evpoll.h only. */
#ifndef EVPOLL_EXAMPLES_COMMON_H
#define EVPOLL_EXAMPLES_COMMON_H

#include <evpoll.h>

/* Options that both servers have. */
struct common_options {
  const char *host;
  long port;
  long connections; /* most connections at a time */
  long idle;        /* seconds without progress after which a connection is closed */
  int native, pool; /* who is to serve files, if not the best there is */
};
extern const struct common_options common_defaults;
#define COMMON_USAGE                                                                               \
  "  --host=ADDRESS      numeric address to listen on (127.0.0.1)\n"                               \
  "  --port=NUMBER       port to listen on; 0 picks a free one (0)\n"                              \
  "  --connections=N     most connections at a time; the rest wait in the backlog (400)\n"         \
  "  --idle=SECONDS      close connections without progress after this time (60)\n"                \
  "  --engine=NAME       who serves files; native: the kernel; pool: worker threads (auto)\n"

/* Each returns 1 when `argument` was this option, 0 when it is another one, -1 when its value is
 * wrong. */
int take_common(const char *argument, struct common_options *options_out);
int take_number(const char *argument, const char *name, long least, long most, long *value_out);
int take_text(const char *argument, const char *name, const char **value_out);

/* Opens a poller for a program of one thread, or prints why not and returns NULL. */
evpoll *open_poller(const struct common_options *options, uint64_t wake_token);

/* Opens the listening socket, adds it for operations and prints "listening on HOST:PORT"; or prints
 * why not and returns a negative status. */
int32_t listen_on(evpoll *p, const struct common_options *options, evpoll_handle *listener_out);

/* Each SIGINT or SIGTERM wakes the poller: the first says to finish what is under way, the second
 * to stop now. Call ignore_stop_signals() before evpoll_close(). */
void wake_on_stop_signals(evpoll *p);
void ignore_stop_signals(void);

/* What to say when the wake has come. */
void announce_stop(void);

/* Prints a status with what was tried, and the system's own code. */
void complain(const char *what, int32_t status);

/* Prints what the poller is made of, why, and what it did. */
void print_report(const char *program, evpoll *p);

#endif
