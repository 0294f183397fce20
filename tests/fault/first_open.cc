// SPDX-License-Identifier: MIT
// The first poller of a process makes what all others share. Each of its calls fails once; each
// failing open is followed by one that must succeed. Runs once, so it is no GoogleTest.
#include "interpose.h"

#include <evpoll.h>

#include <cerrno>
#include <cstdio>

namespace {

int bad = 0;
void Expect(bool condition, const char *what, int got) {
  if (condition) return;
  std::printf("failed: %s (%d)\n", what, got);
  bad = 1;
}

} // namespace

int main() {
  using namespace evp::fault;
  evpoll *p = nullptr;
  Arm(kMap, 1, ENOMEM);
  int32_t status = evpoll_open(nullptr, &p);
  int failures = Disarm();
  Expect(failures == 1, "mmap is called by the first open", failures);
  Expect(status == EVPOLL_ERR_NO_MEMORY, "open without the page says NO_MEMORY", status);
  Expect(p == nullptr, "the output is untouched", 0);
  Expect(LivePieces() == 0, "nothing is left", static_cast<int>(LivePieces()));

  // A kernel that does not know MADV_WIPEONFORK: another way is found.
  Arm(kAdvise, 1, EINVAL);
  status = evpoll_open(nullptr, &p);
  failures = Disarm();
  Expect(failures == 1, "madvise is called by the first open that got so far", failures);
  Expect(status == 0, "open without MADV_WIPEONFORK succeeds", status);
  if (status == 0) {
    evpoll_event e;
    Expect(evpoll_post(p, 1, 2) == 0 && evpoll_wait(p, &e, 1, EVPOLL_INFINITE) == 1,
           "the poller works", 0);
    Expect(evpoll_close(p, EVPOLL_INFINITE) == 0, "close", 0);
  }
  const size_t shared = LivePieces();
  Expect(shared <= 1, "one page is shared by all pollers", static_cast<int>(shared));

  status = evpoll_open(nullptr, &p);
  Expect(status == 0, "open", status);
  if (status == 0) evpoll_close(p, EVPOLL_INFINITE);
  Expect(LivePieces() == shared, "the page is made once", static_cast<int>(LivePieces()));
  return bad;
}
