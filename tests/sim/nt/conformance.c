/* SPDX-License-Identifier: MIT */
/* What the simulated kernel assumes of AFD and of completion ports, one line for each fact. Runs
 * unchanged on Windows, under Wine and on the simulator; the lines are compared.
 *
 *   x86_64-w64-mingw32-gcc-posix -I lib conformance.c -lws2_32 -lntdll */
#include "conformance.h"

#include <stdbool.h>

/* ---- the facts ---------------------------------------------------------------------------- */

static void opening(void) {
  NTSTATUS status;
  HANDLE h = open_afd(L"\\Device\\Afd\\evpoll", &status);
  fact("open \\Device\\Afd\\evpoll: %08x", code(status));
  fact("associate with the port: %d", CreateIoCompletionPort(h, port, 4, 0) == port);
  fact("skip set event: %d", SetFileCompletionNotificationModes(h, FILE_SKIP_SET_EVENT_ON_HANDLE));
  HANDLE second = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
  fact("associate with a second port: %d", CreateIoCompletionPort(h, second, 4, 0) != NULL);
  CloseHandle(second);
  CloseHandle(h);
}

static void base_sockets(void) {
  static const struct {
    DWORD code;
    const char *name;
  } codes[] = {{SIO_BASE_HANDLE, "SIO_BASE_HANDLE"},
               {SIO_BSP_HANDLE_SELECT, "SIO_BSP_HANDLE_SELECT"},
               {SIO_BSP_HANDLE_POLL, "SIO_BSP_HANDLE_POLL"},
               {SIO_BSP_HANDLE, "SIO_BSP_HANDLE"}};
  SOCKET s = make(SOCK_STREAM), base = 0;
  DWORD bytes;
  for (int i = 0; i < 4; i++) {
    base = 0;
    const int failed = WSAIoctl(s, codes[i].code, NULL, 0, &base, sizeof base, &bytes, NULL, NULL);
    fact("%s: %d, the same %d", codes[i].name, failed ? WSAGetLastError() : 0, base == s);
  }
  HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
  const int failed =
      WSAIoctl((SOCKET)event, SIO_BASE_HANDLE, NULL, 0, &base, sizeof base, &bytes, NULL, NULL);
  fact("SIO_BASE_HANDLE of an event: %d", failed ? WSAGetLastError() : 0);
  int type, length = sizeof type;
  getsockopt((SOCKET)event, SOL_SOCKET, SO_TYPE, (char *)&type, &length);
  fact("SO_TYPE of an event: %d", WSAGetLastError());
  look("poll of an event", (SOCKET)event, ALL);
  look("poll of no handle", (SOCKET)0x7ffffff0, ALL);
  CloseHandle(event);
  closesocket(s);
}

static void streams(void) {
  SOCKET a, b;
  struct poll p;
  int code;
  join(&a, &b);
  look("connected, all", a, ALL);
  look("connected, receive", a, AFD_POLL_RECEIVE);
  start(&p, a, AFD_POLL_RECEIVE);
  send(b, "x", 1, 0);
  show("receive pending, then data", &p, LATE);
  look("data, receive", a, AFD_POLL_RECEIVE);
  received(a, 0, &code);
  look("data read, receive", a, AFD_POLL_RECEIVE);
  start(&p, a, AFD_POLL_RECEIVE | AFD_POLL_DISCONNECT | AFD_POLL_ABORT);
  shutdown(b, SD_SEND);
  show("pending, then FIN", &p, LATE);
  look("FIN, receive alone", a, AFD_POLL_RECEIVE);
  look("FIN, all", a, ALL);
  look("own FIN, all", b, ALL);
  closesocket(b);
  settle();
  look("peer closed, all", a, ALL);
  send(a, "z", 1, 0);
  settle();
  look("sent to a closed peer, all", a, ALL);
  closesocket(a);
}

