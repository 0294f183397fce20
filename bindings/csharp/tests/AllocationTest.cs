// SPDX-License-Identifier: MIT
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>In the steady state nothing is allocated. A first round makes what is kept.</summary>
public class AllocationTest
{
    const int Rounds = 1000;

    static long Allocated(Action round)
    {
        for (int i = 0; i < Rounds; i++) round();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Rounds; i++) round();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(1024)]
    public void A_raw_wait_allocates_nothing(int n)
    {
        using var poller = new Poller();
        var events = new PollEvent[1024];
        Assert.Equal(0, Allocated(() =>
        {
            for (int i = 0; i < n; i++) poller.Post((ulong)i, i);
            if (poller.Wait(events) != n) throw new InvalidOperationException();
        }));
    }

    [Fact]
    public void Raw_changes_turns_and_submissions_allocate_nothing()
    {
        using var poller = new Poller();
        using var file = new TemporaryFile(Content(4096));
        using var buffer = new IoBuffer(4096);
        long handle = RawFile.Open(file.Path, FileFlags.Read);
        (long a, long b) = RawSocket.Pair();
        var events = new PollEvent[8];
        PollChange[] changes =
            [new() { Handle = a, Token = 1, Action = ChangeAction.Add, Interest = Writable }];
        var requests = new IoRequest[1];
        byte[] one = new byte[1];
        Assert.Equal(0, Allocated(() =>
        {
            requests[0] = new() { Handle = handle, Buffer = buffer.Address, Length = 4096,
                Code = IoCode.Read };
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
    public Task Awaited_reads_and_writes_of_sockets_allocate_nothing() => OnLoop(async loop =>
    {
        var (a, b) = await Connect(loop);
        byte[] there = new byte[100], back = new byte[100];
        using var cts = new CancellationTokenSource();
        Task echo = Echo();
        long before = 0;
        for (int i = 0; i < 2 * Rounds; i++)
        {
            if (i == Rounds) before = GC.GetAllocatedBytesForCurrentThread();
            await a.WriteAllAsync(there, cts.Token);
            for (int n = 0; n < 100;) n += await a.ReadAsync(back.AsMemory(n), cts.Token);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        a.Dispose();
        await echo;

        async Task Echo()
        {
            using TcpStream stream = b;
            byte[] buffer = new byte[100];
            for (int n; (n = await stream.ReadAsync(buffer)) > 0;)
                await stream.WriteAllAsync(buffer.AsMemory(0, n));
        }
    });

    [Fact]
    public Task Awaited_file_operations_and_waits_allocate_nothing() => OnLoop(async loop =>
    {
        using var file = new TemporaryFile(Content(4096));
        using var f = loop.OpenFile(file.Path, FileFlags.Read | FileFlags.Write);
        using IoBuffer buffer = loop.Rent(4096);
        byte[] array = new byte[4096];
        using var cts = new CancellationTokenSource();
        (long a, long b) = RawSocket.Pair();
        using Watcher watcher = loop.Watch((nint)a);
        long before = 0;
        for (int i = 0; i < 2 * Rounds; i++)
        {
            if (i == Rounds) before = GC.GetAllocatedBytesForCurrentThread();
            ValueTask<int> first = f.ReadAsync(buffer, 0, cts.Token);
            ValueTask<int> second = f.ReadAsync(array, 0);
            if (await first + await second != 8192) throw new InvalidOperationException();
            await f.WriteAsync(array, 0);
            await watcher.WaitWritableAsync(cts.Token);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        RawSocket.Close(b);
        watcher.Dispose();
        RawSocket.Close(a);
    });
}
