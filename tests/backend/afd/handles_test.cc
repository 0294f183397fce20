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
  EXPECT_EQ(0, evpoll_attach(p, HandleOf(native.h)));
  char buffer[16] = "";
  const evpoll_event e =
      RunIo(MakeIo(EVPOLL_IO_READ, HandleOf(native.h), 7, buffer, sizeof buffer, 4));
  EXPECT_EQ(0, e.status);
  EXPECT_EQ(6, e.result);
  EXPECT_STREQ("456789", buffer);
  EXPECT_EQ(3, RunIo(MakeIo(EVPOLL_IO_WRITE, HandleOf(native.h), 7, buffer, 3, 10)).result);
  EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_IO_FSYNC, HandleOf(native.h), 7)).status);
}

TEST_P(BoundHandle, ASynchronousFileIsUnsupportedWithoutThePool) {
  GATE_NATIVE();
  Open(EVPOLL_OPEN_NATIVE_IO_ONLY);
  TempFile file("0123456789");
  Native native = OpenAgain(file, 0);
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_attach(p, HandleOf(native.h)));
}

TEST_P(BoundHandle, OneThatIsBoundToTheProgramsOwnPortIsBusy) {
  GATE_NATIVE();
  TempFile file("0123456789");
  Native native = OpenAgain(file, FILE_FLAG_OVERLAPPED);
  Native port(CreateIoCompletionPort(native.h, nullptr, 1, 0));
  ASSERT_NE(nullptr, port.h);
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_attach(p, HandleOf(native.h)));
  char byte;
  evpoll_io io = MakeIo(EVPOLL_IO_READ, HandleOf(native.h), 7, &byte, 1);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_BUSY, io.status);
}

TEST_P(BoundHandle, OneThatIsBoundToAnotherPollerIsBusyForLife) {
  GATE_NATIVE();
  TempFile file("0123456789");
  evpoll *other = nullptr;
  ASSERT_EQ(0, evpoll_open(nullptr, &other));
  EXPECT_EQ(0, evpoll_attach(other, file.handle));
  EXPECT_EQ(0, evpoll_attach(other, file.handle));
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_attach(p, file.handle));
  EXPECT_EQ(0, evpoll_close(other, kLong));
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_attach(p, file.handle));
}

TEST_P(BoundHandle, WhatCannotBeBoundIsNamed) {
  GATE_NATIVE();
  Native event(CreateEventW(nullptr, TRUE, FALSE, nullptr));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_attach(p, HandleOf(event.h)));
  const evpoll_handle closed = HandleOf(event.h);
  event.Close();
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_attach(p, closed));
}

EVP_CONTRACT(NamedPipes);

TEST_P(NamedPipes, AreServedByReadAndWrite) {
  GATE_NATIVE();
  ASSERT_TRUE(Has(EVPOLL_FEATURE_PIPE_IO));
  Pipe pipe;
  for (int i = 0; i < 50; i++) {
    char buffer[16] = "";
    evpoll_io read = MakeIo(EVPOLL_IO_READ, HandleOf(pipe.server), 7, buffer, sizeof buffer);
    ASSERT_EQ(1, evpoll_submit(p, &read, 1));
    ExpectQuiet(); // nothing is there
    char text[] = "hello";
    evpoll_io write = MakeIo(EVPOLL_IO_WRITE, HandleOf(pipe.client), 8, text, 5);
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
  Pipe pipe;
  char buffer[16];
  for (int i = 0; i < 50; i++) {
    evpoll_io read = MakeIo(EVPOLL_IO_READ, HandleOf(pipe.server), 7, buffer, sizeof buffer);
    ASSERT_EQ(1, evpoll_submit(p, &read, 1));
    if (i % 2) {
      ExpectQuiet();
    }
    const int32_t asked = i % 3 == 0   ? evpoll_cancel(p, read.op)
                          : i % 3 == 1 ? evpoll_cancel_handle(p, HandleOf(pipe.server))
                                       : evpoll_cancel(p, EVPOLL_OP_ALL);
    EXPECT_EQ(1, asked);
    const evpoll_event e = WaitOne();
    EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
    EXPECT_EQ(ERROR_OPERATION_ABORTED, e.result);
  }
}

TEST_P(NamedPipes, AListIsCancelledAsAWhole) {
  GATE_NATIVE();
  Pipe pipe;
  char buffers[8][4];
  std::vector<evpoll_io> ios;
  for (auto &b : buffers) ios.push_back(MakeIo(EVPOLL_IO_READ, HandleOf(pipe.server), 0, b, 4));
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
  Pipe pipe;
  char buffer[16];
  evpoll_io read = MakeIo(EVPOLL_IO_READ, HandleOf(pipe.server), 7, buffer, sizeof buffer);
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
    Pipe pipe;
    Open();
    char buffer[16];
    evpoll_io read = MakeIo(EVPOLL_IO_READ, HandleOf(pipe.server), 7, buffer, sizeof buffer);
    ASSERT_EQ(1, evpoll_submit(p, &read, 1));
    const int64_t start = Now();
    Close();
    EXPECT_LT(Now() - start, 5 * kSecond);
  }
}

TEST_P(NamedPipes, ShutdownWaitsForAReadThatWaits) {
  GATE_NATIVE();
  Pipe pipe;
  char buffer[16];
  evpoll_event event;
  evpoll_io read = MakeIo(EVPOLL_IO_READ, HandleOf(pipe.server), 7, buffer, sizeof buffer);
  ASSERT_EQ(1, evpoll_submit(p, &read, 1));
  ASSERT_EQ(0, evpoll_shutdown(p));
  EXPECT_EQ(0, evpoll_wait(p, &event, 1, 5 * kMillisecond));
  EXPECT_EQ(1, evpoll_cancel(p, read.op));
  EXPECT_EQ(1, LongWait(p, &event, 1));
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, event.status);
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, evpoll_wait(p, &event, 1, kLong));
}

} // namespace
