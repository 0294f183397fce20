// SPDX-License-Identifier: MIT
package org.evpoll;

import java.util.Set;

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
    Set<OpenFlag> flags, int ioLimit, int poolThreads, long ioLengthLimit) {}
