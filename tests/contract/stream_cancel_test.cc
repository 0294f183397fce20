// SPDX-License-Identifier: MIT
// Ends of operations on streams that meet their completions.
#include "streams.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>

namespace {

using namespace evp;

EVP_STREAMS(StreamCancel);

// It has finished in the call that submitted it, and nobody was told yet.
TEST_P(StreamCancel, OfWhatHasFinishedChangesNothing) {
  for (int round = 0; round < 3; round++) {
    uint64_t ops[3];
    for (uint64_t i = 0; i < 3; i++) ops[i] = Start(Write("x", i));
    for (int i : {1, 0, 2, 1}) evpoll_cancel(p, ops[i]);
    evpoll_cancel_handle(p, s.b);
    evpoll_cancel_all(p);
    const auto events = WaitFor(3);
    for (uint64_t i = 0; i < 3; i++) ExpectEvent(events[i], i, 0, 1);
    for (uint64_t op : ops) EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, op));
    EXPECT_EQ(1, Here(Write("y")));
    const uint64_t read = Start(Read(7));
    EXPECT_EQ(1, evpoll_cancel(p, read));
    ExpectEvent(WaitOne(), 7, EVPOLL_ERR_CANCELLED, 0);
  }
  std::string came;
  while (came.size() < 12) came += Received(s.a);
  EXPECT_EQ("xxxyxxxyxxxy", came);
}

TEST_P(StreamCancel, OfTheMiddleLeavesTheOthersInOrder) {
  char more[5] = {};
  uint64_t ops[5];
  for (uint64_t i = 0; i < 5; i++) ops[i] = Start(Io(EVPOLL_OP_READ, i, &more[i], 1));
  for (int i : {2, 0, 4}) EXPECT_EQ(1, evpoll_cancel(p, ops[i]));
  for (const evpoll_event &e : WaitFor(3)) EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  Send(s.a, "ab");
  const auto events = WaitFor(2);
  ExpectEvent(events[0], 1, 0, 1);
  ExpectEvent(events[1], 3, 0, 1);
  EXPECT_EQ('a', more[1]);
  EXPECT_EQ('b', more[3]);
}

TEST_P(StreamCancel, OfAWriteLetsTheShutdownBehindItGo) {
  FillUp(s.b);
  const uint64_t op = Start(Write("late", 1));
  Start(Io(EVPOLL_OP_SHUTDOWN, 2, nullptr, EVPOLL_SHUTDOWN_WRITE));
  ExpectQuiet();
  EXPECT_EQ(1, evpoll_cancel(p, op));
  const auto events = WaitFor(2);
  ExpectEvent(events[0], 1, EVPOLL_ERR_CANCELLED, 0);
  ExpectEvent(events[1], 2, 0, 0);
}

TEST_P(StreamCancel, OfAWriteWhileAnotherThreadSleepsWakesItForTheShutdown) {
  FillUp(s.b);
  const uint64_t op = Start(Write("late", 1));
  Start(Io(EVPOLL_OP_SHUTDOWN, 2, nullptr, EVPOLL_SHUTDOWN_WRITE));
  const uint64_t before = Stats().waits;
  Thread canceller([&] {
    EXPECT_TRUE(Until([&] { return Stats().waits > before; }));
    EXPECT_EQ(1, evpoll_cancel(p, op));
  });
  WaitFor(2);
}

TEST_P(StreamCancel, ByTokenFindsThoseOfTheHandle) {
  TcpPair other;
  ASSERT_EQ(0, Serve(p, other.b));
  Start(Read(5));
  Start(Poll(EVPOLL_READABLE, 5));
  Start(Read(6));
  Start(MakeIo(EVPOLL_OP_READ, other.b, 5, bytes, 1));
  EXPECT_EQ(2, evpoll_cancel_token(p, s.b, 5));
  for (const evpoll_event &e : WaitFor(2)) ExpectEvent(e, 5, EVPOLL_ERR_CANCELLED, 0);
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel_token(p, s.b, 5));
  ExpectQuiet();
  EXPECT_EQ(2, evpoll_cancel_all(p));
  for (const evpoll_event &e : WaitFor(2)) EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  EXPECT_EQ(0, evpoll_remove(p, other.b, kServed));
}

