/* SPDX-License-Identifier: MIT */
/* evpoll-growth full|quick FILE: what a call costs when much is registered, and whether memory
 * stays what it was. Ends with 1 if it did not.
 *
 * More files than a process may have descriptors are had by parking: a descriptor is sent through a
 * socket and closed, and lives on in the message that nobody receives. For the kernel's set its
 * registration lives on as well. evpoll's does not: it names the descriptor, whose number is the
 * next one's. So beyond the limit the kernel has that many and evpoll those that can be named. */
#include "growth.h"
#include "slices.h"

#include <evpoll.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PROBES = 64, REPEATS = 31, WAITS = 500, BUNDLE = 253, MOST_PARKS = 64, MOST_FDS = 16384 };

static evpoll *p;
static int set;
static int alive[MOST_FDS], alive_n;
static int parks[MOST_PARKS], parks_n;
static long registered;

evpoll *growth_poller(uint32_t flags) {
  evpoll_options options = {.struct_size = sizeof options, .flags = flags};
  evpoll *out;
  if (evpoll_open(&options, &out) < 0) die("evpoll_open");
  return out;
}

/* ---- many registrations ------------------------------------------------------------------------
 */

/* Sends descriptors where nobody receives them. False: no room. */
static bool send_to(int socket, int *fds, int n) {
  union {
    struct cmsghdr head;
    char space[CMSG_SPACE(BUNDLE * sizeof(int))];
  } control;
  char byte = 0;
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int))};
  memset(&control, 0, sizeof control);
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
  memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

/* Parks a bundle of what is alive. False: the system lets nothing more be in flight. */
static bool park(void) {
  int *bundle = alive + alive_n - BUNDLE;
  if (parks_n > 0 && send_to(parks[parks_n - 1], bundle, BUNDLE)) goto parked;
  int pair[2];
  if (parks_n + 2 > MOST_PARKS || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
    return false;
  parks[parks_n++] = pair[1];
  parks[parks_n++] = pair[0];
  if (!send_to(parks[parks_n - 1], bundle, BUNDLE)) return false;
parked:
  for (int i = 0; i < BUNDLE; i++) close(bundle[i]);
  alive_n -= BUNDLE;
  return true;
}

static bool grow_to(long n) {
  while (registered < n) {
    if (alive_n == MOST_FDS && !park()) return false;
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN};
    if (fd < 0) return false;
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
    if (evpoll_add(p, fd, 1, EVPOLL_READABLE, EVPOLL_LEVEL) < 0) die("evpoll_add");
    alive[alive_n++] = fd;
    registered++;
  }
  return true;
}

struct costs {
  double add[2], wait[2], remove[2]; /* ns: bare, ours */
};

static int probes[PROBES];

static double add_probes(bool ours) {
  const double t = now_ns();
  for (int i = 0; i < PROBES; i++) {
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)i};
    if (ours ? evpoll_add(p, probes[i], (uint64_t)i, EVPOLL_READABLE, EVPOLL_LEVEL) < 0
             : epoll_ctl(set, EPOLL_CTL_ADD, probes[i], &e))
      die("add");
  }
  return (now_ns() - t) / PROBES;
}

static double remove_probes(bool ours) {
  const double t = now_ns();
  for (int i = 0; i < PROBES; i++)
    if (ours ? evpoll_remove(p, probes[i], (uint64_t)i) < 0
             : epoll_ctl(set, EPOLL_CTL_DEL, probes[i], NULL))
      die("remove");
  return (now_ns() - t) / PROBES;
}

/* The first of the probes is ready. */
static double wait_for_one(bool ours) {
  struct epoll_event raw[64];
  evpoll_event events[64];
  const double t = now_ns();
  for (int i = 0; i < WAITS; i++)
    if ((ours ? evpoll_wait(p, events, 64, EVPOLL_INFINITE) : epoll_wait(set, raw, 64, -1)) != 1)
      die("wait");
  return (now_ns() - t) / WAITS;
}

static struct costs measure(void) {
  double add[2][REPEATS], wait[2][REPEATS], end[2][REPEATS];
  struct costs c;
  for (int r = -1; r < REPEATS; r++) /* the first is not counted */
    for (int ours = 0; ours < 2; ours++) {
      const int at = r < 0 ? 0 : r;
      add[ours][at] = add_probes(ours);
      wait[ours][at] = wait_for_one(ours);
      end[ours][at] = remove_probes(ours);
    }
  for (int ours = 0; ours < 2; ours++) {
    c.add[ours] = median(add[ours], REPEATS);
    c.wait[ours] = median(wait[ours], REPEATS);
    c.remove[ours] = median(end[ours], REPEATS);
  }
  return c;
}

