// SPDX-License-Identifier: MIT
// Datagrams: RECV_MESSAGE and SEND_MESSAGE with addresses, READ and WRITE without, and messages
// that are none.
#include "streams.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace {

using namespace evp;

class StreamMessage : public Contract {
protected:
  void SetUp() override {
    Contract::SetUp();
    ASSERT_EQ(0, Serve(p, u.h));
    for (size_t i = 0; i < 1025; i++) many[i] = {EVPOLL_ADDR(room), 1};
  }
  evpoll_io Io(uint32_t code, evpoll_message *m, uint64_t token = 1, uint32_t flags = 0) {
    evpoll_io io = MakeIo(code, u.h, token, m, 1);
    io.flags = flags;
    return io;
  }
  evpoll_message Message(void *bytes, uint64_t length) {
    piece = {EVPOLL_ADDR(bytes), length};
    evpoll_message m = {};
    m.iovecs = EVPOLL_ADDR(&piece);
    m.iovec_count = 1;
    return m;
  }
  evpoll_address To(int32_t port) {
    evpoll_address a = {};
    const uint8_t loopback[] = {127, 0, 0, 1};
    a.family = EVPOLL_FAMILY_IPV4;
    a.port = static_cast<uint16_t>(port);
    std::copy(loopback, loopback + 4, a.bytes);
    return a;
  }
  int32_t Refused(uint32_t code, evpoll_message m) {
    evpoll_io io = Io(code, &m);
    EXPECT_EQ(0, evpoll_submit(p, &io, 1));
    EXPECT_EQ(0u, io.op);
    return io.status;
  }
  void SendTo(const std::string &text) {
    EXPECT_EQ(static_cast<int32_t>(text.size()),
              evpoll_socket_sendto(other.h, text.data(), text.size(), "127.0.0.1", u.port));
  }

  Udp u, other;
  char room[256] = {};
  evpoll_iovec piece = {};
  std::vector<evpoll_iovec> many = std::vector<evpoll_iovec>(1025);
};
INSTANTIATE_TEST_SUITE_P(On, StreamMessage, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(StreamMessage, TellsWhereItCameFrom) {
  evpoll_message m = Message(room, sizeof room);
  evpoll_io io = Io(EVPOLL_OP_RECV_MESSAGE, &m);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  ExpectQuiet();
  SendTo("hello");
  const evpoll_event e = WaitOne();
  EXPECT_EQ(0, e.status) << evpoll_strerror(e.status);
  EXPECT_EQ(5, e.result);
  EXPECT_EQ("hello", std::string(room, 5));
  EXPECT_EQ(EVPOLL_FAMILY_IPV4, static_cast<int>(m.peer.family));
  EXPECT_EQ(other.port, static_cast<int32_t>(m.peer.port));
  EXPECT_EQ(127, m.peer.bytes[0]);
  EXPECT_EQ(0u, m.flags);
}

TEST_P(StreamMessage, GoesWhereItIsSent) {
  char text[] = "hello";
  evpoll_message m = Message(text, 5);
  m.peer = To(other.port);
  EXPECT_EQ(5, RunIo(Io(EVPOLL_OP_SEND_MESSAGE, &m)).result);
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = 0;
  Await(other.h, EVPOLL_READABLE);
  EXPECT_EQ(5, evpoll_socket_recvfrom(other.h, room, sizeof room, host, sizeof host, &port));
  EXPECT_EQ(u.port, port);
}

TEST_P(StreamMessage, AnswersGoToWhoAsked) {
  evpoll_message m = Message(room, sizeof room);
  SendTo("ping");
  EXPECT_EQ(4, RunIo(Io(EVPOLL_OP_RECV_MESSAGE, &m)).result);
  piece.length = 4;
  EXPECT_EQ(4, RunIo(Io(EVPOLL_OP_SEND_MESSAGE, &m)).result);
  EXPECT_EQ("ping", Received(other.h));
}

TEST_P(StreamMessage, SeveralPiecesAreOneDatagram) {
  char a[] = "ab", b[] = "cde";
  evpoll_iovec v[] = {{EVPOLL_ADDR(a), 2}, {0, 0}, {EVPOLL_ADDR(b), 3}};
  evpoll_message m = {};
  m.iovecs = EVPOLL_ADDR(v);
  m.iovec_count = 3;
  m.peer = To(u.port); /* to itself */
  EXPECT_EQ(5, RunIo(Io(EVPOLL_OP_SEND_MESSAGE, &m)).result);
  char c[3] = {}, d[8] = {};
  evpoll_iovec w[] = {{EVPOLL_ADDR(c), 2}, {EVPOLL_ADDR(d), 8}};
  m.iovecs = EVPOLL_ADDR(w);
  m.iovec_count = 2;
  EXPECT_EQ(5, RunIo(Io(EVPOLL_OP_RECV_MESSAGE, &m)).result);
  EXPECT_STREQ("ab", c);
  EXPECT_STREQ("cde", d);
}

TEST_P(StreamMessage, ThatIsTooLongIsCutAndSaysSo) {
  SendTo("0123456789");
  SendTo("next");
  evpoll_message m = Message(room, 4);
  EXPECT_EQ(4, RunIo(Io(EVPOLL_OP_RECV_MESSAGE, &m)).result);
  EXPECT_EQ(EVPOLL_MESSAGE_TRUNCATED, static_cast<int>(m.flags));
  m.flags = 0;
  EXPECT_EQ(4, RunIo(Io(EVPOLL_OP_RECV_MESSAGE, &m)).result);
  EXPECT_EQ("next", std::string(room, 4));
  EXPECT_EQ(0u, m.flags);
}

TEST_P(StreamMessage, ThatIsPeekedStays) {
  SendTo("peek");
  for (uint32_t flags : {EVPOLL_MESSAGE_PEEK, EVPOLL_MESSAGE_PEEK, 0}) {
    evpoll_message m = Message(room, sizeof room);
    m.flags = flags;
    EXPECT_EQ(4, RunIo(Io(EVPOLL_OP_RECV_MESSAGE, &m)).result);
    EXPECT_EQ(other.port, static_cast<int32_t>(m.peer.port));
  }
  evpoll_message m = Message(room, sizeof room);
  evpoll_io io = Io(EVPOLL_OP_RECV_MESSAGE, &m, 1, EVPOLL_OPF_NOWAIT);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, io.status);
}

