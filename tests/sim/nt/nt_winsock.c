/* SPDX-License-Identifier: MIT */
/* The calls of Winsock. Blocking sockets block. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

#define REFUSE(code)                                                                               \
  do {                                                                                             \
    SetLastError((DWORD)(code));                                                                   \
    nt_leave();                                                                                    \
    return SOCKET_ERROR;                                                                           \
  } while (0)

int WSAAPI WSAStartup(WORD version, LPWSADATA data) {
  memset(data, 0, sizeof *data);
  data->wVersion = data->wHighVersion = version;
  return 0;
}
int WSAAPI WSACleanup(void) { return 0; }
int WSAAPI WSAGetLastError(void) { return (int)GetLastError(); }
void WSAAPI WSASetLastError(int code) { SetLastError((DWORD)code); }

static SOCKET give(struct nt_socket *s) {
  HANDLE h = nt_handle(&s->o);
  if (!h) {
    s->o.closed(&s->o);
    SetLastError(WSAEMFILE);
    return INVALID_SOCKET;
  }
  return (SOCKET)nt_layer_wrap(h);
}

SOCKET WSAAPI WSASocketW(int family, int type, int protocol, LPWSAPROTOCOL_INFOW info, UINT group,
                         DWORD flags) {
  (void)protocol, (void)info, (void)group;
  NT_CALL("WSASocketW", WSAENOBUFS, INVALID_SOCKET);
  if (family != AF_INET && family != AF_INET6) NT_REFUSE(WSAEAFNOSUPPORT, INVALID_SOCKET);
  if (type != SOCK_STREAM && type != SOCK_DGRAM) NT_REFUSE(WSAESOCKTNOSUPPORT, INVALID_SOCKET);
  struct nt_socket *s = nt_socket_make(family, type);
  s->o.overlapped = flags & WSA_FLAG_OVERLAPPED;
  s->o.inherit = !(flags & WSA_FLAG_NO_HANDLE_INHERIT);
  const SOCKET h = give(s);
  nt_unref(&s->o);
  nt_leave();
  return h;
}

SOCKET WSAAPI socket(int family, int type, int protocol) {
  return WSASocketW(family, type, protocol, NULL, 0, WSA_FLAG_OVERLAPPED);
}

int WSAAPI closesocket(SOCKET h) {
  nt_enter();
  if (!nt_socket_of(h)) REFUSE(WSAENOTSOCK);
  nt_layer_close((HANDLE)h);
  nt_leave();
  return 0;
}

int WSAAPI bind(SOCKET h, const struct sockaddr *name, int length) {
  NT_CALL("bind", WSAENOBUFS, SOCKET_ERROR);
  struct nt_socket *s = nt_socket_of(h);
  if (!s) REFUSE(WSAENOTSOCK);
  struct nt_address to;
  if (!nt_address_read(s, name, length, &to)) REFUSE(WSAEFAULT);
  const int code = nt_socket_bind(s, &to);
  if (code) REFUSE(code);
  nt_leave();
  return 0;
}

int WSAAPI listen(SOCKET h, int backlog) {
  NT_CALL("listen", WSAENOBUFS, SOCKET_ERROR);
  struct nt_socket *s = nt_socket_of(h);
  if (!s) REFUSE(WSAENOTSOCK);
  if (s->type != SOCK_STREAM) REFUSE(WSAEOPNOTSUPP);
  if (!s->local.port) REFUSE(WSAEINVAL);
  const int room = (int)(sizeof s->backlog / sizeof s->backlog[0]);
  s->most = (uint32_t)(backlog < 1 ? 1 : backlog > room ? room : backlog);
  s->phase = NT_LISTENING;
  nt_leave();
  return 0;
}

SOCKET WSAAPI accept(SOCKET h, struct sockaddr *name, int *length) {
  NT_CALL("accept", WSAENOBUFS, INVALID_SOCKET);
  struct nt_socket *s = nt_socket_of(h);
  if (!s) NT_REFUSE(WSAENOTSOCK, INVALID_SOCKET);
  if (s->type != SOCK_STREAM) NT_REFUSE(WSAEOPNOTSUPP, INVALID_SOCKET);
  if (s->phase != NT_LISTENING) NT_REFUSE(WSAEINVAL, INVALID_SOCKET);
  nt_ref(&s->o);
  while (!s->arrived && !s->nonblocking && !s->closed) nt_block(s, -1);
  SOCKET accepted = INVALID_SOCKET;
  if (s->closed || !s->arrived) {
    SetLastError(s->closed ? WSAEINTR : WSAEWOULDBLOCK);
  } else {
    struct nt_socket *other = s->backlog[0];
    s->waiting--;
    s->arrived--;
    memmove(s->backlog, s->backlog + 1, s->waiting * sizeof s->backlog[0]);
    if (name) nt_address_write(&other->remote, name, length);
    other->o.inherit = s->o.inherit;
    accepted = give(other);
    nt_unref(&other->o);
  }
  nt_unref(&s->o);
  nt_leave();
  return accepted;
}

static int connect_datagram(struct nt_socket *s, const struct nt_address *to) {
  static const struct nt_address any4 = {.family = AF_INET}, any6 = {.family = AF_INET6};
  s->remote = *to;
  return s->local.port ? 0 : nt_socket_bind(s, s->family == AF_INET ? &any4 : &any6);
}

int WSAAPI connect(SOCKET h, const struct sockaddr *name, int length) {
  NT_CALL("connect", WSAENOBUFS, SOCKET_ERROR);
  struct nt_socket *s = nt_socket_of(h);
  if (!s) REFUSE(WSAENOTSOCK);
  struct nt_address to;
  if (!nt_address_read(s, name, length, &to)) REFUSE(WSAEFAULT);
  if (to.family == AF_INET && to.ip[0] != 127) REFUSE(WSAENETUNREACH);
  int code = s->type == SOCK_DGRAM ? connect_datagram(s, &to) : nt_stream_connect(s, &to);
  if (code) REFUSE(code);
  if (s->type == SOCK_STREAM && s->nonblocking) REFUSE(WSAEWOULDBLOCK);
  nt_ref(&s->o);
  while (s->phase == NT_CONNECTING && !s->closed) nt_block(s, -1);
  code = s->type == SOCK_STREAM && s->phase != NT_CONNECTED ? s->error : 0;
  nt_unref(&s->o);
  if (code) REFUSE(code);
  nt_leave();
  return 0;
}

/* ---- data --------------------------------------------------------------------------------- */

