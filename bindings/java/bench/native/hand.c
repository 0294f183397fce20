/* SPDX-License-Identifier: MIT */
/* The functions that the bench compares with: JNI as one would write it by hand, without checks,
 * with a copy of the library of its own. */
#include <evpoll.h>
#include <jni.h>

JNIEXPORT jlong JNICALL Java_org_evpoll_bench_Hand_open(JNIEnv *, jclass);
JNIEXPORT jlong JNICALL Java_org_evpoll_bench_Hand_address(JNIEnv *, jclass, jobject);
JNIEXPORT jint JNICALL Java_org_evpoll_bench_Hand_add(JNIEnv *, jclass, jlong, jlong, jlong);
JNIEXPORT jint JNICALL Java_org_evpoll_bench_Hand_addFile(JNIEnv *, jclass, jlong, jlong);
JNIEXPORT jint JNICALL Java_org_evpoll_bench_Hand_submit(JNIEnv *, jclass, jlong, jlong, jint);
JNIEXPORT jint JNICALL Java_org_evpoll_bench_Hand_wait(JNIEnv *, jclass, jlong, jlong, jint, jlong);

JNIEXPORT jlong JNICALL Java_org_evpoll_bench_Hand_open(JNIEnv *env, jclass type) {
  (void)env;
  (void)type;
  evpoll *p = NULL;
  return evpoll_open(NULL, &p) < 0 ? 0 : (jlong)(intptr_t)p;
}

JNIEXPORT jlong JNICALL Java_org_evpoll_bench_Hand_address(JNIEnv *env, jclass type,
                                                           jobject buffer) {
  (void)type;
  return (jlong)(intptr_t)(*env)->GetDirectBufferAddress(env, buffer);
}

JNIEXPORT jint JNICALL Java_org_evpoll_bench_Hand_add(JNIEnv *env, jclass type, jlong p,
                                                      jlong handle, jlong token) {
  (void)env;
  (void)type;
  return evpoll_add((evpoll *)(intptr_t)p, handle, (uint64_t)token, EVPOLL_READABLE, EVPOLL_LEVEL);
}

JNIEXPORT jint JNICALL Java_org_evpoll_bench_Hand_addFile(JNIEnv *env, jclass type, jlong p,
                                                          jlong handle) {
  (void)env;
  (void)type;
  return evpoll_add((evpoll *)(intptr_t)p, handle, 0, 0, EVPOLL_OPERATIONS);
}

JNIEXPORT jint JNICALL Java_org_evpoll_bench_Hand_submit(JNIEnv *env, jclass type, jlong p,
                                                         jlong ios, jint n) {
  (void)env;
  (void)type;
  return evpoll_submit((evpoll *)(intptr_t)p, (evpoll_io *)(intptr_t)ios, n);
}

JNIEXPORT jint JNICALL Java_org_evpoll_bench_Hand_wait(JNIEnv *env, jclass type, jlong p,
                                                       jlong events, jint capacity,
                                                       jlong timeout_ns) {
  (void)env;
  (void)type;
  return evpoll_wait((evpoll *)(intptr_t)p, (evpoll_event *)(intptr_t)events, capacity, timeout_ns);
}
