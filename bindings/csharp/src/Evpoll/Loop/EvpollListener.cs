// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>Accepts TCP connections on an <see cref="EventLoop"/>. Any thread may use it; dropped
/// or disposed it stops listening.</summary>
public sealed class EvpollListener : IDisposable, IAsyncDisposable {
    readonly LoopHandle handle;
    readonly EventLoop[] loops;
    uint accepts;

    internal EvpollListener(LoopHandle handle, IPEndPoint local, EventLoop[] loops) =>
        (this.handle, LocalEndPoint, this.loops) = (handle, local, loops);
    /// <summary>Whose thread serves it, and its connections unless other loops were named.</summary>
    public EventLoop Loop => handle.Loop;
    /// <summary>Where it listens.</summary>
    public IPEndPoint LocalEndPoint { get; }
    /// <summary>Waits for a connection, which is the caller's to dispose; up to a limit from now,
    /// then it fails with <see cref="TimeoutException"/>. For want of descriptors it fails with
    /// <see cref="Status.Limit"/>, and for want of memory with NoMemory: the connection stays, and
    /// the next call tries again by itself.</summary>
    public ValueTask<EvpollStream> AcceptAsync(CancellationToken ct = default,
        TimeSpan? limit = null) {
        EventLoop? loop = loops.Length == 0 ? null
            : loops[Interlocked.Increment(ref accepts) % (uint)loops.Length];
        return Loop.Core.Take().Of(handle, IoCode.Accept, limit, loop, length: 2).StartAccept(ct);
    }

    /// <summary>All connections, each the receiver's to dispose, until the listener is disposed or
    /// its loop shut down. Want of descriptors or memory is waited out.</summary>
    public async IAsyncEnumerable<EvpollStream> AcceptAllAsync(
        [EnumeratorCancellation] CancellationToken ct = default)
    {
        while (true) {
            EvpollStream stream;
            try { stream = await AcceptAsync(ct).ConfigureAwait(false); }
            catch (ObjectDisposedException) { yield break; }
            catch (EvpollException e) when (e.Status is Status.Limit or Status.NoMemory) {
                continue; // tried again when another one comes, or after 100 ms
            }
            yield return stream;
        }
    }

    /// <summary>Stops listening.</summary>
    public void Dispose() => handle.Close();
    /// <summary>Stops listening, and ends when the address is free.</summary>
    public ValueTask DisposeAsync() => handle.CloseAsync();
}
