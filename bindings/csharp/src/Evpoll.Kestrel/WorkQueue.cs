// SPDX-License-Identifier: MIT
namespace Evpoll.Kestrel;

/// <summary>Runs what it is given in order, on a loop or else on the thread pool.</summary>
sealed class WorkQueue(SynchronizationContext? loop) : PipeScheduler, IThreadPoolWorkItem {
    static readonly SendOrPostCallback Run = static queue => ((WorkQueue)queue!).Execute();
    readonly ConcurrentQueue<(Action<object?> Call, object? With)> queue = new();
    int running;

    public override void Schedule(Action<object?> action, object? state) {
        queue.Enqueue((action, state));
        if (Interlocked.Exchange(ref running, 1) == 1) return;
        if (loop != null) loop.Post(Run, this);
        else System.Threading.ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    public void Execute() {
        do {
            while (queue.TryDequeue(out (Action<object?> Call, object? With) next)) next.Call(next.With);
            Interlocked.Exchange(ref running, 0);
        } while (!queue.IsEmpty && Interlocked.Exchange(ref running, 1) == 0);
    }
}
