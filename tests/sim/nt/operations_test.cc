// SPDX-License-Identifier: MIT
// Operations where Windows is strict: handles that were opened synchronously, numbers that are used
// again, successes that send no packet, memory that the kernel still has, packets of others.
#include "sim.h"

#include <evpoll.h>

#include <windows.h>

#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace {

constexpr char kFile[] = "evpoll-operations.tmp";
constexpr char kPipe[] = "\\\\.\\pipe\\evpoll-operations";

void Expect(bool truth, const char *what) {
  if (!truth)
    nt_violation("%s (code %d, %d)", what, evpoll_os_error(), static_cast<int>(GetLastError()));
}

evpoll *Open() {
  evpoll *p = nullptr;
  Expect(evpoll_open(nullptr, &p) == 0, "open");
  return p;
}

void Close(evpoll *p) { Expect(evpoll_close(p, EVPOLL_INFINITE) == 0, "the poller closes"); }

evpoll_handle OpenFile() {
  evpoll_handle h = -1;
  const uint32_t flags = EVPOLL_FILE_READ | EVPOLL_FILE_WRITE | EVPOLL_FILE_CREATE;
  Expect(evpoll_file_open(kFile, flags, 0, &h) == 0, "file_open");
  return h;
}

evpoll_io Io(uint32_t code, evpoll_handle h, void *buffer = nullptr, uint64_t length = 0) {
  evpoll_io io = {};
  io.token = 7;
  io.handle = h;
  io.code = code;
  io.buffer = EVPOLL_ADDR(buffer);
  io.length = length;
  return io;
}

int64_t RunIo(evpoll *p, evpoll_io io) {
  evpoll_event event = {};
  Expect(evpoll_submit(p, &io, 1) == 1, "submit");
  Expect(evpoll_wait(p, &event, 1, EVPOLL_INFINITE) == 1 && event.op == io.op, "its event");
  return event.status < 0 ? event.status : event.result;
}

int64_t WaitIo(evpoll *p) {
  evpoll_event event = {};
  Expect(evpoll_wait(p, &event, 1, EVPOLL_INFINITE) == 1 && event.status == 0, "its event");
  return event.result;
}

int32_t Serve(evpoll *p, evpoll_handle h) { return evpoll_add(p, h, 1, 0, EVPOLL_OPERATIONS); }

// Both ends of a named pipe, the server's for overlapped operations.
struct NamedPipe {
  HANDLE server = CreateNamedPipeA(kPipe, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE,
                                   1, 4096, 4096, 0, nullptr);
  HANDLE client =
      CreateFileA(kPipe, GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING, 0, nullptr);
  evpoll_handle h = reinterpret_cast<intptr_t>(server);
  void Feed(const char *text) {
    DWORD n = 0;
    Expect(WriteFile(client, text, static_cast<DWORD>(std::strlen(text)), &n, nullptr), "feed");
  }
  ~NamedPipe() {
    CloseHandle(client);
    if (server) CloseHandle(server);
  }
};

class Thread {
public:
  Thread(LPTHREAD_START_ROUTINE run, void *argument)
      : handle_(CreateThread(nullptr, 0, run, argument, 0, nullptr)) {}
  ~Thread() {
    WaitForSingleObject(handle_, INFINITE);
    CloseHandle(handle_);
  }
  Thread(const Thread &) = delete;
  bool Ended() const { return WaitForSingleObject(handle_, 10) == WAIT_OBJECT_0; }

private:
  HANDLE handle_;
};

