// SPDX-License-Identifier: MIT
/* The driver in C, which README.md of this folder describes: the oracle, over evpoll.h alone. One
   lock guards all that is here, and is not held while the library is called; one condition tells of
   each change. Objects are freed by `quit` alone. */
#include <evpoll.h>

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORDS = 100, SLOTS = 8, COUNTED = 16, THREADS = 8 };

struct loop {
  struct loop *next;
  char *name;
  evpoll *p;
  pthread_t thread;
  int stopped, ended;
};

/* A listener, a stream or a file; of several with a name the newest is found. */
struct object {
  struct object *next;
  char *name, *local, *peer;
  struct loop *loop;
  evpoll_handle handle;
  uint64_t token;
  int is_file, closed, dropped, pending;
};

/* Lines whose answers somebody in here waits for. */
struct round {
  int left;
  char text[SLOTS + 1][96];
};

/* A line, until it was answered. */
struct op {
  struct op *next, **from; /* in `ops` */
  struct op *queued;       /* of a worker */
  const struct verb *verb;
  struct round *round;
  struct loop *loop;
  struct object *object;
  int slot, cancelled, count;
  long number; /* of the round */
  char *bytes;
  uint64_t length, done;
  uint32_t limit, flags;
  evpoll_address addresses[2];
  char *token, *where, *words[WORDS + 1]; /* the verb, and what follows it */
  char line[];
};

struct verb {
  const char *name;
  int words, object; /* that have to follow; which of them is an object that is there */
  void (*start)(struct op *);
  void (*end)(struct op *, int64_t); /* of what succeeded */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct loop *loops;
static struct object *objects;
static struct op *ops;
static struct worker {
  int running;
  struct op *first, **last;
} workers[THREADS];
static struct gate {
  struct gate *next;
  char *name;
} * gates; /* the open ones */
static uint64_t last_token;
static uint32_t open_flags;

static const char *const outcomes[] = {"OK",
                                       "INVALID",
                                       "BAD_HANDLE",
                                       "NO_MEMORY",
                                       "LIMIT",
                                       "NOT_FOUND",
                                       "STALE",
                                       "BUSY",
                                       "AGAIN",
                                       "WOULD_BLOCK",
                                       "TIMEOUT",
                                       "SHUTDOWN",
                                       "UNSUPPORTED",
                                       "VERSION",
                                       "EXPIRED",
                                       "FORKED",
                                       "CANCELLED",
                                       "PARTIAL",
                                       "IO",
                                       "NO_SPACE",
                                       "TOO_LARGE",
                                       "FAULT",
                                       "ACCESS",
                                       "EXISTS",
                                       "REFUSED",
                                       "RESET",
                                       "BROKEN_PIPE",
                                       "NOT_CONNECTED",
                                       "ADDRESS_IN_USE",
                                       "ADDRESS_UNAVAILABLE",
                                       "UNREACHABLE",
                                       "MESSAGE_SIZE",
                                       "OS"};

static void close_object(struct object *x);

static void *room(size_t bytes) {
  void *memory = calloc(1, bytes);
  if (!memory) abort();
  return memory;
}
static char *copy(const char *text) { return strcpy(room(strlen(text) + 1), text); }

/* ---- lines -------------------------------------------------------------------------------- */

static struct op *make_op(const char *line, struct round *round, int slot) {
  struct op *o = room(sizeof *o + strlen(line) + 1);
  strcpy(o->line, line);
  char *rest = o->line;
  o->token = strsep(&rest, " ");
  o->where = strsep(&rest, " ");
  for (char *word; o->count < WORDS && (word = strsep(&rest, " "));) o->words[o->count++] = word;
  o->round = round;
  o->slot = slot;
  pthread_mutex_lock(&lock);
  if ((o->next = ops)) ops->from = &o->next;
  *(o->from = &ops) = o;
  pthread_mutex_unlock(&lock);
  return o;
}

/* The one end of each line. */
__attribute__((format(printf, 2, 3))) static void answer(struct op *o, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);

