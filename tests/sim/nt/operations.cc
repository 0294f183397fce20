// SPDX-License-Identifier: MIT
// The part of a random program that reads and writes files and pipes: handles are opened, added to
// one poller or another, removed, closed, and their numbers used again by the next.
#include "program.h"

#include "sim.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>
#include <utility>

namespace {
constexpr int64_t kFileSize = 4096;
constexpr size_t kMostServed = 6;
constexpr int kPatience = 1000;

std::string NameOf(int which) {
  return "evpoll-schedules." + std::to_string(getpid()) + "." + std::to_string(which);
}

void RemoveFiles() {
  for (int which = 0; which < kFiles; which++) unlink(NameOf(which).c_str());
}

// Made once in a process. Whatever reads and writes them finds, and leaves, the bytes of that file.
void MakeFiles() {
  static const bool made = [] {
    for (int which = 0; which < kFiles; which++) {
      std::FILE *f = std::fopen(NameOf(which).c_str(), "wb");
      for (int64_t i = 0; f && i < kFileSize; i++) std::fputc(PatternAt(which, i), f);
      if (!f || std::fclose(f) != 0) return false;
    }
    std::atexit(RemoveFiles);
    return true;
  }();
  Must(made, "the files could not be made");
}
} // namespace

void CheckFiles() {
  for (int which = 0; which < kFiles; which++) {
    std::FILE *f = std::fopen(NameOf(which).c_str(), "rb");
    if (!f) continue; // none was needed so far
    for (int64_t i = 0; i < kFileSize; i++)
      Must(std::fgetc(f) == static_cast<unsigned char>(PatternAt(which, i)),
           "a write went into another file", static_cast<int>(i));
    Must(std::fgetc(f) == EOF, "a file grew");
    std::fclose(f);
  }
}

// ---- handles ------------------------------------------------------------------------------------

Program::Served *Program::PickServed() {
  return served_.empty() ? nullptr
                         : &served_[choices_.Below(static_cast<uint32_t>(served_.size()))];
}

void Program::OpenFile() {
  MakeFiles();
  Served s = {};
  s.which = static_cast<int>(choices_.Below(kFiles));
  s.synchronous = choices_.Chance(1, 4);
  HANDLE h = CreateFileA(NameOf(s.which).c_str(), GENERIC_READ | GENERIC_WRITE,
                         FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, OPEN_EXISTING,
                         s.synchronous ? 0 : FILE_FLAG_OVERLAPPED, nullptr);
  if (h == INVALID_HANDLE_VALUE) return;
  s.h = reinterpret_cast<intptr_t>(h);
  s.skips = !s.synchronous && choices_.Chance(1, 4) &&
            SetFileCompletionNotificationModes(h, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS);
  Trace("file %lld, synchronous %d, skips %d", static_cast<long long>(s.h), s.synchronous, s.skips);
  served_.push_back(s);
}

void Program::OpenPipe() {
  const std::string name = "\\\\.\\pipe\\evpoll-schedules-" + std::to_string(++pipes_);
  Served s = {};
  s.which = -1;
  HANDLE server = CreateNamedPipeA(name.c_str(), PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                                   PIPE_TYPE_BYTE, 1, 4096, 4096, 0, nullptr);
  if (server == INVALID_HANDLE_VALUE) return;
  s.h = reinterpret_cast<intptr_t>(server);
  HANDLE client = CreateFileA(name.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING,
                              0, nullptr);
  if (client == INVALID_HANDLE_VALUE) {
    CloseHandle(server);
    return;
  }
  s.client = client;
  Trace("pipe %lld", static_cast<long long>(s.h));
  served_.push_back(s);
}

