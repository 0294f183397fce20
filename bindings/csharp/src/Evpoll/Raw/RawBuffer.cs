// SPDX-License-Identifier: MIT
using Evpoll.Interop;

namespace Evpoll;

/// <summary>The library's own memory, by address. <see cref="IoBuffer"/> is the safe way.</summary>
public static class RawBuffer
{
    /// <summary>Allocates memory, zeroed.</summary>
    /// <param name="size">bytes, 1 or more</param>
    /// <param name="alignment">a power of two; 0: 4096</param>
    /// <returns>the address, to be given to <see cref="Free"/></returns>
    public static nint Allocate(long size, int alignment = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(size);
        ArgumentOutOfRangeException.ThrowIfNegative(alignment);
        EvpollException.Check(Native.evpoll_buffer_alloc((ulong)size, (uint)alignment,
            out nint address), "allocate a buffer");
        return address;
    }

    /// <summary>Gives memory back. Never while an operation uses it.</summary>
    /// <param name="address">from <see cref="Allocate"/>, or 0</param>
    public static void Free(nint address) => Native.evpoll_buffer_free(address);
}
