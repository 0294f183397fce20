/* SPDX-License-Identifier: MIT */
/* What a file is, where nothing tells whether a read would wait: the BSDs and macOS. */
#include <fcntl.h>

#include "os/os.h"
#include "os/posix/posix.h"

int32_t evp_file_look(evpoll_handle h, struct evp_file_kind *out) {
  *out = (struct evp_file_kind){.appends = false};
  const int32_t status = evp_file_check(h);
  if (status < 0) return status;
  const int flags = fcntl((int)h, F_GETFL);
  out->appends = (flags & O_APPEND) && (flags & O_ACCMODE) != O_RDONLY;
  return 0;
}
