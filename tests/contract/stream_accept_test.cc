// SPDX-License-Identifier: MIT
// The operation ACCEPT: each connection is somebody's, once, and no handle is lost.
#include "streams.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>

namespace {

using namespace evp;

class StreamAccept : public Contract {
protected:
  void SetUp() override {
    Contract::SetUp();
    ASSERT_EQ(0, Serve(p, l.h));
  }
  void TearDown() override {
    for (evpoll_handle h : accepted) EXPECT_EQ(0, evpoll_socket_close(h));
    Contract::TearDown();
  }
  evpoll_io Accept(uint64_t token, uint32_t flags = 0, evpoll_address *names = nullptr) {
    evpoll_io io = MakeIo(EVPOLL_OP_ACCEPT, l.h, token, names, names ? 2 : 0);
    io.flags = flags;
    return io;
  }
  void Start(evpoll_io io) {
    ASSERT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
    ASSERT_NE(0u, io.op);
  }
  // A connection, which the listener has when this returns.
  void Connect(Socket &s, const char *host = "127.0.0.1", int32_t port = 0) {
    ASSERT_LE(0, evpoll_socket_tcp_connect(host, port ? port : l.port, &s.h));
    Await(s.h, EVPOLL_WRITABLE);
  }
  evpoll_handle Taken(const evpoll_event &e) {
    EXPECT_EQ(0, e.status) << evpoll_strerror(e.status);
    if (e.status == 0) accepted.push_back(e.result);
    return e.result;
  }

  Listener l{"127.0.0.1", 0};
  std::vector<evpoll_handle> accepted;
};
INSTANTIATE_TEST_SUITE_P(On, StreamAccept, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(StreamAccept, AConnectionIsWaitedFor) {
  Start(Accept(1));
  ExpectQuiet();
  ExpectNoSpin();
  Socket c;
  Connect(c);
  const evpoll_event e = WaitOne();
  EXPECT_EQ(1u, e.token);
  const evpoll_handle h = Taken(e);
  Send(c.h, "hello");
  EXPECT_EQ("hello", Received(h));
}

TEST_P(StreamAccept, BothAddressesAreTold) {
  evpoll_address names[2] = {};
  Start(Accept(1, 0, names));
  Socket c;
  Connect(c);
  Taken(WaitOne());
  const uint8_t loopback[] = {127, 0, 0, 1};
  for (const evpoll_address &name : names) {
    EXPECT_EQ(EVPOLL_FAMILY_IPV4, static_cast<int>(name.family));
    EXPECT_TRUE(std::equal(loopback, loopback + 4, name.bytes));
  }
  EXPECT_EQ(PortOf(c.h), static_cast<int32_t>(names[0].port));
  EXPECT_EQ(l.port, static_cast<int32_t>(names[1].port));
}

TEST_P(StreamAccept, BothAddressesOfIpv6AreTold) {
  GATE_IPV6();
  Listener six("::1");
  ASSERT_EQ(0, Serve(p, six.h));
  evpoll_address names[2] = {};
  evpoll_io io = MakeIo(EVPOLL_OP_ACCEPT, six.h, 1, names, 2);
  Start(io);
  Socket c;
  Connect(c, "::1", six.port);
  Taken(WaitOne());
  uint8_t loopback[16] = {};
  loopback[15] = 1;
  for (const evpoll_address &name : names) {
    EXPECT_EQ(EVPOLL_FAMILY_IPV6, static_cast<int>(name.family));
    EXPECT_TRUE(std::equal(loopback, loopback + 16, name.bytes));
  }
  EXPECT_EQ(PortOf(c.h), static_cast<int32_t>(names[0].port));
  EXPECT_EQ(six.port, static_cast<int32_t>(names[1].port));
  EXPECT_EQ(0, evpoll_remove(p, six.h, kServed));
}

TEST_P(StreamAccept, NowaitAndInlineTakeWhatIsThere) {
  evpoll_io io = Accept(1, EVPOLL_OPF_NOWAIT);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, io.status);
  Socket a, b;
  Connect(a);
  Connect(b);
  Await(l.h, EVPOLL_READABLE);
  for (uint32_t flags : {EVPOLL_OPF_NOWAIT, EVPOLL_OPF_INLINE}) {
    io = Accept(1, flags);
    for (int tries = 0; tries < 2; tries++) { /* what the poller has not seen yet is waited for */
      ASSERT_EQ(1, evpoll_submit(p, &io, 1));
      if (!io.op) break;
      io.offset = WaitOne().result;
      break;
    }
    accepted.push_back(io.offset);
  }
  EXPECT_NE(accepted[0], accepted[1]);
  ExpectQuiet();
}

TEST_P(StreamAccept, QueuedAcceptsAreServedInOrder) {
  constexpr uint64_t kMany = 200;
  for (uint64_t i = 0; i < kMany; i++) Start(Accept(i));
  std::vector<std::unique_ptr<Socket>> sockets;
  uint64_t next = 0;
  while (next < kMany) { /* as many at once as a backlog holds anywhere */
    for (int i = 0; i < 50; i++) {
      sockets.push_back(std::make_unique<Socket>());
      Connect(*sockets.back());
    }
    for (const evpoll_event &e : WaitFor(50)) {
      Taken(e);
      if (SingleWaiter(GetParam())) {
        EXPECT_EQ(next, e.token);
      }
      next++;
    }
  }
  EXPECT_EQ(kMany, std::set<evpoll_handle>(accepted.begin(), accepted.end()).size());
}

TEST_P(StreamAccept, AConnectionIsNonBlockingAndNotInherited) {
  Start(Accept(1));
  Socket c;
  Connect(c);
  const evpoll_handle h = Taken(WaitOne());
  char byte;
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(h, &byte, 1));
  const int inherited = Inherited(h);
  EVP_GATE(inherited >= 0, "inheritance", "nothing tells what a new process gets");
  EXPECT_EQ(0, inherited);
}

