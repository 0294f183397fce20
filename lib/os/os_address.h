/* SPDX-License-Identifier: MIT */
/* Addresses of sockets and their text. Only numbers are taken: getaddrinfo() allocates, and asks
   the network. */
#ifndef EVP_OS_ADDRESS_H
#define EVP_OS_ADDRESS_H

#include "evpoll.h"

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <netinet/in.h>
#include <sys/socket.h>
#endif

union evp_address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  struct sockaddr_storage room;
};

/* The length for the system, or an error. An IPv6 host may end in % and a scope. */
int32_t evp_address_parse(const char *host, int32_t port, union evp_address *out);

/* host_out (if host_capacity is 0) and port_out may be NULL. Without a name, as local sockets are,
   the host is "" and the port 0; so it is with length 0, when the system did not name an address,
   as for stream sockets in recvfrom(). */
int32_t evp_address_format(const union evp_address *address, int length, char *host_out,
                           int32_t host_capacity, int32_t *port_out);

/* To and from the form that programs see. import: the length for the system, or an error; export:
   family 0 for what has no name, or none of ours. */
int32_t evp_address_import(const evpoll_address *from, union evp_address *out);
void evp_address_export(const union evp_address *from, int length, evpoll_address *out);

#endif
