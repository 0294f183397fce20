// SPDX-License-Identifier: MIT
// What broke for others: numbers used again, two polls on one socket, resets that come back, and
// handles that are no sockets.
#include "pipe.h"

namespace {

using namespace evp;

EVP_CONTRACT(AfdSocket);

// A socket of the program's own: closed behind the library's back.
void CloseForeign(evpoll_handle *h) {
  ASSERT_EQ(0, closesocket(static_cast<SOCKET>(*h)));
  *h = -1;
}

// Winsock's own sockets until one has the number again.
struct ForeignReuse {
  std::vector<SOCKET> all;
  bool found = false;
  explicit ForeignReuse(evpoll_handle closed) {
    for (int tries = 0; tries < 64 && !found; tries++) {
      const SOCKET s = WSASocketW(AF_INET, SOCK_DGRAM, 0, nullptr, 0, WSA_FLAG_OVERLAPPED);
      if (s == INVALID_SOCKET) return;
      sockaddr_in any = {};
      any.sin_family = AF_INET;
      any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      EXPECT_EQ(0, bind(s, reinterpret_cast<sockaddr *>(&any), sizeof any));
      all.push_back(s);
      found = static_cast<evpoll_handle>(s) == closed;
    }
  }
  ~ForeignReuse() {
    for (SOCKET s : all) closesocket(s);
  }
  void SendToIt() { // a datagram to itself
    sockaddr_in to = {};
    int size = sizeof to;
    EXPECT_EQ(0, getsockname(all.back(), reinterpret_cast<sockaddr *>(&to), &size));
    EXPECT_EQ(1, sendto(all.back(), "x", 1, 0, reinterpret_cast<sockaddr *>(&to), size));
  }
};
#define GATE_REUSE(reused)                                                                         \
  EVP_GATE((reused).found, "handle_reuse", "the system did not hand out the number again")

// wepoll #34: the packet that tells of the close is still in the port when the number's next owner
// is registered.
TEST_P(AfdSocket, ANumberUsedAgainBeforeItsPacketWasTakenIsANewRegistration) {
  for (uint32_t mode : kModes)
    for (int round = 0; round < 20; round++) {
      Pair s;
      const evpoll_handle closed = s.a;
      ASSERT_EQ(0, evpoll_add(p, closed, 7, EVPOLL_READABLE, mode));
      if (round % 2) {
        ExpectQuiet();
      }
      CloseForeign(&s.a);
      ForeignReuse again(closed);
      GATE_REUSE(again);
      ASSERT_EQ(1, evpoll_add(p, closed, 8, EVPOLL_READABLE, mode));
      ExpectQuiet();
      again.SendToIt();
      EXPECT_EQ(8u, WaitOne().token);
      ASSERT_EQ(0, evpoll_remove(p, closed, 8));
    }
}

TEST_P(AfdSocket, ANumberUsedAgainIsNotReportedWithTheOldToken) {
  Pair s;
  const evpoll_handle closed = s.a;
  ASSERT_EQ(0, evpoll_add(p, closed, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  CloseForeign(&s.a);
  ForeignReuse again(closed);
  GATE_REUSE(again);
  again.SendToIt();
  ExpectQuiet();
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_modify(p, closed, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, closed, 7));
}

TEST_P(AfdSocket, ModifyOfASocketClosedElsewhereSaysBadHandle) {
  for (uint32_t mode : kModes)
    for (bool looked : {false, true}) {
      Pair s;
      const evpoll_handle closed = s.a;
      ASSERT_EQ(0, evpoll_add(p, closed, 7, EVPOLL_READABLE, mode));
      if (looked) {
        ExpectQuiet();
      }
      CloseForeign(&s.a);
      EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_modify(p, closed, 7, EVPOLL_READABLE, mode));
      EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, closed, 7));
    }
}

TEST_P(AfdSocket, RearmOfAOneshotClosedElsewhereSaysBadHandle) {
  Pair s;
  const evpoll_handle closed = s.a;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, closed, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  WaitOne();
  CloseForeign(&s.a);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_rearm(p, closed, 7, EVPOLL_READABLE));
}

TEST_P(AfdSocket, ALevelSocketClosedElsewhereAfterAnEventEndsQuietly) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  WaitOne();
  CloseForeign(&s.a); // nothing polls it now
  ExpectQuiet();
  ExpectNoSpin();
}

