// SPDX-License-Identifier: MIT
// Every call that streams make fails once: each accepted operation reports once all the same,
// nothing hangs, nothing leaks. And one that takes long holds up nobody else.
#include "fault_test.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <iterator>
#include <memory>

namespace evp {
namespace {

using fault::Arm;
using fault::Block;
using fault::Disarm;
using fault::Unblock;

class FaultStream : public FaultTest {
protected:
  void TearDown() override {
    Unblock();
    FaultTest::TearDown();
  }

  // Everything that streams can do, once; the call that is armed fails in it. Returns how many did.
  int Scenario() {
    Pair s; /* local: a descriptor that is closed wrongly tells by itself */
    TcpPair t;
    Pipe pipe;
    evpoll_handle listener = -1, udp = -1, client = -1;
    EXPECT_EQ(0, evpoll_socket_tcp_listen("127.0.0.1", 0, 4, &listener));
    EXPECT_EQ(0, evpoll_socket_udp_bind("127.0.0.1", 0, &udp));
    EXPECT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", PortOf(listener), &client));
    Send(t.a, "0123456789");
    pipe.Write("pipe");
    char room[12][16] = {};
    evpoll_address names[2] = {};
    evpoll_iovec v[] = {{EVPOLL_ADDR(room[10]), 2}, {EVPOLL_ADDR(room[11]), 2}};
    evpoll_message in = {}, out = {};
    in.iovecs = out.iovecs = EVPOLL_ADDR(v);
    in.iovec_count = out.iovec_count = 2;
    out.peer.family = EVPOLL_FAMILY_IPV4;
    out.peer.port = static_cast<uint16_t>(PortOf(udp));
    out.peer.bytes[0] = 127, out.peer.bytes[3] = 1;
    evpoll_io ios[] = {
        MakeIo(EVPOLL_OP_POLL, t.b, 0, nullptr, EVPOLL_READABLE),
        MakeIo(EVPOLL_OP_READ, t.b, 1, room[1], 2),
        MakeIo(EVPOLL_OP_READ, t.b, 2, room[2], 16),
        MakeIo(EVPOLL_OP_WRITE, t.b, 3, room[3], 16),
        MakeIo(EVPOLL_OP_READV, s.b, 4, v, 2),
        MakeIo(EVPOLL_OP_WRITEV, s.b, 5, v, 2),
        MakeIo(EVPOLL_OP_ACCEPT, listener, 6, names, 2),
        MakeIo(EVPOLL_OP_CONNECT, client, 7),
        MakeIo(EVPOLL_OP_SEND_MESSAGE, udp, 8, &out, 1),
        MakeIo(EVPOLL_OP_RECV_MESSAGE, udp, 9, &in, 1),
        MakeIo(EVPOLL_OP_READ, pipe.read, 10, room[4], 16),
        MakeIo(EVPOLL_OP_WRITE, pipe.write, 11, room[5], 16),
        MakeIo(EVPOLL_OP_SHUTDOWN, t.b, 12, nullptr, EVPOLL_SHUTDOWN_WRITE),
        MakeIo(EVPOLL_OP_READ, t.b, 13, room[6], 16, 0),
    };
    ios[1].flags = EVPOLL_OPF_ALL;
    ios[10].flags = ios[3].flags = EVPOLL_OPF_INLINE;
    std::vector<evpoll_handle> served;
    evpoll_handle *const all[] = {&t.b, &s.b, &listener, &udp, &client, &pipe.read, &pipe.write};
    Arming();
    for (evpoll_handle *h : all)
      if (Serve(p, *h) == 0) served.push_back(*h);
    const int32_t n = static_cast<int32_t>(std::size(ios));
    const int32_t accepted = evpoll_submit(p, ios, n);
    EXPECT_LE(0, accepted);
    size_t flying = 0, reported = 0;
    std::vector<int> seen(20);
    for (const evpoll_io &io : ios) {
      flying += io.op != 0;
      EXPECT_TRUE(io.op == 0 || io.status == 0);
    }
    const auto take = [&](int64_t timeout) {
      const std::vector<evpoll_event> events = Wait(timeout);
      for (const evpoll_event &e : events) {
        EXPECT_EQ(1, ++seen[e.token]) << e.token;
        if (e.token == 6 && e.status == 0) {
          EXPECT_EQ(0, evpoll_socket_close(e.result));
        }
      }
      reported += events.size();
      return !events.empty();
    };
    while (reported < flying && take(10 * kMillisecond)) {
    }
    const int failures = Disarm();
    evpoll_cancel_all(p);
    while (reported < flying && take(kLong)) {
    }
    EXPECT_EQ(flying, reported);
    for (evpoll_handle *h : all) {
      bool is_served = false;
      for (evpoll_handle one : served) is_served |= one == *h;
      evpoll_io close = MakeIo(EVPOLL_OP_CLOSE, *h, 15);
      if (is_served) {
        EXPECT_EQ(1, evpoll_submit(p, &close, 1));
        EXPECT_EQ(0, WaitOne().status);
      } else {
        ::close(static_cast<int>(*h));
      }
      *h = -1;
    }
    ExpectQuiet();
    return failures;
  }
  void ForEach(fault::Call call, int error, int least) {
    Open();
    ExpectUsable();
    EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_TIMER, -1, 9, nullptr, 0, kMillisecond)).status);
    /* ... so that the alarm has its descriptor. */
    const size_t before = fault::OpenDescriptors();
    const int n = EachFailing([&](int nth) {
      Arming = [&] { Arm(call, nth, error); };
      const int failures = Scenario();
      EXPECT_EQ(before, fault::OpenDescriptors());
      ExpectUsable();
      return failures;
    });
    EXPECT_LE(least, n);
    Close();
    ExpectNothingLeft();
  }
  std::function<void()> Arming;
};
INSTANTIATE_TEST_SUITE_P(On, FaultStream, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(FaultStream, Recv) { ForEach(fault::kRecv, EIO, 2); }
TEST_P(FaultStream, RecvForWantOfMemory) { ForEach(fault::kRecv, ENOMEM, 2); }
TEST_P(FaultStream, Send) { ForEach(fault::kSend, ECONNRESET, 1); }
TEST_P(FaultStream, SendForWantOfBuffers) { ForEach(fault::kSend, ENOBUFS, 1); }
TEST_P(FaultStream, RecvMessage) { ForEach(fault::kRecvMessage, EIO, 2); }
TEST_P(FaultStream, SendMessage) { ForEach(fault::kSendMessage, EHOSTUNREACH, 2); }
TEST_P(FaultStream, Accept) { ForEach(fault::kAccept, EMFILE, 1); }
TEST_P(FaultStream, AcceptOfWhatHasGone) { ForEach(fault::kAccept, ECONNABORTED, 1); }
TEST_P(FaultStream, AcceptForWantOfMemory) { ForEach(fault::kAccept, ENOMEM, 1); }
TEST_P(FaultStream, GetOption) { ForEach(fault::kGetOption, ENOBUFS, 3); }
TEST_P(FaultStream, OwnName) { ForEach(fault::kOwnName, ENOBUFS, 1); }
TEST_P(FaultStream, PeerName) { ForEach(fault::kPeerName, ENOBUFS, 1); }
TEST_P(FaultStream, Poll) { ForEach(fault::kPoll, ENOMEM, 1); }
TEST_P(FaultStream, Shutdown) { ForEach(fault::kShutdown, ENOTCONN, 1); }
TEST_P(FaultStream, PipeRead) { ForEach(fault::kPipeRead, EIO, 1); }
TEST_P(FaultStream, PipeWrite) { ForEach(fault::kPipeWrite, EPIPE, 1); }
TEST_P(FaultStream, Stat) { ForEach(fault::kStat, ENOMEM, 3); }
TEST_P(FaultStream, EpollControl) { ForEach(fault::kEpollControl, ENOMEM, 4); }
TEST_P(FaultStream, Memory) { ForEach(fault::kMemory, ENOMEM, 4); }

TEST_P(FaultStream, AConnectionThatWasGoneIsNoFailure) {
  Open();
  evpoll_handle listener = -1, client = -1;
  ASSERT_EQ(0, evpoll_socket_tcp_listen("127.0.0.1", 0, 4, &listener));
  ASSERT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", PortOf(listener), &client));
  ASSERT_EQ(0, Serve(p, listener));
  Arm(fault::kAccept, 1, ECONNABORTED, 200);
  evpoll_event e = RunIo(MakeIo(EVPOLL_OP_ACCEPT, listener, 1));
  EXPECT_EQ(200, Disarm());
  EXPECT_EQ(0, e.status) << evpoll_strerror(e.status);
  for (evpoll_handle h : {e.result, listener, client}) evpoll_socket_close(h);
}

TEST_P(FaultStream, CloseSaysWhatTheSystemSaid) {
  Open();
  TcpPair t;
  ASSERT_EQ(0, Serve(p, t.b));
  Arm(fault::kClose, 1, EIO);
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_CLOSE, t.b, 1));
  EXPECT_EQ(1, Disarm());
  EXPECT_EQ(EVPOLL_ERR_IO, e.status) << evpoll_strerror(e.status);
  EXPECT_EQ(EIO, e.result);
  t.b = -1;
}

