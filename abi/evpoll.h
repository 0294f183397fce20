/* SPDX-License-Identifier: MIT */
/**
 * @file evpoll.h
 * @brief evpoll: one wait for everything. Operations on sockets, files and timers that are done, and
 * handles that became ready, in one call, with one binary-stable ABI on Linux, Windows and FreeBSD.
 *
 * A poller sleeps on one kernel object. Completions, readiness, wakes and posts all arrive there
 * and leave through evpoll_wait() as one 32-byte struct evpoll_event.
 *
 * @section example One socket and one file in one loop
 * @code
 *   evpoll *p;
 *   if (evpoll_open(NULL, &p) < 0) return 1;
 *
 *   evpoll_add(p, socket, 1, EVPOLL_READABLE, EVPOLL_LEVEL);       // token 1: the socket
 *   evpoll_add(p, file, 0, 0, EVPOLL_OPERATIONS);                  // evpoll reads and writes it
 *
 *   evpoll_io io = {0};
 *   io.token = 2;                                                  // token 2: the file
 *   io.handle = file;
 *   io.code = EVPOLL_OP_READ;
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
 * - Call evpoll_remove() before you close a handle, and close it when that has returned 0; or let
 *   the operation EVPOLL_OP_CLOSE do both. A handle for readiness that has no duplicate (dup, fork,
 *   SCM_RIGHTS) may be closed without; one for operations never: what is queued would meet the
 *   number's next owner.
 * - EVPOLL_EDGE: read or write until EVPOLL_ERR_WOULD_BLOCK, then evpoll_rearm(). On Linux and
 *   FreeBSD the rearm is free; on Windows no event comes without it. If you stop earlier, to be
 *   fair to others, come back by yourself: no event is promised.
 * - Regular files and block devices are always "ready", so readiness says nothing about them:
 *   mode EVPOLL_OPERATIONS and evpoll_submit() are for them.
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
#define EVPOLL_ERR_BUSY                 (-7)  /**< In use: a second waiter, a handle with uses left, an unfinished list, an armed aio. */
#define EVPOLL_ERR_AGAIN                (-8)  /**< io_limit reached, or not now: submit again after a completion. */
#define EVPOLL_ERR_WOULD_BLOCK          (-9)  /**< Not ready, and asked not to wait. */
#define EVPOLL_ERR_TIMEOUT              (-10) /**< evpoll_close() ran out of time, or the network did. */
#define EVPOLL_ERR_SHUTDOWN             (-11) /**< The poller was shut down and has nothing left to deliver. */
#define EVPOLL_ERR_UNSUPPORTED          (-12) /**< Not in this version, not on this platform, or not for this kind of handle. */
#define EVPOLL_ERR_VERSION              (-13) /**< A struct is newer than the library and uses what it lacks. */
#define EVPOLL_ERR_EXPIRED              (-14) /**< The operation's own time limit ended it. */
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
 * The first four are interests as well. abi/README.md has the table of what raises each.
 * @{ */
#define EVPOLL_READABLE      0x1    /**< read or accept would not block: data, EOF or an error. */
#define EVPOLL_WRITABLE      0x2    /**< send would not block, or connect has ended. */
#define EVPOLL_PRIORITY      0x4    /**< Out-of-band data (EVPOLL_FEATURE_PRIORITY). */
#define EVPOLL_READ_CLOSED   0x8    /**< The peer sent its FIN; comes with EVPOLL_READABLE, and may be asked for alone. */
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
#define EVPOLL_OPERATIONS 3 /**< evpoll does what is submitted and reports it done; interest 0. */
/** @} */

/** @name Actions of struct evpoll_change
 * @{ */
#define EVPOLL_CHANGE_ADD    1 /**< As evpoll_add(). */
#define EVPOLL_CHANGE_MODIFY 2 /**< As evpoll_modify(). */
#define EVPOLL_CHANGE_REARM  3 /**< As evpoll_rearm(); `interest` holds the bits. */
#define EVPOLL_CHANGE_REMOVE 4 /**< As evpoll_remove(). */
/** @} */

/** @name Codes of struct evpoll_io
 * For each: `offset`; `buffer`, `length`; and what `result` of the event holds. A code that this
 * library does not serve, or not for this kind of handle, is EVPOLL_ERR_UNSUPPORTED: a program can
 * ask by trying.
 * @{ */
#define EVPOLL_OP_READ         1  /**< File: at `offset`, else 0; the data; bytes, 0 is the end. */
#define EVPOLL_OP_WRITE        2  /**< File: at `offset`, else 0; the data; bytes. */
#define EVPOLL_OP_READV        3  /**< As READ; `length` struct evpoll_iovec. */
#define EVPOLL_OP_WRITEV       4  /**< As WRITE; `length` struct evpoll_iovec. */
#define EVPOLL_OP_FSYNC        5  /**< File: makes completed writes durable; 0; 0; 0. */
#define EVPOLL_OP_FDATASYNC    6  /**< As FSYNC, without metadata that reading back does not need. */
#define EVPOLL_OP_CLOSE        7  /**< Any: removes the handle, closes it when nobody uses it any more; 0; 0; what close() said. */
#define EVPOLL_OP_POLL         8  /**< What can be polled: 0; 0, interest bits; the bits that are true. */
#define EVPOLL_OP_ACCEPT       9  /**< Listener: 0; 0, or struct evpoll_address[2] (peer, local), 2; the new handle. */
#define EVPOLL_OP_CONNECT      10 /**< Connecting socket: 0; 0; 0 when connected. */
#define EVPOLL_OP_RECV_MESSAGE 11 /**< Socket: 0; one struct evpoll_message, 1; bytes. */
#define EVPOLL_OP_SEND_MESSAGE 12 /**< Socket: 0; one struct evpoll_message, 1; bytes. */
#define EVPOLL_OP_SEND_FILE    13 /**< Socket: place in the file; the file's handle, bytes; bytes. */
#define EVPOLL_OP_SHUTDOWN     14 /**< Stream: 0; 0, EVPOLL_SHUTDOWN_*; 0, after the writes before it. */
#define EVPOLL_OP_SIZE         15 /**< File: 0; 0; its bytes. */
#define EVPOLL_OP_TRUNCATE     16 /**< File: the new size; 0; 0. */
#define EVPOLL_OP_APPEND       17 /**< File opened with EVPOLL_FILE_APPEND: 0; the data; the record's place. */
#define EVPOLL_OP_TIMER        18 /**< Handle -1: nanoseconds from now, 0 or more, or with ABSOLUTE the time of evpoll_now(); 0; 0. */
/** @} */

/** @name Flags of struct evpoll_io
 * Flags that this library does not know are EVPOLL_ERR_UNSUPPORTED; known ones on a code that they
 * do not fit are EVPOLL_ERR_INVALID.
 * @{ */
#define EVPOLL_OPF_INLINE   0x1  /**< May end inside the call that submits it, which says so instead of an event. */
#define EVPOLL_OPF_NOWAIT   0x2  /**< Ends inside the call, or says WOULD_BLOCK: the buffer is never kept. */
#define EVPOLL_OPF_ALL      0x4  /**< READ, WRITE: ends when the whole length was moved, at the end, or with an error (of a stream short, and the next one tells it). */
#define EVPOLL_OPF_DURABLE  0x8  /**< WRITE, WRITEV, APPEND: reported when it is on the disk. */
#define EVPOLL_OPF_ABSOLUTE 0x10 /**< TIMER: `offset` is a time of evpoll_now(). */
#define EVPOLL_OPF_ABORT    0x20 /**< CLOSE: with a reset. */
#define EVPOLL_OPF_MORE     0x40 /**< WRITE, SEND_FILE: a hint that more follows. */
/** @} */

/** @name Flags of evpoll_open
 * @{ */
#define EVPOLL_OPEN_SINGLE_WAITER  0x1 /**< Never two waits at once; makes oneshot cheap. */
#define EVPOLL_OPEN_INTERRUPTIBLE  0x2 /**< A wait in which a signal handler ran returns 0 early, perhaps also without one. */
#define EVPOLL_OPEN_NO_URING       0x4 /**< Linux: file operations by the worker pool. */
#define EVPOLL_OPEN_NATIVE_IO_ONLY 0x8 /**< No worker pool: UNSUPPORTED where the kernel cannot do it without. */
/** @} */

/** @name Features in struct evpoll_poller_info
 * @{ */
#define EVPOLL_FEATURE_PRIORITY    0x1  /**< EVPOLL_PRIORITY can be an interest. */
#define EVPOLL_FEATURE_FILE_IO     0x2  /**< EVPOLL_OPERATIONS serves regular files and block devices. */
#define EVPOLL_FEATURE_NATIVE_IO   0x4  /**< ... by the kernel, without worker threads. */
#define EVPOLL_FEATURE_VECTORED_IO 0x8  /**< READV and WRITEV are served. */
#define EVPOLL_FEATURE_PIPE_IO     0x10 /**< EVPOLL_OPERATIONS serves named pipes (Windows). */
#define EVPOLL_FEATURE_FOREIGN_AIO 0x20 /**< evpoll_aio_open() is served. */
#define EVPOLL_FEATURE_ANY_HANDLE  0x40 /**< evpoll_add() takes pipes and devices, not only sockets. */
/** @} */

/** @name Backends and I/O engines in struct evpoll_poller_info
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
#define EVPOLL_FILE_APPEND    0x40 /**< With WRITE: for EVPOLL_OP_APPEND; a lock keeps others out. */
#define EVPOLL_FILE_DURABLE   0x80 /**< With CREATE and WRITE: the new name is on the disk when open returns. */
/** @} */

/** @name Families of struct evpoll_address
 * @{ */
#define EVPOLL_FAMILY_NONE 0 /**< No address. */
#define EVPOLL_FAMILY_IPV4 1 /**< bytes[0] to bytes[3], in the order of the network. */
#define EVPOLL_FAMILY_IPV6 2 /**< bytes[0] to bytes[15], in the order of the network; scope. */
#define EVPOLL_FAMILY_UNIX 3 /**< AF_UNIX: no bytes, for now. */
/** @} */

/** @name Flags of struct evpoll_message
 * @{ */
#define EVPOLL_MESSAGE_PEEK              0x1 /**< In: leave the datagram in the socket. */
#define EVPOLL_MESSAGE_TRUNCATED         0x2 /**< Out: the datagram was longer than the buffers. */
#define EVPOLL_MESSAGE_CONTROL_TRUNCATED 0x4 /**< Out: the control data was longer than its room. */
/** @} */

/** @name Directions of evpoll_socket_shutdown and EVPOLL_OP_SHUTDOWN
 * @{ */
#define EVPOLL_SHUTDOWN_READ  1 /**< No more receiving. */
#define EVPOLL_SHUTDOWN_WRITE 2 /**< No more sending: the peer sees EOF. */
#define EVPOLL_SHUTDOWN_BOTH  3 /**< Both. */
/** @} */

/** A timeout that never ends; every negative timeout means the same. */
#define EVPOLL_INFINITE (-1)
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
  int64_t result;  /**< Bytes moved, list entries that succeeded, or the posted value; the system's code where status < 0 (but for PARTIAL, and for CANCELLED and EXPIRED of an operation: bytes). */
  uint32_t events; /**< EVPOLL_READABLE and so on. */
  int32_t status;  /**< 0 or EVPOLL_ERR_*. */
} evpoll_event;

