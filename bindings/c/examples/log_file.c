/* SPDX-License-Identifier: MIT */
#include "log_file.h"

#include "common.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first line of the file: whoever names the wrong file does not lose it. */
static const char magic[] = "evpoll log 1\n";
enum { MAGIC_LENGTH = sizeof magic - 1, READ_BYTES = LOG_FLIGHT_MAX };

/* ---- the index: where each durable record starts ------------------------------------------- */

static int reserve_entries(struct log_file *f, size_t more) {
  const size_t needed = f->count + more;
  if (needed <= f->capacity) return 1;
  const size_t capacity = needed > 2 * f->capacity ? needed : 2 * f->capacity;
  struct log_entry *entries = realloc(f->entries, capacity * sizeof *entries);
  if (!entries) return 0;
  f->entries = entries;
  f->capacity = capacity;
  return 1;
}

static void index_record(struct log_file *f, uint64_t number, int64_t offset, size_t length) {
  f->entries[f->count++] = (struct log_entry){number, offset, length};
}

static int64_t log_end(const struct log_file *f) {
  const struct log_entry *last = f->count ? &f->entries[f->count - 1] : NULL;
  return last ? last->offset + (int64_t)last->length : MAGIC_LENGTH;
}

static int compare(const void *number, const void *entry) {
  const uint64_t a = *(const uint64_t *)number, b = ((const struct log_entry *)entry)->number;
  return a < b ? -1 : a > b;
}

const struct log_entry *log_find(const struct log_file *f, uint64_t number) {
  return f->count ? bsearch(&number, f->entries, f->count, sizeof *f->entries, compare) : NULL;
}

/* ---- records ------------------------------------------------------------------------------- */

int log_has_room(const struct log_file *f, size_t length) {
  return f->in_flight + length + RECORD_OVERHEAD <= LOG_FLIGHT_MAX;
}

int log_append(struct log_file *f, struct log_record *record, uint64_t token, const char *text,
               size_t length, evpoll_io *io_out) {
  if (!reserve_entries(f, f->records_in_flight + 1)) return 0;
  record->number = ++f->last;
  record->length = record_write(record->bytes, record->number, text, length);
  *io_out = (evpoll_io){.token = token,
                        .handle = f->handle,
                        .code = EVPOLL_OP_APPEND,
                        .flags = EVPOLL_OPF_DURABLE,
                        .buffer = EVPOLL_ADDR(record->bytes),
                        .length = record->length};
  f->in_flight += record->length;
  f->records_in_flight++;
  return 1;
}

void log_appended(struct log_file *f, const struct log_record *record, const evpoll_event *event) {
  f->in_flight -= record->length;
  f->records_in_flight--;
  if (event->status >= 0) index_record(f, record->number, event->result, record->length);
}

/* ---- recovery: nobody is served yet, so one operation after the other will do --------------- */

