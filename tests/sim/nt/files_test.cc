// SPDX-License-Identifier: MIT
// Files and pipes as the simulator has them where Windows is strict: calls on what was opened
// synchronously wait for each other, a pipe is flushed when it was read, and names have a length.
#include "program.h"

#include "sim.h"

#include <evpoll.h>

#include <windows.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

extern "C" {
int32_t NTAPI NtQueryInformationFile(HANDLE, void *, void *, ULONG, ULONG);
}

namespace {

void Expect(bool truth, const char *what) {
  if (!truth) nt_violation("%s (code %d)", what, static_cast<int>(GetLastError()));
}

// A thread of the simulated system, waited for at the end of its scope.
class Thread {
public:
  Thread(LPTHREAD_START_ROUTINE run, void *argument)
      : handle_(CreateThread(nullptr, 0, run, argument, 0, nullptr)) {}
  ~Thread() {
    WaitForSingleObject(handle_, INFINITE);
    CloseHandle(handle_);
  }
  Thread(const Thread &) = delete;
  bool Ended() const { return WaitForSingleObject(handle_, 10) == WAIT_OBJECT_0; }

private:
  HANDLE handle_;
};

struct Pipe {
  HANDLE read = nullptr, write = nullptr;
  std::string got;
  Pipe() { Expect(CreatePipe(&read, &write, nullptr, 0), "CreatePipe"); }
};

DWORD Read(void *argument) {
  Pipe &p = *static_cast<Pipe *>(argument);
  char buffer[16];
  DWORD n = 0;
  Expect(ReadFile(p.read, buffer, sizeof buffer, &n, nullptr), "ReadFile");
  p.got.assign(buffer, n);
  return 0;
}
DWORD Query(void *argument) {
  ULONG mode = 0;
  uintptr_t iosb[2];
  Expect(NtQueryInformationFile(static_cast<Pipe *>(argument)->read, iosb, &mode, sizeof mode,
                                16) == 0,
         "the mode");
  Expect(mode != 0, "a synchronous handle");
  return 0;
}
DWORD Type(void *argument) {
  Expect(GetFileType(static_cast<Pipe *>(argument)->read) == FILE_TYPE_PIPE, "GetFileType");
  return 0;
}
DWORD Bind(void *argument) {
  HANDLE port = CreateIoCompletionPort(static_cast<Pipe *>(argument)->read, nullptr, 0, 0);
  Expect(!port && GetLastError() == ERROR_INVALID_PARAMETER, "a synchronous handle was bound");
  return 0;
}

// Each question about the pipe waits while a read is inside; other handles answer meanwhile.
void QueriesWaitForARead(uint64_t) {
  for (LPTHREAD_START_ROUTINE ask : {Query, Type, Bind}) {
    Pipe p;
    {
      Thread reader(Read, &p);
      while (!reader.Ended() && nt_random(4) != 0) {
      }
      Expect(!reader.Ended(), "a read of nothing ended");
      Thread asker(ask, &p);
      Expect(!asker.Ended(), "a question was answered during a read");
      Expect(GetFileType(p.write) == FILE_TYPE_PIPE, "the other end answers");
      DWORD n = 0;
      Expect(WriteFile(p.write, "x", 1, &n, nullptr), "WriteFile");
    }
    Expect(p.got == "x", "the byte came");
    CloseHandle(p.read);
    CloseHandle(p.write);
  }
}

DWORD Flush(void *argument) {
  Expect(FlushFileBuffers(static_cast<Pipe *>(argument)->write), "FlushFileBuffers");
  return 0;
}

void AFlushWaitsForTheReader(uint64_t) {
  Pipe p;
  DWORD n = 0;
  Expect(WriteFile(p.write, "x", 1, &n, nullptr), "WriteFile");
  {
    Thread flusher(Flush, &p);
    Expect(!flusher.Ended(), "a flush ended before anybody read");
    Read(&p);
  }
  CloseHandle(p.read);
  CloseHandle(p.write);
}

void Create(const std::string &name, const std::string &really) {
  evpoll_handle h = -1;
  const int32_t status =
      evpoll_file_open(name.c_str(), EVPOLL_FILE_WRITE | EVPOLL_FILE_CREATE, 0, &h);
  Expect(status == 0, name.c_str());
  Expect(evpoll_file_close(h) == 0, "close");
  Expect(unlink(really.c_str()) == 0, really.c_str());
}

// As tests/backend/afd/files_test.cc, where the limit is.
void LongNamesAreOpened(uint64_t) {
  char *folder = getcwd(nullptr, 0);
  const std::string here = folder;
  std::free(folder);
  std::string deep = here;
  while (deep.size() < 230) mkdir((deep += "/" + std::string(20, 'd')).c_str(), 0777);
  Expect(chdir(deep.c_str()) == 0, "chdir");
  const std::string name(80, 'n'), full = deep + "/" + name;
  HANDLE limited = CreateFileA(name.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW, 0, nullptr);
  Expect(limited == INVALID_HANDLE_VALUE, "the limit");
  Create(name, full);
  Create(full, full);
  Create("/" + full, full); // a server
  Create("//?/" + full, full);
  Create("\\\\?\\" + full, full);
  Expect(chdir(here.c_str()) == 0, "chdir back");
}

void Run(const char *name, void (*body)(uint64_t)) {
  for (uint64_t seed = 1; seed <= 50; seed++) {
    nt_options options = {};
    options.seed = seed;
    nt_boot(&options);
    body(seed);
    nt_halt();
  }
  std::printf("%s\n", name);
}

} // namespace

int main() {
  Run("queries wait for a read", QueriesWaitForARead);
  Run("a flush waits for the reader", AFlushWaitsForTheReader);
  Run("long names are opened", LongNamesAreOpened);
}
