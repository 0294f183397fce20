/* SPDX-License-Identifier: MIT */
/* http.c apart from sockets: `http_test BEHAVIOUR`. Its work is counted, not timed: the blocks of
 * code that it enters (it is compiled with -fsanitize-coverage=trace-pc) and the bytes that it lets
 * memchr() look at (linked with --wrap). */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 8192, WORK_PER_BYTE = 64 };

static size_t work;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) { work++; }

void *__real_memchr(const void *bytes, int byte, size_t length);
void *__wrap_memchr(const void *bytes, int byte, size_t length);
void *__wrap_memchr(const void *bytes, int byte, size_t length) {
  char *found = __real_memchr(bytes, byte, length);
  work += found ? (size_t)(found - (const char *)bytes) + 1 : length;
  return found;
}

static void check(int holds, const char *what, const char *bytes) {
  if (holds) return;
  fprintf(stderr, "%s, of this request:\n%.300s\n", what, bytes);
  exit(1);
}

/* ---- work ---------------------------------------------------------------------------------- */

/* `start` and then `more` of it, to the last byte of what a request may take up. */
static void make_request(char *out, const char *start, const char *more) {
  static const char end[] = "x\n\n";
  const size_t length = strlen(start), until = CAPACITY - strlen(end);
  memcpy(out, start, length);
  for (size_t i = 0; length + i < until; i++) out[length + i] = more[i % strlen(more)];
  memcpy(out + until, end, strlen(end));
}

static void a_byte_is_looked_at_a_few_times_however_it_arrives(void) {
  static const char *const requests[][2] = {
      {"GET / HTTP/1.1\r\n", "a:\n"},
      {"GET / HTTP/1.1\r\n", "Connection: x, x\r\n"},
      {"GET / HTTP/1.1\r\nConnection:", ",x"},
      {"GET / HTTP/1.1\r\na: ", "x"},
      {"GET /", "x"},
      {"GET /", "%41"},
      {"GET /", "a/"},
      {"", "\r\n"},
  };
  static const size_t steps[] = {1, 2, 100, CAPACITY};
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
    for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
      char bytes[CAPACITY];
      struct http_request request = {0};
      make_request(bytes, requests[i][0], requests[i][1]);
      work = 0;
      for (size_t n = 0; n < CAPACITY;) {
        n = n + steps[k] < CAPACITY ? n + steps[k] : CAPACITY;
        const size_t used = http_parse(&request, bytes, n, CAPACITY);
        check(used == (n < CAPACITY ? 0 : n), "it ended elsewhere", bytes);
      }
      printf("%zu for %d bytes, %zu at a time\n", work, CAPACITY, steps[k]);
      check(work <= (size_t)WORK_PER_BYTE * CAPACITY, "too much work", bytes);
    }
}

/* ---- results ------------------------------------------------------------------------------- */

static void how_a_request_arrives_makes_no_difference(void) {
  static const struct {
    const char *bytes;
    int status, head_only, keep_alive;
    const char *path;
  } cases[] = {
      {"GET /a%20b/c?d HTTP/1.1\r\nHost: t\r\n\r\n", 200, 0, 1, "a b/c"},
      {"\r\n\n\r\nHEAD / HTTP/1.1\nhost:t\nX: y\n\n", 200, 1, 1, "index.html"},
      {"GET /a HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", 200, 0, 1, "a"},
      {"GET /a HTTP/1.0\r\n\r\n", 200, 0, 0, "a"},
      {"GET /a HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", 200, 0, 0, "a"},
      {"GET /a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n", 200, 0, 0, "a"},
      {"POST /a HTTP/1.1\r\nHost: t\r\n\r\n", 405, 0, 1, ""},
      {"GET /../a HTTP/1.1\r\nHost: t\r\n\r\n", 404, 0, 1, NULL},
      {"GET /a HTTP/1.1\r\n\r\n", 400, 0, 0, NULL},
      {"GET /a HTTP/1.1\r\nHost: t\r\nHost: t\r\n\r\n", 400, 0, 0, NULL},
      {"GET /a HTTP/1.1\r\nHost: t\r\nX : y\r\nX: y\r\n\r\n", 400, 0, 0, NULL},
      {"GET /a HTTP/3.1\r\nHost: t\r\n\r\n", 505, 0, 0, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const size_t length = strlen(cases[i].bytes);
    char bytes[CAPACITY]; /* and the next request behind it, or a part of that */
    const size_t all = (size_t)snprintf(bytes, sizeof bytes, "%s%s", cases[i].bytes, "GET /next");
    for (size_t first = 0; first <= length; first++)
      for (size_t step = 1; step <= all; step += all - 1) {
        struct http_request request = {0};
        size_t n = first, used;
        while ((used = http_parse(&request, bytes, n, CAPACITY)) == 0 && n < all)
          n = n + step < all ? n + step : all;
        check(used == length, "the wrong length", bytes);
        check(step > 1 || n == length, "it was complete before", bytes);
        check(request.status == cases[i].status, "the wrong status", bytes);
        check(request.head_only == cases[i].head_only, "a body or not", bytes);
        check(request.keep_alive == cases[i].keep_alive, "it stays or not", bytes);
        if (cases[i].path) check(strcmp(request.path, cases[i].path) == 0, "the wrong path", bytes);
      }
  }
}

int main(int argc, char **argv) {
  const char *behaviour = argc > 1 ? argv[1] : "";
  if (strcmp(behaviour, "a_byte_is_looked_at_a_few_times_however_it_arrives") == 0)
    a_byte_is_looked_at_a_few_times_however_it_arrives();
  else if (strcmp(behaviour, "how_a_request_arrives_makes_no_difference") == 0)
    how_a_request_arrives_makes_no_difference();
  else
    return 2;
  return 0;
}
