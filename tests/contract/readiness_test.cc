// SPDX-License-Identifier: MIT
// The event table, row by row: what raises each bit, and what must not. Rows that do not depend on
// the mode are tried in each.
#include "contract.h"

namespace {

using namespace evp;

EVP_CONTRACT(Readiness);

TEST_P(Readiness, ReportsReadableWhenDataArrives) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, mode));
    ExpectQuiet();
    Send(s.b, "x");
    const evpoll_event e = WaitOne();
    EXPECT_EQ(7u, e.token);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), e.events);
    EXPECT_EQ(0u, e.op);
    EXPECT_EQ(0, e.result);
    EXPECT_EQ(0, e.status);
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(Readiness, ReportsDataThatCameBeforeTheRegistration) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    Send(s.b, "x");
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, mode));
    const evpoll_event e = WaitOne();
    EXPECT_EQ(7u, e.token);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), e.events);
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(Readiness, ReportsWritableOfAnEmptySocket) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_WRITABLE, mode));
    const evpoll_event e = WaitOne();
    EXPECT_EQ(7u, e.token);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), e.events);
    EXPECT_EQ(0, e.status);
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(Readiness, ReportsWritableWhenAFullSocketWasDrained) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    FillUp(s.a);
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_WRITABLE, mode));
    ExpectQuiet();
    Drain(s.b);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
    EXPECT_EQ(1, evpoll_socket_send(s.a, "x", 1));
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(Readiness, ReportsWritableWhenAFullTcpSocketWasDrained) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    TcpPair s;
    FillUp(s.a);
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_WRITABLE, mode));
    ExpectQuiet();
    std::vector<evpoll_event> events;
    // What lies in the sender's buffer still comes over while the receiver drains.
    ASSERT_TRUE(Until([&] {
      Drain(s.b);
      events = Wait(kMillisecond);
      return !events.empty();
    }));
    EXPECT_EQ(7u, events[0].token);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), events[0].events);
    EXPECT_EQ(1, evpoll_socket_send(s.a, "x", 1));
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(Readiness, ReportsBothBitsWhenBothAreTrue) {
  for (uint32_t mode : {EVPOLL_LEVEL, EVPOLL_EDGE}) {
    SCOPED_TRACE(mode);
    Pair s;
    Send(s.b, "x");
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, kBoth, static_cast<uint32_t>(mode)));
    Collect(7, kBoth, kBoth);
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(Readiness, ReportsOnlyBitsOfTheInterest) {
  for (uint32_t interest : {EVPOLL_READABLE, EVPOLL_WRITABLE}) {
    SCOPED_TRACE(interest);
    Pair s;
    Send(s.b, "x"); // both are true now
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, interest, EVPOLL_LEVEL));
    for (int i = 0; i < 3; i++) EXPECT_EQ(interest, WaitOne().events);
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(Readiness, ReportsTheEndOfTheStreamWhenThePeerCloses) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, mode));
    ExpectQuiet();
    s.CloseB();
    Collect(7, EVPOLL_READABLE, EVPOLL_READABLE);
    char c;
    EXPECT_EQ(0, evpoll_socket_recv(s.a, &c, 1));
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(Readiness, ReportsReadClosedWhenThePeerCloses) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  s.CloseB();
  Collect(7, EVPOLL_READABLE | EVPOLL_READ_CLOSED, EVPOLL_READABLE);
}

TEST_P(Readiness, ReportsReadClosedWhenATcpPeerCloses) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  s.CloseA();
  const uint32_t seen = Collect(7, EVPOLL_READABLE | EVPOLL_READ_CLOSED, EVPOLL_READABLE);
  EXPECT_EQ(0u, seen & EVPOLL_ERROR) << "an orderly end is no error";
}

TEST_P(Readiness, ReportsReadClosedAtAHalfCloseAndSendingGoesOn) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, kBoth, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
  const uint32_t seen = Collect(7, kBoth | EVPOLL_READ_CLOSED, kBoth);
  EXPECT_EQ(0u, seen & (EVPOLL_ERROR | EVPOLL_WRITE_CLOSED));
  Send(s.b, "still here");
  ASSERT_EQ(0, evpoll_modify(p, s.b, 7, 0, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_add(p, s.a, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(8u, WaitOne().token);
  EXPECT_EQ("still here", Drain(s.a));
}

TEST_P(Readiness, ReportsReadClosedAtLatestAfterUnreadData) {
  TcpPair s;
  Send(s.a, "last words");
  ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  std::string words;
  ASSERT_TRUE(Until([&] {
    Collect(7, EVPOLL_READABLE, EVPOLL_READABLE);
    words += Drain(s.b);
    return words == "last words";
  }));
  Collect(7, EVPOLL_READABLE | EVPOLL_READ_CLOSED, EVPOLL_READABLE);
}

TEST_P(Readiness, KeepsAHalfCloseBackWithoutReadableInterest) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_WRITABLE, mode));
    ASSERT_EQ(0, evpoll_socket_shutdown(s.b, EVPOLL_SHUTDOWN_WRITE));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(Readiness, DoesNotSpinOnAHalfCloseWithoutReadableInterest) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    FillUp(s.a);
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_WRITABLE, mode));
    ASSERT_EQ(0, evpoll_socket_shutdown(s.b, EVPOLL_SHUTDOWN_WRITE));
    ExpectNoSpin();
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(Readiness, OwnHalfCloseDoesNotMakeReadable) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
  for (const evpoll_event &e : Wait(2 * kMillisecond))
    EXPECT_EQ(0u, e.events & (EVPOLL_READABLE | EVPOLL_READ_CLOSED));
  Send(s.b, "x");
  Collect(7, EVPOLL_READABLE, EVPOLL_READABLE);
  EXPECT_EQ("x", Drain(s.a));
}

