// SPDX-License-Identifier: MIT
// random_calls N [SEED] [--trace]: N random programs from a seed on; the one that fails is the last
// that is named, and `random_calls 1 SEED --trace` repeats it, as far as the kernel does.
#include "random_calls.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <unistd.h>

namespace {

unsigned long seed;

void SaySeed(int) {
  char text[64];
  const int n = std::snprintf(text, sizeof text, "failed: random_calls 1 %lu --trace\n", seed);
  if (write(2, text, static_cast<size_t>(n)) < 0) return;
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

} // namespace

int RunRandomCalls(int argc, char **argv, CallsSetup setup, void (*before)(uint64_t seed)) {
  const unsigned long n = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1000;
  seed = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1;
  setup.trace = argc > 3 && !std::strcmp(argv[3], "--trace");
  if (setup.trace) std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::signal(SIGABRT, SaySeed);
  std::signal(SIGALRM, SaySeed); // one that hangs
  std::signal(SIGPIPE, SIG_DFL);
  unsigned long done = 0;
  for (; done < n; done++, seed++) {
    uint64_t x = seed * 0x9e3779b97f4a7c15u | 1;
    uint8_t bytes[1500];
    for (uint8_t &byte : bytes) {
      x ^= x << 13;
      x ^= x >> 7;
      x ^= x << 17;
      byte = static_cast<uint8_t>(x >> 24);
    }
    alarm(60);
    if (before) before(seed);
    RunCalls(bytes, 30 + x % 1470, setup);
  }
  alarm(0);
  const CallsCounts &c = CountedCalls();
  std::printf(
      "%lu programs: %llu steps, %llu operations (%llu more in the call, %llu refused), %llu "
      "ends (%llu cancelled, %llu expired), %llu accepts, %llu MB\n",
      done, static_cast<unsigned long long>(c.calls), static_cast<unsigned long long>(c.accepted),
      static_cast<unsigned long long>(c.ended_inline), static_cast<unsigned long long>(c.refused),
      static_cast<unsigned long long>(c.events), static_cast<unsigned long long>(c.cancelled),
      static_cast<unsigned long long>(c.expired), static_cast<unsigned long long>(c.accepts),
      static_cast<unsigned long long>(c.bytes >> 20));
  return done ? 0 : 1;
}
