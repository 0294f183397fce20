/* SPDX-License-Identifier: MIT */
/* What descriptors are ready for, in FreeBSD's words, asked of Linux by poll(). */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"

enum { PIPE_ROOM = 16384, UNIX_ROOM = 65536, ERRORS = 65536, NANOS = 1000000 };

/* A socket's pending error: Linux gives it away when it is looked at. */
static int errors[ERRORS];

static int peek_error(int fd) {
  if (fd >= ERRORS) return 0;
  int code = 0;
  socklen_t length = sizeof code;
  if (!errors[fd] && getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) == 0)
    errors[fd] = code == EPIPE ? ECONNRESET : code; /* Linux: the peer had ended before it reset */
  return errors[fd];
}

static int take_error(int fd) {
  if (fd < 0 || fd >= ERRORS) return 0;
  sim_lock();
  const int code = errors[fd];
  errors[fd] = 0;
  sim_unlock();
  return code;
}

enum kind sim_kind_of(int fd) {
  struct stat s;
  if (fstat(fd, &s) < 0) return KIND_OTHER;
  if (S_ISREG(s.st_mode) || S_ISDIR(s.st_mode)) return KIND_VNODE;
  if (S_ISFIFO(s.st_mode)) return KIND_PIPE;
  if (!S_ISSOCK(s.st_mode)) return KIND_OTHER;
  int type = 0;
  socklen_t length = sizeof type;
  getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
  return type == SOCK_STREAM ? KIND_STREAM : KIND_DATAGRAM;
}

static short look(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
  return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

static int bytes_to_read(int fd) {
  int n = 0;
  return ioctl(fd, FIONREAD, &n) == 0 ? n : 0;
}

static int tcp_state(int fd, int *waiting_out) {
  struct tcp_info info = {0};
  socklen_t length = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) return 0;
  *waiting_out = (int)info.tcpi_unacked;
  return info.tcpi_state;
}

static bool has_shut_writing(int fd) {
  int ignored;
  const int state = tcp_state(fd, &ignored);
  return state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSING ||
         state == TCP_LAST_ACK || state == TCP_TIME_WAIT;
}

/* 0: no socket. */
static int domain_of(int fd) {
  int domain = 0;
  socklen_t length = sizeof domain;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
  return domain;
}

bool sim_is_unix(int fd) { return domain_of(fd) == AF_UNIX; }

static int room_to_write(int fd) {
  int used = 0, room = 0;
  socklen_t length = sizeof room;
  if (ioctl(fd, SIOCOUTQ, &used) < 0) return 0;
  if (sim_is_unix(fd)) return used ? UNIX_ROOM / 2 : UNIX_ROOM;
  getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &length);
  return room - used;
}

static void end_of(struct sim_knote *kn, bool eof, int error) {
  kn->e.flags &= (unsigned short)~EV_EOF;
  kn->e.fflags = 0;
  if (!eof) return;
  kn->e.flags |= EV_EOF;
  kn->e.fflags = (unsigned)sim_code(error);
}

static bool readable(struct sim_knote *kn, int fd, short bits) {
  const bool eof = bits & (POLLRDHUP | POLLHUP | POLLERR);
  kn->e.data = bytes_to_read(fd);
  int waiting = 0;
  if (kn->kind == KIND_STREAM && tcp_state(fd, &waiting) == TCP_LISTEN) kn->e.data = waiting;
  const bool stream = kn->kind != KIND_DATAGRAM;
  end_of(kn, stream && eof, stream && (bits & POLLERR) ? peek_error(fd) : 0);
  if (stream && eof && kn->kind == KIND_STREAM && errors[fd % ERRORS])
    kn->e.fflags = (unsigned)sim_code(errors[fd % ERRORS]);
  /* Pipes do not know of it, nor do sockets that listen. */
  const bool lowat = kn->kind == KIND_STREAM || kn->kind == KIND_DATAGRAM;
  if (lowat && (kn->fflags & NOTE_LOWAT) && !waiting && !(kn->e.flags & EV_EOF))
    return (bits & POLLERR) || kn->e.data >= kn->data;
  return bits & (POLLIN | POLLRDHUP | POLLHUP | POLLERR);
}

