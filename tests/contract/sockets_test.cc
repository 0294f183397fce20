// SPDX-License-Identifier: MIT
// The helpers for sockets: making them, their addresses and options, closing them.
#include "sockets.h"

#include <functional>

namespace {

using namespace evp;

/* ---- what all functions have in common ---- */

struct Call {
  const char *name;
  std::function<int32_t(evpoll_handle)> run;
};
const std::vector<Call> &SocketCalls() {
  static char bytes[EVPOLL_ADDRESS_CAPACITY];
  static int32_t number;
  static evpoll_handle handle;
  static const std::vector<Call> calls = {
      {"accept", [](evpoll_handle h) { return evpoll_socket_accept(h, &handle); }},
      {"recv", [](evpoll_handle h) { return evpoll_socket_recv(h, bytes, 1); }},
      {"send", [](evpoll_handle h) { return evpoll_socket_send(h, bytes, 1); }},
      {"recvfrom",
       [](evpoll_handle h) { return evpoll_socket_recvfrom(h, bytes, 1, nullptr, 0, nullptr); }},
      {"sendto", [](evpoll_handle h) { return evpoll_socket_sendto(h, bytes, 1, "127.0.0.1", 9); }},
      {"shutdown", [](evpoll_handle h) { return evpoll_socket_shutdown(h, EVPOLL_SHUTDOWN_BOTH); }},
      {"take_error", [](evpoll_handle h) { return evpoll_socket_take_error(h, &number); }},
      {"local_address",
       [](evpoll_handle h) {
         return evpoll_socket_local_address(h, bytes, sizeof bytes, &number);
       }},
      {"peer_address",
       [](evpoll_handle h) { return evpoll_socket_peer_address(h, bytes, sizeof bytes, &number); }},
      {"set_nodelay", [](evpoll_handle h) { return evpoll_socket_set_nodelay(h, 1); }},
  };
  return calls;
}

TEST(SocketCalls, RefuseWhatCannotBeAHandle) {
  for (const Call &call : SocketCalls())
    for (evpoll_handle h : kNoHandles) {
      EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, call.run(h)) << call.name << " " << h;
      EXPECT_EQ(0, evpoll_os_error());
    }
}

TEST(SocketCalls, RefuseWhatWasClosed) {
  for (const Call &call : SocketCalls()) {
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, call.run(ClosedSocket())) << call.name;
    EXPECT_NE(0, evpoll_os_error());
  }
}

TEST(SocketCalls, RefuseFiles) {
  TempFile file("abc");
  for (const Call &call : SocketCalls())
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, call.run(file.handle)) << call.name;
}

