// SPDX-License-Identifier: MIT
// What the tests of the helpers for sockets share. They need no poller, so none is parameterised.
#ifndef EVP_TESTS_CONTRACT_SOCKETS_H
#define EVP_TESTS_CONTRACT_SOCKETS_H

#include "contract.h"

namespace evp {

constexpr evpoll_handle kUntouched = -77;
constexpr evpoll_handle kNoHandles[] = {-1, INT64_MIN, INT64_MAX};
// clang-format off
constexpr const char *kNoHosts[] = {
    "", "localhost", "127.0.0.1:80", " 127.0.0.1", "127.0.0.1 ", "1.2.3", "1.2.3.4.5", "256.0.0.1",
    "[::1]", "::1::", ":", "fe80::1%", "::1%no-such-interface", "::1%4294967296",
    "::ffff:127.0.0.1"};
// clang-format on

struct Socket {
  evpoll_handle h = -1;
  Socket() = default;
  ~Socket() { Close(); }
  Socket(const Socket &) = delete;
  void Close() {
    if (h >= 0) {
      EXPECT_EQ(0, evpoll_socket_close(h));
    }
    h = -1;
  }
};
struct Listener : Socket {
  int32_t port = 0;
  explicit Listener(const char *host = "127.0.0.1", int32_t backlog = 16) {
    EXPECT_EQ(0, evpoll_socket_tcp_listen(host, 0, backlog, &h));
    port = PortOf(h);
  }
};
struct Udp : Socket {
  int32_t port = 0;
  explicit Udp(const char *host = "127.0.0.1") {
    EXPECT_EQ(0, evpoll_socket_udp_bind(host, 0, &h));
    port = PortOf(h);
  }
};

// Waits until a socket has any of the bits and returns them.
inline uint32_t Await(evpoll_handle h, uint32_t interest) {
  evpoll *p = nullptr;
  evpoll_event event = {};
  EXPECT_EQ(0, evpoll_open(nullptr, &p));
  const int32_t status = evpoll_add(p, h, 1, interest, EVPOLL_LEVEL);
  if (status == EVPOLL_ERR_BUSY) { // on Windows one poller at a time watches a socket
    EXPECT_TRUE(!(interest & EVPOLL_READABLE) || Until([&] { return HasData(h); }));
    event.events = interest;
  } else {
    EXPECT_EQ(0, status);
    EXPECT_EQ(1, evpoll_wait(p, &event, 1, kLong));
    EXPECT_EQ(0, evpoll_remove(p, h, 1));
  }
  EXPECT_EQ(0, evpoll_close(p, kLong));
  return event.events;
}

inline bool PairsAreUnixSockets() {
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  evpoll *p = nullptr;
  EXPECT_EQ(0, evpoll_open(nullptr, &p));
  EXPECT_EQ(0, evpoll_info(p, &info));
  EXPECT_EQ(0, evpoll_close(p, kLong));
  return info.backend != EVPOLL_BACKEND_AFD;
}
#define GATE_UNIX_SOCKETS() EVP_GATE(PairsAreUnixSockets(), "unix-pair", "pairs are TCP here")

inline bool HasIpv6() {
  Socket s;
  return evpoll_socket_udp_bind("::1", 0, &s.h) == 0;
}
#define GATE_IPV6() EVP_GATE(HasIpv6(), "ipv6", "no socket can be bound to ::1")

#define GATE_LIMIT(no_more)                                                                        \
  EVP_GATE((no_more).works, "descriptor-limit", "the process has no limit that can be lowered")

// The number of a socket that is no longer open.
inline evpoll_handle ClosedSocket() {
  Pair s;
  return s.a;
}

inline std::string Received(evpoll_handle h) {
  Await(h, EVPOLL_READABLE);
  return Drain(h);
}

} // namespace evp

#endif
