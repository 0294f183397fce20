// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>The loop's thread and all that belongs to it.
///
/// A turn is one native call: what was started on this thread since the last one, and the wait.
/// Other threads submit by themselves, and touch the table of operations, which has a lock, and the
/// queue of callbacks. The thread roots this object, and through the table what is pending. It does
/// not root the <see cref="EventLoop"/> that people hold: when that is dropped, and nothing is pending
/// that holds it, its finalizer ends the thread.</summary>
sealed class LoopCore {
    const int Batch = 128; // entries that are submitted at the latest when there are so many
    const int MostIdle = 1024, MostRounds = 10_000;

    sealed class Entries {
        public readonly IoRequest[] Requests = new IoRequest[Batch];
        public readonly Operation?[] Owners = new Operation?[Batch];
        public int Count;
    }

    readonly Thread thread;
    readonly ConcurrentQueue<Work> remote = new();
    readonly PollEvent[] events = GC.AllocateArray<PollEvent>(256, pinned: true);
    readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Queue<(Operation, Status, long)> ready = new(); // ended, to be told
    Queue<Work> local = new(), running = new();
    Entries entries = new(), submitted = new();
    ExecutionContext? initial;
    int sleeping; // 1: whoever enqueues has to wake
    int turn, rounds;
    bool again; // the loop's thread alone: what comes of this turn is looked at before it sleeps
    volatile bool closing, over;

    // The table, which is its own lock: what is pending, by token; what is idle; what is open.
    readonly Dictionary<ulong, Operation> pending = [];
    readonly Stack<Operation> idle = new();
    readonly Dictionary<ulong, WeakReference<LoopHandle>> handles = [];
    ulong tokens; // 0 is a CLOSE that nobody awaits

    public LoopCore(EventLoopOptions options) {
        Raw = new(PollerFlags.SingleWaiter | options.Engine, 0, options.IoLimit, options.PoolThreads);
        Name = options.Name;
        Context = new(this);
        Nobody = new(this);
        thread = new(Main, 1 << 20) { IsBackground = true, Name = Name };
        LoopMetrics.Loops[this] = true;
        thread.UnsafeStart();
    }

    public string Name { get; }
    public LoopContext Context { get; }
    public Operation Nobody { get; }
    public Poller Raw { get; }
    public PollerHandle Poller => Raw.Handle;
    public bool OnLoop => Thread.CurrentThread == thread;
    public bool Over => over;
    public bool Closing => closing;
    public Task Ended => ended.Task;
    public Action<Exception>? Unhandled { get; set; }
    public static ObjectDisposedException Disposed() => new(nameof(EventLoop));

    public void CheckOpen() {
        if (closing) throw Disposed();
    }

    public static uint Milliseconds(TimeSpan? limit) =>
        limit is not { } span || span == Timeout.InfiniteTimeSpan ? 0
            : (uint)Math.Clamp(Math.Ceiling(span.TotalMilliseconds), 1, uint.MaxValue);
    /// <summary>Times beyond the end of the clock never come.</summary>
    public static long Nanoseconds(TimeSpan span) =>
        span.Ticks >= long.MaxValue / 100 || span == Timeout.InfiniteTimeSpan ? long.MaxValue
            : Math.Max(0, span.Ticks) * 100;

    public Operation Take() {
        lock (pending)
            if (idle.TryPop(out Operation? operation)) return operation;
        return new(this);
    }

    public void Recycle(Operation operation) {
        lock (pending)
            if (idle.Count < MostIdle) idle.Push(operation);
    }

    /// <summary>Holds it, and gives it a token that nobody else ever has.</summary>
    public ulong Register(Operation operation) {
        lock (pending) {
            pending.Add(++tokens, operation);
            return tokens;
        }
    }

    /// <summary>To be closed with the loop; does not hold it.</summary>
    public ulong Register(LoopHandle handle) {
        lock (pending) {
            handles.Add(++tokens, new(handle));
            return tokens;
        }
    }

    public void Unregister(ulong token) {
        lock (pending)
            if (!pending.Remove(token)) handles.Remove(token);
    }

    Operation? Find(ulong token) {
        lock (pending) return pending.GetValueOrDefault(token);
    }

    public void Cancel(long handle, ulong token) {
        bool here = OnLoop;
        if (here && Find(token) is { Queued: true } queued) {
            Drop(queued);
            return;
        }
        int n;
        try { n = Native.evpoll_cancel_token(Poller, handle, token); }
        catch (ObjectDisposedException) { return; } // the loop has ended, and it with it
        // Over, or in the loop's queue still: only the loop can tell.
        if (n == Native.EVPOLL_ERR_NOT_FOUND && !here && Find(token) != null)
            Enqueue(new((Action)(() => Cancel(handle, token))));
    }