TEST(SocketCalls, RefuseWhatIsNoNumericAddress) {
  Udp udp;
  evpoll_handle h = kUntouched;
  for (const char *host : kNoHosts) {
    SCOPED_TRACE(host);
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_listen(host, 0, 0, &h));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_connect(host, 9, &h));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_udp_bind(host, 0, &h));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(udp.h, "x", 1, host, 9));
  }
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketCalls, RefuseAddressesOfAnyLength) {
  evpoll_handle h = kUntouched;
  for (size_t length : {40u, 63u, 64u, 65u, 5000u}) {
    const std::string zeros(length, '0');
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_udp_bind(zeros.c_str(), 0, &h)) << length;
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_udp_bind(("fe80::1%" + zeros + "x").c_str(), 0, &h))
        << length;
  }
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketCalls, RefuseNoAddress) {
  Udp udp;
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_listen(nullptr, 0, 0, &h));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_connect(nullptr, 9, &h));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_udp_bind(nullptr, 0, &h));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(udp.h, "x", 1, nullptr, 9));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketCalls, RefusePortsOutOfRange) {
  Udp udp;
  evpoll_handle h = kUntouched;
  for (int32_t port : {-1, 65536, INT32_MIN, INT32_MAX}) {
    SCOPED_TRACE(port);
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_listen("127.0.0.1", port, 0, &h));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_connect("127.0.0.1", port, &h));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_udp_bind("127.0.0.1", port, &h));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(udp.h, "x", 1, "127.0.0.1", port));
  }
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_connect("127.0.0.1", 0, &h));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(udp.h, "x", 1, "127.0.0.1", 0));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketCalls, RefuseNowhereToPutTheHandle) {
  Listener listener;
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_listen("127.0.0.1", 0, 0, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_connect("127.0.0.1", listener.port, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_accept(listener.h, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_udp_bind("127.0.0.1", 0, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_pair(&h, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_pair(nullptr, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketCalls, MeetTheLimitOfDescriptors) {
  Listener listener;
  NoMoreDescriptors no_more;
  GATE_LIMIT(no_more);
  evpoll_handle h = kUntouched, other = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_socket_tcp_listen("127.0.0.1", 0, 0, &h));
  EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_socket_tcp_connect("127.0.0.1", listener.port, &h));
  EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_socket_udp_bind("127.0.0.1", 0, &h));
  EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_socket_pair(&h, &other));
  EXPECT_EQ(kUntouched, h);
  EXPECT_EQ(kUntouched, other);
}

TEST(SocketCalls, AndFilesMakeHandlesThatChildrenDoNotInherit) {
  Pair pair;
  EVP_GATE(Inherited(pair.a) >= 0, "proc-fd", "a child cannot look at its descriptors");
  TcpPair tcp;
  Listener listener;
  Udp udp;
  TempFile file;
  for (evpoll_handle h : {pair.a, pair.b, tcp.a, tcp.b, listener.h, udp.h, file.handle})
    EXPECT_EQ(0, Inherited(h)) << h;
}

/* ---- listen, connect, accept ---- */

TEST(SocketListen, OnPort0FindsOneThatIsFree) {
  Listener one, other;
  EXPECT_LT(0, one.port);
  EXPECT_NE(one.port, other.port);
}

TEST(SocketListen, TakesTheSystemsBacklogFor0) {
  Listener listener("127.0.0.1", 0);
  Socket clients[8];
  for (Socket &client : clients)
    ASSERT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", listener.port, &client.h));
  int32_t error = -1;
  for (Socket &client : clients) { // all are connected before one was accepted
    EXPECT_EQ(uint32_t{EVPOLL_WRITABLE}, Await(client.h, EVPOLL_WRITABLE));
    EXPECT_EQ(0, evpoll_socket_take_error(client.h, &error));
    EXPECT_EQ(0, error);
  }
}

TEST(SocketListen, RefusesANegativeBacklog) {
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_listen("127.0.0.1", 0, -1, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketListen, RefusesAPortThatIsTaken) {
  Listener listener;
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_ADDRESS_IN_USE, evpoll_socket_tcp_listen("127.0.0.1", listener.port, 0, &h));
  EXPECT_NE(0, evpoll_os_error());
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketListen, RefusesAnAddressOfAnotherMachine) {
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_ADDRESS_UNAVAILABLE, evpoll_socket_tcp_listen("192.0.2.1", 0, 0, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketListen, TakesThePortOfAFormerServerWithConnectionsThatLinger) {
  Socket client, server, again;
  int32_t port;
  {
    Listener listener;
    port = listener.port;
    ASSERT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", port, &client.h));
    Await(listener.h, EVPOLL_READABLE);
    ASSERT_EQ(0, evpoll_socket_accept(listener.h, &server.h));
    server.Close(); // first, so that TIME_WAIT is on this side
  }
  EXPECT_EQ("", Received(client.h));
  client.Close();
  EXPECT_EQ(0, evpoll_socket_tcp_listen("127.0.0.1", port, 0, &again.h));
}

TEST(SocketListen, ServesIpv6) {
  GATE_IPV6();
  Listener listener("::1");
  Socket client, server;
  ASSERT_LE(0, evpoll_socket_tcp_connect("::1", listener.port, &client.h));
  Await(listener.h, EVPOLL_READABLE);
  ASSERT_EQ(0, evpoll_socket_accept(listener.h, &server.h));
  Send(server.h, "six");
  EXPECT_EQ("six", Received(client.h));
}

TEST(SocketListen, LeavesIpv4ToOthersOnIpv6) {
  GATE_IPV6();
  Listener listener("::");
  Socket v4;
  EXPECT_EQ(0, evpoll_socket_tcp_listen("0.0.0.0", listener.port, 0, &v4.h));
}

TEST(SocketConnect, IsWritableAndWithoutErrorWhenItSucceeded) {
  Listener listener;
  Socket client;
  const int32_t status = evpoll_socket_tcp_connect("127.0.0.1", listener.port, &client.h);
  EXPECT_TRUE(status == 0 || status == EVPOLL_IN_PROGRESS) << status;
  EXPECT_EQ(uint32_t{EVPOLL_WRITABLE}, Await(client.h, EVPOLL_WRITABLE));
  int32_t error = -1;
  EXPECT_EQ(0, evpoll_socket_take_error(client.h, &error));
  EXPECT_EQ(0, error);
}

TEST(SocketConnect, TellsThatItWasRefusedNowOrOnce) {
  Socket client;
  const int32_t port = DeadPort();
  int32_t status = evpoll_socket_tcp_connect("127.0.0.1", port, &client.h);
  if (status == EVPOLL_IN_PROGRESS) {
    const uint32_t failed = EVPOLL_WRITABLE | EVPOLL_ERROR;
    EXPECT_EQ(failed, Await(client.h, EVPOLL_WRITABLE) & failed);
    ASSERT_EQ(0, evpoll_socket_take_error(client.h, &status));
  } else {
    EXPECT_EQ(-1, client.h); // nothing was opened
  }
  EXPECT_EQ(EVPOLL_ERR_REFUSED, status);
  EXPECT_NE(0, evpoll_os_error());
}

TEST(SocketAccept, DoesNotBlock) {
  Listener listener;
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_accept(listener.h, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketAccept, MakesSocketsThatDoNotBlock) {
  TcpPair s;
  char byte;
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(s.b, &byte, 1));
}

TEST(SocketAccept, LeavesTheConnectionWhereItIsWhenDescriptorsRunOut) {
  Listener listener;
  Socket client, server;
  ASSERT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", listener.port, &client.h));
  Await(listener.h, EVPOLL_READABLE);
  {
    NoMoreDescriptors no_more;
    GATE_LIMIT(no_more);
    EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_socket_accept(listener.h, &server.h));
    EXPECT_EQ(-1, server.h);
  }
  EXPECT_EQ(0, evpoll_socket_accept(listener.h, &server.h));
}

TEST(SocketAccept, RefusesSocketsThatDoNotListen) {
  TcpPair s;
  Udp udp;
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_accept(s.a, &h));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_socket_accept(udp.h, &h));
  EXPECT_EQ(kUntouched, h);
}

