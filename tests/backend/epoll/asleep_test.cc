// SPDX-License-Identifier: MIT
// What a call finishes by itself reaches a thread that sleeps in wait.
#include "contract.h"
#include "linux.h"

#include <atomic>

namespace evp {
namespace {

EVP_CONTRACT(Asleep);

// A read of what is in the system's cache is over when submit returns: no kernel tells the waiter.
TEST_P(Asleep, AThreadIsWokenByAReadThatIsDoneAtOnce) {
  File file(*this, "content");
  for (int round = 0; round < Rounds(100); round++) {
    std::atomic<bool> got{false};
    std::atomic<pid_t> id{0};
    Thread waiter([&] {
      evpoll_event e;
      id = ThreadId();
      got = evpoll_wait(p, &e, 1, kLong) == 1 && e.token == 7;
    });
    ASSERT_TRUE(Until([&] { return id != 0 && Sleeps(id); }));
    char to;
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 7, &to, 1);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    waiter.Join();
    ASSERT_TRUE(got) << round;
  }
}

} // namespace
} // namespace evp
