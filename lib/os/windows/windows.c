/* SPDX-License-Identifier: MIT */
/* Locks, threads and clock on Windows, and the operations that the pool performs. No C runtime of
 * threads is used: with gcc that would be a DLL that programs do not have. */
#include "os/os.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <winsock2.h>

#include <windows.h>

#include "backend/afd/afd_socket.h"
#include "backend/afd/nt.h"
#include "os/os_file.h"
#include "os/windows/windows_os.h"

static_assert(sizeof(SRWLOCK) <= sizeof(struct evp_mutex), "struct evp_mutex is too small");
static_assert(sizeof(CONDITION_VARIABLE) <= sizeof(struct evp_cond),
              "struct evp_cond is too small");

/* ---- locks -------------------------------------------------------------------------------- */

static SRWLOCK *srw(struct evp_mutex *m) { return (SRWLOCK *)(void *)m; }
static CONDITION_VARIABLE *windows_cond(struct evp_cond *c) {
  return (CONDITION_VARIABLE *)(void *)c;
}

void evp_mutex_init(struct evp_mutex *m) { InitializeSRWLock(srw(m)); }
void evp_mutex_destroy(struct evp_mutex *m) { (void)m; }
void evp_mutex_lock(struct evp_mutex *m) { AcquireSRWLockExclusive(srw(m)); }
void evp_mutex_unlock(struct evp_mutex *m) { ReleaseSRWLockExclusive(srw(m)); }

void evp_cond_init(struct evp_cond *c) { InitializeConditionVariable(windows_cond(c)); }
void evp_cond_destroy(struct evp_cond *c) { (void)c; }
void evp_cond_wait(struct evp_cond *c, struct evp_mutex *m) {
  SleepConditionVariableSRW(windows_cond(c), srw(m), INFINITE, 0);
}
void evp_cond_signal(struct evp_cond *c) { WakeConditionVariable(windows_cond(c)); }
void evp_cond_broadcast(struct evp_cond *c) { WakeAllConditionVariable(windows_cond(c)); }

/* ---- threads ------------------------------------------------------------------------------ */

struct windows_start {
  void (*run)(void *);
  void *context;
  HMODULE self;
};

/* The last step leaves code that may be unmapped by it, so it is the system's. */
static DWORD WINAPI windows_start_thread(void *argument) {
  const struct windows_start s = *(struct windows_start *)argument;
  free(argument);
  s.run(s.context);
  FreeLibraryAndExitThread(s.self, 0);
  return 0;
}

/* Each thread holds the DLL: a program may unload it with a poller open. */
int evp_thread_start(void (*run)(void *), void *context, uint64_t *thread_out) {
  struct windows_start *s = malloc(sizeof *s);
  if (!s) return ERROR_NOT_ENOUGH_MEMORY;
  *s = (struct windows_start){.run = run, .context = context};
  HANDLE thread = NULL;
  if (GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                         (LPCWSTR)(uintptr_t)windows_start_thread, &s->self))
    thread = CreateThread(NULL, 0, windows_start_thread, s, 0, NULL);
  if (!thread) {
    const int os_code = (int)GetLastError();
    if (s->self) FreeLibrary(s->self);
    free(s);
    return os_code;
  }
  *thread_out = (uint64_t)(uintptr_t)thread;
  return 0;
}

void evp_thread_join(uint64_t thread) {
  HANDLE handle = (HANDLE)(uintptr_t)thread;
  WaitForSingleObject(handle, INFINITE);
  CloseHandle(handle);
}

/* What a thread remembers: a slot that holds the value itself, so that nothing has to be freed when
 * a thread ends. TLS_OUT_OF_INDEXES, after 1088 of a process, leaves it 0. */
static DWORD code_slot = TLS_OUT_OF_INDEXES;

static BOOL CALLBACK take_slot(INIT_ONCE *once, void *parameter, void **context) {
  (void)once, (void)parameter, (void)context;
  code_slot = TlsAlloc();
  return TRUE;
}

static void need_slot(void) {
  static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
  InitOnceExecuteOnce(&once, take_slot, NULL, NULL);
}

void evp_windows_forget(void) {
  evp_afd_forget();
  if (code_slot != TLS_OUT_OF_INDEXES) TlsFree(code_slot);
}

uint64_t evp_thread_name(void) { return GetCurrentThreadId(); }

