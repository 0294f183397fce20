// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>The meter "Evpoll": counters of each loop, by its name.</summary>
static class LoopMetrics {
    static readonly Meter Meter = new("Evpoll", "1.0.0");
    public static readonly ConcurrentDictionary<LoopCore, bool> Loops = new();
    /// <summary>What callbacks, handlers and contexts have thrown.</summary>
    public static readonly Counter<long> Failures =
        Meter.CreateCounter<long>("evpoll.callbacks.failed");

    static LoopMetrics() {
        Counter("evpoll.loop.waits", s => s.Waits);
        Counter("evpoll.loop.events", s => s.Events);
        Counter("evpoll.operations.started", s => s.IoSubmitted);
        Counter("evpoll.operations.completed", s => s.IoCompleted);
        Counter("evpoll.operations.cancelled", s => s.IoCancelled);
        Meter.CreateObservableUpDownCounter("evpoll.operations.pending",
            () => Observe(s => s.IoInFlight));
    }

    static void Counter(string name, Func<PollerStats, ulong> of) =>
        Meter.CreateObservableCounter(name, () => Observe(of));

    static IEnumerable<Measurement<long>> Observe(Func<PollerStats, ulong> of) {
        foreach (LoopCore core in Loops.Keys) {
            PollerStats stats;
            try { stats = core.Raw.GetStats(); }
            catch (ObjectDisposedException) { continue; } // it ends at this moment
            yield return new((long)of(stats), new KeyValuePair<string, object?>("loop", core.Name));
        }
    }
}
