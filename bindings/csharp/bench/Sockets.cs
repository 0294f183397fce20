// SPDX-License-Identifier: MIT
using System.Net;
using System.Net.Sockets;

namespace Evpoll.Bench;

/// <summary>Bytes that go to and fro over n connections at once: streams of a loop, and .NET's
/// sockets by SocketAsyncEventArgs.</summary>
static class Sockets {
    /// <summary>One end: what arrives is sent back, until it has gone as often as is wanted.
    /// </summary>
    sealed class Echo : SocketAsyncEventArgs {
        readonly Socket socket;
        int left;
        bool receiving, first;
        public TaskCompletionSource Done = new();

        public Echo(Socket socket) {
            this.socket = socket;
            SetBuffer(new byte[1], 0, 1);
            Completed += static (_, e) => ((Echo)e).Go();
        }

        public Task Start(int times, bool sends) {
            Done = new(TaskCreationOptions.RunContinuationsAsynchronously);
            (left, receiving, first) = (times, !sends, sends);
            if (!(first ? socket.SendAsync(this) : socket.ReceiveAsync(this))) Go();
            return Done.Task;
        }

        void Go() {
            do {
                if (receiving) left--;
                if (left == 0 && receiving == first) {
                    Done.SetResult();
                    return;
                }
                receiving = !receiving;
            } while (!(receiving ? socket.ReceiveAsync(this) : socket.SendAsync(this)));
        }
    }

    public static async Task Compare(int n) {
        int times = Math.Max(4, 4000 / n);
        await using var loop = EventLoop.Start();
        List<(EvpollStream A, EvpollStream B)> ours = await loop.Run(() => OurPairs(loop, n));
        List<(Socket A, Socket B)> theirs = TheirPairs(n), streams = TheirPairs(n);
        var starts = theirs.Select(p => (A: new Echo(p.A), B: new Echo(p.B))).ToList();
        Task Ours() => loop.Run(() => Trips(ours.Select(p => ((Stream)p.A, (Stream)p.B)), times));
        await Slices.Run("byte to and fro, SocketAsyncEventArgs: per trip", n, 20,
            (long)times * n, Ours, async () => {
                var tasks = new List<Task>();
                foreach ((Echo a, Echo b) in starts) {
                    tasks.Add(b.Start(times, sends: false));
                    tasks.Add(a.Start(times, sends: true));
                }
                await Task.WhenAll(tasks);
            });
        var networks = streams.Select(p =>
            ((Stream)new NetworkStream(p.A), (Stream)new NetworkStream(p.B))).ToList();
        await Slices.Run("byte to and fro, NetworkStream: per trip", n, 20, (long)times * n, Ours,
            () => Task.Run(() => Trips(networks, times)));
        await Slices.Run("the same off the loop, NetworkStream: per trip", n, 20, (long)times * n,
            () => Task.Run(() => Trips(ours.Select(p => ((Stream)p.A, (Stream)p.B)), times)),
            () => Task.Run(() => Trips(networks, times)));
        foreach ((EvpollStream a, EvpollStream b) in ours) { a.Dispose(); b.Dispose(); }
        foreach ((Socket a, Socket b) in theirs.Concat(streams)) { a.Dispose(); b.Dispose(); }
    }

    static Task Trips(IEnumerable<(Stream A, Stream B)> pairs, int times) =>
        Task.WhenAll(pairs.SelectMany(p => new[] { Go(p.A, times, true), Go(p.B, times, false) }));

    static async Task Go(Stream stream, int times, bool first) {
        byte[] one = new byte[1];
        for (int i = 0; i < times; i++) {
            if (first) await stream.WriteAsync(one);
            await stream.ReadAsync(one);
            if (!first) await stream.WriteAsync(one);
        }
    }

    static async Task<List<(EvpollStream, EvpollStream)>> OurPairs(EventLoop loop, int n) {
        var pairs = new List<(EvpollStream, EvpollStream)>();
        await using EvpollListener listener = loop.Listen(new(IPAddress.Loopback, 0));
        for (int i = 0; i < n; i++) {
            ValueTask<EvpollStream> accepting = listener.AcceptAsync();
            EvpollStream a = await loop.ConnectAsync(listener.LocalEndPoint);
            pairs.Add((a, await accepting));
        }
        return pairs;
    }

    static List<(Socket, Socket)> TheirPairs(int n) {
        var pairs = new List<(Socket, Socket)>();
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream,
            ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        for (int i = 0; i < n; i++) {
            var a = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            a.Connect(listener.LocalEndPoint!);
            Socket b = listener.Accept();
            a.NoDelay = b.NoDelay = true;
            pairs.Add((a, b));
        }
        return pairs;
    }
}
