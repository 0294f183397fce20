// SPDX-License-Identifier: MIT
// Operations that the caller starts with Windows' own calls: any that takes an OVERLAPPED.
#include "pipe.h"

#include <cstring>

namespace {

using namespace evp;

EVP_CONTRACT(Foreign);

OVERLAPPED *Arm(evpoll_aio *aio) {
  OVERLAPPED *o = nullptr;
  EXPECT_EQ(0, evpoll_aio_register(aio, &o, sizeof o));
  EXPECT_NE(nullptr, o);
  return o;
}

void ExpectPending(BOOL ok) {
  if (!ok) {
    EXPECT_EQ(static_cast<DWORD>(ERROR_IO_PENDING), GetLastError());
  }
}

// Makes a request over, whatever became of its test.
struct Request {
  evpoll_aio *aio = nullptr;
  Request(evpoll *p, uint32_t kind, uint64_t token) {
    EXPECT_EQ(0, evpoll_aio_open(p, kind, token, &aio));
  }
  ~Request() {
    EXPECT_EQ(0, evpoll_aio_deregister(aio));
    EXPECT_EQ(0, evpoll_aio_close(aio));
  }
  Request(const Request &) = delete;
};

TEST_P(Foreign, ConnectNamedPipeReportsTheClient) {
  NamedPipe pipe(false);
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  Request r(p, EVPOLL_AIO, 7);
  ExpectPending(ConnectNamedPipe(pipe.server, Arm(r.aio)));
  ExpectQuiet();
  uint64_t tick = 0;
  EXPECT_EQ(0, evpoll_aio_poll_ready(r.aio, &tick));
  ASSERT_TRUE(pipe.Connect());
  const evpoll_event e = WaitOne();
  EXPECT_EQ(7u, e.token);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_AIO), e.events);
  EXPECT_EQ(0, e.status);
  EXPECT_EQ(0u, e.op);
  EXPECT_EQ(1, evpoll_aio_poll_ready(r.aio, &tick));
}

TEST_P(Foreign, ReadFileReportsItsBytesAgainAndAgain) {
  NamedPipe pipe;
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  Request r(p, EVPOLL_AIO, 7);
  for (int i = 0; i < 100; i++) {
    char buffer[16] = "";
    ExpectPending(ReadFile(pipe.server, buffer, sizeof buffer, nullptr, Arm(r.aio)));
    OVERLAPPED o = {};
    DWORD n = 0;
    ExpectPending(WriteFile(pipe.client, "hello", 5, nullptr, &o));
    GetOverlappedResult(pipe.client, &o, &n, TRUE);
    const evpoll_event e = WaitOne();
    EXPECT_EQ(7u, e.token);
    EXPECT_EQ(5, e.result);
    EXPECT_STREQ("hello", buffer);
    uint64_t tick = 0;
    ASSERT_EQ(1, evpoll_aio_poll_ready(r.aio, &tick));
    OVERLAPPED *again = nullptr;
    EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_aio_register(r.aio, &again, sizeof again));
    ASSERT_EQ(1, evpoll_aio_clear_ready(r.aio, tick));
    EXPECT_EQ(0, evpoll_aio_clear_ready(r.aio, tick)) << "a stale tick";
  }
}

TEST_P(Foreign, ReadFileOfAFileServesAsWell) {
  TempFile file("0123456789");
  ASSERT_EQ(0, Serve(p, file.handle));
  Request r(p, EVPOLL_LIO, 7);
  char buffer[16] = "";
  OVERLAPPED *o = Arm(r.aio);
  o->Offset = 4;
  ExpectPending(ReadFile(NativeOf(file.handle), buffer, sizeof buffer, nullptr, o));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_LIO), e.events);
  EXPECT_EQ(6, e.result);
  EXPECT_STREQ("456789", buffer);
  // ... beside our own operations on the same handle.
  EXPECT_EQ(10, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 8, buffer, sizeof buffer)).result);
}

