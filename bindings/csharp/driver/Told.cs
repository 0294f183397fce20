// SPDX-License-Identifier: MIT
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Evpoll;

namespace Driver;

/// <summary>Does what a line says, on the thread that it names.</summary>
sealed class Told {
    readonly ConcurrentDictionary<string, object> objects = new();
    readonly ConcurrentDictionary<string, CancellationTokenSource> cancels = new();
    readonly ConcurrentDictionary<string, ManualResetEventSlim> gates = new();
    readonly ConcurrentDictionary<string, BlockingCollection<Action>> workers = new();
    readonly ConcurrentDictionary<string, bool> throwing = new(); // loops whose handler throws
    readonly TextWriter output = TextWriter.Synchronized(
        new StreamWriter(Console.OpenStandardOutput()) { AutoFlush = true });

    public void Say(string line) => output.WriteLine(line);

    /// <param name="token">the line's</param>
    /// <param name="where">- is this thread</param>
    /// <param name="words">the verb and what follows it</param>
    /// <param name="answer">once, when the outcome is known, in any thread</param>
    public void Tell(string token, string where, string[] words, Action<string> answer) {
        void Start() => Do(token, words, answer);
        if (where == "-") Start();
        else if (char.IsAsciiDigit(where[0])) workers.GetOrAdd(where, Worker).Add(Start);
        else
            try { Get<EventLoop>(where).Post(Start); }
            catch (Exception e) { answer(Outcome(e)); }
    }

    static BlockingCollection<Action> Worker(string name) {
        var queue = new BlockingCollection<Action>();
        new Thread(() => {
            foreach (Action action in queue.GetConsumingEnumerable()) action();
        }) { IsBackground = true, Name = "worker " + name }.Start();
        return queue;
    }

    void Do(string token, string[] words, Action<string> answer) {
        Task<string> done;
        try { done = Start(token, words, answer); }
        catch (Exception e) { done = Task.FromException<string>(e); }
        if (done.IsCompleted) Answer(done);
        else done.ContinueWith(Answer, TaskContinuationOptions.ExecuteSynchronously);

        void Answer(Task<string> task) {
            cancels.TryRemove(token, out _);
            Exception? failure = task.Exception?.InnerException ??
                (task.IsCanceled ? new OperationCanceledException() : null);
            string text = failure == null ? task.Result : Outcome(failure);
            if (text != "") answer(text);
        }
    }

    T Get<T>(string name) where T : class =>
        objects.TryGetValue(name, out object? o) ? (T)o : throw new KeyNotFoundException();

    // ---- the verbs. Each starts its operation before it returns, and keeps nothing of it.

