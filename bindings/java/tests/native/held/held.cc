// SPDX-License-Identifier: MIT
// Serves files whose syncs end when the test wants, to another process: it reads commands and
// answers each with a line. The first line is "files /proc/PID/fd/N", or why there are none.
#include <unistd.h>

#include <iostream>
#include <string>

#include "held_file.h"

int main() {
  evp::HeldFile files;
  if (!files.good()) {
    std::cout << "none: " << files.why() << std::endl;
    return 0;
  }
  std::cout << "file /proc/" << getpid() << "/fd/" << files.fd() << std::endl;
  for (std::string command; std::cin >> command;) {
    size_t n = 0;
    if (command == "hold") files.Hold();
    if (command == "release") files.Release();
    if (command == "obey") files.ObeyInterrupts();
    if (command == "await" && std::cin >> n && !files.AwaitHeld(n)) return 1;
    std::cout << "done" << std::endl;
  }
  return 0;
}
