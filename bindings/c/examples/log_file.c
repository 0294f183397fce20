/* SPDX-License-Identifier: MIT */
#include "log_file.h"

#include "common.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first line of the file: whoever names the wrong file does not lose it. */
static const char magic[] = "evpoll log 1\n";
enum { MAGIC_LENGTH = sizeof magic - 1 };

/* ---- the index: where each durable record starts ------------------------------------------- */

static int reserve_index(struct log_file *f, int more) {
  const size_t needed = (size_t)f->count + (size_t)more + 1;
  if (needed <= f->starts_capacity) return 1;
  const size_t capacity = needed > 2 * f->starts_capacity ? needed : 2 * f->starts_capacity;
  int64_t *starts = realloc(f->starts, capacity * sizeof *starts);
  if (!starts) return 0;
  f->starts = starts;
  f->starts_capacity = capacity;
  return 1;
}

static int64_t log_end(const struct log_file *f) { return f->starts[f->count]; }

static void index_record(struct log_file *f, size_t length) {
  f->starts[f->count + 1] = f->starts[f->count] + (int64_t)length;
  f->count++;
}

int log_find(const struct log_file *f, uint64_t number, int64_t *offset_out, size_t *length_out) {
  if (number == 0 || number > f->count) return 0;
  *offset_out = f->starts[number - 1];
  *length_out = (size_t)(f->starts[number] - f->starts[number - 1]);
  return 1;
}

/* ---- operations ---------------------------------------------------------------------------- */

static void start_write(struct log_file *f, enum log_state state, char *bytes, size_t length) {
  f->state = state;
  f->io = (evpoll_io){.token = f->token,
                      .handle = f->handle,
                      .code = EVPOLL_IO_WRITE,
                      .offset = log_end(f),
                      .buffer = EVPOLL_ADDR(bytes),
                      .length = length};
  f->io_queued = 1;
}

static void start_sync(struct log_file *f, enum log_state state) {
  f->state = state;
  f->io = (evpoll_io){.token = f->token, .handle = f->handle, .code = EVPOLL_IO_FDATASYNC};
  f->io_queued = 1;
}

/* ---- answers ------------------------------------------------------------------------------- */

static void refuse(struct log_file *f, struct log_batch *batch, int32_t status) {
  for (int i = 0; i < batch->count; i++) f->answer(f->context, batch->waiters[i].owner, 0, status);
  batch->count = 0;
  batch->length = 0;
}

static void break_log(struct log_file *f, int32_t status) {
  fprintf(stderr, "evpoll-logd: no more records, because of: %s\n", evpoll_strerror(status));
  f->state = LOG_BROKEN;
  f->failure = status;
  f->io_queued = 0;
  refuse(f, &f->flying, status);
  refuse(f, &f->gathering, status);
}

static void commit(struct log_file *f) {
  struct log_batch *batch = &f->flying;
  f->state = LOG_IDLE;
  f->syncs++;
  for (int i = 0; i < batch->count; i++) {
    index_record(f, batch->waiters[i].length);
    f->answer(f->context, batch->waiters[i].owner, f->count, 0);
  }
  batch->count = 0;
  batch->length = 0;
}

/* ---- failures ------------------------------------------------------------------------------ */

static void end_erase(struct log_file *f) {
  f->state = LOG_IDLE;
  refuse(f, &f->flying, f->failure);
}

/* The batch did not fit: erase what the write may have left behind the last durable record. */
static void start_erase(struct log_file *f, int32_t status) {
  int64_t size = 0;
  const int32_t failed = evpoll_file_size(f->handle, &size);
  const int64_t length = size - log_end(f);
  f->failure = status;
  if (failed < 0 || length > LOG_WRITE_MAX) {
    break_log(f, status);
  } else if (length <= 0) {
    end_erase(f);
  } else {
    memset(f->flying.bytes, 0, (size_t)length);
    start_write(f, LOG_ERASING, f->flying.bytes, (size_t)length);
  }
}

static void fail_operation(struct log_file *f, int32_t status) {
  const int full = status == EVPOLL_ERR_NO_SPACE || status == EVPOLL_ERR_TOO_LARGE;
  if (full && f->state == LOG_WRITING)
    start_erase(f, status);
  else
    break_log(f, status);
}

/* ---- group commit -------------------------------------------------------------------------- */