TEST_P(FaultStream, CloseInTheCallThatFailedIsNotRefused) {
  Open();
  TcpPair t;
  ASSERT_EQ(0, Serve(p, t.b));
  evpoll_io io = MakeIo(EVPOLL_OP_CLOSE, t.b, 1);
  io.flags = EVPOLL_OPF_INLINE;
  Arm(fault::kClose, 1, EIO);
  EXPECT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(1, Disarm());
  t.b = -1;
  EXPECT_EQ(0, io.status) << evpoll_strerror(io.status);
  ASSERT_NE(0u, io.op);
  const evpoll_event e = WaitOne();
  EXPECT_EQ(io.op, e.op);
  EXPECT_EQ(EVPOLL_ERR_IO, e.status) << evpoll_strerror(e.status);
  EXPECT_EQ(EIO, e.result);
  ExpectQuiet();
}

// Of a device that is always ready, and of a socket that has had its edge.
TEST_P(FaultStream, ASignalDuringAPollLosesNothing) {
  Open();
  TcpPair t;
  ASSERT_EQ(0, Serve(p, t.b));
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  ASSERT_EQ(0, Serve(p, null));
  EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_POLL, t.b, 1, nullptr, EVPOLL_WRITABLE)).status);
  for (const evpoll_handle h : {t.b, evpoll_handle{null}}) {
    Arm(fault::kPoll, 1, EINTR);
    const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_POLL, h, 2, nullptr, EVPOLL_WRITABLE));
    EXPECT_EQ(1, Disarm());
    EXPECT_EQ(0, e.status) << evpoll_strerror(e.status);
    EXPECT_EQ(EVPOLL_WRITABLE, e.result);
  }
  EXPECT_EQ(0, evpoll_remove(p, null, kServed));
  close(null);
}

