/* SPDX-License-Identifier: MIT */
/* Simulated POSIX AIO, after what vfs_aio.c does: the order of its checks, which list a call looks
 * at, and when a knote dies decide what a caller sees.
 *
 * Jobs are run by daemons, threads of ours, in the order of submission or by chance; on sockets
 * they are tried now and then. They work on a duplicate of the descriptor, as the kernel has its
 * own reference to the file. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel.h"

enum { DAEMONS = 4, MLOCK = 0x20, SYNC = 0x8, DSYNC = 0x18, SECTOR = 512, POLL_NS = 2000000 };
enum { UNIX_ROOM = 65536, TCP_ROOM = 49032, TCP_PIECE = 4096, SMALL = 4096 };
enum state { QUEUED, RUNNING, FINISHED };

/* A file that jobs work on, as the kernel has its own reference to it: one duplicate serves all
 * that were submitted on a descriptor. */
struct sim_file {
  int number, fd, flags, users;
  dev_t device;
  ino_t inode;
  uint64_t description; /* what duplicates have in common */
  struct sim_file *next;
};

struct sim_lio {
  int jobs, finished; /* jobs: one more while they are being submitted */
  bool posted;
  struct sim_knote *kn;
};

struct sim_job {
  struct aiocb *user; /* names it; may be gone */
  struct aiocb cb;
  int code, fd;
  enum state state;
  enum kind kind;
  bool late, idle; /* idle: nothing to be seen of a disk */
  bool buffered;   /* takes one of the process's buffers while it runs */
  struct sim_file *file;
  int64_t result, ready_at, moved;
  struct sim_lio *lio;
  struct sim_knote *kn;
  uint64_t sequence;
  struct sim_job *next; /* all, by submission */
  struct sim_job *next_done;
};

static struct sim_job *jobs, **last_job = &jobs, *done;
static struct sim_file *files;
static int in_process, daemons;
static bool holding, in_use; /* in_use: the process has asked for AIO before */
static uint64_t sequence, wrong, lost, unfetched, repeating;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;

static int fail(int code) {
  if (code) errno = code;
  return code ? -1 : 0;
}

/* ---- knotes ------------------------------------------------------------------------------- */

bool sim_aio_event(const struct sim_knote *kn) {
  if (kn->e.filter == EVFILT_LIO) return kn->lio && kn->lio->posted;
  return kn->job && kn->job->state == FINISHED;
}

void sim_aio_attach(struct sim_knote *kn, const struct kevent *change) {
  if (kn->e.filter == EVFILT_LIO) {
    kn->lio = (struct sim_lio *)(intptr_t)change->data;
    kn->lio->kn = kn;
  } else {
    kn->job = (struct sim_job *)(intptr_t)change->data;
    kn->job->kn = kn;
  }
}

void sim_aio_detach(struct sim_knote *kn) {
  if (kn->job) kn->job->kn = NULL;
  if (kn->lio) kn->lio->kn = NULL;
}

static void tell(struct sim_knote *kn, int code) {
  if (!kn) return;
  if (kn->e.filter == EVFILT_AIO) {
    kn->e.flags |= EV_EOF;
    kn->e.data = sim_code(code);
  }
  sim_knote_activate(kn);
}

static void finish(struct sim_job *job, int64_t result) {
  job->state = FINISHED;
  job->result = result;
  struct sim_job **end = &done;
  while (*end) end = &(*end)->next_done;
  *end = job;
  job->next_done = NULL;
  if (!job->kn && job->cb.aio_sigevent.sigev_notify == SIGEV_KEVENT) lost++;
  tell(job->kn, result < 0 ? (int)-result : 0);
  if (job->lio && ++job->lio->finished == job->lio->jobs) {
    job->lio->posted = true;
    tell(job->lio->kn, 0);
  }
  pthread_cond_broadcast(&work); /* what waited for it */
}

