// SPDX-License-Identifier: MIT
// Each call of the system fails once: a program runs again and again, with its first call failing,
// then its second, until none is left. Nothing may be freed too early, reported after a remove, or
// left at the end.
#include "program.h"

#include "sim.h"

#include <cstdio>
#include <map>
#include <string>

namespace {

// The name of the call that failed; empty when the program has not so many.
std::string RunWithFault(uint64_t seed, uint64_t n) {
  Choices choices(seed);
  nt_options options = {};
  options.seed = seed;
  options.wine = seed % 2;
  nt_boot(&options);
  std::string failed;
  {
    Program program(choices, seed % 4 == 3);
    nt_fail(nullptr, n);
    program.Run(60);
    if (nt_failed()) failed = nt_failed();
  }
  nt_halt();
  return failed;
}

} // namespace

int main() {
  std::map<std::string, int> names;
  int runs = 0;
  for (uint64_t seed = 1; seed <= 12; seed++)
    for (uint64_t n = 1;; n++, runs++) {
      const std::string name = RunWithFault(seed, n);
      if (name.empty()) break;
      names[name]++;
    }
  std::printf("%d runs, each with one failing call:", runs);
  for (const auto &[name, times] : names) std::printf(" %s (%d)", name.c_str(), times);
  std::printf("\n");
}
