/* SPDX-License-Identifier: MIT */
//go:build (linux || darwin || dragonfly || freebsd || netbsd || openbsd || windows) && !evpoll_system

/* The exports for files, buffers and sockets: what can be checked without the system is checked
   here, the same everywhere, and what the system says is cut down to the codes that evpoll.h lists
   for each function. Nothing else: the work is in os_*_file.c and os_*_socket.c. */
#include "io.h"
#include "linger.h"
#include "os_file.h"
#include "os_socket.h"
#include "status.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- the closed lists of codes ---- */

/* The 32 statuses below 0 are one bit each. */
#define ONE(name) (1u << (-EVPOLL_ERR_##name - 1))
_Static_assert(EVPOLL_ERR_INVALID == -1 && EVPOLL_ERR_OS == -32, "a status is a bit of uint32_t");

#define OPEN_LIST                                                                                  \
  (ONE(INVALID) | ONE(NOT_FOUND) | ONE(EXISTS) | ONE(ACCESS) | ONE(UNSUPPORTED) | ONE(LIMIT) |     \
   ONE(NO_MEMORY) | ONE(NO_SPACE) | ONE(IO) | ONE(BUSY))
#define CLOSE_LIST  (ONE(BAD_HANDLE) | ONE(IO) | ONE(NO_SPACE))
#define BUFFER_LIST (ONE(INVALID) | ONE(NO_MEMORY))
#define PAIR_LIST   (ONE(INVALID) | ONE(LIMIT) | ONE(NO_MEMORY))
#define LISTEN_LIST                                                                                \
  (PAIR_LIST | ONE(ADDRESS_IN_USE) | ONE(ADDRESS_UNAVAILABLE) | ONE(ACCESS) | ONE(UNSUPPORTED))
#define CONNECT_LIST (LISTEN_LIST | ONE(REFUSED) | ONE(UNREACHABLE) | ONE(TIMEOUT))
#define ACCEPT_LIST  (PAIR_LIST | ONE(WOULD_BLOCK) | ONE(BAD_HANDLE) | ONE(UNSUPPORTED))
#define RECV_LIST                                                                                  \
  (ONE(WOULD_BLOCK) | ONE(RESET) | ONE(REFUSED) | ONE(TIMEOUT) | ONE(NOT_CONNECTED) |              \
   ONE(UNREACHABLE) | ONE(MESSAGE_SIZE) | ONE(INVALID) | ONE(BAD_HANDLE) | ONE(FAULT) |            \
   ONE(NO_MEMORY) | ONE(UNSUPPORTED))
#define SEND_LIST (RECV_LIST | ONE(BROKEN_PIPE) | ONE(ACCESS))
#define ASK_LIST  (ONE(INVALID) | ONE(BAD_HANDLE) | ONE(UNSUPPORTED))
#define PEER_LIST (ASK_LIST | ONE(NOT_CONNECTED))

/* A caller may switch over the codes that a function lists; any other failure is EVPOLL_ERR_OS,
   with the system's code in evpoll_os_error() as before. */
static int32_t listed(uint32_t list, int32_t status) {
  if (status >= 0) return status;
  return list & (1u << (-status - 1)) ? status : EVPOLL_ERR_OS;
}

static bool is_port(int32_t port) { return port >= 0 && port <= 65535; }

/* ---- files and buffers ---- */

int32_t evpoll_file_open(const char *path, uint32_t flags, evpoll_handle *handle_out) {
  const uint32_t known = EVPOLL_FILE_READ | EVPOLL_FILE_WRITE | EVPOLL_FILE_CREATE |
                         EVPOLL_FILE_EXCLUSIVE | EVPOLL_FILE_TRUNCATE | EVPOLL_FILE_DIRECT;
  const bool reads = flags & EVPOLL_FILE_READ, writes = flags & EVPOLL_FILE_WRITE;
  if (!path || !*path || !handle_out || (flags & ~known)) return evp_fail(EVPOLL_ERR_INVALID);
  if (!reads && !writes) return evp_fail(EVPOLL_ERR_INVALID);
  if ((flags & EVPOLL_FILE_EXCLUSIVE) && !(flags & EVPOLL_FILE_CREATE))
    return evp_fail(EVPOLL_ERR_INVALID);
  if ((flags & EVPOLL_FILE_TRUNCATE) && !writes) return evp_fail(EVPOLL_ERR_INVALID);
  return listed(OPEN_LIST, evp_file_open(path, flags, handle_out));
}

int32_t evpoll_file_size(evpoll_handle handle, int64_t *size_out) {
  if (!size_out) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return listed(ASK_LIST, evp_file_size(handle, size_out));
}

int32_t evpoll_file_close(evpoll_handle handle) {
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  evp_kind_file_closes();
  return listed(CLOSE_LIST, evp_linger_close(handle));
}

int32_t evpoll_buffer_alloc(uint64_t size, uint32_t alignment, void **buffer_out) {
  if (alignment == 0) alignment = 4096;
  if (!buffer_out || size == 0) return evp_fail(EVPOLL_ERR_INVALID);
  if (alignment > 2097152 || (alignment & (alignment - 1))) return evp_fail(EVPOLL_ERR_INVALID);
  if (size > PTRDIFF_MAX) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  return listed(BUFFER_LIST, evp_buffer_alloc(size, alignment, buffer_out));
}