TEST_P(StreamMessage, ThatIsEmptyArrives) {
  char nothing = 0;
  evpoll_message m = Message(&nothing, 0);
  m.peer = To(u.port);
  const evpoll_event sent = RunIo(Io(EVPOLL_OP_SEND_MESSAGE, &m));
  EXPECT_EQ(0, sent.status);
  EXPECT_EQ(0, sent.result);
  m = Message(room, sizeof room);
  const evpoll_event e = RunIo(Io(EVPOLL_OP_RECV_MESSAGE, &m));
  EXPECT_EQ(0, e.status);
  EXPECT_EQ(0, e.result);
  EXPECT_EQ(u.port, static_cast<int32_t>(m.peer.port));
}

TEST_P(StreamMessage, ReadsTakeOneDatagramEach) {
  for (const char *text : {"one", "three", "two"}) SendTo(text);
  char more[3][16] = {};
  for (uint64_t i = 0; i < 3; i++) {
    evpoll_io io = MakeIo(EVPOLL_OP_READ, u.h, i, more[i], sizeof more[i]);
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
  }
  for (const evpoll_event &e : WaitFor(3)) EXPECT_EQ(0, e.status);
  EXPECT_STREQ("one", more[0]);
  EXPECT_STREQ("three", more[1]);
  EXPECT_STREQ("two", more[2]);
}

TEST_P(StreamMessage, AWriteWithoutAPeerFails) {
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_WRITE, u.h, 1, room, 4));
  EXPECT_GT(0, e.status);
  EXPECT_NE(EVPOLL_ERR_WOULD_BLOCK, e.status);
  evpoll_message m = Message(room, 4);
  EXPECT_GT(0, RunIo(Io(EVPOLL_OP_SEND_MESSAGE, &m)).status);
}

TEST_P(StreamMessage, ThatNoDatagramHoldsIsRefusedBySize) {
  std::vector<char> large(100000);
  evpoll_message m = Message(large.data(), large.size());
  m.peer = To(other.port);
  EXPECT_EQ(EVPOLL_ERR_MESSAGE_SIZE, RunIo(Io(EVPOLL_OP_SEND_MESSAGE, &m)).status);
}

