// SPDX-License-Identifier: MIT
#include "model.h"

#include "program.h"

#include "sim.h"

#include <algorithm>
#include <utility>

namespace {

enum {
  RECEIVE = 1,
  EXPEDITED = 2,
  SEND = 4,
  DISCONNECT = 8,
  ABORT = 0x10,
  ACCEPT = 0x80,
  FAIL = 0x100
};

constexpr uint32_t kKnown =
    EVPOLL_READABLE | EVPOLL_WRITABLE | EVPOLL_PRIORITY | EVPOLL_READ_CLOSED;

// What the contract calls true, by what AFD says of the socket.
uint32_t BitsOf(uint32_t afd) {
  uint32_t bits = 0;
  if (afd & (RECEIVE | DISCONNECT | ABORT | ACCEPT | FAIL)) bits |= EVPOLL_READABLE;
  if (afd & (SEND | ABORT | FAIL)) bits |= EVPOLL_WRITABLE;
  if (afd & EXPEDITED) bits |= EVPOLL_PRIORITY;
  if (afd & DISCONNECT) bits |= EVPOLL_READ_CLOSED;
  return bits;
}

uint32_t TrueBits(evpoll_handle h) { return BitsOf(nt_truth(static_cast<uintptr_t>(h))); }
uint32_t EverTrueBits(evpoll_handle h) { return BitsOf(nt_ever(static_cast<uintptr_t>(h))); }

uint32_t AllowedBits(uint32_t interest) {
  if (!interest) return 0;
  return interest | EVPOLL_ERROR | EVPOLL_WRITE_CLOSED |
         (interest & EVPOLL_READABLE ? EVPOLL_READ_CLOSED : 0);
}

unsigned long long Wide(uint64_t x) { return x; }

} // namespace

// ---- registrations ------------------------------------------------------------------------------

void Model::Replaced(evpoll *p, evpoll_handle h) {
  for (auto &[token, r] : registrations)
    if (r.poller == p && r.handle == h && !r.ended_at) r.ended_at = step;
}

void Model::Added(uint64_t token, evpoll *p, evpoll_handle h, uint32_t interest, uint32_t mode) {
  Replaced(p, h); // or closed and used again
  Registration &r = registrations[token];
  r = {};
  r.poller = p;
  r.handle = h;
  r.interest = r.armed = interest;
  r.mode = mode;
  r.open = true;
}

void Model::NotAdded(uint64_t token) {
  const Registration &failed = registrations.at(token);
  for (auto &[other, r] : registrations)
    if (r.poller == failed.poller && r.handle == failed.handle && r.ended_at == step)
      r.ended_at = 0;
  registrations.erase(token);
}

void Model::Modified(uint64_t token, uint32_t interest, uint32_t mode) {
  Registration &r = registrations.at(token);
  r.past.emplace_back(step, r.interest);
  r.changes += 3; // no more waiters are there
  r.doubt = false;
  r.interest = r.armed = interest;
  r.mode = mode;
}

void Model::Rearmed(uint64_t token, uint32_t bits) {
  Registration &r = registrations.at(token);
  if (r.doubt) r.armed = 0; // what came while it changed may have been it
  r.changes += 3;           // no more waiters are there
  r.doubt = false;
  if (r.mode == EVPOLL_ONESHOT) r.armed = bits;
  if (r.mode == EVPOLL_EDGE) r.armed |= bits & blocked_[r.handle];
}

void Model::Unchanged(uint64_t token, Registration before) {
  Registration &r = registrations.at(token);
  if (r.doubt) before.armed = 0; // what came meanwhile may have been it
  before.past = std::move(r.past);
  before.past.emplace_back(step, r.interest);
  before.changes += 3;
  before.came |= r.came;
  r = std::move(before);
}

void Model::Ended(uint64_t token) { registrations.at(token).ended_at = step; }

void Model::Closed(evpoll_handle h) {
  for (auto &[token, r] : registrations)
    if (r.handle == h) r.open = false;
  blocked_.erase(h);
}

void Model::Readiness(evpoll *p, const evpoll_event &e, uint64_t began) {
  const auto found = registrations.find(e.token);
  if (found == registrations.end())
    nt_violation("an event of token %llu, which never was", Wide(e.token));
  Registration &r = found->second;
  if (r.poller != p) nt_violation("an event of token %llu, of another poller", Wide(e.token));
  if (r.lost && !many_waiters)
    nt_violation("an event of token %llu, whose socket another poller has", Wide(e.token));
  if (r.ended_at && r.ended_at < began)
    nt_violation("an event of token %llu, which ended before the wait began", Wide(e.token));
  uint32_t allowed = AllowedBits(r.interest);
  for (const auto &[changed_at, interest] : r.past)
    if (many_waiters && began <= changed_at) allowed |= AllowedBits(interest);
  if (e.events & ~allowed && !r.ended_at)
    nt_violation("token %llu: bits %x came, with interest %x", Wide(e.token), e.events, r.interest);
  // Of another socket, that had the number before or has it now?
  const bool its_own = r.open && !r.ended_at && !r.shared && !many_waiters;
  if (its_own && e.events & kKnown & ~EverTrueBits(r.handle))
    nt_violation("token %llu: bits %x came, which never were true of the socket", Wide(e.token),
                 e.events);
  if (r.changing) { // of before or after the change: nobody can tell
    r.doubt = true;
    return;
  }
  if (r.mode == EVPOLL_ONESHOT) {
    const bool late = !r.armed && r.changes > 0 && many_waiters; // taken before the change
    r.changes -= late;
    if (!r.armed && !r.ended_at && !late)
      nt_violation("token %llu: ONESHOT reported twice", Wide(e.token));
    r.armed = 0;
  }
  if (r.mode == EVPOLL_EDGE) r.armed &= ~e.events;
  r.came |= e.events;
  blocked_[r.handle] &= ~e.events;
}

