/* SPDX-License-Identifier: MIT */
/* Locks, threads, events and thread-local slots.
 *
 * In free mode a SRWLOCK is a futex of its own, not the kernel's lock, so that ThreadSanitizer
 * sees the order that the library makes, and no other. Deterministic, it is a place to hand over
 * to another thread. */
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "turns.h"

/* ---- SRWLOCK ------------------------------------------------------------------------------ */

enum { FREE, HELD, CONTENDED };
typedef _Atomic uint32_t futex;
static futex *futex_of(void *lock) { return (futex *)lock; }

static void futex_wait(futex *f, uint32_t value) {
  syscall(SYS_futex, f, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}
static void futex_wake(futex *f, int n) {
  syscall(SYS_futex, f, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static void lock_free(futex *f) {
  uint32_t was = FREE;
  if (atomic_compare_exchange_strong(f, &was, HELD)) return;
  while (atomic_exchange(f, CONTENDED) != FREE) futex_wait(f, CONTENDED);
}

static void unlock_free(futex *f) {
  if (atomic_exchange(f, FREE) == CONTENDED) futex_wake(f, 1);
}

static void lock_held(futex *f) {
  while (atomic_load(f) != FREE) nt_block(f, -1);
  atomic_store(f, HELD);
}

static void unlock_held(futex *f) {
  if (atomic_load(f) == FREE) nt_violation("a lock was released that nobody held");
  atomic_store(f, FREE);
  nt_wake_one(f);
}

void WINAPI InitializeSRWLock(PSRWLOCK lock) { lock->Ptr = NULL; }

void WINAPI AcquireSRWLockExclusive(PSRWLOCK lock) {
  if (!nt_deterministic()) {
    lock_free(futex_of(lock));
    return;
  }
  nt_enter();
  lock_held(futex_of(lock));
  nt_leave();
}

BOOLEAN WINAPI TryAcquireSRWLockExclusive(PSRWLOCK lock) {
  uint32_t was = FREE;
  return atomic_compare_exchange_strong(futex_of(lock), &was, HELD);
}

void WINAPI ReleaseSRWLockExclusive(PSRWLOCK lock) {
  if (!nt_deterministic()) {
    unlock_free(futex_of(lock));
    return;
  }
  nt_enter();
  unlock_held(futex_of(lock));
  nt_leave();
}

/* ---- CONDITION_VARIABLE: a counter of wakes ----------------------------------------------- */

void WINAPI InitializeConditionVariable(PCONDITION_VARIABLE cv) { cv->Ptr = NULL; }

BOOL WINAPI SleepConditionVariableSRW(PCONDITION_VARIABLE cv, PSRWLOCK lock, DWORD ms,
                                      ULONG flags) {
  (void)flags;
  futex *f = futex_of(cv);
  if (!nt_deterministic()) {
    const uint32_t before = atomic_load(f);
    ReleaseSRWLockExclusive(lock);
    futex_wait(f, before); /* the library sleeps without limit only */
    AcquireSRWLockExclusive(lock);
    return TRUE;
  }
  nt_enter();
  unlock_held(futex_of(lock));
  const bool spurious = nt_chance(1, 16); /* documented: may happen */
  const bool woken = spurious || nt_block(cv, nt_deadline(ms));
  lock_held(futex_of(lock));
  if (!woken) NT_REFUSE(ERROR_TIMEOUT, FALSE);
  nt_leave();
  return TRUE;
}

static void wake(PCONDITION_VARIABLE cv, bool all) {
  if (!nt_deterministic()) {
    atomic_fetch_add(futex_of(cv), 1);
    futex_wake(futex_of(cv), all ? INT32_MAX : 1);
    return;
  }
  nt_enter();
  (all ? nt_wake_all : nt_wake_one)(cv);
  nt_leave();
}
void WINAPI WakeConditionVariable(PCONDITION_VARIABLE cv) { wake(cv, false); }
void WINAPI WakeAllConditionVariable(PCONDITION_VARIABLE cv) { wake(cv, true); }

BOOL WINAPI InitOnceExecuteOnce(PINIT_ONCE once, PINIT_ONCE_FN fn, PVOID parameter,
                                LPVOID *context) {
  static SRWLOCK lock = SRWLOCK_INIT;
  AcquireSRWLockExclusive(&lock);
  BOOL ok = TRUE;
  if (!once->Ptr) {
    ok = fn(once, parameter, context);
    if (ok) once->Ptr = once;
  }
  ReleaseSRWLockExclusive(&lock);
  return ok;
}

/* ---- threads ------------------------------------------------------------------------------ */

struct thread {
  struct nt_object o;
  struct nt_thread turn;
  pthread_t pthread;
  LPTHREAD_START_ROUTINE start;
  LPVOID parameter;
  bool joined;
  _Atomic bool ended;
};

static void *run(void *argument) {
  struct thread *t = argument;
  nt_thread_begins(&t->turn);
  t->start(t->parameter);
  nt_enter();
  atomic_store(&t->ended, true);
  nt_wake_all(t);
  nt_thread_ends(&t->turn);
  return NULL;
}

/* Nobody waited for it: Windows allows that, the library does not do it. */
static void free_thread(struct nt_object *o) {
  struct thread *t = (struct thread *)o;
  if (!t->joined) nt_violation("a thread's handle was closed before the thread was waited for");
  pthread_cond_destroy(&t->turn.wake);
}

HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES attributes, SIZE_T stack,
                           LPTHREAD_START_ROUTINE start, LPVOID parameter, DWORD flags,
                           LPDWORD id) {
  (void)attributes, (void)flags;
  NT_CALL("CreateThread", ERROR_NOT_ENOUGH_MEMORY, NULL);
  struct thread *t = nt_make(NT_THREAD, sizeof *t);
  HANDLE h = nt_handle(&t->o);
  t->o.freed = free_thread;
  t->start = start;
  t->parameter = parameter;
  nt_thread_init(&t->turn);
  nt_thread_born(&t->turn);
  (void)stack;
  int failed = h ? pthread_create(&t->pthread, NULL, run, t) : EAGAIN;
  if (failed) {
    nt_thread_unborn(&t->turn);
    t->joined = true;
    if (h) nt_close(h);
  }
  nt_unref(&t->o);
  if (failed) NT_REFUSE(ERROR_NOT_ENOUGH_MEMORY, NULL);
  if (id) *id = (DWORD)((uintptr_t)h);
  nt_leave();
  return h;
}

DWORD WINAPI GetCurrentThreadId(void) {
  static _Atomic DWORD last;
  static _Thread_local DWORD self;
  if (!self) self = (atomic_fetch_add(&last, 1) + 1) * 4;
  return self;
}
HANDLE WINAPI GetCurrentProcess(void) { return (HANDLE)(LONG_PTR)-1; }
HANDLE WINAPI GetCurrentThread(void) { return (HANDLE)(LONG_PTR)-2; }
DWORD WINAPI GetCurrentProcessId(void) { return (DWORD)getpid(); }

void WINAPI Sleep(DWORD ms) {
  static char nobody_wakes_this;
  nt_enter();
  nt_block(&nobody_wakes_this, nt_deadline(ms));
  nt_leave();
}
BOOL WINAPI SwitchToThread(void) { return Sleep(0), TRUE; }

/* Nothing suspends the simulator. The coarse one goes on every 15.6 milliseconds. */
static void unbiased(ULONGLONG *out, int64_t step) {
  if (nt_deterministic()) nt_enter();
  *out = (ULONGLONG)(nt_clock() / step * step / 100);
  if (nt_deterministic()) nt_leave();
}
void WINAPI QueryUnbiasedInterruptTimePrecise(ULONGLONG *out) { unbiased(out, 100); }
BOOL WINAPI QueryUnbiasedInterruptTime(ULONGLONG *out) { return unbiased(out, 15625000), TRUE; }
ULONGLONG WINAPI GetTickCount64(void) { return (ULONGLONG)(nt_clock() / 1000000); }

/* ---- events and waiting ------------------------------------------------------------------- */

struct event {
  struct nt_object o;
  bool manual, set;
};

HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES attributes, BOOL manual, BOOL set, LPCWSTR name) {
  (void)attributes, (void)name;
  NT_CALL("CreateEventW", ERROR_NO_SYSTEM_RESOURCES, NULL);
  struct event *e = nt_make(NT_EVENT, sizeof *e);
  e->manual = manual;
  e->set = set;
  HANDLE h = nt_handle(&e->o);
  nt_unref(&e->o);
  if (!h) NT_REFUSE(ERROR_NO_SYSTEM_RESOURCES, NULL);
  nt_leave();
  return h;
}

void nt_event_set(HANDLE h, bool set) {
  struct event *e = (struct event *)nt_lookup_kind(h, NT_EVENT);
  if (!e) return;
  e->set = set;
  if (set) nt_wake_all(e);
}

static BOOL change_event(HANDLE h, bool set) {
  nt_enter();
  nt_event_set(h, set);
  nt_leave();
  return TRUE;
}
BOOL WINAPI SetEvent(HANDLE h) { return change_event(h, true); }
BOOL WINAPI ResetEvent(HANDLE h) { return change_event(h, false); }

static bool is_signalled(struct nt_object *o) {
  if (o->kind == NT_THREAD) return atomic_load(&((struct thread *)o)->ended);
  return o->kind == NT_EVENT && ((struct event *)o)->set;
}

DWORD WINAPI WaitForSingleObject(HANDLE h, DWORD ms) {
  nt_enter();
  struct nt_object *o = nt_lookup(h);
  if (!o) NT_REFUSE(ERROR_INVALID_HANDLE, WAIT_FAILED);
  nt_ref(o);
  const int64_t deadline = nt_deadline(ms);
  bool time = ms != 0;
  while (!is_signalled(o) && time) time = nt_block(o, deadline);
  const bool signalled = is_signalled(o);
  struct thread *join = NULL;
  if (signalled && o->kind == NT_EVENT && !((struct event *)o)->manual)
    ((struct event *)o)->set = false;
  if (signalled && o->kind == NT_THREAD && !((struct thread *)o)->joined) {
    join = (struct thread *)o;
    join->joined = true;
  }
  const pthread_t pthread = join ? join->pthread : 0;
  nt_leave();
  if (join) pthread_join(pthread, NULL);
  nt_enter();
  nt_unref(o);
  nt_leave();
  return signalled ? WAIT_OBJECT_0 : WAIT_TIMEOUT;
}
