/* SPDX-License-Identifier: MIT */
/* What the files of the simulated kernel share. One lock, the kernel's, guards all of it. */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#include <aio.h>
#include <pthread.h>
#include <sys/event.h>

#include "sim.h"

enum { KN_ACTIVE = 1, KN_QUEUED = 2, KN_DISABLED = 4 };
enum kind { KIND_STREAM, KIND_DATAGRAM, KIND_PIPE, KIND_VNODE, KIND_QUEUE, KIND_OTHER };

struct sim_kqueue;
struct sim_job;
struct sim_lio;

struct sim_knote {
  struct sim_kqueue *kq;
  struct kevent e;  /* as it would be reported */
  int64_t data;     /* as it was given */
  unsigned fflags;  /* the same */
  uint32_t status;  /* KN_ */
  enum kind kind;   /* of descriptors */
  bool triggered;   /* USER, TIMER */
  int64_t deadline; /* TIMER; descriptors: not reported before */
  struct sim_job *job;
  struct sim_lio *lio;
  struct sim_knote *next, **link;             /* of its kqueue */
  struct sim_knote *queue_next, **queue_link; /* those that are active */
};

void sim_lock(void);
void sim_unlock(void);
void sim_wait(pthread_cond_t *condition, int64_t ns); /* lock held, but for the wait */
int64_t sim_now(void);
uint32_t sim_random(uint32_t below);  /* below 1: 0 */
int sim_injected(enum sim_call call); /* a code, or 0 */
extern struct sim_options sim_option;
int sim_code(int code); /* errno as events carry it */
int sim_high(int fd);   /* moves a descriptor of the kernel's out of the way */
bool sim_same_file(int fd, int other);

/* kqueue.c. Lock held. */
struct sim_kqueue *sim_kqueue_find(int fd);
struct sim_knote *sim_knote_add(struct sim_kqueue *kq, const struct kevent *change, int *code_out);
void sim_knote_drop(struct sim_knote *kn);
void sim_knote_activate(struct sim_knote *kn);
void sim_kqueue_forget(int fd);
void sim_kqueue_watch(struct sim_kqueue *kq, int more); /* one more, or less, waits for it */
int sim_kqueue_count(struct sim_kqueue *kq);            /* those that stand in its line */
void sim_kqueues_forked(void);

/* descriptors.c. Lock held. */
int sim_descriptor_attach(struct sim_knote *kn, int rd, int wr);
void sim_descriptor_detach(struct sim_knote *kn, int rd, int wr);
bool sim_descriptor_event(struct sim_knote *kn);
void sim_descriptor_closes(int fd);
enum kind sim_kind_of(int fd);
bool sim_is_unix(int fd);
bool sim_descriptor_edge(struct sim_knote *kn); /* is this edge one of FreeBSD's too? */

/* aio.c. Lock held. */
bool sim_aio_event(const struct sim_knote *kn);
void sim_aio_attach(struct sim_knote *kn, const struct kevent *change);
void sim_aio_detach(struct sim_knote *kn);
void sim_aio_forked(void);

#endif
