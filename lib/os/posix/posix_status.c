/* SPDX-License-Identifier: MIT */
/* errno as a status. One table for Linux, the BSDs and macOS: what only some of them have is asked
   for by name, so that no entry depends on knowing the system. */
#include "core/status.h"

#include <errno.h>

/* Indexed by errno; a gap means EVPOLL_ERR_OS. */
static const int8_t statuses[] = {
    [E2BIG] = EVPOLL_ERR_INVALID,
    [EDOM] = EVPOLL_ERR_INVALID,
    [EILSEQ] = EVPOLL_ERR_INVALID,
    [EINVAL] = EVPOLL_ERR_INVALID,
    [EISCONN] = EVPOLL_ERR_INVALID, /* an address given to a socket that has a peer already */
    [ENAMETOOLONG] = EVPOLL_ERR_INVALID,
    [ERANGE] = EVPOLL_ERR_INVALID,
    [EBADF] = EVPOLL_ERR_BAD_HANDLE,
    [EFAULT] = EVPOLL_ERR_FAULT,

    /* The right call on the wrong kind of handle, or a kernel that does not know the call. */
    [EAFNOSUPPORT] = EVPOLL_ERR_UNSUPPORTED,
    [EISDIR] = EVPOLL_ERR_UNSUPPORTED,
    [ENODEV] = EVPOLL_ERR_UNSUPPORTED,
    [ENOPROTOOPT] = EVPOLL_ERR_UNSUPPORTED,
    [ENOSYS] = EVPOLL_ERR_UNSUPPORTED,
    [ENOTSOCK] = EVPOLL_ERR_UNSUPPORTED,
    [ENOTSUP] = EVPOLL_ERR_UNSUPPORTED,
#if EOPNOTSUPP != ENOTSUP
    [EOPNOTSUPP] = EVPOLL_ERR_UNSUPPORTED,
#endif
    [ENOTTY] = EVPOLL_ERR_UNSUPPORTED,
    [ENXIO] = EVPOLL_ERR_UNSUPPORTED, /* open: a socket's name, or a device that is not there */
    [EPFNOSUPPORT] = EVPOLL_ERR_UNSUPPORTED,
    [EPROTONOSUPPORT] = EVPOLL_ERR_UNSUPPORTED,
    [EPROTOTYPE] = EVPOLL_ERR_UNSUPPORTED,
    [ESOCKTNOSUPPORT] = EVPOLL_ERR_UNSUPPORTED,
    [ESPIPE] = EVPOLL_ERR_UNSUPPORTED,

    [ENOBUFS] = EVPOLL_ERR_NO_MEMORY,
    [ENOMEM] = EVPOLL_ERR_NO_MEMORY,
    [EMFILE] = EVPOLL_ERR_LIMIT,
    [ENFILE] = EVPOLL_ERR_LIMIT,
#if defined(EPROCLIM)
    [EPROCLIM] = EVPOLL_ERR_LIMIT,
#endif
    [EUSERS] = EVPOLL_ERR_LIMIT,
    [EAGAIN] = EVPOLL_ERR_WOULD_BLOCK,
#if EWOULDBLOCK != EAGAIN
    [EWOULDBLOCK] = EVPOLL_ERR_WOULD_BLOCK,
#endif
    [EALREADY] = EVPOLL_ERR_BUSY,
    [EBUSY] = EVPOLL_ERR_BUSY,
    [EINPROGRESS] = EVPOLL_ERR_BUSY,
    [ETXTBSY] = EVPOLL_ERR_BUSY,
    [ECANCELED] = EVPOLL_ERR_CANCELLED,

    [ENOENT] = EVPOLL_ERR_NOT_FOUND,
    [ENOTDIR] = EVPOLL_ERR_NOT_FOUND,
    [EEXIST] = EVPOLL_ERR_EXISTS,
    [EACCES] = EVPOLL_ERR_ACCESS,
    [EPERM] = EVPOLL_ERR_ACCESS,
    [EROFS] = EVPOLL_ERR_ACCESS,
#if defined(ECAPMODE) /* FreeBSD's Capsicum: the process, or this descriptor, may not */
    [ECAPMODE] = EVPOLL_ERR_ACCESS,
    [ENOTCAPABLE] = EVPOLL_ERR_ACCESS,
#endif
    [EDQUOT] = EVPOLL_ERR_NO_SPACE,
    [ENOSPC] = EVPOLL_ERR_NO_SPACE,
    [EFBIG] = EVPOLL_ERR_TOO_LARGE,
    [EOVERFLOW] = EVPOLL_ERR_TOO_LARGE,
    [EIO] = EVPOLL_ERR_IO,
    [EBADMSG] = EVPOLL_ERR_IO, /* a checksum of the file system did not fit */
#if defined(EINTEGRITY)
    [EINTEGRITY] = EVPOLL_ERR_IO, /* the same on FreeBSD */
#endif
#if defined(EUCLEAN)
    [EUCLEAN] = EVPOLL_ERR_IO, /* a file system that needs repair */
#endif
#if defined(ENOMEDIUM)
    [ENOMEDIUM] = EVPOLL_ERR_IO,
#endif
#if defined(EREMOTEIO)
    [EREMOTEIO] = EVPOLL_ERR_IO,
#endif

    [ECONNREFUSED] = EVPOLL_ERR_REFUSED,
    [ECONNABORTED] = EVPOLL_ERR_RESET,
    [ECONNRESET] = EVPOLL_ERR_RESET,
    [ENETRESET] = EVPOLL_ERR_RESET,
    [EPIPE] = EVPOLL_ERR_BROKEN_PIPE,
    [ESHUTDOWN] = EVPOLL_ERR_BROKEN_PIPE,
    [EDESTADDRREQ] = EVPOLL_ERR_NOT_CONNECTED, /* send on a UDP socket that has no peer */
    [ENOTCONN] = EVPOLL_ERR_NOT_CONNECTED,
    [EADDRINUSE] = EVPOLL_ERR_ADDRESS_IN_USE,
    [EADDRNOTAVAIL] = EVPOLL_ERR_ADDRESS_UNAVAILABLE,
    [EHOSTDOWN] = EVPOLL_ERR_UNREACHABLE,
    [EHOSTUNREACH] = EVPOLL_ERR_UNREACHABLE,
    [ENETDOWN] = EVPOLL_ERR_UNREACHABLE,
    [ENETUNREACH] = EVPOLL_ERR_UNREACHABLE,
#if defined(ENONET)
    [ENONET] = EVPOLL_ERR_UNREACHABLE,
#endif
    [EMSGSIZE] = EVPOLL_ERR_MESSAGE_SIZE,
    [ETIMEDOUT] = EVPOLL_ERR_TIMEOUT,
#if defined(ETIME)
    [ETIME] = EVPOLL_ERR_TIMEOUT,
#endif
};
enum { STATUS_COUNT = sizeof statuses / sizeof statuses[0] };

