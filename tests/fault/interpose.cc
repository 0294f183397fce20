// SPDX-License-Identifier: MIT
#include "interpose.h"

#include <dirent.h>
#include <dlfcn.h>
#include <linux/io_uring.h>
#include <link.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);
}

namespace evp::fault {
namespace {

// ---- whose call is it

std::atomic<uintptr_t> library_begin{0}, library_end{0};

int FindLibrary(dl_phdr_info *info, size_t, void *) {
  if (!std::strstr(info->dlpi_name, "libevpoll.so")) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) &segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X)) continue;
    library_end = info->dlpi_addr + segment.p_vaddr + segment.p_memsz;
    library_begin = info->dlpi_addr + segment.p_vaddr;
  }
  return 1;
}
[[maybe_unused]] const int found = dl_iterate_phdr(FindLibrary, nullptr);

bool FromLibrary(const void *caller) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(caller);
  return address >= library_begin && address < library_end;
}

// ---- which call fails

std::atomic<uint64_t> seen[kCalls];
std::atomic<bool> cache_is_cold{true};
std::atomic<int> armed{-1}, until{0}, left{0}, error_code{0}, fired{0};

// Whether this call of the library is to fail.
bool Fails(Call call) {
  seen[call].fetch_add(1);
  if (armed != call) return false;
  if (until.fetch_sub(1) > 1) return false;
  if (left.fetch_sub(1) < 1) return false;
  fired.fetch_add(1);
  errno = error_code;
  return true;
}

// ---- what the library has

constexpr size_t kPlaces = 1 << 16;
pthread_mutex_t pieces_lock = PTHREAD_MUTEX_INITIALIZER;
uintptr_t pieces[kPlaces];
size_t live = 0;

size_t PlaceOf(uintptr_t address) { return (address >> 4) * 2654435761u % kPlaces; }

void Note(void *address) {
  if (!address) return;
  pthread_mutex_lock(&pieces_lock);
  size_t i = PlaceOf(reinterpret_cast<uintptr_t>(address));
  while (pieces[i] > 1) i = (i + 1) % kPlaces;
  pieces[i] = reinterpret_cast<uintptr_t>(address);
  live++;
  pthread_mutex_unlock(&pieces_lock);
}

void Forget(void *address) {
  if (!address || live == 0) return;
  pthread_mutex_lock(&pieces_lock);
  const uintptr_t wanted = reinterpret_cast<uintptr_t>(address);
  for (size_t i = PlaceOf(wanted); pieces[i] != 0; i = (i + 1) % kPlaces) {
    if (pieces[i] != wanted) continue;
    pieces[i] = 1; // was in use: a search goes on behind it
    live--;
    break;
  }
  pthread_mutex_unlock(&pieces_lock);
}

template <class Function> Function Next(const char *name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

long System(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  static const auto next = Next<long (*)(long, ...)>("syscall");
  return next(number, a, b, c, d, e, f);
}
long L(const void *p) { return reinterpret_cast<long>(p); }

// ---- the completions of a ring, as the kernel leaves them in shared memory

struct Ring {
  int fd = -1;
  io_uring_params params = {};
  char *base = nullptr;
} ring;

void ChangeResults() {
  if (armed != kRingResult || !ring.base) return;
  const auto word = [](uint32_t offset) {
    return reinterpret_cast<std::atomic<uint32_t> *>(ring.base + offset);
  };
  const uint32_t tail = word(ring.params.cq_off.tail)->load(std::memory_order_acquire);
  io_uring_cqe *cqes = reinterpret_cast<io_uring_cqe *>(ring.base + ring.params.cq_off.cqes);
  for (uint32_t i = *word(ring.params.cq_off.head); i != tail; i++) {
    io_uring_cqe &cqe = cqes[i & (ring.params.cq_entries - 1)];
    // Small numbers are the library's own requests.
    if (cqe.user_data > 1024 && cqe.res >= 0 && Fails(kRingResult)) cqe.res = -error_code;
  }
}

long Enter(long fd, long submit, long wait, long flags, long arg, long size) {
  if (Fails(kRingEnter) || (submit > 0 && Fails(kRingSubmit))) return -1;
  if (submit > 1 && Fails(kRingPartial)) submit = 1;
  const long n = System(SYS_io_uring_enter, fd, submit, wait, flags, arg, size);
  const int code = errno;
  if (fd == ring.fd) ChangeResults();
  errno = code;
  return n;
}

long Setup(long entries, long params) {
  if (Fails(kRingSetup)) return -1;
  const long fd = System(SYS_io_uring_setup, entries, params);
  if (fd >= 0) {
    ring.fd = static_cast<int>(fd);
    ring.params = *reinterpret_cast<io_uring_params *>(params);
    ring.base = nullptr;
  }
  return fd;
}

} // namespace

void Arm(Call call, int nth, int error, int times) {
  fired = 0;
  until = nth;
  left = times;
  error_code = error;
  armed = call;
}
void ColdCache(bool cold) { cache_is_cold = cold; }
int Disarm() {
  armed = -1;
  return fired;
}
uint64_t Seen(Call call) { return seen[call]; }
size_t LivePieces() { return live; }

size_t OpenDescriptors() {
  size_t n = 0;
  DIR *const folder = opendir("/proc/self/fd");
  while (folder && readdir(folder)) n++;
  if (folder) closedir(folder);
  return n;
}

} // namespace evp::fault

using namespace evp::fault;

#define CALLER __builtin_return_address(0)

