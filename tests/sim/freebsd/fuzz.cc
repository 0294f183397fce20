// SPDX-License-Identifier: MIT
// For libFuzzer: a schedule of its bytes.
#include "schedule.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  RunSchedule(bytes, n < 512 ? n : 512);
  return 0;
}
