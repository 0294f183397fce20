/* SPDX-License-Identifier: MIT */
/* A layered service provider: the program's SOCKET is not the base provider's, and AFD does not
 * know it. What SIO_BASE_HANDLE and its three kin answer differs from product to product (mio
 * #1314, trio #1659): nt_options.lsp says which. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

struct layer {
  struct nt_object o;
  HANDLE base;
};

HANDLE nt_layer_wrap(HANDLE base) {
  if (nt_settings()->lsp == NT_LSP_NONE) return base;
  struct layer *l = nt_make(NT_LAYER, sizeof *l);
  l->o.overlapped = true;
  l->base = base;
  HANDLE h = nt_handle(&l->o);
  nt_unref(&l->o);
  if (h) return h;
  nt_close(base);
  SetLastError(WSAEMFILE);
  return (HANDLE)INVALID_SOCKET;
}

HANDLE nt_layer_base(SOCKET s) {
  const struct layer *l = (const struct layer *)nt_lookup_kind((HANDLE)s, NT_LAYER);
  return l ? l->base : NULL;
}

/* 0 or why not. Without a layer the base provider answers with the socket itself; it knows the BSP
 * codes on Windows only (measured under Wine 8.0: WSAEOPNOTSUPP). */
static int answer(SOCKET h, DWORD code, HANDLE *out) {
  HANDLE base = nt_layer_base(h);
  if (!base) {
    if (code != SIO_BASE_HANDLE && nt_is_wine()) return WSAEOPNOTSUPP;
    *out = (HANDLE)h;
    return 0;
  }
  const enum nt_lsp lsp = nt_settings()->lsp;
  const bool gives = lsp == NT_LSP_BASE ||
                     (lsp == NT_LSP_SELECT_ONLY && code == SIO_BSP_HANDLE_SELECT) ||
                     (lsp == NT_LSP_POLL_ONLY && code == SIO_BSP_HANDLE_POLL) ||
                     (lsp == NT_LSP_BSP_ONLY && code == SIO_BSP_HANDLE);
  if (gives) {
    *out = base;
    return 0;
  }
  /* Some answer with the handle that they were asked about, which is no answer. */
  if (code == SIO_BSP_HANDLE_SELECT) {
    *out = (HANDLE)h;
    return 0;
  }
  return code == SIO_BASE_HANDLE ? WSAEFAULT : WSAEOPNOTSUPP;
}

int WSAAPI WSAIoctl(SOCKET h, DWORD code, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size,
                    LPDWORD bytes, LPWSAOVERLAPPED overlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
  (void)in, (void)in_size, (void)overlapped, (void)routine;
  NT_CALL("WSAIoctl", WSAENOBUFS, SOCKET_ERROR);
  *bytes = 0;
  int error = 0;
  const struct nt_socket *s = nt_socket_of(h);
  switch (code) {
  case SIO_BASE_HANDLE:
  case SIO_BSP_HANDLE:
  case SIO_BSP_HANDLE_SELECT:
  case SIO_BSP_HANDLE_POLL:
    /* Wine 8.0 hands any argument back unchecked (measured). */
    if (out_size < sizeof(SOCKET))
      error = WSAEFAULT;
    else if (!s && !(nt_is_wine() && code == SIO_BASE_HANDLE))
      error = WSAENOTSOCK;
    else if ((error = answer(h, code, out)) == 0)
      *bytes = sizeof(SOCKET);
    break;
  case 0x9800000c: /* SIO_UDP_CONNRESET */
    error = !s ? WSAENOTSOCK : s->type == SOCK_DGRAM ? 0 : WSAEINVAL;
    break;
  default: error = s ? WSAEOPNOTSUPP : WSAENOTSOCK;
  }
  if (error) NT_REFUSE((DWORD)error, SOCKET_ERROR);
  nt_leave();
  return 0;
}
