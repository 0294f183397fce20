/* SPDX-License-Identifier: MIT */
#include "http.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A piece of the request; nothing is copied but the path. */
struct text {
  const char *at;
  size_t length;
};

/* ---- pieces of text ----------------------------------------------------------------------- */

/* Takes what is before `separator` off `rest`; all of it if there is none. */
static struct text take_until(struct text *rest, char separator) {
  const char *end = memchr(rest->at, separator, rest->length);
  struct text piece = {rest->at, end ? (size_t)(end - rest->at) : rest->length};
  const size_t taken = piece.length + (end ? 1 : 0);
  *rest = (struct text){rest->at + taken, rest->length - taken};
  return piece;
}

static struct text trim(struct text t) {
  while (t.length > 0 && (*t.at == ' ' || *t.at == '\t')) t = (struct text){t.at + 1, t.length - 1};
  while (t.length > 0 && (t.at[t.length - 1] == ' ' || t.at[t.length - 1] == '\t')) t.length--;
  return t;
}

static int is(struct text t, const char *word) {
  return t.length == strlen(word) && memcmp(t.at, word, t.length) == 0;
}

/* The C library's tolower() depends on the locale; protocols do not. */
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static int is_nocase(struct text t, const char *lower_word) {
  if (t.length != strlen(lower_word)) return 0;
  for (size_t i = 0; i < t.length; i++)
    if (lower(t.at[i]) != lower_word[i]) return 0;
  return 1;
}

static int is_token(struct text t) {
  for (size_t i = 0; i < t.length; i++)
    if (t.at[i] <= ' ' || t.at[i] > '~' || strchr("\"(),/:;<=>?@[\\]{}", t.at[i])) return 0;
  return t.length > 0;
}

static int has_control_character(struct text t) {
  for (size_t i = 0; i < t.length; i++)
    if (((unsigned char)t.at[i] < ' ' && t.at[i] != '\t') || t.at[i] == 127) return 1;
  return 0;
}

/* ---- the path ----------------------------------------------------------------------------- */

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %41 and the like; returns 0 or the status to refuse with. */
static int decode(struct text target, char *path_out) {
  size_t n = 0;
  for (size_t i = 0; i < target.length; i++) {
    int c = (unsigned char)target.at[i];
    if (c == '%') {
      const int high = i + 2 < target.length ? hex_digit(target.at[i + 1]) : -1;
      const int low = high >= 0 ? hex_digit(target.at[i + 2]) : -1;
      if (low < 0) return 400;
      c = high * 16 + low;
      i += 2;
    }
    /* A NUL would cut the path; to Windows a backslash separates folders, and a colon names a
     * drive or a stream. Refused everywhere, so that no file is served on one system only. */
    if (c < ' ' || c == 127 || c == '\\' || c == ':') return 400;
    if (n == HTTP_PATH_MAX - sizeof "index.html") return 414;
    path_out[n++] = (char)c;
  }
  path_out[n] = '\0';
  return 0;
}

/* "/a/b?c" becomes "a/b". Decoding comes before the look for dots, so that "%2e%2e" is seen. */
static int parse_target(struct text target, char *path_out) {
  if (target.length > 7 && is_nocase((struct text){target.at, 7}, "http://")) {
    const char *slash = memchr(target.at + 7, '/', target.length - 7);
    if (!slash) return 400;
    target = (struct text){slash, target.length - (size_t)(slash - target.at)};
  }
  target = take_until(&target, '?');
  if (target.length == 0 || *target.at != '/') return 400;
  target = (struct text){target.at + 1, target.length - 1};
  const int refused = decode(target, path_out);
  if (refused) return refused;

  /* ".." would leave the folder, and hidden files are nobody's business: neither exists here. An
   * empty segment ("//etc") would make the path absolute, or a share on Windows. */
  for (const char *segment = path_out; segment; segment = strchr(segment, '/')) {
    if (segment > path_out) segment++; /* behind the slash */
    if (*segment == '.' || *segment == '/') return 404;
  }
  const size_t length = strlen(path_out);
  if (length == 0 || path_out[length - 1] == '/')
    memcpy(path_out + length, "index.html", sizeof "index.html");
  return 0;
}

/* ---- the request -------------------------------------------------------------------------- */

