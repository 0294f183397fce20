/* SPDX-License-Identifier: MIT */
/* A program of evpoll 1.0. It is compiled with the declarations of 1.0, linked against nothing but
   the symbols of 1.0, and run with today's library: numbers, layouts and behaviour that programs
   have compiled into themselves must go on working. Frozen once 1.0 is released. */
#include "evpoll-1.0.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "evpoll 1.0's program: line %d: %s (system's code %d)\n", __LINE__,          \
              #condition, (int)evpoll_os_error());                                                 \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

/* Every export of 1.0 has to be there when the program is loaded. */
typedef void (*any_function)(void);
#define EXPORT(name) (any_function) name,
static const any_function exports[] = {
#include "exports-1.0.inc"
};

static evpoll *open_poller(uint32_t flags, uint64_t wake_token) {
  evpoll_options options;
  evpoll *p = NULL;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.flags = flags;
  options.wake_token = wake_token;
  CHECK(evpoll_open(&options, &p) == EVPOLL_OK && p != NULL);
  return p;
}

/* The next event, which has to carry the token. */
static evpoll_event next(evpoll *p, uint64_t token) {
  evpoll_event event;
  CHECK(evpoll_wait(p, &event, 1, 10 * SECOND) == 1);
  CHECK(event.token == token);
  return event;
}

static void close_poller(evpoll *p) { CHECK(evpoll_close(p, 10 * SECOND) == EVPOLL_OK); }

static void about(void) {
  for (size_t i = 0; i < sizeof exports / sizeof *exports; i++) CHECK(exports[i] != NULL);
  CHECK(evpoll_version() / 65536 == EVPOLL_VERSION_MAJOR);
  CHECK(evpoll_version() >= EVPOLL_VERSION);
  CHECK(strncmp(evpoll_version_string(), "1.", 2) == 0);
  CHECK(strcmp(evpoll_strerror(EVPOLL_ERR_STALE), evpoll_strerror(EVPOLL_ERR_OS)) != 0);
  CHECK(evpoll_open(NULL, NULL) == EVPOLL_ERR_INVALID);
  CHECK(evpoll_os_error() == 0);
}

/* Today's structs may be longer: nothing behind the size that 1.0 names may be touched. */
static void growing_structs(void) {
  struct {
    struct evpoll_poller_info info;
    uint64_t behind;
  } wide_info;
  struct {
    struct evpoll_poller_stats stats;
    uint64_t behind;
  } wide_stats;
  evpoll *p = open_poller(0, 0);
  memset(&wide_info, 0x5a, sizeof wide_info);
  memset(&wide_stats, 0x5a, sizeof wide_stats);
  const uint64_t untouched = wide_info.behind;
  wide_info.info.struct_size = sizeof wide_info.info;
  wide_stats.stats.struct_size = sizeof wide_stats.stats;
  CHECK(evpoll_info(p, &wide_info.info) == EVPOLL_OK && wide_info.behind == untouched);
  CHECK(wide_info.info.version == (uint32_t)evpoll_version());
  CHECK(wide_info.info.backend >= EVPOLL_BACKEND_EPOLL && wide_info.info.io_limit == 1048576);
  CHECK(evpoll_stats(p, &wide_stats.stats) == EVPOLL_OK && wide_stats.behind == untouched);
  CHECK(wide_stats.stats.events == 0 && wide_stats.stats.io_in_flight == 0);
  char text[256];
  CHECK(evpoll_describe(p, text, (int32_t)sizeof text) > 0);
  close_poller(p);
}

static void refusals(void) {
  evpoll *p = open_poller(0, 0);
  evpoll_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.flags = 0x40000000;
  evpoll *none = NULL;
  CHECK(evpoll_open(&options, &none) == EVPOLL_ERR_UNSUPPORTED && none == NULL);
  CHECK(evpoll_add(p, -1, 1, EVPOLL_READABLE, EVPOLL_LEVEL) == EVPOLL_ERR_BAD_HANDLE);
  CHECK(evpoll_wait(p, NULL, 0, 0) == EVPOLL_ERR_INVALID);
  CHECK(evpoll_cancel(p, 12345) == EVPOLL_ERR_NOT_FOUND);
  CHECK(evpoll_cancel_all(p) == 0);
  close_poller(p);
}

