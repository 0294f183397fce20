// SPDX-License-Identifier: MIT
// Files whose operations take as long, and end as, the test wants (or the bench): they are served
// through FUSE by a process of the test's own. What other tests can only hope for (an operation
// that runs right now, a device that fails) is certain here.
//
// The library leaves these files to its pool. The same ones through an overlay file system are such
// that io_uring serves, by threads of the kernel: stacked(), for reading alone. Each file has an
// inode, and so a lock, of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace evp {

struct HeldCommand {
  static constexpr size_t kMostErrors = 8;
  enum What : uint32_t {
    kAsk,
    kHold,
    kRelease,
    kReleaseAll,
    kFail,
    kFailAlways,
    kObey
  } what = kAsk;
  uint32_t n = 0;
  int32_t errors[kMostErrors] = {};
};

// What can be held.
enum HeldKind : uint32_t { kHeldData = 1, kHeldSync = 2, kHeldClose = 4 };

struct HeldState {
  uint64_t held = 0, arrived = 0;
};

class HeldFile {
public:
  static constexpr size_t kFiles = 8;
  static constexpr uint64_t kSize = 1 << 20;

  HeldFile();  // good() is false if FUSE cannot be had; why() says why
  ~HeldFile(); // releases what is held
  HeldFile(const HeldFile &) = delete;

  bool good() const { return why_.empty(); }
  const std::string &why() const { return why_; }
  int fd(size_t file = 0) const { return fds_[file % kFiles]; }
  int stacked(size_t file = 0) const { return stacked_[file % kFiles]; }
  bool stacks() const { return stacked(kFiles - 1) >= 0; } // else there is no such file system
  // Another descriptor of a file.
  int Open(size_t file, int flags) const;

  // From now on operations reach their file and stay there.
  void Hold(uint32_t kinds = kHeldData | kHeldSync) { Tell({HeldCommand::kHold, kinds, {}}); }
  // Lets `n` of those that are held end, the oldest first, with 0 or an errno.
  void ReleaseSome(uint32_t n, int error = 0) { Tell({HeldCommand::kRelease, n, {error}}); }
  // Lets all that are held end, and holds no more.
  void Release(int error = 0) { Tell({HeldCommand::kReleaseAll, 0, {error}}); }
  // The next operations end at once with these errors, one each; then all is well again.
  void Fail(const std::vector<int> &errors);
  // All of them do, until Fail({}).
  void FailAlways(int error) { Tell({HeldCommand::kFailAlways, 1, {error}}); }
  // Whether a held operation ends with EINTR when the system asks for its end.
  void ObeyInterrupts() { Tell({HeldCommand::kObey, 0, {}}); }
  // Waits until n operations are held; false when it takes too long.
  bool AwaitHeld(size_t n);
  uint64_t Held() { return Tell({}).held; }
  // Requests for data and syncs so far.
  uint64_t Arrived() { return Tell({}).arrived; }

private:
  bool Start();
  void Stack(const std::string &folder);
  HeldState Tell(const HeldCommand &command);

  std::string why_;
  std::vector<int> fds_ = std::vector<int>(kFiles, -1), stacked_ = fds_;
  int root_ = -1;
  std::mutex lock_;
  int control_ = -1;
  pid_t server_ = -1;
};

} // namespace evp
