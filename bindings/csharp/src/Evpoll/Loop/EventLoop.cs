// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>How an <see cref="EventLoop"/> is started.</summary>
public sealed class EventLoopOptions {
    /// <summary>The name of its thread, and of the loop in the meter "Evpoll".</summary>
    public string Name { get; set; } = "evpoll loop";
    /// <summary>Who serves files: NoUring, NativeIoOnly, or None for the best there is.</summary>
    public PollerFlags Engine { get; set; }
    /// <summary>Most operations in flight, 1 to 4194304; 0: 1048576. What is more fails with
    /// <see cref="Status.Again"/>.</summary>
    public int IoLimit { get; set; }
    /// <summary>Most threads of the worker pool, 1 to 256; 0: 4.</summary>
    public int PoolThreads { get; set; }
    /// <summary>How long <see cref="EventLoop.DisposeAsync"/> waits for the kernel to let go of
    /// buffers. What is left then is left to the loop's thread.</summary>
    public TimeSpan DisposeTimeout { get; set; } = TimeSpan.FromSeconds(5);
}

/// <summary>A thread that does what was started (reads, writes, connections, files, timers) and on
/// which awaits go on that began there: in code that runs on it, between two awaits nothing else
/// does. Operations may be started in any thread; what is started elsewhere goes on in its own
/// context, or on the thread pool.
///
/// What is pending holds the loop; dropped without that, with all that was made by it, it ends. Do
/// not block its thread: everything else that it serves waits.</summary>
public sealed class EventLoop : IDisposable, IAsyncDisposable {
    readonly EventLoopOptions options;

    EventLoop(EventLoopOptions options) {
        GC.SuppressFinalize(this); // nothing to end until it has begun
        this.options = options;
        Core = new(options);
        GC.ReRegisterForFinalize(this);
    }

    /// <summary>Never waits: the thread ends by itself.</summary>
    ~EventLoop() => Core.Shutdown(cancel: true);
    internal LoopCore Core { get; }
    /// <summary>Starts a loop.</summary>
    public static EventLoop Start(EventLoopOptions? options = null) => new(options ?? new());
    /// <summary>Brings awaits, and whatever else is posted to it, to the loop's thread.</summary>
    public SynchronizationContext Context => Core.Context;
    /// <summary>Whether this is the loop's thread.</summary>
    public bool IsCurrent => Core.OnLoop;
    /// <summary>What posted callbacks and timers throw, and what contexts and memory of others do.
    /// Without a handler it is written to standard error. What a handler throws is counted by the
    /// meter, and dropped.</summary>
    public event Action<Exception>? UnhandledException {
        add => Core.Unhandled += value;
        remove => Core.Unhandled -= value;
    }

    /// <summary>Runs a function on the loop's thread, where its awaits resume. Ends when its task
    /// does.</summary>
    public Task Run(Func<Task> function) => function == null
        ? throw new ArgumentNullException(nameof(function)) : Run(async () => {
            await function();
            return true;
        });

