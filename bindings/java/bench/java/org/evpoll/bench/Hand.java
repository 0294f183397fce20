// SPDX-License-Identifier: MIT
package org.evpoll.bench;

import java.nio.ByteBuffer;

/** JNI as one would write it by hand: no checks, no counting of who is inside. */
final class Hand {
  static {
    System.load(System.getProperty("org.evpoll.bench.hand"));
  }

  private Hand() {}

  static native long open();

  static native long address(ByteBuffer buffer);

  static native int add(long poller, long handle, long token);

  static native int addFile(long poller, long handle);

  static native int submit(long poller, long ios, int n);

  static native int wait(long poller, long events, int capacity, long timeoutNanos);
}
