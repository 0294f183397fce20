/* SPDX-License-Identifier: MIT */
/* What jni.h asks of the system that is compiled for: on x86-64 Windows. The names and widths are
 * those of the JNI specification, chapter 3 and "Platform-dependent types". */
#ifndef EVPOLL_JNI_MD_H
#define EVPOLL_JNI_MD_H

#define JNIEXPORT __declspec(dllexport)
#define JNIIMPORT __declspec(dllimport)
#define JNICALL   __stdcall

typedef signed char jbyte;
typedef int jint;
typedef long long jlong;

#endif
