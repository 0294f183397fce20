// SPDX-License-Identifier: MIT
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

// Some tests take the descriptors away from the process that all of them share.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Evpoll.Kestrel.Tests;

/// <summary>Which transport a test runs over; Inline: evpoll's, with the application on the loop's thread.
/// </summary>
public enum Over { Evpoll, Inline, Sockets }

/// <summary>A server with one endpoint, over one of the transports, and a client for it.</summary>
sealed class Site : IAsyncDisposable {
    /// <summary>Turns a hang into a failure, nothing else.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    Site(WebApplication app) {
        App = app;
        Client = new(new SocketsHttpHandler {
            SslOptions = new() { RemoteCertificateValidationCallback = (_, _, _, _) => true },
        })
        { BaseAddress = new(Address), Timeout = Deadline };
    }

    public WebApplication App { get; }
    public HttpClient Client { get; }
    public string Address => App.Services.GetRequiredService<IServer>().Features
        .Get<IServerAddressesFeature>()!.Addresses.First();
    public IPEndPoint EndPoint => new(IPAddress.Loopback, new Uri(Address).Port);

    /// <summary>Buffers: the thresholds of both pipes.</summary>
    public static async Task<Site> Start(Over over, Action<WebApplication> map,
        Action<ListenOptions>? listen = null, long? buffers = null, int loops = 2) {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        if (over != Over.Sockets)
            builder.WebHost.UseEvpoll(o => {
                o.Loops = loops;
                o.UnsafePreferInlineScheduling = over == Over.Inline;
                if (buffers != null) o.MaxReadBufferSize = o.MaxWriteBufferSize = buffers;
            });
        else
            builder.WebHost.UseSockets(o => {
                if (buffers != null) o.MaxReadBufferSize = o.MaxWriteBufferSize = buffers;
            });
        builder.WebHost.ConfigureKestrel(o => {
            o.Limits.MaxRequestBodySize = null;
            o.Listen(IPAddress.Loopback, 0, e => listen?.Invoke(e));
        });
        WebApplication app = builder.Build();
        map(app);
        await app.StartAsync();
        return new(app);
    }

    /// <summary>A server without HTTP: a handler that has the connection.</summary>
    public static Task<Site> Raw(Over over, ConnectionDelegate handler, long? buffers = null) =>
        Start(over, _ => { }, e => e.Use(_ => handler), buffers);

    public async Task<NetworkStream> Connect() {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream,
            ProtocolType.Tcp);
        await socket.ConnectAsync(EndPoint);
        return new(socket, ownsSocket: true);
    }

    /// <summary>A stream's own Dispose sends the end first.</summary>
    public static void Reset(NetworkStream client) {
        client.Socket.LingerState = new(true, 0);
        client.Socket.Dispose();
    }

    public async ValueTask DisposeAsync() {
        Client.Dispose();
        await App.DisposeAsync().AsTask().WaitAsync(Deadline);
    }

    public static byte[] Content(int size) {
        byte[] bytes = new byte[size];
        new Random(size).NextBytes(bytes);
        return bytes;
    }

    public static X509Certificate2 Certificate() {
        using RSA key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256,
            RSASignaturePadding.Pkcs1);
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1),
            DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
    }

    /// <summary>All until the end.</summary>
    public static async Task<byte[]> ReadAll(Stream stream) {
        var all = new MemoryStream();
        await stream.CopyToAsync(all).WaitAsync(Deadline);
        return all.ToArray();
    }
}
