/* SPDX-License-Identifier: MIT */
/* Calls on streams on Windows: sockets. Files and named pipes are no streams, since the port serves
 * them. Winsock has no "do not wait" of a call, and does not tell whether a socket is non-blocking:
 * the caller has to see to that. No flag of a handle is changed, but when it is closed.
 *
 * What is ready is asked of AFD, as the events are: select() does not tell of an end, and WSAPoll()
 * not of each failure. */
#include "os/os_stream.h"

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

#include "backend/afd/afd_socket.h"
#include "core/source.h"
#include "core/status.h"
#include "os/os.h"
#include "os/os_address.h"
#include "os/os_socket.h"
#include "os/windows/windows_os.h"

enum { SEND_PIECE = 32768 };

/* ---- what it is --------------------------------------------------------------------------- */

/* A stream of AF_UNIX differs in nothing here. */
int32_t evp_stream_look(evpoll_handle h, struct evp_stream_kind *out) {
  int type = 0;
  int length = sizeof type;
  *out = (struct evp_stream_kind){.kind = EVP_NO_STREAM};
  if (evp_windows_is_handle(h) && GetFileType(evp_windows_handle(h)) == FILE_TYPE_DISK) return 0;
  if (!evp_windows_is_number(h)) return 0;
  if (getsockopt(evp_windows_socket(h), SOL_SOCKET, SO_TYPE, (char *)&type, &length) != 0) {
    const int os_code = WSAGetLastError();
    return os_code == WSAENOTSOCK ? 0 : evp_fail_os(os_code);
  }
  out->kind = type == SOCK_STREAM ? EVP_TCP : EVP_SOCKET;
  out->ends_short = out->kind == EVP_TCP; /* each poll looks afresh */
  return 0;
}

static bool has_peer(evpoll_handle h) {
  union evp_address peer;
  int length = sizeof peer;
  return getpeername(evp_windows_socket(h), &peer.any, &length) == 0;
}

static bool is_listener(evpoll_handle h) {
  BOOL listens = FALSE;
  int length = sizeof listens;
  getsockopt(evp_windows_socket(h), SOL_SOCKET, SO_ACCEPTCONN, (char *)&listens, &length);
  return listens;
}

/* ---- data --------------------------------------------------------------------------------- */

/* As much of the pieces as one call may move. The system takes no NULL, not even of no bytes. */
static DWORD cut_pieces(const evpoll_iovec *from, uint32_t n, WSABUF *out, int64_t *bytes_out) {
  static char nothing[1];
  uint64_t room = EVP_STREAM_MOST;
  DWORD k = 0;
  for (; k < n && (room || k == 0); k++) {
    const uint64_t length = from[k].length < room ? from[k].length : room;
    out[k].len = (ULONG)length;
    out[k].buf = length ? (char *)(uintptr_t)from[k].address : nothing;
    room -= length;
  }
  *bytes_out = (int64_t)(EVP_STREAM_MOST - room);
  return k;
}

/* A datagram that was longer is an error to the system, and what fitted has come: truncated. Wine
 * calls the end of a connection that was reset an end; AFD has told. */
static int64_t receive(const struct evp_stream_call *c, const evpoll_iovec *from, uint32_t n,
                       DWORD flags, union evp_address *name, int *length, bool *truncated_out) {
  WSABUF pieces[EVP_MESSAGE_PIECES];
  int64_t room;
  const DWORD count = cut_pieces(from, n, pieces, &room);
  DWORD got = 0;
  *truncated_out = false;
  if (WSARecvFrom(evp_windows_socket(c->handle), pieces, count, &got, &flags,
                  name ? &name->any : NULL, length, NULL, NULL) != 0) {
    const int os_code = WSAGetLastError();
    *truncated_out = os_code == WSAEMSGSIZE;
    if (os_code == WSAESHUTDOWN) return 0; /* our own shutdown of receiving: the end */
    return *truncated_out ? room : -(int64_t)os_code;
  }
  if (got == 0 && room > 0 && c->kind->kind == EVP_TCP) return -evp_afd_take_error(c->handle, 0);
  return got;
}

