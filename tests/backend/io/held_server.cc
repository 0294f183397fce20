// SPDX-License-Identifier: MIT
#include "held_server.h"

#include "held_file.h"

#include <linux/fuse.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>

namespace evp {
namespace {

constexpr uint64_t kFirstNode = 2;
constexpr uint32_t kMostData = 1 << 17;

struct Request {
  uint64_t unique;
  uint32_t opcode;
  uint64_t offset;
  uint32_t size;
};

fuse_attr Attributes(uint64_t node) {
  fuse_attr a = {};
  a.ino = node;
  a.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755u : S_IFREG | 0644u;
  a.size = node == FUSE_ROOT_ID ? 0 : HeldFile::kSize;
  a.nlink = 1;
  a.uid = getuid();
  a.gid = getgid();
  a.blksize = 4096;
  return a;
}

class Server {
public:
  Server(int device, int control) : device_(device), control_(control) {}

  void Run() {
    std::vector<char> bytes(kMostData + 65536);
    for (;;) {
      pollfd ready[2] = {{device_, POLLIN, 0}, {control_, POLLIN, 0}};
      // A test that has not been heard of for so long is dead, though the kernel may keep parts of
      // it waiting for us.
      const int n_ready = poll(ready, 2, 60000);
      if (n_ready == 0 || (n_ready < 0 && errno != EINTR)) return;
      if (ready[1].revents && !Obey()) return;
      if (!ready[0].revents) continue;
      const ssize_t n = read(device_, bytes.data(), bytes.size());
      if (n < 0 && errno == ENODEV) return;
      if (n >= static_cast<ssize_t>(sizeof(fuse_in_header))) Handle(bytes.data());
    }
  }

private:
  bool Obey() {
    HeldCommand c;
    if (recv(control_, &c, sizeof c, MSG_WAITALL) != static_cast<ssize_t>(sizeof c)) return false;
    switch (c.what) {
    case HeldCommand::kAsk: break;
    case HeldCommand::kHold: hold_ = c.n; break;
    case HeldCommand::kRelease: Release(c.n, c.errors[0]); break;
    case HeldCommand::kReleaseAll:
      hold_ = 0;
      Release(held_.size(), c.errors[0]);
      break;
    case HeldCommand::kFail:
    case HeldCommand::kFailAlways:
      errors_.assign(c.errors, c.errors + c.n);
      always_ = c.what == HeldCommand::kFailAlways;
      break;
    case HeldCommand::kObey: obey_ = true; break;
    }
    HeldState state;
    state.held = held_.size();
    state.arrived = arrived_;
    return send(control_, &state, sizeof state, MSG_NOSIGNAL) == sizeof state;
  }

  void Release(size_t n, int error) {
    for (; n > 0 && !held_.empty(); n--) {
      const Request request = held_.front();
      held_.pop_front();
      Answer(request, error);
    }
  }

  void Handle(const char *bytes) {
    fuse_in_header in;
    std::memcpy(&in, bytes, sizeof in);
    const char *body = bytes + sizeof in;
    switch (in.opcode) {
    case FUSE_INIT: return Init(in.unique);
    case FUSE_LOOKUP: {
      fuse_entry_out out = {};
      out.nodeid = kFirstNode + static_cast<uint64_t>(*body - '0');
      out.generation = 1;
      out.entry_valid = out.attr_valid = 1000;
      out.attr = Attributes(out.nodeid);
      return Reply(in.unique, 0, &out, sizeof out);
    }
    case FUSE_GETATTR:
    case FUSE_SETATTR: {
      fuse_attr_out out = {};
      out.attr_valid = 1000;
      out.attr = Attributes(in.nodeid);
      return Reply(in.unique, 0, &out, sizeof out);
    }
    case FUSE_OPEN: {
      fuse_open_out out = {};
      out.open_flags = FOPEN_DIRECT_IO; // nothing is answered by the page cache
      return Reply(in.unique, 0, &out, sizeof out);
    }
    case FUSE_READ: return Data(in, body, fuse_read_in());
    case FUSE_WRITE: return Data(in, body, fuse_write_in());
    case FUSE_FSYNC: return Arrive({in.unique, in.opcode, 0, 0}, kHeldSync);
    case FUSE_FLUSH: return Arrive({in.unique, in.opcode, 0, 0}, kHeldClose);
    case FUSE_INTERRUPT: {
      fuse_interrupt_in interrupt;
      std::memcpy(&interrupt, body, sizeof interrupt);
      return Interrupt(interrupt.unique);
    }
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET: return;
    case FUSE_STATFS: {
      fuse_statfs_out out = {};
      out.st.bsize = out.st.frsize = 4096;
      out.st.namelen = 255;
      return Reply(in.unique, 0, &out, sizeof out);
    }
    case FUSE_RELEASE:
    case FUSE_ACCESS: return Reply(in.unique, 0, nullptr, 0);
    default: return Reply(in.unique, ENOSYS, nullptr, 0);
    }
  }