struct Look {
  evpoll *p;
  HANDLE read, write;
  int32_t status;
};
DWORD ReadOne(void *argument) {
  char byte;
  DWORD n = 0;
  Expect(ReadFile(static_cast<Look *>(argument)->read, &byte, 1, &n, nullptr), "ReadFile");
  return 0;
}
DWORD LookAt(void *argument) {
  Look &l = *static_cast<Look *>(argument);
  l.status = Serve(l.p, reinterpret_cast<intptr_t>(l.read));
  return 0;
}
DWORD WaitForOne(void *argument) {
  evpoll_event event = {};
  const int32_t n = evpoll_wait(static_cast<Look *>(argument)->p, &event, 1, EVPOLL_INFINITE);
  Expect(n == 1 && event.events == EVPOLL_WAKE, "a thread that waits");
  return 0;
}

// An add waits for whoever reads what was opened synchronously; nobody waits for the add.
void ALookHoldsNobodyUp(uint64_t) {
  Look l = {Open(), nullptr, nullptr, 1};
  Expect(CreatePipe(&l.read, &l.write, nullptr, 0), "CreatePipe");
  const evpoll_handle file = OpenFile();
  Expect(Serve(l.p, file) == 0, "add");
  {
    Thread reader(ReadOne, &l);
    Expect(!reader.Ended(), "a read of nothing ended");
    Thread asker(LookAt, &l);
    Expect(nt_is_wine() || !asker.Ended(), "a look was done during a read");
    char text[] = "hello";
    struct evpoll_poller_stats stats = {};
    stats.struct_size = sizeof stats;
    Expect(evpoll_stats(l.p, &stats) == 0, "stats");
    Expect(RunIo(l.p, Io(EVPOLL_OP_WRITE, file, text, 5)) == 5, "a write");
    Expect(RunIo(l.p, Io(EVPOLL_OP_FSYNC, file)) == 0, "a sync");
    Expect(evpoll_cancel_all(l.p) == 0, "cancel");
    {
      Thread waiter(WaitForOne, &l);
      Expect(evpoll_wake(l.p) == 0, "wake");
    }
    Expect(evpoll_remove(l.p, file, 1) == 0, "remove");
    Expect(nt_is_wine() || !asker.Ended(), "a look was done during a read");
    DWORD n = 0;
    Expect(WriteFile(l.write, "x", 1, &n, nullptr), "WriteFile");
  }
  Expect(l.status == EVPOLL_ERR_UNSUPPORTED, "a synchronous pipe was added");
  Expect(evpoll_file_close(file) == 0, "close");
  Close(l.p);
  CloseHandle(l.read);
  CloseHandle(l.write);
}

// Two pollers, and a number that the one's file had, then the other's.
void ANumberIsItsNextOwners(uint64_t) {
  evpoll *a = Open(), *b = Open();
  char text[] = "0123456789", buffer[10];
  for (int round = 0; round < 6; round++) {
    evpoll *has = round % 2 ? b : a, *other = round % 2 ? a : b;
    const evpoll_handle h = OpenFile();
    Expect(Serve(has, h) == 0, "add");
    Expect(Serve(other, h) == EVPOLL_ERR_BUSY, "add of another's");
    Expect(RunIo(has, Io(EVPOLL_OP_WRITE, h, text, 10)) == 10, "write");
    evpoll_io io = Io(EVPOLL_OP_READ, h, buffer, 10);
    Expect(evpoll_submit(other, &io, 1) == 0 && io.status == EVPOLL_ERR_NOT_FOUND, "submit");
    Expect(RunIo(has, io) == 10, "read");
    Expect(evpoll_remove(has, h, 1) == 0, "remove");
    const int32_t again = Serve(other, h);
    Expect(again == (nt_is_wine() ? EVPOLL_ERR_BUSY : 0), "it has left the first port");
    if (again == 0) {
      Expect(RunIo(other, io) == 10, "read");
      Expect(evpoll_remove(other, h, 1) == 0, "remove");
    }
    Expect(evpoll_file_close(h) == 0, "close");
  }
  Close(a);
  Close(b);
}

