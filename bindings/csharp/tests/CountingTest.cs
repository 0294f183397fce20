// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>With a library that counts calls and withholds completions (native/counting.c), in a
/// run of their own, since a process has one library.</summary>
[Trait("Library", "counting")]
public sealed class CountingTest : IDisposable
{
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
    public void A_wait_is_one_call_whatever_it_brings(int n)
    {
        using var poller = new Poller();
        var events = new PollEvent[1024];
        for (int i = 0; i < n; i++) poller.Post((ulong)i, i);
        ulong before = Calls();
        int got = poller.Wait(events);
        Assert.Equal((n, 1ul), (got, Calls() - before));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(200)]
    public async Task Operations_that_begin_together_are_one_call_together_with_the_wait(int n)
    {
        using var file = new TemporaryFile(Content(n * 512));
        using var loop = EventLoop.Start();
        byte[] back = new byte[n * 512];
        ulong calls = await loop.Run(async () =>
        {
            using var f = loop.OpenFile(file.Path);
            await f.ReadAsync(back, 0); // the engine is there from now on
            Hold(1); // so that all of them come in one array of events
            var reads = new ValueTask<int>[n];
            ulong before = Calls();
            for (int i = 0; i < n; i++)
                reads[i] = f.ReadAsync(back.AsMemory(i * 512, 512), i * 512);
            await Task.Yield();
            ulong submitted = Calls();
            Assert.InRange(submitted - before, 0ul, 1ul); // none, or that turn's
            Hold(0);
            for (int i = 0; i < n; i++) Assert.Equal(512, await reads[i]);
            return Calls() - before;
        }).WaitAsync(Deadline);
        Assert.InRange(calls, 1ul, 3ul);
        Assert.Equal(Content(n * 512), back);
    }

    [Fact]
    public async Task Blocks_are_one_submission_and_one_take()
    {
        using var file = new TemporaryFile(Content(1000 * 512));
        using var loop = EventLoop.Start();
        await loop.Run(async () =>
        {
            using var f = loop.OpenFile(file.Path);
            using IoBuffer buffer = loop.Rent(1000 * 512);
            var results = new IoResult[1000];
            await f.ReadBlocksAsync(buffer, 512, 0, results);
            ulong before = Calls();
            Assert.Equal(1000, await f.ReadBlocksAsync(buffer, 512, 0, results));
            // The list, the turn that waits, perhaps one more, and the results.
            Assert.InRange(Calls() - before, 3ul, 4ul);
        }).WaitAsync(Deadline);
    }

    [Fact]
    public async Task A_buffer_that_is_disposed_or_dropped_stays_until_the_kernel_lets_go()
    {
        using var file = new TemporaryFile(Content(100));
        using var loop = EventLoop.Start();
        IoBuffer buffer = loop.Rent(100);
        using var cts = new CancellationTokenSource();
        using var f = loop.OpenFile(file.Path);
        Hold(1);
        Task<int> read = f.ReadAsync(buffer, 0, cts.Token).AsTask();
        WeakReference dropped = Drop();
        Until(() => loop.GetStats().IoCompleted == 2); // withheld now
        buffer.Dispose();
        cts.Cancel();
        f.Dispose();
        await loop.Run(() => Task.CompletedTask).WaitAsync(Deadline); // the cancel was seen
        CollectAll();
        Assert.False(read.IsCompleted);
        Assert.Equal(1, buffer.Pins);
        Assert.True(dropped.IsAlive);
        Hold(0);
        loop.Post(() => { });
        Assert.Equal(100, await read.WaitAsync(Deadline));
        Assert.Equal(0, buffer.Pins);
        Until(() => !dropped.IsAlive);

        [System.Runtime.CompilerServices.MethodImpl(
            System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        WeakReference Drop()
        {
            var b = new IoBuffer(100);
            f.ReadAsync(b, 0).AsTask();
            return new(b);
        }
    }

    [Fact]
    public async Task A_shutdown_that_runs_out_of_time_names_the_operations_left()
    {
        using var file = new TemporaryFile(Content(100));
        var loop = EventLoop.Start(new() { DisposeTimeout = TimeSpan.Zero });
        using var f = loop.OpenFile(file.Path);
        Hold(1);
        Task<int> read = f.ReadAsync(new byte[64], 7).AsTask();
        var e = await Assert.ThrowsAsync<TimeoutException>(() =>
            loop.ShutdownAsync(TimeSpan.FromMilliseconds(1)));
        Assert.Contains($"Read of 64 bytes at 7 of '{file.Path}'", e.Message);
        loop.Dispose(); // does not wait
        Assert.False(read.IsCompleted);
        Hold(0);
        loop.Core.Poller.Wake();
        Assert.Equal(64, await read.WaitAsync(Deadline)); // completes all the same
        await loop.Core.Ended.WaitAsync(Deadline);
    }

    [Fact]
    public void A_dropped_poller_that_the_kernel_holds_is_closed_later_and_stalls_no_finalizer()
    {
        Hold(1);
        var other = new List<WeakReference>();
        Drop();
        // The finalizer's thread goes on: what is dropped afterwards is finalized.
        Until(() => Interop.Reaper.Left == 1);
        for (int i = 0; i < 10; i++) other.Add(DropObject());
        Until(() => Finalized.Count >= 10);
        Assert.Equal(1, Interop.Reaper.Left);
        Hold(0);
        Until(() => Interop.Reaper.Left == 0);

        [System.Runtime.CompilerServices.MethodImpl(
            System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static void Drop() => new Poller().Wake();

        [System.Runtime.CompilerServices.MethodImpl(
            System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static WeakReference DropObject() => new(new Finalized());
    }

    sealed class Finalized
    {
        public static int Count;
        ~Finalized() => Interlocked.Increment(ref Count);
    }

    [Fact]
    public async Task A_loop_dropped_with_an_operation_in_flight_ends_when_that_does()
    {
        using var file = new TemporaryFile(Content(100));
        Hold(1);
        (LoopCore core, WeakReference buffer) = Drop();
        Until(() => core.Poller.GetStats().IoCompleted == 1);
        CollectAll();
        Assert.True(buffer.IsAlive); // the loop's thread holds it
        Assert.False(core.Over);
        Hold(0);
        core.Poller.Wake();
        Until(() => core.Ended.IsCompleted);
        await core.Ended;

        [System.Runtime.CompilerServices.MethodImpl(
            System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        (LoopCore, WeakReference) Drop()
        {
            EventLoop loop = EventLoop.Start();
            var b = new IoBuffer(100);
            loop.OpenFile(file.Path).ReadAsync(b, 0).AsTask();
            return (loop.Core, new(b));
        }
    }
}
