/* SPDX-License-Identifier: MIT */
/* evpoll-serve: a static file server, and the first program to read about evpoll.
 *
 * One thread, one wait, two kinds of data:
 *
 *   sockets report READINESS    evpoll_add() once; then try recv or send until it would block,
 *                               evpoll_rearm(), and go on when the event says "try again"
 *   files report COMPLETIONS    evpoll_submit() hands a buffer to the kernel; the event says that
 *                               the bytes are in it, and the buffer is ours again (with
 *                               EVPOLL_IO_INLINE the call itself may say so)
 *
 * Both come out of the same evpoll_wait(): see run() and dispatch(), then follow one request
 * through read_request(), respond(), fill(), read_chunk(), read_done() and send_response().
 *
 * A connection has two chunks for 64 KiB of a file each: while one is being sent, the other is
 * being read. No more of a file is read than fits into them, so a slow reader holds up nobody and
 * costs no memory.
 *
 * Who owns a connection: the loop. The token of its socket is its address, and the token of a read
 * is the address of its chunk. That is safe because a closed connection is freed only after the
 * array of events has been worked through (the array may name it once more) and when its last read
 * has completed (until then the kernel may write into its chunks): see bury_dead().
 *
 * Only ISO C and evpoll.h: this file builds unchanged on every system. Opening a file may wait for
 * the disk, because systems have no other way that all of them share. */
#include "common.h"
#include "http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  CHUNK = 64 * 1024,
  REQUEST_MAX = 8 * 1024,
  EVENTS = 256,    /* events of one wait */
  ACCEPTS = 64,    /* connections accepted in a row, before others get their turn */
  FAIR_SHARE = 64, /* steps of one connection in a row, likewise */
  STOP_SECONDS = 5 /* after Ctrl-C: how long a client may keep us waiting */
};

/* No object has these addresses. */
#define TOKEN_LISTENER 0
#define TOKEN_WAKE     1
#define NO_HANDLE      (-1)

enum chunk_state { EMPTY, QUEUED, READING, FULL };

struct chunk {
  struct connection *owner;
  struct chunk *next_queued;
  char *bytes;
  size_t wanted, filled, sent;
  int64_t offset; /* of the next byte to read */
  enum chunk_state state;
};

enum phase { REQUEST, RESPONSE, LINGER, CLOSED };

struct connection {
  evpoll_handle socket, file;
  enum phase phase;
  int keep_alive;
  int64_t file_next, file_left; /* what no chunk has been asked to read yet */
  struct chunk chunks[2];
  int filling, sending; /* which chunk is next for either */
  size_t received;
  char request[REQUEST_MAX];
  int64_t last_progress; /* seconds */
  struct connection *older, *newer, *next_dead;
  char memory[]; /* both chunks' bytes */
};

struct server {
  evpoll *poller;
  evpoll_handle listener;
  const char *folder;
  int64_t now;
  long idle_seconds, connections, connections_limit;
  int accepting, stopping;
  struct connection *oldest, *newest; /* open connections, by their last progress */
  struct connection *dead;            /* closed ones that are not freed yet */
  struct chunk *queue_head, *queue_tail;
  uint64_t accepted, requests, refused, bytes;
};

static void *object_of(uint64_t token) { return (void *)(uintptr_t)token; }

/* ---- files ---------------------------------------------------------------------------------- */

static void close_connection(struct server *s, struct connection *c);

/* evpoll has no room (EVPOLL_ERR_AGAIN). So something is in flight, and its completion brings us to
 * retry_reads(). */
static void queue_read(struct server *s, struct chunk *chunk) {
  chunk->next_queued = NULL;
  *(s->queue_tail ? &s->queue_tail->next_queued : &s->queue_head) = chunk;
  s->queue_tail = chunk;
}

/* The disk failed, or the file became shorter than the head has promised. Cutting the connection is
 * the only way left to tell. */
static void fail_read(struct server *s, struct chunk *chunk) {
  chunk->state = EMPTY;
  close_connection(s, chunk->owner);
}

/* Reads may come back short: then the chunk's state stays READING. */
static void take_bytes(struct server *s, struct chunk *chunk, int64_t n) {
  chunk->filled += (size_t)n;
  chunk->offset += n;
  if (n == 0)
    fail_read(s, chunk);
  else if (chunk->filled == chunk->wanted)
    chunk->state = FULL;
}

