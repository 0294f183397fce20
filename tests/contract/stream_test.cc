// SPDX-License-Identifier: MIT
// Operations on streams: reads, writes, polls, shutdown and close on connected sockets.
#include "streams.h"

#include <algorithm>
#include <atomic>
#include <memory>

namespace {

using namespace evp;

EVP_STREAMS(Stream);

TEST_P(Stream, AReadWaitsForData) {
  const uint64_t op = Start(Read());
  ExpectQuiet();
  Send(s.a, "hello");
  const evpoll_event e = WaitOne();
  ExpectEvent(e, 1, 0, 5);
  EXPECT_EQ(op, e.op);
  EXPECT_EQ("hello", Got(e.result));
  ExpectNoSpin();
}

TEST_P(Stream, AReadTakesWhatIsThere) {
  Send(s.a, "hello");
  Await(s.b, EVPOLL_READABLE);
  ExpectEvent(RunIo(Read()), 1, 0, 5);
}

TEST_P(Stream, ReadsAreServedInOrder) {
  char more[3][4] = {};
  for (uint64_t i = 0; i < 3; i++) Start(Io(EVPOLL_OP_READ, i, more[i], 2));
  Send(s.a, "aabbcc");
  const auto events = WaitFor(3);
  for (uint64_t i = 0; i < 3; i++) {
    ExpectEvent(events[i], i, 0, 2);
    EXPECT_STREQ(i == 0 ? "aa" : i == 1 ? "bb" : "cc", more[i]);
  }
}

TEST_P(Stream, WritesGoOutInOrder) {
  std::vector<std::string> texts;
  std::vector<evpoll_io> ios;
  std::string all;
  for (uint64_t i = 0; i < 200; i++) texts.push_back("<" + std::to_string(i) + ">");
  for (uint64_t i = 0; i < texts.size(); i++) {
    ios.push_back(Write(texts[i], i));
    all += texts[i];
  }
  EXPECT_EQ(200, evpoll_submit(p, ios.data(), 200));
  const auto events = WaitFor(200);
  for (uint64_t i = 0; i < 200; i++)
    ExpectEvent(events[i], i, 0, static_cast<int64_t>(texts[i].size()));
  std::string came;
  while (came.size() < all.size()) came += Received(s.a);
  EXPECT_EQ(all, came);
}

TEST_P(Stream, AWriteWaitsForRoom) {
  FillUp(s.b);
  Start(Write("late"));
  ExpectQuiet();
  ExpectNoSpin();
  std::atomic<bool> done{false};
  Thread reader([&] { EXPECT_TRUE(Until([&] { return Drain(s.a).empty() && done.load(); })); });
  ExpectEvent(WaitOne(), 2, 0, 4);
  done = true;
}

TEST_P(Stream, AllMovesTheWholeLength) {
  const std::string text(3000000, 'x');
  Start(Write(text, 2, EVPOLL_OPF_ALL));
  std::string came;
  Thread reader([&] {
    EXPECT_TRUE(Until([&] {
      came += Drain(s.a);
      return came.size() == text.size();
    }));
  });
  ExpectEvent(WaitOne(), 2, 0, static_cast<int64_t>(text.size()));
  reader.Join();
  EXPECT_TRUE(came == text);
}

TEST_P(Stream, AllInlineGoesOnBehindItsBeginning) {
  const std::string first(3000000, 'a'), second(1000, 'b');
  evpoll_io ios[] = {Write(first, 1, EVPOLL_OPF_ALL | EVPOLL_OPF_INLINE),
                     Write(second, 2, EVPOLL_OPF_ALL | EVPOLL_OPF_INLINE)};
  ASSERT_EQ(2, evpoll_submit(p, ios, 2));
  EXPECT_NE(0u, ios[0].op);
  EXPECT_NE(0u, ios[1].op);
  std::string came;
  Thread reader([&] {
    EXPECT_TRUE(Until([&] {
      came += Drain(s.a);
      return came.size() == first.size() + second.size();
    }));
  });
  const auto events = WaitFor(2);
  ExpectEvent(events[0], 1, 0, static_cast<int64_t>(first.size()));
  ExpectEvent(events[1], 2, 0, static_cast<int64_t>(second.size()));
  reader.Join();
  EXPECT_TRUE(came == first + second);
}

TEST_P(Stream, AReadOfAllEndsAtTheEnd) {
  Start(Read(1, EVPOLL_OPF_ALL));
  Send(s.a, "abc");
  ExpectQuiet();
  Send(s.a, "def");
  ExpectQuiet();
  s.CloseA();
  ExpectEvent(WaitOne(), 1, 0, 6);
  EXPECT_EQ("abcdef", Got(6));
  ExpectEvent(RunIo(Read(4)), 4, 0, 0);
}

TEST_P(Stream, TheEndIsZeroEachTime) {
  s.CloseA();
  for (uint64_t i = 0; i < 3; i++) ExpectEvent(RunIo(Read(i)), i, 0, 0);
}

TEST_P(Stream, DataAndEndBehindEachOther) {
  for (int round = 0; round < Rounds(50); round++) {
    TcpPair t;
    ASSERT_EQ(0, Serve(p, t.b));
    char more[16];
    evpoll_io read = MakeIo(EVPOLL_OP_READ, t.b, 1, more, sizeof more);
    evpoll_io again = MakeIo(EVPOLL_OP_READ, t.b, 2, more, sizeof more);
    Start(read);
    Start(again);
    Send(t.a, "abc");
    t.CloseA();
    const auto events = WaitFor(2);
    ExpectEvent(events[0], 1, 0, 3);
    ExpectEvent(events[1], 2, 0, 0);
    EXPECT_EQ(0, evpoll_remove(p, t.b, kServed));
  }
}

TEST_P(Stream, AResetIsReported) {
  Start(Read());
  ResetB(s);
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_ERR_RESET, e.status);
  EXPECT_NE(0, e.result);
}

