// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>File operations, on each engine.</summary>
public class FileTest {
    public static TheoryData<PollerFlags> Engines => [PollerFlags.None, PollerFlags.NoUring];

    [Theory]
    [MemberData(nameof(Engines))]
    public Task What_was_written_is_read(PollerFlags engine) => OnLoop(async loop => {
        using var file = new TemporaryFile();
        await using EvpollFile f = loop.OpenFile(file.Path, FileFlags.Read | FileFlags.Write);
        await f.WriteAsync(Content(10000), 5);
        await f.WriteAsync(Content(10), 10005, durable: true);
        await f.SyncAsync();
        await f.SyncAsync(dataOnly: true);
        Assert.Equal(10015, await f.GetLengthAsync());
        await f.SetLengthAsync(10005);
        Assert.Equal(10005, await f.GetLengthAsync());
        byte[] back = new byte[20000];
        Assert.Equal(10000, await f.ReadAsync(back, 5));
        Assert.Equal(Content(10000), back[..10000]);
        Assert.Equal(0, await f.ReadAsync(back, 10005));
        Assert.Equal(0, await f.ReadAsync(Memory<byte>.Empty, 0));
        Assert.Equal(3, await f.ReadAsync(back.AsMemory(7, 3), 5, default, Deadline));
    }, new() { Engine = engine });

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Many_at_once_of_several_threads_all_complete(PollerFlags engine) {
        await using var loop = EventLoop.Start(new() { Engine = engine });
        byte[] content = Content(1 << 20), back = new byte[1 << 20];
        using var file = new TemporaryFile(content);
        await using EvpollFile f = await loop.OpenFileAsync(file.Path);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(part => Task.Run(async () => {
            var reads = new List<Task<int>>();
            for (int i = part << 18; i < part + 1 << 18; i += 1024)
                reads.Add(f.ReadAsync(back.AsMemory(i, 1024), i).AsTask());
            Assert.All(await Task.WhenAll(reads), n => Assert.Equal(1024, n));
        }))).WaitAsync(Deadline);
        Assert.Equal(content, back);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Records_are_appended_whole_and_in_order(PollerFlags engine) {
        await using var loop = EventLoop.Start(new() { Engine = engine });
        using var file = new TemporaryFile();
        File.Delete(file.Path);
        const FileFlags Flags = FileFlags.Append | FileFlags.Create | FileFlags.Durable;
        await using (EvpollFile log = loop.OpenFile(file.Path, Flags)) {
            Assert.Equal(Status.Busy, StatusOf(() => loop.OpenFile(file.Path, Flags)));
            await Task.WhenAll(Enumerable.Range(0, 16).Select(writer => Task.Run(async () => {
                for (int i = 0; i < 20; i++) {
                    byte[] record = new byte[10 + writer];
                    record[0] = (byte)record.Length;
                    long at = await log.AppendDurableAsync(record);
                    byte[] there = new byte[record.Length];
                    using EvpollFile reader = loop.OpenFile(file.Path);
                    Assert.Equal(there.Length, await reader.ReadAsync(there, at));
                    Assert.Equal(record, there);
                }
            }))).WaitAsync(Deadline);
            long length = await log.GetLengthAsync();
            Assert.Equal(Enumerable.Range(10, 16).Sum() * 20, length);
            Assert.Equal(length, await log.AppendAsync(Content(5)));
            await Assert.ThrowsAsync<EvpollException>(() => log.AppendAsync(default).AsTask());
        }
        await using EvpollFile again = loop.OpenFile(file.Path, Flags); // the lock is gone
    }

