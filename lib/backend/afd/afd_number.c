/* SPDX-License-Identifier: MIT */
/* Numbers of sockets: what is known of them in the whole process.
 *
 * A number has one owner, the registration that may poll it. While a poll of the owner has not
 * come back, another poller's add is refused: whether it waits for this very socket, or has told of
 * the end of the one that had the number before, is in its packet and nowhere else. Once it was
 * taken the number is free for whoever asks, and the former owner has lost it: for good, or until
 * an operation waits there.
 *
 * Errors: Winsock does not tell of a reset by SO_ERROR, and Wine's tells of a refusal again and
 * again. So what AFD told is kept here until it is taken, and what was taken is not told twice, as
 * on POSIX. Once the registration has ended the number may be another socket's, and AFD is asked
 * whether what it told still holds. */
#include "backend/afd/afd_socket.h"
#include "backend/afd/port.h"
#include "core/status.h"
#include "os/windows/windows_os.h"

struct evp_number {
  struct evp_sock *owner; /* who may poll it */
  int error;              /* what AFD told of, until it is taken */
  int taken;              /* what AFD will go on telling, and Wine's Winsock */
};
enum { LOCKS = 16, LAST = INT32_MAX - 64 };
static struct evp_mutex locks[LOCKS]; /* zero is an open lock here */
static struct evp_table numbers = {.entry_size = sizeof(struct evp_number)};

static struct evp_mutex *afd_number_lock(uint32_t handle) { return &locks[handle / 4 % LOCKS]; }

struct evp_number *evp_number_enter(uint32_t handle) {
  struct evp_number *n = evp_table_reach(&numbers, handle);
  if (n) evp_mutex_lock(afd_number_lock(handle));
  return n;
}
void evp_number_leave(uint32_t handle) { evp_mutex_unlock(afd_number_lock(handle)); }

/* Of what nothing is known nothing needs to be said. Returns with the lock held, or NULL. */
static struct evp_number *open_number(evpoll_handle h) {
  const bool known = h >= 0 && h < LAST && evp_table_at(&numbers, (uint32_t)h);
  return known ? evp_number_enter((uint32_t)h) : NULL;
}

void evp_afd_forget(void) { evp_table_free(&numbers); }

void evp_afd_number_is_new(evpoll_handle h) {
  struct evp_number *n = open_number(h);
  if (!n) return;
  if (n->owner) n->owner->over = true;
  evp_number_own(n, NULL);
  evp_number_leave((uint32_t)h);
}

/* Windows forgets what it told, so that what it tells is news. What stays may be the last one's
 * echo. */
static bool afd_number_keeps_telling(evpoll_handle h, int so_error) {
  int again = 0;
  int length = sizeof again;
  if (getsockopt(evp_windows_socket(h), SOL_SOCKET, SO_ERROR, (char *)&again, &length) != 0)
    return false;
  return again == so_error;
}

/* What was noted of a number that is nobody's now. */
static void afd_number_verify(evpoll_handle h) {
  struct evp_number *n = open_number(h);
  const int noted = n && !n->owner ? n->error : 0;
  if (n) evp_number_leave((uint32_t)h);
  HANDLE base;
  if (!noted || evp_afd_base(h, &base) < 0) return;
  int found;
  evp_afd_look(base, AFD_POLL_ABORT | AFD_POLL_CONNECT_FAIL, &found);
  if (found == noted) return;
  evp_number_enter((uint32_t)h);
  if (!n->owner) n->error = n->taken = 0;
  evp_number_leave((uint32_t)h);
}

int evp_afd_take_error(evpoll_handle h, int so_error) {
  const bool stays = so_error && afd_number_keeps_telling(h, so_error);
  afd_number_verify(h);
  struct evp_number *n = open_number(h);
  if (!n) return so_error;
  int os_code = n->error ? n->error : so_error;
  if (!n->error && stays && os_code == n->taken) os_code = 0;
  if (os_code) n->taken = os_code;
  n->error = 0;
  evp_number_leave((uint32_t)h);
  return os_code;
}

void evp_number_note_error(struct evp_sock *k) {
  struct evp_number *n = evp_number_enter(k->handle);
  if (n->owner == k && n->taken != k->error) n->error = k->error;
  evp_number_leave(k->handle);
}

void evp_number_is_sound(struct evp_number *n) { n->error = n->taken = 0; }

bool evp_number_is_polled(const struct evp_number *n, const struct evp_sock *mine) {
  /* The owner is not freed before it has let go of the number. */
  return n->owner && n->owner != mine && n->owner->polling;
}

void evp_number_own(struct evp_number *n, struct evp_sock *k) {
  if (n->owner) n->owner->lost = true;
  if (k) k->lost = false;
  *n = (struct evp_number){.owner = k};
}

void evp_number_disclaim(struct evp_sock *k) {
  struct evp_number *n = evp_number_enter(k->handle);
  if (n->owner == k && k->closed) *n = (struct evp_number){0};
  if (n->owner == k) n->owner = NULL;
  evp_number_leave(k->handle);
}
