/* SPDX-License-Identifier: MIT */
/* How the header's types stand in Java. Nothing is converted and nothing is allocated in a call:
 * an address is a long, an array is the address of a direct buffer, and what a function writes
 * through a pointer comes back in element 0 of a long[]. */

%javaconst(1);
%pragma(java) jniclassclassmodifiers="final class"
%pragma(java) moduleclassmodifiers="public final class"
%pragma(java) jniclasscode=%{
  static {
    NativeLibrary.load();
  }
%}

/* A count, or a failure: then the status is in the upper half, and in the lower one the system's
 * code, which another thread's call could not have overwritten yet. */
%typemap(jni) int32_t "jlong"
%typemap(jtype) int32_t "long"
%typemap(jstype) int32_t "long"
%typemap(javaout) int32_t { return $jnicall; }
%typemap(out) int32_t
%{ $result = $1 >= 0 ? (jlong)$1 : (jlong)$1 * 4294967296LL + (uint32_t)evpoll_os_error(); %}

/* These return no status. */
%typemap(jni) int32_t evpoll_version, int32_t evpoll_os_error "jint"
%typemap(jtype) int32_t evpoll_version, int32_t evpoll_os_error "int"
%typemap(jstype) int32_t evpoll_version, int32_t evpoll_os_error "int"
%typemap(out) int32_t evpoll_version, int32_t evpoll_os_error %{ $result = (jint)$1; %}

%apply int {
  int32_t n, int32_t nchanges, int32_t nios, int32_t capacity, int32_t host_capacity, int32_t port,
  int32_t backlog, int32_t how, int32_t on, int32_t status, uint32_t
}
%apply long long { int64_t, uint64_t, evpoll_handle }

%define EVP_ADDRESS(TYPE)
%typemap(jni) TYPE "jlong"
%typemap(jtype) TYPE "long"
%typemap(jstype) TYPE "long"
%typemap(javain) TYPE "$javainput"
%typemap(in) TYPE %{ $1 = ($1_ltype)(intptr_t)$input; %}
%typemap(freearg) TYPE ""
%typemap(argout) TYPE ""
%enddef
EVP_ADDRESS(evpoll *p)
EVP_ADDRESS(evpoll_event *events_out)
EVP_ADDRESS(evpoll_change *changes)
EVP_ADDRESS(evpoll_io *ios)
EVP_ADDRESS(evpoll_result *results_out)
EVP_ADDRESS(const evpoll_options *options)
EVP_ADDRESS(struct evpoll_poller_stats *stats_out)
EVP_ADDRESS(struct evpoll_poller_info *info_out)
EVP_ADDRESS(char *text_out)
EVP_ADDRESS(char *host_out)
EVP_ADDRESS(void *buffer_out)
EVP_ADDRESS(const void *buffer)
EVP_ADDRESS(void *buffer)

%define EVP_OUT(TYPE, VIA)
%typemap(jni) TYPE "jlongArray"
%typemap(jtype) TYPE "long[]"
%typemap(jstype) TYPE "long[]"
%typemap(javain) TYPE "$javainput"
%typemap(in) TYPE ($*1_ltype value = 0) %{ $1 = $input ? &value : NULL; %}
%typemap(freearg) TYPE ""
%typemap(argout) TYPE %{
  if ($input) {
    const jlong out = (jlong)(VIA)value$argnum;
    (*jenv)->SetLongArrayRegion(jenv, $input, 0, 1, &out);
  }
%}
%enddef
EVP_OUT(evpoll **poller_out, intptr_t)
EVP_OUT(void **buffer_out, intptr_t)
EVP_OUT(evpoll_handle *handle_out, int64_t)
EVP_OUT(evpoll_handle *first_out, int64_t)
EVP_OUT(evpoll_handle *second_out, int64_t)
EVP_OUT(int64_t *size_out, int64_t)
EVP_OUT(uint64_t *op_out, uint64_t)
EVP_OUT(int32_t *port_out, int32_t)
EVP_OUT(int32_t *error_out, int32_t)

/* Strings are the bytes of UTF-8 with a zero at their end: what JNI calls UTF-8 is another code. */
%define EVP_TEXT(TYPE)
%typemap(jni) TYPE "jbyteArray"
%typemap(jtype) TYPE "byte[]"
%typemap(jstype) TYPE "byte[]"
%typemap(javain) TYPE "$javainput"
%typemap(in) TYPE (jbyte *copy = NULL) %{
  if ($input) {
    copy = (*jenv)->GetByteArrayElements(jenv, $input, NULL);
    if (!copy) return $null;
  }
  $1 = ($1_ltype)copy;
%}
%typemap(freearg) TYPE
%{ if ($input) (*jenv)->ReleaseByteArrayElements(jenv, $input, copy$argnum, JNI_ABORT); %}
%typemap(argout) TYPE ""
%enddef
EVP_TEXT(const char *host)
EVP_TEXT(const char *path)

