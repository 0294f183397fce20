// SPDX-License-Identifier: MIT
package org.evpoll;

import org.evpoll.internal.NativeConstants;

/** How a file is to be opened. */
public enum FileFlag {
  /** For reading. */
  READ(NativeConstants.EVPOLL_FILE_READ),
  /** For writing. */
  WRITE(NativeConstants.EVPOLL_FILE_WRITE),
  /** Create the file where there is none. */
  CREATE(NativeConstants.EVPOLL_FILE_CREATE),
  /** With {@link #CREATE}: fail where there is one. */
  EXCLUSIVE(NativeConstants.EVPOLL_FILE_EXCLUSIVE),
  /** With {@link #WRITE}: cut the file to 0 bytes. */
  TRUNCATE(NativeConstants.EVPOLL_FILE_TRUNCATE),
  /** Past the page cache: aligned buffers, offsets and lengths. */
  DIRECT(NativeConstants.EVPOLL_FILE_DIRECT);

  final int bit;

  FileFlag(int bit) {
    this.bit = bit;
  }

  static int bits(FileFlag... flags) {
    int bits = 0;
    for (FileFlag flag : flags) bits |= flag.bit;
    return bits;
  }
}
