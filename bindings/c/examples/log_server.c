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
 * hands work to and fro. Here one thread waits once, for sockets and for the disk: each PUT is an
 * APPEND in flight, and evpoll writes and syncs together those that wait together, so that under
 * load hundreds of records share one sync.
 *
 * A connection has a READ in flight while there is room for lines, a WRITE while there are answers,
 * a READ of the log for a GET, and an APPEND for each PUT. What has ended makes it ready, and
 * drive(), at the end of the turn, starts all that can be started.
 *
 * Back-pressure: lines are taken only while there is room for their answers (a client that does not
 * read is not read either) and room in the log. Who keeps a connection and neither sends lines nor
 * reads answers loses it (--idle), or a few of them would keep out everybody else.
 *
 * The token of an operation is the address of a task, which says what it was and whose. A
 * connection is freed when it is closed and the last of its operations has reported. Only ISO C and
 * evpoll.h: this file builds unchanged on every system. */
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
  EVENTS = 1024,
  PUTS = 256,      /* records that are submitted by one call, at most */
  STOP_SECONDS = 5 /* after Ctrl-C: how long a client may keep us waiting */
};

/* No object has these addresses. */
#define TOKEN_LISTENER 0
#define TOKEN_WAKE     1

struct connection;
struct server;

/* An operation in flight: what it was for is the function that takes its event. */
struct task {
  struct connection *owner;
  void (*done)(struct server *s, struct task *task, const evpoll_event *event);
};

struct put {
  struct task task; /* the first member */
  struct log_record record;
};

struct connection {
  evpoll_handle socket;
  struct task reading, writing, getting, closing;
  int in_flight;     /* operations that have the connection's address */
  int closed, ended; /* by us; by the client, who may still read */
  int ready, stalled, skipping;
  int reads, writes, gets; /* such an operation is in flight */
  size_t unanswered;       /* PUTs in flight */
  int64_t deadline;        /* by evpoll_now(); for who makes no progress */
  size_t in_start, in_end, out_start, out_end;
  size_t searched; /* behind in_start: before it no line ends */
  uint64_t get_number;
  struct connection *next_ready, *next, **link;
  char input[INPUT], output[OUTPUT], record[RECORD_MAX];
};

struct server {
  evpoll *poller;
  evpoll_handle listener;
  struct log_file log;
  struct connection *all, *ready;
  long count, limit, idle_seconds;
  int accepting, stopping, puts_done;
  evpoll_io puts[PUTS]; /* of this turn, not submitted yet */
  int32_t puts_count;
  uint64_t batches, puts_refused, gets;
};

/* ---- connections --------------------------------------------------------------------------- */

static void make_ready(struct server *s, struct connection *c) {
  if (c->ready) return;
  c->ready = 1;
  c->next_ready = s->ready;
  s->ready = c;
}

/* An operation of a connection is over. */
static void end_task(struct server *s, const evpoll_event *event) {
  struct task *task = (struct task *)(uintptr_t)event->token;
  struct connection *c = task->owner;
  c->in_flight--;
  make_ready(s, c);
  task->done(s, task, event);
}

static int64_t idle_ns(const struct server *s) { return (int64_t)s->idle_seconds * 1000000000; }

static int start(struct server *s, struct task *task, evpoll_io io) {
  io.token = EVPOLL_ADDR(task);
  if (evpoll_submit(s->poller, &io, 1) != 1) return 0;
  task->owner->in_flight++;
  return 1;
}

static void closed(struct server *s, struct task *task, const evpoll_event *event) {
  (void)s, (void)task, (void)event;
}

static void close_connection(struct server *s, struct connection *c) {
  if (c->closed) return;
  c->closed = 1;
  start(s, &c->closing, (evpoll_io){.handle = c->socket, .code = EVPOLL_OP_CLOSE});
  make_ready(s, c);
}

static void accept_more(struct server *s) {
  evpoll_io io = {.token = TOKEN_LISTENER, .handle = s->listener, .code = EVPOLL_OP_ACCEPT};
  if (s->accepting || s->stopping || s->count >= s->limit) return;
  s->accepting = evpoll_submit(s->poller, &io, 1) == 1;
}

static void bury(struct server *s, struct connection *c) {
  *c->link = c->next;
  if (c->next) c->next->link = c->link;
  free(c);
  s->count--;
  accept_more(s);
}

/* ---- output -------------------------------------------------------------------------------- */

/* Answers that are still to come have their room already. */
static int has_room(const struct connection *c) {
  return c->out_end + c->unanswered * PUT_ANSWER_MAX + GET_ANSWER_MAX <= OUTPUT;
}

