/* SPDX-License-Identifier: MIT */
/* What the C compiler of this machine makes of the header's structs, for the layout test. */
#include <evpoll.h>
#include <jni.h>
#include <stddef.h>

#define FIELD(s, f) (jint) offsetof(struct s, f), (jint)sizeof(((struct s *)0)->f)

JNIEXPORT jintArray JNICALL Java_org_evpoll_LayoutTest_compiled(JNIEnv *, jclass);

JNIEXPORT jintArray JNICALL Java_org_evpoll_LayoutTest_compiled(JNIEnv *env, jclass jcls) {
  static const jint numbers[] = {
      sizeof(struct evpoll_event),   FIELD(evpoll_event, token),     FIELD(evpoll_event, op),
      FIELD(evpoll_event, result),   FIELD(evpoll_event, events),    FIELD(evpoll_event, status),
      sizeof(struct evpoll_change),  FIELD(evpoll_change, token),    FIELD(evpoll_change, handle),
      FIELD(evpoll_change, action),  FIELD(evpoll_change, interest), FIELD(evpoll_change, mode),
      FIELD(evpoll_change, status),  sizeof(struct evpoll_io),       FIELD(evpoll_io, token),
      FIELD(evpoll_io, handle),      FIELD(evpoll_io, offset),       FIELD(evpoll_io, buffer),
      FIELD(evpoll_io, length),      FIELD(evpoll_io, op),           FIELD(evpoll_io, code),
      FIELD(evpoll_io, flags),       FIELD(evpoll_io, status),       FIELD(evpoll_io, reserved),
      sizeof(struct evpoll_result),  FIELD(evpoll_result, result),   FIELD(evpoll_result, status),
      sizeof(struct evpoll_options), sizeof(struct evpoll_stats),    sizeof(struct evpoll_info),
  };
  const jsize n = sizeof numbers / sizeof numbers[0];
  (void)jcls;
  jintArray array = (*env)->NewIntArray(env, n);
  if (array) (*env)->SetIntArrayRegion(env, array, 0, n, numbers);
  return array;
}
