// SPDX-License-Identifier: MIT
// System calls forbidden by seccomp, as containers do it, in a child process.
#pragma once

#include <functional>
#include <vector>

namespace evp {

struct Forbidden {
  int number; // of the system call
  int error;  // what it returns instead
};

// From now on these fail in this thread, and in all that it starts. False: there is no seccomp.
bool Forbid(const std::vector<Forbidden> &calls);

// Runs body in a forked child that may not make these calls. Its expectations count as the
// test's. False: there is no seccomp, and the body was not run.
bool InSandbox(const std::vector<Forbidden> &calls, const std::function<void()> &body);

// Runs body in a forked child; its expectations count as the test's.
void InChild(const std::function<void()> &body);

} // namespace evp
