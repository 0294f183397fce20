/* SPDX-License-Identifier: MIT */
/* The simulated FreeBSD kernel: what tests tell it, and ask. Its calls are in include/. */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Everything may be changed at any time; sim_reset() goes back to what a kernel does by default. */
struct sim_options {
  uint64_t seed;           /* of the order of completions; 0: as they were submitted */
  int queue_per_process;   /* vfs.aio.max_aio_queue_per_proc */
  int queue_of_system;     /* vfs.aio.max_aio_queue */
  int buffers_per_process; /* vfs.aio.max_buf_aio */
  int listio_max;
  bool no_aio;       /* sysconf says that there is none */
  bool unsafe;       /* vfs.aio.enable_unsafe */
  bool refuse_files; /* regular files are on a file system that AIO does not serve (NFS) */
  bool disks;        /* regular files are raw disks of the old kind: each transfer takes a buffer */
  bool manual;       /* jobs run by sim_step(), or when somebody would sleep */
  bool freebsd_codes; /* errno values in events and aio_error() are FreeBSD's numbers */
  int before_percent; /* jobs that are over before the call that submits them returns */
  int late_percent;   /* cancels that come too late */
  int64_t delay_ns;   /* before a job may start */
  bool fetch_first;   /* aio_return() of what was not reported yet ends the process */
  int outsiders;      /* unreaped jobs of others in the process, which take room */
  int strangers;      /* the same of other processes */
  int64_t task_ns;    /* before a queue learns that one that it watches has something */
  int broken_pipe;    /* what a pipe without a reader says to WRITE; 0: EPIPE */
};
void sim_reset(void);
struct sim_options sim_get(void);
void sim_set(const struct sim_options *options);

/* Runs one job, chosen by the seed. False: there was none that could run. */
bool sim_step(void);
/* Holds every job from now on, or lets them go. */
void sim_hold(bool hold);

/* A thread of nobody's is told of a pipe that has lost its reader, and says nothing: the filter is
 * gone. False: there was none. */
bool sim_take_last(int fd);

/* The n-th call from now on (1: the next) fails with a code, once; of aio_*, none was started. */
enum sim_call {
  SIM_KQUEUE,
  SIM_KEVENT,        /* any */
  SIM_KEVENT_CHANGE, /* one filter that is added */
  SIM_AIO_SUBMIT,    /* aio_read() and its like */
  SIM_LIO_LISTIO,    /* the whole */
  SIM_LIO_ENTRY,     /* one entry */
  SIM_AIO_CANCEL,
  SIM_JOB,     /* the job itself */
  SIM_TRIGGER, /* of an EVFILT_USER; as those below, it cannot fail here */
  SIM_READ,    /* jobs that were accepted, one by one or in a list */
  SIM_WRITE,
  SIM_READV,
  SIM_WRITEV,
  SIM_SYNC,
  SIM_DSYNC,
  SIM_CALLS
};
void sim_fail(enum sim_call call, int nth, int code);
/* Once, when the next kevent() that could not add a filter is about to return: what another thread
 * does meanwhile. */
void sim_meanwhile(void (*call)(void *), void *context);
/* Calls made since sim_reset(). */
uint64_t sim_count(enum sim_call call);

int sim_jobs(void);           /* submitted and not returned */
int sim_unfinished(void);     /* submitted and not over */
int sim_knotes(void);         /* in all queues */
uint64_t sim_wrong(void);     /* aio_return() without a finished job, since sim_reset() */
uint64_t sim_lost(void);      /* completions that had no knote to tell of them */
uint64_t sim_repeating(void); /* jobs that were to be reported until they are returned */
uint64_t sim_unfetched(void); /* events that aio_return() took away */

#ifdef __cplusplus
}
#endif

#endif