// An edge has each of them asked about. One that comes meanwhile is first, and takes nobody's turn.
TEST_P(FaultStream, APollThatComesWhileOthersLookHidesNobodysEdge) {
  Open();
  TcpPair t;
  ASSERT_EQ(0, Serve(p, t.b));
  for (const uint64_t token : {1, 2}) {
    evpoll_io io =
        MakeIo(EVPOLL_OP_POLL, t.b, token, nullptr, token == 2 ? EVPOLL_READABLE : EVPOLL_PRIORITY);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  }
  ExpectQuiet();
  Block(fault::kPoll);
  Thread third([&] {
    EXPECT_TRUE(Until([] { return fault::Blocked(); }));
    evpoll_io io = MakeIo(EVPOLL_OP_POLL, t.b, 3, nullptr, EVPOLL_PRIORITY);
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    Unblock();
  });
  Send(t.a, "x");
  EXPECT_EQ(2u, WaitOne().token);
  third.Join();
}

/* ---- calls that take long ---- */

// What others may do while a call on t.b is stuck.
class FaultSlowStream : public FaultStream {
protected:
  void SetUp() override {
    FaultStream::SetUp();
    Open();
    t = std::make_unique<TcpPair>();
    ASSERT_EQ(0, Serve(p, t->b));
  }
  void TearDown() override {
    Unblock();
    t.reset();
    FaultStream::TearDown();
  }
  void Others(bool reads) {
    TcpPair other;
    char byte = 0;
    ASSERT_EQ(0, Serve(p, other.b));
    evpoll_io io = MakeIo(EVPOLL_OP_READ, other.b, 20, &byte, 1);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    if (!SingleWaiter(GetParam()) || in_submit) {
      Send(other.a, "x");
      EXPECT_EQ(20u, WaitOne().token);
      io.token = 21;
      ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    }
    EXPECT_EQ(1, evpoll_cancel(p, io.op));
    EXPECT_NE(EVPOLL_OK, evpoll_hold(p, other.b, 5));
    /* The other direction of the same handle, and more of the same. */
    const uint32_t code = reads ? EVPOLL_OP_WRITE : EVPOLL_OP_READ;
    const uint32_t same = reads ? EVPOLL_OP_READ : EVPOLL_OP_WRITE;
    if (!reads) Send(t->a, "y");
    if (!reads) Settle();
    evpoll_io more[] = {MakeIo(code, t->b, 30, room[0], 1), MakeIo(same, t->b, 31, room[1], 1)};
    ASSERT_EQ(2, evpoll_submit(p, more, 2));
    EXPECT_EQ(1, evpoll_cancel(p, more[1].op));
    EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, t->b, kServed)) << "a thread names it";
    ASSERT_EQ(0, evpoll_post(p, 40, 1));
    Stats();
    EXPECT_EQ(0, evpoll_remove(p, other.b, kServed));
  }
  void Settle() {
    for (int i = 0; i < 1000; i++) std::this_thread::yield();
  }
  std::unique_ptr<TcpPair> t;
  bool in_submit = true;
  char room[4][16] = {};
};
INSTANTIATE_TEST_SUITE_P(On, FaultSlowStream, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(FaultSlowStream, AReadInTheCallThatSubmitsIt) {
  Send(t->a, "x");
  Block(fault::kRecv);
  Thread submitter([&] {
    evpoll_io io = MakeIo(EVPOLL_OP_READ, t->b, 1, room[2], 1);
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
  });
  ASSERT_TRUE(Until([] { return fault::Blocked(); }));
  Others(true);
  Unblock();
  submitter.Join();
  size_t events = 0;
  int32_t status = 1;
  for (const evpoll_event &e : WaitFor(5)) {
    events++;
    if (e.token == 1) status = e.status;
  }
  EXPECT_EQ(0, status) << "what was done beats the request to end it";
  EXPECT_EQ(0, evpoll_remove(p, t->b, kServed));
}

TEST_P(FaultSlowStream, AWriteInTheCallThatSubmitsIt) {
  Block(fault::kSend);
  Thread submitter([&] {
    evpoll_io io = MakeIo(EVPOLL_OP_WRITE, t->b, 1, room[2], 1);
    io.flags = EVPOLL_OPF_INLINE;
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    EXPECT_EQ(0u, io.op);
  });
  ASSERT_TRUE(Until([] { return fault::Blocked(); }));
  Others(false);
  Unblock();
  submitter.Join();
  WaitFor(4);
  EXPECT_EQ(0, evpoll_remove(p, t->b, kServed));
}

TEST_P(FaultSlowStream, AReadInAWait) {
  if (SingleWaiter(GetParam())) GTEST_SKIP() << "one waiter only";
  evpoll_io io = MakeIo(EVPOLL_OP_READ, t->b, 1, room[2], 1);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  ExpectQuiet();
  in_submit = false;
  Block(fault::kRecv);
  std::atomic<int> got{0};
  Thread waiter([&] {
    evpoll_event e;
    got += LongWait(p, &e, 1);
  });
  Send(t->a, "x");
  ASSERT_TRUE(Until([] { return fault::Blocked(); }));
  Others(true);
  Unblock();
  waiter.Join();
  WaitFor(static_cast<size_t>(5 - got));
  EXPECT_EQ(0, evpoll_remove(p, t->b, kServed));
}

// A call says "not now", data comes, and the edge is taken by somebody else before that is heard.
TEST_P(FaultSlowStream, AnEdgeDuringACallIsNotForgotten) {
  for (uint32_t flags : {0, EVPOLL_OPF_INLINE, EVPOLL_OPF_ALL | EVPOLL_OPF_INLINE}) {
    Arm(fault::kRecv, 1, EAGAIN);
    Block(fault::kRecv);
    Thread submitter([&] {
      evpoll_io io = MakeIo(EVPOLL_OP_READ, t->b, 1, room[2], 1);
      io.flags = flags;
      EXPECT_EQ(1, evpoll_submit(p, &io, 1));
      EXPECT_NE(0u, io.op);
    });
    ASSERT_TRUE(Until([] { return fault::Blocked(); }));
    Send(t->a, "x");
    EXPECT_EQ(0u, Wait(20 * kMillisecond).size()) << "another thread has the direction";
    Unblock();
    EXPECT_EQ(1, WaitOne().result);
    submitter.Join();
    EXPECT_EQ(1, Disarm());
    ExpectQuiet();
  }
}

// A wait took several edges and is stuck at the first; others work on the handles that it has yet
// to come to.
TEST_P(FaultSlowStream, WhatAStuckWaitHasYetToDoIsNotLost) {
  if (SingleWaiter(GetParam())) GTEST_SKIP() << "one waiter only";
  TcpPair more[2];
  evpoll_handle all[] = {t->b, more[0].b, more[1].b};
  evpoll_handle peers[] = {t->a, more[0].a, more[1].a};
  for (uint64_t i = 0; i < 3; i++) {
    ASSERT_EQ(i ? 0 : 1, Serve(p, all[i]));
    evpoll_io io = MakeIo(EVPOLL_OP_READ, all[i], i, room[i], 1);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  }
  ExpectQuiet();
  for (evpoll_handle peer : peers) Send(peer, "x");
  Block(fault::kRecv);
  std::vector<int> seen(5);
  std::atomic<int> got{0};
  evpoll_event elsewhere[8];
  Thread waiter([&] { got = LongWait(p, elsewhere, 8); });
  ASSERT_TRUE(Until([] { return fault::Blocked(); }));
  for (uint64_t round = 3; round < 5; round++) {
    evpoll_io io = MakeIo(EVPOLL_OP_READ, all[1], round, room[3], 1);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    Send(peers[1], "y");
    for (const evpoll_event &e : Wait(20 * kMillisecond)) seen[e.token]++;
  }
  Unblock();
  waiter.Join();
  for (int i = 0; i < got; i++) seen[elsewhere[i].token]++;
  for (bool left = true; left;) {
    left = false;
    for (const evpoll_event &e : Wait(20 * kMillisecond)) seen[e.token]++, left = true;
  }
  EXPECT_EQ(std::vector<int>(5, 1), seen);
  for (evpoll_handle h : all) EXPECT_EQ(0, evpoll_remove(p, h, kServed)) << "a use was lost";
}

TEST_P(FaultSlowStream, CloseWaitsForIt) {
  Send(t->a, "x");
  Block(fault::kRecv);
  Thread submitter([&] {
    evpoll_io io = MakeIo(EVPOLL_OP_READ, t->b, 1, room[2], 1);
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
  });
  ASSERT_TRUE(Until([] { return fault::Blocked(); }));
  evpoll_io close = MakeIo(EVPOLL_OP_CLOSE, t->b, 9);
  close.flags = EVPOLL_OPF_INLINE;
  ASSERT_EQ(1, evpoll_submit(p, &close, 1));
  EXPECT_NE(0u, close.op);
  ExpectQuiet();
  EXPECT_EQ(0, fcntl(static_cast<int>(t->b), F_GETFD) & ~FD_CLOEXEC) << "it is open still";
  Unblock();
  submitter.Join();
  const auto events = WaitFor(2);
  EXPECT_EQ(1u, events[0].token);
  EXPECT_EQ(9u, events[1].token);
  t->b = -1;
}

} // namespace
} // namespace evp