static void readiness(void) {
  evpoll *p = open_poller(0, 0);
  evpoll_handle a, b;
  CHECK(evpoll_socket_pair(&a, &b) == EVPOLL_OK);
  CHECK(evpoll_modify(p, a, 7, EVPOLL_READABLE, EVPOLL_LEVEL) == EVPOLL_ERR_NOT_FOUND);
  CHECK(evpoll_add(p, a, 7, EVPOLL_WRITABLE, EVPOLL_ONESHOT) == 0);
  CHECK(next(p, 7).events == EVPOLL_WRITABLE);
  evpoll_event event;
  CHECK(evpoll_wait(p, &event, 1, 0) == 0);
  CHECK(evpoll_rearm(p, a, 7, EVPOLL_WRITABLE) == EVPOLL_OK);
  event = next(p, 7);
  CHECK(event.events == EVPOLL_WRITABLE && event.op == 0 && event.status == EVPOLL_OK);
  CHECK(evpoll_add(p, a, 8, EVPOLL_READABLE, EVPOLL_LEVEL) == 1);
  CHECK(evpoll_remove(p, a, 7) == EVPOLL_ERR_STALE);
  CHECK(evpoll_socket_send(b, "xyz", 3) == 3);
  CHECK(next(p, 8).events & EVPOLL_READABLE);
  char bytes[8];
  CHECK(evpoll_socket_recv(a, bytes, sizeof bytes) == 3 && memcmp(bytes, "xyz", 3) == 0);
  CHECK(evpoll_socket_recv(a, bytes, sizeof bytes) == EVPOLL_ERR_WOULD_BLOCK);

  evpoll_change changes[2];
  memset(changes, 0, sizeof changes);
  changes[0].token = 8;
  changes[0].handle = a;
  changes[0].action = EVPOLL_CHANGE_REMOVE;
  changes[1].token = 9;
  changes[1].handle = -1;
  changes[1].action = EVPOLL_CHANGE_ADD;
  changes[1].interest = EVPOLL_READABLE;
  changes[1].mode = EVPOLL_EDGE;
  CHECK(evpoll_update(p, changes, 2) == 1);
  CHECK(changes[0].status == EVPOLL_OK && changes[1].status == EVPOLL_ERR_BAD_HANDLE);
  CHECK(evpoll_socket_close(a) == EVPOLL_OK && evpoll_socket_close(b) == EVPOLL_OK);
  close_poller(p);
}

static void wakes_and_posts(void) {
  evpoll *p = open_poller(EVPOLL_OPEN_SINGLE_WAITER, UINT64_MAX);
  CHECK(evpoll_wake(p) == EVPOLL_OK && evpoll_wake(p) == EVPOLL_OK);
  CHECK(next(p, UINT64_MAX).events == EVPOLL_WAKE);
  CHECK(evpoll_post(p, 5, INT64_MIN) == EVPOLL_OK);
  const evpoll_event event = next(p, 5);
  CHECK(event.events == EVPOLL_POST && event.result == INT64_MIN && event.status == EVPOLL_OK);
  close_poller(p);
}

static evpoll_io operation(uint32_t code, evpoll_handle file, void *buffer, uint64_t length) {
  evpoll_io io;
  memset(&io, 0, sizeof io);
  io.token = 100 + code;
  io.handle = file;
  io.code = code;
  io.buffer = (uint64_t)(uintptr_t)buffer;
  io.length = length;
  return io;
}