static void release_lio(struct sim_lio *lio) {
  if (lio->kn) sim_knote_drop(lio->kn);
  free(lio);
}

/* Where Linux cannot tell duplicates from files that were opened twice, those wait too much. */
static uint64_t describe(const struct sim_file *fresh) {
  static uint64_t last;
  for (const struct sim_file *file = files; file; file = file->next)
    if (file->device == fresh->device && file->inode == fresh->inode && file->fd >= 0 &&
        fresh->fd >= 0 && sim_same_file(file->fd, fresh->fd))
      return file->description;
  return ++last;
}

static struct sim_file *hold_file(int number, int flags, const struct stat *s) {
  struct sim_file *file = files;
  for (; file; file = file->next)
    if (file->number == number && file->flags == flags && file->device == s->st_dev &&
        file->inode == s->st_ino)
      break;
  if (!file) {
    file = calloc(1, sizeof *file);
    *file = (struct sim_file){.number = number,
                              .fd = fcntl(number, F_DUPFD_CLOEXEC, 700),
                              .flags = flags,
                              .device = s->st_dev,
                              .inode = s->st_ino,
                              .next = files};
    file->description = describe(file);
    files = file;
  }
  file->users++;
  return file;
}

static void release_file(struct sim_file *file) {
  if (--file->users) return;
  struct sim_file **at = &files;
  while (*at != file) at = &(*at)->next;
  *at = file->next;
  if (file->fd >= 0) close(file->fd);
  free(file);
}

static void free_job(struct sim_job *job) {
  struct sim_job **at = &jobs;
  while (*at != job) at = &(*at)->next;
  *at = job->next;
  if (last_job == &job->next) last_job = at;
  for (at = &done; *at; at = &(*at)->next_done)
    if (*at == job) {
      *at = job->next_done;
      break;
    }
  in_process--;
  if (job->kn) {
    if (sim_option.fetch_first) {
      fprintf(stderr, "aio_return() has thrown an event away that nobody has fetched\n");
      abort();
    }
    unfetched++;
    sim_knote_drop(job->kn);
  }
  if (job->lio) {
    job->lio->finished--;
    if (--job->lio->jobs == 0) release_lio(job->lio);
  }
  release_file(job->file);
  free(job);
}

/* ---- running ------------------------------------------------------------------------------ */

static int64_t result_of(ssize_t n) { return n < 0 ? -errno : n; }

/* Half of what was asked for: an operation that was cancelled too late may end early. */
static size_t bytes_of(const struct sim_job *job) {
  return job->late && job->cb.aio_nbytes > 1 ? job->cb.aio_nbytes / 2 : job->cb.aio_nbytes;
}

/* Sockets are a trap: an AF_UNIX writer does not learn that its peer has gone, nor a reader that it
 * has shut down itself, and who is not connected waits for ever. -EAGAIN: later. */
static int64_t read_socket(struct sim_job *job, char *buffer) {
  const ssize_t n = recv(job->fd, buffer, job->cb.aio_nbytes, MSG_DONTWAIT);
  if (n < 0) return errno == EINVAL || errno == ENOTCONN ? -EAGAIN : -errno;
  struct pollfd end = {.fd = job->fd, .events = POLLIN};
  if (n == 0 && sim_is_unix(job->fd) && poll(&end, 1, 0) && !(end.revents & POLLHUP))
    return -EAGAIN;
  return n;
}

static int64_t write_socket(struct sim_job *job, const char *buffer) {
  const bool local = sim_is_unix(job->fd), waits = !(fcntl(job->fd, F_GETFL) & O_NONBLOCK);
  const size_t room = local ? UNIX_ROOM : waits ? TCP_PIECE : TCP_ROOM;
  for (size_t moved; (moved = (size_t)job->moved) < job->cb.aio_nbytes;) {
    int unread = 0;
    if (local && ioctl(job->fd, SIOCOUTQ, &unread) == 0 && unread) return -EAGAIN;
    const size_t left = job->cb.aio_nbytes - moved;
    const ssize_t n =
        send(job->fd, buffer + moved, left < room ? left : room, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && local && errno == EPIPE) return -EAGAIN;
    if (n < 0) return errno == ECONNRESET ? -EPIPE : -errno;
    job->moved += n;
    if (!waits) break;
  }
  return job->moved;
}

