/* SPDX-License-Identifier: MIT */
/* The declarations of evpoll.h 1.0. */
/* clang-format off */
#ifndef EVPOLL_H
#define EVPOLL_H
#include <stdint.h>
#ifndef EVPOLL_API
#define EVPOLL_API
#endif
#ifdef __cplusplus
extern "C" {
#endif
#define EVPOLL_VERSION_MAJOR 1
#define EVPOLL_VERSION_MINOR 0
#define EVPOLL_VERSION_PATCH 0
#define EVPOLL_VERSION 0x010000
#define EVPOLL_OK                       0
#define EVPOLL_ERR_INVALID              (-1)
#define EVPOLL_ERR_BAD_HANDLE           (-2)
#define EVPOLL_ERR_NO_MEMORY            (-3)
#define EVPOLL_ERR_LIMIT                (-4)
#define EVPOLL_ERR_NOT_FOUND            (-5)
#define EVPOLL_ERR_STALE                (-6)
#define EVPOLL_ERR_BUSY                 (-7)
#define EVPOLL_ERR_AGAIN                (-8)
#define EVPOLL_ERR_WOULD_BLOCK          (-9)
#define EVPOLL_ERR_TIMEOUT              (-10)
#define EVPOLL_ERR_SHUTDOWN             (-11)
#define EVPOLL_ERR_UNSUPPORTED          (-12)
#define EVPOLL_ERR_VERSION              (-13)
#define EVPOLL_ERR_EXPIRED              (-14)
#define EVPOLL_ERR_FORKED               (-15)
#define EVPOLL_ERR_CANCELLED            (-16)
#define EVPOLL_ERR_PARTIAL              (-17)
#define EVPOLL_ERR_IO                   (-18)
#define EVPOLL_ERR_NO_SPACE             (-19)
#define EVPOLL_ERR_TOO_LARGE            (-20)
#define EVPOLL_ERR_FAULT                (-21)
#define EVPOLL_ERR_ACCESS               (-22)
#define EVPOLL_ERR_EXISTS               (-23)
#define EVPOLL_ERR_REFUSED              (-24)
#define EVPOLL_ERR_RESET                (-25)
#define EVPOLL_ERR_BROKEN_PIPE          (-26)
#define EVPOLL_ERR_NOT_CONNECTED        (-27)
#define EVPOLL_ERR_ADDRESS_IN_USE       (-28)
#define EVPOLL_ERR_ADDRESS_UNAVAILABLE  (-29)
#define EVPOLL_ERR_UNREACHABLE          (-30)
#define EVPOLL_ERR_MESSAGE_SIZE         (-31)
#define EVPOLL_ERR_OS                   (-32)
#define EVPOLL_READABLE      0x1
#define EVPOLL_WRITABLE      0x2
#define EVPOLL_PRIORITY      0x4
#define EVPOLL_READ_CLOSED   0x8
#define EVPOLL_WRITE_CLOSED  0x10
#define EVPOLL_ERROR         0x20
#define EVPOLL_IO            0x100
#define EVPOLL_IO_LIST       0x200
#define EVPOLL_AIO           0x400
#define EVPOLL_LIO           0x800
#define EVPOLL_WAKE          0x1000
#define EVPOLL_POST          0x2000
#define EVPOLL_LEVEL   0
#define EVPOLL_EDGE    1
#define EVPOLL_ONESHOT 2
#define EVPOLL_OPERATIONS 3
#define EVPOLL_CHANGE_ADD    1
#define EVPOLL_CHANGE_MODIFY 2
#define EVPOLL_CHANGE_REARM  3
#define EVPOLL_CHANGE_REMOVE 4
#define EVPOLL_OP_READ         1
#define EVPOLL_OP_WRITE        2
#define EVPOLL_OP_READV        3
#define EVPOLL_OP_WRITEV       4
#define EVPOLL_OP_FSYNC        5
#define EVPOLL_OP_FDATASYNC    6
#define EVPOLL_OP_CLOSE        7
#define EVPOLL_OP_POLL         8
#define EVPOLL_OP_ACCEPT       9
#define EVPOLL_OP_CONNECT      10
#define EVPOLL_OP_RECV_MESSAGE 11
#define EVPOLL_OP_SEND_MESSAGE 12
#define EVPOLL_OP_SEND_FILE    13
#define EVPOLL_OP_SHUTDOWN     14
#define EVPOLL_OP_SIZE         15
#define EVPOLL_OP_TRUNCATE     16
#define EVPOLL_OP_APPEND       17
#define EVPOLL_OP_TIMER        18
#define EVPOLL_OPF_INLINE   0x1
#define EVPOLL_OPF_NOWAIT   0x2
#define EVPOLL_OPF_ALL      0x4
#define EVPOLL_OPF_DURABLE  0x8
#define EVPOLL_OPF_ABSOLUTE 0x10
#define EVPOLL_OPF_ABORT    0x20
#define EVPOLL_OPF_MORE     0x40
#define EVPOLL_OPEN_SINGLE_WAITER  0x1
#define EVPOLL_OPEN_INTERRUPTIBLE  0x2
#define EVPOLL_OPEN_NO_URING       0x4
#define EVPOLL_OPEN_NATIVE_IO_ONLY 0x8
#define EVPOLL_FEATURE_PRIORITY    0x1
#define EVPOLL_FEATURE_FILE_IO     0x2
#define EVPOLL_FEATURE_NATIVE_IO   0x4
#define EVPOLL_FEATURE_VECTORED_IO 0x8
#define EVPOLL_FEATURE_PIPE_IO     0x10
#define EVPOLL_FEATURE_FOREIGN_AIO 0x20
#define EVPOLL_FEATURE_ANY_HANDLE  0x40
#define EVPOLL_BACKEND_EPOLL   1
#define EVPOLL_BACKEND_KQUEUE  2
#define EVPOLL_BACKEND_AFD     3
#define EVPOLL_ENGINE_NONE     0
#define EVPOLL_ENGINE_POOL     1
#define EVPOLL_ENGINE_IO_URING 2
#define EVPOLL_ENGINE_AIO      3
#define EVPOLL_ENGINE_IOCP     4
#define EVPOLL_FILE_READ      0x1
#define EVPOLL_FILE_WRITE     0x2
#define EVPOLL_FILE_CREATE    0x4
#define EVPOLL_FILE_EXCLUSIVE 0x8
#define EVPOLL_FILE_TRUNCATE  0x10
#define EVPOLL_FILE_DIRECT    0x20
#define EVPOLL_FILE_APPEND    0x40
#define EVPOLL_FILE_DURABLE   0x80
#define EVPOLL_FAMILY_NONE 0
#define EVPOLL_FAMILY_IPV4 1
#define EVPOLL_FAMILY_IPV6 2
#define EVPOLL_FAMILY_UNIX 3
#define EVPOLL_MESSAGE_PEEK              0x1
#define EVPOLL_MESSAGE_TRUNCATED         0x2
#define EVPOLL_MESSAGE_CONTROL_TRUNCATED 0x4
#define EVPOLL_SHUTDOWN_READ  1
#define EVPOLL_SHUTDOWN_WRITE 2
#define EVPOLL_SHUTDOWN_BOTH  3
#define EVPOLL_INFINITE (-1)
#define EVPOLL_IN_PROGRESS 1
#define EVPOLL_ADDRESS_CAPACITY 64
#define EVPOLL_ADDR(pointer) ((uint64_t)(uintptr_t)(pointer))
typedef struct evpoll evpoll;
typedef struct evpoll_aio evpoll_aio;
typedef int64_t evpoll_handle;
typedef struct evpoll_event {
  uint64_t token;
  uint64_t op;
  int64_t result;
  uint32_t events;
  int32_t status;
} evpoll_event;
typedef struct evpoll_change {
  uint64_t token;
  evpoll_handle handle;
  uint32_t action;
  uint32_t interest;
  uint32_t mode;
  int32_t status;
} evpoll_change;
typedef struct evpoll_io {
  uint64_t token;
  evpoll_handle handle;
  int64_t offset;
  uint64_t buffer;
  uint64_t length;
  uint64_t op;
  uint32_t code;
  uint32_t flags;
  int32_t status;
  uint32_t timeout_ms;
} evpoll_io;
typedef struct evpoll_result {
  int64_t result;
  int32_t status;
  uint32_t reserved;
} evpoll_result;
typedef struct evpoll_iovec {
  uint64_t address;
  uint64_t length;
} evpoll_iovec;
typedef struct evpoll_address {
  uint16_t family;
  uint16_t port;
  uint32_t scope;
  uint8_t bytes[16];
  uint64_t reserved;
} evpoll_address;
typedef struct evpoll_message {
  uint64_t iovecs;
  uint32_t iovec_count;
  uint32_t flags;
  evpoll_address peer;
  evpoll_address local;
  uint64_t control;
  uint32_t control_capacity;
  uint32_t control_length;
  uint32_t segment_size;
  uint32_t ecn;
  uint64_t reserved[3];
} evpoll_message;
typedef struct evpoll_options {
  uint32_t struct_size;
  uint32_t flags;
  uint64_t wake_token;
  uint32_t io_limit;
  uint32_t pool_threads;
} evpoll_options;
struct evpoll_poller_stats {
  uint32_t struct_size;
  uint32_t pool_threads;
  uint64_t waits;
  uint64_t events;
  uint64_t wakes;
  uint64_t posts;
  uint64_t spurious_returns;
  uint64_t rearms;
  uint64_t stale_hits;
  uint64_t set_rebuilds;
  uint64_t io_submitted;
  uint64_t io_completed;
  uint64_t io_cancelled;
  uint64_t io_in_flight;
};
struct evpoll_poller_info {
  uint32_t struct_size;
  uint32_t version;
  uint32_t features;
  uint32_t backend;
  uint32_t io_engine;
  uint32_t open_flags;
  uint32_t io_limit;
  uint32_t pool_threads;
  uint64_t io_length_limit;
};
EVPOLL_API int32_t evpoll_version(void);
EVPOLL_API const char *evpoll_version_string(void);
EVPOLL_API const char *evpoll_strerror(int32_t status);
EVPOLL_API int32_t evpoll_os_error(void);
EVPOLL_API int64_t evpoll_now(void);
EVPOLL_API int32_t evpoll_info(evpoll *p, struct evpoll_poller_info *info_out);
EVPOLL_API int32_t evpoll_describe(evpoll *p, char *text_out, int32_t capacity);
EVPOLL_API int32_t evpoll_open(const evpoll_options *options, evpoll **poller_out);
EVPOLL_API int32_t evpoll_poller_handle(evpoll *p, evpoll_handle *handle_out);
EVPOLL_API int32_t evpoll_shutdown(evpoll *p);
EVPOLL_API int32_t evpoll_close(evpoll *p, int64_t timeout_ns);
EVPOLL_API int32_t evpoll_stats(evpoll *p, struct evpoll_poller_stats *stats_out);
EVPOLL_API int32_t evpoll_add(evpoll *p, evpoll_handle handle, uint64_t token, uint32_t interest,
                              uint32_t mode);
EVPOLL_API int32_t evpoll_modify(evpoll *p, evpoll_handle handle, uint64_t token,
                                 uint32_t interest, uint32_t mode);
EVPOLL_API int32_t evpoll_rearm(evpoll *p, evpoll_handle handle, uint64_t token, uint32_t bits);
EVPOLL_API int32_t evpoll_remove(evpoll *p, evpoll_handle handle, uint64_t token);
EVPOLL_API int32_t evpoll_update(evpoll *p, evpoll_change *changes, int32_t n);
EVPOLL_API int32_t evpoll_wait(evpoll *p, evpoll_event *events_out, int32_t capacity,
                               int64_t timeout_ns);
EVPOLL_API int32_t evpoll_turn(evpoll *p, evpoll_change *changes, int32_t nchanges, evpoll_io *ios,
                               int32_t nios, evpoll_event *events_out, int32_t capacity,
                               int64_t timeout_ns);
EVPOLL_API int32_t evpoll_wake(evpoll *p);
EVPOLL_API int32_t evpoll_post(evpoll *p, uint64_t token, int64_t result);
EVPOLL_API int32_t evpoll_submit(evpoll *p, evpoll_io *ios, int32_t n);
EVPOLL_API int32_t evpoll_submit_list(evpoll *p, evpoll_io *ios, int32_t n, uint64_t token,
                                      uint64_t *op_out);
EVPOLL_API int32_t evpoll_list_take(evpoll *p, uint64_t op, evpoll_result *results_out, int32_t n);
EVPOLL_API int32_t evpoll_cancel(evpoll *p, uint64_t op);
EVPOLL_API int32_t evpoll_cancel_all(evpoll *p);
EVPOLL_API int32_t evpoll_cancel_handle(evpoll *p, evpoll_handle handle);
EVPOLL_API int32_t evpoll_cancel_token(evpoll *p, evpoll_handle handle, uint64_t token);
EVPOLL_API int32_t evpoll_retime(evpoll *p, evpoll_handle handle, uint64_t token, int64_t ns);
EVPOLL_API int32_t evpoll_hold(evpoll *p, evpoll_handle handle, uint64_t token);
EVPOLL_API int32_t evpoll_release(evpoll *p, evpoll_handle handle);
EVPOLL_API int32_t evpoll_aio_open(evpoll *p, uint32_t kind, uint64_t token, evpoll_aio **aio_out);
EVPOLL_API int32_t evpoll_aio_register(evpoll_aio *aio, void *native_out, uint32_t size);
EVPOLL_API int32_t evpoll_aio_deregister(evpoll_aio *aio);
EVPOLL_API int32_t evpoll_aio_poll_ready(evpoll_aio *aio, uint64_t *tick_out);
EVPOLL_API int32_t evpoll_aio_clear_ready(evpoll_aio *aio, uint64_t tick);
EVPOLL_API int32_t evpoll_aio_close(evpoll_aio *aio);
EVPOLL_API int32_t evpoll_file_open(const char *path, uint32_t flags, uint32_t permissions,
                                    evpoll_handle *handle_out);
EVPOLL_API int32_t evpoll_file_size(evpoll_handle handle, int64_t *size_out);
EVPOLL_API int32_t evpoll_file_close(evpoll_handle handle);
EVPOLL_API int32_t evpoll_reopen(evpoll_handle handle, evpoll_handle *handle_out);
EVPOLL_API int32_t evpoll_buffer_alloc(uint64_t size, uint32_t alignment, void **buffer_out);
EVPOLL_API int32_t evpoll_buffer_free(void *buffer);
EVPOLL_API int32_t evpoll_socket_tcp_listen(const char *host, int32_t port, int32_t backlog,
                                            evpoll_handle *handle_out);
EVPOLL_API int32_t evpoll_socket_tcp_connect(const char *host, int32_t port,
                                             evpoll_handle *handle_out);
EVPOLL_API int32_t evpoll_socket_accept(evpoll_handle listener, evpoll_handle *handle_out);
EVPOLL_API int32_t evpoll_socket_udp_bind(const char *host, int32_t port,
                                          evpoll_handle *handle_out);
EVPOLL_API int32_t evpoll_socket_pair(evpoll_handle *first_out, evpoll_handle *second_out);
EVPOLL_API int32_t evpoll_socket_recv(evpoll_handle handle, void *buffer_out, uint64_t length);
EVPOLL_API int32_t evpoll_socket_send(evpoll_handle handle, const void *buffer, uint64_t length);
EVPOLL_API int32_t evpoll_socket_recvfrom(evpoll_handle handle, void *buffer_out, uint64_t length,
                                          char *host_out, int32_t host_capacity,
                                          int32_t *port_out);
EVPOLL_API int32_t evpoll_socket_sendto(evpoll_handle handle, const void *buffer, uint64_t length,
                                        const char *host, int32_t port);
EVPOLL_API int32_t evpoll_socket_shutdown(evpoll_handle handle, int32_t how);
EVPOLL_API int32_t evpoll_socket_take_error(evpoll_handle handle, int32_t *error_out);
EVPOLL_API int32_t evpoll_socket_local_address(evpoll_handle handle, char *host_out,
                                               int32_t host_capacity, int32_t *port_out);
EVPOLL_API int32_t evpoll_socket_peer_address(evpoll_handle handle, char *host_out,
                                              int32_t host_capacity, int32_t *port_out);
EVPOLL_API int32_t evpoll_socket_set_nodelay(evpoll_handle handle, int32_t on);
EVPOLL_API int32_t evpoll_socket_close(evpoll_handle handle);
#ifdef __cplusplus
}
#endif
#endif
