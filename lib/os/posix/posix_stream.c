/* SPDX-License-Identifier: MIT */
/* Calls on streams on POSIX. Sockets are told with each call not to wait; pipes too, where the
 * system knows how (Linux, RWF_NOWAIT), else O_NONBLOCK must be set. No flag of a handle is
 * changed. */
#include "os/os_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#if defined(EVP_KQUEUE_AIO) && EVP_KQUEUE_AIO
#define FREEBSD_SENDFILE 1 /* of a simulated kernel too */
#elif defined(__linux__)
#include <sys/sendfile.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include "core/status.h"
#include "os/os.h"
#include "os/os_address.h"
#include "os/os_socket.h"
#include "os/posix/posix.h"

enum { MOST_PIECES = EVP_MESSAGE_PIECES, SEND_PIECE = 16384, SEND_MOST = 65536, MOST_ASKED = 64 };

#if defined(MSG_NOSIGNAL)
#define NO_SIGNAL MSG_NOSIGNAL
#else
#define NO_SIGNAL 0
#endif
#if defined(MSG_MORE)
#define FOLLOWED MSG_MORE
#else
#define FOLLOWED 0
#endif

/* ---- SIGPIPE ------------------------------------------------------------------------------ */

/* Blocked while a pipe is written to, and taken if it came of that: another one that was pending
 * stays. */
struct hush {
  sigset_t before;
  bool pending;
};

static bool has_sigpipe(void) {
  sigset_t set;
  return sigpending(&set) == 0 && sigismember(&set, SIGPIPE) == 1;
}

static void begin_hush(struct hush *h) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  h->pending = has_sigpipe();
  evp_signal_mask(SIG_BLOCK, &set, &h->before);
}

static void end_hush(const struct hush *h, ssize_t n) {
  const int os_code = errno;
  if (n < 0 && os_code == EPIPE && !h->pending && has_sigpipe()) {
    sigset_t set;
    int taken;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigwait(&set, &taken);
  }
  evp_signal_mask(SIG_SETMASK, &h->before, NULL);
  errno = os_code;
}

/* ---- pipes -------------------------------------------------------------------------------- */

#if defined(__linux__)
/* By number: the C library's functions may be missing, or cancellation points. Offset -1: where it
 * stands. */
static ssize_t move_now(bool write, int fd, const struct iovec *pieces, int n) {
  const unsigned no_wait = 8;
  return syscall(write ? SYS_pwritev2 : SYS_preadv2, fd, pieces, (unsigned long)n, -1l, -1l,
                 no_wait);
}

/* Asked with a buffer that is not there, so that nothing is taken or written. */
static bool knows_now(int fd, int flags) {
  struct iovec nowhere = {(void *)1, 1};
  struct hush h;
  begin_hush(&h);
  const bool write = (flags & O_ACCMODE) == O_WRONLY;
  const ssize_t n = move_now(write, fd, &nowhere, 1);
  const bool knows = n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL);
  end_hush(&h, n);
  return knows;
}
#else
static ssize_t move_now(bool write, int fd, const struct iovec *pieces, int n) {
  (void)write, (void)fd, (void)pieces, (void)n;
  errno = ENOSYS;
  return -1;
}
static bool knows_now(int fd, int flags) {
  (void)fd, (void)flags;
  return false;
}
#endif

static ssize_t move_pipe(const struct evp_stream_kind *kind, bool write, int fd,
                         const struct iovec *pieces, int n) {
  struct hush h;
  if (write) begin_hush(&h);
  const ssize_t moved = kind->at_once ? move_now(write, fd, pieces, n)
                        : write       ? writev(fd, pieces, n)
                                      : readv(fd, pieces, n);
  if (write) end_hush(&h, moved);
  return moved;
}

/* ---- what it is --------------------------------------------------------------------------- */

static int socket_option(int fd, int option) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(fd, SOL_SOCKET, option, &value, &length) < 0 ? -1 : value;
}

/* Nothing above it (TLS in the kernel): that has records, at whose ends reads are short. */
static bool is_plain_tcp(int fd) {
#if defined(__linux__)
  char layer[16];
  socklen_t length = sizeof layer;
  return getsockopt(fd, IPPROTO_TCP, TCP_ULP, layer, &length) == 0 && length == 0;
#else
  (void)fd;
  return false; /* nothing tells of an end behind the data */
#endif
}

