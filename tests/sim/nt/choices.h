// SPDX-License-Identifier: MIT
// Where a random program takes its decisions from: a seed, or the bytes of a fuzzer.
#pragma once

#include <cstddef>
#include <cstdint>

class Choices {
public:
  explicit Choices(uint64_t seed) : state_(seed ? seed : 1) {}
  Choices(const uint8_t *bytes, size_t size) : bytes_(bytes), left_(size) {}

  // Below n. A fuzzer that has run out of bytes always chooses 0.
  uint32_t Below(uint32_t n) {
    if (!bytes_) return Next() % n;
    if (left_ == 0) return 0;
    left_--;
    return *bytes_++ % n;
  }
  bool Chance(uint32_t n, uint32_t of) { return Below(of) < n; }
  bool Empty() const { return bytes_ && left_ == 0; }

private:
  uint32_t Next() { // xorshift64*
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<uint32_t>(state_ * 2685821657736338717u >> 32);
  }
  uint64_t state_ = 1;
  const uint8_t *bytes_ = nullptr;
  size_t left_ = 0;
};
