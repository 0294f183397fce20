// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Evpoll;

/// <summary>What happened. 32 bytes, laid out as in C and written by the library itself.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct PollEvent
{
    /// <summary>As given at registration, submission or post.</summary>
    public ulong Token;
    /// <summary>0 for readiness, else the operation or list.</summary>
    public ulong Operation;
    /// <summary>Bytes moved, list entries that succeeded, or the posted value; the system's code
    /// where the status is negative (but not for <see cref="Status.Partial"/>).</summary>
    public long Result;
    /// <summary>What kind of event it is.</summary>
    public PollEvents Events;
    /// <summary>How it ended.</summary>
    public Status Status;
}

/// <summary>One change of a registration, for <see cref="Poller.Update"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct PollChange
{
    /// <summary>The caller's value, returned in events.</summary>
    public ulong Token;
    /// <summary>What is to be watched.</summary>
    public long Handle;
    /// <summary>What is to be done.</summary>
    public ChangeAction Action;
    /// <summary>Readable, Writable, Priority; None for Remove.</summary>
    public PollEvents Interest;
    /// <summary>How to report; Level for Rearm and Remove.</summary>
    public PollMode Mode;
    /// <summary>Out: what the single call would have returned.</summary>
    public Status Status;
}

/// <summary>One file operation, for <see cref="Poller.Submit"/>. The memory at
/// <see cref="Buffer"/> is the kernel's until a wait has returned the operation's event: neither
/// move it nor free it before. <see cref="EventLoop"/> sees to that by itself.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct IoRequest
{
    /// <summary>The caller's value, returned in the completion.</summary>
    public ulong Token;
    /// <summary>A regular file or block device.</summary>
    public long Handle;
    /// <summary>Bytes from the start of the file.</summary>
    public long Offset;
    /// <summary>The address of the data: see <see cref="IoBuffer.Address"/>.</summary>
    public ulong Buffer;
    /// <summary>Bytes.</summary>
    public ulong Length;
    /// <summary>Out: the operation's id, never used again in this poller; 0: there is no operation.
    /// </summary>
    public ulong Operation;
    /// <summary>What to do.</summary>
    public IoCode Code;
    /// <summary>None, or Inline where it may end inside the call.</summary>
    public IoFlags Flags;
    /// <summary>Out: Ok when accepted, else why not; where it <see cref="IsDone"/>,
    /// <see cref="Bytes"/>.</summary>
    public Status Status;
    /// <summary>0.</summary>
    public uint Reserved;

    /// <summary>After the call: whether it has ended inside of it. No event comes then, and its
    /// buffer is free.</summary>
    public readonly bool IsDone => Operation == 0 && Status >= 0;
    /// <summary>The bytes that were moved, where it <see cref="IsDone"/>; 0 at the end of the
    /// file.</summary>
    public readonly int Bytes => IsDone ? (int)Status : 0;
}

/// <summary>The outcome of one entry of a list.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct IoResult
{
    /// <summary>Bytes moved, or the system's code where the status is negative.</summary>
    public long Result;
    /// <summary>How it ended.</summary>
    public Status Status;
    /// <summary>0.</summary>
    public uint Reserved;
}

/// <summary>How to open a poller.</summary>
public sealed class PollerOptions
{
    /// <summary>How it may be used, and what serves files.</summary>
    public PollerFlags Flags { get; set; }
    /// <summary>The token of Wake events.</summary>
    public ulong WakeToken { get; set; }
    /// <summary>Most operations in flight, 1 to 1048576; 0: 4096.</summary>
    public int IoLimit { get; set; }
    /// <summary>Most threads of the worker pool, 1 to 256; 0: 4.</summary>
    public int PoolThreads { get; set; }
}

[StructLayout(LayoutKind.Sequential)]
struct NativeOptions
{
    public uint StructSize;
    public uint Flags;
    public ulong WakeToken;
    public uint IoLimit;
    public uint PoolThreads;

    public static NativeOptions Of(PollerOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(options.IoLimit);
        ArgumentOutOfRangeException.ThrowIfNegative(options.PoolThreads);
        return new()
        {
            StructSize = (uint)Unsafe.SizeOf<NativeOptions>(),
            Flags = (uint)options.Flags,
            WakeToken = options.WakeToken,
            IoLimit = (uint)options.IoLimit,
            PoolThreads = (uint)options.PoolThreads,
        };
    }
}

/// <summary>Counters since the poller was opened.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct PollerStats
{
    internal uint StructSize;
    /// <summary>Worker threads alive now.</summary>
    public uint PoolThreads;
    /// <summary>Calls of wait and turn that got to wait.</summary>
    public ulong Waits;
    /// <summary>Events delivered.</summary>
    public ulong Events;
    /// <summary>Wake events delivered.</summary>
    public ulong Wakes;
    /// <summary>Post events delivered.</summary>
    public ulong Posts;
    /// <summary>Times the kernel woke a waiter that found nothing to deliver.</summary>
    public ulong SpuriousReturns;
    /// <summary>Successful rearms.</summary>
    public ulong Rearms;
    /// <summary>Kernel events dropped since their registration had ended.</summary>
    public ulong StaleHits;
    /// <summary>Times the kernel's set was rebuilt to get rid of stale hits.</summary>
    public ulong SetRebuilds;
    /// <summary>Operations accepted.</summary>
    public ulong IoSubmitted;
    /// <summary>Operations finished, delivered or discarded by close.</summary>
    public ulong IoCompleted;
    /// <summary>... of them cancelled.</summary>
    public ulong IoCancelled;
    /// <summary>Operations accepted and not yet delivered.</summary>
    public ulong IoInFlight;
}

/// <summary>What a poller is made of.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct PollerInfo
{
    internal uint StructSize;
    /// <summary>The library's version: major * 65536 + minor * 256 + patch.</summary>
    public uint Version;
    /// <summary>What it can do.</summary>
    public PollerFeatures Features;
    /// <summary>Who reports readiness.</summary>
    public PollerBackend Backend;
    /// <summary>Who serves files, or would serve the first operation.</summary>
    public IoEngine Engine;
    /// <summary>The flags in force.</summary>
    public PollerFlags Flags;
    /// <summary>Most operations in flight, and most entries in one list.</summary>
    public uint IoLimit;
    /// <summary>Most threads of the worker pool.</summary>
    public uint PoolThreads;
    /// <summary>Bytes one operation moves at most; longer ones come back short.</summary>
    public ulong IoLengthLimit;
}
