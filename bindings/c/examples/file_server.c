/* SPDX-License-Identifier: MIT */
/* evpoll-serve: a static file server.
 *
 * A connection has one operation in flight, and its phase says which: see next(), which is all that
 * there is to know of the order of things.
 *
 *   REQUEST       READ until the request is complete, all in all within the limit of time
 *   START         READ of a file that is small: it leaves with its head
 *   HEAD          WRITE of the head, all of it, with MORE if a body follows
 *   BODY          SEND_FILE: evpoll moves the file into the socket, from the system's cache at
 *                 once, from a disk by others meanwhile, and never more than the client takes
 *   CLOSE_FILE    CLOSE of the file, so that there is one for each connection at a time
 *   SHUTDOWN      after the last response: that was all
 *   LINGER        READ what still comes until the client has closed, too
 *   CLOSE_SOCKET  CLOSE: its event is the last one, and the connection is freed
 *
 * What ends in the call that submits it (EVPOLL_OPF_INLINE) needs no event: most files are in the
 * system's cache, and most sockets have room. An operation that its limit ended after it has moved
 * something goes on: the limit is for clients without progress, not for slow ones.
 *
 * Only ISO C and evpoll.h: this file builds unchanged on every system. Opening a file may wait for
 * the disk, because systems have no other way that all of them share. */
#include "common.h"
#include "http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  REQUEST_MAX = 8 * 1024,
  SMALL = 4096,    /* such a file is sent with its head */
  EVENTS = 256,    /* events of one wait */
  ACCEPTS = 64,    /* connections accepted in a row, before others get their turn */
  FAIR_SHARE = 16, /* operations of one connection that may end inline in a row, likewise */
  STOP_SECONDS = 5 /* after Ctrl-C: how long a client may keep us waiting */
};

/* No object has these addresses. */
#define TOKEN_LISTENER 0
#define TOKEN_WAKE     1
#define NO_HANDLE      (-1)

enum phase { REQUEST, START, HEAD, BODY, CLOSE_FILE, SHUTDOWN, LINGER, CLOSE_SOCKET, CLOSED };

struct connection {
  evpoll_handle socket, file;
  enum phase phase;
  evpoll_io io; /* the phase's operation */
  int keep_alive, failed;
  int64_t deadline; /* of a request, and of lingering */
  int64_t file_next, file_left;
  struct http_request request;
  size_t received;
  char input[REQUEST_MAX];
  size_t length;
  char
      output[HTTP_HEAD_MAX + SMALL]; /* a head, with a small file or the reason why there is none */
};

struct server {
  evpoll *poller;
  evpoll_handle listener;
  const char *folder;
  long connections, connections_limit, idle_seconds;
  int accepting;
  int stopping; /* 1: what has begun is finished; 2: nothing is */
  uint64_t accepted, requests, refused, bytes;
};

/* ---- operations ----------------------------------------------------------------------------- */

static void prepare(struct connection *c, enum phase phase, uint32_t code, evpoll_handle handle) {
  c->phase = phase;
  c->io = (evpoll_io){.token = EVPOLL_ADDR(c), .handle = handle, .code = code};
}

static void prepare_data(struct connection *c, const void *bytes, size_t length) {
  c->io.buffer = EVPOLL_ADDR(bytes);
  c->io.length = length;
}

static uint32_t limit_ms(const struct server *s) { return (uint32_t)s->idle_seconds * 1000; }

/* Time that is left, for who is to be quick with the whole. */
static uint32_t rest_ms(const struct server *s, const struct connection *c) {
  const int64_t ms = (c->deadline - evpoll_now()) / 1000000;
  return ms < 1 ? 1 : ms < limit_ms(s) ? (uint32_t)ms : limit_ms(s);
}

static void set_deadline(const struct server *s, struct connection *c) {
  c->deadline = evpoll_now() + (int64_t)limit_ms(s) * 1000000;
}

static void prepare_close(struct connection *c) {
  const int has_file = c->file != NO_HANDLE;
  prepare(c, has_file ? CLOSE_FILE : CLOSE_SOCKET, EVPOLL_OP_CLOSE, has_file ? c->file : c->socket);
  c->file = NO_HANDLE;
}

