// SPDX-License-Identifier: MIT
// What Go does to descriptors that are the system's own business: a second one of the same, and
// keepalive messages as package net sets them.
#include <stdint.h>
#include "evpoll.h"
#ifdef _WIN32
#include <winsock2.h>
#include <mstcpip.h>
#else
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#endif

int64_t evpoll_go_duplicate(evpoll_handle handle, int32_t is_file, int64_t *copy_out);
int64_t evpoll_go_keep_alive(evpoll_handle handle, uint32_t seconds);

// As Go has a failure: the status in the lower half, the system's code in the upper one.
static int64_t failed(uint32_t code) {
  return (int64_t)((uint64_t)code << 32 | (uint32_t)EVPOLL_ERR_OS);
}

#ifdef _WIN32
int64_t evpoll_go_duplicate(evpoll_handle handle, int32_t is_file, int64_t *copy_out) {
  if (is_file) {
    HANDLE self = GetCurrentProcess(), copy;
    if (!DuplicateHandle(self, (HANDLE)(intptr_t)handle, self, &copy, 0, FALSE,
                         DUPLICATE_SAME_ACCESS))
      return failed(GetLastError());
    *copy_out = (intptr_t)copy;
    return 0;
  }
  // DuplicateHandle would leave Winsock in the dark about a socket.
  WSAPROTOCOL_INFOW info;
  if (WSADuplicateSocketW((SOCKET)handle, GetCurrentProcessId(), &info))
    return failed((uint32_t)WSAGetLastError());
  const SOCKET copy = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info,
                                 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
  if (copy == INVALID_SOCKET) return failed((uint32_t)WSAGetLastError());
  *copy_out = (int64_t)copy;
  return 0;
}

int64_t evpoll_go_keep_alive(evpoll_handle handle, uint32_t seconds) {
  struct tcp_keepalive values = {seconds > 0, seconds * 1000, seconds * 1000};
  DWORD got;
  const int bad = WSAIoctl((SOCKET)handle, SIO_KEEPALIVE_VALS, &values, sizeof values, NULL, 0,
                           &got, NULL, NULL);
  return bad ? failed((uint32_t)WSAGetLastError()) : 0;
}
#else
int64_t evpoll_go_duplicate(evpoll_handle handle, int32_t is_file, int64_t *copy_out) {
  (void)is_file;
  const int copy = fcntl((int)handle, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return failed((uint32_t)errno);
  *copy_out = copy;
  return 0;
}

#ifdef __APPLE__
#define TCP_KEEPIDLE TCP_KEEPALIVE
#endif

int64_t evpoll_go_keep_alive(evpoll_handle handle, uint32_t seconds) {
  const int on = seconds > 0, value = (int)seconds;
  if (setsockopt((int)handle, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) ||
      (on && setsockopt((int)handle, IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof value)) ||
      (on && setsockopt((int)handle, IPPROTO_TCP, TCP_KEEPINTVL, &value, sizeof value)))
    return failed((uint32_t)errno);
  return 0;
}
#endif