static int64_t transmit(const struct evp_stream_call *c, const evpoll_iovec *from, uint32_t n,
                        const union evp_address *to, int length) {
  WSABUF pieces[EVP_MESSAGE_PIECES];
  int64_t bytes;
  const DWORD count = cut_pieces(from, n, pieces, &bytes);
  DWORD sent = 0;
  if (WSASendTo(evp_windows_socket(c->handle), pieces, count, &sent, 0, to ? &to->any : NULL,
                length, NULL, NULL) == 0)
    return sent;
  const int os_code = WSAGetLastError();
  /* Wine's words for a datagram to nobody, and for a listener. */
  const bool nobody = os_code == WSAEINVAL && !to && !has_peer(c->handle);
  const bool listens = os_code == WSAECONNRESET && is_listener(c->handle);
  return nobody || listens ? -WSAENOTCONN : -(int64_t)os_code;
}

static int64_t move(const struct evp_stream_call *c) {
  const bool vectored = c->code == EVPOLL_OP_READV || c->code == EVPOLL_OP_WRITEV;
  const evpoll_iovec one = {(uint64_t)(uintptr_t)c->buffer, c->length};
  const evpoll_iovec *from = vectored ? c->buffer : &one;
  const uint32_t n = vectored ? (uint32_t)c->length : 1;
  bool truncated;
  if (c->code == EVPOLL_OP_WRITE || c->code == EVPOLL_OP_WRITEV)
    return transmit(c, from, n, NULL, 0);
  return receive(c, from, n, 0, NULL, NULL, &truncated);
}

/* ---- messages ----------------------------------------------------------------------------- */

static bool all_fits(const evpoll_iovec *from, uint32_t n) {
  uint64_t room = INT64_MAX;
  uint32_t k = 0;
  for (; k < n && from[k].length <= room; k++) room -= from[k].length;
  return k == n;
}

/* The program may write its message meanwhile: what cannot be is not asked for. */
static int64_t move_message(const struct evp_stream_call *c) {
  evpoll_message *m = c->buffer;
  const evpoll_iovec *from = (const evpoll_iovec *)(uintptr_t)m->iovecs;
  const uint32_t n = m->iovec_count;
  union evp_address peer = {.any = {.sa_family = AF_UNSPEC}};
  int length = sizeof peer;
  bool truncated;
  if (n < 1 || n > EVP_MESSAGE_PIECES || !all_fits(from, n)) return -WSAEINVAL;
  if (c->code == EVPOLL_OP_SEND_MESSAGE) {
    length = m->peer.family ? evp_address_import(&m->peer, &peer) : 0;
    return length < 0 ? -WSAEINVAL : transmit(c, from, n, length ? &peer : NULL, length);
  }
  const DWORD peek = m->flags & EVPOLL_MESSAGE_PEEK ? MSG_PEEK : 0;
  const int64_t got = receive(c, from, n, peek, &peer, &length, &truncated);
  if (got < 0) return got;
  evp_address_export(&peer, length, &m->peer);
  m->local = (evpoll_address){0};
  m->flags = truncated ? EVPOLL_MESSAGE_TRUNCATED : 0;
  return got;
}

/* ---- connections -------------------------------------------------------------------------- */

static int64_t accept_connection(const struct evp_stream_call *c) {
  evpoll_address *names = c->buffer;
  union evp_address name;
  int length = sizeof name;
  evpoll_handle h = -1;
  const int os_code =
      evp_windows_accept(c->handle, names ? &name.any : NULL, names ? &length : NULL, &h);
  if (os_code) return -(int64_t)os_code;
  if (!names) return h;
  evp_address_export(&name, length, &names[0]);
  length = sizeof name;
  if (getsockname(evp_windows_socket(h), &name.any, &length) != 0) length = 0;
  evp_address_export(&name, length, &names[1]);
  return h;
}

/* One that connects has a name already. Winsock's own code is taken, so that the failure is told
 * once. */
