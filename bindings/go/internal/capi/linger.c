/* SPDX-License-Identifier: MIT */
//go:build (linux || darwin || dragonfly || freebsd || netbsd || openbsd || windows) && !evpoll_system

#include "linger.h"

#include <stdlib.h>

#include "os_file.h"
#include "poller.h"
#include "status.h"

/* Shared by the pollers that have operations on the handle; the last one closes it. */
struct evp_linger_file {
  evpoll_handle handle;
  _Atomic uint32_t users;
};

/* The locks: evp_registry_lock() around each p->io.lock. */
static evpoll *pollers;

void evp_linger_enrol(evpoll *p) {
  evp_registry_lock();
  p->next = pollers;
  pollers = p;
  evp_registry_unlock();
}

void evp_linger_retire(evpoll *p) {
  evp_registry_lock();
  for (evpoll **at = &pollers; *at; at = &(*at)->next) {
    if (*at != p) continue;
    *at = p->next;
    break;
  }
  evp_registry_unlock();
}

/* The last user closes. An error has nobody left to go to: it is not the caller's own. */
static void let_go(struct evp_linger_file *f) {
  if (atomic_fetch_sub(&f->users, 1) != 1) return;
  const int32_t os_code = evpoll_os_error();
  evp_kind_file_closes();
  evp_file_close(f->handle);
  evp_set_os_code(os_code);
  free(f);
}

static struct evp_linger *find(evpoll *p, evpoll_handle h) {
  for (struct evp_linger *l = p->io.lingering; l; l = l->next)
    if (l->file->handle == h) return l;
  return NULL;
}

bool evp_linger_has(evpoll *p, evpoll_handle h) { return p->io.lingering && find(p, h); }

void evp_linger_over(evpoll *p, evpoll_handle h) {
  for (struct evp_linger **at = &p->io.lingering; *at; at = &(*at)->next) {
    struct evp_linger *l = *at;
    if (l->file->handle != h) continue;
    *at = l->next;
    l->next = p->io.ended;
    p->io.ended = l;
    return;
  }
}

void evp_linger_close_files(struct evp_linger *entries) {
  for (struct evp_linger *next; entries; entries = next) {
    next = entries->next;
    let_go(entries->file);
    free(entries);
  }
}

/* Lock held: the registry's. 1: the poller has operations on the handle, and notes that they are
 * the last; 0: it has none. */
static int32_t note(evpoll *p, struct evp_linger_file *f) {
  int32_t status = 0;
  evp_mutex_lock(&p->io.lock);
  if (evp_linger_has(p, f->handle)) {
    status = evp_fail(EVPOLL_ERR_BAD_HANDLE); /* closed once before */
  } else if (evp_io_uses(p, f->handle)) {
    struct evp_linger *l = malloc(sizeof *l);
    if (l) {
      *l = (struct evp_linger){.file = f, .next = p->io.lingering};
      p->io.lingering = l;
      atomic_fetch_add(&f->users, 1);
      status = 1;
    }
  }
  evp_mutex_unlock(&p->io.lock);
  return status;
}

int32_t evp_linger_close(evpoll_handle h) {
  struct evp_linger_file *f = malloc(sizeof *f);
  if (!f) return evp_file_close(h);
  *f = (struct evp_linger_file){.handle = h, .users = 1}; /* this call */
  int32_t status = 0;
  bool lingers = false;
  evp_registry_lock();
  for (evpoll *p = pollers; p && status >= 0; p = p->next) {
    if (evp_forked(p) || !atomic_load(&p->io.in_flight)) continue;
    status = note(p, f);
    lingers |= status > 0;
  }
  evp_registry_unlock();
  if (lingers) {
    let_go(f);
    return 0;
  }
  free(f);
  return status < 0 ? status : evp_file_close(h);
}
