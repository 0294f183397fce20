/* SPDX-License-Identifier: MIT */
//go:build (linux) && !evpoll_system

/* Linux: file completions by io_uring.
 *
 * An operation: its id goes to the kernel as user_data with one submission entry; the kernel
 * reads and writes the caller's buffer until it has queued the completion entry that carries the
 * id back. Nothing of ours is touched by the kernel but the two rings, which live until close.
 * More operations than the completion ring holds are kept by the kernel (IORING_FEAT_NODROP).
 *
 * Who waits, and on what:
 * - Any number of waiters: all sleep on the epoll set; the ring rings the poller's bell there.
 * - One waiter ("hybrid"): it sleeps on the epoll set while nothing is in flight, else on the ring,
 *   which then holds a one-shot poll of the set: the eye. When the eye has closed there is
 *   readiness, and epoll_wait(0) fetches it.
 *
 * No ring is made with IORING_SETUP_DEFER_TASKRUN: when the one thread that may enter it has ended
 * nobody can learn any more whether the kernel has let go of the buffers.
 *
 * Work of a plain ring that was handed to the kernel's threads is cancelled when the thread that
 * submitted it ends. A cancellation that nobody asked for is therefore submitted again. */
#include "uring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "status.h"
#include "uring_abi.h"

enum { SUBMISSIONS = 256, LEAST_COMPLETIONS = 512, MOST_COMPLETIONS = 8192, SCAN = 16 };

/* user_data of what is not an operation; ids of operations are larger. */
enum { EYE = 1, REQUEST = 2 };

struct ring {
  int fd;
  bool hybrid; /* one waiter: it sleeps on the ring */
  _Atomic bool eye_open;
  _Atomic uint64_t eye_owner; /* the thread that opened it: only there can it see */
  _Atomic uint64_t waiter;    /* the last thread that waited */

  struct evp_mutex lock; /* the submission queue; taken inside p->io.lock, never around it */
  _Atomic uint32_t *sq_head, *sq_tail, *sq_flags;
  uint32_t sq_mask, sq_entries, tail;
  struct uring_sqe *sqes;

  _Atomic uint32_t *cq_head, *cq_tail; /* the head is moved under p->io.lock */
  uint32_t cq_mask;
  struct uring_cqe *cqes;

  void *rings;
  size_t rings_size, sqes_size;
};

static struct ring *ring_of(evpoll *p) { return p->io.engine_state; }

/* ---- the system calls --------------------------------------------------------------------- */

static int setup(uint32_t entries, struct uring_params *params) {
  const long fd = syscall(URING_SYS_SETUP, entries, params);
  return fd < 0 ? -errno : (int)fd;
}

static int enter(struct ring *r, uint32_t submit, uint32_t complete, uint32_t flags,
                 int64_t timeout_ns) {
  int64_t ts[2] = {timeout_ns / 1000000000, timeout_ns % 1000000000};
  struct uring_getevents_arg arg = {.ts = timeout_ns < 0 ? 0 : (uint64_t)(uintptr_t)ts};
  const long n = syscall(URING_SYS_ENTER, r->fd, submit, complete, flags | URING_ENTER_EXT_ARG,
                         &arg, sizeof arg);
  return n < 0 ? -errno : (int)n;
}

/* ---- submission --------------------------------------------------------------------------- */

static uint32_t unsubmitted(struct ring *r) {
  return r->tail - atomic_load_explicit(r->sq_head, memory_order_acquire);
}

/* Lock held. NULL: the queue is full. Entry i of the queue is always sqes[i]: see open_ring(). */
static struct uring_sqe *next_sqe(struct ring *r) {
  if (unsubmitted(r) == r->sq_entries) return NULL;
  struct uring_sqe *sqe = &r->sqes[r->tail++ & r->sq_mask];
  memset(sqe, 0, sizeof *sqe);
  return sqe;
}

