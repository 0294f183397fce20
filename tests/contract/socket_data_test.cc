// SPDX-License-Identifier: MIT
// The helpers that send and receive: streams and datagrams.
#include "sockets.h"

#include <cstring>

namespace {

using namespace evp;

/* ---- streams ---- */

TEST(SocketPair, CarriesBytesBothWays) {
  Pair s;
  Send(s.a, "there");
  Send(s.b, "back");
  EXPECT_EQ("there", Received(s.b));
  EXPECT_EQ("back", Received(s.a));
}

TEST(SocketPair, DoesNotBlock) {
  Pair s;
  char byte;
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(s.a, &byte, 1));
  EXPECT_NE(0, evpoll_os_error());
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(s.b, &byte, 1));
}

TEST(SocketRecv, GivesNoMoreThanAskedFor) {
  Pair s;
  Send(s.a, "abc");
  Await(s.b, EVPOLL_READABLE);
  char bytes[2] = {'-', '-'};
  EXPECT_EQ(1, evpoll_socket_recv(s.b, bytes, 1));
  EXPECT_EQ("a-", std::string(bytes, 2));
  EXPECT_EQ("bc", Drain(s.b));
}

TEST(SocketRecv, TakesLengthsBeyond32Bits) {
  Pair s;
  Send(s.a, "abc");
  Await(s.b, EVPOLL_READABLE);
  // Not on the stack: behind it there is no room for the 2 GiB that the system is told of.
  static char bytes[16] = "";
  const bool unlooked = PairsAreUnixSockets() && evpoll_socket_recv(s.b, bytes, 64 << 20) == 3;
  EVP_GATE(unlooked, "whole-buffer", "the system, or its emulator, looks at the whole buffer");
  Send(s.a, "abc");
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(3, evpoll_socket_recv(s.b, bytes, uint64_t{1} << 32)); // as 32 bits: no bytes at all
  EXPECT_STREQ("abc", bytes);
  Send(s.a, "def");
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(3, evpoll_socket_recv(s.b, bytes, UINT64_MAX));
  EXPECT_STREQ("def", bytes);
}

TEST(SocketRecv, IsZeroAtTheEndOfTheStream) {
  Pair s;
  Send(s.a, "last");
  s.CloseA();
  EXPECT_EQ("last", Received(s.b));
  char byte;
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(0, evpoll_socket_recv(s.b, &byte, 1));
}

TEST(SocketRecv, TellsThatThePeerReset) {
  EVP_GATE(!RunsOnWine(), "recv-after-reset", "Wine: recv gives 0 after a reset");
  TcpPair s;
  ResetB(s);
  char byte;
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(EVPOLL_ERR_RESET, evpoll_socket_recv(s.b, &byte, 1));
}

TEST(SocketRecv, RefusesSocketsWithoutAPeer) {
  Listener listener;
  char byte;
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, evpoll_socket_recv(listener.h, &byte, 1));
}

TEST(SocketRecv, RefusesABufferThatIsNotMapped) {
  Pair s;
  Send(s.a, "abc");
  Await(s.b, EVPOLL_READABLE);
  void *nowhere = reinterpret_cast<void *>(uintptr_t{8});
  EXPECT_EQ(EVPOLL_ERR_FAULT, evpoll_socket_recv(s.b, nowhere, 3));
}

TEST(SocketRecv, RefusesNoBuffer) {
  Pair s;
  char byte;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_recv(s.a, nullptr, 1));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_recv(s.a, &byte, 0));
}

TEST(SocketSend, SaysWhenThereIsNoRoom) {
  Pair s;
  FillUp(s.a);
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_send(s.a, "x", 1));
}

TEST(SocketSend, OfNoBytesToAStreamDoesNothing) {
  Pair s;
  EXPECT_EQ(0, evpoll_socket_send(s.a, "", 0));
  char byte;
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(s.b, &byte, 1));
}

TEST(SocketSend, RefusesNoBuffer) {
  Pair s;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_send(s.a, nullptr, 1));
}

TEST(SocketSend, RefusesSocketsWithoutAPeer) {
  Udp udp;
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, evpoll_socket_send(udp.h, "x", 1));
}

TEST(SocketSend, FailsAfterItsSideWasShutDown) {
  Pair s;
  ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
  EXPECT_EQ(EVPOLL_ERR_BROKEN_PIPE, evpoll_socket_send(s.a, "x", 1));
}

// Sends until that fails, which it must.
int32_t SendUntilFailure(evpoll_handle h) {
  for (;;) {
    const int32_t n = evpoll_socket_send(h, "x", 1);
    if (n < 0 && n != EVPOLL_ERR_WOULD_BLOCK) return n;
    if (Await(h, EVPOLL_WRITABLE) == 0) return n; // a failure of its own
  }
}

