/* SPDX-License-Identifier: MIT */
/* Durable appends: each of so many writers has a record on its way, and is told when it is on the
 * disk. By two calls for each record; by a group commit as one writes it by hand, a thread that
 * gathers; and by evpoll's APPEND. */
#include "rows.h"

#include <evpoll.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { RECORD = 100, MOST_WRITERS = 64 };

static int writers;
static char path[4096];
static char records[MOST_WRITERS][RECORD];

struct log {
  int file;
  evpoll *p;
  evpoll_handle handle;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t came, went;
  struct iovec queue[MOST_WRITERS];
  int queued, done;
  bool ends;
};

static struct log *open_log(struct side *s) {
  struct log *l = calloc(1, sizeof *l);
  if (!l) die("calloc");
  s->state = l;
  return l;
}

static void open_file(struct side *s) {
  struct log *l = open_log(s);
  l->file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (l->file < 0) die(path);
}

static void close_file(struct side *s) {
  struct log *l = s->state;
  close(l->file);
  free(l);
}

static void write_each(struct side *s, long rounds) {
  struct log *l = s->state;
  while (rounds-- > 0)
    for (int i = 0; i < writers; i++)
      if (write(l->file, records[i], RECORD) != RECORD || fdatasync(l->file)) die("fdatasync");
}

/* ---- a group commit by hand -------------------------------------------------------------------
 */

static void *commit(void *log) {
  struct log *l = log;
  pthread_mutex_lock(&l->lock);
  for (;;) {
    struct iovec taken[MOST_WRITERS];
    while (!l->queued && !l->ends) pthread_cond_wait(&l->came, &l->lock);
    if (l->ends) break;
    const int n = l->queued;
    memcpy(taken, l->queue, (size_t)n * sizeof *taken);
    l->queued = 0;
    pthread_mutex_unlock(&l->lock);
    if (writev(l->file, taken, n) != (ssize_t)n * RECORD || fdatasync(l->file)) die("fdatasync");
    pthread_mutex_lock(&l->lock);
    l->done += n;
    pthread_cond_signal(&l->went);
  }
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

static void open_group(struct side *s) {
  open_file(s);
  struct log *l = s->state;
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->came, NULL);
  pthread_cond_init(&l->went, NULL);
  if (pthread_create(&l->thread, NULL, commit, l)) die("pthread_create");
}

static void write_group(struct side *s, long rounds) {
  struct log *l = s->state;
  while (rounds-- > 0) {
    pthread_mutex_lock(&l->lock);
    l->done = 0;
    for (int i = 0; i < writers; i++) l->queue[l->queued++] = (struct iovec){records[i], RECORD};
    pthread_cond_signal(&l->came);
    while (l->done < writers) pthread_cond_wait(&l->went, &l->lock);
    pthread_mutex_unlock(&l->lock);
  }
}

static void close_group(struct side *s) {
  struct log *l = s->state;
  pthread_mutex_lock(&l->lock);
  l->ends = true;
  pthread_cond_signal(&l->came);
  pthread_mutex_unlock(&l->lock);
  pthread_join(l->thread, NULL);
  close_file(s);
}

/* ---- evpoll ---------------------------------------------------------------------------------- */

static void open_ours(struct side *s) {
  const uint32_t *flags = s->type,
                 kind = EVPOLL_FILE_WRITE | EVPOLL_FILE_CREATE | EVPOLL_FILE_APPEND;
  evpoll_options options = {.struct_size = sizeof options, .flags = *flags};
  struct log *l = open_log(s);
  char own[4200]; /* it is locked for one */
  snprintf(own, sizeof own, "%s.%u", path, *flags);
  if (evpoll_open(&options, &l->p) < 0) die("evpoll_open");
  if (evpoll_file_open(own, kind, 0600, &l->handle) < 0) die("evpoll_file_open");
  if (evpoll_add(l->p, l->handle, 0, 0, EVPOLL_OPERATIONS) < 0) die("evpoll_add");
  unlink(own);
}

static void append_all(struct side *s, long rounds) {
  struct log *l = s->state;
  evpoll_io ios[MOST_WRITERS];
  evpoll_event events[MOST_WRITERS];
  while (rounds-- > 0) {
    for (int i = 0; i < writers; i++)
      ios[i] = (evpoll_io){.handle = l->handle,
                           .buffer = EVPOLL_ADDR(records[i]),
                           .length = RECORD,
                           .code = EVPOLL_OP_APPEND,
                           .flags = EVPOLL_OPF_DURABLE};
    if (evpoll_submit(l->p, ios, writers) != writers) die("evpoll_submit");
    for (int left = writers; left > 0;) {
      const int32_t n = evpoll_wait(l->p, events, MOST_WRITERS, EVPOLL_INFINITE);
      for (int32_t i = 0; i < n; i++)
        if (events[i].status < 0) die("APPEND");
      left -= n;
    }
  }
}

static void close_ours(struct side *s) {
  struct log *l = s->state;
  evpoll_close(l->p, EVPOLL_INFINITE);
  evpoll_file_close(l->handle);
  free(l);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void append_row(int n) {
  static const uint32_t plain = 0, one_waiter = EVPOLL_OPEN_SINGLE_WAITER;
  struct side sides[] = {
      {"group commit by hand", open_group, write_group, close_group, NULL, NULL},
      {"evpoll", open_ours, append_all, close_ours, &plain, NULL},
      {"evpoll, one waiter", open_ours, append_all, close_ours, &one_waiter, NULL},
  };
  char name[80];
  snprintf(name, sizeof name, "%d writer%s", n, n > 1 ? "s" : "");
  writers = n;
  struct row r = {.group = "appends",
                  .name = name,
                  .x = n,
                  .per = n,
                  .whole_process = true,
                  .once_per_row = true,
                  .base = {"write, fdatasync", open_file, write_each, close_file, NULL, NULL},
                  .sides = sides,
                  .count = sizeof sides / sizeof sides[0]};
  run_row(&r);
}

void appends_rows(const char *folder) {
  report_group(
      "appends", "Durable appends",
      "One record of 100 bytes, from before it is given until it is known to be on the "
      "disk; CPU of all threads, wall time in parentheses: 10^9 over it are records per "
      "second. Baseline: write() and fdatasync() for each. By hand: a thread that gathers, "
      "writev() and fdatasync().");
  snprintf(path, sizeof path, "%s/records", folder);
  memset(records, 'r', sizeof records);
  append_row(1);
  append_row(MOST_WRITERS);
  unlink(path);
}
