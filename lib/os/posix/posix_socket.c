/* SPDX-License-Identifier: MIT */
/* Sockets on POSIX. A handle is a descriptor. Sockets are made non-blocking and close-on-exec in
   one step where the system can; IPv6 sockets never serve IPv4, since systems differ in whether
   they would. */
#include "os/os_socket.h"
#include "os/posix/posix.h"

#include "os/os_address.h"
#include "core/status.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- making sockets ---- */

/* -1 for what cannot be one. */
static int posix_socket_descriptor_of(evpoll_handle handle) {
  return handle < 0 || handle > INT_MAX ? -1 : (int)handle;
}

static int32_t posix_socket_abandon(int fd, int32_t status) {
  close(fd);
  return status;
}

#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
#define MAKE_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)
static bool make_ours(int fd) {
  (void)fd;
  return true;
}
static int accept_one(int listener, struct sockaddr *peer_out, socklen_t *length) {
  return evp_above_standard(evp_accept4(listener, peer_out, length, MAKE_FLAGS));
}
#else
/* A fork between the two steps leaks the descriptor into the child: macOS offers nothing better.
   Its kernels know SO_NOSIGPIPE for longer than MSG_NOSIGNAL, but set it only while nothing has
   ended yet: to fail is no reason to refuse a connection. */
#define MAKE_FLAGS 0
static bool make_ours(int fd) {
#if defined(SO_NOSIGPIPE)
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}
static int accept_one(int listener, struct sockaddr *peer_out, socklen_t *length) {
  return evp_above_standard(accept(listener, peer_out, length));
}
#endif

/* SIGPIPE is kept away from each send as well: a socket may be somebody else's. */
#if defined(MSG_NOSIGNAL)
#define SEND_FLAGS MSG_NOSIGNAL
#else
#define SEND_FLAGS 0
#endif

static int32_t posix_socket_set_option(int fd, int level, int option) {
  const int on = 1;
  return setsockopt(fd, level, option, &on, sizeof on) == 0 ? 0 : evp_fail_os(errno);
}

static int32_t posix_socket_open_socket(int family, int type, int *fd_out) {
  const int fd = evp_above_standard(socket(family, type | MAKE_FLAGS, 0));
  if (fd < 0) return evp_fail_os(errno);
  if (!make_ours(fd)) return posix_socket_abandon(fd, evp_fail_os(errno));
  if (family == AF_INET6) {
    const int32_t status = posix_socket_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (status < 0) return posix_socket_abandon(fd, status);
  }
  *fd_out = fd;
  return 0;
}

/* A scope that names no interface is ENODEV on Linux and ENXIO on the BSDs. */
static int32_t refuse_address(int code) {
  if (code == ENODEV || code == ENXIO) return evp_fail_as(EVPOLL_ERR_ADDRESS_UNAVAILABLE, code);
  return evp_fail_os(code);
}

static int32_t posix_socket_open_bound(const char *host, int32_t port, int type, int *fd_out) {
  union evp_address address;
  const int32_t length = evp_address_parse(host, port, &address);
  if (length < 0) return length;
  int fd = -1;
  int32_t status = posix_socket_open_socket(address.any.sa_family, type, &fd);
  if (status < 0) return status;
  /* TCP: connections of a former server that linger in TIME_WAIT are no reason to refuse. For UDP
     the option would let two sockets share the port. */
  if (type == SOCK_STREAM) status = posix_socket_set_option(fd, SOL_SOCKET, SO_REUSEADDR);
  if (status == 0 && bind(fd, &address.any, (socklen_t)length) < 0) status = refuse_address(errno);
  if (status < 0) return posix_socket_abandon(fd, status);
  *fd_out = fd;
  return 0;
}

int32_t evp_socket_tcp_listen(const char *host, int32_t port, int32_t backlog,
                              evpoll_handle *handle_out) {
  int fd;
  const int32_t status = posix_socket_open_bound(host, port, SOCK_STREAM, &fd);
  if (status < 0) return status;
  /* All systems cut the number to their limit, which SOMAXCONN does not know. */
  if (listen(fd, backlog == 0 ? INT_MAX : backlog) < 0)
    return posix_socket_abandon(fd, evp_fail_os(errno));
  *handle_out = fd;
  return 0;
}

