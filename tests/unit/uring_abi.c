/* SPDX-License-Identifier: MIT */
/* Our numbers and layouts of io_uring against the kernel's own header: a difference does not
 * compile. What is newer than the header is left out by the preprocessor. */
#include "backend/epoll/uring_abi.h"

#include <linux/io_uring.h>
#include <stddef.h>
#include <sys/syscall.h>

#define SAME(ours, theirs) _Static_assert((ours) == (theirs), #ours " is not " #theirs)
#define SAME_FIELD(our_struct, our_field, their_struct, their_field)                               \
  SAME(offsetof(struct our_struct, our_field), offsetof(struct their_struct, their_field));        \
  SAME(sizeof((struct our_struct){0}.our_field), sizeof((struct their_struct){0}.their_field))

SAME(URING_SYS_SETUP, __NR_io_uring_setup);
SAME(URING_SYS_ENTER, __NR_io_uring_enter);
SAME(URING_SYS_REGISTER, __NR_io_uring_register);

SAME(sizeof(struct uring_sqe), sizeof(struct io_uring_sqe));
SAME_FIELD(uring_sqe, opcode, io_uring_sqe, opcode);
SAME_FIELD(uring_sqe, flags, io_uring_sqe, flags);
SAME_FIELD(uring_sqe, ioprio, io_uring_sqe, ioprio);
SAME_FIELD(uring_sqe, fd, io_uring_sqe, fd);
SAME_FIELD(uring_sqe, off, io_uring_sqe, off);
SAME_FIELD(uring_sqe, addr, io_uring_sqe, addr);
SAME_FIELD(uring_sqe, len, io_uring_sqe, len);
SAME_FIELD(uring_sqe, op_flags, io_uring_sqe, fsync_flags);
SAME_FIELD(uring_sqe, op_flags, io_uring_sqe, cancel_flags);
SAME_FIELD(uring_sqe, user_data, io_uring_sqe, user_data);

SAME(sizeof(struct uring_cqe), sizeof(struct io_uring_cqe));
SAME_FIELD(uring_cqe, user_data, io_uring_cqe, user_data);
SAME_FIELD(uring_cqe, res, io_uring_cqe, res);
SAME_FIELD(uring_cqe, flags, io_uring_cqe, flags);

SAME(sizeof(struct uring_params), sizeof(struct io_uring_params));
SAME_FIELD(uring_params, sq_entries, io_uring_params, sq_entries);
SAME_FIELD(uring_params, cq_entries, io_uring_params, cq_entries);
SAME_FIELD(uring_params, flags, io_uring_params, flags);
SAME_FIELD(uring_params, features, io_uring_params, features);
SAME_FIELD(uring_params, sq_off, io_uring_params, sq_off);
SAME_FIELD(uring_params, cq_off, io_uring_params, cq_off);
SAME_FIELD(uring_sq_offsets, head, io_sqring_offsets, head);
SAME_FIELD(uring_sq_offsets, tail, io_sqring_offsets, tail);
SAME_FIELD(uring_sq_offsets, ring_mask, io_sqring_offsets, ring_mask);
SAME_FIELD(uring_sq_offsets, ring_entries, io_sqring_offsets, ring_entries);
SAME_FIELD(uring_sq_offsets, flags, io_sqring_offsets, flags);
SAME_FIELD(uring_sq_offsets, array, io_sqring_offsets, array);
SAME_FIELD(uring_cq_offsets, head, io_cqring_offsets, head);
SAME_FIELD(uring_cq_offsets, tail, io_cqring_offsets, tail);
SAME_FIELD(uring_cq_offsets, cqes, io_cqring_offsets, cqes);

SAME(URING_OP_READV, IORING_OP_READV);
SAME(URING_OP_WRITEV, IORING_OP_WRITEV);
SAME(URING_OP_FSYNC, IORING_OP_FSYNC);
SAME(URING_OP_ASYNC_CANCEL, IORING_OP_ASYNC_CANCEL);
SAME(URING_OP_READ, IORING_OP_READ);
SAME(URING_OP_WRITE, IORING_OP_WRITE);

SAME(URING_OFF_SQ_RING, IORING_OFF_SQ_RING);
SAME(URING_OFF_SQES, IORING_OFF_SQES);
SAME(URING_SETUP_CQSIZE, IORING_SETUP_CQSIZE);
SAME(URING_SETUP_CLAMP, IORING_SETUP_CLAMP);
#ifdef IORING_SETUP_SUBMIT_ALL
SAME(URING_SETUP_SUBMIT_ALL, IORING_SETUP_SUBMIT_ALL);
SAME(URING_REGISTER_IOWQ_MAX_WORKERS, IORING_REGISTER_IOWQ_MAX_WORKERS);
#endif
SAME(URING_FEAT_SINGLE_MMAP, IORING_FEAT_SINGLE_MMAP);
SAME(URING_FEAT_SUBMIT_STABLE, IORING_FEAT_SUBMIT_STABLE);
SAME(URING_FEAT_EXT_ARG, IORING_FEAT_EXT_ARG);
#ifdef IORING_FEAT_LINKED_FILE
SAME(URING_FEAT_LINKED_FILE, IORING_FEAT_LINKED_FILE);
#endif
#ifdef IORING_ASYNC_CANCEL_ANY
SAME(URING_CANCEL_ALL, IORING_ASYNC_CANCEL_ALL);
SAME(URING_CANCEL_ANY, IORING_ASYNC_CANCEL_ANY);
#endif
SAME(URING_FSYNC_DATASYNC, IORING_FSYNC_DATASYNC);
#ifdef RWF_DSYNC
SAME(URING_RW_DSYNC, RWF_DSYNC);
#endif