/* Lock held. Hands the queue to the kernel; what it does not take, for want of memory say, is
 * taken back. Returns 0 or the code. */
static int flush(struct ring *r) {
  atomic_store_explicit(r->sq_tail, r->tail, memory_order_release);
  for (uint32_t n; (n = unsubmitted(r)) > 0;) {
    const int rc = enter(r, n, 0, 0, -1);
    if (rc > 0 || rc == -EINTR) continue;
    r->tail = atomic_load_explicit(r->sq_head, memory_order_acquire);
    atomic_store_explicit(r->sq_tail, r->tail, memory_order_release);
    return rc ? -rc : EAGAIN;
  }
  return 0;
}

static void describe_op(struct uring_sqe *sqe, const struct evp_op *op) {
  static const uint8_t opcodes[] = {
      [EVPOLL_IO_READ] = URING_OP_READ,   [EVPOLL_IO_WRITE] = URING_OP_WRITE,
      [EVPOLL_IO_READV] = URING_OP_READV, [EVPOLL_IO_WRITEV] = URING_OP_WRITEV,
      [EVPOLL_IO_FSYNC] = URING_OP_FSYNC, [EVPOLL_IO_FDATASYNC] = URING_OP_FSYNC,
  };
  const uint64_t limit = evp_file_length_limit();
  sqe->opcode = opcodes[op->code];
  sqe->fd = (int32_t)op->handle;
  sqe->off = (uint64_t)op->offset;
  sqe->addr = (uint64_t)(uintptr_t)op->buffer;
  sqe->len = (uint32_t)(op->length < limit ? op->length : limit);
  sqe->op_flags = op->code == EVPOLL_IO_FDATASYNC ? URING_FSYNC_DATASYNC : 0;
  sqe->user_data = op->id;
}

static void describe_eye(struct uring_sqe *sqe, int set) {
  sqe->opcode = URING_OP_POLL_ADD;
  sqe->fd = set;
  sqe->op_flags = URING_POLL_IN;
  sqe->user_data = EYE;
}

/* Lock held. One flush: as many operations of the chain as the queue takes, and the eye if it is
 * shut: opened here it costs no system call of its own, and spares the waits those of a look. */
static uint32_t submit_batch(evpoll *p, struct ring *r, struct evp_op **chain, int *os_code_out) {
  /* Where each operation's successor is must be known before the kernel has it. */
  struct evp_op *batch[SUBMISSIONS + 1];
  const uint32_t first = r->tail;
  uint32_t k = 0;
  struct evp_op *op = *chain;
  struct uring_sqe *sqe;
  while (op && k < SUBMISSIONS && (sqe = next_sqe(r))) {
    describe_op(sqe, op);
    batch[k++] = op;
    op = op->next;
  }
  batch[k] = op;
  const bool shut = r->hybrid && !atomic_load_explicit(&r->eye_open, memory_order_relaxed) &&
                    atomic_load(&r->waiter) == evp_thread_self();
  if (shut && k && (sqe = next_sqe(r))) {
    describe_eye(sqe, evp_epoll_set(p));
    atomic_store(&r->eye_owner, evp_thread_self());
    atomic_store(&r->eye_open, true);
  }
  *os_code_out = k ? flush(r) : EAGAIN;
  uint32_t taken = r->tail - first;
  if (shut && taken <= k) atomic_store(&r->eye_open, false);
  if (taken > k) taken = k;
  *chain = batch[taken];
  return taken;
}

static int32_t submit(evpoll *p, struct evp_op **chain, int32_t n, int *os_code_out) {
  struct ring *r = ring_of(p);
  int32_t started = 0;
  *os_code_out = 0;
  evp_mutex_lock(&r->lock);
  while (started < n && !*os_code_out) started += (int32_t)submit_batch(p, r, chain, os_code_out);
  evp_mutex_unlock(&r->lock);
  return started;
}

