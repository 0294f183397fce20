// SPDX-License-Identifier: MIT
using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Http;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>Connections, and what .NET lets run on a Stream.</summary>
public class StreamTest {
    [Fact]
    public async Task An_echo_server_serves_clients_of_dotnet() {
        await using var loop = EventLoop.Start();
        await using EvpollListener listener = loop.Listen(Loopback);
        Task serving = Task.Run(async () => {
            await foreach (EvpollStream s in listener.AcceptAllAsync()) _ = Echo(s);
        });
        static async Task Echo(EvpollStream s) {
            await using (s) await s.CopyToAsync(s);
        }
        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(async () => {
            using var client = new TcpClient();
            await client.ConnectAsync(listener.LocalEndPoint);
            NetworkStream stream = client.GetStream();
            byte[] sent = Content(1 << 20, i), back = new byte[1 << 20];
            Task writing = stream.WriteAsync(sent).AsTask();
            await stream.ReadExactlyAsync(back);
            await writing;
            Assert.Equal(sent, back);
        }))).WaitAsync(Deadline);
        listener.Dispose();
        await serving.WaitAsync(Deadline); // ends, and fails not
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Tls_runs_on_it(bool onLoop) {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        using X509Certificate2 certificate = SelfMade();
        async Task Talk() {
            await using var server = new SslStream(b);
            await using var client = new SslStream(a);
            await Task.WhenAll(server.AuthenticateAsServerAsync(certificate),
                client.AuthenticateAsClientAsync(new SslClientAuthenticationOptions {
                    TargetHost = "localhost",
                    RemoteCertificateValidationCallback = (_, c, _, _) =>
                        c!.GetCertHashString() == certificate.GetCertHashString(),
                }));
            byte[] sent = Content(1 << 20), back = new byte[1 << 20];
            Task writing = client.WriteAsync(sent).AsTask();
            await server.ReadExactlyAsync(back);
            await writing;
            Assert.Equal(sent, back);
            await client.ShutdownAsync();
            Assert.Equal(0, await server.ReadAsync(back));
        }
        await (onLoop ? loop.Run(Talk) : Talk()).WaitAsync(Deadline);
    }

    static X509Certificate2 SelfMade() {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256,
            RSASignaturePadding.Pkcs1);
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1),
            DateTimeOffset.UtcNow.AddDays(1));
    }

    [Fact]
    public async Task Readers_writers_and_pipes_run_on_it() {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        using var reader = new StreamReader(b);
        await using var writer = new StreamWriter(a) { AutoFlush = true };
        await writer.WriteLineAsync("one line");
        Assert.Equal("one line", await reader.ReadLineAsync().WaitAsync(Deadline));
        PipeReader pipe = PipeReader.Create(a, new(useZeroByteReads: true));
        PipeWriter output = PipeWriter.Create(b);
        ValueTask<ReadResult> reading = pipe.ReadAsync();
        await output.WriteAsync("through pipes"u8.ToArray());
        ReadResult got = await reading.AsTask().WaitAsync(Deadline);
        Assert.Equal("through pipes", Encoding.ASCII.GetString(got.Buffer));
        // The old ways, which block, and Begin and End.
        a.Write("sync"u8);
        byte[] four = new byte[4];
        b.ReadExactly(four);
        Assert.Equal("sync"u8.ToArray(), four);
        a.EndWrite(a.BeginWrite(four, 0, 4, null, null));
        Assert.Equal(4, b.EndRead(b.BeginRead(four, 0, 4, null, null)));
        a.WriteByte(7);
        Assert.Equal(7, b.ReadByte());
    }

    [Fact]
    public async Task HttpClient_connects_by_it() {
        await using var loop = EventLoop.Start();
        await using EvpollListener listener = loop.Listen(Loopback);
        Task serving = loop.Run(async () => {
            await foreach (EvpollStream s in listener.AcceptAllAsync()) _ = Answer(s);
        });
        static async Task Answer(EvpollStream s) {
            await using (s)
            using (var reader = new StreamReader(s)) {
                for (string? path; (path = await reader.ReadLineAsync()) != null;) {
                    while (await reader.ReadLineAsync() is { Length: > 0 }) { }
                    await s.WriteAsync(Encoding.ASCII.GetBytes(
                        $"HTTP/1.1 200 OK\r\nContent-Length: {path.Length}\r\n\r\n{path}"));
                }
            }
        }
        using var http = new HttpClient(new SocketsHttpHandler {
            ConnectCallback = async (context, ct) => await loop.ConnectAsync(
                context.DnsEndPoint.Host, context.DnsEndPoint.Port, ct),
        });
        for (int i = 0; i < 20; i++)
            Assert.Equal($"GET /{i} HTTP/1.1", await http.GetStringAsync(
                $"http://localhost:{listener.LocalEndPoint.Port}/{i}").WaitAsync(Deadline));
        listener.Dispose();
        await serving.WaitAsync(Deadline);
    }

    [Fact]
    public async Task The_end_of_a_stream_is_0_and_a_reset_is_an_exception() {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        Assert.Equal(a.LocalEndPoint, b.RemoteEndPoint);
        Assert.Equal(a.RemoteEndPoint, b.LocalEndPoint);
        a.NoDelay = false;
        await a.WriteAsync(new byte[3]);
        await a.ShutdownAsync();
        Assert.Equal(3, await b.ReadAsync(new byte[10]));
        Assert.Equal(0, await b.ReadAsync(new byte[10]));
        Assert.Equal(0, await b.ReadAsync(new byte[10]));
        a.Abort();
        Status status = await StatusOf(async () => {
            for (; ; ) await b.WriteAsync(new byte[1]);
        });
        Assert.Contains(status, new[] { Status.Reset, Status.BrokenPipe });
        b.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => b.ReadAsync(new byte[1]).AsTask());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => b.WriteAsync(new byte[1]).AsTask());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => b.ShutdownAsync().AsTask());
        Assert.Throws<ObjectDisposedException>(() => b.NoDelay = true);
        Assert.False(b.CanRead || b.CanWrite || b.CanSeek);
        b.Dispose();
        await b.DisposeAsync();
    }

    [Fact]
    public async Task A_reset_right_after_connecting_is_a_stream_with_its_addresses() {
        await using var loop = EventLoop.Start();
        await using EvpollListener listener = loop.Listen(Loopback);
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(listener.LocalEndPoint);
        EndPoint from = client.LocalEndPoint!;
        client.LingerState = new(true, 0);
        client.Dispose();
        EvpollStream stream = await listener.AcceptAsync();
        Assert.Equal((from, listener.LocalEndPoint), (stream.RemoteEndPoint,
            stream.LocalEndPoint));
        Assert.Equal(Status.Reset, await StatusOf(() => stream.ReadAsync(new byte[1]).AsTask()));
        stream.Dispose();
    }

    [Fact]
    public async Task Connections_that_cannot_be_made_say_why() {
        await using var loop = EventLoop.Start();
        IPEndPoint gone;
        await using (EvpollListener listener = loop.Listen(Loopback))
            gone = listener.LocalEndPoint;
        Assert.Equal(Status.Refused,
            await StatusOf(() => loop.ConnectAsync(gone).AsTask()));
        await Assert.ThrowsAsync<ArgumentNullException>(() => loop.ConnectAsync(null!).AsTask());
        await Assert.ThrowsAsync<SocketException>(() =>
            loop.ConnectAsync("no-such-host.invalid", 80).AsTask());
        await using EvpollListener taken = loop.Listen(Loopback);
        Assert.Equal(Status.AddressInUse, StatusOf(() => loop.Listen(taken.LocalEndPoint)));
        // One address of a name after the other.
        await using EvpollStream stream =
            await loop.ConnectAsync("localhost", taken.LocalEndPoint.Port);
        Assert.Equal(taken.LocalEndPoint.Port, stream.RemoteEndPoint!.Port);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Limits_end_reads_writes_accepts_and_can_be_moved(bool onLoop) {
        await using var loop = EventLoop.Start();
        async Task Try() {
            TimeSpan soon = TimeSpan.FromMilliseconds(5), hour = TimeSpan.FromHours(1);
            var (a, b) = await Connect(loop);
            await using EvpollListener listener = loop.Listen(Loopback);
            await Assert.ThrowsAsync<TimeoutException>(() =>
                listener.AcceptAsync(limit: soon).AsTask());
            foreach (TimeSpan limit in new[] { soon, TimeSpan.Zero, TimeSpan.FromSeconds(-3) })
                await Assert.ThrowsAsync<TimeoutException>(() =>
                    a.ReadAsync(new byte[1], limit).AsTask());
            a.ReadTimeout = 5;
            Assert.Equal(5, a.ReadTimeout);
            await Assert.ThrowsAsync<TimeoutException>(() => a.ReadAsync(new byte[1]).AsTask());
            await Assert.ThrowsAsync<TimeoutException>(() => // of no bytes
                a.ReadAsync(Memory<byte>.Empty).AsTask());
            a.ReadTimeout = Timeout.Infinite;
            Task<int> read = a.ReadAsync(new byte[1], hour).AsTask();
            Assert.True(a.RetimeRead(soon));
            await Assert.ThrowsAsync<TimeoutException>(() => read);
            Assert.False(a.RetimeRead(soon));
            await b.WriteAsync(new byte[1], hour);
            Assert.Equal(1, await a.ReadAsync(new byte[1], hour));
            await Assert.ThrowsAsync<TimeoutException>(() =>
                a.WriteAsync(new byte[64 << 20], soon).AsTask());
            Assert.Throws<ArgumentOutOfRangeException>(() => a.WriteTimeout = 0);
            a.Dispose();
            b.Dispose();
        }
        await (onLoop ? loop.Run(Try) : Try()).WaitAsync(Deadline);
    }

    [Fact]
    public async Task A_read_of_no_bytes_waits_and_takes_nothing() {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        Task<int> nothing = a.ReadAsync(Memory<byte>.Empty).AsTask();
        UntilPending(loop, 1);
        Assert.False(nothing.IsCompleted);
        await b.WriteAsync(new byte[] { 9 });
        Assert.Equal(0, await nothing.WaitAsync(Deadline));
        Assert.Equal(0, await a.ReadAsync(Memory<byte>.Empty));
        byte[] one = new byte[5];
        Assert.Equal((1, 9), (await a.ReadAsync(one), (int)one[0]));
        await a.WriteAsync(ReadOnlyMemory<byte>.Empty);
        a.Dispose();
        b.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Several_reads_and_writes_at_a_time_keep_their_order(bool onLoop) {
        await using var loop = EventLoop.Start();
        async Task Try() {
            var (a, b) = await Connect(loop);
            var order = new List<int>();
            async Task Read(int i) {
                byte[] four = new byte[4];
                await a.ReadAsync(four).ConfigureAwait(true);
                lock (order) order.Add(i);
                Assert.Equal(i, BitConverter.ToInt32(four));
            }
            Task[] reads = [.. Enumerable.Range(0, 50).Select(Read)];
            var writes = new List<Task>();
            for (int i = 0; i < 50; i++)
                writes.Add(b.WriteAsync(BitConverter.GetBytes(i)).AsTask());
            await Task.WhenAll(reads);
            await Task.WhenAll(writes);
            if (onLoop) Assert.Equal(Enumerable.Range(0, 50), order);
            a.Dispose();
            b.Dispose();
        }
        await (onLoop ? loop.Run(Try) : Try()).WaitAsync(Deadline);
    }

    [Fact]
    public async Task What_another_thread_writes_stands_behind_what_the_loop_has_written() {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        for (int round = 0; round < 500; round++) {
            ValueTask first = default, second = default;
            await loop.Run(() => {
                first = a.WriteAsync(new byte[] { 1 }); // in the loop's queue
                Thread other = new(() => second = a.WriteAsync(new byte[] { 2 }));
                other.Start();
                other.Join();
                return Task.CompletedTask;
            });
            byte[] two = new byte[2];
            await b.ReadExactlyAsync(two);
            Assert.Equal([1, 2], two);
            await first;
            await second;
        }
        a.Dispose();
        b.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Cancelling_a_read_gives_it_back_and_the_next_one_works(bool onLoop) {
        await using var loop = EventLoop.Start();
        async Task Try() {
            var (a, b) = await Connect(loop);
            for (int round = 0; round < 100; round++) {
                using var cts = new CancellationTokenSource();
                ValueTask<int> read = a.ReadAsync(new byte[1], cts.Token);
                if (round % 3 == 0) cts.Cancel();
                else if (round % 3 == 1) await Task.Run(cts.Cancel);
                else cts.CancelAfter(1);
                var e = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
                    await read);
                Assert.Equal(cts.Token, e.CancellationToken);
            }
            using var over = new CancellationTokenSource();
            over.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
                b.WriteAsync(new byte[1], over.Token).AsTask());
            await b.WriteAsync(new byte[5]);
            Assert.Equal(5, await a.ReadAsync(new byte[10]));
            a.Dispose();
            b.Dispose();
        }
        await (onLoop ? loop.Run(Try) : Try()).WaitAsync(Deadline);
    }

    [Fact]
    public async Task Disposing_a_listener_is_the_end_of_its_connections() {
        await using var loop = EventLoop.Start();
        for (int round = 0; round < 200; round++) {
            EvpollListener listener = loop.Listen(Loopback);
            Task<EvpollStream> accept = Task.Run(() => listener.AcceptAsync().AsTask());
            Task dispose = Task.Run(listener.Dispose);
            await dispose.WaitAsync(Deadline);
            await Assert.ThrowsAsync<ObjectDisposedException>(() => accept); // before and during it
            await foreach (EvpollStream s in listener.AcceptAllAsync()) Assert.Fail();
        }
    }

    [Fact]
    public async Task Closing_in_the_middle_of_everything_says_so() {
        await using var loop = EventLoop.Start();
        for (int round = 0; round < 100; round++) {
            var (a, b) = await ConnectSocket(loop);
            Task<int> read = a.ReadAsync(new byte[1]).AsTask();
            Task write = a.WriteAsync(new byte[16 << 20]).AsTask();
            if (round % 2 == 0) await Task.Run(a.Dispose);
            else await loop.Run(() => a.DisposeAsync().AsTask());
            await Assert.ThrowsAsync<ObjectDisposedException>(() => read.WaitAsync(Deadline));
            await Assert.ThrowsAsync<ObjectDisposedException>(() => write.WaitAsync(Deadline));
            b.Dispose();
        }
    }

    [Fact]
    public Task A_read_that_is_in_the_loops_queue_ends_when_the_stream_is_closed() => OnLoop(async loop => {
        var (a, b) = await Connect(loop);
        ValueTask<int> read = a.ReadAsync(new byte[1]);
        a.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await read);
        Assert.Equal(0, await b.ReadAsync(new byte[1]));
        b.Dispose();
    });

    [Theory]
    [InlineData(100)]
    [InlineData(100_000)] // more than there is room for
    public async Task Pieces_are_sent_in_order_as_far_as_there_is_room(int size) {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        byte[] bytes = Content(size * 100), received = new byte[bytes.Length];
        Task reading = b.ReadExactlyAsync(received).AsTask();
        ReadOnlySequence<byte> left = Pieces(bytes, size);
        while (!left.IsEmpty) {
            long n = await a.SendAsync(left);
            Assert.InRange(n, 1, left.Length);
            left = left.Slice(n);
        }
        await reading.WaitAsync(Deadline);
        Assert.Equal(bytes, received);
        Assert.Equal(0, await a.SendAsync(left));
        a.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await a.SendAsync(left));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await a.SendAsync(Pieces(bytes, size)));
        b.Dispose();
    }

    [Fact]
    public async Task A_dropped_stream_without_anything_pending_is_closed() {
        await using var loop = EventLoop.Start();
        EvpollStream witness = await Drop(loop).WaitAsync(Deadline);
        Task<int> end = witness.ReadAsync(new byte[1]).AsTask();
        Until(() => end.IsCompleted);
        Assert.Equal(0, await end);
        witness.Dispose();

        [MethodImpl(MethodImplOptions.NoInlining)]
        static async Task<EvpollStream> Drop(EventLoop loop) => (await Connect(loop)).Item2;
    }

    /// <summary>The first edition delivered 4 of 32 MiB: the collector closed the
    /// connection.</summary>
    [Fact]
    public async Task What_is_pending_holds_its_stream_listener_watcher_and_loop() {
        byte[] back = new byte[32 << 20];
        var (client, write, read, accept, wait, at) = await Begin();
        for (int i = 0; i < 5; i++) CollectAll();
        for (int n = 0; n < back.Length;) {
            n += client.Receive(back.AsSpan(n));
            if (n < 1 << 20) CollectAll();
        }
        await write.WaitAsync(Deadline);
        Assert.Equal(Content(32 << 20), back);
        client.Send([1]);
        Assert.Equal(1, await read.WaitAsync(Deadline));
        using var other = new Socket(SocketType.Stream, ProtocolType.Tcp);
        other.Connect(at);
        Assert.NotNull(await accept.WaitAsync(Deadline));
        Assert.True((await wait.WaitAsync(Deadline)).HasFlag(Readable));
        client.Dispose();

        [MethodImpl(MethodImplOptions.NoInlining)]
        static async Task<(Socket, Task, Task<int>, Task<EvpollStream>, Task<PollEvents>,
            IPEndPoint)> Begin() {
            EventLoop loop = EventLoop.Start();
            var (stream, client) = await ConnectSocket(loop);
            EvpollListener listener = loop.Listen(Loopback);
            var watched = new Socket(SocketType.Stream, ProtocolType.Tcp);
            watched.Connect(listener.LocalEndPoint);
            EvpollStream peer = await listener.AcceptAsync();
            Task<PollEvents> wait = loop.Watch(watched).WaitAsync(PollEvents.Readable).AsTask();
            Task write = stream.WriteAsync(Content(32 << 20)).AsTask();
            Task<int> read = stream.ReadAsync(new byte[1]).AsTask();
            Task<EvpollStream> accept = listener.AcceptAsync().AsTask();
            peer.Dispose(); // watched becomes readable
            return (client, write, read, accept, wait, listener.LocalEndPoint);
        }
    }

    [Fact]
    public async Task Pipes_and_socket_pairs_are_adopted() {
        await using var loop = EventLoop.Start();
        (long first, long second) = RawSocket.Pair();
        await using EvpollStream a = loop.Adopt((nint)first), b = loop.Adopt((nint)second);
        await a.WriteAsync(Content(10));
        byte[] back = new byte[10];
        await b.ReadExactlyAsync(back);
        Assert.Equal(Content(10), back);
        Assert.Null(a.RemoteEndPoint);
        Assert.Null(a.LocalEndPoint);
    }

    // ---- descriptors of others

    [Fact]
    public async Task Sockets_of_dotnet_are_waited_for() {
        await using var loop = EventLoop.Start();
        using var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
        server.Bind(Loopback);
        server.Listen();
        using var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
        using (EvpollWatcher listening = loop.Watch(server)) {
            Task<PollEvents> waiting = listening.WaitAsync(Readable).AsTask();
            client.Connect(server.LocalEndPoint!);
            Assert.True((await waiting.WaitAsync(Deadline)).HasFlag(Readable));
        }
        using Socket accepted = server.Accept();
        using EvpollWatcher watcher = loop.Watch(accepted);
        for (int round = 0; round < 10; round++) {
            Task<PollEvents> readable = watcher.WaitAsync(Readable).AsTask();
            Assert.Equal(Writable, await watcher.WaitAsync(Writable));
            Assert.False(readable.IsCompleted);
            client.Send(new byte[1]);
            Assert.True((await readable).HasFlag(Readable));
            Assert.True((await watcher.WaitAsync(Readable)).HasFlag(Readable)); // afresh
            accepted.Receive(new byte[9]);
        }
        using var cts = new CancellationTokenSource();
        Task<PollEvents> never = watcher.WaitAsync(Readable, cts.Token).AsTask();
        cts.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => never);
        await Assert.ThrowsAsync<TimeoutException>(() =>
            watcher.WaitAsync(Readable, limit: TimeSpan.FromMilliseconds(1)).AsTask());
        never = watcher.WaitAsync(Readable).AsTask();
        watcher.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => never);
        await Assert.ThrowsAsync<ObjectDisposedException>(() =>
            watcher.WaitAsync(Readable).AsTask());
        accepted.Send(new byte[1]); // still open
    }

    [Fact]
    public async Task Waiting_for_a_file_or_a_closed_number_fails() {
        await using var loop = EventLoop.Start();
        Assert.Equal(Status.BadHandle, StatusOf(() => loop.Watch(99999)));
        using var file = new TemporaryFile();
        using var handle = File.OpenHandle(file.Path);
        using (EvpollWatcher watcher = loop.Watch(handle))
            Assert.Equal(Status.Unsupported, await StatusOf(() =>
                watcher.WaitAsync(Readable).AsTask()));
        Assert.Throws<ArgumentNullException>(() => loop.Watch((Socket)null!));
        handle.Dispose();
        Assert.Throws<ObjectDisposedException>(() => loop.Watch(handle));
    }
}
