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

void Must(bool truth, const char *what, int status) {
  if (!truth) nt_violation("%s (%d, code %d)", what, status, evpoll_os_error());
}

Program::Program(Choices &choices, bool threaded)
    : choices_(choices), threaded_(threaded), lawless_(!threaded && choices.Chance(1, 16)) {
  model_.many_waiters = threaded;
  evpoll_os_error(); // the library takes its slots now, not in a call that is to fail
  for (uint32_t i = 1 + choices_.Below(3); i > 0; i--) pollers_.push_back(Open());
  p_ = pollers_[0];
  for (evpoll *p : pollers_)
    for (uint32_t i = threaded_ ? 1 + choices_.Below(2) : 0; i > 0; i--)
      waiters_.push_back({this, p});
  for (Waiter &w : waiters_)
    threads_.push_back(CreateThread(nullptr, 0, WaitInThread, &w, 0, nullptr));
}

// ---- opening and closing ------------------------------------------------------------------------

evpoll *Program::Open() {
  evpoll_options o = {};
  o.struct_size = sizeof o;
  if (!threaded_ && choices_.Chance(1, 2)) o.flags = EVPOLL_OPEN_SINGLE_WAITER;
  if (choices_.Chance(1, 8)) o.flags |= EVPOLL_OPEN_NO_URING;
  o.io_limit = choices_.Chance(1, 2) ? 4 : 64;
  o.pool_threads = 2;
  evpoll *p = nullptr;
  Must(evpoll_open(&o, &p) == 0, "open failed");
  if (o.flags & EVPOLL_OPEN_NO_URING) pooled_.insert(p);
  return p;
}

Program::~Program() { Close(); }

void Program::Close() {
  if (threaded_) {
    for (evpoll *p : pollers_) evpoll_shutdown(p);
    CancelAll();
    for (HANDLE t : threads_) {
      WaitForSingleObject(t, INFINITE);
      CloseHandle(t);
    }
  }
  model_.CancelledAll();
  for (evpoll *p : pollers_) {
    const int32_t status = evpoll_close(p, EVPOLL_INFINITE);
    Must(status == 0, "close failed", status);
  }
  model_.Freed();
  for (const Served &s : served_) {
    Must(CloseHandle(reinterpret_cast<HANDLE>(s.h)), "a handle was closed by somebody else");
    if (s.client) CloseHandle(s.client);
  }
  CheckFiles();
  for (const End &e : ends_) closesocket(static_cast<SOCKET>(e.h));
}

// ---- waiting ------------------------------------------------------------------------------------

evpoll *Program::PickPoller() {
  return pollers_[choices_.Below(static_cast<uint32_t>(pollers_.size()))];
}

void Program::Wait(evpoll *p, int32_t capacity, int64_t timeout_ns) {
  evpoll_event events[64];
  const uint64_t began = model_.step;
  const int32_t n = evpoll_wait(p, events, capacity, timeout_ns);
  Trace("wait, %d events, %lld ns: %d", capacity, static_cast<long long>(timeout_ns), n);
  if (nt_failed()) model_.faulty = true;
  Must(n >= 0 || model_.faulty, "a wait failed", n);
  for (int32_t i = 0; i < n; i++) model_.Event(p, events[i], began);
  if (n > 0) counters.events += static_cast<uint64_t>(n);
}

void Program::WaitForAll(int64_t timeout_ns) {
  for (evpoll *p : pollers_) Wait(p, 64, timeout_ns);
}

DWORD WINAPI Program::WaitInThread(void *context) {
  const Waiter *waiter = static_cast<Waiter *>(context);
  Program *self = waiter->program;
  for (;;) {
    evpoll_event events[4];
    const uint64_t began = self->model_.step;
    const int32_t n = evpoll_wait(waiter->p, events, 4, EVPOLL_INFINITE);
    if (nt_failed()) self->model_.faulty = true;
    if (n == EVPOLL_ERR_SHUTDOWN) return 0;
    Must(n > 0 || self->model_.faulty, "a waiter came back with nothing", n);
    for (int32_t i = 0; i < n; i++) self->model_.Event(waiter->p, events[i], began);
    if (n > 0) self->counters.events += static_cast<uint64_t>(n);
    if (n < 0) Sleep(1); // a failure that was injected
  }
}

// Everything arrives, and is waited for. Then nothing may be missing, nor come for nothing.
void Program::Settle() {
  Trace("settle");
  if (pipes_ && !model_.operations().empty()) CancelAll(); // reads of a pipe wait for ever
  nt_settle();
  model_.Forget();
  for (int i = 0; i < 200 && (i < 2 || model_.Owes()); i++) {
    // The clock stands still while a wait has something to report; a disk takes its time.
    if (threaded_ || !model_.operations().empty()) Sleep(1);
    if (!threaded_) WaitForAll(kMillisecond);
    nt_settle();
  }
  model_.CheckNothingOwed();
  if (threaded_) return;
  // What was true when its packet was queued may come once more: batches are cut short.
  const Registration *told = nullptr;
  for (int i = 0; i < 20 && (i == 0 || told); i++) {
    model_.Forget();
    for (int k = 0; k < 2; k++) WaitForAll(kMillisecond);
    told = model_.ToldUntrue();
  }
  if (told)
    nt_violation("handle %lld: bits %x keep coming", static_cast<long long>(told->handle),
                 told->came);
}

// ---- registrations ------------------------------------------------------------------------------

Program::End *Program::Pick() {
  return ends_.empty() ? nullptr : &ends_[choices_.Below(static_cast<uint32_t>(ends_.size()))];
}

