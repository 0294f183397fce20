// SPDX-License-Identifier: MIT
// Streams that end: half closed, reset in every state; and peers that are slow.
#include "streams.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>

namespace {

using namespace evp;

class StreamEnds : public StreamContract {
protected:
  static bool IsEnd(const evpoll_event &e) {
    return e.status == EVPOLL_ERR_RESET || e.status == EVPOLL_ERR_BROKEN_PIPE;
  }
};
INSTANTIATE_TEST_SUITE_P(On, StreamEnds, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(StreamEnds, HalfClosedItStillWrites) {
  ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
  ExpectEvent(RunIo(Read(1)), 1, 0, 0);
  ExpectEvent(RunIo(Write("still", 2)), 2, 0, 5);
  EXPECT_EQ("still", Received(s.a));
  FillUp(s.b);
  Start(Write("late", 3));
  ExpectQuiet();
  std::atomic<bool> done{false};
  Thread reader([&] { EXPECT_TRUE(Until([&] { return Drain(s.a).empty() && done.load(); })); });
  ExpectEvent(WaitOne(), 3, 0, 4);
  done = true;
}

TEST_P(StreamEnds, HalfClosedByItselfItStillReads) {
  ExpectEvent(RunIo(Io(EVPOLL_OP_SHUTDOWN, 1, nullptr, EVPOLL_SHUTDOWN_WRITE)), 1, 0, 0);
  EXPECT_EQ("", Received(s.a));
  Start(Read(2));
  Send(s.a, "x");
  ExpectEvent(WaitOne(), 2, 0, 1);
  s.CloseA();
  ExpectEvent(RunIo(Read(3)), 3, 0, 0);
}

TEST_P(StreamEnds, AShutdownOfReadingEndsTheReads) {
  Start(Read(1));
  ExpectEvent(RunIo(Io(EVPOLL_OP_SHUTDOWN, 2, nullptr, EVPOLL_SHUTDOWN_WRITE)), 2, 0, 0);
  ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
  ExpectEvent(WaitOne(), 1, 0, 0);
}

TEST_P(StreamEnds, AResetEndsAQueuedRead) {
  Start(Read(1));
  Start(Read(2));
  ResetB(s);
  const auto events = WaitFor(2);
  EXPECT_EQ(EVPOLL_ERR_RESET, events[0].status) << evpoll_strerror(events[0].status);
  EXPECT_TRUE(IsEnd(events[1]) || events[1].status == 0);
  EXPECT_TRUE(events[1].status || events[1].result == 0) << "told once, it is the end";
}

TEST_P(StreamEnds, AResetEndsAQueuedWrite) {
  FillUp(s.b);
  Start(Write("late", 1));
  Start(Write("later", 2));
  ExpectQuiet();
  ResetB(s);
  for (const evpoll_event &e : WaitFor(2)) EXPECT_TRUE(IsEnd(e)) << evpoll_strerror(e.status);
}

TEST_P(StreamEnds, AResetEndsBothDirections) {
  FillUp(s.b);
  Start(Write("late", 1));
  Start(Read(2));
  Start(Poll(EVPOLL_READABLE, 3));
  ExpectQuiet();
  ResetB(s);
  int resets = 0;
  for (const evpoll_event &e : WaitFor(3)) {
    resets += e.status == EVPOLL_ERR_RESET;
    EXPECT_TRUE(e.token != 1 || IsEnd(e)) << evpoll_strerror(e.status);
    EXPECT_TRUE(e.token != 3 || (e.result & EVPOLL_READABLE)) << e.result;
  }
  EXPECT_LE(1, resets);
}

TEST_P(StreamEnds, AResetDuringAllTellsTheBytesFirst) {
  const std::string text(8000000, 'x');
  Start(Write(text, 1, EVPOLL_OPF_ALL));
  ExpectQuiet();
  ResetB(s);
  const evpoll_event e = WaitOne();
  EXPECT_EQ(0, e.status) << evpoll_strerror(e.status);
  EXPECT_LT(0, e.result);
  EXPECT_GT(static_cast<int64_t>(text.size()), e.result);
  const evpoll_event next = RunIo(Write("x", 2));
  EXPECT_TRUE(IsEnd(next)) << "the error was kept: " << evpoll_strerror(next.status);
}

TEST_P(StreamEnds, AResetDuringAReadOfAllTellsTheBytesFirst) {
  Start(Read(1, EVPOLL_OPF_ALL));
  Send(s.a, "abc");
  Await(s.b, EVPOLL_READABLE);
  ExpectQuiet();
  ResetB(s);
  const evpoll_event e = WaitOne();
  ExpectEvent(e, 1, 0, 3);
  EXPECT_EQ("abc", Got(3));
  EXPECT_EQ(EVPOLL_ERR_RESET, RunIo(Read(2)).status) << "the error was kept";
}

TEST_P(StreamEnds, AResetBeforeItIsAdded) {
  EVP_GATE(!RunsOnWine(), "recv-after-reset", "Wine: recv gives 0 after a reset");
  TcpPair t;
  ResetB(t);
  ASSERT_EQ(0, Serve(p, t.b));
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READ, t.b, 1, bytes, 8));
  EXPECT_EQ(EVPOLL_ERR_RESET, e.status) << evpoll_strerror(e.status);
  EXPECT_EQ(0, evpoll_remove(p, t.b, kServed));
}

