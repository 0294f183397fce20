// SPDX-License-Identifier: MIT
package org.evpoll;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/** Java 17 has no virtual threads, so what asks for one is looked up. */
final class VirtualThreads {
  private static final MethodHandle IS_VIRTUAL = find();

  private VirtualThreads() {}

  private static MethodHandle find() {
    try {
      return MethodHandles.publicLookup()
          .findVirtual(Thread.class, "isVirtual", MethodType.methodType(boolean.class));
    } catch (ReflectiveOperationException e) {
      return null;
    }
  }

  /** A native call that blocks would take the carrier away from all the others. */
  static void refuse() {
    try {
      if (IS_VIRTUAL == null || !(boolean) IS_VIRTUAL.invokeExact(Thread.currentThread())) return;
    } catch (Throwable e) {
      throw new AssertionError(e); // it throws nothing
    }
    throw new IllegalStateException("a wait would block the carrier of a virtual thread: "
        + "wait on a platform thread, or with a timeout of 0");
  }
}