static int send_once(struct nt_socket *s, const char *data, int length, int flags,
                     const struct nt_address *to, int *done) {
  if (s->type == SOCK_STREAM) return nt_stream_send(s, data, length, flags, done);
  if (!to && !s->remote.port) return WSAENOTCONN;
  const struct nt_address any = {.family = s->family};
  int code = s->local.port ? 0 : nt_socket_bind(s, &any);
  if (code == 0) code = nt_datagram_send(s, data, length, to ? to : &s->remote, done);
  return code;
}

static int send_to(SOCKET h, const char *data, int length, int flags, const struct sockaddr *name,
                   int name_length) {
  NT_CALL("send", WSAENOBUFS, SOCKET_ERROR);
  struct nt_socket *s = nt_socket_of(h);
  if (!s) REFUSE(WSAENOTSOCK);
  struct nt_address to;
  if (name && !nt_address_read(s, name, name_length, &to)) REFUSE(WSAEFAULT);
  if (length > 0 && !nt_mapped(data, (size_t)length)) REFUSE(WSAEFAULT);
  int done = 0, code;
  nt_ref(&s->o);
  while ((code = send_once(s, data, length, flags, name ? &to : NULL, &done)) == WSAEWOULDBLOCK &&
         !s->nonblocking && !s->closed)
    nt_block(s, -1);
  nt_unref(&s->o);
  if (code) REFUSE(code);
  nt_leave();
  return done;
}

int WSAAPI send(SOCKET h, const char *data, int length, int flags) {
  return send_to(h, data, length, flags, NULL, 0);
}

int WSAAPI sendto(SOCKET h, const char *data, int length, int flags, const struct sockaddr *to,
                  int to_length) {
  return send_to(h, data, length, flags, to, to_length);
}

