/* SPDX-License-Identifier: MIT */
/* What a poller does, for who looks on.
 *
 * EVPOLL_TRACE=FILE in the environment of open: each call and each event is a line of that file.
 * Without it a call costs a look at a word that it has at hand.
 *
 * Probes, where <sys/sdt.h> was there when the library was built: a place in the code with a name,
 * for bpftrace, perf and SystemTap; one instruction that does nothing until somebody looks. */
#ifndef EVP_TRACE_H
#define EVP_TRACE_H

#include "evpoll.h"

#if defined(EVP_PROBES)
#include <sys/sdt.h>
/* Of an operation: its id, its code, its handle, at the end its result. A wait begins with the
 * poller, the capacity and the timeout, and ends with what it returns; BUSY has no end. */
#define EVP_PROBE1(name, a)       DTRACE_PROBE1(evpoll, name, a)
#define EVP_PROBE3(name, a, b, c) DTRACE_PROBE3(evpoll, name, a, b, c)
#else
#define EVP_PROBE1(name, a)       ((void)0)
#define EVP_PROBE3(name, a, b, c) ((void)0)
#endif

/* t is the file, of evp_log_open(). A line each, written at once; what the thread remembers of its
 * last failure is left as it was. begin: a call that may sleep. call: its name and arguments, of
 * which the format takes up to four, as long long; returns result. ios: entries, after submit
 * looked at them. */
void evp_trace_begin(evpoll_handle t, const char *call);
int32_t evp_trace_call(evpoll_handle t, int32_t result, const char *format, uint64_t a, uint64_t b,
                       uint64_t c, uint64_t d);
void evp_trace_changes(evpoll_handle t, const evpoll_change *changes, int32_t n);
void evp_trace_ios(evpoll_handle t, const evpoll_io *ios, int32_t n);
void evp_trace_events(evpoll_handle t, const evpoll_event *events, int32_t n);

#endif
