// SPDX-License-Identifier: MIT
package org.evpoll;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.function.BooleanSupplier;

/**
 * A native call pins the carrier of a virtual thread: one that blocks would take it away from all
 * the others. Java 17 has no virtual threads, so what asks for one is looked up.
 */
final class VirtualThreads {
  private static final MethodHandle IS_VIRTUAL = find();
  /** What a test says instead, where the Java that it runs on has no virtual threads. */
  static volatile BooleanSupplier pretended;

  private VirtualThreads() {}

  private static MethodHandle find() {
    try {
      return MethodHandles.publicLookup()
          .findVirtual(Thread.class, "isVirtual", MethodType.methodType(boolean.class));
    } catch (ReflectiveOperationException e) {
      return null;
    }
  }

  static void refuse(String what) {
    if (IS_VIRTUAL == null && pretended == null) return;
    if (isVirtual())
      throw new IllegalStateException(what + " would block the carrier of a virtual thread: "
          + "wait on a platform thread, or with a timeout of 0");
  }

  private static boolean isVirtual() {
    BooleanSupplier test = pretended;
    if (test != null) return test.getAsBoolean();
    try {
      return (boolean) IS_VIRTUAL.invokeExact(Thread.currentThread());
    } catch (Throwable e) {
      throw new AssertionError(e); // it throws nothing
    }
  }
}