TEST_P(StreamCancel, AMillionOfWhatIsOver) {
  const uint64_t op = Start(Write("x"));
  WaitOne();
  const uint64_t waits = Start(Read());
  for (int i = 0; i < (Slow() ? 20000 : 1000000); i++)
    ASSERT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, op));
  Send(s.a, "y");
  EXPECT_EQ(waits, WaitOne().op);
}

// One thread sends, one cancels, one waits: each operation reports once, and no byte is lost.
TEST_P(StreamCancel, AgainstCompletionYieldsOneEvent) {
  std::vector<char> room(64);
  size_t received = 0;
  uint64_t sent = 0;
  const Effort effort(3000);
  for (int round = 0; !effort.Enough(round); round++) {
    std::atomic<uint64_t> op{0};
    std::atomic<bool> go{false};
    Thread canceller([&] {
      while (!go) std::this_thread::yield();
      evpoll_cancel(p, op);
    });
    Thread sender([&] {
      while (!go) std::this_thread::yield();
      Send(s.a, "x");
    });
    op = Start(Io(EVPOLL_OP_READ, 1, room.data(), room.size()));
    go = true;
    sent++;
    const evpoll_event e = WaitOne();
    canceller.Join();
    sender.Join();
    EXPECT_EQ(op, e.op);
    if (e.status == 0) received += static_cast<size_t>(e.result);
    ExpectEvent(e, 1, e.status ? EVPOLL_ERR_CANCELLED : 0,
                e.status ? 0 : std::max<int64_t>(1, e.result));
  }
  while (received < sent) received += Received(s.b).size();
  EXPECT_EQ(sent, received);
  ExpectQuiet();
}

TEST_P(StreamCancel, RemoveAndAddAgainWhileBytesCome) {
  const Effort effort(300);
  for (int round = 0; !effort.Enough(round); round++) {
    Start(Read(1));
    Thread sender([&] { Send(s.a, "x"); });
    int32_t removed = evpoll_remove(p, s.b, kServed);
    const evpoll_event e = WaitOne();
    EXPECT_TRUE(e.status == 0 || e.status == EVPOLL_ERR_CANCELLED);
    while (removed == EVPOLL_ERR_BUSY) removed = evpoll_remove(p, s.b, kServed);
    EXPECT_EQ(0, removed);
    sender.Join();
    ASSERT_EQ(0, Serve(p, s.b));
    if (e.status != 0) ExpectEvent(RunIo(Read(2)), 2, 0, 1);
  }
}

TEST_P(StreamCancel, AddOverItEndsWhatWaits) {
  Start(Read(1));
  EXPECT_EQ(1, evpoll_add(p, s.b, 77, 0, EVPOLL_OPERATIONS));
  ExpectEvent(WaitOne(), 1, EVPOLL_ERR_CANCELLED, 0);
  Send(s.a, "x");
  ExpectEvent(RunIo(Read(2)), 2, 0, 1);
  EXPECT_EQ(1, evpoll_add(p, s.b, 78, EVPOLL_READABLE, EVPOLL_LEVEL));
  Send(s.a, "x");
  EXPECT_EQ(78u, WaitOne().token);
}

TEST_P(StreamCancel, AHoldKeepsTheNumber) {
  Start(Read(1));
  EXPECT_EQ(0, evpoll_hold(p, s.b, kServed));
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, s.b, kServed));
  ExpectEvent(WaitOne(), 1, EVPOLL_ERR_CANCELLED, 0);
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, s.b, kServed));
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_add(p, s.b, 5, 0, EVPOLL_OPERATIONS));
  EXPECT_EQ(0, evpoll_release(p, s.b));
  EXPECT_EQ(0, evpoll_remove(p, s.b, kServed));
}

TEST_P(StreamCancel, ShutdownAndCloseWithThousandsQueued) {
  std::vector<char> room(5000);
  for (size_t i = 0; i < room.size(); i++) Start(Io(EVPOLL_OP_READ, i, &room[i], 1));
  for (size_t i = 0; i < 1000; i++) Start(Poll(EVPOLL_READABLE, i));
  Close();
  Open();
  ASSERT_EQ(0, Serve(p, s.b));
  Send(s.a, "x");
  ExpectEvent(RunIo(Read()), 1, 0, 1);
}

} // namespace
