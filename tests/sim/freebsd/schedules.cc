// SPDX-License-Identifier: MIT
// schedules N [SEED]: N random schedules from a seed on.
// The seed of the one that fails is the last that is printed: `schedules 1 SEED` repeats it.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <unistd.h>

#include "schedule.h"

static unsigned long seed;

static void SaySeed(int) {
  char text[64];
  const int n = std::snprintf(text, sizeof text, "failed: schedules 1 %lu\n", seed);
  if (write(2, text, static_cast<size_t>(n)) < 0) return;
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

int main(int argc, char **argv) {
  const unsigned long n = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100000;
  seed = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1;
  std::signal(SIGABRT, SaySeed);
  std::signal(SIGALRM, SaySeed); // one that hangs
  unsigned long done = 0;
  for (; done < n; done++, seed++) {
    uint64_t x = seed * 0x9e3779b97f4a7c15u | 1;
    uint8_t bytes[256];
    for (uint8_t &byte : bytes) {
      x ^= x << 13;
      x ^= x >> 7;
      x ^= x << 17;
      byte = static_cast<uint8_t>(x >> 24);
    }
    alarm(30);
    RunSchedule(bytes, 8 + x % 248);
  }
  std::printf("%lu schedules\n", done);
  return done ? 0 : 1;
}
