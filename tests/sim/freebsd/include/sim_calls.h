/* SPDX-License-Identifier: MIT */
/* Included before everything else in what runs on the simulated kernel: the calls of a C library
 * that it has to know of. They have to be declared before they are renamed. */
#ifndef SIM_CALLS_H
#define SIM_CALLS_H

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif
int sim_close(int fd);
long sim_sysconf(int name);
int sim_accept4(int fd, struct sockaddr *from, socklen_t *length, int flags);
int sim_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
ssize_t sim_recvfrom(int fd, void *buffer, size_t n, int flags, struct sockaddr *from,
                     socklen_t *length);
ssize_t sim_recv(int fd, void *buffer, size_t n, int flags);
ssize_t sim_sendto(int fd, const void *buffer, size_t n, int flags, const struct sockaddr *to,
                   socklen_t length);
ssize_t sim_send(int fd, const void *buffer, size_t n, int flags);
int sim_sendfile(int file, int fd, off_t place, size_t n, void *around, off_t *sent_out, int flags);
#ifdef __cplusplus
}
#endif

#define close      sim_close
#define accept4    sim_accept4
#define sysconf    sim_sysconf
#define getsockopt sim_getsockopt
#define recvfrom   sim_recvfrom
#define recv       sim_recv
#define sendto     sim_sendto
#define send       sim_send
#define sendfile   sim_sendfile

#endif