static void files(const char *path) {
  evpoll *p = open_poller(EVPOLL_OPEN_NO_URING, 0);
  evpoll_handle file;
  void *buffer;
  int64_t size;
  CHECK(evpoll_buffer_alloc(8192, 0, &buffer) == EVPOLL_OK);
  memset(buffer, 'e', 4096);
  CHECK(evpoll_file_open(
            path, EVPOLL_FILE_READ | EVPOLL_FILE_WRITE | EVPOLL_FILE_CREATE | EVPOLL_FILE_TRUNCATE,
            0600, &file) == EVPOLL_OK);
  CHECK(evpoll_add(p, file, 6, 0, EVPOLL_OPERATIONS) == 0);
  evpoll_io io = operation(EVPOLL_OP_WRITE, file, buffer, 4096);
  CHECK(evpoll_submit(p, &io, 1) == 1 && io.status == EVPOLL_OK);
  evpoll_event event = next(p, 100 + EVPOLL_OP_WRITE);
  CHECK(event.events == EVPOLL_IO && event.op == io.op && event.result == 4096);
  CHECK(evpoll_file_size(file, &size) == EVPOLL_OK && size == 4096);

  evpoll_io turn_io = operation(EVPOLL_OP_FDATASYNC, file, NULL, 0);
  CHECK(evpoll_turn(p, NULL, 0, &turn_io, 1, &event, 1, 10 * SECOND) == 1);
  CHECK(event.token == 100 + EVPOLL_OP_FDATASYNC && event.status == EVPOLL_OK);

  evpoll_iovec pieces[2] = {{(uint64_t)(uintptr_t)buffer + 4096, 1000}, {0, 24}};
  pieces[1].address = pieces[0].address + 1000;
  evpoll_io list[2];
  list[0] = operation(EVPOLL_OP_READ, file, (char *)buffer + 6000, 100);
  list[1] = operation(EVPOLL_OP_READV, file, pieces, 2);
  uint64_t op = 0;
  CHECK(evpoll_submit_list(p, list, 2, 200, &op) == 2 && op != 0);
  event = next(p, 200);
  CHECK(event.events == EVPOLL_IO_LIST && event.op == op && event.result == 2);
  evpoll_result results[2];
  CHECK(evpoll_list_take(p, op, results, 2) == 2);
  CHECK(results[0].result == 100 && results[1].result == 1024 && results[1].status == EVPOLL_OK);
  CHECK(((char *)buffer)[4096] == 'e' && ((char *)buffer)[6099] == 'e');
  CHECK(evpoll_cancel_handle(p, file) == 0);
  CHECK(evpoll_cancel_token(p, file, 100) == EVPOLL_ERR_NOT_FOUND);

  /* Entries of their own: one ended here or reports, one is refused. */
  evpoll_io ios[2];
  ios[0] = operation(EVPOLL_OP_READ, file, buffer, 10);
  ios[0].flags = EVPOLL_OPF_INLINE;
  ios[1] = operation(99, file, NULL, 0);
  CHECK(evpoll_submit(p, ios, 2) == 1 && ios[0].status == EVPOLL_OK);
  CHECK(ios[0].op == 0 ? ios[0].offset == 10 : next(p, 100 + EVPOLL_OP_READ).result == 10);
  CHECK(ios[1].op == 0 && ios[1].status == EVPOLL_ERR_UNSUPPORTED);
  CHECK(evpoll_hold(p, file, 6) == EVPOLL_OK && evpoll_remove(p, file, 6) == EVPOLL_ERR_BUSY);
  CHECK(evpoll_release(p, file) == EVPOLL_OK && evpoll_remove(p, file, 6) == EVPOLL_OK);
  CHECK(evpoll_add(p, file, 7, 0, EVPOLL_OPERATIONS) == 0);
  io = operation(EVPOLL_OP_CLOSE, file, NULL, 0);
  CHECK(evpoll_submit(p, &io, 1) == 1);
  event = next(p, 100 + EVPOLL_OP_CLOSE);
  CHECK(event.events == EVPOLL_IO && event.op == io.op && event.result == 0);
  CHECK(evpoll_file_size(file, &size) == EVPOLL_ERR_BAD_HANDLE);
  CHECK(evpoll_buffer_free(buffer) == EVPOLL_OK);
  close_poller(p);
}

