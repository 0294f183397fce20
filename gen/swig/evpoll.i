/* SPDX-License-Identifier: MIT */
/* The interface that the bindings are generated from: the header itself, so that a function or a
 * constant cannot be in one and not in the other. Each language adds in a file of its own how its
 * types stand for the header's, chosen by the parameters' names, which follow a rule there:
 * `_out` last for what is written, `n` or `capacity` after an array.
 *
 * Vectored and foreign operations are for C: their arrays hold addresses of the caller's. */
#ifdef SWIGCSHARP
%module Native
#elif defined(SWIGJAVA)
%module Native
#else
%module capi
#endif

%{
#include "evpoll.h"
%}

%ignore EVPOLL_API;
%ignore EVPOLL_IO_READV;
%ignore EVPOLL_IO_WRITEV;
%ignore evpoll_iovec;
%ignore evpoll_aio;
%ignore evpoll_aio_open;
%ignore evpoll_aio_register;
%ignore evpoll_aio_deregister;
%ignore evpoll_aio_poll_ready;
%ignore evpoll_aio_clear_ready;
%ignore evpoll_aio_close;

/* The languages lay the structs out themselves, and their tests compare that with the header. */
%ignore evpoll_event;
%ignore evpoll_change;
%ignore evpoll_io;
%ignore evpoll_result;
%ignore evpoll_options;
/* Two share their names with functions, which are to stay. */
%rename("$ignore", %$isclass) evpoll_stats;
%rename("$ignore", %$isclass) evpoll_info;

%include <stdint.i>
#ifdef SWIGCSHARP
%include "csharp.i"
#elif defined(SWIGJAVA)
%include "java.i"
#elif defined(SWIGGO)
%include "go.i"
#endif

#define EVPOLL_API
%include "evpoll.h"
