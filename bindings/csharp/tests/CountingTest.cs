// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Evpoll.Interop;
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>With a library that counts calls and withholds completions (native/counting.c), in a
/// run of their own, since a process has one library.</summary>
[Trait("Library", "counting")]
public sealed class CountingTest : IDisposable {
    delegate ulong CallsFunction();
    delegate void HoldFunction(int on);
    static readonly nint Handle = NativeLibrary.Load(Library.Path);
    static readonly CallsFunction Calls = Marshal.GetDelegateForFunctionPointer<CallsFunction>(
        NativeLibrary.GetExport(Handle, "counting_calls"));
    static readonly HoldFunction Hold = Marshal.GetDelegateForFunctionPointer<HoldFunction>(
        NativeLibrary.GetExport(Handle, "counting_hold"));

    public void Dispose() => Hold(0);

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(1024)]
    public void A_wait_is_one_call_whatever_it_brings(int n) {
        using var poller = new Poller();
        var events = new PollEvent[1024];
        for (int i = 0; i < n; i++) poller.Post((ulong)i, i);
        ulong before = Calls();
        int got = poller.Wait(events);
        Assert.Equal((n, 1ul), (got, Calls() - before));
    }

    /// <summary>Echo over 100 connections in lockstep: each turn of the loop is one native call, so
    /// that a round costs a handful of calls, and not 400.</summary>
    [Fact]
    public Task A_turn_of_100_connections_is_one_call() => OnLoop(async loop => {
        const int Connections = 100, Rounds = 50;
        var ends = new List<(EvpollStream A, EvpollStream B)>();
        for (int i = 0; i < Connections; i++) ends.Add(await Connect(loop));
        byte[] bytes = new byte[Connections];
        var reads = new ValueTask<int>[Connections];
        var writes = new ValueTask[Connections];
        for (int round = 0; round < Rounds; round++) {
            // All of these are started between two turns...
            ulong before = Calls(), turns = loop.GetStats().Waits; // one call itself
            for (int i = 0; i < Connections; i++)
                writes[i] = ends[i].A.WriteAsync(bytes.AsMemory(i, 1));
            Assert.Equal(before + 1, Calls()); // ... and none has been a call of its own
            for (int i = 0; i < Connections; i++) await writes[i];
            for (int i = 0; i < Connections; i++)
                reads[i] = ends[i].B.ReadAsync(bytes.AsMemory(i, 1));
            for (int i = 0; i < Connections; i++) Assert.Equal(1, await reads[i]);
            ulong calls = Calls() - before;
            turns = loop.GetStats().Waits - turns;
            Assert.Equal(turns + 1, calls);
            Assert.InRange(turns, 2ul, 6ul);
        }
        foreach (var (a, b) in ends) {
            a.Dispose();
            b.Dispose();
        }
    });

    [Fact]
    public async Task More_than_128_are_submitted_before_the_turn_and_so_is_what_is_flushed() {
        await using var loop = EventLoop.Start();
        using var file = new TemporaryFile(Content(512));
        await loop.Run(async () => {
            await using EvpollFile f = loop.OpenFile(file.Path);
            var reads = new ValueTask<int>[300];
            ulong before = Calls();
            for (int i = 0; i < 300; i++) reads[i] = f.ReadAsync(new byte[512], 0);
            Assert.Equal(2ul, Calls() - before); // 256 of them
            loop.Flush();
            loop.Flush();
            Assert.Equal(3ul, Calls() - before);
            foreach (ValueTask<int> read in reads) Assert.Equal(512, await read);
        }).WaitAsync(Deadline);
    }

    [Fact]
    public async Task Elsewhere_an_operation_is_one_call_and_no_turn_of_the_loop() {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        byte[] one = new byte[1];
        Until(() => loop.GetStats() is { IoInFlight: 0 }); // the loop sleeps, or is about to
        ulong turns = loop.GetStats().Waits, before = Calls();
        for (int i = 0; i < 100; i++) {
            ValueTask write = a.WriteAsync(one);
            Assert.True(write.IsCompletedSuccessfully);
            await write;
            ValueTask<int> read = b.ReadAsync(one);
            if (!read.IsCompleted) UntilPending(loop, 0);
            Assert.Equal(1, await read);
        }
        Assert.InRange(Calls() - before, 200ul, 240ul); // perhaps a turn that began before
        Assert.InRange(loop.GetStats().Waits - turns, 0ul, 20ul);
        a.Dispose();
        b.Dispose();
    }

    [Fact]
    public async Task Pieces_are_sent_by_one_call() {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        byte[] bytes = Content(1000);
        ulong before = Calls();
        ValueTask<long> sending = a.SendAsync(Pieces(bytes, 100));
        ulong calls = Calls() - before;
        Assert.Equal((1000L, true), (await sending, calls is 1 or 2)); // perhaps a turn of the loop
        Assert.Equal(1000, await b.ReadAtLeastAsync(new byte[1000], 1000));
        a.Dispose();
        b.Dispose();
    }

    [Fact]
    public async Task Memory_that_is_dropped_stays_until_the_kernel_lets_go() {
        using var file = new TemporaryFile(Content(100));
        await using var loop = EventLoop.Start(new() { Engine = PollerFlags.NoUring });
        using var cts = new CancellationTokenSource();
        EvpollFile f = loop.OpenFile(file.Path, FileFlags.Read | FileFlags.Write);
        Hold(1);
        (Task write, WeakReference dropped) = Start();
        Until(() => loop.GetStats().IoCompleted == 1); // withheld now
        cts.Cancel();
        f.Dispose();
        CollectAll();
        Assert.False(write.IsCompleted);
        Assert.True(dropped.IsAlive);
        Hold(0);
        loop.Post(() => { });
        await write.WaitAsync(Deadline);
        Until(() => !dropped.IsAlive);

        [MethodImpl(MethodImplOptions.NoInlining)]
        (Task, WeakReference) Start() {
            byte[] bytes = new byte[100];
            return (f.WriteAsync(bytes, 0, cts.Token).AsTask(), new(bytes));
        }
    }

    [Fact]
    public async Task A_shutdown_that_runs_out_of_time_names_the_operations_left() {
        using var file = new TemporaryFile(Content(100));
        var loop = EventLoop.Start(new() { DisposeTimeout = TimeSpan.Zero });
        EvpollFile f = loop.OpenFile(file.Path, FileFlags.Read | FileFlags.Write);
        Hold(1);
        Task write = f.WriteAsync(new byte[64], 7).AsTask();
        var e = await Assert.ThrowsAsync<TimeoutException>(() =>
            loop.ShutdownAsync(TimeSpan.FromMilliseconds(1)));
        Assert.EndsWith("left: 1 write", e.Message);
        loop.Dispose(); // does not wait
        Assert.False(write.IsCompleted);
        Hold(0);
        loop.Core.Wake();
        await loop.Core.Ended.WaitAsync(Deadline);
        await Task.WhenAny(write).WaitAsync(Deadline); // ends all the same
        f.Dispose();
    }

    [Fact]
    public void A_dropped_poller_that_the_kernel_holds_is_closed_later_and_stalls_no_finalizer() {
        Hold(1);
        Drop();
        // The finalizer's thread goes on: what is dropped afterwards is finalized.
        Until(() => PollerHandle.Closing == 1);
        for (int i = 0; i < 10; i++) DropObject();
        Until(() => Finalized.Count >= 10);
        Hold(0);
        Until(() => PollerHandle.Closing == 0);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Drop() => new Poller().Wake();

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void DropObject() => _ = new Finalized();
    }

    sealed class Finalized {
        public static int Count;
        ~Finalized() => Interlocked.Increment(ref Count);
    }
}