/* p->io.lock held, as it is in collect(). */
static int submit_again(struct ring *r, const struct evp_op *op) {
  evp_mutex_lock(&r->lock);
  struct uring_sqe *sqe = next_sqe(r);
  int os_code = EAGAIN;
  if (sqe) {
    describe_op(sqe, op);
    os_code = flush(r);
  }
  evp_mutex_unlock(&r->lock);
  return os_code;
}

/* Lock of the core held. If the request cannot be made the operation ends by itself. */
static void request_cancel(struct ring *r, uint64_t user_data) {
  evp_mutex_lock(&r->lock);
  struct uring_sqe *sqe = next_sqe(r);
  if (sqe) {
    sqe->opcode = URING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = user_data;
    sqe->user_data = REQUEST;
    flush(r);
  }
  evp_mutex_unlock(&r->lock);
}

static void cancel(evpoll *p, struct evp_op *op) { request_cancel(ring_of(p), op->id); }

/* ---- completion --------------------------------------------------------------------------- */

static bool has_cqes(struct ring *r) {
  return atomic_load_explicit(r->cq_head, memory_order_relaxed) !=
         atomic_load_explicit(r->cq_tail, memory_order_acquire);
}

/* The kernel keeps completions that did not fit into the ring, until somebody enters. */
static bool kernel_keeps(struct ring *r) {
  return atomic_load_explicit(r->sq_flags, memory_order_relaxed) & URING_SQ_CQ_OVERFLOW;
}

static bool has_completions(evpoll *p) {
  struct ring *r = ring_of(p);
  return has_cqes(r) || kernel_keeps(r);
}

/* What the kernel gave up without being asked to goes back to it. What it cannot take now, or
 * would only do without waiting (a descriptor with O_NONBLOCK on a file system that has no such
 * thing), is done here: late is better than wrong. */
static bool is_over(struct ring *r, struct evp_op *op, int32_t res) {
  op->result = res;
  if (op->cancel_asked) {
    if (res == -EINTR || res == -EAGAIN) op->result = -ECANCELED;
    return true;
  }
  if ((res == -ECANCELED || res == -EINTR) && submit_again(r, op) == 0) return false;
  if (res == -ECANCELED || res == -EINTR || res == -EAGAIN)
    op->result = evp_file_perform(op->code, op->handle, op->offset, op->buffer, op->length);
  return true;
}

static int32_t take_cqe(evpoll *p, struct ring *r, const struct uring_cqe *cqe, evpoll_event *out) {
  if (cqe->user_data == EYE) atomic_store(&r->eye_open, false);
  struct evp_op *op = cqe->user_data > REQUEST ? evp_io_find(p, cqe->user_data) : NULL;
  return op && is_over(r, op, cqe->res) ? evp_io_complete(p, op, out) : 0;
}

static int32_t collect(evpoll *p, evpoll_event *out, int32_t capacity) {
  struct ring *r = ring_of(p);
  int32_t n = 0;
  for (;;) {
    uint32_t head = atomic_load_explicit(r->cq_head, memory_order_relaxed);
    const uint32_t tail = atomic_load_explicit(r->cq_tail, memory_order_acquire);
    /* What a submitter wrote before it handed over came here through the kernel. This says so to
     * who sees only us: the compiler, ThreadSanitizer. */
    (void)atomic_load_explicit(r->sq_tail, memory_order_acquire);
    while (head != tail && n < capacity) {
      const struct uring_cqe cqe = r->cqes[head++ & r->cq_mask];
      /* Given back at once: submitting again may need the room. */
      atomic_store_explicit(r->cq_head, head, memory_order_release);
      n += take_cqe(p, r, &cqe, &out[n]);
    }
    if (n == capacity || !kernel_keeps(r)) return n;
    if (enter(r, 0, 0, URING_ENTER_GETEVENTS, -1) < 0 || !has_cqes(r)) return n;
  }
}

/* ---- the hybrid wait ---------------------------------------------------------------------- */

bool evp_uring_is_hybrid(evpoll *p) {
  return p->io.engine == &evp_engine_uring && ring_of(p)->hybrid;
}

