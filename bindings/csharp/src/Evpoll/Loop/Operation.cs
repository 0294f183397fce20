// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>An operation, and what stands behind its ValueTask; used again when that was awaited.
///
/// While it is pending the loop's table holds it, and it its memory and the handle that has the
/// finalizer. Its token is its own each time: a late cancel meets nobody else. Started on the loop's
/// thread it goes into the loop's queue, elsewhere it is submitted there and then. What is awaited on
/// the loop goes on there; anything else in its own context, or on the thread pool.</summary>
sealed unsafe class Operation(LoopCore core) : IValueTaskSource, IValueTaskSource<int>,
    IValueTaskSource<long>, IValueTaskSource<PollEvents>, IValueTaskSource<EvpollStream>,
    IThreadPoolWorkItem {
    const int Starting = 0, Ready = 1, Arrived = 2, MostPieces = 16;
    static readonly Action<object?> Completed = static _ => { };
    static readonly Action<object?> GoOn = static o => ((Operation)o!).Execute();

    // What is asked for; the token and the handle are for cancel, too.
    public IoRequest Request;
    public LoopHandle? Handle, File;
    public int Turn;
    public bool Queued; // the loop's thread alone
    object? keep;
    GCHandle pinned; // kept, and pointed at another array each time
    readonly List<MemoryHandle> memory = [];
    IoVector[]? pieces;
    IoAddress[]? addresses;
    CancellationToken cancel;
    CancellationTokenRegistration registration;
    int phase;
    (Status Status, long Result) arrived;
    bool passed; // the limit, before it began

    // What came of it, and who waits.
    Action<object?>? continuation;
    object? state, target;
    ExecutionContext? flow;
    Exception? error;
    EvpollStream? accepted;
    long result;
    volatile bool done;
    short version;
    ~Operation() {
        if (pinned.IsAllocated) pinned.Free();
    }

    public short Version => version;
    public string Name => Request.Code.ToString().ToLowerInvariant();

    public Operation Of(LoopHandle? handle, IoCode code, TimeSpan? limit = null, object? holds = null,
        long offset = 0, ulong length = 0, IoFlags flags = IoFlags.None) {
        (Handle, keep, phase) = (handle, holds, Starting);
        Request = new() {
            Handle = handle?.Number ?? -1,
            Offset = offset,
            Length = length,
            Code = code,
            Flags = flags | IoFlags.Inline,
            TimeoutMs = LoopCore.Milliseconds(limit),
        };
        passed = limit <= TimeSpan.Zero && limit != Timeout.InfiniteTimeSpan;
        return this;
    }

    /// <summary>Starts it with memory that is held until it has ended.</summary>
    public Started Start(ReadOnlyMemory<byte> data, CancellationToken ct) {
        try {
            if (MemoryMarshal.TryGetArray(data, out ArraySegment<byte> segment)) {
                if (pinned.IsAllocated) pinned.Target = segment.Array;
                else pinned = GCHandle.Alloc(segment.Array, GCHandleType.Pinned);
                ref byte first = ref MemoryMarshal.GetArrayDataReference(segment.Array!);
                Request.Buffer = (ulong)Unsafe.AsPointer(ref Unsafe.Add(ref first, segment.Offset));
            } else Request.Buffer = (ulong)Pin(data);
        } catch (Exception e) { return Failed(e); }
        Request.Length = (ulong)data.Length;
        return Start(ct);
    }

    /// <summary>A MemoryManager has thrown, or a buffer was disposed.</summary>
    Started Failed(Exception e) {
        End(e);
        return new(this, version, 0);
    }

    void* Pin(ReadOnlyMemory<byte> data) {
        memory.Add(data.Pin());
        return memory[^1].Pointer;
    }

    /// <summary>As above, with as many pieces as an entry takes.</summary>
    public Started Start(in ReadOnlySequence<byte> data, CancellationToken ct) {
        pieces ??= GC.AllocateArray<IoVector>(MostPieces, pinned: true);
        try {
            foreach (ReadOnlyMemory<byte> piece in data) {
                if (memory.Count == MostPieces) break;
                if (piece.IsEmpty) continue;
                pieces[memory.Count] = new() { Length = (ulong)piece.Length, Address = (ulong)Pin(piece) };
            }
        } catch (Exception e) { return Failed(e); }
        Request.Buffer = (ulong)Unsafe.AsPointer(ref pieces[0]);
        Request.Length = (ulong)memory.Count;
        return Start(ct);
    }

    public Started StartAccept(CancellationToken ct) {
        addresses ??= GC.AllocateArray<IoAddress>(2, pinned: true);
        Request.Buffer = (ulong)Unsafe.AsPointer(ref addresses[0]);
        return Start(ct);
    }

    public Started Start(CancellationToken ct = default) {
        Started started = new(this, version, 0);
        cancel = ct;
        if (ct.IsCancellationRequested || Handle?.Enter() == false) {
            Outcome(Status.Cancelled, 0);
            return started;
        }
        if (passed || File?.Enter() == false) {
            Handle!.Leave();
            if (passed) Outcome(Status.Expired, 0);
            else End(File!.Disposed());
            return started;
        }
        started = started with { Token = Request.Token = core.Register(this) };
        if (core.OnLoop) {
            core.Queue(this);
            Watch();
        } else if (LoopHandle.IsOrdered(Request.Code) && Handle!.Ordered) {
            // What another thread sends after the loop has sent something stands behind it.
            Watch();
            phase = Ready;
            core.Enqueue(new(static (object? o) => ((Operation)o!).QueueOnLoop(), this));
        } else Submit();
        return started;
    }

    void QueueOnLoop() {
        if (!core.Over) {
            core.Queue(this);
            return;
        }
        Leave();
        Arrive(Status.Shutdown, 0);
    }

    void Watch() {
        if (cancel.CanBeCanceled)
            registration = cancel.UnsafeRegister(static o => ((Operation)o!).Cancel(), this);
    }

    void Cancel() => core.Cancel(Request.Handle, Request.Token);
    /// <summary>In any thread but the loop's, which may have the event before this returns.</summary>
    public void Submit() {
        IoRequest request = Request;
        Status status;
        try {
            do {
                int n = Native.evpoll_submit(core.Poller, ref request, 1);
                status = n < 0 ? (Status)n : request.Status;
            } while (request.Operation == 0 && status == 0 && GoesOn(request.Offset, ref request));
        } catch (ObjectDisposedException) // the loop has ended
        {
            status = Request.Code == IoCode.Close ? ((LoopHandle)keep!).CloseByNumber()
                : Status.Shutdown;
            request.Operation = 0;
        }
        Leave();
        if (request.Operation == 0) {
            Outcome(status, request.Offset);
            return;
        }
        Watch();
        if (Interlocked.CompareExchange(ref phase, Ready, Starting) == Arrived)
            Outcome(arrived.Status, arrived.Result);
    }

    /// <summary>In the loop's queue: nobody else looks at it meanwhile.</summary>
    public void Prepare() => (Queued, phase) = (true, Ready);
    /// <summary>Submitted, so that the number is named by nobody any more.</summary>
    public void Leave() {
        Handle?.Leave();
        File?.Leave();
    }

    /// <summary>A stream's write that came short met an error, which the next one tells.</summary>
    bool GoesOn(long moved, ref IoRequest request) {
        if ((request.Flags & IoFlags.All) == 0 || Handle!.Kind == HandleKind.File || moved <= 0 ||
            (ulong)moved >= request.Length) return false;
        request.Buffer += (ulong)moved;
        request.Length -= (ulong)moved;
        request.Offset = 0;
        return true;
    }

    public void Arrive(Status status, long value) {
        arrived = (status, value);
        if (Interlocked.Exchange(ref phase, Arrived) == Ready) Settle(status, value);
    }

    /// <summary>On the loop's thread: over, unless there is a rest to write.</summary>
    public void Settle(Status status, long value) {
        if (status == 0 && GoesOn(value, ref Request)) {
            if (Handle!.Enter()) {
                core.Queue(this);
                return;
            }
            status = Status.Cancelled;
        }
        Outcome(status, value);
    }

    public void Outcome(Status status, long value) {
        result = value;
        End(status switch {
            >= 0 => Request.Code == IoCode.Accept ? Accept(value) : null,
            Status.Expired => new TimeoutException($"{Name}: the limit is over"),
            Status.Cancelled when cancel.IsCancellationRequested =>
                new OperationCanceledException(cancel),
            Status.Cancelled or Status.NotFound when Handle?.IsClosing == true => Handle.Disposed(),
            Status.Shutdown => LoopCore.Disposed(),
            Status.Cancelled when core.Closing => LoopCore.Disposed(),
            _ => EvpollException.Of(status, value, Name),
        });
    }

    Exception? Accept(long number) {
        try {
            EventLoop loop = (EventLoop?)keep ?? Handle!.Loop;
            accepted = new(new(loop, number, HandleKind.Socket, nameof(EvpollStream)),
                null, addresses![0], addresses[1]);
            return null;
        } catch (Exception e) when (e is EvpollException or ObjectDisposedException) { // that loop's end
            Native.evpoll_socket_close(number);
            return e;
        }
    }

    void End(Exception? failure) {
        core.Unregister(Request.Token);
        registration.Dispose();
        registration = default;
        if (pinned.IsAllocated) pinned.Target = null;
        foreach (MemoryHandle handle in memory)
            try { handle.Dispose(); }
            catch (Exception e) { core.Report(e); }
        memory.Clear();
        (Handle, File, keep, error) = (null, null, null, failure);
        done = true;
        // The awaiter may arrive at the same time, in another thread: whoever is second schedules.
        if (Interlocked.CompareExchange(ref continuation, Completed, null) != null) Schedule();
    }

    void Schedule() {
        object? to = target; // once it goes on, this object may be somebody else's
        try {
            if (to == core.Context && (!core.OnLoop || core.Over)) core.Enqueue(new(GoOn, this));
            else if (to == core.Context) {
                Execute();
                core.Tidy();
            } else if (to is SynchronizationContext context)
                context.Post(static o => ((Operation)o!).Execute(), this);
            else if (to is TaskScheduler tasks)
                Task.Factory.StartNew(GoOn, this, default, TaskCreationOptions.DenyChildAttach, tasks);
            else ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        } catch (Exception e) {
            // A context that throws does not keep its awaiter from going on.
            if (to != core.Context) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            core.Report(e);
        }
    }

    public void Execute() {
        (Action<object?> action, object? with, ExecutionContext? context) =
            (continuation!, state, flow);
        if (context == null) action(with);
        else ExecutionContext.Run(context, action.Invoke, with);
    }

    public ValueTaskSourceStatus GetStatus(short token) {
        Check(token);
        return !done ? ValueTaskSourceStatus.Pending
            : error == null ? ValueTaskSourceStatus.Succeeded
            : error is OperationCanceledException ? ValueTaskSourceStatus.Canceled
            : ValueTaskSourceStatus.Faulted;
    }

    public void OnCompleted(Action<object?> action, object? with, short token,
        ValueTaskSourceOnCompletedFlags flags) {
        Check(token);
        object? to = core.OnLoop ? core.Context : null;
        if ((flags & ValueTaskSourceOnCompletedFlags.UseSchedulingContext) != 0) {
            if (SynchronizationContext.Current is { } context)
                to = context.GetType() == typeof(SynchronizationContext) ? to : context;
            else if (TaskScheduler.Current != TaskScheduler.Default) to = TaskScheduler.Current;
        }
        bool flows = (flags & ValueTaskSourceOnCompletedFlags.FlowExecutionContext) != 0;
        Await(action, with, to, flows ? ExecutionContext.Capture() : null);
    }

    public void Await(Action<object?> action, object? with, object? to, ExecutionContext? context) {
        (state, target, flow) = (with, to, context);
        Action<object?>? before = Interlocked.CompareExchange(ref continuation, action, null);
        if (before == null) return;
        if (before != Completed) throw new InvalidOperationException("awaited twice");
        continuation = action;
        // Not here: who awaits is not to be called back before that call has returned.
        if (to == core.Context) core.Enqueue(new(GoOn, this));
        else Schedule();
    }

    public long Fetch(short token) {
        Check(token);
        if (!done) throw core.OnLoop ? LoopContext.Refusal()
            : new InvalidOperationException("the operation is not over: await it");
        (Exception? failure, long value) = (error, result);
        (continuation, state, target, flow, error, accepted) = (null, null, null, null, null, null);
        (Request.Token, cancel, done) = (0, default, false);
        version++;
        core.Recycle(this);
        return failure == null ? value : throw failure;
    }

    void IValueTaskSource.GetResult(short token) => Fetch(token);
    long IValueTaskSource<long>.GetResult(short token) => Fetch(token);
    PollEvents IValueTaskSource<PollEvents>.GetResult(short token) => (PollEvents)Fetch(token);

    int IValueTaskSource<int>.GetResult(short token) {
        bool waited = Request.Code == IoCode.Poll; // a read of no bytes
        int n = (int)Fetch(token);
        return waited ? 0 : n;
    }

    EvpollStream IValueTaskSource<EvpollStream>.GetResult(short token) {
        EvpollStream? stream = accepted;
        Fetch(token);
        return stream!;
    }

    void Check(short token) {
        if (token != version)
            throw new InvalidOperationException("a ValueTask is awaited once, and not kept");
    }
}

/// <summary>What a caller gets of an operation, as the ValueTask that it is to be.</summary>
readonly record struct Started(Operation Operation, short Version, ulong Token) {
    public static implicit operator ValueTask(Started s) => new(s.Operation, s.Version);
    public static implicit operator ValueTask<int>(Started s) => new(s.Operation, s.Version);
    public static implicit operator ValueTask<long>(Started s) => new(s.Operation, s.Version);
    public static implicit operator ValueTask<PollEvents>(Started s) => new(s.Operation, s.Version);
    public static implicit operator ValueTask<EvpollStream>(Started s) => new(s.Operation, s.Version);
}
