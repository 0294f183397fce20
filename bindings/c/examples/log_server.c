/* SPDX-License-Identifier: MIT */
/* evpoll-logd: a log server with group commit, and the reason why evpoll exists.
 *
 * Clients send lines over TCP and get one line back for each, in order; many lines may be sent
 * before the first answer is read:
 *
 *     PUT <text>      OK <number>              the record is on the disk
 *                     ERR <why>                it was not promised (see log_file.h)
 *     GET <number>    RECORD <number> <text>
 *                     NONE                     no durable record has this number
 *
 * "OK" is sent only after a write and a sync have finished, and a sync takes as long as the disk
 * likes. A server that waits for it inside a call serves nobody meanwhile; one with a thread for it
 * hands work to and fro. Here one thread waits once, for sockets and for the disk: while a batch is
 * being synced, the next one gathers from whatever arrives, so that under load hundreds of records
 * share one sync. Follow a record through answer_lines(), log_file.h and answered().
 *
 * Back-pressure: lines are taken only while there is room for their answers (a client that does not
 * read is not read either) and room in the batch.
 *
 * Who owns a connection: the loop. Its address is the token of its socket and of its reads; a
 * closed one is freed when no event, no read and no record in a batch can name it any more, see
 * bury_dead(). Only ISO C and evpoll.h: this file builds unchanged on every system. */
#include "common.h"
#include "log_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  LINE_MAX_BYTES = 4 + RECORD_TEXT_MAX + 1, /* "PUT ", the text, perhaps a CR */
  INPUT = 2 * LINE_MAX_BYTES,
  OUTPUT = 32 * 1024,
  PUT_ANSWER_MAX = 96, /* "OK <number>" or "ERR <why>" */
  GET_ANSWER_MAX = RECORD_TEXT_MAX + 96,
  EVENTS = 256,
  ACCEPTS = 64,   /* connections accepted in a row, before others get their turn */
  FAIR_SHARE = 16 /* receives of one connection in a row, likewise */
};

#define TOKEN_LISTENER 0
#define TOKEN_WAKE     1
#define TOKEN_LOG      2

struct connection {
  evpoll_handle socket;
  long slot;
  int closed, ended; /* by us; by the client, who may still read */
  int ready, stalled, skipping;
  int reading;       /* a GET waits for its record */
  size_t unanswered; /* PUTs whose batch is gathering or in flight */
  size_t in_start, in_end, out_start, out_end;
  evpoll_io read;
  size_t read_done;
  uint64_t read_number;
  struct connection *next_ready, *next_read, *next_dead;
  char input[INPUT], output[OUTPUT], record[RECORD_MAX];
};

struct server {
  evpoll *poller;
  evpoll_handle listener;
  struct log_file log;
  struct connection **connections;
  long count, open, limit; /* count includes dead ones */
  int accepting, stopping;
  long reads; /* queued or in flight */
  struct connection *ready, *dead, *read_head, *read_tail;
  uint64_t puts_refused, gets;
};

/* ---- connections --------------------------------------------------------------------------- */

static void make_ready(struct server *s, struct connection *c) {
  if (c->ready) return;
  c->ready = 1;
  c->next_ready = s->ready;
  s->ready = c;
}

static void accept_again(struct server *s, int on) {
  if (s->accepting == on) return;
  const uint32_t interest = on ? EVPOLL_READABLE : 0;
  if (evpoll_modify(s->poller, s->listener, TOKEN_LISTENER, interest, EVPOLL_LEVEL) >= 0)
    s->accepting = on;
}

static int32_t open_connection(struct server *s, evpoll_handle socket) {
  struct connection *c = calloc(1, sizeof *c);
  if (!c) return EVPOLL_ERR_NO_MEMORY;
  const int32_t status =
      evpoll_add(s->poller, socket, EVPOLL_ADDR(c), EVPOLL_READABLE | EVPOLL_WRITABLE, EVPOLL_EDGE);
  if (status < 0) {
    free(c);
    return status;
  }
  evpoll_socket_set_nodelay(socket, 1);
  c->socket = socket;
  c->slot = s->open;
  s->connections[s->open++] = c;
  s->count++;
  return 0;
}

static void accept_connections(struct server *s) {
  for (int i = 0; i < ACCEPTS && s->accepting; i++) {
    evpoll_handle socket;
    int32_t status =
        s->count < s->limit ? evpoll_socket_accept(s->listener, &socket) : EVPOLL_ERR_LIMIT;
    if (status == EVPOLL_ERR_WOULD_BLOCK) return;
    if (status >= 0) {
      status = open_connection(s, socket);
      if (status < 0) evpoll_socket_close(socket);
    } else {
      accept_again(s, 0); /* or every wait would report what cannot be accepted now */
    }
  }
}

