// SPDX-License-Identifier: MIT
// Where a system library was loaded from, for a message that refuses it.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "evpoll.h"
#ifdef EVP_GO_SYSTEM
#include <dlfcn.h>
#endif

int32_t evpoll_go_path(char *text_out, int32_t capacity);

int32_t evpoll_go_path(char *text_out, int32_t capacity) {
  if (!text_out || capacity < 1) return EVPOLL_ERR_INVALID;
  *text_out = 0;
#ifdef EVP_GO_SYSTEM
  Dl_info info;
  void *found = dlsym(RTLD_DEFAULT, "evpoll_version");
  if (found && dladdr(found, &info) && info.dli_fname)
    snprintf(text_out, (size_t)capacity, "%s", info.dli_fname);
#endif
  return (int32_t)strlen(text_out);
}
