// SPDX-License-Identifier: MIT
// Handles: made, registered, used directly, removed and closed.
#include "program.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace calls {

char SourceByte(size_t place) { return static_cast<char>(place * 31 + (place >> 8)); }

const char *Path(Kind kind) {
  static std::string names[3];
  std::string &name = names[kind == kAppend ? 0 : kind == kSource ? 1 : 2];
  if (name.empty())
    name = "evpoll-calls-" + std::to_string(getpid()) +
           (kind == kAppend   ? "-append"
            : kind == kSource ? "-source"
                              : "-file");
  return name.c_str();
}

evpoll_handle Program::WrongNumber() {
  static const evpoll_handle numbers[] = {-1,        -2,        INT64_MIN,       INT64_MAX, 1 << 30,
                                          1ll << 31, 1ll << 32, (1ll << 32) + 3, 900000,    -5};
  return numbers[c_.Below(10)];
}

const SlotPtr &Program::Put(Kind kind, evpoll_handle h) {
  size_t at = 0;
  while (at < kSlots && slots_[at]->kind != kNothing) at++;
  MUST(at < kSlots, "no free slot");
  auto s = std::make_shared<Slot>();
  s->kind = kind;
  s->h = h;
  SAY("  slot %zu: kind %d, handle %lld", at, kind, static_cast<long long>(h));
  return slots_[at] = s;
}

void Program::MakePair() {
  evpoll_handle a, b;
  const int32_t status = evpoll_socket_pair(&a, &b);
  if (strange_ && status < 0) return;
  MUST(status == 0, "socket_pair: %s", evpoll_strerror(status));
  const SlotPtr x = Put(kUnix, a), y = Put(kUnix, b);
  x->out = y->in = std::make_shared<Channel>();
  x->in = y->out = std::make_shared<Channel>();
  channels_.push_back({x->out, {x, y}});
  channels_.push_back({x->in, {y, x}});
}

// The listener's number is not known where it was given to CLOSE.
void Program::MakeConnection() {
  SlotPtr listener;
  for (const SlotPtr &s : slots_)
    if (s->kind == kListener && s->mode != Slot::kClosing) listener = s;
  if (!listener) {
    evpoll_handle h;
    const int32_t status = evpoll_socket_tcp_listen("127.0.0.1", 0, 16, &h);
    if (strange_ && status < 0) return;
    MUST(status == 0, "listen: %s", evpoll_strerror(status));
    const int one = 1; // so that a crowd of old connections takes no port
    setsockopt(static_cast<int>(h), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    listener = Put(kListener, h);
  }
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = 0;
  if (clients_.size() > 8) return; // more than the backlog would have to wait
  MUST(evpoll_socket_local_address(listener->h, host, sizeof host, &port) == 0, "local address");
  evpoll_handle h;
  const int32_t status = evpoll_socket_tcp_connect("127.0.0.1", port, &h);
  if (status < 0) return;
  if (evpoll_socket_local_address(h, host, sizeof host, &port) < 0) {
    evpoll_socket_close(h);
    return;
  }
  const SlotPtr s = Put(kTcp, h);
  s->port = port;
  s->out = std::make_shared<Channel>();
  s->in = std::make_shared<Channel>();
  clients_[port] = s;
}

void Program::Accepted(evpoll_handle h) {
  counts.accepts++;
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = 0;
  const int32_t status = evpoll_socket_peer_address(h, host, sizeof host, &port);
  const auto it = status == 0 ? clients_.find(port) : clients_.end();
  SlotPtr client;
  if (it != clients_.end()) client = it->second;
  if (client) clients_.erase(it);
  size_t room = 0;
  for (const SlotPtr &s : slots_) room += s->kind == kNothing;
  if (!room || !client) {
    if (client) Spoil(client);
    evpoll_socket_close(h);
    return;
  }
  const SlotPtr s = Put(kTcp, h);
  s->in = client->out;
  s->out = client->in;
  s->dirty = client->dirty;
  channels_.push_back({s->out, {s, client}});
  channels_.push_back({s->in, {client, s}});
}

void Program::MakePipe() {
  int fds[2];
  if (pipe(fds) != 0) return;
  for (int i = 0; i < 2; i++) {
    fcntl(fds[i], F_SETFL, O_NONBLOCK);
    fcntl(fds[i], F_SETFD, FD_CLOEXEC);
  }
  const SlotPtr in = Put(kPipeIn, fds[0]), out = Put(kPipeOut, fds[1]);
  in->in = out->out = std::make_shared<Channel>();
  channels_.push_back({in->in, {out, in}});
}

void Program::MakeFile(Kind kind) {
  evpoll_handle h;
  uint32_t flags = EVPOLL_FILE_READ | EVPOLL_FILE_WRITE | EVPOLL_FILE_CREATE;
  if (kind == kAppend) flags |= EVPOLL_FILE_APPEND;
  if (kind == kSource) flags = EVPOLL_FILE_READ;
  const int32_t status = evpoll_file_open(Path(kind), flags, 0, &h);
  if (status == 0) {
    Put(kind, h);
    return;
  }
  MUST(strange_ || (kind == kAppend && status == EVPOLL_ERR_BUSY), "file_open of kind %d: %s", kind,
       evpoll_strerror(status));
}

void Program::Make() {
  MakeOne();
  for (const SlotPtr &s : std::vector<SlotPtr>(slots_, slots_ + kSlots))
    if (s->kind != kNothing && s->mode == Slot::kFree && !c_.OneIn(6)) Serve(s);
}

void Program::MakeOne() {
  size_t room = 0;
  for (const SlotPtr &s : slots_) room += s->kind == kNothing;
  if (room < 3) return CloseSlot(Any());
  switch (c_.Below(9)) {
  case 0: return MakePair();
  case 1:
  case 2: return MakeConnection();
  case 3: return MakePipe();
  case 4: return MakeFile(kFile);
  case 5: return MakeFile(kAppend);
  case 6: return MakeFile(kSource);
  case 7: {
    evpoll_handle h;
    if (evpoll_socket_udp_bind("127.0.0.1", 0, &h) == 0) Put(kUdp, h);
    return;
  }
  default: {
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd >= 0) Put(kDevice, fd);
  }
  }
}

