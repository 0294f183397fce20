/* SPDX-License-Identifier: MIT */
/* What the backend relies on, one line per fact: "yes" or "NO". On FreeBSD: cc -o conformance
 * conformance.c && ./conformance. The simulated kernel is asked the same; the lines must be equal.
 * What the machine's settings decide is asked of them first. Files are made in the working folder.
 */
#include <sys/types.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int kq, fd, wrong;
static char buffer[4096];
static struct kevent ev[512];

static void say(const char *fact, int holds) {
  printf("%-72s %s\n", fact, holds ? "yes" : "NO");
  wrong += !holds;
}

static int setting(const char *name, int otherwise) {
  int value = otherwise;
  size_t length = sizeof value;
  if (sysctlbyname(name, &value, &length, NULL, 0) < 0) value = otherwise;
  return value;
}

static int take(int most, int ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
  return kevent(kq, NULL, 0, ev, most, &t);
}

static int change(uintptr_t ident, short filter, int flags, unsigned fflags, void *udata) {
  struct kevent k;
  EV_SET(&k, ident, filter, (unsigned short)flags, fflags, 0, udata);
  return kevent(kq, &k, 1, NULL, 0, NULL);
}

static void prepare(struct aiocb *cb, int flags, int opcode) {
  memset(cb, 0, sizeof *cb);
  cb->aio_fildes = fd;
  cb->aio_buf = buffer;
  cb->aio_nbytes = 16;
  cb->aio_lio_opcode = opcode;
  cb->aio_sigevent.sigev_notify = SIGEV_KEVENT;
  cb->aio_sigevent.sigev_notify_kqueue = kq;
  cb->aio_sigevent.sigev_value.sival_ptr = cb;
  cb->aio_sigevent.sigev_notify_kevent_flags = (unsigned short)flags;
}

static void settle(struct aiocb *cb) {
  while (aio_error(cb) == EINPROGRESS) usleep(1000);
}

static void single_operations(void) {
  struct aiocb a;
  prepare(&a, 0, 0);
  aio_write(&a);
  const int first = take(8, 1000), again = take(8, 100);
  say("an event without flags repeats until aio_return()", first == 1 && again == 1);
  say("its ident is the aiocb, its udata the value, EV_EOF is set",
      ev[0].ident == (uintptr_t)&a && ev[0].udata == &a && (ev[0].flags & EV_EOF));
  say("aio_return() gives the bytes, and takes the event away",
      aio_return(&a) == 16 && take(8, 50) == 0);
  say("a second aio_return() is EINVAL", aio_return(&a) == -1 && errno == EINVAL);

  prepare(&a, EV_ONESHOT, 0);
  aio_write(&a);
  say("EV_ONESHOT reports once", take(8, 1000) == 1 && take(8, 50) == 0 && aio_return(&a) == 16);

  prepare(&a, EV_ONESHOT, 0);
  aio_write(&a);
  settle(&a);
  say("aio_return() before the event was fetched discards it",
      aio_return(&a) == 16 && take(8, 50) == 0);

  prepare(&a, EV_ONESHOT, 0);
  a.aio_buf = (void *)16;
  aio_write(&a);
  say("a failure's code is in data", take(8, 1000) == 1 && ev[0].data == EFAULT);
  aio_return(&a);

  prepare(&a, EV_ONESHOT | EV_RECEIPT, 0);
  say("other flags are EINVAL", aio_write(&a) == -1 && errno == EINVAL);
  prepare(&a, EV_ONESHOT, 0);
  a.aio_sigevent.sigev_notify_kqueue = fd;
  say("what is no queue is not told: EBADF, since 15.1 EINVAL",
      aio_write(&a) == -1 && (errno == EBADF || errno == EINVAL));
  say("EV_ADD of EVFILT_AIO is EPERM",
      change((uintptr_t)&a, EVFILT_AIO, EV_ADD, 0, NULL) == -1 && errno == EPERM);
  prepare(&a, EV_ONESHOT, 0);
  say("aio_fsync() with O_SYNC and O_DSYNC reports",
      aio_fsync(O_SYNC, &a) == 0 && take(8, 2000) == 1 && aio_return(&a) == 0 &&
          aio_fsync(O_DSYNC, &a) == 0 && take(8, 2000) == 1 && aio_return(&a) == 0);
}

static void same_address_twice(void) {
  struct aiocb a;
  prepare(&a, 0, 0);
  aio_write(&a);
  take(8, 1000);
  prepare(&a, 0, 0);
  aio_write(&a);
  say("an address used again before aio_return() has a false event", take(8, 500) == 1);
  usleep(100000);
  aio_return(&a);
  say("... and loses the real one", take(8, 200) == 0);
  aio_return(&a);
}