  pthread_mutex_lock(&lock);
  struct object *x = o->object;
  int let_go = x && --x->pending == 0 && x->dropped;
  if ((*o->from = o->next)) o->next->from = o->from;
  if (o->round) {
    snprintf(o->round->text[o->slot], sizeof o->round->text[0], "%.*s", 95, text);
    o->round->left--;
  } else if (o->token[0]) {
    printf("%s %s\n", o->token, text);
    fflush(stdout);
  }
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  if (let_go) close_object(x);
  free(o->bytes);
  free(o);
}

/* What the program has done itself has a name of its own. */
static void fail(struct op *o, int32_t status) {
  pthread_mutex_lock(&lock);
  const char *text = outcomes[-status];
  if (status == EVPOLL_ERR_CANCELLED || status == EVPOLL_ERR_NOT_FOUND) {
    if (o->object && o->object->closed) text = "CLOSED";
    if (o->loop && o->loop->stopped) text = "SHUTDOWN";
    if (o->cancelled) text = "CANCELLED";
  }
  pthread_mutex_unlock(&lock);
  answer(o, "%s", text);
}

static void end_plain(struct op *o, int64_t result) {
  (void)result;
  answer(o, "OK");
}
static void end_number(struct op *o, int64_t result) { answer(o, "OK %lld", (long long)result); }

static void event_of(struct op *o, int32_t status, int64_t result) {
  struct object *x = o->object;
  int never_connected = status < 0 && strcmp(o->verb->name, "connect") == 0;
  if (status < 0)
    fail(o, status);
  else
    o->verb->end(o, result);
  if (never_connected) close_object(x);
}

/* ---- objects ------------------------------------------------------------------------------ */

static struct loop *find_loop(const char *name) {
  pthread_mutex_lock(&lock);
  struct loop *l = loops;
  while (l && strcmp(l->name, name) != 0) l = l->next;
  pthread_mutex_unlock(&lock);
  if (!l) fprintf(stderr, "no loop %s\n", name), abort();
  return l;
}

static struct object *find(const char *name) {
  pthread_mutex_lock(&lock);
  struct object *x = objects;
  while (x && strcmp(x->name, name) != 0) x = x->next;
  pthread_mutex_unlock(&lock);
  return x;
}

static void close_handle(evpoll_handle handle, int is_file) {
  if (is_file)
    evpoll_file_close(handle);
  else
    evpoll_socket_close(handle);
}

/* Registers what was opened; what cannot be is closed. */
static int32_t adopt(struct loop *l, const char *name, evpoll_handle handle, int is_file,
                     struct object **out) {
  struct object *x = room(sizeof *x);
  *x = (struct object){.name = copy(name), .loop = l, .handle = handle, .is_file = is_file};
  pthread_mutex_lock(&lock);
  x->token = ++last_token;
  pthread_mutex_unlock(&lock);
  int32_t status = evpoll_add(l->p, handle, x->token, 0, EVPOLL_OPERATIONS);
  if (status < 0) {
    close_handle(handle, is_file);
    free(x->name);
    free(x);
    return status;
  }
  pthread_mutex_lock(&lock);
  x->next = objects;
  objects = x;
  pthread_mutex_unlock(&lock);
  *out = x;
  return 0;
}

/* Calls by a number are made with a use of it, so that they meet what they mean, or nothing. */
static int enter(struct object *x) { return evpoll_hold(x->loop->p, x->handle, x->token) == 0; }
static void leave(struct object *x) { evpoll_release(x->loop->p, x->handle); }

/* The line is about `x`. */
static void about(struct op *o, struct object *x) {
  pthread_mutex_lock(&lock);
  o->loop = x->loop;
  o->object = x;
  x->pending++;
  pthread_mutex_unlock(&lock);
}

/* Lends it to the library: it may have ended when this returns. */
static void submit(struct op *o, evpoll_handle handle, uint32_t code, int64_t offset, void *buffer,
                   uint64_t length, uint32_t flags) {
  evpoll_io io = {.token = EVPOLL_ADDR(o),
                  .handle = handle,
                  .offset = offset,
                  .buffer = EVPOLL_ADDR(buffer),
                  .length = length,
                  .code = code,
                  .flags = flags,
                  .timeout_ms = o->limit};
  if (evpoll_submit(o->loop->p, &io, 1) != 1) event_of(o, io.status, io.offset);
}

