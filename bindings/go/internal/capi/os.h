/* SPDX-License-Identifier: MIT */
/* What the core needs of an operating system beside its kernel object: locks, threads, a clock,
 * and the sign that fork() happened. os_posix.c and os_windows.c implement it. */
#ifndef EVP_OS_H
#define EVP_OS_H

#include <stdbool.h>

#include "evpoll.h"

/* Opaque room for the system's types; os_*.c asserts that they fit. */
struct evp_mutex {
  uint64_t room[8];
};
struct evp_cond {
  uint64_t room[8];
};

void evp_mutex_init(struct evp_mutex *m);
void evp_mutex_destroy(struct evp_mutex *m);
void evp_mutex_lock(struct evp_mutex *m);
void evp_mutex_unlock(struct evp_mutex *m);

void evp_cond_init(struct evp_cond *c);
void evp_cond_destroy(struct evp_cond *c);
void evp_cond_wait(struct evp_cond *c, struct evp_mutex *m);
void evp_cond_signal(struct evp_cond *c);
void evp_cond_broadcast(struct evp_cond *c);

/* Starts a thread with every signal blocked. Returns 0 or a code of the system. */
int evp_thread_start(void (*run)(void *), void *context, uint64_t *thread_out);
void evp_thread_join(uint64_t thread);

/* A number for the calling thread that no other thread ever has; never 0. */
uint64_t evp_thread_self(void);

/* What a thread remembers for evpoll_os_error(); 0 in a thread that never set it. */
void evp_thread_code_set(int os_code);
int evp_thread_code(void);

/* Monotonic time in nanoseconds. */
int64_t evp_now(void);
/* Sleeps for about that long: only where nothing tells of the end. */
void evp_pause(int64_t ns);

/* After fork(), the child reads another number at *mark than the parent got in value_out. The
 * mark lives as long as the process. Returns 0 or a code of the system. */
int evp_fork_mark(const volatile uint32_t **mark_out, uint32_t *value_out);

/* The one lock that is not a poller's: around the list of pollers. Held across fork(). */
void evp_registry_lock(void);
void evp_registry_unlock(void);

/* Copies iovecs into memory of the form that the system's vectored calls take; NULL: no memory.
 * The copy is freed with free(). */
void *evp_iovec_copy(const evpoll_iovec *iovecs, uint32_t n);

/* Performs one operation synchronously, with signals handled: bytes moved, or minus the system's
 * code. iovecs is a copy by evp_iovec_copy(). */
int64_t evp_file_perform(uint32_t code, evpoll_handle h, int64_t offset, void *buffer,
                         uint64_t length);

/* Whether reads through the handle are served from the system's cache, which one can ask without
 * waiting for what is not in it. */
bool evp_file_is_cached(evpoll_handle h);
/* Reads all that there is of a range, or up to the file's end, without waiting; false if some of it
 * is not in the cache, or for any other reason: then the engine is to read it. */
bool evp_file_read_cached(evpoll_handle h, int64_t offset, void *buffer, uint64_t length,
                          int64_t *result_out);

/* 0 for an open handle, else a code of the system. */
int evp_handle_check(evpoll_handle h);

/* Bytes that one operation moves at most. */
uint64_t evp_file_length_limit(void);
/* The system's code of a cancelled operation. */
int evp_os_cancelled(void);

#endif
