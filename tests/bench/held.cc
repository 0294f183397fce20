// SPDX-License-Identifier: MIT
#include "held.h"

#include "../backend/io/held_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>

extern "C" void die(const char *what) __attribute__((noreturn));

static std::unique_ptr<evp::HeldFile> files;

// The tests' files are mounted where one is.
const char *held_open(const char *folder, int *fds) {
  const int here = open(".", O_PATH | O_CLOEXEC);
  if (here < 0 || chdir(folder)) die(folder);
  files = std::make_unique<evp::HeldFile>();
  if (fchdir(here)) die("fchdir");
  close(here);
  for (int i = 0; i < HELD_FILES; i++) fds[i] = files->fd(static_cast<size_t>(i));
  return files->good() ? nullptr : files->why().c_str();
}

void held_hold(void) { files->Hold(); }

void held_await(int n) {
  if (!files->AwaitHeld(static_cast<size_t>(n))) die("reads that hang");
}

void held_release(void) { files->Release(); }
void held_close(void) { files.reset(); }
