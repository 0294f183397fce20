// SPDX-License-Identifier: MIT
// libFuzzer writes the programs. The first eight bytes are the kernel's seed.
#include "program.h"

#include "sim.h"

#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  nt_options options = {};
  if (size < sizeof options.seed) return 0;
  std::memcpy(&options.seed, bytes, sizeof options.seed);
  if (options.seed == 0) return 0;
  Choices choices(bytes + sizeof options.seed, size - sizeof options.seed);
  options.wine = choices.Chance(1, 4);
  nt_boot(&options);
  {
    Program program(choices, choices.Chance(1, 8));
    if (choices.Chance(1, 5)) nt_fail(nullptr, 1 + choices.Below(200));
    program.Run(200);
  }
  nt_halt();
  return 0;
}
