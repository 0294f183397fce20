// SPDX-License-Identifier: MIT
using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Evpoll.Kestrel;

/// <summary>Has the loops, which all endpoints share, until the host's services are disposed.</summary>
sealed class EvpollTransport : IConnectionListenerFactory, IConnectionListenerFactorySelector,
    IDisposable {
    readonly Lazy<EventLoop[]> loops;

    public EvpollTransport(IOptions<EvpollTransportOptions> options, ILoggerFactory loggers,
        IMemoryPoolFactory<byte> pools) {
        EvpollTransportOptions o = options.Value;
        ArgumentOutOfRangeException.ThrowIfLessThan(o.Loops, 1, nameof(o.Loops));
        (Pool, Logger) = (pools.Create(), loggers.CreateLogger("Evpoll.Kestrel"));
        loops = new(() => [.. Enumerable.Range(1, o.Loops)
            .Select(i => EventLoop.Start(new() { Name = $"evpoll kestrel {i}" }))]);
        // The loop's thread receives, and never runs the application; its context calls it back
        // when there is room again. Who flushes sends, in its own thread: that never blocks.
        (long read, long write) = (o.MaxReadBufferSize ?? 0, o.MaxWriteBufferSize ?? 0);
        Input = new(Pool, PipeScheduler.ThreadPool, PipeScheduler.Inline, read, read / 2);
        Output = new(Pool, PipeScheduler.Inline, PipeScheduler.ThreadPool, write, write / 2,
            useSynchronizationContext: false);
    }

    public MemoryPool<byte> Pool { get; }
    public ILogger Logger { get; }
    public PipeOptions Input { get; }
    public PipeOptions Output { get; }
    public bool CanBind(EndPoint endPoint) => endPoint is IPEndPoint; // others are served by others

    public ValueTask<IConnectionListener> BindAsync(EndPoint endPoint, CancellationToken ct = default) {
        try {
            return new(new EvpollConnectionListener(this, Listen((IPEndPoint)endPoint)));
        } catch (EvpollException e) { // Kestrel takes an IOException for an address in use
            throw e.Status == Status.AddressInUse ? new AddressInUseException(e.Message, e)
                : new InvalidOperationException(e.Message, e);
        }
    }

    /// <summary>Kestrel means both families by the unspecified address of IPv6.</summary>
    EvpollListener[] Listen(IPEndPoint at) {
        EvpollListener One(IPAddress address, int port) =>
            loops.Value[0].Listen(new(address, port), 0, loops.Value);
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
        if (loops.IsValueCreated)
            foreach (EventLoop loop in loops.Value) loop.Dispose();
        Pool.Dispose();
    }
}