// What was set with the handle's owner before the add.
void ASuccessWithoutAPacketIsReported(uint64_t) {
  evpoll *p = Open();
  const evpoll_handle h = OpenFile();
  Expect(SetFileCompletionNotificationModes(reinterpret_cast<HANDLE>(h),
                                            FILE_SKIP_COMPLETION_PORT_ON_SUCCESS),
         "modes");
  Expect(Serve(p, h) == 0, "add");
  char text[] = "0123456789", buffer[16];
  for (int i = 0; i < 20; i++) {
    Expect(RunIo(p, Io(EVPOLL_OP_WRITE, h, text, 10)) == 10, "write");
    Expect(RunIo(p, Io(EVPOLL_OP_READ, h, buffer, 16)) == 10, "read");
    evpoll_io io = Io(EVPOLL_OP_READ, h, buffer, 16);
    io.offset = 10;
    Expect(RunIo(p, io) == 0, "read at the end");
  }
  int inlined = 0;
  for (int i = 0; i < 40; i++) {
    evpoll_io io = Io(EVPOLL_OP_READ, h, buffer, 16);
    io.flags = EVPOLL_OPF_INLINE;
    io.offset = i % 2 ? 10 : 3;
    Expect(evpoll_submit(p, &io, 1) == 1 && io.status == 0, "submit inline");
    inlined += io.op == 0;
    Expect((io.op ? WaitIo(p) : io.offset) == (i % 2 ? 0 : 7), "bytes");
  }
  Expect(nt_is_wine() ? inlined == 0 : inlined > 0, "what the system does at once ends inline");
  Expect(RunIo(p, Io(EVPOLL_OP_CLOSE, h)) == 0, "CLOSE");
  NamedPipe pipe;
  Expect(SetFileCompletionNotificationModes(pipe.server, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS),
         "modes");
  Expect(Serve(p, pipe.h) == 0, "add");
  for (int i = 0; i < 20; i++) {
    pipe.Feed("abc");
    Expect(RunIo(p, Io(EVPOLL_OP_READ, pipe.h, buffer, 3)) == 3, "read of a pipe");
  }
  Close(p);
}

// CLOSE with operations in flight: they end, and report before it; the handle is closed once.
void CloseReportsLast(uint64_t) {
  evpoll *p = Open();
  NamedPipe pipe;
  Expect(Serve(p, pipe.h) == 0, "add");
  char buffers[3][4];
  for (auto &b : buffers) {
    evpoll_io io = Io(EVPOLL_OP_READ, pipe.h, b, 4);
    Expect(evpoll_submit(p, &io, 1) == 1, "submit");
  }
  evpoll_io io = Io(EVPOLL_OP_CLOSE, pipe.h);
  Expect(evpoll_submit(p, &io, 1) == 1, "CLOSE");
  pipe.server = nullptr;
  evpoll_event event = {};
  for (int i = 0; i < 4; i++) {
    Expect(evpoll_wait(p, &event, 1, EVPOLL_INFINITE) == 1, "wait");
    Expect((event.op == io.op) == (i == 3), "CLOSE is the last");
    Expect(event.status == (i == 3 ? 0 : EVPOLL_ERR_CANCELLED), "status");
  }
  Close(p);
}

// The pool names a synchronous file by its number until its call is over.
void ASynchronousFileIsBusyWhileItIsRead(uint64_t) {
  evpoll *p = Open();
  HANDLE file = CreateFileA(kFile, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                            nullptr, OPEN_ALWAYS, 0, nullptr);
  const evpoll_handle h = reinterpret_cast<intptr_t>(file);
  Expect(Serve(p, h) == 0, "add");
  char buffers[4][4];
  for (auto &b : buffers) {
    evpoll_io io = Io(EVPOLL_OP_READ, h, b, 4);
    Expect(evpoll_submit(p, &io, 1) == 1, "submit");
  }
  int32_t status = EVPOLL_ERR_BUSY;
  for (int i = 0; i < 1000 && (status = evpoll_remove(p, h, 1)) == EVPOLL_ERR_BUSY; i++) Sleep(1);
  Expect(status == 0, "remove");
  CloseHandle(file);
  NamedPipe pipe; // gets the number, and is not read
  pipe.Feed("x");
  evpoll_event event = {};
  for (int i = 0; i < 4; i++)
    Expect(evpoll_wait(p, &event, 1, EVPOLL_INFINITE) == 1 && event.status != EVPOLL_ERR_BAD_HANDLE,
           "each read reports");
  char byte = 0;
  DWORD n = 0;
  OVERLAPPED o = {};
  Expect(ReadFile(pipe.server, &byte, 1, nullptr, &o) ||
             GetOverlappedResult(pipe.server, &o, &n, TRUE),
         "ReadFile");
  Expect(byte == 'x', "the pipe was not read by others");
  Close(p);
}

