/* SPDX-License-Identifier: MIT */
//go:build (windows) && !evpoll_system

/* Sockets: the life of a registration and of its polls.
 *
 * A registration is a struct evp_sock, found by the handle. It is made by add, which polls at once,
 * so that the kernel knows which socket is meant: closing it ends the poll with LOCAL_CLOSE, and
 * the number's next owner is not mistaken for it.
 *
 * idle -> polling -> packet: what came waits to be delivered, or is delivered at once
 *   LEVEL     polls again before the next sleep, or at once if another thread sleeps
 *   EDGE      polls again for the bits that are still armed; rearm arms the others
 *   ONESHOT   stays idle until rearm or modify
 * A change while idle polls at once, and so tells whether the socket is still there. A change while
 * polling joins the list of updates: before the next sleep, or at once if a thread sleeps, the poll
 * is cancelled if it did not ask enough, and the packet that tells so starts the next one. There is
 * never more than one poll on a socket: with two some systems swap the completions (wepoll #35).
 *
 * The end: remove, a newer add, or close of the poller. The poll is cancelled at once, and the
 * memory freed when its packet has come back (and no list has it): until then the kernel may write.
 *
 * A socket that is closed while nothing polls it is not seen to go. evpoll_socket_close() says so;
 * of others the next poll tells, or the next owner's add. */
#include <stdlib.h>

#include "port.h"
#include "status.h"

/* ---- memory ------------------------------------------------------------------------------- */

static void drop(struct evp_port *port, struct evp_sock *k) {
  if (--k->uses > 0) return;
  evp_group_put(port, k->group);
  free(k);
}

static struct evp_sock **slot_of(struct evp_port *port, evpoll_handle h) {
  return evp_table_at(&port->socks, (uint32_t)h);
}

static void enqueue(struct evp_port *port, struct evp_sock *k) {
  if (k->updating) return;
  k->updating = true;
  k->uses++;
  k->next_update = NULL;
  *(port->updates ? &port->last_update->next_update : &port->updates) = k;
  port->last_update = k;
}

/* The registration is over. */
static void retire(struct evp_port *port, struct evp_sock *k) {
  evp_number_disclaim(k, NULL);
  k->retired = true;
  if (k->polling && !k->cancelled) k->cancelled = evp_afd_cancel(k->group, k);
  drop(port, k);
}

/* ---- bits --------------------------------------------------------------------------------- */

/* Not an event of AFD: the poll itself has failed. */
#define POLL_FAILED 0x80000000u

static uint32_t bits_of(uint32_t came) {
  uint32_t bits = 0;
  if (came & (AFD_POLL_RECEIVE | AFD_POLL_ACCEPT)) bits |= EVPOLL_READABLE;
  if (came & AFD_POLL_RECEIVE_EXPEDITED) bits |= EVPOLL_PRIORITY;
  if (came & AFD_POLL_SEND) bits |= EVPOLL_WRITABLE;
  if (came & AFD_POLL_DISCONNECT) bits |= EVPOLL_READABLE | EVPOLL_READ_CLOSED;
  if (came & (AFD_POLL_ABORT | AFD_POLL_CONNECT_FAIL))
    bits |= EVPOLL_READABLE | EVPOLL_WRITABLE | EVPOLL_WRITE_CLOSED | EVPOLL_ERROR;
  if (came & POLL_FAILED) bits |= EVPOLL_ERROR;
  return bits;
}

/* DISCONNECT only with READABLE: asked for alone it would come back for ever to one who cannot make
 * it go away by reading. */
static uint32_t wanted(const struct evp_sock *k) {
  if (!k->armed) return 0;
  uint32_t events = AFD_POLL_LOCAL_CLOSE;
  if (!k->broken) events |= AFD_POLL_ABORT | AFD_POLL_CONNECT_FAIL;
  if (k->armed & EVPOLL_READABLE)
    events |= AFD_POLL_RECEIVE | AFD_POLL_ACCEPT | AFD_POLL_DISCONNECT;
  if (k->armed & EVPOLL_WRITABLE) events |= AFD_POLL_SEND;
  if (k->armed & EVPOLL_PRIORITY) events |= AFD_POLL_RECEIVE_EXPEDITED;
  return events;
}

