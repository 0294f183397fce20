// SPDX-License-Identifier: MIT
// For libFuzzer: what a peer sends, in arbitrary pieces, to the file server's parser. The first
// byte is the capacity of the buffer, the next three say how it is split.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

extern "C" {
#include "http.h"
}

#define MUST(condition)                                                                            \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      std::fprintf(stderr, "not true: %s\n", #condition);                                          \
      std::abort();                                                                                \
    }                                                                                              \
  } while (0)

static bool IsAnswer(int status) {
  return status == 200 || status == 400 || status == 404 || status == 405 || status == 414 ||
         status == 431 || status == 505;
}

// No folder is left, nothing is hidden, and it is a path at all.
static void CheckPath(const char *path) {
  const size_t n = strnlen(path, HTTP_PATH_MAX);
  MUST(n > 0 && n < HTTP_PATH_MAX);
  MUST(path[0] != '/' && !std::strchr(path, '\\') && !std::strchr(path, ':'));
  MUST(!std::strstr(path, "..") || !std::strstr(path, "/.."));
  for (const char *segment = path; segment; segment = std::strchr(segment, '/')) {
    if (*segment == '/') segment++;
    MUST(*segment != '.' && *segment != '/' && *segment != '\0');
  }
  for (size_t i = 0; i < n; i++) MUST(static_cast<unsigned char>(path[i]) >= ' ' && path[i] != 127);
  http_content_type(path);
}

static void CheckRequest(const http_request &r) {
  MUST(IsAnswer(r.status));
  MUST(!(r.keep_alive && (r.status == 400 || r.status == 505 || r.body)));
  if (r.status == 200) CheckPath(r.path);
  char head[HTTP_HEAD_MAX];
  const size_t n = http_write_head(head, r.status, "text/plain; charset=utf-8", INT64_MAX, 1);
  MUST(n < sizeof head && std::strcmp(http_reason(r.status), "Internal Server Error"));
}

// One request from what has arrived, as a server sees it; each piece in memory of its own, so that
// reading beyond is seen. Returns what it took up.
static size_t Parse(const uint8_t *bytes, size_t length, size_t capacity, const uint8_t *pieces,
                    http_request *out) {
  http_request r = {};
  size_t there = 0, taken = 0;
  for (unsigned i = 0; there < length && taken == 0; i++) {
    const size_t piece = pieces ? 1 + pieces[i % 3] % 50 : length;
    there = there + piece < length ? there + piece : length;
    const std::unique_ptr<char[]> room(new char[there]);
    std::memcpy(room.get(), bytes, there);
    taken = http_parse(&r, room.get(), there, capacity);
    MUST(taken <= there);
  }
  if (taken) CheckRequest(r);
  *out = r;
  return taken;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  if (n < 4) return 0;
  const size_t capacity = 16 + size_t{bytes[0]} * 8;
  const uint8_t *const pieces = bytes + 1;
  bytes += 4, n -= 4;
  while (n) {
    const size_t length = n < capacity ? n : capacity;
    http_request whole, split;
    const size_t a = Parse(bytes, length, capacity, nullptr, &whole);
    const size_t b = Parse(bytes, length, capacity, pieces, &split);
    // However it arrives, it is the same request.
    MUST(a == b);
    if (!a) break;
    MUST(whole.status == split.status && whole.keep_alive == split.keep_alive &&
         whole.head_only == split.head_only && whole.hosts == split.hosts);
    MUST(whole.status != 200 || !std::strcmp(whole.path, split.path));
    if (!whole.keep_alive) break;
    bytes += a, n -= a;
  }
  return 0;
}
