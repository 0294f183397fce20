/* SPDX-License-Identifier: MIT */
/* The exports for sockets, as api_files.c is for files. */
#include "api/listed.h"
#include "os/os_socket.h"

#define PAIR_LIST (ONE(INVALID) | ONE(LIMIT) | ONE(NO_MEMORY))
#define LISTEN_LIST                                                                                \
  (PAIR_LIST | ONE(ADDRESS_IN_USE) | ONE(ADDRESS_UNAVAILABLE) | ONE(ACCESS) | ONE(UNSUPPORTED))
#define CONNECT_LIST (LISTEN_LIST | ONE(REFUSED) | ONE(UNREACHABLE) | ONE(TIMEOUT))
#define ACCEPT_LIST  (PAIR_LIST | ONE(WOULD_BLOCK) | ONE(BAD_HANDLE) | ONE(UNSUPPORTED))
#define RECV_LIST                                                                                  \
  (ONE(WOULD_BLOCK) | ONE(RESET) | ONE(REFUSED) | ONE(TIMEOUT) | ONE(NOT_CONNECTED) |              \
   ONE(UNREACHABLE) | ONE(MESSAGE_SIZE) | ONE(INVALID) | ONE(BAD_HANDLE) | ONE(FAULT) |            \
   ONE(NO_MEMORY) | ONE(UNSUPPORTED))
#define SEND_LIST (RECV_LIST | ONE(BROKEN_PIPE) | ONE(ACCESS))
#define PEER_LIST (ASK_LIST | ONE(NOT_CONNECTED))

static bool is_port(int32_t port) { return port >= 0 && port <= 65535; }

int32_t evpoll_socket_tcp_listen(const char *host, int32_t port, int32_t backlog,
                                 evpoll_handle *handle_out) {
  if (!host || !handle_out || !is_port(port) || backlog < 0) return evp_fail(EVPOLL_ERR_INVALID);
  return evp_listed(LISTEN_LIST, evp_socket_tcp_listen(host, port, backlog, handle_out));
}

int32_t evpoll_socket_tcp_connect(const char *host, int32_t port, evpoll_handle *handle_out) {
  if (!host || !handle_out || !is_port(port) || port == 0) return evp_fail(EVPOLL_ERR_INVALID);
  return evp_listed(CONNECT_LIST, evp_socket_tcp_connect(host, port, handle_out));
}

int32_t evpoll_socket_accept(evpoll_handle listener, evpoll_handle *handle_out) {
  if (!handle_out) return evp_fail(EVPOLL_ERR_INVALID);
  if (listener < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return evp_listed(ACCEPT_LIST, evp_socket_accept(listener, handle_out));
}

int32_t evpoll_socket_udp_bind(const char *host, int32_t port, evpoll_handle *handle_out) {
  if (!host || !handle_out || !is_port(port)) return evp_fail(EVPOLL_ERR_INVALID);
  return evp_listed(LISTEN_LIST, evp_socket_udp_bind(host, port, handle_out));
}

int32_t evpoll_socket_pair(evpoll_handle *first_out, evpoll_handle *second_out) {
  if (!first_out || !second_out || first_out == second_out) return evp_fail(EVPOLL_ERR_INVALID);
  return evp_listed(PAIR_LIST, evp_socket_pair(first_out, second_out));
}

int32_t evpoll_socket_recv(evpoll_handle handle, void *buffer_out, uint64_t length) {
  if (!buffer_out || length == 0) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return evp_listed(RECV_LIST, evp_socket_recv(handle, buffer_out, length));
}

int32_t evpoll_socket_send(evpoll_handle handle, const void *buffer, uint64_t length) {
  /* NULL with length 0 is what most languages pass for an empty array. */
  if (!buffer && length > 0) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return evp_listed(SEND_LIST, evp_socket_send(handle, buffer, length));
}

int32_t evpoll_socket_recvfrom(evpoll_handle handle, void *buffer_out, uint64_t length,
                               char *host_out, int32_t host_capacity, int32_t *port_out) {
  if (!buffer_out || length == 0) return evp_fail(EVPOLL_ERR_INVALID);
  if (host_capacity < 0 || (!host_out && host_capacity > 0)) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return evp_listed(RECV_LIST, evp_socket_recvfrom(handle, buffer_out, length, host_out,
                                                   host_capacity, port_out));
}

int32_t evpoll_socket_sendto(evpoll_handle handle, const void *buffer, uint64_t length,
                             const char *host, int32_t port) {
  if ((!buffer && length > 0) || length > 65535) return evp_fail(EVPOLL_ERR_INVALID);
  if (!host || !is_port(port) || port == 0) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return evp_listed(SEND_LIST, evp_socket_sendto(handle, buffer, length, host, port));
}

int32_t evpoll_socket_shutdown(evpoll_handle handle, int32_t how) {
  if (how < EVPOLL_SHUTDOWN_READ || how > EVPOLL_SHUTDOWN_BOTH) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return evp_listed(PEER_LIST, evp_socket_shutdown(handle, how));
}

int32_t evpoll_socket_take_error(evpoll_handle handle, int32_t *error_out) {
  if (!error_out) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return evp_listed(ASK_LIST, evp_socket_take_error(handle, error_out));
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
  return evp_listed(ASK_LIST, evp_socket_local_address(handle, host_out, host_capacity, port_out));
}

int32_t evpoll_socket_peer_address(evpoll_handle handle, char *host_out, int32_t host_capacity,
                                   int32_t *port_out) {
  const int32_t status = check_address_out(handle, host_out, host_capacity, port_out);
  if (status < 0) return status;
  return evp_listed(PEER_LIST, evp_socket_peer_address(handle, host_out, host_capacity, port_out));
}

int32_t evpoll_socket_set_nodelay(evpoll_handle handle, int32_t on) {
  if (on != 0 && on != 1) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return evp_listed(ASK_LIST, evp_socket_set_nodelay(handle, on));
}

int32_t evpoll_socket_close(evpoll_handle handle) {
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return evp_listed(ONE(BAD_HANDLE), evp_socket_close(handle));
}