TEST_P(Readiness, ReportsAResetAsErrorAndReadable) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  ExpectQuiet();
  ResetB(s);
  Collect(7, EVPOLL_ERROR | EVPOLL_READABLE, EVPOLL_READABLE);
}

TEST_P(Readiness, ReportsAResetAsErrorAndWritable) {
  TcpPair s;
  FillUp(s.b); // so that WRITABLE is not reported before the reset
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  ExpectQuiet();
  ResetB(s);
  Collect(7, EVPOLL_ERROR | EVPOLL_WRITABLE, EVPOLL_WRITABLE);
}

TEST_P(Readiness, ReportsAnEarlierResetInEachMode) {
  for (uint32_t interest : {EVPOLL_READABLE, EVPOLL_WRITABLE})
    for (uint32_t mode : kModes) {
      SCOPED_TRACE(mode);
      TcpPair s;
      ResetB(s);
      ASSERT_EQ(0, evpoll_add(p, s.b, 7, interest, EVPOLL_LEVEL));
      Collect(7, EVPOLL_ERROR, interest); // now it has arrived
      ASSERT_EQ(0, evpoll_modify(p, s.b, 7, interest, mode));
      Collect(7, EVPOLL_ERROR | interest, interest);
      EXPECT_EQ(0, evpoll_remove(p, s.b, 7));
    }
}

TEST_P(Readiness, ReportsAResetAsWriteClosed) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, kBoth, EVPOLL_LEVEL));
  ResetB(s);
  Collect(7, EVPOLL_WRITE_CLOSED, kBoth);
}

TEST_P(Readiness, NamesTheErrorOfAResetAndLeavesItToBeTakenOnce) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  ResetB(s);
  evpoll_event e = {};
  ASSERT_TRUE(Until([&] {
    e = WaitOne();
    return (e.events & EVPOLL_ERROR) != 0 || HasFailure();
  }));
  if (e.status != 0) {
    EXPECT_TRUE(e.status == EVPOLL_ERR_RESET || e.status == EVPOLL_ERR_BROKEN_PIPE) << e.status;
    EXPECT_NE(0, e.result) << "the system's code";
  }
  int32_t error = 0;
  EXPECT_EQ(0, evpoll_socket_take_error(s.b, &error));
  EXPECT_TRUE(error == EVPOLL_ERR_RESET || error == EVPOLL_ERR_BROKEN_PIPE) << error;
  EXPECT_EQ(0, evpoll_socket_take_error(s.b, &error));
  EXPECT_EQ(0, error);
}

TEST_P(Readiness, ReportsThatAConnectionWasMade) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    evpoll_handle listener, client, server;
    ASSERT_EQ(0, evpoll_socket_tcp_listen("127.0.0.1", 0, 0, &listener));
    ASSERT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", PortOf(listener), &client));
    ASSERT_EQ(0, evpoll_add(p, client, 7, EVPOLL_WRITABLE, mode));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
    int32_t error = -1;
    EXPECT_EQ(0, evpoll_socket_take_error(client, &error));
    EXPECT_EQ(0, error);
    ASSERT_EQ(0, evpoll_remove(p, client, 7));
    ASSERT_EQ(0, evpoll_add(p, listener, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
    WaitOne();
    EXPECT_EQ(0, evpoll_remove(p, listener, 8));
    EXPECT_EQ(0, evpoll_socket_accept(listener, &server));
    for (evpoll_handle h : {client, server, listener}) EXPECT_EQ(0, evpoll_socket_close(h));
  }
}

// Registers a connection attempt that ends refused. rc is what connect said: a system may know at
// once, and then there is no socket to watch.
struct Refused {
  evpoll_handle handle = -1;
  int32_t rc = evpoll_socket_tcp_connect("127.0.0.1", DeadPort(), &handle);
  ~Refused() {
    if (handle >= 0) {
      EXPECT_EQ(0, evpoll_socket_close(handle));
    }
  }
};
#define GATE_LATE_REFUSAL(r)                                                                       \
  EVP_GATE((r).rc == EVPOLL_IN_PROGRESS, "late_refusal", "connect knows the refusal at once")

TEST_P(Readiness, ReportsARefusedConnectAsErrorAndWritable) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Refused r;
    GATE_LATE_REFUSAL(r);
    ASSERT_EQ(0, evpoll_add(p, r.handle, 7, EVPOLL_WRITABLE, mode));
    Collect(7, EVPOLL_ERROR | EVPOLL_WRITABLE, EVPOLL_WRITABLE);
    EXPECT_EQ(0, evpoll_remove(p, r.handle, 7));
  }
}

