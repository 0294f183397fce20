// SPDX-License-Identifier: MIT
#include "platform.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace evp {

void SendUrgent(evpoll_handle h) { EXPECT_EQ(1, send(static_cast<int>(h), "!", 1, MSG_OOB)); }

bool HasData(evpoll_handle h) {
  char byte;
  return recv(static_cast<int>(h), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

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

Pipe::Pipe() {
  int ends[2];
  if (pipe(ends) != 0) return;
  for (int end : ends) {
    fcntl(end, F_SETFD, FD_CLOEXEC);
    fcntl(end, F_SETFL, O_NONBLOCK);
  }
  read = ends[0];
  write = ends[1];
}
Pipe::~Pipe() {
  CloseWrite();
  close(static_cast<int>(read));
}
void Pipe::Write(const std::string &text) {
  EXPECT_EQ(static_cast<int64_t>(text.size()),
            ::write(static_cast<int>(write), text.data(), text.size()));
}
void Pipe::CloseWrite() {
  if (write >= 0) close(static_cast<int>(write));
  write = -1;
}

evpoll_handle Duplicate(evpoll_handle h) { return dup(static_cast<int>(h)); }

namespace {
std::atomic<int> interrupts;
}
Interrupts::Interrupts() : works(true) {
  interrupts = 0;
  before_ = std::signal(SIGUSR1, [](int) { interrupts++; });
}
Interrupts::~Interrupts() { std::signal(SIGUSR1, before_); }
// By the casts of C: it is a number on some systems, and a pointer on others.
uint64_t Interrupts::ThisThread() { return (uintptr_t)pthread_self(); }
void Interrupts::Send(uint64_t thread) {
  EXPECT_EQ(0, pthread_kill((pthread_t)(uintptr_t)thread, SIGUSR1));
}
int Interrupts::Count() const { return interrupts; }

void SetVariable(const char *name, const std::string &value) { setenv(name, value.c_str(), 1); }

bool RunsOnWine() { return false; }

} // namespace evp
