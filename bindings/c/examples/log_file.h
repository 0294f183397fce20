/* SPDX-License-Identifier: MIT */
/* The file of evpoll-logd: which record is where, and recovery. Order, group commit, and what to do
 * when the disk is full are evpoll's, by EVPOLL_OP_APPEND with EVPOLL_OPF_DURABLE:
 *
 *   log_append()     the record gets its number and is submitted; evpoll writes and syncs those
 *                    that wait together, so the slower the disk, the more of them share one sync
 *   log_appended()   its event: it is on the disk, and can be found; or it failed, and its number
 *                    is nobody's
 *
 * When a sync fails evpoll takes no more records until the file is opened again: the system may
 * have dropped the pages that it could not write, and a second sync would then succeed without
 * having saved them. Whether those records exist is known after the next recovery. */
#ifndef EVPOLL_EXAMPLES_LOG_FILE_H
#define EVPOLL_EXAMPLES_LOG_FILE_H

#include "record.h"

#include <evpoll.h>

/* Bytes of records on their way, at most: no more than these can be torn. */
enum { LOG_FLIGHT_MAX = 512 * 1024 };

struct log_entry {
  uint64_t number;
  int64_t offset;
  size_t length;
};

struct log_file {
  evpoll *poller;
  const char *path;
  evpoll_handle handle;
  struct log_entry *entries; /* of the durable records, by number */
  size_t count, capacity;
  uint64_t last; /* the number that was given out last */
  size_t in_flight, records_in_flight;
  uint64_t recovered;
  int64_t erased; /* bytes of torn tail at recovery */
};

/* A record on its way. */
struct log_record {
  uint64_t number;
  size_t length;
  char *bytes; /* room for RECORD_OVERHEAD and the text */
};

/* Opens or creates a log and recovers it: finds the last whole record, cuts off what is torn behind
 * it, and syncs, so that what is readable is durable. Blocks; uses the poller by itself. Prints why
 * if it returns a negative status. */
int32_t log_open(struct log_file *f, evpoll *p, const char *path);

/* Is there room for a record with a text of this length? */
int log_has_room(const struct log_file *f, size_t length);

/* Makes a record of a text, and an operation of that, to be submitted in this order. 0: there is no
 * memory for it. */
int log_append(struct log_file *f, struct log_record *record, uint64_t token, const char *text,
               size_t length, evpoll_io *io_out);

/* Call it with the record's event, or with one that says why it was refused. */
void log_appended(struct log_file *f, const struct log_record *record, const evpoll_event *event);

/* Where a durable record is; NULL if there is none of this number. */
const struct log_entry *log_find(const struct log_file *f, uint64_t number);

/* Closes the file when nothing uses it any more. */
void log_close(struct log_file *f);

#endif