static void lists(void) {
  struct aiocb a, b;
  struct aiocb *list[2] = {&a, &b};
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_KEVENT;
  event.sigev_notify_kqueue = kq;
  event.sigev_notify_kevent_flags = EV_ONESHOT;
  for (int i = 0; i < 2; i++) {
    prepare(list[i], 0, LIO_WRITE);
    list[i]->aio_sigevent.sigev_notify = SIGEV_NONE;
  }
  lio_listio(LIO_NOWAIT, list, 2, &event);
  const int first = take(8, 1000), again = take(8, 50);
  say("a list's event repeats, whatever its flags", first == 1 && again == 1);
  say("its ident is the array", ev[0].ident == (uintptr_t)list && ev[0].filter == EVFILT_LIO);
  say("EV_DELETE silences it",
      change((uintptr_t)list, EVFILT_LIO, EV_DELETE, 0, NULL) == 0 && take(8, 50) == 0);
  aio_return(&a);
  aio_return(&b);

  prepare(&a, EV_ONESHOT, LIO_WRITE);
  prepare(&b, EV_ONESHOT, LIO_WRITE);
  b.aio_fildes = 5555;
  const int rc = lio_listio(LIO_NOWAIT, list, 2, NULL), code = errno;
  say("a list with a bad entry is EIO, and starts the others", rc == -1 && code == EIO);
  say("the bad entry's own code is in aio_error()", aio_error(&b) == EBADF);
  say("aio_return() of what was not started is EINVAL", aio_return(&b) == -1 && errno == EINVAL);
  say("the others report", take(8, 1000) == 1 && aio_return(&a) == 16);
  prepare(&a, EV_ONESHOT, LIO_WRITE);
  a.aio_fildes = 5555;
  lio_listio(LIO_NOWAIT, list, 1, &event);
  say("no event when all entries fail", take(8, 100) == 0);
  say("no event for no entries", lio_listio(LIO_NOWAIT, list, 0, &event) == 0 && take(8, 50) == 0);
}

static void limits(void) {
  const int own = setting("vfs.aio.max_aio_queue_per_proc", 256);
  const int all = setting("vfs.aio.max_aio_queue", 1024) - setting("vfs.aio.num_queue_count", 0);
  const int most = own < all ? own : all;
  struct aiocb *many = calloc((size_t)most + 1, sizeof *many);
  int n = 0;
  for (; n <= most; n++) {
    prepare(&many[n], EV_ONESHOT, 0);
    if (aio_write(&many[n]) < 0) break;
  }
  say("one unreturned operation beyond the limit is EAGAIN",
      n == most && aio_error(&many[n]) == EAGAIN);
  for (int i = 0; i < n; i++) settle(&many[i]);
  say("finished ones count until they are returned",
      aio_write(&many[n]) == -1 && aio_error(&many[n]) == EAGAIN && aio_return(&many[0]) == 16 &&
          aio_write(&many[n]) == 0);
  settle(&many[n]);
  for (int i = 1; i <= n; i++) aio_return(&many[i]);
  while (take(512, 0) > 0) {
  }
  free(many);
}

static void cancelling(void) {
  struct aiocb a;
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  prepare(&a, EV_ONESHOT, 0);
  a.aio_fildes = pair[0];
  aio_read(&a);
  say("aio_return() of what is under way is EINVAL", aio_return(&a) == -1 && errno == EINVAL);
  say("a cancelled operation still has its event",
      aio_cancel(pair[0], &a) == AIO_CANCELED && take(8, 1000) == 1 && ev[0].data == ECANCELED);
  say("... and is returned", aio_error(&a) == ECANCELED && aio_return(&a) == -1);
  say("a cancel after the end is ALLDONE", aio_cancel(pair[0], &a) == AIO_ALLDONE);
  prepare(&a, EV_ONESHOT, 0);
  a.aio_fildes = pair[0];
  aio_read(&a);
  close(pair[0]);
  say("close() does not cancel", aio_error(&a) == EINPROGRESS);
  say("a cancel by a closed descriptor is EBADF", aio_cancel(pair[0], &a) == -1 && errno == EBADF);
  if (write(pair[1], "x", 1) != 1) perror("write");
  say("... and the operation reports", take(8, 1000) == 1 && aio_return(&a) == 1);
  close(pair[1]);
  int p[2];
  if (pipe(p) < 0) perror("pipe");
  prepare(&a, EV_ONESHOT, 0);
  a.aio_fildes = p[0];
  const int refused = aio_read(&a), code = errno;
  const int served =
      refused == 0 && write(p[1], "x", 1) == 1 && take(8, 1000) == 1 && aio_return(&a) == 1;
  say("a pipe is refused, unless the machine allows unsafe operations",
      setting("vfs.aio.enable_unsafe", 0)
          ? served
          : refused == -1 && (code == EOPNOTSUPP || aio_error(&a) == EOPNOTSUPP));
  close(p[0]);
  close(p[1]);
}

