/* SPDX-License-Identifier: MIT */
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
 *   OPERATIONS  as EDGE, by the core's rearm, the first of which makes the registration; what the
 *             poll tells, a close too, goes to the core
 *
 * A change while idle polls at once, and so tells whether the socket is still there. A change
 * while polling joins the list of updates: before the next sleep, or at once if a thread sleeps,
 * the poll is cancelled if it did not ask enough, and its packet starts the next one.
 *
 * The end: remove, a newer add, or close of the poller. The poll is cancelled at once, and the
 * memory freed when its packet has come back (and no list has it): until then the kernel may write.
 *
 * A cancel is a request, and what it returns says nothing: success may be said of a poll that has
 * completed, by the close of the socket even, and only the packet tells. So nothing is concluded
 * from it. What is relied on is that a poll does not wait for its socket any more once it was asked
 * to end (AFD's cancel routine runs inside the call): there is never more than one that waits,
 * since with two the driver gives the one's event to the other (trio #52, wepoll #35). A newer add
 * therefore cancels first, polls for itself, and leaves what becomes of the old poll unread.
 *
 * A socket that is closed while nothing polls it is not seen to go. evpoll_socket_close() says so;
 * of others the next poll tells, or the next owner's add. */
#include <stdlib.h>

#include "backend/afd/afd_socket.h"
#include "backend/afd/port.h"
#include "core/status.h"
#include "core/stream.h"

/* ---- memory ------------------------------------------------------------------------------- */

static void drop(struct evp_port *port, struct evp_sock *k) {
  if (--k->uses > 0) return;
  evp_group_put(port, k->group);
  free(k);
}

static struct evp_sock **slot_of(struct evp_port *port, evpoll_handle h) {
  return evp_table_at(&port->socks, (uint32_t)h);
}

static void afd_socket_enqueue(struct evp_port *port, struct evp_sock *k) {
  if (k->updating) return;
  k->updating = true;
  k->uses++;
  k->next_update = NULL;
  *(port->updates ? &port->last_update->next_update : &port->updates) = k;
  port->last_update = k;
}

static void afd_socket_end_poll(struct evp_sock *k) {
  if (!k->polling || k->ending) return;
  k->ending = true;
  evp_afd_cancel(k->group, k);
}

/* The registration is over. */
static void retire(struct evp_port *port, struct evp_sock *k) {
  evp_number_disclaim(k);
  k->retired = true;
  afd_socket_end_poll(k);
  drop(port, k);
}

/* ---- bits --------------------------------------------------------------------------------- */

/* Not an event of AFD: the poll itself has failed. */
#define POLL_FAILED 0x80000000u

static uint32_t afd_socket_bits_of(uint32_t came) {
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

/* A FIN is readable, too; for READ_CLOSED alone it is all that is asked for, whatever is unread. */
static uint32_t afd_socket_events_of(uint32_t interest) {
  uint32_t events = AFD_POLL_LOCAL_CLOSE | AFD_POLL_ABORT | AFD_POLL_CONNECT_FAIL;
  if (interest & EVPOLL_READABLE)
    events |= AFD_POLL_RECEIVE | AFD_POLL_ACCEPT | AFD_POLL_DISCONNECT;
  if (interest & EVPOLL_READ_CLOSED) events |= AFD_POLL_DISCONNECT;
  if (interest & EVPOLL_WRITABLE) events |= AFD_POLL_SEND;
  if (interest & EVPOLL_PRIORITY) events |= AFD_POLL_RECEIVE_EXPEDITED;
  return events;
}

static uint32_t wanted(const struct evp_sock *k) {
  if (!k->wish.armed) return 0;
  const uint32_t reported = k->wish.broken ? AFD_POLL_ABORT | AFD_POLL_CONNECT_FAIL : 0;
  return afd_socket_events_of(k->wish.armed) & ~reported;
}

uint32_t evp_afd_bits(evpoll_handle h, uint32_t interest, int *os_code_out) {
  HANDLE base;
  if (evp_afd_base(h, &base) == 0)
    return afd_socket_bits_of(evp_afd_look(base, afd_socket_events_of(interest), os_code_out));
  *os_code_out = evpoll_os_error();
  return 0;
}

static bool afd_socket_serves(const struct evp_sock *k) {
  return k->wish.mode == EVPOLL_OPERATIONS;
}

/* Each bit is told once, and asked for again by rearm. */
static bool tells_once(const struct evp_sock *k) {
  return k->wish.mode == EVPOLL_EDGE || afd_socket_serves(k);
}

/* ---- polls -------------------------------------------------------------------------------- */

/* Another poller has it. */
#define NUMBER_IS_BUSY EVP_STATUS(0xC0000043u) /* SHARING_VIOLATION */

static bool says_closed(NTSTATUS status) {
  return status == EVP_STATUS_INVALID_HANDLE || status == EVP_STATUS_TYPE_MISMATCH;
}

/* Lock held: the number's, so that no other poller takes the number meanwhile. */
static NTSTATUS afd_socket_poll(struct evp_port *port, struct evp_sock *k, struct evp_number *n) {
  const uint32_t events = wanted(k);
  const NTSTATUS status = evp_afd_poll(k->group, k, events);
  if (EVP_NT_ERROR(status)) return status;
  k->polling = true;
  k->asked = events;
  k->uses++;
  port->in_kernel++;
  /* It would not wait on a socket whose connection has failed. */
  if (status == EVP_STATUS_PENDING && (events & AFD_POLL_CONNECT_FAIL)) evp_number_is_sound(n);
  return EVP_STATUS_SUCCESS;
}

/* Who serves operations takes the number back from another poller that had it meanwhile, unless
 * that one polls: the program promised to remove what it closes. */
static NTSTATUS start_poll(struct evp_port *port, struct evp_sock *k) {
  NTSTATUS status = EVP_STATUS_INVALID_HANDLE;
  struct evp_number *n = evp_number_enter(k->handle); /* there since the claim */
  if (k->lost && afd_socket_serves(k) && !k->over) {
    if (evp_number_is_polled(n, k))
      status = NUMBER_IS_BUSY;
    else
      evp_number_own(n, k);
  }
  if (!k->lost) status = afd_socket_poll(port, k, n);
  evp_number_leave(k->handle);
  return status;
}

static void afd_socket_say(struct evp_port *port, struct evp_sock *k, uint32_t came) {
  k->came = came;
  if (k->waiting) return;
  k->waiting = true;
  k->uses++;
  evp_port_push(port, &k->ready);
}

/* The socket is gone. Operations that wait for it have to hear of that. */
static void afd_socket_lose(struct evp_port *port, struct evp_sock *k) {
  k->closed = true;
  if (afd_socket_serves(k)) afd_socket_say(port, k, AFD_POLL_LOCAL_CLOSE);
}

static void update(struct evp_port *port, struct evp_sock *k) {
  if (k->retired || k->closed || k->came) return;
  const uint32_t events = wanted(k);
  if (k->polling) {
    if (events & ~k->asked) afd_socket_end_poll(k);
    return; /* the packet comes, and asks for the next poll */
  }
  if (!events) return;
  const NTSTATUS status = start_poll(port, k);
  if (!EVP_NT_ERROR(status)) return;
  if (says_closed(status)) {
    afd_socket_lose(port, k);
    return;
  }
  k->error = evp_afd_code(status); /* too late for the call that asked for it */
  afd_socket_say(port, k, POLL_FAILED);
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
  afd_socket_enqueue(evp_port_of(p), k);
  if (evp_port_of(p)->sleepers) evp_sock_flush(p);
}

/* ---- registrations ------------------------------------------------------------------------ */

static void afd_socket_set(struct evp_sock *k, const struct evp_source *s) {
  const uint32_t state = evp_source_state(s);
  k->generation = evp_source_generation(s);
  k->wish = (struct evp_wish){.mode = (uint8_t)evp_mode_of(state),
                              .armed = (uint8_t)((state & EVP_INTEREST) >> EVP_INTEREST_SHIFT)};
  k->came = 0; /* the state is looked at afresh */
}

static int32_t fail_poll(NTSTATUS status) {
  if (says_closed(status)) return evp_fail_as(EVPOLL_ERR_BAD_HANDLE, WSAENOTSOCK);
  if (status == NUMBER_IS_BUSY) return evp_fail(EVPOLL_ERR_BUSY);
  return evp_fail_os((int)RtlNtStatusToDosError(status));
}

/* The registration names something that is gone. */
static int32_t fail_gone(evpoll_handle h, bool *gone_out) {
  *gone_out = true;
  const int32_t status = evp_afd_is_open(h);
  return status == EVPOLL_ERR_BAD_HANDLE ? status : evp_fail(EVPOLL_ERR_STALE);
}

/* The socket is gone, or the system is short of something and all is as it was. */
static int32_t fail_change(evpoll_handle h, int32_t status, bool *gone_out) {
  const bool no_socket = status == EVPOLL_ERR_BAD_HANDLE || status == EVPOLL_ERR_UNSUPPORTED;
  return no_socket ? fail_gone(h, gone_out) : status;
}

static bool is_gone(const struct evp_sock *k) {
  if (k->closed || (k->lost && (k->over || !afd_socket_serves(k)))) return true;
  /* The packet may not have been taken yet; some systems write the block only then. */
  const volatile struct evp_sock *now = k;
  return k->polling && now->iosb.Status == EVP_STATUS_SUCCESS && now->info.NumberOfHandles > 0 &&
         (now->info.Handles[0].Events & AFD_POLL_LOCAL_CLOSE);
}

/* The new registration takes its number over and polls, or nothing has changed, but that the poll
 * of the old one may start anew. */
static int32_t afd_socket_claim(struct evp_port *port, struct evp_sock *k, struct evp_sock *old) {
  struct evp_number *n = evp_number_enter(k->handle);
  if (!n) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  const bool busy = evp_number_is_polled(n, old);
  NTSTATUS polled = EVP_STATUS_SUCCESS;
  if (!busy && k->wish.armed) {
    if (old) afd_socket_end_poll(old);
    polled = afd_socket_poll(port, k, n);
  }
  if (!busy && !EVP_NT_ERROR(polled)) evp_number_own(n, k);
  evp_number_leave(k->handle);
  if (busy) return evp_fail(EVPOLL_ERR_BUSY);
  if (!EVP_NT_ERROR(polled)) return 0;
  return says_closed(polled) ? evp_afd_unknown(k->handle) : fail_poll(polled);
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
  afd_socket_set(k, s);
  const int32_t status = afd_socket_claim(port, k, old);
  if (status < 0)
    drop(port, k);
  else
    *out = k;
  return status;
}

/* If it fails, whatever is registered under the number goes on, but for what is closed. */
static int32_t add(evpoll *p, evpoll_handle h, const struct evp_source *s, bool *gone_out) {
  struct evp_port *port = evp_port_of(p);
  struct evp_sock **slot = evp_table_reach(&port->socks, (uint32_t)h);
  if (!slot) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  HANDLE base;
  int32_t status = evp_afd_base(h, &base);
  evp_mutex_lock(&port->lock);
  struct evp_sock *old = *slot, *fresh = NULL;
  if (status == 0) status = make(port, h, base, s, old, &fresh);
  *gone_out = status == EVPOLL_ERR_BAD_HANDLE;
  if (fresh || *gone_out) {
    if (old) retire(port, old);
    *slot = fresh;
  }
  evp_mutex_unlock(&port->lock);
  return status;
}

static int32_t modify(evpoll *p, evpoll_handle h, struct evp_source *s, struct evp_sock *k,
                      bool *gone_out) {
  if (is_gone(k)) return fail_gone(h, gone_out);
  const struct evp_wish was = k->wish;
  const uint32_t came = k->came;
  afd_socket_set(k, s);
  int32_t status;
  if (!k->polling && k->wish.armed) {
    const NTSTATUS polled = start_poll(evp_port_of(p), k);
    status = EVP_NT_ERROR(polled) ? fail_poll(polled) : 0;
  } else {
    status = evp_afd_is_open(h);
    if (status == 0 && k->polling) enqueue_now(p, k);
  }
  if (status == 0) return 0;
  k->wish = was;
  k->came = came;
  return fail_change(h, status, gone_out);
}

static int32_t watch_again(evpoll *p, evpoll_handle h, struct evp_source *s, bool *gone_out) {
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

/* EVP_IN_SET: a registration whose replacement fails keeps its generation, which we remember. */
int32_t evp_sock_watch(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t was, bool fresh,
                       bool *gone_out) {
  (void)was;
  const int32_t status = fresh ? add(p, h, s, gone_out) : watch_again(p, h, s, gone_out);
  if (status == 0) evp_source_set_state(s, evp_source_state(s) | EVP_IN_SET);
  return status;
}

static int32_t afd_socket_rearm(evpoll *p, evpoll_handle h, struct evp_sock *k, uint32_t bits,
                                bool *gone_out) {
  if (is_gone(k)) return fail_gone(h, gone_out);
  const struct evp_wish was = k->wish;
  k->wish.armed = (uint8_t)(tells_once(k) ? k->wish.armed | bits : bits);
  k->wish.broken = false;
  if (k->came) return 0; /* about to be delivered */
  if (k->polling) {
    if (wanted(k) & ~k->asked) enqueue_now(p, k);
    return 0;
  }
  if (!k->wish.armed) return 0;
  const NTSTATUS status = start_poll(evp_port_of(p), k);
  if (!EVP_NT_ERROR(status)) return 0;
  k->wish = was;
  return fail_change(h, fail_poll(status), gone_out);
}

/* What operations wait for is told of by the code alone. */
static int32_t fail_served(int32_t status) {
  if (status == EVPOLL_ERR_BAD_HANDLE || status == EVPOLL_ERR_STALE)
    return evp_fail_as(EVPOLL_ERR_BAD_HANDLE, ERROR_INVALID_HANDLE);
  return status == EVPOLL_ERR_BUSY ? evp_fail_as(status, ERROR_SHARING_VIOLATION) : status;
}

/* Operations: registered when something waits for the first time; found to be gone it stays, since
 * its packet may be on its way to others that wait. */
static int32_t rearm_served(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t bits) {
  struct evp_port *port = evp_port_of(p);
  bool gone = false;
  int32_t status = 0;
  if (!(evp_source_state(s) & EVP_IN_SET)) status = evp_sock_watch(p, h, s, 0, true, &gone);
  if (status < 0) return fail_served(status);
  evp_mutex_lock(&port->lock);
  struct evp_sock *k = *slot_of(port, h);
  status = afd_socket_rearm(p, h, k, bits, &gone);
  if (gone) k->closed = true;
  evp_mutex_unlock(&port->lock);
  return fail_served(status);
}

int32_t evp_sock_rearm(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t bits,
                       bool *gone_out) {
  if (evp_mode_of(evp_source_state(s)) == EVPOLL_OPERATIONS) return rearm_served(p, h, s, bits);
  struct evp_port *port = evp_port_of(p);
  struct evp_sock **slot = slot_of(port, h);
  evp_mutex_lock(&port->lock);
  const int32_t status = afd_socket_rearm(p, h, *slot, bits, gone_out);
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
  /* On cancel the buffer still holds what was asked: the status says first. Wine sends the packet
   * of a poll whose thread has ended with the block as it was: nothing is known then. */
  if (status == EVP_STATUS_CANCELLED || status == EVP_STATUS_HANDLES_CLOSED ||
      status == EVP_STATUS_PENDING) {
    update(port, k);
  } else if (EVP_NT_ERROR(status)) {
    k->error = evp_afd_code(status);
    if (says_closed(status))
      afd_socket_lose(port, k);
    else if (k->wish.armed)
      afd_socket_say(port, k, POLL_FAILED);
  } else if (k->info.NumberOfHandles < 1 || !(info->Events & AFD_POLL_KNOWN)) {
    update(port, k); /* its time was up, in 29,000 years */
  } else if (info->Events & AFD_POLL_LOCAL_CLOSE) {
    afd_socket_lose(port, k);
    evp_number_disclaim(k);
  } else if (info->Events & (AFD_POLL_ABORT | AFD_POLL_CONNECT_FAIL)) {
    k->error = evp_afd_code(info->Status);
    evp_number_note_error(k);
    afd_socket_say(port, k, info->Events);
  } else {
    afd_socket_say(port, k, info->Events);
  }
}

void evp_sock_feed(evpoll *p, struct evp_sock *k) {
  struct evp_port *port = evp_port_of(p);
  port->in_kernel--;
  k->polling = false;
  k->ending = false;
  if (!k->retired) read_packet(port, k);
  drop(port, k);
}

/* What follows a delivery: see the top. */
static void afd_socket_settle(struct evp_port *port, struct evp_sock *k, uint32_t bits) {
  if (k->wish.mode == EVPOLL_ONESHOT && bits) k->wish.armed = 0;
  if (tells_once(k)) {
    /* The core asks for the end with what is readable, and does so again. */
    const bool with_end = afd_socket_serves(k) && (bits & EVPOLL_READABLE);
    k->wish.armed &= (uint8_t) ~(with_end ? bits | EVPOLL_READ_CLOSED : bits);
    k->wish.broken |= (bits & EVPOLL_ERROR) != 0;
  }
  if (k->wish.armed && !k->polling) afd_socket_enqueue(port, k);
}

/* A poll that has failed is the core's to ask for again, or to give up. */
static uint32_t afd_socket_told(const struct evp_sock *k, uint32_t came) {
  if (k->closed) return EVP_GONE;
  if (afd_socket_serves(k) && (came & POLL_FAILED)) return k->wish.armed | EVPOLL_ERROR;
  return afd_socket_bits_of(came) & evp_report_of(k->wish.armed);
}

bool evp_sock_deliver(evpoll *p, struct evp_sock *k, evpoll_event *out) {
  struct evp_port *port = evp_port_of(p);
  const uint32_t came = k->came;
  k->came = 0;
  k->waiting = false;
  uint32_t bits = 0;
  if (came && !k->retired && (afd_socket_serves(k) || (!k->closed && !k->lost))) {
    struct evp_source *s = evp_table_known(&p->sources, k->handle, sizeof *s);
    uint64_t token;
    uint64_t word;
    bits = afd_socket_told(k, came);
    if (!evp_source_read(s, k->generation, &token, &word)) {
      evp_count(&p->stale_hits);
      bits = 0;
    }
    if (bits)
      *out = afd_socket_serves(k) ? evp_edge(k->handle, k->generation, bits)
                                  : (evpoll_event){.token = token, .events = bits};
    if (bits & EVPOLL_ERROR) {
      out->status = evp_status_of(k->error);
      out->result = k->error;
    }
    afd_socket_settle(port, k, bits);
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
    evp_number_disclaim(k);
    k->retired = true;
    drop(port, k);
    *slot = NULL;
  }
}