/* Winsock's code where it has one: that is what a failed call would have told. */
static int code_of(NTSTATUS status) {
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

/* ---- polls -------------------------------------------------------------------------------- */

static bool says_closed(NTSTATUS status) {
  return status == EVP_STATUS_INVALID_HANDLE || status == EVP_STATUS_TYPE_MISMATCH;
}

/* The number's lock is held over the call, so that no other poller takes the number meanwhile. */
static NTSTATUS start_poll(struct evp_port *port, struct evp_sock *k) {
  const uint32_t events = wanted(k);
  NTSTATUS status = EVP_STATUS_INVALID_HANDLE;
  struct evp_mutex *lock = evp_number_lock(k->handle);
  evp_mutex_lock(lock);
  if (!k->lost) {
    status = evp_afd_poll(k->group, k, events);
    k->polling = !EVP_NT_ERROR(status);
  }
  evp_mutex_unlock(lock);
  if (!k->polling) return status;
  k->asked = events;
  k->uses++;
  port->in_kernel++;
  return EVP_STATUS_SUCCESS;
}

static void say(struct evp_port *port, struct evp_sock *k, uint32_t came) {
  k->came = came;
  if (k->waiting) return;
  k->waiting = true;
  k->uses++;
  evp_port_push(port, &k->ready);
}

static void update(struct evp_port *port, struct evp_sock *k) {
  if (k->retired || k->closed || k->came) return;
  const uint32_t events = wanted(k);
  if (k->polling) {
    if (!k->cancelled && (events & ~k->asked)) k->cancelled = evp_afd_cancel(k->group, k);
    return; /* the packet comes, and asks for the next poll */
  }
  if (!events) return;
  const NTSTATUS status = start_poll(port, k);
  if (!EVP_NT_ERROR(status)) return;
  k->closed = says_closed(status);
  if (k->closed) return;
  k->error = code_of(status); /* too late for the call that asked for it */
  say(port, k, POLL_FAILED);
}

void evp_sock_flush(evpoll *p) {
  struct evp_port *port = evp_port_of(p);
  /* What fails joins other lists, never this one. */
  while (port->updates) {
    struct evp_sock *k = port->updates;
    port->updates = k->next_update;
    k->updating = false;
    update(port, k);
    drop(port, k);
  }
}

/* A thread that sleeps does not look at the list. */
static void enqueue_now(evpoll *p, struct evp_sock *k) {
  enqueue(evp_port_of(p), k);
  if (evp_port_of(p)->sleepers) evp_sock_flush(p);
}

/* ---- registrations ------------------------------------------------------------------------ */

static void set(struct evp_sock *k, const struct evp_source *s) {
  const uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);
  k->generation = atomic_load_explicit(&s->generation, memory_order_relaxed);
  k->mode = (uint8_t)evp_mode_of(state);
  k->interest = k->armed = (uint8_t)((state & EVP_INTEREST) >> EVP_INTEREST_SHIFT);
  k->came = 0; /* the state is looked at afresh */
  k->broken = false;
}

static int32_t fail_poll(NTSTATUS status) {
  if (says_closed(status)) return evp_fail_as(EVPOLL_ERR_BAD_HANDLE, WSAENOTSOCK);
  return evp_fail_os((int)RtlNtStatusToDosError(status));
}

/* The registration names something that is gone. */
static int32_t fail_gone(evpoll_handle h, bool *gone_out) {
  *gone_out = true;
  const int32_t status = evp_afd_is_open(h);
  return status == EVPOLL_ERR_BAD_HANDLE ? status : evp_fail(EVPOLL_ERR_STALE);
}

static bool is_gone(const struct evp_sock *k) {
  if (k->closed || k->lost) return true;
  /* The packet may not have been taken yet; some systems write the block only then. */
  const volatile struct evp_sock *now = k;
  return k->polling && now->iosb.Status == EVP_STATUS_SUCCESS && now->info.NumberOfHandles > 0 &&
         (now->info.Handles[0].Events & AFD_POLL_LOCAL_CLOSE);
}

