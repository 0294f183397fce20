// SPDX-License-Identifier: MIT
// Random programs of operations on sockets, as schedules_test.cc: connections whose ends are read,
// written, polled, cancelled, moved from poller to poller, watched by another one, and closed, also
// without a word. Each byte has a place in its direction and comes there once; each operation ends
// once, and none waits for what is true.
#include "program.h"
#include "sim.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <memory>

namespace {

enum { RECEIVE = 1, SEND = 4, DISCONNECT = 8, ABORT = 16 };
constexpr uint32_t kMostReads = 3;

char ByteAt(uint64_t place) { return static_cast<char>(place * 7 + (place >> 8)); }

struct End;

struct Work {
  End *end = nullptr;
  evpoll *p = nullptr;
  uint64_t token = 0, op = 0, length = 0;
  uint32_t code = 0, flags = 0;
  std::unique_ptr<char[]> buffer;
  bool cancelled = false, over = false;
  int64_t moved = 0;
};

struct End {
  End *peer = nullptr;
  SOCKET s = INVALID_SOCKET;
  evpoll *p = nullptr; // that serves it
  uint64_t target = 0;
  uint64_t written = 0, got = 0;
  std::deque<std::shared_ptr<Work>> reads; // in the order of submission
  bool writing = false, ended = false;     // it sends no more
  bool lost = false;                       // closed without a word
  HANDLE copy = nullptr;                   // another number of it
};

class Streams {
public:
  Streams(Choices &choices, bool threaded);
  ~Streams();
  void Run(int steps);

private:
  void Step();
  void Connect();
  void Serve(End &e, evpoll *p);
  void Unserve(End &e);
  void Submit(End &e, uint32_t code);
  void Cancel();
  void Close(End &e);
  void CloseWithoutAWord(End &e);
  void Watch(End &e);
  void Wait(evpoll *p, int32_t capacity, int64_t timeout_ns);
  void Settle();
  void CheckNothingWaits();
  void Ended(uint64_t token, int32_t status, int64_t result);
  void Moved(Work &w, int32_t status);
  static DWORD WINAPI WaitInThread(void *waiter);
  evpoll *PickPoller() { return pollers_[choices_.Below(static_cast<uint32_t>(pollers_.size()))]; }

