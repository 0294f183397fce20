/* SPDX-License-Identifier: MIT */
/* Linux: file completions by io_uring.
 *
 * An operation: its id goes to the kernel as user_data with one submission entry; the kernel
 * reads and writes the caller's buffer until it has queued the completion entry that carries the
 * id back. Nothing of ours is touched by the kernel but the two rings, which live until close. They
 * are small, since locked memory is scarce (RLIMIT_MEMLOCK counts them, since 6.14 and
 * before 5.12). The kernel never has more than the completion ring holds: for the rest it would
 * need memory, and without it a completion is lost. What is beyond is the pool's. Each entry is
 * completed once, so that the two indices tell how many completions are to come.
 *
 * Each completion rings the poller's bell, and threads sleep on the epoll set: it holds the ring
 * itself, by edges. Not an eventfd: that one stays silent when a completion finds the ring full
 * (Linux 6.1 on; seen on 6.18: with that, and all after it, nobody was woken any more).
 *
 * The handle's number is looked up in the call that submits, but for what is done by the kernel's
 * threads from the start, syncs above all: they look it up when they get to it (seen on 6.18: 6,116
 * of 6,400 syncs met EBADF after close()). Those keep a use of the target to their end. Nothing is
 * sent with IOSQE_ASYNC, which makes that true of reads and writes.
 *
 * What the kernel gives up unasked is done once more: a cold read whose submitting thread has ended
 * comes back with EFAULT, what was handed to its threads with ECANCELED or EINTR, what cannot be
 * had without waiting, on a descriptor with O_NONBLOCK, with EAGAIN.
 *
 * No ring is made with IORING_SETUP_DEFER_TASKRUN: when the one thread that may enter it has ended
 * nobody can learn any more whether the kernel has let go of the buffers. */
#include "backend/epoll/uring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/status.h"
#include "core/target.h"
#include "os/posix/posix.h"
#include "backend/epoll/uring_abi.h"

enum { SUBMISSIONS = 64, COMPLETIONS = 1024, FEW_SUBMISSIONS = 8, FEW_COMPLETIONS = 16 };
enum { MOST_ENTERS = 16, WORKERS = 64 };

/* user_data of what is not an operation; ids of operations are larger. */
enum { REQUEST = 2 };

struct uring_ring {
  int fd;
  bool cancels_all; /* one request ends everything; Linux 5.19 */

  /* The submission queue, and the call that hands it over, which another submission would wait for
   * in the kernel anyway. Taken alone. */
  struct evp_mutex lock;
  _Atomic uint32_t *sq_head, *sq_tail;
  uint32_t sq_mask, sq_entries, tail;
  uint32_t most_ops, most; /* completions to come; requests to end operations have the rest */
  struct uring_sqe *sqes;

  _Atomic uint32_t *cq_head, *cq_tail; /* the head is moved under p->io.lock */
  uint32_t cq_mask;
  struct uring_cqe *cqes;

  void *rings;
  size_t rings_size, sqes_size;
};

static struct uring_ring *ring_of(evpoll *p) { return p->io.engine_state; }

/* ---- the system calls --------------------------------------------------------------------- */

static int setup(uint32_t entries, struct uring_params *params) {
  const long fd = syscall(URING_SYS_SETUP, entries, params);
  return fd < 0 ? -errno : (int)fd;
}

static int uring_enter(struct uring_ring *r, uint32_t submit) {
  const long n = syscall(URING_SYS_ENTER, r->fd, submit, 0u, 0u, NULL, (size_t)0);
  return n < 0 ? -errno : (int)n;
}

/* ---- completion --------------------------------------------------------------------------- */

static bool has_cqes(struct uring_ring *r) {
  return atomic_load_explicit(r->cq_head, memory_order_relaxed) !=
         atomic_load_explicit(r->cq_tail, memory_order_acquire);
}

static bool uring_has_completions(evpoll *p) { return has_cqes(ring_of(p)); }