TEST_P(Stream, AWriteToWhoHasGoneRaisesNoSignal) {
  ResetB(s);
  evpoll_event e = RunIo(Write("a"));
  for (int i = 0; i < 3 && e.status == 0; i++) e = RunIo(Write("a"));
  EXPECT_TRUE(e.status == EVPOLL_ERR_RESET || e.status == EVPOLL_ERR_BROKEN_PIPE)
      << evpoll_strerror(e.status);
}

TEST_P(Stream, VectorsAreFilledInTurn) {
  char parts[2][3] = {};
  evpoll_iovec v[] = {{EVPOLL_ADDR(parts[0]), 2}, {EVPOLL_ADDR(parts[1]), 2}};
  Start(Io(EVPOLL_OP_READV, 1, v, 2));
  Send(s.a, "abcd");
  ExpectEvent(WaitOne(), 1, 0, 4);
  EXPECT_STREQ("ab", parts[0]);
  EXPECT_STREQ("cd", parts[1]);
  ExpectEvent(RunIo(Io(EVPOLL_OP_WRITEV, 2, v, 2)), 2, 0, 4);
  EXPECT_EQ("abcd", Received(s.a));
}

TEST_P(Stream, InlineEndsInTheCallWhatIsAtHand) {
  EXPECT_EQ(4, Here(Write("ping")));
  EXPECT_EQ("ping", Received(s.a));
  Send(s.a, "pong");
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(4, Here(Read()));
  EXPECT_EQ("pong", Got(4));
  ExpectQuiet();
}

TEST_P(Stream, InlineWaitsForWhatIsNot) {
  Start(Read(1, EVPOLL_OPF_INLINE));
  Send(s.a, "x");
  ExpectEvent(WaitOne(), 1, 0, 1);
}

TEST_P(Stream, InlineDoesNotOvertake) {
  Start(Read(1));
  Send(s.a, "ab");
  Await(s.b, EVPOLL_READABLE);
  Start(Read(2, EVPOLL_OPF_INLINE)); /* nobody has waited since: the first is queued still */
  ExpectEvent(WaitOne(), 1, 0, 2);
  Send(s.a, "c");
  ExpectEvent(WaitOne(), 2, 0, 1);
}

TEST_P(Stream, NowaitNeverKeepsTheBuffer) {
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, Refused(Read(1, EVPOLL_OPF_NOWAIT)));
  Send(s.a, "now");
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(3, Here(Read(1, EVPOLL_OPF_NOWAIT)));
  const uint64_t op = Start(Read(2));
  Send(s.a, "x");
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, Refused(Read(3, EVPOLL_OPF_NOWAIT)));
  EXPECT_EQ(op, WaitOne().op);
  FillUp(s.b);
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, Refused(Write("x", 1, EVPOLL_OPF_NOWAIT)));
}

TEST_P(Stream, APollWaitsWithoutABuffer) {
  Start(Poll(EVPOLL_READABLE));
  ExpectQuiet();
  Send(s.a, "x");
  ExpectEvent(WaitOne(), 3, 0, EVPOLL_READABLE);
  ExpectEvent(RunIo(Poll(EVPOLL_READABLE)), 3, 0, EVPOLL_READABLE); /* it is there still */
  EXPECT_EQ(EVPOLL_READABLE, Here(Poll(EVPOLL_READABLE)));
  EXPECT_EQ(EVPOLL_WRITABLE, Here(Poll(EVPOLL_WRITABLE)));
  EXPECT_EQ(static_cast<int64_t>(kBoth), Here(Poll(kBoth)));
}