static void network(void) {
  evpoll_handle listener, client, server, udp;
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = 0;
  int32_t error = 1;
  CHECK(evpoll_socket_tcp_listen("127.0.0.1", 0, 0, &listener) == EVPOLL_OK);
  CHECK(evpoll_socket_local_address(listener, host, (int32_t)sizeof host, &port) == EVPOLL_OK);
  CHECK(strcmp(host, "127.0.0.1") == 0 && port > 0);
  const int32_t status = evpoll_socket_tcp_connect("127.0.0.1", port, &client);
  CHECK(status == EVPOLL_OK || status == EVPOLL_IN_PROGRESS);
  evpoll *p = open_poller(0, 0);
  CHECK(evpoll_add(p, listener, 1, EVPOLL_READABLE, EVPOLL_ONESHOT) == 0);
  next(p, 1);
  CHECK(evpoll_socket_accept(listener, &server) == EVPOLL_OK);
  CHECK(evpoll_add(p, client, 2, EVPOLL_WRITABLE, EVPOLL_ONESHOT) == 0);
  next(p, 2);
  CHECK(evpoll_socket_take_error(client, &error) == EVPOLL_OK && error == EVPOLL_OK);
  CHECK(evpoll_socket_set_nodelay(client, 1) == EVPOLL_OK);
  CHECK(evpoll_socket_peer_address(client, host, (int32_t)sizeof host, &error) == EVPOLL_OK);
  CHECK(error == port);
  CHECK(evpoll_socket_shutdown(client, EVPOLL_SHUTDOWN_WRITE) == EVPOLL_OK);
  CHECK(evpoll_add(p, server, 3, EVPOLL_READABLE, EVPOLL_ONESHOT) == 0);
  CHECK(next(p, 3).events & EVPOLL_READABLE);
  CHECK(evpoll_socket_recv(server, host, sizeof host) == 0);
  close_poller(p);

  CHECK(evpoll_socket_udp_bind("127.0.0.1", 0, &udp) == EVPOLL_OK);
  CHECK(evpoll_socket_local_address(udp, host, (int32_t)sizeof host, &port) == EVPOLL_OK);
  CHECK(evpoll_socket_sendto(udp, "u", 1, "127.0.0.1", port) == 1);
  p = open_poller(0, 0);
  CHECK(evpoll_add(p, udp, 4, EVPOLL_READABLE, EVPOLL_EDGE) == 0);
  next(p, 4);
  char byte;
  CHECK(evpoll_socket_recvfrom(udp, &byte, 1, host, (int32_t)sizeof host, &error) == 1);
  CHECK(byte == 'u' && error == port);
  close_poller(p);
  evpoll_socket_close(udp);
  evpoll_socket_close(server);
  evpoll_socket_close(client);
  evpoll_socket_close(listener);
}

static void shutdown_and_time(void) {
  evpoll *p = open_poller(EVPOLL_OPEN_INTERRUPTIBLE, 0);
  evpoll_event event;
  evpoll_aio *aio = NULL;
  const int64_t before = evpoll_now();
  CHECK(evpoll_now() >= before);
  const int32_t status = evpoll_aio_open(p, EVPOLL_AIO, 1, &aio);
  CHECK(status == EVPOLL_ERR_UNSUPPORTED || (status == EVPOLL_OK && aio != NULL));
  if (status == EVPOLL_OK) CHECK(evpoll_aio_close(aio) == EVPOLL_OK);
  CHECK(evpoll_shutdown(p) == EVPOLL_OK);
  CHECK(evpoll_post(p, 1, 1) == EVPOLL_ERR_SHUTDOWN);
  CHECK(evpoll_wait(p, &event, 1, EVPOLL_INFINITE) == EVPOLL_ERR_SHUTDOWN);
  close_poller(p);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  about();
  growing_structs();
  refusals();
  readiness();
  wakes_and_posts();
  files(argv[1]);
  network();
  shutdown_and_time();
  return 0;
}