TEST_P(StreamEnds, AResetAfterShutdown) {
  ExpectEvent(RunIo(Io(EVPOLL_OP_SHUTDOWN, 1, nullptr, EVPOLL_SHUTDOWN_WRITE)), 1, 0, 0);
  Start(Read(2));
  CloseWithReset(s.a);
  const evpoll_event e = WaitOne();
  EXPECT_TRUE(IsEnd(e)) << evpoll_strerror(e.status);
}

TEST_P(StreamEnds, AResetBetweenTwoWaits) {
  for (int round = 0; round < Rounds(40); round++) {
    TcpPair t;
    ASSERT_EQ(0, Serve(p, t.b));
    char more[2][8];
    for (uint64_t i = 0; i < 2; i++) Start(MakeIo(EVPOLL_OP_READ, t.b, i, more[i], 8));
    Thread other([&] { CloseWithReset(t.a); });
    for (const evpoll_event &e : WaitFor(2)) EXPECT_TRUE(e.status || e.result == 0);
    other.Join();
    EXPECT_EQ(0, evpoll_remove(p, t.b, kServed));
  }
}

TEST_P(StreamEnds, ByteByByte) {
  const std::string text = "a peer that sends one byte at a time";
  Start(Io(EVPOLL_OP_READ, 1, bytes, text.size(), EVPOLL_OPF_ALL));
  for (char c : text) {
    Send(s.a, std::string(1, c));
    if (&c != &text.back()) continue;
  }
  ExpectEvent(WaitOne(), 1, 0, static_cast<int64_t>(text.size()));
  EXPECT_EQ(text, Got(static_cast<int64_t>(text.size())));
}

TEST_P(StreamEnds, ByteByByteWithAWaitBetween) {
  const std::string text = "one byte at a time";
  Start(Io(EVPOLL_OP_READ, 1, bytes, text.size(), EVPOLL_OPF_ALL));
  for (size_t i = 0; i + 1 < text.size(); i++) {
    Send(s.a, text.substr(i, 1));
    Await(s.b, EVPOLL_READABLE);
    EXPECT_EQ(0u, Wait(0).size());
  }
  Send(s.a, text.substr(text.size() - 1));
  ExpectEvent(WaitOne(), 1, 0, static_cast<int64_t>(text.size()));
  EXPECT_EQ(text, Got(static_cast<int64_t>(text.size())));
}

TEST_P(StreamEnds, APeerThatNeverReadsCostsNothing) {
  const std::string text(8000000, 'x');
  const uint64_t op = Start(Write(text, 1, EVPOLL_OPF_ALL));
  Start(Write("behind", 2));
  ExpectQuiet();
  ExpectNoSpin();
  EXPECT_EQ(1, evpoll_cancel(p, op));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(1u, e.token);
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  EXPECT_LT(0, e.result) << "what it has moved is said";
  EXPECT_EQ(1, evpoll_cancel_token(p, s.b, 2));
  ExpectEvent(WaitOne(), 2, EVPOLL_ERR_CANCELLED, 0);
}

TEST_P(StreamEnds, EdgesThatComeWhileNobodyWaits) {
  Start(Read(1));
  for (int i = 0; i < 100; i++) Send(s.a, "x");
  s.CloseA();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  size_t got = 0;
  evpoll_event e = WaitOne();
  for (; e.status == 0 && e.result > 0; e = RunIo(Read(1))) got += static_cast<size_t>(e.result);
  EXPECT_EQ(100u, got);
  ExpectEvent(e, 1, 0, 0);
}

TEST_P(StreamEnds, UrgentDataHidesNothing) {
  EVP_GATE(Has(EVPOLL_FEATURE_PRIORITY), "priority", "the platform has no OOB event");
  Start(Poll(EVPOLL_PRIORITY, 9));
  Send(s.a, "abc");
  SendUrgent(s.a);
  Send(s.a, "defghi");
  ExpectEvent(WaitOne(), 9, 0, EVPOLL_PRIORITY);
  Start(Read(1));
  std::string came;
  for (evpoll_event e = WaitOne(); came.size() < 9; e = RunIo(Read(1))) {
    ASSERT_EQ(0, e.status);
    came += Got(e.result);
    if (came.size() >= 9) break;
  }
  EXPECT_EQ("abcdefghi", came);
}

TEST_P(StreamEnds, UrgentDataBeforeAnyReadHidesNothing) {
  EVP_GATE(Has(EVPOLL_FEATURE_PRIORITY), "priority", "the platform has no OOB event");
  for (int round = 0; round < Rounds(20); round++) {
    TcpPair t;
    ASSERT_EQ(0, Serve(p, t.b));
    char more[2][16];
    for (uint64_t i = 0; i < 2; i++) Start(MakeIo(EVPOLL_OP_READ, t.b, i, more[i], 16));
    Send(t.a, "abc");
    SendUrgent(t.a);
    Send(t.a, "defghi");
    int64_t got = 0;
    size_t ended = 0; // not every system's reads stop at the mark
    while (got < 9 && ended < 2 && !HasFailure())
      for (const evpoll_event &e : Wait()) got += e.result, ended++;
    if (got < 9) got += RunIo(MakeIo(EVPOLL_OP_READ, t.b, 3, more[0], 16)).result;
    EXPECT_EQ(9, got);
    EXPECT_EQ(0, evpoll_remove(p, t.b, kServed));
    if (ended < 2) WaitFor(2 - ended);
  }
}

} // namespace
