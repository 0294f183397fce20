// SPDX-License-Identifier: MIT
// Operations, valid and not: how they are made, and what submit may say.
#include "program.h"

#include <cstring>
#include <thread>

#include <sys/mman.h>

#if !defined(MAP_NORESERVE) // FreeBSD reserves nothing
#define MAP_NORESERVE 0
#endif

namespace calls {

namespace {

constexpr size_t kArena = size_t{64} << 20, kGuard = size_t{1} << 20;

// Where operations may write that say a length of their own: more than all sockets hold.
char *Arena() {
  static char *const arena = [] {
    void *p = mmap(nullptr, kArena + kGuard, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    MUST(p != MAP_FAILED, "mmap");
    MUST(mprotect(static_cast<char *>(p) + kArena, kGuard, PROT_NONE) == 0, "mprotect");
    return static_cast<char *>(p);
  }();
  return arena;
}
uint64_t Nowhere() { return EVPOLL_ADDR(Arena()) + kArena + 4096; }

size_t Length(Choices &c) {
  static const size_t lengths[] = {1, 2, 13, 100, 1000, 4096, 30000, 70000, 150000, 250000};
  const size_t n = lengths[c.Below(10)];
  return c.OneIn(4) ? n + c.Byte() : n;
}

} // namespace

void Program::GiveRoom(const OpPtr &op, bool writes, bool vectored) {
  op->room = Length(c_);
  op->buffer.assign(op->room, static_cast<char>(0xee));
  if (writes) {
    const uint64_t first = content_ += 1009;
    for (size_t i = 0; i < op->room; i++)
      op->buffer[i] = static_cast<char>(first + i * 5 + (i >> 9));
  }
  op->io.buffer = EVPOLL_ADDR(op->buffer.data());
  op->io.length = op->room;
  if (!vectored) return;
  const uint32_t n = 1 + c_.Below(4);
  size_t at = 0;
  for (uint32_t i = 0; i < n; i++) {
    const size_t part = i + 1 == n ? op->room - at : (op->room - at) / 2;
    op->pieces.push_back({EVPOLL_ADDR(op->buffer.data() + at), part});
    at += part;
  }
  op->io.buffer = EVPOLL_ADDR(op->pieces.data());
  op->io.length = n;
}

void Program::FillMessage(const OpPtr &op, bool sends) {
  GiveRoom(op, sends, true);
  op->message = std::make_unique<evpoll_message>();
  evpoll_message &m = *op->message;
  m.iovecs = op->io.buffer;
  m.iovec_count = static_cast<uint32_t>(op->io.length);
  op->io.buffer = EVPOLL_ADDR(&m);
  op->io.length = 1;
  if (!op->slot || op->slot->kind != kUdp || !sends) return;
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = 0;
  evpoll_socket_local_address(op->slot->h, host, sizeof host, &port);
  m.peer.family = EVPOLL_FAMILY_IPV4;
  m.peer.port = static_cast<uint16_t>(port);
  m.peer.bytes[0] = 127;
  m.peer.bytes[3] = 1;
}

void Program::FillStream(const OpPtr &op, const SlotPtr &s) {
  static const uint32_t both[] = {
      EVPOLL_OP_READ,      EVPOLL_OP_READ,  EVPOLL_OP_READV,  EVPOLL_OP_RECV_MESSAGE,
      EVPOLL_OP_WRITE,     EVPOLL_OP_WRITE, EVPOLL_OP_WRITEV, EVPOLL_OP_SEND_MESSAGE,
      EVPOLL_OP_SEND_FILE, EVPOLL_OP_POLL};
  const bool socket = s->kind == kTcp || s->kind == kUnix;
  uint32_t code = both[c_.Below(10)];
  if (socket && c_.OneIn(40)) code = EVPOLL_OP_SHUTDOWN;
  if (s->port && c_.OneIn(8)) code = EVPOLL_OP_CONNECT;
  if (!socket) {
    if (code == EVPOLL_OP_RECV_MESSAGE || code == EVPOLL_OP_SEND_MESSAGE ||
        code == EVPOLL_OP_SEND_FILE)
      code = EVPOLL_OP_POLL;
    if (s->kind == kPipeIn && code == EVPOLL_OP_WRITE) code = EVPOLL_OP_READ;
    if (s->kind == kPipeIn && code == EVPOLL_OP_WRITEV) code = EVPOLL_OP_READV;
    if (s->kind == kPipeOut && code == EVPOLL_OP_READ) code = EVPOLL_OP_WRITE;
    if (s->kind == kPipeOut && code == EVPOLL_OP_READV) code = EVPOLL_OP_WRITEV;
  }
  op->io.code = code;
  switch (code) {
  case EVPOLL_OP_READ:
  case EVPOLL_OP_READV: GiveRoom(op, false, code == EVPOLL_OP_READV); break;
  case EVPOLL_OP_WRITE:
  case EVPOLL_OP_WRITEV: GiveRoom(op, true, code == EVPOLL_OP_WRITEV); break;
  case EVPOLL_OP_RECV_MESSAGE: FillMessage(op, false); break;
  case EVPOLL_OP_SEND_MESSAGE: FillMessage(op, true); break;
  case EVPOLL_OP_SHUTDOWN: op->io.length = 1 + c_.Below(3); break;
  case EVPOLL_OP_POLL: {
    static const uint64_t bits[] = {EVPOLL_READABLE, EVPOLL_WRITABLE,
                                    EVPOLL_READABLE | EVPOLL_WRITABLE, EVPOLL_READ_CLOSED};
    op->io.length = bits[c_.Below(4)];
    break;
  }
  case EVPOLL_OP_SEND_FILE: {
    SlotPtr source;
    for (const SlotPtr &f : slots_)
      if (f->kind == kSource && f->mode == Slot::kServed) source = f;
    if (!source) {
      op->io.code = EVPOLL_OP_WRITE;
      GiveRoom(op, true, false);
      break;
    }
    op->source = source->registration;
    op->io.buffer = static_cast<uint64_t>(source->h);
    op->io.offset = static_cast<int64_t>(c_.Below(3) * Length(c_));
    op->io.length = Length(c_);
    op->room = op->io.length;
    break;
  }
  }
}

void Program::FillFile(const OpPtr &op, const SlotPtr &s) {
  static const uint32_t codes[] = {EVPOLL_OP_READ,    EVPOLL_OP_WRITE,     EVPOLL_OP_READV,
                                   EVPOLL_OP_WRITEV,  EVPOLL_OP_FDATASYNC, EVPOLL_OP_SIZE,
                                   EVPOLL_OP_TRUNCATE};
  uint32_t code = codes[c_.Below(7)];
  const bool writes = code == EVPOLL_OP_WRITE || code == EVPOLL_OP_WRITEV;
  if (s->kind == kAppend && (writes || code == EVPOLL_OP_TRUNCATE)) code = EVPOLL_OP_APPEND;
  if (s->kind == kSource && (writes || code >= EVPOLL_OP_TRUNCATE)) code = EVPOLL_OP_SIZE;
  if (s->kind == kDevice && code > EVPOLL_OP_WRITEV) code = EVPOLL_OP_POLL;
  op->io.code = code;
  if (code <= EVPOLL_OP_WRITEV) {
    GiveRoom(op, writes, code == EVPOLL_OP_READV || code == EVPOLL_OP_WRITEV);
    if (s->kind != kDevice) op->io.offset = static_cast<int64_t>(c_.Byte() * 1000);
  } else if (code == EVPOLL_OP_APPEND) {
    GiveRoom(op, true, false);
  } else if (code == EVPOLL_OP_TRUNCATE) {
    op->io.offset = c_.Byte() * 1000;
  } else if (code == EVPOLL_OP_POLL) {
    op->io.length = EVPOLL_READABLE | EVPOLL_WRITABLE;
  }
}

void Program::FillTimer(const OpPtr &op) {
  op->io.code = EVPOLL_OP_TIMER;
  op->io.handle = -1;
  static const int64_t ends[] = {0,       1,         1000,      100000,        300000,
                                 2000000, 1ll << 40, INT64_MAX, INT64_MAX - 1, 50000};
  op->io.offset = ends[c_.Below(10)];
  if (c_.OneIn(4)) {
    op->io.flags |= EVPOLL_OPF_ABSOLUTE;
    if (op->io.offset < 1ll << 40) op->io.offset += evpoll_now() - 100000;
    if (c_.OneIn(8)) op->io.offset = INT64_MIN;
  }
}

void Program::Fill(const OpPtr &op, const SlotPtr &s) {
  switch (s->kind) {
  case kNothing: FillTimer(op); break;
  case kTcp:
  case kUnix:
  case kPipeIn:
  case kPipeOut: FillStream(op, s); break;
  case kListener:
    op->io.code = c_.OneIn(4) ? EVPOLL_OP_POLL : EVPOLL_OP_ACCEPT;
    if (op->io.code == EVPOLL_OP_POLL) {
      op->io.length = EVPOLL_READABLE;
    } else if (c_.OneIn(2)) {
      op->addresses = std::make_unique<evpoll_address[]>(2);
      op->io.buffer = EVPOLL_ADDR(op->addresses.get());
      op->io.length = 2;
    }
    break;
  case kUdp:
    op->io.code = c_.OneIn(2) ? EVPOLL_OP_RECV_MESSAGE : EVPOLL_OP_SEND_MESSAGE;
    FillMessage(op, op->io.code == EVPOLL_OP_SEND_MESSAGE);
    op->wild = true; // too long, perhaps
    break;
  default: FillFile(op, s);
  }
}

// What no program should ask for. Arrays stay mapped: evpoll cannot tell.
void Program::Spill(const OpPtr &op) {
  evpoll_io &io = op->io;
  op->wild = true;
  static const uint64_t lengths[] = {0,    1,          2,         1024,       1025,
                                     5000, 1ull << 31, INT64_MAX, 1ull << 63, UINT64_MAX};
  switch (c_.Below(10)) {
  case 0: io.code = c_.Byte(); break;
  case 1: io.flags = c_.Byte(); break;
  case 2: io.flags = c_.Byte() << 8 * c_.Below(4); break;
  case 3: {
    static const int64_t offsets[] = {-1, INT64_MIN, INT64_MAX, 1, 1ll << 32, 5};
    io.offset = offsets[c_.Below(6)];
    break;
  }
  case 4: io.handle = WrongNumber(); break;
  case 5: io.timeout_ms = c_.OneIn(2) ? UINT32_MAX : 1; break;
  case 6:
    io.code = 1 + c_.Below(18);
    io.flags = c_.Byte() & 0x7f;
    break;
  case 7: io.buffer = 0; break;
  case 8: io.buffer = Nowhere(); break;
  case 9: io.length = lengths[c_.Below(10)]; break;
  }
  const bool array = io.code == EVPOLL_OP_READV || io.code == EVPOLL_OP_WRITEV;
  const bool message = io.code == EVPOLL_OP_RECV_MESSAGE || io.code == EVPOLL_OP_SEND_MESSAGE;
  if (array || message) {
    op->pieces.assign(1024, {EVPOLL_ADDR(Arena()), c_.Byte()});
    if (c_.OneIn(4)) op->pieces[c_.Byte()] = {8, 4096};
    if (c_.OneIn(4)) op->pieces[c_.Byte()] = {Nowhere(), lengths[c_.Below(10)]};
    if (io.buffer) io.buffer = EVPOLL_ADDR(op->pieces.data());
  }
  if (message) {
    op->message = std::make_unique<evpoll_message>();
    evpoll_message &m = *op->message;
    m.iovecs = EVPOLL_ADDR(op->pieces.data());
    m.iovec_count = c_.OneIn(2) ? 2 : 0xffffff00u + c_.Byte();
    unsigned char *const bytes = reinterpret_cast<unsigned char *>(&m);
    if (c_.OneIn(2)) bytes[12 + c_.Below(128 - 12)] = static_cast<unsigned char>(c_.Byte());
    // Memory that it names has to be there: control data is read and written as it says.
    m.control = 0;
    if (io.buffer) io.buffer = EVPOLL_ADDR(&m);
  } else if (io.code == EVPOLL_OP_ACCEPT && io.buffer) {
    op->addresses = std::make_unique<evpoll_address[]>(2);
    io.buffer = EVPOLL_ADDR(op->addresses.get());
  } else if (!array && io.length > op->buffer.size() && io.buffer) {
    // More than there is: reads get room, writes what nobody may read.
    const bool writes = io.code == EVPOLL_OP_WRITE || io.code == EVPOLL_OP_APPEND;
    const bool to_file = op->slot && op->slot->kind >= kFile;
    if (io.code != EVPOLL_OP_SEND_FILE)
      io.buffer = writes || to_file ? Nowhere() : EVPOLL_ADDR(Arena());
  } else if (!array && io.code == EVPOLL_OP_READ && io.length && op->buffer.empty()) {
    io.buffer = EVPOLL_ADDR(Arena());
  }
}

OpPtr Program::MakeOp() {
  auto op = std::make_shared<Op>();
  SlotPtr s = focus_ && !c_.OneIn(8) ? focus_ : Any();
  if (s->mode == Slot::kClosing) { // its number may be another's by now
    auto none = std::make_shared<Slot>();
    s = none;
  }
  if (s->kind != kNothing) op->slot = s;
  op->io.handle = s->h;
  op->io.token = c_.OneIn(4) ? 7 : ++tokens_;
  op->strange = strange_;
  Fill(op, s);
  const uint32_t code = op->io.code, flags = c_.Byte();
  if (flags % 3 == 0) op->io.flags |= EVPOLL_OPF_INLINE;
  if (flags % 11 == 10 && op->slot && s->kind < kFile && code != EVPOLL_OP_SHUTDOWN &&
      code != EVPOLL_OP_CONNECT)
    op->io.flags |= EVPOLL_OPF_NOWAIT;
  if (flags % 5 == 4 && (code == EVPOLL_OP_READ || code == EVPOLL_OP_WRITE))
    op->io.flags |= EVPOLL_OPF_ALL;
  const bool writes = code == EVPOLL_OP_WRITE || code == EVPOLL_OP_WRITEV;
  if (flags % 7 == 6 && op->slot && (code == EVPOLL_OP_APPEND || (writes && s->kind == kFile)))
    op->io.flags |= EVPOLL_OPF_DURABLE;
  if (flags % 13 == 12 && writes && op->slot && s->kind < kFile) op->io.flags |= EVPOLL_OPF_MORE;
  if (code != EVPOLL_OP_TIMER && flags % 6 == 5) op->io.timeout_ms = 1 + c_.Below(3);
  if (c_.OneIn(9)) Spill(op);
  return op;
}

void Program::FillClose(const OpPtr &op) {
  op->io.code = EVPOLL_OP_CLOSE;
  op->io.flags = (c_.OneIn(3) ? EVPOLL_OPF_INLINE : 0);
  // A reset, so that old connections take no port.
  if (op->slot->kind == kTcp) op->io.flags |= EVPOLL_OPF_ABORT;
}

// Before it is submitted: its outcome may be told by any wait from then on.
void Program::Expect(const OpPtr &op) {
  const evpoll_io &io = op->io;
  const int64_t now = evpoll_now();
  if (io.code == EVPOLL_OP_TIMER && io.handle == -1) {
    op->due = io.offset;
    if (!(io.flags & EVPOLL_OPF_ABSOLUTE))
      op->due = io.offset > INT64_MAX - now ? INT64_MAX : now + io.offset;
  } else if (io.timeout_ms) {
    op->due = now + static_cast<int64_t>(io.timeout_ms) * 1000000;
  }
  op->latest = op->due;
  const SlotPtr &s = op->slot;
  if (!s || io.handle != s->h) return;
  s->connects |= io.code == EVPOLL_OP_CONNECT;
  if (io.code == EVPOLL_OP_SHUTDOWN && s->kind == kListener) Spoil(s); // whom nobody accepted
  if (io.code == EVPOLL_OP_SHUTDOWN && s->out) {
    if (io.length & EVPOLL_SHUTDOWN_READ) Spoil(s);
    s->out->ended = s->dirty = true;
  }
  const bool reads =
      io.code == EVPOLL_OP_READ || io.code == EVPOLL_OP_READV || io.code == EVPOLL_OP_RECV_MESSAGE;
  const bool writes = io.code == EVPOLL_OP_WRITE || io.code == EVPOLL_OP_WRITEV ||
                      io.code == EVPOLL_OP_SEND_MESSAGE || io.code == EVPOLL_OP_SEND_FILE;
  if (s->in && reads) {
    op->read = std::make_shared<Moved>();
    op->read->any = op->wild;
    op->peeks = op->message && (op->message->flags & EVPOLL_MESSAGE_PEEK);
    s->in->reads.push_back(op->read);
  }
  if (!s->out || !writes) return;
  op->write = std::make_shared<Moved>();
  op->write->any = op->wild;
  if (io.code != EVPOLL_OP_SEND_FILE) {
    op->write->bytes = op->buffer;
  } else if (!op->wild) {
    const size_t first = static_cast<size_t>(io.offset);
    for (size_t i = first; i < kSourceBytes && i < first + io.length; i++)
      op->write->bytes.push_back(SourceByte(i));
  }
  s->out->writes.push_back(op->write);
}

// In a thread that ends then, while this one waits.
int32_t Program::SubmitAll(std::vector<evpoll_io> &ios) {
  const int32_t n = static_cast<int32_t>(ios.size());
  if (!setup_.threads || !c_.OneIn(6)) return evpoll_submit(p_, ios.data(), n);
  int32_t accepted = 0;
  std::thread submitter([&] { accepted = evpoll_submit(p_, ios.data(), n); });
  switch (c_.Below(4)) {
  case 0:
    AskToEnd(nullptr);
    evpoll_cancel_all(p_);
    break;
  case 1: Wait(0); break;
  case 2: evpoll_retime(p_, -1, 1, 0); break;
  }
  submitter.join();
  return accepted;
}

void Program::Submitted(const OpPtr &op, const evpoll_io &io, size_t in_flight) {
  const SlotPtr &s = op->slot;
  const bool mine = s && io.handle == s->h;
  const bool served = !s || (mine && s->mode == Slot::kServed);
  SAY("  code %u flags 0x%x handle %lld token %llu: op %llx status %d offset %lld%s", io.code,
      io.flags, static_cast<long long>(io.handle), static_cast<unsigned long long>(io.token),
      static_cast<unsigned long long>(io.op), io.status, static_cast<long long>(io.offset),
      op->wild ? " (wild)" : "");
  MUST(IsStatus(io.status) && io.status <= 0, "status %d", io.status);
  MUST(io.op == 0 || io.status == 0, "an id beside status %d", io.status);
  const int64_t offset = op->io.offset;
  op->io.op = io.op;
  if (io.op) {
    counts.accepted++;
    MUST(ids_.insert(io.op).second, "an id was used again");
    MUST(io.offset == offset, "offset was written");
    MUST(served && !shut_, "accepted");
    MUST(!(io.flags & EVPOLL_OPF_NOWAIT), "NOWAIT and accepted");
    ops_[io.op] = op;
    if (s) {
      op->registration = s->registration;
      op->registration->in_flight++;
      if (op->source) op->source->sent_from++;
    }
    return;
  }
  if (io.status == 0) {
    counts.ended_inline++;
    MUST(io.flags & (EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT), "ended in the call unasked");
    MUST(served && !shut_, "ended in the call");
    op->source = nullptr;
    op->crowded = in_flight > limit_;
    return Finish(op, 0, io.offset);
  }
  counts.refused++;
  const bool behind = io.status == EVPOLL_ERR_WOULD_BLOCK && (io.flags & EVPOLL_OPF_NOWAIT);
  const bool wanting =
      strange_ && (io.status == EVPOLL_ERR_NO_MEMORY || io.status == EVPOLL_ERR_LIMIT);
  const bool tried = s && (io.flags & (EVPOLL_OPF_NOWAIT | EVPOLL_OPF_INLINE)) && s->dirty;
  const bool may = op->wild || (shut_ && io.status == EVPOLL_ERR_SHUTDOWN) || behind || wanting ||
                   (s && !served && io.status == EVPOLL_ERR_NOT_FOUND) ||
                   (op->source && io.status == EVPOLL_ERR_NOT_FOUND) ||
                   (io.status == EVPOLL_ERR_AGAIN && in_flight > limit_) || tried || strange_ ||
                   (native_ && io.status == EVPOLL_ERR_UNSUPPORTED);
  MUST(may, "code %u flags 0x%x on kind %d refused with %s", io.code, io.flags, s ? s->kind : 0,
       evpoll_strerror(io.status));
  MUST(io.status != EVPOLL_ERR_AGAIN || io.offset == offset, "AGAIN wrote offset");
  op->source = nullptr;
  for (const auto &moved : {op->write, op->read})
    if (moved) {
      moved->known = true;
      moved->bytes.clear();
    }
}

void Program::Submit() {
  const uint32_t n = c_.OneIn(6) ? 1 + c_.Below(140) : 1 + c_.Below(4);
  if (n > 20 && c_.OneIn(2)) focus_ = Any(); // more than one turn does
  std::vector<OpPtr> ops;
  std::vector<evpoll_io> ios;
  for (uint32_t i = 0; i < n && (i == 0 || c_.More()); i++) {
    OpPtr op = MakeOp();
    const SlotPtr s = op->slot;
    // Not with others: from then on its number may be anybody's.
    if (i == 0 && s && (s->mode == Slot::kServed || s->mode == Slot::kEnded) && c_.OneIn(12)) {
      op = std::make_shared<Op>();
      op->slot = s;
      op->io.handle = s->h;
      op->io.token = ++tokens_;
      op->strange = strange_;
      FillClose(op);
      ops.push_back(op);
      ios.push_back(op->io);
      break;
    }
    if (op->io.code == EVPOLL_OP_CLOSE) continue; // wild, but it would be done
    Expect(op);
    ops.push_back(op);
    ios.push_back(op->io);
  }
  focus_ = nullptr;
  if (ios.empty()) return;
  const bool closes = ops[0]->io.code == EVPOLL_OP_CLOSE;
  SAY("submit %zu%s", ios.size(), closes ? ": CLOSE" : "");
  if (closes) {
    Spoil(ops[0]->slot);
    AskToEnd(ops[0]->slot->registration);
  }
  const size_t in_flight = InFlight() + ios.size();
  deciding_ = true;
  submitting_ = ops;
  const int32_t accepted = SubmitAll(ios);
  submitting_.clear();
  deciding_ = false;
  int32_t good = 0;
  for (const evpoll_io &io : ios) good += io.status == 0;
  MUST(accepted == good, "submit says %d, %d were accepted", accepted, good);
  if (closes) {
    const evpoll_io &io = ios[0];
    const SlotPtr &s = ops[0]->slot;
    SAY("  CLOSE %lld: op %llx status %d", static_cast<long long>(io.handle),
        static_cast<unsigned long long>(io.op), io.status);
    MUST(io.status == 0, "CLOSE was refused with %s", evpoll_strerror(io.status));
    if (io.op) {
      MUST(ids_.insert(io.op).second, "an id was used again");
      s->mode = Slot::kClosing;
      ops[0]->io.op = io.op;
      ops[0]->registration = s->registration;
      ops_[io.op] = ops[0];
    } else {
      MUST(io.flags & EVPOLL_OPF_INLINE, "CLOSE ended in the call unasked");
      ops[0]->registration = s->registration;
      Closed(ops[0], 0);
    }
  } else {
    for (size_t i = 0; i < ios.size(); i++) Submitted(ops[i], ios[i], in_flight);
  }
  const std::vector<evpoll_event> early = std::move(early_);
  early_.clear();
  for (const evpoll_event &e : early) Take(e);
}

void Program::SubmitList() {
  std::vector<OpPtr> ops;
  std::vector<evpoll_io> ios;
  const uint32_t n = 1 + c_.Below(12);
  bool streams = false;
  for (uint32_t i = 0; i < n; i++) {
    const OpPtr op = MakeOp();
    if (op->io.code == EVPOLL_OP_CLOSE) continue;
    const bool fits = !op->slot || (op->slot->kind >= kFile && op->slot->kind != kDevice);
    if (!fits && !c_.OneIn(16)) continue; // lists are for files and timers
    streams |= !fits;
    op->io.flags &= EVPOLL_OPF_ALL | EVPOLL_OPF_DURABLE | (op->wild ? ~0u : 0);
    if (op->io.code == EVPOLL_OP_TIMER && op->io.offset < 0) op->wild = true;
    Expect(op);
    ops.push_back(op);
    ios.push_back(op->io);
  }
  uint64_t id = 0;
  const uint64_t token = ++tokens_;
  const size_t in_flight = InFlight() + ios.size();
  const int32_t count = static_cast<int32_t>(ios.size());
  const int32_t status = evpoll_submit_list(p_, ios.data(), count, token, &id);
  SAY("list of %d: %d", count, status);
  if (status < 0 || count == 0) {
    MUST(IsStatus(status), "list: %d", status);
    bool may = count == 0 || streams || strange_ || shut_ || native_ || in_flight > limit_;
    for (const OpPtr &op : ops) {
      may |= op->wild || op->source || (op->slot && op->slot->mode != Slot::kServed);
      for (const auto &moved : {op->write, op->read})
        if (moved) {
          moved->known = true;
          moved->bytes.clear();
        }
    }
    MUST(may, "a list was refused with %s", evpoll_strerror(status));
    return;
  }
  MUST(status == count && id && ids_.insert(id).second, "a list of %d is %d", count, status);
  for (const evpoll_io &io : ios)
    MUST(io.op && ids_.insert(io.op).second, "an entry's id is no new one");
  for (const OpPtr &op : ops) {
    MUST(!op->slot || op->slot->mode == Slot::kServed, "a list was accepted");
    counts.accepted++;
    if (!op->slot) continue;
    op->registration = op->slot->registration;
    op->registration->listed++;
    if (op->source) op->source->sent_from++;
  }
  lists_[id] = {ops, token};
}

void Program::Turn() {
  std::vector<OpPtr> ops;
  std::vector<evpoll_io> ios;
  const uint32_t n = c_.Below(3);
  for (uint32_t i = 0; i < n; i++) {
    const OpPtr op = MakeOp();
    if (op->io.code == EVPOLL_OP_CLOSE) continue;
    Expect(op);
    ops.push_back(op);
    ios.push_back(op->io);
  }
  const size_t in_flight = InFlight() + ios.size();
  const int32_t capacity = 1 + c_.Below(40);
  std::vector<evpoll_event> events(static_cast<size_t>(capacity));
  const int32_t got = evpoll_turn(p_, nullptr, 0, ios.data(), static_cast<int32_t>(ios.size()),
                                  events.data(), capacity, c_.OneIn(3) ? 100000 : 0);
  SAY("turn of %zu: %d", ios.size(), got);
  for (size_t i = 0; i < ios.size(); i++) Submitted(ops[i], ios[i], in_flight);
  TakeAll(events, got, capacity);
}

void Program::Retime() {
  static const int64_t ends[] = {0, -5, 1000, 200000, INT64_MAX, INT64_MIN, 1000000};
  const int64_t ns = ends[c_.Below(7)];
  const SlotPtr s = Any();
  const bool timers = s->kind == kNothing || s->mode == Slot::kClosing || c_.OneIn(2);
  uint64_t token = 7;
  if (!ops_.empty() && c_.OneIn(2)) {
    auto it = ops_.begin();
    std::advance(it, c_.Below(static_cast<uint32_t>(ops_.size())));
    token = it->second->io.token;
  }
  const int64_t now = evpoll_now(), end = ns > INT64_MAX - now ? INT64_MAX : now + ns;
  const evpoll_handle h = timers ? -1 : s->h;
  auto set = [&](const OpPtr &op) {
    if (op->io.token != token || (timers ? !!op->slot : op->registration != s->registration))
      return;
    if (op->due > end) op->due = end;
    if (op->latest < end) op->latest = end;
  };
  for (auto &[id, op] : ops_) set(op);
  for (auto &[id, list] : lists_)
    for (const OpPtr &op : list.ops) set(op);
  const int32_t n = evpoll_retime(p_, h, token, ns);
  SAY("retime %lld, %llu: %d", static_cast<long long>(h), static_cast<unsigned long long>(token),
      n);
  MUST(n > 0 || IsStatus(n), "retime: %d", n);
}

} // namespace calls
