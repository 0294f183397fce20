// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Evpoll.Interop;

namespace Evpoll;

/// <summary>The poller as C has it: one wait for readiness and completions, by numbers and tokens.
/// Every method is one native call, and none allocates. <see cref="EventLoop"/> is the comfortable
/// way to the same thing.
///
/// Methods throw <see cref="EvpollException"/>, and <see cref="ObjectDisposedException"/> after
/// <see cref="Dispose"/>. Any thread may call any of them at any time, Dispose included, unless the
/// flags say otherwise.</summary>
public sealed class Poller : IDisposable
{
    readonly PollerHandle handle;
    volatile bool disposed;

    /// <summary>Opens a poller.</summary>
    /// <param name="options">null for the defaults</param>
    public Poller(PollerOptions? options = null)
    {
        NativeOptions native = NativeOptions.Of(options ?? new());
        EvpollException.Check(Native.evpoll_open(ref native, out nint poller), "open a poller");
        handle = new(poller);
    }

    internal PollerHandle Handle => handle;

    /// <summary>Threads that wait leave, and nothing new is accepted; waits go on delivering what
    /// is in flight, and then fail with <see cref="Status.Shutdown"/>.</summary>
    public void Shutdown() => Check(Native.evpoll_shutdown(handle));

    /// <summary>Closes the poller. Threads that wait get <see cref="ObjectDisposedException"/>.
    /// Does not block: what the kernel still holds is cancelled, and given back in the background.
    /// Buffers of such operations must stay where they are until then: call <see cref="Shutdown"/>
    /// and wait to the end to know when that is. Closes no handle of the caller's.</summary>
    public void Dispose()
    {
        disposed = true;
        if (!handle.IsClosed)
        {
            try { Native.evpoll_shutdown(handle); }
            catch (ObjectDisposedException) { } // another thread was faster
        }
        handle.Dispose();
    }

    /// <summary>As Dispose, and waits until the kernel has given everything back.</summary>
    internal void DisposeAndWait()
    {
        nint address = handle.DangerousGetHandle();
        Dispose();
        Reaper.WaitFor(address);
    }

    /// <summary>Counters since the poller was opened.</summary>
    /// <returns>a copy of them</returns>
    public PollerStats GetStats()
    {
        PollerStats stats = new() { StructSize = (uint)Unsafe.SizeOf<PollerStats>() };
        Check(Native.evpoll_stats(handle, ref stats));
        return stats;
    }

    /// <summary>What this poller can do and where its limits are.</summary>
    /// <returns>a copy of it</returns>
    public PollerInfo GetInfo()
    {
        PollerInfo info = new() { StructSize = (uint)Unsafe.SizeOf<PollerInfo>() };
        Check(Native.evpoll_info(handle, ref info));
        return info;
    }

    /// <summary>One line for each part of the poller: what serves it, and why not something better.
    /// For logs; the wording may change in any version.</summary>
    /// <returns>the lines</returns>
    public string Describe()
    {
        Span<byte> text = stackalloc byte[1024];
        int length = Check(Native.evpoll_describe(handle, ref text[0], text.Length));
        return Encoding.UTF8.GetString(text[..Math.Min(length, text.Length - 1)]);
    }

    // ---- readiness

    /// <summary>Watches a handle, or replaces what was watched of it.</summary>
    /// <param name="handle">a socket; on Linux and FreeBSD anything that can be polled</param>
    /// <param name="token">returned in events, all 64 bits of it</param>
    /// <param name="interest">Readable, Writable, Priority or None</param>
    /// <param name="mode">how to report</param>
    /// <returns>whether it replaced a registration of this handle</returns>
    public bool Add(long handle, ulong token, PollEvents interest,
        PollMode mode = PollMode.Level) =>
        Check(Native.evpoll_add(this.handle, handle, token, (uint)interest, (uint)mode)) == 1;

    /// <summary>Changes a registration and looks at its state afresh.</summary>
    /// <param name="handle">a registered handle</param>
    /// <param name="token">the token that it was added with</param>
    /// <param name="interest">as for <see cref="Add"/></param>
    /// <param name="mode">as for <see cref="Add"/></param>
    public void Modify(long handle, ulong token, PollEvents interest, PollMode mode) =>
        Check(Native.evpoll_modify(this.handle, handle, token, (uint)interest, (uint)mode));

    /// <summary>Arms a registration again: after WouldBlock in edge mode, for one more event in
    /// oneshot mode.</summary>
    /// <param name="handle">a registered handle</param>
    /// <param name="token">the token that it was added with</param>
    /// <param name="bits">one or more bits of its interest</param>
    public void Rearm(long handle, ulong token, PollEvents bits) =>
        Check(Native.evpoll_rearm(this.handle, handle, token, (uint)bits));

    /// <summary>Stops watching a handle: waits that start later never return its token.</summary>
    /// <param name="handle">a registered handle; it may have been closed already</param>
    /// <param name="token">the token that it was added with</param>
    public void Remove(long handle, ulong token) =>
        Check(Native.evpoll_remove(this.handle, handle, token));

    /// <summary>Applies many changes in one call; each gets its own status.</summary>
    /// <param name="changes">the changes; may be empty</param>
    /// <returns>how many succeeded</returns>
    public int Update(Span<PollChange> changes) => Check(Native.evpoll_update(handle,
        ref MemoryMarshal.GetReference(changes), changes.Length));

