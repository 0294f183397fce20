/* SPDX-License-Identifier: MIT */
/* As much of HTTP/1.1 (RFC 9112) as a static file server needs. Pure functions over bytes: nothing
 * here knows of sockets, files or evpoll. */
#ifndef EVPOLL_EXAMPLES_HTTP_H
#define EVPOLL_EXAMPLES_HTTP_H

#include <stddef.h>
#include <stdint.h>

enum { HTTP_PATH_MAX = 1024, HTTP_HEAD_MAX = 512 };

struct http_request {
  int status;               /* 200: serve it; else the status to refuse it with */
  int head_only;            /* HEAD: the response has no body */
  int keep_alive;           /* the connection can carry another request afterwards */
  char path[HTTP_PATH_MAX]; /* decoded, relative, without dot segments: "docs/index.html" */
};

/* Parses the first request of `bytes`. Returns the bytes it takes up, or 0 if it is not complete
 * yet. Malformed requests are complete: their status says what to answer. */
size_t http_parse(const char *bytes, size_t length, struct http_request *request_out);

/* The status of a request that does not fit into the buffer: 414 or 431. */
int http_too_long_status(const char *bytes, size_t length);

/* Writes the head of a response; returns its length, at most HTTP_HEAD_MAX. */
size_t http_write_head(char *out, int status, const char *type, int64_t length, int keep_alive);

const char *http_reason(int status);
const char *http_content_type(const char *path);

#endif
