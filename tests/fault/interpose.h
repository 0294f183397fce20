// SPDX-License-Identifier: MIT
// Failures on demand. This program defines the functions of the C library that libevpoll.so calls
// (malloc, eventfd, syscall ...), so the dynamic linker binds the library to these. They count
// the calls that come from within the library, fail the one that a test names, and pass on
// everything else. No other tool is needed, and every n-th call can be tried in microseconds.
#pragma once

#include <cstddef>
#include <cstdint>

namespace evp::fault {

enum Call {
  kMemory, // malloc, calloc, realloc, posix_memalign, aligned_alloc
  kMap,    // mmap
  kAdvise, // madvise
  kEpollCreate,
  kEpollControl, // EPOLL_CTL_ADD and MOD: DEL fails for callers' mistakes only
  kEpollWait,    // epoll_wait, epoll_pwait, epoll_pwait2
  kEventfd,
  kBell,        // write
  kTimerCreate, // timerfd_create
  kTimerSet,    // timerfd_settime
  kThread,      // pthread_create
  kStat,        // statx, fstat
  kCachedRead,  // preadv2 that may not wait
  kPread,
  kPwrite,
  kPreadv,
  kPwritev,
  kWritev,
  kFsync,
  kFdatasync,
  kRingSetup,
  kRingEnter,
  kRingSubmit,  // io_uring_enter that has something to submit
  kRingPartial, // io_uring_enter takes one entry only, however many there are
  kRingResult,  // a completion that said success says this error
  kDurable,     // pwritev2 that syncs
  kShort,       // a transfer moves no more bytes than the error says; see below
  kPipeRead,    // preadv2 and pwritev2 of what has no place
  kPipeWrite,
  kRecv,
  kSend,
  kRecvMessage,
  kSendMessage,
  kAccept,
  kGetOption,
  kSetOption,
  kOwnName,
  kPeerName,
  kPoll,
  kShutdown,
  kClose, // fails, and the descriptor is closed all the same
  kCalls
};

constexpr int kAll = 1 << 30;

// From the nth call on (1 is the next), `times` calls fail with an errno.
void Arm(Call call, int nth, int error, int times = 1);
// kShort: `error` is the number of bytes. A write by a ring has moved more, and is repeated.
// No more failures; returns how many there were.
int Disarm();
// The next such call takes until Unblock(); Blocked() says whether somebody is in it.
void Block(Call call);
bool Blocked();
void Unblock();
// Nothing is in the system's cache, so that every read is the engine's. So it is from the start.
void ColdCache(bool cold);
// How many calls the library has made since the program began.
uint64_t Seen(Call call);
// How many entries were handed to a ring with IOSQE_ASYNC.
uint64_t AsyncEntries();
// Whether a completion has ever found the last ring's queue full.
bool RingOverflowed();

// ... and to be durable.
uint64_t DurableEntries();

// Pieces of memory and mappings that the library has and has not given back.
size_t LivePieces();
// What the library gave back and did not have.
size_t WrongFrees();
// Called after each free() of the library's; nullptr: no more.
void AfterFree(void (*body)());
// Descriptors that this process has open.
size_t OpenDescriptors();

} // namespace evp::fault