TEST_P(StreamAccept, AConnectionThatHasGoneHurtsNobody) {
  for (int round = 0; round < 10; round++) {
    TcpPair gone; /* how a reset is made */
    Socket c, d;
    Connect(c);
    c.Close();
    Start(Accept(1));
    Connect(d);
    const evpoll_handle first = Taken(WaitOne());
    Send(d.h, "x");
    /* The one that has gone may be accepted still, and tells so. */
    if (Received(first) == "x") continue;
    Start(Accept(2));
    EXPECT_EQ("x", Received(Taken(WaitOne())));
  }
}

TEST_P(StreamAccept, ACancelledAcceptTakesNoConnection) {
  evpoll_io io = Accept(1);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, WaitOne().status);
  Socket c;
  Connect(c);
  ExpectQuiet();
  Start(Accept(2));
  EXPECT_EQ(2u, WaitFor(1)[0].token);
  accepted.clear();
}

TEST_P(StreamAccept, TheEndOfTheListenerEndsThem) {
  for (uint64_t i = 0; i < 3; i++) Start(Accept(i));
  evpoll_io close = MakeIo(EVPOLL_OP_CLOSE, l.h, 9);
  ASSERT_EQ(1, evpoll_submit(p, &close, 1));
  const auto events = WaitFor(4);
  for (size_t i = 0; i < 3; i++) EXPECT_EQ(EVPOLL_ERR_CANCELLED, events[i].status);
  EXPECT_EQ(9u, events[3].token);
  EXPECT_EQ(0, events[3].status);
  l.h = -1;
}

TEST_P(StreamAccept, OfWhatDoesNotListenFails) {
  TcpPair s;
  Udp u;
  for (evpoll_handle h : {s.a, u.h}) {
    ASSERT_EQ(0, Serve(p, h));
    const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_ACCEPT, h, 1));
    EXPECT_TRUE(e.status == EVPOLL_ERR_INVALID || e.status == EVPOLL_ERR_UNSUPPORTED)
        << evpoll_strerror(e.status);
    EXPECT_EQ(0, evpoll_remove(p, h, kServed));
  }
}

TEST_P(StreamAccept, ReadsAndWritesOfAListenerFail) {
  char byte = 0;
  for (uint32_t code : {EVPOLL_OP_READ, EVPOLL_OP_WRITE}) {
    const evpoll_event e = RunIo(MakeIo(code, l.h, 1, &byte, 1));
    EXPECT_TRUE(e.status == EVPOLL_ERR_NOT_CONNECTED || e.status == EVPOLL_ERR_BROKEN_PIPE)
        << evpoll_strerror(e.status);
  }
}

TEST_P(StreamAccept, WithoutRoomTheConnectionStays) {
  Socket a, b;
  Connect(a);
  Await(l.h, EVPOLL_READABLE);
  evpoll_event e = {};
  {
    NoMoreDescriptors none;
    GATE_LIMIT(none);
    e = RunIo(Accept(1));
    EXPECT_EQ(EVPOLL_ERR_LIMIT, e.status);
    EXPECT_NE(0, e.result);
    evpoll_io now = Accept(1, EVPOLL_OPF_NOWAIT);
    EXPECT_EQ(0, evpoll_submit(p, &now, 1));
    EXPECT_EQ(EVPOLL_ERR_LIMIT, now.status);
  }
  Connect(b);
  for (uint64_t i = 0; i < 2; i++) Start(Accept(i));
  for (const evpoll_event &one : WaitFor(2)) Taken(one);
  ExpectQuiet();
}