static int64_t run_socket(struct sim_job *job) {
  char *buffer = (char *)(uintptr_t)job->cb.aio_buf;
  const int64_t n = job->code == LIO_READ ? read_socket(job, buffer) : write_socket(job, buffer);
  return n == -EAGAIN && job->late ? job->moved : n;
}

static int64_t run(struct sim_job *job) {
  void *buffer = (void *)(uintptr_t)job->cb.aio_buf;
  const off_t offset = job->cb.aio_offset;
  if (job->kind == KIND_STREAM) return run_socket(job);
  switch (job->code) {
  case LIO_READ | LIO_FOFFSET: return result_of(read(job->fd, buffer, bytes_of(job)));
  case LIO_WRITE | LIO_FOFFSET: return result_of(write(job->fd, buffer, bytes_of(job)));
  case LIO_READ:
    if (job->kind == KIND_PIPE) return result_of(read(job->fd, buffer, bytes_of(job)));
    return result_of(pread(job->fd, buffer, bytes_of(job), offset));
  case LIO_WRITE:
    if (job->kind == KIND_PIPE) return result_of(write(job->fd, buffer, bytes_of(job)));
    return result_of(pwrite(job->fd, buffer, bytes_of(job), offset));
  case LIO_READV: return result_of(preadv(job->fd, buffer, (int)job->cb.aio_nbytes, offset));
  case LIO_WRITEV: return result_of(pwritev(job->fd, buffer, (int)job->cb.aio_nbytes, offset));
  case SYNC: return job->idle ? 0 : result_of(fsync(job->fd));
  case DSYNC: return job->idle ? 0 : result_of(fdatasync(job->fd));
  }
  return 0; /* mlock */
}

/* A sync waits for what was submitted before it on the same open file, by any of its descriptors,
 * but not for other syncs. */
static bool may_run(const struct sim_job *job, int64_t now) {
  if (job->state != QUEUED || job->ready_at > now) return false;
  if (!(job->code & SYNC)) return true;
  for (const struct sim_job *other = jobs; other != job; other = other->next)
    if (other->file->description == job->file->description && !(other->code & SYNC) &&
        other->state != FINISHED)
      return false;
  return true;
}

static struct sim_job *choose(void) {
  struct sim_job *chosen = NULL;
  uint32_t seen = 0;
  const int64_t now = sim_now();
  if (holding) return NULL;
  for (struct sim_job *job = jobs; job; job = job->next) {
    if (!may_run(job, now)) continue;
    if (!chosen || (sim_option.seed && sim_random(++seen) == 0)) chosen = job;
    if (!sim_option.seed) break;
  }
  return chosen;
}

/* Lock held; given back meanwhile. */
static void perform(struct sim_job *job) {
  const int injected = sim_injected(SIM_JOB);
  job->state = RUNNING;
  int64_t result = -injected;
  if (!injected) {
    sim_unlock();
    result = run(job);
    sim_lock();
  }
  if (job->kind == KIND_STREAM && result == -EAGAIN) { /* again later */
    job->state = QUEUED;
    job->ready_at = sim_now() + POLL_NS;
    return;
  }
  finish(job, result);
}

static bool has_queued(void) {
  for (const struct sim_job *job = jobs; job; job = job->next)
    if (job->state == QUEUED) return true;
  return false;
}

static void *serve(void *ignored) {
  (void)ignored;
  for (;;) {
    sim_lock();
    struct sim_job *job = sim_option.manual ? NULL : choose();
    if (job) perform(job);
    const bool more = has_queued();
    if (!job) sim_wait(&work, more ? 500000 : 50000000);
    sim_unlock();
  }
  return NULL;
}

