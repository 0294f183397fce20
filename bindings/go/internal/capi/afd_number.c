/* SPDX-License-Identifier: MIT */
//go:build (windows) && !evpoll_system

/* Numbers of sockets: what is known of them in the whole process.
 *
 * A number has one owner, the registration that may poll it. A second poller's add finds out
 * whether the owner's poll is still on the socket, by cancelling it: if so it is the same socket,
 * and the add is refused (the owner's packet says "cancelled", and it polls again); if not, the
 * number is free, and the former owner has lost it.
 *
 * Errors: Winsock does not tell of a reset by SO_ERROR, and of a refusal again and again. So what
 * AFD told is kept here until it is taken, and what was taken is not told twice, as on POSIX. */
#include "afd_socket.h"
#include "port.h"
#include "status.h"

struct number {
  struct evp_sock *owner; /* who may poll it */
  int error;              /* what AFD told of, until it is taken */
  int taken;              /* what Winsock will go on telling */
};
enum { LOCKS = 16, LAST = INT32_MAX - 64 };
static struct evp_mutex locks[LOCKS]; /* zero is an open lock here */
static struct evp_table numbers = {.entry_size = sizeof(struct number)};

/* Taken inside port->lock, never around it. */
struct evp_mutex *evp_number_lock(uint32_t handle) {
  return &locks[handle / 4 % LOCKS];
}

/* Returns with the lock held, or NULL. */
static struct number *open_number(uint32_t handle) {
  struct number *n = evp_table_at(&numbers, handle);
  if (n) evp_mutex_lock(evp_number_lock(handle));
  return n;
}
static void close_number(uint32_t handle) { evp_mutex_unlock(evp_number_lock(handle)); }

void evp_afd_forget(void) { evp_table_free(&numbers); }

void evp_afd_number_is_new(evpoll_handle h) {
  struct number *n = h >= 0 && h < LAST ? open_number((uint32_t)h) : NULL;
  if (!n) return;
  if (n->owner) n->owner->lost = true;
  *n = (struct number){0};
  close_number((uint32_t)h);
}

int evp_afd_take_error(evpoll_handle h, int so_error) {
  struct number *n = h >= 0 && h < LAST ? open_number((uint32_t)h) : NULL;
  if (!n) return so_error;
  int os_code = n->error ? n->error : so_error;
  if (!n->error && os_code == n->taken) os_code = 0;
  if (os_code) n->taken = os_code;
  n->error = 0;
  close_number((uint32_t)h);
  return os_code;
}

void evp_number_note_error(struct evp_sock *k) {
  struct number *n = open_number(k->handle);
  if (!n) return;
  if (n->owner == k && n->taken != k->error) n->error = k->error;
  close_number(k->handle);
}

void evp_number_forget_errors(uint32_t handle) {
  struct number *n = open_number(handle);
  if (!n) return;
  n->error = n->taken = 0;
  close_number(handle);
}

int32_t evp_number_claim(struct evp_sock *k, const struct evp_sock *mine, bool *had_out) {
  struct number *n = evp_table_reach(&numbers, k->handle);
  if (!n) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  int32_t status = 0;
  evp_mutex_lock(evp_number_lock(k->handle));
  struct evp_sock *owner = n->owner;
  const bool polled = owner && owner != mine && owner->polling;
  /* The owner is not freed before it has let go of the number. */
  if (polled && (owner->cancelled || evp_afd_cancel(owner->group, owner))) {
    owner->cancelled = true;
    status = evp_fail(EVPOLL_ERR_BUSY);
  } else {
    *had_out = owner && owner == mine;
    if (owner) owner->lost = true;
    *n = (struct number){.owner = k};
  }
  close_number(k->handle);
  return status;
}

void evp_number_disclaim(struct evp_sock *k, struct evp_sock *former) {
  struct number *n = open_number(k->handle);
  if (!n) return;
  if (n->owner == k) {
    n->owner = former;
    if (former) former->lost = false;
  }
  close_number(k->handle);
}