/* The last: a file system that cannot write and sync in one call. */
static bool was_given_up(const struct evp_op *op, int32_t res) {
  return res == -EFAULT || res == -ECANCELED || res == -EINTR || res == -EAGAIN ||
         (res == -EOPNOTSUPP && (op->flags & EVPOLL_OPF_DURABLE));
}

/* The operation that is over by this; NULL: none is. */
static struct evp_op *op_of(evpoll *p, const struct uring_cqe *cqe) {
  struct evp_op *op = cqe->user_data > REQUEST ? evp_io_find(p, cqe->user_data) : NULL;
  if (!op) return NULL;
  op->result = cqe->res;
  if (!was_given_up(op, cqe->res)) return op;
  if (!atomic_load_explicit(&op->cancel_asked, memory_order_relaxed))
    return evp_io_redo(p, op) ? NULL : op;
  op->result = -ECANCELED;
  return op;
}

/* p->io.lock held. The next operation that is over, taken out of the ring; NULL: there is none. */
static struct evp_op *next_over(evpoll *p) {
  struct uring_ring *r = ring_of(p);
  struct evp_op *op = NULL;
  while (!op && has_cqes(r)) {
    /* What a submitter wrote before it handed over came here through the kernel. This says so to
     * who sees only us: the compiler, ThreadSanitizer. */
    (void)atomic_load_explicit(r->sq_tail, memory_order_acquire);
    const uint32_t head = atomic_load_explicit(r->cq_head, memory_order_relaxed);
    const struct uring_cqe cqe = r->cqes[head & r->cq_mask];
    atomic_store_explicit(r->cq_head, head + 1, memory_order_release);
    op = op_of(p, &cqe);
  }
  return op;
}

static int32_t uring_collect(evpoll *p, evpoll_event *out, int32_t capacity) {
  int32_t n = 0;
  for (struct evp_op *op; n < capacity && (op = next_over(p));)
    n += evp_io_complete(p, op, &out[n]);
  return n;
}

/* ---- submission --------------------------------------------------------------------------- */

static uint32_t unsubmitted(struct uring_ring *r) {
  return r->tail - atomic_load_explicit(r->sq_head, memory_order_acquire);
}

/* Lock held. How many more the kernel may be given. */
static uint32_t room_for(struct uring_ring *r, uint32_t most) {
  const uint32_t to_come = r->tail - atomic_load_explicit(r->cq_head, memory_order_acquire);
  return to_come < most ? most - to_come : 0;
}

/* Lock held; there is room. Entry i of the queue is always sqes[i]: see map_ring(). */
static struct uring_sqe *next_sqe(struct uring_ring *r) {
  struct uring_sqe *sqe = &r->sqes[r->tail++ & r->sq_mask];
  memset(sqe, 0, sizeof *sqe);
  return sqe;
}

/* Lock held. Hands the queue to the kernel; what it does not take, for want of memory say, is
 * taken back. Returns 0 or the code. */
static int flush(struct uring_ring *r) {
  atomic_store_explicit(r->sq_tail, r->tail, memory_order_release);
  int tries = 0;
  for (uint32_t n; (n = unsubmitted(r)) > 0;) {
    const int rc = uring_enter(r, n);
    if (rc > 0) continue;
    if (rc == -EINTR && ++tries < MOST_ENTERS) continue;
    r->tail = atomic_load_explicit(r->sq_head, memory_order_acquire);
    atomic_store_explicit(r->sq_tail, r->tail, memory_order_release);
    return rc ? -rc : EAGAIN;
  }
  return 0;
}