static void costs_of_size(void) {
  static const long sizes[] = {100, 1000, 10000, 20000, 50000, 100000};
  set = epoll_create1(EPOLL_CLOEXEC);
  p = growth_poller(0);
  for (int i = 0; i < PROBES; i++) probes[i] = eventfd(i == 0, EFD_CLOEXEC | EFD_NONBLOCK);
  printf("\n### Growth: one call while so many are registered, ns\n\n"
         "| in the kernel's set | of them with a descriptor | add: epoll | evpoll "
         "| wait of one: epoll | evpoll | remove: epoll | evpoll |\n"
         "|---:|---:|---:|---:|---:|---:|---:|---:|\n");
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    if (!grow_to(sizes[i])) {
      printf("\nMore than %ld cannot be had here: the limit of descriptors, or of what may be in "
             "flight.\n",
             registered);
      break;
    }
    const struct costs c = measure();
    printf("| %ld | %d | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f |\n", registered, alive_n,
           c.add[0], c.add[1], c.wait[0], c.wait[1], c.remove[0], c.remove[1]);
    fflush(stdout);
  }
  for (int i = 0; i < alive_n; i++) close(alive[i]);
  for (int i = 0; i < parks_n; i++) close(parks[i]);
  for (int i = 0; i < PROBES; i++) close(probes[i]);
  evpoll_close(p, EVPOLL_INFINITE);
  close(set);
}

/* ---- memory ------------------------------------------------------------------------------------
 */

enum { READY = 1000, BATCH = 128, BYTES = 512, ALLOWED_KIB = 256 };

/* By walking the page tables: VmRSS is a sum of counters that may lag behind. */
static long resident_kib(void) {
  char line[256];
  long kib = -1;
  FILE *f = fopen("/proc/self/smaps_rollup", "r");
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "Rss: %ld kB", &kib) == 1) break;
  if (f) fclose(f);
  if (kib < 0) die("smaps_rollup");
  return kib;
}

static int fds[READY];
static int file;
static char block[BATCH][BYTES];

static void take_events(long n) {
  static evpoll_event events[READY];
  while (n > 0) n -= evpoll_wait(p, events, READY, EVPOLL_INFINITE);
}

/* A cached read is done in place, a write goes through the ring. */
static void operate(long n, uint32_t code) {
  evpoll_io ios[BATCH];
  for (; n > 0; n -= BATCH) {
    for (int i = 0; i < BATCH; i++)
      ios[i] = (evpoll_io){.handle = file,
                           .offset = i * BYTES,
                           .buffer = EVPOLL_ADDR(block[i]),
                           .length = BYTES,
                           .code = code};
    if (evpoll_submit(p, ios, BATCH) != BATCH) die("evpoll_submit");
    take_events(BATCH);
  }
}

static void reads(long n) { operate(n, EVPOLL_OP_READ); }
static void writes(long n) { operate(n, EVPOLL_OP_WRITE); }

static void churn(long n) {
  for (; n > 0; n--) {
    const int i = (int)(n % READY);
    if (evpoll_add(p, fds[i], 1, EVPOLL_READABLE, EVPOLL_EDGE) < 0) die("evpoll_add");
    if (evpoll_remove(p, fds[i], 1) < 0) die("evpoll_remove");
  }
}

static bool stays_flat(const char *what, void (*work)(long), long n) {
  work(n / 100 > READY ? n / 100 : READY); /* what is needed once is there by then */
  const long before = resident_kib();
  const double t = now_ns();
  work(n);
  const double seconds = (now_ns() - t) / 1e9;
  const long grown = resident_kib() - before;
  printf("| %s | %ld | %ld | %+ld | %.1f |\n", what, n, before, grown, seconds);
  fflush(stdout);
  return grown <= ALLOWED_KIB;
}

static bool memory_is_flat(long events, long operations) {
  bool flat = true;
  p = growth_poller(0);
  if (evpoll_add(p, file, 0, 0, EVPOLL_OPERATIONS) < 0) die("evpoll_add");
  resident_kib(); /* the C library's pages for it are there from now on */
  printf("\n### Memory of the process before and after, KiB\n\n"
         "| | how many | before | growth | seconds |\n|---|---:|---:|---:|---:|\n");
  for (int i = 0; i < READY; i++) fds[i] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
  flat &= stays_flat("descriptors added and removed", churn, operations / 10);
  flat &= stays_flat("cached reads of 512 bytes, in batches of 128", reads, operations / 2);
  flat &= stays_flat("writes of 512 bytes, in batches of 128", writes, operations / 2);
  for (int i = 0; i < READY; i++)
    if (evpoll_add(p, fds[i], 1, EVPOLL_READABLE, EVPOLL_LEVEL) < 0) die("evpoll_add");
  flat &= stays_flat("events, 1000 for each wait", take_events, events);
  for (int i = 0; i < READY; i++) close(fds[i]);
  evpoll_close(p, EVPOLL_INFINITE);
  if (!flat) printf("\nFAILED: more than %d KiB\n", ALLOWED_KIB);
  return flat;
}

int main(int argc, char **argv) {
  struct rlimit limit;
  if (argc != 3) {
    fprintf(stderr, "usage: evpoll-growth full|quick FILE\n");
    return 2;
  }
  const long part = strcmp(argv[1], "full") == 0 ? 1 : 100;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  file = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || write(file, block, sizeof block) != sizeof block) die(argv[2]);
  const bool flat = memory_is_flat(100000000 / part, 10000000 / part);
  costs_of_size();
  costs_of_pending_reads();
  costs_of_pending_timers();
  close(file);
  unlink(argv[2]);
  return flat ? 0 : 1;
}