static void resets(void) {
  SOCKET a, b;
  struct poll p;
  int code, error = 0, length = sizeof error;
  join(&a, &b);
  start(&p, a, AFD_POLL_RECEIVE | AFD_POLL_DISCONNECT | AFD_POLL_ABORT);
  reset(b);
  show("pending, then RST", &p, LATE);
  look("RST, all", a, ALL);
  look("RST, receive alone", a, AFD_POLL_RECEIVE);
  getsockopt(a, SOL_SOCKET, SO_ERROR, (char *)&error, &length);
  fact("RST, SO_ERROR: %d", error);
  const int n = received(a, 0, &code);
  fact("RST, recv: %d, %d", n, code);
  closesocket(a);

  join(&a, &b);
  send(b, "abc", 3, 0);
  shutdown(b, SD_SEND);
  settle();
  look("unread data and FIN, disconnect", a, AFD_POLL_DISCONNECT);
  look("unread data and FIN, all", a, ALL);
  closesocket(a);
  settle();
  look("peer closed with unread data, all", b, ALL);
  closesocket(b);
}

static void urgent(void) {
  SOCKET a, b;
  int code;
  join(&a, &b);
  send(b, "!", 1, MSG_OOB);
  settle();
  look("urgent byte, all", a, ALL);
  const int n = received(a, MSG_OOB, &code);
  fact("urgent byte, recv: %d, %d", n, code);
  look("urgent byte read, all", a, ALL);
  closesocket(a);
  closesocket(b);
}

static void room(void) {
  static char data[65536];
  SOCKET a, b;
  struct poll p;
  join(&a, &b);
  for (int idle = 0; idle < 3; idle++) { /* what is on its way makes room once more */
    while (send(a, data, sizeof data, 0) > 0) idle = 0;
    settle();
  }
  fact("full, send: %d", WSAGetLastError());
  look("full, send", a, AFD_POLL_SEND);
  start(&p, a, AFD_POLL_SEND);
  for (int idle = 0; idle < 3; idle++) {
    while (recv(b, data, sizeof data, 0) > 0) idle = 0;
    settle();
  }
  show("send pending, then room", &p, LATE);
  closesocket(a);
  closesocket(b);
}

static void connecting(void) {
  struct sockaddr_in name;
  struct poll p;
  SOCKET l = listener(&name), c = make(SOCK_STREAM);
  unblock(c);
  look("fresh, all", c, ALL);
  look("listening, all", l, ALL);
  start(&p, l, AFD_POLL_ACCEPT);
  connect(c, (struct sockaddr *)&name, sizeof name);
  fact("connect: %d", WSAGetLastError());
  show("accept pending, then a connection", &p, LATE);
  look("a connection, all of the listener", l, ALL);
  look("a connection, receive of the listener", l, AFD_POLL_RECEIVE);
  settle();
  look("connected, all of the client", c, ALL);
  SOCKET s = accept(l, NULL, NULL);
  look("accepted, all of the listener", l, ALL);
  closesocket(s);
  closesocket(c);
  closesocket(l);

  c = make(SOCK_STREAM);
  unblock(c);
  connect(c, (struct sockaddr *)&name, sizeof name);
  start(&p, c, AFD_POLL_SEND | AFD_POLL_CONNECT_FAIL | AFD_POLL_ABORT);
  p.started = 0; /* Wine says so at once, Windows after two seconds: both may */
  show("refused", &p, LATE);
  look("refused, all", c, ALL);
  int error = 0, length = sizeof error;
  getsockopt(c, SOL_SOCKET, SO_ERROR, (char *)&error, &length);
  fact("refused, SO_ERROR: %d", error);
  getsockopt(c, SOL_SOCKET, SO_ERROR, (char *)&error, &length);
  fact("refused, SO_ERROR again: %d", error);
  closesocket(c);
}

static void datagrams(void) {
  struct sockaddr_in x, y;
  struct poll p;
  int code;
  SOCKET fresh = make(SOCK_DGRAM), a = bound(SOCK_DGRAM, &x), b = bound(SOCK_DGRAM, &y);
  look("UDP fresh, all", fresh, ALL);
  look("UDP bound, all", a, ALL);
  start(&p, a, AFD_POLL_RECEIVE);
  sendto(b, "hi", 2, 0, (struct sockaddr *)&x, sizeof x);
  show("UDP pending, then a datagram", &p, LATE);
  received(a, 0, &code);
  sendto(b, "", 0, 0, (struct sockaddr *)&x, sizeof x);
  settle();
  look("UDP empty datagram, all", a, ALL);
  received(a, 0, &code);
  look("UDP read, receive", a, AFD_POLL_RECEIVE);
  closesocket(a);
  closesocket(b);
  closesocket(fresh);
}

