// SPDX-License-Identifier: MIT
// Random programs on the real kernel, against a model: files, sockets, cancels, removes, closes,
// numbers that are used again, forks, threads that end, cold caches, injected failures. What each
// step does depends on the seed and the step alone, so a failure is replayed by its seed:
//   fault_random --seed=7 --steps=100000 [--trace]
//
// The model: each operation that was accepted has one event, with a status that may be; bytes are
// of the right file, and as old as they may be; no buffer is touched after its event; CLOSE's event
// is the handle's last; a socket that is due is reported, and none after its remove.
#include "interpose.h"

#include <evpoll.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace evp;

constexpr int64_t kLong = 20'000'000'000;
constexpr size_t kBlock = 4096, kBlocks = 16, kFiles = 8, kRoom = 4 * kBlock;
constexpr size_t kHandles = 20, kSockets = 10;

uint64_t seed = 1, step = 0;
bool trace = false;

[[noreturn]] __attribute__((format(printf, 1, 2))) void Wrong(const char *format, ...) {
  std::printf("wrong: ");
  va_list list;
  va_start(list, format);
  std::vprintf(format, list);
  va_end(list);
  std::printf("\nseed %llu, step %llu: fault_random --seed=%llu --steps=%llu --trace\n",
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(step),
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(step + 1));
  std::fflush(stdout);
  _exit(1);
}
#define MUST(condition, ...)                                                                       \
  do {                                                                                             \
    if (!(condition)) Wrong(__VA_ARGS__);                                                          \
  } while (0)

// What is drawn in a step does not depend on how steps before it went.
class Dice {
public:
  explicit Dice(uint64_t state) : state_(state) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint32_t Below(uint64_t n) { return static_cast<uint32_t>(Next() % n); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

private:
  uint64_t state_;
};

// ---- the model

// A block holds one word over and over: the file's number and a version. Between a write that
// failed and the next, any word may be of the versions from `floor` to `top`.
struct Block {
  uint32_t floor = 1, top = 1;
  bool writing = false;
};

struct Disk {
  std::string path;
  bool direct = false;
  uint32_t version = 1;
  Block blocks[kBlocks];
};

struct Handle {
  enum State { kOpen, kServed, kEnded, kClosing, kGone } state = kOpen;
  int fd = -1;
  size_t disk = 0;
  uint64_t token = 0;
  int holds = 0, in_flight = 0;
};
using HandlePtr = std::shared_ptr<Handle>;

struct Op {
  HandlePtr handle;
  evpoll_io io = {};
  size_t disk = 0, first = 0, n = 0; // blocks
  char *buffer = nullptr;
  evpoll_iovec pieces[2];
  std::vector<uint32_t> floors, tops;
  uint32_t version = 0;
  bool asked = false, disturbed = false;
};
using OpPtr = std::shared_ptr<Op>;

struct List {
  uint64_t id = 0;
  std::vector<OpPtr> ops;
};

struct Socket {
  evpoll_handle a = -1, b = -1;
  bool registered = false, armed = false, due = false;
  uint64_t token = 0;
  uint32_t mode = 0, interest = 0, armed_bits = 0;
  size_t unread = 0;
};

class Program {
public:
  void Run(uint64_t steps) {
    MakeDisks();
    OpenPoller(Dice(seed));
    for (step = 0; step < steps; step++) {
      Dice dice(seed * 0x2545f4914f6cdd1d + step);
      Step(dice);
    }
    Settle();
    ClosePoller();
    for (const HandlePtr &h : handles_)
      if (h->state != Handle::kGone) close(h->fd);
    for (Socket &s : sockets_) CloseSocket(s);
    for (Disk &d : disks_) unlink(d.path.c_str());
    for (char *b : free_) std::free(b);
    MUST(fault::LivePieces() == 0, "%zu pieces of memory are left", fault::LivePieces());
  }
  uint64_t operations = 0, cancelled = 0, closes = 0, inline_ends = 0, busy = 0, reused = 0;

private:
  // ---- files

  void Say(const char *what, int64_t a = 0, int64_t b = 0) {
    if (trace)
      std::printf("%llu %s %lld %lld\n", static_cast<unsigned long long>(step), what,
                  static_cast<long long>(a), static_cast<long long>(b));
  }

  static uint64_t Word(size_t disk, uint32_t version) {
    return static_cast<uint64_t>(disk + 1) << 32 | version;
  }
  static void Fill(char *to, size_t bytes, uint64_t word) {
    for (size_t i = 0; i < bytes; i += 8) std::memcpy(to + i, &word, 8);
  }