extern "C" {

void *malloc(size_t size) {
  if (!FromLibrary(CALLER)) return __libc_malloc(size);
  if (Fails(kMemory)) return nullptr;
  void *const piece = __libc_malloc(size);
  Note(piece);
  return piece;
}
void *calloc(size_t n, size_t size) {
  if (!FromLibrary(CALLER)) return __libc_calloc(n, size);
  if (Fails(kMemory)) return nullptr;
  void *const piece = __libc_calloc(n, size);
  Note(piece);
  return piece;
}
void *realloc(void *old, size_t size) {
  if (!FromLibrary(CALLER)) return __libc_realloc(old, size);
  if (Fails(kMemory)) return nullptr;
  void *const piece = __libc_realloc(old, size);
  if (piece) Forget(old);
  Note(piece);
  return piece;
}
int posix_memalign(void **out, size_t alignment, size_t size) {
  const bool ours = FromLibrary(CALLER);
  if (ours && Fails(kMemory)) return ENOMEM;
  void *const piece = __libc_memalign(alignment, size);
  if (!piece) return ENOMEM;
  if (ours) Note(piece);
  *out = piece;
  return 0;
}
void *aligned_alloc(size_t alignment, size_t size) {
  const bool ours = FromLibrary(CALLER);
  if (ours && Fails(kMemory)) return nullptr;
  void *const piece = __libc_memalign(alignment, size);
  if (ours) Note(piece);
  return piece;
}
void free(void *piece) {
  Forget(piece);
  __libc_free(piece);
}

void *mmap(void *where, size_t size, int rights, int flags, int fd, off_t offset) {
  const bool ours = FromLibrary(CALLER);
  if (ours && Fails(kMap)) return reinterpret_cast<void *>(-1);
  const long mapped = System(SYS_mmap, L(where), static_cast<long>(size), rights, flags, fd,
                             static_cast<long>(offset));
  if (ours && mapped != -1) {
    Note(reinterpret_cast<void *>(mapped));
    if (fd >= 0 && fd == ring.fd && offset == 0) ring.base = reinterpret_cast<char *>(mapped);
  }
  return reinterpret_cast<void *>(mapped);
}
int munmap(void *where, size_t size) {
  Forget(where);
  if (where == ring.base) ring.base = nullptr;
  return static_cast<int>(System(SYS_munmap, L(where), static_cast<long>(size)));
}
int madvise(void *where, size_t size, int advice) {
  if (FromLibrary(CALLER) && Fails(kAdvise)) return -1;
  return static_cast<int>(System(SYS_madvise, L(where), static_cast<long>(size), advice));
}

int epoll_create1(int flags) {
  if (FromLibrary(CALLER) && Fails(kEpollCreate)) return -1;
  return static_cast<int>(System(SYS_epoll_create1, flags));
}
int eventfd(unsigned value, int flags) {
  if (FromLibrary(CALLER) && Fails(kEventfd)) return -1;
  return static_cast<int>(System(SYS_eventfd2, value, flags));
}

long syscall(long number, ...) {
  long a[6];
  va_list list;
  va_start(list, number);
  for (long &argument : a) argument = va_arg(list, long);
  va_end(list);
  if (FromLibrary(CALLER)) switch (number) {
    case SYS_epoll_ctl:
      if (a[1] != EPOLL_CTL_DEL && Fails(kEpollControl)) return -1;
      break;
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
      if (Fails(kEpollWait)) return -1;
      break;
    case SYS_preadv2:
      if (Fails(kCachedRead)) return -1;
      if (!cache_is_cold) break;
      errno = EAGAIN;
      return -1;
    case SYS_io_uring_setup: return Setup(a[0], a[1]);
    case SYS_io_uring_enter: return Enter(a[0], a[1], a[2], a[3], a[4], a[5]);
    case SYS_io_uring_register:
      if (Fails(kRingRegister)) return -1;
      break;
    }
  return System(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int pthread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument) {
  static const auto next = Next<decltype(&pthread_create)>("pthread_create");
  if (FromLibrary(CALLER) && Fails(kThread)) return errno;
  return next(out, attributes, run, argument);
}

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *out) {
  if (FromLibrary(CALLER) && Fails(kStat)) return -1;
  return static_cast<int>(System(SYS_statx, folder, L(path), flags, mask, L(out)));
}

ssize_t pread(int fd, void *buffer, size_t length, off_t offset) {
  if (FromLibrary(CALLER) && Fails(kPread)) return -1;
  return System(SYS_pread64, fd, L(buffer), static_cast<long>(length), offset);
}
ssize_t pwrite(int fd, const void *buffer, size_t length, off_t offset) {
  if (FromLibrary(CALLER) && Fails(kPwrite)) return -1;
  return System(SYS_pwrite64, fd, L(buffer), static_cast<long>(length), offset);
}
ssize_t preadv(int fd, const iovec *pieces, int n, off_t offset) {
  if (FromLibrary(CALLER) && Fails(kPreadv)) return -1;
  return System(SYS_preadv, fd, L(pieces), n, offset, 0);
}
ssize_t pwritev(int fd, const iovec *pieces, int n, off_t offset) {
  if (FromLibrary(CALLER) && Fails(kPwritev)) return -1;
  return System(SYS_pwritev, fd, L(pieces), n, offset, 0);
}
int fsync(int fd) {
  if (FromLibrary(CALLER) && Fails(kFsync)) return -1;
  return static_cast<int>(System(SYS_fsync, fd));
}
int fdatasync(int fd) {
  if (FromLibrary(CALLER) && Fails(kFdatasync)) return -1;
  return static_cast<int>(System(SYS_fdatasync, fd));
}
}
