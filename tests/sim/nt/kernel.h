/* SPDX-License-Identifier: MIT */
/* The simulated NT kernel, inside. One lock guards all of it: nt_enter() takes it. */
#ifndef NT_SIM_KERNEL_H
#define NT_SIM_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "sim.h"
#include "winsock2.h"
#include "ws2tcpip.h"

/* ---- statuses ----------------------------------------------------------------------------- */

#define NT_SUCCESS_STATUS       ((NTSTATUS)0x00000000)
#define NT_TIMEOUT              ((NTSTATUS)0x00000102)
#define NT_PENDING              ((NTSTATUS)0x00000103)
#define NT_HANDLES_CLOSED       ((NTSTATUS)0x8000000a) /* Wine's word for cancelled by a close */
#define NT_NOT_IMPLEMENTED      ((NTSTATUS)0xc0000002)
#define NT_INVALID_HANDLE       ((NTSTATUS)0xc0000008)
#define NT_INVALID_PARAMETER    ((NTSTATUS)0xc000000d)
#define NT_END_OF_FILE          ((NTSTATUS)0xc0000011)
#define NT_NO_MEMORY            ((NTSTATUS)0xc0000017)
#define NT_ACCESS_DENIED        ((NTSTATUS)0xc0000022)
#define NT_OBJECT_TYPE_MISMATCH ((NTSTATUS)0xc0000024)
#define NT_NAME_NOT_FOUND       ((NTSTATUS)0xc0000034)
#define NT_RESOURCES            ((NTSTATUS)0xc000009a)
#define NT_DISK_FULL            ((NTSTATUS)0xc000007f)
#define NT_INVALID_DEVICE       ((NTSTATUS)0xc0000010)
#define NT_PIPE_DISCONNECTED    ((NTSTATUS)0xc00000b0)
#define NT_PIPE_CLOSING         ((NTSTATUS)0xc00000b1)
#define NT_NOT_SUPPORTED        ((NTSTATUS)0xc00000bb)
#define NT_CANCELLED            ((NTSTATUS)0xc0000120)
#define NT_PIPE_BROKEN          ((NTSTATUS)0xc000014b)
#define NT_CONNECTION_RESET     ((NTSTATUS)0xc000020d)
#define NT_NOT_FOUND            ((NTSTATUS)0xc0000225)
#define NT_CONNECTION_REFUSED   ((NTSTATUS)0xc0000236)
#define NT_IO_DEVICE_ERROR      ((NTSTATUS)0xc0000185)
#define NT_QUOTA_EXCEEDED       ((NTSTATUS)0xc0000044)
#define NT_INVALID_USER_BUFFER  ((NTSTATUS)0xc00000e8)

struct nt_iosb {
  union {
    NTSTATUS status;
    void *pointer;
  };
  ULONG_PTR information;
};

/* ---- calls and threads: nt_turns.c ----------------------------------------------------------- */

/* A call of the system begins: another thread may run first, and what is on its way arrive. */
void nt_enter(void);
void nt_leave(void);
/* Lock held, given up meanwhile. Sleeps until the channel is woken or the clock has reached the
 * deadline (negative: never); false at the deadline. */
bool nt_block(const void *channel, int64_t deadline);
void nt_wake_one(const void *channel);
void nt_wake_all(const void *channel);
int64_t nt_clock(void); /* nanoseconds; virtual when deterministic */
int64_t nt_deadline(DWORD ms);
bool nt_deterministic(void);
void nt_threads_start(void);
void nt_threads_stop(void);

const struct nt_options *nt_settings(void);

/* The call fails when the test said so: fault.c. */
void nt_fault_start(void);
bool nt_fault(const char *name);
#define NT_CALL(name, code, result)                                                                \
  do {                                                                                             \
    nt_enter();                                                                                    \
    if (nt_fault(name)) return SetLastError(code), nt_leave(), (result);                           \
  } while (0)
/* Leaves the kernel with an error. */
#define NT_REFUSE(code, result) return SetLastError(code), nt_leave(), (result)

/* ---- objects and handles: nt_handle.c -------------------------------------------------------- */

enum nt_kind { NT_PORT, NT_AFD, NT_SOCKET, NT_LAYER, NT_DISK, NT_PIPE, NT_EVENT, NT_THREAD };

struct nt_irp;
struct nt_object {
  enum nt_kind kind;
  uint32_t handles; /* that name it */
  uint32_t refs;    /* handles, requests, what is on its way */
  struct nt_object *port;
  ULONG_PTR key;
  UCHAR modes;
  bool overlapped, inherit;
  bool occupied;       /* a call is inside, and the next one waits: synchronous files and pipes */
  struct nt_irp *irps; /* that have not reported */
  void (*closed)(struct nt_object *); /* the last handle went */
  void (*freed)(struct nt_object *);  /* the last reference went; frees what it owns */
};