static void start_daemons(void) {
  if (sim_option.manual) return;
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  for (; daemons < DAEMONS; daemons++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, NULL)) break;
    pthread_detach(thread);
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

bool sim_run_one(void);
bool sim_run_one(void) {
  struct sim_job *job = choose();
  if (job) perform(job);
  return job;
}

bool sim_step(void) {
  sim_lock();
  const bool ran = sim_run_one();
  sim_unlock();
  return ran;
}

void sim_hold(bool hold) {
  sim_lock();
  holding = hold;
  sim_unlock();
  pthread_cond_broadcast(&work);
}

/* ---- submitting --------------------------------------------------------------------------- */

/* What a job's descriptor is. Each is asked for once. */
struct seen {
  int flags;
  struct stat s;
};

/* Shared memory, which here is memfd_create()'s, has a device of its own. */
static bool is_memory(const struct stat *s) {
  static dev_t device;
  if (!device) {
    const int fd = memfd_create("which device", MFD_CLOEXEC);
    struct stat memory;
    if (fstat(fd, &memory) == 0) device = memory.st_dev;
    close(fd);
  }
  return s->st_dev == device;
}

static int check_file(const struct sim_job *job, int opcode, struct seen *seen) {
  if (opcode == MLOCK) return 0;
  const int flags = seen->flags = fcntl(job->cb.aio_fildes, F_GETFL);
  if (flags < 0 || fstat(job->cb.aio_fildes, &seen->s) < 0) return EBADF;
  const bool reads = (opcode & ~LIO_FOFFSET) == LIO_READ || opcode == LIO_READV;
  const int mode = flags & O_ACCMODE;
  if (opcode < SYNC && mode == (reads ? O_WRONLY : O_RDONLY)) return EBADF;
  const mode_t kind = seen->s.st_mode;
  const bool file = S_ISREG(kind) || S_ISDIR(kind) || S_ISBLK(kind);
  if ((opcode & SYNC) && !file) return EINVAL;
  if (job->cb.aio_offset < 0 && !(opcode & SYNC)) return EINVAL;
  return 0;
}

static bool is_disk(const struct stat *s) {
  return S_ISBLK(s->st_mode) || (sim_option.disks && S_ISREG(s->st_mode));
}

/* The disk itself is asked, without a daemon. What it cannot do so is not served at all. */
static int check_disk(struct sim_job *job) {
  const bool whole = job->code == LIO_READV || job->code == LIO_WRITEV ||
                     (!(job->code & SYNC) && job->cb.aio_nbytes % SECTOR == 0);
  if (!whole) return sim_option.unsafe ? 0 : EOPNOTSUPP;
  int buffers = 0;
  for (const struct sim_job *other = jobs; other; other = other->next)
    buffers += other->buffered && other->state != FINISHED;
  if (buffers >= sim_option.buffers_per_process) return EAGAIN;
  job->buffered = true;
  return 0;
}

/* After the knote was made, as the kernel does. */
static int check_kind(struct sim_job *job, const struct stat *s) {
  if (job->code == MLOCK) return 0;
  if (sim_option.disks && is_disk(s)) return check_disk(job);
  if (S_ISSOCK(s->st_mode)) {
    int listens = 0;
    socklen_t length = sizeof listens;
    getsockopt(job->cb.aio_fildes, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length);
    return listens ? EINVAL : 0;
  }
  if (sim_option.unsafe || S_ISBLK(s->st_mode) || S_ISDIR(s->st_mode)) return 0;
  const bool served = S_ISREG(s->st_mode) && !sim_option.refuse_files;
  return served && !is_memory(s) ? 0 : EOPNOTSUPP;
}

