// SPDX-License-Identifier: MIT
package org.evpoll;

import java.nio.ByteBuffer;
import org.evpoll.internal.Layout;
import org.evpoll.internal.Native;

/**
 * A poller's counters since it was opened.
 *
 * @param poolThreads worker threads alive now
 * @param waits calls that got to wait
 * @param events events delivered
 * @param wakes wake events delivered
 * @param posts post events delivered
 * @param spuriousReturns times the kernel woke a waiter that found nothing to deliver
 * @param rearms successful rearms
 * @param staleHits kernel events dropped since their registration had ended
 * @param setRebuilds times the kernel's set was rebuilt to get rid of stale hits
 * @param ioSubmitted operations accepted
 * @param ioCompleted operations finished, delivered or discarded by close
 * @param ioCancelled of them those that were cancelled
 * @param ioInFlight operations accepted and not yet delivered
 */
public record PollerStats(int poolThreads, long waits, long events, long wakes, long posts,
    long spuriousReturns, long rearms, long staleHits, long setRebuilds, long ioSubmitted,
    long ioCompleted, long ioCancelled, long ioInFlight) {
  static PollerStats of(long poller) throws EvpollException {
    Memory memory = new Memory(Layout.STATS);
    ByteBuffer at = memory.bytes.putInt(Layout.STATS_STRUCT_SIZE, Layout.STATS);
    EvpollException.check("stats", Native.evpoll_stats(poller, memory.address));
    return new PollerStats(at.getInt(Layout.STATS_POOL_THREADS), at.getLong(Layout.STATS_WAITS),
        at.getLong(Layout.STATS_EVENTS), at.getLong(Layout.STATS_WAKES),
        at.getLong(Layout.STATS_POSTS), at.getLong(Layout.STATS_SPURIOUS_RETURNS),
        at.getLong(Layout.STATS_REARMS), at.getLong(Layout.STATS_STALE_HITS),
        at.getLong(Layout.STATS_SET_REBUILDS), at.getLong(Layout.STATS_IO_SUBMITTED),
        at.getLong(Layout.STATS_IO_COMPLETED), at.getLong(Layout.STATS_IO_CANCELLED),
        at.getLong(Layout.STATS_IO_IN_FLIGHT));
  }
}
