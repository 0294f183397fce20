/* SPDX-License-Identifier: MIT */
/* The exports for files and buffers: what can be checked without the system is checked here, the
   same everywhere, and what the system says is cut down to the codes that evpoll.h lists. */
#include <stddef.h>

#include "api/listed.h"
#include "os/os_file.h"

#define OPEN_LIST                                                                                  \
  (ONE(INVALID) | ONE(NOT_FOUND) | ONE(EXISTS) | ONE(ACCESS) | ONE(UNSUPPORTED) | ONE(LIMIT) |     \
   ONE(NO_MEMORY) | ONE(NO_SPACE) | ONE(IO) | ONE(BUSY))
#define REOPEN_LIST (ONE(BAD_HANDLE) | ONE(ACCESS) | ONE(LIMIT) | ONE(NO_MEMORY) | ONE(UNSUPPORTED))
#define CLOSE_LIST  (ONE(BAD_HANDLE) | ONE(IO) | ONE(NO_SPACE))

int32_t evpoll_file_open(const char *path, uint32_t flags, uint32_t permissions,
                         evpoll_handle *handle_out) {
  const uint32_t served = EVPOLL_FILE_READ | EVPOLL_FILE_WRITE | EVPOLL_FILE_CREATE |
                          EVPOLL_FILE_EXCLUSIVE | EVPOLL_FILE_TRUNCATE | EVPOLL_FILE_DIRECT |
                          EVPOLL_FILE_APPEND | EVPOLL_FILE_DURABLE;
  const bool reads = flags & EVPOLL_FILE_READ, writes = flags & EVPOLL_FILE_WRITE;
  if (!path || !*path || !handle_out || permissions > 0777) return evp_fail(EVPOLL_ERR_INVALID);
  if (flags & ~served) return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  if (!reads && !writes) return evp_fail(EVPOLL_ERR_INVALID);
  if ((flags & EVPOLL_FILE_EXCLUSIVE) && !(flags & EVPOLL_FILE_CREATE))
    return evp_fail(EVPOLL_ERR_INVALID);
  if ((flags & EVPOLL_FILE_DURABLE) && !(flags & EVPOLL_FILE_CREATE))
    return evp_fail(EVPOLL_ERR_INVALID);
  const uint32_t to_write = EVPOLL_FILE_TRUNCATE | EVPOLL_FILE_APPEND | EVPOLL_FILE_DURABLE;
  if ((flags & to_write) && !writes) return evp_fail(EVPOLL_ERR_INVALID);
  if ((flags & EVPOLL_FILE_APPEND) && (flags & EVPOLL_FILE_DIRECT))
    return evp_fail(EVPOLL_ERR_INVALID);
  return evp_listed(OPEN_LIST,
                    evp_file_open(path, flags, permissions ? permissions : 0666, handle_out));
}

int32_t evpoll_reopen(evpoll_handle handle, evpoll_handle *handle_out) {
  if (!handle_out) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return evp_listed(REOPEN_LIST, evp_file_reopen(handle, handle_out));
}

int32_t evpoll_file_size(evpoll_handle handle, int64_t *size_out) {
  if (!size_out) return evp_fail(EVPOLL_ERR_INVALID);
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return evp_listed(ASK_LIST, evp_file_size(handle, size_out));
}

int32_t evpoll_file_close(evpoll_handle handle) {
  if (handle < 0) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return evp_listed(CLOSE_LIST, evp_file_close(handle));
}

int32_t evpoll_buffer_alloc(uint64_t size, uint32_t alignment, void **buffer_out) {
  if (alignment == 0) alignment = 4096;
  if (!buffer_out || size == 0) return evp_fail(EVPOLL_ERR_INVALID);
  if (alignment > 2097152 || (alignment & (alignment - 1))) return evp_fail(EVPOLL_ERR_INVALID);
  if (size > PTRDIFF_MAX) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  return evp_listed(BUFFER_LIST, evp_buffer_alloc(size, alignment, buffer_out));
}

int32_t evpoll_buffer_free(void *buffer) {
  evp_buffer_free(buffer);
  return 0;
}