    // ---- wait

    /// <summary>Waits until something has happened.</summary>
    /// <param name="events">where to write; the same array time after time</param>
    /// <param name="timeoutNs">nanoseconds; 0: do not block; negative: no limit</param>
    /// <returns>the number of events, 0 when the time is up</returns>
    public int Wait(Span<PollEvent> events, long timeoutNs = -1)
    {
        int n = TryWait(events, timeoutNs);
        if (n < 0) ThrowWait(n);
        return n;
    }

    /// <summary>As <see cref="Wait"/>, with a negative <see cref="Status"/> instead of an
    /// exception.</summary>
    /// <param name="events">where to write</param>
    /// <param name="timeoutNs">nanoseconds; 0: do not block; negative: no limit</param>
    /// <returns>the number of events, or a Status</returns>
    public int TryWait(Span<PollEvent> events, long timeoutNs = -1) => Native.evpoll_wait(handle,
        ref MemoryMarshal.GetReference(events), events.Length, timeoutNs);

    /// <summary><see cref="Update"/>, <see cref="Submit"/> and <see cref="Wait"/> in one call.
    /// Every entry gets its status; if any failed, the wait does not block.</summary>
    /// <param name="changes">may be empty</param>
    /// <param name="requests">may be empty</param>
    /// <param name="events">where to write</param>
    /// <param name="timeoutNs">as for <see cref="Wait"/></param>
    /// <returns>the number of events</returns>
    public int Turn(Span<PollChange> changes, Span<IoRequest> requests, Span<PollEvent> events,
        long timeoutNs = -1)
    {
        int n = TryTurn(changes, requests, events, timeoutNs);
        if (n < 0) ThrowWait(n);
        return n;
    }

    internal int TryTurn(Span<PollChange> changes, Span<IoRequest> requests,
        Span<PollEvent> events, long timeoutNs) => Native.evpoll_turn(handle,
        ref MemoryMarshal.GetReference(changes), changes.Length,
        ref MemoryMarshal.GetReference(requests), requests.Length,
        ref MemoryMarshal.GetReference(events), events.Length, timeoutNs);

    /// <summary>Makes one wait return with a Wake event, now or at its next call.</summary>
    public void Wake() => Check(Native.evpoll_wake(handle));

    /// <summary>Sends an event of one's own to a waiter.</summary>
    /// <param name="token">returned in the event</param>
    /// <param name="result">returned in the event</param>
    public void Post(ulong token, long result) => Check(Native.evpoll_post(handle, token, result));

    // ---- file operations

    /// <summary>Prepares a handle for file operations, and says whether it can have them.</summary>
    /// <param name="handle">a regular file or block device</param>
    public void Attach(long handle) => Check(Native.evpoll_attach(this.handle, handle));

    /// <summary>Starts file operations. Each that is accepted yields one event, unless
    /// it <see cref="IoRequest.IsDone"/>.</summary>
    /// <param name="requests">ids and statuses are written; what comes back is a prefix</param>
    /// <returns>how many were accepted; the first refused one says why</returns>
    public int Submit(Span<IoRequest> requests) => Check(Native.evpoll_submit(handle,
        ref MemoryMarshal.GetReference(requests), requests.Length));

    /// <summary>Starts a list of operations that reports once, when all are done.</summary>
    /// <param name="requests">1 to the limit of operations in flight; all start, or none</param>
    /// <param name="token">returned in the event</param>
    /// <returns>the list's id</returns>
    public ulong SubmitList(Span<IoRequest> requests, ulong token)
    {
        Check(Native.evpoll_submit_list(handle, ref MemoryMarshal.GetReference(requests),
            requests.Length, token, out ulong operation));
        return operation;
    }

    /// <summary>Takes the results of a finished list, and forgets the list.</summary>
    /// <param name="operation">the list's id</param>
    /// <param name="results">at least one for each entry</param>
    /// <returns>the number of entries</returns>
    public int TakeList(ulong operation, Span<IoResult> results) => Check(Native.evpoll_list_take(
        handle, operation, ref MemoryMarshal.GetReference(results), results.Length));

    /// <summary>For <see cref="Cancel"/>: every operation in flight.</summary>
    public const ulong AllOperations = Native.EVPOLL_OP_ALL;

    /// <summary>Asks for the end of an operation, of a list or of all. Its event still comes.
    /// </summary>
    /// <param name="operation">its id</param>
    /// <returns>how many were asked; 0 also when it had finished already</returns>
    public int Cancel(ulong operation)
    {
        int n = Native.evpoll_cancel(handle, operation);
        return n == Native.EVPOLL_ERR_NOT_FOUND ? 0 : Check(n);
    }

    /// <summary>Asks for the end of all operations on a handle.</summary>
    /// <param name="handle">the handle that they were submitted with</param>
    /// <returns>how many were asked</returns>
    public int CancelHandle(long handle) =>
        Check(Native.evpoll_cancel_handle(this.handle, handle));

    static int Check(int result, [CallerMemberName] string what = "") =>
        EvpollException.Check(result, what);

    [DoesNotReturn]
    void ThrowWait(int status)
    {
        EvpollException failure = EvpollException.OfCall(status, "wait");
        // Dispose in another thread shut the poller down under this one.
        ObjectDisposedException.ThrowIf(
            status == Native.EVPOLL_ERR_SHUTDOWN && disposed, this);
        throw failure;
    }
}
