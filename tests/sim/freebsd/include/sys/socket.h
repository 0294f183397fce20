/* SPDX-License-Identifier: MIT */
/* What FreeBSD declares here besides. */
#ifndef SIM_SYS_SOCKET_H
#define SIM_SYS_SOCKET_H

#include_next <sys/socket.h>

struct sf_hdtr;
int sendfile(int file, int socket, off_t place, size_t bytes, struct sf_hdtr *around,
             off_t *sent_out, int flags);

#endif