/* The same, on the object that the line is about. */
static void perform(struct op *o, uint32_t code, int64_t offset, void *buffer, uint64_t length,
                    uint32_t flags) {
  struct object *x = o->object;
  if (!enter(x)) {
    event_of(o, EVPOLL_ERR_NOT_FOUND, 0);
    return;
  }
  submit(o, x->handle, code, offset, buffer, length, flags);
  leave(x);
}

static const struct verb silent = {"", 0, 0, NULL, end_plain};

static void close_object(struct object *x) {
  pthread_mutex_lock(&lock);
  int closed = x->closed;
  x->closed = 1;
  pthread_mutex_unlock(&lock);
  if (closed) return;
  struct op *o = make_op("", NULL, 0);
  o->verb = &silent;
  o->loop = x->loop;
  submit(o, x->handle, EVPOLL_OP_CLOSE, 0, NULL, 0, 0);
}

static void start_close(struct op *o) {
  close_object(o->object);
  answer(o, "OK");
}

static void start_drop(struct op *o) {
  for (int i = 1; i < o->count; i++) {
    pthread_mutex_lock(&lock);
    struct loop *l = loops;
    while (l && strcmp(l->name, o->words[i]) != 0) l = l->next;
    pthread_mutex_unlock(&lock);
    struct object *x = l ? NULL : find(o->words[i]);
    if (!x) continue; /* a loop, which nobody can drop in C */
    pthread_mutex_lock(&lock);
    x->dropped = 1;
    int idle = x->pending == 0;
    pthread_mutex_unlock(&lock);
    if (idle) close_object(x);
  }
  answer(o, "OK");
}

static void start_collect(struct op *o) { answer(o, "OK"); }

static void start_cancel(struct op *o) {
  pthread_mutex_lock(&lock);
  struct op *other = ops;
  while (other && strcmp(other->token, o->words[1]) != 0) other = other->next;
  if (other && other->loop) {
    other->cancelled = 1;
    /* It cannot end, and its memory be another's, before the lock is free again. */
    evpoll_cancel_token(other->loop->p, other->object ? other->object->handle : -1,
                        EVPOLL_ADDR(other));
  }
  pthread_mutex_unlock(&lock);
  answer(o, "OK");
}

/* ---- streams ------------------------------------------------------------------------------ */

static char *address_of(int32_t (*ask)(evpoll_handle, char *, int32_t, int32_t *),
                        evpoll_handle handle) {
  char host[EVPOLL_ADDRESS_CAPACITY] = "?", text[EVPOLL_ADDRESS_CAPACITY + 12];
  int32_t port = 0;
  ask(handle, host, sizeof host, &port);
  snprintf(text, sizeof text, "%s:%d", host, port);
  return copy(text);
}

static char *text_of(const evpoll_address *a) {
  char text[EVPOLL_ADDRESS_CAPACITY];
  snprintf(text, sizeof text, "%d.%d.%d.%d:%d", a->bytes[0], a->bytes[1], a->bytes[2], a->bytes[3],
           a->port);
  return copy(text);
}

static void start_listen(struct op *o) {
  evpoll_handle handle;
  struct object *x;
  o->loop = find_loop(o->words[2]);
  int32_t status = evpoll_socket_tcp_listen("127.0.0.1", 0, 0, &handle);
  if (status < 0 || (status = adopt(o->loop, o->words[1], handle, 0, &x)) < 0) {
    fail(o, status);
    return;
  }
  x->local = address_of(evpoll_socket_local_address, handle);
  answer(o, "OK %s", x->local);
}

static void start_accept(struct op *o) { perform(o, EVPOLL_OP_ACCEPT, 0, o->addresses, 2, 0); }
static void end_accept(struct op *o, int64_t handle) {
  struct object *x;
  int32_t status = adopt(o->loop, o->words[1], handle, 0, &x);
  if (status < 0) {
    fail(o, status);
    return;
  }
  x->peer = text_of(&o->addresses[0]);
  x->local = text_of(&o->addresses[1]);
  answer(o, "OK %s %s", x->peer, x->local);
}

