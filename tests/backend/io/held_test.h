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
    Register();
    EVP_GATE(Pool() || held.stacks(), "overlay", "an overlay file system cannot be mounted");
    held.Hold();
  }
  void TearDown() override {
    held.Release();
    Contract::TearDown();
  }
  void Open(uint32_t more_flags = 0, uint32_t io_limit = 0) {
    Contract::Open(more_flags, io_limit);
    Register();
  }
  // As Open(), with that many threads in the pool.
  void OpenWithThreads(uint32_t pool_threads) {
    Close();
    evpoll_options options = {};
    options.struct_size = sizeof options;
    options.flags = GetParam().flags;
    options.pool_threads = pool_threads;
    ASSERT_EQ(0, evpoll_open(&options, &p));
    Register();
  }
  // Whether the pool serves what would be io_uring's.
  bool Pool() {
    struct evpoll_poller_info info = {};
    info.struct_size = sizeof info;
    EXPECT_EQ(0, evpoll_info(p, &info));
    return info.io_engine != EVPOLL_ENGINE_IO_URING;
  }
  // The file of a token: io_uring's, if it can be.
  int Fd(uint64_t token) { return Pool() ? held.fd(token) : held.stacked(token); }
  // An operation that can be held, on a file of its own for tokens 0 to 7.
  evpoll_io Slow(uint64_t token) {
    if (!Pool()) return MakeIo(EVPOLL_OP_READ, Fd(token), token, &bytes[token % 64], 1);
    return MakeIo(token % 2 ? EVPOLL_OP_FSYNC : EVPOLL_OP_FDATASYNC, Fd(token), token);
  }
  // Submits it and waits until it runs, held.
  evpoll_io Start(uint64_t token) {
    evpoll_io io = Slow(token);
    const size_t before = held.Held();
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    EXPECT_TRUE(held.AwaitHeld(before + 1)) << "it does not run";
    return io;
  }

  HeldFile held;
  char bytes[64] = {};

private:
  void Register() {
    for (size_t i = 0; held.good() && i < HeldFile::kFiles; i++) {
      ASSERT_EQ(0, Serve(p, held.fd(i)));
      if (held.stacks()) {
        ASSERT_EQ(0, Serve(p, held.stacked(i)));
      }
    }
  }
};

#define EVP_HELD_SOME(Suite, configs)                                                              \
  class Suite : public ::evp::HeldContract {};                                                     \
  GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Suite);                                            \
  INSTANTIATE_TEST_SUITE_P(On, Suite, ::testing::ValuesIn(configs), ::evp::ConfigName)

} // namespace evp