    /// <summary>Gives it another end. False when it is over.</summary>
    public bool Retime(long handle, ulong token, TimeSpan fromNow) {
        if (OnLoop && Find(token) is { Queued: true } queued) {
            ref IoRequest request = ref entries.Requests[Array.IndexOf(entries.Owners, queued)];
            if (request.Code == IoCode.Timer) request.Offset = Nanoseconds(fromNow);
            else request.TimeoutMs = Milliseconds(fromNow);
            return true;
        }
        int n;
        try { n = Native.evpoll_retime(Poller, handle, token, Nanoseconds(fromNow)); }
        catch (ObjectDisposedException) { return false; }
        if (n != Native.EVPOLL_ERR_NOT_FOUND) return EvpollException.Check(n) > 0;
        if (OnLoop || Find(token) == null) return false;
        Enqueue(new((Action)(() => Retime(handle, token, fromNow))));
        return true;
    }

    /// <summary>One CLOSE entry, from any thread.</summary>
    public void Close(LoopHandle handle, IoFlags flags, Operation? awaited) {
        if (awaited == Nobody) awaited = null;
        var request = new IoRequest { Handle = handle.Number, Code = IoCode.Close, Flags = flags };
        if (awaited != null) {
            request.Token = Register(awaited);
            awaited.Request = request;
        }
        if (OnLoop && !over) {
            awaited?.Prepare();
            Append(request, awaited);
        } else if (awaited != null) awaited.Submit();
        else
            try { Native.evpoll_submit(Poller, ref request, 1); }
            catch (ObjectDisposedException) { handle.CloseByNumber(); }
    }

    /// <summary>Runs it on the loop's thread; on the thread pool once that has ended, so that
    /// whoever awaits something does not wait for ever.</summary>
    public void Enqueue(Work work) {
        if (OnLoop) {
            local.Enqueue(work);
            return;
        }
        remote.Enqueue(work);
        if (Interlocked.Exchange(ref sleeping, 0) == 1) Wake();
        if (over) RunElsewhere();
    }

    public void Wake() {
        if (OnLoop) {
            again = true;
            return;
        }
        try { Native.evpoll_wake(Poller); }
        catch (ObjectDisposedException) { } // it has ended meanwhile, and somebody runs the queue
    }

    void RunElsewhere() {
        while (remote.TryDequeue(out Work work))
            ThreadPool.UnsafeQueueUserWorkItem(static w => w.Run(), work, false);
    }

    public void Report(Exception e) {
        LoopMetrics.Failures.Add(1);
        try {
            if (Unhandled is { } handler) handler(e);
            else Console.Error.WriteLine($"evpoll: a callback of '{Name}' has thrown {e}");
        } catch (Exception) {
            LoopMetrics.Failures.Add(1); // a handler that throws is left at that
        }
    }

    /// <summary>Refuses what is new from now on; the thread ends when nothing is in flight. Blocks
    /// nobody, and may come from a finalizer.</summary>
    public void Shutdown(bool cancel) {
        closing = true;
        try {
            Native.evpoll_shutdown(Poller);
            if (cancel) Native.evpoll_cancel_all(Poller);
        } catch (ObjectDisposedException) { } // it has ended
    }

    public string Pending() {
        lock (pending)
            return string.Join(", ", pending.Values.GroupBy(o => o.Name)
                .Select(g => $"{g.Count()} {g.Key}"));
    }

    void Main() {
        SynchronizationContext.SetSynchronizationContext(Context);
        initial = ExecutionContext.Capture();
        Status end = Status.Shutdown;
        while (Turn(ref end)) { }
        closing = over = true;
        SynchronizationContext.SetSynchronizationContext(null);
        Thread.MemoryBarrier(); // who does not see it has enqueued before: it is run here
        foreach (Work work in local) remote.Enqueue(work);
        RunElsewhere();
        for (; entries.Count > 0; entries.Count--) entries.Owners[entries.Count - 1]?.Leave();
        WeakReference<LoopHandle>[] open;
        lock (pending) open = [.. handles.Values];
        foreach (WeakReference<LoopHandle> reference in open)
            if (reference.TryGetTarget(out LoopHandle? handle)) handle.Close();
        Raw.Dispose();
        Poller.WaitUntilClosed(); // from here on the kernel writes into nobody's memory
        Operation[] left;
        lock (pending) left = [.. pending.Values];
        foreach (Operation operation in left) operation.Arrive(end, 0);
        LoopMetrics.Loops.TryRemove(this, out _);
        ended.TrySetResult();
    }

