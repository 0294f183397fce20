// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>File operations, on each engine.</summary>
public class FileTest
{
    public static TheoryData<PollerFlags> Engines => [PollerFlags.None, PollerFlags.NoUring];

    [Theory]
    [MemberData(nameof(Engines))]
    public Task What_was_written_is_read(PollerFlags engine) => OnLoop(async loop =>
    {
        using var file = new TemporaryFile();
        using var f = loop.OpenFile(file.Path, FileFlags.Read | FileFlags.Write);
        using IoBuffer buffer = loop.Rent(10000);
        Content(10000).CopyTo(buffer.Span);
        Assert.Equal(10000, await f.WriteAsync(buffer, 5));
        await f.FlushAsync();
        await f.FlushAsync(dataOnly: true);
        Assert.Equal(10005, f.Length);
        byte[] back = new byte[20000];
        Assert.Equal(10000, await f.ReadAsync(back, 5));
        Assert.Equal(Content(10000), back[..10000]);
        Assert.Equal(0, await f.ReadAsync(back, 10005));
        Assert.Equal(0, await f.ReadAsync(Memory<byte>.Empty, 0));
        Assert.Equal(3, await f.ReadAsync(back.AsMemory(7, 3), 5));
    }, new() { Engine = engine });

    [Theory]
    [MemberData(nameof(Engines))]
    public Task Many_at_once_beyond_the_limit_all_complete(PollerFlags engine) =>
        OnLoop(async loop =>
        {
            byte[] content = Content(1 << 20);
            using var file = new TemporaryFile(content);
            using var f = loop.OpenFile(file.Path);
            byte[] back = new byte[content.Length];
            var reads = new List<Task<int>>();
            for (int i = 0; i < content.Length; i += 1024)
                reads.Add(f.ReadAsync(back.AsMemory(i, 1024), i).AsTask());
            // A list needs its places all at once, and waits for them with the others.
            byte[] blocks = new byte[4 * 4096];
            ValueTask<int> list = f.ReadBlocksAsync(blocks, 4096, 0, new IoResult[4]);
            Assert.All(await Task.WhenAll(reads), n => Assert.Equal(1024, n));
            Assert.Equal(4, await list);
            Assert.Equal(content, back);
            Assert.Equal(content[..blocks.Length], blocks);
            // What has no room waits for a completion; it is not offered again and again.
            PollerStats stats = loop.GetStats();
            Assert.InRange(stats.Waits, 1ul, 2 * stats.Events + 20);
        }, new() { Engine = engine, IoLimit = 5 });

    [Theory]
    [MemberData(nameof(Engines))]
    public Task Blocks_are_one_list_and_the_last_may_be_shorter(PollerFlags engine) =>
        OnLoop(async loop =>
        {
            using var file = new TemporaryFile(Content(100_000));
            using var f = loop.OpenFile(file.Path, FileFlags.Read | FileFlags.Write);
            byte[] back = new byte[99_000];
            var results = new IoResult[25];
            Assert.Equal(25, await f.ReadBlocksAsync(back, 4096, 1000, results));
            Assert.Equal(Content(100_000)[1000..], back);
            Assert.Equal(99_000 - 24 * 4096, results[24].Result);
            Content(99_000, 2).CopyTo(back, 0);
            Assert.Equal(25, await f.WriteBlocksAsync(back, 4096, 1000, results));
            Assert.Equal(back, File.ReadAllBytes(file.Path)[1000..]);
            Assert.Throws<ArgumentException>(() =>
            {
                f.ReadBlocksAsync(back, 4096, 0, results[1..]);
            });
            Assert.Throws<ArgumentException>(() => { f.ReadBlocksAsync(default, 1, 0, results); });
            Assert.Equal(Status.Limit, await StatusOf(async () =>
                await f.ReadBlocksAsync(back, 1, 0, new IoResult[99_000])));
        }, new() { Engine = engine });

