// SPDX-License-Identifier: MIT
#include "program.h"

#include "sim.h"

#include <winsock2.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <utility>

void Trace(const char *format, ...) {
  static const bool on = std::getenv("EVPOLL_SIM_TRACE") != nullptr;
  if (!on) return;
  va_list list;
  va_start(list, format);
  std::vfprintf(stderr, format, list);
  va_end(list);
  std::fputc('\n', stderr);
}

namespace {

constexpr int64_t kMillisecond = 1000000;

void Must(bool truth, const char *what, int status = 0) {
  if (!truth) nt_violation("%s (%d, code %d)", what, status, evpoll_os_error());
}

} // namespace

Program::Program(Choices &choices, bool threaded) : choices_(choices), threaded_(threaded) {
  model_.many_waiters = threaded;
  Open();
}

// ---- opening and closing ------------------------------------------------------------------------

void Program::Open() {
  evpoll_options o = {};
  o.struct_size = sizeof o;
  if (!threaded_ && choices_.Chance(1, 2)) o.flags = EVPOLL_OPEN_SINGLE_WAITER;
  if (!threaded_ && choices_.Chance(1, 4)) o.flags = EVPOLL_OPEN_THREAD_BOUND;
  o.io_limit = choices_.Chance(1, 2) ? 4 : 64;
  o.pool_threads = 2;
  Must(evpoll_open(&o, &p_) == 0, "open failed");
  for (uint32_t i = threaded_ ? 1 + choices_.Below(3) : 0; i > 0; i--)
    threads_.push_back(CreateThread(nullptr, 0, WaitInThread, this, 0, nullptr));
}

Program::~Program() { Close(); }

void Program::Close() {
  if (threaded_) {
    evpoll_shutdown(p_);
    evpoll_cancel(p_, EVPOLL_OP_ALL);
    model_.Cancelled(EVPOLL_OP_ALL);
    for (HANDLE t : threads_) {
      WaitForSingleObject(t, INFINITE);
      CloseHandle(t);
    }
  }
  model_.Cancelled(EVPOLL_OP_ALL);
  const int32_t status = evpoll_close(p_, EVPOLL_INFINITE);
  Must(status == 0, "close failed", status);
  model_.Freed();
  if (file_ >= 0) evpoll_file_close(file_);
  if (pipe_ >= 0) CloseHandle(reinterpret_cast<HANDLE>(pipe_));
  if (pipe_client_) CloseHandle(pipe_client_);
  for (HANDLE h : duplicates_) CloseHandle(h);
  for (const End &e : ends_) evpoll_socket_close(e.h);
}

// ---- waiting ------------------------------------------------------------------------------------

void Program::Wait(int32_t capacity, int64_t timeout_ns) {
  evpoll_event events[64];
  const uint64_t began = model_.step;
  const int32_t n = evpoll_wait(p_, events, capacity, timeout_ns);
  Trace("wait, %d events, %lld ns: %d", capacity, static_cast<long long>(timeout_ns), n);
  if (nt_failed()) model_.faulty = true;
  Must(n >= 0 || model_.faulty, "a wait failed", n);
  for (int32_t i = 0; i < n; i++) model_.Event(p_, events[i], began);
  if (n > 0) counters.events += static_cast<uint64_t>(n);
}

DWORD WINAPI Program::WaitInThread(void *context) {
  auto *self = static_cast<Program *>(context);
  for (;;) {
    evpoll_event events[4];
    const uint64_t began = self->model_.step;
    const int32_t n = evpoll_wait(self->p_, events, 4, EVPOLL_INFINITE);
    if (nt_failed()) self->model_.faulty = true;
    if (n == EVPOLL_ERR_SHUTDOWN) return 0;
    Must(n > 0 || self->model_.faulty, "a waiter came back with nothing", n);
    for (int32_t i = 0; i < n; i++) self->model_.Event(self->p_, events[i], began);
    if (n > 0) self->counters.events += static_cast<uint64_t>(n);
    if (n < 0) Sleep(1); // a failure that was injected
  }
}

// Everything arrives, and is waited for. Then nothing may be missing, nor come for nothing.
void Program::Settle() {
  Trace("settle");
  while (pipe_ >= 0 && !model_.operations().empty()) { // reads of the pipe wait for ever
    evpoll_cancel(p_, EVPOLL_OP_ALL);
    model_.Cancelled(EVPOLL_OP_ALL);
    break;
  }
  nt_settle();
  model_.Forget();
  for (int i = 0; i < 200 && (i < 2 || model_.Owes()); i++) {
    if (threaded_)
      Sleep(1);
    else
      Wait(64, kMillisecond);
    nt_settle();
  }
  model_.CheckNothingOwed();
  if (threaded_) return;
  // What was true when its packet was queued may come once more: batches are cut short.
  const Registration *told = nullptr;
  for (int i = 0; i < 20 && (i == 0 || told); i++) {
    model_.Forget();
    for (int k = 0; k < 2; k++) Wait(64, kMillisecond);
    told = model_.ToldUntrue();
  }
  if (told)
    nt_violation("handle %lld: bits %x keep coming", static_cast<long long>(told->handle),
                 told->came);
}

