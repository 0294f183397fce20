// SPDX-License-Identifier: MIT
// EVPOLL_READ_CLOSED as the only interest: who lets data lie hears of the peer's end all the same.
#include "contract.h"

namespace {

using namespace evp;

EVP_CONTRACT(ReadClosed);

constexpr uint32_t kReadClosed = EVPOLL_READ_CLOSED;

#define GATE_END_BEHIND_DATA()                                                                     \
  EVP_GATE(!RunsOnWine(), "end behind data", "Wine looks for the end by reading, and finds data")

// What ended comes as long as it is asked for, or once.
void ExpectModesRepeat(uint32_t mode, size_t more) {
  if (mode == EVPOLL_LEVEL) {
    EXPECT_EQ(1u, more);
  } else if (mode == EVPOLL_ONESHOT) {
    EXPECT_EQ(0u, more);
  }
}

TEST_P(ReadClosed, UnreadDataIsNoEventAndNoSpin) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    TcpPair t;
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, kReadClosed, mode));
    ASSERT_EQ(0, evpoll_add(p, t.b, 8, kReadClosed, mode));
    ExpectQuiet();
    Send(s.b, "unread");
    Send(t.a, "unread");
    ExpectNoSpin();
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
    EXPECT_EQ(0, evpoll_remove(p, t.b, 8));
  }
}

TEST_P(ReadClosed, TheFinIsReportedBehindUnreadData) {
  GATE_END_BEHIND_DATA();
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    TcpPair s;
    ASSERT_EQ(0, evpoll_add(p, s.b, 7, kReadClosed, mode));
    Send(s.a, "unread");
    ExpectQuiet();
    ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
    const evpoll_event e = WaitOne();
    EXPECT_EQ(7u, e.token);
    EXPECT_EQ(kReadClosed, e.events);
    ExpectModesRepeat(mode, Wait(0).size());
    EXPECT_EQ("unread", Drain(s.b));
    Send(s.b, "the other direction");
    EXPECT_EQ(0, evpoll_remove(p, s.b, 7));
  }
}

TEST_P(ReadClosed, TheEndOfAPairIsReported) {
  GATE_END_BEHIND_DATA();
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, kReadClosed, mode));
    Send(s.b, "unread");
    s.CloseB();
    EXPECT_TRUE(Collect(7, kReadClosed, kReadClosed) & kReadClosed);
    ExpectModesRepeat(mode, Wait(0).size());
    EXPECT_EQ("unread", Drain(s.a));
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(ReadClosed, AnEndThatIsThereAlreadyIsReported) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    TcpPair s;
    ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
    // That it has arrived is told by another poller's look.
    ASSERT_EQ(0, evpoll_add(p, s.b, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
    Collect(7, kReadClosed, EVPOLL_READABLE);
    ASSERT_EQ(1, evpoll_add(p, s.b, 8, kReadClosed, mode));
    EXPECT_EQ(kReadClosed, WaitOne().events);
    EXPECT_EQ(0, evpoll_modify(p, s.b, 8, kReadClosed, mode));
    EXPECT_EQ(kReadClosed, WaitOne().events);
    EXPECT_EQ(0, evpoll_remove(p, s.b, 8));
  }
}

TEST_P(ReadClosed, RearmedItIsReportedAgain) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, kReadClosed, EVPOLL_ONESHOT));
  ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
  for (int i = 0; i < 3; i++) {
    EXPECT_EQ(kReadClosed, WaitOne().events);
    ExpectQuiet();
    ASSERT_EQ(0, evpoll_rearm(p, s.b, 7, kReadClosed));
  }
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_rearm(p, s.b, 7, EVPOLL_READABLE)) << "not its interest";
}

TEST_P(ReadClosed, BesideWritableEachComesByItself) {
  GATE_END_BEHIND_DATA();
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    TcpPair s;
    const uint32_t interest = kReadClosed | EVPOLL_WRITABLE;
    ASSERT_EQ(0, evpoll_add(p, s.b, 7, interest, mode));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), WaitOne().events);
    Send(s.a, "unread");
    ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
    ASSERT_EQ(0, evpoll_rearm(p, s.b, 7, interest));
    // In any mode but LEVEL what is writable already need not be told again.
    uint32_t seen = 0;
    EXPECT_TRUE(Until([&] {
      for (const evpoll_event &e : Wait()) seen |= e.events;
      if (mode == EVPOLL_ONESHOT) evpoll_rearm(p, s.b, 7, interest);
      return (seen & kReadClosed) || HasFailure();
    }));
    EXPECT_EQ(0u, Excess(seen, interest));
    EXPECT_EQ(0, evpoll_remove(p, s.b, 7));
  }
}

TEST_P(ReadClosed, AResetIsReportedToo) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    TcpPair s;
    ASSERT_EQ(0, evpoll_add(p, s.b, 7, kReadClosed, mode));
    ResetB(s);
    const uint32_t seen = Collect(7, EVPOLL_WRITE_CLOSED, kReadClosed);
    EXPECT_EQ(0u, Excess(seen, kReadClosed));
    EXPECT_EQ(0, evpoll_remove(p, s.b, 7));
  }
}

TEST_P(ReadClosed, ThePeersReadSideIsNoEnd) {
  TcpPair s;
  ASSERT_EQ(0, evpoll_add(p, s.b, 7, kReadClosed, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_READ));
  ExpectNoSpin();
}

TEST_P(ReadClosed, OfAPipeIsToldWhenItsWritersAreGone) {
  EVP_GATE(Has(EVPOLL_FEATURE_ANY_HANDLE), "any handle", "only sockets have readiness here");
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pipe pipe;
    ASSERT_EQ(0, evpoll_add(p, pipe.read, 7, kReadClosed, mode));
    pipe.Write("unread");
    ExpectNoSpin();
    pipe.CloseWrite();
    Collect(7, kReadClosed, kReadClosed);
    ExpectModesRepeat(mode, Wait(0).size());
    EXPECT_EQ(0, evpoll_remove(p, pipe.read, 7));
  }
}

} // namespace
