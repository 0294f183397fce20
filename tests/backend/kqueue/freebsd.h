// SPDX-License-Identifier: MIT
// What the tests of FreeBSD's own features share. They run on FreeBSD, and on Linux on the
// simulated kernel, whose headers come first there.
#pragma once

#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/event.h>
#include <unistd.h>

#include <vector>

#include "contract.h"

namespace evp {

// A request for the caller's own operations, closed at the end.
struct Request {
  evpoll_aio *aio = nullptr;
  Request(evpoll *p, uint32_t kind, uint64_t token) {
    EXPECT_EQ(0, evpoll_aio_open(p, kind, token, &aio));
  }
  ~Request() {
    if (aio) {
      EXPECT_EQ(0, evpoll_aio_close(aio));
    }
  }
  Request(const Request &) = delete;
  int32_t Register(struct sigevent *event) {
    return evpoll_aio_register(aio, event, sizeof *event);
  }
  // 1, 0 or a status.
  int32_t Ready() {
    uint64_t tick;
    return evpoll_aio_poll_ready(aio, &tick);
  }
  void Clear() {
    uint64_t tick = 0;
    EXPECT_EQ(1, evpoll_aio_poll_ready(aio, &tick));
    EXPECT_EQ(1, evpoll_aio_clear_ready(aio, tick));
  }
};

inline struct aiocb MakeAiocb(evpoll_handle h, void *buffer, size_t length, off_t offset,
                              int opcode = LIO_READ) {
  struct aiocb cb = {};
  cb.aio_fildes = static_cast<int>(h);
  cb.aio_buf = buffer;
  cb.aio_nbytes = length;
  cb.aio_offset = offset;
  cb.aio_lio_opcode = opcode;
  cb.aio_sigevent.sigev_notify = SIGEV_NONE;
  return cb;
}

// Waits until an operation that tells nobody is over, and returns it.
inline ssize_t Finish(struct aiocb *cb) {
  EXPECT_TRUE(Until([&] { return aio_error(cb) != EINPROGRESS; }));
  return aio_return(cb);
}

} // namespace evp
