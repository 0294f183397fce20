// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Evpoll;

/// <summary>How an <see cref="EventLoop"/> is started.</summary>
public sealed class EventLoopOptions
{
    /// <summary>The name of its thread.</summary>
    public string Name { get; set; } = "evpoll loop";

    /// <summary>Who serves files: NoUring, NativeIoOnly, or None for the best there is.</summary>
    public PollerFlags Engine { get; set; }

    /// <summary>Most file operations in flight, 1 to 1048576; 0: 4096. What is more
    /// waits.</summary>
    public int IoLimit { get; set; }

    /// <summary>Most threads of the worker pool, 1 to 256; 0: 4.</summary>
    public int PoolThreads { get; set; }

    /// <summary>How long <see cref="EventLoop.Dispose"/> waits for the kernel to let go of buffers.
    /// What is left then is left to the loop's thread.</summary>
    public TimeSpan DisposeTimeout { get; set; } = TimeSpan.FromSeconds(5);
}

/// <summary>A thread that waits for sockets and files, and on which awaits resume: in code that
/// runs on it, between two awaits nothing else does. Operations may be started in any thread.
///
/// Who drops a loop, with all that was made by it, ends it. Do not block its thread: everything
/// else that it serves waits.</summary>
public sealed class EventLoop : IDisposable, IAsyncDisposable
{
    readonly EventLoopOptions options;

    EventLoop(EventLoopOptions options)
    {
        GC.SuppressFinalize(this); // nothing to end until it has begun
        this.options = options;
        Core = new(options);
        GC.ReRegisterForFinalize(this);
    }

    /// <summary>Never waits: the thread ends by itself.</summary>
    ~EventLoop() => Core.Stop();

    internal LoopCore Core { get; }

    /// <summary>Starts a loop.</summary>
    /// <param name="options">null for the defaults</param>
    /// <returns>the running loop</returns>
    public static EventLoop Start(EventLoopOptions? options = null) => new(options ?? new());

    /// <summary>Brings awaits, and whatever else is posted to it, to the loop's thread.</summary>
    public SynchronizationContext Context => Core.Context;

    /// <summary>Whether this is the loop's thread.</summary>
    public bool IsCurrent => Core.OnLoop;

    /// <summary>What posted callbacks throw. Without a handler it is thrown on the thread pool,
    /// which ends the process, as everywhere in .NET.</summary>
    public event Action<Exception>? UnhandledException
    {
        add => Core.Unhandled += value;
        remove => Core.Unhandled -= value;
    }

    /// <summary>Runs a function on the loop's thread.</summary>
    /// <param name="function">its awaits resume there</param>
    /// <returns>ends when its task does</returns>
    public Task Run(Func<Task> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        return Run(async () =>
        {
            await function();
            return true;
        });
    }

