/* SPDX-License-Identifier: MIT */
/* What tests say to the simulated NT kernel. Without nt_boot() it runs in free mode, as Windows
 * does, or as EVPOLL_SIM says ("wine"). */
#ifndef NT_SIM_H
#define NT_SIM_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which SIO_* a layered service provider answers, and with what. */
enum nt_lsp {
  NT_LSP_NONE,
  NT_LSP_BASE,        /* an honest one: SIO_BASE_HANDLE gives the base socket */
  NT_LSP_BELOW,       /* ... gives what is under this layer, which may be another one; */
  NT_LSP_SELECT_ONLY, /* ... fails, and SIO_BSP_HANDLE_SELECT gives what is under it */
  NT_LSP_POLL_ONLY,
  NT_LSP_BSP_ONLY,
  NT_LSP_BLOCKS_ALL,
  NT_LSP_ITSELF, /* says that it is the base socket, which AFD knows better */
};

struct nt_options {
  /* 0: what is on its way arrives at once. Else deterministic: one thread runs at a time, the seed
   * picks which, and when what is on its way arrives; the clock is virtual. */
  uint64_t seed;
  bool wine; /* deviate from Windows as Wine 8.0 does */
  enum nt_lsp lsp;
  uint32_t layers;       /* of it, one over the other; 0: one */
  uint32_t handle_limit; /* 0: none */
};

void nt_boot(const struct nt_options *options);
/* Everything must have been given back: handles, pending requests, threads. */
void nt_halt(void);

/* What is on its way arrives. */
void nt_settle(void);
/* The AFD_POLL_* bits that are true of a socket now; 0 if it is none. */
uint32_t nt_truth(uintptr_t socket);
/* ... and those that were true of it at any time. */
uint32_t nt_ever(uintptr_t socket);
/* Polls that were asked for by this number, after the given request, and whose packets were not
 * taken: all; those that were not asked to end; of them those that still wait for the socket; and
 * those that have seen it closed. */
enum nt_polls { NT_POLLS_ALL, NT_POLLS_LIVE, NT_POLLS_WAITING, NT_POLLS_CLOSED };
uint32_t nt_polls(uintptr_t socket, uint64_t after, enum nt_polls which);
uint64_t nt_requests(void); /* the last one's number */
uint32_t nt_handles(void);
uint32_t nt_pending(void); /* requests that have not reported */
uint64_t nt_calls(void);   /* calls of the system that could have failed, since boot */
bool nt_is_wine(void);
bool nt_is_layered(void);

/* The n-th call from now (1: the next) whose name contains `name` fails. NULL: any call. 0: none
 * will, any more. */
void nt_fail(const char *name, uint64_t n);
/* The name of the call that was made to fail since then, or NULL. */
const char *nt_failed(void);

/* A random number of the seed's sequence, below `end`. */
uint32_t nt_random(uint32_t end);
uint64_t nt_seed(void);

/* A mistake that a real kernel punishes later, or not at all: says what and the seed, and ends. */
void nt_violation(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#ifdef __cplusplus
}
#endif

#endif