static void answer(struct connection *c, const char *bytes, size_t length) {
  memcpy(c->output + c->out_end, bytes, length);
  c->out_end += length;
}

static void answer_error(struct connection *c, const char *why) {
  char line[PUT_ANSWER_MAX];
  const int n = snprintf(line, sizeof line, "ERR %.80s\n", why);
  answer(c, line, (size_t)n);
}

static void take_written(struct server *s, struct connection *c, int64_t n) {
  c->out_start += (size_t)n;
  memmove(c->output, c->output + c->out_start, c->out_end - c->out_start);
  c->out_end -= c->out_start;
  c->out_start = 0;
  if (n > 0) c->deadline = evpoll_now() + idle_ns(s);
}

static void written(struct server *s, struct task *task, const evpoll_event *event) {
  struct connection *c = task->owner;
  c->writes = 0;
  const int slow = event->status == EVPOLL_ERR_EXPIRED && event->result > 0;
  if (event->status >= 0 || slow)
    take_written(s, c, event->result);
  else
    close_connection(s, c);
}

/* One write for all answers of a turn. */
static void write_answers(struct server *s, struct connection *c) {
  if (c->writes || c->closed || c->out_end == 0) return;
  evpoll_io io = {.token = EVPOLL_ADDR(&c->writing),
                  .handle = c->socket,
                  .code = EVPOLL_OP_WRITE,
                  .flags = EVPOLL_OPF_ALL | EVPOLL_OPF_INLINE,
                  .buffer = EVPOLL_ADDR(c->output),
                  .length = c->out_end,
                  .timeout_ms = (uint32_t)s->idle_seconds * 1000};
  evpoll_submit(s->poller, &io, 1);
  c->writes = io.op != 0;
  c->in_flight += c->writes;
  if (io.status < 0)
    close_connection(s, c);
  else if (!io.op)
    take_written(s, c, io.offset);
}

/* ---- PUT ----------------------------------------------------------------------------------- */

static void put_done(struct server *s, struct task *task, const evpoll_event *event) {
  struct connection *c = task->owner;
  struct put *put = (struct put *)task;
  log_appended(&s->log, &put->record, event);
  c->unanswered--;
  s->puts_done = 1;
  if (event->status < 0) s->puts_refused++;
  if (event->status < 0 && !c->closed) {
    answer_error(c, evpoll_strerror(event->status));
  } else if (!c->closed) { /* else its client has gone; the record stays */
    char line[PUT_ANSWER_MAX];
    const int n = snprintf(line, sizeof line, "OK %" PRIu64 "\n", put->record.number);
    answer(c, line, (size_t)n);
  }
  free(put);
}

/* One call for many. What is refused (there is no memory) has no event, and would be answered
 * before what is in flight: its connection ends. */
static void submit_puts(struct server *s) {
  const int32_t n = s->puts_count;
  s->puts_count = 0;
  if (n == 0 || evpoll_submit(s->poller, s->puts, n) == n) return;
  for (int32_t i = 0; i < n; i++) {
    const evpoll_event event = {.token = s->puts[i].token, .status = s->puts[i].status};
    if (s->puts[i].op) continue;
    close_connection(s, ((struct task *)(uintptr_t)event.token)->owner);
    end_task(s, &event);
  }
}

static void put(struct server *s, struct connection *c, const char *text, size_t length) {
  struct put *put = malloc(sizeof *put + RECORD_OVERHEAD + length);
  if (s->puts_count == PUTS) submit_puts(s);
  if (put) {
    put->task = (struct task){c, put_done};
    put->record.bytes = (char *)(put + 1);
  }
  if (put &&
      log_append(&s->log, &put->record, EVPOLL_ADDR(put), text, length, &s->puts[s->puts_count])) {
    s->puts_count++;
    c->in_flight++;
    c->unanswered++;
    return;
  }
  free(put);
  close_connection(s, c);
}

/* ---- GET ----------------------------------------------------------------------------------- */

static void got(struct server *s, struct task *task, const evpoll_event *event) {
  struct connection *c = task->owner;
  uint64_t number;
  const char *text;
  size_t length;
  (void)s;
  c->gets = 0;
  if (c->closed) return;
  if (event->status < 0) {
    answer_error(c, evpoll_strerror(event->status));
  } else if (record_read(c->record, (size_t)event->result, &number, &text, &length) == 0 ||
             number != c->get_number) {
    answer_error(c, "the record is damaged");
  } else {
    char head[40];
    const int n = snprintf(head, sizeof head, "RECORD %" PRIu64 " ", number);
    answer(c, head, (size_t)n);
    answer(c, text, length);
    answer(c, "\n", 1);
  }
}