    /// <summary>Runs a function on the loop's thread.</summary>
    /// <typeparam name="T">what comes out</typeparam>
    /// <param name="function">its awaits resume there</param>
    /// <returns>what comes out</returns>
    public Task<T> Run<T>(Func<Task<T>> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        Core.CheckOpen();
        var task = new Task<Task<T>>(function);
        Core.Enqueue(static t => ((Task)t!).RunSynchronously(TaskScheduler.Default), task);
        Task<T> result = task.Unwrap();
        // Who runs something on a loop need not hold it: while that goes on, it is held from here.
        result.ContinueWith(static (_, loop) => GC.KeepAlive(loop), this, CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return result;
    }

    /// <summary>Runs a callback on the loop's thread.</summary>
    /// <param name="callback">what it throws goes to <see cref="UnhandledException"/></param>
    public void Post(Action callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        Core.Enqueue(static c => ((Action)c!)(), callback);
    }

    // ---- files, buffers, foreign descriptors

    /// <summary>Opens a file. May wait for the disk: no system offers another way.</summary>
    /// <param name="path">what to open</param>
    /// <param name="flags">Read alone, Write, and the others</param>
    /// <returns>the file</returns>
    public LoopFile OpenFile(string path, FileFlags flags = FileFlags.Read)
    {
        // OpenFile(path, FileFlags.Direct) is for reading, as OpenFile(path) is.
        if ((flags & (FileFlags.Read | FileFlags.Write)) == 0) flags |= FileFlags.Read;
        Core.CheckOpen();
        return new(this, path, flags);
    }

    /// <summary>Uses a file that .NET has opened, and holds its handle until it is disposed. On
    /// Windows one that was opened for asynchronous use may belong to .NET's own port already: that
    /// is <see cref="Status.Busy"/>, and <see cref="OpenFile(string, FileFlags)"/> is the way.
    /// </summary>
    /// <param name="handle">a regular file; it stays the caller's</param>
    /// <returns>the file</returns>
    public LoopFile OpenFile(SafeFileHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        Core.CheckOpen();
        return new(this, handle);
    }

    /// <summary>Rents memory, whose contents are not defined. It goes back by Dispose, at the
    /// earliest when the operations on it have completed.</summary>
    /// <param name="length">bytes, 1 or more</param>
    /// <param name="align">a power of two; 0: 4096, which suits <see
    /// cref="FileFlags.Direct"/></param>
    /// <returns>the buffer</returns>
    public IoBuffer Rent(int length, int align = 0) => new(length, align, Core.Buffers);

    /// <summary>Watches a descriptor of somebody else's.</summary>
    /// <param name="handle">it is held until the watcher is disposed</param>
    /// <returns>a watcher, to be disposed before the descriptor is closed</returns>
    public Watcher Watch(SafeHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        Core.CheckOpen();
        return new(this, handle.DangerousGetHandle(), handle);
    }

    /// <summary>Watches a .NET socket.</summary>
    /// <param name="socket">to be disposed after the watcher</param>
    /// <returns>a watcher</returns>
    public Watcher Watch(Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        return Watch(socket.SafeHandle);
    }

    /// <summary>Watches a descriptor of a native library's.</summary>
    /// <param name="descriptor">an fd or a SOCKET; who owns it keeps it open meanwhile</param>
    /// <returns>a watcher, to be disposed before the descriptor is closed</returns>
    public Watcher Watch(nint descriptor)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(descriptor);
        Core.CheckOpen();
        return new(this, descriptor, null);
    }

    /// <summary>Waits once for a .NET socket; <see cref="Watch(Socket)"/> is for more.</summary>
    /// <param name="socket">a socket</param>
    /// <param name="ct">gives up</param>
    /// <returns>what the system said</returns>
    public ValueTask<PollEvents> WaitReadableAsync(Socket socket, CancellationToken ct = default) =>
        Once(Watch(socket), PollEvents.Readable, ct);

    /// <summary>Waits once for a handle; <see cref="Watch(SafeHandle)"/> is for more.</summary>
    /// <param name="handle">a descriptor</param>
    /// <param name="ct">gives up</param>
    /// <returns>what the system said</returns>
    public ValueTask<PollEvents> WaitReadableAsync(SafeHandle handle,
        CancellationToken ct = default) => Once(Watch(handle), PollEvents.Readable, ct);

    /// <summary>Waits once for a descriptor; <see cref="Watch(nint)"/> is for more.</summary>
    /// <param name="descriptor">an fd or a SOCKET</param>
    /// <param name="ct">gives up</param>
    /// <returns>what the system said</returns>
    public ValueTask<PollEvents> WaitReadableAsync(nint descriptor,
        CancellationToken ct = default) => Once(Watch(descriptor), PollEvents.Readable, ct);

    /// <summary>Waits once for a .NET socket; <see cref="Watch(Socket)"/> is for more.</summary>
    /// <param name="socket">a socket</param>
    /// <param name="ct">gives up</param>
    /// <returns>what the system said</returns>
    public ValueTask<PollEvents> WaitWritableAsync(Socket socket, CancellationToken ct = default) =>
        Once(Watch(socket), PollEvents.Writable, ct);

