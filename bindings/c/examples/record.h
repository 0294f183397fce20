/* SPDX-License-Identifier: MIT */
/* The log file of evpoll-logd, one line for each record:
 *
 *     checksum SP number SP text LF        for example   "6d1b25a3 17 hello\n"
 *
 * `checksum` is the CRC-32 of "number SP text" in 8 hexadecimal digits, `number` grows from
 * line to line, by 1 but where records between were refused. A line that is torn, belongs elsewhere
 * or was never written (zeros) does not match. Pure functions over bytes: nothing here knows of
 * sockets, files or evpoll. */
#ifndef EVPOLL_EXAMPLES_RECORD_H
#define EVPOLL_EXAMPLES_RECORD_H

#include <stddef.h>
#include <stdint.h>

enum {
  RECORD_TEXT_MAX = 4000,
  RECORD_OVERHEAD = 8 + 1 + 20 + 1 + 1, /* what the file holds besides the text, at most */
  RECORD_MAX = RECORD_TEXT_MAX + RECORD_OVERHEAD
};

/* Writes a record; returns its length. `out` holds RECORD_OVERHEAD + length bytes. */
size_t record_write(char *out, uint64_t number, const char *text, size_t length);

/* Looks at the record at the start of `bytes`. Returns its length, its number and where its text
 * is, if it is whole; else 0. */
size_t record_read(const char *bytes, size_t length, uint64_t *number_out, const char **text_out,
                   size_t *text_length_out);

#endif