static void closing(void) {
  SOCKET a, b;
  struct poll p;
  join(&a, &b);
  start(&p, a, AFD_POLL_RECEIVE);
  closesocket(a);
  show("pending, then closed", &p, LATE);
  closesocket(b);

  join(&a, &b);
  HANDLE copy = NULL;
  DuplicateHandle(GetCurrentProcess(), (HANDLE)a, GetCurrentProcess(), &copy, 0, FALSE,
                  DUPLICATE_SAME_ACCESS);
  start(&p, a, AFD_POLL_RECEIVE);
  closesocket(a);
  fact("pending, closed, a duplicate is open: packet %d", taken(SOON) != NULL);
  send(b, "x", 1, 0);
  show("... then data", &p, LATE);
  CloseHandle(copy);
  closesocket(b);

  join(&a, &b);
  HANDLE mine = afd;
  NTSTATUS status;
  afd = open_afd(L"\\Device\\Afd\\evpoll", &status);
  CreateIoCompletionPort(afd, port, 8, 0);
  start(&p, a, AFD_POLL_RECEIVE);
  CloseHandle(afd);
  afd = mine;
  show("pending, then the AFD handle closed", &p, LATE);
  closesocket(a);
  closesocket(b);
}

static void cancelling(void) {
  SOCKET a, b;
  struct poll p;
  IO_STATUS_BLOCK iosb;
  join(&a, &b);
  start(&p, a, AFD_POLL_RECEIVE);
  fact("cancel of a pending poll: %08x", code(NtCancelIoFileEx(afd, &p.iosb, &iosb)));
  fact("... again, its packet not taken: %08x", code(NtCancelIoFileEx(afd, &p.iosb, &iosb)));
  show("... cancelled", &p, LATE);
  fact("... again, its packet taken: %08x", code(NtCancelIoFileEx(afd, &p.iosb, &iosb)));
  start(&p, a, AFD_POLL_SEND);
  fact("cancel of a completed poll: %08x", code(NtCancelIoFileEx(afd, &p.iosb, &iosb)));
  show("... completed", &p, LATE);
  start(&p, a, AFD_POLL_RECEIVE);
  NtCancelIoFileEx(afd, &p.iosb, &iosb);
  send(b, "x", 1, 0);
  settle();
  show("cancelled, then data", &p, LATE);
  closesocket(a);
  closesocket(b);
}

static void malformed(void) {
  SOCKET a, b;
  struct poll p;
  join(&a, &b);
  start(&p, a, AFD_POLL_RECEIVE);
  cancel_poll(&p);
  p.iosb.Status = EVP_STATUS_PENDING;
  const NTSTATUS status = NtDeviceIoControlFile(afd, NULL, NULL, &p, &p.iosb, EVP_IOCTL_AFD_POLL,
                                                &p.info, 20, &p.info, 20);
  fact("short buffer: %08x, packet %d", code(status), taken(SOON) != NULL);
  fact("... the status block still says %08x", code(p.iosb.Status));
  p.info.Timeout.QuadPart = 0;
  p.info.Handles[0].Events = AFD_POLL_RECEIVE;
  p.started = NtDeviceIoControlFile(afd, NULL, NULL, &p, &p.iosb, EVP_IOCTL_AFD_POLL, &p.info,
                                    sizeof p.info, &p.info, sizeof p.info);
  const struct poll *got = taken(LATE);
  fact("timeout 0: started %08x, packet %d, status %08x, bytes %lu, handles %lu", code(p.started),
       got == &p, code(p.iosb.Status), (unsigned long)p.iosb.Information,
       (unsigned long)p.info.NumberOfHandles);
  closesocket(a);
  closesocket(b);
}

