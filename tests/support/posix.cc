// SPDX-License-Identifier: MIT
#include "platform.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>

namespace evp {

void SendUrgent(evpoll_handle h) { EXPECT_EQ(1, send(static_cast<int>(h), "!", 1, MSG_OOB)); }

NoMoreDescriptors::NoMoreDescriptors() {
  struct rlimit now = {};
  getrlimit(RLIMIT_NOFILE, &now);
  before_[0] = now.rlim_cur;
  before_[1] = now.rlim_max;
  now.rlim_cur = 0;
  works = setrlimit(RLIMIT_NOFILE, &now) == 0;
}
NoMoreDescriptors::~NoMoreDescriptors() {
  struct rlimit before = {};
  before.rlim_cur = static_cast<rlim_t>(before_[0]);
  before.rlim_max = static_cast<rlim_t>(before_[1]);
  setrlimit(RLIMIT_NOFILE, &before);
}

bool MakeFifo(const std::string &path) { return mkfifo(path.c_str(), 0600) == 0; }

int Inherited(evpoll_handle h) {
  const auto test = [](evpoll_handle number) {
    return std::system(("test -e /proc/self/fd/" + std::to_string(number)).c_str()) == 0;
  };
  return test(2) ? test(h) : -1;
}

namespace {
volatile std::sig_atomic_t pipe_signals;
}
PipeSignals::PipeSignals() {
  pipe_signals = 0;
  before_ = std::signal(SIGPIPE, [](int) { pipe_signals = pipe_signals + 1; });
}
PipeSignals::~PipeSignals() { std::signal(SIGPIPE, before_); }
int PipeSignals::Count() const { return pipe_signals; }

bool RunsOnWine() { return false; }

} // namespace evp