static void start_connect(struct op *o) {
  evpoll_handle handle;
  struct object *x;
  o->loop = find_loop(o->words[2]);
  int32_t status = evpoll_socket_tcp_connect(o->words[3], atoi(o->words[4]), &handle);
  if (status < 0 || (status = adopt(o->loop, o->words[1], handle, 0, &x)) < 0) {
    fail(o, status);
    return;
  }
  about(o, x);
  perform(o, EVPOLL_OP_CONNECT, 0, NULL, 0, 0);
}
static void end_connect(struct op *o, int64_t result) {
  struct object *x = o->object;
  if (enter(x)) {
    x->local = address_of(evpoll_socket_local_address, x->handle);
    x->peer = address_of(evpoll_socket_peer_address, x->handle);
    leave(x);
  }
  end_plain(o, result);
}

static void start_read(struct op *o) {
  struct object *x = o->object;
  o->length = strtoull(o->words[2], NULL, 10);
  o->bytes = room(o->length + 1);
  perform(o, EVPOLL_OP_READ, x->is_file ? atoll(o->words[3]) : 0, o->bytes, o->length, o->flags);
}
static void end_read(struct op *o, int64_t result) {
  uint32_t hash = 0x811c9dc5;
  for (int64_t i = 0; i < result; i++) hash = (hash ^ (unsigned char)o->bytes[i]) * 0x01000193;
  if (result == 0)
    answer(o, "END");
  else if (result <= 32)
    answer(o, "OK %lld %.*s", (long long)result, (int)result, o->bytes);
  else
    answer(o, "OK %lld #%08x", (long long)result, hash);
}

static void start_where(struct op *o) {
  o->bytes = room(1);
  perform(o, EVPOLL_OP_READ, 0, o->bytes, 1, 0);
}
static void end_where(struct op *o, int64_t result) {
  if (result == 0)
    answer(o, "END");
  else
    answer(o, pthread_equal(pthread_self(), o->loop->thread) ? "OK loop" : "OK other");
}

/* TEXT, or COUNT*TEXT; a `$` in it is the round. */
static void make_data(struct op *o, const char *word) {
  char *text;
  uint64_t times = strtoull(word, &text, 10);
  if (text == word || *text++ != '*') {
    times = 1;
    text = (char *)word;
  }
  char piece[256];
  size_t n = 0;
  for (; *text && n + 8 < sizeof piece; text++) {
    if (*text == '$')
      n += (size_t)snprintf(piece + n, 8, "%06ld", o->number);
    else
      piece[n++] = *text;
  }
  o->length = times * n;
  o->bytes = room(o->length + 1);
  for (uint64_t i = 0; i < times; i++) memcpy(o->bytes + i * n, piece, n);
}

static void start_write(struct op *o) {
  struct object *x = o->object;
  make_data(o, o->words[2]);
  perform(o, EVPOLL_OP_WRITE, x->is_file ? atoll(o->words[3]) : 0, o->bytes, o->length,
          EVPOLL_OPF_ALL);
}
/* What came back short has met an error, which the next one tells. */
static void end_write(struct op *o, int64_t result) {
  o->done += (uint64_t)result;
  if (o->done < o->length)
    perform(o, EVPOLL_OP_WRITE, 0, o->bytes + o->done, o->length - o->done, EVPOLL_OPF_ALL);
  else
    answer(o, "OK %llu", (unsigned long long)o->length);
}

static void start_finish(struct op *o) {
  perform(o, EVPOLL_OP_SHUTDOWN, 0, NULL, EVPOLL_SHUTDOWN_WRITE, 0);
}

static void start_same(struct op *o) {
  struct object *x = o->object;
  if (!enter(x)) {
    fail(o, EVPOLL_ERR_NOT_FOUND);
    return;
  }
  char *local = address_of(evpoll_socket_local_address, x->handle);
  char *peer = address_of(evpoll_socket_peer_address, x->handle);
  leave(x);
  answer(o, strcmp(local, x->local) == 0 && strcmp(peer, x->peer) == 0 ? "OK" : "WRONG");
  free(local);
  free(peer);
}

