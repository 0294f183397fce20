/* SPDX-License-Identifier: MIT */
/* The socket under a socket.
 *
 * A layered service provider may hand out numbers of its own, which AFD does not know; Winsock is
 * asked for the one below. Some providers block the question (mio #1314), or answer with what is
 * under them alone, which may be another layer. So it is asked again of each answer, until one
 * names itself: only the system's own provider does that. Where the question is blocked, the
 * handles that a provider uses for select() and poll() itself lead one layer down, given that they
 * differ. */
#include "backend/afd/afd_socket.h"
#include "os/windows/windows_os.h"
#include "backend/afd/port.h"
#include "core/status.h"

static int afd_base_ask(SOCKET s, DWORD code, SOCKET *out) {
  DWORD n;
  *out = INVALID_SOCKET;
  return WSAIoctl(s, code, NULL, 0, out, sizeof *out, &n, NULL, NULL) == 0 ? 0 : WSAGetLastError();
}

int32_t evp_afd_is_open(evpoll_handle h) {
  int type;
  int size = sizeof type;
  if (getsockopt(evp_windows_socket(h), SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0) return 0;
  return evp_windows_no_socket(h, WSAGetLastError());
}

int32_t evp_afd_unknown(evpoll_handle h) {
  const int32_t status = evp_afd_is_open(h);
  return status < 0 ? status : evp_fail_as(EVPOLL_ERR_UNSUPPORTED, WSAENOTSOCK);
}

/* One layer down, or the same again. */
static int afd_base_below(SOCKET s, SOCKET *out) {
  static const DWORD others[] = {SIO_BSP_HANDLE_SELECT, SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE};
  const int os_code = afd_base_ask(s, SIO_BASE_HANDLE, out);
  if (os_code == 0 && *out != INVALID_SOCKET) return 0;
  for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
    if (afd_base_ask(s, others[i], out) == 0 && *out != INVALID_SOCKET && *out != s) return 0;
  return os_code ? os_code : WSAEOPNOTSUPP;
}

int32_t evp_afd_base(evpoll_handle h, HANDLE *base_out) {
  enum { MOST_LAYERS = 32 }; /* two providers that name each other are not followed for ever */
  /* Before: where Winsock is a thin layer it returns its argument without looking. */
  const int32_t status = evp_afd_is_open(h);
  if (status < 0) return status;
  SOCKET s = evp_windows_socket(h), below;
  for (int layers = 0; layers < MOST_LAYERS; layers++) {
    const int os_code = afd_base_below(s, &below);
    /* A named error: a provider that is in the way, and hides what is under it. */
    if (os_code) return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, os_code);
    if (below == s) {
      *base_out = (HANDLE)s;
      return 0;
    }
    s = below;
  }
  return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, WSAEOPNOTSUPP);
}