    /// <summary>Waits once for a handle; <see cref="Watch(SafeHandle)"/> is for more.</summary>
    /// <param name="handle">a descriptor</param>
    /// <param name="ct">gives up</param>
    /// <returns>what the system said</returns>
    public ValueTask<PollEvents> WaitWritableAsync(SafeHandle handle,
        CancellationToken ct = default) => Once(Watch(handle), PollEvents.Writable, ct);

    /// <summary>Waits once for a descriptor; <see cref="Watch(nint)"/> is for more.</summary>
    /// <param name="descriptor">an fd or a SOCKET</param>
    /// <param name="ct">gives up</param>
    /// <returns>what the system said</returns>
    public ValueTask<PollEvents> WaitWritableAsync(nint descriptor,
        CancellationToken ct = default) => Once(Watch(descriptor), PollEvents.Writable, ct);

    static async ValueTask<PollEvents> Once(Watcher watcher, PollEvents bit, CancellationToken ct)
    {
        using (watcher)
            return bit == PollEvents.Readable
                ? await watcher.WaitReadableAsync(ct).ConfigureAwait(false)
                : await watcher.WaitWritableAsync(ct).ConfigureAwait(false);
    }

    // ---- about it

    /// <summary>Counters since the start.</summary>
    /// <returns>a copy of them</returns>
    public PollerStats GetStats() => Core.Poller.GetStats();

    /// <summary>What the loop can do and where its limits are.</summary>
    /// <returns>a copy of it</returns>
    public PollerInfo GetInfo() => Core.Poller.GetInfo();

    /// <summary>One line for each part: what serves it, and why not something better.</summary>
    /// <returns>the lines</returns>
    public string Describe() => Core.Poller.Describe();

    // ---- the end

    /// <summary>Ends the loop in order: nothing new is accepted, who waits for a socket gets
    /// <see cref="Status.Shutdown"/>, and file operations may finish.</summary>
    /// <param name="timeout">for the operations; what has not finished then is cancelled</param>
    /// <returns>ends with the loop</returns>
    /// <exception cref="TimeoutException">names the operations that were left; the loop ends when
    /// the kernel lets go of them</exception>
    public async Task ShutdownAsync(TimeSpan timeout)
    {
        if (Core.Over) return;
        try
        {
            await Core.BeginShutdown().WaitAsync(timeout).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            List<string> left = await OperationsLeft().ConfigureAwait(false);
            Core.Stop();
            if (left.Count > 0)
                throw new TimeoutException($"the event loop's shutdown ran out of time; left: " +
                    string.Join("; ", left));
        }
        Core.Stop();
        await Core.Ended.ConfigureAwait(false);
        GC.SuppressFinalize(this);
    }

    Task<List<string>> OperationsLeft()
    {
        var answer = new TaskCompletionSource<List<string>>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        Core.Enqueue(_ => answer.SetResult(Core.Over ? [] : Core.DescribeOperations()), null);
        return answer.Task;
    }

    /// <summary>Ends the loop at once: operations are cancelled. Waits until the kernel has let go
    /// of their buffers, at most <see cref="EventLoopOptions.DisposeTimeout"/>, and in the loop's
    /// own thread not at all; what is left then is left to that thread. What awaits on the loop
    /// goes on, with an exception, on the thread pool.</summary>
    public void Dispose()
    {
        Core.Stop();
        GC.SuppressFinalize(this);
        if (!Core.OnLoop) Core.Ended.Wait(options.DisposeTimeout);
    }

    /// <summary>As <see cref="Dispose"/>, without blocking.</summary>
    /// <returns>ends when Dispose would have returned</returns>
    public async ValueTask DisposeAsync()
    {
        Core.Stop();
        GC.SuppressFinalize(this);
        await Task.WhenAny(Core.Ended, Task.Delay(options.DisposeTimeout)).ConfigureAwait(false);
    }
}
