// SPDX-License-Identifier: MIT
#include "held_file.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "held_server.h"

namespace evp {
namespace {

// Nothing that is held would ever end.
void Expect(bool good, const char *what) {
  if (good) return;
  std::fprintf(stderr, "held files: %s: %s\n", what, std::strerror(errno));
  std::abort();
}

} // namespace

HeldFile::HeldFile() {
  if (!Start() && why_.empty()) why_ = std::strerror(errno);
}

bool HeldFile::Start() {
  // What poll() has seen may be withdrawn before it is read.
  const int device = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  int ends[2];
  char folder[] = "evpoll-held-XXXXXX";
  if (device < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
      !mkdtemp(folder)) {
    why_ = std::string("/dev/fuse: ") + std::strerror(errno);
    return false;
  }
  const std::string options = "fd=" + std::to_string(device) +
                              ",rootmode=40000,user_id=" + std::to_string(getuid()) +
                              ",group_id=" + std::to_string(getgid());
  if (mount("evpoll", folder, "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
    why_ = std::string("mount: ") + std::strerror(errno);
  // A process of its own: it ends with the test, however that ends, and the device with it, so
  // that nothing waits for an answer for ever.
  if (why_.empty()) server_ = fork();
  if (server_ == 0) ServeHeldFiles(device, ends[1]);
  close(device);
  close(ends[1]);
  control_ = ends[0];
  root_ = why_.empty() ? open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  for (size_t i = 0; i < kFiles && why_.empty(); i++) {
    fds_[i] = Open(i, O_RDWR);
    if (fds_[i] < 0) why_ = std::string("open: ") + std::strerror(errno);
  }
  if (why_.empty()) Stack(folder);
  umount2(folder, MNT_DETACH); // the open files keep it alive
  rmdir(folder);
  return why_.empty();
}

int HeldFile::Open(size_t file, int flags) const {
  return openat(root_, std::to_string(file).c_str(), flags | O_CLOEXEC);
}

void HeldFile::Stack(const std::string &lower) {
  char empty[] = "evpoll-empty-XXXXXX", folder[] = "evpoll-stack-XXXXXX";
  if (!mkdtemp(empty)) return;
  if (mkdtemp(folder)) {
    const std::string options = "lowerdir=" + lower + ":" + empty;
    if (mount("evpoll", folder, "overlay", MS_RDONLY, options.c_str()) == 0) {
      for (size_t i = 0; i < kFiles; i++)
        stacked_[i] = open((folder + ("/" + std::to_string(i))).c_str(), O_RDONLY | O_CLOEXEC);
      umount2(folder, MNT_DETACH);
    }
    rmdir(folder);
  }
  rmdir(empty);
}

HeldFile::~HeldFile() {
  if (good()) Release();
  for (const std::vector<int> &some : {fds_, stacked_})
    for (int fd : some)
      if (fd >= 0) close(fd);
  if (root_ >= 0) close(root_);
  if (control_ >= 0) close(control_);
  if (server_ > 0) Expect(waitpid(server_, nullptr, 0) == server_, "waitpid");
}

HeldState HeldFile::Tell(const HeldCommand &command) {
  HeldState state;
  std::lock_guard<std::mutex> hold(lock_);
  if (!good()) return state;
  Expect(send(control_, &command, sizeof command, MSG_NOSIGNAL) == sizeof command, "send");
  Expect(recv(control_, &state, sizeof state, MSG_WAITALL) == sizeof state, "recv");
  return state;
}

void HeldFile::Fail(const std::vector<int> &errors) {
  HeldCommand command;
  command.what = HeldCommand::kFail;
  for (int error : errors) command.errors[command.n++] = error;
  Tell(command);
}

bool HeldFile::AwaitHeld(size_t n) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (good() && Held() < n) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

} // namespace evp
