/* SPDX-License-Identifier: MIT */
/* Storms of connections: 64 come, are accepted and closed. The clients are the same thread's, and
 * their time is taken off, as in echo.c. */
#include "rows.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AT_ONCE = 64 };

long accept_left;
bool accept_registers;

static struct sockaddr_in address;

static int open_listener(void) {
  socklen_t length = sizeof address;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  address = (struct sockaddr_in){.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, (struct sockaddr *)&address, length) || listen(fd, 4 * AT_ONCE)) die("listen");
  getsockname(fd, (struct sockaddr *)&address, &length);
  return fd;
}

static void open_acceptor(struct side *s) {
  const struct accept_type *type = s->type;
  s->state = type->open(type, open_listener());
}

static void storm(struct side *s, long rounds) {
  const struct accept_type *type = s->type;
  const struct linger reset = {.l_onoff = 1}; /* nothing is left behind */
  int clients[AT_ONCE];
  while (rounds-- > 0) {
    aside_begin();
    for (int i = 0; i < AT_ONCE; i++) {
      clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (connect(clients[i], (struct sockaddr *)&address, sizeof address)) die("connect");
      setsockopt(clients[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    accept_left = AT_ONCE;
    aside_end();
    type->run(s->state);
    aside_begin();
    for (int i = 0; i < AT_ONCE; i++) close(clients[i]);
    aside_end();
  }
}

static void close_acceptor(struct side *s) {
  const struct accept_type *type = s->type;
  type->close(s->state);
}

static void accept_row(const char *name, bool registers) {
  static const struct accept_type *const types[] = {&accept_raw, &accept_many,  &accept_single,
                                                    &accept_uv,  &accept_event, &accept_asio};
  enum { COUNT = sizeof types / sizeof types[0] };
  struct side sides[COUNT];
  accept_registers = registers;
  for (int i = 0; i < COUNT; i++)
    sides[i] = (struct side){types[i]->name, open_acceptor, storm, close_acceptor, types[i], NULL};
  struct row r = {.group = "accepts",
                  .name = name,
                  .x = AT_ONCE,
                  .per = AT_ONCE,
                  .base = sides[0],
                  .sides = sides + 1,
                  .count = COUNT - 1};
  run_row(&r);
}

void accepts_rows(void) {
  report_group("accepts", "Connections accepted and closed",
               "One connection, the server's part; 64 come at once. Baseline: epoll and accept4() "
               "until there is none. Registered: epoll_ctl(), evpoll_add() and CLOSE, "
               "uv_read_start(), a bufferevent; Asio does so always.");
  accept_row("accept, close", false);
  accept_row("accept, register, close", true);
}