/* ---- addresses, options, close ---- */

TEST(SocketAddress, OfOneEndIsThePeersOfTheOther) {
  TcpPair s;
  char local[EVPOLL_ADDRESS_CAPACITY], peer[EVPOLL_ADDRESS_CAPACITY];
  int32_t local_port = -1, peer_port = -2;
  EXPECT_EQ(0, evpoll_socket_local_address(s.a, local, sizeof local, &local_port));
  EXPECT_EQ(0, evpoll_socket_peer_address(s.b, peer, sizeof peer, &peer_port));
  EXPECT_STREQ("127.0.0.1", local);
  EXPECT_STREQ("127.0.0.1", peer);
  EXPECT_EQ(local_port, peer_port);
}

TEST(SocketAddress, OfIpv6IsText) {
  GATE_IPV6();
  Udp udp("::1");
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = -1;
  EXPECT_EQ(0, evpoll_socket_local_address(udp.h, host, sizeof host, &port));
  EXPECT_STREQ("::1", host);
  EXPECT_LT(0, port);
}

TEST(SocketAddress, OfUnixSocketsIsEmpty) {
  GATE_UNIX_SOCKETS();
  Pair s;
  char local[EVPOLL_ADDRESS_CAPACITY] = "?", peer[EVPOLL_ADDRESS_CAPACITY] = "?";
  int32_t local_port = -1, peer_port = -1;
  EXPECT_EQ(0, evpoll_socket_local_address(s.a, local, sizeof local, &local_port));
  EXPECT_EQ(0, evpoll_socket_peer_address(s.a, peer, sizeof peer, &peer_port));
  EXPECT_STREQ("", local);
  EXPECT_STREQ("", peer);
  EXPECT_EQ(0, local_port);
  EXPECT_EQ(0, peer_port);
}

TEST(SocketAddress, FillsItsRoomToTheLastByteAndNoFurther) {
  TcpPair s;
  char host[11] = "??????????";
  int32_t port = -1;
  EXPECT_EQ(0, evpoll_socket_local_address(s.a, host, 10, &port));
  EXPECT_STREQ("127.0.0.1", host);
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_local_address(s.a, host, 9, &port));
  EXPECT_EQ(0, evpoll_os_error());
  EXPECT_EQ(0, evpoll_socket_peer_address(s.a, host, 10, &port));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_peer_address(s.a, host, 9, &port));
}

TEST(SocketAddress, NeedsRoomForHostAndPort) {
  TcpPair s;
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = -1;
  for (const auto ask : {evpoll_socket_local_address, evpoll_socket_peer_address}) {
    EXPECT_EQ(EVPOLL_ERR_INVALID, ask(s.a, nullptr, sizeof host, &port));
    EXPECT_EQ(EVPOLL_ERR_INVALID, ask(s.a, nullptr, 0, &port));
    EXPECT_EQ(EVPOLL_ERR_INVALID, ask(s.a, host, 0, &port));
    EXPECT_EQ(EVPOLL_ERR_INVALID, ask(s.a, host, -1, &port));
    EXPECT_EQ(EVPOLL_ERR_INVALID, ask(s.a, host, sizeof host, nullptr));
  }
}

TEST(SocketAddress, OfThePeerNeedsAPeer) {
  Udp udp;
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = -1;
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, evpoll_socket_peer_address(udp.h, host, sizeof host, &port));
}

TEST(SocketNodelay, GoesOnAndOff) {
  TcpPair s;
  EXPECT_EQ(0, evpoll_socket_set_nodelay(s.a, 1));
  EXPECT_EQ(0, evpoll_socket_set_nodelay(s.a, 0));
}

TEST(SocketNodelay, RefusesOtherValues) {
  TcpPair s;
  for (int32_t on : {2, -1, INT32_MIN, INT32_MAX})
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_set_nodelay(s.a, on)) << on;
}

TEST(SocketNodelay, IsForTcpOnly) {
  Udp udp;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_socket_set_nodelay(udp.h, 1));
}

TEST(SocketNodelay, IsNotForUnixSockets) {
  GATE_UNIX_SOCKETS();
  Pair s;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_socket_set_nodelay(s.a, 1));
}

TEST(SocketClose, WorksOnce) {
  Pair s;
  EXPECT_EQ(0, evpoll_socket_close(s.a));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_socket_close(s.a));
  s.a = -1;
}

TEST(SocketClose, RefusesWhatCannotBeAHandle) {
  for (evpoll_handle h : kNoHandles) {
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_socket_close(h)) << h;
    EXPECT_EQ(0, evpoll_os_error());
  }
}

} // namespace