void *nt_make(enum nt_kind kind, size_t size);
struct nt_object *nt_ref(struct nt_object *o);
void nt_unref(struct nt_object *o);
/* A new handle; NULL when there are too many. */
HANDLE nt_handle(struct nt_object *o);
struct nt_object *nt_lookup(HANDLE h);
struct nt_object *nt_lookup_kind(HANDLE h, enum nt_kind kind);
bool nt_close(HANDLE h);
void nt_handles_start(void);
void nt_handles_stop(void);

/* ---- what is on its way: nt_later.c ---------------------------------------------------------- */

typedef void (*nt_action)(struct nt_object *o, void *argument);
/* Does it now (seed 0), or when the seed says so. Holds a reference meanwhile. */
void nt_later(nt_action action, struct nt_object *o, void *argument);
void nt_later_start(void);
void nt_later_stop(void);
bool nt_later_one(void); /* one of them, if there is any */
void nt_later_some(void);
bool nt_chance(uint32_t n, uint32_t of); /* false without a seed */

/* ---- requests: nt_irp.c ---------------------------------------------------------------------- */

enum nt_irp_state { NT_IRP_PENDING, NT_IRP_RIPE, NT_IRP_QUEUED };

struct nt_irp {
  struct nt_irp *next;      /* of the object */
  struct nt_irp *next_all;  /* of all that have not gone */
  struct nt_object *object; /* it was made on */
  struct nt_iosb *iosb;
  void *context; /* NULL: no packet */
  HANDLE event;
  enum nt_irp_state state;
  struct nt_iosb before; /* what the status block held when it became ours */
  bool written;
  NTSTATUS status;
  ULONG_PTR information;
  bool firm;   /* it cannot be cancelled */
  bool ending; /* it was asked to end */

  struct nt_object *target; /* polls: the socket */
  HANDLE named;             /* ... by this number */
  struct nt_irp *next_poll;
  ULONG events; /* asked for, and found */
  NTSTATUS poll_status;
  ULONG found;
  void *buffer; /* the caller's */
  ULONG length;
  int64_t offset; /* in the file, or of what is done */
  int code;       /* of the device's own */
  uint64_t serial;
};

/* A request begins. The status block becomes pending, and the caller must leave it alone. */
struct nt_irp *nt_irp_start(struct nt_object *o, void *iosb, void *context, HANDLE event);
/* Its outcome is known; it reports now or later. `at_once`: still inside the call. */
void nt_irp_finish(struct nt_irp *irp, NTSTATUS status, ULONG_PTR information, bool at_once);
/* The caller's memory is written: once, when the packet is taken (Windows) or queued (Wine). */
void nt_irp_write(struct nt_irp *irp);
/* The packet was taken, or will never be. */
void nt_irp_taken(struct nt_irp *irp);
void nt_irp_dropped(struct nt_irp *irp);
/* Is the status block some request's? */
bool nt_irp_uses(const void *iosb);
/* NULL: it is over. What is on its way names a request so, since it may be cancelled meanwhile. */
struct nt_irp *nt_irp_find(uint64_t serial);
/* iosb NULL: all of the object. */
NTSTATUS nt_irp_cancel(struct nt_object *o, const void *iosb);
void nt_irp_cancel_all(struct nt_object *o, NTSTATUS status);

/* ---- the port: nt_port.c --------------------------------------------------------------------- */

void nt_port_queue(struct nt_object *port, ULONG_PTR key, struct nt_irp *irp);

/* ---- AFD: nt_afd.c --------------------------------------------------------------------------- */

enum {
  NT_RECEIVE = 0x1,
  NT_EXPEDITED = 0x2,
  NT_SEND = 0x4,
  NT_DISCONNECT = 0x8,
  NT_ABORT = 0x10,
  NT_LOCAL_CLOSE = 0x20,
  NT_CONNECT = 0x40,
  NT_ACCEPT = 0x80,
  NT_CONNECT_FAIL = 0x100,
};

struct nt_object *nt_afd_open(void);
void nt_afd_write(struct nt_irp *irp);  /* the output buffer of a poll */
void nt_afd_forget(struct nt_irp *irp); /* it no longer waits for its socket, if it is a poll */
NTSTATUS nt_afd_poll(struct nt_object *afd, HANDLE event, void *context, void *iosb, const void *in,
                     ULONG in_size, void *out, ULONG out_size);

/* ---- sockets: nt_socket.c and its kin ---------------------------------------------- */

struct nt_address {
  int family; /* 0: none */
  uint8_t ip[16];
  uint16_t port; /* in the host's order */
  uint32_t scope;
};

enum nt_phase { NT_FRESH, NT_LISTENING, NT_CONNECTING, NT_CONNECTED, NT_REFUSED };

struct nt_datagram {
  struct nt_datagram *next;
  struct nt_address from;
  size_t length;
  char data[];
};

