// SPDX-License-Identifier: MIT
namespace Microsoft.AspNetCore.Hosting;

/// <summary>What the transport may use.</summary>
public sealed class EvpollTransportOptions {
    /// <summary>Event loops, 1 or more: each has a thread that receives for its share of the
    /// connections. The application runs, and sends, on the thread pool.</summary>
    public int Loops { get; set; } = Math.Clamp(Environment.ProcessorCount / 2, 1, 8);
    /// <summary>Has it run, and send, on the loops' threads: for applications that never block.</summary>
    public bool UnsafePreferInlineScheduling { get; set; }
    /// <summary>Bytes of a connection, not read by the application yet, from which on no more is
    /// received until half of them are; null or 0: no limit.</summary>
    public long? MaxReadBufferSize { get; set; } = 1 << 20;
    /// <summary>Bytes of a connection, not sent yet, from which on the application waits until half
    /// of them are; null or 0: no limit.</summary>
    public long? MaxWriteBufferSize { get; set; } = 1 << 16;
}

/// <summary>Brings Kestrel onto evpoll.</summary>
public static class EvpollWebHostBuilderExtensions {
    /// <summary>Has Kestrel's TCP endpoints served by evpoll. Others (Unix domain sockets, handles,
    /// pipes, QUIC) stay with those who serve them without it.</summary>
    public static IWebHostBuilder UseEvpoll(this IWebHostBuilder builder,
        Action<EvpollTransportOptions>? configure = null) => builder.ConfigureServices(services => {
        // The last one is asked first; and Kestrel would not add its own behind another.
        services.TryAddSingleton<IConnectionListenerFactory, SocketTransportFactory>();
        services.AddSingleton<IConnectionListenerFactory, EvpollTransport>();
        services.Configure(configure ?? (_ => { }));
    });
}