static int64_t finish_connect(evpoll_handle h) {
  union evp_address own;
  int length = sizeof own;
  int os_code;
  int32_t taken;
  const uint32_t bits = evp_afd_bits(h, EVPOLL_WRITABLE, &os_code);
  if (bits & EVPOLL_ERROR) evp_socket_take_error(h, &taken);
  if (os_code) return -(int64_t)os_code;
  if (bits) return has_peer(h) ? 0 : -WSAENOTCONN;
  const bool named = getsockname(evp_windows_socket(h), &own.any, &length) == 0;
  return named && !is_listener(h) ? -WSAEWOULDBLOCK : -WSAENOTCONN;
}

static int64_t poll_bits(evpoll_handle h, uint32_t interest) {
  int os_code;
  const uint32_t bits = evp_afd_bits(h, interest, &os_code) & evp_report_of(interest);
  if (bits) return bits;
  return os_code ? -(int64_t)os_code : -WSAEWOULDBLOCK;
}

static int64_t windows_stream_perform(const struct evp_stream_call *c) {
  switch (c->code) {
  case EVPOLL_OP_POLL: return poll_bits(c->handle, (uint32_t)c->length);
  case EVPOLL_OP_ACCEPT: return accept_connection(c);
  case EVPOLL_OP_CONNECT: return finish_connect(c->handle);
  case EVPOLL_OP_SEND_FILE: return EVP_STREAM_MISS; /* nothing tells what lies in the cache */
  case EVPOLL_OP_SHUTDOWN:
    return evp_socket_shutdown(c->handle, (int32_t)c->length) < 0 ? -evpoll_os_error() : 0;
  case EVPOLL_OP_RECV_MESSAGE:
  case EVPOLL_OP_SEND_MESSAGE: return move_message(c);
  }
  return move(c);
}

/* It was a socket. */
int64_t evp_stream_perform(const struct evp_stream_call *c) {
  const int64_t result = windows_stream_perform(c);
  return result == -WSAENOTSOCK ? -evp_os_no_handle() : result;
}

/* Reads again what the socket did not take. */
int64_t evp_stream_send_file(const struct evp_stream_call *c) {
  char room[SEND_PIECE];
  const uint64_t bytes = c->length < sizeof room ? c->length : sizeof room;
  const int64_t got = evp_file_perform(EVPOLL_OP_READ, c->file, c->place, room, bytes, false);
  if (got <= 0) return got;
  const int n = send(evp_windows_socket(c->handle), room, (int)got, 0);
  return n < 0 ? -(int64_t)WSAGetLastError() : n;
}

bool evp_stream_not_now(int64_t result) { return result == -WSAEWOULDBLOCK; }
bool evp_stream_try_again(int64_t result) { return result == -WSAECONNRESET; }
bool evp_stream_no_room(int64_t result) {
  return result == -WSAEMFILE || result == -WSAENOBUFS || result == -ERROR_NOT_ENOUGH_MEMORY;
}

/* ---- the end ------------------------------------------------------------------------------ */

/* With a linger time closesocket() waits, or fails where the socket is non-blocking. */
bool evp_stream_closes_at_once(evpoll_handle h, const struct evp_stream_kind *kind) {
  struct linger linger = {0, 0};
  int length = sizeof linger;
  (void)kind;
  getsockopt(evp_windows_socket(h), SOL_SOCKET, SO_LINGER, (char *)&linger, &length);
  return !linger.l_onoff || !linger.l_linger;
}

int64_t evp_stream_close(evpoll_handle h, const struct evp_stream_kind *kind, bool abort) {
  const struct linger reset = {1, 0};
  const SOCKET s = evp_windows_socket(h);
  u_long off = 0;
  if (abort) setsockopt(s, SOL_SOCKET, SO_LINGER, (const char *)&reset, sizeof reset);
  if (!evp_stream_closes_at_once(h, kind)) ioctlsocket(s, (long)FIONBIO, &off);
  return evp_socket_close(h) < 0 ? -evpoll_os_error() : 0;
}