static void describe_op(struct uring_sqe *sqe, const struct evp_op *op) {
  static const uint8_t opcodes[] = {
      [EVPOLL_OP_READ] = URING_OP_READ,   [EVPOLL_OP_WRITE] = URING_OP_WRITE,
      [EVPOLL_OP_READV] = URING_OP_READV, [EVPOLL_OP_WRITEV] = URING_OP_WRITEV,
      [EVPOLL_OP_FSYNC] = URING_OP_FSYNC, [EVPOLL_OP_FDATASYNC] = URING_OP_FSYNC,
  };
  const uint64_t limit = evp_file_length_limit();
  sqe->opcode = opcodes[op->code];
  sqe->fd = (int32_t)op->handle;
  sqe->off = (uint64_t)op->offset;
  sqe->addr = (uint64_t)(uintptr_t)op->buffer;
  sqe->len = (uint32_t)(op->length < limit ? op->length : limit);
  if (op->code == EVPOLL_OP_FDATASYNC) sqe->op_flags = URING_FSYNC_DATASYNC;
  if (op->flags & EVPOLL_OPF_DURABLE) sqe->op_flags = URING_RW_DSYNC;
  sqe->user_data = op->id;
}

/* Lock held. One call: as many operations of the chain, from *at on, as the queue takes; they leave
 * the chain, and what the kernel did not take is put back. Operations that were asked to end before
 * the kernel has them go to *ended: who asks marks them first, and takes this lock afterwards. */
static int submit_some(struct uring_ring *r, struct evp_op ***at, struct evp_op **ended) {
  struct evp_op *given[SUBMISSIONS]; /* not touched once the kernel has them */
  const uint32_t first = r->tail, room = room_for(r, r->most_ops);
  uint32_t k = 0;
  for (struct evp_op *op; k < room && k < r->sq_entries && (op = **at);) {
    if (op->in_pool) {
      *at = &op->next;
      continue;
    }
    **at = op->next;
    if (atomic_load_explicit(&op->cancel_asked, memory_order_relaxed)) {
      op->next = *ended;
      *ended = op;
      continue;
    }
    describe_op(next_sqe(r), op);
    given[k++] = op;
  }
  if (k == 0) return room ? 0 : EAGAIN;
  const int os_code = flush(r);
  for (const uint32_t taken = r->tail - first; k > taken; k--) {
    given[k - 1]->next = **at;
    **at = given[k - 1];
  }
  return os_code;
}

/* Lock held, but not meanwhile. What is over leaves the ring for the list of what is finished. */
static void take_out(evpoll *p, struct uring_ring *r) {
  evp_mutex_unlock(&r->lock);
  evp_io_lock(p);
  for (struct evp_op *op; (op = next_over(p));) evp_io_done_locked(p, op);
  evp_io_unlock(p);
  evp_mutex_lock(&r->lock);
}

static void uring_submit(evpoll *p, struct evp_op **chain, int *os_code_out) {
  struct uring_ring *r = ring_of(p);
  struct evp_op **at = chain, *ended = NULL;
  evp_mutex_lock(&r->lock);
  while (*at && !*os_code_out) {
    if (!room_for(r, r->most_ops) && has_cqes(r)) take_out(p, r);
    *os_code_out = submit_some(r, &at, &ended);
  }
  evp_mutex_unlock(&r->lock);
  for (struct evp_op *next; ended; ended = next) {
    next = ended->next;
    ended->result = -ECANCELED;
    evp_io_done(p, ended);
  }
}

/* Lock held, but not always meanwhile. Requests are completed by the call that hands them over. If
 * one cannot be made the operation ends by itself, or is asked again. */
static void request_cancel(evpoll *p, struct uring_ring *r, uint64_t user_data, uint32_t flags) {
  if (unsubmitted(r) == r->sq_entries) flush(r);
  while (!room_for(r, r->most)) {
    flush(r);
    take_out(p, r);
  }
  struct uring_sqe *sqe = next_sqe(r);
  sqe->opcode = URING_OP_ASYNC_CANCEL;
  sqe->fd = -1;
  sqe->addr = user_data;
  sqe->op_flags = flags;
  sqe->user_data = REQUEST;
}

