/* SPDX-License-Identifier: MIT */
/* The AFD device: what opens it, polls, and cancels.
 *
 * AFD is the driver under Winsock. A handle of its device that is bound to the completion port can
 * be asked to look at any socket (IOCTL_AFD_POLL), once: when one of the events asked for is true,
 * at once or later, a packet comes to the port. select() is made of the same call.
 *
 * A group: one handle of the device and up to 32 sockets that are polled through it. Cancelling one
 * poll walks all that the handle has in flight, so one handle for all sockets gets slow (10,000
 * polls took 4 seconds to cancel). A group that nobody uses is closed, but for one. */
#include <stdlib.h>

#include "backend/afd/port.h"

enum { GROUP_SIZE = 32 };

/* The name behind the device is ours to choose, and has to be there. */
static NTSTATUS open_device(ULONG options, HANDLE *out) {
  static WCHAR text[] = {'\\', 'D', 'e',  'v', 'i', 'c', 'e', '\\', 'A',
                         'f',  'd', '\\', 'e', 'v', 'p', 'o', 'l',  'l'};
  UNICODE_STRING name = {sizeof text, sizeof text, text};
  OBJECT_ATTRIBUTES attributes = {.Length = sizeof attributes, .ObjectName = &name};
  IO_STATUS_BLOCK iosb;
  return NtCreateFile(out, SYNCHRONIZE, &attributes, &iosb, NULL, 0,
                      FILE_SHARE_READ | FILE_SHARE_WRITE, EVP_FILE_OPEN, options, NULL, 0);
}

/* ---- groups --------------------------------------------------------------------------------- */

static void unlink_group(struct evp_port *port, struct evp_group *g) {
  *(g->before ? &g->before->next : &port->groups) = g->next;
  *(g->next ? &g->next->before : &port->last_group) = g->before;
}

static void push_front(struct evp_port *port, struct evp_group *g) {
  g->before = NULL;
  g->next = port->groups;
  *(g->next ? &g->next->before : &port->last_group) = g;
  port->groups = g;
}

static void push_back(struct evp_port *port, struct evp_group *g) {
  g->next = NULL;
  g->before = port->last_group;
  *(g->before ? &g->before->next : &port->groups) = g;
  port->last_group = g;
}

static void close_group(struct evp_port *port, struct evp_group *g) {
  port->group_count--;
  CloseHandle(g->afd);
  free(g);
}

static struct evp_group *open_group(struct evp_port *port, int *os_code_out) {
  struct evp_group *g = calloc(1, sizeof *g);
  if (!g) {
    *os_code_out = ERROR_NOT_ENOUGH_MEMORY;
    return NULL;
  }
  const NTSTATUS status = open_device(0, &g->afd);
  if (status != EVP_STATUS_SUCCESS) {
    *os_code_out = (int)RtlNtStatusToDosError(status);
    free(g);
    return NULL;
  }
  port->group_count++;
  /* The address of a group is even. Nobody waits for the handle itself to be signalled. */
  if (!CreateIoCompletionPort(g->afd, port->iocp, (ULONG_PTR)g, 0) ||
      !SetFileCompletionNotificationModes(g->afd, FILE_SKIP_SET_EVENT_ON_HANDLE)) {
    *os_code_out = (int)GetLastError();
    close_group(port, g);
    return NULL;
  }
  return g;
}

/* Groups with room are in front of full ones, so that one look tells. */
struct evp_group *evp_group_take(struct evp_port *port, int *os_code_out) {
  struct evp_group *g = port->groups;
  if (!g || g->users == GROUP_SIZE) {
    g = port->spare_group ? port->spare_group : open_group(port, os_code_out);
    if (!g) return NULL;
    port->spare_group = NULL;
    push_front(port, g);
  }
  if (++g->users == GROUP_SIZE) {
    unlink_group(port, g);
    push_back(port, g);
  }
  return g;
}

