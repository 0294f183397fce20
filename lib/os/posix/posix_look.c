/* SPDX-License-Identifier: MIT */
/* What a file is, where nothing tells whether a read would wait: the BSDs and macOS. */
#include <errno.h>
#include <fcntl.h>

#include "core/status.h"
#include "os/os.h"
#include "os/posix/posix.h"

int32_t evp_file_look(evpoll_handle h, struct evp_file_kind *out) {
  *out = (struct evp_file_kind){.appends = false};
  const int flags = fcntl((int)h, F_GETFL);
  if (flags < 0) return evp_fail_os(errno);
  out->appends = (flags & O_APPEND) && (flags & O_ACCMODE) != O_RDONLY;
  return 0;
}