int32_t evpoll_buffer_free(void *buffer) {
  evp_buffer_free(buffer);
  return 0;
}

/* ---- sockets ---- */

int32_t evpoll_socket_tcp_listen(const char *host, int32_t port, int32_t backlog,
                                 evpoll_handle *handle_out) {
  if (!host || !handle_out || !is_port(port) || backlog < 0) return evp_fail(EVPOLL_ERR_INVALID);
  return listed(LISTEN_LIST, evp_socket_tcp_listen(host, port, backlog, handle_out));
}

int32_t evpoll_socket_tcp_connect(const char *host, int32_t port, evpoll_handle *handle_out) {
  if (!host || !handle_out || !is_port(port) || port == 0) return evp_fail(EVPOLL_ERR_INVALID);
  return listed(CONNECT_LIST, evp_socket_tcp_connect(host, port, handle_out));
}

int32_t evpoll_socket_accept(evpoll_handle listener, evpoll_handle *handle_out) {
  if (!handle_out) return evp_fail(EVPOLL_ERR_INVALID);
  if (listener < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return listed(ACCEPT_LIST, evp_socket_accept(listener, handle_out));
}

int32_t evpoll_socket_udp_bind(const char *host, int32_t port, evpoll_handle *handle_out) {
  if (!host || !handle_out || !is_port(port)) return evp_fail(EVPOLL_ERR_INVALID);
  return listed(LISTEN_LIST, evp_socket_udp_bind(host, port, handle_out));
}

int32_t evpoll_socket_pair(evpoll_handle *first_out, evpoll_handle *second_out) {
  if (!first_out || !second_out || first_out == second_out) return evp_fail(EVPOLL_ERR_INVALID);
  return listed(PAIR_LIST, evp_socket_pair(first_out, second_out));
}

int32_t evpoll_socket_recv(evpoll_handle handle, void *buffer_out, uint64_t length) {
  if (!buffer_out || length == 0) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return listed(RECV_LIST, evp_socket_recv(handle, buffer_out, length));
}

int32_t evpoll_socket_send(evpoll_handle handle, const void *buffer, uint64_t length) {
  /* NULL with length 0 is what most languages pass for an empty array. */
  if (!buffer && length > 0) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return listed(SEND_LIST, evp_socket_send(handle, buffer, length));
}

int32_t evpoll_socket_recvfrom(evpoll_handle handle, void *buffer_out, uint64_t length,
                               char *host_out, int32_t host_capacity, int32_t *port_out) {
  if (!buffer_out || length == 0) return evp_fail(EVPOLL_ERR_INVALID);
  if (host_capacity < 0 || (!host_out && host_capacity > 0)) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return listed(RECV_LIST,
                evp_socket_recvfrom(handle, buffer_out, length, host_out, host_capacity, port_out));
}

int32_t evpoll_socket_sendto(evpoll_handle handle, const void *buffer, uint64_t length,
                             const char *host, int32_t port) {
  if ((!buffer && length > 0) || length > 65535) return evp_fail(EVPOLL_ERR_INVALID);
  if (!host || !is_port(port) || port == 0) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return listed(SEND_LIST, evp_socket_sendto(handle, buffer, length, host, port));
}

int32_t evpoll_socket_shutdown(evpoll_handle handle, int32_t how) {
  if (how < EVPOLL_SHUTDOWN_READ || how > EVPOLL_SHUTDOWN_BOTH) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return listed(PEER_LIST, evp_socket_shutdown(handle, how));
}

int32_t evpoll_socket_take_error(evpoll_handle handle, int32_t *error_out) {
  if (!error_out) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return listed(ASK_LIST, evp_socket_take_error(handle, error_out));
}

static int32_t check_address_out(evpoll_handle handle, const char *host_out, int32_t host_capacity,
                                 const int32_t *port_out) {
  if (!host_out || host_capacity <= 0 || !port_out) return evp_fail(EVPOLL_ERR_INVALID);
  return handle < 0 ? evp_fail(EVPOLL_ERR_BAD_HANDLE) : 0;
}

int32_t evpoll_socket_local_address(evpoll_handle handle, char *host_out, int32_t host_capacity,
                                    int32_t *port_out) {
  const int32_t status = check_address_out(handle, host_out, host_capacity, port_out);
  if (status < 0) return status;
  return listed(ASK_LIST, evp_socket_local_address(handle, host_out, host_capacity, port_out));
}

int32_t evpoll_socket_peer_address(evpoll_handle handle, char *host_out, int32_t host_capacity,
                                   int32_t *port_out) {
  const int32_t status = check_address_out(handle, host_out, host_capacity, port_out);
  if (status < 0) return status;
  return listed(PEER_LIST, evp_socket_peer_address(handle, host_out, host_capacity, port_out));
}

int32_t evpoll_socket_set_nodelay(evpoll_handle handle, int32_t on) {
  if (on != 0 && on != 1) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return listed(ASK_LIST, evp_socket_set_nodelay(handle, on));
}

int32_t evpoll_socket_close(evpoll_handle handle) {
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return listed(ONE(BAD_HANDLE), evp_socket_close(handle));
}
