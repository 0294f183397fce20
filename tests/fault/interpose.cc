// SPDX-License-Identifier: MIT
#include "interpose.h"

#include <dirent.h>
#include <dlfcn.h>
#include <linux/io_uring.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/socket.h>
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

std::atomic<int> blocked{-1};
std::atomic<bool> stays{false};

// The first such call stays here.
void Stay(Call call) {
  int expected = call;
  if (blocked != call || !blocked.compare_exchange_strong(expected, kCalls)) return;
  stays = true;
  while (blocked == kCalls) sched_yield();
  stays = false;
}

// Whether this call of the library is to fail.
bool Fails(Call call) {
  seen[call].fetch_add(1);
  Stay(call);
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
std::atomic<size_t> wrong_frees{0};
std::atomic<void (*)()> after_free{nullptr};

// A child must not find it locked by a thread that it does not have.
void LockPieces() { pthread_mutex_lock(&pieces_lock); }
void UnlockPieces() { pthread_mutex_unlock(&pieces_lock); }
[[maybe_unused]] const int guarded = pthread_atfork(LockPieces, UnlockPieces, UnlockPieces);

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

bool Forget(void *address) {
  if (!address || live == 0) return false;
  pthread_mutex_lock(&pieces_lock);
  bool had = false;
  const uintptr_t wanted = reinterpret_cast<uintptr_t>(address);
  for (size_t i = PlaceOf(wanted); pieces[i] != 0; i = (i + 1) % kPlaces) {
    if (pieces[i] != wanted) continue;
    pieces[i] = 1; // was in use: a search goes on behind it
    live--;
    had = true;
    break;
  }
  pthread_mutex_unlock(&pieces_lock);
  return had;
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
  io_uring_sqe *sqes = nullptr;
} ring;
std::atomic<uint64_t> async_entries{0}, durable_entries{0};
std::atomic<bool> overflowed{false};

std::atomic<uint32_t> *RingWord(uint32_t offset) {
  return reinterpret_cast<std::atomic<uint32_t> *>(ring.base + offset);
}

// What the library is about to hand over.
void LookAtEntries() {
  if (!ring.base || !ring.sqes) return;
  const uint32_t tail = RingWord(ring.params.sq_off.tail)->load();
  for (uint32_t i = RingWord(ring.params.sq_off.head)->load(); i != tail; i++) {
    io_uring_sqe &sqe = ring.sqes[i & (ring.params.sq_entries - 1)];
    if (sqe.flags & IOSQE_ASYNC) async_entries++;
    const bool writes = sqe.opcode == IORING_OP_WRITE || sqe.opcode == IORING_OP_WRITEV;
    if (writes && (sqe.rw_flags & RWF_DSYNC)) durable_entries++;
  }
}

void LookAtFlags() {
  if (ring.base && (*RingWord(ring.params.sq_off.flags) & IORING_SQ_CQ_OVERFLOW)) overflowed = true;
}

void ChangeResults() {
  if (!ring.base || (armed != kRingResult && armed != kShort)) return;
  const uint32_t tail = RingWord(ring.params.cq_off.tail)->load(std::memory_order_acquire);
  io_uring_cqe *cqes = reinterpret_cast<io_uring_cqe *>(ring.base + ring.params.cq_off.cqes);
  for (uint32_t i = *RingWord(ring.params.cq_off.head); i != tail; i++) {
    io_uring_cqe &cqe = cqes[i & (ring.params.cq_entries - 1)];
    // Small numbers are the library's own requests.
    if (cqe.user_data <= 1024 || cqe.res < 0) continue;
    if (Fails(kRingResult)) cqe.res = -error_code;
    if (cqe.res > error_code && Fails(kShort)) cqe.res = error_code;
  }
}

long Enter(long fd, long submit, long wait, long flags, long arg, long size) {
  if (Fails(kRingEnter) || (submit > 0 && Fails(kRingSubmit))) return -1;
  if (submit > 1 && Fails(kRingPartial)) submit = 1;
  if (submit > 0 && fd == ring.fd) LookAtEntries();
  const long n = System(SYS_io_uring_enter, fd, submit, wait, flags, arg, size);
  const int code = errno;
  if (fd == ring.fd) {
    LookAtFlags();
    ChangeResults();
  }
  errno = code;
  return n;
}

// Completions may come while the library sleeps.
long Sleep(long number, const long *a) {
  const long n = System(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  const int code = errno;
  ChangeResults();
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
    ring.sqes = nullptr;
    overflowed = false;
  }
  return fd;
}

size_t Shortened(size_t length) {
  const size_t bytes = static_cast<size_t>(error_code);
  return length > bytes && Fails(kShort) ? bytes : length;
}

} // namespace

