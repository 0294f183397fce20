/* SPDX-License-Identifier: MIT */
/* What the backend relies on, one line per fact: "yes" or "NO". On FreeBSD: cc -o conformance
 * conformance.c && ./conformance. The simulated kernel is asked the same; the lines must be equal.
 * Files are made in the working folder. */
#include <sys/types.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
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
  static struct aiocb many[300];
  int n = 0;
  for (; n < 300; n++) {
    prepare(&many[n], EV_ONESHOT, 0);
    if (aio_write(&many[n]) < 0) break;
  }
  say("the 257th unreturned operation is EAGAIN", n == 256 && aio_error(&many[n]) == EAGAIN);
  for (int i = 0; i < n; i++) settle(&many[i]);
  say("finished ones count until they are returned",
      aio_write(&many[n]) == -1 && aio_error(&many[n]) == EAGAIN && aio_return(&many[0]) == 16 &&
          aio_write(&many[n]) == 0);
  settle(&many[n]);
  for (int i = 1; i <= n; i++) aio_return(&many[i]);
  while (take(512, 0) > 0) {
  }
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
  say("a pipe is refused", refused == -1 && (code == EOPNOTSUPP || aio_error(&a) == EOPNOTSUPP));
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
  the_bell();
  unlink("conformance-file");
  return wrong ? 1 : 0;
}
