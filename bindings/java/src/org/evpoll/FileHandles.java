// SPDX-License-Identifier: MIT
package org.evpoll;

import org.evpoll.internal.Native;

/** Files by their handles, for {@link Poller}. {@link AsyncFile} is the comfortable way. */
public final class FileHandles {
  private FileHandles() {}

  /**
   * Opens a file for {@link Poller#submit(Operations)}.
   *
   * @param path the file
   * @param flags {@link FileFlag#READ} or {@link FileFlag#WRITE} or both, and the others; none
   *     means READ
   * @return its handle, the caller's until {@link #close(long)}
   * @throws EvpollException as evpoll_file_open
   */
  public static long open(String path, FileFlag... flags) throws EvpollException {
    long[] handle = new long[1];
    int bits = flags.length == 0 ? FileFlag.READ.bit : FileFlag.bits(flags);
    long answer = Native.evpoll_file_open(Memory.text(path), bits, handle);
    EvpollException.check(path, answer);
    return handle[0];
  }

  /**
   * The size of a file or block device.
   *
   * @param handle an open file
   * @return bytes
   * @throws EvpollException as evpoll_file_size
   */
  public static long size(long handle) throws EvpollException {
    long[] size = new long[1];
    EvpollException.check("size", Native.evpoll_file_size(handle, size));
    return size[0];
  }

  /**
   * Closes a file. Operations in flight on it go on, and report; the file is closed when the last
   * one was delivered.
   *
   * @param handle an open file
   * @throws EvpollException as evpoll_file_close
   */
  public static void close(long handle) throws EvpollException {
    EvpollException.check("close", Native.evpoll_file_close(handle));
  }
}