  void Init(uint64_t unique) {
    fuse_init_out out = {};
    out.major = FUSE_KERNEL_VERSION;
    out.minor = FUSE_KERNEL_MINOR_VERSION;
    out.max_background = 64;
    out.congestion_threshold = 64;
    out.max_write = kMostData;
    Reply(unique, 0, &out, sizeof out);
  }

  template <class Body> void Data(const fuse_in_header &in, const char *bytes, Body body) {
    std::memcpy(&body, bytes, sizeof body);
    Arrive({in.unique, in.opcode, body.offset, body.size}, kHeldData);
  }

  void Arrive(const Request &request, uint32_t kind) {
    if (kind != kHeldClose) arrived_++;
    if (hold_ & kind) {
      held_.push_back(request);
      return;
    }
    int error = 0;
    if (!errors_.empty() && kind != kHeldClose) {
      error = errors_.front();
      if (!always_) errors_.pop_front();
    }
    Answer(request, error);
  }

  void Interrupt(uint64_t unique) {
    for (auto it = held_.begin(); obey_ && it != held_.end(); ++it)
      if (it->unique == unique) {
        Reply(unique, EINTR, nullptr, 0);
        held_.erase(it);
        return;
      }
  }

  void Answer(const Request &request, int error) {
    if (error) return Reply(request.unique, error, nullptr, 0);
    if (request.opcode == FUSE_FSYNC || request.opcode == FUSE_FLUSH)
      return Reply(request.unique, 0, nullptr, 0);
    if (request.opcode == FUSE_WRITE) {
      fuse_write_out out = {};
      out.size = request.size;
      return Reply(request.unique, 0, &out, sizeof out);
    }
    const uint64_t left = request.offset < HeldFile::kSize ? HeldFile::kSize - request.offset : 0;
    const std::string bytes(request.size < left ? request.size : left, 'h');
    Reply(request.unique, 0, bytes.data(), bytes.size());
  }

  void Reply(uint64_t unique, int error, const void *body, size_t size) {
    fuse_out_header out = {};
    out.len = static_cast<uint32_t>(sizeof out + size);
    out.error = -error;
    out.unique = unique;
    std::vector<char> bytes(out.len);
    std::memcpy(bytes.data(), &out, sizeof out);
    if (size) std::memcpy(bytes.data() + sizeof out, body, size);
    // ENOENT: whoever asked has given up waiting. Nothing else can be done about the rest either.
    if (write(device_, bytes.data(), bytes.size()) < 0) return;
  }

  const int device_, control_;
  uint32_t hold_ = 0; // HeldKind
  bool obey_ = false, always_ = false;
  uint64_t arrived_ = 0;
  std::deque<Request> held_;
  std::deque<int> errors_;
};

} // namespace

void ServeHeldFiles(int device, int control) {
  // What else the test has open must not live on here; nor must its signals end this process.
  for (int fd = 0; fd < 1024; fd++)
    if (fd != device && fd != control) close(fd);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Server(device, control).Run();
  _exit(0);
}

} // namespace evp