static void readiness(void) {
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  const int s = pair[0], copy = dup(s);
  say("EV_ENABLE without a filter is ENOENT",
      change((uintptr_t)s, EVFILT_READ, EV_ENABLE, 0, NULL) == -1 && errno == ENOENT);
  struct kevent k;
  EV_SET(&k, (uintptr_t)s, EVFILT_READ, EV_ADD | EV_DISPATCH | EV_RECEIPT, 0, 0, &k);
  if (write(pair[1], "x", 1) != 1) perror("write");
  say("a receipt has EV_ERROR and data 0, and no event comes with it",
      kevent(kq, &k, 1, ev, 8, NULL) == 1 && (ev[0].flags & EV_ERROR) && ev[0].data == 0);
  say("EV_DISPATCH reports once", take(8, 100) == 1 && take(8, 50) == 0);
  say("EV_ENABLE looks at the state afresh",
      change((uintptr_t)s, EVFILT_READ, EV_ENABLE, 0, &k) == 0 && take(8, 100) == 1);
  change((uintptr_t)s, EVFILT_READ, EV_DELETE, 0, NULL);
  change((uintptr_t)s, EVFILT_READ, EV_ADD | EV_CLEAR, 0, NULL);
  say("EV_CLEAR reports once", take(8, 100) == 1 && take(8, 50) == 0);
  say("adding again looks at the state afresh",
      change((uintptr_t)s, EVFILT_READ, EV_ADD | EV_CLEAR, 0, NULL) == 0 && take(8, 100) == 1);
  say("adding again keeps the flags of the first time",
      change((uintptr_t)s, EVFILT_READ, EV_ADD, 0, NULL) == 0 && take(8, 100) == 1 &&
          take(8, 50) == 0);
  close(s);
  change((uintptr_t)copy, EVFILT_READ, EV_ADD | EV_CLEAR, 0, NULL);
  take(8, 50);
  say("close() takes the filters away though a duplicate lives",
      write(pair[1], "x", 1) == 1 && take(8, 100) == 1 && ev[0].ident == (uintptr_t)copy);
  close(copy);
  close(pair[1]);
  int p[2];
  if (pipe(p) < 0) perror("pipe");
  change((uintptr_t)p[1], EVFILT_WRITE, EV_ADD, 0, NULL);
  take(8, 50);
  close(p[0]);
  say("a pipe's writer is told of the reader's end once",
      take(8, 100) == 1 && (ev[0].flags & (EV_EOF | EV_ONESHOT)) == (EV_EOF | EV_ONESHOT) &&
          take(8, 50) == 0);
  say("a pipe without a reader takes no WRITE filter: EPIPE",
      change((uintptr_t)p[1], EVFILT_WRITE, EV_ADD, 0, NULL) == -1 && errno == EPIPE);
  close(p[1]);
}

static int add_lowat(int s) {
  struct kevent k;
  EV_SET(&k, (uintptr_t)s, EVFILT_READ, EV_ADD | EV_CLEAR, NOTE_LOWAT, INT32_MAX, NULL);
  return kevent(kq, &k, 1, NULL, 0, NULL);
}

static void the_end_alone(void) {
  int pair[2], p[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  if (pipe(p) < 0) perror("pipe");
  add_lowat(pair[0]);
  say("a socket with a large NOTE_LOWAT does not tell of data",
      write(pair[1], "x", 1) == 1 && take(8, 50) == 0);
  say("adding it again does not either", add_lowat(pair[0]) == 0 && take(8, 50) == 0);
  close(pair[1]);
  say("... but of the end", take(8, 100) == 1 && (ev[0].flags & EV_EOF) && ev[0].data == 1);
  say("... and again when it is enabled",
      take(8, 50) == 0 && add_lowat(pair[0]) == 0 && take(8, 100) == 1);
  add_lowat(p[0]);
  say("a pipe with EV_CLEAR tells of data once, whatever NOTE_LOWAT says",
      write(p[1], "x", 1) == 1 && take(8, 100) == 1 && !(ev[0].flags & EV_EOF) && take(8, 50) == 0);
  close(p[1]);
  say("... and of the end, with data unread", take(8, 100) == 1 && (ev[0].flags & EV_EOF));
  close(pair[0]);
  close(p[0]);
}

static void refused_connections(void) {
  struct sockaddr_in to;
  socklen_t length = sizeof to;
  memset(&to, 0, sizeof to);
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int dead = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);
  bind(dead, (struct sockaddr *)&to, sizeof to);
  getsockname(dead, (struct sockaddr *)&to, &length);
  close(dead);
  fcntl(s, F_SETFL, O_NONBLOCK);
  const int rc = connect(s, (struct sockaddr *)&to, sizeof to);
  change((uintptr_t)s, EVFILT_READ, EV_ADD | EV_CLEAR, 0, NULL);
  say("a refusal is told by connect(), or later by EV_EOF with its code",
      rc == -1 && take(8, 1000) == 1 && (ev[0].flags & EV_EOF) &&
          (ev[0].fflags == ECONNREFUSED || ev[0].fflags == 0));
  close(s);
}

