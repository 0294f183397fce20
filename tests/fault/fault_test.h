// SPDX-License-Identifier: MIT
// What the fault tests share.
#pragma once

#include "contract.h"
#include "interpose.h"

#include <cerrno>

namespace evp {

// Runs body for the 1st, 2nd, 3rd ... call, which body lets fail: it arms, calls, disarms, checks,
// and returns how many failures there were. Ends when there was none, and returns how many calls
// could fail.
template <class Body> int EachFailing(Body body) {
  for (int nth = 1; nth < 2000; nth++) {
    SCOPED_TRACE("failing call " + std::to_string(nth));
    if (body(nth) == 0 || ::testing::Test::HasFatalFailure()) return nth - 1;
  }
  ADD_FAILURE() << "there is no end to the calls";
  return -1;
}

// The poller of the fixture is closed before each test: what is counted is what the test does.
class FaultTest : public Contract {
protected:
  void SetUp() override {
    Contract::SetUp();
    // Once: the C library's own caches.
    RunIo(Read(1));
    Close();
    pieces = fault::LivePieces();
    descriptors = fault::OpenDescriptors();
  }
  void TearDown() override {
    fault::Disarm();
    Close();
    ExpectNothingLeft();
  }
  void ExpectNothingLeft() {
    EXPECT_EQ(pieces, fault::LivePieces()) << "memory was lost";
    EXPECT_EQ(descriptors, fault::OpenDescriptors()) << "descriptors were lost";
  }
  // evpoll_open() with this configuration, without its file; p is NULL if it fails.
  int32_t TryOpen() {
    evpoll_options options = {};
    options.struct_size = sizeof options;
    options.flags = GetParam().flags;
    return evpoll_open(&options, &p);
  }
  evpoll_io Read(uint64_t token) {
    return MakeIo(EVPOLL_OP_READ, file.handle, token, &bytes[token % bytes.size()], 1);
  }
  // The poller serves a socket, a post and a file, as if nothing had happened.
  void ExpectUsable() {
    Pair pair;
    Send(pair.b, "x");
    ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_ONESHOT));
    ASSERT_EQ(0, evpoll_post(p, 6, 1));
    evpoll_io io = Read(7);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
    uint64_t sum = 0;
    for (const evpoll_event &e : WaitFor(3)) {
      sum += e.token;
      EXPECT_EQ(EVPOLL_OK, e.status);
    }
    EXPECT_EQ(5u + 6 + 7, sum);
    EXPECT_EQ(0, evpoll_remove(p, pair.a, 5));
    ExpectQuiet();
  }

  File file{*this, std::string(4096, 'f')};
  std::vector<char> bytes = std::vector<char>(4096);
  size_t pieces = 0, descriptors = 0;
};

} // namespace evp