// An overlapped handle belongs to one port: that of the poller that has it, or for good to one that
// it could not leave.
void Program::AddServed(Served &s, evpoll *p) {
  const bool elsewhere = s.p && s.p != p;
  if (elsewhere && s.synchronous) return;
  const bool replaces = s.p == p, must_be_refused = elsewhere || (s.stuck && nt_is_wine());
  if (replaces) model_.EndedTarget(s.target);
  const bool in_progress = replaces && model_.Has(s.target);
  const uint64_t token = model_.NewToken();
  model_.Replaced(p, s.h);
  const int32_t status = evpoll_add(p, s.h, token, 0, EVPOLL_OPERATIONS);
  Trace("add %lld to %p for operations, token %llu: %d", static_cast<long long>(s.h),
        static_cast<void *>(p), static_cast<unsigned long long>(token), status);
  if (nt_failed()) model_.faulty = true;
  const bool may_be_refused = elsewhere || s.stuck || in_progress || (replaces && nt_is_wine());
  Must(status >= 0 || (status == EVPOLL_ERR_BUSY && may_be_refused) || model_.faulty,
       "add for operations failed", status);
  Must(status == EVPOLL_ERR_BUSY || !must_be_refused || model_.faulty,
       "add took a handle that is another port's", status);
  if (status >= 0) {
    s.p = p;
    s.stuck = false;
    s.target = token;
  } else if (replaces) {
    s.stuck |= in_progress && !s.synchronous; // whose event another thread may have by now
    Unserve(s);
  }
}

// Ends the registration, in the end: who still uses the number is no waiter.
void Program::Unserve(Served &s) {
  if (!s.p) return;
  // The system does not let go of a file on which something is in progress.
  s.stuck |= !s.synchronous && (nt_is_wine() || model_.Has(s.target));
  model_.EndedTarget(s.target);
  int32_t status = EVPOLL_ERR_BUSY;
  for (int i = 0; i < kPatience && status == EVPOLL_ERR_BUSY; i++) {
    status = evpoll_remove(s.p, s.h, s.target);
    if (status == EVPOLL_ERR_BUSY) Sleep(1);
  }
  Trace("remove %lld for operations: %d", static_cast<long long>(s.h), status);
  if (nt_failed()) model_.faulty = true;
  // An add over it that was refused has ended it, too.
  Must(status == 0 || status == EVPOLL_ERR_NOT_FOUND, "the registration does not end", status);
  s.p = nullptr;
}

void Program::CloseServed(size_t i) {
  Served s = served_[i];
  served_.erase(served_.begin() + static_cast<std::ptrdiff_t>(i));
  if (s.p && choices_.Chance(2, 3) && !(s.which < 0 && pooled_.count(s.p))) {
    evpoll_io io = {};
    io.handle = s.h;
    io.code = EVPOLL_OP_CLOSE;
    io.token = model_.NewToken();
    Operation op = {};
    op.code = io.code;
    op.target = s.target;
    op.poller = s.p;
    model_.EndedTarget(s.target);
    model_.Submitted(io.token, std::move(op));
    const int32_t n = evpoll_submit(s.p, &io, 1);
    Trace("CLOSE %lld, token %llu: %d, status %d", static_cast<long long>(s.h),
          static_cast<unsigned long long>(io.token), n, io.status);
    Must(n == 1 && io.op, "CLOSE was refused", io.status);
    model_.Started(io.token, io.op);
  } else {
    Unserve(s);
    Trace("close %lld", static_cast<long long>(s.h));
    Must(CloseHandle(reinterpret_cast<HANDLE>(s.h)), "a handle was closed by somebody else");
  }
  if (s.client) CloseHandle(s.client);
}

void Program::ChangeServed() {
  if (served_.size() < 2 || (served_.size() < kMostServed && choices_.Chance(1, 3)))
    return choices_.Chance(1, 4) ? OpenPipe() : OpenFile();
  const size_t i = choices_.Below(static_cast<uint32_t>(served_.size()));
  switch (choices_.Below(4)) {
  case 0: return Unserve(served_[i]);
  case 1: return CloseServed(i);
  default: return AddServed(served_[i], PickPoller());
  }
}

// ---- operations ---------------------------------------------------------------------------------

evpoll_io Program::MakeIo(Operation &op, uint32_t code, const Served &s, uint64_t token) {
  evpoll_io io = {};
  io.token = token;
  io.handle = s.h;
  io.code = code;
  op.code = code;
  op.target = s.target;
  op.poller = s.p;
  op.which = s.which;
  if (code == EVPOLL_OP_FSYNC) return io;
  op.length = 1 + choices_.Below(200);
  op.offset = s.which < 0 ? 0 : static_cast<int64_t>(choices_.Below(kFileSize - 200));
  op.buffer.reset(new char[op.length]);
  for (uint64_t i = 0; i < op.length; i++)
    op.buffer[i] =
        code == EVPOLL_OP_WRITE ? PatternAt(s.which, op.offset + static_cast<int64_t>(i)) : 0;
  io.buffer = EVPOLL_ADDR(op.buffer.get());
  io.length = op.length;
  io.offset = op.offset;
  return io;
}