    Task<string> Start(string token, string[] w, Action<string> answer) {
        TimeSpan? limit = null;
        bool all = false;
        CancellationToken ct = default;
        if (w[0] is "read" or "write" or "accept" or "connect" or "readat" or "writeat" or "append"
            or "timer" or "where") {
            var cts = new CancellationTokenSource();
            cancels[token] = cts;
            ct = cts.Token;
            for (int i = 1; i < w.Length; i++)
                if (w[i] == "limit") limit = TimeSpan.FromMilliseconds(int.Parse(w[i + 1]));
                else if (w[i] == "all") all = true;
                else if (w[i] == "cancelled") cts.Cancel();
        }
        int Number(int i) => int.Parse(w[i]);
        switch (w[0]) {
            case "loop": return Loop(w[1]);
            case "stop": return Stop(Get<EventLoop>(w[1]), w.Length > 2 ? Number(2) : 20_000);
            case "ended": return Ok(Get<EventLoop>(w[1]).ShutdownAsync(Timeout.InfiniteTimeSpan));
            case "pending": return Pending(Get<EventLoop>(w[1]), (ulong)Number(2));
            case "post": return Post(Get<EventLoop>(w[1]));
            case "timer":
                return Ok(Get<EventLoop>(w[1]).DelayAsync(TimeSpan.FromMilliseconds(Number(2)), ct)
                    .AsTask());
            case "gate":
                answer("OK");
                gates.GetOrAdd(w[1], _ => new()).Wait();
                return Task.FromResult(""); // answered already
            case "open" when w.Length == 2:
                gates.GetOrAdd(w[1], _ => new()).Set();
                return Ok();
            case "throw": return Throw(w[1], Get<EventLoop>(w[2]), answer);
            case "handler":
                throwing[w[1]] = true;
                return Ok();
            case "listen": return Listen(w[1], Get<EventLoop>(w[2]));
            case "accept":
                return Accepted(w[1], Get<EvpollListener>(w[2]).AcceptAsync(ct, limit).AsTask());
            case "connect": return Connect(w[1], Get<EventLoop>(w[2]), w[3], Number(4), ct, limit);
            case "pair": return Pair(w[1], w[2], Get<EventLoop>(w[3]), Get<EventLoop>(w[4]));
            case "read": return Read(Get<EvpollStream>(w[1]), new byte[Number(2)], all, limit, ct);
            case "write":
            {
                byte[] data = Data(w[2]);
                return Bytes(limit is { } time
                    ? Get<EvpollStream>(w[1]).WriteAsync(data, time, ct).AsTask()
                    : Get<EvpollStream>(w[1]).WriteAsync(data, ct).AsTask(), data.Length);
            }
            case "finish": return Ok(Get<EvpollStream>(w[1]).ShutdownAsync().AsTask());
            case "same": return Same(w[1]);
            case "nodelay":
                Get<EvpollStream>(w[1]).NoDelay = true;
                return Ok();
            case "where": return Where(Get<EvpollStream>(w[1]).ReadAsync(new byte[1], ct),
                Get<EvpollStream>(w[1]).Loop.Context);
            case "open": return Open(w[1], Get<EventLoop>(w[2]), w[3], w[4]);
            case "readat":
                return ReadAt(Get<EvpollFile>(w[1]), new byte[Number(2)], Number(3), all, limit, ct);
            case "writeat":
            {
                byte[] data = Data(w[2]);
                return Bytes(Get<EvpollFile>(w[1]).WriteAsync(data, Number(3), ct, limit).AsTask(),
                    data.Length);
            }
            case "append":
                return Place(Get<EvpollFile>(w[1]).AppendDurableAsync(Data(w[2]), ct).AsTask());
            case "size": return Place(Get<EvpollFile>(w[1]).GetLengthAsync().AsTask());
            case "truncate": return Ok(Get<EvpollFile>(w[1]).SetLengthAsync(Number(2)).AsTask());
            case "sync": return Ok(Get<EvpollFile>(w[1]).SyncAsync().AsTask());
            case "close":
                Get<IDisposable>(w[1]).Dispose();
                return Ok();
            case "cancel":
                if (cancels.TryGetValue(w[1], out CancellationTokenSource? one)) one.Cancel();
                return Ok();
            case "drop":
                foreach (string name in w[1..]) {
                    objects.TryRemove(name, out _);
                    told.TryRemove(name, out _);
                }
                return Ok();
            case "collect":
                for (int i = 0; i < 2; i++) {
                    GC.Collect();
                    GC.WaitForPendingFinalizers();
                }
                return Ok();
            case "repeat": return Task.FromResult(Repeat(token, Number(1), w[2..]));
            case "quit": return Quit(answer);
            default: return Task.FromResult("BAD " + w[0]);
        }
    }

    static Task<string> Ok() => Task.FromResult("OK");

    static async Task<string> Ok(Task task) {
        await task.ConfigureAwait(false);
        return "OK";
    }

    static async Task<string> Bytes(Task task, int length) {
        await task.ConfigureAwait(false);
        return $"OK {length}";
    }

    static async Task<string> Place(Task<long> task) => $"OK {await task.ConfigureAwait(false)}";

    // ---- loops

    Task<string> Loop(string name) {
        var loop = EventLoop.Start(new() { Name = name });
        ConcurrentDictionary<string, bool> handlers = throwing;
        loop.UnhandledException += e => {
            if (e is not Thrown thrown) return;
            thrown.Answer("THROWN");
            if (handlers.ContainsKey(name)) throw new InvalidOperationException("the handler");
        };
        objects[name] = loop;
        return Ok();
    }

    static Task<string> Stop(EventLoop loop, int milliseconds) {
        Task ended = loop.ShutdownAsync(TimeSpan.FromMilliseconds(milliseconds));
        if (!loop.IsCurrent) ended.GetAwaiter().GetResult(); // the call blocks, up to its limit
        return Ok();
    }

    static async Task<string> Pending(EventLoop loop, ulong n) {
        await Task.Run(() => {
            while (loop.GetStats().IoInFlight < n) Thread.Yield();
        }).ConfigureAwait(false);
        return "OK";
    }

    static Task<string> Post(EventLoop loop) {
        var ran = new TaskCompletionSource<string>();
        SynchronizationContext context = loop.Context;
        loop.Post(() => ran.SetResult(SynchronizationContext.Current == context ? "OK loop"
            : "OK other"));
        return ran.Task;
    }

