/* SPDX-License-Identifier: MIT */
/* Windows: everything arrives at one completion port.
 *
 * Packets are told apart by their key: even for AFD's (the address is a socket's), odd for the bell
 * and for files, pipes and whatever else the caller has added (the address is a request's).
 *
 * A sleep brings the kernel up to date (afd_socket.c), takes packets, tells sockets, operations and
 * foreign requests what came, and writes events. An array of 64 or more gets as many packets as it
 * has room for. For a smaller one more is taken, and what is left over waits in the list `ready`,
 * or among the core's finished operations: in the port one kind could hide behind thousands of
 * another, and each is to have its turn.
 *
 * The bell: one packet at a time. It is taken before anything is looked at, so that what comes
 * later rings again.
 *
 * Closing the port would not wake who sleeps on it: close() is called when nobody does, and takes
 * every packet that is still to come, since each is memory that the kernel may write. */
#include "backend/afd/port.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/windows/windows_os.h"
#include "core/status.h"
#include "core/stream.h"

enum { PORT_BATCH = 64, MOST = 4096 };

/* ---- packets ------------------------------------------------------------------------------ */

void evp_port_push(struct evp_port *port, struct evp_ready *r) {
  r->next = NULL;
  *(port->ready ? &port->last_ready->next : &port->ready) = r;
  port->last_ready = r;
}

static struct evp_ready *pop(struct evp_port *port) {
  struct evp_ready *r = port->ready;
  port->ready = r->next;
  return r;
}

#define SOCK_OF(r)    ((struct evp_sock *)((char *)(r)-offsetof(struct evp_sock, ready)))
#define REQUEST_OF(r) ((struct evp_request *)((char *)(r)-offsetof(struct evp_request, ready)))

static bool deliver(evpoll *p, struct evp_ready *r, evpoll_event *out) {
  return r->foreign ? evp_foreign_deliver(evp_port_of(p), REQUEST_OF(r), out)
                    : evp_sock_deliver(p, SOCK_OF(r), out);
}

/* What a batch of packets told, besides of sockets and foreign requests. */
struct told {
  bool bell;
  struct evp_op *ops; /* finished, in order, by ->next */
  struct evp_op **end;
};

/* Lock held: port->lock. */
static void feed(evpoll *p, const OVERLAPPED_ENTRY *packet, struct told *told) {
  struct evp_port *port = evp_port_of(p);
  if (!(packet->lpCompletionKey & 1)) {
    evp_sock_feed(p, (struct evp_sock *)packet->lpOverlapped);
  } else if (packet->lpCompletionKey == KEY_BELL) {
    atomic_store(&port->rung, 0);
    told->bell = true;
  } else {
    struct evp_request *r = (struct evp_request *)packet->lpOverlapped;
    if (!evp_table_has(&port->requests, r)) return; /* somebody else's */
    struct evp_op *op = evp_request_feed(port, r, (NTSTATUS)packet->Internal);
    if (!op) return;
    op->next = NULL;
    *told->end = op;
    told->end = &op->next;
  }
}

static DWORD milliseconds(int64_t ns) {
  if (ns < 0) return INFINITE;
  const int64_t ms = ns / 1000000 + (ns % 1000000 != 0);
  return ms < (int64_t)INFINITE ? (DWORD)ms : INFINITE - 1;
}

static ULONG port_take(struct evp_port *port, OVERLAPPED_ENTRY *packets, ULONG capacity, DWORD ms,
                       DWORD *failed_out) {
  ULONG n = 0;
  *failed_out = 0;
  if (GetQueuedCompletionStatusEx(port->iocp, packets, capacity, &n, ms, FALSE)) return n;
  const DWORD os_code = GetLastError();
  if (os_code != WAIT_TIMEOUT) *failed_out = os_code;
  return 0;
}

/* ---- sleep -------------------------------------------------------------------------------- */

/* Lock held: port->lock. Everything is told before an event is written, since the packets may lie
 * in the caller's array. */
static void feed_all(evpoll *p, OVERLAPPED_ENTRY *packets, ULONG n, ULONG capacity, bool all,
                     struct told *told) {
  struct evp_port *port = evp_port_of(p);
  for (ULONG taken = n;; taken += n) {
    for (ULONG i = 0; i < n; i++) feed(p, &packets[i], told);
    /* More may be there. Cancelled polls alone are no reason to come back without an event. */
    const bool nothing = !port->ready && !told->ops && !told->bell;
    if (n < capacity || taken >= MOST || !(all || nothing)) return;
    DWORD failed;
    n = port_take(port, packets, capacity, 0, &failed);
    if (n == 0) return;
  }
}

static void keep_ops(evpoll *p, struct told *told) {
  *told->end = NULL;
  evp_io_lock(p);
  for (struct evp_op *op = told->ops, *next; op; op = next) {
    next = op->next;
    evp_io_keep(p, op);
  }
  evp_io_unlock(p);
}

/* Lock held: port->lock. */
static int32_t deliver_some(evpoll *p, evpoll_event *out, int32_t capacity) {
  struct evp_port *port = evp_port_of(p);
  int32_t n = 0, edges = 0;
  while (n < capacity && port->ready) {
    if (!deliver(p, pop(port), &out[n])) continue;
    if (out[n++].events & EVP_EDGE) edges = EVP_EDGES;
  }
  return n | edges;
}