    /// <summary>False when there is nothing left to do, ever.</summary>
    bool Turn(ref Status end) {
        RunQueued();
        for (int i = ready.Count; i > 0; i--) {
            var (operation, status, value) = ready.Dequeue();
            operation.Settle(status, value);
        }
        (entries, submitted) = (submitted, entries);
        turn++;
        for (int i = 0; i < submitted.Count; i++)
            if (submitted.Owners[i] is { } operation) operation.Turn = turn;
        Interlocked.Exchange(ref sleeping, 1); // before the queue is looked at for the last time
        bool busy = again || local.Count > 0 || !remote.IsEmpty || ready.Count > 0;
        int n = Raw.TryTurn([], submitted.Requests.AsSpan(0, submitted.Count), events,
            busy ? 0 : -1);
        again = false;
        Volatile.Write(ref sleeping, 0);
        for (int i = 0; i < submitted.Count; i++) NoteSubmitted(submitted.Owners[i]);
        bool told = false;
        for (int i = 0; i < n; i++) {
            if (events[i].Token == 0 || Find(events[i].Token) is not { } operation) continue;
            // What ended inside the call stands before what was submitted behind it.
            if (!told && operation.Turn == turn) {
                TellSubmitted();
                told = true;
            }
            operation.Arrive(events[i].Status, events[i].Result);
        }
        if (!told && (n >= 0 || n == Native.EVPOLL_ERR_SHUTDOWN)) TellSubmitted();
        if (n >= 0) return true;
        end = (Status)n; // shut down, or else the poller itself has failed
        return end == Status.Shutdown && ++rounds < MostRounds &&
            (local.Count > 0 || !remote.IsEmpty || ready.Count > 0 || entries.Count > 0);
    }

    static void NoteSubmitted(Operation? operation) {
        if (operation == null) return;
        operation.Queued = false;
        if (LoopHandle.IsOrdered(operation.Request.Code)) operation.Handle!.Order(-1);
        operation.Leave();
    }

    void TellSubmitted() {
        int count = submitted.Count;
        submitted.Count = 0;
        for (int i = 0; i < count; i++) {
            ref IoRequest request = ref submitted.Requests[i];
            if (request.Operation == 0)
                submitted.Owners[i]?.Settle(request.Status, request.Offset);
            submitted.Owners[i] = null;
        }
    }

    public void Queue(Operation operation) {
        operation.Prepare();
        if (LoopHandle.IsOrdered(operation.Request.Code)) operation.Handle!.Order(1);
        Append(operation.Request, operation);
    }

    void Append(in IoRequest request, Operation? owner) {
        if (entries.Count == Batch) Flush();
        entries.Requests[entries.Count] = request;
        entries.Owners[entries.Count++] = owner;
    }

    /// <summary>Submits what is queued. What ends inside the call is told by the next turn.</summary>
    public void Flush() {
        int count = entries.Count;
        if (count == 0) return;
        EvpollException.Check(Native.evpoll_submit(Poller, ref entries.Requests[0], count));
        entries.Count = 0;
        for (int i = 0; i < count; i++) {
            Operation? owner = entries.Owners[i];
            entries.Owners[i] = null;
            NoteSubmitted(owner);
            ref IoRequest request = ref entries.Requests[i];
            if (owner != null && request.Operation == 0)
                ready.Enqueue((owner, request.Status, request.Offset));
        }
    }

    /// <summary>Queued, and not submitted yet: nobody has to be asked.</summary>
    void Drop(Operation operation) {
        int i = Array.IndexOf(entries.Owners, operation, 0, entries.Count);
        int rest = --entries.Count - i;
        Array.Copy(entries.Requests, i + 1, entries.Requests, i, rest);
        Array.Copy(entries.Owners, i + 1, entries.Owners, i, rest);
        NoteSubmitted(operation);
        ready.Enqueue((operation, Status.Cancelled, 0));
    }

    /// <summary>Runs what was there at the beginning; what that brings about has its turn after the
    /// next look at the kernel.</summary>
    void RunQueued() {
        for (int n = remote.Count; n > 0 && remote.TryDequeue(out Work work); n--) RunOne(work);
        (local, running) = (running, local);
        while (running.TryDequeue(out Work work)) RunOne(work);
    }

    void RunOne(Work work) {
        try { work.Run(); }
        catch (Exception e) { Report(e); }
        Tidy();
    }

    /// <summary>What a callback sets for itself is not the next one's.</summary>
    public void Tidy() {
        ExecutionContext.Restore(initial!);
        if (SynchronizationContext.Current != Context)
            SynchronizationContext.SetSynchronizationContext(Context);
    }
}
