/* SPDX-License-Identifier: MIT */
/* kqueue as FreeBSD 12 and later have it on 64-bit machines: numbers and layout, by our own hand.
 * numbers_test.py compares them with independent records. */
#ifndef SIM_SYS_EVENT_H
#define SIM_SYS_EVENT_H

#include <stdint.h>
#include <sys/types.h>

#define EVFILT_READ  (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_AIO   (-3)
#define EVFILT_VNODE (-4)
#define EVFILT_PROC  (-5)
#define EVFILT_TIMER (-7)
#define EVFILT_LIO   (-10)
#ifndef SIM_OLD_BSD /* to compile for systems that lack these */
#define EVFILT_USER (-11)
#endif
#ifdef SIM_DARWIN /* and for those that have more */
#define EVFILT_EXCEPT (-15)
#define NOTE_OOB      0x00000002
#endif

#define EV_ADD     0x0001
#define EV_DELETE  0x0002
#define EV_ENABLE  0x0004
#define EV_DISABLE 0x0008
#define EV_ONESHOT 0x0010
#define EV_CLEAR   0x0020
#ifndef SIM_OLD_BSD
#define EV_RECEIPT 0x0040
#endif
#define EV_DISPATCH  0x0080
#define EV_KEEPUDATA 0x0200
#define EV_ERROR     0x4000
#define EV_EOF       0x8000

#define NOTE_LOWAT    0x00000001
#define NOTE_FFNOP    0x00000000
#define NOTE_TRIGGER  0x01000000
#define NOTE_SECONDS  0x00000001
#define NOTE_MSECONDS 0x00000002
#define NOTE_USECONDS 0x00000004
#define NOTE_NSECONDS 0x00000008

#define KQUEUE_CLOEXEC 0x00000001

struct kevent {
  uintptr_t ident;
  short filter;
  unsigned short flags;
  unsigned int fflags;
  int64_t data;
  void *udata;
  uint64_t ext[4];
};

#define EV_SET(event, id, kind, what, more, number, user)                                          \
  (*(event) = (struct kevent){.ident = (uintptr_t)(id),                                            \
                              .filter = (kind),                                                    \
                              .flags = (what),                                                     \
                              .fflags = (more),                                                    \
                              .data = (number),                                                    \
                              .udata = (user)})

#ifdef __cplusplus
extern "C" {
#endif
struct timespec;
int kqueue(void);
int kqueuex(unsigned flags);
int kqueue1(int flags);
int kevent(int kq, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
           const struct timespec *timeout);
#ifdef __cplusplus
}
#endif

#endif
