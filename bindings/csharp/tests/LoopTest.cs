// SPDX-License-Identifier: MIT
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>The loop's thread, its context, its timers and its end.</summary>
public class LoopTest {
    [Fact]
    public async Task Awaits_resume_on_the_loops_thread() {
        await using var loop = EventLoop.Start();
        Assert.False(loop.IsCurrent);
        int value = await loop.Run(async () => {
            Assert.True(loop.IsCurrent);
            await Task.Yield();
            Assert.True(loop.IsCurrent);
            await Task.Run(() => Assert.False(loop.IsCurrent));
            Assert.True(loop.IsCurrent);
            Assert.Same(loop.Context, SynchronizationContext.Current);
            return 42;
        }).WaitAsync(Deadline);
        Assert.Equal(42, value);
    }

    [Fact]
    public async Task What_was_started_elsewhere_goes_on_elsewhere() {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        await using (a)
        await using (b) {
            Task<bool> read = Elsewhere();
            UntilPending(loop, 1);
            await b.WriteAsync(new byte[1]);
            Assert.False(await read.WaitAsync(Deadline));
            // Also one that began on the loop, if another thread awaits it.
            ValueTask<int> begun = default;
            await loop.Run(() => {
                begun = a.ReadAsync(new byte[1]);
                return Task.CompletedTask;
            });
            Task<bool> awaited = Await(begun);
            await b.WriteAsync(new byte[1]);
            Assert.False(await awaited.WaitAsync(Deadline));

            async Task<bool> Elsewhere() {
                await a.ReadAsync(new byte[1]).ConfigureAwait(false);
                return loop.IsCurrent;
            }
            async Task<bool> Await(ValueTask<int> read) {
                await read.ConfigureAwait(false);
                return loop.IsCurrent;
            }
        }
    }

    [Fact]
    public async Task A_foreign_context_gets_its_continuations() {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        var context = new Recording();
        SynchronizationContext? before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(context);
        Task<SynchronizationContext?> read = Read();
        SynchronizationContext.SetSynchronizationContext(before);
        await b.WriteAsync(new byte[1]).ConfigureAwait(false);
        Assert.Same(context, await read.WaitAsync(Deadline).ConfigureAwait(false));
        a.Dispose();
        b.Dispose();

        async Task<SynchronizationContext?> Read() {
            await a.ReadAsync(new byte[1]);
            return SynchronizationContext.Current;
        }
    }

    sealed class Recording : SynchronizationContext {
        public override void Post(SendOrPostCallback d, object? state) => Task.Run(() => {
            SetSynchronizationContext(this);
            d(state);
        });
    }

    [Fact]
    public async Task Send_runs_on_the_loop_and_waits() {
        using var loop = EventLoop.Start();
        bool there = false;
        loop.Context.Send(_ => there = loop.IsCurrent, null);
        Assert.True(there);
        await loop.Run(() => {
            loop.Context.Send(_ => there = false, null);
            return Task.CompletedTask;
        });
        Assert.False(there);
        Assert.Throws<FormatException>(() =>
            loop.Context.Send(_ => throw new FormatException(), null));
    }

    [Fact]
    public async Task Posts_flow_what_is_local_and_leave_nothing_behind() {
        await using var loop = EventLoop.Start();
        var local = new AsyncLocal<string?>();
        var seen = new List<string?>();
        local.Value = "mine";
        loop.Post(() => {
            seen.Add(local.Value);
            local.Value = "leaked";
            SynchronizationContext.SetSynchronizationContext(null);
        });
        local.Value = null;
        loop.Post(() => {
            seen.Add(local.Value);
            Assert.Same(loop.Context, SynchronizationContext.Current);
        });
        var timed = new TaskCompletionSource(
            TaskCreationOptions.RunContinuationsAsynchronously);
        local.Value = "timer";
        loop.StartTimer(TimeSpan.FromMilliseconds(1), () => {
            seen.Add(local.Value);
            timed.SetResult();
        });
        local.Value = null;
        await timed.Task.WaitAsync(Deadline);
        await loop.Run(() => Task.CompletedTask);
        Assert.Equal([null, "mine", "timer"], seen.Order());
        // And awaits of operations keep their own, as awaits do.
        var (a, b) = await Connect(loop);
        await loop.Run(async () => {
            local.Value = "kept";
            ValueTask<int> read = a.ReadAsync(new byte[1]);
            _ = b.WriteAsync(new byte[1]).AsTask();
            await read;
            Assert.Equal("kept", local.Value);
            await Task.Yield();
            Assert.Equal("kept", local.Value);
        }).WaitAsync(Deadline);
        Assert.Null(local.Value);
        a.Dispose();
        b.Dispose();
    }

