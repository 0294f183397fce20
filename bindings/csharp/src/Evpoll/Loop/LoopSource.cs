// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using System.Threading.Tasks.Sources;

namespace Evpoll;

/// <summary>What stands behind a ValueTask of the loop, and is used again when it was awaited. The
/// framework's ManualResetValueTaskSourceCore allocates a delegate for each completion that goes to
/// a synchronization context; this one hands the continuation to the loop's queue as it is.
/// </summary>
abstract class LoopSource<T>(LoopCore core) : IValueTaskSource<T>, IValueTaskSource
{
    static readonly Action<object?> Completed = static _ => { };
    Action<object?>? continuation;
    object? continuationState, scheduler;
    ExecutionContext? execution;
    T? result;
    ExceptionDispatchInfo? error;
    volatile bool done;
    short version;

    protected LoopCore Core { get; } = core;
    public short Version => version;

    /// <summary>The result was fetched: from here on the object may serve something else.</summary>
    protected abstract void Recycle();

    protected void Succeed(T value)
    {
        result = value;
        Signal();
    }

    protected void SetFailed(Exception e)
    {
        error = ExceptionDispatchInfo.Capture(e);
        Signal();
    }

    void Signal()
    {
        done = true;
        // The awaiter may arrive at the same time, in another thread: whoever is second schedules.
        Action<object?>? waiting = continuation ??
            Interlocked.CompareExchange(ref continuation, Completed, null);
        if (waiting != null) Schedule(waiting, continuationState, scheduler, execution);
    }

    void Schedule(Action<object?> action, object? state, object? to, ExecutionContext? flow)
    {
        if (flow != null)
        {
            (action, state) = (Flow, Tuple.Create(flow, action, state));
        }
        switch (to)
        {
            case LoopContext loop: loop.Core.Enqueue(action, state); break;
            case SynchronizationContext other: other.Post(action.Invoke, state); break;
            case TaskScheduler tasks:
                Task.Factory.StartNew(action, state, CancellationToken.None,
                    TaskCreationOptions.DenyChildAttach, tasks);
                break;
            // Who does not want to come back to the loop's thread must not hold it up either.
            default: ThreadPool.UnsafeQueueUserWorkItem(action, state, false); break;
        }
    }

    static void Flow(object? state)
    {
        var (context, action, inner) = (Tuple<ExecutionContext, Action<object?>, object?>)state!;
        ExecutionContext.Run(context, action.Invoke, inner);
    }

    public ValueTaskSourceStatus GetStatus(short token)
    {
        CheckVersion(token);
        if (!done) return ValueTaskSourceStatus.Pending;
        if (error == null) return ValueTaskSourceStatus.Succeeded;
        return error.SourceException is OperationCanceledException
            ? ValueTaskSourceStatus.Canceled : ValueTaskSourceStatus.Faulted;
    }

    public void OnCompleted(Action<object?> action, object? state, short token,
        ValueTaskSourceOnCompletedFlags flags)
    {
        CheckVersion(token);
        object? to = null;
        if ((flags & ValueTaskSourceOnCompletedFlags.UseSchedulingContext) != 0)
        {
            SynchronizationContext? context = SynchronizationContext.Current;
            if (context != null && context.GetType() != typeof(SynchronizationContext))
                to = context;
            else if (TaskScheduler.Current != TaskScheduler.Default)
                to = TaskScheduler.Current;
        }
        ExecutionContext? flow =
            (flags & ValueTaskSourceOnCompletedFlags.FlowExecutionContext) != 0
                ? ExecutionContext.Capture() : null;
        (continuationState, scheduler, execution) = (state, to, flow);
        Action<object?>? before = Interlocked.CompareExchange(ref continuation, action, null);
        if (before == null) return;
        if (before != Completed) throw new InvalidOperationException("awaited twice");
        Schedule(action, state, to, flow);
    }

    public T GetResult(short token)
    {
        CheckVersion(token);
        if (!done) throw new InvalidOperationException("not complete: await it");
        T? value = result;
        ExceptionDispatchInfo? failure = error;
        (continuation, continuationState, scheduler, execution) = (null, null, null, null);
        (result, error, done) = (default, null, false);
        version++;
        Recycle();
        failure?.Throw();
        return value!;
    }

    void IValueTaskSource.GetResult(short token) => GetResult(token);

    void CheckVersion(short token)
    {
        if (token != version) ThrowTwice();
    }

    [DoesNotReturn]
    static void ThrowTwice() =>
        throw new InvalidOperationException("a ValueTask is awaited once, and not kept");
}