/* The object of a direct buffer; it stays reachable during the call, since it is an argument. */
%typemap(jni) void *direct "jobject"
%typemap(jtype) void *direct "java.nio.ByteBuffer"
%typemap(jstype) void *direct "java.nio.ByteBuffer"
%typemap(javain) void *direct "$javainput"
%typemap(in) void *direct
%{ $1 = $input ? (*jenv)->GetDirectBufferAddress(jenv, $input) : NULL; %}

/* Bytes on Java's heap, which moves: they are copied in the call. */
%typemap(jni) evp_heap bytes "jbyteArray"
%typemap(jtype) evp_heap bytes "byte[]"
%typemap(jstype) evp_heap bytes "byte[]"
%typemap(javain) evp_heap bytes "$javainput"
%typemap(in) evp_heap bytes %{ $1.env = jenv; $1.array = $input; %}

/* What Java needs beside the header. Sending and receiving find the buffer's address in the same
 * native call. The counter is there for tests, in a library built for them. */
%{
#include <stdatomic.h>
#ifdef EVPOLL_JNI_COUNT
static atomic_llong evp_calls;
#define EVP_COUNT_CALL() atomic_fetch_add_explicit(&evp_calls, 1, memory_order_relaxed)
static int64_t evp_native_calls(void) { return atomic_load(&evp_calls); }
#else
#define EVP_COUNT_CALL() ((void)0)
static int64_t evp_native_calls(void) { return -1; }
#endif

static int64_t evp_address(void *direct) { return (int64_t)(intptr_t)direct; }

static int64_t evp_failed(int32_t status, int64_t os_code) {
  return (int64_t)status * 4294967296LL + (uint32_t)os_code;
}

/* One operation, by a thread other than the loop's. The handle is held meanwhile, so that its number
 * is nobody else's. Returns what it ended with inside the call, a failure, or INT64_MIN: it is under
 * way. The buffer begins at `direct`, if that is one, plus `at`. */
static int64_t evp_start(evpoll *p, evpoll_handle handle, uint64_t registration, uint64_t token,
                         uint32_t code, uint32_t flags, int64_t offset, void *direct, int64_t at,
                         int64_t length, uint32_t timeout_ms) {
  evpoll_io io = {token, handle, offset, (uint64_t)(intptr_t)direct + (uint64_t)at,
                  (uint64_t)length, 0, code, flags, 0, timeout_ms};
  if (handle >= 0) {
    const int32_t held = evpoll_hold(p, handle, registration);
    if (held < 0) return evp_failed(held, 0);
  }
  const int32_t n = evpoll_submit(p, &io, 1);
  if (handle >= 0) evpoll_release(p, handle);
  if (n < 0) return evp_failed(n, 0);
  if (io.status < 0) return evp_failed(io.status, io.status == EVPOLL_ERR_AGAIN ? 0 : io.offset);
  return io.op ? INT64_MIN : io.offset;
}

typedef struct {
  JNIEnv *env;
  jbyteArray array;
} evp_heap;

/* Reads or writes at once, by way of the stack: bytes, or a failure, WOULD_BLOCK above all. */
static int64_t evp_move(evpoll *p, evpoll_handle handle, uint64_t registration, uint32_t code,
                        evp_heap bytes, uint32_t at, uint32_t length) {
  jbyte copy[32768];
  JNIEnv *env = bytes.env;
  if (length > sizeof copy) length = sizeof copy;
  if (code == EVPOLL_OP_WRITE)
    (*env)->GetByteArrayRegion(env, bytes.array, (jsize)at, (jsize)length, copy);
  const int64_t n = evp_start(p, handle, registration, 0, code, EVPOLL_OPF_NOWAIT, 0, copy, 0,
                              length, 0);
  if (code == EVPOLL_OP_READ && n > 0)
    (*env)->SetByteArrayRegion(env, bytes.array, (jsize)at, (jsize)n, copy);
  return n;
}

static int32_t evp_recv_at(evpoll_handle handle, void *direct, uint32_t at, uint64_t length) {
  return evpoll_socket_recv(handle, direct ? (char *)direct + at : NULL, length);
}
static int32_t evp_send_at(evpoll_handle handle, void *direct, uint32_t at, uint64_t length) {
  return evpoll_socket_send(handle, direct ? (char *)direct + at : NULL, length);
}
%}
int64_t evp_native_calls(void);

%exception {
  EVP_COUNT_CALL();
  $action
}
int64_t evp_address(void *direct);
int64_t evp_start(evpoll *p, evpoll_handle handle, uint64_t registration, uint64_t token,
                  uint32_t code, uint32_t flags, int64_t offset, void *direct, int64_t at,
                  int64_t length, uint32_t timeout_ms);
int64_t evp_move(evpoll *p, evpoll_handle handle, uint64_t registration, uint32_t code,
                 evp_heap bytes, uint32_t at, uint32_t length);
int32_t evp_recv_at(evpoll_handle handle, void *direct, uint32_t at, uint64_t length);
int32_t evp_send_at(evpoll_handle handle, void *direct, uint32_t at, uint64_t length);
