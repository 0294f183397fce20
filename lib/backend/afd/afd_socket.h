/* SPDX-License-Identifier: MIT */
/* What the process knows of its sockets by their numbers, whichever poller watches them: who polls
 * a socket, and which of its errors were taken. No Windows header is needed here. */
#ifndef EVP_AFD_SOCKET_H
#define EVP_AFD_SOCKET_H

#include "evpoll.h"

/* Whatever was known of this number is over: it is being closed, or was just handed out. */
void evp_afd_number_is_new(evpoll_handle h);

/* SO_ERROR as POSIX has it. Winsock does not tell of a reset, which AFD does, and goes on telling
 * of a refusal. `so_error` is what Winsock says. */
int evp_afd_take_error(evpoll_handle h, int so_error);

/* The bits that are true of the socket now, of an interest and of what comes with any; the code
 * that ERROR stands for, or why there is no telling. */
uint32_t evp_afd_bits(evpoll_handle h, uint32_t interest, int *os_code_out);
/* The library is about to be unloaded: there is no poller left. */
void evp_afd_forget(void);

#endif
