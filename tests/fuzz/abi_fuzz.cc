// SPDX-License-Identifier: MIT
// For libFuzzer: the bytes are calls.
#include "calls.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  CallsSetup setup;
  static const bool trace = std::getenv("EVPOLL_FUZZ_TRACE") != nullptr;
  setup.trace = trace;
  RunCalls(bytes, n, setup);
  return 0;
}
