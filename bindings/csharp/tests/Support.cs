// SPDX-License-Identifier: MIT
using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Runtime.CompilerServices;

// Some tests collect garbage or count allocations, in the process that all of them share.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Evpoll.Tests;

static class Support {
    public const PollEvents Readable = PollEvents.Readable, Writable = PollEvents.Writable;
    /// <summary>Turns a hang into a failure, nothing else.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    public static string Root { get; } = typeof(Support).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Root").Value!;

    public static byte[] Content(int size, int seed = 1) {
        byte[] bytes = new byte[size];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static Status StatusOf(Action action) =>
        Assert.Throws<EvpollException>(action).Status;

    public static async Task<Status> StatusOf(Func<Task> action) =>
        (await Assert.ThrowsAsync<EvpollException>(action)).Status;

    public static void CollectAll() {
        for (int i = 0; i < 3; i++) {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    /// <summary>Runs on a loop of its own, which is disposed afterwards.</summary>
    public static async Task OnLoop(Func<EventLoop, Task> body, EventLoopOptions? options = null) {
        using var loop = EventLoop.Start(options);
        await loop.Run(() => body(loop)).WaitAsync(Deadline);
    }

    public static readonly IPEndPoint Loopback = new(IPAddress.Loopback, 0);

    /// <summary>Two ends of a TCP connection on one loop, or two.</summary>
    public static async Task<(EvpollStream, EvpollStream)> Connect(EventLoop loop,
        EventLoop? other = null) {
        await using EvpollListener listener = (other ?? loop).Listen(Loopback);
        var accepting = listener.AcceptAsync();
        EvpollStream client = await loop.ConnectAsync(listener.LocalEndPoint);
        return (client, await accepting);
    }

    /// <summary>Two ends whose other one is a socket of .NET's.</summary>
    public static async Task<(EvpollStream, Socket)> ConnectSocket(EventLoop loop) {
        await using EvpollListener listener = loop.Listen(Loopback);
        var accepting = listener.AcceptAsync();
        var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.LocalEndPoint);
        return (await accepting, client);
    }

    /// <summary>Waits until the kernel, or the library, has so many operations.</summary>
    public static void UntilPending(EventLoop loop, int n) =>
        Until(() => loop.GetStats().IoInFlight >= (ulong)n);

    /// <summary>Bytes in pieces of a size, with an empty one before each.</summary>
    public static ReadOnlySequence<byte> Pieces(byte[] bytes, int size) {
        Piece first = new(default, null), last = first;
        for (int i = 0; i < bytes.Length; i += size)
            last = new(bytes.AsMemory(i, Math.Min(size, bytes.Length - i)), new(default, last));
        return new(first, 0, last, last.Memory.Length);
    }

    sealed class Piece : ReadOnlySequenceSegment<byte> {
        public Piece(ReadOnlyMemory<byte> memory, Piece? before) {
            (Memory, RunningIndex) = (memory, before == null ? 0 : before.RunningIndex + before.Memory.Length);
            if (before != null) before.Next = this;
        }
    }

    /// <summary>How many descriptors this process has of a file.</summary>
    public static int OpenFiles(string path) => Directory.GetFiles("/proc/self/fd").Count(fd => {
        try { return File.ResolveLinkTarget(fd, false)?.FullName == path; }
        catch (IOException) { return false; }
    });

    /// <summary>Waits until something is true that another thread brings about.</summary>
    public static void Until(Func<bool> condition, [CallerArgumentExpression("condition")]
        string what = "") {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!condition()) {
            Assert.True(clock.Elapsed < Deadline, what);
            CollectAll();
            Thread.Yield();
        }
    }
}

/// <summary>A file that goes away with the test.</summary>
sealed class TemporaryFile : IDisposable {
    public TemporaryFile(byte[]? content = null) {
        Path = System.IO.Path.GetTempFileName();
        if (content != null) File.WriteAllBytes(Path, content);
    }

    public string Path { get; }
    public void Dispose() => File.Delete(Path);
}