// wepoll #35: a socket is polled once in the process.
TEST_P(AfdSocket, ASecondPollerIsSentAwayAndTheFirstGoesOn) {
  Pair s;
  evpoll *other = nullptr;
  ASSERT_EQ(0, evpoll_open(nullptr, &other));
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, mode));
    for (int i = 0; i < 3; i++)
      EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_add(other, s.a, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(other, s.a, 8));
    ExpectQuiet();
    Send(s.b, "x");
    EXPECT_EQ(7u, WaitOne().token);
    EXPECT_EQ("x", Drain(s.a));
    ASSERT_EQ(0, evpoll_remove(p, s.a, 7));
  }
  EXPECT_EQ(0, evpoll_close(other, kLong));
}

// The first one's poll has come back, and its event is not lost to either.
TEST_P(AfdSocket, AReadableSocketIsTheFirstPollersUntilItsWait) {
  evpoll *other = nullptr;
  ASSERT_EQ(0, evpoll_open(nullptr, &other));
  for (uint32_t mode : kModes) {
    Pair s;
    Send(s.b, "x");
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, mode));
    EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_add(other, s.a, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
    EXPECT_EQ(7u, WaitOne().token);
    EXPECT_EQ("x", Drain(s.a));
    ASSERT_EQ(0, evpoll_remove(p, s.a, 7));
  }
  EXPECT_EQ(0, evpoll_close(other, kLong));
}

// What comes under a number is its owner's, also when the one before left something in the port.
TEST_P(AfdSocket, AnAddOverOnesOwnReadableSocketReportsItsOwnToken) {
  for (uint32_t mode : kModes) {
    Pair s;
    Send(s.b, "x");
    for (uint64_t token = 1; token < 20; token++)
      ASSERT_EQ(token > 1, evpoll_add(p, s.a, token, EVPOLL_READABLE, mode));
    EXPECT_EQ(19u, WaitOne().token);
    EXPECT_EQ("x", Drain(s.a));
    ExpectQuiet();
    ASSERT_EQ(0, evpoll_remove(p, s.a, 19));
  }
}

// Not by DuplicateHandle(): Wine's Winsock does not know such a handle.
evpoll_handle Duplicate(evpoll_handle h) {
  WSAPROTOCOL_INFOW info;
  EXPECT_EQ(0, WSADuplicateSocketW(static_cast<SOCKET>(h), GetCurrentProcessId(), &info));
  const SOCKET copy = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info,
                                 0, WSA_FLAG_OVERLAPPED);
  EXPECT_NE(INVALID_SOCKET, copy);
  return static_cast<evpoll_handle>(copy);
}