static void close_connection(struct server *s, struct connection *c) {
  if (c->closed) return;
  evpoll_remove(s->poller, c->socket, EVPOLL_ADDR(c));
  evpoll_socket_close(c->socket);
  s->open--;
  s->connections[c->slot] = s->connections[s->open];
  s->connections[c->slot]->slot = c->slot;
  c->closed = 1;
  c->next_dead = s->dead;
  s->dead = c;
}

static void bury_dead(struct server *s) {
  struct connection **link = &s->dead;
  while (*link) {
    struct connection *c = *link;
    if (c->reading || c->unanswered > 0 || c->ready) {
      link = &c->next_dead;
      continue;
    }
    *link = c->next_dead;
    free(c);
    s->count--;
    if (!s->stopping) accept_again(s, 1);
  }
}

/* ---- output -------------------------------------------------------------------------------- */

/* Answers that are still to come have their room already. */
static int has_room(const struct connection *c) {
  const size_t used = c->out_end - c->out_start;
  return used + c->unanswered * PUT_ANSWER_MAX + GET_ANSWER_MAX <= OUTPUT;
}

static void answer(struct connection *c, const char *bytes, size_t length) {
  if (c->out_end + length > OUTPUT) {
    memmove(c->output, c->output + c->out_start, c->out_end - c->out_start);
    c->out_end -= c->out_start;
    c->out_start = 0;
  }
  memcpy(c->output + c->out_end, bytes, length);
  c->out_end += length;
}

static void answer_error(struct connection *c, const char *why) {
  char line[PUT_ANSWER_MAX];
  const int n = snprintf(line, sizeof line, "ERR %.80s\n", why);
  answer(c, line, (size_t)n);
}

/* Sends what fits. Returns 0 if the connection is gone. */
static int flush_output(struct server *s, struct connection *c) {
  while (c->out_start < c->out_end) {
    const int32_t n =
        evpoll_socket_send(c->socket, c->output + c->out_start, c->out_end - c->out_start);
    if (n == EVPOLL_ERR_WOULD_BLOCK)
      return evpoll_rearm(s->poller, c->socket, EVPOLL_ADDR(c), EVPOLL_WRITABLE) >= 0;
    if (n < 0) return 0;
    c->out_start += (size_t)n;
  }
  c->out_start = c->out_end = 0;
  return 1;
}

/* ---- PUT: the log calls this when a record is durable, or will not be ----------------------- */

static void answered(void *context, void *owner, uint64_t number, int32_t status) {
  struct server *s = context;
  struct connection *c = owner;
  c->unanswered--;
  if (status < 0) s->puts_refused++;
  if (c->closed) return; /* its client has gone; the record stays */
  if (status < 0) {
    answer_error(c, evpoll_strerror(status));
  } else {
    char line[PUT_ANSWER_MAX];
    const int n = snprintf(line, sizeof line, "OK %" PRIu64 "\n", number);
    answer(c, line, (size_t)n);
  }
  make_ready(s, c); /* one send for all its answers, at the end of the turn */
}

/* ---- GET ----------------------------------------------------------------------------------- */

static void queue_read(struct server *s, struct connection *c) {
  c->next_read = NULL;
  *(s->read_tail ? &s->read_tail->next_read : &s->read_head) = c;
  s->read_tail = c;
}

static void end_read(struct server *s, struct connection *c, int32_t status) {
  const char *text;
  size_t length;
  c->reading = 0;
  s->reads--;
  if (c->closed) return;
  make_ready(s, c);
  if (status < 0) {
    answer_error(c, evpoll_strerror(status));
  } else if (record_read(c->record, c->read_done, c->read_number, &text, &length) == 0) {
    answer_error(c, "the record is damaged");
  } else {
    char head[40];
    const int n = snprintf(head, sizeof head, "RECORD %" PRIu64 " ", c->read_number);
    answer(c, head, (size_t)n);
    answer(c, text, length);
    answer(c, "\n", 1);
  }
}

static void read_completed(struct server *s, struct connection *c, const evpoll_event *event) {
  if (event->status >= 0) c->read_done += (size_t)event->result;
  if (event->status < 0 || event->result == 0 || (uint64_t)event->result == c->read.length) {
    end_read(s, c, event->status);
    return;
  }
  c->read.offset += event->result; /* reads may come back short: go on behind it */
  c->read.buffer += (uint64_t)event->result;
  c->read.length -= (uint64_t)event->result;
  queue_read(s, c);
}