// ---- sockets ------------------------------------------------------------------------------------

Program::End *Program::Pick() {
  return ends_.empty() ? nullptr : &ends_[choices_.Below(static_cast<uint32_t>(ends_.size()))];
}

void Program::Track(evpoll_handle h, bool listener, bool datagram, int32_t port) {
  Trace("%s %lld",
        listener   ? "listener"
        : datagram ? "datagram"
                   : "stream",
        static_cast<long long>(h));
  ends_.push_back({h, 0, listener, datagram, port});
}

void Program::MakePair() {
  evpoll_handle a, b;
  if (ends_.size() >= 12 || evpoll_socket_pair(&a, &b) < 0) return;
  Track(a, false, false, 0);
  Track(b, false, false, 0);
}

void Program::MakeListener() {
  evpoll_handle l;
  if (ends_.size() >= 12 || evpoll_socket_tcp_listen("127.0.0.1", 0, 4, &l) < 0) return;
  int32_t port = 0;
  char host[EVPOLL_ADDRESS_CAPACITY];
  evpoll_socket_local_address(l, host, sizeof host, &port);
  Track(l, true, false, port);
}

void Program::MakeDatagram() {
  evpoll_handle u;
  if (ends_.size() >= 12 || evpoll_socket_udp_bind("127.0.0.1", 0, &u) < 0) return;
  int32_t port = 0;
  char host[EVPOLL_ADDRESS_CAPACITY];
  evpoll_socket_local_address(u, host, sizeof host, &port);
  Track(u, false, true, port);
}

// To a listener, or to a port at which nobody is.
void Program::Connect() {
  int32_t port = 1 + static_cast<int32_t>(choices_.Below(100));
  for (const End &e : ends_)
    if (e.listener && choices_.Chance(2, 3)) port = e.port;
  evpoll_handle c;
  if (ends_.size() >= 12 || evpoll_socket_tcp_connect("127.0.0.1", port, &c) < 0) return;
  Track(c, false, false, 0);
}

void Program::Accept(End &l) {
  evpoll_handle s;
  const int32_t status = evpoll_socket_accept(l.h, &s);
  if (status == EVPOLL_ERR_WOULD_BLOCK) model_.Blocked(l.h, EVPOLL_READABLE);
  if (status == 0) Track(s, false, false, 0);
}

uint32_t Program::Interest() { return choices_.Below(4); }

void Program::Add() {
  End *e = Pick();
  if (!e) return;
  const uint64_t token = model_.NewToken();
  const uint32_t interest = Interest(), mode = choices_.Below(3);
  if (threaded_) model_.Added(token, e->h, interest, mode); // its events may overtake the return
  const int32_t status = evpoll_add(p_, e->h, token, interest, mode);
  Trace("add %lld, token %llu, interest %x, mode %u: %d", static_cast<long long>(e->h),
        static_cast<unsigned long long>(token), interest, mode, status);
  if (nt_failed()) model_.faulty = true;
  Must(status >= 0 || model_.faulty, "add failed", status);
  if (!threaded_ && status >= 0) model_.Added(token, e->h, interest, mode);
  if (threaded_ && status < 0) model_.NotAdded(token);
  if (status >= 0) e->token = token;
}

void Program::Modify() {
  End *e = Pick();
  if (!e || !e->token) return;
  const uint32_t interest = Interest(), mode = choices_.Below(3);
  // Its events may overtake the return. A failure leaves what was: the model cannot take that back.
  Registration &r = model_.registrations.at(e->token);
  if (threaded_) model_.Modified(e->token, interest, mode);
  r.changing = threaded_;
  const int32_t status = evpoll_modify(p_, e->h, e->token, interest, mode);
  r.changing = false;
  Trace("modify %lld, interest %x, mode %u: %d", static_cast<long long>(e->h), interest, mode,
        status);
  if (nt_failed()) model_.faulty = true;
  Must(status == 0 || model_.faulty, "modify failed", status);
  if (status == 0 && !threaded_) model_.Modified(e->token, interest, mode);
}

void Program::Rearm() {
  End *e = Pick();
  if (!e || !e->token) return;
  Registration &r = model_.registrations.at(e->token);
  const uint32_t bits = r.interest & (1 + choices_.Below(3));
  if (!bits) return;
  if (threaded_) model_.Rearmed(e->token, bits);
  r.changing = threaded_;
  const int32_t status = evpoll_rearm(p_, e->h, e->token, bits);
  r.changing = false;
  Trace("rearm %lld, bits %x: %d", static_cast<long long>(e->h), bits, status);
  if (nt_failed()) model_.faulty = true;
  Must(status == 0 || model_.faulty, "rearm failed", status);
  if (!threaded_ && status == 0) model_.Rearmed(e->token, bits);
}