static void uring_cancel_ids(evpoll *p, const uint64_t *ids, uint32_t n) {
  struct uring_ring *r = ring_of(p);
  evp_mutex_lock(&r->lock);
  for (uint32_t i = 0; i < n; i++) request_cancel(p, r, ids[i], 0);
  flush(r);
  evp_mutex_unlock(&r->lock);
}

static bool uring_cancel_all(evpoll *p) {
  struct uring_ring *r = ring_of(p);
  if (!r->cancels_all) return false;
  evp_mutex_lock(&r->lock);
  request_cancel(p, r, 0, URING_CANCEL_ALL | URING_CANCEL_ANY);
  flush(r);
  evp_mutex_unlock(&r->lock);
  return true;
}

/* ---- open and close ----------------------------------------------------------------------- */

static void *map(int fd, size_t size, int64_t offset) {
  return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);
}

/* Makes the kernel's half. SUBMIT_ALL: one bad entry does not stop the batch; Linux 5.18. */
static int setup_sized(uint32_t submissions, uint32_t completions, struct uring_params *params) {
  const uint32_t base = URING_SETUP_CQSIZE | URING_SETUP_CLAMP;
  *params =
      (struct uring_params){.flags = base | URING_SETUP_SUBMIT_ALL, .cq_entries = completions};
  const int fd = setup(submissions, params);
  if (fd != -EINVAL) return fd;
  *params = (struct uring_params){.flags = base, .cq_entries = completions};
  return setup(submissions, params);
}

static int setup_best(struct uring_params *params) {
  const int fd = setup_sized(SUBMISSIONS, COMPLETIONS, params);
  return fd == -ENOMEM ? setup_sized(FEW_SUBMISSIONS, FEW_COMPLETIONS, params) : fd;
}

/* The kernel's threads for what has to wait are four for each processor, and files that hang might
 * take them all. Where it cannot be said they stay as few; Linux 5.15. */
static void allow_workers(int fd) {
  const uint32_t most[] = {WORKERS, 0}; /* for files; 0: for others, as they are */
  if (sysconf(_SC_NPROCESSORS_ONLN) * 4 < WORKERS)
    (void)syscall(URING_SYS_REGISTER, fd, URING_REGISTER_IOWQ_MAX_WORKERS, most, 2u);
}

static const char *missing_feature(const struct uring_params *params) {
  if (!(params->features & URING_FEAT_SINGLE_MMAP)) return "needs Linux 5.4";
  if (!(params->features & URING_FEAT_SUBMIT_STABLE)) return "needs Linux 5.5";
  if (!(params->features & URING_FEAT_EXT_ARG)) return "needs Linux 5.11"; /* for its fixes */
  return NULL;
}

static int map_ring(struct uring_ring *r, const struct uring_params *params) {
  const size_t sq_size = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
  const size_t cq_size = params->cq_off.cqes + params->cq_entries * sizeof(struct uring_cqe);
  r->rings_size = sq_size > cq_size ? sq_size : cq_size;
  r->sqes_size = params->sq_entries * sizeof(struct uring_sqe);
  r->rings = map(r->fd, r->rings_size, URING_OFF_SQ_RING);
  if (r->rings == MAP_FAILED) return errno;
  r->sqes = map(r->fd, r->sqes_size, URING_OFF_SQES);
  if (r->sqes == MAP_FAILED) {
    const int os_code = errno;
    munmap(r->rings, r->rings_size);
    return os_code;
  }
  /* A child has no business with them. */
  madvise(r->rings, r->rings_size, MADV_DONTFORK);
  madvise(r->sqes, r->sqes_size, MADV_DONTFORK);
  char *base = r->rings;
  r->sq_head = (_Atomic uint32_t *)(void *)(base + params->sq_off.head);
  r->sq_tail = (_Atomic uint32_t *)(void *)(base + params->sq_off.tail);
  r->sq_mask = params->sq_entries - 1;
  r->sq_entries = params->sq_entries;
  r->cq_head = (_Atomic uint32_t *)(void *)(base + params->cq_off.head);
  r->cq_tail = (_Atomic uint32_t *)(void *)(base + params->cq_off.tail);
  r->cq_mask = params->cq_entries - 1;
  r->most = params->cq_entries;
  r->most_ops = params->cq_entries - params->sq_entries;
  r->cqes = (struct uring_cqe *)(void *)(base + params->cq_off.cqes);
  uint32_t *array = (uint32_t *)(void *)(base + params->sq_off.array);
  for (uint32_t i = 0; i < params->sq_entries; i++) array[i] = i;
  return 0;
}