static void get(struct server *s, struct connection *c, const char *text, size_t length) {
  uint64_t number = 0;
  for (size_t i = 0; i < length && number < UINT64_MAX / 20; i++)
    number =
        text[i] >= '0' && text[i] <= '9' ? number * 10 + (uint64_t)(text[i] - '0') : UINT64_MAX;
  const struct log_entry *entry = log_find(&s->log, number);
  s->gets++;
  if (!entry) {
    answer(c, "NONE\n", 5);
    return;
  }
  c->get_number = number;
  c->gets = start(s, &c->getting,
                  (evpoll_io){.handle = s->log.handle,
                              .code = EVPOLL_OP_READ,
                              .flags = EVPOLL_OPF_ALL,
                              .offset = entry->offset,
                              .buffer = EVPOLL_ADDR(c->record),
                              .length = entry->length});
  if (!c->gets) answer_error(c, "the record cannot be read");
}

/* ---- input --------------------------------------------------------------------------------- */

/* Returns 0 if the line has to wait. */
static int answer_line(struct server *s, struct connection *c, const char *line, size_t length) {
  const int is_put = length > 4 && length <= 4 + RECORD_TEXT_MAX && memcmp(line, "PUT ", 4) == 0;
  if (is_put) {
    c->stalled = !log_has_room(&s->log, length - 4);
    if (!c->stalled) put(s, c, line + 4, length - 4);
    return !c->stalled;
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
  while (!c->gets && !s->stopping && !c->closed && has_room(c)) {
    char *start = c->input + c->in_start;
    const size_t there = c->in_end - c->in_start;
    char *end = memchr(start + c->searched, '\n', there - c->searched);
    c->searched = end ? (size_t)(end - start) : there;
    if (!end) break;
    size_t length = (size_t)(end - start);
    if (length > 0 && end[-1] == '\r') length--;
    if (!c->skipping && !answer_line(s, c, start, length)) break;
    c->skipping = 0;
    c->in_start += c->searched + 1;
    c->searched = 0;
    lines++;
  }
  return lines;
}

/* Makes room behind the input. Returns 0 if there is none, since lines wait. */
static int make_input_room(struct connection *c) {
  if (c->in_start > 0) memmove(c->input, c->input + c->in_start, c->in_end - c->in_start);
  c->in_end -= c->in_start;
  c->in_start = 0;
  if (c->in_end < INPUT) return 1;
  if (c->searched < c->in_end || c->unanswered > 0 || c->gets || !has_room(c)) return 0;
  if (!c->skipping) answer_error(c, "line too long");
  c->skipping = 1;
  c->in_end = c->searched = 0;
  return 1;
}

/* Receiving bytes is no progress: who sends one byte a minute is as idle as who sends none. But who
 * waits for the disk is not idle. */
static void read_lines(struct server *s, struct connection *c) {
  if (c->reads || c->closed || c->ended || s->stopping || !make_input_room(c)) return;
  const int64_t now = evpoll_now();
  if (c->unanswered > 0 || c->gets || c->stalled) c->deadline = now + idle_ns(s);
  const int64_t ms = (c->deadline - now) / 1000000;
  c->reads = start(s, &c->reading,
                   (evpoll_io){.handle = c->socket,
                               .code = EVPOLL_OP_READ,
                               .buffer = EVPOLL_ADDR(c->input + c->in_end),
                               .length = INPUT - c->in_end,
                               .timeout_ms = ms > 0 ? (uint32_t)ms : 1});
  if (!c->reads) close_connection(s, c);
}

static void read_done(struct server *s, struct task *task, const evpoll_event *event) {
  struct connection *c = task->owner;
  const int busy = c->unanswered > 0 || c->gets || c->stalled || c->deadline > evpoll_now();
  c->reads = 0;
  if (event->status >= 0) {
    c->ended = event->result == 0;
    c->in_end += (size_t)event->result;
  } else if (event->status != EVPOLL_ERR_EXPIRED || !busy) {
    close_connection(s, c);
  }
}

/* Starts all that can be started for a connection. */
static void drive(struct server *s, struct connection *c) {
  int lines;
  do {
    lines = answer_lines(s, c);
    write_answers(s, c);
  } while (lines > 0); /* there may be room again */
  read_lines(s, c);
  write_answers(s, c);
  const int waits = c->unanswered > 0 || c->gets || c->out_end > 0;
  if (!waits && (s->stopping || (c->ended && !c->stalled)))
    close_connection(s, c); /* whole lines were all answered; a torn one is nobody's */
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void open_connection(struct server *s, evpoll_handle socket) {
  struct connection *c = calloc(1, sizeof *c);
  if (!c || evpoll_add(s->poller, socket, 0, 0, EVPOLL_OPERATIONS) < 0) {
    free(c);
    evpoll_socket_close(socket);
    return;
  }
  evpoll_socket_set_nodelay(socket, 1);
  c->socket = socket;
  c->reading = (struct task){c, read_done};
  c->writing = (struct task){c, written};
  c->getting = (struct task){c, got};
  c->closing = (struct task){c, closed};
  c->deadline = evpoll_now() + idle_ns(s);
  c->link = &s->all;
  c->next = s->all;
  if (c->next) c->next->link = &c->next;
  s->all = c;
  s->count++;
  make_ready(s, c);
}

/* The first time, records that were taken are still made durable and answered. */
static void begin_stop(struct server *s) {
  if (s->stopping++ == 0) {
    evpoll_io io = {.token = TOKEN_LISTENER, .handle = s->listener, .code = EVPOLL_OP_CLOSE};
    announce_stop();
    evpoll_submit(s->poller, &io, 1);
    if (s->idle_seconds > STOP_SECONDS) s->idle_seconds = STOP_SECONDS;
  }
  for (struct connection *c = s->all; c; c = c->next) {
    make_ready(s, c);
    if (s->stopping > 1)
      close_connection(s, c);
    else if (c->writes)
      evpoll_retime(s->poller, c->socket, EVPOLL_ADDR(&c->writing), idle_ns(s));
  }
}

static void dispatch(struct server *s, const evpoll_event *event) {
  if (event->events & EVPOLL_WAKE) {
    begin_stop(s);
  } else if (event->token != TOKEN_LISTENER) {
    end_task(s, event);
  } else if (s->accepting) { /* without a descriptor the next ACCEPT waits for one */
    s->accepting = 0;
    if (event->status >= 0) open_connection(s, event->result);
    accept_more(s);
  }
}

static void drive_ready(struct server *s) {
  do {
    for (struct connection *c; (c = s->ready);) {
      s->ready = c->next_ready;
      c->ready = 0;
      if (!c->closed) drive(s, c);
      if (c->closed && !c->ready && c->in_flight == 0) bury(s, c);
    }
    submit_puts(s);
  } while (s->ready);
}

static void resume_stalled(struct server *s) {
  if (s->puts_done) s->batches++;
  for (struct connection *c = s->puts_done ? s->all : NULL; c; c = c->next)
    if (c->stalled) make_ready(s, c);
  s->puts_done = 0;
}

static int32_t run(struct server *s) {
  evpoll_event events[EVENTS];
  accept_more(s);
  while (!s->stopping || s->count > 0) {
    const int32_t n = evpoll_wait(s->poller, events, EVENTS, EVPOLL_INFINITE);
    if (n < 0) return n;
    for (int32_t i = 0; i < n; i++) dispatch(s, &events[i]);
    resume_stalled(s);
    drive_ready(s);
  }
  return 0;
}

/* ---- start and end -------------------------------------------------------------------------- */

static void report(struct server *s) {
  const uint64_t records = s->log.count - s->log.recovered;
  print_report("evpoll-logd", s->poller);
  printf("evpoll-logd: %" PRIu64 " records in %" PRIu64 " batches (%.1f records in each), %" PRIu64
         " refused, %" PRIu64 " reads\n",
         records, s->batches, s->batches ? (double)records / (double)s->batches : 0.0,
         s->puts_refused, s->gets);
}

static int32_t serve(struct server *s, const char *path, const struct common_options *options) {
  int32_t status = log_open(&s->log, s->poller, path);
  if (status < 0) return status;
  printf("recovered %" PRIu64 " records, erased %" PRId64 " bytes behind them\n", s->log.recovered,
         s->log.erased);
  status = listen_on(s->poller, options, &s->listener);
  if (status < 0) return status;
  status = run(s);
  if (status < 0) complain("cannot wait", status);
  report(s);
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
  struct server s = {0};
  const char *path = NULL;
  if (!take_arguments(&options, &path, argc - 1, argv + 1)) {
    fprintf(stderr, "usage: evpoll-logd FILE [OPTION]...\n" COMMON_USAGE);
    return 2;
  }
  s.limit = options.connections;
  s.idle_seconds = options.idle;
  s.log.handle = -1;
  s.poller = open_poller(&options, TOKEN_WAKE);
  if (!s.poller) return 1;
  wake_on_stop_signals(s.poller);
  const int32_t status = serve(&s, path, &options);
  ignore_stop_signals();
  log_close(&s.log);
  evpoll_close(s.poller, EVPOLL_INFINITE);
  return status < 0;
}
