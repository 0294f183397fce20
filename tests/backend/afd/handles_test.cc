// SPDX-License-Identifier: MIT
// Handles that are bound to a port: overlapped, synchronous, bound elsewhere, pipes.
#include "pipe.h"

#include <cstring>

namespace {

using namespace evp;

EVP_CONTRACT(BoundHandle);

Native OpenAgain(const TempFile &file, DWORD flags) {
  return Native(CreateFileA(file.path.c_str(), GENERIC_READ | GENERIC_WRITE,
                            FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                            OPEN_EXISTING, flags, nullptr));
}

#define GATE_NATIVE()                                                                              \
  EVP_GATE(Has(EVPOLL_FEATURE_NATIVE_IO), "native-io", "the pool serves this configuration")

TEST_P(BoundHandle, ASynchronousFileIsServedByThePool) {
  TempFile file("0123456789");
  Native native = OpenAgain(file, 0);
  ASSERT_EQ(0, Serve(p, HandleOf(native.h)));
  char buffer[16] = "";
  const evpoll_event e =
      RunIo(MakeIo(EVPOLL_OP_READ, HandleOf(native.h), 7, buffer, sizeof buffer, 4));
  EXPECT_EQ(0, e.status);
  EXPECT_EQ(6, e.result);
  EXPECT_STREQ("456789", buffer);
  EXPECT_EQ(3, RunIo(MakeIo(EVPOLL_OP_WRITE, HandleOf(native.h), 7, buffer, 3, 10)).result);
  EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_FSYNC, HandleOf(native.h), 7)).status);
}

TEST_P(BoundHandle, ASynchronousFileIsUnsupportedWithoutThePool) {
  GATE_NATIVE();
  Open(EVPOLL_OPEN_NATIVE_IO_ONLY);
  TempFile file("0123456789");
  Native native = OpenAgain(file, 0);
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Serve(p, HandleOf(native.h)));
}

TEST_P(BoundHandle, OneThatIsBoundToTheProgramsOwnPortIsBusy) {
  GATE_NATIVE();
  TempFile file("0123456789");
  Native native = OpenAgain(file, FILE_FLAG_OVERLAPPED);
  Native port(CreateIoCompletionPort(native.h, nullptr, 1, 0));
  ASSERT_NE(nullptr, port.h);
  EXPECT_EQ(EVPOLL_ERR_BUSY, Serve(p, HandleOf(native.h)));
  char byte;
  evpoll_io io = MakeIo(EVPOLL_OP_READ, HandleOf(native.h), 7, &byte, 1);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, io.status);
}

TEST_P(BoundHandle, OneThatAnotherPollerHasIsBusy) {
  TempFile file("0123456789");
  evpoll *other = nullptr;
  ASSERT_EQ(0, evpoll_open(nullptr, &other));
  EXPECT_EQ(0, Serve(other, file.handle));
  EXPECT_EQ(EVPOLL_ERR_BUSY, Serve(p, file.handle));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, file.handle, kServed));
  char buffer[16];
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, sizeof buffer);
  EXPECT_EQ(1, evpoll_submit(other, &io, 1)); // which serves it still
  evpoll_event event;
  ASSERT_EQ(1, LongWait(other, &event, 1));
  EXPECT_EQ(10, event.result);
  EXPECT_EQ(0, evpoll_close(other, kLong));
}

TEST_P(BoundHandle, OneThatWasRemovedIsAnotherPollers) {
  EVP_GATE(!RunsOnWine(), "add again", "Wine 8 binds a handle to its first port for good");
  TempFile file("0123456789");
  evpoll *other = nullptr;
  ASSERT_EQ(0, evpoll_open(nullptr, &other));
  char buffer[16];
  for (int round = 0; round < 5; round++) {
    evpoll *has = round % 2 ? p : other;
    ASSERT_EQ(0, Serve(has, file.handle));
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, sizeof buffer);
    EXPECT_EQ(1, evpoll_submit(has, &io, 1));
    evpoll_event event;
    ASSERT_EQ(1, LongWait(has, &event, 1));
    EXPECT_EQ(10, event.result);
    EXPECT_EQ(0, evpoll_remove(has, file.handle, kServed));
  }
  EXPECT_EQ(0, Serve(other, file.handle));
  EXPECT_EQ(0, evpoll_close(other, kLong)); // it lets go of what it has
  EXPECT_EQ(0, Serve(p, file.handle));
}

