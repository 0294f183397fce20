// SPDX-License-Identifier: MIT
// Readiness of sockets that are not streams: datagrams and listeners.
#include "sockets.h"

namespace {

using namespace evp;

EVP_CONTRACT(Datagrams);

struct Peer : Udp {
  void SendTo(const Peer &to, const std::string &text) {
    EXPECT_EQ(static_cast<int32_t>(text.size()),
              evpoll_socket_sendto(h, text.data(), text.size(), "127.0.0.1", to.port));
  }
  // The length of the next datagram, or a status.
  int32_t Next() {
    char bytes[64];
    return evpoll_socket_recvfrom(h, bytes, sizeof bytes, nullptr, 0, nullptr);
  }
};

TEST_P(Datagrams, AreReportedAsReadable) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Peer a, b;
    ASSERT_EQ(0, evpoll_add(p, a.h, 7, EVPOLL_READABLE, mode));
    ExpectQuiet();
    b.SendTo(a, "abc");
    const evpoll_event e = WaitOne();
    EXPECT_EQ(7u, e.token);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), e.events);
    EXPECT_EQ(3, a.Next());
    EXPECT_EQ(0, evpoll_remove(p, a.h, 7));
  }
}

TEST_P(Datagrams, OfNoBytesAreReportedAndAreNoEndOfStream) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Peer a, b;
    ASSERT_EQ(0, evpoll_add(p, a.h, 7, EVPOLL_READABLE, mode));
    b.SendTo(a, "");
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
    EXPECT_EQ(0, a.Next());
    EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, a.Next());
    ExpectQuiet();
    EXPECT_EQ(0, evpoll_remove(p, a.h, 7));
  }
}

TEST_P(Datagrams, AreReportedUntilTheLastWasReceived) {
  Peer a, b;
  ASSERT_EQ(0, evpoll_add(p, a.h, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (const char *text : {"a", "", "ccc"}) b.SendTo(a, text);
  for (int32_t length : {1, 0, 3}) {
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
    EXPECT_EQ(length, a.Next());
  }
  ExpectQuiet();
}

TEST_P(Datagrams, CanBeSentWhenWritableIsReported) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Peer a;
    ASSERT_EQ(0, evpoll_add(p, a.h, 7, EVPOLL_WRITABLE, mode));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
    a.SendTo(a, "x");
    EXPECT_EQ(0, evpoll_remove(p, a.h, 7));
  }
}

EVP_CONTRACT(Listeners);

struct Server : Listener {
  std::vector<evpoll_handle> open;
  ~Server() {
    for (evpoll_handle each : open) EXPECT_EQ(0, evpoll_socket_close(each));
  }
  void Connect() {
    evpoll_handle client = -1;
    EXPECT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", port, &client));
    if (client >= 0) open.push_back(client);
  }
  int32_t Accept() {
    evpoll_handle server = -1;
    const int32_t status = evpoll_socket_accept(h, &server);
    if (status == 0) open.push_back(server);
    return status;
  }
};

TEST_P(Listeners, AreReadableWhenAConnectionWaits) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Server l;
    ASSERT_EQ(0, evpoll_add(p, l.h, 7, EVPOLL_READABLE, mode));
    ExpectQuiet();
    EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, l.Accept());
    l.Connect();
    const evpoll_event e = WaitOne();
    EXPECT_EQ(7u, e.token);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), e.events);
    EXPECT_EQ(0, l.Accept());
    EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, l.Accept());
    ExpectQuiet();
    EXPECT_EQ(0, evpoll_remove(p, l.h, 7));
  }
}

TEST_P(Listeners, StayReadableUntilTheLastConnectionWasAccepted) {
  Server l;
  ASSERT_EQ(0, evpoll_add(p, l.h, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (int i = 0; i < 3; i++) l.Connect();
  for (int i = 0; i < 3; i++) {
    WaitOne();
    EXPECT_EQ(0, l.Accept());
  }
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, l.Accept());
  ExpectQuiet();
}

TEST_P(Listeners, InEdgeModeReportTheNextConnectionAfterARearm) {
  Server l;
  ASSERT_EQ(0, evpoll_add(p, l.h, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  for (int i = 0; i < 20; i++) {
    l.Connect();
    // More reports are allowed: one of those may find nothing to accept.
    ASSERT_TRUE(Until([&] {
      WaitOne();
      const int32_t status = l.Accept();
      while (l.Accept() == 0) {
      }
      EXPECT_EQ(0, evpoll_rearm(p, l.h, 7, EVPOLL_READABLE));
      return status == 0;
    }));
  }
}

} // namespace