int WSAAPI recvfrom(SOCKET h, char *data, int length, int flags, struct sockaddr *name,
                    int *name_length) {
  NT_CALL("recv", WSAENOBUFS, SOCKET_ERROR);
  struct nt_socket *s = nt_socket_of(h);
  if (!s) REFUSE(WSAENOTSOCK);
  struct nt_address from = {0};
  if (length > 0 && !nt_mapped(data, (size_t)length)) REFUSE(WSAEFAULT);
  int done = 0, code;
  nt_ref(&s->o);
  while ((code = s->type == SOCK_STREAM ? nt_stream_receive(s, data, length, flags, &done)
                                        : nt_datagram_receive(s, data, length, flags, &from,
                                                              &done)) == WSAEWOULDBLOCK &&
         !s->nonblocking && !s->closed)
    nt_block(s, -1);
  if (name && name_length) {
    if (s->type == SOCK_STREAM)
      *name_length = 0;
    else if (code == 0 || code == WSAEMSGSIZE)
      nt_address_write(&from, name, name_length);
  }
  nt_unref(&s->o);
  if (code) REFUSE(code);
  nt_leave();
  return done;
}

int WSAAPI recv(SOCKET h, char *data, int length, int flags) {
  return recvfrom(h, data, length, flags, NULL, NULL);
}

/* Pieces are moved as one; without OVERLAPPED only. */
static void copy_pieces(LPWSABUF pieces, DWORD n, char *one, size_t length, bool out) {
  for (DWORD i = 0; i < n; i++) {
    const size_t part = pieces[i].len < length ? pieces[i].len : length;
    memcpy(out ? pieces[i].buf : one, out ? one : pieces[i].buf, part);
    one += part;
    length -= part;
  }
}

/* NULL: some of it is not there. */
static char *make_whole(LPWSABUF pieces, DWORD n, size_t *length_out) {
  *length_out = 0;
  for (DWORD i = 0; i < n; i++) {
    *length_out += pieces[i].len;
    if (pieces[i].len && !nt_mapped(pieces[i].buf, pieces[i].len)) return NULL;
  }
  char *whole = malloc(*length_out + 1);
  if (!whole) abort();
  return whole;
}

int WSAAPI WSASendTo(SOCKET h, LPWSABUF pieces, DWORD n, LPDWORD bytes, DWORD flags,
                     const struct sockaddr *to, int to_length, LPWSAOVERLAPPED overlapped,
                     LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
  size_t length;
  if (overlapped || routine) nt_violation("WSASendTo with OVERLAPPED");
  char *whole = make_whole(pieces, n, &length);
  if (!whole) return SetLastError(WSAEFAULT), SOCKET_ERROR;
  copy_pieces(pieces, n, whole, length, false);
  const int sent = send_to(h, whole, (int)length, (int)flags, to, to ? to_length : 0);
  free(whole);
  if (sent < 0) return SOCKET_ERROR;
  *bytes = (DWORD)sent;
  return 0;
}

int WSAAPI WSARecvFrom(SOCKET h, LPWSABUF pieces, DWORD n, LPDWORD bytes, LPDWORD flags,
                       struct sockaddr *from, int *from_length, LPWSAOVERLAPPED overlapped,
                       LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
  size_t length;
  if (overlapped || routine) nt_violation("WSARecvFrom with OVERLAPPED");
  char *whole = make_whole(pieces, n, &length);
  if (!whole) return SetLastError(WSAEFAULT), SOCKET_ERROR;
  const int got = recvfrom(h, whole, (int)length, (int)*flags, from, from_length);
  const bool cut = got < 0 && WSAGetLastError() == WSAEMSGSIZE;
  if (got >= 0 || cut) copy_pieces(pieces, n, whole, cut ? length : (size_t)got, true);
  free(whole);
  if (got < 0) return SOCKET_ERROR;
  *bytes = (DWORD)got;
  return 0;
}

int WSAAPI shutdown(SOCKET h, int how) {
  NT_CALL("shutdown", WSAENOBUFS, SOCKET_ERROR);
  struct nt_socket *s = nt_socket_of(h);
  if (!s) REFUSE(WSAENOTSOCK);
  int code = 0;
  if (s->type == SOCK_STREAM)
    code = nt_stream_shutdown(s, how);
  else if (!s->remote.port)
    code = WSAENOTCONN;
  else
    s->shut_send |= how != SD_RECEIVE;
  if (code) REFUSE(code);
  nt_leave();
  return 0;
}
