/* SPDX-License-Identifier: MIT */
/* How the header's types stand in Go. The package on top is hand-written, and the only caller, so
 * pointers are plain addresses here: what is behind them is typed and checked there.
 *
 * Each function that can fail returns its status and the system's code together: two calls from Go
 * may run on two threads, and the code is the thread's. */
%{
/* The status in the lower half, the system's code in the upper one. */
static long long evp_go_both(int32_t status) {
  return (long long)((uint64_t)(uint32_t)evpoll_os_error() << 32 | (uint32_t)status);
}
static long long evp_go_result(int32_t status) {
  return status < 0 ? evp_go_both(status) : status;
}
%}

/* evpoll_wait becomes capi.Wait. */
%rename("%(regex:/^evpoll_(.*)$/\\1/)s", %$isfunction) "";
%ignore evpoll_os_error; /* of which thread? */

%typemap(gotype) int32_t "int64"
%typemap(gotype) int64_t "int64"
%typemap(gotype) evpoll_handle "int64"
%typemap(gotype) uint32_t "uint32"
%typemap(gotype) uint64_t "uint64"
%typemap(out) int32_t %{ $result = evp_go_result($1); %}
%typemap(out) int32_t evpoll_version %{ $result = $1; %}
/* Says by the code what the error was that it took. */
%typemap(out) int32_t evpoll_socket_take_error %{ $result = evp_go_both($1); %}

#define EVP_GO_ADDRESSES                                                                           \
  SWIGTYPE *, SWIGTYPE **, void *, void **, const void *, char *text_out, char *host_out
%typemap(gotype) EVP_GO_ADDRESSES "unsafe.Pointer"
%typemap(in) EVP_GO_ADDRESSES %{ $1 = ($1_ltype)$input; %}
%typemap(goin) EVP_GO_ADDRESSES ""
%typemap(freearg) EVP_GO_ADDRESSES ""

/* One entry, on the registration of this name and on no other: the handle's number may be somebody
 * else's by now. (A timer has none.) `memory` is Go's, and lent for the time of this call: who gives some asks for NOWAIT.
 * What would block then becomes a POLL for `interest`, which keeps no memory. The status is that of the
 * hold, or 0, and the entry's outcome is in the entry. */
%{
static int32_t evpoll_go_do(evpoll *p, evpoll_io *io, uint64_t name, void *memory, uint32_t interest) {
  evpoll_handle handle = io->handle;
  int32_t status = handle < 0 ? 0 : evpoll_hold(p, handle, name);
  if (status < 0) return status;
  if (memory) io->buffer = EVPOLL_ADDR(memory);
  status = evpoll_submit(p, io, 1);
  if (memory) io->buffer = 0;
  if (status >= 0 && interest && io->status == EVPOLL_ERR_WOULD_BLOCK) {
    io->code = EVPOLL_OP_POLL;
    io->flags = EVPOLL_OPF_INLINE;
    io->offset = 0;
    io->length = interest;
    status = evpoll_submit(p, io, 1);
  }
  if (handle >= 0) evpoll_release(p, handle);
  return status < 0 ? status : 0;
}
%}
int32_t evpoll_go_do(evpoll *p, evpoll_io *io, uint64_t name, void *memory, uint32_t interest);

/* descriptor.c, which says a failure as Go has it. */
%{
int64_t evpoll_go_duplicate(evpoll_handle handle, int32_t is_file, int64_t *copy_out);
int64_t evpoll_go_keep_alive(evpoll_handle handle, uint32_t seconds);
%}
int64_t evpoll_go_duplicate(evpoll_handle handle, int32_t is_file, int64_t *copy_out);
int64_t evpoll_go_keep_alive(evpoll_handle handle, uint32_t seconds);

/* path.c: the file that the library was loaded from; empty where it is part of the program. */
%{
int32_t evpoll_go_path(char *text_out, int32_t capacity);
%}
int32_t evpoll_go_path(char *text_out, int32_t capacity);
