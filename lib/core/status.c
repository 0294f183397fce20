/* SPDX-License-Identifier: MIT */
/* What a thread remembers of its last failure, and the names of the statuses. */
#include "core/status.h"

#include "os/os.h"

static const char *const status_names[] = {
    [-EVPOLL_OK] = "success",
    [-EVPOLL_ERR_INVALID] = "invalid argument",
    [-EVPOLL_ERR_BAD_HANDLE] = "not an open handle, or not open for this operation",
    [-EVPOLL_ERR_NO_MEMORY] = "out of memory",
    [-EVPOLL_ERR_LIMIT] = "a limit of the system or the process was met",
    [-EVPOLL_ERR_NOT_FOUND] = "not found",
    [-EVPOLL_ERR_STALE] = "registered with another token",
    [-EVPOLL_ERR_BUSY] = "in use",
    [-EVPOLL_ERR_AGAIN] = "not now: submit again, after a completion if too many are in flight",
    [-EVPOLL_ERR_WOULD_BLOCK] = "would block",
    [-EVPOLL_ERR_TIMEOUT] = "timed out",
    [-EVPOLL_ERR_SHUTDOWN] = "the poller was shut down",
    [-EVPOLL_ERR_UNSUPPORTED] = "not supported here, or not for this kind of handle",
    [-EVPOLL_ERR_VERSION] = "a struct is newer than the library",
    [-EVPOLL_ERR_EXPIRED] = "the operation's time limit ended it",
    [-EVPOLL_ERR_FORKED] = "the poller belongs to the parent process",
    [-EVPOLL_ERR_CANCELLED] = "cancelled",
    [-EVPOLL_ERR_PARTIAL] = "some operations of the list failed",
    [-EVPOLL_ERR_IO] = "the device reported an error",
    [-EVPOLL_ERR_NO_SPACE] = "no space left on the device, or quota used up",
    [-EVPOLL_ERR_TOO_LARGE] = "beyond the largest size of a file",
    [-EVPOLL_ERR_FAULT] = "the buffer is not mapped",
    [-EVPOLL_ERR_ACCESS] = "permission denied",
    [-EVPOLL_ERR_EXISTS] = "exists already",
    [-EVPOLL_ERR_REFUSED] = "connection refused",
    [-EVPOLL_ERR_RESET] = "connection reset by the peer",
    [-EVPOLL_ERR_BROKEN_PIPE] = "the sending side is closed",
    [-EVPOLL_ERR_NOT_CONNECTED] = "not connected",
    [-EVPOLL_ERR_ADDRESS_IN_USE] = "address in use",
    [-EVPOLL_ERR_ADDRESS_UNAVAILABLE] = "not an address of this machine",
    [-EVPOLL_ERR_UNREACHABLE] = "no route to the peer",
    [-EVPOLL_ERR_MESSAGE_SIZE] = "the datagram or the buffer is of the wrong size",
    [-EVPOLL_ERR_OS] = "failure of the system",
};
enum { NAME_COUNT = sizeof status_names / sizeof status_names[0] };

void evp_set_os_code(int os_code) { evp_thread_code_set(os_code); }

int32_t evpoll_os_error(void) { return evp_thread_code(); }

const char *evpoll_strerror(int32_t status) {
  if (status > 0) return status_names[0];             /* a count */
  if (status <= -NAME_COUNT) return "unknown status"; /* not -status: INT32_MIN has none */
  return status_names[-status];
}