static void ports(void) {
  OVERLAPPED_ENTRY e[8];
  ULONG n;
  for (ULONG_PTR i = 0; i < 5; i++) PostQueuedCompletionStatus(port, 7, 101 + i, NULL);
  BOOL ok = GetQueuedCompletionStatusEx(port, e, 3, &n, 0, FALSE);
  fact("batch of 3: %d, %lu, keys %lu to %lu, bytes %lu", ok, (unsigned long)n,
       (unsigned long)e[0].lpCompletionKey, (unsigned long)e[2].lpCompletionKey,
       (unsigned long)e[0].dwNumberOfBytesTransferred);
  ok = GetQueuedCompletionStatusEx(port, e, 8, &n, 0, FALSE);
  fact("the rest: %d, %lu", ok, (unsigned long)n);
  ok = GetQueuedCompletionStatusEx(port, e, 8, &n, 0, FALSE);
  fact("nothing: %d, %lu", ok, (unsigned long)GetLastError());
}

static void pipes(void) {
  static const WCHAR name[] = L"\\\\.\\pipe\\evpoll-conformance";
  OVERLAPPED_ENTRY e;
  OVERLAPPED o = {0}, w = {0};
  char data[16];
  DWORD n = 0;
  HANDLE s = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE, 4,
                              4096, 4096, 0, NULL);
  CreateIoCompletionPort(s, port, 21, 0);
  BOOL ok = ConnectNamedPipe(s, &o);
  fact("ConnectNamedPipe: %d, %lu", ok, (unsigned long)GetLastError());
  HANDLE c = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                         FILE_FLAG_OVERLAPPED, NULL);
  fact("... a client: packet %d", next_packet(&e, LATE));
  CreateIoCompletionPort(c, port, 23, 0);
  ok = ReadFile(s, data, sizeof data, &n, &o);
  fact("ReadFile: %d, %lu", ok, (unsigned long)GetLastError());
  ok = WriteFile(c, "hello", 5, &n, &w);
  fact("WriteFile: %d", ok);
  int packets = 0;
  while (next_packet(&e, SOON)) packets++;
  fact("... packets %d, read %lu bytes", packets, (unsigned long)o.InternalHigh);
  ReadFile(s, data, sizeof data, &n, &o);
  ok = CancelIoEx(s, &o);
  const BOOL came = next_packet(&e, LATE);
  fact("CancelIoEx: %d, packet %d, status %08x", ok, came, code((NTSTATUS)o.Internal));
  ok = CancelIoEx(s, &o);
  fact("... again: %d, %lu", ok, (unsigned long)GetLastError());
  ReadFile(s, data, sizeof data, &n, &o);
  CloseHandle(c);
  ok = next_packet(&e, LATE);
  fact("peer closed: packet %d, status %08x", ok, code((NTSTATUS)o.Internal));
  CloseHandle(s);
}