static void parse_header(struct http_request *r, struct text line) {
  const struct text name = take_until(&line, ':');
  if (!is_token(name) || name.at + name.length == line.at || has_control_character(line)) {
    r->status = 400;
    return;
  }
  const struct text value = trim(line);
  if (is_nocase(name, "host")) r->hosts++;
  if (is_nocase(name, "transfer-encoding")) r->body = 1;
  if (is_nocase(name, "content-length") && !is(value, "0")) r->body = 1;
  if (is_nocase(name, "connection"))
    for (struct text rest = value; rest.length > 0;) {
      const struct text option = trim(take_until(&rest, ','));
      if (is_nocase(option, "close")) r->close = 1;
      if (is_nocase(option, "keep-alive")) r->stay = 1;
    }
}

/* Returns the status. */
static int parse_request_line(struct http_request *r, struct text line) {
  if (has_control_character(line)) return 400;
  const struct text method = take_until(&line, ' ');
  const struct text target = take_until(&line, ' ');
  if (!is_token(method)) return 400;
  r->minor = is(line, "HTTP/1.1");
  if (!r->minor && !is(line, "HTTP/1.0"))
    return line.length == 8 && memcmp(line.at, "HTTP/", 5) == 0 ? 505 : 400;
  r->head_only = is(method, "HEAD");
  if (!r->head_only && !is(method, "GET")) return 405;
  const int refused = parse_target(target, r->path);
  return refused ? refused : 200;
}

static void end_request(struct http_request *r) {
  if (r->status == 200 && r->minor == 1 && r->hosts != 1) r->status = 400;
  /* A malformed request may not end where it seems to, and a body would have to be read first:
   * what comes after either is not taken for a request. */
  r->keep_alive =
      !r->close && (r->minor == 1 || r->stay) && !r->body && r->status != 400 && r->status != 505;
}

size_t http_parse(struct http_request *r, const char *bytes, size_t length, size_t capacity) {
  const char *end;
  while ((end = memchr(bytes + r->searched, '\n', length - r->searched))) {
    struct text line = {bytes + r->line, (size_t)(end - bytes) - r->line};
    if (line.length > 0 && end[-1] == '\r') line.length--;
    r->line = r->searched = (size_t)(end - bytes) + 1;
    if (line.length > 0 && r->status) {
      parse_header(r, line);
    } else if (line.length > 0) {
      r->status = parse_request_line(r, line);
    } else if (r->status) { /* empty lines before a request are to be ignored */
      end_request(r);
      return r->line;
    }
  }
  r->searched = length;
  if (length < capacity) return 0;
  r->status = r->status ? 431 : 414;
  return length;
}

/* ---- the response ------------------------------------------------------------------------- */

const char *http_reason(int status) {
  switch (status) {
  case 200: return "OK";
  case 400: return "Bad Request";
  case 403: return "Forbidden";
  case 404: return "Not Found";
  case 405: return "Method Not Allowed";
  case 414: return "URI Too Long";
  case 431: return "Request Header Fields Too Large";
  case 503: return "Service Unavailable";
  case 505: return "HTTP Version Not Supported";
  default: return "Internal Server Error";
  }
}

const char *http_content_type(const char *path) {
  static const char *const types[][2] = {
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript"},
      {".json", "application/json"},
      {".txt", "text/plain; charset=utf-8"},
      {".md", "text/plain; charset=utf-8"},
      {".c", "text/plain; charset=utf-8"},
      {".h", "text/plain; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".gif", "image/gif"},
      {".pdf", "application/pdf"},
      {".wasm", "application/wasm"},
  };
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++)
    if (is_nocase((struct text){dot, strlen(dot)}, types[i][0])) return types[i][1];
  return "application/octet-stream";
}

/* One is made for each second. */
static const char *date_line(void) {
  static char line[64];
  static time_t made;
  const time_t now = time(NULL);
  const struct tm *utc = now == made ? NULL : gmtime(&now);
  if (!utc) return line;
  strftime(line, sizeof line, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", utc);
  made = now;
  return line;
}

size_t http_write_head(char *out, int status, const char *type, int64_t length, int keep_alive) {
  const int n = snprintf(out, HTTP_HEAD_MAX,
                         "HTTP/1.1 %d %s\r\n"
                         "%s"
                         "Content-Type: %s\r\n"
                         "Content-Length: %" PRId64 "\r\n"
                         "X-Content-Type-Options: nosniff\r\n"
                         "%s"
                         "%s\r\n",
                         status, http_reason(status), date_line(), type, length,
                         status == 405 ? "Allow: GET, HEAD\r\n" : "",
                         keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
  return (size_t)n;
}
