// SPDX-License-Identifier: MIT
using System.Collections.Concurrent;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Evpoll.Kestrel.Tests;

/// <summary>ASP.NET Core over evpoll, and the same over Kestrel's own transport as the control.
/// </summary>
public class TransportTest {
    static readonly byte[] Large = Site.Content(10 << 20);

    static void Map(WebApplication app) {
        app.UseWebSockets();
        app.MapGet("/", () => "Hello World!");
        app.MapGet("/id", (HttpContext c) => c.Connection.Id);
        app.MapGet("/peer", (HttpContext c) => $"{c.Connection.LocalIpAddress}:" +
            $"{c.Connection.LocalPort} {c.Connection.RemoteIpAddress}:{c.Connection.RemotePort}");
        app.MapGet("/large", () => Results.Bytes(Large));
        app.MapPost("/echo", async (HttpContext c) => {
            c.Response.ContentLength = c.Request.ContentLength; // chunked as the request is
            var all = new MemoryStream(); // clients send all before they read
            await c.Request.Body.CopyToAsync(all);
            await c.Response.Body.WriteAsync(all.GetBuffer().AsMemory(0, (int)all.Length));
        });
        app.MapGet("/protocol", (HttpContext c) => c.Request.Protocol);
        app.Map("/socket", async (HttpContext c) => {
            using WebSocket socket = await c.WebSockets.AcceptWebSocketAsync();
            byte[] buffer = new byte[1000];
            while (await socket.ReceiveAsync(buffer, default) is
                { MessageType: not WebSocketMessageType.Close } got)
                await socket.SendAsync(buffer.AsMemory(0, got.Count), got.MessageType,
                    got.EndOfMessage, default);
            await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", default);
        });
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task Small_answers_come_and_addresses_are_right(Over over) {
        await using Site site = await Site.Start(over, Map);
        Assert.Equal("Hello World!", await site.Client.GetStringAsync("/"));
        await using NetworkStream client = await site.Connect();
        client.Write("GET /peer HTTP/1.0\r\n\r\n"u8);
        string answer = Encoding.ASCII.GetString(await Site.ReadAll(client));
        Assert.EndsWith($"\r\n{site.EndPoint} {client.Socket.LocalEndPoint}", answer);
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task Large_bodies_arrive_byte_by_byte_down_and_up(Over over) {
        await using Site site = await Site.Start(over, Map);
        Assert.Equal(Large, await site.Client.GetByteArrayAsync("/large"));
        HttpResponseMessage echoed = await site.Client.PostAsync("/echo", new ByteArrayContent(Large));
        Assert.Equal(Large.Length, echoed.Content.Headers.ContentLength);
        Assert.Equal(Large, await echoed.Content.ReadAsByteArrayAsync());
    }

    sealed class Endless(byte[] data) : HttpContent { // has no length, so it is sent in chunks
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context) {
            for (int i = 0; i < data.Length; i += 7777)
                await stream.WriteAsync(data.AsMemory(i, Math.Min(7777, data.Length - i)));
        }
        protected override bool TryComputeLength(out long length) => (length = 0) != 0;
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task Chunks_go_both_ways(Over over) {
        await using Site site = await Site.Start(over, Map);
        HttpResponseMessage echoed = await site.Client.PostAsync("/echo", new Endless(Large));
        Assert.True(echoed.Headers.TransferEncodingChunked);
        Assert.Equal(Large, await echoed.Content.ReadAsByteArrayAsync());
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task A_connection_is_kept_alive(Over over) {
        await using Site site = await Site.Start(over, Map);
        string first = await site.Client.GetStringAsync("/id");
        for (int i = 0; i < 300; i++) Assert.Equal(first, await site.Client.GetStringAsync("/id"));
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task Requests_in_one_packet_are_answered_in_order(Over over) {
        await using Site site = await Site.Start(over, app => app.MapGet("/{n}", (int n) => $"<{n}>"));
        await using NetworkStream client = await site.Connect();
        client.Write(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 100).Select(i =>
            $"GET /{i} HTTP/1.1\r\nHost: x\r\n{(i == 99 ? "Connection: close\r\n" : "")}\r\n"))));
        string all = Encoding.ASCII.GetString(await Site.ReadAll(client));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => $"<{i}>"),
            System.Text.RegularExpressions.Regex.Matches(all, "<[0-9]+>").Select(m => m.Value));
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task Connections_are_served_in_parallel(Over over) {
        const int N = 200;
        var all = new CountdownEvent(N);
        var there = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using Site site = await Site.Start(over, app => app.MapGet("/", async (HttpContext c) => {
            if (all.Signal()) there.SetResult(); // nobody is answered before all are there
            await there.Task;
            return c.Connection.Id;
        }));
        string[] ids = await Task.WhenAll(Enumerable.Range(0, N).Select(_ =>
            site.Client.GetStringAsync("/")));
        Assert.Equal(N, ids.Distinct().Count());
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task A_client_that_aborts_in_mid_response_ends_that_request_alone(Over over) {
        var ended = new TaskCompletionSource<Exception?>();
        await using Site site = await Site.Start(over, app => {
            Map(app);
            app.MapGet("/endless", async (HttpContext c) => {
                try {
                    while (true) await c.Response.Body.WriteAsync(new byte[65536], c.RequestAborted);
                } catch (Exception e) { ended.SetResult(e); }
            });
        });
        await using (NetworkStream client = await site.Connect()) {
            client.Write("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"u8);
            await client.ReadExactlyAsync(new byte[1 << 20]);
            Site.Reset(client);
        }
        Assert.IsAssignableFrom<OperationCanceledException>(
            await ended.Task.WaitAsync(Site.Deadline));
        Assert.Equal("Hello World!", await site.Client.GetStringAsync("/"));
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task A_server_that_aborts_resets_the_connection(Over over) {
        await using Site site = await Site.Start(over, app => app.MapGet("/", async (HttpContext c) => {
            await c.Response.Body.WriteAsync(new byte[1000]);
            await c.Response.Body.FlushAsync();
            c.Abort();
        }));
        await using NetworkStream client = await site.Connect();
        client.Write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8);
        var e = await Assert.ThrowsAsync<IOException>(() => Site.ReadAll(client));
        Assert.Equal(SocketError.ConnectionReset, ((SocketException)e.InnerException!).SocketErrorCode);
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task Https_and_http2_run_over_it(Over over) {
        using var certificate = Site.Certificate();
        await using Site site = await Site.Start(over, Map, e => e.UseHttps(certificate));
        Assert.StartsWith("https:", site.Address);
        Assert.Equal(Large, await site.Client.GetByteArrayAsync("/large"));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/echo") {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(Large),
        };
        HttpResponseMessage echoed = await site.Client.SendAsync(request);
        Assert.Equal(HttpVersion.Version20, echoed.Version);
        Assert.Equal(Large, await echoed.Content.ReadAsByteArrayAsync());
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task WebSockets_run_over_it(Over over) {
        await using Site site = await Site.Start(over, Map);
        using var socket = new ClientWebSocket();
        using var deadline = new CancellationTokenSource(Site.Deadline);
        await socket.ConnectAsync(new($"ws://{site.EndPoint}/socket"), deadline.Token);
        byte[] sent = Site.Content(100_000), got = new byte[sent.Length];
        Task sending = socket.SendAsync(sent, WebSocketMessageType.Binary, true, deadline.Token);
        for (int n = 0; n < got.Length;)
            n += (await socket.ReceiveAsync(got.AsMemory(n), deadline.Token)).Count;
        await sending;
        Assert.Equal(sent, got);
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", deadline.Token);
        Assert.Equal("bye", socket.CloseStatusDescription);
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task Curl_is_answered(Over over) {
        await using Site site = await Site.Start(over, Map);
        string up = Path.GetTempFileName(), down = Path.GetTempFileName();
        try {
            File.WriteAllBytes(up, Large);
            using Process curl = Process.Start("curl", ["-sS", "--fail", "--max-time", "60",
                "--data-binary", $"@{up}", "-o", down, $"{site.Address}/echo", "--next", "-sS",
                "--fail", "-H", "Transfer-Encoding: chunked", "-T", up, "-X", "POST", "-o", down + "2",
                $"{site.Address}/echo"]);
            await curl.WaitForExitAsync().WaitAsync(Site.Deadline);
            Assert.Equal(0, curl.ExitCode);
            Assert.Equal(Large, File.ReadAllBytes(down));
            Assert.Equal(Large, File.ReadAllBytes(down + "2"));
        } finally {
            foreach (string path in new[] { up, down, down + "2" }) File.Delete(path);
        }
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task A_graceful_stop_lets_a_request_end(Over over) {
        var began = new TaskCompletionSource();
        var mayEnd = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using Site site = await Site.Start(over, app => app.MapGet("/", async () => {
            began.SetResult();
            await mayEnd.Task;
            return "done";
        }));
        Task<string> request = site.Client.GetStringAsync("/");
        await began.Task.WaitAsync(Site.Deadline);
        IPEndPoint endPoint = site.EndPoint;
        Task stop = site.App.StopAsync();
        await Refused(endPoint); // nobody else comes in
        Assert.False(stop.IsCompleted);
        mayEnd.SetResult();
        Assert.Equal("done", await request);
        await stop.WaitAsync(Site.Deadline);
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task A_stop_that_may_not_wait_aborts_what_is_left(Over over) {
        var began = new TaskCompletionSource();
        var aborted = new TaskCompletionSource();
        await using Site site = await Site.Start(over, app => app.MapGet("/", async (HttpContext c) => {
            c.RequestAborted.Register(aborted.SetResult);
            began.SetResult();
            await aborted.Task;
        }));
        Task<string> request = site.Client.GetStringAsync("/");
        await began.Task.WaitAsync(Site.Deadline);
        await site.App.StopAsync(new CancellationToken(canceled: true)).WaitAsync(Site.Deadline);
        await aborted.Task.WaitAsync(Site.Deadline);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => request);
    }

    static async Task Refused(IPEndPoint endPoint) {
        using var deadline = new CancellationTokenSource(Site.Deadline);
        while (true) {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            try { await socket.ConnectAsync(endPoint, deadline.Token); } catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused) {
                return;
            }
        }
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task A_half_closed_client_gets_its_answer_and_the_server_is_told(Over over) {
        var told = new TaskCompletionSource();
        await using Site site = await Site.Raw(over, async connection => {
            connection.ConnectionClosed.Register(told.SetResult);
            long n = 0;
            while (true) {
                ReadResult read = await connection.Transport.Input.ReadAsync();
                n += read.Buffer.Length;
                connection.Transport.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) break;
            }
            await told.Task; // the peer's end, and the answer is still sent
            await connection.Transport.Output.WriteAsync(Encoding.ASCII.GetBytes($"{n} "));
            await connection.Transport.Output.WriteAsync(Large);
        });
        await using NetworkStream client = await site.Connect();
        await client.WriteAsync(Large);
        client.Socket.Shutdown(SocketShutdown.Send);
        byte[] all = await Site.ReadAll(client);
        Assert.Equal($"{Large.Length} ", Encoding.ASCII.GetString(all, 0, all.Length - Large.Length));
        Assert.Equal(Large, all[^Large.Length..]);
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task A_reset_reaches_who_reads(Over over) {
        var told = new TaskCompletionSource<Exception>();
        var closed = new TaskCompletionSource();
        var began = new TaskCompletionSource();
        await using Site site = await Site.Raw(over, async connection => {
            connection.ConnectionClosed.Register(closed.SetResult);
            began.SetResult();
            try { await connection.Transport.Input.ReadAsync(); } catch (Exception e) { told.SetResult(e); }
            FlushResult flushed = default;
            while (!flushed.IsCompleted) // nobody reads it any more, which is no error
                flushed = await connection.Transport.Output.WriteAsync(new byte[1000]);
        });
        await using (NetworkStream client = await site.Connect()) {
            await began.Task.WaitAsync(Site.Deadline);
            Site.Reset(client);
        }
        Assert.IsType<ConnectionResetException>(await told.Task.WaitAsync(Site.Deadline));
        await closed.Task.WaitAsync(Site.Deadline);
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task Abort_tells_its_reason_to_who_reads_and_frees_who_sends(Over over) {
        var told = new TaskCompletionSource<Exception>();
        var connected = new TaskCompletionSource(); // a reset might come first
        var reason = new ConnectionAbortedException("enough");
        await using Site site = await Site.Raw(over, async connection => {
            await connected.Task;
            Task<FlushResult> stuck;
            do stuck = connection.Transport.Output.WriteAsync(Large).AsTask();
            while (stuck.IsCompleted); // until the client's and the system's buffers are full
            connection.Abort(reason);
            Assert.True((await stuck).IsCompleted);
            try { await connection.Transport.Input.ReadAsync(); } catch (Exception e) { told.SetResult(e); }
        });
        await using NetworkStream client = await site.Connect();
        connected.SetResult();
        Assert.Same(reason, await told.Task.WaitAsync(Site.Deadline));
        await Assert.ThrowsAsync<IOException>(() => Site.ReadAll(client));
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task Who_sends_faster_than_the_peer_reads_has_to_wait(Over over) {
        var stuck = new TaskCompletionSource<int>();
        await using Site site = await Site.Raw(over, async connection => {
            int n = 0;
            byte[] piece = new byte[10_000];
            ValueTask<FlushResult> flush;
            do {
                piece.AsSpan().Fill((byte)n++);
                flush = connection.Transport.Output.WriteAsync(piece);
            } while (flush.IsCompleted && n < 100_000); // 1 GB would be no bound at all
            stuck.SetResult(n);
            await flush;
        }, buffers: 20_000);
        await using NetworkStream client = await site.Connect();
        int count = await stuck.Task.WaitAsync(Site.Deadline);
        Assert.InRange(count, 1, 99_999);
        byte[] all = await Site.ReadAll(client);
        byte[] sent = new byte[count * 10_000];
        for (int i = 0; i < count; i++) sent.AsSpan(i * 10_000, 10_000).Fill((byte)i);
        Assert.Equal(sent, all);
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task What_is_not_read_is_not_received_beyond_the_limit(Over over) {
        const int Limit = 1 << 20, Slack = 1 << 17;
        await using Site site = await Site.Raw(over, async connection => {
            PipeReader input = connection.Transport.Input;
            long n = 0;
            while (true) {
                ReadResult read = await input.ReadAtLeastAsync(Limit);
                // All that is there, and as much as there ever is.
                if (read.Buffer.Length > Limit + Slack) break; // the client sees the end too early
                n += read.Buffer.Length;
                input.AdvanceTo(read.Buffer.End);
                if (!read.IsCompleted) continue;
                await connection.Transport.Output.WriteAsync(Encoding.ASCII.GetBytes($"{n}"));
                break;
            }
        }, buffers: Limit);
        await using NetworkStream client = await site.Connect();
        for (int i = 0; i < 6; i++) await client.WriteAsync(Large);
        client.Socket.Shutdown(SocketShutdown.Send);
        Assert.Equal($"{6 * Large.Length}", Encoding.ASCII.GetString(await Site.ReadAll(client)));
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline)]
    public async Task The_application_runs_on_the_loop_if_that_is_preferred(Over over) {
        var ran = new ConcurrentBag<string?>();
        await using Site site = await Site.Raw(over, async connection => {
            for (;;) {
                ReadResult read = await connection.Transport.Input.ReadAsync();
                ran.Add(Thread.CurrentThread.IsThreadPoolThread ? "pool" : Thread.CurrentThread.Name);
                if (read.IsCompleted) return;
                connection.Transport.Input.AdvanceTo(read.Buffer.End);
                await connection.Transport.Output.WriteAsync("x"u8.ToArray());
            }
        });
        await using NetworkStream client = await site.Connect();
        // What has come already when it is asked for is had on the thread that asks.
        for (int round = 0; round < 100; round++) {
            client.Write("x"u8);
            await client.ReadExactlyAsync(new byte[1]).AsTask().WaitAsync(Site.Deadline);
        }
        Assert.Equal(over == Over.Inline, ran.Any(name => name?.StartsWith("evpoll kestrel") == true));
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task A_connection_has_what_middleware_asks_for(Over over) {
        var seen = new TaskCompletionSource<string>();
        await using Site site = await Site.Raw(over, connection => {
            seen.SetResult(Missing(connection));
            return Task.CompletedTask;
        });
        await using NetworkStream client = await site.Connect();
        Assert.Equal("", await seen.Task.WaitAsync(Site.Deadline));
        Assert.Empty(await Site.ReadAll(client));
    }

    static string Missing(ConnectionContext connection) {
        IFeatureCollection features = connection.Features;
        return string.Join(", ", new (string Name, object? Found)[] {
            ("id", features.Get<IConnectionIdFeature>()?.ConnectionId),
            ("transport", features.Get<IConnectionTransportFeature>()?.Transport),
            ("items", features.Get<IConnectionItemsFeature>()?.Items),
            ("lifetime", features.Get<IConnectionLifetimeFeature>()),
            ("memory pool", features.Get<IMemoryPoolFeature>()?.MemoryPool),
            ("local address", connection.LocalEndPoint as IPEndPoint),
            ("remote address", connection.RemoteEndPoint as IPEndPoint),
        }.Where(f => f.Found == null).Select(f => f.Name));
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task Any_address_means_both_families(Over over) {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        if (over != Over.Sockets) builder.WebHost.UseEvpoll();
        builder.WebHost.ConfigureKestrel(o => o.ListenAnyIP(0));
        await using WebApplication app = builder.Build();
        app.MapGet("/", () => "both");
        await app.StartAsync();
        using var client = new HttpClient();
        int port = new Uri(app.Urls.Single().Replace("[::]", "localhost")).Port;
        foreach (string host in new[] { "127.0.0.1", "[::1]" })
            Assert.Equal("both", await client.GetStringAsync($"http://{host}:{port}/"));
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task An_address_in_use_is_said_so(Over over) {
        await using Site first = await Site.Start(over, Map);
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        if (over != Over.Sockets) builder.WebHost.UseEvpoll();
        builder.WebHost.ConfigureKestrel(o => o.Listen(first.EndPoint));
        await using WebApplication app = builder.Build();
        var e = await Assert.ThrowsAsync<IOException>(() => app.StartAsync());
        Assert.IsType<AddressInUseException>(e.InnerException);
    }

    [Theory, InlineData(Over.Evpoll), InlineData(Over.Inline), InlineData(Over.Sockets)]
    public async Task Unix_sockets_stay_with_who_serves_them(Over over) {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        if (over != Over.Sockets) builder.WebHost.UseEvpoll();
        builder.WebHost.ConfigureKestrel(o => {
            o.ListenUnixSocket(path);
            o.Listen(IPAddress.Loopback, 0);
        });
        await using WebApplication app = builder.Build();
        app.MapGet("/", () => "unix");
        await app.StartAsync();
        using var client = new HttpClient(new SocketsHttpHandler {
            ConnectCallback = async (_, ct) => {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), ct);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });
        Assert.Equal("unix", await client.GetStringAsync("http://localhost/"));
    }

    [Fact] // a runtime without descriptors can do little: calls that block, in this thread
    public async Task Without_descriptors_connections_wait() {
        await using Site site = await Site.Start(Over.Evpoll, Map);
        byte[] request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), answer = new byte[1000];
        await using NetworkStream first = await site.Connect();
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        IPEndPoint endPoint = site.EndPoint;
        void Ask() {
            first.Socket.Send(request);
            Assert.True(first.Socket.Receive(answer) > 0);
        }
        for (int i = 0; i < 100; i++) Ask(); // whatever has to be loaded is
        Descriptors.Limit(out ulong before);
        try {
            socket.Connect(endPoint); // in the backlog, where nobody can take it
            for (int i = 0; i < 100; i++) Ask();
        } finally { Descriptors.Restore(before); }
        await using var client = new NetworkStream(socket);
        client.Write("GET / HTTP/1.0\r\n\r\n"u8);
        Assert.EndsWith("Hello World!", Encoding.ASCII.GetString(await Site.ReadAll(client)));
        Assert.Equal("Hello World!", await site.Client.GetStringAsync("/"));
    }

    [Fact]
    public async Task It_is_evpoll_that_serves_and_its_loops_end_with_the_host() {
        static int Threads() => Directory.GetDirectories("/proc/self/task").Count(task => {
            try { return File.ReadAllText(Path.Combine(task, "comm")).StartsWith("evpoll kestrel"); } catch (IOException) { return false; } // it has ended
        });
        await using (Site site = await Site.Start(Over.Evpoll, Map, loops: 3)) {
            Assert.Equal("Hello World!", await site.Client.GetStringAsync("/"));
            Assert.Equal(3, Threads());
        }
        var clock = Stopwatch.StartNew();
        while (Threads() > 0) Assert.True(clock.Elapsed < Site.Deadline); // the system's end of them
    }
}
