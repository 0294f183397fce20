/* SPDX-License-Identifier: MIT */
/* A library that claims to be version 2.0.0: it must be refused before anything else is called. */
#include <jni.h>

JNIEXPORT jint JNICALL Java_org_evpoll_internal_NativeJNI_evpoll_1version(JNIEnv *, jclass);

JNIEXPORT jint JNICALL Java_org_evpoll_internal_NativeJNI_evpoll_1version(JNIEnv *env,
                                                                          jclass jcls) {
  (void)env;
  (void)jcls;
  return 0x020000;
}
