/* SPDX-License-Identifier: MIT */
/* Included before the probes, which were written for FreeBSD: what its C library has and ours has
 * not, and its numbers where they print them. Programs that run on both systems need it too. */
#ifndef SIM_PROBE_LIBC_H
#define SIM_PROBE_LIBC_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "sim_calls.h"

#define __FreeBSD_version 1501000

/* Those that aio_error() and events carry. errno itself keeps Linux's numbers. */
#undef EAGAIN
#undef EINPROGRESS
#undef EOPNOTSUPP
#undef ECANCELED
#undef ECONNREFUSED
#define EAGAIN       35
#define EINPROGRESS  36
#define EOPNOTSUPP   45
#define ECONNREFUSED 61
#define ECANCELED    85

#define SHM_ANON ((const char *)1)
#define sin_len  sin_zero[0] /* no such field, and nobody reads it */

#ifdef __cplusplus
extern "C" {
#endif
int getosreldate(void);
int sysctlbyname(const char *name, void *old, size_t *old_length, const void *fresh, size_t length);
int sim_open(const char *path, int flags, ...);
int sim_shm_open(const char *name, int flags, mode_t mode);
#ifdef __cplusplus
}
#endif
#define open     sim_open
#define shm_open sim_shm_open

#endif
