/* SPDX-License-Identifier: MIT */
/* Sockets, one implementation for each family of systems (os_posix_socket.c). The helpers have
   checked what can be checked without the system: pointers, lengths, ports, and that handles are
   not negative. All functions record their failures (status.h), take no lock, may be called by any
   thread, and block only on sockets that somebody else has made blocking. */
#ifndef EVP_OS_SOCKET_H
#define EVP_OS_SOCKET_H

#include "evpoll.h"

/* backlog 0: as many as the system allows. */
int32_t evp_socket_tcp_listen(const char *host, int32_t port, int32_t backlog,
                              evpoll_handle *handle_out);
/* 0 or EVPOLL_IN_PROGRESS. */
int32_t evp_socket_tcp_connect(const char *host, int32_t port, evpoll_handle *handle_out);
int32_t evp_socket_accept(evpoll_handle listener, evpoll_handle *handle_out);
int32_t evp_socket_udp_bind(const char *host, int32_t port, evpoll_handle *handle_out);
int32_t evp_socket_pair(evpoll_handle *first_out, evpoll_handle *second_out);

/* Of longer buffers only the first INT32_MAX bytes are used. */
int32_t evp_socket_recv(evpoll_handle handle, void *buffer_out, uint64_t length);
int32_t evp_socket_send(evpoll_handle handle, const void *buffer, uint64_t length);
/* host_out (if host_capacity is 0) and port_out may be NULL. */
int32_t evp_socket_recvfrom(evpoll_handle handle, void *buffer_out, uint64_t length, char *host_out,
                            int32_t host_capacity, int32_t *port_out);
int32_t evp_socket_sendto(evpoll_handle handle, const void *buffer, uint64_t length,
                          const char *host, int32_t port);

int32_t evp_socket_shutdown(evpoll_handle handle, int32_t how);
int32_t evp_socket_take_error(evpoll_handle handle, int32_t *error_out);
int32_t evp_socket_local_address(evpoll_handle handle, char *host_out, int32_t host_capacity,
                                 int32_t *port_out);
int32_t evp_socket_peer_address(evpoll_handle handle, char *host_out, int32_t host_capacity,
                                int32_t *port_out);
int32_t evp_socket_set_nodelay(evpoll_handle handle, int32_t on);
int32_t evp_socket_close(evpoll_handle handle);

#endif
