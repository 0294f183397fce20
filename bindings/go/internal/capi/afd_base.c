/* SPDX-License-Identifier: MIT */
//go:build (windows) && !evpoll_system

/* The socket under a socket.
 *
 * A layered service provider may hand out numbers of its own, which AFD does not know; Winsock is
 * asked for the one below. Some providers block the question (mio #1314); then the handles that
 * they use for select() and poll() themselves are as good, given that they differ. */
#include "afd_socket.h"
#include "os_windows.h"
#include "port.h"
#include "status.h"

static int ask(SOCKET s, DWORD code, SOCKET *out) {
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

int32_t evp_afd_base(evpoll_handle h, HANDLE *base_out) {
  static const DWORD others[] = {SIO_BSP_HANDLE_SELECT, SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE};
  const SOCKET s = evp_windows_socket(h);
  /* Before: where Winsock is a thin layer it returns its argument without looking. */
  const int32_t status = evp_afd_is_open(h);
  if (status < 0) return status;
  SOCKET base;
  const int os_code = ask(s, SIO_BASE_HANDLE, &base);
  bool found = os_code == 0 && base != INVALID_SOCKET;
  for (unsigned i = 0; !found && i < sizeof others / sizeof others[0]; i++)
    found = ask(s, others[i], &base) == 0 && base != INVALID_SOCKET && base != s;
  /* A named error: a provider that is in the way, and hides what is under it. */
  if (!found) return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, os_code ? os_code : WSAEOPNOTSUPP);
  *base_out = (HANDLE)base;
  return 0;
}