    sealed class Thrown(Action<string> answer) : Exception("as told") {
        public Action<string> Answer { get; } = answer;
    }

    sealed class ThrowingContext(Action<string> answer) : SynchronizationContext {
        public override void Post(SendOrPostCallback d, object? state) => throw new Thrown(answer);
    }

    static Task<string> Throw(string kind, EventLoop loop, Action<string> answer) {
        TimeSpan soon = TimeSpan.FromMilliseconds(1);
        switch (kind) {
            case "post": loop.Post(() => throw new Thrown(answer)); break;
            case "timer": loop.StartTimer(soon, () => throw new Thrown(answer)); break;
            case "done":
                loop.Post(async () => {
                    await loop.DelayAsync(soon);
                    throw new Thrown(answer);
                });
                break;
            case "context":
                SynchronizationContext? before = SynchronizationContext.Current;
                SynchronizationContext.SetSynchronizationContext(new ThrowingContext(answer));
                var cts = new CancellationTokenSource();
                _ = Wait(cts.Token); // is pending when its end is asked for
                SynchronizationContext.SetSynchronizationContext(before);
                cts.Cancel();
                break;
        }
        return Task.FromResult(""); // the handler answers

        async Task Wait(CancellationToken ct) =>
            await loop.DelayAsync(Timeout.InfiniteTimeSpan, ct);
    }

    // ---- streams

    readonly ConcurrentDictionary<string, string> told = new(); // addresses, by name

    Task<string> Listen(string name, EventLoop loop) {
        EvpollListener listener = loop.Listen(new(IPAddress.Loopback, 0));
        objects[name] = listener;
        return Task.FromResult($"OK {listener.LocalEndPoint}");
    }

    string Keep(string name, EvpollStream stream) {
        objects[name] = stream;
        return told[name] = $"{stream.RemoteEndPoint} {stream.LocalEndPoint}";
    }

    async Task<string> Accepted(string name, Task<EvpollStream> accept) =>
        $"OK {Keep(name, await accept.ConfigureAwait(false))}";

    async Task<string> Connect(string name, EventLoop loop, string host, int port,
        CancellationToken ct, TimeSpan? limit) {
        Keep(name, await loop.ConnectAsync(host, port, ct, limit).ConfigureAwait(false));
        return "OK";
    }

    Task<string> Pair(string a, string b, EventLoop one, EventLoop two) {
        using EvpollListener listener = two.Listen(new(IPAddress.Loopback, 0));
        Task<EvpollStream> accepting = listener.AcceptAsync().AsTask();
        EvpollStream first = one.ConnectAsync(listener.LocalEndPoint).AsTask().GetAwaiter()
            .GetResult();
        try {
            Keep(b, accepting.GetAwaiter().GetResult());
        } catch {
            first.Dispose();
            throw;
        }
        Keep(a, first);
        return Ok();
    }

    Task<string> Same(string name) {
        var stream = Get<EvpollStream>(name);
        return Task.FromResult(told[name] == $"{stream.RemoteEndPoint} {stream.LocalEndPoint}"
            ? "OK" : "WRONG");
    }

    static Task<string> Read(EvpollStream stream, byte[] buffer, bool all, TimeSpan? limit,
        CancellationToken ct) {
        if (all) return ReadAll(n => One(stream, buffer.AsMemory(n), limit, ct), buffer);
        return Got(One(stream, buffer, limit, ct).AsTask(), buffer);
    }

    static ValueTask<int> One(EvpollStream stream, Memory<byte> buffer, TimeSpan? limit,
        CancellationToken ct) => limit is { } time ? stream.ReadAsync(buffer, time, ct)
            : stream.ReadAsync(buffer, ct);

    static Task<string> ReadAt(EvpollFile file, byte[] buffer, long place, bool all,
        TimeSpan? limit, CancellationToken ct) => all
            ? ReadAll(n => file.ReadAsync(buffer.AsMemory(n), place + n, ct, limit), buffer)
            : Got(file.ReadAsync(buffer, place, ct, limit).AsTask(), buffer);

    static async Task<string> ReadAll(Func<int, ValueTask<int>> read, byte[] buffer) {
        int length = 0;
        for (int n = 1; n > 0 && length < buffer.Length; length += n)
            n = await read(length).ConfigureAwait(false);
        return Shown(buffer, length);
    }

    static async Task<string> Got(Task<int> read, byte[] buffer) =>
        Shown(buffer, await read.ConfigureAwait(false));