void Program::Remove() {
  End *e = Pick();
  if (!e || !e->token) return;
  const int32_t status = evpoll_remove(p_, e->h, e->token);
  Trace("remove %lld: %d", static_cast<long long>(e->h), status);
  if (nt_failed()) model_.faulty = true;
  Must(status == 0 || model_.faulty, "remove failed");
  model_.Ended(e->token);
  e->token = 0;
}

void Program::CloseSoon(size_t i, bool remove_first) {
  End &e = ends_[i];
  Trace("close %lld, token %llu, remove %d", static_cast<long long>(e.h),
        static_cast<unsigned long long>(e.token), remove_first);
  if (e.token && remove_first) {
    Must(evpoll_remove(p_, e.h, e.token) == 0 || model_.faulty, "remove failed");
    model_.Ended(e.token);
  }
  if (choices_.Chance(1, 4)) {
    const struct linger abortive = {1, 0};
    setsockopt(static_cast<SOCKET>(e.h), SOL_SOCKET, SO_LINGER,
               reinterpret_cast<const char *>(&abortive), sizeof abortive);
  }
  model_.Closed(e.h);
  evpoll_socket_close(e.h);
  ends_.erase(ends_.begin() + static_cast<std::ptrdiff_t>(i));
}

void Program::CloseOne() {
  if (!ends_.empty())
    CloseSoon(choices_.Below(static_cast<uint32_t>(ends_.size())), choices_.Chance(1, 2));
}

void Program::Send() {
  End *e = Pick();
  if (!e || e->listener) return;
  static const char data[1024] = {};
  const uint32_t n = 1 + choices_.Below(4) * 255;
  if (e->datagram) {
    evpoll_socket_sendto(e->h, data, n, "127.0.0.1", e->port); // to itself
    return;
  }
  int32_t sent = 0;
  Trace("send %lld", static_cast<long long>(e->h));
  for (int i = choices_.Chance(1, 3) ? 16 : 1; i > 0 && sent >= 0; i--)
    sent = evpoll_socket_send(e->h, data, n);
  if (sent == EVPOLL_ERR_WOULD_BLOCK) model_.Blocked(e->h, EVPOLL_WRITABLE);
}

void Program::Receive() {
  End *e = Pick();
  if (!e) return;
  if (e->listener) return Accept(*e);
  char data[1024];
  int32_t got = 1;
  Trace("receive %lld", static_cast<long long>(e->h));
  for (int i = choices_.Chance(1, 2) ? 64 : 1; i > 0 && got > 0; i--)
    got = evpoll_socket_recv(e->h, data, sizeof data);
  if (got == EVPOLL_ERR_WOULD_BLOCK) model_.Blocked(e->h, EVPOLL_READABLE);
}

void Program::Shutdown() {
  End *e = Pick();
  if (e && !e->listener && !e->datagram) evpoll_socket_shutdown(e->h, EVPOLL_SHUTDOWN_WRITE);
}

// The socket lives on when its handle is closed; the contract asks for remove before that.
void Program::Duplicate() {
  if (duplicates_.size() >= 3 || ends_.empty()) return;
  const size_t i = choices_.Below(static_cast<uint32_t>(ends_.size()));
  HANDLE copy = nullptr;
  if (DuplicateHandle(GetCurrentProcess(), reinterpret_cast<HANDLE>(ends_[i].h),
                      GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS))
    duplicates_.push_back(copy);
  CloseSoon(i, true);
}

void Program::Step() {
  counters.steps++;
  model_.step++;
  switch (choices_.Below(28)) {
  case 0:
  case 1: return MakePair();
  case 2: return MakeListener();
  case 3: return MakeDatagram();
  case 4: return Connect();
  case 5:
  case 6:
  case 7: return Add();
  case 8:
  case 9: return Modify();
  case 10:
  case 11: return Rearm();
  case 12: return Remove();
  case 13: return CloseOne();
  case 14: return Duplicate();
  case 15:
  case 16: return Send();
  case 17:
  case 18: return Receive();
  case 19: return Shutdown();
  case 20: return SubmitFile();
  case 21: return choices_.Chance(1, 2) ? SubmitList() : SubmitPipe();
  case 22: return choices_.Chance(1, 2) ? Feed() : Cancel();
  case 23:
    if (choices_.Chance(1, 2)) {
      model_.Woken();
      evpoll_wake(p_);
    } else {
      const uint64_t token = model_.NewToken();
      model_.Posted(token);
      Must(evpoll_post(p_, token, 7) == 0, "post failed");
    }
    return;
  case 24:
  case 25: return threaded_ ? Sleep(0) : Wait(1 + static_cast<int32_t>(choices_.Below(4)), 0);
  case 26: return threaded_ ? Sleep(1) : Wait(64, kMillisecond);
  default:
    if (choices_.Chance(1, 4)) Settle();
  }
}

void Program::Run(int steps) {
  MakePair();
  for (int i = 0; i < steps && !choices_.Empty(); i++) {
    if (nt_failed()) model_.faulty = true;
    Step();
  }
  if (nt_failed()) model_.faulty = true;
  counters.faults += nt_failed() != nullptr;
  nt_fail(nullptr, 0);
  Settle();
}
