// SPDX-License-Identifier: MIT
// Operations on sockets that are Windows' own affair: sockets that are closed without a word, or
// bound to a port, or watched by another poller.
#include "pipe.h"

#include <cstring>

namespace {

using namespace evp;

class AfdStream : public Contract {
protected:
  void SetUp() override {
    Contract::SetUp();
    ASSERT_EQ(0, Serve(p, s.b));
  }
  evpoll_io Read(uint64_t token) { return MakeIo(EVPOLL_OP_READ, s.b, token, bytes, sizeof bytes); }
  evpoll_io Poll(uint64_t bits, uint64_t token) {
    return MakeIo(EVPOLL_OP_POLL, s.b, token, nullptr, bits);
  }
  void Start(evpoll_io io) { EXPECT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status); }
  TcpPair s;
  char bytes[64] = {};
};
INSTANTIATE_TEST_SUITE_P(On, AfdStream, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(AfdStream, ClosedWithoutAWordWhatWaitsSaysBadHandle) {
  for (bool by_evpoll : {false, true}) {
    TcpPair t;
    ASSERT_EQ(0, Serve(p, t.b));
    FillUp(t.b);
    Start(MakeIo(EVPOLL_OP_READ, t.b, 1, bytes, 1));
    Start(MakeIo(EVPOLL_OP_READ, t.b, 2, bytes, 1));
    Start(MakeIo(EVPOLL_OP_WRITE, t.b, 3, bytes, 1));
    Start(MakeIo(EVPOLL_OP_POLL, t.b, 4, nullptr, EVPOLL_READABLE));
    ExpectQuiet();
    const evpoll_handle h = t.b;
    if (by_evpoll)
      t.CloseB();
    else
      ASSERT_EQ(0, closesocket(static_cast<SOCKET>(h)));
    t.b = -1;
    for (const evpoll_event &e : WaitFor(4)) {
      EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, e.status) << e.token;
      EXPECT_EQ(ERROR_INVALID_HANDLE, e.result);
    }
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, RunIo(MakeIo(EVPOLL_OP_READ, h, 5, bytes, 1)).status);
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE,
              RunIo(MakeIo(EVPOLL_OP_POLL, h, 6, nullptr, EVPOLL_READABLE)).status);
    EXPECT_EQ(0, evpoll_remove(p, h, kServed));
    ExpectQuiet();
  }
}

// WSARecv() with an OVERLAPPED takes its bytes, then a read of ours its own.
TEST_P(AfdStream, TheCallersOwnOperationsComeBesideOurs) {
  evpoll_aio *aio = nullptr;
  ASSERT_EQ(0, evpoll_aio_open(p, EVPOLL_AIO, 7, &aio));
  for (int round = 0; round < 20; round++) {
    OVERLAPPED *o = nullptr;
    ASSERT_EQ(0, evpoll_aio_register(aio, &o, sizeof o));
    char first[2] = {};
    WSABUF piece = {2, first};
    DWORD flags = 0;
    const int failed = WSARecv(static_cast<SOCKET>(s.b), &piece, 1, nullptr, &flags, o, nullptr);
    EXPECT_TRUE(failed == 0 || WSAGetLastError() == WSA_IO_PENDING);
    Send(s.a, "ab");
    const evpoll_event e = WaitOne();
    EXPECT_EQ(7u, e.token);
    EXPECT_EQ(2, e.result);
    EXPECT_EQ(0, memcmp("ab", first, 2));
    uint64_t tick = 0;
    ASSERT_EQ(1, evpoll_aio_poll_ready(aio, &tick));
    ASSERT_EQ(1, evpoll_aio_clear_ready(aio, tick));
    Start(Read(1));
    Send(s.a, "cde");
    EXPECT_EQ(3, WaitOne().result);
    EXPECT_EQ(0, memcmp("cde", bytes, 3));
  }
  EXPECT_EQ(0, evpoll_aio_close(aio));
}

// Another port's: there is no place for the caller's own operations, and none is needed.
TEST_P(AfdStream, ASocketOfAnotherPortIsServed) {
  TcpPair t;
  Native port(CreateIoCompletionPort(NativeOf(t.b), nullptr, 0, 0));
  ASSERT_NE(nullptr, port.h);
  ASSERT_EQ(0, Serve(p, t.b));
  Start(MakeIo(EVPOLL_OP_READ, t.b, 1, bytes, sizeof bytes));
  Send(t.a, "hello");
  EXPECT_EQ(5, WaitOne().result);
  EXPECT_EQ(0, evpoll_remove(p, t.b, kServed));
}

/* ---- two pollers ---- */

struct Other {
  evpoll *p = nullptr;
  Other() { EXPECT_EQ(0, evpoll_open(nullptr, &p)); }
  ~Other() { EXPECT_EQ(0, evpoll_close(p, kLong)); }
  Other(const Other &) = delete;
  evpoll_event Next() {
    evpoll_event e = {};
    EXPECT_EQ(1, LongWait(p, &e, 1));
    return e;
  }
};