struct nt_socket {
  struct nt_object o;
  struct nt_socket *next; /* of all, for looking up addresses */
  struct nt_irp *polls;
  int family, type;
  enum nt_phase phase;
  struct nt_address local, remote;
  bool nonblocking, closed, oob_inline, exclusive, reuse, v6only, nodelay, linger;
  uint16_t linger_seconds;
  int error;

  struct nt_socket *peer; /* referenced */
  bool shut_send, shut_receive;
  bool fin_sent, fin_seen, rst_sent, rst_seen; /* by the peer; seen: it has arrived */
  bool oob_sent, oob_seen;
  char oob;
  char *data; /* a ring of `size` bytes; the first `seen` of `held` have arrived */
  size_t size, first, held, seen;
  size_t capacity; /* there is room while less is held */
  uint32_t ever;   /* all that was ever true */

  struct nt_socket *backlog[64]; /* connections to be accepted, referenced */
  uint32_t waiting, arrived, most;

  struct nt_datagram *queue, *last;
  size_t queued;
};

void nt_sockets_start(void);
struct nt_socket *nt_socket_of(SOCKET s); /* through a layer; sets the error */
struct nt_socket *nt_socket_make(int family, int type);
struct nt_socket *nt_socket_bound(int type, const struct nt_address *to);
bool nt_address_read(const struct nt_socket *s, const struct sockaddr *name, int length,
                     struct nt_address *out);
void nt_address_write(const struct nt_address *a, struct sockaddr *name, int *length);
int nt_socket_bind(struct nt_socket *s, const struct nt_address *to); /* 0 or a code */
uint32_t nt_socket_truth(struct nt_socket *s, NTSTATUS *status_out);
/* Something may have become true: pending polls look, and blocked calls. */
void nt_socket_changed(struct nt_socket *s);
void nt_afd_indicate(struct nt_socket *s, uint32_t also);
HANDLE nt_layer_wrap(HANDLE base); /* the handle that the program sees */
HANDLE nt_layer_base(SOCKET s);    /* the base socket's; NULL: there is no layer */
void nt_layer_close(HANDLE h);     /* with all that is under it */

/* These return 0 or a code, with the lock held; the socket is known to be of the type. */
int nt_stream_connect(struct nt_socket *s, const struct nt_address *to);
int nt_stream_send(struct nt_socket *s, const char *data, int length, int flags, int *done);
int nt_stream_receive(struct nt_socket *s, char *data, int length, int flags, int *done);
int nt_stream_shutdown(struct nt_socket *s, int how);
void nt_stream_close(struct nt_socket *s);
int nt_datagram_send(struct nt_socket *s, const char *data, int length, const struct nt_address *to,
                     int *done);
int nt_datagram_receive(struct nt_socket *s, char *data, int length, int flags,
                        struct nt_address *from, int *done);
void nt_datagram_close(struct nt_socket *s);

/* ---- calls on synchronous files and pipes: nt_serial.c --------------------------------------- */

/* Lock held, given up while another call is inside; nothing to do with other objects. Holds a
 * reference between the two. */
void nt_serial_enter(struct nt_object *o);
void nt_serial_leave(struct nt_object *o);

/* ---- files: nt_disk.c, nt_pipe.c ----------------------------------------------------------------
 */

struct nt_object *nt_pipe_open(const char *name, DWORD flags); /* NULL: sets the error */
/* Lock held. 0, ERROR_IO_PENDING, or why not; irp NULL: a synchronous handle. */
DWORD nt_pipe_io(struct nt_object *o, bool write, void *buffer, DWORD length, LPDWORD done,
                 LPOVERLAPPED overlapped);
DWORD nt_pipe_flush(struct nt_object *o);      /* lock held; 0 or why not */
DWORD nt_disk_type(const struct nt_object *o); /* FILE_TYPE_* */
DWORD nt_disk_access(const struct nt_object *o);
DWORD nt_disk_io(struct nt_object *o, bool write, void *buffer, DWORD length, LPDWORD done,
                 LPOVERLAPPED overlapped);
/* A request made by OVERLAPPED: an event with its low bit set means no packet. */
struct nt_irp *nt_irp_overlapped(struct nt_object *o, LPOVERLAPPED overlapped);
/* Lock held. Opens what a name that is no pipe's stands for; NULL: sets the error. */
struct nt_object *nt_disk_open(const char *name, DWORD access, DWORD share, DWORD disposition,
                               DWORD flags);
/* Is the caller's memory there? Asked in free mode only. */
bool nt_mapped(const void *memory, size_t size);
/* UTF-8 of a name, to be freed; without the prefix of device names. */
char *nt_utf8(LPCWSTR name);

DWORD nt_error_of(NTSTATUS status);
DWORD nt_error_of_errno(int code);

/* ---- events: nt_sync.c ----------------------------------------------------------------------- */
void nt_event_set(HANDLE event, bool set);

#endif