TEST(SocketSend, ToAPeerThatIsGoneFailsWithoutASignal) {
  PipeSignals signals;
  Pair local;
  TcpPair tcp;
  local.CloseB();
  tcp.CloseB();
  for (evpoll_handle h : {local.a, tcp.a})
    for (int again = 0; again < 2; again++) {
      const int32_t status = SendUntilFailure(h);
      EXPECT_TRUE(status == EVPOLL_ERR_BROKEN_PIPE || status == EVPOLL_ERR_RESET) << status;
    }
  EXPECT_EQ(0, signals.Count());
}

TEST(SocketShutdown, OfWritingIsTheEndOfThePeersStream) {
  TcpPair s;
  Send(s.a, "last");
  EXPECT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
  EXPECT_EQ("last", Received(s.b));
  char byte;
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(0, evpoll_socket_recv(s.b, &byte, 1));
  Send(s.b, "still"); // the other direction goes on
  EXPECT_EQ("still", Received(s.a));
}

TEST(SocketShutdown, OfReadingLeavesWriting) {
  TcpPair s;
  EXPECT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_READ));
  Send(s.a, "still");
  EXPECT_EQ("still", Received(s.b));
}

TEST(SocketShutdown, OfBothEndsBoth) {
  TcpPair s;
  EXPECT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_BOTH));
  EXPECT_EQ(EVPOLL_ERR_BROKEN_PIPE, evpoll_socket_send(s.a, "x", 1));
  EXPECT_EQ("", Received(s.b));
}

TEST(SocketShutdown, RefusesOtherDirections) {
  Pair s;
  for (int32_t how : {0, 4, -1, INT32_MIN, INT32_MAX})
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_shutdown(s.a, how)) << how;
}

TEST(SocketShutdown, RefusesSocketsWithoutAPeer) {
  Udp udp;
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, evpoll_socket_shutdown(udp.h, EVPOLL_SHUTDOWN_BOTH));
}

TEST(SocketTakeError, IsZeroWhereThereIsNone) {
  Pair s;
  int32_t error = -1;
  EXPECT_EQ(0, evpoll_socket_take_error(s.a, &error));
  EXPECT_EQ(0, error);
}

TEST(SocketTakeError, GivesAnErrorOnce) {
  TcpPair s;
  ResetB(s);
  Await(s.b, EVPOLL_READABLE);
  int32_t error = 0;
  EXPECT_EQ(0, evpoll_socket_take_error(s.b, &error));
  EXPECT_EQ(EVPOLL_ERR_RESET, error);
  EXPECT_NE(0, evpoll_os_error());
  EXPECT_EQ(0, evpoll_socket_take_error(s.b, &error));
  EXPECT_EQ(0, error);
  EXPECT_EQ(0, evpoll_os_error());
}

TEST(SocketTakeError, RefusesNowhereToPutIt) {
  Pair s;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_take_error(s.a, nullptr));
}

/* ---- datagrams ---- */

// Receives one datagram; from is "host port".
int32_t ReceiveFrom(evpoll_handle h, std::string &bytes, std::string &from) {
  char host[EVPOLL_ADDRESS_CAPACITY] = "?";
  int32_t port = -1;
  Await(h, EVPOLL_READABLE);
  const int32_t n = evpoll_socket_recvfrom(h, bytes.data(), bytes.size(), host, sizeof host, &port);
  from = host + std::string(" ") + std::to_string(port);
  return n;
}

void ExpectDatagramsOver(const char *host) {
  Udp one(host), other(host);
  EXPECT_EQ(5, evpoll_socket_sendto(one.h, "hello", 5, host, other.port));
  std::string bytes(16, '-'), from;
  EXPECT_EQ(5, ReceiveFrom(other.h, bytes, from));
  EXPECT_EQ("hello-", bytes.substr(0, 6));
  EXPECT_EQ(host + std::string(" ") + std::to_string(one.port), from);
}

TEST(SocketDatagram, ComesWithItsSendersAddress) { ExpectDatagramsOver("127.0.0.1"); }

TEST(SocketDatagram, ComesWithItsSendersIpv6Address) {
  GATE_IPV6();
  ExpectDatagramsOver("::1");
}

TEST(SocketDatagram, MayBeEmpty) {
  Udp udp;
  EXPECT_EQ(0, evpoll_socket_sendto(udp.h, nullptr, 0, "127.0.0.1", udp.port));
  std::string bytes(16, '-'), from;
  EXPECT_EQ(0, ReceiveFrom(udp.h, bytes, from));
  EXPECT_EQ("127.0.0.1 " + std::to_string(udp.port), from);
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(udp.h, bytes.data(), bytes.size()));
}

