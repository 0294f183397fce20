/* SPDX-License-Identifier: MIT */
/* Sockets on Windows. A handle is a SOCKET. They are made non-blocking, not inherited, and for
 * overlapped operations, which AFD needs. */
#include "os/os_socket.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <winsock2.h>
#include <ws2tcpip.h>

#include <mswsock.h>
#include <windows.h>

#include "backend/afd/afd_socket.h"
#include "os/os_address.h"
#include "os/windows/windows_os.h"
#include "core/status.h"

static BOOL CALLBACK start_winsock(INIT_ONCE *once, void *parameter, void **context) {
  (void)once, (void)context;
  WSADATA data;
  *(int *)parameter = WSAStartup(MAKEWORD(2, 2), &data);
  return *(int *)parameter == 0;
}

/* Never stopped: the program may use sockets that outlive all pollers. */
int evp_windows_need_winsock(void) {
  static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
  int os_code = 0;
  return InitOnceExecuteOnce(&once, start_winsock, &os_code, NULL) ? 0 : os_code;
}

static int32_t windows_socket_fail_last(void) {
  const int os_code = WSAGetLastError();
  return os_code ? evp_fail_os(os_code) : evp_fail(EVPOLL_ERR_OS); /* never a success */
}

/* Winsock says "not a socket" also of what is not open. */
int32_t evp_windows_no_socket(evpoll_handle handle, int os_code) {
  DWORD flags;
  if (os_code == WSANOTINITIALISED) os_code = WSAENOTSOCK; /* nobody has opened one yet */
  if (os_code == WSAENOTSOCK && !GetHandleInformation(evp_windows_handle(handle), &flags))
    return evp_fail_as(EVPOLL_ERR_BAD_HANDLE, os_code);
  return evp_fail_os(os_code);
}

static int32_t fail_on(evpoll_handle handle) {
  return evp_windows_no_socket(handle, WSAGetLastError());
}

/* ---- making sockets ----------------------------------------------------------------------- */

static int32_t windows_socket_abandon(SOCKET s, int32_t status) {
  closesocket(s);
  return status;
}

static int32_t windows_socket_set_option(SOCKET s, int level, int option) {
  const int on = 1;
  return setsockopt(s, level, option, (const char *)&on, sizeof on) == 0
             ? 0
             : windows_socket_fail_last();
}

static int32_t make_non_blocking(SOCKET s) {
  u_long on = 1;
  return ioctlsocket(s, (long)FIONBIO, &on) == 0 ? 0 : windows_socket_fail_last();
}

