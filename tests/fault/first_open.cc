// SPDX-License-Identifier: MIT
// The first poller of a process finds out how its children are to tell that they are children. Runs
// once, so it is no GoogleTest.
#include "interpose.h"

#include <evpoll.h>

#include <sys/wait.h>
#include <unistd.h>

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
  // A kernel that does not know MADV_WIPEONFORK: another way is found.
  Arm(kAdvise, 1, EINVAL);
  int32_t status = evpoll_open(nullptr, &p);
  const int failures = Disarm();
  Expect(failures == 1, "madvise is called by the first open", failures);
  Expect(status == 0, "open without MADV_WIPEONFORK succeeds", status);
  if (status != 0) return 1;
  evpoll_event e;
  Expect(evpoll_post(p, 1, 2) == 0 && evpoll_wait(p, &e, 1, EVPOLL_INFINITE) == 1,
         "the poller works", 0);
  const pid_t child = fork();
  if (child == 0) {
    Expect(evpoll_post(p, 1, 2) == EVPOLL_ERR_FORKED, "the child is told so", 0);
    evpoll *own = nullptr;
    Expect(evpoll_open(nullptr, &own) == 0, "the child's own", 0);
    Expect(evpoll_post(own, 1, 2) == 0, "which works", 0);
    std::fflush(stdout);
    _exit(bad);
  }
  int state = 0;
  Expect(waitpid(child, &state, 0) == child && state == 0, "the child", state);
  Expect(evpoll_post(p, 1, 2) == 0, "the parent's goes on", 0);
  Expect(evpoll_close(p, EVPOLL_INFINITE) == 0, "close", 0);
  Expect(LivePieces() == 0, "nothing is left", static_cast<int>(LivePieces()));
  return bad;
}