static bool writable(struct sim_knote *kn, int fd, short bits) {
  const bool stream = kn->kind == KIND_STREAM;
  const bool eof = (bits & (POLLHUP | POLLERR)) || (stream && has_shut_writing(fd));
  if (kn->kind == KIND_PIPE) {
    kn->e.data = PIPE_ROOM;
    end_of(kn, bits & POLLERR, 0);
    if (bits & POLLERR) kn->e.flags |= EV_ONESHOT; /* the list of its knotes is cleared */
    return bits & (POLLOUT | POLLERR);
  }
  kn->e.data = stream && eof && sim_is_unix(fd) ? 0 : room_to_write(fd);
  end_of(kn, stream && eof, 0);
  if (stream && eof)
    kn->e.fflags = (unsigned)sim_code(bits & POLLERR ? peek_error(fd) : errors[fd % ERRORS]);
  return (bits & POLLOUT) || eof;
}

/* A file is looked at when it is added or reported, and otherwise says nothing. */
static bool vnode(struct sim_knote *kn, int fd) {
  struct stat s;
  if (fstat(fd, &s) < 0) return false;
  kn->e.data = kn->e.filter == EVFILT_READ ? s.st_size - lseek(fd, 0, SEEK_CUR) : 0;
  return kn->e.filter == EVFILT_WRITE || kn->e.data != 0;
}

bool sim_descriptor_event(struct sim_knote *kn) {
  const int fd = (int)kn->e.ident;
  if (kn->deadline) return false;
  if (kn->kind == KIND_VNODE) return vnode(kn, fd);
  if (kn->kind == KIND_QUEUE) {
    struct sim_kqueue *watched = sim_kqueue_find(fd);
    kn->e.data = watched ? sim_kqueue_count(watched) : 0;
    return kn->e.data > 0;
  }
  const short bits = look(fd);
  /* A connection that fails wakes readers first. */
  if (sim_option.freebsd_codes && kn->e.filter == EVFILT_WRITE && kn->kind == KIND_STREAM &&
      ((bits & POLLERR) || errors[fd % ERRORS]) && !kn->triggered) {
    kn->triggered = true;
    kn->deadline = sim_now() + NANOS;
    return false;
  }
  return kn->e.filter == EVFILT_READ ? readable(kn, fd, bits) : writable(kn, fd, bits);
}

/* Linux wakes writers at the peer's shutdown, and readers and writers of a failed connection at
 * once. The first is harmless, and lost but in the probes, which look closely. */
bool sim_descriptor_edge(struct sim_knote *kn) {
  const int fd = (int)kn->e.ident;
  if (kn->kind == KIND_QUEUE && sim_option.task_ns && !(kn->status & KN_ACTIVE)) {
    if (!kn->deadline) kn->deadline = sim_now() + sim_option.task_ns;
    return false;
  }
  if (!sim_option.freebsd_codes || kn->e.filter != EVFILT_WRITE || kn->kind != KIND_STREAM)
    return sim_descriptor_event(kn);
  const short bits = look(fd);
  if (sim_is_unix(fd)) return (bits & (POLLHUP | POLLERR)) && sim_descriptor_event(kn);
  return sim_descriptor_event(kn);
}

int sim_descriptor_attach(struct sim_knote *kn, int rd, int wr) {
  const int fd = (int)kn->e.ident;
  const bool reads = kn->e.filter == EVFILT_READ;
  kn->kind = sim_kind_of(fd);
  if (kn->kind == KIND_VNODE) return 0;
  const short bits = look(fd);
  if (kn->kind == KIND_PIPE && !reads && (bits & POLLERR))
    return sim_option.broken_pipe ? sim_option.broken_pipe : EPIPE;
  struct sim_kqueue *watched = sim_kqueue_find(fd);
  if (watched && (!reads || watched == kn->kq)) return EINVAL;
  struct epoll_event edge = {.events = (reads ? EPOLLIN | EPOLLRDHUP : EPOLLOUT) | EPOLLET,
                             .data.fd = fd};
  if (epoll_ctl(reads ? rd : wr, EPOLL_CTL_ADD, fd, &edge) < 0)
    return errno == EPERM ? EINVAL : errno;
  if (watched) {
    kn->kind = KIND_QUEUE;
    sim_kqueue_watch(watched, 1);
  }
  return 0;
}

