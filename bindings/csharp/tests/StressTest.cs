// SPDX-License-Identifier: MIT
using System.Net;
using System.Net.Sockets;
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>What several threads do to the same things at the same time.</summary>
public class StressTest {
    static readonly TimeSpan Long = TimeSpan.FromMinutes(4);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Cancels_against_completions_lose_no_byte(bool onLoop) {
        const int Rounds = 50_000; // in each of the two
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        long read = 0, sent = 0;
        async Task Try() {
            byte[] one = new byte[1], into = new byte[1];
            CancellationTokenSource cts = new();
            for (int i = 0; i < Rounds; i++) {
                if (!cts.TryReset()) cts = new();
                ValueTask<int> reading = a.ReadAsync(into, cts.Token);
                Task cancel = Task.Run(cts.Cancel);
                await b.WriteAsync(one);
                sent++;
                try { read += await reading; }
                catch (OperationCanceledException) { }
                await cancel;
            }
        }
        await (onLoop ? loop.Run(Try) : Try()).WaitAsync(Long);
        b.Dispose();
        byte[] rest = new byte[1 << 16];
        for (int n; (n = await a.ReadAsync(rest)) > 0;) read += n;
        Assert.Equal((Rounds, sent), (sent, read));
        a.Dispose();
        Assert.Equal(0ul, loop.GetStats().IoInFlight);
    }

    [Fact]
    public async Task Two_loops_close_each_others_streams() {
        await using EventLoop one = EventLoop.Start(), two = EventLoop.Start();
        await using EvpollListener listener = two.Listen(Loopback);
        for (int round = 0; round < 1000; round++) {
            ValueTask<EvpollStream> accepting = listener.AcceptAsync();
            EvpollStream a = await one.ConnectAsync(listener.LocalEndPoint);
            EvpollStream b = await accepting;
            Task<int> readA = a.ReadAsync(new byte[1]).AsTask();
            Task<int> readB = b.ReadAsync(new byte[1]).AsTask();
            Task[] closes =
            [
                one.Run(() => b.DisposeAsync().AsTask()), two.Run(() => a.DisposeAsync().AsTask()),
            ];
            await Task.WhenAll(closes).WaitAsync(Deadline);
            foreach (Task<int> read in new[] { readA, readB }) {
                Exception? e = await Record.ExceptionAsync(() => read.WaitAsync(Deadline));
                // Closed by the one loop, or at the end since the other's end was closed first.
                Assert.True(e is null or ObjectDisposedException
                    or EvpollException { Status: Status.Reset }, e?.ToString());
            }
        }
    }

    /// <summary>Streams are closed in one thread while another uses them; the numbers come back at
    /// once as those of innocent connections, which must never notice.</summary>
    [Fact]
    public async Task Numbers_that_are_used_again_meet_no_call_of_their_former_owner() {
        await using var loop = EventLoop.Start();
        await using EvpollListener listener = loop.Listen(Loopback);
        using var file = new TemporaryFile(Content(4096));
        for (int round = 0; round < 2000; round++) {
            var (victim, peer) = await Pair();
            EvpollFile f = loop.OpenFile(file.Path);
            using var start = new Barrier(2);
            Task use = Task.Run(async () => {
                start.SignalAndWait();
                for (int i = 0; i < 3; i++) {
                    await Ignore(() => victim.WriteAsync(new byte[] { 66 }).AsTask());
                    await Ignore(() => { victim.NoDelay = true; return Task.CompletedTask; });
                    await Ignore(() => victim.ShutdownAsync().AsTask());
                    await Ignore(() => { _ = victim.LocalEndPoint; return Task.CompletedTask; });
                    await Ignore(() => f.GetLengthAsync().AsTask());
                    await Ignore(() => f.ReadAsync(new byte[10], 0).AsTask());
                    await Ignore(() => victim.SendFileAsync(f, 0, 10).AsTask());
                    await Ignore(() => victim.ReadAsync(new byte[1], TimeSpan.FromTicks(1)).AsTask());
                    victim.RetimeRead(TimeSpan.Zero);
                }
            });
            start.SignalAndWait();
            if (round % 2 == 0) victim.Dispose();
            else await loop.Run(() => victim.DisposeAsync().AsTask());
            f.Dispose();
            // The same numbers, most likely.
            var (innocent, other) = await Pair();
            await use.WaitAsync(Deadline);
            await other.WriteAsync(new byte[] { 7 });
            byte[] two = new byte[2];
            Assert.Equal((1, 7), (await innocent.ReadAsync(two), (int)two[0]));
            await innocent.WriteAsync(new byte[] { 8 });
            Assert.Equal((1, 8), (await other.ReadAsync(two), (int)two[0]));
            foreach (EvpollStream stream in new[] { peer, innocent, other }) stream.Dispose();
        }

        async Task<(EvpollStream, EvpollStream)> Pair() {
            ValueTask<EvpollStream> accepting = listener.AcceptAsync();
            EvpollStream a = await loop.ConnectAsync(listener.LocalEndPoint);
            return (a, await accepting);
        }
        static async Task Ignore(Func<Task> use) {
            try { await use(); }
            catch (Exception e) when (e is ObjectDisposedException or EvpollException
                or TimeoutException) { }
        }
    }

    [Fact]
    public async Task Everything_at_once_on_8000_connections() {
        const int Count = 4000; // pairs
        await using var loop = EventLoop.Start();
        await using EvpollListener listener = loop.Listen(Loopback);
        async Task Serve(EvpollStream s) {
            await using (s) await s.CopyToAsync(s);
        }
        Task serving = loop.Run(async () => {
            await foreach (EvpollStream s in listener.AcceptAllAsync()) _ = Serve(s);
        });
        var clients = new List<EvpollStream>();
        for (int i = 0; i < Count; i++)
            clients.Add(await loop.ConnectAsync(listener.LocalEndPoint));
        await Task.WhenAll(clients.Select((client, i) => Task.Run(async () => {
            byte[] sent = BitConverter.GetBytes(i), back = new byte[4];
            for (int round = 0; round < 3; round++) {
                await client.WriteAsync(sent);
                await client.ReadExactlyAsync(back);
                Assert.Equal(sent, back);
            }
            client.Dispose();
        }))).WaitAsync(Long);
        listener.Dispose();
        await serving.WaitAsync(Deadline);
    }

    [Fact]
    public async Task Loops_that_are_disposed_in_the_middle_of_work_end_every_task() {
        for (int round = 0; round < 100; round++) {
            var loop = EventLoop.Start();
            var (a, b) = await Connect(loop);
            EvpollListener listener = loop.Listen(Loopback);
            Task[] work = [.. Enumerable.Range(0, 4).Select(i => Task.Run(async () => {
                byte[] bytes = new byte[100];
                try {
                    for (; ; )
                        switch (i) {
                            case 0: await a.WriteAsync(bytes); break;
                            case 1: await b.ReadAsync(bytes); break;
                            case 2: await loop.DelayAsync(TimeSpan.FromTicks(1)); break;
                            case 3: await listener.AcceptAsync(); break;
                        }
                } catch (Exception e) when (e is EvpollException or ObjectDisposedException) { }
            }))];
            await Task.Yield();
            if (round % 2 == 0) loop.Dispose();
            else await loop.DisposeAsync();
            await Task.WhenAll(work).WaitAsync(Deadline);
            await loop.Core.Ended.WaitAsync(Deadline);
            a.Dispose();
            b.Dispose();
            listener.Dispose();
        }
        Until(() => Interop.PollerHandle.Closing == 0);
    }
}
