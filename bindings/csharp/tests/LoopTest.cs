// SPDX-License-Identifier: MIT
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>The loop's thread, its context and its end.</summary>
public class LoopTest
{
    [Fact]
    public async Task Awaits_resume_on_the_loops_thread()
    {
        using var loop = EventLoop.Start();
        Assert.False(loop.IsCurrent);
        int value = await loop.Run(async () =>
        {
            Assert.True(loop.IsCurrent);
            await Task.Yield();
            Assert.True(loop.IsCurrent);
            await Task.Run(() => Assert.False(loop.IsCurrent));
            Assert.True(loop.IsCurrent);
            Assert.Same(loop.Context, SynchronizationContext.Current);
            await Task.Run(() => { }).ContinueWith(_ => { }).ConfigureAwait(false);
            return 42;
        }).WaitAsync(Deadline);
        Assert.Equal(42, value);
    }

    [Fact]
    public async Task Who_does_not_want_the_context_is_not_run_on_the_loop()
    {
        await OnLoop(async loop =>
        {
            var (a, b) = await Connect(loop);
            using (a)
            using (b)
            {
                ValueTask<int> read = a.ReadAsync(new byte[1]);
                _ = b.WriteAllAsync(new byte[1]);
                await Elsewhere(read);
            }
            async Task Elsewhere(ValueTask<int> read)
            {
                Assert.Equal(1, await read.ConfigureAwait(false));
                Assert.False(loop.IsCurrent);
            }
        });
    }

    [Fact]
    public async Task Operations_may_be_started_in_any_thread()
    {
        using var loop = EventLoop.Start();
        using var file = new TemporaryFile(Content(100));
        using var f = loop.OpenFile(file.Path);
        byte[] buffer = new byte[100];
        Assert.Equal(100, await f.ReadAsync(buffer, 0));
        Assert.Equal(Content(100), buffer);
        var (a, b) = await Connect(loop);
        ValueTask<int> read = a.ReadAsync(buffer);
        await b.WriteAllAsync(new byte[7]);
        Assert.Equal(7, await read.AsTask().WaitAsync(Deadline));
        a.Dispose();
        b.Dispose();
    }

    [Fact]
    public async Task Send_runs_on_the_loop_and_waits()
    {
        using var loop = EventLoop.Start();
        bool there = false;
        loop.Context.Send(_ => there = loop.IsCurrent, null);
        Assert.True(there);
        await loop.Run(() =>
        {
            loop.Context.Send(_ => there = false, null);
            return Task.CompletedTask;
        });
        Assert.False(there);
        Assert.Throws<FormatException>(() =>
            loop.Context.Send(_ => throw new FormatException(), null));
    }

    [Fact]
    public async Task What_a_posted_callback_throws_reaches_the_handler_and_the_loop_goes_on()
    {
        using var loop = EventLoop.Start();
        var seen = new TaskCompletionSource<Exception>();
        loop.UnhandledException += e => seen.TrySetResult(e);
        loop.Post(() => throw new FormatException());
        Assert.IsType<FormatException>(await seen.Task.WaitAsync(Deadline));
        Assert.Equal(1, await loop.Run(() => Task.FromResult(1)).WaitAsync(Deadline));
        await Assert.ThrowsAsync<FormatException>(() =>
            loop.Run(() => throw new FormatException()));
    }

    [Fact]
    public async Task After_the_end_everything_is_refused_and_what_was_awaited_goes_on()
    {
        var loop = EventLoop.Start();
        using var file = new TemporaryFile(Content(10));
        LoopFile f = loop.OpenFile(file.Path);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        bool elsewhere = false;
        Task later = loop.Run(async () =>
        {
            await gate.Task;
            elsewhere = !loop.IsCurrent;
        });
        await loop.ShutdownAsync(Deadline);
        gate.SetResult();
        await later.WaitAsync(Deadline);
        Assert.True(elsewhere);
        Assert.Throws<ObjectDisposedException>(() => { loop.OpenFile(file.Path); });
        Assert.Throws<ObjectDisposedException>(() => { f.ReadAsync(new byte[1], 0); });
        await Assert.ThrowsAsync<ObjectDisposedException>(() => loop.Run(() => Task.CompletedTask));
        Assert.Throws<ObjectDisposedException>(() => { TcpListener.Bind(loop, "127.0.0.1", 0); });
        Assert.Throws<ObjectDisposedException>(() => { loop.GetStats(); });
        loop.Post(() => { }); // runs elsewhere
        f.Dispose();
        loop.Dispose();
        loop.Dispose();
        await loop.ShutdownAsync(Deadline);
    }

    [Fact]
    public async Task Shutdown_tells_who_waits_for_a_socket_and_lets_operations_finish()
    {
        using var loop = EventLoop.Start();
        var (a, b) = await loop.Run(() => Connect(loop));
        using var listener = TcpListener.Bind(loop, "127.0.0.1", 0);
        using var file = new TemporaryFile(Content(1 << 20));
        using var f = loop.OpenFile(file.Path);
        using var watcher = loop.Watch(0);
        Task<int> read = a.ReadAsync(new byte[1]).AsTask();
        Task<TcpStream?> accept = listener.AcceptAsync().AsTask();
        Task<int> io = f.ReadAsync(new byte[1 << 20], 0).AsTask();
        await loop.Run(() => Task.CompletedTask); // they have begun
        Task ended = loop.ShutdownAsync(Deadline);
        Assert.Equal(Status.Shutdown, await StatusOf(() => read));
        Assert.Null(await accept);
        Assert.Equal(1 << 20, await io);
        await ended.WaitAsync(Deadline);
        a.Dispose();
        b.Dispose();
    }

    [Fact]
    public async Task Disposing_on_the_loops_own_thread_does_not_wait()
    {
        var loop = EventLoop.Start();
        await loop.Run(() =>
        {
            loop.Dispose();
            return Task.CompletedTask;
        }).WaitAsync(Deadline);
        await loop.Core.Ended.WaitAsync(Deadline);
        await loop.DisposeAsync();
    }

    [Fact]
    public void A_dropped_loop_ends_its_thread()
    {
        LoopCore core = Drop();
        Until(() => core.Ended.IsCompleted);

        [System.Runtime.CompilerServices.MethodImpl(
            System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static LoopCore Drop()
        {
            EventLoop loop = EventLoop.Start();
            loop.Run(() => Task.CompletedTask).Wait(Deadline);
            return loop.Core;
        }
    }

    [Fact]
    public async Task A_running_function_keeps_its_loop()
    {
        Assert.True(await Begin().WaitAsync(Deadline));

        static Task<bool> Begin() => EventLoop.Start().Run(async () =>
        {
            SynchronizationContext? context = SynchronizationContext.Current;
            for (int i = 0; i < 5; i++) await Task.Run(CollectAll);
            return context != null && context == SynchronizationContext.Current;
        });
    }

    [Fact]
    public async Task Many_threads_post_and_nothing_is_lost()
    {
        using var loop = EventLoop.Start();
        int ran = 0;
        Task[] posters = Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (int i = 0; i < 10000; i++) loop.Post(() => ran++);
        })).ToArray();
        await Task.WhenAll(posters).WaitAsync(Deadline);
        Assert.Equal(80000, await loop.Run(() => Task.FromResult(ran)).WaitAsync(Deadline));
    }
}
