// SPDX-License-Identifier: MIT
using System.Net;
using System.Net.Sockets;

namespace Evpoll.Bench;

/// <summary>Bytes that go to and fro over n connections at once: streams of a loop, and .NET's
/// sockets by SocketAsyncEventArgs.</summary>
static class Sockets
{
    /// <summary>One end: what arrives is sent back, until it has gone as often as is wanted.
    /// </summary>
    sealed class Echo : SocketAsyncEventArgs
    {
        readonly Socket socket;
        int left;
        bool receiving, first;
        public TaskCompletionSource Done = new();

        public Echo(Socket socket)
        {
            this.socket = socket;
            SetBuffer(new byte[1], 0, 1);
            Completed += static (_, e) => ((Echo)e).Go();
        }

        public Task Start(int times, bool sends)
        {
            Done = new(TaskCreationOptions.RunContinuationsAsynchronously);
            (left, receiving, first) = (times, !sends, sends);
            if (!(first ? socket.SendAsync(this) : socket.ReceiveAsync(this))) Go();
            return Done.Task;
        }

        void Go()
        {
            do
            {
                if (receiving) left--;
                if (left == 0 && receiving == first)
                {
                    Done.SetResult();
                    return;
                }
                receiving = !receiving;
            } while (!(receiving ? socket.ReceiveAsync(this) : socket.SendAsync(this)));
        }
    }

    public static async Task Compare(int n)
    {
        int times = Math.Max(4, 4000 / n);
        using var loop = EventLoop.Start();
        List<(TcpStream A, TcpStream B)> ours = await loop.Run(() => OurPairs(loop, n));
        List<(Socket A, Socket B)> theirs = TheirPairs(n);
        var starts = theirs.Select(p => (A: new Echo(p.A), B: new Echo(p.B))).ToList();
        await Slices.Run("byte to and fro, SocketAsyncEventArgs: per trip", n, 20,
            (long)times * n,
            () => loop.Run(async () =>
            {
                var tasks = new List<Task>();
                foreach ((TcpStream a, TcpStream b) in ours)
                {
                    tasks.Add(Ping(a, times));
                    tasks.Add(Pong(b, times));
                }
                await Task.WhenAll(tasks);
            }),
            async () =>
            {
                var tasks = new List<Task>();
                foreach ((Echo a, Echo b) in starts)
                {
                    tasks.Add(b.Start(times, sends: false));
                    tasks.Add(a.Start(times, sends: true));
                }
                await Task.WhenAll(tasks);
            });
        foreach ((TcpStream a, TcpStream b) in ours) { a.Dispose(); b.Dispose(); }
        foreach ((Socket a, Socket b) in theirs) { a.Dispose(); b.Dispose(); }
    }

    static async Task Ping(TcpStream stream, int times)
    {
        byte[] one = new byte[1];
        for (int i = 0; i < times; i++)
        {
            await stream.WriteAllAsync(one);
            await stream.ReadAsync(one);
        }
    }

    static async Task Pong(TcpStream stream, int times)
    {
        byte[] one = new byte[1];
        for (int i = 0; i < times; i++)
        {
            await stream.ReadAsync(one);
            await stream.WriteAllAsync(one);
        }
    }

    static async Task<List<(TcpStream, TcpStream)>> OurPairs(EventLoop loop, int n)
    {
        var pairs = new List<(TcpStream, TcpStream)>();
        using TcpListener listener = TcpListener.Bind(loop, "127.0.0.1", 0);
        for (int i = 0; i < n; i++)
        {
            ValueTask<TcpStream?> accepting = listener.AcceptAsync();
            TcpStream a = await TcpStream.ConnectAsync(loop, "127.0.0.1",
                listener.LocalEndPoint.Port);
            TcpStream b = (await accepting)!;
            a.SetNoDelay(true);
            b.SetNoDelay(true);
            pairs.Add((a, b));
        }
        return pairs;
    }

    static List<(Socket, Socket)> TheirPairs(int n)
    {
        var pairs = new List<(Socket, Socket)>();
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream,
            ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        for (int i = 0; i < n; i++)
        {
            var a = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            a.Connect(listener.LocalEndPoint!);
            Socket b = listener.Accept();
            a.NoDelay = b.NoDelay = true;
            pairs.Add((a, b));
        }
        return pairs;
    }
}