TEST(SocketDatagram, LosesWhatIsTooLong) {
  Udp udp;
  ASSERT_EQ(5, evpoll_socket_sendto(udp.h, "hello", 5, "127.0.0.1", udp.port));
  std::string bytes(2, '-'), from;
  EXPECT_EQ(2, ReceiveFrom(udp.h, bytes, from));
  EXPECT_EQ("he", bytes);
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(udp.h, bytes.data(), bytes.size()));
}

TEST(SocketDatagram, IsReceivedAlsoWhenNobodyAsksWhereItCameFrom) {
  Udp udp;
  char bytes[16], host[16] = "unasked";
  for (char *host_out : {static_cast<char *>(nullptr), host}) {
    ASSERT_EQ(5, evpoll_socket_sendto(udp.h, "hello", 5, "127.0.0.1", udp.port));
    Await(udp.h, EVPOLL_READABLE);
    EXPECT_EQ(5, evpoll_socket_recvfrom(udp.h, bytes, sizeof bytes, host_out, 0, nullptr));
  }
  EXPECT_STREQ("unasked", host);
}

TEST(SocketDatagram, IsLostWhenItsSendersAddressDoesNotFit) {
  Udp udp;
  ASSERT_EQ(5, evpoll_socket_sendto(udp.h, "hello", 5, "127.0.0.1", udp.port));
  Await(udp.h, EVPOLL_READABLE);
  char bytes[16], host[9] = "";
  int32_t port;
  EXPECT_EQ(EVPOLL_ERR_INVALID,
            evpoll_socket_recvfrom(udp.h, bytes, sizeof bytes, host, sizeof host, &port));
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(udp.h, bytes, sizeof bytes));
}

TEST(SocketDatagram, IsNotLostByArgumentsThatMakeNoSense) {
  Udp udp;
  ASSERT_EQ(5, evpoll_socket_sendto(udp.h, "hello", 5, "127.0.0.1", udp.port));
  Await(udp.h, EVPOLL_READABLE);
  char bytes[16], host[16];
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_recvfrom(udp.h, nullptr, 16, host, 16, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_recvfrom(udp.h, bytes, 0, host, 16, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_recvfrom(udp.h, bytes, 16, nullptr, 16, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_recvfrom(udp.h, bytes, 16, host, -1, nullptr));
  EXPECT_EQ(5, evpoll_socket_recvfrom(udp.h, bytes, 16, host, 16, nullptr));
}

TEST(SocketDatagram, OfTooManyBytesIsRefusedByTheNetwork) {
  Udp udp;
  const std::string bytes(65535, 'x'); // more than IPv4 can carry with its headers
  EXPECT_EQ(EVPOLL_ERR_MESSAGE_SIZE,
            evpoll_socket_sendto(udp.h, bytes.data(), bytes.size(), "127.0.0.1", udp.port));
}

TEST(SocketDatagram, OfMoreThan65535BytesIsInvalid) {
  Udp udp;
  const std::string bytes(65536, 'x');
  EXPECT_EQ(EVPOLL_ERR_INVALID,
            evpoll_socket_sendto(udp.h, bytes.data(), bytes.size(), "127.0.0.1", udp.port));
  EXPECT_EQ(EVPOLL_ERR_INVALID,
            evpoll_socket_sendto(udp.h, bytes.data(), UINT64_MAX, "127.0.0.1", udp.port));
}

TEST(SocketDatagram, NeedsABuffer) {
  Udp udp;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(udp.h, nullptr, 1, "127.0.0.1", udp.port));
}

TEST(SocketDatagram, GoesOnlyToAddressesOfTheSocketsFamily) {
  GATE_IPV6();
  Udp v4("127.0.0.1"), v6("::1");
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(v4.h, "x", 1, "::1", v6.port));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(v6.h, "x", 1, "127.0.0.1", v4.port));
}

TEST(SocketBind, RefusesAPortThatIsTaken) {
  Udp udp;
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_ADDRESS_IN_USE, evpoll_socket_udp_bind("127.0.0.1", udp.port, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketBind, RefusesAnAddressOfAnotherMachine) {
  EVP_GATE(!RunsOnWine(), "foreign-address", "Wine binds to addresses of other machines");
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_ADDRESS_UNAVAILABLE, evpoll_socket_udp_bind("192.0.2.1", 0, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketBind, DoesNotBlock) {
  Udp udp;
  char byte;
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(udp.h, &byte, 1));
}

} // namespace
