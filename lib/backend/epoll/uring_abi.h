/* SPDX-License-Identifier: MIT */
/* The kernel's io_uring interface, as much of it as we use. Defined here, since the headers of the
 * machine that builds may be older than the kernel that runs, or have none of it. Numbers and
 * layouts are the kernel's ABI; tests/unit compares them with <linux/io_uring.h>. */
#ifndef EVP_URING_ABI_H
#define EVP_URING_ABI_H

#include <stdint.h>

#define URING_SYS_SETUP    425 /* the same on all architectures but alpha */
#define URING_SYS_ENTER    426
#define URING_SYS_REGISTER 427

struct uring_sqe {
  uint8_t opcode;
  uint8_t flags;
  uint16_t ioprio;
  int32_t fd;
  uint64_t off;
  uint64_t addr;
  uint32_t len;
  uint32_t op_flags; /* fsync_flags, poll32_events, cancel_flags ... */
  uint64_t user_data;
  uint64_t unused[3];
};

struct uring_cqe {
  uint64_t user_data;
  int32_t res;
  uint32_t flags;
};

struct uring_sq_offsets {
  uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv1;
  uint64_t user_addr;
};

struct uring_cq_offsets {
  uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1;
  uint64_t user_addr;
};

struct uring_params {
  uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, resv[3];
  struct uring_sq_offsets sq_off;
  struct uring_cq_offsets cq_off;
};

enum {
  URING_OP_READV = 1,
  URING_OP_WRITEV = 2,
  URING_OP_FSYNC = 3,
  URING_OP_ASYNC_CANCEL = 14,
  URING_OP_READ = 22,
  URING_OP_WRITE = 23,
};

#define URING_OFF_SQ_RING 0x0
#define URING_OFF_SQES    0x10000000

#define URING_SETUP_CQSIZE     (1u << 3)
#define URING_SETUP_CLAMP      (1u << 4)
#define URING_SETUP_SUBMIT_ALL (1u << 7) /* 5.18 */

#define URING_FEAT_SINGLE_MMAP   (1u << 0)  /* 5.4 */
#define URING_FEAT_SUBMIT_STABLE (1u << 2)  /* 5.5 */
#define URING_FEAT_EXT_ARG       (1u << 8)  /* 5.11 */
#define URING_FEAT_LINKED_FILE   (1u << 12) /* 5.19 */

#define URING_REGISTER_IOWQ_MAX_WORKERS 19 /* 5.15 */

#define URING_CANCEL_ALL (1u << 0) /* 5.19 */
#define URING_CANCEL_ANY (1u << 2) /* 5.19 */

#define URING_FSYNC_DATASYNC (1u << 0)
#define URING_RW_DSYNC       (1u << 1) /* RWF_DSYNC; 4.7 */

#endif