    static async Task<string> Where(ValueTask<int> read, SynchronizationContext loop) {
        await read;
        return SynchronizationContext.Current == loop ? "OK loop" : "OK other";
    }

    // ---- files

    Task<string> Open(string name, EventLoop loop, string path, string mode) {
        objects[name] = loop.OpenFile(path, mode switch {
            "r" => FileFlags.Read,
            "w" => FileFlags.Read | FileFlags.Write | FileFlags.Create | FileFlags.Truncate,
            _ => FileFlags.Append | FileFlags.Create,
        });
        return Ok();
    }

    // ---- all

    Task<string> Quit(Action<string> answer) {
        foreach (object o in objects.Values)
            if (o is not EventLoop) ((IDisposable)o).Dispose();
        foreach (object o in objects.Values) (o as EventLoop)?.Dispose();
        answer("OK");
        Environment.Exit(0);
        return Ok();
    }

    /// <summary>On a worker's thread, which waits for each slot that the next one is to follow.
    /// </summary>
    string Repeat(string token, int rounds, string[] words) {
        var slots = new List<(bool Waits, string Where, string[] Words)>();
        for (int i = 0; i < words.Length;) {
            int end = i + 1;
            while (end < words.Length && words[end] is not (":" or "&")) end++;
            slots.Add((words[i] == ":", words[i + 1], words[(i + 2)..end]));
            i = end;
        }
        var counts = slots.Select(_ => new SortedDictionary<string, int>()).ToArray();
        var told = new (string Token, Task<string> Task)[slots.Count];
        for (int round = 0; round < rounds; round++) {
            for (int i = 0; i < told.Length; i++) {
                if (slots[i].Waits) WaitFor(told, i);
                string[] text = [.. slots[i].Words.Select(word => word.StartsWith('.') &&
                    int.TryParse(word[1..], out int slot) ? $"{token}.{round}.{slot}"
                    : word.Replace("$", round.ToString("D6")))];
                var ended = new TaskCompletionSource<string>();
                told[i] = (text[0], ended.Task);
                Tell($"{token}.{round}.{i + 1}", slots[i].Where, text, ended.SetResult);
            }
            WaitFor(told, told.Length);
            for (int i = 0; i < told.Length; i++) {
                string outcome = told[i].Task.Result;
                outcome = told[i].Token is "accept" or "listen" ? outcome.Split(' ')[0]
                    : outcome.Replace(' ', '_');
                counts[i][outcome] = counts[i].GetValueOrDefault(outcome) + 1;
            }
        }
        return "OK " + string.Join(' ', counts.Select((c, i) =>
            $"{i + 1}:{string.Join(',', c.Select(o => $"{o.Key}={o.Value}"))}"));
    }

    static void WaitFor((string, Task<string> Task)[] told, int count) {
        for (int i = 0; i < count; i++) told[i].Task.Wait();
    }

    // ---- how things are said

    static byte[] Data(string text) {
        int star = text.IndexOf('*');
        if (star < 0) return Encoding.ASCII.GetBytes(text);
        byte[] piece = Encoding.ASCII.GetBytes(text[(star + 1)..]);
        int count = int.Parse(text[..star]);
        byte[] data = new byte[count * piece.Length];
        for (int i = 0; i < count; i++) piece.CopyTo(data, i * piece.Length);
        return data;
    }

    static string Shown(byte[] buffer, int length) {
        if (length == 0) return buffer.Length == 0 ? "OK 0" : "END";
        if (length <= 32) return $"OK {length} {Encoding.ASCII.GetString(buffer, 0, length)}";
        uint hash = 0x811c9dc5;
        for (int i = 0; i < length; i++) hash = (hash ^ buffer[i]) * 0x01000193;
        return $"OK {length} #{hash:x8}";
    }

    static string Outcome(Exception e) => e switch {
        AggregateException { InnerException: { } inner } => Outcome(inner),
        ObjectDisposedException { ObjectName: nameof(EventLoop) } => "SHUTDOWN",
        ObjectDisposedException => "CLOSED",
        OperationCanceledException => "CANCELLED",
        TimeoutException => "EXPIRED",
        KeyNotFoundException => "NONE",
        SocketException => "UNRESOLVED",
        EvpollException failure => string.Concat(failure.Status.ToString().Select((c, i) =>
            i > 0 && char.IsUpper(c) ? "_" + c : char.ToUpperInvariant(c).ToString())),
        _ => "BAD " + e.ToString().ReplaceLineEndings(" "),
    };
}