    [Fact]
    public Task A_failure_names_the_operation() => OnLoop(async loop =>
    {
        using var file = new TemporaryFile(Content(10));
        using var f = loop.OpenFile(file.Path);
        var e = await Assert.ThrowsAsync<EvpollException>(async () =>
            await f.WriteAsync(new byte[3], 7));
        Assert.Equal((Status.BadHandle, true), (e.Status, e.Message.Contains(
            $"Write of 3 bytes at 7 of '{file.Path}'")));
        Assert.Equal(Status.NotFound, StatusOf(() => loop.OpenFile("/no/such")));
        Assert.Equal(Status.Unsupported, StatusOf(() => loop.OpenFile("/")));
        Assert.Equal(Status.Exists, StatusOf(() => loop.OpenFile(file.Path,
            FileFlags.Write | FileFlags.Create | FileFlags.Exclusive)));
    });

    [Fact]
    public Task A_handle_that_dotnet_opened_is_used_and_stays_open() => OnLoop(async loop =>
    {
        using var file = new TemporaryFile(Content(10));
        using var handle = File.OpenHandle(file.Path);
        byte[] back = new byte[10];
        using (var f = loop.OpenFile(handle))
            Assert.Equal(10, await f.ReadAsync(back, 0));
        Assert.Equal(Content(10), back);
        Assert.Equal(10, RandomAccess.GetLength(handle));
        handle.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { loop.OpenFile(handle); });
    });

    [Fact]
    public Task Bad_input_is_refused_before_anything_happens() => OnLoop(loop =>
    {
        using var file = new TemporaryFile(Content(10));
        var f = loop.OpenFile(file.Path);
        byte[] b = new byte[1];
        Assert.Throws<ArgumentOutOfRangeException>(() => { f.ReadAsync(b, -1); });
        Assert.Throws<ArgumentOutOfRangeException>(() =>
        {
            f.ReadBlocksAsync(b, 0, 0, new IoResult[1]);
        });
        Assert.Throws<ArgumentNullException>(() => { f.ReadAsync((IoBuffer)null!, 0); });
        Assert.Throws<ArgumentNullException>(() => loop.OpenFile((string)null!));
        Assert.Throws<ArgumentException>(() => loop.OpenFile("a\0b"));
        Assert.Throws<ArgumentOutOfRangeException>(() => loop.Rent(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => loop.Rent(1, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => loop.Watch(-1));
        IoBuffer gone = loop.Rent(10);
        gone.Dispose();
        gone.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { f.ReadAsync(gone, 0); });
        Assert.Throws<ObjectDisposedException>(() => gone.Span[0]);
        f.Dispose();
        f.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { f.ReadAsync(b, 0); });
        Assert.Throws<ObjectDisposedException>(() => { f.FlushAsync(); });
        Assert.Throws<ObjectDisposedException>(() => f.Length);
        return Task.CompletedTask;
    });

    [Fact]
    public Task A_cancelled_token_refuses_and_a_late_one_changes_nothing() => OnLoop(async loop =>
    {
        using var file = new TemporaryFile(Content(10));
        using var f = loop.OpenFile(file.Path);
        using var cts = new CancellationTokenSource();
        Assert.Equal(10, await f.ReadAsync(new byte[10], 0, cts.Token));
        cts.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await f.ReadAsync(new byte[10], 0, cts.Token));
    });

    [Fact]
    public Task Cancelled_before_the_turn_it_never_reaches_the_kernel() => OnLoop(async loop =>
    {
        using var file = new TemporaryFile(Content(10));
        using var f = loop.OpenFile(file.Path);
        using var cts = new CancellationTokenSource();
        using IoBuffer buffer = loop.Rent(10);
        ValueTask<int> read = f.ReadAsync(buffer, 0, cts.Token); // the turn is not over
        Assert.Equal(1, buffer.Pins);
        cts.Cancel();
        Assert.Equal(0, buffer.Pins);
        var e = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await read);
        Assert.Equal(cts.Token, e.CancellationToken);
        Assert.Equal(0ul, loop.GetStats().IoSubmitted);
    });

    [Fact]
    public Task A_file_closed_meanwhile_closes_after_its_operations() => OnLoop(async loop =>
    {
        using var file = new TemporaryFile(Content(100_000));
        var f = loop.OpenFile(file.Path);
        byte[] back = new byte[100_000];
        ValueTask<int> read = f.ReadAsync(back, 0);
        f.Dispose();
        Assert.Equal(100_000, await read);
        Assert.Equal(Content(100_000), back);
    });

    [Fact]
    public async Task Buffers_that_were_dropped_during_operations_arrive_whole()
    {
        using var loop = EventLoop.Start();
        using var file = new TemporaryFile(Content(1 << 16));
        var found = new WeakReference[50];
        await loop.Run(async () =>
        {
            using var f = loop.OpenFile(file.Path);
            for (int round = 0; round < found.Length; round++)
            {
                Task<int> read = Start(f, round);
                CollectAll();
                Assert.Equal(1 << 16, await read);
            }
        }).WaitAsync(Deadline);
        Until(() => found.All(w => !w.IsAlive)); // and nothing of the loop's holds them

        [MethodImpl(MethodImplOptions.NoInlining)]
        Task<int> Start(LoopFile f, int round)
        {
            Memory<byte> buffer = round % 2 == 0 ? new byte[1 << 16] : new IoBuffer(1 << 16);
            found[round] = new(round % 2 == 0
                ? System.Runtime.InteropServices.MemoryMarshal.TryGetArray(
                    (ReadOnlyMemory<byte>)buffer, out var a) ? a.Array : null
                : Owner(buffer));
            return f.ReadAsync(buffer, 0).AsTask();
        }

        static object? Owner(Memory<byte> memory) => System.Runtime.InteropServices.MemoryMarshal
            .TryGetMemoryManager<byte, IoBuffer>(memory, out IoBuffer? b) ? b : null;
    }

    [Fact]
    public async Task Dropped_files_are_closed()
    {
        using var loop = EventLoop.Start();
        using var file = new TemporaryFile(Content(10));
        int Count() => Directory.GetFiles("/proc/self/fd").Select(fd =>
        {
            try { return File.ResolveLinkTarget(fd, false)?.FullName; }
            catch (IOException) { return null; }
        }).Count(p => p == file.Path);
        await loop.Run(() =>
        {
            for (int i = 0; i < 20; i++) loop.OpenFile(file.Path);
            return Task.CompletedTask;
        });
        Until(() => Count() == 0);
    }

    [Fact]
    public void Rented_memory_is_aligned_and_comes_back()
    {
        using var loop = EventLoop.Start();
        IoBuffer first = loop.Rent(100_000), other = loop.Rent(100, 64);
        Assert.Equal((0ul, 0ul), (first.Address % 4096, other.Address % 64));
        ulong address = first.Address;
        Assert.Equal((100_000, 100_000), (first.Length, first.Memory.Length));
        Assert.Equal(7, first[..7].Length);
        var pin = first.Memory.Pin();
        first.Dispose();
        Assert.NotEqual(address, loop.Rent(100_000).Address); // pinned
        pin.Dispose();
        Assert.Equal(address, loop.Rent(100_000).Address);
    }

    [Fact]
    public Task Direct_io_takes_rented_buffers() => OnLoop(async loop =>
    {
        using var file = new TemporaryFile(Content(1000 * 4096));
        LoopFile f;
        try
        {
            f = loop.OpenFile(file.Path, FileFlags.Direct);
        }
        catch (EvpollException e) when (e.Status == Status.Unsupported)
        {
            f = loop.OpenFile(file.Path); // a file system without it
        }
        using (f)
        using (IoBuffer buffer = loop.Rent(1000 * 4096, align: 4096))
        {
            var results = new IoResult[1000];
            Assert.Equal(1000, await f.ReadBlocksAsync(buffer, 4096, offset: 0, results));
            Assert.All(results, r => Assert.Equal((4096L, Status.Ok), (r.Result, r.Status)));
            Assert.Equal(Content(1000 * 4096), buffer.Span.ToArray());
        }
    });
}
