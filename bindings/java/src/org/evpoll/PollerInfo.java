// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import java.util.Set;
import org.evpoll.internal.Layout;
import org.evpoll.internal.Native;

/**
 * What a poller is made of and where its limits are.
 *
 * @param version the library's version: major * 65536 + minor * 256 + patch
 * @param features what it can do
 * @param backend what it sleeps on
 * @param engine who serves file operations, or would serve the first one
 * @param flags the open flags in force
 * @param ioLimit most operations in flight, and most entries in one list
 * @param poolThreads most threads of the worker pool
 * @param ioLengthLimit bytes that one operation moves at most; longer ones come back short
 */
public record PollerInfo(int version, Set<Feature> features, Backend backend, Engine engine,
    Set<OpenFlag> flags, int ioLimit, int poolThreads, long ioLengthLimit) {
  static PollerInfo of(long poller) throws EvpollException {
    Memory memory = new Memory(Layout.INFO);
    ByteBuffer at = memory.bytes.putInt(Layout.INFO_STRUCT_SIZE, Layout.INFO);
    EvpollException.check("info", Native.evpoll_info(poller, memory.address));
    return new PollerInfo(at.getInt(Layout.INFO_VERSION),
        Feature.of(at.getInt(Layout.INFO_FEATURES)), Backend.of(at.getInt(Layout.INFO_BACKEND)),
        Engine.of(at.getInt(Layout.INFO_IO_ENGINE)),
        OpenFlag.of(at.getInt(Layout.INFO_OPEN_FLAGS)), at.getInt(Layout.INFO_IO_LIMIT),
        at.getInt(Layout.INFO_POOL_THREADS), at.getLong(Layout.INFO_IO_LENGTH_LIMIT));
  }
}
