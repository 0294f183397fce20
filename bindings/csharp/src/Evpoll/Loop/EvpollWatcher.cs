// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>Waits for a descriptor of somebody else's, which stays theirs: dispose the watcher
/// before it is closed. One at a time for a descriptor in a loop: another one ends what waits by the
/// first. What is pending holds it, and its owner.</summary>
public sealed class EvpollWatcher : IDisposable {
    readonly LoopHandle handle;
    readonly object? owner;
    internal EvpollWatcher(LoopHandle handle, object? owner) =>
        (this.handle, this.owner) = (handle, owner);
    /// <summary>Waits until one of these is so: Readable, Writable, Priority, ReadClosed; ends with
    /// what is so. From any thread, and any number at a time. A limit counts from now, then it fails
    /// with <see cref="TimeoutException"/>.</summary>
    public ValueTask<PollEvents> WaitAsync(PollEvents events, CancellationToken ct = default,
        TimeSpan? limit = null) => handle.Loop.Core.Take()
            .Of(handle, IoCode.Poll, limit, (owner, this), length: (ulong)events).Start(ct);
    /// <summary>Watches it no more. What waits fails.</summary>
    public void Dispose() => handle.Close();
}
