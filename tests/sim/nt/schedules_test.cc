// SPDX-License-Identifier: MIT
// Random programs on the simulated kernel, each with its own seed: the program, the order in which
// things arrive, which thread runs, and which call fails.
//
//   EVPOLL_SIM_SEED=n        one of them
//   EVPOLL_SIM_SCHEDULES=n   how many (100,000), for at most EVPOLL_SIM_SECONDS (no limit)
#include "program.h"

#include "sim.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace {

uint64_t Variable(const char *name, uint64_t otherwise) {
  const char *text = std::getenv(name);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

nt_options OptionsOf(Choices &choices, uint64_t seed) {
  static const nt_lsp layers[] = {NT_LSP_BASE, NT_LSP_BELOW, NT_LSP_SELECT_ONLY, NT_LSP_POLL_ONLY,
                                  NT_LSP_BSP_ONLY};
  nt_options o = {};
  o.seed = seed;
  o.wine = choices.Chance(1, 4);
  o.lsp = choices.Chance(1, 8) ? layers[choices.Below(5)] : NT_LSP_NONE;
  o.layers = 1 + choices.Below(3);
  return o;
}

// A program that goes round in circles is a failure like any other.
void Stuck(int) { nt_violation("the program does not end"); }

void RunOne(uint64_t seed, bool faults, Counters *total) {
  Choices choices(seed * 0x9e3779b97f4a7c15u);
  const nt_options options = OptionsOf(choices, seed);
  alarm(20);
  nt_boot(&options);
  {
    Program program(choices, choices.Chance(1, 8));
    if (choices.Chance(1, 5) && faults) nt_fail(nullptr, 1 + choices.Below(200));
    program.Run(10 + static_cast<int>(choices.Below(60)));
    total->steps += program.counters.steps;
    total->events += program.counters.events;
    total->faults += program.counters.faults;
  }
  nt_halt();
  total->programs++;
}

// AddressSanitizer ends the program itself: the seed is to be told all the same.
void TellSeed() {
  std::fprintf(stderr, "EVPOLL_SIM_SEED=%llu\n", static_cast<unsigned long long>(nt_seed()));
}

} // namespace

extern "C" void __sanitizer_set_death_callback(void (*)()) __attribute__((weak));

int main() {
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(TellSeed);
  std::signal(SIGALRM, Stuck);
  Counters total, warm;
  RunOne(1, false,
         &warm); // what the library does once in a process is done: a seed alone tells the rest
  if (const uint64_t seed = Variable("EVPOLL_SIM_SEED", 0)) {
    RunOne(seed, true, &total);
  } else {
    const auto end = std::chrono::steady_clock::now() +
                     std::chrono::seconds(Variable("EVPOLL_SIM_SECONDS", 100000));
    const uint64_t n = Variable("EVPOLL_SIM_SCHEDULES", 100000);
    const uint64_t first = Variable("EVPOLL_SIM_FIRST", 1);
    for (uint64_t i = 0; i < n && std::chrono::steady_clock::now() < end; i++)
      RunOne(first + i, true, &total);
  }
  std::printf(
      "%llu schedules, %llu steps, %llu events, %llu with a failed call\n",
      static_cast<unsigned long long>(total.programs), static_cast<unsigned long long>(total.steps),
      static_cast<unsigned long long>(total.events), static_cast<unsigned long long>(total.faults));
  return total.programs == 0;
}
