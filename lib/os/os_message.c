/* SPDX-License-Identifier: MIT */
/* What a program says of a datagram, before it is sent or received. */
#include "core/status.h"
#include "os/os_address.h"
#include "os/os_stream.h"

int32_t evp_message_check(const evpoll_message *m, bool send) {
  const evpoll_message c = *m; /* it is lent, and the program may write it meanwhile */
  if (c.flags & ~(uint32_t)EVPOLL_MESSAGE_PEEK) return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  if (c.control || c.control_capacity || c.control_length || c.segment_size || c.ecn)
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  if (c.reserved[0] || c.reserved[1] || c.reserved[2]) return evp_fail(EVPOLL_ERR_INVALID);
  if (c.iovec_count < 1 || c.iovec_count > EVP_MESSAGE_PIECES || !c.iovecs)
    return evp_fail(EVPOLL_ERR_INVALID);
  if (!send) return 0;
  union evp_address to;
  if (c.flags) return evp_fail(EVPOLL_ERR_INVALID);
  return c.peer.family ? (evp_address_import(&c.peer, &to) < 0 ? EVPOLL_ERR_INVALID : 0) : 0;
}