/* What evpoll has no room for now stays queued; the next completion brings us back here. */
static void submit_reads(struct server *s) {
  while (s->read_head) {
    struct connection *c = s->read_head;
    const int32_t accepted = evpoll_submit(s->poller, &c->read, 1);
    const int32_t status = accepted < 0 ? accepted : c->read.status;
    if (status == EVPOLL_ERR_AGAIN) return;
    s->read_head = c->next_read;
    if (!s->read_head) s->read_tail = NULL;
    if (accepted != 1) end_read(s, c, status);
  }
}

static void get(struct server *s, struct connection *c, const char *text, size_t length) {
  uint64_t number = 0;
  for (size_t i = 0; i < length && number < UINT64_MAX / 20; i++)
    number =
        text[i] >= '0' && text[i] <= '9' ? number * 10 + (uint64_t)(text[i] - '0') : UINT64_MAX;
  int64_t offset;
  size_t size;
  s->gets++;
  if (!log_find(&s->log, number, &offset, &size)) {
    answer(c, "NONE\n", 5);
    return;
  }
  c->read = (evpoll_io){.token = EVPOLL_ADDR(c),
                        .handle = s->log.handle,
                        .code = EVPOLL_IO_READ,
                        .offset = offset,
                        .buffer = EVPOLL_ADDR(c->record),
                        .length = size};
  c->read_number = number;
  c->read_done = 0;
  c->reading = 1;
  s->reads++;
  queue_read(s, c);
}

/* ---- input --------------------------------------------------------------------------------- */

/* Returns 0 if the line has to wait. */
static int answer_line(struct server *s, struct connection *c, const char *line, size_t length) {
  const int is_put = length > 4 && length <= 4 + RECORD_TEXT_MAX && memcmp(line, "PUT ", 4) == 0;
  if (is_put) {
    const int taken = log_append(&s->log, c, line + 4, length - 4);
    if (taken > 0) c->unanswered++;
    if (taken == 0) c->stalled = 1;
    if (taken < 0) {
      s->puts_refused++;
      answer_error(c, evpoll_strerror(taken));
    }
    return taken != 0;
  }
  if (c->unanswered > 0) return 0; /* answers keep the order of the lines */
  if (length > 4 && memcmp(line, "GET ", 4) == 0)
    get(s, c, line + 4, length - 4);
  else if (length >= 4 && memcmp(line, "PUT ", 4) == 0)
    answer_error(c, "text empty or too long");
  else
    answer_error(c, "not PUT <text> or GET <number>");
  return 1;
}

/* Takes as many lines as there are, and as back-pressure allows. Returns how many. */
static int answer_lines(struct server *s, struct connection *c) {
  int lines = 0;
  while (!c->reading && !s->stopping && has_room(c)) {
    char *start = c->input + c->in_start;
    char *end = memchr(start, '\n', c->in_end - c->in_start);
    if (!end) break;
    size_t length = (size_t)(end - start);
    if (length > 0 && end[-1] == '\r') length--;
    if (!c->skipping && !answer_line(s, c, start, length)) break;
    c->skipping = 0;
    c->in_start += (size_t)(end - start) + 1;
    lines++;
  }
  return lines;
}

/* Makes room behind the input. Returns 0 if there is none, since lines wait. */
static int make_input_room(struct connection *c) {
  memmove(c->input, c->input + c->in_start, c->in_end - c->in_start);
  c->in_end -= c->in_start;
  c->in_start = 0;
  if (c->in_end < INPUT) return 1;
  if (memchr(c->input, '\n', c->in_end) || c->unanswered > 0 || c->reading || !has_room(c))
    return 0;
  if (!c->skipping) answer_error(c, "line too long");
  c->skipping = 1;
  c->in_end = 0;
  return 1;
}

