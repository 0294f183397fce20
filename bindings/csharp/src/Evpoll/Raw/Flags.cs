// SPDX-License-Identifier: MIT
using Evpoll.Interop;

namespace Evpoll;

/// <summary>What an event says, and, of the first three, what can be asked for.</summary>
[Flags]
public enum PollEvents : uint
{
    /// <summary>Nothing: as an interest it silences a registration.</summary>
    None = 0,
    /// <summary>Receive or accept would not block: data, the end or an error.</summary>
    Readable = Native.EVPOLL_READABLE,
    /// <summary>Send would not block, or connect has ended.</summary>
    Writable = Native.EVPOLL_WRITABLE,
    /// <summary>Out-of-band data, with <see cref="PollerFeatures.Priority"/>.</summary>
    Priority = Native.EVPOLL_PRIORITY,
    /// <summary>The peer sent its FIN; only with interest Readable.</summary>
    ReadClosed = Native.EVPOLL_READ_CLOSED,
    /// <summary>Reset or refused: nothing can be sent any more.</summary>
    WriteClosed = Native.EVPOLL_WRITE_CLOSED,
    /// <summary>An error is pending; reported with any interest.</summary>
    Error = Native.EVPOLL_ERROR,
    /// <summary>A file operation finished.</summary>
    Io = Native.EVPOLL_IO,
    /// <summary>All operations of a list finished.</summary>
    IoList = Native.EVPOLL_IO_LIST,
    /// <summary>A foreign operation finished; only C starts those.</summary>
    Aio = Native.EVPOLL_AIO,
    /// <summary>A foreign list finished; only C starts those.</summary>
    Lio = Native.EVPOLL_LIO,
    /// <summary><see cref="Poller.Wake"/> was called.</summary>
    Wake = Native.EVPOLL_WAKE,
    /// <summary><see cref="Poller.Post"/> was called.</summary>
    Post = Native.EVPOLL_POST,
}

/// <summary>How a registration reports.</summary>
public enum PollMode : uint
{
    /// <summary>By every wait while it is true.</summary>
    Level = Native.EVPOLL_LEVEL,
    /// <summary>When it becomes true; rearm after WouldBlock.</summary>
    Edge = Native.EVPOLL_EDGE,
    /// <summary>One event, then silence until rearm or modify.</summary>
    Oneshot = Native.EVPOLL_ONESHOT,
}

/// <summary>What a <see cref="PollChange"/> does.</summary>
public enum ChangeAction : uint
{
    /// <summary>As <see cref="Poller.Add"/>.</summary>
    Add = Native.EVPOLL_CHANGE_ADD,
    /// <summary>As <see cref="Poller.Modify"/>.</summary>
    Modify = Native.EVPOLL_CHANGE_MODIFY,
    /// <summary>As <see cref="Poller.Rearm"/>; the interest holds the bits.</summary>
    Rearm = Native.EVPOLL_CHANGE_REARM,
    /// <summary>As <see cref="Poller.Remove"/>.</summary>
    Remove = Native.EVPOLL_CHANGE_REMOVE,
}

/// <summary>What an <see cref="IoRequest"/> does.</summary>
public enum IoCode : uint
{
    /// <summary>Read at an offset.</summary>
    Read = Native.EVPOLL_IO_READ,
    /// <summary>Write at an offset.</summary>
    Write = Native.EVPOLL_IO_WRITE,
    /// <summary>Make completed writes durable.</summary>
    Fsync = Native.EVPOLL_IO_FSYNC,
    /// <summary>As Fsync, without metadata that reading back does not need.</summary>
    Fdatasync = Native.EVPOLL_IO_FDATASYNC,
}

/// <summary>How an operation may end.</summary>
[Flags]
public enum IoFlags : uint
{
    /// <summary>By an event.</summary>
    None = 0,
    /// <summary>Inside the call that submits it, if that does not block; not in a list. See
    /// <see cref="IoRequest.IsDone"/>.</summary>
    Inline = Native.EVPOLL_IO_INLINE,
}

