// SPDX-License-Identifier: MIT
namespace Evpoll.Kestrel;

/// <summary>An endpoint: what its listeners accept goes through one queue.</summary>
sealed class EvpollConnectionListener : IConnectionListener {
    readonly EvpollTransport transport;
    readonly EvpollListener[] listeners;
    readonly Channel<EvpollStream> accepted = Channel.CreateUnbounded<EvpollStream>();
    readonly Task accepting;

    public EvpollConnectionListener(EvpollTransport transport, EvpollListener[] listeners) {
        (this.transport, this.listeners) = (transport, listeners);
        accepting = Task.WhenAll(listeners.Select(Accept)).ContinueWith(
            _ => accepted.Writer.TryComplete(), TaskScheduler.Default);
    }

    public EndPoint EndPoint => listeners[0].LocalEndPoint;
    async Task Accept(EvpollListener listener) { // and waits while there are no descriptors
        try {
            await foreach (EvpollStream stream in listener.AcceptAllAsync().ConfigureAwait(false))
                if (!accepted.Writer.TryWrite(stream)) stream.Abort();
        } catch (Exception e) { accepted.Writer.TryComplete(e); } // AcceptAsync throws it
    }

    /// <summary>Null when there will be none any more.</summary>
    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken ct = default) =>
        await accepted.Reader.WaitToReadAsync(ct).ConfigureAwait(false)
            ? new EvpollConnection(transport, await accepted.Reader.ReadAsync(ct).ConfigureAwait(false))
            : null;

    /// <summary>Stops listening. What was accepted before is still to be had.</summary>
    public async ValueTask UnbindAsync(CancellationToken ct = default) {
        foreach (EvpollListener listener in listeners) await listener.DisposeAsync().ConfigureAwait(false);
        await accepting.ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync() {
        await UnbindAsync().ConfigureAwait(false);
        while (accepted.Reader.TryRead(out EvpollStream? stream)) stream.Abort();
    }
}