// Whoever has the other end may see errors now, and what was on the way may be lost.
void Program::Spoil(const SlotPtr &s) {
  s->dirty = true;
  if (s->kind == kListener) { // whom nobody accepted
    const auto clients = std::move(clients_);
    clients_.clear();
    for (const auto &[port, client] : clients) Spoil(client);
  }
  for (const ChannelPtr &c : {s->in, s->out})
    if (c) c->ended = c->lossy = true;
  for (auto &[channel, ends] : channels_)
    if (channel == s->in || channel == s->out) ends.first->dirty = ends.second->dirty = true;
}

void Program::CloseNumber(const SlotPtr &s) {
  Spoil(s);
  const bool file = s->kind == kFile || s->kind == kAppend || s->kind == kSource;
  if (s->kind == kTcp) { // no TIME_WAIT: there are many
    const struct linger now = {1, 0};
    setsockopt(static_cast<int>(s->h), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  const int32_t status = file                                       ? evpoll_file_close(s->h)
                         : s->kind >= kPipeIn && s->kind != kSource ? close(static_cast<int>(s->h))
                                                                    : evpoll_socket_close(s->h);
  MUST(status == 0, "close of %lld: %s", static_cast<long long>(s->h), evpoll_strerror(status));
  s->kind = kNothing;
  s->mode = Slot::kFree;
}

void Program::AskToEnd(const std::shared_ptr<Registration> &r) {
  for (const OpPtr &op : submitting_) op->asked |= !r;
  for (auto &[id, op] : ops_) op->asked |= !r || op->registration == r || op->source == r;
  for (auto &[id, list] : lists_)
    for (const OpPtr &op : list.ops) op->asked |= !r || op->registration == r || op->source == r;
}

// True: nobody names its number any more.
bool Program::End(const SlotPtr &s) {
  if (s->mode == Slot::kClosing) return false;
  if (s->mode == Slot::kFree) return true;
  AskToEnd(s->registration);
  const bool ready = s->mode == Slot::kReadiness;
  const bool used = !ready && (s->registration->IsUsed() || s->holds);
  const int32_t status = evpoll_remove(p_, s->h, s->token);
  SAY("remove %lld: %d", static_cast<long long>(s->h), status);
  if (status == EVPOLL_ERR_BUSY) {
    MUST(used, "BUSY for nothing");
    s->mode = Slot::kEnded;
    return false;
  }
  MUST(status == 0, "remove: %s", evpoll_strerror(status));
  MUST(s->holds == 0, "removed while it is held");
  s->mode = Slot::kFree;
  return true;
}

void Program::Remove() {
  const SlotPtr s = Any();
  if (s->kind == kNothing) return;
  if (c_.OneIn(4)) {
    const int32_t status = evpoll_remove(p_, s->h, s->token + 1);
    MUST(status == EVPOLL_ERR_STALE || status == EVPOLL_ERR_NOT_FOUND,
         "remove by another token: %s", evpoll_strerror(status));
    return;
  }
  End(s);
}

void Program::CloseSlot(const SlotPtr &s) {
  if (s->kind != kNothing && End(s)) CloseNumber(s);
}

// For operations: what was registered ends as by remove.
void Program::Serve(const SlotPtr &s) {
  const uint64_t token = ++tokens_;
  const bool was = s->mode != Slot::kFree;
  if (s->mode == Slot::kServed || s->mode == Slot::kEnded) AskToEnd(s->registration);
  const int32_t status = evpoll_add(p_, s->h, token, 0, EVPOLL_OPERATIONS);
  SAY("add %lld for operations: %d", static_cast<long long>(s->h), status);
  if (status >= 0) {
    MUST(status == was || s->mode == Slot::kEnded, "add says %d", status);
    MUST(!shut_ && !s->holds, "add went through");
    s->mode = Slot::kServed;
    s->token = token;
    s->registration = std::make_shared<Registration>();
    return;
  }
  const bool used = s->registration && s->registration->IsUsed();
  const bool may = (status == EVPOLL_ERR_SHUTDOWN && shut_) || strange_ ||
                   (status == EVPOLL_ERR_BUSY && was && (used || s->holds)) ||
                   (native_ && status == EVPOLL_ERR_UNSUPPORTED);
  MUST(may, "add for operations: %s", evpoll_strerror(status));
  if (status == EVPOLL_ERR_BUSY && s->mode == Slot::kServed) s->mode = Slot::kEnded;
  if (!strange_ || shut_) return;
  // It may have ended, or not.
  if (s->mode == Slot::kServed || s->mode == Slot::kReadiness) {
    const int32_t left = evpoll_remove(p_, s->h, s->token);
    if (left == EVPOLL_ERR_BUSY)
      s->mode = Slot::kEnded;
    else
      s->mode = Slot::kFree;
  }
}

void Program::Add() {
  const SlotPtr s = Any();
  if (s->kind == kNothing || s->mode == Slot::kClosing) return;
  if (c_.Below(5)) return Serve(s);
  const bool file = s->kind == kFile || s->kind == kAppend || s->kind == kSource;
  if (s->mode == Slot::kServed || s->mode == Slot::kEnded) {
    if (!End(s)) return;
  }
  const bool was = s->mode == Slot::kReadiness;
  const uint64_t token = ++tokens_;
  const uint32_t interest = c_.Below(16) & (EVPOLL_READABLE | EVPOLL_WRITABLE | EVPOLL_READ_CLOSED);
  const int32_t status = evpoll_add(p_, s->h, token, interest, c_.Below(3));
  if (status >= 0) {
    MUST(status == was && !file, "add for readiness says %d", status);
    s->mode = Slot::kReadiness;
    s->token = token;
    s->interest = interest;
    return;
  }
  const bool may = strange_ || (shut_ && status == EVPOLL_ERR_SHUTDOWN) ||
                   ((file || s->kind == kDevice) && status == EVPOLL_ERR_UNSUPPORTED);
  MUST(may, "add for readiness: %s", evpoll_strerror(status));
}

// Modify, rearm and update, of what is registered and of what is not.
void Program::Update() {
  const SlotPtr s = Any();
  const bool ready = s->mode == Slot::kReadiness;
  const uint32_t bits = c_.Below(16), mode = c_.Below(5);
  const int32_t status = evpoll_modify(p_, s->h, s->token, bits, mode);
  MUST(status <= 0 && IsStatus(status), "modify: %d", status);
  MUST(status < 0 || (ready && mode < EVPOLL_OPERATIONS), "modify went through");
  if (status == 0) s->interest = bits;
  const int32_t again = evpoll_rearm(p_, s->h, s->token, c_.Below(16));
  MUST(again <= 0 && IsStatus(again) && (again < 0 || ready), "rearm: %d", again);
  // None of these is what the model has registered.
  evpoll_change changes[3] = {};
  for (evpoll_change &change : changes) {
    change.handle = WrongNumber();
    change.token = c_.Byte();
    change.action = c_.Below(7);
    change.interest = c_.Byte();
    change.mode = c_.Below(6);
  }
  MUST(evpoll_update(p_, changes, 3) == 0, "an update of what does not exist");
  for (const evpoll_change &change : changes)
    MUST(change.status < 0 && IsStatus(change.status), "update: %d", change.status);
}

// Past the poller, where the order with what it has queued is clear.
void Program::UseDirectly() {
  const SlotPtr s = Any();
  if (s->kind != kTcp && s->kind != kUnix) return;
  if (s->mode == Slot::kClosing || !s->in->IsQuiet() || !s->out->IsQuiet()) return;
  if (c_.OneIn(2)) {
    auto sent = std::make_shared<Moved>();
    sent->bytes.resize(1 + 37 * c_.Byte());
    for (size_t i = 0; i < sent->bytes.size(); i++)
      sent->bytes[i] = static_cast<char>(content_ + i * 5);
    content_ += 77;
    const int32_t n = evpoll_socket_send(s->h, sent->bytes.data(), sent->bytes.size());
    MUST(n > 0 || s->dirty || n == EVPOLL_ERR_WOULD_BLOCK || n == EVPOLL_ERR_NOT_CONNECTED,
         "send: %s", evpoll_strerror(n));
    sent->n = n > 0 ? static_cast<size_t>(n) : 0;
    sent->known = true;
    s->out->writes.push_back(sent);
  } else {
    auto got = std::make_shared<Moved>();
    got->bytes.resize(1 + 41 * c_.Byte());
    const int32_t n = evpoll_socket_recv(s->h, got->bytes.data(), got->bytes.size());
    MUST(n > 0 || s->dirty || n == EVPOLL_ERR_WOULD_BLOCK || (n == 0 && s->in->ended) ||
             n == EVPOLL_ERR_NOT_CONNECTED,
         "recv: %d", n);
    got->n = n > 0 ? static_cast<size_t>(n) : 0;
    got->bytes.resize(got->n);
    got->known = true;
    s->in->reads.push_back(got);
    s->in->Compare();
  }
}

} // namespace calls