static void fail(struct connection *c) {
  c->failed = 1;
  prepare_close(c);
}

/* Has it moved what it could, so that the rest may follow? */
static int may_go_on(const struct server *s, int32_t status, int64_t result) {
  if (status == EVPOLL_ERR_CANCELLED) return s->stopping == 1; /* by begin_stop() */
  if (status == EVPOLL_ERR_EXPIRED) return result > 0;
  return status >= 0 && result > 0;
}

/* ---- one request --------------------------------------------------------------------------- */

/* Opens what the request names, for operations; returns the status of the response. */
static int open_file(struct server *s, const char *path, evpoll_handle *file_out,
                     int64_t *size_out) {
  char full[4096];
  const int length = snprintf(full, sizeof full, "%s/%s", s->folder, path);
  if (length < 0 || (size_t)length >= sizeof full) return 404;
  evpoll_handle file;
  int32_t status = evpoll_file_open(full, EVPOLL_FILE_READ, 0, &file);
  if (status >= 0) {
    status = evpoll_file_size(file, size_out);
    if (status >= 0) status = evpoll_add(s->poller, file, 0, 0, EVPOLL_OPERATIONS);
    if (status < 0) evpoll_file_close(file);
  }
  switch (status) {
  case EVPOLL_OK: *file_out = file; return 200;
  case EVPOLL_ERR_NOT_FOUND:
  case EVPOLL_ERR_INVALID:
  case EVPOLL_ERR_UNSUPPORTED: return 404; /* nothing, or a folder, or no file in our sense */
  case EVPOLL_ERR_ACCESS: return 403;
  case EVPOLL_ERR_LIMIT:
  case EVPOLL_ERR_NO_MEMORY: return 503;
  default: complain(full, status); return 500;
  }
}

static void read_start(struct connection *c) {
  prepare(c, START, EVPOLL_OP_READ, c->file);
  prepare_data(c, c->output + c->length, (size_t)c->file_left);
  c->io.offset = c->file_next;
}

static void send_head(struct connection *c) {
  prepare(c, HEAD, EVPOLL_OP_WRITE, c->socket);
  prepare_data(c, c->output, c->length);
}

static void respond(struct server *s, struct connection *c) {
  const struct http_request *request = &c->request;
  int64_t size = 0;
  int status = request->status;
  if (status == 200) status = open_file(s, request->path, &c->file, &size);
  s->requests++;
  if (status != 200) s->refused++;

  char text[64];
  const char *type = http_content_type(status == 200 ? request->path : ".txt");
  if (status != 200) size = snprintf(text, sizeof text, "%d %s\n", status, http_reason(status));
  c->keep_alive = request->keep_alive && !s->stopping;
  c->length = http_write_head(c->output, status, type, size, c->keep_alive);
  if (status != 200 && !request->head_only) {
    memcpy(c->output + c->length, text, (size_t)size);
    c->length += (size_t)size;
  }
  c->file_next = 0;
  c->file_left = status == 200 && !request->head_only ? size : 0;
  if (c->file_left > 0 && c->file_left <= SMALL)
    read_start(c);
  else
    send_head(c);
}

static void read_request(struct server *s, struct connection *c) {
  const size_t used = http_parse(&c->request, c->input, c->received, REQUEST_MAX);
  if (used > 0) { /* what is left is the next request of a client that does not wait for answers */
    c->received -= used;
    memmove(c->input, c->input + used, c->received);
    respond(s, c);
    c->request = (struct http_request){0};
    return;
  }
  prepare(c, REQUEST, EVPOLL_OP_READ, c->socket);
  prepare_data(c, c->input + c->received, REQUEST_MAX - c->received);
}

static void send_body(struct connection *c) {
  prepare(c, BODY, EVPOLL_OP_SEND_FILE, c->socket);
  c->io.offset = c->file_next;
  c->io.buffer = (uint64_t)c->file;
  c->io.length = (uint64_t)c->file_left;
}

/* Closing with unread bytes in the socket resets the connection, and the client may lose the end of
 * the response. So say that this was all, and read what comes until the client has closed. */
