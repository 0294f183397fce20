// SPDX-License-Identifier: MIT
package org.evpoll;

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
    long ioCompleted, long ioCancelled, long ioInFlight) {}