static int notify(struct sim_job *job) {
  const struct sigevent *event = &job->cb.aio_sigevent;
  const unsigned flags = event->sigev_notify_kevent_flags;
  if (event->sigev_notify != SIGEV_KEVENT) return 0;
  if (flags & ~(unsigned)(EV_CLEAR | EV_DISPATCH | EV_ONESHOT)) return EINVAL;
  struct sim_kqueue *kq = sim_kqueue_find(event->sigev_notify_kqueue);
  if (!kq) return fcntl(event->sigev_notify_kqueue, F_GETFD) < 0 ? EBADF : EINVAL;
  const struct kevent change = {.ident = (uintptr_t)job->user,
                                .filter = EVFILT_AIO,
                                .flags = (unsigned short)(EV_ADD | EV_ENABLE | flags),
                                .data = (intptr_t)job,
                                .udata = event->sigev_value.sival_ptr};
  if (!flags) repeating++;
  int code;
  struct sim_knote *kn = sim_knote_add(kq, &change, &code);
  if (kn && kn->job != job && (kn->status & KN_ACTIVE)) kn->e.flags |= EV_EOF;
  return code;
}

static void set_private(struct aiocb *user, long status, long error) {
  user->_aiocb_private.status = status;
  user->_aiocb_private.error = error;
}

static int discard(struct sim_job *job, struct aiocb *user, int code) {
  if (job->kn) sim_knote_drop(job->kn);
  free(job);
  if (code) user->_aiocb_private.error = sim_code(code);
  return code;
}

static void count_job(int code) {
  switch (code) {
  case LIO_READ: sim_injected(SIM_READ); break;
  case LIO_WRITE: sim_injected(SIM_WRITE); break;
  case LIO_READV: sim_injected(SIM_READV); break;
  case LIO_WRITEV: sim_injected(SIM_WRITEV); break;
  case SYNC: sim_injected(SIM_SYNC); break;
  case DSYNC: sim_injected(SIM_DSYNC); break;
  }
}

