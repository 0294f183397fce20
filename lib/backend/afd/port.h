/* SPDX-License-Identifier: MIT */
/* What the files of the AFD backend share: the port, the groups of the AFD device, the sockets. */
#ifndef EVP_PORT_H
#define EVP_PORT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "backend/afd/nt.h"
#include "core/poller.h"

/* Completion keys: even for AFD handles (the address of their group), odd for everything else. */
enum { KEY_BELL = 1, KEY_FILE = 3 };

/* What waits in user space until a wait has room for it: only what a small array has left over. */
struct evp_ready {
  struct evp_ready *next;
  bool foreign; /* in a struct evp_request, else in a struct evp_sock */
};

/* One handle of the AFD device, on which up to 32 sockets are polled: with thousands on one
 * cancelling gets slow. */
struct evp_group {
  struct evp_group *next, *before;
  HANDLE afd;
  uint32_t users;
};

struct evp_port {
  HANDLE iocp;
  _Atomic uint32_t rung; /* a bell's packet is on its way */

  struct evp_mutex lock;                 /* guards all below, and the sockets */
  struct evp_table socks;                /* struct evp_sock *, by handle */
  struct evp_group *groups, *last_group; /* those with room come first */
  struct evp_group *spare_group;         /* without a user */
  uint32_t group_count;
  uint32_t in_kernel; /* polls whose packet has not come back */
  uint32_t sleepers;  /* threads that are blocked on the port, or about to be */
  struct evp_sock *updates, *last_update;
  struct evp_ready *ready, *last_ready;

  /* overlapped.c */
  struct evp_table requests; /* struct evp_request */
  uint32_t request_count;
  struct evp_table places;                 /* struct evp_place, by the operation's index */
  struct evp_request *spares, *last_spare; /* not in use, the oldest first */
  uint32_t spare_count;
};

/* What a registration wants to hear. */
struct evp_wish {
  uint8_t mode;
  uint8_t armed; /* bits of the interest that are to be reported */
  bool broken;   /* a reset was reported once, and would be again by each poll */
};

/* One registration, until the kernel has given back its memory. */
struct evp_sock {
  /* The kernel's while `polling`. The block comes first: its address is the packet's. */
  IO_STATUS_BLOCK iosb;
  AFD_POLL_INFO info;

  struct evp_ready ready;
  struct evp_sock *next_update;
  struct evp_group *group;
  HANDLE base;         /* what AFD knows of the socket */
  uint32_t handle;     /* what the user knows */
  uint32_t generation; /* of the registration */
  uint32_t uses;       /* the table, the kernel, the list of updates, the list of ready ones */
  uint32_t asked;      /* AFD_POLL_*: of the poll in the kernel */
  uint32_t came;       /* ... of the last poll, to be delivered */
  int error;           /* the system's code that came with it */
  struct evp_wish wish;
  _Atomic bool polling; /* in the kernel; set under the number's lock too */
  bool ending;          /* ... and asked to end: its packet tells whether it did */
  _Atomic bool lost;    /* the number is another's by now: set under the number's lock */
  _Atomic bool over;    /* ... and was said to be closed; by the number's lock too */
  bool updating;        /* in the list of updates */
  bool waiting;         /* in the list of ready ones */
  bool closed;          /* the socket is gone: only its number is still registered */
  bool retired;         /* the registration is over: freed by its last use */
};

static inline struct evp_port *evp_port_of(evpoll *p) { return p->kernel; }

/* ---- port.c --------------------------------------------------------------------------------- */

/* Lock held: p->io.lock. Takes packets from the port without blocking, once shut down. */
int32_t evp_port_drain(evpoll *p, evpoll_event *out, int32_t capacity);
/* Lock held: port->lock. */
void evp_port_push(struct evp_port *port, struct evp_ready *r);

/* ---- afd.c: lock held, port->lock ----------------------------------------------------------- */

/* A group with room for one more user; NULL: os_code_out says why. */
struct evp_group *evp_group_take(struct evp_port *port, int *os_code_out);
void evp_group_put(struct evp_port *port, struct evp_group *g);
void evp_groups_cancel(struct evp_port *port);
void evp_groups_close(struct evp_port *port); /* all were put */

