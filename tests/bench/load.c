/* SPDX-License-Identifier: MIT */
/* evpoll-load PORT CONNECTIONS WINDOW SECONDS: makes evpoll-logd work. Each connection has WINDOW
 * records of 100 bytes on their way, and sends the next when one is acknowledged. Prints
 * "ACKNOWLEDGED SECONDS P50 P99", the latter from sending to the answer, in microseconds. */
#include "slices.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_WINDOW = 256, MOST_CONNECTIONS = 256, TEXT = 100, MOST_SAMPLES = 1 << 22 };

struct client {
  int socket;
  double sent[MOST_WINDOW]; /* of what is not answered yet, first in first out */
  int first, waiting;
};

static int window;
static char line[4 + TEXT + 1];
static double *samples;
static long answers;

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void connect_to(struct client *c, int port) {
  const struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int on = 1;
  c->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->socket < 0 || connect(c->socket, (const struct sockaddr *)&address, sizeof address))
    die("connect");
  setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Fills the window, in one send. What is on its way always fits into the socket's buffer. */
static void send_more(struct client *c) {
  static char bytes[MOST_WINDOW * sizeof line];
  size_t length = 0;
  const double now = now_ns();
  for (; c->waiting < window; c->waiting++) {
    c->sent[(c->first + c->waiting) % window] = now;
    memcpy(bytes + length, line, sizeof line);
    length += sizeof line;
  }
  if (length && send(c->socket, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) die("send");
}

/* An answer is a line; none but OK is expected. */
static void receive(struct client *c) {
  char bytes[16384];
  const ssize_t n = recv(c->socket, bytes, sizeof bytes, 0);
  if (n <= 0) die("recv");
  const double now = now_ns();
  for (ssize_t i = 0; i < n; i++) {
    if (bytes[i] == 'E') die("an answer was not OK");
    if (bytes[i] != '\n') continue;
    if (answers < MOST_SAMPLES) samples[answers] = now - c->sent[c->first];
    answers++;
    c->first = (c->first + 1) % window;
    c->waiting--;
  }
}

int main(int argc, char **argv) {
  static struct client clients[MOST_CONNECTIONS];
  struct epoll_event events[MOST_CONNECTIONS];
  const int count = argc == 5 ? atoi(argv[2]) : 0;
  window = argc == 5 ? atoi(argv[3]) : 0;
  if (count < 1 || count > MOST_CONNECTIONS || window < 1 || window > MOST_WINDOW) {
    fprintf(stderr, "usage: evpoll-load PORT CONNECTIONS WINDOW SECONDS\n");
    return 2;
  }
  samples = malloc(MOST_SAMPLES * sizeof *samples);
  memset(line, 'x', sizeof line);
  memcpy(line, "PUT ", 4);
  line[sizeof line - 1] = '\n';
  const int set = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < count; i++) {
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &clients[i]};
    connect_to(&clients[i], atoi(argv[1]));
    if (epoll_ctl(set, EPOLL_CTL_ADD, clients[i].socket, &e)) die("epoll_ctl");
    send_more(&clients[i]);
  }
  const double began = now_ns(), length = atof(argv[4]) * 1e9;
  while (now_ns() - began < length) {
    const int n = epoll_wait(set, events, MOST_CONNECTIONS, 1000);
    for (int i = 0; i < n; i++) {
      receive(events[i].data.ptr);
      send_more(events[i].data.ptr);
    }
  }
  const double seconds = (now_ns() - began) / 1e9;
  const long kept = answers < MOST_SAMPLES ? answers : MOST_SAMPLES;
  if (!kept) die("no answer");
  qsort(samples, (size_t)kept, sizeof *samples, compare);
  printf("%ld %.3f %.1f %.1f\n", answers, seconds, samples[kept / 2] / 1000,
         samples[kept * 99 / 100] / 1000);
  return 0;
}
