// SPDX-License-Identifier: MIT
// What the tests with held operations share.
#pragma once

#include "contract.h"
#include "held_file.h"

namespace evp {

class HeldContract : public Contract {
protected:
  void SetUp() override {
    Contract::SetUp();
    EVP_GATE(held.good(), "fuse", held.why().c_str());
    held.Hold();
  }
  void TearDown() override {
    held.Release();
    Contract::TearDown();
  }
  // As Open(), with that many threads in the pool.
  void OpenWithThreads(uint32_t pool_threads) {
    Close();
    evpoll_options options = {};
    options.struct_size = sizeof options;
    options.flags = GetParam().flags;
    options.pool_threads = pool_threads;
    ASSERT_EQ(0, evpoll_open(&options, &p));
  }
  bool Pool() const { return GetParam().flags & EVPOLL_OPEN_NO_URING; }
  // An operation that can be held, on a file of its own for tokens 0 to 7.
  evpoll_io Sync(uint64_t token) {
    return MakeIo(token % 2 ? EVPOLL_IO_FSYNC : EVPOLL_IO_FDATASYNC, held.fd(token), token);
  }
  // Submits it and waits until it runs, held.
  evpoll_io Start(uint64_t token) {
    evpoll_io io = Sync(token);
    const size_t before = held.Held();
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    EXPECT_TRUE(held.AwaitHeld(before + 1)) << "it does not run";
    return io;
  }

  HeldFile held;
};

#define EVP_HELD_SOME(Suite, configs)                                                              \
  class Suite : public ::evp::HeldContract {};                                                     \
  GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Suite);                                            \
  INSTANTIATE_TEST_SUITE_P(On, Suite, ::testing::ValuesIn(configs), ::evp::ConfigName)

} // namespace evp