static void files(void) {
  static char data[4096];
  OVERLAPPED_ENTRY e;
  OVERLAPPED o = {0};
  DWORD n = 0;
  HANDLE f = CreateFileW(L"evpoll-conformance.tmp", GENERIC_READ | GENERIC_WRITE, 0, NULL,
                         CREATE_ALWAYS, FILE_FLAG_OVERLAPPED, NULL);
  fact("file on the port: %d", CreateIoCompletionPort(f, port, 25, 0) == port);
  BOOL ok = WriteFile(f, data, sizeof data, &n, &o);
  DWORD said = ok ? 0 : GetLastError();
  ok = next_packet(&e, LATE);
  fact("write (0 or %d): packet %d, %lu bytes", ERROR_IO_PENDING, ok,
       (unsigned long)e.dwNumberOfBytesTransferred);
  fact("... said inside the call: %lu", (unsigned long)said);
  o.Offset = 1 << 20;
  ok = ReadFile(f, data, sizeof data, &n, &o);
  said = ok ? 0 : GetLastError();
  ok = next_packet(&e, SOON);
  fact("read at the end: %lu, packet %d", (unsigned long)said, ok);
  ok = CancelIoEx(f, &o);
  fact("cancel of what has completed: %d, %lu", ok, (unsigned long)GetLastError());
  fact("cancel of all, nothing pending: %d", CancelIoEx(f, NULL));
  fact("FlushFileBuffers: %d, packet %d", FlushFileBuffers(f), next_packet(&e, SOON));
  CloseHandle(f);
  f = CreateFileW(L"evpoll-conformance.tmp", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
  ok = CreateIoCompletionPort(f, port, 25, 0) == port;
  fact("a synchronous file on the port: %d", ok);
  CloseHandle(f);
  DeleteFileA("evpoll-conformance.tmp");
}

static unsigned modes_of(HANDLE h) {
  IO_STATUS_BLOCK iosb;
  ULONG flags = 99;
  const NTSTATUS status =
      NtQueryInformationFile(h, &iosb, &flags, sizeof flags, EVP_FILE_IO_COMPLETION_NOTIFICATION);
  return status == EVP_STATUS_SUCCESS ? (unsigned)flags : code(status);
}

static NTSTATUS leave_port(HANDLE h) {
  IO_STATUS_BLOCK iosb;
  FILE_COMPLETION_INFORMATION none = {NULL, NULL};
  return NtSetInformationFile(h, &iosb, &none, sizeof none, EVP_FILE_REPLACE_COMPLETION);
}

/* Packets that are left out, and handles that leave their port. */
static void bindings(void) {
  static char data[64];
  const WCHAR *name = L"\\\\.\\pipe\\evpoll-conformance-2";
  OVERLAPPED_ENTRY e;
  OVERLAPPED o = {0}, w = {0};
  DWORD n = 0;
  HANDLE f = CreateFileW(L"evpoll-conformance.tmp", GENERIC_READ | GENERIC_WRITE, 0, NULL,
                         CREATE_ALWAYS, FILE_FLAG_OVERLAPPED, NULL);
  fact("notification modes: %u", modes_of(f));
  BOOL ok = SetFileCompletionNotificationModes(f, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS);
  fact("... set: %d, %u", ok, modes_of(f));
  CreateIoCompletionPort(f, port, 25, 0);
  ok = WriteFile(f, data, sizeof data, &n, &o);
  const DWORD said = ok ? 0 : GetLastError();
  ok = next_packet(&e, SOON);
  fact("a file's write that skips: %lu, packet %d", (unsigned long)said, ok);
  fact("a file leaves its port: %08x", code(leave_port(f)));
  fact("... for another: %d", CreateIoCompletionPort(f, port, 27, 0) == port);
  CloseHandle(f);
  DeleteFileA("evpoll-conformance.tmp");
  HANDLE s = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                              PIPE_TYPE_BYTE | PIPE_WAIT, 1, 4096, 4096, 0, NULL);
  HANDLE c = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                         FILE_FLAG_OVERLAPPED, NULL);
  SetFileCompletionNotificationModes(s, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS);
  CreateIoCompletionPort(s, port, 29, 0);
  ok = WriteFile(s, data, sizeof data, &n, &o);
  fact("a pipe's write that skips: %d, packet %d", ok, next_packet(&e, SOON));
  ok = ReadFile(s, data, sizeof data, &n, &w);
  const bool pending = !ok && GetLastError() == ERROR_IO_PENDING;
  fact("a pipe leaves its port with a read pending (%d): %d", pending,
       leave_port(s) == EVP_STATUS_SUCCESS);
  CancelIoEx(s, &w);
  fact("... cancelled: packet %d", next_packet(&e, LATE));
  CloseHandle(c);
  CloseHandle(s);
}

int main(void) {
  WSADATA data;
  NTSTATUS status;
  WSAStartup(0x202, &data);
  port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
  afd = open_afd(L"\\Device\\Afd\\evpoll", &status);
  CreateIoCompletionPort(afd, port, 2, 0);
  opening();
  base_sockets();
  streams();
  resets();
  urgent();
  room();
  connecting();
  datagrams();
  closing();
  cancelling();
  malformed();
  ports();
  pipes();
  files();
  bindings();
  fact("done");
  return 0;
}