TEST_P(AfdStream, TwoPollersServeOneSocketInTurn) {
  Other other;
  ASSERT_EQ(0, Serve(other.p, s.b));
  for (int round = 0; round < 50; round++) {
    evpoll *const who = round % 2 ? other.p : p;
    evpoll_io io = Read(static_cast<uint64_t>(round));
    ASSERT_EQ(1, evpoll_submit(who, &io, 1));
    Send(s.a, "x");
    const evpoll_event e = round % 2 ? other.Next() : WaitOne();
    EXPECT_EQ(static_cast<uint64_t>(round), e.token);
    EXPECT_EQ(0, e.status) << evpoll_strerror(e.status);
    EXPECT_EQ(1, e.result);
  }
}

TEST_P(AfdStream, WhoWaitsHasTheSocketForItself) {
  Other other;
  ASSERT_EQ(0, Serve(other.p, s.b));
  Start(Read(1));
  evpoll_io io = Read(2);
  ASSERT_EQ(1, evpoll_submit(other.p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_BUSY, other.Next().status);
  EXPECT_EQ(0, evpoll_remove(other.p, s.b, kServed));
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_add(other.p, s.b, 3, EVPOLL_READABLE, EVPOLL_LEVEL));
  Send(s.a, "x");
  EXPECT_EQ(1, WaitOne().result);
}

TEST_P(AfdStream, ReadinessElsewhereTakesTheSocketForAWhile) {
  Other other;
  for (int round = 0; round < 20; round++) {
    ASSERT_EQ(0, evpoll_add(other.p, s.b, 3, EVPOLL_READABLE, EVPOLL_ONESHOT));
    Send(s.a, "x");
    EXPECT_EQ(3u, other.Next().token);
    EXPECT_EQ(1, RunIo(Read(1)).result);
    Start(Read(2));
    Send(s.a, "yz");
    EXPECT_EQ(2, WaitOne().result);
    EXPECT_EQ(0, evpoll_remove(other.p, s.b, 3));
  }
}

/* ---- what AFD tells ---- */

// DISCONNECT beside what is unread; Wine tells of it when all was read.
TEST_P(AfdStream, ThePeersEndAloneIsWaitedFor) {
  Start(Poll(EVPOLL_READ_CLOSED, 1));
  Send(s.a, "abc");
  ExpectNoSpin();
  s.CloseA();
  char part[3];
  if (RunsOnWine()) {
    ExpectQuiet();
    EXPECT_EQ(3, evpoll_socket_recv(s.b, part, sizeof part));
  }
  const evpoll_event e = WaitOne();
  EXPECT_EQ(1u, e.token);
  EXPECT_TRUE(e.result & EVPOLL_READ_CLOSED);
}

TEST_P(AfdStream, AnUrgentByteIsWaitedFor) {
  Start(Poll(EVPOLL_PRIORITY, 1));
  Send(s.a, "abc");
  ExpectNoSpin();
  SendUrgent(s.a);
  EXPECT_EQ(EVPOLL_PRIORITY, WaitOne().result);
}

// A socket that lingers closes when all was sent, or the time is up: not at once, nor never.
TEST_P(AfdStream, ASocketThatLingersIsClosedToo) {
  const linger wait = {1, 1};
  ASSERT_EQ(0, setsockopt(static_cast<SOCKET>(s.b), SOL_SOCKET, SO_LINGER,
                          reinterpret_cast<const char *>(&wait), sizeof wait));
  const std::string text(1000, 'x');
  evpoll_io io = MakeIo(EVPOLL_OP_WRITE, s.b, 1, const_cast<char *>(text.data()), text.size());
  EXPECT_EQ(1000, RunIo(io).result);
  EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_CLOSE, s.b, 2)).status);
  int type = 0, size = sizeof type;
  EXPECT_NE(0, getsockopt(static_cast<SOCKET>(s.b), SOL_SOCKET, SO_TYPE,
                          reinterpret_cast<char *>(&type), &size));
  s.b = -1;
}

/* ---- accept, connect, datagrams ---- */

struct Listening {
  evpoll_handle h = -1;
  int32_t port = 0;
  Listening() {
    EXPECT_EQ(0, evpoll_socket_tcp_listen("127.0.0.1", 0, 16, &h));
    port = PortOf(h);
  }
  ~Listening() { EXPECT_EQ(0, evpoll_socket_close(h)); }
  Listening(const Listening &) = delete;
};

TEST_P(AfdStream, AcceptGivesASocketThatIsNonBlockingAndNotInherited) {
  Listening l;
  ASSERT_EQ(0, Serve(p, l.h));
  evpoll_address names[2] = {};
  Start(MakeIo(EVPOLL_OP_ACCEPT, l.h, 1, names, 2));
  Start(MakeIo(EVPOLL_OP_ACCEPT, l.h, 2));
  ExpectQuiet();
  evpoll_handle clients[2];
  for (evpoll_handle &c : clients) ASSERT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", l.port, &c));
  const auto events = WaitFor(2);
  for (const evpoll_event &e : events) {
    ASSERT_EQ(0, e.status) << evpoll_strerror(e.status);
    EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(e.result, bytes, 1));
    EXPECT_EQ(0, Inherited(e.result));
    EXPECT_EQ(0, evpoll_socket_close(e.result));
  }
  EXPECT_EQ(EVPOLL_FAMILY_IPV4, names[0].family);
  EXPECT_EQ(PortOf(clients[0]), names[0].port);
  EXPECT_EQ(l.port, names[1].port);
  for (evpoll_handle c : clients) EXPECT_EQ(0, evpoll_socket_close(c));
  EXPECT_EQ(0, evpoll_remove(p, l.h, kServed));
}

