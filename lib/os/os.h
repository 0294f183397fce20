/* SPDX-License-Identifier: MIT */
/* What the core needs of an operating system beside its kernel object: locks, threads, a clock,
 * and the sign that fork() happened. os_posix.c and os_windows.c implement it. */
#ifndef EVP_OS_H
#define EVP_OS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

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

/* A number of the calling thread, as debuggers have it. */
uint64_t evp_thread_name(void);

/* What a thread remembers for evpoll_os_error(); 0 in a thread that never set it. */
void evp_thread_code_set(int os_code);
int evp_thread_code(void);

/* Monotonic time in nanoseconds. */
int64_t evp_now(void);
/* Sleeps for about that long: only where nothing tells of the end. */
void evp_pause(int64_t ns);

/* After fork(), the child reads another number at *mark than the parent got in value_out. The
 * mark lives as long as the process. Returns 0 or a code of the system. */
int evp_fork_mark(const _Atomic uint32_t **mark_out, uint32_t *value_out);

/* Copies iovecs into memory of the form that the system's vectored calls take; NULL: no memory.
 * The copy is freed with free(). */
void *evp_iovec_copy(const evpoll_iovec *iovecs, uint32_t n);

/* Performs one operation synchronously, CLOSE too: bytes moved, the size, or minus the system's
 * code. iovecs is a copy by evp_iovec_copy(). durable: what is written is on the disk then. */
int64_t evp_file_perform(uint32_t code, evpoll_handle h, int64_t offset, void *buffer,
                         uint64_t length, bool durable);

/* Writes at most so many pieces, of which nothing is kept, at the end of a file that appends: bytes
 * moved, or minus the system's code. */
enum { EVP_MOST_PIECES = 1024 };
int64_t evp_file_append(evpoll_handle h, evpoll_iovec *pieces, uint32_t n, int64_t *place_out);
/* Keeps others from appending: 0, or the system's code where another one does. alone_out: false
 * where the system cannot do that, or does not let what was written be cut off. */
int evp_file_own(evpoll_handle h, bool *alone_out);

struct evp_file_kind {
  bool appends; /* it is open for APPEND */
  bool ready;   /* its file system can be asked without waiting */
  bool cached;  /* reads can be tried by evp_file_read_cached() */
  bool waits;   /* the call that starts an operation would wait, whatever it is told */
  bool slow;    /* its file system cannot be asked without waiting, and may hang */
  bool quick; /* close() has nothing to write back: open for reading alone, on such a file system */
};
/* Of what evp_stream_look() took for no stream: 0 if operations can be submitted for it, else
 * EVPOLL_ERR_UNSUPPORTED. May ask a file system; no lock held. */
int32_t evp_file_look(evpoll_handle h, struct evp_file_kind *out);
/* Reads all that there is of a range, or up to the file's end, without waiting; false if some of it
 * is not in the cache, or for any other reason: then the engine is to read it. */
bool evp_file_read_cached(evpoll_handle h, int64_t offset, void *buffer, uint64_t length,
                          int64_t *result_out);

/* The file that EVPOLL_TRACE in the environment names, a regular one or a terminal, to be appended
 * to; -1: none. Programs with more rights than who started them are told nothing. write: all at
 * once, or it is lost. */
evpoll_handle evp_log_open(void);
void evp_log_write(evpoll_handle h, const char *text, size_t n);

/* 0 for an open handle, else a code of the system. */
int evp_handle_check(evpoll_handle h);

/* Bytes that one operation moves at most. */
uint64_t evp_file_length_limit(void);
/* The system's codes of a cancelled operation, of want of memory, of a handle that is not open, of
 * a write that moves nothing; whether a result says that a signal came. */
int evp_os_cancelled(void);
int evp_os_no_memory(void);
int evp_os_no_handle(void);
int evp_os_stuck(void);
bool evp_os_interrupted(int64_t result);

#endif