TEST_P(StreamMessage, OverAConnection) {
  TcpPair s;
  ASSERT_EQ(0, Serve(p, s.b));
  char text[] = "abc";
  evpoll_message m = Message(text, 3);
  EXPECT_EQ(3, RunIo(MakeIo(EVPOLL_OP_SEND_MESSAGE, s.b, 1, &m, 1)).result);
  EXPECT_EQ("abc", Received(s.a));
  Send(s.a, "def");
  m = Message(room, sizeof room);
  EXPECT_EQ(3, RunIo(MakeIo(EVPOLL_OP_RECV_MESSAGE, s.b, 1, &m, 1)).result);
  EXPECT_EQ("def", std::string(room, 3));
  s.CloseA();
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_RECV_MESSAGE, s.b, 1, &m, 1));
  EXPECT_EQ(0, e.status);
  EXPECT_EQ(0, e.result);
  EXPECT_EQ(0, evpoll_remove(p, s.b, kServed));
}

TEST_P(StreamMessage, ThatIsNoneIsRefused) {
  const evpoll_message good = Message(room, 4);
  for (uint32_t code : {EVPOLL_OP_RECV_MESSAGE, EVPOLL_OP_SEND_MESSAGE}) {
    evpoll_message m = good;
    for (uint32_t count : {0u, 1025u, 0x80000000u, UINT32_MAX}) {
      m.iovecs = EVPOLL_ADDR(many.data());
      m.iovec_count = count;
      EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(code, m)) << count;
    }
    m = good, m.iovecs = 0;
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(code, m));
    for (uint64_t &word : m.reserved) {
      m = good, word = 1;
      EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(code, m));
      word = 0;
    }
    m = good, m.flags = 0x80000000u;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refused(code, m));
    m = good, m.control = EVPOLL_ADDR(room), m.control_capacity = 64;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refused(code, m));
    m = good, m.segment_size = 1000;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refused(code, m));
    m = good, m.ecn = 1;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refused(code, m));
    evpoll_io io = Io(code, &m);
    for (uint64_t length : {uint64_t{0}, uint64_t{2}, UINT64_MAX}) {
      io.length = length;
      EXPECT_EQ(0, evpoll_submit(p, &io, 1));
      EXPECT_EQ(EVPOLL_ERR_INVALID, io.status);
    }
  }
  evpoll_message m = good;
  for (uint32_t family : {7u, 0xffffu}) {
    m.peer = To(other.port);
    m.peer.family = static_cast<decltype(m.peer.family)>(family);
    EXPECT_GT(0, Refused(EVPOLL_OP_SEND_MESSAGE, m)) << family;
  }
  m.peer = To(0);
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(EVPOLL_OP_SEND_MESSAGE, m)) << "port 0";
  m.peer = To(other.port), m.flags = EVPOLL_MESSAGE_PEEK;
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(EVPOLL_OP_SEND_MESSAGE, m));
  ExpectQuiet();
}

TEST_P(StreamMessage, LengthsBeyondAllMemoryFail) {
  for (uint64_t length : {uint64_t{INT64_MAX}, uint64_t{INT64_MAX} + 1, UINT64_MAX}) {
    evpoll_iovec v[] = {{EVPOLL_ADDR(room), length}, {EVPOLL_ADDR(room), length}};
    for (uint32_t code : {EVPOLL_OP_SEND_MESSAGE, EVPOLL_OP_RECV_MESSAGE}) {
      evpoll_message m = {};
      m.iovecs = EVPOLL_ADDR(v);
      m.iovec_count = 2;
      m.peer = To(other.port);
      evpoll_io io = Io(code, &m);
      if (evpoll_submit(p, &io, 1) == 1) io.status = WaitOne().status;
      EXPECT_EQ(EVPOLL_ERR_INVALID, io.status) << length << " " << code;
    }
  }
}

TEST_P(StreamMessage, CancelledItTakesNothing) {
  evpoll_message m = Message(room, sizeof room);
  evpoll_io io = Io(EVPOLL_OP_RECV_MESSAGE, &m);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, WaitOne().status);
  SendTo("kept");
  EXPECT_EQ(4, RunIo(Io(EVPOLL_OP_RECV_MESSAGE, &m)).result);
}

} // namespace
