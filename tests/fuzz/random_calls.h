// SPDX-License-Identifier: MIT
// main() of programs that run calls.h by seeds.
#pragma once

#include "calls.h"

int RunRandomCalls(int argc, char **argv, CallsSetup setup,
                   void (*before)(uint64_t seed) = nullptr);
