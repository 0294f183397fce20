/* SPDX-License-Identifier: MIT */
/* Calls on streams (sockets, pipes, terminals, character devices) that never wait and never raise a
 * signal, one implementation for each family of systems (posix_stream.c). */
#ifndef EVP_OS_STREAM_H
#define EVP_OS_STREAM_H

#include <stdbool.h>

#include "evpoll.h"

enum {
  EVP_NO_STREAM, /* a regular file or block device */
  EVP_TCP,       /* where an edge tells of room only after a write that had none (Linux) */
  EVP_SOCKET,    /* any other */
  EVP_PIPE,      /* and terminals, character devices */
  EVP_WATCHED    /* what can be polled, and no more */
};

struct evp_stream_kind {
  uint8_t kind;
  bool at_once;    /* the system takes "do not wait" with each call; else the handle says so */
  bool waits;      /* a socket without O_NONBLOCK: no accept() is told not to wait */
  bool unpolled;   /* nothing tells when it is ready: it always is */
  bool ends_short; /* a call that moves less than it could says that there is no more for now */
};

/* One call. iovecs are a copy by evp_iovec_copy(). */
struct evp_stream_call {
  evpoll_handle handle;
  const struct evp_stream_kind *kind;
  uint32_t code;
  bool more; /* more is going to be written */
  void *buffer;
  uint64_t length;
  evpoll_handle file; /* SEND_FILE: from there on, `length` bytes */
  int64_t place;
  bool cached; /* it can be read without waiting, as far as it lies in the system's cache */
};

/* SEND_FILE: nothing was sent, since the file would have to be waited for. */
#define EVP_STREAM_MISS INT64_MIN

/* Bytes that one call moves at most: copying them holds up nobody for long. */
#define EVP_STREAM_MOST ((uint64_t)1 << 20)

/* May look at the handle; no lock held. What it is; UNSUPPORTED for a folder, or for what would
 * wait. */
int32_t evp_stream_look(evpoll_handle h, struct evp_stream_kind *out);
/* Does it: what the event's result is to hold, or minus the system's code. */
int64_t evp_stream_perform(const struct evp_stream_call *call);
/* SEND_FILE, and waits for the file, though not for the socket. */
int64_t evp_stream_send_file(const struct evp_stream_call *call);
/* What a result says: not ready; a connection that was gone before it could be accepted, or a
 * signal; no room for one more. */
bool evp_stream_not_now(int64_t result);
bool evp_stream_try_again(int64_t result);
bool evp_stream_no_room(int64_t result);
/* Closing it does not wait for what is still to be sent. */
bool evp_stream_closes_at_once(evpoll_handle h, const struct evp_stream_kind *kind);
/* Closes it, with a reset where that is asked for and can be had: 0, or minus the system's code. */
int64_t evp_stream_close(evpoll_handle h, const struct evp_stream_kind *kind, bool abort);
/* 0, or why the message is none: what it says of itself is looked at once. */
enum { EVP_MESSAGE_PIECES = 1024 };
int32_t evp_message_check(const evpoll_message *m, bool send);

#endif
