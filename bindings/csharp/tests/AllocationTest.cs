// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>In the steady state nothing is allocated. A first round makes what is kept.</summary>
public class AllocationTest {
    const int Rounds = 1000;

    static long Allocated(Action round) {
        for (int i = 0; i < Rounds; i++) round();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Rounds; i++) round();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(1024)]
    public void A_raw_wait_allocates_nothing(int n) {
        using var poller = new Poller();
        var events = new PollEvent[1024];
        Assert.Equal(0, Allocated(() => {
            for (int i = 0; i < n; i++) poller.Post((ulong)i, i);
            if (poller.Wait(events) != n) throw new InvalidOperationException();
        }));
    }

    [Fact]
    public void Raw_changes_turns_and_submissions_allocate_nothing() {
        using var poller = new Poller();
        using var file = new TemporaryFile(Content(4096));
        Memory<byte> buffer = IoMemory.Allocate(4096);
        long handle = RawFile.Open(file.Path, FileFlags.Read);
        poller.Add(handle, 1, PollEvents.None, PollMode.Operations);
        (long a, long b) = RawSocket.Pair();
        var events = new PollEvent[8];
        PollChange[] changes =
            [new() { Handle = a, Token = 1, Action = ChangeAction.Add, Interest = Writable }];
        var requests = new IoRequest[1];
        byte[] one = new byte[1];
        Assert.Equal(0, Allocated(() => {
            requests[0] = new() { Handle = handle, Buffer = IoMemory.Address(buffer),
                Length = 4096, Code = IoCode.Read };
            int n = poller.Turn(changes, requests, events);
            while (poller.GetStats().IoInFlight > 0) poller.Wait(events, 0);
            poller.Update(changes);
            RawSocket.Send(a, one);
            RawSocket.Receive(b, one);
            RawSocket.Receive(b, one); // would block, which is no exception
        }));
        RawFile.Close(handle);
        RawSocket.Close(a);
        RawSocket.Close(b);
    }

    [Fact]
    public Task On_the_loop_reads_writes_files_waits_and_timers_allocate_nothing() =>
        OnLoop(async loop => {
            var (a, b) = await Connect(loop);
            using var file = new TemporaryFile(Content(4096));
            await using EvpollFile f = loop.OpenFile(file.Path, FileFlags.Read | FileFlags.Write);
            byte[] there = new byte[100], back = new byte[100], block = new byte[4096];
            using var cts = new CancellationTokenSource();
            Task echo = Echo();
            long before = 0;
            for (int i = 0; i < 2 * Rounds; i++) {
                if (i == Rounds) before = GC.GetAllocatedBytesForCurrentThread();
                await a.WriteAsync(there, cts.Token);
                await a.ReadAsync(Memory<byte>.Empty);
                for (int n = 0; n < 100;) n += await a.ReadAsync(back.AsMemory(n), cts.Token);
                ValueTask<int> first = f.ReadAsync(block, 0, cts.Token);
                ValueTask<int> second = f.ReadAsync(block, 0, default, Deadline);
                if (await first + await second != 8192) throw new InvalidOperationException();
                await f.WriteAsync(block, 0);
                await loop.DelayAsync(TimeSpan.Zero, cts.Token);
            }
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
            a.Dispose();
            await echo;
            b.Dispose();

            async Task Echo() {
                byte[] buffer = new byte[100];
                for (int n; (n = await b.ReadAsync(buffer)) > 0;)
                    await b.WriteAsync(buffer.AsMemory(0, n));
            }
        });

    /// <summary>Of all threads: the loop's, the one that starts, and the pool's, which goes on.
    /// </summary>
    [Fact]
    public async Task Off_the_loop_they_allocate_nothing_either() {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        byte[] there = new byte[100], back = new byte[100];
        using var started = new SemaphoreSlim(0);
        Task echo = Echo();
        long allocated = long.MaxValue;
        // What the runtime allocates for itself meanwhile (tiering, the pool's threads) is not ours:
        // one quiet pass of several will do.
        for (int pass = 0; pass < 20 && allocated > 0; pass++) {
            long before = 0;
            for (int i = 0; i < 2 * Rounds; i++) {
                if (i == Rounds) before = GC.GetTotalAllocatedBytes(precise: true);
                await a.WriteAsync(there).ConfigureAwait(false);
                for (int n = 0; n < 100;)
                    n += await a.ReadAsync(back.AsMemory(n)).ConfigureAwait(false);
                await loop.DelayAsync(TimeSpan.Zero).ConfigureAwait(false);
            }
            allocated = Math.Min(allocated, GC.GetTotalAllocatedBytes(precise: true) - before);
        }
        Assert.InRange(allocated, 0, Rounds); // less than a byte for each
        a.Dispose();
        await echo;
        b.Dispose();

        async Task Echo() {
            byte[] buffer = new byte[100];
            for (int n; (n = await b.ReadAsync(buffer).ConfigureAwait(false)) > 0;)
                await b.WriteAsync(buffer.AsMemory(0, n)).ConfigureAwait(false);
        }
    }

    /// <summary>A connection is the stream, the handle, and nothing else.</summary>
    [Fact]
    public Task An_accept_allocates_the_stream_alone() => OnLoop(async loop => {
        await using EvpollListener listener = loop.Listen(Loopback);
        const int Each = 64;
        long allocated = 0;
        for (int pass = 0; pass < 3; pass++) {
            var clients = new Socket[Each];
            for (int i = 0; i < Each; i++) {
                clients[i] = new(SocketType.Stream, ProtocolType.Tcp);
                clients[i].Connect(listener.LocalEndPoint);
            }
            var streams = new EvpollStream[Each];
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < Each; i++) streams[i] = await listener.AcceptAsync();
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            foreach (EvpollStream stream in streams) stream.Dispose();
            foreach (Socket client in clients) client.Dispose();
        }
        long start = GC.GetAllocatedBytesForCurrentThread();
        (long first, long second) = RawSocket.Pair();
        start = GC.GetAllocatedBytesForCurrentThread();
        EvpollStream adopted = loop.Adopt((nint)first);
        long one = GC.GetAllocatedBytesForCurrentThread() - start;
        adopted.Dispose();
        RawSocket.Close(second);
        Assert.Equal(Each * one, allocated);
    });
}
