// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>A callback on the loop's thread, once, at its time and never before. It holds the loop
/// until then. Any thread may use it. <see cref="EventLoop.DelayAsync"/> is for awaiting.</summary>
public sealed class LoopTimer : IDisposable {
    readonly LoopCore core;
    readonly ulong token;

    internal LoopTimer(EventLoop loop, TimeSpan due, Action callback) {
        core = loop.Core;
        Operation operation = core.Take().Of(null, IoCode.Timer, null, (loop, this),
            LoopCore.Nanoseconds(due));
        short version = operation.Version;
        operation.Await(_ => {
            try { operation.Fetch(version); }
            catch (Exception) { return; } // disposed, or the loop's end
            callback();
        }, null, core.Context, ExecutionContext.Capture());
        token = operation.Start().Token;
    }

    /// <summary>Gives it another time, from now; zero or less fires it with the next turn. False when
    /// it has fired already, or was disposed.</summary>
    public bool Change(TimeSpan due) => core.Retime(-1, token, due);
    /// <summary>It does not fire any more, unless it is firing.</summary>
    public void Dispose() => core.Cancel(-1, token);
}
