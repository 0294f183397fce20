// SPDX-License-Identifier: MIT
// The program: one step after the other, as the bytes say.
#include "program.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <ctime>

namespace calls {

namespace {

size_t OpenDescriptors() {
  DIR *const dir = opendir("/proc/self/fd");
  if (!dir) return 0;
  size_t n = 0;
  while (readdir(dir)) n++;
  closedir(dir);
  return n;
}

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ll + now.tv_nsec;
}

// Once in a process: what is made then stays.
void MakeSource() {
  static bool made = false;
  if (made) return;
  made = true;
  std::vector<char> bytes(kSourceBytes);
  for (size_t i = 0; i < kSourceBytes; i++) bytes[i] = SourceByte(i);
  const int fd = open(Path(kSource), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  MUST(fd >= 0 && write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
       "cannot make %s", Path(kSource));
  close(fd);
  std::atexit([] {
    for (const Kind kind : {kSource, kAppend, kFile}) unlink(Path(kind));
  });
}

} // namespace

void Program::Open() {
  static const uint32_t flags[] = {EVPOLL_OPEN_NO_URING,
                                   EVPOLL_OPEN_NO_URING | EVPOLL_OPEN_SINGLE_WAITER,
                                   0,
                                   EVPOLL_OPEN_SINGLE_WAITER,
                                   EVPOLL_OPEN_INTERRUPTIBLE | EVPOLL_OPEN_NO_URING,
                                   EVPOLL_OPEN_NATIVE_IO_ONLY};
  evpoll_options options = {};
  options.struct_size = sizeof options;
  options.flags = flags[c_.Below(6)];
  options.wake_token = 42;
  options.io_limit = c_.OneIn(4) ? 1 + c_.Below(20) : 0;
  options.pool_threads = 1 + c_.Below(2);
  MUST(evpoll_open(&options, &p_) == 0, "open");
  native_ = options.flags & EVPOLL_OPEN_NATIVE_IO_ONLY;
  limit_ = options.io_limit ? options.io_limit : 1 << 20;
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  MUST(evpoll_info(p_, &info) == 0, "info");
  features_ = info.features;
}

void Program::Cancel() {
  const SlotPtr s = Any();
  switch (c_.Below(6)) {
  case 0:
    AskToEnd(nullptr);
    MUST(evpoll_cancel_all(p_) >= 0, "cancel_all");
    return;
  case 1: {
    if (s->kind == kNothing || s->mode == Slot::kClosing) return;
    AskToEnd(s->registration);
    const int32_t n = evpoll_cancel_handle(p_, s->h);
    MUST(n >= 0 ? s->mode == Slot::kServed || s->mode == Slot::kEnded : n == EVPOLL_ERR_NOT_FOUND,
         "cancel_handle: %d", n);
    return;
  }
  case 2: {
    const bool timers = s->kind == kNothing;
    for (auto &[id, op] : ops_)
      op->asked |= op->io.token == 7 && (timers ? !op->slot : op->registration == s->registration);
    for (auto &[id, list] : lists_)
      for (const OpPtr &op : list.ops) op->asked |= op->io.token == 7;
    const int32_t n = evpoll_cancel_token(p_, timers ? -1 : s->h, 7);
    MUST(n > 0 || n == EVPOLL_ERR_NOT_FOUND, "cancel_token: %d", n);
    return;
  }
  case 3:
    if (lists_.empty()) return;
    for (const OpPtr &op : lists_.begin()->second.ops) op->asked = true;
    MUST(evpoll_cancel(p_, lists_.begin()->first) >= 0, "cancel of a list");
    return;
  }
  if (ops_.empty()) return;
  auto it = ops_.begin();
  std::advance(it, c_.Below(static_cast<uint32_t>(ops_.size())));
  it->second->asked = true;
  const int32_t n = evpoll_cancel(p_, it->first);
  SAY("cancel %llx: %d", static_cast<unsigned long long>(it->first), n);
  MUST(n == (it->second->io.code == EVPOLL_OP_CLOSE ? EVPOLL_ERR_NOT_FOUND : 1), "cancel: %d", n);
}

void Program::Hold() {
  const SlotPtr s = Any();
  if (s->holds && (s->mode == Slot::kClosing || c_.OneIn(2))) {
    MUST(evpoll_release(p_, s->h) == 0, "release");
    s->holds--;
  } else if (s->mode == Slot::kServed) {
    MUST(evpoll_hold(p_, s->h, s->token + 1) == EVPOLL_ERR_STALE, "hold by another token");
    MUST(evpoll_hold(p_, s->h, s->token) == 0, "hold");
    s->holds++;
  } else if (s->kind != kNothing && s->mode != Slot::kClosing) {
    MUST(evpoll_hold(p_, s->h, s->token) == EVPOLL_ERR_NOT_FOUND, "hold of what is not served");
  }
}

// Questions never fail, whatever size the structs are said to have.
void Program::Ask() {
  alignas(8) unsigned char room[4096] = {};
  const uint32_t size = c_.Byte() * 20;
  std::memcpy(room, &size, 4);
  const bool good = size >= 8 && size <= 4096;
  MUST((evpoll_stats(p_, reinterpret_cast<evpoll_poller_stats *>(room)) == 0) == good, "stats");
  MUST((evpoll_info(p_, reinterpret_cast<evpoll_poller_info *>(room)) == 0) == good, "info");
  char text[300];
  std::memset(text, 'x', sizeof text);
  const int32_t capacity = static_cast<int32_t>(c_.Byte());
  const int32_t n = evpoll_describe(p_, text, capacity);
  MUST(n > 0 && text[capacity] == 'x', "describe: %d", n);
  evpoll_handle h = -1;
  const int32_t status = evpoll_poller_handle(p_, &h);
  MUST(status == 0 ? h >= 0 : IsStatus(status), "poller_handle: %d", status);
  evpoll_poller_stats stats = {};
  stats.struct_size = sizeof stats;
  // Of a list some may be over.
  MUST(evpoll_stats(p_, &stats) == 0 && stats.io_in_flight <= InFlight() &&
           stats.io_in_flight >= ops_.size(),
       "%llu in flight, the model says %zu", static_cast<unsigned long long>(stats.io_in_flight),
       InFlight());
}

// What is not there.
void Program::Nonsense() {
  const evpoll_handle h = WrongNumber();
  const uint64_t id = c_.Byte() * 0x0101010101010101u + c_.Byte();
  evpoll_result results[4];
  const int32_t statuses[] = {evpoll_add(p_, h, 1, c_.Byte(), c_.Below(6)),
                              evpoll_remove(p_, h, 1),
                              evpoll_cancel_handle(p_, h),
                              evpoll_hold(p_, h, 1),
                              evpoll_release(p_, h),
                              evpoll_list_take(p_, id, results, 4),
                              evpoll_list_take(p_, id, nullptr, -1),
                              evpoll_wait(p_, nullptr, 1, 0),
                              evpoll_submit(p_, nullptr, 1),
                              evpoll_submit_list(p_, nullptr, 1, 1, nullptr),
                              evpoll_update(p_, nullptr, -1)};
  for (const int32_t status : statuses)
    MUST(status < 0 && IsStatus(status), "nonsense: %d", status);
  if (h < -1) MUST(evpoll_retime(p_, h, 1, 0) == EVPOLL_ERR_BAD_HANDLE, "retime");
  if (!ids_.count(id))
    MUST(evpoll_cancel(p_, id) == (id ? EVPOLL_ERR_NOT_FOUND : EVPOLL_ERR_INVALID),
         "cancel of what there is not");
  MUST(evpoll_submit(p_, nullptr, 0) == 0 && evpoll_update(p_, nullptr, 0) == 0, "of none");
}

// Helpers and openings, by values that no program gives.
void Program::Misuse() {
  evpoll_options options = {};
  options.struct_size = c_.OneIn(2) ? sizeof options : c_.Byte();
  options.flags = c_.Byte();
  options.io_limit = c_.Byte() << (c_.Below(4) * 8);
  options.pool_threads = c_.Byte() * 2;
  evpoll *other = nullptr;
  if (options.struct_size > sizeof options) options.struct_size = 4097;
  const int32_t status = evpoll_open(&options, &other);
  MUST(IsStatus(status) && (status < 0) == !other, "open: %d", status);
  if (other) MUST(evpoll_close(other, 0) == 0, "close of an empty one");
  evpoll_handle h = -7;
  char host[24] = {};
  for (size_t i = 0; i + 1 < sizeof host; i++) host[i] = static_cast<char>(c_.Byte());
  const int32_t listening =
      evpoll_socket_tcp_listen(host, static_cast<int32_t>(c_.Byte()) - 3, 1, &h);
  MUST(IsStatus(listening) && (listening < 0) == (h == -7), "listen: %d", listening);
  if (listening == 0) evpoll_socket_close(h);
  h = -7;
  const int32_t opened =
      evpoll_file_open(c_.OneIn(2) ? "/dev/null" : "", c_.Byte(), c_.Byte() * 9, &h);
  MUST(opened < 0 && IsStatus(opened) && h == -7, "file_open: %d", opened);
  void *room = nullptr;
  const uint32_t alignment = c_.Byte() * c_.Byte();
  const int32_t given =
      evpoll_buffer_alloc(c_.OneIn(3) ? UINT64_MAX - c_.Byte() : c_.Byte(), alignment, &room);
  MUST(IsStatus(given) && (given < 0) == !room, "buffer_alloc: %d", given);
  evpoll_buffer_free(room);
  evpoll_aio *aio = nullptr;
  const int32_t foreign = evpoll_aio_open(p_, c_.OneIn(2) ? EVPOLL_AIO : c_.Byte(), 1, &aio);
  MUST(IsStatus(foreign) && (foreign < 0) == !aio, "aio_open: %d", foreign);
  if (aio) MUST(evpoll_aio_close(aio) == 0, "aio_close");
  int32_t n = 0;
  int64_t size = 0;
  char text[4];
  for (const evpoll_handle wrong :
       {evpoll_handle{-1}, evpoll_handle{1} << 33, evpoll_handle{900000}}) {
    const int32_t said[] = {evpoll_socket_set_nodelay(wrong, 1),
                            evpoll_socket_take_error(wrong, &n),
                            evpoll_socket_local_address(wrong, text, 4, &n),
                            evpoll_socket_recv(wrong, text, 4),
                            evpoll_socket_send(wrong, text, 4),
                            evpoll_socket_shutdown(wrong, 1),
                            evpoll_file_size(wrong, &size),
                            evpoll_reopen(wrong, &h),
                            evpoll_socket_close(wrong)};
    for (const int32_t s : said) MUST(s < 0 && IsStatus(s), "of a wrong number: %d", s);
  }
  MUST(evpoll_strerror(static_cast<int32_t>(c_.Byte()) - 200), "strerror");
}

void Program::Inject() {
  if (!setup_.inject) return;
  strange_ = true;
  for (auto &[id, op] : ops_) op->strange = true;
  for (auto &[id, list] : lists_)
    for (const OpPtr &op : list.ops) op->strange = true;
  setup_.inject(c_.Byte() | c_.Byte() << 8);
  for (uint32_t i = 1 + c_.Below(4); i; i--) {
    switch (c_.Below(6)) {
    case 0: Wait(0); break;
    case 1: SubmitList(); break;
    case 2: Add(); break;
    case 3: Cancel(); break;
    default: Submit();
    }
  }
  setup_.disarm();
  strange_ = false;
}

void Program::Post() {
  if (c_.OneIn(2)) {
    MUST(evpoll_wake(p_) == 0, "wake");
    woken_ = true;
    return;
  }
  const int64_t value = static_cast<int64_t>(c_.Byte()) << 50;
  const int32_t status = evpoll_post(p_, ++tokens_, value);
  MUST(status == (shut_ ? EVPOLL_ERR_SHUTDOWN : 0), "post: %d", status);
  if (status == 0) posts_.push_back({tokens_, value});
}

void Program::Shut() {
  if (!c_.OneIn(8)) return;
  const auto own = [](const OpPtr &op) { // timers and streams are ended by it, files are not
    return !op->slot || op->slot->kind < kFile || op->slot->kind == kDevice;
  };
  for (auto &[id, op] : ops_) op->asked |= own(op);
  for (auto &[id, list] : lists_)
    for (const OpPtr &op : list.ops) op->asked |= own(op);
  MUST(evpoll_shutdown(p_) == 0, "shutdown");
  shut_ = true;
  for (const SlotPtr &s : slots_)
    if (s->mode == Slot::kReadiness) s->interest |= 0xf; // one may be on the way
}

void Program::Step() {
  counts.calls++;
  if (setup_.inject && c_.OneIn(6)) return Inject();
  const uint32_t what = c_.Below(64);
  if (what < 10) return Make();
  if (what < 20) return Add();
  if (what < 34) return Submit();
  if (what < 37) return SubmitList();
  if (what < 45) {
    const bool due = woken_ || !posts_.empty();
    const int32_t n = Wait(due && what < 40 ? -1 : what == 40 ? 200000 : 0);
    MUST(n != 0 || !due || strange_, "nothing, with a wake or post pending");
    return;
  }
  if (what < 47) return Turn();
  if (what < 50) return Cancel();
  if (what < 51) return Retime();
  if (what < 53) return Hold();
  if (what < 54) return Remove();
  if (what < 55) return CloseSlot(Any());
  if (what < 56) return Update();
  if (what < 57) return c_.OneIn(3) && !shut_ ? Flow() : Ask();
  if (what < 58) return Nonsense();
  if (what < 59) return c_.OneIn(4) ? Misuse() : Post();
  if (what < 61) return UseDirectly();
  if (what < 63) return Post();
  return Shut();
}

// Reads at its other end what a write has no room for.
void Program::MakeRoom(const ChannelPtr &channel) {
  for (auto &[other, ends] : channels_) {
    const SlotPtr &reader = ends.second;
    if (other != channel || reader->kind == kNothing || reader->mode == Slot::kClosing) continue;
    for (const auto &read : channel->reads)
      if (!read->known) return; // that reads it
    ReadDirectly(channel, reader);
  }
}

// Is an operation in flight for which everything is there?
bool Program::IsOwed(const Op &op) {
  const uint32_t code = op.io.code;
  if (op.latest <= evpoll_now()) return true;
  if (!op.slot || op.asked || op.wild || op.slot->mode != Slot::kServed ||
      op.registration != op.slot->registration)
    return false;
  if (op.slot->kind == kListener && code == EVPOLL_OP_ACCEPT) {
    for (const auto &[port, client] : clients_)
      if (!client->dirty) return true;
    return false;
  }
  const ChannelPtr &in = op.slot->in, &out = op.slot->out;
  if (code == EVPOLL_OP_POLL && in && !in->lossy && (op.io.length & EVPOLL_READABLE))
    return in->IsQuiet() && in->OnTheWay() > 0;
  if (op.read && !in->lossy && in->reads.front() == op.read) {
    if (in->shut) return true;
    return !(op.io.flags & EVPOLL_OPF_ALL) && in->OnTheWay() > 0;
  }
  if (!op.write || out->lossy || out->writes.front() != op.write) return false;
  bool paired = false;
  for (const auto &[channel, ends] : channels_) paired |= channel == out;
  if (paired) MakeRoom(out);
  return paired;
}

// Nothing hangs: what can be done is done, and what is due has come.
void Program::Flow() {
  const int64_t end = Now() + kLong;
  for (;;) {
    OpPtr owed;
    for (const auto &[id, op] : std::map<uint64_t, OpPtr>(ops_))
      if (ops_.count(id) && IsOwed(*op)) owed = op;
    if (!owed) return;
    MUST(Now() < end, "code %u flags 0x%x on kind %d, handle %lld, token %llu never ended",
         owed->io.code, owed->io.flags, owed->slot ? owed->slot->kind : 0,
         static_cast<long long>(owed->io.handle), static_cast<unsigned long long>(owed->io.token));
    Wait(1000000);
  }
}

// Everything comes, once, when it is asked to end.
void Program::Settle() {
  for (const SlotPtr &s : slots_)
    for (; s->holds; s->holds--) MUST(evpoll_release(p_, s->h) == 0, "release");
  if (!shut_) Flow();
  AskToEnd(nullptr);
  MUST(evpoll_cancel_all(p_) >= 0, "cancel_all");
  const int64_t end = Now() + kLong;
  while (InFlight() || woken_ || !posts_.empty()) {
    MUST(Now() < end, "%zu operations never came", InFlight());
    Wait(1000000000);
  }
}

void Program::ReadDirectly(const ChannelPtr &channel, const SlotPtr &reader) {
  auto got = std::make_shared<Moved>();
  got->bytes.resize(300000);
  const int64_t n = reader->kind == kPipeIn
                        ? read(static_cast<int>(reader->h), got->bytes.data(), got->bytes.size())
                        : evpoll_socket_recv(reader->h, got->bytes.data(), got->bytes.size());
  got->n = n > 0 ? static_cast<size_t>(n) : 0;
  got->bytes.resize(got->n);
  got->known = true;
  channel->reads.push_back(got);
  channel->Compare();
}

// What is on the way arrives, as far as both ends are there.
void Program::Drain() {
  for (auto &[channel, ends] : channels_) {
    const SlotPtr &reader = ends.second;
    if (channel->lossy || reader->kind == kNothing || ends.first->kind == kNothing) continue;
    const int64_t end = Now() + kLong;
    while (channel->OnTheWay()) {
      ReadDirectly(channel, reader);
      MUST(!channel->OnTheWay() || Now() < end, "%zu bytes are lost", channel->OnTheWay());
    }
  }
}

void Program::Close() {
  for (const SlotPtr &s : slots_)
    for (; s->holds; s->holds--) MUST(evpoll_release(p_, s->h) == 0, "release");
  MUST(evpoll_close(p_, kLong) == 0, "close");
  for (const SlotPtr &s : slots_) {
    if (s->mode == Slot::kClosing)
      s->kind = kNothing; // it was closed, with the poller at the latest
    if (s->kind != kNothing) CloseNumber(s);
  }
}

void Program::Run() {
  MakeSource();
  const size_t descriptors = OpenDescriptors();
  for (SlotPtr &s : slots_) s = std::make_shared<Slot>();
  Open();
  MakePair();
  MakeConnection();
  Serve(slots_[0]);
  Serve(slots_[1]);
  while (c_.More()) Step();
  if (content_ % 4) { // else close has to do with what is in flight
    Settle();
    Drain();
  }
  Close();
  for (const std::vector<char> &buffer : old_buffers_)
    for (const char byte : buffer)
      MUST(byte == static_cast<char>(0xee), "a buffer was written after its event");
  const size_t left = OpenDescriptors();
  MUST(left == descriptors, "%zu descriptors, %zu before", left, descriptors);
}

} // namespace calls

void RunCalls(const uint8_t *bytes, size_t n, const CallsSetup &setup) {
  calls::Program(bytes, n, setup).Run();
}
const CallsCounts &CountedCalls() { return calls::counts; }
