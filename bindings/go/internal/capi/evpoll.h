/* SPDX-License-Identifier: MIT */
/**
 * @file evpoll.h
 * @brief evpoll: one wait for everything. Sockets that became ready and file operations that
 * finished, in one call, with one binary-stable ABI on Linux, Windows and FreeBSD.
 *
 * A poller sleeps on one kernel object. Readiness, completions, wakes and posts all arrive there
 * and leave through evpoll_wait() as one 32-byte struct evpoll_event.
 *
 * @section example One socket and one file in one loop
 * @code
 *   evpoll *p;
 *   if (evpoll_open(NULL, &p) < 0) return 1;
 *
 *   evpoll_add(p, socket, 1, EVPOLL_READABLE, EVPOLL_LEVEL);       // token 1: the socket
 *
 *   evpoll_io io = {0};
 *   io.token = 2;                                                  // token 2: the file
 *   io.handle = file;
 *   io.code = EVPOLL_IO_READ;
 *   io.buffer = EVPOLL_ADDR(buffer);
 *   io.length = sizeof buffer;
 *   evpoll_submit(p, &io, 1);                                      // buffer is the kernel's now
 *
 *   evpoll_event events[64];
 *   int32_t n;
 *   while ((n = evpoll_wait(p, events, 64, EVPOLL_INFINITE)) >= 0)
 *     for (int32_t i = 0; i < n; i++) {
 *       if (events[i].events & EVPOLL_IO)                          // and is yours again here
 *         printf("read %lld bytes, status %d\n", (long long)events[i].result, events[i].status);
 *       else
 *         serve(events[i].token, events[i].events);
 *     }
 *   evpoll_close(p, EVPOLL_INFINITE);
 * @endcode
 *
 * @section caveats Caveats
 * - A data buffer belongs to the kernel from the call that accepts an operation until
 *   evpoll_wait() has returned the event that carries it. Cancelling does not shorten that: wait
 *   for the completion. Everything else given to a call (arrays, iovecs, strings) is yours again
 *   when the call returns.
 * - A completion may reach another thread before evpoll_submit() has returned. Find your own
 *   state by token, not by the operation id that submit hands out.
 * - Call evpoll_remove() before you close a descriptor of which a duplicate may live on (dup,
 *   fork, SCM_RIGHTS). Without duplicates, closing alone is enough.
 * - EVPOLL_EDGE: read or write until EVPOLL_ERR_WOULD_BLOCK, then evpoll_rearm(). On Linux and
 *   FreeBSD the rearm is free; on Windows no event comes without it. If you stop earlier, to be
 *   fair to others, come back by yourself: no event is promised.
 * - Regular files and block devices are always "ready", so readiness says nothing about them:
 *   evpoll_submit() is for them, evpoll_add() for everything that can be waited for.
 * - Close a file with evpoll_file_close(), or after its operations have reported: a queued
 *   operation knows its file by the number. Whether a busy handle still is a file is not looked up
 *   each time.
 * - After fork() the child's calls give EVPOLL_ERR_FORKED; it may only evpoll_close().
 * - A poller pointer is dead after evpoll_close() returned 0. Using it then is undefined.
 *
 * Rules that hold for all functions (errors, ownership, threads, time, fork, signals, tokens,
 * versions) and the table of what raises each event bit on each system are in abi/README.md.
 */
#ifndef EVPOLL_H
#define EVPOLL_H

#include <stdint.h>