uint32_t Program::Interest() {
  return choices_.Below(4) | (choices_.Chance(1, 4) ? EVPOLL_READ_CLOSED : 0);
}

// G6: while a poll of another poller has not come back it must be, and without one it must not.
bool Program::MayBeRefused(const End &e, evpoll *p, bool *must_out) const {
  *must_out = false;
  const auto owner = owners_.find(e.h);
  if (owner == owners_.end() || model_.registrations.at(owner->second.token).poller == p)
    return false;
  if (threaded_ || nt_is_layered()) return true; // polls of a closed one had another base's number
  const uintptr_t number = static_cast<uintptr_t>(e.h);
  *must_out = nt_polls(number, owner->second.since, NT_POLLS_LIVE) > 0;
  return nt_polls(number, 0, NT_POLLS_ALL) > 0;
}

void Program::AddTo(End &e, evpoll *p) {
  const uint64_t token = model_.NewToken();
  const uint32_t interest = Interest(), mode = choices_.Below(3);
  bool must_be_refused = false;
  const bool may_be_refused = MayBeRefused(e, p, &must_be_refused);
  const uint64_t since = nt_requests();
  if (threaded_) model_.Added(token, p, e.h, interest, mode); // its events may overtake the return
  const int32_t status = evpoll_add(p, e.h, token, interest, mode);
  Trace("add %lld to %p, token %llu, interest %x, mode %u: %d", static_cast<long long>(e.h),
        static_cast<void *>(p), static_cast<unsigned long long>(token), interest, mode, status);
  if (nt_failed()) model_.faulty = true;
  Must(status >= 0 || may_be_refused || model_.faulty, "add failed", status);
  Must(status == EVPOLL_ERR_BUSY || !must_be_refused || model_.faulty,
       "add took a socket that another poller watches", status);
  if (threaded_ && status < 0) model_.NotAdded(token);
  if (status < 0) return;
  if (!threaded_) model_.Added(token, p, e.h, interest, mode);
  const auto owner = owners_.find(e.h);
  if (owner != owners_.end() && model_.registrations.at(owner->second.token).poller != p)
    model_.registrations.at(owner->second.token).lost = true;
  owners_[e.h] = {token, since};
  model_.registrations.at(token).shared = e.shared;
  e.p = p;
  e.token = token;
  e.doubtful = true;
}

void Program::Add() {
  if (End *e = Pick()) AddTo(*e, e->token && choices_.Chance(1, 2) ? e->p : PickPoller());
}

// Two pollers want one socket.
void Program::Contend() {
  End *e = Pick();
  if (!e) return;
  AddTo(*e, PickPoller());
  AddTo(*e, PickPoller());
}

void Program::Modify() {
  End *e = Pick();
  if (!e || !e->token) return;
  const uint32_t interest = Interest(), mode = choices_.Below(3);
  Registration &r = model_.registrations.at(e->token);
  const Registration before = r;
  if (threaded_) model_.Modified(e->token, interest, mode); // its events may overtake the return
  r.changing = threaded_;
  const int32_t status = evpoll_modify(e->p, e->h, e->token, interest, mode);
  r.changing = false;
  Trace("modify %lld, interest %x, mode %u: %d", static_cast<long long>(e->h), interest, mode,
        status);
  if (nt_failed()) model_.faulty = true;
  Must(status == 0 || model_.faulty, "modify failed", status);
  if (status == 0 && !threaded_) model_.Modified(e->token, interest, mode);
  if (status < 0 && threaded_) model_.Unchanged(e->token, before);
}

void Program::Rearm() {
  End *e = Pick();
  if (!e || !e->token) return;
  Registration &r = model_.registrations.at(e->token);
  const uint32_t bits = r.interest & (EVPOLL_READ_CLOSED | (1 + choices_.Below(3)));
  if (!bits) return;
  const Registration before = r;
  if (threaded_) model_.Rearmed(e->token, bits);
  r.changing = threaded_;
  const int32_t status = evpoll_rearm(e->p, e->h, e->token, bits);
  r.changing = false;
  Trace("rearm %lld, bits %x: %d", static_cast<long long>(e->h), bits, status);
  if (nt_failed()) model_.faulty = true;
  Must(status == 0 || model_.faulty, "rearm failed", status);
  if (!threaded_ && status == 0) model_.Rearmed(e->token, bits);
  if (status < 0 && threaded_) model_.Unchanged(e->token, before);
}

void Program::RemoveOf(End &e) {
  if (!e.token) return;
  const int32_t status = evpoll_remove(e.p, e.h, e.token);
  Trace("remove %lld: %d", static_cast<long long>(e.h), status);
  if (nt_failed()) model_.faulty = true;
  Must(status == 0 || model_.faulty, "remove failed", status);
  model_.Ended(e.token);
  const auto owner = owners_.find(e.h);
  if (owner != owners_.end() && owner->second.token == e.token) owners_.erase(owner);
  e.token = 0;
}

void Program::Remove() {
  if (End *e = Pick()) RemoveOf(*e);
}

void Program::Step() {
  counters.steps++;
  model_.step++;
  switch (choices_.Below(36)) {
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
  case 20:
  case 32: return Submit();
  case 21: return choices_.Chance(1, 2) ? SubmitList() : Submit();
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
  case 25:
    return threaded_ ? Sleep(0)
                     : Wait(PickPoller(), 1 + static_cast<int32_t>(choices_.Below(4)), 0);
  case 26:
  case 27: return threaded_ ? Sleep(1) : Wait(PickPoller(), 64, kMillisecond);
  case 28: return Contend();
  case 29: return UseNumberAgain();
  case 30: return Reconnect();
  case 33:
  case 34:
  case 35: return ChangeServed();
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