    [Fact]
    public async Task Waiting_for_a_task_on_the_loops_thread_is_refused_with_a_sentence() {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        await loop.Run(() => {
            Task<int> read = a.ReadAsync(new byte[1]).AsTask();
            ValueTask<int> other = a.ReadAsync(new byte[1]);
            foreach (Action block in new Action[] {
                () => _ = read.Result, read.Wait, () => Task.WaitAll(read),
                () => other.GetAwaiter().GetResult(), () => a.Read(new byte[1], 0, 1),
                () => a.Write(new byte[1], 0, 1), () => loop.Run(() => Task.CompletedTask).Wait(),
            })
                Assert.Contains("await it instead",
                    Assert.ThrowsAny<InvalidOperationException>(block).Message);
            return Task.CompletedTask;
        }).WaitAsync(Deadline);
        // Locks of others, and waits with an end, are nobody's business.
        var gate = new object();
        using var held = new ManualResetEventSlim();
        using var wanted = new ManualResetEventSlim();
        Task holder = Task.Run(() => {
            lock (gate) {
                held.Set();
                wanted.Wait();
                Thread.Sleep(50); // it is being waited for, not given time
            }
        });
        held.Wait();
        await loop.Run(() => {
            wanted.Set();
            lock (gate) { }
            Assert.False(new TaskCompletionSource().Task.Wait(20));
            return Task.CompletedTask;
        }).WaitAsync(Deadline);
        await holder;
        a.Dispose();
        b.Dispose();
    }

    // ---- timers