int32_t evp_socket_udp_bind(const char *host, int32_t port, evpoll_handle *handle_out) {
  int fd;
  const int32_t status = posix_socket_open_bound(host, port, SOCK_DGRAM, &fd);
  if (status < 0) return status;
  *handle_out = fd;
  return 0;
}

int32_t evp_socket_tcp_connect(const char *host, int32_t port, evpoll_handle *handle_out) {
  union evp_address address;
  const int32_t length = evp_address_parse(host, port, &address);
  if (length < 0) return length;
  int fd = -1;
  int32_t status = posix_socket_open_socket(address.any.sa_family, SOCK_STREAM, &fd);
  if (status < 0) return status;
  if (connect(fd, &address.any, (socklen_t)length) < 0) {
    /* EINTR: the connection goes on being made, as with EINPROGRESS. */
    if (errno != EINPROGRESS && errno != EINTR)
      return posix_socket_abandon(fd, refuse_address(errno));
    status = EVPOLL_IN_PROGRESS;
  }
  *handle_out = fd;
  return status;
}

/* What says that one connection is gone and not that accept failed; Linux hands over the network's
   errors of the new socket as well (accept(2), "Error handling"). */
bool evp_concerns_one_connection(int code) {
  switch (code) {
  case EINTR:
  case ECONNABORTED:
  case EPROTO:
  case ENETDOWN:
  case ENETUNREACH:
  case EHOSTDOWN:
  case EHOSTUNREACH: return true;
  default: return false;
  }
}

/* FreeBSD looks first whether the socket listens (EINVAL), and never whether it could. */
static int32_t posix_socket_refuse_accept(int fd, int code) {
  int type = SOCK_STREAM;
  socklen_t length = sizeof type;
  if (code == EINVAL) getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
  const bool connects = type == SOCK_STREAM || type == SOCK_SEQPACKET;
  return connects ? evp_fail_os(code) : evp_fail_as(EVPOLL_ERR_UNSUPPORTED, code);
}

int evp_accept(int listener, struct sockaddr *peer_out, socklen_t *length) {
  const int fd = accept_one(listener, peer_out, length);
  if (fd < 0 || make_ours(fd)) return fd;
  const int os_code = errno;
  close(fd);
  errno = os_code;
  return -1;
}

int32_t evp_socket_accept(evpoll_handle listener, evpoll_handle *handle_out) {
  const int from = posix_socket_descriptor_of(listener);
  if (from < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  int fd;
  do fd = evp_accept(from, NULL, NULL);
  while (fd < 0 && evp_concerns_one_connection(errno));
  if (fd < 0) return posix_socket_refuse_accept(from, errno);
  *handle_out = fd;
  return 0;
}

int32_t evp_socket_pair(evpoll_handle *first_out, evpoll_handle *second_out) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | MAKE_FLAGS, 0, fds) < 0) return evp_fail_os(errno);
  for (int i = 0; i < 2; i++) fds[i] = evp_above_standard(fds[i]);
  if (fds[0] < 0 || fds[1] < 0 || !make_ours(fds[0]) || !make_ours(fds[1])) {
    const int32_t status = evp_fail_os(errno);
    for (int i = 0; i < 2; i++)
      if (fds[i] >= 0) close(fds[i]);
    return status;
  }
  *first_out = fds[0];
  *second_out = fds[1];
  return 0;
}

/* ---- data ---- */

static size_t posix_socket_clamp(uint64_t length) {
  return length > INT32_MAX ? INT32_MAX : (size_t)length;
}

int32_t evp_socket_recv(evpoll_handle handle, void *buffer_out, uint64_t length) {
  const int fd = posix_socket_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  ssize_t n;
  do n = recv(fd, buffer_out, posix_socket_clamp(length), 0);
  while (n < 0 && errno == EINTR);
  return n < 0 ? evp_fail_os(errno) : (int32_t)n;
}

int32_t evp_socket_send(evpoll_handle handle, const void *buffer, uint64_t length) {
  const int fd = posix_socket_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  ssize_t n;
  do n = send(fd, buffer, posix_socket_clamp(length), SEND_FLAGS);
  while (n < 0 && errno == EINTR);
  return n < 0 ? evp_fail_os(errno) : (int32_t)n;
}