  struct Waiter {
    Streams *self;
    evpoll *p;
  };
  Choices &choices_;
  const bool threaded_;
  bool faulty_ = false, watched_ = false;
  uint64_t last_token_ = 0;
  std::vector<evpoll *> pollers_;
  std::vector<std::unique_ptr<End>> ends_;
  std::map<uint64_t, std::shared_ptr<Work>> works_;
  std::set<uint64_t> watches_;
  std::vector<Waiter> waiters_;
  std::vector<HANDLE> threads_;
};

Streams::Streams(Choices &choices, bool threaded) : choices_(choices), threaded_(threaded) {
  evpoll_os_error();
  for (uint32_t i = 1 + choices_.Below(3); i > 0; i--) {
    evpoll_options o = {};
    o.struct_size = sizeof o;
    if (!threaded_ && choices_.Chance(1, 2)) o.flags = EVPOLL_OPEN_SINGLE_WAITER;
    evpoll *p = nullptr;
    Must(evpoll_open(&o, &p) == 0, "open failed");
    pollers_.push_back(p);
  }
  for (evpoll *p : pollers_)
    for (uint32_t i = threaded_ ? 1 + choices_.Below(2) : 0; i > 0; i--)
      waiters_.push_back({this, p});
  for (Waiter &w : waiters_)
    threads_.push_back(CreateThread(nullptr, 0, WaitInThread, &w, 0, nullptr));
}

Streams::~Streams() {
  for (auto &[token, w] : works_) w->cancelled = true;
  for (evpoll *p : pollers_) evpoll_shutdown(p);
  for (HANDLE t : threads_) {
    WaitForSingleObject(t, INFINITE);
    CloseHandle(t);
  }
  for (evpoll *p : pollers_) {
    const int32_t status = evpoll_close(p, EVPOLL_INFINITE);
    Must(status == 0, "close failed", status);
  }
  for (auto &e : ends_) {
    if (e->s != INVALID_SOCKET) closesocket(e->s);
    if (e->copy) CloseHandle(e->copy);
  }
}

// ---- connections --------------------------------------------------------------------------------

void Streams::Connect() {
  evpoll_handle a = -1, b = -1;
  if (ends_.size() >= 8 || evpoll_socket_pair(&a, &b) != 0) return;
  Trace("connection %lld %lld", static_cast<long long>(a), static_cast<long long>(b));
  for (evpoll_handle h : {a, b}) {
    ends_.push_back(std::make_unique<End>());
    ends_.back()->s = static_cast<SOCKET>(h);
  }
  End &first = *ends_[ends_.size() - 2], &second = *ends_.back();
  first.peer = &second;
  second.peer = &first;
}

void Streams::Serve(End &e, evpoll *p) {
  if (e.p || e.s == INVALID_SOCKET || e.lost) return;
  e.target = ++last_token_;
  const int32_t status =
      evpoll_add(p, static_cast<evpoll_handle>(e.s), e.target, 0, EVPOLL_OPERATIONS);
  Trace("serve %lld: %d", static_cast<long long>(e.s), status);
  Must(status >= 0 || nt_failed(), "add failed", status);
  if (status >= 0) e.p = p;
}

void Streams::Unserve(End &e) {
  if (!e.p) return;
  for (auto &[token, w] : works_) w->cancelled |= w->end == &e;
  int32_t status = EVPOLL_ERR_BUSY;
  for (int i = 0; i < 1000 && status == EVPOLL_ERR_BUSY; i++) {
    status = evpoll_remove(e.p, static_cast<evpoll_handle>(e.s), e.target);
    if (status == EVPOLL_ERR_BUSY) Sleep(1);
  }
  Trace("unserve %lld: %d", static_cast<long long>(e.s), status);
  Must(status == 0, "the registration does not end", status);
  e.p = nullptr;
}

void Streams::Close(End &e) {
  if (e.s == INVALID_SOCKET) return;
  const bool by_operation = e.p && !e.lost && choices_.Chance(1, 2);
  Trace("close %lld, by an operation %d", static_cast<long long>(e.s), by_operation);
  e.ended = e.peer->ended = true; // a reset ends both directions
  if (by_operation) {
    for (auto &[token, w] : works_) w->cancelled |= w->end == &e;
    evpoll *const p = e.p;
    e.p = nullptr;
    auto w = std::make_shared<Work>();
    w->end = &e;
    w->p = p;
    w->token = ++last_token_;
    w->code = EVPOLL_OP_CLOSE;
    works_[w->token] = w;
    evpoll_io io = {};
    io.handle = static_cast<evpoll_handle>(e.s);
    io.token = w->token;
    io.code = EVPOLL_OP_CLOSE;
    if (choices_.Chance(1, 2)) io.flags = EVPOLL_OPF_ABORT;
    const int32_t n = evpoll_submit(p, &io, 1);
    Trace("CLOSE: %d, status %d", n, io.status);
    Must(n == 1, "CLOSE was refused", io.status);
  } else {
    Unserve(e);
    if (!e.lost) closesocket(e.s);
  }
  e.s = INVALID_SOCKET;
  if (e.copy) CloseHandle(e.copy);
  e.copy = nullptr;
}

// Whatever waits hears of it, when the last number is gone. Nobody gets the number meanwhile.
void Streams::CloseWithoutAWord(End &e) {
  if (e.s == INVALID_SOCKET || e.lost || !e.p) return;
  if (!nt_is_layered() && choices_.Chance(1, 3))
    DuplicateHandle(GetCurrentProcess(), reinterpret_cast<HANDLE>(e.s), GetCurrentProcess(),
                    &e.copy, 0, FALSE, DUPLICATE_SAME_ACCESS);
  Trace("close %lld without a word, a copy %d", static_cast<long long>(e.s), e.copy != nullptr);
  e.lost = e.ended = e.peer->ended = true;
  if (choices_.Chance(1, 2))
    evpoll_socket_close(static_cast<evpoll_handle>(e.s));
  else
    closesocket(e.s);
  for (int i = 0; i < 2; i++) {
    if (e.copy) CloseHandle(e.copy);
    e.copy = nullptr;
    Settle();
  }
  Close(e);
}

// Another poller has the socket for a while, where nothing waits; else it is told BUSY.
void Streams::Watch(End &e) {
  if (e.s == INVALID_SOCKET || e.lost || pollers_.size() < 2) return;
  evpoll *const p = PickPoller();
  if (p == e.p) return;
  const uint64_t token = ++last_token_;
  watches_.insert(token);
  watched_ = true;
  const int32_t status =
      evpoll_add(p, static_cast<evpoll_handle>(e.s), token, 1 + choices_.Below(3), EVPOLL_ONESHOT);
  Trace("watch %lld: %d", static_cast<long long>(e.s), status);
  Must(status >= 0 || status == EVPOLL_ERR_BUSY || nt_failed(), "watch failed", status);
  if (status < 0 || choices_.Chance(1, 4)) return;
  if (!threaded_) Wait(p, 8, 0);
  evpoll_remove(p, static_cast<evpoll_handle>(e.s), token);
}

// ---- operations ---------------------------------------------------------------------------------

void Streams::Submit(End &e, uint32_t code) {
  if (!e.p) Serve(e, PickPoller());
  if (!e.p || (code == EVPOLL_OP_READ && e.reads.size() >= kMostReads)) return;
  if (code == EVPOLL_OP_WRITE && e.writing) return;
  auto w = std::make_shared<Work>();
  w->end = &e;
  w->p = e.p;
  w->token = ++last_token_;
  w->code = code;
  evpoll_io io = {};
  io.handle = static_cast<evpoll_handle>(e.s);
  io.token = w->token;
  io.code = code;
  if (choices_.Chance(1, 4)) w->flags |= EVPOLL_OPF_INLINE;
  if (choices_.Chance(1, 8)) w->flags |= EVPOLL_OPF_NOWAIT;
  if (code == EVPOLL_OP_POLL) {
    io.length = 1 + choices_.Below(3) + (choices_.Chance(1, 4) ? EVPOLL_READ_CLOSED : 0);
  } else {
    if (choices_.Chance(1, 3)) w->flags |= EVPOLL_OPF_ALL;
    io.length = 1 + choices_.Below(code == EVPOLL_OP_WRITE ? 6000 : 700);
    w->buffer.reset(new char[io.length]());
    io.buffer = EVPOLL_ADDR(w->buffer.get());
    for (uint64_t i = 0; code == EVPOLL_OP_WRITE && i < io.length; i++)
      w->buffer[i] = ByteAt(e.written + i);
  }
  io.flags = w->flags;
  w->length = io.length;
  if (code == EVPOLL_OP_READ) e.reads.push_back(w);
  if (code == EVPOLL_OP_WRITE) e.writing = true;
  works_[w->token] = w; // its event may overtake the return
  const int32_t n = evpoll_submit(e.p, &io, 1);
  Trace("submit, code %u flags %x on %lld, length %llu, token %llu: %d, op %llx status %d", code,
        io.flags, static_cast<long long>(io.handle), static_cast<unsigned long long>(io.length),
        static_cast<unsigned long long>(w->token), n, static_cast<unsigned long long>(io.op),
        io.status);
  if (nt_failed()) faulty_ = true;
  w->op = io.op;
  if (io.op) return;
  const bool refused = io.status == EVPOLL_ERR_WOULD_BLOCK && (io.flags & EVPOLL_OPF_NOWAIT);
  w->cancelled |= refused || faulty_;
  if (refused) io.offset = 0;
  Ended(w->token, refused ? EVPOLL_ERR_CANCELLED : io.status, io.offset);
}

void Streams::Cancel() {
  if (works_.empty()) return;
  auto at = works_.begin();
  std::advance(at, choices_.Below(static_cast<uint32_t>(works_.size())));
  const std::shared_ptr<Work> w = at->second; // it may end meanwhile
  End &e = *w->end;
  const bool whole = choices_.Chance(1, 4);
  if (!e.p || w->p != e.p || !w->op) return;
  for (auto &[token, other] : works_) other->cancelled |= whole && other->end == &e;
  w->cancelled = true;
  const int32_t status = whole ? evpoll_cancel_handle(e.p, static_cast<evpoll_handle>(e.s))
                               : evpoll_cancel(e.p, w->op);
  Trace("cancel %llu, all of its handle %d: %d", static_cast<unsigned long long>(w->token), whole,
        status);
  Must(status >= 0 || status == EVPOLL_ERR_NOT_FOUND, "cancel failed", status);
}

// Reads are looked at in the order of submission, whichever thread heard of them first.
void Streams::Moved(Work &w, int32_t status) {
  End &e = *w.end;
  if (w.code == EVPOLL_OP_WRITE) {
    e.written += static_cast<uint64_t>(w.moved);
    e.writing = false;
  }
  const bool all = (w.flags & EVPOLL_OPF_ALL) && !(w.flags & EVPOLL_OPF_NOWAIT);
  const bool ends = e.ended || e.peer->ended || watched_ || faulty_;
  Must(ends || !all || status || static_cast<uint64_t>(w.moved) == w.length, "ALL was less",
       static_cast<int>(w.moved));
  Must(ends || status || w.moved, "the end came before it was sent");
  while (!e.reads.empty() && e.reads.front()->over) {
    const Work &read = *e.reads.front();
    for (int64_t i = 0; i < read.moved; i++)
      Must(read.buffer[i] == ByteAt(e.got + static_cast<uint64_t>(i)), "a byte is not in its place",
           static_cast<int>(i));
    e.got += static_cast<uint64_t>(read.moved);
    e.reads.pop_front();
  }
}

void Streams::Ended(uint64_t token, int32_t status, int64_t result) {
  if (watches_.count(token)) return;
  const auto at = works_.find(token);
  Must(at != works_.end(), "an event of nothing, or a second one", status);
  const std::shared_ptr<Work> w = at->second;
  works_.erase(at);
  Trace("event %llu, status %d, result %lld", static_cast<unsigned long long>(token), status,
        static_cast<long long>(result));
  w->over = true;
  const bool gone = w->end->ended || w->end->peer->ended;
  const bool expected = status == 0 || (status == EVPOLL_ERR_CANCELLED && w->cancelled) ||
                        (status == EVPOLL_ERR_BUSY && watched_) ||
                        (status == EVPOLL_ERR_BAD_HANDLE && w->end->lost) ||
                        ((status == EVPOLL_ERR_RESET || status == EVPOLL_ERR_BROKEN_PIPE) && gone);
  Must(expected || faulty_, "an operation failed", status);
  Must(result >= 0, "a negative result", static_cast<int>(result));
  if (w->code == EVPOLL_OP_POLL)
    Must(status || result, "a poll told nothing");
  else if (w->code != EVPOLL_OP_CLOSE && (status == 0 || status == EVPOLL_ERR_CANCELLED))
    w->moved = result;
  if (w->code == EVPOLL_OP_READ || w->code == EVPOLL_OP_WRITE) Moved(*w, status);
}

// ---- waiting ------------------------------------------------------------------------------------

void Streams::Wait(evpoll *p, int32_t capacity, int64_t timeout_ns) {
  evpoll_event events[64];
  const int32_t n = evpoll_wait(p, events, capacity, timeout_ns);
  if (nt_failed()) faulty_ = true;
  Must(n >= 0 || faulty_, "a wait failed", n);
  for (int32_t i = 0; i < n; i++) Ended(events[i].token, events[i].status, events[i].result);
}

DWORD WINAPI Streams::WaitInThread(void *context) {
  const Waiter *w = static_cast<Waiter *>(context);
  for (;;) {
    evpoll_event events[4];
    const int32_t n = evpoll_wait(w->p, events, 4, EVPOLL_INFINITE);
    if (n == EVPOLL_ERR_SHUTDOWN) return 0;
    if (nt_failed()) w->self->faulty_ = true;
    for (int32_t i = 0; i < n; i++)
      w->self->Ended(events[i].token, events[i].status, events[i].result);
    if (n < 0) Sleep(1);
  }
}

// Everything arrives, and is waited for, until nothing more comes.
void Streams::Settle() {
  Trace("settle");
  nt_settle();
  size_t before;
  int quiet = 0;
  do {
    before = works_.size();
    if (threaded_) Sleep(2);
    for (evpoll *p : pollers_)
      for (int i = 0; i < 2 && !threaded_; i++) Wait(p, 64, kMillisecond);
    nt_settle();
    quiet = works_.size() == before ? quiet + 1 : 0;
  } while (quiet < 4);
  if (!faulty_) CheckNothingWaits();
}

void Streams::CheckNothingWaits() {
  for (const auto &[token, w] : works_) {
    const End &e = *w->end;
    if (w->code == EVPOLL_OP_CLOSE) nt_violation("a close waits");
    if (e.lost && !e.copy) nt_violation("an operation waits on a socket that is gone");
    if (w->p != e.p) nt_violation("what was removed waits");
    const uint32_t truth = nt_truth(e.s);
    const uint32_t reads = RECEIVE | DISCONNECT | ABORT, writes = SEND | ABORT;
    uint32_t bits = w->code == EVPOLL_OP_READ ? reads : w->code == EVPOLL_OP_WRITE ? writes : 0u;
    if (w->code == EVPOLL_OP_POLL) {
      if (w->length & EVPOLL_READABLE) bits |= reads;
      if (w->length & EVPOLL_WRITABLE) bits |= writes;
      if (w->length & EVPOLL_READ_CLOSED) bits |= DISCONNECT | ABORT;
    }
    if (truth & bits)
      nt_violation("operation %llu, code %u, waits for what is true: %x",
                   static_cast<unsigned long long>(token), w->code, truth & bits);
  }
}

// ---- the program --------------------------------------------------------------------------------

void Streams::Step() {
  if (ends_.empty()) return Connect();
  End &e = *ends_[choices_.Below(static_cast<uint32_t>(ends_.size()))];
  if (e.s == INVALID_SOCKET) return choices_.Chance(1, 4) ? Connect() : void();
  switch (choices_.Below(24)) {
  case 0: return Connect();
  case 1: return Unserve(e);
  case 2: return Cancel();
  case 3: return Watch(e);
  case 4: return choices_.Chance(1, 4) ? Close(e) : void();
  case 5: return choices_.Chance(1, 4) ? CloseWithoutAWord(e) : void();
  case 6:
    if (!choices_.Chance(1, 6)) return;
    e.ended = true;
    shutdown(e.s, SD_SEND);
    return;
  case 7:
  case 8: return Submit(e, EVPOLL_OP_POLL);
  case 9:
  case 10:
  case 11:
  case 12: return Submit(e, EVPOLL_OP_WRITE);
  case 13:
  case 14:
  case 15:
  case 16: return Submit(e, EVPOLL_OP_READ);
  case 17: return choices_.Chance(1, 4) ? Settle() : void();
  default:
    if (threaded_)
      Sleep(choices_.Below(2));
    else
      Wait(PickPoller(), choices_.Chance(1, 3) ? 1 : 64, choices_.Chance(1, 2) ? 0 : kMillisecond);
  }
}

void Streams::Run(int steps) {
  for (int i = 0; i < steps; i++) {
    if (nt_failed()) faulty_ = true;
    Step();
  }
  faulty_ |= nt_failed() != nullptr;
  nt_fail(nullptr, 0);
  Settle();
}

uint64_t Variable(const char *name, uint64_t otherwise) {
  const char *text = std::getenv(name);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

void Stuck(int) { nt_violation("the program does not end"); }

void RunOne(uint64_t seed, bool faults) {
  Choices choices(seed * 0x9e3779b97f4a7c15u);
  nt_options o = {};
  o.seed = seed;
  o.wine = choices.Chance(1, 4);
  o.lsp = choices.Chance(1, 8) ? NT_LSP_BASE : NT_LSP_NONE;
  o.layers = 1;
  alarm(20);
  nt_boot(&o);
  {
    Streams program(choices, choices.Chance(1, 4));
    if (choices.Chance(1, 8) && faults) nt_fail(nullptr, 1 + choices.Below(200));
    program.Run(20 + static_cast<int>(choices.Below(150)));
  }
  nt_halt();
}

void TellSeed() {
  std::fprintf(stderr, "EVPOLL_SIM_SEED=%llu\n", static_cast<unsigned long long>(nt_seed()));
}

} // namespace

extern "C" void __sanitizer_set_death_callback(void (*)()) __attribute__((weak));

int main() {
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(TellSeed);
  std::signal(SIGALRM, Stuck);
  RunOne(1, false); // what the library does once in a process is done
  const uint64_t seed = Variable("EVPOLL_SIM_SEED", 0);
  const uint64_t first = seed ? seed : Variable("EVPOLL_SIM_FIRST", 1);
  const uint64_t n = seed ? 1 : Variable("EVPOLL_SIM_SCHEDULES", 10000);
  for (uint64_t i = 0; i < n; i++) RunOne(first + i, true);
  std::printf("%llu schedules of streams\n", static_cast<unsigned long long>(n));
}
