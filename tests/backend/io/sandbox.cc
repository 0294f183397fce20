// SPDX-License-Identifier: MIT
#include "sandbox.h"

#include <gtest/gtest.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>

namespace evp {
namespace {

constexpr int kNoSeccomp = 77;

sock_filter Statement(uint16_t code, uint32_t k) { return {code, 0, 0, k}; }
sock_filter Jump(uint16_t code, uint32_t k, uint8_t yes, uint8_t no) { return {code, yes, no, k}; }

// The exit code of a child that runs body.
int Fork(const std::function<int()> &body) {
  std::fflush(stdout);
  std::fflush(stderr);
  const pid_t child = fork();
  if (child == 0) {
    const int code = body();
    std::fflush(stdout);
    std::fflush(stderr);
    _exit(code);
  }
  EXPECT_LT(0, child);
  int state = 0;
  EXPECT_EQ(child, waitpid(child, &state, 0));
  EXPECT_TRUE(WIFEXITED(state)) << "the child was ended by signal " << WTERMSIG(state);
  return WIFEXITED(state) ? WEXITSTATUS(state) : 1;
}

int Run(const std::function<void()> &body) {
  body();
  return ::testing::Test::HasFailure() ? 1 : 0;
}

} // namespace

bool Forbid(const std::vector<Forbidden> &calls) {
  std::vector<sock_filter> program = {
      Statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const Forbidden &call : calls) {
    program.push_back(Jump(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call.number), 0, 1));
    program.push_back(
        Statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(call.error)));
  }
  program.push_back(Statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

bool InSandbox(const std::vector<Forbidden> &calls, const std::function<void()> &body) {
  const int code = Fork([&] { return Forbid(calls) ? Run(body) : kNoSeccomp; });
  EXPECT_TRUE(code == 0 || code == kNoSeccomp) << "see the child's output";
  return code != kNoSeccomp;
}

void InChild(const std::function<void()> &body) {
  EXPECT_EQ(0, Fork([&] { return Run(body); })) << "see the child's output";
}

} // namespace evp
