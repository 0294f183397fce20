// SPDX-License-Identifier: MIT
// A schedule: bytes that say what a program, the kernel and chance do, in turn. The same bytes do
// the same, but for the worker pool's threads.
#pragma once

#include <cstddef>
#include <cstdint>

// Runs it; what went wrong is said on stderr, and ends the process.
void RunSchedule(const uint8_t *bytes, size_t n);