// Reads are in flight when their requests are closed, and when the poller is: the kernel writes
// what it was given all the same.
void WhatIsGivenUpMayBeWritten(uint64_t seed) {
  static char buffers[4][4];
  evpoll *p = Open();
  NamedPipe pipe;
  Expect(Serve(p, pipe.h) == 0, "add");
  for (auto &b : buffers) {
    evpoll_aio *aio = nullptr;
    OVERLAPPED *o = nullptr;
    Expect(evpoll_aio_open(p, EVPOLL_AIO, 7, &aio) == 0, "aio_open");
    Expect(evpoll_aio_register(aio, &o, sizeof o) == 0, "aio_register");
    Expect(!ReadFile(pipe.server, b, 1, nullptr, o) && GetLastError() == ERROR_IO_PENDING, "read");
    Expect(evpoll_aio_close(aio) == 0, "aio_close");
  }
  evpoll_event event;
  if (seed % 2) pipe.Feed("x");
  Expect(evpoll_wait(p, &event, 1, 10000000) == 0, "an event of what was closed");
  Close(p);
  pipe.Feed("xyz");
  nt_settle();
}

// The caller's own OVERLAPPED on a handle that is served.
void PacketsOfOthersAreDropped(uint64_t) {
  evpoll *p = Open();
  NamedPipe pipe;
  Expect(Serve(p, pipe.h) == 0, "add");
  for (int i = 0; i < 20; i++) {
    OVERLAPPED o = {};
    char other, mine;
    Expect(!ReadFile(pipe.server, &other, 1, nullptr, &o), "a read of nothing");
    evpoll_io io = Io(EVPOLL_OP_READ, pipe.h, &mine, 1);
    Expect(evpoll_submit(p, &io, 1) == 1, "submit");
    pipe.Feed("xy");
    nt_settle();
    evpoll_event event = {};
    Expect(evpoll_wait(p, &event, 1, EVPOLL_INFINITE) == 1 && event.op == io.op, "the read");
    Expect(evpoll_wait(p, &event, 1, 1000000) == 0, "another's packet");
    Expect(other == 'x' && mine == 'y', "both were read");
  }
  Close(p);
}

void Run(const char *name, void (*body)(uint64_t)) {
  for (uint64_t seed = 1; seed <= 60; seed++) {
    nt_options options = {};
    options.seed = seed;
    options.wine = seed % 4 == 0;
    nt_boot(&options);
    body(seed);
    nt_halt();
  }
  unlink(kFile);
  std::printf("%s\n", name);
}

} // namespace

int main() {
  evpoll_os_error(); // the library takes its slots now
  Run("a look holds nobody up", ALookHoldsNobodyUp);
  Run("a number is its next owner's", ANumberIsItsNextOwners);
  Run("a success without a packet is reported", ASuccessWithoutAPacketIsReported);
  Run("CLOSE reports last", CloseReportsLast);
  Run("a synchronous file is busy while it is read", ASynchronousFileIsBusyWhileItIsRead);
  Run("what is given up may be written", WhatIsGivenUpMayBeWritten);
  Run("packets of others are dropped", PacketsOfOthersAreDropped);
}
