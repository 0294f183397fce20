// SPDX-License-Identifier: MIT
using Microsoft.Win32.SafeHandles;

namespace Evpoll.Bench;

/// <summary>Reads of 4 KiB from a cached file, n at a time: a loop's operations and lists, and
/// RandomAccess.</summary>
static class Files
{
    const int Block = 4096, Blocks = 4096;

    public static async Task Compare(int n)
    {
        string path = Path.GetTempFileName();
        await File.WriteAllBytesAsync(path, new byte[Block * Blocks]);
        try
        {
            await Compare(path, n);
        }
        finally
        {
            File.Delete(path);
        }
    }

    static async Task Compare(string path, int n)
    {
        int rounds = Math.Max(2, 2000 / n);
        using var loop = EventLoop.Start();
        using LoopFile ours = loop.OpenFile(path);
        using SafeFileHandle theirs = File.OpenHandle(path, options: FileOptions.Asynchronous);
        using IoBuffer buffer = loop.Rent(n * Block);
        byte[][] arrays = Enumerable.Range(0, n).Select(_ => new byte[Block]).ToArray();
        var results = new IoResult[n];
        Task Single() => loop.Run(async () =>
        {
            var reads = new ValueTask<int>[n];
            for (int round = 0; round < rounds; round++)
            {
                for (int i = 0; i < n; i++)
                    reads[i] = ours.ReadAsync(arrays[i], (long)(round * n + i) % Blocks * Block);
                for (int i = 0; i < n; i++) await reads[i];
            }
        });
        async Task Other()
        {
            var reads = new ValueTask<int>[n];
            for (int round = 0; round < rounds; round++)
            {
                for (int i = 0; i < n; i++)
                    reads[i] = RandomAccess.ReadAsync(theirs, arrays[i],
                        (long)(round * n + i) % Blocks * Block);
                for (int i = 0; i < n; i++) await reads[i];
            }
        }
        Task Lists() => loop.Run(async () =>
        {
            for (int round = 0; round < rounds; round++)
                await ours.ReadBlocksAsync(buffer, Block, 0, results);
        });
        await Slices.Run("4 KiB read, RandomAccess: per read", n, 40, (long)rounds * n, Single,
            Other);
        await Slices.Run("4 KiB read in a list, RandomAccess: per read", n, 40, (long)rounds * n,
            Lists, Other);
    }
}