static void start_nodelay(struct op *o) {
  struct object *x = o->object;
  int32_t status = EVPOLL_ERR_NOT_FOUND;
  if (enter(x)) {
    status = evpoll_socket_set_nodelay(x->handle, 1);
    leave(x);
  }
  if (status < 0)
    fail(o, status);
  else
    answer(o, "OK");
}

/* ---- files -------------------------------------------------------------------------------- */

static void start_open(struct op *o) {
  static const uint32_t append =
      EVPOLL_FILE_WRITE | EVPOLL_FILE_CREATE | EVPOLL_FILE_APPEND | EVPOLL_FILE_DURABLE;
  static const uint32_t cut =
      EVPOLL_FILE_READ | EVPOLL_FILE_WRITE | EVPOLL_FILE_CREATE | EVPOLL_FILE_TRUNCATE;
  char mode = o->words[4][0];
  evpoll_handle handle;
  struct object *x;
  o->loop = find_loop(o->words[2]);
  int32_t status = evpoll_file_open(o->words[3],
                                    mode == 'a'   ? append
                                    : mode == 'w' ? cut
                                                  : EVPOLL_FILE_READ,
                                    0, &handle);
  if (status < 0) {
    answer(o, "%s", outcomes[-status]);
  } else if ((status = adopt(o->loop, o->words[1], handle, 1, &x)) < 0) {
    fail(o, status);
  } else {
    answer(o, "OK");
  }
}

static void start_append(struct op *o) {
  make_data(o, o->words[2]);
  perform(o, EVPOLL_OP_APPEND, 0, o->bytes, o->length, EVPOLL_OPF_DURABLE);
}
static void start_size(struct op *o) { perform(o, EVPOLL_OP_SIZE, 0, NULL, 0, 0); }
static void start_truncate(struct op *o) {
  perform(o, EVPOLL_OP_TRUNCATE, atoll(o->words[2]), NULL, 0, 0);
}
static void start_sync(struct op *o) { perform(o, EVPOLL_OP_FDATASYNC, 0, NULL, 0, 0); }

/* ---- loops -------------------------------------------------------------------------------- */

static void begin(struct op *o);

static void *run_loop(void *argument) {
  struct loop *l = argument;
  evpoll_event events[64];
  for (int32_t n; (n = evpoll_wait(l->p, events, 64, EVPOLL_INFINITE)) >= 0;)
    for (int32_t i = 0; i < n; i++) {
      struct op *o = (struct op *)(uintptr_t)events[i].token;
      if (events[i].events & EVPOLL_POST)
        begin(o);
      else
        event_of(o, events[i].status, events[i].result);
    }
  pthread_mutex_lock(&lock);
  l->ended = 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void start_loop(struct op *o) {
  struct loop *l = room(sizeof *l);
  evpoll_options options = {.struct_size = sizeof options, .flags = open_flags};
  l->name = copy(o->words[1]);
  int32_t status = evpoll_open(&options, &l->p);
  pthread_mutex_lock(&lock);
  l->next = loops;
  loops = l;
  if (status < 0 || pthread_create(&l->thread, NULL, run_loop, l) != 0) abort();
  pthread_mutex_unlock(&lock);
  answer(o, "OK");
}

/* Closes all that is the loop's. */
static void shut_down(struct loop *l) {
  pthread_mutex_lock(&lock);
  l->stopped = 1;
  for (struct object *x = objects; x;) {
    struct object *next = x->next;
    if (x->loop == l && !x->closed) {
      pthread_mutex_unlock(&lock);
      close_object(x);
      pthread_mutex_lock(&lock);
    }
    x = next;
  }
  pthread_mutex_unlock(&lock);
  evpoll_shutdown(l->p);
}

/* Waits until the loop's thread has ended, for so long at most. */
static int join(struct loop *l, int64_t ms) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += ms / 1000 + (end.tv_nsec + ms % 1000 * 1000000) / 1000000000;
  end.tv_nsec = (end.tv_nsec + ms % 1000 * 1000000) % 1000000000;
  pthread_mutex_lock(&lock);
  while (!l->ended && pthread_cond_timedwait(&changed, &lock, &end) == 0) {
  }
  int ended = l->ended;
  pthread_mutex_unlock(&lock);
  return ended;
}

