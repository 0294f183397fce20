/* SPDX-License-Identifier: MIT */
/* IPv6 and address text: see windows.h. */
#ifndef NT_SIM_WS2TCPIP_H
#define NT_SIM_WS2TCPIP_H

#include "winsock2.h"

#ifdef __cplusplus
extern "C" {
#endif

#undef s6_addr
typedef struct in6_addr {
  union {
    UCHAR Byte[16];
    USHORT Word[8];
  } u;
#define s6_addr u.Byte
} IN6_ADDR;
struct sockaddr_in6 {
  SHORT sin6_family;
  USHORT sin6_port;
  ULONG sin6_flowinfo;
  struct in6_addr sin6_addr;
  ULONG sin6_scope_id;
};
typedef struct sockaddr_in6 SOCKADDR_IN6;
typedef int socklen_t_windows;

#define INET_ADDRSTRLEN         22
#define INET6_ADDRSTRLEN        65
#define IF_NAMESIZE             256
#define NDIS_IF_MAX_STRING_SIZE 256

static inline int nt_is_v4_mapped(const struct in6_addr *a) {
  for (int i = 0; i < 10; i++)
    if (a->u.Byte[i]) return 0;
  return a->u.Byte[10] == 0xff && a->u.Byte[11] == 0xff;
}
#undef IN6_IS_ADDR_V4MAPPED
#define IN6_IS_ADDR_V4MAPPED(a) nt_is_v4_mapped((const struct in6_addr *)(a))

ULONG WSAAPI if_nametoindex(PCSTR name) NT_SYMBOL(if_nametoindex);
PSTR WSAAPI if_indextoname(ULONG index, PSTR name) NT_SYMBOL(if_indextoname);
INT WSAAPI inet_pton(INT family, PCSTR text, PVOID out) NT_SYMBOL(inet_pton);
PCSTR WSAAPI inet_ntop(INT family, const VOID *address, PSTR out, size_t capacity)
    NT_SYMBOL(inet_ntop);

#ifdef __cplusplus
}
#endif

#endif