    [Fact]
    public Task A_file_is_sent_without_passing_through() => OnLoop(async loop => {
        byte[] content = Content(3 << 20);
        using var file = new TemporaryFile(content);
        await using EvpollFile f = loop.OpenFile(file.Path);
        var (a, b) = await Connect(loop);
        Task head = a.WriteAsync(Content(10)).AsTask();
        Task<long> sent = a.SendFileAsync(f, 100, content.Length).AsTask(); // beyond the end
        byte[] back = new byte[10 + content.Length - 100];
        await b.ReadExactlyAsync(back);
        Assert.Equal(content.Length - 100, await sent);
        await head;
        Assert.Equal([.. Content(10), .. content[100..]], back);
        f.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => a.SendFileAsync(f, 0, 1).AsTask());
        a.Dispose();
        b.Dispose();
    });

    [Fact]
    public Task A_failure_names_the_operation() => OnLoop(async loop => {
        using var file = new TemporaryFile(Content(10));
        await using EvpollFile f = loop.OpenFile(file.Path);
        var e = await Assert.ThrowsAsync<EvpollException>(async () =>
            await f.WriteAsync(new byte[3], 7));
        Assert.Equal((Status.BadHandle, true), (e.Status, e.Message.StartsWith("write: ")));
        Assert.Equal(Status.NotFound, StatusOf(() => loop.OpenFile("/no/such")));
        Assert.Equal(Status.Unsupported, StatusOf(() => loop.OpenFile("/")));
        Assert.Equal(Status.Exists, StatusOf(() => loop.OpenFile(file.Path,
            FileFlags.Write | FileFlags.Create | FileFlags.Exclusive)));
    });

    [Fact]
    public Task Bad_input_is_refused_before_anything_happens() => OnLoop(async loop => {
        using var file = new TemporaryFile(Content(10));
        EvpollFile f = loop.OpenFile(file.Path);
        byte[] b = new byte[1];
        Assert.Throws<ArgumentOutOfRangeException>(() => { f.ReadAsync(b, -1); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { f.WriteAsync(b, -1); });
        Assert.Throws<ArgumentNullException>(() => loop.OpenFile(null!));
        Assert.Throws<ArgumentException>(() => loop.OpenFile("a\0b"));
        f.Dispose();
        await f.DisposeAsync();
        foreach (Func<Task> use in new Func<Task>[] {
            () => f.ReadAsync(b, 0).AsTask(), () => f.SyncAsync().AsTask(),
            () => f.GetLengthAsync().AsTask(),
        }) await Assert.ThrowsAsync<ObjectDisposedException>(use);
    });

    [Fact]
    public Task A_cancelled_token_refuses_and_a_late_one_changes_nothing() => OnLoop(async loop => {
        using var file = new TemporaryFile(Content(10));
        await using EvpollFile f = loop.OpenFile(file.Path);
        using var cts = new CancellationTokenSource();
        Assert.Equal(10, await f.ReadAsync(new byte[10], 0, cts.Token));
        cts.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await f.ReadAsync(new byte[10], 0, cts.Token));
    });

    [Fact]
    public Task Cancelled_before_the_turn_it_never_reaches_the_kernel() => OnLoop(async loop => {
        using var file = new TemporaryFile(Content(10));
        await using EvpollFile f = loop.OpenFile(file.Path);
        using var cts = new CancellationTokenSource();
        ValueTask<int> read = f.ReadAsync(new byte[10], 0, cts.Token); // the turn is not over
        ValueTask<int> other = f.ReadAsync(new byte[10], 0);
        cts.Cancel();
        var e = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await read);
        Assert.Equal(cts.Token, e.CancellationToken);
        Assert.Equal(10, await other);
        Assert.Equal(1ul, loop.GetStats().IoSubmitted);
    });

    [Fact]
    public async Task Buffers_that_were_dropped_during_operations_arrive_whole() {
        await using var loop = EventLoop.Start();
        using var file = new TemporaryFile(Content(1 << 18));
        var found = new WeakReference[50];
        using (EvpollFile f = loop.OpenFile(file.Path))
            for (int round = 0; round < found.Length; round++) {
                Task<int> read = Start(f, round);
                CollectAll();
                Assert.Equal(1 << 18, await read);
            }
        Until(() => found.All(w => !w.IsAlive)); // and nothing of the loop's holds them

        [MethodImpl(MethodImplOptions.NoInlining)]
        Task<int> Start(EvpollFile f, int round) {
            byte[] buffer = new byte[1 << 18];
            found[round] = new(buffer);
            return f.ReadAsync(buffer, 0).AsTask();
        }
    }

    [Fact]
    public void Dropped_files_are_closed() {
        using var loop = EventLoop.Start();
        using var file = new TemporaryFile(Content(10));
        Drop();
        Until(() => OpenFiles(file.Path) == 0);

        [MethodImpl(MethodImplOptions.NoInlining)]
        void Drop() {
            for (int i = 0; i < 20; i++) loop.OpenFile(file.Path);
        }
    }

    [Fact]
    public Task Direct_io_takes_aligned_memory() => OnLoop(async loop => {
        using var file = new TemporaryFile(Content(100 * 4096));
        EvpollFile f;
        try {
            f = loop.OpenFile(file.Path, FileFlags.Direct);
        } catch (EvpollException e) when (e.Status == Status.Unsupported) {
            f = loop.OpenFile(file.Path); // a file system without it
        }
        await using (f) {
            Memory<byte> memory = IoMemory.Allocate(100 * 4096);
            Assert.Equal(100 * 4096, await f.ReadAsync(memory, 0));
            Assert.Equal(Content(100 * 4096), memory.ToArray());
        }
    });
}