static void enter(struct sim_job *job, const struct seen *seen) {
  const int fd = job->cb.aio_fildes;
  job->sequence = ++sequence;
  job->kind = S_ISREG(seen->s.st_mode) ? KIND_VNODE : sim_kind_of(fd);
  job->idle = sim_option.manual;
  job->file = hold_file(fd, seen->flags, &seen->s);
  job->fd = job->file->fd >= 0 ? job->file->fd : fd;
  job->ready_at = sim_option.delay_ns ? sim_now() + sim_option.delay_ns : 0;
  *last_job = job;
  last_job = &job->next;
  in_process++;
  count_job(job->code);
  if (job->lio) job->lio->jobs++;
  const int small = SMALL; /* what does not fit is to wait here, not in the receiver's buffer */
  if (job->kind == KIND_STREAM && job->code == LIO_WRITE && !sim_is_unix(job->fd) &&
      !(fcntl(job->fd, F_GETFL) & O_NONBLOCK))
    setsockopt(job->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  start_daemons();
  pthread_cond_signal(&work);
  const bool before = (int)sim_random(100) < sim_option.before_percent;
  if (before && !holding && job->kind == KIND_VNODE && may_run(job, INT64_MAX)) perform(job);
}

static int aqueue(struct aiocb *user, struct sim_lio *lio, int opcode) {
  set_private(user, -1, 0);
  in_use = true;
  const int used = in_process + sim_option.outsiders;
  if (used >= sim_option.queue_per_process ||
      used + sim_option.strangers >= sim_option.queue_of_system) {
    user->_aiocb_private.error = sim_code(EAGAIN);
    return EAGAIN;
  }
  struct sim_job *job = calloc(1, sizeof *job);
  job->user = user;
  job->cb = *user;
  job->code = opcode;
  job->lio = lio;
  struct seen seen = {.flags = -1};
  int code = sim_injected(lio ? SIM_LIO_ENTRY : SIM_AIO_SUBMIT);
  const int kind = job->cb.aio_sigevent.sigev_notify;
  if (!code && (kind < SIGEV_NONE || kind > SIGEV_THREAD_ID || kind == SIGEV_THREAD)) code = EINVAL;
  if (!code && lio && (opcode & SYNC)) code = EINVAL;
  if (!code && opcode != LIO_NOP) code = check_file(job, opcode, &seen);
  if (!code && opcode == LIO_NOP) return discard(job, user, 0);
  if (!code) code = notify(job);
  if (!code) code = check_kind(job, &seen.s);
  if (code) return discard(job, user, code);
  enter(job, &seen);
  return 0;
}

static int submit(struct aiocb *user, int opcode) {
  sim_lock();
  const int code = aqueue(user, NULL, opcode);
  sim_unlock();
  return fail(code);
}

int aio_read(struct aiocb *cb) { return submit(cb, LIO_READ); }
int aio_write(struct aiocb *cb) { return submit(cb, LIO_WRITE); }
int aio_readv(struct aiocb *cb) { return submit(cb, LIO_READV); }
int aio_writev(struct aiocb *cb) { return submit(cb, LIO_WRITEV); }
int aio_mlock(struct aiocb *cb) { return submit(cb, MLOCK); }
int aio_fsync(int op, struct aiocb *cb) {
  if (op != O_SYNC && op != O_DSYNC) return fail(EINVAL);
  return submit(cb, op == O_SYNC ? SYNC : DSYNC);
}

static int register_list(struct sim_lio *lio, struct aiocb *const list[], struct sigevent *event) {
  if (!event || event->sigev_notify != SIGEV_KEVENT) return 0;
  struct sim_kqueue *kq = sim_kqueue_find(event->sigev_notify_kqueue);
  if (!kq) return EBADF;
  const struct kevent change = {.ident = (uintptr_t)list,
                                .filter = EVFILT_LIO,
                                .flags = EV_ADD | EV_ENABLE,
                                .data = (intptr_t)lio,
                                .udata = event->sigev_value.sival_ptr};
  int code;
  sim_knote_add(kq, &change, &code);
  return code;
}

static int listio(int mode, struct aiocb *const list[], int n, struct sigevent *event) {
  if (mode != LIO_NOWAIT && mode != LIO_WAIT) return EINVAL;
  if (n < 0 || n > sim_option.queue_per_process || n > sim_option.listio_max) return EINVAL;
  struct sim_lio *lio = calloc(1, sizeof *lio);
  lio->jobs = 1;
  int code = sim_injected(SIM_LIO_LISTIO);
  if (!code) code = register_list(lio, list, event);
  if (code) {
    release_lio(lio);
    return code;
  }
  bool refused = false, full = false;
  for (int i = 0; i < n; i++) {
    if (!list[i]) continue;
    code = aqueue(list[i], lio, list[i]->aio_lio_opcode);
    full |= code == EAGAIN;
    refused |= code && code != EAGAIN;
  }
  if (--lio->jobs == 0) {
    release_lio(lio);
  } else if (lio->jobs == lio->finished) {
    lio->posted = true;
    tell(lio->kn, 0);
  }
  return refused ? EIO : full ? EAGAIN : 0; /* LIO_WAIT is not simulated */
}

int lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *event) {
  sim_lock();
  const int code = listio(mode, list, n, event);
  sim_unlock();
  return fail(code);
}

/* ---- finding out -------------------------------------------------------------------------- */

int aio_error(const struct aiocb *user) {
  sim_lock();
  struct sim_job *job = jobs;
  while (job && job->user != user) job = job->next;
  int code;
  if (job && job->state != FINISHED)
    code = sim_code(EINPROGRESS);
  else if (job)
    code = job->result < 0 ? sim_code((int)-job->result) : 0;
  else if (!in_use)
    code = EINVAL;
  else /* what a submission that failed left in the structure */
    code = user->_aiocb_private.status == -1 ? (int)user->_aiocb_private.error : EINVAL;
  sim_unlock();
  return code;
}