void evp_thread_code_set(int os_code) {
  need_slot();
  TlsSetValue(code_slot, (void *)(intptr_t)os_code);
}

int evp_thread_code(void) {
  need_slot();
  return (int)(intptr_t)TlsGetValue(code_slot);
}

/* ---- time --------------------------------------------------------------------------------- */

typedef VOID(WINAPI *windows_clock)(ULONGLONG *);

/* In steps of up to 16 milliseconds, before Windows 10. */
static VOID WINAPI windows_coarse_clock(ULONGLONG *out) { QueryUnbiasedInterruptTime(out); }

static windows_clock windows_best_clock(void) {
  HMODULE module = GetModuleHandleA("kernelbase.dll");
  FARPROC found = module ? GetProcAddress(module, "QueryUnbiasedInterruptTimePrecise") : NULL;
  return found ? (windows_clock)(void (*)(void))found : windows_coarse_clock;
}

/* It stands still while the machine is suspended. No import library is sure to have the precise
 * one. */
int64_t evp_now(void) {
  static _Atomic(windows_clock) known;
  windows_clock clock = atomic_load_explicit(&known, memory_order_relaxed);
  if (!clock) {
    clock = windows_best_clock();
    atomic_store_explicit(&known, clock, memory_order_relaxed);
  }
  ULONGLONG t = 0; /* in 100 nanoseconds */
  clock(&t);
  return (int64_t)t * 100;
}

void evp_pause(int64_t ns) { Sleep((DWORD)((ns + 999999) / 1000000)); }

/* ---- fork --------------------------------------------------------------------------------- */

int evp_fork_mark(const _Atomic uint32_t **mark_out, uint32_t *value_out) {
  static const _Atomic uint32_t mark; /* there is no fork here */
  *mark_out = &mark;
  *value_out = 0;
  return 0;
}

/* ---- handles ------------------------------------------------------------------------------ */

int evp_windows_is_synchronous(HANDLE file, bool *synchronous_out) {
  IO_STATUS_BLOCK iosb;
  FILE_MODE_INFORMATION mode = {0};
  const NTSTATUS status =
      NtQueryInformationFile(file, &iosb, &mode, sizeof mode, EVP_FILE_MODE_INFORMATION);
  *synchronous_out = mode.Mode & EVP_FILE_SYNCHRONOUS;
  return status == EVP_STATUS_SUCCESS ? 0 : (int)RtlNtStatusToDosError(status);
}

int evp_windows_only_appends(HANDLE file, bool *appends_out) {
  IO_STATUS_BLOCK iosb;
  ACCESS_MASK access = 0;
  const NTSTATUS status =
      NtQueryInformationFile(file, &iosb, &access, sizeof access, EVP_FILE_ACCESS_INFORMATION);
  *appends_out = (access & FILE_APPEND_DATA) && !(access & FILE_WRITE_DATA);
  return status == EVP_STATUS_SUCCESS ? 0 : (int)RtlNtStatusToDosError(status);
}