TEST_P(AfdStream, ConnectEndsWithTheConnectionOrItsFailure) {
  Listening l;
  evpoll_handle good = -1, bad = -1;
  ASSERT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", l.port, &good));
  ASSERT_EQ(0, Serve(p, good));
  evpoll_event e = RunIo(MakeIo(EVPOLL_OP_CONNECT, good, 1));
  EXPECT_EQ(0, e.status) << evpoll_strerror(e.status);
  EXPECT_EQ(0, e.result);
  EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_CONNECT, good, 1)).status);

  const int32_t started = evpoll_socket_tcp_connect("127.0.0.1", DeadPort(), &bad);
  if (started >= 0) {
    ASSERT_EQ(0, Serve(p, bad));
    evpoll_io ios[] = {MakeIo(EVPOLL_OP_CONNECT, bad, 2), MakeIo(EVPOLL_OP_READ, bad, 3, bytes, 1),
                       MakeIo(EVPOLL_OP_WRITE, bad, 4, bytes, 1)};
    ASSERT_EQ(3, evpoll_submit(p, ios, 3));
    for (const evpoll_event &f : WaitFor(3))
      EXPECT_EQ(EVPOLL_ERR_REFUSED, f.status) << f.token << evpoll_strerror(f.status);
    EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_CLOSE, bad, 5)).status);
  }
  EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_CLOSE, good, 6)).status);
}

TEST_P(AfdStream, ConnectOfASocketThatDoesNotConnectFails) {
  const SOCKET fresh = WSASocketW(AF_INET, SOCK_STREAM, 0, nullptr, 0, WSA_FLAG_OVERLAPPED);
  const evpoll_handle h = static_cast<evpoll_handle>(fresh);
  ASSERT_EQ(0, Serve(p, h));
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, RunIo(MakeIo(EVPOLL_OP_CONNECT, h, 1)).status);
  EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_CLOSE, h, 2)).status);
}

TEST_P(AfdStream, DatagramsComeWithTheirSenderAndSayWhatIsMissing) {
  evpoll_handle a = -1, b = -1;
  ASSERT_EQ(0, evpoll_socket_udp_bind("127.0.0.1", 0, &a));
  ASSERT_EQ(0, evpoll_socket_udp_bind("127.0.0.1", 0, &b));
  ASSERT_EQ(0, Serve(p, a));
  ASSERT_EQ(0, Serve(p, b));
  char parts[2][4] = {};
  evpoll_iovec v[] = {{EVPOLL_ADDR(parts[0]), 3}, {EVPOLL_ADDR(parts[1]), 3}};
  evpoll_message in = {}, out = {};
  in.iovecs = out.iovecs = EVPOLL_ADDR(v);
  in.iovec_count = 2;
  in.flags = EVPOLL_MESSAGE_PEEK;
  Start(MakeIo(EVPOLL_OP_RECV_MESSAGE, b, 1, &in, 1));
  ExpectQuiet();
  char text[] = "abcdefgh";
  evpoll_iovec whole = {EVPOLL_ADDR(text), 8};
  out.iovecs = EVPOLL_ADDR(&whole);
  out.iovec_count = 1;
  out.peer.family = EVPOLL_FAMILY_IPV4;
  out.peer.port = static_cast<uint16_t>(PortOf(b));
  const uint8_t loopback[] = {127, 0, 0, 1};
  memcpy(out.peer.bytes, loopback, 4);
  Start(MakeIo(EVPOLL_OP_SEND_MESSAGE, a, 2, &out, 1));
  for (const evpoll_event &e : WaitFor(2)) {
    EXPECT_EQ(0, e.status) << e.token << evpoll_strerror(e.status);
    EXPECT_EQ(e.token == 1 ? 6 : 8, e.result);
  }
  EXPECT_STREQ("abc", parts[0]);
  EXPECT_STREQ("def", parts[1]);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_MESSAGE_TRUNCATED), in.flags);
  EXPECT_EQ(PortOf(a), in.peer.port);
  EXPECT_EQ(0, memcmp(loopback, in.peer.bytes, 4));
  EXPECT_EQ(8, RunIo(MakeIo(EVPOLL_OP_READ, b, 3, bytes, sizeof bytes)).result); /* peeked at */
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, RunIo(MakeIo(EVPOLL_OP_WRITE, a, 4, bytes, 1)).status);
  for (evpoll_handle h : {a, b}) EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_CLOSE, h, 5)).status);
}

} // namespace