/// <summary>How a poller is opened.</summary>
[Flags]
public enum PollerFlags : uint
{
    /// <summary>Any number of threads wait.</summary>
    None = 0,
    /// <summary>Never two waits at once; makes oneshot cheap.</summary>
    SingleWaiter = Native.EVPOLL_OPEN_SINGLE_WAITER,
    /// <summary>Wait, update, submit and cancel from one thread.</summary>
    ThreadBound = Native.EVPOLL_OPEN_THREAD_BOUND,
    /// <summary>Linux: file operations by the worker pool.</summary>
    NoUring = Native.EVPOLL_OPEN_NO_URING,
    /// <summary>No worker pool: Unsupported where the kernel cannot do it.</summary>
    NativeIoOnly = Native.EVPOLL_OPEN_NATIVE_IO_ONLY,
}

/// <summary>What a poller can do.</summary>
[Flags]
public enum PollerFeatures : uint
{
    /// <summary>Nothing of these.</summary>
    None = 0,
    /// <summary>Priority can be an interest.</summary>
    Priority = Native.EVPOLL_FEATURE_PRIORITY,
    /// <summary>Regular files and block devices are served.</summary>
    FileIo = Native.EVPOLL_FEATURE_FILE_IO,
    /// <summary>... by the kernel, without worker threads.</summary>
    NativeIo = Native.EVPOLL_FEATURE_NATIVE_IO,
    /// <summary>Vectored operations are served; from C only.</summary>
    VectoredIo = Native.EVPOLL_FEATURE_VECTORED_IO,
    /// <summary>Named pipes are served like files (Windows).</summary>
    PipeIo = Native.EVPOLL_FEATURE_PIPE_IO,
    /// <summary>Foreign operations are served; from C only.</summary>
    ForeignAio = Native.EVPOLL_FEATURE_FOREIGN_AIO,
    /// <summary>Pipes and devices can be watched, not only sockets.</summary>
    AnyHandle = Native.EVPOLL_FEATURE_ANY_HANDLE,
}

/// <summary>Who reports readiness.</summary>
public enum PollerBackend : uint
{
    /// <summary>Linux epoll.</summary>
    Epoll = Native.EVPOLL_BACKEND_EPOLL,
    /// <summary>BSD kqueue.</summary>
    Kqueue = Native.EVPOLL_BACKEND_KQUEUE,
    /// <summary>Windows AFD and one I/O completion port.</summary>
    Afd = Native.EVPOLL_BACKEND_AFD,
}

/// <summary>Who serves file operations.</summary>
public enum IoEngine : uint
{
    /// <summary>Nobody.</summary>
    None = Native.EVPOLL_ENGINE_NONE,
    /// <summary>A pool of worker threads.</summary>
    Pool = Native.EVPOLL_ENGINE_POOL,
    /// <summary>Linux io_uring.</summary>
    IoUring = Native.EVPOLL_ENGINE_IO_URING,
    /// <summary>POSIX AIO by kqueue.</summary>
    Aio = Native.EVPOLL_ENGINE_AIO,
    /// <summary>Overlapped I/O on the completion port.</summary>
    Iocp = Native.EVPOLL_ENGINE_IOCP,
}

/// <summary>How a file is opened.</summary>
[Flags]
public enum FileFlags : uint
{
    /// <summary>For reading.</summary>
    Read = Native.EVPOLL_FILE_READ,
    /// <summary>For writing.</summary>
    Write = Native.EVPOLL_FILE_WRITE,
    /// <summary>Create the file where there is none.</summary>
    Create = Native.EVPOLL_FILE_CREATE,
    /// <summary>With Create: fail with <see cref="Status.Exists"/> where there is one.</summary>
    Exclusive = Native.EVPOLL_FILE_EXCLUSIVE,
    /// <summary>With Write: cut the file to 0 bytes.</summary>
    Truncate = Native.EVPOLL_FILE_TRUNCATE,
    /// <summary>Past the page cache: aligned buffers, offsets and lengths.</summary>
    Direct = Native.EVPOLL_FILE_DIRECT,
}
