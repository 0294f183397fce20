// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>Memory that no collector moves. An <see cref="EventLoop"/> takes any memory; this is
/// for <see cref="FileFlags.Direct"/>, and for <see cref="Poller.Submit"/>.</summary>
public static unsafe class IoMemory {
    /// <summary>Allocates a pinned array, zeroed, which goes when nobody refers to it, and gives an
    /// aligned piece of it. alignment: a power of two, 8 to 2097152; 4096 suits Direct.</summary>
    public static Memory<byte> Allocate(int length, int alignment = 4096) {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        if (!BitOperations.IsPow2(alignment) || alignment is < 8 or > 2097152)
            throw new ArgumentOutOfRangeException(nameof(alignment));
        byte[] array = GC.AllocateArray<byte>(checked(length + alignment - 8), pinned: true);
        return array.AsMemory((int)(-(long)Address(array) & (alignment - 1)), length);
    }

    /// <summary>The address of pinned memory, for <see cref="IoRequest.Buffer"/>. Who uses it keeps a
    /// reference to the memory until the operation's event.</summary>
    public static ulong Address(Memory<byte> pinned) =>
        (ulong)Unsafe.AsPointer(ref MemoryMarshal.GetReference(pinned.Span));
}

partial struct IoRequest {
    /// <summary>After the call: whether it has ended inside of it. No event comes then, and its
    /// buffer is free.</summary>
    public readonly bool IsDone => Operation == 0 && Status == Status.Ok;
    /// <summary>What an event's result would hold, where it <see cref="IsDone"/>; else 0.</summary>
    public readonly long Bytes => IsDone ? Offset : 0;
}