/* Reads what the chunk wants. What is in the system's cache is there at once, and one that takes
 * longer ends in read_done(). */
static void read_chunk(struct server *s, struct chunk *chunk) {
  const int queued = chunk->state == QUEUED;
  chunk->state = READING;
  while (chunk->state == READING) {
    evpoll_io io = {
        .token = EVPOLL_ADDR(chunk),
        .handle = chunk->owner->file,
        .offset = chunk->offset,
        .buffer = EVPOLL_ADDR(chunk->bytes + chunk->filled),
        .length = chunk->wanted - chunk->filled,
        .code = EVPOLL_IO_READ,
        .flags = EVPOLL_IO_INLINE,
    };
    const int32_t accepted = evpoll_submit(s->poller, &io, 1);
    const int32_t status = accepted < 0 ? accepted : io.status;
    if (io.op) return;
    if (status >= 0) {
      take_bytes(s, chunk, status);
    } else if (status == EVPOLL_ERR_AGAIN) {
      chunk->state = QUEUED;
      if (!queued) queue_read(s, chunk);
    } else {
      if (status != EVPOLL_ERR_SHUTDOWN) complain("cannot read a file", status);
      fail_read(s, chunk);
    }
  }
}

static void drive(struct server *s, struct connection *c);

static void retry_reads(struct server *s) {
  struct chunk *chunk;
  while ((chunk = s->queue_head)) {
    if (chunk->owner->phase == CLOSED)
      chunk->state = EMPTY;
    else
      read_chunk(s, chunk);
    if (chunk->state == QUEUED) return;
    s->queue_head = chunk->next_queued;
    if (!s->queue_head) s->queue_tail = NULL;
    if (chunk->state == FULL) drive(s, chunk->owner);
  }
}

/* Gives empty chunks something to read. Nothing happens while both are in use: that is the
 * back-pressure. */
static void fill(struct server *s, struct connection *c) {
  while (c->file_left > 0 && c->phase != CLOSED && c->chunks[c->filling].state == EMPTY) {
    struct chunk *chunk = &c->chunks[c->filling];
    /* The first one holds the head already. */
    const size_t length = c->file_left < CHUNK ? (size_t)c->file_left : CHUNK;
    chunk->wanted = chunk->filled + length;
    chunk->offset = c->file_next;
    c->file_next += (int64_t)length;
    c->file_left -= (int64_t)length;
    c->filling ^= 1;
    read_chunk(s, chunk);
  }
}

/* ---- connections --------------------------------------------------------------------------- */

static void unlink_connection(struct server *s, struct connection *c) {
  *(c->older ? &c->older->newer : &s->oldest) = c->newer;
  *(c->newer ? &c->newer->older : &s->newest) = c->older;
}

static void link_newest(struct server *s, struct connection *c) {
  c->last_progress = s->now;
  c->older = s->newest;
  c->newer = NULL;
  *(s->newest ? &s->newest->newer : &s->oldest) = c;
  s->newest = c;
}

/* Receiving bytes is no progress: who sends one byte a minute is as idle as who sends none. */
static void note_progress(struct server *s, struct connection *c) {
  unlink_connection(s, c);
  link_newest(s, c);
}

static void accept_again(struct server *s, int on) {
  if (s->accepting == on) return;
  const uint32_t interest = on ? EVPOLL_READABLE : 0;
  if (evpoll_modify(s->poller, s->listener, TOKEN_LISTENER, interest, EVPOLL_LEVEL) >= 0)
    s->accepting = on;
}

/* Interest in both directions once and for all: with EVPOLL_EDGE, changing one's mind about what
 * to wait for costs nothing. */
static int32_t open_connection(struct server *s, evpoll_handle socket) {
  struct connection *c = malloc(sizeof *c + (size_t)2 * (HTTP_HEAD_MAX + CHUNK));
  if (!c) return EVPOLL_ERR_NO_MEMORY;
  memset(c, 0, sizeof *c);
  c->socket = socket;
  c->file = NO_HANDLE;
  for (int i = 0; i < 2; i++) {
    c->chunks[i].owner = c;
    c->chunks[i].bytes = c->memory + i * (HTTP_HEAD_MAX + CHUNK);
  }
  const int32_t status =
      evpoll_add(s->poller, socket, EVPOLL_ADDR(c), EVPOLL_READABLE | EVPOLL_WRITABLE, EVPOLL_EDGE);
  if (status < 0) {
    free(c);
    return status;
  }
  evpoll_socket_set_nodelay(socket, 1); /* chunks are large: never hold back the last piece */
  link_newest(s, c);
  s->connections++;
  s->accepted++;
  return 0;
}