static void start_stop(struct op *o) {
  struct loop *l = find_loop(o->words[1]);
  shut_down(l);
  if (pthread_equal(pthread_self(), l->thread) ||
      join(l, o->count > 2 ? atoll(o->words[2]) : 20000))
    answer(o, "OK");
  else
    answer(o, "EXPIRED");
}

static void *wait_for_end(void *argument) {
  struct op *o = argument;
  join(find_loop(o->words[1]), 1000000);
  answer(o, "OK");
  return NULL;
}

static void *wait_for_pending(void *argument) {
  struct op *o = argument;
  evpoll *p = find_loop(o->words[1])->p;
  struct evpoll_poller_stats stats = {.struct_size = sizeof stats};
  while (evpoll_stats(p, &stats) == 0 && stats.io_in_flight < strtoull(o->words[2], NULL, 10))
    sched_yield();
  answer(o, "OK");
  return NULL;
}

static void on_a_thread(struct op *o, void *(*run)(void *)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, o) != 0) abort();
  pthread_detach(thread);
}
static void start_ended(struct op *o) { on_a_thread(o, wait_for_end); }
static void start_pending(struct op *o) { on_a_thread(o, wait_for_pending); }

/* To the loop's thread, which begins it. */
static void post(struct op *o, struct loop *l) {
  int32_t status = evpoll_post(l->p, EVPOLL_ADDR(o), 0);
  if (status < 0) fail(o, status);
}
static void start_post(struct op *o) {
  struct loop *l = find_loop(o->words[1]);
  if (o->loop) { /* posted, and here it is */
    answer(o, pthread_equal(pthread_self(), l->thread) ? "OK loop" : "OK other");
    return;
  }
  o->loop = l;
  post(o, l);
}

static void start_timer(struct op *o) {
  o->loop = find_loop(o->words[1]);
  submit(o, -1, EVPOLL_OP_TIMER, atoll(o->words[2]) * 1000000, NULL, 0, 0);
}

static void open_gate(const char *name) {
  struct gate *g = room(sizeof *g);
  g->name = copy(name);
  g->next = gates;
  gates = g;
  pthread_cond_broadcast(&changed);
}
static int is_open(const char *name) {
  struct gate *g = gates;
  while (g && strcmp(g->name, name) != 0) g = g->next;
  return g != NULL;
}
static void start_gate(struct op *o) {
  char *name = copy(o->words[1]);
  answer(o, "OK");
  pthread_mutex_lock(&lock);
  while (!is_open(name)) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
  free(name);
}
static void start_gate_open(struct op *o) {
  pthread_mutex_lock(&lock);
  open_gate(o->words[1]);
  pthread_mutex_unlock(&lock);
  answer(o, "OK");
}

/* ---- several at once ---------------------------------------------------------------------- */

static void tell(struct op *o);

__attribute__((format(printf, 4, 5))) static void call(struct round *r, int slot, long number,
                                                       const char *format, ...) {
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  pthread_mutex_lock(&lock);
  r->left++;
  pthread_mutex_unlock(&lock);
  struct op *o = make_op(line, r, slot);
  o->number = number;
  tell(o);
}

