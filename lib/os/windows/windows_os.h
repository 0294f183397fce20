/* SPDX-License-Identifier: MIT */
/* What the sources for Windows share. */
#ifndef EVP_OS_WINDOWS_H
#define EVP_OS_WINDOWS_H

#include <stdbool.h>

#include <winsock2.h>

#include <windows.h>

#include "evpoll.h"

/* The kernel looks at 32 bits of a handle, of which the lowest two are the caller's: only numbers
 * as the system hands them out are taken, so that one handle has one number. */
static inline bool evp_windows_is_handle(evpoll_handle h) {
  return h > 0 && h <= INT32_MAX && (h & 3) == 0;
}
static inline HANDLE evp_windows_handle(evpoll_handle h) { return (HANDLE)(intptr_t)h; }

/* SOCKETs may be any number of 32 bits where an LSP makes them. */
static inline bool evp_windows_is_number(evpoll_handle h) { return h >= 0 && h < UINT32_MAX; }
static inline SOCKET evp_windows_socket(evpoll_handle h) { return (SOCKET)h; }

/* Was the file opened without FILE_FLAG_OVERLAPPED? Returns 0, or why it cannot be asked. */
int evp_windows_is_synchronous(HANDLE file, bool *synchronous_out);

/* May the handle write at the end, and nowhere else? Returns as above. */
int evp_windows_only_appends(HANDLE file, bool *appends_out);

/* Does Winsock know the number? */
bool evp_windows_is_socket(evpoll_handle h);

/* Winsock, once for the process. Returns 0 or its code. */
int evp_windows_need_winsock(void);

/* accept(), for a socket that is non-blocking and not inherited: 0 or Winsock's code. The name and
 * its length may be NULL. */
int evp_windows_accept(evpoll_handle listener, struct sockaddr *name, int *length,
                       evpoll_handle *out);
/* A call on a socket failed: records why, and tells what is not open from what is no socket. */
int32_t evp_windows_no_socket(evpoll_handle handle, int os_code);

/* The DLL is about to be unloaded: gives back what the process has of us. */
void evp_windows_forget(void);

#endif