/* Returns the operation's result, or a negative status. */
static int64_t run_operation(struct log_file *f, evpoll_io io) {
  io.handle = f->handle;
  if (evpoll_submit(f->poller, &io, 1) != 1) return io.status;
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

/* Reads until `length` bytes are there or the file ends; returns how many. */
static int64_t read_all(struct log_file *f, int64_t offset, char *bytes, size_t length) {
  return run_operation(f, (evpoll_io){.code = EVPOLL_OP_READ,
                                      .flags = EVPOLL_OPF_ALL,
                                      .offset = offset,
                                      .buffer = EVPOLL_ADDR(bytes),
                                      .length = length});
}

static int64_t open_file(struct log_file *f, uint32_t flags) {
  const uint32_t more = EVPOLL_FILE_READ | EVPOLL_FILE_WRITE;
  int64_t status = evpoll_file_open(f->path, flags | more, 0, &f->handle);
  if (status >= 0) status = evpoll_add(f->poller, f->handle, 0, 0, EVPOLL_OPERATIONS);
  return status;
}

static int64_t close_file(struct log_file *f) {
  const int64_t status = run_operation(f, (evpoll_io){.code = EVPOLL_OP_CLOSE});
  f->handle = -1;
  return status;
}

/* On Windows who opened a file to append may not cut it, and others may not write it meanwhile. */
static int64_t cut(struct log_file *f, int64_t size) {
  const evpoll_io io = {.code = EVPOLL_OP_TRUNCATE, .offset = size};
  int64_t status = run_operation(f, io);
  if (status != EVPOLL_ERR_ACCESS) return status;
  status = close_file(f);
  if (status >= 0) status = open_file(f, 0);
  if (status >= 0) status = run_operation(f, io);
  if (status >= 0) status = close_file(f);
  return status >= 0 ? open_file(f, EVPOLL_FILE_APPEND) : status;
}

/* Checks or writes the first line. A file that is shorter was torn when it was made, if at all. */
static int64_t recover_magic(struct log_file *f, int64_t size) {
  char found[MAGIC_LENGTH] = {0};
  const int64_t n = read_all(f, 0, found, MAGIC_LENGTH);
  if (n < 0) return n;
  if (memcmp(found, magic, (size_t)n) != 0) {
    fprintf(stderr, "evpoll-logd: this file is not a log\n");
    return EVPOLL_ERR_INVALID;
  }
  if (size >= MAGIC_LENGTH) return 0;
  const int64_t status = cut(f, 0);
  return status < 0 ? status
                    : run_operation(f, (evpoll_io){.code = EVPOLL_OP_APPEND,
                                                   .buffer = EVPOLL_ADDR(magic),
                                                   .length = MAGIC_LENGTH});
}

/* Indexes the whole records, reading a buffer at a time. */
static int64_t recover_records(struct log_file *f, char *bytes) {
  for (;;) {
    const int64_t n = read_all(f, log_end(f), bytes, READ_BYTES);
    if (n < 0) return n;
    size_t used = 0, length;
    do {
      uint64_t number;
      const char *text;
      size_t text_length;
      if (!reserve_entries(f, 1)) return EVPOLL_ERR_NO_MEMORY;
      length = record_read(bytes + used, (size_t)n - used, &number, &text, &text_length);
      if (length > 0 && number <= f->last) length = 0;
      if (length > 0) index_record(f, f->last = number, log_end(f), length);
      used += length;
    } while (length > 0);
    if (used == 0) return 0; /* the end, or a record that is not whole */
  }
}

/* More behind a broken record than was under way when the last run ended means that the file was
 * damaged otherwise: then cutting would destroy what was acknowledged. */
static int64_t cut_tail(struct log_file *f, int64_t size) {
  if (size <= log_end(f)) return 0;
  f->erased = size - log_end(f);
  if (f->erased <= LOG_FLIGHT_MAX) return cut(f, log_end(f));
  fprintf(stderr,
          "evpoll-logd: the record behind number %" PRIu64 ", at byte %" PRId64 ", is damaged\n",
          f->last, log_end(f));
  return EVPOLL_ERR_INVALID;
}

static int64_t recover(struct log_file *f) {
  char *bytes = malloc(READ_BYTES);
  if (!bytes) return EVPOLL_ERR_NO_MEMORY;
  int64_t size = 0;
  int64_t status = evpoll_file_size(f->handle, &size);
  if (status >= 0) status = recover_magic(f, size);
  if (status >= 0) status = recover_records(f, bytes);
  if (status >= 0) status = cut_tail(f, size);
  /* Records may be whole in the page cache only: the run that wrote them did not live to sync. */
  if (status >= 0) status = run_operation(f, (evpoll_io){.code = EVPOLL_OP_FSYNC});
  f->recovered = f->count;
  free(bytes);
  return status;
}

/* ---- open and close ------------------------------------------------------------------------ */

int32_t log_open(struct log_file *f, evpoll *p, const char *path) {
  *f = (struct log_file){.poller = p, .path = path, .handle = -1};
  int64_t status = open_file(f, EVPOLL_FILE_CREATE | EVPOLL_FILE_APPEND | EVPOLL_FILE_DURABLE);
  if (status >= 0) status = recover(f);
  if (status < 0) complain(path, (int32_t)status);
  return status < 0 ? (int32_t)status : 0;
}

void log_close(struct log_file *f) {
  evpoll_io io = {.handle = f->handle, .code = EVPOLL_OP_CLOSE};
  if (f->handle >= 0 && evpoll_submit(f->poller, &io, 1) != 1) evpoll_file_close(f->handle);
  free(f->entries);
}