static int32_t sleep_on_port(evpoll *p, evpoll_event *out, int32_t capacity, int64_t timeout_ns) {
  struct evp_port *port = evp_port_of(p);
  OVERLAPPED_ENTRY batch[PORT_BATCH];
  const bool large = capacity >= PORT_BATCH && sizeof *out >= sizeof batch[0];
  OVERLAPPED_ENTRY *packets = large ? (OVERLAPPED_ENTRY *)(void *)out : batch;

  evp_mutex_lock(&port->lock);
  evp_sock_flush(p);
  const bool blocks = timeout_ns != 0 && !port->ready;
  port->sleepers += blocks;
  evp_mutex_unlock(&port->lock);

  DWORD failed;
  const ULONG room = large ? (ULONG)capacity : PORT_BATCH;
  const ULONG got = port_take(port, packets, room, blocks ? milliseconds(timeout_ns) : 0, &failed);

  struct told told = {.ops = NULL, .end = &told.ops};
  evp_mutex_lock(&port->lock);
  port->sleepers -= blocks;
  if (got) feed_all(p, packets, got, room, !large, &told);
  const int32_t n = deliver_some(p, out, capacity);
  /* Who sleeps does not look at lists. */
  if (port->sleepers) evp_sock_flush(p);
  const bool left_over = port->ready && port->sleepers;
  evp_mutex_unlock(&port->lock);

  if (told.ops) keep_ops(p, &told);
  if (left_over) evp_backend.ring(p);
  if (failed && n == 0) return evp_fail_as(EVPOLL_ERR_OS, (int)failed);
  return told.bell || told.ops ? n | EVP_BELL : n;
}

/* The packets of operations become events at once; sockets are not reported any more. A bell that
 * was among them rings again: it may be the one that tells of the shutdown, and the thread that
 * took it here may have looked before. */
int32_t evp_port_drain(evpoll *p, evpoll_event *out, int32_t capacity) {
  struct evp_port *port = evp_port_of(p);
  OVERLAPPED_ENTRY packets[PORT_BATCH];
  int32_t n = 0;
  bool bell = false;
  while (n < capacity) {
    const ULONG room = capacity - n < PORT_BATCH ? (ULONG)(capacity - n) : PORT_BATCH;
    DWORD failed;
    const ULONG got = port_take(port, packets, room, 0, &failed);
    struct told told = {.ops = NULL, .end = &told.ops};
    evp_mutex_lock(&port->lock);
    for (ULONG i = 0; i < got; i++) feed(p, &packets[i], &told);
    evp_mutex_unlock(&port->lock);
    for (struct evp_op *op = told.ops, *next; op; op = next) {
      next = op->next;
      n += evp_io_complete(p, op, &out[n]);
    }
    bell |= told.bell;
    if (got < room) break;
  }
  if (bell) evp_backend.ring(p);
  return n;
}

/* A packet takes memory of the kernel, which may be short for a while; a ring must not be lost. */
static void port_ring(evpoll *p) {
  struct evp_port *port = evp_port_of(p);
  if (atomic_exchange(&port->rung, 1)) return;
  while (!PostQueuedCompletionStatus(port->iocp, 0, KEY_BELL, NULL)) Sleep(1);
}

/* ---- open and close ----------------------------------------------------------------------- */

static int32_t open_port(evpoll *p) {
  const int os_code = evp_windows_need_winsock();
  if (os_code) return evp_fail_os(os_code);
  struct evp_port *port = calloc(1, sizeof *port);
  if (!port) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  /* The last number is of threads that run at once: a waiter that works must not keep others from
   * being woken, whatever it waits for. */
  port->iocp = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, INT32_MAX);
  if (!port->iocp) {
    free(port);
    return evp_fail_os((int)GetLastError());
  }
  evp_mutex_init(&port->lock);
  port->socks.entry_size = sizeof(struct evp_sock *);
  port->requests.entry_size = sizeof(struct evp_request);
  port->places.entry_size = sizeof(struct evp_place);
  p->kernel = port;
  return 0;
}

static void close_port(evpoll *p) {
  struct evp_port *port = evp_port_of(p);
  evp_mutex_lock(&port->lock);
  evp_socks_close(port);
  evp_groups_cancel(port);
  evp_sock_flush(p);
  while (port->ready) {
    evpoll_event discarded;
    deliver(p, pop(port), &discarded);
  }
  while (port->in_kernel) {
    OVERLAPPED_ENTRY packets[PORT_BATCH];
    struct told told = {.ops = NULL, .end = &told.ops};
    DWORD failed;
    const ULONG n = port_take(port, packets, PORT_BATCH, INFINITE, &failed);
    if (failed) Sleep(1);
    for (ULONG i = 0; i < n; i++) feed(p, &packets[i], &told);
  }
  evp_groups_close(port);
  evp_mutex_unlock(&port->lock);
  CloseHandle(port->iocp);
  evp_table_free(&port->socks);
  evp_requests_free(port);
  evp_table_free(&port->places);
  evp_mutex_destroy(&port->lock);
  free(port);
}

static void port_describe(evpoll *p, char *text, size_t capacity) {
  struct evp_port *port = evp_port_of(p);
  evp_mutex_lock(&port->lock);
  const uint32_t groups = port->group_count;
  evp_mutex_unlock(&port->lock);
  snprintf(text, capacity, "AFD, by %u handles of the device, and one completion port%s", groups,
           evp_single(p) ? ", one waiter" : ", any number of waiters");
}

const struct evp_backend evp_backend = {
    .id = EVPOLL_BACKEND_AFD,
    .name = "AFD",
    .features = EVPOLL_FEATURE_PRIORITY | EVPOLL_FEATURE_FOREIGN_AIO,
    .io_features = EVPOLL_FEATURE_PIPE_IO,
    .native = &evp_engine_iocp,
    .foreign = &evp_foreign_overlapped,
    .edges_once = true,
    .open = open_port,
    .close = close_port,
    .watch = evp_sock_watch,
    .rearm = evp_sock_rearm,
    .unwatch = evp_sock_unwatch,
    .sleep = sleep_on_port,
    .ring = port_ring,
    .describe = port_describe,
};