// ---- operations, posts, wakes -------------------------------------------------------------------

void Model::Submitted(uint64_t token, Operation op) { operations_[token] = std::move(op); }

void Model::Started(uint64_t token, uint64_t op) {
  const auto found = operations_.find(token);
  if (found != operations_.end()) found->second.op = op;
}

void Model::Cancelled(uint64_t op) {
  for (auto &[token, o] : operations_)
    if (o.op == op) o.cancelled = true;
}

void Model::CancelledAll() {
  for (auto &[token, o] : operations_) o.cancelled = true;
}

void Model::EndedTarget(uint64_t target) {
  for (auto &[token, o] : operations_)
    if (o.target == target) o.cancelled = true;
}

bool Model::Has(uint64_t target) const {
  for (const auto &[token, o] : operations_)
    if (o.target == target) return true;
  return false;
}

// It is the last that has to do with the handle.
void Model::CloseCompletion(uint64_t token, const evpoll_event &e) {
  const uint64_t target = operations_.at(token).target;
  if (e.status != 0)
    nt_violation("CLOSE failed: %d, code %lld", e.status, static_cast<long long>(e.result));
  operations_.erase(token);
  if (!many_waiters && Has(target)) nt_violation("CLOSE came before another operation's event");
}

void Model::Completion(evpoll *p, const evpoll_event &e) {
  const auto found = operations_.find(e.token);
  if (found == operations_.end())
    nt_violation("a completion of token %llu, which has none", Wide(e.token));
  const Operation &o = found->second;
  if (o.poller != p) nt_violation("a completion of another poller's operation");
  if (o.op && o.op != e.op) nt_violation("a completion of another operation");
  if (o.is_list != !!(e.events & EVPOLL_IO_LIST)) nt_violation("a completion of another kind");
  if (o.code == EVPOLL_OP_CLOSE) return CloseCompletion(e.token, e);
  if (e.status == EVPOLL_ERR_CANCELLED && !o.cancelled) nt_violation("cancelled unasked");
  if (e.status < 0 && !o.cancelled && !faulty)
    nt_violation("an operation failed: %d, code %lld", e.status, static_cast<long long>(e.result));
  if (o.is_list) {
    std::vector<evpoll_result> results(static_cast<size_t>(o.entries));
    if (evpoll_list_take(p, e.op, results.data(), o.entries) != o.entries)
      nt_violation("a list was not to be taken");
  } else if (o.code == EVPOLL_OP_READ && e.status == 0 && o.which >= 0) {
    for (int64_t i = 0; i < e.result; i++)
      if (o.buffer[static_cast<size_t>(i)] != PatternAt(o.which, o.offset + i))
        nt_violation("a read found other bytes");
  }
  operations_.erase(found); // the buffer is ours again, and goes: who writes it now is seen
}

void Model::Post(const evpoll_event &e) {
  const auto found = std::find(posts_.begin(), posts_.end(), e.token);
  if (found == posts_.end()) nt_violation("a post came that was not sent, or twice");
  if (found != posts_.begin() && !many_waiters) nt_violation("a post came out of turn");
  posts_.erase(found);
}

void Model::Event(evpoll *p, const evpoll_event &e, uint64_t began) {
  Trace("  event: token %llu, events %x, status %d", Wide(e.token), e.events, e.status);
  if (e.events & (EVPOLL_IO | EVPOLL_IO_LIST)) return Completion(p, e);
  if (e.events & EVPOLL_POST) return Post(e);
  if (!(e.events & EVPOLL_WAKE)) return Readiness(p, e, began);
  if (wakes_-- == 0) nt_violation("more wakes came than were asked for");
  wake_owed_ = false;
}

// ---- what is owed -------------------------------------------------------------------------------

uint32_t Model::Owed(const Registration &r) const {
  if (r.ended_at || !r.open || r.lost || r.shared) return 0;
  if (r.doubt && r.mode != EVPOLL_LEVEL) return 0;
  const uint32_t now = TrueBits(r.handle);
  switch (r.mode) {
  case EVPOLL_LEVEL: return now & r.interest & ~r.came;
  default: return now & r.armed; // what came is not armed
  }
}

void Model::Forget() {
  for (auto &[token, r] : registrations) r.came = 0;
}

bool Model::Owes() const {
  if (!operations_.empty() || !posts_.empty() || wake_owed_) return true;
  for (const auto &[token, r] : registrations)
    if (Owed(r)) return true;
  return false;
}

void Model::CheckNothingOwed() const {
  if (faulty) return;
  if (!posts_.empty()) nt_violation("a post was lost");
  if (wake_owed_) nt_violation("a wake was lost");
  if (!operations_.empty()) nt_violation("an operation never completed");
  for (const auto &[token, r] : registrations)
    if (const uint32_t bits = Owed(r))
      nt_violation("token %llu (handle %lld, mode %u, interest %x): bits %x were lost", Wide(token),
                   static_cast<long long>(r.handle), r.mode, r.interest, bits);
}

const Registration *Model::ToldUntrue() const {
  for (const auto &[token, r] : registrations) {
    if (faulty || r.ended_at || r.shared || !r.came) continue;
    if (!r.open || r.lost) return &r;
    if (r.mode == EVPOLL_LEVEL && r.came & kKnown & ~TrueBits(r.handle)) return &r;
  }
  return nullptr;
}
