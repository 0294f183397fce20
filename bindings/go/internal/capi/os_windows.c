/* SPDX-License-Identifier: MIT */
//go:build (windows) && !evpoll_system

/* Locks, threads and clock on Windows, and the operations that the pool performs. No C runtime of
 * threads is used: with gcc that would be a DLL that programs do not have. */
#include "os.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <winsock2.h>

#include <windows.h>

#include "afd_socket.h"
#include "nt.h"
#include "os_windows.h"

static_assert(sizeof(SRWLOCK) <= sizeof(struct evp_mutex), "struct evp_mutex is too small");
static_assert(sizeof(CONDITION_VARIABLE) <= sizeof(struct evp_cond),
              "struct evp_cond is too small");

/* ---- locks -------------------------------------------------------------------------------- */

static SRWLOCK *srw(struct evp_mutex *m) { return (SRWLOCK *)(void *)m; }
static CONDITION_VARIABLE *cond(struct evp_cond *c) { return (CONDITION_VARIABLE *)(void *)c; }

void evp_mutex_init(struct evp_mutex *m) { InitializeSRWLock(srw(m)); }
void evp_mutex_destroy(struct evp_mutex *m) { (void)m; }
void evp_mutex_lock(struct evp_mutex *m) { AcquireSRWLockExclusive(srw(m)); }
void evp_mutex_unlock(struct evp_mutex *m) { ReleaseSRWLockExclusive(srw(m)); }

void evp_cond_init(struct evp_cond *c) { InitializeConditionVariable(cond(c)); }
void evp_cond_destroy(struct evp_cond *c) { (void)c; }
void evp_cond_wait(struct evp_cond *c, struct evp_mutex *m) {
  SleepConditionVariableSRW(cond(c), srw(m), INFINITE, 0);
}
void evp_cond_signal(struct evp_cond *c) { WakeConditionVariable(cond(c)); }
void evp_cond_broadcast(struct evp_cond *c) { WakeAllConditionVariable(cond(c)); }

static SRWLOCK registry = SRWLOCK_INIT;
void evp_registry_lock(void) { AcquireSRWLockExclusive(&registry); }
void evp_registry_unlock(void) { ReleaseSRWLockExclusive(&registry); }

/* ---- threads ------------------------------------------------------------------------------ */

struct start {
  void (*run)(void *);
  void *context;
};

static DWORD WINAPI start_thread(void *argument) {
  const struct start s = *(struct start *)argument;
  free(argument);
  s.run(s.context);
  return 0;
}

int evp_thread_start(void (*run)(void *), void *context, uint64_t *thread_out) {
  struct start *s = malloc(sizeof *s);
  if (!s) return ERROR_NOT_ENOUGH_MEMORY;
  *s = (struct start){run, context};
  HANDLE thread = CreateThread(NULL, 0, start_thread, s, 0, NULL);
  if (!thread) {
    const int os_code = (int)GetLastError();
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

/* What a thread remembers: two slots that hold the values themselves, so that nothing has to be
 * freed when a thread ends. TLS_OUT_OF_INDEXES, after 1088 of a process, leaves them 0. */
static DWORD code_slot = TLS_OUT_OF_INDEXES, self_slot = TLS_OUT_OF_INDEXES;

static BOOL CALLBACK take_slots(INIT_ONCE *once, void *parameter, void **context) {
  (void)once, (void)parameter, (void)context;
  code_slot = TlsAlloc();
  self_slot = TlsAlloc();
  return TRUE;
}

static void need_slots(void) {
  static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
  InitOnceExecuteOnce(&once, take_slots, NULL, NULL);
}

void evp_windows_forget(void) {
  evp_afd_forget();
  if (code_slot != TLS_OUT_OF_INDEXES) TlsFree(code_slot);
  if (self_slot != TLS_OUT_OF_INDEXES) TlsFree(self_slot);
}

void evp_thread_code_set(int os_code) {
  need_slots();
  TlsSetValue(code_slot, (void *)(intptr_t)os_code);
}

int evp_thread_code(void) {
  need_slots();
  return (int)(intptr_t)TlsGetValue(code_slot);
}

/* GetCurrentThreadId() is used again when a thread has ended. */
uint64_t evp_thread_self(void) {
  static _Atomic uintptr_t last;
  need_slots();
  uintptr_t self = (uintptr_t)TlsGetValue(self_slot);
  if (!self) {
    self = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    TlsSetValue(self_slot, (void *)self);
  }
  return self;
}

/* ---- time --------------------------------------------------------------------------------- */

int64_t evp_now(void) {
  static _Atomic int64_t known; /* ticks of a second: constant since the system was started */
  LARGE_INTEGER t;
  int64_t frequency = atomic_load_explicit(&known, memory_order_relaxed);
  if (!frequency) {
    QueryPerformanceFrequency(&t);
    frequency = t.QuadPart;
    atomic_store_explicit(&known, frequency, memory_order_relaxed);
  }
  QueryPerformanceCounter(&t);
  return t.QuadPart / frequency * 1000000000 + t.QuadPart % frequency * 1000000000 / frequency;
}

void evp_pause(int64_t ns) { Sleep((DWORD)((ns + 999999) / 1000000)); }

/* ---- fork --------------------------------------------------------------------------------- */

int evp_fork_mark(const volatile uint32_t **mark_out, uint32_t *value_out) {
  static const volatile uint32_t mark; /* there is no fork here */
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

int evp_handle_check(evpoll_handle h) {
  DWORD flags;
  /* An LSP's sockets may be no handles: what Winsock says of them is asked later. */
  if (h & 3) return 0;
  return GetHandleInformation(evp_windows_handle(h), &flags) ? 0 : (int)GetLastError();
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

int64_t evp_file_perform(uint32_t code, evpoll_handle h, int64_t offset, void *buffer,
                         uint64_t length) {
  HANDLE file = evp_windows_handle(h);
  const uint64_t most = evp_file_length_limit();
  const DWORD bytes = (DWORD)(length < most ? length : most);
  switch (code) {
  case EVPOLL_IO_READ: return transfer(true, file, offset, buffer, bytes);
  case EVPOLL_IO_WRITE: return transfer(false, file, offset, buffer, bytes);
  default: return FlushFileBuffers(file) ? 0 : -(int64_t)GetLastError();
  }
}

/* A length is 32 bits here; this is also a multiple of every sector's size. */
uint64_t evp_file_length_limit(void) { return 0x7ffff000; }

int evp_os_cancelled(void) { return ERROR_OPERATION_ABORTED; }