static void end_response(struct server *s, struct connection *c) {
  set_deadline(s, c);
  if (c->failed) {
    prepare_close(c);
  } else if (c->keep_alive && !s->stopping) {
    read_request(s, c);
  } else {
    prepare(c, SHUTDOWN, EVPOLL_OP_SHUTDOWN, c->socket);
    c->io.length = EVPOLL_SHUTDOWN_WRITE;
  }
}

static void linger(struct connection *c) {
  prepare(c, LINGER, EVPOLL_OP_READ, c->socket);
  prepare_data(c, c->input, REQUEST_MAX);
}

/* ---- what follows what --------------------------------------------------------------------- */

/* The connection's operation has ended: prepares the next one. */
static void next(struct server *s, struct connection *c, int32_t status, int64_t result) {
  const int on = may_go_on(s, status, result);
  if (s->stopping > 1 && c->phase < CLOSE_SOCKET) c->failed = 1;
  switch (c->phase) {
  case REQUEST:
    if (status < 0 || result == 0 || c->failed) break;
    c->received += (size_t)result;
    read_request(s, c);
    return;
  case START:
    if (!on || c->failed) break;
    c->length += (size_t)result;
    c->file_next += result;
    c->file_left -= result;
    if (c->file_left > 0)
      read_start(c);
    else
      send_head(c);
    return;
  case HEAD:
    if (!on || c->failed) break;
    s->bytes += (uint64_t)result;
    c->io.offset = 0;
    c->io.buffer += (uint64_t)result;
    c->io.length -= (uint64_t)result;
    if (c->io.length > 0) return;
    if (c->file_left > 0)
      send_body(c);
    else if (c->file != NO_HANDLE)
      prepare_close(c);
    else
      end_response(s, c);
    return;
  case BODY: /* nothing was moved: the file is shorter than the head has promised */
    if (!on || c->failed) break;
    s->bytes += (uint64_t)result;
    c->file_next += result;
    c->file_left -= result;
    if (c->file_left > 0)
      send_body(c);
    else
      prepare_close(c);
    return;
  case CLOSE_FILE: end_response(s, c); return;
  case SHUTDOWN:
  case LINGER:
    if (c->failed || (c->phase == LINGER ? !on : status < 0)) break;
    linger(c);
    return;
  case CLOSE_SOCKET:
  case CLOSED: c->phase = CLOSED; return;
  }
  fail(c);
}

/* Peers have their limits, the disk has none. Requests do not end inline: others have their turn.
 */
static void limit(const struct server *s, struct connection *c, int may_end_inline) {
  const int reads = c->phase == REQUEST || c->phase == LINGER;
  const int sends = c->phase == HEAD || c->phase == BODY;
  c->io.flags = may_end_inline && !reads ? EVPOLL_OPF_INLINE : 0;
  if (c->phase == HEAD) c->io.flags |= EVPOLL_OPF_ALL | (c->file_left ? EVPOLL_OPF_MORE : 0);
  c->io.timeout_ms = reads ? rest_ms(s, c) : sends ? limit_ms(s) : 0;
}

static void accept_connections(struct server *s);

/* Submits what was prepared, and what follows, until something takes its time. */
static void drive(struct server *s, struct connection *c) {
  for (int i = 0; c->phase != CLOSED; i++) {
    limit(s, c, i < FAIR_SHARE);
    evpoll_submit(s->poller, &c->io, 1);
    if (c->io.op) return; /* its event goes on */
    next(s, c, c->io.status, c->io.offset);
  }
  free(c);
  s->connections--;
  accept_connections(s);
}

/* ---- connections --------------------------------------------------------------------------- */

static void open_connection(struct server *s, evpoll_handle socket) {
  struct connection *c = malloc(sizeof *c);
  if (!c || evpoll_add(s->poller, socket, 0, 0, EVPOLL_OPERATIONS) < 0) {
    free(c);
    evpoll_socket_close(socket);
    return;
  }
  memset(c, 0, sizeof *c);
  c->socket = socket;
  c->file = NO_HANDLE;
  evpoll_socket_set_nodelay(socket, 1);
  s->connections++;
  s->accepted++;
  set_deadline(s, c);
  read_request(s, c);
  drive(s, c);
}

