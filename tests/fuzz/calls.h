// SPDX-License-Identifier: MIT
// A byte string becomes a sequence of calls, valid and not, on one poller with a few handles,
// against a model. By evpoll.h alone as far as the library is concerned, so it runs wherever there
// are POSIX's files: under libFuzzer, with injected failures (tests/fault), on a simulated kernel.
#pragma once

#include <cstddef>
#include <cstdint>

struct CallsSetup {
  // Makes some call of the system fail, until disarm(); statuses that tell of want may come then.
  void (*inject)(uint32_t choice) = nullptr;
  void (*disarm)() = nullptr;
  bool threads = false; // some calls are made by a thread that ends then
  bool trace = false;
};

struct CallsCounts {
  uint64_t calls, accepted, ended_inline, events, cancelled, expired, refused, accepts, bytes;
};

// Ends the process by abort() where the library and the model differ.
void RunCalls(const uint8_t *bytes, size_t n, const CallsSetup &setup);
const CallsCounts &CountedCalls();