/** One change of a registration, for evpoll_update(). 32 bytes, frozen for major version 1. */
typedef struct evpoll_change {
  uint64_t token;       /**< The caller's value, returned in events. */
  evpoll_handle handle; /**< What is to be watched, or operated on. */
  uint32_t action;      /**< EVPOLL_CHANGE_*. */
  uint32_t interest;    /**< EVPOLL_READABLE, WRITABLE, PRIORITY, READ_CLOSED; 0 for none (and for OPERATIONS and REMOVE). */
  uint32_t mode;        /**< EVPOLL_LEVEL, EDGE, ONESHOT or OPERATIONS (0 for REARM and REMOVE). */
  int32_t status;       /**< Out: what the single call would have returned. */
} evpoll_change;

/** One operation, for evpoll_submit(). 64 bytes, frozen for major version 1. */
typedef struct evpoll_io {
  uint64_t token;       /**< The caller's value, returned in the completion. */
  evpoll_handle handle; /**< A handle added with EVPOLL_OPERATIONS; TIMER: -1. */
  int64_t offset;       /**< As the code says. Out, where op is 0: what an event's `result` would hold. */
  uint64_t buffer;      /**< EVPOLL_ADDR of the data, or as the code says. */
  uint64_t length;      /**< Bytes, at most INT64_MAX (READV, WRITEV: iovecs, 1 to 1024). */
  uint64_t op;          /**< Out: the operation's id, never reused in this poller; 0: there is none, it ended here or was refused. */
  uint32_t code;        /**< EVPOLL_OP_READ and so on. */
  uint32_t flags;       /**< EVPOLL_OPF_*, or 0. */
  int32_t status;       /**< Out: 0 when accepted or ended here, else why not. */
  uint32_t timeout_ms;  /**< Milliseconds from submission after which it is asked to end, with EVPOLL_ERR_EXPIRED; 0: no limit. Not for CLOSE and TIMER. */
} evpoll_io;