TEST_P(Stream, APollForRoom) {
  FillUp(s.b);
  Start(Poll(EVPOLL_WRITABLE, 1));
  Start(Poll(EVPOLL_READABLE, 2));
  ExpectQuiet();
  Send(s.a, "x");
  ExpectEvent(WaitOne(), 2, 0, EVPOLL_READABLE);
  std::atomic<bool> done{false};
  Thread reader([&] { EXPECT_TRUE(Until([&] { return Drain(s.a).empty() && done.load(); })); });
  ExpectEvent(WaitOne(), 1, 0, EVPOLL_WRITABLE);
  done = true;
}

TEST_P(Stream, APollTellsOfTheEnd) {
  Start(Poll(EVPOLL_READABLE));
  s.CloseA();
  const evpoll_event e = WaitOne();
  EXPECT_EQ(0, e.status);
  EXPECT_TRUE(e.result & EVPOLL_READABLE);
  EXPECT_TRUE(e.result & EVPOLL_READ_CLOSED);
}

TEST_P(Stream, APollForTheEndAloneWaitsForThat) {
  Start(Read(1));
  Send(s.a, "x");
  ExpectEvent(WaitOne(), 1, 0, 1);
  Start(Poll(EVPOLL_READ_CLOSED));
  Send(s.a, "y");
  Await(s.b, EVPOLL_READABLE);
  ExpectQuiet();
  ExpectEvent(RunIo(Read(2)), 2, 0, 1);
  s.CloseA();
  const evpoll_event e = WaitOne();
  EXPECT_EQ(0, e.status);
  EXPECT_TRUE(e.result & EVPOLL_READ_CLOSED) << e.result;
}

TEST_P(Stream, ShutdownComesAfterTheWrites) {
  const std::string text(2000000, 'x');
  Start(Write(text, 1, EVPOLL_OPF_ALL));
  Start(Io(EVPOLL_OP_SHUTDOWN, 2, nullptr, EVPOLL_SHUTDOWN_WRITE));
  std::string came;
  bool ended = false;
  Thread reader([&] {
    char part[65536];
    EXPECT_TRUE(Until([&] {
      const int32_t n = evpoll_socket_recv(s.a, part, sizeof part);
      if (n > 0) came.append(part, static_cast<size_t>(n));
      return ended = n == 0;
    }));
  });
  const auto events = WaitFor(2);
  ExpectEvent(events[0], 1, 0, static_cast<int64_t>(text.size()));
  ExpectEvent(events[1], 2, 0, 0);
  reader.Join();
  EXPECT_TRUE(ended);
  EXPECT_TRUE(came == text);
  EXPECT_EQ(EVPOLL_ERR_BROKEN_PIPE, RunIo(Write("x", 3)).status);
}

TEST_P(Stream, ACancelledReadReportsSo) {
  const uint64_t op = Start(Read());
  EXPECT_EQ(1, evpoll_cancel(p, op));
  ExpectEvent(WaitOne(), 1, EVPOLL_ERR_CANCELLED, 0);
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, op));
  Send(s.a, "kept");
  ExpectEvent(RunIo(Read()), 1, 0, 4);
}

TEST_P(Stream, ACancelledReadOfAllSaysWhatItHas) {
  Start(Read(1, EVPOLL_OPF_ALL));
  Send(s.a, "abc");
  Await(s.b, EVPOLL_READABLE);
  ExpectQuiet();
  EXPECT_EQ(1, evpoll_cancel_token(p, s.b, 1));
  ExpectEvent(WaitOne(), 1, EVPOLL_ERR_CANCELLED, 3);
  EXPECT_EQ("abc", Got(3));
}

TEST_P(Stream, RemoveEndsWhatWaits) {
  Start(Read(1));
  Start(Read(2));
  EXPECT_EQ(0, evpoll_remove(p, s.b, kServed));
  const auto events = WaitFor(2);
  for (const evpoll_event &e : events) EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  Send(s.a, "x");
  ExpectQuiet();
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, Refused(Read()));
  EXPECT_EQ("x", Received(s.b));
}

TEST_P(Stream, CloseEndsWhatWaitsAndIsTheLast) {
  Start(Read(1));
  Start(Poll(EVPOLL_READABLE, 2));
  Start(MakeIo(EVPOLL_OP_CLOSE, s.b, 9));
  const auto events = WaitFor(3);
  ExpectEvent(events[2], 9, 0, 0);
  for (int i = 0; i < 2; i++) EXPECT_EQ(EVPOLL_ERR_CANCELLED, events[i].status);
  s.b = -1;
  EXPECT_EQ("", Received(s.a));
}

