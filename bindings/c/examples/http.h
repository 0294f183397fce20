/* SPDX-License-Identifier: MIT */
/* As much of HTTP/1.1 (RFC 9112) as a static file server needs. Pure functions over bytes: nothing
 * here knows of sockets, files or evpoll. */
#ifndef EVPOLL_EXAMPLES_HTTP_H
#define EVPOLL_EXAMPLES_HTTP_H

#include <stddef.h>
#include <stdint.h>

enum { HTTP_PATH_MAX = 1024, HTTP_HEAD_MAX = 512 };

/* All zero before the first byte. */
struct http_request {
  int status;               /* 200: serve it; else the status to refuse it with */
  int head_only;            /* HEAD: the response has no body */
  int keep_alive;           /* the connection can carry another request afterwards */
  char path[HTTP_PATH_MAX]; /* decoded, relative, without dot segments: "docs/index.html" */
  /* How far http_parse() is, and what the lines before have said. */
  size_t line, searched; /* where the next line starts, and where to go on looking for its end */
  int minor, hosts, body, close, stay;
};

/* Goes on with the request at the start of `bytes` when more of it has arrived: each line is parsed
 * once. Returns the bytes it takes up, or 0 if it is not complete yet. Malformed requests are
 * complete, and so are those that `capacity` bytes do not hold: their status says what to answer.
 */
size_t http_parse(struct http_request *r, const char *bytes, size_t length, size_t capacity);

/* Writes the head of a response; returns its length, at most HTTP_HEAD_MAX. */
size_t http_write_head(char *out, int status, const char *type, int64_t length, int keep_alive);

const char *http_reason(int status);
const char *http_content_type(const char *path);

#endif