/** The outcome of one list entry. 16 bytes, frozen for major version 1. */
typedef struct evpoll_result {
  int64_t result;    /**< Bytes moved, also for CANCELLED and EXPIRED; else the system's code where status < 0. */
  int32_t status;    /**< 0 or EVPOLL_ERR_*. */
  uint32_t reserved; /**< 0. */
} evpoll_result;

/** One piece of a vectored operation. 16 bytes, frozen for major version 1. */
typedef struct evpoll_iovec {
  uint64_t address; /**< EVPOLL_ADDR of the piece. */
  uint64_t length;  /**< Bytes. */
} evpoll_iovec;

/** An address of a socket. 32 bytes, frozen for major version 1. */
typedef struct evpoll_address {
  uint16_t family;    /**< EVPOLL_FAMILY_*. */
  uint16_t port;      /**< In the order of this machine. */
  uint32_t scope;     /**< IPv6: the interface of a link-local address, else 0. */
  uint8_t bytes[16];  /**< The address, in the order of the network; the rest is 0. */
  uint64_t reserved;  /**< 0. */
} evpoll_address;

/** One datagram or message, lent until its event. 128 bytes, frozen for major version 1. */
typedef struct evpoll_message {
  uint64_t iovecs;           /**< EVPOLL_ADDR of struct evpoll_iovec. */
  uint32_t iovec_count;      /**< 1 to 1024. */
  uint32_t flags;            /**< In and out: EVPOLL_MESSAGE_*. */
  evpoll_address peer;       /**< Who sent it, or whom it is for (family 0: whom the socket is connected with). */
  evpoll_address local;      /**< Out: which of our addresses it came to, where the system tells. */
  uint64_t control;          /**< EVPOLL_ADDR of room for control data, or 0. */
  uint32_t control_capacity; /**< Bytes at `control`. */
  uint32_t control_length;   /**< Bytes of control data, in and out. */
  uint32_t segment_size;     /**< Bytes of each datagram in a long buffer; 0: one datagram. */
  uint32_t ecn;              /**< The two bits of congestion notification. */
  uint64_t reserved[3];      /**< 0. */
} evpoll_message;

