// SPDX-License-Identifier: MIT
using System.Threading.Channels;
using Microsoft.Win32.SafeHandles;

namespace Evpoll.Bench;

/// <summary>Durable records of 100 bytes by n writers at a time: AppendDurableAsync, and the best
/// that one builds of .NET's own: a channel, and a task that writes what waits in one piece and
/// syncs once.</summary>
static class Appends {
    const int Size = 100, Each = 40;

    public static async Task Compare(int n) {
        string folder = Directory.CreateTempSubdirectory("evpoll-bench").FullName;
        try {
            await using var loop = EventLoop.Start();
            await using EvpollFile ours = loop.OpenFile(folder + "/ours",
                FileFlags.Append | FileFlags.Create);
            using SafeFileHandle theirs = File.OpenHandle(folder + "/theirs", FileMode.Create,
                FileAccess.Write);
            var group = new Group(theirs);
            Task All(Func<byte[], Task> append) => Task.WhenAll(Enumerable.Range(0, n).Select(
                async _ => {
                    byte[] record = new byte[Size];
                    for (int i = 0; i < Each; i++) await append(record);
                }));
            Task Ours() => All(r => ours.AppendDurableAsync(r).AsTask());
            Task Theirs() => Task.Run(() => All(group.Append));
            await Slices.Run("durable append, own group commit: per record", n, 12,
                (long)n * Each, () => loop.Run(Ours), Theirs);
            await Slices.Run("the same off the loop, own group commit: per record", n, 12,
                (long)n * Each, () => Task.Run(Ours), Theirs);
            await group.Stop();
        } finally {
            Directory.Delete(folder, true);
        }
    }

    sealed class Group {
        readonly Channel<(byte[], TaskCompletionSource)> queue =
            Channel.CreateUnbounded<(byte[], TaskCompletionSource)>();
        readonly Task writing;
        long end;

        public Group(SafeFileHandle file) => writing = Task.Run(async () => {
            var batch = new List<(byte[] Record, TaskCompletionSource Done)>();
            while (await queue.Reader.WaitToReadAsync()) {
                while (queue.Reader.TryRead(out var one)) batch.Add(one);
                RandomAccess.Write(file,
                    batch.Select(b => (ReadOnlyMemory<byte>)b.Record).ToList(), end);
                RandomAccess.FlushToDisk(file);
                end += batch.Count * Size;
                foreach (var one in batch) one.Done.SetResult();
                batch.Clear();
            }
        });

        public Task Append(byte[] record) {
            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            queue.Writer.TryWrite((record, done));
            return done.Task;
        }

        public Task Stop() {
            queue.Writer.Complete();
            return writing;
        }
    }
}