static int32_t make(struct evp_port *port, evpoll_handle h, HANDLE base, const struct evp_source *s,
                    struct evp_sock *old, struct evp_sock **out) {
  struct evp_sock *k = calloc(1, sizeof *k);
  if (!k) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  int os_code = 0;
  k->group = evp_group_take(port, &os_code);
  if (!k->group) {
    free(k);
    return evp_fail_os(os_code);
  }
  k->handle = (uint32_t)h;
  k->base = base;
  k->uses = 1;
  set(k, s);
  bool had = false;
  int32_t status = evp_number_claim(k, old, &had);
  if (status == 0 && k->armed) {
    const NTSTATUS polled = start_poll(port, k);
    if (EVP_NT_ERROR(polled)) {
      status = fail_poll(polled);
      evp_number_disclaim(k, had ? old : NULL);
    }
  }
  if (status < 0)
    drop(port, k);
  else
    *out = k;
  return status;
}

/* Lock held. True: the former registration's poll was on this very socket, and the registration
 * goes on under its new name. */
static bool renew(struct evp_sock *old, const struct evp_source *s) {
  if (!old || !old->polling || old->cancelled || old->closed || old->lost) return false;
  if (!evp_afd_cancel(old->group, old)) return false;
  old->cancelled = true;
  set(old, s);
  evp_number_forget_errors(old->handle);
  return true;
}

static int32_t add(evpoll *p, evpoll_handle h, struct evp_source *s, bool *gone_out) {
  struct evp_port *port = evp_port_of(p);
  struct evp_sock **slot = evp_table_reach(&port->socks, (uint32_t)h);
  if (!slot) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  HANDLE base;
  int32_t status = evp_afd_base(h, &base);
  evp_mutex_lock(&port->lock);
  struct evp_sock *old = *slot, *fresh = NULL;
  *gone_out = status < 0;
  if (status == 0 && !renew(old, s)) {
    status = make(port, h, base, s, old, &fresh);
    if (old && old->cancelled) *gone_out = true; /* asked for, and too late to be had back */
  }
  if (old && (fresh || *gone_out)) {
    *slot = NULL;
    retire(port, old);
  }
  if (fresh) *slot = fresh;
  evp_mutex_unlock(&port->lock);
  return status;
}

static int32_t modify(evpoll *p, evpoll_handle h, struct evp_source *s, struct evp_sock *k,
                      bool *gone_out) {
  if (is_gone(k)) return fail_gone(h, gone_out);
  set(k, s);
  if (!k->polling && k->armed) {
    const NTSTATUS status = start_poll(evp_port_of(p), k);
    *gone_out = EVP_NT_ERROR(status);
    return *gone_out ? fail_poll(status) : 0;
  }
  const int32_t status = evp_afd_is_open(h);
  *gone_out = status < 0;
  if (status == 0 && k->polling) enqueue_now(p, k);
  return status;
}

int32_t evp_sock_watch(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t was, bool fresh,
                       bool *gone_out) {
  (void)was;
  if (fresh) return add(p, h, s, gone_out);
  struct evp_port *port = evp_port_of(p);
  struct evp_sock **slot = slot_of(port, h);
  evp_mutex_lock(&port->lock);
  const int32_t status = modify(p, h, s, *slot, gone_out);
  if (*gone_out) {
    retire(port, *slot);
    *slot = NULL;
  }
  evp_mutex_unlock(&port->lock);
  return status;
}

static int32_t rearm(evpoll *p, evpoll_handle h, struct evp_sock *k, uint32_t bits,
                     bool *gone_out) {
  if (is_gone(k)) return fail_gone(h, gone_out);
  k->armed = (uint8_t)(k->mode == EVPOLL_EDGE ? k->armed | bits : bits);
  k->broken = false;
  if (k->came) return 0; /* about to be delivered */
  if (k->polling) {
    if (wanted(k) & ~k->asked) enqueue_now(p, k);
    return 0;
  }
  const NTSTATUS status = start_poll(evp_port_of(p), k);
  *gone_out = EVP_NT_ERROR(status);
  return *gone_out ? fail_poll(status) : 0;
}

