// SPDX-License-Identifier: MIT
// The random calls of tests/fuzz, with failures injected into the system's: streams, accepts,
// timers, limits, records. random_faults N [SEED] [--trace].
#include "interpose.h"
#include "random_calls.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>

using namespace evp;

// None of these may lose an operation, or bytes: what a failure means is told, or it is repeated.
static void Inject(uint32_t choice) {
  static const struct {
    fault::Call call;
    int error;
  } kinds[] = {
      {fault::kRecv, EINTR},        {fault::kSend, EINTR},         {fault::kRecvMessage, EINTR},
      {fault::kSendMessage, EINTR}, {fault::kAccept, EMFILE},      {fault::kAccept, ECONNABORTED},
      {fault::kAccept, EINTR},      {fault::kPoll, EINTR},         {fault::kPipeRead, EINTR},
      {fault::kPipeWrite, EINTR},   {fault::kTimerCreate, EMFILE}, {fault::kTimerSet, ENOMEM},
      {fault::kMemory, ENOMEM},     {fault::kMemory, ENOMEM},      {fault::kEpollControl, ENOMEM},
      {fault::kEpollWait, EINTR},   {fault::kThread, EAGAIN},      {fault::kWritev, EINTR},
      {fault::kFdatasync, EINTR},   {fault::kPread, EINTR},        {fault::kPwrite, EINTR},
      {fault::kRingSubmit, EAGAIN}, {fault::kRingSubmit, EINTR},   {fault::kRingResult, EINTR},
      {fault::kRingResult, EAGAIN}, {fault::kRingPartial, 0},      {fault::kRingSetup, ENOMEM},
      {fault::kClose, EIO},         {fault::kShutdown, ENOTCONN},  {fault::kGetOption, ENOBUFS},
      {fault::kAccept, ENFILE},     {fault::kStat, ENOMEM},
  };
  const auto &kind = kinds[(choice & 0xff) % (sizeof kinds / sizeof *kinds)];
  fault::Arm(kind.call, 1 + static_cast<int>(choice >> 8 & 3), kind.error,
             1 + static_cast<int>(choice >> 10 & 3));
}

int main(int argc, char **argv) {
  fault::ColdCache(false);
  CallsSetup setup;
  setup.threads = true;
  setup.inject = Inject;
  setup.disarm = [] { fault::Disarm(); };
  return RunRandomCalls(argc, argv, setup, [](uint64_t) {
    if (fault::LivePieces() == 0 && fault::WrongFrees() == 0) return;
    std::fprintf(stderr, "%zu pieces of memory are left\n", fault::LivePieces());
    std::abort();
  });
}