#ifndef EVPOLL_API
#define EVPOLL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** @name Version of this header
 * @{ */
#define EVPOLL_VERSION_MAJOR 1
#define EVPOLL_VERSION_MINOR 0
#define EVPOLL_VERSION_PATCH 0
/** major * 65536 + minor * 256 + patch, as evpoll_version() returns it. */
#define EVPOLL_VERSION 0x010000
/** @} */

/** @name Statuses
 * What functions return when negative, and what the `status` fields hold. The list is closed and
 * the numbers are equal on every platform; the system's own code is in evpoll_os_error(), or in
 * `result` of an event.
 * @{ */
#define EVPOLL_OK                       0     /**< Success. */
#define EVPOLL_ERR_INVALID              (-1)  /**< NULL, unknown flag, reserved field not zero, capacity 0. */
#define EVPOLL_ERR_BAD_HANDLE           (-2)  /**< Not an open handle, or not open for this operation. */
#define EVPOLL_ERR_NO_MEMORY            (-3)  /**< The system or the process is out of memory. */
#define EVPOLL_ERR_LIMIT                (-4)  /**< A limit was met: descriptors, watches, threads, list size. */
#define EVPOLL_ERR_NOT_FOUND            (-5)  /**< No such registration, operation, list or file. */
#define EVPOLL_ERR_STALE                (-6)  /**< The handle is registered with another token by now. */
#define EVPOLL_ERR_BUSY                 (-7)  /**< In use: a second waiter, an unfinished list, an armed aio. */
#define EVPOLL_ERR_AGAIN                (-8)  /**< io_limit reached: submit again after a completion. */
#define EVPOLL_ERR_WOULD_BLOCK          (-9)  /**< The socket is not ready. */
#define EVPOLL_ERR_TIMEOUT              (-10) /**< evpoll_close() ran out of time, or the network did. */
#define EVPOLL_ERR_SHUTDOWN             (-11) /**< The poller was shut down and has nothing left to deliver. */
#define EVPOLL_ERR_UNSUPPORTED          (-12) /**< Not on this platform, or not for this kind of handle. */
#define EVPOLL_ERR_VERSION              (-13) /**< A struct is newer than the library and uses what it lacks. */
#define EVPOLL_ERR_THREAD               (-14) /**< A thread-bound poller was called from another thread. */
#define EVPOLL_ERR_FORKED               (-15) /**< The poller belongs to the parent process. */
#define EVPOLL_ERR_CANCELLED            (-16) /**< The operation was cancelled. */
#define EVPOLL_ERR_PARTIAL              (-17) /**< Some operations of a list failed: see evpoll_list_take(). */
#define EVPOLL_ERR_IO                   (-18) /**< The device reported an error. */
#define EVPOLL_ERR_NO_SPACE             (-19) /**< No space left on the device, or the quota is used up. */
#define EVPOLL_ERR_TOO_LARGE            (-20) /**< Beyond the largest size of a file. */
#define EVPOLL_ERR_FAULT                (-21) /**< A buffer is not mapped. */
#define EVPOLL_ERR_ACCESS               (-22) /**< Permission denied, or a read-only file system. */
#define EVPOLL_ERR_EXISTS               (-23) /**< The file exists already. */
#define EVPOLL_ERR_REFUSED              (-24) /**< The peer refused the connection. */
#define EVPOLL_ERR_RESET                (-25) /**< The peer reset or aborted the connection. */
#define EVPOLL_ERR_BROKEN_PIPE          (-26) /**< The sending side is closed. */
#define EVPOLL_ERR_NOT_CONNECTED        (-27) /**< The socket is not connected. */
#define EVPOLL_ERR_ADDRESS_IN_USE       (-28) /**< The address is taken. */
#define EVPOLL_ERR_ADDRESS_UNAVAILABLE  (-29) /**< Not an address of this machine. */
#define EVPOLL_ERR_UNREACHABLE          (-30) /**< No route to the peer. */
#define EVPOLL_ERR_MESSAGE_SIZE         (-31) /**< The datagram or the buffer is of the wrong size. */
#define EVPOLL_ERR_OS                   (-32) /**< Any other failure: see the system's code. */
/** @} */

/** @name Event bits
 * The first three are interests as well. abi/README.md has the table of what raises each.
 * @{ */
#define EVPOLL_READABLE      0x1    /**< read or accept would not block: data, EOF or an error. */
#define EVPOLL_WRITABLE      0x2    /**< send would not block, or connect has ended. */
#define EVPOLL_PRIORITY      0x4    /**< Out-of-band data (EVPOLL_FEATURE_PRIORITY). */
#define EVPOLL_READ_CLOSED   0x8    /**< The peer sent its FIN; only with interest EVPOLL_READABLE. */
#define EVPOLL_WRITE_CLOSED  0x10   /**< Reset or refused: nothing can be sent any more. */
#define EVPOLL_ERROR         0x20   /**< An error is pending; reported with any interest. */
#define EVPOLL_IO            0x100  /**< An operation finished: op, result, status. */
#define EVPOLL_IO_LIST       0x200  /**< All operations of a list finished: op, result, status. */
#define EVPOLL_AIO           0x400  /**< A foreign operation finished (evpoll_aio_open). */
#define EVPOLL_LIO           0x800  /**< A foreign list finished (evpoll_aio_open). */
#define EVPOLL_WAKE          0x1000 /**< evpoll_wake() was called. */
#define EVPOLL_POST          0x2000 /**< evpoll_post() was called: result is the posted value. */
/** @} */

/** @name Modes of a registration
 * @{ */
#define EVPOLL_LEVEL   0 /**< Reported by every wait while it is true. */
#define EVPOLL_EDGE    1 /**< Reported when it becomes true; evpoll_rearm() after WOULD_BLOCK. */
#define EVPOLL_ONESHOT 2 /**< One event, then silence until evpoll_rearm() or evpoll_modify(). */
/** @} */

/** @name Actions of struct evpoll_change
 * @{ */
#define EVPOLL_CHANGE_ADD    1 /**< As evpoll_add(). */
#define EVPOLL_CHANGE_MODIFY 2 /**< As evpoll_modify(). */
#define EVPOLL_CHANGE_REARM  3 /**< As evpoll_rearm(); `interest` holds the bits. */
#define EVPOLL_CHANGE_REMOVE 4 /**< As evpoll_remove(). */
/** @} */

/** @name Codes of struct evpoll_io
 * @{ */
#define EVPOLL_IO_READ      1 /**< Read `length` bytes at `offset` into `buffer`. */
#define EVPOLL_IO_WRITE     2 /**< Write `length` bytes at `offset` from `buffer`. */
#define EVPOLL_IO_READV     3 /**< `buffer` is the address of `length` struct evpoll_iovec. */
#define EVPOLL_IO_WRITEV    4 /**< `buffer` is the address of `length` struct evpoll_iovec. */
#define EVPOLL_IO_FSYNC     5 /**< Make completed writes durable; offset, buffer and length are 0. */
#define EVPOLL_IO_FDATASYNC 6 /**< As FSYNC, without metadata that reading back does not need. */
/** @} */

/** @name Flags of struct evpoll_io
 * @{ */
#define EVPOLL_IO_INLINE 0x10 /**< May end inside the call that submits it, which says so instead of an event. */
/** @} */

/** @name Flags of evpoll_open
 * @{ */
#define EVPOLL_OPEN_SINGLE_WAITER  0x1 /**< Never two waits at once; makes oneshot cheap. */
#define EVPOLL_OPEN_THREAD_BOUND   0x2 /**< wait, update, submit, cancel from one thread; implies SINGLE_WAITER. */
#define EVPOLL_OPEN_NO_URING       0x4 /**< Linux: file operations by the worker pool. */
#define EVPOLL_OPEN_NATIVE_IO_ONLY 0x8 /**< No worker pool: UNSUPPORTED where the kernel cannot do it. */
/** @} */

/** @name Features in struct evpoll_info
 * @{ */
#define EVPOLL_FEATURE_PRIORITY    0x1  /**< EVPOLL_PRIORITY can be an interest. */
#define EVPOLL_FEATURE_FILE_IO     0x2  /**< evpoll_submit() serves regular files and block devices. */
#define EVPOLL_FEATURE_NATIVE_IO   0x4  /**< ... by the kernel, without worker threads. */
#define EVPOLL_FEATURE_VECTORED_IO 0x8  /**< READV and WRITEV are served. */
#define EVPOLL_FEATURE_PIPE_IO     0x10 /**< Named pipes are served by evpoll_submit() (Windows). */
#define EVPOLL_FEATURE_FOREIGN_AIO 0x20 /**< evpoll_aio_open() is served. */
#define EVPOLL_FEATURE_ANY_HANDLE  0x40 /**< evpoll_add() takes pipes and devices, not only sockets. */
/** @} */

/** @name Backends and I/O engines in struct evpoll_info
 * @{ */
#define EVPOLL_BACKEND_EPOLL   1 /**< Linux epoll. */
#define EVPOLL_BACKEND_KQUEUE  2 /**< BSD kqueue. */
#define EVPOLL_BACKEND_AFD     3 /**< Windows AFD and one I/O completion port. */
#define EVPOLL_ENGINE_NONE     0 /**< File operations are not served. */
#define EVPOLL_ENGINE_POOL     1 /**< A pool of worker threads. */
#define EVPOLL_ENGINE_IO_URING 2 /**< Linux io_uring. */
#define EVPOLL_ENGINE_AIO      3 /**< POSIX AIO by kqueue. */
#define EVPOLL_ENGINE_IOCP     4 /**< Overlapped I/O on the completion port. */
/** @} */

/** @name Flags of evpoll_file_open
 * @{ */
#define EVPOLL_FILE_READ      0x1  /**< Open for reading. */
#define EVPOLL_FILE_WRITE     0x2  /**< Open for writing. */
#define EVPOLL_FILE_CREATE    0x4  /**< Create the file where there is none. */
#define EVPOLL_FILE_EXCLUSIVE 0x8  /**< With CREATE: fail with EVPOLL_ERR_EXISTS where there is one. */
#define EVPOLL_FILE_TRUNCATE  0x10 /**< With WRITE: cut the file to 0 bytes. */
#define EVPOLL_FILE_DIRECT    0x20 /**< Past the page cache: aligned buffers, offsets and lengths. */
/** @} */

/** @name Directions of evpoll_socket_shutdown
 * @{ */
#define EVPOLL_SHUTDOWN_READ  1 /**< No more receiving. */
#define EVPOLL_SHUTDOWN_WRITE 2 /**< No more sending: the peer sees EOF. */
#define EVPOLL_SHUTDOWN_BOTH  3 /**< Both. */
/** @} */

/** A timeout that never ends; every negative timeout means the same. */
#define EVPOLL_INFINITE (-1)
/** For evpoll_cancel(): every operation in flight. No operation ever has this id. */
#define EVPOLL_OP_ALL 1
/** From evpoll_socket_tcp_connect(): the connection is still being made. */
#define EVPOLL_IN_PROGRESS 1
/** Bytes that hold any numeric address as text, with its scope and the final zero. */
#define EVPOLL_ADDRESS_CAPACITY 64
/** The address of a C object as the uint64_t that the structs carry. */
#define EVPOLL_ADDR(pointer) ((uint64_t)(uintptr_t)(pointer))

/** A poller: opaque, made by evpoll_open(). */
typedef struct evpoll evpoll;
/** A foreign asynchronous operation: opaque, made by evpoll_aio_open(). */
typedef struct evpoll_aio evpoll_aio;
/** What the system calls a descriptor: an fd, a SOCKET or a HANDLE. */
typedef int64_t evpoll_handle;

/** What happened. 32 bytes, frozen for major version 1. */
typedef struct evpoll_event {
  uint64_t token;  /**< As given at registration, submission or post. */
  uint64_t op;     /**< 0 for readiness, else the operation or list. */
  int64_t result;  /**< Bytes moved, list entries that succeeded, or the posted value; the system's code where status < 0 (but not for EVPOLL_ERR_PARTIAL). */
  uint32_t events; /**< EVPOLL_READABLE and so on. */
  int32_t status;  /**< 0 or EVPOLL_ERR_*. */
} evpoll_event;

/** One change of a registration, for evpoll_update(). 32 bytes, frozen for major version 1. */
typedef struct evpoll_change {
  uint64_t token;       /**< The caller's value, returned in events. */
  evpoll_handle handle; /**< What is to be watched. */
  uint32_t action;      /**< EVPOLL_CHANGE_*. */
  uint32_t interest;    /**< EVPOLL_READABLE, WRITABLE, PRIORITY; 0 for none (and for REMOVE). */
  uint32_t mode;        /**< EVPOLL_LEVEL, EDGE or ONESHOT (0 for REARM and REMOVE). */
  int32_t status;       /**< Out: what the single call would have returned. */
} evpoll_change;

/** One file operation, for evpoll_submit(). 64 bytes, frozen for major version 1. */
typedef struct evpoll_io {
  uint64_t token;       /**< The caller's value, returned in the completion. */
  evpoll_handle handle; /**< A regular file or block device. */
  int64_t offset;       /**< Bytes from the start of the file, >= 0. */
  uint64_t buffer;      /**< EVPOLL_ADDR of the data, or of an array of struct evpoll_iovec. */
  uint64_t length;      /**< Bytes, at most INT64_MAX (READV, WRITEV: iovecs, 1 to 1024). */
  uint64_t op;          /**< Out: the operation's id, never reused in this poller; 0: there is no operation. */
  uint32_t code;        /**< EVPOLL_IO_READ and so on. */
  uint32_t flags;       /**< 0 or EVPOLL_IO_INLINE. */
  int32_t status;       /**< Out: 0 when accepted, else why not; where it ended inline: the bytes moved. */
  uint32_t reserved;    /**< 0. */
} evpoll_io;

/** The outcome of one list entry. 16 bytes, frozen for major version 1. */
typedef struct evpoll_result {
  int64_t result;    /**< Bytes moved, or the system's code where status < 0. */
  int32_t status;    /**< 0 or EVPOLL_ERR_*. */
  uint32_t reserved; /**< 0. */
} evpoll_result;

/** One piece of a vectored operation. 16 bytes, frozen for major version 1. */
typedef struct evpoll_iovec {
  uint64_t address; /**< EVPOLL_ADDR of the piece. */
  uint64_t length;  /**< Bytes. */
} evpoll_iovec;

/** How to open a poller. Grows with minor versions: set struct_size, zero the rest. */
typedef struct evpoll_options {
  uint32_t struct_size;  /**< sizeof(struct evpoll_options) of the caller's header. */
  uint32_t flags;        /**< EVPOLL_OPEN_*. */
  uint64_t wake_token;   /**< Token of EVPOLL_WAKE events. */
  uint32_t io_limit;     /**< Most operations in flight, 1 to 1048576; 0: 4096. */
  uint32_t pool_threads; /**< Most threads of the worker pool, 1 to 256; 0: 4. */
} evpoll_options;

/** Counters since evpoll_open(). Grows with minor versions: set struct_size. */
struct evpoll_stats {
  uint32_t struct_size;      /**< In: sizeof(struct evpoll_stats) of the caller's header. */
  uint32_t pool_threads;     /**< Worker threads alive now. */
  uint64_t waits;            /**< Calls of evpoll_wait() and evpoll_turn() that got to wait. */
  uint64_t events;           /**< Events delivered. */
  uint64_t wakes;            /**< EVPOLL_WAKE events delivered. */
  uint64_t posts;            /**< EVPOLL_POST events delivered. */
  uint64_t spurious_returns; /**< Times the kernel woke a waiter that found nothing to deliver. */
  uint64_t rearms;           /**< Successful evpoll_rearm(). */
  uint64_t stale_hits;       /**< Kernel events dropped since their registration had ended. */
  uint64_t set_rebuilds;     /**< Times the kernel's set was rebuilt to get rid of stale hits. */
  uint64_t io_submitted;     /**< Operations accepted. */
  uint64_t io_completed;     /**< Operations finished, delivered or discarded by close. */
  uint64_t io_cancelled;     /**< ... of them with EVPOLL_ERR_CANCELLED. */
  uint64_t io_in_flight;     /**< Operations accepted and not yet delivered. */
};

/** What this poller is made of. Grows with minor versions: set struct_size. */
struct evpoll_info {
  uint32_t struct_size;     /**< In: sizeof(struct evpoll_info) of the caller's header. */
  uint32_t version;         /**< The library's EVPOLL_VERSION. */
  uint32_t features;        /**< EVPOLL_FEATURE_*. */
  uint32_t backend;         /**< EVPOLL_BACKEND_*. */
  uint32_t io_engine;       /**< EVPOLL_ENGINE_*: in use, or what the first operation would use. */
  uint32_t open_flags;      /**< EVPOLL_OPEN_* in force. */
  uint32_t io_limit;        /**< Most operations in flight, and most entries in one list. */
  uint32_t pool_threads;    /**< Most threads of the worker pool. */
  uint64_t io_length_limit; /**< Bytes one operation moves at most; longer ones come back short. */
};

/* ---- about -------------------------------------------------------------------------------- */

/**
 * Tells the version of the loaded library.
 *
 * Compare the major number with EVPOLL_VERSION_MAJOR of the header that you compiled with.
 *
 * @return major * 65536 + minor * 256 + patch.
 * @owns nothing
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_version(void);

/**
 * Tells the version of the loaded library as text, "1.0.0".
 *
 * @return a zero-terminated string, never NULL.
 * @owns the library keeps the string; it is constant
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API const char *evpoll_version_string(void);

/**
 * Names a status in English, for logs.
 *
 * @param status 0, a count, or EVPOLL_ERR_*; unknown numbers get "unknown status"
 * @return a zero-terminated string, never NULL.
 * @owns the library keeps the string; it is constant
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API const char *evpoll_strerror(int32_t status);

/**
 * Tells the system's own code of the last evpoll call in this thread that failed.
 *
 * For diagnosis and logs: errno on POSIX, GetLastError or a WSA code on Windows. Programs decide
 * by the status. A call that fails by a check of evpoll's own sets it to 0; a call that succeeds
 * leaves it, but for evpoll_socket_take_error(). evpoll_wake() and evpoll_shutdown(), which may run
 * in a signal handler, leave it alone. In events the code is in `result`.
 *
 * @return the code, 0 where the system was not involved.
 * @owns nothing
 * @threads any; each thread has its own
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_os_error(void);

/**
 * Fills in what this poller can do and where its limits are.
 *
 * Before the first file operation io_engine tells what it would use; the engine is made then.
 *
 * @param p the poller
 * @param info_out struct_size set by the caller (8 to 4096); filled up to that size
 * @return 0, EVPOLL_ERR_INVALID or EVPOLL_ERR_FORKED.
 * @owns the caller keeps info_out
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_info(evpoll *p, struct evpoll_info *info_out);

/**
 * Writes one line for each part of the poller: what serves it, and why not something better.
 *
 * For logs and support: "files: worker pool of 4 threads (io_uring: refused, Operation not
 * permitted)". The wording may change in any version.
 *
 * @param p the poller
 * @param text_out where to write, zero-terminated; may be NULL if capacity is 0
 * @param capacity bytes at text_out, >= 0; a longer text is cut
 * @return bytes of the whole text without the final zero (>= capacity means that it was cut),
 *         EVPOLL_ERR_INVALID or EVPOLL_ERR_FORKED.
 * @owns the caller keeps text_out
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_describe(evpoll *p, char *text_out, int32_t capacity);

/* ---- poller ------------------------------------------------------------------------------- */

/**
 * Opens a poller.
 *
 * Takes two descriptors on Linux; file operations take one more, made at the first of them.
 *
 * @param options NULL for defaults; else struct_size and whatever differs from 0
 * @param poller_out the new poller; untouched on failure
 * @return 0, EVPOLL_ERR_INVALID (unknown flag, value out of range, struct_size below 8 or above
 *         4096), EVPOLL_ERR_VERSION (a field that this library does not know is not 0),
 *         EVPOLL_ERR_LIMIT, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_UNSUPPORTED or EVPOLL_ERR_OS.
 * @owns the caller owns the poller until evpoll_close() returns 0; options are copied
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_open(const evpoll_options *options, evpoll **poller_out);

/**
 * Shuts a poller down for good: every thread inside evpoll_wait() leaves.
 *
 * From now on evpoll_add() and evpoll_submit() are refused and readiness is no longer reported.
 * Waits deliver posts and completions, wait for what is still in flight (at most as long as their
 * timeout), and return EVPOLL_ERR_SHUTDOWN when nothing is left. Operations are not cancelled:
 * call evpoll_cancel() to hurry them. A second call changes nothing.
 *
 * @param p the poller
 * @return 0, EVPOLL_ERR_INVALID or EVPOLL_ERR_FORKED.
 * @owns nothing
 * @threads any; async-signal-safe
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_shutdown(evpoll *p);

/**
 * Closes a poller and frees it once the kernel has given back every buffer.
 *
 * Shuts down, sends waiting threads away, cancels operations and discards their completions.
 * Registered descriptors stay open. In a forked child it only frees.
 *
 * @param p the poller; no other thread may be inside a call but evpoll_wait() or evpoll_turn(),
 *          and none may enter one
 * @param timeout_ns nanoseconds to wait for threads and operations; 0: not at all; negative: for ever
 * @return 0 (p is gone), EVPOLL_ERR_TIMEOUT (p is shut down and still valid: close again),
 *         EVPOLL_ERR_INVALID, or EVPOLL_ERR_BUSY (a foreign operation is still open).
 * @owns p is freed when 0 is returned; buffers of operations are the caller's again then
 * @threads any one thread; for a thread-bound poller too
 * @blocks up to timeout_ns
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_close(evpoll *p, int64_t timeout_ns);

/**
 * Fills in the poller's counters.
 *
 * Each is exact when no other thread is inside a call, and never runs backwards.
 *
 * @param p the poller
 * @param stats_out struct_size set by the caller (8 to 4096); filled up to that size
 * @return 0, EVPOLL_ERR_INVALID or EVPOLL_ERR_FORKED.
 * @owns the caller keeps stats_out
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_stats(evpoll *p, struct evpoll_stats *stats_out);

/* ---- readiness ---------------------------------------------------------------------------- */

/**
 * Watches a handle, or replaces what was watched of it (an upsert).
 *
 * Bits that are true already are reported too. Interest 0 keeps the registration and reports
 * nothing at all.
 *
 * @param p the poller
 * @param handle a socket; on Linux and FreeBSD anything that can be polled
 * @param token any 64-bit value, returned in events
 * @param interest EVPOLL_READABLE, EVPOLL_WRITABLE, EVPOLL_PRIORITY or 0
 * @param mode EVPOLL_LEVEL, EVPOLL_EDGE or EVPOLL_ONESHOT
 * @return 0 when new, 1 when it replaced a registration of this handle; EVPOLL_ERR_INVALID,
 *         EVPOLL_ERR_BAD_HANDLE, EVPOLL_ERR_UNSUPPORTED (a regular file, a directory, or PRIORITY
 *         without the feature), EVPOLL_ERR_LIMIT, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_BUSY (Windows:
 *         another poller has it), EVPOLL_ERR_SHUTDOWN, EVPOLL_ERR_THREAD, EVPOLL_ERR_FORKED or
 *         EVPOLL_ERR_OS. After a failure the handle is registered as before, or not at all if its
 *         descriptor was closed.
 * @owns the handle stays the caller's; nothing is kept of it but its number
 * @threads any; also while others wait
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_add(evpoll *p, evpoll_handle handle, uint64_t token, uint32_t interest,
                              uint32_t mode);

/**
 * Changes interest and mode of a registration and looks at its state afresh.
 *
 * Bits that are true now are reported (again), in every mode.
 *
 * @param p the poller
 * @param handle a registered handle
 * @param token the token that it was added with
 * @param interest as for evpoll_add()
 * @param mode as for evpoll_add()
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE (it was closed: the registration is gone),
 *         EVPOLL_ERR_NOT_FOUND (not registered), EVPOLL_ERR_STALE (registered with another token,
 *         or the number is another file's by now), EVPOLL_ERR_UNSUPPORTED, EVPOLL_ERR_LIMIT,
 *         EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_SHUTDOWN, EVPOLL_ERR_THREAD, EVPOLL_ERR_FORKED or
 *         EVPOLL_ERR_OS.
 * @owns nothing
 * @threads any; also while others wait
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_modify(evpoll *p, evpoll_handle handle, uint64_t token,
                                 uint32_t interest, uint32_t mode);

/**
 * Arms a registration again.
 *
 * ONESHOT: allows one more event, for these bits. EDGE: each of these bits is reported at least
 * once more when it becomes true, given that the caller has seen EVPOLL_ERR_WOULD_BLOCK since its
 * last event; without that nothing is promised. LEVEL: nothing to do.
 *
 * @param p the poller
 * @param handle a registered handle
 * @param token the token that it was added with
 * @param bits one or more bits of the registration's interest
 * @return 0, EVPOLL_ERR_INVALID (no bit, or one outside the interest), EVPOLL_ERR_BAD_HANDLE,
 *         EVPOLL_ERR_NOT_FOUND, EVPOLL_ERR_STALE, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_SHUTDOWN,
 *         EVPOLL_ERR_THREAD, EVPOLL_ERR_FORKED or EVPOLL_ERR_OS.
 * @owns nothing
 * @threads any; also while others wait
 * @blocks no
 * @since 1.0
 * @platform all; no system call for EDGE on Linux and FreeBSD, nor usually for ONESHOT in a
 *           single-waiter poller on Linux
 */
EVPOLL_API int32_t evpoll_rearm(evpoll *p, evpoll_handle handle, uint64_t token, uint32_t bits);

/**
 * Stops watching a handle.
 *
 * Waits that start after this has returned never return the token for it. A wait in progress may,
 * and so may an array that a wait has filled already.
 *
 * @param p the poller
 * @param handle a registered handle; it may have been closed already
 * @param token the token that it was added with
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE (negative), EVPOLL_ERR_NOT_FOUND,
 *         EVPOLL_ERR_STALE (registered with another token by now: left as it is),
 *         EVPOLL_ERR_THREAD, EVPOLL_ERR_FORKED or EVPOLL_ERR_OS.
 * @owns nothing
 * @threads any; also while others wait
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_remove(evpoll *p, evpoll_handle handle, uint64_t token);

/**
 * Applies many changes in one call, in order.
 *
 * A change that fails does not stop the others. Each gets in `status` what the single call would
 * have returned.
 *
 * @param p the poller
 * @param changes n changes; may be NULL if n is 0
 * @param n 0 or more
 * @return the number of changes that succeeded; EVPOLL_ERR_INVALID, EVPOLL_ERR_THREAD or
 *         EVPOLL_ERR_FORKED if none was looked at.
 * @owns the caller keeps changes
 * @threads any; also while others wait
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_update(evpoll *p, evpoll_change *changes, int32_t n);

/* ---- wait --------------------------------------------------------------------------------- */

/**
 * Waits until something has happened and says what.
 *
 * Readiness, completions, wakes and posts share the array and are served in turn, so that none
 * starves when it is small. What does not fit stays for the next wait. Signals do not end a wait.
 * Arrays of 64 to 1024 events serve best; at most 4096 are filled in one call.
 *
 * @param p the poller
 * @param events_out where to write; its whole capacity may be used as scratch space
 * @param capacity number of events, 1 or more
 * @param timeout_ns nanoseconds, rounded up to what the system can do; 0: do not block; negative:
 *        no limit
 * @return the number of events, 0 when the time is up; EVPOLL_ERR_INVALID, EVPOLL_ERR_SHUTDOWN
 *         (shut down, and nothing left to deliver), EVPOLL_ERR_BUSY (a second waiter in a
 *         single-waiter poller), EVPOLL_ERR_THREAD, EVPOLL_ERR_FORKED or EVPOLL_ERR_OS.
 * @owns the caller keeps events_out; the buffers of the operations in it are the caller's again
 * @threads any number at once; one at a time with EVPOLL_OPEN_SINGLE_WAITER
 * @blocks up to timeout_ns
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_wait(evpoll *p, evpoll_event *events_out, int32_t capacity,
                               int64_t timeout_ns);

/**
 * Does a whole turn of an event loop in one call: evpoll_update(), evpoll_submit(), evpoll_wait().
 *
 * For languages in which a call costs. Every change and every io gets its status; if any of them
 * failed, or an io was not accepted, or ended inline, the wait does not block: do not offer an
 * operation that met io_limit again before a completion has come, or the loop spins.
 *
 * @param p the poller
 * @param changes nchanges changes; may be NULL if nchanges is 0
 * @param nchanges 0 or more
 * @param ios nios operations; may be NULL if nios is 0
 * @param nios 0 or more
 * @param events_out as for evpoll_wait()
 * @param capacity as for evpoll_wait()
 * @param timeout_ns as for evpoll_wait()
 * @return the number of events, 0 when the time is up; negative, as for evpoll_wait(), only if no
 *         change was applied and no operation accepted.
 * @owns as evpoll_submit() and evpoll_wait()
 * @threads as evpoll_wait()
 * @blocks up to timeout_ns
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_turn(evpoll *p, evpoll_change *changes, int32_t nchanges, evpoll_io *ios,
                               int32_t nios, evpoll_event *events_out, int32_t capacity,
                               int64_t timeout_ns);

/* ---- wake --------------------------------------------------------------------------------- */

/**
 * Makes one wait return with an EVPOLL_WAKE event, now or at its next call.
 *
 * Wakes that come before the event was delivered are one event. None is lost.
 *
 * @param p the poller
 * @return 0, EVPOLL_ERR_INVALID or EVPOLL_ERR_FORKED.
 * @owns nothing
 * @threads any; async-signal-safe
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_wake(evpoll *p);

/**
 * Sends an event of one's own to a waiter.
 *
 * Every post arrives, once; the posts of one thread leave the queue in order.
 *
 * @param p the poller
 * @param token returned in the event
 * @param result returned in the event, any value
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_SHUTDOWN or EVPOLL_ERR_FORKED.
 * @owns nothing
 * @threads any; not from signal handlers
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_post(evpoll *p, uint64_t token, int64_t result);

/* ---- file operations ---------------------------------------------------------------------- */

/**
 * Prepares a handle for file operations, and says whether it can have them.
 *
 * Makes what serves the operations, so that the first one cannot fail for want of it. Windows:
 * binds the handle to this poller's completion port for the rest of its life; a synchronous handle
 * is served by the worker pool. Calling it is optional for what evpoll_submit() serves.
 *
 * @param p the poller
 * @param handle a regular file or block device; Windows: also what else the caller's own operations
 *        are started on (evpoll_aio_open), a named pipe or a socket
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE, EVPOLL_ERR_UNSUPPORTED (another kind of
 *         handle, or EVPOLL_OPEN_NATIVE_IO_ONLY and the kernel does not serve it), EVPOLL_ERR_BUSY
 *         (bound to another port), EVPOLL_ERR_LIMIT, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_SHUTDOWN,
 *         EVPOLL_ERR_THREAD, EVPOLL_ERR_FORKED or EVPOLL_ERR_OS.
 * @owns the handle stays the caller's
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all; binds on Windows only
 */
EVPOLL_API int32_t evpoll_attach(evpoll *p, evpoll_handle handle);

/**
 * Starts file operations.
 *
 * Each accepted operation yields exactly one EVPOLL_IO event, whatever happens to it, also when
 * this thread ends. Operations are unordered. An event may carry fewer bytes than asked for;
 * result 0 with status 0 is the end of the file. FSYNC and FDATASYNC cover the writes whose
 * completion was received before they were submitted.
 *
 * An entry with EVPOLL_IO_INLINE may end inside the call, if that does not block: then it counts as
 * accepted, its op is 0, its status the bytes moved (0 at the end of the file), and no event comes.
 * Otherwise it is an operation like the others. Only entries at the head end so, each right behind
 * the one before. On Linux those are reads of at most 128 KiB that the page cache can serve; on
 * other systems none.
 *
 * @param p the poller
 * @param ios n operations; op and status of each are written. The first that is refused gets the
 *        reason; those behind it were not looked at and get EVPOLL_ERR_AGAIN
 * @param n 0 or more
 * @return the number accepted, a prefix of ios (0 if the first was refused: see its status);
 *         EVPOLL_ERR_INVALID, EVPOLL_ERR_SHUTDOWN, EVPOLL_ERR_THREAD or EVPOLL_ERR_FORKED if none
 *         was looked at. In status: EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE,
 *         EVPOLL_ERR_UNSUPPORTED, EVPOLL_ERR_AGAIN (io_limit reached), EVPOLL_ERR_NO_MEMORY,
 *         EVPOLL_ERR_LIMIT or EVPOLL_ERR_OS.
 * @owns data buffers of accepted operations are the kernel's until their event was returned by a
 *       wait, or evpoll_close() returned 0; ios and iovec arrays are the caller's on return
 * @threads any; one with EVPOLL_OPEN_THREAD_BOUND
 * @blocks no (the system may do cached reads and writes inside the call)
 * @since 1.0
 * @platform all; READV and WRITEV with EVPOLL_FEATURE_VECTORED_IO
 */
EVPOLL_API int32_t evpoll_submit(evpoll *p, evpoll_io *ios, int32_t n);

/**
 * Starts a list of operations that reports once, when all of them are done.
 *
 * All or nothing: if one entry is refused, each refused entry says why and nothing is started.
 * Otherwise there is one EVPOLL_IO_LIST event, with `op` the list's id, `result` the number of
 * entries that succeeded, and `status` 0 or EVPOLL_ERR_PARTIAL. Entries are unordered.
 *
 * @param p the poller
 * @param ios n operations; their tokens are not used, and their flags are 0
 * @param n 1 to io_limit
 * @param token returned in the event
 * @param op_out the list's id, written before the list starts; may be NULL
 * @return n; EVPOLL_ERR_INVALID (also for n < 1 and for a refused entry), EVPOLL_ERR_LIMIT (more
 *         entries than io_limit), EVPOLL_ERR_AGAIN (not enough room now), EVPOLL_ERR_BAD_HANDLE,
 *         EVPOLL_ERR_UNSUPPORTED, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_SHUTDOWN, EVPOLL_ERR_THREAD,
 *         EVPOLL_ERR_FORKED or EVPOLL_ERR_OS.
 * @owns data buffers are the kernel's until the list's event was returned by a wait; the results
 *       are the library's until evpoll_list_take() or evpoll_close()
 * @threads any; one with EVPOLL_OPEN_THREAD_BOUND
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_submit_list(evpoll *p, evpoll_io *ios, int32_t n, uint64_t token,
                                      uint64_t *op_out);

/**
 * Takes the results of a finished list, and forgets the list.
 *
 * @param p the poller
 * @param op the list's id
 * @param results_out results[i] is that of ios[i]
 * @param n number of results, at least the number of entries
 * @return the number of entries; EVPOLL_ERR_INVALID (also if n is too small: the list is kept),
 *         EVPOLL_ERR_NOT_FOUND, EVPOLL_ERR_BUSY (its event was not delivered yet),
 *         EVPOLL_ERR_FORKED.
 * @owns the caller keeps results_out
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_list_take(evpoll *p, uint64_t op, evpoll_result *results_out, int32_t n);

/**
 * Asks for the end of one operation, of one list, or of all.
 *
 * Only a request: the event still comes, with EVPOLL_ERR_CANCELLED if the request won, else with
 * what the operation did. The buffer is not free before.
 *
 * @param p the poller
 * @param op an operation, a list, or EVPOLL_OP_ALL
 * @return the number of operations asked to end (0 is possible for EVPOLL_OP_ALL);
 *         EVPOLL_ERR_NOT_FOUND (finished or never there), EVPOLL_ERR_INVALID, EVPOLL_ERR_THREAD or
 *         EVPOLL_ERR_FORKED.
 * @owns nothing: buffers stay the kernel's until their event
 * @threads any; one with EVPOLL_OPEN_THREAD_BOUND
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_cancel(evpoll *p, uint64_t op);

/**
 * Asks for the end of all operations on a handle.
 *
 * As evpoll_cancel(). Call it before closing a handle that has operations in flight.
 *
 * @param p the poller
 * @param handle the handle that the operations were submitted with
 * @return the number of operations asked to end, 0 if there were none; EVPOLL_ERR_INVALID,
 *         EVPOLL_ERR_BAD_HANDLE (negative), EVPOLL_ERR_THREAD or EVPOLL_ERR_FORKED.
 * @owns nothing: buffers stay the kernel's until their event
 * @threads any; one with EVPOLL_OPEN_THREAD_BOUND
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_cancel_handle(evpoll *p, evpoll_handle handle);

/* ---- foreign asynchronous operations ------------------------------------------------------ */

/**
 * Makes a request for operations that the caller starts with the system's own calls.
 *
 * FreeBSD: struct aiocb with aio_read(), aio_write(), lio_listio(). Windows: any call that takes
 * an OVERLAPPED. On Linux use evpoll_submit(), or evpoll_add() an eventfd.
 *
 * @param p the poller
 * @param kind EVPOLL_AIO for single operations, EVPOLL_LIO for lists; no other interest
 * @param token returned in the events
 * @param aio_out the new request; untouched on failure
 * @return 0, EVPOLL_ERR_INVALID (another kind, NULL), EVPOLL_ERR_UNSUPPORTED,
 *         EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_SHUTDOWN, EVPOLL_ERR_THREAD or EVPOLL_ERR_FORKED.
 * @owns the caller owns the request until evpoll_aio_close() returns 0
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform FreeBSD, Windows; elsewhere EVPOLL_ERR_UNSUPPORTED
 */
EVPOLL_API int32_t evpoll_aio_open(evpoll *p, uint32_t kind, uint64_t token, evpoll_aio **aio_out);

/**
 * Arms a request for one operation or list, which the caller then starts.
 *
 * FreeBSD: `native_out` is the caller's struct sigevent, filled in with the poller's queue, the
 * request and the flags. Windows: it is the caller's OVERLAPPED pointer variable, set to an
 * OVERLAPPED of the library's, the only legal one on an attached handle. If starting fails, call
 * evpoll_aio_deregister().
 *
 * @param aio the request, not armed
 * @param native_out what to fill in
 * @param size bytes at native_out: sizeof(struct sigevent), or sizeof(OVERLAPPED *)
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_BUSY (armed), EVPOLL_ERR_UNSUPPORTED,
 *         EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_SHUTDOWN or EVPOLL_ERR_FORKED.
 * @owns FreeBSD: all memory stays the caller's; Windows: the OVERLAPPED is the library's
 * @threads one at a time for each request
 * @blocks no
 * @since 1.0
 * @platform FreeBSD, Windows; elsewhere EVPOLL_ERR_UNSUPPORTED
 */
EVPOLL_API int32_t evpoll_aio_register(evpoll_aio *aio, void *native_out, uint32_t size);

/**
 * Disarms a request of which nothing is in flight: the caller says so.
 *
 * A late event of the operation is dropped. FreeBSD: the array of a list that was started, and whose
 * event was not seen, is left alone for a while (I14 in README.md).
 *
 * @param aio the request
 * @return 0 (also if it was not armed), EVPOLL_ERR_INVALID, EVPOLL_ERR_UNSUPPORTED or
 *         EVPOLL_ERR_FORKED.
 * @owns nothing
 * @threads one at a time for each request
 * @blocks no
 * @since 1.0
 * @platform FreeBSD, Windows; elsewhere EVPOLL_ERR_UNSUPPORTED
 */
EVPOLL_API int32_t evpoll_aio_deregister(evpoll_aio *aio);

/**
 * Tells whether the request has become ready, without a system call.
 *
 * @param aio the request
 * @param tick_out the readiness seen, for evpoll_aio_clear_ready()
 * @return 1 when ready, 0 when pending or not submitted yet; EVPOLL_ERR_SHUTDOWN after
 *         evpoll_shutdown(), EVPOLL_ERR_INVALID, EVPOLL_ERR_UNSUPPORTED or EVPOLL_ERR_FORKED.
 * @owns nothing
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform FreeBSD, Windows; elsewhere EVPOLL_ERR_UNSUPPORTED
 */
EVPOLL_API int32_t evpoll_aio_poll_ready(evpoll_aio *aio, uint64_t *tick_out);

/**
 * Forgets a readiness that the caller has seen; needed before the same structure is used again.
 *
 * @param aio the request
 * @param tick as evpoll_aio_poll_ready() gave it; a stale one changes nothing
 * @return 1 when cleared, 0 when the tick was stale; EVPOLL_ERR_INVALID, EVPOLL_ERR_UNSUPPORTED or
 *         EVPOLL_ERR_FORKED.
 * @owns nothing
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform FreeBSD, Windows; elsewhere EVPOLL_ERR_UNSUPPORTED
 */
EVPOLL_API int32_t evpoll_aio_clear_ready(evpoll_aio *aio, uint64_t tick);

/**
 * Gives a request back.
 *
 * @param aio the request
 * @return 0 (aio is gone), EVPOLL_ERR_BUSY (armed: let it finish or deregister it),
 *         EVPOLL_ERR_INVALID or EVPOLL_ERR_UNSUPPORTED.
 * @owns aio is freed when 0 is returned; the native structure is the caller's again
 * @threads one at a time for each request
 * @blocks no
 * @since 1.0
 * @platform FreeBSD, Windows; elsewhere EVPOLL_ERR_UNSUPPORTED
 */
EVPOLL_API int32_t evpoll_aio_close(evpoll_aio *aio);

/* ---- helpers: files and buffers ----------------------------------------------------------- */

/**
 * Opens a file for evpoll_submit().
 *
 * New files get the permissions 0666 less the umask; that their name is durable needs a sync of the
 * folder, which is the caller's. The descriptor is not inherited by processes started with exec.
 * What is not a regular file or block device is refused without waiting for it (a FIFO, say).
 *
 * @param path UTF-8, zero-terminated
 * @param flags EVPOLL_FILE_READ or WRITE or both, and the others
 * @param handle_out the new handle; untouched on failure
 * @return 0, EVPOLL_ERR_INVALID (also: neither READ nor WRITE, EXCLUSIVE without CREATE, TRUNCATE
 *         without WRITE, a name that is too long), EVPOLL_ERR_NOT_FOUND (nothing of that path),
 *         EVPOLL_ERR_EXISTS, EVPOLL_ERR_ACCESS, EVPOLL_ERR_UNSUPPORTED (not a regular file or block
 *         device, or DIRECT where the file system has none; CREATE may have made the file then),
 *         EVPOLL_ERR_LIMIT, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_NO_SPACE, EVPOLL_ERR_IO,
 *         EVPOLL_ERR_BUSY or EVPOLL_ERR_OS.
 * @owns the caller owns the handle until evpoll_file_close()
 * @threads any
 * @blocks as long as the file system takes
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_file_open(const char *path, uint32_t flags, evpoll_handle *handle_out);

/**
 * Tells the size of a file or block device.
 *
 * @param handle an open file
 * @param size_out bytes
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE, EVPOLL_ERR_UNSUPPORTED (another kind of
 *         handle) or EVPOLL_ERR_OS (the device's errors too).
 * @owns nothing
 * @threads any
 * @blocks as long as the file system takes
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_file_size(evpoll_handle handle, int64_t *size_out);

/**
 * Closes a file.
 *
 * Operations in flight on it go on, and report; the file is closed when the last one was delivered,
 * and its number is not another file's before. Other ways of closing give no such promise.
 *
 * @param handle an open file
 * @return 0, EVPOLL_ERR_BAD_HANDLE, EVPOLL_ERR_IO, EVPOLL_ERR_NO_SPACE or EVPOLL_ERR_OS. The handle
 *         is closed unless the status is EVPOLL_ERR_BAD_HANDLE.
 * @owns the handle is the system's again
 * @threads any
 * @blocks as long as the file system takes
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_file_close(evpoll_handle handle);

/**
 * Allocates a buffer for file operations, aligned, not moved by any garbage collector, zeroed.
 *
 * @param size bytes, 1 or more
 * @param alignment a power of two, at most 2097152; 0: 4096, which suits EVPOLL_FILE_DIRECT
 * @param buffer_out the buffer; untouched on failure
 * @return 0, EVPOLL_ERR_INVALID or EVPOLL_ERR_NO_MEMORY.
 * @owns the caller, until evpoll_buffer_free(); never free it while an operation uses it
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_buffer_alloc(uint64_t size, uint32_t alignment, void **buffer_out);

/**
 * Frees a buffer of evpoll_buffer_alloc().
 *
 * @param buffer the buffer, or NULL
 * @return 0.
 * @owns the buffer is the library's again
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_buffer_free(void *buffer);

/* ---- helpers: sockets --------------------------------------------------------------------- */

/**
 * Opens a listening TCP socket, non-blocking.
 *
 * An IPv6 socket serves IPv6 only.
 *
 * @param host a numeric IPv4 or IPv6 address ("127.0.0.1", "::1", "fe80::1%eth0"); names are not
 *        looked up, IPv4-mapped addresses are invalid
 * @param port 0 to 65535; 0: one that is free (see evpoll_socket_local_address)
 * @param backlog connections that may wait for accept; 0: the system's most
 * @param handle_out the new socket; untouched on failure
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_ADDRESS_IN_USE, EVPOLL_ERR_ADDRESS_UNAVAILABLE,
 *         EVPOLL_ERR_ACCESS, EVPOLL_ERR_LIMIT, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_UNSUPPORTED or
 *         EVPOLL_ERR_OS.
 * @owns the caller owns the socket until evpoll_socket_close()
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_tcp_listen(const char *host, int32_t port, int32_t backlog,
                                            evpoll_handle *handle_out);

/**
 * Starts a TCP connection, non-blocking.
 *
 * When it returns EVPOLL_IN_PROGRESS, wait for EVPOLL_WRITABLE and ask
 * evpoll_socket_take_error() how it ended.
 *
 * @param host as for evpoll_socket_tcp_listen()
 * @param port 1 to 65535
 * @param handle_out the new socket; untouched on failure
 * @return 0 (connected), EVPOLL_IN_PROGRESS, EVPOLL_ERR_INVALID, EVPOLL_ERR_REFUSED,
 *         EVPOLL_ERR_UNREACHABLE, EVPOLL_ERR_ADDRESS_UNAVAILABLE, EVPOLL_ERR_ADDRESS_IN_USE,
 *         EVPOLL_ERR_ACCESS, EVPOLL_ERR_LIMIT, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_TIMEOUT,
 *         EVPOLL_ERR_UNSUPPORTED or EVPOLL_ERR_OS.
 * @owns the caller owns the socket until evpoll_socket_close()
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_tcp_connect(const char *host, int32_t port,
                                             evpoll_handle *handle_out);

/**
 * Accepts one connection; the new socket is non-blocking.
 *
 * A connection that was gone before it could be accepted is skipped.
 *
 * @param listener a listening socket
 * @param handle_out the new socket; untouched on failure
 * @return 0, EVPOLL_ERR_WOULD_BLOCK, EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE, EVPOLL_ERR_LIMIT,
 *         EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_UNSUPPORTED or EVPOLL_ERR_OS. After EVPOLL_ERR_LIMIT the
 *         connection is still there: close something before the next try.
 * @owns the caller owns the socket until evpoll_socket_close()
 * @threads any
 * @blocks no, if the listener is non-blocking
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_accept(evpoll_handle listener, evpoll_handle *handle_out);

/**
 * Opens a UDP socket bound to an address, non-blocking.
 *
 * @param host as for evpoll_socket_tcp_listen()
 * @param port 0 to 65535; 0: one that is free
 * @param handle_out the new socket; untouched on failure
 * @return as evpoll_socket_tcp_listen().
 * @owns the caller owns the socket until evpoll_socket_close()
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_udp_bind(const char *host, int32_t port,
                                          evpoll_handle *handle_out);

/**
 * Opens two stream sockets that are connected with each other, non-blocking.
 *
 * @param first_out one end
 * @param second_out the other end, another variable; both are untouched on failure
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_LIMIT, EVPOLL_ERR_NO_MEMORY or EVPOLL_ERR_OS.
 * @owns the caller owns both until evpoll_socket_close()
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all; AF_UNIX on POSIX, TCP over loopback on Windows
 */
EVPOLL_API int32_t evpoll_socket_pair(evpoll_handle *first_out, evpoll_handle *second_out);

/**
 * Receives what is there.
 *
 * @param handle a connected socket
 * @param buffer_out where to write; the rest of a longer datagram is lost
 * @param length bytes, 1 or more; at most INT32_MAX are received in one call
 * @return the number of bytes, 0 at the end of the stream (or for an empty datagram);
 *         EVPOLL_ERR_WOULD_BLOCK, EVPOLL_ERR_RESET, EVPOLL_ERR_REFUSED, EVPOLL_ERR_TIMEOUT,
 *         EVPOLL_ERR_NOT_CONNECTED, EVPOLL_ERR_UNREACHABLE, EVPOLL_ERR_MESSAGE_SIZE,
 *         EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE, EVPOLL_ERR_FAULT, EVPOLL_ERR_NO_MEMORY,
 *         EVPOLL_ERR_UNSUPPORTED (not a socket) or EVPOLL_ERR_OS.
 * @owns the caller keeps the buffer
 * @threads any
 * @blocks no, if the socket is non-blocking
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_recv(evpoll_handle handle, void *buffer_out, uint64_t length);

/**
 * Sends what fits. Never raises SIGPIPE.
 *
 * @param handle a connected socket
 * @param buffer the bytes; may be NULL if length is 0
 * @param length bytes, 0 or more; at most INT32_MAX are sent in one call
 * @return the number of bytes, as for evpoll_socket_recv(); also EVPOLL_ERR_BROKEN_PIPE and
 *         EVPOLL_ERR_ACCESS.
 * @owns the caller keeps the buffer
 * @threads any
 * @blocks no, if the socket is non-blocking
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_send(evpoll_handle handle, const void *buffer, uint64_t length);

/**
 * Receives one datagram and says where it came from.
 *
 * @param handle a UDP socket
 * @param buffer_out where to write; the rest of a longer datagram is lost
 * @param length bytes, 1 or more
 * @param host_out the sender's numeric address, zero-terminated; may be NULL if capacity is 0
 * @param host_capacity bytes at host_out, EVPOLL_ADDRESS_CAPACITY always suffices; 0: not wanted
 * @param port_out the sender's port; may be NULL
 * @return as evpoll_socket_recv(); EVPOLL_ERR_INVALID if host_out is too small (the datagram is
 *         lost then).
 * @owns the caller keeps the buffers
 * @threads any
 * @blocks no, if the socket is non-blocking
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_recvfrom(evpoll_handle handle, void *buffer_out, uint64_t length,
                                          char *host_out, int32_t host_capacity,
                                          int32_t *port_out);

/**
 * Sends one datagram.
 *
 * @param handle a UDP socket
 * @param buffer the bytes; may be NULL if length is 0
 * @param length bytes, 0 to 65535; what the address family cannot carry is EVPOLL_ERR_MESSAGE_SIZE
 * @param host as for evpoll_socket_tcp_listen(), of the socket's family
 * @param port 1 to 65535
 * @return as evpoll_socket_send().
 * @owns the caller keeps the buffer
 * @threads any
 * @blocks no, if the socket is non-blocking
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_sendto(evpoll_handle handle, const void *buffer, uint64_t length,
                                        const char *host, int32_t port);

/**
 * Ends one or both directions of a connection.
 *
 * @param handle a connected socket
 * @param how EVPOLL_SHUTDOWN_READ, WRITE or BOTH
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE, EVPOLL_ERR_NOT_CONNECTED,
 *         EVPOLL_ERR_UNSUPPORTED or EVPOLL_ERR_OS.
 * @owns nothing
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_shutdown(evpoll_handle handle, int32_t how);

/**
 * Takes the error that is pending at a socket: it is reported once.
 *
 * After a non-blocking connect: 0 if it succeeded, else why not.
 *
 * @param handle a socket
 * @param error_out 0 or EVPOLL_ERR_*; evpoll_os_error() then has the system's code
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE, EVPOLL_ERR_UNSUPPORTED (not a socket) or
 *         EVPOLL_ERR_OS.
 * @owns nothing
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_take_error(evpoll_handle handle, int32_t *error_out);

/**
 * Tells a socket's own address.
 *
 * @param handle a bound socket
 * @param host_out the numeric address, zero-terminated; empty for AF_UNIX
 * @param host_capacity bytes at host_out; EVPOLL_ADDRESS_CAPACITY always suffices
 * @param port_out the port, 0 for AF_UNIX
 * @return 0, EVPOLL_ERR_INVALID (NULL, or host_out too small), EVPOLL_ERR_BAD_HANDLE,
 *         EVPOLL_ERR_UNSUPPORTED or EVPOLL_ERR_OS.
 * @owns the caller keeps host_out
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_local_address(evpoll_handle handle, char *host_out,
                                               int32_t host_capacity, int32_t *port_out);

/**
 * Tells the address of a socket's peer.
 *
 * @param handle a connected socket
 * @param host_out as for evpoll_socket_local_address()
 * @param host_capacity as for evpoll_socket_local_address()
 * @param port_out as for evpoll_socket_local_address()
 * @return as evpoll_socket_local_address(), and EVPOLL_ERR_NOT_CONNECTED.
 * @owns the caller keeps host_out
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_peer_address(evpoll_handle handle, char *host_out,
                                              int32_t host_capacity, int32_t *port_out);

/**
 * Sends small pieces at once (TCP_NODELAY), or gathers them.
 *
 * @param handle a TCP socket
 * @param on 1: at once; 0: gather
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE, EVPOLL_ERR_UNSUPPORTED (not TCP) or
 *         EVPOLL_ERR_OS.
 * @owns nothing
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_set_nodelay(evpoll_handle handle, int32_t on);

/**
 * Closes a socket.
 *
 * Remove it from pollers before, if duplicates of the descriptor may exist.
 *
 * @param handle a socket
 * @return 0, EVPOLL_ERR_BAD_HANDLE or EVPOLL_ERR_OS.
 * @owns the handle is the system's again
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_socket_close(evpoll_handle handle);

#ifdef __cplusplus
}
#endif

#endif