// One try for each connection, and one for each tenth of a second: not one after the other.
TEST_P(StreamAccept, WithoutRoomNothingSpins) {
  Socket a, b;
  Connect(a);
  Await(l.h, EVPOLL_READABLE);
  const uint64_t kMany = 1000;
  uint64_t failed = 0;
  {
    NoMoreDescriptors none;
    GATE_LIMIT(none);
    evpoll_event none_yet;
    EVP_GATE(evpoll_wait(p, &none_yet, 1, kMillisecond) >= 0, "waits-without-descriptors",
             "the simulated kernel needs some for a wait");
    for (uint64_t i = 0; i < kMany; i++) Start(Accept(i));
    for (; failed < 2; failed++) EXPECT_EQ(EVPOLL_ERR_LIMIT, Wait(kLong, 1).at(0).status);
  }
  evpoll_event e = {};
  for (e.status = EVPOLL_ERR_LIMIT; e.status == EVPOLL_ERR_LIMIT; failed++)
    e = Wait(kLong, 1).at(0);
  EXPECT_GT(kMany / 2, failed);
  Taken(e); /* nobody else had to connect for that */
  Connect(b);
  Taken(WaitOne());
}

// Who sleeps meanwhile, with nothing in flight and no descriptor for an alarm, comes back for it.
TEST_P(StreamAccept, WithoutRoomTheNextTryIsThatOfASleeper) {
  Socket a;
  Connect(a);
  Await(l.h, EVPOLL_READABLE);
  ExpectQuiet(); /* no edge is to come any more */
  {
    NoMoreDescriptors none;
    GATE_LIMIT(none);
    EXPECT_EQ(EVPOLL_ERR_LIMIT, RunIo(Accept(1)).status);
  }
  const uint64_t waits = Stats().waits;
  std::vector<evpoll_event> got;
  Thread sleeper([&] { got = Wait(EVPOLL_INFINITE); });
  while (Stats().waits == waits) std::this_thread::yield();
  Start(Accept(2));
  sleeper.Join();
  ASSERT_EQ(1u, got.size());
  Taken(got[0]);
}

TEST_P(StreamAccept, RoomThatIsFoundInTheCallIsRoomForTheOthers) {
  Socket a, b;
  Connect(a);
  Connect(b);
  Await(l.h, EVPOLL_READABLE);
  ExpectQuiet(); /* no edge is to come any more */
  {
    NoMoreDescriptors none;
    GATE_LIMIT(none);
    EXPECT_EQ(EVPOLL_ERR_LIMIT, RunIo(Accept(1)).status);
  }
  evpoll_io now = Accept(1, EVPOLL_OPF_NOWAIT);
  ASSERT_EQ(1, evpoll_submit(p, &now, 1));
  accepted.push_back(now.offset);
  Taken(RunIo(Accept(2)));
}

TEST_P(StreamAccept, AStormIsSharedByThreads) {
  const int kConnections = Slow() ? 100 : 600;
  constexpr int kThreads = 4;
  std::atomic<int> got{0};
  std::atomic<bool> done{false};
  std::vector<std::vector<evpoll_handle>> taken(kThreads);
  const bool single = SingleWaiter(GetParam());
  for (uint64_t i = 0; i < 8; i++) Start(Accept(i));
  std::vector<Thread> threads;
  for (int t = 0; t < (single ? 1 : kThreads); t++)
    threads.emplace_back([&, t] {
      evpoll_event events[8];
      while (!done) {
        const int32_t n = evpoll_wait(p, events, 8, 20 * kMillisecond);
        for (int32_t i = 0; i < n; i++) {
          EXPECT_EQ(0, events[i].status);
          taken[static_cast<size_t>(t)].push_back(events[i].result);
          evpoll_io again = Accept(events[i].token);
          EXPECT_EQ(1, evpoll_submit(p, &again, 1));
          got++;
        }
      }
    });
  std::vector<std::unique_ptr<Socket>> sockets;
  for (int i = 0; i < kConnections; i++) {
    sockets.push_back(std::make_unique<Socket>());
    Connect(*sockets.back());
    EXPECT_TRUE(Until([&] { return got > i - 50; }));
  }
  EXPECT_TRUE(Until([&] { return got >= kConnections; }));
  done = true;
  threads.clear();
  std::map<int32_t, int> peers; /* each connection, by its port */
  for (const auto &of_thread : taken)
    for (evpoll_handle h : of_thread) {
      char host[EVPOLL_ADDRESS_CAPACITY];
      int32_t port = 0;
      EXPECT_EQ(0, evpoll_socket_peer_address(h, host, sizeof host, &port));
      peers[port]++;
      accepted.push_back(h);
    }
  EXPECT_EQ(static_cast<size_t>(kConnections), peers.size());
  for (const auto &[port, times] : peers) EXPECT_EQ(1, times) << port;
}

TEST_P(StreamAccept, ClosingThePollerClosesWhatNobodyWasTold) {
  Socket c;
  Connect(c);
  Await(l.h, EVPOLL_READABLE);
  Start(Accept(1)); /* done in the call, and told by no wait */
  Close();
  char byte;
  Await(c.h, EVPOLL_READABLE);
  const int32_t n = evpoll_socket_recv(c.h, &byte, 1);
  EXPECT_TRUE(n == 0 || n == EVPOLL_ERR_RESET) << n;
}

} // namespace