int log_append(struct log_file *f, void *owner, const char *text, size_t length) {
  struct log_batch *batch = &f->gathering;
  if (f->state == LOG_BROKEN) return f->failure;
  if (batch->count == LOG_BATCH_RECORDS || batch->length + length > LOG_TEXT_BYTES) return 0;
  memcpy(batch->bytes + batch->length, text, length);
  batch->length += length;
  batch->waiters[batch->count++] = (struct log_waiter){owner, length};
  return 1;
}

/* Turns the gathered texts into records and writes them behind the last durable one. They get
 * their numbers only now, so that a batch that failed leaves no gap. */
static void start_batch(struct log_file *f) {
  struct log_waiter *waiters = f->flying.waiters;
  struct log_batch *from = &f->gathering, *to = &f->flying;
  const char *text = from->bytes;
  to->length = 0;
  for (int i = 0; i < from->count; i++) {
    const size_t length = from->waiters[i].length;
    from->waiters[i].length =
        record_write(to->bytes + to->length, f->count + 1 + (uint64_t)i, text, length);
    to->length += from->waiters[i].length;
    text += length;
  }
  to->waiters = from->waiters;
  to->count = from->count;
  from->waiters = waiters;
  from->count = 0;
  from->length = 0;
  start_write(f, LOG_WRITING, to->bytes, to->length);
}

int log_advance(struct log_file *f) {
  int left = 0;
  if (f->state == LOG_IDLE && f->gathering.count > 0) {
    if (reserve_index(f, f->gathering.count))
      start_batch(f);
    else
      refuse(f, &f->gathering, EVPOLL_ERR_NO_MEMORY);
    left = 1;
  }
  if (f->io_queued) {
    const int32_t accepted = evpoll_submit(f->poller, &f->io, 1);
    const int32_t status = accepted < 0 ? accepted : f->io.status;
    if (accepted == 1)
      f->io_queued = 0;
    else if (status != EVPOLL_ERR_AGAIN)
      fail_operation(f, status);
    /* AGAIN: reads fill evpoll's limit; the first of them that completes brings us back here. */
  }
  return left;
}

void log_completed(struct log_file *f, const evpoll_event *event) {
  if (event->status < 0) {
    fail_operation(f, event->status);
    return;
  }
  if (f->io.code == EVPOLL_IO_WRITE) {
    if (event->result == 0) {
      fail_operation(f, EVPOLL_ERR_IO);
      return;
    }
    f->io.offset += event->result;
    f->io.buffer += (uint64_t)event->result;
    f->io.length -= (uint64_t)event->result;
    if (f->io.length > 0)
      f->io_queued = 1; /* writes may come back short: go on behind it */
    else
      start_sync(f, f->state == LOG_WRITING ? LOG_SYNCING : LOG_ERASE_SYNCING);
    return;
  }
  if (f->state == LOG_SYNCING)
    commit(f);
  else
    end_erase(f);
}

int log_is_busy(const struct log_file *f) {
  return f->gathering.count > 0 || (f->state != LOG_IDLE && f->state != LOG_BROKEN);
}

/* ---- recovery: nobody is served yet, so one operation after the other will do --------------- */

/* Returns the number of bytes, or a negative status. */
static int64_t run_operation(struct log_file *f, uint32_t code, int64_t offset, void *bytes,
                             size_t length) {
  evpoll_io io = {.token = f->token,
                  .handle = f->handle,
                  .code = code,
                  .offset = offset,
                  .buffer = EVPOLL_ADDR(bytes),
                  .length = length};
  if (evpoll_submit(f->poller, &io, 1) != 1) return io.status < 0 ? io.status : EVPOLL_ERR_SHUTDOWN;
  int32_t interrupted = 0;
  for (;;) {
    evpoll_event event;
    const int32_t n = evpoll_wait(f->poller, &event, 1, EVPOLL_INFINITE);
    if (n < 0) return n;
    if (event.events & EVPOLL_WAKE) interrupted = EVPOLL_ERR_CANCELLED; /* Ctrl-C */
    if (event.events & EVPOLL_IO)
      return interrupted ? interrupted : event.status < 0 ? event.status : event.result;
  }
}

static int64_t write_all(struct log_file *f, int64_t offset, char *bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    const int64_t n =
        run_operation(f, EVPOLL_IO_WRITE, offset + (int64_t)done, bytes + done, length - done);
    if (n <= 0) return n < 0 ? n : EVPOLL_ERR_IO;
    done += (size_t)n;
  }
  return 0;
}

/* Reads until `length` bytes are there or the file ends; returns how many. */
static int64_t read_all(struct log_file *f, int64_t offset, char *bytes, size_t length) {
  size_t done = 0;
  while (done < length) {
    const int64_t n =
        run_operation(f, EVPOLL_IO_READ, offset + (int64_t)done, bytes + done, length - done);
    if (n < 0) return n;
    if (n == 0) break;
    done += (size_t)n;
  }
  return (int64_t)done;
}