static void wait_for(struct round *r) {
  pthread_mutex_lock(&lock);
  while (r->left > 0) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

static void start_pair(struct op *o) {
  struct round r = {0};
  char name[32];
  snprintf(name, sizeof name, "%s-%s", o->words[1], o->words[2]);
  call(&r, 0, 0, "+ - listen %s %s", name, o->words[4]);
  wait_for(&r);
  if (strncmp(r.text[0], "OK", 2) == 0) {
    call(&r, 1, 0, "+ - accept %s %s", o->words[2], name);
    call(&r, 2, 0, "+ - connect %s %s 127.0.0.1 %s", o->words[1], o->words[3],
         strchr(r.text[0], ':') + 1);
    wait_for(&r);
    close_object(find(name));
  }
  for (int i = 0; i < 3; i++)
    if (strncmp(r.text[i], "OK", 2) != 0) {
      answer(o, "%s", r.text[i]);
      return;
    }
  answer(o, "OK");
}

struct count {
  long times;
  char text[96];
};

static void count(struct count *counts, const char *verb, char *text) {
  static const char *const various[] = {"accept", "listen", "append"};
  for (int i = 0; i < 3; i++)
    if (strcmp(verb, various[i]) == 0) text[strcspn(text, " ")] = 0;
  for (char *c = text; *c; c++)
    if (*c == ' ') *c = '_';
  int i = 0;
  while (i < COUNTED - 1 && counts[i].times && strcmp(counts[i].text, text) != 0) i++;
  if (!counts[i].times) strcpy(counts[i].text, text);
  counts[i].times++;
}

static void start_repeat(struct op *o) {
  char lines[SLOTS + 1][512], verbs[SLOTS + 1][16];
  int together[SLOTS + 1] = {0}, slots = 0;
  for (int i = 2, first = 0; i < o->count; i++) {
    const char *word = o->words[i];
    if (word[1] == 0 && (word[0] == ':' || word[0] == '&')) {
      together[++slots] = word[0] == '&';
      snprintf(lines[slots], sizeof lines[0], "%s.%d", o->token, slots);
      first = i;
      continue;
    }
    if (i == first + 2) snprintf(verbs[slots], sizeof verbs[0], "%s", word);
    size_t n = strlen(lines[slots]);
    int inner = word[0] == '.' && word[1] >= '1' && word[1] <= '8';
    snprintf(lines[slots] + n, sizeof lines[0] - n, " %s%s", inner ? o->token : "", word);
  }
  struct count(*counts)[COUNTED] = room(sizeof *counts * (SLOTS + 1));
  long rounds = atol(o->words[1]);
  for (long number = 0; number < rounds; number++) {
    struct round r = {0};
    for (int i = 1; i <= slots; i++) {
      if (!together[i]) wait_for(&r);
      call(&r, i, number, "%s", lines[i]);
    }
    wait_for(&r);
    for (int i = 1; i <= slots; i++) count(counts[i], verbs[i], r.text[i]);
  }
  char text[1000] = "OK";
  for (int i = 1; i <= slots; i++)
    for (int k = 0; k < COUNTED && counts[i][k].times; k++) {
      size_t n = strlen(text);
      char head[16];
      snprintf(head, sizeof head, k ? "," : " %d:", i);
      snprintf(text + n, sizeof text - n, "%s%s=%ld", head, counts[i][k].text, counts[i][k].times);
    }
  free(counts);
  answer(o, "%s", text);
}

/* ---- who does what ------------------------------------------------------------------------ */

static void start_quit(struct op *o) {
  for (struct loop *l = loops; l; l = l->next) shut_down(l);
  for (struct loop *l = loops; l; l = l->next) {
    if (join(l, 20000) && pthread_join(l->thread, NULL) == 0 && evpoll_close(l->p, 0) == 0)
      continue;
    answer(o, "BAD a loop does not end");
    return;
  }
  for (struct object *x; (x = objects);) {
    objects = x->next;
    if (!x->closed) close_handle(x->handle, x->is_file);
    free(x->name);
    free(x->local);
    free(x->peer);
    free(x);
  }
  for (struct loop *l; (l = loops);) {
    loops = l->next;
    free(l->name);
    free(l);
  }
  answer(o, "OK");
  exit(0);
}

static const struct verb verbs[] = {
    {"loop", 1, 0, start_loop, NULL},           {"stop", 1, 0, start_stop, NULL},
    {"ended", 1, 0, start_ended, NULL},         {"pending", 2, 0, start_pending, NULL},
    {"post", 1, 0, start_post, NULL},           {"timer", 2, 0, start_timer, end_plain},
    {"gate", 1, 0, start_gate, NULL},           {"open", 4, 0, start_open, NULL},
    {"open", 1, 0, start_gate_open, NULL},      {"listen", 2, 0, start_listen, NULL},
    {"accept", 2, 2, start_accept, end_accept}, {"connect", 4, 0, start_connect, end_connect},
    {"pair", 4, 0, start_pair, NULL},           {"read", 2, 1, start_read, end_read},
    {"readat", 3, 1, start_read, end_read},     {"write", 2, 1, start_write, end_write},
    {"writeat", 3, 1, start_write, end_write},  {"finish", 1, 1, start_finish, end_plain},
    {"same", 1, 1, start_same, NULL},           {"nodelay", 1, 1, start_nodelay, NULL},
    {"where", 1, 1, start_where, end_where},    {"append", 2, 1, start_append, end_number},
    {"size", 1, 1, start_size, end_number},     {"truncate", 2, 1, start_truncate, end_plain},
    {"sync", 1, 1, start_sync, end_plain},      {"close", 1, 1, start_close, NULL},
    {"cancel", 1, 0, start_cancel, NULL},       {"drop", 1, 0, start_drop, NULL},
    {"collect", 0, 0, start_collect, NULL},     {"repeat", 4, 0, start_repeat, NULL},
    {"quit", 0, 0, start_quit, NULL},
};

/* In the thread that was asked for. */
static void begin(struct op *o) {
  if (o->verb) {
    o->verb->start(o);
    return;
  }
  for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
    if (o->count == 0 || strcmp(o->words[0], verbs[i].name) != 0 || o->count <= verbs[i].words)
      continue;
    o->verb = &verbs[i];
    for (int k = 1 + o->verb->words; k < o->count; k++) {
      if (strcmp(o->words[k], "limit") == 0 && k + 1 < o->count)
        o->limit = (uint32_t)atoi(o->words[k + 1]);
      if (strcmp(o->words[k], "all") == 0) o->flags |= EVPOLL_OPF_ALL;
    }
    struct object *x = o->verb->object ? find(o->words[o->verb->object]) : NULL;
    if (x) about(o, x);
    if (x || !o->verb->object)
      o->verb->start(o);
    else
      answer(o, "NONE");
    return;
  }
  answer(o, "BAD verb");
}

