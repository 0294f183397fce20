// SPDX-License-Identifier: MIT
// What tests/backend/io/held_file.cc asks of a test framework, for a program that is none.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

#define EXPECT_EQ(wanted, got)                                                                     \
  do {                                                                                             \
    if ((wanted) != (got)) {                                                                       \
      std::perror(#got);                                                                           \
      std::abort();                                                                                \
    }                                                                                              \
  } while (0)

template <typename Condition> bool Until(Condition condition) {
  for (int i = 0; i < 100000; i++) {
    if (condition()) return true;
    usleep(1000);
  }
  return false;
}