static void accept_connections(struct server *s) {
  for (int i = 0; i < ACCEPTS && s->connections < s->connections_limit; i++) {
    evpoll_handle socket;
    int32_t status = evpoll_socket_accept(s->listener, &socket);
    if (status == EVPOLL_ERR_WOULD_BLOCK) return;
    if (status >= 0) {
      status = open_connection(s, socket);
      if (status < 0) evpoll_socket_close(socket);
      continue;
    }
    /* No descriptor is left, but each connection needs a second one for its file: keep half as
     * many from now on. The others wait in the backlog. */
    if (status == EVPOLL_ERR_LIMIT && s->connections > 1) s->connections_limit = s->connections / 2;
    accept_again(s, 0);
    return;
  }
  /* Who looks at the listener and does not accept is told again by every wait: look away. */
  if (s->connections >= s->connections_limit) accept_again(s, 0);
}

static int reads_in_flight(const struct connection *c) {
  return c->chunks[0].state == READING || c->chunks[1].state == READING ||
         c->chunks[0].state == QUEUED || c->chunks[1].state == QUEUED;
}

/* Removing comes before closing: it promises that no later wait names the connection. The file
 * stays open while reads are in flight, or its number might become another file's under them. */
static void close_connection(struct server *s, struct connection *c) {
  evpoll_remove(s->poller, c->socket, EVPOLL_ADDR(c));
  evpoll_socket_close(c->socket);
  if (reads_in_flight(c)) evpoll_cancel_handle(s->poller, c->file); /* nobody wants the bytes */
  unlink_connection(s, c);
  c->phase = CLOSED;
  c->next_dead = s->dead;
  s->dead = c;
}

static void bury_dead(struct server *s) {
  struct connection **link = &s->dead;
  while (*link) {
    struct connection *c = *link;
    if (reads_in_flight(c)) {
      link = &c->next_dead;
      continue;
    }
    *link = c->next_dead;
    if (c->file != NO_HANDLE) evpoll_file_close(c->file);
    free(c);
    s->connections--;
    if (!s->stopping) accept_again(s, 1);
  }
}

/* ---- one request --------------------------------------------------------------------------- */

