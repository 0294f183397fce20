/* SPDX-License-Identifier: MIT */
/* Files: blocks from the cache and past it, one after the other and many at a time, durable writes,
 * lists, and files together with sockets. CPU is the whole process's, for some have helpers. */
#include "rows.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CACHED_BLOCKS = 64, BLOCKS = 16384, SOCKETS = 16 };

static int file, depth, blocks;

struct reader {
  void *disk;
  char *buffers;
  uint64_t seed;
  int near[SOCKETS], far[SOCKETS];
};

static struct reader *make_reader(void) {
  struct reader *r = calloc(1, sizeof *r);
  if (!r) die("calloc");
  r->seed = 88172645463325252u; /* the same blocks for all */
  r->buffers = aligned_alloc(BLOCK, (size_t)DEEPEST * BLOCK);
  if (!r->buffers) die("aligned_alloc");
  memset(r->buffers, 'x', (size_t)DEEPEST * BLOCK);
  return r;
}

static void choose(struct reader *r, int64_t *offsets, int n) {
  for (int i = 0; i < n; i++) {
    r->seed ^= r->seed << 13;
    r->seed ^= r->seed >> 7;
    r->seed ^= r->seed << 17;
    offsets[i] = (int64_t)(r->seed % (uint64_t)blocks) * BLOCK;
  }
}

static void open_disk(struct side *s) {
  const struct disk_type *type = s->type;
  struct reader *r = make_reader();
  r->disk = type->open(type, file, r->buffers);
  s->state = r;
}

static void read_blocks(struct side *s, long rounds) {
  const struct disk_type *type = s->type;
  struct reader *r = s->state;
  int64_t offsets[DEEPEST];
  while (rounds-- > 0) {
    choose(r, offsets, depth);
    type->read(r->disk, offsets, depth);
  }
}

static void commit_block(struct side *s, long rounds) {
  const struct disk_type *type = s->type;
  struct reader *r = s->state;
  int64_t offset;
  while (rounds-- > 0) {
    choose(r, &offset, 1);
    type->commit(r->disk, offset);
  }
}

static void close_disk(struct side *s) {
  const struct disk_type *type = s->type;
  struct reader *r = s->state;
  type->close(r->disk);
  free(r->buffers);
  free(r);
}

static void disk_row(const char *group, const char *name, int at_once,
                     void (*work)(struct side *, long), const struct disk_type *const *types,
                     int count) {
  struct side sides[MOST_SIDES];
  depth = at_once;
  for (int i = 0; i < count; i++)
    sides[i] = (struct side){types[i]->name, open_disk, work, close_disk, types[i], NULL};
  struct row r = {.group = group,
                  .name = name,
                  .x = at_once,
                  .per = at_once,
                  .whole_process = true,
                  .once_per_row = true,
                  .base = sides[0],
                  .sides = sides + 1,
                  .count = count - 1};
  run_row(&r);
}

/* ---- with sockets -----------------------------------------------------------------------------
 */

static void open_mixed(struct side *s) {
  const struct mixed_type *type = s->type;
  struct reader *r = make_reader();
  for (int i = 0; i < SOCKETS; i++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) die("socketpair");
    r->near[i] = pair[0];
    r->far[i] = pair[1];
  }
  r->disk = type->open(type, file, r->buffers, r->near, SOCKETS);
  s->state = r;
}

static void mix(struct side *s, long rounds) {
  const struct mixed_type *type = s->type;
  struct reader *r = s->state;
  int64_t offsets[DEEPEST];
  while (rounds-- > 0) {
    choose(r, offsets, depth);
    for (int i = 0; i < SOCKETS; i++)
      if (write(r->far[i], "", 1) != 1) die("write");
    type->round(r->disk, offsets, depth);
  }
}

static void close_mixed(struct side *s) {
  const struct mixed_type *type = s->type;
  struct reader *r = s->state;
  type->close(r->disk);
  fds_close(r->near, SOCKETS);
  fds_close(r->far, SOCKETS);
  free(r->buffers);
  free(r);
}

enum { MIXED = 4 };
static const struct mixed_type *const mixed_types[] = {&mixed_raw, &mixed_many, &mixed_single,
                                                       &mixed_uv};
static const struct mixed_type *const timed_types[] = {&mixed_raw_timer, &mixed_all,
                                                       &mixed_all_single};

