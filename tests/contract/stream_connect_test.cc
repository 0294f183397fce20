// SPDX-License-Identifier: MIT
// The operation CONNECT, and what waits behind it.
#include "streams.h"

#include <memory>

namespace {

using namespace evp;

class StreamConnect : public Contract {
protected:
  void Begin(int32_t port) {
    ASSERT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", port, &c.h));
    ASSERT_EQ(0, Serve(p, c.h));
  }
  evpoll_io Io(uint32_t code, uint64_t token, void *buffer = nullptr, uint64_t length = 0) {
    return MakeIo(code, c.h, token, buffer, length);
  }
  uint64_t Start(evpoll_io io) {
    EXPECT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
    EXPECT_NE(0u, io.op);
    return io.op;
  }
  char bytes[64] = {};
  Socket c;
};
INSTANTIATE_TEST_SUITE_P(On, StreamConnect, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(StreamConnect, EndsWhenConnected) {
  Listener l;
  Begin(l.port);
  const evpoll_event e = RunIo(Io(EVPOLL_OP_CONNECT, 1));
  EXPECT_EQ(0, e.status) << evpoll_strerror(e.status);
  EXPECT_EQ(0, e.result);
  EXPECT_EQ(0, RunIo(Io(EVPOLL_OP_CONNECT, 2)).status) << "it is connected";
}

TEST_P(StreamConnect, ReadsAndWritesWaitBehindIt) {
  Listener l;
  char text[] = "hello";
  Begin(l.port);
  Start(Io(EVPOLL_OP_CONNECT, 1));
  Start(Io(EVPOLL_OP_READ, 2, bytes, sizeof bytes));
  Start(Io(EVPOLL_OP_WRITE, 3, text, 5));
  for (const evpoll_event &e : WaitFor(2)) {
    EXPECT_EQ(0, e.status) << e.token << evpoll_strerror(e.status);
    EXPECT_NE(2u, e.token);
  }
  Await(l.h, EVPOLL_READABLE);
  Socket server;
  ASSERT_EQ(0, evpoll_socket_accept(l.h, &server.h));
  EXPECT_EQ("hello", Received(server.h));
  Send(server.h, "back");
  const evpoll_event e = WaitOne();
  EXPECT_EQ(2u, e.token);
  EXPECT_EQ("back", std::string(bytes, 4));
}

TEST_P(StreamConnect, RefusedIsToldToAllThatWait) {
  const int32_t port = DeadPort();
  if (evpoll_socket_tcp_connect("127.0.0.1", port, &c.h) < 0) return; /* told at once */
  ASSERT_EQ(0, Serve(p, c.h));
  char text[] = "hello";
  evpoll_io ios[] = {Io(EVPOLL_OP_CONNECT, 1), Io(EVPOLL_OP_READ, 2, bytes, sizeof bytes),
                     Io(EVPOLL_OP_READ, 3, bytes, sizeof bytes), Io(EVPOLL_OP_WRITE, 4, text, 5),
                     Io(EVPOLL_OP_SHUTDOWN, 5, nullptr, EVPOLL_SHUTDOWN_WRITE)};
  ASSERT_EQ(5, evpoll_submit(p, ios, 5));
  for (const evpoll_event &e : WaitFor(5)) {
    EXPECT_EQ(EVPOLL_ERR_REFUSED, e.status) << e.token << evpoll_strerror(e.status);
    EXPECT_NE(0, e.result);
  }
  EXPECT_GT(0, RunIo(Io(EVPOLL_OP_CONNECT, 6)).status) << "it is told once, and stays so";
}

TEST_P(StreamConnect, CancelledEndsWhatWaitsBehindIt) {
  /* A listener that takes nobody any more, where there is such a thing: else it connects. */
  Listener l("127.0.0.1", 1);
  std::vector<std::unique_ptr<Socket>> full;
  for (int i = 0; i < 4; i++) {
    full.push_back(std::make_unique<Socket>());
    evpoll_socket_tcp_connect("127.0.0.1", l.port, &full.back()->h);
  }
  Begin(l.port);
  const uint64_t op = Start(Io(EVPOLL_OP_CONNECT, 1));
  Start(Io(EVPOLL_OP_READ, 2, bytes, sizeof bytes));
  Start(Io(EVPOLL_OP_POLL, 3, nullptr, EVPOLL_READABLE));
  evpoll_cancel(p, op);
  evpoll_cancel_token(p, c.h, 3);
  bool refused = false; /* as Windows says of a full one, at once perhaps */
  for (int left = 3; left > 0 && !HasFailure();)
    for (const evpoll_event &e : Wait()) {
      left--;
      refused |= e.token == 1 && e.status == EVPOLL_ERR_REFUSED;
      EXPECT_TRUE(e.status == EVPOLL_ERR_CANCELLED || e.token == 1 || refused)
          << evpoll_strerror(e.status);
      if (e.token != 1 || e.status) continue;
      EXPECT_EQ(1, evpoll_cancel_token(p, c.h, 2)) << "connected, and it waits for data";
    }
}

TEST_P(StreamConnect, OfWhatDoesNotConnectSaysSo) {
  Listener l;
  Udp u;
  for (evpoll_handle h : {l.h, u.h}) {
    ASSERT_EQ(0, Serve(p, h));
    const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_CONNECT, h, 1));
    EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, e.status) << evpoll_strerror(e.status);
    EXPECT_EQ(0, evpoll_remove(p, h, kServed));
  }
}

TEST_P(StreamConnect, InlineSaysHowItStands) {
  Listener l;
  Begin(l.port);
  Await(c.h, EVPOLL_WRITABLE);
  evpoll_io io = Io(EVPOLL_OP_CONNECT, 1);
  io.flags = EVPOLL_OPF_INLINE;
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  if (io.op) {
    EXPECT_EQ(0, WaitOne().status);
  } else {
    EXPECT_EQ(0, io.offset);
  }
}

TEST_P(StreamConnect, CloseEndsItAndWhatWaitsBehindIt) {
  Listener l;
  Begin(l.port);
  Start(Io(EVPOLL_OP_CONNECT, 1));
  Start(Io(EVPOLL_OP_READ, 2, bytes, sizeof bytes));
  Start(Io(EVPOLL_OP_CLOSE, 9));
  const auto events = WaitFor(3);
  EXPECT_EQ(9u, events[2].token);
  EXPECT_EQ(0, events[2].status);
  c.h = -1;
}

} // namespace
