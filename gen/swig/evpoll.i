/* SPDX-License-Identifier: MIT */
/* The interface that Java's and Go's calls are generated from: the header itself, so that a function
 * or a constant cannot be in one and not in the other. Each language adds in a file of its own how
 * its types stand for the header's, chosen by the parameters' names, which follow a rule there:
 * `_out` last for what is written, `n` or `capacity` after an array.
 *
 * Foreign operations are for C: the caller starts them by calls of the system's. */
#ifdef SWIGJAVA
%module Native
#else
%module capi
#endif

%{
#include "evpoll.h"
%}

%ignore EVPOLL_API;
%ignore evpoll_aio;
%ignore evpoll_aio_open;
%ignore evpoll_aio_register;
%ignore evpoll_aio_deregister;
%ignore evpoll_aio_poll_ready;
%ignore evpoll_aio_clear_ready;
%ignore evpoll_aio_close;

/* shapes.py lays the structs out. */
%ignore evpoll_iovec;
%ignore evpoll_address;
%ignore evpoll_message;
%ignore evpoll_event;
%ignore evpoll_change;
%ignore evpoll_io;
%ignore evpoll_result;
%ignore evpoll_options;
%ignore evpoll_poller_stats;
%ignore evpoll_poller_info;

%include <stdint.i>
#ifdef SWIGJAVA
%include "java.i"
#elif defined(SWIGGO)
%include "go.i"
#endif

#define EVPOLL_API
%include "evpoll.h"
