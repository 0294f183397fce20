// SPDX-License-Identifier: MIT
// The part of a random program that reads and writes files and pipes.
#include "program.h"

#include "sim.h"

#include <cstdio>
#include <string>
#include <unistd.h>
#include <utility>

namespace {
constexpr int64_t kFileSize = 4096;
constexpr char kPipe[] = "\\\\.\\pipe\\evpoll-schedules";
constexpr char kFile[] = "evpoll-schedules.tmp";

void Must(bool truth, const char *what) {
  if (!truth) nt_violation("%s", what);
}

// One for all programs, those side by side too: it gets its name when it is whole, and nothing ever
// changes what is in it.
void MakeFile() {
  static const bool made = [] {
    const std::string unnamed = kFile + std::to_string(getpid());
    std::FILE *f = std::fopen(unnamed.c_str(), "wb");
    for (int64_t i = 0; f && i < kFileSize; i++) std::fputc(PatternAt(i), f);
    return f && std::fclose(f) == 0 && std::rename(unnamed.c_str(), kFile) == 0;
  }();
  Must(made, "the file could not be made");
}
} // namespace

evpoll_io Program::MakeIo(Operation &op, uint32_t code, evpoll_handle h, uint64_t token) {
  evpoll_io io = {};
  io.token = token;
  io.handle = h;
  io.code = code;
  op.code = code;
  op.cancelled = op.is_list = false;
  op.entries = 0;
  op.offset = 0;
  op.length = 0;
  if (code == EVPOLL_IO_FSYNC) return io;
  op.length = 1 + choices_.Below(200);
  op.offset = static_cast<int64_t>(choices_.Below(kFileSize - 200));
  op.buffer.reset(new char[op.length]);
  for (uint64_t i = 0; i < op.length; i++)
    op.buffer[i] = code == EVPOLL_IO_WRITE ? PatternAt(op.offset + static_cast<int64_t>(i)) : 0;
  io.buffer = EVPOLL_ADDR(op.buffer.get());
  io.length = op.length;
  io.offset = op.offset;
  return io;
}

void Program::Submit(evpoll_io &io, Operation op, uint64_t token) {
  op.op = 0;
  model_.Submitted(token, std::move(op));
  const int32_t n = evpoll_submit(p_, &io, 1);
  Trace("submit, code %u, token %llu: %d, status %d", io.code,
        static_cast<unsigned long long>(token), n, io.status);
  if (nt_failed()) model_.faulty = true;
  Must(n == 1 || io.status == EVPOLL_ERR_AGAIN || model_.faulty, "submit failed");
  if (n == 1)
    model_.Started(token, io.op);
  else
    model_.NotStarted(token);
}

void Program::SubmitFile() {
  MakeFile();
  if (file_ < 0 && evpoll_file_open(kFile, EVPOLL_FILE_READ | EVPOLL_FILE_WRITE, &file_) < 0) {
    model_.faulty |= nt_failed() != nullptr;
    Must(model_.faulty, "the file could not be opened");
    return;
  }
  static const uint32_t codes[] = {EVPOLL_IO_READ, EVPOLL_IO_WRITE, EVPOLL_IO_FSYNC};
  Operation op;
  const uint64_t token = model_.NewToken();
  evpoll_io io = MakeIo(op, codes[choices_.Below(3)], file_, token);
  Submit(io, std::move(op), token);
}

void Program::SubmitList() {
  if (file_ < 0) return;
  Operation whole;
  const int32_t n = 1 + static_cast<int32_t>(choices_.Below(3));
  const uint64_t token = model_.NewToken();
  const uint32_t code = choices_.Chance(1, 2) ? EVPOLL_IO_READ : EVPOLL_IO_WRITE;
  evpoll_io ios[3];
  ios[0] = MakeIo(whole, code, file_, 0);
  for (int32_t i = 1; i < n; i++)
    ios[i] = ios[0]; /* they may share a buffer: the bytes are equal */
  whole.is_list = true;
  whole.entries = n;
  whole.op = 0;
  model_.Submitted(token, std::move(whole));
  uint64_t op = 0;
  const int32_t accepted = evpoll_submit_list(p_, ios, n, token, &op);
  if (nt_failed()) model_.faulty = true;
  Must(accepted == n || accepted == EVPOLL_ERR_AGAIN || model_.faulty, "submit_list failed");
  if (accepted == n)
    model_.Started(token, op);
  else
    model_.NotStarted(token);
}

// A read of a pipe waits until the other end writes, or it is cancelled.
void Program::SubmitPipe() {
  if (pipe_ < 0) {
    HANDLE server = CreateNamedPipeA(kPipe, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                                     PIPE_TYPE_BYTE, 1, 4096, 4096, 0, nullptr);
    if (server == INVALID_HANDLE_VALUE) return;
    pipe_ = reinterpret_cast<intptr_t>(server);
    HANDLE client =
        CreateFileA(kPipe, GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING, 0, nullptr);
    if (client != INVALID_HANDLE_VALUE) pipe_client_ = client;
  }
  if (!pipe_client_) return;
  Operation op;
  const uint64_t token = model_.NewToken();
  evpoll_io io = MakeIo(op, EVPOLL_IO_READ, pipe_, token);
  io.offset = 0;
  op.offset = -1; // what comes out of a pipe has no place
  Submit(io, std::move(op), token);
}

void Program::Feed() {
  DWORD n;
  if (pipe_client_) WriteFile(pipe_client_, "abc", 3, &n, nullptr);
}

void Program::Cancel() {
  const auto &operations = model_.operations();
  if (operations.empty()) return;
  const uint64_t first = operations.begin()->second.op;
  const uint64_t op = choices_.Chance(1, 4) || !first ? EVPOLL_OP_ALL : first;
  model_.Cancelled(op);
  const int32_t status = evpoll_cancel(p_, op);
  Must(status >= 0 || status == EVPOLL_ERR_NOT_FOUND || model_.faulty, "cancel failed");
}
