/* SPDX-License-Identifier: MIT */
/* Files and buffers, one implementation for each family of systems (os_posix_file.c). The helpers
   have checked what can be checked without the system: no pointer is NULL, flags make sense. All
   functions record their failures (status.h), take no lock, and may be called by any thread. */
#ifndef EVP_OS_FILE_H
#define EVP_OS_FILE_H

#include "evpoll.h"

int32_t evp_file_open(const char *path, uint32_t flags, uint32_t permissions,
                      evpoll_handle *handle_out);
int32_t evp_file_reopen(evpoll_handle handle, evpoll_handle *handle_out);
int32_t evp_file_size(evpoll_handle handle, int64_t *size_out);
int32_t evp_file_close(evpoll_handle handle);

/* size is at most PTRDIFF_MAX and alignment a power of two. */
int32_t evp_buffer_alloc(uint64_t size, uint32_t alignment, void **buffer_out);
void evp_buffer_free(void *buffer);

#endif
