/* SPDX-License-Identifier: MIT */
/* How the header's types stand in C#. Every wrapper that SWIG writes from this is a pass-through,
 * argument for argument, so that csharp.sh can let the P/Invokes name evpoll's own exports: there
 * is no second native library. That is why no type here may need a conversion on the C side. */
%csconst(1);
%pragma(csharp) moduleclassmodifiers="internal static class"
%pragma(csharp) imclassclassmodifiers="internal static class"

/* A type that needs nothing done on either side. */
%define PASS(CTYPE, CSTYPE)
%typemap(ctype) CTYPE "void *"
%typemap(imtype) CTYPE "CSTYPE"
%typemap(cstype) CTYPE "CSTYPE"
%typemap(csin) CTYPE "$csinput"
%typemap(in) CTYPE "$1 = ($1_ltype)$input;"
%enddef

/* A place that is written: out in C#, which needs no value before. */
%define PLACE(CTYPE, CSTYPE)
%typemap(ctype) CTYPE "void *"
%typemap(imtype) CTYPE "out CSTYPE"
%typemap(cstype) CTYPE "out CSTYPE"
%typemap(csin) CTYPE "out $csinput"
%typemap(in) CTYPE "$1 = ($1_ltype)$input;"
%enddef

/* The first element of an array: a span's reference, pinned for the call and not copied. The
 * reference of an empty span is NULL on the other side. */
%define ARRAY(CTYPE, CSTYPE)
%typemap(ctype) CTYPE "void *"
%typemap(imtype) CTYPE "ref CSTYPE"
%typemap(cstype) CTYPE "ref CSTYPE"
%typemap(csin) CTYPE "ref $csinput"
%typemap(in) CTYPE "$1 = ($1_ltype)$input;"
%enddef

/* A SafeHandle: it throws ObjectDisposedException after Dispose, and keeps the poller while a call
 * is inside. */
PASS(evpoll *p, PollerHandle)
PLACE(evpoll **poller_out, nint)

ARRAY(evpoll_event *events_out, PollEvent)
ARRAY(evpoll_change *changes, PollChange)
ARRAY(evpoll_io *ios, IoRequest)
ARRAY(evpoll_result *results_out, IoResult)
ARRAY(const evpoll_options *options, NativeOptions)
ARRAY(struct evpoll_stats *stats_out, PollerStats)
ARRAY(struct evpoll_info *info_out, PollerInfo)

PLACE(evpoll_handle *handle_out, long)
PLACE(evpoll_handle *first_out, long)
PLACE(evpoll_handle *second_out, long)
PLACE(int64_t *size_out, long)
PLACE(uint64_t *op_out, ulong)
PLACE(int32_t *port_out, int)
PLACE(int32_t *error_out, int)
PLACE(void **buffer_out, nint)

ARRAY(void *buffer_out, byte)
ARRAY(const void *buffer, byte)
ARRAY(char *text_out, byte)
ARRAY(char *host_out, byte)
PASS(void *buffer, nint)

/* UTF-8, on the stack when it is short. */
%typemap(ctype) const char *path, const char *host "const char *"
%typemap(imtype, inattributes="[global::System.Runtime.InteropServices.MarshalAs(global::System.Runtime.InteropServices.UnmanagedType.LPUTF8Str)]")
  const char *path, const char *host "string"
%typemap(cstype) const char *path, const char *host "string"
%typemap(csin) const char *path, const char *host "$csinput"
%typemap(in) const char *path, const char *host "$1 = ($1_ltype)$input;"

/* The library's own constant texts. */
%typemap(ctype) const char * "const char *"
%typemap(imtype) const char * "nint"
%typemap(cstype) const char * "nint"
%typemap(out) const char * "$result = $1;"
%typemap(csout, excode="") const char * "{ return $imcall; }"

%apply long long { int64_t, evpoll_handle };
%apply unsigned long long { uint64_t };
%apply int { int32_t };
%apply unsigned int { uint32_t };