void sim_descriptor_detach(struct sim_knote *kn, int rd, int wr) {
  if (kn->kind == KIND_VNODE) return;
  struct sim_kqueue *watched = kn->kind == KIND_QUEUE ? sim_kqueue_find((int)kn->e.ident) : NULL;
  if (watched) sim_kqueue_watch(watched, -1);
  epoll_ctl(kn->e.filter == EVFILT_READ ? rd : wr, EPOLL_CTL_DEL, (int)kn->e.ident, NULL);
}

/* With unread data Linux resets the connection, FreeBSD ends it in order. */
void sim_descriptor_closes(int fd) {
  char unread[4096];
  const int domain = domain_of(fd);
  if (domain && domain != AF_UNIX && sim_kind_of(fd) == KIND_STREAM)
    while (recv(fd, unread, sizeof unread, MSG_DONTWAIT) > 0) {
    }
  if (fd >= 0 && fd < ERRORS) errors[fd] = 0;
}

/* ---- calls of the C library on sockets ---------------------------------------------------- */

/* Whether it listens is looked at first, and nothing else then. */
int sim_accept4(int fd, struct sockaddr *from, socklen_t *length, int flags);
int sim_accept4(int fd, struct sockaddr *from, socklen_t *length, int flags) {
  const int accepted = accept4(fd, from, length, flags);
  if (accepted < 0 && errno == EOPNOTSUPP) errno = EINVAL;
  return accepted;
}

/* Those that give a socket's error away. */

int sim_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int sim_getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
  const int rc = getsockopt(fd, level, name, value, length);
  if (rc < 0 || level != SOL_SOCKET || name != SO_ERROR) return rc;
  const int code = take_error(fd);
  if (code && *(int *)value == 0) *(int *)value = code;
  if (*(int *)value == EPIPE) *(int *)value = ECONNRESET;
  return rc;
}

static bool fails(int fd) {
  const int code = take_error(fd);
  if (code) errno = code;
  return code;
}

static ssize_t received(ssize_t n) {
  if (n < 0 && errno == EPIPE) errno = ECONNRESET;
  return n;
}

ssize_t sim_recvfrom(int fd, void *buffer, size_t n, int flags, struct sockaddr *from,
                     socklen_t *length);
ssize_t sim_recvfrom(int fd, void *buffer, size_t n, int flags, struct sockaddr *from,
                     socklen_t *length) {
  return fails(fd) ? -1 : received(recvfrom(fd, buffer, n, flags, from, length));
}
ssize_t sim_recv(int fd, void *buffer, size_t n, int flags);
ssize_t sim_recv(int fd, void *buffer, size_t n, int flags) {
  return fails(fd) ? -1 : received(recv(fd, buffer, n, flags));
}
ssize_t sim_sendto(int fd, const void *buffer, size_t n, int flags, const struct sockaddr *to,
                   socklen_t length);
ssize_t sim_sendto(int fd, const void *buffer, size_t n, int flags, const struct sockaddr *to,
                   socklen_t length) {
  return fails(fd) ? -1 : sendto(fd, buffer, n, flags, to, length);
}
ssize_t sim_send(int fd, const void *buffer, size_t n, int flags);
ssize_t sim_send(int fd, const void *buffer, size_t n, int flags) {
  return fails(fd) ? -1 : send(fd, buffer, n, flags);
}

/* FreeBSD's: of regular files alone, n 0 is all of it, a socket that has no more room is an error,
 * and what was sent before it is said besides. SIGPIPE comes as from any other call. */
int sim_sendfile(int file, int fd, off_t place, size_t n, void *around, off_t *sent_out, int flags);
int sim_sendfile(int file, int fd, off_t place, size_t n, void *around, off_t *sent_out,
                 int flags) {
  char room[4096];
  struct stat kind;
  size_t sent = 0;
  ssize_t got = 1, moved = 1;
  if (fails(fd)) return -1;
  if (around || flags || place < 0 || fstat(file, &kind) < 0 || !S_ISREG(kind.st_mode)) {
    errno = EINVAL;
    return -1;
  }
  while (got > 0 && moved > 0 && (n == 0 || sent < n)) {
    const size_t left = n ? n - sent : sizeof room;
    got = pread(file, room, left < sizeof room ? left : sizeof room, place + (off_t)sent);
    moved = got > 0 ? send(fd, room, (size_t)got, MSG_DONTWAIT) : 0;
    if (moved > 0) sent += (size_t)moved;
  }
  *sent_out = (off_t)sent;
  return got < 0 || moved < 0 ? -1 : 0;
}