TEST_P(AfdSocket, ADuplicateGoesOnWhereItsHandleWasRemoved) {
  Pair s;
  for (int i = 0; i < 20; i++) {
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
    const evpoll_handle copy = Duplicate(s.a);
    ASSERT_EQ(0, evpoll_remove(p, s.a, 7));
    CloseForeign(&s.a);
    s.a = copy;
    ASSERT_EQ(0, evpoll_add(p, s.a, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
    Send(s.b, "x");
    EXPECT_EQ(8u, WaitOne().token);
    EXPECT_EQ("x", Drain(s.a));
    ASSERT_EQ(0, evpoll_remove(p, s.a, 8));
  }
}

// G6 forbids it. It may cost events, and nothing else.
TEST_P(AfdSocket, TwoHandlesOfOneSocketEndNothing) {
  Pair s, beside;
  evpoll_handle copy = Duplicate(s.a);
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, kBoth, EVPOLL_LEVEL));
  EXPECT_EQ(0, evpoll_add(p, copy, 8, kBoth, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_add(p, beside.a, 9, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  Send(beside.b, "x");
  bool came = false;
  ASSERT_TRUE(Until([&] {
    evpoll_event events[8];
    const int32_t n = evpoll_wait(p, events, 8, kMillisecond);
    for (int32_t i = 0; i < n; i++) came |= events[i].token == 9;
    return came;
  }));
  EXPECT_EQ(0, evpoll_remove(p, copy, 8));
  EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  CloseForeign(&copy);
}

TEST_P(AfdSocket, WhatOnePollerGaveUpIsAnothersAtOnce) {
  Pair s;
  evpoll *other = nullptr;
  evpoll_event event;
  for (int i = 0; i < 20; i++) {
    ASSERT_EQ(0, evpoll_open(nullptr, &other));
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
    ExpectQuiet();
    ASSERT_EQ(0, evpoll_remove(p, s.a, 7));
    ASSERT_EQ(0, evpoll_add(other, s.a, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
    Send(s.b, "x");
    EXPECT_EQ(1, LongWait(other, &event, 1));
    EXPECT_EQ(8u, event.token);
    EXPECT_EQ("x", Drain(s.a));
    ExpectQuiet();
    EXPECT_EQ(0, evpoll_close(other, kLong));
  }
}

TEST_P(AfdSocket, ANumberUsedAgainMayBeAnotherPollers) {
  Pair s;
  evpoll *other = nullptr;
  evpoll_event event;
  const evpoll_handle closed = s.a;
  ASSERT_EQ(0, evpoll_open(nullptr, &other));
  ASSERT_EQ(0, evpoll_add(p, closed, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  CloseForeign(&s.a);
  {
    ForeignReuse again(closed);
    GATE_REUSE(again);
    // The first poller's poll might wait for this very socket, until its wait tells.
    EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_add(other, closed, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
    ExpectQuiet();
    ASSERT_EQ(0, evpoll_add(other, closed, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
    again.SendToIt();
    EXPECT_EQ(1, LongWait(other, &event, 1));
    EXPECT_EQ(8u, event.token);
    ExpectQuiet();
    EXPECT_EQ(0, evpoll_remove(p, closed, 7)); // once, as after any close
    again.SendToIt();
    EXPECT_EQ(1, LongWait(other, &event, 1));
    EXPECT_EQ(0, evpoll_close(other, kLong));
  }
}

TEST_P(AfdSocket, TheEndIsReportedBesideUnreadData) {
  EVP_GATE(!RunsOnWine(), "end-beside-data", "Wine: DISCONNECT comes when all was read");
  TcpPair s;
  Send(s.a, "x");
  s.CloseA();
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  Collect(7, EVPOLL_READABLE | EVPOLL_READ_CLOSED, EVPOLL_READABLE);
  ASSERT_EQ(0, evpoll_remove(p, s.b, 7));
}

// What Winsock makes of an ICMP message is not promised, but the socket goes on.
TEST_P(AfdSocket, ADatagramToNobodyNeitherSpinsNorSilencesTheSocket) {
  evpoll_handle udp, peer;
  ASSERT_EQ(0, evpoll_socket_udp_bind("127.0.0.1", 0, &udp));
  ASSERT_EQ(0, evpoll_socket_udp_bind("127.0.0.1", 0, &peer));
  ASSERT_EQ(0, evpoll_add(p, udp, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  ASSERT_EQ(1, evpoll_socket_sendto(udp, "x", 1, "127.0.0.1", DeadPort()));
  ASSERT_EQ(1, evpoll_socket_sendto(peer, "y", 1, "127.0.0.1", PortOf(udp)));
  ASSERT_TRUE(Until([&] {
    Wait(kMillisecond);
    char byte = 0;
    const int32_t n = evpoll_socket_recv(udp, &byte, 1);
    if (n == EVPOLL_ERR_WOULD_BLOCK) evpoll_rearm(p, udp, 7, EVPOLL_READABLE);
    return n == 1 && byte == 'y';
  }));
  ExpectNoSpin();
  ASSERT_EQ(0, evpoll_remove(p, udp, 7));
  EXPECT_EQ(0, evpoll_socket_close(udp));
  EXPECT_EQ(0, evpoll_socket_close(peer));
}

// mio #1303: ABORT is true for good.
TEST_P(AfdSocket, AResetIsReportedOnceInEdgeMode) {
  for (uint32_t interest : {uint32_t{EVPOLL_READABLE}, uint32_t{EVPOLL_WRITABLE}, kBoth}) {
    TcpPair s;
    FillUp(s.b);
    ASSERT_EQ(0, evpoll_add(p, s.b, 7, interest, EVPOLL_EDGE));
    ExpectQuiet();
    ResetB(s);
    Collect(7, EVPOLL_ERROR | interest, interest);
    ExpectQuiet();
    ExpectNoSpin();
    ASSERT_EQ(0, evpoll_remove(p, s.b, 7));
  }
}

TEST_P(AfdSocket, AResetWithPriorityInterestAloneIsReportedOnceInEdgeMode) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_PRIORITY, EVPOLL_EDGE));
  ResetB(s);
  Collect(7, EVPOLL_ERROR, EVPOLL_PRIORITY);
  ExpectQuiet();
  ExpectNoSpin();
}

TEST_P(AfdSocket, AnErrorEventCarriesItsStatusAndCode) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  ResetB(s);
  evpoll_event e = WaitOne();
  if (!(e.events & EVPOLL_ERROR)) {
    ASSERT_EQ(0, evpoll_rearm(p, s.b, 7, EVPOLL_READABLE));
    e = WaitOne();
  }
  EXPECT_EQ(EVPOLL_ERR_RESET, e.status);
  EXPECT_EQ(WSAECONNRESET, e.result);
}

void ConnectToNobody(evpoll_handle h) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(DeadPort()));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_NE(0, connect(static_cast<SOCKET>(h), reinterpret_cast<sockaddr *>(&to), sizeof to));
}

int32_t TakeError(evpoll_handle h) {
  int32_t error = 0;
  EXPECT_EQ(0, evpoll_socket_take_error(h, &error));
  return error;
}

TEST_P(AfdSocket, ASecondRefusalIsToldAsTheFirstWas) {
  EVP_GATE(!RunsOnWine(), "second-refusal", "Wine refuses at once, and says so again and again");
  evpoll_handle h = -1;
  ASSERT_EQ(EVPOLL_IN_PROGRESS, evpoll_socket_tcp_connect("127.0.0.1", DeadPort(), &h));
  ASSERT_EQ(0, evpoll_add(p, h, 7, EVPOLL_WRITABLE, EVPOLL_ONESHOT));
  for (int i = 0; i < 3; i++) {
    EXPECT_TRUE(WaitOne().events & EVPOLL_ERROR);
    EXPECT_EQ(EVPOLL_ERR_REFUSED, TakeError(h)) << "attempt " << i;
    EXPECT_EQ(0, TakeError(h));
    ConnectToNobody(h);
    ASSERT_EQ(0, evpoll_rearm(p, h, 7, EVPOLL_WRITABLE));
  }
  EXPECT_EQ(0, evpoll_socket_close(h));
}

// mio #252: any socket is taken; what is none is named.
TEST_P(AfdSocket, HandlesThatAreNoSocketsAreUnsupported) {
  NamedPipe pipe;
  TempFile file;
  Native event(CreateEventW(nullptr, TRUE, FALSE, nullptr));
  for (evpoll_handle h : {HandleOf(pipe.server), file.handle, HandleOf(event.h)})
    for (uint32_t interest : {uint32_t{EVPOLL_READABLE}, 0u})
      EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_add(p, h, 7, interest, EVPOLL_LEVEL));
  const evpoll_handle closed = HandleOf(event.h);
  event.Close();
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, closed, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
}

TEST_P(AfdSocket, ABlockingForeignSocketIsServed) {
  Pair s;
  u_long off = 0;
  ASSERT_EQ(0, ioctlsocket(static_cast<SOCKET>(s.a), static_cast<long>(FIONBIO), &off));
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_EDGE));
  Send(s.b, "x");
  EXPECT_EQ(7u, WaitOne().token);
}

// Changes while a poll is in the kernel cancel it, and none is lost or doubled.
TEST_P(AfdSocket, ManyChangesWhilePollingEndInTheLastOne) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 0, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (int round = 0; round < 50; round++) {
    for (int i = 0; i < round % 5; i++) {
      ASSERT_EQ(0, evpoll_modify(p, s.a, 0, EVPOLL_READABLE | EVPOLL_PRIORITY, EVPOLL_LEVEL));
      ASSERT_EQ(0, evpoll_modify(p, s.a, 0, EVPOLL_READABLE, EVPOLL_LEVEL));
    }
    ASSERT_EQ(0, evpoll_modify(p, s.a, 0, EVPOLL_WRITABLE, EVPOLL_ONESHOT));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
    ASSERT_EQ(0, evpoll_modify(p, s.a, 0, EVPOLL_READABLE, EVPOLL_LEVEL));
    ExpectQuiet();
    Send(s.b, "x");
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
    EXPECT_EQ("x", Drain(s.a));
  }
}

TEST_P(AfdSocket, AddAndRemoveWithoutAWaitLeaveNothing) {
  Pair s;
  Send(s.b, "x");
  for (uint64_t i = 0; i < 2000; i++) {
    ASSERT_EQ(0, evpoll_add(p, s.a, i, kBoth, EVPOLL_LEVEL));
    if (i % 3 == 0) {
      ASSERT_EQ(1, evpoll_add(p, s.a, i, EVPOLL_READABLE, EVPOLL_EDGE));
    }
    ASSERT_EQ(0, evpoll_remove(p, s.a, i));
  }
  ExpectQuiet();
  ExpectNoSpin();
}

} // namespace
