// SPDX-License-Identifier: MIT
using Evpoll.Interop;

namespace Evpoll;

/// <summary>What a call or an operation came to. The list is closed, and the numbers are equal on
/// every system; the system's own code is in <see cref="EvpollException.OsCode"/>.</summary>
public enum Status
{
    /// <summary>Success.</summary>
    Ok = Native.EVPOLL_OK,
    /// <summary>An argument was wrong.</summary>
    Invalid = Native.EVPOLL_ERR_INVALID,
    /// <summary>Not an open handle, or not open for this operation.</summary>
    BadHandle = Native.EVPOLL_ERR_BAD_HANDLE,
    /// <summary>The system or the process is out of memory.</summary>
    NoMemory = Native.EVPOLL_ERR_NO_MEMORY,
    /// <summary>A limit was met: descriptors, watches, threads, list size.</summary>
    Limit = Native.EVPOLL_ERR_LIMIT,
    /// <summary>No such registration, operation, list or file.</summary>
    NotFound = Native.EVPOLL_ERR_NOT_FOUND,
    /// <summary>The handle is registered with another token by now.</summary>
    Stale = Native.EVPOLL_ERR_STALE,
    /// <summary>In use: a second waiter, an unfinished list, a handle of another port.</summary>
    Busy = Native.EVPOLL_ERR_BUSY,
    /// <summary>The limit of operations in flight is reached: submit after a completion.</summary>
    Again = Native.EVPOLL_ERR_AGAIN,
    /// <summary>The socket is not ready.</summary>
    WouldBlock = Native.EVPOLL_ERR_WOULD_BLOCK,
    /// <summary>The time ran out.</summary>
    Timeout = Native.EVPOLL_ERR_TIMEOUT,
    /// <summary>The poller was shut down.</summary>
    Shutdown = Native.EVPOLL_ERR_SHUTDOWN,
    /// <summary>Not on this platform, or not for this kind of handle.</summary>
    Unsupported = Native.EVPOLL_ERR_UNSUPPORTED,
    /// <summary>The library and the binding are of different versions.</summary>
    Version = Native.EVPOLL_ERR_VERSION,
    /// <summary>A thread-bound poller was called from another thread.</summary>
    Thread = Native.EVPOLL_ERR_THREAD,
    /// <summary>The poller belongs to the parent process.</summary>
    Forked = Native.EVPOLL_ERR_FORKED,
    /// <summary>The operation was cancelled.</summary>
    Cancelled = Native.EVPOLL_ERR_CANCELLED,
    /// <summary>Some operations of a list failed.</summary>
    Partial = Native.EVPOLL_ERR_PARTIAL,
    /// <summary>The device reported an error.</summary>
    Io = Native.EVPOLL_ERR_IO,
    /// <summary>No space left on the device, or the quota is used up.</summary>
    NoSpace = Native.EVPOLL_ERR_NO_SPACE,
    /// <summary>Beyond the largest size of a file.</summary>
    TooLarge = Native.EVPOLL_ERR_TOO_LARGE,
    /// <summary>A buffer is not mapped.</summary>
    Fault = Native.EVPOLL_ERR_FAULT,
    /// <summary>Permission denied, or a read-only file system.</summary>
    Access = Native.EVPOLL_ERR_ACCESS,
    /// <summary>The file exists already.</summary>
    Exists = Native.EVPOLL_ERR_EXISTS,
    /// <summary>The peer refused the connection.</summary>
    Refused = Native.EVPOLL_ERR_REFUSED,
    /// <summary>The peer reset or aborted the connection.</summary>
    Reset = Native.EVPOLL_ERR_RESET,
    /// <summary>The sending side is closed.</summary>
    BrokenPipe = Native.EVPOLL_ERR_BROKEN_PIPE,
    /// <summary>The socket is not connected.</summary>
    NotConnected = Native.EVPOLL_ERR_NOT_CONNECTED,
    /// <summary>The address is taken.</summary>
    AddressInUse = Native.EVPOLL_ERR_ADDRESS_IN_USE,
    /// <summary>Not an address of this machine.</summary>
    AddressUnavailable = Native.EVPOLL_ERR_ADDRESS_UNAVAILABLE,
    /// <summary>No route to the peer.</summary>
    Unreachable = Native.EVPOLL_ERR_UNREACHABLE,
    /// <summary>The datagram or the buffer is of the wrong size.</summary>
    MessageSize = Native.EVPOLL_ERR_MESSAGE_SIZE,
    /// <summary>Any other failure: see the system's code.</summary>
    Os = Native.EVPOLL_ERR_OS,
}
