// SPDX-License-Identifier: MIT
// Events, and what they may say.
#include "program.h"

#include <algorithm>
#include <cstring>

namespace calls {

bool IsStatus(int32_t status) { return status <= 0 && status >= EVPOLL_ERR_OS; }

size_t Program::InFlight() const {
  size_t n = ops_.size();
  for (const auto &[id, list] : lists_) n += list.told ? 0 : list.ops.size();
  return n;
}

void Program::CheckStatus(const OpPtr &op, int32_t status) {
  const int64_t now = evpoll_now();
  switch (status) {
  case EVPOLL_OK:
    MUST(op->io.code != EVPOLL_OP_TIMER || now >= op->due || op->due == INT64_MIN,
         "a timer is %lld ns early", static_cast<long long>(op->due - now));
    return;
  case EVPOLL_ERR_CANCELLED:
    MUST(op->asked || (op->slot && op->slot->connects), "code %u, token %llu cancelled unasked",
         op->io.code, static_cast<unsigned long long>(op->io.token));
    counts.cancelled++;
    return;
  case EVPOLL_ERR_EXPIRED:
    MUST(op->due != INT64_MAX && now >= op->due, "expired %lld ns early",
         static_cast<long long>(op->due - now));
    counts.expired++;
    return;
  case EVPOLL_ERR_NOT_FOUND:
  case EVPOLL_ERR_STALE:
  case EVPOLL_ERR_WOULD_BLOCK:
  case EVPOLL_ERR_SHUTDOWN:
  case EVPOLL_ERR_VERSION:
  case EVPOLL_ERR_FORKED:
  case EVPOLL_ERR_PARTIAL:
  case EVPOLL_ERR_EXISTS: MUST(false, "an operation ended with %s", evpoll_strerror(status));
  }
  const bool dirty =
      !op->slot || op->slot->dirty || op->source || op->slot->kind == kListener ||
      (op->slot->kind == kAppend && status == EVPOLL_ERR_FAULT); // another's, of its batch
  MUST(IsStatus(status), "an operation ended with %d", status);
  MUST(op->wild || dirty || IsMissing(op) || native_ || op->io.code == EVPOLL_OP_CONNECT,
       "code %u flags 0x%x on kind %d ended with %s", op->io.code, op->io.flags, op->slot->kind,
       evpoll_strerror(status));
}

// Bytes, of which as many were moved, whatever the status.
void Program::FinishMoved(const OpPtr &op, int32_t status, int64_t moved) {
  const evpoll_io &io = op->io;
  const SlotPtr &s = op->slot;
  const size_t n = static_cast<size_t>(moved);
  counts.bytes += n;
  const bool whole =
      (io.flags & EVPOLL_OPF_ALL) && !(io.flags & EVPOLL_OPF_NOWAIT) && status == 0 && !op->wild;
  if (op->write) {
    op->write->n = n;
    op->write->known = true;
    if (op->write->any) op->write->bytes.resize(n);
    MUST(n <= op->write->bytes.size(), "%zu bytes of %zu were written", n, op->write->bytes.size());
    MUST(!whole || n == op->room || s->dirty || op->crowded || IsMissing(op),
         "ALL: %zu bytes of %zu", n, op->room);
    s->out->Compare();
  }
  if (op->read) {
    op->read->known = true;
    op->read->n = op->peeks ? 0 : n;
    if (op->read->any)
      op->read->bytes.resize(op->read->n);
    else
      op->read->bytes.assign(op->buffer.begin(), op->buffer.begin() + moved);
    MUST(op->wild || status || n || s->dirty || s->in->ended || IsMissing(op),
         "the end of a stream");
    MUST(!whole || n == op->room || s->dirty || s->in->ended || op->crowded || IsMissing(op),
         "ALL: %zu bytes of %zu", n, op->room);
    s->in->Compare();
  }
  const bool reads =
      io.code == EVPOLL_OP_READ || io.code == EVPOLL_OP_READV || io.code == EVPOLL_OP_RECV_MESSAGE;
  // A file may be read twice, and be shorter then.
  for (size_t i = n; reads && op->read && !op->wild && status == 0 && i < op->buffer.size(); i++)
    MUST(op->buffer[i] == static_cast<char>(0xee),
         "code %u flags 0x%x on kind %d: byte %zu behind the last of %zu", io.code, io.flags,
         s ? s->kind : 0, i, n);
}

void Program::Finish(const OpPtr &op, int32_t status, int64_t result) {
  counts.events++;
  SAY("  end of code %u token %llu: status %d result %lld", op->io.code,
      static_cast<unsigned long long>(op->io.token), status, static_cast<long long>(result));
  CheckStatus(op, status);
  const bool moved = status == 0 || status == EVPOLL_ERR_CANCELLED || status == EVPOLL_ERR_EXPIRED;
  switch (op->io.code) {
  case EVPOLL_OP_READ:
  case EVPOLL_OP_WRITE:
  case EVPOLL_OP_READV:
  case EVPOLL_OP_WRITEV:
  case EVPOLL_OP_RECV_MESSAGE:
  case EVPOLL_OP_SEND_MESSAGE:
  case EVPOLL_OP_SEND_FILE:
    MUST(!moved || (result >= 0 && (op->wild || result <= static_cast<int64_t>(op->room))),
         "%lld bytes of %zu", static_cast<long long>(result), op->room);
    FinishMoved(op, status, moved ? result : 0);
    break;
  case EVPOLL_OP_POLL:
    MUST(status || (result && !(result & ~0x3f)), "POLL: 0x%llx", static_cast<long long>(result));
    break;
  case EVPOLL_OP_ACCEPT:
    if (status == 0) Accepted(result);
    break;
  case EVPOLL_OP_SIZE:
  case EVPOLL_OP_APPEND: MUST(status || result >= 0, "a place below 0"); break;
  case EVPOLL_OP_SHUTDOWN:
    if (status == 0 && op->slot && op->slot->out && (op->io.length & EVPOLL_SHUTDOWN_WRITE))
      op->slot->out->shut = true;
    [[fallthrough]];
  default: MUST(status || result == 0, "result %lld", static_cast<long long>(result));
  }
  if (op->source && op->registration) op->source->sent_from--;
  if (op->buffer.empty()) return;
  std::fill(op->buffer.begin(), op->buffer.end(), static_cast<char>(0xee));
  old_buffers_.push_back(std::move(op->buffer));
}

void Program::Closed(const OpPtr &op, int32_t status) {
  const SlotPtr &s = op->slot;
  SAY("  closed %lld: %d", static_cast<long long>(s->h), status);
  MUST(status == 0 || op->strange, "CLOSE ended with %s", evpoll_strerror(status));
  MUST(op->registration->in_flight == 0, "CLOSE's event is not the last: %d",
       op->registration->in_flight);
  MUST(s->holds == 0, "closed while it is held");
  s->kind = kNothing;
  s->mode = Slot::kFree;
}

void Program::TakeList(const evpoll_event &e) {
  const auto it = lists_.find(e.op);
  MUST(it != lists_.end() && it->second.token == e.token && !it->second.told, "an unknown list");
  List &list = it->second;
  list.told = true;
  std::vector<evpoll_result> results(list.ops.size() + 1);
  const int32_t n = static_cast<int32_t>(list.ops.size());
  MUST(evpoll_list_take(p_, e.op, results.data(), n - 1) == EVPOLL_ERR_INVALID, "a small array");
  MUST(evpoll_list_take(p_, e.op, results.data(), n) == n, "list_take");
  MUST(evpoll_list_take(p_, e.op, results.data(), n) == EVPOLL_ERR_NOT_FOUND, "taken twice");
  int64_t good = 0;
  const List taken = list;
  lists_.erase(it);
  for (size_t i = 0; i < taken.ops.size(); i++) {
    const OpPtr &op = taken.ops[i];
    if (op->registration) op->registration->listed--;
    good += results[i].status == 0;
    Finish(op, results[i].status, results[i].result);
  }
  MUST(good == e.result && e.status == (good == n ? 0 : EVPOLL_ERR_PARTIAL), "a list's result");
}

void Program::TakeReadiness(const evpoll_event &e) {
  for (const SlotPtr &s : slots_) {
    if (s->mode != Slot::kReadiness || s->token != e.token) continue;
    const uint32_t comes = EVPOLL_WRITE_CLOSED | EVPOLL_ERROR | EVPOLL_READ_CLOSED;
    MUST(e.events && !(e.events & ~(s->interest | comes)) && s->interest, "events 0x%x for 0x%x",
         e.events, s->interest);
    return;
  }
  MUST(false, "readiness 0x%x of token %llu", e.events, static_cast<unsigned long long>(e.token));
}

void Program::Take(const evpoll_event &e) {
  if (e.events == EVPOLL_WAKE) {
    MUST(woken_ && e.token == 42, "a wake that nobody made");
    woken_ = false;
  } else if (e.events == EVPOLL_POST) {
    MUST(!posts_.empty() && posts_.front().first == e.token && posts_.front().second == e.result,
         "posts");
    posts_.pop_front();
  } else if (e.events == EVPOLL_IO_LIST) {
    TakeList(e);
  } else if (e.events == EVPOLL_IO) {
    const auto it = ops_.find(e.op);
    if (it == ops_.end() && deciding_) {
      early_.push_back(e);
      return;
    }
    MUST(it != ops_.end(), "an event of operation %llx, token %llu, which is not in flight",
         static_cast<unsigned long long>(e.op), static_cast<unsigned long long>(e.token));
    const OpPtr op = it->second;
    MUST(op->io.token == e.token, "another token");
    ops_.erase(it);
    if (op->io.code == EVPOLL_OP_CLOSE) return Closed(op, e.status);
    if (op->registration) op->registration->in_flight--;
    Finish(op, e.status, e.result);
  } else {
    TakeReadiness(e);
  }
}

void Program::TakeAll(const std::vector<evpoll_event> &events, int32_t n, int32_t capacity) {
  MUST(n <= capacity, "%d events for %d", n, capacity);
  MUST(n >= 0 || strange_ || (shut_ && n == EVPOLL_ERR_SHUTDOWN), "wait: %d", n);
  MUST(n != EVPOLL_ERR_SHUTDOWN || InFlight() == 0 || deciding_, "SHUTDOWN with %zu in flight",
       InFlight());
  for (int32_t i = 0; i < n; i++) Take(events[static_cast<size_t>(i)]);
}

int32_t Program::Wait(int64_t timeout_ns) {
  const int32_t capacity = c_.OneIn(2) ? 1 + c_.Below(3) : 64;
  std::vector<evpoll_event> events(static_cast<size_t>(capacity));
  const int32_t n = evpoll_wait(p_, events.data(), capacity, timeout_ns);
  SAY("wait: %d", n);
  TakeAll(events, n, capacity);
  return n;
}

} // namespace calls