int32_t evp_sock_rearm(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t bits,
                       bool *gone_out) {
  (void)s;
  struct evp_port *port = evp_port_of(p);
  struct evp_sock **slot = slot_of(port, h);
  evp_mutex_lock(&port->lock);
  const int32_t status = rearm(p, h, *slot, bits, gone_out);
  if (*gone_out) {
    retire(port, *slot);
    *slot = NULL;
  }
  evp_mutex_unlock(&port->lock);
  return status;
}

void evp_sock_unwatch(evpoll *p, evpoll_handle h, uint32_t was) {
  (void)was;
  struct evp_port *port = evp_port_of(p);
  struct evp_sock **slot = slot_of(port, h);
  evp_mutex_lock(&port->lock);
  if (*slot) retire(port, *slot);
  *slot = NULL;
  evp_mutex_unlock(&port->lock);
}

/* ---- events ------------------------------------------------------------------------------- */

static void read_packet(struct evp_port *port, struct evp_sock *k) {
  const NTSTATUS status = k->iosb.Status;
  const AFD_POLL_HANDLE_INFO *info = &k->info.Handles[0];
  /* On cancel the buffer still holds what was asked: the status says first. */
  if (status == EVP_STATUS_CANCELLED || status == EVP_STATUS_HANDLES_CLOSED) {
    enqueue(port, k);
  } else if (EVP_NT_ERROR(status)) {
    k->closed = says_closed(status);
    k->error = code_of(status);
    if (!k->closed && k->armed) say(port, k, POLL_FAILED);
  } else if (k->info.NumberOfHandles < 1) {
    enqueue(port, k); /* its time was up, in 29,000 years */
  } else if (info->Events & AFD_POLL_LOCAL_CLOSE) {
    k->closed = true;
    evp_number_disclaim(k, NULL);
  } else if (info->Events & (AFD_POLL_ABORT | AFD_POLL_CONNECT_FAIL)) {
    k->error = code_of(info->Status);
    evp_number_note_error(k);
    say(port, k, info->Events);
  } else {
    say(port, k, info->Events);
  }
}

void evp_sock_feed(evpoll *p, struct evp_sock *k) {
  struct evp_port *port = evp_port_of(p);
  port->in_kernel--;
  k->polling = false;
  k->cancelled = false;
  if (!k->retired) read_packet(port, k);
  drop(port, k);
}

/* What follows a delivery: see the top. */
static void settle(struct evp_port *port, struct evp_sock *k, uint32_t bits) {
  if (k->mode == EVPOLL_ONESHOT && bits) k->armed = 0;
  if (k->mode == EVPOLL_EDGE) {
    k->armed &= (uint8_t)~bits;
    k->broken |= (bits & EVPOLL_ERROR) != 0;
  }
  if (k->armed && !k->polling) enqueue(port, k);
}

bool evp_sock_deliver(evpoll *p, struct evp_sock *k, evpoll_event *out) {
  struct evp_port *port = evp_port_of(p);
  const uint32_t came = k->came;
  k->came = 0;
  k->waiting = false;
  uint32_t bits = 0;
  if (came && !k->retired && !k->closed && !k->lost) {
    struct evp_source *s = evp_table_known(&p->sources, k->handle, sizeof *s);
    uint64_t token;
    uint32_t state;
    bits = bits_of(came) & evp_report_of(k->armed);
    if (!evp_source_read(s, k->generation, &token, &state)) {
      evp_count(&p->stale_hits);
      bits = 0;
    }
    if (bits) *out = (evpoll_event){.token = token, .events = bits};
    if (bits & EVPOLL_ERROR) {
      out->status = evp_status_of(k->error);
      out->result = k->error;
    }
    settle(port, k, bits);
  }
  drop(port, k);
  return bits;
}

/* Lock held. The registrations end; the packets are still to come. */
void evp_socks_close(struct evp_port *port) {
  const uint32_t end = evp_table_end(&port->socks);
  for (uint32_t i = 0; i < end; i++) {
    struct evp_sock **slot = evp_table_at(&port->socks, i);
    if (!slot || !*slot) continue;
    struct evp_sock *k = *slot;
    evp_number_disclaim(k, NULL);
    k->retired = true;
    drop(port, k);
    *slot = NULL;
  }
}