/* One poll, of one socket. SUCCESS and PENDING: a packet will come. */
NTSTATUS evp_afd_poll(struct evp_group *g, struct evp_sock *k, uint32_t events);
/* Asks a poll to end. It does not wait for its socket any more; what its packet will say is open.
 */
void evp_afd_cancel(struct evp_group *g, struct evp_sock *k);

/* Winsock's code where it has one: that is what a failed call would have told. */
int evp_afd_code(NTSTATUS status);
/* No lock held. Which of the events are true of the socket now; the code that it has failed with,
 * or with which the look did. */
uint32_t evp_afd_look(HANDLE base, uint32_t events, int *os_code_out);

/* ---- afd_base.c ----------------------------------------------------------------------------- */

/* Checks that it is a socket, and finds the one that AFD knows under it. */
int32_t evp_afd_base(evpoll_handle h, HANDLE *base_out);
/* 0, or why the number is no open socket. */
int32_t evp_afd_is_open(evpoll_handle h);
/* AFD does not know the handle: it was closed, or is a provider's that hides what is under it. */
int32_t evp_afd_unknown(evpoll_handle h);

/* ---- afd_number.c --------------------------------------------------------------------------- */

struct evp_number;
/* Takes the number's lock, inside port->lock and never around it; NULL: there is no memory. It is
 * held over each poll, so that no other poller takes the number meanwhile. */
struct evp_number *evp_number_enter(uint32_t handle);
void evp_number_leave(uint32_t handle);
/* Lock held: the number's. is_polled: by another poller than that of `mine`, the former
 * registration of whoever asks. own: k may poll it from now on, and nobody else. is_sound: no error
 * is left. */
bool evp_number_is_polled(const struct evp_number *n, const struct evp_sock *mine);
void evp_number_own(struct evp_number *n, struct evp_sock *k);
void evp_number_is_sound(struct evp_number *n);
/* The number is nobody's any more, if it was k's. */
void evp_number_disclaim(struct evp_sock *k);
/* k->error is what the socket's owner may take. */
void evp_number_note_error(struct evp_sock *k);

/* ---- afd_socket.c --------------------------------------------------------------------------- */

int32_t evp_sock_watch(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t was, bool fresh,
                       bool *gone_out);
int32_t evp_sock_rearm(evpoll *p, evpoll_handle h, struct evp_source *s, uint32_t bits,
                       bool *gone_out);
void evp_sock_unwatch(evpoll *p, evpoll_handle h, uint32_t was);

/* Lock held: port->lock. flush: brings the kernel up to date. feed: a packet came back. deliver:
 * takes one off the list of ready ones; false if there is nothing (any more) to report. */
void evp_sock_flush(evpoll *p);
void evp_sock_feed(evpoll *p, struct evp_sock *k);
bool evp_sock_deliver(evpoll *p, struct evp_sock *k, evpoll_event *out);
void evp_socks_close(struct evp_port *port);

/* ---- overlapped.c --------------------------------------------------------------------------- */

extern const struct evp_engine evp_engine_iocp;
extern const struct evp_foreign evp_foreign_overlapped;

/* What an operation is served by. */
struct evp_place {
  struct evp_request *r;      /* the last one; port->lock */
  _Atomic uint64_t cancel_id; /* the operation that was asked to end */
};

/* An OVERLAPPED of ours, and what it belongs to. */
struct evp_request {
  OVERLAPPED o; /* first: its address is the packet's */
  struct evp_ready ready;
  struct evp_op *op; /* neither: given up, and what comes is dropped */
  evpoll_aio *aio;   /* ... a foreign one's */
  struct evp_request *next_spare;
  bool returned; /* its packet has come */
  bool waiting;  /* in the list of ready ones */
  bool given_up; /* disarmed, and its packet is still to come */
};

/* Lock held: port->lock. A packet with this status came back: the operation that is over, its
 * result set, or NULL. */
struct evp_op *evp_request_feed(struct evp_port *port, struct evp_request *r, NTSTATUS status);
void evp_requests_free(struct evp_port *port);
bool evp_foreign_deliver(struct evp_port *port, struct evp_request *r, evpoll_event *out);

#endif