    [Fact]
    public async Task A_delay_is_never_too_short_and_can_be_cancelled() {
        await using var loop = EventLoop.Start();
        long began = Library.Now;
        await loop.DelayAsync(TimeSpan.FromMilliseconds(20));
        Assert.InRange(Library.Now - began, 20_000_000, long.MaxValue);
        await loop.DelayAsync(TimeSpan.Zero);
        await loop.DelayAsync(TimeSpan.FromTicks(-5));
        using var cts = new CancellationTokenSource();
        Task never = loop.DelayAsync(Timeout.InfiniteTimeSpan, cts.Token).AsTask();
        Task late = loop.DelayAsync(TimeSpan.MaxValue, cts.Token).AsTask();
        UntilPending(loop, 2);
        cts.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => never.WaitAsync(Deadline));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => late.WaitAsync(Deadline));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_timer_can_be_changed_and_disposed(bool onLoop) {
        await using var loop = EventLoop.Start();
        var fired = new TaskCompletionSource<bool>();
        int wrong = 0;
        LoopTimer? timer = null;
        void Use() {
            timer = loop.StartTimer(TimeSpan.FromHours(1), () => fired.SetResult(loop.IsCurrent));
            LoopTimer other = loop.StartTimer(TimeSpan.FromHours(1), () => wrong++);
            Assert.True(other.Change(TimeSpan.FromHours(2)));
            other.Dispose();
            other.Dispose();
            Assert.True(timer.Change(TimeSpan.FromMilliseconds(1)));
        }
        if (onLoop)
            await loop.Run(() => {
                Use();
                return Task.CompletedTask;
            });
        else Use();
        Assert.True(await fired.Task.WaitAsync(Deadline));
        Until(() => !timer!.Change(TimeSpan.FromHours(1))); // it is over
        timer!.Dispose();
        Assert.Equal(0, wrong);
    }

    // ---- what throws

    [Fact]
    public async Task What_a_callback_throws_reaches_the_handler_and_the_loop_goes_on() {
        await using var loop = EventLoop.Start();
        var seen = new List<Exception>();
        loop.UnhandledException += seen.Add;
        loop.UnhandledException += _ => throw new FormatException("the handler itself");
        loop.Post(() => throw new InvalidCastException());
        loop.StartTimer(TimeSpan.Zero, () => throw new InvalidTimeZoneException());
        await loop.Run(() => {
            Void();
            return Task.CompletedTask;
        });
        async void Void() {
            await Task.Yield();
            throw new NotImplementedException();
        }
        Until(() => seen.Count == 3);
        Assert.Equal([typeof(InvalidCastException), typeof(InvalidTimeZoneException),
            typeof(NotImplementedException)],
            seen.Select(e => e.GetType()).OrderBy(t => t.Name));
        Assert.Equal(1, await loop.Run(() => Task.FromResult(1)).WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_context_or_memory_that_throws_loses_nothing_and_ends_nothing() {
        await using var loop = EventLoop.Start();
        var seen = new List<string>();
        loop.UnhandledException += e => seen.Add(e.Message);
        var (a, b) = await Connect(loop);
        SynchronizationContext? before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(new Throwing());
        Task read = Read();
        SynchronizationContext.SetSynchronizationContext(before);
        await b.WriteAsync(new byte[1]).ConfigureAwait(false);
        await read.WaitAsync(Deadline).ConfigureAwait(false); // goes on, on the pool
        Until(() => seen.Count == 1);
        Assert.Equal("the context", seen[0]);

        var memory = new ThrowingMemory { ThrowsAtPin = true };
        await Assert.ThrowsAsync<InvalidTimeZoneException>(async () =>
            await a.ReadAsync(memory.Memory));
        memory.ThrowsAtPin = false;
        ValueTask<int> last = a.ReadAsync(memory.Memory);
        await b.WriteAsync(new byte[1]);
        Assert.Equal(1, await last.AsTask().WaitAsync(Deadline));
        Until(() => seen.Count == 2);
        Assert.Equal("unpin", seen[1]);
        await b.WriteAsync(new byte[1]);
        Assert.Equal(1, await a.ReadAsync(new byte[9]).AsTask().WaitAsync(Deadline));
        a.Dispose();
        b.Dispose();

        async Task Read() => await a.ReadAsync(new byte[1]);
    }

    sealed class Throwing : SynchronizationContext {
        public override void Post(SendOrPostCallback d, object? state) =>
            throw new InvalidTimeZoneException("the context");
    }

    sealed unsafe class ThrowingMemory : System.Buffers.MemoryManager<byte> {
        readonly Memory<byte> pinned = IoMemory.Allocate(64, 8);
        public bool ThrowsAtPin;
        public override Span<byte> GetSpan() => pinned.Span;
        public override System.Buffers.MemoryHandle Pin(int index = 0) => ThrowsAtPin
            ? throw new InvalidTimeZoneException("pin")
            : new((byte*)IoMemory.Address(pinned) + index, default, this);
        public override void Unpin() => throw new InvalidTimeZoneException("unpin");
        protected override void Dispose(bool disposing) { }
    }

    // ---- the end

    [Fact]
    public async Task After_the_end_everything_is_refused_and_what_was_awaited_goes_on() {
        var loop = EventLoop.Start();
        using var file = new TemporaryFile(Content(10));
        EvpollFile f = loop.OpenFile(file.Path);
        var (a, b) = await Connect(loop);
        EvpollListener listener = loop.Listen(Loopback);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        bool elsewhere = false;
        Task later = loop.Run(async () => {
            await gate.Task;
            elsewhere = !loop.IsCurrent;
        });
        await loop.ShutdownAsync(Deadline);
        gate.SetResult();
        await later.WaitAsync(Deadline);
        Assert.True(elsewhere);
        foreach (Action use in new Action[] {
            () => loop.OpenFile(file.Path), () => loop.Listen(Loopback), () => loop.GetStats(),
            () => loop.Run(() => Task.CompletedTask), () => loop.Post(() => { }),
            () => loop.StartTimer(default, () => { }), () => loop.Watch(0), () => a.NoDelay = true,
        }) Assert.ThrowsAny<ObjectDisposedException>(use);
        foreach (Func<Task> use in new Func<Task>[] {
            () => f.ReadAsync(new byte[1], 0).AsTask(), () => a.ReadAsync(new byte[1]).AsTask(),
            () => a.WriteAsync(new byte[1]).AsTask(), () => loop.DelayAsync(default).AsTask(),
            () => listener.AcceptAsync().AsTask(),
        }) await Assert.ThrowsAsync<ObjectDisposedException>(use);
        Assert.Equal(0, OpenFiles(file.Path)); // all of it was closed with the loop
        loop.Context.Post(_ => gate = null!, null); // runs elsewhere
        Until(() => gate == null);
        f.Dispose();
        a.Dispose();
        await b.DisposeAsync();
        listener.Dispose();
        loop.Dispose();
        await loop.DisposeAsync();
        await loop.ShutdownAsync(Deadline);
    }

    [Fact]
    public async Task Shutdown_tells_who_waits_and_lets_files_finish() {
        await using var loop = EventLoop.Start();
        var (a, b) = await Connect(loop);
        using EvpollListener listener = loop.Listen(Loopback);
        using var file = new TemporaryFile(Content(1 << 20));
        using EvpollFile f = loop.OpenFile(file.Path);
        Task<int> read = a.ReadAsync(new byte[1]).AsTask();
        Task<EvpollStream> accept = listener.AcceptAsync().AsTask();
        Task delay = loop.DelayAsync(TimeSpan.FromHours(1)).AsTask();
        Task<int> io = f.ReadAsync(new byte[1 << 20], 0).AsTask();
        Task ended = loop.ShutdownAsync(Deadline);
        foreach (Task task in new[] { read, delay, accept })
            Assert.Equal(nameof(EventLoop),
                (await Assert.ThrowsAsync<ObjectDisposedException>(() => task)).ObjectName);
        Assert.InRange(await io, 1, 1 << 20);
        await ended.WaitAsync(Deadline);
        a.Dispose();
        b.Dispose();
    }

    [Fact]
    public async Task A_blocked_loop_does_not_hold_up_who_shuts_it_down() {
        var loop = EventLoop.Start(new() { DisposeTimeout = TimeSpan.Zero });
        var (a, b) = await Connect(loop);
        using var entered = new ManualResetEventSlim();
        using var gate = new ManualResetEventSlim();
        loop.Post(() => {
            entered.Set();
            gate.Wait(Deadline);
        });
        entered.Wait();
        Task<int> read = a.ReadAsync(new byte[1]).AsTask();
        var e = await Assert.ThrowsAsync<TimeoutException>(() =>
            loop.ShutdownAsync(TimeSpan.FromMilliseconds(1)));
        Assert.Contains("1 read", e.Message);
        loop.Dispose();
        Assert.False(loop.Core.Ended.IsCompleted);
        gate.Set();
        await loop.Core.Ended.WaitAsync(Deadline);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => read);
        a.Dispose();
        b.Dispose();
    }

    [Fact]
    public async Task Disposing_on_the_loops_own_thread_does_not_wait() {
        var loop = EventLoop.Start();
        await loop.Run(() => {
            loop.Dispose();
            return Task.CompletedTask;
        }).WaitAsync(Deadline);
        await loop.Core.Ended.WaitAsync(Deadline);
        await loop.DisposeAsync();
    }

    [Fact]
    public void A_dropped_loop_ends_its_thread() {
        LoopCore core = Drop();
        Until(() => core.Ended.IsCompleted);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static LoopCore Drop() {
            EventLoop loop = EventLoop.Start();
            loop.Run(() => Task.CompletedTask).Wait(Deadline);
            return loop.Core;
        }
    }

    [Fact]
    public async Task A_running_function_keeps_its_loop() {
        Assert.True(await Begin().WaitAsync(Deadline));

        static Task<bool> Begin() => EventLoop.Start().Run(async () => {
            SynchronizationContext? context = SynchronizationContext.Current;
            for (int i = 0; i < 5; i++) await Task.Run(CollectAll);
            return context != null && context == SynchronizationContext.Current;
        });
    }

    [Fact]
    public async Task Many_threads_post_and_nothing_is_lost() {
        await using var loop = EventLoop.Start();
        int ran = 0;
        Task[] posters = Enumerable.Range(0, 8).Select(_ => Task.Run(() => {
            for (int i = 0; i < 10000; i++) loop.Post(() => ran++);
        })).ToArray();
        await Task.WhenAll(posters).WaitAsync(Deadline);
        Assert.Equal(80000, await loop.Run(() => Task.FromResult(ran)).WaitAsync(Deadline));
    }

    [Fact]
    public async Task The_meter_counts_by_loop() {
        var seen = new Dictionary<string, long>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) => {
            if (instrument.Meter.Name == "Evpoll") l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => {
            if (tags.Length == 0 || tags[0].Value as string == "measured")
                seen[instrument.Name] = value;
        });
        listener.Start();
        var loop = EventLoop.Start(new() { Name = "measured" });
        loop.UnhandledException += _ => { };
        var (a, b) = await Connect(loop);
        await a.WriteAsync(new byte[1]);
        Task<int> read = a.ReadAsync(new byte[1]).AsTask();
        loop.Post(() => throw new FormatException());
        Until(() => {
            listener.RecordObservableInstruments();
            return seen.GetValueOrDefault("evpoll.callbacks.failed") == 1;
        });
        Assert.Equal(1, seen["evpoll.operations.pending"]);
        Assert.InRange(seen["evpoll.operations.started"], 4, 100);
        Assert.InRange(seen["evpoll.loop.waits"], 1, 1000);
        await loop.DisposeAsync();
        seen.Remove("evpoll.operations.pending");
        listener.RecordObservableInstruments();
        Assert.DoesNotContain("evpoll.operations.pending", seen.Keys);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => read);
        a.Dispose();
        b.Dispose();
    }
}
