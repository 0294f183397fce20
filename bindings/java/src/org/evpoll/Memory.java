// SPDX-License-Identifier: MIT
package org.evpoll;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ReadOnlyBufferException;
import java.nio.charset.StandardCharsets;
import org.evpoll.internal.Native;
import org.evpoll.internal.NativeLibrary;

/** An array of structs for native calls: a direct buffer whose address is looked up once. */
final class Memory {
  final ByteBuffer bytes;
  final long address;

  Memory(int size) {
    NativeLibrary.load();
    bytes = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder());
    address = Native.evp_address(bytes);
  }

  /** A struct that begins with its size. */
  static Memory sized(int size) {
    Memory memory = new Memory(size);
    memory.bytes.putInt(0, size);
    return memory;
  }

  /** Refuses what the kernel cannot read from, or with {@code writes} cannot write to. */
  static ByteBuffer direct(ByteBuffer buffer, boolean writes) {
    if (!buffer.isDirect())
      throw new IllegalArgumentException("a direct buffer is needed, and this one is on the heap");
    if (writes && buffer.isReadOnly()) throw new ReadOnlyBufferException();
    return buffer;
  }

  /** What a call has moved, as {@link Handles#receive} says it; {@code none} if it was nothing. */
  static int moved(String what, ByteBuffer buffer, long answer, int none) throws EvpollException {
    if (EvpollException.statusOf(answer) == Status.WOULD_BLOCK) return Handles.WOULD_BLOCK;
    int n = EvpollException.check(what, answer);
    buffer.position(buffer.position() + n);
    return n == 0 ? none : n;
  }

  /** Text as C wants it: UTF-8 with a zero at its end. */
  static byte[] text(String text) {
    if (text.indexOf('\0') >= 0)
      throw new IllegalArgumentException("a zero would cut the text: " + text.replace('\0', '?'));
    return (text + '\0').getBytes(StandardCharsets.UTF_8);
  }

  /** Text up to a zero, which a native call has written. */
  String text() {
    String text = StandardCharsets.UTF_8.decode(bytes.duplicate()).toString();
    return text.substring(0, text.indexOf('\0'));
  }

  /** Such a text as a numeric address; null if it is empty. */
  InetSocketAddress socketAddress(int port) {
    String host = text();
    try {
      return host.isEmpty() ? null : new InetSocketAddress(InetAddress.getByName(host), port);
    } catch (UnknownHostException e) {
      throw new AssertionError(e); // it is numeric
    }
  }
}
