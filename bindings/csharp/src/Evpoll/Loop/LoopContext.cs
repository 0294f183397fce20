// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>Brings awaits back to the loop's thread, and refuses to block it for a task.</summary>
sealed class LoopContext : SynchronizationContext {
    const int Patience = 10, TimedOut = 258; // milliseconds; WAIT_TIMEOUT
    readonly LoopCore core;

    public LoopContext(LoopCore core) {
        this.core = core;
        SetWaitNotificationRequired();
    }

    public static InvalidOperationException Refusal() => new("this is the event loop's own thread, " +
        "and what is waited for here would never be done while it waits: await it instead");

    public override void Post(SendOrPostCallback d, object? state) => core.Enqueue(new(d, state));

    public override void Send(SendOrPostCallback d, object? state) {
        if (core.OnLoop) {
            d(state);
            return;
        }
        var task = new Task(() => d(state));
        core.Enqueue(new((Action)(() => task.RunSynchronously(TaskScheduler.Default))));
        task.GetAwaiter().GetResult();
    }

    public override SynchronizationContext CreateCopy() => this;
    /// <summary>Asked by the runtime whenever this thread is about to block. Locks are taken as
    /// ever; a task's Wait and Result without a limit are refused.</summary>
    public override int Wait(nint[] waitHandles, bool waitAll, int millisecondsTimeout) {
        bool limited = millisecondsTimeout >= 0;
        if (limited && millisecondsTimeout <= Patience)
            return WaitHelper(waitHandles, waitAll, millisecondsTimeout);
        // Looking at the stack is dear, and most locks are free again by then.
        int n = WaitHelper(waitHandles, waitAll, Patience);
        if (n != TimedOut) return n;
        if (limited) return WaitHelper(waitHandles, waitAll, millisecondsTimeout - Patience);
        string stack = Environment.StackTrace;
        if (stack.Contains("Task.SpinThenBlockingWait") || stack.Contains("Task.WaitAllBlocking"))
            throw Refusal();
        return WaitHelper(waitHandles, waitAll, -1);
    }
}

/// <summary>Something to do on the loop's thread.</summary>
readonly record struct Work(Delegate Callback, object? State = null, ExecutionContext? Flow = null)
{
    public void Run() {
        if (Flow != null) ExecutionContext.Run(Flow, static w => ((Work)w!).Call(), this);
        else Call();
    }

    void Call() {
        if (Callback is Action action) action();
        else if (Callback is Action<object?> stateful) stateful(State);
        else ((SendOrPostCallback)Callback)(State);
    }
}
