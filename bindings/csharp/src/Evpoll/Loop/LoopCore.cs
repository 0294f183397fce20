// SPDX-License-Identifier: MIT
using System.Collections.Concurrent;

namespace Evpoll;

/// <summary>The loop's thread and all that belongs to it.
///
/// A turn is one native call: what was to be changed, what was to be submitted, and the wait, in
/// <c>evpoll_turn</c>. Everything in here is touched by the loop's thread alone, but for the queue
/// by which other threads hand over work; so there are no locks, and the poller may be
/// thread-bound.
///
/// The thread roots this object, and this object roots operations and through them files, buffers
/// and continuations, until the kernel has let go of them. It does not root the
/// <see cref="EventLoop"/> that people hold: when that is dropped, its finalizer ends the thread.
/// Should an operation never end, neither does the thread, which sleeps with the buffers in its
/// hands; nobody waits for it.</summary>
sealed partial class LoopCore
{
    readonly Poller poller;
    readonly Thread thread;
    readonly ConcurrentQueue<Work> remote = new();
    readonly PollEvent[] events = GC.AllocateArray<PollEvent>(256, pinned: true);
    readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    Queue<Work> local = new(), running = new();
    int sleeping; // 1: whoever enqueues has to wake
    volatile bool closing, stopping, over;
    TaskCompletionSource? drained;

    public LoopCore(EventLoopOptions options)
    {
        poller = new(new()
        {
            Flags = PollerFlags.ThreadBound | options.Engine,
            IoLimit = options.IoLimit,
            PoolThreads = options.PoolThreads,
        });
        Context = new(this);
        thread = new(Main, 1 << 20) { IsBackground = true, Name = options.Name };
        thread.Start();
    }

    public LoopContext Context { get; }
    public Poller Poller => poller;
    public BufferPool Buffers { get; } = new();
    public bool OnLoop => Thread.CurrentThread == thread;
    public bool Over => over;
    public bool Closing => closing;
    public Task Ended => ended.Task;
    public Action<Exception>? Unhandled { get; set; }

    // ---- from any thread

    /// <summary>Runs it on the loop's thread; on the thread pool once that has ended, so that
    /// whoever awaits something does not wait for ever.</summary>
    public void Enqueue(Action<object?> callback, object? state) =>
        Enqueue(new Work(callback, state));

    public void Enqueue(Work work)
    {
        if (OnLoop)
        {
            local.Enqueue(work);
            return;
        }
        remote.Enqueue(work);
        if (Interlocked.Exchange(ref sleeping, 0) == 1) Wake();
        if (over) RunElsewhere();
    }

    void Wake()
    {
        try { poller.Wake(); }
        catch (ObjectDisposedException) { } // it has ended meanwhile, and somebody runs the queue
    }

    void RunElsewhere()
    {
        while (remote.TryDequeue(out Work work))
            ThreadPool.UnsafeQueueUserWorkItem(static w => w.Run(), work, false);
    }

    public void CheckOpen()
    {
        ObjectDisposedException.ThrowIf(over || stopping, typeof(EventLoop));
        if (closing) throw ShutdownError();
    }

    public static EvpollException ShutdownError() =>
        EvpollException.Of(Status.Shutdown, 0, "event loop");

    /// <summary>Refuses what is new from now on. The task ends when nothing is in flight.</summary>
    public Task BeginShutdown()
    {
        var empty = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Enqueue(static s =>
        {
            var (core, empty) = ((LoopCore, TaskCompletionSource))s!;
            if (core.over) empty.TrySetResult();
            else core.Close(empty);
        }, (this, empty));
        return empty.Task;
    }

    /// <summary>Cancels what is in flight and ends the thread when the kernel has let go.</summary>
    public void Stop()
    {
        if (stopping) return;
        stopping = true;
        Enqueue(static s =>
        {
            var core = (LoopCore)s!;
            if (core.over) return;
            core.Close(null);
            core.CancelAll();
        }, this);
    }

    // ---- the loop's thread

    void Main()
    {
        SynchronizationContext.SetSynchronizationContext(Context);
        try
        {
            while (Turn()) { }
        }
        catch (EvpollException e)
        {
            FailEverything(e);
        }
        over = true;
        Thread.MemoryBarrier(); // who does not see it has enqueued before: it is run here
        RunElsewhere();
        foreach (Work work in local)
            ThreadPool.UnsafeQueueUserWorkItem(static w => w.Run(), work, false);
        poller.Dispose();
        drained?.TrySetResult();
        ended.TrySetResult();
    }

    /// <summary>False when there is nothing left to do, ever.</summary>
    bool Turn()
    {
        RunQueued();
        if (inFlight == 0)
        {
            drained?.TrySetResult();
            if (stopping && local.Count == 0 && remote.IsEmpty) return false;
        }
        int requested = FillRequests();
        int changed = changeCount;
        Interlocked.Exchange(ref sleeping, 1); // before the queue is looked at for the last time
        bool busy = local.Count > 0 || !remote.IsEmpty || HasMoreToSubmit(requested);
        int n = poller.TryTurn(changes.AsSpan(0, changed), requests.AsSpan(0, requested), events,
            busy ? 0 : -1);
        Volatile.Write(ref sleeping, 0);
        if (n < 0) throw EvpollException.OfCall(n, "event loop");
        NoteRequests(requested);
        NoteChanges(changed);
        for (int i = 0; i < n; i++) Dispatch(in events[i]);
        return true;
    }

    void Dispatch(in PollEvent e)
    {
        if ((e.Events & (PollEvents.Io | PollEvents.IoList)) != 0) NoteCompletion(in e);
        else if ((e.Events & PollEvents.Wake) == 0) NoteReadiness(in e);
    }

    /// <summary>Runs what was there at the beginning; what that brings about has its turn after the
    /// next look at the kernel.</summary>
    void RunQueued()
    {
        for (int n = remote.Count; n > 0 && remote.TryDequeue(out Work work); n--) RunOne(work);
        (local, running) = (running, local);
        while (running.TryDequeue(out Work work)) RunOne(work);
    }

    void RunOne(Work work)
    {
        try
        {
            work.Run();
        }
        catch (Exception e)
        {
            // As everywhere in .NET, nobody's exception ends the process, but not inside of a turn.
            if (Unhandled is { } handler) handler(e);
            else ThreadPool.UnsafeQueueUserWorkItem(static e =>
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e), e, false);
        }
    }

    void Close(TaskCompletionSource? empty)
    {
        closing = true;
        FailWaiters(ShutdownError());
        if (empty == null) return;
        if (drained == null) drained = empty;
        else drained.Task.ContinueWith(static (_, s) => ((TaskCompletionSource)s!).TrySetResult(),
            empty, TaskScheduler.Default);
    }

    /// <summary>The poller itself failed, which no call on it survives.</summary>
    void FailEverything(EvpollException e)
    {
        closing = stopping = true;
        FailWaiters(e);
        // The kernel may write into their buffers until the poller is closed.
        poller.DisposeAndWait();
        FailOperations(e);
        while (local.Count > 0 || !remote.IsEmpty) RunQueued();
    }
}
