/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* CRC-32 as in zip and Ethernet, four bits at a time: small, and fast enough for a disk. */
static uint32_t crc32(const char *bytes, size_t length) {
  static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                     0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                     0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                     0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < length; i++) {
    crc ^= (unsigned char)bytes[i];
    crc = (crc >> 4) ^ table[crc & 15];
    crc = (crc >> 4) ^ table[crc & 15];
  }
  return ~crc;
}

size_t record_write(char *out, uint64_t number, const char *text, size_t length) {
  char digits[24];
  const size_t n = (size_t)snprintf(digits, sizeof digits, "%" PRIu64 " ", number);
  memcpy(out + 9, digits, n);
  memcpy(out + 9 + n, text, length);
  char checksum[16];
  snprintf(checksum, sizeof checksum, "%08" PRIx32 " ", crc32(out + 9, n + length));
  memcpy(out, checksum, 9);
  out[9 + n + length] = '\n';
  return 9 + n + length + 1;
}

size_t record_read(const char *bytes, size_t length, uint64_t *number_out, const char **text_out,
                   size_t *text_length_out) {
  const char *end = memchr(bytes, '\n', length < RECORD_MAX ? length : RECORD_MAX);
  if (!end) return 0;
  const size_t line = (size_t)(end - bytes);
  uint64_t number = 0;
  size_t at = 9;
  for (; at < line && at < 9 + 20 && bytes[at] >= '0' && bytes[at] <= '9'; at++)
    number = number * 10 + (uint64_t)(bytes[at] - '0');
  /* What the line must be, given its number and text, is easier to write than to parse. */
  char digits[24], checksum[16];
  const size_t n = (size_t)snprintf(digits, sizeof digits, "%" PRIu64 " ", number);
  if (line < 9 + n || memcmp(bytes + 9, digits, n) != 0) return 0;
  snprintf(checksum, sizeof checksum, "%08" PRIx32 " ", crc32(bytes + 9, line - 9));
  if (memcmp(bytes, checksum, 9) != 0) return 0;
  *number_out = number;
  *text_out = bytes + 9 + n;
  *text_length_out = line - 9 - n;
  return line + 1;
}
