/* SPDX-License-Identifier: MIT */
/* What compilers call unasked, and what the library has of string.h that is not the UCRT's. */
#include <stddef.h>
#include <vcruntime_string.h>

void *memcpy(void *to, const void *from, size_t size) { return memmove(to, from, size); }

void *memmove(void *to, const void *from, size_t size) {
  char *t = to;
  const char *f = from;
  if (t <= f)
    for (size_t i = 0; i < size; i++) t[i] = f[i];
  else
    for (size_t i = size; i-- > 0;) t[i] = f[i];
  return to;
}

void *memset(void *to, int byte, size_t size) {
  char *t = to;
  for (size_t i = 0; i < size; i++) t[i] = (char)byte;
  return to;
}

int memcmp(const void *a, const void *b, size_t size) {
  const unsigned char *x = a;
  const unsigned char *y = b;
  for (size_t i = 0; i < size; i++)
    if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
  return 0;
}

char *strchr(const char *text, int byte) {
  for (; *text != (char)byte; text++)
    if (*text == '\0') return NULL;
  return (char *)(size_t)text;
}