/* No descriptor is left, but each connection needs a second one for its file: keep half as many
 * from now on. The others wait in the backlog. */
static void accepted(struct server *s, int32_t status, evpoll_handle socket) {
  if (status >= 0)
    open_connection(s, socket);
  else if (status == EVPOLL_ERR_LIMIT && s->connections > 1)
    s->connections_limit = s->connections / 2;
}

static void accept_connections(struct server *s) {
  if (s->accepting) return; /* also in the loop below */
  s->accepting = 1;
  int i = 0, pending = 0;
  for (; !pending && !s->stopping && s->connections < s->connections_limit; i++) {
    evpoll_io io = {.token = TOKEN_LISTENER, .handle = s->listener, .code = EVPOLL_OP_ACCEPT};
    io.flags = i < ACCEPTS ? EVPOLL_OPF_INLINE : 0;
    evpoll_submit(s->poller, &io, 1);
    pending = io.op != 0;
    if (!pending) accepted(s, io.status, io.offset);
  }
  s->accepting = pending;
}

/* ---- events -------------------------------------------------------------------------------- */

/* The first time, responses that have begun are finished; who is between two requests has nothing
 * to lose. All operations end here, and those that are to be finished are submitted again. */
static void begin_stop(struct server *s) {
  if (s->stopping++ == 0) {
    evpoll_io io = {.token = TOKEN_LISTENER, .handle = s->listener, .code = EVPOLL_OP_CLOSE};
    announce_stop();
    evpoll_submit(s->poller, &io, 1);
    if (s->idle_seconds > STOP_SECONDS) s->idle_seconds = STOP_SECONDS;
  }
  evpoll_cancel_all(s->poller);
}

static void dispatch(struct server *s, const evpoll_event *event) {
  struct connection *c = (struct connection *)(uintptr_t)event->token;
  if (event->events & EVPOLL_WAKE) {
    begin_stop(s);
  } else if (c) {
    next(s, c, event->status, event->result);
    drive(s, c);
  } else if (s->accepting) {
    s->accepting = 0;
    accepted(s, event->status, event->result);
    accept_connections(s);
  }
}

static int32_t run(struct server *s) {
  evpoll_event events[EVENTS];
  accept_connections(s);
  while (!s->stopping || s->connections > 0) {
    const int32_t n = evpoll_wait(s->poller, events, EVENTS, EVPOLL_INFINITE);
    if (n < 0) return n;
    for (int32_t i = 0; i < n; i++) dispatch(s, &events[i]);
  }
  return 0;
}

/* ---- start and end -------------------------------------------------------------------------- */

static void close_server(struct server *s) {
  ignore_stop_signals();
  print_report("evpoll-serve", s->poller);
  printf("evpoll-serve: %" PRIu64 " connections, %" PRIu64 " requests (%" PRIu64
         " refused), %" PRIu64 " bytes sent\n",
         s->accepted, s->requests, s->refused, s->bytes);
  evpoll_close(s->poller, EVPOLL_INFINITE);
}

static int take_arguments(struct server *s, struct common_options *options_out, int n, char **at) {
  for (; n > 0; n--, at++) {
    int taken = take_common(*at, options_out);
    if (!taken && **at != '-' && !s->folder) {
      s->folder = *at;
      taken = 1;
    }
    if (taken <= 0) return 0;
  }
  return s->folder != NULL;
}

int main(int argc, char **argv) {
  struct common_options options = common_defaults;
  struct server s = {0};
  if (!take_arguments(&s, &options, argc - 1, argv + 1)) {
    fprintf(stderr, "usage: evpoll-serve FOLDER [OPTION]...\n" COMMON_USAGE);
    return 2;
  }
  s.connections_limit = options.connections;
  s.idle_seconds = options.idle;
  s.poller = open_poller(&options, TOKEN_WAKE);
  if (!s.poller) return 1;
  wake_on_stop_signals(s.poller);
  int32_t status = listen_on(s.poller, &options, &s.listener);
  if (status >= 0) {
    status = run(&s);
    if (status < 0) complain("cannot wait", status);
  }
  close_server(&s);
  return status < 0;
}