static void queues_in_queues(void) {
  const int outer = kq, inner = kqueue(), copy = fcntl(inner, F_DUPFD_CLOEXEC, 0);
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  kq = inner;
  change((uintptr_t)pair[0], EVFILT_READ, EV_ADD, 0, NULL);
  say("a queue does not watch itself: EINVAL",
      change((uintptr_t)inner, EVFILT_READ, EV_ADD, 0, NULL) == -1 && errno == EINVAL);
  kq = outer;
  say("a queue cannot be watched for WRITE: EINVAL",
      change((uintptr_t)inner, EVFILT_WRITE, EV_ADD, 0, NULL) == -1 && errno == EINVAL);
  say("a queue can be watched for READ, and is silent while it is empty",
      change((uintptr_t)inner, EVFILT_READ, EV_ADD, 0, NULL) == 0 && take(8, 50) == 0);
  say("data is the length of its line", write(pair[1], "x", 1) == 1 && take(8, 1000) == 1 &&
                                            ev[0].ident == (uintptr_t)inner && ev[0].data == 1);
  kq = copy;
  say("a duplicate of its descriptor is the same queue",
      take(8, 100) == 1 && ev[0].ident == (uintptr_t)pair[0]);
  kq = outer;
  say("it is reported as long as something is ready", take(8, 100) == 1 && take(8, 100) == 1);
  if (read(pair[0], buffer, 1) != 1) perror("read");
  say("... or was, until somebody has taken from it", take(8, 100) == 1);
  kq = inner;
  const int empty = take(8, 0) == 0;
  kq = outer;
  say("... and not any more", empty && take(8, 50) == 0);
  close(copy);
  close(inner);
  close(pair[0]);
  close(pair[1]);
}

static void hear(int number) { (void)number; }

static void signals(void) {
  struct sigaction act;
  memset(&act, 0, sizeof act);
  act.sa_handler = hear;
  act.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &act, NULL);
  const struct itimerval soon = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &soon, NULL);
  say("a signal handler ends a sleep with EINTR, SA_RESTART or not",
      take(8, 5000) == -1 && errno == EINTR);
  setitimer(ITIMER_REAL, &never, NULL);
}

static void the_bell(void) {
  change(7, EVFILT_USER, EV_ADD | EV_CLEAR, 0, NULL);
  change(7, EVFILT_USER, 0, NOTE_TRIGGER, NULL);
  change(7, EVFILT_USER, 0, NOTE_TRIGGER, NULL);
  say("two triggers are one event", take(8, 100) == 1 && take(8, 50) == 0);
  change(8, EVFILT_USER, EV_ADD | EV_DISPATCH, 0, NULL);
  change(8, EVFILT_USER, 0, NOTE_TRIGGER, NULL);
  say("a user event with EV_DISPATCH comes again when it is enabled",
      take(8, 100) == 1 && take(8, 50) == 0 && change(8, EVFILT_USER, EV_ENABLE, 0, NULL) == 0 &&
          take(8, 100) == 1);
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) _exit(take(1, 0) == -1 && errno == EBADF ? 0 : 1);
  int status = 1;
  waitpid(child, &status, 0);
  say("a child has no queue", status == 0);
}

int main(void) {
  kq = kqueue();
  fd = open("conformance-file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  signal(SIGPIPE, SIG_IGN);
  say("AIO is there", sysconf(_SC_ASYNCHRONOUS_IO) > 0);
  say("sysconf() knows the longest list", sysconf(_SC_AIO_LISTIO_MAX) > 1);
  single_operations();
  same_address_twice();
  lists();
  limits();
  cancelling();
  readiness();
  the_end_alone();
  refused_connections();
  queues_in_queues();
  the_bell();
  signals();
  unlink("conformance-file");
  return wrong ? 1 : 0;
}
