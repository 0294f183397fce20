// SPDX-License-Identifier: MIT
#include "random_calls.h"

int main(int argc, char **argv) {
  CallsSetup setup;
  setup.threads = true;
  return RunRandomCalls(argc, argv, setup);
}
