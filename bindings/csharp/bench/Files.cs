// SPDX-License-Identifier: MIT
using Microsoft.Win32.SafeHandles;

namespace Evpoll.Bench;

/// <summary>Reads of 4 KiB from a cached file, n at a time.</summary>
static class Files {
    const int Block = 4096, Blocks = 4096;

    public static async Task Compare(int n) {
        string path = Path.GetTempFileName();
        await File.WriteAllBytesAsync(path, new byte[Block * Blocks]);
        try {
            await Compare(path, n);
        } finally {
            File.Delete(path);
        }
    }

    static async Task Compare(string path, int n) {
        int rounds = Math.Max(2, 2000 / n);
        await using var loop = EventLoop.Start();
        await using EvpollFile ours = loop.OpenFile(path);
        using SafeFileHandle theirs = File.OpenHandle(path, options: FileOptions.Asynchronous);
        byte[][] arrays = Enumerable.Range(0, n).Select(_ => new byte[Block]).ToArray();
        async Task Read(Func<Memory<byte>, long, ValueTask<int>> read) {
            var reads = new ValueTask<int>[n];
            for (int round = 0; round < rounds; round++) {
                for (int i = 0; i < n; i++)
                    reads[i] = read(arrays[i], (long)(round * n + i) % Blocks * Block);
                for (int i = 0; i < n; i++) await reads[i];
            }
        }
        Task Theirs() => Task.Run(() => Read((b, at) => RandomAccess.ReadAsync(theirs, b, at)));
        await Slices.Run("4 KiB read, RandomAccess: per read", n, 40, (long)rounds * n,
            () => loop.Run(() => Read((b, at) => ours.ReadAsync(b, at))), Theirs);
        await Slices.Run("the same off the loop, RandomAccess: per read", n, 40,
            (long)rounds * n, () => Task.Run(() => Read((b, at) => ours.ReadAsync(b, at))), Theirs);
    }
}