void Arm(Call call, int nth, int error, int times) {
  fired = 0;
  until = nth;
  left = times;
  error_code = error;
  armed = call;
}
void Block(Call call) { blocked = call; }
bool Blocked() { return stays; }
void Unblock() {
  blocked = -1;
  while (stays) sched_yield();
}
void ColdCache(bool cold) { cache_is_cold = cold; }
int Disarm() {
  armed = -1;
  return fired;
}
uint64_t Seen(Call call) { return seen[call]; }
uint64_t AsyncEntries() { return async_entries; }
bool RingOverflowed() {
  LookAtFlags();
  return overflowed;
}
uint64_t DurableEntries() { return durable_entries; }
size_t LivePieces() { return live; }
size_t WrongFrees() { return wrong_frees; }
void AfterFree(void (*body)()) { after_free = body; }

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
  const bool had = Forget(piece), ours = FromLibrary(CALLER);
  if (ours && piece && !had) wrong_frees++;
  __libc_free(piece);
  void (*const body)() = after_free;
  if (ours && piece && body) body();
}

void *mmap(void *where, size_t size, int rights, int flags, int fd, off_t offset) {
  const bool ours = FromLibrary(CALLER);
  if (ours && Fails(kMap)) return reinterpret_cast<void *>(-1);
  const long mapped = System(SYS_mmap, L(where), static_cast<long>(size), rights, flags, fd,
                             static_cast<long>(offset));
  if (ours && mapped != -1) {
    Note(reinterpret_cast<void *>(mapped));
    if (fd >= 0 && fd == ring.fd && offset == 0) ring.base = reinterpret_cast<char *>(mapped);
    if (fd >= 0 && fd == ring.fd && offset == static_cast<off_t>(IORING_OFF_SQES))
      ring.sqes = reinterpret_cast<io_uring_sqe *>(mapped);
  }
  return reinterpret_cast<void *>(mapped);
}
int munmap(void *where, size_t size) {
  Forget(where);
  if (where == ring.base) ring.base = nullptr;
  if (where == ring.sqes) ring.sqes = nullptr;
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

int timerfd_create(int clock, int flags) {
  if (FromLibrary(CALLER) && Fails(kTimerCreate)) return -1;
  return static_cast<int>(System(SYS_timerfd_create, clock, flags));
}
int timerfd_settime(int fd, int flags, const itimerspec *time, itimerspec *old) {
  if (FromLibrary(CALLER) && Fails(kTimerSet)) return -1;
  return static_cast<int>(System(SYS_timerfd_settime, fd, flags, L(time), L(old)));
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
      return Sleep(number, a);
    case SYS_write:
      if (Fails(kBell)) return -1;
      break;
    case SYS_recvfrom:
      if (Fails(kRecv)) return -1;
      break;
    case SYS_sendto:
      if (Fails(kSend)) return -1;
      break;
    case SYS_recvmsg:
      if (Fails(kRecvMessage)) return -1;
      break;
    case SYS_sendmsg:
      if (Fails(kSendMessage)) return -1;
      break;
    case SYS_accept4:
      if (Fails(kAccept)) return -1;
      break;
    case SYS_ppoll:
      if (Fails(kPoll)) return -1;
      break;
    case SYS_pwritev2:
      if (Fails(a[3] == -1 ? kPipeWrite : kDurable)) return -1;
      break;
    case SYS_preadv2:
      if (a[3] == -1) {
        if (Fails(kPipeRead)) return -1;
        break;
      }
      if (Fails(kCachedRead)) return -1;
      if (!cache_is_cold) break;
      errno = EAGAIN;
      return -1;
    case SYS_io_uring_setup: return Setup(a[0], a[1]);
    case SYS_io_uring_enter: return Enter(a[0], a[1], a[2], a[3], a[4], a[5]);
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
  if (FromLibrary(CALLER)) length = Shortened(length);
  return System(SYS_pread64, fd, L(buffer), static_cast<long>(length), offset);
}
ssize_t pwrite(int fd, const void *buffer, size_t length, off_t offset) {
  if (FromLibrary(CALLER) && Fails(kPwrite)) return -1;
  if (FromLibrary(CALLER)) length = Shortened(length);
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
ssize_t writev(int fd, const iovec *pieces, int n) {
  if (!FromLibrary(CALLER)) return System(SYS_writev, fd, L(pieces), n);
  if (Fails(kWritev)) return -1;
  const iovec part = {pieces[0].iov_base, Shortened(pieces[0].iov_len)};
  if (part.iov_len == pieces[0].iov_len) return System(SYS_writev, fd, L(pieces), n);
  return System(SYS_writev, fd, L(&part), 1);
}
int fsync(int fd) {
  if (FromLibrary(CALLER) && Fails(kFsync)) return -1;
  return static_cast<int>(System(SYS_fsync, fd));
}
int fdatasync(int fd) {
  if (FromLibrary(CALLER) && Fails(kFdatasync)) return -1;
  return static_cast<int>(System(SYS_fdatasync, fd));
}

ssize_t recv(int fd, void *buffer, size_t length, int flags) {
  if (FromLibrary(CALLER) && Fails(kRecv)) return -1;
  return System(SYS_recvfrom, fd, L(buffer), static_cast<long>(length), flags, 0, 0);
}
ssize_t send(int fd, const void *buffer, size_t length, int flags) {
  if (FromLibrary(CALLER) && Fails(kSend)) return -1;
  return System(SYS_sendto, fd, L(buffer), static_cast<long>(length), flags, 0, 0);
}
ssize_t recvmsg(int fd, msghdr *m, int flags) {
  if (FromLibrary(CALLER) && Fails(kRecvMessage)) return -1;
  return System(SYS_recvmsg, fd, L(m), flags);
}
ssize_t sendmsg(int fd, const msghdr *m, int flags) {
  if (FromLibrary(CALLER) && Fails(kSendMessage)) return -1;
  return System(SYS_sendmsg, fd, L(m), flags);
}
int accept4(int fd, sockaddr *name, socklen_t *length, int flags) {
  if (FromLibrary(CALLER) && Fails(kAccept)) return -1;
  return static_cast<int>(System(SYS_accept4, fd, L(name), L(length), flags));
}
int getsockopt(int fd, int level, int option, void *value, socklen_t *length) noexcept {
  if (FromLibrary(CALLER) && Fails(kGetOption)) return -1;
  return static_cast<int>(System(SYS_getsockopt, fd, level, option, L(value), L(length)));
}
int setsockopt(int fd, int level, int option, const void *value, socklen_t length) noexcept {
  if (FromLibrary(CALLER) && Fails(kSetOption)) return -1;
  return static_cast<int>(System(SYS_setsockopt, fd, level, option, L(value), length));
}
int getsockname(int fd, sockaddr *name, socklen_t *length) noexcept {
  if (FromLibrary(CALLER) && Fails(kOwnName)) return -1;
  return static_cast<int>(System(SYS_getsockname, fd, L(name), L(length)));
}
int getpeername(int fd, sockaddr *name, socklen_t *length) noexcept {
  if (FromLibrary(CALLER) && Fails(kPeerName)) return -1;
  return static_cast<int>(System(SYS_getpeername, fd, L(name), L(length)));
}
int poll(pollfd *fds, nfds_t n, int timeout) {
  if (FromLibrary(CALLER) && Fails(kPoll)) return -1;
  const timespec end = {timeout / 1000, timeout % 1000 * 1000000l};
  return static_cast<int>(
      System(SYS_ppoll, L(fds), static_cast<long>(n), timeout < 0 ? 0 : L(&end), 0, 8));
}
int shutdown(int fd, int how) noexcept {
  if (FromLibrary(CALLER) && Fails(kShutdown)) return -1;
  return static_cast<int>(System(SYS_shutdown, fd, how));
}
int close(int fd) {
  const bool fails = FromLibrary(CALLER) && Fails(kClose);
  const int code = errno;
  const long result = System(SYS_close, fd);
  if (fails) errno = code;
  return fails ? -1 : static_cast<int>(result);
}
}
