/* SPDX-License-Identifier: MIT */
/* One socket pair and one file in one loop. Valid C99 and valid C++17. */
#include <evpoll.h>

#include <stdio.h>
#include <string.h>

enum { SOCKET_TOKEN = 1, FILE_TOKEN = 2 };

static int failed(const char *what, int32_t status) {
  fprintf(stderr, "%s: %s (%d, system's code %d)\n", what, evpoll_strerror(status), (int)status,
          (int)evpoll_os_error());
  return 1;
}

/* Waits until both the socket and the file have reported. */
static int wait_for_both(evpoll *p, const char *buffer, int64_t length) {
  int seen_socket = 0;
  int seen_file = 0;
  while (!seen_socket || !seen_file) {
    evpoll_event events[8];
    const int32_t n = evpoll_wait(p, events, 8, INT64_C(10000000000));
    if (n <= 0) return failed("evpoll_wait", n);
    for (int32_t i = 0; i < n; i++) {
      if (events[i].token == SOCKET_TOKEN && (events[i].events & EVPOLL_READABLE)) seen_socket = 1;
      if (events[i].token != FILE_TOKEN) continue;
      if (events[i].status < 0) return failed("read", events[i].status);
      if (events[i].result != length || memcmp(buffer, "/* SPDX", 7) != 0)
        return failed("another text was read", (int32_t)events[i].result);
      seen_file = 1;
    }
  }
  return 0;
}

static int serve(evpoll *p, const char *path) {
  evpoll_handle ends[2];
  evpoll_handle file;
  char buffer[16];
  int32_t status = evpoll_socket_pair(&ends[0], &ends[1]);
  if (status < 0) return failed("evpoll_socket_pair", status);
  status = evpoll_add(p, ends[0], SOCKET_TOKEN, EVPOLL_READABLE, EVPOLL_LEVEL);
  if (status < 0) return failed("evpoll_add", status);
  status = evpoll_socket_send(ends[1], "x", 1);
  if (status != 1) return failed("evpoll_socket_send", status);

  status = evpoll_file_open(path, EVPOLL_FILE_READ, 0, &file);
  if (status < 0) return failed("evpoll_file_open", status);
  status = evpoll_add(p, file, FILE_TOKEN, 0, EVPOLL_OPERATIONS);
  if (status < 0) return failed("evpoll_add for operations", status);
  evpoll_io io;
  memset(&io, 0, sizeof io);
  io.token = FILE_TOKEN;
  io.handle = file;
  io.code = EVPOLL_OP_READ;
  io.buffer = EVPOLL_ADDR(buffer);
  io.length = sizeof buffer;
  status = evpoll_submit(p, &io, 1);
  if (status != 1) return failed("evpoll_submit", io.status);

  if (wait_for_both(p, buffer, (int64_t)sizeof buffer) != 0) return 1;
  status = evpoll_remove(p, file, FILE_TOKEN);
  if (status < 0) return failed("evpoll_remove", status);
  evpoll_file_close(file);
  evpoll_socket_close(ends[0]);
  evpoll_socket_close(ends[1]);
  return 0;
}

int main(int argc, char **argv) {
  evpoll *p;
  if (argc != 2) return failed("usage: consumer FILE", EVPOLL_ERR_INVALID);
  if (evpoll_version() / 65536 != EVPOLL_VERSION_MAJOR)
    return failed("another major version was loaded", EVPOLL_ERR_VERSION);
  int32_t status = evpoll_open(NULL, &p);
  if (status < 0) return failed("evpoll_open", status);
  const int result = serve(p, argv[1]);
  status = evpoll_close(p, EVPOLL_INFINITE);
  if (status < 0) return failed("evpoll_close", status);
  return result;
}