int32_t evp_stream_look(evpoll_handle h, struct evp_stream_kind *out) {
  const int fd = (int)h;
  const mode_t mode = evp_descriptor_mode(fd);
  *out = (struct evp_stream_kind){.kind = EVP_NO_STREAM};
  if (!mode) return evp_fail_os(errno);
  switch (mode & S_IFMT) {
  case S_IFREG:
  case S_IFBLK: return 0;
  case S_IFDIR: return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  case S_IFSOCK:
    out->ends_short = is_plain_tcp(fd);
    out->kind = out->ends_short ? EVP_TCP : EVP_SOCKET;
    out->at_once = true;
    out->waits = !(fcntl(fd, F_GETFL) & O_NONBLOCK);
    return 0;
  case S_IFCHR:
    if (evp_file_check(h) == 0) return 0; /* FreeBSD's disks */
    /* fall through */
  case S_IFIFO: {
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return evp_fail_os(errno);
    out->kind = EVP_PIPE;
    out->at_once = knows_now(fd, flags);
    return out->at_once || (flags & O_NONBLOCK) ? 0 : evp_fail(EVPOLL_ERR_UNSUPPORTED);
  }
  }
  out->kind = EVP_WATCHED;
  return 0;
}

/* ---- data --------------------------------------------------------------------------------- */

/* As many pieces as one call may move; what is longer by itself is cut into `first`. */
static int fit_pieces(const struct iovec **pieces, int n, struct iovec *first) {
  uint64_t total = 0;
  int k = 0;
  while (k < n && (*pieces)[k].iov_len <= EVP_STREAM_MOST - total) total += (*pieces)[k++].iov_len;
  if (k == n || k > 0) return k;
  *first = (struct iovec){(*pieces)->iov_base, EVP_STREAM_MOST};
  *pieces = first;
  return 1;
}

static ssize_t move(const struct evp_stream_call *c) {
  const bool write = c->code == EVPOLL_OP_WRITE || c->code == EVPOLL_OP_WRITEV;
  const bool vectored = c->code == EVPOLL_OP_READV || c->code == EVPOLL_OP_WRITEV;
  const int fd = (int)c->handle;
  const int flags = MSG_DONTWAIT | (write ? NO_SIGNAL : 0);
  const int more = write && c->more ? FOLLOWED : 0;
  const size_t bytes = (size_t)(c->length < EVP_STREAM_MOST ? c->length : EVP_STREAM_MOST);
  if (!vectored && c->kind->kind != EVP_PIPE)
    return write ? evp_send(fd, c->buffer, bytes, flags | more)
                 : evp_recv(fd, c->buffer, bytes, flags);
  struct iovec one = {c->buffer, bytes};
  const struct iovec *pieces = vectored ? c->buffer : &one;
  const int n = vectored ? fit_pieces(&pieces, (int)c->length, &one) : 1;
  if (c->kind->kind == EVP_PIPE) return move_pipe(c->kind, write, fd, pieces, n);
  struct msghdr m = {.msg_iov = (struct iovec *)pieces};
  m.msg_iovlen = n;
  return write ? evp_sendmsg(fd, &m, flags | more) : evp_recvmsg(fd, &m, flags);
}

/* ---- messages ----------------------------------------------------------------------------- */

static int copy_pieces(const evpoll_message *m, struct iovec *out) {
  const uint32_t n = m->iovec_count;
  const evpoll_iovec *from = (const evpoll_iovec *)(uintptr_t)m->iovecs;
  uint64_t total = 0;
  if (n < 1 || n > MOST_PIECES) return -1;
  for (uint32_t i = 0; i < n; i++) {
    const uint64_t length = from[i].length;
    if (length > (uint64_t)INT64_MAX - total) return -1;
    total += length;
    out[i] = (struct iovec){(void *)(uintptr_t)from[i].address, (size_t)length};
  }
  return (int)n;
}

static ssize_t move_message(const struct evp_stream_call *c) {
  evpoll_message *m = c->buffer;
  const bool write = c->code == EVPOLL_OP_SEND_MESSAGE;
  struct iovec pieces[MOST_PIECES];
  union evp_address peer;
  const int n = copy_pieces(m, pieces);
  int32_t length = sizeof peer;
  if (write) length = m->peer.family ? evp_address_import(&m->peer, &peer) : 0;
  if (n < 0 || length < 0) {
    errno = EINVAL;
    return -1;
  }
  struct msghdr native = {.msg_iov = pieces};
  native.msg_iovlen = n;
  native.msg_name = length ? &peer : NULL;
  native.msg_namelen = (socklen_t)length;
  if (write) return evp_sendmsg((int)c->handle, &native, MSG_DONTWAIT | NO_SIGNAL);
  const int peek = m->flags & EVPOLL_MESSAGE_PEEK ? MSG_PEEK : 0;
  const ssize_t got = evp_recvmsg((int)c->handle, &native, MSG_DONTWAIT | peek);
  if (got < 0) return got;
  evp_address_export(&peer, (int)native.msg_namelen, &m->peer);
  m->local = (evpoll_address){0};
  m->flags = native.msg_flags & MSG_TRUNC ? EVPOLL_MESSAGE_TRUNCATED : 0;
  return got;
}

