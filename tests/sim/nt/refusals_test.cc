// SPDX-License-Identifier: MIT
// A call that fails leaves what was: each call of the system inside add, modify and rearm fails
// once, and the registration goes on under its token, with its interest.
#include "sim.h"

#include <evpoll.h>

#include <winsock2.h>

#include <cstdio>
#include <initializer_list>

namespace {

const char *const kCalls[] = {"add", "modify", "rearm"};
const uint32_t kModes[] = {EVPOLL_LEVEL, EVPOLL_EDGE, EVPOLL_ONESHOT};

void Expect(bool truth, const char *call, const char *what, int status) {
  if (!truth) nt_violation("%s: %s (%d, code %d)", call, what, status, evpoll_os_error());
}

int32_t Call(int call, evpoll *p, evpoll_handle h) {
  switch (call) {
  case 0: return evpoll_add(p, h, 6, EVPOLL_WRITABLE, EVPOLL_LEVEL);
  case 1: return evpoll_modify(p, h, 5, EVPOLL_WRITABLE, EVPOLL_LEVEL);
  default: return evpoll_rearm(p, h, 5, EVPOLL_READABLE);
  }
}

// The registration tells of data, and of nothing else.
void ExpectToGoOn(const char *call, evpoll *p, evpoll_handle a, evpoll_handle b) {
  Expect(send(static_cast<SOCKET>(b), "x", 1, 0) == 1, call, "send", 0);
  nt_settle();
  evpoll_event event = {};
  int32_t n = 0;
  for (int i = 0; i < 20 && n == 0; i++) n = evpoll_wait(p, &event, 1, 1000000);
  Expect(n == 1, call, "the registration is silent", n);
  Expect(event.token == 5 && event.events == EVPOLL_READABLE, call, "another event came",
         static_cast<int>(event.events));
  char byte;
  Expect(recv(static_cast<SOCKET>(a), &byte, 1, 0) == 1, call, "recv", 0);
}

// False: it did not fail, so that there are fewer calls than n.
bool Try(int call, uint32_t mode, bool idle, uint64_t n, bool wine) {
  nt_options options = {};
  options.seed = n;
  options.wine = wine;
  nt_boot(&options);
  evpoll *p = nullptr;
  evpoll_handle a = -1, b = -1;
  Expect(evpoll_open(nullptr, &p) == 0, kCalls[call], "open", 0);
  Expect(evpoll_socket_pair(&a, &b) == 0, kCalls[call], "pair", 0);
  Expect(evpoll_add(p, a, 5, EVPOLL_READABLE, mode) == 0, kCalls[call], "the first add", 0);
  if (idle) ExpectToGoOn(kCalls[call], p, a, b); // its poll has come back
  nt_fail(nullptr, n);
  const int32_t status = Call(call, p, a);
  const bool failed = nt_failed() != nullptr;
  nt_fail(nullptr, 0);
  Expect(failed || status >= 0, kCalls[call], "failed by itself", status);
  const bool armed = mode == EVPOLL_LEVEL || !idle;
  if (status < 0 && armed) ExpectToGoOn(kCalls[call], p, a, b);
  if (status < 0) {
    Expect(evpoll_modify(p, a, 5, EVPOLL_READABLE, mode) == 0, kCalls[call], "modify", 0);
    ExpectToGoOn(kCalls[call], p, a, b);
  }
  Expect(evpoll_close(p, EVPOLL_INFINITE) == 0, kCalls[call], "close", 0);
  closesocket(static_cast<SOCKET>(a));
  closesocket(static_cast<SOCKET>(b));
  nt_halt();
  return failed;
}

} // namespace

int main() {
  evpoll_os_error(); // the library takes its slots now, not in a call that is to fail
  int runs = 0;
  for (int call = 0; call < 3; call++)
    for (uint32_t mode : kModes)
      for (bool idle : {false, true})
        for (bool wine : {false, true})
          for (uint64_t n = 1; Try(call, mode, idle, n, wine); n++) runs++;
  std::printf("%d calls that failed, and left what was\n", runs);
  return runs == 0;
}