/* Checks or writes the first line. A file that is shorter was torn when it was made, if at all. */
static int64_t recover_magic(struct log_file *f, int64_t size) {
  char found[MAGIC_LENGTH] = {0}, wanted[MAGIC_LENGTH];
  memcpy(wanted, magic, MAGIC_LENGTH);
  const int64_t n = read_all(f, 0, found, MAGIC_LENGTH);
  if (n < 0) return n;
  if (memcmp(found, magic, (size_t)n) != 0) {
    fprintf(stderr, "evpoll-logd: this file is not a log\n");
    return EVPOLL_ERR_INVALID;
  }
  return size < MAGIC_LENGTH ? write_all(f, 0, wanted, MAGIC_LENGTH) : 0;
}

/* Indexes the whole records, reading a buffer at a time. */
static int64_t recover_records(struct log_file *f) {
  char *bytes = f->flying.bytes;
  for (;;) {
    const int64_t n = read_all(f, log_end(f), bytes, LOG_WRITE_MAX);
    if (n < 0) return n;
    size_t used = 0, length;
    const char *text;
    do {
      size_t text_length;
      if (!reserve_index(f, 1)) return EVPOLL_ERR_NO_MEMORY;
      length = record_read(bytes + used, (size_t)n - used, f->count + 1, &text, &text_length);
      if (length > 0) index_record(f, length);
      used += length;
    } while (length > 0);
    if (used == 0) return 0; /* the end, or a record that is not whole */
  }
}

/* At most one batch was under way when the last run ended. More than that behind a broken record
 * means that the file was damaged otherwise: then erasing would destroy what was acknowledged. */
static int64_t erase_tail(struct log_file *f, int64_t size) {
  f->erased = size - log_end(f);
  if (f->erased <= 0) return f->erased = 0;
  if (f->erased > LOG_WRITE_MAX) {
    fprintf(stderr, "evpoll-logd: record %" PRIu64 " at byte %" PRId64 " is damaged\n",
            f->count + 1, log_end(f));
    return EVPOLL_ERR_INVALID;
  }
  memset(f->flying.bytes, 0, (size_t)f->erased);
  return write_all(f, log_end(f), f->flying.bytes, (size_t)f->erased);
}

static int64_t recover(struct log_file *f) {
  int64_t size = 0;
  int64_t status = evpoll_file_size(f->handle, &size);
  if (status >= 0) status = recover_magic(f, size);
  if (status >= 0) status = recover_records(f);
  if (status >= 0) status = erase_tail(f, size);
  /* Records may be whole in the page cache only: the run that wrote them did not live to sync. */
  if (status >= 0) status = run_operation(f, EVPOLL_IO_FSYNC, 0, NULL, 0);
  f->recovered = f->count;
  return status;
}

/* ---- open and close ------------------------------------------------------------------------ */

static int allocate_batch(struct log_batch *batch, size_t bytes) {
  batch->bytes = malloc(bytes);
  batch->waiters = malloc(LOG_BATCH_RECORDS * sizeof *batch->waiters);
  return batch->bytes && batch->waiters;
}

int32_t log_open(struct log_file *f, evpoll *p, const char *path, uint64_t token,
                 log_answer *answer, void *context) {
  *f = (struct log_file){
      .poller = p, .token = token, .handle = -1, .answer = answer, .context = context};
  if (!allocate_batch(&f->gathering, LOG_TEXT_BYTES) ||
      !allocate_batch(&f->flying, LOG_WRITE_MAX) || !reserve_index(f, 1)) {
    complain(path, EVPOLL_ERR_NO_MEMORY);
    return EVPOLL_ERR_NO_MEMORY;
  }
  f->starts[0] = MAGIC_LENGTH;
  int64_t status =
      evpoll_file_open(path, EVPOLL_FILE_READ | EVPOLL_FILE_WRITE | EVPOLL_FILE_CREATE, &f->handle);
  if (status >= 0) status = recover(f);
  if (status < 0) complain(path, (int32_t)status);
  return status < 0 ? (int32_t)status : 0;
}

void log_close(struct log_file *f) {
  if (f->handle >= 0) evpoll_file_close(f->handle);
  free(f->gathering.bytes);
  free(f->gathering.waiters);
  free(f->flying.bytes);
  free(f->flying.waiters);
  free(f->starts);
}
