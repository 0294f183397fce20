/* SPDX-License-Identifier: MIT */
#include "os/os_address.h"

#include "core/status.h"

#include <stdio.h>
#include <string.h>
#ifdef _WIN32
#include "os/windows/windows_os.h"

/* iphlpapi.h, which wants to be after others. */
ULONG WINAPI if_nametoindex(PCSTR name);
#else
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>

/* "%", then a name or, if the interface has gone, up to 10 digits. */
_Static_assert(INET6_ADDRSTRLEN + 1 + IF_NAMESIZE <= EVPOLL_ADDRESS_CAPACITY, "longest address");
_Static_assert(IF_NAMESIZE > 10, "digits of a scope");
#endif

static int32_t find_interface(const char *name, uint32_t *index_out) {
  *index_out = (uint32_t)if_nametoindex(name);
  if (*index_out != 0) return 0;
#ifdef _WIN32
  return evp_fail_as(EVPOLL_ERR_INVALID, WSAEADDRNOTAVAIL);
#else
  if (errno == ENODEV || errno == ENXIO) return evp_fail_as(EVPOLL_ERR_INVALID, errno);
  return evp_fail_os(errno); /* it opens a socket to ask */
#endif
}

static void append_scope(uint32_t scope, char *text) {
  char *end = text + strlen(text);
  *end++ = '%';
#ifndef _WIN32 /* there a name can be longer than the caller's room, and the number is as good */
  if (if_indextoname(scope, end)) return;
#endif
  snprintf(end, 11, "%u", (unsigned)scope);
}

static int32_t parse_scope(const char *text, uint32_t *scope_out) {
  uint64_t number = 0;
  const char *end = text;
  for (; *end >= '0' && *end <= '9' && number <= UINT32_MAX; end++)
    number = number * 10 + (uint64_t)(*end - '0');
  if (number > UINT32_MAX) return evp_fail(EVPOLL_ERR_INVALID);
  if (end == text || *end != '\0') return find_interface(text, scope_out);
  *scope_out = (uint32_t)number;
  return 0;
}

/* An IPv4 address in disguise is no use to a socket that does not serve IPv4, and systems differ in
   how they would say so. */
static int is_mapped_v4(const struct in6_addr *a) {
  static const unsigned char prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return memcmp(a, prefix, sizeof prefix) == 0;
}

static int32_t parse_v6(const char *host, struct sockaddr_in6 *out) {
  char text[EVPOLL_ADDRESS_CAPACITY];
  const size_t length = strlen(host);
  if (length >= sizeof text) return evp_fail(EVPOLL_ERR_INVALID);
  memcpy(text, host, length + 1);
  char *scope = strchr(text, '%');
  if (scope) *scope++ = '\0';
  if (inet_pton(AF_INET6, text, &out->sin6_addr) != 1) return evp_fail(EVPOLL_ERR_INVALID);
  if (is_mapped_v4(&out->sin6_addr)) return evp_fail(EVPOLL_ERR_INVALID);
  uint32_t index = 0;
  const int32_t status = scope ? parse_scope(scope, &index) : 0;
  out->sin6_scope_id = index;
  return status;
}

int32_t evp_address_parse(const char *host, int32_t port, union evp_address *out) {
#ifdef _WIN32
  const int os_code = evp_windows_need_winsock();
  if (os_code) return evp_fail_os(os_code);
#endif
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons((uint16_t)port);
    return (int32_t)sizeof out->v4;
  }
  out->v6.sin6_family = AF_INET6;
  out->v6.sin6_port = htons((uint16_t)port);
  const int32_t status = parse_v6(host, &out->v6);
  return status < 0 ? status : (int32_t)sizeof out->v6;
}

int32_t evp_address_format(const union evp_address *address, int length, char *host_out,
                           int32_t host_capacity, int32_t *port_out) {
  char text[EVPOLL_ADDRESS_CAPACITY] = ""; /* has room for either kind: inet_ntop cannot fail */
  int32_t port = 0;
  switch (length == 0 ? AF_UNIX : address->any.sa_family) {
  case AF_UNSPEC:
  case AF_UNIX: break;
  case AF_INET:
    inet_ntop(AF_INET, &address->v4.sin_addr, text, sizeof text);
    port = ntohs(address->v4.sin_port);
    break;
  case AF_INET6:
    inet_ntop(AF_INET6, &address->v6.sin6_addr, text, sizeof text);
    if (address->v6.sin6_scope_id != 0) append_scope(address->v6.sin6_scope_id, text);
    port = ntohs(address->v6.sin6_port);
    break;
  default: return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  }
  const size_t size = strlen(text) + 1;
  if (host_out) {
    if ((size_t)host_capacity < size) return evp_fail(EVPOLL_ERR_INVALID);
    memcpy(host_out, text, size);
  }
  if (port_out) *port_out = port;
  return 0;
}

int32_t evp_address_import(const evpoll_address *from, union evp_address *out) {
  memset(out, 0, sizeof *out);
  if (from->reserved || from->port == 0) return evp_fail(EVPOLL_ERR_INVALID);
  switch (from->family) {
  case EVPOLL_FAMILY_IPV4:
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons(from->port);
    memcpy(&out->v4.sin_addr, from->bytes, 4);
    return (int32_t)sizeof out->v4;
  case EVPOLL_FAMILY_IPV6:
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(from->port);
    out->v6.sin6_scope_id = from->scope;
    memcpy(&out->v6.sin6_addr, from->bytes, 16);
    return (int32_t)sizeof out->v6;
  }
  return evp_fail(EVPOLL_ERR_UNSUPPORTED);
}

void evp_address_export(const union evp_address *from, int length, evpoll_address *out) {
  *out = (evpoll_address){0};
  switch (length == 0 ? AF_UNSPEC : from->any.sa_family) {
  case AF_UNIX: out->family = EVPOLL_FAMILY_UNIX; break;
  case AF_INET:
    out->family = EVPOLL_FAMILY_IPV4;
    out->port = ntohs(from->v4.sin_port);
    memcpy(out->bytes, &from->v4.sin_addr, 4);
    break;
  case AF_INET6:
    out->family = EVPOLL_FAMILY_IPV6;
    out->port = ntohs(from->v6.sin6_port);
    out->scope = (uint32_t)from->v6.sin6_scope_id;
    memcpy(out->bytes, &from->v6.sin6_addr, 16);
  }
}