/* Opens what the request names; returns the status of the response. */
static int open_file(struct server *s, const char *path, evpoll_handle *file_out,
                     int64_t *size_out) {
  char full[4096];
  const int length = snprintf(full, sizeof full, "%s/%s", s->folder, path);
  if (length < 0 || (size_t)length >= sizeof full) return 404;
  evpoll_handle file;
  int32_t status = evpoll_file_open(full, EVPOLL_FILE_READ, &file);
  if (status >= 0) {
    status = evpoll_file_size(file, size_out);
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

/* Starts the response. Its head goes in front of the first bytes of the file, so that a small
 * file leaves in one send. */
static void respond(struct server *s, struct connection *c, const struct http_request *request) {
  int64_t size = 0;
  int status = request->status;
  if (status == 200) status = open_file(s, request->path, &c->file, &size);
  s->requests++;
  if (status != 200) s->refused++;

  struct chunk *first = &c->chunks[c->filling];
  char text[64];
  const char *type = http_content_type(status == 200 ? request->path : ".txt");
  if (status != 200) size = snprintf(text, sizeof text, "%d %s\n", status, http_reason(status));
  c->keep_alive = request->keep_alive && !s->stopping;
  first->filled = http_write_head(first->bytes, status, type, size, c->keep_alive);
  if (status != 200 && !request->head_only) {
    memcpy(first->bytes + first->filled, text, (size_t)size);
    first->filled += (size_t)size;
  }
  c->phase = RESPONSE;
  c->file_next = 0;
  c->file_left = status == 200 && !request->head_only ? size : 0;
  if (c->file_left > 0) {
    fill(s, c);
  } else {
    first->wanted = first->filled;
    first->state = FULL;
    c->filling ^= 1;
  }
}

static void end_response(struct server *s, struct connection *c) {
  if (c->file != NO_HANDLE) evpoll_file_close(c->file);
  c->file = NO_HANDLE;
  note_progress(s, c);
  c->phase = c->keep_alive ? REQUEST : LINGER;
  /* Closing with unread bytes in the socket resets the connection, and the client may lose the end
   * of the response. So say that this was all, and read what comes until the client has closed. */
  if (c->phase == LINGER) evpoll_socket_shutdown(c->socket, EVPOLL_SHUTDOWN_WRITE);
}

/* ---- the three phases: each step returns 1 to go on at once, 0 to wait for an event --------- */

static int would_block(struct server *s, struct connection *c, uint32_t bit) {
  if (evpoll_rearm(s->poller, c->socket, EVPOLL_ADDR(c), bit) < 0) close_connection(s, c);
  return 0;
}

static int read_request(struct server *s, struct connection *c) {
  struct http_request request;
  size_t used = http_parse(c->request, c->received, &request);
  if (used == 0 && c->received == REQUEST_MAX) {
    request.status = http_too_long_status(c->request, c->received);
    request.keep_alive = 0;
    used = c->received;
  }
  if (used > 0) { /* what is left is the next request of a client that does not wait for answers */
    c->received -= used;
    memmove(c->request, c->request + used, c->received);
    respond(s, c, &request);
    return 1;
  }
  const int32_t n =
      evpoll_socket_recv(c->socket, c->request + c->received, REQUEST_MAX - c->received);
  if (n == EVPOLL_ERR_WOULD_BLOCK) return would_block(s, c, EVPOLL_READABLE);
  if (n <= 0)
    close_connection(s, c);
  else
    c->received += (size_t)n;
  return 1;
}

static int send_response(struct server *s, struct connection *c) {
  struct chunk *chunk = &c->chunks[c->sending];
  if (chunk->state == QUEUED || chunk->state == READING) return 0; /* read_done() goes on */
  if (chunk->state == EMPTY) { /* fill() had nothing more for it */
    end_response(s, c);
    return 1;
  }

  const int32_t n =
      evpoll_socket_send(c->socket, chunk->bytes + chunk->sent, chunk->wanted - chunk->sent);
  if (n == EVPOLL_ERR_WOULD_BLOCK) return would_block(s, c, EVPOLL_WRITABLE);
  if (n < 0) {
    close_connection(s, c);
    return 0;
  }
  s->bytes += (uint64_t)n;
  chunk->sent += (size_t)n;
  note_progress(s, c);
  if (chunk->sent == chunk->wanted) {
    chunk->state = EMPTY;
    chunk->sent = chunk->filled = chunk->wanted = 0;
    c->sending ^= 1;
    fill(s, c);
  }
  return 1;
}

static int linger(struct server *s, struct connection *c) {
  const int32_t n = evpoll_socket_recv(c->socket, c->request, REQUEST_MAX);
  if (n == EVPOLL_ERR_WOULD_BLOCK) return would_block(s, c, EVPOLL_READABLE);
  if (n <= 0) close_connection(s, c);
  return 1;
}

static void drive(struct server *s, struct connection *c) {
  static int (*const steps[])(struct server *, struct connection *) = {
      [REQUEST] = read_request, [RESPONSE] = send_response, [LINGER] = linger};
  for (int i = 0; i < FAIR_SHARE; i++)
    if (c->phase == CLOSED || !steps[c->phase](s, c)) return;
  /* The others first. Nothing has blocked yet, so no event would come by itself: modify makes the
   * next wait look at the socket afresh. */
  if (c->phase != CLOSED && evpoll_modify(s->poller, c->socket, EVPOLL_ADDR(c),
                                          EVPOLL_READABLE | EVPOLL_WRITABLE, EVPOLL_EDGE) < 0)
    close_connection(s, c);
}

/* ---- events -------------------------------------------------------------------------------- */

static void read_done(struct server *s, struct chunk *chunk, const evpoll_event *event) {
  struct connection *c = chunk->owner;
  if (c->phase == CLOSED)
    chunk->state = EMPTY; /* bury_dead() was waiting for this */
  else if (event->status < 0)
    fail_read(s, chunk);
  else
    take_bytes(s, chunk, event->result);
  if (chunk->state == READING) read_chunk(s, chunk);
  if (chunk->state == FULL) drive(s, c);
}

/* Responses that have begun are finished; who is between two requests has nothing to lose. */
static void begin_stop(struct server *s) {
  s->stopping = 1;
  announce_stop();
  accept_again(s, 0);
  if (s->idle_seconds > STOP_SECONDS) s->idle_seconds = STOP_SECONDS;
  for (struct connection *c = s->oldest, *next; c; c = next) {
    next = c->newer;
    c->keep_alive = 0;
    if (c->phase == REQUEST) close_connection(s, c);
  }
}

static void dispatch(struct server *s, const evpoll_event *event) {
  if (event->events & EVPOLL_IO)
    read_done(s, object_of(event->token), event);
  else if (event->events & EVPOLL_WAKE)
    begin_stop(s);
  else if (event->token == TOKEN_LISTENER)
    accept_connections(s);
  else
    drive(s, object_of(event->token));
}

/* Seconds of the wall clock will do: should it jump, idle clients notice and nobody else. */
static int64_t next_timeout(const struct server *s) {
  int64_t seconds = -1;
  if (s->oldest) seconds = s->oldest->last_progress + s->idle_seconds - s->now;
  if (s->oldest && seconds < 0) seconds = 0;
  if (!s->accepting && !s->stopping) seconds = 1; /* others may have freed what we lacked */
  return seconds < 0 ? EVPOLL_INFINITE : seconds * 1000000000;
}

static void expire_idle(struct server *s) {
  while (s->oldest && s->now - s->oldest->last_progress >= s->idle_seconds)
    close_connection(s, s->oldest);
}

static int32_t run(struct server *s) {
  evpoll_event events[EVENTS];
  while (!s->stopping || s->connections > 0) {
    const int32_t n = evpoll_wait(s->poller, events, EVENTS, next_timeout(s));
    if (n == EVPOLL_ERR_SHUTDOWN) return 0;
    if (n < 0) return n;
    s->now = (int64_t)time(NULL);
    for (int32_t i = 0; i < n; i++) dispatch(s, &events[i]);
    if (n == 0 && !s->stopping) accept_again(s, 1);
    expire_idle(s);
    retry_reads(s);
    bury_dead(s);
  }
  return 0;
}

/* ---- start and end -------------------------------------------------------------------------- */

static void close_server(struct server *s) {
  ignore_stop_signals();
  while (s->oldest) close_connection(s, s->oldest);
  print_report("evpoll-serve", s->poller);
  printf("evpoll-serve: %" PRIu64 " connections, %" PRIu64 " requests (%" PRIu64
         " refused), %" PRIu64 " bytes sent\n",
         s->accepted, s->requests, s->refused, s->bytes);
  evpoll_close(s->poller, EVPOLL_INFINITE); /* from here on the kernel has no buffer of ours */
  for (struct connection *c = s->dead, *next; c; c = next) {
    next = c->next_dead;
    if (c->file != NO_HANDLE) evpoll_file_close(c->file);
    free(c);
  }
}

static int take_arguments(struct server *s, struct common_options *options_out, int n, char **at) {
  for (; n > 0; n--, at++) {
    int taken = take_common(*at, options_out);
    if (!taken) taken = take_number(*at, "--idle", 1, 86400, &s->idle_seconds);
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
  struct server s = {.accepting = 1, .idle_seconds = 30, .now = (int64_t)time(NULL)};
  if (!take_arguments(&s, &options, argc - 1, argv + 1)) {
    fprintf(stderr,
            "usage: evpoll-serve FOLDER [OPTION]...\n" COMMON_USAGE
            "  --idle=SECONDS      close connections without progress after this time (30)\n");
    return 2;
  }
  s.connections_limit = options.connections;
  s.poller = open_poller(&options, TOKEN_WAKE);
  if (!s.poller) return 1;
  wake_on_stop_signals(s.poller);
  int32_t status = listen_on(s.poller, &options, TOKEN_LISTENER, &s.listener);
  if (status >= 0) {
    status = run(&s);
    if (status < 0) complain("cannot wait", status);
    evpoll_socket_close(s.listener);
  }
  close_server(&s);
  return status < 0;
}