/* Open, by a thread that is surely not stuck in some other system call: this one. */
static bool eye_is_mine(struct ring *r) {
  const uint64_t self = evp_thread_self();
  if (atomic_load_explicit(&r->waiter, memory_order_relaxed) != self)
    atomic_store_explicit(&r->waiter, self, memory_order_relaxed);
  return atomic_load_explicit(&r->eye_open, memory_order_relaxed) &&
         atomic_load_explicit(&r->eye_owner, memory_order_relaxed) == self;
}

bool evp_uring_may_be_ready(evpoll *p) {
  struct ring *r = ring_of(p);
  if (!eye_is_mine(r)) return true;
  if (kernel_keeps(r)) return true; /* the eye's own message may be among it */
  const uint32_t head = atomic_load_explicit(r->cq_head, memory_order_relaxed);
  const uint32_t tail = atomic_load_explicit(r->cq_tail, memory_order_acquire);
  if (tail - head > SCAN) return true; /* the system call is cheaper than the search */
  for (uint32_t i = head; i != tail; i++)
    if (r->cqes[i & r->cq_mask].user_data == EYE) return true;
  return false;
}

/* Lock held. */
static bool open_eye(struct ring *r, int set) {
  struct uring_sqe *sqe = next_sqe(r);
  if (!sqe) return false;
  describe_eye(sqe, set);
  atomic_store(&r->eye_owner, evp_thread_self());
  atomic_store(&r->eye_open, true); /* it may shut before flush() has returned */
  if (!flush(r)) return true;
  atomic_store(&r->eye_open, false);
  return false;
}

void evp_uring_sleep(evpoll *p, int64_t timeout_ns) {
  struct ring *r = ring_of(p);
  bool watching = true;
  if (!eye_is_mine(r)) {
    if (atomic_load(&r->eye_open)) request_cancel(r, EYE);
    evp_mutex_lock(&r->lock);
    watching = open_eye(r, evp_epoll_set(p));
    evp_mutex_unlock(&r->lock);
  }
  if (has_cqes(r)) return; /* submitting has found something: no need to sleep */
  const int64_t slice = 1000000;
  if (!watching && (timeout_ns < 0 || timeout_ns > slice))
    timeout_ns = slice; /* no memory for the eye: look at the set every millisecond */
  const int rc = enter(r, 0, 1, URING_ENTER_GETEVENTS, timeout_ns);
  if (rc < 0 && rc != -ETIME && rc != -EINTR) /* refused, by a sandbox say: look now and then */
    evp_pause(timeout_ns < 0 || timeout_ns > slice ? slice : timeout_ns);
}

/* ---- open and close ----------------------------------------------------------------------- */

static void *map(int fd, size_t size, int64_t offset) {
  return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);
}

/* Makes the kernel's half. SUBMIT_ALL: one bad entry does not stop the batch; Linux 5.18. */
static int setup_best(evpoll *p, struct uring_params *params) {
  const uint32_t base = URING_SETUP_CQSIZE | URING_SETUP_CLAMP;
  /* Each operation may have a request to cancel it beside. */
  uint32_t completions = 2 * p->io_limit < MOST_COMPLETIONS ? 2 * p->io_limit : MOST_COMPLETIONS;
  if (completions < LEAST_COMPLETIONS) completions = LEAST_COMPLETIONS;
  *params =
      (struct uring_params){.flags = base | URING_SETUP_SUBMIT_ALL, .cq_entries = completions};
  const int fd = setup(SUBMISSIONS, params);
  if (fd != -EINVAL) return fd;
  *params = (struct uring_params){.flags = base, .cq_entries = completions};
  return setup(SUBMISSIONS, params);
}