TEST_P(Stream, CloseInlineAndWithAReset) {
  evpoll_io io = MakeIo(EVPOLL_OP_CLOSE, s.b, 9);
  io.flags = EVPOLL_OPF_INLINE | EVPOLL_OPF_ABORT;
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(0u, io.op);
  s.b = -1;
  ExpectQuiet();
  Await(s.a, EVPOLL_READABLE);
  char byte;
  EVP_GATE(!RunsOnWine(), "recv-after-reset", "Wine: recv gives 0 after a reset");
  EXPECT_EQ(EVPOLL_ERR_RESET, evpoll_socket_recv(s.a, &byte, 1));
}

TEST_P(Stream, ASecondCloseDoesNotMakeTheFirstAReset) {
  ASSERT_EQ(0, evpoll_hold(p, s.b, kServed));
  Start(MakeIo(EVPOLL_OP_CLOSE, s.b, 9));
  evpoll_io again = MakeIo(EVPOLL_OP_CLOSE, s.b, 10);
  again.flags = EVPOLL_OPF_ABORT;
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, Refused(again));
  ASSERT_EQ(0, evpoll_release(p, s.b));
  ExpectEvent(WaitOne(), 9, 0, 0);
  s.b = -1;
  Await(s.a, EVPOLL_READABLE);
  char byte;
  EXPECT_EQ(0, evpoll_socket_recv(s.a, &byte, 1));
}

TEST_P(Stream, ShutdownOfThePollerEndsThem) {
  Start(Read(1));
  Start(Poll(EVPOLL_READABLE, 2));
  ASSERT_EQ(0, evpoll_shutdown(p));
  const auto events = WaitFor(2);
  for (const evpoll_event &e : events) EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  evpoll_event e;
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_wait(p, &e, 1, 0));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, Refused(Read()));
}

TEST_P(Stream, BothDirectionsAtOnce) {
  FillUp(s.b);
  Start(Write("late", 2));
  Start(Read(1));
  Send(s.a, "x");
  ExpectEvent(WaitOne(), 1, 0, 1);
  std::atomic<bool> done{false};
  Thread reader([&] { EXPECT_TRUE(Until([&] { return Drain(s.a).empty() && done.load(); })); });
  ExpectEvent(WaitOne(), 2, 0, 4);
  done = true;
}

TEST_P(Stream, AHandleIsServedAlone) {
  /* A short array, many streams: each gets its turn. */
  constexpr size_t kMany = 100;
  std::vector<std::unique_ptr<TcpPair>> pairs;
  std::vector<char> room(kMany);
  for (size_t i = 0; i < kMany; i++) {
    pairs.push_back(std::make_unique<TcpPair>());
    ASSERT_EQ(0, Serve(p, pairs[i]->b));
    Start(MakeIo(EVPOLL_OP_READ, pairs[i]->b, i, &room[i], 1));
  }
  for (auto &pair : pairs) Send(pair->a, "x");
  std::vector<int> seen(kMany);
  for (const evpoll_event &e : WaitFor(kMany, 3)) seen[e.token]++;
  EXPECT_EQ(static_cast<long>(kMany), std::count(seen.begin(), seen.end(), 1));
  for (auto &pair : pairs) EXPECT_EQ(0, evpoll_remove(p, pair->b, kServed));
}

TEST_P(Stream, BadEntriesAreRefused) {
  evpoll_io io = Read();
  io.offset = 1;
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(io));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Io(EVPOLL_OP_READ, 1, bytes, 0)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Io(EVPOLL_OP_READ, 1, nullptr, 1)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Io(EVPOLL_OP_READ, 1, bytes, uint64_t{1} << 63)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Poll(0)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Poll(EVPOLL_ERROR)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Io(EVPOLL_OP_POLL, 1, bytes, EVPOLL_READABLE)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Io(EVPOLL_OP_SHUTDOWN, 1, nullptr, 0)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Io(EVPOLL_OP_SHUTDOWN, 1, nullptr, 4)));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refused(Io(EVPOLL_OP_FSYNC, 1, nullptr, 0)));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refused(Io(EVPOLL_OP_CONNECT, 1, bytes, 32)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Io(EVPOLL_OP_ACCEPT, 1, bytes, 1)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Io(EVPOLL_OP_RECV_MESSAGE, 1, nullptr, 1)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Read(1, EVPOLL_OPF_ABORT)));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refused(Read(1, 0x80)));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refused(Write("x", 1, EVPOLL_OPF_DURABLE)));
  ExpectQuiet();
}

} // namespace
