/* SPDX-License-Identifier: MIT */
/* A lingering file: evpoll_file_close() was called while operations on it were in flight. It is
 * closed when the last of them was delivered, so that its number is nobody else's before: a queued
 * operation names its file by that number, in the worker pool and, for FSYNC, in io_uring too. */
#ifndef EVP_LINGER_H
#define EVP_LINGER_H

#include <stdbool.h>

#include "evpoll.h"

/* One for each poller that has operations on the file. */
struct evp_linger {
  struct evp_linger_file *file;
  struct evp_linger *next;
};

/* Pollers enrol, so that a close finds those that have operations on the handle. */
void evp_linger_enrol(evpoll *p);
void evp_linger_retire(evpoll *p);

/* evpoll_file_close(): closes now, or when the operations on it are over. */
int32_t evp_linger_close(evpoll_handle h);

/* Lock held: p->io.lock. The handle was closed by its owner, and is not to be used any more. */
bool evp_linger_has(evpoll *p, evpoll_handle h);
/* Lock held: p->io.lock. The last operation of this poller on the handle is over: its entry goes
 * to p->io.ended. */
void evp_linger_over(evpoll *p, evpoll_handle h);
/* No lock held, since a close may take long. Lets go of the files, and frees the entries. */
void evp_linger_close_files(struct evp_linger *entries);

#endif