static const char *missing_feature(const struct uring_params *params) {
  if (!(params->features & URING_FEAT_SINGLE_MMAP)) return "needs Linux 5.4";
  if (!(params->features & URING_FEAT_NODROP)) return "needs Linux 5.5";
  if (!(params->features & URING_FEAT_SUBMIT_STABLE)) return "needs Linux 5.5";
  if (!(params->features & URING_FEAT_EXT_ARG)) return "needs Linux 5.11";
  return NULL;
}

static int map_ring(struct ring *r, const struct uring_params *params) {
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
  char *base = r->rings;
  r->sq_head = (_Atomic uint32_t *)(void *)(base + params->sq_off.head);
  r->sq_tail = (_Atomic uint32_t *)(void *)(base + params->sq_off.tail);
  r->sq_flags = (_Atomic uint32_t *)(void *)(base + params->sq_off.flags);
  r->sq_mask = params->sq_entries - 1;
  r->sq_entries = params->sq_entries;
  r->cq_head = (_Atomic uint32_t *)(void *)(base + params->cq_off.head);
  r->cq_tail = (_Atomic uint32_t *)(void *)(base + params->cq_off.tail);
  r->cq_mask = params->cq_entries - 1;
  r->cqes = (struct uring_cqe *)(void *)(base + params->cq_off.cqes);
  uint32_t *array = (uint32_t *)(void *)(base + params->sq_off.array);
  for (uint32_t i = 0; i < params->sq_entries; i++) array[i] = i;
  return 0;
}

/* A filter may let the set-up pass and refuse the rest: all three calls are tried. */
static int try_calls(evpoll *p, struct ring *r) {
  const int rc = enter(r, 0, 0, 0, -1);
  if (rc < 0) return -rc;
  if (r->hybrid) return 0;
  const int bell = evp_epoll_bell(p);
  return syscall(URING_SYS_REGISTER, r->fd, URING_REGISTER_EVENTFD, &bell, 1) < 0 ? errno : 0;
}

/* LIMIT and NO_MEMORY may pass; everything else means that there is no io_uring for us. */
static int32_t refuse(char *why, size_t capacity, int os_code) {
  snprintf(why, capacity, "io_uring: refused, %s", strerror(os_code));
  const int32_t status = evp_status_of(os_code);
  const bool passing = status == EVPOLL_ERR_LIMIT || status == EVPOLL_ERR_NO_MEMORY;
  return evp_fail_as(passing ? status : EVPOLL_ERR_UNSUPPORTED, os_code);
}

static void free_ring(struct ring *r) {
  munmap(r->sqes, r->sqes_size);
  munmap(r->rings, r->rings_size);
  close(r->fd);
  evp_mutex_destroy(&r->lock);
  free(r);
}

static int32_t open_ring(evpoll *p, char *why, size_t capacity) {
  struct ring *r = calloc(1, sizeof *r);
  if (!r) return refuse(why, capacity, ENOMEM);
  struct uring_params params;
  r->hybrid = evp_single(p);
  r->fd = setup_best(p, &params);
  if (r->fd < 0) {
    const int os_code = -r->fd;
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
  os_code = try_calls(p, r);
  if (os_code) {
    free_ring(r);
    return refuse(why, capacity, os_code);
  }
  snprintf(why, capacity, "io_uring");
  p->io.engine_state = r;
  return 0;
}

/* Another ring is made and thrown away: the real one belongs to the thread that will use it. */
static int32_t probe(evpoll *p, char *why, size_t capacity) {
  const int32_t status = open_ring(p, why, capacity);
  if (status < 0) return status;
  free_ring(ring_of(p));
  p->io.engine_state = NULL;
  return 0;
}

static void close_ring(evpoll *p) { free_ring(ring_of(p)); }

const struct evp_engine evp_engine_uring = {
    .id = EVPOLL_ENGINE_IO_URING,
    .want = EVPOLL_ERR_NO_MEMORY,
    .open = open_ring,
    .probe = probe,
    .close = close_ring,
    .submit = submit,
    .cancel = cancel,
    .has_completions = has_completions,
    .collect = collect,
};