void evp_group_put(struct evp_port *port, struct evp_group *g) {
  if (--g->users > 0 && g->users < GROUP_SIZE - 1) return; /* is among those with room */
  unlink_group(port, g);
  if (g->users > 0)
    push_front(port, g);
  else if (!port->spare_group)
    port->spare_group = g;
  else
    close_group(port, g);
}

/* All polls of the port end, each with its packet. */
void evp_groups_cancel(struct evp_port *port) {
  for (struct evp_group *g = port->groups; g; g = g->next) {
    IO_STATUS_BLOCK iosb;
    NtCancelIoFileEx(g->afd, NULL, &iosb);
  }
}

void evp_groups_close(struct evp_port *port) {
  if (port->spare_group) close_group(port, port->spare_group);
}

/* ---- polls ---------------------------------------------------------------------------------- */

NTSTATUS evp_afd_poll(struct evp_group *g, struct evp_sock *k, uint32_t events) {
  k->info = (AFD_POLL_INFO){.NumberOfHandles = 1};
  k->info.Timeout.QuadPart = INT64_MAX;
  k->info.Handles[0] = (AFD_POLL_HANDLE_INFO){.Handle = k->base, .Events = events};
  k->iosb.Status = EVP_STATUS_PENDING;
  k->iosb.Information = 0;
  return NtDeviceIoControlFile(g->afd, NULL, NULL, &k->iosb, &k->iosb, EVP_IOCTL_AFD_POLL, &k->info,
                               sizeof k->info, &k->info, sizeof k->info);
}

/* NOT_FOUND is no failure: the poll has completed, and its packet is on its way. Nor does success
 * say that it had not. */
void evp_afd_cancel(struct evp_group *g, struct evp_sock *k) {
  IO_STATUS_BLOCK iosb;
  NtCancelIoFileEx(g->afd, &k->iosb, &iosb);
}

int evp_afd_code(NTSTATUS status) {
  switch (status) {
  case EVP_STATUS_SUCCESS:
  case EVP_STATUS_CONN_RESET:
  case EVP_STATUS_REMOTE_CLOSE: return WSAECONNRESET;
  case EVP_STATUS_CONN_ABORTED:
  case EVP_STATUS_LOCAL_CLOSE: return WSAECONNABORTED;
  case EVP_STATUS_CONN_REFUSED: return WSAECONNREFUSED;
  case EVP_STATUS_IO_TIMEOUT: return WSAETIMEDOUT;
  case EVP_STATUS_NET_UNREACHED: return WSAENETUNREACH;
  case EVP_STATUS_HOST_UNREACHED: return WSAEHOSTUNREACH;
  }
  return (int)RtlNtStatusToDosError(status);
}

uint32_t evp_afd_look(HANDLE base, uint32_t events, int *os_code_out) {
  AFD_POLL_INFO info = {.NumberOfHandles = 1, .Handles = {{.Handle = base, .Events = events}}};
  IO_STATUS_BLOCK iosb;
  HANDLE afd;
  /* A synchronous handle: the call has ended when it returns, and with a time of 0 it does at once.
   */
  NTSTATUS status = open_device(EVP_FILE_SYNCHRONOUS_NONALERT, &afd);
  if (status == EVP_STATUS_SUCCESS) {
    status = NtDeviceIoControlFile(afd, NULL, NULL, NULL, &iosb, EVP_IOCTL_AFD_POLL, &info,
                                   sizeof info, &info, sizeof info);
    CloseHandle(afd);
  }
  *os_code_out = EVP_NT_ERROR(status) ? evp_afd_code(status) : 0;
  if (status != EVP_STATUS_SUCCESS || info.NumberOfHandles == 0) return 0;
  const uint32_t came = info.Handles[0].Events & events;
  if (came & (AFD_POLL_ABORT | AFD_POLL_CONNECT_FAIL))
    *os_code_out = evp_afd_code(info.Handles[0].Status);
  return came;
}
