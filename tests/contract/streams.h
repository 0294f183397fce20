// SPDX-License-Identifier: MIT
// What the tests of operations on streams share: entries, and what becomes of them.
#ifndef EVP_TESTS_CONTRACT_STREAMS_H
#define EVP_TESTS_CONTRACT_STREAMS_H

#include "sockets.h"

#include <list>

namespace evp {

// Over one connection, of which s.b is served.
class StreamContract : public Contract {
protected:
  void SetUp() override {
    Contract::SetUp();
    ASSERT_EQ(0, Serve(p, s.b));
  }
  evpoll_io Io(uint32_t code, uint64_t token, void *buffer, uint64_t length, uint32_t flags = 0) {
    evpoll_io io = MakeIo(code, s.b, token, buffer, length);
    io.flags = flags;
    return io;
  }
  evpoll_io Read(uint64_t token = 1, uint32_t flags = 0) {
    return Io(EVPOLL_OP_READ, token, bytes, sizeof bytes, flags);
  }
  evpoll_io Write(const std::string &text, uint64_t token = 2, uint32_t flags = 0) {
    return Io(EVPOLL_OP_WRITE, token, const_cast<char *>(text.data()), text.size(), flags);
  }
  evpoll_io Write(std::string &&text, uint64_t token = 2, uint32_t flags = 0) {
    kept.push_back(std::move(text)); /* until the test ends */
    return Write(kept.back(), token, flags);
  }
  evpoll_io Poll(uint64_t bits, uint64_t token = 3, uint32_t flags = 0) {
    return Io(EVPOLL_OP_POLL, token, nullptr, bits, flags);
  }
  // Accepted, and in flight.
  uint64_t Start(evpoll_io io) {
    EXPECT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
    EXPECT_EQ(0, io.status);
    EXPECT_NE(0u, io.op);
    return io.op;
  }
  // Ended in the call; what it came to.
  int64_t Here(evpoll_io io) {
    io.flags |= EVPOLL_OPF_INLINE;
    EXPECT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
    EXPECT_EQ(0u, io.op);
    return io.offset;
  }
  int32_t Refused(evpoll_io io) {
    EXPECT_EQ(0, evpoll_submit(p, &io, 1));
    EXPECT_EQ(0u, io.op);
    return io.status;
  }
  void ExpectEvent(const evpoll_event &e, uint64_t token, int32_t status, int64_t result) {
    EXPECT_EQ(token, e.token);
    EXPECT_EQ(status, e.status) << evpoll_strerror(e.status);
    EXPECT_EQ(result, e.result);
    EXPECT_EQ(EVPOLL_IO, static_cast<int>(e.events));
  }
  std::string Got(int64_t n) { return std::string(bytes, static_cast<size_t>(n)); }

  TcpPair s;
  char bytes[4096] = {};
  std::list<std::string> kept;
};

// Closes a socket with a reset, which is on its way on return.
inline void CloseWithReset(evpoll_handle &h) {
  evpoll *p = nullptr;
  evpoll_event event = {};
  evpoll_io io = MakeIo(EVPOLL_OP_CLOSE, h, 1);
  io.flags = EVPOLL_OPF_ABORT;
  EXPECT_EQ(0, evpoll_open(nullptr, &p));
  EXPECT_EQ(0, Serve(p, h));
  EXPECT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(1, evpoll_wait(p, &event, 1, kLong));
  EXPECT_EQ(0, event.status);
  EXPECT_EQ(0, evpoll_close(p, kLong));
  h = -1;
}

#define EVP_STREAMS(Suite)                                                                         \
  class Suite : public ::evp::StreamContract {};                                                   \
  INSTANTIATE_TEST_SUITE_P(On, Suite, ::testing::ValuesIn(::evp::Configs()), ::evp::ConfigName)

} // namespace evp

#endif