int32_t evp_status_of(int os_code) {
  if (os_code == 0) return EVPOLL_OK;
  if (os_code < 0 || os_code >= STATUS_COUNT || statuses[os_code] == 0) return EVPOLL_ERR_OS;
  return statuses[os_code];
}

/* A device or its file system may answer with anything; what it means by a network's code, or by
 * one that elsewhere is the caller's mistake, is that it failed. */
int32_t evp_status_of_operation(int os_code) {
  switch (os_code) {
  case 0: return EVPOLL_OK;
  case EINTR:
  case EAGAIN: return EVPOLL_ERR_AGAIN;
  case EINVAL: return EVPOLL_ERR_INVALID;
  case ENOSYS:
  case EISDIR:
  case ESPIPE:
  case EOPNOTSUPP: return EVPOLL_ERR_UNSUPPORTED;
  }
  const int32_t status = evp_status_of(os_code);
  switch (status) {
  case EVPOLL_ERR_BAD_HANDLE:
  case EVPOLL_ERR_NO_MEMORY:
  case EVPOLL_ERR_LIMIT:
  case EVPOLL_ERR_BUSY:
  case EVPOLL_ERR_CANCELLED:
  case EVPOLL_ERR_NO_SPACE:
  case EVPOLL_ERR_TOO_LARGE:
  case EVPOLL_ERR_FAULT:
  case EVPOLL_ERR_ACCESS: return status;
  }
  return EVPOLL_ERR_IO;
}
