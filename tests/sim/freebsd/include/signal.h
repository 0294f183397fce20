/* SPDX-License-Identifier: MIT */
/* The C library's, but for struct sigevent, which is FreeBSD's (sys/signal.h there). */
#ifndef SIM_SIGNAL_H
#define SIM_SIGNAL_H

#define sigevent   libc_sigevent
#define sigevent_t libc_sigevent_t
#include_next <signal.h>
#undef sigevent
#undef sigevent_t

#undef SIGEV_NONE
#undef SIGEV_SIGNAL
#undef SIGEV_THREAD
#undef SIGEV_THREAD_ID
#define SIGEV_NONE      0
#define SIGEV_SIGNAL    1
#define SIGEV_THREAD    2
#define SIGEV_KEVENT    3
#define SIGEV_THREAD_ID 4

struct sigevent {
  int sigev_notify;
  int sigev_signo;
  union sigval sigev_value;
  union {
    int _threadid;
    struct {
      void (*_function)(union sigval);
      void *_attribute;
    } _sigev_thread;
    unsigned short _kevent_flags;
    long _spare[8];
  } _sigev_un;
};
#undef sigev_notify_function
#undef sigev_notify_attributes
#define sigev_notify_kqueue       sigev_signo
#define sigev_notify_kevent_flags _sigev_un._kevent_flags

#endif