static void mixed_row(const char *group, const char *name, int at_once) {
  const bool timed = strcmp(group, "operations") == 0;
  const struct mixed_type *const *types = timed ? timed_types : mixed_types;
  const int count = timed ? MIXED - 1 : MIXED;
  struct side sides[MIXED];
  depth = at_once;
  for (int i = 0; i < count; i++)
    sides[i] = (struct side){types[i]->name, open_mixed, mix, close_mixed, types[i], NULL};
  struct row r = {.group = group,
                  .name = name,
                  .x = at_once,
                  .per = at_once + SOCKETS + timed,
                  .whole_process = true,
                  .once_per_row = true,
                  .base = sides[0],
                  .sides = sides + 1,
                  .count = count - 1};
  run_row(&r);
}

/* ---- the groups ------------------------------------------------------------------------------ */

static void use_file(const char *path, int flags, int most) {
  if (file > 0) close(file);
  file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
  if (file < 0) die(path);
  blocks = most;
}

static void write_file(const char *path) {
  struct reader *r = make_reader();
  use_file(path, 0, BLOCKS);
  for (int i = 0; i < BLOCKS; i += DEEPEST)
    if (write(file, r->buffers, (size_t)DEEPEST * BLOCK) != DEEPEST * BLOCK) die(path);
  if (fsync(file)) die(path);
  free(r->buffers);
  free(r);
}

static void depth_rows(const char *group, const char *what, const struct disk_type *const *types,
                       int count) {
  static const int depths[] = {1, 32, 128};
  for (int i = 0; i < 3; i++) {
    char name[80];
    snprintf(name, sizeof name, "read 4 KiB, %s, depth %d", what, depths[i]);
    disk_row(group, name, depths[i], read_blocks, types, count);
  }
}

void files_rows(const char *folder) {
  /* RWF_NOWAIT serves what is in the cache only. */
  static const struct disk_type *const cached[] = {&disk_pread,  &disk_nowait, &disk_ring,
                                                   &disk_inline, &disk_many,   &disk_single,
                                                   &disk_uv,     &disk_lio};
  static const struct disk_type *const all[] = {&disk_pread,  &disk_ring, &disk_many,
                                                &disk_single, &disk_uv,   &disk_lio};
  static const struct disk_type *const lists[] = {&disk_lio, &disk_list, &disk_list_single,
                                                  &disk_uv};
  char path[4096];
  snprintf(path, sizeof path, "%s/blocks", folder);
  write_file(path);
  report_group("files", "Files, 4 KiB blocks at random",
               "One block; CPU of all threads of the process, and wall time in parentheses. At "
               "depth n, n are asked for together and waited for. Baseline: one pread() after the "
               "other.");
  use_file(path, 0, CACHED_BLOCKS);
  depth_rows("cached", "cached", cached, sizeof cached / sizeof cached[0]);
  use_file(path, O_DIRECT, BLOCKS);
  depth_rows("direct", "O_DIRECT", all, sizeof all / sizeof all[0]);
  use_file(path, 0, CACHED_BLOCKS);
  disk_row("files", "write 4 KiB, then fdatasync", 1, commit_block, all,
           sizeof all / sizeof all[0]);
  report_group("lists", "A list of 32 reads that reports once", "One block.");
  disk_row("lists", "32 x 4 KiB, cached", 32, read_blocks, lists, 4);
  use_file(path, O_DIRECT, BLOCKS);
  disk_row("lists", "32 x 4 KiB, O_DIRECT", 32, read_blocks, lists, 4);
  report_group("mixed", "Sockets and files in one wait",
               "One event: 16 sockets got a byte, and so many blocks were asked for. Baseline: "
               "epoll, with the descriptor of a bare ring in its set.");
  use_file(path, 0, CACHED_BLOCKS);
  mixed_row("mixed", "16 sockets, 1 cached block", 1);
  mixed_row("mixed", "16 sockets, 32 cached blocks", 32);
  use_file(path, O_DIRECT, BLOCKS);
  mixed_row("mixed", "16 sockets, 1 block O_DIRECT", 1);
  mixed_row("mixed", "16 sockets, 32 blocks O_DIRECT", 32);
  report_group("operations", "Sockets, files and a timer in one wait",
               "One event: 16 sockets got a byte, so many blocks were asked for, and a timer for a "
               "microsecond later. evpoll: all of them operations, in one submission. Baseline: "
               "epoll, with a bare ring and a timerfd in its set.");
  use_file(path, 0, CACHED_BLOCKS);
  mixed_row("operations", "16 sockets, 1 cached block, 1 timer", 1);
  mixed_row("operations", "16 sockets, 32 cached blocks, 1 timer", 32);
  unlink(path);
}