/** How to open a poller. Grows with minor versions: set struct_size, zero the rest. */
typedef struct evpoll_options {
  uint32_t struct_size;  /**< sizeof(struct evpoll_options) of the caller's header. */
  uint32_t flags;        /**< EVPOLL_OPEN_*. */
  uint64_t wake_token;   /**< Token of EVPOLL_WAKE events. */
  uint32_t io_limit;     /**< Most operations in flight, 1 to 4194304; 0: 1048576. Memory grows as it is used. */
  uint32_t pool_threads; /**< Most threads of the worker pool, 1 to 256; 0: 4. */
} evpoll_options;

/** Counters since evpoll_open(). Grows with minor versions: set struct_size. */
struct evpoll_poller_stats {
  uint32_t struct_size;      /**< In: sizeof(struct evpoll_poller_stats) of the caller's header. */
  uint32_t pool_threads;     /**< Worker threads alive now. */
  uint64_t waits;            /**< Calls of evpoll_wait() and evpoll_turn() that got to wait. */
  uint64_t events;           /**< Events delivered. */
  uint64_t wakes;            /**< EVPOLL_WAKE events delivered. */
  uint64_t posts;            /**< EVPOLL_POST events delivered. */
  uint64_t spurious_returns; /**< Times the kernel woke a waiter that found nothing to deliver. */
  uint64_t rearms;           /**< Successful evpoll_rearm(). */
  uint64_t stale_hits;       /**< Kernel events dropped since their registration had ended. */
  uint64_t set_rebuilds;     /**< Times the kernel's set was rebuilt to get rid of stale hits. */
  uint64_t io_submitted;     /**< Operations accepted, and entries that ended inline. */
  uint64_t io_completed;     /**< ... finished: delivered, discarded by close, or ended inline. */
  uint64_t io_cancelled;     /**< ... of them with EVPOLL_ERR_CANCELLED. */
  uint64_t io_in_flight;     /**< Operations accepted and not yet delivered. */
};

