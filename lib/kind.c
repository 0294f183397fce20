/* SPDX-License-Identifier: MIT */
/* What kind a handle is.
 *
 * Only regular files and block devices are served, and asking the system what a handle is costs
 * about as much as reading 4 KiB from the cache. A handle that was looked at LOOKS times is
 * therefore trusted for the next TRUST submissions, until one fails, or any file is closed by
 * evpoll_file_close(). A program that closes a busy file behind our back and reuses its number for
 * a pipe within that window gets an operation on the pipe. */
#include "linger.h"
#include "os_file.h"
#include "poller.h"
#include "status.h"

enum { LOOKS = 16, TRUST = 1024 };

static _Atomic uint32_t files_closed;

void evp_kind_file_closes(void) {
  atomic_fetch_add_explicit(&files_closed, 1, memory_order_relaxed);
}

static bool binds(void) { return evp_backend.native && evp_backend.native->bind; }

/* Lock held. What is not a file is the engine's to refuse, where it knows more kinds. */
int32_t evp_kind_attach(evpoll *p, evpoll_handle h) {
  if (evp_linger_has(p, h)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  const int32_t status = evp_file_check(h);
  if (status < 0 && status != EVPOLL_ERR_UNSUPPORTED) return status;
  const int32_t bound = binds() ? evp_backend.native->bind(p, h, true) : 1;
  return bound == 1 ? status : bound;
}

/* Lock held. Whether the handle is a file: see the top. */
int32_t evp_kind_check(evpoll *p, evpoll_handle h) {
  if (evp_linger_has(p, h)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  struct evp_checked *c = &p->io.checked[(uint64_t)h % EVP_CHECKED_HANDLES];
  const uint32_t closed = atomic_load_explicit(&files_closed, memory_order_relaxed);
  if (c->handle != h || c->closed != closed)
    *c = (struct evp_checked){.handle = h, .closed = closed};
  if (c->trusted > 0) {
    c->trusted--;
    return 0;
  }
  int32_t status = evp_file_check(h);
  if (status == 0 && binds()) status = evp_backend.native->bind(p, h, false);
  if (status == 1) status = 0;
  c->cached = status == 0 && evp_file_is_cached(h);
  if (status < 0)
    c->looks = 0;
  else if (++c->looks >= LOOKS)
    c->trusted = TRUST;
  return status;
}

bool evp_kind_is_cached(evpoll *p, evpoll_handle h) {
  const struct evp_checked *c = &p->io.checked[(uint64_t)h % EVP_CHECKED_HANDLES];
  return c->cached && c->handle == h;
}

void evp_kind_doubt(evpoll *p, evpoll_handle h) {
  struct evp_checked *c = &p->io.checked[(uint64_t)h % EVP_CHECKED_HANDLES];
  c->looks = c->trusted = 0;
}
