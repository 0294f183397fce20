// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>Connections, and descriptors of others.</summary>
public class TcpTest
{
    [Fact]
    public async Task An_echo_server_serves_clients_of_dotnet()
    {
        using var loop = EventLoop.Start();
        using var stop = new CancellationTokenSource();
        using var listener = TcpListener.Bind(loop, "127.0.0.1", 0);
        Task serving = loop.Run(async () =>
        {
            while (await listener.AcceptAsync(stop.Token) is { } c) _ = Echo(c);
        });
        async Task Echo(TcpStream c)
        {
            using (c)
            using (IoBuffer b = loop.Rent(16384))
                for (int n; (n = await c.ReadAsync(b, stop.Token)) > 0;)
                    await c.WriteAllAsync(b[..n], stop.Token);
        }
        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(async () =>
        {
            using var client = new TcpClient();
            await client.ConnectAsync(listener.LocalEndPoint);
            NetworkStream stream = client.GetStream();
            byte[] sent = Content(1 << 20, i), back = new byte[1 << 20];
            Task writing = stream.WriteAsync(sent).AsTask();
            await stream.ReadExactlyAsync(back);
            await writing;
            Assert.Equal(sent, back);
        }))).WaitAsync(Deadline);
        stop.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => serving.WaitAsync(Deadline));
    }

    [Fact]
    public Task The_end_of_a_stream_is_0_and_a_reset_is_an_exception() => OnLoop(async loop =>
    {
        var (a, b) = await Connect(loop);
        Assert.Equal(a.LocalEndPoint, b.RemoteEndPoint);
        a.SetNoDelay(true);
        await a.WriteAllAsync(new byte[3]);
        a.Shutdown(SocketShutdown.Send);
        Assert.Equal(3, await b.ReadAsync(new byte[10]));
        Assert.Equal(0, await b.ReadAsync(new byte[10]));
        await b.WriteAllAsync(new byte[1]);
        a.Dispose(); // with an unread byte: a reset
        Status status = await StatusOf(async () =>
        {
            for (; ; ) await b.WriteAllAsync(new byte[1]);
        });
        Assert.Contains(status, new[] { Status.Reset, Status.BrokenPipe });
        b.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { b.ReadAsync(new byte[1]); });
        Assert.Throws<ObjectDisposedException>(() => b.LocalEndPoint);
        b.Dispose();
    });

    [Fact]
    public Task A_refused_connection_says_so() => OnLoop(async loop =>
    {
        int port;
        using (var listener = TcpListener.Bind(loop, "127.0.0.1", 0))
            port = listener.LocalEndPoint.Port;
        Assert.Equal(Status.Refused, await StatusOf(async () =>
            await TcpStream.ConnectAsync(loop, "127.0.0.1", port)));
        await Assert.ThrowsAsync<ArgumentNullException>(async () =>
            await TcpStream.ConnectAsync(loop, null!, port));
        Assert.Equal(Status.Invalid, StatusOf(() => TcpListener.Bind(loop, "localhost", 0)));
    });

    [Fact]
    public Task Writing_more_than_fits_waits_for_the_reader() => OnLoop(async loop =>
    {
        var (a, b) = await Connect(loop);
        byte[] sent = Content(8 << 20);
        Task writing = a.WriteAllAsync(sent).AsTask();
        Assert.False(writing.IsCompleted);
        byte[] back = new byte[sent.Length];
        for (int n = 0; n < back.Length;) n += await b.ReadAsync(back.AsMemory(n));
        await writing;
        Assert.Equal(sent, back);
        a.Dispose();
        b.Dispose();
    });

    [Fact]
    public Task Cancelling_a_read_gives_it_back_and_the_next_one_works() => OnLoop(async loop =>
    {
        var (a, b) = await Connect(loop);
        for (int round = 0; round < 100; round++)
        {
            using var cts = new CancellationTokenSource();
            ValueTask<int> read = a.ReadAsync(new byte[1], cts.Token);
            if (round % 2 == 0) cts.Cancel();
            else await Task.Run(cts.Cancel);
            var e = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await read);
            Assert.Equal(cts.Token, e.CancellationToken);
        }
        await b.WriteAllAsync(new byte[5]);
        Assert.Equal(5, await a.ReadAsync(new byte[10]));
        a.Dispose();
        b.Dispose();
    });

    [Fact]
    public Task A_second_read_at_the_same_time_is_a_mistake() => OnLoop(async loop =>
    {
        var (a, b) = await Connect(loop);
        ValueTask<int> read = a.ReadAsync(new byte[1]);
        Assert.Throws<InvalidOperationException>(() => { a.ReadAsync(new byte[1]); });
        Assert.Throws<ArgumentException>(() => { b.ReadAsync(Memory<byte>.Empty); });
        await b.WriteAllAsync(ReadOnlyMemory<byte>.Empty);
        a.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await read);
        b.Dispose();
    });

    [Fact]
    public Task Disposing_a_listener_ends_accept_without_a_connection() => OnLoop(async loop =>
    {
        var listener = TcpListener.Bind(loop, "127.0.0.1", 0);
        ValueTask<TcpStream?> accept = listener.AcceptAsync();
        listener.Dispose();
        Assert.Null(await accept);
        Assert.Throws<ObjectDisposedException>(() => { listener.AcceptAsync(); });
    });

    [Fact]
    public Task A_stream_that_never_blocks_does_not_keep_others_waiting() => OnLoop(async loop =>
    {
        var (a, b) = await Connect(loop);
        bool turned = false;
        loop.Post(() => turned = true);
        await b.WriteAllAsync(new byte[10000]);
        for (int i = 0; i < 10000 && !turned; i++) await a.ReadAsync(new byte[1]);
        Assert.True(turned); // though there was always something to read
        a.Dispose();
        b.Dispose();
    });

    [Fact]
    public async Task Dropped_streams_are_closed()
    {
        using var loop = EventLoop.Start();
        TcpStream witness = await loop.Run(() => Drop(loop)).WaitAsync(Deadline);
        Task<int> end = loop.Run(async () => await witness.ReadAsync(new byte[1]));
        Until(() => end.IsCompleted);
        Assert.Equal(0, await end);
        witness.Dispose();

        [MethodImpl(MethodImplOptions.NoInlining)]
        static async Task<TcpStream> Drop(EventLoop loop) => (await Connect(loop)).Item2;
    }

    [Fact]
    public Task A_dotnet_socket_is_waited_for() => OnLoop(async loop =>
    {
        using var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
        server.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        server.Listen();
        using var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
        ValueTask<PollEvents> waiting = loop.WaitReadableAsync(server);
        client.Connect(server.LocalEndPoint!);
        Assert.True((await waiting).HasFlag(Readable));
        using Socket accepted = server.Accept();
        accepted.Blocking = client.Blocking = false;
        Assert.Equal(Writable, await loop.WaitWritableAsync(client));
        Assert.Equal(Writable, await loop.WaitWritableAsync(client.SafeHandle));
        Assert.Equal(Writable, 
            await loop.WaitWritableAsync((nint)client.SafeHandle.DangerousGetHandle()));

        using Watcher watcher = loop.Watch(accepted);
        for (int round = 0; round < 10; round++)
        {
            ValueTask<PollEvents> readable = watcher.WaitReadableAsync();
            Assert.Throws<InvalidOperationException>(() => { watcher.WaitReadableAsync(); });
            // Reading goes on waiting when writing was served.
            Assert.Equal(Writable, await watcher.WaitWritableAsync());
            Assert.False(readable.IsCompleted);
            client.Send(new byte[1]);
            Assert.True((await readable).HasFlag(Readable));
            Assert.True((await watcher.WaitReadableAsync()).HasFlag(Readable)); // afresh
            accepted.Receive(new byte[9]);
        }
        using var cts = new CancellationTokenSource();
        ValueTask<PollEvents> never = watcher.WaitReadableAsync(cts.Token);
        cts.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await never);
        never = watcher.WaitReadableAsync();
        accepted.Dispose(); // does not wait for the watcher
        watcher.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await never);
        Assert.Throws<ObjectDisposedException>(() => { watcher.WaitReadableAsync(); });
    });

    [Fact]
    public Task Waiting_for_a_file_or_a_closed_number_fails() => OnLoop(async loop =>
    {
        using var file = new TemporaryFile();
        using var handle = File.OpenHandle(file.Path);
        Assert.Equal(Status.Unsupported, await StatusOf(async () =>
            await loop.WaitReadableAsync(handle)));
        Assert.Equal(Status.BadHandle, await StatusOf(async () =>
            await loop.WaitReadableAsync((nint)99999)));
        Assert.Throws<ArgumentNullException>(() => { loop.WaitReadableAsync((Socket)null!); });
        handle.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { loop.WaitReadableAsync(handle); });
    });
}
