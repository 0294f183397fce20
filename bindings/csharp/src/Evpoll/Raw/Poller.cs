// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>The poller as C has it: one wait for readiness and completions, by numbers and tokens.
/// Every method is one native call, and none allocates. <see cref="EventLoop"/> is the comfortable
/// way to the same thing.
///
/// Methods throw <see cref="EvpollException"/>, and <see cref="ObjectDisposedException"/> after
/// <see cref="Dispose"/>. Any thread may call any of them at any time, Dispose included, unless the
/// flags say otherwise.</summary>
public sealed partial class Poller : IDisposable {
    volatile bool disposed;
    /// <summary>Opens a poller. wakeToken: of Wake events; ioLimit: most operations in flight, 1 to
    /// 4194304, 0: 1048576; poolThreads: most threads of the worker pool, 1 to 256, 0: 4.</summary>
    public Poller(PollerFlags flags = PollerFlags.None, ulong wakeToken = 0, int ioLimit = 0,
        int poolThreads = 0) {
        ArgumentOutOfRangeException.ThrowIfNegative(ioLimit);
        ArgumentOutOfRangeException.ThrowIfNegative(poolThreads);
        NativeOptions native = new() {
            StructSize = (uint)Unsafe.SizeOf<NativeOptions>(),
            Flags = flags,
            WakeToken = wakeToken,
            IoLimit = (uint)ioLimit,
            PoolThreads = (uint)poolThreads,
        };
        Check(Native.evpoll_open(ref native, out nint poller), "open a poller");
        Handle = new(poller);
    }

    internal PollerHandle Handle { get; }
    /// <summary>Threads that wait leave, and nothing new is accepted; waits go on delivering what
    /// is in flight, and then fail with <see cref="Status.Shutdown"/>.</summary>
    public void Shutdown() => Check(Native.evpoll_shutdown(Handle));
    /// <summary>Closes the poller. Threads that wait get <see cref="ObjectDisposedException"/>.
    /// Does not block: what the kernel still holds is cancelled, and given back in the background.
    /// Buffers of such operations must stay where they are until then: call <see cref="Shutdown"/>
    /// and wait to the end to know when that is. Closes no handle of the caller's.</summary>
    public void Dispose() {
        disposed = true;
        try { Native.evpoll_shutdown(Handle); }
        catch (ObjectDisposedException) { } // once is enough
        Handle.Dispose();
    }

    /// <summary>Counters since the poller was opened.</summary>
    public PollerStats GetStats() {
        PollerStats stats = new() { StructSize = (uint)Unsafe.SizeOf<PollerStats>() };
        Check(Native.evpoll_stats(Handle, ref stats));
        return stats;
    }

    /// <summary>What this poller can do and where its limits are.</summary>
    public PollerInfo GetInfo() {
        PollerInfo info = new() { StructSize = (uint)Unsafe.SizeOf<PollerInfo>() };
        Check(Native.evpoll_info(Handle, ref info));
        return info;
    }

    /// <summary>One line for each part of the poller: what serves it, and why not something better.
    /// For logs; the wording may change in any version.</summary>
    public string Describe() {
        Span<byte> text = stackalloc byte[1024];
        int length = Check(Native.evpoll_describe(Handle, ref text[0], text.Length));
        return Encoding.UTF8.GetString(text[..Math.Min(length, text.Length - 1)]);
    }

    /// <summary>A descriptor that is readable when a wait may return something, for another event
    /// loop to sleep on; perhaps for nothing. It stays the poller's. Not on Windows.</summary>
    public long GetDescriptor() {
        Check(Native.evpoll_poller_handle(Handle, out long descriptor));
        return descriptor;
    }

    /// <summary>Waits until something has happened, at most so many nanoseconds (0: not at all;
    /// negative: no limit), and writes events into an array, best the same time after time. Returns
    /// their number, 0 when the time is up.</summary>
    public int Wait(Span<PollEvent> events, long timeoutNs = -1) =>
        Waited(TryWait(events, timeoutNs));
    /// <summary>As <see cref="Wait"/>, with a negative <see cref="Status"/> instead of an
    /// exception.</summary>
    public int TryWait(Span<PollEvent> events, long timeoutNs = -1) => Native.evpoll_wait(Handle,
        ref MemoryMarshal.GetReference(events), events.Length, timeoutNs);
    /// <summary><see cref="Update"/>, <see cref="Submit"/> and <see cref="Wait"/> in one call.
    /// Every entry gets its status; if any failed, was refused or is done, the wait does not
    /// block.</summary>
    public int Turn(Span<PollChange> changes, Span<IoRequest> requests, Span<PollEvent> events,
        long timeoutNs = -1) => Waited(TryTurn(changes, requests, events, timeoutNs));

    internal int TryTurn(Span<PollChange> changes, Span<IoRequest> requests,
        Span<PollEvent> events, long timeoutNs) => Native.evpoll_turn(Handle,
        ref MemoryMarshal.GetReference(changes), changes.Length,
        ref MemoryMarshal.GetReference(requests), requests.Length,
        ref MemoryMarshal.GetReference(events), events.Length, timeoutNs);

    int Waited(int n) {
        // Dispose in another thread shut the poller down under this one.
        if (n == Native.EVPOLL_ERR_SHUTDOWN) ObjectDisposedException.ThrowIf(disposed, this);
        return Check(n, "wait");
    }

    /// <summary>What is over already need not be asked to end.</summary>
    static int Asked(int n, [CallerMemberName] string what = "") =>
        n == Native.EVPOLL_ERR_NOT_FOUND ? 0 : Check(n, what);

    static int Check(int result, [CallerMemberName] string what = "") =>
        EvpollException.Check(result, what);
}
