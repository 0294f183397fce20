/* SPDX-License-Identifier: MIT */
/* The file of evpoll-logd: group commit, recovery, and what to do when the disk says no.
 *
 * The life of a record:
 *
 *   log_append()     its text joins the batch that is being GATHERED
 *   log_advance()    nothing is in flight: the batch gets its numbers and is written, in one
 *                    EVPOLL_IO_WRITE; a new batch gathers meanwhile
 *   log_completed()  the write has finished: one EVPOLL_IO_FDATASYNC for all of the batch (it
 *                    covers the writes whose completion was received before it was submitted)
 *   log_completed()  the sync has finished: now, and not before, each record is answered
 *
 * The slower the disk, the more records share one sync.
 *
 * When a write fails because the disk is full, what it may have left behind is overwritten with
 * zeros, and the zeros are synced; then the batch is answered with the failure and the next one may
 * try its luck. Otherwise a later recovery could find records whose clients were told no.
 *
 * When a sync fails, or anything else, the log takes no more records until it is opened again: the
 * system may have dropped the pages that it could not write, and a second sync would then succeed
 * without having saved them. Whether those records exist is known after the next recovery.
 *
 * Two limits of portable file systems: making the name of a new file durable takes a sync of its
 * folder, which evpoll cannot do (the systems' own FSYNC of the new file does it on the common file
 * systems); and a file cannot be cut, so a torn tail is erased with zeros instead. */
#ifndef EVPOLL_EXAMPLES_LOG_FILE_H
#define EVPOLL_EXAMPLES_LOG_FILE_H

#include "record.h"

#include <evpoll.h>

enum {
  LOG_TEXT_BYTES = 256 * 1024, /* texts in one batch, at most */
  LOG_BATCH_RECORDS = 4096,    /* records in one batch, at most */
  LOG_WRITE_MAX = LOG_TEXT_BYTES + LOG_BATCH_RECORDS * RECORD_OVERHEAD
};

enum log_state { LOG_IDLE, LOG_WRITING, LOG_SYNCING, LOG_ERASING, LOG_ERASE_SYNCING, LOG_BROKEN };

/* Who waits for a record. */
struct log_waiter {
  void *owner;
  size_t length; /* of the text while it gathers, of the record from then on */
};

struct log_batch {
  struct log_waiter *waiters;
  char *bytes; /* texts while it gathers, records from then on */
  size_t length;
  int count;
};

/* Called for each record, in order: durable under `number`, or not (status < 0). */
typedef void log_answer(void *context, void *owner, uint64_t number, int32_t status);

struct log_file {
  evpoll *poller;
  uint64_t token; /* of the log's own operations; reads of records are the caller's */
  evpoll_handle handle;
  enum log_state state;
  int32_t failure;                    /* what erasing or breaking was about */
  struct log_batch gathering, flying; /* the second is being made durable */
  evpoll_io io;                       /* the one operation of the log that is under way */
  int io_queued;                      /* not accepted yet */
  int64_t *starts;                    /* of the durable records; starts[count] is the end */
  size_t starts_capacity;
  uint64_t count; /* durable records; the last one's number */
  uint64_t recovered, syncs;
  int64_t erased; /* bytes of torn tail at recovery */
  log_answer *answer;
  void *context;
};

/* Opens or creates a log and recovers it: finds the last whole record, erases what is torn behind
 * it, and syncs, so that what is readable is durable. Blocks; uses the poller by itself. Prints why
 * if it returns a negative status. */
int32_t log_open(struct log_file *f, evpoll *p, const char *path, uint64_t token,
                 log_answer *answer, void *context);

/* 1: taken, there will be an answer. 0: the batch is full; try again after log_advance() has
 * returned 1. Negative: the log is broken, by this status. */
int log_append(struct log_file *f, void *owner, const char *text, size_t length);

/* Call it once a turn: starts what can be started. Returns 1 when the gathering batch has left. */
int log_advance(struct log_file *f);

/* Call it with each event that carries the log's token. */
void log_completed(struct log_file *f, const evpoll_event *event);

/* Where a durable record is in the file; 0 if there is none of this number. */
int log_find(const struct log_file *f, uint64_t number, int64_t *offset_out, size_t *length_out);

/* Records wait to be answered. */
int log_is_busy(const struct log_file *f);

/* Nothing may be in flight: call it after evpoll_close(). */
void log_close(struct log_file *f);

#endif