  void MakeDisks() {
    disks_.resize(kFiles);
    std::vector<char> bytes(kBlock * kBlocks);
    for (size_t i = 0; i < kFiles; i++) {
      Disk &d = disks_[i];
      d.path = "evpoll-random-" + std::to_string(getpid()) + "-" + std::to_string(i);
      d.direct = i % 4 == 3;
      Fill(bytes.data(), bytes.size(), Word(i, 1));
      const int fd = open(d.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      MUST(fd >= 0 && write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
           "cannot make %s", d.path.c_str());
      fsync(fd);
      evpoll_handle h;
      if (d.direct &&
          evpoll_file_open(d.path.c_str(), EVPOLL_FILE_READ | EVPOLL_FILE_DIRECT, 0, &h) != 0)
        d.direct = false;
      else if (d.direct)
        evpoll_file_close(h);
      close(fd);
    }
  }

  char *TakeBuffer() {
    if (free_.empty()) {
      free_.push_back(static_cast<char *>(std::aligned_alloc(kBlock, kRoom)));
      std::memset(free_.back(), 0xee, kRoom);
    }
    char *const buffer = free_.back();
    free_.pop_back();
    for (size_t i = 0; i < kRoom; i++)
      MUST(static_cast<unsigned char>(buffer[i]) == 0xee, "a buffer was written after its event");
    return buffer;
  }
  void GiveBuffer(Op &op) {
    if (!op.buffer) return;
    std::memset(op.buffer, 0xee, kRoom);
    // Not the next one to be taken: what comes late has time to come.
    free_.push_front(op.buffer);
    op.buffer = nullptr;
  }

  // ---- the poller

  void OpenPoller(Dice dice) {
    static const uint32_t flags[] = {0,
                                     EVPOLL_OPEN_SINGLE_WAITER,
                                     EVPOLL_OPEN_NO_URING,
                                     EVPOLL_OPEN_SINGLE_WAITER | EVPOLL_OPEN_NO_URING,
                                     EVPOLL_OPEN_NATIVE_IO_ONLY,
                                     0};
    evpoll_options options = {};
    options.struct_size = sizeof options;
    options.flags = flags[dice.Below(6)];
    options.io_limit = dice.OneIn(2) ? 16 + dice.Below(64) : 0;
    options.pool_threads = 1 + dice.Below(4);
    native_ = options.flags & EVPOLL_OPEN_NATIVE_IO_ONLY;
    Say("poller", options.flags, options.io_limit);
    if (dice.OneIn(4)) {
      fault::Arm(fault::kRingSetup, 1, dice.OneIn(2) ? EMFILE : ENOMEM, 1);
      strange_ = true;
    }
    MUST(evpoll_open(&options, &p_) == 0, "open");
    io_limit_ = options.io_limit ? options.io_limit : 1 << 20;
  }

  // The kernel has given every buffer back: nothing in flight has an event any more.
  void ClosePoller() {
    for (const HandlePtr &h : handles_) {
      for (; h->holds; h->holds--) MUST(evpoll_release(p_, h->fd) == 0, "release");
      if (h->state == Handle::kClosing) h->state = Handle::kGone;
      if (h->state != Handle::kGone) h->state = Handle::kOpen;
      h->in_flight = 0;
    }
    MUST(evpoll_close(p_, EVPOLL_INFINITE) == 0, "close");
    fault::Disarm();
    strange_ = false;
    for (auto &[token, op] : ops_) Forget(*op);
    for (auto &[token, list] : lists_)
      for (const OpPtr &op : list.ops) Forget(*op);
    ops_.clear();
    lists_.clear();
    posts_.clear();
    orphans_ = 0;
    woken_ = false;
    for (Socket &s : sockets_) s.registered = s.due = false;
    Bury();
  }
  // Its outcome is not known.
  void Forget(Op &op) {
    for (size_t i = op.first; op.version && i < op.first + op.n; i++)
      disks_[op.disk].blocks[i].writing = false;
    GiveBuffer(op);
  }
  void Bury() {
    handles_.erase(std::remove_if(handles_.begin(), handles_.end(),
                                  [](const HandlePtr &h) { return h->state == Handle::kGone; }),
                   handles_.end());
  }

  // ---- operations

  // Of two with one number, of which the first is about to have CLOSE's event, the second.
  HandlePtr AnyHandle(Dice &dice) {
    HandlePtr chosen = handles_.empty() ? nullptr : handles_[dice.Below(handles_.size())];
    for (const HandlePtr &h : handles_)
      if (h->fd == chosen->fd) chosen = h;
    return chosen;
  }

  // A small ring is full at once, and there may be no pool.
  bool LacksRoom() const { return strange_ || native_; }

  OpPtr MakeOp(Dice &dice, const HandlePtr &h) {
    static const uint32_t codes[] = {EVPOLL_OP_READ,  EVPOLL_OP_READ,  EVPOLL_OP_READ,
                                     EVPOLL_OP_READV, EVPOLL_OP_WRITE, EVPOLL_OP_WRITEV,
                                     EVPOLL_OP_READ,  EVPOLL_OP_WRITE};
    auto op = std::make_shared<Op>();
    Disk &d = disks_[h->disk];
    op->handle = h;
    op->disk = h->disk;
    op->first = dice.Below(kBlocks);
    op->n = 1 + dice.Below(std::min<size_t>(4, kBlocks - op->first));
    op->io.code = codes[dice.Below(8)];
    if (dice.OneIn(25)) op->io.code = dice.OneIn(2) ? EVPOLL_OP_FSYNC : EVPOLL_OP_FDATASYNC;
    const bool past_end = dice.OneIn(30);
    bool writes = op->io.code == EVPOLL_OP_WRITE || op->io.code == EVPOLL_OP_WRITEV;
    for (size_t i = op->first; writes && i < op->first + op->n; i++) writes = !d.blocks[i].writing;
    if (!writes && op->io.code == EVPOLL_OP_WRITE) op->io.code = EVPOLL_OP_READ;
    if (!writes && op->io.code == EVPOLL_OP_WRITEV) op->io.code = EVPOLL_OP_READV;
    op->io.token = ++tokens_;
    op->io.handle = h->fd;
    op->io.flags = dice.OneIn(3) ? EVPOLL_OPF_INLINE : 0;
    if (op->io.code >= EVPOLL_OP_FSYNC) {
      op->n = 0;
      return op;
    }
    op->buffer = TakeBuffer();
    op->io.offset = static_cast<int64_t>(op->first * kBlock);
    const bool vectored = op->io.code == EVPOLL_OP_READV || op->io.code == EVPOLL_OP_WRITEV;
    const uint64_t bytes = op->n * kBlock, half = bytes / 2 / kBlock * kBlock;
    op->pieces[0] = {EVPOLL_ADDR(op->buffer), half};
    op->pieces[1] = {EVPOLL_ADDR(op->buffer + half), bytes - half};
    op->io.buffer = vectored ? EVPOLL_ADDR(op->pieces) : EVPOLL_ADDR(op->buffer);
    op->io.length = vectored ? 2 : bytes;
    if (writes) {
      op->version = ++d.version;
      Fill(op->buffer, bytes, Word(op->disk, op->version));
    } else if (past_end) {
      op->io.offset += static_cast<int64_t>(kBlocks * kBlock);
      op->first = kBlocks;
    }
    for (size_t i = 0; op->first < kBlocks && i < op->n; i++) {
      Block &b = d.blocks[op->first + i];
      op->floors.push_back(b.floor);
      op->tops.push_back(b.top);
      if (!writes) continue;
      b.writing = true;
      b.top = op->version;
    }
    return op;
  }

  void Refused(const OpPtr &op) {
    for (size_t i = 0; op->version && i < op->n; i++) {
      Block &b = disks_[op->disk].blocks[op->first + i];
      b.writing = false;
      b.top = op->tops[i];
    }
    GiveBuffer(*op);
  }

  void CheckBytes(const Op &op, int64_t result) {
    const int64_t whole = static_cast<int64_t>(op.n * kBlock);
    MUST(result >= 0 && result <= whole, "%lld bytes of %lld", static_cast<long long>(result),
         static_cast<long long>(whole));
    if (op.first == kBlocks) {
      MUST(result == 0, "bytes past the end");
      return;
    }
    MUST(result > 0, "the end, where there are bytes");
    for (int64_t at = 0; !op.version && at + 8 <= result; at += 8) {
      uint64_t word;
      std::memcpy(&word, op.buffer + at, 8);
      const size_t block = static_cast<size_t>(at) / kBlock;
      const uint32_t version = static_cast<uint32_t>(word);
      MUST(word >> 32 == op.disk + 1, "bytes of file %llu from file %zu, fd %d",
           static_cast<unsigned long long>(word >> 32), op.disk + 1, op.handle->fd);
      MUST(version >= op.floors[block] && version <= disks_[op.disk].blocks[op.first + block].top,
           "version %u of block %zu, from %u to %u may be", version, op.first + block,
           op.floors[block], disks_[op.disk].blocks[op.first + block].top);
    }
  }

  // The outcome of an operation, however it was told.
  void Finish(const OpPtr &op, int32_t status, int64_t result) {
    operations++;
    if (op->io.code >= EVPOLL_OP_FSYNC) {
      MUST(status != 0 || result == 0, "a sync's result is %lld", static_cast<long long>(result));
    } else if (status == 0) {
      CheckBytes(*op, result);
    }
    const bool may = status == 0 || (status == EVPOLL_ERR_CANCELLED && op->asked) ||
                     (native_ && status == EVPOLL_ERR_NO_MEMORY) ||
                     (native_ && op->disturbed &&
                      (status == EVPOLL_ERR_AGAIN || status == EVPOLL_ERR_FAULT ||
                       status == EVPOLL_ERR_CANCELLED));
    MUST(may, "operation %llu, code %u, fd %d ended with %s (%lld), asked %d",
         static_cast<unsigned long long>(op->io.token), op->io.code, op->handle->fd,
         evpoll_strerror(status), static_cast<long long>(result), op->asked);
    cancelled += status == EVPOLL_ERR_CANCELLED;
    for (size_t i = 0; op->version && i < op->n; i++) {
      Block &b = disks_[op->disk].blocks[op->first + i];
      b.writing = false;
      if (status == 0 && result >= static_cast<int64_t>((i + 1) * kBlock)) b.floor = op->version;
    }
    GiveBuffer(*op);
  }

  // Calls evpoll_submit(), in a thread that ends then, or here.
  int32_t SubmitAll(Dice &dice, std::vector<evpoll_io> &ios) {
    if (!dice.OneIn(12)) return evpoll_submit(p_, ios.data(), static_cast<int32_t>(ios.size()));
    Say("... in a thread");
    int32_t accepted = 0;
    std::thread submitter(
        [&] { accepted = evpoll_submit(p_, ios.data(), static_cast<int32_t>(ios.size())); });
    switch (dice.Below(4)) {
    case 0: CancelAll(); break;
    case 1: Wait(dice, 0); break;
    case 2:
      for (auto &[token, op] : ops_) op->asked |= token == ios[0].token;
      evpoll_cancel_token(p_, ios[0].handle, ios[0].token);
      break;
    }
    submitter.join();
    return accepted;
  }

  void Submit(Dice &dice) {
    const uint32_t n = 1 + (dice.OneIn(8) ? dice.Below(40) : dice.Below(6));
    std::vector<OpPtr> ops;
    std::vector<evpoll_io> ios;
    HandlePtr h = AnyHandle(dice);
    for (uint32_t i = 0; h && i < n; i++) {
      if (dice.OneIn(3)) h = AnyHandle(dice);
      ops.push_back(MakeOp(dice, h));
      ios.push_back(ops.back()->io);
      ops_[ops.back()->io.token] = ops.back();
      ops.back()->disturbed = strange_;
    }
    if (ios.empty()) return;
    Say("submit", n, h->fd);
    const size_t in_flight = InFlight();
    deciding_ = true;
    const int32_t accepted = SubmitAll(dice, ios);
    deciding_ = false;
    int32_t count = 0;
    size_t started = 0;
    for (size_t i = 0; i < ios.size(); i++) {
      const evpoll_io &io = ios[i];
      const OpPtr &op = ops[i];
      const bool served = op->handle->state == Handle::kServed;
      count += io.status == 0;
      started += io.op != 0;
      MUST(io.op == 0 || io.status == 0, "an id beside status %d", io.status);
      op->io.op = io.op;
      if (io.op) {
        MUST(served, "accepted for fd %d, which is not registered", op->handle->fd);
        op->handle->in_flight++;
        continue;
      }
      ops_.erase(io.token);
      if (io.status == 0) {
        MUST(io.flags & EVPOLL_OPF_INLINE, "ended inline without being asked to");
        inline_ends++;
        Finish(op, 0, io.offset);
        continue;
      }
      const bool may = (!served && io.status == EVPOLL_ERR_NOT_FOUND) ||
                       (io.status == EVPOLL_ERR_AGAIN && in_flight + ios.size() > io_limit_) ||
                       (LacksRoom() && io.status == EVPOLL_ERR_NO_MEMORY) ||
                       (strange_ && io.status == EVPOLL_ERR_LIMIT);
      MUST(may, "refused with %s: fd %d, state %d", evpoll_strerror(io.status), op->handle->fd,
           op->handle->state);
      Refused(op);
    }
    MUST(accepted == count, "submit says %d, and %d were accepted", accepted, count);
    size_t running = 0; // CLOSE is let in beyond the limit, and of a list some may be over
    for (auto &[token, op] : ops_) running += op->io.code != EVPOLL_OP_CLOSE;
    MUST(running <= io_limit_ + early_.size(), "%zu in flight, %llu may be", running,
         static_cast<unsigned long long>(io_limit_));
    const std::vector<evpoll_event> early = std::move(early_);
    early_.clear();
    for (const evpoll_event &e : early) Take(e);
  }

  void SubmitList(Dice &dice) {
    const HandlePtr h = AnyHandle(dice);
    if (!h) return;
    List list;
    std::vector<evpoll_io> ios;
    const uint32_t n = 1 + dice.Below(8);
    for (uint32_t i = 0; i < n; i++) {
      list.ops.push_back(MakeOp(dice, h));
      list.ops.back()->io.flags = 0;
      list.ops.back()->disturbed = strange_;
      ios.push_back(list.ops.back()->io);
    }
    const uint64_t token = ++tokens_;
    Say("list", n, h->fd);
    const int32_t status =
        evpoll_submit_list(p_, ios.data(), static_cast<int32_t>(n), token, &list.id);
    if (status < 0) {
      const bool may = (h->state != Handle::kServed && status == EVPOLL_ERR_NOT_FOUND) ||
                       (status == EVPOLL_ERR_AGAIN && InFlight() + n > io_limit_) ||
                       (strange_ && status == EVPOLL_ERR_NO_MEMORY);
      MUST(may, "a list was refused with %s", evpoll_strerror(status));
      for (const OpPtr &op : list.ops) Refused(op);
      return;
    }
    MUST(status == static_cast<int32_t>(n), "a list of %u is %d", n, status);
    MUST(h->state == Handle::kServed, "a list was accepted for what is not registered");
    h->in_flight += static_cast<int>(n);
    lists_[token] = list;
  }

  size_t InFlight() {
    size_t n = 0;
    for (const HandlePtr &h : handles_)
      n += static_cast<size_t>(h->in_flight) + (h->state == Handle::kClosing);
    return n + orphans_;
  }

  void Ask(const HandlePtr &h) {
    for (auto &[token, op] : ops_)
      if (!h || op->handle == h) op->asked = true;
    for (auto &[token, list] : lists_)
      for (const OpPtr &op : list.ops)
        if (!h || op->handle == h) op->asked = true;
  }
  void CancelAll() {
    Ask(nullptr);
    MUST(evpoll_cancel_all(p_) >= 0, "cancel_all");
  }
  void Cancel(Dice &dice) {
    const HandlePtr h = AnyHandle(dice);
    Say("cancel");
    switch (dice.Below(8)) {
    case 0: return CancelAll();
    case 1:
      if (!h) return;
      Ask(h);
      evpoll_cancel_handle(p_, h->fd);
      return;
    case 2: {
      if (lists_.empty()) return;
      auto &[token, list] = *lists_.begin();
      for (const OpPtr &op : list.ops) op->asked = true;
      evpoll_cancel(p_, list.id);
      return;
    }
    }
    if (ops_.empty()) return;
    auto it = ops_.begin();
    std::advance(it, dice.Below(ops_.size()));
    if (!it->second->io.op) return; // CLOSE
    if (it->second->io.code == EVPOLL_OP_CLOSE) {
      MUST(evpoll_cancel(p_, it->second->io.op) == EVPOLL_ERR_NOT_FOUND, "CLOSE was cancelled");
      return;
    }
    it->second->asked = true;
    const int32_t asked = evpoll_cancel(p_, it->second->io.op);
    MUST(asked == 1, "cancel of what is in flight: %d", asked);
  }

  // ---- handles

  void OpenHandle(Dice &dice) {
    if (handles_.size() >= kHandles) return;
    auto h = std::make_shared<Handle>();
    h->disk = dice.Below(kFiles);
    const uint32_t flags = EVPOLL_FILE_READ | EVPOLL_FILE_WRITE |
                           (disks_[h->disk].direct ? uint32_t{EVPOLL_FILE_DIRECT} : 0);
    evpoll_handle fd;
    MUST(evpoll_file_open(disks_[h->disk].path.c_str(), flags, 0, &fd) == 0, "file_open");
    h->fd = static_cast<int>(fd);
    for (auto &[token, op] : ops_) reused += op->handle->fd == h->fd;
    handles_.push_back(h);
    Say("open", h->fd);
    if (!dice.OneIn(10)) Add(h);
  }
  void Add(const HandlePtr &h) {
    const uint64_t token = ++tokens_;
    if (h->state == Handle::kServed) Ask(h);
    const bool clean = h->in_flight == 0 && h->holds == 0;
    const int32_t status = evpoll_add(p_, h->fd, token, 0, EVPOLL_OPERATIONS);
    Say("add", h->fd, status);
    if (status >= 0) {
      h->token = token;
      // What is still in flight is the old registration's; it counts no more here.
      if (h->state != Handle::kOpen) Orphan(h);
      h->state = Handle::kServed;
      return;
    }
    if (status == EVPOLL_ERR_BUSY) {
      MUST(!clean && h->state != Handle::kOpen, "an add of fd %d is BUSY for nothing", h->fd);
      h->state = Handle::kEnded;
      return;
    }
    MUST(strange_ && (status == EVPOLL_ERR_NO_MEMORY || status == EVPOLL_ERR_LIMIT), "add: %s",
         evpoll_strerror(status));
    // Whatever was registered may have ended already.
    if (h->state == Handle::kServed || h->state == Handle::kEnded) {
      Orphan(h);
      h->state = Handle::kOpen;
    }
  }
  // Nobody names the number any more; what the kernel has of it is another handle's from here on.
  void Orphan(const HandlePtr &h) {
    auto old = std::make_shared<Handle>(*h);
    old->state = Handle::kGone;
    for (auto &[token, op] : ops_)
      if (op->handle == h) op->handle = old;
    for (auto &[token, list] : lists_)
      for (const OpPtr &op : list.ops)
        if (op->handle == h) op->handle = old;
    orphans_ += static_cast<size_t>(h->in_flight);
    h->in_flight = 0;
  }
  bool Remove(const HandlePtr &h) {
    Ask(h);
    const int32_t status = evpoll_remove(p_, h->fd, h->token);
    Say("remove", h->fd, status);
    if (status == EVPOLL_ERR_BUSY) {
      busy++;
      MUST(h->in_flight || h->holds, "remove of fd %d is BUSY for nothing", h->fd);
      h->state = Handle::kEnded;
      return false;
    }
    MUST(status == 0, "remove: %s", evpoll_strerror(status));
    MUST(h->holds == 0, "removed while it is held");
    Orphan(h);
    h->state = Handle::kOpen;
    return true;
  }
  void CloseByOperation(const HandlePtr &h) {
    Ask(h);
    auto op = std::make_shared<Op>();
    op->handle = h;
    op->io.token = ++tokens_;
    op->io.handle = h->fd;
    op->io.code = EVPOLL_OP_CLOSE;
    const int32_t accepted = evpoll_submit(p_, &op->io, 1);
    Say("CLOSE", h->fd, accepted);
    MUST(accepted == 1 && op->io.op, "CLOSE was refused with %s", evpoll_strerror(op->io.status));
    h->state = Handle::kClosing;
    ops_[op->io.token] = op;
  }
  void Closed(const OpPtr &op, int32_t status) {
    const HandlePtr h = op->handle;
    closes++;
    MUST(status == 0, "CLOSE ended with %s", evpoll_strerror(status));
    MUST(h->in_flight == 0, "CLOSE's event is not the last of fd %d", h->fd);
    MUST(h->holds == 0, "fd %d was closed while it was held", h->fd);
    h->state = Handle::kGone;
    Bury();
    bool again = false;
    for (const HandlePtr &other : handles_) again |= other->fd == h->fd;
    for (const Socket &s : sockets_) again |= s.a == h->fd || s.b == h->fd;
    // Something of the library's own may have the number by now: a ring, an alarm.
    struct stat now = {}, file = {};
    const bool open = fstat(h->fd, &now) == 0 && stat(disks_[h->disk].path.c_str(), &file) == 0 &&
                      now.st_dev == file.st_dev && now.st_ino == file.st_ino;
    MUST(again || !open, "fd %d is still open after CLOSE", h->fd);
  }
  void ChangeHandle(Dice &dice) {
    const HandlePtr h = AnyHandle(dice);
    const uint32_t what = dice.Below(12);
    if (!h || what < 3) return OpenHandle(dice);
    switch (h->state) {
    case Handle::kOpen:
      if (what < 7) return Add(h);
      close(h->fd); // what the kernel has of it goes on
      h->state = Handle::kGone;
      return Bury();
    case Handle::kServed:
    case Handle::kEnded:
      if (what < 5 && Remove(h) && dice.OneIn(2)) {
        close(h->fd);
        h->state = Handle::kGone;
        Bury();
      } else if (what >= 5 && what < 7 && h->state == Handle::kServed) {
        MUST(evpoll_hold(p_, h->fd, h->token) == 0, "hold");
        h->holds++;
      } else if (what == 7 && h->holds) {
        Release(h);
      } else if (what == 8) {
        Add(h);
      } else if (what >= 9) {
        CloseByOperation(h);
      }
      return;
    case Handle::kClosing:
      if (h->holds && what < 8) Release(h);
      return;
    case Handle::kGone: return;
    }
  }
  void Release(const HandlePtr &h) {
    MUST(evpoll_release(p_, h->fd) == 0, "release");
    h->holds--;
  }

  // ---- sockets

  void CloseSocket(Socket &s) {
    if (s.a < 0) return;
    evpoll_socket_close(s.a);
    evpoll_socket_close(s.b);
    s = Socket();
  }
  // What is true now is reported after add and modify, and to whom it was armed for.
  static bool Ready(const Socket &s) {
    const uint32_t bits = s.mode == EVPOLL_ONESHOT ? s.armed_bits : s.interest;
    return s.registered && s.armed &&
           ((bits & EVPOLL_WRITABLE) || ((bits & EVPOLL_READABLE) && s.unread));
  }
  void ChangeSocket(Dice &dice) {
    Socket &s = sockets_[dice.Below(kSockets)];
    const uint32_t what = dice.Below(10);
    if (s.a < 0) {
      MUST(evpoll_socket_pair(&s.a, &s.b) == 0, "socket_pair");
      for (auto &[token, op] : ops_) reused += op->handle->fd == s.a || op->handle->fd == s.b;
      return;
    }
    static const uint32_t interests[] = {EVPOLL_READABLE, EVPOLL_READABLE,
                                         EVPOLL_READABLE, EVPOLL_READABLE | EVPOLL_WRITABLE,
                                         EVPOLL_WRITABLE, 0};
    if (what < 4) {
      MUST(evpoll_socket_send(s.b, "12345", 5) == 5, "send");
      s.unread += 5;
      if (s.registered && s.armed &&
          (s.mode == EVPOLL_ONESHOT ? s.armed_bits : s.interest) & EVPOLL_READABLE)
        s.due = true;
      if (s.unread > 20000) Drain(s);
    } else if (what == 4) {
      Drain(s);
    } else if (what < 7 && (!s.registered || what == 5)) {
      const uint64_t token = ++tokens_;
      s.mode = dice.Below(3);
      s.interest = s.armed_bits = interests[dice.Below(6)];
      const int32_t status = evpoll_add(p_, s.a, token, s.interest, s.mode);
      Say("add socket", s.a, status);
      if (strange_ && status == EVPOLL_ERR_NO_MEMORY) {
        s.registered = s.due = false;
        evpoll_remove(p_, s.a, s.token);
        return;
      }
      MUST(status >= 0, "add of a socket: %s", evpoll_strerror(status));
      s.token = token;
      s.registered = s.armed = true;
      s.due = Ready(s);
    } else if (what == 6) {
      s.mode = dice.Below(3);
      s.interest = s.armed_bits = interests[dice.Below(6)];
      const int32_t status = evpoll_modify(p_, s.a, s.token, s.interest, s.mode);
      MUST(status == 0, "modify: %s", evpoll_strerror(status));
      s.armed = true;
      s.due = Ready(s);
    } else if (what == 7 && s.registered && s.interest) {
      const int32_t status = evpoll_rearm(p_, s.a, s.token, s.interest);
      MUST(status == 0, "rearm: %s", evpoll_strerror(status));
      if (s.mode != EVPOLL_ONESHOT) return;
      s.armed = true;
      s.armed_bits = s.interest;
      s.due = Ready(s);
    } else if (what == 8 && s.registered) {
      MUST(evpoll_remove(p_, s.a, s.token) == 0, "remove of a socket");
      s.registered = s.due = false;
    } else if (what == 9) {
      Say("close socket", s.a, s.registered);
      CloseSocket(s); // also without remove: there is no duplicate
    }
  }
  void Drain(Socket &s) {
    char bytes[32768];
    const int32_t n = s.unread ? evpoll_socket_recv(s.a, bytes, sizeof bytes) : 0;
    MUST(n == static_cast<int32_t>(s.unread), "%d bytes of %zu", n, s.unread);
    s.unread = 0;
    s.due = s.due && s.mode != EVPOLL_EDGE && Ready(s);
  }

  // ---- events

  void TakeReadiness(const evpoll_event &e) {
    for (Socket &s : sockets_) {
      if (!s.registered || s.token != e.token) continue;
      const uint32_t bits = s.mode == EVPOLL_ONESHOT ? s.armed_bits : s.interest;
      MUST((e.events & ~bits) == 0 && e.events, "events 0x%x for interest 0x%x", e.events, bits);
      MUST(!(e.events & EVPOLL_READABLE) || s.unread, "READABLE without data");
      MUST(s.armed, "reported twice in ONESHOT mode");
      if (s.mode == EVPOLL_ONESHOT) s.armed = false;
      s.due = false;
      return;
    }
    Wrong("readiness 0x%x of token %llu, which is not registered", e.events,
          static_cast<unsigned long long>(e.token));
  }

  void TakeList(const evpoll_event &e) {
    const auto it = lists_.find(e.token);
    MUST(it != lists_.end() && it->second.id == e.op, "the event of a list that there is not");
    std::vector<OpPtr> ops = it->second.ops;
    std::vector<evpoll_result> results(ops.size());
    MUST(evpoll_list_take(p_, e.op, results.data(), static_cast<int32_t>(ops.size())) ==
             static_cast<int32_t>(ops.size()),
         "list_take");
    int64_t good = 0;
    for (size_t i = 0; i < ops.size(); i++) {
      const bool refused = LacksRoom() && results[i].status == EVPOLL_ERR_NO_MEMORY;
      if (ops[i]->handle->state == Handle::kGone)
        orphans_--;
      else
        ops[i]->handle->in_flight--;
      ops[i]->disturbed |= refused;
      good += results[i].status == 0;
      Finish(ops[i], results[i].status, results[i].result);
    }
    MUST(good == e.result, "a list of which %lld succeeded says %lld", static_cast<long long>(good),
         static_cast<long long>(e.result));
    MUST(e.status == (good == static_cast<int64_t>(ops.size()) ? 0 : EVPOLL_ERR_PARTIAL),
         "PARTIAL");
    lists_.erase(it);
  }

  void Take(const evpoll_event &e) {
    if (e.events == EVPOLL_WAKE) {
      MUST(woken_, "a wake that nobody made");
      woken_ = false;
    } else if (e.events == EVPOLL_POST) {
      MUST(!posts_.empty() && posts_.front() == e.token, "posts are out of order");
      posts_.pop_front();
    } else if (e.events == EVPOLL_IO_LIST) {
      TakeList(e);
    } else if (e.events == EVPOLL_IO) {
      const auto it = ops_.find(e.token);
      MUST(it != ops_.end(), "a second event of operation %llu, or one that was refused",
           static_cast<unsigned long long>(e.token));
      const OpPtr op = it->second;
      if (deciding_ && !op->io.op) {
        early_.push_back(e);
        return;
      }
      MUST(op->io.op == e.op, "another id than submit said");
      ops_.erase(it);
      if (op->io.code == EVPOLL_OP_CLOSE) return Closed(op, e.status);
      if (op->handle->state == Handle::kGone)
        orphans_--;
      else
        op->handle->in_flight--;
      Finish(op, e.status, e.result);
    } else {
      TakeReadiness(e);
    }
  }

  int32_t Wait(Dice &dice, int64_t timeout_ns) {
    evpoll_event events[64];
    const int32_t capacity = 1 + (dice.OneIn(2) ? dice.Below(64) : dice.Below(3));
    const int32_t n = evpoll_wait(p_, events, capacity, timeout_ns);
    MUST(n >= 0 && n <= capacity, "wait: %d", n);
    for (int32_t i = 0; i < n; i++) Take(events[i]);
    return n;
  }

  bool Pending() {
    bool pending = !ops_.empty() || !lists_.empty() || !posts_.empty() || woken_;
    for (const Socket &s : sockets_) pending |= s.due;
    return pending;
  }

  // Everything that is due comes, and nothing else.
  void Settle() {
    Say("settle");
    fault::Disarm();
    strange_ = false;
    for (const HandlePtr &h : handles_)
      while (h->holds) Release(h);
    Dice dice(step);
    timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (Pending()) {
      Wait(dice, kLong);
      clock_gettime(CLOCK_MONOTONIC, &now);
      if (now.tv_sec - start.tv_sec < 20) continue;
      for (const Socket &s : sockets_)
        if (s.due)
          Wrong("socket %lld was not reported: mode %u, interest 0x%x, %zu unread",
                static_cast<long long>(s.a), s.mode, s.interest, s.unread);
      Wrong("%zu operations, %zu lists and %zu posts never came", ops_.size(), lists_.size(),
            posts_.size());
    }
    MUST(orphans_ == 0 && InFlight() == 0, "the model's own count");
    struct evpoll_poller_stats stats = {};
    stats.struct_size = sizeof stats;
    MUST(evpoll_stats(p_, &stats) == 0 && stats.io_in_flight == 0 &&
             stats.io_submitted == stats.io_completed,
         "%llu submitted, %llu completed, %llu in flight",
         static_cast<unsigned long long>(stats.io_submitted),
         static_cast<unsigned long long>(stats.io_completed),
         static_cast<unsigned long long>(stats.io_in_flight));
    for (const HandlePtr &h : handles_)
      if (h->state == Handle::kEnded) MUST(Remove(h), "BUSY with nothing in flight");
  }

  // ---- the rest

  void Fork(Dice &dice) {
    Say("fork");
    std::fflush(stdout);
    const bool closes = dice.OneIn(2);
    const pid_t child = fork();
    if (child == 0) {
      evpoll_event e;
      bool good = evpoll_wait(p_, &e, 1, EVPOLL_INFINITE) == EVPOLL_ERR_FORKED;
      if (closes) good &= evpoll_close(p_, EVPOLL_INFINITE) == 0;
      _exit(good ? 0 : 1);
    }
    int state = -1;
    MUST(child > 0 && waitpid(child, &state, 0) == child && state == 0, "the child: %d", state);
  }

  void Evict(Dice &dice) {
    const Disk &d = disks_[dice.Below(kFiles)];
    const int fd = open(d.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (dice.OneIn(4)) fdatasync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
  }

  // Failures that nobody may notice, but for what `strange_` allows.
  void Inject(Dice &dice) {
    static const struct {
      fault::Call call;
      int error;
    } kinds[] = {
        {fault::kRingResult, ECANCELED}, {fault::kRingResult, EFAULT},
        {fault::kRingResult, EINTR},     {fault::kRingResult, EAGAIN},
        {fault::kRingSubmit, EAGAIN},    {fault::kRingSubmit, ENOMEM},
        {fault::kRingSubmit, EBUSY},     {fault::kRingSubmit, EINTR},
        {fault::kRingPartial, 0},        {fault::kEpollWait, EINTR},
        {fault::kCachedRead, EAGAIN},    {fault::kPread, EINTR},
        {fault::kPwrite, EINTR},         {fault::kPreadv, EINTR},
        {fault::kMemory, ENOMEM},        {fault::kThread, EAGAIN},
        {fault::kEpollCreate, EMFILE},   {fault::kFsync, EINTR},
        {fault::kEpollControl, ENOMEM},
    };
    const auto &kind = kinds[dice.Below(sizeof kinds / sizeof *kinds)];
    Say("inject", kind.call, kind.error);
    strange_ = true;
    for (auto &[token, op] : ops_) op->disturbed = true;
    for (auto &[token, list] : lists_)
      for (const OpPtr &op : list.ops) op->disturbed = true;
    fault::Arm(kind.call, 1 + static_cast<int>(dice.Below(4)), kind.error,
               1 + static_cast<int>(dice.Below(4)));
    const uint32_t steps = 1 + dice.Below(4);
    for (uint32_t i = 0; i < steps; i++) {
      const uint32_t what = dice.Below(10);
      if (what < 5)
        Submit(dice);
      else if (what < 6)
        SubmitList(dice);
      else if (what < 8)
        Wait(dice, 0);
      else if (what < 9)
        Cancel(dice);
      else
        ChangeHandle(dice);
    }
    fault::Disarm();
    strange_ = false;
  }

  void Step(Dice &dice) {
    const uint32_t what = dice.Below(1000);
    if (what < 330)
      Submit(dice);
    else if (what < 370)
      SubmitList(dice);
    else if (what < 620)
      Wait(dice, dice.OneIn(3) && Pending() ? 1000000 : 0);
    else if (what < 680)
      Cancel(dice);
    else if (what < 820)
      ChangeHandle(dice);
    else if (what < 940)
      ChangeSocket(dice);
    else if (what < 950) {
      if (evpoll_post(p_, ++tokens_, 0) == 0) posts_.push_back(tokens_);
    } else if (what < 960) {
      MUST(evpoll_wake(p_) == 0, "wake");
      woken_ = true;
    } else if (what < 975)
      Evict(dice);
    else if (what < 992)
      Inject(dice);
    else if (what < 995)
      Settle();
    else if (what < 998)
      Fork(dice);
    else if (what < 999)
      return;
    else {
      ClosePoller();
      OpenPoller(dice);
    }
  }

  evpoll *p_ = nullptr;
  uint64_t io_limit_ = 0;
  bool native_ = false;
  bool strange_ = false;  // something is made to fail
  bool deciding_ = false; // submit has not returned yet
  bool woken_ = false;
  uint64_t tokens_ = 1000;
  size_t orphans_ = 0; // in flight, of handles that are gone
  std::vector<Disk> disks_;
  std::vector<HandlePtr> handles_;
  Socket sockets_[kSockets];
  std::map<uint64_t, OpPtr> ops_; // by token
  std::map<uint64_t, List> lists_;
  std::deque<uint64_t> posts_;
  std::vector<evpoll_event> early_;
  std::deque<char *> free_;
};

} // namespace

int main(int argc, char **argv) {
  uint64_t steps = 100000;
  for (int i = 1; i < argc; i++) {
    if (std::strncmp(argv[i], "--seed=", 7) == 0) seed = std::strtoull(argv[i] + 7, nullptr, 10);
    if (std::strncmp(argv[i], "--steps=", 8) == 0) steps = std::strtoull(argv[i] + 8, nullptr, 10);
    trace |= std::strcmp(argv[i], "--trace") == 0;
  }
  fault::ColdCache(false);
  Program program;
  program.Run(steps);
  std::printf("seed %llu: %llu steps, %llu operations (%llu inline, %llu cancelled), %llu closes, "
              "%llu BUSY, %llu numbers used again under an operation\n",
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(steps),
              static_cast<unsigned long long>(program.operations),
              static_cast<unsigned long long>(program.inline_ends),
              static_cast<unsigned long long>(program.cancelled),
              static_cast<unsigned long long>(program.closes),
              static_cast<unsigned long long>(program.busy),
              static_cast<unsigned long long>(program.reused));
  return 0;
}