TEST_P(Readiness, ReportsARefusedConnectToReadersAsWell) {
  Refused r;
  GATE_LATE_REFUSAL(r);
  ASSERT_EQ(0, evpoll_add(p, r.handle, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  Collect(7, EVPOLL_ERROR | EVPOLL_READABLE, EVPOLL_READABLE);
}

TEST_P(Readiness, ReportsARefusedConnectAsWriteClosed) {
  Refused r;
  GATE_LATE_REFUSAL(r);
  ASSERT_EQ(0, evpoll_add(p, r.handle, 7, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  Collect(7, EVPOLL_ERROR | EVPOLL_WRITE_CLOSED, EVPOLL_WRITABLE);
}

TEST_P(Readiness, NamesTheErrorOfARefusalAndLeavesItToBeTakenOnce) {
  Refused r;
  GATE_LATE_REFUSAL(r);
  ASSERT_EQ(0, evpoll_add(p, r.handle, 7, EVPOLL_WRITABLE, EVPOLL_ONESHOT));
  const evpoll_event e = WaitOne();
  EXPECT_TRUE(e.status == 0 || e.status == EVPOLL_ERR_REFUSED) << e.status;
  int32_t error = 0;
  EXPECT_EQ(0, evpoll_socket_take_error(r.handle, &error));
  EXPECT_EQ(EVPOLL_ERR_REFUSED, error);
  EXPECT_EQ(0, evpoll_socket_take_error(r.handle, &error));
  EXPECT_EQ(0, error);
}

TEST_P(Readiness, ReportsPriorityWhenUrgentDataArrives) {
  EVP_GATE(Has(EVPOLL_FEATURE_PRIORITY), "priority", "no event for out-of-band data");
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    TcpPair s;
    ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_PRIORITY, mode));
    ExpectQuiet();
    SendUrgent(s.a);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_PRIORITY), WaitOne().events);
    EXPECT_EQ(0, evpoll_remove(p, s.b, 7));
  }
}

TEST_P(Readiness, OrdinaryDataIsNoPriority) {
  EVP_GATE(Has(EVPOLL_FEATURE_PRIORITY), "priority", "no event for out-of-band data");
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_PRIORITY, EVPOLL_LEVEL));
  Send(s.a, "x");
  ExpectQuiet();
  ASSERT_EQ(0, evpoll_modify(p, s.b, 7, EVPOLL_PRIORITY | EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
}

TEST_P(Readiness, DoesNotSpinOnAHalfCloseWithPriorityInterestAlone) {
  EVP_GATE(Has(EVPOLL_FEATURE_PRIORITY), "priority", "no event for out-of-band data");
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_PRIORITY, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
  ExpectNoSpin();
}

TEST_P(Readiness, PriorityIsRefusedWhereThereIsNone) {
  Pair s;
  const int32_t status = evpoll_add(p, s.a, 7, EVPOLL_PRIORITY, EVPOLL_LEVEL);
  EXPECT_EQ(Has(EVPOLL_FEATURE_PRIORITY) ? 0 : EVPOLL_ERR_UNSUPPORTED, status);
}

TEST_P(Readiness, InterestZeroReportsNothingWhateverHappens) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    TcpPair reset, closed, data;
    ASSERT_EQ(0, evpoll_add(p, reset.b, 1, 0, mode));
    ASSERT_EQ(0, evpoll_add(p, closed.b, 2, 0, mode));
    ASSERT_EQ(0, evpoll_add(p, data.b, 3, 0, mode));
    ExpectQuiet();
    ResetB(reset);
    closed.CloseA();
    Send(data.a, "x");
    ExpectQuiet();
    ExpectNoSpin();
    EXPECT_EQ(0, evpoll_remove(p, reset.b, 1));
    EXPECT_EQ(0, evpoll_remove(p, closed.b, 2));
    EXPECT_EQ(0, evpoll_remove(p, data.b, 3));
  }
}

TEST_P(Readiness, ModifyToInterestZeroSilencesAReadySocket) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    TcpPair s;
    ASSERT_EQ(0, evpoll_add(p, s.b, 7, kBoth, EVPOLL_LEVEL));
    Send(s.a, "x");
    Collect(7, kBoth, kBoth);
    ASSERT_EQ(0, evpoll_modify(p, s.b, 7, 0, mode));
    ExpectQuiet();
    ResetB(s);
    ExpectQuiet();
    EXPECT_EQ(0, evpoll_remove(p, s.b, 7));
  }
}

TEST_P(Readiness, InterestZeroKeepsTheRegistration) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, 0, EVPOLL_LEVEL));
  Send(s.b, "x");
  ExpectQuiet();
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_modify(p, s.a, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(0, evpoll_modify(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(7u, WaitOne().token);
  EXPECT_EQ(1, evpoll_add(p, s.a, 7, 0, EVPOLL_LEVEL));
  ExpectQuiet();
  EXPECT_EQ(1, evpoll_add(p, s.a, 9, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(9u, WaitOne().token);
}

} // namespace
