// SPDX-License-Identifier: MIT
using System.Reflection;
using System.Runtime.CompilerServices;

// Some tests collect garbage or count allocations, in the process that all of them share.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Evpoll.Tests;

static class Support
{
    public const PollEvents Readable = PollEvents.Readable, Writable = PollEvents.Writable;
    /// <summary>Turns a hang into a failure, nothing else.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    public static string Root { get; } = typeof(Support).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Root").Value!;

    public static byte[] Content(int size, int seed = 1)
    {
        byte[] bytes = new byte[size];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static Status StatusOf(Action action) =>
        Assert.Throws<EvpollException>(action).Status;

    public static async Task<Status> StatusOf(Func<Task> action) =>
        (await Assert.ThrowsAsync<EvpollException>(action)).Status;

    public static void CollectAll()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    /// <summary>Runs on a loop of its own, which is disposed afterwards.</summary>
    public static async Task OnLoop(Func<EventLoop, Task> body, EventLoopOptions? options = null)
    {
        using var loop = EventLoop.Start(options);
        await loop.Run(() => body(loop)).WaitAsync(Deadline);
    }

    /// <summary>Two ends of a TCP connection on the loop.</summary>
    public static async Task<(TcpStream, TcpStream)> Connect(EventLoop loop)
    {
        using var listener = TcpListener.Bind(loop, "127.0.0.1", 0);
        var accepting = listener.AcceptAsync();
        TcpStream client = await TcpStream.ConnectAsync(loop, "127.0.0.1",
            listener.LocalEndPoint.Port);
        return (client, (await accepting)!);
    }

    /// <summary>Waits until something is true that another thread brings about.</summary>
    public static void Until(Func<bool> condition, [CallerArgumentExpression("condition")]
        string what = "")
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < Deadline, what);
            CollectAll();
            Thread.Yield();
        }
    }
}

/// <summary>A file that goes away with the test.</summary>
sealed class TemporaryFile : IDisposable
{
    public TemporaryFile(byte[]? content = null)
    {
        Path = System.IO.Path.GetTempFileName();
        if (content != null) File.WriteAllBytes(Path, content);
    }

    public string Path { get; }
    public void Dispose() => File.Delete(Path);
}