/* ---- files -------------------------------------------------------------------------------- */

static bool is_nonblocking(int fd) { return fcntl(fd, F_GETFL) & O_NONBLOCK; }

static ssize_t send_now(const struct evp_stream_call *c, const void *bytes, size_t n, bool more) {
  const int flags = MSG_DONTWAIT | NO_SIGNAL | (more || c->more ? FOLLOWED : 0);
  return evp_send((int)c->handle, bytes, n, flags);
}

/* In one piece, if all of it lies in the cache: several sends cost more than they save of memory.
 * What the socket does not take is read again. */
static int64_t send_cached(const struct evp_stream_call *c) {
  char *room = c->cached && c->length <= SEND_MOST ? malloc(SEND_MOST) : NULL;
  int64_t got, sent = EVP_STREAM_MISS;
  if (room && evp_file_read_cached(c->file, c->place, room, c->length, &got)) {
    sent = got ? send_now(c, room, (size_t)got, false) : 0;
    if (sent < 0) sent = -errno;
  }
  free(room);
  return sent;
}

#if defined(FREEBSD_SENDFILE)
/* What went out before the socket was full, or a signal came, it says beside the error. The kernel
 * may read the disk after it has returned: what it cannot read ends the connection. */
static int64_t send_whole(const struct evp_stream_call *c) {
  const size_t bytes = (size_t)(c->length < EVP_STREAM_MOST ? c->length : EVP_STREAM_MOST);
  off_t sent = 0;
  if (bytes == 0) return 0; /* it would send all there is */
  const int rc = sendfile((int)c->file, (int)c->handle, (off_t)c->place, bytes, NULL, &sent, 0);
  return rc < 0 && sent == 0 ? -errno : sent;
}
#elif defined(__linux__)
/* sendfile() waits for the socket, where that may. */
static int64_t send_whole(const struct evp_stream_call *c) {
  off_t place = (off_t)c->place;
  const size_t bytes = (size_t)(c->length < EVP_STREAM_MOST ? c->length : EVP_STREAM_MOST);
  const ssize_t n = sendfile((int)c->handle, (int)c->file, &place, bytes);
  return n < 0 ? -errno : n;
}
#else
static int64_t send_whole(const struct evp_stream_call *c) {
  (void)c;
  return -EINVAL;
}
#endif

static int64_t send_file(const struct evp_stream_call *c) {
  const int64_t sent = is_nonblocking((int)c->handle) ? send_whole(c) : -EINVAL;
  if (sent != -EINVAL && sent != -ENOSYS && sent != -EOPNOTSUPP) return sent;
  char room[SEND_PIECE]; /* a file system, or a socket, that cannot */
  const size_t bytes = (size_t)(c->length < sizeof room ? c->length : sizeof room);
  const ssize_t got = pread((int)c->file, room, bytes, (off_t)c->place);
  if (got <= 0) return got < 0 ? -errno : 0;
  const ssize_t n = send_now(c, room, (size_t)got, (uint64_t)got < c->length);
  return n < 0 ? -errno : n;
}

/* sendfile() takes no flags, and some systems' send() none against the signal. */
static int64_t hushed(int64_t (*call)(const struct evp_stream_call *),
                      const struct evp_stream_call *c) {
  struct hush h;
  begin_hush(&h);
  const int64_t result = call(c);
  errno = result < 0 && result > INT32_MIN ? (int)-result : 0;
  end_hush(&h, result < 0 ? -1 : 0);
  return result;
}

int64_t evp_stream_send_file(const struct evp_stream_call *c) { return hushed(send_file, c); }

/* ---- connections -------------------------------------------------------------------------- */

static int64_t accept_connection(const struct evp_stream_call *c) {
  evpoll_address *names = c->buffer;
  union evp_address name;
  socklen_t length = sizeof name;
  const int fd = evp_accept((int)c->handle, names ? &name.any : NULL, names ? &length : NULL);
  if (fd < 0 || !names) return fd < 0 ? -errno : fd;
  evp_address_export(&name, (int)length, &names[0]);
  length = sizeof name;
  if (getsockname(fd, &name.any, &length) < 0) length = 0;
  evp_address_export(&name, (int)length, &names[1]);
  return fd;
}

/* The bits, or a code below 0. A signal may end it, though it waits for nothing: that is not "not
 * now", after which an edge would be waited for that has been. */
static int poll_once(int fd, short events) {
  struct pollfd one = {.fd = fd, .events = events};
  int n, tries = 0;
  do {
#if defined(EVP_BY_NUMBER)
    const struct timespec at_once = {0, 0};
    n = (int)syscall(SYS_ppoll, &one, 1l, &at_once, NULL, 8l);
#else
    n = poll(&one, 1, 0);
#endif
  } while (n < 0 && errno == EINTR && ++tries < MOST_ASKED);
  return n < 0 ? -errno : one.revents;
}