/** What this poller is made of. Grows with minor versions: set struct_size. */
struct evpoll_poller_info {
  uint32_t struct_size;     /**< In: sizeof(struct evpoll_poller_info) of the caller's header. */
  uint32_t version;         /**< The library's EVPOLL_VERSION. */
  uint32_t features;        /**< EVPOLL_FEATURE_*. */
  uint32_t backend;         /**< EVPOLL_BACKEND_*. */
  uint32_t io_engine;       /**< EVPOLL_ENGINE_*: what serves files now. */
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
 * Tells the time by the clock of timers and time limits.
 *
 * It starts somewhere, never runs backwards, and stands still while the machine is suspended:
 * CLOCK_MONOTONIC on Linux and FreeBSD, CLOCK_UPTIME_RAW on macOS, QueryUnbiasedInterruptTime on
 * Windows.
 *
 * @return nanoseconds.
 * @owns nothing
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int64_t evpoll_now(void);

/**
 * Fills in what this poller can do and where its limits are.
 *
 * What serves files is made when it is asked for here, or by the first evpoll_add() for operations.
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
EVPOLL_API int32_t evpoll_info(evpoll *p, struct evpoll_poller_info *info_out);

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
 * Takes two descriptors on Linux; operations on files take one more, made by the first
 * evpoll_add() for them, and timers and time limits one, made by the first.
 *
 * @param options NULL for defaults; else struct_size and whatever differs from 0
 * @param poller_out the new poller; untouched on failure
 * @return 0, EVPOLL_ERR_INVALID (value out of range, struct_size below 8 or above 4096),
 *         EVPOLL_ERR_VERSION (a field that this library does not know is not 0), EVPOLL_ERR_LIMIT,
 *         EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_UNSUPPORTED (an unknown flag) or EVPOLL_ERR_OS.
 * @owns the caller owns the poller until evpoll_close() returns 0; options are copied
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_open(const evpoll_options *options, evpoll **poller_out);

/**
 * Tells a descriptor that is readable when a wait with timeout 0 may return something.
 *
 * For another event loop to sleep on: an epoll set or a kqueue that holds this poller's, made at
 * the first call. It may be readable for nothing. Watched by edges it is safe once a wait with
 * timeout 0 has returned 0 events. What poll() takes away when it tells of it (/proc/self/mountinfo)
 * is lost to a nested set.
 *
 * @param p the poller
 * @param handle_out the descriptor; untouched on failure
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_LIMIT, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_UNSUPPORTED
 *         (Windows), EVPOLL_ERR_FORKED or EVPOLL_ERR_OS.
 * @owns the poller keeps it, and closes it in evpoll_close(); who needs one of their own duplicates it
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform Linux, FreeBSD and its relatives; Windows: EVPOLL_ERR_UNSUPPORTED
 */
EVPOLL_API int32_t evpoll_poller_handle(evpoll *p, evpoll_handle *handle_out);

/**
 * Shuts a poller down for good: every thread inside evpoll_wait() leaves.
 *
 * From now on evpoll_add() and evpoll_submit() are refused and readiness is no longer reported.
 * Waits deliver posts and completions, wait for what is still in flight (at most as long as their
 * timeout), and return EVPOLL_ERR_SHUTDOWN when nothing is left. Timers and operations on streams
 * end with EVPOLL_ERR_CANCELLED. Operations on files are not cancelled, and keep their time limits: call
 * evpoll_cancel_all() to hurry them. EVPOLL_OP_CLOSE is accepted still. A second
 * call changes nothing.
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
 *         EVPOLL_ERR_INVALID, or EVPOLL_ERR_BUSY (a request of evpoll_aio_open() is still open).
 * @owns p is freed when 0 is returned; buffers of operations are the caller's again then
 * @threads any one thread
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
EVPOLL_API int32_t evpoll_stats(evpoll *p, struct evpoll_poller_stats *stats_out);

/* ---- readiness ---------------------------------------------------------------------------- */

/**
 * Registers a handle: for readiness, of which the caller is told, or for operations, which evpoll
 * does. Replaces what was registered of it (an upsert).
 *
 * For readiness, bits that are true already are reported too, and interest 0 keeps the registration
 * and reports nothing at all. For operations the handle is looked at, once: what it is, and how the
 * system serves it. Windows binds it to the poller's port then, and a socket has to be non-blocking
 * there, as the helpers make them: nobody can ask whether it is, and a call on one that is not holds
 * up who waits. A registration for operations that is replaced ends as by evpoll_remove().
 *
 * @param p the poller
 * @param handle for readiness a socket, on Linux and FreeBSD anything that can be polled; for
 *        operations a file, a socket, a pipe, a terminal or a character device (abi/README.md, I1 and
 *        I23), or what else the caller's own operations are started on (evpoll_aio_open)
 * @param token any 64-bit value; returned in events of readiness, and it names the registration
 * @param interest EVPOLL_READABLE, WRITABLE, PRIORITY, READ_CLOSED or 0; 0 for EVPOLL_OPERATIONS
 * @param mode EVPOLL_LEVEL, EVPOLL_EDGE, EVPOLL_ONESHOT or EVPOLL_OPERATIONS
 * @return 0 when new, 1 when it replaced a registration of this handle; EVPOLL_ERR_INVALID,
 *         EVPOLL_ERR_BAD_HANDLE, EVPOLL_ERR_UNSUPPORTED (readiness of a regular file or a directory,
 *         PRIORITY without the feature, operations on a handle that has none, an unknown bit or
 *         mode), EVPOLL_ERR_LIMIT, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_BUSY (the registration for
 *         operations that it would replace has ended, and has uses left; Windows: another poller, or
 *         another port, has the handle), EVPOLL_ERR_SHUTDOWN, EVPOLL_ERR_FORKED or EVPOLL_ERR_OS.
 *         After a failure a handle registered for readiness is registered as before, or not at all
 *         if its descriptor was closed.
 * @owns the handle stays the caller's; nothing is kept of it but its number
 * @threads any; also while others wait
 * @blocks no; for operations as long as the system takes to say what the handle is
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_add(evpoll *p, evpoll_handle handle, uint64_t token, uint32_t interest,
                              uint32_t mode);

/**
 * Changes interest and mode of a registration and looks at its state afresh.
 *
 * Bits that are true now are reported (again), in every mode. For readiness only.
 *
 * @param p the poller
 * @param handle a registered handle
 * @param token the token that it was added with
 * @param interest as for evpoll_add()
 * @param mode EVPOLL_LEVEL, EVPOLL_EDGE or EVPOLL_ONESHOT
 * @return 0, EVPOLL_ERR_INVALID (EVPOLL_OPERATIONS too), EVPOLL_ERR_BAD_HANDLE (it was closed: the registration is gone),
 *         EVPOLL_ERR_NOT_FOUND (not registered), EVPOLL_ERR_STALE (registered with another token,
 *         or the number is another file's by now), EVPOLL_ERR_UNSUPPORTED, EVPOLL_ERR_LIMIT,
 *         EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_SHUTDOWN, EVPOLL_ERR_FORKED or
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
 *         EVPOLL_ERR_FORKED or EVPOLL_ERR_OS.
 * @owns nothing
 * @threads any; also while others wait
 * @blocks no
 * @since 1.0
 * @platform all; no system call for EDGE on Linux and FreeBSD, nor usually for ONESHOT in a
 *           single-waiter poller on Linux
 */
EVPOLL_API int32_t evpoll_rearm(evpoll *p, evpoll_handle handle, uint64_t token, uint32_t bits);

/**
 * Ends a registration.
 *
 * Readiness: waits that start after this has returned never return the token for it. A wait in
 * progress may, and so may an array that a wait has filled already.
 *
 * Operations: nothing more is accepted or started. What evpoll holds itself reports
 * EVPOLL_ERR_CANCELLED, what the kernel holds is asked to end and reports how it did. 0 says that
 * nobody will name the number any more, so that the handle may be closed, whatever is still in
 * flight. EVPOLL_ERR_BUSY says that somebody may: a call in another thread, the worker pool,
 * evpoll_hold(). The registration has ended all the same; asked again, it says how it stands.
 * EVPOLL_OP_CLOSE spares asking. Windows: the handle leaves the poller's port where the system
 * allows it (8.1 on), else it is bound to it for good.
 *
 * @param p the poller
 * @param handle a registered handle; one for readiness may have been closed already
 * @param token the token that it was added with
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE (negative), EVPOLL_ERR_NOT_FOUND,
 *         EVPOLL_ERR_STALE (registered with another token by now: left as it is), EVPOLL_ERR_BUSY,
 *         EVPOLL_ERR_FORKED or EVPOLL_ERR_OS.
 * @owns after 0 nothing is kept of the handle; buffers stay the kernel's until their event
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
 * @return the number of changes that succeeded; EVPOLL_ERR_INVALID, EVPOLL_ERR_FORKED if none was looked at.
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
 * starves when it is small. What does not fit stays for the next wait. Signals do not end a wait,
 * unless the poller is EVPOLL_OPEN_INTERRUPTIBLE.
 * Arrays of 64 to 1024 events serve best; at most 4096 are filled in one call.
 *
 * @param p the poller
 * @param events_out where to write; its whole capacity may be used as scratch space
 * @param capacity number of events, 1 or more
 * @param timeout_ns nanoseconds, rounded up to what the system can do; 0: do not block; negative:
 *        no limit
 * @return the number of events, 0 when the time is up; EVPOLL_ERR_INVALID, EVPOLL_ERR_SHUTDOWN
 *         (shut down, and nothing left to deliver), EVPOLL_ERR_BUSY (a second waiter in a
 *         single-waiter poller), EVPOLL_ERR_FORKED or EVPOLL_ERR_OS.
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
 * failed, or an io was refused or ended inline, the wait does not block: do not offer an operation
 * that met io_limit again before a completion has come, or the loop spins.
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

/* ---- operations ---------------------------------------------------------------------- */

/**
 * Starts operations.
 *
 * Each entry has its own outcome, as in evpoll_update(). One with `op` other than 0 is in flight and
 * yields exactly one EVPOLL_IO event, whatever happens to it, also when this thread ends. One with
 * `op` 0 is no operation: with `status` 0 it ended inside the call (EVPOLL_OPF_INLINE), and
 * `offset` holds what the event's `result` would hold; with a negative status it was refused, and
 * `offset` holds the system's code, or 0. Only EVPOLL_ERR_AGAIN leaves the entry as it was, so that
 * it can be offered again. `op` is written before the operation can complete.
 *
 * An event may carry fewer bytes than asked for, unless EVPOLL_OPF_ALL asks for all of them; result 0
 * of a read with status 0 is the end. Operations on files have no order, but EVPOLL_OP_APPEND: records
 * stand in the order in which they were submitted (abi/README.md, I20). FSYNC and FDATASYNC cover the
 * writes whose completion was received before they were submitted. Streams are served in order, in
 * each direction for itself (I23 to I29); nothing waits, and no SIGPIPE comes.
 *
 * EVPOLL_OP_TIMER has no handle (-1) and no buffer. It ends at its time, by evpoll_now(), and never
 * before; one that is past ends at once. Any other code but CLOSE may have a `timeout_ms`: when that
 * has passed the operation is asked to end as by evpoll_cancel(), and reports EVPOLL_ERR_EXPIRED if
 * that won. A buffer that the kernel holds is not free before the event.
 *
 * EVPOLL_OP_CLOSE removes the handle as evpoll_remove() does, and closes it when the last use is
 * gone; its event is the last that has to do with the handle. It is never refused for io_limit, for
 * want of memory, or after evpoll_shutdown(). It may be submitted too after evpoll_remove() has said
 * EVPOLL_ERR_BUSY.
 *
 * @param p the poller
 * @param ios n operations; op and status of each are written, and offset where op is 0
 * @param n 0 or more
 * @return the number of entries whose status is 0; EVPOLL_ERR_INVALID or EVPOLL_ERR_FORKED if none
 *         was looked at. In status: EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE,
 *         EVPOLL_ERR_NOT_FOUND (the handle is not registered for operations),
 *         EVPOLL_ERR_UNSUPPORTED (an unknown code or flag, or not for this kind of handle; it is
 *         looked for first), EVPOLL_ERR_AGAIN (io_limit reached), EVPOLL_ERR_NO_MEMORY,
 *         EVPOLL_ERR_LIMIT (also: no descriptor for timers), EVPOLL_ERR_SHUTDOWN or EVPOLL_ERR_OS.
 * @owns data buffers of operations in flight are the kernel's until their event was returned by a
 *       wait, or evpoll_close() returned 0; ios and iovec arrays are the caller's on return
 * @threads any
 * @blocks no (the system may do cached reads and writes, and what a socket can do at once, inside the
 *         call; abi/README.md, I10)
 * @since 1.0
 * @platform all; READV and WRITEV of files with EVPOLL_FEATURE_VECTORED_IO; Windows: sockets have to
 *           be non-blocking
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
 * @param ios n operations, but CLOSE; their tokens are not used, and their flags are 0, ALL or
 *        DURABLE
 * @param n 1 to io_limit
 * @param token returned in the event
 * @param op_out the list's id, written before the list starts; may be NULL
 * @return n; EVPOLL_ERR_INVALID (also for n < 1 and for a refused entry), EVPOLL_ERR_LIMIT (more
 *         entries than io_limit), EVPOLL_ERR_AGAIN (not enough room now), EVPOLL_ERR_BAD_HANDLE,
 *         EVPOLL_ERR_NOT_FOUND, EVPOLL_ERR_UNSUPPORTED, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_SHUTDOWN,
 *         EVPOLL_ERR_FORKED or EVPOLL_ERR_OS.
 * @owns data buffers are the kernel's until the list's event was returned by a wait; the results
 *       are the library's until evpoll_list_take() or evpoll_close()
 * @threads any
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
 * Asks for the end of one operation, or of one list.
 *
 * Only a request: the event still comes, with EVPOLL_ERR_CANCELLED (and in `result` the bytes that
 * were moved before) if the request won, else with what the operation did. If its time limit has
 * asked already it is EVPOLL_ERR_EXPIRED. The buffer is not free before. It may be asked again. A CLOSE cannot be
 * cancelled.
 *
 * @param p the poller
 * @param op an operation or a list
 * @return the number of operations asked to end; EVPOLL_ERR_NOT_FOUND (finished or never there),
 *         EVPOLL_ERR_INVALID or EVPOLL_ERR_FORKED.
 * @owns nothing: buffers stay the kernel's until their event
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_cancel(evpoll *p, uint64_t op);

/**
 * Asks for the end of all operations of the poller.
 *
 * As evpoll_cancel().
 *
 * @param p the poller
 * @return the number of operations asked to end; EVPOLL_ERR_INVALID or EVPOLL_ERR_FORKED.
 * @owns nothing: buffers stay the kernel's until their event
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_cancel_all(evpoll *p);

/**
 * Asks for the end of all operations on a handle.
 *
 * As evpoll_cancel(). evpoll_remove() and EVPOLL_OP_CLOSE do it too.
 *
 * @param p the poller
 * @param handle a handle registered for operations
 * @return the number of operations asked to end, 0 if there were none; EVPOLL_ERR_INVALID,
 *         EVPOLL_ERR_BAD_HANDLE (negative), EVPOLL_ERR_NOT_FOUND (not registered for operations) or
 *         EVPOLL_ERR_FORKED.
 * @owns nothing: buffers stay the kernel's until their event
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_cancel_handle(evpoll *p, evpoll_handle handle);

/**
 * Asks for the end of the operations that were submitted on a handle with a token.
 *
 * As evpoll_cancel(), for who knows no ids. Timers have handle -1.
 *
 * @param p the poller
 * @param handle a handle registered for operations, or -1
 * @param token the operations' token
 * @return the number of operations asked to end; EVPOLL_ERR_NOT_FOUND (none, or the handle is not
 *         registered for operations), EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE or
 *         EVPOLL_ERR_FORKED.
 * @owns nothing: buffers stay the kernel's until their event
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_cancel_token(evpoll *p, evpoll_handle handle, uint64_t token);

/**
 * Gives the time limits of pending operations, or pending timers, another end.
 *
 * An operation that had no limit gets one. With 0 or less it ends now: a timer fires, any other is
 * asked to end and reports EVPOLL_ERR_EXPIRED, both for the next wait.
 *
 * @param p the poller
 * @param handle the operations' handle; -1 for timers
 * @param token the operations' token
 * @param ns nanoseconds from now
 * @return the number of operations found; EVPOLL_ERR_NOT_FOUND (none that is not over or asked to
 *         end), EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE, EVPOLL_ERR_FORKED; EVPOLL_ERR_NO_MEMORY,
 *         EVPOLL_ERR_LIMIT or EVPOLL_ERR_OS: some of several may have theirs.
 * @owns nothing
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_retime(evpoll *p, evpoll_handle handle, uint64_t token, int64_t ns);

/**
 * Takes a use of a handle, so that calls by its number (setsockopt, fstat) meet what they mean.
 *
 * Until evpoll_release() evpoll_remove() says EVPOLL_ERR_BUSY and EVPOLL_OP_CLOSE waits. Several may
 * hold it at once.
 *
 * @param p the poller
 * @param handle a handle registered for operations
 * @param token the token that it was added with
 * @return 0, EVPOLL_ERR_NOT_FOUND (not registered for operations, or ended), EVPOLL_ERR_STALE
 *         (registered with another token), EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE or
 *         EVPOLL_ERR_FORKED.
 * @owns the caller owes one evpoll_release()
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_hold(evpoll *p, evpoll_handle handle, uint64_t token);

/**
 * Gives back what evpoll_hold() took.
 *
 * @param p the poller
 * @param handle the handle that is held
 * @return 0, EVPOLL_ERR_NOT_FOUND (it is not held), EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE or
 *         EVPOLL_ERR_FORKED.
 * @owns nothing is owed any more
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_release(evpoll *p, evpoll_handle handle);

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
 *         EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_SHUTDOWN, EVPOLL_ERR_FORKED.
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
 * OVERLAPPED of the library's, the only legal one on a handle added with
 * EVPOLL_OPERATIONS. If starting fails, call
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
 * Disarms a request: its event, if one comes still, is dropped.
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
 * Gives a request back; what is armed is deregistered.
 *
 * Windows: what is in flight keeps the library's OVERLAPPED until its packet has come, or for good.
 *
 * @param aio the request
 * @return 0 (aio is gone), EVPOLL_ERR_INVALID or EVPOLL_ERR_UNSUPPORTED.
 * @owns aio is gone when 0 is returned; the native structure is the caller's again when its
 *       operation is over
 * @threads one at a time for each request
 * @blocks no
 * @since 1.0
 * @platform FreeBSD, Windows; elsewhere EVPOLL_ERR_UNSUPPORTED
 */
EVPOLL_API int32_t evpoll_aio_close(evpoll_aio *aio);

/* ---- helpers: files and buffers ----------------------------------------------------------- */

/**
 * Opens a file for EVPOLL_OPERATIONS.
 *
 * That the name of a new file is durable needs a sync of the folder, which EVPOLL_FILE_DURABLE asks
 * for (Windows: a flush of the file, which on NTFS brings its name with it). The descriptor is not
 * inherited by processes started with exec. What is not a regular file or block device is refused
 * without waiting for it (a FIFO, say).
 *
 * With EVPOLL_FILE_APPEND it is for EVPOLL_OP_APPEND, and takes no WRITE. Until it is closed nobody
 * else, in any process, can open it so: by flock(), which binds those who use it. On Windows nobody
 * else may have it open for writing at all. TRUNCATE cuts it only when that is sure.
 *
 * @param path UTF-8, zero-terminated
 * @param flags EVPOLL_FILE_READ or WRITE or both, and the others
 * @param permissions of a new file, less the umask: at most 0777; 0: 0666. Windows: not used
 * @param handle_out the new handle, on POSIX above 2; untouched on failure
 * @return 0, EVPOLL_ERR_INVALID (also: neither READ nor WRITE, EXCLUSIVE or DURABLE without CREATE,
 *         TRUNCATE, APPEND or DURABLE without WRITE, APPEND with DIRECT, a name that is too long),
 *         EVPOLL_ERR_NOT_FOUND (nothing of that path),
 *         EVPOLL_ERR_EXISTS, EVPOLL_ERR_ACCESS, EVPOLL_ERR_UNSUPPORTED (an unknown flag, not a
 *         regular file or block device, or the file system has no DIRECT, no locks for APPEND, no
 *         sync of folders for DURABLE; CREATE may have made the file then),
 *         EVPOLL_ERR_LIMIT, EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_NO_SPACE, EVPOLL_ERR_IO,
 *         EVPOLL_ERR_BUSY (somebody else appends) or EVPOLL_ERR_OS.
 * @owns the caller owns the handle until evpoll_file_close()
 * @threads any
 * @blocks as long as the file system takes
 * @since 1.0
 * @platform all
 */
EVPOLL_API int32_t evpoll_file_open(const char *path, uint32_t flags, uint32_t permissions,
                                    evpoll_handle *handle_out);

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
 * One registered for operations is removed before, or closed by EVPOLL_OP_CLOSE instead.
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
 * Opens a terminal or pipe once more, so that it has a description of its own.
 *
 * Modes of the new one (non-blocking, say) are nobody else's, and what is changed in the old one's,
 * by whichever process, is not seen there. It may be used in the same directions. A terminal's other
 * side (the master) is refused.
 *
 * @param handle a terminal or pipe, or a FIFO (which must have a reader, if it is open for writing
 *        alone)
 * @param handle_out the new handle, non-blocking; untouched on failure
 * @return 0, EVPOLL_ERR_INVALID, EVPOLL_ERR_BAD_HANDLE, EVPOLL_ERR_ACCESS, EVPOLL_ERR_LIMIT,
 *         EVPOLL_ERR_NO_MEMORY, EVPOLL_ERR_UNSUPPORTED or EVPOLL_ERR_OS.
 * @owns the caller owns the new handle until evpoll_file_close()
 * @threads any
 * @blocks no
 * @since 1.0
 * @platform Linux; terminals alone: FreeBSD, its relatives, macOS; elsewhere EVPOLL_ERR_UNSUPPORTED
 */
EVPOLL_API int32_t evpoll_reopen(evpoll_handle handle, evpoll_handle *handle_out);

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
 * Remove it from pollers before; without duplicates of the descriptor closing alone is enough.
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