static int64_t take(struct sim_job *job) {
  const int64_t result = job->result;
  set_private(job->user, result < 0 ? -1 : result, result < 0 ? sim_code((int)-result) : 0);
  free_job(job);
  return result;
}

ssize_t aio_return(struct aiocb *user) {
  sim_lock();
  struct sim_job *job = done;
  while (job && job->user != user) job = job->next_done;
  for (struct sim_job *early = job ? NULL : jobs; early; early = early->next)
    wrong += early->user == user;
  const int64_t result = job ? take(job) : -EINVAL;
  sim_unlock();
  return result < 0 ? fail((int)-result) : result;
}

ssize_t aio_waitcomplete(struct aiocb **user_out, struct timespec *timeout) {
  const int64_t end = sim_now() + timeout->tv_sec * 1000000000 + timeout->tv_nsec;
  for (;;) {
    sim_lock();
    struct sim_job *job = done;
    if (job) *user_out = job->user;
    const int64_t result = job ? take(job) : -EAGAIN;
    sim_unlock();
    if (result >= 0) return result;
    if (job || sim_now() >= end) return fail((int)-result);
    usleep(500);
  }
}

/* Disks are said not to be cancelled, whether there is something or not. */
int aio_cancel(int fd, struct aiocb *user) {
  struct stat s;
  bool cancelled = false;
  sim_lock();
  if (fstat(fd, &s) < 0) {
    sim_unlock();
    return fail(EBADF);
  }
  const bool disk = in_use && is_disk(&s);
  bool late = disk;
  const int injected = sim_injected(SIM_AIO_CANCEL);
  for (struct sim_job *job = jobs; job && !injected && !disk; job = job->next) {
    if (job->cb.aio_fildes != fd || (user && job->user != user)) continue;
    if (job->state == FINISHED) continue;
    const bool too_late = job->kind == KIND_STREAM && job->moved > 0;
    if (job->state == RUNNING || too_late || (int)sim_random(100) < sim_option.late_percent) {
      if (job->state == QUEUED) job->late = true; /* one that runs is its own */
      late = true;
    } else {
      finish(job, -ECANCELED);
      cancelled = true;
    }
  }
  sim_unlock();
  if (injected) return fail(injected);
  if (cancelled && (user || !late)) return AIO_CANCELED;
  return late ? AIO_NOTCANCELED : AIO_ALLDONE;
}

/* ---- the rest ----------------------------------------------------------------------------- */

/* The child has no jobs, and no daemons yet. */
void sim_aio_forked(void) {
  while (jobs) {
    struct sim_job *job = jobs;
    jobs = job->next;
    release_file(job->file);
    free(job);
  }
  last_job = &jobs;
  done = NULL;
  in_process = daemons = 0;
  in_use = false;
  work = (pthread_cond_t)PTHREAD_COND_INITIALIZER; /* it counts the parent's threads */
}

void sim_clear_counts(void);
void sim_clear_counts(void) {
  wrong = lost = unfetched = repeating = 0;
  holding = false;
}

static uint64_t read_count(const uint64_t *count) {
  sim_lock();
  const uint64_t n = *count;
  sim_unlock();
  return n;
}
uint64_t sim_wrong(void) { return read_count(&wrong); }
uint64_t sim_lost(void) { return read_count(&lost); }
uint64_t sim_repeating(void) { return read_count(&repeating); }
uint64_t sim_unfetched(void) { return read_count(&unfetched); }

int sim_jobs(void) {
  sim_lock();
  const int n = in_process;
  sim_unlock();
  return n;
}

int sim_unfinished(void) {
  int n = 0;
  sim_lock();
  for (const struct sim_job *job = jobs; job; job = job->next) n += job->state != FINISHED;
  sim_unlock();
  return n;
}