int32_t evp_socket_recvfrom(evpoll_handle handle, void *buffer_out, uint64_t length, char *host_out,
                            int32_t host_capacity, int32_t *port_out) {
  const int fd = posix_socket_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  ssize_t n;
  union evp_address from;
  socklen_t from_length;
  do {
    from_length = sizeof from;
    n = recvfrom(fd, buffer_out, posix_socket_clamp(length), 0, &from.any, &from_length);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return evp_fail_os(errno);
  if (host_capacity == 0) host_out = NULL;
  const int32_t status =
      evp_address_format(&from, (int)from_length, host_out, host_capacity, port_out);
  return status < 0 ? status : (int32_t)n;
}

/* Systems disagree about the code for an address of another family than the socket's (Linux has
   EAFNOSUPPORT one way round and ENETUNREACH the other), so the family is looked up. */
static int32_t posix_socket_refuse_datagram(int fd, int family, int code) {
  union evp_address own = {.any = {.sa_family = AF_UNSPEC}};
  socklen_t length = sizeof own;
  if (code != EAGAIN && getsockname(fd, &own.any, &length) == 0 && own.any.sa_family != family)
    return evp_fail_as(EVPOLL_ERR_INVALID, code);
  return evp_fail_os(code);
}

int32_t evp_socket_sendto(evpoll_handle handle, const void *buffer, uint64_t length,
                          const char *host, int32_t port) {
  const int fd = posix_socket_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  union evp_address to;
  const int32_t to_length = evp_address_parse(host, port, &to);
  if (to_length < 0) return to_length;
  ssize_t n;
  do n = sendto(fd, buffer, posix_socket_clamp(length), SEND_FLAGS, &to.any, (socklen_t)to_length);
  while (n < 0 && errno == EINTR);
  return n < 0 ? posix_socket_refuse_datagram(fd, to.any.sa_family, errno) : (int32_t)n;
}

/* ---- the rest ---- */

int32_t evp_socket_shutdown(evpoll_handle handle, int32_t how) {
  const int fd = posix_socket_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  const int native = how == EVPOLL_SHUTDOWN_READ    ? SHUT_RD
                     : how == EVPOLL_SHUTDOWN_WRITE ? SHUT_WR
                                                    : SHUT_RDWR;
  return shutdown(fd, native) == 0 ? 0 : evp_fail_os(errno);
}

int32_t evp_socket_take_error(evpoll_handle handle, int32_t *error_out) {
  const int fd = posix_socket_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  int code = 0;
  socklen_t length = sizeof code;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) < 0) return evp_fail_os(errno);
  *error_out = evp_fail_os(code); /* the call succeeds, and os_error tells the code that it took */
  return 0;
}

int32_t evp_socket_local_address(evpoll_handle handle, char *host_out, int32_t host_capacity,
                                 int32_t *port_out) {
  const int fd = posix_socket_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  union evp_address address;
  socklen_t length = sizeof address;
  if (getsockname(fd, &address.any, &length) < 0) return evp_fail_os(errno);
  return evp_address_format(&address, (int)length, host_out, host_capacity, port_out);
}

int32_t evp_socket_peer_address(evpoll_handle handle, char *host_out, int32_t host_capacity,
                                int32_t *port_out) {
  const int fd = posix_socket_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  union evp_address address;
  socklen_t length = sizeof address;
  if (getpeername(fd, &address.any, &length) < 0) {
    /* macOS: EINVAL once the connection was shut down. */
    if (errno == EINVAL) return evp_fail_as(EVPOLL_ERR_NOT_CONNECTED, errno);
    return evp_fail_os(errno);
  }
  return evp_address_format(&address, (int)length, host_out, host_capacity, port_out);
}

int32_t evp_socket_set_nodelay(evpoll_handle handle, int32_t on) {
  const int fd = posix_socket_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0) return 0;
  /* EINVAL is how the BSDs say that a socket is not TCP; the value was checked. */
  if (errno == EINVAL) return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, errno);
  return evp_fail_os(errno);
}

int32_t evp_socket_close(evpoll_handle handle) {
  const int fd = posix_socket_descriptor_of(handle);
  if (fd < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  /* EINTR: see evp_file_close. ECONNRESET: FreeBSD's word that the peer was faster. Either way the
     descriptor is closed. */
  if (close(fd) == 0 || errno == EINTR || errno == ECONNRESET) return 0;
  return evp_fail_os(errno);
}