    /// <summary>Runs a function on the loop's thread, and ends with its result.</summary>
    public Task<T> Run<T>(Func<Task<T>> function) {
        ArgumentNullException.ThrowIfNull(function);
        Core.CheckOpen();
        var task = new Task<Task<T>>(function);
        Core.Enqueue(new((Action)(() => task.RunSynchronously(TaskScheduler.Default))));
        Task<T> result = task.Unwrap();
        // Who runs something on a loop need not hold it: while that goes on, it is held from here.
        result.ContinueWith(static (_, loop) => GC.KeepAlive(loop), this, CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return result;
    }

    /// <summary>Runs a callback on the loop's thread, with the AsyncLocals of here. What it throws
    /// goes to <see cref="UnhandledException"/>.</summary>
    public void Post(Action callback) {
        ArgumentNullException.ThrowIfNull(callback);
        Core.CheckOpen();
        Core.Enqueue(new(callback, null, ExecutionContext.Capture()));
    }

    /// <summary>On the loop's thread: submits what was started since the last turn, instead of with
    /// the next wait. Elsewhere nothing is kept.</summary>
    public void Flush() {
        if (IsCurrent) Core.Flush();
    }

    /// <summary>Waits for a time to pass, and never ends before.</summary>
    public ValueTask DelayAsync(TimeSpan time, CancellationToken ct = default) => Core.Take()
        .Of(null, IoCode.Timer, null, this, LoopCore.Nanoseconds(time)).Start(ct);
    /// <summary>Runs a callback on the loop's thread at a time from now. What it throws goes to
    /// <see cref="UnhandledException"/>. The timer need not be kept.</summary>
    public LoopTimer StartTimer(TimeSpan due, Action callback) {
        ArgumentNullException.ThrowIfNull(callback);
        Core.CheckOpen();
        return new(this, due, callback);
    }

    /// <summary>Listens at an address; port 0: one that is free. backlog: connections that may wait
    /// for accept, 0: the system's most. loops: who serves the connections, in turn; this one, if
    /// none is named.</summary>
    public EvpollListener Listen(IPEndPoint endPoint, int backlog = 0, params EventLoop[] loops) {
        ArgumentNullException.ThrowIfNull(endPoint);
        Core.CheckOpen();
        EvpollException.Check(Native.evpoll_socket_tcp_listen(endPoint.Address.ToString(),
            endPoint.Port, backlog, out long number), $"listen on {endPoint}");
        return new(Own(number, HandleKind.Socket, nameof(EvpollListener)),
            IoAddress.OfSocket(number)!, loops);
    }

    /// <summary>Connects to an address; up to a limit from now, then it fails with
    /// <see cref="TimeoutException"/>.</summary>
    public async ValueTask<EvpollStream> ConnectAsync(IPEndPoint endPoint,
        CancellationToken ct = default, TimeSpan? limit = null) {
        ArgumentNullException.ThrowIfNull(endPoint);
        Core.CheckOpen();
        IPAddress address = endPoint.Address.IsIPv4MappedToIPv6 ? endPoint.Address.MapToIPv4()
            : endPoint.Address;
        EvpollException.Check(Native.evpoll_socket_tcp_connect(address.ToString(), endPoint.Port,
            out long number), $"connect to {endPoint}");
        LoopHandle handle = Own(number, HandleKind.Socket, nameof(EvpollStream));
        try {
            ValueTask connecting = Core.Take().Of(handle, IoCode.Connect, limit).Start(ct);
            await connecting.ConfigureAwait(false);
            using LoopHandle.Use use = handle.Hold();
            return new(handle, new IPEndPoint(address, endPoint.Port));
        } catch {
            handle.Close();
            throw;
        }
    }

    /// <summary>Connects to the first address of a name that answers, with a limit for each. The
    /// platform's resolver looks it up, off the loop, and throws <see cref="SocketException"/>.
    /// </summary>
    public async ValueTask<EvpollStream> ConnectAsync(string host, int port,
        CancellationToken ct = default, TimeSpan? limit = null) {
        IPAddress[] addresses = IPAddress.TryParse(host, out IPAddress? one) ? [one]
            : await Dns.GetHostAddressesAsync(host, ct).ConfigureAwait(false);
        for (int i = 0; ; i++)
            try {
                return await ConnectAsync(new IPEndPoint(addresses[i], port), ct, limit)
                    .ConfigureAwait(false);
            } catch (Exception e) when (e is EvpollException or TimeoutException &&
                i < addresses.Length - 1 && !Core.Closing) {
            }
    }

    /// <summary>Takes over a socket, pipe or terminal that was opened elsewhere (an fd or a SOCKET,
    /// which on Windows has to be non-blocking), and closes it with the stream.</summary>
    public EvpollStream Adopt(nint descriptor) {
        Core.CheckOpen();
        return new(new(this, descriptor, HandleKind.Socket, nameof(EvpollStream)), null);
    }

    LoopHandle Own(long number, HandleKind kind, string name) {
        try {
            return new(this, number, kind, name);
        } catch {
            _ = kind == HandleKind.File ? Native.evpoll_file_close(number)
                : Native.evpoll_socket_close(number);
            throw;
        }
    }

    /// <summary>Opens a file; Append is for <see cref="EvpollFile.AppendDurableAsync"/>. Blocks as
    /// long as the file system takes.</summary>
    public EvpollFile OpenFile(string path, FileFlags flags = FileFlags.Read) {
        ArgumentNullException.ThrowIfNull(path);
        // The end of the text for the system: what comes behind it would be lost unseen.
        if (path.Contains('\0')) throw new ArgumentException("a path has no NUL", nameof(path));
        Core.CheckOpen();
        // OpenFile(path, FileFlags.Direct) is for reading, as OpenFile(path) is; and who appends writes.
        if ((flags & FileFlags.Append) != 0) flags |= FileFlags.Write;
        if ((flags & (FileFlags.Read | FileFlags.Write)) == 0) flags |= FileFlags.Read;
        EvpollException.Check(Native.evpoll_file_open(path, (uint)flags, 0, out long number),
            $"open '{path}'");
        return new(Own(number, HandleKind.File, nameof(EvpollFile)));
    }

    /// <summary>As <see cref="OpenFile"/>, by a thread of the pool.</summary>
    public Task<EvpollFile> OpenFileAsync(string path, FileFlags flags = FileFlags.Read) =>
        Task.Run(() => OpenFile(path, flags));
    /// <summary>Watches a handle of somebody else's, and holds it until the watcher is disposed.
    /// </summary>
    public EvpollWatcher Watch(SafeHandle handle) {
        ArgumentNullException.ThrowIfNull(handle);
        Core.CheckOpen();
        bool held = false;
        handle.DangerousAddRef(ref held);
        try {
            return new(new(this, handle.DangerousGetHandle(), HandleKind.Foreign,
                nameof(EvpollWatcher), handle), null);
        } catch {
            handle.DangerousRelease();
            throw;
        }
    }

    /// <summary>Watches a .NET socket, which is to be disposed after the watcher.</summary>
    public EvpollWatcher Watch(Socket socket) {
        ArgumentNullException.ThrowIfNull(socket);
        return Watch(socket.Handle, socket);
    }

    /// <summary>Watches a descriptor of a native library's, which stays open meanwhile.</summary>
    public EvpollWatcher Watch(nint descriptor) => Watch(descriptor, null);

    EvpollWatcher Watch(nint descriptor, object? owner) {
        Core.CheckOpen();
        return new(new(this, descriptor, HandleKind.Foreign, nameof(EvpollWatcher)), owner);
    }

    /// <summary>Counters since the start.</summary>
    public PollerStats GetStats() => Core.Raw.GetStats();
    /// <summary>What the loop can do and where its limits are.</summary>
    public PollerInfo GetInfo() => Core.Raw.GetInfo();
    /// <summary>One line for each part: what serves it, and why not something better.</summary>
    public string Describe() => Core.Raw.Describe();

    /// <summary>Ends the loop in order: nothing new is accepted, what waits for a connection or a
    /// timer fails with <see cref="ObjectDisposedException"/>, and file operations may finish, up to
    /// the timeout. Then all that was made by it is closed. <see cref="TimeoutException"/> names what
    /// was left and is cancelled, and comes in time, whatever blocks the loop; it may be said again.
    /// </summary>
    public async Task ShutdownAsync(TimeSpan timeout) {
        Core.Shutdown(cancel: false);
        GC.SuppressFinalize(this);
        try {
            await Core.Ended.WaitAsync(timeout).ConfigureAwait(false);
        } catch (TimeoutException) {
            string left = Core.Pending();
            Core.Shutdown(cancel: true);
            throw new TimeoutException("the event loop's shutdown ran out of time; left: " +
                (left == "" ? "a callback that does not return" : left));
        }
    }

    /// <summary>Ends the loop at once, and closes all that was made by it. Waits until the kernel has let go
    /// of their buffers, at most <see cref="EventLoopOptions.DisposeTimeout"/>, and in the loop's
    /// own thread not at all; what is left then is left to that thread. What awaits on the loop
    /// goes on, with an exception, on the thread pool.</summary>
    public void Dispose() {
        Core.Shutdown(cancel: true);
        GC.SuppressFinalize(this);
        if (!Core.OnLoop) Core.Ended.Wait(options.DisposeTimeout);
    }

    /// <summary>As <see cref="Dispose"/>, without blocking.</summary>
    public async ValueTask DisposeAsync() {
        Core.Shutdown(cancel: true);
        GC.SuppressFinalize(this);
        await Task.WhenAny(Core.Ended, Task.Delay(options.DisposeTimeout)).ConfigureAwait(false);
    }
}