TEST_P(Foreign, WSASendOnAnAttachedSocketReports) {
  TcpPair s;
  ASSERT_EQ(0, Serve(p, s.a));
  Request r(p, EVPOLL_AIO, 7);
  char text[] = "hello";
  WSABUF piece = {5, text};
  const int failed = WSASend(static_cast<SOCKET>(s.a), &piece, 1, nullptr, 0, Arm(r.aio), nullptr);
  if (failed) {
    EXPECT_EQ(WSA_IO_PENDING, WSAGetLastError());
  }
  const evpoll_event e = WaitOne();
  EXPECT_EQ(7u, e.token);
  EXPECT_EQ(5, e.result);
  EXPECT_EQ(0, e.status);
  ASSERT_EQ(0, evpoll_add(p, s.b, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(8u, WaitOne().token);
  EXPECT_EQ("hello", Drain(s.b));
  // One number, one registration: readiness takes its place.
  ASSERT_EQ(1, evpoll_add(p, s.a, 9, EVPOLL_WRITABLE, EVPOLL_ONESHOT));
  EXPECT_EQ(9u, WaitOne().token);
}

TEST_P(Foreign, ACancelledOneSaysSo) {
  NamedPipe pipe;
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  Request r(p, EVPOLL_AIO, 7);
  char buffer[16];
  OVERLAPPED *o = Arm(r.aio);
  ExpectPending(ReadFile(pipe.server, buffer, sizeof buffer, nullptr, o));
  ASSERT_TRUE(CancelIoEx(pipe.server, o));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  EXPECT_EQ(ERROR_OPERATION_ABORTED, e.result);
}

TEST_P(Foreign, OneThatNeverStartedIsDisarmed) {
  Request r(p, EVPOLL_AIO, 7);
  for (int i = 0; i < 200; i++) {
    char byte;
    OVERLAPPED *o = Arm(r.aio);
    OVERLAPPED *busy = nullptr;
    EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_aio_register(r.aio, &busy, sizeof busy));
    EXPECT_FALSE(ReadFile(INVALID_HANDLE_VALUE, &byte, 1, nullptr, o));
    ASSERT_EQ(0, evpoll_aio_deregister(r.aio));
  }
  ExpectQuiet();
}

TEST_P(Foreign, ALateEventOfADisarmedOneIsDropped) {
  NamedPipe pipe;
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  Request r(p, EVPOLL_AIO, 7);
  char buffer[16];
  for (int i = 0; i < 20; i++) {
    OVERLAPPED o = {};
    DWORD n = 0;
    ExpectPending(WriteFile(pipe.client, "x", 1, nullptr, &o));
    GetOverlappedResult(pipe.client, &o, &n, TRUE);
    ExpectPending(ReadFile(pipe.server, buffer, 1, nullptr, Arm(r.aio))); // over, and reported
    ASSERT_EQ(0, evpoll_aio_deregister(r.aio));
    if (i % 2) {
      ExpectQuiet();
    }
    OVERLAPPED *o2 = Arm(r.aio);
    ExpectPending(ReadFile(pipe.server, buffer, 1, nullptr, o2));
    ExpectQuiet(); // the first one's packet is not the second one's
    ASSERT_TRUE(CancelIoEx(pipe.server, o2));
    EXPECT_EQ(EVPOLL_ERR_CANCELLED, WaitOne().status);
    uint64_t tick = 0;
    ASSERT_EQ(1, evpoll_aio_poll_ready(r.aio, &tick));
    ASSERT_EQ(1, evpoll_aio_clear_ready(r.aio, tick));
  }
}

TEST_P(Foreign, ClosedWhileItIsInFlightItIsHeardOfNoMore) {
  NamedPipe pipe;
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  static char buffers[20][16];
  for (auto &buffer : buffers) {
    evpoll_aio *aio = nullptr;
    ASSERT_EQ(0, evpoll_aio_open(p, EVPOLL_AIO, 7, &aio));
    ExpectPending(ReadFile(pipe.server, buffer, sizeof buffer, nullptr, Arm(aio)));
    EXPECT_EQ(0, evpoll_aio_close(aio));
  }
  for (int i = 0; i < 10; i++) {
    OVERLAPPED o = {};
    DWORD n = 0;
    ExpectPending(WriteFile(pipe.client, "x", 1, nullptr, &o));
    GetOverlappedResult(pipe.client, &o, &n, TRUE);
  }
  ExpectQuiet();
  EXPECT_EQ(0, evpoll_close(p, kLong)) << "what it was armed for is in flight";
  p = nullptr;
}

// Others may start operations on a handle that is served: their packets come to the poller's port.
TEST_P(Foreign, PacketsOfOthersAreDropped) {
  NamedPipe pipe;
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  Request r(p, EVPOLL_AIO, 7);
  for (int i = 0; i < 20; i++) {
    char buffer[16] = "", other[16] = "";
    OVERLAPPED foreign = {}, o = {};
    ExpectPending(ReadFile(pipe.server, other, 1, nullptr, &foreign));
    ExpectPending(ReadFile(pipe.server, buffer, 1, nullptr, Arm(r.aio)));
    DWORD n = 0;
    ExpectPending(WriteFile(pipe.client, "xy", 2, nullptr, &o));
    GetOverlappedResult(pipe.client, &o, &n, TRUE);
    EXPECT_EQ(7u, WaitOne().token);
    EXPECT_STREQ("x", other);
    EXPECT_STREQ("y", buffer);
    uint64_t tick = 0;
    ASSERT_EQ(1, evpoll_aio_poll_ready(r.aio, &tick));
    ASSERT_EQ(1, evpoll_aio_clear_ready(r.aio, tick));
    ExpectQuiet();
  }
}

TEST_P(Foreign, ThePollerIsBusyWhileOneIsOpen) {
  {
    Request r(p, EVPOLL_AIO, 7);
    EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_close(p, 0));
    ASSERT_EQ(0, evpoll_wake(p)); // untouched
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WAKE), WaitOne().events);
  }
  Close();
}

TEST_P(Foreign, ImpossibleArgumentsAreInvalid) {
  evpoll_aio *aio = nullptr;
  for (uint32_t kind : {0u, 1u, uint32_t{EVPOLL_READABLE}, uint32_t{EVPOLL_AIO | EVPOLL_LIO}})
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_aio_open(p, kind, 7, &aio)) << kind;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_aio_open(p, EVPOLL_AIO, 7, nullptr));
  Request r(p, EVPOLL_AIO, 7);
  OVERLAPPED o;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_aio_register(r.aio, &o, sizeof o));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_aio_register(r.aio, nullptr, sizeof(void *)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_aio_poll_ready(r.aio, nullptr));
}

TEST_P(Foreign, AfterShutdownNothingIsArmed) {
  Request r(p, EVPOLL_AIO, 7);
  ASSERT_EQ(0, evpoll_shutdown(p));
  OVERLAPPED *o = nullptr;
  uint64_t tick;
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_aio_register(r.aio, &o, sizeof o));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_aio_poll_ready(r.aio, &tick));
}

} // namespace
