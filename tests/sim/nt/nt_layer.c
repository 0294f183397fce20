/* SPDX-License-Identifier: MIT */
/* A layered service provider: the program's SOCKET is not the base provider's, and AFD does not
 * know it. What SIO_BASE_HANDLE and its three kin answer differs from product to product (mio
 * #1314, trio #1659): nt_options.lsp says which. There may be several, one over the other. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

struct layer {
  struct nt_object o;
  HANDLE below; /* a layer or the base socket */
};

static HANDLE below_of(HANDLE h) {
  const struct layer *l = (const struct layer *)nt_lookup_kind(h, NT_LAYER);
  return l ? l->below : NULL;
}

HANDLE nt_layer_base(SOCKET s) {
  HANDLE base = NULL;
  for (HANDLE h = below_of((HANDLE)s); h; h = below_of(h)) base = h;
  return base;
}

/* The base socket first. */
void nt_layer_close(HANDLE h) {
  HANDLE below = below_of(h);
  if (below) nt_layer_close(below);
  nt_close(h);
}

HANDLE nt_layer_wrap(HANDLE base) {
  const struct nt_options *o = nt_settings();
  const uint32_t layers = o->lsp == NT_LSP_NONE ? 0 : o->layers ? o->layers : 1;
  HANDLE h = base;
  for (uint32_t i = 0; i < layers; i++) {
    struct layer *l = nt_make(NT_LAYER, sizeof *l);
    l->o.overlapped = true;
    l->below = h;
    HANDLE above = nt_handle(&l->o);
    nt_unref(&l->o);
    if (!above) {
      nt_layer_close(h);
      SetLastError(WSAEMFILE);
      return (HANDLE)INVALID_SOCKET;
    }
    h = above;
  }
  return h;
}

/* 0 or why not. Without a layer the base provider answers with the socket itself; it knows the BSP
 * codes on Windows only (measured under Wine 8.0: WSAEOPNOTSUPP). */
static int answer(SOCKET h, DWORD code, HANDLE *out) {
  HANDLE below = below_of((HANDLE)h);
  if (!below) {
    if (code != SIO_BASE_HANDLE && nt_is_wine()) return WSAEOPNOTSUPP;
    *out = (HANDLE)h;
    return 0;
  }
  const enum nt_lsp lsp = nt_settings()->lsp;
  if (lsp == NT_LSP_BASE) {
    *out = nt_layer_base(h);
    return 0;
  }
  const bool gives = (lsp == NT_LSP_BELOW && code == SIO_BASE_HANDLE) ||
                     (lsp == NT_LSP_SELECT_ONLY && code == SIO_BSP_HANDLE_SELECT) ||
                     (lsp == NT_LSP_POLL_ONLY && code == SIO_BSP_HANDLE_POLL) ||
                     (lsp == NT_LSP_BSP_ONLY && code == SIO_BSP_HANDLE);
  if (gives) {
    *out = below;
    return 0;
  }
  /* Some answer with the handle that they were asked about, which is no answer. */
  if (code == SIO_BSP_HANDLE_SELECT || lsp == NT_LSP_ITSELF) {
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