/* A socket that connects is neither connected nor hung up; one that listens, or sends datagrams,
 * never does. The error is taken, so that it is told once. */
static int64_t finish_connect(int fd) {
  union evp_address peer;
  socklen_t length = sizeof peer;
  const int error = socket_option(fd, SO_ERROR);
  if (error) return error < 0 ? -errno : -error;
  if (getpeername(fd, &peer.any, &length) == 0) return 0;
  if (errno != ENOTCONN) return -errno;
  if (socket_option(fd, SO_ACCEPTCONN) > 0 || socket_option(fd, SO_TYPE) == SOCK_DGRAM)
    return -ENOTCONN;
  const int came = poll_once(fd, POLLOUT);
  if (came < 0) return came;
  return came & (POLLHUP | POLLERR) ? -ENOTCONN : -EAGAIN;
}

static int64_t poll_bits(int fd, uint64_t interest) {
#if !defined(POLLRDHUP)
#define POLLRDHUP 0
#endif
  const short events = (short)((interest & EVPOLL_READABLE ? POLLIN | POLLRDHUP : 0) |
                               (interest & EVPOLL_READ_CLOSED ? POLLRDHUP : 0) |
                               (interest & EVPOLL_WRITABLE ? POLLOUT : 0) |
                               (interest & EVPOLL_PRIORITY ? POLLPRI : 0));
  const int came = poll_once(fd, events);
  if (came < 0) return came;
  if (came & POLLNVAL) return -EBADF;
  int64_t bits = 0;
  if (came & POLLIN) bits |= EVPOLL_READABLE;
  if (came & POLLOUT) bits |= EVPOLL_WRITABLE;
  if (came & POLLPRI) bits |= EVPOLL_PRIORITY;
  if (came & POLLRDHUP) bits |= EVPOLL_READ_CLOSED | EVPOLL_READABLE;
  if (came & POLLHUP)
    bits |= EVPOLL_READABLE | EVPOLL_READ_CLOSED | EVPOLL_WRITABLE | EVPOLL_WRITE_CLOSED;
  if (came & POLLERR) bits |= EVPOLL_READABLE | EVPOLL_WRITABLE | EVPOLL_ERROR;
  bits &= (int64_t)interest | EVPOLL_ERROR | EVPOLL_WRITE_CLOSED |
          (interest & EVPOLL_READABLE ? EVPOLL_READ_CLOSED : 0);
  return bits ? bits : -EAGAIN;
}

static int64_t perform_call(const struct evp_stream_call *c) {
  const int fd = (int)c->handle;
  ssize_t n;
  switch (c->code) {
  case EVPOLL_OP_POLL: return poll_bits(fd, c->length);
  case EVPOLL_OP_ACCEPT: return accept_connection(c);
  case EVPOLL_OP_CONNECT: return finish_connect(fd);
  case EVPOLL_OP_SEND_FILE: return send_cached(c);
  case EVPOLL_OP_SHUTDOWN:
    return evp_socket_shutdown(c->handle, (int32_t)c->length) < 0 ? -evpoll_os_error() : 0;
  case EVPOLL_OP_RECV_MESSAGE:
  case EVPOLL_OP_SEND_MESSAGE: n = move_message(c); break;
  default: n = move(c);
  }
  return n < 0 ? -errno : n;
}

int64_t evp_stream_perform(const struct evp_stream_call *c) {
  return NO_SIGNAL ? perform_call(c) : hushed(perform_call, c);
}

bool evp_stream_not_now(int64_t result) { return result == -EAGAIN || result == -EWOULDBLOCK; }
bool evp_stream_try_again(int64_t result) {
  return result < 0 && evp_concerns_one_connection((int)-result);
}
bool evp_stream_no_room(int64_t result) {
  return result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM;
}

/* ---- the end ------------------------------------------------------------------------------ */

/* A linger time makes close() wait, also where nothing else does. */
bool evp_stream_closes_at_once(evpoll_handle h, const struct evp_stream_kind *kind) {
  struct linger linger = {0};
  socklen_t length = sizeof linger;
  if (kind->kind != EVP_TCP && kind->kind != EVP_SOCKET) return false;
  getsockopt((int)h, SOL_SOCKET, SO_LINGER, &linger, &length);
  return !linger.l_onoff || !linger.l_linger;
}

int64_t evp_stream_close(evpoll_handle h, const struct evp_stream_kind *kind, bool abort) {
  const struct linger reset = {1, 0};
  const bool socket = kind->kind == EVP_TCP || kind->kind == EVP_SOCKET;
  if (abort && socket) setsockopt((int)h, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  return evp_socket_close(h) < 0 ? -evpoll_os_error() : 0;
}