bool evp_windows_is_socket(evpoll_handle h) {
  int type;
  int size = sizeof type;
  return evp_windows_need_winsock() == 0 &&
         getsockopt(evp_windows_socket(h), SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0;
}

/* The system does not look at the two lowest bits, and an LSP's sockets may be no handles at all:
 * only Winsock knows those. */
int evp_handle_check(evpoll_handle h) {
  DWORD flags;
  if (evp_windows_is_handle(h) && GetHandleInformation(evp_windows_handle(h), &flags)) return 0;
  return evp_windows_is_number(h) && evp_windows_is_socket(h) ? 0 : ERROR_INVALID_HANDLE;
}

/* ---- operations --------------------------------------------------------------------------- */

void *evp_iovec_copy(const evpoll_iovec *iovecs, uint32_t n) {
  evpoll_iovec *copy = malloc(n * sizeof *copy);
  if (copy) memcpy(copy, iovecs, n * sizeof *copy);
  return copy;
}

static int64_t transfer(bool reads, HANDLE file, int64_t offset, void *buffer, DWORD bytes) {
  HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (!event) return -(int64_t)GetLastError();
  OVERLAPPED o = {0};
  o.Offset = (DWORD)offset;
  o.OffsetHigh = (DWORD)((uint64_t)offset >> 32);
  /* With its lowest bit set no packet is sent to a port that the handle may be bound to. */
  o.hEvent = (HANDLE)((uintptr_t)event | 1);
  DWORD moved = 0;
  BOOL ok =
      reads ? ReadFile(file, buffer, bytes, NULL, &o) : WriteFile(file, buffer, bytes, NULL, &o);
  DWORD os_code = ok ? 0 : GetLastError();
  if (ok || os_code == ERROR_IO_PENDING) {
    ok = GetOverlappedResult(file, &o, &moved, TRUE);
    os_code = ok ? 0 : GetLastError();
  }
  CloseHandle(event);
  if (os_code == ERROR_HANDLE_EOF) return 0;
  return os_code ? -(int64_t)os_code : (int64_t)moved;
}

/* On a pipe it would wait until the peer has read all, and nothing could end that. */
static int64_t windows_sync(HANDLE file) {
  if (GetFileType(file) == FILE_TYPE_PIPE) return -(int64_t)ERROR_NOT_SUPPORTED;
  return FlushFileBuffers(file) ? 0 : -(int64_t)GetLastError();
}

static int64_t windows_write(HANDLE file, int64_t offset, void *buffer, DWORD bytes, bool durable) {
  if (durable && GetFileType(file) == FILE_TYPE_PIPE) return -(int64_t)ERROR_NOT_SUPPORTED;
  const int64_t moved = transfer(false, file, offset, buffer, bytes);
  const int64_t synced = durable && moved >= 0 ? windows_sync(file) : 0;
  return synced < 0 ? synced : moved;
}

static int64_t windows_size(evpoll_handle h) {
  int64_t size;
  if (evp_file_size(h, &size) == 0) return size;
  const int os_code = evpoll_os_error();
  return -(int64_t)(os_code ? os_code : ERROR_NOT_SUPPORTED);
}

static int64_t windows_truncate(HANDLE file, int64_t size) {
  FILE_END_OF_FILE_INFO end = {.EndOfFile = {.QuadPart = size}};
  const BOOL ok = SetFileInformationByHandle(file, FileEndOfFileInfo, &end, sizeof end);
  return ok ? 0 : -(int64_t)GetLastError();
}

int64_t evp_file_perform(uint32_t code, evpoll_handle h, int64_t offset, void *buffer,
                         uint64_t length, bool durable) {
  HANDLE file = evp_windows_handle(h);
  const uint64_t most = evp_file_length_limit();
  const DWORD bytes = (DWORD)(length < most ? length : most);
  switch (code) {
  case EVPOLL_OP_CLOSE: return CloseHandle(file) ? 0 : -(int64_t)GetLastError();
  case EVPOLL_OP_READ: return transfer(true, file, offset, buffer, bytes);
  case EVPOLL_OP_WRITE: return windows_write(file, offset, buffer, bytes, durable);
  case EVPOLL_OP_SIZE: return windows_size(h);
  case EVPOLL_OP_TRUNCATE: return windows_truncate(file, offset);
  default: return windows_sync(file);
  }
}

/* Nobody else writes: see evp_file_open(). */
int64_t evp_file_append(evpoll_handle h, evpoll_iovec *pieces, uint32_t n, int64_t *place_out) {
  const int64_t at_the_end = -1;
  int64_t moved = 0;
  *place_out = windows_size(h);
  if (*place_out < 0) return *place_out;
  for (uint32_t i = 0; i < n; i++) {
    void *data = (void *)(uintptr_t)pieces[i].address;
    const DWORD bytes = (DWORD)pieces[i].length;
    const int64_t part = transfer(false, evp_windows_handle(h), at_the_end, data, bytes);
    if (part < 0) return moved ? moved : part;
    moved += part;
    if (part < bytes) break;
  }
  return moved;
}

/* The opener sees to it; what appends alone may not cut. */
int evp_file_own(evpoll_handle h, bool *alone_out) {
  (void)h;
  *alone_out = false;
  return 0;
}

/* A length is 32 bits here; this is also a multiple of every sector's size. */
uint64_t evp_file_length_limit(void) { return 0x7ffff000; }

int evp_os_cancelled(void) { return ERROR_OPERATION_ABORTED; }
int evp_os_stuck(void) { return ERROR_WRITE_FAULT; }
int evp_os_no_memory(void) { return ERROR_NOT_ENOUGH_MEMORY; }
int evp_os_no_handle(void) { return ERROR_INVALID_HANDLE; }
bool evp_os_interrupted(int64_t result) {
  (void)result; /* there are no signals */
  return false;
}
