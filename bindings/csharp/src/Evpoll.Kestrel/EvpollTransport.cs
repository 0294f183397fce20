// SPDX-License-Identifier: MIT
namespace Evpoll.Kestrel;

/// <summary>Has the loops, which all endpoints share, until the host's services are disposed.</summary>
sealed class EvpollTransport(IOptions<EvpollTransportOptions> options, ILoggerFactory loggers,
    IMemoryPoolFactory<byte> pools) : IConnectionListenerFactory, IConnectionListenerFactorySelector,
    IDisposable {
    readonly Dictionary<EventLoop, (PipeOptions Input, PipeOptions Output)> pipes = [];

    public MemoryPool<byte> Pool { get; } = pools.Create();
    public ILogger Logger { get; } = loggers.CreateLogger("Evpoll.Kestrel");
    public (PipeOptions Input, PipeOptions Output) Pipes(EventLoop loop) => pipes[loop];
    public bool CanBind(EndPoint endPoint) => endPoint is IPEndPoint; // others are served by others

    /// <summary>The loop's thread receives, and goes on there when there is room again. Who sends comes
    /// behind who has flushed, so that two flushes of an answer are one call.</summary>
    void Start(EvpollTransportOptions o) {
        ArgumentOutOfRangeException.ThrowIfLessThan(o.Loops, 1, nameof(o.Loops));
        (long read, long write) = (o.MaxReadBufferSize ?? 0, o.MaxWriteBufferSize ?? 0);
        while (pipes.Count < o.Loops) {
            var loop = EventLoop.Start(new() { Name = $"evpoll kestrel {pipes.Count + 1}" });
            WorkQueue here = new(loop.Context), sends = o.UnsafePreferInlineScheduling ? here : new(null);
            PipeScheduler application = sends == here ? here : PipeScheduler.ThreadPool;
            pipes.Add(loop, (new(Pool, application, here, read, read / 2, -1, false),
                new(Pool, sends, application, write, write / 2, -1, false)));
        }
    }

    public ValueTask<IConnectionListener> BindAsync(EndPoint endPoint, CancellationToken ct = default) {
        lock (pipes) Start(options.Value);
        try {
            return new(new EvpollConnectionListener(this, Listen((IPEndPoint)endPoint)));
        } catch (EvpollException e) { // Kestrel takes an IOException for an address in use
            throw e.Status == Status.AddressInUse ? new AddressInUseException(e.Message, e)
                : new InvalidOperationException(e.Message, e);
        }
    }

    /// <summary>Kestrel means both families by the unspecified address of IPv6.</summary>
    EvpollListener[] Listen(IPEndPoint at) {
        EventLoop[] loops = [.. pipes.Keys];
        EvpollListener One(IPAddress address, int port) => loops[0].Listen(new(address, port), 0, loops);
        if (!at.Address.Equals(IPAddress.IPv6Any)) return [One(at.Address, at.Port)];
        EvpollListener? six = null;
        try {
            six = One(at.Address, at.Port);
            return [six, One(IPAddress.Any, six.LocalEndPoint.Port)];
        } catch (EvpollException e) {
            six?.Dispose();
            if (six != null || e.Status == Status.AddressInUse) throw;
            return [One(IPAddress.Any, at.Port)]; // a machine without IPv6
        }
    }

    public void Dispose() {
        foreach (EventLoop loop in pipes.Keys) loop.Dispose();
        Pool.Dispose();
    }
}
