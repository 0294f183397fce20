/* SPDX-License-Identifier: MIT */
/* Echo over TCP: what a server needs for a round trip. The clients are the same thread's, in turns
 * with the server, and their time is taken off: two threads on a machine that is busy differ more
 * from run to run than the contenders do. So the server never sleeps for long. */
#include "rows.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

long echo_left;

static int connections, size;

static int clients[ECHO_MOST];
static char message[ECHO_ROOM];

static void send_all(void) {
  for (int i = 0; i < connections; i++)
    if (send(clients[i], message, (size_t)size, MSG_NOSIGNAL) != size) die("send to the server");
}

static void receive_all(void) {
  for (int i = 0; i < connections; i++)
    if (recv(clients[i], message, (size_t)size, MSG_WAITALL) != size) die("recv of an echo");
}

static void connect_all(int *servers) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof a;
  if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 16)) die("listen");
  getsockname(listener, (struct sockaddr *)&a, &length);
  for (int i = 0; i < connections; i++) {
    clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(clients[i], (struct sockaddr *)&a, sizeof a)) die("connect");
    servers[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (servers[i] < 0) die("accept4");
    setsockopt(clients[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(servers[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* A reset leaves nothing behind. */
    const struct linger linger = {.l_onoff = 1};
    setsockopt(clients[i], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  }
  close(listener);
}

static void open_server(struct side *s) {
  const struct stream_type *type = s->type;
  int fds[ECHO_MOST];
  connect_all(fds);
  s->state = type->open(type, fds, connections);
}

static void serve(struct side *s, long rounds) {
  const struct stream_type *type = s->type;
  while (rounds-- > 0) {
    aside_begin();
    send_all();
    echo_left = (long)connections * size;
    aside_end();
    type->run(s->state);
    aside_begin();
    receive_all();
    aside_end();
  }
}

static void close_server(struct side *s) {
  const struct stream_type *type = s->type;
  for (int i = 0; i < connections; i++) close(clients[i]);
  type->close(s->state);
}

static const struct stream_type *const types[] = {&stream_raw,    &stream_ring, &stream_many,
                                                  &stream_single, &stream_two,  &stream_uv,
                                                  &stream_event,  &stream_asio};
enum { COUNT = sizeof types / sizeof types[0] };

bool echo_alone(const char *name, int n, int bytes, long rounds) {
  connections = n;
  size = bytes;
  for (int i = 0; i < COUNT && n >= 1 && n <= ECHO_MOST && bytes >= 1 && bytes < ECHO_ROOM; i++) {
    struct side s = {.type = types[i]};
    if (strcmp(types[i]->name, name) != 0) continue;
    open_server(&s);
    serve(&s, rounds);
    close_server(&s);
    return true;
  }
  return false;
}

static void echo_row(int n, int bytes) {
  struct side sides[COUNT];
  char name[80];
  connections = n;
  size = bytes;
  snprintf(name, sizeof name, bytes < 1024 ? "%d B, %d connection%s" : "%d KiB, %d connection%s",
           bytes < 1024 ? bytes : bytes / 1024, n, n > 1 ? "s" : "");
  if (!descriptors_allow(2 * n + 16, name)) return;
  for (int i = 0; i < COUNT; i++)
    sides[i] = (struct side){types[i]->name, open_server, serve, close_server, types[i], NULL};
  struct row r = {.group = "echo",
                  .name = name,
                  .x = n,
                  .per = n,
                  .base = sides[0],
                  .sides = sides + 1,
                  .count = COUNT - 1};
  run_row(&r);
}

void echo_rows(void) {
  report_group("echo", "Echo over TCP",
               "One round trip, the server's part. All clients send, then the server answers them, "
               "then they receive. Baseline: epoll, recv() and send(), one buffer for all; evpoll "
               "and io_uring have one for each connection. Two calls: submit, then wait.");
  static const int counts[] = {1, 100, 1000};
  for (int i = 0; i < 3; i++) {
    echo_row(counts[i], 64);
    echo_row(counts[i], 16384);
  }
}
