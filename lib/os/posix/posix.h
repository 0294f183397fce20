/* SPDX-License-Identifier: MIT */
/* What the files for POSIX systems share. */
#ifndef EVP_POSIX_H
#define EVP_POSIX_H

#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "evpoll.h"

/* Descriptors 0, 1 and 2 are given away when they are free, and written to by whoever means the
 * standard ones: ours, and those that we hand out, are above. Takes fd (or -1), closes it if it is
 * one of them, and returns what stands for it, or -1 with errno. */
int evp_above_standard(int fd);

/* 0 for a regular file or block device, EVPOLL_ERR_UNSUPPORTED for other kinds, and
 * EVPOLL_ERR_BAD_HANDLE; asks no file server. */
int32_t evp_file_check(evpoll_handle handle);
/* st_mode, or 0 with errno; asks no file server. */
mode_t evp_descriptor_mode(int fd);

/* pthread_sigmask(), bound to the version that old systems have. */
void evp_signal_mask(int how, const sigset_t *set, sigset_t *old_out);

/* Calls that a thread makes inside a wait. By number where that can be had, since the C library's
 * are cancellation points: a thread that ends inside a wait would be inside for ever. Who simulates
 * another system has macros of those names. */
#if defined(__linux__) && defined(__LP64__) && !defined(recv)
#define EVP_BY_NUMBER 1
#define evp_recv(fd, buffer, n, flags)                                                             \
  ((ssize_t)syscall(SYS_recvfrom, fd, buffer, n, (long)(flags), NULL, NULL))
#define evp_send(fd, buffer, n, flags)                                                             \
  ((ssize_t)syscall(SYS_sendto, fd, buffer, n, (long)(flags), NULL, 0l))
#define evp_recvmsg(fd, m, flags)    ((ssize_t)syscall(SYS_recvmsg, fd, m, (long)(flags)))
#define evp_sendmsg(fd, m, flags)    ((ssize_t)syscall(SYS_sendmsg, fd, m, (long)(flags)))
#define evp_accept4(fd, a, n, flags) ((int)syscall(SYS_accept4, fd, a, n, (long)(flags)))
#else
#define evp_recv    recv
#define evp_send    send
#define evp_recvmsg recvmsg
#define evp_sendmsg sendmsg
#define evp_accept4 accept4
#endif

/* accept() of one connection, which is non-blocking and not inherited; -1 with errno. What says
 * that one connection is gone, and not that accept failed. */
int evp_accept(int listener, struct sockaddr *peer_out, socklen_t *length);
bool evp_concerns_one_connection(int code);

/* Bytes of a regular file or block device, or -1 with errno. */
int64_t evp_file_measure(int fd);

#endif