static int32_t windows_socket_open_socket(int family, int type, SOCKET *out) {
  const int failed = evp_windows_need_winsock();
  if (failed) return evp_fail_os(failed);
  const SOCKET s =
      WSASocketW(family, type, 0, NULL, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
  if (s == INVALID_SOCKET) return windows_socket_fail_last();
  int32_t status = make_non_blocking(s);
  if (status == 0 && family == AF_INET6)
    status = windows_socket_set_option(s, IPPROTO_IPV6, IPV6_V6ONLY);
  if (status < 0) return windows_socket_abandon(s, status);
  if (type == SOCK_DGRAM) {
    /* A peer that is not there is no failure of the next receive: as on POSIX. */
    BOOL off = FALSE;
    DWORD n;
    WSAIoctl(s, (DWORD)SIO_UDP_CONNRESET, &off, sizeof off, NULL, 0, &n, NULL, NULL);
  }
  evp_afd_number_is_new((evpoll_handle)s);
  *out = s;
  return 0;
}

/* Without it another program could take the port over: SO_REUSEADDR means that here. */
static int32_t windows_socket_open_bound(const char *host, int32_t port, int type, SOCKET *out) {
  union evp_address address;
  const int32_t length = evp_address_parse(host, port, &address);
  if (length < 0) return length;
  SOCKET s = INVALID_SOCKET;
  int32_t status = windows_socket_open_socket(address.any.sa_family, type, &s);
  if (status < 0) return status;
  status = windows_socket_set_option(s, SOL_SOCKET, SO_EXCLUSIVEADDRUSE);
  if (status == 0 && bind(s, &address.any, length) != 0) status = windows_socket_fail_last();
  if (status < 0) return windows_socket_abandon(s, status);
  *out = s;
  return 0;
}

int32_t evp_socket_tcp_listen(const char *host, int32_t port, int32_t backlog,
                              evpoll_handle *handle_out) {
  SOCKET s = INVALID_SOCKET;
  const int32_t status = windows_socket_open_bound(host, port, SOCK_STREAM, &s);
  if (status < 0) return status;
  if (listen(s, backlog == 0 ? SOMAXCONN : backlog) != 0)
    return windows_socket_abandon(s, windows_socket_fail_last());
  *handle_out = (evpoll_handle)s;
  return 0;
}

int32_t evp_socket_udp_bind(const char *host, int32_t port, evpoll_handle *handle_out) {
  SOCKET s = INVALID_SOCKET;
  const int32_t status = windows_socket_open_bound(host, port, SOCK_DGRAM, &s);
  if (status < 0) return status;
  *handle_out = (evpoll_handle)s;
  return 0;
}

int32_t evp_socket_tcp_connect(const char *host, int32_t port, evpoll_handle *handle_out) {
  union evp_address address;
  const int32_t length = evp_address_parse(host, port, &address);
  if (length < 0) return length;
  SOCKET s = INVALID_SOCKET;
  int32_t status = windows_socket_open_socket(address.any.sa_family, SOCK_STREAM, &s);
  if (status < 0) return status;
  if (connect(s, &address.any, length) != 0) {
    const int os_code = WSAGetLastError();
    if (os_code != WSAEWOULDBLOCK) return windows_socket_abandon(s, evp_fail_os(os_code));
    status = EVPOLL_IN_PROGRESS;
  }
  *handle_out = (evpoll_handle)s;
  return status;
}

/* Of one that was reset before its turn Wine cannot say whose it was, and has closed it. */
int evp_windows_accept(evpoll_handle listener, struct sockaddr *name, int *length,
                       evpoll_handle *out) {
  const SOCKET s = accept(evp_windows_socket(listener), name, length);
  if (s == INVALID_SOCKET) {
    const int os_code = WSAGetLastError();
    return os_code == WSAENOTCONN ? WSAECONNRESET : os_code;
  }
  SetHandleInformation((HANDLE)s, HANDLE_FLAG_INHERIT, 0);
  u_long on = 1;
  if (ioctlsocket(s, (long)FIONBIO, &on) != 0) {
    const int os_code = WSAGetLastError();
    closesocket(s);
    return os_code;
  }
  evp_afd_number_is_new((evpoll_handle)s);
  *out = (evpoll_handle)s;
  return 0;
}

int32_t evp_socket_accept(evpoll_handle listener, evpoll_handle *handle_out) {
  if (!evp_windows_is_number(listener)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  int os_code;
  do os_code = evp_windows_accept(listener, NULL, NULL, handle_out);
  while (os_code == WSAECONNRESET); /* gone before its turn */
  return os_code ? evp_windows_no_socket(listener, os_code) : 0;
}

/* A connection over loopback; somebody else's, that was faster, is sent away. */
static int32_t accept_from(SOCKET listener, SOCKET peer, SOCKET *out) {
  union evp_address expected, actual;
  int expected_length = sizeof expected;
  if (getsockname(peer, &expected.any, &expected_length) != 0) return windows_socket_fail_last();
  for (;;) {
    int length = sizeof actual;
    const SOCKET s = accept(listener, &actual.any, &length);
    if (s == INVALID_SOCKET) return windows_socket_fail_last();
    if (actual.v4.sin_port == expected.v4.sin_port &&
        actual.v4.sin_addr.s_addr == expected.v4.sin_addr.s_addr) {
      SetHandleInformation((HANDLE)s, HANDLE_FLAG_INHERIT, 0);
      evp_afd_number_is_new((evpoll_handle)s);
      *out = s;
      return 0;
    }
    closesocket(s);
  }
}

/* A listener, and a socket that is connected with it; both are blocking until the connection is
 * made, which over loopback takes no network. */
static int32_t connect_pair(SOCKET first, SOCKET listener, SOCKET *second_out) {
  union evp_address address;
  int length = sizeof address;
  u_long off = 0;
  if (ioctlsocket(listener, (long)FIONBIO, &off) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, &address.any, &length) != 0 ||
      ioctlsocket(first, (long)FIONBIO, &off) != 0 || connect(first, &address.any, length) != 0)
    return windows_socket_fail_last();
  return accept_from(listener, first, second_out);
}

int32_t evp_socket_pair(evpoll_handle *first_out, evpoll_handle *second_out) {
  SOCKET listener = INVALID_SOCKET, first = INVALID_SOCKET, second = INVALID_SOCKET;
  int32_t status = windows_socket_open_socket(AF_INET, SOCK_STREAM, &first);
  if (status < 0) return status;
  status = windows_socket_open_bound("127.0.0.1", 0, SOCK_STREAM, &listener);
  if (status < 0) return windows_socket_abandon(first, status);
  status = connect_pair(first, listener, &second);
  closesocket(listener);
  if (status == 0) status = make_non_blocking(first);
  if (status == 0) status = make_non_blocking(second);
  /* Small writes go out at once, as they do between Unix sockets. */
  if (status == 0) status = windows_socket_set_option(first, IPPROTO_TCP, TCP_NODELAY);
  if (status == 0) status = windows_socket_set_option(second, IPPROTO_TCP, TCP_NODELAY);
  if (status < 0) {
    if (second != INVALID_SOCKET) closesocket(second);
    return windows_socket_abandon(first, status);
  }
  *first_out = (evpoll_handle)first;
  *second_out = (evpoll_handle)second;
  return 0;
}

/* ---- data --------------------------------------------------------------------------------- */

static int windows_socket_clamp(uint64_t length) {
  return length > INT32_MAX ? INT32_MAX : (int)length;
}

/* While less than SO_SNDBUF is queued the next send is taken whole, whatever its size: a limit for
 * each call is what makes a slow reader felt. No datagram is as long. */
static int windows_socket_clamp_send(uint64_t length) {
  enum { MOST_SENT = 1 << 20 };
  return length > MOST_SENT ? MOST_SENT : (int)length;
}

/* A datagram that was longer than the buffer is an error here, and what fitted has come. */
static int32_t settle_receive(evpoll_handle handle, int n, int length) {
  if (n >= 0) return n;
  const int os_code = WSAGetLastError();
  if (os_code == WSAEMSGSIZE) return length;
  if (os_code == WSAESHUTDOWN) return 0; /* our own shutdown of receiving: the end */
  return evp_windows_no_socket(handle, os_code);
}

int32_t evp_socket_recv(evpoll_handle handle, void *buffer_out, uint64_t length) {
  if (!evp_windows_is_number(handle)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  const int n = recv(evp_windows_socket(handle), buffer_out, windows_socket_clamp(length), 0);
  return settle_receive(handle, n, windows_socket_clamp(length));
}

int32_t evp_socket_send(evpoll_handle handle, const void *buffer, uint64_t length) {
  if (!evp_windows_is_number(handle)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  const char *bytes = buffer ? buffer : ""; /* NULL is a fault here, also with length 0 */
  const int n = send(evp_windows_socket(handle), bytes, windows_socket_clamp_send(length), 0);
  if (n >= 0) return n;
  const int os_code = WSAGetLastError();
  union evp_address peer;
  int peer_length = sizeof peer;
  /* Wine's word for a datagram to nobody. */
  if (os_code == WSAEINVAL && getpeername(evp_windows_socket(handle), &peer.any, &peer_length) != 0)
    return evp_fail_as(EVPOLL_ERR_NOT_CONNECTED, os_code);
  return evp_windows_no_socket(handle, os_code);
}

int32_t evp_socket_recvfrom(evpoll_handle handle, void *buffer_out, uint64_t length, char *host_out,
                            int32_t host_capacity, int32_t *port_out) {
  if (!evp_windows_is_number(handle)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  union evp_address from = {.any = {.sa_family = AF_UNSPEC}};
  int from_length = sizeof from;
  int n = recvfrom(evp_windows_socket(handle), buffer_out, windows_socket_clamp(length), 0,
                   &from.any, &from_length);
  n = settle_receive(handle, n, windows_socket_clamp(length));
  if (n < 0) return n;
  if (host_capacity == 0) host_out = NULL;
  const int32_t status = evp_address_format(&from, from_length, host_out, host_capacity, port_out);
  return status < 0 ? status : n;
}

/* Which code an address of another family gets depends on the provider. */
static int32_t windows_socket_refuse_datagram(evpoll_handle handle, int family, int os_code) {
  union evp_address own = {.any = {.sa_family = AF_UNSPEC}};
  int length = sizeof own;
  if (os_code != WSAEWOULDBLOCK &&
      getsockname(evp_windows_socket(handle), &own.any, &length) == 0 &&
      own.any.sa_family != family)
    return evp_fail_as(EVPOLL_ERR_INVALID, os_code);
  return evp_windows_no_socket(handle, os_code);
}

int32_t evp_socket_sendto(evpoll_handle handle, const void *buffer, uint64_t length,
                          const char *host, int32_t port) {
  if (!evp_windows_is_number(handle)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  union evp_address to;
  const int32_t to_length = evp_address_parse(host, port, &to);
  if (to_length < 0) return to_length;
  const char *bytes = buffer ? buffer : "";
  const int n = sendto(evp_windows_socket(handle), bytes, windows_socket_clamp_send(length), 0,
                       &to.any, to_length);
  return n < 0 ? windows_socket_refuse_datagram(handle, to.any.sa_family, WSAGetLastError()) : n;
}

/* ---- the rest ----------------------------------------------------------------------------- */

int32_t evp_socket_shutdown(evpoll_handle handle, int32_t how) {
  if (!evp_windows_is_number(handle)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  const int native = how == EVPOLL_SHUTDOWN_READ    ? SD_RECEIVE
                     : how == EVPOLL_SHUTDOWN_WRITE ? SD_SEND
                                                    : SD_BOTH;
  /* Without a peer some providers find nothing wrong. */
  union evp_address peer;
  int length = sizeof peer;
  if (getpeername(evp_windows_socket(handle), &peer.any, &length) != 0) return fail_on(handle);
  return shutdown(evp_windows_socket(handle), native) == 0 ? 0 : fail_on(handle);
}

int32_t evp_socket_take_error(evpoll_handle handle, int32_t *error_out) {
  if (!evp_windows_is_number(handle)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  int os_code = 0;
  int length = sizeof os_code;
  if (getsockopt(evp_windows_socket(handle), SOL_SOCKET, SO_ERROR, (char *)&os_code, &length) != 0)
    return fail_on(handle);
  *error_out = evp_fail_os(evp_afd_take_error(handle, os_code));
  return 0;
}

int32_t evp_socket_local_address(evpoll_handle handle, char *host_out, int32_t host_capacity,
                                 int32_t *port_out) {
  if (!evp_windows_is_number(handle)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  union evp_address address;
  int length = sizeof address;
  if (getsockname(evp_windows_socket(handle), &address.any, &length) != 0) return fail_on(handle);
  return evp_address_format(&address, length, host_out, host_capacity, port_out);
}

int32_t evp_socket_peer_address(evpoll_handle handle, char *host_out, int32_t host_capacity,
                                int32_t *port_out) {
  if (!evp_windows_is_number(handle)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  union evp_address address;
  int length = sizeof address;
  if (getpeername(evp_windows_socket(handle), &address.any, &length) != 0) return fail_on(handle);
  return evp_address_format(&address, length, host_out, host_capacity, port_out);
}

int32_t evp_socket_set_nodelay(evpoll_handle handle, int32_t on) {
  if (!evp_windows_is_number(handle)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  /* Some providers take the option for UDP as well. */
  int type = 0;
  int length = sizeof type;
  if (getsockopt(evp_windows_socket(handle), SOL_SOCKET, SO_TYPE, (char *)&type, &length) != 0)
    return fail_on(handle);
  if (type != SOCK_STREAM) return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  const BOOL value = on != 0;
  const int failed = setsockopt(evp_windows_socket(handle), IPPROTO_TCP, TCP_NODELAY,
                                (const char *)&value, sizeof value);
  return failed ? fail_on(handle) : 0;
}

int32_t evp_socket_close(evpoll_handle handle) {
  if (!evp_windows_is_number(handle)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  evp_afd_number_is_new(handle); /* before: another thread may get the number at once */
  return closesocket(evp_windows_socket(handle)) == 0 ? 0 : fail_on(handle);
}
