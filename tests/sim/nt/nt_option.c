/* SPDX-License-Identifier: MIT */
/* Names, options and controls of sockets, and addresses as text. */
#include <string.h>

#include "kernel.h"

extern int libc_pton(int family, const char *text, void *out) __asm__("inet_pton");
extern const char *libc_ntop(int family, const void *address, char *out,
                             unsigned capacity) __asm__("inet_ntop");
enum { LIBC_AF_INET6 = 10 };

/* ---- addresses ---------------------------------------------------------------------------- */

INT WSAAPI inet_pton(INT family, PCSTR text, PVOID out) {
  return libc_pton(family == AF_INET6 ? LIBC_AF_INET6 : family, text, out);
}

PCSTR WSAAPI inet_ntop(INT family, const VOID *address, PSTR out, size_t capacity) {
  return libc_ntop(family == AF_INET6 ? LIBC_AF_INET6 : family, address, out, (unsigned)capacity);
}

/* One interface, the loopback's. */
ULONG WSAAPI if_nametoindex(PCSTR name) { return strcmp(name, "loopback_0") == 0 ? 1 : 0; }

PSTR WSAAPI if_indextoname(ULONG index, PSTR name) {
  return index == 1 ? strcpy(name, "loopback_0") : NULL;
}

bool nt_address_read(const struct nt_socket *s, const struct sockaddr *name, int length,
                     struct nt_address *out) {
  memset(out, 0, sizeof *out);
  if (length < 2 || name->sa_family != s->family) return false;
  out->family = s->family;
  if (s->family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)name;
    if (length < (int)sizeof *v4) return false;
    memcpy(out->ip, &v4->sin_addr, 4);
    out->port = ntohs(v4->sin_port);
    return true;
  }
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)name;
  if (length < (int)sizeof *v6) return false;
  memcpy(out->ip, &v6->sin6_addr, 16);
  out->port = ntohs(v6->sin6_port);
  out->scope = v6->sin6_scope_id;
  return true;
}

void nt_address_write(const struct nt_address *a, struct sockaddr *name, int *length) {
  union {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } u;
  memset(&u, 0, sizeof u);
  int size = sizeof u.v4;
  if (a->family == AF_INET) {
    u.v4.sin_family = AF_INET;
    u.v4.sin_port = htons(a->port);
    memcpy(&u.v4.sin_addr, a->ip, 4);
  } else {
    size = sizeof u.v6;
    u.v6.sin6_family = AF_INET6;
    u.v6.sin6_port = htons(a->port);
    memcpy(&u.v6.sin6_addr, a->ip, 16);
    u.v6.sin6_scope_id = a->scope;
  }
  memcpy(name, &u, (size_t)(*length < size ? *length : size));
  *length = size;
}

static int name_of(SOCKET h, bool own, struct sockaddr *name, int *length) {
  nt_enter();
  struct nt_socket *s = nt_socket_of(h);
  int code = 0;
  if (!s)
    code = WSAENOTSOCK;
  else if (own && !s->local.port)
    code = WSAEINVAL;
  else if (!own && (!s->remote.port || (s->type == SOCK_STREAM && s->phase != NT_CONNECTED)))
    code = WSAENOTCONN;
  else
    nt_address_write(own ? &s->local : &s->remote, name, length);
  if (code) NT_REFUSE((DWORD)code, SOCKET_ERROR);
  nt_leave();
  return 0;
}

int WSAAPI getsockname(SOCKET h, struct sockaddr *name, int *length) {
  return name_of(h, true, name, length);
}
int WSAAPI getpeername(SOCKET h, struct sockaddr *name, int *length) {
  return name_of(h, false, name, length);
}

/* ---- options ------------------------------------------------------------------------------ */

/* SO_ERROR is cleared by Windows (documented); Wine 8.0 keeps it after a refusal (measured). */
static int take_error(struct nt_socket *s) {
  const int code = s->error;
  if (!nt_is_wine()) s->error = 0;
  return code;
}

int WSAAPI getsockopt(SOCKET h, int level, int name, char *value, int *length) {
  NT_CALL("getsockopt", WSAENOBUFS, SOCKET_ERROR);
  struct nt_socket *s = nt_socket_of(h);
  if (!s) NT_REFUSE(WSAENOTSOCK, SOCKET_ERROR);
  int answer = 0;
  bool known = level == SOL_SOCKET;
  if (known && name == SO_TYPE)
    answer = s->type;
  else if (known && name == SO_ERROR)
    answer = take_error(s);
  else if (known && name == SO_ACCEPTCONN)
    answer = s->phase == NT_LISTENING;
  else if (level == IPPROTO_TCP && name == TCP_NODELAY && s->type == SOCK_STREAM)
    known = true, answer = s->nodelay;
  else
    known = false;
  if (!known) NT_REFUSE(WSAENOPROTOOPT, SOCKET_ERROR);
  memcpy(value, &answer, (size_t)*length < sizeof answer ? (size_t)*length : sizeof answer);
  nt_leave();
  return 0;
}

static bool set_option(struct nt_socket *s, int level, int name, const char *value, int length) {
  int on = 0;
  memcpy(&on, value, (size_t)length < sizeof on ? (size_t)length : sizeof on);
  if (level == SOL_SOCKET && name == SO_LINGER && length >= (int)sizeof(struct linger)) {
    const struct linger *l = (const struct linger *)value;
    s->linger = l->l_onoff;
    s->linger_seconds = l->l_linger;
  } else if (level == SOL_SOCKET && name == SO_OOBINLINE) {
    s->oob_inline = on;
  } else if (level == SOL_SOCKET && name == SO_EXCLUSIVEADDRUSE) {
    s->exclusive = on;
  } else if (level == SOL_SOCKET && name == SO_REUSEADDR) {
    s->reuse = on;
  } else if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && s->family == AF_INET6) {
    s->v6only = on;
  } else if (level == IPPROTO_TCP && name == TCP_NODELAY && s->type == SOCK_STREAM) {
    s->nodelay = on;
  } else {
    return level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF || name == SO_KEEPALIVE);
  }
  return true;
}

int WSAAPI setsockopt(SOCKET h, int level, int name, const char *value, int length) {
  NT_CALL("setsockopt", WSAENOBUFS, SOCKET_ERROR);
  struct nt_socket *s = nt_socket_of(h);
  if (!s) NT_REFUSE(WSAENOTSOCK, SOCKET_ERROR);
  if (!set_option(s, level, name, value, length)) NT_REFUSE(WSAENOPROTOOPT, SOCKET_ERROR);
  nt_socket_changed(s);
  nt_leave();
  return 0;
}

int WSAAPI ioctlsocket(SOCKET h, LONG command, u_long *argument) {
  NT_CALL("ioctlsocket", WSAENOBUFS, SOCKET_ERROR);
  struct nt_socket *s = nt_socket_of(h);
  if (!s) NT_REFUSE(WSAENOTSOCK, SOCKET_ERROR);
  if (command == (LONG)FIONBIO)
    s->nonblocking = *argument;
  else if (command == (LONG)FIONREAD)
    *argument = (u_long)s->seen;
  else
    NT_REFUSE(WSAEINVAL, SOCKET_ERROR);
  nt_leave();
  return 0;
}
