/* SPDX-License-Identifier: MIT */
/* The means of conformance.c: polls, sockets, and how a fact is told. */
#ifndef NT_CONFORMANCE_H
#define NT_CONFORMANCE_H

#include "backend/afd/nt.h"

#include <mswsock.h>
#include <ws2tcpip.h>

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALL = 0x1ff, SOON = 300, LATE = 4000 };

static HANDLE port, afd;

struct poll {
  IO_STATUS_BLOCK iosb;
  AFD_POLL_INFO info;
  NTSTATUS started;
};

static unsigned code(NTSTATUS status) { return (unsigned)status; }

static void fact(const char *format, ...) {
  va_list list;
  va_start(list, format);
  vprintf(format, list);
  va_end(list);
  printf("\n");
  fflush(stdout);
}

/* ---- polls -------------------------------------------------------------------------------- */

static HANDLE open_afd(const WCHAR *text, NTSTATUS *status_out) {
  USHORT n = 0;
  while (text[n]) n++;
  UNICODE_STRING name = {(USHORT)(n * sizeof *text), (USHORT)(n * sizeof *text), (WCHAR *)text};
  OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &name, 0, NULL, NULL};
  IO_STATUS_BLOCK iosb;
  HANDLE h = NULL;
  *status_out = NtCreateFile(&h, SYNCHRONIZE, &attributes, &iosb, NULL, 0,
                             FILE_SHARE_READ | FILE_SHARE_WRITE, EVP_FILE_OPEN, 0, NULL, 0);
  return h;
}

static void start(struct poll *p, SOCKET s, ULONG events) {
  memset(p, 0, sizeof *p);
  p->iosb.Status = EVP_STATUS_PENDING;
  p->info.Timeout.QuadPart = INT64_MAX;
  p->info.NumberOfHandles = 1;
  p->info.Handles[0].Handle = (HANDLE)s;
  p->info.Handles[0].Events = events;
  p->started = NtDeviceIoControlFile(afd, NULL, NULL, p, &p->iosb, EVP_IOCTL_AFD_POLL, &p->info,
                                     sizeof p->info, &p->info, sizeof p->info);
}

static BOOL next_packet(OVERLAPPED_ENTRY *e, DWORD ms) {
  ULONG n = 0;
  return GetQueuedCompletionStatusEx(port, e, 1, &n, ms, FALSE);
}

static struct poll *taken(DWORD ms) {
  OVERLAPPED_ENTRY e;
  return next_packet(&e, ms) ? (struct poll *)e.lpOverlapped : NULL;
}

static void cancel_poll(struct poll *p) {
  IO_STATUS_BLOCK iosb;
  NtCancelIoFileEx(afd, &p->iosb, &iosb);
  while (taken(SOON) != p) {
  }
}

static void show(const char *what, struct poll *p, DWORD ms) {
  const struct poll *got = taken(ms);
  if (!got) {
    fact("%s: started %08x, no packet", what, code(p->started));
    if (p->started == EVP_STATUS_PENDING) cancel_poll(p);
    return;
  }
  fact("%s: started %08x, %s, status %08x, bytes %lu, events %03lx, handle %08x", what,
       code(p->started), got == p ? "its packet" : "another packet", code(p->iosb.Status),
       (unsigned long)p->iosb.Information, (unsigned long)p->info.Handles[0].Events,
       code(p->info.Handles[0].Status));
}

static void look(const char *what, SOCKET s, ULONG events) {
  struct poll p;
  start(&p, s, events);
  show(what, &p, p.started == EVP_STATUS_PENDING ? SOON : LATE);
}

/* ---- sockets ------------------------------------------------------------------------------ */

static void unblock(SOCKET s) {
  u_long on = 1;
  ioctlsocket(s, FIONBIO, &on);
}

static SOCKET make(int type) { return WSASocketW(AF_INET, type, 0, NULL, 0, WSA_FLAG_OVERLAPPED); }

static SOCKET bound(int type, struct sockaddr_in *name) {
  int length = sizeof *name;
  SOCKET s = make(type);
  memset(name, 0, sizeof *name);
  name->sin_family = AF_INET;
  name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(s, (struct sockaddr *)name, length);
  getsockname(s, (struct sockaddr *)name, &length);
  unblock(s);
  return s;
}

static SOCKET listener(struct sockaddr_in *name) {
  SOCKET l = bound(SOCK_STREAM, name);
  listen(l, 16);
  return l;
}

/* Waits for what is on its way over the loopback. */
static void settle(void) { Sleep(60); }

static void join(SOCKET *a, SOCKET *b) {
  struct sockaddr_in name;
  SOCKET l = listener(&name);
  *a = make(SOCK_STREAM);
  connect(*a, (struct sockaddr *)&name, sizeof name);
  settle();
  *b = accept(l, NULL, NULL);
  closesocket(l);
  unblock(*a);
  unblock(*b);
}

static void reset(SOCKET s) {
  struct linger linger = {1, 0};
  setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&linger, sizeof linger);
  closesocket(s);
  settle();
}

static int received(SOCKET s, int flags, int *code_out) {
  char data[64];
  const int n = recv(s, data, sizeof data, flags);
  *code_out = n < 0 ? WSAGetLastError() : 0;
  return n;
}

#endif
