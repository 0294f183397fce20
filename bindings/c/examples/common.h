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
  long io_limit;    /* most file operations in flight; 0: the library's default */
  uint32_t engine;  /* EVPOLL_OPEN_* flags that choose who serves file operations */
};
extern const struct common_options common_defaults;
#define COMMON_USAGE                                                                               \
  "  --host=ADDRESS      numeric address to listen on (127.0.0.1)\n"                               \
  "  --port=NUMBER       port to listen on; 0 picks a free one (0)\n"                              \
  "  --connections=N     most connections at a time; the rest wait in the backlog (400)\n"         \
  "  --engine=NAME       auto; native: the kernel or nothing; pool: worker threads (auto)\n"       \
  "  --io-limit=N        most file operations in flight (the library's default)\n"

/* Each returns 1 when `argument` was this option, 0 when it is another one, -1 when its value is
 * wrong. */
int take_common(const char *argument, struct common_options *options_out);
int take_number(const char *argument, const char *name, long least, long most, long *value_out);
int take_text(const char *argument, const char *name, const char **value_out);

/* Opens a poller for a program of one thread, or prints why not and returns NULL. */
evpoll *open_poller(const struct common_options *options, uint64_t wake_token);

/* Opens the listening socket, adds it with `token` and prints "listening on HOST:PORT"; or prints
 * why not and returns a negative status. */
int32_t listen_on(evpoll *p, const struct common_options *options, uint64_t token,
                  evpoll_handle *listener_out);

/* The first SIGINT or SIGTERM wakes the poller: finish what is under way. The second shuts it down:
 * stop now. Call ignore_stop_signals() before evpoll_close(). */
void wake_on_stop_signals(evpoll *p);
void ignore_stop_signals(void);

/* What to say when the wake has come. */
void announce_stop(void);

/* Prints a status with what was tried, and the system's own code. */
void complain(const char *what, int32_t status);

/* Prints what the poller is made of, why, and what it did. */
void print_report(const char *program, evpoll *p);

#endif