// A number that is used again is another file's: nothing is remembered of the one before.
TEST_P(BoundHandle, TheNumbersNextOwnerIsBoundAfresh) {
  evpoll *other = nullptr;
  ASSERT_EQ(0, evpoll_open(nullptr, &other));
  TempFile file("0123456789");
  char buffer[16];
  for (int round = 0; round < 40; round++) {
    evpoll *has = round % 2 ? p : other;
    ASSERT_EQ(0, Serve(has, file.handle)) << round;
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, sizeof buffer);
    ASSERT_EQ(1, evpoll_submit(has, &io, 1));
    evpoll_event event;
    ASSERT_EQ(1, LongWait(has, &event, 1));
    EXPECT_EQ(10, event.result);
    EXPECT_EQ(0, evpoll_remove(has, file.handle, kServed));
    file.Close();
    ASSERT_EQ(0, evpoll_file_open(file.path.c_str(), EVPOLL_FILE_READ, 0, &file.handle));
  }
  EXPECT_EQ(0, evpoll_close(other, kLong));
}

TEST_P(BoundHandle, WhatCannotBeBoundIsNamed) {
  GATE_NATIVE();
  Native event(CreateEventW(nullptr, TRUE, FALSE, nullptr));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Serve(p, HandleOf(event.h)));
  const evpoll_handle closed = HandleOf(event.h);
  event.Close();
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, Serve(p, closed));
}

EVP_CONTRACT(NamedPipes);

TEST_P(NamedPipes, AreServedByReadAndWrite) {
  GATE_NATIVE();
  ASSERT_TRUE(Has(EVPOLL_FEATURE_PIPE_IO));
  NamedPipe pipe;
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.client)));
  for (int i = 0; i < 50; i++) {
    char buffer[16] = "";
    evpoll_io read = MakeIo(EVPOLL_OP_READ, HandleOf(pipe.server), 7, buffer, sizeof buffer);
    ASSERT_EQ(1, evpoll_submit(p, &read, 1));
    ExpectQuiet(); // nothing is there
    char text[] = "hello";
    evpoll_io write = MakeIo(EVPOLL_OP_WRITE, HandleOf(pipe.client), 8, text, 5);
    ASSERT_EQ(1, evpoll_submit(p, &write, 1));
    for (const evpoll_event &e : WaitFor(2)) {
      EXPECT_EQ(0, e.status);
      EXPECT_EQ(5, e.result);
      EXPECT_EQ(e.token == 7 ? read.op : write.op, e.op);
    }
    EXPECT_STREQ("hello", buffer);
  }
}

TEST_P(NamedPipes, AReadThatWaitsIsCancelled) {
  GATE_NATIVE();
  NamedPipe pipe;
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  char buffer[16];
  for (int i = 0; i < 50; i++) {
    evpoll_io read = MakeIo(EVPOLL_OP_READ, HandleOf(pipe.server), 7, buffer, sizeof buffer);
    ASSERT_EQ(1, evpoll_submit(p, &read, 1));
    if (i % 2) {
      ExpectQuiet();
    }
    const int32_t asked = i % 3 == 0   ? evpoll_cancel(p, read.op)
                          : i % 3 == 1 ? evpoll_cancel_handle(p, HandleOf(pipe.server))
                                       : evpoll_cancel_all(p);
    EXPECT_EQ(1, asked);
    const evpoll_event e = WaitOne();
    EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
    EXPECT_EQ(0, e.result);
  }
}

TEST_P(NamedPipes, AReadThatNothingComesForExpires) {
  GATE_NATIVE();
  NamedPipe pipe;
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  char buffer[16];
  evpoll_io read = MakeIo(EVPOLL_OP_READ, HandleOf(pipe.server), 7, buffer, sizeof buffer);
  for (bool limited : {true, false}) {
    const int64_t before = evpoll_now();
    read.timeout_ms = limited ? 20 : 0;
    ASSERT_EQ(1, evpoll_submit(p, &read, 1));
    if (!limited) {
      ExpectQuiet();
      EXPECT_EQ(1, evpoll_retime(p, HandleOf(pipe.server), 7, 20 * kMillisecond));
    }
    evpoll_event e = {};
    ASSERT_EQ(1, evpoll_wait(p, &e, 1, EVPOLL_INFINITE));
    EXPECT_EQ(read.op, e.op);
    EXPECT_EQ(EVPOLL_ERR_EXPIRED, e.status);
    EXPECT_EQ(0, e.result);
    EXPECT_LE(before + 20 * kMillisecond, evpoll_now());
  }
}