/* A filter may let the set-up pass and refuse the rest. */
static int try_calls(evpoll *p, struct uring_ring *r) {
  const int rc = uring_enter(r, 0);
  if (rc < 0) return -rc;
  return evp_epoll_hear(p, r->fd);
}

/* LIMIT and NO_MEMORY may pass; everything else means that there is no io_uring for us. */
static int32_t refuse(char *why, size_t capacity, int os_code) {
  snprintf(why, capacity, "io_uring: refused, %s", strerror(os_code));
  const int32_t status = evp_status_of(os_code);
  const bool passing = status == EVPOLL_ERR_LIMIT || status == EVPOLL_ERR_NO_MEMORY;
  return evp_fail_as(passing ? status : EVPOLL_ERR_UNSUPPORTED, os_code);
}

static void free_ring(struct uring_ring *r) {
  munmap(r->sqes, r->sqes_size);
  munmap(r->rings, r->rings_size);
  close(r->fd);
  evp_mutex_destroy(&r->lock);
  free(r);
}

static int32_t open_ring(evpoll *p, char *why, size_t capacity) {
  struct uring_ring *r = calloc(1, sizeof *r);
  if (!r) return refuse(why, capacity, ENOMEM);
  struct uring_params params;
  r->fd = evp_above_standard(setup_best(&params));
  if (r->fd < 0) {
    const int os_code = r->fd == -1 ? errno : -r->fd;
    free(r);
    return refuse(why, capacity, os_code);
  }
  const char *missing = missing_feature(&params);
  int os_code = missing ? ENOSYS : map_ring(r, &params);
  if (os_code) {
    close(r->fd);
    free(r);
    const int32_t status = refuse(why, capacity, os_code);
    if (missing) snprintf(why, capacity, "io_uring: the kernel is too old, %s", missing);
    return status;
  }
  evp_mutex_init(&r->lock);
  r->cancels_all = params.features & URING_FEAT_LINKED_FILE;
  allow_workers(r->fd);
  os_code = try_calls(p, r);
  if (os_code) {
    free_ring(r);
    return refuse(why, capacity, os_code);
  }
  snprintf(why, capacity, "io_uring");
  p->io.engine_state = r;
  return 0;
}

/* The child of a fork has the number alone. */
static void close_ring(evpoll *p) {
  struct uring_ring *r = ring_of(p);
  if (!evp_forked(p)) {
    free_ring(r);
    return;
  }
  close(r->fd);
  free(r);
}

static int32_t uring_look(evpoll *p, struct evp_target *t) {
  (void)p;
  const int32_t status = evp_file_look(t->handle, &t->file);
  t->pooled = t->file.waits;
  return status;
}

const struct evp_engine evp_engine_uring = {
    .id = EVPOLL_ENGINE_IO_URING,
    .want = EVPOLL_ERR_NO_MEMORY,
    .late_codes = 1u << EVPOLL_OP_FSYNC | 1u << EVPOLL_OP_FDATASYNC,
    .durable = true,
    .open = open_ring,
    .close = close_ring,
    .look = uring_look,
    .submit = uring_submit,
    .cancel_ids = uring_cancel_ids,
    .cancel_all = uring_cancel_all,
    .has_completions = uring_has_completions,
    .collect = uring_collect,
};
