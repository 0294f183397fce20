// SPDX-License-Identifier: MIT
using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Evpoll;

/// <summary>Memory for file operations: aligned, moved by no collector, usable wherever a
/// <see cref="Memory{T}"/> is taken. It lies in the pinned heap, so that no span of it can outlive
/// it. Operations hold it: a buffer that is disposed, or dropped, during one goes back when the
/// operation was delivered, not before.</summary>
public sealed unsafe class IoBuffer : MemoryManager<byte>
{
    const int Disposed = 1 << 30;
    readonly byte[] array;
    readonly int start, length;
    readonly BufferPool? pool;
    GCHandle root;
    int state; // pins, and Disposed

    /// <summary>Allocates a buffer, zeroed.</summary>
    /// <param name="length">bytes, 1 or more</param>
    /// <param name="alignment">a power of two, at most 2097152; 0: 4096, which suits
    /// <see cref="FileFlags.Direct"/></param>
    public IoBuffer(int length, int alignment = 0) : this(length, alignment, null) { }

    internal IoBuffer(int length, int alignment, BufferPool? pool)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        if (alignment == 0) alignment = 4096;
        if (!BitOperations.IsPow2(alignment) || alignment > 2097152)
            throw new ArgumentOutOfRangeException(nameof(alignment));
        this.length = length;
        this.pool = pool;
        int room = checked(length + alignment - 1);
        array = pool?.TryTake(room) ?? GC.AllocateArray<byte>(room, pinned: true);
        nint address = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array));
        start = (int)(-address & (alignment - 1));
    }

    /// <summary>Bytes.</summary>
    public int Length => length;

    /// <summary>The address, for <see cref="IoRequest.Buffer"/>. Who has asked for it has to call
    /// Dispose: until then the memory stays, since the kernel may know the address.</summary>
    public ulong Address
    {
        get
        {
            ThrowIfDisposed();
            lock (array)
                if (!root.IsAllocated) root = GCHandle.Alloc(this);
            return (ulong)Unsafe.AsPointer(ref array[start]);
        }
    }

    /// <summary>The bytes.</summary>
    public Span<byte> Span => GetSpan();

    /// <summary>A piece of it: <c>buffer[..n]</c>.</summary>
    /// <param name="range">which bytes</param>
    /// <returns>memory of this buffer</returns>
    public Memory<byte> this[Range range] => Memory[range];

    /// <summary>All of it.</summary>
    /// <param name="buffer">the buffer</param>
    public static implicit operator Memory<byte>(IoBuffer buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        return buffer.Memory;
    }

    /// <summary>All of it.</summary>
    /// <param name="buffer">the buffer</param>
    public static implicit operator ReadOnlyMemory<byte>(IoBuffer buffer) => (Memory<byte>)buffer;

    /// <inheritdoc/>
    public override Span<byte> GetSpan()
    {
        ThrowIfDisposed();
        return array.AsSpan(start, length);
    }

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(elementIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(elementIndex, length);
        for (int seen = Volatile.Read(ref state); ;)
        {
            ObjectDisposedException.ThrowIf((seen & Disposed) != 0, this);
            int before = Interlocked.CompareExchange(ref state, seen + 1, seen);
            if (before != seen)
            {
                seen = before;
                continue;
            }
            ref byte first = ref MemoryMarshal.GetArrayDataReference(array);
            return new(Unsafe.AsPointer(ref Unsafe.Add(ref first, start + elementIndex)),
                default, this);
        }
    }

    /// <inheritdoc/>
    public override void Unpin()
    {
        if (Interlocked.Decrement(ref state) == Disposed) pool?.Give(array);
    }

    /// <summary>Gives the memory back, at the latest when the last operation was
    /// delivered.</summary>
    public void Dispose() => Dispose(true);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        int before = Interlocked.Or(ref state, Disposed);
        if ((before & Disposed) != 0) return;
        lock (array)
            if (root.IsAllocated) root.Free();
        // With pins, the last Unpin gives it back.
        if (before == 0) pool?.Give(array);
    }

    /// <summary>Operations that use it now.</summary>
    internal int Pins => Volatile.Read(ref state) & ~Disposed;

    void ThrowIfDisposed() =>
        ObjectDisposedException.ThrowIf((Volatile.Read(ref state) & Disposed) != 0, this);
}

/// <summary>Memory of buffers that were returned, for those that are rented next.</summary>
sealed class BufferPool
{
    const long MostBytes = 16 << 20;
    readonly Dictionary<int, Stack<byte[]>> free = [];
    long bytes;

    public byte[]? TryTake(int room)
    {
        lock (free)
        {
            if (!free.TryGetValue(room, out var stack) || !stack.TryPop(out byte[]? array))
                return null;
            bytes -= room;
            return array;
        }
    }

    public void Give(byte[] array)
    {
        lock (free)
        {
            if (bytes + array.Length > MostBytes) return;
            if (!free.TryGetValue(array.Length, out Stack<byte[]>? stack))
                free.Add(array.Length, stack = new());
            stack.Push(array);
            bytes += array.Length;
        }
    }
}