TEST_P(NamedPipes, AListIsCancelledAsAWhole) {
  GATE_NATIVE();
  NamedPipe pipe;
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  char buffers[8][4];
  std::vector<evpoll_io> ios;
  for (auto &b : buffers) ios.push_back(MakeIo(EVPOLL_OP_READ, HandleOf(pipe.server), 0, b, 4));
  uint64_t op = 0;
  ASSERT_EQ(8, evpoll_submit_list(p, ios.data(), 8, 7, &op));
  ExpectQuiet();
  EXPECT_EQ(8, evpoll_cancel(p, op));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_ERR_PARTIAL, e.status);
  EXPECT_EQ(0, e.result);
}

TEST_P(NamedPipes, AClientThatLeavesIsTheEnd) {
  GATE_NATIVE();
  NamedPipe pipe;
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  char buffer[16];
  evpoll_io read = MakeIo(EVPOLL_OP_READ, HandleOf(pipe.server), 7, buffer, sizeof buffer);
  ASSERT_EQ(1, evpoll_submit(p, &read, 1));
  ExpectQuiet();
  pipe.CloseClient();
  const evpoll_event e = WaitOne();
  EXPECT_EQ(0, e.status);
  EXPECT_EQ(0, e.result);
}

TEST_P(NamedPipes, CloseGivesBackTheBuffersOfReadsThatWait) {
  GATE_NATIVE();
  for (int i = 0; i < 10; i++) {
    NamedPipe pipe;
    Open();
    ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
    char buffer[16];
    evpoll_io read = MakeIo(EVPOLL_OP_READ, HandleOf(pipe.server), 7, buffer, sizeof buffer);
    ASSERT_EQ(1, evpoll_submit(p, &read, 1));
    const int64_t start = Now();
    Close();
    EXPECT_LT(Now() - start, 5 * kSecond);
  }
}

TEST_P(NamedPipes, CloseEndsReadsThatWaitAndReportsLast) {
  GATE_NATIVE();
  for (int i = 0; i < 10; i++) {
    NamedPipe pipe;
    ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
    char buffers[4][16];
    for (auto &buffer : buffers) {
      evpoll_io read = MakeIo(EVPOLL_OP_READ, HandleOf(pipe.server), 7, buffer, sizeof buffer);
      ASSERT_EQ(1, evpoll_submit(p, &read, 1));
    }
    evpoll_io close = MakeIo(EVPOLL_OP_CLOSE, HandleOf(pipe.server), 8);
    pipe.server = INVALID_HANDLE_VALUE;
    ASSERT_EQ(1, evpoll_submit(p, &close, 1));
    const std::vector<evpoll_event> events = WaitFor(5);
    ASSERT_EQ(5u, events.size());
    for (size_t n = 0; n < 4; n++) EXPECT_EQ(EVPOLL_ERR_CANCELLED, events[n].status);
    EXPECT_EQ(8u, events[4].token);
    EXPECT_EQ(0, events[4].status);
    char byte = 'x';
    DWORD moved = 0;
    OVERLAPPED o = {};
    EXPECT_FALSE(WriteFile(pipe.client, &byte, 1, &moved, &o)) << "the other end is open";
    EXPECT_NE(static_cast<DWORD>(ERROR_IO_PENDING), GetLastError());
  }
}

TEST_P(NamedPipes, ShutdownWaitsForAReadThatWaits) {
  GATE_NATIVE();
  NamedPipe pipe;
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  char buffer[16];
  evpoll_event event;
  evpoll_io read = MakeIo(EVPOLL_OP_READ, HandleOf(pipe.server), 7, buffer, sizeof buffer);
  ASSERT_EQ(1, evpoll_submit(p, &read, 1));
  ASSERT_EQ(0, evpoll_shutdown(p));
  EXPECT_EQ(0, evpoll_wait(p, &event, 1, 5 * kMillisecond));
  EXPECT_EQ(1, evpoll_cancel(p, read.op));
  EXPECT_EQ(1, LongWait(p, &event, 1));
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, event.status);
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_wait(p, &event, 1, kLong));
}

} // namespace