/* Does all that can be done for a connection without waiting. */
static void drive(struct server *s, struct connection *c) {
  for (int i = 0; i < FAIR_SHARE; i++) {
    do
      if (!flush_output(s, c)) {
        close_connection(s, c);
        return;
      }
    while (answer_lines(s, c) > 0);

    if (c->ended && c->unanswered == 0 && !c->reading && !c->stalled && c->out_end == 0) {
      close_connection(s, c); /* whole lines were all answered; a torn one is nobody's */
      return;
    }
    if (c->ended || s->stopping || !make_input_room(c)) return;
    const int32_t n = evpoll_socket_recv(c->socket, c->input + c->in_end, INPUT - c->in_end);
    if (n == EVPOLL_ERR_WOULD_BLOCK &&
        evpoll_rearm(s->poller, c->socket, EVPOLL_ADDR(c), EVPOLL_READABLE) >= 0)
      return;
    if (n < 0) {
      close_connection(s, c);
      return;
    }
    if (n == 0) c->ended = 1;
    c->in_end += (size_t)n;
  }
  make_ready(s, c); /* nothing has blocked: again, after the others */
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void dispatch(struct server *s, const evpoll_event *event) {
  struct connection *c = (struct connection *)(uintptr_t)event->token;
  if (event->events & EVPOLL_IO) {
    if (event->token == TOKEN_LOG)
      log_completed(&s->log, event);
    else
      read_completed(s, c, event);
  } else if (event->events & EVPOLL_WAKE) {
    s->stopping = 1; /* records that were taken are still made durable and answered */
    announce_stop();
    accept_again(s, 0);
  } else if (event->token == TOKEN_LISTENER) {
    accept_connections(s);
  } else {
    make_ready(s, c);
  }
}

static void drive_ready(struct server *s) {
  struct connection *c = s->ready;
  s->ready = NULL; /* who becomes ready from now on has the next turn */
  while (c) {
    struct connection *next = c->next_ready;
    c->ready = 0;
    if (!c->closed) drive(s, c);
    c = next;
  }
}

static void resume_stalled(struct server *s) {
  for (long i = 0; i < s->open; i++)
    if (s->connections[i]->stalled) {
      s->connections[i]->stalled = 0;
      make_ready(s, s->connections[i]);
    }
}

static int64_t next_timeout(const struct server *s) {
  if (s->ready) return 0;
  if (!s->accepting && !s->stopping) return 1000000000; /* others may have freed what we lacked */
  return EVPOLL_INFINITE;
}

static int32_t run(struct server *s) {
  evpoll_event events[EVENTS];
  while (!s->stopping || s->ready || s->reads > 0 || log_is_busy(&s->log)) {
    const int32_t n = evpoll_wait(s->poller, events, EVENTS, next_timeout(s));
    if (n == EVPOLL_ERR_SHUTDOWN) return 0;
    if (n < 0) return n;
    for (int32_t i = 0; i < n; i++) dispatch(s, &events[i]);
    if (n == 0 && !s->stopping) accept_again(s, 1);
    drive_ready(s);
    if (log_advance(&s->log)) resume_stalled(s);
    submit_reads(s);
    bury_dead(s);
  }
  return 0;
}

/* ---- start and end -------------------------------------------------------------------------- */

static void report(struct server *s) {
  const uint64_t records = s->log.count - s->log.recovered;
  print_report("evpoll-logd", s->poller);
  printf("evpoll-logd: %" PRIu64 " records in %" PRIu64 " syncs (%.1f records per sync), %" PRIu64
         " refused, %" PRIu64 " reads\n",
         records, s->log.syncs, s->log.syncs ? (double)records / (double)s->log.syncs : 0.0,
         s->puts_refused, s->gets);
}

/* Buffers are given back by evpoll_close(), whatever was still in flight: free them after it. */
static void close_server(struct server *s) {
  ignore_stop_signals();
  while (s->open > 0) close_connection(s, s->connections[0]);
  evpoll_close(s->poller, EVPOLL_INFINITE);
  for (struct connection *c = s->dead, *next; c; c = next) {
    next = c->next_dead;
    free(c);
  }
  log_close(&s->log);
  free(s->connections);
}

static int32_t serve(struct server *s, const char *path, const struct common_options *options) {
  int32_t status = log_open(&s->log, s->poller, path, TOKEN_LOG, answered, s);
  if (status < 0) return status;
  printf("recovered %" PRIu64 " records, erased %" PRId64 " bytes behind them\n", s->log.recovered,
         s->log.erased);
  status = listen_on(s->poller, options, TOKEN_LISTENER, &s->listener);
  if (status < 0) return status;
  status = run(s);
  if (status < 0) complain("cannot wait", status);
  report(s);
  evpoll_socket_close(s->listener);
  return status;
}

static int take_arguments(struct common_options *options_out, const char **path_out, int n,
                          char **at) {
  for (; n > 0; n--, at++) {
    int taken = take_common(*at, options_out);
    if (!taken && **at != '-' && !*path_out) {
      *path_out = *at;
      taken = 1;
    }
    if (taken <= 0) return 0;
  }
  return *path_out != NULL;
}

int main(int argc, char **argv) {
  struct common_options options = common_defaults;
  struct server s = {.accepting = 1};
  const char *path = NULL;
  if (!take_arguments(&options, &path, argc - 1, argv + 1)) {
    fprintf(stderr, "usage: evpoll-logd FILE [OPTION]...\n" COMMON_USAGE);
    return 2;
  }
  s.limit = options.connections;
  s.connections = calloc((size_t)s.limit, sizeof(struct connection *));
  s.poller = s.connections ? open_poller(&options, TOKEN_WAKE) : NULL;
  if (!s.poller) return 1;
  wake_on_stop_signals(s.poller);
  const int32_t status = serve(&s, path, &options);
  close_server(&s);
  return status < 0;
}