static void *run_worker(void *argument) {
  struct worker *w = argument;
  for (;;) {
    pthread_mutex_lock(&lock);
    while (!w->first) pthread_cond_wait(&changed, &lock);
    struct op *o = w->first;
    if (!(w->first = o->queued)) w->last = &w->first;
    pthread_mutex_unlock(&lock);
    begin(o);
  }
  return NULL;
}

/* To the thread that it is for. */
static void tell(struct op *o) {
  if (strcmp(o->where, "-") == 0) {
    begin(o);
  } else if (o->where[0] >= '1' && o->where[0] < '1' + THREADS) {
    struct worker *w = &workers[o->where[0] - '1'];
    pthread_t thread;
    pthread_mutex_lock(&lock);
    if (!w->running) {
      w->running = 1;
      w->last = &w->first;
      if (pthread_create(&thread, NULL, run_worker, w) != 0) abort();
      pthread_detach(thread);
    }
    w->last = (*w->last = o, &o->queued);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
  } else {
    post(o, find_loop(o->where));
  }
}

static const char lacks[] = "early-cancel no tokens in C\n"
                            "names no resolver in C\n"
                            "throw-post no exceptions in C\n"
                            "throw-timer no exceptions in C\n"
                            "throw-done no exceptions in C\n"
                            "throw-context no contexts in C\n"
                            "throw-handler no handlers in C\n";

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[argc - 1], "--features") == 0) return fputs(lacks, stdout) < 0;
  if (argc > 1 && strcmp(argv[1], "pool") == 0) open_flags = EVPOLL_OPEN_NO_URING;
  char line[4096];
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    tell(make_op(line, NULL, 0));
  }
  pthread_mutex_lock(&lock); /* nobody writes while what was written is flushed */
  return 0;
}