void Program::Submit() {
  Served *s = PickServed();
  if (s && !s->p) AddServed(*s, PickPoller());
  if (!s || !s->p || (s->which < 0 && pooled_.count(s->p))) return;
  static const uint32_t codes[] = {EVPOLL_OP_READ, EVPOLL_OP_WRITE, EVPOLL_OP_FSYNC};
  Operation op = {};
  const uint64_t token = model_.NewToken();
  // A read of a pipe waits until the other end writes, or it is cancelled.
  evpoll_io io = MakeIo(op, s->which < 0 ? EVPOLL_OP_READ : codes[choices_.Below(3)], *s, token);
  model_.Submitted(token, std::move(op));
  const int32_t n = evpoll_submit(s->p, &io, 1);
  Trace("submit, code %u on %lld, token %llu: %d, status %d", io.code,
        static_cast<long long>(io.handle), static_cast<unsigned long long>(token), n, io.status);
  if (nt_failed()) model_.faulty = true;
  Must(n == 1 || io.status == EVPOLL_ERR_AGAIN || model_.faulty, "submit failed", io.status);
  Must((n == 1) == (io.op != 0), "the entry and the result say different things", io.status);
  if (n == 1)
    model_.Started(token, io.op);
  else
    model_.NotStarted(token);
}

void Program::SubmitList() {
  Served *s = PickServed();
  if (!s || !s->p || s->which < 0) return;
  Operation whole = {};
  const int32_t n = 1 + static_cast<int32_t>(choices_.Below(3));
  const uint64_t token = model_.NewToken();
  const uint32_t code = choices_.Chance(1, 2) ? EVPOLL_OP_READ : EVPOLL_OP_WRITE;
  evpoll_io ios[3];
  ios[0] = MakeIo(whole, code, *s, 0);
  for (int32_t i = 1; i < n; i++)
    ios[i] = ios[0]; /* they may share a buffer: the bytes are equal */
  whole.is_list = true;
  whole.entries = n;
  model_.Submitted(token, std::move(whole));
  uint64_t op = 0;
  const int32_t accepted = evpoll_submit_list(s->p, ios, n, token, &op);
  if (nt_failed()) model_.faulty = true;
  Must(accepted == n || accepted == EVPOLL_ERR_AGAIN || model_.faulty, "submit_list failed");
  if (accepted == n)
    model_.Started(token, op);
  else
    model_.NotStarted(token);
}

void Program::Feed() {
  DWORD n;
  for (const Served &s : served_)
    if (s.client) WriteFile(s.client, "abc", 3, &n, nullptr);
}

void Program::CancelAll() {
  model_.CancelledAll();
  for (evpoll *p : pollers_) {
    const int32_t status = evpoll_cancel_all(p);
    Must(status >= 0, "cancel_all failed", status);
  }
}

void Program::Cancel() {
  const auto &operations = model_.operations();
  if (operations.empty()) return;
  auto at = operations.begin();
  std::advance(at, choices_.Below(static_cast<uint32_t>(operations.size())));
  const uint64_t token = at->first, op = at->second.op, target = at->second.target;
  if (choices_.Chance(1, 4) || !op) return CancelAll();
  const bool by_token = choices_.Chance(1, 4);
  for (const Served &s : served_)
    if (by_token && s.p && s.target == target) {
      model_.Cancelled(op);
      const int32_t status = evpoll_cancel_token(s.p, s.h, token);
      Must(status >= 0 || status == EVPOLL_ERR_NOT_FOUND, "cancel_token failed", status);
      return;
    }
  evpoll *p = at->second.poller;
  model_.Cancelled(op);
  const int32_t status = evpoll_cancel(p, op);
  Must(status >= 0 || status == EVPOLL_ERR_NOT_FOUND, "cancel failed", status);
}
